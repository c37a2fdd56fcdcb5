"""Dispatches as the house reads and tells them to a WooCommerce shop: in each of its three ways on the sandbox's shop,
on what was recorded, and under every answer there is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected
from bcbridge.connectors.woocommerce import WooCommerce, parcels, wire
from bcbridge.connectors.woocommerce.means import zone_of
from bcbridge.errors import OpenCircuit
from bcbridge.flows.orders.content import changes, content_hash
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable
from bcbridge.model.ids import Ref
from bcbridge.model.order import PaymentStatus
from tests.conftest import contract_path
from tests.connectors.woocommerce.answers import recorded
from tests.connectors.woocommerce.shops import QUIET, World, a_room, a_script, a_shop, another_room, error, said

ONE, TWO = "040123000020", "040123000037"
WAYS = ("fulfillments", "shipment_tracking", "note")
PIECE = Fulfillable(group=Ref("5"), item=Ref("5"), line=Ref("5"), location=None, pieces=1)
PARTIAL = "packing"

pytestmark = pytest.mark.contract

Shops = Mapping[str, World]


@pytest.fixture(scope="module")
async def shops(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shops]:
    """One shop for each way, for every test that changes nothing of the shop itself."""
    async with AsyncExitStack() as opened:
        yield {
            way: await opened.enter_async_context(a_shop(tmp_path_factory.mktemp(way), plan=plan(way))) for way in WAYS
        }


def plan(way: str) -> Any:
    return replace(QUIET, fulfillments=way == "fulfillments", shipment_tracking=way == "shipment_tracking")


def a_dispatch(pieces: Sequence[Fulfillable], *tracks: str, order: str = "33", **changes: Any) -> Dispatch:
    said: dict[str, Any] = {"order": Ref(order), "pieces": tuple(pieces), "company": "UPS", "tracks": tracks}
    return Dispatch(**(said | changes))


def some(view: DispatchView, *counts: int) -> list[Fulfillable]:
    pairs = zip(view.fulfillable, counts, strict=False)
    return [piece.model_copy(update={"pieces": count}) for piece, count in pairs if count]


async def looked(world: World, ref: Ref) -> DispatchView:
    found = await world.room.dispatches.look(ref)
    assert found is not None
    return found


async def told(world: World, ref: Ref, pieces: Sequence[Fulfillable], *tracks: str, **changes: Any) -> object:
    dispatch = a_dispatch(pieces, *tracks, order=ref, **changes)
    return await world.room.dispatches.put(world.room.dispatches.render(dispatch))


async def finished(world: World, ref: Ref) -> list[str]:
    """Everything that is due made, look by look, as the flow does; which calls these were."""
    made: list[str] = []
    while due := (await looked(world, ref)).unfinished:
        for body in due:
            assert isinstance(await world.room.dispatches.put(body), Accepted)
            made.append(json.loads(body)["call"])
        assert len(made) < 10
    return made


async def two_lines(world: World, **order: Any) -> Ref:
    return await world.place(
        lines=[{"sku": ONE, "quantity": 3, "price": "28.00"}, {"sku": TWO, "quantity": 1, "price": "9.00"}], **order
    )


async def books(world: World, ref: Ref) -> dict[str, Any]:
    return dict((await world.http.get(f"/_sandbox/orders/{ref}")).json())


async def mails(world: World, ref: Ref) -> list[str]:
    """What each was about."""
    kept = (await books(world, ref))["_sandbox"].get("mails", [])
    return [next(key for key in one if key != "at") for one in kept]


async def status(world: World, ref: Ref) -> str:
    return str((await books(world, ref))["status"])


# -- all three ways


@pytest.mark.parametrize("way", WAYS)
async def test_pieces_leave_in_parts_until_the_order_is_completed(shops: Shops, way: str) -> None:
    world = shops[way]
    ref = await two_lines(world)
    before, order = await looked(world, ref), await world.read(ref)
    assert isinstance(await told(world, ref, some(before, 2), "1Z1", "1Z2"), Accepted)
    first = await finished(world, ref)
    part = await looked(world, ref)
    assert await status(world, ref) == "processing"
    assert isinstance(await told(world, ref, part.fulfillable, "X9", company="DHL"), Accepted)
    rest = await finished(world, ref)
    whole = await looked(world, ref)
    assert await status(world, ref) == "completed"
    assert [(one.line, one.pieces) for one in before.fulfillable] == [(one.ref, one.quantity) for one in order.lines]
    assert {(one.group, one.item, one.location) for one in before.fulfillable} == {
        (one.ref, one.ref, None) for one in order.lines
    }
    assert (before.fulfilments, before.holds, before.unfinished, before.cancelled) == ((), (), (), False)
    one, two = (piece.line for piece in before.fulfillable)
    assert (part.told(one), part.told(two), [piece.pieces for piece in part.fulfillable]) == (2, 0, [1, 1])
    assert (whole.told(one), whole.told(two), whole.fulfillable, whole.unfinished) == (3, 1, (), ())
    assert [shown.tracks for shown in whole.fulfilments] == [("1Z1", "1Z2"), ("X9",)]
    assert [shown.company for shown in whole.fulfilments] == ["UPS", "DHL"]
    between = {"fulfillments": [], "shipment_tracking": ["tracking"] * 2, "note": ["note"]}[way]
    assert (first, rest) == (between, [*between[:1], "status"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("partial", [None, PARTIAL])
async def test_what_was_told_is_no_change_of_the_order(shops: Shops, way: str, partial: str | None) -> None:
    async with another_room(shops[way], partial_status=partial) as room:
        world = replace(shops[way], room=room)
        ref = await two_lines(world)
        booked = await world.read(ref)
        view = await looked(world, ref)
        await told(world, ref, some(view, 1), "A")
        await finished(world, ref)
        assert await status(world, ref) == (partial or "processing")
        part = await world.read(ref)
        await told(world, ref, (await looked(world, ref)).fulfillable, "B")
        await finished(world, ref)
        assert await status(world, ref) == "completed"
        whole = await world.read(ref)
    assert [changes(booked, one) for one in (part, whole)] == [(), ()]
    assert len({content_hash(one) for one in (booked, part, whole)}) == 1
    assert all(hold.done for hold in (*part.holds, *whole.holds))


@pytest.mark.parametrize("partial", [None, PARTIAL])
async def test_cash_on_delivery_is_not_paid_by_being_shipped(shops: Shops, partial: str | None) -> None:
    async with another_room(shops["note"], partial_status=partial) as room:
        world = replace(shops["note"], room=room)
        ref = await two_lines(world, tenders=[{"gateway": "cod"}])
        booked = await world.read(ref)
        await told(world, ref, some(await looked(world, ref), 1), "A")
        await finished(world, ref)
        part = await world.read(ref)
        await told(world, ref, (await looked(world, ref)).fulfillable, "B")
        await finished(world, ref)
        whole = await world.read(ref)
        assert await status(world, ref) == "completed"
    assert booked.payment is PaymentStatus.AUTHORISED
    assert [changes(booked, one) for one in (part, whole)] == [(), ()]


async def test_cash_that_came_in_before_stays_paid(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await two_lines(world, tenders=[{"gateway": "cod"}])
        await world.happens(ref, "pay")
        await world.http.post("/_sandbox/clock", json={"advance_seconds": 600})
        booked = await world.read(ref)
        await told(world, ref, (await looked(world, ref)).fulfillable, "B")
        await finished(world, ref)
        whole = await world.read(ref)
    assert booked.payment is PaymentStatus.PAID
    assert changes(booked, whole) == ()


@pytest.mark.parametrize("way", WAYS)
async def test_two_parcels_under_one_number_are_both_told(shops: Shops, way: str) -> None:
    world = shops[way]
    ref = await two_lines(world)
    pieces = some(await looked(world, ref), 1)
    for _ in range(2):
        assert isinstance(await told(world, ref, pieces, "SAME"), Accepted)
    await finished(world, ref)
    view = await looked(world, ref)
    assert [(one.tracks, one.lines[0].pieces) for one in view.fulfilments] == [(("SAME",), 1)] * 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["fulfil_answer_lost", "fulfil_call_lost"])
async def test_what_had_no_answer_is_shown_or_not(shops: Shops, way: str, fault: str) -> None:
    world = shops[way]
    ref = await two_lines(world)
    pieces = some(await looked(world, ref), 1)
    await world.fault(once={fault: 1})
    assert isinstance(await told(world, ref, pieces, "A"), Doubtful)
    view = await looked(world, ref)
    assert len(view.fulfilments) == (1 if fault == "fulfil_answer_lost" else 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("notify", [True, False])
async def test_the_shopper_is_told_of_a_part_where_that_is_wished(shops: Shops, way: str, notify: bool) -> None:
    world = shops[way]
    ref = await two_lines(world)
    await told(world, ref, some(await looked(world, ref), 1), "A", notify=notify)
    await finished(world, ref)
    sent = await mails(world, ref)
    each = {"fulfillments": ["fulfillment"], "shipment_tracking": [], "note": ["note"]}[way]
    assert sent == (each if notify else [])


@pytest.mark.parametrize("way", WAYS)
async def test_an_order_that_is_over_says_so_and_is_never_completed(shops: Shops, way: str) -> None:
    world = shops[way]
    for what in ("cancel", "trash", "fail", "status"):
        ref = await two_lines(world)
        await told(world, ref, (await looked(world, ref)).fulfillable, "A")
        await world.happens(ref, what, status="refunded")
        view = await looked(world, ref)
        assert (view.cancelled, view.fulfillable, view.unfinished) == (True, (), ()), what
        assert len(view.fulfilments) == 1


async def test_an_order_that_is_on_hold_is_held(shops: Shops) -> None:
    world = shops["note"]
    ref = await two_lines(world)
    await world.happens(ref, "status", status="on-hold")
    view = await looked(world, ref)
    assert ([hold.reason for hold in view.holds], view.fulfillable, view.unfinished) == (["status on-hold"], (), ())


async def test_an_order_that_is_gone_is_none(shops: Shops) -> None:
    world = shops["note"]
    ref = await two_lines(world)
    pieces = (await looked(world, ref)).fulfillable
    await world.call("DELETE", f"/orders/{ref}", force="true")
    assert await world.room.dispatches.look(ref) is None
    assert await world.room.dispatches.look(Ref("gid://shopify/Order/1")) is None
    assert isinstance(await told(world, ref, pieces, "A"), Rejected)


async def test_what_was_given_back_does_not_wait_and_the_rest_completes(shops: Shops) -> None:
    world = shops["note"]
    ref = await two_lines(world)
    await world.happens(ref, "refund", lines={"0": 2, "1": 1})
    view = await looked(world, ref)
    await told(world, ref, view.fulfillable, "A")
    assert (await finished(world, ref))[-1] == "status"
    assert await status(world, ref) == "completed"
    assert [piece.pieces for piece in view.fulfillable] == [1]


async def test_nothing_is_completed_of_which_nothing_has_left(shops: Shops) -> None:
    world = shops["note"]
    ref = await two_lines(world)
    await world.happens(ref, "refund", lines={"0": 3}, restock=False)
    await world.happens(ref, "edit", **{"1": 1})
    view = await looked(world, ref)
    assert (view.fulfillable, view.unfinished) == ((), ())


async def test_a_status_of_somebody_elses_stays(shops: Shops) -> None:
    """A plugin's, that orders are not imported at."""
    world = shops["note"]
    ref = await two_lines(world)
    await told(world, ref, (await looked(world, ref)).fulfillable, "A")
    await world.happens(ref, "status", status=PARTIAL)
    assert await finished(world, ref) == ["note"]
    assert await status(world, ref) == PARTIAL


