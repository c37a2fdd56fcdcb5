"""Documents we make: one row each, on disk before the call, its state moved only by ``UPDATE ... WHERE state``.

queued -> sending -> accepted | in_doubt | rejected; accepted, in_doubt, sending -> posted. ``closed`` ends a
generation by a person's word. A row in ``sending`` at a start is in doubt: the call may have been made.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from bcbridge.errors import CutChanged
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.ids import Reference
from bcbridge.model.outcome import Problem
from bcbridge.model.plan import Plan, Write
from bcbridge.model.sales_order import BookedOrder
from bcbridge.store import dispatching, events, incidents, meta
from bcbridge.store.db import Store
from bcbridge.store.orders import set_causes, told
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import demand


@dataclass(frozen=True, slots=True)
class Row:
    """One document of ours. ``body`` are the exact bytes that every attempt sends."""

    id: int
    order_id: int
    part: int
    parts: int
    reference: Reference
    body: bytes
    state: str
    proof: str
    ended: datetime | None
    posts: int
    channel: str
    order_ref: str
    accepted: datetime | None = None


_ROW_COLUMNS = """
SELECT outbox.*, orders.connector AS channel, orders.ref AS order_ref FROM outbox
JOIN orders ON orders.id = outbox.order_id
"""


def _row(row: sqlite3.Row) -> Row:
    return Row(
        id=row["id"],
        order_id=row["order_id"],
        part=row["part"],
        parts=row["parts"],
        reference=Reference(row["reference"]),
        body=bytes(row["body"]),
        state=row["state"],
        proof=row["proof"],
        ended=moment(row["ended_at"]) if row["ended_at"] else None,
        posts=row["posts"],
        channel=row["channel"],
        order_ref=row["order_ref"],
        accepted=moment(row["accepted_at"]) if row["accepted_at"] else None,
    )


# -- cut -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a row is in doubt before it was ever sent: this store may not know what was booked before its epoch."""

    since: datetime
    proof: str
    """``absence``: a read-back that finds nothing is enough; ``evidence``: the rule of a doubtful call holds."""


_WRITE = """
INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, cut, state, proof, written_at,
                    ended_at, reason)
VALUES (:sink, :order_id, :part, :parts, :generation, :reference, :body, :body_hash, :cut, :state, :proof, :now,
        :ended_at, :reason)
ON CONFLICT (sink, reference) DO UPDATE SET
    body = excluded.body, body_hash = excluded.body_hash, cut = excluded.cut, parts = excluded.parts,
    state = excluded.state, proof = excluded.proof, written_at = excluded.written_at, ended_at = excluded.ended_at,
    reason = excluded.reason, differences = '[]'
WHERE outbox.state = 'rejected' OR (outbox.state = 'closed' AND outbox.posts = 0)
"""
_STANDING = "SELECT part, parts, state, cut, reference FROM outbox WHERE order_id = ? AND state <> 'closed'"
_CLOSE_SURPLUS = "UPDATE outbox SET state = 'closed' WHERE order_id = ? AND state = 'rejected' AND part > ?"
_HASHED = "UPDATE orders SET content_hash = ? WHERE id = ?"


def cut(
    tx: sqlite3.Connection,
    plan: Plan,
    bodies: Mapping[Reference, bytes],
    *,
    sink: str,
    doubt: Doubt | None,
    now: datetime,
) -> None:
    """Commit the rows of all parts before the first call. Raises CutChanged, then nothing is written.

    A refused part takes the new body; what is on its way keeps its own. Each is ``queued`` until ``start``.
    """
    standing = {row["part"]: row for row in tx.execute(_STANDING, (plan.order_id,)).fetchall()}
    alive = {part: row for part, row in standing.items() if row["state"] != "rejected"}
    for part, row in alive.items():
        if row["parts"] != len(plan.writes) or _what(row["cut"]) != pieces(plan.writes[part - 1]):
            raise CutChanged(f"part {part} of {row['parts']} holds other pieces than it would now")
        if _goes_elsewhere(row["cut"], plan, part):
            raise CutChanged(f"part {part} of {row['parts']} goes where another part would go now")
    for write in plan.writes:
        if write.part in alive:
            continue
        new = _new_row(plan, write, bodies[write.reference], sink=sink, doubt=doubt, now=now)
        if tx.execute(_WRITE, new).rowcount != 1:
            raise CutChanged(f"{write.reference} was closed after it had been sent")
        dispatching.booked(tx, plan.order_id, write)
        demand.sent(tx, plan.channel, plan.ref, _by_warehouse(write), write.reference, now=now)
    tx.execute(_CLOSE_SURPLUS, (plan.order_id, len(plan.writes)))
    tx.execute(_HASHED, (plan.content_hash, plan.order_id))
    refresh_order(tx, plan.order_id, now=now)


