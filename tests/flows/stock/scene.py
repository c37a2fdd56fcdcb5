"""A bridge between an ERP's figures and a few model shops: the real store, the real flows, time that the test holds."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from bcbridge.flows.stock.compare import Comparer
from bcbridge.flows.stock.publish import Publisher
from bcbridge.model.ids import ConnectorName, Ref, Upc
from bcbridge.model.shelf import Comparison
from bcbridge.model.stock import Outlet, ShelfItem
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute, demand, known, rules
from bcbridge.store.stock.shelf import ShelfMemory
from tests.flows.stock.shelves import Clock, Shop, Sold
from tests.stores import empty_store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ERP = "bluecherry"
WAREHOUSE = "NJ1"
_FIGURE = """
INSERT INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of, evidence, read_at)
VALUES (:sku, :erp, :warehouse, :qty, :qty, :qty, '{}', :as_of, 'live', :as_of)
ON CONFLICT (sku, erp, warehouse) DO UPDATE SET ots = :qty, qoh_minus_pick = :qty, ots_wip = :qty, as_of = :as_of
"""
_FEED = """
INSERT INTO stock_feeds (erp, pull_began, pull_ended) VALUES (?, ?, ?)
ON CONFLICT (erp) DO UPDATE SET pull_ended = excluded.pull_ended
"""
_BOOKED = """
UPDATE stock_demand SET state = 'posted', posted_by = :at
WHERE channel = :channel AND order_ref = :ref AND state IN ('known', 'sent')
"""


@dataclass
class Channel:
    """One shop as the bridge has it: what it remembers of it and the two flows."""

    bridge: Bridge
    shop: Shop
    memory: ShelfMemory
    read_upto: datetime = START - timedelta(days=30)
    orders_answer: bool = True
    """Whether its orders can be listed now."""
    orders_read: bool = True
    writes_allowed: bool = True
    heal: bool = True
    unknown: set[str] = field(default_factory=set)
    missing: int = 0

    async def may_write(self) -> bool:
        return self.writes_allowed

    async def catch_up(self) -> bool:
        """Look at every order that its lists show as changed."""
        if not self.orders_answer:
            return False
        asked = self.bridge.clock.tick(0.1)
        looks = self.shop.looks(self.read_upto)
        self.bridge.clock.tick(0.1)

        def unit(tx: sqlite3.Connection) -> None:
            for look in looks:
                demand.looked(tx, self.shop.name, look, now=self.bridge.clock())
            known.know(tx, self.shop.name, asked)

        await self.bridge.store.write(unit)
        self.read_upto = asked - timedelta(seconds=5)
        return True

    async def look(self, order: Sold) -> None:
        """Look at one order, as after a notification."""
        seen = self.shop.look_at(order)
        self.bridge.clock.tick(0.1)
        await self.bridge.store.write(lambda tx: demand.looked(tx, self.shop.name, seen, now=self.bridge.clock()))

    async def skus(self, items: Sequence[ShelfItem]) -> Sequence[Upc | None]:
        return [None if item.sku in self.unknown else Upc(item.sku) for item in items]

    @property
    def publisher(self) -> Publisher:
        """As after a start: nothing is remembered but what is stored."""
        return Publisher(
            channel=ConnectorName(self.shop.name),
            shelf=self.shop,
            memory=self.memory,
            catch_up=self.catch_up,
            may_write=self.may_write,
            now=self.bridge.clock,
            on_missing=self._missing,
        )

    def _missing(self) -> None:
        self.missing += 1

    async def compare(self) -> Comparison:
        comparer = Comparer(
            channel=ConnectorName(self.shop.name),
            shelf=self.shop,
            memory=self.memory,
            skus=self.skus,
            catch_up=self.catch_up,
            now=self.bridge.clock,
            heal=self.heal,
        )
        return await comparer.once()

    async def publish(self, rounds: int = 30) -> None:
        """Rounds until one finds nothing to do."""
        publisher = self.publisher
        for _ in range(rounds):
            if not await publisher.once():
                return
        raise AssertionError(f"{self.shop.name} is still being told numbers after {rounds} rounds")

    async def row(self, sku: str) -> dict[str, Any]:
        found = await self.bridge.store.read.row(
            "SELECT * FROM stock_shown WHERE sku = ? AND channel = ?", (sku, self.shop.name)
        )
        assert found is not None
        return dict(found)

    async def explained(self, sku: str) -> int | None:
        row = await self.row(sku)
        return None if row["explained"] is None else int(row["explained"])


@dataclass
class Bridge:
    store: Store
    clock: Clock
    channels: dict[str, Channel] = field(default_factory=dict)

    async def figure(self, **pieces: int) -> None:
        """The ERP's figures of these SKUs, taken now."""

        def unit(tx: sqlite3.Connection) -> None:
            at = stamp(self.clock())
            tx.execute(_FEED, (ERP, at, at))
            for sku, qty in pieces.items():
                tx.execute(_FIGURE, {"sku": sku, "erp": ERP, "warehouse": WAREHOUSE, "qty": qty, "as_of": at})
            compute.mark(tx, set(pieces), now=self.clock())

        await self.store.write(unit)

    async def booked(self, channel: str, order: Sold) -> None:
        """The ERP holds this order now, and we read that back."""

        def unit(tx: sqlite3.Connection) -> None:
            tx.execute(_BOOKED, {"channel": channel, "ref": order.ref, "at": stamp(self.clock())})
            compute.mark(tx, set(order.wanted), now=self.clock())

        await self.store.write(unit)


@asynccontextmanager
async def bridge(folder: Path, clock: Clock, *shops: Shop) -> AsyncIterator[Bridge]:
    """All shops are fed from one warehouse. Nothing is read or told yet."""
    async with Store(empty_store(folder / "bcbridge.db")).opened() as store:
        outlets = [
            Outlet(shop.name, Ref(shop.location), ERP, (WAREHOUSE,), shelf=shop.rules, hides_inactive=False)
            for shop in shops
        ]
        await store.write(lambda tx: rules.keep_outlets(tx, outlets))
        whole = Bridge(store, clock)
        for shop in shops:
            numbers = count(1)
            memory = ShelfMemory(store, shop.name, clock, lambda at=numbers, of=shop.name: f"{of}-{next(at)}")  # type: ignore[misc]
            whole.channels[shop.name] = Channel(whole, shop, memory)
        yield whole


@asynccontextmanager
async def settled(folder: Path, clock: Clock, figures: dict[str, int], *shops: Shop) -> AsyncIterator[Bridge]:
    """The same with every shelf read and every number told."""
    async with bridge(folder, clock, *shops) as whole:
        await whole.figure(**figures)
        for channel in whole.channels.values():
            await channel.compare()
            clock.tick()
            await channel.publish()
            if hasattr(channel.shop, "settle"):
                channel.shop.settle()
                clock.tick(10)
                await channel.publish()
        clock.tick(30)
        yield whole
