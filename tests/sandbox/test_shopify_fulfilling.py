"""Fulfilling in the simulated Shopify: what the published operations do (contracts/shopify/NOTES.md 1.7)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, print_ast
from graphql.utilities import separate_operations

from bcbridge.sandbox.shopify import ShopifySettings
from bcbridge.sandbox.shopify.world import CELLS, locations
from tests.conftest import contract_path
from tests.sandbox.shopify_client import JSON, ShopClient, shop
from tests.sandbox.test_shopify_stock import quantities

NJ, CA = (one["name"] for one in locations())
ONE, TWO = CELLS[:2]
FULFILMENT_ORDERS = """query($id: ID!) { order(id: $id) {
  displayFulfillmentStatus
  fulfillmentOrders(first: 5) { nodes { id status assignedLocation { name }
    supportedActions { action } lineItems(first: 5) { nodes { id totalQuantity remainingQuantity lineItem { id } } } } }
  lineItems(first: 5) { nodes { id unfulfilledQuantity } }
  fulfillments(first: 5) { id name status location { name } trackingInfo { company number url }
    fulfillmentLineItems(first: 5) { nodes { quantity lineItem { id } } } } } }"""

pytestmark = pytest.mark.contract


@cache
def operation(name: str) -> str:
    text = contract_path("shopify", "operations-2026-10.graphql").read_text("utf-8")
    return print_ast(separate_operations(parse(text))[name])


async def ship(client: ShopClient, *groups: JSON, **more: Any) -> JSON:
    asked = {"lineItemsByFulfillmentOrder": list(groups), **more}
    return dict((await client.ask(operation("Ship"), fulfillment=asked))["fulfillmentCreate"])


async def looked(client: ShopClient, order: JSON) -> JSON:
    return dict((await client.ask(FULFILMENT_ORDERS, id=order["id"]))["order"])


def group(fulfilment_order: JSON, *pieces: int) -> JSON:
    """So many of each of its lines."""
    lines = zip(fulfilment_order["lineItems"]["nodes"], pieces, strict=False)
    named = [{"id": line["id"], "quantity": count} for line, count in lines if count]
    return {"fulfillmentOrderId": fulfilment_order["id"], "fulfillmentOrderLineItems": named}


async def two_lines(client: ShopClient, **more: Any) -> tuple[JSON, list[JSON]]:
    placed = await client.place(
        lines=[{"sku": ONE.sku.upc, "quantity": 3}, {"sku": TWO.sku.upc, "quantity": 1}], **more
    )
    return placed, (await looked(client, placed))["fulfillmentOrders"]["nodes"]


async def test_pieces_leave_in_parts_until_none_is_left(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed, (waiting,) = await two_lines(client)
        first = await ship(client, group(waiting, 2), trackingInfo={"company": "UPS", "numbers": ["1Z1", "1Z2"]})
        part = await looked(client, placed)
        await ship(
            client, {"fulfillmentOrderId": waiting["id"]}, trackingInfo={"number": "X9", "url": "https://x.test/9"}
        )
        whole = await looked(client, placed)
    assert first["userErrors"] == []
    assert [one["number"] for one in first["fulfillment"]["trackingInfo"]] == ["1Z1", "1Z2"]
    assert "1Z1" in first["fulfillment"]["trackingInfo"][0]["url"]
    (order,) = part["fulfillmentOrders"]["nodes"]
    assert (part["displayFulfillmentStatus"], order["status"]) == ("PARTIALLY_FULFILLED", "IN_PROGRESS")
    assert [line["remainingQuantity"] for line in order["lineItems"]["nodes"]] == [1, 1]
    assert [line["unfulfilledQuantity"] for line in part["lineItems"]["nodes"]] == [1, 1]
    assert (whole["displayFulfillmentStatus"], whole["fulfillmentOrders"]["nodes"][0]["status"]) == (
        "FULFILLED",
        "CLOSED",
    )
    assert [one["name"] for one in whole["fulfillments"]] == [f"{placed['name']}-F1", f"{placed['name']}-F2"]
    assert whole["fulfillments"][1]["trackingInfo"] == [{"company": None, "number": "X9", "url": "https://x.test/9"}]


async def test_what_has_left_is_no_longer_committed(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        before = await quantities(client)
        _, (waiting,) = await two_lines(client)
        sold = await quantities(client)
        await ship(client, group(waiting, 2))
        after = await quantities(client)
    assert (sold["available"], sold["committed"]) == (before["available"] - 3, before["committed"] + 3)
    assert (after["available"], after["committed"]) == (sold["available"], sold["committed"] - 2)
    assert after["on_hand"] == before["on_hand"] - 2


async def test_the_same_call_again_ships_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed, (waiting,) = await two_lines(client)
        for _ in range(2):
            assert (await ship(client, group(waiting, 1)))["userErrors"] == []
        found = await looked(client, placed)
    assert len(found["fulfillments"]) == 2


@pytest.mark.parametrize("pieces", [(4,), (0, 2)])
async def test_no_more_than_is_left(tmp_path: Path, pieces: tuple[int, ...]) -> None:
    async with shop(tmp_path) as client:
        _, (waiting,) = await two_lines(client)
        said = await ship(client, group(waiting, *pieces))
    assert said["fulfillment"] is None
    assert said["userErrors"][0]["message"] == "Invalid fulfillment order line item quantity requested."


async def test_one_call_is_of_one_location(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": ONE.sku.upc, "location": NJ}, {"sku": TWO.sku.upc, "location": CA}])
        waiting = (await looked(client, placed))["fulfillmentOrders"]["nodes"]
        said = await ship(client, *({"fulfillmentOrderId": one["id"]} for one in waiting))
        alone = await ship(client, {"fulfillmentOrderId": waiting[1]["id"]})
        found = await looked(client, placed)
    assert said["userErrors"][0]["message"] == "All fulfillment orders must be assigned to a single location."
    assert alone["userErrors"] == []
    assert [one["location"]["name"] for one in found["fulfillments"]] == [waiting[1]["assignedLocation"]["name"]]


async def test_what_is_held_is_not_shipped(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed, (waiting,) = await two_lines(client)
        await client.post(f"/_sandbox/orders/{placed['name'].lstrip('#')}/hold", {"reason": "HIGH_RISK_OF_FRAUD"})
        said = await ship(client, group(waiting, 1))
    assert "unfulfillable status= on_hold" in said["userErrors"][0]["message"]


async def test_a_tracking_number_is_corrected(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed, (waiting,) = await two_lines(client)
        made = (await ship(client, group(waiting, 1), trackingInfo={"number": "WRONG"}))["fulfillment"]
        asked = {"company": "FedEx", "number": "7712"}
        said = await client.ask(operation("UpdateTracking"), id=made["id"], t=asked, notify=True)
        (shown,) = (await looked(client, placed))["fulfillments"]
        books = await client.order(placed["name"])
    assert said["fulfillmentTrackingInfoUpdate"]["userErrors"] == []
    assert [(one["company"], one["number"]) for one in shown["trackingInfo"]] == [("FedEx", "7712")]
    assert [one["fulfillment"] for one in books["_sandbox"]["mails"]] == [made["id"]]


async def test_a_fulfilment_that_never_left_is_taken_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed, (waiting,) = await two_lines(client)
        made = (await ship(client, {"fulfillmentOrderId": waiting["id"]}))["fulfillment"]
        await client.ask(operation("CancelFulfillment"), id=made["id"])
        found = await looked(client, placed)
        again = await ship(client, group(found["fulfillmentOrders"]["nodes"][0], 3, 1))
    assert (found["displayFulfillmentStatus"], found["fulfillments"][0]["status"]) == ("UNFULFILLED", "CANCELLED")
    assert again["userErrors"] == []


async def test_without_the_scope_nothing_is_shipped(tmp_path: Path) -> None:
    few = ShopifySettings(index_lag_seconds=0, scopes=("read_orders", "read_merchant_managed_fulfillment_orders"))
    async with shop(tmp_path, few) as client:
        _, (waiting,) = await two_lines(client)
        said = await client.said(
            operation("Ship"), fulfillment={"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": waiting["id"]}]}
        )
    assert said["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


async def test_a_refund_of_what_has_shipped_leaves_it_shipped(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed, (waiting,) = await two_lines(client)
        await ship(client, group(waiting, 3, 1))
        await client.post(
            f"/_sandbox/orders/{placed['name'].lstrip('#')}/refund", {"lines": {"0": 1}, "restock": False}
        )
        found = await looked(client, placed)
    assert (found["displayFulfillmentStatus"], found["fulfillmentOrders"]["nodes"][0]["status"]) == (
        "FULFILLED",
        "CLOSED",
    )
