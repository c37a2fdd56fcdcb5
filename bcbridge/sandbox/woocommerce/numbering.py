"""Ids as WordPress gives them: one sequence for everything that was once a post, others for lines, meta data, notes."""

from __future__ import annotations

import sqlite3

SCHEMA = "CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;\n"

FIRST = {
    "post": 5_001,
    "number": 30_001,
    "item": 1_001,
    "meta": 10_001,
    "note": 501,
    "webhook": 1,
    "fulfilment": 1,
    "fulfilment_meta": 1,
    "tracking": 1,
}
"""``post`` numbers orders and refunds, ``number`` is what people read of orders where a plugin numbers them."""


def next_id(connection: sqlite3.Connection, name: str) -> int:
    """The next id of a sequence, never given twice."""
    statement = "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET next = next + 1 RETURNING next - 1"
    return int(connection.execute(statement, (name, FIRST[name] + 1)).fetchone()[0])


class Numbering:
    """Ids inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def next(self, name: str) -> int:
        return next_id(self.connection, name)
