"""What left and what was told of it: shipments of our documents, calls to channels, and how each order stands.

A call is on disk, ``sending``, before it is made; one that was under way when the process ended is in doubt. What came
of a doubtful call is what the channel shows once it can no longer take effect: then it was ``looked_for``.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson

from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import CAPTURE, DispatchReport, DispatchStanding, Refusal, Told, body_digest
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.plan import Write
from bcbridge.model.shipment import BookedRow, Shipment
from bcbridge.store import events, incidents
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

BLOCKED = "dispatch_blocked"
PROBLEMS_TOLD = 3
FINISHING = "order"
"""What a call is about that is of no one shipment."""

# -- what is booked, and what left -------------------------------------------------------------------------------

_FORGET_ROWS = "DELETE FROM booked_rows WHERE reference = ?"
_KEEP_ROW = """
INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces, warehouse, wanted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def booked(tx: sqlite3.Connection, order_id: int, write: Write) -> None:
    """The rows of a document, as it is about to be sent."""
    tx.execute(_FORGET_ROWS, (write.reference,))
    wanted = write.wanted or (None,) * len(write.item.lines)
    rows = [
        (write.reference, line.line_seq, order_id, line.line, line.upc, line.quantity, line.warehouse, pieces)
        for line, pieces in zip(write.item.lines, wanted, strict=True)
    ]
    tx.executemany(_KEEP_ROW, rows)


_OURS = """
SELECT outbox.order_id, orders.connector, orders.ref, orders.erased_at FROM outbox
JOIN orders ON orders.id = outbox.order_id WHERE outbox.reference = ?
"""
_KEEP = """
INSERT INTO shipments (erp, number, order_id, body, first_seen, seen_at)
VALUES (:erp, :number, :order, :body, :now, :now)
ON CONFLICT (erp, number) DO UPDATE SET body = excluded.body, order_id = excluded.order_id, seen_at = excluded.seen_at
WHERE shipments.body <> excluded.body
"""


_WANTING = """
INSERT INTO dispatched (order_id, left, told, owed, since, checked_at) VALUES (:order, 0, 0, 1, :now, '')
ON CONFLICT (order_id) DO UPDATE SET
    owed = max(owed, 1), since = CASE WHEN owed > 0 OR problems <> '[]' THEN since ELSE excluded.since END
"""


def keep(
    tx: sqlite3.Connection,
    erp: str,
    shipments: Iterable[Shipment],
    *,
    now: datetime,
    told: Collection[str] | None = None,
) -> list[tuple[str, Ref]]:
    """Shipments of documents of ours; returns the orders (channel, ref) of which something is news. Those of channels
    that are ``told`` (None: all) stand as open until they were looked at."""
    news: dict[tuple[str, Ref], None] = {}
    for shipment in shipments:
        order = tx.execute(_OURS, (shipment.reference,)).fetchone()
        if order is None:
            continue
        if order["erased_at"]:
            shipment = shipment.model_copy(update={"tracks": ()})
        body = shipment.model_dump_json()
        given = {"erp": erp, "number": shipment.number, "order": order["order_id"], "body": body, "now": stamp(now)}
        if tx.execute(_KEEP, given).rowcount:
            news[order["connector"], Ref(order["ref"])] = None
            if told is None or order["connector"] in told:
                tx.execute(_WANTING, {"order": order["order_id"], "now": stamp(now)})
            pieces = sum(line.pieces for line in shipment.lines)
            what = "shipment_void" if shipment.void else "shipped"
            facts = {"shipment": shipment.number, "pieces": pieces, "tracks": len(shipment.tracks)}
            events.add(tx, order["order_id"], what, now=now, **facts)
    return list(news)


ALL_LEFT = """(
    orders.state = 'booked'
    AND EXISTS (SELECT 1 FROM leaving WHERE leaving.order_id = orders.id AND leaving.shipped > 0)
    AND NOT EXISTS (SELECT 1 FROM leaving WHERE leaving.order_id = orders.id
                    AND leaving.pieces > leaving.shipped + leaving.cancelled)
)"""
"""Of an order: all its documents are booked, and nothing of them is still to leave."""
_OPEN = f"""
SELECT orders.connector, orders.ref FROM (
    SELECT order_id, checked_at FROM dispatched WHERE owed > 0 OR problems <> '[]'
    UNION SELECT orders.id, dispatched.checked_at FROM orders CROSS JOIN dispatched ON dispatched.order_id = orders.id
    WHERE orders.payment = 'authorised' AND orders.connector IN (SELECT value FROM json_each(?))
      AND dispatched.checked_at < ? AND {ALL_LEFT}
) AS open JOIN orders ON orders.id = open.order_id
WHERE orders.connector IN (SELECT value FROM json_each(?)) ORDER BY open.checked_at, open.order_id LIMIT ?
"""  # noqa: S608 - constants of this file
MOST_OPEN = 2_000
EVER = datetime.min.replace(tzinfo=UTC)


