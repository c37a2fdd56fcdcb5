"""This ERP's own doors under ``/_sandbox/``: its jobs run now, its people at work, its stock set."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Set
from dataclasses import asdict
from typing import Any

from aiohttp import web

from bcbridge.sandbox.base import World, answer, object_of
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.exports import Exports
from bcbridge.sandbox.bluecherry.movements import happen
from bcbridge.sandbox.bluecherry.pen import Pen, Pens
from bcbridge.sandbox.bluecherry.posting import PostingJob
from bcbridge.sandbox.bluecherry.range import RANGE_KEYS, grow
from bcbridge.sandbox.bluecherry.styles import STYLE_KEYS, alter_style

Work = Callable[[sqlite3.Connection, Row, Pen], object]
"""What somebody asks for at a door, done in one transaction; ValueError and its kind for nonsense."""


def _styles(connection: sqlite3.Connection, asked: Row, pen: Pen) -> Row:
    return alter_style(connection, asked, stamp=pen.stamp)


def _stock(connection: sqlite3.Connection, asked: Row, pen: Pen) -> Row:
    return happen(connection, asked.get("movements"), pen)


class Doors:
    """``post``, ``publish``: a job, now. ``styles``, ``stock``, ``skus``: the ERP's people."""

    def __init__(self, world: World, pens: Pens, job: PostingJob, exports: Exports) -> None:
        self._world = world
        self._pens = pens
        self._job = job
        self._exports = exports

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/_sandbox/post", self.post),
            web.post("/_sandbox/publish", self.publish),
            web.post("/_sandbox/styles", self._door(STYLE_KEYS, _styles)),
            web.post("/_sandbox/stock", self._door({"movements"}, _stock)),
            web.post("/_sandbox/skus", self._door(RANGE_KEYS, grow)),
        ]

    async def post(self, _: web.Request) -> web.Response:
        return answer(asdict(await self._job.cycle()))

    async def publish(self, request: web.Request) -> web.Response:
        """Builds a stock export at once, whatever time a build takes; with ``share``, up to that share of the rows."""
        try:
            asked = await object_of(request, known={"share"})
            share = float(asked["share"]) if "share" in asked else None
            if self._exports.live:
                raise ValueError("figures are live: stock_cycle_seconds is 0")
            if not 0 <= (share or 0) <= 1:
                raise ValueError("share: a number from 0 to 1")
        except (ValueError, TypeError) as error:
            return answer({"error": str(error)}, 400)
        return answer(await self._exports.publish(share))

    def _door(self, keys: Set[str], work: Work) -> Any:
        async def do(request: web.Request) -> web.Response:
            try:
                asked = await object_of(request, known=set(keys))
                pen = self._pens()
                return answer(await self._world.books.write(lambda c: work(c, asked, pen)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                return answer({"error": str(error), "keys": sorted(keys)}, 400)

        return do
