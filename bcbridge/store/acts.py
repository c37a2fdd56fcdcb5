"""What people do to orders: which ones are meant, what is left out, and a record of who did it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from bcbridge.store import events, incidents, meta, outbox, releases
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import demand

_ACT = "INSERT INTO acts (at, who, act, target, why, data) VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
_TOUCHED = """
INSERT INTO act_orders (order_id, act_id, before, after)
SELECT :order, :act, :before, state FROM orders WHERE id = :order
ON CONFLICT (order_id, act_id) DO UPDATE SET after = excluded.after
"""


def write_down(
    tx: sqlite3.Connection,
    *,
    who: str,
    act: str,
    target: str,
    why: str = "",
    before: object = None,
    after: object = None,
    now: datetime,
    **data: object,
) -> int:
    """Every act of a person is kept: who, when, on what, why, before and after (JSON-able). Returns its number."""
    facts = orjson.dumps({"before": before, "after": after, **data}).decode()
    return int(tx.execute(_ACT, (stamp(now), who, act, target, why, facts)).fetchone()["id"])


def touched(tx: sqlite3.Connection, act: int, orders: Sequence[sqlite3.Row]) -> None:
    """These orders were meant by an act. Rows with ``id`` and the ``state`` before it; the state now is looked up."""
    rows = [{"act": act, "order": order["id"], "before": order["state"]} for order in orders]
    tx.executemany(_TOUCHED, rows)


_STANDING = "SELECT id, ref, state FROM orders WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"


def standing(tx: sqlite3.Connection, order_ids: Sequence[int]) -> list[sqlite3.Row]:
    """Rows with id, ref and state, as of now."""
    return tx.execute(_STANDING, (orjson.dumps(list(order_ids)).decode(),)).fetchall()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders are meant; everything given narrows. ``ids`` None: not narrowed to named ones."""

    ids: tuple[int, ...] | None
    cause: str | None
    code: str | None
    channel: str | None


_MEANT = """
SELECT orders.id, orders.connector, orders.ref, orders.name, orders.state, orders.code,
       EXISTS (SELECT 1 FROM outbox WHERE order_id = orders.id
               AND outbox.state IN ('queued', 'sending', 'accepted', 'in_doubt')) AS has_open_write
FROM orders
WHERE orders.id IN (SELECT value FROM json_each(:ids) UNION ALL
                    SELECT open.id FROM orders AS open WHERE :ids IS NULL
                    AND open.state IN ('blocked', 'not_yet', 'ready'))
  AND (:cause IS NULL OR orders.id IN (SELECT order_id FROM order_causes WHERE cause = :cause))
  AND (:code IS NULL OR orders.code = :code OR orders.id IN
       (SELECT open.id FROM orders AS open, json_each(open.problems) AS problem
        WHERE open.state = 'blocked' AND json_extract(problem.value, '$.code') = :code))
  AND (:channel IS NULL OR orders.connector = :channel)
ORDER BY orders.id
"""


def meant(tx: sqlite3.Connection, wanted: Wanted) -> list[sqlite3.Row]:
    """Rows with id, connector, ref, name, state, code, has_open_write. Not named: only what is open and unsent."""
    parameters = {
        "ids": None if wanted.ids is None else orjson.dumps(wanted.ids).decode(),
        "cause": wanted.cause,
        "code": wanted.code,
        "channel": wanted.channel,
    }
    return tx.execute(_MEANT, parameters).fetchall()


_SKIP = """
UPDATE orders SET state = 'never', code = 'skipped', reason = :why, problems = '[]', since = :now, skipped_by = :who,
    look_again = NULL
WHERE id = :id AND state IN ('blocked', 'not_yet', 'ready') RETURNING connector, ref
"""


def skip(tx: sqlite3.Connection, order_id: int, *, who: str, why: str, now: datetime) -> bool:
    """This order will not be booked, by a person's word; ``retry`` opens it again."""
    moved = tx.execute(_SKIP, {"id": order_id, "who": who, "why": why, "now": stamp(now)}).fetchall()
    for order in moved:
        tx.execute("DELETE FROM order_causes WHERE order_id = ?", (order_id,))
        releases.forget_held(tx, order_id)
        releases.end_stopped(tx, now=now)
        events.add(tx, order_id, "skipped", now=now, who=who, why=why)
        demand.skipped(tx, order["connector"], order["ref"], now=now)
    return bool(moved)


def retry(
    tx: sqlite3.Connection, orders: Sequence[sqlite3.Row], *, who: str, cause: str, flow: str, now: datetime
) -> int:
    """Look at these orders again; more than three go three first."""
    for order in orders:
        events.add(tx, order["id"], "retried", now=now, who=who)
    return releases.free_orders(tx, orders, cause=cause, flow=flow, now=now)


_PARTS = """
SELECT outbox.*, orders.connector AS channel, orders.ref AS order_ref FROM outbox
JOIN orders ON orders.id = outbox.order_id
WHERE outbox.order_id = ? AND (? IS NULL OR reference = ?) AND outbox.state NOT IN ('closed', 'posted')
ORDER BY part
"""


def open_parts(tx: sqlite3.Connection, order_id: int, reference: str | None) -> list[sqlite3.Row]:
    """The parts of an order that are not booked, or the one named by its reference."""
    return tx.execute(_PARTS, (order_id, reference, reference)).fetchall()


_PART_NOW = "SELECT state, number FROM outbox WHERE id = ?"


