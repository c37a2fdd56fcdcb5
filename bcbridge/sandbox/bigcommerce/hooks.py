"""Webhooks as the shop keeps them (2.9): scope, destination, our headers, and whether they are still on.

The vendor takes https on port 443 alone. This sandbox calls addresses on this machine alone, whatever the port.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from urllib.parse import urlsplit

import orjson

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.shopping.courier import LOOPBACK

SCHEMA = """
CREATE TABLE hooks (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    destination TEXT NOT NULL,
    headers TEXT,
    is_active INTEGER NOT NULL,
    deactivated INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE blocked_domains (domain TEXT PRIMARY KEY, until REAL NOT NULL, failures INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE alert_emails (email TEXT PRIMARY KEY) WITHOUT ROWID;
"""
FIRST = 28_048_287
MOST_OF_A_SCOPE = 10
SCOPES = (
    *(f"store/order/{name}" for name in ("*", "created", "updated", "archived", "statusUpdated", "message/created")),
    *(f"store/order/{name}" for name in ("refund/created", "transaction/created", "transaction/updated")),
    *(f"store/shipment/{name}" for name in ("*", "created", "updated", "deleted")),
    *(f"store/product/{name}" for name in ("*", "created", "updated", "deleted", "inventory/updated")),
    *(f"store/sku/{name}" for name in ("*", "created", "updated", "deleted", "inventory/updated")),
    *(f"store/customer/{name}" for name in ("*", "created", "updated", "deleted")),
    "store/hook/deliveryException",
)
NOUNS = {
    "hooks": """
        SELECT id, json_object('id', id, 'scope', scope, 'destination', destination, 'headers', json(headers),
            'is_active', json(iif(is_active, 'true', 'false')), 'created_at', created_at, 'updated_at', updated_at)
        FROM hooks WHERE id > :after ORDER BY id LIMIT :limit
    """,
}
COLUMNS = "id, scope, destination, headers, is_active, deactivated, created_at, updated_at"


def shown(row: tuple[int, str, str, str | None, int, int, int, int], store_hash: str, client_id: str) -> JSON:
    """A row of `COLUMNS` as the API shows it."""
    identifier, scope, destination, headers, active, _, created, updated = row
    return {
        "id": identifier,
        "client_id": client_id,
        "store_hash": store_hash,
        "scope": scope,
        "destination": destination,
        "headers": None if headers is None else orjson.loads(headers),
        "is_active": bool(active),
        "created_at": created,
        "updated_at": updated,
    }


def refused(connection: sqlite3.Connection, wanted: JSON, *, besides: int = 0) -> dict[str, str]:
    """What is wrong with a hook, by field; empty where nothing is."""
    scope, destination = wanted.get("scope"), wanted.get("destination")
    wrong: dict[str, str] = {}
    if scope not in SCOPES:
        wrong["scope"] = f"The scope {scope!r} is not a valid scope."
    parts = urlsplit(str(destination or ""))
    if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK:
        wrong["destination"] = "The destination is not an address on this machine."
    headers = wanted.get("headers")
    if headers is not None and not (isinstance(headers, dict) and all(isinstance(v, str) for v in headers.values())):
        wrong["headers"] = "The headers must be an object of strings."
    if not wrong:
        wrong = taken(connection, str(scope), str(destination), besides)
    return wrong


def taken(connection: sqlite3.Connection, scope: str, destination: str, besides: int) -> dict[str, str]:
    same = "SELECT count(*), sum(destination = ?) FROM hooks WHERE scope = ? AND id <> ?"
    count, twice = connection.execute(same, (destination, scope, besides)).fetchone()
    if twice:
        return {"destination": "A hook with this scope and destination exists already."}
    if count >= MOST_OF_A_SCOPE:
        return {"scope": f"There are {MOST_OF_A_SCOPE} hooks with this scope already."}
    return {}


def create(connection: sqlite3.Connection, wanted: JSON, at: datetime) -> int:
    row = connection.execute(
        "INSERT INTO hooks (id, scope, destination, headers, is_active, created_at, updated_at)"
        " VALUES ((SELECT max(coalesce(max(id), 0), ?) + 1 FROM hooks), ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            FIRST,
            wanted["scope"],
            wanted["destination"],
            as_text(wanted.get("headers")),
            bool(wanted.get("is_active", True)),
            int(at.timestamp()),
            int(at.timestamp()),
        ),
    ).fetchone()
    return int(row[0])


def change(connection: sqlite3.Connection, identifier: int, wanted: JSON, at: datetime) -> None:
    connection.execute(
        "UPDATE hooks SET scope = ?, destination = ?, headers = ?, is_active = ?, updated_at = ?,"
        " deactivated = deactivated AND NOT ? WHERE id = ?",
        (
            wanted["scope"],
            wanted["destination"],
            as_text(wanted["headers"]),
            bool(wanted["is_active"]),
            int(at.timestamp()),
            bool(wanted["is_active"]),
            identifier,
        ),
    )


def as_text(headers: JSON | None) -> str | None:
    return None if headers is None else orjson.dumps(headers).decode()


def deactivate(connection: sqlite3.Connection, identifier: int, at: datetime) -> None:
    """The shop has given up on it."""
    statement = "UPDATE hooks SET is_active = 0, deactivated = 1, updated_at = ? WHERE id = ?"
    connection.execute(statement, (int(at.timestamp()), identifier))


def listening(connection: sqlite3.Connection, scope: str) -> list[tuple[int, str]]:
    """(id, destination) of the hooks that are on for this scope: its own, and those of a whole family."""
    family = "/".join(scope.split("/")[:2]) + "/*"
    statement = "SELECT id, destination FROM hooks WHERE is_active AND scope IN (?, ?) ORDER BY id"
    return connection.execute(statement, (scope, family)).fetchall()
