"""GET /api/inventory: the ledger as it is, or the publication that is served (NOTES 3, 7.3, 7.7)."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bluecherry import filters
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.exports import Exports, served
from bcbridge.sandbox.bluecherry.figures import Source
from bcbridge.sandbox.bluecherry.reading import page_of
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings
from bcbridge.sandbox.bluecherry.shapes import Stamps, shape_of

CEILING = 500
"""Largest page; a larger ``_pgsize`` is cut to it without a word."""

WALKS_KEPT = 4
"""Conditions whose keys are remembered, so that the next page of a long walk does not begin at the first row."""


class Inventory:
    """The resource, as this world's settings shape it."""

    def __init__(self, world: World, exports: Exports, settings: BlueCherrySettings) -> None:
        self._world = world
        self._exports = exports
        self._shape = shape_of(settings)
        self._stamps = Stamps(settings)
        self._walks: OrderedDict[tuple[object, ...], Sequence[Any]] = OrderedDict()

    async def read(self, query: Mapping[str, str], *, filtered: bool) -> list[Row]:
        """One page. Raises `BadFilter` where the request makes no sense."""
        number, size = page_of(query, usual=25, ceiling=CEILING)
        asked = filters.asked(query) if filtered else []
        strikes = self._world.faults.strikes
        live = self._exports.live
        if not live and number > 1 and await strikes("publish_between_pages"):
            await self._exports.publish()
        state = "before" if not live and await strikes("stock_replica_behind") else "served"
        first = (number - 1) * size

        def read(connection: sqlite3.Connection) -> list[Row]:
            publication = None if live else served(connection, state=state) or served(connection)
            fields = {name: name for name in self._shape.fields} | self._stamps.fields(publication)
            source = Source(publication, fields)
            return self._shape.rows(connection, source, self._keys(connection, source, asked, first, size))

        return await self._world.books.read(read)

    def _keys(
        self, connection: sqlite3.Connection, source: Source, asked: list[filters.Clause], first: int, size: int
    ) -> Sequence[Any]:
        """The keys of the page. Those of a publication never change: they are found once a walk."""
        where, values = source.conditions(asked)
        if source.publication is None:
            return self._shape.keys(connection, source, where, values, first, size)
        name = (source.publication, where, *values)
        if name not in self._walks:
            self._walks[name] = self._shape.keys(connection, source, where, values, 0, -1)
        self._walks.move_to_end(name)
        while len(self._walks) > WALKS_KEPT:
            self._walks.popitem(last=False)
        return self._walks[name][first : first + size]