# -- how a shop is told


async def test_the_way_is_asked_of_the_shop_and_asked_again_when_it_is_gone(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=plan("fulfillments")) as world:
        ref = await two_lines(world)
        pieces = some(await looked(world, ref), 1)
        await told(world, ref, pieces, "A")
        await world.http.post("/_sandbox/admin/options", json={"fulfillments": False})
        assert isinstance(await told(world, ref, pieces, "B"), NotSent)
        assert isinstance(await told(world, ref, pieces, "B"), Accepted)
        assert [one.tracks for one in (await looked(world, ref)).fulfilments] == [("B",)]
        asked = len(world.asked(""))
        await looked(world, ref)
        assert len(world.asked("")) == asked == 2, "once, and once more when the route was gone"


async def test_what_was_told_in_one_way_still_counts_in_another(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=plan("note")) as world:
        ref = await two_lines(world)
        await told(world, ref, some(await looked(world, ref), 1), "A")
        await world.http.post("/_sandbox/admin/options", json={"fulfillments": True})
        world.room.dispatches._inquiry.forget()  # an hour later
        pieces = some(await looked(world, ref), 1)
        await told(world, ref, pieces, "B")
        view = await looked(world, ref)
        assert await finished(world, ref) == ["note"], "of the first alone"
    assert [one.tracks for one in view.fulfilments] == [("A",), ("B",)]


