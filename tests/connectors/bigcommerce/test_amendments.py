"""Amendments as the house asks for them: on the sandbox's store, and under every answer there is.

Whatever is sent, and whatever the simulated store answers, is held against BigCommerce's OpenAPI.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected, Severity
from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.errors import OpenCircuit
from bcbridge.flows.orders.content import content_hash
from bcbridge.model.changes import Amendment, AmendmentKind
from bcbridge.model.ids import Ref
from tests.connectors.bigcommerce.answers import Json, order
from tests.connectors.bigcommerce.stores import NOT_THERE, Store, a_room, a_store
from tests.connectors.bigcommerce.test_dispatches import BUNDLE, ONE, TWO, a_shop, contract, looked, told
from tests.connectors.bigcommerce.test_on_sandbox import World
from tests.connectors.bigcommerce.test_published import head
from tests.contract.kit import Asked, Reply

__all__ = ["contract"]  # what every word is held against

CANCEL, MARK = AmendmentKind.CANCEL, AmendmentKind.MARK
FEES = [{"name": "Package protection", "amount": "2.50"}]
SIGN, WHY = "In the ERP", "cancelled in the ERP"
NUMBER = Ref("218")


async def put(room: BigCommerce, ref: Ref, kind: AmendmentKind, **more: Any) -> object:
    told = {CANCEL: {"words": WHY}, MARK: {"mark": SIGN}}[kind] | more
    return await room.amendments.put(room.amendments.render(Amendment(order=ref, kind=kind, **told)))


async def book(world: World, ref: Ref) -> Json:
    """The order with all that the sandbox knows of it."""
    return dict((await world.http.get(f"/_sandbox/orders/{ref}")).json())


async def written(world: World, ref: Ref, **fields: Any) -> None:
    """By somebody else, in the control panel."""
    path = f"/stores/abc123/v2/orders/{ref}"
    (await world.http.put(path, json=fields, headers={"X-Auth-Token": "sandbox-token"})).raise_for_status()


# -- the whole order -----------------------------------------------------------------------------------------------


async def test_an_order_is_cancelled_and_no_money_moves(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 2}, TWO])
        (before,), paid = await world.read(ref), await book(world, ref)
        assert await put(world.room, ref, CANCEL) == Accepted(ref)
        (after,), kept = await world.read(ref), await book(world, ref)
    assert (before.cancelled, after.cancelled is not None) == (None, True)
    assert (kept["status_id"], kept["staff_notes"]) == (5, WHY)
    assert (kept["transactions"], kept["refunds"]) == (paid["transactions"], [])
    assert (after.total, after.tenders, after.lines) == (before.total, before.tenders, before.lines)


async def test_a_cancellation_asked_for_again_is_as_asked_for_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        await put(world.room, ref, CANCEL)
        once = await book(world, ref)
        assert await put(world.room, ref, CANCEL) == Accepted(ref)
        assert await book(world, ref) == once


async def test_what_people_wrote_for_themselves_stays(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        await written(world, ref, staff_notes="A <difficult> customer\n☎ twice")
        await put(world.room, ref, MARK)
        await put(world.room, ref, CANCEL)
        notes = (await book(world, ref))["staff_notes"]
    assert notes == f"A <difficult> customer\n☎ twice\n{SIGN}\n{WHY}"


@pytest.mark.parametrize(("fault", "done"), [("amend_call_lost", 11), ("amend_answer_lost", 5)])
async def test_a_cancellation_without_an_answer_is_a_doubt_and_may_be_asked_for_again(
    tmp_path: Path, fault: str, done: int
) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        await world.faults(once={fault: 1})
        assert isinstance(await put(world.room, ref, CANCEL), Doubtful)
        assert (await book(world, ref))["status_id"] == done
        assert await put(world.room, ref, CANCEL) == Accepted(ref)
        kept = await book(world, ref)
    assert (kept["status_id"], kept["staff_notes"]) == (5, WHY)


@pytest.mark.parametrize("pieces", [1, 2])
async def test_what_has_left_is_not_cancelled(tmp_path: Path, pieces: int) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 2}])
        piece = (await looked(world, ref)).fulfillable[0].model_copy(update={"pieces": pieces})
        assert isinstance(await told(world, ref, [piece], "A"), Accepted)
        before = await book(world, ref)
        refused = await put(world.room, ref, CANCEL)
        assert await book(world, ref) == before
    assert refused == Rejected((f"the order is {'shipped' if pieces == 2 else 'partially shipped'}",))


async def test_what_is_over_or_the_banks_is_not_cancelled(tmp_path: Path) -> None:
    happenings: dict[str, tuple[str, Json]] = {
        "refunded": ("refund_all", {}),
        "declined": ("decline", {}),
        "disputed": ("dispute", {}),
        "archived": ("archive", {}),
        "completed": ("status", {"status_id": 10}),
        "incomplete": ("status", {"status_id": 0}),
    }
    async with a_shop(tmp_path) as world:
        for said, (happened, details) in happenings.items():
            ref = await world.place(lines=[ONE])
            await world.happens(ref, happened, **details)
            before = await book(world, ref)
            assert await put(world.room, ref, CANCEL) == Rejected((f"the order is {said}",))
            assert await book(world, ref) == before


async def test_whatever_still_waits_may_be_cancelled(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        for status in (1, 7, 8, 9, 11, 12, 14):
            ref = await world.place(lines=[ONE])
            await world.happens(ref, "status", status_id=status)
            assert await put(world.room, ref, CANCEL) == Accepted(ref)
            (after,) = await world.read(ref)
            assert after.cancelled is not None, status


async def test_a_part_that_left_counts_whatever_the_status_says(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 3}])
        await told(world, ref, [(await looked(world, ref)).fulfillable[0].model_copy(update={"pieces": 2})], "A")
        await world.happens(ref, "status", status_id=11)
        assert await put(world.room, ref, CANCEL) == Rejected(("pieces of it have left: 2",))


@pytest.mark.parametrize("kind", [CANCEL, MARK])
async def test_of_an_order_that_is_gone_nothing_is_made(tmp_path: Path, kind: AmendmentKind) -> None:
    async with a_shop(tmp_path) as world:
        assert await put(world.room, Ref("99"), kind) == Rejected(("the store has no such order",))


# -- signs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"fees": FEES},
        {"lines": [BUNDLE, ONE], "fees": [*FEES, {"name": "Gift bag", "amount": "1.00"}]},
        {"discounts": [{"code": "WELCOME10", "percent": 10}], "tax": [{"title": "NJ", "rate": "0.06625"}]},
    ],
)
@pytest.mark.parametrize("drops", [False, True])
async def test_our_own_mark_is_no_change_of_the_order(tmp_path: Path, changed: Json, *, drops: bool) -> None:
    """Whichever way the vendor's words about fees that a write leaves out are to be read."""
    async with a_shop(tmp_path) as world:
        ref = await world.place(**{"lines": [ONE | {"quantity": 2}, TWO], **changed})
        await world.faults(rates={"put_drops_fees": int(drops)})
        (before,), stood = await world.read(ref), await book(world, ref)
        assert await put(world.room, ref, MARK) == Accepted(ref)
        (after,), kept = await world.read(ref), await book(world, ref)
    moved = {name for name in kept if kept[name] != stood[name]} - {"date_modified"}
    assert (moved, kept["staff_notes"]) == ({"staff_notes"}, SIGN)
    assert content_hash(before) == content_hash(after)


