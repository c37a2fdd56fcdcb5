"""From Shopify's order document to our record: pure, and the only place that sees both.

Parts with a story of their own stand beside it: ``lines``, ``shipping``, ``fulfilment``, ``ledger``, ``money``.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from pydantic import ValidationError

from bcbridge.connectors.base import Document
from bcbridge.connectors.shopify import fulfilment, shipping, wire
from bcbridge.connectors.shopify.ledger import Ledger
from bcbridge.connectors.shopify.lines import Lines, attributes, charge_left, fee
from bcbridge.connectors.shopify.money import Side
from bcbridge.connectors.shopify.settings import MoneySide
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.order import (
    Address,
    AsSold,
    Charge,
    Order,
    OrderLine,
    PaymentStatus,
    Shipping,
    Tender,
    TenderKind,
)

PAYMENT = {
    "PAID": PaymentStatus.PAID,
    "AUTHORIZED": PaymentStatus.AUTHORISED,
    "PENDING": PaymentStatus.PENDING,
    "PARTIALLY_PAID": PaymentStatus.PARTIALLY_PAID,
    "PARTIALLY_REFUNDED": PaymentStatus.PARTIALLY_REFUNDED,
    "REFUNDED": PaymentStatus.REFUNDED,
    "VOIDED": PaymentStatus.VOIDED,
    "EXPIRED": PaymentStatus.EXPIRED,
}
TENDERS = {
    "SALE": TenderKind.CAPTURED,
    "CAPTURE": TenderKind.CAPTURED,
    "REFUND": TenderKind.REFUNDED,
    "CHANGE": TenderKind.CHANGE,
    "AUTHORIZATION": TenderKind.AUTHORISED,
    "EMV_AUTHORIZATION": TenderKind.AUTHORISED,
}
"""Kinds of transaction that are money, or its promise; VOID and SUGGESTED_REFUND are neither (NOTES.md 1.6)."""

CIRCULAR_TAGS = re.compile(r"has rental products|has membership|recurring order #\d+", re.IGNORECASE)
"""Tags Supercycle sets on an order, some time after it exists (NOTES.md 2.2)."""


def read(document: Document, *, side: MoneySide, circular_products: frozenset[str] = frozenset()) -> Order:
    """The order in our words, on one currency side. Raises Malformed with where it is odd, never quoting a value."""
    order = _parsed(document.body)
    if order.id != document.ref:
        raise Malformed("the document is of another order", where="id")
    return _Reading(order, document.modified, side, circular_products).order()


def _parsed(body: bytes) -> wire.Order:
    try:
        return wire.Order.model_validate_json(body)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "document"
        raise Malformed(first["type"].replace("_", " "), where=where) from None


class _Reading:
    """One order being read."""

    def __init__(
        self, order: wire.Order, modified: datetime, side: MoneySide, circular_products: frozenset[str]
    ) -> None:
        self._order = order
        self._modified = modified
        self._side = Side.of(order, side)
        self._ledger = Ledger(order.agreements.nodes, self._side) if order.agreements else None
        self._tip = self._side.amount(order.total_tip_received_set)
        self._lines = Lines(
            side=self._side,
            ledger=self._ledger,
            taxes_included=order.taxes_included,
            tips=self._tip > 0,
            circular_products=circular_products,
        )
        self._assigned = fulfilment.assignments(order)

    def order(self) -> Order:
        order, amount = self._order, self._side.amount
        return Order(
            ref=Ref(order.id),
            id=order.legacy_resource_id,
            name=order.name,
            created=order.created_at,
            modified=self._modified,
            processed=order.processed_at,
            currency=self._side.currency,
            prices_include_tax=order.taxes_included,
            payment=self._payment(),
            gateways=order.payment_gateway_names,
            cancelled=order.cancelled_at,
            test=order.test,
            edited=order.edited,
            source=order.source_name or "",
            tags=order.tags,
            marks=self._marks(),
            lines=self._lines_now(),
            shipping=self._shipping_now(),
            charges=self._fees_now(),
            tip=self._tip,
            rounding=self._rounding(),
            tenders=self._tenders(),
            total=amount(order.current_total_price_set),
            original_total=amount(order.original_total_price_set),
            outstanding=amount(order.total_outstanding_set),
            refunded=amount(order.total_refunded_set),
            holds=fulfilment.holds(order.fulfillment_orders.nodes),
            routed=fulfilment.routed(order.line_items.nodes, self._assigned),
            ship_to=self._address(order.shipping_address),
            bill_to=self._address(order.billing_address),
            customer=Ref(order.customer.id) if order.customer else None,
            note=order.note or "",
            attributes=attributes(order.custom_attributes),
            as_sold=self._as_sold() if self._was_taken_back() else None,
        )

    def _payment(self) -> PaymentStatus:
        """Unsaid is unpaid: nothing is booked on a guess."""
        status = self._order.display_financial_status or "PENDING"
        if status not in PAYMENT:
            raise Malformed("an unknown payment status", where="displayFinancialStatus")
        return PAYMENT[status]

    def _marks(self) -> tuple[str, ...]:
        tags = tuple(f"tag:{tag}" for tag in self._order.tags if CIRCULAR_TAGS.fullmatch(tag.strip()))
        by_app = self._order.app is not None and "supercycle" in self._order.app.name.casefold()
        return (*tags, "app") if by_app else tags

    def _lines_now(self) -> tuple[OrderLine, ...]:
        return tuple(self._lines.now(line, self._assigned) for line in self._order.line_items.nodes)

    def _shipping_now(self) -> tuple[Shipping, ...]:
        standing = (line for line in self._order.shipping_lines.nodes if not line.is_removed)
        return tuple(shipping.now(line, self._side, self._ledger) for line in standing)

    def _fees_now(self) -> tuple[Charge, ...]:
        left = (
            charge_left(fee(one, self._side), one.id, self._ledger, self._order.taxes_included)
            for one in self._order.additional_fees
        )
        return tuple(charge for charge in left if charge.amount or charge.taxes)

    def _rounding(self) -> Decimal:
        """What rounding at the till added to what was paid, less what it added to what was given back."""
        adjustment = self._order.total_cash_rounding_adjustment
        return self._side.amount(adjustment.payment_set) - self._side.amount(adjustment.refund_set)

    def _tenders(self) -> tuple[Tender, ...]:
        return tuple(self._tender(one) for one in self._order.transactions if _is_money(one))

    def _tender(self, one: wire.Transaction) -> Tender:
        return Tender(
            ref=Ref(one.id),
            kind=TENDERS[one.kind],
            gateway=one.gateway or "",
            amount=abs(self._side.amount(one.amount_set)),
            at=one.processed_at or one.created_at,
        )

    def _address(self, given: wire.MailingAddress | None) -> Address | None:
        if given is None:
            return None
        parts = (given.first_name, given.last_name)
        return Address(
            name=given.name or " ".join(part for part in parts if part),
            company=given.company or "",
            address1=given.address1 or "",
            address2=given.address2 or "",
            city=given.city or "",
            state=given.province_code or given.province or "",
            postcode=given.zip or "",
            country=given.country_code_v2 or "",
            phone=given.phone or self._order.phone or "",
            email=self._order.email or "",
        )

    def _was_taken_back(self) -> bool:
        order = self._order
        return (
            self._side.amount(order.total_refunded_set) > 0
            or any(line.current_quantity < line.quantity for line in order.line_items.nodes)
            or any(shipping.is_reduced(line, self._side) for line in order.shipping_lines.nodes)
        )

    def _as_sold(self) -> AsSold | None:
        """The order at its sale. An edit adds and changes lines without saying which: then it cannot be told."""
        order = self._order
        if order.edited:
            return None
        return AsSold(
            lines=tuple(self._lines.as_sold(line) for line in order.line_items.nodes),
            shipping=tuple(shipping.as_sold(line, self._side) for line in order.shipping_lines.nodes),
            charges=tuple(fee(one, self._side) for one in order.additional_fees),
            tip=self._tip,
            rounding=self._side.amount(order.total_cash_rounding_adjustment.payment_set),
        )


def _is_money(one: wire.Transaction) -> bool:
    return one.status == "SUCCESS" and not one.test and one.kind in TENDERS
