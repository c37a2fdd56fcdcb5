"""Dispatches as the house reads and tells them: on the sandbox's store, and under every answer there is.

Whatever is sent, and whatever the simulated store answers, is held against BigCommerce's OpenAPI.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml
from aiohttp import web

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected, Severity
from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.flows.orders.content import content_hash
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable
from bcbridge.model.ids import Ref
from bcbridge.sandbox import bigcommerce as sandbox
from bcbridge.sandbox import catalogue
from tests.conftest import contract_path
from tests.connectors.bigcommerce.answers import HASH, Json, consignments, line, order, parcel
from tests.connectors.bigcommerce.stores import NOT_THERE, SECRETS, Store, a_room, a_store
from tests.connectors.bigcommerce.test_on_sandbox import World
from tests.contract.kit import Asked, Reply
from tests.contract.outside import serving
from tests.openapi import check_answer, check_request

ONE, TWO = ({"sku": sku.upc} for sku in catalogue.WEB_SKUS[:2])
ALBANY = {"city": "Albany", "address1": "9 State St", "zip": "12207", "provinceCode": "NY"}
BUNDLE = {
    "title": "Gift box",
    "price": "0.00",
    "parts": [ONE | {"quantity": 2, "price": "10.00"}, TWO | {"price": "5.00"}],
}
PIECE = Fulfillable(group=Ref("51"), item=Ref("65"), line=Ref("65"), location=Ref("51"), pieces=1)


@pytest.fixture(autouse=True)
def contract() -> None:
    """What every word is held against."""
    contract_path("bigcommerce", "reference")


@asynccontextmanager
async def a_shop(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """A simulated store, and a room that reaches it by somebody who checks every word."""
    known = sandbox.BigCommerceSettings(store_hash=HASH, access_token=SECRETS["env:TOKEN"], quota=1e6)
    async with (
        sandbox.serving(folder, settings=known) as server,
        httpx.AsyncClient(base_url=server.url, timeout=20) as store,
    ):

        async def passed(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
            check_request(asked.method, asked.path, asked.query, json.loads(asked.body) if asked.body else None)
            headers = {name: asked.headers[name] for name in ("accept", "x-auth-token")}
            try:
                said = await store.request(asked.method, request.raw_path, content=asked.body, headers=headers)
            except httpx.TransportError:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            check_answer(asked.method, asked.path, said.status_code, said.json() if said.content else None)
            return Reply(said.status_code, said.content).response()

        async with serving(passed) as watched:
            room = a_room(watched.url, **settings)
            try:
                yield World(room, store)
            finally:
                await room.aclose()


async def looked(world: World, ref: Ref) -> DispatchView:
    found = await world.room.dispatches.look(ref)
    assert found is not None
    return found


def a_dispatch(order: Ref, pieces: Sequence[Fulfillable], *tracks: str, **changes: Any) -> Dispatch:
    return Dispatch(**{"order": order, "pieces": tuple(pieces), "company": "UPS", "tracks": tracks} | changes)


def some(view: DispatchView, *counts: int) -> list[Fulfillable]:
    pairs = zip(view.fulfillable, counts, strict=False)
    return [piece.model_copy(update={"pieces": count}) for piece, count in pairs if count]


async def told(world: World, ref: Ref, pieces: Sequence[Fulfillable], *tracks: str, **changes: Any) -> object:
    sink = world.room.dispatches
    return await sink.put(sink.render(a_dispatch(ref, pieces, *tracks, **changes)))


async def status(world: World, ref: Ref) -> int:
    return int((await world.http.get(f"/_sandbox/orders/{ref}")).json()["status_id"])


# -- on the sandbox ------------------------------------------------------------------------------------------------


async def test_what_may_leave_is_named_by_the_lines_of_the_order(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        book = {"title": "Lookbook", "price": "5.00", "digital": True}
        ref = await world.place(lines=[ONE | {"quantity": 3}, TWO, book])
        view, (read,) = await looked(world, ref), await world.read(ref)
    assert [(piece.line, piece.pieces) for piece in view.fulfillable] == [
        (one.ref, one.quantity) for one in read.lines if one.requires_shipping
    ]
    assert (view.fulfilments, view.holds, view.cancelled, view.whole, view.unfinished) == ((), (), False, True, ())


async def test_what_was_told_is_shown_with_its_numbers(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 3}, TWO])
        before = await looked(world, ref)
        first = await told(world, ref, some(before, 2), "1Z1", "1Z2")
        part = await looked(world, ref)
        links = ("https://x.test/9",)
        await told(world, ref, part.fulfillable, "X9", company="Local Courier", links=links)
        whole = await looked(world, ref)
        kept = (await world.http.get(f"/_sandbox/orders/{ref}")).json()
    one, two = (piece.line for piece in before.fulfillable)
    assert isinstance(first, Accepted)
    assert [(shown.ref, shown.company, shown.tracks) for shown in part.fulfilments] == [
        (first.key, "ups", ("1Z1", "1Z2"))
    ]
    assert (part.told(one), part.told(two), [piece.pieces for piece in part.fulfillable]) == (2, 0, [1, 1])
    assert (whole.told(one), whole.told(two), whole.fulfillable, whole.unfinished) == (3, 1, (), ())
    assert whole.fulfilments[1].tracks == ("X9",)
    assert (kept["status_id"], len(kept["_sandbox"]["mails"])) == (2, 2)
    assert [one["tracking_link"] or one["generated_tracking_link"] for one in kept["shipments"]] == [
        "https://www.ups.com/WebTracking?trackNums=1Z1",
        "https://x.test/9",
    ]


async def test_each_address_is_told_by_itself(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE, TWO | {"to": 1}], addresses=[ALBANY])
        view = await looked(world, ref)
        here, there = view.fulfillable
        assert here.location != there.location
        with pytest.raises(ValueError, match="too many"):
            world.room.dispatches.render(a_dispatch(ref, view.fulfillable))
        for piece in (here, there):
            assert isinstance(await told(world, ref, [piece], "A"), Accepted)
        after = await looked(world, ref)
    assert ([shown.lines[0].line for shown in after.fulfilments], after.fulfillable) == ([here.line, there.line], ())


async def test_an_order_of_many_lines_is_read_whole(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[{"sku": sku.upc} for sku in (catalogue.WEB_SKUS * 4)[:57]])
        before = await looked(world, ref)
        assert isinstance(await told(world, ref, before.fulfillable, "A"), Accepted)
        after = await looked(world, ref)
    assert len(before.fulfillable) == 57
    assert {one.line for one in after.fulfilments[0].lines} == {piece.line for piece in before.fulfillable}


@pytest.mark.parametrize(
    ("happened", "details", "reason"),
    [
        ("hold", {}, "status manual verification required"),
        ("dispute", {}, "status disputed"),
        ("archive", {}, "archived"),
    ],
)
async def test_what_is_held_may_not_leave_and_says_why(
    tmp_path: Path, happened: str, details: Json, reason: str
) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        await world.happens(ref, happened, **details)
        view = await looked(world, ref)
    assert (view.fulfillable, view.holds[0].reason, view.cancelled) == ((), reason, False)


async def test_a_status_that_is_booked_is_no_hold(tmp_path: Path) -> None:
    async with a_shop(tmp_path, import_status_ids=[11, 13]) as world:
        ref = await world.place(lines=[ONE])
        await world.happens(ref, "dispute")
        view = await looked(world, ref)
    assert ([piece.pieces for piece in view.fulfillable], view.holds) == ([1], ())


@pytest.mark.parametrize(("happened", "cancelled"), [("cancel", True), ("decline", True), ("refund_all", False)])
async def test_of_an_order_that_is_over_nothing_may_leave(tmp_path: Path, happened: str, *, cancelled: bool) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        before = await looked(world, ref)
        await world.happens(ref, happened)
        view = await looked(world, ref)
        refused = await told(world, ref, before.fulfillable, "A")
    assert (view.cancelled, view.fulfillable) == (cancelled, ())
    assert isinstance(refused, Rejected)


async def test_what_was_refunded_is_not_left(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 3}])
        await world.happens(ref, "refund", lines={"0": 1})
        view = await looked(world, ref)
        assert isinstance(await told(world, ref, view.fulfillable, "A"), Accepted)
        assert [piece.pieces for piece in view.fulfillable] == [2]
        assert await status(world, ref) == 2


async def test_more_than_is_left_is_refused_in_their_words(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE])
        view = await looked(world, ref)
        refused = await told(world, ref, some(view, 2), "A")
        assert await told(world, Ref("99"), view.fulfillable, "A") == Rejected(
            ("The requested resource was not found.",)
        )
    assert refused == Rejected(("The field 'quantity' is invalid.",))


async def test_an_order_that_is_gone_is_nobodys(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        assert await world.room.dispatches.look(Ref("99")) is None


@pytest.mark.parametrize(("fault", "shown"), [("fulfil_answer_lost", [("A",)]), ("fulfil_call_lost", [])])
async def test_an_answer_that_is_lost_may_have_been_done(tmp_path: Path, fault: str, shown: list[tuple[str]]) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 2}])
        view = await looked(world, ref)
        await world.faults(once={fault: 1})
        assert isinstance(await told(world, ref, some(view, 1), "A"), Doubtful)
        after = await looked(world, ref)
    assert [one.tracks for one in after.fulfilments] == shown


# -- bundles


async def finished(world: World, ref: Ref) -> DispatchView:
    """Tells what may leave, and then what is unfinished, one piece after the other."""
    while (view := await looked(world, ref)).fulfillable:
        assert view.unfinished == ()
        assert isinstance(await told(world, ref, some(view, 1), "A"), Accepted)
    for body in view.unfinished:
        assert isinstance(await world.room.dispatches.put(body), Accepted)
    return await looked(world, ref)


@pytest.mark.parametrize(("bundles", "booked"), [("children", 3), ("parent", 1), ("both", 4)])
async def test_a_bundle_that_has_left_is_shipped_whole(tmp_path: Path, bundles: str, booked: int) -> None:
    """Else it would be partially shipped for ever."""
    async with a_shop(tmp_path, bundles=bundles) as world:
        ref = await world.place(lines=[BUNDLE])
        (read,) = await world.read(ref)
        before = await looked(world, ref)
        after = await finished(world, ref)
        assert await status(world, ref) == 2
    assert {piece.line for piece in before.fulfillable} == {one.ref for one in read.lines}
    assert sum(after.told(one.ref) for one in read.lines) == booked
    assert {one.line for shown in after.fulfilments for one in shown.lines} == {one.ref for one in read.lines}
    assert (after.fulfillable, after.unfinished) == ((), ())


async def test_a_bundle_of_which_nothing_left_is_not_finished(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[BUNDLE, ONE])
        view = await looked(world, ref)
        alone = [piece for piece in view.fulfillable if piece.line == view.fulfillable[0].line]
        await told(world, ref, alone, "A")
        assert (await looked(world, ref)).unfinished == ()


# -- no change of the order


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"addresses": [ALBANY], "lines": [ONE | {"quantity": 2}, TWO | {"to": 1}]},
        {"lines": [BUNDLE, ONE]},
        {"discounts": [{"code": "WELCOME10", "percent": 10}], "tax": [{"title": "NJ", "rate": "0.06625"}]},
    ],
)
async def test_our_own_dispatch_is_no_change_of_the_order(tmp_path: Path, changed: Json) -> None:
    async with a_shop(tmp_path) as world:
        ref = await world.place(**{"lines": [ONE | {"quantity": 2}, TWO], **changed})
        (before,) = await world.read(ref)
        view = await looked(world, ref)
        await told(world, ref, some(view, 1), "A")
        (part,) = await world.read(ref)
        assert await status(world, ref) == 3
        await finished(world, ref)
        (whole,) = await world.read(ref)
        assert await status(world, ref) == 2
    assert content_hash(before) == content_hash(part) == content_hash(whole)
    assert (whole.cancelled, whole.payment, whole.lines == before.lines) == (None, before.payment, True)


async def test_nor_is_it_one_of_an_order_that_was_refunded_in_part(tmp_path: Path) -> None:
    """A shipment moves its status on from 14; the money given back still says that it was."""
    async with a_shop(tmp_path) as world:
        ref = await world.place(lines=[ONE | {"quantity": 3}])
        await world.happens(ref, "refund", lines={"0": 1})
        (before,) = await world.read(ref)
        await finished(world, ref)
        (after,) = await world.read(ref)
        assert await status(world, ref) == 2
    assert content_hash(before) == content_hash(after)


# -- every answer there is -----------------------------------------------------------------------------------------


def published(name: str) -> Any:
    """An example of theirs."""
    file = contract_path("bigcommerce", "reference", "orders.v2.oas2.yml")
    found = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)["components"]["responses"][name]
    return found["content"]["application/json"]["examples"]["application/json"]["value"]


async def answered(status: int, said: object, *, headers: dict[str, str] | None = None) -> object:
    body = said if isinstance(said, bytes) else orjson.dumps(said)
    async with a_store() as (store, room):
        store.instead = lambda asked: Reply(status, body, headers or {})
        answer = await room.dispatches.put(room.dispatches.render(a_dispatch(Ref("218"), [PIECE], "A")))
    assert [asked.method for asked in store.asked] == ["POST"]
    return answer


@pytest.mark.contract
async def test_the_yes_that_is_published_names_its_shipment() -> None:
    assert await answered(201, published("orderShipment_Resp")) == Accepted("11")


@pytest.mark.contract
async def test_the_shipments_that_are_published_are_read_to_exactly_this() -> None:
    async with a_store() as (store, room):
        pieces = [line(188, order_address_id=127), line(189, order_address_id=128, quantity=2)]
        parcels = [parcel(one, number=one["order_address_id"]) for one in pieces]
        store.put(order(*pieces, id=225, status_id=3, consignments=consignments(*parcels), items_total=3))
        store.shipments[225] = published("orderShipmentCollection_Resp")
        view = await room.dispatches.look(Ref("225"))
    assert view is not None
    assert [(shown.ref, shown.company, shown.tracks, shown.lines[0].line) for shown in view.fulfilments] == [
        ("6", "usps", ("EJ958083578US",), "188"),
        ("7", "usps", ("EJ958083578UK",), "189"),
    ]
    assert [(piece.line, piece.group, piece.pieces) for piece in view.fulfillable] == [("189", "128", 1)]
    assert store.calls == {"v2/orders": 1, "v2/orders/shipments": 1}


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422])
async def test_every_reason_of_a_no_is_kept(status: int) -> None:
    said = [{"status": status, "message": "a"}, {"status": status, "message": "b" * 300}]
    assert await answered(status, said) == Rejected(("a", "b" * 200))


async def test_a_no_in_nobodys_words_is_one_all_the_same() -> None:
    assert isinstance(await answered(400, b"<html>"), Rejected)


@pytest.mark.parametrize(
    ("status", "said"), [(500, []), (502, b"<html>"), (504, b""), (408, b""), (201, b"<html>"), (201, {}), (204, b"")]
)
async def test_what_is_neither_yes_nor_no_is_a_doubt(status: int, said: object) -> None:
    assert isinstance(await answered(status, said), Doubtful)


async def test_what_was_not_taken_may_go_again() -> None:
    window = {
        "X-Rate-Limit-Requests-Left": "0",
        "X-Rate-Limit-Requests-Quota": "150",
        "X-Rate-Limit-Time-Reset-Ms": "4000",
    }
    busy = await answered(429, {"status": 429}, headers=window)
    assert isinstance(busy, NotSent)
    assert busy.after is not None
    assert busy.after.total_seconds() == 4
    for status in (409, 423, 425):
        assert isinstance(await answered(status, [{"status": status, "message": "locked"}]), NotSent)
    room = a_room("http://127.0.0.1:9")
    try:
        assert isinstance(await room.dispatches.put(room.dispatches.render(a_dispatch(Ref("1"), [PIECE]))), NotSent)
    finally:
        await room.aclose()


@pytest.mark.parametrize(
    ("status", "said"), [(401, {"status": 401}), (403, {"status": 403}), (404, b"<html>"), (405, []), (507, {})]
)
async def test_a_missing_scope_or_a_wrong_address_closes_the_door(status: int, said: object) -> None:
    with pytest.raises(OpenCircuit):
        await answered(status, said)


# -- looking at what is odd ----------------------------------------------------------------------------------------


def shipment(number: int, *pieces: tuple[int, int], **said: Any) -> Json:
    items = [{"order_product_id": item, "product_id": 0, "quantity": count} for item, count in pieces]
    at = "Mon, 11 Mar 2019 17:22:08 +0000"
    return {"id": number, "order_id": 218, "order_address_id": 51, "date_created": at, "items": items, **said}


async def seen(store: Store, room: BigCommerce, *lines: Json, **changes: Any) -> DispatchView:
    store.put(order(*lines, **changes))
    view = await room.dispatches.look(Ref("218"))
    assert view is not None
    return view


async def test_pieces_that_are_shipped_in_no_shipment_are_shown_too() -> None:
    """Somebody took the shipment away, or set the status by hand."""
    async with a_store() as (store, room):
        store.shipments[218] = [shipment(1, (65, 1), tracking_number="A")]
        view = await seen(store, room, line(65, quantity=4, quantity_shipped=3))
    assert (view.told(Ref("65")), [piece.pieces for piece in view.fulfillable]) == (3, [1])
    assert [shown.tracks for shown in view.fulfilments] == [("A",), ()]


async def test_an_order_that_is_behind_its_shipments_shows_them() -> None:
    async with a_store() as (store, room):
        store.shipments[218] = [shipment(1, (65, 1), (65, 1))]
        view = await seen(store, room, line(65, quantity=3, quantity_shipped=0))
    assert (view.told(Ref("65")), [piece.pieces for piece in view.fulfillable]) == (2, [1])


async def test_shipments_have_pages() -> None:
    async with a_store() as (store, room):
        store.shipments[218] = [shipment(1 + at, (65, 1)) for at in range(251)]
        view = await seen(store, room, line(65, quantity=300))
    assert (len(view.fulfilments), view.fulfillable[0].pieces) == (251, 49)


async def test_what_goes_nowhere_may_not_leave() -> None:
    certificate = line(66, type="giftcertificate", order_address_id=0)
    fetched = line(67, order_address_id=0, order_pickup_method_id=3)
    pickup = {"id": 9, "pickup_method_id": 3, "line_items": [fetched]}
    async with a_store() as (store, room):
        told = consignments(parcel(line(65)), pickups=[pickup], downloads=[{"line_items": [certificate]}])
        store.instead = lambda asked: (
            Reply(200, orjson.dumps(order(line(65), consignments=told, items_total=3)))
            if asked.path.endswith("/218")
            else None
        )
        view = await seen(store, room)
    assert [piece.line for piece in view.fulfillable] == ["65"]


async def test_payment_that_is_held_for_review_holds_the_goods() -> None:
    async with a_store() as (store, room):
        view = await seen(store, room, line(65), payment_status="held for review")
    assert (view.fulfillable, [hold.reason for hold in view.holds]) == ((), ["payment held for review"])


async def test_an_order_is_gone_only_where_the_store_is_there() -> None:
    async with a_store() as (store, room):
        store.instead = lambda asked: Reply(404, orjson.dumps(NOT_THERE))
        with pytest.raises(OpenCircuit):
            await room.dispatches.look(Ref("218"))


async def test_an_order_without_its_shipments_is_asked_for_again() -> None:
    async with a_store() as (store, room):
        store.put(order())
        store.instead = lambda asked: Reply(404, orjson.dumps(NOT_THERE)) if asked.path.endswith("/shipments") else None
        with pytest.raises(Retry):
            await room.dispatches.look(Ref("218"))


async def test_an_answer_that_is_no_shipment_breaks_the_contract() -> None:
    async with a_store() as (store, room):
        store.put(order())
        store.instead = lambda asked: Reply(200, b'[{"id": 1}]') if asked.path.endswith("/shipments") else None
        with pytest.raises(OpenCircuit):
            await room.dispatches.look(Ref("218"))


# -- the call ------------------------------------------------------------------------------------------------------


def asked_for(*tracks: str, **changes: Any) -> Json:
    room = a_room("http://127.0.0.1:9")
    pieces = [PIECE, PIECE.model_copy(update={"item": Ref("66"), "pieces": 2})]
    said = orjson.loads(room.dispatches.render(a_dispatch(Ref("218"), pieces, *tracks, **changes)))
    assert said["order"] == "218"
    check_request("POST", f"/stores/{HASH}/v2/orders/218/shipments", {}, said["shipment"])
    items = [{"order_product_id": 65, "quantity": 1}, {"order_product_id": 66, "quantity": 2}]
    assert (said["shipment"].pop("items"), said["shipment"].pop("order_address_id")) == (items, 51)
    return dict(said["shipment"])


LINKS = ("https://x.test/1", "https://x.test/2")


@pytest.mark.contract
@pytest.mark.parametrize(
    ("tracks", "changes", "said"),
    [
        (("A",), {}, {"tracking_number": "A", "shipping_provider": "ups"}),
        (("A",), {"company": "Royal Mail"}, {"tracking_number": "A", "shipping_provider": "royalmail"}),
        (("A",), {"company": "carrier_7"}, {"tracking_number": "A", "shipping_provider": "carrier_7"}),
        (
            ("A",),
            {"company": "dhl-germany"},
            {"tracking_number": "A", "shipping_provider": "", "tracking_carrier": "dhl-germany"},
        ),
        (
            ("A",),
            {"company": "Local Courier", "links": LINKS[:1]},
            {
                "tracking_number": "A",
                "tracking_link": LINKS[0],
                "shipping_provider": "",
                "shipping_method": "Local Courier",
            },
        ),
        (
            ("A", "B"),
            {"company": "gls", "links": LINKS},
            {
                "tracking_number": "A",
                "tracking_link": LINKS[0],
                "comments": f"More parcels:\nB ({LINKS[1]})",
                "shipping_provider": "",
                "shipping_method": "gls",
            },
        ),
        (("A",), {"links": (f"https://x.test/{'1' * 500}",)}, {"tracking_number": "A", "shipping_provider": "ups"}),
        ((), {"company": ""}, {"shipping_provider": ""}),
    ],
)
def test_the_call_says_who_carries_it_and_how_it_is_followed(
    tracks: tuple[str, ...], changes: dict[str, Any], said: Json
) -> None:
    assert asked_for(*tracks, **changes) == said


@pytest.mark.parametrize("links", [(), ("https://x.test/1", "https://x.test/2", "https://x.test/3")])
async def test_every_number_that_is_told_is_read_again(links: tuple[str, ...]) -> None:
    tracks = ("1Z 999", "1Z2", "1Z3")
    room = a_room("http://127.0.0.1:9")
    said = orjson.loads(room.dispatches.render(a_dispatch(Ref("218"), [PIECE], *tracks, links=links)))["shipment"]
    said["comments"] = said["comments"].replace("\n", "\r\n")
    async with a_store() as (store, other):
        store.shipments[218] = [shipment(1, (65, 1), **{name: said[name] for name in ("tracking_number", "comments")})]
        (shown,) = (await seen(store, other, line(65))).fulfilments
    assert shown.tracks == tracks


# -- doctor --------------------------------------------------------------------------------------------------------


async def test_doctor_says_what_telling_dispatches_needs(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        (found,) = [one for one in await world.room.doctor() if one.topic == "dispatches"]
    assert found.severity is Severity.INFO
    assert "store_v2_orders" in found.text
