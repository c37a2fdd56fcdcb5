"""What a channel was told, call by call: an intent on disk before each, its answer moves E (ADR 0031, point 6).

under_way -> answered | not_sent | in_doubt | settling; settling -> answered; in_doubt -> under_way again (a channel
that compares is asked under the same key with the same content) or lost. Nobody else writes a row whose write is open.

A blind write of unknown outcome may land late: its rows are written at once, and again when that time is over
(``late``). Every unit marks the SKUs that it touched, so that what is due is known when it is committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import orjson

from bcbridge.model.ids import Ref
from bcbridge.model.shelf import DueRow, Intent, Place
from bcbridge.model.stock import RowAnswer, RowResult, StockChange, StockWrite, WriteKind
from bcbridge.store.db import Readers
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import compute

KEY_LIVES = timedelta(hours=1)
"""Under an older key a channel may have forgotten what it did; then the number is read instead of guessed."""
SLICE = compute.SLICE
"""Rows of an answer in one unit at most, where their SKUs are marked."""
FALLS = 1
"""The urgency of what is to fall, at most."""
UNANSWERED = "a number that was written had no answer"
NOT_TRIED = "its call was refused for another row, and may have set this one all the same"


# -- what is due -------------------------------------------------------------------------------------------------


_ROW = """
SELECT s.sku, s.location, s.item, s.grp, s.explained, s.dirty, s.target, s.due, s.due_at, s.stale, o.compares
"""
_DUE = f"""
{_ROW} FROM stock_shown AS s JOIN stock_outlets AS o USING (channel, location)
WHERE s.channel = :channel AND s.due IS NOT NULL AND s.writing IS NULL AND s.due_at <= :now
    AND s.target IS NOT NULL AND s.state = 'kept'
ORDER BY s.due, s.target, s.due_at LIMIT :limit
"""
_DUE_OF = f"""
{_ROW} FROM json_each(:groups) AS g
CROSS JOIN stock_shown AS s ON s.channel = :channel AND s.grp = g.value
CROSS JOIN stock_outlets AS o ON o.channel = :channel AND o.location = s.location
WHERE s.grp <> '' AND s.due IS NOT NULL AND s.writing IS NULL AND s.target IS NOT NULL AND s.state = 'kept'
LIMIT :limit
"""
MOST_OF_GROUPS = 2_000
_STILL_DUE = f"""
{_ROW} FROM json_each(:skus) AS g
CROSS JOIN stock_shown AS s ON s.sku = g.value AND s.channel = :channel
CROSS JOIN stock_outlets AS o ON o.channel = :channel AND o.location = s.location
WHERE s.due IS NOT NULL AND s.writing IS NULL AND s.target IS NOT NULL AND s.state = 'kept'
"""
_NEXT_DUE = """
SELECT min(due_at) AS at FROM stock_shown WHERE channel = ? AND due IS NOT NULL AND writing IS NULL AND state = 'kept'
"""


async def due(reads: Readers, channel: str, *, limit: int, now: datetime) -> list[DueRow]:
    """What is to be written first: what must fall and is nearest to zero, then the rest by urgency."""
    rows = await reads.rows(_DUE, {"channel": channel, "now": stamp(now), "limit": limit})
    return [_due_row(_Due._make(row)) for row in rows]


async def due_of(reads: Readers, channel: str, groups: Collection[str]) -> list[DueRow]:
    """All that is to be written of these groups, whether its moment has come or not."""
    asked = {"channel": channel, "groups": orjson.dumps(sorted(groups)).decode(), "limit": MOST_OF_GROUPS}
    return [_due_row(_Due._make(row)) for row in await reads.rows(_DUE_OF, asked)]


async def next_due(reads: Readers, channel: str) -> datetime | None:
    """When the first row that waits becomes due; None where none waits."""
    row = await reads.row(_NEXT_DUE, (channel,))
    return moment(row["at"]) if row is not None and row["at"] else None


class _Due(NamedTuple):
    """A row of ``_ROW``."""

    sku: str
    location: Ref
    item: Ref
    group: Ref
    explained: int | None
    dirty: str
    target: int
    urgency: int
    at: str
    stale: int | None
    compares: int


def _due_row(row: _Due) -> DueRow:
    kind = _kind(row)
    return DueRow(row.sku, kind, row.urgency, _change(row, kind))


def _change(row: _Due, kind: WriteKind | None) -> StockChange:
    number, was = row.target, row.explained
    if kind is WriteKind.COMPARE and row.stale is not None:
        was = row.stale  # what stood there; what we have not seen of it stays taken off
        number = max(0, was + number - (row.explained or 0))
    return StockChange(row.location, row.item, row.group, number, was)


def _kind(row: _Due) -> WriteKind | None:
    """A doubtful number of a channel that compares is read before it is raised. It is lowered at once: E errs upwards,
    so that a difference from it takes off too much rather than too little."""
    if not row.compares:
        return WriteKind.SET
    if row.explained is None:
        return None
    if row.target < row.explained:
        return WriteKind.ADJUST
    return None if row.dirty else WriteKind.COMPARE


# -- intents -----------------------------------------------------------------------------------------------------


_WRITE = """
INSERT INTO stock_writes (key, channel, kind, state, made_at, tries) VALUES (?, ?, ?, 'under_way', ?, 1)
"""
_WRITE_ROW = """
INSERT INTO stock_write_rows (write_id, seq, sku, location, item, grp, number, was, explained, doubt, figure,
                              figure_as_of, n, buffer, demand)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_WRITING = """
UPDATE stock_shown SET writing = ?, due = NULL, due_at = NULL, dirty = CASE WHEN ? THEN dirty ELSE '' END
WHERE sku = ? AND channel = ? AND location = ?
"""
"""A blind write ends the doubt: whatever stood there stands there no more."""