def open_orders(
    tx: sqlite3.Connection, channels: Collection[str], *, paying: Collection[str] = (), paying_before: datetime = EVER
) -> list[tuple[str, Ref]]:
    """Orders (channel, ref) of these channels of which something left and was not told, for whatever reason; those that
    were looked at longest ago first. With those of ``paying`` channels that left in full, whose money is only
    authorised, and that were not looked at since a moment."""
    paid = (orjson.dumps(sorted(paying)).decode(), stamp(paying_before))
    asked = (*paid, orjson.dumps(sorted(channels)).decode(), MOST_OPEN)
    return [(row["connector"], Ref(row["ref"])) for row in tx.execute(_OPEN, asked)]


_UNREAD = """
UPDATE leaving SET asked_at = :now WHERE reference IN (
    SELECT reference FROM leaving INDEXED BY leaving_unread
    WHERE shipped_in_erp > shipped AND asked_at < :before AND connector IN (SELECT value FROM json_each(:channels))
    ORDER BY asked_at LIMIT :most)
RETURNING reference
"""
ASKED_AGAIN = timedelta(hours=1)


def unread(tx: sqlite3.Connection, channels: Collection[str], *, most: int, now: datetime) -> list[Reference]:
    """Documents of which more left than their shipments say: at least one of these was not read. Those that were asked
    for longest ago first, and none within the hour: some say so for good."""
    asked = {"channels": orjson.dumps(sorted(channels)).decode(), "most": most, "now": stamp(now)}
    rows = tx.execute(_UNREAD, {**asked, "before": stamp(now - ASKED_AGAIN)}).fetchall()
    return [Reference(row["reference"]) for row in rows]


# -- what names a parcel, and with it a person ------------------------------------------------------------------

_CALLS_FORGOTTEN = "UPDATE dispatches SET body = x'', tracks = '[]' WHERE order_id = ?"
_TRACKS_FORGOTTEN = "UPDATE shipments SET body = json_set(body, '$.tracks', json('[]')) WHERE order_id = ?"
_OLD_CALLS = """
UPDATE dispatches SET body = x'', tracks = '[]' WHERE id IN (
    SELECT id FROM dispatches INDEXED BY dispatches_bodies WHERE body <> x'' AND made_at < :before
      AND state NOT IN ('sending', 'in_doubt') LIMIT :step)
"""
_OLD_TRACKS = """
UPDATE shipments SET body = json_set(body, '$.tracks', json('[]')) WHERE (erp, number) IN (
    SELECT erp, number FROM shipments INDEXED BY shipments_tracks
    WHERE json_extract(body, '$.tracks') <> '[]' AND seen_at < :before
      AND NOT EXISTS (SELECT 1 FROM dispatched WHERE dispatched.order_id = shipments.order_id
                      AND (owed > 0 OR problems <> '[]'))
    LIMIT :step)
"""
STEP = 200


def erase(tx: sqlite3.Connection, order_id: int) -> None:
    """Tracking numbers and the bytes that told them go; which pieces left and were told stays."""
    tx.execute(_CALLS_FORGOTTEN, (order_id,))
    tx.execute(_TRACKS_FORGOTTEN, (order_id,))


def prune(tx: sqlite3.Connection, *, before: datetime) -> int:
    """The same of what was told before this moment, and of orders of which nothing is open; a few rows a step."""
    given = {"before": stamp(before), "step": STEP}
    return tx.execute(_OLD_CALLS, given).rowcount + tx.execute(_OLD_TRACKS, given).rowcount


# -- one order, for the flow -------------------------------------------------------------------------------------

