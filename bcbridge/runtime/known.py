"""Up to which moment the records of one connection are known.

A pass of every list that began at T was read to its end, and every look that waited by then has been taken: then
each record is known as it stood at T. Whoever writes over a number of a shop that cannot compare asks for that first.

1. listed    a list was read to its end; when all of them were, what waits to be looked at is noted
2. looked    a look was taken; when those noted are through, the moment is known, and told
3. catch up  the lists are read at once, and somebody waits until a moment is known
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from bcbridge.runtime.worker import Bell

MOST_BEGUN = 2
"""Moments that wait at once for their looks: the oldest, which comes first, and the newest, which says most."""


@dataclass(slots=True)
class _Begun:
    """A moment, and the looks that must be taken before it is known: the ids of their jobs, and of what record."""

    at: datetime
    waits_for: dict[int, str]

    def follow(self, still_open: Mapping[int, str]) -> bool:
        """A look that failed waits anew, under another id: then that is the one to wait for. False where there is
        none."""
        failed = {ref for job, ref in self.waits_for.items() if job not in still_open}
        anew = {job: ref for job, ref in still_open.items() if ref in failed}
        self.waits_for = {job: ref for job, ref in self.waits_for.items() if job in still_open} | anew
        return failed <= set(anew.values())


@dataclass(slots=True)
class Known:
    """One connection's records. ``open_looks``: all looks that wait or are under way, by the ids of their jobs, and of
    what record each is; ``tell`` keeps what is known; ``hurry`` has the lists read at once."""

    open_looks: Callable[[], Awaitable[Mapping[int, str]]]
    tell: Callable[[datetime], Awaitable[None]]
    hurry: Callable[[], None] = lambda: None
    upto: datetime | None = None
    _read: dict[str, datetime | None] = field(default_factory=dict)
    _begun: list[_Begun] = field(default_factory=list)
    _moved: Bell = field(default_factory=Bell)

    def expect(self, lists: Iterable[str]) -> None:
        """The lists that must all have been read."""
        self._read = dict.fromkeys(lists)

    async def listed(self, name: str, began: datetime) -> None:
        """A pass of a list that began then was read to its end."""
        self._read[name] = began
        moments = [moment for moment in self._read.values() if moment is not None]
        if len(moments) < len(self._read):
            return
        at = min(moments)
        if at <= max((one.at for one in self._begun), default=self.upto or datetime.min.replace(tzinfo=at.tzinfo)):
            return
        still_open = await self.open_looks()
        able = [one for one in self._begun if one.follow(still_open)]
        self._begun = [*able[: MOST_BEGUN - 1], _Begun(at, dict(still_open))]
        await self._through()

    async def looked(self, jobs: Iterable[int]) -> None:
        """These looks were taken, and what they showed is on disk."""
        taken = set(jobs)
        for one in self._begun:
            one.waits_for = {job: ref for job, ref in one.waits_for.items() if job not in taken}
        await self._through()

    async def _through(self) -> None:
        through = max((one.at for one in self._begun if not one.waits_for), default=None)
        if through is None:
            return
        self._begun = [one for one in self._begun if one.at > through]
        await self.tell(through)
        self.upto = through
        self._moved.ring()

    async def catch_up(self, past: datetime, *, within: timedelta) -> bool:
        """Wait until every record is known as it stood at ``past``; False when that took too long."""
        with anyio.move_on_after(within.total_seconds()):
            while self.upto is None or self.upto < past:
                rings = self._moved.rings
                self.hurry()
                await self._moved.heard(since=rings, within=within)
        return self.upto is not None and self.upto >= past
