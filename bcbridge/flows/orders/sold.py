"""What is to be booked of an order that was partly refunded before anybody booked it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.tie import check_paid
from bcbridge.model.order import AsSold, Order, OrderLine, PaymentStatus


@dataclass(frozen=True, slots=True)
class Sale:
    """The order whose quantities and amounts are booked, and the total they must add up to."""

    order: Order
    due: Decimal
    original: bool = False


def to_book(order: Order, desk: Desk, findings: Findings) -> Sale:
    """The order as it stands; partly refunded it is blocked, or taken as it was sold with the difference noted.

    What else is wrong with a blocked one is looked for in what was sold, where the channel tells it: what was given
    back is no discount that anybody could map. Only what was paid is asked as it stands.
    """
    if order.payment is not PaymentStatus.PARTIALLY_REFUNDED:
        return Sale(order, order.total)
    if desk.settings.partly_refunded == "block":
        findings.block("partly_refunded", "order", f"{_difference(order)} before it was booked")
        if order.as_sold is None:
            return Sale(order, order.total)
        check_paid(order, order.total, findings)
        return _first_sold(order, order.as_sold)
    return _original(order, findings)


def _difference(order: Order) -> str:
    return f"{order.refunded} {order.currency} of {order.original_total} was refunded"


def _original(order: Order, findings: Findings) -> Sale:
    if order.as_sold:
        findings.note("partly_refunded", "order", f"booked as it was sold; {_difference(order)}")
        return _first_sold(order, order.as_sold)
    if any(line.quantity != line.ordered for line in order.lines):
        text = "pieces were taken back, and the channel does not tell what they were sold for"
        findings.block("partly_refunded", "order", text)
        return Sale(order, order.total)
    findings.note("partly_refunded", "order", f"booked as it was sold; {_difference(order)}, no piece taken back")
    return Sale(order, order.original_total, original=True)


def _first_sold(order: Order, sold: AsSold) -> Sale:
    return Sale(_as_sold(order, sold), order.original_total, original=True)


def _as_sold(order: Order, sold: AsSold) -> Order:
    lines = tuple(_placed(line.model_copy(update={"quantity": line.ordered}), order) for line in sold.lines)
    beside = {"shipping": sold.shipping, "charges": sold.charges, "reductions": sold.reductions}
    return order.model_copy(update={**beside, "tip": sold.tip, "rounding": sold.rounding, "lines": lines})


def _placed(line: OrderLine, order: Order) -> OrderLine:
    """Pieces taken back have no location any more: they go with the rest of their line, or of the order."""
    of_line = (now.assignments for now in order.lines if now.ref == line.ref)
    of_order = (now.assignments for now in order.lines)
    known = line.assignments or next(filter(None, (*of_line, *of_order)), ())
    return line.model_copy(update={"assignments": known})
