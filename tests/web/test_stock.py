"""A checkout asks what may be promised now: it needs a token, waits for nobody, and hears the reasons with it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from bcbridge.errors import StoreBusy
from bcbridge.store import aside
from bcbridge.store.aside import Aside
from bcbridge.store.db import Store
from bcbridge.store.stock.promise import Promise, number
from bcbridge.web.admin import Keys, Token
from bcbridge.web.app import Front, Parts
from tests.store.stock.books import NOON, Book, outlet
from tests.stores import empty_store
from tests.web.test_admin import READING, bearer, door
from tests.web.test_front import Nobody, Said, Vital

SKU = "040123000013"


@pytest.fixture
async def reads(tmp_path: Path) -> AsyncIterator[Aside]:
    def season(tx: sqlite3.Connection) -> None:
        book = Book(tx)
        book.outlets(outlet("shop", "NJ1", location="1"), outlet("shop", "CA1", location="2"), outlet("other", "NJ1"))
        book.figure(SKU, 5, as_of=-3)
        book.figure(SKU, 4, as_of=-3, warehouse="CA1")
        book.feed()
        book.demand("other", SKU, 2)

    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        await store.write(season)
        async with Aside(store.path).opened() as opened:
            yield opened


@pytest.fixture
async def client(reads: Aside, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async def promises(channel: str, sku: str) -> Sequence[Promise]:
        return await reads.read(partial(number, channel=channel, sku=sku, now=NOON))

    vital = Vital()
    store = Store(empty_store(tmp_path / "unused.db"))
    parts = Parts(store, {}, Nobody(), Said(), vital, vital, now=lambda: NOON, started_at=NOON)
    keys = Keys([Token.of("checkout", "read", READING)], now=lambda: NOON)
    async with door(Front(replace(parts, promises=promises)), keys) as opened:
        yield opened


async def test_what_may_be_promised_comes_with_its_reasons(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/stock/shop/{SKU}", headers=bearer(READING))
    said = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (said["channel"], said["sku"], said["pieces"]) == ("shop", SKU, 7)
    first, second = sorted(said["locations"], key=lambda one: str(one["location"]))
    assert (first["pieces"], first["n"], second["pieces"], second["n"]) == (3, 2, 4, 0)
    assert [(one["channel"], one["pieces"]) for one in first["demand"]] == [("other", 2)]
    assert (first["figures"][0]["pieces"], first["figures"][0]["age_seconds"]) == (5, 180.0)


async def test_nobody_asks_without_a_token(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/stock/shop/{SKU}")).status_code == 401


async def test_a_channel_whose_stock_nobody_keeps_is_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/stock/nowhere/{SKU}", headers=bearer(READING))
    assert (answer.status_code, answer.json()["error"]) == (404, "no stock is kept for a channel nowhere")


async def test_a_sku_without_figures_may_not_be_promised(client: httpx.AsyncClient) -> None:
    assert (await client.get("/stock/shop/999999999999", headers=bearer(READING))).json()["pieces"] == 0
    assert (await client.get(f"/stock/shop/{'9' * 65}", headers=bearer(READING))).status_code == 400


async def test_who_comes_when_too_many_wait_is_told_at_once(reads: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "WAITING_LIMIT", 1)
    go_on = threading.Event()
    first = asyncio.create_task(reads.read(lambda _: go_on.wait(10)))
    await asyncio.sleep(0)  # it is asked now
    with pytest.raises(StoreBusy):
        await reads.read(lambda tx: tx.execute("SELECT 1").fetchone()[0])
    go_on.set()
    assert await first is True
    assert await reads.read(lambda tx: tx.execute("SELECT 1").fetchone()[0]) == 1


async def test_nothing_is_written_from_aside(reads: Aside) -> None:
    with pytest.raises(StoreBusy, match="readonly"):
        await reads.read(lambda tx: tx.execute("DELETE FROM stock_figures"))
