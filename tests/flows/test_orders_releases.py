"""Posting tied to pick cycles: what waits for a release, for which, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bcbridge.flows.orders import OrderSettings
from bcbridge.flows.orders.releases import release_after
from bcbridge.flows.orders.settings import Release
from bcbridge.model.order import Hold, Order
from bcbridge.model.outcome import Blocked, NotYet, Outcome, Ready
from bcbridge.model.work import Again, Done
from tests.flows.at_hand import DRESS, HOUSE, SHIRT, House, line, order
from tests.flows.scene import scene

NEW_YORK = ZoneInfo("America/New_York")
TWICE_A_DAY = {"at": ["10:00", "14:00"], "days": "mon-fri", "cut_off_minutes": 30, "groups": ["VIP"]}


def at(text: str) -> datetime:
    """A moment by New York's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def house(**releases: dict[str, Any]) -> House:
    return HOUSE.setting(time_zone="America/New_York", releases=releases)


def sold(created: str, *, places: tuple[str, ...] = ("New Jersey DC",), **said: Any) -> Order:
    codes = (DRESS, SHIRT)
    lines = [line(code, "50.00", at=place) for code, place in zip(codes, places, strict=False)]
    return order(*lines, total=str(50 * len(lines)), created=at(created), **said)


def waits(outcome: Outcome) -> datetime | None:
    """Until when it waits for its release; None where it does not."""
    assert isinstance(outcome, NotYet | Ready), outcome
    if isinstance(outcome, Ready):
        return None
    assert outcome.code == "waits_for_release"
    return outcome.look_again


# -- which release ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "released"),
    [
        ("2026-11-16 09:29", "2026-11-16 10:00"),
        ("2026-11-16 09:30", "2026-11-16 10:00"),
        ("2026-11-16 09:31", "2026-11-16 14:00"),
        ("2026-11-16 13:31", "2026-11-17 10:00"),
        ("2026-11-20 15:00", "2026-11-23 10:00"),  # Friday afternoon
        ("2026-11-22 23:00", "2026-11-23 10:00"),
    ],
)
def test_an_order_waits_for_the_first_release_whose_cut_off_it_meets(created: str, released: str) -> None:
    judged = house(NJ1=TWICE_A_DAY)
    ordered = sold(created)
    assert waits(judged.judge(ordered, now=at(created))) == at(released)
    assert waits(judged.judge(ordered, now=at(released) - timedelta(seconds=1))) == at(released)
    assert waits(judged.judge(ordered, now=at(released))) is None


def test_it_says_when_and_for_which_warehouse() -> None:
    outcome = house(NJ1=TWICE_A_DAY).judge(sold("2026-11-16 09:00"), now=at("2026-11-16 09:01"))
    assert isinstance(outcome, NotYet)
    assert outcome.text == "Waits for the release of NJ1 at 2026-11-16 10:00 EST."


def test_several_warehouses_wait_for_the_latest() -> None:
    judged = house(NJ1=TWICE_A_DAY, CA1={"at": ["16:00"]})
    both = sold("2026-11-16 09:00", places=("New Jersey DC", "California DC"))
    assert waits(judged.judge(both, now=both.created)) == at("2026-11-16 16:00")
    assert waits(judged.judge(sold("2026-11-16 09:00"), now=both.created)) == at("2026-11-16 10:00")


def test_a_warehouse_without_releases_books_at_once() -> None:
    ordered = sold("2026-11-16 09:00")
    assert waits(house(CA1=TWICE_A_DAY).judge(ordered, now=ordered.created)) is None
    assert waits(HOUSE.judge(ordered, now=ordered.created)) is None


def test_a_customer_group_that_is_named_does_not_wait() -> None:
    judged = house(NJ1=TWICE_A_DAY)
    ordered = sold("2026-11-16 09:00")
    tables = judged.mappings.with_value("customer_groups", "shop", "web", "VIP")
    vip = House(settings=judged.settings, mappings=tables)
    assert [part.customer_group for part in HOUSE.parts(ordered)] == [""]
    assert waits(vip.judge(ordered, now=ordered.created)) is None
    other = House(settings=judged.settings, mappings=tables.with_value("customer_groups", "shop", "web", "RETAIL"))
    assert waits(other.judge(ordered, now=ordered.created)) == at("2026-11-16 10:00")


def test_only_what_could_be_booked_waits() -> None:
    judged = house(NJ1=TWICE_A_DAY)
    odd = sold("2026-11-16 09:00", places=("Nowhere",))
    assert isinstance(judged.judge(odd, now=odd.created), Blocked)
    held = judged.judge(sold("2026-11-16 09:00", holds=(Hold(reason="FRAUD"),)), now=odd.created)
    assert isinstance(held, NotYet)
    assert held.code == "channel_hold"


