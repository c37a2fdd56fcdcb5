"""What an order's status and its payment's say in our words, and what holds the customer's money.

By ids: labels can be renamed. Whether money is there is the payment's word; whether to book is the status's. An order
that is paid and in no status to import is held: it waits, and after a while somebody is told.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.money import NOTHING, Side, total
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold, PaymentStatus, Tender, TenderKind

INCOMPLETE, PENDING, REFUNDED, CANCELLED, DECLINED, AWAITING_PAYMENT, PARTLY_REFUNDED = 0, 1, 4, 5, 6, 7, 14
SHIPPED, PARTLY_SHIPPED, AWAITING_PICKUP, AWAITING_SHIPMENT, COMPLETED = 2, 3, 8, 9, 10
STATUSES = {
    INCOMPLETE: "incomplete",
    PENDING: "pending",
    SHIPPED: "shipped",
    PARTLY_SHIPPED: "partially shipped",
    REFUNDED: "refunded",
    CANCELLED: "cancelled",
    DECLINED: "declined",
    AWAITING_PAYMENT: "awaiting payment",
    AWAITING_PICKUP: "awaiting pickup",
    AWAITING_SHIPMENT: "awaiting shipment",
    COMPLETED: "completed",
    11: "awaiting fulfilment",
    12: "manual verification required",
    13: "disputed",
    PARTLY_REFUNDED: "partially refunded",
}
"""What the ids mean, for good (contracts/woo_bigcommerce_magento.md 2.2)."""

PAYMENTS = {
    "paid": PaymentStatus.PAID,
    "captured": PaymentStatus.PAID,
    "authorized": PaymentStatus.AUTHORISED,
    "capture pending": PaymentStatus.AUTHORISED,
    "held for review": PaymentStatus.AUTHORISED,
    "pending": PaymentStatus.PENDING,
    "void pending": PaymentStatus.PENDING,
    "declined": PaymentStatus.PENDING,
    "void": PaymentStatus.PENDING,
    "partially refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "refunded": PaymentStatus.REFUNDED,
}
"""Declined and void are the end only where the order's status says so too; else somebody is told of an unpaid order."""
NOTHING_SAID = ("", "pending")
"""Of an order that credit paid whole, or that costs nothing, no payment is left to be waited for."""
UNPAID = (INCOMPLETE, PENDING, AWAITING_PAYMENT)
BY_STATUS = {
    REFUNDED: PaymentStatus.REFUNDED,
    DECLINED: PaymentStatus.VOIDED,
    PARTLY_REFUNDED: PaymentStatus.PARTIALLY_REFUNDED,
}
DONE = frozenset({SHIPPED, PARTLY_SHIPPED, AWAITING_PICKUP, AWAITING_SHIPMENT, COMPLETED})
"""Statuses of what is packed, has left already, or all of whose business is done."""
SETTLED_BY_STATUS = frozenset({REFUNDED, CANCELLED, DECLINED, PARTLY_REFUNDED})
"""Statuses that the payment status of ours tells already."""
HELD = frozenset({PaymentStatus.PAID, PaymentStatus.AUTHORISED, PaymentStatus.PARTIALLY_REFUNDED})

STORE_CREDIT, GIFT_CERTIFICATE = "store_credit", "gift_certificate"
PROVIDERS = {"storecredit": STORE_CREDIT, "giftcertificate": GIFT_CERTIFICATE}
"""How refunds spell them."""