def part_now(tx: sqlite3.Connection, part_id: int) -> dict[str, str]:
    """State and number of one part."""
    row = tx.execute(_PART_NOW, (part_id,)).fetchone()
    return {"state": row["state"], "number": row["number"]}


_BOOKED_BY_WORD = """
UPDATE outbox SET state = 'posted', posted_at = :now, number = :number, reason = 'a person said it is booked'
WHERE id = :id AND state IN ('in_doubt', 'accepted')
"""
_ABSENT = """
UPDATE outbox SET state = 'queued', ended_at = NULL, reason = 'a person said it is absent'
WHERE id = :id AND state IN ('in_doubt', 'accepted')
"""
_CLOSE = """
UPDATE outbox SET state = 'closed', reason = 'closed by a person, to be booked anew'
WHERE id = :id AND state IN ('in_doubt', 'accepted', 'queued', 'rejected')
"""
_OPEN_AGAIN = "UPDATE orders SET state = 'ready', code = 'rebook', since = ? WHERE id = ?"
_ANY_LEFT = "SELECT 1 FROM outbox WHERE order_id = ? AND state <> 'closed' LIMIT 1"


def say_booked(tx: sqlite3.Connection, part: sqlite3.Row, number: str, *, erp: str, who: str, now: datetime) -> bool:
    """A person found it in the ERP under this number."""
    moved = tx.execute(_BOOKED_BY_WORD, {"id": part["id"], "number": number, "now": stamp(now)}).rowcount == 1
    if moved:
        outbox.link(tx, part["channel"], part["order_ref"], erp=erp, number=number, now=now)
        demand.said_booked(tx, part["reference"], now=now)
        _no_longer_overdue(tx, part, now=now)
        events.add(tx, part["order_id"], "booked", now=now, reference=part["reference"], number=number, by=who)
        outbox.refresh_order(tx, part["order_id"], now=now)
    return moved


def say_absent(tx: sqlite3.Connection, part: sqlite3.Row, *, who: str, now: datetime) -> bool:
    """A person looked: it is not there and will not come. The same bytes may be sent again."""
    moved = tx.execute(_ABSENT, {"id": part["id"]}).rowcount == 1
    if moved:
        _no_longer_overdue(tx, part, now=now)
        events.add(tx, part["order_id"], "said_absent", now=now, reference=part["reference"], by=who)
        outbox.refresh_order(tx, part["order_id"], now=now)
    return moved


def close_generation(tx: sqlite3.Connection, part: sqlite3.Row, *, who: str, now: datetime) -> bool:
    """This reference is given up; the next one has a higher generation."""
    moved = tx.execute(_CLOSE, {"id": part["id"]}).rowcount == 1
    if moved:
        _no_longer_overdue(tx, part, now=now)
        events.add(tx, part["order_id"], "generation_closed", now=now, reference=part["reference"], by=who)
        demand.unsent(tx, part["reference"], now=now)
        if tx.execute(_ANY_LEFT, (part["order_id"],)).fetchone() is None:
            tx.execute(_OPEN_AGAIN, (stamp(now), part["order_id"]))
        else:
            outbox.refresh_order(tx, part["order_id"], now=now)
    return moved


def _no_longer_overdue(tx: sqlite3.Connection, part: sqlite3.Row, *, now: datetime) -> None:
    incidents.close_everywhere(tx, code=outbox.NOT_POSTED, cause=part["reference"], now=now)


_CONFIRM = """
INSERT INTO confirmations (write, who, why, confirmed_at) VALUES (?, ?, ?, ?)
ON CONFLICT (write) DO UPDATE SET who = excluded.who, why = excluded.why, confirmed_at = excluded.confirmed_at
"""
_CONFIRMED = "SELECT write FROM confirmations"
_CONFIRMED_BY = "SELECT who, why, confirmed_at FROM confirmations WHERE write = ?"
_READY = """
SELECT id, connector, ref FROM orders
WHERE state = 'ready' AND connector IN (SELECT value FROM json_each(?))
  AND NOT EXISTS (SELECT 1 FROM release_orders JOIN releases ON releases.id = release_id
                  WHERE release_orders.order_id = orders.id AND stage = 'held' AND releases.state IN ('first', 'rest'))
ORDER BY id
"""


def confirm(
    tx: sqlite3.Connection, write: str, *, channels: Sequence[str], who: str, why: str, flow: str, now: datetime
) -> int:
    """An operator confirms a write with its read-back; what waited for it goes three first. Returns how many waited.

    ``channels`` are those whose orders this write books.

    Where another writer had stopped it, the epoch is renewed before the next post: that one may have accepted more.
    """
    tx.execute(_CONFIRM, (write, who, why, stamp(now)))
    incidents.close_everywhere(tx, code=outbox.STRANGERS, cause=write, now=now)
    if meta.drop(tx, outbox.STOPPED + write):
        meta.put(tx, outbox.RENEW + write, "1")
    ready = tx.execute(_READY, (orjson.dumps(list(channels)).decode(),)).fetchall()
    return releases.free_orders(tx, ready, cause=f"confirm {write}", flow=flow, now=now)


def confirmation(tx: sqlite3.Connection, write: str) -> dict[str, str] | None:
    """Who confirmed a write, why and when; None where nobody has."""
    row = tx.execute(_CONFIRMED_BY, (write,)).fetchone()
    return None if row is None else {key: row[key] for key in ("who", "why", "confirmed_at")}


def confirmed(tx: sqlite3.Connection) -> frozenset[str]:
    return frozenset(str(row["write"]) for row in tx.execute(_CONFIRMED).fetchall())
