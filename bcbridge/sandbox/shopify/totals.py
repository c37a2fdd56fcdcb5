"""What an order says about its sums, always worked out from its parts.

A line's share of a discount or a tax for its first n units is fixed (odd cents go to the first units), so
what a removed unit takes with it is the difference of two such shares, and totals, agreements and refunds
agree to the cent.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bcbridge.sandbox.shopify.bag import JSON, NOTHING, Bag, currency_of, read, total

RECEIVED = ("SALE", "CAPTURE")


# --- one line, for its first n units


def is_tip(line: JSON) -> bool:
    return line["title"] == "Tip" and line["variant"] is None and not line["requiresShipping"]


def discount(line: JSON, units: int) -> Bag:
    parts = (read(one["allocatedAmountSet"]) for one in line["discountAllocations"])
    return total(part.first(units, line["quantity"]) for part in parts)


def net(line: JSON, units: int) -> Bag:
    """The price of the first ``units`` after all discounts (with tax inside where prices include it)."""
    return read(line["originalUnitPriceSet"]).times(units).minus(discount(line, units))


def taxes(line: JSON, units: int) -> list[Bag]:
    return [read(tax["priceSet"]).first(units, line["quantity"]) for tax in line["taxLines"]]


def duties(line: JSON, units: int) -> Bag:
    return total(read(one["price"]).first(units, line["quantity"]) for one in line["duties"])


def worth(line: JSON, units: int, taxes_included: bool) -> Bag:
    """What the customer owes for the first ``units``, duties apart."""
    return net(line, units) if taxes_included else net(line, units).plus(*taxes(line, units))


# --- shipping


def shipping_net(shipping: JSON) -> Bag:
    taken = (read(one["allocatedAmountSet"]) for one in shipping["discountAllocations"])
    return read(shipping["originalPriceSet"]).minus(total(taken))


def shipping_taxes(shipping: JSON) -> Bag:
    return total(read(tax["priceSet"]) for tax in shipping["taxLines"])


def kept(order: JSON) -> list[JSON]:
    """Shipping lines that have not been refunded."""
    back = set(order["_sandbox"].get("shippingRefunded", []))
    return [one for one in order["shippingLines"] if one["id"] not in back and not one["isRemoved"]]


# --- the header


def settle_lines(order: JSON) -> None:
    """Everything on lines and shipping lines that follows from quantities and allocations."""
    money = currency_of(order).money
    kept_ids = {one["id"] for one in kept(order)}
    for line in order["lineItems"]:
        line.update(line_figures(order, line))
    for shipping in order["shippingLines"]:
        now = shipping_net(shipping)
        shipping["discountedPriceSet"] = money(now)
        shipping["currentDiscountedPriceSet"] = money(now if shipping["id"] in kept_ids else NOTHING)


def line_figures(order: JSON, line: JSON) -> JSON:
    money = currency_of(order).money
    everything, now = line["quantity"], line["currentQuantity"]
    own = total(read(one["allocatedAmountSet"]) for one in line["discountAllocations"] if is_line_level(one))
    before_codes = read(line["originalTotalSet"]).minus(own)
    current = net(line, now)
    untaxed = current.minus(total(taxes(line, now))) if order["taxesIncluded"] else current
    ships = line["requiresShipping"] and not order["cancelledAt"]
    return {
        "discountedTotalSet": money(before_codes),
        "discountedUnitPriceSet": money(before_codes.part(Decimal(1) / everything)),
        "totalDiscountSet": money(own),
        "priceAfterAllDiscountsBeforeTaxesSet": money(untaxed),
        "unfulfilledQuantity": max(0, now - shipped(order).get(line["id"], 0)) if ships else 0,
        "nonFulfillableQuantity": everything - now if ships else everything,
        "refundableQuantity": now,
        "restockable": now > 0,
    }


def is_line_level(allocation: JSON) -> bool:
    """Codes and order-wide discounts are left out of a line's own totals (NOTES 1.6)."""
    application = allocation["discountApplication"]
    return bool(application["__typename"] != "DiscountCodeApplication" and application["targetSelection"] != "ALL")


