"""A store for the room to talk to, over real HTTP: it answers by hand-made orders, and holds every request and every
answer against BigCommerce's OpenAPI."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from bcbridge.connectors.base import HeadList, Page, Tools
from bcbridge.connectors.bigcommerce import BigCommerce, BigCommerceSettings, build
from bcbridge.connectors.bigcommerce.dates import moment
from bcbridge.model.ids import ConnectorName, Ref
from tests.connectors.bigcommerce.answers import HASH
from tests.contract.kit import Asked, Reply
from tests.contract.outside import serving
from tests.openapi import check_answer, check_request

Json = dict[str, Any]
SECRETS = {"env:TOKEN": "sandbox-token", "env:WORD": "our-word", "env:APP": "sandbox-app", "env:KEY": "app-secret"}
FULL = {
    "X-Rate-Limit-Requests-Left": "149",
    "X-Rate-Limit-Requests-Quota": "150",
    "X-Rate-Limit-Time-Window-Ms": "30000",
    "X-Rate-Limit-Time-Reset-Ms": "15000",
}
NOT_THERE = [{"status": 404, "message": "The requested resource was not found."}]


@dataclass
class Clock:
    """The present, for the room; a test moves it."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Store:
    """What it holds. ``rows``: orders by id, as ``include`` shows them."""

    rows: dict[int, Json] = field(default_factory=dict)
    products: dict[int, list[Json]] = field(default_factory=dict)
    taxes: dict[int, list[Json]] = field(default_factory=dict)
    coupons: dict[int, list[Json]] = field(default_factory=dict)
    shipments: dict[int, list[Json]] = field(default_factory=dict)
    refunds: list[Json] = field(default_factory=list)
    variants: list[Json] = field(default_factory=list)
    stock_settings: dict[int, Json] = field(default_factory=lambda: {0: {"update_stock_behavior": "order_placed"}})
    """By channel; 0: the store's own."""
    headers: Mapping[str, str] = field(default_factory=lambda: dict(FULL))
    meanwhile: Callable[[Asked], None] = lambda asked: None
    """Happens before each answer."""
    instead: Callable[[Asked], Reply | None] = lambda asked: None
    """Answers in its place."""
    asked: list[Asked] = field(default_factory=list)

    def put(self, *orders: Json) -> None:
        for one in orders:
            self.rows[one["id"]] = one

    def touch(self, number: int, at: datetime) -> None:
        self.rows[number] = {**self.rows[number], "date_modified": format_datetime(at)}

    @property
    def calls(self) -> Counter[str]:
        """Paths asked for, ids left out, and what is asked for once an hour."""
        steps = ([step for step in asked.path.split("/")[3:] if not step.isdigit()] for asked in self.asked)
        return Counter(path for path in map("/".join, steps) if path != "v3/settings/inventory")

    async def answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        self.asked.append(asked)
        body = json.loads(asked.body) if asked.body else None
        check_request(asked.method, asked.path, asked.query, body)
        assert asked.headers["accept"] == "application/json"
        self.meanwhile(asked)
        reply = self.instead(asked)
        if reply is None:
            status, said = self._answer(asked)
            check_answer(asked.method, asked.path, status, said)
            reply = Reply(status, b"" if said is None else json.dumps(said).encode(), self.headers)
        return reply.response()

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        match asked.path.split("/")[3:]:
            case ["v2", "store"]:
                return 200, {"id": HASH, "currency": "USD"}
            case ["v2", "orders"]:
                return _v2(self._page(asked.query))
            case ["v2", "orders", number]:
                return (200, self.rows[int(number)]) if int(number) in self.rows else (404, NOT_THERE)
            case ["v2", "orders", number, "products"]:
                return _v2(_slice(self.products.get(int(number), []), asked.query))
            case ["v2", "orders", number, "taxes"]:
                assert asked.query["details"] == "true"
                return _v2(_slice(self.taxes.get(int(number), []), asked.query))
            case ["v2", "orders", number, "coupons"]:
                return _v2(_slice(self.coupons.get(int(number), []), asked.query))
            case ["v2", "orders", number, "shipments"]:
                assert asked.method == "GET", "a test that ships says what is answered"
                return _v2(_slice(self.shipments.get(int(number), []), asked.query))
            case ["v3", "orders", "payment_actions", "refunds"]:
                ids = asked.query["order_id:in"].split(",")
                return _v3([one for one in self.refunds if str(one["order_id"]) in ids], asked.query)
            case ["v3", "settings", "inventory"]:
                own = self.stock_settings.get(int(asked.query.get("channel_id", 0)), {})
                return 200, {"data": own, "meta": {}}
            case ["v3", "catalog", "variants"]:
                ids = asked.query["product_id:in"].split(",")
                return _v3([one for one in self.variants if str(one["product_id"]) in ids], asked.query)
        raise AssertionError(f"not asked for in these tests: {asked.path}")

    def _page(self, query: Mapping[str, str]) -> list[Json]:
        by = query["sort"].removesuffix(":asc")
        floor = moment(query[f"min_{by}"])
        fitting = [one for one in self.rows.values() if moment(one[by]) >= floor and _is_in(one, query)]
        return _slice(sorted(fitting, key=lambda one: (moment(one[by]), one["id"])), query)


def _is_in(one: Json, query: Mapping[str, str]) -> bool:
    return not one["is_deleted"] and query.get("channel_id", str(one["channel_id"])) == str(one["channel_id"])


def _slice(rows: list[Json], query: Mapping[str, str]) -> list[Json]:
    size, page = int(query.get("limit", 50)), int(query.get("page", 1))
    return rows[(page - 1) * size : page * size]


def _v2(rows: list[Json]) -> tuple[int, Any]:
    return (200, rows) if rows else (204, None)


def _v3(rows: list[Json], query: Mapping[str, str]) -> tuple[int, Any]:
    size = int(query.get("limit", 50))
    counted = {"total": len(rows), "current_page": int(query.get("page", 1)), "total_pages": -(-len(rows) // size)}
    return 200, {"data": _slice(rows, query), "meta": {"pagination": counted}}


def a_room(url: str, *, clock: Clock | None = None, since: datetime | None = None, **changes: Any) -> BigCommerce:
    table = {"store_hash": HASH, "base_url": url, "code": "BC", "access_token": "env:TOKEN", **changes}
    settings = BigCommerceSettings.model_validate(table)
    tools = Tools(now=(clock or Clock()).now, secret=SECRETS.__getitem__, since=since)
    return build(ConnectorName("bc"), settings, tools)


@asynccontextmanager
async def a_store(**changes: Any) -> AsyncIterator[tuple[Store, BigCommerce]]:
    """An empty store, and a room that reads it."""
    store = Store()
    async with serving(store.answer) as server:
        room = a_room(server.url, **changes)
        try:
            yield store, room
        finally:
            await room.aclose()


async def listed(one: HeadList, since: str = "") -> list[Page]:
    return [page async for page in one.pages(since)]


def shown(pages: list[Page]) -> list[Ref]:
    return [head.ref for page in pages for head in page.heads]
