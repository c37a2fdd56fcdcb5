"""``python -m tests.bench``: every measurement in one run, one table, and docs/benchmarks.md.

Whatever the figures are, it exits 0: goals are told as reached or not. ``--only NAME`` measures a part and writes
nothing; ``--quick`` is a look of two minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench import (
    asking,
    finished,
    flow,
    intake,
    isolation,
    lower,
    memory,
    pushing,
    queue,
    report,
    restart,
    stalls,
    stock,
)
from tests.bench.report import Row
from tests.bench.scale import QUICK, TINY, WHOLE, Scale

Measurement = Callable[[Scale, Path], Iterator[Row]]
MEASUREMENTS: Mapping[str, Measurement] = {
    "intake": intake.measure,
    "queue": queue.measure,
    "finished": finished.measure,
    "restart": restart.measure,
    "flow": flow.measure,
    "isolation": isolation.measure,
    "memory": memory.measure,
    "stock": stock.measure,
    "stalls": stalls.measure,
    "ask": asking.measure,
    "push": pushing.measure,
    "lower": lower.measure,
}
SCALES = {"whole": WHOLE, "quick": QUICK, "tiny": TINY}


def main() -> int:
    chosen = _arguments()
    began, started = report.now(), time.monotonic()
    facts = report.machine()
    for fact in facts:
        report.say(fact)
    rows: list[Row] = []
    for name in chosen.only or MEASUREMENTS:
        rows += _measured(name, SCALES[chosen.scale], chosen.folder)
    if not chosen.only and chosen.scale == "whole":
        report.write(rows, facts=facts, began=began, seconds=time.monotonic() - started)
    missed = sum(row.reached is False for row in rows)
    report.say(f"{sum(row.reached is True for row in rows)} goals reached, {missed} not reached")
    return 0


def _measured(name: str, scale: Scale, folder: Path | None) -> list[Row]:
    """Each row is shown as soon as it is known; a folder of its own is gone afterwards."""
    rows = []
    with tempfile.TemporaryDirectory(prefix=f"bcbridge-bench-{name}-", dir=folder) as place:
        for row in _to_the_end(name, scale, Path(place)):
            report.say(row.line())
            rows.append(row)
    return rows


def _to_the_end(name: str, scale: Scale, place: Path) -> Iterator[Row]:
    """One that breaks off says so in a row of its own; the others are measured all the same."""
    try:
        yield from MEASUREMENTS[name](scale, place)
    except Exception as fault:  # noqa: BLE001  (whatever it was, it is told, and the page is written)
        traceback.print_exc()
        said = str(fault).splitlines()
        yield Row(name, "broke off", said[0][:200] if said else type(fault).__name__, "", "measured to the end", False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Speed and size, measured.")
    parser.add_argument(
        "--only", action="append", choices=sorted(MEASUREMENTS), help="this part alone; may be repeated"
    )
    parser.add_argument("--quick", dest="scale", action="store_const", const="quick", default="whole")
    parser.add_argument("--tiny", dest="scale", action="store_const", const="tiny", help="only to see that it works")
    parser.add_argument("--folder", type=Path, help="where the stores are made; default: the system's temporary one")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
