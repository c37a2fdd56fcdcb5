"""Reconciliations, wired: each channel's runs one after the other, by night or when somebody asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import anyio
import structlog

from bcbridge.connectors.budget import unhurried
from bcbridge.errors import BridgeError, OpenCircuit, plain
from bcbridge.flows.reconcile.settings import ReconcileSettings
from bcbridge.flows.reconcile.story import Outcomes, Reconciler, Run
from bcbridge.flows.stock.compare import next_comparison
from bcbridge.model.acts import ActResult, NotFound
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.poller import ListPoller
from bcbridge.runtime.worker import Bell
from bcbridge.store import acts as kept
from bcbridge.store import meta, reconciling
from bcbridge.store.db import Store
from bcbridge.store.reconciling import Asked

log = structlog.get_logger()

TRIES = 3
"""Of one run: what may pass often has passed by then."""
PAUSE = timedelta(seconds=30)
LOOK_AT_THE_CLOCK = timedelta(minutes=10)
READ_WITHIN = timedelta(minutes=30)
LOOK = timedelta(seconds=0.1)
WHOLE_PASSES = 2
"""The pass that is under way may have begun before; the one after it has not."""


@dataclass(slots=True)
class Readings:
    """Everything that reads a channel and its ERP for the bridge, and whether it has read on."""

    lists: Sequence[ListPoller]
    confirmed: Callable[[], datetime | None]
    """When the ERP's list of posted orders was last read to its end."""
    hurry: Callable[[], None]
    read_shipments: Callable[[], Awaitable[object]]

    async def once_more(self) -> bool:
        """Returns when all of it was read from its beginning to its end after the call; False where not in time."""
        with anyio.move_on_after(READ_WITHIN.total_seconds()):
            for _ in range(WHOLE_PASSES):
                await self._a_pass()
            await self.read_shipments()
            return True
        return False

    async def _a_pass(self) -> None:
        before, confirmed = [one.figures.passes for one in self.lists], self.confirmed()
        self.hurry()
        for one in self.lists:
            one.hurry()
        while not self._passed(before, confirmed):  # noqa: ASYNC110 - who reads rings nobody
            await anyio.sleep(LOOK.total_seconds())

    def _passed(self, before: Sequence[int], confirmed: datetime | None) -> bool:
        lists = all(one.figures.passes > passes for one, passes in zip(self.lists, before, strict=True))
        return lists and self.confirmed() != confirmed


