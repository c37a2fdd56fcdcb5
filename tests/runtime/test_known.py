"""A moment is known once every list was read to its end after it, and every look that waited then was taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import anyio
import pytest

from bcbridge.runtime.known import Known
from tests.runtime.kit import START

SOON = timedelta(seconds=5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Shop:
    """Its jobs by id (each of a record of its own, unless ``refs`` says of which), what was told, and how often its
    lists were hurried."""

    def __init__(self, *lists: str) -> None:
        self.open: set[int] = set()
        self.refs: dict[int, str] = {}
        self.told: list[datetime] = []
        self.hurried = 0
        self.known = Known(open_looks=self._open, tell=self._tell, hurry=self._hurry)
        self.known.expect(lists)

    async def _open(self) -> Mapping[int, str]:
        return {job: self.refs.get(job, f"of {job}") for job in self.open}

    async def _tell(self, upto: datetime) -> None:
        self.told.append(upto)

    def _hurry(self) -> None:
        self.hurried += 1

    async def look(self, *jobs: int) -> None:
        await self.known.looked(jobs)
        self.open -= set(jobs)


@pytest.fixture
def shop() -> Shop:
    return Shop("updated")


async def test_without_anything_to_look_at_the_moment_a_pass_began_is_known_when_it_ended(shop: Shop) -> None:
    await shop.known.listed("updated", at(1))
    assert (shop.known.upto, shop.told) == (at(1), [at(1)])


async def test_what_waits_to_be_looked_at_comes_first(shop: Shop) -> None:
    shop.open = {1, 2}
    await shop.known.listed("updated", at(1))
    await shop.look(1)
    assert shop.known.upto is None
    await shop.look(2)
    assert shop.known.upto == at(1)


async def test_all_lists_are_read_and_the_one_that_began_first_says_how_far() -> None:
    shop = Shop("updated", "fulfilment_orders")
    await shop.known.listed("updated", at(2))
    assert shop.known.upto is None
    await shop.known.listed("fulfilment_orders", at(1))
    assert shop.known.upto == at(1)
    await shop.known.listed("fulfilment_orders", at(3))
    assert shop.known.upto == at(2)


async def test_looks_that_came_in_since_hold_nothing_up(shop: Shop) -> None:
    """In a rush one always waits."""
    shop.open = {1}
    await shop.known.listed("updated", at(1))
    shop.open |= {2}
    await shop.look(1)
    assert shop.known.upto == at(1)


async def test_a_newer_moment_that_is_through_makes_an_older_one_known(shop: Shop) -> None:
    shop.open = {1}
    await shop.known.listed("updated", at(1))
    shop.open = {1, 2}
    await shop.known.listed("updated", at(2))
    await shop.look(1, 2)
    assert shop.told == [at(2)]


async def test_a_look_that_failed_and_waits_anew_is_waited_for_under_its_new_id(shop: Shop) -> None:
    """Where one of many always fails, no moment would ever be known if its failure were the end of it."""
    shop.open = {1, 2}
    await shop.known.listed("updated", at(1))
    shop.open, shop.refs = {2, 7}, {7: "of 1"}
    await shop.known.listed("updated", at(2))
    await shop.look(7)
    assert shop.known.upto is None
    shop.open, shop.refs = {8}, {8: "of 2"}
    await shop.known.listed("updated", at(3))
    assert shop.known.upto is None
    await shop.look(8)
    assert shop.known.upto == at(3)
    assert shop.told == [at(3)]


async def test_an_older_look_under_way_does_not_stand_for_the_one_that_waits(shop: Shop) -> None:
    shop.open, shop.refs = {1, 2}, {1: "a", 2: "a"}
    await shop.known.listed("updated", at(1))
    await shop.look(1)
    assert shop.known.upto is None
    await shop.look(2)
    assert shop.known.upto == at(1)


async def test_a_look_that_is_nowhere_any_more_makes_nothing_known(shop: Shop) -> None:
    shop.open = {1}
    await shop.known.listed("updated", at(1))
    shop.open = {2}
    await shop.known.listed("updated", at(2))
    assert shop.known.upto is None
    await shop.look(2)
    assert shop.told == [at(2)]


async def test_it_never_goes_back(shop: Shop) -> None:
    await shop.known.listed("updated", at(5))
    await shop.known.listed("updated", at(3))
    assert (shop.known.upto, shop.told) == (at(5), [at(5)])


async def test_whoever_needs_a_moment_has_the_lists_read_at_once_and_waits_for_it(shop: Shop) -> None:
    async with anyio.create_task_group() as tasks:
        waited: list[bool] = []

        async def wait() -> None:
            waited.append(await shop.known.catch_up(at(10), within=SOON))

        tasks.start_soon(wait)
        while not shop.hurried:
            await anyio.lowlevel.checkpoint()
        await shop.known.listed("updated", at(9))
        while shop.hurried < 2:
            await anyio.lowlevel.checkpoint()
        assert not waited
        await shop.known.listed("updated", at(11))
    assert waited == [True]


async def test_a_moment_that_is_known_already_asks_nobody(shop: Shop) -> None:
    await shop.known.listed("updated", at(10))
    assert await shop.known.catch_up(at(10), within=SOON)
    assert shop.hurried == 0


async def test_who_waits_in_vain_is_told_so(shop: Shop) -> None:
    assert not await shop.known.catch_up(at(10), within=timedelta(milliseconds=10))
