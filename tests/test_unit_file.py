"""systemd/bcbridge.service: what systemd thinks of its hardening, and that it says what the bridge relies on."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from bcbridge.cli.common import MISCONFIGURED
from bcbridge.house import app

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "systemd/bcbridge.service"
EXPOSURE_AT_MOST = 2.0
"""systemd itself says OK below 5."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def said(name: str) -> list[str]:
    """Every value of a setting."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)


def analyse(*arguments: str) -> str:
    command = ["systemd-analyze", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_rates_its_hardening_ok() -> None:
    told = analyse("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for bcbridge\.service: ([\d.]+) (\w+)", told)
    assert found, told
    assert float(found[1]) <= EXPOSURE_AT_MOST
    assert found[2] in ("OK", "SAFE", "PERFECT")


@needs_systemd
def test_systemd_finds_no_mistake_in_it(tmp_path: Path) -> None:
    """With a program and a page that are there: theirs are not, before the installation."""
    for name in (program := said("ExecStart")[0].split()[0], page := said("Documentation")[0].removeprefix("file://")):
        (tmp_path / Path(name).name).touch(0o755)
    text = UNIT.read_text().replace(program, str(tmp_path / Path(program).name))
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(page, str(tmp_path / Path(page).name)))
    assert analyse("verify", "--man=no", str(copy)).strip() == ""


def test_it_waits_for_ready_and_watches() -> None:
    assert (said("Type"), said("NotifyAccess")) == (["notify"], ["main"])
    assert float(said("WatchdogSec")[0]) >= 30


def test_a_config_that_cannot_be_used_is_not_tried_again() -> None:
    assert said("Restart") == ["on-failure"]
    assert said("RestartPreventExitStatus") == [str(MISCONFIGURED)]
    assert int(said("StartLimitIntervalSec")[0]) > int(said("StartLimitBurst")[0]) * int(said("RestartSec")[0])


def test_a_drain_has_the_time_it_needs() -> None:
    assert float(said("TimeoutStopSec")[0]) > app.DRAIN_SECONDS


def test_no_secret_is_handed_over_where_ps_shows_it() -> None:
    assert said("Environment") == []
    assert "--" not in said("ExecStart")[0].partition(" --config ")[2]


def test_what_the_page_of_installation_writes_lies_in_the_state_directory() -> None:
    page = (ROOT / "docs/install.md").read_text()
    (block,) = [one for one in re.findall(r"```toml\n(.*?)```", page, re.S) if "[store]" in one]
    settings = tomllib.loads(block)
    state = [Path("/var/lib") / one for one in said("StateDirectory")[0].split()]
    assert Path(settings["store"]["path"]).parent == Path(settings["web"]["socket"]).parent == state[0]
    assert Path(settings["mappings"]["folder"]) == state[1]


def test_the_credentials_that_are_shown_are_one_line_for_each_file() -> None:
    shown = re.findall(r"^#LoadCredential=(\w+):/etc/bcbridge/secrets/(\w+)$", UNIT.read_text(), re.M)
    assert shown
    assert all(one == other for one, other in shown)