@pytest.mark.parametrize("drops", [False, True])
async def test_the_fees_of_a_cancelled_order_stand_for_whoever_refunds_them(tmp_path: Path, *, drops: bool) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE], fees=FEES)
        await world.faults(rates={"put_drops_fees": int(drops)})
        (before,) = await world.read(ref)
        await put(world.room, ref, CANCEL)
        (after,) = await world.read(ref)
    assert (after.charges, after.total) == (before.charges, before.total)
    assert before.charges


@pytest.mark.parametrize("fault", ["", "amend_call_lost", "amend_answer_lost"])
async def test_an_order_is_marked_once(tmp_path: Path, fault: str) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        if fault:
            await world.faults(once={fault: 1})
            assert isinstance(await put(world.room, ref, MARK), Doubtful)
        assert await put(world.room, ref, MARK) == Accepted(ref)
        once = await book(world, ref)
        assert await put(world.room, ref, MARK) == Accepted(ref)
        assert await book(world, ref) == once
    assert once["staff_notes"] == SIGN


# -- every answer there is -----------------------------------------------------------------------------------------


def writes(store: Store) -> list[Json]:
    return [json.loads(asked.body) for asked in store.asked if asked.method == "PUT"]


async def answered(
    kind: AmendmentKind, status: int, said: object, *, stands: Json | None = None
) -> tuple[object, list[Json]]:
    """What comes of a write that is so answered, and what was written."""
    body = said if isinstance(said, bytes) else orjson.dumps(said)
    async with a_store() as (store, room):
        store.put(order() | (stands or {}))
        store.instead = lambda asked: Reply(status, body, {}) if asked.method == "PUT" else None
        return await put(room, NUMBER, kind), writes(store)


