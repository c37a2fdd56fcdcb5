"""What was authorised is captured: ``orderCapture`` (schema 2026-10, NOTES 1.6). Not idempotent: said twice, the second
is refused only because nothing is left to be captured.

As on a Standard plan an authorisation is captured once (multi-capture is for Plus): what that leaves is let go. Not
established there, and chosen here: the words of the refusals, and that a gateway's no is a transaction that failed,
without a user error. ``expired``: the gateway let go of it (``POST /_sandbox/orders/1001/expire``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bcbridge.sandbox.shopify import payment, totals
from bcbridge.sandbox.shopify.bag import JSON, Bag, currency_of
from bcbridge.sandbox.shopify.events import EVENTS
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.parts import Info, Part, Resolver, need, node_of

WRITES = ("orderCapture",)


class No(Exception):
    """Why it is not captured, and the field that says so."""

    def __init__(self, message: str, *field: str) -> None:
        super().__init__(message)
        self.field = ["input", *field]


def capture(_: Any, info: Info, input: JSON) -> Part:
    need(info.context, info.field_name, "write_orders")
    try:
        order, opened, amount = wanted(info, input)
    except No as no:
        return Part({}, {"transaction": None, "userErrors": [{"field": no.field, "message": str(no)}]})
    at, declined = Moment(info.context.now).stamp, info.context.declines
    status = "FAILURE" if declined else "SUCCESS"
    made = payment.transaction(order, "CAPTURE", status, opened["gateway"], amount, at, opened["id"])
    made["errorCode"] = "CARD_DECLINED" if declined else None
    order["transactions"].append(made)
    totals.settle(order)
    info.context.changed.append(order)
    info.context.topics = EVENTS["pay"].topics[-2:] if declined else EVENTS["pay"].topics
    return Part(order, {"transaction": made, "userErrors": []})


def wanted(info: Info, asked: JSON) -> tuple[JSON, JSON, Bag]:
    """The order, the authorisation, and how much of it. Raises No."""
    found = node_of(info.context, asked["id"], "Order")
    if found is None:
        raise No("Order does not exist", "id")
    order = found.order
    parent = asked["parentTransactionId"]
    opened = next((one for one in order["transactions"] if one["id"] == parent), None)
    if opened is None or opened["kind"] != "AUTHORIZATION":
        raise No("Parent transaction not found", "parentTransactionId")
    if order["_sandbox"].get("expired"):
        raise No("The authorization has expired", "parentTransactionId")
    left = payment.unsettled(order, opened)
    if left is None:
        raise No("The transaction cannot be captured: nothing of it is left", "parentTransactionId")
    return order, opened, so_much(order, asked, left)


def so_much(order: JSON, asked: JSON, left: Bag) -> Bag:
    currency, amount = currency_of(order), Decimal(str(asked["amount"]))
    several = currency.shop != currency.presentment
    if several and not asked.get("currency"):
        raise No("Currency is required for orders in several currencies", "currency")
    if (asked.get("currency") or currency.presentment) != currency.presentment:
        raise No(f"Currency must be {currency.presentment}", "currency")
    if amount <= 0:
        raise No("Amount must be greater than 0", "amount")
    if amount > left.presentment:
        raise No("Cannot capture an amount greater than the authorized amount", "amount")
    return left if amount == left.presentment else currency.bag(amount)


def unsettled(source: Part, info: Info) -> Part | None:
    """Null where nothing of it can be captured."""
    left = payment.unsettled(source.order, source.data)
    return None if left is None else Part(source.order, currency_of(source.order).money(left))


def capturable(source: Part, _: Info) -> bool:
    return payment.unsettled(source.order, source.data) is not None


def several_times(source: Part, _: Info) -> bool:
    return False


FIELDS: dict[tuple[str, str], Resolver] = {
    ("Mutation", "orderCapture"): capture,
    ("OrderTransaction", "totalUnsettledSet"): unsettled,
    ("OrderTransaction", "manuallyCapturable"): capturable,
    ("OrderTransaction", "multiCapturable"): several_times,
}
