"""A booked sales order changed by the ERP's people: other quantities, another line, another address, no order any more.

Every piece of a line stays somewhere: open, picked, invoiced and cancelled are ``ord_qty`` together, before and after.
"""

from __future__ import annotations

import sqlite3

from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.orders import Booked, line_of, sku_of
from bcbridge.sandbox.bluecherry.pen import Pen

ADDRESS_TYPES = ("BT", "ST")
ADDRESS_FIELDS = ("name", "contact", "addr1", "addr2", "city", "state", "zipcode", "country", "email", "phone")
"""As an order has them (NOTES 7.4); ``phone`` is assumed."""


def amend(connection: sqlite3.Connection, order: Booked, line: Row, quantity: int, pen: Pen) -> None:
    """A line has another ``ord_qty`` from now on; ValueError where more than that is not open any more."""
    gone = line["ord_qty"] - line["open_qty"]
    if quantity < gone:
        raise ValueError(f"order {order.header['ord_num']} line {line['line_seq']}: {gone} pieces are not open")
    more = quantity - line["ord_qty"]
    line["ord_qty"] = line["total_qty"] = quantity
    line["open_qty"] += more
    line["last_mod"] = pen.stamp
    _counted(order, more, pen)
    order.take(connection, line, more, pen)


def add_line(connection: sqlite3.Connection, order: Booked, row: Row, pen: Pen) -> None:
    """One more line, ``row``: its UPC, ``ord_qty``, ``price`` and perhaps ``location``."""
    if sku_of(connection, row) is None:
        raise ValueError(f"{row.get('upc')} is not on file")
    seq = max((line["line_seq"] for line in order.lines), default=0) + 1
    line = line_of(connection, order.header, row, seq)
    order.lines.append({**line, **_keys(order), "last_mod": pen.stamp})
    _counted(order, line["ord_qty"], pen)
    order.take(connection, line, line["open_qty"], pen)


def readdress(order: Booked, addr_type: str, fields: Row, pen: Pen) -> bool:
    """The address of that type has those fields from now on, and keeps the others; whether that changed anything."""
    if not goes_elsewhere(order, addr_type, fields):
        return False
    row = _address(order, addr_type)
    if row is None:
        row = {"addr_type": addr_type, **_keys(order)}
        order.children["orderaddress"]["rows"].append(row)
    row.update(fields)
    order.header["last_mod"] = pen.stamp
    return True


def goes_elsewhere(order: Booked, addr_type: str, fields: Row) -> bool:
    """Whether the order's address of that type has one of those fields otherwise."""
    held = _address(order, addr_type) or {}
    return any(held.get(name, "") != value for name, value in fields.items())


def _address(order: Booked, addr_type: str) -> Row | None:
    rows: list[Row] = order.children["orderaddress"]["rows"]
    return next((row for row in rows if row.get("addr_type") == addr_type), None)


def cancel_order(connection: sqlite3.Connection, order: Booked, pen: Pen) -> None:
    """All that is open of it, by the house; ValueError where nothing is. Its status stays: no value for a cancelled
    order is documented (NOTES 2.11)."""
    there = [line for line in order.lines if line["open_qty"]]
    if not there:
        raise ValueError(f"order {order.header['ord_num']} has nothing open")
    for line in there:
        order.step(connection, line, "cancel", line["open_qty"], pen)


def _counted(order: Booked, more: int, pen: Pen) -> None:
    order.header["total_qty"] += more
    order.header["last_mod"] = pen.stamp


def _keys(order: Booked) -> Row:
    """Of a new row of any collection: rows are counted over all of them."""
    key = order.header["pkey"]
    rows = [row for child in order.children.values() for row in child["rows"]]
    return {"pkey": max((row["pkey"] for row in rows), default=key * 1_000) + 1, "fkey": key}