def _new_row(
    plan: Plan, write: Write, body: bytes, *, sink: str, doubt: Doubt | None, now: datetime
) -> dict[str, object]:
    return {
        "sink": sink,
        "order_id": plan.order_id,
        "part": write.part,
        "parts": write.parts,
        "generation": write.generation,
        "reference": write.reference,
        "body": body,
        "body_hash": hashlib.sha256(body).hexdigest(),
        "cut": f"{pieces(write)}{_AT}{_place(plan, write)}",
        "state": "in_doubt" if doubt else "queued",
        "proof": doubt.proof if doubt else "evidence",
        "now": stamp(now),
        "ended_at": stamp(doubt.since) if doubt else None,
        "reason": "created before this store's epoch" if doubt else "",
    }


def pieces(write: Write) -> str:
    """Which pieces a part holds, as text that is equal when they are."""
    count: dict[str, int] = {}
    for line in write.item.lines:
        count[line.upc] = count.get(line.upc, 0) + line.quantity
    return ",".join(f"{upc}:{quantity}" for upc, quantity in sorted(count.items()))


def _by_warehouse(write: Write) -> dict[tuple[str, str], int]:
    """The pieces of a part by UPC and by where the ERP is to take them from."""
    count: dict[tuple[str, str], int] = {}
    for line in write.item.lines:
        place = (str(line.upc), line.warehouse or write.item.warehouse)
        count[place] = count.get(place, 0) + line.quantity
    return count


_AT = "@"
"""In the column ``cut``, between the pieces and a digest of where they go; older rows, and those whose bytes are gone,
have the pieces alone."""


def _what(cut: str) -> str:
    return cut.partition(_AT)[0]


def _place(plan: Plan, write: Write) -> str:
    """Equal within one order where the address is."""
    said = f"{plan.order_id} {write.item.ship_to.model_dump_json()}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _goes_elsewhere(cut: str, plan: Plan, part: int) -> bool:
    """Whether this part went where another part would go now. An address that was only corrected is nobody else's."""
    went = cut.partition(_AT)[2]
    places = [_place(plan, write) for write in plan.writes]
    return went in places and went != places[part - 1]


# -- send ------------------------------------------------------------------------------------------------------

_START = """
UPDATE outbox SET state = 'sending', sent_at = :now, posts = posts + 1, ended_at = NULL
WHERE id = :id AND state = :was
"""
_NOT_HELD_UP = """
WHERE outbox.order_id = ? AND outbox.state = 'queued'
  AND NOT EXISTS (SELECT 1 FROM outbox AS before
                  WHERE before.order_id = outbox.order_id AND before.part < outbox.part
                    AND before.state IN ('sending', 'in_doubt', 'rejected'))
ORDER BY outbox.part
"""
_BY_ORDER = _ROW_COLUMNS + _NOT_HELD_UP
_BY_REFERENCE = _ROW_COLUMNS + "WHERE outbox.sink = ? AND outbox.reference IN (SELECT value FROM json_each(?))"  # noqa: S608


def queued(tx: sqlite3.Connection, order_id: int) -> list[Row]:
    """Rows of this order that certainly were not sent and that no earlier part holds up, in the order of parts."""
    return [_row(row) for row in tx.execute(_BY_ORDER, (order_id,)).fetchall()]


def start(tx: sqlite3.Connection, row: Row, *, now: datetime) -> bool:
    """The call is about to be made. False when the row is no longer where it was: then it must not be made."""
    started = tx.execute(_START, {"id": row.id, "was": row.state, "now": stamp(now)}).rowcount == 1
    if started:
        kind = "sending" if row.posts == 0 else "sending_again"
        events.add(tx, row.order_id, kind, now=now, reference=row.reference, part=row.part, of=row.parts)
        refresh_order(tx, row.order_id, now=now)
    return started


