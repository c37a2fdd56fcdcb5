"""The ERP's local time: overlaps around a clock change, quiet hours, stamps that are not stamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bcbridge.connectors.bluecherry.clock import ErpClock, QuietWindow, parse_stamp

NEW_YORK = ErpClock(ZoneInfo("America/New_York"), overlap=timedelta(seconds=300))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def quiet(*windows: str, zone: str = "America/New_York") -> ErpClock:
    return ErpClock(ZoneInfo(zone), timedelta(seconds=300), tuple(map(QuietWindow.parse, windows)))


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2026-03-01 07:30:00", "2026-03-01 07:30:00"),
        ("2026-03-01T07:30:00.123", "2026-03-01 07:30:00.123000"),
        (" 2026-03-01 ", "2026-03-01 00:00:00"),
    ],
)
def test_stamps_are_local_text(text: str, stamp: str) -> None:
    assert str(parse_stamp(text)) == stamp


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "03/01/2026",
        "2026-03-01T07:30:00Z",
        "2026-03-01 07:30:00+02:00",
        "9999-12-31 23:59:59",
        "0001-01-01 00:00:00",
    ],
)
def test_what_is_no_local_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_stamp(text)


def test_a_stamp_becomes_utc_by_the_erps_zone() -> None:
    assert NEW_YORK.utc(at("2026-01-15 07:00:00")) == at("2026-01-15T12:00:00+00:00")
    assert NEW_YORK.utc(at("2026-07-15 07:00:00")) == at("2026-07-15T11:00:00+00:00")
    assert NEW_YORK.local(at("2026-07-15T11:00:00+00:00")) == at("2026-07-15 07:00:00")


def test_a_stamp_of_the_repeated_hour_has_two_readings() -> None:
    twice = at("2026-11-01 01:30:00")
    assert NEW_YORK.earliest(twice) == at("2026-11-01T05:30:00+00:00")
    assert NEW_YORK.latest(twice) == at("2026-11-01T06:30:00+00:00")
    assert NEW_YORK.earliest(at("2026-11-01 03:30:00")) == NEW_YORK.latest(at("2026-11-01 03:30:00"))


def test_a_stamp_of_the_hour_that_was_skipped_is_read_on_the_safe_side() -> None:
    assert NEW_YORK.earliest(at("2026-03-08 02:30:00")) < NEW_YORK.latest(at("2026-03-08 02:30:00"))


@pytest.mark.parametrize(
    ("stamp", "start"),
    [
        ("2026-01-15 07:00:00", "2026-01-15 06:55:00"),
        ("2026-11-01 01:59:59", "2026-10-31 23:59:59"),  # clocks go back at 2:00
        ("2026-11-01 03:30:00", "2026-11-01 01:30:00"),
        ("2026-11-01 04:30:00", "2026-11-01 04:25:00"),
        ("2026-03-08 01:59:59", "2026-03-07 23:59:59"),  # clocks go forward at 2:00
        ("2026-03-08 03:10:00", "2026-03-08 01:10:00"),
    ],
)
def test_the_overlap_is_five_minutes_and_two_hours_around_a_clock_change(stamp: str, start: str) -> None:
    assert NEW_YORK.reread_from(at(stamp)) == at(start)


def test_nothing_written_in_the_repeated_hour_is_left_behind() -> None:
    """What is written after the clocks went back has an earlier stamp than what was seen before."""
    seen_before = NEW_YORK.local(at("2026-11-01T05:59:00+00:00"))
    written_after = NEW_YORK.local(at("2026-11-01T06:01:00+00:00"))
    assert written_after < seen_before
    assert NEW_YORK.reread_from(seen_before) < written_after


@pytest.mark.parametrize(
    ("window", "local", "ends"),
    [
        ("00:00-01:30", "2026-03-01 00:00:00", "2026-03-01 01:30:00"),
        ("00:00-01:30", "2026-03-01 01:29:59", "2026-03-01 01:30:00"),
        ("00:00-01:30", "2026-03-01 01:30:00", None),
        ("23:30-01:00", "2026-03-01 23:45:00", "2026-03-02 01:00:00"),
        ("23:30-01:00", "2026-03-01 00:10:00", "2026-03-01 01:00:00"),
        ("23:30-01:00", "2026-03-01 12:00:00", None),
    ],
)
def test_a_quiet_window_may_cross_midnight(window: str, local: str, ends: str | None) -> None:
    assert QuietWindow.parse(window).ends_after(at(local)) == (at(ends) if ends else None)


def test_quiet_hours_are_the_erps() -> None:
    clock = quiet("00:00-01:30")
    assert clock.quiet_until(at("2026-01-15T05:10:00+00:00")) == at("2026-01-15T06:30:00+00:00")
    assert clock.quiet_until(at("2026-01-15T06:30:00+00:00")) is None
    assert clock.quiet_until(at("2026-01-15T00:10:00+00:00")) is None


def test_windows_that_touch_are_one() -> None:
    clock = quiet("23:00-00:00", "00:00-01:00", zone="UTC")
    assert clock.quiet_until(at("2026-01-15T23:10:00+00:00")) == at("2026-01-16T01:00:00+00:00")


def test_windows_around_the_clock_still_end_a_step_later() -> None:
    clock = quiet("00:00-12:00", "12:00-00:00", zone="UTC")
    now = datetime(2026, 1, 15, 5, tzinfo=UTC)
    end = clock.quiet_until(now)
    assert end is not None
    assert end > now


@pytest.mark.parametrize("text", ["", "01:30", "25:00-26:00", "01:00-01:00", "a-b"])
def test_a_window_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        QuietWindow.parse(text)
