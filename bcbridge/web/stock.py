"""``GET /stock/{channel}/{sku}``: what may be promised now, and why, for a checkout that asks first.

Nothing is reserved by asking. The answer is this moment's: figures less every order of any channel that was looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from bcbridge.errors import StoreBusy
from bcbridge.store.stock.promise import Promise
from bcbridge.web.jsonable import dumps

SKU_LENGTH = 64

Promises = Callable[[str, str], Awaitable[Sequence[Promise]]]
"""What a channel may promise of a SKU, at each of its locations. Raises StoreBusy."""


async def no_promises(channel: str, sku: str) -> Sequence[Promise]:
    """Where no stock is kept."""
    return ()


@dataclass(frozen=True, slots=True)
class Answer:
    """``pieces``: of all locations together; None where the ERP's figures were not read yet."""

    channel: str
    sku: str
    pieces: int | None
    locations: Sequence[Promise]


class StockDoor:
    def __init__(self, promises: Promises) -> None:
        self._promises = promises

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/stock/{channel}/{sku}", self.ask)]

    async def ask(self, request: web.Request) -> web.Response:
        channel, sku = request.match_info["channel"], request.match_info["sku"]
        if len(sku) > SKU_LENGTH:
            return _refused(400, f"a SKU has at most {SKU_LENGTH} characters")
        try:
            promises = await self._promises(channel, sku)
        except (StoreBusy, sqlite3.Error) as fault:
            return _refused(503, f"the store cannot be read now: {type(fault).__name__}")
        if not promises:
            return _refused(404, f"no stock is kept for a channel {channel}")
        answer = Answer(channel, sku, _together(promises), promises)
        return web.Response(body=dumps(answer), content_type="application/json", headers={"Cache-Control": "no-store"})


def _together(promises: Sequence[Promise]) -> int | None:
    pieces = [one.pieces for one in promises if one.pieces is not None]
    return sum(pieces) if pieces else None


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
