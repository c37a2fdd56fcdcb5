"""Shopify's documented order, transcribed from its REST form to the form our GraphQL documents get it in.

The published example (contracts/shopify/payloads/rest_resources_2026-07/order.json) is a case of shape, not of money:
its numbers do not add up (payloads/README.md). Whoever reads it gets a record; whoever books it must refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from bcbridge.connectors.base import Document
from tests.conftest import contract_path
from tests.connectors.shopify.answers import NOON, Json, agreements, document, sale

SAMPLE = ("shopify", "payloads", "rest_resources_2026-07", "order.json")
REF = "gid://shopify/Order/450789469"


def documented_order() -> Document:
    """As ``Orders.fetch`` would bring it. Skips where the contracts are not beside this project."""
    return document(transcribed(rest_order()), REF)


def rest_order() -> Json:
    content: Json = json.loads(contract_path(*SAMPLE).read_text(encoding="utf-8"), parse_float=str)["order"]
    return content


def transcribed(rest: Json) -> Json:
    """Field by field; what REST does not say in GraphQL's way is derived as noted."""
    transactions = [one for refund in rest["refunds"] for one in refund["transactions"]]
    money = transactions_of(rest, transactions)
    return {
        "id": rest["admin_graphql_api_id"],
        "legacyResourceId": str(rest["id"]),
        "name": rest["name"],
        "sourceName": rest["source_name"],
        "app": None,
        "retailLocation": None,
        "createdAt": rest["created_at"],
        "processedAt": rest["processed_at"],
        "updatedAt": rest["updated_at"],
        "cancelledAt": rest["cancelled_at"],
        "test": rest["test"],
        "edited": False,
        "displayFinancialStatus": rest["financial_status"].upper(),
        "currencyCode": rest["currency"],
        "presentmentCurrencyCode": rest["presentment_currency"],
        "taxesIncluded": rest["taxes_included"],
        "dutiesIncluded": rest["duties_included"],
        "tags": [tag for tag in rest["tags"].split(", ") if tag],
        "note": rest["note"],
        "email": rest["email"],
        "phone": rest["phone"],
        "customAttributes": attributes(rest["note_attributes"]),
        "paymentGatewayNames": rest["payment_gateway_names"],
        "customer": {"id": rest["customer"]["admin_graphql_api_id"]},
        "billingAddress": place(rest["billing_address"]),
        "shippingAddress": place(rest["shipping_address"]),
        "originalTotalPriceSet": bag(rest["total_price_set"]),
        "currentTotalPriceSet": bag(rest["current_total_price_set"]),
        "totalOutstandingSet": plain(rest["total_outstanding"], rest["currency"]),
        "totalRefundedSet": plain(transactions[0]["amount"], rest["currency"]),
        "totalTipReceivedSet": plain(rest["total_tip_received"], rest["currency"]),
        "totalCashRoundingAdjustment": {
            "paymentSet": bag(rest["total_cash_rounding_payment_adjustment_set"]),
            "refundSet": bag(rest["total_cash_rounding_refund_adjustment_set"]),
        },
        "originalTotalDutiesSet": None,
        "originalTotalAdditionalFeesSet": None,
        "refunds": [{"id": refund["admin_graphql_api_id"]} for refund in rest["refunds"]],
        "transactions": money,
        "shippingLines": {"nodes": [shipping(one) for one in rest["shipping_lines"]]},
        "lineItems": {"nodes": [line(one, rest) for one in rest["line_items"]]},
        "fulfillmentOrders": {"nodes": [fulfilment_order(rest["line_items"])]},
        "agreements": ledger(rest),
    }


def transactions_of(rest: Json, refunds: Iterable[Json]) -> list[Json]:
    """REST lists only the refund's; the sale it points at (``parent_id``) took the whole price."""
    parent = {
        "id": "gid://shopify/OrderTransaction/801038806",
        "kind": "SALE",
        "status": "SUCCESS",
        "test": False,
        "gateway": "bogus",
        "processedAt": rest["processed_at"],
        "createdAt": rest["created_at"],
        "amountSet": bag(rest["total_price_set"]),
    }
    return [parent, *(transaction(one) for one in refunds)]


def transaction(one: Json) -> Json:
    return {
        "id": one["admin_graphql_api_id"],
        "kind": one["kind"].upper(),
        "status": one["status"].upper(),
        "test": one["test"],
        "gateway": one["gateway"],
        "processedAt": one["processed_at"],
        "createdAt": one["created_at"],
        "amountSet": plain(one["amount"], one["currency"]),
    }


