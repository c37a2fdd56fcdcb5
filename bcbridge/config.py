"""config.toml -> frozen ``Settings``, with every mistake named at once.

Settings are nouns with units. An unknown key is a mistake with a suggestion. Secrets stand there by reference only
(``env:NAME``, ``file:PATH``, ``credential:NAME``) and are read when they are used. Paths are relative to the config
file.

>>> settings = load(Path("config.toml"))
>>> settings.connections["shopify_us"].poll_every_seconds
15.0
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bcbridge.alerts.settings import AlertsSection
from bcbridge.alerts.settings import mistakes as mistakes_of_alerts
from bcbridge.connectors.kinds import KINDS, Kind
from bcbridge.errors import Misconfigured, Mistake
from bcbridge.flows.changes.settings import ChangeSettings
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.orders.settings import OrderSettings
from bcbridge.flows.reconcile.settings import ReconcileSettings
from bcbridge.flows.stock.settings import StockSettings
from bcbridge.model.calendar import Calendar

DEFAULT_FILE = Path("config.toml")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SANDBOX_ANSWERS_WITHIN_SECONDS = 3.0
REFERENCE = (
    "write env:NAME (an environment variable), file:PATH (a file beside this one) or credential:NAME (of systemd)"
    " and put the secret there"
)
CREDENTIALS = "CREDENTIALS_DIRECTORY"
TOKEN_LENGTH = 24
"""Characters of an admin token at least: nobody guesses 24 of them."""

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Place = Annotated[Path, Field(strict=False)]
AnyModel = TypeVar("AnyModel", bound=BaseModel)
Switched = TypeVar("Switched", StockSettings, DispatchSettings, ChangeSettings, ReconcileSettings)
Table = dict[str, Any]


class Section(BaseModel):
    """A table of config.toml: frozen, strict, nothing unknown."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class StoreSection(Section):
    path: Place = Path("var/bcbridge.db")


def _a_reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(f"a secret must not stand in this file; {REFERENCE}")
    return text


def is_reference(text: str) -> bool:
    """Whether it says where a secret is, rather than being one."""
    return re.match(r"(env|file|credential):.", text) is not None


class TokenSection(Section):
    """One token of the admin door."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,39}$")]
    """Who acts with it: what is written down as ``who``."""
    role: Literal["read", "act"]
    """``read`` looks, ``act`` may also retry, skip, resolve, confirm and map."""
    token: Annotated[str, AfterValidator(_a_reference)]


class AdminSection(Section):
    """Looking and acting over TCP, for those who have a token. The owner's socket needs none."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 8081
    tokens: Annotated[tuple[TokenSection, ...], Field(strict=False, max_length=100)] = ()

    @model_validator(mode="after")
    def _somebody_may_enter(self) -> AdminSection:
        if self.enabled and not self.tokens:
            raise ValueError("is enabled and has no tokens: nobody could use it; add [[web.admin.tokens]]")
        if len({one.name for one in self.tokens}) < len(self.tokens):
            raise ValueError("two tokens have one name: an act could not be told from another's")
        return self


class WebSection(Section):
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    """Where the systems reach us from outside; empty: no webhooks, polling alone (which is complete)."""
    socket: Place = Path("var/bcbridge.sock")
    """The command line acts here; only its owner may open it."""
    body_limit_bytes: Annotated[int, Field(ge=1024, le=64_000_000)] = 2_000_000
    bodies_at_once: Annotated[int, Field(ge=1, le=1000)] = 64
    connections_at_once: Annotated[int, Field(ge=8, le=8000)] = 512
    admin: AdminSection = AdminSection()

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches the public door."""
        return self.host in LOOPBACK


class MappingsSection(Section):
    folder: Place = Path("mappings")


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"
    path: Place | None = Path("var/bcbridge.log")
    """The live view owns the terminal, so the log goes here; without a terminal it goes to stderr."""


Days = Annotated[int, Field(ge=1, le=36_500)]


class RetentionSection(Section):
    """How long each class is kept after its work ended. References, numbers, hashes and links are kept for ever."""

    documents_days: Days = 90
    """Orders as their channel sent them."""
    outbox_bodies_days: Days = 90
    """The bytes of our documents."""
    deliveries_days: Days = 7
    jobs_days: Days = 14
    events_days: Days = 2555
    acts_days: Days = 2555
    incidents_days: Days = 400
    alerts_days: Days = 90
    numbers_days: Days = 30
    """What each channel was told, and why."""

    @model_validator(mode="after")
    def _found_by_its_document(self) -> RetentionSection:
        if self.outbox_bodies_days > self.documents_days:
            raise ValueError("outbox_bodies_days must not be more than documents_days: a person is found by a document")
        return self


class BackupSection(Section):
    """Backups that the bridge makes by itself; without a folder it makes none."""

    folder: Place | None = None
    every_hours: Annotated[float, Field(gt=0)] = 24.0
    keep: Annotated[int, Field(ge=1, le=1000)] = 14


class SandboxSystem(Section):
    """One kind of simulated system; the names of its settings are the simulation's own unless `said` says otherwise."""

    def said(self) -> dict[str, float]:
        """As the simulation calls it."""
        return self.model_dump()


