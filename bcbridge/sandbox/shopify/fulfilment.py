"""Fulfilment orders: which location ships what, and what holds it up (NOTES 1.7)."""

from __future__ import annotations

from collections.abc import Iterable

from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import next_id
from bcbridge.sandbox.shopping.cart import Cart

ACTIONS = {
    "OPEN": ("CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", "SPLIT"),
    "IN_PROGRESS": ("CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "SPLIT"),
    "ON_HOLD": ("RELEASE_HOLD", "HOLD", "MOVE"),
    "CANCELLED": (),
    "CLOSED": (),
}
HOLDS = {
    "AWAITING_PAYMENT": "Awaiting payment",
    "AWAITING_RETURN_ITEMS": "Awaiting return items",
    "HIGH_RISK_OF_FRAUD": "High risk of fraud",
    "INCORRECT_ADDRESS": "Incorrect address",
    "INVENTORY_OUT_OF_STOCK": "Inventory out of stock",
    "ONLINE_STORE_POST_PURCHASE_CROSS_SELL": "Upsell offer",
    "OTHER": "Other",
    "UNKNOWN_DELIVERY_DATE": "Unknown delivery date",
}


def route(order: JSON, cart: Cart, locations: list[JSON]) -> list[JSON]:
    """One fulfilment order per location; lines that nobody ships (gift cards, tips) are in none."""
    placed: dict[str, list[JSON]] = {}
    for line, wanted in shipped_lines(order, cart):
        placed.setdefault(location_name(wanted, cart, locations), []).append(line)
    by_name = {one["name"]: one for one in locations}
    return [fulfilment_order(order, lines, by_name.get(name), cart.hold) for name, lines in placed.items()]


def shipped_lines(order: JSON, cart: Cart) -> Iterable[tuple[JSON, str | None]]:
    pairs = zip(order["lineItems"], cart.lines, strict=False)
    return [(line, one.location) for line, one in pairs if line["requiresShipping"]]


def location_name(wanted: str | None, cart: Cart, locations: list[JSON]) -> str:
    """The line's own location, else the cart's, else the first; a cart's ``None`` is an order not yet routed."""
    if wanted is not None:
        return wanted
    if cart.location is None:
        return ""
    return cart.location or str(locations[0]["name"])


def fulfilment_order(order: JSON, lines: list[JSON], location: JSON | None, hold: str | None) -> JSON:
    made = {
        "id": next_id(order, "FulfillmentOrder"),
        "orderId": order["id"],
        "orderName": order["name"],
        "orderProcessedAt": order["processedAt"],
        "requestStatus": "UNSUBMITTED",
        "fulfillAt": order["createdAt"],
        "fulfillBy": None,
        "createdAt": order["createdAt"],
        "updatedAt": order["updatedAt"],
        "assignedLocation": assigned(location),
        "deliveryMethod": {"id": next_id(order, "DeliveryMethod"), "methodType": "SHIPPING"},
        "fulfillmentHolds": [],
        "lineItems": [fulfilment_line(order, line) for line in lines],
    }
    set_status(made, "OPEN")
    if hold is not None:
        add_hold(order, made, hold)
    return made


def assigned(location: JSON | None) -> JSON:
    if location is None:
        return {"name": "", "countryCode": "US", "location": None}
    return {
        "name": location["name"],
        "countryCode": "US",
        "location": {"id": location["id"], "name": location["name"], "isFulfillmentService": False},
    }


def fulfilment_line(order: JSON, line: JSON) -> JSON:
    variant = line["variant"] or {}
    return {
        "id": next_id(order, "FulfillmentOrderLineItem"),
        "inventoryItemId": (variant.get("inventoryItem") or {}).get("id"),
        "lineItem": {"id": line["id"], "sku": line["sku"]},
        "sku": line["sku"],
        "productTitle": line["title"],
        "variantTitle": line["variantTitle"],
        "requiresShipping": line["requiresShipping"],
        "totalQuantity": line["quantity"],
        "remainingQuantity": line["quantity"],
    }


def set_status(fulfilment_order_: JSON, status: str) -> None:
    fulfilment_order_["status"] = status
    fulfilment_order_["supportedActions"] = [{"action": one} for one in ACTIONS[status]]


def add_hold(order: JSON, fulfilment_order_: JSON, reason: str) -> None:
    fulfilment_order_["fulfillmentHolds"].append(
        {
            "id": next_id(order, "FulfillmentHold"),
            "reason": reason,
            "displayReason": HOLDS[reason],
            "reasonNotes": None,
            "handle": None,
            "heldByRequestingApp": False,
        }
    )
    set_status(fulfilment_order_, "ON_HOLD")


def release(fulfilment_order_: JSON) -> None:
    fulfilment_order_["fulfillmentHolds"] = []
    set_status(fulfilment_order_, "OPEN")


def follow(order: JSON) -> None:
    """Fulfilment lines follow the order's current quantities; what has shipped stays shipped, and what has nothing left
    is closed."""
    now = {line["id"]: line["currentQuantity"] for line in order["lineItems"]}
    for one in order["fulfillmentOrders"]:
        gone = 0
        for line in one["lineItems"]:
            shipped = line["totalQuantity"] - line["remainingQuantity"]
            line["totalQuantity"] = max(now[line["lineItem"]["id"]], shipped)
            line["remainingQuantity"] = line["totalQuantity"] - shipped
            gone += shipped
        if not any(line["remainingQuantity"] for line in one["lineItems"]) and one["status"] != "CANCELLED":
            one["fulfillmentHolds"] = []
            set_status(one, "CANCELLED" if order["cancelledAt"] and not gone else "CLOSED")
