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
    return _standstill(await reads.row(_OURS_TO_MOVE, (stamp(before), connector)))


def _standstill(row: sqlite3.Row | None) -> Standstill | None:
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


# -- what does not leave, and what is not told ---------------------------------------------------------------------

_LEAVING_FROM = "SELECT DISTINCT warehouse FROM leaving WHERE connector = ? AND pieces > shipped + cancelled"
_NOT_LEFT = """
SELECT leaving.order_id AS id, coalesce(nullif(orders.name, ''), orders.ref) AS name, min(leaving.posted_at) AS since,
       count(*) OVER () AS orders
FROM leaving JOIN orders ON orders.id = leaving.order_id
WHERE leaving.connector = :connector AND leaving.warehouse = :warehouse
  AND leaving.pieces > leaving.shipped + leaving.cancelled AND leaving.posted_at < :before
GROUP BY leaving.order_id ORDER BY since, id LIMIT :names
"""
OLDEST_NAMED = 3


@dataclass(frozen=True, slots=True)
class NotLeft:
    """So many orders have pieces that are to leave a warehouse, and were booked before a moment; ``oldest`` by name."""

    orders: int
    oldest: tuple[str, ...]
    since: datetime
    order_id: int


async def leaving_from(reads: Reads, connector: str) -> list[str]:
    """The warehouses that pieces of a channel's booked orders are still to leave from; '' is one that is not known."""
    return sorted(row["warehouse"] for row in await reads.rows(_LEAVING_FROM, (connector,)))


async def not_left(reads: Reads, connector: str, warehouse: str, *, before: datetime) -> NotLeft | None:
    asked: dict[str, object] = {"connector": connector, "warehouse": warehouse, "before": stamp(before)}
    rows = await reads.rows(_NOT_LEFT, {**asked, "names": OLDEST_NAMED})
    if not rows:
        return None
    first = rows[0]
    return NotLeft(first["orders"], tuple(row["name"] for row in rows), moment(first["since"]), first["id"])


_NOT_TOLD = """
SELECT '' AS code, count(*) AS orders, min(dispatched.since) AS since,
       coalesce(nullif(orders.name, ''), orders.ref) AS name, orders.id
FROM dispatched CROSS JOIN orders ON orders.id = dispatched.order_id
WHERE (dispatched.owed > 0 OR dispatched.problems <> '[]') AND dispatched.since < :before
  AND dispatched.owed > 0 AND dispatched.problems = '[]' AND +orders.connector = :connector
"""
_BLOCKED_BY = """
SELECT :code AS code, count(*) AS orders, min(dispatched.since) AS since,
       coalesce(nullif(orders.name, ''), orders.ref) AS name, orders.id
FROM dispatched CROSS JOIN orders ON orders.id = dispatched.order_id
WHERE (dispatched.owed > 0 OR dispatched.problems <> '[]') AND dispatched.since < :before
  AND EXISTS (SELECT 1 FROM json_each(dispatched.problems) WHERE json_extract(value, '$.code') = :code)
  AND +orders.connector = :connector
"""


async def not_told(reads: Reads, connector: str, *, before: datetime) -> Standstill | None:
    """Orders of a channel that it is to be told of since before a moment, and that nothing is wrong with."""
    return _standstill(await reads.row(_NOT_TOLD, {"connector": connector, "before": stamp(before)}))


async def dispatches_blocked_by(reads: Reads, connector: str, code: str, *, before: datetime) -> Standstill | None:
    """Orders whose dispatches have had this problem, among others, since before a moment."""
    return _standstill(await reads.row(_BLOCKED_BY, {"connector": connector, "code": code, "before": stamp(before)}))


# -- what is not paid --------------------------------------------------------------------------------------------

_LAPSING = """
SELECT '' AS code, count(*) AS orders, min(authorised_until) AS since, coalesce(nullif(name, ''), ref) AS name, id
FROM orders
WHERE payment = 'authorised' AND connector = :connector AND authorised_until < :before AND state <> 'never'
"""
_NOT_CAPTURED = """
SELECT '' AS code, count(*) AS orders, min(dispatched.since) AS since,
       coalesce(nullif(orders.name, ''), orders.ref) AS name, orders.id
FROM orders CROSS JOIN dispatched ON dispatched.order_id = orders.id
WHERE orders.payment = 'authorised' AND orders.connector = :connector AND orders.authorised_until > ''
  AND dispatched.told > 0 AND dispatched.owed = 0 AND dispatched.problems = '[]' AND dispatched.since < :before
  AND NOT EXISTS (SELECT 1 FROM leaving WHERE leaving.order_id = orders.id
                  AND leaving.pieces > leaving.shipped + leaving.cancelled)
"""


async def lapsing(reads: Reads, connector: str, *, before: datetime) -> Standstill | None:
    """Orders whose money is authorised, not captured, and held no longer than to a moment; ``since``: until when."""
    return _standstill(await reads.row(_LAPSING, {"connector": connector, "before": stamp(before)}))


async def not_captured(reads: Reads, connector: str, *, before: datetime) -> Standstill | None:
    """Orders that have left in full, as their channel was told before a moment, and whose money is only authorised."""
    return _standstill(await reads.row(_NOT_CAPTURED, {"connector": connector, "before": stamp(before)}))


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
