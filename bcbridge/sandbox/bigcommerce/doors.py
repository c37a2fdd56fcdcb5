"""The merchant's hand on the catalogue: another SKU, another code, a product hidden or tracked otherwise, a variant
deleted, a location switched off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer
from bcbridge.sandbox.bigcommerce import counting, world
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON, BadCart

CatalogueChange = Callable[[sqlite3.Connection, int, JSON], JSON | None]
TRACKINGS = ("none", "product", "variant")


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
        changing("/_sandbox/products/{id}", change_product),
        changing("/_sandbox/variants/{id}", change_variant),
        changing("/_sandbox/locations/{id}", world.change_location),
    ]


def change_product(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    if fields.get("inventory_tracking", TRACKINGS[0]) not in TRACKINGS:
        raise BadCart(f"inventory_tracking: one of {', '.join(TRACKINGS)}")
    changed = world.change_product(connection, identifier, fields)
    if changed is not None:
        counting.counted_anew(connection, changed)
    return changed


def change_variant(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    """A deleted one is ``{"deleted": true}``: the catalogue knows it no more, orders keep its id."""
    if fields.get("deleted"):
        gone = world.stored(connection, "variants", identifier)
        connection.execute("DELETE FROM variants WHERE id = ?", (identifier,))
        return gone
    changed = world.change_variant(connection, identifier, fields)
    if changed is not None:
        counting.renamed(connection, changed)
    return changed
