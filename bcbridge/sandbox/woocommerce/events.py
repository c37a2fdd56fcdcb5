"""What can happen to an order of WooCommerce's, by its name at the doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.sandbox.shopping.cart import JSON, BadCart
from bcbridge.sandbox.woocommerce import changes
from bcbridge.sandbox.woocommerce.changes import Refusal
from bcbridge.sandbox.woocommerce.numbering import Numbering

UPDATED = ("order.updated",)


@dataclass(frozen=True)
class Turn:
    """One thing happening: what was asked for, when, and where ids come from."""

    details: JSON
    at: str
    ids: Numbering


@dataclass(frozen=True)
class Event:
    """How to do it (it returns the refunds it makes), and what it rings."""

    act: Callable[[JSON, Turn], list[JSON]]
    topics: tuple[str, ...] = UPDATED


def positions(details: JSON) -> dict[int, int]:
    return {int(position): int(pieces) for position, pieces in details.items()}


def pay(order: JSON, turn: Turn) -> list[JSON]:
    changes.pay(order, turn.at, turn.ids)
    return []


def cancel(order: JSON, turn: Turn) -> list[JSON]:
    changes.cancel(order, turn.at, turn.ids)
    return []


def edit(order: JSON, turn: Turn) -> list[JSON]:
    changes.edit(order, positions(turn.details))
    return []


def refund(order: JSON, turn: Turn) -> list[JSON]:
    """Pieces, ``shipping``, and an ``amount`` that belongs to no line."""
    details = turn.details
    pieces = changes.refund_pieces(order, positions(details.get("lines", {})))
    if details.get("shipping"):
        pieces += [changes.whole_pieces({**line, "quantity": 1}, 1) for line in order["shipping_lines"]]
    amount = Decimal(str(details.get("amount", "0")))
    try:
        made = changes.refund(
            order, turn.at, turn.ids, pieces, amount=amount, restock=bool(details.get("restock", True))
        )
    except Refusal as refusal:
        raise BadCart(str(refusal)) from None
    return [made]


def status(order: JSON, turn: Turn) -> list[JSON]:
    """``{"status": "packing"}``: any status, a plugin's too."""
    return changes.set_status(order, str(turn.details["status"]), turn.at, turn.ids)


def complete(order: JSON, turn: Turn) -> list[JSON]:
    return changes.set_status(order, "completed", turn.at, turn.ids)


def fail(order: JSON, turn: Turn) -> list[JSON]:
    return changes.set_status(order, "failed", turn.at, turn.ids)


def trash(order: JSON, _: Turn) -> list[JSON]:
    if order["status"] != "trash":
        order["_sandbox"]["before_trash"] = order["status"]
        order["status"] = "trash"
    return []


def restore(order: JSON, _: Turn) -> list[JSON]:
    if order["status"] != "trash":
        raise BadCart(f"order {order['id']} is not in the trash")
    order["status"] = order["_sandbox"].pop("before_trash", "pending")
    return []


def touch(_: JSON, __: Turn) -> list[JSON]:
    """Some plugin saved it, and changed nothing."""
    return []


EVENTS: dict[str, Event] = {
    "pay": Event(pay),
    "cancel": Event(cancel),
    "edit": Event(edit),
    "refund": Event(refund),
    "status": Event(status),
    "complete": Event(complete),
    "fail": Event(fail),
    "trash": Event(trash, ("order.deleted",)),
    "restore": Event(restore, ("order.restored", "order.updated")),
    "touch": Event(touch),
}
