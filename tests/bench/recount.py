"""Stock work on a real store, for the bench: everything reckoned anew, a pull, a shelf read; and who watches it.

*Everything anew* is what a change of an outlet brings about (house/rulebook.py): all SKUs that any channel shows are
marked, a slice at a time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import anyio

from bcbridge.flows.stock.pull import Pulls
from bcbridge.house.rulebook import RuleBook
from bcbridge.mappings import Mappings
from bcbridge.model.ids import Ref
from bcbridge.model.shelf import Kept
from bcbridge.model.stock import NumberRule, ShelfItem
from bcbridge.store.db import Store
from bcbridge.store.stock.figures import FigureMemory
from bcbridge.store.stock.shelf import ShelfMemory
from tests.bench.assortment import CHANNELS, CYCLE, Assortment, upc
from tests.bench.stockroom import ERP, LOCATION, moment, outlets, publication

T = TypeVar("T")
TICK_SECONDS = 0.002
SHELF = 50_000
READ = moment(CYCLE + 60)


@dataclass
class Watch:
    """What stock work did to others, in milliseconds. ``held``: how long the writer was with each group of units, its
    commit included; ``late``: by how much the loop woke somebody too late."""

    seconds: float = 0.0
    held: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    async def tick(self) -> None:
        """The loop should wake us so much later; it is late by what it stalled."""
        while True:
            began = perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            self.late.append((perf_counter() - began - TICK_SECONDS) * 1000)


class Watched(Store):
    """Notes how long the writer is with each group."""

    async def write(self, unit: Callable[[sqlite3.Connection], T], *, intake: bool = False, long: bool = False) -> T:
        figures = self.figures
        figures.longest_seconds = 0.0
        try:
            return await super().write(unit, intake=intake, long=long)
        finally:
            self.held.append(figures.longest_seconds * 1000)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.held: list[float] = []


@asynccontextmanager
async def watched(store: Watched) -> AsyncIterator[Watch]:
    """Stock work writes one unit after the other: each is a group of its own."""
    watch = Watch()
    store.held.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.tick)
        began = perf_counter()
        yield watch
        watch.seconds = perf_counter() - began
        tasks.cancel_scope.cancel()
    watch.held = sorted(store.held)
    watch.late.sort()


# -- the work --------------------------------------------------------------------------------------------------------


def rulebook(store: Store) -> RuleBook:
    return RuleBook(store, Mappings, lambda: READ, on_due=lambda: None)


async def everything(book: RuleBook, *, extra: int) -> None:
    """One channel holds so many more pieces back: every number of every SKU is reckoned, and a third of them moves."""
    for outlet in outlets()[:1]:
        rule = NumberRule(buffer=outlet.rule.buffer + extra)
        await book.take_over(outlet.channel, [replace(outlet, rule=rule)])


async def recompute(store: Store, of: Assortment) -> None:
    await everything(rulebook(store), extra=3)


Work = Callable[[Store, Assortment], Awaitable[Callable[[], Awaitable[object]]]]
"""Prepares; what it returns is measured."""


async def prepared_recompute(store: Store, of: Assortment) -> Callable[[], Awaitable[object]]:
    return lambda: recompute(store, of)


async def prepared_pull(store: Store, of: Assortment) -> Callable[[], Awaitable[object]]:
    feed = publication(of, after=True, at=READ)
    pulls = Pulls(feed, FigureMemory(store, ERP, lambda: READ), lambda: READ)
    await pulls.changed()
    return pulls.everything


async def prepared_shelf(store: Store, of: Assortment) -> Callable[[], Awaitable[object]]:
    """A shelf of which nothing is known yet: its first read."""
    await store.write(lambda tx: tx.execute("DELETE FROM stock_shown WHERE channel = ? AND sku < ?", _first_shelf(of)))
    memory = ShelfMemory(store, CHANNELS[2], lambda: READ, new_key=str)
    pages = list(_pages(min(SHELF, of.skus)))

    async def read() -> None:
        number = await memory.begin_read()
        for page in pages:
            await memory.keep_items(number, page)
        await memory.end_read(number, [], healed=False)

    return read


def _first_shelf(of: Assortment) -> tuple[str, str]:
    return CHANNELS[2], upc(min(SHELF, of.skus))


def _pages(many: int, size: int = 1_000) -> Iterator[Sequence[Kept]]:
    items = [
        ShelfItem(Ref(LOCATION), Ref(f"item/{at}"), Ref(""), Ref(f"v/{at}"), upc(at), None, "A dress", 5)
        for at in range(many)
    ]
    for first in range(0, many, size):
        yield [Kept(item.sku, item) for item in items[first : first + size]]


WORK: dict[str, Work] = {"recompute": prepared_recompute, "pull": prepared_pull, "shelf": prepared_shelf}
