"""The two sides of a booked order, laid beside what was booked. Pure.

Nothing is followed as an event: what was booked, what the channel wants now and what the ERP holds now are compared
line by line. So what we asked for ourselves comes back as agreement, and what is told twice, late or never at all makes
no difference.

1. lay      the ERP's rows on the order's lines, by the rows of our documents
2. want     the pieces of each line that the channel wants now: none of an order that is cancelled or gone
3. side     each line whose pieces differ: who moved, and how far its pieces have gone
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bcbridge.model.changes import Document, Stage
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.order import LineKind, Order
from bcbridge.model.sales_order import BookedLine
from bcbridge.model.shipment import BookedRow


class Moved(StrEnum):
    """Who changed something since it was booked."""

    CHANNEL = "channel"
    ERP = "erp"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One row of our document, and what the ERP holds of it. ``held``: ordered and not cancelled; of these ``picked``
    have gone further, and of these ``shipped`` have left."""

    reference: Reference
    line_seq: int
    line: Ref
    upc: Upc
    booked: int
    not_wanted: int = 0
    """Of the booked ones: refunded before, and booked all the same."""
    held: int = 0
    picked: int = 0
    shipped: int = 0
    cancelled: int = 0

    @property
    def open(self) -> int:
        """Pieces that can still be cancelled without a parcel being stopped."""
        return max(0, self.held - self.picked)


@dataclass(frozen=True, slots=True)
class LineSides:
    """One line of the channel's order. ``booked``, ``wanted`` and ``held`` in pieces. ``missing``: the channel's order
    stands and has no such line any more."""

    line: Ref
    label: str
    wanted: int
    rows: tuple[HeldRow, ...]
    missing: bool = False

    @property
    def booked(self) -> int:
        return sum(row.booked for row in self.rows)

    @property
    def held(self) -> int:
        return sum(row.held for row in self.rows)

    @property
    def picked(self) -> int:
        return sum(row.picked for row in self.rows)

    @property
    def shipped(self) -> int:
        return sum(row.shipped for row in self.rows)

    @property
    def moved(self) -> Moved | None:
        """None where both sides agree, or where all that the ERP still holds has left: what comes back then is a
        return."""
        if self.wanted == self.held or (self.wanted < self.held and self.held <= self.shipped):
            return None
        channel, erp = self.wanted != self.booked, self.held != self.booked
        return Moved.BOTH if channel and erp else Moved.CHANNEL if channel else Moved.ERP


@dataclass(frozen=True, slots=True)
class Sides:
    """An order, whole. ``added``: goods that the channel has and that were not booked, as (name, pieces); ``foreign``:
    rows that the ERP holds and we did not send, as (UPC, pieces). ``only_goods``: nothing else was sold with it."""

    lines: tuple[LineSides, ...]
    cancelled: bool
    gone: bool
    holds: tuple[str, ...]
    added: tuple[tuple[str, int], ...]
    foreign: tuple[tuple[Upc, int], ...]
    only_goods: bool

    @property
    def stage(self) -> Stage:
        held, picked, shipped = (
            sum(getattr(one, name) for one in self.lines) for name in ("held", "picked", "shipped")
        )
        if not held:
            return Stage.CANCELLED
        if shipped:
            return Stage.SHIPPED if shipped >= held else Stage.PART_SHIPPED
        return Stage.PICKED if picked else Stage.OPEN

    @property
    def to_go(self) -> int:
        """Pieces that the ERP is still going to ship."""
        return sum(max(0, one.held - one.shipped) for one in self.lines)

    @property
    def differing(self) -> tuple[LineSides, ...]:
        return tuple(one for one in self.lines if one.moved)


def sides(booked: Sequence[BookedRow], documents: Sequence[Document], order: Order | None) -> Sides:
    """``order``: as the channel shows it now; None where it is gone. Every document is one that was seen."""
    rows, foreign = _laid(booked, documents)
    known = {row.line for row in booked}
    return Sides(
        lines=tuple(
            _line(line, [row for row in rows if row.line == line], order) for line in dict.fromkeys(_lines(rows))
        ),
        cancelled=order is None or order.cancelled is not None,
        gone=order is None,
        holds=tuple(sorted({hold.reason for hold in order.holds if not hold.done})) if order else (),
        added=tuple(_added(order, known)) if order else (),
        foreign=tuple(foreign.items()),
        only_goods=order is None or all(line.kind is LineKind.GOODS for line in order.lines if line.quantity),
    )


def _lines(rows: Iterable[HeldRow]) -> Iterator[Ref]:
    return (row.line for row in rows)


def _line(ref: Ref, rows: Sequence[HeldRow], order: Order | None) -> LineSides:
    now = next((line for line in order.lines if line.ref == ref), None) if order else None
    stands = order is not None and not order.cancelled
    extra = sum(row.not_wanted for row in rows)
    wanted = max(0, now.quantity) + extra if stands and now is not None else 0
    label = (now.sku or now.title) if now else ""
    missing = stands and now is None
    return LineSides(line=ref, label=label or rows[0].upc, wanted=wanted, rows=tuple(rows), missing=missing)


def _added(order: Order, known: set[Ref]) -> Iterator[tuple[str, int]]:
    if order.cancelled:
        return
    for line in order.lines:
        if line.kind is LineKind.GOODS and line.quantity > 0 and line.ref not in known:
            yield line.sku or line.title, line.quantity


# -- laying ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pool:
    """What one document holds of one UPC, given to our rows one after the other."""

    lines: list[BookedLine]
    _given: set[int] = field(default_factory=set)

    def exact(self, row: BookedRow) -> BookedLine | None:
        for at, line in enumerate(self.lines):
            if at not in self._given and line.line_seq == row.line_seq:
                self._given.add(at)
                return line
        return None

    def any(self) -> BookedLine | None:
        for at, line in enumerate(self.lines):
            if at not in self._given:
                self._given.add(at)
                return line
        return None

    def rest(self) -> int:
        return sum(line.quantity - line.cancelled for at, line in enumerate(self.lines) if at not in self._given)


def _laid(booked: Sequence[BookedRow], documents: Sequence[Document]) -> tuple[list[HeldRow], Mapping[Upc, int]]:
    pools: dict[tuple[Reference, Upc], _Pool] = {}
    for document in documents:
        for line in document.held.lines if document.held else ():
            pools.setdefault((document.reference, line.upc), _Pool([])).lines.append(line)
    in_turn = sorted(booked, key=lambda row: (row.reference, row.line_seq))
    found = {row: _pool(pools, row).exact(row) for row in in_turn}
    rows = [_held(row, found[row] or _pool(pools, row).any()) for row in in_turn]
    foreign: dict[Upc, int] = {}
    for (_, upc), pool in pools.items():
        if rest := pool.rest():
            foreign[upc] = foreign.get(upc, 0) + rest
    return rows, foreign


def _pool(pools: dict[tuple[Reference, Upc], _Pool], row: BookedRow) -> _Pool:
    return pools.setdefault((row.reference, row.upc), _Pool([]))


def _held(row: BookedRow, line: BookedLine | None) -> HeldRow:
    not_wanted = row.pieces - row.wanted if row.wanted is not None else 0
    ours = HeldRow(
        reference=row.reference,
        line_seq=row.line_seq,
        line=row.line,
        upc=row.upc,
        booked=row.pieces,
        not_wanted=not_wanted,
    )
    if line is None:
        return ours
    return replace(
        ours,
        held=line.quantity - line.cancelled,
        picked=line.picked,
        shipped=line.shipped,
        cancelled=line.cancelled,
    )
