"""Stock in the simulated Shopify: what the published operations do to it, and what sells it."""

from __future__ import annotations

import gzip
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import FragmentDefinitionNode, build_schema, parse, print_ast, validate
from graphql.utilities import separate_operations

from bcbridge.sandbox.shopify import ShopifySettings
from bcbridge.sandbox.shopify.world import CELLS, locations
from tests.conftest import contract_path
from tests.sandbox.shopify_client import JSON, ShopClient, shop, until

NJ, CA = (one["id"] for one in locations())
ONE, TWO, THREE = CELLS[:3]
DOCUMENTS = {"SetStock", "AdjustStock", "ActivateStock", "StockBySku"}
SET = """mutation($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id reason referenceDocumentUri changes(quantityNames: ["available"]) {
      name delta quantityAfterChange item { id sku } location { id } } }
    userErrors { code field message } } }"""
ADJUST = SET.replace("Set", "Adjust")
ACTIVATE = """mutation($item: ID!, $location: ID!, $available: Int, $key: String!) {
  inventoryActivate(inventoryItemId: $item, locationId: $location, available: $available) @idempotent(key: $key) {
    inventoryLevel { id isActive } userErrors { field message } } }"""


@cache
def operations() -> dict[str, str]:
    text = contract_path("shopify", "operations-2026-10.graphql").read_text("utf-8")
    return {name: print_ast(document) for name, document in separate_operations(parse(text)).items()}


def row(number: int, was: int | None = None, item: str = ONE.inventory_item_id, at: str = NJ) -> JSON:
    return {"inventoryItemId": item, "locationId": at, "quantity": number, "changeFromQuantity": was}


def change(delta: int, item: str = ONE.inventory_item_id, at: str = NJ, **more: Any) -> JSON:
    return {"inventoryItemId": item, "locationId": at, "delta": delta, "changeFromQuantity": None, **more}


def input_of(field: str, rows: tuple[JSON, ...], **more: Any) -> JSON:
    return {"name": "available", "reason": "correction", field: list(rows), **more}


async def set_stock(client: ShopClient, *rows: JSON, key: str = "", **more: Any) -> JSON:
    asked = input_of("quantities", rows, **more)
    said = await client.ask(SET, input=asked, key=key or str(uuid.uuid4()))
    return dict(said["inventorySetQuantities"])


async def adjust(client: ShopClient, *rows: JSON, key: str = "", **more: Any) -> JSON:
    said = await client.ask(ADJUST, input=input_of("changes", rows, **more), key=key or str(uuid.uuid4()))
    return dict(said["inventoryAdjustQuantities"])


async def quantities(client: ShopClient, item: str = ONE.inventory_item_id, at: str = NJ) -> dict[str, int]:
    query = """query($item: ID!, $at: ID!) { inventoryItem(id: $item) { inventoryLevel(locationId: $at) {
      quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } }"""
    level = (await client.ask(query, item=item, at=at))["inventoryItem"]["inventoryLevel"]
    return {one["name"]: one["quantity"] for one in level["quantities"]}


async def available(client: ShopClient, item: str = ONE.inventory_item_id, at: str = NJ) -> int:
    return (await quantities(client, item, at))["available"]


def codes(answer: JSON) -> list[tuple[str, str]]:
    return [(one["code"], ".".join(one["field"] or [])) for one in answer["userErrors"]]


async def books(client: ShopClient, noun: str) -> list[JSON]:
    return list((await client.get(f"/_sandbox/books/{noun}?limit=5000"))[noun])


# --- the published documents


@pytest.mark.contract
def test_the_published_stock_operations_are_valid_here_and_there() -> None:
    packed = contract_path("shopify", "admin-2026-10.min.graphql.gz").read_bytes()
    theirs = build_schema(gzip.decompress(packed).decode(), assume_valid=True)
    for name in DOCUMENTS:
        assert not validate(theirs, parse(operations()[name])), name
    for text in (SET, ADJUST, ACTIVATE):
        assert not [one for one in parse(text).definitions if isinstance(one, FragmentDefinitionNode)]
        assert not validate(theirs, parse(text))


