"""What the running process says of itself: a list that cannot be read says why, until it is read again."""

from __future__ import annotations

from datetime import timedelta

from bcbridge.house.vitals import HouseVitals
from bcbridge.house.wiring import House
from tests.test_house import SHOP, Moving, house, now, settings

__all__ = ["house", "now", "settings"]


async def test_a_list_that_cannot_be_read_says_why_until_it_is_read_again(house: House, now: Moving) -> None:
    """Nobody listens where the shipped config points."""
    vitals = HouseVitals(house)
    poller = house.channels[SHOP].lists[0]
    assert why(vitals) == ""
    assert not await poller._pass()
    assert "could not connect" in why(vitals)
    poller.figures.last_success, poller.figures.failing_since = now(), None
    assert why(vitals) == ""


async def test_what_has_been_failing_for_longest_is_said(house: House, now: Moving) -> None:
    first, second = house.erps["bluecherry"].masters[:2]
    second.figures.failing_since, second.figures.last_failure = now(), "for an hour"
    now.at += timedelta(hours=1)
    first.figures.failing_since, first.figures.last_failure = now(), "just now"
    assert why(HouseVitals(house), "bluecherry") == "for an hour"


async def test_how_things_stand_is_one_line(house: House) -> None:
    assert await HouseVitals(house).status() == "0 booked, 0 blocked, 0 not yet, 0 in doubt, 0 waiting"


def why(vitals: HouseVitals, name: str = SHOP) -> str:
    (pulse,) = [one for one in vitals.pulses() if one.name == name]
    return pulse.why
