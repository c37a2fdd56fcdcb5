"""What is shipped (2.6; orders.v2.oas2.yml): shipments, what they do to an order's status, the shopper's mails.

One shipment is of one order and of one of its addresses. Said twice, it is done twice, if there are pieces left. The
status follows by itself: 2 once nothing is left, else 3; taking a shipment back leaves it as it is. Each shipment is a
mail to the shopper, which no call can spare him.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bcbridge.sandbox.bigcommerce import totals
from bcbridge.sandbox.bigcommerce.checkout import next_id, stamp
from bcbridge.sandbox.bigcommerce.statuses import OVER, PARTIALLY_SHIPPED, SHIPPED, set_status
from bcbridge.sandbox.shopping.cart import JSON, BadCart

PROVIDERS = {
    "": "",
    "auspost": "Australia Post",
    "canadapost": "Canada Post",
    "endicia": "Endicia",
    "fedex": "FedEx",
    "royalmail": "Royal Mail",
    "shipperhq": "ShipperHQ",
    "ups": "UPS",
    "upsonline": "UPS",
    "upsready": "UPS",
    "usps": "USPS",
}
"""The enum of ``shipping_provider``, and how it is shown."""
OF_A_THIRD = re.compile(r"carrier_[0-9]+")
UNNAMED = "custom"
"""The provider of a shipment that names none, not even an empty one: no link is made for it."""
LINKS = {
    "fedex": "https://www.fedex.com/fedextrack/?trknbr={}",
    "ups": "https://www.ups.com/WebTracking?trackNums={}",
    "usps": "https://tools.usps.com/go/TrackConfirmAction.action?tLabels={}",
}
AFTERSHIP = "https://www.aftership.com/track/{}/{}"
TEXTS = {
    "tracking_number": 50,
    "tracking_link": 500,
    "comments": 65_535,
    "shipping_method": 255,
    "tracking_carrier": 255,
}
"""The longest that each may be: the first three by the OpenAPI."""
CORRECTED = frozenset({*TEXTS, "merchant_shipping_cost", "order_address_id", "shipping_provider"})
TOLD = frozenset({*CORRECTED, "items"})
ITEM = frozenset({"order_product_id", "quantity"})
Pieces = Sequence[tuple[JSON, int]]
"""Lines, and how many of each."""


def unsent(line: JSON) -> int:
    """Pieces of a line that are still to be sent; none of what nobody ships."""
    if not line["order_address_id"] or line["type"] != "physical":
        return 0
    return max(0, int(line["quantity"] - line["quantity_shipped"] - line["quantity_refunded"]))


def standing(order: JSON) -> None:
    if order["status_id"] in OVER:
        raise BadCart(f"the order is {order['status']}")


# --- by hand


def ship(order: JSON, at: datetime, units: Mapping[int, int]) -> None:
    """Sends pieces by the place of their lines (all that is left, if none are named), a shipment for each address."""
    standing(order)
    wanted = units or {place: left for place, line in enumerate(order["products"]) if (left := unsent(line))}
    by_address: dict[int, list[tuple[JSON, int]]] = {}
    for position, count in wanted.items():
        if position not in range(len(order["products"])):
            raise BadCart(f"lines[{position}]: the order has {len(order['products'])} lines")
        line = order["products"][position]
        if not 0 < count <= unsent(line):
            raise BadCart(f"lines[{position}]: {unsent(line)} pieces are not shipped yet")
        by_address.setdefault(line["order_address_id"], []).append((line, count))
    for address, pieces in by_address.items():
        made = sent(order, at, address, pieces)
        made.update(described({"tracking_number": f"1Z{made['id']}", "shipping_provider": "ups"}))


# --- by the API


def create(order: JSON, at: datetime, asked: JSON) -> JSON:
    """Raises BadCart with BigCommerce's words for what it does not take."""
    standing(order)
    check(asked, TOLD)
    for name in ("order_address_id", "items"):
        if not asked.get(name):
            raise BadCart(f"The required field '{name}' was not supplied.")
    pieces = wanted(order, asked)
    made = sent(order, at, int(asked["order_address_id"]), pieces)
    made.update(described(asked))
    return made


def wanted(order: JSON, asked: JSON) -> Pieces:
    """Lines of the address that it names, none twice, and no more of each than is left."""
    if asked["order_address_id"] not in {one["id"] for one in order["shipping_addresses"]}:
        raise BadCart("The field 'order_address_id' is invalid.")
    here = {one["id"]: one for one in order["products"] if one["order_address_id"] == asked["order_address_id"]}
    pieces: list[tuple[JSON, int]] = []
    for item in listed(asked["items"]):
        line, count = here.pop(item.get("order_product_id"), None), item.get("quantity")
        if line is None:
            raise BadCart("The field 'order_product_id' is invalid.")
        pieces.append((line, no_more_than(unsent(line), count)))
    return pieces


