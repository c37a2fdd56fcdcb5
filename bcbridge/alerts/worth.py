"""What is still worth telling when a letter is about to go: pure, on each incident as it stands now.

A promise made when something happened may have been overtaken: it is over before it was told, somebody acknowledged
it, it sleeps, it came back. Each alert that is dropped says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bcbridge.store.alerts import Waiting


def sort_out(due: Sequence[Waiting], *, now: datetime) -> tuple[list[Waiting], dict[int, str]]:
    """What to tell, at most one of an incident, and what to drop: why, by alert."""
    tell: dict[int, Waiting] = {}
    drop: dict[int, str] = {}
    for one in due:
        why = _idle(one, now)
        if not why and one.incident.id in tell:
            why = "told in the same letter"
        if why:
            drop[one.id] = why
        else:
            tell[one.incident.id] = one
    return list(tell.values()), drop


def _idle(one: Waiting, now: datetime) -> str:
    """Why it is not worth telling; empty where it is."""
    return _of_recovery(one) if one.kind == "recovery" else _of_news(one, now)


def _of_recovery(one: Waiting) -> str:
    if one.incident.closed_at is None:
        return "came back before its end was told"
    if one.last_told in ("", "recovery"):
        return "was never told here"
    return ""


def _of_news(one: Waiting, now: datetime) -> str:
    incident = one.incident
    if incident.closed_at is not None:
        return "over before it was told"
    if incident.snoozed_until is not None and incident.snoozed_until > now:
        return "snoozed"
    if one.kind in ("escalation", "reminder") and incident.acked_at is not None:
        return "acknowledged"
    if one.kind in ("escalation", "reminder") and one.opening != incident.times_opened:
        return "of an earlier opening"
    return ""
