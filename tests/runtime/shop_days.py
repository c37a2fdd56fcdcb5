"""A shop's orders minute by minute, as shops sell: day and night, weekdays, promotions and what follows them, holidays,
growth or decline, the change of the clock, and hours that are better or worse for no reason at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

START = datetime(2026, 9, 14, tzinfo=UTC)
"""A Monday."""
MINUTE = timedelta(minutes=1)
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
WEEKDAYS = (1.05, 1.0, 0.95, 0.95, 1.0, 0.95, 1.1)
UTC_OFFSET_MINUTES = 300
"""New York in winter; an hour less before the clock is changed."""


@cache
def _at_hour(hour: float) -> float:
    """The share of an hour in a day: next to nothing at night, most in the evening."""
    if hour < 6:
        return 0.04
    evening = 1 + 0.5 * math.exp(-(((hour - 20.5) / 1.5) ** 2))
    return float(0.04 + max(0.0, math.sin((hour - 6) / 18 * math.pi)) ** 1.5 * evening)


_A_DAY = sum(_at_hour(hour + 0.5) for hour in range(24))


@dataclass
class ShopDays:
    """``per_day``: orders on a usual day. The same seed sells the same orders."""

    seed: int
    per_day: float
    weeks: int = 10
    trend: float = 0.0
    """Growth a week: 0.04 is four in a hundred more."""
    _chance: Random = field(init=False)
    _days: list[float] = field(init=False)
    _hours: dict[int, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = Random(f"{self.seed}/{self.per_day}")
        self._days = list(self._good_and_bad_days(self.weeks * 7 + 2))
        for _ in range(self.weeks // 2):
            self._promotion()
        for _ in range(2):
            self._days[self._chance.randrange(len(self._days))] *= 0.3

    def _good_and_bad_days(self, days: int) -> Iterator[float]:
        mood = 0.0
        for _ in range(days):
            mood = 0.7 * mood + self._chance.gauss(0, 0.18)
            yield math.exp(mood)

    def _promotion(self) -> None:
        """One day or two that sell three to eight times as much, and a day with less."""
        day, factor = self._chance.randrange(len(self._days) - 2), self._chance.uniform(3, 8)
        self._days[day] *= factor
        self._days[day + 1] *= self._chance.choice([factor * 0.6, 0.6])
        self._days[day + 2] *= 0.6

    def minutes(self) -> Iterator[tuple[datetime, int]]:
        """Each minute and how many orders it brought."""
        for minute in range(self.weeks * WEEK_MINUTES):
            yield START + minute * MINUTE, self._sold(self._rate(minute))

    def due(self, begin: datetime, hours: int) -> float:
        """How many orders the shop as it is that day would bring in the next hours."""
        first = (begin - START) // MINUTE
        return sum(self._rate(minute) for minute in range(first, first + hours * 60))

    def _rate(self, minute: int) -> float:
        summer = 60 if minute < self.weeks * WEEK_MINUTES // 2 else 0
        day, within = divmod(max(0, minute - UTC_OFFSET_MINUTES + summer), DAY_MINUTES)
        lumps = self._hours.setdefault(minute // 60, self._chance.gammavariate(8, 1 / 8))
        usual = self.per_day * _at_hour(within / 60) / _A_DAY / 60 * WEEKDAYS[day % 7]
        return float(usual * self._days[day] * lumps * (1 + self.trend) ** (day / 7))

    def _sold(self, rate: float) -> int:
        limit, orders, product = math.exp(-rate), 0, self._chance.random()
        while product > limit:
            product *= self._chance.random()
            orders += 1
        return orders
