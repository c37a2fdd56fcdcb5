"""An ERP's batch cycle, found out from the figures themselves: when to look next, and how late figures come. Pure.

A publication shows itself by a figure that moved or a stamp that is newer than all before. It came after the last look
that did not show it, and before the look that did; so the nearer the looks, the better it is known. From publications
at regular distances the next one is expected, and looked for closely around that moment; a missing one is waited for
as long as one that is late, then the next is expected. Where figures move all the time there is no cycle, and every
look is as good as another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from statistics import median

import orjson

from bcbridge.flows.stock.pull import Pulled

KEPT = 12
"""Publications that are remembered."""
FEWEST = 3
"""Publications from which a cycle is believed."""
UNEVEN = 0.2
"""Distances that differ from the usual one by more of it are not regular."""
CLOSELY = timedelta(seconds=2)
"""Between looks while a publication is expected."""
EARLY = 0.02
"""Part of the cycle by which a publication may come early, and is still met."""
EVERYTHING_EVERY = timedelta(hours=24)
"""What no list of changes shows is found by reading everything."""
NO_TIME = timedelta(0)
SOONEST = timedelta(seconds=60)
PART_OF_TIME = 10
"""While booked pieces wait for a figure, everything is read in a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Publication:
    """It came between ``after``, when a look began that did not show it, and ``seen``, when the request left that did.
    ``stored``: when its figures were kept, and every number with them."""

    after: datetime
    seen: datetime
    stored: datetime

    @property
    def width(self) -> timedelta:
        return self.seen - self.after

    @property
    def middle(self) -> datetime:
        return self.after + self.width / 2


@dataclass(frozen=True, slots=True)
class Cycle:
    """What was seen of it. ``looked``: when the last look began. ``hint``: the distance a person named."""

    publications: tuple[Publication, ...] = ()
    looked: datetime | None = None
    newest: datetime | None = None
    hint: timedelta | None = None

    def learn(self, pulled: Pulled) -> Cycle:
        """The same after one more pull."""
        news = self._first_news(pulled)
        newest = max((moment for moment in (self.newest, pulled.newest) if moment), default=None)
        cycle = replace(self, looked=pulled.began, newest=newest)
        if news is None or self.looked is None or pulled.held:
            return cycle
        publication = Publication(self.looked, max(news, self.looked), pulled.ended)
        return replace(cycle, publications=(*self.publications, publication)[-KEPT:])

    def _first_news(self, pulled: Pulled) -> datetime | None:
        if pulled.first_moved is not None:
            return pulled.first_moved
        newer = pulled.newest is not None and (self.newest is None or pulled.newest > self.newest)
        return pulled.began if newer else None

    @property
    def period(self) -> timedelta | None:
        """The distance of publications; None where there is no regular one."""
        found = self._rhythm()
        return found[0] if found else None

    def _rhythm(self) -> tuple[timedelta, timedelta] | None:
        """The distance, and how far it may be wrong: by the two publications between which it is known best."""
        seen = self.publications
        if len(seen) < FEWEST:
            return (self.hint, NO_TIME) if self.hint else None
        gaps = [(b.middle - a.middle).total_seconds() for a, b in pairwise(seen)]
        usual = median(gaps)
        if not usual or 2 * sum(abs(gap - usual) <= UNEVEN * usual for gap in gaps) <= len(gaps):
            return None
        spans = ((a, b, round((b.middle - a.middle).total_seconds() / usual)) for a, b in combinations(seen, 2))
        known = (((b.middle - a.middle) / many, (a.width + b.width) / many) for a, b, many in spans if many)
        return min(known, key=lambda one: one[1])

    @property
    def latency(self) -> timedelta | None:
        """From publication to stored, at most: usually over those remembered."""
        late = [(one.stored - one.after).total_seconds() for one in self.publications]
        return timedelta(seconds=median(late)) if late else None

    def wait(self, now: datetime, *, every: timedelta) -> timedelta:
        """How long until the next look; ``every``: where nothing says when."""
        rhythm = self._rhythm()
        if rhythm is None or rhythm[0] <= 2 * every or not self.publications:
            return every
        opens, closes = self._expected(now, *rhythm)
        if now < opens:
            return min(every, opens - now)
        return min(CLOSELY, every) if now <= closes else every

    def _expected(self, now: datetime, period: timedelta, wrong: timedelta) -> tuple[datetime, datetime]:
        """The next time in which a publication is looked for closely; one that was missed moves it by a cycle."""
        last, around = self.publications[-1], period * EARLY + wrong
        opens, closes = last.after + period - around, last.seen + period + around
        missed = max(0, -((closes - now) // period))
        return opens + missed * period, closes + missed * period

    def dump(self) -> str:
        """For memory; read back by ``load``."""
        rows = [[one.after, one.seen, one.stored] for one in self.publications]
        return orjson.dumps(rows).decode()


def load(dumped: str, *, hint: timedelta | None = None) -> Cycle:
    """What was remembered; the first look of a new process says nothing of how long a publication was there."""
    rows: Sequence[Sequence[str]] = orjson.loads(dumped or "[]")
    return Cycle(tuple(Publication(*map(datetime.fromisoformat, row)) for row in rows), hint=hint)


def everything_is_due(now: datetime, began: datetime | None, took: timedelta, *, waiting: bool) -> bool:
    """Whether everything is to be read. ``began``, ``took``: the last time. ``waiting``: booked pieces wait for a
    figure that contains them; only a pull of everything dates the rows that no list of changes shows again."""
    if began is None:
        return True
    pause = min(EVERYTHING_EVERY, max(SOONEST, PART_OF_TIME * took)) if waiting else EVERYTHING_EVERY
    return now - began >= pause
