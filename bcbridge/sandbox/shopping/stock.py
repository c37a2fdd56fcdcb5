"""The numbers a simulated shop shows, and what happens to them: one row for each item at each location.

A shop sells from these numbers, so overselling is a fact in its books. What an order takes off is said anew after
each change of the order (`held`), by the vendor's own rule; the difference is what moves. Every move is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from bcbridge.sandbox.shopping.cart import Cart, CartLine

SEASON = 10_000
"""What every number is before anybody has counted: more than a season's shoppers want."""

SCHEMA = """
CREATE TABLE stock (
    id INTEGER PRIMARY KEY,
    item TEXT NOT NULL,
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    number INTEGER NOT NULL,
    UNIQUE (item, location)
);
CREATE INDEX stock_by_sku ON stock (sku);
CREATE TABLE stock_moves (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    stock_id INTEGER NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('order', 'restock', 'api', 'admin')),
    order_id INTEGER,
    why TEXT NOT NULL
);
CREATE INDEX stock_moves_by_stock ON stock_moves (stock_id, cause);
CREATE TABLE stock_taken (
    order_id INTEGER NOT NULL,
    stock_id INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    PRIMARY KEY (order_id, stock_id)
) WITHOUT ROWID;
CREATE INDEX stock_taken_by_stock ON stock_taken (stock_id);
CREATE TABLE stock_refusals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    sku TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    plan INTEGER
);
"""

STOCK = """
SELECT id, json_object('item', item, 'location', location, 'sku', sku, 'number', number, 'taken',
    (SELECT coalesce(sum(pieces - gone), 0) FROM stock_taken WHERE stock_id = stock.id))
FROM stock WHERE id > :after ORDER BY id LIMIT :limit
"""
MOVES = """
SELECT m.id, json_object('at', m.at, 'item', s.item, 'location', s.location, 'sku', s.sku, 'from', m.before,
    'to', m.after, 'by', m.cause, 'orderId', m.order_id, 'why', m.why)
FROM stock_moves m JOIN stock s ON s.id = m.stock_id WHERE m.id > :after ORDER BY m.id LIMIT :limit
"""
SOLD = """
SELECT id, json_object('item', item, 'location', location, 'sku', sku, 'pieces', pieces, 'restocked', restocked)
FROM (SELECT s.id, s.item, s.location, s.sku,
        sum(iif(m.cause = 'order', m.before - m.after, 0)) AS pieces,
        sum(iif(m.cause = 'restock', m.after - m.before, 0)) AS restocked
    FROM stock s JOIN stock_moves m ON m.stock_id = s.id WHERE s.id > :after AND m.cause IN ('order', 'restock')
    GROUP BY s.id ORDER BY s.id LIMIT :limit)
"""
REFUSED = """
SELECT id, json_object('at', at, 'sku', sku, 'wanted', wanted, 'shown', shown, 'plan', plan) FROM stock_refusals
WHERE id > :after ORDER BY id LIMIT :limit
"""
NOUNS = {"stock": STOCK, "stock_moves": MOVES, "sold": SOLD, "refused": REFUSED}
VALUES = {"sells_from_stock": (1.0, "1: a shopper gets no more than is shown; 0: whatever is wanted")}


class Place(NamedTuple):
    """One number: an item at a location, by the shop's own ids; "" where a shop has no locations."""

    item: str
    location: str = ""


class Choice(NamedTuple):
    """A place that a line may be sold from, and how a cart's line says that it is (``CartLine.location``)."""

    place: Place
    named: str | None = None


class Taken(NamedTuple):
    """What an order takes off one number; ``gone`` of these have left the house."""

    pieces: int
    gone: int = 0


class Move(NamedTuple):
    place: Place
    before: int
    after: int


@dataclass(frozen=True)
class Cause:
    """Why numbers move: ``by`` is order, restock, api or admin."""

    at: datetime
    by: str
    order_id: int | None = None
    why: str = ""


# --- the numbers


def found(connection: sqlite3.Connection, place: Place, sku: str, number: int = SEASON) -> None:
    """Begins to count, where nobody did."""
    statement = "INSERT OR IGNORE INTO stock (item, location, sku, number) VALUES (?, ?, ?, ?)"
    connection.execute(statement, (*place, sku, number))


def shown(connection: sqlite3.Connection, place: Place) -> int | None:
    """None: nobody counts there."""
    row = connection.execute("SELECT number FROM stock WHERE item = ? AND location = ?", place).fetchone()
    return None if row is None else int(row[0])


def put(connection: sqlite3.Connection, place: Place, number: int, cause: Cause) -> Move | None:
    """Sets a number; None where it was that already. KeyError where nobody counts."""
    row = connection.execute("SELECT id, number FROM stock WHERE item = ? AND location = ?", place).fetchone()
    if row is None:
        raise KeyError(f"stock of {place.item} at {place.location or 'the shop'}")
    if row[1] == number:
        return None
    return moved(connection, row[0], Move(place, row[1], number), cause)


