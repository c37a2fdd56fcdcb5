"""Orders in the form Shopify's GraphQL answers have, made by hand: the tests change what each is about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bcbridge.connectors.base import Document
from bcbridge.connectors.shopify import mapper
from bcbridge.connectors.shopify.settings import MoneySide
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import Order

Json = dict[str, Any]

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def bag(amount: str, presentment: str | None = None, *, currency: str = "USD", other: str | None = None) -> Json:
    """A MoneyBag; both sides alike unless the presentment side is given."""
    return {
        "shopMoney": {"amount": amount, "currencyCode": currency},
        "presentmentMoney": {"amount": presentment or amount, "currencyCode": other or currency},
    }


def tax(amount: str, title: str = "NJ State Tax", rate: str = "0.06625") -> Json:
    return {"title": title, "rate": rate, "priceSet": bag(amount)}


def code(amount: str, name: str = "WELCOME10") -> Json:
    application = {"__typename": "DiscountCodeApplication", "index": 0, "code": name}
    return {"allocatedAmountSet": bag(amount), "discountApplication": application}


def automatic(amount: str, title: str = "Bundle & Save") -> Json:
    application = {"__typename": "AutomaticDiscountApplication", "index": 1, "title": title}
    return {"allocatedAmountSet": bag(amount), "discountApplication": application}


def line(number: int = 1, **changes: Any) -> Json:
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "sku": "012345678905",
        "name": "Wrap Dress - Navy / S",
        "title": "Wrap Dress",
        "quantity": 1,
        "currentQuantity": 1,
        "requiresShipping": True,
        "isGiftCard": False,
        "variant": {"id": "gid://shopify/ProductVariant/7", "barcode": "012345678905"},
        "product": {"id": "gid://shopify/Product/70"},
        "originalUnitPriceSet": bag("100.0"),
        "discountAllocations": [],
        "taxLines": [],
        "customAttributes": [],
        "sellingPlan": None,
        **changes,
    }


def shipping_line(price: str = "5.0", **changes: Any) -> Json:
    return {
        "id": "gid://shopify/ShippingLine/1",
        "title": "Standard",
        "code": "standard",
        "isRemoved": False,
        "originalPriceSet": bag(price),
        "discountedPriceSet": bag(price),
        "currentDiscountedPriceSet": bag(price),
        "taxLines": [],
        "discountAllocations": [],
        **changes,
    }


NEW_JERSEY = {"name": "New Jersey DC", "location": {"id": "gid://shopify/Location/1", "name": "New Jersey DC"}}
CALIFORNIA = {"name": "California DC", "location": {"id": "gid://shopify/Location/2", "name": "California DC"}}


def fulfilment_order(pieces: dict[int, int], **changes: Any) -> Json:
    """``pieces``: line number to total quantity."""
    nodes = [
        {
            "id": f"gid://shopify/FulfillmentOrderLineItem/{number}",
            "totalQuantity": quantity,
            "remainingQuantity": quantity,
            "lineItem": {"id": f"gid://shopify/LineItem/{number}"},
        }
        for number, quantity in pieces.items()
    ]
    return {
        "id": "gid://shopify/FulfillmentOrder/1",
        "status": "OPEN",
        "fulfillAt": None,
        "updatedAt": "2026-11-20T12:00:00Z",
        "assignedLocation": NEW_JERSEY,
        "fulfillmentHolds": [],
        "lineItems": {"nodes": nodes},
        **changes,
    }


def transaction(amount: str, number: int = 1, **changes: Any) -> Json:
    return {
        "id": f"gid://shopify/OrderTransaction/{number}",
        "kind": "SALE",
        "status": "SUCCESS",
        "test": False,
        "gateway": "shopify_payments",
        "processedAt": "2026-11-20T12:00:00Z",
        "createdAt": "2026-11-20T12:00:00Z",
        "amountSet": bag(amount),
        **changes,
    }


def sale(kind: str, about: Json, total: str, tax_amount: str = "0.0", quantity: int | None = 1, **changes: Any) -> Json:
    return {
        "__typename": kind,
        "id": "gid://shopify/Sale/1",
        "actionType": "ORDER",
        "lineType": "PRODUCT",
        "quantity": quantity,
        "totalAmount": bag(total),
        "totalTaxAmount": bag(tax_amount),
        "taxes": [
            {"amount": bag(tax_amount), "taxLine": {"title": "NJ State Tax", "rate": "0.06625"}},
        ]
        if tax_amount != "0.0"
        else [],
        **about,
        **changes,
    }


def of_line(number: int) -> Json:
    return {"lineItem": {"id": f"gid://shopify/LineItem/{number}"}}


def agreements(*sales_of: list[Json]) -> Json:
    return {"nodes": [agreement(number, sales) for number, sales in enumerate(sales_of, 1)]}


def agreement(number: int, sales: list[Json]) -> Json:
    return {
        "__typename": "OrderAgreement",
        "id": f"gid://shopify/SalesAgreement/{number}",
        "reason": "ORDER",
        "sales": {"nodes": sales},
    }


ADDRESS: Json = {
    "name": "Ada Lovelace",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "company": None,
    "address1": "12 St James's Square",
    "address2": "",
    "city": "Hoboken",
    "province": "New Jersey",
    "provinceCode": "NJ",
    "zip": "07030",
    "countryCodeV2": "US",
    "phone": None,
}


def order(*lines: Json, **changes: Any) -> Json:
    """One line of 100.00, shipping of 5.00, paid by card; whatever is given replaces its part."""
    lines = lines or (line(),)
    pieces = {int(one["id"].rpartition("/")[2]): one["quantity"] for one in lines if one["requiresShipping"]}
    return {
        "id": "gid://shopify/Order/1001",
        "legacyResourceId": "1001",
        "name": "#1001",
        "sourceName": "web",
        "app": {"name": "Online Store"},
        "retailLocation": None,
        "createdAt": "2026-11-20T11:59:00Z",
        "processedAt": "2026-11-20T11:59:01Z",
        "updatedAt": "2026-11-20T12:00:00Z",
        "cancelledAt": None,
        "test": False,
        "edited": False,
        "displayFinancialStatus": "PAID",
        "currencyCode": "USD",
        "presentmentCurrencyCode": "USD",
        "taxesIncluded": False,
        "dutiesIncluded": False,
        "tags": [],
        "note": None,
        "email": "ada@example.com",
        "phone": "+15550100",
        "customAttributes": [],
        "paymentGatewayNames": ["shopify_payments"],
        "customer": {"id": "gid://shopify/Customer/5"},
        "billingAddress": ADDRESS,
        "shippingAddress": ADDRESS,
        "originalTotalPriceSet": bag("105.0"),
        "currentTotalPriceSet": bag("105.0"),
        "totalOutstandingSet": bag("0.0"),
        "totalRefundedSet": bag("0.0"),
        "totalTipReceivedSet": bag("0.0"),
        "totalCashRoundingAdjustment": {"paymentSet": bag("0.0"), "refundSet": bag("0.0")},
        "originalTotalDutiesSet": None,
        "originalTotalAdditionalFeesSet": None,
        "refunds": [],
        "transactions": [transaction("105.0")],
        "shippingLines": {"nodes": [shipping_line()]},
        "lineItems": {"nodes": list(lines)},
        "fulfillmentOrders": {"nodes": [fulfilment_order(pieces)]},
        **changes,
    }


def document(content: Json | bytes, ref: str = "gid://shopify/Order/1001") -> Document:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Document(Noun("orders"), Ref(ref), NOON, NOON, body)


def read(content: Json, *, side: MoneySide = MoneySide.SHOP) -> Order:
    return mapper.read(document(content, content["id"]), side=side)
