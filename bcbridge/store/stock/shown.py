"""What each channel must be showing: the explained number E of every item it shows (ADR 0031, point 5).

E is what stands there if nothing happened that we have not seen. Three things move it: a look at an own order
(``own_change``), the answer to a write (writes.py), and a number read from the channel (``anchor``). What E cannot
follow makes it *dirty*: then it says nothing until a blind write or an anchor has set it anew.

Which items there are comes from reads of the whole shelf (``keep_items``, ``end_read``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import orjson

from bcbridge.model.shelf import Anchored, Kept, Place, Reading
from bcbridge.model.stock import TakesOff
from bcbridge.store.stamps import stamp

PLACED_SKEW = timedelta(seconds=2)
"""A placing is told by the channel's clock, an answer by ours."""
LISTS_LAG = timedelta(minutes=15)
"""A change that is looked at is hardly older than this: so late may a channel's lists show it."""
FORGET_AFTER = timedelta(hours=1)
"""Far longer than a number that was read waits for the orders to be known past it."""
FORGET_STEP = 1000

# -- looks at own orders -----------------------------------------------------------------------------------------

_ROWS = """
SELECT s.location, s.explained, s.answered_at, s.read_at, s.writing, o.compares, o.reserves, o.takes_off
FROM stock_shown AS s JOIN stock_outlets AS o USING (channel, location)
WHERE s.sku = :sku AND s.channel = :channel AND (:location = '' OR s.location IN ('', :location))
"""
_NOTE = """
INSERT INTO stock_own_changes (channel, sku, location, d, since, known_at)
SELECT :channel, :sku, :location, :d, :since, :now
WHERE EXISTS (SELECT 1 FROM stock_outlets WHERE channel = :channel)
"""
_MOVE = """
UPDATE stock_shown SET explained = explained - :d WHERE sku = :sku AND channel = :channel AND location = :location
"""
_MAYBE = """
UPDATE stock_shown SET explained = explained + max(0, -:d), maybe = maybe + abs(:d)
WHERE sku = :sku AND channel = :channel AND location = :location
"""
_DOUBT = "UPDATE stock_shown SET dirty = :why WHERE sku = :sku AND channel = :channel AND location = :location"


def own_change(
    tx: sqlite3.Connection,
    channel: str,
    location: str,
    sku: str,
    d: int,
    *,
    looked_at: datetime,
    placed_at: datetime,
    before: datetime | None,
    now: datetime,
) -> None:
    """An order of this channel was looked at; it has taken ``d`` more pieces off the channel's number than before.

    ``looked_at``: when the request left; ``before``: the same of the look before, None at the first. Call it with
    ``d = 0`` too: an edit up and down again around a blind write looks like no change. ``location`` "": the channel's
    only one, or not known which; where there are several, each of them is doubtful then.
    """
    since = stamp(before if before is not None else min(placed_at, looked_at) - PLACED_SKEW)
    listed = since if before is None else max(since, stamp(looked_at - LISTS_LAG))
    change = {"channel": channel, "sku": sku, "location": location, "d": d, "since": since, "now": stamp(now)}
    tx.execute(_NOTE, change)
    rows = tx.execute(_ROWS, {"channel": channel, "sku": sku, "location": location}).fetchall()
    for row in rows:
        at = {"channel": channel, "sku": sku, "location": row["location"]}
        why = "sold at a location that is not known" if len(rows) > 1 and d else _doubtful(row, d, since, listed)
        if why:
            tx.execute(_DOUBT, {**at, "why": why})
        if d and row["explained"] is not None and not row["reserves"]:
            if row["compares"] and (why or d < 0):
                tx.execute(_MAYBE, {**at, "d": d})
            elif not why:
                tx.execute(_MOVE, {**at, "d": d})


