"""Shipments as the house reads them: kept, handed on, and what cannot be read is somebody's."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcbridge.connectors.base import ShipmentPage
from bcbridge.house.dispatches import ShipmentReader
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import Reference
from bcbridge.model.shipment import Shipment
from bcbridge.runtime.worker import Bell
from bcbridge.store import changing
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.flows.changes.two import the_document
from tests.flows.dispatches.test_owed import PART, TEE, shipment
from tests.flows.dispatches.test_story import ORDER, book
from tests.stores import empty_store

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Feed:
    """Answers what a test says next."""

    pages: tuple[ShipmentPage, ...] = ()
    by_reference: tuple[Shipment, ...] = ()
    on_ask: Callable[[str], None] = staticmethod(lambda reference: None)

    async def changed(self, since: Cursor) -> AsyncIterator[ShipmentPage]:
        for page in self.pages:
            yield page

    async def of(self, reference: Reference) -> tuple[Shipment, ...]:
        self.on_ask(reference)
        return tuple(one for one in self.by_reference if one.reference == reference)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "store.db")).opened() as opened:
        await opened.write(book)
        yield opened


def reader(store: Store, *channels: str) -> tuple[ShipmentReader, Feed]:
    feed = Feed()
    return ShipmentReader("erp", feed, store, lambda: AT, {channel: Bell() for channel in channels}), feed


async def waiting(store: Store) -> list[tuple[str, str]]:
    rows = await store.read.rows("SELECT connector, ref FROM jobs WHERE flow = 'dispatches' AND state = 'waiting'")
    return [(row["connector"], row["ref"]) for row in rows]


async def standing(store: Store) -> list[str]:
    return [row["cause"] for row in await store.read.rows("SELECT cause FROM incidents WHERE closed_at IS NULL")]


async def test_what_left_is_handed_on_and_rung_for(store: Store) -> None:
    reads, feed = reader(store, "shop")
    feed.pages = (ShipmentPage((shipment("I1", (TEE, 1)),), "c1"),)
    assert (await reads.read(), await reads.read()) == (1, 0)
    assert await waiting(store) == [("shop", ORDER)]
    assert reads.bells["shop"].rings == 1


async def test_a_shop_that_is_not_told_gets_no_work(store: Store) -> None:
    reads, feed = reader(store, "another")
    feed.pages = (ShipmentPage((shipment("I1", (TEE, 1)),), "c1"),)
    await reads.read()
    await reads.look_again()
    assert await waiting(store) == []


async def test_what_was_not_told_is_looked_at_again(store: Store) -> None:
    reads, feed = reader(store, "shop")
    feed.pages = (ShipmentPage((shipment("I1", (TEE, 1)),), "c1"),)
    await reads.read()
    await store.write(lambda tx: tx.execute("DELETE FROM jobs"))
    await reads.look_again()
    assert await waiting(store) == [("shop", ORDER)]


async def test_a_shipment_that_cannot_be_read_stands_until_it_can(store: Store) -> None:
    reads, feed = reader(store, "shop")
    feed.pages = (ShipmentPage((), "c1", {"I1": "inv_qty: not a whole number"}),)
    await reads.read()
    assert await standing(store) == ["shipments/I1"]
    feed.pages = (ShipmentPage((shipment("I1", (TEE, 1)),), "c2"),)
    await reads.read()
    assert await standing(store) == []


async def test_what_no_list_showed_is_found_by_what_the_erp_says_of_the_order(store: Store) -> None:
    reads, feed = reader(store, "shop")
    feed.by_reference = (shipment("I1", (TEE, 2)),)
    shown = the_document().held
    assert shown is not None
    two_left = (shown.lines[0].model_copy(update={"shipped": 2, "picked": 2}),)
    held = shown.model_copy(update={"reference": PART, "lines": two_left})

    def unit(tx: sqlite3.Connection) -> None:
        columns = "reference, order_id, connector, warehouse, pieces, posted_at"
        tx.execute(f"INSERT INTO leaving ({columns}) VALUES (?, 1, 'shop', 'NJ1', 4, ?)", (PART, stamp(AT)))
        changing.see(tx, "erp", 1, held, now=AT)

    await store.write(unit)
    assert (await reads.read_unread(), await reads.read_unread()) == (1, 0)
    assert await waiting(store) == [("shop", ORDER)]


async def test_a_document_that_says_so_for_good_takes_nobodys_place(store: Store) -> None:
    reads, feed = reader(store, "shop")
    columns = "reference, order_id, connector, warehouse, pieces, posted_at, shipped_in_erp"

    def unit(tx: sqlite3.Connection) -> None:
        for at in range(25):
            row = (f"X{at:02}", stamp(AT))
            tx.execute(f"INSERT INTO leaving ({columns}) VALUES (?, 1, 'shop', 'NJ1', 4, ?, 1)", row)

    await store.write(unit)
    asked: list[str] = []
    feed.on_ask = asked.append
    await reads.read_unread()
    await reads.read_unread()
    await reads.read_unread()
    assert sorted(asked) == [f"X{at:02}" for at in range(25)], "each once within the hour"