@pytest.mark.parametrize("way", ["fulfillments", "shipment_tracking"])
async def test_a_way_that_the_settings_name_and_the_shop_lacks_holds_the_order(shops: Shops, way: str) -> None:
    async with another_room(shops["note"], tracking=way) as room:
        world = replace(shops["note"], room=room)
        ref = await two_lines(world)
        view = await looked(world, ref)
        assert "no such route" in view.holds[0].reason
        assert (view.fulfillable, view.unfinished) == ((), ())


async def test_whoever_may_not_manage_is_told_what_to_do(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=replace(plan("fulfillments"), key_may_manage=False)) as world:
        ref = await two_lines(world)
        view, answer = await looked(world, ref), await told(world, ref, [PIECE], "A")
        assert (await world.read(ref)).ref == ref, "orders are read all the same"
    assert "shop manager" in view.holds[0].reason
    assert isinstance(answer, Rejected)
    assert "shop manager" in answer.reasons[0]


async def test_a_list_that_somebody_spoilt_holds_that_order_alone(shops: Shops) -> None:
    world = shops["note"]
    ref = await two_lines(world)
    await world.call("PUT", f"/orders/{ref}", {"meta_data": [{"key": parcels.META, "value": "was 1 parcel"}]})
    view = await looked(world, ref)
    assert (view.fulfillable, len(view.holds)) == ((), 1)


