"""Stock, wired: an ERP's figures are pulled, every channel's numbers are told and compared.

A channel's numbers are kept where its table has ``[channels.NAME.stock]``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from secrets import token_hex

from anyio.abc import TaskGroup

from bcbridge.config import Channel
from bcbridge.connectors.base import Shelf
from bcbridge.flows.stock.compare import Comparer
from bcbridge.flows.stock.items import resolved
from bcbridge.flows.stock.publish import Publisher
from bcbridge.house.feeds import FeedHouse
from bcbridge.house.passing import Passing
from bcbridge.house.rulebook import RuleBook
from bcbridge.house.shelves import CATCH_UP_WITHIN, OutletHouse
from bcbridge.mappings import Mappings
from bcbridge.model.ids import ConnectorName, Upc
from bcbridge.model.stock import ShelfItem
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.known import Known
from bcbridge.store import catalog
from bcbridge.store.db import Store
from bcbridge.store.stock import compares, known, rules
from bcbridge.store.stock.shelf import ShelfMemory

KEY_BYTES = 16


@dataclass(slots=True)
class StockHouse:
    """Everything about stock that runs. Without a channel whose numbers are kept nothing does."""

    book: RuleBook
    passing: Passing
    outlets: dict[str, OutletHouse] = field(default_factory=dict)
    feeds: dict[str, FeedHouse] = field(default_factory=dict)

    def ring(self) -> None:
        """Something may be due anywhere."""
        for outlet in self.outlets.values():
            outlet.bell.ring()

    def due(self, channels: Iterable[str]) -> None:
        for name in self.outlets.keys() & set(channels):
            self.outlets[name].bell.ring()

    def pull(self, erp: str) -> None:
        self.feeds[erp].pull_now()

    def compare(self, channel: str) -> None:
        self.outlets[channel].compare_bell.ring()

    def push(self, channel: str) -> None:
        self.outlets[channel].push_bell.ring()

    def start(self, loops: TaskGroup) -> None:
        if self.outlets:
            loops.start_soon(self.book.run)
            loops.start_soon(self.passing.cool)
        for feed in self.feeds.values():
            loops.start_soon(feed.run)
        for outlet in self.outlets.values():
            for loop in (outlet.look_over, outlet.tell, outlet.compare, outlet.push):
                loops.start_soon(loop)


@dataclass(frozen=True, slots=True)
class OutletMaker:
    """What every channel's outlet is made of, whichever it is."""

    store: Store
    mappings: Callable[[], Mappings]
    now: Callable[[], datetime]
    book: RuleBook
    channels: Sequence[str]
    """Every channel that sells, whether its numbers are kept or not: its orders count."""
    permitted: Callable[[str], bool]
    """Whether this channel may be written to: in production only once a person confirmed it."""
    knows_skus: Callable[[str], Awaitable[bool]]
    """Whether all SKUs of an ERP were read once."""

    def outlet(self, channel: Channel, shelf: Shelf, circuit: Circuit, orders: Known) -> OutletHouse:
        assert channel.stock is not None
        memory = ShelfMemory(self.store, channel.name, self.now, new_key=partial(token_hex, KEY_BYTES))
        catch_up = partial(_caught_up, orders, self.now)
        house = OutletHouse(
            channel=channel,
            shelf=shelf,
            circuit=circuit,
            memory=memory,
            publisher=Publisher(
                channel=ConnectorName(channel.name),
                shelf=shelf,
                memory=memory,
                catch_up=catch_up,
                may_write=partial(self._may_write, channel),
                now=self.now,
            ),
            comparer=Comparer(
                channel=ConnectorName(channel.name),
                shelf=shelf,
                memory=memory,
                skus=partial(self._skus, channel),
                catch_up=catch_up,
                now=self.now,
                heal=channel.stock.heal,
            ),
            now=self.now,
            take_over=self.book.take_over,
            is_compared=lambda: compares.was_read(self.store.read, channel.name),
            knows_skus=lambda: self.knows_skus(channel.erp),
        )
        house.publisher.on_missing = house.missing
        return house

    async def _may_write(self, channel: Channel) -> bool:
        """Not in production before a person confirmed it, nor before every open order and every figure was read."""
        if not self.permitted(channel.name):
            return False
        for name in self.channels:
            if not await known.is_read(self.store, name):
                return False
        return await rules.figures_read(self.store.read, channel.erp)

    async def _skus(self, channel: Channel, items: Sequence[ShelfItem]) -> Sequence[Upc | None]:
        """The SKU of each item; what is decided of it is in force before its number can be kept."""
        found = await resolved(
            items,
            channel=channel.name,
            unit=channel.orders.unit,
            mappings=self.mappings(),
            known=partial(self._known, channel.erp),
        )
        await self.book.rule(sorted({upc for upc in found if upc}))
        return found

    async def _known(self, erp: str, upcs: Sequence[str]) -> frozenset[str]:
        return frozenset(await catalog.skus(self.store, erp, upcs)) | await rules.packs_among(self.store.read, upcs)


async def _caught_up(orders: Known, now: Callable[[], datetime], within: timedelta = CATCH_UP_WITHIN) -> bool:
    return await orders.catch_up(now(), within=within)
