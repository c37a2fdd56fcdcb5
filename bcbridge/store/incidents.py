"""Incidents: one row per fingerprint (code, connector, cause). Equal ones are counted, not repeated.

What happened to one (opened, reopened, resolved, ...) is written as a change beside it, in the same unit: whoever
tells people reads the changes and can neither miss nor invent one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.store.stamps import stamp

_FIND = "SELECT id, closed_at FROM incidents WHERE fingerprint = ?"
_INSERT = """
INSERT INTO incidents (fingerprint, code, connector, cause, text, order_id, opened_at, last_at, count)
VALUES (:fingerprint, :code, :connector, :cause, :text, :order_id, :now, :now, :count) RETURNING id
"""
_COUNT = "UPDATE incidents SET count = count + 1, last_at = :now, text = :text WHERE id = :id"
_REOPEN = """
UPDATE incidents SET closed_at = NULL, closed_by = '', acked_at = NULL, acked_by = '', snoozed_until = NULL,
    opened_at = :now, last_at = :now, text = :text, count = :count, order_id = :order_id,
    times_opened = times_opened + 1
WHERE id = :id
"""
_CHANGE = "INSERT INTO incident_changes (incident_id, at, change, who, why) VALUES (?, ?, ?, ?, ?)"


def open_one(
    tx: sqlite3.Connection,
    *,
    code: str,
    connector: str,
    cause: str,
    text: str,
    now: datetime,
    order_id: int | None = None,
) -> None:
    """Open an incident, open it again, or count one more of an open one."""
    found = tx.execute(_FIND, (fingerprint(code, connector, cause),)).fetchone()
    if found is not None and found["closed_at"] is None:
        tx.execute(_COUNT, {"id": found["id"], "now": stamp(now), "text": text})
    else:
        _open(tx, found, Cause(code, connector, cause, text, order_id=order_id), now=now)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that is the case now, as a watch sees it. ``count`` is how many things it concerns."""

    code: str
    connector: str
    cause: str
    text: str
    count: int = 1
    order_id: int | None = None

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.code, self.connector, self.cause)


_STANDING = """
SELECT id, fingerprint FROM incidents WHERE closed_at IS NULL AND code = :code AND connector = coalesce(:at, connector)
"""
_STILL = "UPDATE incidents SET last_at = :now, text = :text, count = :count WHERE id = :id"


def stand(
    tx: sqlite3.Connection,
    codes: Collection[str],
    standing: Sequence[Cause],
    *,
    now: datetime,
    connector: str | None = None,
) -> None:
    """What a watch sees, all of it: of these codes (on this connector) exactly these stand.

    New ones open, those no longer seen end, the rest go on with the text and count of now.
    """
    known = _known(tx, codes, connector)
    seen = {one.fingerprint: one for one in standing}
    for key, one in seen.items():
        if key in known:
            tx.execute(_STILL, {"id": known[key], "now": stamp(now), "text": one.text, "count": one.count})
        else:
            _open(tx, tx.execute(_FIND, (key,)).fetchone(), one, now=now)
    for key in known.keys() - seen.keys():
        _close(tx, known[key], now=now)


def _known(tx: sqlite3.Connection, codes: Collection[str], connector: str | None) -> dict[str, int]:
    asked = [tx.execute(_STANDING, {"code": code, "at": connector}).fetchall() for code in codes]
    return {row["fingerprint"]: row["id"] for rows in asked for row in rows}


def close(tx: sqlite3.Connection, *, code: str, connector: str, cause: str, now: datetime) -> bool:
    """The cause is cured; returns whether one stood open."""
    found = tx.execute(_FIND, (fingerprint(code, connector, cause),)).fetchone()
    return found is not None and found["closed_at"] is None and _close(tx, found["id"], now=now)


_EVERYWHERE = "SELECT id FROM incidents WHERE closed_at IS NULL AND code = ? AND cause = ?"


def close_everywhere(tx: sqlite3.Connection, *, code: str, cause: str, now: datetime) -> None:
    """The cause is cured, whichever connector it showed at."""
    for row in tx.execute(_EVERYWHERE, (code, cause)).fetchall():
        _close(tx, row["id"], now=now)


def fingerprint(code: str, connector: str, cause: str) -> str:
    return f"{code}/{connector}/{cause}"


def _open(tx: sqlite3.Connection, found: sqlite3.Row | None, one: Cause, *, now: datetime) -> None:
    values = {"text": one.text, "order_id": one.order_id, "count": one.count, "now": stamp(now)}
    if found is None:
        named = {"fingerprint": one.fingerprint, "code": one.code, "connector": one.connector, "cause": one.cause}
        incident = tx.execute(_INSERT, {**values, **named}).fetchone()["id"]
        change(tx, incident, "opened", now=now)
    else:
        tx.execute(_REOPEN, {**values, "id": found["id"]})
        change(tx, found["id"], "reopened", now=now)


_CLOSE = "UPDATE incidents SET closed_at = ?, closed_by = ? WHERE id = ? AND closed_at IS NULL"


def _close(tx: sqlite3.Connection, incident: int, *, now: datetime, who: str = "", why: str = "") -> bool:
    closed = tx.execute(_CLOSE, (stamp(now), who, incident)).rowcount > 0
    if closed:
        change(tx, incident, "resolved", now=now, who=who, why=why)
    return closed


def change(tx: sqlite3.Connection, incident: int, what: str, *, now: datetime, who: str = "", why: str = "") -> None:
    """Note what happened to an incident: it is told from here."""
    tx.execute(_CHANGE, (incident, stamp(now), what, who, why))