async def test_a_draft_has_not_left(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=plan("fulfillments")) as world:
        ref = await two_lines(world)
        (line, _) = (await looked(world, ref)).fulfillable
        items = [{"item_id": int(line.line), "qty": 1}]
        body = {"status": "unfulfilled", "is_fulfilled": False, "meta_data": [{"key": "_items", "value": items}]}
        await world.call("POST", f"/orders/{ref}/fulfillments", body)
        view = await looked(world, ref)
    assert (view.fulfilments, view.fulfillable[0].pieces) == ((), 3)


async def test_what_a_person_told_in_the_shop_counts(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=plan("fulfillments")) as world:
        ref = await two_lines(world)
        (line, _) = (await looked(world, ref)).fulfillable
        meta = [{"id": 0, "key": "_items", "value": [{"item_id": int(line.line), "qty": 2}]}]
        body = {"status": "fulfilled", "is_fulfilled": True, "meta_data": meta}
        await world.call("POST", f"/orders/{ref}/fulfillments", body)
        (shown,) = (await looked(world, ref)).fulfilments
        stamp = (await books(world, ref))["date_modified_gmt"]
    assert (shown.lines[0].pieces, shown.tracks, shown.company) == (2, (), "")
    assert shown.at == datetime.fromisoformat(stamp).replace(tzinfo=UTC), "dated in the shop's own time"


