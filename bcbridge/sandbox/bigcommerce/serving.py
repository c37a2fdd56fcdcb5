"""One shop on one port: its world opened, its doors, and its workers (the shopper, the webhook courier)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from bcbridge.sandbox.base import BODY_CEILING, Server, World, admin_app_routes, background
from bcbridge.sandbox.bigcommerce import adjustments, counting, deliveries, hooks, orders, world
from bcbridge.sandbox.bigcommerce.capturing_api import CapturingApi
from bcbridge.sandbox.bigcommerce.catalogue_api import CatalogueApi
from bcbridge.sandbox.bigcommerce.deliveries import Hook
from bcbridge.sandbox.bigcommerce.doors import catalogue_routes
from bcbridge.sandbox.bigcommerce.front import Front
from bcbridge.sandbox.bigcommerce.hooks_api import HooksApi
from bcbridge.sandbox.bigcommerce.inventory_api import InventoryApi
from bcbridge.sandbox.bigcommerce.orders_api import OrdersApi
from bcbridge.sandbox.bigcommerce.payments_api import PaymentsApi
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.bigcommerce.shipments_api import ShipmentsApi
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.bigcommerce.store_api import StoreApi
from bcbridge.sandbox.shopping import courier, shopper, stock
from bcbridge.sandbox.shopping.courier import Courier
from bcbridge.sandbox.shopping.doors import Doors
from bcbridge.sandbox.shopping.shopper import Shopper

FAULTS = {
    "slow": "answers slow_ms later",
    "timeout": "keeps the call for timeout_ms, then hangs up; nothing was done",
    "http_500": "500, as now and then for a rate limit",
    "http_502_html": "502 with a page of HTML, as a gateway makes it",
    "http_503": "503, the store is down",
    "http_507": "507, a limit of the store's plan is reached",
    "http_429_bare": "429 without the quota's headers: the platform is overloaded",
    "quota_eaten": "another app takes what is left of this window's quota, this call's part too: 429 with headers",
    "token_401": "401, whatever the token",
    "answer_lost": "does what was asked, then hangs up",
    "fulfil_answer_lost": "makes the shipment that was asked for, then hangs up",
    "fulfil_call_lost": "hangs up on a call that would make a shipment; nothing is done",
    "amend_answer_lost": "changes the order as a PUT asks for, then hangs up",
    "amend_call_lost": "hangs up on a PUT of an order; nothing is done",
    "capture_answer_lost": "schedules the capture that was asked for, then hangs up",
    "capture_call_lost": "hangs up on a call that would capture; nothing is done",
    "capture_declined": "the gateway declines a capture that was scheduled: the order is authorized again",
    "put_drops_fees": "a switch: a PUT of an order deletes the fees that it leaves out, all where it names none",
    "moving_list": "when a page of orders by date_modified is full, the two orders behind it are touched meanwhile",
    "equal_date_modified": "stamps are rounded down to equal_date_modified_seconds, so that many orders share one",
    "stale_read": "the API shows this change only after stale_read_seconds: before, the order as it was, or 404",
    "stale_stock": "a read of inventory shows the numbers of stale_stock_seconds ago",
    "adjustment_partly": "a switch: of an adjustment with a bad item (422) the others are applied all the same",
    "adjustment_torn": "the second half of an adjustment's items is in force after twice the time",
    "untracked_listed": "a switch: the inventory lists items that nobody tracks, too",
    "total_lacks_credit": "a switch: total_inc_tax of new orders lacks what store credit and gift certificates paid",
}
VALUES = {
    "slow_ms": (2_000.0, "milliseconds"),
    "timeout_ms": (30_000.0, "milliseconds"),
    "equal_date_modified_seconds": (60.0, "seconds"),
    "stale_read_seconds": (30.0, "seconds"),
    "stale_stock_seconds": (10.0, "seconds"),
    "capture_seconds": (0.2, "seconds until a capture that was scheduled is made"),
}
NOUNS = {
    "orders": "SELECT id, document FROM orders WHERE id > :after ORDER BY id LIMIT :limit",
    "servedPaid": orders.SERVED_PAID,
    **shopper.NOUNS,
    **stock.NOUNS,
    **adjustments.NOUNS,
    **hooks.NOUNS,
    "products": "SELECT id, document FROM products WHERE id > :after ORDER BY id LIMIT :limit",
    "variants": "SELECT id, document FROM variants WHERE id > :after ORDER BY id LIMIT :limit",
    "locations": "SELECT id, document FROM locations WHERE id > :after ORDER BY id LIMIT :limit",
    **courier.NOUNS,
}


SCHEMA = "".join(one.SCHEMA for one in (orders, world, hooks, shopper, stock, counting, adjustments, courier))


def found(settings: BigCommerceSettings, connection: sqlite3.Connection, _seed: int) -> None:
    """The season, and its first numbers."""
    world.found(connection, settings.more_skus)
    counting.begin(connection, settings)


@asynccontextmanager
async def serving(folder: Path, *, port: int = 0, settings: BigCommerceSettings | None = None) -> AsyncIterator[Server]:
    """Serves the shop kept in ``folder`` until the block ends. Raises OSError where the port is taken."""
    settings = settings or BigCommerceSettings()
    async with World.opened(
        "bigcommerce",
        folder,
        schema=SCHEMA,
        season=partial(found, settings),
        nouns=NOUNS,
        faults={**FAULTS, **deliveries.FAULTS},
        values={**VALUES, **stock.VALUES, **deliveries.VALUES, **limits(settings)},
        seed=settings.seed,
    ) as opened:
        opened.about = settings.about
        the_shop = Shop(opened, settings)
        buyer, messenger = Shopper(the_shop), Courier(opened, Hook(opened, settings), deliveries.OWN_MARKS)
        the_shop.bell = messenger.woken.set

        async def renewed() -> None:
            await buyer.forget()
            await the_shop.remember()

        opened.after_reset, opened.before_books = renewed, the_shop.catch_up
        await the_shop.remember()
        app = web.Application(client_max_size=BODY_CEILING)
        by_hand = [*Doors(the_shop, buyer).routes(), *catalogue_routes(the_shop), *admin_app_routes(opened)]
        app.add_routes([*by_hand, *vendor_routes(the_shop)])
        async with Server.running(app, port=port) as server, background() as tasks:
            tasks.start_soon(buyer.run)
            tasks.start_soon(messenger.run)
            yield server


def vendor_routes(the_shop: Shop) -> list[web.RouteDef]:
    front = Front(the_shop)
    parts = (OrdersApi, ShipmentsApi, PaymentsApi, CapturingApi, CatalogueApi, InventoryApi, HooksApi, StoreApi)
    routes = [route for part in parts for route in part(the_shop).routes(front)]
    return [*routes, front.route("*", "/{rest:.*}", front.nowhere)]


def limits(settings: BigCommerceSettings) -> dict[str, tuple[float, str]]:
    """Another plan, another neighbour, shorter waits: values as well, while the shop is open."""
    return {
        "quota": (settings.quota, "calls in a window, of all apps together"),
        "window_seconds": (settings.window_seconds, "seconds"),
        "settle_least_seconds": (settings.settle_seconds[0], "seconds until an adjustment is in force, at least"),
        "settle_most_seconds": (settings.settle_seconds[1], "seconds until an adjustment is in force, at most"),
        "aggregated_stock": (float(settings.aggregated_stock), "1: the storefront sees all locations; 0: the default"),
        "other_app_calls_per_second": (settings.other_app_calls_per_second, "calls a second"),
        "retry_scale": (settings.retry_scale, "times the waits before a webhook's repeats, and blocks of a domain"),
    }
