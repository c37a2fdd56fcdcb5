"""The hand that writes into the books: its moment, and how this ERP writes a moment down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bluecherry.books import erp_stamp
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings


@dataclass(frozen=True)
class Pen:
    """One moment of this ERP. What is written in one transaction is written with one pen."""

    now: datetime
    settings: BlueCherrySettings
    grain_seconds: float = 1
    """Stamps are cut to so many seconds: the coarser, the more of them are equal."""

    @property
    def stamp(self) -> str:
        return self.stamp_of(self.now)

    @property
    def at(self) -> str:
        """For the books alone: the very moment, in UTC."""
        return self.now.isoformat()

    def stamp_of(self, moment: datetime) -> str:
        seconds = moment.timestamp()
        cut = datetime.fromtimestamp(seconds - seconds % max(self.grain_seconds, 1), UTC)
        return erp_stamp(cut, self.settings.erp_timezone)

    def earlier(self, ago: timedelta) -> Pen:
        return replace(self, now=self.now - ago)


Pens = Callable[[], Pen]
"""A pen of the present."""


def pens_of(world: World, settings: BlueCherrySettings) -> Pens:
    return lambda: Pen(world.clock.now(), settings, world.faults.value("stamp_grain_seconds"))
