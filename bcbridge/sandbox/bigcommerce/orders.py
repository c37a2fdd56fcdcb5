"""The shop's memory of orders, and what its API shows of them.

``orders`` is the truth. ``shown_orders`` is what the API reads: the same, but that a change marked stale is copied
there only ``stale_read_seconds`` later (2.9: a read right after a webhook may be older than it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from bcbridge.sandbox.base import fact, set_fact
from bcbridge.sandbox.bigcommerce.checkout import stamp
from bcbridge.sandbox.bigcommerce.statuses import SHOWN_AS_PAID
from bcbridge.sandbox.shopping.cart import JSON

_COLUMNS = """(
    id INTEGER PRIMARY KEY,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    status_id INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    email TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    external_order_id TEXT NOT NULL,
    cart_id TEXT NOT NULL,
    total REAL NOT NULL,
    archived INTEGER NOT NULL,
    document TEXT NOT NULL
);
"""
SCHEMA = f"""
CREATE TABLE orders {_COLUMNS}
CREATE TABLE shown_orders {_COLUMNS}
CREATE INDEX shown_orders_by_change ON shown_orders (modified, id);
CREATE TABLE stale_orders (order_id INTEGER PRIMARY KEY, due REAL NOT NULL);
CREATE TABLE served_paid (order_id INTEGER PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, created INTEGER NOT NULL);
"""
KEEP = """
INSERT OR REPLACE INTO orders VALUES (:id, :created, :modified, :status_id, :customer_id, :channel_id, :email,
    :payment_method, :external_order_id, :cart_id, :total, :archived, :document)
"""
SHOW = "INSERT OR REPLACE INTO shown_orders SELECT * FROM orders WHERE id = ?"
SERVED_PAID = """
SELECT order_id, json_object('orderId', order_id, 'at', at) FROM served_paid
WHERE order_id > :after ORDER BY order_id LIMIT :limit
"""
FILTERS: Mapping[str, str] = {
    "min_id": "id >= :min_id",
    "max_id": "id <= :max_id",
    "min_total": "total >= :min_total",
    "max_total": "total <= :max_total",
    "customer_id": "customer_id = :customer_id",
    "email": "email = :email",
    "status_id": "status_id = :status_id",
    "channel_id": "channel_id = :channel_id",
    "cart_id": "cart_id = :cart_id",
    "payment_method": "payment_method = :payment_method",
    "external_order_id": "external_order_id = :external_order_id",
    "min_date_created": "created >= :min_date_created",
    "max_date_created": "created <= :max_date_created",
    "min_date_modified": "modified >= :min_date_modified",
    "max_date_modified": "modified <= :max_date_modified",
}
"""Query parameters of the list; bounds are inclusive (the vendor does not say)."""
SORTS: Mapping[str, str] = {
    "id": "id",
    "customer_id": "customer_id",
    "date_created": "created",
    "date_modified": "modified",
    "status_id": "status_id",
    "channel_id": "channel_id",
    "external_id": "external_order_id",
}


@dataclass(frozen=True)
class Moment:
    """When something happens: the shop's time, how long the API does not show it, the grain of its stamp."""

    now: datetime
    stale_seconds: float = 0.0
    grain_seconds: int = 1

    @property
    def at(self) -> datetime:
        """To the second, as BigCommerce's stamps are (coarser where many orders shall share one)."""
        seconds = int(self.now.timestamp()) // self.grain_seconds * self.grain_seconds
        return datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True)
class Wanted:
    """A page of the list: what is asked of the columns, in which order, which part of it."""

    conditions: Mapping[str, Any]
    sort: str = "id"
    descending: bool = False
    page: int = 1
    limit: int = 50

    @property
    def where(self) -> str:
        return " AND ".join(["NOT archived", *(FILTERS[name] for name in self.conditions)])


def next_number(connection: sqlite3.Connection) -> int:
    """The next order's id, never given twice."""
    number = int(fact(connection, "next_order_number") or 1001)
    set_fact(connection, "next_order_number", str(number + 1))
    return number


