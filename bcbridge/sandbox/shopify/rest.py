"""Webhook bodies: REST-shaped, snake_case, numeric ids beside ``admin_graphql_api_id``
(contracts/shopify/payloads).

Refund lines carry their sums as JSON numbers, as the published samples do; everything else is a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from bcbridge.sandbox.shopify import totals
from bcbridge.sandbox.shopify.bag import JSON, currency_of, read, total
from bcbridge.sandbox.shopify.gid import number_of
from bcbridge.sandbox.shopping.stock import Move

HUMPS = re.compile(r"(?<!^)(?=[A-Z])")
KINDS = {
    "DiscountCodeApplication": "discount_code",
    "AutomaticDiscountApplication": "automatic",
    "ManualDiscountApplication": "manual",
    "ScriptDiscountApplication": "script",
}
FULFILLMENT = {"PARTIALLY_FULFILLED": "partial", "FULFILLED": "fulfilled", "RESTOCKED": "restocked"}


def bodies(topic: str, order: JSON) -> list[JSON]:
    """What a topic sends about an order as it is now: usually one body, one each for fulfilment orders."""
    return list(BODIES[topic](order)) if topic in BODIES else [order_body(order)]


def snake(name: str) -> str:
    return HUMPS.sub("_", name).lower()


def money(set_: JSON | None) -> JSON | None:
    """A ``MoneyBag`` as a price set."""
    return set_ and {snake(side): {snake(key): value for key, value in set_[side].items()} for side in set_}


def plain(set_: JSON | None) -> str | None:
    return None if set_ is None else str(set_["shopMoney"]["amount"])


def lower(value: str | None) -> str | None:
    return value and value.lower()


def identity(thing: JSON) -> JSON:
    return {"id": number_of(thing["id"]), "admin_graphql_api_id": thing["id"]}


def order_body(order: JSON) -> JSON:
    return {
        **identity(order),
        **header(order),
        **sums(order),
        "tax_lines": [tax_line(one) for one in order["taxLines"]],
        "discount_codes": [{"code": code, "amount": "0.00", "type": "percentage"} for code in order["discountCodes"]],
        "discount_applications": [application(one) for one in order["discountApplications"]],
        "billing_address": address(order["billingAddress"]),
        "shipping_address": address(order["shippingAddress"]),
        "customer": customer(order["customer"]),
        "line_items": [line_item(one) for one in order["lineItems"]],
        "shipping_lines": [shipping_line(one) for one in order["shippingLines"]],
        "refunds": [refund_body(order, one) for one in order["refunds"]],
        "fulfillments": [],
        "payment_terms": None,
    }


def header(order: JSON) -> JSON:
    copied = (
        "cancelledAt closedAt confirmationNumber confirmed createdAt dutiesIncluded email name note number"
        " paymentGatewayNames phone poNumber processedAt sourceIdentifier sourceName taxExempt taxesIncluded"
        " test updatedAt"
    )
    return {
        **{snake(name): order.get(name) for name in copied.split()},
        "app_id": number_of((order.get("app") or {"id": ""})["id"]),
        "cancel_reason": lower(order["cancelReason"]),
        "contact_email": order["email"],
        "currency": order["currencyCode"],
        "presentment_currency": order["presentmentCurrencyCode"],
        "financial_status": lower(order["displayFinancialStatus"]),
        "fulfillment_status": FULFILLMENT.get(order["displayFulfillmentStatus"]),
        "location_id": None,
        "note_attributes": properties(order["customAttributes"]),
        "order_number": order["number"],
        "tags": ", ".join(order["tags"]),
        "token": f"{number_of(order['id']):032x}",
        "user_id": None,
    }


def sums(order: JSON) -> JSON:
    both = (
        "currentSubtotalPrice currentTotalDiscounts currentTotalPrice currentTotalTax"
        " subtotalPrice totalDiscounts totalPrice totalTax"
    )
    sets = (
        "currentTotalAdditionalFeesSet currentTotalDutiesSet originalTotalAdditionalFeesSet originalTotalDutiesSet"
        " totalShippingPriceSet"
    )
    rounding = order["totalCashRoundingAdjustment"]
    goods = total(read(line["originalTotalSet"]) for line in order["lineItems"] if not totals.is_tip(line))
    goods_set = currency_of(order).money(goods)
    return {
        **{snake(name): plain(order[f"{name}Set"]) for name in both.split()},
        **{snake(name) + "_set": money(order[f"{name}Set"]) for name in both.split()},
        **{snake(name): money(order[name]) for name in sets.split()},
        "total_line_items_price": plain(goods_set),
        "total_line_items_price_set": money(goods_set),
        "total_outstanding": plain(order["totalOutstandingSet"]),
        "total_tip_received": plain(order["totalTipReceivedSet"]),
        "total_cash_rounding_payment_adjustment_set": money(rounding["paymentSet"]),
        "total_cash_rounding_refund_adjustment_set": money(rounding["refundSet"]),
        "total_weight": 0,
    }


def line_item(line: JSON) -> JSON:
    variant = line["variant"] or {"id": ""}
    copied = ("name", "currentQuantity", "quantity", "requiresShipping", "sku", "taxable", "title", "variantTitle")
    return {
        **identity(line),
        **{snake(name): line[name] for name in copied},
        "vendor": line["vendor"],
        "fulfillable_quantity": line["unfulfilledQuantity"],
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": line["isGiftCard"],
        "grams": 0,
        "price": plain(line["originalUnitPriceSet"]),
        "price_set": money(line["originalUnitPriceSet"]),
        "product_exists": line["product"] is not None,
        "product_id": number_of((line["product"] or {"id": ""})["id"]) or None,
        "variant_id": number_of(variant["id"]) or None,
        "properties": properties(line["customAttributes"]),
        "total_discount": plain(line["totalDiscountSet"]),
        "total_discount_set": money(line["totalDiscountSet"]),
        "variant_inventory_management": "shopify" if line["variant"] else None,
        "tax_lines": [tax_line(one) for one in line["taxLines"]],
        "duties": [{**identity(one), "price_set": money(one["price"])} for one in line["duties"]],
        "discount_allocations": [allocation(one) for one in line["discountAllocations"]],
    }


def shipping_line(line: JSON) -> JSON:
    return {
        "id": number_of(line["id"]),
        "code": line["code"],
        "title": line["title"],
        "source": line["source"],
        "is_removed": line["isRemoved"],
        "price": plain(line["originalPriceSet"]),
        "price_set": money(line["originalPriceSet"]),
        "discounted_price": plain(line["discountedPriceSet"]),
        "discounted_price_set": money(line["discountedPriceSet"]),
        "tax_lines": [tax_line(one) for one in line["taxLines"]],
        "discount_allocations": [allocation(one) for one in line["discountAllocations"]],
    }


def tax_line(tax: JSON) -> JSON:
    return {
        "title": tax["title"],
        "rate": tax["rate"],
        "price": plain(tax["priceSet"]),
        "price_set": money(tax["priceSet"]),
        "channel_liable": tax.get("channelLiable"),
    }


def allocation(one: JSON) -> JSON:
    return {
        "amount": plain(one["allocatedAmountSet"]),
        "amount_set": money(one["allocatedAmountSet"]),
        "discount_application_index": one["discountApplication"]["index"],
    }


def application(one: JSON) -> JSON:
    value = one["value"]
    percentage = value.get("percentage")
    names: tuple[str, ...] = ("code", "title", "description")
    return {
        **{key: one[key] for key in names if key in one},
        "type": KINDS[one["__typename"]],
        "value": value["amount"] if percentage is None else f"{percentage}",
        "value_type": "fixed_amount" if percentage is None else "percentage",
        **{snake(key): one[key].lower() for key in ("allocationMethod", "targetSelection", "targetType")},
    }


def properties(attributes: Iterable[JSON]) -> list[JSON]:
    return [{"name": one["key"], "value": one["value"]} for one in attributes]


def address(parts: JSON | None) -> JSON | None:
    if parts is None:
        return None
    copied = ("firstName", "lastName", "name", "company", "address1", "address2", "city", "zip", "province", "phone")
    return {
        **{snake(name): parts.get(name) for name in copied},
        "country": parts.get("country"),
        "country_code": parts.get("countryCodeV2"),
        "province_code": parts.get("provinceCode"),
    }


def customer(person: JSON | None) -> JSON | None:
    if person is None:
        return None
    return {
        **identity(person),
        "first_name": person.get("firstName"),
        "last_name": person.get("lastName"),
        "tags": ", ".join(person.get("tags", [])),
        "state": "disabled",
    }


# --- other topics


def transaction_body(order: JSON, one: JSON) -> JSON:
    return {
        **identity(one),
        "order_id": number_of(order["id"]),
        "kind": lower(one["kind"]),
        "status": lower(one["status"]),
        "gateway": one["gateway"],
        "amount": plain(one["amountSet"]),
        "currency": order["currencyCode"],
        "test": one["test"],
        "created_at": one["createdAt"],
        "processed_at": one["processedAt"],
        "parent_id": number_of((one["parentTransaction"] or {"id": ""})["id"]) or None,
        "payment_id": one["paymentId"],
        "message": None,
        "receipt": {},
    }


def refund_body(order: JSON, refund: JSON) -> JSON:
    paid_back = {one["id"] for one in refund["transactions"]}
    return {
        **identity(refund),
        "order_id": number_of(order["id"]),
        "created_at": refund["createdAt"],
        "processed_at": refund["processedAt"],
        "note": refund["note"],
        "user_id": None,
        "restock": True,
        "return": None,
        "refund_line_items": [refund_line(order, one) for one in refund["refundLineItems"]],
        "order_adjustments": [adjustment(order, refund, one) for one in refund["orderAdjustments"]],
        "transactions": [transaction_body(order, one) for one in order["transactions"] if one["id"] in paid_back],
        "duties": [],
    }


def refund_line(order: JSON, one: JSON) -> JSON:
    line = next(line for line in order["lineItems"] if line["id"] == one["lineItem"]["id"])
    return {
        "id": number_of(one["id"]),
        "line_item_id": number_of(line["id"]),
        "line_item": line_item(line),
        "quantity": one["quantity"],
        "restock_type": lower(one["restockType"]),
        "location_id": None,
        "subtotal": float(one["subtotalSet"]["shopMoney"]["amount"]),
        "subtotal_set": money(one["subtotalSet"]),
        "total_tax": float(one["totalTaxSet"]["shopMoney"]["amount"]),
        "total_tax_set": money(one["totalTaxSet"]),
    }


def adjustment(order: JSON, refund: JSON, one: JSON) -> JSON:
    return {
        "id": number_of(one["id"]),
        "order_id": number_of(order["id"]),
        "refund_id": number_of(refund["id"]),
        "kind": "refund_discrepancy",
        "reason": "Refund discrepancy",
        "amount": plain(one["amountSet"]),
        "amount_set": money(one["amountSet"]),
        "tax_amount_set": money(one["taxAmountSet"]),
    }


def edit_bodies(order: JSON) -> Iterable[JSON]:
    """Only ids and deltas: the order must be read again (NOTES 1.3)."""
    edits = [one for one in order["agreements"] if one["reason"] == "ORDER_EDIT"]
    for edit in edits[-1:]:
        removals = [
            {"id": number_of(sale["lineItem"]["id"]), "delta": -sale["quantity"]}
            for sale in edit["sales"]
            if "lineItem" in sale
        ]
        yield {
            "order_edit": {
                "id": number_of(edit["id"]),
                "order_id": number_of(order["id"]),
                "created_at": edit["happenedAt"],
                "notify_customer": False,
                "staff_note": "",
                "line_items": {"additions": [], "removals": removals},
                "discounts": {"line_item": {"additions": [], "removals": []}},
                "shipping_lines": {"additions": []},
            }
        }


def fulfilment_bodies(order: JSON) -> Iterable[JSON]:
    for one in order["fulfillmentOrders"]:
        yield {"fulfillment_order": {"id": one["id"], "status": one["status"].lower()}}


def level_body(move: Move, at: str) -> JSON:
    item, location = number_of(move.place.item), number_of(move.place.location)
    return {
        "inventory_item_id": item,
        "location_id": location,
        "available": move.after,
        "updated_at": at,
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}",
    }


def last_refund(order: JSON) -> Iterable[JSON]:
    return (refund_body(order, one) for one in order["refunds"][-1:])


def last_transaction(order: JSON) -> Iterable[JSON]:
    return (transaction_body(order, one) for one in order["transactions"][-1:])


def deleted(order: JSON) -> Iterable[JSON]:
    yield {"id": number_of(order["id"])}


BODIES: dict[str, Callable[[JSON], Iterable[JSON]]] = {
    "ORDERS_EDITED": edit_bodies,
    "ORDERS_DELETE": deleted,
    "REFUNDS_CREATE": last_refund,
    "ORDER_TRANSACTIONS_CREATE": last_transaction,
    "FULFILLMENT_ORDERS_PLACED_ON_HOLD": fulfilment_bodies,
    "FULFILLMENT_ORDERS_HOLD_RELEASED": fulfilment_bodies,
}


def earlier(body: JSON) -> JSON:
    """An order's body as it may have been a moment before: not yet paid, not yet touched."""
    if "created_at" not in body or "financial_status" not in body:
        return body
    older: dict[str, Any] = {"updated_at": body["created_at"], "financial_status": "pending", "tags": ""}
    return {**body, **older, "total_outstanding": body.get("total_price"), "cancelled_at": None, "cancel_reason": None}
