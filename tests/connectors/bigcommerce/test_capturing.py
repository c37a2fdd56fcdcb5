"""Money of a simulated store is taken once when everything left, whatever becomes of a call: the flow over the room, a
real memory and the store's server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.dispatches.story import Dispatching
from bcbridge.model.work import Again, Done
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.connectors.bigcommerce.test_captures import contract, ended
from tests.connectors.bigcommerce.test_dispatches import ONE, a_shop
from tests.connectors.bigcommerce.test_dispatching import BEGIN, DOUBT, FIRST, Scene, book
from tests.flows.dispatches.test_owed import PART
from tests.stores import empty_store

__all__ = ["contract"]  # what every word is held against

LEAVING = f"""
INSERT INTO leaving (reference, order_id, connector, warehouse, pieces, posted_at)
VALUES ('{PART}', 1, 'bc', 'NJ1', 2, '{stamp(BEGIN)}')
"""


class Paid(Scene):
    """Two pieces, authorised; bcbridge asks for the money of every gateway."""

    def flow(self) -> Dispatching:
        flow = super().flow()
        flow.settings = DispatchSettings(doubt_seconds=DOUBT.total_seconds(), captures={"*": "bridge"})
        flow.captures = self.world.room.captures
        return flow

    async def money(self) -> list[tuple[str, str]]:
        order = await ended(self.world, self.ref)
        return [(one["event"], one["status"]) for one in order["transactions"]]


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Paid]:
    async with a_shop(folder / "shop") as world, Store(empty_store(folder / "store.db")).opened() as store:
        ref = await world.place(lines=[ONE | {"quantity": 2}], payment="authorized")
        (order,) = await world.read(ref)
        await store.write(lambda tx: book(tx, order))
        await store.write(lambda tx: tx.execute(LEAVING))
        await store.write(lambda tx: tx.execute("UPDATE orders SET payment = 'authorised'"))
        yield Paid(world, store, ref, order)


@pytest.mark.parametrize("fault", ["", "capture_call_lost", "capture_answer_lost"])
async def test_it_is_taken_once_when_all_is_shown_as_left(tmp_path: Path, fault: str) -> None:
    async with scene(tmp_path) as here:
        await here.left("I1", (FIRST, 1), tracks=["A"])
        await here.told()
        await here.left("I2", (FIRST, 1), tracks=["B"], day=2)
        assert isinstance(await here.round(), Again)
        assert await here.money() == [("authorization", "ok")]
        if fault:
            await here.world.faults(once={fault: 1})
        await here.told()
        assert await here.money() == [("authorization", "ok"), ("capture", "ok")]
        assert (await here.shown())["status_id"] == 2


async def test_a_card_that_is_declined_is_a_persons_and_not_tried_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        await here.left("I1", (FIRST, 2))
        await here.world.faults(once={"capture_declined": 1})
        await here.round()
        assert await here.round() == Done("told")
        for _ in range(2):
            assert await here.money() == [("authorization", "ok"), ("capture", "error")]
            here.at += 2 * DOUBT
            assert await here.round() == Done("blocked")
        assert await here.problems() == ["capture_not_shown"]
