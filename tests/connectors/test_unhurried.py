"""What is called in no hurry gives way to everybody else, whatever it would be by itself."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from bcbridge.connectors.budget import Budget, Share, in_force, unhurried


@pytest.mark.parametrize("share", list(Share))
def test_every_share_counts_as_bulk_within_and_as_itself_after(share: Share) -> None:
    with unhurried():
        assert in_force(share) is Share.BULK
        with unhurried():
            assert in_force(share) is Share.BULK
        assert in_force(share) is Share.BULK
    assert in_force(share) is share


async def test_a_read_back_in_no_hurry_waits_behind_orders() -> None:
    budget, went = Budget(per_minute=60_000, concurrency=1), list[str]()

    async def call(name: str) -> None:
        async with budget.turn(Share.READ_BACK):
            went.append(name)

    async def slowly(name: str) -> None:
        with unhurried():
            await call(name)

    async with anyio.create_task_group() as tasks, budget.turn():
        for number in range(3):
            tasks.start_soon(slowly, f"slow {number}")
        for number in range(6):
            tasks.start_soon(call, f"quick {number}")
        while budget.waiting < 9:
            await anyio.lowlevel.checkpoint()
    assert went.index("slow 1") > went.index("quick 3")
    assert sorted(went) == sorted([f"slow {n}" for n in range(3)] + [f"quick {n}" for n in range(6)])
