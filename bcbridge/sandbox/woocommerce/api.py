"""The REST API ``/wp-json/wc/v3``: who calls, what befalls the call, and the route it asks for.

Whatever goes wrong on the way (a page of HTML, a warning of PHP's before the JSON) goes wrong here, around every route
alike; `Routes` says what each of them answers.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import anyio
from aiohttp import web

from bcbridge.sandbox.base import hang_up
from bcbridge.sandbox.woocommerce import about
from bcbridge.sandbox.woocommerce.answers import CRITICAL, PAGES, Answer, page, response
from bcbridge.sandbox.woocommerce.fulfilling import Fulfilling
from bcbridge.sandbox.woocommerce.refusals import Refused, no_route, not_refunded
from bcbridge.sandbox.woocommerce.routes import Routes
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings
from bcbridge.sandbox.woocommerce.shop import Shop
from bcbridge.sandbox.woocommerce.signing import Guard, home
from bcbridge.sandbox.woocommerce.stocking import Silent, Stocking

BASE = "/wp-json/wc/v3"
WRITES = ("PUT", "POST", "PATCH")
OF_STOCK = BASE + "/products"
TRACKINGS = f"/wp-json/{about.TRACKING}" + r"/orders/{id:\d+}/shipment-trackings"
OF_DISPATCH = re.compile(r"/orders/\d+(/(fulfillments|notes|shipment-trackings)(/\d+)?)?$")
OF_ORDER = re.compile(r"/orders/\d+$")
Handler = Callable[[web.Request], Awaitable[Answer]]
Offered = Callable[[WooCommerceSettings], bool]

FAULTS = {
    "slow": "answers slow_ms later",
    "timeout": "keeps the call for timeout_ms, then hangs up; nothing was done",
    "html_200": "200 with a page of HTML, as a cache or a bot check makes it",
    "html_403": "403 with a page of HTML, as a firewall makes it",
    "html_503": "503 with a page of HTML, as a site in maintenance makes it",
    "php_warning": "does what was asked, with a warning of PHP's before the JSON",
    "http_500": "500, a critical error of the site",
    "bare_data": "500 with a bare number as data",
    "validation_500": "a write is refused with a validation's words in a 500, data a bare number; nothing was done",
    "http_429": "429 with Retry-After, as the host makes it",
    "key_401": "401 as without credentials, whatever the key: it, or its user, is gone",
    "auth_stripped": "the host drops the Authorization header",
    "api_gone": "404 rest_no_route for everything below wc/v3: the plugin is switched off",
    "answer_lost": "does what was asked, then hangs up",
    "stock_lost": "a write of products: hangs up, nothing was done",
    "stock_answer_lost": "a write of products: does what was asked, then hangs up",
    "stock_late": "a write of products: hangs up at once, and does what was asked stock_late_ms later",
    "fulfil_call_lost": "a call that tells what left, or marks an order: hangs up, nothing was done",
    "fulfil_answer_lost": "a call that tells what left, or marks an order: does what was asked, then hangs up",
    "amend_call_lost": "a write of an order itself: hangs up, nothing was done",
    "amend_answer_lost": "a write of an order itself: does what was asked, then hangs up",
    "batch_500": "a batch of products breaks off with a 500; the first half of it is done",
    "plugin_counts": "after a write of products a plugin counts the first of them anew, and finds one piece less",
    "moving_list": "when a page of orders by date modified has a next one, its first two orders are saved meanwhile",
    "equal_updated_at": "stamps are rounded down to equal_updated_at_seconds, so that many orders share one",
    "late_commit": "this change shows only late_commit_seconds after the stamp it has",
    "webhook_owner_gone": "the user who made the webhooks is gone: their body is an error",
}
VALUES = {
    "slow_ms": (2_000.0, "milliseconds"),
    "timeout_ms": (30_000.0, "milliseconds"),
    "retry_after_seconds": (2.0, "seconds"),
    "equal_updated_at_seconds": (60.0, "seconds"),
    "late_commit_seconds": (5.0, "seconds"),
    "stock_late_ms": (3_000.0, "milliseconds"),
}


class Api:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.guard = Guard(shop.settings)
        self.answers = Routes(shop)
        self.stocking = Stocking(shop)
        self.fulfilling = Fulfilling(shop)

    def routes(self) -> list[web.RouteDef]:
        answers, stocking = self.answers, self.stocking
        known: list[tuple[str, str, Handler]] = [
            ("GET", "/orders", answers.orders),
            ("GET", r"/orders/{id:\d+}", answers.order),
            *((method, r"/orders/{id:\d+}", answers.change_order) for method in WRITES),
            ("DELETE", r"/orders/{id:\d+}", answers.delete_order),
            ("GET", "/orders/statuses", answers.statuses),
            ("GET", r"/orders/{id:\d+}/refunds", answers.refunds_of),
            ("POST", r"/orders/{id:\d+}/refunds", answers.refund),
            ("GET", r"/orders/{id:\d+}/refunds/{refund:\d+}", answers.one_refund),
            ("GET", "/refunds", answers.refunds),
            ("GET", r"/orders/{id:\d+}/notes", answers.notes),
            ("POST", r"/orders/{id:\d+}/notes", answers.note),
            ("GET", "/webhooks", answers.webhooks),
            ("POST", "/webhooks", answers.subscribe),
            ("GET", r"/webhooks/{id:\d+}", answers.webhook),
            *((method, r"/webhooks/{id:\d+}", answers.change_webhook) for method in WRITES),
            ("DELETE", r"/webhooks/{id:\d+}", answers.unsubscribe),
            ("GET", "/products", answers.products),
            ("GET", r"/products/{id:\d+}", answers.product),
            *((method, r"/products/{id:\d+}", stocking.product) for method in WRITES),
            *((method, "/products/batch", stocking.products) for method in WRITES),
            ("GET", r"/products/{id:\d+}/variations", answers.variations),
            *((method, r"/products/{id:\d+}/variations/batch", stocking.variations) for method in WRITES),
            ("GET", r"/products/{id:\d+}/variations/{variation:\d+}", answers.variation),
            *((method, r"/products/{id:\d+}/variations/{variation:\d+}", stocking.variation) for method in WRITES),
            ("GET", "/system_status", answers.system_status),
            ("GET", r"/settings/{group:[\w-]+}", answers.settings_group),
            ("GET", r"/settings/{group:[\w-]+}/{id:[\w-]+}", answers.setting),
            ("GET", "/data/currencies/current", answers.currency),
        ]
        open_to_all = [web.get(path, self.answered(answers.index)) for path in ("/wp-json", "/wp-json/")]
        namespace = web.get(BASE, self.answered(answers.namespace))
        return [
            *open_to_all,
            namespace,
            *(web.route(method, BASE + path, self.answered(handler, keyed=True)) for method, path, handler in known),
            *self.dispatch_routes(),
            web.route("*", "/wp-json/{tail:.*}", self.answered(nothing_here)),
        ]

    def dispatch_routes(self) -> list[web.RouteDef]:
        """There only where the merchant has switched them on, or installed them."""
        fulfilling, of = self.fulfilling, BASE + r"/orders/{id:\d+}/fulfillments"
        one = of + r"/{fulfillment:\d+}"
        own: list[tuple[str, str, Handler]] = [
            ("GET", of, fulfilling.fulfilments),
            ("POST", of, fulfilling.fulfil),
            ("GET", one, fulfilling.fulfilment),
            *((method, one, fulfilling.change) for method in WRITES),
            ("DELETE", one, fulfilling.remove),
            ("GET", one + "/metadata", fulfilling.metadata),
        ]
        plugins: list[tuple[str, str, Handler]] = [
            ("GET", TRACKINGS, fulfilling.trackings),
            ("POST", TRACKINGS, fulfilling.track),
        ]
        sorts: list[tuple[Offered, list[tuple[str, str, Handler]]]] = [
            (lambda settings: settings.fulfillments, own),
            (lambda settings: settings.shipment_tracking, plugins),
        ]
        return [
            web.route(method, path, self.answered(handler, keyed=True, offered=offered))
            for offered, routes in sorts
            for method, path, handler in routes
        ]

    def answered(
        self, handler: Handler, *, keyed: bool = False, offered: Offered = lambda _: True
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """One call, from door to door."""

        async def call(request: web.Request) -> web.Response:
            strikes = self.shop.world.faults.strikes
            spoilt = await self.spoilt(request)
            if spoilt is not None:
                return spoilt
            try:
                there = offered(self.shop.settings)
                said = await self.said(request, handler if there else nothing_here, keyed=keyed and there)
            except Silent:
                return hang_up(request)
            if said.read_on and await strikes("moving_list"):
                await self.shop.touch(said.read_on)
            if await strikes("answer_lost") or (of_stock(request) and await strikes("stock_answer_lost")):
                return hang_up(request)
            if of_dispatch(request) and await strikes("fulfil_answer_lost"):
                return hang_up(request)
            if of_order(request) and await strikes("amend_answer_lost"):
                return hang_up(request)
            return response(said, home(request), warned=await strikes("php_warning"))

        return call

    async def said(self, request: web.Request, handler: Handler, *, keyed: bool) -> Answer:
        allow = {"Allow": about.allowed(request.path.removeprefix(BASE))} if keyed else {}
        try:
            if keyed:
                await self.admit(request)
            await self.shop.show_late()
            said = await handler(request)
        except Refused as refused:
            return Answer(refused.body, refused.status, allow if refused.status != 401 else {})
        if said.paid:
            await self.shop.served_paid(said.paid)
        return Answer(said.body, said.status, {**allow, **said.headers}, read_on=said.read_on)

    async def admit(self, request: web.Request) -> None:
        strikes = self.shop.world.faults.strikes
        stripped = self.shop.settings.strips_authorization or await strikes("auth_stripped")
        gone = await strikes("key_401")
        self.guard.admit(request, self.shop.now(), header_stripped=stripped, key_gone=gone)

    async def spoilt(self, request: web.Request) -> web.Response | None:
        """What befalls a call before the shop has looked at it."""
        faults = self.shop.world.faults
        if await faults.strikes("slow"):
            await anyio.sleep(faults.value("slow_ms") / 1000)
        if await faults.strikes("timeout"):
            await anyio.sleep(faults.value("timeout_ms") / 1000)
            return hang_up(request)
        if of_stock(request) and await faults.strikes("stock_lost"):
            return hang_up(request)
        if of_dispatch(request) and await faults.strikes("fulfil_call_lost"):
            return hang_up(request)
        if of_order(request) and await faults.strikes("amend_call_lost"):
            return hang_up(request)
        for name in PAGES:
            if await faults.strikes(name):
                return page(name)
        if await faults.strikes("http_429"):
            wait = str(int(faults.value("retry_after_seconds")))
            return web.Response(text="Too Many Requests", status=429, headers={"Retry-After": wait})
        refused = await self.refused(request)
        return None if refused is None else response(Answer(refused.body, refused.status), home(request))

    async def refused(self, request: web.Request) -> Refused | None:
        strikes = self.shop.world.faults.strikes
        if await strikes("http_500"):
            return Refused(500, "internal_server_error", CRITICAL, {"status": 500})
        if await strikes("bare_data"):
            return Refused(500, "internal_server_error", "Something is wrong.", 500)
        if request.method != "GET" and await strikes("validation_500"):
            return not_refunded("Invalid refund amount.")
        if request.path.startswith(BASE) and await strikes("api_gone"):
            return no_route()
        return None


def of_stock(request: web.Request) -> bool:
    """Whether it writes products."""
    return request.method != "GET" and request.path.startswith(OF_STOCK)


def of_dispatch(request: web.Request) -> bool:
    """Whether it tells what left: a fulfilment, a tracking, a note, or a word of the order itself."""
    return request.method != "GET" and OF_DISPATCH.search(request.path) is not None


def of_order(request: web.Request) -> bool:
    """Whether it writes an order itself."""
    return request.method in WRITES and OF_ORDER.search(request.path) is not None


async def nothing_here(_: web.Request) -> Answer:
    raise no_route()
