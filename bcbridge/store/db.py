"""The one SQLite file: one writer that groups commits, a few bounded readers, an OS lock.

A *unit* is a plain function of a connection. Everything that waits goes into one transaction, intake first; each
caller resumes after its COMMIT. What is long has a transaction to itself: nobody who came meanwhile waits for it and
for its commit as well. A unit that raises is rolled back to its savepoint and only its caller hears of it.
SQLite rolls the *whole* transaction back on a full disk or an I/O error: then nobody of the group is acknowledged.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite
import anyio

from bcbridge.errors import BridgeError, StoreBusy
from bcbridge.store import restore
from bcbridge.store.damage import Damage, is_damage, unusable
from bcbridge.store.schema import steps

T = TypeVar("T")
Unit = Callable[[sqlite3.Connection], T]

GROUP_LIMIT = 400
"""Units in one transaction at most: bounds what one COMMIT makes others wait for."""
HOLD_SECONDS = 0.040
"""No group goes on taking units for longer than this."""
LONG_WAITS_GROUPS = 4
"""What is long goes when nobody else waits, and after so many groups of others at the latest."""
WAITING_LIMIT = 50_000
BUSY_TIMEOUT_MS = 2_000
READ_DEADLINE_SECONDS = 20.0
BUSY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""What the world around the file does to it; everything else is a fault of ours."""


def is_busy(fault: BaseException) -> bool:
    """Whether SQLite says that it cannot now, rather than that we asked wrongly."""
    return isinstance(fault, sqlite3.Error) and (getattr(fault, "sqlite_errorcode", 0) & 0xFF) in BUSY


class StoreLocked(BridgeError):
    """Another process holds this store."""


class StoreTooNew(BridgeError):
    """The file was written by a newer bcbridge."""


@dataclass(slots=True)
class _Waiting(Generic[T]):
    unit: Unit[T]
    future: asyncio.Future[T]
    result: T | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class WriterFigures:
    """Counted since the start, for /metrics."""

    commits: int = 0
    units: int = 0
    failed_groups: int = 0
    longest_seconds: float = 0.0
    last_failure: str = ""


@dataclass(slots=True)
class _Queues:
    intake: deque[_Waiting[Any]] = field(default_factory=deque)
    work: deque[_Waiting[Any]] = field(default_factory=deque)
    long: deque[_Waiting[Any]] = field(default_factory=deque)
    passed: int = 0
    """Groups of others since something long waits."""

    def __len__(self) -> int:
        return len(self.intake) + len(self.work) + len(self.long)

    def take(self) -> _Waiting[Any] | None:
        if self.intake:
            return self.intake.popleft()
        return self.work.popleft() if self.work else None

    def take_long(self) -> _Waiting[Any] | None:
        """If it is its turn to have a group."""
        if not self.long or ((self.intake or self.work) and self.passed < LONG_WAITS_GROUPS):
            self.passed += bool(self.long)
            return None
        self.passed = 0
        return self.long.popleft()

    def take_all(self) -> list[_Waiting[Any]]:
        everybody = [*self.intake, *self.work, *self.long]
        for queue in (self.intake, self.work, self.long):
            queue.clear()
        return everybody


