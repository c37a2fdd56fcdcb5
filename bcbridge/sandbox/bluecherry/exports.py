"""The stock export: every so often a job builds a publication of the ledger, which is served until the next one.

A publication begins, captures rows (all at its start, or row by row while it builds), and is served when it is done.
In between the ledger moves on. What its rows are stamped with, and how a publication can be late, missing or broken,
is section 2 of the stock rule seen from the other side. With a cycle of 0 seconds, or the stamp ``live``, there are no
publications: figures are computed when they are asked for.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bluecherry import ledger
from bcbridge.sandbox.bluecherry.pen import Pen, Pens
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings

SLICES = 20
"""Parts in which a build that captures row by row goes through the ledger."""

_FIGURES = ", ".join(f'"{name}" INTEGER NOT NULL' for name in ledger.TYPES)

SCHEMA = f"""
CREATE TABLE publications (
    pkey INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('building', 'served', 'before', 'past', 'missing', 'dropped')),
    broken TEXT NOT NULL DEFAULT '',
    share REAL NOT NULL DEFAULT 0,
    captured INTEGER NOT NULL DEFAULT 0,
    rows INTEGER,
    begun_at TEXT NOT NULL,
    captured_at TEXT,
    served_at TEXT,
    stamp TEXT NOT NULL
);
CREATE TABLE published (
    publication INTEGER NOT NULL,
    pkey INTEGER NOT NULL,
    upc TEXT NOT NULL,
    location TEXT NOT NULL,
    lot TEXT NOT NULL,
    {_FIGURES},
    version INTEGER NOT NULL,
    last_mod TEXT NOT NULL,
    written TEXT NOT NULL,
    PRIMARY KEY (publication, pkey)
) WITHOUT ROWID;
"""
"""``version``: how often the ledger's row had moved; ``last_mod``: when it last had; ``written``: the row's stamp."""

NOUNS = {
    "publications": """
SELECT pkey, json_object('pkey', pkey, 'state', state, 'broken', broken, 'rows', rows, 'begun_at', begun_at,
    'captured_at', captured_at, 'served_at', served_at, 'stamp', stamp)
