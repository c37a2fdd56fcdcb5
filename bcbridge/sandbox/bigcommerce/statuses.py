"""The fifteen statuses of an order (2.2): fixed ids; only the label people see may be changed."""

from __future__ import annotations

from typing import NamedTuple

from bcbridge.sandbox.shopping.cart import JSON


class Status(NamedTuple):
    id: int
    label: str
    description: str
    place: int
    """In the lists of the control panel."""


INCOMPLETE, PENDING, SHIPPED, PARTIALLY_SHIPPED, REFUNDED, CANCELLED, DECLINED = range(7)
AWAITING_PAYMENT, AWAITING_PICKUP, AWAITING_SHIPMENT, COMPLETED, AWAITING_FULFILLMENT = range(7, 12)
TO_BE_VERIFIED, DISPUTED, PARTIALLY_REFUNDED = range(12, 15)

STATUSES = (
    Status(INCOMPLETE, "Incomplete", "The shopper reached the payment page and did not pay.", 0),
    Status(PENDING, "Pending", "The customer started the checkout and did not complete it.", 1),
    Status(SHIPPED, "Shipped", "Shipped, receipt not confirmed.", 8),
    Status(PARTIALLY_SHIPPED, "Partially Shipped", "Only some items have been shipped.", 6),
    Status(REFUNDED, "Refunded", "The seller has refunded the order.", 11),
    Status(CANCELLED, "Cancelled", "The seller has cancelled the order.", 9),
    Status(DECLINED, "Declined", "The seller has declined the order.", 10),
    Status(AWAITING_PAYMENT, "Awaiting Payment", "Ordered, payment not confirmed.", 2),
    Status(AWAITING_PICKUP, "Awaiting Pickup", "Packed, awaiting the customer.", 5),
    Status(AWAITING_SHIPMENT, "Awaiting Shipment", "Packed, awaiting the carrier.", 4),
    Status(COMPLETED, "Completed", "Done.", 7),
    Status(AWAITING_FULFILLMENT, "Awaiting Fulfillment", "Paid, to be packed.", 3),
    Status(TO_BE_VERIFIED, "Manual Verification Required", "On hold until somebody has looked at it.", 13),
    Status(DISPUTED, "Disputed", "The customer disputes the payment.", 12),
    Status(PARTIALLY_REFUNDED, "Partially Refunded", "The seller has refunded a part.", 14),
)
SHOWN_AS_PAID = (AWAITING_FULFILLMENT, AWAITING_SHIPMENT, AWAITING_PICKUP, SHIPPED, PARTIALLY_SHIPPED, COMPLETED)
UNPAID = (INCOMPLETE, PENDING, AWAITING_PAYMENT)
OVER = (CANCELLED, DECLINED, REFUNDED)


def set_status(order: JSON, status: int) -> None:
    order["status_id"] = status
    order["status"] = order["custom_status"] = STATUSES[status].label


def described(status: Status) -> JSON:
    """As ``/order_statuses`` shows it."""
    return {
        "id": status.id,
        "name": status.label,
        "system_label": status.label,
        "custom_label": status.label,
        "system_description": status.description,
        "order": status.place,
    }
