"""A child: one pull of the product, from parsed pages to batches ready to be told. ``STORE SKUS DEMAND time|memory``.

The store holds what the first publication said (stockroom.py); the pages of the second one are in memory before the
clock starts, the figures that are resident as well. Everything else is in the time: what moved is found, dated and on
disk with its numbers, what is due was read and cut by the rooms themselves. For *memory* they are made one by one: that
of a pull is asked for, and not that of its pages.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

import uvloop

from bcbridge.connectors.base import Shelf
from bcbridge.flows.stock.publish import batches
from bcbridge.flows.stock.pull import Pulls
from bcbridge.store.db import Store
from bcbridge.store.stock import compute
from bcbridge.store.stock.figures import FigureMemory
from bcbridge.store.stock.shelf import ShelfMemory
from tests.bench.assortment import CHANNELS, CYCLE, Assortment, Told, peak_mib, say, settle
from tests.bench.stockroom import ERP, moment, publication, sold
from tests.connectors.bigcommerce.stores import a_room as bigcommerce
from tests.connectors.shopify.shops import a_room as shopify
from tests.connectors.woocommerce.shops import a_room as woocommerce

NOBODY = "http://127.0.0.1:9"
READ = moment(CYCLE + 60)
LATER = READ + timedelta(seconds=10)
"""When a fall that leaves plenty is due too."""


async def main(path: Path, of: Assortment, *, lazily: bool) -> None:
    feed = publication(of, after=True, at=READ, lazily=lazily)
    told_by = (shopify(NOBODY).stock, woocommerce(NOBODY).stock, bigcommerce(NOBODY).stock)
    shelves: dict[str, Shelf] = dict(zip(CHANNELS, told_by, strict=True))
    async with Store(path).opened() as store:
        pulls = Pulls(feed, FigureMemory(store, ERP, lambda: READ), lambda: READ)
        await pulls.changed()  # nothing has: what is held becomes resident
        settle()
        began = perf_counter()
        pulled = await pulls.everything()
        read = perf_counter() - began
        told = await _ready(store, shelves, of)
        seconds = perf_counter() - began - feed.took
        assert pulled.everything, pulled
        peak = peak_mib()
        touch, touched = await _touched(store, shelves, of)
    say(told, touched, seconds=seconds, read=read - feed.took, touch=touch, peak_mib=peak)


async def _ready(store: Store, shelves: dict[str, Shelf], of: Assortment) -> Told:
    """The calls of each channel, the most urgent first."""
    told = {}
    for channel, shelf in shelves.items():
        rows = await ShelfMemory(store, channel, lambda: LATER, new_key=str).due(of.skus)
        told[channel] = [[(row.sku, row.change.number) for row in call] for call in batches(shelf, rows)]
    return told


async def _touched(store: Store, shelves: dict[str, Shelf], of: Assortment) -> tuple[float, Told]:
    """What follows from one more piece sold of each of 5,000 SKUs, from the moment at which that is known."""
    skus = await store.write(lambda tx: sold(tx, of, at=READ))
    await store.write(lambda tx: tx.execute("UPDATE stock_shown SET due = NULL, due_at = NULL WHERE due IS NOT NULL"))
    settle()
    began = perf_counter()
    for some in compute.slices(skus):
        await store.write(partial(compute.mark, skus=some, now=READ))
    told = await _ready(store, shelves, of)
    return perf_counter() - began, told


if __name__ == "__main__":
    asked = Assortment(int(sys.argv[2]), int(sys.argv[3]))
    uvloop.run(main(Path(sys.argv[1]), asked, lazily=sys.argv[4] == "memory"))