def _doubtful(row: sqlite3.Row, d: int, since: str, listed: str) -> str:
    """Why E cannot follow this change; empty where it can, or where E does not move with orders.

    ``since``: it came after this; ``listed``: the same, as far as lists show what changed in time. What was read may
    lack pieces of an order that a list showed later, or have got back those of a cancel.
    """
    if row["explained"] is None or row["reserves"]:
        return ""
    if row["compares"]:
        crossed = d and row["read_at"] is not None and listed <= row["read_at"]
        return "an order may have changed before the number was read" if crossed else ""
    if d and row["takes_off"] == TakesOff.AT_SHIPMENT:
        return "an order was changed or dispatched: this channel moves its number then"
    if row["writing"] is not None:
        return "an order was looked at while a number was on its way"
    if row["answered_at"] is None or since <= row["answered_at"]:
        return "an order may have come before the number that was written over it"
    return ""


_DOUBT_SKUS = """
UPDATE stock_shown SET dirty = :why
WHERE channel = :channel AND sku IN (SELECT value FROM json_each(:skus)) AND explained IS NOT NULL
"""
_NOTE_DOUBT = """
INSERT INTO stock_own_changes (channel, sku, location, d, since, known_at)
SELECT :channel, value, '', 0, '', :now FROM json_each(:skus)
WHERE EXISTS (SELECT 1 FROM stock_outlets WHERE channel = :channel)
"""


def doubt(tx: sqlite3.Connection, channel: str, skus: Iterable[str], why: str, *, now: datetime) -> None:
    """The channel may have moved these numbers by itself: pieces were taken off an order, or dispatched.

    What was read before this moment and is not anchored yet does not end the doubt.
    """
    asked = {"channel": channel, "skus": orjson.dumps(sorted(skus)).decode()}
    tx.execute(_DOUBT_SKUS, {**asked, "why": why})
    tx.execute(_NOTE_DOUBT, {**asked, "now": stamp(now)})


_FORGET = """
DELETE FROM stock_own_changes WHERE id IN (
    SELECT id FROM stock_own_changes WHERE known_at < :before ORDER BY known_at LIMIT :step)
"""


def forget_changes(tx: sqlite3.Connection, *, now: datetime) -> int:
    """Changes that no number read can still have to be put beside; returns how many went, at most a step."""
    return tx.execute(_FORGET, {"before": stamp(now - FORGET_AFTER), "step": FORGET_STEP}).rowcount


# -- which items there are ---------------------------------------------------------------------------------------


_STANDING = """
SELECT item, state, seen, faces, why FROM stock_shown WHERE sku = :sku AND channel = :channel AND location = :location
"""
_FED = "SELECT location FROM stock_outlets WHERE channel = ?"
_NEW = """
INSERT INTO stock_shown (sku, channel, location, item, grp, variant, state, why, seen)
VALUES (:sku, :channel, :location, :item, :grp, :variant, :state, :why, :seen)
"""
_SEEN = """
UPDATE stock_shown SET grp = :grp, variant = :variant, seen = :seen, faces = 1,
    explained = CASE WHEN state NOT IN ('kept', 'twice') AND :state = 'kept' THEN NULL ELSE explained END,
    state = CASE WHEN state = 'twice' THEN state ELSE :state END,
    why = CASE WHEN state = 'twice' THEN why ELSE :why END,
    due = CASE WHEN :state = 'kept' THEN due END
WHERE sku = :sku AND channel = :channel AND location = :location
"""
_ANOTHER = """
UPDATE stock_shown SET item = :item, grp = :grp, variant = :variant, seen = :seen, faces = 1,
    state = CASE WHEN state = 'twice' THEN state ELSE :state END,
    why = CASE WHEN state = 'twice' THEN why ELSE :why END,
    explained = NULL, answered_at = NULL, dirty = '', writing = NULL, due = NULL, stale = NULL
WHERE sku = :sku AND channel = :channel AND location = :location
"""
_TWICE = """
UPDATE stock_shown SET state = 'twice', faces = faces + 1, why = :why, due = NULL
WHERE sku = :sku AND channel = :channel AND location = :location
"""


