"""BigCommerce's shapes: an order document as ``detail.py`` puts it together from their answers. Their field names.

Extra fields are ignored; what is named here without a default must be there. Amounts arrive as text and never pass a
float. Refund totals the v2 order tells (``refunded_amount``, ``refund_amount``) are always 0 and are not read at all.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bcbridge.connectors.bigcommerce.dates import moment
from bcbridge.model.record import Moment


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def _no_float(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError("a number with a fraction must arrive as text")
    return value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def _text(value: object) -> object:
    return "" if value is None else value


def _told(value: object) -> object:
    """Lines as they are; a link to a line, where the answer holds only those, is none."""
    if not isinstance(value, list):
        return value
    return [one for one in value if not (isinstance(one, dict) and "resource" in one and "id" not in one)]


def _listed(value: object) -> object:
    """A list, or nothing where there stands only a link to it."""
    return value if isinstance(value, list) else ()


def _spelt(value: object) -> object:
    """A fee's net cost is spelt in two ways in one and the same example of theirs."""
    if isinstance(value, dict) and "cost_exc_tax" in value:
        return {"cost_ex_tax": value["cost_exc_tax"], **value}
    return value


def _respelt(value: object) -> object:
    return [_spelt(fee) for fee in value] if isinstance(value, list) else ()


Number = Annotated[Decimal, BeforeValidator(_no_float), Field(max_digits=24, decimal_places=12)]
Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=1_000_000)]
Id = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, lt=2**63)]
Text = Annotated[str, BeforeValidator(_text)]
When = Annotated[Moment, BeforeValidator(moment)]
NOTHING = Decimal(0)


class AppliedDiscount(Wire):
    id: Text = ""
    amount: Number
    name: Text = ""
    code: Text = ""
    target: Text = "order"


class Option(Wire):
    display_name: Text = ""
    display_name_merchant: Text = ""
    display_value: Text = ""
    display_value_merchant: Text = ""


class Line(Wire):
    """An order product. Totals are before discounts."""

    id: Id
    product_id: Id | None = None
    variant_id: Id | None = None
    order_address_id: Id | None = None
    order_pickup_method_id: Id | None = None
    name: Text = ""
    sku: Text = ""
    upc: Text = ""
    type: Text = "physical"
    price_ex_tax: Number
    price_inc_tax: Number
    total_ex_tax: Number
    total_inc_tax: Number
    total_tax: Number = NOTHING
    quantity: Count
    quantity_refunded: Count = 0
    quantity_shipped: Count = 0
    parent_order_product_id: Id | None = None
    applied_discounts: tuple[AppliedDiscount, ...] = ()
    product_options: tuple[Option, ...] = ()

    @property
    def is_goods(self) -> bool:
        return self.type not in ("digital", "giftcertificate")


Lines = Annotated[tuple[Line, ...], BeforeValidator(_told)]


class Address(Wire):
    """Of billing, and (with more) of a consignment; each part may be missing."""

    first_name: Text = ""
    last_name: Text = ""
    company: Text = ""
    street_1: Text = ""
    street_2: Text = ""
    city: Text = ""
    state: Text = ""
    zip: Text = ""
    country: Text = ""
    country_iso2: Text = ""
    phone: Text = ""
    email: Text = ""


class ShippingConsignment(Address):
    """What goes to one address. ``id`` is the order address's."""

    id: Id
    shipping_method: Text = ""
    cost_ex_tax: Number = NOTHING
    cost_inc_tax: Number = NOTHING
    cost_tax: Number = NOTHING
    line_items: Lines = ()


class PickupLocation(Wire):
    id: Id | None = None
    name: Text = ""


class PickupConsignment(Wire):
    id: Id
    pickup_method_id: Id | None = None
    pickup_method_display_name: Text = ""
    location: PickupLocation | None = None
    line_items: Lines = ()


class DigitalConsignment(Wire):
    line_items: Lines = ()


class EmailConsignment(Wire):
    gift_certificates: tuple[DigitalConsignment, ...] = ()


