"""What people are shown of stock: why a SKU shows what it shows, what is oversold, what is left of buffers."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bcbridge.model.stock import NumberRule
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import views
from tests.store.stock.books import NOON, SHOPIFY, WOO, Book, at, outlet
from tests.stores import empty_store

TEE = "040123000013"
SINCE = NOON - timedelta(hours=24)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


async def write(store: Store, act: Callable[[Book], None]) -> None:
    await store.write(lambda tx: act(Book(tx)))


def sold(book: Book, channel: str, qty: int, *, placed: float, seen: float, order: str) -> None:
    """An order's pieces, with the moments at which it was placed and looked at."""
    book.tx.execute(
        "INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at)"
        " VALUES (?, ?, ?, 'NJ1', ?, 'known', ?)",
        (channel, order, TEE, qty, stamp(at(seen))),
    )
    book.tx.execute(
        "INSERT INTO stock_asked (channel, order_ref, sku, location, warehouse, wanted, taken, placed_at, looked_at)"
        " VALUES (?, ?, ?, '', 'NJ1', ?, ?, ?, ?)",
        (channel, order, TEE, qty, qty, stamp(at(placed)), stamp(at(seen))),
    )


def two_shops(book: Book, ots: int = 1) -> None:
    book.outlets(outlet(SHOPIFY), outlet(WOO))
    book.figure(TEE, ots)
    book.feed()


async def test_a_piece_sold_twice_in_one_breath_is_oversold_in_the_race(store: Store) -> None:
    def act(book: Book) -> None:
        two_shops(book)
        sold(book, SHOPIFY, 1, placed=1.0, seen=1.1, order="1")
        sold(book, WOO, 1, placed=1.05, seen=1.2, order="2")

    await write(store, act)
    (one,) = await views.oversold(store.read, since=SINCE)
    assert (one.sku, one.pieces, one.raced, one.orders) == (TEE, 1, 1, (f"{WOO}:2", f"{SHOPIFY}:1"))


async def test_what_came_after_the_other_was_known_was_no_race(store: Store) -> None:
    def act(book: Book) -> None:
        two_shops(book)
        sold(book, SHOPIFY, 1, placed=1.0, seen=1.1, order="1")
        sold(book, WOO, 1, placed=5.0, seen=5.1, order="2")

    await write(store, act)
    (one,) = await views.oversold(store.read, since=SINCE)
    assert (one.pieces, one.raced) == (1, 0)


async def test_a_piece_sold_under_a_blind_write_counts_as_raced(store: Store) -> None:
    def act(book: Book) -> None:
        two_shops(book, ots=0)
        sold(book, WOO, 1, placed=1.0, seen=1.5, order="2")
        book.tx.execute(
            "INSERT INTO stock_writes (id, key, channel, kind, state, made_at, ended_at)"
            " VALUES (1, 'k', ?, 'set', 'answered', ?, ?)",
            (WOO, stamp(at(0.9)), stamp(at(1.1))),
        )
        book.tx.execute(
            "INSERT INTO stock_write_rows (write_id, seq, sku, location, item, number, figure, figure_as_of, n, buffer)"
            " VALUES (1, 0, ?, 'L1', 'i', 1, 1, ?, 0, 0)",
            (TEE, stamp(NOON)),
        )

    await write(store, act)
    (one,) = await views.oversold(store.read, since=SINCE)
    assert (one.pieces, one.raced) == (1, 1)


async def test_what_the_erp_lacks_where_nothing_of_ours_is_booked_is_not_oversold(store: Store) -> None:
    def act(book: Book) -> None:
        two_shops(book, ots=5)
        book.figure(TEE, -6, warehouse="CA1")
        sold(book, SHOPIFY, 1, placed=1.0, seen=1.1, order="1")

    await write(store, act)
    assert await views.oversold(store.read, since=SINCE) == []


async def test_of_what_is_wanting_no_more_is_ours_than_was_sold(store: Store) -> None:
    def act(book: Book) -> None:
        two_shops(book, ots=-6)
        sold(book, SHOPIFY, 1, placed=1.0, seen=1.1, order="1")

    await write(store, act)
    (one,) = await views.oversold(store.read, since=SINCE)
    assert one.pieces == 1


async def test_a_buffer_that_was_sold_into_is_told(store: Store) -> None:
    def act(book: Book) -> None:
        book.outlets(outlet(SHOPIFY), outlet(WOO, rule=NumberRule(buffer=2)))
        book.figure(TEE, 2)
        book.feed()
        sold(book, SHOPIFY, 1, placed=1.0, seen=1.1, order="1")

    await write(store, act)
    assert await views.buffers_eaten(store.read, WOO, since=SINCE) == [TEE]
    assert await views.buffers_eaten(store.read, SHOPIFY, since=SINCE) == []


async def test_the_story_of_a_sku_tells_figures_demand_and_places(store: Store) -> None:
    def act(book: Book) -> None:
        two_shops(book, ots=5)
        sold(book, SHOPIFY, 2, placed=1.0, seen=1.1, order="1")
        book.tx.execute(
            "INSERT INTO stock_shown (sku, channel, location, item, explained, target) VALUES (?, ?, 'L1', 'i', 5, 3)",
            (TEE, WOO),
        )

    await write(store, act)
    story = await views.sku_story(store.read, TEE)
    assert story is not None
    assert [(one.warehouse, one.ots, one.as_of) for one in story.figures] == [("NJ1", 5, NOON)]
    assert [(one.order, one.pieces, one.counts) for one in story.demand] == [("1", 2, True)]
    assert [(one.channel, one.explained, one.target) for one in story.places] == [(WOO, 5, 3)]
    assert await views.sku_story(store.read, "nothing") is None


async def test_what_waits_and_what_was_told_is_counted_by_channel(store: Store) -> None:
    def act(tx: sqlite3.Connection) -> None:
        tx.execute(
            "INSERT INTO stock_shown (sku, channel, location, item, due, due_at) VALUES (?, ?, 'L1', 'i', 0, ?)",
            (TEE, WOO, stamp(NOON)),
        )

    await store.write(act)
    seen = await views.channels(store.read, since=NOON)
    assert (seen[WOO].waiting, seen[WOO].oldest, seen[WOO].told) == (1, NOON, 0)
    assert SHOPIFY not in seen
