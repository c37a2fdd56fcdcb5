"""What we tell systemd: opened, alive, draining, and one line of how things stand.

``NOTIFY_SOCKET`` names a datagram socket (a path, or ``@`` and an abstract name) that takes lines of ``KEY=VALUE``.
``WATCHDOG_USEC`` says how long we may be silent before we are ended and started again. Without them nothing is told.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

import anyio
import structlog

from bcbridge.errors import StoreBusy
from bcbridge.store.db import Store

log = structlog.get_logger()

STATUS_EVERY = timedelta(seconds=30)
STATUS_CHARACTERS = 500
STATUS_WITHIN_SECONDS = 5.0


class Systemd:
    """The socket of whoever started us; deaf where nobody did."""

    def __init__(self, address: str = "", watchdog: timedelta | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self.watchdog = watchdog
        """How long it waits for the next sign of life; None: it does not watch."""
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: Mapping[str, str], *, pid: int) -> Systemd:
        """As the environment of process ``pid`` says; a watchdog meant for another process is not ours."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watchdog = timedelta(microseconds=int(microseconds)) if ours and microseconds.isdigit() else None
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog or None)

    @property
    def listens(self) -> bool:
        return self._socket is not None

    @property
    def every(self) -> timedelta:
        """Half of what the watchdog grants."""
        return self.watchdog / 2 if self.watchdog else STATUS_EVERY

    def tell(self, *words: str, status: str = "") -> None:
        """``tell("READY=1", status="...")``. One that cannot be told is logged and lost: the next one follows."""
        if self._socket is None:
            return
        line = status.replace("\n", " ")[:STATUS_CHARACTERS]
        message = "\n".join([*words, *([f"STATUS={line}"] if line else [])])
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as fault:
            log.warning("systemd was not told", words=words, why=fault.strerror)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def in_force() -> Systemd:
    """Of this process. Processes that we start are not spoken for: they inherit no socket."""
    systemd = Systemd.of(os.environ, pid=os.getpid())
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
    return systemd


async def keep_alive(systemd: Systemd, store: Store, status: Callable[[], Awaitable[str]]) -> None:
    """For ever: a sign of life while this loop turns *and* the store's writer gets on.

    A loop or a disk that hangs sends none, and the watchdog ends the process: what it did not answer, it did not
    keep. A full disk is not hanging: the writer refuses, says so and goes on; starting again would cure nothing.
    """
    if not systemd.listens:
        return
    while True:
        if await _gets_on(store):
            systemd.tell("WATCHDOG=1")
            systemd.tell(status=await _said(status))
        await anyio.sleep(systemd.every.total_seconds())


async def _gets_on(store: Store) -> bool:
    """Whether the writer ended a transaction, well or not, while we waited for one of our own.

    The wait has no deadline here: the watchdog is its deadline.
    """
    before = _ended(store)
    with suppress(StoreBusy):
        await store.write(_nothing)
    return _ended(store) > before


def _ended(store: Store) -> int:
    return store.figures.commits + store.figures.failed_groups


def _nothing(tx: sqlite3.Connection) -> None:
    """A transaction without a change: it waits for its turn and writes nothing to the disk."""


async def _said(status: Callable[[], Awaitable[str]]) -> str:
    try:
        with anyio.fail_after(STATUS_WITHIN_SECONDS):
            return await status()
    except (StoreBusy, sqlite3.Error, TimeoutError) as fault:
        return f"the store cannot be read: {type(fault).__name__}"
