"""The stock ledger: sixteen sums per SKU, location and lot, and the three numbers they make (NOTES 3).

Whatever happens to stock is a `move` here and nowhere else. What a booking takes beyond what was free is written
down as oversold: the judge of every promise the shops made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

TYPES = ("sa", "rt", "r1", "r2", "in", "cm", "pk", "rs", "op", "dm", "st", "rv", "ri", "rp", "ro", "wp")
"""Transaction types that are sums of pieces. CC and CH, the cancels, are history of the order: ``cancels``."""

CUSTOMER_CANCEL = "CC"
HOUSE_CANCEL = "CH"

QOH = {"sa": 1, "rt": 1, "r1": 1, "r2": 1, "in": -1, "cm": -1, "rv": 1, "ri": -1}
OTS = {"sa": 1, "rt": 1, "r1": 1, "r2": 1, "in": -1, "cm": -1, "pk": -1, "rs": -1, "op": -1, "dm": -1}
OTS_WIP = {**OTS, "st": 1, "rv": 1, "ri": -1, "rp": -1, "ro": -1}


def formula(signs: Mapping[str, int]) -> str:
    """The sum as SQL text: ``+ "sa" - "op"``."""
    return " ".join(f'{"+" if sign > 0 else "-"} "{name}"' for name, sign in signs.items())


def number(signs: Mapping[str, int], sums: Mapping[str, int]) -> int:
    return sum(sign * sums[name] for name, sign in signs.items())


COLUMNS = ", ".join(f'"{name}"' for name in TYPES)

SCHEMA = f"""
CREATE TABLE inventory (
    pkey INTEGER PRIMARY KEY,
    upc TEXT NOT NULL,
    location TEXT NOT NULL,
    lot TEXT NOT NULL DEFAULT '',
    {" ".join(f'"{name}" INTEGER NOT NULL DEFAULT 0,' for name in TYPES)}
    version INTEGER NOT NULL DEFAULT 0,
    last_mod TEXT NOT NULL,
    UNIQUE (upc, location, lot)
);
CREATE INDEX inventory_by_last_mod ON inventory (last_mod, pkey);
CREATE TABLE oversold (
    pkey INTEGER PRIMARY KEY,
    upc TEXT NOT NULL,
    location TEXT NOT NULL,
    worst INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    house_pieces INTEGER NOT NULL,
    bookings INTEGER NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    UNIQUE (upc, location)
);
CREATE TABLE cancels (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    ord_num TEXT NOT NULL,
    line_seq INTEGER NOT NULL,
    upc TEXT NOT NULL,
    location TEXT NOT NULL,
    rec_type TEXT NOT NULL CHECK (rec_type IN ('CC', 'CH')),
    pieces INTEGER NOT NULL
);
"""

EVERYWHERE = "*"
"""As the location of what was oversold: all warehouses together, pseudo-locations and quarantine left out."""


class Place(NamedTuple):
    """Where pieces of one SKU lie."""

    upc: str
    location: str
    lot: str = ""


def move(connection: sqlite3.Connection, place: Place, changes: Mapping[str, int], *, stamp: str) -> None:
    """Adds to the sums of one place, which is made where there is none; its ``last_mod`` becomes ``stamp``."""
    sets = ", ".join(f'"{name}" = "{name}" + ?' for name in changes)
    statement = f"UPDATE inventory SET {sets}, version = version + 1, last_mod = ? {_HERE}"  # noqa: S608 - our own names
    values = (*changes.values(), stamp, *place)
    if connection.execute(statement, values).rowcount == 0:
        connection.execute("INSERT INTO inventory (upc, location, lot, last_mod) VALUES (?, ?, ?, ?)", (*place, stamp))
        connection.execute(statement, values)


_HERE = "WHERE upc = ? AND location = ? AND lot = ?"


def sums_at(connection: sqlite3.Connection, place: Place) -> dict[str, int]:
    """The sixteen sums of one place; zeros where nothing ever lay there."""
    found = connection.execute(f"SELECT {COLUMNS} FROM inventory {_HERE}", place).fetchone()  # noqa: S608
    return dict(zip(TYPES, found or (0,) * len(TYPES), strict=True))


def commit_open(connection: sqlite3.Connection, place: Place, pieces: int, *, stamp: str, at: str, house: bool) -> None:
    """An order line takes its pieces: ``OP`` grows. ``house``: a shop's order, not one of the ERP's own trade."""
    move(connection, place, {"op": pieces}, stamp=stamp)
    for location, free in ((place.location, _free_at(connection, place)), (EVERYWHERE, _free(connection, place.upc))):
        if free < 0:
            beyond = min(pieces, -free)
            connection.execute(_OVERSOLD, (place.upc, location, free, beyond, beyond if house else 0, at, at))


_OVERSOLD = """
INSERT INTO oversold (upc, location, worst, pieces, house_pieces, bookings, first_at, last_at)
VALUES (?, ?, ?, ?, ?, 1, ?, ?)
ON CONFLICT (upc, location) DO UPDATE SET
    worst = min(worst, excluded.worst), pieces = pieces + excluded.pieces,
    house_pieces = house_pieces + excluded.house_pieces, bookings = bookings + 1, last_at = excluded.last_at"""


def _free_at(connection: sqlite3.Connection, place: Place) -> int:
    return _sum(connection, f"SELECT sum({formula(OTS)}) FROM inventory WHERE upc = ? AND location = ?", place[:2])  # noqa: S608


def _free(connection: sqlite3.Connection, upc: str) -> int:
    return _sum(connection, _FREE, (upc,))


_FREE = f"""
SELECT sum({formula(OTS)}) FROM inventory WHERE upc = ? AND location IN (
    SELECT json_extract(header, '$.location') FROM locations WHERE json_extract(header, '$.loc_type') = 'W')"""  # noqa: S608


def _sum(connection: sqlite3.Connection, statement: str, values: tuple[str, ...]) -> int:
    (found,) = connection.execute(statement, values).fetchone()
    return int(found or 0)


NOUNS = {
    "ledger": f"""
SELECT min(pkey), json_object('upc', upc, 'location', location, 'qoh', sum({formula(QOH)}),
    'ots', sum({formula(OTS)}), 'ots_wip', sum({formula(OTS_WIP)}))
FROM inventory GROUP BY upc, location HAVING min(pkey) > :after ORDER BY min(pkey) LIMIT :limit""",  # noqa: S608
    "oversold": """
SELECT pkey, json_object('upc', upc, 'location', location, 'worst', worst, 'pieces', pieces,
    'house_pieces', house_pieces, 'bookings', bookings, 'first_at', first_at, 'last_at', last_at)
FROM oversold WHERE pkey > :after ORDER BY pkey LIMIT :limit""",
    "cancels": """
SELECT id, json_object('at', at, 'ord_num', ord_num, 'line_seq', line_seq, 'upc', upc, 'location', location,
    'rec_type', rec_type, 'pieces', pieces)
FROM cancels WHERE id > :after ORDER BY id LIMIT :limit""",
}
