"""Business state of each channel order: where it stands, why, and what would free it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Blocked, Link, Never, NotYet, Outcome, Problem, Ready
from bcbridge.model.standing import Facts, PartState, Standing
from bcbridge.store import events, incidents, links
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

_STANDINGS = """
SELECT orders.id, orders.ref, orders.state, orders.code, orders.content_hash, orders.created_at,
       EXISTS (SELECT 1 FROM release_orders WHERE order_id = orders.id AND stage = 'held') AS held,
       (SELECT json_group_array(json_array(part, generation, outbox.state, outbox.parts)) FROM outbox
        WHERE outbox.order_id = orders.id) AS parts
FROM orders WHERE connector = ? AND ref IN (SELECT value FROM json_each(?))
"""


async def standings(store: Store, connector: str, refs: Sequence[str]) -> dict[Ref, Standing]:
    """Where each of these orders stands; one never seen is absent."""
    rows = await store.read.rows(_STANDINGS, (connector, orjson.dumps(list(refs)).decode()))
    return {Ref(row["ref"]): _standing(row) for row in rows}


def _standing(row: sqlite3.Row) -> Standing:
    return Standing(
        id=row["id"],
        state=row["state"],
        code=row["code"],
        content_hash=row["content_hash"],
        created=moment(row["created_at"]) if row["created_at"] else None,
        held=bool(row["held"]),
        parts=tuple(PartState(*part) for part in orjson.loads(row["parts"])),
    )


_SEE = """
INSERT INTO orders (connector, ref, channel_id, name, state, since, first_seen, created_at, modified, currency, total,
                    payment, authorised_until)
VALUES (:connector, :ref, :channel_id, :name, 'ready', :now, :now, :created_at, :modified, :currency, :total,
        :payment, :authorised_until)
ON CONFLICT (connector, ref) DO UPDATE SET
    channel_id = CASE WHEN excluded.channel_id <> '' THEN excluded.channel_id ELSE channel_id END,
    name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE name END,
    created_at = coalesce(excluded.created_at, created_at),
    modified = coalesce(excluded.modified, modified),
    currency = CASE WHEN excluded.currency <> '' THEN excluded.currency ELSE currency END,
    total = CASE WHEN excluded.currency <> '' THEN excluded.total ELSE total END,
    authorised_until = CASE WHEN excluded.payment <> '' THEN excluded.authorised_until ELSE authorised_until END,
    payment = CASE WHEN excluded.payment <> '' THEN excluded.payment ELSE payment END
RETURNING id, first_seen = :now AS is_new, state, code, problems
"""
_MOVE = """
UPDATE orders SET state = :state, code = :code, reason = :reason, problems = :problems, look_again = :look_again,
    since = CASE WHEN state = :state AND code = :code THEN since ELSE :now END,
    content_hash = CASE WHEN :content_hash <> '' THEN :content_hash ELSE content_hash END
WHERE id = :id AND state IN ('not_yet', 'ready', 'blocked', 'never')
"""


def see(tx: sqlite3.Connection, connector: str, facts: Facts, *, now: datetime) -> sqlite3.Row:
    """Make or refresh the order's row; returns id and what it was."""
    row: sqlite3.Row = tx.execute(
        _SEE,
        {
            "connector": connector,
            "ref": facts.ref,
            "channel_id": facts.channel_id,
            "name": facts.name,
            "now": stamp(now),
            "created_at": stamp(facts.created) if facts.created else None,
            "modified": stamp(facts.modified) if facts.modified else None,
            "currency": facts.currency,
            "total": str(facts.total),
            **_paid(facts),
        },
    ).fetchone()
    if row["is_new"]:
        events.add(tx, row["id"], "came_in", now=now, name=facts.name, ref=facts.ref)
    return row


def _paid(facts: Facts) -> dict[str, object]:
    until = facts.authorised_until
    return {"payment": facts.payment, "authorised_until": stamp(until) if until else None}


def record(tx: sqlite3.Connection, connector: str, facts: Facts, outcome: Outcome, *, now: datetime) -> int:
    """Write down how a judgement ended; an event only where something changed. Returns the order's id."""
    row = see(tx, connector, facts, now=now)
    order_id = int(row["id"])
    ending = _ending(outcome)
    problems = told(ending.problems)
    moved = tx.execute(
        _MOVE,
        {
            "id": order_id,
            "state": ending.state,
            "code": ending.code,
            "reason": ending.reason,
            "problems": problems,
            "look_again": stamp(ending.look_again) if ending.look_again else None,
            "content_hash": facts.content_hash,
            "now": stamp(now),
        },
    )
    if moved.rowcount == 1:
        set_causes(tx, order_id, ending.problems)
        links.learn(tx, connector, ending.links, now=now)
        changed = (row["state"], row["code"], row["problems"]) != (ending.state, ending.code, problems)
        if changed and ending.state != "ready":
            codes = [problem.code for problem in ending.problems] or [ending.code]
            events.add(tx, order_id, ending.state, now=now, codes=codes, reason=ending.reason)
    return order_id


