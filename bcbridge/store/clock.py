"""The clock was set: moments that were written under the old one are put right, each to the safe side."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bcbridge.store.stamps import BEGINNING, stamp

STEP = 2000

_DUE_LATER = """
UPDATE jobs SET due_at = :now WHERE id IN (SELECT id FROM jobs WHERE state = 'waiting' AND due_at > :now LIMIT :step)
"""
_DOUBTED = "UPDATE outbox SET ended_at = :now WHERE state = 'in_doubt' AND ended_at IS NOT NULL"
_SWEPT_LATER = "UPDATE meta SET value = :beginning WHERE name GLOB 'sweep_*' AND value > :now"


def clock_jumped(tx: sqlite3.Connection, *, now: datetime) -> bool:
    """Nothing waits for a moment of the old clock, and no doubt ends early. True where more is to be put right.

    Jobs that wait are due at once (a clock that went back would leave them for as long). A doubtful call counts as
    ended now: evidence that it will not come must be younger, whichever clock it was written under. A sweep that seems
    to have been made in the future is made again.
    """
    at = stamp(now)
    tx.execute(_DOUBTED, {"now": at})
    tx.execute(_SWEPT_LATER, {"now": at, "beginning": BEGINNING})
    return tx.execute(_DUE_LATER, {"now": at, "step": STEP}).rowcount == STEP
