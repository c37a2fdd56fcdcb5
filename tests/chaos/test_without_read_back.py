"""The proof's own proof: a run that could not report a double would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.__main__ import chaos
from tests.chaos.plan import Plan

pytestmark = [pytest.mark.timeout(540), pytest.mark.slow]


def test_with_the_read_back_taken_out_doubles_are_reported(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    plan = Plan(
        orders=60,
        seed=int(request.config.getoption("--seed")),
        kills=1,
        random_kills=0,
        refused=0,
        disk_fulls=0,
        deadline_minutes=3,
        read_back=False,
        erp_faults={"answer_lost": 0.15, "error_500_after": 0.1},
        shop_faults={},
    )
    outcome = chaos(plan, tmp_path)
    assert outcome.verdict["doubled"] > 0, outcome.failures()
    assert any("doubled" in failure for failure in outcome.failures())
