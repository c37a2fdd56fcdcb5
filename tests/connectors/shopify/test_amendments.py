"""Amendments as the house asks for them: on the sandbox's shop, and under every answer there is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected
from bcbridge.connectors.shopify import amendments
from bcbridge.errors import OpenCircuit
from bcbridge.flows.orders.content import content_hash
from bcbridge.model.changes import Amendment, AmendmentKind
from bcbridge.model.dispatch import Dispatch, LinePieces
from bcbridge.model.ids import Ref
from bcbridge.sandbox.shopify.world import CELLS
from tests.connectors.shopify.shops import World, a_room, a_script, a_shop

ONE, TWO = CELLS[:2]
GONE = Ref("gid://shopify/Order/1")
CANCEL, REDUCE, MARK = AmendmentKind.CANCEL, AmendmentKind.REDUCE, AmendmentKind.MARK


def an_amendment(order: Ref, kind: AmendmentKind, **more: Any) -> Amendment:
    return Amendment(order=order, kind=kind, **more)


async def put(world: World, amendment: Amendment) -> object:
    return await world.room.amendments.put(world.room.amendments.render(amendment))


async def cancel(world: World, ref: Ref, words: str = "") -> object:
    return await put(world, an_amendment(ref, CANCEL, words=words))


async def reduce(world: World, ref: Ref, *pieces: int, words: str = "") -> object:
    """So many of each of its lines."""
    refs = [Ref(line["id"]) for line in (await book(world, ref))["lineItems"]]
    lines = tuple(LinePieces(line=line, pieces=count) for line, count in zip(refs, pieces, strict=False))
    return await put(world, an_amendment(ref, REDUCE, lines=lines, words=words))


async def sold(world: World, **more: Any) -> Ref:
    return await world.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}, {"sku": TWO.sku.upc}], **more)


async def units(world: World, ref: Ref) -> list[int]:
    return [line["currentQuantity"] for line in (await book(world, ref))["lineItems"]]


async def book(world: World, ref: Ref) -> dict[str, Any]:
    """The order with all that the sandbox knows of it."""
    return dict((await world.http.get(f"/_sandbox/orders/{ref.rsplit('/', 1)[-1]}")).json())


async def shipped(world: World, ref: Ref, pieces: int) -> None:
    """So many of its first line."""
    view = await world.room.dispatches.look(ref)
    assert view is not None
    first = view.fulfillable[0].model_copy(update={"pieces": pieces})
    told = Dispatch(order=ref, pieces=(first,), company="", tracks=(), notify=False)
    assert isinstance(await world.room.dispatches.put(world.room.dispatches.render(told)), Accepted)


# -- the whole order ---------------------------------------------------------------------------------------------


async def test_an_order_is_cancelled_and_no_money_moves(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        paid = (await world.read(ref)).total
        answer = await cancel(world, ref, "The ERP cancelled it")
        order, kept = await world.read(ref), await book(world, ref)
    assert isinstance(answer, Accepted)
    assert answer.key.startswith("gid://shopify/Job/")
    assert order.cancelled is not None
    assert Decimal(kept["totalReceivedSet"]["shopMoney"]["amount"]) == paid
    assert [one["kind"] for one in kept["transactions"]] == ["SALE"]
    assert [one["note"] for one in kept["_sandbox"]["notes"]] == ["The ERP cancelled it"]
    assert "mails" not in kept["_sandbox"]


async def test_a_cancellation_asked_for_again_is_as_asked_for_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await cancel(world, ref)
        assert await cancel(world, ref) == Accepted(ref)
        assert len((await book(world, ref))["refunds"]) == 1


@pytest.mark.parametrize("fault", ["amend_call_lost", "amend_answer_lost"])
async def test_a_cancellation_without_an_answer_is_a_doubt_and_may_be_asked_for_again(
    tmp_path: Path, fault: str
) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await world.fault(once={fault: 1})
        assert isinstance(await cancel(world, ref), Doubtful)
        assert isinstance(await cancel(world, ref), Accepted)
        assert len((await book(world, ref))["refunds"]) == 1


async def test_a_job_that_takes_its_time_is_taken_for_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amendments, "PAUSES", (0.0, 0.0))
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await world.fault(values={"job_seconds": 60})
        assert isinstance(await cancel(world, ref), Accepted)
        assert (await world.read(ref)).cancelled is None


async def test_what_has_left_is_not_cancelled(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await shipped(world, ref, 1)
        refused = await cancel(world, ref)
        assert await units(world, ref) == [3, 1]
    assert isinstance(refused, Rejected)
    assert "fulfilled" in refused.reasons[0]


async def test_of_an_order_that_is_gone_nothing_is_made(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        for kind in (CANCEL, REDUCE, MARK):
            assert isinstance(await put(world, an_amendment(GONE, kind, mark="ERP")), Rejected)


# -- lines -------------------------------------------------------------------------------------------------------


async def test_lines_have_the_pieces_they_are_to_have(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        before = await book(world, ref)
        answer = await reduce(world, ref, 1, 0, words="Sold out")
        order, after = await world.read(ref), await book(world, ref)
    assert isinstance(answer, Accepted)
    assert [line.quantity for line in order.lines] == [1, 0]
    assert [one["remainingQuantity"] for one in after["fulfillmentOrders"][0]["lineItems"]] == [1, 0]
    assert (after["transactions"], after["totalReceivedSet"]) == (before["transactions"], before["totalReceivedSet"])
    assert [one["note"] for one in after["_sandbox"]["notes"]] == ["Sold out"]
    assert "mails" not in after["_sandbox"]


async def test_a_level_is_never_undone_and_what_has_it_is_left_alone(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        lines = [LinePieces(line=line.ref, pieces=2) for line in (await world.read(ref)).lines]
        down = an_amendment(ref, REDUCE, lines=tuple(lines))
        assert isinstance(await put(world, down), Accepted)
        once = await book(world, ref)
        assert await put(world, down) == Accepted(ref)
        assert await book(world, ref) == once
        assert await units(world, ref) == [2, 1]


async def test_only_what_has_not_left_is_taken_off(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await shipped(world, ref, 2)
        refused = await reduce(world, ref, 1, 0)
        assert await units(world, ref) == [3, 1]
        assert isinstance(await reduce(world, ref, 2), Accepted)
        assert await units(world, ref) == [2, 1]
    assert isinstance(refused, Rejected)
    assert "fulfilled" in refused.reasons[0]


async def test_a_cancelled_order_and_a_line_of_another_are_refused(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref, other = await sold(world), await sold(world)
        lines = tuple(LinePieces(line=line.ref, pieces=0) for line in (await world.read(other)).lines)
        assert isinstance(await put(world, an_amendment(ref, REDUCE, lines=lines)), Rejected)
        await world.happens(other, "cancel")
        assert await put(world, an_amendment(other, REDUCE, lines=lines)) == Accepted(other)
        assert await units(world, ref) == [3, 1]


@pytest.mark.parametrize(("fault", "left"), [("amend_call_lost", [3, 1]), ("amend_answer_lost", [1, 1])])
async def test_a_commit_without_an_answer_is_a_doubt_and_may_be_asked_for_again(
    tmp_path: Path, fault: str, left: list[int]
) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        down = LinePieces(line=(await world.read(ref)).lines[0].ref, pieces=1)
        await world.fault(once={fault: 1})
        assert isinstance(await put(world, an_amendment(ref, REDUCE, lines=(down,))), Doubtful)
        assert await units(world, ref) == left
        assert isinstance(await put(world, an_amendment(ref, REDUCE, lines=(down,))), Accepted)
        assert await units(world, ref) == [1, 1]


async def test_an_order_of_many_lines_is_edited_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amendments, "LINES_PAGE", 2)
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": cell.sku.upc, "quantity": 2} for cell in CELLS[:5]])
        assert isinstance(await reduce(world, ref, 2, 2, 1, 2, 0), Accepted)
        assert await units(world, ref) == [2, 2, 1, 2, 0]


# -- signs -------------------------------------------------------------------------------------------------------


async def test_a_mark_is_added_to_what_is_there_and_changes_nothing_that_counts(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await world.patch(ref, tags=["VIP"])
        before = await world.read(ref)
        for _ in range(2):
            assert await put(world, an_amendment(ref, MARK, mark="In BlueCherry")) == Accepted(ref)
        after = await world.read(ref)
        assert (await book(world, ref))["tags"] == ["In BlueCherry", "VIP"]
    assert content_hash(after) == content_hash(before)


# -- every answer there is ---------------------------------------------------------------------------------------

STANDS: dict[str, Any] = {"data": {"order": {"id": "o", "cancelledAt": None}}}
ENDS = {"data": {"order": {"id": "o", "cancelledAt": "2026-11-20T00:00:00Z"}}}
JOB: dict[str, Any] = {"data": {"orderCancel": {"job": {"id": "j"}, "orderCancelUserErrors": []}}}
REFUSED: dict[str, Any] = {
    "data": {"orderCancel": {"job": None, "orderCancelUserErrors": [{"code": "INVALID", "message": "no"}]}}
}
DENIED = {"errors": [{"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}]}
DONE = {"data": {"job": {"id": "j", "done": True}}}


def page(*nodes: Any) -> dict[str, Any]:
    return {"lineItems": {"nodes": list(nodes), "pageInfo": {"hasNextPage": False, "endCursor": None}}}


PIECES = {"data": {"order": page({"id": "gid://shopify/LineItem/7", "currentQuantity": 3})}}
BEGUN: dict[str, Any] = {"data": {"orderEditBegin": {"calculatedOrder": {"id": "c"}, "userErrors": []}}}
LINES = {"data": {"node": page({"id": "gid://shopify/CalculatedLineItem/7", "quantity": 3})}}
COMMITTED: dict[str, Any] = {"data": {"orderEditCommit": {"order": {"id": "o"}, "userErrors": []}}}
ORDER = Ref("o")
DOWN = an_amendment(ORDER, REDUCE, lines=(LinePieces(line=Ref("gid://shopify/LineItem/7"), pieces=1),))


def change(delta: int = 2, line: str = "gid://shopify/LineItem/7") -> dict[str, Any]:
    return {"__typename": "OrderStagedChangeDecrementItem", "delta": delta, "lineItem": {"id": line}}


def staged(*changes: Any) -> dict[str, Any]:
    said = {"calculatedLineItem": {"stagedChanges": list(changes)}, "userErrors": []}
    return {"data": {"orderEditSetQuantity": said}}


async def answered(amendment: Amendment, *answers: Any) -> object:
    async with a_script(*answers) as (script, room):
        found = await room.amendments.put(room.amendments.render(amendment))
        assert script.answers == []
        return found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amendments, "PAUSES", (0.0,))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "looks", [[DONE, ENDS], [{"data": {"job": None}}], [(500, "")], [DENIED], [DONE, {"data": {}}], [DONE, (500, "")]]
)
async def test_a_job_is_a_yes_whatever_the_looks_at_it_come_to(looks: list[Any]) -> None:
    assert await answered(an_amendment(ORDER, CANCEL), STANDS, JOB, *looks) == Accepted("j")


@pytest.mark.usefixtures("at_once")
async def test_a_job_that_ended_without_cancelling_is_a_no() -> None:
    assert isinstance(await answered(an_amendment(ORDER, CANCEL), STANDS, JOB, DONE, STANDS), Rejected)


async def test_a_refusal_of_what_is_so_meanwhile_is_a_yes() -> None:
    assert await answered(an_amendment(ORDER, CANCEL), STANDS, REFUSED, ENDS) == Accepted(ORDER)
    assert await answered(an_amendment(ORDER, CANCEL), STANDS, REFUSED, STANDS) == Rejected(("no",))


@pytest.mark.parametrize(
    "answer",
    [
        (502, "<html>"),
        {"data": {"orderCancel": {"job": None, "orderCancelUserErrors": []}}},
        {"data": {"orderCancel": {"job": {"id": "j"}, "orderCancelUserErrors": [{"message": "m"}]}}},
        {"data": {"orderCancel": {}}},
        {"data": {"orderCancel": None}},
    ],
)
async def test_what_is_neither_yes_nor_no_is_a_doubt(answer: Any) -> None:
    assert isinstance(await answered(an_amendment(ORDER, CANCEL), STANDS, answer), Doubtful)


@pytest.mark.parametrize(
    "answers",
    [
        [(500, "")],
        [PIECES, (500, "")],
        [PIECES, BEGUN, (429, "{}")],
        [PIECES, BEGUN, LINES, (502, "<html>")],
        [PIECES, BEGUN, LINES, staged(change()), (429, "{}")],
    ],
)
async def test_what_fails_before_the_commit_had_no_effect(answers: list[Any]) -> None:
    assert isinstance(await answered(DOWN, *answers), NotSent)


@pytest.mark.parametrize(
    "found",
    [
        [],
        [change(1)],
        [change(line="gid://shopify/LineItem/8")],
        [change(), change()],
        [{"__typename": "OrderStagedChangeIncrementItem"}],
        [change(), {"__typename": "OrderStagedChangeAddVariant"}],
    ],
)
async def test_an_edit_that_would_do_something_else_is_not_committed(found: list[Any]) -> None:
    assert isinstance(await answered(DOWN, PIECES, BEGUN, LINES, staged(*found)), Rejected)


async def test_a_line_that_the_edit_does_not_show_is_not_guessed() -> None:
    others = {"data": {"node": page({"id": "gid://shopify/CalculatedLineItem/8", "quantity": 3})}}
    assert isinstance(await answered(DOWN, PIECES, BEGUN, others), Rejected)


@pytest.mark.parametrize(("shown", "asked"), [(3, 1), (2, 0)])
async def test_as_many_fewer_than_the_edit_says_there_are(shown: int, asked: int) -> None:
    """Whether it counts the pieces that have left, nobody says."""
    lines = {"data": {"node": page({"id": "gid://shopify/CalculatedLineItem/7", "quantity": shown})}}
    async with a_script(PIECES, BEGUN, lines, staged(change()), COMMITTED) as (script, room):
        assert await room.amendments.put(room.amendments.render(DOWN)) == Accepted("o")
    assert script.asked[3]["variables"] == {
        "edit": "c",
        "line": "gid://shopify/CalculatedLineItem/7",
        "quantity": asked,
    }


async def test_every_reason_of_a_commits_no_is_kept() -> None:
    errors = [{"field": ["id"], "message": "a"}, {"field": None, "message": "b"}]
    no = {"data": {"orderEditCommit": {"order": None, "userErrors": errors}}}
    assert await answered(DOWN, PIECES, BEGUN, LINES, staged(change()), no) == Rejected(("a", "b"))


async def test_a_commit_that_may_have_landed_is_a_doubt() -> None:
    assert isinstance(await answered(DOWN, PIECES, BEGUN, LINES, staged(change()), (504, "")), Doubtful)


@pytest.mark.parametrize("answers", [[STANDS, DENIED], [DENIED]])
async def test_a_missing_scope_closes_the_door(answers: list[Any]) -> None:
    with pytest.raises(OpenCircuit):
        await answered(an_amendment(ORDER, CANCEL), *answers)


async def test_nobody_there_is_not_sent() -> None:
    room = a_room("http://127.0.0.1:9")
    try:
        for amendment in (an_amendment(ORDER, CANCEL), DOWN, an_amendment(ORDER, MARK, mark="ERP")):
            assert isinstance(await room.amendments.put(room.amendments.render(amendment)), NotSent)
    finally:
        await room.aclose()


async def test_words_are_cut_to_what_a_cancellation_takes() -> None:
    async with a_script(STANDS, REFUSED, STANDS) as (script, room):
        await room.amendments.put(room.amendments.render(an_amendment(ORDER, CANCEL, words="x" * 300)))
    assert script.asked[1]["variables"] == {"id": "o", "note": "x" * 255}
