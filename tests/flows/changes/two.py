"""An order of two lines, booked, and its two sides as they may come to stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bcbridge.flows.changes.decide import Decision, Place, Table, decide, paid_too_much
from bcbridge.flows.changes.settings import ChangeSettings
from bcbridge.flows.changes.sides import Sides, sides
from bcbridge.model.changes import AmendmentKind, Document
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.order import Hold, Order, OrderLine
from bcbridge.model.sales_order import BookedLine, BookedOrder
from bcbridge.model.shipment import BookedRow
from tests.flows.at_hand import CREATED, DRESS, HOME, SKIRT, line, order, tender

PART = Reference("SH5001P1G1")
ELSEWHERE = HOME.model_copy(update={"address1": "2 Other Street"})
HERE, THERE, THIRD = "here", "there", "third"
BOOKED = {DRESS: 2, SKIRT: 1}

ROWS = tuple(
    BookedRow(reference=PART, line_seq=seq, line=Ref(f"line-{upc}"), upc=Upc(upc), pieces=pieces)
    for seq, (upc, pieces) in enumerate(BOOKED.items(), 1)
)
ALL = frozenset(AmendmentKind)


def the_order(**said: Any) -> Order:
    return order(line(DRESS, "80.00", 2), line(SKIRT, "40.00"), total="200.00", **said)


def with_pieces(sold: Order, **pieces: int) -> Order:
    """``dress`` and ``skirt``: so many of each from now on."""
    said = {DRESS: pieces.get("dress"), SKIRT: pieces.get("skirt")}
    lines = tuple(one if said.get(one.sku) is None else _of(one, said[one.sku] or 0) for one in sold.lines)
    return repriced(sold, *lines)


def _of(one: OrderLine, pieces: int) -> OrderLine:
    given = {"quantity": pieces, "ordered": max(pieces, one.ordered), "amount": one.unit_price * pieces}
    places = tuple(place.model_copy(update={"quantity": pieces}) for place in one.assignments) if pieces else ()
    return one.model_copy(update={**given, "assignments": places})


def repriced(sold: Order, *lines: OrderLine) -> Order:
    """The order with these lines, paid for what they cost."""
    total = sum((one.amount for one in lines), Decimal(0))
    return sold.model_copy(update={"lines": lines, "total": total, "tenders": (tender("card", str(total)),)})


def cancelled(sold: Order) -> Order:
    return sold.model_copy(update={"cancelled": CREATED})


def held_back(sold: Order) -> Order:
    return sold.model_copy(update={"holds": (Hold(reason="fraud"),)})


def held_lines(rows: Mapping[str, tuple[int, int, int, int]] | None = None) -> tuple[BookedLine, ...]:
    """By UPC: ordered, cancelled, picked (what was shipped included), shipped."""
    said = rows or {upc: (pieces, 0, 0, 0) for upc, pieces in BOOKED.items()}
    return tuple(
        BookedLine(
            upc=Upc(upc),
            quantity=ordered,
            price=Decimal("10.00"),
            warehouse="NJ1",
            cancelled=gone,
            picked=picked,
            shipped=shipped,
            line_seq=list(BOOKED).index(upc) + 1 if upc in BOOKED else 9,
        )
        for upc, (ordered, gone, picked, shipped) in said.items()
    )


def the_document(lines: Sequence[BookedLine] | None = None, *, ship_to: str = HERE) -> Document:
    held = BookedOrder(
        number="0100001",
        key="1",
        reference=PART,
        name="#1001",
        customer="WEB",
        division="WOM",
        warehouse="NJ1",
        status="O",
        currency="USD",
        lines=tuple(lines if lines is not None else held_lines()),
        tax=None,
        freight=None,
        allowances=None,
        charges=None,
        stamp="2026-03-01 12:00:00",
        ship_to=ship_to,
    )
    return Document(PART, b"", (), held)


@dataclass(frozen=True)
class Two:
    """Both sides. ``wanted``: the fingerprint of the channel's ship-to address."""

    order: Order | None
    document: Document
    wanted: str = HERE

    @property
    def sides(self) -> Sides:
        return sides(ROWS, [self.document], self.order)

    def but(self, **said: Any) -> Two:
        return replace(self, **said)

    def decided(
        self,
        *,
        settings: ChangeSettings | None = None,
        write: bool = False,
        can: frozenset[AmendmentKind] = ALL,
        amended: bool = False,
    ) -> Decision:
        assert self.document.held is not None
        place = Place(PART, HERE, self.document.held.ship_to, self.wanted, ELSEWHERE)
        return decide(
            Table(
                ref=Ref("o"),
                sides=self.sides,
                places=[place],
                numbers={PART: "0100001"},
                settings=settings or ChangeSettings(),
                can_correct=write,
                can_amend=can,
                money_due=paid_too_much(self.order) if amended else Decimal(0),
                currency="USD",
            )
        )


AGREEING = Two(the_order(), the_document())
Edit = Callable[[Two], Two]
