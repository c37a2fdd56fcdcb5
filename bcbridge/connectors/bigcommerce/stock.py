"""The numbers that one store shows: read whole, looked at, and set. A ``Shelf``.

Writes are absolute and blind, one call at a time, of one location; they are in force some seconds after the answer, so
whoever wrote looks again until they are. The shop front sees the default location alone, unless BigCommerce switched on
aggregated stock, which no API tells: a setting does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import anyio

from bcbridge.connectors.bigcommerce.adjusting import MOST_ROWS, Adjusting, rows_of
from bcbridge.connectors.bigcommerce.client import Client, Data, as_agreed
from bcbridge.connectors.bigcommerce.counting import Behaviours
from bcbridge.connectors.bigcommerce.failures import Denied
from bcbridge.connectors.bigcommerce.items import Items, Number
from bcbridge.connectors.bigcommerce.safety import Safety
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings
from bcbridge.model.answers import Doubtful, NotSent
from bcbridge.model.ids import Ref
from bcbridge.model.stock import (
    ShelfItem,
    ShelfLocation,
    ShelfPage,
    ShelfRules,
    StockChange,
    StockWrite,
    TakesOff,
    WriteKind,
    Written,
)

LOCATIONS = "/v3/inventory/locations"
MOST_CHANNELS = 50
"""Looked at for settings of their own, where the settings name none."""


class Stock:
    """``bigcommerce.stock``."""

    def __init__(self, client: Client, settings: BigCommerceSettings, behaviours: Behaviours) -> None:
        self._client = client
        self._settings = settings
        self._behaviours = behaviours
        self._items = Items(client)
        self._safety = Safety()
        self._one_at_a_time = anyio.Lock()
        self.rules = self._rules(TakesOff.AT_ORDER)

    async def ready(self) -> ShelfRules:
        """When numbers fall: at shipment, if it is so for any channel whose orders are ours."""
        at_order = [await self._at_order(channel) for channel in await self._channels()]
        self.rules = self._rules(TakesOff.AT_ORDER if all(at_order) else TakesOff.AT_SHIPMENT)
        return self.rules

    async def locations(self) -> Sequence[ShelfLocation]:
        """Those that are switched on."""
        rows = await self._client.all_v3(LOCATIONS)
        default = await self._client.all_v3(LOCATIONS, {"is_default": "true"})
        with as_agreed("locations"):
            first = {row["id"] for row in default}
            return [
                ShelfLocation(Ref(str(row["id"])), _label(row), self._sells(row, default=row["id"] in first))
                for row in rows
                if row.get("enabled", True)
            ]

    async def items(self) -> AsyncIterator[ShelfPage]:
        locations = [one.ref for one in await self.locations()]
        async for page, numbers in self._items.pages(locations):
            self._safety.learn(numbers)
            yield page

    async def look(self, changes: Sequence[StockChange]) -> Sequence[ShelfItem | None]:
        found: dict[tuple[Ref, Ref], Number] = {}
        for location in dict.fromkeys(change.location for change in changes):
            items = [change.item for change in changes if change.location == location]
            found |= await self._items.numbers(location, items)
        self._safety.learn(found)
        return [_seen(change, found.get((change.location, change.item))) for change in changes]

    def batches(self, changes: Sequence[StockChange]) -> Sequence[Sequence[StockChange]]:
        return rows_of(changes)

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        """Raises ValueError for another kind than SET, more rows than a call takes, or several locations."""
        locations = {change.location for change in write.changes}
        if write.kind is not WriteKind.SET or len(locations) > 1 or len(write.changes) > MOST_ROWS:
            raise ValueError("a write is a SET of at most 2,000 rows of one location")
        async with self._one_at_a_time:
            return await Adjusting(self._client, self._items, self._safety, write).made()

    # -- what the store says

    async def _channels(self) -> Sequence[int | None]:
        if self._settings.channel_ids:
            return self._settings.channel_ids
        try:
            rows = await self._client.all_v3("/v3/channels")
        except Denied:  # without that scope only the store's own settings are known
            return (None,)
        with as_agreed("channels"):
            return (None, *[int(row["id"]) for row in rows if row.get("status") != "deleted"][:MOST_CHANNELS])

    async def _at_order(self, channel: int | None) -> bool:
        found = await self._behaviours.of(channel, fresh=True)
        return found is None or found.at_order

    def _rules(self, takes_off: TakesOff) -> ShelfRules:
        settles = timedelta(seconds=self._settings.stock_settles_seconds)
        return ShelfRules(
            compares=False, takes_off=takes_off, rows_per_call=MOST_ROWS, calls_at_once=1, settles=settles
        )

    def _sells(self, row: Data, *, default: bool) -> bool:
        return default or (self._settings.aggregated_stock and bool(row.get("storefront_visibility", True)))


def _label(row: Data) -> str:
    return str(row.get("label") or row.get("code") or row["id"])


def _seen(change: StockChange, number: Number | None) -> ShelfItem | None:
    if number is None:
        return None
    return ShelfItem(
        location=change.location,
        item=change.item,
        group=change.group,
        variant=Ref(str(number.variant)),
        sku=number.sku,
        barcode=None,
        title="",
        shown=number.sells,
    )
