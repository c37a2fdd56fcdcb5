"""A peer, in its own environment: SAQ on Redis that syncs its log before each answer. ``URL JOBS BATCH``."""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter
from typing import Any

import uvloop
from saq import Queue, Worker


class Counted:
    def __init__(self, jobs: int) -> None:
        self.left = jobs
        self.through = asyncio.Event()

    async def nothing(self, _: Any, *, number: int) -> None:
        """No work."""

    async def after(self, _: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.through.set()


async def main(url: str, jobs: int, batch: int) -> None:
    queue = Queue.from_url(url)
    await queue.connect()
    counted = Counted(jobs)
    began = perf_counter()
    for first in range(0, jobs, batch):
        await asyncio.gather(
            *(queue.enqueue("nothing", number=number) for number in range(first, min(jobs, first + batch)))
        )
    enqueued = perf_counter()
    worker = Worker(queue, [("nothing", counted.nothing)], concurrency=batch, after_process=counted.after)
    working = asyncio.create_task(worker.start())
    await asyncio.wait_for(counted.through.wait(), 300)
    done = perf_counter()
    working.cancel()
    await asyncio.wait([working])
    told = {"enqueued": jobs / (enqueued - began), "done": jobs / (done - enqueued), "both": jobs / (done - began)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
