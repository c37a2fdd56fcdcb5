"""Shopify's own budget: a bucket of points per app and store that refills at a steady rate.

Every answer tells how full it is (``extensions.cost.throttleStatus``, contracts/shopify/NOTES.md 1.4), so nothing about
it is hard-coded. What a query asks for must be there *before* it runs; what it did not use comes back.
"""

from __future__ import annotations

from collections.abc import Callable
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


class Throttle:
    """What the last answers told of the bucket, and what each document asked for when it was last sent."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._status: ThrottleStatus | None = None
        self._told: datetime | None = None
        self._reserved = 0.0
        self._asked: dict[str, float] = {}

    def expected(self, document: str) -> float:
        """Points the document asked for last time; 0 while that is unknown."""
        return self._asked.get(document, 0.0)

    def wait(self, document: str) -> float:
        """Seconds until the bucket should hold what this document asks for."""
        status = self._status
        if status is None or self._told is None or status.restore_rate <= 0:
            return 0.0
        passed = max(0.0, (self._now() - self._told).total_seconds())
        available = min(status.maximum_available, status.currently_available + passed * status.restore_rate)
        needed = min(self.expected(document), status.maximum_available)
        missing = needed + self._reserved - available
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