class SandboxBlueCherrySection(SandboxSystem):
    calls_per_minute: Annotated[int, Field(gt=0)] = 3000
    post_every_seconds: Seconds = 5.0
    stock_cycle_seconds: Annotated[float, Field(ge=0)] = 0.0
    """How often the simulated ERP exports its stock; 0: figures are live."""
    stock_build_seconds: Annotated[float, Field(ge=0)] = 0.0
    life: Annotated[float, Field(ge=0)] = 0.0
    """Its own trade: picks, dispatches, receipts, returns, wholesale. 1 is modest."""


class SandboxShopSection(SandboxSystem):
    ambient_orders_per_minute: Annotated[float, Field(ge=0)] = 20.0
    """The simulated shop sells this many by itself; 0 leaves it to POST /_sandbox/sell."""
    ambient_after_seconds: Annotated[float, Field(ge=0)] = 0.0
    """It does so from this long after its start on."""


class SandboxShopifySection(SandboxShopSection):
    points_per_second: Annotated[float, Field(gt=0)] = 1000.0
    """The shop's plan: points that Shopify restores each second (100 Standard, 200 Advanced, 1,000 Plus)."""

    def said(self) -> dict[str, float]:
        """The bucket holds what twenty seconds restore, on every plan."""
        points = {"restore_rate": self.points_per_second, "bucket": 20 * self.points_per_second}
        return {**self.model_dump(exclude={"points_per_second"}), **points}


class SandboxBigCommerceSection(SandboxShopSection):
    quota: Annotated[int, Field(gt=0)] = 450
    """The store's plan: calls in thirty seconds, of all its apps together (150 Standard and Plus, 450 Pro)."""


class SandboxAlertsSection(Section):
    """Where alerts arrive: a Slack and a mail server that keep what they received."""

    slack_port: Port = 9109
    smtp_port: Port = 9125


class SandboxSection(Section):
    """The simulated outside; only used where an enabled connection points to this machine."""

    enabled: bool = True
    folder: Place = Path("var/sandbox")
    bluecherry: SandboxBlueCherrySection = SandboxBlueCherrySection()
    shopify: SandboxShopifySection = SandboxShopifySection()
    woocommerce: SandboxShopSection = SandboxShopSection()
    bigcommerce: SandboxBigCommerceSection = SandboxBigCommerceSection()
    alerts: SandboxAlertsSection = SandboxAlertsSection()

    def of(self, kind: str) -> dict[str, float]:
        """What is said of the systems of one kind, as the simulation calls it."""
        section = getattr(self, kind, None)
        return section.said() if isinstance(section, SandboxSystem) else {}


