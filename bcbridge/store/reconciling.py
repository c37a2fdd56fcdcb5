"""Reconciliations on disk: what a run reads of this store, what it lists of the ERP, what it came to.

A run waits, runs, and is done or failed; one that was running when the process ended has failed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import orjson

from bcbridge.model.changes import Document
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.outcome import Problem
from bcbridge.model.reconcile import Difference, Ending, Held, KnownOrder, Report, Tally
from bcbridge.model.sales_order import BookedOrder
from bcbridge.model.shipment import BookedRow, Shipment
from bcbridge.store import changing, dispatching, incidents, queue
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

FOUND = "reconcile_found"
"""The incident of a channel that differs from the ERP."""
NAMED = 3
KEPT_RUNS = 30
"""Of each channel."""
SOON = timedelta(minutes=5)
"""A job that is due by then is work under way."""
STEP = 200
FLOWS = ("orders", "changes", "dispatches")

# -- runs --------------------------------------------------------------------------------------------------------

_ASK = """
INSERT INTO reconcile_runs (channel, since, heal, asked_by, state, asked_at)
VALUES (:channel, :since, :heal, :who, 'waiting', :now)
"""
_BEGIN = """
UPDATE reconcile_runs SET state = 'running', began_at = :now WHERE id = (
    SELECT min(id) FROM reconcile_runs WHERE channel = :channel AND state = 'waiting')
RETURNING id, since, heal, asked_by
"""
_STAGE = "UPDATE reconcile_runs SET stage = ? WHERE id = ? AND state = 'running'"
_END = """
UPDATE reconcile_runs SET state = :state, ended_at = :now, reason = :reason, tally = :tally, more = :more, stage = ''
WHERE id = :run
"""
_KEEP = "INSERT INTO reconcile_findings (run_id, seq, difference) VALUES (?, ?, ?)"
_CUT_SHORT = """
UPDATE reconcile_runs SET state = 'failed', ended_at = ?, reason = 'the process ended while it ran'
WHERE state = 'running'
"""
_NOT_KEPT = """
UPDATE reconcile_runs SET state = 'failed', ended_at = :now, reason = 'what it came to could not be kept'
WHERE channel = :channel AND state = 'running'
"""
_OLD = (
    "SELECT id FROM reconcile_runs WHERE channel = ? AND state IN ('done', 'failed') ORDER BY id DESC LIMIT -1 OFFSET ?"
)
_FORGET = "DELETE FROM reconcile_runs WHERE id = ?"
_DROP_HELD = """
DELETE FROM reconcile_held WHERE (run_id, reference, number) IN (
    SELECT run_id, reference, number FROM reconcile_held WHERE run_id = ? LIMIT ?)
