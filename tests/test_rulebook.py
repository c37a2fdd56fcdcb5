"""What people decide about numbers reaches the computing: at once when a file changes, and when a date comes."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bcbridge.house.rulebook import RuleBook
from bcbridge.mappings import Mappings, NumberRow, Pack
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.model.stock import Basis, NumberRule
from bcbridge.store import catalog
from bcbridge.store.db import Store
from tests.runtime.kit import Clock
from tests.store.stock.books import Book, outlet
from tests.stores import empty_store

TEE, SCARF = "040123000013", "040123000020"


def sku(upc: str, style: str) -> CatalogSku:
    parts = SkuParts(division="WOM", style=style, color_code="BLK", size_desc="M")
    return CatalogSku(ref=Ref(upc), style=Ref(style), parts=parts, upc=Upc(upc))


@dataclass
class Desk:
    store: Store
    clock: Clock
    said: dict[str, dict[str, dict[str, NumberRow | Pack]]] = field(default_factory=dict)
    rung: list[str] = field(default_factory=list)

    def book(self) -> RuleBook:
        return RuleBook(
            self.store, lambda: Mappings(dict(self.said)), self.clock, on_due=lambda: self.rung.append("rung")
        )

    async def targets(self) -> dict[str, int | None]:
        rows = await self.store.read.rows("SELECT sku, target FROM stock_shown ORDER BY sku")
        return {row["sku"]: row["target"] for row in rows}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()

    def season(tx: sqlite3.Connection) -> None:
        book = Book(tx)
        for upc, pieces in ((TEE, 10), (SCARF, 7)):
            book.figure(upc, pieces)
            tx.execute(
                "INSERT INTO stock_shown (sku, channel, location, item, explained) VALUES (?, 'shop', 'L1', ?, 0)",
                (upc, upc),
            )
        book.feed()
        catalog.replace_style(tx, "bc", "00417", [sku(TEE, "00417")])
        catalog.replace_style(tx, "bc", "08010", [sku(SCARF, "08010")])

    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        await store.write(season)
        yield Desk(store, clock)


async def test_an_outlet_that_was_looked_over_is_reckoned_at_once(desk: Desk) -> None:
    book = desk.book()
    await book.take_over("shop", [outlet("shop", rule=NumberRule(buffer=1))])
    assert await desk.targets() == {TEE: 9, SCARF: 6}


async def test_a_row_for_a_style_counts_until_it_is_taken_out(desk: Desk) -> None:
    book = desk.book()
    await book.take_over("shop", [outlet("shop")])
    desk.said = {"stock": {"default": {"style/00417": NumberRow(buffer=4)}}}
    await book.apply()
    assert await desk.targets() == {TEE: 6, SCARF: 7}
    desk.said = {}
    await book.apply()
    assert await desk.targets() == {TEE: 10, SCARF: 7}
    assert desk.rung


async def test_a_row_for_every_sku_is_the_outlets_own_rule(desk: Desk) -> None:
    book = desk.book()
    await book.take_over("shop", [outlet("shop")])
    desk.said = {"stock": {"shop": {"*": NumberRow(buffer=2)}}}
    await book.apply()
    assert await desk.targets() == {TEE: 8, SCARF: 5}


async def test_a_campaign_ends_by_itself(desk: Desk) -> None:
    book = desk.book()
    await book.take_over("shop", [outlet("shop")])
    row = NumberRow(stop=True, until=desk.clock() + timedelta(hours=1))
    desk.said = {"stock": {"default": {f"sku/{TEE}": row}}}
    await book.apply()
    assert await desk.targets() == {TEE: 0, SCARF: 7}
    desk.clock.at += timedelta(hours=1)
    await book.apply()
    assert await desk.targets() == {TEE: 10, SCARF: 7}


async def test_a_pack_is_the_least_of_its_parts_as_soon_as_a_person_says_so(desk: Desk) -> None:
    book = desk.book()
    await book.take_over("shop", [outlet("shop")])
    desk.said = {"packs": {"default": {SCARF: Pack(parts={TEE: 3})}}}
    await book.apply()
    assert await desk.targets() == {TEE: 10, SCARF: 3}


async def test_what_was_settled_as_booked_counts_again_where_a_piece_counts_until_it_is_picked(desk: Desk) -> None:
    def booked(tx: sqlite3.Connection) -> None:
        Book(tx).demand("other", TEE, 2, state="posted", posted_by=-700, settled=True, seen=-701)
        tx.execute("UPDATE stock_figures SET qoh_minus_pick = ots")

    await desk.store.write(booked)
    book = desk.book()
    await book.take_over("shop", [outlet("shop", basis=Basis.QOH_MINUS_PICK)])
    assert await desk.targets() == {TEE: 8, SCARF: 7}


async def test_the_rules_of_a_channel_that_is_not_looked_over_yet_stay_as_they_are(desk: Desk) -> None:
    """After a start, its API may be away for hours: what is stopped there must not come back meanwhile."""
    desk.said = {"stock": {"web": {f"sku/{TEE}": NumberRow(stop=True)}}}
    before = desk.book()
    await before.take_over("shop", [outlet("shop")])
    await before.take_over("web", [outlet("web")])
    await before.apply()
    started_again = desk.book()
    await started_again.take_over("shop", [outlet("shop")])
    await started_again.apply()
    kept = await desk.store.read.rows("SELECT channel, stop FROM stock_rules WHERE sku = ?", (TEE,))
    assert [tuple(row) for row in kept] == [("web", 1)]


async def test_what_is_decided_of_single_skus_holds_before_a_channel_is_told_anything(desk: Desk) -> None:
    desk.said = {"stock": {"default": {f"sku/{TEE}": NumberRow(stop=True)}}}
    await desk.book().take_over("shop", [outlet("shop")])
    assert await desk.targets() == {TEE: 0, SCARF: 7}


async def test_a_sku_that_is_new_has_its_rule_before_it_is_shown(desk: Desk) -> None:
    desk.said = {"stock": {"default": {"style/09": NumberRow(stop=True)}}}
    book = desk.book()
    await book.take_over("shop", [outlet("shop")])
    new = "040123000099"
    await desk.store.write(lambda tx: catalog.replace_style(tx, "bc", "09", [sku(new, "09")]))
    await book.rule([new, TEE])
    kept = await desk.store.read.rows("SELECT sku, stop FROM stock_rules WHERE sku <> ''")
    assert [tuple(row) for row in kept] == [(new, 1)]


async def test_a_pack_that_the_erp_does_not_know_is_stopped_by_its_own_row(desk: Desk) -> None:
    pack = "PACK"
    desk.said = {
        "packs": {"default": {pack: Pack(parts={TEE: 2})}},
        "stock": {"default": {f"sku/{pack}": NumberRow(stop=True)}},
    }
    shown = "INSERT INTO stock_shown (sku, channel, location, item, explained) VALUES (?, 'shop', 'L1', 'P', 0)"
    await desk.store.write(lambda tx: tx.execute(shown, (pack,)))
    book = desk.book()
    await book.take_over("shop", [outlet("shop")])
    assert await desk.targets() == {TEE: 10, SCARF: 7, pack: 0}
    desk.said["stock"] = {}
    await book.apply()
    assert await desk.targets() == {TEE: 10, SCARF: 7, pack: 5}


async def test_a_date_that_comes_while_the_rules_are_applied_is_not_passed_over(desk: Desk) -> None:
    desk.said = {"stock": {"default": {f"sku/{TEE}": NumberRow(stop=True, from_=desk.clock() + timedelta(seconds=5))}}}
    book = desk.book()
    began = desk.clock()
    desk.clock.at += timedelta(seconds=9)  # what was applied is as of the beginning
    assert book.wait(since=began) <= timedelta(0)
