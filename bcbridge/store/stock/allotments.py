"""What is split, asked of the store: who competes for which pieces, and what each may still be showing.

``split.allot`` decides; here its contenders are gathered. A number that was written counts as it was before, too, until
the answer is there *and* that channel's orders are known past it: what was sold meanwhile is in no N yet. Only a
compare that succeeded frees pieces at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson

from bcbridge.store.stamps import stamp
from bcbridge.store.stock.reckoning import Books, Place, Shown, percentage
from bcbridge.store.stock.split import Contender, Room, allot

SKU = tuple[str, str, str]
"""(sku, channel, location)."""
LONGEST_CALL = timedelta(hours=2)
"""No write takes longer from its intent to its end, settling and doubt included."""
ON_SHOW = frozenset({"kept", "refused", "twice"})
"""States of a number that sells pieces of ours, whether or not it may be written."""
OPEN = frozenset({"under_way", "settling"})
"""States of a write whose number is to be expected."""

_SINCE = "SELECT id FROM stock_writes WHERE made_at >= ? ORDER BY made_at LIMIT 1"
_WRITTEN = """
SELECT r.sku, w.channel, r.location, w.kind, w.state, w.ended_at, r.number, r.explained
FROM json_each(:skus) t CROSS JOIN stock_write_rows r ON r.sku = t.value AND r.write_id >= :first
JOIN stock_writes w ON w.id = r.write_id
WHERE w.state <> 'not_sent'
"""


class Written(NamedTuple):
    kind: str
    state: str
    ended_at: str | None
    number: int
    explained: int | None

    @property
    def most(self) -> int:
        return max(self.number, self.explained or 0)


def targets(tx: sqlite3.Connection, books: Books, shown: Sequence[Shown], *, now: datetime) -> dict[SKU, int]:
    """The targets of what is split, by (sku, channel, location). Rows whose figures are not known have none.

    Always in the same order, so that shares are the same each time; packs first: single pieces left over are nothing
    to them.
    """
    split = books.split()
    rows = [row for row in shown if row.sku in split and row.state in ON_SHOW and _known(books, row)]
    rows.sort(key=lambda row: (-max(books.parts(row.sku).values()), row[:3]))
    written = _written(tx, books, {row.sku for row in rows}, now)
    return {
        row[:3]: target
        for group in _groups(books, rows)
        for row, target in zip(group, _allot(books, group, written), strict=True)
    }


def _known(books: Books, row: Shown) -> bool:
    place = books.places.get((row.channel, row.location))
    return place is not None and books.pooled(row.sku, place).free is not None


def _allot(books: Books, rows: Sequence[Shown], written: Mapping[SKU, Sequence[Written]]) -> list[int]:
    free = _free(books, rows)
    contenders = [_contender(books, row, written.get(row[:3], ()), free) for row in rows]
    reserved = (books.reserved(row.sku, _place(books, row)) for row in rows)
    return [target + kept for target, kept in zip(allot(contenders, free), reserved, strict=True)]


def _contender(books: Books, row: Shown, written: Sequence[Written], free: Iterable[Room]) -> Contender:
    place = _place(books, row)
    kept = books.reserved(row.sku, place)
    shown = max(0, (row.explained or 0) - kept)
    on_its_way = [one.number for one in written if row.writing is not None and one.state in OPEN]
    still = [max(0, one.most - kept) for one in written if _still_counts(one, row, place)]
    return Contender(
        takes={room: per for part, per in books.parts(row.sku).items() for room in free if _in_room(place, part, room)},
        weight=place.weight,
        explained=None if row.explained is None or row.state != "kept" else row.explained - kept,
        expected=max(0, on_its_way[-1] - kept) if on_its_way else shown,
        held=max([shown, *still]),
        limit=_limit(books, row.sku, place),
        blind=not place.compares,
        open=row.writing is None and not row.dirty,
    )


def _still_counts(one: Written, row: Shown, place: Place) -> bool:
    if one.ended_at is None or one.state not in ("answered", "lost"):
        return True
    if row.dirty and one.ended_at >= (row.answered_at or ""):
        return True
    return one.kind != "compare" and one.ended_at >= place.known_upto


def _limit(books: Books, sku: str, place: Place) -> int:
    rule = books.rule(sku, place)
    if rule.stop or books.inactive(sku, place):
        return 0
    free = max(0, books.pooled(sku, place).free or 0)
    return free if rule.cap is None else min(rule.cap, free)


# -- who competes with whom ----------------------------------------------------------------------------------------


def _free(books: Books, rows: Sequence[Shown]) -> dict[Room, int]:
    """What each pool has of each part, less what a person wants held back of it. A room: (erp, part, pool)."""
    free: dict[Room, int] = {}
    for row in rows:
        place = _place(books, row)
        for part, per in books.parts(row.sku).items():
            left = _left(books, row.sku, part, per, place)
            room = (place.erp, part, place.pool)
            free[room] = min(left, free.get(room, left))
    return free


def _left(books: Books, sku: str, part: str, per: int, place: Place) -> int:
    pooled, rule = books.part(part, 1, place), books.rule(sku, place)
    pieces = pooled.x - pooled.n
    return pieces - per * rule.fixed - percentage(pieces, rule.percent)


def _in_room(place: Place, part: str, room: Room) -> bool:
    """Whether the place's pool shares a warehouse with the room's."""
    assert isinstance(room, tuple)
    erp, of, pool = room
    return bool(erp == place.erp and of == part and not set(pool).isdisjoint(place.pool))


def _groups(books: Books, rows: Sequence[Shown]) -> list[list[Shown]]:
    """Rows that compete with each other, by the parts they share."""
    heads: dict[str, str] = {}

    def head(part: str) -> str:
        while heads.setdefault(part, part) != part:
            part = heads[part]
        return part

    for row in rows:
        first, *others = books.parts(row.sku)
        for other in others:
            heads[head(other)] = head(first)
    groups: dict[str, list[Shown]] = {}
    for row in rows:
        groups.setdefault(head(next(iter(books.parts(row.sku)))), []).append(row)
    return list(groups.values())


def _place(books: Books, row: Shown) -> Place:
    return books.places[row.channel, row.location]


# -- what was written ----------------------------------------------------------------------------------------------


def _written(tx: sqlite3.Connection, books: Books, skus: Collection[str], now: datetime) -> dict[SKU, list[Written]]:
    """Writes of these SKUs that may still count, by number, in the order in which they were made."""
    known = [place.known_upto for place in books.places.values()]
    since = "" if "" in known else min([stamp(now - LONGEST_CALL), *(_before(upto) for upto in known)])
    first = tx.execute(_SINCE, (since,)).fetchone()
    found: dict[SKU, list[Written]] = {}
    if first is not None:
        given = {"skus": orjson.dumps(sorted(skus)).decode(), "first": first[0]}
        for sku, channel, location, *written in tx.execute(_WRITTEN, given):
            found.setdefault((sku, channel, location), []).append(Written(*written))
    return found


def _before(upto: str) -> str:
    return stamp(datetime.fromisoformat(upto) - LONGEST_CALL)
