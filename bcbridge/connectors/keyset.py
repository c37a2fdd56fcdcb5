"""Lists sorted by a stamp that moves while they are read: always page 1, from the last stamp seen.

Asked for page 2, a list that moved has one row less in front of it: the first row of page 2 was never shown. So each
page is asked for as page 1 again, beginning at the last page's last stamp; rows shown twice are dropped. Only where a
whole page carries one single stamp are further pages asked for, within that stamp, and then all of them once more
backwards, from the last to the first: a row that leaves the stamp has moved ahead and is met there, and those it lets
move up come towards the pages still to be read. Stamps are whole seconds.

For systems whose list is their database, not an index beside it (contracts/woo_bigcommerce_magento.md 1.2, 5.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from bcbridge.connectors.base import Cursor, Head, Page
from bcbridge.errors import OpenCircuit

BEGINNING = datetime(2004, 1, 1, tzinfo=UTC)
"""Older than any shop."""
MOST_PAGES_OF_ONE_STAMP = 200
MOST_ROUNDS = 20
"""So often the pages of one stamp are read again because on the way back they showed something new."""
FARTHEST_AHEAD = timedelta(days=1)
"""A stamp farther ahead of our clock is of a clock of theirs that was wrong."""

Ask = Callable[[datetime, int], Awaitable[Sequence[Head]]]
"""``(floor, page)`` -> the rows stamped at ``floor`` or later, oldest first, that page of them (from 1)."""
Stamp = Callable[[Head], datetime]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows not shown before in this pass, and how far the list is read with them."""

    heads: tuple[Head, ...]
    reached: datetime


class KeysetList:
    """A HeadList over one list of theirs. Its cursor is the newest stamp seen; a pass begins ``overlap`` before it,
    for rows that were committed later than they are stamped.

    No stamp far ahead of ``now`` becomes the cursor: one order that was saved while a server's clock was wrong would
    hide all that comes after it.
    """

    def __init__(
        self,
        name: str,
        ask: Ask,
        *,
        page_size: int,
        overlap: timedelta,
        now: Callable[[], datetime],
        since: datetime = BEGINNING,
    ) -> None:
        self.name = name
        self._ask = ask
        self._page_size = page_size
        self._overlap = overlap
        self._since = since
        self._now = now

    async def pages(self, since: Cursor) -> AsyncIterator[Page]:
        """From ``since``, less the overlap, to the present."""
        mark = datetime.fromisoformat(orjson.loads(since)["modified"]) if since else self._since
        floor = mark - self._overlap if since else mark
        async for stretch in walk(self._ask, floor, page_size=self._page_size, stamp=modified):
            mark = max(mark, self._believed(stretch))
            yield Page(stretch.heads, (), orjson.dumps({"modified": mark}).decode())

    def _believed(self, stretch: Stretch) -> datetime:
        latest = self._now() + FARTHEST_AHEAD
        return max((head.modified for head in stretch.heads if head.modified <= latest), default=BEGINNING)


def modified(head: Head) -> datetime:
    return head.modified


def created(head: Head) -> datetime:
    return head.created or head.modified


async def walk(ask: Ask, floor: datetime, *, page_size: int, stamp: Stamp) -> AsyncIterator[Stretch]:
    """Every row stamped at ``floor`` or later, a page at a time. Raises what ``ask`` raises, and OpenCircuit where a
    stamp has more rows than can be read."""
    shown: set[tuple[str, datetime]] = set()
    while True:
        rows = await ask(floor, 1)
        heads = _new(rows, shown, stamp)
        if len(rows) < page_size:
            if heads:
                yield Stretch(heads, max(map(stamp, heads)))
            return
        last = stamp(rows[-1])
        if last > floor:
            if heads:
                yield Stretch(heads, last)
            floor = last
            shown = {one for one in shown if one[1] >= floor}
            continue
        heads += await _within(ask, floor, page_size, shown, stamp)
        if heads:
            yield Stretch(heads, floor)
        floor += timedelta(seconds=1)


async def _within(
    ask: Ask, floor: datetime, page_size: int, shown: set[tuple[str, datetime]], stamp: Stamp
) -> tuple[Head, ...]:
    """The rest of the rows of one stamp: there to their end, and back; again where the way back showed any."""
    found: tuple[Head, ...] = ()
    for _ in range(MOST_ROUNDS):
        there, last = await _there(ask, floor, page_size, shown, stamp)
        back = await _back(ask, floor, last, shown, stamp)
        found += there + back
        if not back:
            return found
    raise OpenCircuit(f"the rows of one stamp ({floor}) do not come to rest", by_content=True)


async def _there(
    ask: Ask, floor: datetime, page_size: int, shown: set[tuple[str, datetime]], stamp: Stamp
) -> tuple[tuple[Head, ...], int]:
    """What is new from the first page on, and the last page that can hold rows of the stamp."""
    found: tuple[Head, ...] = ()
    for page in range(1, MOST_PAGES_OF_ONE_STAMP + 1):
        rows = await ask(floor, page)
        found += _new([row for row in rows if stamp(row) <= floor], shown, stamp)
        if len(rows) < page_size or stamp(rows[-1]) > floor:
            return found, page
    raise OpenCircuit(f"more than {MOST_PAGES_OF_ONE_STAMP} pages of one stamp ({floor})", by_content=True)


async def _back(
    ask: Ask, floor: datetime, last: int, shown: set[tuple[str, datetime]], stamp: Stamp
) -> tuple[Head, ...]:
    """What is new from the last page to the first; none that stays can pass unseen."""
    found: tuple[Head, ...] = ()
    for page in range(last, 0, -1):
        rows = await ask(floor, page)
        found += _new([row for row in rows if stamp(row) <= floor], shown, stamp)
    return found


def _new(rows: Sequence[Head], shown: set[tuple[str, datetime]], stamp: Stamp) -> tuple[Head, ...]:
    new = tuple(row for row in rows if (row.ref, stamp(row)) not in shown)
    shown.update((row.ref, stamp(row)) for row in new)
    return new
