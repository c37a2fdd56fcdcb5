"""The dead man's switch on a real store: what it learns, when it speaks, and when it had better not."""

from __future__ import annotations

from datetime import datetime, timedelta

from bcbridge.store import queue
from bcbridge.store.queue import Wish
from tests.runtime.kit import START
from tests.watches.rounds import OTHER, SHOP, Rounds

HOUR = timedelta(hours=1)
INSERT = """
INSERT INTO orders (connector, ref, name, state, since, first_seen, created_at) VALUES (?, ?, ?, 'booked', ?, ?, ?)
"""


async def sold(rounds: Rounds, *, weeks: float, every: timedelta, until: datetime = START) -> None:
    """A shop that sells one order after the other, at the same pace day and night."""
    at, rows = until - timedelta(weeks=weeks), []
    while at <= until:
        text = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        rows.append((SHOP, text, "", text, text, text))
        at += every
    await rounds.house.store.write(lambda tx: tx.executemany(INSERT, rows))


def listed(rounds: Rounds) -> None:
    for one in rounds.house.channels[SHOP].lists:
        one.figures.last_success = rounds.now()


async def after(rounds: Rounds, **time: float) -> list[str]:
    rounds.later(**time)
    listed(rounds)
    return await rounds.texts("no_orders")


async def test_a_shop_that_sells_twenty_an_hour_is_missed_within_two_hours_and_not_in_one(rounds: Rounds) -> None:
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    assert await after(rounds, minutes=29) == []
    assert await after(rounds, minutes=26) == []
    (text,) = await after(rounds, minutes=60)
    assert text.startswith("no order from shopify_us for 1 h 55 m, and about 3")
    await sold(rounds, weeks=0, every=HOUR, until=rounds.now())
    assert await after(rounds, minutes=1) == []


async def test_before_two_whole_weeks_nothing_is_usual(rounds: Rounds) -> None:
    await sold(rounds, weeks=1.9, every=timedelta(minutes=3))
    assert await after(rounds, hours=12) == []


async def test_a_shop_that_never_sold_is_not_missed(rounds: Rounds) -> None:
    assert await after(rounds, days=30) == []


async def test_where_our_own_reading_stands_still_nothing_is_said_of_the_shop(rounds: Rounds) -> None:
    """The lists were last read with the last order: what was sold since is not known."""
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    assert await rounds.texts("no_orders") == []
    listed(rounds)
    rounds.later(hours=12)
    assert await rounds.texts("no_orders") == []


async def test_orders_that_were_listed_and_not_looked_at_yet_are_no_silence(rounds: Rounds) -> None:
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    rounds.later(minutes=10)
    wish = Wish(flow="orders", connector=SHOP, ref="new", due=rounds.now())
    await rounds.house.store.write(lambda tx: queue.enqueue(tx, [wish], now=rounds.now()))
    assert await after(rounds, hours=12) == []


async def test_an_order_from_the_end_of_the_calendar_does_not_silence_the_switch(rounds: Rounds) -> None:
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    await rounds.order("#9999", created=datetime.fromisoformat("9999-12-31T23:59:59+00:00"))
    assert await after(rounds, hours=3) != []


async def test_it_can_be_switched_off(rounds: Rounds) -> None:
    rounds.limits(no_orders=False)
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    assert await after(rounds, days=2) == []


async def test_switched_off_while_it_stands_it_is_over(rounds: Rounds) -> None:
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    assert await after(rounds, days=2) != []
    rounds.limits(no_orders=False)
    assert await rounds.go("no_orders") == {}


async def test_another_shops_orders_count_for_that_shop_alone(rounds: Rounds) -> None:
    await sold(rounds, weeks=3, every=timedelta(minutes=3))
    rounds.later(hours=3)
    await rounds.order("#1", channel=OTHER)
    listed(rounds)
    assert len(await rounds.texts("no_orders")) == 1
