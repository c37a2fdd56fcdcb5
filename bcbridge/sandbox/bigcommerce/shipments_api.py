"""v2 shipments of an order: the list, one, made, corrected, taken back (2.6). An empty list is 204."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bcbridge.sandbox.bigcommerce import fulfilling
from bcbridge.sandbox.bigcommerce.front import NOTHING, Answer, Front, Refused, json_of
from bcbridge.sandbox.bigcommerce.orders_api import OrdersApi, one_of
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON, BadCart

PATH = "/v2/orders/{order_id}/shipments"


class ShipmentsApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.orders = OrdersApi(shop)

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("GET", PATH, self.orders.part(lambda order: list(order["shipments"]))),
            front.route("POST", PATH, self.create),
            front.route("DELETE", PATH, self.take_all_back),
            front.route("GET", f"{PATH}/count", self.count),
            front.route("GET", f"{PATH}/{{id}}", self.one),
            front.route("PUT", f"{PATH}/{{id}}", self.correct),
            front.route("DELETE", f"{PATH}/{{id}}", self.take_back),
        ]

    async def count(self, request: web.Request) -> Answer:
        return Answer({"count": len((await self.orders.order(request))["shipments"])})

    async def one(self, request: web.Request) -> Answer:
        return Answer(await self.shown(request))

    async def shown(self, request: web.Request) -> JSON:
        return one_of((await self.orders.order(request))["shipments"], request)

    async def create(self, request: web.Request) -> Answer:
        asked = await json_of(request)
        at = self.shop.now().replace(microsecond=0)
        made: list[JSON] = []
        await self.orders.change(request, taken(lambda order: made.append(fulfilling.create(order, at, asked))))
        return Answer(made[0], 201)

    async def correct(self, request: web.Request) -> Answer:
        number, asked = (await self.shown(request))["id"], await json_of(request)
        made: list[JSON] = []

        def act(order: JSON) -> None:
            fulfilling.correct(order, number, asked)
            made.append(fulfilling.one_of(order, number))

        await self.orders.change(request, taken(act))
        return Answer(made[0])

    async def take_back(self, request: web.Request) -> Answer:
        number = (await self.shown(request))["id"]
        await self.orders.change(request, lambda order: fulfilling.take_back(order, number))
        return NOTHING

    async def take_all_back(self, request: web.Request) -> Answer:
        def act(order: JSON) -> None:
            for one in list(order["shipments"]):
                fulfilling.take_back(order, one["id"])

        await self.orders.change(request, act)
        return NOTHING


def taken(act: Callable[[JSON], None]) -> Callable[[JSON], None]:
    """What a shipment cannot be is a 400."""

    def acted(order: JSON) -> None:
        try:
            act(order)
        except BadCart as no:
            raise Refused(400, str(no)) from None

    return acted
