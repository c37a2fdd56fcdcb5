"""Reads that are plain functions of a connection, in a thread of their own: many small statements, one way there.

A checkout that waits for an answer waits behind nobody else's read, and for at most so many others of its kind.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from bcbridge.errors import StoreBusy
from bcbridge.store.db import BUSY_TIMEOUT_MS, is_busy

T = TypeVar("T")
WAITING_LIMIT = 500
"""Who comes when so many wait is told so at once."""
DEADLINE_SECONDS = 5.0


class Aside:
    """A read-only connection and the thread that uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcbridge-store-aside")
        self._connection: sqlite3.Connection | None = None
        self._waiting = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Aside]:
        loop = asyncio.get_running_loop()
        try:
            self._connection = await loop.run_in_executor(self._thread, self._connect)
            yield self
        finally:
            await loop.run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the function returns. Raises StoreBusy where too many wait, or the store does not answer in time."""
        if self._waiting >= WAITING_LIMIT:
            raise StoreBusy(f"{WAITING_LIMIT} wait for an answer already")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._thread, self._work, work)
            return await asyncio.wait_for(asked, DEADLINE_SECONDS)
        except TimeoutError as fault:
            raise StoreBusy("the store did not answer in time") from fault
        except sqlite3.Error as fault:
            if is_busy(fault):
                raise StoreBusy(f"the store cannot be read: {fault}") from fault
            raise
        finally:
            self._waiting -= 1

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        assert self._connection is not None
        return work(self._connection)
