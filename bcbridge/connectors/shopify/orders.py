"""Shopify's orders as the house reads them: two lists that tell what changed, a sweep, documents by id, and reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from bcbridge.connectors.base import Document, HeadList, Page
from bcbridge.connectors.shopify import mapper, people
from bcbridge.connectors.shopify.changes import (
    BEGINNING,
    FULFILMENT_ORDERS,
    UPDATED_ORDERS,
    ChangeList,
    Listing,
    created_orders,
)
from bcbridge.connectors.shopify.client import Client
from bcbridge.connectors.shopify.detail import ORDERS, Details
from bcbridge.connectors.shopify.settings import ShopifySettings
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order


class Orders:
    """``shopify.orders``. ``since``: where a list without a cursor begins (the go-live boundary); else all there is."""

    noun = ORDERS

    def __init__(
        self,
        client: Client,
        settings: ShopifySettings,
        *,
        now: Callable[[], datetime],
        since: datetime | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._now = now
        self._since = since or BEGINNING
        self._details = Details(client, supercycle=settings.supercycle)
        self.lists: Sequence[HeadList] = (
            self._list("updated", UPDATED_ORDERS),
            self._list("fulfilment_orders", FULFILMENT_ORDERS),
        )

    def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        """Every order created at or after a moment, oldest first. Their cursor is no use later: it is not stored."""
        return created_orders(self._client, created_from, page_size=self._settings.page_size)

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """The orders as they are now, whole; one that is gone, or whose ref names no order, is absent."""
        return await self._details.fetch(refs)

    def read(self, document: Document) -> Order:
        """Pure. Raises Malformed."""
        return mapper.read(
            document,
            side=self._settings.money_side,
            circular_products=frozenset(self._settings.supercycle_product_ids),
        )

    def about(self, document: Document) -> frozenset[str]:
        """Pure: the e-mail addresses, telephone numbers and customers in it."""
        return people.about(document)

    def _list(self, name: str, listing: Listing) -> ChangeList:
        return ChangeList(
            name,
            self._client,
            listing,
            page_size=self._settings.page_size,
            overlap=timedelta(seconds=self._settings.overlap_seconds),
            now=self._now,
            since=self._since,
        )
