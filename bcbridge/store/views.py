"""Read models: what people and machines ask of the store. SELECTs only, and no personal data in any answer.

Each costs what is open, never what is finished: a store with millions of booked orders answers as fast as a new one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from bcbridge.store.incident import COLUMNS, Incident, incident_of
from bcbridge.store.stamps import moment, stamp

OPEN_STATES = ("not_yet", "ready", "blocked", "sending", "accepted", "in_doubt")
WAITING_STATES = ("ready", "sending", "accepted", "in_doubt")
"""Open and ours to move: not blocked (a person's turn) and not held back by the channel."""
NAMES_SHOWN = 20
LIST_LIMIT = 200


class Reads(Protocol):
    """``Store.read``, or a reader of a store that another process holds."""

    async def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[sqlite3.Row]: ...

    async def row(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> sqlite3.Row | None: ...


# -- what the running process knows and the store does not -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pulse:
    """One connection as the running process feels it. ``circuit`` is ``closed``, ``open`` or ``disabled``."""

    name: str
    kind: str
    circuit: str = "closed"
    why: str = ""
    """Why it is paused, or why its reads fail; empty where all is well."""
    last_success: datetime | None = None
    """The end of the last read that went through."""
    poll_every_seconds: float = 120.0
    calls_per_minute: float | None = None
    """None where nobody counts them."""
    latency_p50_seconds: float | None = None
    """Of the last minute's calls; None where there were none."""
    slow: bool = False
    posting_lag_seconds: float | None = None
    """From accepted to seen posted, for what was posted last (an ERP only)."""


@dataclass(frozen=True, slots=True)
class FlowPulse:
    """One flow on one connection; ``last_success`` is when a job of it was last done, since this start."""

    flow: str
    connector: str
    last_success: datetime | None = None


# -- overview ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason and how many orders have it. ``cause`` is what a person would cure."""

    code: str
    cause: str
    orders: int


@dataclass(frozen=True, slots=True)
class Oldest:
    """The order that waits longest for us; ``since`` it is in this state."""

    connector: str
    name: str
    state: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    connector: str
    name: str
    numbers: tuple[str, ...]
    """The ERP's, one per part."""
    booked_at: datetime
    currency: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class After:
    """What became of booked orders. ``left``, ``told``: pieces that left the ERP and that their shops show,
    by channel, since this store began. Orders: ``owed`` something is still to be told, ``untold`` something cannot be
    told, ``differing`` the shop and the ERP differ; the last two are a person's."""

    left: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    owed: int = 0
    untold: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """Where everything stands. ``came_in`` counts orders, ``booked`` those booked, since this store began."""

    came_in: int
    states: Mapping[str, int]
    of_channel: Mapping[str, Mapping[str, int]]
    """The same, channel by channel; states that no order of it is in are left out."""
    blocked: tuple[Reason, ...]
    not_yet: tuple[Reason, ...]
    oldest_waiting: Oldest | None
    jobs_waiting: int
    oldest_job: datetime | None
    """When the job that is due longest became due."""
    jobs_dead: int
    incidents: int
    last_bookings: tuple[Booking, ...]
    after: After = field(default_factory=lambda: After())

    @property
    def booked(self) -> int:
        return self.states["booked"]

    @property
    def waiting(self) -> int:
        """On the way, without those in doubt: with them and the other states this adds up to ``came_in``."""
        return sum(self.states[state] for state in WAITING_STATES if state != "in_doubt")


STATES = (*OPEN_STATES, "booked", "never")
_COUNTS = "SELECT connector, state, orders FROM order_counts"


async def counts(reads: Reads) -> dict[tuple[str, str], int]:
    """Orders by (connector, state)."""
    return {(row["connector"], row["state"]): row["orders"] for row in await reads.rows(_COUNTS)}


async def overview(reads: Reads, *, now: datetime, top: int = 8, bookings: int = 8) -> Overview:
    """The figures of the live view and of ``/metrics``."""
    of_channel = await _states(reads)
    states = {state: sum(those.get(state, 0) for those in of_channel.values()) for state in STATES}
    waiting, oldest_job, dead = await _queue(reads, now)
    return Overview(
        came_in=sum(states.values()),
        states=states,
        of_channel=of_channel,
        blocked=await _blocked(reads, top),
        not_yet=await _not_yet(reads, top),
        oldest_waiting=await _oldest_waiting(reads),
        jobs_waiting=waiting,
        oldest_job=oldest_job,
        jobs_dead=dead,
        incidents=await _count(reads, "SELECT count(*) FROM incidents WHERE closed_at IS NULL"),
        last_bookings=await last_bookings(reads, limit=bookings),
        after=await _after(reads),
    )


_SENT = "SELECT connector, left, told FROM dispatch_counts"
_OPEN_AFTER = """
SELECT (SELECT count(*) FROM dispatched WHERE (owed > 0 OR problems <> '[]') AND problems = '[]') AS owed,
       (SELECT count(*) FROM dispatched WHERE (owed > 0 OR problems <> '[]') AND problems <> '[]') AS untold,
       (SELECT count(*) FROM compared_sides WHERE problems <> '[]') AS differing
"""


async def _after(reads: Reads) -> After:
    sent = await reads.rows(_SENT)
    (row,) = await reads.rows(_OPEN_AFTER)
    return After(
        left={one["connector"]: one["left"] for one in sent},
        told={one["connector"]: one["told"] for one in sent},
        owed=row["owed"],
        untold=row["untold"],
        differing=row["differing"],
    )


async def _states(reads: Reads) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (channel, state), orders in (await counts(reads)).items():
        found.setdefault(channel, {})[state] = orders
    return found


async def _count(reads: Reads, sql: str, parameters: Sequence[object] = ()) -> int:
    row = await reads.row(sql, parameters)
    return int(row[0]) if row is not None else 0


_BLOCKED = """
    SELECT coalesce(json_extract(p.value, '$.code'), o.code) AS code,
           coalesce(json_extract(p.value, '$.cause'), '') AS cause,
           count(DISTINCT o.id) AS orders
    FROM orders o LEFT JOIN json_each(o.problems) p
    WHERE o.state = 'blocked'
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?
"""


async def _blocked(reads: Reads, top: int) -> tuple[Reason, ...]:
    return tuple(Reason(row["code"], row["cause"], row["orders"]) for row in await reads.rows(_BLOCKED, [top]))


_NOT_YET = """
    SELECT code, count(*) AS orders FROM orders WHERE state = 'not_yet'
    GROUP BY code ORDER BY 2 DESC, 1 LIMIT ?
"""


async def _not_yet(reads: Reads, top: int) -> tuple[Reason, ...]:
    return tuple(Reason(row["code"], "", row["orders"]) for row in await reads.rows(_NOT_YET, [top]))


_OLDEST_OF_STATE = """
    SELECT connector, name, ref, state, since FROM orders
    WHERE state = ? ORDER BY since LIMIT 1
"""


async def _oldest_waiting(reads: Reads) -> Oldest | None:
    rows = [row for state in WAITING_STATES if (row := await reads.row(_OLDEST_OF_STATE, [state])) is not None]
    if not rows:
        return None
    row = min(rows, key=lambda one: str(one["since"]))
    return Oldest(row["connector"], row["name"] or row["ref"], row["state"], moment(row["since"]))


_QUEUE = """
    SELECT count(*) AS waiting, min(CASE WHEN due_at <= ? THEN due_at END) AS oldest
    FROM jobs INDEXED BY jobs_due WHERE state = 'waiting'
"""
_DEAD = "SELECT count(*) FROM jobs INDEXED BY jobs_dead WHERE state = 'dead'"


async def _queue(reads: Reads, now: datetime) -> tuple[int, datetime | None, int]:
    row = await reads.row(_QUEUE, [stamp(now)])
    waiting, oldest = (row["waiting"], row["oldest"]) if row is not None else (0, None)
    return waiting, _moment(oldest), await _count(reads, _DEAD)


_LAST_BOOKINGS = """
    SELECT id, connector, name, ref, booked_at, currency, total FROM orders
    WHERE booked_at IS NOT NULL ORDER BY booked_at DESC LIMIT ?
"""
_NUMBERS = "SELECT number FROM outbox WHERE order_id = ? AND number <> '' ORDER BY part, generation"


async def last_bookings(reads: Reads, *, limit: int) -> tuple[Booking, ...]:
    """The newest first."""
    found = []
    for row in await reads.rows(_LAST_BOOKINGS, [limit]):
        numbers = tuple(number["number"] for number in await reads.rows(_NUMBERS, [row["id"]]))
        name = row["name"] or row["ref"]
        booked_at = moment(row["booked_at"])
        found.append(Booking(row["connector"], name, numbers, booked_at, row["currency"], Decimal(row["total"])))
    return tuple(found)


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None


# -- one order ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that a search text may mean, and by which of its names."""

    id: int
    connector: str
    ref: str
    name: str
    state: str
    by: str


_FIND = """
    SELECT 'name' AS "by", id FROM orders WHERE name IN (:text, :hashed, :bare)
    UNION SELECT 'id', id FROM orders WHERE channel_id IN (:text, :tail) AND channel_id <> ''
    UNION SELECT 'ref', id FROM orders WHERE ref = :text
    UNION SELECT 'reference', order_id FROM outbox WHERE reference = :upper
    UNION SELECT 'ERP number', order_id FROM outbox WHERE number = :text AND number <> ''
    LIMIT 50
"""
_CANDIDATE = "SELECT id, connector, ref, name, state FROM orders WHERE id = ?"


async def find_order(reads: Reads, text: str) -> tuple[Candidate, ...]:
    """Every order that ``text`` may mean: a name with or without ``#``, an id, a ref (gid), a reference of ours,
    the ERP's number; narrowed by its connection when written ``shopify_us:1001``. Empty where there is none."""
    found = await _find(reads, text.strip())
    connector, colon, rest = text.strip().partition(":")
    if found or not colon:
        return found
    return tuple(one for one in await _find(reads, rest.strip()) if one.connector == connector)


async def _find(reads: Reads, text: str) -> tuple[Candidate, ...]:
    bare = text.removeprefix("#")
    if not bare:
        return ()
    words: dict[str, object] = {
        "text": text,
        "bare": bare,
        "hashed": f"#{bare}",
        "tail": text.rpartition("/")[2],
        "upper": text.upper(),
    }
    by: dict[int, list[str]] = {}
    for row in await reads.rows(_FIND, words):
        by.setdefault(row["id"], []).append(row["by"])
    return tuple([await _candidate(reads, id_, names) for id_, names in sorted(by.items())])


async def _candidate(reads: Reads, id_: int, names: list[str]) -> Candidate:
    row = await reads.row(_CANDIDATE, [id_])
    assert row is not None
    return Candidate(id_, row["connector"], row["ref"], row["name"], row["state"], ", ".join(sorted(names)))


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem of an order, as the flow wrote it."""

    code: str
    subject: str
    text: str
    cause: str


@dataclass(frozen=True, slots=True)
class Part:
    """One ERP document of an order: an outbox row without its body."""

    part: int
    parts: int
    generation: int
    sink: str
    reference: str
    state: str
    number: str
    receipt: str
    reason: str
    differences: tuple[str, ...]
    posts: int
    written_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    accepted_at: datetime | None
    posted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    connector: str
    noun: str
    ref: str
    other_connector: str
    other_noun: str
    other_ref: str
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    flow: str
    connector: str
    ref: str
    state: str
    priority: str
    enqueued_at: datetime
    due_at: datetime
    started_at: datetime | None
    attempts: int
    deaths: int
    reason: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did: who, when, to what, why, before and after. ``data``: what else belongs to it.

    Before and after are text, a mapping of what the act touched, or None. As a part of one order's story they are
    that order's states.
    """

    id: int
    at: datetime
    who: str
    act: str
    target: str
    why: str
    before: Any
    after: Any
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Where the pieces of a booked order are, as both sides last said. ``told_since``: since when nothing more of what
    left is owed to the shop; None where something is, or nothing left."""

    booked: int
    picked: int
    """On a pick ticket, or gone: by the ERP's order."""
    left: int
    cancelled: int
    shown_as_sent: int
    told_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known of one order over both systems, without personal data."""

    id: int
    connector: str
    ref: str
    channel_id: str
    name: str
    state: str
    code: str
    reason: str
    problems: tuple[Trouble, ...]
    since: datetime
    first_seen: datetime
    created_at: datetime | None
    modified: datetime | None
    look_again: datetime | None
    currency: str
    total: Decimal
    booked_at: datetime | None
    skipped_by: str
    document_asked: datetime | None
    """When the document at hand was fetched; None where none is kept."""
    parts: tuple[Part, ...] = ()
    links: tuple[Link, ...] = ()
    events: tuple[Event, ...] = ()
    events_left_out: int = 0
    jobs: tuple[Job, ...] = ()
    incidents: tuple[Incident, ...] = ()
    acts: tuple[Act, ...] = ()
    """Of people, on this order."""
    held_for: tuple[str, ...] = field(default=())
    """Causes whose release still holds this order back (three go first)."""
    stopped_for: tuple[str, ...] = field(default=())
    """Causes whose release was stopped by a refusal before this order's turn came."""
    pieces: Pieces | None = None
    """None of an order without a booked document."""


EVENTS_LIMIT = 500

_ORDER = "SELECT * FROM orders WHERE id = ?"
_DOCUMENT = "SELECT asked FROM documents WHERE connector = ? AND noun = 'orders' AND ref = ?"
_PARTS = """
    SELECT part, parts, generation, sink, reference, state, number, receipt, reason, differences, posts,
           written_at, sent_at, ended_at, accepted_at, posted_at
    FROM outbox WHERE order_id = ? ORDER BY part, generation, id
"""
_LINKS = """
    SELECT * FROM links WHERE connector = :connector AND noun = 'orders' AND ref = :ref
    UNION SELECT * FROM links WHERE other_connector = :connector AND other_noun = 'orders' AND other_ref = :ref
    ORDER BY linked_at
"""
_EVENTS = """
    SELECT at, kind, data FROM (SELECT * FROM events WHERE order_id = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq
"""
_EVENTS_COUNT = "SELECT count(*) FROM events WHERE order_id = ?"
_JOB = """
    SELECT id, flow, connector, ref, state, priority, enqueued_at, due_at, started_at, attempts, deaths, reason
    FROM jobs
"""
_JOBS_OF_ORDER = f"""
    {_JOB} WHERE state = 'waiting' AND connector = :connector AND ref = :ref
    UNION ALL {_JOB} WHERE state = 'running' AND connector = :connector AND ref = :ref
    UNION ALL {_JOB} WHERE state = 'dead' AND connector = :connector AND ref = :ref
"""
_INCIDENT = f"SELECT {COLUMNS} FROM incidents i LEFT JOIN orders o ON o.id = i.order_id"  # noqa: S608
_INCIDENTS_OF_ORDER = f"{_INCIDENT} WHERE i.order_id = ? ORDER BY i.id"
_ACTS_OF_ORDER = """
    SELECT a.id, a.at, a.who, a.act, a.target, a.why, a.data, o.before, o.after
    FROM act_orders o JOIN acts a ON a.id = o.act_id WHERE o.order_id = ? ORDER BY o.act_id
"""
_HELD = """
    SELECT r.cause, r.state FROM release_orders h JOIN releases r ON r.id = h.release_id
    WHERE h.order_id = ? AND h.stage = 'held' ORDER BY r.id
"""


async def story(reads: Reads, order_id: int) -> Story | None:
    """The whole story of one order; None where there is no such row."""
    row = await reads.row(_ORDER, [order_id])
    if row is None:
        return None
    key: dict[str, object] = {"connector": row["connector"], "ref": row["ref"]}
    document = await reads.row(_DOCUMENT, [row["connector"], row["ref"]])
    events = [_event(one) for one in await reads.rows(_EVENTS, [order_id, EVENTS_LIMIT])]
    held = await reads.rows(_HELD, [order_id])
    return Story(
        id=row["id"],
        connector=row["connector"],
        ref=row["ref"],
        channel_id=row["channel_id"],
        name=row["name"],
        state=row["state"],
        code=row["code"],
        reason=row["reason"],
        problems=_troubles(row["problems"]),
        since=moment(row["since"]),
        first_seen=moment(row["first_seen"]),
        created_at=_moment(row["created_at"]),
        modified=_moment(row["modified"]),
        look_again=_moment(row["look_again"]),
        currency=row["currency"],
        total=Decimal(row["total"]),
        booked_at=_moment(row["booked_at"]),
        skipped_by=row["skipped_by"] or "",
        document_asked=_moment(document["asked"]) if document is not None else None,
        parts=tuple(_part(one) for one in await reads.rows(_PARTS, [order_id])),
        links=tuple(_link(one) for one in await reads.rows(_LINKS, key)),
        events=tuple(events),
        events_left_out=await _count(reads, _EVENTS_COUNT, [order_id]) - len(events),
        jobs=tuple(_job(one) for one in await reads.rows(_JOBS_OF_ORDER, key)),
        incidents=tuple(incident_of(one) for one in await reads.rows(_INCIDENTS_OF_ORDER, [order_id])),
        acts=tuple(_act_on_order(one) for one in await reads.rows(_ACTS_OF_ORDER, [order_id])),
        held_for=tuple(one["cause"] for one in held if one["state"] != "stopped"),
        stopped_for=tuple(one["cause"] for one in held if one["state"] == "stopped"),
        pieces=await _pieces(reads, order_id),
    )


_LEAVING = """
SELECT sum(pieces) AS booked, sum(shipped) AS gone, sum(cancelled) AS cancelled FROM leaving WHERE order_id = ?
"""
_PICKED = """
SELECT coalesce(sum(json_extract(line.value, '$.picked')), 0) AS picked
FROM held_orders, json_each(held_orders.body, '$.lines') AS line WHERE held_orders.order_id = ?
"""
_TOLD_OF_IT = "SELECT told, owed, problems, since FROM dispatched WHERE order_id = ?"


async def _pieces(reads: Reads, order_id: int) -> Pieces | None:
    row, picked = await reads.row(_LEAVING, [order_id]), await reads.row(_PICKED, [order_id])
    if row is None or row["booked"] is None or picked is None:
        return None
    told = await reads.row(_TOLD_OF_IT, [order_id])
    done = told is not None and not told["owed"] and told["problems"] == "[]"
    return Pieces(
        booked=row["booked"],
        picked=max(picked["picked"], row["gone"]),
        left=row["gone"],
        cancelled=row["cancelled"],
        shown_as_sent=told["told"] if told is not None else 0,
        told_since=moment(told["since"]) if told is not None and done else None,
    )


def _troubles(text: str) -> tuple[Trouble, ...]:
    return tuple(
        Trouble(one.get("code", ""), one.get("subject", ""), one.get("text", ""), one.get("cause", ""))
        for one in json.loads(text)
    )


def _part(row: sqlite3.Row) -> Part:
    moments = ("written_at", "sent_at", "ended_at", "accepted_at", "posted_at")
    facts = {key: row[key] for key in row.keys() if key not in (*moments, "differences")}  # noqa: SIM118
    return Part(
        **facts,
        differences=tuple(json.loads(row["differences"])),
        written_at=moment(row["written_at"]),
        sent_at=_moment(row["sent_at"]),
        ended_at=_moment(row["ended_at"]),
        accepted_at=_moment(row["accepted_at"]),
        posted_at=_moment(row["posted_at"]),
    )


def _link(row: sqlite3.Row) -> Link:
    ends = (row["connector"], row["noun"], row["ref"], row["other_connector"], row["other_noun"], row["other_ref"])
    return Link(*ends, moment(row["linked_at"]))


def _event(row: sqlite3.Row) -> Event:
    return Event(moment(row["at"]), row["kind"], json.loads(row["data"]))


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        flow=row["flow"],
        connector=row["connector"],
        ref=row["ref"],
        state=row["state"],
        priority="bulk" if row["priority"] else "now",
        enqueued_at=moment(row["enqueued_at"]),
        due_at=moment(row["due_at"]),
        started_at=_moment(row["started_at"]),
        attempts=row["attempts"],
        deaths=row["deaths"],
        reason=row["reason"],
    )


# -- exceptions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExceptionGroup:
    """All blocked orders that share one problem. One order stands in as many groups as it has problems.

    ``value`` is the sum of the orders' totals per currency; ``names`` are the oldest ones, as many as asked for, as
    ``find_order`` takes them: with their channel where there are several.
    """

    code: str
    cause: str
    channels: tuple[str, ...]
    orders: int
    oldest_since: datetime
    value: Mapping[str, Decimal]
    names: tuple[str, ...]
    example: str


_EXCEPTIONS = """
    SELECT o.id, o.connector, o.since, o.currency, o.total, coalesce(nullif(o.name, ''), o.ref) AS name,
           coalesce(json_extract(p.value, '$.code'), o.code) AS code,
           coalesce(json_extract(p.value, '$.cause'), '') AS cause,
           coalesce(json_extract(p.value, '$.text'), o.reason) AS text
    FROM orders o LEFT JOIN json_each(o.problems) p
    WHERE o.state = 'blocked' AND (:channel IS NULL OR o.connector = :channel)
    ORDER BY o.since, o.id
"""


@dataclass(slots=True)
class _Group:
    """Being counted: rows come oldest first."""

    first: sqlite3.Row
    orders: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Channel and name."""
    value: dict[str, Decimal] = field(default_factory=dict)

    def add(self, row: sqlite3.Row) -> None:
        if row["id"] in self.orders:
            return
        self.orders[row["id"]] = row["connector"], row["name"]
        self.value[row["currency"]] = self.value.get(row["currency"], Decimal(0)) + Decimal(row["total"])

    def done(self, names: int | None) -> ExceptionGroup:
        channels = tuple(sorted({channel for channel, _ in self.orders.values()}))
        shown = list(self.orders.values())[:names]
        return ExceptionGroup(
            code=self.first["code"],
            cause=self.first["cause"],
            channels=channels,
            orders=len(self.orders),
            oldest_since=moment(self.first["since"]),
            value=self.value,
            names=tuple(f"{channel}:{name}" if len(channels) > 1 else name for channel, name in shown),
            example=self.first["text"],
        )


async def exceptions(
    reads: Reads, *, channel: str | None = None, names: int | None = NAMES_SHOWN
) -> tuple[ExceptionGroup, ...]:
    """Blocked orders grouped by problem, the largest group first; with so many ``names`` each, or with all (None)."""
    groups: dict[tuple[str, str], _Group] = {}
    for row in await reads.rows(_EXCEPTIONS, {"channel": channel}):
        groups.setdefault((row["code"], row["cause"]), _Group(row)).add(row)
    done = [group.done(names) for group in groups.values()]
    return tuple(sorted(done, key=lambda group: (-group.orders, group.oldest_since)))


@dataclass(frozen=True, slots=True)
class Due:
    """One thing of one order that a person is to do. ``numbers``: the ERP's of its documents; ``amount``: its total."""

    since: datetime
    channel: str
    order: str
    numbers: str
    code: str
    subject: str
    text: str
    cause: str
    amount: Decimal
    currency: str


_OF_ORDER = """o.connector AS channel, coalesce(nullif(o.name, ''), o.ref) AS name, o.currency, o.total,
    coalesce((SELECT group_concat(number, ' ') FROM outbox WHERE outbox.order_id = o.id AND number <> ''), '')
        AS numbers"""
_DUE_BLOCKED = f"""
    SELECT o.since, {_OF_ORDER}, coalesce(json_extract(p.value, '$.code'), o.code) AS code,
           coalesce(json_extract(p.value, '$.subject'), '') AS subject,
           coalesce(json_extract(p.value, '$.text'), o.reason) AS text,
           coalesce(json_extract(p.value, '$.cause'), '') AS cause
    FROM orders o LEFT JOIN json_each(o.problems) p
    WHERE o.state = 'blocked' AND (:channel IS NULL OR o.connector = :channel) ORDER BY o.since, o.id
"""  # noqa: S608 - constants of this file
_DUE_DISPATCHES = f"""
    SELECT d.since, {_OF_ORDER}, json_extract(p.value, '$.code') AS code, json_extract(p.value, '$.subject') AS subject,
           json_extract(p.value, '$.text') AS text, coalesce(json_extract(p.value, '$.cause'), '') AS cause
    FROM dispatched d CROSS JOIN orders o ON o.id = d.order_id JOIN json_each(d.problems) p
    WHERE (d.owed > 0 OR d.problems <> '[]') AND d.problems <> '[]' AND (:channel IS NULL OR o.connector = :channel)
    ORDER BY d.since, o.id LIMIT :limit
"""  # noqa: S608
_DUE_CHANGES = f"""
    SELECT c.since, {_OF_ORDER}, json_extract(p.value, '$.code') AS code, json_extract(p.value, '$.subject') AS subject,
           json_extract(p.value, '$.text') AS text, '' AS cause
    FROM compared_sides c INDEXED BY compared_sides_open CROSS JOIN orders o ON o.id = c.order_id
    JOIN json_each(c.problems) p
    WHERE c.problems <> '[]' AND (:channel IS NULL OR o.connector = :channel) ORDER BY c.since, o.id LIMIT :limit
"""  # noqa: S608
_DUE_TO_LEAVE = f"""
    SELECT l.posted_at AS since, {_OF_ORDER}, 'not_dispatched' AS code, l.warehouse AS subject, '' AS cause,
           (l.pieces - l.shipped - l.cancelled) || ' of ' || l.pieces || ' pieces' AS text
    FROM leaving l CROSS JOIN orders o ON o.id = l.order_id
    WHERE l.connector = :channel AND l.warehouse = :warehouse AND l.pieces > l.shipped + l.cancelled
      AND l.posted_at < :before ORDER BY l.posted_at, o.id
"""  # noqa: S608


async def due_blocked(reads: Reads, *, channel: str | None) -> list[Due]:
    """Every problem of every blocked order, the longest blocked first."""
    return [_due(row) for row in await reads.rows(_DUE_BLOCKED, {"channel": channel})]


async def due_dispatches(reads: Reads, *, channel: str | None, limit: int | None = None) -> list[Due]:
    """Every problem of what left and cannot be told, the longest standing first."""
    asked: dict[str, object] = {"channel": channel, "limit": -1 if limit is None else limit}
    return [_due(row) for row in await reads.rows(_DUE_DISPATCHES, asked)]


async def due_changes(reads: Reads, *, channel: str | None, limit: int | None = None) -> list[Due]:
    """Every difference between the two sides of a booked order that is a person's, the longest standing first."""
    asked: dict[str, object] = {"channel": channel, "limit": -1 if limit is None else limit}
    return [_due(row) for row in await reads.rows(_DUE_CHANGES, asked)]


async def due_to_leave(reads: Reads, *, channel: str, warehouse: str, before: datetime) -> list[Due]:
    """Documents booked before a moment whose pieces have not all left a warehouse; ``subject`` is the warehouse."""
    asked: dict[str, object] = {"channel": channel, "warehouse": warehouse, "before": stamp(before)}
    return [_due(row) for row in await reads.rows(_DUE_TO_LEAVE, asked)]


def _due(row: sqlite3.Row) -> Due:
    return Due(
        since=moment(row["since"]),
        channel=row["channel"],
        order=row["name"],
        numbers=row["numbers"],
        code=row["code"],
        subject=row["subject"],
        text=row["text"],
        cause=row["cause"],
        amount=Decimal(row["total"]),
        currency=row["currency"],
    )


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What needs a person: blocked orders by cause, what left and cannot be told, booked orders whose two sides differ,
    and the incidents that stand."""

    blocked_orders: int
    groups: tuple[ExceptionGroup, ...]
    dispatches: tuple[Due, ...]
    changes: tuple[Due, ...]
    incidents: tuple[Incident, ...]


async def all_exceptions(reads: Reads, *, channel: str | None, names: int | None = NAMES_SHOWN) -> Exceptions:
    counted = await counts(reads)
    blocked = sum(n for (name, state), n in counted.items() if state == "blocked" and channel in (None, name))
    return Exceptions(
        blocked_orders=blocked,
        groups=await exceptions(reads, channel=channel, names=names),
        dispatches=tuple(await due_dispatches(reads, channel=channel, limit=None if names is None else LIST_LIMIT)),
        changes=tuple(await due_changes(reads, channel=channel, limit=None if names is None else LIST_LIMIT)),
        incidents=await incidents(reads),
    )


# -- jobs, incidents, confirmations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobCount:
    flow: str
    connector: str
    state: str
    jobs: int
    due: int
    """Waiting ones whose time has come."""
    oldest: datetime | None
    """When the oldest of them was enqueued."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The queue: figures of what is not done, and the jobs most worth a look (dead, running, then longest due)."""

    counts: tuple[JobCount, ...]
    jobs: tuple[Job, ...]


def _job_counts(state: str) -> str:
    return f"""
    SELECT flow, connector, state, count(*) AS jobs, sum(due_at <= :now) AS due, min(enqueued_at) AS oldest
    FROM jobs WHERE state = '{state}' GROUP BY flow, connector
    """  # noqa: S608 - constants of this file


_JOB_COUNTS = " UNION ALL ".join(_job_counts(state) for state in ("waiting", "running", "dead"))


def _some_jobs(state: str, order: str) -> str:
    return f"SELECT * FROM ({_JOB} WHERE state = '{state}' ORDER BY {order} LIMIT :limit)"  # noqa: S608


_JOBS = " UNION ALL ".join(
    (_some_jobs("dead", "id DESC"), _some_jobs("running", "started_at"), _some_jobs("waiting", "due_at"))
)


async def job_counts(reads: Reads, *, now: datetime) -> tuple[JobCount, ...]:
    rows = await reads.rows(_JOB_COUNTS, {"now": stamp(now)})
    return tuple(
        JobCount(
            row["flow"],
            row["connector"],
            row["state"],
            row["jobs"],
            row["due"] if row["state"] == "waiting" else 0,
            _moment(row["oldest"]),
        )
        for row in rows
    )


async def jobs(reads: Reads, *, now: datetime, limit: int = LIST_LIMIT) -> Jobs:
    found = tuple(_job(row) for row in await reads.rows(_JOBS, {"limit": limit}))
    return Jobs(await job_counts(reads, now=now), found)


_INCIDENTS_OPEN = f"{_INCIDENT} WHERE i.closed_at IS NULL ORDER BY i.last_at DESC LIMIT ?"


async def incidents(reads: Reads, *, limit: int = LIST_LIMIT) -> tuple[Incident, ...]:
    """Those that stand, the latest first."""
    return tuple(incident_of(row) for row in await reads.rows(_INCIDENTS_OPEN, [limit]))


_INCIDENTS_ENDED = f"""
{_INCIDENT} WHERE i.id IN (SELECT id FROM incidents WHERE closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT ?)
ORDER BY i.closed_at DESC
"""  # noqa: S608 - constants of this file


async def ended_incidents(reads: Reads, *, limit: int = LIST_LIMIT) -> tuple[Incident, ...]:
    """Those that ended, the latest first."""
    return tuple(incident_of(row) for row in await reads.rows(_INCIDENTS_ENDED, [limit]))


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """``change`` is opened, reopened, resolved, acked, snoozed or escalated. ``who`` is empty for bcbridge itself."""

    at: datetime
    change: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class IncidentAlert:
    """What a team was told of it at one of its channels, or is about to be."""

    team: str
    channel: str
    kind: str
    state: str
    due_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentStory:
    """One incident, what happened to it, and who was told; the newest ``STORY_LIMIT`` of both."""

    incident: Incident
    changes: tuple[IncidentChange, ...]
    alerts: tuple[IncidentAlert, ...]


STORY_LIMIT = 100
_INCIDENT_OF_ID = f"{_INCIDENT} WHERE i.id = ?"
_INCIDENT_CHANGES = """
    SELECT at, "change", who, why FROM incident_changes WHERE incident_id = ? ORDER BY at DESC, id DESC LIMIT ?
"""
_INCIDENT_ALERTS = """
    SELECT team, channel, kind, state, due_at, ended_at, reason FROM alerts
    WHERE incident_id = ? ORDER BY id DESC LIMIT ?
"""


async def incident_story(reads: Reads, number: int) -> IncidentStory | None:
    """None where there is no such incident."""
    row = await reads.row(_INCIDENT_OF_ID, [number])
    if row is None:
        return None
    changes = await reads.rows(_INCIDENT_CHANGES, [number, STORY_LIMIT])
    told = await reads.rows(_INCIDENT_ALERTS, [number, STORY_LIMIT])
    return IncidentStory(
        incident=incident_of(row),
        changes=tuple(IncidentChange(moment(one["at"]), one["change"], one["who"], one["why"]) for one in changes)[
            ::-1
        ],
        alerts=tuple(_incident_alert(one) for one in told)[::-1],
    )


def _incident_alert(row: sqlite3.Row) -> IncidentAlert:
    return IncidentAlert(
        team=row["team"],
        channel=row["channel"],
        kind=row["kind"],
        state=row["state"],
        due_at=moment(row["due_at"]),
        ended_at=_moment(row["ended_at"]),
        reason=row["reason"],
    )


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person's word that a write, with its read-back, was seen to work on the real system."""

    write: str
    who: str
    why: str
    confirmed_at: datetime


_CONFIRMATIONS = 'SELECT "write", who, why, confirmed_at FROM confirmations ORDER BY "write"'


async def confirmations(reads: Reads) -> tuple[Confirmation, ...]:
    return tuple(
        Confirmation(row["write"], row["who"], row["why"], moment(row["confirmed_at"]))
        for row in await reads.rows(_CONFIRMATIONS)
    )


# -- readiness ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListMark:
    """How far one list was read, and when that moved last."""

    connector: str
    noun: str
    list: str
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class FlowMark:
    """What waits for one flow on one connection, and since when the oldest has been due."""

    flow: str
    connector: str
    waiting: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class Marks:
    lists: tuple[ListMark, ...]
    flows: tuple[FlowMark, ...]


_LIST_MARKS = "SELECT connector, noun, list, moved_at FROM cursors ORDER BY connector, noun, list"
_FLOW_MARKS = """
    SELECT flow, connector, count(*) AS waiting, min(CASE WHEN due_at <= :now THEN due_at END) AS oldest
    FROM jobs INDEXED BY jobs_due WHERE state = 'waiting' GROUP BY flow, connector
"""


async def readiness(reads: Reads, *, now: datetime) -> Marks:
    """Per list and per flow: what the store can say of how current we are."""
    lists = [
        ListMark(row["connector"], row["noun"], row["list"], moment(row["moved_at"]))
        for row in await reads.rows(_LIST_MARKS)
    ]
    flows = [
        FlowMark(row["flow"], row["connector"], row["waiting"], _moment(row["oldest"]))
        for row in await reads.rows(_FLOW_MARKS, {"now": stamp(now)})
    ]
    return Marks(tuple(lists), tuple(flows))


# -- acts --------------------------------------------------------------------------------------------------------

_LATEST_ACTS = """
    SELECT id, at, who, act, target, why, data FROM acts
    WHERE id > (SELECT coalesce(max(id), 0) FROM acts) - :limit ORDER BY id DESC
"""


async def acts(reads: Reads, *, limit: int = LIST_LIMIT) -> tuple[Act, ...]:
    """What people did, the newest first."""
    return tuple(_act(row, json.loads(row["data"])) for row in await reads.rows(_LATEST_ACTS, {"limit": limit}))


def _act(row: sqlite3.Row, data: dict[str, Any]) -> Act:
    before, after = data.pop("before", None), data.pop("after", None)
    return Act(row["id"], moment(row["at"]), row["who"], row["act"], row["target"], row["why"], before, after, data)


def _act_on_order(row: sqlite3.Row) -> Act:
    """What it did to this order, rather than to all that it touched."""
    return replace(_act(row, json.loads(row["data"])), before=row["before"], after=row["after"], data={})


# -- mappings ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A value that a mapping table does not know and orders of a channel wait for: ``ship_via``, ``Overnight``, 12."""

    table: str
    key: str
    channel: str
    orders: int
    oldest_since: datetime


_UNMAPPED = """
    SELECT c.cause, o.connector, count(*) AS orders, min(o.since) AS oldest
    FROM order_causes c JOIN orders o ON o.id = c.order_id AND o.state = 'blocked'
    WHERE c.cause >= :from AND c.cause < :to GROUP BY c.cause, o.connector
"""


async def unmapped(reads: Reads, tables: Iterable[str]) -> tuple[Unmapped, ...]:
    """Values seen in blocked orders whose cause is one of these tables, the most wanted first."""
    found = []
    for table in sorted(set(tables)):
        # '0' follows '/': the range holds exactly the causes that begin with "table/"
        for row in await reads.rows(_UNMAPPED, {"from": f"{table}/", "to": f"{table}0"}):
            key = str(row["cause"]).removeprefix(f"{table}/")
            found.append(Unmapped(table, key, row["connector"], row["orders"], moment(row["oldest"])))
    return tuple(sorted(found, key=lambda one: (-one.orders, one.table, one.key, one.channel)))