FROM publications WHERE pkey > :after ORDER BY pkey LIMIT :limit"""
}

BREAKAGES = ("export_rows_missing", "export_all_zero", "export_cut")


@dataclass(frozen=True)
class Publication:
    """What is served: its key, the stamp of the start of its build, and when that really was."""

    pkey: int
    stamp: str
    begun_at: str


class Exports:
    """The publications of one world, and the job that makes them."""

    def __init__(self, world: World, pens: Pens, settings: BlueCherrySettings) -> None:
        self._world = world
        self._pens = pens
        self._settings = settings
        self._one_at_a_time = anyio.Lock()

    @property
    def live(self) -> bool:
        """Whether figures are computed when they are asked for."""
        return self._settings.stock_stamp == "live" or self._value("stock_cycle_seconds") == 0

    def _value(self, name: str) -> float:
        return self._world.faults.value(name)

    def _pen(self) -> Pen:
        """The export's pen: its clock may be ahead of the ERP's own, or behind."""
        off = self._value("stamps_ahead_seconds") - self._value("stamps_behind_seconds")
        return self._pens().earlier(timedelta(seconds=-off))

    # --- the job -----------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Sees to it that something can be served; a build that a kill left behind is dropped."""
        await self._world.books.write(_drop_unfinished)
        if not self.live and await self._world.books.read(served) is None:
            await self.publish()

    async def run(self) -> None:
        """Until cancelled: a publication every ``stock_cycle_seconds``, for as long as there are any."""
        begun = anyio.current_time()
        while True:
            await self._until(begun, "stock_cycle_seconds")
            begun = anyio.current_time()
            await self._cycle()

    async def _cycle(self) -> None:
        strikes = self._world.faults.strikes
        if await strikes("export_missing"):
            pen = self._pens()
            await self._world.books.write(lambda c: _note_missing(c, pen))
            return
        if await strikes("export_late"):
            await self._wait(self._value("export_late_seconds"))
        begun = anyio.current_time()
        pkey = await self.begin()
        slices = SLICES if self._settings.stock_capture == "rows" else 1
        for at in range(1, slices + 1):
            await self.capture(pkey, share=at / slices)
            await self._wait(begun + self._value("stock_build_seconds") * at / slices - anyio.current_time())
        await self.finish(pkey)

    async def _until(self, begun: float, value: str) -> None:
        """Until that many seconds, as they are set now, have gone by; for ever where they are none."""
        while self.live or (left := begun + self._value(value) - anyio.current_time()) > 0:
            with anyio.move_on_after(None if self.live else left):
                await self._world.faults.altered()

    async def _wait(self, seconds: float) -> None:
        await anyio.sleep(max(seconds, 0))

    # --- by hand -----------------------------------------------------------------------------------------------

    async def publish(self, share: float | None = None) -> dict[str, Any]:
        """Goes on with the build under way, or begins one; finishes it, or stops with that share of rows captured.

        A build that captures all at its start has them all then. Says ``{"pkey", "state", ...}`` as the books do.
        """
        pkey = await self._world.books.read(_unfinished)
        if pkey is None:
            pkey = await self.begin()
        rows = self._settings.stock_capture == "rows"
        await self.capture(pkey, share=share if rows and share is not None else 1.0)
        if share is None:
            await self.finish(pkey)
        return await self._world.books.read(lambda c: _shown(c, pkey))

    # --- its three steps ---------------------------------------------------------------------------------------

    async def begin(self) -> int:
        """Begins a build, and drops one that is under way."""
        broken = await self._breakage()
        share = self._value("export_share_missing")
        pen, export = self._pens(), self._pen()
        async with self._one_at_a_time:
            return await self._world.books.write(lambda c: _begin(c, broken, share, at=pen.at, stamp=export.stamp))

    async def _breakage(self) -> str:
        for name in BREAKAGES:
            if await self._world.faults.strikes(name):
                return name
        return ""

    async def capture(self, pkey: int, *, share: float) -> None:
        """Captures the rows of the first ``share`` of the ledger that have not been yet."""
        written = self._pen().stamp if self._settings.stock_capture == "rows" else ""
        rewrites = self._settings.stock_rewrites_all
        pen = self._pens()
        async with self._one_at_a_time:
            await self._world.books.write(
                lambda c: _capture(c, pkey, share, at=pen.at, written=written, rewrites=rewrites)
            )

    async def finish(self, pkey: int) -> None:
        """Writes what was captured and serves it; nothing where the build was dropped or is done."""
        written = self._pen().stamp
        pen = self._pens()
        async with self._one_at_a_time:
            await self._world.books.write(lambda c: _finish(c, pkey, at=pen.at, written=written))


# --- in the books ----------------------------------------------------------------------------------------------


def served(connection: sqlite3.Connection, *, state: str = "served") -> Publication | None:
    """The publication that is served now (``before``: the one that was until then)."""
    found = connection.execute("SELECT pkey, stamp, begun_at FROM publications WHERE state = ?", (state,)).fetchone()
    return None if found is None else Publication(*found)


def _unfinished(connection: sqlite3.Connection) -> int | None:
    found = connection.execute("SELECT pkey FROM publications WHERE state = 'building'").fetchone()
    return None if found is None else int(found[0])


def _shown(connection: sqlite3.Connection, pkey: int) -> dict[str, Any]:
    names = ("pkey", "state", "broken", "rows", "begun_at", "captured_at", "served_at", "stamp")
    found = connection.execute(f"SELECT {', '.join(names)} FROM publications WHERE pkey = ?", (pkey,)).fetchone()  # noqa: S608
    return dict(zip(names, found, strict=True))


