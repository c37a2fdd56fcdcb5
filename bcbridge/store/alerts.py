"""The alert queue: what is to be told to which box, and how each box fares.

An alert is one change of one incident for one *box* (a team at one of its channels). At most one of a kind waits per
incident and box, so an incident that comes and goes makes no crowd. What is told is read from the incident at the
moment of sending; only that an alert was made, sent, dropped or given up is kept here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from bcbridge.store import incidents
from bcbridge.store.incident import COLUMNS, Incident, incident_of
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.views import Reads

LATELY = timedelta(hours=1)
"""How far back the openings of an incident are counted."""


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A team at one of its channels: ``operations``, ``slack/ops`` or ``email``."""

    team: str
    channel: str

    def __str__(self) -> str:
        return f"{self.team}/{self.channel}"


# -- changes that are not routed yet -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an incident, with what decides whom it is told to."""

    id: int
    incident: int
    what: str
    at: datetime
    opening: int
    code: str
    connector: str
    cause: str
    snoozed_until: datetime | None
    lately: int
    """How often it was opened within ``LATELY`` before."""
    told: Mapping[Box, str]
    """Boxes that were told of it, or are about to be: the kind of what they were told last, empty if nothing yet."""


_UNROUTED = """
SELECT c.id, c.incident_id, c.change, c.at, c.opening, i.code, i.connector, i.cause, i.snoozed_until,
    (SELECT count(*) FROM incident_changes AS past WHERE past.incident_id = c.incident_id
     AND past.at > :lately AND past.at <= c.at AND past.change IN ('opened', 'reopened')) AS lately,
    (SELECT json_group_array(json_array(team, channel, last)) FROM
        (SELECT team, channel, coalesce((SELECT kind FROM alerts AS past WHERE past.incident_id = box.incident_id
             AND past.team = box.team AND past.channel = box.channel AND past.state = 'sent' AND past.kind <> 'digest'
             ORDER BY past.ended_at DESC, past.id DESC LIMIT 1), '') AS last
         FROM alerts AS box WHERE box.incident_id = c.incident_id AND box.kind <> 'digest'
         GROUP BY team, channel)) AS told
FROM incident_changes AS c JOIN incidents AS i ON i.id = c.incident_id
WHERE c.routed = 0 ORDER BY c.id LIMIT :limit
"""


async def unrouted(reads: Reads, *, now: datetime, limit: int) -> list[Change]:
    """The oldest changes of which nobody has decided yet whom they are told to."""
    rows = await reads.rows(_UNROUTED, {"lately": stamp(now - LATELY), "limit": limit})
    return [_change(row) for row in rows]


def _change(row: sqlite3.Row) -> Change:
    return Change(
        id=row["id"],
        incident=row["incident_id"],
        what=row["change"],
        at=moment(row["at"]),
        opening=row["opening"],
        code=row["code"],
        connector=row["connector"],
        cause=row["cause"],
        snoozed_until=_moment(row["snoozed_until"]),
        lately=row["lately"],
        told={Box(team, channel): last for team, channel, last in orjson.loads(row["told"])},
    )


_CROWDS = """
SELECT i.code, i.connector, a.kind, a.team, a.channel
FROM alerts AS a INDEXED BY alerts_ended JOIN incidents AS i ON i.id = a.incident_id
WHERE a.ended_at > :lately AND a.state = 'sent' GROUP BY 1, 2, 3, 4, 5 HAVING count(*) >= :many
"""
Crowds = Collection[tuple[str, str, str, Box]]
"""Code, connector and kind of which a box was told many within ``LATELY``."""


async def crowds(reads: Reads, *, now: datetime, many: int) -> Crowds:
    """Of what each box was told so often of late that more of it can wait."""
    rows = await reads.rows(_CROWDS, {"lately": stamp(now - LATELY), "many": many})
    return {(row["code"], row["connector"], row["kind"], Box(row["team"], row["channel"])) for row in rows}


