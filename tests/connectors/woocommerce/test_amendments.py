"""Amendments as the house asks for them of a WooCommerce shop: on the sandbox's, on what was recorded, and under every
answer there is. Whatever is sent is held against the shop's own schemas."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected
from bcbridge.connectors.woocommerce import WooCommerce
from bcbridge.errors import OpenCircuit
from bcbridge.flows.orders.content import content_hash
from bcbridge.model.changes import Amendment, AmendmentKind
from bcbridge.model.ids import Ref
from tests.connectors.woocommerce.answers import meta, order, recorded
from tests.connectors.woocommerce.shops import (
    READ_ONLY,
    Json,
    Script,
    World,
    a_room,
    a_script,
    a_shop,
    another_room,
    error,
    said,
    settings,
)
from tests.connectors.woocommerce.test_dispatches import WAYS, looked, plan, some, told
from tests.contract.kit import Reply

CANCEL, MARK = AmendmentKind.CANCEL, AmendmentKind.MARK
SIGN, WHY = "In the ERP", "cancelled in the ERP"
GONE = Rejected(("the shop has no such order",))

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """For every test that changes nothing of the shop itself."""
    async with a_shop(tmp_path_factory.mktemp("shop"), plan=settings(shipment_tracking=True)) as world:
        yield world


async def put(room: WooCommerce, ref: Ref, kind: AmendmentKind, **more: Any) -> object:
    asked = {CANCEL: {"words": WHY}, MARK: {"mark": SIGN}}[kind] | more
    return await room.amendments.put(room.amendments.render(Amendment(order=ref, kind=kind, **asked)))


async def book(world: World, ref: Ref) -> Json:
    """The order with all that the sandbox knows of it."""
    return dict((await world.http.get(f"/_sandbox/orders/{ref}")).json())


async def notes(world: World, ref: Ref) -> list[tuple[str, bool]]:
    return [(one["note"], one["customer_note"]) for one in await world.call("GET", f"/orders/{ref}/notes")]


def writes(world: World, ref: Ref) -> list[str]:
    """Which calls of the order changed something."""
    return [one.method for one in world.asked(f"/orders/{ref}") if one.method != "GET"]


# -- the whole order -----------------------------------------------------------------------------------------------


async def test_an_order_is_cancelled_with_a_note_for_the_shops_people_and_no_money_moves(shop: World) -> None:
    ref = await shop.place()
    before = await shop.read(ref)
    assert await put(shop.room, ref, CANCEL) == Accepted(ref)
    after = await shop.read(ref)
    assert (before.cancelled, after.cancelled is not None) == (None, True)
    assert (after.total, after.tenders, after.refunded, after.payment) == (
        before.total,
        before.tenders,
        before.refunded,
        before.payment,
    )
    assert await notes(shop, ref) == [(WHY, False)]


async def test_a_cancellation_asked_for_again_is_as_asked_for_once(shop: World) -> None:
    ref = await shop.place()
    await put(shop.room, ref, CANCEL)
    once = await book(shop, ref)
    assert await put(shop.room, ref, CANCEL) == Accepted(ref)
    assert (await book(shop, ref), writes(shop, ref)) == (once, ["PUT"])
    assert await notes(shop, ref) == [(WHY, False)]


@pytest.mark.parametrize(("fault", "done"), [("amend_call_lost", "processing"), ("amend_answer_lost", "cancelled")])
async def test_a_cancellation_without_an_answer_is_a_doubt_and_may_be_asked_for_again(
    shop: World, fault: str, done: str
) -> None:
    ref = await shop.place()
    await shop.fault(once={fault: 1})
    assert isinstance(await put(shop.room, ref, CANCEL), Doubtful)
    assert (await book(shop, ref))["status"] == done
    assert await put(shop.room, ref, CANCEL) == Accepted(ref)
    assert (await book(shop, ref))["status"] == "cancelled"


@pytest.mark.parametrize("status", ["completed", "refunded", "failed", "packing"])
async def test_what_is_over_or_of_a_status_of_the_shops_own_is_not_cancelled(shop: World, status: str) -> None:
    ref = await shop.place()
    await shop.call("PUT", f"/orders/{ref}", {"status": status})
    before = await book(shop, ref)
    assert await put(shop.room, ref, CANCEL) == Rejected((f"the order is {status}",))
    assert await book(shop, ref) == before


@pytest.mark.parametrize("status", ["processing", "on-hold", "pending", "packing"])
async def test_whatever_still_waits_or_is_imported_may_be_cancelled(shop: World, status: str) -> None:
    async with another_room(shop, import_statuses=["packing", "completed"]) as room:
        ref = await shop.place()
        await shop.call("PUT", f"/orders/{ref}", {"status": status})
        assert await put(room, ref, CANCEL) == Accepted(ref)
        assert (await book(shop, ref))["status"] == "cancelled"


async def test_what_is_completed_is_not_cancelled_though_it_is_imported(shop: World) -> None:
    async with another_room(shop, import_statuses=["completed"]) as room:
        ref = await shop.place()
        await shop.call("PUT", f"/orders/{ref}", {"status": "completed"})
        assert await put(room, ref, CANCEL) == Rejected(("the order is completed",))


@pytest.mark.parametrize("way", WAYS)
async def test_what_has_left_is_not_cancelled_however_the_shop_was_told(tmp_path: Path, way: str) -> None:
    async with a_shop(tmp_path, plan=plan(way)) as world:
        ref = await world.place()
        assert isinstance(await told(world, ref, some(await looked(world, ref), 1), "A"), Accepted)
        before = await book(world, ref)
        assert await put(world.room, ref, CANCEL) == Rejected(("pieces of it have left",))
        assert await book(world, ref) == before


async def test_nor_is_what_somebody_else_tracked(shop: World) -> None:
    ref = await shop.place()
    await shop.call(
        "PUT", f"/orders/{ref}", {"meta_data": [{"key": "_wc_shipment_tracking_items", "value": [{"a": 1}]}]}
    )
    assert await put(shop.room, ref, CANCEL) == Rejected(("pieces of it have left",))


@pytest.mark.parametrize("kind", [CANCEL, MARK])
async def test_of_an_order_that_is_gone_or_in_the_trash_nothing_is_made(shop: World, kind: AmendmentKind) -> None:
    ref = await shop.place()
    await shop.happens(ref, "trash")
    for gone in (ref, Ref("99999"), Ref("33/../34")):
        assert await put(shop.room, gone, kind) == GONE
    assert writes(shop, ref) == []


# -- signs ---------------------------------------------------------------------------------------------------------


async def test_our_own_mark_is_no_change_of_the_order(shop: World) -> None:
    ref = await shop.place()
    await shop.call("PUT", f"/orders/{ref}", {"meta_data": [{"key": "gift", "value": "yes"}]})
    before, stood = await shop.read(ref), await book(shop, ref)
    assert await put(shop.room, ref, MARK) == Accepted(ref)
    after, kept = await shop.read(ref), await book(shop, ref)
    assert {name for name in kept if kept[name] != stood[name]} <= {"meta_data", "date_modified_gmt"}
    assert kept["meta_data"][:-1] == stood["meta_data"]
    assert (kept["meta_data"][-1]["key"], kept["meta_data"][-1]["value"]) == ("_bcbridge_mark", SIGN)
    assert (content_hash(before), before.attributes) == (content_hash(after), after.attributes)


@pytest.mark.parametrize("fault", ["", "amend_call_lost", "amend_answer_lost"])
async def test_an_order_is_marked_once(shop: World, fault: str) -> None:
    ref = await shop.place()
    if fault:
        await shop.fault(once={fault: 1})
        assert isinstance(await put(shop.room, ref, MARK), Doubtful)
    assert await put(shop.room, ref, MARK) == Accepted(ref)
    once = await book(shop, ref)
    assert await put(shop.room, ref, MARK) == Accepted(ref)
    assert await book(shop, ref) == once
    assert [one["key"] for one in once["meta_data"]].count("_bcbridge_mark") == 1


async def test_another_mark_takes_the_place_of_the_first(shop: World) -> None:
    ref = await shop.place()
    for sign in (SIGN, "In the other ERP"):
        assert await put(shop.room, ref, MARK, mark=sign) == Accepted(ref)
    kept = [one["value"] for one in (await book(shop, ref))["meta_data"] if one["key"] == "_bcbridge_mark"]
    assert kept == ["In the other ERP"]


# -- every answer there is -----------------------------------------------------------------------------------------

STANDS = said({"id": 43, "status": "processing", "meta_data": []})
REF = Ref("43")


async def answered(kind: AmendmentKind, *answers: Reply) -> tuple[object, Script]:
    """What comes of a write, and what follows it, that are so answered."""
    async with a_script(STANDS, *answers) as (script, room):
        return await put(room, REF, kind), script


async def test_the_cancellation_that_was_recorded_is_a_yes() -> None:
    kept, note = recorded("orders", "put_cancelled.json"), recorded("notes", "create.json")
    answer, script = await answered(CANCEL, said(kept), said(note, 201))
    look, write, noted = script.asked
    assert (answer, look.method, look.query["_fields"]) == (Accepted(REF), "GET", "id,status,meta_data")
    assert (write.method, json.loads(write.body)) == ("PUT", {"status": "cancelled"})
    assert (noted.method, json.loads(noted.body)) == ("POST", {"note": WHY, "customer_note": False})


async def test_nothing_is_noted_without_a_reason() -> None:
    async with a_script(STANDS, said({"id": 43, "status": "cancelled"})) as (script, room):
        assert await put(room, REF, CANCEL, words="") == Accepted(REF)
        assert [one.method for one in script.asked] == ["GET", "PUT"]


@pytest.mark.parametrize(
    "note",
    [error("woocommerce_rest_cannot_create", 403), said(b"<html>", 503), said(b"", 429), error("rest_no_route", 404)],
)
async def test_a_note_that_fails_changes_nothing_and_is_logged(note: Reply) -> None:
    with capture_logs() as logs:
        answer, script = await answered(CANCEL, said({"id": 43, "status": "cancelled"}), note)
    assert (answer, len(script.asked)) == (Accepted(REF), 3)
    (told,) = [one for one in logs if one["log_level"] == "warning"]
    assert (told["order"], bool(told["why"])) == (REF, True)
    assert WHY not in str(told)


async def test_what_a_plugin_does_not_let_stand_is_a_no() -> None:
    answer, script = await answered(CANCEL, said({"id": 43, "status": "packing"}))
    assert answer == Rejected(("the shop made of cancelled: packing",))
    assert len(script.asked) == 2


@pytest.mark.parametrize(
    "no",
    [
        error("woocommerce_rest_cannot_edit", 403),
        error("rest_invalid_param", 400),
        error("woocommerce_rest_shop_order_invalid_id", 404),
    ],
)
@pytest.mark.parametrize("kind", [CANCEL, MARK])
async def test_a_no_is_one_in_words_of_ours(kind: AmendmentKind, no: Reply) -> None:
    answer, script = await answered(kind, no)
    assert isinstance(answer, Rejected)
    assert all(answer.reasons)
    assert len(script.asked) == 2


@pytest.mark.parametrize(
    "unclear", [said(b"<html>"), said(b"<html>", 502), said(b"", 408), said([]), said({}), said({"id": 43}, 500)]
)
@pytest.mark.parametrize("kind", [CANCEL, MARK])
async def test_what_is_neither_yes_nor_no_is_a_doubt(kind: AmendmentKind, unclear: Reply) -> None:
    answer, script = await answered(kind, unclear)
    assert isinstance(answer, Doubtful)
    assert len(script.asked) == 2


async def test_a_yes_that_does_not_show_the_mark_is_a_doubt() -> None:
    answer, _ = await answered(MARK, said({"id": 43, "status": "processing", "meta_data": []}))
    assert isinstance(answer, Doubtful)
    kept = order(meta_data=[meta("_bcbridge_mark", SIGN)])
    assert (await answered(MARK, said(kept)))[0] == Accepted(REF)


async def test_what_was_not_taken_may_go_again() -> None:
    answer, _ = await answered(CANCEL, said(b"busy", 429, Retry_After="7"))
    assert isinstance(answer, NotSent)
    assert answer.after is not None
    assert answer.after.total_seconds() == 7


async def test_a_look_that_fails_has_changed_nothing() -> None:
    async with a_script(said(b"<html>", 503)) as (script, room):
        assert isinstance(await put(room, REF, CANCEL), NotSent)
        assert [one.method for one in script.asked] == ["GET"]
    room = a_room("http://127.0.0.1:9")
    try:
        assert isinstance(await put(room, REF, CANCEL), NotSent)
    finally:
        await room.aclose()


async def test_keys_that_may_only_read_close_the_door_and_change_nothing(shop: World) -> None:
    async with another_room(shop, **READ_ONLY) as room:
        ref = await shop.place()
        with pytest.raises(OpenCircuit, match="Read/Write"):
            await put(room, ref, CANCEL)
        assert (await book(shop, ref))["status"] == "processing"


async def test_doctor_says_what_amending_needs(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        (found,) = [one for one in await world.room.doctor() if one.topic == "amendments"]
    assert "Read/Write" in found.text
