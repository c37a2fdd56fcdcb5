"""One channel connects and never answers, with work waiting for it: how much that slows another channel."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bcbridge.store import queue
from bcbridge.store.db import connect, migrate
from bcbridge.store.queue import Wish
from tests.bench.engine import utc_now
from tests.bench.flow import MARGIN_SECONDS, STAMP_SECONDS, accepted
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.bench.shopfloor import Shopfloor, shopfloor

LATENCY_MS = 200
SLOWED = 0.10
WAITING = 2_000

BLACK_HOLE = """
[connections.shopify_eu]
kind = "shopify"
shop = "black-hole.myshopify.com"
base_url = "http://127.0.0.1:{port}"
client_id = "file:var/shop/credentials/shopify_client_id"
client_secret = "file:var/shop/credentials/shopify_client_secret"
poll_every_seconds = 1
overlap_seconds = 5
code = "SEU"
[channels.shopify_eu]
erp = "bluecherry"
code = "SEU"
orders_created_from = 2026-01-01T00:00:00Z
"""


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    with shopfloor(folder / "alone") as floor:
        alone = _pace(floor, scale.isolation_seconds)
    with (
        socket.create_server(("127.0.0.1", 0), backlog=512) as hole,  # nobody accepts: it connects and never answers
        shopfloor(folder / "beside", more=BLACK_HOLE.format(port=hole.getsockname()[1])) as floor,
    ):
        _let_wait(floor)
        beside = _pace(floor, scale.isolation_seconds)
        stuck = floor.rows("SELECT count(*) AS n FROM jobs WHERE connector = 'shopify_eu' AND state <> 'done'")[0]["n"]
    told = f"{beside * 60:,.0f} orders a minute, alone {alone * 60:,.0f} ({stuck:,} jobs wait for the silent one)"
    goal = f"slowed by no more than {SLOWED:.0%}"
    what = "a shop beside one that connects and never answers"
    yield Row("isolation", what, told, f"{beside / alone:.2f} of alone", goal, beside / alone >= 1 - SLOWED)


def _let_wait(floor: Shopfloor) -> None:
    """Work for the channel that will not answer."""
    floor.store.parent.mkdir(parents=True, exist_ok=True)
    migrate(floor.store)
    now = utc_now()
    with closing(connect(floor.store)) as tx:
        queue.enqueue(
            tx, [Wish("orders", "shopify_eu", f"gid://shopify/Order/{n}", now) for n in range(WAITING)], now=now
        )


def _pace(floor: Shopfloor, seconds: float) -> float:
    """Orders of the good shop accepted a second."""
    floor.run_bridge()
    floor.comes(lambda: may_post(floor), "the bridge may post")
    time.sleep(STAMP_SECONDS)
    floor.erp_answers_after(LATENCY_MS)
    many = 1000 / LATENCY_MS
    floor.sell(int(many * (seconds + MARGIN_SECONDS)), seed=7, simple=True, unbookable=0)
    floor.comes(lambda: accepted(floor) >= many, "the pace is steady")
    before, began = accepted(floor), time.monotonic()
    time.sleep(seconds)
    pace = (accepted(floor) - before) / (time.monotonic() - began)
    floor.kill_bridge()
    return pace


def may_post(floor: Shopfloor) -> bool:
    """The ERP's recent orders were listed: an epoch stands in the store."""
    try:
        return bool(floor.rows("SELECT 1 FROM meta WHERE name LIKE 'epoch/%'"))
    except sqlite3.OperationalError:
        return False  # it is being made
