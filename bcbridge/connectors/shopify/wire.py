"""Shopify's shapes: an order document as ``orders.py`` puts it together from their answers. Their field names.

Extra fields are ignored; what is named here must be there. Amounts arrive as strings and never pass a float
(contracts/shopify/NOTES.md 1.6).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bcbridge.model.record import Moment


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


def _no_float(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("a number with a fraction must arrive as text")
    return value


Number = Annotated[Decimal, BeforeValidator(_no_float)]
Gid = Annotated[str, Field(pattern=r"^gid://shopify/\w+/")]

T = TypeVar("T")


class Nodes(Wire, Generic[T]):
    nodes: tuple[T, ...]


class MoneyV2(Wire):
    amount: Number
    currency_code: str


class MoneyBag(Wire):
    shop_money: MoneyV2
    presentment_money: MoneyV2


class TaxLine(Wire):
    title: str
    rate: Number | None = None
    price_set: MoneyBag


class DiscountApplication(Wire):
    typename: str = Field(alias="__typename")
    code: str | None = None
    title: str | None = None


class DiscountAllocation(Wire):
    allocated_amount_set: MoneyBag
    discount_application: DiscountApplication


class Attribute(Wire):
    key: str
    value: str | None = None


class Node(Wire):
    id: Gid


class Variant(Node):
    barcode: str | None = None


class Metafield(Wire):
    value: str


class Product(Node):
    metafield: Metafield | None = None
    """``supercycle.supercycle_enabled``, where it was asked for."""


class SellingPlan(Wire):
    name: str
    selling_plan_id: str | None = None


class Duty(Node):
    price: MoneyBag
    tax_lines: tuple[TaxLine, ...] = ()


class AdditionalFee(Node):
    name: str
    price: MoneyBag
    tax_lines: tuple[TaxLine, ...] = ()


class LineItem(Node):
    sku: str | None = None
    name: str
    title: str
    quantity: Annotated[int, Field(ge=0)]
    current_quantity: Annotated[int, Field(ge=0)]
    requires_shipping: bool
    is_gift_card: bool
    variant: Variant | None = None
    product: Product | None = None
    original_unit_price_set: MoneyBag
    discount_allocations: tuple[DiscountAllocation, ...]
    tax_lines: tuple[TaxLine, ...]
    duties: tuple[Duty, ...] = ()
    custom_attributes: tuple[Attribute, ...]
    selling_plan: SellingPlan | None = None


class ShippingLine(Wire):
    id: Gid | None = None
    title: str
    code: str | None = None
    is_removed: bool
    original_price_set: MoneyBag
    discounted_price_set: MoneyBag
    current_discounted_price_set: MoneyBag
    tax_lines: tuple[TaxLine, ...]
    discount_allocations: tuple[DiscountAllocation, ...]


class Location(Node):
    name: str


class AssignedLocation(Wire):
    name: str
    location: Location | None = None


class FulfillmentHold(Wire):
    reason: str
    reason_notes: str | None = None


class FulfillmentOrderLineItem(Node):
    total_quantity: int
    remaining_quantity: int
    line_item: Node


class FulfillmentOrder(Node):
    status: str
    fulfill_at: Moment | None = None
    updated_at: Moment
    assigned_location: AssignedLocation
    fulfillment_holds: tuple[FulfillmentHold, ...]
    line_items: Nodes[FulfillmentOrderLineItem]


class Transaction(Node):
    kind: str
    status: str
    test: bool
    gateway: str | None = None
    processed_at: Moment | None = None
    created_at: Moment
    amount_set: MoneyBag


class SaleTaxLine(Wire):
    title: str
    rate: Number | None = None


class SaleTax(Wire):
    amount: MoneyBag
    tax_line: SaleTaxLine


class Sale(Wire):
    """One entry of the ledger; at most one of the five things it can be about is set."""

    typename: str = Field(alias="__typename")
    action_type: str
    quantity: int | None = None
    total_amount: MoneyBag
    total_tax_amount: MoneyBag
    taxes: tuple[SaleTax, ...] = ()
    line_item: Node | None = None
    shipping_line: Node | None = None
    duty: Node | None = None
    additional_fee: Node | None = None


class Agreement(Node):
    reason: str
    sales: Nodes[Sale]


class MailingAddress(Wire):
    """Every part may be null: level-2 customer data can be withheld (NOTES.md 1.2)."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code_v2: str | None = Field(default=None, alias="countryCodeV2")
    phone: str | None = None


class CashRounding(Wire):
    payment_set: MoneyBag
    refund_set: MoneyBag


class App(Wire):
    name: str


class Order(Node):
    legacy_resource_id: Annotated[str, Field(pattern=r"^\d+$")]
    name: str
    source_name: str | None = None
    app: App | None = None
    retail_location: Location | None = None
    created_at: Moment
    processed_at: Moment
    updated_at: Moment
    cancelled_at: Moment | None = None
    test: bool
    edited: bool
    display_financial_status: str | None = None
    currency_code: str
    presentment_currency_code: str
    taxes_included: bool
    tags: tuple[str, ...]
    note: str | None = None
    email: str | None = None
    phone: str | None = None
    custom_attributes: tuple[Attribute, ...]
    payment_gateway_names: tuple[str, ...]
    customer: Node | None = None
    billing_address: MailingAddress | None = None
    shipping_address: MailingAddress | None = None
    original_total_price_set: MoneyBag
    current_total_price_set: MoneyBag
    total_outstanding_set: MoneyBag
    total_refunded_set: MoneyBag
    total_tip_received_set: MoneyBag
    total_cash_rounding_adjustment: CashRounding
    transactions: tuple[Transaction, ...]
    shipping_lines: Nodes[ShippingLine]
    line_items: Nodes[LineItem]
    fulfillment_orders: Nodes[FulfillmentOrder]
    additional_fees: tuple[AdditionalFee, ...] = ()
    agreements: Nodes[Agreement] | None = None
    """The sales ledger, where something was reduced, edited, refunded or tipped; else it was not asked for."""
