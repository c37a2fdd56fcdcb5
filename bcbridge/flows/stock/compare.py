"""Reading a whole shelf back: what there is, what it shows, and what nobody explains.

1. read    every item at every location, page by page; each is kept under the SKU it is found to be
2. anchor  the numbers read, once the orders are known past them: what came after is taken off
3. look    once more at what differs, and at what was written or sold in that very moment: a list may show an order
           late, and what is true stays so
4. name    the likely cause of what neither orders nor our own calls explain (drift.py)
5. keep    what differs, for the trend; what is to be set right is due from then on
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

import anyio

from bcbridge.connectors.base import Shelf
from bcbridge.errors import Retry
from bcbridge.flows.stock.drift import causes
from bcbridge.model.ids import ConnectorName, Ref, Upc
from bcbridge.model.shelf import Anchored, Cause, Comparison, Drift, DriftSigns, Kept, Place, Reading
from bcbridge.model.stock import ShelfItem, ShelfPage, StockChange

HELD = 2000
"""Numbers read that wait for the orders to be known past them, at most."""
SECOND_LOOKS = 2000
LOOKED_AT_ONCE = 250
LOOKS = 3
"""At what is left, after the first."""
NAMES_KEPT = 20
ORDERS_TRIES = 10
ORDERS_PAUSE_SECONDS = 2.0


class Memory(Protocol):
    """What this flow remembers (store/stock/shelf.py)."""

    async def begin_read(self) -> int: ...
    async def keep_items(self, read: int, items: Sequence[Kept]) -> None: ...
    async def anchor(self, readings: Sequence[Reading], *, heal: bool) -> list[Anchored]: ...
    async def signs(self, read: int, drift: Drift) -> DriftSigns: ...
    async def end_read(self, read: int, found: Sequence[tuple[Drift, Cause]], *, healed: bool) -> None: ...


@dataclass(slots=True)
class _Found:
    """What this read has come to so far."""

    items: int = 0
    unknown: list[str] = field(default_factory=list)
    unknowns: int = 0
    held: list[Reading] = field(default_factory=list)
    left: dict[Place, Reading] = field(default_factory=dict)
    anchored: dict[Place, Anchored] = field(default_factory=dict)


@dataclass(slots=True)
class Comparer:
    """One channel's shelf.

    ``skus`` says which SKU of ours each item is, None where none. ``catch_up`` looks at the channel's orders up to the
    present: True when all that was ordered before the call is known. ``heal``: set right what drifted, or only tell.
    """

    channel: ConnectorName
    shelf: Shelf
    memory: Memory
    skus: Callable[[Sequence[ShelfItem]], Awaitable[Sequence[Upc | None]]]
    catch_up: Callable[[], Awaitable[bool]]
    now: Callable[[], datetime]
    heal: bool = True

    async def once(self) -> Comparison:
        """Read the whole shelf and compare. Raises OpenCircuit, Retry; then what was read so far is kept, and nothing
        is taken for gone."""
        read = await self.memory.begin_read()
        found = _Found()
        async for page in self.shelf.items():
            await self._keep(read, page, found, answered=self.now())
            if len(found.held) >= HELD:
                await self._anchor(found, first=True)
        await self._anchor(found, first=True)
        for _ in range(LOOKS):
            await self._look_again(found)
        named = await self._named(read, found)
        await self.memory.end_read(read, named, healed=self.heal)
        return Comparison(
            items=found.items,
            unknown=found.unknowns,
            unknown_names=tuple(found.unknown),
            anchored=len(found.anchored),
            left=len(found.left),
            drifts=tuple(named),
        )

    async def _keep(self, read: int, page: ShelfPage, found: _Found, *, answered: datetime) -> None:
        skus = await self.skus(page.items)
        kept = []
        for item, sku in zip(page.items, skus, strict=True):
            if sku is None:
                found.unknowns += 1
                found.unknown += [item.sku or item.title or item.item][: NAMES_KEPT - len(found.unknown)]
            else:
                kept.append(Kept(sku, _written_to(item)))
        await self.memory.keep_items(read, kept)
        found.items += len(page.items)
        found.held += [
            Reading(one.sku, one.item.location, one.item.item, one.item.shown, page.asked, answered, one.item.group)
            for one in kept
            if one.item.managed and one.item.shown is not None
        ]

    async def _anchor(self, found: _Found, *, first: bool) -> None:
        """What was read is put beside what is explained, and let go."""
        readings, found.held = found.held, []
        if not readings:
            return
        await self._orders_known()
        came = {
            (one.sku, one.location): one for one in await self.memory.anchor(readings, heal=self.heal and not first)
        }
        for reading in readings:
            place = reading.sku, reading.location
            found.left.pop(place, None)
            one = came.get(place)
            if one is None or not one.sure or (one.drifted and first):
                found.left[place] = reading
            else:
                found.anchored[place] = one

    async def _orders_known(self) -> None:
        for _ in range(ORDERS_TRIES):
            if await self.catch_up():
                return
            await anyio.sleep(ORDERS_PAUSE_SECONDS)
        raise Retry("the channel's orders are not known up to the numbers that were read")

    async def _look_again(self, found: _Found) -> None:
        """What differed the first time counts as what it comes to now; beyond the limit it is left to the next read."""
        again = list(found.left.values())[:SECOND_LOOKS]
        for at in range(0, len(again), LOOKED_AT_ONCE):
            ours = again[at : at + LOOKED_AT_ONCE]
            asked = self.now()
            items = await self.shelf.look([_spot(reading) for reading in ours])
            answered = self.now()
            found.held += [
                replace(reading, shown=item.shown, asked=asked, answered=answered)
                for reading, item in zip(ours, items, strict=True)
                if item is not None and item.managed and item.shown is not None
            ]
        await self._anchor(found, first=False)

    async def _named(self, read: int, found: _Found) -> list[tuple[Drift, Cause]]:
        drifts = [
            Drift(one.sku, one.location, one.explained, one.actual)
            for one in found.anchored.values()
            if one.drifted and one.explained is not None
        ]
        signs = {(drift.sku, drift.location): await self.memory.signs(read, drift) for drift in drifts}
        return causes(drifts, signs, compared=len(found.anchored))


def _written_to(item: ShelfItem) -> ShelfItem:
    if item.managed and item.shown is None:
        return replace(item, managed=False, why="it shows no number")
    return item


def _spot(reading: Reading) -> StockChange:
    return StockChange(Ref(reading.location), Ref(reading.item), Ref(reading.group), reading.shown, reading.shown)


def next_comparison(now: datetime, at: str, zone: tzinfo) -> datetime:
    """When the clock of ``zone`` next says ``at`` (``03:30``)."""
    hour, minute = (int(part) for part in at.split(":"))
    here = now.astimezone(zone)
    today = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (today if today > here else today + timedelta(days=1)).astimezone(now.tzinfo)
