"""Captures in the simulated BigCommerce (orders.v3.yml), all of it held against the vendor's OpenAPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.bigcommerce_client import ShopClient, shop
from tests.sandbox.shopify_client import until
from tests.sandbox.test_bigcommerce_amending import LINES

JSON = dict[str, Any]

pytestmark = pytest.mark.contract


async def capture(sold: ShopClient, order: int) -> httpx.Response:
    return await sold.call("POST", f"v3/orders/{order}/payment_actions/capture")


async def ended(sold: ShopClient, order: int) -> JSON:
    async def look() -> JSON:
        return dict(await sold.get(f"v2/orders/{order}"))

    return dict(await until(look, lambda found: found["payment_status"] != "capture pending"))


async def moved(sold: ShopClient, order: int) -> list[tuple[str, str]]:
    rows = (await sold.get(f"v3/orders/{order}/transactions"))["data"]
    return [(one["event"], one["status"]) for one in rows]


async def test_a_capture_is_scheduled_and_made_a_little_later(tmp_path: Path) -> None:
    async with shop(tmp_path) as sold:
        await sold.faults(values={"capture_seconds": 1})
        order = await sold.place(lines=LINES, payment="authorized")
        answer = await capture(sold, order)
        waits = await sold.get(f"v2/orders/{order}")
        again = await capture(sold, order)
        after = await ended(sold, order)
        assert await moved(sold, order) == [("authorization", "ok"), ("capture", "ok")]
    assert (answer.status_code, again.status_code) == (201, 422)
    assert (waits["payment_status"], waits["status_id"]) == ("capture pending", 7)
    assert (after["payment_status"], after["status_id"]) == ("captured", 11)


async def test_what_left_is_not_moved_by_its_money(tmp_path: Path) -> None:
    async with shop(tmp_path) as sold:
        order = await sold.place(lines=LINES, payment="authorized")
        await sold.happen(order, "ship")
        await capture(sold, order)
        assert (await ended(sold, order))["status_id"] == 2


@pytest.mark.parametrize(("payment", "happened"), [("paid", ""), ("pending", ""), ("authorized", "cancel")])
async def test_what_is_not_authorised_is_refused(tmp_path: Path, payment: str, happened: str) -> None:
    async with shop(tmp_path) as sold:
        order = await sold.place(lines=LINES, payment=payment)
        if happened:
            await sold.happen(order, happened)
        before = await sold.door("GET", f"orders/{order}")
        answer = await capture(sold, order)
        assert await sold.door("GET", f"orders/{order}") == before
        assert (await capture(sold, 99_999)).status_code == 404
    assert (answer.status_code, answer.json()["status"]) == (422, 422)


async def test_a_gateways_no_is_seen_later_and_leaves_it_authorised(tmp_path: Path) -> None:
    async with shop(tmp_path) as sold:
        order = await sold.place(lines=LINES, payment="authorized")
        await sold.faults(once={"capture_declined": 1})
        assert (await capture(sold, order)).status_code == 201
        assert (await ended(sold, order))["payment_status"] == "authorized"
        assert await moved(sold, order) == [("authorization", "ok"), ("capture", "error")]


@pytest.mark.parametrize(
    ("fault", "status"), [("capture_call_lost", "authorized"), ("capture_answer_lost", "captured")]
)
async def test_a_call_or_its_answer_may_be_lost(tmp_path: Path, fault: str, status: str) -> None:
    async with shop(tmp_path) as sold:
        order = await sold.place(lines=LINES, payment="authorized")
        await sold.faults(once={fault: 1})
        with pytest.raises(httpx.TransportError):
            await capture(sold, order)
        assert (await ended(sold, order))["payment_status"] == status
