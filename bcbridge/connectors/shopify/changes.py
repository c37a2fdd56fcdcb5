"""Which orders changed: lists by ``updated_at``, read forward with their cursor, from a little before our own mark.

Their cursor is a keyset (the last row's sort value and id), so a row that changes while we page moves ahead of us and
is met again; none vanishes, and any number of equal stamps is no trouble. But it ends 25,000 rows deep, and the list
is served by an index that lags (contracts/shopify/NOTES.md 1.4, 1.6). Hence our own cursor, two stamps of theirs:

- ``updated``: the newest stamp seen. A *near* pass starts half a minute before it.
- ``settled``: the newest stamp a *deep* pass has gone over. A deep pass starts ``overlap_seconds`` before it, so
  every row is listed once more after the index has had so long to catch up.

Deep passes follow one another as soon as they take no more than a tenth of the time, and at the latest after a third
of the overlap: in a quiet shop every pass is deep; in a rush the points go to what is new. What a deep pass has gone
over four overlaps after its newest stamp was first seen is final, and not listed again: a quiet shop costs nothing.

A row lies where the index had it and shows the stamp of now: one that changed a moment ago stands among old ones with
the newest stamp of all. So only the end of a list reaches to the newest stamp seen; a page with more behind it reaches
to the oldest stamp on it, and a pass that broke off there goes on from there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import orjson
from pydantic import ValidationError

from bcbridge.connectors.base import Cursor, Head, Page
from bcbridge.connectors.budget import Share
from bcbridge.connectors.shopify.client import Client, Data
from bcbridge.connectors.shopify.wire import Gid, Wire
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import Ref
from bcbridge.model.record import Moment

DEEPEST_ROWS = 20_000
"""A walk with their cursor is begun anew before it is 25,000 rows deep."""
NEAR_PART = 30
"""A near pass starts a thirtieth of the overlap before the newest stamp."""
FINAL_AFTER = 4
"""What was gone over so many overlaps after its newest stamp was first seen is not listed again."""
REST_PER_WORK = 9
"""A deep pass of a second is followed by nine without one."""
ONE_STAMP = timedelta(seconds=1)
"""Their stamps are whole seconds."""
BEGINNING = datetime(2004, 1, 1, tzinfo=UTC)
"""Older than any shop."""


class _OrderNode(Wire):
    id: Gid
    updated_at: Moment
    created_at: Moment


class _FulfillmentOrderNode(Wire):
    order_id: Gid
    updated_at: Moment


def _order_head(node: Data) -> Head:
    read = _OrderNode.model_validate(node)
    return Head(Ref(read.id), read.updated_at, read.created_at)


def _fulfilment_order_head(node: Data) -> Head:
    """The order it belongs to, under the fulfilment order's own stamp."""
    read = _FulfillmentOrderNode.model_validate(node)
    return Head(Ref(read.order_id), read.updated_at)


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of theirs: which document asks for it, where its rows are, what they filter and sort by."""

    document: str
    field: str
    filter: str
    read: Callable[[Data], Head]
    stamp: Callable[[Head], datetime]
    fixed: Mapping[str, object]


UPDATED_ORDERS = Listing(
    "changed_orders", "orders", "updated_at", _order_head, lambda head: head.modified, {"sortKey": "UPDATED_AT"}
)
CREATED_ORDERS = Listing(
    "changed_orders",
    "orders",
    "created_at",
    _order_head,
    lambda head: head.created or head.modified,
    {"sortKey": "CREATED_AT"},
)
FULFILMENT_ORDERS = Listing(
    "changed_fulfilment_orders",
    "fulfillmentOrders",
    "updated_at",
    _fulfilment_order_head,
    lambda head: head.modified,
    {},
)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a list was read: the newest stamp seen, and the newest one gone over by a deep pass."""

    updated: datetime
    settled: datetime

    @classmethod
    def at(cls, cursor: Cursor, *, since: datetime) -> Self:
        """From a stored cursor; from ``since`` where there is none."""
        if not cursor:
            return cls(since, since)
        stored = orjson.loads(cursor)
        return cls(datetime.fromisoformat(stored["updated"]), datetime.fromisoformat(stored["settled"]))

    def cursor(self) -> Cursor:
        return orjson.dumps({"updated": self.updated, "settled": self.settled}).decode()

    def up_to(self, reached: datetime, *, deep: bool) -> Self:
        settled = max(self.settled, reached) if deep else self.settled
        return type(self)(max(self.updated, reached), settled)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One page of heads, with more of the list behind it or not."""

    heads: tuple[Head, ...]
    more: bool


class ChangeList:
    """A HeadList over one listing. What it remembers only decides how deep the next pass goes."""

    def __init__(
        self,
        name: str,
        client: Client,
        listing: Listing,
        *,
        page_size: int,
        overlap: timedelta,
        now: Callable[[], datetime],
        since: datetime = BEGINNING,
    ) -> None:
        self.name = name
        self._client = client
        self._listing = listing
        self._page_size = page_size
        self._overlap = overlap
        self._now = now
        self._since = since
        self._deep_again: datetime | None = None
        self._newest: tuple[datetime, datetime] = (BEGINNING, BEGINNING)
        """Their newest stamp, and when (by our clock) we first saw it: only the time since then is measured."""
        self._final = BEGINNING

    async def pages(self, since: Cursor) -> AsyncIterator[Page]:
        """From ``since``, less the overlap, to the present. The first pass of a process, and one after a pass that
        broke off, is deep."""
        mark, began = Mark.at(since, since=self._since), self._now()
        deep_again, self._deep_again = self._deep_again, None
        deep, newest = deep_again is None or began >= deep_again, mark.updated
        async for stretch in self._walk(mark, deep=deep):
            stamps = [head.modified for head in stretch.heads]
            newest = max(newest, *stamps)
            mark = mark.up_to(min(stamps) if stretch.more else newest, deep=deep)
            yield Page(stretch.heads, (), mark.cursor())
        self._deep_again = self._next_deep(began) if deep else deep_again
        self._look_back(mark, began, deep=deep)

    def _look_back(self, mark: Mark, began: datetime, *, deep: bool) -> None:
        newest, seen = self._newest
        if newest != mark.updated:
            self._newest = (mark.updated, self._now())
        elif deep and self._overlap and began >= seen + FINAL_AFTER * self._overlap:
            self._final = newest

    def _walk(self, mark: Mark, *, deep: bool) -> AsyncIterator[Stretch]:
        floor = mark.settled - self._overlap if deep else mark.updated - self._overlap / NEAR_PART
        if mark.updated >= self._final:  # a cursor from before it is read again as it asks
            floor = max(floor, self._final + ONE_STAMP)
        return walk(self._client, self._listing, floor, page_size=self._page_size, overlap=self._overlap)

    def _next_deep(self, began: datetime) -> datetime:
        ended = self._now()
        return ended + min(self._overlap / 3, (ended - began) * REST_PER_WORK)


async def created_orders(client: Client, created_from: datetime, *, page_size: int) -> AsyncIterator[Page]:
    """Every order created at or after a moment, oldest first, at low priority."""
    rows = walk(client, CREATED_ORDERS, created_from, page_size=page_size, overlap=timedelta(), share=Share.BULK)
    async for stretch in rows:
        yield Page(stretch.heads, (), orjson.dumps({"created": CREATED_ORDERS.stamp(stretch.heads[-1])}).decode())


async def walk(
    client: Client,
    listing: Listing,
    floor: datetime,
    *,
    page_size: int,
    overlap: timedelta,
    share: Share = Share.NORMAL,
) -> AsyncIterator[Stretch]:
    """Every row from ``floor`` on, a page at a time; begun anew further on before their cursor ends."""
    while True:
        rows, last, more = 0, floor, False
        variables = {**listing.fixed, "q": f"{listing.filter}:>='{_moment(floor)}'"}
        pages = client.slices(listing.document, variables, listing.field, first=page_size, share=share)
        async for found, _ in pages:
            heads = _heads(listing, found.nodes)
            if heads:
                last = min((stamp for stamp in map(listing.stamp, heads) if stamp > floor), default=last)
                yield Stretch(heads, found.more)
            rows, more = rows + len(heads), found.more
            if rows >= DEEPEST_ROWS:
                break
        if not more:
            return
        floor = _further(floor, last, overlap)


def _heads(listing: Listing, nodes: Sequence[Data]) -> tuple[Head, ...]:
    try:
        return tuple(listing.read(node) for node in nodes)
    except ValidationError:
        raise OpenCircuit(f"a row of {listing.field} does not read", by_content=True) from None


def _further(floor: datetime, last: datetime, overlap: timedelta) -> datetime:
    """Where to begin anew: an overlap before the last page's oldest stamp, for the index may lag; at it if that is no
    further."""
    if last <= floor:
        raise OpenCircuit(f"more than {DEEPEST_ROWS} rows of one stamp cannot be listed", by_content=True)
    return last - overlap if last - overlap > floor else last


def _moment(moment: datetime) -> str:
    """As their search reads it: whole seconds, rounded down, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
