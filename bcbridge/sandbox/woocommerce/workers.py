"""PHP's own: so many writes of products are worked on at once, the others wait for their turn; and what was begun is
ended, whoever has left meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

T = TypeVar("T")
Job = Callable[[], Awaitable[T]]


class Workers:
    """``tasks`` is the server's own group: with it everything ends."""

    def __init__(self, at_once: int) -> None:
        self.places = anyio.Semaphore(at_once)
        self.tasks: TaskGroup | None = None

    async def done(self, job: Job[T]) -> T:
        """What the job answers or raises. A caller that goes away leaves it running."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.begin(job, outcome)
        return await outcome

    def begin(self, job: Job[T], outcome: asyncio.Future[T] | None = None) -> None:
        """Without waiting for it."""
        assert self.tasks is not None, "the server has not begun"
        self.tasks.start_soon(self.work, job, outcome)

    async def work(self, job: Job[T], outcome: asyncio.Future[T] | None) -> None:
        try:
            async with self.places:
                found = await job()
        except Exception as error:
            if outcome is None:
                raise
            if not outcome.done():
                outcome.set_exception(error)
        else:
            if outcome is not None and not outcome.done():
                outcome.set_result(found)
