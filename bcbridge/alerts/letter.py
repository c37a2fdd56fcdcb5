"""What a letter says, in our words and without any markup: one incident in full, several as a list, or the digest.

References and counts only: the incident's own text, never a document, a customer or a secret. Slack and e-mail each
write it down in their own way (slack.py, email.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bcbridge.alerts.route import FLAPS_FROM, failure
from bcbridge.alerts.settings import AlertsSection
from bcbridge.model.ids import order_argument
from bcbridge.model.incidents import Severity
from bcbridge.store.alerts import Box, Standing, Waiting
from bcbridge.store.incident import Incident

LISTED = 10
"""Incidents named in one letter; the others are counted."""
TEXT_LIMIT = 1_500
LINE_LIMIT = 200
HEADING_LIMIT = 140
OVER = "over"


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One incident in a list."""

    heading: str
    line: str


@dataclass(frozen=True, slots=True)
class Group:
    """A list under its heading, and how many more there are."""

    heading: str
    entries: tuple[Entry, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """``key`` is the same for the same letter sent again; ``thread`` is what an incident's letters have in common."""

    subject: str
    heading: str
    text: str
    key: str
    facts: tuple[tuple[str, str], ...] = ()
    groups: tuple[Group, ...] = ()
    links: tuple[Link, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    """What for, and what to type."""
    thread: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes the letters of one team."""

    alerts: AlertsSection
    zone: ZoneInfo
    status_url: str = ""

    def news(self, told: Sequence[Waiting], box: Box, *, now: datetime) -> Letter:
        """One incident in full, or several as a list."""
        return self._single(told[0], now) if len(told) == 1 else self._several(told, box)

    # -- one ---------------------------------------------------------------------------------------------------

    def _single(self, one: Waiting, now: datetime) -> Letter:
        incident = one.incident
        title, kind = failure(incident.code).title, _KINDS[one.kind]
        return Letter(
            subject=self._subject(f"[{kind.mark or one.severity}] {title}: {_where(incident)}"),
            heading=self._heading(f"{kind.heading}{title}"),
            text=_text(incident.text),
            key=_key([one]),
            facts=(*kind.facts(self, incident, now), *self._facts(one)),
            links=self._links(incident.code),
            commands=kind.commands(incident),
            thread=_thread(incident),
            urgent=one.severity == Severity.CRITICAL and one.kind != "recovery",
        )

    def _facts(self, one: Waiting) -> tuple[tuple[str, str], ...]:
        incident = one.incident
        named = {
            "Severity": one.severity,
            "Connection": incident.connector,
            "Order": incident.order,
            "Since": self.moment(incident.opened_at),
            "Count": f"{incident.count:,}" if incident.count > 1 else "",
            "Owner": failure(incident.code).team.value.replace("_", " "),
            "Came back": f"{one.lately:,} times within the hour" if one.lately >= FLAPS_FROM else "",
            "Acknowledged": f"by {incident.acked_by}" if incident.acked_at else "",
            "Incident": str(incident.id),
        }
        return tuple((name, value) for name, value in named.items() if value)

    def _links(self, code: str) -> tuple[Link, ...]:
        page = Link("Runbook", self.alerts.runbook_url.replace("{code}", code)) if self.alerts.runbook_url else None
        runbook = page or Link(f"Runbook: docs/runbook/{code}.md", "")
        return (runbook, *self._status())

    def _status(self) -> tuple[Link, ...]:
        return (Link("How the bridge is", self.status_url),) if self.status_url else ()

    # -- several -----------------------------------------------------------------------------------------------

    def _several(self, told: Sequence[Waiting], box: Box) -> Letter:
        over = [one for one in told if one.kind == "recovery"]
        stand = sorted((one for one in told if one.kind != "recovery"), key=_weight)
        worst = stand[0].severity if stand else OVER
        heading = _both(_count(len(stand), "incident") if stand else "", f"{_count(len(over), 'incident')} over", over)
        first = failure((stand or over)[0].incident.code).title
        return Letter(
            subject=self._subject(f"[{worst}] {heading}: {first} and others"),
            heading=self._heading(heading),
            text=f"For {box.team.replace('_', ' ')}. Each in full: bcbridge incidents show NUMBER",
            key=_key(told),
            groups=tuple(_group(name, some) for name, some in (("", stand), ("Over", over)) if some),
            links=self._status(),
            commands=(("All that stand", "bcbridge incidents list"),),
            urgent=worst == Severity.CRITICAL,
        )

    # -- the digest --------------------------------------------------------------------------------------------

    def digest(self, found: Sequence[Standing], box: Box, *, since: datetime, now: datetime) -> Letter | None:
        """What still stands and what ended since the last one; None where there is nothing to tell."""
        stand = [one for one in found if one.incident.closed_at is None]
        over = [one for one in found if one.incident.closed_at is not None]
        if not found:
            return None
        new = [one for one in stand if one.incident.opened_at > since]
        older = [one for one in stand if one.incident.opened_at <= since]
        heading = f"{_count(len(stand), 'incident')} standing, {len(over):,} ended"
        groups = {"New": new, "Standing longer": older, "Ended": over}
        return Letter(
            subject=self._subject(f"[digest] {heading}"),
            heading=self._heading(f"Digest: {heading}"),
            text=f"For {box.team.replace('_', ' ')}, since {self.moment(since)}.",
            key=_mark("digest", str(box), since.isoformat()),
            groups=tuple(_standing(name, some) for name, some in groups.items() if some),
            links=self._status(),
            commands=(("All that stand", "bcbridge incidents list"),),
        )

    def _subject(self, text: str) -> str:
        return _line(f"{self.alerts.name}: {text}" if self.alerts.name else text)

    def _heading(self, text: str) -> str:
        return _line(f"{self.alerts.name}: {text}" if self.alerts.name else text, HEADING_LIMIT)

    def moment(self, at: datetime) -> str:
        """In the team's own time zone."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M} ({self.zone.key})"


# -- what the kinds of news differ in ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    mark: str = ""
    """In the subject, in place of the severity."""
    heading: str = ""
    facts: Callable[[Pen, Incident, datetime], tuple[tuple[str, str], ...]] = field(default=lambda pen, one, now: ())
    commands: Callable[[Incident], tuple[tuple[str, str], ...]] = field(default=lambda one: _to_do(one))


def _to_do(incident: Incident) -> tuple[tuple[str, str], ...]:
    order = (
        (("Look at the order", f"bcbridge show {order_argument(incident.channel, incident.order)}"),)
        if incident.order
        else ()
    )
    over = () if failure(incident.code).ends else (("When it is cured", _command("resolve", incident, " --why '...'")),)
    return (
        *order,
        ("Look", _command("show", incident)),
        ("I am on it", _command("ack", incident)),
        ("Not now", _command("snooze", incident, " --for 4h")),
        *over,
    )


def _command(act: str, incident: Incident, more: str = "") -> str:
    return f"bcbridge incidents {act} {incident.id}{more}"


def _to_look(incident: Incident) -> tuple[tuple[str, str], ...]:
    return (("Look", _command("show", incident)),)


def _nobody(pen: Pen, incident: Incident, now: datetime) -> tuple[tuple[str, str], ...]:
    return (("Escalated", f"nobody has acknowledged it for {_span(now - incident.opened_at)}"),)


def _ended(pen: Pen, incident: Incident, now: datetime) -> tuple[tuple[str, str], ...]:
    assert incident.closed_at is not None
    lasted = _span(incident.closed_at - incident.opened_at)
    who = f"resolved by {incident.closed_by}" if incident.closed_by else "by itself: its cause is cured"
    return (("Over", f"{pen.moment(incident.closed_at)}, after {lasted}, {who}"),)


_KINDS: Mapping[str, _Kind] = {
    "news": _Kind(),
    "reminder": _Kind(heading="Still standing: "),
    "escalation": _Kind(mark="escalated", heading="Not acknowledged: ", facts=_nobody),
    "recovery": _Kind(mark=OVER, heading="Over: ", facts=_ended, commands=_to_look),
}


# -- lists ---------------------------------------------------------------------------------------------------------


def _group(heading: str, some: Sequence[Waiting]) -> Group:
    entries = tuple(_entry(one.incident, _KINDS[one.kind].mark or one.severity) for one in some[:LISTED])
    return Group(heading, entries, more=len(some) - len(entries))


def _standing(heading: str, some: Sequence[Standing]) -> Group:
    shown = sorted(some, key=lambda one: (-one.incident.count, one.incident.id))[:LISTED]
    return Group(heading, tuple(_entry(one.incident, one.severity) for one in shown), more=len(some) - len(shown))


def _entry(incident: Incident, mark: str) -> Entry:
    times = f", count {incident.count:,}" if incident.count > 1 else ""
    heading = f"{incident.id} [{mark}] {failure(incident.code).title}: {_where(incident)}{times}"
    return Entry(_line(heading), _line(incident.text))


def _where(incident: Incident) -> str:
    """Its order, or its connection and cause."""
    return incident.order or " ".join(word for word in (incident.connector, incident.cause) if word)


def _weight(one: Waiting) -> tuple[bool, datetime, int]:
    return one.severity != Severity.CRITICAL, one.incident.opened_at, one.id


def _both(first: str, second: str, over: Sequence[object]) -> str:
    return ", ".join(word for word in (first, second if over else "") if word)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _span(length: timedelta) -> str:
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 60:
        return _count(minutes, "minute") if minutes else "less than a minute"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 2880 else _count(minutes // 1440, "day")


def _line(text: str, limit: int = LINE_LIMIT) -> str:
    """One line of bounded length, whatever signs are in it."""
    return _cut(" ".join("".join(sign if sign.isprintable() else " " for sign in text).split()), limit)


def _text(text: str) -> str:
    lines = (_line(line, TEXT_LIMIT) for line in text.splitlines())
    return _cut("\n".join(line for line in lines if line), TEXT_LIMIT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _key(told: Sequence[Waiting]) -> str:
    """The same alerts sent again make the same key: a mailbox shows a repeated letter once."""
    return _mark(*(f"{one.id} {one.due.isoformat()}" for one in sorted(told, key=lambda one: one.id)))


def _thread(incident: Incident) -> str:
    return _mark("incident", str(incident.id), incident.code, incident.connector, incident.cause)


def _mark(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:24]
