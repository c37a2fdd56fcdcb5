"""Webhooks: what is subscribed, what of a change is told, and what follows when nobody listens (contract 1.9).

A delivery is queued without a body: it says what is true when it goes out. While one is waiting, another of the same
webhook and object is not queued. None is sent twice. The seventh failure in a row disables the webhook, and setting it
active again does not forget them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

import orjson

from bcbridge.sandbox.shopping import courier
from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.shopping.courier import Delivery
from bcbridge.sandbox.woocommerce.numbering import next_id
from bcbridge.sandbox.woocommerce.orders import Moment, one
from bcbridge.sandbox.woocommerce.refusals import Refused, missing

SCHEMA = """
CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    status TEXT NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    unheard INTEGER NOT NULL DEFAULT 1,
    document TEXT NOT NULL
);
CREATE INDEX webhooks_by_topic ON webhooks (topic) WHERE status = 'active';
"""
NOUN = """
SELECT id, json_set(document, '$.failures', failures) FROM webhooks WHERE id > :after ORDER BY id LIMIT :limit
"""
PENDING = """
SELECT 1 FROM deliveries
WHERE subscription_id = ? AND order_id = ? AND topic = ? AND state = 'waiting' AND due > ? AND due <= ?
"""
PING = "ping"
MOST_FAILURES = 5
RESOURCES = ("coupon", "customer", "order", "product")
EVENTS = ("created", "updated", "deleted", "restored")
STATUSES = ("active", "paused", "disabled")
HOOKS = {
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "order.deleted": ["wp_trash_post", "woocommerce_trash_order"],
    "order.restored": ["untrashed_post", "woocommerce_untrash_order"],
    "product.updated": [
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ],
}
NAMES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#039;": "'", "&#39;": "'"}
WRITABLE = ("name", "status", "topic", "delivery_url", "secret")


# --- what is subscribed


def create(connection: sqlite3.Connection, given: JSON, moment: Moment) -> JSON:
    """Makes a webhook and pings its address. Raises `Refused` (400) for a topic or address that is none."""
    lacking = [name for name in ("topic", "delivery_url") if given.get(name) is None]
    if lacking:
        raise missing(*lacking)
    check(given)
    identifier = next_id(connection, "webhook")
    hook = {
        "id": identifier,
        "name": given.get("name") or named(moment.now),
        "status": given.get("status", "active"),
        **topic_of(str(given["topic"])),
        "delivery_url": given["delivery_url"],
        "secret": given.get("secret") or hashlib.sha256(f"{identifier}{moment.stamp}".encode()).hexdigest()[:50],
        "date_created_gmt": moment.stamp,
        "date_modified_gmt": None,
    }
    row = (identifier, hook["topic"], hook["status"], orjson.dumps(hook).decode())
    connection.execute("INSERT INTO webhooks (id, topic, status, document) VALUES (?, ?, ?, ?)", row)
    ping(connection, hook, moment)
    return hook


def update(connection: sqlite3.Connection, hook: JSON, given: JSON, moment: Moment) -> JSON:
    """Changes what is named. The count of failures stays as it is, also where it is set active again."""
    check(given)
    changed = {**hook, **{key: given[key] for key in WRITABLE if key in given}}
    changed |= topic_of(str(changed["topic"])) | {"date_modified_gmt": moment.stamp}
    keep(connection, changed)
    unheard = connection.execute("SELECT unheard FROM webhooks WHERE id = ?", (hook["id"],)).fetchone()[0]
    if unheard or changed["delivery_url"] != hook["delivery_url"]:
        ping(connection, changed, moment)
    return changed


def check(given: JSON) -> None:
    if "topic" in given and not is_topic(str(given["topic"])):
        code = "woocommerce_rest_shop_webhook_invalid_topic"
        raise Refused(400, code, "Webhook topic is required and must be valid.")
    if "delivery_url" in given and not str(given["delivery_url"]).startswith(("http://", "https://")):
        code = "woocommerce_rest_shop_webhook_invalid_delivery_url"
        raise Refused(400, code, "Webhook delivery URL must be a valid URL starting with http:// or https://.")


def is_topic(topic: str) -> bool:
    resource, _, event = topic.partition(".")
    return bool(event) and (resource == "action" or (resource in RESOURCES and event in EVENTS))


def topic_of(topic: str) -> JSON:
    resource, _, event = topic.partition(".")
    return {"topic": topic, "resource": resource, "event": event, "hooks": HOOKS.get(topic, [])}


def named(now: datetime) -> str:
    return now.strftime("Webhook created on %b %d, %Y @ %I:%M %p")


def keep(connection: sqlite3.Connection, hook: JSON) -> None:
    row = (hook["topic"], hook["status"], orjson.dumps(hook).decode(), hook["id"])
    connection.execute("UPDATE webhooks SET topic = ?, status = ?, document = ? WHERE id = ?", row)


def load(connection: sqlite3.Connection, identifier: int) -> JSON | None:
    return one(connection, "SELECT document FROM webhooks WHERE id = ?", identifier)


def delete(connection: sqlite3.Connection, identifier: int) -> None:
    connection.execute("DELETE FROM webhooks WHERE id = ?", (identifier,))


# --- what is told


def ping(connection: sqlite3.Connection, hook: JSON, moment: Moment) -> None:
    courier.queue(connection, addressed(hook, PING, 0, moment), moment.now.timestamp())


def ring(
    connection: sqlite3.Connection,
    order_id: int,
    topics: Sequence[str],
    moment: Moment,
    *,
    after_seconds: float,
    once_seconds: float,
) -> None:
    """Queues what the subscribers of these topics are told, unless they are about to be told of it anyway."""
    now = moment.now.timestamp()
    for topic in topics:
        statement = "SELECT document FROM webhooks WHERE topic = ? AND status = 'active'"
        for (text,) in connection.execute(statement, (topic,)).fetchall():
            hook = orjson.loads(text)
            about = (hook["id"], order_id, topic, now, now + once_seconds)
            if connection.execute(PENDING, about).fetchone() is None:
                courier.queue(connection, addressed(hook, topic, order_id, moment), moment.visible_from + after_seconds)


def addressed(hook: JSON, topic: str, order_id: int, moment: Moment) -> Delivery:
    return Delivery(0, hook["id"], order_id, topic, hook["delivery_url"], str(hook["id"]), "", moment.stamp)


# --- how it is written and signed


def written(document: object) -> bytes:
    """JSON as PHP writes it: plain ASCII, with slashes escaped."""
    return json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()


def headers(hook: JSON, body: bytes, *, home: str, agent: str, second: int, forged: bool) -> dict[str, str]:
    secret = "another secret" if forged else hook["secret"]
    return {
        "User-Agent": agent,
        "Accept": "*/*",
        "Content-Type": "application/json",
        "X-WC-Webhook-Source": f"{home}/",
        "X-WC-Webhook-Topic": hook["topic"],
        "X-WC-Webhook-Resource": hook["resource"],
        "X-WC-Webhook-Event": hook["event"],
        "X-WC-Webhook-Signature": signature(body, secret),
        "X-WC-Webhook-ID": str(hook["id"]),
        "X-WC-Webhook-Delivery-ID": hashlib.sha256(f"{hook['id']}{second}".encode()).hexdigest()[:32],
    }


def signature(body: bytes, secret: str) -> str:
    """base64 of HMAC-SHA256 over the raw body, by the secret with its HTML entities decoded."""
    for name, letter in NAMES.items():
        secret = secret.replace(name, letter)
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


# --- what follows


def heard(connection: sqlite3.Connection, identifier: int) -> None:
    connection.execute("UPDATE webhooks SET failures = 0 WHERE id = ?", (identifier,))


def pinged(connection: sqlite3.Connection, identifier: int) -> None:
    hook = load(connection, identifier)
    if hook is not None:
        keep(connection, {**hook, "date_modified_gmt": hook["date_modified_gmt"] or hook["date_created_gmt"]})
        connection.execute("UPDATE webhooks SET unheard = 0 WHERE id = ?", (identifier,))


def failed(connection: sqlite3.Connection, identifier: int, stamp: str) -> None:
    """Counts one more failure; the one after the sixth disables the webhook."""
    hook = load(connection, identifier)
    if hook is None:
        return
    (failures,) = connection.execute("SELECT failures FROM webhooks WHERE id = ?", (identifier,)).fetchone()
    if failures > MOST_FAILURES:
        keep(connection, {**hook, "status": "disabled", "date_modified_gmt": stamp})
    else:
        connection.execute("UPDATE webhooks SET failures = failures + 1 WHERE id = ?", (identifier,))
