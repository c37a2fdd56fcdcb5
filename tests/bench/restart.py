"""From the start of a daemon that was killed with many jobs waiting: to the first one done, and to its steady pace.

The whole program: interpreter, imports, schema, recovery, the connections looked at, the recent orders of the ERP
listed. The jobs are about orders that the shop no longer has, so each is asked for at the shop, and done.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from bcbridge.store import queue
from bcbridge.store.db import connect
from bcbridge.store.queue import Wish
from tests.bench.engine import utc_now
from tests.bench.isolation import may_post
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.bench.shopfloor import Shopfloor, shopfloor
from tests.e2e.world import CHANNEL, until

FIRST_SECONDS = 3.0
FIRST_WITHIN_SECONDS = 120.0
LOOKS_FOR_SECONDS = 12.0
LOOK_SECONDS = 0.05
WINDOW_SECONDS = 1.0
STEADY = 0.9
"""Steady is this part of the median pace of the second half of what was looked at."""
RUNNING = 20
SLICE = 5_000

Samples = list[tuple[float, int]]


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    with shopfloor(folder / "restart") as floor:
        floor.run_bridge()
        floor.comes(lambda: may_post(floor) and bool(floor.ready()["ready"]), "all was read once")
        floor.kill_bridge()
        _let_wait(floor, scale.waiting)
        samples = _watched(floor)
    first = next(at for at, done in samples if done)
    goal = f"under {FIRST_SECONDS:.0f} s"
    what = f"restart with {scale.waiting:,} jobs waiting, to the first one done"
    yield Row("restart", what, f"{first:.2f} s", "", goal, first < FIRST_SECONDS)
    at, pace = _steady(samples)
    yield Row("", "to the steady pace", f"{at:.1f} s ({pace:,.0f} jobs/s, each asked for at the shop)")


def _let_wait(floor: Shopfloor, many: int) -> None:
    """So many wait, and some were running when the process ended."""
    now = utc_now()
    with closing(connect(floor.store)) as tx:
        for first in range(0, many, SLICE):
            wishes = [
                Wish("orders", CHANNEL, f"gid://shopify/Order/{9_000_000_000 + number}", now)
                for number in range(first, min(many, first + SLICE))
            ]
            tx.execute("BEGIN")
            queue.enqueue(tx, wishes, now=now)
            tx.execute("COMMIT")
        queue.claim(tx, flow="orders", connector=CHANNEL, many=RUNNING, now=now)


def _watched(floor: Shopfloor) -> Samples:
    """Seconds since the start and jobs done, often."""
    began = time.monotonic()
    samples: Samples = []
    floor.start_bridge()
    with closing(sqlite3.connect(f"file:{floor.store}?mode=ro", uri=True, timeout=20)) as reading:

        def look() -> bool:
            done = reading.execute("SELECT count(*) FROM jobs WHERE state = 'done'").fetchone()[0]
            samples.append((time.monotonic() - began, int(done)))
            return bool(done)

        until(look, FIRST_WITHIN_SECONDS, "the first job is done", tell=floor.log_tail)
        while samples[-1][0] < LOOKS_FOR_SECONDS:
            time.sleep(LOOK_SECONDS)
            look()
    return samples


def _steady(samples: Samples) -> tuple[float, float]:
    """When the pace of a second first came near that of the second half, and that pace."""
    paces = [(at, _pace(samples, at)) for at, _ in samples if at >= WINDOW_SECONDS]
    usual = median(pace for at, pace in paces if at > LOOKS_FOR_SECONDS / 2)
    return next((at - WINDOW_SECONDS for at, pace in paces if pace >= STEADY * usual), LOOKS_FOR_SECONDS), usual


def _pace(samples: Samples, at: float) -> float:
    """Jobs done in the second that ended then."""
    within = [(when, done) for when, done in samples if at - WINDOW_SECONDS <= when <= at]
    (begin, before), (end, after) = within[0], within[-1]
    return (after - before) / max(end - begin, LOOK_SECONDS)