_ACCEPT = """
UPDATE outbox SET state = 'accepted', accepted_at = :now, receipt = :receipt, reason = ''
WHERE id = :id AND state = 'sending'
"""
_REJECT = "UPDATE outbox SET state = 'rejected', reason = :reason WHERE id = :id AND state = 'sending'"
_REJECT_REST = """
UPDATE outbox SET state = 'rejected', reason = 'not sent: another part was refused'
WHERE order_id = ? AND state = 'queued' RETURNING reference
"""
_DOUBT = """
UPDATE outbox SET state = 'in_doubt', proof = 'evidence', ended_at = :now, reason = :reason
WHERE id = :id AND state = 'sending'
"""
_UNSENT = "UPDATE outbox SET state = :back, posts = posts - 1, ended_at = :ended WHERE id = :id AND state = 'sending'"
_BLOCKED = "UPDATE orders SET code = 'erp_refused', reason = :reason, problems = :problems WHERE id = :id"


def settle(tx: sqlite3.Connection, row: Row, answer: PutAnswer, *, now: datetime) -> None:
    """Write down what came of the call. A row that was meanwhile seen posted stays posted."""
    at = stamp(now)
    match answer:
        case Accepted(key):
            moved = tx.execute(_ACCEPT, {"id": row.id, "now": at, "receipt": key})
            event: tuple[str, dict[str, object]] = ("accepted", {"receipt": key})
        case Rejected(reasons):
            moved = tx.execute(_REJECT, {"id": row.id, "reason": "; ".join(reasons)})
            event = ("refused", {"reasons": list(reasons)})
            if moved.rowcount == 1:
                _ask_no_more(tx, row, now=now)
        case Doubtful(reason):
            moved = tx.execute(_DOUBT, {"id": row.id, "now": at, "reason": reason})
            event = ("in_doubt", {"reason": reason})
        case NotSent(reason):
            ended = stamp(row.ended) if row.ended else None
            moved = tx.execute(_UNSENT, {"id": row.id, "back": row.state, "ended": ended})
            event = ("not_sent", {"reason": reason})
    if moved.rowcount == 1:
        kind, data = event
        events.add(tx, row.order_id, kind, now=now, reference=row.reference, part=row.part, **data)
        refresh_order(tx, row.order_id, now=now)
        if isinstance(answer, Rejected):
            _block(tx, row.order_id, answer)


def _ask_no_more(tx: sqlite3.Connection, refused: Row, *, now: datetime) -> None:
    """Nor does the rest, which was certainly not sent: it may be judged, and cut, anew with this one."""
    rest = tx.execute(_REJECT_REST, (refused.order_id,)).fetchall()
    for reference in [refused.reference, *(row["reference"] for row in rest)]:
        demand.unsent(tx, reference, now=now)


def _block(tx: sqlite3.Connection, order_id: int, answer: Rejected) -> None:
    problems = tuple(
        Problem(code="erp_refused", subject="document", text=reason, cause=f"erp/{reason[:120]}")
        for reason in answer.reasons
    )
    dumped = told(problems)
    tx.execute(_BLOCKED, {"id": order_id, "reason": "; ".join(answer.reasons), "problems": dumped})
    set_causes(tx, order_id, problems)


_INTERRUPTED = """
UPDATE outbox SET state = 'in_doubt', proof = 'evidence', ended_at = :now,
    reason = 'the process ended during the call'
WHERE state = 'sending' RETURNING id, order_id, reference, part
"""


def recover(tx: sqlite3.Connection, *, now: datetime) -> int:
    """After a start: each call that was under way may or may not have been made. Returns how many."""
    rows = tx.execute(_INTERRUPTED, {"now": stamp(now)}).fetchall()
    for row in rows:
        reason = "the process ended during the call"
        events.add(
            tx, row["order_id"], "in_doubt", now=now, reference=row["reference"], part=row["part"], reason=reason
        )
        refresh_order(tx, row["order_id"], now=now)
    return len(rows)


# -- read-back -------------------------------------------------------------------------------------------------


async def rows(store: Store, sink: str, references: Sequence[str]) -> list[Row]:
    found = await store.read.rows(_BY_REFERENCE, (sink, orjson.dumps(list(references)).decode()))
    return [_row(row) for row in found]


def rows_within(tx: sqlite3.Connection, sink: str, references: Sequence[str]) -> list[Row]:
    """The same inside a unit."""
    found = tx.execute(_BY_REFERENCE, (sink, orjson.dumps(list(references)).decode())).fetchall()
    return [_row(row) for row in found]


_IN_DOUBT = _ROW_COLUMNS + "WHERE outbox.sink = ? AND outbox.state = 'in_doubt' ORDER BY outbox.id"
_LONG_ACCEPTED = (
    _ROW_COLUMNS
    + "WHERE outbox.sink = ? AND outbox.state = 'accepted' AND outbox.id > ? AND accepted_at < ? "
    + "ORDER BY outbox.id LIMIT ?"
)


