"""The sandbox beside the bridge: a process of its own, so that the outside world stands when the bridge falls.

The one already running on the same folder is used and left alone; one that we started ends with us.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bcbridge.config import Connection, Settings
from bcbridge.errors import BridgeError

ANSWERS_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 15.0
LOOK_EVERY_SECONDS = 0.1
ASK_SECONDS = 5.0
LOG_TAIL_LINES = 8


class SandboxFault(BridgeError):
    """The sandbox cannot be had; the message says what stands in the way."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that answers. ``addresses``: by connection name."""

    addresses: Mapping[str, str]
    ours: bool
    """Whether we started it and shall end it."""


def simulated(settings: Settings) -> list[Connection]:
    """The enabled connections that the sandbox stands in for; none where it is switched off."""
    if not settings.sandbox.enabled:
        return []
    return [connection for connection in settings.enabled if connection.on_loopback]


@contextmanager
def beside(settings: Settings, *, fresh: bool = False) -> Iterator[Sandbox | None]:
    """A sandbox that answers while inside; None where no connection wants one. Raises SandboxFault.

    ``fresh``: its world begins anew.
    """
    wanted = simulated(settings)
    if not wanted:
        yield None
        return
    addresses = {connection.name: connection.origin for connection in wanted}
    there = _all_there(settings, wanted)
    desk = {"alerts": f"http://127.0.0.1:{settings.sandbox.alerts.slack_port}"}
    if there and fresh and _end_orphan(settings, wanted):
        there = False
    if there:
        if fresh:
            _reset({**addresses, **desk})
        yield Sandbox(addresses, ours=False)
        return
    process = _start(settings, wanted, fresh=fresh)
    try:
        _until_answering(settings, wanted, process)
        yield Sandbox(addresses, ours=True)
    finally:
        _end(process)


def _all_there(settings: Settings, wanted: list[Connection]) -> bool:
    """Whether a sandbox on our folder answers for each; a port that somebody else holds is a fault."""
    there = [_is_ours(settings, connection) for connection in wanted]
    if any(there) and not all(there):
        silent = next(one.origin for one, answers in zip(wanted, there, strict=True) if not answers)
        raise SandboxFault(f"a sandbox runs on {settings.sandbox.folder}, but not at {silent}; end it and start again")
    return all(there)


def _is_ours(settings: Settings, connection: Connection) -> bool:
    try:
        answer = httpx.get(f"{connection.origin}/_sandbox/", timeout=ASK_SECONDS, trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.HTTPError as fault:
        raise SandboxFault(_taken(connection, f"it does not speak HTTP as expected ({type(fault).__name__})")) from None
    said = _said(answer)
    if not said.get("sandbox"):
        raise SandboxFault(_taken(connection, "it is no sandbox"))
    folder, whole = Path(str(said.get("folder", ""))).resolve(), settings.sandbox.folder.resolve()
    if whole not in (folder, folder.parent):  # a second system of a kind has a folder of its own in there
        raise SandboxFault(_taken(connection, f"it is the sandbox of {said.get('folder')}, process {said.get('pid')}"))
    return True


def _said(answer: httpx.Response) -> Mapping[str, object]:
    try:
        said = answer.json() if answer.status_code == 200 else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _taken(connection: Connection, why: str) -> str:
    return (
        f"something else answers at {connection.origin}, where connections.{connection.name} expects the sandbox: "
        f"{why}. End it, or give the connection another port in config.toml"
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A system that the sandbox is to run, under the name it has there."""

    name: str
    kind: str
    port: int


def systems(connections: list[Connection]) -> list[Wanted]:
    """One for each address. The first of a kind is called by its kind there, and so are its credentials' files; any
    more by the name of their connection."""
    first_of_kind: dict[str, str] = {}
    found: dict[str, Wanted] = {}
    for connection in connections:
        first = first_of_kind.setdefault(connection.kind, connection.origin)
        name = connection.kind if first == connection.origin else connection.name
        found.setdefault(connection.origin, Wanted(name, connection.kind, urlsplit(connection.address).port or 80))
    return list(found.values())


def arguments(settings: Settings, connections: list[Connection]) -> list[str]:
    """Of ``python -m bcbridge.sandbox.main``. Raises SandboxFault where a kind cannot be simulated."""
    sandbox = settings.sandbox
    chosen = ["--dir", str(sandbox.folder)]
    chosen += ["--slack-port", str(sandbox.alerts.slack_port), "--smtp-port", str(sandbox.alerts.smtp_port)]
    for one in systems(connections):
        chosen += ["--serve", f"{one.name}:{one.kind}={one.port}"]
        for setting, value in sandbox.of(one.kind).items():
            chosen += ["--set", f"{one.name}.{setting}={value}"]
    return chosen


def _mark_path(settings: Settings) -> Path:
    """Says which sandbox was started by a bridge: if that one was killed, its sandbox is an orphan."""
    return settings.sandbox.folder / "beside.pid"


def _log_path(settings: Settings) -> Path:
    return settings.sandbox.folder / "sandbox.log"


def _start(settings: Settings, wanted: list[Connection], *, fresh: bool) -> subprocess.Popen[bytes]:
    settings.sandbox.folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "bcbridge.sandbox.main",
        *arguments(settings, wanted),
        *(["--fresh"] if fresh else []),
    ]
    with _log_path(settings).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _mark_path(settings).write_text(str(process.pid))
    return process


def _until_answering(settings: Settings, wanted: list[Connection], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SandboxFault(f"the sandbox ended at once (status {process.returncode}):\n{_tail(settings)}")
        if all(_is_ours(settings, connection) for connection in wanted):
            return
        time.sleep(LOOK_EVERY_SECONDS)
    raise SandboxFault(f"the sandbox does not answer; its log is {_log_path(settings)}:\n{_tail(settings)}")


def _tail(settings: Settings) -> str:
    try:
        lines = _log_path(settings).read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(ENDS_WITHIN_SECONDS)


def _end_orphan(settings: Settings, wanted: list[Connection]) -> bool:
    """End a sandbox that a killed bridge left behind, so that a new one sells anew; False for any other."""
    try:
        left_behind = int(_mark_path(settings).read_text())
    except (OSError, ValueError):
        return False
    if {_pid(connection) for connection in wanted} != {left_behind}:
        return False
    os.kill(left_behind, signal.SIGTERM)
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    while any(_is_held(connection) for connection in wanted):
        if time.monotonic() > deadline:
            raise SandboxFault(f"the sandbox left behind by another bridge (process {left_behind}) does not end")
        time.sleep(LOOK_EVERY_SECONDS)
    return True


def _is_held(connection: Connection) -> bool:
    """Whether anybody takes calls there; who hangs up in the middle of one is on the way out, and not gone yet."""
    try:
        httpx.get(f"{connection.origin}/_sandbox/", timeout=ASK_SECONDS, trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.HTTPError:
        return True
    return True


def _pid(connection: Connection) -> object:
    answer = httpx.get(f"{connection.origin}/_sandbox/", timeout=ASK_SECONDS, trust_env=False)
    return _said(answer).get("pid")


def _reset(addresses: Mapping[str, str]) -> None:
    for name, address in addresses.items():
        try:
            answer = httpx.post(f"{address}/_sandbox/reset", content=json.dumps({}), timeout=60.0, trust_env=False)
            answer.raise_for_status()
        except httpx.HTTPError as fault:
            raise SandboxFault(f"the sandbox behind {name} could not be reset: {fault}") from None