def test_the_warehouses_own_clock_goes_before_the_channels() -> None:
    judged = house(NJ1={"at": ["10:00"], "time_zone": "America/Los_Angeles"})
    outcome = judged.judge(sold("2026-11-16 09:00"), now=at("2026-11-16 09:00"))
    assert isinstance(outcome, NotYet)
    assert outcome.look_again == at("2026-11-16 13:00")
    assert "10:00 PST" in outcome.text


def test_a_closed_day_has_no_release() -> None:
    judged = house(NJ1={"at": ["10:00"], "closed": ["2026-11-26", "2026-11-27"]})
    thanksgiving = sold("2026-11-26 08:00")
    assert waits(judged.judge(thanksgiving, now=thanksgiving.created)) == at("2026-11-28 10:00")


# -- clocks that are changed -----------------------------------------------------------------------------------------


def test_a_release_at_a_time_that_the_day_leaves_out_comes_all_the_same() -> None:
    night = Release.model_validate({"at": ["02:30", "03:15"]})
    spring = at("2026-03-08 01:00")
    assert release_after(spring, night, "America/New_York") == datetime(2026, 3, 8, 7, 15, tzinfo=UTC)
    missed = datetime(2026, 3, 8, 7, 16, tzinfo=UTC)  # 03:16, and 02:30 would have been at 03:30
    assert release_after(missed, night, "America/New_York") == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_a_release_at_a_time_that_the_day_has_twice_comes_once() -> None:
    night = Release.model_validate({"at": ["01:30"]})
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert release_after(first, night, "America/New_York") == first
    assert release_after(first + timedelta(seconds=1), night, "America/New_York") == datetime(
        2026, 11, 2, 6, 30, tzinfo=UTC
    )


SAMOA = datetime(2011, 12, 30, 9, tzinfo=UTC)
"""It left out a whole day then."""
ANY_MOMENT = st.just(SAMOA) | st.integers(0, 18 * 366 * 24 * 3600).map(lambda s: SAMOA + timedelta(seconds=s))
ANY_RELEASE = st.builds(
    Release,
    at=st.lists(st.times(), min_size=1, max_size=4).map(tuple),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    cut_off_minutes=st.integers(0, 24 * 60 - 1),
)
ZONES = st.sampled_from(
    ("UTC", "America/New_York", "Europe/Paris", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut")
)


@given(
    ANY_RELEASE,
    ZONES,
    ANY_MOMENT,
    st.timedeltas(timedelta(0), timedelta(days=8)),
)
@settings(max_examples=300, deadline=None)
def test_a_release_is_never_before_the_order_nor_out_of_turn_and_within_a_week(
    release: Release, zone: str, created: datetime, after: timedelta
) -> None:
    released = release_after(created, release, zone)
    assert released - release.cut_off >= created
    assert released <= release_after(created + after, release, zone)
    left_out = timedelta(days=1, hours=1)
    assert released <= created + timedelta(days=7) + release.cut_off + left_out
    assert release_after(released - release.cut_off, release, zone) == released, "it takes in what comes until then"


# -- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"at": []}, "at least 1 item"),
        ({"at": ["ten"]}, "must be a time of day"),
        ({"at": ["10:00"], "days": "weekdays"}, "is no day of the week"),
        ({"at": ["10:00"], "cut_off_minutes": 1440}, "less than 1440"),
        ({"at": ["10:00"], "time_zone": "Nowhere"}, "is no time zone"),
        ({"at": ["10:00"], "group": ["VIP"]}, "Extra inputs"),
    ],
)
def test_what_is_no_release_is_refused_in_words(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OrderSettings.model_validate({"code": "SU", "releases": {"NJ1": said}})


# -- the story -------------------------------------------------------------------------------------------------------


async def test_what_waits_takes_in_edits_and_goes_at_its_release(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        soon = s.b.clock() + timedelta(hours=1)
        releases = {"NJ1": Release.model_validate({"at": [soon.time()]})}
        s.flow.settings = s.flow.settings.model_copy(update={"releases": releases})
        made = s.sold()
        (waiting,) = await s.look(s.shop.put(made))
        assert waiting == Again(soon - s.b.clock(), "waits_for_release")
        assert ((await s.row())["state"], (await s.row())["code"]) == ("not_yet", "waits_for_release")

        ref = s.change(made, lines=(line(SHIRT, "80.00"),))
        await s.look(ref)
        assert s.b.erp.sent() == []
        s.b.clock.tick(3600)
        assert await s.look(ref) == [Done("handed over")]
        rows = await s.b.store.read.rows("SELECT upc FROM booked_rows")
        assert [row["upc"] for row in rows] == [SHIRT]
