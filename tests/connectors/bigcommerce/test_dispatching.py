"""What left is told to a simulated store once, whatever becomes of a call: the flow over the room, a real memory and
the store's server."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.dispatches.story import DISPATCHES, Dispatching
from bcbridge.flows.orders.content import content_hash
from bcbridge.mappings import Carrier, Mappings
from bcbridge.model.ids import ConnectorName, Ref, Upc
from bcbridge.model.order import Order
from bcbridge.model.shipment import Shipment
from bcbridge.model.work import Again, Done, Job, Verdict
from bcbridge.store import dispatching
from bcbridge.store.db import Store
from bcbridge.store.dispatching import DispatchMemory
from bcbridge.store.stamps import stamp
from tests.conftest import contract_path
from tests.connectors.bigcommerce.answers import Json
from tests.connectors.bigcommerce.test_dispatches import ALBANY, BUNDLE, ONE, TWO, a_shop
from tests.connectors.bigcommerce.test_on_sandbox import World
from tests.flows.dispatches.test_owed import PART, shipment

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOUBT = timedelta(seconds=60)
FIRST, SECOND = Upc(str(ONE["sku"])), Upc(str(TWO["sku"]))
UPS = Mappings(tables={"carriers": {"bc": {"UPG": Carrier(company="ups")}}})


@dataclass
class Scene:
    world: World
    store: Store
    ref: Ref
    before: Order
    at: datetime = BEGIN
    verdicts: list[Verdict] = field(default_factory=list)

    def flow(self) -> Dispatching:
        """As a process that has just started has it."""
        return Dispatching(
            channel=ConnectorName("bc"),
            sink=self.world.room.dispatches,
            memory=DispatchMemory(self.store, "bc", self.now),
            settings=DispatchSettings(doubt_seconds=DOUBT.total_seconds()),
            mappings=lambda: UPS,
            now=self.now,
        )

    def now(self) -> datetime:
        return self.at

    async def left(self, number: str, *pieces: tuple[Upc, int], tracks: Sequence[str] = ("1Z",), day: int = 1) -> None:
        parcel = shipment(number, *pieces, tracks=tracks, day=day)
        await self.keep(parcel)

    async def keep(self, *shipments: Shipment) -> None:
        await self.store.write(lambda tx: dispatching.keep(tx, "erp", shipments, now=self.at))

    async def round(self) -> Verdict:
        job = Job(1, DISPATCHES, "bc", self.ref, "k", 0, None, self.at, 1, 0)

        async def settle(job: Job, verdict: Verdict) -> None:
            self.verdicts.append(verdict)

        await self.flow().handle([job], settle)
        return self.verdicts[-1]

    async def told(self) -> None:
        """Until it is all told; then looked at once more, which tells nothing."""
        for _ in range(12):
            verdict = await self.round()
            if isinstance(verdict, Done):
                assert verdict == Done("told"), await self.problems()
                assert await self.round() == Done("told")
                return
            self.at += verdict.after
        raise AssertionError(f"not done: {self.verdicts}")

    async def problems(self) -> list[str]:
        row = await self.store.read.row("SELECT problems FROM dispatched")
        return [one["code"] for one in orjson.loads(row["problems"])] if row else []

    async def shown(self) -> Json:
        return dict((await self.world.http.get(f"/_sandbox/orders/{self.ref}")).json())

    async def is_whole(self, *parcels: dict[Upc, int], status: int) -> None:
        """The store shows these parcels and no others, each with its mail, and the order is no other order."""
        order = await self.shown()
        upcs = {line["id"]: Upc(line["upc"]) for line in order["products"]}
        found = [
            Counter({upcs[item["order_product_id"]]: item["quantity"] for item in one["items"]})
            for one in order["shipments"]
        ]
        assert found == [Counter(parcel) for parcel in parcels]
        assert [one["shipment"] for one in order["_sandbox"]["mails"]] == [one["id"] for one in order["shipments"]]
        assert order["status_id"] == status
        (after,) = await self.world.read(self.ref)
        assert content_hash(after) == content_hash(self.before)


def book(tx: sqlite3.Connection, order: Order) -> None:
    """As one document, a row for each line."""
    at = stamp(BEGIN)
    tx.execute(
        "INSERT INTO orders (id, connector, ref, state, since, first_seen) VALUES (1, 'bc', ?, 'booked', ?, ?)",
        (order.ref, at, at),
    )
    tx.execute(
        "INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at)"
        " VALUES ('erp.orders', 1, 1, 1, 1, ?, x'00', '', 'posted', ?)",
        (PART, at),
    )
    rows = [(PART, at, 1, line.ref, line.sku, line.quantity) for at, line in enumerate(order.lines, start=1)]
    insert = "INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces) VALUES (?, ?, ?, ?, ?, ?)"
    tx.executemany(insert, rows)


@asynccontextmanager
async def a_scene(folder: Path, **order: Any) -> AsyncIterator[Scene]:
    contract_path("bigcommerce", "reference")
    async with a_shop(folder / "shop") as world, Store(folder / "store.db").opened() as store:
        ref = await world.place(**{"lines": [ONE | {"quantity": 3}, TWO], **order})
        (read,) = await world.read(ref)
        await store.write(lambda tx: book(tx, read))
        yield Scene(world, store, ref, read)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path) as scene:
        yield scene


async def test_what_leaves_in_parts_is_told_in_parts(here: Scene) -> None:
    await here.left("I1", (FIRST, 2), tracks=["1ZA", "1ZB"])
    await here.told()
    await here.is_whole({FIRST: 2}, status=3)
    await here.left("I2", (FIRST, 1), (SECOND, 1), tracks=["1ZC"], day=2)
    await here.told()
    await here.is_whole({FIRST: 2}, {FIRST: 1, SECOND: 1}, status=2)
    parcels = (await here.shown())["shipments"]
    assert [(one["tracking_number"], one["comments"], one["shipping_provider"]) for one in parcels] == [
        ("1ZA", "More parcels:\n1ZB", "ups"),
        ("1ZC", "", "ups"),
    ]


async def test_two_parcels_under_one_number_are_both_told(here: Scene) -> None:
    await here.left("I1", (FIRST, 1))
    await here.left("I2", (FIRST, 1), day=2)
    await here.told()
    await here.is_whole({FIRST: 1}, {FIRST: 1}, status=3)


@pytest.mark.parametrize("fault", ["fulfil_answer_lost", "fulfil_call_lost"])
async def test_a_call_without_an_answer_is_waited_for_and_told_once(here: Scene, fault: str) -> None:
    await here.world.faults(once={fault: 1})
    await here.left("I1", (FIRST, 1))
    verdict = await here.round()
    assert isinstance(verdict, Again)
    assert verdict.after >= DOUBT
    assert isinstance(await here.round(), Again), "nothing is repeated while it may still land"
    await here.left("I2", (FIRST, 1), day=2)
    await here.told()
    await here.is_whole({FIRST: 1}, {FIRST: 1}, status=3)


async def test_every_address_of_a_shipment_is_told(tmp_path: Path) -> None:
    lines = [ONE | {"quantity": 2}, TWO | {"to": 1}]
    async with a_scene(tmp_path, lines=lines, addresses=[ALBANY]) as here:
        await here.left("I1", (FIRST, 2), (SECOND, 1))
        await here.told()
        await here.is_whole({FIRST: 2}, {SECOND: 1}, status=2)


@pytest.mark.parametrize("fault", ["", "fulfil_answer_lost", "fulfil_call_lost"])
async def test_the_bundle_of_parts_that_left_is_finished_once(tmp_path: Path, fault: str) -> None:
    async with a_scene(tmp_path, lines=[BUNDLE]) as here:
        await here.left("I1", (FIRST, 2))
        await here.told()
        await here.left("I2", (SECOND, 1), day=2)
        assert isinstance(await here.round(), Again)  # the last part is told; the bundle is not yet
        if fault:
            await here.world.faults(once={fault: 1})
        await here.told()
        await here.is_whole({FIRST: 2}, {SECOND: 1}, {Upc(""): 1}, status=2)


async def test_what_left_of_an_order_that_is_disputed_is_a_persons(here: Scene) -> None:
    await here.world.happens(here.ref, "dispute")
    await here.left("I1", (FIRST, 1))
    assert await here.round() == Done("blocked")
    assert await here.problems() == ["dispatched_though_held"]
    assert (await here.shown())["shipments"] == []


async def test_a_shipment_that_somebody_took_back_is_not_told_again(here: Scene) -> None:
    await here.left("I1", (FIRST, 1))
    await here.told()
    (made,) = (await here.shown())["shipments"]
    path = f"/stores/abc123/v2/orders/{here.ref}/shipments/{made['id']}"
    (await here.world.http.delete(path, headers={"X-Auth-Token": "sandbox-token"})).raise_for_status()
    here.at += timedelta(hours=1)
    assert await here.round() == Done("blocked")
    assert await here.problems() == ["dispatch_taken_back"]
