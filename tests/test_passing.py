"""Numbers that change though nobody touched them: because time passed."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from bcbridge.house.passing import Passing
from bcbridge.model.stock import NumberRule
from bcbridge.store.db import Store
from bcbridge.store.stock import compute
from tests.runtime.kit import Clock
from tests.store.stock.books import NOON, SHOPIFY, WOO, Book, outlet
from tests.stores import empty_store

SKU = "040123000013"


async def test_a_buffer_by_speed_cools_though_the_process_ended_meanwhile(tmp_path: Path) -> None:
    """Sold fast, and nobody buys any more: what was held back comes back, in the next life as well."""
    clock, rung = Clock(NOON), set[str]()

    def due(channels: Collection[str]) -> None:
        rung.update(channels)

    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:

        def unit(tx: sqlite3.Connection) -> None:
            book = Book(tx)
            book.outlets(outlet(SHOPIFY), outlet(WOO, rule=NumberRule(speed=True)))
            book.lag(WOO, 5)
            book.feed()
            book.figure(SKU, 20)
            book.shown(WOO, SKU, 12)
            book.demand(SHOPIFY, SKU, 3, seen=-0.1)
            compute.mark(book.tx, [SKU], now=NOON)

        async def target() -> int:
            row = await store.read.row("SELECT target FROM stock_shown")
            assert row is not None
            return int(row["target"])

        await store.write(unit)
        assert await target() == 16
        clock.at += timedelta(minutes=30)
        await Passing(store, clock, due).cool_once(None)
        assert await target() == 17
        assert rung == {WOO}
