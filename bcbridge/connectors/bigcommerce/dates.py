"""Moments as BigCommerce writes them: RFC 2822 in v2 (``Thu, 20 Apr 2017 11:32:00 +0000``), ISO 8601 in v3."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def moment(text: object) -> datetime:
    """Aware, UTC. Raises ValueError where it is no date, or tells no zone."""
    if not isinstance(text, str):
        raise ValueError("a moment is text")
    told = _iso(text) or _mail(text)
    if told is None or told.tzinfo is None:
        raise ValueError("a moment needs its date, time and zone")
    try:
        return told.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment beyond the calendar") from None


def asked(at: datetime) -> str:
    """As their filters read it: whole seconds, rounded down, UTC."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat()


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mail(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