def in_doubt(tx: sqlite3.Connection, sink: str) -> list[Row]:
    return [_row(row) for row in tx.execute(_IN_DOUBT, (sink,)).fetchall()]


async def long_accepted(store: Store, sink: str, *, after: int, accepted_before: datetime, many: int) -> list[Row]:
    """Accepted and not seen posted for a while: the delta list may have missed them. Those above the id ``after``."""
    found = await store.read.rows(_LONG_ACCEPTED, (sink, after, stamp(accepted_before), many))
    return [_row(row) for row in found]


_OPEN_COUNT = "SELECT count(*) AS n FROM outbox WHERE sink = ? AND state IN ('sending', 'accepted', 'in_doubt')"


async def awaiting_posting(store: Store, sink: str) -> int:
    row = await store.read.row(_OPEN_COUNT, (sink,))
    return 0 if row is None else int(row["n"])


_POST = """
UPDATE outbox SET state = 'posted', posted_at = :now, number = :number, stamp = :stamp, differences = :differences,
    reason = ''
WHERE id = :id AND state IN ('queued', 'sending', 'accepted', 'in_doubt', 'rejected')
"""
_LINK = """
INSERT OR IGNORE INTO links (connector, noun, ref, other_connector, other_noun, other_ref, linked_at)
VALUES (?, 'orders', ?, ?, 'orders', ?, ?)
"""


def link(tx: sqlite3.Connection, channel: str, order: str, *, erp: str, number: str, now: datetime) -> None:
    """The channel's order and the ERP's are one thing."""
    tx.execute(_LINK, (channel, order, erp, number, stamp(now)))


_NUMBER = "SELECT number, state FROM outbox WHERE id = ?"


def confirm(
    tx: sqlite3.Connection,
    row: Row,
    booked: Sequence[BookedOrder],
    *,
    erp: str,
    differences: Sequence[str],
    now: datetime,
) -> bool:
    """The ERP holds it: link, *booked*. Returns whether this was news. More than one hit, or another, is an incident.

    Where it differs from what was sent it is still booked and linked, never posted again, and an incident.
    """
    first = booked[0]
    known = tx.execute(_NUMBER, (row.id,)).fetchone()
    numbers = {order.number for order in booked} | ({known["number"]} if known["number"] else set())
    if len(numbers) > 1 or known["state"] == "closed":
        _double(tx, row, sorted(numbers), erp=erp, now=now)
    posted = tx.execute(
        _POST,
        {
            "id": row.id,
            "now": stamp(now),
            "number": first.number,
            "stamp": first.stamp,
            "differences": orjson.dumps(list(differences)).decode(),
        },
    )
    if posted.rowcount == 0:
        return False
    link(tx, row.channel, row.order_ref, erp=erp, number=first.number, now=now)
    no_longer_overdue(tx, row.reference, erp=erp, now=now)
    _tell(tx, row, first, differences, was=known["state"], erp=erp, now=now)
    refresh_order(tx, row.order_id, now=now)
    return True


def _tell(
    tx: sqlite3.Connection,
    row: Row,
    booked: BookedOrder,
    differences: Sequence[str],
    *,
    was: str,
    erp: str,
    now: datetime,
) -> None:
    if was == "in_doubt":
        events.add(tx, row.order_id, "found_by_read_back", now=now, reference=row.reference, number=booked.number)
    events.add(
        tx, row.order_id, "booked", now=now, reference=row.reference, number=booked.number, part=row.part, of=row.parts
    )
    if differences:
        events.add(tx, row.order_id, "differs_in_erp", now=now, number=booked.number, differences=list(differences))
        text = f"{row.reference} is booked as {booked.number}, but differs: {'; '.join(differences)}"
        incidents.open_one(
            tx,
            code="booked_differs",
            connector=erp,
            cause=row.reference,
            text=text,
            now=now,
            order_id=row.order_id,
        )


NOT_POSTED = "accepted_not_posted"
"""The incident of a document that was accepted and is not posted within the posting window."""


_STILL_ACCEPTED = "SELECT 1 FROM outbox WHERE id = ? AND state = 'accepted'"