async def test_the_order_that_is_published_is_written_with_its_fees_as_they_stand() -> None:
    """One of which has its net cost under another name than the schema's."""
    body = orjson.dumps(head(218) | {"status_id": 11, "staff_notes": None})
    async with a_store() as (store, room):
        store.instead = lambda asked: Reply(200, body, {})
        assert await put(room, NUMBER, CANCEL) == Accepted(NUMBER)
        (sent,) = writes(store)
    fees = [
        {"id": 1, "cost_ex_tax": "12.3000", "cost_inc_tax": "12.3000", "cost_tax": "0.0000", "tax_class_id": 22},
        {"id": 2, "cost_ex_tax": "4.0000", "cost_inc_tax": "12.0000", "cost_tax": "8.0000"},
    ]
    called = ({"display_name_customer": name, "display_name_merchant": name} for name in ("A Fee", "B Fee"))
    said = [fee | {"type": "custom_fee", "source": "AA"} | name for fee, name in zip(fees, called, strict=True)]
    assert sent == {"status_id": 5, "staff_notes": WHY, "fees": said}


async def test_fees_that_are_only_a_link_are_none() -> None:
    link = {"url": "https://api.bigcommerce.com/stores/x/v2/orders/218/fees", "resource": "/orders/218/fees"}
    _, sent = await answered(CANCEL, 200, {"id": 218}, stands={"fees": link, "staff_notes": ""})
    assert sent == [{"status_id": 5, "staff_notes": WHY}]


async def test_notes_that_are_full_are_left_as_they_are() -> None:
    full = {"staff_notes": "x" * 65_530}
    assert await answered(MARK, 200, {"id": 218}, stands=full) == (Rejected(("the staff notes are full",)), [])
    assert await answered(CANCEL, 200, {"id": 218}, stands=full) == (Accepted(NUMBER), [{"status_id": 5}])


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422])
async def test_a_no_tells_nothing_of_what_was_sent(status: int) -> None:
    said = [{"status": status, "message": "a difficult customer"}]
    answer, _ = await answered(MARK, status, said)
    assert answer == Rejected((f"BigCommerce does not take the change: {status}",))


@pytest.mark.parametrize(
    ("status", "said"),
    [(500, []), (502, b"<html>"), (504, b""), (408, b""), (200, b"<html>"), (200, {}), (200, {"id": 9}), (204, b"")],
)
async def test_what_is_neither_yes_nor_no_is_a_doubt(status: int, said: object) -> None:
    answer, sent = await answered(CANCEL, status, said)
    assert isinstance(answer, Doubtful)
    assert len(sent) == 1


@pytest.mark.parametrize("status", [409, 423, 425, 429])
async def test_what_was_not_taken_may_go_again(status: int) -> None:
    answer, sent = await answered(CANCEL, status, [{"status": status, "message": "locked"}])
    assert isinstance(answer, NotSent)
    assert len(sent) == 1


async def test_a_look_that_fails_has_changed_nothing() -> None:
    async with a_store() as (store, room):
        store.instead = lambda asked: Reply(503, b"[]", {})
        assert isinstance(await put(room, NUMBER, CANCEL), NotSent)
        assert writes(store) == []
    room = a_room("http://127.0.0.1:9")
    try:
        assert isinstance(await put(room, NUMBER, CANCEL), NotSent)
    finally:
        await room.aclose()


@pytest.mark.parametrize(
    ("status", "said"), [(401, {"status": 401}), (403, {"status": 403}), (404, b"<html>"), (405, []), (507, {})]
)
async def test_a_missing_scope_or_a_wrong_address_closes_the_door(status: int, said: object) -> None:
    with pytest.raises(OpenCircuit):
        await answered(CANCEL, status, said)


async def test_nothing_there_at_all_is_no_proof_that_an_order_is_gone() -> None:
    def nowhere(asked: Asked) -> Reply:
        return Reply(404, orjson.dumps(NOT_THERE), {})

    async with a_store() as (store, room):
        store.instead = nowhere
        with pytest.raises(OpenCircuit):
            await put(room, NUMBER, CANCEL)


async def test_doctor_says_what_amending_needs(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        (found,) = [one for one in await world.room.doctor() if one.topic == "amendments"]
    assert (found.severity, "store_v2_orders" in found.text) == (Severity.INFO, True)
