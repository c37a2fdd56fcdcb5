"""``/_sandbox/`` of this shop's own: the merchant's hand on its products, and on WooCommerce's own options."""

from __future__ import annotations

from dataclasses import replace

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer, object_of
from bcbridge.sandbox.woocommerce import counting, season
from bcbridge.sandbox.woocommerce.shop import Shop

OPTIONS = {"manage_stock", "hold_stock_minutes", "fulfillments", "shipment_tracking", "key_may_manage"}


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

    async def options(request: web.Request) -> web.Response:
        """What the merchant, or a plugin, has set; until the shop is started anew."""
        try:
            asked = await object_of(request, known=OPTIONS)
        except ValueError as error:
            return answer({"error": str(error)}, 400)
        shop.settings = replace(shop.settings, **asked)
        await shop.set_options()
        return answer(asked)

    return [
        web.post("/_sandbox/admin/options", options),
        web.patch(r"/_sandbox/products/{id:\d+}", change),
        web.delete(r"/_sandbox/products/{id:\d+}", remove),
    ]
