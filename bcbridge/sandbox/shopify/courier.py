"""Webhooks: a queue on disk and the courier that works it off (contracts/shopify/NOTES.md 1.3).

A delivery is written in the transaction of the change it tells of, with the body of that moment. The courier
tries it at the address the subscription had then, eight more times if need be, always with the same bytes and
the same webhook id. When the last try fails the subscription is removed. Only addresses on this machine are
ever called.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import anyio
import orjson

from bcbridge.sandbox.shopify import rest, subscriptions
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.parts import VERSION
from bcbridge.sandbox.shopify.shop import Shop

FAULTS = {
    "webhook_drop": "this webhook is never sent",
    "webhook_late": "this webhook is sent webhook_late_ms later",
    "webhook_reorder": "this webhook waits webhook_reorder_ms, so that later ones overtake it",
    "webhook_twice": "this webhook is sent twice, with the same ids",
    "webhook_stale": "this webhook has the body of an older moment",
    "webhook_bad_hmac": "this webhook is signed with another secret",
}
VALUES = {"webhook_late_ms": (20_000.0, "milliseconds"), "webhook_reorder_ms": (1_500.0, "milliseconds")}
NOUNS = {
    "deliveries": """
        SELECT id, json_object('id', id, 'topic', topic, 'uri', uri, 'webhookId', webhook_id, 'eventId', event_id,
            'orderId', order_id, 'triggeredAt', triggered_at, 'attempts', attempts, 'fate', fate, 'state', state,
            'status', status)
        FROM deliveries WHERE id > :after ORDER BY id LIMIT :limit
    """,
    "deliveryCounts": """
        SELECT place, json_object('topic', topic, 'outcome', outcome, 'count', count)
        FROM (SELECT *, row_number() OVER (ORDER BY topic, outcome) AS place FROM delivery_counts)
        WHERE place > :after ORDER BY place LIMIT :limit
    """,
}
DUE = """
SELECT id, subscription_id, topic, uri, webhook_id, event_id, triggered_at, body, attempts, fate
FROM deliveries WHERE state = 'waiting' AND due <= ? ORDER BY due, id LIMIT ?
"""
AT_ONCE = 8
RETRIES = 8
KEPT = 2_000
IDLE_SECONDS = 0.5
CONNECT_SECONDS = 1.0


def topic_name(topic: str) -> str:
    """``ORDERS_CREATE`` as the header has it: ``orders/create``."""
    for resource in ("FULFILLMENT_ORDERS", "ORDER_TRANSACTIONS", "REVERSE_FULFILLMENT_ORDERS", "INVENTORY_ITEMS"):
        if topic.startswith(resource + "_"):
            return f"{resource}/{topic.removeprefix(resource + '_')}".lower()
    return topic.lower().replace("_", "/", 1)


@dataclass(frozen=True)
class Delivery:
    id: int
    subscription_id: int
    topic: str
    uri: str
    webhook_id: str
    event_id: str
    triggered_at: str
    body: str
    attempts: int
    fate: str | None


class Courier:
    """Delivers what waits, at most eight at a time, until it is cancelled."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.woken = asyncio.Event()
        self.under_way: set[int] = set()
        self.places = anyio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        await self.subscribe_defaults()
        timeout = aiohttp.ClientTimeout(total=self.shop.settings.webhook_timeout_seconds, connect=CONNECT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, anyio.create_task_group() as tasks:
            while True:
                self.woken.clear()
                found = await self.due(frozenset(self.under_way))
                for delivery in found:
                    await self.places.acquire()
                    self.under_way.add(delivery.id)
                    tasks.start_soon(self.deliver, session, delivery)
                if not found:
                    await self.rest()

    async def rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self.woken.wait()

    async def due(self, busy: frozenset[int]) -> list[Delivery]:
        """What is to be sent now. ``busy`` is from before the look: what ends during it is not sent again."""
        values = (self.shop.now().timestamp(), AT_ONCE * 4)
        rows = await self.shop.books.read(lambda c: c.execute(DUE, values).fetchall())
        return [Delivery(*row) for row in rows if row[0] not in busy]

    async def subscribe_defaults(self) -> None:
        """Subscriptions a new shop starts with, where they are not there already."""

        def unit(connection: sqlite3.Connection) -> None:
            for topic, uri in self.shop.settings.default_subscriptions:
                if subscriptions.refused(connection, topic, uri) is None:
                    subscriptions.subscribe(connection, topic, {"uri": uri}, Moment(self.shop.now()).stamp)

        await self.shop.books.write(unit)

    async def deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        """One try, with whatever fate it drew."""
        try:
            fate = delivery.fate if delivery.fate is not None else await self.draw_fate(delivery)
            if fate is None:
                return
            status = await self.attempt(session, delivery, fate)
            await self.shop.books.write(lambda c: self.keep_outcome(c, delivery, status))
        finally:
            self.under_way.discard(delivery.id)
            self.places.release()
            self.woken.set()

    # --- fate

    async def draw_fate(self, delivery: Delivery) -> str | None:
        """What bad manners befall this webhook; None if it is not to be sent now."""
        strikes = self.shop.world.faults.strikes
        if await strikes("webhook_drop"):
            await self.shop.books.write(lambda c: self.end(c, delivery, "dropped", "never sent"))
            return None
        delay = 0.0
        for fault in ("webhook_late", "webhook_reorder"):
            if await strikes(fault):
                delay += self.shop.world.faults.value(f"{fault}_ms") / 1000
        twice = await strikes("webhook_twice")
        marks = [name for name in ("webhook_stale", "webhook_bad_hmac") if await strikes(name)]
        fate = " ".join([*marks, *(["webhook_late"] if delay else []), *(["webhook_twice"] if twice else [])])
        if fate:
            await self.shop.books.write(lambda c: self.keep_fate(c, delivery, fate, delay, twice))
        return None if delay else fate

    def keep_fate(
        self, connection: sqlite3.Connection, delivery: Delivery, fate: str, delay: float, twice: bool
    ) -> None:
        connection.execute("UPDATE deliveries SET fate = ?, due = due + ? WHERE id = ?", (fate, delay, delivery.id))
        if twice:
            connection.execute(
                "INSERT INTO deliveries (subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at,"
                " body, due, fate) SELECT subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at,"
                " body, due, fate FROM deliveries WHERE id = ?",
                (delivery.id,),
            )

    # --- one try

    async def attempt(self, session: aiohttp.ClientSession, delivery: Delivery, fate: str) -> str:
        """``200`` or what else came back; a word where nothing did."""
        if urlsplit(delivery.uri).hostname not in subscriptions.LOOPBACK:
            return "not on this machine"
        body = delivery.body.encode()
        if "webhook_stale" in fate:
            body = orjson.dumps(rest.earlier(orjson.loads(body)))
        try:
            headers = self.headers(delivery, body, fate)
            async with session.post(delivery.uri, data=body, headers=headers, allow_redirects=False) as response:
                return str(response.status)
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__

    def headers(self, delivery: Delivery, body: bytes, fate: str) -> dict[str, str]:
        secret = "another secret" if "webhook_bad_hmac" in fate else self.shop.settings.client_secret
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic_name(delivery.topic),
            "X-Shopify-Hmac-Sha256": signature(body, secret),
            "X-Shopify-Shop-Domain": self.shop.settings.shop,
            "X-Shopify-API-Version": VERSION,
            "X-Shopify-Webhook-Id": delivery.webhook_id,
            "X-Shopify-Event-Id": delivery.event_id,
            "X-Shopify-Triggered-At": delivery.triggered_at,
        }

    # --- outcomes

    def keep_outcome(self, connection: sqlite3.Connection, delivery: Delivery, status: str) -> None:
        if status.startswith("2"):
            self.end(connection, delivery, "delivered", status)
            return
        count(connection, delivery.topic, "attempt failed")
        if delivery.attempts >= RETRIES:
            self.end(connection, delivery, "failed", status)
            connection.execute("DELETE FROM webhook_subscriptions WHERE id = ?", (delivery.subscription_id,))
            return
        wait = self.shop.settings.retry_seconds * 2**delivery.attempts
        connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1, due = ?, status = ?, fate = coalesce(fate, '')"
            " WHERE id = ?",
            (self.shop.now().timestamp() + wait, status, delivery.id),
        )

    def end(self, connection: sqlite3.Connection, delivery: Delivery, outcome: str, status: str) -> None:
        connection.execute(
            "UPDATE deliveries SET state = ?, status = ?, attempts = attempts + ?, body = NULL WHERE id = ?",
            (outcome, status, 0 if outcome == "dropped" else 1, delivery.id),
        )
        count(connection, delivery.topic, outcome)
        old = "DELETE FROM deliveries WHERE id = ? AND state <> 'waiting'"
        connection.execute(old, (delivery.id - KEPT,))


def count(connection: sqlite3.Connection, topic: str, outcome: str) -> None:
    connection.execute(
        "INSERT INTO delivery_counts VALUES (?, ?, 1) ON CONFLICT (topic, outcome) DO UPDATE SET count = count + 1",
        (topic, outcome),
    )


def signature(body: bytes, secret: str) -> str:
    """base64 of HMAC-SHA256 over the raw body (NOTES 1.3)."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
