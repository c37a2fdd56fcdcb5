"""What people said of figures: a pull that was held back may be stored all the same."""

from __future__ import annotations

import sqlite3

_HELD = "SELECT held FROM stock_feeds WHERE erp = ?"
_ACCEPT = """
INSERT INTO stock_feeds (erp, accepted) VALUES (?, 1) ON CONFLICT (erp) DO UPDATE SET accepted = 1
"""


def held(tx: sqlite3.Connection, erp: str) -> str:
    """Why the last pull was not stored, in words; empty where it was."""
    row = tx.execute(_HELD, (erp,)).fetchone()
    return "" if row is None else str(row["held"])


def accept(tx: sqlite3.Connection, erp: str) -> None:
    """The next pull is stored, however much it loses."""
    tx.execute(_ACCEPT, (erp,))
