"""WooCommerce's orders as the house reads them: a list that tells what changed, a sweep, documents by id, and reading.

Stamps go over as naive UTC beside ``dates_are_gmt``; with a Z the shop would shift them to its own time zone first, and
a shop in Paris would leave out an hour of changes. The bound is exclusive and knows seconds (contract 1.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bcbridge.connectors.base import Document, Head, HeadList, Page
from bcbridge.connectors.keyset import BEGINNING, KeysetList, created, walk
from bcbridge.connectors.woocommerce import mapper, people
from bcbridge.connectors.woocommerce.answers import Data, Gone, as_object
from bcbridge.connectors.woocommerce.client import Client, Reply, as_agreed
from bcbridge.connectors.woocommerce.money import DECIMALS
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.errors import Retry
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import Order

ORDERS = Noun("orders")
SECOND = timedelta(seconds=1)
HEAD_FIELDS = "id,status,date_created_gmt,date_modified_gmt"
NO_ORDERS = frozenset({"trash", "auto-draft", "checkout-draft"})
"""Statuses of what is no order (yet, or any more); the lists leave them out, and so does ``fetch``."""
ID = re.compile(r"[1-9][0-9]{0,18}")
LARGEST_ID = 2**63
MOST_REFUNDS = 1000
MOST_READS = 3
"""An order is read anew so often where its refunds change between the two answers it takes."""


class Orders:
    """``woocommerce.orders``. ``since``: where a list without a cursor begins (the go-live boundary); else all."""

    noun = ORDERS

    def __init__(self, client: Client, settings: WooCommerceSettings, *, since: datetime | None = None) -> None:
        self._client = client
        self._settings = settings
        self.lists: Sequence[HeadList] = (
            KeysetList(
                "updated",
                self._modified,
                page_size=settings.page_size,
                overlap=timedelta(seconds=settings.overlap_seconds),
                since=since or BEGINNING,
            ),
        )

    async def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        """Every order created at or after a moment, oldest first. Its cursor is no use later: it is not stored."""
        async for stretch in walk(self._created, created_from, page_size=self._settings.page_size, stamp=created):
            yield Page(stretch.heads, (), "")

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """The orders as they are now, with their refunds; what is in the trash, a draft, gone, or no id, is absent."""
        found: list[Document] = []
        ids, size = _ids(refs), self._settings.page_size
        for start in range(0, len(ids), size):
            found += await self._fetch(ids[start : start + size])
        return found

    def read(self, document: Document) -> Order:
        """Pure. Raises Malformed."""
        return mapper.read(document, self._settings)

    def about(self, document: Document) -> frozenset[str]:
        """Pure: the e-mail addresses, telephone numbers and customers in it."""
        return people.about(document)

    # -- lists

    async def _modified(self, floor: datetime, page: int) -> Sequence[Head]:
        return await self._heads({"modified_after": before(floor), "orderby": "modified"}, page)

    async def _created(self, floor: datetime, page: int) -> Sequence[Head]:
        return await self._heads({"after": before(floor), "orderby": "date"}, page)

    async def _heads(self, which: Mapping[str, str], page: int) -> Sequence[Head]:
        size = self._settings.page_size
        order = {"dates_are_gmt": "true", "order": "asc", "per_page": str(size), "page": str(page)}
        rows, reply = await self._client.rows("/orders", {**which, **order, "_fields": HEAD_FIELDS})
        with as_agreed("/orders"):
            heads = [_head(row) for row in rows]
        _check_whole(len(rows) + (page - 1) * size, len(rows) < size, reply)
        return heads

    # -- documents

    async def _fetch(self, ids: Sequence[int]) -> list[Document]:
        which = {"include": ",".join(map(str, ids)), "per_page": str(self._settings.page_size), "dp": DECIMALS}
        rows, reply = await self._client.rows("/orders", which)
        with as_agreed("/orders"):
            orders = [row for row in rows if row["id"] in ids and row["status"] not in NO_ORDERS]
        made = [await self._document(order, reply) for order in orders]
        return [document for document in made if document]

    async def _document(self, order: Data, reply: Reply) -> Document | None:
        """The order with all refunds it names; None where it went meanwhile."""
        for _ in range(MOST_READS):
            with as_agreed("/orders"):
                id_, named = order["id"], {refund["id"] for refund in order["refunds"]}
            try:
                refunds = await self._refunds(id_) if named else []
                with as_agreed("/orders/{id}/refunds"):
                    if {refund["id"] for refund in refunds} == named:
                        return _kept(order, refunds, reply.asked)
                reply = await self._client.ask(f"/orders/{id_}", {"dp": DECIMALS})
            except Gone:
                return None
            with as_agreed("/orders/{id}"):
                order = as_object(reply.content)
                if order["id"] != id_:
                    raise ValueError("another order was answered")
                if order["status"] in NO_ORDERS:
                    return None
        raise Retry("an order's refunds kept changing while it was read")

    async def _refunds(self, order: int) -> list[Data]:
        return await self._client.every_row(f"/orders/{order}/refunds", {"dp": DECIMALS}, most=MOST_REFUNDS)


def before(moment: datetime) -> str:
    """The last second before one, as the shop is to read it: what is asked for is *after* it."""
    return (moment.astimezone(UTC) - SECOND).strftime("%Y-%m-%dT%H:%M:%S")


def _ids(refs: Sequence[Ref]) -> list[int]:
    """Each once; what is written otherwise than they write their ids names nothing."""
    return [int(ref) for ref in dict.fromkeys(refs) if ID.fullmatch(ref) and int(ref) < LARGEST_ID]


def _head(row: Data) -> Head:
    born = stamp(row["date_created_gmt"])
    return Head(Ref(str(_id(row))), stamp(row["date_modified_gmt"] or row["date_created_gmt"]), born)


def _id(row: Data) -> int:
    """A whole number above zero; a bool is one in Python, but no id."""
    id_ = row["id"]
    if isinstance(id_, bool) or not isinstance(id_, int) or not 0 < id_ < LARGEST_ID:
        raise ValueError("no id")
    return id_


def stamp(given: str) -> datetime:
    """A ``_gmt`` stamp: UTC, written without a zone. Raises ValueError and TypeError."""
    return datetime.fromisoformat(given).replace(tzinfo=UTC)


def _kept(order: Data, refunds: Sequence[Data], asked: datetime) -> Document:
    body = json.dumps({"order": order, "refunds": refunds}, separators=(",", ":"))
    return Document(ORDERS, Ref(str(_id(order))), _head(order).modified, asked, body.encode())


def _check_whole(shown: int, ended: bool, reply: Reply) -> None:
    """A page may hold fewer rows than were asked for without being the last; it would be taken for it."""
    if ended and reply.total is not None and reply.total > shown:
        raise Retry(f"the list of orders ended after {shown} of {reply.total}")
