"""A team's day is meant in its own time zone, over clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bcbridge.alerts.hours import awake, next_digest
from bcbridge.alerts.settings import TeamSection

BERLIN = TeamSection(time_zone="Europe/Berlin", quiet="22:00-07:00", digest_at="08:30")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-01-10T12:00", "2026-01-10T12:00"),
        ("2026-01-10T20:59", "2026-01-10T20:59"),
        ("2026-01-10T21:00", "2026-01-11T06:00"),
        ("2026-01-11T05:59", "2026-01-11T06:00"),
        ("2026-01-11T06:00", "2026-01-11T06:00"),
        ("2026-03-28T23:00", "2026-03-29T05:00"),  # the night the clocks go forward
        ("2026-10-24T23:00", "2026-10-25T06:00"),  # and back
    ],
)
def test_quiet_hours_end_in_the_teams_morning(at: str, told: str) -> None:
    assert awake(BERLIN, utc(at)) == utc(told)


def test_quiet_hours_within_a_day() -> None:
    team = TeamSection(quiet="12:00-13:00")
    assert awake(team, utc("2026-01-10T12:30")) == utc("2026-01-10T13:00")
    assert awake(team, utc("2026-01-10T23:30")) == utc("2026-01-10T23:30")


def test_an_end_that_the_clocks_show_twice_or_never_is_still_that_nights() -> None:
    early = TeamSection(time_zone="Europe/Berlin", quiet="22:00-02:30")
    assert awake(early, utc("2026-10-25T00:15")) == utc("2026-10-25T00:30"), "the first 02:15"
    assert awake(early, utc("2026-10-25T01:15")) == utc("2026-10-25T01:30"), "the second"
    assert awake(early, utc("2026-03-28T23:00")) == utc("2026-03-29T01:30"), "02:30 is left out"


def test_without_quiet_hours_nothing_waits() -> None:
    assert awake(TeamSection(), utc("2026-01-10T03:00")) == utc("2026-01-10T03:00")


def test_the_next_digest_is_after_the_last() -> None:
    assert next_digest(BERLIN, utc("2026-01-10T07:29")) == utc("2026-01-10T07:30")
    assert next_digest(BERLIN, utc("2026-01-10T07:30")) == utc("2026-01-11T07:30")
    assert next_digest(BERLIN, utc("2026-07-10T07:29")) == utc("2026-07-11T06:30")
