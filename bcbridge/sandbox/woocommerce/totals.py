"""What an order says about its sums, always worked out from its lines.

A line keeps what it costs without tax, and each of its taxes, unrounded; its ``total_tax`` is the sum of its taxes
rounded one by one, and so it goes into the order (WooCommerce's usual way). A shop that rounds at the subtotal keeps
``total_tax`` unrounded too, and rounds the order once: there the lines as shown need not add up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce.amounts import NOTHING, cents, kept, tax_cents

PARTS = ("line_items", "shipping_lines", "fee_lines")


def settle(order: JSON) -> None:
    """Everything that follows from lines, shipping and fees. Refunds change no total."""
    for part in PARTS:
        for line in order[part]:
            settle_taxes(order, line)
    cart_tax = total(order, "total_tax", "line_items", "fee_lines")
    shipping_tax = total(order, "total_tax", "shipping_lines")
    shipping = total(order, "total", "shipping_lines")
    goods = total(order, "total", "line_items")
    whole = goods + total(order, "total", "fee_lines") + shipping + cart_tax + shipping_tax
    off_tax = total(order, "subtotal_tax", "line_items") - total(order, "total_tax", "line_items")
    order.update(
        {
            "discount_total": kept(cents(total(order, "subtotal", "line_items") - goods)),
            "discount_tax": kept(cents(off_tax)),
            "shipping_total": kept(shipping),
            "shipping_tax": kept(cents(shipping_tax)),
            "cart_tax": kept(cents(cart_tax)),
            "total": kept(cents(whole)),
            "total_tax": kept(cents(cart_tax) + cents(shipping_tax)),
        }
    )
    for line in order["tax_lines"]:
        line["tax_total"] = kept(cents(tax_of(order, line["rate_id"], "line_items", "fee_lines")))
        line["shipping_tax_total"] = kept(cents(tax_of(order, line["rate_id"], "shipping_lines")))


def settle_taxes(order: JSON, line: JSON) -> None:
    line["total_tax"] = kept(sum((tax_kept(order, tax["total"]) for tax in line["taxes"]), NOTHING))
    if "subtotal" in line:
        line["subtotal_tax"] = kept(sum((tax_kept(order, tax["subtotal"]) for tax in line["taxes"]), NOTHING))


def tax_kept(order: JSON, text: str) -> Decimal:
    amount = Decimal(text or 0)
    loose = order["_sandbox"].get("unrounded", False)
    return amount if loose else tax_cents(amount, included=order["prices_include_tax"])


def total(order: JSON, key: str, *parts: str) -> Decimal:
    """The sum of one amount over all lines of these parts, each rounded first where the shop rounds by the line."""
    loose = order["_sandbox"].get("unrounded", False)
    amounts = (Decimal(line[key]) for line in lines(order, parts))
    return sum((amount if loose else cents(amount) for amount in amounts), NOTHING)


def lines(order: JSON, parts: Iterable[str]) -> Iterator[JSON]:
    for part in parts:
        yield from order[part]


def tax_of(order: JSON, rate_id: int, *parts: str) -> Decimal:
    taxes = (tax for line in lines(order, parts) for tax in line["taxes"] if tax["id"] == rate_id)
    return sum((tax_kept(order, tax["total"]) for tax in taxes), NOTHING)


def refunded(order: JSON) -> Decimal:
    """What has been given back so far."""
    return -sum((Decimal(one["total"]) for one in order["refunds"]), NOTHING)


def left(order: JSON) -> Decimal:
    """What may still be given back."""
    return Decimal(order["total"]) - refunded(order)
