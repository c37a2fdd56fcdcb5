"""What the watches ask of the store: what waits too long, what was usual, whether anybody rings. SELECTs only.

Each costs what is open, or a bounded piece of the recent past, never what is finished.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import orjson

from bcbridge.store.stamps import moment, stamp
from bcbridge.store.views import Reads

HOUR_LENGTH = 13
RECENT_ORDERS = 1_000

# -- orders that stand still -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockedBy:
    """The orders of one channel that one problem blocks. ``value``: the sum of their totals by currency.

    ``oldest``, ``since`` and ``order_id`` are those of the order that has been blocked longest.
    """

    code: str
    cause: str
    orders: int
    value: Mapping[str, Decimal]
    oldest: str
    since: datetime
    order_id: int

    def and_(self, other: BlockedBy, *, cause: str) -> BlockedBy:
        """Two groups of one code as one."""
        older = min(self, other, key=lambda each: each.since)
        value = {
            currency: self.value.get(currency, Decimal(0)) + other.value.get(currency, Decimal(0))
            for currency in self.value.keys() | other.value.keys()
        }
        orders = self.orders + other.orders
        return BlockedBy(self.code, cause, orders, value, older.oldest, older.since, older.order_id)


_BLOCKED = """
SELECT code, cause, currency, count(*) AS orders, group_concat(total) AS totals, min(since) AS since, name, id
FROM (
    SELECT DISTINCT id, since, currency, total, name, code,
           CASE WHEN code IN (SELECT value FROM json_each(:as_one)) THEN '' ELSE cause END AS cause
    FROM (SELECT o.id, o.since, o.currency, o.total, coalesce(nullif(o.name, ''), o.ref) AS name,
                 coalesce(json_extract(p.value, '$.code'), o.code) AS code,
                 coalesce(json_extract(p.value, '$.cause'), '') AS cause
          FROM orders AS o LEFT JOIN json_each(o.problems) AS p
          WHERE o.state = 'blocked' AND +o.connector = :connector)
)
GROUP BY code, cause, currency ORDER BY code, cause, currency
"""
"""The bare name and id are those of the row with the smallest ``since``, as SQLite has it."""


async def blocked_by(reads: Reads, connector: str, *, as_one: Collection[str] = ()) -> list[BlockedBy]:
    """Every problem that blocks orders of this channel, the longest standing first.

    ``as_one``: codes whose causes are not told apart.
    """
    found: dict[tuple[str, str], BlockedBy] = {}
    asked: dict[str, object] = {"connector": connector, "as_one": orjson.dumps(sorted(as_one)).decode()}
    for row in await reads.rows(_BLOCKED, asked):
        one = _blocked_by(row)
        key = (one.code, one.cause)
        found[key] = found[key].and_(one, cause=one.cause) if key in found else one
    return sorted(found.values(), key=lambda one: (one.since, one.code, one.cause))


def _blocked_by(row: sqlite3.Row) -> BlockedBy:
    return BlockedBy(
        code=row["code"],
        cause=row["cause"],
        orders=row["orders"],
        value={row["currency"]: sum(map(Decimal, row["totals"].split(",")), Decimal(0))},
        oldest=row["name"],
        since=moment(row["since"]),
        order_id=row["id"],
    )


@dataclass(frozen=True, slots=True)
class Standstill:
    """So many orders have been in a state for longer than a limit; ``oldest`` by name, ``since`` when."""

    code: str
    orders: int
    oldest: str
    since: datetime
    order_id: int


_STANDSTILLS = """
SELECT code, count(*) AS orders, coalesce(nullif(name, ''), ref) AS name, id,
       min(CASE WHEN code IN (SELECT value FROM json_each(:planned)) THEN coalesce(look_again, since) ELSE since END)
           AS since
FROM orders WHERE state = :state AND +connector = :connector GROUP BY code ORDER BY code
"""


async def by_code(reads: Reads, connector: str, state: str, *, planned: Collection[str] = ()) -> list[Standstill]:
    """All orders of a channel in a state, by code, whatever their age; those of a ``planned`` code wait for a moment
    that was set, and are as old as that moment."""
    asked: dict[str, object] = {"state": state, "connector": connector}
    asked["planned"] = orjson.dumps(sorted(planned)).decode()
    return [
        Standstill(row["code"], row["orders"], row["name"], moment(row["since"]), row["id"])
        for row in await reads.rows(_STANDSTILLS, asked)
    ]


_OURS_TO_MOVE = """
SELECT '' AS code, count(*) AS orders, min(since) AS since, coalesce(nullif(name, ''), ref) AS name, id FROM orders
WHERE state IN ('ready', 'sending') AND since < ? AND +connector = ?
  AND NOT EXISTS (SELECT 1 FROM release_orders WHERE order_id = orders.id AND stage = 'held')
