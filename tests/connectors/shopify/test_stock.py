"""The shop's numbers as the house reads and writes them: on the sandbox's shop, and under every answer there is."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Doubtful, NotSent, Severity
from bcbridge.connectors.shopify import Shopify
from bcbridge.connectors.shopify.stock import BUNDLE, CIRCULAR, NOT_STOCKED, OTHER_CONTENT, UNTRACKED
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import Ref
from bcbridge.model.stock import RowResult, ShelfItem, StockChange, StockWrite, WriteKind, Written
from bcbridge.sandbox.shopify.world import CELLS, locations
from tests.connectors.shopify.shops import World, a_room, a_script, a_shop

NJ, CA = (Ref(one["id"]) for one in locations())
ITEMS = [Ref(cell.inventory_item_id) for cell in CELLS]
DONE: dict[str, Any] = {"data": {"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": []}}}
TAKEN, STALE, UNTRIED, GONE = RowResult.TAKEN, RowResult.STALE, RowResult.UNTRIED, RowResult.GONE


def change(number: int, was: int | None = None, *, item: Ref = ITEMS[0], at: Ref = NJ) -> StockChange:
    return StockChange(at, item, Ref(""), number, was)


def a_write(kind: WriteKind, *changes: StockChange, key: str = "", run: str = "7") -> StockWrite:
    return StockWrite(key or str(uuid.uuid4()), kind, changes, run)


def a_set(*changes: StockChange, **more: Any) -> StockWrite:
    return a_write(WriteKind.SET, *changes, **more)


async def written(room: Shopify, write: StockWrite) -> list[RowResult]:
    answer = await room.stock.write(write)
    assert isinstance(answer, Written), answer
    return [row.result for row in answer.rows]


async def shown(world: World, item: Ref = ITEMS[0], at: Ref = NJ) -> int | None:
    (found,) = await world.room.stock.look([change(0, item=item, at=at)])
    return found.shown if found else None


async def everything(room: Shopify) -> list[ShelfItem]:
    return [one async for page in room.stock.items() for one in page.items]


async def by_hand(world: World, path: str, **fields: Any) -> None:
    assert (await world.http.patch(f"/_sandbox/{path}", json=fields)).is_success


def number(gid: str) -> str:
    return gid.rpartition("/")[2]


# --- reading


async def test_every_item_is_listed_at_every_location_with_what_an_order_names(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        found = await everything(world.room)
        assert len(found) == 2 * len(CELLS)
        cell = CELLS[0]
        assert found[0] == ShelfItem(
            location=NJ,
            item=Ref(cell.inventory_item_id),
            group=Ref(""),
            variant=Ref(cell.variant_id),
            sku=cell.sku.upc,
            barcode=cell.sku.upc,
            title=f"{cell.sku.style.name} - {cell.title}",
            shown=10_000,
        )
        assert [(one.ref, one.name, one.sells) for one in await world.room.stock.locations()] == [
            (CA, "California DC", True),
            (NJ, "New Jersey DC", True),
        ]


async def test_what_may_not_be_written_is_listed_and_says_why(tmp_path: Path) -> None:
    async with a_shop(tmp_path, supercycle=True, supercycle_product_ids=["8400000000001"]) as world:
        untracked, bundle, marked = CELLS[0], CELLS[1], CELLS[40]
        await by_hand(world, f"inventory_items/{number(untracked.inventory_item_id)}", tracked=False)
        await by_hand(world, f"variants/{number(bundle.variant_id)}", requiresComponents=True)
        metafields = {"supercycle.supercycle_enabled": "true"}
        await by_hand(world, f"products/{number(marked.product_id)}", metafields=metafields)
        why = {one.item: one.why for one in await everything(world.room)}
        assert why[Ref(untracked.inventory_item_id)] == UNTRACKED
        assert why[Ref(bundle.inventory_item_id)] == BUNDLE
        assert {why[Ref(cell.inventory_item_id)] for cell in CELLS if cell.product_id == marked.product_id} == {
            CIRCULAR
        }
        named = [cell for cell in CELLS if cell.product_id.endswith("0001")]
        assert {why[Ref(cell.inventory_item_id)] for cell in named} == {CIRCULAR}
        looked = await world.room.stock.look([change(0), change(0, item=Ref(bundle.inventory_item_id))])
        assert [(one.managed, one.why) for one in looked if one] == [(False, UNTRACKED), (False, BUNDLE)]


async def test_more_locations_than_a_page_has_room_for_are_read_on() -> None:
    def level(at: int) -> dict[str, Any]:
        return {"location": {"id": f"gid://shopify/Location/{at}"}, "quantities": [{"quantity": at}]}

    def levels(*ats: int, more: bool = False) -> dict[str, Any]:
        info = {"hasNextPage": more, "endCursor": "c" if more else None}
        return {"inventoryLevels": {"nodes": [level(at) for at in ats], "pageInfo": info}}

    product = {"id": "gid://shopify/Product/1"}
    variant = {"id": "v", "barcode": None, "displayName": "Tee", "requiresComponents": False, "product": product}
    item = {"id": "i", "sku": " 1 ", "tracked": True, "variant": variant, **levels(1, more=True)}
    page = {"hasNextPage": False, "endCursor": None}
    answers = [
        {"data": {"locations": {"nodes": [], "pageInfo": page}}},
        {"data": {"inventoryItems": {"nodes": [item], "pageInfo": page}}},
        {"data": {"inventoryItem": levels(2, 3)}},
    ]
    async with a_script(*answers) as (_, room):
        found = await everything(room)
    assert [(one.location.rpartition("/")[2], one.shown, one.sku) for one in found] == [
        ("1", 1, "1"),
        ("2", 2, "1"),
        ("3", 3, "1"),
    ]


async def test_a_look_keeps_the_order_and_knows_what_is_not_there(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await written(world.room, a_set(change(3), change(4, at=CA), change(5, item=ITEMS[1])))
        gone = change(0, item=Ref("gid://shopify/InventoryItem/1"))
        asked = [change(0, at=CA), gone, change(0, item=ITEMS[1]), change(0)]
        assert [one.shown if one else None for one in await world.room.stock.look(asked)] == [4, None, 5, 3]


# --- writing


async def test_a_difference_goes_off_whatever_is_there(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await written(world.room, a_set(change(10)))
        await world.place(lines=[{"sku": CELLS[0].sku.upc, "quantity": 2}])
        assert await written(world.room, a_write(WriteKind.ADJUST, change(4, 10))) == [TAKEN]
        assert await shown(world) == 2


async def test_a_compare_holds_only_from_what_is_there_and_one_stale_row_is_named(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await written(world.room, a_set(change(5), change(5, item=ITEMS[1]), change(5, item=ITEMS[2])))
        rows = [change(8, 5), change(8, 4, item=ITEMS[1]), change(8, 5, item=ITEMS[2])]
        assert await written(world.room, a_write(WriteKind.COMPARE, *rows)) == [UNTRIED, STALE, UNTRIED]
        assert [await shown(world, item) for item in ITEMS[:3]] == [5, 5, 5]
        again = a_write(WriteKind.COMPARE, rows[0], rows[2])
        assert await written(world.room, again) == [TAKEN, TAKEN]
        assert [await shown(world, item) for item in ITEMS[:3]] == [8, 5, 8]


async def test_what_is_unknown_made_of_others_or_below_nothing_is_told_by_row(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await by_hand(world, f"variants/{number(CELLS[1].variant_id)}", requiresComponents=True)
        rows = [
            change(1, item=Ref("gid://shopify/InventoryItem/1")),
            change(1, item=ITEMS[1]),
            change(-1, item=ITEMS[2]),
            change(1, item=ITEMS[3]),
        ]
        expected = [GONE, RowResult.UNMANAGED, RowResult.REFUSED, UNTRIED]
        answer = await world.room.stock.write(a_set(*rows))
        assert isinstance(answer, Written)
        assert [row.result for row in answer.rows] == expected
        assert "INVALID_QUANTITY_NEGATIVE" in answer.rows[2].reason


async def test_the_call_says_what_the_merchant_will_read(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await written(world.room, a_set(change(3), run="2026-11-20/17"))
        (move,) = (await world.http.get("/_sandbox/books/stock_moves")).json()["stock_moves"]
        assert move["why"] == "gid://bcbridge/StockRun/2026-11-20/17"


async def test_null_is_written_where_nothing_is_compared() -> None:
    async with a_script(DONE) as (script, room):
        await written(room, a_set(change(3, 9), key="k"))
    (row,) = script.asked[0]["variables"]["input"]["quantities"]
    assert row == {"inventoryItemId": ITEMS[0], "locationId": NJ, "quantity": 3, "changeFromQuantity": None}
    assert script.asked[0]["variables"]["key"] == "k"


async def test_a_write_tried_again_under_its_key_counts_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await written(world.room, a_set(change(10)))
        write = a_write(WriteKind.ADJUST, change(6, 10), key="once")
        await world.fault(once={"stock_answer_lost": 1})
        assert isinstance(await world.room.stock.write(write), Doubtful)
        assert await shown(world) == 6
        assert await written(world.room, write) == [TAKEN]
        assert await shown(world) == 6


async def test_a_call_that_never_arrived_is_made_good_by_the_same_key(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        write = a_write(WriteKind.ADJUST, change(9_996, 10_000), key="once")
        await world.fault(once={"stock_call_lost": 1})
        assert isinstance(await world.room.stock.write(write), Doubtful)
        assert await written(world.room, write) == [TAKEN]
        assert await shown(world) == 9_996


async def test_an_item_not_stocked_there_is_and_then_written(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        await world.fault(values={"stocks_by_itself": 0})
        await by_hand(world, f"inventory_items/{number(ITEMS[0])}", stocked={"New Jersey DC": False})
        write = a_set(change(3), change(4, item=ITEMS[1]), key="k")
        assert await written(world.room, write) == [TAKEN, TAKEN]
        assert [await shown(world, item) for item in ITEMS[:2]] == [3, 4]
        assert await written(world.room, write) == [TAKEN, TAKEN]


async def test_a_location_that_is_not_there_is_asked_for_once_more_and_then_told(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        nowhere = change(3, at=Ref("gid://shopify/Location/1"))
        answer = await world.room.stock.write(a_set(nowhere))
        assert isinstance(answer, Written)
        assert [(row.result, row.reason) for row in answer.rows] == [(GONE, NOT_STOCKED)]


# --- every way to be answered


def user_error(code: str, *field: str) -> dict[str, Any]:
    error = {"code": code, "field": list(field) or None, "message": "it says so"}
    return {"data": {"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": [error]}}}


def top_error(code: str, *path: str) -> dict[str, Any]:
    return {"errors": [{"message": "no", "path": list(path) or None, "extensions": {"code": code}}], "data": None}


BOTH = user_error("CHANGE_FROM_QUANTITY_STALE", "input", "quantities", "0")
BOTH["data"]["inventorySetQuantities"]["inventoryAdjustmentGroup"] = {"id": "gid://shopify/InventoryAdjustmentGroup/1"}


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        ((500, ""), Doubtful),
        ((502, "<html>"), Doubtful),
        ((503, ""), Doubtful),
        ((408, ""), Doubtful),
        ((429, ""), NotSent),
        ((200, "<html>Log in</html>"), Doubtful),
        ((200, ""), Doubtful),
        ({"data": None}, Doubtful),
        ({"data": {"inventorySetQuantities": None}}, Doubtful),
        ({"data": {"inventorySetQuantities": {"userErrors": 1}}}, Doubtful),
        ({"data": {"inventorySetQuantities": {"userErrors": [1]}}}, Doubtful),
        (top_error("INTERNAL_SERVER_ERROR"), Doubtful),
        (top_error("SOMETHING_NEW", "inventorySetQuantities"), Doubtful),
        (user_error("IDEMPOTENCY_CONCURRENT_REQUEST"), Doubtful),
        (BOTH, Doubtful),
    ],
)
async def test_what_is_not_certain_is_doubtful(answer: Any, ending: type) -> None:
    async with a_script(answer) as (_, room):
        assert isinstance(await room.stock.write(a_set(change(1))), ending)


@pytest.mark.parametrize(
    "answer",
    [
        (401, "{}"),
        (402, "{}"),
        (403, "{}"),
        (404, "{}"),
        (423, "{}"),
        (400, "{}"),
        top_error("ACCESS_DENIED", "inventorySetQuantities"),
        top_error("MAX_COST_EXCEEDED"),
        top_error("BAD_REQUEST", "inventorySetQuantities"),
        top_error("undefinedField"),
    ],
)
async def test_a_shop_that_takes_no_call_opens_the_circuit(answer: Any) -> None:
    async with a_script(answer) as (_, room):
        with pytest.raises(OpenCircuit):
            await room.stock.write(a_set(change(1)))


@pytest.mark.parametrize(
    ("answer", "results", "reason"),
    [
        (user_error("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"), [UNTRIED, UNTRIED], "PREVIOUS"),
        (user_error("SERVICE_UNAVAILABLE"), [UNTRIED, UNTRIED], "SERVICE"),
        (user_error("IDEMPOTENCY_KEY_PARAMETER_MISMATCH"), [RowResult.REFUSED] * 2, OTHER_CONTENT),
        (user_error("INVALID_REASON", "input", "reason"), [RowResult.REFUSED] * 2, "INVALID_REASON"),
        (user_error("COMPARE_QUANTITY_STALE", "input", "quantities", "1"), [UNTRIED, STALE], ""),
        (user_error("SOMETHING_NEW", "input", "quantities", "0", "quantity"), [RowResult.REFUSED, UNTRIED], "NEW"),
    ],
)
async def test_an_error_is_about_a_row_or_about_the_call(
    answer: Any, results: Sequence[RowResult], reason: str
) -> None:
    async with a_script(answer) as (_, room):
        told = await room.stock.write(a_set(change(1), change(1, item=ITEMS[1])))
    assert isinstance(told, Written)
    assert [row.result for row in told.rows] == results
    assert reason in told.rows[0].reason


async def test_too_few_points_are_waited_for_under_the_same_key() -> None:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 1000.0}
    cost = {"extensions": {"cost": {"requestedQueryCost": 10, "throttleStatus": status}}}
    async with a_script({**top_error("THROTTLED"), **cost}, DONE) as (script, room):
        assert await written(room, a_set(change(1), key="k")) == [TAKEN]
    assert [asked["variables"]["key"] for asked in script.asked] == ["k", "k"]


async def test_points_that_will_not_be_there_in_time_send_nothing() -> None:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 0.05}
    cost = {"extensions": {"cost": {"requestedQueryCost": 10, "throttleStatus": status}}}
    async with a_script({**top_error("THROTTLED"), **cost}) as (script, room):
        answer = await room.stock.write(a_set(change(1)))
    assert isinstance(answer, NotSent)
    assert answer.after is not None
    assert len(script.asked) == 1


async def test_nothing_listening_sends_nothing() -> None:
    async with a_script() as (script, _):
        pass
    room = a_room(script.url)
    assert isinstance(await room.stock.write(a_set(change(1))), NotSent)
    await room.aclose()


# --- batches, and what doctor says


def test_a_call_has_one_location_no_item_twice_and_at_most_250_rows() -> None:
    room = a_room("http://127.0.0.1:9")
    rows = [change(1, item=Ref(f"i{at}"), at=NJ if at % 3 else CA) for at in range(900)]
    rows.insert(7, change(2, item=Ref("i1")))
    batches = room.stock.batches(rows)
    assert sorted(map(id, rows)) == sorted(id(one) for batch in batches for one in batch)
    for batch in batches:
        assert len(batch) <= 250
        assert len({one.location for one in batch}) == 1
        assert len({one.item for one in batch}) == len(batch)
        assert [rows.index(one) for one in batch] == sorted(rows.index(one) for one in batch)
    assert [batch[0].item for batch in batches[:2]] == ["i0", "i1"]


async def test_doctor_tells_what_is_never_written_and_what_never_stops_selling(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan={"scopes": ("read_orders", "read_products", "read_locations")}) as world:
        await by_hand(world, f"inventory_items/{number(ITEMS[0])}", tracked=False)
        await by_hand(world, f"variants/{number(CELLS[1].variant_id)}", requiresComponents=True)
        await by_hand(world, f"variants/{number(CELLS[2].variant_id)}", inventoryPolicy="CONTINUE")
        found = await world.room.doctor()
    stock = {one.text: one.severity for one in found if one.topic == "stock"}
    assert list(stock.values()) == [Severity.INFO, Severity.INFO, Severity.WARNING]
    assert [text.partition(" ")[0] for text in stock] == ["Shopify", "1", "1"]
    assert any(one.text.startswith("write_inventory is not granted") for one in found)