@dataclass(frozen=True, slots=True)
class Alert:
    """To be told to a box, when it is due."""

    change: int
    incident: int
    opening: int
    box: Box
    kind: str
    severity: str
    due: datetime
    sooner: bool = False
    """Where one of its kind waits already, the earlier of both times counts; else the newer word does."""


_INSERT = """
INSERT INTO alerts (change_id, incident_id, opening, team, channel, kind, severity, made_at, due_at)
VALUES (:change, :incident, :opening, :team, :channel, :kind, :severity, :now, :due)
ON CONFLICT (change_id, team, channel, kind) DO NOTHING
ON CONFLICT (incident_id, team, channel, kind) WHERE state = 'waiting' DO UPDATE SET
    change_id = excluded.change_id, opening = excluded.opening, severity = excluded.severity,
    due_at = CASE WHEN :sooner THEN min(due_at, excluded.due_at) ELSE excluded.due_at END
"""
_ROUTED = "UPDATE incident_changes SET routed = 1 WHERE id IN (SELECT value FROM json_each(?))"


def route(tx: sqlite3.Connection, changes: Collection[int], alerts: Iterable[Alert], *, now: datetime) -> None:
    """The alerts that these changes call for are on disk, and the changes done with, both or neither."""
    for one in alerts:
        tx.execute(_INSERT, _values(one, now))
    tx.execute(_ROUTED, (orjson.dumps(list(changes)).decode(),))


def _values(one: Alert, now: datetime) -> dict[str, object]:
    return {
        "change": one.change,
        "incident": one.incident,
        "opening": one.opening,
        "team": one.box.team,
        "channel": one.box.channel,
        "kind": one.kind,
        "severity": one.severity,
        "now": stamp(now),
        "due": stamp(one.due),
        "sooner": one.sooner,
    }


_WAITING_BOXES = "SELECT DISTINCT team, channel FROM alerts WHERE state = 'waiting'"
_ROUTE_AGAIN = """
UPDATE incident_changes SET routed = 0 WHERE id IN
    (SELECT change_id FROM alerts WHERE state = 'waiting' AND team = ? AND channel = ?)
"""
_DROP_BOX = """
UPDATE alerts SET state = 'dropped', ended_at = ?, reason = 'this box is not configured any more'
WHERE state = 'waiting' AND team = ? AND channel = ?
"""
_TELL_STANDING = """
UPDATE incident_changes SET routed = 0 WHERE id IN (
    SELECT (SELECT max(c.id) FROM incident_changes AS c
            WHERE c.incident_id = i.id AND c.change IN ('opened', 'reopened', 'snoozed'))
    FROM incidents AS i INDEXED BY incidents_standing WHERE i.closed_at IS NULL)
"""
_DOWN = "SELECT id, cause FROM incidents WHERE closed_at IS NULL AND code = 'alerts_not_delivered'"
_FORGET = "DELETE FROM alert_boxes WHERE team = ? AND channel = ?"
_KNOW = "INSERT INTO alert_boxes (team, channel, digest_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


def take_up(tx: sqlite3.Connection, boxes: Collection[Box], *, now: datetime) -> None:
    """At the start: a new box hears of what stands, and what waited for one that is no more is routed anew.

    Whoever was told already is not told again: an alert is made once for each change and box.
    """
    _forget_others(tx, boxes, now=now)
    known = [tx.execute(_KNOW, (box.team, box.channel, stamp(now))).rowcount for box in sorted(boxes)]
    if any(known):
        tx.execute(_TELL_STANDING)
    for row in tx.execute(_WAITING_BOXES).fetchall():
        if Box(row["team"], row["channel"]) not in boxes:
            tx.execute(_ROUTE_AGAIN, (row["team"], row["channel"]))
            tx.execute(_DROP_BOX, (stamp(now), row["team"], row["channel"]))


