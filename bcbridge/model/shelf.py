"""Between what a channel shows and what it is told: items found, numbers read, calls under way, drift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bcbridge.model.stock import ShelfItem, StockChange, StockWrite, WriteKind

Place = tuple[str, str]
"""(sku, location) of one channel."""


# -- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of the shelf and the SKU it was found to be."""

    sku: str
    item: ShelfItem


@dataclass(frozen=True, slots=True)
class Reading:
    """What a channel showed at a moment between ``asked`` and ``answered``."""

    sku: str
    location: str
    item: str
    shown: int
    asked: datetime
    answered: datetime
    group: str = ""


@dataclass(frozen=True, slots=True)
class Anchored:
    """What a reading came to. ``explained``: E before (None: there was none, or it was doubtful); ``actual``: what the
    reading makes of it; ``sure`` False: an order changed in the very moment."""

    sku: str
    location: str
    explained: int | None
    actual: int
    sure: bool

    @property
    def drifted(self) -> bool:
        """Something moved the number that no order and no write of ours explains."""
        return self.sure and self.explained is not None and self.explained != self.actual


# -- telling -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DueRow:
    """A number to be written, as it would be now. ``kind`` None: what stands there is to be read first. ``urgency``:
    0 must fall and is near to zero, 1 falls, 2 rises, 9 is told again though nothing differs."""

    sku: str
    kind: WriteKind | None
    urgency: int
    change: StockChange

    @property
    def place(self) -> Place:
        return self.sku, self.change.location


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that is on disk and about to be made. ``skus``: of each change, in their order."""

    id: int
    channel: str
    write: StockWrite
    skus: tuple[str, ...]
    made: datetime
    due: datetime | None = None
    """Since when the number that waited longest was to fall; None where none was."""
    ended: datetime | None = None
    """Where it was answered and settles, or was left without an answer: when."""
    tries: int = 1


# -- drift -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drift:
    """A gap that neither orders nor our own writes explain: it was to show ``explained``, and shows ``actual``."""

    sku: str
    location: str
    explained: int
    actual: int


@dataclass(frozen=True, slots=True)
class PastWrite:
    """A number this place was told earlier. ``doubtful``: the call had no answer."""

    at: datetime
    number: int
    was: int | None
    doubtful: bool
    result: str


@dataclass(frozen=True, slots=True)
class DriftSigns:
    """What may explain a drift. ``writes``: the newest first; ``drifted_before``: in how many of the last comparisons;
    ``agreed_at``: when one last found what was explained."""

    writes: tuple[PastWrite, ...] = ()
    drifted_before: int = 0
    agreed_at: datetime | None = None


class DriftCause(StrEnum):
    EDITED = "edited"
    """By hand in the channel's admin, most likely."""
    LOST_WRITE = "lost_write"
    WRONG_MAPPING = "wrong_mapping"
    ANOTHER_APP = "another_app"
    SECOND_BUFFER = "second_buffer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """The likely cause of a drift, and what speaks for it, in words."""

    cause: DriftCause
    told: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a read of the whole shelf came to. ``unknown``: items that are no SKU of ours, the first of them by name;
    ``anchored``: numbers known since; ``left``: those that were being written or sold in that very moment."""

    items: int
    unknown: int
    unknown_names: tuple[str, ...]
    anchored: int
    left: int
    drifts: tuple[tuple[Drift, Cause], ...]
