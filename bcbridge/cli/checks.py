"""``check`` and ``doctor``: what is wrong before it hurts. ``check`` looks at files, ``doctor`` asks the systems."""

from __future__ import annotations

import sqlite3
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import anyio
import typer

from bcbridge import config, mappings
from bcbridge.cli.common import DEFAULT, FAILED, MISCONFIGURED, AsJson, ConfigFile, now, print_json, reading, say
from bcbridge.config import Connection, Nature, Settings
from bcbridge.connectors.base import Connector, Finding, Severity, Tools
from bcbridge.connectors.kinds import KINDS
from bcbridge.errors import BridgeError, Misconfigured, Mistake
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.store import views

DOCTOR_WITHIN_SECONDS = 120.0
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: ""}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing ``check`` found. ``severity`` error: exit 2; warning: it starts all the same."""

    severity: Severity
    where: str
    what: str
    instead: str = ""

    @classmethod
    def of(cls, mistake: Mistake, severity: Severity = Severity.ERROR) -> Problem:
        return cls(severity, mistake.where, mistake.what, mistake.instead)


# -- check -------------------------------------------------------------------------------------------------------


def check(config_file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Config, mappings, credentials, unconfirmed writes: every problem at once. Exit 2 where one is an error."""
    problems = anyio.run(_problems, config_file)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if as_json:
        print_json({"ok": not errors, "problems": problems})
    else:
        _print_problems(problems)
    if errors:
        raise typer.Exit(MISCONFIGURED)


async def _problems(config_file: Path) -> list[Problem]:
    try:
        settings = config.load(config_file)
    except Misconfigured as fault:
        found = [Problem.of(mistake) for mistake in fault.mistakes]
        return found + _of_mappings(_mappings_folder(config_file), ())
    natures = {one.name: await config.nature(one) for one in settings.enabled}
    real = [name for name, nature in natures.items() if not _simulated(settings, nature)]
    return [
        *(Problem.of(mistake) for mistake in config.undated(settings, real)),
        *_of_mappings(settings.mappings.folder, list(settings.connections)),
        *_of_pools(settings),
        *_of_days(settings),
        *(problem for one in settings.enabled for problem in _of_credentials(settings, one, natures[one.name])),
        *_of_doors(settings),
        *_of_alerts(settings, to_come=bool(settings.enabled) and not real),
        *await _of_writes(settings, natures),
    ]


def _simulated(settings: Settings, nature: Nature) -> bool:
    """A sandbox answers there, or one will: ``run`` starts it where nobody answers on this machine."""
    return nature is Nature.SANDBOX or (nature is Nature.SILENT and settings.sandbox.enabled)


