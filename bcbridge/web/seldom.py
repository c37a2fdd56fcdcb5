"""The same line not twice a minute: whoever makes us say something does not fill the log with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

EVERY_SECONDS = 60.0
KEYS = 1000
"""Different lines that are remembered; beyond that the oldest is forgotten and may be said again."""


class Seldom:
    """Counts what is not said, so that the next line says it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[Hashable, tuple[float, int]] = {}

    def due(self, key: Hashable) -> int:
        """How often it happened since it was last said, this time included; 0: it is not to be said now."""
        now = self._clock()
        at, unsaid = self._said.pop(key, (-EVERY_SECONDS, 0))
        due = now - at >= EVERY_SECONDS
        self._said[key] = (now, 0) if due else (at, unsaid + 1)
        if len(self._said) > KEYS:
            del self._said[next(iter(self._said))]
        return unsaid + 1 if due else 0
