"""Moments as the store writes them: UTC text of one fixed width, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime

WITHOUT_ZONE = len("0001-01-01T00:00:00.000000")
BEGINNING = "0001-01-01T00:00:00.000000Z"


def stamp(moment: datetime) -> str:
    """An aware moment as text."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:WITHOUT_ZONE] + "Z"


def moment(text: str) -> datetime:
    """Text back to an aware moment."""
    return datetime.fromisoformat(text)
