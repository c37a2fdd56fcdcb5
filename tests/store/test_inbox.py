"""Nothing newer is overwritten by something older; a page and its cursor are kept together or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcbridge.model.documents import Document, Head, Notification
from bcbridge.model.ids import Noun, Ref
from bcbridge.store import inbox
from bcbridge.store.db import Store, connect
from bcbridge.store.inbox import Arrival
from tests.stores import empty_store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ORDERS = Noun("orders")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def document(modified: float, asked: float, ref: str = "1") -> Document:
    return Document(ORDERS, Ref(ref), at(modified), at(asked), f"{modified}/{asked}".encode())


async def held(store: Store) -> str:
    return (await inbox.documents(store, "shop", "orders", ["1"]))[Ref("1")].body.decode()


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((10, 1), (9, 2), "10/1"),  # an answer of a server that lags
        ((10, 2), (10, 1), "10/2"),  # two answers that crossed
        ((10, 1), (10, 2), "10/2"),
        ((10, 2), (11, 1), "11/1"),
        ((10, 1), (10, 1), "10/1"),
    ],
)
async def test_nothing_newer_is_overwritten_by_something_older(
    store: Store, first: tuple[int, int], second: tuple[int, int], kept: str
) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        for stamps in (first, second):
            inbox.keep(tx, "shop", [document(*stamps)])

    await store.write(unit)
    assert await held(store) == kept


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_whatever_order_they_come_in_the_newest_is_held(
    tmp_path_factory: pytest.TempPathFactory, stamps: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("inbox") / "bcbridge.db"
    empty_store(path)
    connection = connect(path)
    for one in stamps:
        inbox.keep(connection, "shop", [document(*one)])
    body = connection.execute("SELECT body FROM documents").fetchone()["body"]
    connection.close()
    assert body.decode() == "{}/{}".format(*max(stamps))


def notification(delivery: str, topic: str = "orders/updated") -> Notification:
    return Notification(topic=topic, delivery=delivery, noun=ORDERS, ref=Ref("1"), modified=None)


async def test_a_delivery_is_kept_once_per_connector_and_topic(store: Store) -> None:
    async def deliver(connector: str, one: Notification) -> bool:
        (fresh,) = await store.write(lambda tx: inbox.delivered(tx, [Arrival(connector, one, "h", at(0))]))
        return fresh

    assert await deliver("shop", notification("a"))
    assert not await deliver("shop", notification("a"))
    assert await deliver("shop", notification("a", "orders/paid"))
    assert await deliver("other", notification("a"))
    assert await deliver("shop", notification("b"))


async def test_of_many_at_once_each_is_told_whether_it_is_the_first(store: Store) -> None:
    await store.write(lambda tx: inbox.delivered(tx, [Arrival("shop", notification("a"), "h", at(0))]))
    arrivals = [Arrival("shop", notification(delivery), "h", at(1)) for delivery in ("a", "b", "c", "b")]
    assert await store.write(lambda tx: inbox.delivered(tx, arrivals)) == [False, True, True, False]


async def test_old_deliveries_are_forgotten_in_small_steps(store: Store) -> None:
    def unit(tx: sqlite3.Connection) -> list[int]:
        inbox.delivered(tx, [Arrival("shop", notification(str(number)), "h", at(number)) for number in range(7)])
        return [inbox.prune_deliveries(tx, received_before=at(5), step=3) for _ in range(3)]

    assert await store.write(unit) == [3, 2, 0]


async def test_a_list_shows_a_record_anew_only_under_a_newer_stamp(store: Store) -> None:
    async def show(*stamps: float, name: str = "updated") -> int:
        heads = [Head(Ref("1"), at(stamp)) for stamp in stamps]
        return len(await store.write(lambda tx: inbox.newly_listed(tx, "shop", "orders", name, heads)))

    assert await show(10) == 1
    assert await show(5) == 0
    assert await show(10, 11, 11, 10) == 1
    assert await show(10, name="sweep") == 1  # each list for itself


async def test_the_cursor_moves_with_its_page_or_not_at_all(store: Store) -> None:
    def fails(tx: sqlite3.Connection) -> None:
        inbox.newly_listed(tx, "shop", "orders", "updated", [Head(Ref("1"), at(1))])
        inbox.move_cursor(tx, "shop", "orders", "updated", "page-2", now=at(1))
        raise KeyError("odd")

    with pytest.raises(KeyError):
        await store.write(fails)
    assert await inbox.cursor(store, "shop", "orders", "updated") == ""
    assert await store.read.rows("SELECT * FROM listed") == []


async def test_each_list_has_a_cursor_of_its_own(store: Store) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        inbox.move_cursor(tx, "shop", "orders", "updated", "a", now=at(1))
        inbox.move_cursor(tx, "shop", "orders", "fulfilment_orders", "b", now=at(1))
        inbox.move_cursor(tx, "shop", "orders", "updated", "c", now=at(2))

    await store.write(unit)
    assert await inbox.cursor(store, "shop", "orders", "updated") == "c"
    assert await inbox.cursor(store, "shop", "orders", "fulfilment_orders") == "b"
