"""A shelf that is read back: what no order and no call of ours explains is found, named, and set right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bcbridge.errors import Retry
from bcbridge.flows.stock import compare
from bcbridge.flows.stock.compare import next_comparison
from bcbridge.flows.stock.drift import causes
from bcbridge.model.shelf import Drift, DriftCause, DriftSigns, PastWrite
from bcbridge.store.stock import compares
from tests.flows.stock.scene import START, settled
from tests.flows.stock.shelves import Blind, Clock, Comparing, Shop, Slow


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.mark.parametrize("kind", [Comparing, Blind, Slow])
async def test_a_number_edited_in_the_admin_is_found_named_and_set_right(
    tmp_path: Path, clock: Clock, kind: type[Shop]
) -> None:
    shop = kind("shop", clock, {"A": 0, "B": 0})
    async with settled(tmp_path, clock, {"A": 5, "B": 5}, shop) as whole:
        channel = whole.channels["shop"]
        assert (await channel.compare()).drifts == ()
        clock.tick(60)
        shop.holds["A"] = 9
        found = await channel.compare()
        ((drift, cause),) = found.drifts
        assert (drift.sku, drift.explained, drift.actual) == ("A", 5, 9)
        assert cause.cause is DriftCause.EDITED
        await channel.publish()
        if isinstance(shop, Slow):
            shop.settle()
        assert shop.holds == {"A": 5, "B": 5}
        (last,) = await compares.trend(whole.store.read, "shop", many=1)
        assert (last.items, last.drifted, last.healed) == (2, 1, 1)
        (row,) = await compares.last_drifts(whole.store.read, "shop", many=10)
        assert (row.sku, row.why[:7]) == ("A", "edited:")


async def test_drift_is_only_told_where_it_is_not_to_be_healed(tmp_path: Path, clock: Clock) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        channel.heal = False
        shop.holds["A"] = 9
        assert len((await channel.compare()).drifts) == 1
        await channel.publish()
        assert shop.holds["A"] == 9


@pytest.mark.parametrize("kind", [Comparing, Blind])
async def test_an_order_that_comes_while_the_shelf_is_read_is_no_drift(
    tmp_path: Path, clock: Clock, kind: type[Shop]
) -> None:
    shop = kind("shop", clock, {"A": 0, "B": 0})
    shop.page_rows = 1
    async with settled(tmp_path, clock, {"A": 5, "B": 5}, shop) as whole:
        channel = whole.channels["shop"]
        shop.during_read = lambda: (shop.sell("A"), shop.sell("B"))
        assert (await channel.compare()).drifts == ()
        clock.tick(10)
        await channel.publish()
        assert shop.holds == {"A": 4, "B": 4}
        assert [await channel.explained(sku) for sku in ("A", "B")] == [4, 4]


async def test_an_order_that_a_list_shows_late_is_no_drift(tmp_path: Path, clock: Clock) -> None:
    """What differs is looked at once more before it counts."""
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        order = shop.sell("A")
        assert order is not None
        shop.lagging.add(order.ref)
        looked = shop.look

        async def meanwhile_listed(changes):  # type: ignore[no-untyped-def]
            shop.lagging.clear()
            order.modified = clock()
            return await looked(changes)

        shop.look = meanwhile_listed  # type: ignore[method-assign]
        assert (await channel.compare()).drifts == ()
        assert await channel.explained("A") == 4


async def test_what_was_read_counts_only_once_the_orders_are_known_past_it(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "ORDERS_PAUSE_SECONDS", 0)
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        shop.holds["A"] = 9
        channel.orders_answer = False
        with pytest.raises(Retry):
            await channel.compare()
        assert await channel.explained("A") == 5


async def test_items_that_are_no_sku_of_ours_and_skus_that_stand_twice_stop_nothing(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Comparing("shopify", clock, {"A": 0, "X": 4})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        channel.unknown.add("X")
        found = await channel.compare()
        assert (found.items, found.unknown, found.unknown_names) == (2, 1, ("X",))
        assert await compares.twice(whole.store.read, "shopify", many=5) == []


async def test_an_item_that_is_not_tracked_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    shop.untracked.add("A")
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        assert shop.calls == []
        assert (await whole.channels["shopify"].row("A"))["why"] == "untracked"


async def test_what_drifts_again_after_each_cure_is_another_apps(tmp_path: Path, clock: Clock) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        named = []
        for _ in range(4):
            clock.tick(3600)
            shop.holds["A"] = 9
            ((_, cause),) = (await channel.compare()).drifts
            named.append(cause.cause)
            await channel.publish()
        assert named[-1] is DriftCause.ANOTHER_APP


# -- causes, from their signs --------------------------------------------------------------------------------------

AT = START - timedelta(hours=3)


def of(drift: Drift, signs: DriftSigns | None = None, *, compared: int = 100) -> DriftCause:
    known = {(drift.sku, drift.location): signs} if signs else {}
    return causes([drift], known, compared=compared)[0][1].cause


def test_a_call_without_an_answer_near_it_is_a_lost_write() -> None:
    signs = DriftSigns(writes=(PastWrite(AT, 7, 5, True, ""),), agreed_at=AT)
    assert of(Drift("A", "L", 7, 5), signs) is DriftCause.LOST_WRITE


def test_a_number_that_stands_as_before_the_last_call_is_a_lost_write() -> None:
    signs = DriftSigns(writes=(PastWrite(AT, 7, 5, False, "taken"),), agreed_at=AT)
    assert of(Drift("A", "L", 6, 4), signs) is DriftCause.LOST_WRITE  # one was sold since
    assert of(Drift("A", "L", 6, 2), signs) is DriftCause.EDITED
    seen = replace(signs, agreed_at=AT + timedelta(hours=1))
    assert of(Drift("A", "L", 6, 4), seen) is DriftCause.EDITED


def test_two_that_show_each_others_numbers_are_a_wrong_mapping() -> None:
    found = causes([Drift("A", "L", 7, 2), Drift("B", "L", 2, 7)], {}, compared=100)
    assert {cause.cause for _, cause in found} == {DriftCause.WRONG_MAPPING}
    elsewhere = causes([Drift("A", "L", 7, 2), Drift("B", "M", 2, 7)], {}, compared=100)
    assert {cause.cause for _, cause in elsewhere} == {DriftCause.UNKNOWN}


def test_the_same_pieces_missing_nearly_everywhere_are_a_second_buffer() -> None:
    few = [Drift(f"S{number}", "L", number, max(0, number - 3)) for number in range(1, 31)]
    found = causes(few, {}, compared=40)
    assert {cause.cause for _, cause in found} == {DriftCause.SECOND_BUFFER}
    assert {cause.cause for _, cause in causes(few, {}, compared=400)} == {DriftCause.UNKNOWN}


def test_the_next_comparison_is_by_the_clock_of_the_shop() -> None:
    new_york = ZoneInfo("America/New_York")
    now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # 04:00 there
    assert next_comparison(now, "03:30", new_york) == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    assert next_comparison(now, "04:30", new_york) == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
