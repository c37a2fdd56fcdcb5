"""Ended, killed, restored, started twice: the bridge goes on from what it remembers, and doubts what it may not."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.world import World, environment, until, world

pytestmark = pytest.mark.timeout(300)

SHIRT = "040123000013"
PATIENCE_SECONDS = 90.0
LINE_FIELDS = ("came_in=", "booked=", "blocked=", "blocked_why=", "not_yet=", "oldest_waiting_seconds=", "slow=")


def books_agree(one: World) -> None:
    assert one.doubles() == {}
    assert one.judged().wrong == ()


def test_ended_politely_it_exits_0_and_goes_on_when_started_again(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell(40, seed=51, rate=20, simple=True)
        one.comes(lambda: len(one.booked()) > 5, "it is in the middle of it", within=PATIENCE_SECONDS)
        assert one.stop_bridge() == 0
        assert not one.rows("SELECT 1 FROM outbox WHERE state = 'sending'"), "drained: no call is under way"
        until(lambda: len(one.sold()) == 40, 60, "the shop goes on selling")
        one.run_bridge()
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
        assert one.incidents() == []


def test_everything_killed_at_once_goes_on_from_both_memories(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell(60, seed=52, rate=20, mixed=0.3, unbookable=0)
        one.comes(lambda: len(one.booked()) > 10, "it is in the middle of it", within=PATIENCE_SECONDS)
        for process in (one.bridge, one.sandbox):
            assert process is not None
            process.kill()
        for process in (one.bridge, one.sandbox):
            assert process is not None
            assert process.wait(10) == -signal.SIGKILL
        one.start_sandbox()
        one.run_bridge()
        one.comes(lambda: len(one.sold()) == 60, "the plan goes on", within=PATIENCE_SECONDS)
        one.comes(lambda: not one.unpaid(), "what happens later has happened", within=PATIENCE_SECONDS)
        one.sell_until_all_booked(seed=520)
        books_agree(one)


def test_an_older_copy_of_the_store_doubles_nothing_and_somebody_is_told(tmp_path: Path) -> None:
    """Worst of all: some of what the copy does not know was accepted, and is not posted yet."""
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell_all(4, seed=53, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        with stopped(one):
            shutil.copytree(one.folder / "var", one.folder / "copy", ignore=shutil.ignore_patterns("sandbox", "*.sock"))
        one.sell_all(4, seed=54, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        one.faults(one.erp, rates={"posting_stopped": 1})
        accepted = {one.order(lines=[{"sku": SHIRT}])["name"] for _ in range(3)}
        one.comes(lambda: accepted <= one.in_state("accepted"), "accepted, not posted", within=PATIENCE_SECONDS)
        with stopped(one):
            for leftover in one.store.parent.glob("bcbridge.db*"):
                leftover.unlink()
            for kept in (one.folder / "copy").glob("bcbridge.db*"):
                shutil.copy(kept, one.store.parent)
        one.comes(lambda: accepted <= one.in_state("in_doubt"), "it doubts what it forgot", within=PATIENCE_SECONDS)
        assert "unknown_reference" in one.incidents()
        one.faults(one.erp, clear=True)
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
        assert len([row for row in one.books(one.erp, "inbound") if row["body"]["altpo"] in accepted]) == 3


@contextmanager
def stopped(one: World) -> Iterator[None]:
    """The bridge, ended politely while inside, and started again."""
    assert one.stop_bridge() == 0
    yield
    one.run_bridge()


def test_a_second_bridge_on_the_same_store_is_refused_in_words(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        first = one.bridge
        assert first is not None
        second = one.start_bridge()
        one.bridge = first
        assert second.wait(60) != 0
        assert f"held by process {first.pid}" in one.log_tail()
        one.sell_all(2, seed=55, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)


def test_run_without_a_terminal_says_a_line_every_five_seconds_and_ends_with_its_sandbox(tmp_path: Path) -> None:
    one = World(tmp_path)
    command = [sys.executable, "-m", "bcbridge.cli", "run", "--no-live"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        said: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=said.extend, args=(iter(process.stdout.readline, ""),))
        reader.start()
        try:
            until(one.bridge_is_up, PATIENCE_SECONDS, "the bridge is up")
            one.sell_all(5, seed=56, simple=True)
            until(lambda: any("booked=5" in line for line in said), PATIENCE_SECONDS, "the lines say so")
            process.send_signal(signal.SIGINT)
            reader.join(PATIENCE_SECONDS)
        finally:
            process.kill() if reader.is_alive() else None
        assert process.wait(PATIENCE_SECONDS) == 0
    lines = [line for line in said if "came_in=" in line]
    assert len(lines) >= 2
    assert all(field in lines[-1] for field in LINE_FIELDS)
    assert not one.answers(one.erp), "the sandbox it started ended with it"
    assert any(f"{one.web}/metrics" in line for line in said), "where to look is said at the start"
