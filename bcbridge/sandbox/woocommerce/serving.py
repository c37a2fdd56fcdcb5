"""One shop on one port: its world opened, its doors, and its workers (the shopper, the webhook courier)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from bcbridge.sandbox.base import BODY_CEILING, Server, World, admin_app_routes, background
from bcbridge.sandbox.shopping import courier, shopper, stock
from bcbridge.sandbox.shopping.courier import Courier
from bcbridge.sandbox.shopping.doors import Doors
from bcbridge.sandbox.shopping.shopper import Shopper
from bcbridge.sandbox.woocommerce import api, numbering, orders, season, webhooks
from bcbridge.sandbox.woocommerce.api import Api
from bcbridge.sandbox.woocommerce.doors import catalogue_routes
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings
from bcbridge.sandbox.woocommerce.shop import Hook, Shop

NOUNS = {
    "orders": orders.ORDERS,
    "refunds": orders.REFUNDS,
    "servedPaid": orders.SERVED_PAID,
    **shopper.NOUNS,
    **stock.NOUNS,
    "webhooks": webhooks.NOUN,
    "products": "SELECT id, document FROM products WHERE id > :after ORDER BY id LIMIT :limit",
}
SCHEMA = numbering.SCHEMA + orders.SCHEMA + season.SCHEMA + webhooks.SCHEMA + shopper.SCHEMA
SCHEMA += stock.SCHEMA + courier.SCHEMA
ONCE_SECONDS = 600.0


@asynccontextmanager
async def serving(folder: Path, *, port: int = 0, settings: WooCommerceSettings | None = None) -> AsyncIterator[Server]:
    """Serves the shop kept in ``folder`` until the block ends. Raises OSError where the port is taken."""
    settings = settings or WooCommerceSettings()
    async with World.opened(
        "woocommerce",
        folder,
        schema=SCHEMA,
        season=partial(season.found, more_styles=settings.more_styles),
        nouns={**NOUNS, **courier.NOUNS},
        faults={**api.FAULTS, **courier.FAULTS},
        values={**api.VALUES, **stock.VALUES, **courier.VALUES, **own_values(settings)},
        seed=settings.seed,
    ) as opened:
        opened.about = settings.about
        the_shop = Shop(opened, settings)
        buyer, messenger = Shopper(the_shop), Courier(opened, Hook(the_shop))
        the_shop.bell = messenger.woken.set

        async def renewed() -> None:
            await the_shop.set_options()
            await the_shop.restock()
            await buyer.forget()
            await the_shop.subscribe_defaults()

        opened.after_reset = renewed
        await the_shop.set_options()
        await the_shop.restock()
        await the_shop.subscribe_defaults()
        app = web.Application(client_max_size=BODY_CEILING)
        by_hand = [*Doors(the_shop, buyer).routes(), *catalogue_routes(the_shop), *admin_app_routes(opened)]
        app.add_routes([*Api(the_shop).routes(), *by_hand])
        async with Server.running(app, port=port) as server, background() as tasks:
            the_shop.home = server.url
            the_shop.workers.tasks = tasks
            tasks.start_soon(buyer.run)
            tasks.start_soon(messenger.run)
            yield server


def own_values(settings: WooCommerceSettings) -> dict[str, tuple[float, str]]:
    least, most = settings.write_seconds
    return {
        "write_least_ms": (least * 1000, "milliseconds that writing the stock of eight variations takes at least"),
        "write_most_ms": (most * 1000, "and at most"),
        "webhook_seconds": (settings.webhook_seconds, "seconds from a change to its webhooks"),
        "webhook_once_seconds": (ONCE_SECONDS, "seconds within which one object is told of once"),
    }
