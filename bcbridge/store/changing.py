"""The two sides of booked orders: what the ERP holds of our documents, what each side was asked for, how they stand.

A request is on disk, ``sending``, before it is made; one that was under way when the process ended is in doubt. What
came of it is how the sides stand once it can no longer take effect: then it was ``looked_for``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import Asked, ChangeReport, ChangeStanding, Document
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.outcome import Problem
from bcbridge.model.sales_order import BookedOrder
from bcbridge.model.shipment import BookedRow
from bcbridge.model.standing import OPEN_ROWS
from bcbridge.store import events, inbox, incidents
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

NOT_STOPPED, DIFFERS, REFUND = "cancelled_not_stopped", "order_differs", "refund_due"
CODES = (NOT_STOPPED, DIFFERS, REFUND)
"""The incidents of an order whose sides differ, one of each at most."""
PROBLEMS_TOLD = 3

# -- what the ERP holds ------------------------------------------------------------------------------------------

_KNOWN = """
SELECT held_orders.content, outbox.number FROM outbox LEFT JOIN held_orders USING (reference)
WHERE outbox.reference = ?
"""
_SEE = """
INSERT INTO held_orders (reference, order_id, erp, body, content, seen_at)
VALUES (:reference, :order, :erp, :body, :content, :now)
ON CONFLICT (reference) DO UPDATE SET body = excluded.body, content = excluded.content, seen_at = excluded.seen_at
"""
_LEAVES = "UPDATE leaving SET cancelled = :cancelled, shipped_in_erp = :shipped WHERE reference = :reference"
_DIFFERS = "SELECT 1 FROM compared_sides WHERE order_id = ? AND digest <> ''"


def see(tx: sqlite3.Connection, erp: str, order_id: int, held: BookedOrder, *, now: datetime) -> bool:
    """One document as the ERP holds it now. Returns whether its order is to be compared: the ERP changed it, or it
    moved on while its sides differ. Another document under the same reference is not ours: a person may be cancelling
    it because there were two."""
    known = tx.execute(_KNOWN, (held.reference,)).fetchone()
    if known is None or (known["number"] and known["number"] != held.number):
        return False
    content = _content(held)
    given = {"reference": held.reference, "order": order_id, "erp": erp, "content": content, "now": stamp(now)}
    tx.execute(_SEE, {**given, "body": held.model_dump_json()})
    gone = {name: sum(getattr(line, name) for line in held.lines) for name in ("cancelled", "shipped")}
    tx.execute(_LEAVES, {**gone, "reference": held.reference})
    if known["content"] is None:
        return any(line.cancelled for line in held.lines)  # what else differs at the booking is told there
    return bool(known["content"] != content) or tx.execute(_DIFFERS, (order_id,)).fetchone() is not None


def _content(held: BookedOrder) -> str:
    lines = sorted((line.upc, line.line_seq, line.quantity, line.cancelled, line.price) for line in held.lines)
    amounts = (held.tax, held.freight, held.allowances, held.charges)
    said = repr((lines, held.ship_to, held.customer, [str(amount) for amount in amounts]))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


_OPEN = """
SELECT orders.connector, orders.ref FROM (
    SELECT order_id, checked_at FROM compared_sides INDEXED BY compared_sides_open WHERE problems <> '[]'
) AS open CROSS JOIN orders ON orders.id = open.order_id
WHERE orders.connector IN (SELECT value FROM json_each(?)) ORDER BY open.checked_at LIMIT ?
"""
MOST_OPEN = 2_000


def differing(tx: sqlite3.Connection, channels: Collection[str]) -> list[tuple[str, Ref]]:
    """Orders (channel, ref) of these channels whose sides differ; those that were compared longest ago first."""
    asked = (orjson.dumps(sorted(channels)).decode(), MOST_OPEN)
    return [(row["connector"], Ref(row["ref"])) for row in tx.execute(_OPEN, asked)]


# -- a person's word ---------------------------------------------------------------------------------------------

_STAND = "SELECT 1 FROM compared_sides WHERE order_id = ? AND problems <> '[]'"
_AGREE = """
UPDATE compared_sides SET agreed = digest, agreed_by = :who, agreed_why = :why, problems = '[]'
WHERE order_id = :order AND digest <> '' AND problems <> '[]'
"""


def differs(tx: sqlite3.Connection, order_id: int) -> bool:
    """Whether something of it is a person's."""
    return tx.execute(_STAND, (order_id,)).fetchone() is not None


def agree(tx: sqlite3.Connection, order_id: int, *, who: str, why: str, now: datetime) -> None:
    """The differences as they stand are all right, says a person; others will be told again."""
    tx.execute(_AGREE, {"order": order_id, "who": who, "why": why})
    events.add(tx, order_id, "differences_agreed", now=now, who=who, why=why)
    channel = tx.execute("SELECT connector FROM orders WHERE id = ?", (order_id,)).fetchone()["connector"]
    for code in CODES:
        incidents.close(tx, code=code, connector=channel, cause=f"order/{order_id}", now=now)


