"""A channel that does not answer, or not for some rows: it is not pressed, and it holds nothing else up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.flows.stock.publish import IDLE, Publisher
from bcbridge.model.stock import RowAnswer, RowResult, ShelfRules, StockWrite, Written
from tests.flows.stock.scene import START, bridge, settled
from tests.flows.stock.shelves import Blind, Clock, Comparing, Slow, nothing


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


class Enough(Exception):
    """The test has seen what it came for."""


@dataclass
class Listener:
    """A bell that nobody rings, and a circuit that stays closed; both note what they were told."""

    rounds: int
    waits: list[timedelta] = field(default_factory=list)
    heards: int = 0
    suspected: list[OpenCircuit] = field(default_factory=list)
    rings: int = 0

    async def heard_bell(self, within: timedelta) -> bool:
        self.waits.append(within)
        return False

    async def closed(self) -> None:
        self.rounds -= 1
        if self.rounds < 0:
            raise Enough

    async def suspect(self, fault: OpenCircuit) -> bool:
        self.suspected.append(fault)
        return False

    def heard(self) -> None:
        self.heards += 1

    async def unheard(self, fault: Retry | TimeoutError) -> None: ...


@dataclass
class Silence:
    """The bell's side of a Listener."""

    listener: Listener
    rings: int = 0

    async def heard(self, *, since: int, within: timedelta) -> bool:
        return await self.listener.heard_bell(within)


async def runs(publisher: Publisher, rounds: int) -> Listener:
    listener = Listener(rounds)
    with pytest.raises(Enough):
        await publisher.run(listener, Silence(listener), lambda failures: timedelta(0))
    return listener


class Mute(Blind):
    """Never answers a call that carries one of ``mute``, and does nothing."""

    mute: frozenset[str] = frozenset()

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        if any(change.item in self.mute for change in write.changes):
            self.calls.append(write)
            self.clock.tick(0.3)
            return Doubtful("no answer in time")
        return await super().write(write)


async def test_what_may_not_be_told_yet_is_waited_for_in_peace(tmp_path: Path, clock: Clock) -> None:
    shop = Blind("woo", clock, {"A": 3})
    async with bridge(tmp_path, clock, shop) as whole:
        channel = whole.channels["woo"]
        await whole.figure(A=5)
        await channel.compare()
        channel.writes_allowed = False
        assert (await channel.row("A"))["due"] is not None
        listener = await runs(channel.publisher, 3)
        assert listener.waits == [IDLE] * 3