@dataclass(frozen=True, slots=True)
class _Ending:
    state: str
    code: str = ""
    reason: str = ""
    problems: tuple[Problem, ...] = ()
    look_again: datetime | None = None
    links: tuple[Link, ...] = ()


def _ending(outcome: Outcome) -> _Ending:
    match outcome:
        case NotYet():
            return _Ending("not_yet", outcome.code, outcome.text, look_again=outcome.look_again)
        case Never():
            return _Ending("never", outcome.code, outcome.text)
        case Blocked():
            reason = "; ".join(problem.text for problem in outcome.problems)
            return _Ending("blocked", outcome.problems[0].code, reason, outcome.problems)
        case Ready():
            return _Ending("ready", links=outcome.links)


def told(problems: Sequence[Problem]) -> str:
    """Problems as an order's row keeps them, for people; what else would cure them stands among the causes."""
    return orjson.dumps([problem.model_dump(exclude={"also"}) for problem in problems]).decode()


_DROP_CAUSES = "DELETE FROM order_causes WHERE order_id = ?"
_ADD_CAUSE = "INSERT OR IGNORE INTO order_causes (cause, order_id) VALUES (?, ?)"


def set_causes(tx: sqlite3.Connection, order_id: int, problems: Sequence[Problem]) -> None:
    """What, when cured, would make this order worth another look."""
    tx.execute(_DROP_CAUSES, (order_id,))
    causes = (cause for problem in problems for cause in (problem.cause, *problem.also) if cause)
    tx.executemany(_ADD_CAUSE, [(cause, order_id) for cause in causes])


_NOTED = "UPDATE orders SET content_hash = ?, modified = ? WHERE id = ? AND content_hash <> ?"


def note_change(
    tx: sqlite3.Connection,
    order_id: int,
    *,
    content_hash: str,
    modified: datetime,
    words: Sequence[str],
    now: datetime,
) -> bool:
    """The channel changed an order that is booked or on its way: kept in the event log. Returns whether it is news.

    Empty ``words`` re-baseline in silence (a new version of the hash, not a change of the order). Noted once, however
    many look at the order at the same time.
    """
    noted = tx.execute(_NOTED, (content_hash, stamp(modified), order_id, content_hash)).rowcount == 1
    if noted and words:
        events.add(tx, order_id, "changed_after_booking", now=now, changes=list(words))
    return noted and bool(words)


_NOTE_PAYMENT = "UPDATE orders SET payment = :payment, authorised_until = :authorised_until WHERE id = :id"


def note_payment(tx: sqlite3.Connection, order_id: int, facts: Facts) -> None:
    """How the payment of an order stands that is booked or on its way; of one that is gone nothing is known."""
    tx.execute(_NOTE_PAYMENT, {"id": order_id, **_paid(facts)})


ID_REUSED = "id_reused"
"""The incident of a new order under the id of one that is booked, on its way or skipped."""


def note_reuse(
    tx: sqlite3.Connection, connector: str, order_id: int, *, ref: str, created: datetime, text: str, now: datetime
) -> None:
    """Told once for each order that comes under this id: a person's word on it holds, whatever changes later."""
    cause = f"{ref} of {stamp(created)}"
    if incidents.was_opened(tx, code=ID_REUSED, connector=connector, cause=cause):
        return
    incidents.open_one(tx, code=ID_REUSED, connector=connector, cause=cause, text=text, now=now, order_id=order_id)
    events.add(tx, order_id, "noted", now=now, code=ID_REUSED, subject="id", text=text)


_READY = "SELECT connector, ref FROM orders WHERE state = 'ready' AND connector = ? ORDER BY id"


def ready(tx: sqlite3.Connection, connector: str) -> list[str]:
    """Orders that wait for nothing but the ERP (or for a first look)."""
    return [str(row["ref"]) for row in tx.execute(_READY, (connector,)).fetchall()]


_OPEN_REFS = """
SELECT ref FROM orders
WHERE +connector = ? AND state IN ('not_yet', 'ready', 'blocked', 'sending', 'accepted', 'in_doubt') ORDER BY id
"""


def open_refs(tx: sqlite3.Connection, connector: str) -> list[str]:
    """All open records of a channel, for the nightly sweep by id."""
    return [str(row["ref"]) for row in tx.execute(_OPEN_REFS, (connector,)).fetchall()]