class GroupWriter:
    """The only connection that writes. Runs in a thread of its own; the event loop never waits for the disk."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self._path = path
        self._damage = damage
        self._queues = _Queues()
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.figures = WriterFigures()

    async def start(self) -> None:
        """Raises sqlite3.Error where the file cannot be opened to be written."""
        self._loop = asyncio.get_running_loop()
        self._connection = await asyncio.to_thread(_connect_writer, self._path)
        self._thread = threading.Thread(target=self._run, name="bcbridge-store-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[T], *, intake: bool = False, long: bool = False) -> asyncio.Future[T]:
        """Let a unit wait for its turn; the future is told after the COMMIT that holds it. ``intake``: before others.
        ``long``: it takes some milliseconds, and has a group to itself.

        Raises StoreBusy at once where it cannot even wait. The future holds StoreBusy when the store could not keep
        it, or whatever the unit raised (then nothing of it is kept).
        """
        assert self._loop is not None
        waiting: _Waiting[T] = _Waiting(unit, self._loop.create_future())
        with self._wake:
            if self._closing:
                raise StoreBusy("the store is closing")
            if len(self._queues) >= WAITING_LIMIT:
                raise StoreBusy("too much is waiting for the store")
            queues = self._queues
            (queues.intake if intake else queues.long if long else queues.work).append(waiting)
            self._wake.notify()
        return waiting.future

    async def do(self, unit: Unit[T], *, intake: bool = False, long: bool = False) -> T:
        """Run a unit and return its result after the COMMIT that holds it; raises what ``submit`` and its future do.

        The wait is shielded: whoever wrote knows whether it was kept.
        """
        future = self.submit(unit, intake=intake, long=long)
        with anyio.CancelScope(shield=True):
            await future
        return future.result()

    async def close(self) -> None:
        """What waits is written, then the thread ends."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.to_thread(self._thread.join)

    # -- in the writer's thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        connection = self._connection
        assert connection is not None
        try:
            while self._wait():
                self._commit_group(connection)
        finally:
            self._refuse_all("the store's writer has ended")
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.close()

    def _wait(self) -> bool:
        with self._wake:
            while not len(self._queues):
                if self._closing:
                    return False
                self._wake.wait()
        return True

    def _commit_group(self, connection: sqlite3.Connection) -> None:
        group: list[_Waiting[Any]] = []
        started = time.monotonic()
        try:
            self._refuse_damage()
            connection.execute("BEGIN IMMEDIATE")
            self._run_units(connection, group, started)
            connection.execute("COMMIT")
            self.figures.commits += 1
            self.figures.units += len(group)
        except BaseException as fault:
            self._fail(connection, group, fault)
            if not isinstance(fault, sqlite3.Error | StoreBusy):
                raise
        finally:
            self.figures.longest_seconds = max(self.figures.longest_seconds, time.monotonic() - started)
            self._answer(group)

    def _refuse_damage(self) -> None:
        if refusal := self._damage.refusal():
            raise refusal

    def _run_units(self, connection: sqlite3.Connection, group: list[_Waiting[Any]], started: float) -> None:
        with self._wake:
            alone = self._queues.take_long()
        if alone is not None:
            group.append(alone)
            self._run_unit(connection, alone)
            return
        while len(group) < GROUP_LIMIT and time.monotonic() - started < HOLD_SECONDS:
            with self._wake:
                waiting = self._queues.take()
            if waiting is None:
                return
            group.append(waiting)
            self._run_unit(connection, waiting)

    def _run_unit(self, connection: sqlite3.Connection, waiting: _Waiting[Any]) -> None:
        connection.execute("SAVEPOINT unit")
        try:
            waiting.result = waiting.unit(connection)
        except Exception as fault:
            waiting.error = fault
            if is_busy(fault) or self._damage.found(fault) or not connection.in_transaction:
                raise  # SQLITE_FULL, IOERR, CORRUPT: the whole group is gone or cannot be kept, not this unit alone
            connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")

    def _fail(self, connection: sqlite3.Connection, group: list[_Waiting[Any]], fault: BaseException) -> None:
        self.figures.failed_groups += 1
        self.figures.last_failure = str(fault)
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        if not group:  # BEGIN itself failed: whoever waits first hears of it, so that nobody waits for ever
            group.extend(self._all_waiting())
        damaged = self._damage.found(fault)
        for waiting in group:
            waiting.result, waiting.error = None, damaged or StoreBusy(f"the store could not keep this: {fault}")

    def _all_waiting(self) -> list[_Waiting[Any]]:
        with self._wake:
            return self._queues.take_all()

    def _refuse_all(self, why: str) -> None:
        """Nobody waits for a thread that has ended, whatever ended it."""
        with self._wake:
            self._closing = True
        left = self._all_waiting()
        for waiting in left:
            waiting.error = StoreBusy(why)
        self._answer(left)

    def _answer(self, group: Sequence[_Waiting[Any]]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is gone: nobody is left to hear
            self._loop.call_soon_threadsafe(_resolve, group)


def _resolve(group: Sequence[_Waiting[Any]]) -> None:
    for waiting in group:
        if waiting.future.done():
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes: WAL, FULL (what was answered 200 survives a power cut), foreign keys on."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -32000")
    connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten: no byte of it stays in the file
    return connection


def _connect_writer(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute("PRAGMA temp_store = MEMORY")  # what a savepoint may need again: from 64 KB on a file otherwise
    return connection


def checkpoint(path: Path) -> bool:
    """Write the whole log into the file and empty it: what was erased is in neither. False where somebody reads on."""
    with closing(connect(path)) as connection:
        return int(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]) == 0


