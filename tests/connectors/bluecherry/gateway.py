"""A gateway that answers what a test says, and remembers what it was asked; and a room that calls it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from bcbridge.connectors.base import Erp, Tools
from bcbridge.connectors.bluecherry.connector import build
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.model.ids import ConnectorName

NOW = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
KEY = "k3y-of-the-brand"
ERP_TIME, UTC_ZONE = ZoneInfo("America/New_York"), ZoneInfo("UTC")
"""Loaded here: reading a zone's file blocks, and config.toml is read before there is a loop."""


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def filter(self) -> str:
        return self.query.get("$filter", "")


def ok(body: object) -> web.Response:
    return said(200, body)


def said(status: int, body: object, **headers: str) -> web.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return web.Response(status=status, body=raw, headers={name.replace("_", "-"): one for name, one in headers.items()})


def headers(*rows: object) -> web.Response:
    """A page of documents."""
    return ok({"data": {"header": list(rows)}})


Answer = Callable[[Call], web.Response]


@dataclass
class Gateway:
    """``answer`` says what comes back; ``calls`` is what was asked."""

    answer: Answer
    url: str = ""
    calls: list[Call] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response:
        call = Call(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        self.calls.append(call)
        return self.answer(call)


@asynccontextmanager
async def gateway(answer: Answer) -> AsyncIterator[Gateway]:
    standing = Gateway(answer)
    runner = web.ServerRunner(web.Server(standing))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    standing.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield standing
    finally:
        await runner.cleanup()


def settings(url: str, **changes: Any) -> BlueCherrySettings:
    given = {
        "base_url": f"{url}/EXAMPL",
        "subscription_key": "env:KEY",
        "erp_timezone": ERP_TIME.key,
        "requests_per_minute": 60_000,
        "request_timeout_seconds": 5,
    }
    return BlueCherrySettings.model_validate(given | changes)


@asynccontextmanager
async def room(url: str, now: Callable[[], datetime] = lambda: NOW, **changes: Any) -> AsyncIterator[Erp]:
    tools = Tools(now=now, secret=lambda reference: KEY)
    connector = build(ConnectorName("bluecherry"), settings(url, **changes), tools)
    try:
        yield connector
    finally:
        await connector.aclose()


@asynccontextmanager
async def calling(answer: Answer, **changes: Any) -> AsyncIterator[tuple[Erp, Gateway]]:
    async with gateway(answer) as standing, room(standing.url, **changes) as connector:
        yield connector, standing


_EQ = re.compile(r"po_num eq '((?:[^']|'')*)'")
_GT = re.compile(r"last_mod gt '([^']*)'")


@dataclass
class Orders:
    """An ERP's list of orders: the documented filter, strict ``gt``, pages by key."""

    rows: list[dict[str, Any]]

    def __call__(self, call: Call) -> web.Response:
        found = [row for row in self.rows if self._fits(row, call.filter)]
        size, page = int(call.query["_pgsize"]), int(call.query["_pgno"])
        return headers(*found[(page - 1) * size : page * size])

    @staticmethod
    def _fits(row: dict[str, Any], text: str) -> bool:
        wanted, after = _EQ.fullmatch(text), _GT.fullmatch(text)
        if wanted:
            return bool(row["po_num"] == wanted[1].replace("''", "'"))
        return after is None or row["last_mod"] > after[1]
