"""The room against the simulated BigCommerce, over real HTTP: what a season sells, bad manners included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import structlog
from structlog.typing import EventDict

from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.connectors.bigcommerce.webhook import EVENT_AFTER_STAMP
from bcbridge.flows.orders.content import content_hash
from bcbridge.flows.orders.story import STALE_READ_STEPS, Orders
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order, PaymentStatus
from bcbridge.model.work import Again, Job, Verdict
from bcbridge.sandbox import bigcommerce as sandbox
from tests.connectors.bigcommerce.answers import HASH
from tests.connectors.bigcommerce.stores import SECRETS, a_room, listed, shown
from tests.connectors.bigcommerce.test_reading import misfits
from tests.flows.scene import Scene, scene

TANK = {"sku": "040123000020", "quantity": 2, "price": "28.00"}
PATIENCE_SECONDS = 30


@dataclass
class World:
    room: BigCommerce
    http: httpx.AsyncClient

    async def place(self, **order: Any) -> Ref:
        return Ref(str((await self.post("/_sandbox/orders", {"lines": [TANK], **order}))["id"]))

    async def happens(self, ref: Ref, what: str, **details: Any) -> None:
        await self.post(f"/_sandbox/orders/{ref}/{what}", details)

    async def faults(self, **ordered: Any) -> None:
        await self.post("/_sandbox/faults", ordered)

    async def sell(self, orders: int) -> None:
        """Let the shopper sell one of everything there is."""
        await self.post("/_sandbox/sell", {"orders": orders, "rate": 500, "mixed": 1.0})
        with anyio.fail_after(PATIENCE_SECONDS):
            while any(plan["left"] for plan in (await self.http.get("/_sandbox/sell")).json()["plans"]):
                await anyio.sleep(0.05)

    async def post(self, path: str, body: object) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def read(self, *refs: Ref) -> list[Order]:
        return [self.room.orders.read(document) for document in await self.room.orders.fetch(refs)]


@asynccontextmanager
async def a_world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    known = {"store_hash": HASH, "access_token": SECRETS["env:TOKEN"], "quota": 1e6, **changes}
    async with sandbox.serving(folder, settings=sandbox.BigCommerceSettings(**known)) as server:
        room = a_room(server.url)
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
                yield World(room, http)
        finally:
            await room.aclose()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
def calls() -> list[str]:
    """Paths called, as the wire log has them."""
    heard: list[str] = []

    def keep(logger: object, method: str, event: EventDict) -> EventDict:
        heard.append(str(event.get("path")))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    return heard


async def test_whatever_the_shopper_sells_ties_to_the_cent_in_two_calls_an_order(
    store: World, calls: list[str]
) -> None:
    await store.sell(80)
    refs = shown(await listed(store.room.orders.lists[0]))
    calls.clear()
    read = await store.read(*refs)
    assert len(read) >= 70
    assert {one.name: said for one in read if not one.refunded and (said := misfits(one))} == {}
    assert len(calls) <= 2 * len(read) + 5
    assert {one.prices_include_tax for one in read} == {True, False}
    assert any(line.ship_to for one in read for line in one.lines)


async def test_16_our_own_write_comes_back_as_a_change_of_nothing(store: World) -> None:
    """Any PUT, even an empty one, moves the stamp; what counts for the ERP is the same."""
    ref = await store.place()
    (before,) = await store.read(ref)
    await store.happens(ref, "touch")
    (after,) = await store.read(ref)
    assert after.modified >= before.modified
    assert content_hash(after) == content_hash(before)


async def test_what_is_given_back_is_read_with_its_pieces_and_its_money(store: World) -> None:
    ref = await store.place(shipping={"title": "Standard", "price": "5.00"})
    await store.happens(ref, "refund", lines={"0": 1})
    (partly,) = await store.read(ref)
    assert (partly.payment, partly.lines[0].quantity, str(partly.refunded)) == (
        PaymentStatus.PARTIALLY_REFUNDED,
        1,
        "28.00",
    )
    await store.happens(ref, "refund_all")
    (wholly,) = await store.read(ref)
    assert (wholly.payment, str(wholly.total)) == (PaymentStatus.REFUNDED, "0.00")


async def test_26_with_another_app_at_the_same_quota_none_of_our_calls_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path, quota=40, window_seconds=1.0, other_app_calls_per_second=10.0) as store:
        refs = [await store.place() for _ in range(45)]
        assert len(await store.read(*refs)) == 45


@pytest.mark.parametrize("shown_as", ["as it was", "not at all"])
async def test_a_read_that_is_older_than_the_event_is_read_again_after_5_30_and_120_seconds(
    store: World, tmp_path: Path, shown_as: str
) -> None:
    """Of a change, or of the order itself, the API shows nothing yet: the old one, or 404. Neither is judged."""
    await store.faults(values={"stale_read_seconds": 3600}, rates={"stale_read": int(shown_as == "not at all")})
    ref = await store.place()
    await store.faults(rates={"stale_read": 1})
    await store.post("/_sandbox/clock", {"advance_seconds": 60})
    await store.happens(ref, "touch")
    event = datetime.now(UTC) + timedelta(seconds=60) - EVENT_AFTER_STAMP
    async with scene(tmp_path / "scene") as s:
        flow = replace(s.flow, source=store.room.orders)
        waits = [await looked(s, flow, ref, event, attempt) for attempt in (1, 2, 3)]
        assert [one.after.total_seconds() for one in waits if isinstance(one, Again)] == list(STALE_READ_STEPS)
        await store.faults(clear=True)
        await store.happens(ref, "touch")
        ended = await looked(s, flow, ref, event, 4)
        assert not (isinstance(ended, Again) and ended.burn)
        assert await s.b.store.read.row("SELECT 1 FROM orders WHERE ref = ?", (ref,)) is not None


async def test_17_an_abandoned_checkout_that_rings_is_looked_at_once(store: World, tmp_path: Path) -> None:
    """There are more of them than of orders: each would cost four reads. Paid after all, it is an order like any."""
    ref = await store.place(abandoned=True)
    (none,) = await store.room.orders.fetch([ref])
    before, after = none.modified - timedelta(seconds=1), none.modified + timedelta(seconds=1)
    await store.post("/_sandbox/clock", {"advance_seconds": 10})
    async with scene(tmp_path / "scene") as s:
        flow = replace(s.flow, source=store.room.orders, now=lambda: none.asked)
        ended = await looked(s, flow, ref, before, 1)
        assert not (isinstance(ended, Again) and ended.burn)
        listed_as_order = await looked(s, flow, ref, none.modified, 1)
        assert isinstance(listed_as_order, Again)  # within one second it may be none yet and then one
        assert listed_as_order.burn, (none.modified, await store.room.orders.fetch([ref]))
        assert await s.b.store.read.row("SELECT 1 FROM documents WHERE ref = ?", (ref,)) is None
        await store.happens(ref, "complete")
        await looked(s, flow, ref, after, 1)
        assert await s.b.store.read.row("SELECT 1 FROM orders WHERE ref = ?", (ref,)) is not None


async def test_an_order_that_is_archived_and_comes_back_is_judged_again(store: World, tmp_path: Path) -> None:
    ref = await store.place()
    async with scene(tmp_path / "scene") as s:
        flow = replace(s.flow, source=store.room.orders)

        async def state() -> tuple[str, str]:
            await store.post("/_sandbox/clock", {"advance_seconds": 5})
            await looked(s, flow, ref, datetime.now(UTC) - timedelta(hours=1), 4)
            row = await s.b.store.read.row("SELECT state, code FROM orders WHERE ref = ?", (ref,))
            assert row is not None
            return row["state"], row["code"]

        before = await state()
        await store.happens(ref, "archive")
        assert await state() == ("never", "gone")
        await store.happens(ref, "restore")
        assert await state() == before


async def looked(s: Scene, flow: Orders, ref: Ref, wanted: datetime, attempt: int) -> Verdict:
    ended: list[Verdict] = []

    async def settle(job: Job, verdict: Verdict) -> None:
        ended.append(verdict)

    await flow.handle([s.job(1, ref, wanted, attempt)], settle)
    return ended[0]
