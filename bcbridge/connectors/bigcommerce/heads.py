"""Which orders changed: the v2 list by ``date_modified``, and by ``date_created`` for a sweep.

Whether ``min_date_modified`` includes its own second is not stated, so it is asked for a second early; what comes twice
is dropped. Rows of status 0 (an abandoned checkout) and archived ones count for turning pages and are never shown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson

from bcbridge.connectors.base import Cursor, Head, Page
from bcbridge.connectors.bigcommerce.client import Client, Data, as_agreed
from bcbridge.connectors.bigcommerce.dates import asked, moment
from bcbridge.connectors.budget import Share
from bcbridge.connectors.keyset import BEGINNING, KeysetList, created, walk
from bcbridge.model.ids import Ref

ORDERS_PATH = "/v2/orders"
ONE_STAMP = timedelta(seconds=1)
"""Their stamps are whole seconds."""


@dataclass(slots=True)
class Rows:
    """One list of theirs: the orders of ``channel`` (None: of all) from a stamp on, a page at a time."""

    client: Client
    page_size: int
    by: str
    """``date_modified`` or ``date_created``."""
    channel: int | None = None
    share: Share = Share.NORMAL
    hidden: set[tuple[Ref, datetime]] = field(default_factory=set)
    """Rows that were met and are no orders, by ref and stamp of change; of the pass under way."""

    async def ask(self, floor: datetime, page: int) -> list[Head]:
        """A page of rows stamped ``floor`` or later (and, where the bound is inclusive, a second before)."""
        params: dict[str, object] = {
            f"min_{self.by}": asked(floor - ONE_STAMP),
            "sort": f"{self.by}:asc",
            "limit": self.page_size,
            "page": page,
        }
        if self.channel is not None:
            params["channel_id"] = self.channel
        reply = await self.client.get(ORDERS_PATH, params, share=self.share)
        with as_agreed(ORDERS_PATH):
            rows = reply.rows()
            heads = [_head(row) for row in rows]
            seen = zip(heads, rows, strict=True)
            self.hidden |= {(head.ref, head.modified) for head, row in seen if not is_order(row)}
        return heads

    def shown(self, heads: tuple[Head, ...]) -> tuple[Head, ...]:
        return tuple(head for head in heads if (head.ref, head.modified) not in self.hidden)


class ChangeList:
    """A HeadList over the orders of one channel, or of all."""

    def __init__(
        self,
        name: str,
        rows: Rows,
        *,
        overlap: timedelta,
        now: Callable[[], datetime],
        since: datetime = BEGINNING,
    ) -> None:
        self.name = name
        self._rows = rows
        self._list = KeysetList(name, rows.ask, page_size=rows.page_size, overlap=overlap, since=since, now=now)

    async def pages(self, since: Cursor) -> AsyncIterator[Page]:
        """From ``since``, less the overlap, to the present."""
        self._rows.hidden.clear()
        async for page in self._list.pages(since):
            yield replace(page, heads=self._rows.shown(page.heads))


async def created_orders(rows: Rows, created_from: datetime) -> AsyncIterator[Page]:
    """Every order created at or after a moment, oldest first, at low priority."""
    async for stretch in walk(rows.ask, created_from, page_size=rows.page_size, stamp=created):
        heads = tuple(head for head in rows.shown(stretch.heads) if created(head) >= created_from)
        yield Page(heads, (), orjson.dumps({"created": stretch.reached}).decode())


def is_order(row: Data) -> bool:
    """Not an abandoned checkout (status 0), nor archived. By its id: labels can be renamed."""
    return row["status_id"] != 0 and row.get("is_deleted") is not True


def _head(row: Data) -> Head:
    number = row["id"]
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError("an order's id is a number")
    return Head(Ref(str(number)), moment(row["date_modified"]), moment(row["date_created"]))
