"""A warehouse's calendar: working days, cut-offs, days that are closed, and clocks that are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bcbridge.model.calendar import ALWAYS, Calendar, moment_at

NEW_YORK = ZoneInfo("America/New_York")
NJ1 = Calendar.model_validate(
    {"time_zone": "America/New_York", "days": "mon-fri", "cut_off": "14:00", "closed": ["2026-12-25"]}
)
ANY_MOMENT = st.integers(0, 6 * 366 * 24 * 3600).map(lambda s: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
ANY_CALENDAR = st.builds(
    Calendar,
    time_zone=st.sampled_from(("UTC", "America/New_York", "Europe/Paris", "Pacific/Auckland", "Pacific/Kiritimati")),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    cut_off=st.none() | st.times(),
    closed=st.frozensets(st.dates(date(2024, 1, 1), date(2030, 1, 1)), max_size=9),
)


def at(text: str) -> datetime:
    """A moment by New York's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-09 10:00", 3, "2026-11-13 00:00"),  # Monday: Tuesday, Wednesday, Thursday
        ("2026-11-09 13:59", 3, "2026-11-13 00:00"),
        ("2026-11-09 14:00", 3, "2026-11-14 00:00"),  # the cut-off itself is late
        ("2026-11-13 15:00", 1, "2026-11-18 00:00"),  # Friday after the cut-off: of Monday
        ("2026-11-14 09:00", 0, "2026-11-17 00:00"),  # Saturday, on the day itself: by the end of Monday
        ("2026-12-24 15:00", 0, "2026-12-29 00:00"),  # Friday is Christmas
        ("2026-12-23 10:00", 2, "2026-12-29 00:00"),
        ("2026-10-30 10:00", 1, "2026-11-03 00:00"),  # the night between has 25 hours
    ],
)
def test_working_days_are_counted_by_the_warehouses_own_calendar(start: str, days: int, end: str) -> None:
    assert NJ1.deadline(at(start), days) == at(end)


def test_without_a_calendar_every_day_counts_by_utc() -> None:
    start = datetime(2026, 11, 14, 23, 59, tzinfo=UTC)
    assert ALWAYS.deadline(start, 3) == datetime(2026, 11, 18, tzinfo=UTC)


@given(ANY_CALENDAR, ANY_MOMENT, st.timedeltas(timedelta(0), timedelta(days=9)), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_what_comes_later_is_due_no_earlier(calendar: Calendar, start: datetime, after: timedelta, days: int) -> None:
    due = calendar.deadline(start, days)
    assert start < due <= calendar.deadline(start + after, days)
    assert due < calendar.deadline(start, days + 1)


@given(ANY_CALENDAR, ANY_MOMENT, st.timedeltas(timedelta(0), timedelta(days=30)), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_what_is_overdue_is_past_its_deadline_and_nothing_else(
    calendar: Calendar, start: datetime, after: timedelta, days: int
) -> None:
    now = start + after
    overdue = calendar.overdue_before(now, days)
    assert (start < overdue) == (calendar.deadline(start, days) <= now)
    assert calendar.deadline(overdue, days) > now >= calendar.deadline(overdue - timedelta(microseconds=1), days)


@pytest.mark.parametrize(
    ("local", "moment"),
    [
        ("2026-03-08 02:30", "2026-03-08T07:30+00:00"),  # left out: when it would have been
        ("2026-11-01 01:30", "2026-11-01T05:30+00:00"),  # twice: the first
        ("2026-07-01 10:00", "2026-07-01T14:00+00:00"),
    ],
)
def test_a_clock_that_is_changed_still_says_one_moment(local: str, moment: str) -> None:
    day, clock = local.split()
    assert moment_at(date.fromisoformat(day), time.fromisoformat(clock), NEW_YORK) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("days", "numbers"),
    [("mon-fri", {0, 1, 2, 3, 4}), ("sat-mon", {5, 6, 0}), ("wed", {2}), ("Mon, thu-fri", {0, 3, 4})],
)
def test_days_of_the_week_are_written_as_people_do(days: str, numbers: set[int]) -> None:
    assert Calendar.model_validate({"days": days}).days == numbers


def test_tomls_own_days_and_times_are_taken() -> None:
    said = Calendar.model_validate({"cut_off": time(14), "closed": [date(2026, 12, 25)]})
    assert (said.cut_off, said.closed) == (NJ1.cut_off, NJ1.closed)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"days": "mon-fry"}, "'fry' is no day of the week"),
        ({"days": ""}, "must be days of the week"),
        ({"days": ["mon"]}, "must be days of the week"),
        ({"cut_off": "25:00"}, "must be a time of day"),
        ({"cut_off": "14:00Z"}, "without a zone"),
        ({"cut_off": 14}, "must be a time of day"),
        ({"closed": ["25.12.2026"]}, "must be a day"),
        ({"closed": [datetime(2026, 12, 25, tzinfo=UTC)]}, "must be a day"),
        ({"time_zone": "New York"}, "is no time zone"),
        ({"holidays": []}, "Extra inputs"),
    ],
)
def test_what_is_no_calendar_is_refused_in_words(said: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Calendar.model_validate(said)
