"""Adjustments: answered at once with a ``transaction_id``, in force some seconds later (2.5).

Each takes its own time, so of two that overlap the later one may be in force first. A bad item is a 422 for the whole
call; whether the others are applied all the same nobody says: a switch decides. Whatever is read or sold first brings
what is due into force, in the order in which it fell due.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bcbridge.sandbox.bigcommerce import counting
from bcbridge.sandbox.bigcommerce.counting import Counted
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.shopping.stock import Cause, Place

SCHEMA = """
CREATE TABLE adjustments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    due REAL NOT NULL,
    absolute INTEGER NOT NULL,
    item TEXT NOT NULL,
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    reason TEXT NOT NULL,
    in_force_at TEXT
);
CREATE INDEX adjustments_by_due ON adjustments (due) WHERE in_force_at IS NULL;
"""
ADJUSTMENTS = """
SELECT id, json_object('transactionId', transaction_id, 'askedAt', asked_at, 'absolute', absolute, 'item', item,
    'location', location, 'sku', sku, 'quantity', quantity, 'reason', reason, 'inForceAt', in_force_at)
FROM adjustments WHERE id > :after ORDER BY id LIMIT :limit
"""
NOUNS = {"adjustments": ADJUSTMENTS}
BY_ID = "SELECT v.id, v.sku, p.id, p.tracking FROM variants v JOIN products p ON p.id = v.product_id WHERE v.id = ?"
BY_SKU = BY_ID.removesuffix("v.id = ?") + "v.sku = ? COLLATE NOCASE"
MOST_ITEMS = 2_000
MOST_PIECES = 2_147_483_647
IDENTITIES = ("sku", "variant_id", "product_id")


class Item(NamedTuple):
    """One item of an adjustment that is as it should be."""

    place: Place
    sku: str
    quantity: int


class Wrong(Exception):
    """Why an item is not taken, in the vendor's manner."""


@dataclass(frozen=True)
class Accepted:
    """A call that was taken: its items, and when they are in force (seconds of the store's clock)."""

    transaction_id: str
    items: tuple[Item, ...]
    due: tuple[float, ...]
    absolute: bool
    reason: str
    asked: datetime


def checked(connection: sqlite3.Connection, items: Sequence[Any], *, absolute: bool) -> tuple[list[Item], list[str]]:
    """The good ones, and what is wrong with the others."""
    good, wrong = [], []
    for item in items:
        try:
            good.append(read(connection, item, absolute=absolute))
        except Wrong as fault:
            wrong.append(str(fault))
    return good, wrong


def read(connection: sqlite3.Connection, item: Any, *, absolute: bool) -> Item:
    if not isinstance(item, dict):
        raise Wrong("Item is not an object")
    quantity, location = item.get("quantity"), item.get("location_id")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or abs(quantity) > MOST_PIECES:
        raise Wrong(f"{told(item)} quantity is invalid")
    if not any(name in item for name in IDENTITIES):
        raise Wrong("One of sku, variant_id or product_id is needed")
    if absolute and quantity < 0:
        raise Wrong(f"{told(item)} quantity must not be negative")
    if connection.execute("SELECT 1 FROM locations WHERE id = ?", (location,)).fetchone() is None:
        raise Wrong(f"Location with id {location} not found")
    place, sku = identified(connection, item, int(location or 0))
    if not absolute:
        check_relative(connection, place, quantity, item)
    return Item(place, sku, quantity)


def check_relative(connection: sqlite3.Connection, place: Place, quantity: int, item: JSON) -> None:
    """Never below the safety stock (2.5)."""
    there = stock.shown(connection, place)
    if there is None:
        raise Wrong(f"{told(item)} requires absolute adjustment before relative")
    if there + quantity < 0:
        raise Wrong(f"{told(item)} would go below its safety stock")


def told(item: JSON) -> str:
    named = next((name for name in IDENTITIES if name in item), "")
    return f"Items with identity: [{named} {item.get(named, '')}]"


