"""The store's numbers as the room reads and sets them, against the simulated store; every request is held against
BigCommerce's OpenAPI."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.connectors.bigcommerce.adjusting import MOST_CALLS, rows_of
from bcbridge.connectors.bigcommerce.items import Number
from bcbridge.connectors.bigcommerce.safety import Safety
from bcbridge.errors import OpenCircuit
from bcbridge.model.answers import Doubtful, NotSent
from bcbridge.model.ids import Ref
from bcbridge.model.stock import (
    RowAnswer,
    RowResult,
    ShelfItem,
    StockChange,
    StockWrite,
    TakesOff,
    WriteKind,
    Written,
)
from bcbridge.sandbox import bigcommerce as sandbox
from bcbridge.sandbox.bigcommerce import world as season
from tests.connectors.bigcommerce.answers import HASH
from tests.connectors.bigcommerce.stores import SECRETS, a_room
from tests.contract.kit import Asked, Reply
from tests.contract.outside import Server, serving
from tests.openapi import check_request

Json = dict[str, Any]
EAST, WEST = Ref("1"), Ref("2")
CELLS = season.CELLS
TANK = CELLS[0]
VARIANT = Ref(str(TANK.variant_id))
WHOLE = Ref(f"product/{TANK.product_id}")
ABSOLUTE = "v3/inventory/adjustments/absolute"
SETTINGS = "v3/settings/inventory"
AT_SHIPMENT = {"update_stock_behavior": "order_completed_or_shipped"}


@dataclass
class World:
    """A store, a room at it, and all that the room asked of it."""

    room: BigCommerce
    http: httpx.AsyncClient
    watched: Server

    async def door(self, method: str, path: str, body: object = None) -> Json:
        answer = await self.http.request(method, f"/_sandbox/{path}", json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def faults(self, **ordered: Any) -> None:
        await self.door("POST", "faults", ordered)

    async def settle(self) -> None:
        await self.door("POST", "clock", {"advance_seconds": 60})

    async def api(self, method: str, path: str, body: object = None) -> None:
        (await self.http.request(method, f"/stores/{HASH}/{path}", json=body)).raise_for_status()

    async def everything(self) -> dict[tuple[Ref, Ref], ShelfItem]:
        return {(one.location, one.item): one async for page in self.room.stock.items() for one in page.items}

    async def set(self, *changes: StockChange) -> Written:
        written = await self.write(*changes)
        assert isinstance(written, Written), written
        return written

    async def write(self, *changes: StockChange) -> Written | Doubtful | NotSent:
        return await self.room.stock.write(StockWrite("key-1", WriteKind.SET, changes, run="7"))

    async def shown(self, item: Ref = VARIANT, location: Ref = EAST) -> int | None:
        (seen,) = await self.room.stock.look([change(0, item, location)])
        return None if seen is None else seen.shown

    @property
    def calls(self) -> Counter[str]:
        return Counter("/".join(asked.path.split("/")[3:]) for asked in self.watched.asked)


def change(number: int, item: Ref = VARIANT, location: Ref = EAST) -> StockChange:
    return StockChange(location, item, Ref(""), number, None)


def variants(count: int) -> list[Ref]:
    return [Ref(str(cell.variant_id)) for cell in CELLS[:count]]


@asynccontextmanager
async def a_world(folder: Path, *, told: Json | None = None, **settings: Any) -> AsyncIterator[World]:
    """``settings`` of the sandbox, ``told`` those of the room."""
    known = {"store_hash": HASH, "access_token": SECRETS["env:TOKEN"], "quota": 1e6, **settings}
    token = {"X-Auth-Token": SECRETS["env:TOKEN"], "Accept": "application/json"}
    async with (
        sandbox.serving(folder, settings=sandbox.BigCommerceSettings(**known)) as server,
        httpx.AsyncClient(base_url=server.url, headers=token, timeout=20) as http,
        serving(passing(http)) as watched,
    ):
        room = a_room(watched.url, **(told or {}))
        try:
            yield World(room, http, watched)
        finally:
            await room.aclose()
    for asked in watched.asked:
        check_request(asked.method, asked.path, asked.query, json.loads(asked.body) if asked.body else None)


def passing(store: httpx.AsyncClient) -> Any:
    """Hands on what is asked, and what is answered; a line that breaks, breaks here too."""

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        headers = {name: value for name, value in asked.headers.items() if name not in ("host", "content-length")}
        try:
            answer = await store.request(asked.method, request.raw_path, content=asked.body, headers=headers)
        except httpx.HTTPError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        kept = {name: value for name, value in answer.headers.items() if name.startswith("x-rate-limit")}
        return web.Response(status=answer.status_code, body=answer.content, headers=kept)

    return handler


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


# -- what there is ----------------------------------------------------------------------------------------------


async def test_every_variant_stands_at_every_location_with_what_is_shown_there(store: World) -> None:
    found = await store.everything()
    tank = found[EAST, VARIANT]
    assert (tank.shown, tank.managed, tank.variant) == (10_000, True, VARIANT)
    assert (tank.sku, tank.barcode, tank.title) == (TANK.sku.upc, TANK.sku.upc, "Ribbed Tank / Black / XS")
    assert found[WEST, VARIANT].shown == 0
    assert {variant for _, variant in found} >= {Ref(str(cell.variant_id)) for cell in CELLS}


async def test_23_the_default_location_alone_sells_unless_stock_is_aggregated(tmp_path: Path) -> None:
    for aggregated in (False, True):
        async with a_world(tmp_path / str(aggregated), told={"aggregated_stock": aggregated}) as store:
            there = await store.room.stock.locations()
            assert [(one.ref, one.sells) for one in there] == [(EAST, True), (WEST, aggregated)]


async def test_a_location_that_is_off_is_none(store: World) -> None:
    await store.door("PATCH", "locations/2", {"enabled": False})
    assert [one.ref for one in await store.room.stock.locations()] == [EAST]
    assert {location for location, _ in await store.everything()} == {EAST}


@pytest.mark.parametrize("listed", [0, 1])
async def test_what_is_not_tracked_is_left_alone_and_says_why(store: World, listed: int) -> None:
    """Whether the inventory lists it or not."""
    await store.faults(rates={"untracked_listed": listed})
    book = (await store.everything())[EAST, Ref(str(season.BOOK_VARIANT))]
    assert (book.managed, book.shown, "inventory tracking" in book.why) == (False, None, True)


async def test_a_product_of_many_variants_counted_as_one_is_left_alone(store: World) -> None:
    await store.door("PATCH", f"products/{TANK.product_id}", {"inventory_tracking": "product"})
    found = await store.everything()
    assert (found[EAST, VARIANT].managed, "as one" in found[EAST, VARIANT].why) == (False, True)


async def test_a_product_without_options_is_written_by_its_own_id(store: World) -> None:
    product, variant = season.MISLABELLED_PRODUCT, Ref(str(season.MISLABELLED_VARIANT))
    await store.door("PATCH", f"products/{product}", {"inventory_tracking": "product"})
    item = Ref(f"product/{product}")
    found = (await store.everything())[EAST, item]
    assert (found.managed, found.shown, found.variant) == (True, 0, variant)
    await store.set(change(4, item))
    await store.settle()
    assert await store.shown(item) == 4
    assert (await store.everything())[EAST, item].shown == 4


async def test_a_read_of_many_loses_none_at_the_edges_of_pages(tmp_path: Path) -> None:
    async with a_world(tmp_path, more_skus=2_610) as store:
        found = await store.everything()
        assert len([one for location, one in found if location == EAST]) == 2_610 + len(CELLS) + 3
        assert all(item.shown is not None for (_, _), item in found.items() if item.managed)


# -- setting numbers --------------------------------------------------------------------------------------------


async def test_a_write_is_answered_before_it_is_in_force_and_seen_by_looking(store: World) -> None:
    written = await store.set(change(7), change(0, variants(2)[1]))
    assert written.rows == (RowAnswer(RowResult.TAKEN), RowAnswer(RowResult.TAKEN))
    assert await store.shown() == 10_000
    await store.settle()
    assert (await store.shown(), await store.shown(variants(2)[1])) == (7, 0)
    (made, _) = (await store.door("GET", "books/adjustments"))["adjustments"]
    assert made["reason"] == "bcbridge 7"


async def test_what_is_written_is_on_hand_so_that_the_number_is_what_is_sold(store: World) -> None:
    """Three pieces of safety stock: eight on hand are five to be sold. Remembered, and learnt anew when it changes."""
    await safety(store, 3)
    await store.set(change(5))
    await store.settle()
    assert await store.shown() == 5
    before = store.calls["v3/inventory/locations/1/items"]
    await store.set(change(4))
    assert store.calls["v3/inventory/locations/1/items"] == before
    await store.settle()
    await safety(store, 1)
    assert await store.shown() == 6
    await store.set(change(4))
    await store.settle()
    assert await store.shown() == 4


async def safety(store: World, pieces: int) -> None:
    body = {"settings": [{"identity": {"variant_id": int(VARIANT)}, "safety_stock": pieces}]}
    await store.api("PUT", "v3/inventory/locations/1/items", body)


def test_the_longest_unseen_safety_stock_is_forgotten_and_not_taken_for_none() -> None:
    kept = Safety(most=2)
    for number in (1, 2, 3):
        kept.learn({(EAST, Ref(str(number))): Number(5, number, "", number, 1)})
    assert [kept.of(EAST, Ref(str(number))) for number in (1, 2, 3)] == [None, 2, 3]


async def test_an_item_that_is_gone_is_answered_and_the_others_are_written(store: World) -> None:
    await store.door("PATCH", f"variants/{VARIANT}", {"deleted": True})
    other = variants(2)[1]
    written = await store.set(change(1), change(2, other))
    assert [row.result for row in written.rows] == [RowResult.GONE, RowResult.TAKEN]
    assert store.calls[ABSOLUTE] == 1
    await store.settle()
    assert await store.shown(other) == 2


@pytest.mark.parametrize("partly", [0, 1])
async def test_what_went_away_since_it_was_seen_is_found_out_and_the_others_go_on(store: World, partly: int) -> None:
    """Gone, no longer tracked, tracked as a whole: one call is refused, the next one is without them."""
    await store.everything()
    await store.faults(rates={"adjustment_partly": partly})
    by_style = {cell.product_id: cell for cell in CELLS}
    gone, untracked, together, *fine = list(by_style.values())[:6]
    await store.door("PATCH", f"variants/{gone.variant_id}", {"deleted": True})
    await store.door("PATCH", f"products/{untracked.product_id}", {"inventory_tracking": "none"})
    await store.door("PATCH", f"products/{together.product_id}", {"inventory_tracking": "product"})
    rows = [change(9, Ref(str(cell.variant_id))) for cell in (gone, untracked, together, *fine)]
    written = await store.set(*rows)
    odd = written.rows[:3]
    assert odd[0].result is RowResult.GONE
    assert {one.result for one in odd[1:]} <= {RowResult.GONE, RowResult.UNMANAGED}
    assert all(one.reason for one in odd)
    assert [one.result for one in written.rows[3:]] == [RowResult.TAKEN] * 3
    assert store.calls[ABSOLUTE] == 2
    await store.settle()
    assert [await store.shown(row.item) for row in rows[3:]] == [9, 9, 9]


def refusing(*variants: Ref) -> Any:
    """A store that refuses these, and nobody knows why."""

    def answer(asked: Asked) -> Reply | None:
        if not asked.path.endswith(ABSOLUTE):
            return None
        named = {item["variant_id"] for item in json.loads(asked.body)["items"]}
        return Reply(422, b'{"status": 422, "title": "no"}') if named & {int(one) for one in variants} else None

    return answer


@asynccontextmanager
async def a_refusing_world(folder: Path, *refused: Ref) -> AsyncIterator[World]:
    async with a_world(folder) as store:
        refuse = refusing(*refused)
        hand_on = store.watched.handler

        async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
            reply = refuse(asked)
            return await hand_on(request, asked) if reply is None else reply.response()

        store.watched.handler = handler
        yield store


async def test_a_row_that_is_refused_for_no_reason_is_found_by_halves(tmp_path: Path) -> None:
    rows = variants(100)
    async with a_refusing_world(tmp_path, rows[3], rows[77]) as store:
        written = await store.set(*(change(1, item) for item in rows))
        refused = [at for at, row in enumerate(written.rows) if row.result is RowResult.REFUSED]
        assert refused == [3, 77]
        assert {row.result for row in written.rows} == {RowResult.TAKEN, RowResult.REFUSED}
        await store.settle()
        assert await store.shown(rows[4]) == 1


async def test_of_a_call_that_is_refused_whatever_is_in_it_no_row_is_tried_for_ever(tmp_path: Path) -> None:
    rows = variants(200)
    async with a_refusing_world(tmp_path, *rows) as store:
        written = await store.set(*(change(1, item) for item in rows))
        assert {row.result for row in written.rows} == {RowResult.REFUSED}
        assert store.calls[ABSOLUTE] <= MOST_CALLS


async def test_where_too_many_are_refused_the_rest_goes_again_another_time(tmp_path: Path) -> None:
    rows = variants(200)
    async with a_refusing_world(tmp_path, *rows[::2]) as store:
        written = await store.set(*(change(1, item) for item in rows))
        assert {row.result for row in written.rows} == set(RowResult) & {
            RowResult.TAKEN,
            RowResult.REFUSED,
            RowResult.UNTRIED,
        }
        assert store.calls[ABSOLUTE] <= MOST_CALLS


async def test_of_a_lost_answer_nobody_knows_whether_it_is_in_force(store: World) -> None:
    await store.everything()
    await store.faults(once={"answer_lost": 1})
    assert isinstance(await store.write(change(3)), Doubtful)
    await store.settle()
    assert await store.shown() == 3


async def test_a_lost_answer_after_a_refusal_makes_the_whole_write_doubtful(store: World) -> None:
    await store.everything()
    await store.door("PATCH", f"variants/{VARIANT}", {"deleted": True})
    fallen: list[str] = []
    hand_on = store.watched.handler

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        if asked.path.endswith(ABSOLUTE):
            fallen.append(asked.path)
            if len(fallen) == 2:
                await store.faults(once={"answer_lost": 1})
        return await hand_on(request, asked)

    store.watched.handler = handler
    assert isinstance(await store.write(change(1), change(2, variants(2)[1])), Doubtful)


async def test_a_connection_at_fault_after_a_refusal_makes_the_whole_write_doubtful(store: World) -> None:
    """Some rows may be in force by then: only where nothing was changed may a call end in OpenCircuit."""
    await store.everything()
    await store.door("PATCH", f"variants/{VARIANT}", {"deleted": True})
    calls: list[str] = []
    hand_on = store.watched.handler

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        calls.append(asked.path)
        if calls.count(asked.path) == 2 and asked.path.endswith(ABSOLUTE):
            return web.json_response({"status": 507}, status=507)
        return await hand_on(request, asked)

    store.watched.handler = handler
    assert isinstance(await store.write(change(1), change(2, variants(2)[1])), Doubtful)


@pytest.mark.parametrize("fault", ["http_429_bare", "quota_eaten"])
async def test_what_the_quota_refuses_was_not_sent(tmp_path: Path, fault: str) -> None:
    async with a_world(tmp_path, quota=150, window_seconds=30) as store:
        await store.everything()
        await store.faults(once={fault: 1})
        ended = await store.write(change(3))
        assert isinstance(ended, NotSent)
        assert ended.after is not None
        assert ended.after > timedelta()
        assert (await store.door("GET", "books/adjustments"))["adjustments"] == []


async def test_a_plan_at_its_limit_pauses_the_connection(store: World) -> None:
    await store.everything()
    await store.faults(once={"http_507": 1})
    with pytest.raises(OpenCircuit, match="plan"):
        await store.write(change(3))


async def test_an_old_read_is_no_answer_of_the_write(store: World) -> None:
    """Looked at too early it shows what was; looked at again it shows the number."""
    await store.set(change(3))
    await store.settle()
    await store.faults(once={"stale_stock": 1}, values={"stale_stock_seconds": 300})
    assert [await store.shown(), await store.shown()] == [10_000, 3]


async def test_two_thousand_rows_are_one_call_and_looked_at_in_five(tmp_path: Path) -> None:
    async with a_world(tmp_path, more_skus=2_000) as store:
        rows = [change(5, Ref(str(season.MORE_VARIANT + at))) for at in range(2_000)]
        assert [len(batch) for batch in store.room.stock.batches(rows)] == [2_000]
        await store.set(*rows)
        assert (store.calls[ABSOLUTE], store.calls["v3/inventory/locations/1/items"]) == (1, 5)
        await store.settle()
        seen = await store.room.stock.look(rows)
        assert {one.shown for one in seen if one is not None} == {5}
        assert [one.item for one in seen if one is not None] == [row.item for row in rows]


def test_batches_are_of_one_location_and_keep_their_order() -> None:
    rows = [change(at, Ref(str(at)), (EAST, WEST)[at % 2]) for at in range(4_200)]
    batches = rows_of(rows)
    assert [len(batch) for batch in batches] == [2_000, 2_000, 100, 100]
    assert all(len({row.location for row in batch}) == 1 for batch in batches)
    assert [row.number for row in batches[0][:3]] == [0, 2, 4]


async def test_a_compare_or_two_locations_in_one_call_are_mistakes_of_the_house(store: World) -> None:
    for write in (
        StockWrite("k", WriteKind.COMPARE, (change(1),)),
        StockWrite("k", WriteKind.SET, (change(1), change(1, VARIANT, WEST))),
    ):
        with pytest.raises(ValueError, match="one location"):
            await store.room.stock.write(write)


# -- when orders take -------------------------------------------------------------------------------------------


async def test_numbers_fall_at_shipment_if_they_do_so_for_any_channel_of_ours(tmp_path: Path) -> None:
    async with a_world(tmp_path, told={"channel_ids": [1, 2]}) as store:
        assert (await store.room.stock.ready()).takes_off is TakesOff.AT_ORDER
        await store.api("PUT", f"{SETTINGS}?channel_id=3", AT_SHIPMENT)
        assert (await store.room.stock.ready()).takes_off is TakesOff.AT_ORDER
        await store.api("PUT", f"{SETTINGS}?channel_id=2", AT_SHIPMENT)
        rules = await store.room.stock.ready()
        assert (rules.takes_off, rules.compares, rules.rows_per_call, rules.calls_at_once) == (
            TakesOff.AT_SHIPMENT,
            False,
            2_000,
            1,
        )
        assert rules.settles == timedelta(seconds=60)
        await store.api("PUT", f"{SETTINGS}?channel_id=2", {"update_stock_behavior": None})
        assert (await store.room.stock.ready()).takes_off is TakesOff.AT_ORDER


@pytest.mark.parametrize("gives_back", [False, True])
@pytest.mark.parametrize("behaviour", ["order_placed", "order_completed_or_shipped"])
async def test_what_a_line_says_it_took_is_what_the_number_fell_by(
    tmp_path: Path, behaviour: str, gives_back: bool
) -> None:
    """Through a whole life, step by step: placed, shipped in part, shipped, given back in part, given back."""
    settings = {"update_stock_behavior": behaviour, "refund_order_stock_adjustment": gives_back}
    async with a_world(tmp_path, told={"import_status_ids": [7, 11]}, **settings) as store:
        lives: tuple[list[tuple[str, Json]], ...] = (
            [("ship", {"lines": {"0": 1}}), ("ship", {}), ("refund", {"lines": {"0": 1}}), ("refund_all", {})],
            [("cancel", {})],
            [("decline", {})],
            [("refund", {"lines": {"0": 1}}), ("ship", {})],
            [("hold", {}), ("release", {}), ("dispute", {})],
        )
        for life in lives:
            await fits(store, life)


async def fits(store: World, life: list[tuple[str, Json]]) -> None:
    before = await store.shown()
    assert before is not None
    lines = [{"sku": TANK.sku.upc, "quantity": 3, "price": "28.00"}]
    order = Ref(str((await store.door("POST", "orders", {"lines": lines}))["id"]))
    assert await taken(store, order) == before - (await store.shown() or 0)
    for what, details in life:
        await store.door("POST", f"orders/{order}/{what}", details)
        assert await taken(store, order) == before - (await store.shown() or 0), (what, life)


async def taken(store: World, order: Ref) -> int:
    (document,) = await store.room.orders.fetch([order])
    (line,) = store.room.orders.read(document).lines
    assert line.taken is not None
    return line.taken


async def test_an_account_that_may_not_see_the_settings_reads_orders_all_the_same(store: World) -> None:
    hand_on = store.watched.handler

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        if asked.path.endswith(SETTINGS):
            return Reply(403, b'{"status": 403, "title": "no scope"}').response()
        return await hand_on(request, asked)

    store.watched.handler = handler
    order = Ref(str((await store.door("POST", "orders", {"lines": [{"sku": TANK.sku.upc}]}))["id"]))
    (document,) = await store.room.orders.fetch([order])
    assert store.room.orders.read(document).lines[0].taken is None
    assert (await store.room.stock.ready()).takes_off is TakesOff.AT_ORDER


async def test_the_settings_are_asked_for_once_an_hour_however_many_orders_come(store: World) -> None:
    lines = [{"sku": TANK.sku.upc, "quantity": 1, "price": "28.00"}]
    refs = [Ref(str((await store.door("POST", "orders", {"lines": lines}))["id"])) for _ in range(5)]
    for _ in range(3):
        await store.room.orders.fetch(refs)
    assert store.calls[SETTINGS] == 2  # the store's, and the channel's