def keep_items(tx: sqlite3.Connection, channel: str, read: int, items: Sequence[Kept]) -> None:
    """One page of the read ``read`` (``compares.begin``). Items at locations that nothing feeds are nobody's.

    An item that is new, or new for its SKU, is not anchored. A SKU that stands on two items of one location is left
    alone: which of them is sold is not for us to guess.
    """
    fed = {str(row["location"]) for row in tx.execute(_FED, (channel,)).fetchall()}
    for kept in items:
        if kept.item.location in fed:
            _keep(tx, channel, read, kept)


def _keep(tx: sqlite3.Connection, channel: str, read: int, kept: Kept) -> None:
    item = kept.item
    row = {
        "sku": kept.sku,
        "channel": channel,
        "location": item.location,
        "item": item.item,
        "grp": item.group,
        "variant": item.variant,
        "state": "kept" if item.managed else "left_alone",
        "why": "" if item.managed else item.why,
        "seen": read,
    }
    standing = tx.execute(_STANDING, row).fetchone()
    if standing is None:
        tx.execute(_NEW, row)
    elif standing["seen"] == read and standing["item"] != item.item:
        tx.execute(_TWICE, {**row, "why": f"stands on {standing['item']} and on {item.item}"})
    elif standing["seen"] != read:
        tx.execute(_SEEN if standing["item"] == item.item else _ANOTHER, row)


_MISSING = """
UPDATE stock_shown SET state = 'gone', why = :why, explained = NULL, dirty = '', due = NULL
WHERE sku = :sku AND channel = :channel AND location = :location AND writing IS NULL
"""


def missing(tx: sqlite3.Connection, channel: str, places: Sequence[Place], why: str) -> None:
    """Looked for and not found; the next read of the shelf says whether they are there after all."""
    for sku, location in places:
        tx.execute(_MISSING, {"sku": sku, "channel": channel, "location": location, "why": why})


_LEFT = "SELECT item FROM stock_shown WHERE channel = ? AND item > ? ORDER BY item LIMIT 1 OFFSET ?"
_GONE = """
UPDATE stock_shown SET state = 'gone', why = 'the channel no longer shows it', explained = NULL, dirty = '', due = NULL
WHERE channel = :channel AND item > :after AND item <= :last AND seen <> :read AND state <> 'gone'
"""
_ONCE_AGAIN = """
UPDATE stock_shown SET state = 'kept', why = '', explained = NULL, dirty = ''
WHERE channel = :channel AND item > :after AND item <= :last AND state = 'twice' AND seen = :read AND faces = 1
"""
END_STEP = 2000
LAST_ITEM = "\U0010ffff"


def end_read(tx: sqlite3.Connection, channel: str, read: int, *, after: str = "") -> str | None:
    """The whole shelf was read: what it did not show is gone, what it showed once is twice no more.

    One slice; returns where the next begins, None when that was the last.
    """
    row = tx.execute(_LEFT, (channel, after, END_STEP)).fetchone()
    last = LAST_ITEM if row is None else str(row["item"])
    span = {"channel": channel, "after": after, "last": last, "read": read}
    tx.execute(_GONE, span)
    tx.execute(_ONCE_AGAIN, span)
    return None if row is None else last


_NEXT_ITEM = "SELECT item FROM stock_shown WHERE channel = ? AND item > ? ORDER BY item LIMIT 1 OFFSET ?"
_UNKNOWN = """
UPDATE stock_shown SET explained = NULL, due = NULL, stale = NULL
WHERE channel = :channel AND item > :after AND item <= :last AND location IN (SELECT value FROM json_each(:locations))
"""


def forget(tx: sqlite3.Connection, channel: str, locations: Iterable[str], *, after: str = "") -> str | None:
    """These places are told nothing any more: whoever sets their numbers now, we do not hear of it. One slice; returns
    where the next begins, None when that was the last."""
    row = tx.execute(_NEXT_ITEM, (channel, after, END_STEP)).fetchone()
    last = LAST_ITEM if row is None else str(row["item"])
    places = orjson.dumps(sorted(locations)).decode()
    tx.execute(_UNKNOWN, {"channel": channel, "after": after, "last": last, "locations": places})
    return None if row is None else last


