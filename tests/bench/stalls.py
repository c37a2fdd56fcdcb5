"""Stock work beside everybody else's: how long it keeps the store's writer and the event loop, and what the front door
feels while every number of half a million SKUs is reckoned anew in the same process.

Held: one group of units with its commit, from the first BEGIN to the last byte synced. Stall: by how much a task that
sleeps two milliseconds wakes too late. Both are the longest of a run; the median over the runs is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench import stockroom
from tests.bench.assortment import Assortment
from tests.bench.children import command, run
from tests.bench.intake import LINES, ORDINARY_P99_MS, ORDINARY_RATE, ring
from tests.bench.report import Row
from tests.bench.scale import Scale

MOST_MS = 50
WORK = {
    "recompute": "every number of {skus:,} SKUs x 3 anew",
    "pull": "a pull of {skus:,} figures, 1 % moved",
    "shelf": "the first read of a shelf of {shelf:,} items",
}


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    of = Assortment(scale.skus, scale.open_demand)
    base = folder / "base.db"
    stockroom.build(base, of)
    for place, (what, told) in enumerate(WORK.items()):
        named = told.format(skus=of.skus, shelf=min(50_000, of.skus))
        yield _work(base, of, what, named, 1 if what == "recompute" else scale.rounds, first=not place)
    yield from _intake(base, scale)


def _work(base: Path, of: Assortment, what: str, named: str, rounds: int, *, first: bool) -> Row:
    read = [_once(base, of, what) for _ in range(rounds)]
    held, stall, seconds = (median(one[key] for one in read) for key in ("held_ms", "stall_ms", "seconds"))
    usual = median(one["held_p99_ms"] for one in read)
    return Row(
        "stalls" if first else "",
        named,
        f"{seconds:.1f} s: writer held {held:.0f} ms at most (99 of 100: {usual:.0f}), loop {stall:.0f} ms",
        "",
        f"neither over {MOST_MS} ms",
        max(held, stall) < MOST_MS,
    )


def _once(base: Path, of: Assortment, what: str) -> dict[str, float]:
    store = base.with_name("stalled.db")
    stockroom.copied(base, store)
    reading: dict[str, float] = run(command("tests.bench.stalled", store, of.skus, of.demand, what))
    _drop(store)
    return reading


def _drop(store: Path) -> None:
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()


def _intake(base: Path, scale: Scale) -> Iterator[Row]:
    """The ordinary rate at the real door, with and without; in turns."""
    numbers = itertools.count(9_000_000_000_000, 1_000_000)
    read: dict[str, list[float]] = {"durable": [], "recomputing": []}
    for _, mode in itertools.product(range(scale.rounds), read):
        first = next(numbers)
        stockroom.copied(base, base.with_name(f"intake-{first}.db"))
        count = int(ORDINARY_RATE * scale.steady_seconds)
        read[mode].append(ring(mode, base.parent, first, count, LINES, ORDINARY_RATE)["p99_ms"])
    alone, beside = median(read["durable"]), median(read["recomputing"])
    yield Row(
        "",
        f"intake, a steady {ORDINARY_RATE} a second, during a full recompute",
        f"p99 {beside:.1f} ms",
        f"without it {alone:.1f} ms",
        f"p99 under {ORDINARY_P99_MS} ms",
        beside < ORDINARY_P99_MS,
    )
