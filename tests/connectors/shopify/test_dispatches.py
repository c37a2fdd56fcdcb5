"""Dispatches as the house reads and tells them: on the sandbox's shop, and under every answer there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected
from bcbridge.errors import OpenCircuit
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable
from bcbridge.model.ids import Ref
from bcbridge.sandbox.shopify.world import CELLS, locations
from tests.connectors.shopify.shops import World, a_room, a_script, a_shop

NJ, CA = (one["name"] for one in locations())
ONE, TWO = CELLS[:2]
MADE: dict[str, Any] = {"data": {"fulfillmentCreate": {"fulfillment": {"id": "gid://shopify/Fulfillment/1"}}}}
PIECE = Fulfillable(group=Ref("g"), item=Ref("i"), line=Ref("l"), location=None, pieces=1)


def a_dispatch(pieces: Sequence[Fulfillable], *tracks: str, **changes: Any) -> Dispatch:
    said: dict[str, Any] = {"order": Ref("o"), "pieces": tuple(pieces), "company": "UPS", "tracks": tracks}
    return Dispatch(**(said | changes))


async def looked(world: World, ref: Ref) -> DispatchView:
    found = await world.room.dispatches.look(ref)
    assert found is not None
    return found


def some(view: DispatchView, *counts: int) -> list[Fulfillable]:
    pairs = zip(view.fulfillable, counts, strict=False)
    return [piece.model_copy(update={"pieces": count}) for piece, count in pairs if count]


async def told(world: World, dispatch: Dispatch) -> object:
    return await world.room.dispatches.put(world.room.dispatches.render(dispatch))


async def test_what_may_leave_is_read_with_its_place(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        lines = [{"sku": ONE.sku.upc, "quantity": 3, "location": NJ}, {"sku": TWO.sku.upc, "location": CA}]
        ref = await world.place(lines=lines)
        view, order = await looked(world, ref), await world.read(ref)
    assert [(piece.line, piece.pieces) for piece in view.fulfillable] == [
        (line.ref, line.quantity) for line in order.lines
    ]
    assert [piece.location for piece in view.fulfillable] == [line.assignments[0].location for line in order.lines]
    assert (view.fulfilments, view.holds, view.cancelled, view.whole) == ((), (), False, True)


async def test_what_was_told_is_shown_with_its_numbers(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}, {"sku": TWO.sku.upc, "quantity": 1}])
        before = await looked(world, ref)
        first = await told(world, a_dispatch(some(before, 2), "1Z1", "1Z2"))
        part = await looked(world, ref)
        await told(world, a_dispatch(part.fulfillable, "X9", company="", links=("https://x.test/9",)))
        whole = await looked(world, ref)
    one, two = (piece.line for piece in before.fulfillable)
    assert isinstance(first, Accepted)
    assert [(shown.ref, shown.company, shown.tracks) for shown in part.fulfilments] == [
        (first.key, "UPS", ("1Z1", "1Z2"))
    ]
    assert (part.told(one), part.told(two), [piece.pieces for piece in part.fulfillable]) == (2, 0, [1, 1])
    assert (whole.told(one), whole.told(two), whole.fulfillable) == (3, 1, ())
    assert whole.fulfilments[1].tracks == ("X9",)


async def test_a_fulfilment_of_many_lines_is_read_whole(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": cell.sku.upc} for cell in CELLS[:23]])
        before = await looked(world, ref)
        assert isinstance(await told(world, a_dispatch(before.fulfillable, "A")), Accepted)
        after = await looked(world, ref)
    assert len(before.fulfillable) == 23
    assert {line.line for line in after.fulfilments[0].lines} == {piece.line for piece in before.fulfillable}


async def test_what_is_held_may_not_leave_and_says_why(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": ONE.sku.upc}])
        before = await looked(world, ref)
        await world.happens(ref, "hold", reason="HIGH_RISK_OF_FRAUD")
        view = await looked(world, ref)
        refused = await told(world, a_dispatch(before.fulfillable, "A"))
    assert (view.fulfillable, [hold.reason for hold in view.holds]) == ((), ["high_risk_of_fraud"])
    assert isinstance(refused, Rejected)


async def test_two_locations_in_one_dispatch_are_refused(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": ONE.sku.upc, "location": NJ}, {"sku": TWO.sku.upc, "location": CA}])
        view = await looked(world, ref)
        assert isinstance(await told(world, a_dispatch(view.fulfillable)), Rejected)
        assert isinstance(await told(world, a_dispatch(view.fulfillable[:1])), Accepted)


async def test_numbers_are_corrected(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": ONE.sku.upc}])
        view = await looked(world, ref)
        made = await told(world, a_dispatch(view.fulfillable, "WRONG"))
        assert isinstance(made, Accepted)
        right = a_dispatch(view.fulfillable, "7712", company="FedEx")
        for _ in range(2):
            retracks = world.room.dispatches.retracks
            assert await retracks.put(retracks.render(Ref(made.key), right)) == made
        shown = (await looked(world, ref)).fulfilments
    assert [(one.company, one.tracks) for one in shown] == [("FedEx", ("7712",))]


async def test_an_order_that_is_cancelled_or_gone_says_so(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": ONE.sku.upc}])
        await world.happens(ref, "cancel")
        view = await looked(world, ref)
        assert (view.cancelled, view.fulfillable) == (True, ())
        assert await world.room.dispatches.look(Ref("gid://shopify/Order/1")) is None


async def test_an_answer_that_is_lost_may_have_been_done(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": ONE.sku.upc, "quantity": 2}])
        view = await looked(world, ref)
        await world.fault(once={"fulfil_answer_lost": 1})
        assert isinstance(await told(world, a_dispatch(some(view, 1), "A")), Doubtful)
        after = await looked(world, ref)
    assert [one.tracks for one in after.fulfilments] == [("A",)]


# -- every answer there is ---------------------------------------------------------------------------------------


async def answered(*answers: Any) -> object:
    async with a_script(*answers) as (_, room):
        return await room.dispatches.put(room.dispatches.render(a_dispatch([PIECE], "A")))


async def test_a_yes_names_the_fulfilment() -> None:
    yes = {"data": {"fulfillmentCreate": {"fulfillment": {"id": "f1"}, "userErrors": []}}}
    assert await answered(yes) == Accepted("f1")


async def test_every_reason_of_a_no_is_kept() -> None:
    errors = [{"field": ["fulfillment"], "message": "a"}, {"field": None, "message": "b"}]
    no = {"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": errors}}}
    assert await answered(no) == Rejected(("a", "b"))


@pytest.mark.parametrize(
    "answer",
    [
        (502, "<html>"),
        (200, "<html>"),
        {"data": {"fulfillmentCreate": {"fulfillment": {"id": "f"}, "userErrors": [{"field": [], "message": "m"}]}}},
        {"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": []}}},
        {"data": {"fulfillmentCreate": None}},
        {"data": {"fulfillmentCreate": {}}},
        MADE,
    ],
)
async def test_what_is_neither_yes_nor_no_is_a_doubt(answer: Any) -> None:
    assert isinstance(await answered(answer), Doubtful)


async def test_what_was_not_taken_may_go_again() -> None:
    assert isinstance(await answered((429, "{}")), NotSent)
    room = a_room("http://127.0.0.1:9")
    try:
        assert isinstance(await room.dispatches.put(room.dispatches.render(a_dispatch([PIECE]))), NotSent)
    finally:
        await room.aclose()


async def test_a_missing_scope_closes_the_door() -> None:
    denied = {"errors": [{"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}]}
    with pytest.raises(OpenCircuit):
        await answered(denied)


# -- the call ----------------------------------------------------------------------------------------------------


def test_the_call_names_pieces_by_their_fulfilment_orders() -> None:
    pieces = [
        Fulfillable(group=Ref("g1"), item=Ref("i1"), line=Ref("l1"), location=Ref("nj"), pieces=2),
        Fulfillable(group=Ref("g2"), item=Ref("i3"), line=Ref("l3"), location=Ref("nj"), pieces=1),
        Fulfillable(group=Ref("g1"), item=Ref("i2"), line=Ref("l2"), location=Ref("nj"), pieces=1),
    ]
    room = a_room("http://127.0.0.1:9")
    said = orjson.loads(room.dispatches.render(a_dispatch(pieces, "A", "B", notify=False)))["fulfillment"]
    assert said == {
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": "g1",
                "fulfillmentOrderLineItems": [{"id": "i1", "quantity": 2}, {"id": "i2", "quantity": 1}],
            },
            {"fulfillmentOrderId": "g2", "fulfillmentOrderLineItems": [{"id": "i3", "quantity": 1}]},
        ],
        "notifyCustomer": False,
        "trackingInfo": {"numbers": ["A", "B"], "company": "UPS"},
    }


@pytest.mark.parametrize(("company", "tracks"), [("UPS", ()), ("", ())])
def test_without_a_number_there_is_nothing_to_follow(company: str, tracks: tuple[str, ...]) -> None:
    room = a_room("http://127.0.0.1:9")
    said = orjson.loads(room.dispatches.render(a_dispatch([PIECE], *tracks, company=company)))
    assert "trackingInfo" not in said["fulfillment"]
