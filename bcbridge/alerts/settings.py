"""``[alerts]`` of config.toml: who is told what, where, and when not.

Five teams own the codes (model/incidents.py); a team may be added for escalation. A team without a channel is stood
in for by ``default_team``. Where no team has a channel, alerts are off.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator
from datetime import time
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bcbridge.errors import Mistake
from bcbridge.model.incidents import Severity, Team

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OWNERS = frozenset(team.value for team in Team)
EMAIL = "email"
"""The channel of a team's addresses; the others are ``slack/NAME``."""


class Section(BaseModel):
    """A table of config.toml: frozen, strict, nothing unknown."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


@cache
def _loaded(name: str) -> ZoneInfo:
    """Read from its file once, when the settings are; the event loop never waits for it."""
    return ZoneInfo(name)


def _zone(name: str) -> str:
    try:
        _loaded(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("is no time zone, say one like Europe/Berlin") from error
    return name


def _time(text: str) -> time:
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise ValueError("must be a time of day, as 08:30")
    return time(int(hour), int(minute))


def _clock(text: str) -> str:
    _time(text)
    return text


def _hours(text: str) -> str:
    begin, dash, end = text.partition("-")
    if text and (not dash or _time(begin) == _time(end)):
        raise ValueError("must be two different times of day, as 22:00-07:00")
    return text


def _reference(text: str) -> str:
    kind, colon, place = text.partition(":")
    if text and not (kind in ("env", "file", "credential") and colon and place):
        raise ValueError("a secret must not stand in this file; write env:NAME, file:PATH or credential:NAME")
    return text


def _address(text: str) -> str:
    name, at, domain = text.partition("@")
    if not (name and at and domain) or not text.isascii() or any(sign in text for sign in " ,;<>\"'\r\n\t"):
        raise ValueError("must be an e-mail address, as ops@example.com")
    return text


def _many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_many)]
"""One word, or a list of them."""
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], Field(strict=False), BeforeValidator(_many)]
Grade = Annotated[Severity, Field(strict=False)]
Grades = Annotated[tuple[Grade, ...], Field(strict=False), BeforeValidator(_many)]
Minutes = Annotated[float, Field(gt=0)]


class TeamSection(Section):
    """How one team is reached, and when it is left in peace."""

    slack: Words = ()
    """Names below [alerts.slack]."""
    email: Addresses = ()
    time_zone: Annotated[str, AfterValidator(_zone), Field(validate_default=True)] = "UTC"
    quiet: Annotated[str, AfterValidator(_hours)] = ""
    """Times of the team's day in which only what is critical is told; the rest waits until they end."""
    quiet_patience_minutes: Annotated[float, Field(ge=0)] = 5.0
    """How long something critical that may end by itself stands before it is told in the quiet hours."""
    bypass_codes: Words = ()
    """Codes (``*`` stands for anything) that do not wait for the end of the quiet hours."""
    digest_at: Annotated[str, AfterValidator(_clock)] = "08:00"
    """When the team is told, once a day, what is low, what still stands and what ended."""
    escalate_to: str = ""
    """The team that is told when nobody acknowledged in time; empty: nobody."""
    escalate_after_minutes: Minutes = 30.0
    """Of critical incidents."""
    escalate_normal_after_minutes: Minutes | None = None
    """Of normal ones; unset: they are not escalated."""

    @property
    def channels(self) -> tuple[str, ...]:
        """``slack/ops``, ``email``."""
        return (*(f"slack/{name}" for name in self.slack), *((EMAIL,) if self.email else ()))

    @property
    def zone(self) -> ZoneInfo:
        return _loaded(self.time_zone)

    @property
    def quiet_hours(self) -> tuple[time, time] | None:
        begin, _, end = self.quiet.partition("-")
        return (_time(begin), _time(end)) if self.quiet else None

    @property
    def digest_time(self) -> time:
        return _time(self.digest_at)


class SlackSection(Section):
    """One incoming webhook: it posts into one channel."""

    webhook: Annotated[str, AfterValidator(_reference)]
    """Where its address stands: whoever knows it can post."""


class SmtpSection(Section):
    """The mail server alerts leave through. Certificates are always verified."""

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """``none`` only to this machine."""
    user: str = ""
    password: Annotated[str, AfterValidator(_reference)] = ""
    sender: Annotated[str, AfterValidator(_address)] = "bcbridge@localhost"
    ca_file: Annotated[Path, Field(strict=False)] | None = None
    """Certificates of a private authority, besides those of the system."""

    @model_validator(mode="after")
    def _guarded(self) -> SmtpSection:
        if self.security == "none" and self.host not in LOOPBACK:
            raise ValueError("security = none is for a mail server on this machine only")
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        return self


