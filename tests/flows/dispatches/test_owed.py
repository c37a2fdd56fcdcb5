"""What has left and the channel does not show: cumulative pieces against cumulative pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from bcbridge.flows.dispatches.owed import Balance, balance
from bcbridge.model.dispatch import DispatchView, Fulfilment, LinePieces
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.shipment import BookedRow, Shipment, ShippedLine

PART = Reference("SU1001P1G1")
TEE, JEAN = Upc("040123000020"), Upc("040123000037")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def row(seq: int, upc: Upc = TEE, pieces: int = 2, line: str = "", reference: Reference = PART) -> BookedRow:
    return BookedRow(reference=reference, line_seq=seq, line=Ref(line or f"l{seq}"), upc=upc, pieces=pieces)


def shipment(
    number: str,
    *lines: tuple[Upc, int],
    tracks: Sequence[str] = (),
    day: int = 1,
    void: bool = False,
    seq: int = 0,
    reference: Reference = PART,
) -> Shipment:
    return Shipment(
        number=number,
        key=number,
        reference=reference,
        order_number="0100201",
        ship_via="UPG",
        shipped=date(2026, 3, day),
        lines=tuple(ShippedLine(upc=upc, pieces=pieces, line_seq=seq, warehouse="NJ1") for upc, pieces in lines),
        tracks=tuple(tracks),
        void=void,
        stamp="2026-03-01 09:00:00",
    )


def shown(*fulfilments: tuple[dict[str, int], Sequence[str]]) -> DispatchView:
    parcels = [
        Fulfilment(
            ref=Ref(f"f{at}"),
            location=None,
            lines=tuple(LinePieces(line=Ref(line), pieces=pieces) for line, pieces in lines.items()),
            company="",
            tracks=tuple(tracks),
            at=NOW,
        )
        for at, (lines, tracks) in enumerate(fulfilments)
    ]
    return DispatchView(ref=Ref("o"), cancelled=False, fulfilments=tuple(parcels), fulfillable=())


def owed(found: Balance) -> list[tuple[str, dict[str, int]]]:
    return [(one.shipment.number, {str(line): count for line, count in one.pieces.items()}) for one in found.owed]


NOTHING = shown()


def test_what_left_and_is_not_shown_is_owed_shipment_by_shipment() -> None:
    found = balance(
        [shipment("I1", (TEE, 1)), shipment("I2", (TEE, 1), (JEAN, 1), day=2)], [row(1), row(2, JEAN)], NOTHING
    )
    assert owed(found) == [("I1", {"l1": 1}), ("I2", {"l1": 1, "l2": 1})]
    assert (found.left, found.surplus, found.problems) == ({"l1": 2, "l2": 1}, {}, ())


def test_nothing_is_owed_twice() -> None:
    shipments = [shipment("I1", (TEE, 1)), shipment("I2", (TEE, 1), day=2)]
    assert owed(balance(shipments, [row(1)], shown(({"l1": 1}, ())))) == [("I2", {"l1": 1})]
    assert owed(balance(shipments, [row(1)], shown(({"l1": 2}, ())))) == []


def test_two_parcels_of_one_number_are_two_shipments() -> None:
    shipments = [shipment("I1", (TEE, 1), tracks=["A"]), shipment("I2", (TEE, 1), tracks=["A"], day=2)]
    assert owed(balance(shipments, [row(1)], shown(({"l1": 1}, ["A"])))) == [("I2", {"l1": 1})]


def test_a_number_says_which_of_two_shipments_is_shown() -> None:
    shipments = [shipment("I1", (TEE, 1), tracks=["A"]), shipment("I2", (TEE, 1), tracks=["B"], day=2)]
    assert owed(balance(shipments, [row(1)], shown(({"l1": 1}, ["B"])))) == [("I1", {"l1": 1})]


def test_what_is_void_never_left() -> None:
    assert owed(balance([shipment("I1", (TEE, 2), void=True)], [row(1)], NOTHING)) == []
    found = balance([shipment("I1", (TEE, 2), void=True)], [row(1)], shown(({"l1": 2}, ())))
    assert (owed(found), found.surplus) == ([], {"l1": 2})


def test_what_a_later_one_takes_back_is_not_told_of_an_earlier_one() -> None:
    shipments = [shipment("I1", (TEE, 2)), shipment("C1", (TEE, -1), day=2)]
    assert owed(balance(shipments, [row(1)], NOTHING)) == [("I1", {"l1": 1})]
    assert owed(balance(shipments, [row(1)], shown(({"l1": 1}, ())))) == []
    assert balance(shipments, [row(1)], shown(({"l1": 2}, ()))).surplus == {"l1": 1}


def test_two_lines_of_one_sku_are_filled_one_after_the_other() -> None:
    rows = [row(1, pieces=1), row(2, pieces=2)]
    assert owed(balance([shipment("I1", (TEE, 2))], rows, NOTHING)) == [("I1", {"l1": 1, "l2": 1})]
    assert owed(balance([shipment("I1", (TEE, 2), seq=2)], rows, NOTHING)) == [("I1", {"l2": 2})]


def test_rows_of_one_line_at_two_prices_are_one_line() -> None:
    rows = [row(1, line="l"), row(2, pieces=1, line="l")]
    assert owed(balance([shipment("I1", (TEE, 3))], rows, NOTHING)) == [("I1", {"l": 3})]


def test_a_part_is_filled_by_its_own_shipments() -> None:
    other = Reference("SU1001P2G1")
    rows = [row(1, pieces=1), row(1, pieces=1, line="x", reference=other)]
    found = balance([shipment("I1", (TEE, 1), reference=other)], rows, NOTHING)
    assert owed(found) == [("I1", {"x": 1})]


def test_more_than_was_ordered_and_what_is_not_on_the_order_are_said() -> None:
    found = balance([shipment("I1", (TEE, 3), (JEAN, 1))], [row(1)], NOTHING)
    assert owed(found) == [("I1", {"l1": 2})]
    assert [problem.code for problem in found.problems] == ["dispatched_too_much", "dispatched_unknown"]
    assert "1 of 040123000020" in found.problems[0].text


PIECES = st.integers(1, 4)


@given(
    st.lists(st.tuples(st.sampled_from([TEE, JEAN]), PIECES), min_size=1, max_size=4),
    st.lists(st.lists(st.tuples(st.sampled_from([TEE, JEAN]), st.integers(-2, 4)), max_size=3), max_size=4),
    st.lists(st.dictionaries(st.sampled_from(["l1", "l2", "l3", "l4"]), PIECES, max_size=3), max_size=3),
)
def test_what_is_told_in_the_end_is_what_left(
    ordered: list[tuple[Upc, int]], left: list[list[tuple[Upc, int]]], told: list[dict[str, int]]
) -> None:
    rows = [row(seq, upc, pieces) for seq, (upc, pieces) in enumerate(ordered, 1)]
    shipments = [shipment(f"I{at}", *lines, tracks=[f"T{at}"], day=at + 1) for at, lines in enumerate(left)]
    found = balance(shipments, rows, shown(*((lines, [f"T{at}"]) for at, lines in enumerate(told))))
    before = sum((Counter(lines) for lines in told), Counter())
    after = before + sum((Counter(one.pieces) for one in found.owed), Counter())
    assert all(count <= next(r.pieces for r in rows if r.line == line) for line, count in found.left.items())
    assert all(after[line] == max(before[line], found.left.get(Ref(line), 0)) for line in {*after, *found.left})
    assert all(count > 0 for one in found.owed for count in one.pieces.values())
    assert found.surplus == before - Counter(found.left)
