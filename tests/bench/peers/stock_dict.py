"""A peer: a plain dict per SKU, in memory. ``SKUS DEMAND time|memory [FILE]``.

It holds each SKU's figure, its open demand and what every channel shows, and reckons what a page moved. What it does
not do: nothing of it outlives the process, unless FILE is given: then figures that moved, and what follows from them,
are kept in SQLite, 250 SKUs in one commit. It has no packs, no rules for single SKUs, no second
warehouse, and cannot say afterwards why a number was what it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from time import perf_counter

from tests.bench.assortment import (
    BUFFERS,
    BUILD,
    CHANNELS,
    PARENT,
    Asked,
    Assortment,
    Row,
    asked,
    calls,
    peak_mib,
    published,
    say,
    settle,
    urgency,
)

TOGETHER = 250
SCHEMA = """
CREATE TABLE figures (sku TEXT PRIMARY KEY, ots INTEGER, as_of INTEGER) WITHOUT ROWID;
CREATE TABLE shown (sku TEXT, channel INTEGER, target INTEGER, PRIMARY KEY (sku, channel)) WITHOUT ROWID;
"""


class Sku:
    __slots__ = ("as_of", "demand", "explained", "ots", "parent")

    def __init__(self, ots: int, as_of: int, explained: tuple[int, ...], parent: int) -> None:
        self.ots, self.as_of, self.explained, self.parent = ots, as_of, explained, parent
        self.demand: Sequence[tuple[int, int | None]] = ()

    def targets(self) -> list[int]:
        free = self.ots
        for pieces, posted_by in self.demand:
            if posted_by is None or posted_by >= self.as_of:
                free -= pieces
        return [max(0, free - buffer) for buffer in BUFFERS]


class Book:
    def __init__(self, of: Assortment, file: str) -> None:
        upcs, stamps = of.upcs(), of.stamps(after=False)
        told = zip(of.before(), stamps, of.explained(), strict=True)
        self.skus = {upcs[at]: Sku(ots, s - BUILD, e, at // PARENT) for at, (ots, s, e) in enumerate(told)}
        self.waiting: set[str] = set()
        for row in of.rows():
            one = self.skus[upcs[row.sku]]
            one.demand = [*one.demand, (row.pieces, row.posted_by)]
            if row.posted_by is not None:
                self.waiting.add(upcs[row.sku])
        self.file = _opened(file, self.skus) if file else None

    def pull(self, read: Iterable[Sequence[Row]]) -> list[str]:
        """SKUs whose figure moved, or whose booked pieces wait for a later one."""
        skus, waiting, touched, kept = self.skus, self.waiting, [], 0
        seen: set[str] = set()
        for page in read:
            for upc, ots, stamp in page:
                one = skus.get(upc)
                if one is None:
                    one = skus[upc] = Sku(-1, stamp - BUILD, (0,) * len(BUFFERS), 0)
                if ots != one.ots or upc in waiting:
                    one.ots, one.as_of = ots, stamp - BUILD
                    touched.append(upc)
            seen.update([row[0] for row in page])
            if len(touched) - kept >= TOGETHER:
                self.keep(touched[kept:])
                kept = len(touched)
        for upc in skus.keys() - seen:
            skus[upc].ots = 0
            touched.append(upc)
        self.keep(touched[kept:])
        return touched

    def keep(self, fresh: Sequence[str]) -> None:
        if self.file is None:
            return
        for at in range(0, len(fresh), TOGETHER):
            self._keep(self.file, fresh[at : at + TOGETHER])

    def _keep(self, file: sqlite3.Connection, fresh: Sequence[str]) -> None:
        skus = [(upc, self.skus[upc]) for upc in fresh]
        file.execute("BEGIN IMMEDIATE")
        file.executemany(
            "INSERT OR REPLACE INTO figures VALUES (?, ?, ?)", [(upc, one.ots, one.as_of) for upc, one in skus]
        )
        file.executemany(
            "INSERT OR REPLACE INTO shown VALUES (?, ?, ?)",
            [(upc, channel, target) for upc, one in skus for channel, target in enumerate(one.targets())],
        )
        file.execute("COMMIT")

    def batches(self, touched: Sequence[str]) -> dict[str, list[list[tuple[str, int]]]]:
        due: list[list[tuple[int, int, str, int, int]]] = [[] for _ in CHANNELS]
        for upc in touched:
            one = self.skus[upc]
            for channel, (target, explained) in enumerate(zip(one.targets(), one.explained, strict=True)):
                if target != explained:
                    due[channel].append((urgency(target, explained), target, upc, explained, one.parent))
        for rows in due:
            rows.sort()
        return {name: calls(channel, due[channel]) for channel, name in enumerate(CHANNELS)}


def _opened(file: str, skus: dict[str, Sku]) -> sqlite3.Connection:
    held = sqlite3.connect(file, isolation_level=None)
    held.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {SCHEMA} BEGIN;")
    held.executemany("INSERT INTO figures VALUES (?, ?, ?)", [(upc, one.ots, one.as_of) for upc, one in skus.items()])
    held.executemany(
        "INSERT INTO shown VALUES (?, ?, ?)",
        [(upc, channel, number) for upc, one in skus.items() for channel, number in enumerate(one.explained)],
    )
    held.execute("COMMIT")
    held.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return held


def main(how: Asked) -> None:
    of = how.of
    book, upcs = Book(of, how.file), of.upcs()
    touched = [upcs[number] for number in of.touched()]
    read = published(of, lazily=how.lazily)
    del upcs
    settle()
    began = perf_counter()
    told = book.batches(book.pull(read))
    seconds, peak = perf_counter() - began, peak_mib()
    for sku in touched:
        book.skus[sku].demand = [*book.skus[sku].demand, (1, None)]
    began = perf_counter()
    book.keep(touched)
    again = book.batches(touched)
    say(told, again, seconds=seconds, touch=perf_counter() - began, peak_mib=peak)


if __name__ == "__main__":
    main(asked())