class WatchesSection(Section):
    """When something that stands still becomes somebody's business (docs/runbook/)."""

    every_seconds: Seconds = 60.0
    blocked_limit_hours: Seconds = 24.0
    waiting_limit_minutes: Seconds = 30.0
    """How long an order that nothing keeps back may wait for the ERP."""
    in_doubt_limit_minutes: Seconds = 60.0
    source_silent_minutes: Seconds = 30.0
    webhooks_silent_minutes: Seconds = 60.0
    no_orders: bool = True
    no_orders_after_minutes: Seconds = 30.0
    """No silence shorter than this is looked at, however busy the shop."""
    not_dispatched_after_days: Annotated[int, Field(ge=0, le=366)] = 3
    """Working days of a warehouse's calendar that booked pieces may take to leave."""
    dispatch_not_told_after_minutes: Seconds = 30.0
    tracking_missing_after_hours: Seconds = 4.0
    dispatched_not_captured_after_hours: Seconds = 24.0
    authorisation_warning_days: Annotated[int, Field(ge=0)] = 2
    """So long before authorised money is let go somebody is told."""
    credential_warning_days: Annotated[int, Field(ge=1)] = 30
    erp_slow_seconds: Seconds = 5.0
    starved_minutes: Seconds = 15.0
    disk_free_mb: Annotated[int, Field(ge=1)] = 1024
    disk_hours_left: Seconds = 12.0
    wal_limit_mb: Annotated[int, Field(ge=1)] = 1024
    backup_max_age_hours: Seconds | None = None
    """Unset: 26 once a connection is production, else backups are nobody's business."""


class _ConnectionHead(BaseModel):
    """What every connection has, whatever its kind; the rest of its table belongs to its room."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    kind: str
    enabled: bool = True
    poll_every_seconds: Seconds = 120.0
    credential_lapses_on: date | None = None
    """The day on which its key, secret or certificate runs out, where it does."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One configured instance of one system. ``room`` is the settings object of its kind."""

    name: str
    kind: str
    enabled: bool
    poll_every_seconds: float
    room: BaseModel
    address: str
    credential_lapses_on: date | None = None

    @property
    def on_loopback(self) -> bool:
        return urlsplit(self.address).hostname in LOOPBACK

    @property
    def origin(self) -> str:
        """Scheme, host and port: ``http://127.0.0.1:9101``."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class Channel:
    """A connection that sells, and the ERP its orders go to."""

    name: str
    erp: str
    orders: OrderSettings
    stock: StockSettings | None = None
    """How its stock is kept; None: its numbers are left alone."""
    dispatches: DispatchSettings | None = None
    """How it is told of what left; None: it is not."""
    changes: ChangeSettings | None = None
    """What becomes of changes after booking; None: they are only noted."""
    reconcile: ReconcileSettings | None = field(default_factory=ReconcileSettings)
    """How it is compared with the ERP by night; None: only when somebody asks."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole of config.toml; every path absolute."""

    file: Path
    store: StoreSection
    web: WebSection
    mappings: MappingsSection
    log: LogSection
    retention: RetentionSection
    backup: BackupSection
    watches: WatchesSection
    sandbox: SandboxSection
    connections: Mapping[str, Connection]
    channels: Mapping[str, Channel]
    alerts: AlertsSection
    calendars: Mapping[str, Calendar]
    """By warehouse of the ERP; one without works every day."""

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.file.parent)

    @property
    def enabled(self) -> list[Connection]:
        return [connection for connection in self.connections.values() if connection.enabled]


# -- secrets ---------------------------------------------------------------------------------------------------


