"""Stock: a publication of the ERP, from parsed pages to the batches that are ready to be told; beside two peers.

All reckon the same numbers (that is checked) for three outlets, one warehouse, open demand, 1 % moved. What the peers
lack is said in their files: above all, nothing of them outlives the process. So each is measured twice: in memory
alone, and keeping on disk what follows from a figure before it is told, as the product does. The parse is apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import stockroom
from tests.bench.assortment import Assortment
from tests.bench.children import command, run
from tests.bench.queue import peer
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.bench.servers import Absent

PEERS = {"a dict per SKU": "stock_dict", "polars": "stock_polars"}
KEEPING = ", keeping it on disk"
STALL_MS = 50

Reading = dict[str, Any]
Run = Callable[[str], Reading]
"""``time`` or ``memory``."""


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    of = Assortment(scale.skus, scale.open_demand)
    base = folder / "base.db"
    stockroom.build(base, of)
    runs: dict[str, Run] = {"bcbridge": lambda how: _ours(base, of, how)}
    absent: list[Row] = []
    if scale.peers:
        try:
            runs |= _peers(folder, of)
        except Absent as why:
            absent.append(Row("", "stock peers", f"not measured: {why}"))
    read = _in_turns(runs, scale.rounds)
    yield from _rows(read, of)
    yield from absent
    yield from _parse(scale)


def _in_turns(runs: dict[str, Run], rounds: int) -> dict[str, list[Reading]]:
    """Each as often as the others, one after the other; memory once."""
    read: dict[str, list[Reading]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, once in runs.items():
            read[name].append(once("time"))
    for name, once in runs.items():
        held = once("memory")["peak_mib"]
        for reading in read[name]:
            reading["peak_mib"] = held
    same = [{key: one[key] for key in ("told", "touched")} for told in read.values() for one in told]
    assert all(one == same[0] for one in same), f"not all reckoned the same numbers: {read}"
    return read


def _rows(read: dict[str, list[Reading]], of: Assortment) -> Iterator[Row]:
    ours = read["bcbridge"]
    moved = of.skus // 100
    what = f"{of.skus:,} SKUs x 3 outlets, 1 % moved: from pages to batches"
    yield Row("stock", what, _told(ours, "seconds"), *_beside(read, "seconds"))
    for name in list(read)[1:]:
        yield Row("", name, _told(read[name], "seconds"), f"bcbridge takes {_ratio(ours, read[name], 'seconds'):.2f}")
    yield Row("", f"{moved:,} touched SKUs, from there to batches", _told(ours, "touch"))
    for name in list(read)[1:]:
        yield Row("", name, _told(read[name], "touch"), f"bcbridge takes {_ratio(ours, read[name], 'touch'):.2f}")
    peaks = ", ".join(f"{name} {told[0]['peak_mib']:.0f}" for name, told in read.items() if KEEPING not in name)
    yield Row("", "peak memory while the pages are read, MiB", peaks)


def _beside(read: dict[str, list[Reading]], key: str) -> tuple[str, str, bool | None]:
    """Against those that keep what they reckoned, as we do."""
    ratios = {name: _ratio(read["bcbridge"], told, key) for name, told in read.items() if KEEPING in name}
    if not ratios:
        return "no peer", "", None
    return (
        ", ".join(f"{ratio:.2f} of {name}" for name, ratio in ratios.items()),
        "ahead of both",
        all(ratio < 1 for ratio in ratios.values()),
    )


def _ratio(these: list[Reading], those: list[Reading], key: str) -> float:
    ratios = [float(one[key]) / float(other[key]) for one, other in zip(these, those, strict=True)]
    return median(ratios)


def _told(read: list[Reading], key: str) -> str:
    times = sorted(one[key] for one in read)
    return f"{median(times):.2f} s ({times[0]:.2f} to {times[-1]:.2f})"


def _parse(scale: Scale) -> Iterator[Row]:
    read = run(command("tests.bench.parsed", scale.skus))
    told = f"{read['per_second']:,.0f} rows/s; a page of {read['page_kb']:.0f} KiB {read['page_ms']:.1f} ms"
    longest = max(read["longest_ms"], read["end_ms"])
    yield Row(
        "",
        "the parse of the pages, apart",
        f"{told}, longest stall {longest:.0f} ms",
        "",
        f"no stall over {STALL_MS} ms",
        longest < STALL_MS,
    )


# -- who runs --------------------------------------------------------------------------------------------------------


def _ours(base: Path, of: Assortment, how: str) -> Reading:
    store = base.with_name("run.db")
    stockroom.copied(base, store)
    reading: Reading = run(command("tests.bench.pulled", store, of.skus, of.demand, how))
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()
    return reading


def _peers(folder: Path, of: Assortment) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for name, script in PEERS.items():
        argv = [*peer(script), str(of.skus), str(of.demand)]
        runs[name] = _run(argv)
        runs[name + KEEPING] = _run(argv, folder / f"{script}.kept")
    return runs


def _run(argv: list[str], file: Path | None = None) -> Run:
    def once(how: str) -> Reading:
        reading: Reading = run([*argv, how, *([str(file)] if file else [])])
        for path in file.parent.glob(f"{file.name}*") if file else ():
            path.unlink()
        return reading

    return once
