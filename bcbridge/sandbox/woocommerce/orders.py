"""The shop's memory of orders: documents by id, what of them the database shows, their refunds and notes.

A change that commits late is kept as ``truth`` beside what is still shown, with its stamp already written: when it
shows, its ``date_modified`` lies behind whoever has read on meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce import dates

SCHEMA = """
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL,
    status TEXT,
    created TEXT,
    modified TEXT,
    customer INTEGER,
    document TEXT,
    truth TEXT,
    visible_from REAL NOT NULL DEFAULT 0
);
CREATE INDEX orders_by_modified ON orders (modified, id, status);
CREATE INDEX orders_by_created ON orders (created, id, status);
CREATE INDEX orders_by_number ON orders (number);
CREATE INDEX orders_late ON orders (visible_from) WHERE truth IS NOT NULL;
CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, at TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX refunds_by_order ON refunds (order_id, at);
CREATE TABLE notes (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, at TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX notes_by_order ON notes (order_id, at);
CREATE TABLE served_paid (order_id INTEGER PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
"""
ORDERS = "SELECT id, coalesce(truth, document) FROM orders WHERE id > :after ORDER BY id LIMIT :limit"
REFUNDS = "SELECT id, document FROM refunds WHERE id > :after ORDER BY id LIMIT :limit"
SERVED_PAID = """
SELECT order_id, json_object('orderId', order_id, 'at', at) FROM served_paid
WHERE order_id > :after ORDER BY order_id LIMIT :limit
"""
SHOW = """
UPDATE orders SET status = :status, created = :created, modified = :modified, customer = :customer,
    document = :document, truth = NULL
WHERE id = :id
"""
SEEN = "SELECT CASE WHEN visible_from <= ? THEN coalesce(truth, document) ELSE document END FROM orders WHERE id = ?"
UNLISTED = ("trash", "checkout-draft", "auto-draft")
"""What ``status=any`` leaves out."""


@dataclass(frozen=True)
class Moment:
    """When something happens: the shop's time, the grain of its stamps, and how late the database shows it."""

    now: datetime
    late_seconds: float = 0.0
    floor_seconds: int = 1

    @property
    def stamp(self) -> str:
        seconds = int(self.now.timestamp()) // self.floor_seconds * self.floor_seconds
        return dates.stamp(datetime.fromtimestamp(seconds, UTC))

    @property
    def visible_from(self) -> float:
        return self.now.timestamp() + self.late_seconds


def add(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    connection.execute("INSERT INTO orders (id, number) VALUES (?, ?)", (order["id"], order["number"]))
    save(connection, order, moment)


def save(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    """Keeps a new or changed order, to be shown at once or late."""
    if moment.late_seconds:
        late = (orjson.dumps(order).decode(), moment.visible_from, order["id"])
        connection.execute("UPDATE orders SET truth = ?, visible_from = ? WHERE id = ?", late)
    else:
        show(connection, order)


def show(connection: sqlite3.Connection, order: JSON) -> None:
    row = {
        "id": order["id"],
        "status": order["status"],
        "created": order["date_created_gmt"],
        "modified": order["date_modified_gmt"],
        "customer": order["customer_id"],
        "document": orjson.dumps(order).decode(),
    }
    connection.execute(SHOW, row)


def show_late(connection: sqlite3.Connection, now: datetime) -> int:
    """Shows what was late and is due; returns how many are still to come."""
    due = "SELECT truth FROM orders WHERE truth IS NOT NULL AND visible_from <= ?"
    for (truth,) in connection.execute(due, (now.timestamp(),)).fetchall():
        show(connection, orjson.loads(truth))
    return int(connection.execute("SELECT count(*) FROM orders WHERE truth IS NOT NULL").fetchone()[0])


def load(connection: sqlite3.Connection, identifier: int) -> JSON | None:
    """The order as it truly is."""
    return one(connection, "SELECT coalesce(truth, document) FROM orders WHERE id = ?", identifier)


def seen(connection: sqlite3.Connection, identifier: int, now: datetime | None = None) -> JSON | None:
    """The order as the database shows it; with ``now``, what has committed by then and was not looked at yet, too."""
    return one(connection, SEEN, -1 if now is None else now.timestamp(), identifier)


def one(connection: sqlite3.Connection, statement: str, *values: object) -> JSON | None:
    row = connection.execute(statement, values).fetchone()
    return None if row is None or row[0] is None else orjson.loads(row[0])


def remove(connection: sqlite3.Connection, identifier: int) -> None:
    for statement in (
        "DELETE FROM orders WHERE id = ?",
        "DELETE FROM refunds WHERE order_id = ?",
        "DELETE FROM notes WHERE order_id = ?",
    ):
        connection.execute(statement, (identifier,))


def named(connection: sqlite3.Connection, name: str) -> int | None:
    """The id of the order with this number (``#30001``) or id."""
    plain = name.lstrip("#")
    statement = "SELECT id FROM orders WHERE number = ? OR id = ? ORDER BY number = ? DESC LIMIT 1"
    row = connection.execute(statement, (plain, plain, plain)).fetchone()
    return None if row is None else int(row[0])


# --- lists


@dataclass(frozen=True)
class Query:
    """Which rows: SQL conditions with their values, and in which order."""

    conditions: Sequence[str]
    values: Sequence[Any]
    column: str = "created"
    descending: bool = True

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions) or "1"

    @property
    def order(self) -> str:
        direction = "DESC" if self.descending else "ASC"
        return f"{self.column} {direction}, id {direction}"


def listed(connection: sqlite3.Connection, table: str, query: Query, *, limit: int, offset: int) -> list[JSON]:
    statement = f"SELECT document FROM {table} WHERE {query.where} ORDER BY {query.order} LIMIT ? OFFSET ?"  # noqa: S608
    return [orjson.loads(row[0]) for row in connection.execute(statement, (*query.values, limit, offset))]


def counted(connection: sqlite3.Connection, table: str, query: Query) -> int:
    statement = f"SELECT count(*) FROM {table} WHERE {query.where}"  # noqa: S608
    return int(connection.execute(statement, query.values).fetchone()[0])


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


# --- refunds and notes


def add_refund(connection: sqlite3.Connection, refund: JSON) -> None:
    row = (refund["id"], refund["order_id"], refund["date_created_gmt"], orjson.dumps(refund).decode())
    connection.execute("INSERT INTO refunds VALUES (?, ?, ?, ?)", row)


def add_note(connection: sqlite3.Connection, order_id: int, note: JSON) -> None:
    row = (note["id"], order_id, note["date_created_gmt"], orjson.dumps(note).decode())
    connection.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", row)


def served_paid(connection: sqlite3.Connection, identifiers: Iterable[int], at: str) -> None:
    """The API shows these as paid and standing; only the first time counts."""
    connection.executemany("INSERT OR IGNORE INTO served_paid VALUES (?, ?)", [(one, at) for one in identifiers])
