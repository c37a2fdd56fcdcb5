"""The house as it is built from the shipped config: what is wired to what. Nothing listens where it points."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from bcbridge import config
from bcbridge.connectors.base import Tools
from bcbridge.errors import OpenCircuit
from bcbridge.flows.stock.settings import StockSettings
from bcbridge.house import app
from bcbridge.house.counting import count_from_before
from bcbridge.house.shelves import look_for_new_after
from bcbridge.house.wiring import House, Wiring, build, masters_read
from bcbridge.model.acts import Selection
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import NotYet, Ready
from bcbridge.model.standing import Facts
from bcbridge.store import mends, meta, orders, queue
from bcbridge.store.db import Store
from bcbridge.store.queue import Wish
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import known
from tests.e2e.world import free_ports
from tests.runtime.kit import until
from tests.store.stock.books import Book, outlet
from tests.stores import empty_store

ROOT = Path(__file__).parents[1]
SHOP = "shopify_us"


@dataclass
class Moving:
    """The present; a test moves it."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    text = (ROOT / "config.toml").read_text()
    for ours, free in zip(("8080", "9101", "9102"), free_ports(3), strict=True):
        text = text.replace(ours, str(free))
    (tmp_path / "config.toml").write_text(text)
    keys = tmp_path / "var/sandbox/credentials"
    keys.mkdir(parents=True)
    for name in ("bluecherry_subscription_key", "shopify_client_id", "shopify_client_secret"):
        (keys / name).write_text("not used")
    return config.load(tmp_path / "config.toml")


@pytest.fixture
def now() -> Moving:
    return Moving()


@pytest.fixture
async def house(settings: config.Settings, now: Moving) -> AsyncIterator[House]:
    async with Store(empty_store(settings.store.path)).opened() as store:
        made = build(settings, store, Tools(now=now, secret=lambda reference: "not used"), Wiring())
        yield made
        for connector in made.connectors():
            await connector.aclose()


async def incidents(house: House) -> set[str]:
    rows = await house.store.read.rows("SELECT code FROM incidents WHERE closed_at IS NULL")
    return {row["code"] for row in rows}


async def test_a_persons_retry_closes_what_was_opened_by_content_and_nothing_else(house: House) -> None:
    shop, erp = house.channels[SHOP].circuit, house.erps["bluecherry"].circuit

    async def still_odd() -> None:
        raise OpenCircuit("still odd", by_content=True)

    await shop.open(OpenCircuit("the page makes no sense", by_content=True), again=still_odd)
    await erp.open(OpenCircuit("the key was refused"))
    await house.acts().retry(Selection(all=True), who="ops", dry_run=True)
    assert shop.is_open
    await house.acts().retry(Selection(all=True), who="ops", dry_run=False)
    assert (shop.is_open, erp.is_open) == (False, True)


async def test_an_order_that_waits_too_long_is_noticed_by_the_running_house(house: House, now: Moving) -> None:
    waiting = NotYet(code="unrouted", text="No location yet.")
    await house.store.write(lambda tx: orders.record(tx, SHOP, Facts(Ref("1"), name="#1"), waiting, now=now()))
    now.at += timedelta(days=3)
    async with anyio.create_task_group() as loops:
        app._start_loops(house, loops)

        async def told() -> bool:
            return "not_yet_too_long" in await incidents(house)

        await until(told, within=30)
        loops.cancel_scope.cancel()


async def test_what_was_sent_is_looked_for_at_once_although_nothing_waited(house: House) -> None:
    erp = house.erps["bluecherry"]
    rings = erp.sent.rings
    erp.writer.on_sent()
    assert await erp.sent.heard(since=rings, within=timedelta(seconds=5))


async def test_that_a_master_was_read_is_noted_as_soon_as_the_store_can(tmp_path: Path) -> None:
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store, anyio.create_task_group() as loops:
        other = await anyio.to_thread.run_sync(lambda: sqlite3.connect(store.path, check_same_thread=False))
        await anyio.to_thread.run_sync(other.execute, "BEGIN IMMEDIATE")
        mark = app._marker(store, lambda: at, loops, "erp/styles")
        mark()

        async def refused() -> bool:
            return store.figures.failed_groups > 0

        await until(refused)
        await anyio.to_thread.run_sync(other.close)

        async def noted() -> bool:
            return await meta.read(store, masters_read("erp/styles")) is not None

        await until(noted)


