"""A plain client of the sandbox's shop, as the tests use it: every call over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from bcbridge.sandbox.shopify import ShopifySettings, serving

JSON = dict[str, Any]
DEADLINE = 30


class ShopClient:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, path: str, body: Any = None) -> JSON:
        answer = await self.http.post(path, json={} if body is None else body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def get(self, path: str) -> JSON:
        answer = await self.http.get(path)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def raw(self, query: str, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await self.http.post("/admin/api/2026-10/graphql.json", json=body)

    async def said(self, query: str, **variables: Any) -> JSON:
        answer = await self.raw(query, **variables)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ask(self, query: str, **variables: Any) -> JSON:
        said = await self.said(query, **variables)
        assert "errors" not in said, said["errors"]
        return dict(said["data"])

    async def place(self, **order: Any) -> JSON:
        return await self.post("/_sandbox/orders", order)

    async def order(self, name: str) -> JSON:
        return await self.get(f"/_sandbox/orders/{name.lstrip('#')}")

    async def orders(self) -> list[JSON]:
        found: list[JSON] = []
        after = -1
        while True:
            page = await self.get(f"/_sandbox/books/orders?after={after}&limit=200")
            found += page["orders"]
            if page["next"] is None:
                return found
            after = page["next"]

    async def sold(self, plan: int) -> JSON:
        """The plan once everything in it is made."""
        return dict(await until(lambda: self.plan(plan), lambda one: bool(one["left"] == 0)))

    async def plan(self, plan: int) -> JSON:
        plans = (await self.get("/_sandbox/sell"))["plans"]
        return next(one for one in plans if one["id"] == plan)


async def until(look: Callable[[], Any], true: Callable[[Any], bool]) -> Any:
    """What ``look`` finds as soon as it is as wished; fails after the deadline."""
    with anyio.fail_after(DEADLINE):
        while True:
            found = await look()
            if true(found):
                return found
            await anyio.sleep(0.02)


@asynccontextmanager
async def shop(folder: Path, settings: ShopifySettings | None = None, port: int = 0) -> AsyncIterator[ShopClient]:
    quick = settings or ShopifySettings(index_lag_seconds=0, bucket=1e9, restore_rate=1e6)
    headers = {"X-Shopify-Access-Token": "sandbox-token"}
    async with (
        serving(folder, port=port, settings=quick) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, timeout=20) as http,
    ):
        yield ShopClient(http)
