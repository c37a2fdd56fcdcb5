"""What happens to an order after its checkout: paid, edited, refunded, cancelled, held, released.

Each takes the document and the moment and changes the document in place; sums and agreements follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bcbridge.sandbox.shopify import agreements, fulfilment, payment, totals
from bcbridge.sandbox.shopify.bag import JSON, NOTHING, Bag, currency_of, read, total
from bcbridge.sandbox.shopify.gid import next_id, number_of
from bcbridge.sandbox.shopping.cart import BadCart


def pay(order: JSON, at: str) -> None:
    payment.pay(order, at)
    totals.settle(order)


def expire(order: JSON, at: str) -> None:
    payment.expire(order, at)
    totals.settle(order)


def hold(order: JSON, at: str, reason: str = "OTHER") -> None:
    if reason not in fulfilment.HOLDS:
        raise BadCart(f"reason: one of {', '.join(fulfilment.HOLDS)}")
    for one in [one for one in order["fulfillmentOrders"] if one["status"] in ("OPEN", "ON_HOLD")]:
        fulfilment.add_hold(order, one, reason)
        one["updatedAt"] = at
    totals.settle(order)


def release(order: JSON, at: str) -> None:
    """Lifts every hold: the fulfilment orders' ``updatedAt`` moves, the order's own need not (the caller decides)."""
    for one in [one for one in order["fulfillmentOrders"] if one["status"] == "ON_HOLD"]:
        fulfilment.release(one)
        one["updatedAt"] = at
    totals.settle(order)


def edit(order: JSON, at: str, removals: dict[int, int]) -> None:
    """Removes units: ``{position of the line: units to take away}``; allocations stay the original quantity's."""
    sales = [sale for position, units in removals.items() for sale in remove(order, position, units)]
    agreements.edited(order, at, sales)
    order["edited"] = True
    touch_fulfilment(order, at)
    totals.settle(order)


def remove(order: JSON, position: int, units: int) -> list[JSON]:
    line = line_at(order, position)
    before = line["currentQuantity"]
    if not 0 < units <= before:
        raise BadCart(f"lines[{position}]: has {before} units, cannot take away {units}")
    line["currentQuantity"] = before - units
    return agreements.line_sales(order, line, before, before - units)


def not_restocked(order: JSON, line: str, units: int) -> None:
    """These units will be taken off the line, and are not put back where they lay."""
    lost = order["_sandbox"].setdefault("notPutBack", {})
    lost[line] = lost.get(line, 0) + units


def told(order: JSON, about: str, at: str, note: str | None, *, notify: bool) -> None:
    """What the staff reads of a change, and what the shopper was told: in the books alone."""
    if note:
        order["_sandbox"].setdefault("notes", []).append({"about": about, "note": note, "at": at})
    if notify:
        order["_sandbox"].setdefault("mails", []).append({"about": about, "at": at})


def line_at(order: JSON, position: int) -> JSON:
    try:
        found: JSON = order["lineItems"][position]
    except IndexError:
        raise BadCart(f"lines[{position}]: the order has {len(order['lineItems'])} lines") from None
    return found


def touch_fulfilment(order: JSON, at: str) -> None:
    fulfilment.follow(order)
    for one in order["fulfillmentOrders"]:
        one["updatedAt"] = at


def refund(
    order: JSON,
    at: str,
    lines: dict[int, int],
    *,
    shipping: bool = False,
    amount: Decimal = Decimal(0),
    restock: bool = True,
) -> None:
    """Credits units (and shipping, and an ``amount`` that belongs to no line) and gives the money back."""
    made = blank_refund(order, at)
    order["refunds"].append(made)
    sales = list(refunded_lines(order, made, lines, restock=restock))
    if shipping:
        sales += refunded_shipping(order, made)
    if amount:
        sales.append(goodwill(order, made, amount))
    close_refund(order, made, sales, at)


def not_cancellable(order: JSON) -> str:
    """Why the order cannot be cancelled (schema, ``orderCancel``); empty where it can."""
    if order["cancelledAt"]:
        return f"{order['name']} is cancelled already"
    if any(totals.shipped(order).values()):
        return f"{order['name']} cannot be cancelled: pieces of it are fulfilled"
    if any(one["kind"] == "AUTHORIZATION" and one["status"] == "PENDING" for one in order["transactions"]):
        return f"{order['name']} cannot be cancelled: an authorization is pending"
    return ""


