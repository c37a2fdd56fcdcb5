"""Size scales: which of a style's 24 buckets each size is (NOTES 2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BUCKETS = 24


@dataclass(frozen=True)
class Scale:
    code: str
    sizes: tuple[str, ...]
    """What each bucket is called, the first one first. A scale has sizes that a style may not come in."""

    def bucket(self, size: str) -> int:
        """From 0."""
        return self.sizes.index(size)


SCALES = (
    Scale("ALP", ("XXS", "XS", "S", "M", "L", "XL", "XXL")),
    Scale("WST", tuple(str(inches) for inches in range(26, 42, 2))),
    Scale("ONE", ("OS",)),
)


def scale_of(sizes: Iterable[str]) -> Scale:
    """The first scale that has all of them; one of their own where none has."""
    wanted = sorted(set(sizes))
    for scale in SCALES:
        if set(wanted) <= set(scale.sizes):
            return scale
    return Scale("OWN", tuple(wanted[:BUCKETS]))
