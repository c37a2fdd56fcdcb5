"""BigCommerce's answers, made by hand in the shapes of its OpenAPI and the manner of its examples.

Amounts are text with four decimals in orders and lines, numbers in consignments. Each order's figures were worked out
by hand; what they must come to stands in the tests.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bcbridge.connectors.base import Document
from bcbridge.model.ids import Noun, Ref

Json = dict[str, Any]

HASH = "abc123"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CREATED, MODIFIED = "Fri, 20 Nov 2026 11:59:00 +0000", "Fri, 20 Nov 2026 12:00:00 +0000"


def money(amount: str) -> str:
    """``5.00`` as they write it: 5.0000."""
    whole, _, cents = amount.partition(".")
    return f"{whole}.{cents:0<4}"


def billing(**changes: Any) -> Json:
    return {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "company": "",
        "street_1": "12 St James's Square",
        "street_2": "",
        "city": "Hoboken",
        "state": "New Jersey",
        "zip": "07030",
        "country": "United States",
        "country_iso2": "US",
        "phone": "+15550100",
        "email": "ada@example.com",
        "form_fields": [],
        **changes,
    }


def line(
    number: int = 65,
    price: str = "100.00",
    *,
    total: str = "",
    tax: str = "0",
    with_tax: str = "",
    quantity: int = 1,
    **changes: Any,
) -> Json:
    """An order product. ``price`` and ``total`` without tax; ``with_tax``: the total with it."""
    total = total or price
    return {
        "id": number,
        "order_id": 218,
        "product_id": 7,
        "variant_id": 70 + number,
        "order_address_id": 51,
        "order_pickup_method_id": 0,
        "name": "Wrap Dress",
        "name_customer": "Wrap Dress",
        "name_merchant": "Wrap Dress",
        "sku": "012345678905",
        "upc": "",
        "type": "physical",
        "base_price": money(price),
        "price_ex_tax": money(price),
        "price_inc_tax": money(price),
        "price_tax": "0.0000",
        "base_total": money(total),
        "total_ex_tax": money(total),
        "total_inc_tax": money(with_tax or total),
        "total_tax": money(tax),
        "quantity": quantity,
        "is_refunded": False,
        "quantity_refunded": 0,
        "refund_amount": "0.0000",
        "quantity_shipped": 0,
        "parent_order_product_id": None,
        "is_bundled_product": False,
        "applied_discounts": [],
        "product_options": [],
        "configurable_fields": [],
        "gift_certificate_id": None,
        **changes,
    }


def discount(amount: str, code: str | None = "WELCOME10", *, target: str = "order", **changes: Any) -> Json:
    return {"id": "coupon", "amount": money(amount), "name": "Welcome", "code": code, "target": target, **changes}


def size(value: str = "S") -> Json:
    return {
        "id": 45,
        "option_id": 18,
        "order_product_id": 65,
        "product_option_id": 120,
        "display_name": "Size",
        "display_name_merchant": "Size",
        "display_value": value,
        "display_value_merchant": value,
        "value": "69",
        "type": "Multiple choice",
        "name": "Sizes",
        "display_style": "Rectangle",
    }


def parcel(*lines: Json, number: int = 51, cost: float | str = 5, tax: float = 0, **changes: Any) -> Json:
    """A shipping consignment; ``cost`` without tax."""
    net = float(cost)
    return {
        "id": number,
        **billing(),
        "line_items": list(lines),
        "items_total": sum(one["quantity"] for one in lines),
        "items_shipped": 0,
        "shipping_method": "Standard",
        "base_cost": net,
        "cost_ex_tax": net,
        "cost_inc_tax": round(net + tax, 4),
        "cost_tax": tax,
        "cost_tax_class_id": 2,
        "base_handling_cost": 0,
        "handling_cost_ex_tax": 0,
        "handling_cost_inc_tax": 0,
        "handling_cost_tax": 0,
        "handling_cost_tax_class_id": 2,
        "shipping_zone_id": 1,
        "shipping_zone_name": "United States",
        **changes,
    }


def consignments(*parcels: Json, **others: Any) -> Json:
    return {"pickups": [], "shipping": list(parcels), "downloads": [], "email": {"gift_certificates": []}, **others}


def order(*lines: Json, ex_tax: str = "105.00", tax: str = "0", inc_tax: str = "", **changes: Any) -> Json:
    """A paid order awaiting fulfilment, net of tax, with shipping for 5.00."""
    lines = lines or (line(),)
    made = {
        "id": 218,
        "customer_id": 5,
        "date_created": CREATED,
        "date_modified": MODIFIED,
        "date_shipped": "",
        "status_id": 11,
        "status": "Awaiting Fulfillment",
        "subtotal_ex_tax": "100.0000",
        "subtotal_inc_tax": "100.0000",
        "subtotal_tax": "0.0000",
        "base_shipping_cost": "5.0000",
        "shipping_cost_ex_tax": "5.0000",
        "shipping_cost_inc_tax": "5.0000",
        "shipping_cost_tax": "0.0000",
        "handling_cost_ex_tax": "0.0000",
        "handling_cost_inc_tax": "0.0000",
        "handling_cost_tax": "0.0000",
        "wrapping_cost_ex_tax": "0.0000",
        "wrapping_cost_inc_tax": "0.0000",
        "wrapping_cost_tax": "0.0000",
        "total_ex_tax": money(ex_tax),
        "total_inc_tax": money(inc_tax or ex_tax),
        "total_tax": money(tax),
        "is_tax_inclusive_pricing": False,
        "items_total": sum(one["quantity"] for one in lines),
        "items_shipped": 0,
        "payment_method": "Credit Card",
        "payment_provider_id": "",
        "payment_status": "captured",
        "refunded_amount": "0.0000",
        "order_is_digital": False,
        "store_credit_amount": "0.0000",
        "gift_certificate_amount": "0.0000",
        "currency_id": 1,
        "currency_code": "USD",
        "currency_exchange_rate": "1.0000000000",
        "default_currency_id": 1,
        "default_currency_code": "USD",
        "staff_notes": "a difficult customer",
        "customer_message": "",
        "discount_amount": "0.0000",
        "coupon_discount": "0.0000",
        "shipping_address_count": 1,
        "is_deleted": False,
        "billing_address": billing(),
        "order_source": "www",
        "channel_id": 1,
        "external_source": None,
        "tax_provider_id": "BasicTaxProvider",
        "consignments": consignments(parcel(*lines)),
        "fees": [],
    }
    return {**made, **changes}


def tax_row(amount: str, product: int | None = 65, kind: str = "item", **changes: Any) -> Json:
    """A row of ``/taxes?details=true``."""
    return {
        "id": 13,
        "order_id": 218,
        "order_address_id": 51,
        "tax_rate_id": 1,
        "sales_tax_id": "TaxId123",
        "tax_class_id": 0,
        "name": "NJ State Tax",
        "class": "Default Tax Class",
        "rate": "6.6250",
        "priority": 0,
        "priority_amount": money(amount),
        "line_amount": money(amount),
        "order_pickup_method_id": 0,
        **({} if product is None else {"order_product_id": str(product)}),
        "line_item_type": kind,
        **changes,
    }


def coupon(code: str, off: float, kind: int) -> Json:
    return {"id": 3, "coupon_id": 1, "order_id": 218, "code": code, "amount": "5", "type": kind, "discount": off}


def refund(number: int, amount: float, *payments: Json, **changes: Any) -> Json:
    return {
        "id": number,
        "order_id": 218,
        "user_id": 1,
        "created": "2026-11-21T09:00:00+00:00",
        "reason": "",
        "total_amount": amount,
        "total_tax": 0,
        "uses_merchant_override_values": False,
        "items": [{"item_type": "PRODUCT", "item_id": 65, "quantity": 1, "requested_amount": amount}],
        "payments": list(payments) or [payment(amount)],
        **changes,
    }


def payment(amount: float, provider: str = "authorizenet", **changes: Any) -> Json:
    return {
        "id": 1,
        "provider_id": provider,
        "amount": amount,
        "offline": False,
        "is_declined": False,
        "declined_message": "",
        **changes,
    }


def whole(order: Json, **more: Any) -> bytes:
    """A document as the room puts it together; numbers with a fraction as text."""
    return json.dumps(json.loads(json.dumps({"order": order, **more}), parse_float=str)).encode()


def document(order: Json, *, ref: str = "218", **more: Any) -> Document:
    return Document(Noun("orders"), Ref(ref), NOON, NOON, whole(order, **more))