def add(connection: sqlite3.Connection, place: Place, pieces: int, cause: Cause) -> Move | None:
    """Changes a number by so many. KeyError where nobody counts."""
    return put(connection, place, (shown(connection, place) or 0) + pieces, cause)


def moved(connection: sqlite3.Connection, stock_id: int, move: Move, cause: Cause) -> Move:
    connection.execute("UPDATE stock SET number = ? WHERE id = ?", (move.after, stock_id))
    connection.execute(
        "INSERT INTO stock_moves (at, stock_id, before, after, cause, order_id, why) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (cause.at.isoformat(), stock_id, move.before, move.after, cause.by, cause.order_id, cause.why),
    )
    return move


# --- what orders take off


def held(connection: sqlite3.Connection, order_id: int, now: Mapping[Place, Taken], at: datetime) -> list[Move]:
    """Brings the numbers to what an order takes off them now, whatever it took before."""
    before = "SELECT s.item, s.location, t.pieces FROM stock_taken t JOIN stock s ON s.id = t.stock_id"
    rows = connection.execute(f"{before} WHERE t.order_id = ?", (order_id,)).fetchall()
    was = {Place(item, location): pieces for item, location, pieces in rows}
    moves = []
    for place in [*now, *(place for place in was if place not in now)]:
        wanted = now.get(place, Taken(0))
        more = wanted.pieces - was.get(place, 0)
        keep_taken(connection, order_id, place, wanted)
        if more and shown(connection, place) is not None:
            moves.append(add(connection, place, -more, Cause(at, "order" if more > 0 else "restock", order_id)))
    return [move for move in moves if move is not None]


def keep_taken(connection: sqlite3.Connection, order_id: int, place: Place, taken: Taken) -> None:
    connection.execute(
        "INSERT INTO stock_taken SELECT ?, id, ?, ? FROM stock WHERE item = ? AND location = ?"
        " ON CONFLICT DO UPDATE SET pieces = excluded.pieces, gone = excluded.gone",
        (order_id, *taken, *place),
    )


def taken(connection: sqlite3.Connection, place: Place) -> int:
    """Pieces that orders have taken off this number and that are still in the house."""
    statement = (
        "SELECT coalesce(sum(t.pieces - t.gone), 0) FROM stock_taken t JOIN stock s ON s.id = t.stock_id"
        " WHERE s.item = ? AND s.location = ?"
    )
    return int(connection.execute(statement, place).fetchone()[0])


# --- what a shopper gets


class Short(NamedTuple):
    """A shopper wanted more than was shown."""

    sku: str
    wanted: int
    shown: int


def fitted(
    connection: sqlite3.Connection, cart: Cart, choices: Callable[[CartLine], Sequence[Choice]]
) -> tuple[Cart | None, list[Short]]:
    """The cart with what the shop shows: lines are lowered or dropped; None where nothing that ships is left.

    A line without choices is not counted: it is sold as it is.
    """
    left: dict[Place, int] = {}
    lines, missed = [], []
    for line in cart.lines:
        fitting = fitted_line(connection, line, choices(line), left)
        if fitting.quantity < line.quantity:
            missed.append(Short(line.sku or "", line.quantity, fitting.quantity))
        if fitting.quantity > 0:
            lines.append(fitting)
    sold_out = bool(missed) and not any(line.ships for line in lines)
    return (None if sold_out else whole(cart, lines)), missed


def fitted_line(
    connection: sqlite3.Connection, line: CartLine, choices: Sequence[Choice], left: dict[Place, int]
) -> CartLine:
    """From the first place that shows enough, else from the one that shows most."""
    if not choices:
        return line
    for place, _ in choices:
        left.setdefault(place, max(shown(connection, place) or 0, 0))
    enough = [one for one in choices if left[one.place] >= line.quantity]
    best = enough[0] if enough else max(choices, key=lambda one: left[one.place])
    quantity = min(line.quantity, left[best.place])
    left[best.place] -= quantity
    return replace(line, quantity=quantity, location=line.location if best is choices[0] else best.named)


def whole(cart: Cart, lines: list[CartLine]) -> Cart:
    """A cart of these lines; a discount that named lines by their position forgets those that are gone."""
    if len(lines) == len(cart.lines):
        return replace(cart, lines=tuple(lines))
    kept = tuple(replace(one, lines=None) if one.lines else one for one in cart.discounts)
    return replace(cart, lines=tuple(lines), discounts=kept)


def refused(connection: sqlite3.Connection, missed: Sequence[Short], at: datetime, plan: int | None) -> None:
    statement = "INSERT INTO stock_refusals (at, sku, wanted, shown, plan) VALUES (?, ?, ?, ?, ?)"
    connection.executemany(statement, [(at.isoformat(), *one, plan) for one in missed])
