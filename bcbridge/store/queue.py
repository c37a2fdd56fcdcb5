"""The queue: jobs that carry a ref, claimed in batches, at most one waiting per (flow, connector, ref).

Work about one order has one ordering key and never runs twice at once; a job that waits holds no key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from bcbridge.model.work import Job as Job
from bcbridge.store import incidents
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

NOW = 0
BULK = 1
ALONE_AFTER_DEATHS = 3
"""Written out in the statements below, so that their partial index is used."""
DEAD_AFTER_DEATHS = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """A job to be: look at ``ref`` until a document at least as new as ``wanted`` was handled; without ``wanted``,
    until one was fetched after this was asked for."""

    flow: str
    connector: str
    ref: str
    due: datetime
    ordering_key: str = ""
    """Whose work it is; empty: that of the record itself."""
    wanted: datetime | None = None
    priority: int = NOW


def ordering_key(connector: str, ref: str) -> str:
    """Work about one order never runs twice at once, whichever flow it is."""
    return f"{connector}/{ref}"


def key_beside(connector: str, ref: str, *, flow: str) -> str:
    """For work about one order that goes on beside all other work about it: it only looks."""
    return f"{ordering_key(connector, ref)}#{flow}"


_ENQUEUE = """
INSERT INTO jobs (flow, connector, ref, ordering_key, priority, state, wanted, enqueued_at, due_at, attempts, deaths,
                  reason)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), 'waiting', json_extract(value, '$[5]'),
       json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
       json_extract(value, '$[9]'), json_extract(value, '$[10]')
FROM json_each(?) WHERE true
ON CONFLICT (flow, connector, ref) WHERE state = 'waiting' DO UPDATE SET
    due_at = min(due_at, excluded.due_at),
    priority = min(priority, excluded.priority),
    wanted = CASE WHEN wanted IS NULL OR excluded.wanted IS NULL THEN NULL ELSE max(wanted, excluded.wanted) END,
    enqueued_at = max(enqueued_at, excluded.enqueued_at),
    attempts = max(attempts, excluded.attempts),
    deaths = max(deaths, excluded.deaths)
