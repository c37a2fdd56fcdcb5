"""Pick tickets: what a warehouse works from (NOTES 2.5)."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal

from bcbridge.sandbox.bluecherry.accepting import AMOUNTS
from bcbridge.sandbox.bluecherry.books import Row, next_pkey, put
from bcbridge.sandbox.bluecherry.orders import Booked
from bcbridge.sandbox.bluecherry.pen import Pen

FIRST_PKEY = 300_001

ECHOED = (
    *("ord_num", "po_num", "altpo", "customer", "division", "department", "location", "end_date", "ord_type"),
    *("ord_status", "shipper", "curr_code", *AMOUNTS, "last_mod"),
)
"""Header fields that a ticket takes over from its order."""

_NAMED = ("style", "color_code", "lbl_code", "dimension", "size_desc", "upc")


def header_of(order: Row, pkey: int) -> Row:
    return {
        **{name: order.get(name, "") for name in ECHOED},
        "pkey": pkey,
        "pick_num": f"{pkey - FIRST_PKEY + 50_001:07d}",
        "pick_date": order["last_mod"][:10],
        "inv_num": "",
        "notes": "",
    }


def row_of(header: Row, sku: Row, line: Row, place: int, pieces: int) -> Row:
    """A line of a ticket: ``pieces`` of its ``total_qty`` are to be picked."""
    return {
        **{name: sku.get(name, "") for name in _NAMED},
        "pkey": header["pkey"] * 1_000 + place,
        "fkey": header["pkey"],
        "line_seq": place,
        "pick_num": header["pick_num"],
        "org_color": sku.get("color_code", ""),
        "upc": line["upc"],
        "price": line["price"],
        "bk_qty": pieces,
        "total_qty": line["ord_qty"],
        "location": line.get("location") or header["location"],
        "lot": "",
        "division": header["division"],
        "vas_serial_no": "",
        "notes": "",
    }


def keep(connection: sqlite3.Connection, header: Row, rows: list[Row], addresses: list[Row]) -> None:
    keyed = [
        {**row, "pkey": header["pkey"] * 1_000 + 500 + place, "fkey": header["pkey"]}
        for place, row in enumerate(addresses)
    ]
    put(connection, "picks", header, {"pickdetail": {"rows": rows}, "pickaddress": {"rows": keyed}})


def write(connection: sqlite3.Connection, order: Booked, pieces: list[tuple[Row, int]], pen: Pen) -> None:
    """The ticket of what was just picked of an order."""
    header = header_of({**order.header, "last_mod": pen.stamp}, next_pkey(connection, "picks", FIRST_PKEY))
    rows = [row_of(header, line, line, place, count) for place, (line, count) in enumerate(pieces, 1)]
    keep(connection, header, rows, order.children.get("orderaddress", {}).get("rows", []))


def invoice(connection: sqlite3.Connection, order: Booked, number: str, pen: Pen) -> None:
    """The order's tickets without an invoice get its number."""
    for (text,) in connection.execute(_WITHOUT_INVOICE, (order.header["ord_num"],)).fetchall():
        header = {**json.loads(text, parse_float=Decimal), "inv_num": number, "last_mod": pen.stamp}
        _change(connection, header)


_WITHOUT_INVOICE = """
SELECT header FROM picks
WHERE json_extract(header, '$.ord_num') = ? AND json_extract(header, '$.inv_num') = ''"""


def _change(connection: sqlite3.Connection, header: Row) -> None:
    (children,) = connection.execute("SELECT children FROM picks WHERE pkey = ?", (header["pkey"],)).fetchone()
    put(connection, "picks", header, json.loads(children, parse_float=Decimal))
