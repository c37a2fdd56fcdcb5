"""The event log: what happened to an order, in order. References and facts only, never personal data."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import orjson

from bcbridge.store.stamps import stamp

_ADD = """
INSERT INTO events (order_id, seq, at, kind, data)
VALUES (:order_id, (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE order_id = :order_id), :at, :kind, :data)
"""


def add(tx: sqlite3.Connection, order_id: int, kind: str, *, now: datetime, **data: object) -> None:
    """Append one event. ``kind`` is a stable word such as ``accepted``; ``data`` is JSON-able."""
    tx.execute(_ADD, {"order_id": order_id, "at": stamp(now), "kind": kind, "data": orjson.dumps(data).decode()})
