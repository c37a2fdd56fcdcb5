"""The shop's numbers: which there are, what may be written, and what every way of failing means for each row."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.connectors.woocommerce import WooCommerce
from bcbridge.connectors.woocommerce.client import Reply as Answered
from bcbridge.connectors.woocommerce.counting import (
    BY_PARENT,
    IN_PARTS,
    NOT_MANAGED,
    SWITCHED_OFF,
    UNCOUNTED,
    UNKNOWN_TYPE,
    told,
)
from bcbridge.connectors.woocommerce.signing import Way
from bcbridge.errors import OpenCircuit, Retry
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
from bcbridge.sandbox import woocommerce as sandbox
from bcbridge.sandbox.shopping.stock import SEASON
from bcbridge.sandbox.woocommerce import season
from tests.connectors.woocommerce.answers import recorded
from tests.connectors.woocommerce.shops import (
    API,
    READ_ONLY,
    SECURE,
    Json,
    World,
    a_client,
    a_room,
    a_script,
    a_shop,
    another_room,
    error,
    passing,
    said,
)
from tests.connectors.woocommerce.shops import settings as plan
from tests.contract.kit import Asked, Reply
from tests.contract.outside import saying, serving

pytestmark = pytest.mark.contract

CELL, OTHER = [cell for cell in season.CELLS if cell.variation_id][:2]
assert CELL.product_id == OTHER.product_id
STRANGER = next(cell for cell in season.CELLS if cell.variation_id and cell.product_id != CELL.product_id)
SIMPLE = next(cell for cell in season.CELLS if not cell.variation_id)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path) as world:
        yield world


async def items(room: WooCommerce) -> dict[Ref, ShelfItem]:
    found = [item for page in [page async for page in room.stock.items()] for item in page.items]
    assert len({item.item for item in found}) == len(found), "each once"
    return {item.item: item for item in found}


def change(cell: season.Cell, number: int, group: int | None = None) -> StockChange:
    parent = cell.product_id if cell.variation_id else None
    of = parent if group is None else group
    return StockChange(Ref(""), Ref(str(cell.id)), Ref(str(of or "")), number, None)


def a_write(*changes: StockChange, kind: WriteKind = WriteKind.SET) -> StockWrite:
    return StockWrite("key", kind, tuple(changes))


async def number(shop: World, cell: season.Cell) -> Any:
    path = f"/products/{cell.product_id}" + (f"/variations/{cell.id}" if cell.variation_id else "")
    return (await shop.call("GET", path))["stock_quantity"]


async def by_hand(shop: World, product: int, **fields: Any) -> None:
    answer = await shop.http.patch(f"/_sandbox/products/{product}", json=fields)
    assert answer.is_success, answer.text


# -- what there is ----------------------------------------------------------------------------------------------


def test_the_rules_are_those_of_a_blind_shop() -> None:
    rules = a_room("http://shop.example.com", max_parallel=3, stock_late_minutes=2).stock.rules
    assert (rules.compares, rules.takes_off, rules.reserves) == (False, TakesOff.AT_ORDER, False)
    assert (rules.rows_per_call, rules.calls_at_once) == (100, 3)
    assert (rules.settles, rules.late) == (None, timedelta(minutes=2))


async def test_every_product_and_variation_is_an_item_once_and_no_parent_is(shop: World) -> None:
    await shop.call("PUT", f"/products/{SIMPLE.id}", {"stock_quantity": 7})
    found = await items(shop.room)
    assert set(found) == {Ref(str(cell.id)) for cell in season.CELLS}
    assert found[Ref(str(SIMPLE.id))] == ShelfItem(
        location=Ref(""),
        item=Ref(str(SIMPLE.id)),
        group=Ref(""),
        variant=Ref(str(SIMPLE.id)),
        sku=SIMPLE.sku.upc,
        barcode=SIMPLE.sku.upc,
        title=SIMPLE.name,
        shown=7,
    )
    one = found[Ref(str(CELL.id))]
    assert (one.group, one.shown, one.managed) == (Ref(str(CELL.product_id)), SEASON, True)
    assert one.title == f"{CELL.sku.style.name} - {CELL.options}"
    (place,) = await shop.room.stock.locations()
    assert (place.ref, place.sells) == (Ref(""), True)


async def test_an_items_variant_is_what_an_orders_line_calls_it(shop: World) -> None:
    found = await items(shop.room)
    for cell in (CELL, SIMPLE):
        ref = await shop.place(lines=[{"sku": cell.sku.upc, "quantity": 1}])
        (line,) = (await shop.read(ref)).lines
        assert line.variant == found[Ref(str(cell.id))].variant


async def test_what_is_bought_elsewhere_or_only_groups_others_is_no_item(shop: World) -> None:
    others = [cell.id for cell in season.CELLS if not cell.variation_id and cell is not SIMPLE]
    await by_hand(shop, others[0], type="external")
    await by_hand(shop, others[1], type="grouped")
    await by_hand(shop, others[2], type="bundle", manage_stock=False)
    await by_hand(shop, others[3], type="bundle")
    found = await items(shop.room)
    assert not {Ref(str(others[0])), Ref(str(others[1]))} & set(found)
    alone, counted = found[Ref(str(others[2]))], found[Ref(str(others[3]))]
    assert (alone.managed, alone.why, counted.managed) == (False, UNKNOWN_TYPE, True)


async def test_a_sku_with_a_comma_or_none_is_read_like_any(shop: World) -> None:
    await by_hand(shop, CELL.id, sku="BC-1001,BLK,S", global_unique_id="")
    await by_hand(shop, OTHER.id, sku="", global_unique_id=OTHER.sku.upc)
    found = await items(shop.room)
    comma, none = found[Ref(str(CELL.id))], found[Ref(str(OTHER.id))]
    assert (comma.sku, comma.barcode) == ("BC-1001,BLK,S", None)
    assert (none.sku, none.barcode) == ("", OTHER.sku.upc)


async def test_a_variation_that_shares_its_parents_number_is_left_alone_and_why(shop: World) -> None:
    await shop.call("PUT", f"/products/{CELL.product_id}", {"manage_stock": True, "stock_quantity": 20})
    await shop.call("PUT", f"/products/{CELL.product_id}/variations/{CELL.id}", {"manage_stock": False})
    one = (await items(shop.room))[Ref(str(CELL.id))]
    assert (one.managed, one.why, one.shown) == (False, BY_PARENT, None)


@pytest.mark.parametrize(("turn_on", "why"), [(True, ""), (False, NOT_MANAGED)])
async def test_what_is_not_counted_is_counted_from_our_first_write_on_where_that_is_allowed(
    turn_on: bool, why: str, tmp_path: Path
) -> None:
    async with a_shop(tmp_path, turn_on_stock_management=turn_on) as shop:
        path = f"/products/{CELL.product_id}/variations/{CELL.id}"
        await shop.call("PUT", path, {"manage_stock": False})
        one = (await items(shop.room))[Ref(str(CELL.id))]
        assert (one.managed, one.why, one.shown) == (turn_on, why, UNCOUNTED if turn_on else None)
        await shop.room.stock.write(a_write(change(CELL, 0)))
        assert await number(shop, CELL) == 0


async def test_a_shop_that_counts_nothing_has_no_number_that_may_be_written(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=plan(manage_stock=False)) as shop:
        found = await items(shop.room)
        assert {(one.managed, one.why, one.shown) for one in found.values()} == {(False, SWITCHED_OFF, None)}
        answer = await shop.room.stock.write(a_write(change(CELL, 4)))
        assert isinstance(answer, Written)
        assert [(one.result, one.shown) for one in answer.rows] == [(RowResult.UNMANAGED, None)]


async def test_what_a_plugin_counts_by_the_metre_is_left_alone_and_what_is_sold_out_shows_none() -> None:
    by_length = a_product(1) | {"stock_quantity": 2.5}
    nothing = a_product(2) | {"stock_quantity": None}
    async with a_script(said({"value": "yes"}), said([by_length, nothing])) as (_, room):
        found = [(one.managed, one.why, one.shown) for one in (await items(room)).values()]
    assert found == [(False, IN_PARTS, None), (True, "", 0)]


# -- a catalogue that moves -------------------------------------------------------------------------------------


class Catalogue:
    """Simple products by id; ``meddle`` is done after each page. ``cap``: the site shows no more of them at once."""

    def __init__(self, ids: Sequence[int], *, cap: int = 100) -> None:
        self.ids = list(ids)
        self.cap = cap
        self.gone: list[list[int]] = []

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.endswith("woocommerce_manage_stock"):
            return said({"value": "yes"})
        size, offset = min(int(asked.query["per_page"]), self.cap), int(asked.query["offset"])
        shown = [a_product(id_) for id_ in self.ids[offset : offset + size]]
        total = len(self.ids) if shown else 0
        for id_ in self.gone.pop(0) if self.gone else []:
            self.ids.remove(id_)
        return said(shown, X_WP_Total=str(total))


def a_product(id_: int) -> Json:
    counted = {"manage_stock": True, "stock_quantity": 1}
    return {"id": id_, "type": "simple", "name": "Cap", "sku": str(id_), "global_unique_id": "", **counted}


async def read_from(catalogue: Catalogue) -> set[int]:
    async with serving(saying(catalogue)) as server:
        room = a_room(server.url)
        try:
            return {int(ref) for ref in await items(room)}
        finally:
            await room.aclose()


@pytest.mark.parametrize(
    "gone",
    [
        [[1]],
        [[1, 2, 3], [150, 151], [4]],
        [list(range(1, 101))],
        [list(range(2, 150)), list(range(150, 240))],
        [[], [250]],
    ],
)
async def test_an_item_that_stands_is_read_whatever_is_deleted_before_it_meanwhile(gone: list[list[int]]) -> None:
    catalogue = Catalogue(range(1, 251))
    catalogue.gone = [list(ids) for ids in gone]
    assert await read_from(catalogue) >= set(range(1, 251)) - {id_ for ids in gone for id_ in ids}


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 199, 200])
async def test_a_list_is_read_to_its_end(count: int) -> None:
    assert await read_from(Catalogue(range(1, count + 1))) == set(range(1, count + 1))


async def test_a_site_that_caps_its_pages_is_read_all_the_same_down_to_two_rows() -> None:
    assert await read_from(Catalogue(range(1, 251), cap=20)) == set(range(1, 251))
    with pytest.raises(Retry, match="cap its pages"):
        await read_from(Catalogue(range(1, 5), cap=1))


# -- reading some -----------------------------------------------------------------------------------------------


async def test_some_rows_are_read_in_the_order_they_were_asked_for(shop: World) -> None:
    await shop.room.stock.write(a_write(change(CELL, 4)))
    unknown = StockChange(Ref(""), Ref("999999"), Ref(str(CELL.product_id)), 1, None)
    no_parent = StockChange(Ref(""), Ref("999998"), Ref("999999"), 1, None)
    asked = [change(SIMPLE, 1), unknown, change(CELL, 1), no_parent, change(STRANGER, 1), change(OTHER, 1)]
    found = await shop.room.stock.look(asked)
    assert [one and (one.item, one.shown) for one in found] == [
        (str(SIMPLE.id), SEASON),
        None,
        (str(CELL.id), 4),
        None,
        (str(STRANGER.id), SEASON),
        (str(OTHER.id), SEASON),
    ]


async def test_a_page_that_leaves_out_rows_that_were_asked_for_says_nothing_of_them() -> None:
    async with a_script(said({"value": "yes"}), said([], X_WP_Total="1")) as (_, room):
        with pytest.raises(Retry, match="0 of 1"):
            await room.stock.look([change(CELL, 1)])


# -- batches ----------------------------------------------------------------------------------------------------


def row(item: int, group: int | str) -> StockChange:
    return StockChange(Ref(""), Ref(str(item)), Ref(str(group)), item, None)


def test_a_batch_is_of_one_parent_and_comes_in_the_order_of_its_first_row() -> None:
    rows = [row(1, 20), row(2, ""), row(3, 10), row(4, 20), row(5, ""), row(6, 10)]
    stock = a_room("http://shop.example.com").stock
    assert [[int(one.item) for one in batch] for batch in stock.batches(rows)] == [[1, 4], [2, 5], [3, 6]]


def test_a_batch_is_no_longer_than_the_shop_takes() -> None:
    rows = [row(item, 7 if item % 2 else "") for item in range(1, 501)]
    for most in (100, 25):
        stock = a_room("http://shop.example.com", stock_rows_per_call=most).stock
        batches = stock.batches(rows)
        assert max(len(batch) for batch in batches) == most
        assert sorted(int(one.item) for batch in batches for one in batch) == list(range(1, 501))
        assert all(len({one.group for one in batch}) == 1 for batch in batches)
        firsts = [int(batch[0].item) for batch in batches]
        assert firsts == sorted(firsts)


# -- writing ----------------------------------------------------------------------------------------------------


async def test_numbers_are_set_and_the_answer_says_what_is_shown(shop: World) -> None:
    for changes in ([change(CELL, 4), change(OTHER, 0)], [change(SIMPLE, 9)]):
        answer = await shop.room.stock.write(a_write(*changes))
        assert answer == Written(tuple(RowAnswer(RowResult.TAKEN, one.number) for one in changes))
    assert [await number(shop, cell) for cell in (CELL, OTHER, SIMPLE)] == [4, 0, 9]
    one, other = [asked for asked in shop.watched.asked if asked.method == "POST"]
    assert (one.path, other.path) == (
        f"{API}/products/{CELL.product_id}/variations/batch",
        f"{API}/products/batch",
    )
    assert json.loads(one.body)["update"][0] == {"id": CELL.id, "manage_stock": True, "stock_quantity": 4}


async def test_a_write_sets_whatever_is_there(shop: World) -> None:
    """Blind: a piece sold a moment ago is given back. The house looks at the orders right before."""
    await shop.place(lines=[{"sku": CELL.sku.upc, "quantity": 1}])
    await shop.room.stock.write(a_write(change(CELL, 4)))
    assert await number(shop, CELL) == 4


@pytest.mark.parametrize("kind", [WriteKind.ADJUST, WriteKind.COMPARE])
async def test_what_this_shop_has_no_call_for_is_an_error_of_whoever_asks(kind: WriteKind, shop: World) -> None:
    with pytest.raises(ValueError, match=str(kind)):
        await shop.room.stock.write(a_write(change(CELL, 4), kind=kind))
    with pytest.raises(ValueError, match="one parent"):
        await shop.room.stock.write(a_write(change(CELL, 4), change(SIMPLE, 4)))
    assert [asked for asked in shop.watched.asked if asked.method != "GET"] == []


async def test_trap_8_what_is_not_there_is_gone_and_its_neighbours_are_taken(shop: World) -> None:
    unknown = StockChange(Ref(""), Ref("999999"), Ref(str(CELL.product_id)), 1, None)
    changes = [change(CELL, 4), unknown, change(STRANGER, 4, CELL.product_id), change(OTHER, 5)]
    answer = await shop.room.stock.write(a_write(*changes))
    assert isinstance(answer, Written)
    assert [one.result for one in answer.rows] == ["taken", "gone", "gone", "taken"]
    assert [await number(shop, cell) for cell in (CELL, STRANGER, OTHER)] == [4, SEASON, 5]


async def test_trap_8_a_variation_written_as_a_product_is_gone_from_there(shop: World) -> None:
    answer = await shop.room.stock.write(a_write(change(SIMPLE, 3), change(CELL, 3, 0)))
    assert isinstance(answer, Written)
    assert [(one.result, one.shown) for one in answer.rows] == [("taken", 3), ("gone", None)]


async def test_the_recorded_batch_is_read_row_by_row() -> None:
    body = recorded("stock", "variations_batch_partial_failure.json")
    rows = [row(id_, 11) for id_ in (12, 999999, 20, 15)]
    async with a_script(said(body)) as (_, room):
        answer = await room.stock.write(a_write(*rows))
    assert isinstance(answer, Written)
    assert [(one.result, one.shown) for one in answer.rows] == [
        ("taken", 43),
        ("gone", None),
        ("gone", None),
        ("taken", 0),
    ]


def answered(**fields: Any) -> Json:
    return {"id": 12, "manage_stock": True, "stock_quantity": 4, **fields}


REFUSED = {"code": "rest_invalid_param", "message": "Ada Lovelace", "data": {"status": 400}}
A_PLUGINS = {"code": "no stock for Ada Lovelace", "message": "Ada Lovelace", "data": {"status": 400}}


@pytest.mark.parametrize(
    ("item", "result", "shown", "reason"),
    [
        (answered(), "taken", 4, ""),
        (answered(stock_quantity=3), "taken", 3, ""),
        (answered(stock_quantity=3.5), "taken", None, ""),
        (answered(manage_stock=False, stock_quantity=None), "unmanaged", None, "dropped"),
        (answered(stock_quantity=None), "unmanaged", None, "dropped"),
        (answered(manage_stock="parent"), "unmanaged", None, "parent"),
        ({"id": 12, "error": REFUSED}, "refused", None, "rest_invalid_param"),
        ({"id": 12, "error": A_PLUGINS}, "refused", None, "does not take it"),
    ],
)
async def test_what_an_item_of_a_batch_says_of_itself(item: Json, result: str, shown: int | None, reason: str) -> None:
    async with a_script(said({"update": [item]})) as (_, room):
        answer = await room.stock.write(a_write(row(12, 11)))
    assert isinstance(answer, Written)
    (one,) = answer.rows
    assert (one.result, one.shown) == (result, shown)
    assert reason in one.reason
    assert "Ada" not in one.reason


@pytest.mark.parametrize(
    "reply",
    [
        said(b"<html>Just a moment...</html>"),
        said(b"<html>Forbidden</html>", 403),
        said(b"", 502),
        said(b"<html>Maintenance</html>", 503, Retry_After="30"),
        said(b"", 408),
        error("internal_server_error", 500),
        error("woocommerce_rest_cannot_edit", 500, data=500),
        said({"update": []}),
        said({"update": [answered(id=13)]}),
        said({"update": "all"}),
        said([]),
    ],
)
async def test_what_does_not_say_what_became_of_a_row_leaves_it_in_doubt(reply: Reply) -> None:
    async with a_script(reply) as (script, room):
        assert isinstance(await room.stock.write(a_write(row(12, 11))), Doubtful)
    assert len(script.asked) == 1, "never twice by itself"


async def test_a_429_has_done_nothing_and_says_how_long_to_wait() -> None:
    async with a_script(said(b"Too Many Requests", 429, Retry_After="7")) as (_, room):
        answer = await room.stock.write(a_write(row(12, 11)))
    assert answer == NotSent("answered 429", timedelta(seconds=7))


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (error("woocommerce_rest_request_entity_too_large", 413), "refused"),
        (error("rest_invalid_param", 400), "refused"),
        (error("woocommerce_rest_product_invalid_id", 404), "gone"),
    ],
)
async def test_a_batch_that_is_refused_as_a_whole_is_refused_row_by_row(reply: Reply, result: str) -> None:
    async with a_script(reply) as (_, room):
        answer = await room.stock.write(a_write(row(12, 11), row(13, 11)))
    assert isinstance(answer, Written)
    assert [one.result for one in answer.rows] == [result, result]


@pytest.mark.parametrize(
    "reply",
    [
        error("woocommerce_rest_authentication_error", 401, message="Consumer secret is invalid."),
        error("woocommerce_rest_cannot_edit", 403),
        error("rest_no_route", 404),
        said(b"", 301, Location="https://elsewhere.example/"),
    ],
)
async def test_a_shop_that_lets_nobody_in_opens_the_circuit(reply: Reply) -> None:
    async with a_script(reply) as (_, room):
        with pytest.raises(OpenCircuit):
            await room.stock.write(a_write(row(12, 11)))


async def test_keys_that_may_only_read_write_nothing(shop: World) -> None:
    async with another_room(shop, **READ_ONLY) as room:
        with pytest.raises(OpenCircuit, match="only read"):
            await room.stock.write(a_write(change(CELL, 4)))
    assert await number(shop, CELL) == SEASON


async def test_a_write_finds_its_way_in_where_a_host_strips_the_header(tmp_path: Path) -> None:
    async with (
        sandbox.serving(tmp_path, settings=plan(strips_authorization=True)) as server,
        httpx.AsyncClient() as http,
        serving(passing(server.url, http, SECURE)) as tls,
        a_client(tls.url, Way.BASIC, Way.QUERY) as client,
    ):
        answer = await client.write("/products/batch", {"update": [told(change(SIMPLE, 4))]})
        (shown, _) = await client.rows("/products", {"include": str(SIMPLE.id)})
    assert isinstance(answer, Answered)
    assert (shown[0]["stock_quantity"], client.way) == (4, Way.QUERY)


async def test_keys_that_are_not_seen_in_any_way_have_written_nothing() -> None:
    async with a_script(error("woocommerce_rest_cannot_edit")) as (_, room):
        with pytest.raises(OpenCircuit, match="keys are not known"):
            await room.stock.write(a_write(row(12, 11)))


# -- what goes wrong over there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "left"), [("stock_lost", SEASON), ("stock_answer_lost", 4)])
async def test_a_lost_answer_is_in_doubt_whether_it_was_done_or_not(fault: str, left: int, shop: World) -> None:
    await shop.fault(once={fault: 1})
    assert isinstance(await shop.room.stock.write(a_write(change(CELL, 4))), Doubtful)
    assert await number(shop, CELL) == left


async def test_a_batch_that_broke_off_in_its_middle_is_in_doubt(shop: World) -> None:
    await shop.fault(once={"batch_500": 1})
    assert isinstance(await shop.room.stock.write(a_write(change(CELL, 4), change(OTHER, 4))), Doubtful)
    assert [await number(shop, cell) for cell in (CELL, OTHER)] == [4, SEASON]


async def test_a_write_that_was_given_up_and_lands_late_is_in_doubt(shop: World) -> None:
    await shop.fault(once={"stock_late": 1}, values={"stock_late_ms": 60_000})
    assert isinstance(await shop.room.stock.write(a_write(change(CELL, 4))), Doubtful)
    assert await number(shop, CELL) == SEASON


async def test_a_plugin_that_counts_anew_is_found_by_looking(shop: World) -> None:
    await shop.fault(once={"plugin_counts": 1})
    answer = await shop.room.stock.write(a_write(change(CELL, 4)))
    assert answer == Written((RowAnswer(RowResult.TAKEN, 4),))
    (seen,) = await shop.room.stock.look([change(CELL, 4)])
    assert seen is not None
    assert seen.shown == 3


# -- what orders have taken -------------------------------------------------------------------------------------


async def test_a_line_says_what_the_shop_has_taken_off_its_own_number(shop: World) -> None:
    async def both(ref: Ref) -> tuple[int | None, int]:
        (line,) = (await shop.read(ref)).lines
        return line.taken, SEASON - int(await number(shop, CELL))

    ref = await shop.place(lines=[{"sku": CELL.sku.upc, "quantity": 3, "price": "28.00"}], payment="pending")
    assert await both(ref) == (0, 0)
    for what, details, pieces in (
        ("pay", {}, 3),
        ("refund", {"lines": {"0": 1}, "restock": False}, 3),
        ("refund", {"lines": {"0": 1}, "restock": True}, 2),
        ("complete", {}, 2),
        ("cancel", {}, 0),
    ):
        await shop.happens(ref, what, **details)
        assert await both(ref) == (pieces, pieces), what
