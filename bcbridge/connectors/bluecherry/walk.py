"""Reading a list of which neither the order nor the length is known, while it moves (NOTES.md 1.1).

There is no total, no next-link and no documented order, only page numbers, so rows can slip past: when a row that was
read leaves its place, all behind it move up by one, and one of them crosses from the page we ask next to the page we
have. A walk therefore ends only when it is proven whole: it fitted into one page, or its keys rose all the way (rows
that change place in such a list come again at its end, out of order), or another pass from page one found nothing
that the earlier passes had missed.

The filter stays the same for a whole walk: moving it up from page to page would lose rows in any list that is not
sorted by stamp, and rows that share a stamp in any other. The end of a list is a page shorter than the longest this
ERP has shown, not than the one we asked for: its ceiling differs by resource.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.documents import Cursor

PASSES = 3
"""A list that still moves after so many passes is left to the next poll and the sweep."""
MAX_PAGES = 20_000
IGNORED_FILTER = timedelta(hours=36)
"""Rows so much older than the filter asks for show that it is ignored; less may be a coarse comparison."""
FUTURE = timedelta(days=1)
"""A stamp further ahead than this is bad data; it must not move the cursor past what comes until then."""


@dataclass(frozen=True, slots=True)
class Row:
    """One header row as it came. ``key`` and ``stamp`` are None in a row that is not one."""

    fields: Mapping[str, Any]
    key: str | None
    stamp: datetime | None


@dataclass(frozen=True, slots=True)
class Rows:
    """One page, and when it was asked for."""

    rows: Sequence[Row]
    asked: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk under way stands: before ``page``, behind the row ``last``; ``top`` while keys rise."""

    after: str
    page: int = 1
    last: str = ""
    top: int | None = -1


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a list was read: ``high`` is the newest stamp seen, ``place`` is None between walks."""

    high: str = ""
    place: Place | None = None

    def cursor(self) -> Cursor:
        return orjson.dumps(self).decode()

    @classmethod
    def of(cls, cursor: Cursor) -> Mark:
        """A cursor that is not ours (an older layout, a mishap) starts from the beginning: that repeats at most."""
        try:
            said = orjson.loads(cursor or "{}")
            place = said.get("place")
            return cls(said.get("high", ""), None if place is None else Place(**place))
        except (ValueError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows of one page that this walk had not seen, and the mark behind them."""

    rows: tuple[Row, ...]
    asked: datetime
    mark: Mark
    whole: bool = False
    """At the end of the walk: whether it is proven to have shown every row."""


Ask = Callable[[datetime | None, int], Awaitable[Rows]]
"""The page of this number (from 1) of the rows changed after a local stamp (None: of all rows)."""


@dataclass(slots=True)
class Longest:
    """The longest page a resource has shown; kept between walks."""

    rows: int = 0

    def note(self, page: Sequence[Row]) -> None:
        self.rows = max(self.rows, len(page))

    def ends(self, page: Sequence[Row]) -> bool:
        """Whether nothing comes behind this page."""
        self.note(page)
        return not page or len(page) < self.rows


@dataclass(slots=True)
class Walk:
    """One walk from a mark to the present. ``pages()`` is used once."""

    ask: Ask
    clock: ErpClock
    longest: Longest
    now: datetime
    _seen: set[tuple[str | None, datetime | None]] = field(default_factory=set)
    _high: str = ""

    async def pages(self, since: Mark) -> AsyncIterator[Stretch]:
        """Ends when caught up; each page's mark may be resumed from and repeats at most."""
        self._high = since.high
        start = await self._resumed(since.place) if since.place else self._fresh(since.high)
        for number in range(PASSES):
            last_pass = number == PASSES - 1
            async for stretch in self._pass(start, last_pass=last_pass):
                yield stretch
                if stretch.mark.place is None:
                    return
            start = Place(start.after)

    def _fresh(self, high: str) -> Place:
        return Place(self.clock.reread_from(datetime.fromisoformat(high)).isoformat() if high else "")

    async def _resumed(self, place: Place) -> Place:
        """Go on where the walk stood, if what was read before it has not moved since."""
        if place.page == 1:
            return place
        before = await self.ask(_stamp(place.after), place.page - 1)
        self.longest.note(before.rows)
        unmoved = bool(before.rows) and _last(before.rows) == place.last
        return place if unmoved else Place(place.after)

    async def _pass(self, place: Place, *, last_pass: bool) -> AsyncIterator[Stretch]:
        """One pass from ``place`` to the end; the mark of its last stretch has no place if the walk is whole."""
        missed, previous = False, None
        known_before, whole_before = set(self._seen), self._high
        while place.page <= MAX_PAGES:
            page = await self.ask(_stamp(place.after), place.page)
            self._check(page.rows, place, previous)
            previous = page.rows
            new = self._take(page)
            missed = missed or any(_slipped(row, known_before, whole_before) for row in new)
            ended = self.longest.ends(page.rows)
            place = _behind(place, page.rows)
            if ended:
                one_page = place.page == 2 or (place.page == 3 and not page.rows)
                whole = one_page or _whole(place, missed, repeated=bool(known_before))
                mark = Mark(self._high) if whole or last_pass else Mark(self._high, Place(place.after))
                yield Stretch(new, page.asked, mark, whole)
                return
            if new:
                yield Stretch(new, page.asked, Mark(self._high, place))
        raise OpenCircuit(f"a list did not end within {MAX_PAGES} pages", by_content=True)

    def _take(self, page: Rows) -> tuple[Row, ...]:
        """The rows not seen in this walk, noted as seen; the newest believable stamp is remembered."""
        latest = self.clock.local(self.now) + FUTURE
        new = []
        for row in page.rows:
            seen = (row.key, row.stamp)
            if row.key is None or seen not in self._seen:
                new.append(row)
                self._seen.add(seen)
            if row.stamp is not None and row.stamp <= latest:
                self._high = max(self._high, row.stamp.isoformat())
        return tuple(new)

    @staticmethod
    def _check(rows: Sequence[Row], place: Place, previous: Sequence[Row] | None) -> None:
        if rows and previous is not None and [row.key for row in rows] == [row.key for row in previous]:
            text = f"page {place.page} of a list repeats the one before it: are page numbers ignored?"
            raise OpenCircuit(text, by_content=True)
        after = _stamp(place.after)
        if after is not None and any(row.stamp and row.stamp < after - IGNORED_FILTER for row in rows):
            raise Retry("a list holds rows older than its filter asked for: is the filter ignored?")


def _whole(place: Place, missed: bool, *, repeated: bool) -> bool:
    return place.top is not None or (repeated and not missed)


def _slipped(row: Row, known: set[tuple[str | None, datetime | None]], high: str) -> bool:
    """A row that an earlier pass should have shown: not changed since that pass began."""
    return bool(known) and row.stamp is not None and row.stamp.isoformat() <= high


def _behind(place: Place, rows: Sequence[Row]) -> Place:
    return replace(place, page=place.page + 1, last=_last(rows), top=_rising(place.top, rows))


def _rising(top: int | None, rows: Sequence[Row]) -> int | None:
    """The highest key if keys have risen from ``top`` through all these rows, else None."""
    for row in rows:
        if top is None or row.key is None or not row.key.isdigit() or int(row.key) <= top:
            return None
        top = int(row.key)
    return top


def _last(rows: Sequence[Row]) -> str:
    return (rows[-1].key or "") if rows else ""


def _stamp(after: str) -> datetime | None:
    return datetime.fromisoformat(after) if after else None
