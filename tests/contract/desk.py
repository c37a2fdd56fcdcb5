"""The house's writer at work on one sink: a real store, a circuit, and a clock that a claim moves on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bcbridge.connectors.base import Connector, Sink
from bcbridge.model.ids import ConnectorName, Ref, Reference
from bcbridge.model.outcome import Ready
from bcbridge.model.plan import Plan, Write
from bcbridge.model.sales_order import SalesOrder
from bcbridge.model.standing import Facts
from bcbridge.model.work import Job, Verdict
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.writer import DOUBTS, DocumentWriter
from bcbridge.store import orders, queue
from bcbridge.store.db import Store

CHANNEL = ConnectorName("shop")
ORDER = Ref("order/1")


@dataclass
class Ahead:
    """Now, and as much later as a claim says."""

    by: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.by


@dataclass
class Desk:
    """One order, one document, one writer."""

    store: Store
    writer: DocumentWriter
    erp: str
    now: Ahead = field(default_factory=Ahead)

    async def book(self, item: SalesOrder) -> None:
        """A ready order of one part, handed to the writer."""
        facts = Facts(ORDER, channel_id="1", name=item.name, content_hash="1:one")
        order_id = await self.store.write(lambda tx: orders.record(tx, CHANNEL, facts, Ready(parts=()), now=self.now()))
        write = Write(part=1, parts=1, generation=1, reference=item.reference, item=item)
        plan = Plan(
            order_id=order_id,
            channel=CHANNEL,
            ref=ORDER,
            created=self.now(),
            content_hash=facts.content_hash,
            writes=(write,),
        )
        await self.writer.carry(plan)

    async def read_back(self) -> None:
        """A pass over what was posted, then every read-back that is due after a while."""
        self.now.by += timedelta(minutes=10)
        await self.writer.confirm_posted()
        jobs = await self.store.write(
            lambda tx: queue.claim(tx, flow=DOUBTS, connector=self.erp, many=50, now=self.now())
        )

        async def settle(job: Job, verdict: Verdict) -> None:
            await self.store.write(lambda tx: queue.put_back(tx, job.id, due=self.now(), reason=verdict.reason))

        await self.writer.handle(jobs, settle)

    async def state(self) -> str:
        """Of the one document."""
        row = await self.store.read.row("SELECT state FROM outbox", ())
        assert row is not None
        return str(row["state"])


@asynccontextmanager
async def desk(connector: Connector, sink: Sink[SalesOrder], folder: Path) -> AsyncIterator[Desk]:
    """Opened, as app does it before the first post."""
    now = Ahead()
    async with _open(folder / "bcbridge.db") as store:
        writer = DocumentWriter(
            sink=sink,
            erp=connector.name,
            store=store,
            now=now,
            ours=_ours,
            circuit=Circuit(connector, store, now=now),
            permitted=lambda: "",
        )
        await writer.open()
        yield Desk(store, writer, connector.name, now)


@asynccontextmanager
async def _open(path: Path) -> AsyncIterator[Store]:
    store = Store(path)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _ours(reference: str) -> bool:
    return Reference(reference).startswith("SU")
