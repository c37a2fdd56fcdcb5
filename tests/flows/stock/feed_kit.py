"""An ERP's figures in memory: publications of a ledger, read page by page; and the real memory beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bcbridge.errors import Reject
from bcbridge.flows.stock.pull import Pulls
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import Upc
from bcbridge.model.stock import EvidenceRules, Spot, StockPage, StockRow
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute, rules
from bcbridge.store.stock.figures import FigureMemory
from tests.store.stock.books import WOO, outlet
from tests.stores import empty_store

TEN = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after ten o'clock."""
    return TEN + timedelta(minutes=minutes)


def row(
    upc: str,
    ots: int,
    *,
    stamped: float | None = None,
    export: float | None = None,
    warehouse: str = "NJ1",
    lot: str = "",
) -> StockRow:
    return StockRow(
        Upc(upc),
        Spot(warehouse, lot),
        (ots, ots, ots),
        stamp=None if stamped is None else at(stamped),
        export=None if export is None else at(export),
    )


@dataclass
class Clock:
    """Our clock; it stands until a test moves it."""

    minutes: float = 0.0

    def now(self) -> datetime:
        return at(self.minutes)


@dataclass
class Erp:
    """A StockFeed. ``pages``: what everything answers; ``delta``: what changed; ``before_page``: what happens between
    two pages."""

    clock: Clock
    rules: EvidenceRules
    pages: list[list[StockRow]] = field(default_factory=list)
    delta: list[list[StockRow]] = field(default_factory=list)
    whole: bool = True
    breaks_after: int | None = None
    before_page: Callable[[int], None] = lambda number: None
    counts: list[int] = field(default_factory=list)
    counts_refused: bool = False
    since: list[Cursor] = field(default_factory=list)
    mark: str = "mark"

    async def changed(self, since: Cursor) -> AsyncIterator[StockPage]:
        self.since.append(since)
        async for page in self._answer(self.delta, whole=self.whole):
            yield page

    async def everything(self) -> AsyncIterator[StockPage]:
        async for page in self._answer(self.pages, whole=self.whole):
            yield page

    async def set_echo(self, count: int) -> None:
        if self.counts_refused:
            raise Reject(["no such SKU"])
        self.counts.append(count)

    async def _answer(self, pages: Sequence[Sequence[StockRow]], *, whole: bool) -> AsyncIterator[StockPage]:
        many = len(pages) or 1
        for number in range(many):
            self.before_page(number)
            if self.breaks_after == number:
                raise ConnectionError("the ERP hung up")
            now = self.clock.now()
            rows = tuple(pages[number]) if pages else ()
            last = number == many - 1
            yield StockPage(rows, now, now, self.mark, last=last, whole=last and whole)


@dataclass
class Scene:
    """One channel that is blind, fed from one warehouse, and the pulls of its ERP."""

    store: Store
    clock: Clock
    erp: Erp
    pulls: Pulls
    rung: set[str] = field(default_factory=set)

    async def sold(self, upc: str, *, posted_by: float | None = None, qty: int = 1) -> None:
        state, by = ("sent", None) if posted_by is None else ("posted", stamp(at(posted_by)))
        await self.act(
            lambda tx: tx.execute(
                "INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, posted_by)"
                " VALUES ('shopify_us', '1001', ?, 'NJ1', ?, ?, ?, ?)",
                (upc, qty, state, stamp(TEN), by),
            ),
            upc,
        )

    async def act(self, unit: Callable[[sqlite3.Connection], object], *upcs: str) -> None:
        def whole(tx: sqlite3.Connection) -> None:
            unit(tx)
            compute.mark(tx, upcs, now=self.clock.now())

        await self.store.write(whole)

    async def target(self, upc: str) -> int | None:
        found = await self.store.read.row("SELECT target FROM stock_shown WHERE sku = ?", (upc,))
        assert found is not None
        number: int | None = found["target"]
        return number

    async def feed(self) -> sqlite3.Row:
        found = await self.store.read.row("SELECT * FROM stock_feeds")
        assert found is not None
        return found

    def restarted(self) -> Pulls:
        """The same pulls in a new process: nothing is resident."""
        return replace(self.pulls, _resident=None)


@asynccontextmanager
async def scene(tmp_path: Path, allowed: EvidenceRules, *upcs: str) -> AsyncIterator[Scene]:
    store, clock = Store(empty_store(tmp_path / "bcbridge.db")), Clock()
    erp = Erp(clock, allowed)
    rung: set[str] = set()
    await store.open()
    try:
        memory = FigureMemory(store, "bc", clock.now, rung.update)

        def unit(tx: sqlite3.Connection) -> None:
            rules.keep_outlets(tx, [outlet(WOO)])
            tx.executemany(
                "INSERT INTO stock_shown (sku, channel, location, item, explained) VALUES (?, ?, 'L1', ?, 0)",
                [(upc, WOO, f"item/{upc}") for upc in upcs],
            )

        await store.write(unit)
        yield Scene(store, clock, erp, Pulls(erp, memory, clock.now), rung)
    finally:
        await store.close()
