"""From the two sides of an order to what each is asked for, and what is left to a person. Pure.

- What one side changed alone is carried to the other, where that has a safe way.
- Where both changed the same thing, the setting says whose word counts. A cancellation in the channel always counts:
  nothing that the shop took back is to be shipped because of a setting.
- More pieces than were booked, goods that were not, a hold, pieces that are picked: a person's.
- No money moves by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from bcbridge.flows.changes.settings import ChangeSettings, Winner
from bcbridge.flows.changes.sides import HeldRow, LineSides, Moved, Sides
from bcbridge.model.changes import Amendment, AmendmentKind, CancelledRow, Correction, Stage
from bcbridge.model.dispatch import LinePieces
from bcbridge.model.ids import Ref, Reference
from bcbridge.model.order import Address, Order, TenderKind
from bcbridge.model.outcome import Problem

NOT_STOPPED = "cancelled_not_stopped"
"""Cancelled in the channel, and the ERP is still going to ship it."""
DIFFERS = "order_differs"
"""The two sides of an order differ, and it cannot be carried."""
REFUND = "refund_due"
"""The channel's order was cancelled or made smaller because of the ERP: money is to be given back."""

Towards = Literal["erp", "channel", "person"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one document goes: fingerprints as it was sent, as the ERP holds it and as the channel wants it now (empty
    where not known), and the channel's address."""

    reference: Reference
    sent: str
    held: str
    wanted: str
    address: Address | None = None

    @property
    def moved(self) -> Moved | None:
        channel = bool(self.wanted) and self.wanted != self.sent
        erp = bool(self.held) and self.held != self.sent
        if not self.sent or self.wanted == self.held or not (channel or erp):
            return None
        return Moved.BOTH if channel and erp else Moved.CHANNEL if channel else Moved.ERP


@dataclass(frozen=True, slots=True)
class Decision:
    corrections: tuple[Correction, ...]
    amendments: tuple[Amendment, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class Table:
    """What is at hand while one order is decided. ``numbers``: the ERP's own, by reference. ``can_correct``: the ERP
    takes corrections; ``can_amend``: what the channel takes. ``words``: what else the ERP's documents say otherwise."""

    ref: Ref
    sides: Sides
    places: Sequence[Place]
    numbers: dict[Reference, str]
    settings: ChangeSettings
    can_correct: bool = False
    can_amend: frozenset[AmendmentKind] = frozenset()
    words: Sequence[str] = ()
    money_due: Decimal = Decimal(0)
    currency: str = ""
    cancelled_rows: dict[Reference, list[CancelledRow]] = field(default_factory=dict)
    addresses: dict[Reference, Address] = field(default_factory=dict)
    reduced: list[LinePieces] = field(default_factory=list)
    cancels: bool = False
    problems: list[Problem] = field(default_factory=list)

    def leave(self, code: str, subject: str, text: str) -> None:
        self.problems.append(Problem(code=code, subject=subject, text=text))

    def may(self, kind: AmendmentKind) -> bool:
        return kind in self.can_amend and kind in self.settings.to_channel

    @property
    def may_correct(self) -> bool:
        """Never of an order that is gone: shops archive, hide and delete for reasons of their own."""
        return self.can_correct and self.settings.to_erp and not self.sides.gone


def decide(table: Table) -> Decision:
    for line in table.sides.differing:
        _line(line, table)
    if table.sides.cancelled and not table.sides.gone:
        _left_all_the_same(table)
    for place in table.places:
        _place(place, table)
    _beside(table)
    return Decision(tuple(_corrections(table)), tuple(_amendments(table)), tuple(table.problems))


def towards(moved: Moved, winner: Winner, stage: Stage) -> Towards:
    """Which side is to be made like the other."""
    if moved is not Moved.BOTH:
        return "erp" if moved is Moved.CHANNEL else "channel"
    if winner == "channel_until_picked":
        return "erp" if stage is Stage.OPEN else "channel"
    return {"channel": "erp", "erp": "channel", "person": "person"}[winner]  # type: ignore[return-value]


# -- pieces ------------------------------------------------------------------------------------------------------


def _line(line: LineSides, table: Table) -> None:
    assert line.moved is not None
    way = "erp" if table.sides.cancelled else towards(line.moved, table.settings.pieces, table.sides.stage)
    if way == "erp":
        _to_erp(line, table)
    elif way == "channel" and line.held < line.wanted:
        _to_channel(line, table)
    else:
        table.leave(DIFFERS, line.label, f"{_both(line)}: {_who(line)}")


def _left_all_the_same(table: Table) -> None:
    """An order that a shop deletes years later is no news; one that it cancelled, and that is on its way, is."""
    for line in table.sides.lines:
        if line.shipped:
            text = f"{line.shipped} left, and the order is cancelled: stop the parcel, or make a return of it"
            table.leave(NOT_STOPPED, line.label, text)


def _both(line: LineSides) -> str:
    gone_on = (
        f", of which {line.shipped} left" if line.shipped else f", of which {line.picked} picked" if line.picked else ""
    )
    return f"booked {line.booked}, the channel wants {line.wanted}, the ERP holds {line.held}{gone_on}"


def _who(line: LineSides) -> str:
    return {
        Moved.CHANNEL: "the channel changed it",
        Moved.ERP: "the ERP changed it",
        Moved.BOTH: "both changed it",
    }[line.moved or Moved.BOTH]


def _to_erp(line: LineSides, table: Table) -> None:
    surplus = line.held - max(line.wanted, line.shipped)
    if surplus <= 0:
        table.leave(DIFFERS, line.label, f"{_both(line)}: add them in the ERP, or take them off in the channel")
        return
    if line.shipped and not table.sides.cancelled:
        table.leave(DIFFERS, line.label, f"{_both(line)}: is what is left still to go?")
        return
    made_anew = line.missing and bool(table.sides.added)  # perhaps the same goods, on a line of another name
    asked = _cancelled(line, surplus, table) if table.may_correct and not made_anew else 0
    if surplus > asked:
        code = NOT_STOPPED if table.sides.cancelled else DIFFERS
        open_ = sum(row.open for row in line.rows) - asked
        table.leave(code, line.label, f"{_both(line)}: {_stop(surplus - asked, open_)}")


def _stop(pieces: int, open_: int) -> str:
    if open_ >= pieces:
        return f"cancel {pieces} in the ERP"
    return f"{pieces - open_} picked, stop the parcel" + (f"; cancel {open_} in the ERP" if open_ else "")


def _cancelled(line: LineSides, surplus: int, table: Table) -> int:
    """Pieces that the ERP is asked to cancel; those that are picked it would refuse."""
    rest = surplus
    for row in reversed(line.rows):
        here = min(rest, row.open)
        if here:
            table.cancelled_rows.setdefault(row.reference, []).append(_row(row, row.cancelled + here))
            rest -= here
    return surplus - rest


def _row(row: HeldRow, cancelled: int) -> CancelledRow:
    return CancelledRow(line_seq=row.line_seq, upc=row.upc, cancelled=cancelled)


def _to_channel(line: LineSides, table: Table) -> None:
    if _is_whole(table) and table.may(AmendmentKind.CANCEL):
        table.cancels = True
    elif table.may(AmendmentKind.REDUCE):
        table.reduced.append(LinePieces(line=line.line, pieces=line.held))
    else:
        text = f"{_both(line)}: take {line.wanted - line.held} off in the channel and give the money back"
        table.leave(DIFFERS, line.label, text)


def _is_whole(table: Table) -> bool:
    """The ERP holds nothing of it any more, and nothing else was sold with it."""
    return table.sides.stage is Stage.CANCELLED and table.sides.only_goods and not table.sides.added


# -- addresses, and the rest ------------------------------------------------------------------------------------


def _place(place: Place, table: Table) -> None:
    if place.moved is None or not table.sides.to_go or table.sides.cancelled:
        return
    stage = table.sides.stage
    way = towards(place.moved, table.settings.address, stage)
    if way == "erp" and stage is Stage.OPEN and table.may_correct and place.address is not None:
        table.addresses[place.reference] = place.address
        return
    said = {
        Moved.CHANNEL: "the channel has another ship-to address than the ERP",
        Moved.ERP: "the ERP has another ship-to address than was sent",
        Moved.BOTH: "both sides have another ship-to address than was sent",
    }[place.moved]
    late = "" if stage is Stage.OPEN else f"; the ERP has it {stage.value.replace('_', ' ')}"
    table.leave(DIFFERS, "ship-to address", f"{said} ({table.numbers.get(place.reference, place.reference)}){late}")


def _beside(table: Table) -> None:
    sides = table.sides
    if sides.holds and sides.to_go and not sides.cancelled:
        table.leave(
            DIFFERS, "hold", f"the channel holds it ({', '.join(sides.holds)}), and the ERP is going to ship it"
        )
    for name, pieces in sides.added:
        table.leave(DIFFERS, name, f"added in the channel after it was booked: {pieces}; book them in the ERP")
    for upc, pieces in sides.foreign:
        table.leave(DIFFERS, upc, f"the ERP holds {pieces} that were not sent")
    for words in table.words:
        table.leave(DIFFERS, "document", words)
    if table.money_due > 0:
        table.leave(REFUND, "money", f"{table.money_due} {table.currency} were paid for what will not be sent")


# -- what each is asked for --------------------------------------------------------------------------------------


def _corrections(table: Table) -> Iterator[Correction]:
    for reference in sorted({*table.cancelled_rows, *table.addresses}):
        yield Correction(
            reference=reference,
            number=table.numbers[reference],
            rows=tuple(sorted(table.cancelled_rows.get(reference, ()), key=lambda row: row.line_seq)),
            ship_to=table.addresses.get(reference),
        )


def _amendments(table: Table) -> Iterator[Amendment]:
    if table.cancels:
        yield Amendment(order=table.ref, kind=AmendmentKind.CANCEL, words="cancelled in the ERP")
    elif table.reduced:
        lines = tuple(table.reduced)
        yield Amendment(order=table.ref, kind=AmendmentKind.REDUCE, lines=lines, words="cancelled in the ERP")


def paid_too_much(order: Order | None) -> Decimal:
    """What was taken for goods that are not on the order any more; 0 where nothing, or where nobody can say."""
    if order is None:
        return Decimal(0)
    if order.cancelled is None:
        return max(Decimal(0), -order.outstanding)
    return max(Decimal(0), _sum(order, TenderKind.CAPTURED) - _sum(order, TenderKind.REFUNDED, TenderKind.CHANGE))


def _sum(order: Order, *kinds: TenderKind) -> Decimal:
    return sum((tender.amount for tender in order.tenders if tender.kind in kinds), Decimal(0))


def words_beyond(differences: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """What the ERP's document says otherwise than was sent, beside pieces (compared by themselves), and was not so
    already when it was booked."""
    before = set(known)
    return tuple(words for words in differences if words not in before and not words.startswith("UPC "))
