"""What can happen to an order of Shopify's, by its name at the doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.sandbox.shopify import changes
from bcbridge.sandbox.shopify.bag import JSON


@dataclass(frozen=True)
class Event:
    """How to do it, what it rings, whether it moves the order's ``updatedAt`` (a released hold need not)."""

    act: Callable[[JSON], Callable[[JSON, str], None]]
    topics: tuple[str, ...]
    touch: bool = True


def positions(details: JSON) -> dict[int, int]:
    return {int(position): int(units) for position, units in details.items()}


def paying(_: JSON) -> Callable[[JSON, str], None]:
    return changes.pay


def expiring(_: JSON) -> Callable[[JSON, str], None]:
    return changes.expire


def cancelling(details: JSON) -> Callable[[JSON, str], None]:
    restock, pay_back = bool(details.get("restock", True)), bool(details.get("refund", True))

    def act(order: JSON, at: str) -> None:
        changes.cancel(order, at, details.get("reason", "CUSTOMER"), restock=restock, pay_back=pay_back)
        changes.told(order, "cancel", at, details.get("note"), notify=bool(details.get("notify")))

    return act


def holding(details: JSON) -> Callable[[JSON, str], None]:
    return lambda order, at: changes.hold(order, at, details.get("reason", "OTHER"))


def releasing(_: JSON) -> Callable[[JSON, str], None]:
    return changes.release


def editing(details: JSON) -> Callable[[JSON, str], None]:
    return lambda order, at: changes.edit(order, at, positions(details))


def refunding(details: JSON) -> Callable[[JSON, str], None]:
    lines = positions(details.get("lines", {}))
    amount = Decimal(str(details.get("amount", "0")))
    shipping, restock = bool(details.get("shipping")), bool(details.get("restock", True))
    return lambda order, at: changes.refund(order, at, lines, shipping=shipping, amount=amount, restock=restock)


EVENTS: dict[str, Event] = {
    "pay": Event(paying, ("ORDERS_PAID", "ORDER_TRANSACTIONS_CREATE", "ORDERS_UPDATED")),
    "expire": Event(expiring, ("ORDERS_UPDATED",)),
    "cancel": Event(cancelling, ("ORDERS_CANCELLED", "REFUNDS_CREATE", "ORDERS_UPDATED")),
    "hold": Event(holding, ("FULFILLMENT_ORDERS_PLACED_ON_HOLD",), touch=False),
    "release": Event(releasing, ("FULFILLMENT_ORDERS_HOLD_RELEASED",), touch=False),
    "edit": Event(editing, ("ORDERS_EDITED", "ORDERS_UPDATED")),
    "refund": Event(refunding, ("REFUNDS_CREATE", "ORDER_TRANSACTIONS_CREATE", "ORDERS_UPDATED")),
}
