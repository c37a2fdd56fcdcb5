"""An order's document as the API shows it: the head, and its parts as links or as lists."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from itertools import groupby
from typing import Any

from bcbridge.sandbox.shopping.cart import JSON

BASE = "https://api.bigcommerce.com/stores/{store}/v2"
LINKED = {
    "products": "products",
    "shipping_addresses": "shippingaddresses",
    "coupons": "coupons",
    "fees": "fees",
    "consignments": "consignments",
}
KEPT_APART = ("products", "shipping_addresses", "coupons", "taxes", "fees", "shipments", "refunds", "transactions")
TYPED = ("order_product_id", "line_item_type")


def head(order: JSON, store: str, include: Collection[str] = ()) -> JSON:
    """The order as the list and the single read show it; ``include`` as the query names it."""
    own = {key: value for key, value in order.items() if key not in KEPT_APART and not key.startswith("_")}
    links = {name: link(order["id"], path, store) for name, path in LINKED.items()}
    lines = "consignments.line_items" in include
    if lines or "consignments" in include:
        links["consignments"] = consignments(order, store, lines=lines)
    return {**own, **links, **({"fees": order["fees"]} if "fees" in include else {})}


def link(order_id: int, path: str, store: str) -> JSON:
    resource = f"/orders/{order_id}/{path}"
    return {"url": BASE.replace("{store}", store) + resource, "resource": resource}


def plain(part: JSON) -> JSON:
    """Without what only the sandbox knows."""
    return {key: value for key, value in part.items() if not key.startswith("_")}


def place(one: JSON, store: str) -> JSON:
    path = f"shippingaddresses/{one['id']}/shippingquotes"
    return {**plain(one), "shipping_quotes": link(one["order_id"], path, store)}


def coupon(one: JSON) -> JSON:
    """Amounts are numbers here, as in the vendor's example."""
    return {**one, "amount": figure(one["amount"]), "discount": figure(one["discount"])}


def figure(text: str) -> float | int:
    amount = Decimal(text)
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def taxes(order: JSON, *, details: bool) -> list[JSON]:
    """A row per thing with ``details=true``; else one per address, name and class."""
    if details:
        return [dict(one) for one in order["taxes"]]

    def same(one: JSON) -> tuple[int, str, str]:
        return one["order_address_id"], one["name"], one["class"]

    together = [list(rows) for _, rows in groupby(sorted(order["taxes"], key=same), key=same)]
    return [added(rows) for rows in together]


def added(rows: list[JSON]) -> JSON:
    amount = f"{sum(Decimal(one['line_amount']) for one in rows):.4f}"
    first = {key: value for key, value in rows[0].items() if key not in TYPED}
    return {**first, "line_amount": amount, "priority_amount": amount}


# --- consignments


def consignments(order: JSON, store: str, *, lines: bool) -> JSON:
    """Where everything goes: to addresses, to download, by mail as gift certificates. Costs are numbers here."""

    def shown(found: list[JSON]) -> list[JSON]:
        links = [link(order["id"], f"products/{one['id']}", store) for one in found]
        return [plain(one) for one in found] if lines else links

    recipient = order["billing_address"]["email"]
    downloads = of_kind(order, "digital")
    certificates = of_kind(order, "giftcertificate")
    mailed = [{"recipient_email": recipient, "line_items": shown([one])} for one in certificates]
    return {
        "pickups": [],
        "shipping": [shipping(order, one, store, shown(sent_to(order, one))) for one in order["shipping_addresses"]],
        "downloads": [{"recipient_email": recipient, "line_items": shown(downloads)}] if downloads else [],
        "email": {"gift_certificates": mailed},
    }


def of_kind(order: JSON, kind: str) -> list[JSON]:
    return [one for one in order["products"] if one["type"] == kind]


def sent_to(order: JSON, address: JSON) -> list[JSON]:
    return [one for one in order["products"] if one["order_address_id"] == address["id"] and one["type"] == "physical"]


def shipping(order: JSON, address: JSON, store: str, line_items: list[JSON]) -> JSON:
    own: dict[str, Any] = {key: value for key, value in plain(address).items() if key != "order_id"}
    costs = {key: figure(value) for key, value in own.items() if "cost" in key and not key.endswith("class_id")}
    quotes = link(order["id"], f"consignments/shipping/{address['id']}/shipping_quotes", store)
    return {**own, **costs, "line_items": line_items, "shipping_quotes": quotes}
