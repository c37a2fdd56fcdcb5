"""What an order asks of each SKU, for the numbers that every channel is told (ADR 0031, points 1 and 5).

Two counts, apart from each other:

1. wanted   pieces the ERP is to deliver for it: of every order that may come to be booked, blocked ones and those whose
            SKU the ERP does not know included. None of a test, of one from before go-live, of one that was cancelled,
            refunded, voided or skipped by a person; of one that waits for its money what the channel set aside.
2. taken    pieces the channel has taken off its own number for it, whatever becomes of the order. A channel that does
            not tell is believed to hold all the current pieces of an order that stands, and to have put back those that
            left it: were they not put back, it shows too few until its numbers are read again, and never too many.

Pure. A line of which nobody can say what it is counts under no SKU, until a mapping says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.gate import never_booked
from bcbridge.flows.orders.goods import shares, warehouse_of
from bcbridge.flows.orders.sold import to_book
from bcbridge.flows.orders.upcs import find_upc
from bcbridge.model.ids import Ref, Upc
from bcbridge.model.order import LineKind, Order, OrderLine, PaymentStatus
from bcbridge.model.stock import Asked, OrderLook

HERE = Ref("")
"""The channel's only location, or not known which."""

_Place = tuple[Upc, Ref]


@dataclass(slots=True)
class _Count:
    warehouse: str = ""
    wanted: int = 0
    taken: int = 0


@dataclass(slots=True)
class _Counts:
    desk: Desk
    found: dict[_Place, _Count] = field(default_factory=dict)

    def of(self, line: OrderLine, pieces: int) -> Iterator[tuple[_Count, int]]:
        """So many pieces of a line, by where they leave from."""
        upc = Upc(find_upc(line, self.desk, Findings()))
        for share, count in shares(line, pieces):
            here = self.found.setdefault((upc, share.location or HERE), _Count())
            here.warehouse = here.warehouse or warehouse_of(share, "", self.desk, Findings())
            yield here, count


def look_of(order: Order, asked: datetime, desk: Desk, *, skipped: bool, again: bool = False) -> OrderLook:
    """What the order asks, as it was shown by a request that left at ``asked``; ``skipped``: by a person's word;
    ``again``: under the stamp it had at the look before."""
    counts = _Counts(desk)
    for line in _goods(order):
        for here, count in counts.of(line, _taken(line, order)):
            here.taken += count
    for line in _goods(_to_deliver(order, desk)):
        for here, count in counts.of(line, 0 if skipped else _wanted(line, order, desk)):
            here.wanted += count
    return OrderLook(
        ref=order.ref,
        placed=order.created,
        asked=asked,
        lines=tuple(
            Asked(sku=upc, location=location, warehouse=one.warehouse, wanted=one.wanted, taken=one.taken)
            for (upc, location), one in counts.found.items()
        ),
        closed=order.cancelled is not None,
        again=again,
    )


def _goods(order: Order) -> list[OrderLine]:
    return [line for line in order.lines if line.kind is LineKind.GOODS]


def _taken(line: OrderLine, order: Order) -> int:
    """Below zero where a channel says that more came back than was taken."""
    if line.taken is not None:
        return line.taken
    return 0 if order.cancelled else max(0, line.quantity)


def _wanted(line: OrderLine, order: Order, desk: Desk) -> int:
    if never_booked(order, desk.settings):
        return 0
    if order.payment is PaymentStatus.PENDING:
        return max(0, min(line.quantity, _taken(line, order)))
    return max(0, line.quantity)


def _to_deliver(order: Order, desk: Desk) -> Order:
    """The order whose quantities are booked: as it was sold, where a partly refunded one is booked so."""
    booked_as_sold = desk.settings.partly_refunded == "book_original"
    if order.payment is PaymentStatus.PARTIALLY_REFUNDED and booked_as_sold:
        return to_book(order, desk, Findings()).order
    return order