def no_more_than(left: int, count: object) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= left:
        raise BadCart("The field 'quantity' is invalid.")
    return count


def listed(items: Any) -> list[JSON]:
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise BadCart("The field 'items' is invalid.")
    for one in items:
        only(one, ITEM)
    return items


def correct(order: JSON, number: int, asked: JSON) -> None:
    """Says something else of a shipment that stands; its items cannot be changed."""
    check(asked, CORRECTED)
    made = one_of(order, number)
    if asked.get("order_address_id", made["order_address_id"]) != made["order_address_id"]:
        raise BadCart("The field 'order_address_id' is invalid.")
    made.update(described({**made, **asked}))


def take_back(order: JSON, number: int) -> None:
    """It never left: its pieces are to be sent again. The status stays (2.6)."""
    made = one_of(order, number)
    lines = {line["id"]: line for line in order["products"]}
    for item in made["items"]:
        lines[item["order_product_id"]]["quantity_shipped"] -= item["quantity"]
    order["shipments"].remove(made)
    totals.settle(order)


def one_of(order: JSON, number: int) -> JSON:
    found: JSON = next(one for one in order["shipments"] if one["id"] == number)
    return found


def check(asked: JSON, names: frozenset[str]) -> None:
    only(asked, names)
    for name, most in TEXTS.items():
        text = asked.get(name, "")
        if not isinstance(text, str) or len(text) > most:
            raise BadCart(f"The field '{name}' is invalid.")
    provider = asked.get("shipping_provider", "")
    if provider not in PROVIDERS and not (isinstance(provider, str) and OF_A_THIRD.fullmatch(provider)):
        raise BadCart("The field 'shipping_provider' is invalid.")


def only(asked: JSON, names: frozenset[str]) -> None:
    strange = sorted(set(asked) - names)
    if strange:
        raise BadCart(
            f"The field '{strange[0]}' cannot be written to. Please remove it from your request before trying again."
        )


# --- made


def sent(order: JSON, at: datetime, address: int, pieces: Pieces) -> JSON:
    """The pieces are gone, the status has moved, the shopper has a mail."""
    for line, count in pieces:
        line["quantity_shipped"] += count
    made = blank(order, at, address, pieces)
    order["shipments"].append(made)
    done = not any(unsent(line) for line in order["products"])
    set_status(order, SHIPPED if done else PARTIALLY_SHIPPED)
    order["date_shipped"] = stamp(at) if done else ""
    totals.settle(order)
    order["_sandbox"].setdefault("mails", []).append({"shipment": made["id"], "at": stamp(at)})
    return made


def blank(order: JSON, at: datetime, address: int, pieces: Pieces) -> JSON:
    place = next(one for one in order["shipping_addresses"] if one["id"] == address)
    own = ("first_name", "last_name", "company", "street_1", "street_2", "city", "state", "zip", "country")
    items = [
        {"order_product_id": line["id"], "product_id": line["product_id"], "quantity": count} for line, count in pieces
    ]
    return {
        "id": next_id(order),
        "order_id": order["id"],
        "customer_id": order["customer_id"],
        "order_address_id": address,
        "date_created": stamp(at),
        "merchant_shipping_cost": "0.0000",
        "shipping_method": place["shipping_method"],
        "billing_address": {name: value for name, value in order["billing_address"].items() if name != "form_fields"},
        "shipping_address": {name: place[name] for name in (*own, "country_iso2", "phone", "email")},
        "items": items,
        **described({}),
    }


def described(asked: JSON) -> JSON:
    """What a call said of it, and what follows: how the provider is shown, and a link where none was given."""
    said: JSON = {
        name: asked.get(name, "") for name in ("tracking_number", "tracking_carrier", "tracking_link", "comments")
    }
    provider = asked.get("shipping_provider", UNNAMED)
    others: JSON = {name: asked[name] for name in ("shipping_method", "merchant_shipping_cost") if name in asked}
    return {
        **said,
        **others,
        "shipping_provider": provider,
        "shipping_provider_display_name": PROVIDERS.get(provider, "Custom"),
        "generated_tracking_link": "" if said["tracking_link"] else link(provider, said),
    }


def link(provider: str, said: JSON) -> str:
    """To a carrier that the shop knows, else by AfterShip; none where there is no number or nobody to ask."""
    carrier = said["tracking_carrier"] or ("" if provider == UNNAMED else provider)
    if not carrier or not said["tracking_number"]:
        return ""
    if carrier in LINKS:
        return LINKS[carrier].format(said["tracking_number"])
    return AFTERSHIP.format(carrier, said["tracking_number"])
