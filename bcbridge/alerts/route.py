"""Who is told of a change, and when: a pure function of the change, the settings and the time.

opened, reopened
    news for the owner's boxes: at once if critical, else gathered and kept for the end of the quiet hours; a low one
    waits for the digest. And one alert for the team above, due when the time to acknowledge is over.
snoozed
    told again when the snooze is over; then the time to acknowledge runs again.
resolved
    a recovery notice for the boxes that were told.

Many incidents of one code that come one after the other (each order of a day on which the ERP posts nothing) are no
letter each: after the first ten within the hour, the rest is told by the hour.

What is still worth telling is decided again at the moment of sending (worth.py): an alert here is a promise to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from bcbridge.alerts.hours import awake
from bcbridge.alerts.settings import AlertsSection, TeamSection
from bcbridge.model.incidents import FAILURES, Failure, Severity, Team
from bcbridge.store.alerts import LATELY, Alert, Box, Change, Crowds

FLAPS_FROM = 3
"""An incident opened this often within ``LATELY`` comes and goes: it is told once in that time, not each time."""
CROWD_FROM = 10
"""Whoever was told of so many of one code on one connection within ``LATELY`` hears of more of them by the hour."""
NOT_DELIVERED = "alerts_not_delivered"
"""Its cause is a box, which is not told of its own failure."""
CALM = timedelta(minutes=30)
"""What came and went is over when it has stayed away for this long."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an incident is, and how bad."""

    team: str
    severity: Severity


def failure(code: str) -> Failure:
    """What a code stands for; one that this version does not know is the engineers'."""
    return FAILURES.get(code) or Failure(code, code.replace("_", " "), Severity.NORMAL, Team.ENGINEERS, ends=False)


def owner(alerts: AlertsSection, code: str, connector: str) -> Owner:
    """The first route that fits decides; without one, the code's own team and severity."""
    own = failure(code)
    for route in alerts.routes:
        if route.fits(code, connector, own.severity):
            return Owner(route.team or own.team.value, route.severity or own.severity)
    return Owner(own.team.value, own.severity)


def all_boxes(alerts: AlertsSection) -> list[Box]:
    return [Box(name, channel) for name, team in alerts.teams.items() for channel in team.channels]


def boxes(alerts: AlertsSection, team: str, *, but: str = "") -> list[Box]:
    """A team's; where it has none, the default team's; where none is left, all. Never the one named by ``but``."""
    every = [box for box in all_boxes(alerts) if str(box) != but]
    found = [box for box in every if box.team == team] or [box for box in every if box.team == alerts.default_team]
    return found or every


def plan(change: Change, alerts: AlertsSection, *, now: datetime, crowds: Crowds = ()) -> list[Alert]:
    """The alerts that a change calls for; those of a crowd wait for the full hour, and are told in one letter."""
    return [
        replace(one, due=_full_hour(one.due)) if (change.code, change.connector, one.kind, one.box) in crowds else one
        for one in _PLANS[change.what](change, alerts, now)
    ]


def _full_hour(at: datetime) -> datetime:
    """The next one."""
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _opened(change: Change, alerts: AlertsSection, now: datetime) -> Iterator[Alert]:
    own = owner(alerts, change.code, change.connector)
    for box in _owners_boxes(change, alerts, own):
        if own.severity is Severity.LOW:
            yield _alert(change, box, "digest", own.severity, now)
        else:
            due = _when(alerts, change, own, box, _soonest(change, box, now))
            yield _alert(change, box, "news", own.severity, due, sooner=True)
    yield from _escalation(change, alerts, own, since=now, sooner=_flaps(change))


def _owners_boxes(change: Change, alerts: AlertsSection, own: Owner) -> list[Box]:
    return boxes(alerts, own.team, but=_itself(change))


def _itself(change: Change) -> str:
    return change.cause if change.code == NOT_DELIVERED else ""


