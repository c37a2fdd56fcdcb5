"""What is shipped: ``fulfillmentCreate`` and its kin (NOTES 1.7; schema 2026-10). Not idempotent: said twice, done
twice if there are pieces left.

One fulfilment is of one order and of one location; it takes pieces of fulfilment orders that may be fulfilled. Pieces
that are left stay with their fulfilment order, which is IN_PROGRESS then, and CLOSED when none is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bcbridge.sandbox.shopify import fulfilment, totals
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import next_id, number_of
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.parts import Info, Part, Resolver, need, node_of

WRITES = ("fulfillmentCreate", "fulfillmentTrackingInfoUpdate", "fulfillmentCancel")
SCOPE = "write_merchant_managed_fulfillment_orders"
MOST_LINES = 512
LINKS = {
    "UPS": "https://www.ups.com/WebTracking?loc=en_US&requester=ST&trackNums={}",
    "FedEx": "https://www.fedex.com/fedextrack/?trknbr={}",
    "USPS": "https://tools.usps.com/go/TrackConfirmAction.action?tLabels={}",
    "DHL Express": "https://www.dhl.com/en/express/tracking.html?AWB={}",
}
"""Carriers that the shop knows by name: it makes their links itself."""


class No(Exception):
    """Why it cannot be fulfilled, and the field that says so."""

    def __init__(self, message: str, *field: str) -> None:
        super().__init__(message)
        self.field = list(field)


Pieces = list[tuple[JSON, JSON, int]]
"""Fulfilment order, its line, how many of it."""


def create(_: Any, info: Info, fulfillment: JSON, message: str | None = None) -> Part:
    need(info.context, info.field_name, SCOPE)
    try:
        order, pieces = wanted(info, fulfillment)
    except No as no:
        return refused(no)
    at = Moment(info.context.now).stamp
    made = shipped(order, pieces, fulfillment, at)
    info.context.changed.append(order)
    return Part(order, {"fulfillment": made, "userErrors": []})


def wanted(info: Info, asked: JSON) -> tuple[JSON, Pieces]:
    """The order, and the pieces of it. Raises No."""
    groups = asked["lineItemsByFulfillmentOrder"]
    if not groups:
        raise No("Line items by fulfillment order can't be blank", "fulfillment", "lineItemsByFulfillmentOrder")
    found = [the_fulfilment_order(info, one["fulfillmentOrderId"]) for one in groups]
    order = found[0].order
    if any(one.order["id"] != order["id"] for one in found):
        raise No("All fulfillment orders must belong to the same order.", "fulfillment")
    own = {one["id"]: one for one in order["fulfillmentOrders"]}
    theirs = [own[one.data["id"]] for one in found]
    if len({place_of(one) for one in theirs}) > 1:
        raise No("All fulfillment orders must be assigned to a single location.", "fulfillment")
    pieces = [piece for one, group in zip(theirs, groups, strict=True) for piece in pieces_of(one, group)]
    if not 0 < len(pieces) <= MOST_LINES:
        raise No("Fulfillment must have at least one line item.", "fulfillment")
    return order, pieces


def the_fulfilment_order(info: Info, identifier: str) -> Part:
    found = node_of(info.context, identifier, "FulfillmentOrder")
    if found is None:
        raise No("Fulfillment order does not exist.", "fulfillment")
    actions = {one["action"] for one in found.data["supportedActions"]}
    if "CREATE_FULFILLMENT" not in actions:
        status = found.data["status"].lower()
        raise No(f"Fulfillment order {number_of(identifier)} has an unfulfillable status= {status}.", "fulfillment")
    return found


def place_of(fulfilment_order: JSON) -> str:
    return str((fulfilment_order["assignedLocation"]["location"] or {"id": ""})["id"])


def pieces_of(fulfilment_order: JSON, group: JSON) -> Iterator[tuple[JSON, JSON, int]]:
    """Those it names; every one that is left, where it names none."""
    lines = {one["id"]: one for one in fulfilment_order["lineItems"]}
    named = group.get("fulfillmentOrderLineItems")
    if not named:
        left = [one for one in lines.values() if one["remainingQuantity"]]
        yield from ((fulfilment_order, one, one["remainingQuantity"]) for one in left)
        return
    for one in named:
        line = lines.get(one["id"])
        if line is None:
            raise No("Fulfillment order line item does not exist.", "fulfillment")
        if not 0 < one["quantity"] <= line["remainingQuantity"]:
            raise No("Invalid fulfillment order line item quantity requested.", "fulfillment")
        yield fulfilment_order, line, one["quantity"]


def shipped(order: JSON, pieces: Pieces, asked: JSON, at: str) -> JSON:
    """The fulfilment, made."""
    for fulfilment_order, line, count in pieces:
        line["remainingQuantity"] -= count
        left = any(one["remainingQuantity"] for one in fulfilment_order["lineItems"])
        fulfilment.set_status(fulfilment_order, "IN_PROGRESS" if left else "CLOSED")
        fulfilment_order["updatedAt"] = at
    identifier = next_id(order, "Fulfillment")
    tracks = tracking(asked.get("trackingInfo") or {})
    made = {
        "id": identifier,
        "legacyResourceId": str(number_of(identifier)),
        "name": f"{order['name']}-F{len(order['fulfillments']) + 1}",
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        **dict.fromkeys(("createdAt", "updatedAt"), at),
        "location": pieces[0][0]["assignedLocation"]["location"],
        "trackingInfo": tracks,
        "totalQuantity": sum(count for _, _, count in pieces),
        "fulfillmentLineItems": [
            {"id": next_id(order, "FulfillmentLineItem"), "lineItem": line["lineItem"], "quantity": count}
            for _, line, count in pieces
        ],
    }
    order["fulfillments"].append(made)
    if asked.get("notifyCustomer"):
        mail(order, made, at)
    totals.settle(order)
    return made


def tracking(info: JSON) -> list[JSON]:
    """One entry a number, with the carrier's link where the shop knows the carrier and was told none."""
    numbers = [*(info.get("numbers") or []), *([info["number"]] if info.get("number") else [])]
    urls = [*(info.get("urls") or []), *([info["url"]] if info.get("url") else [])]
    company = info.get("company")
    link = LINKS.get(company or "")
    return [
        {
            "company": company,
            "number": number,
            "url": urls[at] if at < len(urls) else link.format(number) if link else None,
        }
        for at, number in enumerate(dict.fromkeys(numbers))
    ]