def overdue(tx: sqlite3.Connection, row: Row, *, erp: str, now: datetime) -> None:
    """Accepted, and not found after the posting window; not where somebody has spoken while it was looked for."""
    if tx.execute(_STILL_ACCEPTED, (row.id,)).fetchone() is None:
        return
    text = f"{row.reference} was accepted and is not posted; look for it in the ERP, then `bcbridge resolve`"
    incidents.open_one(
        tx, code=NOT_POSTED, connector=erp, cause=row.reference, text=text, now=now, order_id=row.order_id
    )


def no_longer_overdue(tx: sqlite3.Connection, reference: str, *, erp: str, now: datetime) -> None:
    """Seen posted after all, or a person has spoken."""
    incidents.close(tx, code=NOT_POSTED, connector=erp, cause=reference, now=now)


def _double(tx: sqlite3.Connection, row: Row, numbers: Sequence[str], *, erp: str, now: datetime) -> None:
    text = f"{row.reference} is in the ERP more than once, or after its generation was closed: {', '.join(numbers)}"
    incidents.open_one(
        tx, code="double_in_erp", connector=erp, cause=row.reference, text=text, now=now, order_id=row.order_id
    )


# -- evidence --------------------------------------------------------------------------------------------------

_FIRST_POSTED = """
SELECT min(posted_at) AS at FROM outbox
WHERE sink = :sink AND posted_at IS NOT NULL AND accepted_at IS NOT NULL AND accepted_at > :after AND sent_at > :after
"""
_ANY_POSTED = """
SELECT 1 FROM outbox
WHERE sink = :sink AND posted_at IS NOT NULL AND accepted_at IS NOT NULL AND accepted_at > :after AND sent_at > :after
LIMIT 1
"""


async def evidence(store: Store, sink: str, *, ended: datetime, max_request: timedelta, posts_in_order: bool) -> bool:
    """Whether the ERP has since posted what would have come after a call that ended at ``ended``.

    Something sent, and accepted, later than the call could still have been held anywhere was seen posted; unless the
    ERP is known to post in order, in two posting cycles: the second was sent after the first had been seen posted.
    """
    first = await store.read.row(_FIRST_POSTED, {"sink": sink, "after": stamp(ended + max_request)})
    if first is None or first["at"] is None:
        return False
    if posts_in_order:
        return True
    return await store.read.row(_ANY_POSTED, {"sink": sink, "after": first["at"]}) is not None


# -- the order shows its least advanced part -------------------------------------------------------------------

RANK = ("rejected", "in_doubt", "queued", "sending", "accepted", "posted")
SHOWN = {
    "rejected": "blocked",
    "in_doubt": "in_doubt",
    "queued": "sending",
    "sending": "sending",
    "accepted": "accepted",
    "posted": "booked",
}
_STATES = "SELECT part, parts, state, reason FROM outbox WHERE order_id = ? AND state <> 'closed'"
_MISSING = """
UPDATE orders SET state = 'ready', code = 'rebook', reason = '', problems = '[]', since = ?
WHERE id = ? AND state NOT IN ('ready', 'not_yet', 'blocked', 'never')
"""
_SHOW = """
UPDATE orders SET since = CASE WHEN state = :state THEN since ELSE :now END, state = :state,
    code = CASE WHEN :state = 'blocked' THEN code WHEN :state = 'in_doubt' THEN 'in_doubt' ELSE '' END,
    reason = CASE WHEN :state = 'blocked' THEN reason ELSE :reason END,
    problems = CASE WHEN :state = 'blocked' THEN problems ELSE '[]' END,
    booked_at = CASE WHEN :state = 'booked' THEN coalesce(booked_at, :now) ELSE booked_at END,
    look_again = NULL
WHERE id = :id
"""


def refresh_order(tx: sqlite3.Connection, order_id: int, *, now: datetime) -> str:
    """Derive the order's state from its documents; returns it, or nothing where a part has no document any more.

    Such an order (a person closed the part's generation) is as ready as its next judgement says, whatever its other
    parts are.
    """
    states = tx.execute(_STATES, (order_id,)).fetchall()
    if not states or len({row["part"] for row in states}) < max(row["parts"] for row in states):
        tx.execute(_MISSING, (stamp(now), order_id))
        return ""
    least = min(states, key=lambda row: RANK.index(row["state"]))
    shown = SHOWN[least["state"]]
    reason = least["reason"] if shown == "in_doubt" else ""
    tx.execute(_SHOW, {"id": order_id, "state": shown, "now": stamp(now), "reason": reason})
    return shown


_QUEUED_REFS = """
SELECT DISTINCT orders.ref FROM outbox JOIN orders ON orders.id = outbox.order_id
WHERE outbox.sink = ? AND outbox.state = 'queued' AND orders.connector = ? AND orders.state = 'sending'
"""


