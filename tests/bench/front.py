"""A child: the front door's own handler behind a real server, with one of several memories.

``python -m tests.bench.front MODE STORE``: *durable* is the product; *nothing* answers without keeping anything, all
else being equal; *each* commits every request by itself; *recomputing* is the product beside stock work. It says
``{"port": n, "pid": n}``, then serves until told.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
from aiohttp import web

from bcbridge.connectors.shopify.webhook import Webhook
from bcbridge.house.intake import Intake
from bcbridge.model.documents import Notification
from bcbridge.store import db
from bcbridge.store.db import Store
from bcbridge.store.inbox import Arrival
from bcbridge.web import protocols
from bcbridge.web.hooks import Hooks
from bcbridge.web.server import serving
from tests.bench.children import tell
from tests.bench.recount import everything, rulebook
from tests.bench.webhooks import CHANNEL, SECRET, SHOP_DOMAIN

BODY_LIMIT = 2_000_000
BODIES_AT_ONCE = 64
FLOWS = {"orders": "orders"}


def utc_now() -> datetime:
    return datetime.now(UTC)


def _nobody() -> None:
    """No list is woken: the door alone is measured."""


def _intake(store: Store) -> Intake:
    return Intake(store, utc_now, FLOWS, {CHANNEL: _nobody})


@asynccontextmanager
async def durable(path: Path) -> AsyncIterator[protocols.Intake]:
    async with Store(path).opened() as store:
        yield _intake(store)


class Nothing:
    async def take(self, connector: str, notification: Notification, body_hash: str) -> None:
        """Keeps nothing."""


@asynccontextmanager
async def nothing(path: Path) -> AsyncIterator[protocols.Intake]:
    yield Nothing()


@dataclass
class Each:
    """The same rows by the same unit, in a transaction of their own each."""

    connection: sqlite3.Connection
    unit: Intake
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    async def take(self, connector: str, notification: Notification, body_hash: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.thread, self._keep, connector, notification, body_hash)

    def _keep(self, connector: str, notification: Notification, body_hash: str) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.unit.keep(self.connection, [Arrival(connector, notification, body_hash, utc_now())])
        self.connection.execute("COMMIT")


@asynccontextmanager
async def each(path: Path) -> AsyncIterator[protocols.Intake]:
    await anyio.to_thread.run_sync(db.migrate, path)
    kept = Each(await anyio.to_thread.run_sync(db.connect, path), _intake(Store(path)))
    try:
        yield kept
    finally:
        kept.thread.shutdown()
        kept.connection.close()


@asynccontextmanager
async def recomputing(path: Path) -> AsyncIterator[protocols.Intake]:
    """The product, while every number of every SKU is reckoned anew, over and over."""
    async with Store(path).opened() as store, anyio.create_task_group() as tasks:
        tasks.start_soon(_over_and_over, store)
        yield _intake(store)
        tasks.cancel_scope.cancel()


async def _over_and_over(store: Store) -> None:
    book = rulebook(store)
    for turn in itertools.count(1):
        await everything(book, extra=3 * (turn % 2))


MODES: Mapping[str, Callable[[Path], AbstractAsyncContextManager[protocols.Intake]]] = {
    "durable": durable,
    "nothing": nothing,
    "each": each,
    "recomputing": recomputing,
}


async def serve(mode: str, path: Path) -> None:
    async with MODES[mode](path) as intake:
        hooks = Hooks(
            {CHANNEL: Webhook(SHOP_DOMAIN, [SECRET])},
            intake,
            body_limit_bytes=BODY_LIMIT,
            bodies_at_once=BODIES_AT_ONCE,
        )
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_routes(hooks.routes())
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with serving(app, host="127.0.0.1", port=0) as address:
                tell({"port": int(address.rpartition(":")[2]), "pid": os.getpid()})
                await anext(signals)


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], Path(sys.argv[2]), backend_options={"use_uvloop": True})
