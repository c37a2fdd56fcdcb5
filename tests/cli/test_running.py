"""``bcbridge run`` as a person starts it: a real process, with a real sandbox beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED_PORTS = ("8080", "9101", "9102", "9103", "9104", "9109", "9125")
WITHIN_SECONDS = 60.0


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped config and mappings in a folder of their own, on free ports."""
    free = dict(zip(SHIPPED_PORTS, map(str, free_ports(len(SHIPPED_PORTS))), strict=True))
    text = (REPOSITORY / "config.toml").read_text()
    text = re.sub("|".join(SHIPPED_PORTS), lambda shipped: free[shipped[0]], text)  # all at once: 9101 may become 49102
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "mappings").symlink_to(REPOSITORY / "mappings")
    return tmp_path


class Bridge:
    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "bcbridge.cli", "run", *arguments]
        self.folder = folder
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def wait_for(self, *words: str) -> str:
        """The first line that says all of them."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + WITHIN_SECONDS
        for line in self.process.stdout:
            if all(word in line for word in words):
                return line
            assert time.monotonic() < deadline, f"no line with {words}"
        raise AssertionError(f"ended without a line with {words}: {self.process.communicate()[1]}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=WITHIN_SECONDS)
        return self.process.returncode


@pytest.fixture
def bridge(folder: Path) -> Iterator[Bridge]:
    started = Bridge(folder)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate()
    end_sandbox(folder)


def end_sandbox(folder: Path) -> None:
    """Of a bridge that was killed: by its own pid."""
    told = folder / "var/sandbox/sandbox.json"
    if told.exists():
        try:
            os.kill(json.loads(told.read_text())["pid"], signal.SIGTERM)
        except ProcessLookupError:
            return


def sandbox_answers(folder: Path) -> bool:
    urls = json.loads((folder / "var/sandbox/sandbox.json").read_text())["urls"]
    try:
        return httpx.get(f"{urls['shopify']}/_sandbox/", trust_env=False, timeout=5).status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_to_look_shows_its_work_and_drains_to_0(bridge: Bridge, number: signal.Signals) -> None:
    for name in ("health", "metrics", "sandbox"):
        bridge.wait_for(name, "http://127.0.0.1:")
    bridge.wait_for("came_in=", "booked=", "blocked=", "oldest_waiting=", "bluecherry.slow=")
    assert sandbox_answers(bridge.folder)
    assert bridge.end(number) == 0
    assert not sandbox_answers(bridge.folder)


def test_a_killed_bridge_leaves_the_outside_standing_and_the_next_one_uses_it(bridge: Bridge) -> None:
    bridge.wait_for("came_in=")
    bridge.end(signal.SIGKILL)
    assert sandbox_answers(bridge.folder)
    again = Bridge(bridge.folder)
    again.wait_for("came_in=")
    assert again.end() == 0
    assert sandbox_answers(bridge.folder), "it was not ours to end"


def test_fresh_ends_the_sandbox_that_a_killed_bridge_left_and_sells_anew(bridge: Bridge) -> None:
    bridge.wait_for("came_in=")
    bridge.end(signal.SIGKILL)
    left_behind = json.loads((bridge.folder / "var/sandbox/sandbox.json").read_text())["pid"]
    again = Bridge(bridge.folder, "--fresh")
    again.wait_for("came_in=")
    assert json.loads((bridge.folder / "var/sandbox/sandbox.json").read_text())["pid"] != left_behind
    assert again.end() == 0
    assert not sandbox_answers(bridge.folder)


def test_a_closed_terminal_ends_the_sandbox_too(bridge: Bridge) -> None:
    bridge.wait_for("came_in=")
    bridge.end(signal.SIGHUP)
    assert not sandbox_answers(bridge.folder)


def test_two_bridges_do_not_share_a_store(bridge: Bridge) -> None:
    bridge.wait_for("came_in=")
    second = Bridge(bridge.folder)
    _, said = second.process.communicate(timeout=WITHIN_SECONDS)
    assert second.process.returncode == 1
    assert f"held by process {bridge.process.pid}" in said
    assert sandbox_answers(bridge.folder)


def ended(folder: Path, *arguments: str) -> tuple[int, str]:
    process = Bridge(folder, *arguments).process
    _, said = process.communicate(timeout=WITHIN_SECONDS)
    return process.returncode, said


def test_fresh_is_refused_while_any_connection_is_production(folder: Path) -> None:
    file = folder / "config.toml"
    real = '\n[connections.shopify_eu]\nkind = "shopify"\nshop = "real.myshopify.com"\ncode = "EU"\ntoken = "env:T"\n'
    file.write_text(file.read_text() + real + "enabled = false\n")
    store = folder / "var/bcbridge.db"
    store.parent.mkdir()
    store.write_text("kept")
    code, said = ended(folder, "--fresh")
    assert code == 1
    assert "--fresh is refused: shopify_eu" in said
    assert store.read_text() == "kept"


def test_a_port_that_somebody_else_holds_is_named(folder: Path) -> None:
    text = (folder / "config.toml").read_text()
    port = int(text.partition('base_url = "http://127.0.0.1:')[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)) as somebody:
        somebody.listen()
        code, said = ended(folder)
    assert code == 1
    assert f"http://127.0.0.1:{port}" in said
    assert "connections.bluecherry" in said
