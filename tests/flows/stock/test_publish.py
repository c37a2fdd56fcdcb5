"""A channel is told its numbers: nothing that was sold unseen is given back, and nothing is told without need."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.stock import RowResult, WriteKind
from tests.flows.stock.scene import START, bridge, settled
from tests.flows.stock.shelves import Blind, Clock, Comparing, Reserving, Shop, Slow, Styles


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


def kinds(shop: Shop) -> list[tuple[WriteKind, int]]:
    return [(call.kind, change.number) for call in shop.calls for change in call.changes]


async def test_the_first_numbers_are_told_once_the_shelf_the_orders_and_the_figures_were_read(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("woo", clock, {"A": 3, "B": 9})
    async with bridge(tmp_path, clock, shop) as whole:
        channel = whole.channels["woo"]
        await channel.publish()
        await whole.figure(A=5, B=9)
        await channel.publish()
        assert shop.calls == []  # nobody has read what stands there
        await channel.compare()
        channel.writes_allowed = False
        await channel.publish()
        assert shop.calls == []
        channel.writes_allowed = True
        await channel.publish()
        assert kinds(shop) == [(WriteKind.SET, 5)]  # B shows what it is to show


async def test_a_piece_sold_in_one_shop_leaves_the_others_and_causes_no_write_at_home(
    tmp_path: Path, clock: Clock
) -> None:
    shops = [Comparing("shopify", clock, {"A": 0}), Blind("woo", clock, {"A": 0}), Slow("big", clock, {"A": 0})]
    async with settled(tmp_path, clock, {"A": 5}, *shops) as whole:
        before = [len(shop.calls) for shop in shops]
        shops[1].sell("A")
        await whole.channels["woo"].catch_up()
        for channel in whole.channels.values():
            await channel.publish()
        shops[2].settle()  # type: ignore[attr-defined]
        assert [shop.holds["A"] for shop in shops] == [4, 4, 4]
        assert [len(shop.calls) - told for shop, told in zip(shops, before, strict=True)] == [1, 0, 1]
        assert shops[0].calls[-1].kind is WriteKind.ADJUST


# -- a_blind_write_over_an_unseen_order_is_found_and_corrected --------------------------------------------------


@pytest.mark.parametrize("when", ["meanwhile", "afterwards"])
async def test_an_order_in_the_window_of_a_blind_write_is_found_and_corrected(
    tmp_path: Path, clock: Clock, when: str
) -> None:
    shop = Blind("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        setattr(shop, when, lambda: shop.sell("A"))
        await whole.figure(A=8)
        await channel.publish()
        clock.tick(10)
        await channel.catch_up()
        await channel.publish()
        assert shop.holds["A"] == 7 == await channel.explained("A")


async def test_an_edit_up_before_a_blind_write_and_down_after_it_is_found_though_it_looks_like_none(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        order = shop.sell("A")
        assert order is not None
        await channel.catch_up()
        shop.meanwhile = lambda: shop.edit(order, "A", 2)
        await whole.figure(A=8)
        await channel.publish()  # 7 is written over the 3 that the edit left
        clock.tick(10)
        shop.edit(order, "A", 1)  # and puts one back on top
        assert shop.holds["A"] == 8
        await channel.catch_up()
        await channel.publish()
        assert shop.holds["A"] == 7


async def test_an_order_before_a_slow_write_is_in_force_is_found_and_corrected(tmp_path: Path, clock: Clock) -> None:
    shop = Slow("big", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["big"]
        await whole.figure(A=8)
        await channel.publish()
        clock.tick(2)
        shop.sell("A")  # answered, not in force: it will be written over
        await channel.catch_up()
        calls = len(shop.calls)
        await channel.publish()
        assert len(shop.calls) == calls  # one write under way per SKU, until it has settled
        shop.settle()
        assert shop.holds["A"] == 8
        clock.tick(2)
        await channel.publish()  # seen in force by reading back, long before the longest time is over
        shop.settle()
        assert shop.holds["A"] == 7


async def test_what_was_sold_meanwhile_keeps_a_slow_write_under_way_until_its_longest_time(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Slow("big", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["big"]
        await whole.figure(A=8)
        await channel.publish()
        shop.settle()
        shop.sell("A")
        clock.tick(2)
        calls = len(shop.calls)
        await whole.figure(A=9)
        await channel.publish()
        assert len(shop.calls) == calls  # 7 stands there: of 8 one was sold, or something else happened
        clock.tick(10)
        await channel.publish()
        shop.settle()
        assert shop.holds["A"] == 8


async def test_how_long_a_slow_fall_takes_is_measured_until_it_is_in_force(tmp_path: Path, clock: Clock) -> None:
    """A buffer by speed is reckoned from it."""
    shop = Slow("big", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["big"]
        await whole.figure(A=3)
        await channel.publish()
        clock.tick(4)
        shop.settle()
        await channel.publish()
        lag = await whole.store.read.row("SELECT lag_seconds FROM stock_outlets WHERE channel = 'big'")
        assert lag is not None
        assert 4 <= lag["lag_seconds"] <= 6


async def test_two_slow_writes_of_one_sku_are_never_under_way_together(tmp_path: Path, clock: Clock) -> None:
    shop = Slow("big", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["big"]
        for figure in (8, 3, 9):
            await whole.figure(A=figure)
            await channel.publish()
        assert len(shop.accepted) == 1
        shop.settle()
        clock.tick(10)
        await channel.publish()
        shop.settle()
        assert shop.holds["A"] == 9


@pytest.mark.parametrize("lose", ["before", "after", "late"])
async def test_a_blind_write_without_an_answer_is_told_at_once_and_again_when_it_can_no_longer_land(
    tmp_path: Path, clock: Clock, lose: str
) -> None:
    shop = Blind("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.lose = lose
        await whole.figure(A=8)
        await channel.publish()
        assert shop.holds["A"] == 8
        clock.tick(60)
        shop.sell("A")
        await channel.catch_up()
        await channel.publish()
        shop.land()
        clock.tick(shop.rules.late.total_seconds())
        await channel.publish()
        assert shop.holds["A"] == 7
        told = len(shop.calls)
        clock.tick(600)
        await channel.publish()
        assert len(shop.calls) == told  # and that is the end of it


async def test_own_sales_in_a_blind_shop_cause_no_write(tmp_path: Path, clock: Clock) -> None:
    shop = Blind("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 50}, shop) as whole:
        channel, told = whole.channels["woo"], len(shop.calls)
        for _ in range(20):
            clock.tick(3)
            shop.sell("A")
            await channel.catch_up()
            await channel.publish()
        assert (shop.holds["A"], len(shop.calls)) == (30, told)


async def test_while_orders_cannot_be_listed_a_blind_shop_is_told_nothing_but_zero(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("woo", clock, {"A": 0, "B": 0})
    async with settled(tmp_path, clock, {"A": 5, "B": 5}, shop) as whole:
        channel = whole.channels["woo"]
        channel.orders_answer = False
        await whole.figure(A=0, B=3)
        await channel.publish()
        assert shop.holds == {"A": 0, "B": 5}
        channel.orders_answer = True
        await channel.publish()
        assert shop.holds == {"A": 0, "B": 3}


# -- shopify_gives_no_unseen_order_back -------------------------------------------------------------------------


async def test_a_raise_over_an_order_that_the_list_does_not_show_yet_gives_nothing_back(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        order = shop.sell("A", 2)
        assert order is not None
        shop.lagging.add(order.ref)
        shown: list[int] = []
        shop.in_force = lambda key, sku: shown.append(shop.holds[sku])
        await whole.figure(A=8)
        await channel.publish()
        assert shown == [6]  # not for a moment more
        shop.lagging.clear()
        clock.tick(10)
        await channel.look(order)
        await channel.publish()
        assert shop.holds["A"] == 6 == await channel.explained("A")


async def test_a_cancel_and_a_sale_that_come_to_the_same_number_do_not_let_a_raise_pass_wrongly(
    tmp_path: Path, clock: Clock
) -> None:
    """A-B-A: 5 stands there before and after; the cancel is known, the sale is not."""
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 6}, shop) as whole:
        channel = whole.channels["shopify"]
        first = shop.sell("A")
        assert first is not None
        await channel.catch_up()
        shop.cancel(first)
        second = shop.sell("A")
        assert second is not None
        shop.lagging.add(second.ref)
        await channel.catch_up()
        await whole.figure(A=9)
        await channel.publish()
        shop.lagging.clear()
        clock.tick(10)
        await channel.look(second)
        await channel.publish()
        assert shop.holds["A"] == 8  # 9 less the second order


async def test_an_order_that_the_list_shows_only_after_the_shelf_was_read_is_not_given_back(
    tmp_path: Path, clock: Clock
) -> None:
    """What was read lacked its pieces already: looked at, they must not be taken off what is explained once more."""
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        order = shop.sell("A")
        assert order is not None
        shop.lagging.add(order.ref)
        clock.tick(5)
        await channel.compare()
        assert await channel.explained("A") == 4
        shop.lagging.clear()
        clock.tick(5)
        await channel.look(order)
        await channel.publish()
        assert shop.holds["A"] == 4 == await channel.explained("A")


async def test_one_stale_row_of_250_goes_again_alone(tmp_path: Path, clock: Clock) -> None:
    skus = [f"S{number:03}" for number in range(250)]
    shop = Comparing("shopify", clock, dict.fromkeys(skus, 0))
    async with settled(tmp_path, clock, dict.fromkeys(skus, 5), shop) as whole:
        channel = whole.channels["shopify"]
        order = shop.sell("S100")
        assert order is not None
        shop.lagging.add(order.ref)
        told = len(shop.calls)
        await whole.figure(**dict.fromkeys(skus, 9))
        await channel.publish()
        assert shop.holds == dict.fromkeys(skus, 9) | {"S100": 8}
        tries = shop.calls[told:]
        assert len(tries) <= 3
        assert [change.item for change in tries[-1].changes if change.was == 4] == ["S100"]


async def test_what_was_not_tried_for_the_sake_of_a_hot_row_waits_for_no_other_round(
    tmp_path: Path, clock: Clock
) -> None:
    skus = [f"S{number:03}" for number in range(250)]
    shop = Comparing("shopify", clock, dict.fromkeys(skus, 0))
    async with settled(tmp_path, clock, dict.fromkeys(skus, 5), shop) as whole:
        hot = shop.sell("S100")
        assert hot is not None
        shop.lagging.add(hot.ref)
        await whole.figure(**dict.fromkeys(skus, 9))
        await whole.channels["shopify"].publisher.once()
        assert shop.holds == dict.fromkeys(skus, 9) | {"S100": 4}


async def test_fifty_sales_during_retries_are_none_of_them_given_back(tmp_path: Path, clock: Clock) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 100}, shop) as whole:
        channel, publisher = whole.channels["shopify"], whole.channels["shopify"].publisher
        channel.orders_answer = True
        sold = []

        def sale() -> None:
            order = shop.sell("A")
            assert order is not None
            sold.append(order)
            shop.lagging.add(order.ref)

        given_back: list[int] = []
        shop.in_force = lambda key, sku: given_back.append(shop.holds[sku] - (200 - len(sold)))
        await whole.figure(A=200)
        for _ in range(50):
            shop.meanwhile = sale
            await publisher.once()
        await channel.publish()
        shop.lagging.clear()
        clock.tick(10)
        for order in sold:
            await channel.look(order)
        await channel.publish()
        assert len(sold) == 50
        assert set(given_back) == {0}
        assert shop.holds["A"] == 200 - len(sold) == await channel.explained("A")


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_call_without_an_answer_is_made_again_under_its_key_with_its_content(
    tmp_path: Path, clock: Clock, lose: str
) -> None:
    """Also by the next life of the process: key and content stand on disk."""
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        shop.lose = lose
        await whole.figure(A=3)
        await channel.publisher.once()
        shop.sell("A")
        clock.tick(5)
        await channel.publish()  # a new publisher
        assert shop.holds["A"] == 2
        assert len({call.key for call in shop.calls}) == len(shop.calls)


async def test_an_attempt_that_was_not_sent_says_nothing_of_the_one_before_it(tmp_path: Path, clock: Clock) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        shop.lose = "after"
        await whole.figure(A=3)
        await channel.publisher.once()
        clock.tick(5)
        shop.refuse = "too many requests"
        with pytest.raises(Retry):
            await channel.publisher.once()
        clock.tick(5)
        await channel.publish()
        assert shop.holds["A"] == 3 == await channel.explained("A")


async def test_a_key_that_has_grown_too_old_is_not_used_again_the_number_is_read(tmp_path: Path, clock: Clock) -> None:
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        shop.lose = "after"
        await whole.figure(A=3)
        await channel.publisher.once()
        shop.known_keys.clear()  # the channel has forgotten it, too
        clock.tick(2 * 3600)
        await channel.publish()
        assert shop.holds["A"] == 3 == await channel.explained("A")


# -- killed_at_any_await_the_number_is_the_same -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Comparing, Blind, Slow])
@pytest.mark.parametrize("where", ["intent", "call", "answer"])
async def test_killed_around_a_call_the_next_life_ends_with_the_same_number(
    tmp_path: Path, clock: Clock, kind: type[Shop], where: str
) -> None:
    shop = kind("shop", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shop"]
        await whole.figure(A=3)
        intents = await channel.memory.begin([("A", "L1")], known=True)
        if where != "intent":
            await shop.write(intents[0].write)
        if where == "answer":
            answers = shop.known_keys[intents[0].write.key].rows
            await channel.memory.answered(intents[0], answers, settles=shop.rules.settles is not None)
        shop.sell("A")
        clock.tick(5)
        await channel.publish()
        for _ in range(3):
            if isinstance(shop, Slow):
                shop.settle()
            clock.tick(400)
            await channel.catch_up()
            await channel.publish()
        if isinstance(shop, Slow):
            shop.settle()
        assert shop.holds["A"] == 2 == await channel.explained("A")


# -- msi_is_right_through_the_whole_life --------------------------------------------------------------------------


async def test_msi_is_right_through_the_whole_life(tmp_path: Path, clock: Clock) -> None:
    shop = Reserving("msi", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 10}, shop) as whole:
        channel = whole.channels["msi"]

        async def look_and_tell() -> int:
            clock.tick(5)
            await channel.catch_up()
            await channel.publish()
            return shop.salable("A")

        assert (shop.holds["A"], shop.salable("A")) == (10, 10)
        order = shop.sell("A", 3)
        assert order is not None
        assert shop.salable("A") == 7
        assert (await look_and_tell(), shop.holds["A"]) == (7, 10)  # T fell by 3 and R rose by 3: nothing was written
        await whole.booked("msi", order)
        assert await look_and_tell() == 7
        clock.tick()
        await whole.figure(A=7)  # contains it
        assert (await look_and_tell(), shop.holds["A"]) == (7, 10)
        shop.ship(order, "A", 2)
        assert shop.salable("A") == 7
        assert (await look_and_tell(), shop.holds["A"]) == (7, 8)
        shop.cancel(order)
        assert await look_and_tell() == 7  # nothing comes back but by the ERP
        clock.tick()
        await whole.figure(A=8)
        assert await look_and_tell() == 8


# -- rows and calls that go wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "state"),
    [(RowResult.REFUSED, "refused"), (RowResult.UNMANAGED, "left_alone"), (RowResult.GONE, "gone")],
)
async def test_a_row_that_fails_is_left_alone_and_stops_no_other(
    tmp_path: Path, clock: Clock, result: RowResult, state: str
) -> None:
    shop = Blind("woo", clock, {"A": 0, "B": 0})
    async with settled(tmp_path, clock, {"A": 5, "B": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.odd["A"] = result
        await whole.figure(A=7, B=7)
        await channel.publish()
        assert shop.holds["B"] == 7
        assert (await channel.row("A"))["state"] == state
        assert channel.missing == (result is RowResult.GONE)
        shop.odd.clear()
        await channel.compare()
        await channel.publish()
        assert shop.holds["A"] == 7


async def test_a_call_that_was_not_sent_leaves_all_as_it_was_and_says_so(tmp_path: Path, clock: Clock) -> None:
    shop = Blind("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.refuse = "too many requests"
        await whole.figure(A=7)
        with pytest.raises(Retry, match="too many requests"):
            await channel.publisher.once()
        assert await channel.explained("A") == 5
        await channel.publish()
        assert shop.holds["A"] == 7


async def test_a_connection_at_fault_is_told_to_the_circuit_after_every_answer_was_kept(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("woo", clock, {"A": 0})

    def paused() -> None:
        raise OpenCircuit("the key was refused")

    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.meanwhile = paused
        await whole.figure(A=7)
        with pytest.raises(OpenCircuit):
            await channel.publisher.once()
        assert (await channel.row("A"))["writing"] is None
        await channel.publish()
        assert shop.holds["A"] == 7


async def test_what_must_fall_and_is_nearest_to_zero_goes_first_and_raises_last(tmp_path: Path, clock: Clock) -> None:
    skus = {"A": 50, "B": 50, "C": 50, "D": 50}
    shop = Blind("woo", clock, dict(skus))
    async with settled(tmp_path, clock, skus, shop) as whole:
        channel = whole.channels["woo"]
        object.__setattr__(shop.rules, "rows_per_call", 1)
        await whole.figure(A=60, B=8, C=2, D=20)
        await channel.publish()
        assert [call.changes[0].item for call in shop.calls] == ["C", "B", "D", "A"]


def told(shop: Shop) -> list[list[str]]:
    return [[change.item for change in call.changes] for call in shop.calls]


async def test_a_call_takes_along_whatever_else_is_due_of_its_style(tmp_path: Path, clock: Clock) -> None:
    """Half a second a call, whether it carries one size or eight."""
    skus = dict.fromkeys(("A1", "A2", "B1", "B2"), 50)
    shop = Styles("woo", clock, dict(skus))
    async with settled(tmp_path, clock, skus, shop) as whole:
        before = len(shop.calls)
        await whole.figure(A1=1, B1=2, A2=45, B2=60)  # 45 leaves plenty, and would wait by itself
        await whole.channels["woo"].publish()
        assert [sorted(call) for call in told(shop)[before:]] == [["A1", "A2"], ["B1", "B2"]]


async def test_a_zero_goes_at_once_unless_more_wait_than_a_round_takes(tmp_path: Path, clock: Clock) -> None:
    """Then the orders are looked at first, and a style is one call; while they cannot be, zeros go all the same."""
    skus = {f"{style}{size}": 50 for style in "ABC" for size in "12"}
    shop = Styles("woo", clock, dict(skus))
    async with settled(tmp_path, clock, skus, shop) as whole:
        channel, before = whole.channels["woo"], len(shop.calls)
        await whole.figure(A1=0, A2=60)
        await channel.publish()
        assert told(shop)[before:] == [["A1"], ["A2"]]
        before = len(shop.calls)
        await whole.figure(A1=60, A2=0, B1=0, B2=60, C1=0, C2=60)
        await channel.publish()
        assert [sorted(call) for call in told(shop)[before:]] == [["A1", "A2"], ["B1", "B2"], ["C1"], ["C2"]]
        channel.orders_answer, before = False, len(shop.calls)
        await whole.figure(A1=0, A2=70, B1=70, B2=0, C1=70, C2=0)
        await channel.publisher.once()
        assert told(shop)[before:] == [["A1"], ["B2"]]


async def test_one_lane_goes_on_while_another_is_at_a_long_call(tmp_path: Path, clock: Clock) -> None:
    skus = {f"{style}1": 50 for style in "ABCDEF"}
    shop = Styles("woo", clock, dict(skus))
    object.__setattr__(shop.rules, "calls_at_once", 2)
    async with settled(tmp_path, clock, skus, shop) as whole:
        before = len(shop.calls)

        async def others() -> None:
            with anyio.fail_after(5):
                while len(shop.calls) < before + 5:
                    await anyio.sleep(0.01)

        await whole.figure(**{sku: at + 1 for at, sku in enumerate(skus)})
        shop.meanwhile = others
        await whole.channels["woo"].publisher.once()
        assert [call[0] for call in told(shop)[before:]] == ["B1", "C1", "D1", "E1", "F1", "A1"]


async def test_a_full_push_tells_every_number_again_behind_what_is_urgent(tmp_path: Path, clock: Clock) -> None:
    shop = Blind("woo", clock, {"A": 5, "B": 5})
    async with settled(tmp_path, clock, {"A": 5, "B": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.holds["A"] = 99  # behind our back
        await channel.memory.push_all()
        await channel.publish()
        assert shop.holds == {"A": 5, "B": 5}


async def test_each_number_that_was_told_says_why(tmp_path: Path, clock: Clock) -> None:
    shops = [Comparing("shopify", clock, {"A": 0}), Blind("woo", clock, {"A": 0})]
    async with settled(tmp_path, clock, {"A": 5}, *shops) as whole:
        order = shops[1].sell("A")
        assert order is not None
        await whole.channels["woo"].catch_up()
        await whole.channels["shopify"].publish()
        rows = await whole.store.read.rows(
            "SELECT * FROM stock_write_rows JOIN stock_writes ON id = write_id WHERE channel = 'shopify' ORDER BY id"
        )
        last = dict(rows[-1])
        assert (last["number"], last["was"], last["figure"], last["n"], last["buffer"]) == (4, 5, 5, 1, 0)
        assert last["demand"] == f'[["woo","{order.ref}",1,"known"]]'
        assert last["result"] == "taken"
