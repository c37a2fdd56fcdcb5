"""Reads of a whole shelf beside what was explained: what they found to differ, and how that goes over time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.model.shelf import Cause, Drift, DriftSigns, PastWrite
from bcbridge.store.db import Readers
from bcbridge.store.stamps import moment, stamp

WRITES_LOOKED_AT = 5
DRIFTS_LOOKED_AT = 10

# -- one comparison ----------------------------------------------------------------------------------------------

_BEGIN = "INSERT INTO stock_compares (channel, began_at) VALUES (?, ?)"
_ITEMS = "UPDATE stock_compares SET items = items + ? WHERE id = ?"
_END = """
UPDATE stock_compares SET ended_at = :now, drifted = (SELECT count(*) FROM stock_drifts WHERE compare_id = :compare),
    healed = (SELECT count(*) FROM stock_drifts WHERE compare_id = :compare AND healed = 1)
WHERE id = :compare
"""
_DRIFT = """
INSERT OR REPLACE INTO stock_drifts (compare_id, sku, location, explained, actual, cause, told, healed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def begin(tx: sqlite3.Connection, channel: str, *, now: datetime) -> int:
    """A read of the whole shelf begins; returns its number."""
    compare = tx.execute(_BEGIN, (channel, stamp(now))).lastrowid
    assert compare is not None
    return compare


def count(tx: sqlite3.Connection, compare: int, items: int) -> None:
    tx.execute(_ITEMS, (items, compare))


def keep(tx: sqlite3.Connection, compare: int, found: Sequence[tuple[Drift, Cause]], *, healed: bool) -> None:
    tx.executemany(
        _DRIFT,
        [
            (compare, drift.sku, drift.location, drift.explained, drift.actual, cause.cause.value, cause.told, healed)
            for drift, cause in found
        ],
    )


def end(tx: sqlite3.Connection, compare: int, *, now: datetime) -> None:
    tx.execute(_END, {"compare": compare, "now": stamp(now)})


# -- what may have caused it -------------------------------------------------------------------------------------

_PAST = """
SELECT w.made_at, w.state, r.number, r.was, r.result
FROM stock_write_rows AS r JOIN stock_writes AS w ON w.id = r.write_id
WHERE r.sku = ? AND w.channel = ? AND r.location = ? ORDER BY r.write_id DESC LIMIT ?
"""
_BEFORE = """
SELECT d.compare_id FROM (SELECT id FROM stock_compares WHERE channel = :channel AND id < :compare
                          ORDER BY id DESC LIMIT :many) AS c
CROSS JOIN stock_drifts AS d ON d.compare_id = c.id AND d.sku = :sku AND d.location = :location
"""
_AGREED = "SELECT agreed_at FROM stock_shown WHERE sku = ? AND channel = ? AND location = ?"


async def signs(reads: Readers, channel: str, compare: int, drift: Drift) -> DriftSigns:
    """What the store knows that may explain a drift."""
    past = await reads.rows(_PAST, (drift.sku, channel, drift.location, WRITES_LOOKED_AT))
    at = {"channel": channel, "compare": compare, "sku": drift.sku, "location": drift.location}
    before = await reads.rows(_BEFORE, {**at, "many": DRIFTS_LOOKED_AT})
    agreed = await reads.row(_AGREED, (drift.sku, channel, drift.location))
    return DriftSigns(
        writes=tuple(
            PastWrite(moment(row["made_at"]), row["number"], row["was"], row["state"] in IN_DOUBT, row["result"])
            for row in past
        ),
        drifted_before=len(before),
        agreed_at=moment(agreed["agreed_at"]) if agreed is not None and agreed["agreed_at"] else None,
    )


IN_DOUBT = ("in_doubt", "lost")


# -- facts for people --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison, as it is told: the trend is a list of them."""

    channel: str
    began_at: datetime
    ended_at: datetime | None
    items: int
    drifted: int
    healed: int


@dataclass(frozen=True, slots=True)
class Row:
    """One number of a channel and what is the matter with it."""

    sku: str
    location: str
    why: str


_TREND = """
SELECT channel, began_at, ended_at, items, drifted, healed FROM stock_compares WHERE channel = ?
ORDER BY id DESC LIMIT ?
"""
_LAST = "SELECT max(id) AS id FROM stock_compares WHERE channel = ? AND ended_at IS NOT NULL"
_DRIFTS = """
SELECT sku, location, cause || ': ' || told AS why FROM stock_drifts WHERE compare_id = ? ORDER BY sku, location LIMIT ?
"""
_IN_STATE = """
SELECT sku, location, why FROM stock_shown WHERE channel = ? AND state = ? AND state <> 'kept' ORDER BY item LIMIT ?
"""
_FORGET = """
DELETE FROM stock_compares WHERE id IN (
    SELECT id FROM stock_compares WHERE began_at < ? ORDER BY id LIMIT ?)
"""
FORGET_STEP = 5


async def trend(reads: Readers, channel: str, *, many: int) -> list[Compared]:
    """The last comparisons, the newest first."""
    return [
        Compared(
            channel=row["channel"],
            began_at=moment(row["began_at"]),
            ended_at=moment(row["ended_at"]) if row["ended_at"] else None,
            items=row["items"],
            drifted=row["drifted"],
            healed=row["healed"],
        )
        for row in await reads.rows(_TREND, (channel, many))
    ]


_WAS_READ = """
SELECT 1 FROM stock_compares WHERE channel = :channel AND ended_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM stock_shown JOIN stock_outlets USING (channel, location)
                  WHERE channel = :channel AND state = 'kept' AND explained IS NULL)
LIMIT 1
"""


async def was_read(reads: Readers, channel: str) -> bool:
    """Whether this channel's shelf was read to its end, and every number that is kept there is known."""
    return await reads.row(_WAS_READ, {"channel": channel}) is not None


async def last_drifts(reads: Readers, channel: str, *, many: int) -> list[Row]:
    """What the last comparison found to differ, with its likely cause."""
    last = await reads.row(_LAST, (channel,))
    return _rows(await reads.rows(_DRIFTS, (last["id"], many))) if last is not None and last["id"] else []


async def twice(reads: Readers, channel: str, *, many: int) -> list[Row]:
    """SKUs that stand on two items of one location: nobody guesses which is sold."""
    return _rows(await reads.rows(_IN_STATE, (channel, "twice", many)))


async def refused(reads: Readers, channel: str, *, many: int) -> list[Row]:
    """Numbers that the channel would not take; they are left alone until a read of the shelf shows them well."""
    return _rows(await reads.rows(_IN_STATE, (channel, "refused", many)))


def _rows(rows: Sequence[sqlite3.Row]) -> list[Row]:
    return [Row(row["sku"], row["location"], row["why"]) for row in rows]


def prune(tx: sqlite3.Connection, *, before: datetime) -> int:
    """Comparisons older than this, with their drifts; returns how many went, at most a step."""
    return tx.execute(_FORGET, (stamp(before), FORGET_STEP)).rowcount
