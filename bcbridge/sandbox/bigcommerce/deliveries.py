"""What BigCommerce's webhooks say, how they are signed, and what follows when nobody takes them (2.9).

The body has ids only. Each delivery brings the hook's own headers back, and Standard Webhooks' signature. A failure
is tried again after 60 s, 180 s, ... a day; after the last one the hook is switched off. Apart from that, a
destination that takes less than nine in ten of a hundred deliveries within two minutes is left alone for three.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from collections import deque
from urllib.parse import urlsplit

import orjson

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bigcommerce import hooks
from bcbridge.sandbox.bigcommerce.orders import Moment
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.shopping import courier
from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.shopping.courier import Delivery, Letter, queue

RETRIES = (60, 180, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 50_400, 86_400)
"""Seconds after each failed try."""
WATCHED_SECONDS = 120
WATCHED_FROM = 100
GOOD = 0.9
BLOCKED_SECONDS = 180
FORGED = "another secret"

OWN_MARKS = ("webhook_bad_header", "webhook_unsigned")
FAULTS = {
    **{name: told for name, told in courier.FAULTS.items() if name != "webhook_stale"},
    "webhook_bad_header": "this webhook's own headers come back with other values",
    "webhook_unsigned": "this webhook has no signature headers, as a store-level account's may have none",
}
VALUES = {**courier.VALUES}


def ring(
    connection: sqlite3.Connection, settings: BigCommerceSettings, order_id: int, moment: Moment, told: list[JSON]
) -> None:
    """Queues what the hooks of each scope are told: ``{"scope": ..., "data": {...}}`` of ``told``."""
    for event in told:
        body = {
            "scope": event["scope"],
            "store_id": settings.store_id,
            "data": event["data"],
            "hash": hash_of(event, moment),
            "created_at": int(moment.now.timestamp()),
            "producer": f"stores/{settings.store_hash}",
        }
        for identifier, destination in hooks.listening(connection, event["scope"]):
            delivery = Delivery(
                id=0,
                subscription_id=identifier,
                order_id=order_id,
                topic=event["scope"],
                uri=destination,
                webhook_id=message_id(connection),
                event_id=body["hash"],
                triggered_at=str(body["created_at"]),
                body=orjson.dumps(body).decode(),
            )
            queue(connection, delivery, max(moment.now.timestamp(), blocked_until(connection, destination)))


def hash_of(event: JSON, moment: Moment) -> str:
    """Alike for alike events of one second: two updates in a second share it."""
    told = orjson.dumps([event, int(moment.now.timestamp())], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha1(told, usedforsecurity=False).hexdigest()


def message_id(connection: sqlite3.Connection) -> str:
    statement = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'deliveries'"
    (last,) = connection.execute(statement).fetchone()
    return f"msg_{last + 1:024d}"


def blocked_until(connection: sqlite3.Connection, destination: str) -> float:
    statement = "SELECT until FROM blocked_domains WHERE domain = ?"
    found = connection.execute(statement, (domain(destination),)).fetchone()
    return 0.0 if found is None else float(found[0])


def domain(destination: str) -> str:
    return urlsplit(destination).netloc


class Hook:
    """BigCommerce's side of the courier."""

    def __init__(self, world: World, settings: BigCommerceSettings) -> None:
        self.world = world
        self.settings = settings
        self.lately: dict[str, deque[tuple[float, bool]]] = {}

    @property
    def webhook_timeout_seconds(self) -> float:
        return self.settings.webhook_timeout_seconds

    @property
    def scale(self) -> float:
        return self.world.faults.value("retry_scale")

    def letter(self, connection: sqlite3.Connection, delivery: Delivery, *, stale: bool, forged: bool) -> Letter | None:
        found = connection.execute(
            "SELECT headers FROM hooks WHERE id = ? AND is_active", (delivery.subscription_id,)
        ).fetchone()
        if found is None:
            return None
        assert delivery.body is not None
        body, fate = delivery.body.encode(), delivery.fate or ""
        own = {} if found[0] is None else dict(orjson.loads(found[0]))
        if "webhook_bad_header" in fate:
            own = dict.fromkeys(own, FORGED)
        secret = FORGED if forged else self.settings.client_secret
        signed = {} if "webhook_unsigned" in fate else self.signature(delivery, body, secret)
        return Letter(delivery.uri, body, {"Content-Type": "application/json", **signed, **own})

    def signature(self, delivery: Delivery, body: bytes, secret: str) -> dict[str, str]:
        """Standard Webhooks: HMAC-SHA256 over ``{id}.{timestamp}.{body}``, keyed by the client secret's bytes."""
        at = str(int(self.world.clock.now().timestamp()))
        signed = f"{delivery.webhook_id}.{at}.".encode() + body
        mark = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        return {"webhook-id": delivery.webhook_id, "webhook-timestamp": at, "webhook-signature": f"v1,{mark}"}

    def taken(self, connection: sqlite3.Connection, delivery: Delivery, status: int) -> bool:
        """Any 2xx. (What is not taken comes to `refused` next.)"""
        good = 200 <= status < 300
        if good:
            self.watch(connection, delivery, good=True)
        return good

    def refused(self, connection: sqlite3.Connection, delivery: Delivery) -> float | None:
        self.watch(connection, delivery, good=False)
        if delivery.attempts >= len(RETRIES):
            hooks.deactivate(connection, delivery.subscription_id, self.world.clock.now())
            return None
        blocked = blocked_until(connection, delivery.uri) - self.world.clock.now().timestamp()
        return max(RETRIES[delivery.attempts] * self.scale, blocked)

    # --- destinations that take too little

    def watch(self, connection: sqlite3.Connection, delivery: Delivery, *, good: bool) -> None:
        where, now = domain(delivery.uri), self.world.clock.now().timestamp()
        lately = self.lately.setdefault(where, deque(maxlen=10_000))
        lately.append((now, good))
        while lately[0][0] < now - WATCHED_SECONDS * max(self.scale, 0.01):
            lately.popleft()
        failures = sum(not one for _, one in lately)
        if len(lately) >= WATCHED_FROM and failures > (1 - GOOD) * len(lately):
            lately.clear()
            block(connection, where, now + BLOCKED_SECONDS * self.scale, failures)


def block(connection: sqlite3.Connection, where: str, until: float, failures: int) -> None:
    """Nothing goes there for a while; what waits for it waits longer."""
    connection.execute("INSERT OR REPLACE INTO blocked_domains VALUES (?, ?, ?)", (where, until, failures))
    waiting = connection.execute("SELECT id, uri FROM deliveries WHERE state = 'waiting'").fetchall()
    there = [(until, identifier) for identifier, uri in waiting if domain(uri) == where]
    connection.executemany("UPDATE deliveries SET due = max(due, ?) WHERE id = ?", there)
