"""``/_sandbox/`` of the shop: selling, orders by hand, and what may happen to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer, object_of
from bcbridge.sandbox.shopify import orders, totals, world
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.cart import BadCart, Compact
from bcbridge.sandbox.shopify.gid import gid, number_of, order_id
from bcbridge.sandbox.shopify.mix import Wishes
from bcbridge.sandbox.shopify.shop import NoSuchOrder, Shop, opening_topics
from bcbridge.sandbox.shopify.shopper import EVENTS, PLANS, Shopper

MOST_UNBOOKABLE = 0.1
SELLING = {"orders", "seed", "rate", "mixed", "unbookable", "simple", "canary"}
CatalogueChange = Callable[[sqlite3.Connection, int, JSON], JSON | None]
Handler = Callable[["Doors", web.Request], Awaitable[web.Response]]


def told(handler: Handler) -> Handler:
    """What a caller got wrong is answered, in words."""

    @wraps(handler)
    async def wrapped(doors: Doors, request: web.Request) -> web.Response:
        try:
            return await handler(doors, request)
        except NoSuchOrder as error:
            return answer({"error": str(error)}, 404)
        except KeyError as error:
            return answer({"error": f"{error.args[0]} is missing"}, 400)
        except (ValueError, TypeError, AttributeError) as error:
            return answer({"error": str(error)}, 400)

    return wrapped


class Doors:
    def __init__(self, shop: Shop, shopper: Shopper) -> None:
        self.shop = shop
        self.shopper = shopper
        self.compact = Compact(world.known_variants(), shop.settings.currency, world.RATES)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/sell", self.plans),
            web.post("/_sandbox/sell", self.sell),
            web.post("/_sandbox/orders", self.place),
            web.patch("/_sandbox/products/{id}", self.change_in(world.change_product)),
            web.patch("/_sandbox/variants/{id}", self.change_in(world.change_variant)),
            web.get("/_sandbox/orders/{order}", self.show),
            web.patch("/_sandbox/orders/{order}", self.patch),
            *(web.post(f"/_sandbox/orders/{{order}}/{name}", self.happens(name)) for name in EVENTS),
        ]

    # --- selling

    async def plans(self, _: web.Request) -> web.Response:
        page = await self.shop.books.page(PLANS, after=-1, limit=1_000)
        return answer({"plans": page.rows})

    @told
    async def sell(self, request: web.Request) -> web.Response:
        asked = await object_of(request, known=SELLING)
        count, rate = whole(asked, "orders"), number(asked, "rate", 0.0)
        wishes = Wishes(
            seed=int(asked.get("seed", self.shop.settings.seed)),
            mixed=number(asked, "mixed", 0.0, most=1),
            unbookable=number(asked, "unbookable", 0.06, most=MOST_UNBOOKABLE),
            simple=bool(asked.get("simple", False)),
            canary=bool(asked.get("canary", False)),
        )
        plan = await self.shopper.sell(orders=count, rate=rate, wishes=wishes)
        return answer({"plan": plan, "orders": count, "seed": wishes.seed, "rate": rate}, 202)

    # --- orders by hand

    @told
    async def place(self, request: web.Request) -> web.Response:
        """A compact order, or a whole document under ``document``."""
        body = orjson.loads(await request.read())
        if not isinstance(body, dict):
            raise BadCart("a JSON object is expected")
        note = {"unbookable": list(body.get("unbookable", []))}
        if "document" in body:
            order = await self.adopt(body["document"], note)
        else:
            order = await self.shop.place(self.compact.cart(body), note=note)
        brief = {name: order[name] for name in ("id", "legacyResourceId", "name", "displayFinancialStatus")}
        return answer({**brief, "currentTotalPriceSet": order["currentTotalPriceSet"]}, 201)

    async def adopt(self, document: JSON, note: JSON) -> JSON:
        """Takes a document as it is (Shopify's own example, say): only number, id and stamps are the shop's."""
        moment = await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> JSON:
            number_ = orders.next_number(connection)
            order = {**blank(moment.stamp), **document, **identity(number_)}
            order["_sandbox"] = {"ids": 5_000, "rate": "1", "document": True, **note}
            orders.add(connection, order, moment)
            self.shop.ring(connection, order, moment, opening_topics(order))
            return order

        order = await self.shop.books.write(unit)
        self.shop.rung()
        return order

    @told
    async def show(self, request: web.Request) -> web.Response:
        order = await self.shop.books.read(lambda c: orders.by_name(c, request.match_info["order"]))
        if order is None:
            raise NoSuchOrder(f"no order {request.match_info['order']!r}")
        return answer(order)

    @told
    async def patch(self, request: web.Request) -> web.Response:
        """Merges fields into the document; objects are merged, everything else is replaced."""
        fields = orjson.loads(await request.read())
        touch, topics = bool(fields.pop("touch", True)), tuple(fields.pop("topics", ("ORDERS_UPDATED",)))

        def act(order: JSON, _: str) -> None:
            merge(order, fields)
            if not order["_sandbox"].get("document"):
                totals.settle(order)

        order = await self.shop.change(request.match_info["order"], act, topics=topics, touch=touch)
        return answer(order)

    def change_in(self, change: CatalogueChange) -> Callable[[web.Request], Awaitable[web.Response]]:
        @told
        async def changed(_: Doors, request: web.Request) -> web.Response:
            identifier, fields = number_of(request.match_info["id"]), orjson.loads(await request.read())
            found = await self.shop.books.write(lambda c: change(c, identifier, fields))
            return answer({"error": f"nothing has the id {identifier}"}, 404) if found is None else answer(found)

        async def route(request: web.Request) -> web.Response:
            return await changed(self, request)

        return route

    def happens(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        event = EVENTS[name]

        @told
        async def happen(_: Doors, request: web.Request) -> web.Response:
            raw = await request.read()
            details: Any = orjson.loads(raw) if raw.strip() else {}
            touch = bool(details.pop("touch", event.touch))
            act = event.act(details)
            order = await self.shop.change(request.match_info["order"], act, topics=event.topics, touch=touch)
            return answer(order)

        async def route(request: web.Request) -> web.Response:
            return await happen(self, request)

        return route


def merge(into: JSON, fields: JSON) -> None:
    for key, value in fields.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def identity(number_: int) -> JSON:
    identifier = order_id(number_)
    names = {"name": f"#{number_}", "number": number_}
    return {"id": gid("Order", identifier), "legacyResourceId": str(identifier), **names}


def blank(at: str) -> JSON:
    """What a given document may leave out."""
    empty = ("lineItems", "shippingLines", "fulfillmentOrders", "fulfillments", "transactions", "refunds")
    lists = ("returns", "agreements", "additionalFees", "taxLines", "tags", "discountCodes", "customAttributes")
    nothing = ("cancelledAt", "cancelReason", "closedAt", "customer", "shippingAddress", "billingAddress", "note")
    return {
        **{name: [] for name in (*empty, *lists, "discountApplications", "paymentGatewayNames")},
        **dict.fromkeys((*nothing, "email", "phone", "poNumber", "sourceIdentifier", "app", "publication")),
        **dict.fromkeys(("createdAt", "processedAt", "updatedAt"), at),
        **dict.fromkeys(("closed", "test", "edited", "taxExempt", "dutiesIncluded", "taxesIncluded"), False),
        "confirmed": True,
        "sourceName": "web",
        "returnStatus": "NO_RETURN",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
    }


def whole(asked: JSON, key: str) -> int:
    value = asked[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadCart(f"{key}: {value!r} is not a whole number above 0")
    return value


def number(asked: JSON, key: str, usual: float, most: float = 100_000) -> float:
    value = asked.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadCart(f"{key}: {value!r} is not a number from 0 to {most:g}")
    return float(value)
