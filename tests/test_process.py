"""The bridge as a process without a single connection: its doors, who acted at them, and what it leaves in its log."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.world import environment, free_ports, until

UP_WITHIN_SECONDS = 60.0
READING, ACTING = "reading-" * 4, "acting-canary-" * 3

CONFIG = """
[web]
host = "{host}"
port = {web}
[web.admin]
enabled = true
port = {admin}
[[web.admin.tokens]]
name = "grafana"
role = "read"
token = "credential:grafana"
[[web.admin.tokens]]
name = "night-shift"
role = "act"
token = "credential:night"
"""


@dataclass
class Bridge:
    folder: Path
    web: int
    admin: int
    process: subprocess.Popen[bytes]

    def get(self, port: int, path: str, token: str = "") -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{port}{path}", headers=bearer(token), trust_env=False)

    def act(self, name: str, ask: Mapping[str, object], token: str) -> httpx.Response:
        address = f"http://127.0.0.1:{self.admin}/acts/{name}"
        return httpx.post(address, json=ask, headers=bearer(token), trust_env=False, timeout=30)

    def is_up(self) -> bool:
        try:
            return self.get(self.web, "/health").status_code == 200
        except httpx.HTTPError:
            return False

    def told(self, *command: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "bcbridge.cli", *command, "--json"],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def bridge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bridge]:
    web, admin = free_ports(2)
    (tmp_path / "config.toml").write_text(CONFIG.format(host=request.param, web=web, admin=admin))
    (tmp_path / "mappings").mkdir()
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "grafana").write_text(READING)
    (secrets / "night").write_text(ACTING)
    command = [sys.executable, "-m", "bcbridge.cli", "run", "--no-live"]
    env = {**environment(), "CREDENTIALS_DIRECTORY": str(secrets)}
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=out, stderr=out)
    try:
        one = Bridge(tmp_path, web, admin, process)
        until(one.is_up, UP_WITHIN_SECONDS, "it is up", tell=lambda: (tmp_path / "out").read_text())
        yield one
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (tmp_path / "out").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def test_who_acts_with_a_token_is_written_down_with_before_and_after(bridge: Bridge) -> None:
    ask = {"table": "ship_via", "key": "Overnight", "value": "FXO", "who": "mallory"}
    assert bridge.act("set_mapping", ask, READING).status_code == 403
    assert bridge.act("set_mapping", ask, "").status_code == 401
    for value in ("FXO", "UPG"):
        assert bridge.act("set_mapping", {**ask, "value": value}, ACTING).status_code == 200
    acts = [(one["who"], one["target"], one["before"], one["after"]) for one in bridge.told("acts")]
    target = "ship_via.default.Overnight"
    assert acts == [("night-shift", target, "FXO", "UPG"), ("night-shift", target, None, "FXO")]
    shown = bridge.get(bridge.admin, "/acts", READING).json()
    assert [one["who"] for one in shown] == ["night-shift", "night-shift"]
    said = (bridge.folder / "out").read_text()
    for secret in (READING, ACTING):
        assert secret not in said
        assert secret not in (Path("/proc") / str(bridge.process.pid) / "cmdline").read_text()


def test_figures_are_shown_to_this_machine_or_to_a_token(bridge: Bridge) -> None:
    on_loopback = '"127.0.0.1"' in (bridge.folder / "config.toml").read_text().splitlines()[2]
    for path in ("/ready", "/metrics"):
        assert bridge.get(bridge.web, path).status_code == (200 if on_loopback else 404)
        assert bridge.get(bridge.admin, path).status_code == 401
        assert bridge.get(bridge.admin, path, READING).status_code == 200
    assert bridge.get(bridge.web, "/acts").status_code == 404


def test_aborted_by_a_watchdog_it_says_where_each_thread_stood_and_no_value(bridge: Bridge) -> None:
    bridge.act("set_mapping", {"table": "ship_via", "key": "Canary", "value": "FXO"}, ACTING)
    bridge.process.send_signal(signal.SIGABRT)
    assert bridge.process.wait(30) == -signal.SIGABRT
    said = (bridge.folder / "out").read_text()
    assert "Fatal Python error: Aborted" in said
    assert "store/db.py" in said, "the store's writer is among them"
    for word in ("Canary", READING, ACTING):
        assert word not in said
