"""A store that has worked for years: millions of finished jobs, orders that are booked, and all that happened to them.

Made without the journal (nobody needs it again after a crash), then opened as the product opens it. Rows are as wide as
the engine writes them, and come as they would: by growing numbers, by time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bcbridge.store.db import migrate

EVENTS_EACH = 10
CHANNEL = "shopify_us"

_STAMP = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1700000000 + n * 12, 'unixepoch')"
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
_JOBS = f"""
{_NUMBERS}
INSERT INTO jobs (flow, connector, ref, ordering_key, priority, state, wanted, enqueued_at, due_at, started_at,
                  ended_at, attempts, deaths, reason)
SELECT 'orders', '{CHANNEL}', printf('gid://shopify/Order/%d', 5000000000 + n),
       printf('{CHANNEL}/gid://shopify/Order/%d', 5000000000 + n), 0, 'done', {_STAMP}, {_STAMP}, {_STAMP}, {_STAMP},
       {_STAMP}, 1, 0, 'handed over'
FROM numbers
"""
_ORDERS = f"""
{_NUMBERS}
INSERT INTO orders (connector, ref, channel_id, name, state, since, first_seen, created_at, modified, currency, total,
                    content_hash, booked_at)
SELECT '{CHANNEL}', printf('gid://shopify/Order/%d', 5000000000 + n), printf('%d', 5000000000 + n),
       printf('#%d', 1000 + n), 'booked', {_STAMP}, {_STAMP}, {_STAMP}, {_STAMP}, 'USD', '128.00',
       printf('1:%064d', n), {_STAMP}
FROM numbers
"""
_OUTBOX = f"""
{_NUMBERS}
INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at, sent_at,
                    accepted_at, posted_at, posts, receipt, number)
SELECT 'bluecherry.orders', n, 1, 1, 1, printf('SUS%dP1G1', 5000000000 + n), x'', printf('%064d', n), 'posted',
       {_STAMP}, {_STAMP}, {_STAMP}, {_STAMP}, 1, printf('%d', 700000 + n), printf('SO%d', n)
FROM numbers
"""
_EVENTS = f"""
{_NUMBERS}
INSERT INTO events (order_id, seq, at, kind, data)
SELECT (n - 1) / {EVENTS_EACH} + 1, (n - 1) % {EVENTS_EACH} + 1, {_STAMP}, 'accepted',
       printf('{{"reference":"SUS%dP1G1","part":1,"parts":1,"receipt":"%d"}}', 5000000000 + n, 700000 + n)
FROM numbers
"""


def fill(path: Path, *, jobs: int, events: int) -> int:
    """A store with so many finished jobs and events; returns how many orders they belong to."""
    orders = max(1, events // EVENTS_EACH)
    migrate(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -512000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        connection.execute(_JOBS, {"count": jobs})
        for statement in (_ORDERS, _OUTBOX):
            connection.execute(statement, {"count": orders})
        connection.execute(_EVENTS, {"count": orders * EVENTS_EACH})
        connection.execute("COMMIT")
    return orders
