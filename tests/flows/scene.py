"""A bench for the orders story: a real store and writer, a channel and an ERP in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from bcbridge.connectors.base import HeadList
from bcbridge.errors import Malformed
from bcbridge.flows.orders.story import Orders
from bcbridge.mappings import Mappings
from bcbridge.model.documents import Document, Page
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import Order
from bcbridge.model.standing import Standing
from bcbridge.model.work import Job, Verdict
from bcbridge.store import catalog, orders
from bcbridge.store.memory import OrderMemory
from tests.flows.at_hand import DRESS, MAPPINGS, SETTINGS, SKUS, WIDTHS, line, order
from tests.runtime.kit import CHANNEL, ERP, Bench, bench

OLD = timedelta(minutes=10)
ZONE = ZoneInfo("UTC")
"""Loaded once, outside the loop, as any setting is."""


@dataclass
class MemoryShop:
    """A Source: the orders of a shop by ref, as JSON; ``lag`` shows an older state of one."""

    noun: Noun = Noun("orders")  # noqa: RUF009
    lists: Sequence[HeadList] = ()
    now: Callable[[], datetime] = datetime.now
    held: dict[Ref, bytes] = field(default_factory=dict)
    stamps: dict[Ref, datetime] = field(default_factory=dict)
    fetched: list[list[Ref]] = field(default_factory=list)

    def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        raise NotImplementedError

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        self.fetched.append(list(refs))
        return [
            Document(self.noun, ref, self.stamps[ref], self.now(), self.held[ref]) for ref in refs if ref in self.held
        ]

    def read(self, document: Document) -> Order:
        if not document.body.startswith(b"{"):
            raise Malformed("not an order", where="document")
        return Order.model_validate_json(document.body)

    def put(self, sold: Order, modified: datetime | None = None) -> Ref:
        stamp = modified or sold.modified
        self.held[sold.ref] = sold.model_copy(update={"modified": stamp}).model_dump_json().encode()
        self.stamps[sold.ref] = stamp
        return sold.ref

    def put_nonsense(self, number: int, modified: datetime) -> Ref:
        ref = Ref(f"gid://shop/Order/{number}")
        self.held[ref], self.stamps[ref] = b"<html>", modified
        return ref


@dataclass
class Scene:
    b: Bench
    shop: MemoryShop
    flow: Orders
    mappings: list[Mappings]

    def sold(self, number: int = 5001, code: str = DRESS, *, said: dict[str, Any] | None = None) -> Order:
        """A plain paid order made ten minutes ago."""
        lines = (said or {}).pop("lines", None) or (line(code, "80.00"),)
        total = str(sum(one.amount for one in lines))
        made = order(*lines, total=total, created=self.b.clock() - OLD, **(said or {}))
        ids = {"ref": Ref(f"gid://shop/Order/{number}"), "id": str(number), "name": f"#{number}"}
        return made.model_copy(update={**ids, "modified": self.b.clock() - OLD})

    async def look(self, *refs: Ref, wanted: datetime | None = None, attempts: int = 1) -> list[Verdict]:
        """Handle a batch of jobs about these refs; how each ended."""
        jobs = [self.job(number, ref, wanted, attempts) for number, ref in enumerate(refs)]
        ended: list[Verdict] = []

        async def settle(job: Job, verdict: Verdict) -> None:
            ended.append(verdict)

        await self.flow.handle(jobs, settle)
        return ended

    async def look_only(self, *refs: Ref, wanted: datetime | None = None) -> list[Verdict]:
        """For the count alone."""
        jobs = [self.job(number, ref, wanted, 1) for number, ref in enumerate(refs)]
        return [verdict for _, verdict in await self.flow.looked_at(jobs)]

    async def demand(self, number: int = 5001) -> dict[str, int]:
        """Pieces that an order asks for, by where each row stands."""
        found = await self.b.store.read.rows(
            "SELECT state, sum(qty) AS pieces FROM stock_demand WHERE order_ref = ? AND state <> 'void' GROUP BY state",
            (f"gid://shop/Order/{number}",),
        )
        return {row["state"]: row["pieces"] for row in found}

    def job(self, number: int, ref: Ref, wanted: datetime | None, attempts: int) -> Job:
        return Job(number, "orders", CHANNEL, ref, f"{CHANNEL}/{ref}", 0, wanted, self.b.clock(), attempts, 0)

    async def row(self, number: int = 5001) -> sqlite3.Row:
        row = await self.b.store.read.row("SELECT * FROM orders WHERE ref = ?", (f"gid://shop/Order/{number}",))
        assert row is not None
        return row

    async def standing(self, number: int = 5001) -> Standing:
        ref = Ref(f"gid://shop/Order/{number}")
        return (await orders.standings(self.b.store, CHANNEL, [ref]))[ref]

    async def codes(self, number: int = 5001) -> list[str]:
        return [problem["code"] for problem in orjson.loads((await self.row(number))["problems"])]

    async def events(self, number: int = 5001) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.b.store.read.rows(
            "SELECT kind, data FROM events WHERE order_id = ? ORDER BY seq", ((await self.row(number))["id"],)
        )
        return [(row["kind"], orjson.loads(row["data"])) for row in rows]

    async def kinds(self, number: int = 5001) -> list[str]:
        return [kind for kind, _ in await self.events(number)]

    async def told(self) -> list[str]:
        """The words of every incident there was."""
        return [row["text"] for row in await self.b.store.read.rows("SELECT text FROM incidents ORDER BY id")]

    async def book(self, number: int = 5001, **said: Any) -> Order:
        """Sold, accepted, posted, seen."""
        made = self.sold(number, said=said)
        await self.look(self.shop.put(made))
        self.b.erp.post()
        await self.b.writer.confirm_posted()
        assert (await self.row(number))["state"] == "booked"
        return made

    def change(self, made: Order, **said: Any) -> Ref:
        self.b.clock.tick(60)
        return self.shop.put(made.model_copy(update=said), modified=self.b.clock() - timedelta(seconds=10))


def with_skus(tx: sqlite3.Connection) -> None:
    for skus in SKUS.values():
        catalog.replace_style(tx, ERP, skus[0].style, skus)
    catalog.keep_codes(tx, ERP, "warehouses", {"NJ1": "", "CA1": ""})
    catalog.keep_codes(tx, ERP, "ship_vias", {"UPG": "", "UP2": ""})


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with bench(folder) as b:
        await b.store.write(with_skus)
        b.clock.tick(3600)
        mappings = [MAPPINGS]
        shop = MemoryShop(now=b.clock)
        flow = Orders(
            channel=CHANNEL,
            source=shop,
            memory=OrderMemory(b.store, CHANNEL, ERP, b.clock),
            carrier=b.writer,
            settings=SETTINGS,
            mappings=lambda: mappings[0],
            widths=WIDTHS,
            now=b.clock,
            stale_after=timedelta(seconds=60),
        )
        yield Scene(b, shop, flow, mappings)
