"""What the room writes to a store: its own hooks, and nothing else, whatever it is asked to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from bcbridge.connectors.base import Severity
from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.connectors.bigcommerce.webhook import SCOPES
from bcbridge.sandbox import bigcommerce as sandbox
from tests.connectors.bigcommerce.answers import HASH
from tests.connectors.bigcommerce.stores import SECRETS, a_room, listed, shown
from tests.contract.kit import Asked
from tests.contract.outside import Handler, serving
from tests.openapi import check_request

PUBLIC = "http://127.0.0.1:9/"
OURS = "http://127.0.0.1:9/hooks/bc"
API = f"/stores/{HASH}"
TANK = {"sku": "040123000020", "quantity": 2, "price": "28.00"}
DISCOUNTED = {"lines": [TANK], "discounts": [{"code": "WELCOME10", "amount": "5.00"}]}
LOYALTY = {"scope": SCOPES[0], "destination": "http://127.0.0.1:11/", "is_active": True, "headers": None}


def passing(store: httpx.AsyncClient) -> Handler:
    """Hands on what is asked, and what is answered."""

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        headers = {name: value for name, value in asked.headers.items() if name not in ("host", "content-length")}
        answer = await store.request(asked.method, request.raw_path, content=asked.body, headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name.startswith("x-rate-limit")}
        return web.Response(status=answer.status_code, body=answer.content, headers=kept)

    return handler


async def everything(room: BigCommerce) -> None:
    """All that the house ever asks of the room."""
    await room.ping()
    found = [ref for one in room.orders.lists for ref in shown(await listed(one))]
    found += shown([page async for page in room.orders.sweep(datetime.now(UTC) - timedelta(days=1))])
    assert [room.orders.read(one).id for one in await room.orders.fetch(found)]
    await room.keeper.keep(PUBLIC)
    assert [one for one in await room.doctor() if one.severity is Severity.ERROR] == []


async def test_24_whatever_the_room_is_asked_it_writes_nothing_but_its_own_hooks(tmp_path: Path) -> None:
    """Writing to an order would wipe its discounts and fees."""
    settings = sandbox.BigCommerceSettings(store_hash=HASH, access_token=SECRETS["env:TOKEN"], quota=1e6)
    token = {"X-Auth-Token": SECRETS["env:TOKEN"], "Accept": "application/json"}
    async with (
        sandbox.serving(tmp_path, settings=settings) as server,
        httpx.AsyncClient(base_url=server.url, headers=token, timeout=20) as store,
        serving(passing(store)) as watched,
    ):
        for order in (DISCOUNTED, {"lines": [TANK], "fees": [{"name": "Package protection", "amount": "2.00"}]}):
            (await store.post("/_sandbox/orders", json=order)).raise_for_status()
        (await store.post(f"{API}/v3/hooks", json=LOYALTY)).raise_for_status()
        room = a_room(watched.url, webhook_secret="env:WORD", client_secret="env:KEY")
        before = await held(store)
        await everything(room)
        ours = next(one for one in await hooks(store) if one["destination"] == OURS)
        (await store.put(f"{API}/v3/hooks/{ours['id']}", json={"is_active": False})).raise_for_status()
        await everything(room)
        await room.aclose()
        assert await held(store) == before
    writes = [asked for asked in watched.asked if asked.method != "GET"]
    assert {asked.method for asked in writes} == {"POST", "PUT"}
    assert {asked.path.removeprefix(f"{API}/v3/").split("/")[0] for asked in writes} == {"hooks"}
    assert {json.loads(asked.body)["destination"] for asked in writes} == {OURS}
    for asked in watched.asked:
        check_request(asked.method, asked.path, asked.query, json.loads(asked.body) if asked.body else None)


async def hooks(store: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await store.get(f"{API}/v3/hooks", params={"limit": 250})).json()["data"]
    return found


async def held(store: httpx.AsyncClient) -> dict[str, Any]:
    """What the store has: its orders, its products, and what others hung up there."""
    books = (await store.get("/_sandbox/books/orders?limit=5000")).json()["orders"]
    assert len(books) == 2
    return {
        "orders": [(await store.get(f"/_sandbox/orders/{one['id']}")).json() for one in books],
        "variants": (await store.get(f"{API}/v3/catalog/variants", params={"limit": 250})).json()["data"],
        "hooks": [one for one in await hooks(store) if one["destination"] != OURS],
    }