def _mappings_folder(config_file: Path) -> Path:
    """Where the mappings are as far as a config that cannot be used says."""
    try:
        said = tomllib.loads(config_file.read_text())["mappings"]["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        said = "mappings"
    return config_file.absolute().parent / str(said)


def _of_mappings(folder: Path, channels: Iterable[str]) -> list[Problem]:
    try:
        mappings.load(folder, list(channels))
    except Misconfigured as fault:
        return [Problem.of(mistake) for mistake in fault.mistakes]
    return []


def _of_pools(settings: Settings) -> Iterator[Problem]:
    """A channel is fed from where its orders are booked, or what it sells is taken off somewhere else."""
    try:
        said = mappings.load(settings.mappings.folder, list(settings.connections))
    except Misconfigured:
        return  # told already
    for name, channel in settings.channels.items():
        if channel.stock is None or not settings.connections[name].enabled:
            continue
        fed = {warehouse for warehouses in channel.stock.pools.values() for warehouse in warehouses}
        where = f"channels.{name}.stock.pools"
        for warehouse in sorted(_booked_at(said, name) - fed):
            what = f"no pool is fed from {warehouse}, where orders of {name} are booked (warehouses.toml)"
            yield Problem(Severity.WARNING, where, what, "what it sells there is shown as there")
        feeds = Counter(warehouse for warehouses in channel.stock.pools.values() for warehouse in set(warehouses))
        for warehouse in sorted(one for one, pools in feeds.items() if pools > 1):
            what = f"{warehouse} feeds {feeds[warehouse]} locations of {name}: each shows all of its pieces"
            yield Problem(Severity.WARNING, where, what, "a shop that adds its locations up shows them as often")


def _of_days(settings: Settings) -> Iterator[Problem]:
    """Releases and calendars are of warehouses; one that no order is booked at is misspelt, or over."""
    try:
        said = mappings.load(settings.mappings.folder, list(settings.connections))
    except Misconfigured:
        return  # told already
    at = {name: _booked_at(said, name) for name in settings.channels}
    for name, channel in settings.channels.items():
        for warehouse in sorted(channel.orders.releases.keys() - at[name]):
            what = f"no order of {name} is booked at {warehouse} (warehouses.toml): nothing waits for these releases"
            yield Problem(Severity.WARNING, f"channels.{name}.releases.{warehouse}", what, _known(at[name]))
    everywhere = frozenset[str]().union(*at.values())
    for warehouse in sorted(settings.calendars.keys() - everywhere):
        what = f"no order is booked at {warehouse} (warehouses.toml): nothing asks for this calendar"
        yield Problem(Severity.WARNING, f"calendars.{warehouse}", what, _known(everywhere))


def _booked_at(said: mappings.Mappings, channel: str) -> frozenset[str]:
    """The ERP's warehouses that orders of a channel may leave from."""
    sections = (said.rows_of("warehouses", section) for section in (channel, mappings.DEFAULT))
    return frozenset(code for rows in sections for code in rows.values() if isinstance(code, str))


def _known(warehouses: Iterable[str]) -> str:
    return f"booked at: {', '.join(sorted(warehouses)) or 'no warehouse yet'}"


def _of_doors(settings: Settings) -> Iterator[Problem]:
    """Who could come in: tokens that cannot be had, and a door that sends them in clear text."""
    try:
        config.token_secrets(settings)
    except Misconfigured as fault:
        yield from (Problem.of(mistake) for mistake in fault.mistakes)
    admin = settings.web.admin
    for number, token in enumerate(admin.tokens):
        yield from _exposed(settings, f"web.admin.tokens.{number}.token", token.token)
    if admin.enabled and admin.host not in config.LOOPBACK:
        what = f"the admin door listens on {admin.host}: tokens and orders travel unencrypted"
        yield Problem(
            Severity.WARNING, "web.admin.host", what, "bind it to 127.0.0.1 behind TLS, or to a private network"
        )


def _of_alerts(settings: Settings, *, to_come: bool) -> Iterator[Problem]:
    """Whether anybody is told of incidents, and whether the secrets for that are to be had."""
    if not settings.alerts.on:
        what = "are off: nobody is told of incidents"
        yield Problem(Severity.INFO, "alerts", what, "give a team a channel under [alerts.teams] (docs/alerts.md)")
        return
    for where, reference in settings.alerts.secrets():
        try:
            settings.secrets(reference)
        except Misconfigured as fault:
            severity = Severity.WARNING if to_come else Severity.ERROR
            later = "the sandbox writes it when it first starts" if to_come else ""
            yield Problem(severity, where, fault.mistakes[0].what, later or fault.mistakes[0].instead)
        yield from _exposed(settings, where, reference)


def _of_credentials(settings: Settings, connection: Connection, nature: Nature) -> Iterator[Problem]:
    """Each reference must lead to a secret. The sandbox writes its own when it first starts."""
    to_come = nature is not Nature.SANDBOX and _simulated(settings, nature)
    for where, reference in config.references_of(connection):
        try:
            settings.secrets(reference)
        except Misconfigured as fault:
            severity = Severity.WARNING if to_come else Severity.ERROR
            later = "the sandbox writes it when it first starts" if to_come else ""
            yield Problem(severity, where, fault.mistakes[0].what, later or fault.mistakes[0].instead)
        yield from _exposed(settings, where, reference)


def _exposed(settings: Settings, where: str, reference: str) -> Iterator[Problem]:
    exposed = settings.secrets.exposed(reference)
    if exposed:
        yield Problem(Severity.WARNING, where, f"others may read {exposed}", f"chmod 600 {exposed}")


async def _of_writes(settings: Settings, natures: dict[str, Nature]) -> list[Problem]:
    """Writes of a production connection that nobody confirmed: refused until somebody does."""
    confirmed = await _confirmed(settings)
    found = []
    for connection in settings.enabled:
        if _simulated(settings, natures[connection.name]):
            continue
        for write, read_back in KINDS[connection.kind].writes(connection.name, connection.room).items():
            if write not in confirmed:
                what = f"{write} is not confirmed for production: it is refused until it is, with its read-back "
                instead = f"bcbridge confirm {write} --why 'how you saw it read back'"
                found.append(
                    Problem(Severity.ERROR, f"connections.{connection.name}", what + f"({read_back})", instead)
                )
    return found


async def _confirmed(settings: Settings) -> set[str]:
    try:
        async with reading(settings) as reads:
            return {one.write for one in await views.confirmations(reads)}
    except (BridgeError, sqlite3.Error):
        return set()  # no store yet: nothing can have been confirmed


def _print_problems(problems: list[Problem]) -> None:
    for problem in problems:
        colour = COLOURS[problem.severity]
        say(f"{problem.severity.value}: {problem.where}: {problem.what}", style=colour)
        if problem.instead:
            say(f"    {problem.instead}")
    found = Counter(problem.severity for problem in problems)
    errors, warnings = found[Severity.ERROR], found[Severity.WARNING]
    say(f"{errors} errors, {warnings} warnings." if errors or warnings else "Nothing is wrong.")


# -- doctor ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Diagnosis:
    connection: str
    kind: str
    findings: tuple[Finding, ...]


def doctor(config_file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Asks each system: access, settings, what is not mapped, what is ambiguous. Exit 1 where one is an error."""
    settings = config.load(config_file)
    diagnoses = anyio.run(_diagnoses, settings)
    if as_json:
        print_json(diagnoses)
    else:
        _print_diagnoses(diagnoses)
    if any(finding.severity is Severity.ERROR for one in diagnoses for finding in one.findings):
        raise typer.Exit(FAILED)


async def _diagnoses(settings: Settings) -> list[Diagnosis]:
    return [await _diagnose(settings, connection) for connection in settings.enabled]


async def _diagnose(settings: Settings, connection: Connection) -> Diagnosis:
    return Diagnosis(connection.name, connection.kind, tuple(await _findings(settings, connection)))


async def _findings(settings: Settings, connection: Connection) -> list[Finding]:
    kind = KINDS[connection.kind]
    try:
        connector = kind.build(ConnectorName(connection.name), connection.room, Tools(now, settings.secrets))
    except BridgeError as fault:
        return [Finding(Severity.ERROR, "credentials", str(fault))]
    try:
        with anyio.fail_after(DOCTOR_WITHIN_SECONDS):
            return [*await connector.doctor(), *await _unmapped_locations(settings, connector)]
    except (BridgeError, TimeoutError) as fault:
        return [Finding(Severity.ERROR, "access", str(fault) or "no answer in time")]
    finally:
        await _close(connector)


@runtime_checkable
class HasLocations(Protocol):
    """A channel that assigns its orders to locations."""

    async def locations(self) -> list[tuple[Ref, str]]:
        """Each location's ref and name."""
        ...


async def _unmapped_locations(settings: Settings, connector: Connector) -> list[Finding]:
    if not isinstance(connector, HasLocations):
        return []
    tables = mappings.load(settings.mappings.folder, list(settings.connections))
    return [
        Finding(
            Severity.WARNING,
            "location",
            f"{name} ({ref}) has no warehouse in mappings/warehouses.toml: orders assigned to it are blocked",
            f"bcbridge mappings set warehouses '{name}' CODE --channel {connector.name}",
        )
        for ref, name in await connector.locations()
        if not tables.code("warehouses", connector.name, name, ref)
    ]


async def _close(connector: Connector) -> None:
    with anyio.CancelScope(shield=True):
        await connector.aclose()


def _print_diagnoses(diagnoses: list[Diagnosis]) -> None:
    for one in diagnoses:
        say(f"{one.connection} ({one.kind})", style="bold")
        for finding in one.findings:
            say(f"  {finding.severity.value:<8} {finding.topic}: {finding.text}", style=COLOURS[finding.severity])
            if finding.fix:
                say(f"           {finding.fix}")
