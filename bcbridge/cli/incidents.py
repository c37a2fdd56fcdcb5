"""``incidents``: what stands, whose it is, who was told, and who is on it. Acts go through the running bridge; where
none runs, they are done here with the store's lock in hand."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import anyio
import typer

from bcbridge.alerts.route import failure, owner
from bcbridge.cli.acts import DryRun, Yes, after_asking, reason
from bcbridge.cli.common import DEFAULT, AsJson, ConfigFile, Desk, NotRunning, act, desk, now, read, say
from bcbridge.config import Settings
from bcbridge.house.incident_acts import IncidentActs
from bcbridge.model.acts import ActResult, Incidents, NotFound
from bcbridge.model.incidents import CRITICAL
from bcbridge.phrases import age, attention, moment_text, words
from bcbridge.store import views
from bcbridge.store.db import Store
from bcbridge.store.incident import Incident
from bcbridge.store.views import IncidentStory, Reads

SPANS = {"m": "minutes", "h": "hours", "d": "days"}

Numbers = Annotated[list[int] | None, typer.Argument(help="As every list and letter shows them.")]
Code = Annotated[str | None, typer.Option(help="Incidents of this code, as circuit_open.")]
Connection = Annotated[str | None, typer.Option(help="Incidents of this connection.")]
All = Annotated[bool, typer.Option("--all", help="Every incident that stands.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept for good.")]


@dataclass(frozen=True, slots=True)
class Row:
    """An incident with whose it is and how bad, as [alerts] of config.toml says."""

    incident: Incident
    title: str
    severity: str
    team: str

    def facts(self) -> dict[str, Any]:
        whose = {"title": self.title, "severity": self.severity, "team": self.team}
        return {**asdict(self.incident), **whose}


def _row(settings: Settings, incident: Incident) -> Row:
    own = owner(settings.alerts, incident.code, incident.connector)
    return Row(incident, failure(incident.code).title, own.severity.value, own.team)


# -- list and show -----------------------------------------------------------------------------------------------


def list_(
    ended: Annotated[bool, typer.Option("--ended", help="Those that ended last, instead.")] = False,
    code: Code = None,
    connection: Connection = None,
    limit: Annotated[int, typer.Option(min=1, max=5000, help="How many at most.")] = 200,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What stands, the latest first; whose it is and who is on it."""
    at = desk(config_file, as_json)
    found = read(at.settings, partial(views.ended_incidents if ended else views.incidents, limit=limit))
    rows = [_row(at.settings, one) for one in found if code in (None, one.code) and connection in (None, one.connector)]
    at.answer([row.facts() for row in rows], lambda: _print_rows(rows))


def _print_rows(rows: list[Row]) -> None:
    if not rows:
        say("Nothing stands.")
        return
    for row in rows:
        one = row.incident
        say(_heading(row), style="bold red" if row.severity == CRITICAL and not one.closed_at else "bold")
        say(f"  {one.order + ': ' if one.order else ''}{one.text}")
    say("One in full: bcbridge incidents show NUMBER", style="dim")


def _heading(row: Row) -> str:
    """``12 [critical] circuit_open on bluecherry, 3 m 05 s old (2 times), for engineers, acknowledged by anna``."""
    one = row.incident
    where = f" on {one.connector}" if one.connector else ""
    times = f" ({one.count:,} times)" if one.count > 1 else ""
    old = f"over since {moment_text(one.closed_at)}" if one.closed_at else f"{age(one.opened_at, now())} old"
    whose = f"for {words(row.team)}{attention(one, now())}"
    return f"{one.id} [{row.severity}] {one.code}{where}, {old}{times}, {whose}"


