"""What may be written: an order by PUT, a refund by POST, both as WooCommerce takes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce import changes, orders, season, totals
from bcbridge.sandbox.woocommerce.amounts import NOTHING, kept
from bcbridge.sandbox.woocommerce.arguments import Argument
from bcbridge.sandbox.woocommerce.changes import Piece
from bcbridge.sandbox.woocommerce.checkout import REDUCING
from bcbridge.sandbox.woocommerce.numbering import Numbering
from bcbridge.sandbox.woocommerce.orders import Moment
from bcbridge.sandbox.woocommerce.refusals import Refused, invalid, not_refunded

PLAIN = ("customer_note", "payment_method", "payment_method_title", "transaction_id", "created_via", "customer_id")
MONEY = ("total", "subtotal")

# --- writing an order


def check_order(given: JSON, statuses: Sequence[str]) -> None:
    check_status(given, statuses)
    if "line_items" in given and not isinstance(given["line_items"], list):
        raise invalid({"line_items": ("rest_invalid_type", "line_items is not of type array.")})


def check_status(given: JSON, statuses: Sequence[str]) -> None:
    """Raises `Refused` (400) for a status that is none."""
    if "status" in given:
        found = Argument(enum=statuses).fault("status", str(given["status"]))
        if found is not None:
            raise invalid({"status": found})


def apply(order: JSON, given: JSON, moment: Moment, ids: Numbering, connection: sqlite3.Connection) -> list[JSON]:
    """Changes what is named; returns the refunds that follow."""
    order.update({key: given[key] for key in PLAIN if key in given})
    for part in ("billing", "shipping"):
        order[part].update(given.get(part, {}))
    for meta in given.get("meta_data", []):
        set_meta(order, meta, ids)
    for line in given.get("line_items", []):
        set_line(order, line, ids, connection)
    if given.get("line_items"):
        totals.settle(order)
    if given.get("set_paid") and order["date_paid_gmt"] is None:
        order["date_paid_gmt"] = moment.stamp
        return changes.set_status(order, given.get("status", "processing"), moment.stamp, ids)
    return changes.set_status(order, given["status"], moment.stamp, ids) if "status" in given else []


def set_meta(order: JSON, meta: JSON, ids: Numbering) -> None:
    """The same key again is the same row, newest value."""
    known = next((one for one in order["meta_data"] if one["key"] == meta.get("key")), None)
    if known is None:
        order["meta_data"].append({"id": ids.next("meta"), "key": meta["key"], "value": meta.get("value")})
    else:
        known["value"] = meta.get("value")


def set_line(order: JSON, given: JSON, ids: Numbering, connection: sqlite3.Connection) -> None:
    """A line without an id is added, one with quantity 0 removed; another quantity leaves what it costs as it was."""
    if "id" not in given:
        order["line_items"].append(added(order, given, ids, connection))
        if order["status"] in REDUCING:
            changes.reduce_stock(order, ids)
        return
    line = next((one for one in order["line_items"] if one["id"] == given["id"]), None)
    if line is None:
        raise Refused(400, "woocommerce_rest_invalid_item_id", "Order item ID provided is not associated with order.")
    if given.get("quantity") == 0:
        order["line_items"].remove(line)
        return
    line["quantity"] = given.get("quantity", line["quantity"])
    line.update({key: kept(Decimal(str(given[key]))) for key in MONEY if key in given})
    changes.taken_from_stock(line)


def added(order: JSON, given: JSON, ids: Numbering, connection: sqlite3.Connection) -> JSON:
    """By SKU or id, at list price; what is not found is a line without a product."""
    found = season_product(given, connection)
    quantity, included = int(given.get("quantity", 1)), order["prices_include_tax"]
    rates = [(tax["rate_id"], Decimal(str(tax["rate_percent"])) / 100) for tax in order["tax_lines"][:1]]
    share = sum((rate for _, rate in rates), NOTHING)
    net = Decimal((found or {}).get("price", "0")) * quantity / (1 + share if included else 1)
    parent_id = (found or {}).get("parent_id", 0)
    return {
        "id": ids.next("item"),
        "name": (found or {}).get("name", ""),
        "product_id": parent_id or (found or {}).get("id", 0),
        "variation_id": found["id"] if found and parent_id else 0,
        "quantity": quantity,
        "tax_class": (found or {}).get("tax_class", ""),
        "subtotal": kept(net),
        "subtotal_tax": "0",
        "total": kept(net),
        "total_tax": "0",
        "taxes": [{"id": i, "total": kept(net * rate), "subtotal": kept(net * rate)} for i, rate in rates],
        "meta_data": [],
    }


def season_product(given: JSON, connection: sqlite3.Connection) -> JSON | None:
    if given.get("sku"):
        return orders.one(connection, "SELECT document FROM products WHERE sku = ?", given["sku"])
    return season.stored(connection, int(given.get("variation_id") or given.get("product_id") or 0))


# --- writing a refund


def piece_of(given: JSON) -> Piece:
    taxes = {int(tax["id"]): Decimal(str(tax.get("refund_total", 0))) for tax in given.get("refund_tax", [])}
    total = Decimal(str(given.get("refund_total", 0)))
    return Piece(int(given["id"]), int(given.get("quantity", 0)), total, taxes)


def amount_of(given: JSON, pieces: list[Piece]) -> Decimal:
    if given.get("amount") is None:
        return sum((piece.amount for piece in pieces), NOTHING)
    try:
        return Decimal(str(given["amount"]))
    except InvalidOperation:
        raise not_refunded("Invalid refund amount.") from None
