"""The judge: both books of the sandbox against each other, worked out here and nowhere else.

What the shop sold and what the ERP holds are compared order by order: which order a document belongs to is read off
its reference, what it comes to is added up from its own rows, and both must be the shop's figure to the cent.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Record = Mapping[str, Any]
REFERENCE = re.compile(r"S?US(\d+)P(\d+)G(\d+)")
"""``SUS`` in these tests' own config, ``US`` in the shipped one."""

FITTING = {
    "unknown_sku": "unknown_sku",
    "inactive_sku": "inactive_sku",
    "barcode_differs": "barcode_differs",
    "unmapped_discount": "no_allowance",
    "unmapped_shipping": "no_ship_via",
    "missing_address": "address_incomplete",
    "unmapped_currency": "no_house_account",
    "circular": "circular",
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


def customer_pays(order: Record, figure: str = "currentTotalPriceSet") -> Decimal:
    """The order's total as its customer sees it."""
    return Decimal(order[figure]["presentmentMoney"]["amount"])


def spoilt(order: Record) -> list[str]:
    """What the shopper made wrong on purpose."""
    return list(order["_sandbox"].get("unbookable") or [])


def is_paid(order: Record) -> bool:
    return bool(order["displayFinancialStatus"] == "PAID" and not order["test"] and not order["cancelledAt"])


@dataclass(frozen=True)
class Judgement:
    """Everything wrong with the books, each in words; empty where they agree."""

    wrong: tuple[str, ...]
    booked: frozenset[str]
    """Names of the orders that the ERP holds."""


def judge(sold: Iterable[Record], held: Iterable[Record]) -> Judgement:
    """The shop's orders against the ERP's documents under references of ours."""
    wrong: list[str] = []
    documents: dict[str, list[Record]] = defaultdict(list)
    for document in held:
        found = REFERENCE.fullmatch(str(document["po_num"]))
        if found is None:
            wrong.append(f"{document['po_num']} is no reference of ours")
        else:
            documents[found[1]].append(document)
    orders = {str(order["legacyResourceId"]): order for order in sold}
    wrong += [f"{id_} was booked and never sold" for id_ in documents if id_ not in orders]
    for id_, order in orders.items():
        wrong += compare(order, documents.get(id_, []))
    return Judgement(tuple(wrong), frozenset(orders[id_]["name"] for id_ in documents if id_ in orders))


def compare(order: Record, documents: list[Record]) -> list[str]:
    """What is wrong with one order, given all that the ERP holds of it; nothing where both agree."""
    name = order["name"]
    if not documents:
        return [f"{name} is paid and bookable, and is missing"] if is_paid(order) and not spoilt(order) else []
    if spoilt(order) or order["test"]:
        return [f"{name} was booked: {spoilt(order) or 'a test order'}"]
    if not is_paid(order) and not order["cancelledAt"]:
        return [f"{name} was booked unpaid: {order['displayFinancialStatus']}"]
    return [*_once(name, documents), *_to_the_cent(order, documents), *_goods(order, documents)]


def _once(name: str, documents: list[Record]) -> list[str]:
    """Every part once, none skipped, under the name that people know."""
    found = [REFERENCE.fullmatch(str(document["po_num"])) for document in documents]
    parts = sorted(int(one[2]) for one in found if one)
    said = {str(document["altpo"]) for document in documents}
    wrong = [] if parts == list(range(1, len(parts) + 1)) else [f"{name} is booked in parts {parts}"]
    return wrong + ([] if said == {name} else [f"{name} is called {said} in the ERP"])


def _to_the_cent(order: Record, documents: list[Record]) -> list[str]:
    """Cancelled after it was booked, the ERP's order stands as it was sold."""
    due = customer_pays(order, "totalPriceSet" if order["cancelledAt"] else "currentTotalPriceSet")
    held = sum((worth(document) for document in documents), Decimal(0))
    currencies = {str(document["curr_code"]) for document in documents}
    wrong = [] if held == due else [f"{order['name']} is worth {due}, the ERP holds {held}"]
    if currencies != {order["presentmentCurrencyCode"]}:
        wrong.append(f"{order['name']} was paid in {order['presentmentCurrencyCode']}, booked in {currencies}")
    return wrong


def _goods(order: Record, documents: list[Record]) -> list[str]:
    """The same pieces of the same SKUs."""
    wanted: dict[str, int] = defaultdict(int)
    for line in order["lineItems"]:
        if line["sku"]:
            wanted[line["sku"]] += line["quantity"] if order["cancelledAt"] else line["currentQuantity"]
    there: dict[str, int] = defaultdict(int)
    for document in documents:
        for row in rows(document, "orderdetail"):
            there[row["upc"]] += int(row["ord_qty"])
    wanted = {sku: count for sku, count in wanted.items() if count}
    return [] if wanted == there else [f"{order['name']} has {wanted}, the ERP {dict(there)}"]