def _forget_others(tx: sqlite3.Connection, boxes: Collection[Box], *, now: datetime) -> None:
    """A box that is no more is not down either."""
    gone = [Box(row["team"], row["channel"]) for row in tx.execute("SELECT team, channel FROM alert_boxes").fetchall()]
    for box in (one for one in gone if one not in boxes):
        tx.execute(_FORGET, (box.team, box.channel))
    names = {str(box) for box in boxes}
    for row in tx.execute(_DOWN).fetchall():
        if row["cause"] not in names:
            incidents.end(tx, row["id"], why="this box is not configured any more", now=now)


# -- what a box is to be told ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert that is due, with its incident of now."""

    id: int
    kind: str
    severity: str
    opening: int
    due: datetime
    incident: Incident
    lately: int
    """How often it was opened within ``LATELY``."""
    last_told: str
    """The kind of what this box was last told of the incident; empty: nothing."""


_LATELY = """
    (SELECT count(*) FROM incident_changes AS past WHERE past.incident_id = i.id
     AND past.at > :lately AND past.change IN ('opened', 'reopened'))
"""
_DUE = f"""
SELECT a.id, a.kind, a.severity, a.opening, a.due_at, {COLUMNS}, {_LATELY} AS lately,
    coalesce((SELECT kind FROM alerts AS told WHERE told.incident_id = a.incident_id AND told.team = a.team
     AND told.channel = a.channel AND told.state = 'sent' AND told.kind <> 'digest'
     ORDER BY told.ended_at DESC, told.id DESC LIMIT 1), '') AS last_told
FROM alerts AS a INDEXED BY alerts_due JOIN incidents AS i ON i.id = a.incident_id
LEFT JOIN orders AS o ON o.id = i.order_id
WHERE a.state = 'waiting' AND a.team = :team AND a.channel = :channel AND a.kind <> 'digest'
  AND a.due_at <= :soon AND (a.due_at <= :now OR a.kind IN ('news', 'recovery'))
ORDER BY a.due_at LIMIT :limit
"""  # noqa: S608 - constants of this file
_NEXT = """
SELECT min(due_at) FROM alerts INDEXED BY alerts_due
WHERE state = 'waiting' AND team = ? AND channel = ? AND kind <> 'digest'
"""


async def due(reads: Reads, box: Box, *, now: datetime, soon: datetime, limit: int) -> list[Waiting]:
    """What is due now, and with it the news that are due ``soon``."""
    asked: dict[str, object] = {
        "team": box.team,
        "channel": box.channel,
        "now": stamp(now),
        "soon": stamp(soon),
        "lately": stamp(now - LATELY),
        "limit": limit,
    }
    return [_waiting(row) for row in await reads.rows(_DUE, asked)]


def _waiting(row: sqlite3.Row) -> Waiting:
    return Waiting(
        id=row["id"],
        kind=row["kind"],
        severity=row["severity"],
        opening=row["opening"],
        due=moment(row["due_at"]),
        incident=incident_of(row),
        lately=row["lately"],
        last_told=row["last_told"],
    )


async def next_due(reads: Reads, box: Box) -> datetime | None:
    """When the next alert of this box is due; None where none waits."""
    row = await reads.row(_NEXT, (box.team, box.channel))
    return _moment(row[0]) if row is not None else None


_STANDS = f"""
SELECT {COLUMNS}, routed.severity
FROM incidents AS i LEFT JOIN orders AS o ON o.id = i.order_id
JOIN alerts AS routed ON routed.id =
    (SELECT max(id) FROM alerts WHERE incident_id = i.id AND team = :team AND channel = :channel)
WHERE i.id IN (SELECT id FROM incidents INDEXED BY incidents_standing WHERE closed_at IS NULL
               UNION ALL SELECT id FROM incidents INDEXED BY incidents_closed WHERE closed_at > :since)
ORDER BY i.closed_at IS NOT NULL, i.opened_at DESC LIMIT :limit
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident of a box, for its digest."""

    severity: str
    incident: Incident


