"""WooCommerce's orders as the house reads them: a list that tells what changed, a sweep, documents by id, and reading.

Stamps go over as naive UTC beside ``dates_are_gmt``; with a Z the shop would shift them to its own time zone first, and
a shop in Paris would leave out an hour of changes. The bound is exclusive and knows seconds (contract 1.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bcbridge.connectors.base import Document, Head, HeadList, Page
from bcbridge.connectors.keyset import BEGINNING, KeysetList, Stamp, created, modified, walk
from bcbridge.connectors.woocommerce import mapper, people
from bcbridge.connectors.woocommerce.answers import Data, Gone, as_object
from bcbridge.connectors.woocommerce.client import Client, Reply, as_agreed
from bcbridge.connectors.woocommerce.money import DECIMALS
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.errors import OpenCircuit, Retry
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
"""An order is read so often where its refunds are not those it names: between the two answers one may be made. Where
they never agree it is kept as it is, and cannot be read."""


class Orders:
    """``woocommerce.orders``. ``since``: where a list without a cursor begins (the go-live boundary); else all."""

    noun = ORDERS

    def __init__(
        self,
        client: Client,
        settings: WooCommerceSettings,
        *,
        now: Callable[[], datetime],
        since: datetime | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self.lists: Sequence[HeadList] = (
            KeysetList(
                "updated",
                self._modified,
                page_size=settings.page_size,
                overlap=timedelta(seconds=settings.overlap_seconds),
                since=since or BEGINNING,
                now=now,
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
        heads = await self._heads({"modified_after": before(floor), "orderby": "modified"}, page)
        return _asked_for(heads, floor, modified)

    async def _created(self, floor: datetime, page: int) -> Sequence[Head]:
        return _asked_for(await self._heads({"after": before(floor), "orderby": "date"}, page), floor, created)

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
        orders, reply = await self._listed(ids)
        made = [await self._document(id_, orders.get(id_), reply) for id_ in ids]
        return [document for document in made if document]

    async def _listed(self, ids: Sequence[int]) -> tuple[dict[int, Data], Reply]:
        """Those of them that the list shows; of one order too, for that alone takes ``dp``."""
        which = {"include": ",".join(map(str, ids)), "per_page": str(self._settings.page_size), "dp": DECIMALS}
        rows, reply = await self._client.rows("/orders", which)
        with as_agreed("/orders"):
            return {_id(row): row for row in rows}, reply

    async def _document(self, id_: int, order: Data | None, reply: Reply) -> Document | None:
        """The order with all refunds it names; None where the shop itself says that it is none, or gone."""
        for again in range(MOST_READS):
            if again or order is None:
                order, reply = await self._alone(id_)
            if order is None:
                return None
            with as_agreed("/orders"):
                if order["status"] in NO_ORDERS:
                    return None
                named = {refund["id"] for refund in order["refunds"]}
            refunds = await self._refunds(id_) if named else []
            with as_agreed("/orders/{id}/refunds"):
                if {refund["id"] for refund in refunds} == named:
                    break
        with as_agreed("/orders"):
            return _kept(as_object(order), refunds, reply.asked)

    async def _alone(self, id_: int) -> tuple[Data | None, Reply]:
        """One order; None where the shop has none of that id. A list proves nothing by leaving it out: sites cap their
        pages, and plugins hide what they like."""
        orders, reply = await self._listed([id_])
        if id_ in orders:
            return orders[id_], reply
        try:
            reply = await self._client.ask(f"/orders/{id_}")
        except Gone:
            return None, reply
        with as_agreed("/orders/{id}"):
            order = as_object(reply.content)
            if _id(order) != id_:
                raise ValueError("another order was answered")
        return order, reply

    async def _refunds(self, order: int) -> list[Data]:
        """None where the order went meanwhile: its own answer says so next."""
        try:
            return await self._client.every_row(f"/orders/{order}/refunds", {"dp": DECIMALS}, most=MOST_REFUNDS)
        except Gone:
            return []


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


def _asked_for(heads: Sequence[Head], floor: datetime, stamp: Stamp) -> Sequence[Head]:
    """None is older than was asked for; else it is another question's answer, and nobody knows what it leaves out."""
    if any(stamp(head) < floor.replace(microsecond=0) - SECOND for head in heads):
        why = "the list of orders begins before what was asked for: does a cache answer, or a WooCommerce before 5.8?"
        raise OpenCircuit(why, by_content=True)
    return heads


def _check_whole(shown: int, ended: bool, reply: Reply) -> None:
    """A page may hold fewer rows than were asked for without being the last; it would be taken for it."""
    if ended and reply.total is not None and reply.total > shown:
        why = "does the site cap its pages (then page_size), or can the shop itself not show an order?"
        raise Retry(f"the list of orders ended after {shown} of {reply.total}: {why}")
