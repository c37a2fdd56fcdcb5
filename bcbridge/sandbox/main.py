"""The whole outside in one process: every simulated system on its own port, its memory in one folder.

``python -m bcbridge.sandbox.main --dir var/sandbox`` runs one of each; ``--serve`` names those that are wanted, more
than one of a kind too. `serve` is what a program calls.
In the folder: ``<system>.db`` (books), ``lock`` (held while it runs), ``sandbox.json`` (pid and addresses),
``credentials/`` (what a client needs to get in; well-known values that open nothing else). A second system of a kind
has a folder of its own in there, by its name, and its own credentials.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from bcbridge.sandbox import alerts as alerts_room
from bcbridge.sandbox import bigcommerce, bluecherry, shopify, woocommerce
from bcbridge.sandbox.alerts import AlertsSettings
from bcbridge.sandbox.base import ForeignBooks, Server, background

LOCK_TRIES = 5
LOCK_TRY_SECONDS = 0.05


@dataclass(frozen=True)
class System:
    """One kind of system: where it usually listens on 127.0.0.1, how it is set up, what serves it."""

    port: int
    settings: Callable[[], Any]
    serving: Callable[..., AbstractAsyncContextManager[Server]]
    """``serving(folder, port=..., settings=...)``."""
    secrets: tuple[str, ...]
    """Settings that a client needs to get in: a file each below ``credentials/``, named ``<system>_<setting>``."""


SYSTEMS: Mapping[str, System] = {
    "bluecherry": System(9101, bluecherry.BlueCherrySettings, bluecherry.serving, ("subscription_key",)),
    "shopify": System(9102, shopify.ShopifySettings, shopify.serving, ("client_id", "client_secret", "token")),
    "woocommerce": System(
        9103,
        woocommerce.WooCommerceSettings,
        woocommerce.serving,
        ("consumer_key", "consumer_secret", "webhook_secret"),
    ),
    "bigcommerce": System(
        9104,
        bigcommerce.BigCommerceSettings,
        bigcommerce.serving,
        ("access_token", "client_id", "client_secret", "webhook_secret"),
    ),
}
"""A new system is one line here."""


@dataclass(frozen=True)
class Served:
    """One system as it is to run. ``port`` 0 takes a free one; without ``settings`` it has the kind's own."""

    name: str
    kind: str
    port: int = 0
    settings: Any = None

    @property
    def system(self) -> System:
        return SYSTEMS[self.kind]

    def settled(self) -> Served:
        """With settings. What is not the first of its kind has secrets that open nothing else."""
        settings = self.settings or self.system.settings()
        if self.name != self.kind:
            own = {secret: f"{getattr(settings, secret)}-{self.name}" for secret in self.system.secrets}
            settings = replace(settings, **own)
        return replace(self, settings=settings)

    def folder(self, whole: Path) -> Path:
        return whole if self.name == self.kind else whole / self.name

    @property
    def credentials(self) -> dict[str, str]:
        return {f"{self.name}_{secret}": str(getattr(self.settings, secret)) for secret in self.system.secrets}


@dataclass(frozen=True)
class Desk:
    """Where alerts arrive: the ports of its Slack and its mail server."""

    slack_port: int = 9109
    smtp_port: int = 9125
    settings: AlertsSettings = field(default_factory=AlertsSettings)


def one_of_each() -> tuple[Served, ...]:
    return tuple(Served(kind, kind, system.port) for kind, system in SYSTEMS.items())


class AlreadyRunning(Exception):
    """Another sandbox holds this folder; ``pid`` is its process (0 where it has not said yet)."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(f"a sandbox is already running on {folder} (pid {pid})")
        self.pid = pid


async def serve(
    folder: Path,
    systems: Sequence[Served] | None = None,
    *,
    desk: Desk | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Runs these systems (one of each where none is named) and the desk until cancelled; ``ready`` is called once all
    of them answer.

    Raises `AlreadyRunning` where another process has the folder, OSError where a port is taken, and
    `ForeignBooks` where another version wrote the books.
    """
    wanted = [one.settled() for one in (one_of_each() if systems is None else systems)]
    desk = desk or Desk()
    lock = await _lock(folder)
    try:
        async with AsyncExitStack() as stack:
            told = await stack.enter_async_context(
                alerts_room.serving(folder, port=desk.slack_port, smtp_port=desk.smtp_port, settings=desk.settings)
            )
            of_the_desk = {"slack_webhook": told.webhook, "smtp_password": desk.settings.smtp_password}
            credentials = {name: value for one in wanted for name, value in one.credentials.items()}
            # Before the systems answer: who sees them answer reads its keys at once.
            await to_thread.run_sync(_write_credentials, folder, {**credentials, **of_the_desk})
            urls = {one.name: (await stack.enter_async_context(_serving(one, folder))).url for one in wanted}
            said = {"pid": os.getpid(), "urls": {**urls, "alerts": told.url}}
            await to_thread.run_sync(_write_json, folder / "sandbox.json", said)
            if ready is not None:
                ready()
            await anyio.sleep_forever()
    finally:
        os.close(lock)


def _serving(one: Served, folder: Path) -> AbstractAsyncContextManager[Server]:
    return one.system.serving(one.folder(folder), port=one.port, settings=one.settings)


