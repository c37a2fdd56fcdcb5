"""Circuits: whether a connection may be used now. Open: not polled, its jobs wait without burning attempts.

A circuit closes by itself when a ping succeeds, tried with back-off; one opened by content closes when its page
reads cleanly or a person says so, because a ping proves nothing about it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
import structlog

from bcbridge.connectors.base import Connector
from bcbridge.errors import BridgeError, OpenCircuit, Retry, StoreBusy, plain
from bcbridge.runtime.backoff import backoff
from bcbridge.store import incidents
from bcbridge.store.db import Store

log = structlog.get_logger()
PROBE_DEADLINE_SECONDS = 120.0
READ_DEADLINE_SECONDS = 1800.0
"""A read that shows that content is well again may be a whole pass: some shops' sweeps take minutes."""
SILENT_READS = 5
SILENT_SECONDS = 10.0
"""So many reads in a row, over so long, and a connection is down rather than in a bad moment."""


@dataclass(frozen=True, slots=True)
class CircuitView:
    """What /ready shows."""

    connector: str
    is_open: bool
    why: str
    since: datetime
    retry_at: datetime | None
    planned: bool = False
    """Nobody's fault: quiet hours."""


Probe = Callable[[], Awaitable[object]]
"""What shows that a connection may be used again: it goes through, or raises."""


class Circuit:
    """One connection's. ``closed`` is awaited by whoever wants to use it."""

    def __init__(self, connector: Connector, store: Store, *, now: Callable[[], datetime]) -> None:
        self.connector = connector
        self._store = store
        self._now = now
        self._closed = anyio.Event()
        self._closed.set()
        self._opened = anyio.Event()
        self._why = ""
        self._since = now()
        self._retry_at: datetime | None = None
        self._planned = False
        self._asked = timedelta(0)
        self._silent = 0
        self._silent_since: float | None = None
        self._probe: Probe = connector.ping
        self.on_close: Callable[[], Awaitable[None]] | None = None

    @property
    def is_open(self) -> bool:
        return not self._closed.is_set()

    @property
    def by_content(self) -> bool:
        """Open, and a ping does not close it."""
        return self.is_open and self._probe != self.connector.ping

    def view(self) -> CircuitView:
        return CircuitView(
            self.connector.name, self.is_open, self._why, self._since, self._retry_at, self.is_open and self._planned
        )

    async def closed(self) -> None:
        """Returns when the connection may be used."""
        await self._closed.wait()

    async def open(self, fault: OpenCircuit, *, again: Probe | None = None) -> None:
        """Pause this connection; an incident stands until it closes.

        ``again`` is what failed: a circuit opened by content closes when that goes through, not by a ping.
        """
        if not self.is_open:
            self._since = self._now()
            self._closed = anyio.Event()
            self._probe = self.connector.ping
            log.warning("circuit opened", connector=self.connector.name, why=str(fault))
        if fault.by_content and again is not None:
            self._probe = again
        self._note(fault)
        self._planned = fault.planned
        self._opened.set()
        if not fault.planned:
            await self._tell(fault)

    async def suspect(self, fault: OpenCircuit) -> bool:
        """A call for something beside the orders says that the connection is at fault: whether it is, and open now.

        A ping shows it. What goes through leaves it to the caller: a scope for stock that is missing holds up no order.
        """
        if self.is_open:
            return True
        try:
            with anyio.fail_after(PROBE_DEADLINE_SECONDS):
                await self.connector.ping()
        except OpenCircuit as why:
            await self.open(why)
        except (Retry, TimeoutError) as silence:
            log.info("no ping", connector=self.connector.name, why=_words(silence), after=str(fault))
        return self.is_open

    def heard(self) -> None:
        """A read went through."""
        self._silent, self._silent_since = 0, None

    async def unheard(self, fault: Retry | TimeoutError) -> None:
        """A read did not go through. Several in a row, over a while, pause a connection that answers no ping either.

        Who asks us to wait has answered: that does not count. One list may be broken for good and tried within
        seconds: with a ping going through it is that list alone, and its neighbours, and every order, go on.
        """
        if self.is_open or _asks_to_wait(fault):
            return
        now = time.monotonic()
        self._silent, self._silent_since = self._silent + 1, self._silent_since or now
        if self._is_silent(now):
            why = await self._no_ping()
            if why is not None and not self.is_open and self._is_silent(now):  # nothing went through meanwhile
                await self.open(why)
            self.heard()

    def _is_silent(self, now: float) -> bool:
        since = now if self._silent_since is None else self._silent_since
        return self._silent >= SILENT_READS and now - since >= SILENT_SECONDS

    async def _no_ping(self) -> OpenCircuit | None:
        """Why a ping does not go through either; None where the other side is there."""
        try:
            with anyio.fail_after(PROBE_DEADLINE_SECONDS):
                await self.connector.ping()
        except OpenCircuit as fault:
            return fault
        except (Retry, TimeoutError) as fault:
            words = f"{self._silent} reads in a row did not go through, nor does a ping: {_words(fault)}"
            return None if _asks_to_wait(fault) else OpenCircuit(words)
        except Exception:
            log.exception("ping failed", connector=self.connector.name)
        return None

    def _note(self, fault: BaseException) -> None:
        self._why = _words(fault)
        after = fault.after if isinstance(fault, OpenCircuit | Retry) else None
        self._retry_at = self._now() + after if after else None
        self._asked = after or timedelta(0)

    async def _tell(self, fault: OpenCircuit) -> None:
        name, why, now = self.connector.name, str(fault), self._now()
        try:
            await self._store.write(
                lambda tx: incidents.open_one(
                    tx, code="circuit_open", connector=name, cause="circuit", text=why, now=now
                )
            )
        except StoreBusy as busy:
            log.warning("incident not kept", connector=name, why=str(busy))

    async def close(self) -> None:
        """It may be used again, what waited is let go, its incident ends. Raises StoreBusy where not: it stays open."""
        if not self.is_open:
            return
        self._closed.set()
        try:
            await self._let_go()
        except BaseException:
            self._closed = anyio.Event()
            raise
        self._why, self._since, self._retry_at = "", self._now(), None
        log.info("circuit closed", connector=self.connector.name)

    async def _let_go(self) -> None:
        if self.on_close is not None:
            await self.on_close()
        await self._store.write(
            lambda tx: incidents.close(
                tx, code="circuit_open", connector=self.connector.name, cause="circuit", now=self._now()
            )
        )

    async def mend(self) -> None:
        """For ever: when open, try with back-off until it goes through, then close."""
        while True:
            await self._opened.wait()
            self._opened = anyio.Event()
            attempt = 0
            while self.is_open:
                attempt += 1
                await anyio.sleep(self._wait(attempt).total_seconds())
                await self._try()

    def _wait(self, attempt: int) -> timedelta:
        left = self._retry_at - self._now() if self._retry_at else timedelta(0)
        return max(min(left, self._asked), backoff(attempt, chance=random.random))  # no longer, if the clock went back

    async def _try(self) -> None:
        try:
            with anyio.fail_after(READ_DEADLINE_SECONDS if self.by_content else PROBE_DEADLINE_SECONDS):
                await self._probe()
            await self.close()
        except (BridgeError, TimeoutError) as fault:
            self._note(fault)
        except Exception as fault:
            log.exception("probe failed", connector=self.connector.name)
            self._note(fault)


def _asks_to_wait(fault: BaseException) -> bool:
    return isinstance(fault, Retry) and fault.after is not None


def _words(fault: BaseException) -> str:
    return "no answer in time" if isinstance(fault, TimeoutError) else plain(fault)
