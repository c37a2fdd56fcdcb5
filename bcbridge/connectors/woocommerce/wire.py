"""WooCommerce's shapes: the document ``orders.py`` keeps, an order as it was answered and its refunds. Their names.

Extra fields are ignored. Amounts arrive as text (the client keeps every number with a fraction as the text it was
sent as) and never pass a float; ``price`` of a line is unrounded and not named here (contract 1.3).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bcbridge.model.record import Moment


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _number(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError("a number with a fraction must arrive as text")
    return value


def _nothing_is_zero(value: object) -> object:
    return 0 if value in ("", None) else value


def _text(value: object) -> object:
    """What the schema calls mixed: a text, or a number, or nothing."""
    if value is None or value is False:
        return ""
    return str(value) if isinstance(value, int) else value


def _gmt(value: object) -> object:
    """A ``_gmt`` stamp: UTC, written without a zone."""
    if not isinstance(value, str):
        raise ValueError("a moment is a text")
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Number = Annotated[Decimal, BeforeValidator(_number), Field(ge=-(10**12), le=10**12, max_digits=40, decimal_places=20)]
Share = Annotated[Number, BeforeValidator(_nothing_is_zero)]
"""One rate's part of a tax: empty where the rate does not apply."""
Text = Annotated[str, BeforeValidator(_text)]
Gmt = Annotated[Moment, BeforeValidator(_gmt)]
Id = Annotated[int, Field(strict=True, ge=1, lt=2**63)]
LooseId = Annotated[int, BeforeValidator(_nothing_is_zero), Field(ge=0, lt=2**63)]
"""0 where there is none."""
Count = Annotated[int, Field(strict=True, gt=-(10**9), lt=10**9)]


class Meta(Wire):
    key: Text
    value: Any = None


class TaxShare(Wire):
    id: Text
    """Of its rate; a tax service may give no number."""
    total: Share = Decimal(0)


class Item(Wire):
    """What lines, shipping lines and fees have in common. ``total`` is net of ``total_tax``, after discounts."""

    id: Id
    total: Number
    total_tax: Share = Decimal(0)
    taxes: tuple[TaxShare, ...] = ()
    meta_data: tuple[Meta, ...] = ()


class LineItem(Item):
    name: Text = ""
    product_id: LooseId = 0
    variation_id: LooseId = 0
    quantity: Count
    subtotal: Number
    """Net, before coupons."""
    sku: Text = ""
    """Of the product as it is now; null once it is deleted."""
    global_unique_id: Text = ""


class ShippingLine(Item):
    method_title: Text = ""
    method_id: Text = ""


class FeeLine(Item):
    name: Text = ""


class TaxLine(Wire):
    rate_id: Text
    rate_code: Text = ""
    label: Text = ""
    rate_percent: Number | None = None


class CouponLine(Wire):
    code: Text = ""
    discount: Share = Decimal(0)


class RefundSummary(Wire):
    id: Id


class PostalAddress(Wire):
    first_name: Text = ""
    last_name: Text = ""
    company: Text = ""
    address_1: Text = ""
    address_2: Text = ""
    city: Text = ""
    state: Text = ""
    postcode: Text = ""
    country: Text = ""
    phone: Text = ""
    email: Text = ""


class Refund(Wire):
    """Amounts and quantities of its parts are below zero, its own ``amount`` above."""

    id: Id
    date_created_gmt: Gmt
    amount: Number
    line_items: tuple[LineItem, ...] = ()
    shipping_lines: tuple[ShippingLine, ...] = ()
    fee_lines: tuple[FeeLine, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        return (*self.line_items, *self.shipping_lines, *self.fee_lines)


class Order(Wire):
    id: Id
    number: Text
    """What people see; plugins rewrite it, so it names nothing (contract 1.3)."""
    status: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    date_created_gmt: Gmt
    date_paid_gmt: Gmt | None = None
    """None: not paid."""
    date_completed_gmt: Gmt | None = None
    total: Number
    """Tax and all; refunds do not lower it."""
    customer_id: LooseId = 0
    customer_note: Text = ""
    created_via: Text = ""
    payment_method: Text = ""
    transaction_id: Text = ""
    billing: PostalAddress
    shipping: PostalAddress
    meta_data: tuple[Meta, ...] = ()
    line_items: tuple[LineItem, ...]
    shipping_lines: tuple[ShippingLine, ...] = ()
    fee_lines: tuple[FeeLine, ...] = ()
    tax_lines: tuple[TaxLine, ...] = ()
    coupon_lines: tuple[CouponLine, ...] = ()
    refunds: tuple[RefundSummary, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        return (*self.line_items, *self.shipping_lines, *self.fee_lines)


class SoldLine(Wire):
    """A line of an order, or of a refund: pieces alone, below zero there."""

    id: Id
    quantity: Count = 0
    name: Text = ""
    meta_data: tuple[Meta, ...] = ()


class Sold(Wire):
    """An order, as far as its dispatches need it."""

    id: Id
    status: str
    line_items: tuple[SoldLine, ...]
    refunds: tuple[RefundSummary, ...] = ()
    meta_data: tuple[Meta, ...] = ()


class Amendable(Wire):
    """An order, as far as it says what may be made of it."""

    id: Id
    status: str
    meta_data: tuple[Meta, ...] = ()


class SoldBack(Wire):
    """A refund, as far as the dispatches need it."""

    line_items: tuple[SoldLine, ...] = ()


class Document(Wire):
    """What is kept of an order."""

    order: Order
    refunds: tuple[Refund, ...]