def running(folder: Path) -> dict[str, Any] | None:
    """``{"pid": n, "urls": {system: url}}`` of the sandbox alive on this folder; None where there is none.

    ``urls`` is empty while it is still starting.
    """
    try:
        with _held(folder):
            return None
    except AlreadyRunning as other:
        return _told(folder) or {"pid": other.pid, "urls": {}}


def start_anew(folder: Path) -> None:
    """Forgets everything the sandbox of this folder remembers; raises `AlreadyRunning` where it is alive."""
    with _held(folder):
        for books in folder.glob("**/*.db*"):
            books.unlink()


# --- the lock --------------------------------------------------------------------------------------------------


async def _lock(folder: Path) -> int:
    """The lock's descriptor. Tries a few times: `running`, asked by others, holds it for a moment."""
    for _ in range(LOCK_TRIES - 1):
        try:
            return await to_thread.run_sync(_take, folder)
        except AlreadyRunning:
            await anyio.sleep(LOCK_TRY_SECONDS)
    return await to_thread.run_sync(_take, folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = _take(folder)
    try:
        yield
    finally:
        os.close(lock)


def _take(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise AlreadyRunning(folder, int(pid or 0)) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


# --- files -----------------------------------------------------------------------------------------------------


def _write_credentials(folder: Path, credentials: dict[str, str]) -> None:
    place = folder / "credentials"
    place.mkdir(mode=0o700, exist_ok=True)
    for name, value in credentials.items():
        _write(place / name, value)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    _write(path, json.dumps(data, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """The file is the old one or the new one, never half of one; for its owner alone."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _told(folder: Path) -> dict[str, Any] | None:
    """What ``sandbox.json`` says, if the process that holds the lock wrote it."""
    try:
        told: dict[str, Any] = json.loads((folder / "sandbox.json").read_text())
        holder = int((folder / "lock").read_text() or 0)
    except (FileNotFoundError, ValueError):
        return None
    return told if told["pid"] == holder else None


# --- by itself -------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the sandbox until SIGTERM or SIGINT. 0: ended as asked; 1: could not start, and why."""
    parser = _parser()
    asked = parser.parse_args(argv)
    try:
        systems = _systems(asked.serve, asked.set)
    except ValueError as error:
        parser.error(str(error))
    try:
        anyio.run(_run, asked, systems, backend_options={"use_uvloop": True})
    except (AlreadyRunning, ForeignBooks, OSError) as error:
        sys.stderr.write(f"bcbridge sandbox: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    usual = ", ".join(f"{kind} ({system.port})" for kind, system in SYSTEMS.items())
    parser = argparse.ArgumentParser(prog="bcbridge sandbox", description="The outside systems, simulated.")
    parser.add_argument("--dir", type=Path, default=Path("var/sandbox"), help="where it remembers")
    parser.add_argument(
        "--serve",
        action="append",
        default=[],
        metavar="NAME[:KIND]=PORT",
        help=f"only these systems; a name is a kind, or one of your own and its kind. Without it: {usual}",
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME.SETTING=VALUE", help="of one system")
    parser.add_argument("--slack-port", type=int, default=Desk.slack_port, help="messages that were sent stand here")
    parser.add_argument("--smtp-port", type=int, default=Desk.smtp_port)
    parser.add_argument("--fresh", action="store_true", help="forget everything first")
    return parser


def _systems(served: Sequence[str], settings: Sequence[str]) -> list[Served]:
    """What ``--serve`` and ``--set`` name; a later word about one system overrides. Raises ValueError, in words."""
    named = [_named(one) for one in served] or one_of_each()
    found = {one.name: one for one in named}
    for one in settings:
        path, _, value = one.partition("=")
        name, _, setting = path.rpartition(".")
        if name not in found:
            raise ValueError(f"--set {one}: no system is called {name!r}; there are {', '.join(found)}")
        found[name] = _set(found[name], setting, value)
    return list(found.values())


def _named(served: str) -> Served:
    names, _, port = served.partition("=")
    name, _, kind = names.partition(":")
    kind = kind or name
    if kind not in SYSTEMS:
        raise ValueError(f"--serve {served}: the sandbox has no {kind!r}; it has {', '.join(SYSTEMS)}")
    if not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"--serve {served}: {port!r} is not a port")
    return Served(name, kind, int(port))


def _set(one: Served, setting: str, value: str) -> Served:
    """The system with one setting as said: a number, or words."""
    settings = one.settings or one.system.settings()
    usual = getattr(settings, setting, None)
    if not isinstance(usual, bool | int | float | str):
        raise ValueError(f"--set {one.name}.{setting}: {one.kind} has no such setting of one number or word")
    said = value == "true" if isinstance(usual, bool) else type(usual)(value)
    return replace(one, settings=replace(settings, **{setting: said}))


async def _run(asked: argparse.Namespace, systems: list[Served]) -> None:
    if asked.fresh:
        await to_thread.run_sync(start_anew, asked.dir)

    def ready() -> None:
        told = _told(asked.dir) or {"urls": {}}
        for system, url in told["urls"].items():
            sys.stdout.write(f"{system} {url}/_sandbox/\n")
        sys.stdout.flush()

    async with background() as tasks:
        tasks.start_soon(_until_told, tasks.cancel_scope)
        await serve(asked.dir, systems, desk=Desk(asked.slack_port, asked.smtp_port), ready=ready)


async def _until_told(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return


if __name__ == "__main__":
    sys.exit(main())
