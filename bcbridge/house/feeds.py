"""The figures of one ERP, pulled: what changed when its cycle says so, everything when it is time or somebody asks."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import structlog

from bcbridge.errors import BridgeError, OpenCircuit, Retry, StoreBusy, plain
from bcbridge.flows.stock.cycle import Cycle, everything_is_due, load
from bcbridge.flows.stock.pull import Pulled, Pulls
from bcbridge.runtime.backoff import backoff
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.worker import Bell

log = structlog.get_logger()

NO_TIME = timedelta(0)
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
    cycle: Cycle | None = None
    """What is known of the ERP's batch cycle; None until the first pull."""
    _everything_at: datetime | None = None
    _everything_took: timedelta = NO_TIME
    _unproven: bool = False
    """The last pull of everything did not prove itself whole, or was not believed."""
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
            wait = min(backoff(failures, chance=random.random), self.every) if failures else self._until_next()
            await self.wanted.heard(since=rings, within=wait)

    def _until_next(self) -> timedelta:
        return self.every if self.cycle is None else self.cycle.wait(self.now(), every=self.every)

    async def _tried(self) -> bool:
        try:
            with anyio.fail_after(PULL_DEADLINE.total_seconds()):
                await self.once()
        except OpenCircuit as fault:
            self.figures.last_failure = plain(fault)
            await self.circuit.suspect(fault)
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

    async def once(self) -> Pulled:
        """One pull: of everything when that is due, else of what changed."""
        if self.pulls.echoes and self.may_count() and self._echo_is_due():
            await self._echo()
        everything = await self._everything_is_due()
        pulled = await (self.pulls.everything() if everything else self.pulls.changed())
        if everything or pulled.everything:
            self._everything_at, self._everything_took = pulled.began, pulled.ended - pulled.began
            self._unproven = not pulled.everything
        await self._learn(pulled)
        self._note(pulled)
        return pulled

    async def _echo(self) -> None:
        """One that fails dates nothing; figures come all the same, and it is tried again when the next is due."""
        try:
            await self.pulls.echo()
        except BridgeError as fault:
            log.warning("the echo was not counted", connector=self.erp, why=plain(fault))
            self.figures.last_failure = plain(fault)
        self._echo_at = self.now()

    def _echo_is_due(self) -> bool:
        return self._echo_at is None or self.now() - self._echo_at >= ECHO_EVERY

    async def _everything_is_due(self) -> bool:
        waiting = self._unproven or await self.pulls.waits()
        return everything_is_due(self.now(), self._everything_at, self._everything_took, waiting=waiting)

    async def _learn(self, pulled: Pulled) -> None:
        """The cycle is remembered beside the figures whenever a publication was met."""
        if self.cycle is None:
            state = await self.pulls.book.feed()
            self.cycle = load(state.cycles, hint=self.pulls.feed.rules.cycle)
        before, self.cycle = self.cycle, self.cycle.learn(pulled)
        if self.cycle.publications != before.publications:
            await self.pulls.book.keep_cycles(self.cycle.dump())

    def _note(self, pulled: Pulled) -> None:
        seen = self.figures
        seen.pulls, seen.rows, seen.moved = seen.pulls + 1, seen.rows + pulled.rows, seen.moved + pulled.moved
        seen.last, seen.last_success = pulled, self.now()
        if pulled.held:
            log.warning("a pull of figures was not stored", connector=self.erp, why=pulled.held)
