"""A notification is on disk before the answer, once, and then the lists are looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.errors import StoreBusy
from bcbridge.house.intake import BURST, LIST_FIRST, Intake
from bcbridge.model.documents import Document, Notification, Trouble
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.outcome import Ready
from bcbridge.model.standing import Facts
from bcbridge.store import inbox, orders
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.runtime.kit import Clock, locked
from tests.stores import empty_store

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
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
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


# -- orders that nobody has seen here ------------------------------------------------------------------------------


@pytest.fixture
async def watchful(tmp_path: Path) -> AsyncIterator[Door]:
    """Looks at once at what is new."""
    clock, woken = Clock(), []
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        wake = {"shop": lambda: woken.append("shop")}
        intake = Intake(store, clock, {"orders": "orders"}, wake, looks={"orders": "looks"})
        yield Door(store, clock, intake, woken)


async def looks(door: Door) -> list[tuple[str, str]]:
    rows = await door.store.read.rows("SELECT ref, due_at FROM jobs WHERE flow = 'looks' ORDER BY id")
    return [tuple(row) for row in rows]


async def test_an_order_that_is_new_here_is_looked_at_at_once_and_worked_on_as_ever(watchful: Door) -> None:
    await watchful.ring()
    assert await looks(watchful) == [("1", stamp(watchful.clock() + BURST))]
    rows = await watchful.store.read.rows("SELECT due_at FROM jobs WHERE flow = 'orders'")
    assert [row["due_at"] for row in rows] == [stamp(watchful.clock() + LIST_FIRST)]


async def test_several_rings_about_a_new_order_are_one_look(watchful: Door) -> None:
    for number in range(4):
        await watchful.ring(f"d{number}")
    assert len(await looks(watchful)) == 1


async def test_an_order_that_is_known_here_waits_for_its_list(watchful: Door) -> None:
    seen = Document(ORDERS, Ref("1"), watchful.clock(), watchful.clock(), b"{}")
    await watchful.store.write(lambda tx: inbox.keep(tx, "shop", [seen]))
    await watchful.ring()
    assert await looks(watchful) == []


async def test_one_whose_document_was_forgotten_is_known_all_the_same(watchful: Door) -> None:
    facts = Facts(Ref("1"), channel_id="1")
    await watchful.store.write(lambda tx: orders.record(tx, "shop", facts, Ready(parts=()), now=watchful.clock()))
    await watchful.ring()
    assert await looks(watchful) == []


async def test_the_same_order_of_another_shop_is_another(watchful: Door) -> None:
    seen = Document(ORDERS, Ref("1"), watchful.clock(), watchful.clock(), b"{}")
    await watchful.store.write(lambda tx: inbox.keep(tx, "another", [seen]))
    await watchful.ring()
    assert len(await looks(watchful)) == 1
