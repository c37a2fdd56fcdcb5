"""Incidents: one open row per cause. Equal fingerprints are counted, not repeated."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bcbridge.store.stamps import stamp

_OPEN = """
INSERT INTO incidents (fingerprint, code, connector, text, order_id, opened_at, last_at)
VALUES (:fingerprint, :code, :connector, :text, :order_id, :now, :now)
ON CONFLICT (fingerprint) WHERE closed_at IS NULL DO UPDATE SET
    count = count + 1, last_at = excluded.last_at, text = excluded.text
"""
_CLOSE = "UPDATE incidents SET closed_at = ? WHERE fingerprint = ? AND closed_at IS NULL"


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
    """Open an incident, or count one more of an open one."""
    tx.execute(
        _OPEN,
        {
            "fingerprint": fingerprint(code, connector, cause),
            "code": code,
            "connector": connector,
            "text": text,
            "order_id": order_id,
            "now": stamp(now),
        },
    )


def close(tx: sqlite3.Connection, *, code: str, connector: str, cause: str, now: datetime) -> bool:
    """The cause is cured; returns whether one stood open."""
    return tx.execute(_CLOSE, (stamp(now), fingerprint(code, connector, cause))).rowcount > 0


_CLOSE_EVERYWHERE = "UPDATE incidents SET closed_at = ? WHERE closed_at IS NULL AND code = ? AND fingerprint LIKE ?"


def close_everywhere(tx: sqlite3.Connection, *, code: str, cause: str, now: datetime) -> None:
    """The cause is cured, whichever connector it showed at."""
    tx.execute(_CLOSE_EVERYWHERE, (stamp(now), code, f"{code}/%/{cause}"))


def fingerprint(code: str, connector: str, cause: str) -> str:
    return f"{code}/{connector}/{cause}"
