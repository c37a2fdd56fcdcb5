"""``run`` and ``sandbox``: the programs that stay."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import anyio
import typer

from bcbridge import config
from bcbridge.cli.common import DEFAULT, ConfigFile, err, out
from bcbridge.config import Settings
from bcbridge.errors import BridgeError, Misconfigured
from bcbridge.house import sandbox_process
from bcbridge.house.live import LiveView
from bcbridge.store.db import FileLock


class ProductionRefused(BridgeError):
    """--fresh would forget what was booked for real."""


def run(
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the store and the sandbox first.")] = False,
    no_live: Annotated[bool, typer.Option("--no-live", help="Lines instead of the live view.")] = False,
    config_file: ConfigFile = DEFAULT,
) -> None:
    """The bridge, with its sandbox where a connection wants one; SIGTERM or Ctrl-C drains and ends it."""
    settings = config.load(config_file)
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that the sandbox is ended too; the bridge drains by itself
        signal.signal(number, _end_politely)
    if fresh:
        _refuse_production(settings)
    with sandbox_process.beside(settings, fresh=fresh) as sandbox:
        _refuse_undated(settings)
        if fresh:
            _forget_store(settings)
        if sandbox is not None:
            whose = "started beside the bridge" if sandbox.ours else "already running, left running"
            err.print(f"The outside is simulated ({whose}).", style="dim")
        code = _bridge(settings, redraw=out.is_terminal and not no_live)
        with suppress(OSError):  # the terminal may be gone
            err.print("Drained and ended. Started again it goes on where it stopped.", style="dim")
    raise typer.Exit(code)


def _bridge(settings: Settings, *, redraw: bool) -> int:
    from bcbridge.house import app

    try:
        return app.main(settings, live=LiveView(out, redraw=redraw))
    finally:  # one more signal must not keep us from ending the sandbox that we started
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _end_politely(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _refuse_production(settings: Settings) -> None:
    """--fresh is for the sandbox alone. A connection here that does not answer yet is looked at again below."""
    simulated = {connection.name for connection in sandbox_process.simulated(settings)}
    for connection in settings.connections.values():
        nature = anyio.run(config.nature, connection)
        silent_sandbox = nature is config.Nature.SILENT and connection.name in simulated
        if nature is not config.Nature.SANDBOX and not silent_sandbox:
            raise ProductionRefused(f"--fresh is refused: {connection.name} ({connection.address}) is production")


def _refuse_undated(settings: Settings) -> None:
    mistakes = anyio.run(config.production_mistakes, settings)
    if mistakes:
        raise Misconfigured(mistakes)


def _forget_store(settings: Settings) -> None:
    """Only with the store's lock in hand: nobody else may be using it."""
    _refuse_production(settings)
    path = settings.store.path
    lock = FileLock(path)
    lock.take()
    try:
        for suffix in ("", "-wal", "-shm", ".restored", ".damaged"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).unlink()
    finally:
        lock.release()


def sandbox(
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget everything first.")] = False,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where it remembers.")] = None,
    serve: Annotated[list[str] | None, typer.Option(metavar="NAME[:KIND]=PORT", help="A system to run.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME.SETTING=VALUE")] = None,
    slack_port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
    smtp_port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
    config_file: ConfigFile = DEFAULT,
) -> None:
    """The outside systems, simulated, until SIGTERM or Ctrl-C; as config.toml says unless said here."""
    from bcbridge.sandbox import main

    chosen = _sandbox_settings(config_file)
    for option, value in {"--dir": folder, "--slack-port": slack_port, "--smtp-port": smtp_port}.items():
        chosen += [option, str(value)] if value is not None else []
    for option, values in {"--serve": serve, "--set": settings}.items():
        for one in values or ():
            chosen += [option, one]
    raise typer.Exit(main.main([*chosen, *(["--fresh"] if fresh else [])]))


def _sandbox_settings(config_file: Path) -> list[str]:
    """What config.toml says of the sandbox; its own defaults where there is no config.toml to be asked."""
    if config_file == DEFAULT and not config_file.exists():
        return []
    settings = config.load(config_file)
    loopback = [connection for connection in settings.enabled if connection.on_loopback]
    return sandbox_process.arguments(settings, loopback)
