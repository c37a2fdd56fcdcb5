"""From WooCommerce's order document to our record: pure, and the only place that sees both.

Parts with a story of their own stand beside it: ``lines``, ``coupons``, ``money``, ``payment``. Every total of theirs
is net of tax, whatever ``prices_include_tax`` says (that is how prices are typed in over there): so is our record.
"""

from __future__ import annotations

from pydantic import ValidationError

from bcbridge.connectors.base import Document
from bcbridge.connectors.woocommerce import wire
from bcbridge.connectors.woocommerce.lines import Parts, attributes
from bcbridge.connectors.woocommerce.payment import CANCELLED, COMPLETED, Payment
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.order import Address, AsSold, Order

SOURCES = {"pos-rest-api": "pos"}
"""``created_via`` of what was sold over the counter, in the word every channel of ours has for it."""


def read(document: Document, settings: WooCommerceSettings) -> Order:
    """The order in our words. Raises Malformed with where it is odd, never quoting a value."""
    kept = _parsed(document.body)
    if str(kept.order.id) != document.ref:
        raise Malformed("the document is of another order", where="order.id")
    _check_ids(kept.order)
    _check_refunds(kept)
    return _order(kept, document, settings)


def _parsed(body: bytes) -> wire.Document:
    try:
        return wire.Document.model_validate_json(body)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "document"
        raise Malformed(first["type"].replace("_", " "), where=where) from None


def _check_ids(order: wire.Order) -> None:
    """Lines, shipping lines and fees share one table of theirs: an id names one of them."""
    ids = [item.id for item in order.items]
    if len(set(ids)) < len(ids):
        raise Malformed("two parts of the order have one id", where="order.line_items")


def _check_refunds(kept: wire.Document) -> None:
    """Where they are not those the order names, nobody knows what was given back."""
    if {refund.id for refund in kept.refunds} != {refund.id for refund in kept.order.refunds}:
        raise Malformed("the refunds are not those the order names", where="refunds")


def _order(kept: wire.Document, document: Document, settings: WooCommerceSettings) -> Order:
    order = kept.order
    parts = Parts(order, kept.refunds, settings.payment_fees)
    payment = Payment(
        order,
        kept.refunds,
        parts.payments(),
        parts.payments_given_back(),
        settings.import_statuses,
        tuple(filter(None, (COMPLETED, settings.partial_status))),
    )
    return Order(
        ref=Ref(str(order.id)),
        id=str(order.id),
        name=f"#{order.number or order.id}",
        created=order.date_created_gmt,
        modified=document.modified,
        processed=order.date_created_gmt,
        currency=order.currency,
        prices_include_tax=False,
        payment=payment.status,
        gateways=payment.gateways,
        cancelled=document.modified if order.status == CANCELLED else None,
        test=False,
        edited=False,
        source=SOURCES.get(order.created_via, order.created_via),
        tags=(),
        lines=parts.lines_now(),
        shipping=parts.shipping_now(),
        charges=parts.charges_now(),
        reductions=parts.reductions_now(),
        tenders=payment.tenders(),
        total=payment.due - payment.refunded,
        original_total=payment.due,
        outstanding=payment.outstanding,
        refunded=payment.refunded,
        holds=payment.holds,
        ship_to=_address(order.shipping, order.billing),
        bill_to=_address(order.billing, order.billing),
        customer=Ref(str(order.customer_id)) if order.customer_id else None,
        note=order.customer_note,
        attributes=attributes(order.meta_data),
        as_sold=_as_sold(parts) if kept.refunds else None,
    )


def _as_sold(parts: Parts) -> AsSold:
    return AsSold(
        lines=parts.lines_as_sold(),
        shipping=parts.shipping_as_sold(),
        charges=parts.charges_as_sold(),
        reductions=parts.reductions_as_sold(),
    )


def _address(given: wire.PostalAddress, billing: wire.PostalAddress) -> Address | None:
    """None where no part of it is filled. Mail and telephone are asked for once, with the bill."""
    if not any(given.model_dump().values()):
        return None
    return Address(
        name=f"{given.first_name} {given.last_name}".strip(),
        company=given.company,
        address1=given.address_1,
        address2=given.address_2,
        city=given.city,
        state=given.state,
        postcode=given.postcode,
        country=given.country,
        phone=given.phone or billing.phone,
        email=given.email or billing.email,
    )
