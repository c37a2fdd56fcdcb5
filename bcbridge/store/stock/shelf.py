"""What the flows that tell and compare one channel's numbers may remember, behind one narrow door.

Units stay short: what is long is cut here, and each slice leaves the store right by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import TypeVar

from bcbridge.model.shelf import Anchored, Cause, Drift, DriftSigns, DueRow, Intent, Kept, Place, Reading
from bcbridge.model.stock import RowAnswer
from bcbridge.store.db import Store
from bcbridge.store.stock import compares, compute, rules, shown, writes

T = TypeVar("T")
Slice = Callable[[sqlite3.Connection, int], int | None]
"""A unit that takes rows from one on and returns where the next begins; None at the end."""
ROUNDS = 1000
"""Slices of one call or walk, at most."""


@dataclass(slots=True)
class ShelfMemory:
    """One channel's numbers. ``new_key``: a key under which a call is made, never the same twice."""

    store: Store
    channel: str
    now: Callable[[], datetime]
    new_key: Callable[[], str]
    _lag: float = 0.0

    # -- telling -----------------------------------------------------------------------------------------------

    async def due(self, limit: int) -> list[DueRow]:
        return await writes.due(self.store.read, self.channel, limit=limit, now=self.now())

    async def due_of(self, groups: Collection[str]) -> list[DueRow]:
        return await writes.due_of(self.store.read, self.channel, groups)

    async def next_due(self) -> datetime | None:
        return await writes.next_due(self.store.read, self.channel)

    async def begin(self, places: Sequence[Place], *, known: bool) -> list[Intent]:
        """The calls that tell these numbers are on disk when this returns. ``known``: the channel's orders were looked
        at right before."""
        intents: list[Intent] = []
        at, rows = 0, compute.SLICE
        while at < len(places):
            unit = self._begin(places[at : at + rows], intents, known)
            intents, seconds = await self.store.write(unit, long=True)
            at, rows = at + rows, _as_many(rows, seconds)
        return intents

    def _begin(
        self, places: Sequence[Place], joined: Sequence[Intent], known: bool
    ) -> Callable[[sqlite3.Connection], tuple[list[Intent], float]]:
        """With the seconds that it took."""

        def unit(tx: sqlite3.Connection) -> tuple[list[Intent], float]:
            began = perf_counter()
            intents = writes.begin(
                tx, self.channel, places, new_key=self.new_key, now=self.now(), known=known, joined=joined
            )
            return intents, perf_counter() - began

        return unit

    async def answered(self, intent: Intent, answers: Sequence[RowAnswer], *, settles: bool) -> None:
        now = self.now()
        await self._slices(
            lambda tx, first: writes.answered(tx, intent, answers, settles=settles, now=now, first=first)
        )
        if not settles:
            await self._timed(intent, now)

    async def settled(self, intent: Intent) -> None:
        now = self.now()
        await self._slices(lambda tx, first: writes.settled(tx, intent, now=now, first=first))
        await self._timed(intent, now)

    async def not_sent(self, intent: Intent, reason: str) -> None:
        now = self.now()
        await self._slices(lambda tx, first: writes.not_sent(tx, intent, reason, now=now, first=first))

    async def lost(self, intent: Intent, reason: str) -> None:
        now = self.now()
        await self._slices(lambda tx, first: writes.lost(tx, intent, reason, now=now, first=first))

    async def again(self) -> list[Intent]:
        """Calls in doubt that are to be made once more, as they were."""
        return await self.store.write(lambda tx: writes.again(tx, self.channel, now=self.now()))

    async def late(self, after: timedelta) -> None:
        """Blind writes that had no answer and can no longer land: their numbers are due once more."""
        now = self.now()
        for intent in await self._open("in_doubt", blind=True, ended=now - after):
            await self._slices(self._late(intent, now))

    @staticmethod
    def _late(intent: Intent, now: datetime) -> Slice:
        return lambda tx, first: writes.late(tx, intent, now=now, first=first)

    async def settling(self, longest: timedelta, *, small: int) -> list[Intent]:
        """Calls that settle: those answered so long ago, and of the others those of so many rows at most."""
        return await self._open("settling", ended=self.now() - longest, small=small)

    async def recover(self) -> int:
        """After a start: calls that were under way are in doubt; numbers that nothing would write any more are marked
        again. Returns how many calls."""
        cut = 0
        while intents := await self._open("under_way"):
            for intent in intents:
                await self.lost(intent, "the process ended during the call")
            cut += len(intents)
        await self.mark(await writes.unmarked(self.store.read, self.channel))
        return cut

    async def push_all(self) -> None:
        """Tell every number again, behind all that is more urgent."""
        now = self.now()
        after: str | None = ""
        while after is not None:
            after = await self.store.write(self._all(after, now), long=True)

    def _all(self, after: str, now: datetime) -> Callable[[sqlite3.Connection], str | None]:
        return lambda tx: writes.mark_all(tx, self.channel, after=after, now=now)

    async def mark(self, skus: Sequence[str]) -> None:
        for ours in _sliced(skus):
            await self.store.write(self._mark(ours), long=True)

    def _mark(self, skus: Sequence[str]) -> Callable[[sqlite3.Connection], object]:
        return lambda tx: compute.mark(tx, skus, now=self.now())

    async def _open(
        self, state: str, *, blind: bool | None = None, ended: datetime | None = None, small: int | None = None
    ) -> list[Intent]:
        return await writes.open_calls(self.store.read, self.channel, state, blind=blind, ended=ended, small=small)

    async def _slices(self, unit: Slice) -> None:
        first: int | None = 0
        for _ in range(ROUNDS):
            if first is None:
                return
            first = await self.store.write(_from(unit, first), long=True)

    async def _timed(self, intent: Intent, now: datetime) -> None:
        """How long a number takes to get there, from the moment it was to fall; where that is forgotten, as of a call
        that settles, from its intent."""
        due = intent.due or (intent.made if any(change.difference < 0 for change in intent.write.changes) else None)
        if due is None:
            return
        took = max(0.0, (now - due).total_seconds())
        smooth = took if not self._lag else self._lag + (took - self._lag) * SMOOTHING
        self._lag = smooth
        await self.store.write(lambda tx: rules.keep_lag(tx, self.channel, smooth))

    # -- reading -----------------------------------------------------------------------------------------------

    async def begin_read(self) -> int:
        return await self.store.write(lambda tx: compares.begin(tx, self.channel, now=self.now()))

    async def keep_items(self, read: int, items: Sequence[Kept]) -> None:
        for ours in _sliced(items):
            await self.store.write(self._keep(read, ours), long=True)

    def _keep(self, read: int, items: Sequence[Kept]) -> Callable[[sqlite3.Connection], None]:
        def unit(tx: sqlite3.Connection) -> None:
            shown.keep_items(tx, self.channel, read, items)
            compares.count(tx, read, len(items))

        return unit

    async def anchor(self, readings: Sequence[Reading], *, heal: bool) -> list[Anchored]:
        """What was read becomes what is explained, once the orders are known past it; what differs from the target is
        due then."""
        anchored: list[Anchored] = []
        for ours in _sliced(readings):
            anchored += await self.store.write(self._anchor(ours, heal), long=True)
        return anchored

    def _anchor(self, readings: Sequence[Reading], heal: bool) -> Callable[[sqlite3.Connection], list[Anchored]]:
        def unit(tx: sqlite3.Connection) -> list[Anchored]:
            anchored = shown.anchor(tx, self.channel, readings, heal=heal)
            compute.mark(tx, {one.sku for one in anchored}, now=self.now())
            return anchored

        return unit

    async def missing(self, places: Sequence[Place], why: str) -> None:
        """The channel has no such items (any more), or shows no number of them."""
        await self.store.write(lambda tx: shown.missing(tx, self.channel, places, why))

    async def signs(self, read: int, drift: Drift) -> DriftSigns:
        return await compares.signs(self.store.read, self.channel, read, drift)

    async def end_read(self, read: int, found: Sequence[tuple[Drift, Cause]], *, healed: bool) -> None:
        """The whole shelf was read: what it did not show is gone."""
        after: str | None = ""
        while after is not None:
            after = await self.store.write(self._end(read, after), long=True)
        for ours in _sliced(found):
            await self.store.write(self._found(read, ours, healed))
        await self.store.write(lambda tx: compares.end(tx, read, now=self.now()))
        while await self.store.write(lambda tx: shown.forget_changes(tx, now=self.now())):
            pass

    def _end(self, read: int, after: str) -> Callable[[sqlite3.Connection], str | None]:
        return lambda tx: shown.end_read(tx, self.channel, read, after=after)

    def _found(
        self, read: int, found: Sequence[tuple[Drift, Cause]], healed: bool
    ) -> Callable[[sqlite3.Connection], None]:
        return lambda tx: compares.keep(tx, read, found, healed=healed)


SMOOTHING = 0.2
"""The share that the latest call has in the lag that is kept."""


MOST_BEGUN = 250
"""Rows of a call written down in one unit at most."""
UNIT_SECONDS = 0.008
"""What such a unit is to take: where SKUs are split or sold much, their rows cost several times as much."""


def _as_many(rows: int, seconds: float) -> int:
    """How many rows the next unit takes, after one that took so long for so many."""
    fit = int(rows * UNIT_SECONDS / seconds) if seconds > 0 else MOST_BEGUN
    return max(compute.SLICE, min(MOST_BEGUN, fit))


def _sliced(rows: Sequence[T]) -> list[Sequence[T]]:
    return [rows[at : at + compute.SLICE] for at in range(0, len(rows), compute.SLICE)]


def _from(unit: Slice, first: int) -> Callable[[sqlite3.Connection], int | None]:
    return lambda tx: unit(tx, first)
