"""The numbers of one channel, kept: it is looked over, its numbers are told, its shelf is read back, all are pushed.

Each channel goes its own way: one that is paused, or not looked over yet, keeps no other waiting.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import anyio
import structlog

from bcbridge.config import Channel
from bcbridge.connectors.base import Shelf
from bcbridge.errors import BridgeError, OpenCircuit, Retry, plain
from bcbridge.flows.stock.compare import Comparer, next_comparison
from bcbridge.flows.stock.places import places
from bcbridge.flows.stock.publish import Publisher
from bcbridge.flows.stock.settings import StockSettings
from bcbridge.model.shelf import Comparison
from bcbridge.model.stock import Outlet
from bcbridge.runtime.backoff import backoff
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.worker import Bell
from bcbridge.store.stock.shelf import ShelfMemory

log = structlog.get_logger()

LOOK_OVER_EVERY = timedelta(hours=24)
"""How often a channel is asked how it counts: somebody may have changed a setting there."""
SELDOM = 10
TRY_AGAIN = timedelta(seconds=5)
"""After the first failure in a row; twice as long after each: most pass at once, a large shelf costs much to read."""
MISSING_EVERY = timedelta(minutes=10)
"""How soon after a comparison an item that is missing brings about another."""
KNOWS_SOON = timedelta(seconds=0.2)
LONGEST_PAUSE = timedelta(minutes=30)
"""Between two tries of what never goes through."""
HOW, COMPARING, PUSHING = "how it counts", "the comparison of its numbers", "telling all its numbers again"
CATCH_UP_WITHIN = timedelta(seconds=10)
"""How long a number waits for the channel's orders to be looked at, each time it is tried."""


@dataclass(frozen=True, slots=True)
class Failing:
    """Something that is done for a channel's numbers and does not go through. ``tries``: in a row."""

    since: datetime
    why: str
    tries: int = 1