"""
_LEFT_OVER = """
SELECT id FROM reconcile_runs WHERE state IN ('done', 'failed')
  AND EXISTS (SELECT 1 FROM reconcile_held WHERE run_id = reconcile_runs.id)
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that begins."""

    id: int
    since: datetime
    heal: bool
    by: str


def ask(tx: sqlite3.Connection, channel: str, since: datetime, *, heal: bool, who: str, now: datetime) -> int:
    """Let a run wait for its turn; returns its number."""
    given = {"channel": channel, "since": stamp(since), "heal": heal, "who": who, "now": stamp(now)}
    made = tx.execute(_ASK, given).lastrowid
    assert made is not None
    return made


def begin(tx: sqlite3.Connection, channel: str, *, now: datetime) -> Asked | None:
    """The run that has waited longest begins; None where none waits. One that still stands as running is over, and
    what it came to was not kept."""
    tx.execute(_NOT_KEPT, {"channel": channel, "now": stamp(now)})
    row = tx.execute(_BEGIN, {"channel": channel, "now": stamp(now)}).fetchone()
    return Asked(row["id"], moment(row["since"]), bool(row["heal"]), row["asked_by"]) if row else None


def fail(tx: sqlite3.Connection, run: int, *, reason: str, now: datetime) -> None:
    given = {"run": run, "state": "failed", "reason": reason[:500], "tally": "{}", "more": 0, "now": stamp(now)}
    tx.execute(_END, given)


def end(
    tx: sqlite3.Connection,
    channel: str,
    run: int,
    tally: Tally,
    differences: Sequence[Difference],
    *,
    more: int,
    whole: bool,
    now: datetime,
) -> None:
    """What it came to, and its incident: it ends with a run over the whole span (``whole``) that finds nothing."""
    given = {"run": run, "state": "done", "reason": "", "tally": tally.model_dump_json(), "more": more}
    tx.execute(_END, {**given, "now": stamp(now)})
    tx.executemany(_KEEP, [(run, seq, one.model_dump_json()) for seq, one in enumerate(differences, 1)])
    _tell(tx, channel, [one for one in differences if one.ending is Ending.LEFT], more=more, whole=whole, now=now)
    for row in tx.execute(_OLD, (channel, KEPT_RUNS)).fetchall():
        tx.execute(_FORGET, (row["id"],))


def _tell(
    tx: sqlite3.Connection, channel: str, left: Sequence[Difference], *, more: int, whole: bool, now: datetime
) -> None:
    if left:
        text = _words(left, more)
        incidents.open_one(tx, code=FOUND, connector=channel, cause="orders", text=text, now=now)
    elif whole and not more:
        incidents.close(tx, code=FOUND, connector=channel, cause="orders", now=now)


def _words(left: Sequence[Difference], more: int) -> str:
    counts = Counter(one.kind.value for one in left)
    said = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    named = "; ".join(f"{one.order or one.subject}: {one.text}" for one in left[:NAMED])
    rest = len(left) + more - NAMED
    return f"{said}. {named}{f'; and {rest} more' if rest > 0 else ''} (bcbridge reconcile show)"


def recover(tx: sqlite3.Connection, *, now: datetime) -> int:
    """At a start: what was running has failed. Returns how many."""
    return tx.execute(_CUT_SHORT, (stamp(now),)).rowcount


def tidy(tx: sqlite3.Connection) -> int:
    """What runs that are over had listed goes, a step at a time; returns how many rows went."""
    for row in tx.execute(_LEFT_OVER).fetchall():
        return tx.execute(_DROP_HELD, (row["id"], STEP)).rowcount
    return 0


# -- reports -----------------------------------------------------------------------------------------------------

_LAST = "SELECT * FROM reconcile_runs WHERE channel = ? ORDER BY id DESC LIMIT 1"
_LAST_DONE = "SELECT * FROM reconcile_runs WHERE channel = ? AND state IN ('done', 'failed') ORDER BY id DESC LIMIT 1"
_RUN = "SELECT * FROM reconcile_runs WHERE id = ?"
_FINDINGS = "SELECT difference FROM reconcile_findings WHERE run_id = ? ORDER BY seq"


class Reads(Protocol):
    async def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[sqlite3.Row]: ...
    async def row(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> sqlite3.Row | None: ...


async def report(reads: Reads, run: int) -> Report | None:
    row = await reads.row(_RUN, (run,))
    return await _report(reads, row) if row else None


async def last(reads: Reads, channel: str, *, ended: bool = True) -> Report | None:
    """The latest run of a channel; ``ended``: of those that are over."""
    row = await reads.row(_LAST_DONE if ended else _LAST, (channel,))
    return await _report(reads, row) if row else None


async def _report(reads: Reads, row: sqlite3.Row) -> Report:
    kept = await reads.rows(_FINDINGS, (row["id"],))
    return Report(
        run=row["id"],
        channel=row["channel"],
        since=moment(row["since"]),
        heal=bool(row["heal"]),
        asked_by=row["asked_by"],
        state=row["state"],
        asked=moment(row["asked_at"]),
        began=moment(row["began_at"]) if row["began_at"] else None,
        ended=moment(row["ended_at"]) if row["ended_at"] else None,
        stage=row["stage"],
        reason=row["reason"],
        tally=Tally.model_validate_json(row["tally"]),
        differences=tuple(Difference.model_validate_json(one["difference"]) for one in kept),
        more=row["more"],
    )


# -- what a run reads --------------------------------------------------------------------------------------------

_KEEP_HELD = "INSERT OR REPLACE INTO reconcile_held (run_id, reference, number, body) VALUES (?, ?, ?, ?)"
_HELD = """
SELECT reference, body FROM reconcile_held
WHERE run_id = ? AND reference IN (SELECT value FROM json_each(?)) ORDER BY reference, number
"""
_STRANGERS = """
SELECT body FROM reconcile_held WHERE run_id = ?
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.reference = reconcile_held.reference) LIMIT ?
"""
MOST_STRANGERS = 200
_UNSEEN = """
SELECT asked.value AS ref FROM json_each(:refs) AS asked
WHERE NOT EXISTS (SELECT 1 FROM orders WHERE connector = :channel AND ref = asked.value)
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE flow = 'orders' AND connector = :channel AND jobs.ref = asked.value
                  AND state = 'waiting')
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND ordering_key = :channel || '/' || asked.value)
"""
_CREATED = """
SELECT id, ref, created_at FROM orders INDEXED BY orders_by_creation
WHERE connector = :channel AND created_at IS NOT NULL AND created_at >= :since AND (created_at, id) > (:since, :after)
ORDER BY created_at, id LIMIT :many
"""
_OURS = """
SELECT outbox.reference, orders.ref FROM outbox JOIN orders ON orders.id = outbox.order_id
WHERE outbox.reference IN (SELECT value FROM json_each(?)) AND +orders.connector = ?
"""
_READ = "SELECT number, body FROM shipments WHERE erp = ? AND number IN (SELECT value FROM json_each(?))"
_ORDERS = """
SELECT orders.*, compared_sides.problems AS sides, compared_sides.digest, compared_sides.agreed,
       dispatched.problems AS dispatch_problems,
       EXISTS (SELECT 1 FROM release_orders WHERE order_id = orders.id AND stage = 'held') AS held
