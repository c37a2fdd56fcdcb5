"""Which orders changed: nothing is missed though rows move, and what is no order is never shown."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from bcbridge.connectors.bigcommerce.dates import moment
from tests.connectors.bigcommerce.answers import NOON, Json, order
from tests.connectors.bigcommerce.stores import Store, a_store, listed, shown
from tests.contract.kit import Asked

pytestmark = pytest.mark.contract


def at(number: int, seconds: int, **changes: Any) -> Json:
    stamp = format_datetime(NOON + timedelta(seconds=seconds))
    return order(id=number, date_modified=stamp, date_created=stamp, **changes)


def filled(store: Store, count: int) -> None:
    store.put(*(at(number, number * 7) for number in range(1, count + 1)))


async def test_1b_an_order_that_changes_between_pages_takes_none_with_it() -> None:
    """With each page turned an order already shown moves to the end; page 2 would lose one each time."""
    async with a_store(page_size=10) as (store, room):
        filled(store, 45)

        def change(asked: Asked) -> None:
            if len(store.asked) < 5:
                store.touch(len(store.asked) * 2, NOON + timedelta(hours=1, seconds=len(store.asked)))

        store.meanwhile = change
        assert set(shown(await listed(room.orders.lists[0]))) == {str(number) for number in range(1, 46)}
        assert {asked.query["page"] for asked in store.asked} == {"1"}
        assert {asked.query["sort"] for asked in store.asked} == {"date_modified:asc"}


async def test_the_next_pass_begins_an_overlap_before_the_newest_stamp() -> None:
    async with a_store(page_size=10) as (store, room):
        filled(store, 12)
        pages = await listed(room.orders.lists[0])
        newest = NOON + timedelta(seconds=12 * 7)
        store.asked.clear()
        await listed(room.orders.lists[0], pages[-1].cursor)
        floor = moment(store.asked[0].query["min_date_modified"])
        assert floor == newest - timedelta(seconds=121)


async def test_an_order_saved_while_a_clock_was_wrong_hides_none_that_come_after_it() -> None:
    async with a_store(page_size=10) as (store, room):
        filled(store, 3)
        store.put(at(4, 40 * 24 * 3600))
        pages = await listed(room.orders.lists[0])
        assert set(shown(pages)) == {"1", "2", "3", "4"}
        store.put(at(5, 60))
        assert "5" in shown(await listed(room.orders.lists[0], pages[-1].cursor))


async def test_17_status_0_and_archived_orders_are_not_shown_and_end_no_page_early() -> None:
    async with a_store(page_size=4) as (store, room):
        store.put(*(at(number, number, status_id=0 if number % 2 else 11) for number in range(1, 21)))
        assert shown(await listed(room.orders.lists[0])) == [str(number) for number in range(2, 21, 2)]


async def test_each_channel_has_a_list_of_its_own() -> None:
    async with a_store(channel_ids=[1, 3]) as (store, room):
        store.put(at(1, 1), at(2, 2, channel_id=2), at(3, 3, channel_id=3))
        first, third = room.orders.lists
        assert (first.name, third.name) == ("updated_channel_1", "updated_channel_3")
        assert (shown(await listed(first)), shown(await listed(third))) == (["1"], ["3"])
        assert shown([page async for page in room.orders.sweep(NOON)]) == ["1", "3"]


async def test_a_sweep_lists_by_creation() -> None:
    async with a_store(page_size=2) as (store, room):
        filled(store, 5)
        store.touch(2, NOON + timedelta(days=3))
        pages = [page async for page in room.orders.sweep(NOON + timedelta(seconds=14))]
        assert shown(pages) == ["2", "3", "4", "5"]
        assert {asked.query["sort"] for asked in store.asked} == {"date_created:asc"}