async def of_box(reads: Reads, box: Box, *, since: datetime, limit: int) -> list[Standing]:
    """The incidents routed to this box that stand, the newest first; then those that ended since."""
    asked = {
        "team": box.team,
        "channel": box.channel,
        "since": stamp(since),
        "limit": limit,
    }
    return [Standing(row["severity"], incident_of(row)) for row in await reads.rows(_STANDS, asked)]


# -- what became of them -----------------------------------------------------------------------------------------

_END = """
UPDATE alerts SET state = :state, ended_at = :now, reason = :reason
WHERE state = 'waiting' AND id IN (SELECT value FROM json_each(:ids))
"""
_SENT = """
UPDATE alert_boxes SET last_letter_at = :now, attempts = 0, next_try_at = NULL, down_since = NULL, why = '',
    sent = sent + :many
WHERE team = :team AND channel = :channel
"""
_ESCALATED = """
SELECT 1 FROM incident_changes WHERE incident_id = ? AND change = 'escalated' AND opening = ? LIMIT 1
"""


def drop(tx: sqlite3.Connection, reasons: Mapping[int, str], *, now: datetime) -> None:
    """Not worth telling any more, by alert: why."""
    for reason in sorted(set(reasons.values())):
        ids = [alert for alert, why in reasons.items() if why == reason]
        _end(tx, ids, "dropped", reason=reason, now=now)


def sent(tx: sqlite3.Connection, box: Box, told: Sequence[Waiting], *, now: datetime) -> None:
    """A letter with these has gone through."""
    _end(tx, [one.id for one in told], "sent", now=now)
    tx.execute(_SENT, {"team": box.team, "channel": box.channel, "now": stamp(now), "many": len(told)})
    for one in told:
        if one.kind == "escalation":
            _note_escalated(tx, one, box, now)


def _note_escalated(tx: sqlite3.Connection, one: Waiting, box: Box, now: datetime) -> None:
    if tx.execute(_ESCALATED, (one.incident.id, one.opening)).fetchone() is None:
        incidents.change(tx, one.incident.id, "escalated", now=now, why=f"to {box.team}: nobody acknowledged it")


def _end(tx: sqlite3.Connection, ids: Sequence[int], state: str, *, now: datetime, reason: str = "") -> int:
    listed = orjson.dumps(list(ids)).decode()
    return tx.execute(_END, {"state": state, "now": stamp(now), "reason": reason, "ids": listed}).rowcount


_DIGEST_SENT = """
UPDATE alerts SET state = 'sent', ended_at = :now
WHERE state = 'waiting' AND kind = 'digest' AND team = :team AND channel = :channel AND made_at <= :now
"""
_DIGEST_UP_TO = "UPDATE alert_boxes SET digest_at = :now WHERE team = :team AND channel = :channel"


def digested(tx: sqlite3.Connection, box: Box, *, told: bool, now: datetime) -> None:
    """The digest up to now was sent, or there was nothing to tell in it."""
    named = {"team": box.team, "channel": box.channel, "now": stamp(now)}
    tx.execute(_DIGEST_SENT, named)
    tx.execute(_DIGEST_UP_TO, named)
    if told:
        tx.execute(_SENT, {**named, "many": 1})


_FAILED = """
UPDATE alert_boxes SET attempts = attempts + 1, next_try_at = :next, down_since = coalesce(down_since, :now), why = :why
WHERE team = :team AND channel = :channel
"""
_GIVEN_UP = "UPDATE alert_boxes SET given_up = given_up + :many WHERE team = :team AND channel = :channel"
_TOO_OLD = """
SELECT id FROM alerts INDEXED BY alerts_due
WHERE state = 'waiting' AND team = :team AND channel = :channel AND due_at < :before
"""


def failed(tx: sqlite3.Connection, box: Box, *, why: str, again: datetime, now: datetime) -> None:
    """A letter did not go through; it is tried again then."""
    named = {"team": box.team, "channel": box.channel, "now": stamp(now), "next": stamp(again), "why": why}
    tx.execute(_FAILED, named)