# -- what the shopper sees


async def test_a_note_says_what_left_in_the_words_of_the_shop(shops: Shops) -> None:
    async with another_room(shops["note"], dispatch_note="Votre colis est en route.") as room:
        world = replace(shops["note"], room=room)
        ref = await two_lines(world)
        view = await looked(world, ref)
        await told(world, ref, some(view, 2, 1), "1Z1", links=("https://ups.test/1Z1",))
        await finished(world, ref)
        name, other = (one["name"] for one in (await books(world, ref))["line_items"])
        (note,) = await world.call("GET", f"/orders/{ref}/notes")
    assert note["note"].split("\n") == [
        "Votre colis est en route.",
        f"2 x {name}",
        f"1 x {other}",
        "UPS 1Z1",
        "https://ups.test/1Z1",
        f"({ref}/1)",
    ]
    assert note["customer_note"] is True


async def test_other_notes_and_another_beginning_make_no_note_due_again(shops: Shops) -> None:
    world = shops["note"]
    ref = await two_lines(world)
    await told(world, ref, some(await looked(world, ref), 1), "A")
    await world.call("POST", f"/orders/{ref}/notes", {"note": f"see (1{ref}/1) and A"})
    assert await finished(world, ref) == ["note"]
    async with another_room(world, dispatch_note="On its way.") as fresh:
        view = await fresh.dispatches.look(ref)
    assert view is not None
    assert view.unfinished == ()


async def test_a_shop_that_shows_itself_as_it_was_mails_nobody_twice() -> None:
    """A cache in front of it, say: what it has just taken is not told again before the cache has gone stale."""
    order = recorded("orders", "put_meta_data.json")
    parcel = {"items": [{"item_id": 1, "qty": 1}], "numbers": ["A"], "way": "note", "at": "2026-11-20T12:00:00Z"}
    order["meta_data"].append({"id": 3, "key": parcels.META, "value": [parcel]})
    seen = [said(order), said([])]
    async with a_script(said(order), INDEX, said([]), said({"id": 9}, 201), *seen, *seen, tracking="note") as (_, room):
        due = await due_of(room)
        assert [json.loads(one)["call"] for one in due] == ["note"]
        assert isinstance(await room.dispatches.put(due[0]), Accepted)
        assert await due_of(room) == ()
        room.dispatches._now = lambda: datetime.now(UTC) + timedelta(hours=2)
        assert await due_of(room) == due


async def due_of(room: WooCommerce) -> tuple[bytes, ...]:
    view = await room.dispatches.look(Ref("32"))
    assert view is not None
    return view.unfinished


@pytest.mark.parametrize(
    ("company", "links", "tracking"),
    [
        ("UPS", (), {"tracking_provider": "UPS"}),
        ("", (), {}),
        (
            "Courier",
            ("https://c.test/1",),
            {"custom_tracking_provider": "Courier", "custom_tracking_link": "https://c.test/1"},
        ),
    ],
)
async def test_a_tracking_names_a_carrier_that_is_known_or_brings_its_link(
    shops: Shops, company: str, links: tuple[str, ...], tracking: dict[str, str]
) -> None:
    world = shops["shipment_tracking"]
    ref = await two_lines(world)
    await told(world, ref, some(await looked(world, ref), 1), "N1", company=company, links=links)
    (due,) = (await looked(world, ref)).unfinished
    assert await finished(world, ref) == ["tracking"]
    assert json.loads(due)["body"] == {"tracking_number": "N1", **tracking}


