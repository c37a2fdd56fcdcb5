"""The ERP's figures, kept: rows of a pull go in page by page, each page with the numbers that follow from it.

A figure is the sum of its lots, and as old as the oldest of them. An older row never takes the place of a newer one: a
replica may answer with what was, and the page that the walk reads again may be an earlier one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from bcbridge.model.figures import Echo, FeedState, Known, Taken
from bcbridge.model.stock import Numbers
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute, feeds

NUMBERS = ("ots", "qoh_minus_pick", "ots_wip")
_HELD = """
SELECT f.sku, f.warehouse, f.lots, f.dated FROM json_each(?) t
CROSS JOIN stock_figures f ON f.sku = t.value AND f.erp = ?
"""
_KEEP = """
INSERT OR REPLACE INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, dated, as_of, evidence,
                                      read_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(slots=True)
class _Figure:
    """One SKU in one warehouse. ``lots``: numbers and components by lot; ``dated``: [as_of, stamp, export]."""

    lots: dict[str, dict[str, int]] = field(default_factory=dict)
    dated: dict[str, list[str]] = field(default_factory=dict)
    by: str = ""
    read: str = ""

    def take(self, taken: Taken) -> bool:
        """False where the row is older than the one that is held."""
        row = taken.row
        said = [stamp(taken.as_of), _stamp(row.stamp), _stamp(row.export)]
        held = self.dated.get(row.lot)
        if held is not None and _older(said, held):
            return False
        lot = {**dict(zip(NUMBERS, row.numbers, strict=True)), **row.parts}
        if held is not None and (_stamped_later(said, held) or _same(lot, self.lots[row.lot])):
            said[0] = max(said[0], held[0])
        self.lots[row.lot] = lot
        self.dated[row.lot] = said
        self.by, self.read = taken.by.value if taken.by else "", stamp(taken.read)
        return True

    def row(self, sku: str, erp: str, warehouse: str) -> tuple[object, ...]:
        sums = (sum(lot[name] for lot in self.lots.values()) for name in NUMBERS)
        as_of = min(dated[0] for dated in self.dated.values())
        return (sku, erp, warehouse, *sums, _json(self.lots), _json(self.dated), as_of, self.by, self.read)


def _older(said: Sequence[str], held: Sequence[str]) -> bool:
    """By the publication where both name one, else by the row's own stamp; without stamps nobody can tell."""
    at = 2 if said[2] and held[2] else 1
    return bool(said[at] and held[at]) and said[at] < held[at]


def _stamped_later(said: Sequence[str], held: Sequence[str]) -> bool:
    """A figure that is surely not older was taken no earlier than the one before it."""
    return any(said[at] and held[at] for at in (1, 2))


def _same(lot: Mapping[str, int], held: Mapping[str, int]) -> bool:
    """The same figure is as late as it ever was."""
    return all(lot[name] == held[name] for name in NUMBERS)


def _stamp(at: datetime | None) -> str:
    return "" if at is None else stamp(at)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def keep(
    tx: sqlite3.Connection, erp: str, rows: Sequence[Taken], *, now: datetime
) -> tuple[Sequence[Taken], frozenset[str]]:
    """Rows of one page (compute.SLICE at most), and the numbers that follow; returns the rows that were kept, and the
    channels in which something became due."""
    skus = sorted({taken.row.upc for taken in rows})
    figures = {(row[0], row[1]): _held(row) for row in tx.execute(_HELD, (_json(skus), erp))}
    touched: dict[tuple[str, str], _Figure] = {}
    kept: list[Taken] = []
    for taken in rows:
        at = (taken.row.upc, taken.row.warehouse)
        figure = figures.setdefault(at, _Figure())
        if figure.take(taken):
            touched[at] = figure
            kept.append(taken)
    tx.executemany(_KEEP, [figure.row(sku, erp, warehouse) for (sku, warehouse), figure in touched.items()])
    return kept, compute.mark(tx, {sku for sku, _ in touched}, now=now)


