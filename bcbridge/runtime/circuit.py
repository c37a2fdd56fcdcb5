"""Circuits: whether a connection may be used now. Open: not polled, its jobs wait without burning attempts.

A circuit closes by itself when a ping succeeds, tried with back-off; one opened by content closes when its page
reads cleanly or a person says so, because a ping proves nothing about it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
import structlog

from bcbridge.connectors.base import Connector
from bcbridge.errors import BridgeError, OpenCircuit, Retry
from bcbridge.runtime.backoff import backoff
from bcbridge.store import incidents
from bcbridge.store.db import Store

log = structlog.get_logger()
PING_DEADLINE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class CircuitView:
    """What /ready shows."""

    connector: str
    is_open: bool
    why: str
    since: datetime
    retry_at: datetime | None


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
        self.on_close: Callable[[], Awaitable[None]] | None = None

    @property
    def is_open(self) -> bool:
        return not self._closed.is_set()

    def view(self) -> CircuitView:
        return CircuitView(self.connector.name, self.is_open, self._why, self._since, self._retry_at)

    async def closed(self) -> None:
        """Returns when the connection may be used."""
        await self._closed.wait()

    async def open(self, fault: OpenCircuit) -> None:
        """Pause this connection; an incident stands until it closes."""
        if not self.is_open:
            self._since, self._why = self._now(), str(fault)
            self._closed = anyio.Event()
            log.warning("circuit opened", connector=self.connector.name, why=self._why)
        self._retry_at = self._now() + fault.after if fault.after else None
        name, why = self.connector.name, str(fault)
        try:
            await self._store.write(
                lambda tx: incidents.open_one(
                    tx, code="circuit_open", connector=name, cause="circuit", text=why, now=self._now()
                )
            )
        finally:
            self._opened.set()

    async def close(self) -> None:
        if not self.is_open:
            return
        self._why, self._since, self._retry_at = "", self._now(), None
        self._closed.set()
        log.info("circuit closed", connector=self.connector.name)
        await self._store.write(
            lambda tx: incidents.close(
                tx, code="circuit_open", connector=self.connector.name, cause="circuit", now=self._now()
            )
        )
        if self.on_close is not None:
            await self.on_close()

    async def mend(self) -> None:
        """For ever: when open, ping with back-off until it answers, then close."""
        while True:
            await self._opened.wait()
            self._opened = anyio.Event()
            attempt = 0
            while self.is_open:
                attempt += 1
                await anyio.sleep(self._wait(attempt).total_seconds())
                await self._try()

    def _wait(self, attempt: int) -> timedelta:
        asked = self._retry_at - self._now() if self._retry_at else timedelta(0)
        return max(asked, backoff(attempt, chance=random.random))

    async def _try(self) -> None:
        try:
            with anyio.fail_after(PING_DEADLINE_SECONDS):
                await self.connector.ping()
        except OpenCircuit as fault:
            self._why = str(fault)
            self._retry_at = self._now() + fault.after if fault.after else None
        except (BridgeError, TimeoutError) as fault:
            self._why = str(fault) or "no answer to a ping in time"
            self._retry_at = self._now() + fault.after if isinstance(fault, Retry) and fault.after else None
        else:
            try:
                await self.close()
            except BridgeError as fault:
                log.warning("circuit not closed", connector=self.connector.name, why=str(fault))
                self._closed.set()