def identified(connection: sqlite3.Connection, item: JSON, location: int) -> tuple[Place, str]:
    """Where an item is counted, and its SKU. Raises Wrong for what is counted otherwise, or nowhere."""
    if "product_id" in item:
        return of_product(connection, item, location)
    variant_id, sku, counted = found(connection, item)
    if counted.tracking == "product":
        said = f"Item with variant_id {variant_id} is tracked by product, please update stock by product id"
        raise Wrong(said)
    if counted.tracking == "none":
        raise Wrong(f"Item with variant_id {variant_id} is not tracked")
    return Place(str(variant_id), str(location)), sku


def of_product(connection: sqlite3.Connection, item: JSON, location: int) -> tuple[Place, str]:
    statement = "SELECT id, sku, tracking FROM products WHERE id = ?"
    row = connection.execute(statement, (item["product_id"],)).fetchone()
    if row is None:
        raise Wrong(f"{told(item)} not found")
    if row[2] != "product":
        way = "variant, please update stock by variant id" if row[2] == "variant" else "nobody"
        raise Wrong(f"Item with product_id {row[0]} is tracked by {way}")
    return Place(counting.of_product(row[0]), str(location)), row[1]


def found(connection: sqlite3.Connection, item: JSON) -> tuple[int, str, Counted]:
    """The variant, by id or by SKU without regard to case."""
    by_id = "variant_id" in item
    row = connection.execute(BY_ID if by_id else BY_SKU, (item["variant_id" if by_id else "sku"],)).fetchone()
    if row is None:
        raise Wrong(f"{told(item)} not found")
    return row[0], row[1], Counted(row[2], row[3])


# --- accepted now, in force later


def accept(connection: sqlite3.Connection, call: Accepted) -> str:
    connection.executemany(
        "INSERT INTO adjustments (transaction_id, asked_at, due, absolute, item, location, sku, quantity, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                call.transaction_id,
                call.asked.isoformat(),
                due,
                call.absolute,
                *one.place,
                one.sku,
                one.quantity,
                call.reason,
            )
            for one, due in zip(call.items, call.due, strict=True)
        ],
    )
    return call.transaction_id


def accepted(
    items: Sequence[Item], asked: datetime, seconds: float, body: JSON, *, absolute: bool, torn: bool
) -> Accepted:
    """``torn``: the second half of the items takes as long again."""
    due = asked.timestamp() + seconds
    half = len(items) // 2 if torn else len(items)
    whens = tuple(due if at < half else due + seconds for at in range(len(items)))
    reason = str(body.get("reason") or "")
    return Accepted(str(uuid.uuid4()), tuple(items), whens, absolute, reason, asked)


def catch_up(connection: sqlite3.Connection, now: datetime) -> None:
    """Brings into force what is due."""
    statement = (
        "SELECT id, due, absolute, item, location, sku, quantity, transaction_id FROM adjustments"
        " WHERE in_force_at IS NULL AND due <= ? ORDER BY due, id"
    )
    for identifier, due, absolute, item, location, sku, quantity, named in connection.execute(
        statement, (now.timestamp(),)
    ).fetchall():
        at, place = datetime.fromtimestamp(due, UTC), Place(item, location)
        apply(connection, place, sku, quantity, Cause(at, "api", why=named), absolute=bool(absolute))
        connection.execute("UPDATE adjustments SET in_force_at = ? WHERE id = ?", (at.isoformat(), identifier))


def apply(
    connection: sqlite3.Connection, place: Place, sku: str, quantity: int, cause: Cause, *, absolute: bool
) -> None:
    """On hand is set; what may be sold is less by the safety stock of that moment."""
    stock.found(connection, place, sku, 0)
    if absolute:
        safety, _ = counting.item_settings(connection, place)
        stock.put(connection, place, quantity - safety, cause)
    else:
        stock.add(connection, place, quantity, cause)


def next_due(connection: sqlite3.Connection) -> float | None:
    """When something is next in force; None: nothing is under way."""
    row = connection.execute("SELECT min(due) FROM adjustments WHERE in_force_at IS NULL").fetchone()
    return None if row is None or row[0] is None else float(row[0])