async def test_without_a_public_address_nothing_is_ever_mended(house: House, now: Moving) -> None:
    web = house.settings.web.model_copy(update={"public_url": ""})
    house.settings = replace(house.settings, web=web)
    for _ in range(4):
        await app.look_after_subscriptions(house, house.channels[SHOP])
        now.at += timedelta(hours=1)
    assert await mends.recent(house.store, SHOP, now=now()) == []


# -- a store from an earlier release --------------------------------------------------------------------------


async def test_open_orders_are_looked_at_once_before_any_number_is_told(house: House, now: Moving) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        for number in range(3):
            orders.record(
                tx, SHOP, Facts(Ref(f"o{number}")), NotYet(code="grace", text="", look_again=now()), now=now()
            )

    await house.store.write(unit)
    await count_from_before(house)
    looks = "SELECT ref FROM jobs WHERE flow = 'looks' AND connector = ? ORDER BY ref"
    assert [row["ref"] for row in await house.store.read.rows(looks, (SHOP,))] == ["o0", "o1", "o2"]
    assert not await known.is_read(house.store, SHOP)
    await house.store.write(lambda tx: known.know(tx, SHOP, now()))
    assert await known.is_read(house.store, SHOP)
    await house.store.write(lambda tx: tx.execute("DELETE FROM jobs"))
    await count_from_before(house)
    assert await house.store.read.rows(looks, (SHOP,)) == []


async def test_what_waits_to_be_worked_on_and_has_no_row_yet_is_looked_at_before_any_number_is_told(
    house: House, now: Moving
) -> None:
    """Its list has shown it before anybody looked for the count, and will not show it again."""
    wish = Wish(flow="orders", connector=SHOP, ref="o9", due=now() + timedelta(minutes=5))
    await house.store.write(lambda tx: queue.enqueue(tx, [wish], now=now()))
    await count_from_before(house)
    rows = await house.store.read.rows("SELECT ref FROM jobs WHERE flow = 'looks'")
    assert [row["ref"] for row in rows] == ["o9"]


async def test_of_a_channel_that_is_told_nothing_any_more_nothing_is_believed_when_it_is_told_again(
    house: House,
) -> None:
    """Somebody may have set its numbers by hand meanwhile."""

    def told(tx: sqlite3.Connection) -> None:
        book = Book(tx)
        book.outlets(outlet("elsewhere"), outlet(SHOP))
        for channel in ("elsewhere", SHOP):
            book.shown(channel, "012345678905", 7)

    await house.store.write(told)
    await count_from_before(house)
    rows = await house.store.read.rows("SELECT channel, explained FROM stock_shown ORDER BY channel")
    assert [tuple(row) for row in rows] == [("elsewhere", None), (SHOP, 7)]
    outlets = await house.store.read.rows("SELECT channel FROM stock_outlets")
    assert [row["channel"] for row in outlets] == [SHOP]


async def test_once_no_channel_is_told_numbers_open_orders_are_read_anew_before_one_is_again(
    house: House, now: Moving
) -> None:
    await house.store.write(lambda tx: known.know(tx, SHOP, now()))
    of = house.settings.channels
    off = {name: replace(one, stock=None) for name, one in of.items()}
    house.settings = replace(house.settings, channels=off)
    await count_from_before(house)
    assert not await known.is_read(house.store, SHOP)


async def test_what_an_earlier_release_has_on_its_way_counts_from_the_first_start(house: House, now: Moving) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        order = orders.record(tx, SHOP, Facts(Ref("o1"), channel_id="1"), Ready(parts=()), now=now())
        tx.execute(
            "INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, cut, state,"
            " written_at) VALUES ('bluecherry.orders', ?, 1, 1, 1, 'SUS1P1G1', 'x', 'x', '012345678905:2@here',"
            " 'accepted', ?)",
            (order, stamp(now())),
        )

    await house.store.write(unit)
    for _ in range(2):
        await count_from_before(house)
    rows = await house.store.read.rows("SELECT sku, qty, state, reference FROM stock_demand")
    assert [tuple(row) for row in rows] == [("012345678905", 2, "sent", "SUS1P1G1")]


def test_a_large_shelf_is_not_read_all_the_time() -> None:
    settings = StockSettings(pools={"*": ("NJ1",)}, look_for_new_every_minutes=60)
    assert look_for_new_after(settings, took=timedelta(seconds=20)) == timedelta(hours=1)
    assert look_for_new_after(settings, took=timedelta(hours=1)) == timedelta(hours=10)