class Paying:
    """How one order is paid. ``due``: its whole price, credits included."""

    def __init__(self, whole: wire.Whole, side: Side, due: Decimal, import_statuses: Collection[int]) -> None:
        order = whole.order
        self._order = order
        self._refunds = whole.refunds
        self._side = side
        self._imported = order.status_id in import_statuses
        self._credits = [
            (STORE_CREDIT, side.plain(order.store_credit_amount)),
            (GIFT_CERTIFICATE, side.plain(order.gift_certificate_amount)),
        ]
        self.rest = due - total([amount for _, amount in self._credits])
        """What is not paid by credit of the store's own."""

    def status(self) -> PaymentStatus:
        told = BY_STATUS.get(self._order.status_id) or self._told()
        return PaymentStatus.PARTIALLY_REFUNDED if told is PaymentStatus.PAID and self.refunded() else told

    def _told(self) -> PaymentStatus:
        said = self._order.payment_status
        if said and said not in PAYMENTS:
            raise Malformed("an unknown payment status", where="order.payment_status")
        if said in NOTHING_SAID and self.rest <= 0 and self._order.status_id not in UNPAID:
            return PaymentStatus.PAID
        if said:
            return PAYMENTS[said]
        promised = self._imported or self._order.status_id in DONE
        return PaymentStatus.AUTHORISED if promised else PaymentStatus.PENDING

    def holds(self) -> tuple[Hold, ...]:
        """Why an order that has its money is not to be booked yet."""
        if self.status() not in HELD:
            return ()
        holds = []
        if self._order.payment_status == "held for review":
            holds.append(Hold(reason="payment held for review"))
        if not self._imported and self._order.status_id not in SETTLED_BY_STATUS:
            status = self._order.status_id
            holds.append(Hold(reason=f"status {STATUSES[status]}", done=status in DONE))
        if self._order.status_id == PARTLY_REFUNDED and self._order.items_shipped:  # a refund moves it on from shipped
            holds.append(Hold(reason="status partially refunded, shipped", done=True))
        return tuple(holds)

    def gateways(self) -> tuple[str, ...]:
        method = ((self._order.payment_method, self.rest),)
        return tuple(name for name, amount in (*method, *self._credits) if amount and name)

    def outstanding(self) -> Decimal:
        unpaid = self.status() in (PaymentStatus.AUTHORISED, PaymentStatus.PENDING, PaymentStatus.VOIDED)
        return max(self.rest, NOTHING) if unpaid else NOTHING

    def tenders(self) -> tuple[Tender, ...]:
        """Credit is taken when the order is placed; the rest once it was captured, or was promised."""
        credited = [self._tender(name, TenderKind.CAPTURED, amount) for name, amount in self._credits if amount]
        return (*credited, *self._paid(), *(one for refund in self._refunds for one in self._given_back(refund)))

    def _paid(self) -> list[Tender]:
        status = self.status()
        if status in (PaymentStatus.PENDING, PaymentStatus.VOIDED) or self.rest <= 0:
            return []
        kind = TenderKind.AUTHORISED if status is PaymentStatus.AUTHORISED else TenderKind.CAPTURED
        return [self._tender(self._order.payment_method, kind, self.rest)]

    def _tender(self, gateway: str, kind: TenderKind, amount: Decimal) -> Tender:
        part = gateway if gateway in (STORE_CREDIT, GIFT_CERTIFICATE) else "payment"
        at = self._order.date_created
        return Tender(ref=Ref(f"{self._order.id}/{part}"), kind=kind, gateway=gateway, amount=amount, at=at)

    def refunded(self) -> Decimal:
        """What was given back, by the refunds themselves; the v2 order always says 0."""
        return total([tender.amount for refund in self._refunds for tender in self._given_back(refund)])

    def _given_back(self, refund: wire.Refund) -> list[Tender]:
        """Its payments but the declined ones. One without any payment listed is told by its total."""
        payments = refund.payments or (wire.Payment(amount=refund.total_amount),)
        return [
            Tender(
                ref=Ref(f"{self._order.id}/refund/{refund.id}/{number}"),
                kind=TenderKind.REFUNDED,
                gateway=PROVIDERS.get(one.provider_id, one.provider_id),
                amount=self._side.plain(one.amount),
                at=refund.created,
            )
            for number, one in enumerate(payments, start=1)
            if not one.is_declined and one.amount
        ]
