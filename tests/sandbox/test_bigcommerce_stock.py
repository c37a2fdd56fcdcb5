"""The simulated BigCommerce's stock: numbers per location, adjustments that are in force later, orders that take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bigcommerce import world
from tests.sandbox.bigcommerce_client import LAVISH, ShopClient, shop

TANK = next(sku for sku in catalogue.WEB_SKUS if sku.style.name == "Ribbed Tank")
TEE = next(sku for sku in catalogue.WEB_SKUS if sku.style.name == "Boxy Tee")
VARIANT = world.CELL_BY_UPC[TANK.upc].variant_id
PRODUCT = world.CELL_BY_UPC[TANK.upc].product_id
FAST = replace(LAVISH, settle_seconds=(0.0, 0.0))
ABSOLUTE, RELATIVE = "v3/inventory/adjustments/absolute", "v3/inventory/adjustments/relative"
JSON = dict[str, Any]


@pytest.fixture
async def sold(tmp_path: Path) -> AsyncIterator[ShopClient]:
    """Adjustments wait for a test to move the clock."""
    async with shop(tmp_path, replace(LAVISH, settle_seconds=(5.0, 5.0))) as client:
        yield client


def item(quantity: int, *, location: int = 1, **identity: Any) -> JSON:
    return {"location_id": location, "quantity": quantity, **(identity or {"variant_id": VARIANT})}


async def put(sold: ShopClient, *items: JSON, status: int = 200) -> JSON:
    answer = await sold.call("PUT", ABSOLUTE, {"reason": "test", "items": list(items)})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def later(sold: ShopClient, seconds: float = 6) -> None:
    await sold.door("POST", "clock", {"advance_seconds": seconds})


async def there(sold: ShopClient, sku: str = TANK.upc, location: int = 1) -> JSON:
    """What the location says of the item."""
    (found,) = (await sold.get(f"v3/inventory/locations/{location}/items", sku__in=sku))["data"]
    return dict(found)


async def number(sold: ShopClient, sku: str = TANK.upc, location: int = 1) -> int:
    return int((await there(sold, sku, location))["available_to_sell"])


async def test_an_adjustment_is_answered_at_once_and_in_force_seconds_later(sold: ShopClient) -> None:
    assert (await put(sold, item(7)))["transaction_id"]
    assert await number(sold) == 10_000
    await later(sold)
    assert await number(sold) == 7
    (variant,) = (await sold.get("v3/catalog/variants", id=VARIANT))["data"]
    assert variant["inventory_level"] == 7
    (made,) = await sold.noun("adjustments")
    assert (made["quantity"], made["sku"], bool(made["inForceAt"])) == (7, TANK.upc, True)


async def test_of_two_that_overlap_the_later_one_may_be_in_force_first(sold: ShopClient) -> None:
    await sold.faults(values={"settle_least_seconds": 10, "settle_most_seconds": 10})
    await put(sold, item(3))
    await sold.faults(values={"settle_least_seconds": 1, "settle_most_seconds": 1})
    await put(sold, item(1))
    await later(sold, 20)
    assert await number(sold) == 3
    assert [one["to"] for one in await sold.noun("stock_moves")] == [1, 3]


async def test_half_of_a_torn_adjustment_is_in_force_before_the_rest(sold: ShopClient) -> None:
    await sold.faults(once={"adjustment_torn": 1})
    await put(sold, item(7), item(8, sku=TEE.upc))
    await later(sold)
    assert (await number(sold), await number(sold, TEE.upc)) == (7, 10_000)
    await later(sold)
    assert await number(sold, TEE.upc) == 8


@pytest.mark.parametrize("partly", [False, True])
async def test_one_bad_item_refuses_the_call_and_the_others_wait_or_not(sold: ShopClient, partly: bool) -> None:
    await sold.faults(rates={"adjustment_partly": int(partly)})
    said = await put(sold, item(7), item(1, sku="nobody's"), status=422)
    assert (said["status"], "nobody's" in said["title"]) == (422, True)
    await later(sold)
    assert await number(sold) == (7 if partly else 10_000)


async def test_what_cannot_be_adjusted_is_told_and_more_than_2000_items_are_too_many(sold: ShopClient) -> None:
    for wrong in (item(-1), item(1, location=9), item(1, product_id=PRODUCT), item(1, variant_id=world.BOOK_VARIANT)):
        await put(sold, wrong, status=422)
    await put(sold, *[item(1)] * 2_000)
    await put(sold, *[item(1)] * 2_001, status=422)


async def test_a_product_tracked_as_a_whole_is_written_by_its_own_id(sold: ShopClient) -> None:
    await sold.door("PATCH", f"products/{PRODUCT}", {"inventory_tracking": "product"})
    said = await put(sold, item(1), status=422)
    assert said["title"] == f"[Item with variant_id {VARIANT} is tracked by product, please update stock by product id]"
    await put(sold, item(4, product_id=PRODUCT))
    await later(sold)
    (found,) = (await sold.get("v3/inventory/items", product_id__in=PRODUCT))["data"]
    assert found["locations"][0]["available_to_sell"] == 4
    await sold.place(lines=[{"sku": TANK.upc, "quantity": 1}])
    (found,) = (await sold.get("v3/inventory/items", product_id__in=PRODUCT))["data"]
    assert found["locations"][0]["available_to_sell"] == 3


async def test_what_is_sold_is_on_hand_less_the_safety_stock_and_relative_never_goes_below_it(sold: ShopClient) -> None:
    body = {"settings": [{"identity": {"variant_id": VARIANT}, "safety_stock": 2}]}
    answer = await sold.call("PUT", "v3/inventory/locations/1/items", body)
    assert answer.status_code == 200
    await put(sold, item(7))
    await later(sold)
    found = await there(sold)
    shown = (found["available_to_sell"], found["total_inventory_onhand"], found["settings"]["safety_stock"])
    assert shown == (5, 7, 2)
    for pieces, status in ((-5, 200), (-6, 422)):
        answer = await sold.call("POST", RELATIVE, {"items": [item(pieces)]})
        assert answer.status_code == status
    await later(sold)
    assert await number(sold) == 0


async def test_relative_needs_an_absolute_one_before_it(sold: ShopClient) -> None:
    answer = await sold.call("POST", RELATIVE, {"items": [item(1, location=2)]})
    assert (answer.status_code, "requires absolute" in answer.json()["title"]) == (422, True)
    await put(sold, item(1, location=2))
    await later(sold)
    assert await number(sold, location=2) == 1
    assert (await sold.call("POST", RELATIVE, {"items": [item(1, location=2)]})).status_code == 200


async def test_a_read_may_be_older_than_what_is_in_force(sold: ShopClient) -> None:
    await put(sold, item(7))
    await later(sold)
    await sold.faults(once={"stale_stock": 1}, values={"stale_stock_seconds": 60})
    assert [await number(sold), await number(sold)] == [10_000, 7]


async def test_lists_are_paged_and_filtered_and_show_what_is_tracked(sold: ShopClient) -> None:
    page = await sold.get("v3/inventory/items", limit=3, page=2)
    assert (page["meta"]["pagination"]["count"], page["meta"]["pagination"]["current_page"]) == (3, 2)
    found = (await sold.get("v3/inventory/items", variant_id__in=f"{VARIANT},{world.BOOK_VARIANT}"))["data"]
    assert [one["identity"]["variant_id"] for one in found] == [VARIANT]
    await sold.faults(rates={"untracked_listed": 1})
    found = (await sold.get("v3/inventory/items", variant_id__in=f"{VARIANT},{world.BOOK_VARIANT}"))["data"]
    assert len(found) == 2
    assert await sold.status("v3/inventory/items", limit=1_001) == 413
    assert await sold.status("v3/inventory/locations/9/items") == 404


# -- what orders take -------------------------------------------------------------------------------------------


async def test_an_order_takes_when_it_is_placed_and_an_abandoned_one_when_it_is_completed(sold: ShopClient) -> None:
    await sold.place(lines=[{"sku": TANK.upc, "quantity": 2}])
    left = await sold.place(lines=[{"sku": TANK.upc, "quantity": 3}], abandoned=True)
    assert await number(sold) == 9_998
    await sold.happen(left, "complete")
    assert await number(sold) == 9_995
    await sold.happen(left, "ship")
    await sold.happen(left, "refund", lines={"0": 1})
    assert await number(sold) == 9_995


@pytest.mark.parametrize("gives_back", [False, True])
@pytest.mark.parametrize("ended", ["cancel", "decline", "refund_all"])
async def test_an_order_that_is_over_gives_back_where_the_store_says_so(
    tmp_path: Path, ended: str, gives_back: bool
) -> None:
    async with shop(tmp_path, replace(LAVISH, refund_order_stock_adjustment=gives_back)) as sold:
        order = await sold.place(lines=[{"sku": TANK.upc, "quantity": 2}])
        never = await sold.place(lines=[{"sku": TANK.upc, "quantity": 1}], abandoned=True)
        await sold.happen(order, ended)
        await sold.happen(never, "status", status_id=6)
        assert await number(sold) == (10_000 if gives_back else 9_998)
        assert [one["by"] for one in await sold.noun("stock_moves")] == ["order", "restock"][: 1 + gives_back]


async def test_a_channel_may_take_only_when_all_of_it_is_shipped(sold: ShopClient) -> None:
    path = "v3/settings/inventory"
    assert (await sold.get(path, channel_id=2))["data"]["update_stock_behavior"] is None
    answer = await sold.call("PUT", path, {"update_stock_behavior": "order_completed_or_shipped"}, channel_id=2)
    assert answer.status_code == 200
    assert (await sold.get(path))["data"]["update_stock_behavior"] == "order_placed"
    order = await sold.place(lines=[{"sku": TANK.upc, "quantity": 3}], channel=2)
    await sold.happen(order, "ship", lines={"0": 1})
    assert await number(sold) == 10_000
    await sold.happen(order, "ship")
    assert await number(sold) == 9_997


# -- what a shopper gets ----------------------------------------------------------------------------------------


async def test_shoppers_get_what_the_default_location_shows_and_no_more(tmp_path: Path) -> None:
    async with shop(tmp_path, FAST) as sold:
        await put(sold, item(3), item(100, location=2))
        await sold.sell(20, seed=2, simple=True, hot=[[TANK.upc, 1]])
        bought = sum(one["pieces"] for one in await sold.noun("sold") if one["sku"] == TANK.upc)
        assert (bought, await number(sold), await number(sold, location=2)) == (3, 0, 100)
        assert await sold.noun("refused")


async def test_with_aggregated_stock_they_get_what_lies_elsewhere_too(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(FAST, aggregated_stock=True)) as sold:
        await put(sold, item(0), item(2, location=2))
        await sold.sell(20, seed=2, simple=True, hot=[[TANK.upc, 1]])
        assert (await number(sold), await number(sold, location=2)) == (0, 0)


async def test_a_bundle_is_sold_whole_or_not_at_all(tmp_path: Path) -> None:
    """Nothing is ever sold below zero, whatever the mix draws: of a few goods a piece each."""
    async with shop(tmp_path, FAST) as sold:
        skus = [cell.sku.upc for cell in world.CELLS]
        await put(sold, *[item(2, sku=upc) for upc in skus])
        await sold.sell(300, seed=3, mixed=0.3, unbookable=0.1)
        await sold.settled()
        assert min(one["number"] for one in await sold.noun("stock")) >= 0
        drawn = {shape for order in await sold.noun("orders") for shape in order["_sandbox"]["shapes"]}
        assert "bundle" in drawn
        for order in await sold.noun("orders"):
            goes = {line["order_address_id"] for line in order["products"] if line["order_address_id"]}
            assert goes == {place["id"] for place in order["shipping_addresses"]} or order["order_is_digital"]


async def test_the_whole_plan_is_at_its_limit_when_507_is_ordered(sold: ShopClient) -> None:
    await sold.faults(once={"http_507": 1})
    assert (await sold.call("PUT", ABSOLUTE, {"items": [item(1)]})).status_code == 507
    assert await sold.noun("adjustments") == []


async def test_a_lost_answer_hides_an_adjustment_that_was_taken(sold: ShopClient) -> None:
    await sold.faults(once={"answer_lost": 1})
    with pytest.raises(Exception, match="disconnect"):
        await put(sold, item(5))
    await later(sold)
    assert await number(sold) == 5


async def test_many_skus_stand_beside_the_season_for_whoever_needs_them(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(FAST, more_skus=1_200)) as sold:
        listed = [
            row for page in (1, 2) for row in (await sold.get("v3/inventory/items", limit=1000, page=page))["data"]
        ]
        plain = [one["identity"]["sku"] for one in listed if one["identity"]["variant_id"] >= world.MORE_VARIANT]
        assert len(set(plain)) == 1_200
        assert all(upc[-1] == catalogue.check_digit(upc[:-1]) for upc in plain)


async def test_a_killed_store_brings_into_force_what_it_had_accepted(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(LAVISH, settle_seconds=(3600.0, 3600.0))) as sold:
        await put(sold, item(5))
    async with shop(tmp_path, LAVISH) as sold:
        await later(sold, 3700)
        assert await number(sold) == 5
