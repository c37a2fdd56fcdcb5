"""A team's day: when its quiet hours end, and when its next digest is due. Pure; moments are aware, answers UTC."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bcbridge.alerts.settings import TeamSection


def awake(team: TeamSection, at: datetime) -> datetime:
    """``at``, or the end of the quiet hours that it falls into."""
    hours = team.quiet_hours
    if hours is None or not _within(at.astimezone(team.zone).time(), *hours):
        return at
    first, second = (_next(hours[1], after=at, zone=team.zone, fold=fold) for fold in (0, 1))
    return min(first, second) if second.astimezone(team.zone).time() == hours[1] else first


def next_digest(team: TeamSection, after: datetime) -> datetime:
    """The first time for a digest after this moment."""
    return _next(team.digest_time, after=after, zone=team.zone)


def _within(now: time, begin: time, end: time) -> bool:
    return begin <= now < end if begin < end else now >= begin or now < end


def _next(clock: time, *, after: datetime, zone: ZoneInfo, fold: int = 0) -> datetime:
    """When the clocks of this zone show that time next. An hour that a clock change leaves out is read as it stands.

    ``fold``: which one is meant where a clock change shows it twice.
    """
    day = after.astimezone(zone).date()
    while (found := datetime.combine(day, clock.replace(fold=fold), zone).astimezone(UTC)) <= after:
        day += timedelta(days=1)
    return found
