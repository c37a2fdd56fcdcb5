"""May the order be looked at, at all? Never, or not yet, or go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from bcbridge.flows.orders.desk import Desk
from bcbridge.flows.orders.settings import OrderSettings
from bcbridge.model.order import Order, PaymentStatus, TenderKind
from bcbridge.model.outcome import Never, NotYet

_ENDED = {
    PaymentStatus.VOIDED: Never(code="voided", text="The payment was voided before the order was booked."),
    PaymentStatus.REFUNDED: Never(code="refunded", text="The order was refunded in full before it was booked."),
    PaymentStatus.EXPIRED: Never(code="expired", text="The payment expired before the order was booked."),
}
_UNPAID = {
    PaymentStatus.PENDING: ("payment_pending", "The payment is pending."),
    PaymentStatus.PARTIALLY_PAID: ("partly_paid", "Only a part has been paid."),
}


def never_booked(order: Order, settings: OrderSettings) -> Never | None:
    """Test orders, those from before go-live, cancelled ones, and those whose payment came to nothing."""
    if order.test:
        return Never(code="test", text="A test order of the channel.")
    if settings.orders_created_from and order.created < settings.orders_created_from:
        boundary = settings.orders_created_from.isoformat()
        return Never(code="before_go_live", text=f"Created before the go-live boundary {boundary}.")
    if order.cancelled:
        return Never(code="cancelled", text="Cancelled in the channel before it was booked.")
    return _ENDED.get(order.payment) or _nothing_left(order)


def _nothing_left(order: Order) -> Never | None:
    """Everything was taken out again, by an edit: no pieces, no money."""
    if order.total or order.payment is PaymentStatus.PARTIALLY_REFUNDED or any(line.quantity for line in order.lines):
        return None
    return Never(code="nothing_left", text="Nothing is left on the order, and it costs nothing.")


def not_yet_booked(order: Order, desk: Desk) -> NotYet | None:
    """Unpaid, held by the channel, not assigned to a location, or too young for the grace time."""
    waiting = _unpaid(order, desk.settings) or _held(order)
    if waiting:
        return _wait(*waiting, desk.now + timedelta(minutes=desk.settings.look_again_minutes))
    if not order.routed:
        again = desk.now + timedelta(minutes=desk.settings.unrouted_look_again_minutes)
        return _wait("unrouted", "The channel has not assigned every piece to a location yet.", again)
    return _in_grace(order, desk)


def _wait(code: str, text: str, look_again: datetime) -> NotYet:
    return NotYet(code=code, text=text, look_again=look_again)


def _unpaid(order: Order, settings: OrderSettings) -> tuple[str, str] | None:
    if order.payment is PaymentStatus.AUTHORISED:
        return _authorised(order, settings)
    if order.payment in _UNPAID:
        return _UNPAID[order.payment]
    if order.outstanding > 0:
        return "outstanding", f"{order.outstanding} {order.currency} is still to be paid."
    return None


def _authorised(order: Order, settings: OrderSettings) -> tuple[str, str] | None:
    promised = {tender.gateway for tender in order.tenders if tender.kind is TenderKind.AUTHORISED}
    named = promised or set(order.gateways)
    refused = sorted(named - settings.authorised_gateways)
    if named and not refused:
        return None
    return "authorised", f"The payment is authorised, not captured ({', '.join(refused) or 'no gateway named'})."


def authorised_until(order: Order, settings: OrderSettings) -> datetime | None:
    """Until when the money of an authorised order is held, by the gateway that lets go of it first."""
    if order.payment is not PaymentStatus.AUTHORISED:
        return None
    promised = [one for one in order.tenders if one.kind is TenderKind.AUTHORISED]
    if promised:
        return min(one.at + settings.held_for(one.gateway) for one in promised)
    return order.created + min(settings.held_for(gateway) for gateway in order.gateways or ("*",))


def _held(order: Order) -> tuple[str, str] | None:
    if not order.holds:
        return None
    reasons = ", ".join(sorted({hold.reason for hold in order.holds}))
    return "channel_hold", f"The channel holds it: {reasons}."


def _in_grace(order: Order, desk: Desk) -> NotYet | None:
    ripe = order.created + desk.settings.grace
    if not desk.settings.grace or desk.now >= ripe:  # without grace a channel's clock ahead of ours costs nothing
        return None
    return _wait("grace", f"Waits until {desk.settings.grace.total_seconds():.0f} s old, for late tags.", ripe)
