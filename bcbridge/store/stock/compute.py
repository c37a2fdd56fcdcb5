"""What each channel is to show, and which numbers are due to be told: computed in the unit that changed something.

``mark`` runs inside a look, a page of figures, an answer, a change of rules: it takes the touched SKUs through
``reckoning``, stores their targets and says which rows are due. ``reckon`` says of the same numbers how they came
about; both ask the same ``Books``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import orjson

from bcbridge.store.db import Readers
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import allotments
from bcbridge.store.stock.promise import number as number
from bcbridge.store.stock.reckoning import SPEED_WINDOW, Books, Place, Shown, percentage, related

SLICE = 100
"""SKUs computed in one unit at most, where a caller has many."""
WAITS = timedelta(seconds=3)
"""How long a fall that leaves plenty waits for others; the nearest to zero goes first."""
PLENTY = 12
FALLS_TO_LITTLE, FALLS, RISES, AGAIN = 0, 1, 2, 9
"""Urgency, in ``stock_shown.due``: must fall to 12 or less, or is doubtful and low; other falls; raises; told again
though nothing differs."""

_SHOWN = """
SELECT s.sku, s.channel, s.location, s.state, s.explained, s.dirty, s.writing, s.answered_at, s.target, s.due,
    s.due_at
FROM json_each(?) t CROSS JOIN stock_shown s ON s.sku = t.value
"""
_SET = "UPDATE stock_shown SET target = ?, due = ?, due_at = ? WHERE sku = ? AND channel = ? AND location = ?"


def mark(tx: sqlite3.Connection, skus: Collection[str], *, now: datetime) -> frozenset[str]:
    """Compute the targets of these SKUs, and of packs that share a part with them, in every outlet.

    Rows whose write is under way are left as they are: they are marked when its answer comes. Rows that are not ours
    to write, or not anchored yet, get their target and are never due. Returns the channels in which something became
    due, or due sooner. The work grows with the number of SKUs: SLICE at most in one unit.
    """
    return _marked(tx, skus, now)[0] if skus else frozenset()


def _marked(tx: sqlite3.Connection, skus: Collection[str], now: datetime) -> tuple[frozenset[str], Books]:
    books = Books(tx, skus, now=now)
    if split := books.split():
        books = Books(tx, related(tx, books.skus), now=now)
    shown = [Shown._make(row) for row in tx.execute(_SHOWN, (_json(books.skus),))]
    allotted = allotments.targets(tx, books, shown, now=now) if split else {}
    moments = stamp(now), stamp(now + WAITS)
    changes = [
        (*after, row.sku, row.channel, row.location)
        for row in shown
        if row.writing is None and (after := _after(row, _target(books, row, allotted), *moments)) != row[-3:]
    ]
    tx.executemany(_SET, changes)
    return frozenset(channel for _, due, _, _, channel, _ in changes if due is not None), books


def _target(books: Books, row: Shown, allotted: Mapping[tuple[str, str, str], int]) -> int | None:
    place = books.places.get((row.channel, row.location))
    number = None if place is None else books.number(row.sku, place)
    return number if number is None else allotted.get(row[:3], number)


def _after(row: Shown, target: int | None, at: str, later: str) -> tuple[int | None, int | None, str | None]:
    """The row's target, urgency and the moment from which it is due."""
    due = _urgency(row, target)
    if due is None:
        return target, None, None
    due_at = later if due == FALLS and _leaves_plenty(row, target) else at
    return target, due, min(due_at, row.due_at) if row.due is not None and row.due_at else due_at


def _urgency(row: Shown, target: int | None) -> int | None:
    """How soon the row must be written; None where nothing calls for it: each write is a risk."""
    if target is None or row.explained is None or row.state != "kept":
        return None
    if not row.dirty and target == row.explained:
        return AGAIN if row.due == AGAIN else None
    if not row.dirty and target > row.explained:
        return RISES
    return FALLS_TO_LITTLE if target <= PLENTY else FALLS


def _leaves_plenty(row: Shown, target: int | None) -> bool:
    explained, target = row.explained or 0, target or 0
    return not row.dirty and target < explained and (explained - target) * 4 < explained


# -- numbers that change though nobody touched them ----------------------------------------------------------------

_HURRIES = "SELECT EXISTS (SELECT 1 FROM stock_rules WHERE velocity = 1)"
_COOLED = "SELECT DISTINCT sku FROM stock_demand WHERE seen_at >= :after AND seen_at < :before ORDER BY sku"


def cooled(tx: sqlite3.Connection, *, since: datetime, now: datetime) -> list[str]:
    """A buffer by speed falls when nobody buys: SKUs that were sold lately and no longer count as sold lately.

    ``since``: when this was asked last. They are to be marked.
    """
    if not tx.execute(_HURRIES).fetchone()[0]:
        return []
    given = {"after": stamp(since - SPEED_WINDOW), "before": stamp(now - SPEED_WINDOW)}
    return [row[0] for row in tx.execute(_COOLED, given)]