# -- one order, for the flow -------------------------------------------------------------------------------------

_ORDER = "SELECT id, name, ref, state, created_at FROM orders WHERE connector = ? AND ref = ?"
_ROWS = "SELECT reference, line_seq, line, upc, pieces, wanted FROM booked_rows WHERE order_id = ?"
_DOCUMENTS = """
SELECT outbox.reference, outbox.body, outbox.differences, outbox.state, outbox.number,
       held_orders.body AS held, held_orders.seen_at
FROM outbox LEFT JOIN held_orders ON held_orders.reference = outbox.reference
WHERE outbox.order_id = ? AND outbox.state <> 'closed' ORDER BY outbox.part
"""
_ASKED = "SELECT side, kind, what, against, state, made_at, ended_at, reason FROM asked_changes WHERE order_id = ?"
_STANDS = "SELECT agreed, problems FROM compared_sides WHERE order_id = ?"
_BEGIN = """
INSERT INTO asked_changes (order_id, side, kind, what, against, state, made_at)
VALUES (:order, :side, :kind, :what, :against, 'sending', :now)
"""
_SETTLE = """
UPDATE asked_changes SET state = :state, ended_at = :now, receipt = :receipt, reason = :reason
WHERE id = :id AND state = 'sending'
"""
_LOOKED = "UPDATE asked_changes SET state = 'looked_for' WHERE order_id = ? AND state = 'in_doubt'"
_CUT_SHORT = """
UPDATE asked_changes SET state = 'in_doubt', ended_at = :now, reason = 'the process ended during the call'
WHERE state = 'sending'
"""
_NOT_KEPT = """
UPDATE asked_changes SET state = 'in_doubt', ended_at = :now, reason = 'its answer was not kept'
WHERE order_id = :order AND state = 'sending'
"""
_REPORT = """
INSERT INTO compared_sides (order_id, stage, problems, digest, since, checked_at)
VALUES (:order, :stage, :problems, :digest, :now, :now)
ON CONFLICT (order_id) DO UPDATE SET
    stage = excluded.stage, checked_at = excluded.checked_at,
    since = CASE WHEN digest = excluded.digest THEN since ELSE excluded.since END,
    problems = excluded.problems, digest = excluded.digest
"""


def recover(tx: sqlite3.Connection, *, now: datetime) -> int:
    """At a start: requests that were under way are in doubt. Returns how many."""
    return tx.execute(_CUT_SHORT, {"now": stamp(now)}).rowcount


@dataclass(frozen=True, slots=True)
class ChangeMemory:
    """One channel's booked orders, as flows/changes/story.py wants them remembered."""

    store: Store
    channel: str
    erp: str
    now: Callable[[], datetime]

    async def standing(self, ref: Ref) -> ChangeStanding | None:
        order = await self.store.read.row(_ORDER, (self.channel, ref))
        if order is None:
            return None
        asked = await self.store.read.rows(_ASKED, (order["id"],))
        if any(one["state"] == "sending" for one in asked):
            await self.store.write(lambda tx: tx.execute(_NOT_KEPT, {"order": order["id"], "now": stamp(self.now())}))
            asked = await self.store.read.rows(_ASKED, (order["id"],))
        rows = await self.store.read.rows(_ROWS, (order["id"],))
        documents = await self.store.read.rows(_DOCUMENTS, (order["id"],))
        stands = await self.store.read.row(_STANDS, (order["id"],))
        doubts = [moment(one["ended_at"]) for one in asked if one["state"] == "in_doubt"]
        yes = {one["kind"] for one in asked if one["state"] in ("accepted", "looked_for")}
        current = {document["reference"] for document in documents}
        kept = await inbox.documents(self.store, self.channel, "orders", [ref])
        return ChangeStanding(
            order_id=order["id"],
            name=order["name"] or order["ref"],
            settled=order["state"] == "booked" and all(one["state"] == "posted" for one in documents),
            under_way=any(one["state"] in OPEN_ROWS for one in documents),
            created=moment(order["created_at"]) if order["created_at"] else None,
            known=kept.get(ref),
            booked=tuple(_row(row) for row in rows if row["reference"] in current),
            documents=tuple(_documents(documents, asked)),
            marked=any(one["kind"] == "mark" and one["state"] in ("accepted", "rejected") for one in asked),
            amended=bool(yes & {"cancel", "reduce"}),
            doubt=max(doubts, default=None),
            asked=tuple(_counted(asked)),
            agreed=stands["agreed"] if stands else "",
            open=stands is not None and stands["problems"] != "[]",
        )

    async def looked(self, order_id: int) -> None:
        await self.store.write(lambda tx: tx.execute(_LOOKED, (order_id,)))

    async def seen(self, order_id: int, held: Sequence[BookedOrder]) -> None:
        def unit(tx: sqlite3.Connection) -> None:
            for one in held:
                see(tx, self.erp, order_id, one, now=self.now())

        await self.store.write(unit)

    async def begin(self, order_id: int, side: str, kind: str, what: str, against: str) -> int:
        given = {"order": order_id, "side": side, "kind": kind, "what": what, "against": against}
        made = await self.store.write(lambda tx: tx.execute(_BEGIN, {**given, "now": stamp(self.now())}).lastrowid)
        assert made is not None
        return made

    async def settle(self, request: int, answer: PutAnswer) -> None:
        await self.store.write(lambda tx: _settle(tx, request, answer, now=self.now()))

    async def report(self, order_id: int, report: ChangeReport) -> None:
        await self.store.write(lambda tx: _report(tx, self.channel, order_id, report, now=self.now()))