"""
"""All of them in one statement. Each row: flow, connector, ref, ordering key, priority, wanted, enqueued at, due at,
attempts, deaths, reason."""


_IS_WAITING = "SELECT 1 FROM jobs WHERE flow = ? AND connector = ? AND ref = ? AND state = 'waiting'"


def is_waiting(tx: sqlite3.Connection, flow: str, connector: str, ref: str) -> bool:
    return tx.execute(_IS_WAITING, (flow, connector, ref)).fetchone() is not None


def enqueue(tx: sqlite3.Connection, wishes: Iterable[Wish], *, now: datetime) -> None:
    """Let jobs wait; one that waits already is only made more urgent. Serves retries and recovery alike."""
    at = stamp(now)
    rows = [
        (
            wish.flow,
            wish.connector,
            wish.ref,
            wish.ordering_key or ordering_key(wish.connector, wish.ref),
            wish.priority,
            stamp(wish.wanted) if wish.wanted else None,
            at,
            stamp(wish.due),
            0,
            0,
            "",
        )
        for wish in wishes
    ]
    _insert(tx, rows)


def _insert(tx: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
    if rows:
        tx.execute(_ENQUEUE, (orjson.dumps(rows).decode(),))


_CLAIMED = "id, flow, connector, ref, ordering_key, priority, wanted, enqueued_at, attempts, deaths, due_at"
_CLAIM = f"""
UPDATE jobs SET state = 'running', started_at = :now, attempts = attempts + 1
WHERE id IN (
    SELECT min(id) FROM (
        SELECT id, ordering_key FROM jobs AS waiting
        WHERE flow = :flow AND connector = :connector AND state = 'waiting' AND priority = :priority AND due_at <= :now
          AND deaths < 3
          AND NOT EXISTS (SELECT 1 FROM jobs AS twin
                          WHERE twin.state = 'running' AND twin.ordering_key = waiting.ordering_key)
        ORDER BY due_at
        LIMIT :many
    ) GROUP BY ordering_key
)
RETURNING {_CLAIMED}
"""  # noqa: S608 - a constant of this file
"""One priority at a time: what waits for later under the urgent one costs the other nothing."""
_CLAIM_ALONE = f"""
UPDATE jobs SET state = 'running', started_at = :now, attempts = attempts + 1
WHERE id = (
    SELECT id FROM jobs AS waiting
    WHERE flow = :flow AND connector = :connector AND state = 'waiting' AND deaths >= 3 AND due_at <= :now
      AND NOT EXISTS (SELECT 1 FROM jobs AS twin
                      WHERE twin.state = 'running' AND twin.ordering_key = waiting.ordering_key)
    ORDER BY due_at
    LIMIT 1
)
RETURNING {_CLAIMED}
"""  # noqa: S608 - a constant of this file


def _job(row: sqlite3.Row) -> Job:
    """A row of _CLAIMED."""
    id_, flow, connector, ref, key, priority, wanted, enqueued, attempts, deaths, _ = row
    return Job(
        id_,
        flow,
        connector,
        ref,
        key,
        priority,
        moment(wanted) if wanted else None,
        moment(enqueued),
        attempts,
        deaths,
    )


def claim(
    tx: sqlite3.Connection, *, flow: str, connector: str, many: int, now: datetime, alone: bool = False
) -> list[Job]:
    """Take up to ``many`` due jobs, the urgent first. ``alone``: only those that must run with nothing beside them."""
    where = {"flow": flow, "connector": connector, "now": stamp(now)}
    if alone:
        return [_job(row) for row in tx.execute(_CLAIM_ALONE, where).fetchall()]
    rows = tx.execute(_CLAIM, {**where, "priority": NOW, "many": many}).fetchall()
    if len(rows) < many:
        rows += tx.execute(_CLAIM, {**where, "priority": BULK, "many": many - len(rows)}).fetchall()
    return [_job(row) for row in sorted(rows, key=lambda row: (row["priority"], row["due_at"], row["id"]))]


_ALONE_DUE = """
SELECT 1 FROM jobs
WHERE flow = ? AND connector = ? AND state = 'waiting' AND deaths >= 3 AND due_at <= ? LIMIT 1
"""


async def alone_due(store: Store, *, flow: str, connector: str, now: datetime) -> bool:
    """Whether a job is due that must run with nothing beside it."""
    return await store.read.row(_ALONE_DUE, (flow, connector, stamp(now))) is not None


_DONE = """
UPDATE jobs SET state = 'done', ended_at = :now, reason = :reason
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'running'
"""
_DEAD = "UPDATE jobs SET state = 'dead', ended_at = :now, reason = :reason WHERE id = :id AND state = 'running'"


JOB_DEAD = "job_dead"
_FORGET_DEAD = "DELETE FROM jobs WHERE state = 'dead' AND flow = ? AND connector = ? AND ref = ?"


def done(tx: sqlite3.Connection, *jobs: Job, now: datetime, reason: str = "") -> None:
    """All that ended for one reason, in one statement; what was given up before is done after all."""
    tx.execute(_DONE, {"ids": orjson.dumps([job.id for job in jobs]).decode(), "now": stamp(now), "reason": reason})
    for connector in {job.connector for job in jobs}:
        asked = {_cause(job.flow, job.ref) for job in jobs if job.connector == connector}
        given_up = incidents.causes(tx, code=JOB_DEAD, connector=connector, among=asked)
        for job in jobs if given_up else ():
            if _cause(job.flow, job.ref) in given_up:
                incidents.close(tx, code=JOB_DEAD, connector=connector, cause=_cause(job.flow, job.ref), now=now)
                tx.execute(_FORGET_DEAD, (job.flow, connector, job.ref))


def _cause(flow: str, ref: str) -> str:
    return f"{flow}/{ref}"


def dead(tx: sqlite3.Connection, job: Job, *, now: datetime, reason: str) -> None:
    """Our fault, never a business outcome: an incident, until that work is done after all."""
    if tx.execute(_DEAD, {"id": job.id, "now": stamp(now), "reason": reason[:500]}).rowcount:
        _tell_dead(tx, job.flow, job.connector, job.ref, reason=reason, now=now)


def _tell_dead(tx: sqlite3.Connection, flow: str, connector: str, ref: str, *, reason: str, now: datetime) -> None:
    cause = _cause(flow, ref)
    incidents.open_one(tx, code=JOB_DEAD, connector=connector, cause=cause, text=f"{cause}: {reason[:500]}", now=now)


_TAKE_OUT = "DELETE FROM jobs WHERE id = ? AND state = 'running' RETURNING *"


def put_back(
    tx: sqlite3.Connection,
    job_id: int,
    *,
    due: datetime,
    reason: str,
    burn: bool = True,
    died: bool = False,
    anew: datetime | None = None,
) -> None:
    """A running job waits again, or melts into its twin that waits already. ``burn=False`` gives the attempt back.

    ``anew``: what was looked at up to this moment no longer counts, the record is to be fetched again.
    """
    row = tx.execute(_TAKE_OUT, (job_id,)).fetchone()
    if row is None:
        return
    waits = (
        row["flow"],
        row["connector"],
        row["ref"],
        row["ordering_key"],
        row["priority"],
        None if anew else row["wanted"],
        stamp(anew) if anew else row["enqueued_at"],
        stamp(due),
        row["attempts"] - (0 if burn else 1),
        row["deaths"] + (1 if died else 0),
        reason[:500],
    )
    _insert(tx, [waits])


_RUNNING = "SELECT id, flow, connector, ref, deaths FROM jobs WHERE state = 'running'"


def recover(tx: sqlite3.Connection, *, now: datetime) -> tuple[int, int]:
    """After a start: what was running when the process ended waits again. Returns (put back, dead-lettered)."""
    rows = tx.execute(_RUNNING).fetchall()
    dead_lettered = 0
    for row in rows:
        if row["deaths"] + 1 >= DEAD_AFTER_DEATHS:
            reason = f"the process ended {DEAD_AFTER_DEATHS} times while this ran"
            tx.execute(_DEAD, {"id": row["id"], "now": stamp(now), "reason": reason})
            _tell_dead(tx, row["flow"], row["connector"], row["ref"], reason=reason, now=now)
            dead_lettered += 1
        else:
            put_back(tx, row["id"], due=now, reason="the process ended while this ran", died=True)
    return len(rows) - dead_lettered, dead_lettered


_HURRY = """
UPDATE jobs SET due_at = :now WHERE id IN (
    SELECT id FROM jobs
    WHERE flow = :flow AND connector = :connector AND state = 'waiting' AND due_at > :now
    ORDER BY priority, due_at LIMIT :many
)
"""


def hurry(tx: sqlite3.Connection, *, flow: str, connector: str, many: int, now: datetime) -> None:
    """Up to ``many`` that wait in this flow are due at once, those that would be next anyway first."""
    tx.execute(_HURRY, {"flow": flow, "connector": connector, "many": many, "now": stamp(now)})


_OPEN = """
SELECT id, ref, attempts FROM jobs WHERE flow = :flow AND connector = :connector AND state = 'waiting'
UNION ALL
SELECT id, ref, attempts - 1 FROM jobs WHERE state = 'running' AND flow = :flow AND connector = :connector
"""


async def open_refs(store: Store, *, flow: str, connector: str, tries: int, few: int) -> dict[int, str]:
    """The jobs that wait or are under way, by id. One that is put back goes on under another id.

    A few that have failed ``tries`` times or more are left out; many of them are no matter of single records, and are
    not.
    """
    rows = await store.read.rows(_OPEN, {"flow": flow, "connector": connector})
    stuck = {int(row["id"]) for row in rows if row["attempts"] >= tries}
    return {int(row["id"]): str(row["ref"]) for row in rows if len(stuck) > few or row["id"] not in stuck}


_WAITING = "SELECT ref FROM jobs WHERE flow = ? AND connector = ? AND state = 'waiting' ORDER BY id"


def waiting_refs(tx: sqlite3.Connection, *, flow: str, connector: str) -> list[str]:
    """What waits in this flow."""
    return [str(row["ref"]) for row in tx.execute(_WAITING, (flow, connector)).fetchall()]


_NEXT_DUE = """
SELECT min(due) AS due FROM (
    SELECT min(due_at) AS due FROM jobs
    WHERE flow = :flow AND connector = :connector AND state = 'waiting' AND priority = 0
    UNION ALL
    SELECT min(due_at) AS due FROM jobs
    WHERE flow = :flow AND connector = :connector AND state = 'waiting' AND priority = 1
)
"""
_PRUNE = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 'done' AND ended_at < ? LIMIT ?)"


def prune(tx: sqlite3.Connection, *, ended_before: datetime, step: int = 500) -> int:
    """Forget finished jobs in a small step; returns how many went."""
    return tx.execute(_PRUNE, (stamp(ended_before), step)).rowcount


async def next_due(store: Store, *, flow: str, connector: str, longest: timedelta, now: datetime) -> timedelta:
    """How long until something is due, at most ``longest``."""
    row = await store.read.row(_NEXT_DUE, {"flow": flow, "connector": connector})
    if row is None or row["due"] is None:
        return longest
    return max(timedelta(0), min(longest, moment(row["due"]) - now))