class RouteSection(Section):
    """Incidents that go to another team, or weigh otherwise. Everything given narrows; ``*`` stands for anything."""

    codes: Words = ()
    connectors: Words = ()
    severities: Grades = ()
    team: str = ""
    """Empty: the code's own team."""
    severity: Grade | None = None
    """Unset: the code's own."""

    def fits(self, code: str, connector: str, severity: Severity) -> bool:
        return (
            _among(code, self.codes)
            and _among(connector, self.connectors)
            and (not self.severities or severity in self.severities)
        )


def _among(word: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(word, pattern) for pattern in patterns)


class AlertsSection(Section):
    enabled: bool = True
    name: Annotated[str, Field(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    """Which bridge speaks, as ``production EU``: begins every subject; empty where there is only one."""
    default_team: str = Team.ENGINEERS.value
    """Stands in for teams without a channel."""
    gather_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """A box gets at most one letter in this time; what comes together is told together."""
    give_up_days: Annotated[float, Field(gt=0)] = 3.0
    runbook_url: str = ""
    """Where docs/runbook/ can be read: ``https://wiki.example.com/bcbridge/{code}``; empty: the page's path is told."""
    status_url: str = ""
    """A page about this bridge that each letter links to."""
    teams: dict[str, TeamSection] = Field(default_factory=dict)
    slack: dict[str, SlackSection] = Field(default_factory=dict)
    smtp: SmtpSection = SmtpSection()
    routes: Annotated[tuple[RouteSection, ...], Field(strict=False)] = ()

    @property
    def on(self) -> bool:
        """Whether anybody is told anything."""
        return self.enabled and any(team.channels for team in self.teams.values())

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Each secret reference that is used, with its key path."""
        used = {name for team in self.teams.values() for name in team.slack}
        for name, one in self.slack.items():
            if name in used:
                yield f"alerts.slack.{name}.webhook", one.webhook
        if self.smtp.password and any(team.email for team in self.teams.values()):
            yield "alerts.smtp.password", self.smtp.password


def mistakes(alerts: AlertsSection) -> Iterator[Mistake]:
    """What no single table shows: names that lead nowhere, teams that nobody can reach."""
    if not alerts.on:
        return
    yield from _of_teams(alerts)
    yield from _of_routes(alerts)
    if not _reachable(alerts, alerts.default_team):
        what = f"the team {alerts.default_team} has no channel, and stands in for those without one"
        yield Mistake("alerts.default_team", what, _near(alerts.default_team, _with_channels(alerts)))
    if any(team.email for team in alerts.teams.values()) and not alerts.smtp.host:
        yield Mistake("alerts.smtp.host", "is missing, and a team has e-mail addresses")
    if alerts.runbook_url and "{code}" not in alerts.runbook_url:
        yield Mistake("alerts.runbook_url", "must hold {code}, which stands for the page's name")


def _of_teams(alerts: AlertsSection) -> Iterator[Mistake]:
    wanted = {alerts.default_team, *(route.team for route in alerts.routes)}
    wanted |= {team.escalate_to for team in alerts.teams.values()}
    for name, team in alerts.teams.items():
        at = f"alerts.teams.{name}"
        if name not in OWNERS | wanted:
            yield Mistake(at, "owns nothing, and no route or escalation names it", _near(name, sorted(OWNERS)))
        for channel in team.slack:
            if channel not in alerts.slack:
                what = f"there is no [alerts.slack.{channel}]"
                yield Mistake(f"{at}.slack", what, _near(channel, sorted(alerts.slack)))
        if team.escalate_to == name:
            yield Mistake(f"{at}.escalate_to", "is this team itself")
        elif team.escalate_to and not _reachable(alerts, team.escalate_to):
            what = f"there is no team {team.escalate_to} with a channel"
            yield Mistake(f"{at}.escalate_to", what, _near(team.escalate_to, _with_channels(alerts)))


def _of_routes(alerts: AlertsSection) -> Iterator[Mistake]:
    known = OWNERS | set(alerts.teams)
    for number, route in enumerate(alerts.routes):
        if route.team and route.team not in known:
            what = f"there is no team {route.team}"
            yield Mistake(f"alerts.routes.{number}.team", what, _near(route.team, sorted(known)))
        if not route.team and route.severity is None:
            yield Mistake(f"alerts.routes.{number}", "says neither a team nor a severity")


def _reachable(alerts: AlertsSection, team: str) -> bool:
    return team in alerts.teams and bool(alerts.teams[team].channels)


def _with_channels(alerts: AlertsSection) -> list[str]:
    return sorted(name for name, team in alerts.teams.items() if team.channels)


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(known)}" if known else ""