@pytest.mark.contract
async def test_the_published_stock_operations_run(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        found = await client.ask(operations()["StockBySku"], q=f"sku:{ONE.sku.upc}")
        levels = found["inventoryItems"]["nodes"][0]["inventoryLevels"]["nodes"]
        shown = {one["location"]["id"]: one["quantities"][0]["quantity"] for one in levels}
        assert shown == {NJ: 10_000, CA: 10_000}
        asked = input_of("quantities", (row(7, 10_000),), referenceDocumentUri="gid://bcbridge/StockRun/1")
        await client.ask(operations()["SetStock"], input=asked, key="a")
        await client.ask(operations()["AdjustStock"], input=input_of("changes", (change(-2),)), key="b")
        made = await client.ask(operations()["ActivateStock"], itemId=ONE.inventory_item_id, locationId=NJ, key="c")
        assert made["inventoryActivate"]["userErrors"] == []
        assert await available(client) == 5


# --- setting


async def test_a_compare_that_holds_is_set_and_told(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        done = await set_stock(client, row(12, 10_000), referenceDocumentUri="gid://bcbridge/StockRun/7")
        (told,) = done["inventoryAdjustmentGroup"]["changes"]
        assert (told["delta"], told["quantityAfterChange"], told["location"]["id"]) == (-9_988, 12, NJ)
        assert told["item"] == {"id": ONE.inventory_item_id, "sku": ONE.sku.upc}
        assert (await set_stock(client, row(12, 12)))["inventoryAdjustmentGroup"] is None


async def test_one_stale_row_is_named_and_nothing_of_the_call_is_done(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        refused = await set_stock(client, row(5, 10_000), row(6, 9, TWO.inventory_item_id))
        assert codes(refused) == [("CHANGE_FROM_QUANTITY_STALE", "input.quantities.1.changeFromQuantity")]
        assert refused["inventoryAdjustmentGroup"] is None
        assert await available(client) == 10_000


async def test_null_overwrites_whatever_is_there(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(0))
        assert await available(client) == 0


async def test_what_cannot_be_set_is_said_by_row(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.http.patch(f"/_sandbox/inventory_items/{TWO.inventory_item_id[-14:]}", json={"tracked": False})
        await client.http.patch(f"/_sandbox/variants/{THREE.variant_id[-14:]}", json={"requiresComponents": True})
        rows = [
            row(-1),
            row(1, item="gid://shopify/InventoryItem/1"),
            row(1, item=TWO.inventory_item_id),
            row(1, item=THREE.inventory_item_id),
            row(1, at="gid://shopify/Location/1"),
            row(2),
            row(1_000_000_001, item=CELLS[5].inventory_item_id),
        ]
        assert codes(await set_stock(client, *rows)) == [
            ("INVALID_QUANTITY_NEGATIVE", "input.quantities.0.quantity"),
            ("INVALID_INVENTORY_ITEM", "input.quantities.1.inventoryItemId"),
            ("INVALID_INVENTORY_ITEM", "input.quantities.2.inventoryItemId"),
            ("NON_MUTABLE_INVENTORY_ITEM", "input.quantities.3.inventoryItemId"),
            ("INVALID_LOCATION", "input.quantities.4.locationId"),
            ("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", "input.quantities.5.inventoryItemId"),
            ("INVALID_QUANTITY_TOO_HIGH", "input.quantities.6.quantity"),
        ]
        wrong = await set_stock(client, row(1), name="committed", reason="because", referenceDocumentUri="no uri")
        assert [code for code, _ in codes(wrong)] == ["INVALID_NAME", "INVALID_REASON", "INVALID_REFERENCE_DOCUMENT"]


async def test_on_hand_is_what_is_available_and_what_is_committed(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}])
        await set_stock(client, row(10), name="on_hand")
        assert await quantities(client) == {"available": 7, "committed": 3, "on_hand": 10}


# --- adjusting


async def test_an_adjustment_may_take_available_below_nothing_and_adds_up_within_a_call(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(3))
        await adjust(client, change(-5), change(-1))
        assert await available(client) == -3


async def test_what_cannot_be_adjusted_is_said_by_row(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        rows = [
            change(1, ledgerDocumentUri="gid://bcbridge/Entry/1"),
            change(1, ledgerDocumentUri="gid://shopify/Order/1"),
            change(1) | {"changeFromQuantity": 4},
            change(2_000_000_000),
        ]
        assert codes(await adjust(client, *rows)) == [
            ("INVALID_AVAILABLE_DOCUMENT", "input.changes.0.ledgerDocumentUri"),
            ("INTERNAL_LEDGER_DOCUMENT", "input.changes.1.ledgerDocumentUri"),
            ("CHANGE_FROM_QUANTITY_STALE", "input.changes.2.changeFromQuantity"),
            ("INVALID_QUANTITY_TOO_HIGH", "input.changes.3.delta"),
        ]
        assert await available(client) == 10_000


# --- the shape of a call


@pytest.mark.parametrize(
    ("document", "rows", "code"),
    [
        (SET.replace("@idempotent(key: $key)", "").replace(", $key: String!", ""), [row(1)], "BAD_REQUEST"),
        (SET, [{"inventoryItemId": ONE.inventory_item_id, "locationId": NJ, "quantity": 1}], "INVALID_FIELD_ARGUMENTS"),
        (SET, [row(1)] * 251, "MAX_INPUT_SIZE_EXCEEDED"),
    ],
)
async def test_a_call_of_the_wrong_shape_is_an_error_of_the_whole(
    tmp_path: Path, document: str, rows: list[JSON], code: str
) -> None:
    async with shop(tmp_path) as client:
        said = await client.said(document, input=input_of("quantities", tuple(rows)), key="k")
        assert said["errors"][0]["extensions"]["code"] == code


async def test_a_key_seen_before_gets_its_first_answer_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        first = await adjust(client, change(-4), key="same")
        assert await adjust(client, change(-4), key="same") == first
        assert await available(client) == 9_996
        assert codes(await adjust(client, change(-5), key="same")) == [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "")]
        assert await available(client) == 9_996


async def test_a_refused_call_is_refused_again_under_its_key(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(5, 1), key="stale")
        await set_stock(client, row(1))
        assert codes(await set_stock(client, row(5, 1), key="stale"))[0][0] == "CHANGE_FROM_QUANTITY_STALE"


async def test_a_call_costs_ten_points_however_many_rows_it_has(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        rows = [row(1, item=cell.inventory_item_id) for cell in CELLS[:250]]
        said = await client.said(SET, input=input_of("quantities", tuple(rows)), key="k")
        assert said["extensions"]["cost"]["requestedQueryCost"] == 10


async def test_without_the_scope_nothing_is_read_or_written(tmp_path: Path) -> None:
    async with shop(tmp_path, ShopifySettings(scopes=("read_orders",))) as client:
        said = await client.said("{ inventoryItems(first: 1) { nodes { id } } }")
        assert said["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
        said = await client.said(SET, input=input_of("quantities", (row(1),)), key="k")
        assert said["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


# --- levels


async def unstocked(client: ShopClient) -> None:
    path = f"/_sandbox/inventory_items/{ONE.inventory_item_id[-14:]}"
    assert (await client.http.patch(path, json={"stocked": {"New Jersey DC": False}})).is_success


async def test_what_is_not_stocked_is_not_listed_and_activating_keeps_its_number(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(9))
        await unstocked(client)
        query = "query($id: ID!) { inventoryItem(id: $id) { inventoryLevels(first: 5) { nodes { location { id } } } } }"
        levels = (await client.ask(query, id=ONE.inventory_item_id))["inventoryItem"]["inventoryLevels"]["nodes"]
        assert levels == [{"location": {"id": CA}}]
        await client.ask(ACTIVATE, item=ONE.inventory_item_id, location=NJ, key="k")
        assert await available(client) == 9


@pytest.mark.parametrize(("by_itself", "refused"), [(1, []), (0, ["INVALID_LOCATION"])])
async def test_setting_what_is_not_stocked_begins_to_count_it_unless_told_otherwise(
    tmp_path: Path, by_itself: int, refused: list[str]
) -> None:
    async with shop(tmp_path) as client:
        await client.post("/_sandbox/faults", {"values": {"stocks_by_itself": by_itself}})
        await unstocked(client)
        assert [code for code, _ in codes(await set_stock(client, row(4)))] == refused


async def test_two_items_of_one_sku_count_each_other(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.http.patch(f"/_sandbox/variants/{TWO.variant_id[-14:]}", json={"sku": ONE.sku.upc})
        query = "query($q: String) { inventoryItems(first: 5, query: $q) { nodes { id duplicateSkuCount } } }"
        found = (await client.ask(query, q=f"sku:{ONE.sku.upc}"))["inventoryItems"]["nodes"]
        assert found == [
            {"id": ONE.inventory_item_id, "duplicateSkuCount": 1},
            {"id": TWO.inventory_item_id, "duplicateSkuCount": 1},
        ]


async def test_a_large_shop_has_as_many_goods_as_it_is_told(tmp_path: Path) -> None:
    quick = ShopifySettings(index_lag_seconds=0, bucket=1e9, restore_rate=1e6, extra_skus=230)
    async with shop(tmp_path, quick) as client:
        found = await books(client, "inventoryItems")
        assert len(found) == len(CELLS) + 230
        assert len({one["sku"] for one in found}) == len(found)


# --- orders


async def test_an_order_moves_its_pieces_to_committed_where_it_ships_from(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}], location="California DC")
        assert await quantities(client, at=CA) == {"available": 9_997, "committed": 3, "on_hand": 10_000}
        assert await available(client, at=NJ) == 10_000
        await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/edit", {"0": 1})
        assert await quantities(client, at=CA) == {"available": 9_998, "committed": 2, "on_hand": 10_000}
        await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/cancel")
        assert await quantities(client, at=CA) == {"available": 10_000, "committed": 0, "on_hand": 10_000}
        causes = [(one["by"], one["from"], one["to"]) for one in await books(client, "stock_moves")]
        assert causes == [("order", 10_000, 9_997), ("restock", 9_997, 9_998), ("restock", 9_998, 10_000)]


async def test_a_cancel_without_restocking_gives_nothing_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}])
        await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/cancel", {"restock": False})
        assert await quantities(client) == {"available": 9_997, "committed": 0, "on_hand": 9_997}


async def test_what_has_shipped_is_committed_no_more(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}])
        (shipped,) = (await client.order(placed["name"]))["fulfillmentOrders"]
        shipped["status"], shipped["lineItems"][0]["remainingQuantity"] = "CLOSED", 0
        path = f"/_sandbox/orders/{placed['legacyResourceId']}"
        assert (await client.http.patch(path, json={"fulfillmentOrders": [shipped]})).is_success
        assert await quantities(client) == {"available": 9_997, "committed": 0, "on_hand": 9_997}