def migrate(path: Path) -> int:
    """Bring the file to this version's schema; returns the version. Raises StoreTooNew."""
    known = steps()
    connection = connect(path)
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(known):
            raise StoreTooNew(f"{path.name} was written by a newer bcbridge (schema {version}, here {len(known)})")
        for number, step in enumerate(known[version:], start=version + 1):
            connection.executescript(f"BEGIN;\n{step.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;")
        connection.executescript("BEGIN IMMEDIATE; ROLLBACK;")  # one that may only be read says so now
        return len(known)
    finally:
        connection.close()


class FileLock:
    """The daemon's hold on its store; released by the operating system whatever ends the process."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._handle: int | None = None

    def take(self) -> None:
        """Raises StoreLocked, naming the process that holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip()
            os.close(handle)
            raise StoreLocked(f"{self._path.name} is held by process {holder or '?'}; stop that one first") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class Readers:
    """A few read-only connections, each lent to one reader at a time and bounded in time."""

    def __init__(self, path: Path, *, count: int = 3, damage: Damage | None = None) -> None:
        self._path = path
        self._count = count
        self._damage = damage
        self._free: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        self._all: list[aiosqlite.Connection] = []

    async def start(self) -> None:
        for _ in range(self._count):
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = await aiosqlite.connect(uri, uri=True, isolation_level=None)
            connection.row_factory = sqlite3.Row
            # fetched to the end: while a statement stays open, one interrupt would interrupt all that follow
            await connection.execute_fetchall("PRAGMA query_only = ON")
            await connection.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            self._all.append(connection)
            self._free.put_nowait(connection)

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            for connection in self._all:
                await connection.close()
        self._all.clear()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[aiosqlite.Connection]:
        with anyio.fail_after(READ_DEADLINE_SECONDS):
            connection = await self._free.get()
        try:
            yield connection
        except BaseException:
            await connection.interrupt()
            raise
        finally:
            self._free.put_nowait(connection)

    async def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[sqlite3.Row]:
        """All rows of one SELECT. Raises StoreBusy where the store cannot answer now, or not in time."""
        try:
            async with self.lent() as connection:
                with anyio.fail_after(READ_DEADLINE_SECONDS):
                    return list(await connection.execute_fetchall(sql, parameters))
        except sqlite3.Error as fault:
            if is_busy(fault):
                raise StoreBusy(f"the store cannot be read: {fault}") from fault
            if self._damage is not None and is_damage(fault):
                raise await asyncio.to_thread(self._damage.found, fault) or fault from fault
            raise
        except TimeoutError as fault:
            raise StoreBusy("the store did not answer in time") from fault

    async def row(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> sqlite3.Row | None:
        rows = await self.rows(sql, parameters)
        return rows[0] if rows else None


class Store:
    """The open file: ``write`` for units, ``read`` for SELECTs. Everything else in this package is built on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = Damage(path)
        self._lock = FileLock(path)
        self._writer = GroupWriter(path, self.damage)
        self.read = Readers(path, damage=self.damage)

    @property
    def figures(self) -> WriterFigures:
        return self._writer.figures

    async def open(self) -> None:
        """Raises StoreLocked, StoreTooNew, StoreDamaged, StoreUnusable; then nothing is held."""
        try:
            await asyncio.to_thread(self._create)
            await self._writer.start()
            await self.read.start()
        except BaseException as fault:
            await self.close()
            if isinstance(fault, sqlite3.Error | OSError):
                raise unusable(self.path, fault) from fault
            raise

    def _create(self) -> None:
        self._lock.take()
        restore.finish(self.path)
        self.damage.look()
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        migrate(self.path)

    async def write(self, unit: Unit[T], *, intake: bool = False, long: bool = False) -> T:
        return await self._writer.do(unit, intake=intake, long=long)

    def submit(self, unit: Unit[T], *, intake: bool = False) -> asyncio.Future[T]:
        return self._writer.submit(unit, intake=intake)

    async def checkpoint(self) -> bool:
        """Empty the log into the file, so that what was erased is nowhere. False where somebody still reads."""
        return await asyncio.to_thread(checkpoint, self.path)

    async def close(self) -> None:
        await self.read.close()
        await self._writer.close()
        self._lock.release()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        await self.open()
        try:
            yield self
        finally:
            await self.close()
