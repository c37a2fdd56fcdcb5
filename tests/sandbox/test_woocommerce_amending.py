"""Orders that are cancelled and marked in the simulated WooCommerce (contract 1.2, 1.8; recorded/orders), each answer
held against what was recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import contract_path
from tests.sandbox.woocommerce_client import JSON, QUICK, WooClient, shop
from tests.wordpress import check_answer, check_request

pytestmark = pytest.mark.contract


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[WooClient]:
    async with shop(tmp_path, QUICK) as found:
        yield found


async def put(client: WooClient, order: JSON, body: JSON) -> JSON:
    path = f"/orders/{order['id']}"
    check_request("PUT", path, {}, body)
    answer = await client.call("PUT", path, body)
    assert answer.status_code == 200, answer.text
    check_answer("order", answer.json())
    return dict(answer.json())


def recorded(name: str) -> JSON:
    content: JSON = json.loads(contract_path("woocommerce", "recorded", "orders", name).read_bytes())["response"]
    return dict(content["body"])


async def test_a_cancelled_order_gives_back_its_stock_once_and_no_money(client: WooClient) -> None:
    order = await client.place(lines=[{"sku": "040123000013", "quantity": 2}])
    first = await put(client, order, {"status": "cancelled"})
    again = await put(client, order, {"status": "cancelled"})
    assert set(first) == set(recorded("put_cancelled.json"))
    assert [one["status"] for one in (first, again)] == ["cancelled", "cancelled"]
    assert [(one["total"], one["date_paid_gmt"], one["refunds"]) for one in (first, again)] == [
        (order["total"], order["date_paid_gmt"], [])
    ] * 2
    assert "_reduced_stock" in [row["key"] for row in order["line_items"][0]["meta_data"]]
    assert "_reduced_stock" not in [row["key"] for row in again["line_items"][0]["meta_data"]]
    assert [one["by"] for one in await client.books("stock_moves")] == ["order", "restock"]


async def test_meta_data_is_kept_under_its_key_and_moves_the_date_a_note_does_not(client: WooClient) -> None:
    order = await client.place(lines=[{"sku": "040123000013"}])
    await client.post_door("clock", {"advance_seconds": 60})
    noted = await client.call("POST", f"/orders/{order['id']}/notes", {"note": "seen", "customer_note": False})
    assert noted.status_code == 201
    assert (await client.get(f"/orders/{order['id']}"))["date_modified_gmt"] == order["date_modified_gmt"]
    for value in ("A", "A", "B"):
        kept = await put(client, order, {"meta_data": [{"key": "_mark", "value": value}]})
        assert [one["value"] for one in kept["meta_data"] if one["key"] == "_mark"] == [value]
        assert [one for one in kept["meta_data"] if one["key"] != "_mark"] == order["meta_data"]
        assert kept["date_modified_gmt"] > order["date_modified_gmt"]


@pytest.mark.parametrize(("fault", "status"), [("amend_call_lost", "processing"), ("amend_answer_lost", "cancelled")])
async def test_a_write_of_an_order_may_be_lost_or_its_answer(client: WooClient, fault: str, status: str) -> None:
    order = await client.place(lines=[{"sku": "040123000013"}])
    await client.order_faults(once={fault: 1})
    assert (await client.get(f"/orders/{order['id']}"))["status"] == "processing"
    with pytest.raises(httpx.TransportError):
        await put(client, order, {"status": "cancelled"})
    assert (await client.get(f"/orders/{order['id']}"))["status"] == status
