"""What a person may say about stock: believe a pull, compare a channel now, tell it all its numbers again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from bcbridge.model.acts import ActResult, NotFound
from bcbridge.store import acts as kept
from bcbridge.store.db import Store
from bcbridge.store.stock import acts as said


@dataclass(frozen=True, slots=True)
class StockActs:
    store: Store
    now: Callable[[], datetime]
    erps: Collection[str]
    """ERP connections whose figures are read."""
    channels: Collection[str]
    """Channels whose stock is kept."""
    pull: Callable[[str], None]
    compare: Callable[[str], None]
    push: Callable[[str], None]

    async def accept(self, erp: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        """The next pull of this ERP is stored, however much it loses."""
        _known(erp, self.erps, "whose figures are read")

        def unit(tx: sqlite3.Connection) -> str:
            before = said.held(tx, erp)
            if not dry_run:
                said.accept(tx, erp)
                kept.write_down(tx, who=who, act="stock_accept", target=erp, why=why, before=before, now=self.now())
            return before

        held = await self.store.write(unit)
        if not dry_run:
            self.pull(erp)
        return ActResult(matched=1, done=0 if dry_run else 1, note=held or "no pull is held; the next one is believed")

    async def start_compare(self, channel: str, *, who: str, dry_run: bool) -> ActResult:
        return await self._start(channel, "stock_compare", self.compare, why="", who=who, dry_run=dry_run)

    async def start_push(self, channel: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        return await self._start(channel, "stock_push", self.push, why=why, who=who, dry_run=dry_run)

    async def _start(
        self, channel: str, act: str, start: Callable[[str], None], *, why: str, who: str, dry_run: bool
    ) -> ActResult:
        _known(channel, self.channels, "whose stock is kept")
        if not dry_run:
            now = self.now()
            await self.store.write(lambda tx: kept.write_down(tx, who=who, act=act, target=channel, why=why, now=now))
            start(channel)
        return ActResult(matched=1, done=0 if dry_run else 1, orders=(channel,))


def _known(name: str, among: Collection[str], which: str) -> None:
    if name not in among:
        raise NotFound(f"there is no connection {name} {which}; there are: {', '.join(sorted(among)) or 'none'}")
