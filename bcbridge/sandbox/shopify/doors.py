"""``/_sandbox/`` of Shopify besides what every shop has: the merchant's hand on the catalogue."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer
from bcbridge.sandbox.shopify import inventory, world
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import number_of
from bcbridge.sandbox.shopify.shop import Shop
from bcbridge.sandbox.shopping.doors import told

CatalogueChange = Callable[[sqlite3.Connection, int, JSON], JSON | None]


def catalogue_routes(shop: Shop) -> list[web.RouteDef]:
    return [
        web.patch("/_sandbox/products/{id}", change_in(shop, world.change_product)),
        web.patch("/_sandbox/variants/{id}", change_in(shop, world.change_variant)),
        web.patch("/_sandbox/inventory_items/{id}", change_in(shop, inventory.change_item)),
    ]


def change_in(shop: Shop, change: CatalogueChange) -> Callable[[web.Request], Awaitable[web.Response]]:
    @told
    async def changed(shop: Shop, request: web.Request) -> web.Response:
        identifier, fields = number_of(request.match_info["id"]), orjson.loads(await request.read())
        found = await shop.books.write(lambda c: change(c, identifier, fields))
        return answer({"error": f"nothing has the id {identifier}"}, 404) if found is None else answer(found)

    async def route(request: web.Request) -> web.Response:
        return await changed(shop, request)

    return route
