"""What people decided about numbers, written where the computing reads it: outlets, rules of single SKUs, packs.

Applied at the start, when a channel was looked over, when the mappings or the catalogue changed, and when a dated row
begins or ends. SKUs whose target may differ by it are marked, a slice at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
import structlog

from bcbridge.errors import BridgeError
from bcbridge.flows.stock.rules import EVERY, TABLE, Place, next_change, outlet_rules, packs_of, sku_rules
from bcbridge.mappings import Mappings
from bcbridge.model.stock import Basis, NumberRule, Outlet
from bcbridge.runtime.worker import Bell
from bcbridge.store import catalog
from bcbridge.store.db import Store
from bcbridge.store.stock import compute, keeping, rules, shown

log = structlog.get_logger()

SLICE = compute.SLICE
AT_LEAST_EVERY = timedelta(minutes=15)
"""The catalogue changes by itself: new SKUs of a style that has a rule are found this soon."""
TRY_AGAIN = timedelta(seconds=10)
PICKED_WITHIN = timedelta(days=60)
"""What was booked longer ago and is not picked is in no figure's way any more."""
STEPS = 10_000


@dataclass(slots=True)
class RuleBook:
    """``outlets``: of each channel that was looked over; ``on_due`` rings whoever tells numbers."""

    store: Store
    mappings: Callable[[], Mappings]
    now: Callable[[], datetime]
    on_due: Callable[[], None]
    outlets: dict[str, tuple[Outlet, ...]] = field(default_factory=dict)
    bell: Bell = field(default_factory=Bell)
    _one_at_a_time: anyio.Lock = field(default_factory=anyio.Lock)

    async def run(self) -> None:
        """For ever."""
        while True:
            rings, began = self.bell.rings, self.now()
            try:
                await self.apply()
                wait = self.wait(since=began)
            except (BridgeError, sqlite3.Error, TimeoutError) as fault:
                log.warning("put off", what="the rules for numbers", why=str(fault) or type(fault).__name__)
                wait = TRY_AGAIN
            await self.bell.heard(since=rings, within=wait)

    def wait(self, *, since: datetime) -> timedelta:
        """Until everything is to be applied again, having been applied as of a moment."""
        change = next_change(self.mappings(), now=since)
        return AT_LEAST_EVERY if change is None else min(AT_LEAST_EVERY, change - self.now())

    async def take_over(self, channel: str, outlets: Sequence[Outlet]) -> None:
        """These are the channel's outlets, as it was looked over now. All that is decided of single SKUs is in force
        when this returns: only then may the channel be told anything."""
        async with self._one_at_a_time:
            here = {(channel, str(one.location)) for one in outlets}
            await self._forget({place for place in await rules.places(self.store.read) if place[0] == channel} - here)
            self.outlets[channel] = tuple(outlets)
        await self.apply()

    async def only(self, channels: Collection[str]) -> None:
        """No other channel is told numbers any more."""
        gone = {place for place in await rules.places(self.store.read) if place[0] not in channels}
        if not gone:
            return
        await self._forget(gone)
        await self.store.write(lambda tx: rules.drop_outlets(tx, but=channels))
        async for skus in self._shown():
            await self._mark(skus)

    async def _forget(self, places: Collection[tuple[str, str]]) -> None:
        for channel in sorted({channel for channel, _ in places}):
            locations = [location for of, location in places if of == channel]
            after: str | None = ""
            while after is not None:
                forget = partial(shown.forget, channel=channel, locations=locations, after=after)
                after = await self.store.write(forget)

    async def apply(self) -> None:
        """Everything as it is decided now."""
        async with self._one_at_a_time:
            for channel in list(self.outlets):
                await self._keep_outlets(channel)
            packs = await self.store.write(lambda tx: rules.keep_packs(tx, packs_of(self.mappings())))
            await self._mark(sorted(packs))
            await self._keep_rules()
        self.on_due()

    async def _keep_outlets(self, channel: str) -> None:
        ours = outlet_rules(self.outlets[channel], self.mappings(), now=self.now())
        if await self.store.write(lambda tx: rules.keep_outlets_of(tx, channel, ours)):
            await self._open_again(ours)
            async for skus in self._shown():
                await self._mark(skus)

    async def _open_again(self, outlets: Sequence[Outlet]) -> None:
        """Where pieces count until they are picked, those that were settled as booked count again."""
        if not any(one.basis is Basis.QOH_MINUS_PICK for one in outlets):
            return
        reopen = partial(keeping.open_again, since=self.now() - PICKED_WITHIN)
        for _ in range(STEPS):
            if not await self.store.write(reopen):
                return

    async def _shown(self) -> AsyncIterator[Sequence[str]]:
        last = ""
        while skus := await rules.skus_after(self.store.read, last, many=SLICE):
            yield skus
            last = skus[-1]

    async def _keep_rules(self) -> None:
        """Of SKUs that a row may speak of, and of those that have a rule now."""
        async for upcs in self._concerned():
            await self._rule(upcs)

    async def rule(self, upcs: Sequence[str]) -> None:
        """What is decided of these SKUs is in force when this returns: they may be shown for the first time."""
        if self._speaks_of_skus():
            for ours in compute.slices(upcs):
                await self._rule(ours)

    async def _rule(self, upcs: Sequence[str]) -> None:
        now, said, channels = self.now(), self.mappings(), list(self.outlets)
        outlets = [one for channel in channels for one in outlet_rules(self.outlets[channel], said, now=now)]
        found: dict[Place, NumberRule] = {}
        for erp in {one.erp for one in outlets}:
            known = await catalog.skus(self.store, erp, upcs)
            ours = [one for one in outlets if one.erp == erp]
            found |= sku_rules(ours, {upc: next(iter(known.get(upc, ())), None) for upc in upcs}, said, now=now)
        changed = await self.store.write(partial(rules.keep_rules, skus=upcs, rules=found, channels=channels))
        await self._mark(sorted(changed))

    def _speaks_of_skus(self) -> bool:
        return any(key != EVERY for rows in self.mappings().tables.get(TABLE, {}).values() for key in rows)

    async def _concerned(self) -> AsyncIterator[Sequence[str]]:
        """Where a row speaks of single SKUs, styles or divisions, the whole catalogue, and packs."""
        last = ""
        while upcs := await rules.ruled_after(self.store.read, last, many=SLICE):
            yield upcs
            last = upcs[-1]
        if not self._speaks_of_skus():
            return
        for packs in compute.slices(sorted(packs_of(self.mappings()))):
            yield packs
        for erp in sorted({one.erp for those in self.outlets.values() for one in those}):
            last = ""
            while upcs := await catalog.upcs_after(self.store, erp, last, many=SLICE):
                yield upcs
                last = upcs[-1]

    async def _mark(self, skus: Collection[str]) -> None:
        for ours in compute.slices(sorted(skus)):
            await self.store.write(partial(compute.mark, skus=ours, now=self.now()), long=True)
