"""Orders in the form WooCommerce answers them, made by hand: the tests change what each is about.

Amounts are written with six decimals where a test is about parts of a cent, else as a shop writes them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bcbridge.connectors.base import Document
from bcbridge.connectors.woocommerce import WooCommerceSettings, mapper
from bcbridge.connectors.woocommerce.answers import json_of
from bcbridge.connectors.woocommerce.orders import ORDERS
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order
from tests.conftest import contract_path

Json = dict[str, Any]

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SETTINGS: Json = {
    "url": "https://shop.example.com",
    "code": "WC",
    "consumer_key": "env:KEY",
    "consumer_secret": "env:SECRET",
}


def meta(key: str, value: object, number: int = 1) -> Json:
    return {"id": number, "key": key, "value": value, "display_key": key, "display_value": value}


def tax(amount: str, rate: int = 1) -> Json:
    return {"id": rate, "total": amount, "subtotal": amount}


def line(number: int = 1, **changes: Any) -> Json:
    total = changes.get("total", changes.get("subtotal", "100.00"))
    return {
        "id": number,
        "name": "Wrap Dress - Navy, S",
        "product_id": 70,
        "variation_id": 7,
        "quantity": 1,
        "tax_class": "",
        "subtotal": total,
        "subtotal_tax": "0.00",
        "total": total,
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [],
        "sku": "012345678905",
        "global_unique_id": "",
        "price": 100.000001,
        "image": {"id": 0, "src": ""},
        "parent_name": "Wrap Dress",
        **changes,
    }


def shipping(number: int = 91, total: str = "5.00", **changes: Any) -> Json:
    return {
        "id": number,
        "method_title": "Standard",
        "method_id": "flat_rate",
        "instance_id": "1",
        "total": total,
        "total_tax": "0.00",
        "taxes": [],
        "tax_status": "taxable",
        "meta_data": [],
        **changes,
    }


def fee(number: int = 95, name: str = "Gift wrap", total: str = "2.00", **changes: Any) -> Json:
    return {
        "id": number,
        "name": name,
        "tax_class": "",
        "tax_status": "taxable",
        "amount": "",
        "total": total,
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [],
        **changes,
    }


def coupon(code: str, discount: str, number: int = 98, **changes: Any) -> Json:
    """``discount`` is not written to the cent over there."""
    return {
        "id": number,
        "code": code,
        "discount": discount,
        "discount_tax": "0",
        "meta_data": [],
        "discount_type": "percent",
        "nominal_amount": 10,
        "free_shipping": False,
        **changes,
    }


def rate(number: int = 1, label: str = "VAT", percent: float = 20, **changes: Any) -> Json:
    return {
        "id": 100 + number,
        "rate_code": f"GB-{label}-{number}",
        "rate_id": number,
        "label": label,
        "compound": False,
        "tax_total": "0.00",
        "shipping_tax_total": "0.00",
        "rate_percent": percent,
        "meta_data": [],
        **changes,
    }


def refund(number: int, amount: str, *lines: Json, **changes: Any) -> Json:
    return {
        "id": number,
        "date_created": "2026-11-20T07:10:00",
        "date_created_gmt": "2026-11-20T12:10:00",
        "amount": amount,
        "reason": "Too small",
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": list(lines),
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
        **changes,
    }


def given_back(of: int, pieces: int, total: str, number: int = 500, **changes: Any) -> Json:
    """A refund's line: below zero, and which line of the order it is of."""
    return line(
        number,
        quantity=-pieces,
        subtotal=f"-{total}",
        total=f"-{total}",
        meta_data=[meta("_refunded_item_id", str(of))],
        **changes,
    )


def named(refunds: list[Json]) -> list[Json]:
    """As the order itself names its refunds."""
    return [{"id": one["id"], "reason": one["reason"], "total": f"-{one['amount']}"} for one in refunds]


ADDRESS: Json = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "",
    "address_1": "12 St James's Square",
    "address_2": "",
    "city": "Hoboken",
    "state": "NJ",
    "postcode": "07030",
    "country": "US",
    "phone": "",
}


def order(*lines: Json, **changes: Any) -> Json:
    return {
        "id": 1001,
        "parent_id": 0,
        "status": "processing",
        "currency": "USD",
        "version": "10.5.2",
        "prices_include_tax": False,
        "date_created": "2026-11-20T06:59:00",
        "date_modified": "2026-11-20T07:00:00",
        "discount_total": "0.00",
        "discount_tax": "0.00",
        "shipping_total": "5.00",
        "shipping_tax": "0.00",
        "cart_tax": "0.00",
        "total": "105.00",
        "total_tax": "0.00",
        "customer_id": 5,
        "order_key": "wc_order_nGx5obQu8J1GI",
        "billing": {**ADDRESS, "email": "ada@example.com", "phone": "+15550100"},
        "shipping": dict(ADDRESS),
        "payment_method": "stripe",
        "payment_method_title": "Card",
        "transaction_id": "pi_1",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": "checkout",
        "customer_note": "",
        "date_completed": None,
        "date_paid": "2026-11-20T06:59:30",
        "cart_hash": "",
        "number": "N-77",
        "meta_data": [],
        "line_items": list(lines) or [line()],
        "tax_lines": [],
        "shipping_lines": [shipping()],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
        "payment_url": "https://shop.example.com/checkout/order-pay/1001/?pay_for_order=true&key=k",
        "is_editable": False,
        "needs_payment": False,
        "needs_processing": True,
        "date_created_gmt": "2026-11-20T11:59:00",
        "date_modified_gmt": "2026-11-20T12:00:00",
        "date_completed_gmt": None,
        "date_paid_gmt": "2026-11-20T11:59:30",
        "currency_symbol": "$",
        "_links": {"self": []},
        **changes,
    }


def document(order: Json, refunds: list[Json] | None = None) -> Document:
    """What the room keeps of it."""
    whole = {"order": order | ({"refunds": named(refunds)} if refunds else {}), "refunds": refunds or []}
    body = json.dumps(json_of(json.dumps(whole).encode())).encode()
    return Document(ORDERS, Ref(str(order["id"])), NOON, NOON, body)


def read(order: Json, refunds: list[Json] | None = None, **settings: Any) -> Order:
    return mapper.read(document(order, refunds), WooCommerceSettings.model_validate({**SETTINGS, **settings}))


def recorded(*path: str) -> Any:
    """The body a real shop answered."""
    return json.loads(contract_path("woocommerce", "recorded", *path).read_bytes())["response"]["body"]
