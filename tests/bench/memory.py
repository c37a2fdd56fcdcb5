"""Memory of the daemon after many orders, and its own pace where nobody outside holds it up.

The outside takes no time here (``untiring.py``): the pace is what the bridge itself can do, every order with all its
commits; the memory is that of the whole daemon, its peak (VmHWM) after a tenth of the orders and after all.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bcbridge.store import queue
from bcbridge.store.db import connect
from bcbridge.store.queue import Wish
from tests.bench.children import command, peak_mib, started
from tests.bench.engine import utc_now
from tests.bench.flow import accepted
from tests.bench.isolation import may_post
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.bench.shopfloor import Shopfloor, shopfloor
from tests.e2e.world import CHANNEL, until

FIRST_ID = 6_000_000_000_000
SLICE = 5_000
WARM = 10
"""The first so-manieth part of the orders fills what the daemon keeps in memory anyway."""
BOOKED_WITHIN_SECONDS = 1_500.0


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    with shopfloor(folder / "memory") as floor:
        document, ref = _sample(floor)
        _let_wait(floor, scale.memory_orders)
        argv = command("tests.bench.untiring", floor.config, document, ref)
        with started(argv, log=floor.folder / "bridge.log") as daemon:
            warm = accepted(floor) + scale.memory_orders // WARM
            before, began = accepted(floor), time.monotonic()
            _until(floor, daemon, warm)
            young = peak_mib(daemon.pid)
            _until(floor, daemon, before + scale.memory_orders)
            pace = scale.memory_orders / (time.monotonic() - began)
            old = peak_mib(daemon.pid)
    what = f"peak of the daemon after {scale.memory_orders:,} orders"
    yield Row("memory", what, f"{old:.0f} MiB", f"{old / young:.2f} of after {scale.memory_orders // WARM:,}")
    yield Row("", "its own pace, the outside taking no time", f"{pace * 60:,.0f} orders a minute")


def _sample(floor: Shopfloor) -> tuple[Path, str]:
    """An order as the shop answers it: one is sold and booked, then the bridge is ended."""
    floor.run_bridge()
    floor.comes(lambda: may_post(floor) and bool(floor.ready()["ready"]), "the bridge may post")
    floor.sell(1, seed=5, simple=True, unbookable=0)
    floor.comes(lambda: accepted(floor) == 1, "one order is booked")
    floor.stop_bridge()
    (row,) = floor.rows("SELECT ref, body FROM documents WHERE noun = 'orders'")
    path = floor.folder / "document.json"
    path.write_bytes(row["body"])
    return path, str(row["ref"])


def _let_wait(floor: Shopfloor, many: int) -> None:
    now = utc_now()
    with closing(connect(floor.store)) as tx:
        for first in range(0, many, SLICE):
            wishes = [
                Wish("orders", CHANNEL, f"gid://shopify/Order/{FIRST_ID + number}", now)
                for number in range(first, min(many, first + SLICE))
            ]
            tx.execute("BEGIN")
            queue.enqueue(tx, wishes, now=now)
            tx.execute("COMMIT")


def _until(floor: Shopfloor, daemon: subprocess.Popen[str], orders: int) -> None:
    def met() -> bool:
        assert daemon.poll() is None, f"the daemon ended\n{floor.log_tail()}"
        return accepted(floor) >= orders

    until(met, BOOKED_WITHIN_SECONDS, f"{orders:,} orders accepted", tell=floor.log_tail)
