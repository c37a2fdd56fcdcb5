"""A child: one channel is told all its numbers for the first time, by the product's own publisher out of a real store.

``python -m tests.bench.pushed KIND PORT STORE SKUS SECONDS``. What the simulated shop holds is taken from its books;
half of the numbers fall and half rise. Orders are known: none is placed. It says how many rows were told, which is to
say answered, in how many seconds.

BigCommerce's shelf is read whole before, as the product does: there its room learns what it need not look at before it
writes. That takes more calls than a window has. They are not counted, and the clock starts with a window anew.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any

import httpx
import uvloop

from bcbridge.connectors import bigcommerce, shopify, woocommerce
from bcbridge.connectors.base import Shelf, Tools
from bcbridge.flows.stock.publish import Publisher
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.shelf import Kept, Reading
from bcbridge.model.stock import NumberRule, Outlet, ShelfItem
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.woocommerce.season import MORE_FROM, MORE_SIZES
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import rules
from bcbridge.store.stock.shelf import ShelfMemory
from tests.bench.assortment import settle
from tests.bench.children import tell
from tests.bench.front import utc_now
from tests.bench.stockroom import ERP, WAREHOUSE

CHANNEL = "shop"
BOOKS_PAGE = 5_000
MOST_PAGES = 100
_FIGURE = """
INSERT INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of, evidence, read_at)
VALUES (?, ?, ?, ?, ?, ?, '{}', ?, 'live', ?)
"""
_FEED = "INSERT INTO stock_feeds (erp, pull_began, pull_ended) VALUES (?, ?, ?)"
SECRETS = {
    "env:SHOPIFY": "sandbox-token",
    "env:KEY": "ck_sandbox",
    "env:SECRET": "cs_sandbox",
    "env:BIGCOMMERCE": "sandbox-bigcommerce-token",
}


def a_shelf(kind: str, url: str) -> Shelf:
    name, tools = ConnectorName(CHANNEL), Tools(now=utc_now, secret=SECRETS.__getitem__)
    table: dict[str, Any] = {"code": "AB"}
    if kind == "shopify":
        table |= {"shop": "bcbridge-sandbox.myshopify.com", "base_url": url, "token": "env:SHOPIFY"}
        return shopify.build(name, shopify.ShopifySettings.model_validate(table), tools).stock
    if kind == "woocommerce":
        table |= {"url": url, "consumer_key": "env:KEY", "consumer_secret": "env:SECRET"}
        return woocommerce.build(name, woocommerce.WooCommerceSettings.model_validate(table), tools).stock
    table |= {"store_hash": "sandbox1", "base_url": url, "access_token": "env:BIGCOMMERCE"}
    return bigcommerce.build(name, bigcommerce.BigCommerceSettings.model_validate(table), tools).stock


async def listed(url: str, kind: str, most: int) -> list[ShelfItem]:
    """The numbers of one location, out of the shop's books; as many as are to be told."""
    rows: list[dict[str, Any]] = []
    after: str | int | None = None
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        for _ in range(MOST_PAGES):
            asked = {"limit": BOOKS_PAGE, **({} if after is None else {"after": after})}
            page = (await http.get("/_sandbox/books/stock", params=asked)).raise_for_status().json()
            rows, after = rows + page["stock"], page["next"]
            if after is None:
                break
    location = rows[0]["location"]
    return [_item(row, kind) for row in rows if row["location"] == location and _is_many(row, kind)][:most]


def _is_many(row: Mapping[str, Any], kind: str) -> bool:
    """WooCommerce's are of styles of eight sizes, which its calls are made of."""
    return kind != "woocommerce" or int(row["item"]) >= MORE_FROM


def _item(row: Mapping[str, Any], kind: str) -> ShelfItem:
    group = ""
    if kind == "woocommerce":
        number, size = int(row["item"]), len(MORE_SIZES) + 1
        group = str(number - (number - MORE_FROM) % size)
    return ShelfItem(
        Ref(row["location"]), Ref(row["item"]), Ref(group), Ref(row["item"]), row["sku"], None, "", row["number"]
    )


async def read_whole(shelf: Shelf, url: str) -> None:
    """The whole shelf, read by the room. Each call of it has a window of its own: the last one has just begun."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await _windows(http, 0)
        async for _ in shelf.items():
            pass
        await _windows(http, BigCommerceSettings().window_seconds)


async def _windows(http: httpx.AsyncClient, seconds: float) -> None:
    asked = {"values": {"window_seconds": seconds}}
    (await http.post("/_sandbox/faults", json=asked)).raise_for_status()


async def looked_over(store: Store, memory: ShelfMemory, shelf: Shelf, items: Sequence[ShelfItem]) -> None:
    """As after the first read of the shelf, and the first pull of the figures."""
    outlet = Outlet(CHANNEL, items[0].location, ERP, (WAREHOUSE,), shelf=shelf.rules, rule=NumberRule())
    await store.write(lambda tx: rules.keep_outlets_of(tx, CHANNEL, [outlet]))
    await store.write(partial(_figures, items=items))
    read, now = await memory.begin_read(), utc_now()
    await memory.keep_items(read, [Kept(item.sku, item) for item in items])
    await memory.end_read(read, [], healed=False)
    readings = [Reading(item.sku, item.location, item.item, item.shown or 0, now, now) for item in items]
    await memory.anchor(readings, heal=True)


def _figures(tx: sqlite3.Connection, items: Sequence[ShelfItem]) -> None:
    now = stamp(utc_now() - timedelta(minutes=1))
    tx.execute(_FEED, (ERP, now, now))
    tx.executemany(_FIGURE, [_figure(item, _ots(at, item.shown or 0), now) for at, item in enumerate(items)])


def _ots(at: int, shown: int) -> int:
    """Style by style: falls to little, a raise."""
    return at % 40 if at // len(MORE_SIZES) % 2 else shown + 7


def _figure(item: ShelfItem, ots: int, now: str) -> tuple[object, ...]:
    return item.sku, ERP, WAREHOUSE, ots, ots, ots, now, now


async def yes() -> bool:
    return True


async def told(publisher: Publisher, most: timedelta) -> tuple[int, float]:
    """Rows told, and the seconds that it took; no longer than so long."""
    began = perf_counter()
    while perf_counter() - began < most.total_seconds() and await publisher.once():
        pass
    return publisher.figures.rows, perf_counter() - began


async def main(kind: str, port: int, path: Path, skus: int, seconds: float) -> None:
    url = f"http://127.0.0.1:{port}"
    shelf = a_shelf(kind, url)
    await shelf.ready()
    items = await listed(url, kind, skus)
    async with Store(path).opened() as store:
        memory = ShelfMemory(store, CHANNEL, utc_now, new_key=partial(token_hex, 16))
        await looked_over(store, memory, shelf, items)
        if kind == "bigcommerce":
            await read_whole(shelf, url)
        publisher = Publisher(ConnectorName(CHANNEL), shelf, memory, catch_up=yes, may_write=yes, now=utc_now)
        settle()
        rows, took = await told(publisher, timedelta(seconds=seconds))
    tell({"items": len(items), "rows": rows, "seconds": took, "calls": publisher.figures.calls})


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
