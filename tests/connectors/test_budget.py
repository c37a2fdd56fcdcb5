"""The rate budget: the bucket's arithmetic in pure moments, and the order of turns with nothing to wait for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcbridge.connectors.budget import Budget, Share, Tokens
from bcbridge.errors import Retry


def drained(per_minute: float = 60, *, reserved: float = 0.2, share: Share = Share.NORMAL) -> Tokens:
    tokens = Tokens(per_minute, reserved=reserved)
    while tokens.take(share, at=0):
        pass
    return tokens


def taken(tokens: Tokens, share: Share, *, at: float) -> int:
    return next(number for number in count() if not tokens.take(share, at=at))


def test_a_minute_gives_its_rate_and_no_more() -> None:
    tokens = drained()
    got = sum(tokens.take(Share.NORMAL, at=second / 10) for second in range(1, 601))
    assert 47 <= got <= 61  # 48 of 60 are everybody's, the kept 12 spill over once their part is full


def test_a_backlog_leaves_the_reserved_part_to_read_backs() -> None:
    tokens = drained(share=Share.BULK)
    assert not tokens.take(Share.NORMAL, at=0)
    assert taken(tokens, Share.READ_BACK, at=0) == 2
    got = 0
    for second in range(1, 61):
        taken(tokens, Share.NORMAL, at=second)
        got += tokens.take(Share.READ_BACK, at=second)
    assert got >= 11  # a fifth of sixty, whatever the others took


def test_unused_reserve_goes_to_everybody() -> None:
    tokens = drained()
    assert taken(tokens, Share.NORMAL, at=3_600) == 8
    assert sum(tokens.take(Share.NORMAL, at=3_600 + second) for second in range(1, 31)) == 30


def test_where_somebody_else_used_the_quota_up_it_goes_on_at_the_full_pace_in_the_next_window() -> None:
    tokens = Tokens(60, reserved=0, slows=False)
    taken(tokens, Share.NORMAL, at=0)
    for _ in range(5):
        tokens.slow_down(30, at=0)
    assert not tokens.take(Share.READ_BACK, at=29.9)
    assert taken(tokens, Share.NORMAL, at=30) == 10  # as much as may be saved up
    assert tokens.ready_in(Share.NORMAL, at=30) == pytest.approx(1)


def test_after_a_429_nothing_goes_out_until_the_time_told_and_then_at_half_the_pace() -> None:
    tokens = Tokens(60, reserved=0)
    taken(tokens, Share.NORMAL, at=0)
    tokens.slow_down(30, at=0)
    assert not tokens.take(Share.READ_BACK, at=29.9)
    assert tokens.ready_in(Share.NORMAL, at=10) == pytest.approx(20)
    taken(tokens, Share.NORMAL, at=30)
    assert tokens.ready_in(Share.NORMAL, at=30) == pytest.approx(2, abs=0.5)


def test_the_pace_mends_when_no_429_comes_again() -> None:
    tokens = Tokens(60, reserved=0)
    tokens.slow_down(1, at=0)
    taken(tokens, Share.NORMAL, at=200)
    assert tokens.ready_in(Share.NORMAL, at=200) == pytest.approx(1)


@given(st.lists(st.tuples(st.sampled_from(list(Share)), st.floats(0, 5)), max_size=200))
def test_no_order_of_calls_ever_beats_the_rate(calls: list[tuple[Share, float]]) -> None:
    tokens, at, got = Tokens(60, reserved=0.2), 0.0, 0
    for share, pause in calls:
        at += pause
        got += tokens.take(share, at=at)
    assert got <= 10 + at + 1e-6  # what was saved up at the start, plus one a second


@given(st.sampled_from(list(Share)), st.floats(1, 6000))
def test_waiting_as_long_as_told_is_enough(share: Share, per_minute: float) -> None:
    tokens = drained(per_minute, share=share)
    at = tokens.ready_in(share, at=0)
    assert tokens.take(share, at=at)


async def take_turns(budget: Budget, order: list[Share], shares: list[Share]) -> None:
    """Let all of ``shares`` queue up behind one call, then note who comes when."""

    async def one(share: Share) -> None:
        async with budget.turn(share):
            order.append(share)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group, budget.turn():
        for share in shares:
            group.start_soon(one, share)
        await until(lambda: budget.waiting == len(shares))


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not true():
            await anyio.lowlevel.checkpoint()


async def test_bulk_work_gets_a_fifth_while_others_wait_and_is_never_starved() -> None:
    order: list[Share] = []
    shares = [Share.BULK] * 20 + [Share.NORMAL] * 20
    await take_turns(Budget(per_minute=600_000), order, shares)
    assert 2 <= order[:20].count(Share.BULK) <= 6
    assert sorted(order) == sorted(shares)


async def test_one_call_is_in_flight_by_default() -> None:
    budget, most = Budget(per_minute=600_000), 0

    async def one() -> None:
        nonlocal most
        async with budget.turn():
            most = max(most, budget.in_flight)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one)
    assert (most, budget.in_flight, budget.waiting) == (1, 0, 0)


async def test_a_turn_that_would_come_too_late_is_a_retry_with_the_time_to_wait() -> None:
    budget = Budget(per_minute=6, reserved=0)
    async with budget.turn():
        pass
    with pytest.raises(Retry) as told:
        async with budget.turn(within=0.01):
            pass
    assert told.value.after is not None
    assert 0 < told.value.after.total_seconds() <= 10
    assert (budget.waiting, budget.in_flight) == (0, 0)


@pytest.mark.parametrize("granted", [False, True])
async def test_a_cancelled_caller_gives_its_turn_back(granted: bool) -> None:
    budget = Budget(per_minute=600_000)

    async def hold(turn: Callable[[], Awaitable[None]]) -> None:
        async with budget.turn():
            await turn()

    async with anyio.create_task_group() as group:
        async with budget.turn():
            group.start_soon(hold, anyio.sleep_forever)
            await until(lambda: budget.waiting == 1)
            if not granted:
                group.cancel_scope.cancel()
        if granted:
            await until(lambda: budget.in_flight == 1)
            group.cancel_scope.cancel()
    assert (budget.waiting, budget.in_flight) == (0, 0)


async def test_a_caller_without_token_wakes_by_itself() -> None:
    budget = Budget(per_minute=3000, reserved=0, concurrency=5)
    with anyio.fail_after(20):
        for _ in range(510):  # beyond what was saved up
            async with budget.turn():
                pass
    assert budget.in_flight == 0


async def test_hundreds_of_waiting_orders_hold_up_neither_read_backs_nor_stock() -> None:
    """A minute by a clock that is moved; an ERP that may be asked once a second, a fifth of it kept."""
    at, asked, came = 0, dict.fromkeys(Share, 0), dict.fromkeys(Share, 0)
    late: list[int] = []
    budget = Budget(per_minute=60, reserved=0.2, clock=lambda: float(at))

    async def call(share: Share) -> None:
        wanted = at
        async with budget.turn(share, within=10_000):
            came[share] += 1
            if share is not Share.NORMAL:
                late.append(at - wanted)

    async with anyio.create_task_group() as calls:

        def ask(share: Share, times: int = 1) -> None:
            asked[share] += times
            for _ in range(times):
                calls.start_soon(call, share)

        ask(Share.NORMAL, 600)
        for at in range(60):
            ask({0: Share.READ_BACK, 5: Share.STOCK}.get(at % 10, Share.NORMAL))
            await anyio.wait_all_tasks_blocked()
        calls.cancel_scope.cancel()
    assert (came[Share.READ_BACK], came[Share.STOCK]) == (asked[Share.READ_BACK], asked[Share.STOCK]) == (6, 6)
    assert max(late) <= 1
    assert came[Share.NORMAL] >= 0.8 * 59  # and the orders have all the rest
