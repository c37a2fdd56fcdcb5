"""What Shopify's webhooks say and how they are signed (contracts/shopify/NOTES.md 1.3).

A delivery has the body of the moment it tells of. It is tried eight more times if need be, always with the same
bytes and the same webhook id; when the last try fails the subscription is removed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
import uuid
from collections.abc import Iterator, Sequence

import orjson

from bcbridge.sandbox.shopify import rest
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import number_of
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.parts import VERSION
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopping.courier import Delivery, Letter, queue
from bcbridge.sandbox.shopping.stock import Move

RETRIES = 8
SUBSCRIBERS = "SELECT id, uri FROM webhook_subscriptions WHERE topic = ?"
RESOURCES = (
    "FULFILLMENT_ORDERS",
    "ORDER_TRANSACTIONS",
    "REVERSE_FULFILLMENT_ORDERS",
    "INVENTORY_ITEMS",
    "INVENTORY_LEVELS",
)
"""Those with an underscore of their own."""


def ring(connection: sqlite3.Connection, order: JSON, moment: Moment, topics: Sequence[str]) -> None:
    """Queues what subscribers of these topics are told; one event, however many topics."""
    event_id = str(uuid.uuid4())
    for topic in topics:
        for identifier, uri in connection.execute(SUBSCRIBERS, (topic,)).fetchall():
            for text in bodies(topic, order):
                told = Delivery(
                    id=0,
                    subscription_id=identifier,
                    order_id=number_of(order["id"]),
                    topic=topic,
                    uri=uri,
                    webhook_id=str(uuid.uuid4()),
                    event_id=event_id,
                    triggered_at=moment.now.isoformat().replace("+00:00", "Z"),
                    body=text,
                )
                queue(connection, told, moment.now.timestamp())


def ring_levels(connection: sqlite3.Connection, moves: Sequence[Move], moment: Moment) -> None:
    """Queues what subscribers are told of numbers that moved, whoever moved them."""
    topic = "INVENTORY_LEVELS_UPDATE"
    for identifier, uri in connection.execute(SUBSCRIBERS, (topic,)).fetchall():
        for move in moves:
            told = Delivery(
                id=0,
                subscription_id=identifier,
                order_id=0,
                topic=topic,
                uri=uri,
                webhook_id=str(uuid.uuid4()),
                event_id=str(uuid.uuid4()),
                triggered_at=moment.now.isoformat().replace("+00:00", "Z"),
                body=orjson.dumps(rest.level_body(move, moment.stamp)).decode(),
            )
            queue(connection, told, moment.now.timestamp())


def bodies(topic: str, order: JSON) -> Iterator[str]:
    return (orjson.dumps(body).decode() for body in rest.bodies(topic, order))


def topic_name(topic: str) -> str:
    """``ORDERS_CREATE`` as the header has it: ``orders/create``."""
    for resource in RESOURCES:
        if topic.startswith(resource + "_"):
            return f"{resource}/{topic.removeprefix(resource + '_')}".lower()
    return topic.lower().replace("_", "/", 1)


class Hook:
    """Shopify's side of the courier."""

    def __init__(self, settings: ShopifySettings) -> None:
        self.settings = settings

    @property
    def webhook_timeout_seconds(self) -> float:
        return self.settings.webhook_timeout_seconds

    def letter(self, _: sqlite3.Connection, delivery: Delivery, *, stale: bool, forged: bool) -> Letter:
        assert delivery.body is not None
        body = delivery.body.encode()
        if stale:
            body = orjson.dumps(rest.earlier(orjson.loads(body)))
        secret = "another secret" if forged else self.settings.client_secret
        return Letter(delivery.uri, body, self.headers(delivery, signature(body, secret)))

    def headers(self, delivery: Delivery, signed: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic_name(delivery.topic),
            "X-Shopify-Hmac-Sha256": signed,
            "X-Shopify-Shop-Domain": self.settings.shop,
            "X-Shopify-API-Version": VERSION,
            "X-Shopify-Webhook-Id": delivery.webhook_id,
            "X-Shopify-Event-Id": delivery.event_id,
            "X-Shopify-Triggered-At": delivery.triggered_at,
        }

    def taken(self, _: sqlite3.Connection, __: Delivery, status: int) -> bool:
        return 200 <= status < 300

    def refused(self, connection: sqlite3.Connection, delivery: Delivery) -> float | None:
        if delivery.attempts < RETRIES:
            return self.settings.retry_seconds * 2.0**delivery.attempts
        connection.execute("DELETE FROM webhook_subscriptions WHERE id = ?", (delivery.subscription_id,))
        return None


def signature(body: bytes, secret: str) -> str:
    """base64 of HMAC-SHA256 over the raw body (NOTES 1.3)."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
