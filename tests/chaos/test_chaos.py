"""The proof, short: some hundred orders under everything that ``make chaos`` does; its own proof lies beside it.

The long one is ``make chaos``; ``docs/proof.md`` says what is claimed and how it is judged.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.__main__ import chaos
from tests.chaos.plan import Plan
from tests.e2e.world import ROOT, environment, until

pytestmark = [pytest.mark.timeout(540), pytest.mark.slow]


def seed_of(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))


def test_under_everything_at_once_no_order_is_lost_or_doubled_and_nobody_is_named(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = Plan(
        orders=180,
        seed=seed_of(request),
        kills=1,
        random_kills=2,
        refused=1,
        disk_fulls=1,
        disk_full_seconds=1.5,
        deadline_minutes=7,
    ).in_short()
    outcome = chaos(plan, tmp_path)
    assert outcome.failures() == [], dict(outcome.verdict.said)
    assert outcome.leaks == []
    assert outcome.verdict["blocked"] > 0, "nothing was unbookable: a run over good orders alone proves little"


def test_broken_off_by_a_person_it_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--orders", "500", "--keep", str(tmp_path)]
    driver = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: len(children(driver.pid)) == 2, 90, "the outside and the daemon run")
        ours = children(driver.pid)
        driver.send_signal(signal.SIGINT)
        said, _ = driver.communicate(timeout=60)
        assert driver.returncode == 130, said.decode()
        assert not any(alive(pid) for pid in ours)
    finally:
        driver.kill()
        driver.wait(10)


def children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