def begin(
    tx: sqlite3.Connection,
    channel: str,
    places: Sequence[Place],
    *,
    new_key: Callable[[], str],
    now: datetime,
    known: bool = True,
    joined: Sequence[Intent] = (),
) -> list[Intent]:
    """Write down the calls that tell these numbers, as they are at this moment: one of each kind.

    Whatever is no longer due, or has become another write's, is left out; where the channel's orders were not looked
    at right before (``known``), so is a blind write of more than nothing. A call of more places than one unit takes is
    handed on as ``joined``, and grows. The calls may be made once the last unit is committed; until their answers are,
    nobody else writes these rows.
    """
    why = compute.mark_and_explain(tx, {sku for sku, _ in places}, now=now, channel=channel)
    by_kind: dict[WriteKind | None, list[_Due]] = {}
    for row in _still_due(tx, channel, places):
        if (row.sku, row.location) in why:
            by_kind.setdefault(_kind(row), []).append(row)
    if not known and WriteKind.SET in by_kind:
        by_kind[WriteKind.SET] = [row for row in by_kind[WriteKind.SET] if row.target == 0]
    intents = {intent.write.kind: intent for intent in joined}
    for kind in WriteKind:
        if ours := by_kind.get(kind):
            intent = intents.get(kind) or _intend(tx, channel, kind, key=new_key(), now=now)
            intents[kind] = _join(tx, intent, ours, why)
    return list(intents.values())


def _still_due(tx: sqlite3.Connection, channel: str, places: Sequence[Place]) -> list[_Due]:
    """In the order of the places; asked by SKU alone, for a channel has few locations and the rows lie together."""
    asked = {"channel": channel, "skus": orjson.dumps(list({sku: None for sku, _ in places})).decode()}
    found = {(row.sku, row.location): row for row in map(_Due._make, tx.execute(_STILL_DUE, asked))}
    return [found[place] for place in places if place in found]


def _intend(tx: sqlite3.Connection, channel: str, kind: WriteKind, *, key: str, now: datetime) -> Intent:
    write = tx.execute(_WRITE, (key, channel, kind.value, stamp(now))).lastrowid
    assert write is not None
    return Intent(write, channel, StockWrite(key, kind, (), run=str(write)), (), now)


def _join(tx: sqlite3.Connection, intent: Intent, rows: Sequence[_Due], why: Mapping[Place, compute.Why]) -> Intent:
    kind, first = intent.write.kind, len(intent.skus)
    changes = tuple([_change(row, kind) for row in rows])
    reasons = [why[row.sku, row.location] for row in rows]
    tx.executemany(_WRITE_ROW, _kept(tx, intent.id, first, list(zip(rows, changes, reasons, strict=True))))
    tx.executemany(_WRITING, [(intent.id, row.compares, row.sku, intent.channel, row.location) for row in rows])
    falls = [row.at for row in rows if row.urgency <= FALLS]
    since = [*([moment(min(falls))] if falls else []), *([intent.due] if intent.due else [])]
    return replace(
        intent,
        write=replace(intent.write, changes=intent.write.changes + changes),
        skus=intent.skus + tuple([row.sku for row in rows]),
        due=min(since, default=None),
    )