"""


async def waiting(reads: Reads, connector: str, *, before: datetime) -> Standstill | None:
    """Orders that wait for nothing but us and the ERP since before a moment. Those held by a release wait for it."""
    row = await reads.row(_OURS_TO_MOVE, (stamp(before), connector))
    if row is None or not row["orders"]:
        return None
    return Standstill(row["code"], row["orders"], row["name"], moment(row["since"]), row["id"])


_DOUBTS = """
SELECT count(*) AS documents, min(coalesce(ended_at, written_at)) AS since, reference, order_id FROM outbox
WHERE state = 'in_doubt' AND sink = ? AND coalesce(ended_at, written_at) < ?
"""


@dataclass(frozen=True, slots=True)
class Doubts:
    """Documents in doubt since before a moment; the oldest by its reference."""

    documents: int
    reference: str
    since: datetime
    order_id: int


async def doubts(reads: Reads, sink: str, *, before: datetime) -> Doubts | None:
    row = await reads.row(_DOUBTS, (sink, stamp(before)))
    if row is None or not row["documents"]:
        return None
    return Doubts(row["documents"], row["reference"], moment(row["since"]), row["order_id"])


# -- what is usual -----------------------------------------------------------------------------------------------

_HOURS = "SELECT hour, orders FROM order_hours WHERE connector = ? AND hour >= ? AND hour <= ? ORDER BY hour"
_LAST_ORDER = """
SELECT last_at FROM order_hours WHERE connector = ? AND hour <= ? AND last_at <= ? ORDER BY hour DESC LIMIT 1
"""


async def orders_by_hour(reads: Reads, connector: str, *, since: datetime, until: datetime) -> dict[datetime, int]:
    """Orders by the full hour (UTC) in which they were placed; an hour without any is absent."""
    rows = await reads.rows(_HOURS, (connector, _hour(since), _hour(until)))
    return {datetime.strptime(row["hour"], "%Y-%m-%dT%H").replace(tzinfo=UTC): row["orders"] for row in rows}


async def last_order(reads: Reads, connector: str, *, now: datetime) -> datetime | None:
    """When the last one was placed; one that claims to come from the future does not count."""
    row = await reads.row(_LAST_ORDER, (connector, _hour(now), stamp(now)))
    return None if row is None else moment(row["last_at"])


def _hour(at: datetime) -> str:
    return stamp(at)[:HOUR_LENGTH]


# -- whether anybody rings ---------------------------------------------------------------------------------------

_RANG = "SELECT 1 FROM deliveries WHERE received_at >= ? AND +connector = ? LIMIT 1"
_NEW_ORDERS = """
SELECT count(*) AS orders FROM orders
WHERE id > (SELECT max(id) FROM orders) - ? AND +connector = ? AND first_seen >= ? AND created_at >= ?
"""


async def rang(reads: Reads, connector: str, *, since: datetime) -> bool:
    """Whether any notification was let in."""
    return await reads.row(_RANG, (stamp(since), connector)) is not None


async def new_orders(reads: Reads, connector: str, *, since: datetime) -> int:
    """Orders placed and found since a moment, of the last thousand that were found."""
    at = stamp(since)
    row = await reads.row(_NEW_ORDERS, (RECENT_ORDERS, connector, at, at))
    return int(row["orders"]) if row is not None else 0


# -- whether anything moves --------------------------------------------------------------------------------------

_MOVED = "SELECT noun, list, moved_at FROM cursors WHERE connector = ?"
_LONGEST_DUE = """
SELECT min(due_at) AS due FROM jobs
WHERE flow = ? AND connector = ? AND state = 'waiting' AND priority = 0 AND due_at <= ?
"""


async def lists_moved(reads: Reads, connector: str) -> dict[tuple[str, str], datetime]:
    """When each list of a connection was last read on, by noun and list."""
    rows = await reads.rows(_MOVED, (connector,))
    return {(row["noun"], row["list"]): moment(row["moved_at"]) for row in rows}


async def longest_due(reads: Reads, flow: str, connector: str, *, now: datetime) -> datetime | None:
    """Since when the urgent job that is due longest has been due."""
    row = await reads.row(_LONGEST_DUE, (flow, connector, stamp(now)))
    return None if row is None or row["due"] is None else moment(row["due"])


# -- whether there is anything to lose ---------------------------------------------------------------------------

_FIRST_ORDER = "SELECT first_seen FROM orders WHERE id = (SELECT min(id) FROM orders)"


async def first_order(reads: Reads) -> datetime | None:
    """When this store began to hold what could be lost."""
    row = await reads.row(_FIRST_ORDER)
    return None if row is None else moment(row["first_seen"])