def give_up(tx: sqlite3.Connection, box: Box, ids: Sequence[int], *, why: str, now: datetime) -> int:
    """Never told: returns how many."""
    many = _end(tx, ids, "given_up", reason=why, now=now)
    tx.execute(_GIVEN_UP, {"team": box.team, "channel": box.channel, "many": many})
    return many


def too_old(tx: sqlite3.Connection, box: Box, *, before: datetime) -> list[int]:
    """Alerts that have waited since before then."""
    asked = {"team": box.team, "channel": box.channel, "before": stamp(before)}
    return [int(row["id"]) for row in tx.execute(_TOO_OLD, asked).fetchall()]


# -- how the boxes fare ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoxState:
    """How a box fares. ``down_since`` is set from the first failure to the next letter that goes through."""

    box: Box
    last_letter_at: datetime | None
    digest_at: datetime
    attempts: int
    next_try_at: datetime | None
    down_since: datetime | None
    why: str
    sent: int
    given_up: int
    waiting: int


_BOXES = """
SELECT b.*, (SELECT count(*) FROM alerts AS a INDEXED BY alerts_due
             WHERE a.state = 'waiting' AND a.team = b.team AND a.channel = b.channel) AS waiting
FROM alert_boxes AS b ORDER BY team, channel
"""


async def boxes(reads: Reads) -> tuple[BoxState, ...]:
    """Every box there is or was."""
    return tuple(_state(row) for row in await reads.rows(_BOXES))


_BOX = _BOXES.replace("ORDER BY team, channel", "WHERE b.team = ? AND b.channel = ?")


async def box_state(reads: Reads, box: Box) -> BoxState:
    """One that was taken up."""
    row = await reads.row(_BOX, (box.team, box.channel))
    assert row is not None
    return _state(row)


def _state(row: sqlite3.Row) -> BoxState:
    return BoxState(
        box=Box(row["team"], row["channel"]),
        last_letter_at=_moment(row["last_letter_at"]),
        digest_at=moment(row["digest_at"]),
        attempts=row["attempts"],
        next_try_at=_moment(row["next_try_at"]),
        down_since=_moment(row["down_since"]),
        why=row["why"],
        sent=row["sent"],
        given_up=row["given_up"],
        waiting=row["waiting"],
    )


_PRUNE = """
DELETE FROM alerts WHERE id IN (
    SELECT a.id FROM alerts AS a JOIN incidents AS i ON i.id = a.incident_id
    WHERE a.ended_at < ? AND i.closed_at IS NOT NULL LIMIT ?
)
"""


@dataclass(frozen=True, slots=True)
class Told:
    """The letter that went out last: to whom, and of what; ``incidents`` may be more than the one that is named."""

    box: Box
    at: datetime
    code: str
    connector: str
    incidents: int


_LAST_TOLD = """
WITH last AS (SELECT ended_at, team, channel FROM alerts INDEXED BY alerts_ended
              WHERE ended_at IS NOT NULL AND state = 'sent' ORDER BY ended_at DESC LIMIT 1)
SELECT a.team, a.channel, a.ended_at, i.code, i.connector, count(DISTINCT a.incident_id) AS incidents
FROM last JOIN alerts AS a USING (ended_at, team, channel) JOIN incidents AS i ON i.id = a.incident_id
WHERE a.state = 'sent' GROUP BY a.ended_at
"""


async def last_told(reads: Reads) -> Told | None:
    row = await reads.row(_LAST_TOLD)
    if row is None:
        return None
    box = Box(row["team"], row["channel"])
    return Told(box, moment(row["ended_at"]), row["code"], row["connector"], row["incidents"])


def prune(tx: sqlite3.Connection, *, ended_before: datetime, limit: int = 500) -> int:
    """Forget what was told of incidents that are over; returns how many went."""
    return tx.execute(_PRUNE, (stamp(ended_before), limit)).rowcount


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None
