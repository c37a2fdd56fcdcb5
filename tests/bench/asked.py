"""A child: the admin's door of a real store, where a checkout asks what may be promised; or the checkouts.

``python -m tests.bench.asked STORE`` says ``{"port": n}`` and serves until told;
``python -m tests.bench.asked PORT SKUS COUNT LINES RATE`` asks so often, at a steady rate, each time for another SKU.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import uvloop
from aiohttp import web

from bcbridge.store.aside import Aside
from bcbridge.store.db import Store
from bcbridge.store.stock.promise import Promise, number
from bcbridge.web.admin import Keys, Token, only_with_a_token
from bcbridge.web.server import serving
from bcbridge.web.stock import StockDoor
from tests.bench.assortment import CHANNELS, upc
from tests.bench.children import tell
from tests.bench.front import utc_now
from tests.bench.load import Load, put
from tests.bench.stockroom import PUBLISHED

SECRET = "a-token-of-the-bench-that-nobody-guesses"
NOW = PUBLISHED + timedelta(minutes=10)
STRIDE = 7_919
"""SKUs are asked for all over the store."""


async def serve(path: Path) -> None:
    keys = Keys([Token.of("checkout", "read", SECRET)], now=utc_now)
    async with Store(path).opened(), Aside(path).opened() as aside:

        async def promises(channel: str, sku: str) -> Sequence[Promise]:
            return await aside.read(partial(number, channel=channel, sku=sku, now=NOW))

        app = web.Application(middlewares=[only_with_a_token(keys)])
        app.add_routes(StockDoor(promises).routes())
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with serving(app, host="127.0.0.1", port=0) as address:
                tell({"port": int(address.rpartition(":")[2])})
                await anext(signals)


def questions(skus: int, count: int) -> Iterator[bytes]:
    for at in range(count):
        path = f"/stock/{CHANNELS[at % len(CHANNELS)]}/{upc(at * STRIDE % skus)}"
        yield f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode()


async def ask(port: int, skus: int, count: int, lines: int, rate: int) -> None:
    await put(Load(questions(skus, count)), port, lines, rate)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        anyio.run(serve, Path(sys.argv[1]), backend_options={"use_uvloop": True})
    else:
        uvloop.run(ask(*map(int, sys.argv[1:6])))