def queued_refs(tx: sqlite3.Connection, sink: str, channel: str) -> list[str]:
    """Orders with a document that was cut and not sent."""
    return [str(row["ref"]) for row in tx.execute(_QUEUED_REFS, (sink, channel)).fetchall()]


# -- references of ours that this store did not make -----------------------------------------------------------

STRANGERS = "unknown_reference"
STOPPED = "stopped/"
"""In ``meta``, before a sink's name: why nothing is posted until a person confirms the write anew."""
RENEW = "renew_epoch/"
"""In ``meta``, before a sink's name: the epoch is renewed before the next post."""

_KNOWN = """
SELECT reference FROM outbox WHERE sink = :sink AND reference IN (SELECT value FROM json_each(:references))
UNION ALL
SELECT ref FROM listed WHERE connector = :sink AND noun = 'sales_orders' AND list = 'strangers'
   AND ref IN (SELECT value FROM json_each(:references))
"""
_NOTE_STRANGER = """
INSERT INTO listed (connector, noun, list, ref, modified) VALUES (?, 'sales_orders', 'strangers', ?, ?)
ON CONFLICT DO NOTHING
"""


def strangers(tx: sqlite3.Connection, sink: str, references: Sequence[str]) -> list[str]:
    """Which of these references this store neither made nor met before."""
    asked = orjson.dumps(list(references)).decode()
    known = {str(row[0]) for row in tx.execute(_KNOWN, {"sink": sink, "references": asked}).fetchall()}
    return [reference for reference in references if reference not in known]


def note_strangers(tx: sqlite3.Connection, sink: str, references: Sequence[str], *, now: datetime) -> None:
    """Met now, in the unit that draws the consequence: it is drawn once."""
    tx.executemany(_NOTE_STRANGER, [(sink, reference, stamp(now)) for reference in references])


_OTHER_GENERATIONS = """
SELECT listed.ref FROM outbox JOIN listed ON listed.connector = outbox.sink AND listed.noun = 'sales_orders'
  AND listed.list = 'strangers'
  AND listed.ref >= substr(reference, 1, length(reference) - length(generation))
  AND listed.ref < substr(reference, 1, length(reference) - length(generation)) || ':'
WHERE outbox.id = ? AND NOT EXISTS (SELECT 1 FROM outbox AS ours
                                    WHERE ours.sink = outbox.sink AND ours.reference = listed.ref)
ORDER BY listed.ref
"""
"""A reference ends with its generation, in digits; the sign after ``9`` is ``:``."""


async def other_generations(store: Store, row: Row) -> list[str]:
    """What the ERP holds of this very part under generations that this store never made: another life of it did."""
    return [str(found["ref"]) for found in await store.read.rows(_OTHER_GENERATIONS, (row.id,))]


_STANDS = "SELECT 1 FROM incidents WHERE fingerprint = ? AND closed_at IS NULL"
_ANY_UNKNOWN = """
SELECT 1 FROM listed WHERE connector = :sink AND noun = 'sales_orders' AND list = 'strangers'
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.sink = :sink AND outbox.reference = listed.ref) LIMIT 1
"""


def end_known(tx: sqlite3.Connection, *, sink: str, erp: str, now: datetime) -> bool:
    """The incident of unknown references ends when each of them has become a document of this store.

    So it does after a restore, by itself; one that nobody here can explain stands until a person confirms the write.
    """
    if tx.execute(_STANDS, (incidents.fingerprint(STRANGERS, erp, sink),)).fetchone() is None:
        return False
    if meta.get(tx, STOPPED + sink) is not None or tx.execute(_ANY_UNKNOWN, {"sink": sink}).fetchone() is not None:
        return False
    return incidents.close(tx, code=STRANGERS, connector=erp, cause=sink, now=now)


_DOUBT_ANEW = """
UPDATE outbox SET state = 'in_doubt', proof = 'evidence', ended_at = :now, reason = 'this store may be an older one'
WHERE sink = :sink AND state IN ('queued', 'in_doubt') RETURNING order_id
"""


def doubt_anew(tx: sqlite3.Connection, sink: str, *, now: datetime) -> None:
    """At a renewed epoch: what was queued or in doubt may have been sent since, by another life of this store."""
    for order_id in {row["order_id"] for row in tx.execute(_DOUBT_ANEW, {"sink": sink, "now": stamp(now)}).fetchall()}:
        refresh_order(tx, order_id, now=now)
