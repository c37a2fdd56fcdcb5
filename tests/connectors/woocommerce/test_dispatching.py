"""The whole way of what left: the flow, over a real store, tells the room, and that the sandbox's shop, whatever is
lost on the way. Every piece once, every parcel seen by the shopper once, the order completed once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.woocommerce.parcels import META
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.dispatches.story import DISPATCHES, Dispatching
from bcbridge.mappings import Mappings
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.shipment import Shipment
from bcbridge.model.work import Done, Job, Verdict
from bcbridge.store import dispatching
from bcbridge.store.db import Store
from bcbridge.store.dispatching import DispatchMemory
from bcbridge.store.stamps import stamp
from tests.connectors.woocommerce.shops import QUIET, World, a_shop
from tests.flows.dispatches.test_owed import PART, TEE, shipment

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOUBT = timedelta(seconds=60)
FIRST = (shipment("I1", (TEE, 1), tracks=["SAME"]), shipment("I2", (TEE, 1), tracks=["SAME"], day=2))
LAST = shipment("I3", (TEE, 2), tracks=["B"], day=3)
"""Of the four pieces of the order: two parcels under one number, and the rest."""
LOST, UNHEARD = "fulfil_call_lost", "fulfil_answer_lost"
FATES: tuple[list[str], ...] = ([], [UNHEARD], [LOST], [LOST, "", UNHEARD])

pytestmark = pytest.mark.contract


@dataclass
class Scene:
    world: World
    store: Store
    flow: Dispatching
    ref: Ref
    at: datetime = BEGIN

    async def left(self, *shipments: Shipment) -> None:
        await self.store.write(lambda tx: dispatching.keep(tx, "erp", shipments, now=self.at))

    async def round(self) -> Verdict:
        ended: list[Verdict] = []

        async def settle(job: Job, verdict: Verdict) -> None:
            ended.append(verdict)

        await self.flow.handle([Job(1, DISPATCHES, "shop", self.ref, "k", 0, None, self.at, 1, 0)], settle)
        return ended[0]

    async def until_done(self, fates: list[str]) -> Verdict:
        """``fates``: what befalls the first call of each of the first rounds, over and over."""
        lost = list(islice(cycle(fates), 6)) if fates else []
        for number in range(40):
            if number < len(lost) and lost[number]:
                await self.world.fault(once={lost[number]: 1})
            verdict = await self.round()
            if isinstance(verdict, Done):
                await self.world.fault(clear=True)
                return verdict
            self.at += verdict.after
        raise AssertionError(f"never done: {verdict}")

    async def books(self) -> dict[str, Any]:
        return dict((await self.world.http.get(f"/_sandbox/orders/{self.ref}")).json())


@asynccontextmanager
async def a_scene(folder: Path, way: str) -> AsyncIterator[Scene]:
    """An order of four pieces on one line, booked as one document."""
    plan = replace(QUIET, fulfillments=way == "fulfillments", shipment_tracking=way == "shipment_tracking")
    async with a_shop(folder / "shop", plan=plan) as world, Store(folder / "store.db").opened() as store:
        ref = await world.place(lines=[{"sku": str(TEE), "quantity": 4, "price": "28.00"}])
        (line,) = (await world.read(ref)).lines
        await store.write(partial(book, ref, line.ref))
        flow = Dispatching(
            channel=ConnectorName("shop"),
            sink=world.room.dispatches,
            memory=DispatchMemory(store, "shop", lambda: scene.at),
            settings=DispatchSettings(doubt_seconds=DOUBT.total_seconds()),
            mappings=Mappings,
            now=lambda: scene.at,
        )
        scene = Scene(world, store, flow, ref)
        yield scene


def book(ref: Ref, line: Ref, tx: sqlite3.Connection) -> None:
    at = stamp(BEGIN)
    order = "INSERT INTO orders (id, connector, ref, state, since, first_seen) VALUES (1, 'shop', ?, 'booked', ?, ?)"
    document = """
    INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at)
    VALUES ('erp.orders', 1, 1, 1, 1, ?, x'00', '', 'posted', ?)
    """
    tx.execute(order, (ref, at, at))
    tx.execute(document, (PART, at))
    rows = "INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces) VALUES (?, 1, 1, ?, ?, 4)"
    tx.execute(rows, (PART, line, TEE))


def pieces_told(books: dict[str, Any]) -> list[tuple[int, str]]:
    """Of each parcel, with its numbers, as the shop keeps it."""
    own = [{row["key"]: row["value"] for row in one["meta_data"]} for one in books.get("fulfillments", ())]
    kept: list[dict[str, Any]] = next((one["value"] for one in books["meta_data"] if one["key"] == META), [])
    return [(one["_items"][0]["qty"], one["_tracking_number"]) for one in own] + [
        (one["items"][0]["qty"], ",".join(one["numbers"])) for one in kept
    ]


def mailed(books: dict[str, Any]) -> list[str]:
    return [next(key for key in one if key != "at") for one in books["_sandbox"].get("mails", ())]


EACH = {"fulfillments": ["fulfillment"], "shipment_tracking": [], "note": ["note"]}


@pytest.mark.parametrize("way", EACH)
@pytest.mark.parametrize(
    "fates", FATES, ids=lambda fates: "-".join(one.split("_")[1] if one else "well" for one in fates)
)
async def test_every_piece_is_told_once_and_the_order_is_finished_once(
    tmp_path: Path, way: str, fates: list[str]
) -> None:
    async with a_scene(tmp_path, way) as scene:
        await scene.left(*FIRST)
        assert await scene.until_done(fates) == Done("told")
        part = await scene.books()
        assert (pieces_told(part), part["status"]) == ([(1, "SAME")] * 2, "processing")
        assert mailed(part) == EACH[way] * 2
        await scene.left(LAST)
        assert await scene.until_done(fates) == Done("told")
        assert await scene.round() == Done("told"), "looking again tells nothing again"
        whole = await scene.books()
        row = await scene.store.read.row("SELECT left, told, owed, problems FROM dispatched")
    assert (pieces_told(whole), whole["status"]) == ([(1, "SAME"), (1, "SAME"), (2, "B")], "completed")
    assert mailed(whole) == [*EACH[way] * 3, "status"]
    numbers = [one["tracking_number"] for one in whole.get("trackings", ())]
    assert numbers == (["SAME", "B"] if way == "shipment_tracking" else [])
    assert row is not None
    assert tuple(row) == (4, 4, 0, "[]")
