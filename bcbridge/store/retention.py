"""What has done its duty is forgotten, class by class, a few rows a unit; counted from when its work ended.

An order that is open keeps everything. For ever stay: the order's own row, its references, numbers, hashes and links.
Each function takes one step and returns how many rows went: none means that nothing more is due.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from bcbridge.store import meta
from bcbridge.store.stamps import moment, stamp

STEP = 200
"""Rows a step at most."""
EVENTS_STEP = 100
BODIES_STEP = 25
"""Whole documents a step: each is some pages, overwritten with zeros."""

_OPEN_OR_YOUNG = """
    orders.state NOT IN ('booked', 'never') OR orders.since >= :before
    OR EXISTS (SELECT 1 FROM outbox WHERE outbox.order_id = orders.id
               AND outbox.state IN ('queued', 'sending', 'accepted', 'in_doubt'))
"""
_DOCUMENTS = f"""
DELETE FROM documents WHERE id IN (
    SELECT documents.id FROM documents WHERE asked < :before AND noun = 'orders'
      AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.connector = documents.connector AND orders.ref = documents.ref
                      AND ({_OPEN_OR_YOUNG}))
    LIMIT :step)
"""  # noqa: S608 - a constant of this file


def prune_documents(tx: sqlite3.Connection, *, before: datetime) -> int:
    """Orders as their channel sent them: last fetched before this moment, and the order ended before it."""
    return tx.execute(_DOCUMENTS, {"before": stamp(before), "step": BODIES_STEP}).rowcount


_BODIES = f"""
UPDATE outbox SET body = x'', cut = substr(cut, 1, instr(cut || '@', '@') - 1) WHERE id IN (
    SELECT written.id FROM outbox AS written INDEXED BY outbox_bodies
    WHERE body <> x'' AND written.written_at < :before
      AND written.state IN ('posted', 'rejected', 'closed') AND coalesce(written.posted_at, '') < :before
      AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = written.order_id AND ({_OPEN_OR_YOUNG}))
    LIMIT :step)
"""  # noqa: S608 - a constant of this file


def prune_bodies(tx: sqlite3.Connection, *, before: datetime) -> int:
    """The bytes of our documents whose order ended before this moment; hash, reference, number and link stay."""
    return tx.execute(_BODIES, {"before": stamp(before), "step": BODIES_STEP}).rowcount


# -- the event log -----------------------------------------------------------------------------------------------

EVENTS_ROUND = "retention/events"
"""In ``meta``: the order that the walk over all orders has come to."""
_NEXT_ORDERS = "SELECT id FROM orders WHERE id > ? AND first_seen < ? ORDER BY id LIMIT ?"
_EVENTS = """
DELETE FROM events WHERE (order_id, seq) IN (
    SELECT events.order_id, events.seq FROM orders CROSS JOIN events ON events.order_id = orders.id
    WHERE orders.id > :after AND orders.id <= :last AND orders.state IN ('booked', 'never') AND orders.since < :before
      AND events.at < :before
    LIMIT :step)
"""


@dataclass(frozen=True, slots=True)
class Walked:
    """A step of the walk: events that went, and orders that were looked at (none: the round is over)."""

    went: int
    orders: int


def prune_events(tx: sqlite3.Connection, *, before: datetime) -> Walked:
    """Events older than this of orders that ended before it.

    Walks over the orders, a few a step, and after the last begins again with the first.
    """
    after = int(meta.get(tx, EVENTS_ROUND) or 0)
    passed = [int(row["id"]) for row in tx.execute(_NEXT_ORDERS, (after, stamp(before), EVENTS_STEP)).fetchall()]
    if not passed:
        meta.put(tx, EVENTS_ROUND, "0")
        return Walked(0, 0)
    span = {"after": after, "last": passed[-1], "before": stamp(before), "step": EVENTS_STEP}
    went = tx.execute(_EVENTS, span).rowcount
    if went < EVENTS_STEP:
        meta.put(tx, EVENTS_ROUND, str(passed[-1]))
    return Walked(went, len(passed))


# -- what people did, and what they were told --------------------------------------------------------------------

_ACTS = "DELETE FROM acts WHERE id IN (SELECT id FROM acts ORDER BY id LIMIT :step) AND at < :before"


def prune_acts(tx: sqlite3.Connection, *, before: datetime) -> int:
    """Acts of people, the oldest first."""
    return tx.execute(_ACTS, {"before": stamp(before), "step": STEP}).rowcount


_ENDED_INCIDENTS = """
SELECT id FROM incidents WHERE closed_at IS NOT NULL AND closed_at < ? ORDER BY closed_at LIMIT ?
"""
_DROP_ALERTS = "DELETE FROM alerts WHERE incident_id = ?"
_DROP_CHANGES = "DELETE FROM incident_changes WHERE incident_id = ?"
_DROP_INCIDENT = "DELETE FROM incidents WHERE id = ?"


def prune_incidents(tx: sqlite3.Connection, *, before: datetime) -> int:
    """Incidents that ended before this moment, with what happened to them and what was told."""
    ended = tx.execute(_ENDED_INCIDENTS, (stamp(before), STEP)).fetchall()
    for row in ended:
        for forget in (_DROP_ALERTS, _DROP_CHANGES, _DROP_INCIDENT):
            tx.execute(forget, (row["id"],))
    return len(ended)


# -- a clock that cannot be trusted ------------------------------------------------------------------------------

LOOKED_AT = "retention/looked_at"
HELD_UNTIL = "retention/held_until"
LONGEST_GAP = timedelta(days=2)
HELD_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing is forgotten before this moment: the clock moved by more than the bridge was away."""

    until: datetime


def held(tx: sqlite3.Connection, *, now: datetime) -> Held | None:
    """Whether the clock may be believed. One that leapt to next year must not cost the event log of this one.

    A clock that went back, or ahead by more than two days since the last look (a bridge that was long off, or a wrong
    clock), is left a day in which somebody may see it.
    """
    last = meta.get(tx, LOOKED_AT)
    meta.put(tx, LOOKED_AT, stamp(now))
    if last is not None and not timedelta(0) <= now - moment(last) <= LONGEST_GAP:
        meta.put(tx, HELD_UNTIL, stamp(now + HELD_FOR))
    until = meta.get(tx, HELD_UNTIL)
    return Held(moment(until)) if until is not None and now < moment(until) else None
