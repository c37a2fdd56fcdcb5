"""A cure frees three orders first; when each of them is booked, blocked again or never, the rest at low priority.

Releasing 500 orders at once on a wrong mapping makes 500 wrong orders: any refusal by the ERP stops the release. What
it still held stays held, whoever looks at it, until a person retries it or another cure frees it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson

from bcbridge.model.outcome import Problem
from bcbridge.store import events, incidents, queue
from bcbridge.store.db import Store
from bcbridge.store.orders import told
from bcbridge.store.queue import BULK, NOW, Wish
from bcbridge.store.stamps import stamp

STOPPED = "release_stopped"
FIRST = 3
STEP = 200

_FREED = """
SELECT DISTINCT orders.id, orders.connector, orders.ref FROM order_causes JOIN orders ON orders.id = order_id
WHERE cause IN (SELECT value FROM json_each(:causes)) AND orders.state = 'blocked'
  AND (:channel IS NULL OR orders.connector = :channel)
  AND NOT EXISTS (SELECT 1 FROM release_orders JOIN releases ON releases.id = release_id
                  WHERE release_orders.order_id = orders.id AND stage = 'held' AND releases.state IN ('first', 'rest'))
ORDER BY orders.id
"""
_OPEN = "INSERT INTO releases (cause, state, opened_at) VALUES (?, ?, ?) RETURNING id"
_ADD = "INSERT INTO release_orders (release_id, order_id, stage, freed_at) VALUES (?, ?, ?, ?)"
_TO_READY = """
UPDATE orders SET state = 'ready', code = 'released', since = ?
WHERE id = ? AND state IN ('blocked', 'ready', 'not_yet', 'never')
"""


_WAITING_FOR = "SELECT DISTINCT cause FROM order_causes"


def waiting_for(tx: sqlite3.Connection) -> list[str]:
    """Every cause that some order is blocked for."""
    return [str(row["cause"]) for row in tx.execute(_WAITING_FOR).fetchall()]


def free(tx: sqlite3.Connection, causes: Iterable[str], *, flow: str, now: datetime, channel: str | None = None) -> int:
    """The orders (of one channel alone, where it is named) blocked for any of these causes may be looked at again.
    Returns how many."""
    wanted = sorted(set(causes))
    if not wanted:
        return 0
    found = tx.execute(_FREED, {"causes": orjson.dumps(wanted).decode(), "channel": channel}).fetchall()
    return free_orders(tx, found, cause=wanted[0] if len(wanted) == 1 else f"{len(wanted)} causes", flow=flow, now=now)


def free_orders(tx: sqlite3.Connection, orders: Sequence[sqlite3.Row], *, cause: str, flow: str, now: datetime) -> int:
    """Three first, the others held until their turn. ``orders``: rows with id, connector, ref."""
    if not orders:
        return 0
    state = "first" if len(orders) > FIRST else "done"
    release_id = int(tx.execute(_OPEN, (cause, state, stamp(now))).fetchone()["id"])
    for place, order in enumerate(orders):
        first = place < FIRST
        tx.execute(_FORGET_HELD, (order["id"],))
        tx.execute(_ADD, (release_id, order["id"], "freed" if first else "held", stamp(now) if first else None))
        if first:
            _let_go(tx, order, flow=flow, priority=NOW, cause=cause, now=now)
    end_stopped(tx, now=now)
    return len(orders)


_FORGET_HELD = "DELETE FROM release_orders WHERE order_id = ? AND stage = 'held'"
_ENDED = """
UPDATE releases SET ended_at = ? WHERE state = 'stopped' AND ended_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM release_orders WHERE release_id = releases.id AND stage = 'held')
RETURNING cause
"""


def forget_held(tx: sqlite3.Connection, order_id: int) -> None:
    """Its turn is over, or a person has spoken."""
    tx.execute(_FORGET_HELD, (order_id,))


def end_stopped(tx: sqlite3.Connection, *, now: datetime) -> None:
    """A stopped release that holds nobody any more is over, and so is its incident."""
    for release in tx.execute(_ENDED, (stamp(now),)).fetchall():
        incidents.close(tx, code=STOPPED, connector="", cause=release["cause"], now=now)


def _let_go(tx: sqlite3.Connection, order: sqlite3.Row, *, flow: str, priority: int, cause: str, now: datetime) -> None:
    tx.execute(_TO_READY, (stamp(now), order["id"]))
    events.add(tx, order["id"], "released", now=now, cause=cause)
    wish = Wish(flow=flow, connector=order["connector"], ref=order["ref"], due=now, priority=priority)
    queue.enqueue(tx, [wish], now=now)


_WAITING = "SELECT id, cause FROM releases WHERE state = 'first' ORDER BY id"
_FIRST_STATES = """
SELECT orders.state, orders.code FROM release_orders JOIN orders ON orders.id = order_id
WHERE release_id = ? AND stage = 'freed'
"""
_REST = "SELECT id, cause FROM releases WHERE state = 'rest' ORDER BY id"
_HELD = """
SELECT orders.id, orders.connector, orders.ref FROM release_orders JOIN orders ON orders.id = order_id
WHERE release_id = ? AND stage = 'held' ORDER BY orders.id LIMIT ?
"""
_FREE_ONE = "UPDATE release_orders SET stage = 'freed', freed_at = ? WHERE release_id = ? AND order_id = ?"
_MOVE = "UPDATE releases SET state = ?, ended_at = ? WHERE id = ?"
_ALL_HELD = "SELECT order_id FROM release_orders WHERE release_id = ? AND stage = 'held'"
_BLOCK = """
UPDATE orders SET state = 'blocked', code = 'release_stopped', reason = :reason, problems = :problems, since = :now
WHERE id = :id AND state = 'ready'
"""
_REFUSED = """
SELECT 1 FROM release_orders JOIN orders ON orders.id = order_id
WHERE release_id = ? AND stage = 'freed' AND orders.state = 'blocked' AND orders.code = 'erp_refused' LIMIT 1
"""


_ANY_OPEN = "SELECT 1 FROM releases WHERE state IN ('first', 'rest') LIMIT 1"


async def any_open(store: Store) -> bool:
    """Whether one is under way."""
    return await store.read.row(_ANY_OPEN) is not None


def advance(tx: sqlite3.Connection, *, flow: str, now: datetime) -> int:
    """Move every release on as far as it may go; returns how many orders were let go."""
    for release in tx.execute(_WAITING).fetchall():
        _look_at_first(tx, release, now=now)
    return sum(_free_rest(tx, release, flow=flow, now=now) for release in tx.execute(_REST).fetchall())


def _look_at_first(tx: sqlite3.Connection, release: sqlite3.Row, *, now: datetime) -> None:
    states = tx.execute(_FIRST_STATES, (release["id"],)).fetchall()
    if any(row["state"] == "blocked" and row["code"] == "erp_refused" for row in states):
        _stop(tx, release, now=now)
    elif all(row["state"] in ("booked", "blocked", "never", "not_yet") for row in states):
        tx.execute(_MOVE, ("rest", None, release["id"]))


def _stop(tx: sqlite3.Connection, release: sqlite3.Row, *, now: datetime) -> None:
    """What was held stays blocked; what was ready and held (a write was confirmed) is blocked until a retry."""
    text = f"the release after {release['cause']} was stopped: the ERP refused one of its orders; the rest is blocked"
    incidents.open_one(tx, code=STOPPED, connector="", cause=release["cause"], text=text, now=now)
    problems = told([Problem(code=STOPPED, subject="release", text=text)])
    for held in tx.execute(_ALL_HELD, (release["id"],)).fetchall():
        blocked = {"id": held["order_id"], "reason": text, "problems": problems, "now": stamp(now)}
        tx.execute(_BLOCK, blocked)
    tx.execute(_MOVE, ("stopped", None, release["id"]))
    end_stopped(tx, now=now)


def _free_rest(tx: sqlite3.Connection, release: sqlite3.Row, *, flow: str, now: datetime) -> int:
    if tx.execute(_REFUSED, (release["id"],)).fetchone() is not None:
        _stop(tx, release, now=now)
        return 0
    held = tx.execute(_HELD, (release["id"], STEP)).fetchall()
    for order in held:
        tx.execute(_FREE_ONE, (stamp(now), release["id"], order["id"]))
        _let_go(tx, order, flow=flow, priority=BULK, cause=release["cause"], now=now)
    if len(held) < STEP:
        tx.execute(_MOVE, ("done", stamp(now), release["id"]))
    return len(held)
