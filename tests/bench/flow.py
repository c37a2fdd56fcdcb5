"""Orders a minute through the whole flow, as a share of what the ERP allows when it answers in 0, 50 and 200 ms.

What it allows: as many calls as the product's client gets through with nothing else to do, one at a time, and never
more than the calls a minute that it may be asked. Every order is one call that makes it; whatever the bridge asks
besides (masters, what was posted) comes out of the same share.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench.children import command, peak_mib, run
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.bench.shopfloor import CALLS_PER_MINUTE, Shopfloor, shopfloor

SHARE = 0.95
BURST_SECONDS = 10
"""What the bridge may have saved up of its calls is spent before the clock starts."""
STAMP_SECONDS = 2.0
MARGIN_SECONDS = 15
"""So many seconds more than are measured the orders must last."""


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    for place, latency in enumerate(scale.erp_answers_in_ms):
        with shopfloor(folder / f"flow-{latency}") as floor:
            row = _paced(floor, latency, scale.flow_seconds)
            yield row if place else replace(row, group="flow")


def _paced(floor: Shopfloor, latency: int, seconds: float) -> Row:
    most = min(CALLS_PER_MINUTE / 60, 1000 / latency if latency else CALLS_PER_MINUTE)
    pace, peak = _steady(floor, latency, most, seconds)
    bare = run(command("tests.bench.bare", floor.config, max(5, int(most * 4))))["per_second"]
    allowed = min(bare, CALLS_PER_MINUTE / 60)
    share = pace / allowed
    return Row(
        "",
        f"whole flow, the ERP answers in {latency} ms",
        f"{pace * 60:,.0f} orders a minute of {allowed * 60:,.0f} (daemon {peak:.0f} MiB)",
        f"{share:.2f} of what it allows" + (" (with calls saved up)" if share > 1 else ""),
        f"at least {SHARE}",
        share >= SHARE,
    )


def _steady(floor: Shopfloor, latency: int, most: float, seconds: float) -> tuple[float, float]:
    """Orders accepted a second while many wait, and the daemon's peak of memory in MiB."""
    floor.run_bridge()
    floor.comes(lambda: bool(floor.ready()["ready"]), "the bridge may post")
    time.sleep(STAMP_SECONDS)  # the shop's stamps are whole seconds: now no order is older than the bridge's store
    floor.erp_answers_after(latency)
    saved = CALLS_PER_MINUTE / 60 * BURST_SECONDS if not latency else most
    floor.sell(int(saved + most * (seconds + MARGIN_SECONDS)), seed=latency + 1, simple=True, unbookable=0)
    floor.comes(lambda: accepted(floor) >= saved, "the pace is steady")
    pace = _pace(floor, seconds)
    assert floor.rows("SELECT 1 FROM jobs WHERE state = 'waiting' LIMIT 1"), "there were not enough orders"
    peak = peak_mib(floor.bridge.pid) if floor.bridge else 0.0
    floor.stop_bridge()
    return pace, peak


def accepted(floor: Shopfloor) -> int:
    """Documents that the ERP took, by the bridge's own store."""
    return int(floor.rows("SELECT count(*) AS n FROM outbox WHERE state IN ('accepted', 'posted')")[0]["n"])


def _pace(floor: Shopfloor, seconds: float) -> float:
    """Accepted a second, over the whole time."""
    before, began = accepted(floor), time.monotonic()
    time.sleep(seconds)
    return (accepted(floor) - before) / (time.monotonic() - began)
