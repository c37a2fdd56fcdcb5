"""One shop on one port: its world opened, its doors, and its workers (the shopper, the webhook courier)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web
from anyio import to_thread

from bcbridge.sandbox.base import BODY_CEILING, Server, World, admin_app_routes, background
from bcbridge.sandbox.shopify import amending, counting, inventory, orders, shop, subscriptions, world
from bcbridge.sandbox.shopify.api import Api
from bcbridge.sandbox.shopify.deliveries import Hook
from bcbridge.sandbox.shopify.doors import catalogue_routes
from bcbridge.sandbox.shopify.schema import schema
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopify.shop import Shop
from bcbridge.sandbox.shopping import courier, shopper, stock
from bcbridge.sandbox.shopping.courier import Courier
from bcbridge.sandbox.shopping.doors import Doors
from bcbridge.sandbox.shopping.shopper import Shopper

FAULTS = {
    "slow": "answers slow_ms later",
    "timeout": "keeps the call for timeout_ms, then hangs up; nothing was done",
    "http_500": "500 with an error text",
    "http_502_html": "502 with a page of HTML, as a gateway makes it",
    "http_429": "429 with Retry-After",
    "token_401": "401, whatever the token",
    "throttled": "THROTTLED inside a 200",
    "max_cost": "queries above max_cost_points are MAX_COST_EXCEEDED",
    "internal_error": "INTERNAL_SERVER_ERROR inside a 200",
    "answer_lost": "does what was asked, then hangs up",
    "stock_answer_lost": "the same, of a call that changes stock",
    "stock_call_lost": "hangs up on a call that would change stock; nothing is done",
    "fulfil_answer_lost": "does what was asked of a call that fulfils, then hangs up",
    "fulfil_call_lost": "hangs up on a call that would fulfil; nothing is done",
    "amend_answer_lost": "cancels, commits an edit or adds tags as it was asked to, then hangs up",
    "amend_call_lost": "hangs up on a call that would do so; nothing is done",
    "capture_answer_lost": "captures as it was asked to, then hangs up",
    "capture_call_lost": "hangs up on a call that would capture; nothing is done",
    "capture_declined": "the gateway declines: the capture is there, and failed",
    "sold_meanwhile": "just before a call that changes stock, one of each of its first sold_meanwhile_rows is sold",
    "stale_stock": "numbers are read as they were stale_stock_seconds ago",
    "access_nulls": "addresses, customer, email and phone are null, as without level-2 access",
    "index_lag": "the search index shows this change only after index_lag_seconds",
    "equal_updated_at": "stamps are rounded down to equal_updated_at_seconds, so that many orders share one",
    "moving_list": "when a page of orders by UPDATED_AT has a next one, its first two orders are touched meanwhile",
}
VALUES = {
    "slow_ms": (2_000.0, "milliseconds"),
    "timeout_ms": (30_000.0, "milliseconds"),
    "max_cost_points": (200.0, "points"),
    "index_lag_seconds": (30.0, "seconds"),
    "equal_updated_at_seconds": (60.0, "seconds"),
    "sold_meanwhile_rows": (1.0, "rows"),
    "stale_stock_seconds": (10.0, "seconds"),
    "job_seconds": (0.2, "seconds until a job that was asked for is begun (orderCancel)"),
    "stocks_by_itself": (1.0, "1: setting a number begins to count an item there; 0: it must be activated first"),
}
NOUNS = {
    "orders": "SELECT id, document FROM orders WHERE id > :after ORDER BY id LIMIT :limit",
    "servedPaid": orders.SERVED_PAID,
    **shopper.NOUNS,
    **stock.NOUNS,
    "webhookSubscriptions": "SELECT id, document FROM webhook_subscriptions WHERE id > :after ORDER BY id LIMIT :limit",
    "locations": "SELECT id, document FROM locations WHERE id > :after ORDER BY id LIMIT :limit",
    "products": "SELECT id, document FROM products WHERE id > :after ORDER BY id LIMIT :limit",
    "inventoryItems": inventory.ITEMS_NOUN,
    "variants": "SELECT id, document FROM variants WHERE id > :after ORDER BY id LIMIT :limit",
}
SCHEMA = shop.SCHEMA + orders.SCHEMA + world.SCHEMA + inventory.SCHEMA + counting.SCHEMA + subscriptions.SCHEMA
SCHEMA += amending.SCHEMA + shopper.SCHEMA + stock.SCHEMA + courier.SCHEMA


@asynccontextmanager
async def serving(folder: Path, *, port: int = 0, settings: ShopifySettings | None = None) -> AsyncIterator[Server]:
    """Serves the shop kept in ``folder`` until the block ends. Raises OSError where the port is taken."""
    settings = settings or ShopifySettings()
    async with World.opened(
        "shopify",
        folder,
        schema=SCHEMA,
        season=partial(world.found, extra=settings.extra_skus),
        nouns={**NOUNS, **courier.NOUNS},
        faults={**FAULTS, **courier.FAULTS},
        values={**VALUES, **stock.VALUES, **courier.VALUES, **budget(settings)},
        seed=settings.seed,
    ) as opened:
        opened.about = settings.about
        await to_thread.run_sync(schema)  # reads a file and takes a moment; the first caller shall not wait for it
        the_shop = Shop(opened, settings)
        buyer, messenger = Shopper(the_shop), Courier(opened, Hook(settings))
        the_shop.bell = messenger.woken.set

        async def renewed() -> None:
            await buyer.forget()
            await the_shop.subscribe_defaults()

        opened.after_reset = renewed
        await the_shop.subscribe_defaults()
        app = web.Application(client_max_size=BODY_CEILING)
        by_hand = [*Doors(the_shop, buyer).routes(), *catalogue_routes(the_shop), *admin_app_routes(opened)]
        app.add_routes([*Api(the_shop).routes(), *by_hand])
        async with Server.running(app, port=port) as server, background() as tasks:
            tasks.start_soon(buyer.run)
            tasks.start_soon(messenger.run)
            yield server


def budget(settings: ShopifySettings) -> dict[str, tuple[float, str]]:
    """The rate limit is a value as well: another plan of Shopify's, while the shop is open."""
    return {
        "bucket": (settings.bucket, "points that may be saved up"),
        "restore_rate": (settings.restore_rate, "points a second"),
    }