def show(
    number: Annotated[int, typer.Argument(help="As every list and letter shows it.")],
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """One incident: what happened to it, and who was told when."""
    at = desk(config_file, as_json)
    story = read(at.settings, partial(_story, number=number))
    row = _row(at.settings, story.incident)
    facts = {**row.facts(), "changes": story.changes, "alerts": story.alerts}
    at.answer(facts, lambda: _print_story(at, row, story))


async def _story(reads: Reads, *, number: int) -> IncidentStory:
    found = await views.incident_story(reads, number)
    if found is None:
        raise NotFound(f"there is no incident {number}")
    return found


def _print_story(at: Desk, row: Row, story: IncidentStory) -> None:
    one = row.incident
    state = "over" if one.closed_at else f"{row.severity}, {words(row.team)}{attention(one, now())}"
    say(f"{one.id} {one.code}: {row.title} ({state})", style="bold")
    say(one.text, style="" if one.closed_at else "red")
    where = ", ".join(f"{name} {said}" for name, said in _facts(one).items() if said)
    say(where, style="dim")
    for change in story.changes:
        by = f" by {change.who}" if change.who else ""
        say(f"{moment_text(change.at)}  {change.change}{by}{': ' + change.why if change.why else ''}")
    for told in story.alerts:
        when = told.ended_at or told.due_at
        why = f" ({told.reason})" if told.reason else ""
        say(f"{moment_text(when)}  {told.kind} to {told.team}/{told.channel}: {words(told.state)}{why}", style="dim")
    page = at.settings.alerts.runbook_url.replace("{code}", one.code) or f"docs/runbook/{one.code}.md"
    say(f"What to do: {page}")


def _facts(one: Incident) -> dict[str, str]:
    return {
        "on": one.connector,
        "cause": one.cause,
        "order": one.order,
        "counted": f"{one.count:,}" if one.count > 1 else "",
        "opened": f"{one.times_opened:,} times" if one.times_opened > 1 else "",
    }


# -- acts --------------------------------------------------------------------------------------------------------


def ack(
    numbers: Numbers = None,
    code: Code = None,
    connection: Connection = None,
    everything: All = False,
    why: Why = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Say that you are on it: it is not escalated."""
    at = desk(config_file, as_json)
    ask: dict[str, object] = {"which": _which(numbers, code, connection, everything), "why": why.strip()}
    after_asking(at, "ack_incidents", ask, yes=yes or bool(numbers), dry_run=dry_run, do=_do)


def snooze(
    numbers: Numbers = None,
    span: Annotated[str, typer.Option("--for", help="As 30m, 4h, 2d.")] = "",
    until: Annotated[str, typer.Option(help="A moment with its zone, as 2026-11-22T08:00:00+01:00.")] = "",
    code: Code = None,
    connection: Connection = None,
    everything: All = False,
    why: Why = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Hear nothing of it until then; if it still stands, it is told again."""
    at = desk(config_file, as_json)
    which = _which(numbers, code, connection, everything)
    ask: dict[str, object] = {"which": which, "until": _until(span, until).isoformat(), "why": why.strip()}
    after_asking(at, "snooze_incidents", ask, yes=yes or bool(numbers), dry_run=dry_run, do=_do)


def resolve(
    why: Annotated[str, typer.Option("--why", help="How you know; kept for good.")],
    numbers: Numbers = None,
    code: Code = None,
    connection: Connection = None,
    everything: All = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also what would end by itself.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Say that it is over, where only a person can know."""
    at = desk(config_file, as_json)
    which = _which(numbers, code, connection, everything)
    ask: dict[str, object] = {"which": which, "anyway": anyway, "why": reason(why)}
    after_asking(at, "resolve_incidents", ask, yes=yes or bool(numbers), dry_run=dry_run, do=_do)


def _which(numbers: list[int] | None, code: str | None, connection: str | None, everything: bool) -> dict[str, object]:
    which = Incidents(numbers=tuple(numbers or ()), code=code, connector=connection, all=everything)
    if which.is_empty:
        raise typer.BadParameter("say which: numbers, --code, --connection or --all")
    return which.model_dump(mode="json")


def _until(span: str, until: str) -> datetime:
    if bool(span) == bool(until):
        raise typer.BadParameter("say one of --for SPAN, --until MOMENT")
    return now() + _span(span) if span else _moment(until)


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if found is None or not int(found[1]):
        raise typer.BadParameter("--for takes a span as 30m, 4h, 2d")
    return timedelta(**{SPANS[found[2]]: int(found[1])})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("--until takes a moment as 2026-11-22T08:00:00+01:00") from None
    return moment.astimezone(UTC)  # without a zone it is meant in the zone of this machine


# -- where no bridge runs ------------------------------------------------------------------------------------------


def _do(settings: Settings, name: str, ask: dict[str, object]) -> ActResult:
    """By the running bridge; without one here, with the store's lock in hand. Raises StoreLocked, NotFound."""
    try:
        return act(settings, name, ask)
    except NotRunning:
        if not settings.store.path.exists():
            raise
        return anyio.run(partial(_do_here, settings, name, ask))


async def _do_here(settings: Settings, name: str, ask: dict[str, object]) -> ActResult:
    async with Store(settings.store.path).opened() as store:
        return await _HERE[name](IncidentActs(store, now), ask)


def _given(ask: dict[str, object]) -> dict[str, Any]:
    return {"why": str(ask["why"]), "who": str(ask["who"]), "dry_run": bool(ask["dry_run"])}


def _meant(ask: dict[str, object]) -> Incidents:
    return Incidents.model_validate(ask["which"], strict=False)


_HERE: dict[str, Callable[[IncidentActs, dict[str, object]], Awaitable[ActResult]]] = {
    "ack_incidents": lambda acts, ask: acts.ack(_meant(ask), **_given(ask)),
    "snooze_incidents": lambda acts, ask: acts.snooze(
        _meant(ask), until=datetime.fromisoformat(str(ask["until"])), **_given(ask)
    ),
    "resolve_incidents": lambda acts, ask: acts.resolve(_meant(ask), anyway=bool(ask["anyway"]), **_given(ask)),
}
