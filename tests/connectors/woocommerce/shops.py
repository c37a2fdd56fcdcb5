"""Shops for the room to talk to: the sandbox's, where every request is held against WooCommerce's own schemas, and one
that answers by a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
from aiohttp import web

from bcbridge.connectors.base import HeadList, Page, Tools
from bcbridge.connectors.budget import Budget
from bcbridge.connectors.http import Http
from bcbridge.connectors.woocommerce import WooCommerce, WooCommerceSettings, build
from bcbridge.connectors.woocommerce.client import Client
from bcbridge.connectors.woocommerce.signing import Signer, Way
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.order import Order
from bcbridge.sandbox import woocommerce as sandbox
from tests.contract.kit import Asked, Reply
from tests.contract.outside import Handler, Server, saying, serving
from tests.wordpress import check_request

Json = dict[str, Any]

SECRETS = {
    "env:KEY": "ck_sandbox",
    "env:SECRET": "cs_sandbox",
    "env:HOOK": "thehooksecret",
    "env:NEW_HOOK": "anotherhooksecret",
    "env:ODD_HOOK": "an odd & secret",
    "env:READ_KEY": "ck_sandbox_read",
    "env:READ_SECRET": "cs_sandbox_read",
}
KEYS: Json = {"consumer_key": "env:KEY", "consumer_secret": "env:SECRET", "webhook_secret": "env:HOOK"}
READ_ONLY: Json = {"consumer_key": "env:READ_KEY", "consumer_secret": "env:READ_SECRET"}
SECURE = {"X-Forwarded-Proto": "https"}
PLUGIN_STATUSES = ("packing",)
API = "/wp-json/wc/v3"
QUIET = sandbox.WooCommerceSettings(webhook_seconds=3600, write_seconds=(0.0, 0.0))


def now() -> datetime:
    return datetime.now(UTC)


def a_room(url: str, *, since: datetime | None = None, **changes: Any) -> WooCommerce:
    settings = WooCommerceSettings.model_validate({"url": url, "code": "WC", **KEYS, **changes})
    return build(ConnectorName("shop"), settings, Tools(now=now, secret=SECRETS.__getitem__, since=since))


def passing(url: str, http: httpx.AsyncClient, more: Mapping[str, str]) -> Handler:
    """A proxy that adds headers and changes nothing; what it passes on is in its server's ``asked``."""

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        headers = {name: value for name, value in asked.headers.items() if name != "content-length"}
        answer = await http.request(
            asked.method, url + request.raw_path, content=asked.body, headers={**headers, **more}
        )
        kept = {name: answer.headers[name] for name in ("X-WP-Total", "Retry-After") if name in answer.headers}
        return web.Response(status=answer.status_code, body=answer.content, headers=kept)

    return handler


@dataclass
class World:
    """The sandbox's shop with the room that reads it, through a proxy that keeps what was asked."""

    room: WooCommerce
    http: httpx.AsyncClient
    """Straight to the shop, as the merchant."""
    watched: Server
    secure: Mapping[str, str]

    async def place(self, **order: Any) -> Ref:
        cart = {"lines": [{"sku": "040123000020", "quantity": 2, "price": "28.00"}], **order}
        return Ref(str((await self._post("/_sandbox/orders", cart))["id"]))

    async def happens(self, ref: Ref, what: str, **details: Any) -> None:
        await self._post(f"/_sandbox/orders/{ref}/{what}", details)

    async def patch(self, ref: Ref, **fields: Any) -> None:
        answer = await self.http.patch(f"/_sandbox/orders/{ref}", json=fields)
        assert answer.is_success, answer.text

    async def fault(self, **orders: Any) -> None:
        await self._post("/_sandbox/faults", orders)

    async def sell(self, orders: int, **wishes: Any) -> list[Ref]:
        """Let the shopper sell, and wait until all of it is sold; every order there is."""
        plan = (await self._post("/_sandbox/sell", {"orders": orders, **wishes}))["plan"]
        with anyio.fail_after(60):
            while True:
                plans = (await self.http.get("/_sandbox/sell")).json()["plans"]
                if not next(one["left"] for one in plans if one["id"] == plan):
                    break
                await anyio.sleep(0.05)
        books = (await self.http.get("/_sandbox/books/orders?limit=5000")).json()["orders"]
        return [Ref(str(one["id"])) for one in books]

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """The REST API as any other client of the shop uses it."""
        keys = ("ck_sandbox", "cs_sandbox")
        answer = await self.http.request(method, API + path, params=query, json=body, auth=keys, headers=SECURE)
        assert answer.is_success, answer.text
        return answer.json()

    async def read(self, ref: Ref) -> Order:
        (document,) = await self.room.orders.fetch([ref])
        return self.room.orders.read(document)

    def asked(self, path: str) -> list[Asked]:
        return [one for one in self.watched.asked if one.path == API + path]

    async def _post(self, path: str, body: Mapping[str, Any]) -> Json:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        content: Json = answer.json()
        return content


@asynccontextmanager
async def a_shop(
    folder: Path,
    *,
    plan: sandbox.WooCommerceSettings = QUIET,
    secure: bool = False,
    well_formed: bool = True,
    **changes: Any,
) -> AsyncIterator[World]:
    """The sandbox's shop on a free port. ``secure``: a proxy in front of it says that the caller came over TLS.

    Whatever the room asked is, at the end, what WooCommerce takes; unless ``well_formed`` is False.
    """
    async with (
        sandbox.serving(folder, settings=plan) as server,
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
        serving(passing(server.url, http, SECURE if secure else {})) as watched,
    ):
        room = a_room(watched.url, **changes)
        try:
            yield World(room, http, watched, SECURE if secure else {})
        finally:
            await room.aclose()
    for asked in watched.asked if well_formed else ():
        body = json.loads(asked.body) if asked.body else None
        check_request(asked.method, asked.path, asked.query, body, statuses=PLUGIN_STATUSES)


@asynccontextmanager
async def another_room(shop: World, **changes: Any) -> AsyncIterator[WooCommerce]:
    """A room over the same shop, as after a restart with other settings."""
    room = a_room(shop.watched.url, **changes)
    try:
        yield room
    finally:
        await room.aclose()


@dataclass
class Script:
    """A shop that answers the next thing it was told to, and the last one for ever."""

    answers: list[Reply]
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def said(body: object, status: int = 200, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def error(code: str, status: int = 401, message: str = "no", data: object = None) -> Reply:
    return said({"code": code, "message": message, "data": {"status": status} if data is None else data}, status)


@asynccontextmanager
async def a_script(*answers: Reply, **changes: Any) -> AsyncIterator[tuple[Script, WooCommerce]]:
    script = Script(list(answers))
    async with serving(saying(script)) as server:
        room = a_room(server.url, **changes)
        try:
            yield script, room
        finally:
            await room.aclose()


@asynccontextmanager
async def a_client(url: str, *ways: Way) -> AsyncIterator[Client]:
    """The room's client with ways of its own: over loopback too, where ``auto`` would only sign."""
    http = Http("shop", url, budget=Budget(per_minute=6000), now=now, call_seconds=10)
    signer = Signer(url, key="ck_sandbox", secret="cs_sandbox", now=now)
    async with http:
        yield Client(http, signer, ways)


async def listed(one: HeadList, since: str = "") -> list[Page]:
    return [page async for page in one.pages(since)]


def refs(pages: Sequence[Page]) -> list[Ref]:
    return [head.ref for page in pages for head in page.heads]


def settings(**changes: Any) -> sandbox.WooCommerceSettings:
    return replace(QUIET, **changes)
