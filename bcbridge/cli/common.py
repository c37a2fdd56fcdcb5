"""What every command shares: where the config is, how it answers, how it reads the store and reaches the bridge."""

from __future__ import annotations

import getpass
import os
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio
import httpx
import typer
from rich.console import Console
from rich.markup import escape

from bcbridge import config
from bcbridge.config import Settings
from bcbridge.errors import BridgeError
from bcbridge.model.acts import ActResult, NotFound
from bcbridge.store.db import Readers
from bcbridge.store.schema import steps
from bcbridge.store.views import Candidate, Reads, find_order
from bcbridge.web.jsonable import dumps

OK, FAILED, MISCONFIGURED, NOT_FOUND, NOT_RUNNING = range(5)
"""Exit codes."""

ACT_WITHIN_SECONDS = 60.0
T = TypeVar("T")

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", envvar="BCBRIDGE_CONFIG", help="The config file.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON (keys: docs/cli.md).")]
DEFAULT = config.DEFAULT_FILE

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class NotRunning(BridgeError):
    """No bridge listens on the socket."""


class Ambiguous(BridgeError):
    """Several orders answer to what was asked for."""

    def __init__(self, text: str, candidates: tuple[Candidate, ...]) -> None:
        which = "\n".join(f"  {one.connector}:{one.name or one.ref}  ({one.state}, by {one.by})" for one in candidates)
        super().__init__(f"{text} may mean any of these; write the connection before it:\n{which}")
        self.candidates = candidates


@dataclass(frozen=True, slots=True)
class Desk:
    """A command's surroundings: its settings and whether it answers in JSON."""

    settings: Settings
    as_json: bool

    def answer(self, facts: object, show: Callable[[], None]) -> None:
        """The facts in JSON, or shown to a person."""
        if self.as_json:
            print_json(facts)
        else:
            show()


def desk(config_file: Path, as_json: bool) -> Desk:
    """Raises Misconfigured with every mistake."""
    return Desk(config.load(config_file), as_json)


def print_json(facts: object) -> None:
    sys.stdout.write(dumps(facts).decode())


def say(text: str, *, style: str = "") -> None:
    """A line for a person, as it is (no markup in it is obeyed)."""
    out.print(escape(text), style=style, soft_wrap=True)


def now() -> datetime:
    return datetime.now(UTC)


def who() -> str:
    """The person at the keyboard: ``$SUDO_USER`` where there is one, else the login name."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


# -- the store, read-only ----------------------------------------------------------------------------------------


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Readers]:
    """The store, opened read-only; the bridge may be running or not. Raises NotFound, BridgeError."""
    path = settings.store.path
    if not path.exists():
        raise NotFound(f"there is no store at {path} yet; start the bridge once: bcbridge run")
    readers = Readers(path, count=1)
    await readers.start()
    try:
        await _same_schema(readers, path)
        yield readers
    finally:
        await readers.close()


async def _same_schema(readers: Readers, path: Path) -> None:
    row = await readers.row("PRAGMA user_version")
    if row is None or row[0] != len(steps()):
        raise BridgeError(f"{path.name} was written by another version of bcbridge; start this one once: bcbridge run")


def read(settings: Settings, look: Callable[[Reads], Coroutine[Any, Any, T]]) -> T:
    """Run one look at the store."""
    return anyio.run(partial(_read, settings, look))


async def _read(settings: Settings, look: Callable[[Reads], Coroutine[Any, Any, T]]) -> T:
    try:
        async with reading(settings) as readers:
            return await look(readers)
    except sqlite3.Error as fault:
        raise BridgeError(f"the store cannot be read: {fault}") from None


async def the_order(reads: Reads, text: str) -> Candidate:
    """The one order that ``text`` means. Raises NotFound, Ambiguous."""
    found = await find_order(reads, text)
    if not found:
        raise NotFound(f"no order answers to {text} (a name, an id, a reference or an ERP number)")
    if len(found) > 1:
        raise Ambiguous(text, found)
    return found[0]


# -- the bridge, through its socket ------------------------------------------------------------------------------


def act(settings: Settings, name: str, ask: dict[str, object], *, within: float = ACT_WITHIN_SECONDS) -> ActResult:
    """Have the running bridge do it. Raises NotRunning, NotFound, BridgeError with the bridge's own words."""
    answer = _call(settings, "POST", f"/acts/{name}", ask, within=within)
    if answer.status_code == 200:
        return ActResult.model_validate_json(answer.content)
    text = _error(answer)
    raise NotFound(text) if answer.status_code == 404 else BridgeError(text)


def ask_ready(settings: Settings) -> dict[str, Any]:
    """What ``/ready`` of the running bridge says. Raises NotRunning."""
    said: dict[str, Any] = _call(settings, "GET", "/ready", None).json()
    return said


def _call(
    settings: Settings, method: str, path: str, ask: dict[str, object] | None, *, within: float = ACT_WITHIN_SECONDS
) -> httpx.Response:
    if not _listens(settings.web.socket):
        start = f"bcbridge run --config {settings.file}"
        raise NotRunning(f"the bridge is not running (nobody on {settings.web.socket}); start it: {start}")
    transport = httpx.HTTPTransport(uds=str(settings.web.socket))
    try:
        with httpx.Client(transport=transport, base_url="http://bcbridge", timeout=within) as client:
            return client.request(method, path, json=ask)
    except httpx.HTTPError as fault:
        raise BridgeError(f"the bridge did not answer ({type(fault).__name__}); look before doing it again") from None


def is_running(settings: Settings) -> bool:
    return _listens(settings.web.socket)


def _listens(path: Path) -> bool:
    """A killed bridge leaves its socket's file behind; only a connection shows that somebody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(ACT_WITHIN_SECONDS)
        try:
            knock.connect(str(path))
        except OSError:
            return False
    return True


def _error(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the bridge answered {answer.status_code}"