def settle(order: JSON) -> None:
    """The header's sums and statuses, from lines, shipping, charges and transactions."""
    settle_lines(order)
    money = currency_of(order).money
    order.update({name: money(bag) for name, bag in sums(order).items()})
    order["taxLines"] = by_title(order, current=False)
    order["currentTaxLines"] = by_title(order, current=True)
    quantity = [line for line in order["lineItems"] if not is_tip(line) and not line["isGiftCard"]]
    order["subtotalLineItemsQuantity"] = sum(line["quantity"] for line in quantity)
    order["currentSubtotalLineItemsQuantity"] = sum(line["currentQuantity"] for line in quantity)
    order["displayFinancialStatus"] = financial_status(order)
    order["unpaid"] = order["displayFinancialStatus"] in ("PENDING", "AUTHORIZED", "PARTIALLY_PAID")
    order["fullyPaid"] = not order["unpaid"] and order["displayFinancialStatus"] != "VOIDED"
    order["displayFulfillmentStatus"] = fulfillment_status(order)


def sums(order: JSON) -> dict[str, Bag]:
    received, refunded = received_sum(order), refunded_sum(order)
    before, now = total_price(order, current=False), total_price(order, current=True)
    fees = total(read(one["price"]) for one in order["additionalFees"])
    gone = charges_refunded(order)
    return {
        "subtotalPriceSet": subtotal(order, current=False),
        "currentSubtotalPriceSet": subtotal(order, current=True),
        "totalDiscountsSet": discounts(order, current=False),
        "currentTotalDiscountsSet": discounts(order, current=True),
        "totalShippingPriceSet": total(shipping_net(one) for one in order["shippingLines"]),
        "currentShippingPriceSet": total(shipping_net(one) for one in kept(order)),
        "totalTaxSet": total(tax_sum(order, current=False)),
        "currentTotalTaxSet": total(tax_sum(order, current=True)),
        "originalTotalDutiesSet": duty_sum(order, current=False),
        "currentTotalDutiesSet": duty_sum(order, current=True),
        "originalTotalAdditionalFeesSet": fees,
        "currentTotalAdditionalFeesSet": NOTHING if gone else fees,
        "totalPriceSet": before,
        "currentTotalPriceSet": now,
        "totalReceivedSet": received,
        "totalRefundedSet": refunded,
        "netPaymentSet": received.minus(refunded),
        "totalOutstandingSet": now.minus(received.minus(refunded)),
        "refundDiscrepancySet": NOTHING.minus(adjustments(order)),
    }


def units(line: JSON, *, current: bool) -> int:
    return int(line["currentQuantity"] if current else line["quantity"])


def goods(order: JSON) -> list[JSON]:
    return [line for line in order["lineItems"] if not is_tip(line)]


def subtotal(order: JSON, *, current: bool) -> Bag:
    return total(net(line, units(line, current=current)) for line in goods(order))


def discounts(order: JSON, *, current: bool) -> Bag:
    shipping = kept(order) if current else order["shippingLines"]
    off_shipping = (read(one["originalPriceSet"]).minus(shipping_net(one)) for one in shipping)
    on_lines = (discount(line, units(line, current=current)) for line in goods(order))
    return total([*on_lines, *off_shipping])


def tax_sum(order: JSON, *, current: bool) -> Iterable[Bag]:
    for line in goods(order):
        yield from taxes(line, units(line, current=current))
    for shipping in kept(order) if current else order["shippingLines"]:
        yield shipping_taxes(shipping)


def duty_sum(order: JSON, *, current: bool) -> Bag:
    return total(duties(line, units(line, current=current)) for line in order["lineItems"])


def charges_refunded(order: JSON) -> bool:
    """Fees, tip and rounding went back with a cancellation."""
    return bool(order["_sandbox"].get("chargesRefunded"))


def adjustments(order: JSON) -> Bag:
    """Refunds of an amount that belongs to no line (negative: in the customer's favour)."""
    return total(read(one["amountSet"]) for refund in order["refunds"] for one in refund["orderAdjustments"])