@dataclass(slots=True)
class OutletHouse:
    """The numbers of one channel. ``wrong``: in words, what a person wrote that cannot be so."""

    channel: Channel
    shelf: Shelf
    circuit: Circuit
    memory: ShelfMemory
    publisher: Publisher
    comparer: Comparer
    now: Callable[[], datetime]
    take_over: Callable[[str, Sequence[Outlet]], Awaitable[None]]
    """These are the channel's outlets."""
    is_compared: Callable[[], Awaitable[bool]]
    """Whether its shelf was ever read to its end."""
    knows_skus: Callable[[], Awaitable[bool]]
    """Whether all SKUs of the ERP were read once: before that, items would be none that anybody knows."""
    bell: Bell = field(default_factory=Bell)
    """Rings when a number may be due."""
    compare_bell: Bell = field(default_factory=Bell)
    """Rings when somebody asks for a comparison, or an item was missing (``missing``)."""
    push_bell: Bell = field(default_factory=Bell)
    looked_over: anyio.Event = field(default_factory=anyio.Event)
    wrong: tuple[str, ...] = ()
    last: Comparison | None = None
    took: timedelta = timedelta(0)
    """How long the last comparison took."""
    _compared_at: datetime | None = None
    _failing: dict[str, Failing] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.channel.name

    @property
    def settings(self) -> StockSettings:
        assert self.channel.stock is not None
        return self.channel.stock

    # -- loops ---------------------------------------------------------------------------------------------

    async def look_over(self) -> None:
        """For ever: how the channel counts, and where."""
        while True:
            await self._tried(HOW, self._look_over)
            await anyio.sleep((self._pause(HOW) or LOOK_OVER_EVERY).total_seconds())

    async def _look_over(self) -> None:
        rules = await self.shelf.ready()
        found = places(self.name, self.channel.erp, self.settings, rules, await self.shelf.locations())
        self.wrong = found.wrong
        for text in found.wrong:
            log.warning("a location is told no numbers", connector=self.name, why=text)
        await self.take_over(self.name, found.outlets)
        self.looked_over.set()
        self.bell.ring()

    async def tell(self) -> None:
        """For ever: what is due."""
        await self.looked_over.wait()
        await self.publisher.run(self.circuit, self.bell, lambda failures: backoff(failures, chance=random.random))

    async def compare(self) -> None:
        """For ever: the whole shelf is read at the start if it never was, when new items are looked for, at night, and
        when somebody asks."""
        await self.looked_over.wait()
        while not await self.knows_skus():  # noqa: ASYNC110 - who knows is the store, and nobody rings
            await anyio.sleep(KNOWS_SOON.total_seconds())
        due = self.now() if not await self.is_compared() else self._next()
        while True:
            rings = self.compare_bell.rings
            wait = max(due - self.now(), timedelta(0))
            await self.compare_bell.heard(since=rings, within=wait)
            await self._tried(COMPARING, self._compare)
            pause = self._pause(COMPARING)
            due = self.now() + pause if pause else self._next()
            self._compared_at = self.now()

    def missing(self) -> None:
        """The channel does not know an item: the shelf is read, unless it just was. What its list shows all the same
        waits for the next read: one item that contradicts itself keeps nobody reading."""
        if self._compared_at is None or self.now() >= self._compared_at + MISSING_EVERY:
            self.compare_bell.ring()

    def _next(self) -> datetime:
        zone = ZoneInfo(self.channel.orders.time_zone)
        nightly = next_comparison(self.now(), self.settings.compare_at, zone)
        return min(nightly, self.now() + look_for_new_after(self.settings, took=self.took))

    async def _compare(self) -> None:
        began = self.now()
        self.last = await self.comparer.once()
        self.took = self.now() - began
        log.info("numbers compared", connector=self.name, items=self.last.items, drifted=len(self.last.drifts))
        self.bell.ring()

    async def push(self) -> None:
        """For ever: when somebody asks, all of them again, behind what is urgent."""
        rings = self.push_bell.rings
        while True:
            if await self.push_bell.heard(since=rings, within=LOOK_OVER_EVERY):
                rings = self.push_bell.rings
                await self._tried(PUSHING, self.memory.push_all)
                self.bell.ring()

    async def _tried(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """One turn; what may pass is logged and tried again at the next. No order waits for what only numbers need."""
        await self.circuit.closed()
        try:
            await work()
        except (BridgeError, TimeoutError, sqlite3.Error) as fault:
            log.warning("put off", what=f"{what} of {self.name}", why=str(fault) or type(fault).__name__)
            before = self._failing.get(what)
            since, tries = (before.since, before.tries + 1) if before else (self.now(), 1)
            self._failing[what] = Failing(since, f"{what}: {plain(fault)}", tries)
            if isinstance(fault, OpenCircuit):
                await self.circuit.suspect(fault)
            elif isinstance(fault, Retry | TimeoutError):
                await self.circuit.unheard(fault)
        else:
            self._failing.pop(what, None)
            self.circuit.heard()

    def _pause(self, what: str) -> timedelta | None:
        """Before it is tried again; None where it went through."""
        failing = self._failing.get(what)
        return min(LONGEST_PAUSE, TRY_AGAIN * 2 ** min(failing.tries - 1, 10)) if failing else None

    def failing(self, *, waits: bool) -> list[Failing]:
        """What does not go through now, since when and why. ``waits``: whether any number waits to be told."""
        telling = self.publisher.figures
        told = [Failing(telling.failing_since, telling.last_failure)] if telling.failing_since and waits else []
        return sorted([*told, *self._failing.values()], key=lambda one: one.since)


def look_for_new_after(settings: StockSettings, *, took: timedelta) -> timedelta:
    """New items are looked for as often as was asked for, yet a large shelf is not read more than a tenth of the time:
    the channel's limits are for its orders first."""
    return max(timedelta(minutes=settings.look_for_new_every_minutes), took * SELDOM)
