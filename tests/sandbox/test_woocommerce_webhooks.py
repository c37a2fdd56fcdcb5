"""Webhooks of the sandbox's WooCommerce shop: built when sent, never tried again, off at the seventh failure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from bcbridge.sandbox.base import Server
from bcbridge.sandbox.woocommerce.webhooks import headers, signature
from tests.conftest import contract_path
from tests.sandbox.woocommerce_client import JSON, QUICK, WooClient, shop, until
from tests.wordpress import check_answer

UPC = "040123000013"
SECRET = "rig-webhook-secret"


@dataclass
class Ear:
    """An endpoint that listens, and answers what it is told to. Pings are kept apart."""

    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    pings: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    usual: int = 200

    async def hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        (self.heard if "X-WC-Webhook-Topic" in request.headers else self.pings).append((dict(request.headers), body))
        return web.Response(status=self.usual)

    def bodies(self) -> list[JSON]:
        return [json.loads(body) for _, body in self.heard]

    async def has(self, count: int) -> None:
        async def counted() -> int:
            return len(self.heard)

        await until(counted, lambda found: bool(found >= count))


@asynccontextmanager
async def ear() -> AsyncIterator[Ear]:
    listening = Ear()
    app = web.Application()
    app.add_routes([web.post("/hooks", listening.hear)])
    async with Server.running(app) as server:
        listening.url = server.url + "/hooks"
        yield listening


async def subscribe(client: WooClient, url: str, topic: str = "order.updated", secret: str = SECRET) -> JSON:
    answer = await client.call("POST", "/webhooks", {"topic": topic, "delivery_url": url, "secret": secret})
    assert answer.status_code == 201, answer.text
    await settled(client)
    return dict(answer.json())


async def settled(client: WooClient) -> list[JSON]:
    """Every delivery, once none is waiting."""

    async def look() -> list[JSON]:
        return await client.books("deliveries")

    found: list[JSON] = await until(look, lambda rows: all(row["state"] != "waiting" for row in rows))
    return found


async def outcomes(client: WooClient) -> dict[tuple[str, str], int]:
    await settled(client)
    return {(row["topic"], row["outcome"]): row["count"] for row in await client.books("deliveryCounts")}


@pytest.mark.contract
def test_a_recorded_delivery_bears_our_signature() -> None:
    for path in sorted(contract_path("woocommerce", "recorded", "webhooks").glob("delivery_*.json")):
        recorded = json.loads(path.read_bytes())
        theirs = recorded["delivery"]["headers"]["X-WC-Webhook-Signature"]
        assert signature(recorded["delivery"]["body_raw"].encode(), recorded["secret"]) == theirs, path.name


@pytest.mark.contract
async def test_a_delivery_has_the_recorded_headers_and_the_order_as_body(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        hook = await subscribe(client, listening.url, "order.created")
        order = await client.place(lines=[{"sku": UPC}])
        await listening.has(1)
        ((head, body),) = listening.heard
        shown = await client.get(f"/orders/{order['id']}")
        home = str(client.http.base_url)
    name = "delivery_checkout_order.created.json"
    recorded = json.loads(contract_path("woocommerce", "recorded", "webhooks", name).read_bytes())["delivery"]
    usual = {"Connection", "Accept-Encoding", "Host", "Content-Length"}
    assert set(recorded["headers"]) - usual <= set(head)
    for key in ("User-Agent", "Content-Type", "X-WC-Webhook-Topic", "X-WC-Webhook-Resource", "X-WC-Webhook-Event"):
        assert head[key] == recorded["headers"][key], key
    assert head["X-WC-Webhook-Source"] == f"{home.rstrip('/')}/"
    assert head["X-WC-Webhook-ID"] == str(hook["id"])
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    assert head["X-WC-Webhook-Signature"] == base64.b64encode(digest).decode()
    check_answer("order", json.loads(body))
    assert list(json.loads(body)) == list(json.loads(recorded["body_raw"]))
    plain = str(client.http.base_url).replace("http:", "https:")
    assert json.loads(body) == json.loads(json.dumps(shown).replace(plain, home))
    assert b"\\/wp-json\\/" in body


@pytest.mark.contract
async def test_the_ping_is_a_form_without_a_signature(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        hook = await subscribe(client, listening.url)
        ((head, body),) = listening.pings
        assert (await client.get(f"/webhooks/{hook['id']}"))["date_modified"] is not None
    name = json.loads(contract_path("woocommerce", "recorded", "webhooks", "ping.json").read_bytes())["delivery"]
    assert body == f"webhook_id={hook['id']}".encode()
    assert head["Content-Type"] == name["headers"]["Content-Type"]
    assert not [key for key in head if key.startswith("X-WC")]


async def test_a_ping_nobody_takes_stops_nothing_and_comes_again_with_a_save(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        listening.usual = 500
        hook = await subscribe(client, listening.url)
        await client.put(f"/webhooks/{hook['id']}", {"name": "Ours"})
        await settled(client)
        listening.usual = 200
        await client.put(f"/webhooks/{hook['id']}", {"name": "Ours again"})
        await settled(client)
        await client.put(f"/webhooks/{hook['id']}", {"name": "Ours for good"})
        await settled(client)
        assert len(listening.pings) == 3
        assert (await client.get(f"/webhooks/{hook['id']}"))["status"] == "active"


async def test_the_body_is_the_order_as_it_is_when_sent_and_one_is_queued_at_a_time(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(QUICK, webhook_seconds=300)) as client, ear() as listening:
        await subscribe(client, listening.url)
        order = await client.place(lines=[{"sku": UPC}])
        for status in ("on-hold", "processing", "completed"):
            await client.put(f"/orders/{order['id']}", {"status": status})
        await client.advance(301)
        await settled(client)
        assert [body["status"] for body in listening.bodies()] == ["completed"]


async def test_nothing_is_tried_again_and_the_seventh_failure_switches_off(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        hook = await subscribe(client, listening.url)
        order = await client.place(lines=[{"sku": UPC}])
        await settled(client)
        listening.usual = 500

        async def fail_once() -> tuple[int, str]:
            before = len(listening.heard)
            await client.put(f"/orders/{order['id']}", {})
            await settled(client)
            return len(listening.heard) - before, (await client.get(f"/webhooks/{hook['id']}"))["status"]

        rows = [await fail_once() for _ in range(8)]
        assert rows == [(1, "active")] * 6 + [(1, "disabled"), (0, "disabled")]
        await client.put(f"/webhooks/{hook['id']}", {"status": "active"})
        assert await fail_once() == (1, "disabled"), "the count is not forgotten"
        await client.put(f"/webhooks/{hook['id']}", {"status": "active"})
        listening.usual = 302
        assert await fail_once() == (1, "active"), "a success begins it anew"
        listening.usual = 500
        assert await fail_once() == (1, "active")


async def test_a_secret_is_read_with_its_entities_decoded(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        await subscribe(client, listening.url, secret="a&amp;b&#039;c")
        await client.place(lines=[{"sku": UPC}])
        await listening.has(1)
        head, body = listening.heard[0]
    digest = hmac.new(b"a&b'c", body, hashlib.sha256).digest()
    assert head["X-WC-Webhook-Signature"] == base64.b64encode(digest).decode()


def test_a_delivery_id_is_no_identity() -> None:
    """Two of one webhook in one second have the same, whatever they say."""
    hook = {"id": 7, "topic": "order.updated", "resource": "order", "event": "updated", "secret": SECRET}
    said = [headers(hook, body, home="", agent="", second=1, forged=False) for body in (b"{}", b"[]")]
    later = headers(hook, b"{}", home="", agent="", second=2, forged=False)
    first, second, third = (one["X-WC-Webhook-Delivery-ID"] for one in (*said, later))
    assert first == second != third


async def test_the_body_is_an_error_once_the_owner_is_gone(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        await subscribe(client, listening.url)
        await client.order_faults(rates={"webhook_owner_gone": 1})
        await client.place(lines=[{"sku": UPC}])
        await listening.has(1)
        (body,) = listening.bodies()
        check_answer("error", body)
        assert body["code"] == "woocommerce_rest_cannot_view"
        assert listening.heard[0][0]["X-WC-Webhook-Signature"]


async def test_each_change_rings_its_topics(tmp_path: Path) -> None:
    topics = ("order.created", "order.updated", "order.deleted", "order.restored")
    async with shop(tmp_path) as client, ear() as listening:
        for topic in topics:
            await subscribe(client, listening.url, topic)
        order = await client.place(lines=[{"sku": UPC, "quantity": 2}])
        rung: dict[str, list[str]] = {"sale": await heard(client, listening)}
        for what, details in (("refund", {"lines": {"0": 1}}), ("trash", {}), ("restore", {}), ("cancel", {})):
            await client.happens(order, what, **details)
            rung[what] = await heard(client, listening)
        await client.call("POST", f"/orders/{order['id']}/notes", {"note": "Released."})
        rung["note"] = await heard(client, listening)
    assert rung == {
        "sale": ["order.created", "order.updated"],
        "refund": ["order.updated"],
        "trash": ["order.deleted"],
        "restore": ["order.restored", "order.updated"],
        "cancel": ["order.updated"],
        "note": [],
    }


async def heard(client: WooClient, listening: Ear) -> list[str]:
    await settled(client)
    topics = sorted(headers["X-WC-Webhook-Topic"] for headers, _ in listening.heard)
    listening.heard.clear()
    return topics


async def test_what_was_thrown_away_is_told_by_its_id_alone(tmp_path: Path) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        await subscribe(client, listening.url, "order.deleted")
        order = await client.place(lines=[{"sku": UPC}])
        await client.call("DELETE", f"/orders/{order['id']}")
        await listening.has(1)
        assert listening.bodies() == [{"id": order["id"]}]


async def test_another_machine_is_never_called_and_counts_as_a_failure(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        hook = await subscribe(client, "http://192.0.2.1/hooks")
        await client.place(lines=[{"sku": UPC}])
        assert (await outcomes(client))[("order.updated", "failed")] == 1
        (kept,) = await client.books("webhooks")
        assert (kept["id"], kept["failures"]) == (hook["id"], 1)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("webhook_drop", []),
        ("webhook_twice", ["processing", "processing"]),
        ("webhook_stale", ["pending"]),
        ("webhook_bad_hmac", ["processing"]),
    ],
)
async def test_each_fate_of_a_webhook_can_be_ordered(tmp_path: Path, fault: str, found: list[str]) -> None:
    async with shop(tmp_path) as client, ear() as listening:
        await subscribe(client, listening.url)
        await client.order_faults(once={fault: 1})
        await client.place(lines=[{"sku": UPC}])
        rows = await settled(client)
        assert [body["status"] for body in listening.bodies()] == found
        assert any(row["fate"] == fault or row["state"] == "dropped" for row in rows)
        if fault == "webhook_bad_hmac":
            head, body = listening.heard[0]
            assert head["X-WC-Webhook-Signature"] != signature(body, SECRET)


async def test_a_shop_starts_with_the_webhooks_it_is_given_and_keeps_them_once(tmp_path: Path) -> None:
    async with ear() as listening:
        given = replace(QUICK, default_webhooks=(("order.updated", listening.url),))
        for _ in range(2):
            async with shop(tmp_path, given) as client:
                (hook,) = await client.get("/webhooks")
                assert hook["delivery_url"] == listening.url
                await settled(client)
        async with shop(tmp_path, given) as client:
            await client.post_door("reset")
            assert len(await client.get("/webhooks")) == 1
            await client.place(lines=[{"sku": UPC}])
            await listening.has(1)
            head, body = listening.heard[0]
            assert head["X-WC-Webhook-Signature"] == signature(body, QUICK.webhook_secret)
