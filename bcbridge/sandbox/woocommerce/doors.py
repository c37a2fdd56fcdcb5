"""``/_sandbox/`` of this shop's own: the merchant's hand on its products."""

from __future__ import annotations

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer
from bcbridge.sandbox.woocommerce import counting, season
from bcbridge.sandbox.woocommerce.shop import Shop


def catalogue_routes(shop: Shop) -> list[web.RouteDef]:
    """Each order that sold it shows the change, as its lines read the product."""

    async def change(request: web.Request) -> web.Response:
        identifier, fields = int(request.match_info["id"]), orjson.loads(await request.read())
        now = shop.now()
        found = await shop.books.write(lambda c: counting.by_hand(c, identifier, fields, now))
        await shop.restock()
        return answer({"error": f"nothing has the id {identifier}"}, 404) if found is None else answer(found)

    async def remove(request: web.Request) -> web.Response:
        identifier = int(request.match_info["id"])
        gone = await shop.books.write(lambda c: season.remove(c, identifier))
        await shop.restock()
        return answer({"deleted": identifier}) if gone else answer({"error": f"nothing has the id {identifier}"}, 404)

    return [
        web.patch(r"/_sandbox/products/{id:\d+}", change),
        web.delete(r"/_sandbox/products/{id:\d+}", remove),
    ]