class Secrets:
    """Resolves ``env:NAME``, ``file:PATH`` and ``credential:NAME`` to the secret itself. No error shows a value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, reference: str) -> str:
        """The secret, without surrounding white space. Raises Misconfigured."""
        kind, _, place = reference.partition(":")
        if kind == "env" and place:
            value = os.environ.get(place, "").strip()
            return value or self._fail(reference, f"the environment variable {place} is not set or empty")
        if kind == "file" and place:
            return self._from_file(reference, self.path(place))
        if kind == "credential" and place:
            return self._from_file(reference, self._credential(reference, place))
        return self._fail("secret", "this is not a reference to a secret", REFERENCE)

    def path(self, place: str) -> Path:
        return self._folder / Path(place).expanduser()

    def _credential(self, reference: str, name: str) -> Path:
        """Where systemd's LoadCredential (or a container's secrets) puts it: one file a name, in one folder."""
        folder = os.environ.get(CREDENTIALS, "")
        if not folder or "/" in name:
            what = f"{CREDENTIALS} is not set" if not folder else "a credential's name holds no /"
            self._fail(reference, what, f"systemd sets it: LoadCredential={name}:FILE; or set it to the files' folder")
        return Path(folder) / name

    def exposed(self, reference: str) -> Path | None:
        """The file behind a reference, if others than its owner may read it."""
        if not reference.startswith("file:"):
            return None
        path = self.path(reference.removeprefix("file:"))
        try:
            return path if stat.S_IMODE(path.stat().st_mode) & 0o077 else None
        except OSError:
            return None

    def _from_file(self, reference: str, path: Path) -> str:
        try:
            value = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as fault:
            return self._fail(reference, f"cannot be read ({type(fault).__name__}): {path}")
        return value or self._fail(reference, f"the file is empty: {path}")

    @staticmethod
    def _fail(where: str, what: str, instead: str = "") -> str:
        raise Misconfigured([Mistake(where, what, instead)])


def token_secrets(settings: Settings) -> list[tuple[TokenSection, str]]:
    """The tokens of the admin door with their secrets. Raises Misconfigured with everything wrong with them."""
    if not settings.web.admin.enabled:
        return []
    found: list[tuple[TokenSection, str]] = []
    mistakes: list[Mistake] = []
    for number, token in enumerate(settings.web.admin.tokens):
        at = f"web.admin.tokens.{number}.token"
        try:
            secret = settings.secrets(token.token)
        except Misconfigured as fault:
            mistakes += [replace(one, where=at, what=f"{one.where} {one.what}") for one in fault.mistakes]
            continue
        if len(secret) < TOKEN_LENGTH:
            mistakes.append(
                Mistake(at, f"has fewer than {TOKEN_LENGTH} characters", "take one of openssl rand -hex 32")
            )
        found.append((token, secret))
    if len({secret for _, secret in found}) < len(found):
        mistakes.append(Mistake("web.admin.tokens", "two tokens are the same", "give each its own secret"))
    if mistakes:
        raise Misconfigured(mistakes)
    return found


def references_of(connection: Connection, kinds: Mapping[str, Kind] = KINDS) -> Iterator[tuple[str, str]]:
    """Each secret reference of a connection with its key path."""
    for secret in kinds[connection.kind].secrets:
        for place, reference in _references(connection.room, secret):
            yield f"connections.{connection.name}.{place}", reference


def _references(room: BaseModel, field: str) -> Iterator[tuple[str, str]]:
    value = getattr(room, field)
    many = [value] if isinstance(value, str) else list(value or ())
    for number, reference in enumerate(many):
        if reference:
            yield (field if isinstance(value, str) else f"{field}.{number}"), reference


# -- loading ---------------------------------------------------------------------------------------------------


def load(file: Path, *, kinds: Mapping[str, Kind] = KINDS) -> Settings:
    """Read and check the whole file. Raises Misconfigured with every mistake, not the first."""
    return _Loading(file.absolute(), kinds).settings()


def _parse(file: Path) -> Table:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured([Mistake(str(file), "there is no such file", "say where it is with --config")]) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise Misconfigured([Mistake(str(file), f"cannot be read: {fault}")]) from None
    except tomllib.TOMLDecodeError as fault:
        raise Misconfigured([Mistake(str(file), f"is not TOML: {fault}")]) from None


ROLES = {"channel": "a channel", "erp": "an ERP"}
MISSING = "is missing"
BESIDE = ("erp", "stock", "dispatches", "changes", "reconcile")
"""What stands in a channel's table beside what is said of its orders."""
SECTIONS = (
    *("store", "web", "mappings", "log", "retention", "backup", "watches", "alerts"),
    *("sandbox", "connections", "channels", "calendars"),
)


