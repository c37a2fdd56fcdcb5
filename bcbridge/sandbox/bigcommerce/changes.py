"""What happens to an order after its checkout: paid, cancelled, declined, edited, refunded, held, archived
(shipped: fulfilling.py).

Each takes the document and the moment and changes the document in place. None of them moves money but `refund`
and `payment.pay` (2.4, 2.8): a status is only a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from bcbridge.sandbox.bigcommerce import payment, totals
from bcbridge.sandbox.bigcommerce.fulfilling import standing
from bcbridge.sandbox.bigcommerce.money import NOTHING, cents, four
from bcbridge.sandbox.bigcommerce.payment import GATEWAYS
from bcbridge.sandbox.bigcommerce.statuses import (
    AWAITING_FULFILLMENT,
    AWAITING_PAYMENT,
    CANCELLED,
    DECLINED,
    DISPUTED,
    INCOMPLETE,
    PARTIALLY_REFUNDED,
    REFUNDED,
    STATUSES,
    TO_BE_VERIFIED,
    UNPAID,
    set_status,
)
from bcbridge.sandbox.shopping.cart import JSON, BadCart

Units = Mapping[int, int]
"""Position of a line: pieces of it."""


def cancel(order: JSON, _: datetime) -> None:
    standing(order)
    if order["status_id"] in UNPAID:
        order["payment_status"] = "void" if order["payment_status"] == "authorized" else ""
    set_status(order, CANCELLED)


def decline(order: JSON, _: datetime) -> None:
    standing(order)
    order["payment_status"] = "declined"
    set_status(order, DECLINED)


def hold(order: JSON, _: datetime) -> None:
    """Somebody must look at it first."""
    standing(order)
    set_status(order, TO_BE_VERIFIED)
    order["payment_status"] = "held for review"


def release(order: JSON, _: datetime) -> None:
    if order["status_id"] != TO_BE_VERIFIED:
        raise BadCart(f"the order is {order['status']}, nobody verifies it")
    order["payment_status"] = "captured"
    set_status(order, AWAITING_FULFILLMENT)


def dispute(order: JSON, _: datetime) -> None:
    standing(order)
    set_status(order, DISPUTED)


def relabel(order: JSON, status: int) -> None:
    """Sets a status as a person in the control panel would: nothing else follows."""
    if status not in range(len(STATUSES)):
        raise BadCart(f"status_id: {status!r} is none of 0 to {len(STATUSES) - 1}")
    set_status(order, status)


def archive(order: JSON, _: datetime) -> None:
    order["is_deleted"] = True


def restore(order: JSON, _: datetime) -> None:
    order["is_deleted"] = False


def line_at(order: JSON, position: int) -> JSON:
    try:
        found: JSON = order["products"][position]
    except IndexError:
        raise BadCart(f"lines[{position}]: the order has {len(order['products'])} lines") from None
    return found


def edit(order: JSON, _: datetime, removals: Units) -> None:
    """Takes pieces off while nothing is paid; what was there before is not told by anything."""
    if order["status_id"] not in (INCOMPLETE, AWAITING_PAYMENT):
        raise BadCart(f"the order is {order['status']}: it is refunded, not edited")
    for position, units in removals.items():
        line = line_at(order, position)
        if not 0 < units < line["quantity"]:
            raise BadCart(f"lines[{position}]: has {line['quantity']} pieces, cannot take away {units}")
        one = Decimal(line["base_wrapping_cost"]) / line["quantity"]
        line["quantity"] -= units
        line["base_wrapping_cost"] = four(one * line["quantity"])
    totals.settle(order)


# --- refunds


def refund(order: JSON, at: datetime, units: Units, *, shipping: bool = False, amount: Decimal = NOTHING) -> None:
    """Gives money back for pieces, for shipping, or an amount that belongs to nothing. The v2 order shows only how
    many pieces, and its status: ``refunded_amount`` stays zero for ever (2.3)."""
    if order["status_id"] in (*UNPAID, CANCELLED, DECLINED):
        raise BadCart(f"the order is {order['status']}: there is nothing to give back")
    items = [*(refunded_line(order, position, count) for position, count in units.items())]
    items += refunded_shipping(order) if shipping else []
    items += [item("ORDER", order["id"], amount, NOTHING)] if amount else []
    if not items:
        raise BadCart("lines, shipping or amount: nothing is refunded")
    left = totals.due(order) - already(order)
    worth = min(totals.sum_of(items, "requested_amount"), left)
    order["refunds"].append(receipt(order, at, items, worth))
    whole = worth == left
    set_status(order, REFUNDED if whole else PARTIALLY_REFUNDED)
    order["payment_status"] = "refunded" if whole else "partially refunded"


def already(order: JSON) -> Decimal:
    return totals.sum_of(order["refunds"], "total_amount")


def refund_all(order: JSON, at: datetime) -> None:
    """Everything that is left."""
    units = {
        place: line["quantity"] - line["quantity_refunded"]
        for place, line in enumerate(order["products"])
        if line["quantity"] > line["quantity_refunded"]
    }
    refund(order, at, units, shipping=True)
    rest = totals.due(order) - already(order)
    if rest:  # fees, handling, odd cents
        refund(order, at, {}, amount=rest)


def refunded_line(order: JSON, position: int, count: int) -> JSON:
    line = line_at(order, position)
    before, quantity = line["quantity_refunded"], line["quantity"]
    if not 0 < count <= quantity - before:
        raise BadCart(f"lines[{position}]: {quantity - before} pieces are not refunded yet")
    line["quantity_refunded"] = before + count
    line["is_refunded"] = line["quantity_refunded"] == quantity
    worth = share(Decimal(line["discounted_total_inc_tax"]), before, count, quantity)
    tax = share(Decimal(line["total_tax"]), before, count, quantity)
    return {**item("PRODUCT", line["id"], worth, tax), "quantity": count}


def share(whole: Decimal, before: int, count: int, of: int) -> Decimal:
    """What the next ``count`` of ``of`` pieces are worth; all pieces together are exactly the whole."""
    return cents(whole * (before + count) / of) - cents(whole * before / of)


def refunded_shipping(order: JSON) -> list[JSON]:
    done = {one["item_id"] for refund_ in order["refunds"] for one in refund_["items"]}
    return [
        item("SHIPPING", place["id"], totals.charged_for(place), Decimal(place["cost_tax"]))
        for place in order["shipping_addresses"]
        if place["id"] not in done and Decimal(place["cost_inc_tax"])
    ]


def item(kind: str, identifier: int, worth: Decimal, tax: Decimal) -> JSON:
    requested = {"requested_amount": str(worth), "_tax": str(tax)}
    return {"item_type": kind, "item_id": identifier, "reason": "", "quantity": 0, "adjustments": [], **requested}


def receipt(order: JSON, at: datetime, items: list[JSON], worth: Decimal) -> JSON:
    gateway = next((one for one in GATEWAYS.values() if one.shown == order["payment_method"]), GATEWAYS["manual"])
    made = payment.add_transaction(order, "refund", gateway, worth, at)
    number = order["id"] * 10 + len(order["refunds"]) + 1
    return {
        "id": number,
        "order_id": order["id"],
        "user_id": 1,
        "created": at.isoformat(),
        "reason": "",
        "total_amount": str(worth),
        "total_tax": str(totals.sum_of(items, "_tax")),
        "uses_merchant_override_values": False,
        "items": items,
        "payments": [
            {
                "id": number * 10 + 1,
                "provider_id": gateway.code,
                "amount": str(worth),
                "offline": gateway.method == "offline",
                "is_declined": False,
                "declined_message": "",
                "transaction_id": str(made["id"]),
            }
        ],
    }
