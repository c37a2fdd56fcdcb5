"""Stock in our words: what the ERP says it has, what a channel shows, and what is asked of the one by the other.

*OTS* is the ERP's figure, *ATS* what a channel is told. The rule from one to the other is ADR 0031; its words are used
throughout: figure, ``as_of``, demand row, ``posted_by``, N, target, explained number. Quantities are pieces, moments
aware and UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from bcbridge.model.documents import Cursor
from bcbridge.model.ids import Ref, Upc

NO_PARTS: Mapping[str, int] = MappingProxyType({})
Numbers = tuple[int, int, int]
"""A figure by basis: open to sell, on hand less picked, open to sell with what is in production."""


class Spot(NamedTuple):
    """Where pieces lie: a warehouse, and a lot in it ("" where the ERP keeps none)."""

    warehouse: str
    lot: str


class Basis(StrEnum):
    """Which of the ERP's numbers a channel location is fed from."""

    OTS = "ots"
    QOH_MINUS_PICK = "qoh_minus_pick"
    OTS_WIP = "ots_wip"


class Evidence(StrEnum):
    """What allows to say when the ERP took a figure, the surest first (ADR 0031, section 2 of the rule)."""

    LIVE = "live"
    """Figures are computed when they are asked for."""
    ROW_LEDGER = "row_ledger"
    """A row's own stamp is that of its last ledger change, made in the booking that made it."""
    EXPORT_START = "export_start"
    """Rows come from an export stamped with the start of its build."""
    EXPORT_WRITTEN = "export_written"
    """Rows are stamped when they were written, or nobody knows which: the stamp less ``build``."""
    UNCHANGED = "unchanged"
    """No stamps: a row that moved was taken after we last read it unmoved, less ``build``."""
    ECHO = "echo"
    """A count that we set ourselves on a SKU that nobody sells, and see again."""
    MAX_AGE = "max_age"
    """Last resort: no figure is older than ``max_age``, as long as figures move at all."""


@dataclass(frozen=True, slots=True)
class EvidenceRules:
    """What one ERP's profile says about its figures.

    ``skew``: the greatest difference between its clock and ours, used where an ``as_of`` by our clock meets a
    ``posted_by`` by theirs. ``echo``: the UPC and warehouse whose count we may set, and see again among the rows; no
    channel sells it. ``cycle``: how often figures are published, as far as a person knows; a hint, no evidence.
    ``behind``: how much older a page's figures may be than those read before it (replicas that lag, by a cycle or
    more); zero: pages never go back in time; None: nobody knows, and only what stands on a row's own page dates it.
    ``loss_percent``: of the figures with stock; a pull in which more of them fall to none is left to a person.
    """

    kinds: tuple[Evidence, ...] = (Evidence.EXPORT_WRITTEN,)
    build: timedelta = timedelta(minutes=10)
    max_age: timedelta = timedelta(hours=2)
    skew: timedelta = timedelta(seconds=5)
    echo: tuple[Upc, str] | None = None
    cycle: timedelta | None = None
    behind: timedelta | None = timedelta(0)
    loss_percent: int = 20


@dataclass(frozen=True, slots=True)
class StockRow:
    """The ERP's figures of one SKU in one spot, in pieces; signs as they are. Rows of one pull share their spots.

    ``parts`` are the ledger's components where it gave them (``sa``, ``op``, ...), those that are zero left out: then
    the three numbers are the three formulas of them; empty where they are the ERP's own.
    """

    upc: Upc
    spot: Spot
    numbers: Numbers
    stamp: datetime | None = None
    """The row's own ``last_mod``: the earlier reading where the hour is repeated."""
    export: datetime | None = None
    """The stamp of the publication it came from, where rows or envelope carry one; the earlier reading."""
    parts: Mapping[str, int] = field(default_factory=lambda: NO_PARTS)

    @property
    def warehouse(self) -> str:
        return self.spot.warehouse

    @property
    def lot(self) -> str:
        return self.spot.lot

    @property
    def ots(self) -> int:
        return self.numbers[0]

    @property
    def qoh_minus_pick(self) -> int:
        return self.numbers[1]

    @property
    def ots_wip(self) -> int:
        return self.numbers[2]


@dataclass(frozen=True, slots=True)
class StockPage:
    """One page of a pull. ``odd``: rows that could not be read, in words; they are nobody's zero.

    ``mark`` is to be kept when the whole pull has been stored. ``last``: nothing comes behind it. ``whole``, on the
    last page: this walk is proven to have shown every row it was asked for.
    """

    rows: tuple[StockRow, ...]
    asked: datetime
    answered: datetime
    mark: Cursor
    last: bool = False
    whole: bool = False
    odd: tuple[str, ...] = ()