FROM orders LEFT JOIN compared_sides ON compared_sides.order_id = orders.id
     LEFT JOIN dispatched ON dispatched.order_id = orders.id
WHERE orders.connector = ? AND orders.ref IN (SELECT value FROM json_each(?))
"""
_OUTBOX = """
SELECT order_id, reference, body, state, number, differences, reason FROM outbox
WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY order_id, part, generation
"""
_ROWS = """
SELECT order_id, reference, line_seq, line, upc, pieces FROM booked_rows
WHERE order_id IN (SELECT value FROM json_each(?))
"""
_SHIPMENTS = "SELECT order_id, body FROM shipments WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY number"
_CALLS = """
SELECT order_id, lines, state FROM dispatches
WHERE order_id IN (SELECT value FROM json_each(?)) AND state IN ('confirmed', 'in_doubt', 'sending')
"""
_REQUESTS = """
SELECT order_id FROM asked_changes
WHERE order_id IN (SELECT value FROM json_each(?)) AND state IN ('in_doubt', 'sending')
"""
_JOBS = """
SELECT asked.value AS ref, jobs.due_at FROM json_each(:refs) AS asked CROSS JOIN json_each(:flows) AS flow
JOIN jobs ON jobs.flow = flow.value AND jobs.connector = :channel AND jobs.ref = asked.value AND jobs.state = 'waiting'
UNION ALL
SELECT asked.value, '' FROM json_each(:refs) AS asked
WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.state = 'running' AND jobs.ordering_key = :channel || '/' || asked.value)
"""
_ON_THEIR_WAY = """
SELECT orders.ref FROM orders JOIN outbox ON outbox.order_id = orders.id
WHERE orders.connector = :channel AND orders.ref IN (SELECT value FROM json_each(:refs))
  AND outbox.state IN ('queued', 'sending', 'accepted', 'in_doubt')
