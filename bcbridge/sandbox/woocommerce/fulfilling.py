"""What left, told to the shop: WooCommerce's own fulfilments (contract 1.6; recorded/fulfillments), and the trackings
of the extension Shipment Tracking. Each is there where the merchant has switched it on; else there is no such route.

Neither looks whether it was told before, nor how much was ordered: said twice it is there twice. Neither changes the
order's status. A fulfilment is a save of the order (recorded/orders/what_moves_date_modified.json); whether a tracking
is one was not recorded, and here it is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from aiohttp import web

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce import changes, orders
from bcbridge.sandbox.woocommerce.answers import Answer
from bcbridge.sandbox.woocommerce.arguments import body_of
from bcbridge.sandbox.woocommerce.numbering import Numbering
from bcbridge.sandbox.woocommerce.orders import Moment
from bcbridge.sandbox.woocommerce.refusals import Refused, invalid, invalid_id, may_not, missing
from bcbridge.sandbox.woocommerce.shop import Shop
from bcbridge.sandbox.woocommerce.signing import home
from bcbridge.sandbox.woocommerce.writing import set_meta

T = TypeVar("T")
Change = Callable[[JSON, Numbering, Moment], T]

FULFILLED = "fulfilled"
STATUSES = (FULFILLED, "unfulfilled")
ITEMS, AT, STATE = "_items", "_date_fulfilled", "_fulfillment_status"
TRACKINGS = "_wc_shipment_tracking_items"
LINKS = {
    "UPS": "https://www.ups.com/track?tracknum={}",
    "Fedex": "https://www.fedex.com/fedextrack/?trknbr={}",
    "USPS": "https://tools.usps.com/go/TrackConfirmAction?tLabels={}",
    "Royal Mail": "https://www3.royalmail.com/track-your-item?trackNumber={}",
}
"""Carriers the extension knows: it makes their links itself, whatever link is given."""


class Fulfilling:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    # --- fulfilments

    async def fulfilments(self, request: web.Request) -> Answer:
        order = await self.order(request)
        return Answer([self.shown(one, order) for one in order.get("fulfillments", ())])

    async def fulfil(self, request: web.Request) -> Answer:
        given = await body_of(request)
        check_arguments(given)

        def made(order: JSON, ids: Numbering, moment: Moment) -> JSON:
            self.check_right(request)
            check(given)
            one = fulfilment(given, ids, moment.stamp)
            order.setdefault("fulfillments", []).append(one)
            settle(order, ids)
            if one["status"] == FULFILLED and given.get("notify_customer"):
                changes.mail(order, moment.stamp, fulfillment=one["id"])
            return self.shown(one, order)

        return Answer(await self.changed(request, made), 201)

    async def fulfilment(self, request: web.Request) -> Answer:
        order = await self.order(request)
        return Answer(self.shown(wanted(order, request), order))

    async def metadata(self, request: web.Request) -> Answer:
        return Answer(wanted(await self.order(request), request)["meta_data"])

    async def change(self, request: web.Request) -> Answer:
        """The meta data sent is all it has: keys that are not sent are gone."""
        given = await body_of(request)
        check_arguments(given)

        def made(order: JSON, ids: Numbering, moment: Moment) -> JSON:
            self.check_right(request)
            check(given)
            one = wanted(order, request)
            one.update(fulfilment(given, ids, moment.stamp), id=one["id"])
            settle(order, ids)
            if one["status"] == FULFILLED and given.get("notify_customer"):
                changes.mail(order, moment.stamp, fulfillment=one["id"])
            return self.shown(one, order)

        return Answer(await self.changed(request, made))

    async def remove(self, request: web.Request) -> Answer:
        def made(order: JSON, ids: Numbering, _: Moment) -> None:
            self.check_right(request)
            order["fulfillments"].remove(wanted(order, request))
            settle(order, ids)

        await self.changed(request, made)
        return Answer({"message": "Fulfillment deleted successfully."})

    def shown(self, one: JSON, order: JSON) -> JSON:
        """Its dates are in the shop's own time, and say so nowhere."""
        meta = [{**row, "value": self.local(row["value"])} if row["key"] == AT else row for row in one["meta_data"]]
        return {
            **{key: one[key] for key in ("id", "is_fulfilled", "status")},
            "entity_type": "WC_Order",
            "entity_id": str(order["id"]),
            "date_updated": self.local(one["date_updated_gmt"]),
            "meta_data": meta,
        }

    def local(self, gmt: str) -> str:
        return str(self.shop.view("").local(gmt)).replace("T", " ")

    # --- trackings

    async def trackings(self, request: web.Request) -> Answer:
        order = await self.order(request)
        return Answer([tracking_shown(one, request) for one in order.get("trackings", ())])

    async def track(self, request: web.Request) -> Answer:
        given = await body_of(request)
        if not given.get("tracking_number"):
            raise missing("tracking_number")

        def made(order: JSON, ids: Numbering, moment: Moment) -> JSON:
            one = tracking(given, ids, moment.stamp)
            order.setdefault("trackings", []).append(one)
            set_meta(order, {"key": TRACKINGS, "value": list(order["trackings"])}, ids)
            return one

        return Answer(tracking_shown(await self.changed(request, made), request), 201)

    # --- common to all

    async def order(self, request: web.Request) -> JSON:
        order = await self.shop.books.read(lambda c: seen(c, request))
        self.check_right(request)
        return order

    async def changed(self, request: web.Request, change: Change[T]) -> T:
        moment = await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> T:
            order = seen(connection, request)
            made = change(order, Numbering(connection), moment)
            self.shop.keep(connection, order, moment)
            return made

        made = await self.shop.books.write(unit)
        self.shop.rung()
        return made

    def check_right(self, request: web.Request) -> None:
        """Fulfilments need ``manage_woocommerce``, reading too; whoever may edit orders need not have it."""
        if "fulfillments" in request.path and not self.shop.settings.key_may_manage:
            raise may_not(request.method)