class _Loading:
    """One pass over one file, collecting mistakes."""

    def __init__(self, file: Path, kinds: Mapping[str, Kind]) -> None:
        self._file = file
        self._kinds = kinds
        self._mistakes: list[Mistake] = []

    def settings(self) -> Settings:
        table = _parse(self._file)
        self._unknown_sections(table)
        store = self._section(table, "store", StoreSection)
        web = self._section(table, "web", WebSection)
        mappings = self._section(table, "mappings", MappingsSection)
        log = self._section(table, "log", LogSection)
        retention = self._section(table, "retention", RetentionSection)
        backup = self._section(table, "backup", BackupSection)
        watches = self._section(table, "watches", WatchesSection)
        sandbox = self._section(table, "sandbox", SandboxSection)
        connections = self._connections(self._table(table, "connections"))
        calendars = self._calendars(self._table(table, "calendars"))
        channels = self._channels(self._table(table, "channels"), connections, calendars)
        alerts = self._alerts(table)
        if self._mistakes:
            raise Misconfigured(self._mistakes)
        return Settings(
            file=self._file,
            store=self._placed(store, "path"),
            web=self._placed(web, "socket"),
            mappings=self._placed(mappings, "folder"),
            log=self._placed(log, "path"),
            retention=retention,
            backup=self._placed(backup, "folder"),
            watches=watches,
            sandbox=self._placed(sandbox, "folder"),
            connections=connections,
            channels=channels,
            alerts=alerts,
            calendars=calendars,
        )

    def _mistake(self, where: str, what: str, instead: str = "") -> None:
        self._mistakes.append(Mistake(where, what, instead))

    def _unknown_sections(self, table: Table) -> None:
        for name in table:
            if name not in SECTIONS:
                self._mistake(name, "no such section", suggestion(name, SECTIONS))

    def _table(self, table: Table, name: str) -> Table:
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self._mistake(name, f"must be a table, written [{name}]")
        return {}

    def _section(self, table: Table, name: str, model: type[AnyModel]) -> AnyModel:
        return self._validated(self._table(table, name), model, (name,)) or model()

    def _validated(self, table: Table, model: type[AnyModel], at: tuple[str, ...]) -> AnyModel | None:
        try:
            return model.model_validate(table)
        except ValidationError as fault:
            known = {mistake.where for mistake in self._mistakes}
            self._mistakes += [mistake for mistake in mistakes_of(fault, model, at) if mistake.where not in known]
            return None

    def _placed(self, section: AnyModel, field: str) -> AnyModel:
        """The section with its path absolute."""
        path = getattr(section, field)
        return section if path is None else section.model_copy(update={field: self._file.parent / path})

    def _alerts(self, table: Table) -> AlertsSection:
        alerts = self._section(table, "alerts", AlertsSection)
        if not any(mistake.where.split(".")[0] == "alerts" for mistake in self._mistakes):
            self._mistakes += mistakes_of_alerts(alerts)
        if alerts.smtp.ca_file is None:
            return alerts
        return alerts.model_copy(update={"smtp": self._placed(alerts.smtp, "ca_file")})

    def _connections(self, tables: Table) -> dict[str, Connection]:
        found = {}
        for name, table in tables.items():
            connection = self._connection(name, table)
            if connection is not None:
                found[name] = connection
        return found

    def _connection(self, name: str, table: object) -> Connection | None:
        at = ("connections", name)
        if not isinstance(table, dict):
            self._mistake(".".join(at), f"must be a table, written [connections.{name}]")
            return None
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            self._mistake(".".join(at), "a connection's name has small letters, digits and underscores only")
        kind = self._kind(at, table)
        head = self._validated(table, _ConnectionHead, at)
        if kind is None:
            return None
        of_room = {key: value for key, value in table.items() if key not in _ConnectionHead.model_fields}
        self._literal_secrets(at, of_room, kind)
        room = self._validated(of_room, kind.settings, at)
        if head is None or room is None:
            return None
        self._address(at, of_room, kind.address(room))
        return Connection(
            name,
            head.kind,
            head.enabled,
            head.poll_every_seconds,
            room,
            kind.address(room),
            credential_lapses_on=head.credential_lapses_on,
        )

    def _address(self, at: tuple[str, ...], of_room: Table, address: str) -> None:
        host = address.partition("://")[2].partition("/")[0] or address
        said = [key for key, value in of_room.items() if isinstance(value, str) and host in value]
        where = ".".join((*at, *said[:1]))
        try:
            parts = urlsplit(address)
            parts.port  # noqa: B018 - raises where it is none
        except ValueError:  # what it says may hold a key that stands in the wrong place
            self._mistake(where, "is no address: its host or port cannot be read", "as http://127.0.0.1:9101")
            return
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            what = "must be https: keys and customers' data go with every call"
            self._mistake(where, what, "http is for this machine alone")

    def _kind(self, at: tuple[str, ...], table: Table) -> Kind | None:
        name = table.get("kind")
        if not isinstance(name, str):
            return None  # the head says so
        if name not in self._kinds:
            self._mistake(".".join((*at, "kind")), f"no such kind of system: {name}", suggestion(name, self._kinds))
        return self._kinds.get(name)

    def _literal_secrets(self, at: tuple[str, ...], table: Table, kind: Kind) -> None:
        for secret in kind.secrets:
            value = table.get(secret)
            for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
                if isinstance(text, str) and text and not is_reference(text):
                    self._mistake(".".join((*at, secret)), "a secret must not stand in this file", REFERENCE)

    def _calendars(self, tables: Table) -> dict[str, Calendar]:
        found = {}
        for warehouse, table in tables.items():
            at = ("calendars", warehouse)
            if not isinstance(table, dict):
                self._mistake(".".join(at), f"must be a table, written [calendars.{warehouse}]")
            elif (calendar := self._validated(table, Calendar, at)) is not None:
                found[warehouse] = calendar
        return found

    def _channels(
        self, tables: Table, connections: Mapping[str, Connection], calendars: Mapping[str, Calendar]
    ) -> dict[str, Channel]:
        found = {}
        for name, table in tables.items():
            channel = self._channel(name, table, connections)
            if channel is not None:
                found[name] = replace(channel, orders=channel.orders.by_calendars(calendars))
        self._told_apart(found.values())
        return found

    def _told_apart(self, channels: Iterable[Channel]) -> None:
        """No reference made for one channel may be another's in the same ERP: no code begins with another's."""
        for one, other in combinations(channels, 2):
            short, long = sorted((one, other), key=lambda channel: len(channel.orders.code))
            if one.erp == other.erp and long.orders.code.startswith(short.orders.code):
                what = f"{long.orders.code} begins as {short.orders.code} of channels.{short.name} does: in {one.erp} "
                what += "an order of one could not be told from an order of the other"
                self._mistake(f"channels.{long.name}.code", what, "give the newer of the two another code")

    def _channel(self, name: str, table: object, connections: Mapping[str, Connection]) -> Channel | None:
        at = ("channels", name)
        if not isinstance(table, dict):
            self._mistake(".".join(at), f"must be a table, written [channels.{name}]")
            return None
        self._part(".".join(at), name, connections, role="channel")
        erp = table.get("erp")
        if isinstance(erp, str):
            self._part(".".join((*at, "erp")), erp, connections, role="erp")
        else:
            self._mistake(".".join((*at, "erp")), MISSING, "name the connection its orders are booked in")
        of_orders = {key: value for key, value in table.items() if key not in BESIDE}
        before = len(self._mistakes)
        orders = self._validated(self._shared(at, of_orders, connections.get(name)), OrderSettings, at)
        if self._unreadable(name):  # what is missing here may stand there
            self._mistakes[before:] = [one for one in self._mistakes[before:] if one.what != MISSING]
        stock = self._beside(at, table, "stock", StockSettings)
        dispatches = self._beside(at, table, "dispatches", DispatchSettings)
        # without a table of their own changes are compared and told, and a shop is asked for nothing
        changes = self._beside(at, {"changes": {"to_channel": []}, **table}, "changes", ChangeSettings)
        reconcile = self._beside(at, {"reconcile": {}, **table}, "reconcile", ReconcileSettings)
        return Channel(name, str(erp), orders, stock, dispatches, changes, reconcile) if orders is not None else None

    def _beside(self, at: tuple[str, ...], table: Table, name: str, model: type[Switched]) -> Switched | None:
        """What a channel does beside its orders; None where it is not asked for, or switched off."""
        if name not in table:
            return None
        given = table[name]
        if not isinstance(given, dict):
            self._mistake(".".join((*at, name)), f"must be a table, written [{'.'.join((*at, name))}]")
            return None
        found = self._validated(given, model, (*at, name))
        return found if found is not None and found.enabled else None

    def _shared(self, at: tuple[str, ...], of_orders: Table, connection: Connection | None) -> Table:
        """What the connection says already need not be said again for its orders, nor said otherwise."""
        if connection is None:
            return of_orders
        given = connection.room.model_dump(include=set(OrderSettings.model_fields))
        for key in sorted(given.keys() & of_orders.keys()):
            if given[key] != of_orders[key]:
                where, said = ".".join((*at, key)), f"connections.{connection.name}.{key}"
                self._mistake(where, f"says otherwise than {said}", "leave it out here")
        return given | of_orders

    def _part(self, where: str, name: str, connections: Mapping[str, Connection], *, role: str) -> None:
        """``name`` must be a connection of this role; one that could not be read was complained about already."""
        if self._unreadable(name):
            return
        fitting = [one.name for one in connections.values() if self._kinds[one.kind].role == role]
        if name not in connections:
            self._mistake(where, f"there is no connection named {name}", suggestion(name, fitting))
        elif name not in fitting:
            self._mistake(
                where, f"{name} is a {connections[name].kind} connection, and cannot be used as {ROLES[role]}"
            )

    def _unreadable(self, name: str) -> bool:
        """Whether a connection of this name stands in the file with mistakes of its own."""
        at = f"connections.{name}"
        return any(mistake.where == at or mistake.where.startswith(f"{at}.") for mistake in self._mistakes)


