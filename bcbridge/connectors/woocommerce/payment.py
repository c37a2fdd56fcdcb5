"""What a WooCommerce status says about money: paid, promised, awaited, given back; and whether the order may go.

A status is a shop's own affair (plugins add some), the payment date is not: paid is what has one. What is paid and of
a status that is not to be imported is held, so that it waits and somebody is told in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from bcbridge.connectors.woocommerce import wire
from bcbridge.model.ids import Ref
from bcbridge.model.money import to_cents
from bcbridge.model.order import Hold, PaymentStatus, Tender, TenderKind

CANCELLED = "cancelled"
REFUNDED = "refunded"
COD = "cod"
COMPLETED = "completed"
"""All of its pieces were sent, or there were none to send."""
SAME_MOMENT = timedelta(seconds=2)
"""What WooCommerce stamps in one save, it may stamp a second apart."""
TOLD_OTHERWISE = (CANCELLED, REFUNDED)
"""Statuses that stand on our order as what they are."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One order's money. ``cards``: negative fees that are money, above zero, and ``cards_back`` what refunds put back
    on them; ``due`` the total with them."""

    order: wire.Order
    refunds: Sequence[wire.Refund]
    cards: Sequence[tuple[wire.FeeLine, Decimal]]
    cards_back: Sequence[tuple[wire.FeeLine, Decimal]]
    import_statuses: Sequence[str]
    dispatched: Sequence[str] = (COMPLETED,)
    """Statuses of what has left, whole or in part: they change nothing of what an order was booked for."""

    @property
    def due(self) -> Decimal:
        return self._in_cents(self.order.total + sum((amount for _, amount in self.cards), Decimal(0)))

    @property
    def refunded(self) -> Decimal:
        cash = sum((refund.amount for refund in self.refunds), Decimal(0))
        return self._in_cents(cash + sum((amount for _, amount in self.cards_back), Decimal(0)))

    def _in_cents(self, amount: Decimal) -> Decimal:
        """As the shop says it, in as many decimals as its currency has, where it is whole cents."""
        cents = to_cents(amount, self.order.currency)
        return cents if cents == amount else amount

    @property
    def is_imported(self) -> bool:
        return self.order.status in self.import_statuses

    @property
    def is_dispatched(self) -> bool:
        return self.order.status in self.dispatched

    @property
    def is_paid(self) -> bool:
        """It has a payment date; or there was nothing to pay."""
        if self.order.date_paid_gmt is not None:
            return not self._paid_by_completing
        return (self.is_imported or self.is_dispatched) and not self.order.total

    @property
    def _paid_by_completing(self) -> bool:
        """Cash on delivery is stamped as paid when its order is completed, whatever has come in: nobody's payment."""
        paid, completed = self.order.date_paid_gmt, self.order.date_completed_gmt
        if self.order.payment_method != COD or not paid or not completed:
            return False
        return paid >= completed - SAME_MOMENT

    @property
    def status(self) -> PaymentStatus:
        if self.order.status == REFUNDED or (self.refunded and self.refunded >= self.due):
            return PaymentStatus.REFUNDED
        if self.refunded:
            return PaymentStatus.PARTIALLY_REFUNDED
        if self.is_paid:
            return PaymentStatus.PAID
        return PaymentStatus.AUTHORISED if self.is_imported or self.is_dispatched else PaymentStatus.PENDING

    @property
    def outstanding(self) -> Decimal:
        return Decimal(0) if self.is_paid else self._in_cents(self.order.total - self.refunded)

    @property
    def holds(self) -> tuple[Hold, ...]:
        if self.is_imported or self.order.status in TOLD_OTHERWISE or not (self.is_paid or self.is_dispatched):
            return ()
        return (Hold(reason=f"status {self.order.status}", done=self.is_dispatched),)

    @property
    def gateways(self) -> tuple[str, ...]:
        named = (self.order.payment_method, *(fee.name for fee, _ in self.cards))
        return tuple(dict.fromkeys(filter(None, named)))

    def tenders(self) -> tuple[Tender, ...]:
        return (*self._cards(), *self._paid_or_promised(), *self._given_back())

    def _cards(self) -> tuple[Tender, ...]:
        """A gift card is charged when the order is placed."""
        at = self.order.date_paid_gmt or self.order.date_created_gmt
        return tuple(
            Tender(ref=Ref(str(fee.id)), kind=TenderKind.CAPTURED, gateway=fee.name, amount=amount, at=at)
            for fee, amount in self.cards
        )

    def _paid_or_promised(self) -> tuple[Tender, ...]:
        """The whole in one: WooCommerce keeps no list of payments."""
        order = self.order
        if not order.total or not (self.is_paid or self.is_imported or self.is_dispatched):
            return ()
        return (
            Tender(
                ref=Ref(order.transaction_id or f"{order.id}/payment"),
                kind=TenderKind.CAPTURED if self.is_paid else TenderKind.AUTHORISED,
                gateway=order.payment_method,
                amount=self._in_cents(order.total),
                at=order.date_paid_gmt or order.date_created_gmt,
            ),
        )

    def _given_back(self) -> tuple[Tender, ...]:
        """By refund; what went back on cards by card, as of the last refund."""
        last = max((refund.date_created_gmt for refund in self.refunds), default=self.order.date_created_gmt)
        cards = tuple(
            Tender(ref=Ref(f"{fee.id}/back"), kind=TenderKind.REFUNDED, gateway=fee.name, amount=amount, at=last)
            for fee, amount in self.cards_back
        )
        return cards + tuple(
            Tender(
                ref=Ref(str(refund.id)),
                kind=TenderKind.REFUNDED,
                gateway=self.order.payment_method,
                amount=self._in_cents(refund.amount),
                at=refund.date_created_gmt,
            )
            for refund in self.refunds
            if refund.amount
        )