async def last_sale(reads: Readers) -> datetime | None:
    """When the last order was seen that asks for anything."""
    row = await reads.row("SELECT max(seen_at) AS at FROM stock_demand")
    return moment(row["at"]) if row is not None and row["at"] else None


_SPLITS = "SELECT EXISTS (SELECT 1 FROM stock_rules WHERE split = 1)"
_TAKEN_BACK = """
SELECT DISTINCT r.sku FROM stock_writes w JOIN stock_write_rows r ON r.write_id = w.id
WHERE w.made_at >= :made AND w.made_at < :upto AND w.channel = :channel AND w.kind <> 'compare'
  AND w.ended_at >= :after AND w.ended_at < :upto AND r.number < coalesce(r.explained, r.number + 1)
ORDER BY r.sku
"""


def freed(tx: sqlite3.Connection, channel: str, *, after: datetime, upto: datetime) -> list[str]:
    """This channel's orders are known past ``upto``, and were past ``after`` before: SKUs that are split and were taken
    back from it between the two. Their pieces may be given to others now: they are to be marked."""
    if not tx.execute(_SPLITS).fetchone()[0]:
        return []
    made = stamp(after - allotments.LONGEST_CALL)
    given = {"made": made, "after": stamp(after), "upto": stamp(upto), "channel": channel}
    return [row[0] for row in tx.execute(_TAKEN_BACK, given)]


T = TypeVar("T")


def slices(many: Sequence[T], size: int = SLICE) -> Iterator[Sequence[T]]:
    """Many SKUs or rows, cut for units that stay short."""
    return (many[at : at + size] for at in range(0, len(many), size))


def _json(values: Collection[str]) -> str:
    return orjson.dumps(list(values)).decode()


# -- the same numbers, with their reasons --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How the number of one SKU in one outlet comes about. For a pack, ``figure`` and ``n`` are those of its scarcest
    part, of which one pack takes ``per``."""

    sku: str
    channel: str
    location: str
    number: int | None
    """None: the ERP's figures were not read yet."""
    part: str
    per: int
    figure: int
    as_of: str
    """Of the oldest figure of the pool; a stamp, "" where there is none."""
    n: int
    fixed: int
    share: int
    speed: int
    cap: int | None
    stop: bool
    inactive: bool
    split: bool
    reserved: int
    why: str

    @property
    def buffer(self) -> int:
        return self.fixed + self.share + self.speed


def reckon(tx: sqlite3.Connection, skus: Collection[str], *, now: datetime, channel: str = "") -> tuple[Reckoning, ...]:
    """The numbers of these SKUs with their terms, in one channel or in all."""
    return _reckoned(Books(tx, skus, now=now), skus, channel)


class Why(NamedTuple):
    """Of a reckoning, what is kept beside a number that is told."""

    part: str
    figure: int
    as_of: str
    n: int
    buffer: int


def mark_and_explain(
    tx: sqlite3.Connection, skus: Collection[str], *, now: datetime, channel: str
) -> dict[tuple[str, str], Why]:
    """Both, from one reading: by SKU and location of this channel."""
    books = _marked(tx, skus, now)[1]
    places = [place for place in books.places.values() if place.channel == channel]
    return {(sku, place.location): _why(books, sku, place) for sku in skus for place in places}


def _why(books: Books, sku: str, place: Place) -> Why:
    pooled, rule = books.pooled(sku, place), books.rule(sku, place)
    share = percentage(pooled.free or 0, rule.percent) if rule.percent else 0
    speed = books.speed(sku, place) if rule.speed else 0
    return Why(pooled.part, pooled.x, pooled.as_of, pooled.n, rule.fixed + share + speed)


def _reckoned(books: Books, skus: Collection[str], channel: str) -> tuple[Reckoning, ...]:
    places = [place for place in books.places.values() if channel in ("", place.channel)]
    return tuple(_reckoning(books, sku, place) for sku in sorted(skus) for place in places)


def _reckoning(books: Books, sku: str, place: Place) -> Reckoning:
    pooled, rule = books.pooled(sku, place), books.rule(sku, place)
    return Reckoning(
        sku=sku,
        channel=place.channel,
        location=place.location,
        number=books.number(sku, place),
        part=pooled.part,
        per=pooled.per,
        figure=pooled.x,
        as_of=pooled.as_of,
        n=pooled.n,
        fixed=rule.fixed,
        share=percentage(pooled.free or 0, rule.percent),
        speed=books.speed(sku, place) if rule.speed else 0,
        cap=rule.cap,
        stop=bool(rule.stop),
        inactive=books.inactive(sku, place),
        split=bool(rule.split),
        reserved=books.reserved(sku, place),
        why=rule.why,
    )
