"""A plain client of the sandbox's WooCommerce shop, as the tests use it: every call over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from bcbridge.sandbox.woocommerce import WooCommerceSettings, serving

JSON = dict[str, Any]
DEADLINE = 30
API = "/wp-json/wc/v3"
SECURE = {"X-Forwarded-Proto": "https"}
KEYS = ("ck_sandbox", "cs_sandbox")
QUICK = WooCommerceSettings(webhook_seconds=0.0, webhook_timeout_seconds=1.0, write_seconds=(0.0, 0.0))


class WooClient:
    """``http`` calls as it is told; ``get``, ``put`` and so on below wc/v3, behind a proxy that ends TLS."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        sent = {} if body is None else {"json": body}
        return await self.http.request(method, API + path, params=query, headers=SECURE, auth=KEYS, **sent)

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, path: str, body: Any) -> JSON:
        answer = await self.call("PUT", path, body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, JSON]:
        answer = await self.call(method, path, body, **query)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, dict(answer.json())

    # --- the sandbox's own doors

    async def post_door(self, path: str, body: Any = None) -> JSON:
        answer = await self.http.post(f"/_sandbox/{path}", json={} if body is None else body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def books(self, noun: str) -> list[JSON]:
        found: list[JSON] = []
        after: int | None = -1
        while after is not None:
            page = (await self.http.get(f"/_sandbox/books/{noun}?after={after}&limit=500")).json()
            found += page[noun]
            after = page["next"]
        return found

    async def place(self, **order: Any) -> JSON:
        """A compact order; what the API then shows of it."""
        placed = await self.post_door("orders", order)
        return dict(await self.get(f"/orders/{placed['id']}"))

    async def happens(self, order: JSON, what: str, **details: Any) -> JSON:
        await self.post_door(f"orders/{order['id']}/{what}", details)
        return dict(await self.get(f"/orders/{order['id']}"))

    async def sell(self, **wishes: Any) -> list[JSON]:
        """The books once everything in the plan is made."""
        plan = (await self.post_door("sell", wishes))["plan"]

        async def look() -> int:
            plans = (await self.http.get("/_sandbox/sell")).json()["plans"]
            return int(next(one for one in plans if one["id"] == plan)["left"])

        await until(look, lambda left: bool(left == 0))
        return await self.books("orders")

    async def order_faults(self, **asked: Any) -> None:
        await self.post_door("faults", asked)

    async def advance(self, seconds: float) -> None:
        await self.post_door("clock", {"advance_seconds": seconds})


async def until(look: Callable[[], Any], true: Callable[[Any], bool]) -> Any:
    """What ``look`` finds as soon as it is as wished; fails after the deadline."""
    with anyio.fail_after(DEADLINE):
        while True:
            found = await look()
            if true(found):
                return found
            await anyio.sleep(0.02)


@asynccontextmanager
async def shop(folder: Path, settings: WooCommerceSettings = QUICK, port: int = 0) -> AsyncIterator[WooClient]:
    async with (
        serving(folder, port=port, settings=settings) as server,
        httpx.AsyncClient(base_url=server.url, timeout=20) as http,
    ):
        yield WooClient(http)
