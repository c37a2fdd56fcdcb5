"""One ERP's feed: how far its figures were read, what is known of all of them, a pull that a person is to judge.

Nothing of a pull counts before its end: the mark, the floor and what dates later rows move in one unit, when every page
is kept. A floor that moved releases booked pieces without any figure moving; ``release`` computes their SKUs anew,
slice by slice, and ``released_upto`` says how far that has come, whatever ends the process in between.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

import orjson

from bcbridge.model.figures import BEGINNING, Echo, FeedState, Known
from bcbridge.store.db import Readers
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import compute

ECHOES_KEPT = 500

_READ = "SELECT * FROM stock_feeds WHERE erp = ?"
_BEGIN = "INSERT INTO stock_feeds (erp) VALUES (?) ON CONFLICT (erp) DO NOTHING"
_END = """
UPDATE stock_feeds SET mark = :mark, floor = max(floor, :floor), moved_at = :moved, published_at = :newest,
    changed_since = :changed, echo_seen = :echo_seen, oldest_at = :oldest,
    echoes = (SELECT json_group_array(json(value)) FROM json_each(echoes) WHERE json_extract(value, '$[1]') >= :heard),
    pull_began = CASE WHEN :everything THEN :began ELSE pull_began END,
    pull_ended = CASE WHEN :everything THEN :now ELSE pull_ended END,
    delta_ended = :now, held = CASE WHEN :clears THEN '' ELSE held END,
    accepted = CASE WHEN :believed OR :clears THEN 0 ELSE accepted END
WHERE erp = :erp
"""
_HOLD = "UPDATE stock_feeds SET held = ? WHERE erp = ?"
_CYCLES = "UPDATE stock_feeds SET cycles = ? WHERE erp = ?"
_ECHOED = """
UPDATE stock_feeds SET echoes = (
    SELECT json_group_array(json(value)) FROM (
        SELECT value FROM (SELECT key, value FROM json_each(json_insert(echoes, '$[#]', json_array(?, ?)))
                           ORDER BY key DESC LIMIT ?) ORDER BY key))
WHERE erp = ?
"""


async def read(reads: Readers, erp: str) -> FeedState:
    """As it stands; of one that was never read, as if nothing were known."""
    row = await reads.row(_READ, (erp,))
    return FeedState() if row is None else _state(row)


def _state(row: sqlite3.Row) -> FeedState:
    known = Known(
        floor=moment(row["floor"]),
        read_all=_moment(row["pull_began"]),
        moved=_moment(row["moved_at"]),
        newest=_moment(row["published_at"]),
        changed=_moment(row["changed_since"]),
        echoes=tuple(Echo(count, moment(sent)) for count, sent in orjson.loads(row["echoes"])),
        echo_seen=_moment(row["echo_seen"]),
        oldest=_moment(row["oldest_at"]),
    )
    return FeedState(
        mark=row["mark"],
        known=known,
        pull_ended=_moment(row["pull_ended"]),
        delta_ended=_moment(row["delta_ended"]),
        held=row["held"],
        accepted=bool(row["accepted"]),
        cycles=row["cycles"],
    )


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def end(
    tx: sqlite3.Connection,
    erp: str,
    *,
    mark: str,
    known: Known,
    everything: bool,
    believed: bool,
    clears: bool,
    now: datetime,
) -> None:
    """A pull has ended, every page of it is kept. ``everything``: it was whole, and of all rows. ``believed``: it was
    stored on a person's word. ``clears``: what was held back before is settled by it, and so is that word."""
    tx.execute(_BEGIN, (erp,))
    given = {
        "erp": erp,
        "mark": mark,
        "floor": stamp(known.floor),
        "began": _stamp(known.read_all),
        "moved": _stamp(known.moved),
        "newest": _stamp(known.newest),
        "changed": _stamp(known.changed),
        "echo_seen": _stamp(known.echo_seen),
        "oldest": _stamp(known.oldest),
        "heard": _stamp(known.echo_seen) or "",
        "everything": everything,
        "believed": believed,
        "clears": clears,
        "now": stamp(now),
    }
    tx.execute(_END, given)


def hold(tx: sqlite3.Connection, erp: str, words: str) -> None:
    """A pull was not stored beyond what was safe; a person is to say whether it is to be believed."""
    tx.execute(_BEGIN, (erp,))
    tx.execute(_HOLD, (words, erp))


def keep_cycles(tx: sqlite3.Connection, erp: str, cycles: str) -> None:
    tx.execute(_BEGIN, (erp,))
    tx.execute(_CYCLES, (cycles, erp))


def echo_sent(tx: sqlite3.Connection, erp: str, echo: Echo) -> None:
    """On disk before the count is set: a count that may be there and is not known dates nothing, and does no harm."""
    tx.execute(_BEGIN, (erp,))
    tx.execute(_ECHOED, (echo.count, stamp(echo.sent), ECHOES_KEPT, erp))


# -- what a floor that moved releases ------------------------------------------------------------------------------

_TO_RELEASE = """
SELECT floor, released_upto, pull_ended IS NOT NULL AS read FROM stock_feeds WHERE erp = ? AND floor > released_upto
"""
_RELEASED = """
SELECT sku FROM (
    SELECT sku FROM stock_demand WHERE settled = 0 AND state = 'posted' AND posted_by >= :from AND posted_by < :floor
    UNION
    SELECT sku FROM stock_demand WHERE settled = 0 AND state = 'posted' AND picked_by >= :from AND picked_by < :floor)
WHERE sku > :after ORDER BY sku LIMIT :many
"""
_EVERY = "SELECT DISTINCT sku FROM stock_shown WHERE sku > :after ORDER BY sku LIMIT :many"
_UPTO = "UPDATE stock_feeds SET released_upto = ? WHERE erp = ? AND released_upto < ?"
NEVER = stamp(BEGINNING)


def release(tx: sqlite3.Connection, erp: str, after: str, *, now: datetime) -> tuple[str, frozenset[str]]:
    """One slice of the SKUs whose numbers the floor moved; after the first whole pull, of all that any channel shows.

    Returns where the next slice begins ("" when nothing is left) and the channels in which something became due.
    """
    row = tx.execute(_TO_RELEASE, (erp,)).fetchone()
    if row is None or not row["read"]:
        return "", frozenset()
    given = {"from": row["released_upto"], "floor": row["floor"], "after": after, "many": compute.SLICE}
    statement = _RELEASED if row["released_upto"] else _EVERY
    skus = [str(one[0]) for one in tx.execute(statement, given)]
    if len(skus) < compute.SLICE:
        tx.execute(_UPTO, (row["floor"], erp, row["floor"]))
    rung = compute.mark(tx, skus, now=now)
    return (skus[-1] if len(skus) == compute.SLICE else ""), rung