# -- what orders ask for ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What one order asks of one SKU, as it is now.

    ``wanted``: pieces the ERP is to deliver for it; 0 where it is none of the ERP's (a test, before go-live, skipped,
    cancelled). ``taken``: pieces the channel has taken off its own number at ``location`` ("" = its only one, or not
    known which). ``warehouse``: where they will be booked, "" where that is not known yet: then they count everywhere.
    """

    sku: Upc
    location: Ref
    warehouse: str
    wanted: int
    taken: int


@dataclass(frozen=True, slots=True)
class OrderLook:
    """One look at one order. SKUs it held before and does not name now are asked for no more.

    ``asked``: when our request for it left. ``shipped`` etc. of channels that reserve come with dispatches.
    """

    ref: Ref
    placed: datetime
    asked: datetime
    lines: tuple[Asked, ...]
    closed: bool = False
    again: bool = False
    """Shown under the same stamp as at the look before: looked at again only because a stamp is a whole second."""


# -- what a channel shows --------------------------------------------------------------------------------------


class TakesOff(StrEnum):
    """When a channel lowers its own number."""

    AT_ORDER = "at_order"
    AT_SHIPMENT = "at_shipment"


@dataclass(frozen=True, slots=True)
class ShelfRules:
    """How a channel's numbers are written.

    ``compares``: it lowers by difference and raises by compare; otherwise writes are absolute and blind. ``settles``:
    it answers before the number is in force, and this is the longest that was seen; None: the answer is the end.
    ``late``: how long a call that was given up may still land. ``reserves``: what it sold stays in the number until it
    is dispatched, so that R is added (Magento MSI).
    """

    compares: bool
    takes_off: TakesOff = TakesOff.AT_ORDER
    reserves: bool = False
    rows_per_call: int = 100
    calls_at_once: int = 1
    settles: timedelta | None = None
    late: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ShelfLocation:
    """A place of the channel that has numbers of its own; ``sells``: the shop front sees its pieces."""

    ref: Ref
    name: str
    sells: bool = True


@dataclass(frozen=True, slots=True)
class ShelfItem:
    """One number a channel shows: one item at one location. ``managed`` False: no number may be written, and ``why``
    says so in words (untracked, counted at its parent, a bundle, another app's)."""

    location: Ref
    item: Ref
    """What the write names: inventory item, variation, variant."""
    group: Ref
    """What writes are batched by where they are (WooCommerce: the parent product); "" where nothing."""
    variant: Ref
    """As an order's line names it (``OrderLine.variant``)."""
    sku: str
    barcode: str | None
    title: str
    shown: int | None
    managed: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class ShelfPage:
    """Part of a full read of the shelf; ``asked``: when the request left."""

    items: tuple[ShelfItem, ...]
    asked: datetime


class WriteKind(StrEnum):
    ADJUST = "adjust"
    """By difference: ``number - was`` is added to whatever is there."""
    COMPARE = "compare"
    """``number``, if ``was`` is what is there."""
    SET = "set"
    """``number``, whatever is there."""


@dataclass(frozen=True, slots=True)
class StockChange:
    """One row of a write."""

    location: Ref
    item: Ref
    group: Ref
    number: int
    was: int | None

    @property
    def difference(self) -> int:
        return self.number - (self.was or 0)


@dataclass(frozen=True, slots=True)
class StockWrite:
    """One call. ``key`` was on disk before it was made and is the same however often it is tried; ``run`` names it in
    the channel's own history where it has one (``gid://bcbridge/StockRun/<run>``)."""

    key: str
    kind: WriteKind
    changes: tuple[StockChange, ...]
    run: str = ""


class RowResult(StrEnum):
    TAKEN = "taken"
    STALE = "stale"
    """COMPARE: something else was there; ``shown`` says what, where the channel tells."""
    GONE = "gone"
    """The channel knows no such item (any more): its place on the shelf is looked up again."""
    UNMANAGED = "unmanaged"
    REFUSED = "refused"
    UNTRIED = "untried"
    """Not applied because of another row: may go again as it is."""


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What became of one row of a write; ``shown``: the number there now, where the answer tells."""

    result: RowResult
    shown: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A definite answer: one for each change, in their order."""

    rows: tuple[RowAnswer, ...]


@dataclass(frozen=True, slots=True)
class Buffer:
    """Pieces held back, and what they were reckoned from, in words."""

    pieces: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Speed:
    """Pieces of one SKU that channels other than this one sold within ``window``."""

    pieces: int
    window: timedelta = field(default=timedelta(seconds=20))


# -- what a person decides ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumberRule:
    """The rule in force for the numbers of one SKU in one outlet, resolved from all that a person wrote.

    ``speed``: also hold back what other channels sell in the time a number takes to get there. ``why``: which rows of
    which file, in words.
    """

    buffer: int = 0
    percent: int = 0
    speed: bool = False
    cap: int | None = None
    stop: bool = False
    split: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A place of a channel that is told numbers, and which warehouses of which ERP feed it (its pool).

    ``rule``: its own, for SKUs that have no other. ``weight``: its share, beside the others', of what is split.
    ``hides_inactive``: SKUs that the ERP no longer sells are shown as none.
    """

    channel: str
    location: Ref
    erp: str
    warehouses: tuple[str, ...]
    basis: Basis = Basis.OTS
    shelf: ShelfRules = ShelfRules(compares=False)
    rule: NumberRule = NumberRule()
    weight: int = 1
    hides_inactive: bool = True
    name: str = ""
    """As people call the location."""
