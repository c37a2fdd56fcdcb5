"""A sales order as the ERP holds it: how a posted document becomes a header and its children."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

from bcbridge.sandbox.bluecherry.accepting import AMOUNTS, COLLECTIONS, rows_of
from bcbridge.sandbox.bluecherry.books import Row, next_pkey, put

FIRST_PKEY = 200_001
FIRST_NUMBER = 100_001
"""``ord_num`` and ``pkey`` are counted apart, so that taking one for the other shows."""

OPEN = "O"

_PARTS = ("division", "style", "color_code", "lbl_code", "dimension", "size_desc", "upc")

_USUAL = {
    "division": "",
    "department": "",
    "season": "",
    "store": "",
    "location": "",
    "altpo": "",
    "ord_type": "",
    "shipper": "",
    "terms": "",
    "start_date": "",
    "end_date": "",
    "curr_code": "USD",
    **dict.fromkeys(AMOUNTS, Decimal("0.00")),
}


def sku_of(connection: sqlite3.Connection, line: Row) -> Row | None:
    """The SKU a line means: by its UPC, or where it gives none by its parts. With ``active_ok`` of its style."""
    if line.get("upc"):
        found = connection.execute(f"{_SKU} WHERE k.upc = ?", (line["upc"],)).fetchall()
    else:
        parts = [str(line.get(name) or "") for name in ("style", "color_code", "size_desc", "lbl_code", "dimension")]
        found = connection.execute(f"{_SKU} WHERE {_BY_PARTS}", parts).fetchall()
    return dict(zip((*_PARTS, "active_ok"), found[0], strict=True)) if len(found) == 1 else None


_SKU = """
SELECT k.division, k.style, k.color_code, k.lbl_code, k.dimension, k.size_desc, k.upc,
       json_extract(s.header, '$.active_ok')
FROM skus AS k JOIN styles AS s ON s.pkey = k.style_pkey"""
_BY_PARTS = "k.style = ? AND k.color_code = ? AND k.size_desc = ? AND k.lbl_code = ? AND k.dimension = ?"


def book(connection: sqlite3.Connection, document: Row, *, entered: str, stamp: str) -> Row:
    """Makes the sales order and returns its header: what was sent, keys, status, and the ERP's own stamps.

    ``entered`` becomes ``orgentdate``, ``stamp`` every ``last_mod``; both are ERP-local.
    """
    pkey = next_pkey(connection, "orders", FIRST_PKEY)
    sent = {name: value for name, value in document.items() if name not in COLLECTIONS}
    header: Row = {
        **_USUAL,
        **sent,
        "pkey": pkey,
        "ord_num": f"{pkey - FIRST_PKEY + FIRST_NUMBER:07d}",
        "ord_status": document.get("ord_status") or OPEN,
        "orgentdate": entered,
        "last_mod": stamp,
    }
    lines = [_line(connection, header, row, place) for place, row in enumerate(rows_of(document, "orderdetail"), 1)]
    header["total_qty"] = sum(line["ord_qty"] for line in lines)
    put(connection, "orders", header, _children(document, header, lines))
    return header


def _line(connection: sqlite3.Connection, header: Row, row: Row, place: int) -> Row:
    sku = sku_of(connection, row) or {}
    quantity = row["ord_qty"]
    return {
        "line_seq": place,
        **row,
        "location": row.get("location") or header["location"],
        **{name: value for name, value in sku.items() if name in _PARTS},
        "ord_num": header["ord_num"],
        "open_qty": quantity,
        "pick_qty": 0,
        "inv_qty": 0,
        "cxl_qty": 0,
        "total_qty": quantity,
    }


def _children(document: Row, header: Row, lines: list[Row]) -> dict[str, Any]:
    """Every collection under ``rows``; each row with a key of its own and the header's as ``fkey``."""
    collections = {name: rows_of(document, name) for name in COLLECTIONS} | {"orderdetail": lines}
    children: dict[str, Any] = {}
    key = header["pkey"] * 1_000
    for name, rows in collections.items():
        keyed = [{**row, "pkey": key + place, "fkey": header["pkey"]} for place, row in enumerate(rows, 1)]
        stamped = [{**row, "last_mod": header["last_mod"]} for row in keyed] if name == "orderdetail" else keyed
        children[name] = {"rows": stamped}
        key += len(rows)
    return children
