"""What every sandbox server stands on: a clock, books on disk, faults to order, and its own doors.

A server is a `World` (books, clock, faults, the nouns it holds) plus the vendor's routes. To build one::

    async with World.opened("bluecherry", folder, schema=..., season=..., faults=..., nouns=...) as world:
        app = web.Application()
        app.add_routes(vendor_routes)
        app.add_routes(admin_app_routes(world))
        async with Server.running(app, port=0) as server:
            ...  # server.url, server.port

``/_sandbox/`` is ours and no vendor's: it shows the books, orders faults, moves the clock, starts anew.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import sqlite3
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
import orjson
from aiohttp import web
from anyio.abc import TaskGroup

T = TypeVar("T")

Unit = Callable[[sqlite3.Connection], T]
"""One transaction's work, run in the books' own thread; what it raises rolls it back."""

Season = Callable[[sqlite3.Connection, int], None]
"""Writes the world as it is before any shop order, from a seed; runs inside one transaction."""

NOUN_CEILING = 1_000
"""Rows of one noun that ``GET /_sandbox/books`` shows at once."""

PAGE_CEILING = 5_000
"""Rows that ``GET /_sandbox/books/{noun}`` shows at once."""

BODY_CEILING = 32 * 1024 * 1024

_OWN_SCHEMA = """
CREATE TABLE sandbox_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sandbox_faults (
    name TEXT PRIMARY KEY,
    rate REAL NOT NULL DEFAULT 0,
    left INTEGER NOT NULL DEFAULT 0,
    happened INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE sandbox_values (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""


# --- JSON ------------------------------------------------------------------------------------------------------


def dump(data: object) -> bytes:
    """JSON bytes. A Decimal is written as the number it is, digit by digit; no float in between."""
    return orjson.dumps(data, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f").encode())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(body=dump(data), status=status, headers=headers, content_type="application/json")


def hang_up(request: web.Request) -> web.Response:
    """Drops the connection without an answer. What it returns is written to nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


# --- books -----------------------------------------------------------------------------------------------------


class ForeignBooks(Exception):
    """The file was written by another version of this sandbox; a fresh folder (``--fresh``) is needed."""


@dataclass(frozen=True)
class BooksPage:
    """Some rows of one noun, as JSON texts, and the cursor to go on from (None: that was all)."""

    rows: list[orjson.Fragment]
    next: int | None


class Books:
    """One SQLite file: what the simulated system remembers.

    Every `write` is one transaction, on disk (WAL, ``synchronous=FULL``) when it returns. Writes run one
    after another in a thread of their own, reads beside them in another; the event loop never waits for
    the disk. A unit once started runs to its end, also when whoever asked has gone.
    """

    def __init__(self, path: Path, schema: str, season: Season) -> None:
        self.path = path
        self._schema = _OWN_SCHEMA + schema
        self._season = season
        self._writer = _Desk(path, "books-writer")
        self._reader = _Desk(path, "books-reader")

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: Path, schema: str, season: Season, *, seed: int = 1) -> AsyncIterator[Self]:
        """Opens the file, or makes it: schema and season in one transaction, so half a season never stays.

        ``schema`` is plain CREATE statements. Raises `ForeignBooks` where the file has another schema.
        """
        books = cls(path, schema, season)
        try:
            await books.write(partial(books._found, seed=seed))
            yield books
        finally:
            with anyio.CancelScope(shield=True):
                await books._writer.close()
                await books._reader.close()

    async def write(self, unit: Unit[T]) -> T:
        """Runs the unit in one transaction and returns once it is on disk."""
        return await self._writer.run(lambda connection: _in_transaction(connection, unit))

    async def read(self, unit: Unit[T]) -> T:
        """Runs a reading unit beside the writer, on what is committed."""
        return await self._reader.run(unit)

    async def renew(self, *, seed: int) -> None:
        """A new world in one transaction: everything is dropped, the season written again."""
        await self.write(partial(self._renew, seed=seed))

    async def page(self, statement: str, *, after: int, limit: int) -> BooksPage:
        """Rows of ``statement``: a SELECT of (cursor, JSON text), ``:after`` < cursor, ordered, LIMIT ``:limit``."""
        values = {"after": after, "limit": limit + 1}
        found: list[tuple[int, str]] = await self.read(lambda c: c.execute(statement, values).fetchall())
        more = len(found) > limit
        kept = found[:limit]
        return BooksPage([orjson.Fragment(text) for _, text in kept], kept[-1][0] if more else None)

    def _found(self, connection: sqlite3.Connection, *, seed: int) -> None:
        mark = zlib.crc32(self._schema.encode()) & 0x7FFF_FFFF
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0:
            self._renew(connection, seed=seed)
            connection.execute(f"PRAGMA user_version = {mark}")
        elif found != mark:
            raise ForeignBooks(f"{self.path} was written by another version of the sandbox; start it with --fresh")

    def _renew(self, connection: sqlite3.Connection, *, seed: int) -> None:
        for kind, name in connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            connection.execute(f'DROP {kind} "{name}"')
        for statement in _statements(self._schema):
            connection.execute(statement)
        connection.execute("INSERT INTO sandbox_facts VALUES ('seed', ?)", (str(seed),))
        self._season(connection, seed)


class _Desk:
    """One connection and the one thread that may touch it.

    A thread of its own and not a pool with a lock: a cancelled caller must not let a second one in while
    the first unit still runs.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    async def run(self, unit: Unit[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, unit)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._hang_up)
        self._thread.shutdown(wait=False)

    def _do(self, unit: Unit[T]) -> T:
        if self._connection is None:
            self._connection = _connect(self._path)
        return unit(self._connection)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=True)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def _in_transaction(connection: sqlite3.Connection, unit: Unit[T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = unit(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return result


def _statements(script: str) -> Iterator[str]:
    """Single statements of a script (``executescript`` would commit the transaction that is open)."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def fact(connection: sqlite3.Connection, name: str) -> str | None:
    """A small named value kept with the books (seed, clock, a server's own)."""
    row = connection.execute("SELECT value FROM sandbox_facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def set_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO sandbox_facts VALUES (?, ?)", (name, value))


# --- clock -----------------------------------------------------------------------------------------------------


class Clock:
    """Aware UTC: the real time plus an offset that is kept on disk."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._offset = timedelta()

    @property
    def offset_seconds(self) -> float:
        return self._offset.total_seconds()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    async def load(self) -> None:
        kept = await self._books.read(lambda c: fact(c, "clock_offset_seconds"))
        self._offset = timedelta(seconds=float(kept or 0))

    async def set(self, offset_seconds: float) -> None:
        """Moves the clock; on disk before it shows."""
        offset = timedelta(seconds=offset_seconds)
        await self._books.write(lambda c: set_fact(c, "clock_offset_seconds", repr(offset_seconds)))
        self._offset = offset


# --- faults ----------------------------------------------------------------------------------------------------


class UnknownFault(ValueError):
    """A name this server has no fault or value for; the message lists those it has."""


@dataclass
class _Fault:
    description: str
    rate: float = 0.0
    left: int = 0
    happened: int = 0
    dice: random.Random = field(default_factory=random.Random)


@dataclass
class _Value:
    description: str
    usual: float
    value: float


class Faults:
    """Bad manners to order, by name: one-shots (``once``), rates (0..1; 1 is a switch), and values.

    A strike is counted on disk before it has its effect, so a one-shot strikes once, whatever dies. Chance
    comes from one seeded source per fault: the same calls meet the same faults (a restart starts it anew).
    """

    def __init__(self, books: Books, names: Mapping[str, str], values: Mapping[str, tuple[float, str]]) -> None:
        self._books = books
        self._names = dict(names)
        self._usual = dict(values)
        self._faults: dict[str, _Fault] = {}
        self._values: dict[str, _Value] = {}
        self._altered = anyio.Event()

    async def altered(self) -> None:
        """Returns when faults are next ordered or loaded: for a job that waits by one of their values."""
        await self._altered.wait()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    async def load(self) -> None:
        rows, values, seed = await self._books.read(_kept_faults)
        self._faults = {n: _Fault(d, dice=random.Random(f"{seed}:{n}")) for n, d in self._names.items()}
        self._values = {n: _Value(d, usual, usual) for n, (usual, d) in self._usual.items()}
        for name, rate, left, happened in rows:
            if name in self._faults:
                fault = self._faults[name]
                fault.rate, fault.left, fault.happened = rate, left, happened
        for name, value in values:
            if name in self._values:
                self._values[name].value = value
        self._tell()

    def value(self, name: str) -> float:
        """What a value such as ``slow_ms`` is set to now."""
        return self._values[name].value

    def is_on(self, name: str) -> bool:
        """Whether a switch is on (rate 1); asking does not count as a strike."""
        return self._faults[name].rate >= 1

    async def strikes(self, name: str) -> bool:
        """Whether the fault happens now; a strike is counted on disk before this returns."""
        fault = self._faults[name]
        if fault.left > 0:
            fault.left -= 1
        elif fault.rate <= 0 or fault.dice.random() >= fault.rate:
            return False
        fault.happened += 1
        row = (name, fault.rate, fault.left, fault.happened)
        await self._books.write(lambda c: _keep_fault(c, row))
        return True

    async def order(
        self,
        *,
        rates: Mapping[str, float] | None = None,
        once: Mapping[str, int] | None = None,
        values: Mapping[str, float] | None = None,
        clear: bool = False,
    ) -> None:
        """Sets faults. ``clear`` puts everything back to good manners first; counters stay."""
        self._known({*(rates or {}), *(once or {})}, self._faults)
        self._known({*(values or {})}, self._values)
        if clear:
            self._clear()
        for name, rate in (rates or {}).items():
            self._faults[name].rate = _within(name, rate, 1)
        for name, count in (once or {}).items():
            self._faults[name].left = int(_within(name, count, 1_000_000_000))
        for name, value in (values or {}).items():
            self._values[name].value = _within(name, value, math.inf)
        await self._books.write(self._keep)
        self._tell()

    def _tell(self) -> None:
        told, self._altered = self._altered, anyio.Event()
        told.set()

    def show(self) -> dict[str, Any]:
        """Every fault and value with description, setting and how often it happened."""
        return {
            "faults": {
                n: {"description": f.description, "rate": f.rate, "left": f.left, "happened": f.happened}
                for n, f in sorted(self._faults.items())
            },
            "values": {
                n: {"description": v.description, "usual": v.usual, "value": v.value}
                for n, v in sorted(self._values.items())
            },
        }

    def _known(self, asked: set[str], known: Mapping[str, object]) -> None:
        unknown = sorted(asked - set(known))
        if unknown:
            raise UnknownFault(f"no such name: {', '.join(unknown)}; there are {', '.join(sorted(known)) or 'none'}")

    def _clear(self) -> None:
        for fault in self._faults.values():
            fault.rate, fault.left = 0.0, 0
        for value in self._values.values():
            value.value = value.usual

    def _keep(self, connection: sqlite3.Connection) -> None:
        for name, fault in self._faults.items():
            _keep_fault(connection, (name, fault.rate, fault.left, fault.happened))
        connection.execute("DELETE FROM sandbox_values")
        moved = [(n, v.value) for n, v in self._values.items() if v.value != v.usual]
        connection.executemany("INSERT INTO sandbox_values VALUES (?, ?)", moved)


def _kept_faults(connection: sqlite3.Connection) -> tuple[list[Any], list[Any], str]:
    rows = connection.execute("SELECT name, rate, left, happened FROM sandbox_faults").fetchall()
    values = connection.execute("SELECT name, value FROM sandbox_values").fetchall()
    return rows, values, fact(connection, "seed") or "1"


def _keep_fault(connection: sqlite3.Connection, row: tuple[str, float, int, int]) -> None:
    connection.execute("INSERT OR REPLACE INTO sandbox_faults VALUES (?, ?, ?, ?)", row)


def _within(name: str, value: object, most: float) -> float:
    """The number, if it is one between 0 and ``most``; else ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{name}: {value!r} is not a number from 0 to {most:g}")
    return value


# --- the world -------------------------------------------------------------------------------------------------


async def _nothing() -> None:
    return None


@dataclass
class World:
    """One simulated system: what it remembers, what time it is there, and how badly it behaves.

    ``nouns`` maps what ``/_sandbox/books`` shows, in the vendor's words, to the statement `Books.page` runs.
    ``before_books`` runs before books are shown, ``after_reset`` after a reset: for what a server holds in
    memory (counters, plans). ``about`` adds to ``GET /_sandbox/``.
    """

    system: str
    folder: Path
    books: Books
    clock: Clock
    faults: Faults
    nouns: Mapping[str, str]
    about: dict[str, Any] = field(default_factory=dict)
    before_books: Callable[[], Awaitable[None]] = _nothing
    after_reset: Callable[[], Awaitable[None]] = _nothing

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        system: str,
        folder: Path,
        *,
        schema: str,
        season: Season,
        nouns: Mapping[str, str],
        faults: Mapping[str, str],
        values: Mapping[str, tuple[float, str]] | None = None,
        seed: int = 1,
    ) -> AsyncIterator[Self]:
        """Opens (or founds) the world kept in ``folder/<system>.db``."""
        async with Books.opened(folder / f"{system}.db", schema, season, seed=seed) as books:
            world = cls(system, folder, books, Clock(books), Faults(books, faults, values or {}), nouns)
            await world._load()
            yield world

    async def reset(self, *, seed: int = 1) -> None:
        """The season again: no shop orders, no faults, the clock at real time."""
        await self.books.renew(seed=seed)
        await self._load()
        await self.after_reset()

    async def _load(self) -> None:
        await self.clock.load()
        await self.faults.load()


# --- doors -----------------------------------------------------------------------------------------------------


def admin_app_routes(world: World) -> list[web.RouteDef]:
    """The ``/_sandbox/`` routes that every server has."""
    doors = _Doors(world)
    return [
        web.get("/_sandbox/", doors.about),
        web.get("/_sandbox/books", doors.all_books),
        web.get("/_sandbox/books/{noun}", doors.one_noun),
        web.get("/_sandbox/faults", doors.faults),
        web.post("/_sandbox/faults", doors.order_faults),
        web.get("/_sandbox/clock", doors.clock),
        web.post("/_sandbox/clock", doors.move_clock),
        web.post("/_sandbox/reset", doors.reset),
    ]


class _Doors:
    def __init__(self, world: World) -> None:
        self._world = world

    async def about(self, _: web.Request) -> web.Response:
        world = self._world
        return answer(
            {
                "sandbox": world.system,
                "folder": str(world.folder),
                "pid": os.getpid(),
                "now": world.clock.now().isoformat(),
                "nouns": sorted(world.nouns),
                **world.about,
            }
        )

    async def all_books(self, _: web.Request) -> web.Response:
        await self._world.before_books()
        shown: dict[str, Any] = {}
        cursors: dict[str, int] = {}
        for noun, statement in self._world.nouns.items():
            page = await self._world.books.page(statement, after=-1, limit=NOUN_CEILING)
            shown[noun] = page.rows
            if page.next is not None:
                cursors[noun] = page.next
        return answer({**shown, "next": cursors})

    async def one_noun(self, request: web.Request) -> web.Response:
        await self._world.before_books()
        noun = request.match_info["noun"]
        if noun not in self._world.nouns:
            return answer({"error": f"no books of {noun!r}", "nouns": sorted(self._world.nouns)}, 404)
        try:
            after = _whole(request.query.get("after"), -1)
            limit = min(max(_whole(request.query.get("limit"), NOUN_CEILING), 1), PAGE_CEILING)
        except ValueError as error:
            return answer({"error": str(error)}, 400)
        page = await self._world.books.page(self._world.nouns[noun], after=after, limit=limit)
        return answer({noun: page.rows, "next": page.next})

    async def faults(self, _: web.Request) -> web.Response:
        return answer(self._world.faults.show())

    async def order_faults(self, request: web.Request) -> web.Response:
        try:
            asked = await object_of(request, known={"rates", "once", "values", "clear"})
            await self._world.faults.order(**asked)
        except (ValueError, TypeError, AttributeError) as error:
            return answer({"error": str(error), "names": sorted(self._world.faults.show()["faults"])}, 400)
        return answer(self._world.faults.show())

    async def clock(self, _: web.Request) -> web.Response:
        clock = self._world.clock
        return answer({"now": clock.now().isoformat(), "offset_seconds": clock.offset_seconds})

    async def move_clock(self, request: web.Request) -> web.Response:
        try:
            asked = await object_of(request, known={"advance_seconds", "offset_seconds"})
            offset = float(asked.get("offset_seconds", self._world.clock.offset_seconds))
            await self._world.clock.set(offset + float(asked.get("advance_seconds", 0)))
        except (ValueError, TypeError, OverflowError) as error:
            return answer({"error": str(error)}, 400)
        return await self.clock(request)

    async def reset(self, request: web.Request) -> web.Response:
        try:
            asked = await object_of(request, known={"seed"})
            seed = int(asked.get("seed", 1))
        except (ValueError, TypeError) as error:
            return answer({"error": str(error)}, 400)
        await self._world.reset(seed=seed)
        return answer({"reset": True, "seed": seed})


async def object_of(request: web.Request, *, known: set[str]) -> dict[str, Any]:
    """The request's JSON object (an empty body is ``{}``); ValueError for anything else or an unknown key."""
    raw = await request.read()
    asked = orjson.loads(raw) if raw.strip() else {}
    if not isinstance(asked, dict):
        raise ValueError("a JSON object is expected")
    unknown = sorted(set(asked) - known)
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return asked


def _whole(text: str | None, usual: int) -> int:
    return usual if text is None else int(text)


# --- server ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A server that is listening: where it is."""

    url: str
    port: int

    @classmethod
    @asynccontextmanager
    async def running(cls, app: web.Application, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Self]:
        """Serves ``app`` until the block ends. Port 0 takes a free one. A client that leaves ends its call.

        Raises OSError where the port is taken.
        """
        runner = web.AppRunner(
            app, handle_signals=False, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=1024).start()
            bound = int(runner.addresses[0][1])
            yield cls(f"http://{host}:{bound}", bound)
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()


@asynccontextmanager
async def background() -> AsyncIterator[TaskGroup]:
    """A server's own tasks: cancelled when the block ends. A single error leaves as itself, not in a group."""
    try:
        async with anyio.create_task_group() as tasks:
            try:
                yield tasks
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None


__all__ = [
    "Books",
    "BooksPage",
    "Clock",
    "Faults",
    "ForeignBooks",
    "Season",
    "Server",
    "UnknownFault",
    "World",
    "admin_app_routes",
    "answer",
    "background",
    "dump",
    "fact",
    "hang_up",
    "object_of",
    "set_fact",
]
