"""The dead man's switch cries no wolf over weeks of a living shop, and misses no outage that can be known.

What can be known depends on how many orders were due: an outage that begins when fifty are usual within two hours, and
due that day, is found within two hours, but for one in twenty: in the days after one that sold far less than usual.
docs/runbook/no_orders.md has the times that were measured, by the size of the shop.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from bcbridge.runtime.rhythm import HOUR, Rhythm, learn, silence
from tests.runtime.shop_days import START, ShopDays

SHORTEST = timedelta(minutes=30)
STEP_MINUTES = 10
LONGEST = timedelta(days=30)
SHOPS = [(5, 1, 0.0), (20, 2, -0.04), (60, 3, 0.04), (240, 4, 0.0), (400, 5, -0.03), (1_000, 6, 0.04), (5_000, 7, 0.0)]


class Watched:
    """A shop, and the switch that is asked every ten minutes from its first order on."""

    def __init__(self, shop: ShopDays) -> None:
        self._shop = shop
        self.counts: dict[datetime, int] = {}
        self.last: datetime | None = None
        self.usual: Rhythm | None = None
        self.orders = 0

    def live(self) -> Iterator[datetime]:
        """Every tenth minute, once what it brought is counted."""
        for number, (minute, orders) in enumerate(self._shop.minutes()):
            if minute.hour == minute.minute == 0:
                self.usual = learn(self.counts, until=minute)
            if orders:
                hour = minute.replace(minute=0)
                self.counts[hour] = self.counts.get(hour, 0) + orders
                self.last, self.orders = minute, self.orders + orders
            if number % STEP_MINUTES == 0:
                yield minute

    def is_odd(self, until: datetime) -> bool:
        if self.usual is None or self.last is None or until - self.last < SHORTEST:
            return False
        return silence(self.usual, self.counts, last=self.last, until=until).is_odd

    def expects(self, now: datetime) -> float:
        """Orders in the next two hours, once four weeks are known."""
        return self.usual.within(now, now + 2 * HOUR) if self.usual and self.usual.weeks >= 4 else 0.0

    def found_after(self, begin: datetime) -> timedelta:
        """How long an outage that begins now goes unnoticed."""
        until = begin
        while not self.is_odd(until) and until - begin < LONGEST:
            until += timedelta(minutes=STEP_MINUTES)
        return until - begin


@pytest.mark.slow
@pytest.mark.parametrize(("per_day", "seed", "trend"), SHOPS)
def test_over_eight_weeks_after_two_of_learning_a_living_shop_raises_no_alarm(
    per_day: int, seed: int, trend: float
) -> None:
    watched = Watched(ShopDays(seed, per_day, trend=trend))
    alarms = [now for now in watched.live() if watched.is_odd(now)]
    assert alarms == []
    assert watched.orders > 50 * per_day
    assert watched.usual is not None
    assert watched.usual.weeks == 8


DUE = 50


@pytest.mark.slow
@pytest.mark.parametrize(("per_day", "seed"), [(400, 11), (1_000, 12), (5_000, 13)])
def test_an_outage_is_found_within_two_hours_where_fifty_orders_were_due(per_day: int, seed: int) -> None:
    shop = ShopDays(seed, per_day, weeks=6)
    watched = Watched(shop)
    found = [
        watched.found_after(now)
        for now in watched.live()
        if now.minute == 0 and watched.expects(now) >= DUE and shop.due(now, 2) >= DUE
    ]
    late = [one for one in found if one > timedelta(hours=2)]
    assert len(found) > 50
    assert len(late) <= 0.05 * len(found), late


def steady(per_hour: int, weeks: int) -> dict[datetime, int]:
    return {START + number * HOUR: per_hour for number in range(weeks * 168)}


def test_two_whole_weeks_are_needed() -> None:
    counts = steady(10, 2)
    assert learn(counts, until=START + timedelta(days=13)) is None
    assert learn(counts, until=START + timedelta(days=14)) is not None
    assert learn({}, until=START) is None


def test_a_steady_pace_is_learnt_as_it_is() -> None:
    usual = learn(steady(10, 8), until=START + timedelta(weeks=8))
    assert usual is not None
    assert usual.rates == (10.0,) * 168


def test_a_promotion_is_no_habit() -> None:
    counts = steady(10, 8)
    for hour in range(48):
        counts[START + timedelta(weeks=5) + hour * HOUR] = 80
    usual = learn(counts, until=START + timedelta(weeks=8))
    assert usual is not None
    assert usual.rates == (10.0,) * 168


def test_the_fewer_came_of_late_the_longer_it_waits() -> None:
    until = START + timedelta(weeks=8)
    usual = learn(steady(10, 8), until=until)
    assert usual is not None
    slow = {hour: orders if hour < until - 6 * HOUR else 2 for hour, orders in steady(10, 8).items()}
    brisk = silence(usual, steady(10, 8), last=until, until=until + 4 * HOUR)
    quiet = silence(usual, slow, last=until, until=until + 4 * HOUR)
    assert (brisk.is_odd, quiet.is_odd) == (True, False)
    assert quiet.expected < brisk.expected / 2


def test_the_night_says_nothing_and_the_morning_does() -> None:
    """Sold from 8 to 20 alone: a silence from 20 to 8 is none."""
    counts = {hour: 20 for hour in steady(20, 8) if 8 <= hour.hour < 20}
    until = START + timedelta(weeks=8)
    usual = learn(counts, until=until)
    assert usual is not None
    evening = until - 4 * HOUR
    assert not silence(usual, counts, last=evening, until=evening + 12 * HOUR).is_odd
    assert silence(usual, counts, last=evening, until=evening + 15 * HOUR).is_odd
