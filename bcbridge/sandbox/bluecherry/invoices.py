"""Invoices: what left a warehouse, one for each shipment.

That they can be read, their path and the names of the collections are assumed (NOTES 7.3); ``inv_num``, the amounts and
what is taken over from the pick ticket stand in 2.5, cartons with their ``track_no`` in 2.7. A carton does not say
which pieces are in it. An invoice that was made by mistake stays, with ``void`` "Y", and its pieces are picked again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from decimal import Decimal

from bcbridge.sandbox.bluecherry.accepting import AMOUNTS
from bcbridge.sandbox.bluecherry.books import Row, next_pkey, put
from bcbridge.sandbox.bluecherry.orders import Booked
from bcbridge.sandbox.bluecherry.pen import Pen

FIRST_PKEY = 400_001
FIRST_NUMBER = 80_001
SSCC = "00008400000000000000"

_TAKEN_OVER = (
    *("ord_num", "po_num", "altpo", "customer", "division", "department", "location", "ord_type", "shipper"),
    *("terms", "curr_code"),
)
_OF_LINES = ("line_seq", "division", "style", "color_code", "lbl_code", "dimension", "size_desc", "upc", "price")


def write(
    connection: sqlite3.Connection, order: Booked, pieces: Sequence[tuple[Row, int]], tracks: Sequence[str], pen: Pen
) -> str:
    """The invoice of what was just shipped of an order; its number. ``tracks``: one tracking number a carton."""
    pkey = next_pkey(connection, "invoices", FIRST_PKEY)
    number = f"I{pkey - FIRST_PKEY + FIRST_NUMBER:07d}"
    header = _header(connection, order, pieces, pkey, number, pen)
    details = [_line(header, line, place, count) for place, (line, count) in enumerate(pieces, 1)]
    cartons = [_carton(header, place, track) for place, track in enumerate(tracks, 1)]
    put(connection, "invoices", header, {"invoicedetail": {"rows": details}, "invoicecarton": {"rows": cartons}})
    return number


def _header(
    connection: sqlite3.Connection, order: Booked, pieces: Sequence[tuple[Row, int]], pkey: int, number: str, pen: Pen
) -> Row:
    """The order's amounts are charged with its first invoice."""
    charged = connection.execute(_CHARGED, (order.header["ord_num"],)).fetchone() is not None
    amounts = {name: Decimal("0.00") if charged else order.header.get(name, Decimal("0.00")) for name in AMOUNTS}
    return {
        **{name: order.header.get(name, "") for name in _TAKEN_OVER},
        "location": pieces[0][0].get("location") or order.header["location"],
        "pkey": pkey,
        "inv_num": number,
        "pick_num": _ticket(connection, order.header["ord_num"]),
        "inv_date": pen.stamp[:10],
        "ship_date": pen.stamp[:10],
        "merch_amt": sum((line["price"] * count for line, count in pieces), Decimal("0.00")),
        **amounts,
        "void": "N",
        "last_mod": pen.stamp,
    }


_CHARGED = "SELECT 1 FROM invoices WHERE ord_num = ? AND json_extract(header, '$.void') = 'N' LIMIT 1"
_TICKETS = """
SELECT json_extract(header, '$.pick_num') FROM picks
WHERE json_extract(header, '$.ord_num') = ? AND json_extract(header, '$.inv_num') = '' ORDER BY pkey LIMIT 1"""


def _ticket(connection: sqlite3.Connection, ord_num: str) -> str:
    found = connection.execute(_TICKETS, (ord_num,)).fetchone()
    return "" if found is None else str(found[0])


def _line(header: Row, line: Row, place: int, pieces: int) -> Row:
    return {
        **{name: line.get(name, "") for name in _OF_LINES},
        "pkey": header["pkey"] * 1_000 + place,
        "fkey": header["pkey"],
        "inv_num": header["inv_num"],
        "ord_num": header["ord_num"],
        "inv_qty": pieces,
        "location": line.get("location") or header["location"],
        "lot": "",
    }


def _carton(header: Row, place: int, track: str) -> Row:
    sscc = int(SSCC) + header["pkey"] * 100 + place
    return {
        "pkey": header["pkey"] * 1_000 + 500 + place,
        "fkey": header["pkey"],
        "carton_num": f"{sscc:020d}",
        "carton_wgt": Decimal("1.20"),
        "weight_uom": "LB",
        "track_no": track,
    }


def track_of(connection: sqlite3.Connection, shipper: str) -> str:
    """A tracking number as that carrier might give it, for the next invoice."""
    return f"{CARRIERS.get(shipper, 'TRK')}{next_pkey(connection, 'invoices', FIRST_PKEY):010d}"


CARRIERS = {"UPG": "1ZBC0000", "UP2": "1ZBC2222", "FXO": "7712", "USP": "94001"}


def found(connection: sqlite3.Connection, number: str) -> tuple[Row, Row]:
    """Header and children. Raises ValueError where there is none."""
    row = connection.execute("SELECT header, children FROM invoices WHERE inv_num = ?", (number,)).fetchone()
    if row is None:
        raise ValueError(f"there is no invoice {number}")
    return json.loads(row[0], parse_float=Decimal), json.loads(row[1], parse_float=Decimal)


def change_tracks(connection: sqlite3.Connection, number: str, tracks: Sequence[str], pen: Pen) -> None:
    """Other cartons than were written down at first: a number that came late, or was mistyped."""
    header, children = found(connection, number)
    cartons = [_carton(header, place, track) for place, track in enumerate(tracks, 1)]
    put(connection, "invoices", {**header, "last_mod": pen.stamp}, {**children, "invoicecarton": {"rows": cartons}})


def void(connection: sqlite3.Connection, number: str, pen: Pen) -> list[tuple[int, int]]:
    """It never left: line and pieces of each row, for the order to take back. Raises ValueError where it is void."""
    header, children = found(connection, number)
    if header["void"] == "Y":
        raise ValueError(f"invoice {number} is void already")
    put(connection, "invoices", {**header, "void": "Y", "last_mod": pen.stamp}, children)
    return [(row["line_seq"], row["inv_qty"]) for row in children["invoicedetail"]["rows"]]
