"""Orders written in the simulated BigCommerce (woo_bigcommerce_magento.md 2.3, 2.8; orders.v2.oas2.yml), each call and
each answer held against the vendor's OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.bigcommerce_client import LAVISH, ShopClient, shop
from tests.sandbox.test_bigcommerce_stock import TANK, number

JSON = dict[str, Any]
LINES = [{"sku": TANK.upc, "quantity": 2}]
FEES = [{"name": "Package protection", "amount": "2.50"}, {"name": "Gift bag", "amount": "1.00"}]

pytestmark = pytest.mark.contract


@pytest.fixture
async def sold(tmp_path: Path) -> AsyncIterator[ShopClient]:
    async with shop(tmp_path) as client:
        yield client


async def put(sold: ShopClient, order: int, status: int = 200, **fields: Any) -> JSON:
    answer = await sold.call("PUT", f"v2/orders/{order}", fields)
    assert answer.status_code == status, answer.text
    return dict(answer.json()) if status == 200 else {}


async def fees(sold: ShopClient, order: int) -> list[JSON]:
    return list((await sold.get(f"v2/orders/{order}", include="fees"))["fees"])


@pytest.mark.parametrize("gives_back", [False, True])
async def test_a_cancelled_order_gives_back_its_stock_where_the_store_says_so_and_no_money(
    tmp_path: Path, *, gives_back: bool
) -> None:
    async with shop(tmp_path, replace(LAVISH, refund_order_stock_adjustment=gives_back)) as sold:
        order = await sold.place(lines=LINES)
        before = await sold.door("GET", f"orders/{order}")
        for _ in range(2):
            shown = await put(sold, order, status_id=5)
            assert (shown["status_id"], shown["status"]) == (5, "Cancelled")
        after = await sold.door("GET", f"orders/{order}")
        assert await number(sold) == (10_000 if gives_back else 9_998)
    assert (after["transactions"], after["refunds"]) == (before["transactions"], [])
    assert after["payment_status"] == before["payment_status"]


async def test_what_it_cannot_be_is_refused_and_changes_nothing(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES, fees=FEES)
    before = await sold.door("GET", f"orders/{order}")
    await put(sold, order, 400, status_id=15)
    longer = {"staff_notes": "x" * 65_536}
    assert (await sold.http.put(f"/stores/sandbox1/v2/orders/{order}", json=longer)).status_code == 400
    await put(sold, order, 400, fees=[{"id": 999}])
    assert await sold.door("GET", f"orders/{order}") == before


async def test_fees_that_are_named_are_all_there_are(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES, fees=FEES)
    first, second = await fees(sold, order)
    total = float((await sold.get(f"v2/orders/{order}"))["total_inc_tax"])
    await put(sold, order, staff_notes="seen")
    assert await fees(sold, order) == [first, second]
    changed = await put(sold, order, fees=[{"id": second["id"], "display_name_customer": "Bag"}])
    assert await fees(sold, order) == [{**second, "display_name_customer": "Bag"}]
    assert float(changed["total_inc_tax"]) == pytest.approx(total - 2.50)


async def test_a_store_that_reads_its_vendors_words_otherwise_drops_fees_that_are_not_named(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES, fees=FEES)
    await sold.faults(rates={"put_drops_fees": 1})
    await put(sold, order, staff_notes="seen", fees=[{"id": one["id"]} for one in await fees(sold, order)])
    assert len(await fees(sold, order)) == 2
    await put(sold, order, staff_notes="seen")
    assert await fees(sold, order) == []


@pytest.mark.parametrize(("fault", "status"), [("amend_call_lost", 11), ("amend_answer_lost", 5)])
async def test_a_put_of_an_order_may_be_lost_or_its_answer(sold: ShopClient, fault: str, status: int) -> None:
    order = await sold.place(lines=LINES)
    await sold.faults(once={fault: 1})
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 11
    with pytest.raises(httpx.TransportError):
        await put(sold, order, status_id=5)
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == status
