"""Webhook subscriptions and the few other writes the API takes (``tagsAdd``)."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlsplit

import orjson

from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.connections import Listing, Page, rows
from bcbridge.sandbox.shopify.gid import gid, number_of
from bcbridge.sandbox.shopify.lists import filled, table_part
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.parts import VERSION, Info, Part, Resolver, document, need, node_of
from bcbridge.sandbox.shopping.courier import LOOPBACK

SCHEMA = """
CREATE TABLE webhook_subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    uri TEXT NOT NULL,
    created_at TEXT NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL DEFAULT '{}',
    UNIQUE (topic, uri)
);
"""
FIRST = 1_200_000_000_000
SUBSCRIPTIONS = Listing("webhook_subscriptions", {}, {"ID": "id", "CREATED_AT": "created_at"})


def subscribe(connection: sqlite3.Connection, topic: str, wanted: JSON, at: str) -> JSON:
    """Makes a subscription; the pair of topic and address must be new (`taken` tells)."""
    uri = address(wanted)
    row = connection.execute(
        "INSERT INTO webhook_subscriptions (id, topic, uri, created_at) VALUES"
        " ((SELECT max(coalesce(max(id), 0), ?) + 1 FROM webhook_subscriptions), ?, ?, ?) RETURNING id",
        (FIRST, topic, uri, at),
    ).fetchone()
    made = {
        "id": gid("WebhookSubscription", row[0]),
        "legacyResourceId": str(row[0]),
        "topic": topic,
        "uri": uri,
        "callbackUrl": uri,
        "name": wanted.get("name"),
        "filter": wanted.get("filter"),
        "format": wanted.get("format") or "JSON",
        "includeFields": wanted.get("includeFields") or [],
        "metafieldNamespaces": wanted.get("metafieldNamespaces") or [],
        "apiVersion": {"handle": VERSION, "displayName": VERSION, "supported": True},
        "createdAt": at,
        "updatedAt": at,
    }
    keep(connection, made)
    return made


def keep(connection: sqlite3.Connection, made: JSON) -> None:
    connection.execute(
        "UPDATE webhook_subscriptions SET uri = ?, document = ? WHERE id = ?",
        (made["uri"], orjson.dumps(made).decode(), number_of(made["id"])),
    )


def address(wanted: JSON) -> str:
    return str(wanted.get("uri") or wanted.get("callbackUrl") or "")


def refused(connection: sqlite3.Connection, topic: str, uri: str, *, besides: int = 0) -> str | None:
    """Why an address cannot be subscribed. Only loopback is rung, whatever it is called: this is a sandbox."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK:
        return "Address is not an address on this machine"
    taken = "SELECT 1 FROM webhook_subscriptions WHERE topic = ? AND uri = ? AND id <> ?"
    if connection.execute(taken, (topic, uri, besides)).fetchone():
        return "Address for this topic has already been taken"
    return None


def create(_: Any, info: Info, topic: str, **given: Any) -> Part:
    call = info.context
    wanted = given["webhookSubscription"]
    reason = refused(call.connection, topic, address(wanted))
    if reason:
        return failed("webhookSubscription", ["webhookSubscription", "uri"], reason)
    made = subscribe(call.connection, topic, wanted, Moment(call.now).stamp)
    return Part({}, {"webhookSubscription": made, "userErrors": []})


def update(_: Any, info: Info, id: str, **given: Any) -> Part:
    call = info.context
    found = document(call.connection, "webhook_subscriptions", id)
    if found is None:
        return failed("webhookSubscription", ["id"], "Webhook subscription does not exist")
    changed = {key: value for key, value in given["webhookSubscription"].items() if value is not None}
    uri = address(changed) or found["uri"]
    reason = refused(call.connection, found["topic"], uri, besides=number_of(id))
    if reason:
        return failed("webhookSubscription", ["webhookSubscription", "uri"], reason)
    made = {**found, **changed, "uri": uri, "callbackUrl": uri, "updatedAt": Moment(call.now).stamp}
    keep(call.connection, made)
    return Part({}, {"webhookSubscription": made, "userErrors": []})


def delete(_: Any, info: Info, id: str) -> Part:
    call = info.context
    gone = call.connection.execute("DELETE FROM webhook_subscriptions WHERE id = ?", (number_of(id),)).rowcount
    if not gone:
        return failed("deletedWebhookSubscriptionId", ["id"], "Webhook subscription does not exist")
    return Part({}, {"deletedWebhookSubscriptionId": id, "userErrors": []})


def failed(empty: str, where: list[str], message: str) -> Part:
    return Part({}, {empty: None, "userErrors": [{"field": where, "message": message}]})


def listed(_: Any, info: Info, **given: Any) -> Page:
    call = info.context
    named = {"uri": given.get("uri")}
    topics = list(given.get("topics") or [])
    named |= {f"topic{at}": topic for at, topic in enumerate(topics)}
    among = f"topic IN ({', '.join(f':topic{at}' for at in range(len(topics)))})" if topics else "1"
    also = f"({among}) AND (:uri IS NULL OR uri = :uri)"
    kept, page = rows(call.connection, SUBSCRIPTIONS, given, named, also=also)
    return filled(page, [table_part(call, "webhook_subscriptions", identifier) for identifier, _ in kept])


def one(_: Any, info: Info, id: str) -> Part | None:
    return node_of(info.context, id, "WebhookSubscription")


def tag(_: Any, info: Info, id: str, tags: list[str]) -> Part:
    """``tagsAdd`` and ``tagsRemove`` on an order; the change is written, and rung, by whoever made the call."""
    call = info.context
    need(call, info.field_name, "write_orders")
    found = node_of(call, id, "Order")
    if found is None:
        return failed("node", ["id"], "Order does not exist")
    adding = info.field_name == "tagsAdd"
    kept = [one_ for one_ in found.order["tags"] if adding or one_ not in tags]
    found.order["tags"] = sorted({*kept, *tags} if adding else kept)
    call.changed.append(found.order)
    return Part(found.order, {"node": {**found.order, "__typename": "Order"}, "userErrors": []})


FIELDS: dict[tuple[str, str], Resolver] = {
    ("QueryRoot", "webhookSubscriptions"): listed,
    ("QueryRoot", "webhookSubscription"): one,
    ("Mutation", "webhookSubscriptionCreate"): create,
    ("Mutation", "webhookSubscriptionUpdate"): update,
    ("Mutation", "webhookSubscriptionDelete"): delete,
    ("Mutation", "tagsAdd"): tag,
    ("Mutation", "tagsRemove"): tag,
}
