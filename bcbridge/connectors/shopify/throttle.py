"""Shopify's own budget: a bucket of points per app and store that refills at a steady rate.

Every answer tells how full it is (``extensions.cost.throttleStatus``, contracts/shopify/NOTES.md 1.4), so nothing about
it is hard-coded. What a query asks for must be there *before* it runs; what it did not use comes back. Whoever waits is
served in turn: a few dear questions and a great many cheap ones (stock) share one bucket, and neither starves. What is
read in bulk takes only what lies above half of the bucket, and lets everybody else go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

SHORTEST_WAIT = 0.05


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class ThrottleStatus(_Wire):
    maximum_available: float
    currently_available: float
    restore_rate: float


class Cost(_Wire):
    """Points, not money: a float is good enough for waiting."""

    requested_query_cost: float | None = None
    actual_query_cost: float | None = None
    throttle_status: ThrottleStatus | None = None


@dataclass(eq=False, slots=True)
class Turn:
    """A question that waits for points: how many, as far as is known."""

    points: float
    bulk: bool


class Throttle:
    """What the last answers told of the bucket, and what each document asked for when it was last sent."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._status: ThrottleStatus | None = None
        self._told: datetime | None = None
        self._reserved = 0.0
        self._asked: dict[str, float] = {}
        self._queue: list[Turn] = []

    def expected(self, document: str) -> float:
        """Points the document asked for last time; 0 while that is unknown."""
        return self._asked.get(document, 0.0)

    @contextmanager
    def turn(self, document: str, *, bulk: bool = False) -> Iterator[Turn]:
        """A place in the queue, until the question is on its way or given up."""
        turn = Turn(self.expected(document), bulk)
        self._queue.append(turn)
        try:
            yield turn
        finally:
            self._queue.remove(turn)

    def wait(self, turn: Turn) -> float:
        """Seconds until the bucket should hold what this question asks for, after all that came before it."""
        status = self._status
        if status is None or self._told is None or status.restore_rate <= 0:
            return 0.0
        passed = max(0.0, (self._now() - self._told).total_seconds())
        available = min(status.maximum_available, status.currently_available + passed * status.restore_rate)
        most = status.maximum_available
        before = self._queue if turn.bulk else self._queue[: self._queue.index(turn)]
        ahead = sum(min(one.points, most) for one in before if one is not turn and not one.bulk)
        own = min(turn.points + (most / 2 if turn.bulk else 0), most)
        missing = ahead + own + self._reserved - available
        return max(SHORTEST_WAIT, missing / status.restore_rate) if missing > 0 else 0.0

    def reserve(self, document: str) -> float:
        """Points taken by a call now on its way, until its answer tells the truth. Give them back with ``release``."""
        points = self.expected(document)
        self._reserved += points
        return points

    def release(self, points: float) -> None:
        self._reserved -= points

    def learn(self, document: str, cost: Cost) -> None:
        if cost.requested_query_cost is not None:
            self._asked[document] = cost.requested_query_cost
        if cost.throttle_status is not None:
            self._status, self._told = cost.throttle_status, self._now()

    def wait_after_refusal(self, cost: Cost | None) -> float:
        """Seconds to wait after THROTTLED: (requested - available) / restoreRate; a second where they do not say."""
        if cost is None or cost.throttle_status is None or cost.requested_query_cost is None:
            return 1.0
        status = cost.throttle_status
        missing = min(cost.requested_query_cost, status.maximum_available) - status.currently_available
        return max(SHORTEST_WAIT, missing / status.restore_rate) if status.restore_rate > 0 else 1.0
