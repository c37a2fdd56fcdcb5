"""The judge: both books of the sandbox against each other, worked out here and nowhere else.

What the shops sold (``sold.py``) and what the ERP holds are compared order by order: which order a document belongs to
is read off its reference, what it comes to is added up from its own rows, and both must be the shop's figure to the
cent.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tests.e2e.sold import Record, Sold, pieces

REFERENCE = re.compile(r"([A-Z]{2,4}\d+)P(\d+)G(\d+)")
"""Connection code and the channel's id, which together are an order's key; part; generation."""

FITTING = {
    "unknown_sku": "unknown_sku",
    "inactive_sku": "inactive_sku",
    "barcode_differs": "barcode_differs",
    "unmapped_discount": "no_allowance",
    "unmapped_shipping": "no_ship_via",
    "missing_address": "address_incomplete",
    "unmapped_currency": "no_house_account",
    "circular": "circular",
    "custom_line": "unknown_sku",
    "deleted_product": "unknown_sku",
    "refunded": "partly_refunded",
}
"""What the shopper spoilt on purpose, and the problem that says so."""


def worth(document: Record) -> Decimal:
    """One sales order of the ERP: rows, tax, freight and charges, less its allowances."""
    lines = sum((amount(row["price"]) * int(row["ord_qty"]) for row in rows(document, "orderdetail")), Decimal(0))
    charges = sum((amount(row["amount"]) for row in rows(document, "ordercharge")), Decimal(0))
    allowed = sum((amount(row["amount"]) for row in rows(document, "orderdiscount")), Decimal(0))
    return lines + amount(document["tax_amt"]) + amount(document["frgt_amt"]) + charges - allowed


def rows(document: Record, collection: str) -> list[Record]:
    return list((document.get(collection) or {}).get("rows", []))


def amount(value: object) -> Decimal:
    return Decimal(str(value or 0))


@dataclass(frozen=True)
class Judgement:
    """Everything wrong with the books, each in words; empty where they agree."""

    wrong: tuple[str, ...]
    booked: frozenset[str]
    """Keys of the orders that the ERP holds."""


def judge(sold: Mapping[str, Sold], held: Iterable[Record]) -> Judgement:
    """The shops' orders by their keys against the ERP's documents under references of ours."""
    wrong: list[str] = []
    documents: dict[str, list[Record]] = defaultdict(list)
    for document in held:
        found = REFERENCE.fullmatch(str(document["po_num"]))
        if found is None:
            wrong.append(f"{document['po_num']} is no reference of ours")
        else:
            documents[found[1]].append(document)
    wrong += [f"{key} was booked and never sold" for key in documents if key not in sold]
    for key, order in sold.items():
        wrong += compare(order, documents.get(key, []))
    return Judgement(tuple(wrong), frozenset(documents.keys() & sold.keys()))


def compare(order: Sold, documents: list[Record]) -> list[str]:
    """What is wrong with one order, given all that the ERP holds of it; nothing where both agree."""
    if not documents:
        return [f"{order.name} is paid and bookable, and is missing"] if order.paid and not order.spoilt else []
    if order.spoilt or order.test:
        return [f"{order.name} was booked: {order.spoilt or 'a test order'}"]
    if order.waits or order.no_order:
        return [f"{order.name} was booked, and it is {order.status}"]
    return [*_once(order.name, documents), *_to_the_cent(order, documents), *_goods(order, documents)]


def _once(name: str, documents: list[Record]) -> list[str]:
    """Every part once, none skipped, under the name that people know."""
    found = [REFERENCE.fullmatch(str(document["po_num"])) for document in documents]
    parts = sorted(int(one[2]) for one in found if one)
    said = {str(document["altpo"]) for document in documents}
    wrong = [] if parts == list(range(1, len(parts) + 1)) else [f"{name} is booked in parts {parts}"]
    return wrong + ([] if said == {name} else [f"{name} is called {said} in the ERP"])


def _to_the_cent(order: Sold, documents: list[Record]) -> list[str]:
    """Cancelled after it was booked, the ERP's order stands as it was sold."""
    due = order.at_first if order.cancelled else order.total
    held = sum((worth(document) for document in documents), Decimal(0))
    currencies = {str(document["curr_code"]) for document in documents}
    wrong = [] if held == due else [f"{order.name} is worth {due}, the ERP holds {held}"]
    if currencies != {order.currency}:
        wrong.append(f"{order.name} was paid in {order.currency}, booked in {currencies}")
    return wrong


def _goods(order: Sold, documents: list[Record]) -> list[str]:
    """The same pieces of the same SKUs."""
    wanted = order.goods_at_first if order.cancelled else order.goods
    lines = [row for document in documents for row in rows(document, "orderdetail")]
    there = pieces((row["upc"], int(row["ord_qty"])) for row in lines)
    return [] if wanted == there else [f"{order.name} has {dict(wanted)}, the ERP {dict(there)}"]