async def test_a_number_that_somebody_typed_otherwise_is_there(shops: Shops) -> None:
    world = shops["shipment_tracking"]
    ref = await two_lines(world)
    path = f"/wp-json/wc-shipment-tracking/v3/orders/{ref}/shipment-trackings"
    keys, secure = ("ck_sandbox", "cs_sandbox"), {"X-Forwarded-Proto": "https"}
    await world.http.post(path, json={"tracking_number": "1z 99"}, auth=keys, headers=secure)
    await told(world, ref, some(await looked(world, ref), 1), "1Z99")
    assert await finished(world, ref) == []


# -- on what was recorded


def shown(*names: str) -> list[Any]:
    found = [recorded("fulfillments", f"{name}.json") for name in names]
    return list(parcels.of_fulfilments(found, zone_of({"timezone_string": "America/New_York"})))


def test_recorded_fulfilments_are_read() -> None:
    whole, part, bare = shown("create", "create_part", "create_more_than_ordered")
    assert (whole.ref, whole.company, whole.tracks) == ("1", "royal-mail", ("RIG0000000001",))
    assert [(one.line, one.pieces) for one in whole.lines] == [("5", 1)]
    assert whole.at == datetime(2026, 11, 21, 0, 18, 57, tzinfo=UTC)
    assert ([one.pieces for one in part.lines], part.tracks) == ([1], ("RIG0000000002",))
    assert ([one.pieces for one in bare.lines], bare.tracks, bare.company) == ([3], (), "")


def test_a_list_is_read_as_recorded_and_as_the_first_versions_answered() -> None:
    rows = recorded("fulfillments", "list.json")
    assert parcels.listed(rows) == parcels.listed({"fulfillments": rows}) == rows
    assert parcels.made({"fulfillment": rows[0]}) == parcels.made(rows[0]) == rows[0]


def test_a_fulfilment_is_told_as_it_was_recorded() -> None:
    exchange = json.loads(contract_path("woocommerce", "recorded", "fulfillments", "create.json").read_bytes())
    link = "https://carrier.example.com/track/RIG0000000001"
    ours = parcels.fulfilment(parcels.told(a_dispatch([PIECE], "RIG0000000001", company="royal-mail", links=(link,))))
    assert ours == {**exchange["request"]["body"], "notify_customer": True}


@pytest.mark.parametrize(("company", "keys"), [("Local Courier", ["_items", "_shipment_provider"]), ("", ["_items"])])
def test_a_carrier_is_called_as_the_shopper_is_to_read_it(company: str, keys: list[str]) -> None:
    body = parcels.fulfilment(parcels.told(a_dispatch([PIECE], company=company)))
    said = {one["key"]: one["value"] for one in body["meta_data"]}
    assert list(said) == keys
    assert said.get("_shipment_provider", "") == company


def test_a_list_is_read_however_php_wrote_it() -> None:
    parcel = {"items": [{"item_id": 5, "qty": 1}], "numbers": [7], "at": "2026-11-20T12:00:00Z"}
    order = recorded("orders", "put_meta_data.json")
    for value in ([parcel], {"0": parcel}, json.dumps([parcel])):
        sold = wire.Sold.model_validate({**order, "meta_data": [{"key": parcels.META, "value": value}]})
        (one,) = parcels.parcels(sold)
        assert (one.numbers, one.items[0].qty) == (("7",), 1)
    assert parcels.parcels(wire.Sold.model_validate(order)) == ()


@pytest.mark.parametrize("name", ["", "America", "Nowhere/Else", "../etc/passwd"])
def test_a_zone_without_a_name_is_a_distance(name: str) -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=zone_of({"timezone_string": name, "gmt_offset": "5.5"}))
    assert at.astimezone(UTC).hour == 6


# -- every answer there is


