"""The store's quota: so many calls in a window, shared by every app that calls the store.

Each answer tells what is left of it (contracts/woo_bigcommerce_magento.md 2.1), whoever used the rest: only that is
believed, never a count of ours. A part is left to the others by waiting for the next window. A 429 that tells no quota
means that the whole platform is overloaded: half a minute, and twice as long each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

LEFT = "x-rate-limit-requests-left"
QUOTA = "x-rate-limit-requests-quota"
WINDOW_MS = "x-rate-limit-time-window-ms"
RESET_MS = "x-rate-limit-time-reset-ms"

LONGEST_WINDOW = timedelta(hours=1)
SHORTEST_WAIT = 0.05
FIRST_OVERLOAD_SECONDS = 30.0
LONGEST_OVERLOAD_SECONDS = 960.0


@dataclass(frozen=True, slots=True)
class Told:
    """What one answer said: calls left of so many, and when the window ends."""

    left: int
    quota: int
    reset: timedelta

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self | None:
        """From the headers of an answer (names lower-case); None where they are missing or nonsense."""
        left, quota, reset = (_count(headers.get(name)) for name in (LEFT, QUOTA, RESET_MS))
        if left is None or quota is None or reset is None:
            return None
        return cls(left, quota, min(timedelta(milliseconds=reset), LONGEST_WINDOW))


class Quota:
    """What the last answer told. ``kept``: the part, 0 to 1, that is left to the store's other apps."""

    def __init__(self, now: Callable[[], datetime], *, kept: float) -> None:
        self._now = now
        self._kept = kept
        self._told: Told | None = None
        self._at: datetime | None = None
        self._under_way = 0
        self._closed: tuple[datetime, float] | None = None
        self._overloads = 0

    @property
    def told(self) -> Told | None:
        """For doctor."""
        return self._told

    def wait(self) -> float:
        """Seconds until another call may leave; 0: now."""
        return max(self._closed_for(), self._used_up_for())

    def left(self) -> None:
        """A call is on its way: it uses one that no answer has told of yet."""
        self._under_way += 1

    def ended(self) -> None:
        self._under_way -= 1

    def learn(self, headers: Mapping[str, str]) -> None:
        """From any answer but a 429."""
        self._overloads = 0
        told = Told.of(headers)
        if told is not None:
            self._told, self._at = told, self._now()

    def refused(self, headers: Mapping[str, str]) -> float:
        """After a 429: how many seconds nothing is to be called.

        Calls that were under way together are refused together: while it is closed, another refusal doubles nothing.
        """
        told, closed_for = Told.of(headers), self._closed_for()
        if told is not None:
            self._told, self._at = told, self._now()
            seconds = max(SHORTEST_WAIT, told.reset.total_seconds())
        else:
            seconds = closed_for or self._overloaded()
        if seconds > closed_for:
            self._closed = self._now(), seconds
        return max(seconds, closed_for)

    def _overloaded(self) -> float:
        seconds: float = min(FIRST_OVERLOAD_SECONDS * 2**self._overloads, LONGEST_OVERLOAD_SECONDS)
        self._overloads = min(self._overloads + 1, 16)
        return seconds

    def _closed_for(self) -> float:
        if self._closed is None:
            return 0.0
        since, seconds = self._closed
        left = seconds - self._passed(since)
        if left <= 0:
            self._closed = None
        return max(0.0, left)

    def _used_up_for(self) -> float:
        if self._told is None or self._at is None:
            return 0.0
        left = self._told.reset.total_seconds() - self._passed(self._at)
        if left <= 0:  # a new window, of which nothing is known yet
            return 0.0
        free = self._told.left - self._under_way - self._told.quota * self._kept
        return 0.0 if free >= 1 else max(SHORTEST_WAIT, left)

    def _passed(self, since: datetime) -> float:
        """Never less than nothing, where a clock was set back."""
        return max(0.0, (self._now() - since).total_seconds())


def _count(text: str | None) -> int | None:
    told = (text or "").strip()
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None
