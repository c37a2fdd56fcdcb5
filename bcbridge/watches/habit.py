"""A dead man's switch per channel: no order for so long, at hours when there usually are some (runtime/rhythm.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bcbridge.flows.orders.story import ORDERS
from bcbridge.house.wiring import ChannelHouse, House
from bcbridge.phrases import age
from bcbridge.runtime.rhythm import WEEK, WEEKS_AT_MOST, Rhythm, learn, silence
from bcbridge.runtime.watchman import Watch
from bcbridge.store import watch as facts
from bcbridge.store.incidents import Cause

CODE = "no_orders"
RECENT = timedelta(days=8)


def watches(house: House) -> Iterator[Watch]:
    """Switched off it sees nothing, so that what stood when it was is over."""
    for name, channel in house.channels.items():
        look = Habit(house, channel).look if house.settings.watches.no_orders else _nothing
        yield Watch(f"{CODE} of {name}", frozenset({CODE}), look, name)


async def _nothing() -> Sequence[Cause]:
    return []


@dataclass(slots=True)
class Habit:
    """Of one channel. What is usual is learnt once a day, from whole days: hours are in UTC."""

    house: House
    channel: ChannelHouse
    _usual: Rhythm | None = None
    _learnt: datetime | None = None

    async def look(self) -> Sequence[Cause] | None:
        """Nothing before two weeks are known; None while we ourselves may not have seen the latest orders."""
        reads, name = self.house.store.read, self.channel.connection.name
        until = await self._seen_until()
        if until is None:
            return None
        last, usual = await facts.last_order(reads, name, now=self.house.now()), await self._learn()
        if last is None or usual is None or until - last < self._shortest:
            return []
        recent = await facts.orders_by_hour(reads, name, since=last - RECENT, until=last)
        odd = silence(usual, recent, last=last, until=until)
        if not odd.is_odd:
            return []
        text = (
            f"no order from {name} for {age(last, until)}, and about {odd.expected:.0f} were to be expected: "
            "is the shop selling, does its checkout take payments?"
        )
        return [Cause(CODE, name, "silence", text)]

    @property
    def _shortest(self) -> timedelta:
        return timedelta(minutes=self.house.settings.watches.no_orders_after_minutes)

    async def _seen_until(self) -> datetime | None:
        """Up to when every order there was is in our books: what is listed, unless some of it was not looked at yet."""
        listed = [one.figures.last_success for one in self.channel.lists]
        due = await facts.longest_due(self.house.store.read, ORDERS, self.channel.connection.name, now=self.house.now())
        known = [one for one in listed if one is not None]
        if len(known) < len(listed) or not known:
            return None
        return min([*known, *([due] if due else [])])

    async def _learn(self) -> Rhythm | None:
        midnight = self.house.now().replace(hour=0, minute=0, second=0, microsecond=0)
        if self._learnt != midnight:
            since = midnight - (WEEKS_AT_MOST + 1) * WEEK
            counts = await facts.orders_by_hour(
                self.house.store.read, self.channel.connection.name, since=since, until=midnight
            )
            self._usual = learn({hour: orders for hour, orders in counts.items() if hour < midnight}, until=midnight)
            self._learnt = midnight
        return self._usual