def mail(order: JSON, made: JSON, at: str) -> None:
    """What the shopper was told: in the books alone."""
    order["_sandbox"].setdefault("mails", []).append({"fulfillment": made["id"], "at": at})


def retrack(_: Any, info: Info, **given: Any) -> Part:
    need(info.context, info.field_name, SCOPE)
    identifier = given["fulfillmentId"]
    found = node_of(info.context, identifier, "Fulfillment")
    if found is None:
        return refused(No("Fulfillment does not exist.", "fulfillmentId"))
    made = next(one for one in found.order["fulfillments"] if one["id"] == identifier)
    if made["status"] == "CANCELLED":
        return refused(No("Fulfillment is cancelled.", "fulfillmentId"))
    at = Moment(info.context.now).stamp
    made.update(trackingInfo=tracking(given["trackingInfoInput"]), updatedAt=at)
    if given.get("notifyCustomer"):
        mail(found.order, made, at)
    info.context.changed.append(found.order)
    return Part(found.order, {"fulfillment": made, "userErrors": []})


def cancel(_: Any, info: Info, id: str) -> Part:
    """It never left: its pieces are to be fulfilled again, under fulfilment orders of their own."""
    need(info.context, info.field_name, SCOPE)
    found = node_of(info.context, id, "Fulfillment")
    if found is None:
        return refused(No("Fulfillment does not exist.", "id"))
    order = found.order
    made = next(one for one in order["fulfillments"] if one["id"] == id)
    if made["status"] == "CANCELLED":
        return refused(No("Fulfillment is cancelled already.", "id"))
    at = Moment(info.context.now).stamp
    made.update(status="CANCELLED", displayStatus="CANCELED", updatedAt=at)
    back = {one["lineItem"]["id"]: one["quantity"] for one in made["fulfillmentLineItems"]}
    for one in order["fulfillmentOrders"]:
        for line in one["lineItems"]:
            count = back.pop(line["lineItem"]["id"], 0)
            if count:
                line["remainingQuantity"] += count
                fulfilment.set_status(one, "OPEN")
                one["updatedAt"] = at
    totals.settle(order)
    info.context.changed.append(order)
    return Part(order, {"fulfillment": made, "userErrors": []})


def refused(no: No) -> Part:
    return Part({}, {"fulfillment": None, "userErrors": [{"field": no.field or None, "message": str(no)}]})


FIELDS: dict[tuple[str, str], Resolver] = {
    ("Mutation", "fulfillmentCreate"): create,
    ("Mutation", "fulfillmentTrackingInfoUpdate"): retrack,
    ("Mutation", "fulfillmentCancel"): cancel,
}
