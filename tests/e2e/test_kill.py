"""Exactly once under SIGKILL: the real process dies at each named step, each time on a new order.

The sandbox's books are the judge. ``--kills N`` sets how often each step is met (once by default; the long run takes
20), ``--seed`` repeats a run. With the read-back and its evidence taken out by the test's own wiring, the same run
must report doubles: a proof that cannot fail proves nothing.
"""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from bcbridge.runtime.writer import STEPS
from tests.e2e.world import World, until, world

DIES_WITHIN_SECONDS = 60.0


def kill_once(one: World, step: str, *, seed: int, wiring: tuple[str, ...] = ()) -> None:
    """Start the bridge so that it dies at the step, sell a new order, wait until it is dead."""
    process = one.start_bridge("--die-at", step, *wiring)
    until(lambda: one.bridge_is_up() or process.poll() is not None, 60, "the bridge is up", tell=one.log_tail)
    one.sell(1, seed=seed, simple=True)
    until(lambda: process.poll() is not None, DIES_WITHIN_SECONDS, f"died at {step}", tell=one.log_tail)
    assert process.returncode == -signal.SIGKILL, one.log_tail()


@pytest.mark.timeout(600)
def test_a_kill_at_every_named_step_loses_and_doubles_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kills, seed = int(request.config.getoption("--kills")), int(request.config.getoption("--seed"))
    seed = seed or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}, {kills} kills at each of {len(STEPS)} steps")
    with world(tmp_path) as one:
        for turn in range(kills):
            for place, step in enumerate(STEPS):
                kill_once(one, step, seed=seed + 1000 * turn + 10 * place)
        one.start_bridge()
        one.sell_until_all_booked(seed=seed + 500_000)
        assert one.doubles() == {}
        assert one.missing() == set()
        assert len(one.booked()) == len(one.paid())
        assert one.events("found_by_read_back") >= kills
        assert one.stop_bridge() == 0


@pytest.mark.timeout(300)
def test_without_the_read_back_the_same_run_reports_doubles(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seed = int(request.config.getoption("--seed")) or random.SystemRandom().randrange(1, 10**6)
    with world(tmp_path) as one:
        for turn in range(3):
            kill_once(one, "after_acceptance", seed=seed + 10 * turn, wiring=("--without-read-back",))
        one.start_bridge("--without-read-back")
        until(lambda: bool(one.doubles()), 60, "a double", tell=one.log_tail)
