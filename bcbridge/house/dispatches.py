"""Dispatches, wired: shipments are read from the ERP into jobs, and each channel's jobs tell it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from bcbridge.connectors.base import ShipmentFeed, ShipmentPage
from bcbridge.errors import Malformed, Retry
from bcbridge.flows.dispatches.story import DISPATCHES
from bcbridge.model.ids import Ref
from bcbridge.model.shipment import Shipment
from bcbridge.runtime.worker import Bell
from bcbridge.store import dispatching, inbox, incidents, queue
from bcbridge.store.db import Store

NOUN, LIST = "shipments", "changed"
ODD = "malformed"
UNREAD_AT_ONCE = 20
PAYING_EVERY = timedelta(hours=1)
"""Until an order that left, and whose money is still only authorised, is looked at again."""
log = structlog.get_logger("bcbridge.dispatches")


@dataclass(slots=True)
class ShipmentReader:
    """What left one ERP's warehouses, page by page: kept, and a job for each order of which something is news.

    ``bells``: of the channels whose dispatches are told. ``paying``: those of them that are asked for money.
    """

    erp: str
    feed: ShipmentFeed
    store: Store
    now: Callable[[], datetime]
    bells: Mapping[str, Bell]
    paying: Collection[str] = ()

    async def read(self) -> int:
        """From where it was read to the present; returns how many orders something is news of."""
        since, news = await inbox.cursor(self.store, self.erp, NOUN, LIST), 0
        async for page in self.feed.changed(since):
            touched = await self.store.write(self._unit(page))
            news += len(touched)
            for channel in {channel for channel, _ in touched} & self.bells.keys():
                self.bells[channel].ring()
        return news

    async def look_again(self) -> None:
        """Everything that left and was not told: what was missing may be there by now, and what the list of changes
        never showed. This is the truth; that list only makes it faster."""

        def unit(tx: sqlite3.Connection) -> None:
            before = self.now() - PAYING_EVERY
            wanting = dispatching.open_orders(tx, self.bells.keys(), paying=self.paying, paying_before=before)
            self._enqueue(tx, wanting, priority=queue.BULK)

        await self.store.write(unit)
        for bell in self.bells.values():
            bell.ring()

    async def read_unread(self) -> int:
        """Shipments that the list of what changed never showed, found by what the ERP says of the orders themselves;
        returns how many orders something is news of."""
        channels = self.bells.keys()
        now = self.now()
        wanting = await self.store.write(lambda tx: dispatching.unread(tx, channels, most=UNREAD_AT_ONCE, now=now))
        news = 0
        for reference in wanting:
            try:
                shipments = await self.feed.of(reference)
            except (Malformed, Retry) as fault:  # one keeps none of the others from being read
                log.warning("shipments not read", reference=reference, why=str(fault))
                continue
            news += len(await self.store.write(partial(self._keep, shipments)))
        return news

    def _keep(self, shipments: Sequence[Shipment], tx: sqlite3.Connection) -> list[tuple[str, Ref]]:
        touched = dispatching.keep(tx, self.erp, shipments, now=self.now(), told=self.bells.keys())
        self._enqueue(tx, touched, priority=queue.BULK)
        return touched

    def _enqueue(self, tx: sqlite3.Connection, orders: Iterable[tuple[str, Ref]], *, priority: int) -> None:
        now = self.now()
        ours = [(channel, ref) for channel, ref in orders if channel in self.bells]
        wishes = [queue.Wish(DISPATCHES, channel, ref, due=now, priority=priority) for channel, ref in ours]
        queue.enqueue(tx, wishes, now=now)

    def _tell_odd(self, tx: sqlite3.Connection, page: ShipmentPage) -> None:
        """A parcel that cannot be read is told to no shop: somebody must know. It is over when it reads."""
        erp, now = self.erp, self.now()
        for key, why in page.odd.items():
            text = f"a shipment: {why}"
            incidents.open_one(tx, code=ODD, connector=erp, cause=f"{NOUN}/{key}", text=text, now=now)
        read = [f"{NOUN}/{one.key}" for one in page.shipments]
        for cause in incidents.causes(tx, code=ODD, connector=erp, among=read):
            incidents.close(tx, code=ODD, connector=erp, cause=cause, now=now)

    def _unit(self, page: ShipmentPage) -> Callable[[sqlite3.Connection], list[tuple[str, Ref]]]:
        def unit(tx: sqlite3.Connection) -> list[tuple[str, Ref]]:
            now = self.now()
            touched = dispatching.keep(tx, self.erp, page.shipments, now=now, told=self.bells.keys())
            self._enqueue(tx, touched, priority=queue.NOW)
            self._tell_odd(tx, page)
            inbox.move_cursor(tx, self.erp, NOUN, LIST, page.cursor, now=now)
            return touched

        return unit
