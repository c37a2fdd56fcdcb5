"""What counts on and is waited for by nobody is found, by the name of its order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Ready
from bcbridge.model.standing import Facts
from bcbridge.store import orders
from bcbridge.store.db import Store
from bcbridge.store.stock.unreleased import unreleased
from tests.store.stock.books import NOON, WOO, Book, at
from tests.stores import empty_store

DRESS = "012345678905"
LONG_AGO, NOW = -48 * 60, 0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        await opened.write(lambda tx: orders.record(tx, WOO, Facts(Ref("1001"), name="#7"), Ready(parts=()), now=NOON))
        yield opened


async def found(store: Store) -> list[tuple[str, str, int]]:
    return [(one.name, one.state, one.pieces) for one in await unreleased(store.read, before=at(-24 * 60))]


async def test_booked_a_day_ago_and_no_figure_is_provably_younger(store: Store) -> None:
    await store.write(lambda tx: Book(tx).demand(WOO, DRESS, 2, state="posted", posted_by=LONG_AGO, seen=LONG_AGO))
    await store.write(lambda tx: Book(tx).feed(floor=LONG_AGO))
    assert await found(store) == [("#7", "posted", 2)]
    await store.write(lambda tx: Book(tx).feed(floor=LONG_AGO + 1))
    assert await found(store) == []


async def test_a_figure_of_the_very_sku_and_warehouse_releases_it_too(store: Store) -> None:
    await store.write(lambda tx: Book(tx).feed(floor=LONG_AGO - 1))
    await store.write(lambda tx: Book(tx).demand(WOO, DRESS, 1, state="posted", posted_by=LONG_AGO, seen=LONG_AGO))
    assert await found(store) == [("#7", "posted", 1)]
    await store.write(lambda tx: Book(tx).figure(DRESS, 5, as_of=LONG_AGO + 1))
    assert await found(store) == []


async def test_asked_for_after_the_order_was_booked_it_goes_to_a_person(store: Store) -> None:
    await store.write(lambda tx: Book(tx).demand(WOO, DRESS, 1, seen=LONG_AGO))
    assert await found(store) == [], "it waits to be booked"
    await store.write(lambda tx: tx.execute("UPDATE orders SET state = 'booked'"))
    assert await found(store) == [("#7", "known", 1)]


async def test_what_is_younger_than_a_day_is_nobodys_business(store: Store) -> None:
    await store.write(lambda tx: Book(tx).feed(floor=LONG_AGO))
    await store.write(lambda tx: Book(tx).demand(WOO, DRESS, 1, state="posted", posted_by=NOW, seen=NOW))
    assert await found(store) == []
