"""The arithmetic of an order: discounts over the lines, taxes, sums (2.3).

Wholly reckoned anew from prices, quantities, rates and discounts whenever one of them changes. What the contract
leaves open is settled so that all of this holds at once (docs/sandbox.md):

- a line's ``total_ex_tax`` and ``total_inc_tax`` are before discounts, its ``total_tax`` is what is really charged,
  ``discounted_total_inc_tax`` is ``total_inc_tax`` less its ``applied_discounts``;
- ``subtotal_*`` are the lines' sums; ``discount_amount`` (promotions, manual) and ``coupon_discount`` (codes, also
  those on shipping) are what ``total_inc_tax`` lacks of subtotal, shipping, handling, wrapping and fees;
- prices without tax: inc is ex plus the tax charged. Prices with tax: ex is inc less the tax *before* discounts, in
  four decimals, so that there ex plus tax is not inc (as in the vendor's own example of order 218).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bcbridge.sandbox.bigcommerce.money import NOTHING, cents, four, spread, total
from bcbridge.sandbox.shopping.cart import JSON

PER_ITEM, PERCENT, PER_TOTAL, OFF_SHIPPING, FREE_SHIPPING, PROMOTION = range(6)
"""Types of coupons (2.3)."""
PROMOTED = ("VIP20",)
"""Codes of the newer promotions: a coupon of type 5."""


def settle(order: JSON) -> None:
    """Every sum of the order, from what was ordered."""
    off_shipping = discount_all(order)
    for line in order["products"]:
        settle_line(order, line)
    places = order["shipping_addresses"]
    for place, reduced in zip(places, spread(off_shipping, amounts(places, "base_cost")), strict=True):
        settle_place(order, place, reduced)
    order["taxes"] = list(tax_rows(order))
    add_up(order)


def amounts(parts: Sequence[JSON], key: str) -> list[Decimal]:
    return [Decimal(part[key]) for part in parts]


def sum_of(parts: Sequence[JSON], key: str) -> Decimal:
    return total(amounts(parts, key))


def rates(order: JSON) -> list[tuple[str, Decimal]]:
    return [(title, Decimal(rate)) for title, rate in order["_sandbox"]["rates"]]


# --- discounts


def discount_all(order: JSON) -> Decimal:
    """Spreads every discount over the lines, notes the coupons; returns what is taken off shipping."""
    for line in order["products"]:
        line["applied_discounts"] = []
    order["coupons"], order["discount_amount"], order["coupon_discount"] = [], "0.0000", "0.0000"
    off_shipping = NOTHING
    for at, discount in enumerate(order["_sandbox"]["discounts"]):
        if discount["on"] == "shipping":
            worth = worth_of(discount, sum_of(order["shipping_addresses"], "base_cost") - off_shipping)
            off_shipping += worth
        else:
            worth = discount_lines(order, discount)
        if worth:
            note_discount(order, discount, at, worth)
    return off_shipping


def discount_lines(order: JSON, discount: JSON) -> Decimal:
    lines = entitled(order, discount)
    prices = [remaining(line) for line in lines]
    worth = worth_of(discount, total(prices))
    for line, share in zip(lines, spread(worth, prices), strict=True):
        if share:
            line["applied_discounts"].append(applied(discount, share))
    return worth


def entitled(order: JSON, discount: JSON) -> list[JSON]:
    lines = order["products"]
    if discount["lines"] is not None:
        return [lines[at] for at in discount["lines"]]
    return [line for line in lines if line["type"] != "giftcertificate"]


def remaining(line: JSON) -> Decimal:
    return Decimal(line["base_price"]) * int(line["quantity"]) - discounted(line)


def discounted(line: JSON) -> Decimal:
    return sum_of(line["applied_discounts"], "amount")


def worth_of(discount: JSON, base: Decimal) -> Decimal:
    if discount["percent"] is not None:
        return cents(base * Decimal(discount["percent"]) / 100)
    return min(cents(Decimal(discount["amount"])), base)


def applied(discount: JSON, share: Decimal) -> JSON:
    code = discount["name"] if discount["kind"] == "code" else None
    manual = discount["kind"] == "manual"
    on_order = discount["lines"] is None
    names = {"code": "total-coupon" if on_order else "coupon", "manual": "manual-discount"}
    return {
        "id": names.get(discount["kind"], "promotion"),
        "amount": four(share),
        "name": "Manual Discount" if manual else discount["name"],
        "code": code,
        "target": "order" if on_order else "product",
    }


def note_discount(order: JSON, discount: JSON, at: int, worth: Decimal) -> None:
    if discount["kind"] != "code":
        order["discount_amount"] = four(Decimal(order["discount_amount"]) + worth)
        return
    order["coupon_discount"] = four(Decimal(order["coupon_discount"]) + worth)
    order["coupons"].append(
        {
            "id": order["id"] * 10 + at,
            "coupon_id": sum(discount["name"].encode()),
            "order_id": order["id"],
            "code": discount["name"],
            "amount": four(Decimal(discount["percent"] or discount["amount"])),
            "type": coupon_type(discount),
            "discount": four(worth),
        }
    )


def coupon_type(discount: JSON) -> int:
    if discount["on"] == "shipping":
        return FREE_SHIPPING if discount["percent"] is not None else OFF_SHIPPING
    if discount["name"] in PROMOTED:
        return PROMOTION
    if discount["percent"] is not None:
        return PERCENT
    return PER_TOTAL if discount["lines"] is None else PER_ITEM


# --- taxes


def taxed(order: JSON, base: Decimal, charged: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """(ex, inc, tax) of a price before discounts (``base``), of which ``charged`` is left after them."""
    whole = total([rate for _, rate in rates(order)])
    tax = total([amount for _, _, amount in taxes_on(order, charged)])
    if order["is_tax_inclusive_pricing"]:
        return base / (1 + whole), base, tax
    return base, base + tax, tax


def taxes_on(order: JSON, charged: Decimal) -> list[tuple[str, Decimal, Decimal]]:
    """(title, rate, amount) of each tax; each is rounded by itself."""
    whole = 1 + total([rate for _, rate in rates(order)]) if order["is_tax_inclusive_pricing"] else Decimal(1)
    return [(title, rate, cents(charged * rate / whole)) for title, rate in rates(order)]


def put(part: JSON, names: tuple[str, str, str], sums: tuple[Decimal, Decimal, Decimal]) -> None:
    for name, amount in zip(names, sums, strict=True):
        part[name] = four(amount)


def settle_line(order: JSON, line: JSON) -> None:
    price, base = Decimal(line["base_price"]), Decimal(line["base_price"]) * int(line["quantity"])
    off = discounted(line)
    untaxed = {**order, "_sandbox": {**order["_sandbox"], "rates": []}}
    paying = order if line["_taxed"] else untaxed
    ex, inc, tax = taxed(paying, base, base - off)
    whole = total([rate for _, rate in rates(paying)])
    inclusive = order["is_tax_inclusive_pricing"]
    one_ex, one_inc = (price / (1 + whole), price) if inclusive else (price, price * (1 + whole))
    put(line, ("price_ex_tax", "price_inc_tax", "price_tax"), (one_ex, one_inc, one_inc - one_ex))
    put(line, ("total_ex_tax", "total_inc_tax", "total_tax"), (ex, inc, tax))
    wrapping = Decimal(line["base_wrapping_cost"])
    names = ("wrapping_cost_ex_tax", "wrapping_cost_inc_tax", "wrapping_cost_tax")
    put(line, names, taxed(order, wrapping, wrapping))
    line["base_total"] = four(base)
    line["discounted_total_inc_tax"] = four(inc - off)


def settle_place(order: JSON, place: JSON, reduced: Decimal) -> None:
    base, handling = Decimal(place["base_cost"]), Decimal(place["base_handling_cost"])
    place["_reduced"] = four(reduced)
    put(place, ("cost_ex_tax", "cost_inc_tax", "cost_tax"), taxed(order, base, base - reduced))
    names = ("handling_cost_ex_tax", "handling_cost_inc_tax", "handling_cost_tax")
    put(place, names, taxed(order, handling, handling))
    here = [line for line in order["products"] if line["order_address_id"] == place["id"]]
    place["items_total"] = sum(int(line["quantity"]) for line in here)
    place["items_shipped"] = sum(int(line["quantity_shipped"]) for line in here)


def charged_for(place: JSON) -> Decimal:
    """What sending to a place really costs, with its tax."""
    return Decimal(place["cost_inc_tax"]) - Decimal(place["_reduced"])


def tax_rows(order: JSON) -> Iterator[JSON]:
    """What ``/taxes?details=true`` lists: a row for each tax on each thing."""
    for line in order["products"]:
        if line["_taxed"]:
            yield from rows_of(order, line["order_address_id"], remaining(line), "item", str(line["id"]))
        wrapping = Decimal(line["base_wrapping_cost"])
        yield from rows_of(order, line["order_address_id"], wrapping, "gift-wrapping", "")
    for place in order["shipping_addresses"]:
        charged = Decimal(place["base_cost"]) - Decimal(place["_reduced"])
        yield from rows_of(order, place["id"], charged, "shipping", "")
        yield from rows_of(order, place["id"], Decimal(place["base_handling_cost"]), "handling", "")


def rows_of(order: JSON, place: int, charged: Decimal, kind: str, item: str) -> Iterator[JSON]:
    for at, (title, rate, amount) in enumerate(taxes_on(order, charged)):
        if amount:
            yield {
                "id": order["id"] * 100 + at,
                "order_id": order["id"],
                "order_address_id": place,
                "tax_rate_id": at + 1,
                "sales_tax_id": f"TaxRate{at + 1}",
                "tax_class_id": 0,
                "name": title,
                "class": "Default Tax Class",
                "rate": four(rate * 100),
                "priority": at,
                "priority_amount": four(amount),
                "line_amount": four(amount),
                "order_pickup_method_id": 0,
                "order_product_id": item,
                "line_item_type": kind,
            }


# --- sums


def add_up(order: JSON) -> None:
    lines, places, fees = order["products"], order["shipping_addresses"], order["fees"]
    for side in ("ex_tax", "inc_tax", "tax"):
        order[f"subtotal_{side}"] = four(sum_of(lines, f"total_{side}"))
        order[f"shipping_cost_{side}"] = four(sum_of(places, f"cost_{side}"))
        order[f"handling_cost_{side}"] = four(sum_of(places, f"handling_cost_{side}"))
        order[f"wrapping_cost_{side}"] = four(sum_of(lines, f"wrapping_cost_{side}"))
    order["base_shipping_cost"] = four(sum_of(places, "base_cost"))
    order["base_handling_cost"] = four(sum_of(places, "base_handling_cost"))
    order["base_wrapping_cost"] = four(sum_of(lines, "base_wrapping_cost"))
    for name, tax_class in (("shipping", 2), ("handling", 2), ("wrapping", 3)):
        order[f"{name}_cost_tax_class_id"] = tax_class
    order["items_total"] = sum(int(line["quantity"]) for line in lines)
    order["items_shipped"] = sum(int(line["quantity_shipped"]) for line in lines)
    order["shipping_address_count"] = len(places)
    sums(order, sum_of(fees, "cost_inc_tax"), sum_of(fees, "cost_tax"))


def sums(order: JSON, fees: Decimal, fee_taxes: Decimal) -> None:
    def side(name: str) -> Decimal:
        parts = ("subtotal", "shipping_cost", "handling_cost", "wrapping_cost")
        return total([Decimal(order[f"{part}_{name}"]) for part in parts])

    off = Decimal(order["discount_amount"]) + Decimal(order["coupon_discount"])
    due = side("inc_tax") + fees - off
    tax = side("tax") + fee_taxes
    lacks = credits_used(order) if order["_sandbox"]["creditDeducted"] else NOTHING
    put(order, ("total_ex_tax", "total_inc_tax", "total_tax"), (due - tax - lacks, due - lacks, tax))


def credits_used(order: JSON) -> Decimal:
    return Decimal(order["store_credit_amount"]) + Decimal(order["gift_certificate_amount"])


def due(order: JSON) -> Decimal:
    """What the customer owes in all, whichever way ``total_inc_tax`` reads."""
    lacks = credits_used(order) if order["_sandbox"]["creditDeducted"] else NOTHING
    return Decimal(order["total_inc_tax"]) + lacks
