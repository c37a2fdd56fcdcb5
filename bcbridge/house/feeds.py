"""The figures of one ERP, pulled: what changed at every look, everything when it is time or somebody asks."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import structlog

from bcbridge.errors import OpenCircuit, Retry, StoreBusy, plain
from bcbridge.flows.stock.pull import Pulled, Pulls
from bcbridge.runtime.backoff import backoff
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.worker import Bell

log = structlog.get_logger()

EVERYTHING_EVERY = timedelta(hours=24)
"""What a list of changes never showed is found by reading everything."""
ECHO_EVERY = timedelta(minutes=5)
PULL_DEADLINE = timedelta(hours=2)


@dataclass(slots=True)
class FeedFigures:
    """Since the start, for /metrics and the live view."""

    pulls: int = 0
    rows: int = 0
    moved: int = 0
    last: Pulled | None = None
    last_success: datetime | None = None
    last_failure: str = ""


@dataclass(slots=True)
class FeedHouse:
    """The figures of one ERP. ``on_due`` rings whoever tells numbers."""

    erp: str
    pulls: Pulls
    circuit: Circuit
    every: timedelta
    now: Callable[[], datetime]
    may_count: Callable[[], bool] = lambda: True
    """Whether the echo may be counted: in production only once a person confirmed it."""
    wanted: Bell = field(default_factory=Bell)
    """Rings when all figures are wanted now."""
    figures: FeedFigures = field(default_factory=FeedFigures)
    _everything_at: datetime | None = None
    _echo_at: datetime | None = None

    def pull_now(self) -> None:
        self._everything_at = None
        self.wanted.ring()

    async def run(self) -> None:
        """For ever; a pull that failed is tried again with back-off."""
        failures = 0
        while True:
            await self.circuit.closed()
            rings = self.wanted.rings
            failures = 0 if await self._tried() else failures + 1
            wait = backoff(failures, chance=random.random) if failures else self.every
            await self.wanted.heard(since=rings, within=min(wait, self.every) if failures else wait)

    async def _tried(self) -> bool:
        try:
            with anyio.fail_after(PULL_DEADLINE.total_seconds()):
                await self.once()
        except OpenCircuit as fault:
            self.figures.last_failure = plain(fault)
            await self.circuit.open(fault, again=self._again)
        except (Retry, TimeoutError) as fault:
            self.figures.last_failure = plain(fault)
            await self.circuit.unheard(fault)
        except StoreBusy as fault:
            self.figures.last_failure = plain(fault)
        except Exception as fault:
            log.exception("pull failed", connector=self.erp)
            self.figures.last_failure = plain(fault)
        else:
            self.circuit.heard()
            return True
        return False

    async def _again(self) -> None:
        await self.once()

    async def once(self) -> Pulled:
        """One pull: of everything when that is due, else of what changed."""
        if self.pulls.echoes and self.may_count() and self._is_due(self._echo_at, ECHO_EVERY):
            await self.pulls.echo()
            self._echo_at = self.now()
        everything = self._is_due(self._everything_at, EVERYTHING_EVERY)
        pulled = await (self.pulls.everything() if everything else self.pulls.changed())
        if pulled.everything:
            self._everything_at = pulled.began
        self._note(pulled)
        return pulled

    def _is_due(self, last: datetime | None, every: timedelta) -> bool:
        return last is None or self.now() - last >= every

    def _note(self, pulled: Pulled) -> None:
        seen = self.figures
        seen.pulls, seen.rows, seen.moved = seen.pulls + 1, seen.rows + pulled.rows, seen.moved + pulled.moved
        seen.last, seen.last_success = pulled, self.now()
        if pulled.held:
            log.warning("a pull of figures was not stored", connector=self.erp, why=pulled.held)
