"""The stock of the sandbox's WooCommerce shop: what moves it, what may be written, and what goes wrong on the way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from bcbridge.sandbox.base import background
from bcbridge.sandbox.catalogue import SKUS
from bcbridge.sandbox.shopping.stock import SEASON
from bcbridge.sandbox.woocommerce import season
from bcbridge.sandbox.woocommerce.workers import Workers
from tests.conftest import contract_path
from tests.contract.kit import Reply
from tests.contract.outside import saying, serving
from tests.sandbox.woocommerce_client import API, JSON, KEYS, QUICK, SECURE, WooClient, shop, until
from tests.wordpress import check_answer

CELL = next(cell for cell in season.CELLS if cell.variation_id)
OTHER = next(cell for cell in season.CELLS if cell.product_id == CELL.product_id and cell is not CELL)
STRANGER = next(cell for cell in season.CELLS if cell.variation_id and cell.product_id != CELL.product_id)
SIMPLE = next(cell for cell in season.CELLS if not cell.variation_id)
OWN = f"/products/{CELL.product_id}/variations/{CELL.variation_id}"
BATCH = f"/products/{CELL.product_id}/variations/batch"


@pytest.fixture(scope="module")
async def one_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WooClient]:
    async with shop(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture
async def client(one_shop: WooClient) -> WooClient:
    """The same shop for all, as new."""
    await one_shop.order_faults(clear=True)
    await one_shop.post_door("reset")
    return one_shop


def recorded(name: str) -> JSON:
    return dict(json.loads(contract_path("woocommerce", "recorded", "stock", name).read_bytes())["response"])


async def shown(client: WooClient, path: str = OWN) -> Any:
    return (await client.get(path))["stock_quantity"]


async def placed(client: WooClient, pieces: int = 3, **more: Any) -> JSON:
    return await client.place(lines=[{"sku": CELL.sku.upc, "quantity": pieces, "price": "28.00"}], **more)


def meta(order: JSON, key: str) -> str | None:
    return next((one["value"] for one in order["line_items"][0]["meta_data"] if one["key"] == key), None)


# --- what orders take


async def test_an_order_takes_its_pieces_when_it_is_processing_and_gives_them_back_when_it_is_cancelled(
    client: WooClient,
) -> None:
    order = await placed(client)
    assert (await shown(client), meta(order, "_reduced_stock")) == (SEASON - 3, "3")
    await client.put(f"/orders/{order['id']}", {"status": "completed"})
    assert await shown(client) == SEASON - 3, "taken once"
    await client.put(f"/orders/{order['id']}", {"status": "cancelled"})
    assert await shown(client) == SEASON


async def test_a_pending_order_takes_none_and_one_on_hold_does(client: WooClient) -> None:
    pending = await placed(client, payment="pending")
    assert (await shown(client), meta(pending, "_reduced_stock")) == (SEASON, None)
    await client.happens(pending, "status", status="on-hold")
    assert await shown(client) == SEASON - 3
    await client.happens(pending, "status", status="pending")
    assert await shown(client) == SEASON
    await client.happens(pending, "pay")
    assert await shown(client) == SEASON - 3


async def test_an_order_in_a_plugins_status_was_processing_before_and_has_taken_its_pieces(client: WooClient) -> None:
    orders = await client.sell(orders=300, seed=3, unbookable=0.1)
    packed = [one for one in orders if one["status"] == "packing" and one["line_items"][0]["variation_id"]]
    assert packed
    assert {meta(one, "_reduced_stock") for one in packed} == {str(one["line_items"][0]["quantity"]) for one in packed}


async def test_a_refund_puts_back_what_is_restocked_and_no_more(client: WooClient) -> None:
    order = await placed(client)
    line = {"id": order["line_items"][0]["id"], "quantity": 1, "refund_total": 1.0}
    path = f"/orders/{order['id']}/refunds"
    for restock, left in ((False, SEASON - 3), (True, SEASON - 2)):
        given = {"line_items": [line], "api_refund": False, "api_restock": restock}
        assert (await client.call("POST", path, given)).status_code == 201
        assert await shown(client) == left
    now = await client.get(f"/orders/{order['id']}")
    assert (meta(now, "_reduced_stock"), meta(now, "_restock_refunded_items")) == ("2", "1")
    await client.put(f"/orders/{order['id']}", {"line_items": [{"id": line["id"], "quantity": 2}]})
    assert await shown(client) == SEASON - 1, "of two that are left one is back already"


async def test_a_line_that_is_added_changed_or_removed_moves_the_stock(client: WooClient) -> None:
    order = await placed(client)
    path, line = f"/orders/{order['id']}", order["line_items"][0]["id"]
    await client.put(path, {"line_items": [{"id": line, "quantity": 1}]})
    assert await shown(client) == SEASON - 1
    await client.put(path, {"line_items": [{"sku": OTHER.sku.upc, "quantity": 4}]})
    other = f"/products/{OTHER.product_id}/variations/{OTHER.variation_id}"
    assert await shown(client, other) == SEASON - 4
    await client.put(path, {"line_items": [{"id": line, "quantity": 0}]})
    assert await shown(client) == SEASON


async def test_pieces_are_gone_before_an_order_that_commits_late_is_seen(client: WooClient) -> None:
    await client.order_faults(once={"late_commit": 1})
    placed_late = await client.post_door("orders", {"lines": [{"sku": CELL.sku.upc}]})
    assert await shown(client) == SEASON - 1
    assert (await client.call("GET", f"/orders/{placed_late['id']}")).status_code == 404


async def test_every_move_stands_in_the_books_with_its_cause(client: WooClient) -> None:
    order = await placed(client)
    await client.put(OWN, {"stock_quantity": 40})
    await client.post_door("admin/stock", {"sku": CELL.sku.upc, "number": 7})
    await client.happens(order, "cancel")
    moves = [(one["item"], one["by"], one["from"], one["to"]) for one in await client.books("stock_moves")]
    item = str(CELL.id)
    assert moves == [
        (item, "order", SEASON, SEASON - 3),
        (item, "api", SEASON - 3, 40),
        (item, "admin", 40, 7),
        (item, "restock", 7, 10),
    ]
    (kept,) = [one for one in await client.books("stock") if one["sku"] == CELL.sku.upc]
    assert (kept["number"], await shown(client)) == (10, 10)


async def test_a_shopper_gets_no_more_than_is_shown_and_backorders_sell_without_end(client: WooClient) -> None:
    await client.put(OWN, {"stock_quantity": 2})
    hot = {"orders": 6, "seed": 3, "simple": True, "hot": [[CELL.sku.upc, 1]]}
    await client.sell(**hot)
    assert (await shown(client), (await client.get(OWN))["stock_status"]) == (0, "outofstock")
    assert await client.books("refused")
    await client.put(OWN, {"backorders": "notify"})
    await client.sell(**hot)
    sold = await client.get(OWN)
    assert (sold["stock_quantity"] < 0, sold["stock_status"], sold["backordered"]) == (True, "onbackorder", True)


async def test_an_unpaid_order_whose_pieces_are_gone_cannot_be_paid(client: WooClient) -> None:
    """Nothing is kept for it: it took none. The customer is told when he comes to pay."""
    order = await placed(client, 2, payment="pending")
    await client.put(OWN, {"stock_quantity": 1})
    refused = await client.http.post(f"/_sandbox/orders/{order['id']}/pay", json={})
    assert (refused.status_code, "cannot be paid" in refused.text) == (400, True)
    await client.put(OWN, {"stock_quantity": 2})
    await client.happens(order, "pay")
    assert await shown(client) == 0


async def test_orders_made_by_hand_ignore_stock(client: WooClient) -> None:
    await client.put(OWN, {"stock_quantity": 1})
    await placed(client)
    assert await shown(client) == -2


# --- what may be written


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "body", "number", "status"),
    [
        ("variation_put.json", {"stock_quantity": 40}, 40, "instock"),
        ("variation_put_negative.json", {"stock_quantity": -3}, -3, "outofstock"),
        ("variation_put_null.json", {"stock_quantity": None}, 0, "outofstock"),
    ],
)
async def test_a_variation_is_written_as_recorded(
    client: WooClient, name: str, body: JSON, number: int, status: str
) -> None:
    theirs = recorded(name)["body"]
    assert (theirs["stock_quantity"], theirs["stock_status"]) == (number, status)
    ours = await client.put(OWN, body)
    check_answer("variation", ours)
    for key in ("manage_stock", "stock_quantity", "stock_status", "backorders", "backorders_allowed", "backordered"):
        assert ours[key] == theirs[key], key


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("variation_put_fraction.json", OWN, {"stock_quantity": 2.5}),
        ("variation_put_bad_value.json", OWN, {"stock_quantity": "lots"}),
        ("variation_put_not_found.json", f"/products/{CELL.product_id}/variations/999999", {"stock_quantity": 1}),
        ("variation_by_product_route.json", f"/products/{CELL.id}", {"stock_quantity": 8}),
        ("variations_batch_too_many.json", BATCH, {"update": [{"id": CELL.id, "stock_quantity": 43}] * 101}),
    ],
)
async def test_a_bad_write_is_refused_as_recorded(client: WooClient, name: str, path: str, body: JSON) -> None:
    theirs = recorded(name)
    assert await client.refused("PUT", path, body) == (theirs["status"], theirs["body"])
    assert await shown(client) == SEASON


@pytest.mark.contract
async def test_a_batch_does_what_it_can_and_says_of_each_item_what_it_could_not(client: WooClient) -> None:
    theirs = recorded("variations_batch_partial_failure.json")["body"]["update"]
    update: list[JSON] = [
        {"id": CELL.id, "stock_quantity": 43},
        {"id": 999999, "stock_quantity": 1},
        {"id": STRANGER.id, "stock_quantity": 1},
        {"id": OTHER.id, "stock_quantity": "lots"},
    ]
    answer = await client.call("POST", BATCH, {"update": update})
    ours = answer.json()["update"]
    assert [one["id"] for one in ours] == [one["id"] for one in update]
    assert [one.get("error") for one in ours] == [one.get("error") for one in theirs]
    assert [one.get("stock_quantity") for one in ours] == [one.get("stock_quantity") for one in theirs]
    for one in (ours[0], ours[3]):
        check_answer("variation", one)
    assert await shown(client, f"/products/{STRANGER.product_id}/variations/{STRANGER.id}") == SEASON


async def test_a_batch_of_products_takes_no_variation(client: WooClient) -> None:
    update: list[JSON] = [{"id": SIMPLE.id, "stock_quantity": 5}, {"id": CELL.id, "stock_quantity": 5}, {"id": 999999}]
    done, variation, unknown = (await client.call("POST", "/products/batch", {"update": update})).json()["update"]
    check_answer("product", done)
    assert done["stock_quantity"] == 5
    assert (variation["error"]["code"], unknown["error"]["code"]) == (
        "woocommerce_rest_invalid_product_id",
        "woocommerce_rest_product_invalid_id",
    )


async def test_a_quantity_without_manage_stock_is_dropped_with_200(client: WooClient) -> None:
    unmanaged = await client.put(OWN, {"manage_stock": False})
    assert unmanaged["stock_quantity"] is None
    dropped = await client.put(OWN, {"stock_quantity": 9})
    assert (dropped["manage_stock"], dropped["stock_quantity"]) == (False, None)
    order = await placed(client)
    assert meta(order, "_reduced_stock") is None, "what is not counted is not taken"
    kept = await client.put(OWN, {"manage_stock": True, "stock_quantity": 9})
    assert (kept["manage_stock"], kept["stock_quantity"]) == (True, 9)


async def test_a_variation_that_shares_its_parents_number_says_parent(client: WooClient) -> None:
    await client.put(f"/products/{CELL.product_id}", {"manage_stock": True, "stock_quantity": 20})
    await client.put(OWN, {"manage_stock": False})
    found = await client.get(OWN)
    check_answer("variation", found)
    assert (found["manage_stock"], found["stock_quantity"]) == ("parent", 20)
    await placed(client)
    assert await shown(client) == 17
    counted = await client.put(OWN, {"manage_stock": True, "stock_quantity": 4})
    assert (counted["manage_stock"], counted["stock_quantity"]) == (True, 4)
    assert await shown(client, f"/products/{CELL.product_id}") == 17


async def test_a_shop_that_manages_no_stock_counts_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(QUICK, manage_stock=False)) as client:
        assert (await client.get("/settings/products/woocommerce_manage_stock"))["value"] == "no"
        written = await client.put(OWN, {"manage_stock": True, "stock_quantity": 4})
        assert (written["manage_stock"], written["stock_quantity"]) == (False, SEASON)
        assert meta(await placed(client), "_reduced_stock") is None


async def test_a_change_of_a_variation_rings_with_the_variation_as_body(client: WooClient) -> None:
    async with serving(saying(lambda asked: Reply(200, b"{}"))) as ear:
        hook = {"topic": "product.updated", "delivery_url": f"{ear.url}/in", "secret": "s"}
        assert (await client.call("POST", "/webhooks", hook)).status_code == 201
        await client.put(OWN, {"stock_quantity": 40})

        async def heard() -> list[JSON]:
            return [json.loads(one.body) for one in ear.asked if "x-wc-webhook-topic" in one.headers]

        await until(heard, bool)
        await placed(client, 3)
        _, sold = await until(heard, lambda found: len(found) == 2)
    assert (sold["id"], sold["type"], sold["parent_id"]) == (CELL.id, "variation", CELL.product_id)
    assert sold["stock_quantity"] == 37
    check_answer("product", sold)


# --- what goes wrong


async def hung_up(client: WooClient, path: str, body: JSON) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.call("PUT", path, body)


async def test_an_answer_is_lost_before_and_after_the_effect(client: WooClient) -> None:
    await client.order_faults(once={"stock_lost": 1})
    await hung_up(client, OWN, {"stock_quantity": 4})
    assert await shown(client) == SEASON
    await client.order_faults(once={"stock_answer_lost": 1})
    await hung_up(client, OWN, {"stock_quantity": 4})
    assert await shown(client) == 4


async def test_a_write_lands_after_whoever_asked_has_given_up(client: WooClient) -> None:
    await client.order_faults(once={"stock_late": 1}, values={"stock_late_ms": 1_000})
    await hung_up(client, OWN, {"stock_quantity": 4})
    await client.put(OWN, {"stock_quantity": 9})
    await until(lambda: shown(client), lambda number: bool(number == 4))


async def test_a_client_that_leaves_does_not_stop_the_write(client: WooClient) -> None:
    await client.order_faults(values={"write_least_ms": 300, "write_most_ms": 300})
    with anyio.move_on_after(0.1):
        await client.put(OWN, {"stock_quantity": 4})
    await until(lambda: shown(client), lambda number: bool(number == 4))


async def test_a_batch_that_breaks_off_has_done_its_first_half(client: WooClient) -> None:
    await client.order_faults(once={"batch_500": 1})
    update = [{"id": cell.id, "stock_quantity": 4} for cell in (CELL, OTHER)]
    answer = await client.call("POST", BATCH, {"update": update})
    assert answer.status_code == 500
    other = f"/products/{OTHER.product_id}/variations/{OTHER.id}"
    assert (await shown(client), await shown(client, other)) == (4, SEASON)


async def test_a_plugin_counts_anew_what_was_just_written(client: WooClient) -> None:
    await client.order_faults(once={"plugin_counts": 1})
    assert (await client.put(OWN, {"stock_quantity": 4}))["stock_quantity"] == 4
    assert await shown(client) == 3
    assert (await client.books("stock_moves"))[-1]["why"] == "a plugin"


async def test_only_so_many_writes_are_worked_on_at_once() -> None:
    workers, busy, most = Workers(2), 0, 0

    async def job() -> None:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        await anyio.wait_all_tasks_blocked()
        busy -= 1

    async with background() as tasks:
        workers.tasks = tasks
        async with anyio.create_task_group() as callers:
            for _ in range(5):
                callers.start_soon(workers.done, job)
    assert (busy, most) == (0, 2)


async def test_what_a_worker_raises_comes_to_whoever_asked() -> None:
    async def job() -> None:
        raise LookupError("gone")

    async with background() as tasks:
        workers = Workers(1)
        workers.tasks = tasks
        for _ in range(2):
            with pytest.raises(LookupError):
                await workers.done(job)


async def test_a_shop_may_have_more_styles_than_the_season(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(QUICK, more_styles=3)) as client:
        parents = [one for one in await client.get("/products", per_page=100) if one["sku"].startswith("MORE-")]
        assert len(parents) == 3
        variations = await client.get(f"/products/{parents[0]['id']}/variations", per_page=100)
        assert len({one["sku"] for one in variations}) == 8
        for one in variations:
            check_answer("variation", one)
    assert not {one["sku"] for one in variations} & {sku.upc for sku in SKUS}


async def test_a_batch_waits_for_the_key_like_any_call(client: WooClient) -> None:
    reading = await client.http.put(
        f"{API}{OWN}", json={"stock_quantity": 1}, headers=SECURE, auth=("ck_sandbox_read", "cs_sandbox_read")
    )
    assert (reading.status_code, KEYS[0]) == (401, "ck_sandbox")
    assert await shown(client) == SEASON
