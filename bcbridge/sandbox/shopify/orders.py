"""The shop's memory of orders: documents by id, and what the search index shows of them.

The search index lags: it shows an order as it stood at its last indexed change until ``visible_from`` has
passed, and a new one not at all. Reading by id never lags.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from bcbridge.sandbox.base import fact, set_fact
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import number_of, order_number

SCHEMA = """
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    processed_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    financial_status TEXT NOT NULL,
    fulfillment_status TEXT NOT NULL,
    cancelled INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    test INTEGER NOT NULL,
    index_updated_at TEXT,
    visible_from REAL NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX orders_by_update ON orders (updated_at, id);
CREATE INDEX orders_by_creation ON orders (created_at, id);
CREATE INDEX orders_by_visibility ON orders (visible_from);
CREATE TABLE served_paid (order_id INTEGER PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fulfillment_orders (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    status TEXT NOT NULL,
    location_id INTEGER,
    index_updated_at TEXT,
    visible_from REAL NOT NULL
);
CREATE INDEX fulfillment_orders_by_update ON fulfillment_orders (updated_at, id);
CREATE INDEX fulfillment_orders_by_visibility ON fulfillment_orders (visible_from);
"""

INSERT = """
INSERT INTO orders VALUES (:id, :number, :name, :created_at, :processed_at, :updated_at, :financial_status,
    :fulfillment_status, :cancelled, :closed, :test, NULL, :visible_from, :document)
"""

UPDATE = """
UPDATE orders SET
    index_updated_at = CASE WHEN visible_from <= :now THEN updated_at ELSE index_updated_at END,
    visible_from = :visible_from, updated_at = :updated_at, financial_status = :financial_status,
    fulfillment_status = :fulfillment_status, cancelled = :cancelled, closed = :closed, test = :test,
    document = :document
WHERE id = :id
"""

REPLACE_FULFILMENT = """
INSERT INTO fulfillment_orders VALUES (:id, :order_id, :updated_at, :status, :location_id, NULL, :visible_from)
ON CONFLICT (id) DO UPDATE SET
    index_updated_at = CASE WHEN visible_from <= :now THEN updated_at ELSE index_updated_at END,
    visible_from = :visible_from, updated_at = :updated_at, status = :status, location_id = :location_id
WHERE updated_at <> :updated_at OR status <> :status
"""


@dataclass(frozen=True)
class Moment:
    """When something happens: the shop's time, and from when its search index shows it."""

    now: datetime
    lag_seconds: float = 0.0
    floor_seconds: int = 1

    @property
    def stamp(self) -> str:
        """To the second, as Shopify's stamps are (coarser where many orders shall share one)."""
        seconds = int(self.now.timestamp()) // self.floor_seconds * self.floor_seconds
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def visible_from(self) -> float:
        return self.now.timestamp() + self.lag_seconds


def next_number(connection: sqlite3.Connection) -> int:
    """The next order's number, never given twice."""
    number = int(fact(connection, "next_order_number") or 1001)
    set_fact(connection, "next_order_number", str(number + 1))
    return number


def add(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    connection.execute(INSERT, row(order, moment))
    index_fulfilment(connection, order, moment)


def save(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    """Keeps a changed order; its search entry stays the old one until the index has caught up."""
    connection.execute(UPDATE, {**row(order, moment), "now": moment.now.timestamp()})
    index_fulfilment(connection, order, moment)


def row(order: JSON, moment: Moment) -> dict[str, Any]:
    return {
        "id": number_of(order["id"]),
        "number": order["number"],
        "name": order["name"],
        "created_at": order["createdAt"],
        "processed_at": order["processedAt"],
        "updated_at": order["updatedAt"],
        "financial_status": order["displayFinancialStatus"],
        "fulfillment_status": order["displayFulfillmentStatus"],
        "cancelled": order["cancelledAt"] is not None,
        "closed": bool(order["closed"]),
        "test": bool(order["test"]),
        "visible_from": moment.visible_from,
        "document": orjson.dumps(order).decode(),
    }


def index_fulfilment(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    order_id = number_of(order["id"])
    connection.executemany(
        REPLACE_FULFILMENT,
        [
            {
                "id": number_of(one["id"]),
                "order_id": order_id,
                "updated_at": one["updatedAt"],
                "status": one["status"],
                "location_id": number_of((one["assignedLocation"]["location"] or {"id": ""})["id"]),
                "visible_from": moment.visible_from,
                "now": moment.now.timestamp(),
            }
            for one in order["fulfillmentOrders"]
        ],
    )


SERVED_PAID = """
SELECT order_id, json_object('orderId', order_id, 'at', at) FROM served_paid
WHERE order_id > :after ORDER BY order_id LIMIT :limit
"""


def served_paid(connection: sqlite3.Connection, identifiers: Iterable[int], at: str) -> None:
    """The API shows these as paid and standing; only the first time counts."""
    rows = [(identifier, at) for identifier in identifiers]
    connection.executemany("INSERT OR IGNORE INTO served_paid VALUES (?, ?)", rows)


def load(connection: sqlite3.Connection, any_id: str | int) -> JSON | None:
    """The order with this id, GID, or number of one of its parts."""
    identifier = any_id if isinstance(any_id, int) else number_of(any_id)
    found = connection.execute(
        "SELECT document FROM orders WHERE id = ? OR number = ?", (identifier, order_number(identifier))
    ).fetchone()
    return None if found is None else orjson.loads(found[0])


def load_all(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, JSON]:
    wanted = list(ids)
    marks = ", ".join("?" * len(wanted))
    rows = connection.execute(f"SELECT id, document FROM orders WHERE id IN ({marks})", wanted)  # noqa: S608
    return {identifier: orjson.loads(document) for identifier, document in rows}


def by_name(connection: sqlite3.Connection, name: str) -> JSON | None:
    """The order called ``#1001``, ``1001``, by its legacy id or GID."""
    plain = name.rsplit("/", 1)[-1].lstrip("#")
    if not plain.isdigit():
        return None
    statement = "SELECT document FROM orders WHERE id = ? OR number = ? ORDER BY id = ? DESC LIMIT 1"
    found = connection.execute(statement, (int(plain), int(plain), int(plain))).fetchone()
    return None if found is None else orjson.loads(found[0])
