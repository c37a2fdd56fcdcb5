"""POST /api/<change_path>: a correction of an order that is booked. Assumed as a whole: no such write is documented
(NOTES 1, 7.3), and this ERP has one only where its setting ``change_path`` names it.

What it asks for are levels: ``cxl_qty`` is what is cancelled of a row all in all, an address is what it is to be. Asked
twice, it is as asked once. It takes effect at once, as a whole or not at all; what it cancels is the customer's cancel
(CC, NOTES 3).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from bcbridge.sandbox.bluecherry.accepting import (
    Refused,
    array_of,
    decimal_of,
    error_messages,
    message_list,
    plain_text,
    rows_of,
)
from bcbridge.sandbox.bluecherry.amending import ADDRESS_TYPES, goes_elsewhere, readdress
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.orders import Booked
from bcbridge.sandbox.bluecherry.pen import Pen


@dataclass(frozen=True)
class Change:
    """A correction whose shape is right, not yet held against its order."""

    document: Row

    def make(self, connection: sqlite3.Connection, pen: Pen) -> int:
        """Changes the order and returns its ``pkey``; `Refused` with every reason, and then nothing is changed."""
        order = self._order(connection)
        problems = [*self._rows_amiss(order), *self._addresses_amiss(order)]
        if problems:
            raise Refused(error_messages, problems)
        changed = [*self._cancel(connection, order, pen), *self._readdress(order, pen)]
        if any(changed):
            order.keep(connection)
        return int(order.header["pkey"])

    def _order(self, connection: sqlite3.Connection) -> Booked:
        po_num, ord_num = self.document["po_num"], self.document["ord_num"]
        try:
            order = Booked.found(connection, ord_num)
        except ValueError:
            raise Refused(error_messages, [f"order {ord_num} is not on file."]) from None
        if order.header["po_num"] != po_num:
            raise Refused(error_messages, [f"order {ord_num} has another po_num than {po_num}."])
        return order

    def _rows_amiss(self, order: Booked) -> Iterator[str]:
        by_seq = {line["line_seq"]: line for line in order.lines}
        for row in rows_of(self.document, "orderdetail"):
            seq, line = row["line_seq"], by_seq.get(row["line_seq"])
            if line is None:
                yield f"line {seq} is not on file."
            elif row.get("upc") not in (None, "", line["upc"]):
                yield f"line {seq}: upc {row['upc']} is not that of the line."
            else:
                yield from (f"line {seq}: {why}" for why in _too_many(line, int(decimal_of(row["cxl_qty"]) or 0)))

    def _addresses_amiss(self, order: Booked) -> Iterator[str]:
        """Chosen, as all of this: what is on a pick ticket or has left goes where it goes."""
        gone = sum(line["pick_qty"] + line["inv_qty"] for line in order.lines)
        for row in rows_of(self.document, "orderaddress"):
            if gone and goes_elsewhere(order, row["addr_type"], _fields(row)):
                yield f"address {row['addr_type']}: {_pieces(gone)} picked."

    def _cancel(self, connection: sqlite3.Connection, order: Booked, pen: Pen) -> Iterator[bool]:
        for row in rows_of(self.document, "orderdetail"):
            line = order.line(row["line_seq"])
            more = int(decimal_of(row["cxl_qty"]) or 0) - line["cxl_qty"]
            if more > 0:
                order.step(connection, line, "customer_cancel", more, pen)
            yield more > 0

    def _readdress(self, order: Booked, pen: Pen) -> Iterator[bool]:
        for row in rows_of(self.document, "orderaddress"):
            yield readdress(order, row["addr_type"], _fields(row), pen)


def check(body: bytes) -> Change:
    """Looks at the shape of a posted array of one correction; raises `Refused`."""
    documents = array_of(body)
    if len(documents) != 1:
        raise Refused(plain_text, ["The request body must be an array of one order."])
    for shape, problems in ((error_messages, _missing), (message_list, _not_a_value)):
        found = list(problems(documents[0]))
        if found:
            raise Refused(shape, found)
    return Change(documents[0])


def _missing(document: Row) -> Iterator[str]:
    for name in ("po_num", "ord_num"):
        if not isinstance(document.get(name), str) or not document[name].strip():
            yield f"{name} is required."
    for place, row in enumerate(rows_of(document, "orderdetail"), 1):
        for name in ("line_seq", "cxl_qty"):
            if row.get(name) in (None, ""):
                yield f"orderdetail {place}: {name} is required."


def _not_a_value(document: Row) -> Iterator[str]:
    for row in rows_of(document, "orderdetail"):
        if not isinstance(row["line_seq"], int):
            yield "line_seq is not a number."
        pieces = decimal_of(row["cxl_qty"])
        if pieces is None or pieces < 0 or pieces != int(pieces):
            yield "cxl_qty is not a quantity."
    for row in rows_of(document, "orderaddress"):
        if row.get("addr_type") not in ADDRESS_TYPES:
            yield "addr_type is not known."
        yield from (f"{name} is not a text." for name, value in row.items() if not isinstance(value, str))


def _too_many(line: Row, wanted: int) -> Iterator[str]:
    """Why not so many pieces of a line can be cancelled all in all; nothing where they can."""
    if wanted <= line["open_qty"] + line["cxl_qty"]:
        return
    if line["pick_qty"]:
        yield f"{_pieces(line['pick_qty'])} picked."
    if line["inv_qty"]:
        yield f"{_pieces(line['inv_qty'])} invoiced."
    if wanted > line["ord_qty"]:
        yield f"cxl_qty {wanted} is more than the ord_qty {line['ord_qty']}."


def _pieces(count: int) -> str:
    return "1 piece is" if count == 1 else f"{count} pieces are"


def _fields(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "addr_type"}