def line(one: Json, rest: Json) -> Json:
    return {
        "id": one["admin_graphql_api_id"],
        "sku": one["sku"],
        "name": one["name"],
        "title": one["title"],
        "quantity": one["quantity"],
        "currentQuantity": one["current_quantity"],
        "requiresShipping": one["requires_shipping"],
        "isGiftCard": one["gift_card"],
        "variant": {"id": f"gid://shopify/ProductVariant/{one['variant_id']}", "barcode": None},
        "product": {"id": f"gid://shopify/Product/{one['product_id']}"},
        "originalUnitPriceSet": bag(one["price_set"]),
        "discountAllocations": [allocation(given, rest) for given in one["discount_allocations"]],
        "taxLines": [tax(given) for given in one["tax_lines"]],
        "customAttributes": attributes(one["properties"]),
        "sellingPlan": None,
    }


def allocation(given: Json, rest: Json) -> Json:
    index = given["discount_application_index"]
    name = rest["discount_applications"][index]["code"]
    application = {"__typename": "DiscountCodeApplication", "index": index, "code": name}
    return {"allocatedAmountSet": bag(given["amount_set"]), "discountApplication": application}


def tax(given: Json) -> Json:
    return {"title": given["title"], "rate": given["rate"], "priceSet": bag(given["price_set"])}


def shipping(one: Json) -> Json:
    return {
        "id": f"gid://shopify/ShippingLine/{one['id']}",
        "title": one["title"],
        "code": one["code"],
        "isRemoved": one["is_removed"],
        "originalPriceSet": bag(one["price_set"]),
        "discountedPriceSet": bag(one["discounted_price_set"]),
        "currentDiscountedPriceSet": bag(one["discounted_price_set"]),
        "taxLines": [tax(given) for given in one["tax_lines"]],
        "discountAllocations": [],
    }


def fulfilment_order(lines: Iterable[Json]) -> Json:
    """The documented fulfilment order of this order (fulfillment_orders.json) names the one line that is left."""
    left = [one for one in lines if one["current_quantity"]]
    return {
        "id": "gid://shopify/FulfillmentOrder/1046000782",
        "status": "OPEN",
        "fulfillAt": None,
        "updatedAt": "2008-01-10T11:00:00-05:00",
        "assignedLocation": {
            "name": "Apple Api Shipwire",
            "location": {"id": "gid://shopify/Location/24826418", "name": "Apple Api Shipwire"},
        },
        "fulfillmentHolds": [],
        "lineItems": {
            "nodes": [
                {
                    "id": "gid://shopify/FulfillmentOrderLineItem/1072503279",
                    "totalQuantity": one["current_quantity"],
                    "remainingQuantity": one["fulfillable_quantity"],
                    "lineItem": {"id": one["admin_graphql_api_id"]},
                }
                for one in left
            ]
        },
    }


def ledger(rest: Json) -> Json:
    """One agreement for the order, one for its refund, as the sample's lines would have written them."""
    sold = [
        sale("ProductSale", {"lineItem": {"id": one["admin_graphql_api_id"]}}, "199.64", "3.98")
        for one in rest["line_items"]
    ]
    returned = [
        sale("ProductSale", {"lineItem": {"id": one["line_item"]["admin_graphql_api_id"]}}, "-199.64", "-3.98", -1)
        for refund in rest["refunds"]
        for one in refund["refund_line_items"]
    ]
    return agreements(sold, returned)


def bag(money_set: Json) -> Json:
    return {
        "shopMoney": money(money_set["shop_money"]),
        "presentmentMoney": money(money_set["presentment_money"]),
    }


def money(given: Json) -> Json:
    return {"amount": given["amount"], "currencyCode": given["currency_code"]}


def plain(amount: Any, currency: str) -> Json:
    both = {"amount": amount, "currencyCode": currency}
    return {"shopMoney": both, "presentmentMoney": both}


def attributes(given: Iterable[Json]) -> list[Json]:
    return [{"key": one["name"], "value": one["value"]} for one in given]


def place(given: Json) -> Json:
    return {
        "name": given["name"],
        "firstName": given["first_name"],
        "lastName": given["last_name"],
        "company": given["company"],
        "address1": given["address1"],
        "address2": given["address2"],
        "city": given["city"],
        "province": given["province"],
        "provinceCode": given["province_code"],
        "zip": given["zip"],
        "countryCodeV2": given["country_code"],
        "phone": given["phone"],
    }


__all__ = ["NOON", "REF", "documented_order", "rest_order", "transcribed"]