def _soonest(change: Change, box: Box, now: datetime) -> datetime:
    """Who was told that it stands and comes and goes is told again once in a while, with how often it came back."""
    believes_it_stands = change.told.get(box, "") not in ("", "recovery")
    return now + LATELY if believes_it_stands and _flaps(change) else now


def _flaps(change: Change) -> bool:
    return change.lately >= FLAPS_FROM


def _when(alerts: AlertsSection, change: Change, own: Owner, box: Box, at: datetime) -> datetime:
    """Critical at once; the rest gathered, and not in the quiet hours."""
    team = alerts.teams[box.team]
    if own.severity is Severity.CRITICAL:
        return _at_night(team, change.code, at)
    gathered = at + timedelta(seconds=alerts.gather_seconds)
    return gathered if _bypasses(team, change.code) else awake(team, gathered)


def _at_night(team: TeamSection, code: str, at: datetime) -> datetime:
    """In the quiet hours what may end by itself is told once it has stood for a while: nobody wakes for a blip."""
    if not failure(code).ends or _bypasses(team, code):
        return at
    return min(awake(team, at), at + timedelta(minutes=team.quiet_patience_minutes))


def _bypasses(team: TeamSection, code: str) -> bool:
    return any(fnmatchcase(code, pattern) for pattern in team.bypass_codes)


def _escalation(
    change: Change, alerts: AlertsSection, own: Owner, *, since: datetime, sooner: bool = False
) -> Iterator[Alert]:
    team = _told(alerts, own)
    minutes = _patience(team)[own.severity]
    if not team.escalate_to or minutes is None:
        return
    for box in boxes(alerts, team.escalate_to, but=_itself(change)):
        due = _when(alerts, change, own, box, since + timedelta(minutes=minutes))
        yield _alert(change, box, "escalation", own.severity, due, sooner=sooner)


def _told(alerts: AlertsSection, own: Owner) -> TeamSection:
    """The owner, or who stands in for it: who was told decides when others are."""
    team = alerts.teams.get(own.team)
    return team if team is not None and team.channels else alerts.teams[alerts.default_team]


def _patience(team: TeamSection) -> Mapping[Severity, float | None]:
    return {
        Severity.LOW: None,
        Severity.NORMAL: team.escalate_normal_after_minutes,
        Severity.CRITICAL: team.escalate_after_minutes,
    }


def _snoozed(change: Change, alerts: AlertsSection, now: datetime) -> Iterator[Alert]:
    own = owner(alerts, change.code, change.connector)
    until = change.snoozed_until
    if until is None or own.severity is Severity.LOW:
        return
    for box in _owners_boxes(change, alerts, own):
        yield _alert(change, box, "reminder", own.severity, _when(alerts, change, own, box, until))
    yield from _escalation(change, alerts, own, since=until)


def _resolved(change: Change, alerts: AlertsSection, now: datetime) -> Iterator[Alert]:
    own = owner(alerts, change.code, change.connector)
    over = now + (CALM if _flaps(change) else timedelta(seconds=alerts.gather_seconds))
    for box in sorted(change.told):
        if box.team in alerts.teams:
            team = alerts.teams[box.team]
            due = over if own.severity is Severity.CRITICAL or _bypasses(team, change.code) else awake(team, over)
            yield _alert(change, box, "recovery", own.severity, due)


def _nothing(change: Change, alerts: AlertsSection, now: datetime) -> Sequence[Alert]:
    return ()


def _alert(change: Change, box: Box, kind: str, severity: Severity, due: datetime, *, sooner: bool = False) -> Alert:
    return Alert(change.id, change.incident, change.opening, box, kind, severity.value, due, sooner)


_PLANS: Mapping[str, Callable[[Change, AlertsSection, datetime], Iterator[Alert] | Sequence[Alert]]] = {
    "opened": _opened,
    "reopened": _opened,
    "snoozed": _snoozed,
    "resolved": _resolved,
    "acked": _nothing,
    "escalated": _nothing,
}
