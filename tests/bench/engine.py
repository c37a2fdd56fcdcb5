"""A child: the real engine (Store, queue, Worker) with work that does nothing.

``python -m tests.bench.engine STORE JOBS BATCH``: enqueues JOBS durably, BATCH in a unit, then runs a worker until all
are done. Says how many a second, each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter

import anyio

from bcbridge.connectors.base import Finding
from bcbridge.model.ids import ConnectorName
from bcbridge.model.work import Done, Job, Settle
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.worker import Worker
from bcbridge.store import queue
from bcbridge.store.db import Store
from bcbridge.store.queue import Wish
from tests.bench.children import tell

FLOW, CONNECTOR = "orders", "bench"
ENDS_WITHIN_SECONDS = 300.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Nobody:
    """A connection that nobody calls."""

    name = ConnectorName(CONNECTOR)
    kind = "none"

    async def ping(self) -> None:
        """Always there."""

    async def doctor(self) -> list[Finding]:
        return []

    async def aclose(self) -> None:
        """Nothing is open."""


class NoWork:
    """Settles each job at once; tells when the first and when so many are through."""

    def __init__(self, expected: int) -> None:
        self.left = expected
        self.first_at = 0.0
        self.through = anyio.Event()

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        self.first_at = self.first_at or perf_counter()
        for job in jobs:
            await settle(job, Done("nothing to do"))
        self.left -= len(jobs)
        if self.left <= 0:
            self.through.set()


def worker(store: Store, work: NoWork, batch: int) -> Worker:
    circuit = Circuit(Nobody(), store, now=utc_now)
    return Worker(FLOW, CONNECTOR, work, store, circuit, anyio.Lock(), utc_now, batch=batch)


async def enqueue(store: Store, jobs: int, batch: int) -> None:
    """Each unit is on disk before the next is made."""
    for first in range(0, jobs, batch):
        now = utc_now()
        wishes = [Wish(FLOW, CONNECTOR, f"{number:010d}", now) for number in range(first, min(jobs, first + batch))]
        await store.write(partial(queue.enqueue, wishes=wishes, now=now))


async def work_off(store: Store, jobs: int, batch: int) -> NoWork:
    """Until all are done, on disk."""
    work = NoWork(jobs)
    engine = worker(store, work, batch)
    with anyio.fail_after(ENDS_WITHIN_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            await work.through.wait()
            engine.stop()
    return work


async def main(path: Path, jobs: int, batch: int) -> None:
    async with Store(path).opened() as store:
        began = perf_counter()
        await enqueue(store, jobs, batch)
        enqueued = perf_counter()
        await work_off(store, jobs, batch)
        done = perf_counter()
        await _all_done(store, jobs)
        tell({"enqueued": jobs / (enqueued - began), "done": jobs / (done - enqueued), "both": jobs / (done - began)})


async def _all_done(store: Store, jobs: int) -> None:
    row = await store.read.row("SELECT count(*) AS n FROM jobs WHERE state = 'done'")
    assert row is not None
    assert row["n"] == jobs, f"{row['n']} of {jobs} done"


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), backend_options={"use_uvloop": True})
