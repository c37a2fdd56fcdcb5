"""Calendars of warehouses in config.toml, and the releases that go by them."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

from bcbridge.config import load
from bcbridge.model.calendar import EVERY_DAY
from tests.test_config import GOOD, mistakes, written

DAYS = """
[calendars.NJ1]
time_zone = "America/New_York"
days = "mon-fri"
closed = [2026-12-25]
[calendars.CA1]
cut_off = 14:00:00
[channels.shopify_us.releases]
NJ1 = { at = ["10:00"] }
CA1 = { at = ["10:00"] }
"""


def test_a_release_goes_by_its_warehouses_calendar(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD + DAYS))
    nj1, ca1 = (settings.channels["shopify_us"].orders.releases[name] for name in ("NJ1", "CA1"))
    assert (nj1.days, nj1.closed, nj1.time_zone) == (
        frozenset(range(5)),
        frozenset({date(2026, 12, 25)}),
        "America/New_York",
    )
    assert (ca1.days, ca1.closed, ca1.time_zone) == (EVERY_DAY, frozenset(), None), "what is not said is the channel's"
    assert settings.calendars["CA1"].cut_off == time(14)


def test_what_a_release_says_itself_goes_before_its_calendar(tmp_path: Path) -> None:
    said = DAYS.replace(
        'NJ1 = { at = ["10:00"] }', 'NJ1 = { at = ["10:00"], days = "sat", time_zone = "UTC", closed = [] }'
    )
    release = load(written(tmp_path, GOOD + said)).channels["shopify_us"].orders.releases["NJ1"]
    assert (release.days, release.closed, release.time_zone) == (frozenset({5}), frozenset[date](), "UTC")


def test_without_any_there_is_none(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    assert (settings.calendars, settings.channels["shopify_us"].orders.releases) == ({}, {})


def test_mistakes_are_named_by_their_key(tmp_path: Path) -> None:
    wrong = DAYS.replace('"mon-fri"', '"mo-fr"').replace(
        'CA1 = { at = ["10:00"] }', 'CA1 = { at = ["10:00", "10"], cutoff = 1 }'
    )
    found = mistakes(tmp_path, GOOD + wrong.replace("[calendars.CA1]", "[calendars]\nPA1 = 1\n[calendars.CA1]"))
    assert found.keys() == {
        "calendars.NJ1.days",
        "calendars.PA1",
        "channels.shopify_us.releases.CA1.at.1",
        "channels.shopify_us.releases.CA1.cutoff",
    }
    assert "'mo' is no day of the week" in found["calendars.NJ1.days"]
    assert "cut_off_minutes" in found["channels.shopify_us.releases.CA1.cutoff"]