def bodies() -> dict[str, bytes]:
    """One of each kind of call."""
    room = a_room("http://127.0.0.1:9")
    note = {"call": "note", "order": 33, "body": {"note": "n", "customer_note": True}}
    track = {"call": "tracking", "order": 33, "body": {"tracking_number": "1"}}
    done = {"call": "status", "order": 33, "body": {"status": "completed"}}
    others = {str(one["call"]): json.dumps(one).encode() for one in (note, track, done)}
    return {"dispatch": room.dispatches.render(a_dispatch([PIECE], "A")), **others}


INDEX = said({"namespaces": ["wc/v3"], "timezone_string": "Europe/Paris", "gmt_offset": 1})
YES: dict[str, Any] = {
    "dispatch": {"id": 4},
    "note": {"id": 22},
    "tracking": {"tracking_number": "1"},
    "status": {"id": 33, "status": "completed"},
}


async def answered(call: str, *answers: Any) -> object:
    """With a shop that is known to have fulfilments."""
    async with a_script(INDEX, *answers, tracking="fulfillments") as (script, room):
        await room.dispatches._inquiry.means()
        ended = await room.dispatches.put(bodies()[call])
        assert len(script.asked) == 2, "one call"
        return ended


@pytest.mark.parametrize(
    ("call", "key"), [("dispatch", "4"), ("note", "22"), ("tracking", "1"), ("status", "completed")]
)
async def test_a_yes_is_a_yes(call: str, key: str) -> None:
    assert await answered(call, said(YES[call], 201)) == Accepted(key)


@pytest.mark.parametrize("call", YES)
@pytest.mark.parametrize(
    "answer",
    [said(b"<html>", 502), said(b"<html>", 200), said({}, 201), said([], 200), said(b"", 200), said({"id": 1}, 500)],
)
async def test_what_is_neither_yes_nor_no_is_a_doubt(call: str, answer: Any) -> None:
    assert isinstance(await answered(call, answer), Doubtful)


@pytest.mark.parametrize("call", YES)
async def test_a_no_is_a_no(call: str) -> None:
    assert isinstance(await answered(call, error("0", 400, "Invalid item.")), Rejected)
    assert isinstance(await answered(call, said({"code": 0, "message": "m", "data": {"status": 400}}, 400)), Rejected)
    assert isinstance(await answered(call, error("woocommerce_rest_order_invalid_id", 404)), Rejected)
    assert isinstance(await answered(call, error("woocommerce_rest_cannot_create", 403)), Rejected)


@pytest.mark.parametrize("call", YES)
async def test_what_was_not_taken_may_go_again(call: str) -> None:
    assert isinstance(await answered(call, said({}, 429)), NotSent)
    assert isinstance(await answered(call, error("rest_no_route", 404)), NotSent)


@pytest.mark.parametrize("call", YES)
async def test_keys_that_are_gone_close_the_door(call: str) -> None:
    with pytest.raises(OpenCircuit):
        await answered(call, error("woocommerce_rest_authentication_error", 401))


async def test_a_shop_that_cannot_be_asked_was_sent_nothing() -> None:
    async with a_script(said(b"<html>", 503)) as (_, room):
        assert isinstance(await room.dispatches.put(bodies()["dispatch"]), NotSent)


async def test_a_status_that_a_plugin_does_not_let_stand_is_a_no() -> None:
    assert isinstance(await answered("status", said({"id": 33, "status": "processing"})), Rejected)


async def test_a_list_that_was_not_kept_may_have_been_taken() -> None:
    order = recorded("orders", "put_meta_data.json")
    async with a_script(INDEX, said(order), tracking="note") as (script, room):
        dispatch = a_dispatch([PIECE], "A", order="32")
        assert isinstance(await room.dispatches.put(room.dispatches.render(dispatch)), Doubtful)
    assert [one.method for one in script.asked] == ["GET", "GET", "PUT"]
