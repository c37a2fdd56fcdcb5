"""What a census remembers between passes, and that a large one lets others have their turn."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from bcbridge.connectors.bluecherry.census import BREATH, Census


async def test_half_a_million_rows_are_taken_over_while_others_go_on() -> None:
    census, turns = Census(), 0
    for first in range(0, 5 * BREATH, 250):
        census.note(range(first, first + 250), {None}, empty=False)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        await census.again()
        tasks.cancel_scope.cancel()
    assert turns >= 5
    census.note(range(250), {None}, empty=False)
    census.note(range(5 * BREATH - 250, 5 * BREATH), {None}, empty=False)
    assert census.settled()


async def test_a_row_that_no_pass_before_has_met_asks_for_another_pass() -> None:
    census = Census()
    census.note(range(250), {None}, empty=False)
    census.note(range(250, 500), {None}, empty=False)
    await census.again()
    census.note(range(250), {None}, empty=False)
    census.note([*range(250, 499), 7_777], {None}, empty=False)
    assert not census.settled()
    await census.again()
    census.note(range(250), {None}, empty=False)
    census.note([*range(250, 499), 7_777], {None}, empty=False)
    assert census.settled()