async def test_the_shopper_gets_no_more_than_there_is_and_what_is_missed_is_counted(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(4), row(2, at=CA))
        hot = [[ONE.sku.upc, 1]]
        plan = await client.post("/_sandbox/sell", {"orders": 30, "simple": True, "hot": hot})
        ended = await client.sold(plan["plan"])
        sold = [one for one in await books(client, "sold") if one["sku"] == ONE.sku.upc]
        assert sum(one["pieces"] for one in sold) == 6
        assert {one["number"] for one in await books(client, "stock") if one["sku"] == ONE.sku.upc} == {0}
        assert ended["refused"] + len(await client.orders()) == 30
        assert ended["refused"] >= 24
        assert len(await books(client, "refused")) >= ended["refused"]


async def test_a_shop_that_does_not_look_sells_what_it_has_not(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(1), row(0, at=CA))
        await client.post("/_sandbox/faults", {"values": {"sells_from_stock": 0}})
        plan = await client.post("/_sandbox/sell", {"orders": 10, "simple": True, "hot": [[ONE.sku.upc, 1]]})
        assert (await client.sold(plan["plan"]))["refused"] == 0
        assert sum(one["number"] for one in await books(client, "stock") if one["sku"] == ONE.sku.upc) < -8


async def test_what_is_sold_on_and_what_is_not_tracked_runs_out_for_nobody(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(0), row(0, at=CA))
        await client.http.patch(f"/_sandbox/variants/{ONE.variant_id[-14:]}", json={"inventoryPolicy": "CONTINUE"})
        plan = await client.post("/_sandbox/sell", {"orders": 5, "simple": True, "hot": [[ONE.sku.upc, 1]]})
        assert (await client.sold(plan["plan"]))["refused"] == 0


