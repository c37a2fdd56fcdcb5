"""Durable webhook intake beside the same server without a store and beside a commit for each request."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import fsyncs
from tests.bench.children import command, run, said, started
from tests.bench.report import Row
from tests.bench.scale import Scale

MODES = ("nothing", "durable", "each")
ORDINARY_RATE = 500
"""Deliveries a second of the steady run."""
LINES = 64
ORDINARY_P99_MS = 25
SHARE = 0.55
LEAST_AT_ONE = 10
"""One caller alone is slow: this part of the deliveries is enough for it."""

Reading = dict[str, float]


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    numbers = itertools.count(7_000_000_000_000, 1_000_000)
    for concurrency in scale.concurrencies:
        yield from _side_by_side(scale, folder, concurrency, numbers)
    yield _steady(scale, folder, next(numbers))
    yield from _fsyncs(scale, folder, next(numbers))


def _side_by_side(scale: Scale, folder: Path, concurrency: int, numbers: Iterator[int]) -> Iterator[Row]:
    count = scale.webhooks if concurrency > 1 else max(1, scale.webhooks // LEAST_AT_ONE)
    read: dict[str, list[Reading]] = {mode: [] for mode in MODES}
    for _, mode in itertools.product(range(scale.rounds), MODES):
        read[mode].append(ring(mode, folder, next(numbers), count, concurrency))
    share = _ratio(read["durable"], read["nothing"])
    yield Row(
        "intake",
        f"durable, {concurrency} at once",
        _told(read["durable"]),
        f"{share:.2f} of no storage, {_ratio(read['durable'], read['each']):.1f} x a commit each",
        f"at least {SHARE} of no storage" if concurrency == LINES else "",
        share >= SHARE if concurrency == LINES else None,
    )
    yield Row("", f"no storage, {concurrency} at once", _told(read["nothing"]))
    yield Row("", f"a commit for each request, {concurrency} at once", _told(read["each"]))


def ring(mode: str, folder: Path, first: int, count: int, concurrency: int, rate: float | None = None) -> Reading:
    """One run of one server, the load from a process of its own."""
    store = folder / f"intake-{first}.db"
    with started(command("tests.bench.front", mode, store)) as front:
        extra = () if rate is None else (rate,)
        reading: Reading = run(command("tests.bench.load", said(front)["port"], first, count, concurrency, *extra))
    for path in folder.glob(f"{store.name}*"):
        path.unlink()
    return reading


def _steady(scale: Scale, folder: Path, first: int) -> Row:
    count = int(ORDINARY_RATE * scale.steady_seconds)
    p99 = [
        ring("durable", folder, first + place * count, count, LINES, ORDINARY_RATE)["p99_ms"]
        for place in range(scale.rounds)
    ]
    goal = f"p99 under {ORDINARY_P99_MS} ms"
    return Row(
        "", f"durable, a steady {ORDINARY_RATE} a second", f"p99 {median(p99):.1f} ms", "", goal,
        median(p99) < ORDINARY_P99_MS,
    )  # fmt: skip


def _fsyncs(scale: Scale, folder: Path, first: int) -> Iterator[Row]:
    if not fsyncs.can_be_counted():
        yield Row("", "fsyncs before each answer", "not counted: no strace here")
        return
    one = fsyncs.count(folder, first, scale.traced, concurrency=1)
    many = fsyncs.count(folder, first + scale.traced, scale.traced * 4, concurrency=LINES)
    yield Row(
        "",
        "answers 200 that followed an fsync of the log (1 at once)",
        f"{one.after_one} of {one.answers}, {one.fsyncs} fsyncs",
        "",
        "every answer",
        one.after_one == one.answers,
    )
    yield Row(
        "",
        f"answers 200 that followed an fsync of the log ({LINES} at once)",
        f"{many.after_one} of {many.answers}, {many.fsyncs} fsyncs",
        f"{many.answers / max(1, many.fsyncs):.1f} answers a sync",
    )


def _ratio(these: list[Reading], those: list[Reading]) -> float:
    """The median of the ratios, each of two runs beside each other."""
    return median(one["per_second"] / other["per_second"] for one, other in zip(these, those, strict=True))


def _told(read: list[Reading]) -> str:
    middle: dict[str, Any] = {key: median(one[key] for one in read) for key in read[0]}
    refused = f", {middle['refused']:.0f} refused" if middle["refused"] else ""
    return f"{middle['per_second']:,.0f}/s, p50 {middle['p50_ms']:.1f} ms, p99 {middle['p99_ms']:.1f} ms{refused}"