def _documents(rows: Sequence[sqlite3.Row], asked: Sequence[sqlite3.Row]) -> Iterator[Document]:
    """What was seen before something was asked of the ERP says nothing of what came of it."""
    last = max((one["made_at"] for one in asked if one["side"] == "erp"), default="")
    for row in rows:
        fresh = row["held"] is not None and row["seen_at"] > last
        yield Document(
            reference=Reference(row["reference"]),
            body=row["body"],
            differed=tuple(orjson.loads(row["differences"])),
            held=BookedOrder.model_validate_json(row["held"]) if fresh else None,
            number=row["number"],
        )


def _counted(asked: Sequence[sqlite3.Row]) -> Iterator[Asked]:
    """Only what had a definite answer: no, or yes so and so often."""
    times: Counter[tuple[str, str]] = Counter()
    refused: dict[tuple[str, str], str] = {}
    for one in asked:
        key = (one["what"], one["against"])
        if one["state"] == "accepted":
            times[key] += 1
        elif one["state"] == "rejected":
            refused[key] = one["reason"]
    for what, against in {**times, **refused}:
        key = (what, against)
        yield Asked(what, against, times[key], refused.get(key, ""))


def _row(row: sqlite3.Row) -> BookedRow:
    return BookedRow(
        reference=Reference(row["reference"]),
        line_seq=row["line_seq"],
        line=Ref(row["line"]),
        upc=Upc(row["upc"]),
        pieces=row["pieces"],
        wanted=row["wanted"],
    )


def _settle(tx: sqlite3.Connection, request: int, answer: PutAnswer, *, now: datetime) -> None:
    state, receipt, reason = _came_of(answer)
    given = {"id": request, "state": state, "receipt": receipt, "reason": reason, "now": stamp(now)}
    if tx.execute(_SETTLE, given).rowcount:
        call = tx.execute("SELECT order_id, side, what FROM asked_changes WHERE id = ?", (request,)).fetchone()
        facts = {"side": call["side"], "what": call["what"], "receipt": receipt, "reason": reason}
        events.add(tx, call["order_id"], f"change_{state}", now=now, **facts)


def _came_of(answer: PutAnswer) -> tuple[str, str, str]:
    match answer:
        case Accepted(key):
            return "accepted", key, ""
        case Rejected(reasons):
            return "rejected", "", "; ".join(reasons)
        case NotSent(reason):
            return "not_sent", "", reason
        case Doubtful(reason):
            return "in_doubt", "", reason


def _report(tx: sqlite3.Connection, channel: str, order_id: int, report: ChangeReport, *, now: datetime) -> None:
    problems = orjson.dumps([one.model_dump() for one in report.problems]).decode()
    given = {"order": order_id, "stage": report.stage.value, "problems": problems, "digest": report.digest}
    tx.execute(_REPORT, {**given, "now": stamp(now)})
    order = tx.execute("SELECT name, ref FROM orders WHERE id = ?", (order_id,)).fetchone()
    for code in CODES:
        about = {"code": code, "connector": channel, "cause": f"order/{order_id}"}
        said = [problem for problem in report.problems if problem.code == code]
        if said:
            text = f"{order['name'] or order['ref']}: {_words(said)}"
            incidents.open_one(tx, **about, text=text, now=now, order_id=order_id)
        else:
            incidents.close(tx, **about, now=now)


def _words(problems: Sequence[Problem]) -> str:
    said = "; ".join(f"{one.subject}: {one.text}" for one in problems[:PROBLEMS_TOLD])
    more = len(problems) - PROBLEMS_TOLD
    return f"{said}{f' and {more} more' if more > 0 else ''}"
