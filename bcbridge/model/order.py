"""A sold order as a channel holds it now, in our words and on one currency side.

Money stands as the channel says it: where ``prices_include_tax`` is set, every price, allowance and shipping
amount below contains the tax that is listed beside it. Amounts are those of the *current* quantities.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from bcbridge.model.ids import Ref
from bcbridge.model.record import Moment, Record


class PaymentStatus(StrEnum):
    PAID = "paid"
    AUTHORISED = "authorised"
    PENDING = "pending"
    PARTIALLY_PAID = "partially_paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    EXPIRED = "expired"


class LineKind(StrEnum):
    GOODS = "goods"
    GIFT_CARD = "gift_card"
    TIP = "tip"


class Tax(Record):
    """One tax of a line or charge; ``rate`` as a fraction (0.06625), ``None`` where the channel names none."""

    title: str
    rate: Decimal | None
    amount: Decimal


class Allowance(Record):
    """A named reduction of a line or of shipping; positive. ``name`` is the discount code or the campaign's title."""

    name: str
    amount: Decimal


class Reduction(Record):
    """Money off the order as a whole, outside its lines (a negative fee). ``amount`` positive, net of ``taxes``; the
    taxes are what it takes off the order's tax, positive too."""

    name: str
    amount: Decimal
    taxes: tuple[Tax, ...] = ()


class Charge(Record):
    """Money beside the goods: a duty or a fee, with its own taxes. ``kind`` is ``duty`` or ``fee``."""

    kind: str
    name: str
    amount: Decimal
    taxes: tuple[Tax, ...] = ()


class Assignment(Record):
    """So many pieces of a line are to leave from this location of the channel (a fulfilment order's share)."""

    location: Ref | None
    location_name: str
    quantity: int


class Address(Record):
    """A postal address as given; absent parts are empty strings."""

    name: str = ""
    company: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""


class OrderLine(Record):
    """One line. ``quantity`` is the current one; ``ordered`` what was ever ordered; ``0`` now means removed."""

    ref: Ref
    kind: LineKind
    sku: str
    barcode: str | None
    title: str
    variant: Ref | None
    ordered: int
    quantity: int
    unit_price: Decimal
    """The price before any discount, per piece."""
    amount: Decimal
    """unit_price x current quantity, before allowances."""
    allowances: tuple[Allowance, ...] = ()
    taxes: tuple[Tax, ...] = ()
    charges: tuple[Charge, ...] = ()
    requires_shipping: bool = True
    assignments: tuple[Assignment, ...] = ()
    marks: tuple[str, ...] = ()
    """Signs of circular commerce found on the line, as ``_cycle`` or ``selling_plan`` (shopify/NOTES.md 2.2)."""
    attributes: tuple[tuple[str, str], ...] = ()
    sku_is_live: bool = False
    """The channel reads ``sku`` from the product as it is now, not as it was sold: what was once linked to the
    variant counts for more."""
    sku_sold: str | None = None
    """As it was copied when it was sold, by a channel that tells today's beside it; ``None`` where it does not."""
    ship_to: Address | None = None
    """Where this line goes, on an order with several addresses; ``None``: to the order's own."""
    taken: int | None = None
    """Pieces that the channel has taken off its own number for this line, as it stands; ``None``: it does not tell."""


class Shipping(Record):
    """One shipping line. ``amount`` before its allowances; ``title`` is what ship via maps from."""

    ref: Ref
    title: str
    code: str
    amount: Decimal
    allowances: tuple[Allowance, ...] = ()
    taxes: tuple[Tax, ...] = ()
    ship_to: Address | None = None
    """As on a line: the address this shipping was charged for, where an order has several."""


class TenderKind(StrEnum):
    CAPTURED = "captured"
    REFUNDED = "refunded"
    CHANGE = "change"
    AUTHORISED = "authorised"


class Tender(Record):
    """Money that moved (or, AUTHORISED, was promised): successful, not a test, positive amount."""

    ref: Ref
    kind: TenderKind
    gateway: str
    amount: Decimal
    at: Moment


class Hold(Record):
    """The channel says: do not ship yet."""

    reason: str
    note: str = ""
    done: bool = False
    """It says so because it takes the order for dispatched or done: nobody is to ship it *again*. News before it is
    booked; afterwards the usual course of things, and no change."""


class AsSold(Record):
    """What the customer bought, before any refund or edit: amounts are those of the *ordered* quantities."""

    lines: tuple[OrderLine, ...]
    shipping: tuple[Shipping, ...]
    charges: tuple[Charge, ...] = ()
    reductions: tuple[Reduction, ...] = ()
    tip: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)


class Order(Record):
    """A channel's order, whole, as of ``modified``."""

    ref: Ref
    id: str
    """The immutable id in letters and digits (Shopify: legacyResourceId); our reference is made from it."""
    name: str
    """What people call it: ``#1001``."""
    created: Moment
    modified: Moment
    processed: Moment
    currency: str
    prices_include_tax: bool
    payment: PaymentStatus
    gateways: tuple[str, ...]
    cancelled: Moment | None
    test: bool
    edited: bool
    source: str
    tags: tuple[str, ...]
    marks: tuple[str, ...] = ()
    """Signs of circular commerce on the order itself, as ``tag:Has rental products``."""
    lines: tuple[OrderLine, ...]
    shipping: tuple[Shipping, ...]
    charges: tuple[Charge, ...] = ()
    """Fees of the order as a whole."""
    reductions: tuple[Reduction, ...] = ()
    tip: Decimal = Decimal(0)
    """Tips received (shopify: totalTipReceivedSet); they also stand as a line of kind TIP."""
    rounding: Decimal = Decimal(0)
    """Cash rounding, signed as it changes the total to pay."""
    tenders: tuple[Tender, ...]
    total: Decimal
    """The current total, as the channel states it."""
    original_total: Decimal
    """The total at the sale, before refunds and edits."""
    outstanding: Decimal
    refunded: Decimal
    holds: tuple[Hold, ...] = ()
    routed: bool = True
    """False while the channel has not yet assigned every shippable piece to a location."""
    ship_to: Address | None
    bill_to: Address | None
    customer: Ref | None = None
    note: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    as_sold: AsSold | None = None
    """Where something was taken back before we saw the order, and the channel still tells what was sold."""
