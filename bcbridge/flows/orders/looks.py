"""Looks at orders for the count alone: a flow of its own, so that a sale never waits for what waits for the ERP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from bcbridge.flows.orders.story import Orders
from bcbridge.model.work import Done, Job, Settle

LOOKS = "looks"
"""This flow's name in the queue."""


async def nobody_waits(jobs: Iterable[int]) -> None:
    """Nobody waits for what is known."""


@dataclass(frozen=True, slots=True)
class Looks:
    """``on_looked`` is told the ids of the jobs whose looks were taken, before they are settled."""

    orders: Orders
    on_looked: Callable[[Iterable[int]], Awaitable[None]] = nobody_waits

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        ended = await self.orders.looked_at(jobs)
        await self.on_looked([job.id for job, verdict in ended if isinstance(verdict, Done)])
        for job, verdict in ended:
            await settle(job, verdict)
