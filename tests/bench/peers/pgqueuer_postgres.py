"""A peer, in its own environment: pgqueuer on PostgreSQL, batched, its tables analysed before. ``DSN JOBS BATCH``."""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode


async def nothing(_: Any) -> None:
    """No work."""


async def main(dsn: str, jobs: int, batch: int) -> None:
    connection = await asyncpg.connect(dsn)
    queries = Queries.from_asyncpg_connection(connection)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await queries.install()
    began = perf_counter()
    for first in range(0, jobs, batch):
        size = min(jobs, first + batch) - first
        await queries.enqueue(["nothing"] * size, [None] * size, [0] * size)
    enqueued = perf_counter()
    await connection.execute("ANALYZE")
    working = PgQueuer.from_asyncpg_connection(connection)
    working.entrypoint("nothing")(nothing)
    started = perf_counter()
    await working.run(batch_size=batch, mode=QueueExecutionMode.drain)
    done = perf_counter()
    left = await queries.queue_size()
    assert not any(one.count for one in left), left
    told = {
        "enqueued": jobs / (enqueued - began),
        "done": jobs / (done - started),
        "both": jobs / (done - started + enqueued - began),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