@dataclass(slots=True)
class Reconciling:
    """The reconciliations of one channel."""

    channel: str
    time_zone: str
    settings: ReconcileSettings
    reconciler: Reconciler
    store: Store
    circuits: Sequence[Circuit]
    now: Callable[[], datetime]
    begins: datetime | None = None
    """The go-live boundary: what is older is nobody's."""
    bell: Bell = field(default_factory=Bell)

    def since(self) -> datetime:
        """From when on orders are compared by night."""
        asked = self.now() - timedelta(days=self.settings.days)
        return max(asked, self.begins) if self.begins else asked

    async def run(self) -> None:
        """For ever: what waits is done, and each night one more."""
        while True:
            rings = self.bell.rings
            try:
                await self._turn()
            except (BridgeError, sqlite3.Error) as fault:
                log.warning("put off", what=f"reconciling {self.channel}", why=plain(fault))
            wait = min(self._to_night(), LOOK_AT_THE_CLOCK)
            await self.bell.heard(since=rings, within=wait)

    async def _turn(self) -> None:
        await self._night()
        await self._tidy()
        while (
            asked := await self.store.write(partial(reconciling.begin, channel=self.channel, now=self.now()))
        ) is not None:
            await self._one(asked)
            await self._tidy()

    async def _tidy(self) -> None:
        while await self.store.write(reconciling.tidy, long=True):
            pass

    # -- the night -----------------------------------------------------------------------------------------

    def _to_night(self) -> timedelta:
        return next_comparison(self.now(), self.settings.at, ZoneInfo(self.time_zone)) - self.now()

    async def _night(self) -> None:
        """Once a day from its hour on; a night that the bridge slept through is made up for. Never on the day that it
        first sees: nothing is there yet that could differ."""
        if not self.settings.enabled:
            return
        night, now = self._last_night(), self.now()

        def unit(tx: sqlite3.Connection) -> None:
            before = meta.get(tx, f"reconciled/{self.channel}")
            if before is not None and before < night:
                reconciling.ask(tx, self.channel, self.since(), heal=self.settings.heal, who="", now=now)
            if before is None or before < night:
                meta.put(tx, f"reconciled/{self.channel}", night)

        await self.store.write(unit)

    def _last_night(self) -> str:
        """The day of the last night that has come, in the channel's time zone."""
        zone = ZoneInfo(self.time_zone)
        here = next_comparison(self.now(), self.settings.at, zone).astimezone(zone)
        return (here - timedelta(days=1)).date().isoformat()

    # -- one run -------------------------------------------------------------------------------------------

    async def _one(self, asked: Asked) -> None:
        for attempt in range(1, TRIES + 1):
            for circuit in self.circuits:
                await circuit.closed()
            try:
                with unhurried():
                    outcomes = await self.reconciler.once(Run(asked.id, asked.since, asked.heal))
            except Exception as fault:  # noqa: BLE001 - told in _failed, whatever it is
                await self._failed(asked, fault, last=attempt == TRIES)
                if attempt < TRIES:
                    await anyio.sleep(PAUSE.total_seconds())
            else:
                await self._ended(asked, outcomes)
                return

    async def _failed(self, asked: Asked, fault: Exception, *, last: bool) -> None:
        """It ends nothing else: what is compared is compared again tomorrow."""
        if isinstance(fault, OpenCircuit):
            for circuit in self.circuits:
                await circuit.suspect(fault)
        if isinstance(fault, BridgeError | TimeoutError | sqlite3.Error):
            log.warning("put off", what=f"reconciling {self.channel}", why=plain(fault))
        else:
            log.exception("reconciliation failed", connector=self.channel)
        words = plain(fault)
        if last:
            await self.store.write(lambda tx: reconciling.fail(tx, asked.id, reason=words, now=self.now()))
        else:
            await self.reconciler.memory.stage(asked.id, f"tried again: {words}")

    async def _ended(self, asked: Asked, outcomes: Outcomes) -> None:
        whole = asked.since <= self.since() + timedelta(hours=1)

        def unit(tx: sqlite3.Connection) -> None:
            reconciling.end(
                tx,
                self.channel,
                asked.id,
                outcomes.tally,
                outcomes.differences,
                more=outcomes.more,
                whole=whole,
                now=self.now(),
            )

        await self.store.write(unit)
        found, orders = len(outcomes.differences) + outcomes.more, outcomes.tally.orders
        log.info("reconciled", connector=self.channel, orders=orders, differences=found)


@dataclass(frozen=True, slots=True)
class ReconcileActs:
    """What a person may ask for: a run now."""

    store: Store
    now: Callable[[], datetime]
    channels: Mapping[str, Reconciling]

    async def start(self, channel: str, *, since: datetime | None, heal: bool, who: str, dry_run: bool) -> ActResult:
        """``channel``: empty means all; ``since``: None as by night. ``orders`` of the answer: those channels."""
        chosen = [channel] if channel else sorted(self.channels)
        for name in chosen:
            if name not in self.channels:
                there = ", ".join(sorted(self.channels)) or "none"
                raise NotFound(f"there is no channel {name}; there are: {there}")
        if not dry_run:
            for name in chosen:
                await self._ask(self.channels[name], since, heal=heal, who=who)
        return ActResult(matched=len(chosen), done=0 if dry_run else len(chosen), orders=tuple(chosen))

    async def _ask(self, one: Reconciling, since: datetime | None, *, heal: bool, who: str) -> None:
        begin = max(since, one.begins) if since and one.begins else since or one.since()

        def unit(tx: sqlite3.Connection) -> None:
            reconciling.ask(tx, one.channel, begin, heal=heal, who=who, now=self.now())
            kept.write_down(tx, who=who, act="reconcile", target=one.channel, why="", now=self.now())

        await self.store.write(unit)
        one.bell.ring()


async def nothing_read() -> None:
    """A channel that is not told of dispatches has its shipments read by nobody."""