def _held(row: sqlite3.Row) -> _Figure:
    return _Figure(orjson.loads(row["lots"]), orjson.loads(row["dated"]))


# -- what a pull remembers -----------------------------------------------------------------------------------------

_RESIDENT = """
SELECT sku, warehouse, lots FROM stock_figures WHERE erp = :erp AND (sku, warehouse) > (:sku, :warehouse)
ORDER BY sku, warehouse LIMIT :many
"""
_BOOKED = "SELECT DISTINCT sku FROM stock_demand WHERE settled = 0 AND state = 'posted'"
_ASKED = "SELECT DISTINCT sku FROM stock_demand WHERE settled = 0 AND state <> 'void'"
RESIDENT_SLICE = 2_000


@dataclass(frozen=True, slots=True)
class FigureMemory:
    """One ERP's figures and feed, as flows/stock/pull.py wants them remembered. ``ring`` hears of channels in which
    something became due."""

    store: Store
    erp: str
    now: Callable[[], datetime]
    ring: Callable[[Iterable[str]], None] = lambda channels: None

    async def feed(self) -> FeedState:
        return await feeds.read(self.store.read, self.erp)

    async def held(self) -> AsyncIterator[tuple[str, str, Mapping[str, Numbers]]]:
        """Every figure: sku, warehouse, numbers by lot."""
        given: dict[str, Any] = {"erp": self.erp, "sku": "", "warehouse": "", "many": RESIDENT_SLICE}
        while rows := await self.store.read.rows(_RESIDENT, given):
            for row in rows:
                lots = orjson.loads(row["lots"]).items()
                numbers = {lot: (said["ots"], said["qoh_minus_pick"], said["ots_wip"]) for lot, said in lots}
                yield row["sku"], row["warehouse"], numbers
            given |= {"sku": rows[-1]["sku"], "warehouse": rows[-1]["warehouse"]}

    async def waiting(self, *, booked: bool) -> frozenset[str]:
        """SKUs with pieces that are in no figure yet; with ``booked`` only those that the ERP has booked."""
        return frozenset(str(row[0]) for row in await self.store.read.rows(_BOOKED if booked else _ASKED))

    async def keep(self, rows: Sequence[Taken]) -> Sequence[Taken]:
        """Returns those that were kept: one that is older than what is held is not."""
        every: list[Taken] = []
        for part in compute.slices(rows):
            kept, due = await self.store.write(_unit(part, self.erp, self.now()))
            every += kept
            self.ring(due)
        return every

    async def end(self, *, mark: str, known: Known, everything: bool, believed: bool, clears: bool) -> None:
        now = self.now()
        await self.store.write(
            lambda tx: feeds.end(
                tx,
                self.erp,
                mark=mark,
                known=known,
                everything=everything,
                believed=believed,
                clears=clears,
                now=now,
            )
        )

    async def hold(self, words: str) -> None:
        await self.store.write(lambda tx: feeds.hold(tx, self.erp, words))

    async def keep_cycles(self, cycles: str) -> None:
        await self.store.write(lambda tx: feeds.keep_cycles(tx, self.erp, cycles))

    async def echo_sent(self, echo: Echo) -> None:
        await self.store.write(lambda tx: feeds.echo_sent(tx, self.erp, echo))

    async def release(self) -> None:
        """What a moved floor released is computed anew; goes on where it was ended."""
        after, more = "", True
        while more:
            after, rung = await self.store.write(_release(self.erp, after, self.now()), long=True)
            self.ring(rung)
            more = bool(after)


def _unit(
    rows: Sequence[Taken], erp: str, now: datetime
) -> Callable[[sqlite3.Connection], tuple[Sequence[Taken], frozenset[str]]]:
    return lambda tx: keep(tx, erp, rows, now=now)


def _release(erp: str, after: str, now: datetime) -> Callable[[sqlite3.Connection], tuple[str, frozenset[str]]]:
    return lambda tx: feeds.release(tx, erp, after, now=now)
