"""Money that is authorised and not captured: before the gateway lets go of it, and after the goods have left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from bcbridge.house.wiring import House
from bcbridge.model.ids import order_argument
from bcbridge.phrases import age
from bcbridge.runtime.watchman import Watch
from bcbridge.store import watch as facts
from bcbridge.store.incidents import Cause
from bcbridge.store.watch import Standstill


def watches(house: House) -> Iterator[Watch]:
    """Only where orders are booked before their money is captured; elsewhere nothing is seen."""
    looks = {"authorisation_lapses": _lapses, "dispatched_not_captured": _not_captured}
    for name in house.channels:
        books = bool(house.settings.channels[name].orders.authorised_gateways)
        for code, look in looks.items():
            yield Watch(f"{code} of {name}", frozenset({code}), partial(look if books else _nothing, house, name), name)


async def _nothing(house: House, channel: str) -> Sequence[Cause]:
    return []


async def _lapses(house: House, channel: str) -> Sequence[Cause]:
    now = house.now()
    before = now + timedelta(days=house.settings.watches.authorisation_warning_days)
    found = await facts.lapsing(house.store.read, channel, before=before)
    if found is None:
        return []
    end = f"ends in {age(now, found.since)}" if found.since > now else f"ended {age(found.since, now)} ago"
    text = f"{_orders(found)} authorised and not captured; of {found.oldest} it {end}: {_look(found, channel)}"
    return [Cause("authorisation_lapses", channel, "payments", text, found.orders, found.order_id)]


async def _not_captured(house: House, channel: str) -> Sequence[Cause]:
    now = house.now()
    before = now - timedelta(hours=house.settings.watches.dispatched_not_captured_after_hours)
    found = await facts.not_captured(house.store.read, channel, before=before)
    if found is None:
        return []
    left = f"the oldest {found.oldest}, told as dispatched {age(found.since, now)} ago"
    text = (
        f"{_orders(found)} authorised only, and all of it left: {left}. {_whose(house, channel)}{_look(found, channel)}"
    )
    return [Cause("dispatched_not_captured", channel, "payments", text, found.orders, found.order_id)]


TAKEN_BY = {"shop": "the shop", "bridge": "bcbridge asks the shop", "person": "a person"}


def _whose(house: House, channel: str) -> str:
    """Who takes it, by gateway; nothing where nothing was set: then the shop does, or its gateway."""
    dispatches = house.settings.channels[channel].dispatches
    policy = dispatches.captures if dispatches else {}
    said = [f"{'any other' if gateway == '*' else gateway}: {TAKEN_BY[by]}" for gateway, by in policy.items()]
    return f"Who takes it: {'; '.join(said)}. " if said else ""


def _orders(found: Standstill) -> str:
    return "the money of 1 order is" if found.orders == 1 else f"the money of {found.orders:,} orders is"


def _look(found: Standstill, channel: str) -> str:
    return f"bcbridge show {order_argument(channel, found.oldest)}"
