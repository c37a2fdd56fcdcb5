"""What is remembered of an ERP's figures between pulls, and what a pull hands to memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bcbridge.model.documents import Cursor
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Evidence, Spot, StockRow

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""What no evidence dates."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A count that we set, and when our request for it left."""

    count: int
    sent: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier pulls left behind.

    ``floor``: every figure was taken at or after it. ``read_all``: when the last whole pull began; every row was read
    at or after it. ``moved``: when the last pull began that saw any figure move. ``newest``: the newest stamp or
    publication read, by the ERP's clock. ``changed``: whatever was read after that of a pull that saw one move was
    taken at or after this. ``echo_seen``: when the count was sent that was shown last. ``oldest``: of the publications
    from which everything was last read, where every row named its own; nothing older is taken any more.
    """

    floor: datetime = BEGINNING
    read_all: datetime | None = None
    moved: datetime | None = None
    newest: datetime | None = None
    changed: datetime | None = None
    echoes: tuple[Echo, ...] = ()
    echo_seen: datetime | None = None
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedState:
    """One ERP's feed. ``mark``: how far what changed was read; "" before the first. ``held``: why the last pull was
    not stored whole, in words; ``accepted``: a person lets the next such pull in. ``cycles``: see flows/stock/cycle."""

    mark: Cursor = ""
    known: Known = Known()
    pull_ended: datetime | None = None
    delta_ended: datetime | None = None
    held: str = ""
    accepted: bool = False
    cycles: str = "[]"


@dataclass(frozen=True, slots=True)
class Taken:
    """A row to be kept. ``as_of``: the figure was taken at or after it; ``by`` says so. ``read``: when our request for
    it left."""

    row: StockRow
    as_of: datetime
    by: Evidence | None
    read: datetime


Place = tuple[Upc, Spot]
"""Which figure it is: UPC, and where it lies."""
