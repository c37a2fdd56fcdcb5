"""What has left and the channel does not show: cumulative pieces per line, the one against the other. Pure.

1. lay      the pieces of every shipment that stands on the order's lines, by the rows of our documents
2. compare  with what the channel shows as left, line by line
3. owe      the difference, shipment by shipment, so that each is told with its own tracking numbers

A tracking number identifies nothing: two parcels may share one, or have none. It only says which shipment is meant
where the channel shows some pieces and not others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from bcbridge.model.dispatch import DispatchView
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.outcome import Problem
from bcbridge.model.shipment import BookedRow, Shipment, ShippedLine

NOTHING: Mapping[Ref, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Owed:
    """One shipment that the channel is to be told, and the pieces of it: by line of the order."""

    shipment: Shipment
    pieces: Mapping[Ref, int]


@dataclass(frozen=True, slots=True)
class Balance:
    """``left``: pieces of each line that left, by the ERP. ``surplus``: pieces that the channel shows as left and the
    ERP does not. ``taken_back``: pieces that the channel took from us as left and shows no more. ``problems``: what
    could not be laid on any line."""

    owed: tuple[Owed, ...]
    left: Mapping[Ref, int]
    surplus: Mapping[Ref, int]
    taken_back: Mapping[Ref, int]
    problems: tuple[Problem, ...]
    void: Mapping[Ref, int] = field(default_factory=dict)
    """Pieces that the channel took from us as left, and that the ERP took back since: they never left."""
    labels: Mapping[Ref, str] = field(default_factory=dict)
    """Lines as people call them: by their SKUs."""


def balance(
    shipments: Sequence[Shipment],
    booked: Sequence[BookedRow],
    view: DispatchView,
    confirmed: Mapping[Ref, int] = NOTHING,
) -> Balance:
    """``booked``: all rows of the order's documents. Shipments that are void count nothing. ``confirmed``: pieces that
    the channel took from us: never told twice, whatever it shows."""
    standing = sorted((one for one in shipments if not one.void), key=_when)
    rows, problems = _Rows(booked), list[Problem]()
    laid = [(shipment, rows.lay(shipment, problems)) for shipment in standing]
    left: Counter[Ref] = Counter()
    for _, pieces in laid:
        left.update(pieces)
    lines = {*left, *confirmed, *_lines_shown(view)}
    told = Counter({line: max(view.told(line), confirmed.get(line, 0)) for line in lines})
    missing = {line: count for line, count in confirmed.items() if view.told(line) < count}
    return Balance(
        owed=tuple(_owed(laid, +told, view)),
        left={line: count for line, count in left.items() if count},
        surplus=dict(told - left),
        taken_back={line: count - view.told(line) for line, count in missing.items()},
        problems=tuple(problems),
        void={line: count - left[line] for line, count in confirmed.items() if count > left[line]},
        labels={row.line: str(row.upc) for row in booked},
    )


def _when(shipment: Shipment) -> tuple[date, str]:
    return shipment.shipped or date.max, shipment.number


def _lines_shown(view: DispatchView) -> set[Ref]:
    return {one.line for shown in view.fulfilments for one in shown.lines}


# -- laying ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Row:
    row: BookedRow
    taken: int = 0

    @property
    def room(self) -> int:
        return self.row.pieces - self.taken


@dataclass(slots=True)
class _Rows:
    """The rows of the order's documents, filled shipment by shipment."""

    booked: Sequence[BookedRow]
    _by_sku: dict[tuple[Reference, Upc], list[_Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in sorted(self.booked, key=lambda row: row.line_seq):
            self._by_sku.setdefault((row.reference, row.upc), []).append(_Row(row))

    def lay(self, shipment: Shipment, problems: list[Problem]) -> Counter[Ref]:
        """Pieces by line of the order; what fits nowhere is a problem."""
        laid: Counter[Ref] = Counter()
        for line in shipment.lines:
            rows = self._candidates(shipment.reference, line)
            rest = _give_back(line, rows, laid) if line.pieces < 0 else _fill(line, rows, laid)
            if rest:
                problems.append(_unlaid(shipment, line, rest, known=bool(rows)))
        return laid

    def _candidates(self, reference: Reference, line: ShippedLine) -> list[_Row]:
        """The row that the ERP names first, then the others of its SKU: their pieces are the same goods."""
        rows = self._by_sku.get((reference, line.upc), [])
        return sorted(rows, key=lambda one: one.row.line_seq != line.line_seq)


def _fill(line: ShippedLine, rows: Iterable[_Row], laid: Counter[Ref]) -> int:
    """Pieces that found no room."""
    rest = line.pieces
    for one in rows:
        here = min(rest, one.room)
        one.taken += here
        laid[one.row.line] += here
        rest -= here
    return rest


def _give_back(line: ShippedLine, rows: Iterable[_Row], laid: Counter[Ref]) -> int:
    rest = -line.pieces
    for one in rows:
        here = min(rest, one.taken)
        one.taken -= here
        laid[one.row.line] -= here
        rest -= here
    return rest


def _unlaid(shipment: Shipment, line: ShippedLine, rest: int, *, known: bool) -> Problem:
    what = "more than was ordered" if known else "of a SKU that is not on the order"
    text = f"{rest} of {line.upc} left with {shipment.number}: {what}"
    return Problem(code="dispatched_too_much" if known else "dispatched_unknown", subject=shipment.number, text=text)


# -- owing -------------------------------------------------------------------------------------------------------


def _owed(laid: Sequence[tuple[Shipment, Counter[Ref]]], told: Counter[Ref], view: DispatchView) -> Iterable[Owed]:
    """What is told already is taken off first from the shipments that the channel shows by their numbers."""
    shown = {track for one in view.fulfilments for track in one.tracks}
    rest = {shipment.number: Counter(pieces) for shipment, pieces in laid}
    for shipment, _ in sorted(laid, key=lambda one: shown.isdisjoint(one[0].tracks)):
        pieces = rest[shipment.number]
        for line, count in pieces.items():
            known = min(max(count, 0), told[line])
            pieces[line] -= known
            told[line] -= known
    _settle_returns(rest)
    for shipment, _ in laid:
        pieces = +rest[shipment.number]
        if pieces:
            yield Owed(shipment, dict(pieces))


def _settle_returns(rest: Mapping[str, Counter[Ref]]) -> None:
    """What a later shipment takes back is not told of an earlier one."""
    back: Counter[Ref] = Counter()
    for pieces in rest.values():
        back.update({line: -count for line, count in pieces.items() if count < 0})
    for pieces in reversed(list(rest.values())):
        for line in list(pieces):
            here = min(max(pieces[line], 0), back[line])
            pieces[line] -= here
            back[line] -= here