async def test_a_hand_in_the_admin_is_in_the_books_and_says_where(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        by_hand = {"sku": ONE.sku.upc, "number": 3, "location": "California DC"}
        changed = (await client.post("/_sandbox/admin/stock", by_hand))["changed"]
        assert changed == [{"item": ONE.inventory_item_id, "from": 10_000, "to": 3}]
        assert await available(client, at=CA) == 3
        assert [one["by"] for one in await books(client, "stock_moves")] == ["admin"]
        refused = await client.http.post("/_sandbox/admin/stock", json={"sku": ONE.sku.upc, "number": 3})
        assert "New Jersey DC" in refused.json()["error"]


@pytest.mark.parametrize("wish", [{"hot": [["1", 1]]}, {"skus": 0}, {"hot": [[ONE.sku.upc, "much"]]}])
async def test_a_wish_for_goods_that_makes_no_sense_is_refused(tmp_path: Path, wish: JSON) -> None:
    async with shop(tmp_path) as client:
        assert (await client.http.post("/_sandbox/sell", json={"orders": 1, **wish})).status_code == 400


# --- bad days


async def test_an_answer_may_be_lost_before_or_after_the_effect(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for fault, left in (("stock_call_lost", 10_000), ("stock_answer_lost", 9_999)):
            await client.post("/_sandbox/faults", {"once": {fault: 1}})
            with pytest.raises(httpx.HTTPError):
                await adjust(client, change(-1), key="one")
            assert await available(client) == left
        await adjust(client, change(-1), key="one")
        assert await available(client) == 9_999


async def test_somebody_may_buy_between_the_reading_and_the_writing(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.post("/_sandbox/faults", {"once": {"sold_meanwhile": 1}})
        refused = await set_stock(client, row(5, 10_000))
        assert codes(refused)[0][0] == "CHANGE_FROM_QUANTITY_STALE"
        assert len(await client.orders()) == 1
        assert await available(client) == 9_999


async def test_nobody_buys_what_is_archived_in_that_moment(tmp_path: Path) -> None:
    archived = next(cell for cell in CELLS if not cell.sku.style.active)
    async with shop(tmp_path) as client:
        await set_stock(client, row(7, item=archived.inventory_item_id))
        await client.post("/_sandbox/faults", {"once": {"sold_meanwhile": 1}})
        assert codes(await set_stock(client, row(5, 7, item=archived.inventory_item_id))) == []
        assert await client.orders() == []


async def test_numbers_may_be_read_as_they_were(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await set_stock(client, row(5))
        await client.post("/_sandbox/faults", {"once": {"stale_stock": 1}})
        assert [await available(client), await available(client)] == [10_000, 5]


async def test_whoever_subscribed_hears_of_every_number_that_moves(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        subscribe = """mutation { webhookSubscriptionCreate(topic: INVENTORY_LEVELS_UPDATE,
          webhookSubscription: {uri: "http://127.0.0.1:9/hooks"}) { userErrors { message } } }"""
        await client.ask(subscribe)
        await set_stock(client, row(5))
        await client.place(lines=[{"sku": ONE.sku.upc}])
        told = await until(lambda: books(client, "deliveries"), lambda found: len(found) == 2)
        assert [one["topic"] for one in told] == ["INVENTORY_LEVELS_UPDATE"] * 2