class Consignments(Wire):
    shipping: tuple[ShippingConsignment, ...] = ()
    pickups: tuple[PickupConsignment, ...] = ()
    downloads: tuple[DigitalConsignment, ...] = ()
    email: EmailConsignment = EmailConsignment()

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line that they hold once, in the order they were put in the basket."""
        places: tuple[Any, ...] = (*self.shipping, *self.pickups, *self.downloads, *self.email.gift_certificates)
        return tuple(sorted((line for place in places for line in place.line_items), key=lambda line: line.id))


class Fee(Wire):
    display_name_customer: Text = ""
    display_name_merchant: Text = ""
    cost_ex_tax: Number
    cost_inc_tax: Number
    cost_tax: Number = NOTHING


class Order(Wire):
    """The v2 order with ``include=consignments.line_items,fees``."""

    id: Id
    status_id: Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=14)]
    payment_status: Text = ""
    payment_method: Text = ""
    date_created: When
    date_modified: When
    customer_id: Id = 0
    default_currency_code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """What the shopper pays in, and every amount here is in."""
    currency_code: Text = ""
    """What prices were shown in."""
    is_tax_inclusive_pricing: bool
    total_ex_tax: Number
    total_inc_tax: Number
    total_tax: Number
    items_shipped: Count | None = None
    shipping_cost_ex_tax: Number = NOTHING
    shipping_cost_inc_tax: Number = NOTHING
    shipping_cost_tax: Number = NOTHING
    handling_cost_ex_tax: Number = NOTHING
    handling_cost_inc_tax: Number = NOTHING
    handling_cost_tax: Number = NOTHING
    wrapping_cost_ex_tax: Number = NOTHING
    wrapping_cost_inc_tax: Number = NOTHING
    wrapping_cost_tax: Number = NOTHING
    discount_amount: Number = NOTHING
    coupon_discount: Number = NOTHING
    store_credit_amount: Number = NOTHING
    gift_certificate_amount: Number = NOTHING
    order_source: Text = ""
    external_source: Text = ""
    channel_id: Id | None = None
    customer_message: Text = ""
    billing_address: Address | None = None
    consignments: Consignments
    fees: Annotated[tuple[Annotated[Fee, BeforeValidator(_spelt)], ...], BeforeValidator(_listed)] = ()


class Tax(Wire):
    """A row of ``/taxes?details=true``: one tax of one line, of shipping, handling or gift wrapping."""

    name: Text = ""
    rate: Number | None = None
    line_amount: Number
    line_item_type: Text = ""
    order_product_id: Annotated[str | int | None, BeforeValidator(_no_bool)] = None
    order_address_id: Id | None = None


class Coupon(Wire):
    code: Text = ""
    type: Id
    discount: Number


class Payment(Wire):
    id: Id | None = None
    provider_id: Text = ""
    amount: Number
    is_declined: bool = False


class Refund(Wire):
    id: Id
    created: When
    total_amount: Number
    payments: tuple[Payment, ...] = ()


class Variant(Wire):
    """A catalogue variant as it is now: its own SKU, which is not its product's."""

    sku: Text = ""
    upc: Text = ""


class Counting(Wire):
    """When orders of its channel move the store's numbers, as its settings said when it was fetched."""

    at_order: bool
    gives_back: bool


class Whole(Wire):
    """One order document."""

    unreadable: Text = ""
    """What kept the rest of it from being put together: then nothing of it counts."""
    order: Order
    products: tuple[Line, ...] | None = None
    """Every line, where those in the order were cut."""
    taxes: tuple[Tax, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    refunds: tuple[Refund, ...] = ()
    variants: dict[str, Variant] = {}
    counting: Counting | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line once, in the order they were put in the basket."""
        return self.order.consignments.lines if self.products is None else self.products


class ShippedPieces(Wire):
    order_product_id: Id
    quantity: Count


class Shipment(Wire):
    """What left for one address of an order (contracts/woo_bigcommerce_magento.md 2.6)."""

    id: Id
    date_created: When
    tracking_number: Text = ""
    shipping_provider: Text = ""
    tracking_carrier: Text = ""
    comments: Text = ""
    items: tuple[ShippedPieces, ...]


class Shipping(Wire):
    """One order, as far as it says what of it may be shipped."""

    id: Id
    status_id: Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=14)]
    payment_status: Text = ""
    is_deleted: bool = False
    date_modified: When
    consignments: Consignments


class Amendable(Wire):
    """One order, as far as it says what may be made of it. ``fees``: as they were sent, to be said again."""

    status_id: Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=14)]
    items_shipped: Count | None = None
    is_deleted: bool = False
    staff_notes: Text = ""
    fees: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_respelt)] = ()


class Payable(Wire):
    """One order, as far as it says what is to be paid of it."""

    payment_status: Text = ""
    payment_method: Text = ""
    default_currency_code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    total_inc_tax: Number
    store_credit_amount: Number = NOTHING
    gift_certificate_amount: Number = NOTHING

    @property
    def credits(self) -> Decimal:
        return self.store_credit_amount + self.gift_certificate_amount


class Transaction(Wire):
    """A row of ``/v3/orders/{id}/transactions``."""

    id: Id
    event: Text = ""
    status: Text = ""
    amount: Number
    currency: Text = ""


class Shipped(Wire):
    """An order and its shipments. ``products``: every line, where those in the order were cut."""

    order: Shipping
    products: tuple[Line, ...] | None = None
    shipments: tuple[Shipment, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.order.consignments.lines if self.products is None else self.products

    def addresses(self) -> dict[int, int]:
        """By line, the order address that a parcel of it goes to: neither of files and certificates, nor of what is
        fetched at a counter."""
        told = self.order.consignments.shipping
        known, inside = {one.id for one in told}, {line.id: one.id for one in told for line in one.line_items}
        found = {line.id: inside.get(line.id, line.order_address_id or 0) for line in self.lines if line.is_goods}
        return {line: address for line, address in found.items() if address in known}
