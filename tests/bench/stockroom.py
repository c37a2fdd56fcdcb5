"""A store in which all of an assortment is on show: what the product's measurements of stock begin with."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from bcbridge.model.ids import Ref, Upc
from bcbridge.model.stock import Evidence, EvidenceRules, NumberRule, Outlet, ShelfRules, Spot, StockPage, StockRow
from bcbridge.store.db import connect, migrate
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import rules
from tests.bench.assortment import (
    BUFFERS,
    BUILD,
    CHANNELS,
    COMPARES,
    PAGE,
    PARENT,
    Assortment,
    upc,
)

ERP = "bluecherry"
WAREHOUSE = "NJ1"
SPOT = Spot(WAREHOUSE, "")
LOCATION = "L1"
PUBLISHED = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
"""The first publication."""
BUILDS = timedelta(seconds=BUILD)
EVIDENCE = EvidenceRules((Evidence.EXPORT_WRITTEN,), build=BUILDS)
_FIGURE = """
INSERT INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, dated, as_of, evidence, read_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DEMAND = """
INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, reference, posted_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SHOWN = """
INSERT INTO stock_shown (sku, channel, location, item, grp, variant, explained, answered_at, target, seen)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
"""
_FEED = """
INSERT INTO stock_feeds (erp, mark, floor, moved_at, pull_began, pull_ended, published_at, released_upto)
VALUES (:erp, 'mark', :floor, :at, :at, :at, :at, :floor)
"""
_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE 'stock_%' AND sql IS NOT NULL"


def moment(seconds: float) -> datetime:
    return PUBLISHED + timedelta(seconds=seconds)


def outlets() -> list[Outlet]:
    """One of each kind, all fed from one warehouse."""
    return [
        Outlet(
            channel=channel,
            location=Ref(LOCATION),
            erp=ERP,
            warehouses=(WAREHOUSE,),
            shelf=ShelfRules(compares=compares),
            rule=NumberRule(buffer=buffer),
        )
        for channel, buffer, compares in zip(CHANNELS, BUFFERS, COMPARES, strict=True)
    ]


def build(path: Path, of: Assortment) -> None:
    """As after the first publication: every number told, nothing due."""
    migrate(path)
    with closing(connect(path)) as tx:
        tx.execute("PRAGMA synchronous = OFF")
        indexes = tx.execute(_INDEXES).fetchall()
        tx.execute("BEGIN")
        for index in indexes:  # made at the end, at once
            tx.execute(f"DROP INDEX {index['name']}")
        rules.keep_outlets(tx, outlets())
        tx.execute(_FEED, {"erp": ERP, "floor": stamp(moment(-BUILD)), "at": stamp(PUBLISHED)})
        tx.executemany(_FIGURE, _figures(of))
        tx.executemany(_DEMAND, _demand(of))
        tx.executemany(_SHOWN, _shown(of))
        for index in indexes:
            tx.execute(index["sql"])
        tx.execute("COMMIT")
        tx.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copied(base: Path, to: Path) -> None:
    """And on disk: nobody's sync shall wait for it."""
    shutil.copyfile(base, to)
    with to.open("rb+") as file:
        os.fsync(file.fileno())


def _figures(of: Assortment) -> Iterator[tuple[object, ...]]:
    read = stamp(PUBLISHED)
    for sku, ots, said in zip(of.upcs(), of.before(), of.stamps(after=False), strict=True):
        own, as_of = stamp(moment(said)), stamp(moment(said - BUILD))
        lots = f'{{"":{{"ots":{ots},"qoh_minus_pick":{ots},"ots_wip":{ots}}}}}'
        dated = f'{{"":["{as_of}","{own}",""]}}'
        yield sku, ERP, WAREHOUSE, ots, ots, ots, lots, dated, as_of, Evidence.EXPORT_WRITTEN.value, read


def _demand(of: Assortment) -> Iterator[tuple[object, ...]]:
    upcs, seen = of.upcs(), stamp(PUBLISHED - timedelta(hours=1))
    for at, row in enumerate(of.rows()):
        posted = None if row.posted_by is None else stamp(moment(row.posted_by))
        order, state = f"order/{at}", "posted" if posted else "sent"
        yield CHANNELS[row.channel], order, upcs[row.sku], WAREHOUSE, row.pieces, state, seen, f"PO-{at}", posted


def _shown(of: Assortment) -> Iterator[tuple[object, ...]]:
    answered = stamp(PUBLISHED)
    for at, (sku, told) in enumerate(zip(of.upcs(), of.explained(), strict=True)):
        for channel, number in sorted(zip(CHANNELS, told, strict=True)):
            yield sku, channel, LOCATION, f"item/{at}", f"{at // PARENT}", f"v/{at}", number, answered, number


def stock_rows(figures: Sequence[int], said: Sequence[int], first: int) -> tuple[StockRow, ...]:
    """One page, as the room hands it over."""
    numbers = range(first, min(first + PAGE, len(figures)))
    return tuple(StockRow(Upc(upc(at)), SPOT, (figures[at],) * 3, moment(said[at]), None) for at in numbers)


@dataclass
class Publication:
    """A ``StockFeed``: one publication, read to its end as often as it is asked for; the time it takes to hand over a
    page is not counted."""

    read: Iterable[tuple[StockRow, ...]]
    at: datetime
    rules: EvidenceRules = EVIDENCE
    took: float = 0.0
    """Seconds spent in here."""
    delta: Sequence[tuple[StockRow, ...]] = field(default_factory=list)

    async def everything(self) -> AsyncIterator[StockPage]:
        async for page in self._told(self.read):
            yield page

    async def changed(self, since: str) -> AsyncIterator[StockPage]:
        async for page in self._told(self.delta):
            yield page

    async def set_echo(self, count: int) -> None:
        raise NotImplementedError("this profile allows no echo")

    async def _told(self, read: Iterable[tuple[StockRow, ...]]) -> AsyncIterator[StockPage]:
        began = perf_counter()
        held: tuple[StockRow, ...] = ()
        for rows in read:
            await asyncio.sleep(0)  # a page that comes over the wire lets others have their turn
            if held:
                self.took += perf_counter() - began
                yield self._page(held)
                began = perf_counter()
            held = rows
        self.took += perf_counter() - began
        yield self._page(held, last=True)

    def _page(self, rows: tuple[StockRow, ...], *, last: bool = False) -> StockPage:
        return StockPage(rows, self.at, self.at, "mark", last=last, whole=last)


def publication(of: Assortment, *, after: bool, at: datetime, lazily: bool = False) -> Publication:
    """In pages as they come; ``lazily``: made one after the other."""
    figures, said = of.after() if after else of.before(), of.stamps(after=after)
    firsts = range(0, of.skus, PAGE)
    read = (stock_rows(figures, said, first) for first in firsts)
    return Publication(read if lazily else list(read), at)


def sold(tx: sqlite3.Connection, of: Assortment, *, at: datetime) -> list[str]:
    """One more piece of each SKU that is touched; which they are."""
    upcs = of.upcs()
    touched = [upcs[number] for number in of.touched()]
    said = stamp(at)
    tx.executemany(
        _DEMAND, [(CHANNELS[0], f"late/{sku}", sku, WAREHOUSE, 1, "known", said, "", None) for sku in touched]
    )
    return touched