# -- mistakes in words -----------------------------------------------------------------------------------------


def suggestion(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """``did you mean poll_every_seconds?``, or what there is where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(sorted(known))}" if known else ""


def mistakes_of(fault: ValidationError, model: type[BaseModel], at: tuple[str, ...] = ()) -> list[Mistake]:
    """A validation error as mistakes with their full key paths. Never shows a value that was given."""
    found = []
    for error in fault.errors(include_url=False, include_input=False):
        loc = error["loc"]
        where = ".".join(map(str, (*at, *loc)))
        if error["type"] == "extra_forbidden":
            found.append(Mistake(where, "no such setting", suggestion(str(loc[-1]), _known(model, loc[:-1]))))
        elif error["type"] == "missing":
            found.append(Mistake(where, MISSING))
        else:
            found.append(Mistake(where, _plain(error["msg"])))
    return found


def _plain(message: str) -> str:
    """pydantic's sentence as the end of one of ours."""
    text = message.removeprefix("Value error, ").removeprefix("Input ").strip()
    return text.replace("should be", "must be")


def _known(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The settings there are in the table at ``loc`` below a model."""
    current: type[BaseModel] | None = model
    for step in loc:
        field = current.model_fields.get(str(step)) if current else None
        if field is not None:
            current = _model_in(field.annotation)
    return list(current.model_fields) if current else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The settings class inside ``X``, ``X | None``, ``dict[str, X]``, ``tuple[X, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, dict, list, tuple, Mapping, Annotated):
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None


# -- production or sandbox -------------------------------------------------------------------------------------


class Nature(StrEnum):
    """What stands behind a connection's address, as far as can be seen now."""

    SANDBOX = "sandbox"
    SILENT = "silent"
    """On this machine, and nothing answers there (yet)."""
    PRODUCTION = "production"


async def nature(connection: Connection) -> Nature:
    """Ask the address itself. Everything that does not say that it is a sandbox is production."""
    if not connection.on_loopback:
        return Nature.PRODUCTION
    try:
        async with httpx.AsyncClient(timeout=SANDBOX_ANSWERS_WITHIN_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{connection.origin}/_sandbox/")
    except httpx.ConnectError:
        return Nature.SILENT
    except httpx.HTTPError:
        return Nature.PRODUCTION
    return Nature.SANDBOX if _names_a_sandbox(answer) else Nature.PRODUCTION


def _names_a_sandbox(answer: httpx.Response) -> bool:
    try:
        said = answer.json()
    except ValueError:
        return False
    return answer.status_code == 200 and isinstance(said, dict) and bool(said.get("sandbox"))


async def production(connection: Connection) -> bool:
    """True unless the connection is on loopback and a sandbox answers there."""
    return await nature(connection) is not Nature.SANDBOX


async def production_mistakes(settings: Settings) -> list[Mistake]:
    """What a production channel must say beyond what any channel must."""
    return undated(settings, [one.name for one in settings.enabled if await production(one)])


def undated(settings: Settings, production_names: Collection[str]) -> list[Mistake]:
    """Channels of these connections that name no go-live boundary."""
    return [
        Mistake(
            f"channels.{name}.orders_created_from",
            "is missing, and this is a production channel",
            "write the moment of go-live with its zone, as 2026-11-01T00:00:00Z; older orders stay untouched",
        )
        for name, channel in settings.channels.items()
        if name in production_names and channel.orders.orders_created_from is None
    ]
