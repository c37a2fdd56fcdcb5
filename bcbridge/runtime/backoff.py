"""How long to wait before the next attempt: doubling, capped, with chance so that a crowd does not return at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

FIRST = timedelta(seconds=1)
LONGEST = timedelta(minutes=5)


def backoff(attempt: int, *, chance: Callable[[], float]) -> timedelta:
    """The wait after attempt ``attempt`` (from 1). ``chance`` gives 0..1; the wait is 50 to 100 % of its step."""
    doublings: int = min(max(attempt, 1) - 1, 12)
    step = min(LONGEST, FIRST * (1 << doublings))
    return step * (0.5 + 0.5 * chance())
