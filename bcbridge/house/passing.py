"""Numbers that change though nobody touched them: time passed, or a channel's orders became known.

What is split and was taken back from a channel is given to the others once that channel's orders are known past it; a
buffer by speed falls when nobody buys.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
import structlog

from bcbridge.errors import BridgeError
from bcbridge.store.db import Store
from bcbridge.store.stock import compute, known
from bcbridge.store.stock.allotments import LONGEST_CALL

log = structlog.get_logger()

COOLS_EVERY = timedelta(seconds=2)
AT_LEAST_COOLED = timedelta(minutes=1)
"""No life leaves more than this undone."""


@dataclass(slots=True)
class Passing:
    """``on_due`` rings whoever tells the numbers of these channels."""

    store: Store
    now: Callable[[], datetime]
    on_due: Callable[[Collection[str]], None]
    _upto: dict[str, datetime] = field(default_factory=dict)

    async def known(self, channel: str, upto: datetime) -> None:
        """The channel's orders are known up to here: kept, and what waited for it is computed. At the first time in
        this life as if nothing had been given since long: the last one may have ended between the two."""
        after = self._upto.get(channel, upto - LONGEST_CALL)
        await self._mark(await self.store.write(partial(_know, channel=channel, after=after, upto=upto)))
        self._upto[channel] = upto

    async def cool(self) -> None:
        """For ever."""
        since: datetime | None = None
        while True:
            try:
                since = await self.cool_once(since)
            except (BridgeError, sqlite3.Error) as fault:
                log.warning("put off", what="buffers by speed", why=str(fault))
            await anyio.sleep(COOLS_EVERY.total_seconds())

    async def cool_once(self, since: datetime | None) -> datetime:
        """What was last done as of a moment, done as of now; returns that. None: by an earlier life, which ended no
        sooner than the last sale that it saw."""
        now = self.now()
        if since is None:
            last = await compute.last_sale(self.store.read)
            since = now if last is None else min(now, last - AT_LEAST_COOLED)
        await self._mark(await self.store.write(partial(compute.cooled, since=since, now=now)))
        return now

    async def _mark(self, skus: Sequence[str]) -> None:
        for ours in compute.slices(skus):
            self.on_due(await self.store.write(partial(compute.mark, skus=ours, now=self.now())))


def _know(tx: sqlite3.Connection, *, channel: str, after: datetime, upto: datetime) -> list[str]:
    known.know(tx, channel, upto)
    return compute.freed(tx, channel, after=after, upto=upto)
