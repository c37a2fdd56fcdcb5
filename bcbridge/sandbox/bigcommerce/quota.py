"""The quota of calls, one for the whole shop and shared by all its apps (2.1).

A window begins with the first call after the last one ended. Another app takes its part of it, steadily, whether
anybody looks or not: whoever counts only its own calls is wrong (trap 26).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Quota:
    """``now`` is seconds of a clock that never jumps. Sizes are read at each call: they may be ordered to change."""

    now: Callable[[], float]
    size: Callable[[], float]
    window_seconds: Callable[[], float]
    others_per_second: Callable[[], float]
    began: float = float("-inf")
    used: int = 0

    def take(self) -> bool:
        """Counts one call; whether there was one left."""
        self.turn()
        fits = self.left() >= 1
        self.used += fits
        return fits

    def eat(self) -> None:
        """Somebody else takes all there is, at once."""
        self.turn()
        self.used = int(self.size())

    def turn(self) -> None:
        if self.now() - self.began >= self.window_seconds():
            self.began, self.used = self.now(), 0

    def left(self) -> int:
        others = (self.now() - self.began) * self.others_per_second()
        return max(int(self.size() - self.used - others), 0)

    def headers(self) -> dict[str, str]:
        """As every answer has them."""
        window = self.window_seconds()
        reset = max(self.began + window - self.now(), 0)
        return {
            "X-Rate-Limit-Requests-Left": str(self.left()),
            "X-Rate-Limit-Requests-Quota": str(int(self.size())),
            "X-Rate-Limit-Time-Window-Ms": str(int(window * 1_000)),
            "X-Rate-Limit-Time-Reset-Ms": str(int(reset * 1_000) + 1),
        }
