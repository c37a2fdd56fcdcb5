"""A notification is on disk before the answer, once, and then the lists are looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.errors import StoreBusy
from bcbridge.house.intake import LIST_FIRST, Intake
from bcbridge.model.documents import Notification, Trouble
from bcbridge.model.ids import Noun, Ref
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.runtime.kit import Clock, locked

ORDERS = Noun("orders")


@dataclass
class Door:
    store: Store
    clock: Clock
    intake: Intake
    woken: list[str] = field(default_factory=list)

    async def ring(self, delivery: str = "d1", **said: object) -> None:
        facts: dict[str, object] = {"topic": "orders/updated", "noun": ORDERS, "ref": Ref("1"), "modified": None}
        await self.intake.take("shop", Notification(delivery=delivery, **{**facts, **said}), "hash")  # type: ignore[arg-type]

    async def jobs(self) -> list[tuple[str, str, str | None]]:
        rows = await self.store.read.rows("SELECT ref, due_at, wanted FROM jobs ORDER BY id")
        return [tuple(row) for row in rows]

    async def deliveries(self) -> int:
        return len(await self.store.read.rows("SELECT 1 FROM deliveries"))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    clock, woken = Clock(), []
    async with Store(tmp_path / "bcbridge.db").opened() as store:
        intake = Intake(store, clock, {"orders": "orders"}, {"shop": lambda: woken.append("shop")})
        yield Door(store, clock, intake, woken)


async def test_it_is_on_disk_and_the_lists_are_woken(door: Door) -> None:
    await door.ring()
    assert await door.deliveries() == 1
    assert door.woken == ["shop"]


async def test_the_list_has_a_moment_before_the_record_is_fetched_by_its_ref(door: Door) -> None:
    at = door.clock() - timedelta(seconds=1)
    await door.ring(modified=at)
    assert await door.jobs() == [("1", stamp(door.clock() + LIST_FIRST), stamp(at))]


async def test_the_same_delivery_again_changes_nothing(door: Door) -> None:
    await door.ring()
    await door.store.write(lambda tx: tx.execute("UPDATE jobs SET state = 'done'"))
    await door.ring()
    assert await door.deliveries() == 1
    assert len(await door.jobs()) == 1
    assert door.woken == ["shop"]


async def test_many_about_one_order_are_one_job_as_new_as_the_newest(door: Door) -> None:
    stamps: list[datetime] = [door.clock() + timedelta(seconds=seconds) for seconds in (5, 9, 2)]
    for number, modified in enumerate(stamps):
        await door.ring(f"d{number}", modified=modified)
    assert [job[2] for job in await door.jobs()] == [stamp(stamps[1])]


async def test_a_deletion_is_looked_at_at_once(door: Door) -> None:
    await door.ring(gone=True)
    assert (await door.jobs())[0][1] == stamp(door.clock())


async def test_what_no_flow_handles_is_kept_and_makes_no_job(door: Door) -> None:
    await door.ring("d1", noun=Noun("products"))
    await door.ring("d2", noun=None, ref=None)
    assert await door.deliveries() == 2
    assert await door.jobs() == []


GONE = Trouble(code="webhook_owner_gone", text="the shop says woocommerce_rest_cannot_view")


async def stands(door: Door) -> list[tuple[str, str, int]]:
    rows = await door.store.read.rows("SELECT code, text, count FROM incidents WHERE closed_at IS NULL")
    return [tuple(row) for row in rows]


async def test_a_ring_in_trouble_is_an_incident_until_it_rings_without(door: Door) -> None:
    for _ in range(2):
        await door.ring("same", noun=None, ref=None, trouble=GONE)
    assert await stands(door) == [(GONE.code, GONE.text, 2)]
    assert door.woken == ["shop", "shop"]
    assert await door.jobs() == []
    await door.ring("d2")
    assert await stands(door) == []
    await door.ring("same", noun=None, ref=None, trouble=GONE)
    assert await stands(door) == [(GONE.code, GONE.text, 1)]


async def test_a_ping_that_anybody_can_send_ends_no_trouble(door: Door) -> None:
    await door.ring("d1", noun=None, ref=None, trouble=GONE)
    await door.ring("ping", noun=None, ref=None)
    assert await stands(door) == [(GONE.code, GONE.text, 1)]


async def test_a_store_that_cannot_take_it_says_so_and_nobody_is_woken(door: Door) -> None:
    other = await locked(door.store.path)
    with pytest.raises(StoreBusy):
        await door.ring()
    other.close()
    assert await door.deliveries() == 0
    assert door.woken == []
    await door.ring()
    assert await door.deliveries() == 1
