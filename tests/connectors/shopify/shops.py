"""Shops for the room to talk to: the sandbox's, over real HTTP, and one that answers by a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
from aiohttp import web

from bcbridge.connectors.base import HeadList, Page, Tools
from bcbridge.connectors.shopify import Shopify, ShopifySettings, build
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.order import Order
from bcbridge.sandbox import shopify as sandbox

Json = dict[str, Any]

SHOP = "bcbridge-sandbox.myshopify.com"
SECRETS = {
    "env:TOKEN": "sandbox-token",
    "env:CLIENT_ID": "sandbox-client",
    "env:CLIENT_SECRET": "sandbox-secret",
    "env:WRONG": "not-the-secret",
}


@dataclass
class Clock:
    """The present, for the room; a test moves it."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def a_room(url: str, *, clock: Clock | None = None, since: datetime | None = None, **changes: Any) -> Shopify:
    """A room over the shop at ``url``; with the static token unless the changes say how else."""
    keys: Json = {} if "client_id" in changes else {"token": "env:TOKEN"}
    settings = ShopifySettings.model_validate({"shop": SHOP, "base_url": url, "code": "US", **keys, **changes})
    tools = Tools(now=(clock or Clock()).now, secret=SECRETS.__getitem__, since=since)
    return build(ConnectorName("shop"), settings, tools)


@dataclass
class World:
    """The sandbox's shop with the room that reads it."""

    room: Shopify
    http: httpx.AsyncClient
    url: str
    clock: Clock

    async def place(self, **order: Any) -> Ref:
        """Sell by hand (docs/sandbox.md): the order's gid."""
        return Ref((await self._post("/_sandbox/orders", order))["id"])

    async def sell(self, **plan: Any) -> None:
        """Let the shopper sell, and wait until all of the plan is sold."""
        number = (await self._post("/_sandbox/sell", plan))["plan"]

        async def left() -> int:
            plans = (await self.http.get("/_sandbox/sell")).json()["plans"]
            return int(next(one["left"] for one in plans if one["id"] == number))

        await until(left, lambda found: found == 0)

    async def happens(self, ref: Ref, what: str, **details: Any) -> None:
        name = await self._name(ref)
        await self._post(f"/_sandbox/orders/{name}/{what}", details)

    async def patch(self, ref: Ref, **fields: Any) -> None:
        answer = await self.http.patch(f"/_sandbox/orders/{await self._name(ref)}", json=fields)
        assert answer.is_success, answer.text

    async def fault(self, **orders: Any) -> None:
        await self._post("/_sandbox/faults", orders)

    async def read(self, ref: Ref) -> Order:
        (document,) = await self.room.orders.fetch([ref])
        return self.room.orders.read(document)

    async def _name(self, ref: Ref) -> str:
        orders = (await self.http.get("/_sandbox/books/orders?limit=5000")).json()["orders"]
        return next(str(one["name"]).lstrip("#") for one in orders if one["id"] == ref)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Json:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        content: Json = answer.json()
        return content


@asynccontextmanager
async def a_shop(folder: Path, *, plan: Mapping[str, Any] | None = None, **changes: Any) -> AsyncIterator[World]:
    """The sandbox's shop on a free port, with an index that does not lag unless ``plan`` says so."""
    settings = sandbox.ShopifySettings(
        **{"restore_rate": 100_000.0, "bucket": 100_000.0, "index_lag_seconds": 0.0, **(plan or {})}
    )
    clock = Clock()
    async with sandbox.serving(folder, settings=settings) as server:
        room = a_room(server.url, clock=clock, **changes)
        async with httpx.AsyncClient(base_url=server.url) as http:
            try:
                yield World(room, http, server.url, clock)
            finally:
                await room.aclose()


@dataclass
class Script:
    """A server that answers the next thing it was told to; every request is kept."""

    answers: list[Any] = field(default_factory=list)
    asked: list[Json] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    grants: int = 0
    url: str = ""

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("X-Shopify-Access-Token", ""))
        self.asked.append(await request.json())
        return await given(self.answers.pop(0), request)

    async def grant(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if form.get("client_secret") != SECRETS["env:CLIENT_SECRET"]:
            return web.json_response({"error": "invalid_client"}, status=400)
        self.grants += 1
        return web.json_response({"access_token": f"granted-{self.grants}", "scope": "", "expires_in": 86_399})


async def given(answer: Any, request: web.Request) -> web.StreamResponse:
    if callable(answer):
        made: Callable[[web.Request], Awaitable[web.StreamResponse]] = answer
        return await made(request)
    if isinstance(answer, tuple):
        status, body = answer
        return web.Response(status=status, text=body)
    return web.json_response(answer)


@asynccontextmanager
async def a_script(*answers: Any, **changes: Any) -> AsyncIterator[tuple[Script, Shopify]]:
    """A scripted shop and a room over it. An answer is JSON, (status, text), or a handler of its own."""
    script = Script(list(answers))
    app = web.Application()
    app.add_routes(
        [
            web.post("/admin/api/2026-10/graphql.json", script.graphql),
            web.post("/admin/oauth/access_token", script.grant),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        clock = changes.pop("clock", None)
        room = a_room(script.url, clock=clock, **changes)
        try:
            yield script, room
        finally:
            await room.aclose()
    finally:
        await runner.cleanup()


async def listed(one: HeadList, since: str = "") -> list[Page]:
    return [page async for page in one.pages(since)]


def refs(pages: list[Page]) -> list[Ref]:
    return [head.ref for page in pages for head in page.heads]


T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], true: Callable[[T], bool]) -> T:
    """What ``look`` finds as soon as it is as wished; fails after the deadline."""
    with anyio.fail_after(30):
        while True:
            found = await look()
            if true(found):
                return found
            await anyio.sleep(0.05)