def _kept(
    tx: sqlite3.Connection, write: int, first: int, rows: Sequence[tuple[_Due, StockChange, compute.Why]]
) -> list[tuple[object, ...]]:
    """The rows of a call, as ``_WRITE_ROW`` takes them, and why each number is what it is."""
    counted = _counted(tx, [(reason.part, reason.as_of) for _, _, reason in rows if reason.n])
    return [
        (
            *(write, seq, row.sku, row.location, row.item, row.group, change.number, change.was),
            *(row.explained, row.dirty, reason.figure, reason.as_of, reason.n, reason.buffer),
            counted[reason.part, reason.as_of] if reason.n else NONE_COUNTED,
        )
        for seq, (row, change, reason) in enumerate(rows, start=first)
    ]


_COUNTED = """
SELECT p.value, a.key, (
    SELECT json_group_array(json_array(d.channel, d.order_ref, d.qty, d.state)) FROM (
        SELECT channel, order_ref, qty, state FROM stock_demand
        WHERE sku = p.value AND settled = 0 AND state <> 'void' AND (state <> 'posted' OR posted_by >= a.key)
        ORDER BY id DESC LIMIT :most) AS d)
FROM json_each(:parts) AS a CROSS JOIN json_each(a.value) AS p
"""
DEMAND_KEPT = 50
NONE_COUNTED = "[]"


