"""Incidents: one row per fingerprint (code, connector, cause). Equal ones are counted, not repeated.

What happened to one (opened, reopened, resolved, ...) is written as a change beside it, in the same unit: whoever
tells people reads the changes and can neither miss nor invent one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from bcbridge.store.db import Store
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
_CHANGE = """
INSERT INTO incident_changes (incident_id, at, change, who, why, opening)
SELECT id, :now, :change, :who, :why, times_opened FROM incidents WHERE id = :id
"""


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


def was_opened(tx: sqlite3.Connection, *, code: str, connector: str, cause: str) -> bool:
    """Whether there ever was one of this cause; it may be over."""
    return tx.execute(_FIND, (fingerprint(code, connector, cause),)).fetchone() is not None


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


RINGING = "ringing"
"""The cause of what stands until a connection rings again without trouble."""
_OF_RINGING = """
SELECT id FROM incidents INDEXED BY incidents_standing WHERE closed_at IS NULL AND connector = ? AND cause = ?
"""


def rings_well(tx: sqlite3.Connection, connector: str, *, now: datetime) -> None:
    """What stood of its ringing is over."""
    for row in tx.execute(_OF_RINGING, (connector, RINGING)).fetchall():
        _close(tx, row["id"], now=now)


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
    tx.execute(_CHANGE, {"id": incident, "now": stamp(now), "change": what, "who": who, "why": why})


# -- what people do to them --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Which:
    """Incidents that stand, and are meant; everything given narrows. ``ids`` None: not narrowed to named ones."""

    ids: tuple[int, ...] | None
    code: str | None = None
    connector: str | None = None


_MEANT = """
SELECT id, code, connector, closed_at, acked_at, acked_by, snoozed_until FROM incidents INDEXED BY incidents_standing
WHERE closed_at IS NULL
  AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
  AND (:code IS NULL OR code = :code)
  AND (:connector IS NULL OR connector = :connector)
ORDER BY id
"""


def meant(tx: sqlite3.Connection, which: Which) -> list[sqlite3.Row]:
    """Rows of those that stand, with id, code, connector, closed_at, acked_at, acked_by, snoozed_until."""
    ids = None if which.ids is None else orjson.dumps(which.ids).decode()
    return tx.execute(_MEANT, {"ids": ids, "code": which.code, "connector": which.connector}).fetchall()


_NAMED = """
SELECT id, code, connector, closed_at, acked_at, acked_by, snoozed_until FROM incidents
WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id
"""


def named(tx: sqlite3.Connection, numbers: Sequence[int]) -> list[sqlite3.Row]:
    """The same rows of these, whether they stand or not."""
    return tx.execute(_NAMED, (orjson.dumps(list(numbers)).decode(),)).fetchall()


_ACK = "UPDATE incidents SET acked_at = ?, acked_by = ? WHERE id = ? AND closed_at IS NULL"
_SNOOZE = "UPDATE incidents SET snoozed_until = ? WHERE id = ? AND closed_at IS NULL"


def ack(tx: sqlite3.Connection, incident: int, *, who: str, why: str, now: datetime) -> bool:
    """Somebody is on it: it is told to nobody else."""
    moved = tx.execute(_ACK, (stamp(now), who, incident)).rowcount > 0
    if moved:
        change(tx, incident, "acked", now=now, who=who, why=why)
    return moved


def snooze(tx: sqlite3.Connection, incident: int, *, until: datetime, who: str, why: str, now: datetime) -> bool:
    """Nothing more is said of it until then."""
    moved = tx.execute(_SNOOZE, (stamp(until), incident)).rowcount > 0
    if moved:
        change(tx, incident, "snoozed", now=now, who=who, why=why)
    return moved


def resolve(tx: sqlite3.Connection, incident: int, *, who: str, why: str, now: datetime) -> bool:
    """A person says that it is over."""
    return _close(tx, incident, now=now, who=who, why=why)


def end(tx: sqlite3.Connection, incident: int, *, why: str, now: datetime) -> bool:
    """Nothing is left that it could be about."""
    return _close(tx, incident, now=now, why=why)


_CAUSES = """
SELECT cause FROM incidents WHERE closed_at IS NULL AND fingerprint IN (SELECT value FROM json_each(?))
"""


def causes(tx: sqlite3.Connection, *, code: str, connector: str, among: Iterable[str]) -> frozenset[str]:
    """Which of these causes of a code stand at a connector: costs what is asked, not what stands."""
    if tx.execute(_STANDS, (code, connector)).fetchone() is None:
        return frozenset()
    asked = orjson.dumps([fingerprint(code, connector, cause) for cause in among]).decode()
    return frozenset(str(row["cause"]) for row in tx.execute(_CAUSES, (asked,)).fetchall())


_STANDS = "SELECT 1 FROM incidents WHERE closed_at IS NULL AND code = ? AND connector = ? LIMIT 1"


async def stands(store: Store, *, code: str, connector: str) -> bool:
    """Whether one of this code stands at this connector."""
    return await store.read.row(_STANDS, (code, connector)) is not None


_ELSEWHERE = """
SELECT id FROM incidents INDEXED BY incidents_standing
WHERE closed_at IS NULL AND connector <> ''
  AND code IN (SELECT value FROM json_each(?)) AND connector NOT IN (SELECT value FROM json_each(?))
"""


def close_elsewhere(
    tx: sqlite3.Connection, codes: Collection[str], *, connectors: Collection[str], why: str, now: datetime
) -> int:
    """What stands of these codes at any other connector is over; returns how many. What is at none stays."""
    asked = (orjson.dumps(sorted(codes)).decode(), orjson.dumps(sorted(connectors)).decode())
    return sum(_close(tx, row["id"], now=now, why=why) for row in tx.execute(_ELSEWHERE, asked).fetchall())