def _drop_unfinished(connection: sqlite3.Connection) -> None:
    for (pkey,) in connection.execute("SELECT pkey FROM publications WHERE state = 'building'").fetchall():
        connection.execute("UPDATE publications SET state = 'dropped' WHERE pkey = ?", (pkey,))
        connection.execute("DELETE FROM published WHERE publication = ?", (pkey,))


def _note_missing(connection: sqlite3.Connection, pen: Pen) -> None:
    connection.execute(
        "INSERT INTO publications (state, begun_at, stamp) VALUES ('missing', ?, ?)", (pen.at, pen.stamp)
    )


def _begin(connection: sqlite3.Connection, broken: str, share: float, *, at: str, stamp: str) -> int:
    _drop_unfinished(connection)
    made = connection.execute(
        "INSERT INTO publications (state, broken, share, begun_at, stamp) VALUES ('building', ?, ?, ?, ?)",
        (broken, share, at, stamp),
    )
    return int(made.lastrowid or 0)


def _capture(connection: sqlite3.Connection, pkey: int, share: float, *, at: str, written: str, rewrites: bool) -> None:
    found = connection.execute(_BUILDING, (pkey,)).fetchone()
    if found is None:  # somebody finished it, or began another, or the world was reset
        return
    captured, broken, missing = found
    (most,) = connection.execute("SELECT max(pkey) FROM inventory").fetchone()
    upto = int((most or 0) * share)
    before = served(connection)
    values = {
        "publication": pkey,
        "before": 0 if rewrites or before is None else before.pkey,
        "from": captured,
        "upto": min(upto, int((most or 0) / 2)) if broken == "export_cut" else upto,
        "missing": missing * 1_000 if broken == "export_rows_missing" else 0,
        "written": written,
    }
    connection.execute(_ZEROS if broken == "export_all_zero" else _ROWS, values)
    statement = "UPDATE publications SET captured = ?, captured_at = ? WHERE pkey = ?"
    connection.execute(statement, (max(captured, upto), at, pkey))


_BUILDING = "SELECT captured, broken, share FROM publications WHERE pkey = ? AND state = 'building'"


def _captured(figures: str, version: str) -> str:
    """Copies rows of the ledger. One that is as it was in the publication before keeps its stamp."""
    return f"""
INSERT INTO published
SELECT :publication, i.pkey, i.upc, i.location, i.lot, {figures}, {version}, i.last_mod,
    CASE WHEN p.version = {version} THEN p.written ELSE :written END
FROM inventory AS i LEFT JOIN published AS p ON p.publication = :before AND p.pkey = i.pkey
WHERE i.pkey > :from AND i.pkey <= :upto AND (i.pkey * 761 + :publication * 137) % 1000 >= :missing"""  # noqa: S608


_ROWS = _captured(", ".join(f'i."{name}"' for name in ledger.TYPES), "i.version")
_ZEROS = _captured(", ".join("0" for _ in ledger.TYPES), "-1")


def _finish(connection: sqlite3.Connection, pkey: int, *, at: str, written: str) -> None:
    found = connection.execute("SELECT state FROM publications WHERE pkey = ?", (pkey,)).fetchone()
    if found != ("building",):
        return
    connection.execute("UPDATE published SET written = ? WHERE publication = ? AND written = ''", (written, pkey))
    for (past,) in connection.execute("SELECT pkey FROM publications WHERE state = 'before'").fetchall():
        connection.execute("DELETE FROM published WHERE publication = ?", (past,))
        connection.execute("UPDATE publications SET state = 'past' WHERE pkey = ?", (past,))
    connection.execute("UPDATE publications SET state = 'before' WHERE state = 'served'")
    connection.execute(_SERVE, (at, pkey, pkey))


_SERVE = """
UPDATE publications SET state = 'served', served_at = ?,
    rows = (SELECT count(*) FROM published WHERE publication = ?) WHERE pkey = ?"""