def _counted(tx: sqlite3.Connection, parts: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The newest orders that count for each part under a figure's moment, as they are kept; asked all at once."""
    if not parts:
        return {}
    asked: dict[str, list[str]] = {}
    for part, as_of in dict.fromkeys(parts):
        asked.setdefault(as_of, []).append(part)
    found = tx.execute(_COUNTED, {"parts": orjson.dumps(asked).decode(), "most": DEMAND_KEPT})
    return {(part, as_of): demand for part, as_of, demand in found}


# -- answers -----------------------------------------------------------------------------------------------------
# Each function takes some rows of a call, from ``first`` on, and returns where the next slice begins: None at the end.
# They are SLICE, for their SKUs are marked; more where they are only noted.

_MOVED = """
UPDATE stock_shown SET explained = explained + :number - :was, answered_at = :now, stale = NULL, writing = NULL
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_IS_NOW = """
UPDATE stock_shown SET explained = :number, answered_at = :now, stale = NULL, writing = NULL
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_STALE = """
UPDATE stock_shown SET stale = :shown, writing = NULL, dirty = CASE
    WHEN dirty = '' AND (:shown IS NULL OR :number = :was) THEN 'something else stands there' ELSE dirty END
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_LEFT = """
UPDATE stock_shown SET state = :state, why = :reason, explained = NULL, due = NULL, stale = NULL, writing = NULL
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_AS_BEFORE = """
UPDATE stock_shown SET writing = NULL, dirty = CASE WHEN dirty <> '' THEN dirty ELSE coalesce((
    SELECT doubt FROM stock_write_rows WHERE write_id = :write AND seq = :seq), '') END
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_DOUBTFUL = """
UPDATE stock_shown SET dirty = :reason, answered_at = :now, writing = NULL
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_GIVEN_UP = """
UPDATE stock_shown SET dirty = :reason, answered_at = :now, writing = NULL,
    explained = explained + max(0, :number - :was), maybe = maybe + abs(:number - :was)
WHERE sku = :sku AND channel = :channel AND location = :location AND writing = :write
"""
_RESULTS = "UPDATE stock_write_rows SET result = ?, reason = ? WHERE write_id = ? AND seq >= ? AND seq < ?"
NOTED = 1_000
"""Rows in one unit at most, where all were taken and none is in force yet."""
_STATE = "UPDATE stock_writes SET state = :state, ended_at = :now, reason = :reason WHERE id = :write"

_UPDATES = {
    RowResult.STALE: _STALE,
    RowResult.GONE: _LEFT,
    RowResult.UNMANAGED: _LEFT,
    RowResult.REFUSED: _LEFT,
    RowResult.UNTRIED: _AS_BEFORE,
}

_STATES = {RowResult.GONE: "gone", RowResult.UNMANAGED: "left_alone", RowResult.REFUSED: "refused"}


def answered(
    tx: sqlite3.Connection,
    intent: Intent,
    answers: Sequence[RowAnswer],
    *,
    settles: bool,
    now: datetime,
    first: int = 0,
) -> int | None:
    """A definite answer, row by row. With ``settles`` the numbers that were taken are in force only later
    (``settled``): until then nobody writes their rows."""
    ours = answers[first : first + NOTED]
    if settles and all(answer.result is RowResult.TAKEN for answer in ours):
        _note(tx, intent.id, first, ours)
        return _end_slice(tx, intent, first, "settling", now=now, rows=NOTED, unmoved=intent.skus)
    ours = ours[:SLICE]
    _note(tx, intent.id, first, ours)
    by_result: dict[RowResult, list[dict[str, object]]] = {}
    for row, answer in zip(_rows(intent, first, now), ours, strict=True):
        row |= {"shown": answer.shown, "reason": answer.reason, "state": _STATES.get(answer.result)}
        by_result.setdefault(answer.result, []).append(row)
    for result, rows in by_result.items():
        if result is RowResult.UNTRIED and intent.write.kind is WriteKind.SET:
            tx.executemany(_DOUBTFUL, [{**row, "reason": NOT_TRIED} for row in rows])
        elif result is not RowResult.TAKEN:
            tx.executemany(_UPDATES[result], rows)
        elif not settles:
            tx.executemany(_IS_NOW if intent.write.kind is WriteKind.SET else _MOVED, rows)
    under_way = settles and any(answer.result is RowResult.TAKEN for answer in answers)
    waits = {str(row["sku"]) for row in by_result.get(RowResult.TAKEN, ())} if settles else set()
    return _end_slice(tx, intent, first, "settling" if under_way else "answered", now=now, unmoved=waits)


def _note(tx: sqlite3.Connection, write: int, first: int, answers: Sequence[RowAnswer]) -> None:
    """What became of these rows, from ``first`` on: once for all that were told the same one after the other."""
    for (result, reason), alike in groupby(answers, key=lambda one: (one.result, one.reason)):
        after = first + len(list(alike))
        tx.execute(_RESULTS, (result.value, reason, write, first, after))
        first = after


def settled(tx: sqlite3.Connection, intent: Intent, *, now: datetime, first: int = 0) -> int | None:
    """What was taken is in force now."""
    tx.executemany(_IS_NOW, _rows(intent, first, now))
    return _end_slice(tx, intent, first, "answered", now=now)


def not_sent(tx: sqlite3.Connection, intent: Intent, reason: str, *, now: datetime, first: int = 0) -> int | None:
    """The call had no effect: all is as before it, and due again."""
    for row in _rows(intent, first, now):
        tx.execute(_AS_BEFORE, row)
    return _end_slice(tx, intent, first, "not_sent", now=now, reason=reason)


def lost(tx: sqlite3.Connection, intent: Intent, reason: str, *, now: datetime, first: int = 0) -> int | None:
    """No definite answer. A channel that compares is asked again under the same key (``again``), its rows wait for
    that. The numbers of a blind write are doubtful: written at once, and again when it can no longer land; those that
    had no answer before are written later and later, so that they hold up no other."""
    if intent.write.kind is not WriteKind.SET:
        tx.execute(_STATE, {"write": intent.id, "state": "in_doubt", "now": stamp(now), "reason": reason})
        return None
    rows = list(_rows(intent, first, now))
    for row in rows:
        tx.execute(_DOUBTFUL, {**row, "reason": UNANSWERED})
    after = _end_slice(tx, intent, first, "in_doubt", now=now, reason=reason)
    for row in rows:
        _put_off(tx, row, now)
    return after


_IN_DOUBT = """
SELECT count(*) FROM stock_write_rows AS r
WHERE r.sku = :sku AND r.location = :location AND r.write_id <> :write AND r.write_id IN (
    SELECT id FROM stock_writes
    WHERE channel = :channel AND state IN ('under_way', 'settling', 'in_doubt') AND state = 'in_doubt')
"""
_WAITS = """
UPDATE stock_shown SET due_at = :later
WHERE sku = :sku AND channel = :channel AND location = :location AND due IS NOT NULL
"""


def _put_off(tx: sqlite3.Connection, row: Mapping[str, object], now: datetime) -> None:
    """For so much longer, the more calls that carried this number are in doubt."""
    (before,) = tx.execute(_IN_DOUBT, row).fetchone()
    if before:
        tx.execute(_WAITS, {**row, "later": stamp(now + min(LONGEST_WAIT, WAIT * 2**before))})


def _give_up(tx: sqlite3.Connection, intent: Intent, reason: str, *, now: datetime) -> None:
    """It was made or it was not: E is the greater of both, until it is read which."""
    for first in range(0, len(intent.skus), SLICE):
        for row in _rows(intent, first, now):
            tx.execute(_GIVEN_UP, {**row, "reason": UNANSWERED})
        _end_slice(tx, intent, first, "lost", now=now, reason=reason)


def _rows(intent: Intent, first: int, now: datetime) -> Iterator[dict[str, object]]:
    for seq in range(first, min(first + SLICE, len(intent.skus))):
        change = intent.write.changes[seq]
        yield {
            "write": intent.id,
            "seq": seq,
            "channel": intent.channel,
            "sku": intent.skus[seq],
            "location": change.location,
            "number": change.number,
            "was": change.was,
            "now": stamp(now),
        }


def _end_slice(
    tx: sqlite3.Connection,
    intent: Intent,
    first: int,
    state: str,
    *,
    now: datetime,
    reason: str = "",
    rows: int = SLICE,
    unmoved: Collection[str] = (),
) -> int | None:
    """What is due of these rows is known in the unit that answered them, but for those that it left as they were; the
    last slice ends the call."""
    after = first + rows
    compute.mark(tx, set(intent.skus[first:after]).difference(unmoved), now=now)
    if after < len(intent.skus):
        return after
    tx.execute(_STATE, {"write": intent.id, "state": state, "now": stamp(now), "reason": reason})
    return None


# -- writes without an answer ------------------------------------------------------------------------------------

_OPEN = """
SELECT id, channel, key, kind, made_at, ended_at, tries FROM stock_writes
WHERE channel = :channel AND state IN ('under_way', 'settling', 'in_doubt') AND state = :state
    AND (:blind IS NULL OR (kind = 'set') = :blind)
    AND (:ended IS NULL OR ended_at <= :ended OR :small >= (
        SELECT count(*) FROM (
            SELECT 1 FROM stock_write_rows WHERE write_id = stock_writes.id LIMIT coalesce(:small, 0) + 1)))
ORDER BY id LIMIT :many
"""
_ROWS_OF = "SELECT sku, location, item, grp, number, was FROM stock_write_rows WHERE write_id = ? ORDER BY seq"
_AGAIN = "UPDATE stock_writes SET state = 'under_way', tries = tries + 1 WHERE id = ? AND state = 'in_doubt'"
OPEN_AT_ONCE = 100
WAIT = timedelta(seconds=1)
"""Before a call is made again; as many times longer as it was tried."""
LONGEST_WAIT = timedelta(minutes=1)


def open_writes(
    tx: sqlite3.Connection, channel: str, state: str, *, blind: bool | None = None, ended: datetime | None = None
) -> list[Intent]:
    """Calls ``under_way``, ``settling`` or ``in_doubt``, the oldest first, as they were written down; only blind ones
    or only others, and only those that ended by a moment: their rows are many, and the others' are not read."""
    asked = _asked(channel, state, blind, ended, None)
    return [_intent(row, tx.execute(_ROWS_OF, (row["id"],))) for row in tx.execute(_OPEN, asked).fetchall()]


async def open_calls(
    reads: Readers,
    channel: str,
    state: str,
    *,
    blind: bool | None = None,
    ended: datetime | None = None,
    small: int | None = None,
) -> list[Intent]:
    """The same beside the writer; of ``small`` calls, of so many rows at most, those too that ended later."""
    found = await reads.rows(_OPEN, _asked(channel, state, blind, ended, small))
    return [_intent(row, await reads.rows(_ROWS_OF, (row["id"],))) for row in found]


def _asked(
    channel: str, state: str, blind: bool | None, ended: datetime | None, small: int | None
) -> dict[str, object]:
    which = {"channel": channel, "state": state, "many": OPEN_AT_ONCE}
    return {**which, "blind": blind, "ended": stamp(ended) if ended else None, "small": small}


def _intent(write: sqlite3.Row, of: Iterable[sqlite3.Row]) -> Intent:
    rows = list(of)
    changes = tuple(
        StockChange(Ref(row["location"]), Ref(row["item"]), Ref(row["grp"]), row["number"], row["was"]) for row in rows
    )
    return Intent(
        id=write["id"],
        channel=write["channel"],
        write=StockWrite(write["key"], WriteKind(write["kind"]), changes, run=str(write["id"])),
        skus=tuple(row["sku"] for row in rows),
        made=moment(write["made_at"]),
        ended=moment(write["ended_at"]) if write["ended_at"] else None,
        tries=write["tries"],
    )


def again(tx: sqlite3.Connection, channel: str, *, now: datetime) -> list[Intent]:
    """Calls in doubt that are to be made once more: same key, same content. One whose key has grown too old is lost,
    and its numbers are read before they are written."""
    calls = []
    for intent in open_writes(tx, channel, "in_doubt", blind=False, ended=now - WAIT):
        if intent.ended is not None and now < intent.ended + min(LONGEST_WAIT, intent.tries * WAIT):
            continue
        if now - intent.made > KEY_LIVES:
            _give_up(tx, intent, "asked again until its key was too old", now=now)
        elif tx.execute(_AGAIN, (intent.id,)).rowcount == 1:
            calls.append(intent)
    return calls


_LATE = """
UPDATE stock_shown SET dirty = :reason
WHERE sku = :sku AND channel = :channel AND location = :location AND explained IS NOT NULL
"""


def late(tx: sqlite3.Connection, intent: Intent, *, now: datetime, first: int = 0) -> int | None:
    """A blind write without an answer can no longer land: its numbers are written once more."""
    for row in _rows(intent, first, now):
        tx.execute(_LATE, {**row, "reason": "a number without an answer may have landed late"})
    return _end_slice(tx, intent, first, "lost", now=now, reason=UNANSWERED)


_UNMARKED = """
SELECT DISTINCT sku FROM stock_shown
WHERE channel = ? AND dirty <> '' AND due IS NULL AND writing IS NULL AND state = 'kept' AND explained IS NOT NULL
"""


async def unmarked(reads: Readers, channel: str) -> list[str]:
    """Doubtful numbers that nothing will write: a call of many rows was cut short by the end of the process."""
    return [str(row["sku"]) for row in await reads.rows(_UNMARKED, (channel,))]


# -- a whole channel anew ----------------------------------------------------------------------------------------

_NEXT_ITEM = "SELECT item FROM stock_shown WHERE channel = ? AND item > ? ORDER BY item LIMIT 1 OFFSET ?"
_ALL_DUE = """
UPDATE stock_shown SET due = :urgency, due_at = :now
WHERE channel = :channel AND item > :after AND item <= :last AND state = 'kept' AND explained IS NOT NULL
    AND target IS NOT NULL AND due IS NULL AND writing IS NULL
"""
FULL_PUSH = 9
ALL_STEP = 2000
LAST_ITEM = "\U0010ffff"


def mark_all(tx: sqlite3.Connection, channel: str, *, after: str = "", now: datetime) -> str | None:
    """Tell every number again, behind all that is more urgent. One slice; returns where the next begins, None at the
    end."""
    row = tx.execute(_NEXT_ITEM, (channel, after, ALL_STEP)).fetchone()
    last = LAST_ITEM if row is None else str(row["item"])
    span = {"channel": channel, "after": after, "last": last, "urgency": FULL_PUSH, "now": stamp(now)}
    tx.execute(_ALL_DUE, span)
    return None if row is None else last


# -- what is forgotten -------------------------------------------------------------------------------------------

_PRUNE = """
DELETE FROM stock_writes WHERE id IN (
    SELECT id FROM stock_writes WHERE made_at < :before AND state IN ('answered', 'lost', 'not_sent')
    ORDER BY made_at LIMIT :step)
"""
PRUNE_STEP = 20
"""Calls a step: each has up to some thousand rows."""


def prune(tx: sqlite3.Connection, *, before: datetime) -> int:
    """Calls made before this moment, with their rows; returns how many went, at most a step."""
    return tx.execute(_PRUNE, {"before": stamp(before), "step": PRUNE_STEP}).rowcount
