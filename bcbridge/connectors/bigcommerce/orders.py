"""BigCommerce's orders as the house reads them: lists that tell what changed, a sweep, documents by id, and reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from bcbridge.connectors.base import Document, HeadList, Page
from bcbridge.connectors.bigcommerce import mapper, people
from bcbridge.connectors.bigcommerce.client import Client
from bcbridge.connectors.bigcommerce.counting import Behaviours
from bcbridge.connectors.bigcommerce.detail import ORDERS, Details
from bcbridge.connectors.bigcommerce.heads import ChangeList, Rows, created_orders
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings
from bcbridge.connectors.budget import Share
from bcbridge.connectors.keyset import BEGINNING
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order


class Orders:
    """``bigcommerce.orders``. ``since``: where a list without a cursor begins (the go-live boundary)."""

    noun = ORDERS

    def __init__(
        self,
        client: Client,
        settings: BigCommerceSettings,
        *,
        now: Callable[[], datetime],
        behaviours: Behaviours,
        since: datetime | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._since = since or BEGINNING
        self._now = now
        self._channels: Sequence[int | None] = tuple(dict.fromkeys(settings.channel_ids)) or (None,)
        self._details = Details(client, settings.channel_ids, behaviours)
        self.lists: Sequence[HeadList] = tuple(self._list(channel) for channel in self._channels)

    async def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        """Every order created at or after a moment, oldest first, channel by channel."""
        for channel in self._channels:
            rows = Rows(self._client, self._settings.page_size, "date_created", channel, Share.BULK)
            async for page in created_orders(rows, created_from):
                yield page

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """The orders as they are now, whole; one that is gone, archived or incomplete is absent."""
        return await self._details.fetch(refs)

    def read(self, document: Document) -> Order:
        """Pure. Raises Malformed."""
        settings = self._settings
        return mapper.read(document, import_statuses=settings.import_status_ids, bundled=settings.bundles)

    def about(self, document: Document) -> frozenset[str]:
        """Pure: the e-mail addresses, telephone numbers and customers in it."""
        return people.about(document)

    def _list(self, channel: int | None) -> ChangeList:
        """Their list filters by one channel at most: one list for each, with a cursor of its own."""
        name = "updated" if channel is None else f"updated_channel_{channel}"
        rows = Rows(self._client, self._settings.page_size, "date_modified", channel)
        overlap = timedelta(seconds=self._settings.overlap_seconds)
        return ChangeList(name, rows, overlap=overlap, since=self._since, now=self._now)
