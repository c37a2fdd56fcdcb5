"""POST /api/PhysicalInventoryTM: counts from the warehouse (NOTES 2.8), accepted now and booked by the posting job.

A count says how many pieces lie there; booked, it moves SA by what is missing or too many.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcbridge.sandbox.bluecherry import ledger
from bcbridge.sandbox.bluecherry.accepting import Refused, error_messages, message_list, plain_text
from bcbridge.sandbox.bluecherry.books import Row, next_pkey, text
from bcbridge.sandbox.bluecherry.ledger import Place
from bcbridge.sandbox.bluecherry.orders import sku_of
from bcbridge.sandbox.bluecherry.pen import Pen

FIRST_PKEY = 600_001

BATCH = 5_000
"""Counts booked in one posting cycle."""

SCHEMA = """
CREATE TABLE counts (
    id INTEGER PRIMARY KEY,
    pkey INTEGER NOT NULL,
    accepted_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'accepted' CHECK (status IN ('accepted', 'posted', 'refused')),
    reason TEXT NOT NULL DEFAULT '',
    adj_num TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);
CREATE INDEX counts_waiting ON counts (id) WHERE status = 'accepted';
"""

NOUNS = {
    "counts": """
SELECT id, json_object('pkey', pkey, 'accepted_at', accepted_at, 'status', status, 'reason', reason,
                       'adj_num', adj_num, 'body', json(body))
FROM counts WHERE id > :after ORDER BY id LIMIT :limit"""
}

_REQUIRED = ("adj_num", "location", "size_qty", "receipt_date")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Counted:
    """Counts whose shape is right, not yet on disk."""

    rows: list[Row]

    def keep(self, connection: sqlite3.Connection, *, at: datetime) -> int:
        """Writes them as one transaction and returns its ``pkey``; `Refused` where an ``adj_num`` is known."""
        numbers = [str(row["adj_num"]) for row in self.rows]
        known = [n for n in numbers if connection.execute("SELECT 1 FROM counts WHERE adj_num = ?", (n,)).fetchone()]
        if known or len(set(numbers)) < len(numbers):
            raise Refused(error_messages, [f"adj_num {number} already exists." for number in known or numbers])
        pkey = next_pkey(connection, "counts", FIRST_PKEY)
        connection.executemany(
            "INSERT INTO counts (pkey, accepted_at, adj_num, body) VALUES (?, ?, ?, ?)",
            [(pkey, at.isoformat(), str(row["adj_num"]), text(row)) for row in self.rows],
        )
        return pkey


def check(body: bytes) -> Counted:
    """Looks at the shape of a posted array; raises `Refused`."""
    try:
        rows = json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise Refused(plain_text, [f"The request body is not valid JSON: {error}"]) from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused(plain_text, ["The request body must be an array of counts."])
    missing = [f"{name} is required." for row in rows for name in _missing(row)]
    if missing:
        raise Refused(error_messages, missing)
    wrong = [problem for row in rows for problem in _not_a_value(row)]
    if wrong:
        raise Refused(message_list, wrong)
    return Counted(rows)


def _missing(row: Row) -> Iterator[str]:
    yield from (name for name in _REQUIRED if row.get(name) in (None, ""))
    if not row.get("upc_num") and not row.get("style"):
        yield "upc_num"


def _not_a_value(row: Row) -> Iterator[str]:
    if _pieces(row["size_qty"]) is None:
        yield "size_qty is not a quantity."
    if not _ISO_DATE.fullmatch(str(row["receipt_date"])):
        yield "receipt_date is not a date."


def _pieces(value: Any) -> int | None:
    said = str(value)
    return int(said) if not isinstance(value, bool) and said.isascii() and said.isdigit() else None


# --- booking ---------------------------------------------------------------------------------------------------


def waiting(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM counts WHERE status = 'accepted' LIMIT 1").fetchone() is not None


def post(connection: sqlite3.Connection, pen: Pen) -> None:
    """Books what was accepted, oldest first."""
    found = connection.execute("SELECT id, body FROM counts WHERE status = 'accepted' ORDER BY id LIMIT ?", (BATCH,))
    for id_, body in found.fetchall():
        reason = _post_one(connection, json.loads(body, parse_float=Decimal), pen)
        status = "refused" if reason else "posted"
        connection.execute("UPDATE counts SET status = ?, reason = ? WHERE id = ?", (status, reason, id_))


def _post_one(connection: sqlite3.Connection, row: Row, pen: Pen) -> str:
    """Books one count; why not, where it cannot be."""
    sku = sku_of(connection, {**row, "upc": row.get("upc_num", "")})
    if sku is None:
        return f"{row.get('upc_num') or row.get('style')} is not on file"
    place = Place(sku["upc"], str(row["location"]))
    there = ledger.number(ledger.QOH, ledger.sums_at(connection, place))
    ledger.move(connection, place, {"sa": (_pieces(row["size_qty"]) or 0) - there}, stamp=pen.stamp)
    return ""
