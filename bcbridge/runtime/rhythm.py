"""How often something happens at each hour of the week, and how unlikely it is that it has not happened for so long.

A dead man's switch that wakes people at night must not cry wolf, so every guess leans to the quiet side:

- the busiest weeks of an hour do not count (a promotion then is no norm now), and an hour is never expected to be
  busier than the quietest of its neighbours is likely to be (a ramp in the morning, a change of the clock);
- where the last hours, day or week brought less than the norm, the norm is lowered by as much (a holiday, a decline);
  where they brought more, it is not raised;
- chance is allowed to be lumpier than Poisson's, and may cry wolf once in a hundred years, were the norm exact.

So the fewer there are, the longer it takes: what is needed is an expectation of about 20, however long that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)
WEEK_HOURS = 168
WEEKS_AT_MOST, WEEKS_AT_LEAST = 8, 2
LUMPS = 20.0
"""How lumpy: the shape of a negative binomial. At infinity it is Poisson's."""
FALSE_ALARMS_A_YEAR = 0.01
YEAR_WEEKS = 52
RECENT_HOURS = (0, 2, 6, 24, 168)
SURE_SHARE = 0.8
"""Caution about each hour adds up where each has few: the whole week is expected to bring at least this share."""
SHRINK = 5.0
"""So many as the norm expects are added on both sides of what was seen: a few hours of a small shop say little."""

Counts = Mapping[datetime, int]
"""By the full hour, UTC; an hour that is not there had none."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``rates``: expected in each hour of the week, Monday 00 UTC first. ``weeks``: how many it was learnt from."""

    rates: tuple[float, ...]
    weeks: int

    def at(self, hour: datetime) -> float:
        return self.rates[hour.weekday() * 24 + hour.hour]

    def within(self, since: datetime, until: datetime) -> float:
        """What is expected between two moments."""
        return sum(self.at(hour) * share for hour, share in _hours(since, until))

    @property
    def a_year(self) -> float:
        return sum(self.rates) * YEAR_WEEKS


def learn(counts: Counts, *, until: datetime) -> Rhythm | None:
    """The rhythm of the whole weeks before ``until`` (a full hour), eight at most; None where two are not known."""
    if not counts:
        return None
    weeks = min(WEEKS_AT_MOST, (until - min(counts)) // WEEK)
    if weeks < WEEKS_AT_LEAST:
        return None
    begin = until - WEEK
    cells = _cells(counts, begin, weeks)
    cautious = list(_cautious(cells, weeks))
    lift = max(1.0, SURE_SHARE * _trimmed([sum(week) for week in zip(*cells, strict=True)]) / (sum(cautious) or 1.0))
    rates = [0.0] * WEEK_HOURS
    for place, rate in enumerate(cautious):
        hour = begin + place * HOUR
        rates[hour.weekday() * 24 + hour.hour] = rate * lift
    return Rhythm(tuple(rates), weeks)


def _cells(counts: Counts, begin: datetime, weeks: int) -> list[list[int]]:
    """For each hour of the week from ``begin`` what each week brought."""
    return [[counts.get(begin + place * HOUR - week * WEEK, 0) for week in range(weeks)] for place in range(WEEK_HOURS)]


def _cautious(cells: Sequence[Sequence[int]], weeks: int) -> Iterator[float]:
    likely = [_likely_at_most(_trimmed(cell), weeks) for cell in cells]
    for place, cell in enumerate(cells):
        before, after = place - 1, (place + 1) % WEEK_HOURS
        three = [sum(hours) for hours in zip(cells[before], cell, cells[after], strict=True)]
        yield min(_trimmed(three) / 3, likely[before], likely[place], likely[after])


def _trimmed(values: Sequence[int]) -> float:
    """The mean without the largest quarter."""
    kept = sorted(values)[: len(values) - math.ceil(len(values) / 4)]
    return sum(kept) / len(kept)


def _likely_at_most(rate: float, weeks: int) -> float:
    """What a rate seen in so many weeks may well be: two deviations more."""
    return rate + 2 * math.sqrt(rate / weeks) + 2 / weeks


@dataclass(frozen=True, slots=True)
class Silence:
    """``expected``: how many should have happened meanwhile. ``chance``: of none, were nothing wrong."""

    expected: float
    chance: float
    chance_allowed: float

    @property
    def is_odd(self) -> bool:
        return self.chance < self.chance_allowed


def silence(rhythm: Rhythm, recent: Counts, *, last: datetime, until: datetime) -> Silence:
    """Nothing happened between the two moments. ``recent``: at least the seven days before ``last``."""
    expected = _pace(rhythm, recent, last) * rhythm.within(last, until)
    chance = (1 + expected / LUMPS) ** -LUMPS
    return Silence(expected, chance, FALSE_ALARMS_A_YEAR / max(1.0, rhythm.a_year))


def _pace(rhythm: Rhythm, recent: Counts, last: datetime) -> float:
    """What the time before the last one brought, of what the norm says; 1 at most."""
    return min(1.0, *(_share(rhythm, recent, last, hours) for hours in RECENT_HOURS))


def _share(rhythm: Rhythm, recent: Counts, last: datetime, hours: int) -> float:
    """Of the hour in which the last one happened up to it, and so many full hours before."""
    begin = _full_hour(last) - hours * HOUR
    seen = sum(recent.get(begin + n * HOUR, 0) for n in range(hours + 1))
    return (seen + SHRINK) / (rhythm.within(begin, last) + SHRINK)


def _hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, float]]:
    """Each full hour that the time touches, and how much of it."""
    hour = _full_hour(since)
    while hour < until:
        yield hour, (min(until, hour + HOUR) - max(since, hour)) / HOUR
        hour += HOUR


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
