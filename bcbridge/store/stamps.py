"""Moments as the store writes them: UTC text of one fixed width, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime

FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
BEGINNING = "0001-01-01T00:00:00.000000Z"


def stamp(moment: datetime) -> str:
    """An aware moment as text."""
    return moment.astimezone(UTC).strftime(FORMAT).rjust(27, "0")


def moment(text: str) -> datetime:
    """Text back to an aware moment."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)