def seen(connection: sqlite3.Connection, request: web.Request) -> JSON:
    order = orders.seen(connection, int(request.match_info["id"]))
    if order is None:
        raise invalid_id("order")
    return order


def wanted(order: JSON, request: web.Request) -> JSON:
    identifier = int(request.match_info["fulfillment"])
    for one in order.get("fulfillments", ()):
        if one["id"] == identifier:
            found: JSON = one
            return found
    raise wrong("Fulfillment not found.")


# --- what may be told


def check_arguments(given: JSON) -> None:
    """WordPress's own look, before anybody asks who it is."""
    if "meta_data" not in given:
        raise missing("meta_data")
    if not isinstance(given["meta_data"], list):
        raise invalid({"meta_data": ("rest_invalid_type", "meta_data is not of type array.")})


def check(given: JSON) -> None:
    """Raises `Refused` (400) in WooCommerce's words."""
    if given.get("status", "unfulfilled") not in STATUSES:
        raise wrong("Invalid fulfillment status.")
    items = next((one.get("value") for one in given["meta_data"] if one.get("key") == ITEMS), None)
    if not items:
        raise wrong("The fulfillment should contain at least one item.")
    if not isinstance(items, list):
        raise wrong("The fulfillment items should be an array.")
    if not all(is_item(one) for one in items):
        raise wrong("Invalid item.")


def is_item(one: Any) -> bool:
    """Whether the order has such a line, and so many of it, is not looked at."""
    if not isinstance(one, dict):
        return False
    line, pieces = one.get("item_id"), one.get("qty")
    return is_above(line, int) and is_above(pieces, int, float)


def is_above(number: Any, *kinds: type) -> bool:
    return type(number) in kinds and bool(number > 0)


def wrong(message: str) -> Refused:
    """A plain exception of PHP's: its code is the number 0."""
    return Refused(400, 0, message)


# --- what is kept


def fulfilment(given: JSON, ids: Numbering, at: str) -> JSON:
    status = given.get("status", "unfulfilled")
    meta = [{"key": one["key"], "value": one["value"]} for one in given["meta_data"] if one["key"] != AT]
    dated = [*meta, {"key": AT, "value": at}] if status == FULFILLED else meta
    return {
        "id": ids.next("fulfilment"),
        "is_fulfilled": status == FULFILLED,
        "status": status,
        "date_updated_gmt": at,
        "meta_data": [{**one, "id": ids.next("fulfilment_meta")} for one in dated],
    }


def settle(order: JSON, ids: Numbering) -> None:
    """What the order itself says of it: one hidden word (recorded/orders/get_with_fulfillment.json)."""
    left: Counter[int] = Counter()
    for one in order["fulfillments"]:
        if one["is_fulfilled"]:
            left.update({item["item_id"]: item["qty"] for item in items_of(one)})
    whole = all(left[line["id"]] >= line["quantity"] for line in order["line_items"])
    word = FULFILLED if whole else "partially_fulfilled" if left else "unfulfilled"
    set_meta(order, {"key": STATE, "value": word}, ids)


def items_of(one: JSON) -> Iterable[JSON]:
    found: list[JSON] = next(row["value"] for row in one["meta_data"] if row["key"] == ITEMS)
    return found


def tracking(given: JSON, ids: Numbering, at: str) -> JSON:
    number, known = str(given["tracking_number"]), given.get("tracking_provider")
    link = LINKS.get(str(known), "").format(number) if known else str(given.get("custom_tracking_link", ""))
    return {
        "tracking_id": hashlib.md5(str(ids.next("tracking")).encode(), usedforsecurity=False).hexdigest(),
        "tracking_provider": str(known or given.get("custom_tracking_provider", "")),
        "tracking_link": link.replace("%1$s", number),
        "tracking_number": number,
        "date_shipped": str(given.get("date_shipped", at[:10])),
    }


def tracking_shown(one: JSON, request: web.Request) -> JSON:
    of = home(request) + request.path
    own = {"self": [{"href": f"{of}/{one['tracking_id']}"}], "collection": [{"href": of}]}
    return {**one, "_links": {**own, "up": [{"href": of.removesuffix("/shipment-trackings")}]}}
