"""Every watch there is, and the loop that makes the rounds."""

from __future__ import annotations

from datetime import timedelta

from bcbridge.house.wiring import House
from bcbridge.runtime.watchman import Watch, keep_watch
from bcbridge.watches import dispatches, habit, machine, orders, payments, sources, stock


def all_of(house: House) -> list[Watch]:
    """Every watch of this house."""
    return [
        *orders.watches(house),
        *dispatches.watches(house),
        *payments.watches(house),
        *stock.watches(house),
        *habit.watches(house),
        *sources.watches(house),
        *machine.watches(house),
    ]


def codes(house: House) -> frozenset[str]:
    """What the watches of this house speak for."""
    return frozenset[str]().union(*(one.codes for one in all_of(house)))


async def watch(house: House) -> None:
    """For ever."""
    every = timedelta(seconds=house.settings.watches.every_seconds)
    await keep_watch(all_of(house), house.store, now=house.now, every=every)
