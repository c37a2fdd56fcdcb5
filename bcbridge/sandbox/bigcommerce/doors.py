"""The merchant's hand on the catalogue: another SKU, another code, a product hidden."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer
from bcbridge.sandbox.bigcommerce import world
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON, BadCart

CatalogueChange = Callable[[sqlite3.Connection, int, JSON], JSON | None]


def catalogue_routes(shop: Shop) -> list[web.RouteDef]:
    def changing(path: str, change: CatalogueChange) -> web.RouteDef:
        async def changed(request: web.Request) -> web.Response:
            try:
                identifier, fields = int(request.match_info["id"]), orjson.loads(await request.read())
                found = await shop.books.write(lambda c: change(c, identifier, fields))
            except (BadCart, ValueError, TypeError) as error:
                return answer({"error": str(error)}, 400)
            return answer({"error": f"nothing has the id {identifier}"}, 404) if found is None else answer(found)

        return web.patch(path, changed)

    return [
        changing("/_sandbox/products/{id}", world.change_product),
        changing("/_sandbox/variants/{id}", world.change_variant),
    ]
