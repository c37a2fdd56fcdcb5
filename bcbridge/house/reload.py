"""The mappings in force: read at the start, read again when a file changes, refused whole when one is wrong.

A row that changed frees the orders that were blocked for want of it (three first).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import anyio
import structlog

from bcbridge import mappings
from bcbridge.errors import Misconfigured, StoreBusy, plain
from bcbridge.flows.orders.story import ORDERS
from bcbridge.mappings import Mappings
from bcbridge.store import incidents, releases
from bcbridge.store.db import Store

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class MappingsInForce:
    """``current`` is what every judgement uses."""

    folder: Path
    channels: Sequence[str]
    store: Store
    now: Callable[[], datetime]
    ring: Callable[[], None]
    on_change: Callable[[], None] = lambda: None
    """Told when others are in force."""
    current: Mappings = field(default_factory=Mappings)
    _seen: tuple[tuple[str, int], ...] = ()
    _looked: tuple[tuple[str, int], ...] = ()
    _one_at_a_time: anyio.Lock = field(default_factory=anyio.Lock)

    def load(self) -> None:
        """At the start. Raises Misconfigured with every mistake."""
        self._seen = self._looked = self._stamps()
        self.current = mappings.load(self.folder, self.channels)

    async def watch(self) -> None:
        """For ever: look whether a file changed."""
        while True:
            await anyio.sleep(LOOK_EVERY_SECONDS)
            try:
                await self._look()
            except (StoreBusy, OSError) as fault:  # a file that goes between two looks is looked for again
                log.warning("mappings not taken over yet", why=plain(fault))

    async def _look(self) -> None:
        """A change is taken over when two looks saw the same: an editor may be in the middle of writing."""
        seen, before = await asyncio.to_thread(self._stamps), self._looked
        self._looked = seen
        if seen != self._seen and seen == before:
            async with self._one_at_a_time:
                await self._reload()
                self._seen = seen

    def with_row(self, table: str, channel: str, key: str, value: str) -> Mappings:
        """What would be in force with one row set. Raises Misconfigured."""
        return self.current.with_value(table, channel or mappings.DEFAULT, key, value)

    def row_now(self, table: str, channel: str, key: str) -> object:
        """What that very row says; None where there is none."""
        return self.current.row(table, channel or mappings.DEFAULT, key)

    async def save(self, table: str, channel: str, key: str, value: str) -> int:
        """One row, as an operator sets it; returns how many blocked orders it may free. Raises Misconfigured.

        It is added to what the files say, not to what is in force: neither a row that somebody else sets at the same
        time nor one just written by hand is lost.
        """
        async with self._one_at_a_time:
            held = await asyncio.to_thread(mappings.load, self.folder, self.channels)
            wanted = held.with_value(table, channel or mappings.DEFAULT, key, value)
            await asyncio.to_thread(mappings.write, wanted, self.folder)
            seen = await asyncio.to_thread(self._stamps)
            freed = await self._take_over(wanted)
            self._seen = seen
        return freed

    async def _reload(self) -> None:
        try:
            wanted = await asyncio.to_thread(mappings.load, self.folder, self.channels)
        except Misconfigured as fault:
            await self._refuse(str(fault))
            return
        await self._take_over(wanted)

    async def _refuse(self, why: str) -> None:
        log.warning("mappings refused; the old ones stay in force", why=why)
        await self.store.write(
            lambda tx: incidents.open_one(
                tx, code="mappings_refused", connector="", cause="mappings", text=why, now=self.now()
            )
        )

    async def _take_over(self, wanted: Mappings) -> int:
        before, self.current = self.current, wanted
        changes = {channel: mappings.changed(before, wanted, channel) for channel in self.channels}
        try:
            freed = await self.store.write(lambda tx: self._free(tx, changes))
        except BaseException:
            self.current = before  # else nobody would be freed when it is taken over later
            raise
        self.on_change()
        log.info("mappings taken over", changes=len(set().union(*changes.values())), freed=freed)
        if freed:
            self.ring()
        return freed

    def _free(self, tx: sqlite3.Connection, changes: Mapping[str, set[str]]) -> int:
        """Of each channel three first: what one shop's orders come to tells nothing of another's rows."""
        now = self.now()
        incidents.close(tx, code="mappings_refused", connector="", cause="mappings", now=now)
        waiting = releases.waiting_for(tx)
        return sum(
            releases.free(tx, mappings.freed(rows, waiting), flow=ORDERS, now=now, channel=channel)
            for channel, rows in changes.items()
            if rows
        )

    def _stamps(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted((path.name, path.stat().st_mtime_ns) for path in self.folder.glob("*.toml")))
