"""Webhooks as Shopify sends them: about 3 kB, signed over the raw bytes, each another delivery of another order."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
from collections.abc import Iterator

CHANNEL = "shopify_us"
SHOP_DOMAIN = "bench.myshopify.com"
SECRET = "the-secret-of-the-bench"

_LINES = [
    {
        "id": 14_000_000_000_000 + number,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{14_000_000_000_000 + number}",
        "sku": f"04012300{number:04d}",
        "title": "Wrap dress in washed linen",
        "variant_title": "Black / M",
        "quantity": 2,
        "price": "128.00",
        "taxable": True,
        "requires_shipping": True,
        "price_set": {
            "shop_money": {"amount": "128.00", "currency_code": "USD"},
            "presentment_money": {"amount": "128.00", "currency_code": "USD"},
        },
        "tax_lines": [{"title": "NJ State Tax", "rate": 0.06625, "price": "16.96"}],
    }
    for number in range(4)
]
_ADDRESS = {
    "name": "Jo Rivera",
    "address1": "12 Mill Lane",
    "city": "Hoboken",
    "province_code": "NJ",
    "zip": "07030",
    "country_code": "US",
}


def body(order: int) -> bytes:
    """One order in the REST shape."""
    return json.dumps(
        {
            "id": order,
            "admin_graphql_api_id": f"gid://shopify/Order/{order}",
            "name": f"#{order % 1_000_000}",
            "created_at": "2026-11-20T07:00:00-05:00",
            "updated_at": "2026-11-20T07:00:05-05:00",
            "currency": "USD",
            "financial_status": "paid",
            "total_price": "1045.12",
            "tags": "vip, first order",
            "line_items": _LINES,
            "shipping_lines": [{"title": "Standard", "price": "7.95", "code": "standard"}],
            "billing_address": _ADDRESS,
            "shipping_address": _ADDRESS,
        }
    ).encode()


def requests(first: int) -> Iterator[bytes]:
    """Whole HTTP requests, without end."""
    return (request(number) for number in itertools.count(first))


def request(order: int) -> bytes:
    content = body(order)
    signature = base64.b64encode(hmac.digest(SECRET.encode(), content, "sha256")).decode()
    head = (
        f"POST /hooks/{CHANNEL}/orders HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-Shopify-Topic: orders/paid\r\nX-Shopify-Shop-Domain: {SHOP_DOMAIN}\r\nX-Shopify-API-Version: 2026-10\r\n"
        f"X-Shopify-Webhook-Id: bench-{order}\r\nX-Shopify-Hmac-Sha256: {signature}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
