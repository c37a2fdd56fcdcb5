"""The queue of webhooks: a delivery is written in the transaction of the change it tells of, with the body of
then.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence

import orjson

from bcbridge.sandbox.shopify import rest
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import number_of
from bcbridge.sandbox.shopify.orders import Moment

SCHEMA = """
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    topic TEXT NOT NULL,
    uri TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    triggered_at TEXT NOT NULL,
    body TEXT,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    fate TEXT,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed', 'dropped')),
    status TEXT
);
CREATE INDEX deliveries_waiting ON deliveries (due) WHERE state = 'waiting';
CREATE TABLE delivery_counts (
    topic TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (topic, outcome)
);
"""
SUBSCRIBERS = "SELECT id, uri FROM webhook_subscriptions WHERE topic = ?"


def ring(connection: sqlite3.Connection, order: JSON, moment: Moment, topics: Sequence[str]) -> None:
    """Queues what subscribers of these topics are told; one event, however many topics."""
    event_id = str(uuid.uuid4())
    for topic in topics:
        subscribers = connection.execute(SUBSCRIBERS, (topic,)).fetchall()
        if not subscribers:
            continue
        for body in rest.bodies(topic, order):
            text = orjson.dumps(body).decode()
            for identifier, uri in subscribers:
                queue(connection, identifier, uri, topic, event_id, order, text, moment)


def queue(
    connection: sqlite3.Connection,
    subscription_id: int,
    uri: str,
    topic: str,
    event_id: str,
    order: JSON,
    text: str,
    moment: Moment,
) -> None:
    connection.execute(
        "INSERT INTO deliveries (subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at, body, due)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            subscription_id,
            number_of(order["id"]),
            topic,
            uri,
            str(uuid.uuid4()),
            event_id,
            moment.now.isoformat().replace("+00:00", "Z"),
            text,
            moment.now.timestamp(),
        ),
    )
