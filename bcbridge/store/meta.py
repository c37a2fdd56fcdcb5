"""Facts about this store itself: its epoch, when a sweep last ran."""

from __future__ import annotations

import sqlite3

from bcbridge.store.db import Store

_GET = "SELECT value FROM meta WHERE name = ?"
_SET = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def get(tx: sqlite3.Connection, name: str) -> str | None:
    row = tx.execute(_GET, (name,)).fetchone()
    return None if row is None else str(row["value"])


def put(tx: sqlite3.Connection, name: str, value: str) -> None:
    tx.execute(_SET, (name, value))


def drop(tx: sqlite3.Connection, name: str) -> bool:
    """Returns whether it was there."""
    return tx.execute("DELETE FROM meta WHERE name = ?", (name,)).rowcount == 1


async def read(store: Store, name: str) -> str | None:
    row = await store.read.row(_GET, (name,))
    return None if row is None else str(row["value"])