async def test_a_number_that_never_has_an_answer_is_told_again_less_and_less_often(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Mute("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.mute = frozenset("A")
        await whole.figure(A=0)
        told, publisher, began = len(shop.calls), channel.publisher, clock()
        while clock() < began + timedelta(seconds=60):
            await publisher.once()
            clock.tick(0.1)
        assert 3 <= len(shop.calls) - told <= 8
        shop.mute = frozenset()
        clock.tick(60)
        await channel.publish()
        assert shop.holds["A"] == 0


async def test_calls_without_an_answer_hold_up_no_other(tmp_path: Path, clock: Clock) -> None:
    skus = dict.fromkeys(["A", "B", "C", "D"], 5)
    shop = Mute("woo", clock, dict(skus))
    shop.rules = ShelfRules(compares=False, rows_per_call=1)
    async with settled(tmp_path, clock, skus, shop) as whole:
        channel = whole.channels["woo"]
        shop.mute = frozenset("ABC")
        await whole.figure(A=0, B=0, C=0, D=1)
        publisher = channel.publisher
        for _ in range(6):
            await publisher.once()
            clock.tick(0.1)
        assert shop.holds["D"] == 1


async def test_a_channel_that_does_not_answer_was_not_heard(tmp_path: Path, clock: Clock) -> None:
    shop = Mute("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        shop.mute = frozenset("A")
        await whole.figure(A=0)
        listener = await runs(channel.publisher, 1)
        assert len(shop.calls) > 1
        assert listener.heards == 0


async def test_a_call_that_the_channel_forbids_is_tried_again_and_pauses_nothing_by_itself(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("woo", clock, {"A": 0})

    def forbidden() -> None:
        raise OpenCircuit("it needs write_inventory")

    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        await whole.figure(A=7)
        shop.meanwhile = forbidden
        publisher = channel.publisher
        listener = await runs(publisher, 1)
        assert [str(fault) for fault in listener.suspected] == ["it needs write_inventory"]
        assert (publisher.figures.last_failure, publisher.figures.failing_since) == (
            "it needs write_inventory",
            clock(),
        )
        await runs(publisher, 1)
        assert (shop.holds["A"], publisher.figures.failing_since) == (7, None)


class Half(Blind):
    """Takes numbers that it says it did not try."""

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        await super().write(write)
        return Written(tuple(RowAnswer(RowResult.UNTRIED) for _ in write.changes))


async def test_a_blind_number_whose_call_was_refused_for_another_row_may_stand_there_all_the_same(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("big", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["big"]
        await whole.figure(A=8)
        shop.__class__ = Half
        with pytest.raises(Retry):
            await channel.publisher.once()
        shop.__class__ = Blind
        assert shop.holds["A"] == 8
        await whole.figure(A=5)
        await channel.publish()
        assert shop.holds["A"] == 5


class Busy(Blind):
    """Says of every row that it was not tried, and did not try it."""

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        self.calls.append(write)
        self.clock.tick(0.1)
        return Written(tuple(RowAnswer(RowResult.UNTRIED, reason="SERVICE_UNAVAILABLE") for _ in write.changes))


async def test_a_call_of_which_no_row_was_tried_is_made_again_after_a_pause(tmp_path: Path, clock: Clock) -> None:
    shop = Blind("woo", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["woo"]
        await whole.figure(A=7)
        shop.__class__ = Busy
        with pytest.raises(Retry, match="SERVICE_UNAVAILABLE"):
            await channel.publisher.once()
        shop.__class__ = Blind
        await channel.publish()
        assert shop.holds["A"] == 7


async def test_an_answer_for_an_item_that_went_meanwhile_says_nothing_of_the_one_that_comes_back(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Blind("woo", clock, {"A": 0, "B": 0})
    async with settled(tmp_path, clock, {"A": 5, "B": 5}, shop) as whole:
        channel = whole.channels["woo"]
        channel.heal = False

        async def deleted() -> None:
            del shop.holds["A"]
            await channel.compare()
            shop.holds["A"] = 0

        await whole.figure(A=7)
        shop.meanwhile = deleted
        await channel.publish()
        shop.holds["A"] = 2  # brought back by hand
        clock.tick(10)
        found = await channel.compare()
        assert found.drifts == ()
        await channel.publish()
        assert shop.holds["A"] == 7


async def test_a_call_whose_answer_the_store_could_not_keep_is_ended_by_the_next_round(
    tmp_path: Path, clock: Clock
) -> None:
    """Not only by the next life: until then nobody might write its rows."""
    shop = Comparing("shopify", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["shopify"]
        await whole.figure(A=7)

        async def full_disk() -> None:
            shop.afterwards = nothing
            await whole.store.write(lambda tx: tx.execute("ALTER TABLE stock_write_rows RENAME TO away"))

        shop.afterwards = full_disk
        publisher = channel.publisher
        await runs(publisher, 1)
        assert (await channel.row("A"))["writing"] is not None
        await whole.store.write(lambda tx: tx.execute("ALTER TABLE away RENAME TO stock_write_rows"))
        await runs(publisher, 2)
        clock.tick(5)
        await runs(publisher, 2)
        assert (await channel.row("A"))["writing"] is None
        assert shop.holds["A"] == 7 == await channel.explained("A")


async def test_a_number_told_again_is_not_seen_in_force_because_it_stood_there_before(
    tmp_path: Path, clock: Clock
) -> None:
    shop = Slow("big", clock, {"A": 0})
    async with settled(tmp_path, clock, {"A": 5}, shop) as whole:
        channel = whole.channels["big"]
        await channel.memory.push_all()
        await channel.publish()  # 5 over 5
        clock.tick(1)
        await channel.publish()  # sees 5
        clock.tick(3)
        shop.sell("A")
        await channel.catch_up()
        shop.settle()
        assert shop.holds["A"] == 5  # what was sold is written over
        clock.tick(10)
        await channel.publish()
        shop.settle()
        assert shop.holds["A"] == 4
