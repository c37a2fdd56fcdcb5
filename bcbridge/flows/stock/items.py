"""Which SKU of ours is an item of a channel's shelf? A person's word first, then its own, as for an order's line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bcbridge.flows.orders.settings import Unit
from bcbridge.flows.orders.upcs import TABLE
from bcbridge.mappings import Mappings
from bcbridge.model.ids import Upc
from bcbridge.model.stock import ShelfItem

Known = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Which of these UPCs the ERP has, or are packs."""


async def resolved(
    items: Sequence[ShelfItem], *, channel: str, unit: Unit, mappings: Mappings, known: Known
) -> Sequence[Upc | None]:
    """The UPC of each item, in their order; None where it names none that the ERP knows."""
    named = [said(item, channel=channel, unit=unit, mappings=mappings) for item in items]
    there = await known([upc for upc in named if upc])
    return [Upc(upc) if upc in there else None for upc in named]


def said(item: ShelfItem, *, channel: str, unit: Unit, mappings: Mappings) -> str:
    """What it is by a row of mappings/skus.toml, else by itself; empty where it names nothing."""
    keys = [key for key in (f"variant/{item.variant}" if item.variant else "", item.sku) if key]
    told = mappings.code(TABLE, channel, *keys) if keys else None
    return told or (item.sku if unit.sku_is == "upc" else item.barcode or "")
