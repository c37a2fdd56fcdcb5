"""A plain client of the sandbox's BigCommerce shop. Whatever its API answers is held against the vendor's OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bcbridge.sandbox.bigcommerce import BigCommerceSettings, serving
from tests.openapi import check_answer, check_request
from tests.sandbox.shopify_client import until

JSON = dict[str, Any]
AUTH = {"X-Auth-Token": BigCommerceSettings().access_token, "Accept": "application/json"}
LAVISH = BigCommerceSettings(
    quota=1e9, held_seconds=(0.1, 0.2), unpaid_seconds=(0.1, 0.2), cancel_seconds=(0.1, 0.2), retry_scale=0.001
)
"""Enough quota for a test, and no long waits."""


class ShopClient:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def door(self, method: str, path: str, body: Any = None) -> JSON:
        """One of the sandbox's own doors."""
        answer = await self.http.request(method, f"/_sandbox/{path}", json=body if method != "GET" else None)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def place(self, **order: Any) -> int:
        return int((await self.door("POST", "orders", order))["id"])

    async def happen(self, order: int, what: str, **details: Any) -> JSON:
        return await self.door("POST", f"orders/{order}/{what}", details)

    async def faults(self, **ordered: Any) -> None:
        await self.door("POST", "faults", ordered)

    async def noun(self, name: str) -> list[JSON]:
        found: list[JSON] = []
        after: int | None = -1
        while after is not None:
            page = await self.door("GET", f"books/{name}?after={after}&limit=500")
            found, after = found + page[name], page["next"]
        return found

    async def sell(self, orders: int, **wishes: Any) -> None:
        plan = (await self.door("POST", "sell", {"orders": orders, "rate": 0, **wishes}))["plan"]

        async def left() -> int:
            plans = (await self.door("GET", "sell"))["plans"]
            return int(next(one["left"] for one in plans if one["id"] == plan))

        await until(left, lambda count: count == 0)

    async def settled(self) -> None:
        """Once nothing is to happen to any order any more."""
        await until(lambda: self.noun("happenings"), lambda found: not found)

    # --- the API, every call and answer checked

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """``call("GET", "v2/orders", limit=10)``; ``_`` in a name of the query stands for itself, ``__`` for ``:``."""
        asked = {name.replace("__", ":"): str(value) for name, value in query.items()}
        address = f"/stores/sandbox1/{path}"
        check_request(method, address, asked, body)
        answer = await self.http.request(method, address, params=asked, json=body)
        if "json" in answer.headers.get("content-type", "") or not answer.content:
            said = answer.json() if answer.content else None
            check_answer(method, address, answer.status_code, said)
        return answer

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a good answer; an empty list for a 204."""
        answer = await self.call("GET", path, **query)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else []

    async def status(self, path: str, **query: Any) -> int:
        return (await self.call("GET", path, **query)).status_code


@asynccontextmanager
async def shop(folder: Path, settings: BigCommerceSettings = LAVISH, port: int = 0) -> AsyncIterator[ShopClient]:
    async with (
        serving(folder, port=port, settings=settings) as server,
        httpx.AsyncClient(base_url=server.url, headers=AUTH, timeout=20) as http,
    ):
        yield ShopClient(http)
