"""``GET /stock/{channel}/{sku}``: what a checkout waits for before it takes the money, at a steady rate from a process
of its own, each question for another of half a million SKUs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench import stockroom
from tests.bench.assortment import Assortment
from tests.bench.children import command, run, said, started
from tests.bench.report import Row
from tests.bench.scale import Scale

RATE = 500
LINES = 16
P99_MS = 5


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    of = Assortment(scale.skus, scale.open_demand)
    store = folder / "asked.db"
    stockroom.build(store, of)
    count = int(RATE * scale.steady_seconds)
    with started(command("tests.bench.asked", store)) as door:
        port = said(door)["port"]
        read = [run(command("tests.bench.asked", port, of.skus, count, LINES, RATE)) for _ in range(scale.rounds)]
    p50, p99, refused = (median(one[key] for one in read) for key in ("p50_ms", "p99_ms", "refused"))
    yield Row(
        "ask",
        f"GET /stock, a steady {RATE} a second, {of.skus:,} SKUs, {of.demand:,} open rows",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms" + (f", {refused:.0f} refused" if refused else ""),
        "",
        f"p99 under {P99_MS} ms",
        p99 < P99_MS and not refused,
    )
