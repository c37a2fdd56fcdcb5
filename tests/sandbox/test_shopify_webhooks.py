"""Webhooks of the sandbox's shop: signed, repeated, late, lost; never to another machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from blockbuster import blockbuster_ctx

from bcbridge.sandbox.base import Server
from bcbridge.sandbox.shopify import ShopifySettings
from tests.conftest import contract_path
from tests.sandbox.shopify_client import JSON, ShopClient, shop, until

UPC = "040123000013"
QUICK = ShopifySettings(index_lag_seconds=0, retry_seconds=0.01, webhook_timeout_seconds=1)
SUBSCRIBE = """
mutation ($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri}) {
    webhookSubscription { id topic uri } userErrors { field message } } }
"""
SUBSCRIPTIONS = "{ webhookSubscriptions(first: 50) { nodes { id topic uri } } }"


@dataclass
class Ear:
    """An endpoint that listens, and answers what it is told to."""

    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    usual: int = 200

    async def hear(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append((headers, await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else self.usual)

    def bodies(self, topic: str) -> list[JSON]:
        return [orjson.loads(body) for headers, body in self.heard if headers["x-shopify-topic"] == topic]

    async def has(self, count: int) -> None:
        await until(self.counted, lambda found: bool(found >= count))

    async def counted(self) -> int:
        return len(self.heard)


@asynccontextmanager
async def ear() -> AsyncIterator[Ear]:
    listening = Ear()
    app = web.Application()
    app.add_routes([web.post("/hooks", listening.hear)])
    async with Server.running(app) as server:
        listening.url = server.url + "/hooks"
        yield listening


async def subscribe(client: ShopClient, uri: str, *topics: str) -> None:
    for topic in topics:
        data = await client.ask(SUBSCRIBE, topic=topic, uri=uri)
        assert data["webhookSubscriptionCreate"]["userErrors"] == []


async def outcomes(client: ShopClient) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in (await client.get("/_sandbox/books/deliveryCounts"))["deliveryCounts"]:
        found[row["outcome"]] = found.get(row["outcome"], 0) + row["count"]
    return found


async def all_ended(client: ShopClient) -> dict[str, int]:
    async def waiting() -> int:
        rows = (await client.get("/_sandbox/books/deliveries"))["deliveries"]
        return sum(row["state"] == "waiting" for row in rows)

    await until(waiting, lambda left: bool(left == 0))
    return await outcomes(client)


async def test_a_webhook_carries_shopifys_headers_and_a_signature_over_its_bytes(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        placed = await client.place(lines=[{"sku": UPC}])
        await listening.has(1)
        headers, body = listening.heard[0]
        digest = hmac.new(b"sandbox-secret", body, hashlib.sha256).digest()
        assert headers["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()
        assert headers["x-shopify-topic"] == "orders/create"
        assert headers["x-shopify-shop-domain"] == "bcbridge-sandbox.myshopify.com"
        assert headers["x-shopify-api-version"] == "2026-10"
        assert headers["x-shopify-webhook-id"] != headers["x-shopify-event-id"]
        assert headers["x-shopify-triggered-at"].endswith("Z")
        assert orjson.loads(body)["admin_graphql_api_id"] == placed["id"]


async def test_one_sale_rings_each_topic_once_with_one_event(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE", "ORDERS_PAID", "ORDERS_UPDATED")
        await client.place(lines=[{"sku": UPC}])
        await listening.has(3)
        assert {one["x-shopify-topic"] for one, _ in listening.heard} == {
            "orders/create",
            "orders/paid",
            "orders/updated",
        }
        assert len({one["x-shopify-event-id"] for one, _ in listening.heard}) == 1
        assert len({one["x-shopify-webhook-id"] for one, _ in listening.heard}) == 3


@pytest.mark.contract
async def test_an_orders_body_has_the_published_keys(tmp_path: Path) -> None:
    rest = contract_path("shopify", "payloads", "rest_resources_2026-07", "order.json")
    published = orjson.loads(rest.read_bytes())["order"]
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await client.place(
            lines=[{"sku": UPC, "quantity": 2}],
            discounts=[{"code": "WELCOME10", "percent": "10"}],
            tax=[{"title": "NJ State Tax", "rate": "0.06625"}],
            shipping={"title": "Standard", "price": "7.95"},
        )
        await listening.has(1)
        (body,) = listening.bodies("orders/create")
        assert set(body) <= set(published)
        assert set(body["line_items"][0]) <= {*published["line_items"][0], "current_quantity"}
        assert set(body["shipping_lines"][0]) <= set(published["shipping_lines"][0])
        assert same_kinds(body, published) == []


def same_kinds(mine: JSON, published: JSON) -> list[str]:
    """Keys whose values are of another JSON kind than the published ones (null fits anything)."""
    return [
        key
        for key, value in mine.items()
        if value is not None and published[key] is not None and type(value) is not type(published[key])
    ]


async def test_a_failed_webhook_is_sent_again_with_the_same_bytes_and_id(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        listening.answers = [500, 302, 404]
        await subscribe(client, listening.url, "ORDERS_CREATE")
        placed = await client.place(lines=[{"sku": UPC}])
        await client.http.patch(f"/_sandbox/orders/{placed['legacyResourceId']}", json={"note": "changed meanwhile"})
        await listening.has(4)
        assert len({body for _, body in listening.heard}) == 1
        assert len({one["x-shopify-webhook-id"] for one, _ in listening.heard}) == 1
        assert await all_ended(client) == {"attempt failed": 3, "delivered": 1}


async def test_after_the_eighth_repeat_the_subscription_is_gone(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        listening.usual = 503
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await client.place(lines=[{"sku": UPC}])
        counts = await all_ended(client)
        assert len(listening.heard) == 9
        assert counts["failed"] == 1
        assert (await client.ask(SUBSCRIPTIONS))["webhookSubscriptions"]["nodes"] == []


async def test_only_this_machine_can_be_subscribed(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client:
        data = await client.ask(SUBSCRIBE, topic="ORDERS_CREATE", uri="https://hooks.example.com/orders")
        made = data["webhookSubscriptionCreate"]
        assert made["webhookSubscription"] is None
        assert made["userErrors"][0]["field"] == ["webhookSubscription", "uri"]


async def test_the_same_address_is_not_taken_twice_for_a_topic(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client:
        await subscribe(client, "http://127.0.0.1:9/hooks", "ORDERS_CREATE")
        data = await client.ask(SUBSCRIBE, topic="ORDERS_CREATE", uri="http://127.0.0.1:9/hooks")
        assert "taken" in data["webhookSubscriptionCreate"]["userErrors"][0]["message"]


async def strike(client: ShopClient, fault: str, **values: Any) -> None:
    await client.post("/_sandbox/faults", {"once": {fault: 1}, "values": values})


async def test_a_dropped_webhook_never_comes(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await strike(client, "webhook_drop")
        await client.place(lines=[{"sku": UPC}])
        assert await all_ended(client) == {"dropped": 1}
        assert listening.heard == []


async def test_a_webhook_may_come_twice_with_the_same_ids(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await strike(client, "webhook_twice")
        await client.place(lines=[{"sku": UPC}])
        await listening.has(2)
        assert len({one["x-shopify-webhook-id"] for one, _ in listening.heard}) == 1
        assert await all_ended(client) == {"delivered": 2}


async def test_a_stale_webhook_tells_of_an_older_moment_under_a_good_signature(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await strike(client, "webhook_stale")
        await client.place(lines=[{"sku": UPC}])
        await listening.has(1)
        headers, body = listening.heard[0]
        assert orjson.loads(body)["financial_status"] == "pending"
        digest = hmac.new(b"sandbox-secret", body, hashlib.sha256).digest()
        assert headers["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()


async def test_a_badly_signed_webhook_does_not_verify(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await strike(client, "webhook_bad_hmac")
        await client.place(lines=[{"sku": UPC}])
        await listening.has(1)
        headers, body = listening.heard[0]
        digest = hmac.new(b"sandbox-secret", body, hashlib.sha256).digest()
        assert headers["x-shopify-hmac-sha256"] != base64.b64encode(digest).decode()


async def test_a_late_webhook_is_overtaken_by_a_later_one(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        await subscribe(client, listening.url, "ORDERS_CREATE")
        await strike(client, "webhook_reorder", webhook_reorder_ms=300)
        first = await client.place(lines=[{"sku": UPC}])
        await until(lambda: client.get("/_sandbox/faults"), lambda said: said["faults"]["webhook_reorder"]["left"] == 0)
        second = await client.place(lines=[{"sku": UPC}])
        await listening.has(2)
        heard = [body["admin_graphql_api_id"] for body in listening.bodies("orders/create")]
        assert heard == [second["id"], first["id"]]


async def test_what_happens_to_an_order_rings_its_own_topic(tmp_path: Path) -> None:
    async with shop(tmp_path, QUICK) as client, ear() as listening:
        topics = (
            "ORDERS_EDITED",
            "ORDERS_PAID",
            "ORDERS_CANCELLED",
            "REFUNDS_CREATE",
            "FULFILLMENT_ORDERS_HOLD_RELEASED",
        )
        await subscribe(client, listening.url, *topics)
        placed = await client.place(lines=[{"sku": UPC, "quantity": 2}], payment="pending", hold="OTHER")
        path = f"/_sandbox/orders/{placed['legacyResourceId']}"
        for what, details in (("edit", {"0": 1}), ("release", {}), ("pay", {}), ("cancel", {})):
            await client.post(f"{path}/{what}", details)
        await listening.has(5)
        assert sorted(one["x-shopify-topic"] for one, _ in listening.heard) == [
            "fulfillment_orders/hold_released",
            "orders/cancelled",
            "orders/edited",
            "orders/paid",
            "refunds/create",
        ]
        (edited,) = listening.bodies("orders/edited")
        assert edited["order_edit"]["line_items"]["removals"][0]["delta"] == 1
        (released,) = listening.bodies("fulfillment_orders/hold_released")
        assert released["fulfillment_order"]["status"] == "open"


async def test_webhooks_not_yet_delivered_go_on_after_a_restart(tmp_path: Path) -> None:
    slow = ShopifySettings(index_lag_seconds=0, retry_seconds=0.3, webhook_timeout_seconds=1)
    async with ear() as listening:
        listening.answers = [503]
        async with shop(tmp_path, slow) as client:
            await subscribe(client, listening.url, "ORDERS_CREATE")
            await client.place(lines=[{"sku": UPC}])
            await listening.has(1)
        async with shop(tmp_path, slow) as client:
            await listening.has(2)
            assert (await all_ended(client))["delivered"] == 1
        assert len({body for _, body in listening.heard}) == 1


async def test_nothing_the_shop_does_holds_up_the_event_loop(tmp_path: Path) -> None:
    with blockbuster_ctx():
        async with shop(tmp_path, QUICK) as client, ear() as listening:
            await subscribe(client, listening.url, "ORDERS_CREATE")
            plan = await client.post("/_sandbox/sell", {"orders": 20, "seed": 1})
            await client.sold(plan["plan"])
            await listening.has(20)
            assert await client.ask("{ orders(first: 5) { nodes { id } } }")
            assert await client.get("/_sandbox/books")
