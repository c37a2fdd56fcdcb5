"""What the room writes to a shop: its own webhooks, and nothing else, whatever it is asked to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Severity
from tests.connectors.woocommerce.shops import API, World, a_shop, listed, refs

pytestmark = pytest.mark.contract

PUBLIC = "http://127.0.0.1:9/"
OURS = "http://127.0.0.1:9/hooks/shop"
LOYALTY = {"topic": "order.updated", "delivery_url": "http://127.0.0.1:11/", "secret": "s", "name": "loyalty"}


async def everything(shop: World) -> None:
    """All that the house ever asks of the room."""
    room = shop.room
    await room.ping()
    found = [ref for one in room.orders.lists for ref in refs(await listed(one))]
    found += refs([page async for page in room.orders.sweep(datetime.now(UTC) - timedelta(days=1))])
    assert [room.orders.read(one).id for one in await room.orders.fetch(found)]
    await room.keeper.keep(PUBLIC)
    assert [one for one in await room.doctor() if one.severity is Severity.ERROR] == []


async def test_trap_4_8_9_whatever_the_room_is_asked_it_writes_nothing_but_its_own_webhooks(tmp_path: Path) -> None:
    """No refund that moves money, no batch whose errors nobody reads, no stock that is dropped in silence."""
    async with a_shop(tmp_path) as shop:
        whole, back = await shop.place(), await shop.place()
        await shop.happens(back, "refund", lines={"0": 1})
        theirs = (await shop.call("POST", "/webhooks", LOYALTY))["id"]
        before = await held(shop)
        await everything(shop)
        ours = next(one for one in await shop.call("GET", "/webhooks") if one["delivery_url"] == OURS)
        await shop.call("PUT", f"/webhooks/{ours['id']}", {"status": "disabled"})
        await everything(shop)
        assert await held(shop) == before
        assert {str(one["id"]) for one in before["orders"]} == {whole, back}
        writes = [asked for asked in shop.watched.asked if asked.method != "GET"]
        assert {asked.method for asked in writes} >= {"POST", "DELETE"}
        assert {asked.path.removeprefix(API).split("/")[1] for asked in writes} == {"webhooks"}
        assert {json.loads(asked.body)["delivery_url"] for asked in writes if asked.method == "POST"} == {OURS}
        assert f"{API}/webhooks/{theirs}" not in {asked.path for asked in writes}


async def held(shop: World) -> dict[str, Any]:
    """What the shop has: its orders with their refunds, its products, and what others hung up there."""
    books = (await shop.http.get("/_sandbox/books/orders?limit=5000")).json()
    return {
        "orders": [(await shop.http.get(f"/_sandbox/orders/{one['id']}")).json() for one in books["orders"]],
        "products": await shop.call("GET", "/products", per_page="100"),
        "webhooks": [one for one in await shop.call("GET", "/webhooks") if one["delivery_url"] != OURS],
    }
