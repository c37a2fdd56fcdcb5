"""POST /api/order: what the API looks at before it says yes, and what a yes means (NOTES 1.3, 4.3, 7.4).

A yes means: the transaction is on disk under one ``pkey``. No sales order exists yet; the posting job may
make it later, or refuse it. Only shape is looked at here: customers, SKUs and codes are looked up when
posting.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bcbridge.sandbox.bluecherry.books import Row, next_pkey, text

FIRST_INBOUND = 900_001

AMOUNTS = ("disc_amt", "tax_amt", "frgt_amt", "insu_amt", "misc_amt")
DATES = ("start_date", "end_date")
COLLECTIONS = ("orderdetail", "orderaddress", "orderdiscount", "ordercharge")

WIDTHS = {"division": 3, "season": 5, "shipper": 3, "altpo": 30, "customer": 10, "location": 6, "curr_code": 3}
ROW_WIDTHS = {"style": 12, "color_code": 5, "division": 3, "location": 6, "addr_type": 2}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2})?|\d{2}/\d{2}/\d{4}")

Shape = Callable[[list[str]], dict[str, Any]]
"""One of the four ways in which the ERP says no (NOTES 1.3)."""


def error_messages(messages: list[str]) -> dict[str, Any]:
    return {"errors": [{"errorMessage": message} for message in messages]}


def messages(found: list[str]) -> dict[str, Any]:
    return {"errors": [{"message": message} for message in found]}


def message_list(found: list[str]) -> dict[str, Any]:
    return {"message": [{"message": message} for message in found]}


def plain_text(found: list[str]) -> dict[str, Any]:
    return {"message": " ".join(found)}


class Refused(Exception):
    """The API's no, with the body it is said in."""

    def __init__(self, shape: Shape, found: list[str]) -> None:
        super().__init__("; ".join(found))
        self.body = shape(found)


@dataclass(frozen=True)
class Acceptance:
    """Sales orders whose shape is right, not yet on disk."""

    documents: list[Row]

    def keep(self, connection: sqlite3.Connection, *, at: datetime, refuse_duplicates: bool) -> int:
        """Writes them as one inbound transaction and returns its ``pkey``."""
        if refuse_duplicates:
            _no_duplicates(connection, self.documents)
        pkey = next_pkey(connection, "inbound", FIRST_INBOUND)
        connection.executemany(
            "INSERT INTO inbound (pkey, accepted_at, po_num, customer, body) VALUES (?, ?, ?, ?, ?)",
            [(pkey, at.isoformat(), d["po_num"], d["customer"], text(d)) for d in self.documents],
        )
        return pkey


def check(body: bytes, *, po_num_width: int) -> Acceptance:
    """Looks at the shape of a posted array; raises `Refused` with every problem of the first kind it meets."""
    documents = array_of(body)
    for shape, problems in (
        (error_messages, _missing),
        (messages, lambda document: _too_wide(document, po_num_width)),
        (message_list, _not_a_value),
    ):
        found = [problem for document in documents for problem in problems(document)]
        if found:
            raise Refused(shape, found)
    return Acceptance([_tidy(document) for document in documents])


def array_of(body: bytes) -> list[Row]:
    """The orders of a body, their child collections under ``rows``; raises `Refused`."""
    try:
        documents = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except ValueError as error:
        raise Refused(plain_text, [f"The request body is not valid JSON: {error}"]) from None
    if not isinstance(documents, list) or not documents:
        raise Refused(plain_text, ["The request body must be an array of orders."])
    if not all(isinstance(document, dict) for document in documents):
        raise Refused(plain_text, ["Every element of the array must be an order."])
    if not all(isinstance(rows, list) for document in documents for rows in _collections(document).values()):
        raise Refused(plain_text, ["A child collection must hold its list under rows."])
    return documents


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _collections(document: Row) -> dict[str, Any]:
    """The rows of each child collection that was sent; not a list where the shape is wrong."""
    found = {}
    for name in COLLECTIONS:
        if name in document:
            child = document[name]
            rows = child.get("rows") if isinstance(child, dict) else None
            found[name] = rows if isinstance(rows, list) and all(isinstance(r, dict) for r in rows) else None
    return found


def rows_of(document: Row, collection: str) -> list[Row]:
    rows: list[Row] = _collections(document).get(collection) or []
    return rows


def _missing(document: Row) -> Iterator[str]:
    for name in ("customer", "po_num"):
        if not isinstance(document.get(name), str) or not document[name].strip():
            yield f"{name} is required."
    lines = rows_of(document, "orderdetail")
    if not lines:
        yield "orderdetail is required."
    for place, line in enumerate(lines, 1):
        if not line.get("upc") and not line.get("style"):
            yield f"orderdetail {place}: upc or style is required."
        for name in ("ord_qty", "price"):
            if line.get(name) in (None, ""):
                yield f"orderdetail {place}: {name} is required."


def _too_wide(document: Row, po_num_width: int) -> Iterator[str]:
    rows = [row for name in COLLECTIONS for row in rows_of(document, name)]
    yield from _over(document, {**WIDTHS, "po_num": po_num_width})
    for row in rows:
        yield from _over(row, ROW_WIDTHS)


def _over(record: Row, widths: dict[str, int]) -> Iterator[str]:
    for name, width in widths.items():
        if len(str(record.get(name) or "")) > width:
            yield f"String or binary data would be truncated: {name} ({width})."


def _not_a_value(document: Row) -> Iterator[str]:
    for name in AMOUNTS:
        if decimal_of(document.get(name, 0)) is None:
            yield f"{name} is not a number."
    for name in DATES:
        if document.get(name) and not _DATE.fullmatch(str(document[name])):
            yield f"{name} is not a date."
    for line in rows_of(document, "orderdetail"):
        quantity = decimal_of(line["ord_qty"])
        if quantity is None or quantity < 1 or quantity != int(quantity):
            yield "ord_qty is not a quantity."
        if decimal_of(line["price"]) is None:
            yield "price is not a number."
    for name in ("orderdiscount", "ordercharge"):
        if any(decimal_of(row.get("amount")) is None for row in rows_of(document, name)):
            yield f"{name}: amount is not a number."


def decimal_of(value: object) -> Decimal | None:
    """The number, given as a number or as text; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _tidy(document: Row) -> Row:
    """The document with every number a number, as the ERP's columns would hold it."""
    tidy = {**document, **{name: Decimal(document[name]) for name in AMOUNTS if name in document}}
    for name in COLLECTIONS:
        if name in document:
            tidy[name] = {"rows": [_tidy_row(row) for row in rows_of(document, name)]}
    return tidy


def _tidy_row(row: Row) -> Row:
    tidy: Row = {**row, **{name: Decimal(row[name]) for name in ("price", "amount") if name in row}}
    if "ord_qty" in row:
        tidy["ord_qty"] = int(Decimal(row["ord_qty"]))
    return tidy


def _no_duplicates(connection: sqlite3.Connection, documents: list[Row]) -> None:
    found = [
        f"PO number {d['po_num']} already exists for customer {d['customer']}."
        for d in documents
        if connection.execute(_KNOWN, {"po_num": d["po_num"], "customer": d["customer"]}).fetchone()
    ]
    if found:
        raise Refused(error_messages, found)


_KNOWN = """
SELECT 1 FROM orders WHERE po_num = :po_num AND customer = :customer
UNION ALL
SELECT 1 FROM inbound WHERE po_num = :po_num AND customer = :customer AND status <> 'refused'
LIMIT 1
"""