def cancel(order: JSON, at: str, reason: str = "CUSTOMER", *, restock: bool = True, pay_back: bool = True) -> None:
    """Cancels: all pieces go back, an authorisation is voided, nothing is left to ship; what was paid goes back too,
    unless the shop is to keep it."""
    why = not_cancellable(order)
    if why:
        raise BadCart(why)
    order.update(cancelledAt=at, cancelReason=reason, closed=True, closedAt=at)
    made = blank_refund(order, at)
    order["refunds"].append(made)
    everything = {at_: line["currentQuantity"] for at_, line in enumerate(order["lineItems"])}
    kept = {at_: units for at_, units in everything.items() if units}
    sales = list(refunded_lines(order, made, kept, restock=restock))
    sales += refunded_shipping(order, made)
    sales += agreements.charge_sales(order, -1)
    order["_sandbox"]["chargesRefunded"] = True
    payment.void(order, at)
    close_refund(order, made, sales, at, pay_back=pay_back)


def blank_refund(order: JSON, at: str) -> JSON:
    identifier = next_id(order, "Refund")
    return {
        "id": identifier,
        "legacyResourceId": str(number_of(identifier)),
        **dict.fromkeys(("createdAt", "processedAt", "updatedAt"), at),
        "note": None,
        "return": None,
        "order": {"id": order["id"]},
        **{name: [] for name in ("refundLineItems", "refundShippingLines", "orderAdjustments", "duties")},
    }


def refunded_lines(order: JSON, made: JSON, lines: dict[int, int], *, restock: bool = True) -> Iterable[JSON]:
    money = currency_of(order).money
    for position, units in lines.items():
        line = line_at(order, position)
        before = line["currentQuantity"]
        sales = remove(order, position, units)
        after = line["currentQuantity"]
        taxes = total(totals.taxes(line, before)).minus(total(totals.taxes(line, after)))
        made["refundLineItems"].append(
            {
                "id": next_id(order, "RefundLineItem"),
                "quantity": units,
                "restockType": "CANCEL" if line["requiresShipping"] and restock else "NO_RESTOCK",
                "restocked": line["requiresShipping"] and restock,
                "location": None,
                "lineItem": {"id": line["id"], "sku": line["sku"]},
                "priceSet": line["originalUnitPriceSet"],
                "subtotalSet": money(totals.net(line, before).minus(totals.net(line, after))),
                "totalTaxSet": money(taxes),
            }
        )
        made["duties"] += refunded_duties(order, line, before, after)
        yield from sales


def refunded_duties(order: JSON, line: JSON, before: int, after: int) -> list[JSON]:
    money = currency_of(order).money
    return [
        {
            "amountSet": money(agreements.step(read(duty["price"]), line, after, before)),
            "originalDuty": {"id": duty["id"]},
        }
        for duty in line["duties"]
    ]


def refunded_shipping(order: JSON, made: JSON) -> list[JSON]:
    money = currency_of(order).money
    sales = []
    for shipping in totals.kept(order):
        made["refundShippingLines"].append(
            {
                "id": next_id(order, "RefundShippingLine"),
                "shippingLine": {"id": shipping["id"], "title": shipping["title"]},
                "subtotalAmountSet": money(totals.shipping_net(shipping)),
                "taxAmountSet": money(totals.shipping_taxes(shipping)),
            }
        )
        sales.append(agreements.shipping_sale(order, shipping, -1))
        order["_sandbox"].setdefault("shippingRefunded", []).append(shipping["id"])
    return sales


def goodwill(order: JSON, made: JSON, amount: Decimal) -> JSON:
    currency = currency_of(order)
    worth = NOTHING.minus(currency.bag(amount))
    made["orderAdjustments"].append(
        {
            "id": next_id(order, "OrderAdjustment"),
            "reason": "REFUND_DISCREPANCY",
            "amountSet": currency.money(worth),
            "taxAmountSet": currency.money(NOTHING),
        }
    )
    return agreements.adjustment_sale(order, worth)


def close_refund(order: JSON, made: JSON, sales: list[JSON], at: str, *, pay_back: bool = True) -> None:
    agreements.refunded(order, at, sales, made)
    owed = over_paid(order) if pay_back else NOTHING
    paid_back = payment.give_back(order, owed, at)
    made["transactions"] = [{"id": one["id"]} for one in paid_back]
    made["totalRefundedSet"] = currency_of(order).money(total(read(one["amountSet"]) for one in paid_back))
    touch_fulfilment(order, at)
    totals.settle(order)


def over_paid(order: JSON) -> Bag:
    """What the shop holds above the order's current total."""
    held = totals.received_sum(order).minus(totals.refunded_sum(order))
    over = held.minus(totals.total_price(order, current=True))
    return over if over.presentment > 0 else NOTHING
