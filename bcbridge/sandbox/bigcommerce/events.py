"""What can happen to an order of BigCommerce's, by its name at the doors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial

from bcbridge.sandbox.bigcommerce import changes, fulfilling, payment
from bcbridge.sandbox.shopping.cart import JSON

Act = Callable[[JSON, datetime], None]


def positions(details: JSON) -> dict[int, int]:
    return {int(position): int(units) for position, units in details.items()}


def refunding(details: JSON) -> Act:
    lines = positions(details.get("lines", {}))
    amount = Decimal(str(details.get("amount", "0")))
    return lambda order, at: changes.refund(order, at, lines, shipping=bool(details.get("shipping")), amount=amount)


EVENTS: dict[str, Callable[[JSON], Act]] = {
    "complete": lambda _: payment.complete,
    "pay": lambda _: payment.pay,
    "capture_ended": lambda details: partial(payment.end_capture, declined=bool(details.get("declined"))),
    "cancel": lambda _: changes.cancel,
    "decline": lambda _: changes.decline,
    "hold": lambda _: changes.hold,
    "release": lambda _: changes.release,
    "dispute": lambda _: changes.dispute,
    "edit": lambda details: lambda order, at: changes.edit(order, at, positions(details)),
    "refund": refunding,
    "refund_all": lambda _: changes.refund_all,
    "ship": lambda details: lambda order, at: fulfilling.ship(order, at, positions(details.get("lines", {}))),
    "status": lambda details: lambda order, _: changes.relabel(order, int(details["status_id"])),
    "archive": lambda _: changes.archive,
    "restore": lambda _: changes.restore,
    "touch": lambda _: lambda order, at: None,
}
"""``touch`` moves ``date_modified`` and nothing else, as any empty write does (trap 16)."""
