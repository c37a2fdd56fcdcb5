"""The batch cycle is found in the figures, met closely, and how late figures come is measured."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bcbridge.flows.stock.cycle import Cycle, everything_is_due, load
from bcbridge.flows.stock.pull import Pulled
from tests.flows.stock.feed_kit import TEN

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
EVERY = timedelta(minutes=2)


def looked(cycle: Cycle, at: datetime, *, moved: bool = False, newest: datetime | None = None, held: str = "") -> Cycle:
    return cycle.learn(
        Pulled(
            everything=False,
            began=at,
            ended=at + SECOND,
            rows=1,
            moved=int(moved),
            held=held,
            odd=(),
            newest=newest,
            first_moved=at if moved else None,
        )
    )


def followed(cycle: Cycle, publications: list[datetime], *, begin: datetime, end: datetime) -> tuple[Cycle, int]:
    """Looks when the cycle says so, from ``begin`` to ``end``; and how many looks that took."""
    now, looks, met = begin, 0, 0
    while now < end:
        there = sum(one <= now for one in publications)
        cycle, met, looks = looked(cycle, now, moved=there > met), there, looks + 1
        now += max(SECOND, cycle.wait(now, every=EVERY))
    return cycle, looks


QUARTERS = [TEN + 15 * MINUTE * number for number in range(1, 20)]


def test_a_cycle_is_found_and_each_publication_met_within_seconds() -> None:
    cycle, looks = followed(Cycle(), QUARTERS, begin=TEN, end=TEN + 240 * MINUTE)
    assert cycle.period is not None
    assert abs(cycle.period - 15 * MINUTE) < 5 * SECOND
    for one in cycle.publications[-8:]:
        assert one.seen - one.after <= 3 * SECOND
    assert cycle.latency is not None
    assert cycle.latency <= 5 * SECOND
    assert looks < 500  # of 7,200 at that pace


def test_before_anything_is_known_every_look_is_as_good_as_another() -> None:
    assert Cycle().wait(TEN, every=EVERY) == EVERY
    assert Cycle().latency is None


def test_a_publication_that_is_missing_is_not_waited_for_all_day() -> None:
    missing = [one for one in QUARTERS if one != QUARTERS[6]]
    cycle, _ = followed(Cycle(), missing, begin=TEN, end=TEN + 240 * MINUTE)
    after = [one for one in cycle.publications if one.seen > QUARTERS[6]]
    assert after[0].seen - QUARTERS[7] <= 3 * SECOND
    cycle, looks = followed(cycle, [], begin=TEN + 300 * MINUTE, end=TEN + 600 * MINUTE)
    assert looks < 800  # of 9,000


def test_figures_that_move_all_the_time_have_no_cycle() -> None:
    cycle, _ = followed(Cycle(), [TEN + MINUTE * number for number in range(100)], begin=TEN, end=TEN + 60 * MINUTE)
    assert cycle.wait(TEN + 61 * MINUTE, every=EVERY) == EVERY


def test_irregular_figures_have_no_cycle() -> None:
    moments = [TEN + MINUTE * number for number in (3, 10, 31, 37, 70, 75, 110)]
    cycle, _ = followed(Cycle(), moments, begin=TEN, end=TEN + 120 * MINUTE)
    assert cycle.period is None


def test_a_newer_stamp_is_news_though_no_figure_moved() -> None:
    cycle = looked(Cycle(), TEN, newest=TEN - 5 * MINUTE)
    assert looked(cycle, TEN + MINUTE, newest=TEN - 5 * MINUTE).publications == ()
    assert len(looked(cycle, TEN + MINUTE, newest=TEN).publications) == 1


def test_a_pull_that_was_not_believed_is_no_publication() -> None:
    assert looked(looked(Cycle(), TEN), TEN + MINUTE, moved=True, held="too much").publications == ()


def test_what_was_learned_outlives_the_process() -> None:
    cycle, _ = followed(Cycle(), QUARTERS, begin=TEN, end=TEN + 120 * MINUTE)
    again = load(cycle.dump())
    assert (again.publications, again.period, again.looked) == (cycle.publications, cycle.period, None)
    assert looked(again, TEN + 200 * MINUTE, moved=True).publications == cycle.publications
    assert load("").publications == ()


def test_a_cycle_that_a_person_named_is_believed_until_it_is_known_better() -> None:
    cycle = Cycle(hint=10 * MINUTE)
    cycle = looked(looked(cycle, TEN), TEN + MINUTE, moved=True)
    assert cycle.period == 10 * MINUTE
    assert cycle.wait(TEN + 9.8 * MINUTE, every=EVERY) == 2 * SECOND


@pytest.mark.parametrize(
    ("minutes", "took", "waiting", "due"),
    [
        (0.9, 1, True, False),
        (1, 1, True, True),
        (60, 1, False, False),
        (24 * 60, 1, False, True),
        (9, 60, True, False),
        (10, 60, True, True),
    ],
)
def test_everything_is_read_daily_and_in_a_tenth_of_the_time_while_pieces_wait(
    minutes: float, took: float, waiting: bool, due: bool
) -> None:
    now = TEN + timedelta(minutes=minutes)
    assert everything_is_due(now, TEN, timedelta(seconds=took), waiting=waiting) is due
    assert everything_is_due(now, None, timedelta(0), waiting=waiting)