_ORDER = f"""
SELECT id, payment = 'authorised' AS authorised, {ALL_LEFT} AS all_left FROM orders WHERE connector = ? AND ref = ?
"""  # noqa: S608 - constants of this file
_ROWS = "SELECT reference, line_seq, line, upc, pieces FROM booked_rows WHERE order_id = ?"
_SHIPMENTS = "SELECT body FROM shipments WHERE order_id = ? ORDER BY number"
_CALLS = """
SELECT shipment, body_hash, lines, tracks, state, ended_at, receipt, reason FROM dispatches
WHERE order_id = ? AND state IN ('confirmed', 'in_doubt', 'sending', 'rejected') ORDER BY id
"""
_CHECKED = "SELECT checked_at FROM dispatched WHERE order_id = ?"
_BEGIN = """
INSERT INTO dispatches (order_id, shipment, body, body_hash, lines, tracks, state, made_at)
VALUES (?, ?, ?, ?, ?, ?, 'sending', ?)
"""
_SETTLE = """
UPDATE dispatches SET state = :state, ended_at = :now, receipt = :receipt, reason = :reason
WHERE id = :id AND state = 'sending'
"""
_LOOKED = "UPDATE dispatches SET state = 'looked_for' WHERE order_id = ? AND state = 'in_doubt'"
_CUT_SHORT = """
UPDATE dispatches SET state = 'in_doubt', ended_at = :now, reason = 'the process ended during the call'
WHERE state = 'sending'
"""
_NOT_KEPT = """
UPDATE dispatches SET state = 'in_doubt', ended_at = :now, reason = 'its answer was not kept'
WHERE order_id = :order AND state = 'sending'
"""
_REPORT = """
INSERT INTO dispatched (order_id, left, told, owed, problems, since, checked_at)
VALUES (:order, :left, :told, :owed, :problems, :now, :now)
ON CONFLICT (order_id) DO UPDATE SET
    left = excluded.left, told = excluded.told, owed = excluded.owed, checked_at = excluded.checked_at,
    since = CASE WHEN problems = excluded.problems AND (owed > 0) = (excluded.owed > 0) THEN since
                 ELSE excluded.since END,
    problems = excluded.problems
"""


def recover(tx: sqlite3.Connection, *, now: datetime) -> int:
    """At a start: calls that were under way are in doubt. Returns how many."""
    return tx.execute(_CUT_SHORT, {"now": stamp(now)}).rowcount


@dataclass(frozen=True, slots=True)
class DispatchMemory:
    """One channel's dispatches, as flows/dispatches/story.py wants them remembered."""

    store: Store
    channel: str
    now: Callable[[], datetime]

    async def standing(self, ref: Ref) -> DispatchStanding | None:
        order = await self.store.read.row(_ORDER, (self.channel, ref))
        if order is None:
            return None
        rows = await self.store.read.rows(_ROWS, (order["id"],))
        shipments = await self.store.read.rows(_SHIPMENTS, (order["id"],))
        calls = await self.store.read.rows(_CALLS, (order["id"],))
        if any(call["state"] == "sending" for call in calls):
            await self.store.write(lambda tx: tx.execute(_NOT_KEPT, {"order": order["id"], "now": stamp(self.now())}))
            calls = await self.store.read.rows(_CALLS, (order["id"],))
        report = await self.store.read.row(_CHECKED, (order["id"],))
        confirmed: Counter[Ref] = Counter()
        for call in calls:
            if call["state"] == "confirmed":
                confirmed.update({Ref(line): pieces for line, pieces in orjson.loads(call["lines"]).items()})
        doubts = [moment(call["ended_at"]) for call in calls if call["state"] == "in_doubt"]
        return DispatchStanding(
            order_id=order["id"],
            booked=tuple(_row(row) for row in rows),
            shipments=tuple(Shipment.model_validate_json(row["body"]) for row in shipments),
            confirmed=confirmed,
            doubt=max(doubts, default=None),
            finished=frozenset(
                call["body_hash"] for call in calls if call["state"] == "confirmed" and call["shipment"] == FINISHING
            ),
            refused={
                call["body_hash"]: Refusal(moment(call["ended_at"]), call["reason"])
                for call in calls
                if call["state"] == "rejected"
            },
            checked=moment(report["checked_at"]) if report is not None and report["checked_at"] else None,
            told={call["receipt"]: _as_told(call) for call in calls if _is_told(call)},
            all_left=bool(order["all_left"]),
            authorised=bool(order["authorised"]),
            captures=_captures(calls),
            told_at=max((moment(call["ended_at"]) for call in calls if call["state"] == "confirmed"), default=None),
        )

    async def looked(self, order_id: int) -> None:
        await self.store.write(lambda tx: tx.execute(_LOOKED, (order_id,)))

    async def begin(
        self, order_id: int, shipment: str, body: bytes, lines: Mapping[Ref, int], tracks: Sequence[str] = ()
    ) -> int:
        said = (orjson.dumps(dict(lines)).decode(), orjson.dumps(list(tracks)).decode())
        given = (order_id, shipment, body, body_digest(body), *said, stamp(self.now()))
        made = await self.store.write(lambda tx: tx.execute(_BEGIN, given).lastrowid)
        assert made is not None
        return made

    async def settle(self, dispatch: int, answer: PutAnswer) -> None:
        await self.store.write(lambda tx: _settle(tx, dispatch, answer, now=self.now()))

    async def report(self, order_id: int, report: DispatchReport) -> None:
        await self.store.write(lambda tx: _report(tx, self.channel, order_id, report, now=self.now()))