# -- numbers read from the channel -------------------------------------------------------------------------------


_ANCHORABLE = """
SELECT s.item, s.explained, s.maybe, s.answered_at, s.writing, s.dirty, s.state, o.compares, o.reserves, o.takes_off
FROM stock_shown AS s JOIN stock_outlets AS o USING (channel, location)
WHERE s.sku = :sku AND s.channel = :channel AND s.location = :location
"""
_CHANGES = """
SELECT d, since FROM stock_own_changes
WHERE sku = :sku AND channel = :channel AND location IN ('', :location) AND known_at > :asked
"""
_SET = """
UPDATE stock_shown SET explained = :explained, maybe = 0, answered_at = :answered, dirty = :dirty, stale = :stale,
    read_at = CASE WHEN explained IS NOT :explained THEN :answered ELSE read_at END,
    agreed_at = CASE WHEN :agreed THEN :answered ELSE agreed_at END
WHERE sku = :sku AND channel = :channel AND location = :location
"""


def anchor(tx: sqlite3.Connection, channel: str, readings: Sequence[Reading], *, heal: bool) -> list[Anchored]:
    """E is what was read less what came after: only once this channel's orders are known past each reading.

    With ``heal`` False a number that drifted keeps its E: it is told, not corrected.
    """
    judged = ((reading, _anchor(tx, channel, reading, heal=heal)) for reading in readings)
    return [anchored for _, anchored in judged if anchored is not None]


def _anchor(tx: sqlite3.Connection, channel: str, reading: Reading, *, heal: bool) -> Anchored | None:
    at = {"sku": reading.sku, "channel": channel, "location": reading.location}
    row = tx.execute(_ANCHORABLE, at).fetchone()
    if row is None or row["state"] != "kept" or row["item"] != reading.item:
        return None
    asked = stamp(reading.asked)
    if row["writing"] is not None or (row["answered_at"] or "") >= asked:
        return None  # written meanwhile: the answer says what stands there
    after, unsure = _since(tx.execute(_CHANGES, {**at, "asked": asked}).fetchall(), row, reading)
    before = None if row["dirty"] else row["explained"]
    came = Anchored(reading.sku, reading.location, before, reading.shown - after, not unsure)
    _settle(tx, at, row, reading, came, heal=heal)
    return came


def _since(changes: Sequence[sqlite3.Row], row: sqlite3.Row, reading: Reading) -> tuple[int, bool]:
    """The pieces that surely came after the reading, and whether anything may have come before or after."""
    if row["reserves"]:
        return 0, False
    answered = stamp(reading.answered)
    later = [change["d"] for change in changes if change["since"] > answered]
    return sum(later), len(later) < len(changes) or (bool(later) and row["takes_off"] == TakesOff.AT_SHIPMENT)


def _settle(
    tx: sqlite3.Connection, at: dict[str, str], row: sqlite3.Row, reading: Reading, came: Anchored, *, heal: bool
) -> None:
    if not came.sure and (came.explained is not None or row["compares"]):
        return  # what we have is better; where we have nothing, it is read again
    if came.drifted and not heal:
        return
    explained = _not_below(row, came.actual)
    tx.execute(
        _SET,
        {
            **at,
            "explained": explained,
            "answered": stamp(reading.answered),
            "dirty": "" if came.sure else "read while an order changed",
            "stale": None if explained == came.actual else came.actual,
            "agreed": came.sure and came.explained == came.actual,
        },
    )


def _not_below(row: sqlite3.Row, actual: int) -> int:
    """Where a doubtful number is compared, pieces that are missing may be orders that no list shows yet: those that E
    cannot be too great by stay in it, and the next write is made from what was read, so that they stay taken off."""
    if row["compares"] and row["dirty"] and row["explained"] is not None:
        return max(int(row["explained"]) - int(row["maybe"]), actual)
    return actual