def charges(order: JSON) -> Bag:
    fees = [read(one["price"]) for one in order["additionalFees"]]
    rounding = read(order["totalCashRoundingAdjustment"]["paymentSet"])
    return total([*fees, read(order["totalTipReceivedSet"]), rounding])


def total_price(order: JSON, *, current: bool) -> Bag:
    """Goods + shipping + tax (where it is on top) + duties + fees + tip + cash rounding, after discounts."""
    shipping = kept(order) if current else order["shippingLines"]
    on_top = [] if order["taxesIncluded"] else list(tax_sum(order, current=current))
    extra = NOTHING if current and charges_refunded(order) else charges(order)
    return total(
        [
            subtotal(order, current=current),
            *(shipping_net(one) for one in shipping),
            *on_top,
            duty_sum(order, current=current),
            extra,
            adjustments(order) if current else NOTHING,
        ]
    )


def by_title(order: JSON, *, current: bool) -> list[JSON]:
    """The order's own tax lines: one per (title, rate), over lines and shipping."""
    money = currency_of(order).money
    found: dict[tuple[str, float], tuple[JSON, Bag]] = {}
    for tax, amount in tax_parts(order, current=current):
        key = (tax["title"], tax["rate"])
        found[key] = (tax, amount.plus(found[key][1]) if key in found else amount)
    return [{**tax, "priceSet": money(amount)} for tax, amount in found.values()]


def tax_parts(order: JSON, *, current: bool) -> Iterable[tuple[JSON, Bag]]:
    for line in goods(order):
        yield from zip(line["taxLines"], taxes(line, units(line, current=current)), strict=True)
    for shipping in kept(order) if current else order["shippingLines"]:
        yield from ((tax, read(tax["priceSet"])) for tax in shipping["taxLines"])


# --- money that moved


def moved(order: JSON, *kinds: str) -> Bag:
    done = (one for one in order["transactions"] if one["status"] == "SUCCESS" and one["kind"] in kinds)
    return total(read(one["amountSet"]) for one in done)


def received_sum(order: JSON) -> Bag:
    return moved(order, *RECEIVED)


def refunded_sum(order: JSON) -> Bag:
    return moved(order, "REFUND")


def financial_status(order: JSON) -> str:
    received, refunded = received_sum(order).presentment, refunded_sum(order).presentment
    if refunded:
        return "REFUNDED" if refunded >= received else "PARTIALLY_REFUNDED"
    if not received:
        return unpaid_status(order)
    return "PARTIALLY_PAID" if received < total_price(order, current=True).presentment else "PAID"


def unpaid_status(order: JSON) -> str:
    if any(one["kind"] == "VOID" for one in order["transactions"]):
        return "VOIDED"
    if any(one["kind"] == "AUTHORIZATION" for one in order["transactions"]):
        return "EXPIRED" if order["_sandbox"].get("expired") else "AUTHORIZED"
    if order["cancelledAt"]:
        return "VOIDED"
    return "PENDING" if total_price(order, current=True).presentment else "PAID"


def shipped(order: JSON) -> dict[str, int]:
    """Units of each line that left with fulfilments that stand."""
    found: dict[str, int] = {}
    for one in order["fulfillments"]:
        for piece in one["fulfillmentLineItems"] if one["status"] == "SUCCESS" else ():
            found[piece["lineItem"]["id"]] = found.get(piece["lineItem"]["id"], 0) + piece["quantity"]
    return found


def fulfillment_status(order: JSON) -> str:
    waiting = [one for one in order["fulfillmentOrders"] if one["status"] not in ("CLOSED", "CANCELLED")]
    if waiting and all(one["status"] == "ON_HOLD" for one in waiting):
        return "ON_HOLD"
    if any(shipped(order).values()):
        left = any(line["remainingQuantity"] for one in waiting for line in one["lineItems"])
        return "PARTIALLY_FULFILLED" if left else "FULFILLED"
    return "UNFULFILLED" if order["fulfillmentOrders"] else "FULFILLMENT_NOT_REQUIRED"
