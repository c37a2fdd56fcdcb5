"""From what is owed to calls, and every reason why some of it cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from bcbridge.flows.dispatches.compose import Composed, compose, lines_of
from bcbridge.flows.dispatches.owed import balance
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.mappings import Carrier, Mappings
from bcbridge.model.dispatch import DispatchView, Fulfillable, Fulfilment, LinePieces
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold
from bcbridge.model.shipment import Shipment
from tests.flows.dispatches.test_owed import JEAN, NOW, TEE, row, shipment

MAPPED = Mappings(
    {
        "carriers": {"default": {"UPG": "UPS"}},
        "warehouses": {"default": {"New Jersey DC": "NJ1", "California DC": "CA1"}},
    }
)
NJ, CA = ("nj", "New Jersey DC"), ("ca", "California DC")


def waiting(line: str, pieces: int, place: tuple[str, str] = NJ, group: str = "g1") -> Fulfillable:
    ref, name = place
    return Fulfillable(
        group=Ref(group), item=Ref(f"{group}/{line}"), line=Ref(line), location=Ref(ref), pieces=pieces, place=name
    )


def view(*pieces: Fulfillable, **changes: Any) -> DispatchView:
    said: dict[str, Any] = {"cancelled": False, "fulfilments": (), "fulfillable": pieces}
    return DispatchView(ref=Ref("o"), **(said | changes))


def composed(
    shown: DispatchView,
    *shipments: Shipment,
    mappings: Mappings = MAPPED,
    confirmed: dict[Ref, int] | None = None,
    **says: Any,
) -> Composed:
    found = balance(shipments, [row(1), row(2, JEAN)], shown, confirmed or {})
    return compose(found, shown, channel="shop", settings=DispatchSettings(**says), mappings=mappings)


def told(found: Composed) -> list[tuple[str, dict[str, int], tuple[str, ...]]]:
    return [
        (one.shipment, {str(line): count for line, count in lines_of(one.dispatch).items()}, one.dispatch.tracks)
        for one in found.tellings
    ]


def codes(found: Composed) -> list[str]:
    return [problem.code for problem in found.problems]


A, B = shipment("I1", (TEE, 2), tracks=["A"]), shipment("I2", (JEAN, 1), tracks=["B"], day=2)


def test_each_shipment_is_told_with_its_own_numbers() -> None:
    found = composed(view(waiting("l1", 2), waiting("l2", 2)), A, B)
    assert told(found) == [("I1", {"l1": 2}, ("A",)), ("I2", {"l2": 1}, ("B",))]
    assert {one.dispatch.company for one in found.tellings} == {"UPS"}
    assert codes(found) == []


def test_one_call_is_of_one_location() -> None:
    both = shipment("I1", (TEE, 1), (JEAN, 1), tracks=["A"])
    found = composed(view(waiting("l1", 1), waiting("l2", 1, CA, "g2")), both)
    assert told(found) == [("I1", {"l1": 1}, ("A",)), ("I1", {"l2": 1}, ("A",))]


def test_pieces_are_taken_first_where_their_warehouse_feeds() -> None:
    found = composed(view(waiting("l1", 2, CA, "g2"), waiting("l1", 1)), A)
    assert [(piece.place, piece.pieces) for one in found.tellings for piece in one.dispatch.pieces] == [
        ("New Jersey DC", 1),
        ("California DC", 1),
    ]


def test_the_same_pieces_are_not_taken_twice() -> None:
    more = shipment("I2", (TEE, 1), tracks=["B"], day=2)
    found = composed(view(waiting("l1", 1)), shipment("I1", (TEE, 1), tracks=["A"]), more)
    assert told(found) == [("I1", {"l1": 1}, ("A",))]
    assert codes(found) == ["not_fulfillable"]


@pytest.mark.parametrize(
    ("says", "mappings", "expected"),
    [
        ({}, MAPPED, ["no_tracking"]),
        ({"mandatory": ()}, MAPPED, []),
        ({"mandatory": ("tracking", "carrier")}, Mappings(), ["no_tracking", "unmapped_carrier"]),
        ({"mandatory": ("carrier",)}, Mappings(), ["unmapped_carrier"]),
    ],
)
def test_what_lacks_something_mandatory_is_blocked_as_a_whole(
    says: dict[str, Any], mappings: Mappings, expected: list[str]
) -> None:
    bare = shipment("I1", (TEE, 1), (JEAN, 1))
    found = composed(view(waiting("l1", 1), waiting("l2", 1)), bare, mappings=mappings, **says)
    assert codes(found) == expected
    assert bool(told(found)) is not bool(expected)


def test_a_shipment_that_is_blocked_holds_up_no_other() -> None:
    found = composed(view(waiting("l1", 2), waiting("l2", 2)), shipment("I1", (TEE, 2)), B)
    assert told(found) == [("I2", {"l2": 1}, ("B",))]
    assert codes(found) == ["no_tracking"]


def test_a_carrier_of_its_own_has_links() -> None:
    local = Carrier(company="Local", link="https://track.test/{}?x=1")
    found = composed(view(waiting("l1", 2)), A, mappings=Mappings({"carriers": {"shop": {"UPG": local}}}))
    assert [(one.dispatch.company, one.dispatch.links) for one in found.tellings] == [
        ("Local", ("https://track.test/A?x=1",))
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cancelled": True}, "dispatched_though_cancelled"),
        ({"holds": (Hold(reason="fraud"),)}, "dispatched_though_held"),
        ({}, "not_fulfillable"),
    ],
)
def test_why_pieces_that_left_cannot_be_told(changes: dict[str, Any], code: str) -> None:
    found = composed(view(**changes), A)
    assert (told(found), codes(found)) == ([], [code])


def test_what_was_told_is_not_told_again_though_it_is_no_longer_shown() -> None:
    found = composed(view(waiting("l1", 2)), A, confirmed={Ref("l1"): 2})
    assert (told(found), codes(found)) == ([], ["dispatch_taken_back"])


def test_what_is_shown_and_was_told_is_all_right() -> None:
    made = Fulfilment(
        ref=Ref("f"), location=None, lines=(LinePieces(line=Ref("l1"), pieces=2),), company="", tracks=("A",), at=NOW
    )
    found = composed(view(fulfilments=(made,)), A, confirmed={Ref("l1"): 2})
    assert (told(found), codes(found)) == ([], [])


def test_a_warehouse_that_no_location_stands_for_is_a_persons() -> None:
    there = {"carriers": MAPPED.tables["carriers"], "warehouses": {"default": {"California DC": "CA1"}}}
    found = composed(view(waiting("l1", 2)), shipment("I1", (TEE, 1), tracks=["A"]), mappings=Mappings(there))
    assert (told(found), codes(found)) == ([], ["unmapped_warehouse"])
    nowhere = waiting("l1", 2).model_copy(update={"place": "", "location": None})
    assert codes(composed(view(nowhere), shipment("I1", (TEE, 1), tracks=["A"]), mappings=Mappings(there))) == []
