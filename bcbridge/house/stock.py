"""Stock, wired: an ERP's figures are pulled, every channel's numbers are drained and compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from bcbridge.runtime.worker import Bell


@dataclass(slots=True)
class FeedHouse:
    """The figures of one ERP."""

    erp: str
    bell: Bell = field(default_factory=Bell)
    """Rings when a pull of everything is wanted now."""


@dataclass(slots=True)
class OutletHouse:
    """The numbers of one channel."""

    channel: str
    bell: Bell = field(default_factory=Bell)
    """Rings when a number is due."""
    compare: Bell = field(default_factory=Bell)
    push: Bell = field(default_factory=Bell)


@dataclass(slots=True)
class StockHouse:
    """Everything about stock that runs."""

    feeds: dict[str, FeedHouse] = field(default_factory=dict)
    outlets: dict[str, OutletHouse] = field(default_factory=dict)

    def pull(self, erp: str) -> None:
        self.feeds[erp].bell.ring()

    def compare(self, channel: str) -> None:
        self.outlets[channel].compare.ring()

    def push(self, channel: str) -> None:
        self.outlets[channel].push.ring()