def keep(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    """Keeps an order as it now is, and shows it, or shows it later."""
    connection.execute(KEEP, row(order))
    note_refunds(connection, order)
    if moment.stale_seconds:
        due = moment.now.timestamp() + moment.stale_seconds
        connection.execute("INSERT OR REPLACE INTO stale_orders VALUES (?, ?)", (order["id"], due))
    else:
        show(connection, order["id"])


def show(connection: sqlite3.Connection, order_id: int) -> None:
    connection.execute(SHOW, (order_id,))
    connection.execute("DELETE FROM stale_orders WHERE order_id = ?", (order_id,))


def catch_up(connection: sqlite3.Connection, now: datetime) -> None:
    """Shows what has been stale for long enough."""
    due = connection.execute("SELECT order_id FROM stale_orders WHERE due <= ?", (now.timestamp(),)).fetchall()
    for (order_id,) in due:
        show(connection, order_id)


def is_stale(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM stale_orders LIMIT 1").fetchone() is not None


def note_refunds(connection: sqlite3.Connection, order: JSON) -> None:
    rows = [(one["id"], order["id"], int(seconds(one["created"]))) for one in order["refunds"]]
    connection.executemany("INSERT OR IGNORE INTO refunds VALUES (?, ?, ?)", rows)


def row(order: JSON) -> dict[str, Any]:
    return {
        **{name: order[name] for name in ("id", "status_id", "customer_id", "channel_id", "payment_method", "cart_id")},
        "created": int(seconds(order["date_created"])),
        "modified": int(seconds(order["date_modified"])),
        "email": order["billing_address"]["email"],
        "external_order_id": order["external_order_id"],
        "total": float(order["total_inc_tax"]),
        "archived": bool(order["is_deleted"]),
        "document": orjson.dumps(order).decode(),
    }


def seconds(written: str) -> float:
    """A date as people write it to this API, RFC 2822 or ISO 8601, as seconds; ValueError for anything else."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        at = parsedate_to_datetime(written)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


# --- reading the truth


def load(connection: sqlite3.Connection, order_id: int) -> JSON | None:
    found = connection.execute("SELECT document FROM orders WHERE id = ?", (order_id,)).fetchone()
    return None if found is None else orjson.loads(found[0])


def touched(order: JSON, moment: Moment) -> None:
    """``date_modified`` never runs backwards."""
    order["date_modified"] = max(stamp(moment.at), order["date_modified"], key=seconds)


# --- reading what is shown


def shown(connection: sqlite3.Connection, order_id: int) -> JSON | None:
    found = connection.execute("SELECT document FROM shown_orders WHERE id = ?", (order_id,)).fetchone()
    return None if found is None else orjson.loads(found[0])


def page(connection: sqlite3.Connection, wanted: Wanted) -> list[JSON]:
    direction = "DESC" if wanted.descending else "ASC"
    statement = (
        f"SELECT document FROM shown_orders WHERE {wanted.where}"  # noqa: S608
        f" ORDER BY {SORTS[wanted.sort]} {direction}, id {direction} LIMIT :most OFFSET :skipped"
    )
    values = {**wanted.conditions, "most": wanted.limit, "skipped": (wanted.page - 1) * wanted.limit}
    return [orjson.loads(document) for (document,) in connection.execute(statement, values)]


def counts(connection: sqlite3.Connection, wanted: Wanted) -> dict[int, int]:
    """How many there are of each status."""
    statement = f"SELECT status_id, count(*) FROM shown_orders WHERE {wanted.where} GROUP BY status_id"  # noqa: S608
    return dict(connection.execute(statement, dict(wanted.conditions)).fetchall())


def after(connection: sqlite3.Connection, modified: float, order_id: int) -> Iterator[int]:
    """The next two orders behind a page by ``date_modified``."""
    statement = "SELECT id FROM shown_orders WHERE (modified, id) > (?, ?) ORDER BY modified, id LIMIT 2"
    yield from [identifier for (identifier,) in connection.execute(statement, (int(modified), order_id))]


def shows_paid(order: JSON) -> bool:
    return order["status_id"] in SHOWN_AS_PAID and not order["is_deleted"]


def served_paid(connection: sqlite3.Connection, order_ids: Iterable[int], at: str) -> None:
    """The API shows these as paid and standing; only the first time counts."""
    rows = [(order_id, at) for order_id in order_ids]
    connection.executemany("INSERT OR IGNORE INTO served_paid VALUES (?, ?)", rows)
