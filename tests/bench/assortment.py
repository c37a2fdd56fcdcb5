"""The numbers that stock is measured with: plain ones, the same for the product and for every peer.

One warehouse feeds three outlets. Every hundredth SKU moves between two publications of the ERP; what was booked in
between is in the newer one. Moments are seconds since the first publication; nothing here comes from the product.
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CHANNELS = ("shopify_us", "woocommerce_eu", "bigcommerce_us")
BUFFERS = (0, 1, 2)
"""Pieces held back, channel by channel."""
COMPARES = (True, False, False)
ROWS_PER_CALL = (250, 100, 2_000)
PARENT = 8
"""SKUs of one style: what the second channel writes together."""
MOVED_EVERY = 100
TOUCHED_EVERY, TOUCHED_AT = 100, 50
PLENTY = 12
PAGE = 250
DAY = 86_400
CYCLE = 900
"""Between the two publications."""
BUILD = 600
"""The longest time that a build takes."""
BOOKED_AT = 60
MOVE = 5


class Demand(NamedTuple):
    """So many pieces of the SKU with this number; ``posted_by`` None: not booked yet."""

    sku: int
    channel: int
    pieces: int
    posted_by: int | None


@dataclass(frozen=True, slots=True)
class Assortment:
    """``skus`` of them, with ``demand`` open rows."""

    skus: int
    demand: int

    def upcs(self) -> list[str]:
        return [upc(number) for number in range(self.skus)]

    def before(self) -> list[int]:
        """Figures of the first publication."""
        return [ots(number) for number in range(self.skus)]

    def after(self) -> list[int]:
        """And of the next one."""
        return [max(0, ots(number) + move(number)) for number in range(self.skus)]

    def stamps(self, *, after: bool) -> list[int]:
        """When each row was changed last."""
        return [CYCLE if after and moved(number) else -(number % DAY) for number in range(self.skus)]

    def rows(self) -> Iterator[Demand]:
        """Every fortieth is booked, of SKUs that move by it; the others are anybody's and on their way."""
        many = max(1, self.skus // MOVED_EVERY)
        for at in range(self.demand):
            if at % 40 == 0:
                yield Demand(at // 40 % many * MOVED_EVERY, at % 3, 1 + at % 2, BOOKED_AT)
            else:
                yield Demand(at * 104_729 % self.skus, at % 3, 1 + at % 2, None)

    def counted_before(self) -> list[int]:
        """N of each SKU while the first publication is the latest."""
        counted = [0] * self.skus
        for row in self.rows():
            counted[row.sku] += row.pieces
        return counted

    def explained(self) -> list[tuple[int, ...]]:
        """What each channel shows before the next publication."""
        frees = (held - n for held, n in zip(self.before(), self.counted_before(), strict=True))
        return [tuple(max(0, free - buffer) for buffer in BUFFERS) for free in frees]

    def touched(self) -> list[int]:
        """SKUs of which one more piece is sold afterwards."""
        return list(range(TOUCHED_AT, self.skus, TOUCHED_EVERY))


def upc(number: int) -> str:
    return f"{400_000_000_000 + number * 7}"


def ots(number: int) -> int:
    """The first publication's figure of the SKU with this number."""
    return max(0, number * 7_919 % 61 - 8)


def moved(number: int) -> bool:
    return number % MOVED_EVERY == 0


def move(number: int) -> int:
    """By how much this SKU's figure moves: every other one falls."""
    return (MOVE if number // MOVED_EVERY % 2 else -MOVE) if moved(number) else 0


def urgency(target: int, explained: int) -> int:
    """Falls to little first, then other falls, then raises."""
    if target > explained:
        return 2
    return 0 if target <= PLENTY else 1


Told = Mapping[str, Sequence[Sequence[tuple[str, int]]]]
"""By channel: calls, each of (SKU, number)."""


def calls(channel: int, rows: Sequence[tuple[int, int, str, int, int]]) -> list[list[tuple[str, int]]]:
    """Cut into what one call carries. ``rows``: (urgency, target, SKU, explained, parent), the most urgent first.

    Which kind of call it is follows from whether a number falls where the channel compares; the second channel's calls
    are one a parent.
    """
    most = ROWS_PER_CALL[channel]
    if channel == 1:
        parents: dict[int, list[tuple[str, int]]] = {}
        for _, target, sku, _, parent in rows:
            parents.setdefault(parent, []).append((sku, target))
        return [told[at : at + most] for told in parents.values() for at in range(0, len(told), most)]
    kinds: tuple[list[tuple[str, int]], list[tuple[str, int]]] = ([], [])
    for _, target, sku, explained, _ in rows:
        kinds[COMPARES[channel] and target > explained].append((sku, target))
    return [told[at : at + most] for told in kinds for at in range(0, len(told), most)]


def sameness(told: Told) -> dict[str, int]:
    """What must be equal whoever reckoned it: how many rows, and a sum over what they say."""
    said = [f"{channel} {sku} {number}" for channel, many in told.items() for call in many for sku, number in call]
    return {"rows": len(said), "sum": sum(zlib.crc32(one.encode()) for one in said) % 2**31}


Row = tuple[str, int, int]
"""As a peer reads it: SKU, figure, when it was changed."""


def published(of: Assortment, *, lazily: bool) -> Iterable[Sequence[Row]]:
    """The second publication, in pages. ``lazily``: each is made when it is asked for."""
    firsts = range(0, of.skus, PAGE)
    if lazily:
        return (_page(of, first) for first in firsts)
    rows = list(zip(of.upcs(), of.after(), of.stamps(after=True), strict=True))
    return [rows[first : first + PAGE] for first in firsts]


def _page(of: Assortment, first: int) -> list[Row]:
    numbers = range(first, min(first + PAGE, of.skus))
    return [(upc(at), max(0, ots(at) + move(at)), CYCLE if moved(at) else -(at % DAY)) for at in numbers]


# -- a peer, measured ------------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """As a peer is asked on its command line: ``SKUS DEMAND time|memory [FILE]``."""

    of: Assortment
    lazily: bool
    file: str


def asked() -> Asked:
    return Asked(
        Assortment(int(sys.argv[1]), int(sys.argv[2])),
        lazily=sys.argv[3] == "memory",
        file=sys.argv[4] if len(sys.argv) > 4 else "",
    )


def settle() -> None:
    """What was made so far is neither looked through again nor counted as a peak."""
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """The most memory held since."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def say(told: Told, touched: Told, **read: float) -> None:
    facts = {**read, "told": sameness(told), "touched": sameness(touched)}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