def _settle(tx: sqlite3.Connection, dispatch: int, answer: PutAnswer, *, now: datetime) -> None:
    state, receipt, reason = _came_of(answer)
    given = {"id": dispatch, "state": state, "receipt": receipt, "reason": reason, "now": stamp(now)}
    if tx.execute(_SETTLE, given).rowcount:
        call = tx.execute("SELECT order_id, shipment, lines FROM dispatches WHERE id = ?", (dispatch,)).fetchone()
        facts = {"shipment": call["shipment"], "pieces": sum(orjson.loads(call["lines"]).values())}
        what = "capture" if call["shipment"].startswith(CAPTURE) else "dispatch"
        kind = f"{what}_told" if state == "confirmed" else f"{what}_{state}"
        events.add(tx, call["order_id"], kind, now=now, **facts, receipt=receipt, reason=reason)


_AGREED = "SELECT agreed FROM dispatched WHERE order_id = ?"
_PROBLEMS = "SELECT problems FROM dispatched WHERE order_id = ? AND problems <> '[]'"
_AGREE = "UPDATE dispatched SET agreed = :agreed, problems = '[]', owed = 0 WHERE order_id = :order"


def stand(tx: sqlite3.Connection, order_id: int) -> bool:
    """Whether problems of its dispatches stand."""
    return tx.execute(_PROBLEMS, (order_id,)).fetchone() is not None


def agree(tx: sqlite3.Connection, order_id: int, *, now: datetime) -> None:
    """The problems of its dispatches are all right as they stand, says a person; others will be told again."""
    row = tx.execute(_PROBLEMS, (order_id,)).fetchone()
    if row is None:
        return
    tx.execute(_AGREE, {"order": order_id, "agreed": _digest(row["problems"])})
    channel = tx.execute("SELECT connector FROM orders WHERE id = ?", (order_id,)).fetchone()["connector"]
    incidents.close(tx, code=BLOCKED, connector=channel, cause=f"order/{order_id}", now=now)


def _digest(problems: str) -> str:
    return body_digest(problems.encode())


def _report(tx: sqlite3.Connection, channel: str, order_id: int, report: DispatchReport, *, now: datetime) -> None:
    problems = orjson.dumps([one.model_dump() for one in report.problems]).decode()
    row = tx.execute(_AGREED, (order_id,)).fetchone()
    if report.problems and row is not None and row["agreed"] == _digest(problems):
        report, problems = replace(report, owed=0, problems=()), "[]"
    given = {"order": order_id, "left": report.left, "told": report.told, "owed": report.owed}
    tx.execute(_REPORT, {**given, "problems": problems, "now": stamp(now)})
    about = {"code": BLOCKED, "connector": channel, "cause": f"order/{order_id}"}
    if not report.problems:
        incidents.close(tx, **about, now=now)
        return
    name = tx.execute("SELECT name, ref FROM orders WHERE id = ?", (order_id,)).fetchone()
    said = "; ".join(f"{one.subject}: {one.text} ({one.code})" for one in report.problems[:PROBLEMS_TOLD])
    more = len(report.problems) - PROBLEMS_TOLD
    text = f"{name['name'] or name['ref']}: {said}{f' and {more} more' if more > 0 else ''}"
    incidents.open_one(tx, **about, text=text, now=now, order_id=order_id)


def _captures(calls: Iterable[sqlite3.Row]) -> dict[Ref, bool]:
    """Answered ones; what was taken stays taken, whatever was refused beside it."""
    found: dict[Ref, bool] = {}
    for call in calls:
        if call["shipment"].startswith(CAPTURE) and call["state"] in ("confirmed", "rejected"):
            ref = Ref(call["shipment"].removeprefix(CAPTURE))
            found[ref] = found.get(ref, False) or call["state"] == "confirmed"
    return found


def _is_told(call: sqlite3.Row) -> bool:
    """Whether its receipt is that of a fulfilment."""
    return bool(call["state"] == "confirmed" and call["receipt"] and not call["shipment"].startswith(CAPTURE))


def _as_told(call: sqlite3.Row) -> Told:
    return Told(call["shipment"], tuple(orjson.loads(call["tracks"])))


def _row(row: sqlite3.Row) -> BookedRow:
    return BookedRow(
        reference=Reference(row["reference"]),
        line_seq=row["line_seq"],
        line=Ref(row["line"]),
        upc=Upc(row["upc"]),
        pieces=row["pieces"],
    )


def _came_of(answer: PutAnswer) -> tuple[str, str, str]:
    match answer:
        case Accepted(key):
            return "confirmed", key, ""
        case Rejected(reasons):
            return "rejected", "", "; ".join(reasons)
        case NotSent(reason):
            return "not_sent", "", reason
        case Doubtful(reason):
            return "in_doubt", "", reason
