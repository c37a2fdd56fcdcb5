"""Money of a simulated shop is taken once when everything left, whatever becomes of a call: the flow over the room, a
real memory and the shop's server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from bcbridge.connectors.base import Dispatches
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.dispatches.story import DISPATCHES, Dispatching
from bcbridge.mappings import Mappings
from bcbridge.model.ids import ConnectorName, Ref, Upc
from bcbridge.model.work import Again, Done, Job, Verdict
from bcbridge.store import dispatching
from bcbridge.store.db import Store
from bcbridge.store.dispatching import DispatchMemory
from bcbridge.store.stamps import stamp
from tests.connectors.shopify.shops import World, a_shop
from tests.connectors.shopify.test_captures import ONE, moved, sold
from tests.flows.dispatches.test_owed import PART, shipment
from tests.flows.dispatches.test_story import BEGIN, Clock
from tests.stores import empty_store

DOUBT = timedelta(seconds=60)
AT = stamp(BEGIN)
BOOKED = """
INSERT INTO orders (id, connector, ref, state, since, first_seen, payment)
VALUES (1, 'shop', :ref, 'booked', :at, :at, 'authorised');
"""
ROWS = """
INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces) VALUES (:part, 1, 1, :line, :upc, 3)
"""
DOCUMENT = """
INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at)
VALUES ('erp.orders', 1, 1, 1, 1, :part, x'00', '', 'posted', :at)
"""
LEAVING = """
INSERT INTO leaving (reference, order_id, connector, warehouse, pieces, posted_at)
VALUES (:part, 1, 'shop', 'NJ1', 3, :at)
"""
UPC = Upc(ONE.sku.upc)


@dataclass
class Scene:
    """Three pieces, authorised; bcbridge asks for the money of cards."""

    world: World
    store: Store
    ref: Ref
    clock: Clock

    async def left(self, number: str, pieces: int) -> None:
        parcel = shipment(number, (UPC, pieces), tracks=[number])
        await self.store.write(lambda tx: dispatching.keep(tx, "erp", [parcel], now=self.clock.now()))

    async def round(self) -> Verdict:
        """As a process that has just started makes it."""
        flow = Dispatching(
            channel=ConnectorName("shop"),
            sink=cast(Dispatches, self.world.room.dispatches),
            memory=DispatchMemory(self.store, "shop", self.clock.now),
            settings=DispatchSettings(doubt_seconds=DOUBT.total_seconds(), captures={"shopify_payments": "bridge"}),
            mappings=Mappings,
            now=self.clock.now,
            captures=self.world.room.captures,
        )
        ended: list[Verdict] = []

        async def settle(job: Job, verdict: Verdict) -> None:
            ended.append(verdict)

        await flow.handle([Job(1, DISPATCHES, "shop", self.ref, "k", 0, None, self.clock.at, 1, 0)], settle)
        return ended[0]

    async def done(self) -> Verdict:
        for _ in range(10):
            verdict = await self.round()
            if isinstance(verdict, Done):
                return verdict
            self.clock.at += verdict.after
        raise AssertionError(f"not done: {verdict}")


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with a_shop(folder / "shop") as world, Store(empty_store(folder / "store.db")).opened() as store:
        ref = await sold(world)
        order = await world.read(ref)
        given = {"ref": ref, "at": AT, "part": PART, "line": order.lines[0].ref, "upc": UPC}
        for statement in (BOOKED, DOCUMENT, ROWS, LEAVING):
            await store.write(lambda tx, one=statement: tx.execute(one, given))  # type: ignore[misc]
        yield Scene(world, store, ref, Clock())


@pytest.mark.parametrize("fault", ["", "capture_call_lost", "capture_answer_lost"])
async def test_it_is_taken_once_when_all_is_shown_as_left(tmp_path: Path, fault: str) -> None:
    async with scene(tmp_path) as here:
        await here.left("I1", 2)
        assert await here.done() == Done("told")
        await here.left("I2", 1)
        assert isinstance(await here.round(), Again)
        assert await moved(here.world, here.ref) == [("AUTHORIZATION", "SUCCESS")]
        if fault:
            await here.world.fault(once={fault: 1})
        for _ in range(3):
            assert await here.done() == Done("told")
        assert await moved(here.world, here.ref) == [("AUTHORIZATION", "SUCCESS"), ("CAPTURE", "SUCCESS")]
        assert (await here.world.read(here.ref)).payment == "paid"


async def test_a_card_that_is_declined_is_a_persons_and_not_tried_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        await here.left("I1", 3)
        await here.world.fault(once={"capture_declined": 1})
        for _ in range(3):
            assert await here.done() == Done("blocked")
            here.clock.at += 2 * DOUBT
        assert await moved(here.world, here.ref) == [("AUTHORIZATION", "SUCCESS"), ("CAPTURE", "FAILURE")]
