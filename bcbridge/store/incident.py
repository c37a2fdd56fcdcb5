"""One incident as it stands now: the record that everybody reads, its columns, and how a row becomes it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from bcbridge.store.stamps import moment

COLUMNS = """
    i.id AS incident_id, i.code, i.connector, i.text, coalesce(nullif(o.name, ''), o.ref, '') AS order_name,
    coalesce(o.connector, '') AS order_channel, i.count,
    i.opened_at, i.last_at, i.closed_at, i.closed_by, i.cause, i.times_opened, i.acked_at, i.acked_by, i.snoozed_until
"""
"""Of ``incidents AS i LEFT JOIN orders AS o ON o.id = i.order_id``."""


@dataclass(frozen=True, slots=True)
class Incident:
    id: int
    code: str
    connector: str
    text: str
    order: str
    """The name of the order it is about; empty where it concerns none, or many."""
    channel: str
    """The shop of that order."""
    count: int
    opened_at: datetime
    last_at: datetime
    closed_at: datetime | None
    closed_by: str
    """The person who said so; empty: its cause was cured."""
    cause: str
    times_opened: int
    acked_at: datetime | None
    acked_by: str
    snoozed_until: datetime | None


def incident_of(row: sqlite3.Row) -> Incident:
    """From a row that has these columns, and perhaps others."""
    return Incident(
        id=row["incident_id"],
        code=row["code"],
        connector=row["connector"],
        text=row["text"],
        order=row["order_name"],
        channel=row["order_channel"],
        count=row["count"],
        opened_at=moment(row["opened_at"]),
        last_at=moment(row["last_at"]),
        closed_at=_moment(row["closed_at"]),
        closed_by=row["closed_by"],
        cause=row["cause"],
        times_opened=row["times_opened"],
        acked_at=_moment(row["acked_at"]),
        acked_by=row["acked_by"],
        snoozed_until=_moment(row["snoozed_until"]),
    )


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None