"""
OPEN = ("queued", "sending", "accepted", "in_doubt")


class Wanted(Protocol):
    """What is to be healed (flows/reconcile/story.py)."""

    @property
    def jobs(self) -> Sequence[tuple[str, Ref]]: ...
    @property
    def shipments(self) -> Sequence[Shipment]: ...
    @property
    def held(self) -> Mapping[int, Sequence[BookedOrder]]: ...


@dataclass(frozen=True, slots=True)
class ReconcileMemory:
    """One channel's orders, as flows/reconcile/story.py wants them remembered. ``ring``: work was put before the
    flows."""

    store: Store
    channel: str
    erp: str
    now: Callable[[], datetime]
    ring: Callable[[], None] = lambda: None

    async def stage(self, run: int, words: str) -> None:
        await self.store.write(lambda tx: tx.execute(_STAGE, (words, run)))

    async def keep_held(self, run: int, orders: Sequence[BookedOrder]) -> None:
        rows = [(run, one.reference, one.number, one.model_dump_json()) for one in orders]
        for begin_ in range(0, len(rows), STEP):
            step = rows[begin_ : begin_ + STEP]
            await self.store.write(lambda tx, step=step: tx.executemany(_KEEP_HELD, step), long=True)  # type: ignore[misc]

    async def held(self, run: int, references: Collection[Reference]) -> Held:
        rows = await self.store.read.rows(_HELD, (run, _many(references)))
        found: dict[Reference, tuple[BookedOrder, ...]] = {}
        for row in rows:
            reference = Reference(row["reference"])
            found[reference] = (*found.get(reference, ()), BookedOrder.model_validate_json(row["body"]))
        return found

    async def strangers(self, run: int) -> list[BookedOrder]:
        rows = await self.store.read.rows(_STRANGERS, (run, MOST_STRANGERS))
        return [BookedOrder.model_validate_json(row["body"]) for row in rows]

    async def unseen(self, refs: Sequence[Ref]) -> list[Ref]:
        rows = await self.store.read.rows(_UNSEEN, {"channel": self.channel, "refs": _many(refs)})
        return [Ref(row["ref"]) for row in rows]

    async def created(self, since: datetime, after: str, many: int) -> list[tuple[str, Ref]]:
        at, _, last = after.partition(" ")
        given = {"channel": self.channel, "since": at or stamp(since), "after": int(last or 0), "many": many}
        rows = await self.store.read.rows(_CREATED, given)
        return [(f"{row['created_at']} {row['id']}", Ref(row["ref"])) for row in rows]

    async def known(self, refs: Sequence[Ref]) -> list[KnownOrder]:
        orders = await self.store.read.rows(_ORDERS, (self.channel, _many(refs)))
        about = _About()
        ids = _many(row["id"] for row in orders)
        for table, sql in (
            (about.outbox, _OUTBOX),
            (about.rows, _ROWS),
            (about.shipments, _SHIPMENTS),
            (about.calls, _CALLS),
            (about.requests, _REQUESTS),
        ):
            for row in await self.store.read.rows(sql, (ids,)):
                table.setdefault(row["order_id"], []).append(row)
        about.jobs = await self._jobs(refs)
        return [_known(row, about, soon=stamp(self.now() + SOON)) for row in orders]

    async def _jobs(self, refs: Collection[Ref]) -> dict[str, str]:
        """When the next job of each is due; empty where one runs."""
        given: dict[str, object] = {"refs": _many(refs), "flows": _many(FLOWS), "channel": self.channel}
        found: dict[str, str] = {}
        for row in await self.store.read.rows(_JOBS, given):
            found[row["ref"]] = min(found.get(row["ref"], row["due_at"]), row["due_at"])
        return found

    async def unread(self, shipments: Sequence[Shipment]) -> list[Ref]:
        asked = (_many({one.reference for one in shipments}), self.channel)
        ours = {row["reference"]: Ref(row["ref"]) for row in await self.store.read.rows(_OURS, asked)}
        there = [one for one in shipments if one.reference in ours]
        kept = await self.store.read.rows(_READ, (self.erp, _many(one.number for one in there)))
        read = {row["number"]: _unstamped(Shipment.model_validate_json(row["body"])) for row in kept}
        return [ours[one.reference] for one in there if _unstamped(one) != read.get(one.number)]

    async def heal(self, healing: Wanted) -> None:
        def unit(tx: sqlite3.Connection) -> None:
            now = self.now()
            news = dispatching.keep(tx, self.erp, healing.shipments, now=now)
            for order_id, held in healing.held.items():
                for one in held:
                    changing.see(tx, self.erp, order_id, one, now=now)
            jobs = {*healing.jobs, *(("dispatches", ref) for channel, ref in news if channel == self.channel)}
            queue.enqueue(tx, [queue.Wish(flow, self.channel, ref, due=now) for flow, ref in sorted(jobs)], now=now)

        await self.store.write(unit)
        self.ring()

    async def at_work(self, refs: Collection[Ref]) -> frozenset[Ref]:
        soon = stamp(self.now() + SOON)
        given: dict[str, object] = {"channel": self.channel, "refs": _many(refs)}
        rows = await self.store.read.rows(_ON_THEIR_WAY, given)
        jobs = [ref for ref, due in (await self._jobs(refs)).items() if due <= soon]
        return frozenset(map(Ref, [*jobs, *(row["ref"] for row in rows)]))


def _unstamped(shipment: Shipment) -> Shipment:
    return shipment.model_copy(update={"stamp": ""})


def _many(values: Iterable[object]) -> str:
    return orjson.dumps(list(values)).decode()


class _About:
    """Rows about some orders, by their ids."""

    def __init__(self) -> None:
        self.outbox: dict[int, list[sqlite3.Row]] = {}
        self.rows: dict[int, list[sqlite3.Row]] = {}
        self.shipments: dict[int, list[sqlite3.Row]] = {}
        self.calls: dict[int, list[sqlite3.Row]] = {}
        self.requests: dict[int, list[sqlite3.Row]] = {}
        self.jobs: dict[str, str] = {}


def _known(row: sqlite3.Row, about: _About, *, soon: str) -> KnownOrder:
    of, written = row["id"], about.outbox.get(row["id"], [])
    alive = [one for one in written if one["state"] in ("posted", *OPEN)]
    calls, due = about.calls.get(of, []), about.jobs.get(row["ref"])
    doubtful = any(one["state"] != "confirmed" for one in calls) or of in about.requests
    return KnownOrder(
        id=of,
        ref=Ref(row["ref"]),
        name=row["name"] or row["ref"],
        state=row["state"],
        code=row["code"],
        content_hash=row["content_hash"],
        created=moment(row["created_at"]) if row["created_at"] else None,
        under_way=doubtful or (due is not None and due <= soon),
        waits=_waits(row, written, due),
        documents=tuple(_document(one) for one in alive if one["state"] == "posted"),
        on_its_way=any(one["state"] in OPEN for one in written),
        numbers={Reference(one["reference"]): one["number"] for one in alive if one["number"]},
        by_word=frozenset(Reference(one["reference"]) for one in alive if one["reason"].startswith("a person said")),
        closed=tuple(Reference(one["reference"]) for one in written if one["state"] == "closed"),
        booked=tuple(_booked(about.rows.get(of, []), alive)),
        shipments=tuple(Shipment.model_validate_json(one["body"]) for one in about.shipments.get(of, [])),
        confirmed=_confirmed(calls),
        blocked_dispatch=_problems(row["dispatch_problems"]),
        sides=_problems(row["sides"]),
        agreed=bool(row["digest"]) and row["digest"] == row["agreed"],
    )


def _waits(row: sqlite3.Row, written: Sequence[sqlite3.Row], due: str | None) -> str:
    if row["state"] == "never" and row["code"] == "skipped":
        return "skipped by a person"
    if row["held"]:
        return "waits for the first of its release"
    if any(one["state"] == "rejected" for one in written):
        return "refused by the ERP"
    return "is looked at later by itself" if due is not None else ""


def _document(row: sqlite3.Row) -> Document:
    differed = tuple(orjson.loads(row["differences"]))
    return Document(reference=Reference(row["reference"]), body=bytes(row["body"]), differed=differed, held=None)


def _booked(rows: Sequence[sqlite3.Row], alive: Sequence[sqlite3.Row]) -> Iterator[BookedRow]:
    current = {one["reference"] for one in alive}
    for row in rows:
        if row["reference"] in current:
            yield BookedRow(
                reference=Reference(row["reference"]),
                line_seq=row["line_seq"],
                line=Ref(row["line"]),
                upc=Upc(row["upc"]),
                pieces=row["pieces"],
            )


def _confirmed(calls: Sequence[sqlite3.Row]) -> dict[Ref, int]:
    told: Counter[Ref] = Counter()
    for call in calls:
        if call["state"] == "confirmed":
            told.update({Ref(line): pieces for line, pieces in orjson.loads(call["lines"]).items()})
    return dict(told)


def _problems(said: str | None) -> tuple[Problem, ...]:
    return tuple(Problem.model_validate_json(orjson.dumps(one)) for one in orjson.loads(said or "[]"))
