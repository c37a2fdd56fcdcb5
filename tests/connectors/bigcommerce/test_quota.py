"""The store's quota: what the last answer told, whoever used it; never a count of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from bcbridge.connectors.bigcommerce.quota import Quota
from bcbridge.errors import Retry
from tests.connectors.bigcommerce.answers import order
from tests.connectors.bigcommerce.stores import Clock, Store, a_room, a_store
from tests.contract.kit import Reply
from tests.contract.outside import serving

pytestmark = pytest.mark.contract


class Time:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def told(left: int, reset_ms: int = 15_000, quota: int = 150) -> Mapping[str, str]:
    return {
        "x-rate-limit-requests-left": str(left),
        "x-rate-limit-requests-quota": str(quota),
        "x-rate-limit-time-window-ms": "30000",
        "x-rate-limit-time-reset-ms": str(reset_ms),
    }


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def quota(time: Time) -> Quota:
    return Quota(time, kept=0.1)


def test_a_tenth_is_left_to_other_apps_until_the_window_ends(quota: Quota, time: Time) -> None:
    quota.learn(told(16))
    assert quota.wait() == 0
    quota.learn(told(15))
    assert quota.wait() == 15
    time.passes(15)
    assert quota.wait() == 0


def test_26_what_other_apps_used_counts_though_we_called_once(quota: Quota) -> None:
    quota.learn(told(149))
    quota.learn(told(3))
    assert quota.wait() == 15


def test_26_a_window_that_is_fuller_again_is_believed_at_once(quota: Quota) -> None:
    quota.learn(told(0))
    quota.learn(told(140))
    assert quota.wait() == 0


def test_calls_on_their_way_are_spoken_for(quota: Quota) -> None:
    quota.learn(told(16))
    quota.left()
    assert quota.wait() == 15
    quota.ended()
    assert quota.wait() == 0


def test_a_429_waits_for_the_window_it_tells_of(quota: Quota, time: Time) -> None:
    assert quota.refused(told(0, 4_000)) == 4
    assert quota.wait() == 4
    time.passes(4)
    assert quota.wait() == 0


def test_a_429_that_tells_nothing_waits_half_a_minute_and_twice_as_long_each_time(quota: Quota, time: Time) -> None:
    waits = []
    for _ in range(7):
        waits.append(quota.refused({}))
        time.passes(waits[-1])
    assert waits == [30, 60, 120, 240, 480, 960, 960]
    quota.learn({})
    assert quota.refused({}) == 30


def test_calls_refused_together_are_one_overload(quota: Quota, time: Time) -> None:
    """Four were under way: half a minute for all of them, not four; a window they tell of does not cut it short."""
    assert [quota.refused({}) for _ in range(4)] == [30, 30, 30, 30]
    time.passes(1)
    assert quota.refused({}) == 29
    quota.refused(told(0, 4_000))
    assert quota.wait() == 29
    time.passes(29)
    assert quota.refused({}) == 60


def test_a_clock_set_back_waits_no_longer_than_the_window(quota: Quota, time: Time) -> None:
    quota.learn(told(0))
    time.passes(-3600)
    assert quota.wait() == 15


@pytest.mark.parametrize("nonsense", [{}, told(-1), {**told(5), "x-rate-limit-requests-quota": "many"}])
def test_headers_that_are_nonsense_say_nothing(quota: Quota, nonsense: Mapping[str, str]) -> None:
    quota.learn(nonsense)
    assert quota.wait() == 0
    assert quota.told is None


async def test_a_call_waits_for_the_next_window_and_then_goes() -> None:
    """The window ends in a tenth of a second; of 150 calls 10 are left, which are the others'."""
    async with a_store() as (store, room):
        store.headers = dict(told(10, 100))
        await room.ping()
        await room.ping()
        assert len(store.asked) == 2


async def test_a_quota_that_will_not_be_there_in_time_is_left_to_the_caller() -> None:
    clock = Clock()
    store = Store(headers=dict(told(0, 600_000)))
    async with serving(store.answer) as server:
        room = a_room(server.url, clock=clock)
        await room.ping()
        with pytest.raises(Retry) as ended:
            await room.ping()
        assert ended.value.after is not None
        assert timedelta(seconds=500) < ended.value.after <= timedelta(seconds=600)
        assert len(store.asked) == 1
        clock.ahead = timedelta(seconds=601)
        await room.ping()
        await room.aclose()


async def test_a_429_is_retried_after_its_window_and_the_next_call_goes_then() -> None:
    async with a_store() as (store, room):
        store.put(order())
        store.instead = lambda asked: Reply(429, b"", dict(told(0, 50))) if len(store.asked) == 1 else None
        with pytest.raises(Retry) as ended:
            await room.ping()
        assert ended.value.after == timedelta(seconds=0.05)
        await room.ping()
