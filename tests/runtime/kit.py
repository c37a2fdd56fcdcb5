"""A bench for the writer: a clock that stands still, an ERP in memory with bad manners, and deaths of the process.

The ERP takes a document when its call arrives, posts it in a later cycle, and shows only what it posted. A death is
a copy of the store's files as they stood at that moment: what was committed is there, nothing else.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import orjson

from bcbridge.connectors.base import Finding, Found, PostedPage, PostingRules, Unproven
from bcbridge.model.answers import Accepted, NotSent, PutAnswer
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import ConnectorName, Ref, Reference, SkuParts, Upc
from bcbridge.model.order import Address
from bcbridge.model.outcome import Ready
from bcbridge.model.plan import Plan, Write
from bcbridge.model.sales_order import BookedLine, BookedOrder, SalesOrder, SalesOrderLine
from bcbridge.model.standing import Facts, Standing
from bcbridge.model.work import Done, Job, Verdict
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.writer import DOUBTS, DocumentWriter, Evidence
from bcbridge.store import orders, outbox, queue
from bcbridge.store.db import Store
from tests.stores import empty_store

CHANNEL = ConnectorName("shop")
ERP = "erp"
SINK = "erp.orders"
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The present, moved by hand."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def tick(self, seconds: float = 1) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class QuietConnector:
    """A connection that answers a ping, or raises what it was given."""

    name: ConnectorName = field(default_factory=lambda: ConnectorName(ERP))
    kind: str = "memory"
    pings: int = 0
    trouble: BaseException | None = None

    async def ping(self) -> None:
        self.pings += 1
        if self.trouble is not None:
            raise self.trouble

    async def doctor(self) -> list[Finding]:
        return []

    async def aclose(self) -> None:
        return None


class Killed(BaseException):
    """The process died here; ``path`` is its store as it stood."""

    def __init__(self, path: Path) -> None:
        super().__init__("killed")
        self.path = path


Manner = Callable[["MemoryErp", bytes], Awaitable[PutAnswer]]


async def accepts(erp: MemoryErp, body: bytes) -> PutAnswer:
    erp.take(body)
    return Accepted("pkey-1")


def answers(answer: PutAnswer, *, kept: bool = False) -> Manner:
    """Say this, having kept the document or not."""

    async def manner(erp: MemoryErp, body: bytes) -> PutAnswer:
        if kept:
            erp.take(body)
        return answer

    return manner


def raises(fault: BaseException, *, kept: bool = False) -> Manner:
    async def manner(erp: MemoryErp, body: bytes) -> PutAnswer:
        if kept:
            erp.take(body)
        raise fault

    return manner


@dataclass
class MemoryErp:
    """A Sink. ``manners`` are used up one per call, then it accepts."""

    name: str = SINK
    read_back: str = "orders by reference"
    rules: PostingRules = field(default_factory=PostingRules)
    manners: list[Manner] = field(default_factory=list)
    calls: list[bytes] = field(default_factory=list)
    found: list[list[Reference]] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    books: list[BookedOrder] = field(default_factory=list)
    unproven: str = ""
    on_find: Callable[[], None] = lambda: None
    list_trouble: BaseException | None = None

    def render(self, item: SalesOrder) -> bytes:
        lines = [[line.upc, line.quantity, str(line.price)] for line in item.lines]
        return orjson.dumps({"reference": item.reference, "notes": item.notes, "lines": lines})

    async def put(self, body: bytes) -> PutAnswer:
        self.calls.append(body)
        manner = self.manners.pop(0) if self.manners else accepts
        return await manner(self, body)

    def take(self, body: bytes) -> None:
        self.waiting.append(body)

    def post(self, many: int | None = None) -> None:
        """The posting job makes documents of what waits, oldest first."""
        many = len(self.waiting) if many is None else many
        for body in self.waiting[:many]:
            self.book(body)
        del self.waiting[:many]

    def book(self, body: bytes) -> BookedOrder:
        read = orjson.loads(body)
        made = booked(read["reference"], f"SO{len(self.books) + 1}", read["lines"])
        self.books.append(made)
        return made

    async def find(self, references: Sequence[Reference]) -> Found | Unproven:
        self.found.append(list(references))
        self.on_find()
        hits = {asked: tuple(one for one in self.books if one.reference == asked) for asked in references}
        return Unproven(self.unproven, hits) if self.unproven else Found(hits)

    async def posted(self, since: Cursor) -> AsyncIterator[PostedPage]:
        if self.list_trouble is not None:
            raise self.list_trouble
        yield PostedPage(tuple(self.books[int(since or 0) :]), str(len(self.books)))

    def sent_to(self, body: bytes) -> str:
        return ""

    def goes_to(self, address: Address) -> str:
        return ""

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        sent = [(upc, quantity) for upc, quantity, _ in orjson.loads(body)["lines"]]
        holds = [(line.upc, line.quantity) for line in booked.lines]
        return () if sent == holds else (f"pieces {holds}, sent {sent}",)

    def sent(self) -> list[str]:
        """The references of all calls, in their order."""
        return [orjson.loads(body)["reference"] for body in self.calls]

    def copies(self, reference: str) -> int:
        return sum(one.reference == reference for one in self.books)


def booked(reference: str, number: str, lines: Sequence[tuple[str, int, str]] = ()) -> BookedOrder:
    return BookedOrder(
        number=number,
        key=f"key-{number}",
        reference=Reference(reference),
        name="#1",
        customer="SHOP",
        division="WOM",
        warehouse="NJ1",
        status="open",
        currency="USD",
        lines=tuple(
            BookedLine(upc=Upc(upc), quantity=quantity, price=Decimal(price), warehouse="NJ1")
            for upc, quantity, price in lines
        ),
        tax=None,
        freight=None,
        allowances=None,
        charges=None,
        stamp="2026-11-20 07:00:00",
    )


def sales_order(reference: str, *pieces: tuple[str, int], notes: str = "") -> SalesOrder:
    """A document of these pieces at 10.00 each."""
    parts = SkuParts(division="WOM", style="00417", color_code="BLK", size_desc="M")
    lines = tuple(
        SalesOrderLine(
            line_seq=seq, sku=parts, upc=Upc(upc), quantity=quantity, price=Decimal("10.00"), warehouse="NJ1"
        )
        for seq, (upc, quantity) in enumerate(pieces or (("012345678905", 1),), start=1)
    )
    return SalesOrder(
        reference=Reference(reference),
        name="#1",
        customer="SHOP",
        division="WOM",
        warehouse="NJ1",
        ship_via="UPG",
        terms="PREPAID",
        currency="USD",
        tax_code="NJ",
        start_date=date(2026, 11, 20),
        end_date=date(2026, 11, 30),
        lines=lines,
        allowances=(),
        charges=(),
        tax=Decimal("0.00"),
        freight=Decimal("0.00"),
        total=Decimal("10.00"),
        ship_to=Address(),
        bill_to=Address(),
        notes=notes,
    )


def reference_of(number: int, part: int = 1, generation: int = 1) -> Reference:
    return Reference(f"SU{number}P{part}G{generation}")


def ref_of(number: int) -> Ref:
    return Ref(f"order/{number}")


@dataclass
class Bench:
    """One store, one ERP, one writer; ``rebuild`` makes them anew on the same disk, as a start of the process does."""

    store: Store
    erp: MemoryErp
    clock: Clock
    writer: DocumentWriter
    circuit: Circuit
    connector: QuietConnector
    ids: dict[int, int] = field(default_factory=dict)
    deaths: int = 0

    # -- what a flow does ----------------------------------------------------------------------------------

    async def plan(
        self,
        number: int,
        *items: Sequence[tuple[str, int]],
        created: datetime | None = None,
        notes: str = "",
        generations: Sequence[int] = (),
    ) -> Plan:
        """A ready order and what is to be made of it, one part per item."""
        facts = Facts(ref_of(number), channel_id=str(number), name=f"#{number}", content_hash=f"1:{number}{notes}")
        order_id = await self.store.write(
            lambda tx: orders.record(tx, CHANNEL, facts, Ready(parts=()), now=self.clock())
        )
        self.ids[number] = order_id
        wanted = items or ((("012345678905", 1),),)
        writes = tuple(
            self._write(number, part, len(wanted), generations[part - 1] if generations else 1, pieces, notes)
            for part, pieces in enumerate(wanted, start=1)
        )
        return Plan(
            order_id=order_id,
            channel=CHANNEL,
            ref=ref_of(number),
            created=created or self.clock(),
            content_hash=facts.content_hash,
            writes=writes,
        )

    def _write(
        self, number: int, part: int, parts: int, generation: int, pieces: Sequence[tuple[str, int]], notes: str
    ) -> Write:
        ours = reference_of(number, part, generation)
        item = sales_order(ours, *pieces, notes=notes)
        return Write(part=part, parts=parts, generation=generation, reference=ours, item=item)

    async def book(self, number: int, *items: Sequence[tuple[str, int]]) -> Plan:
        """A ready order handed to the writer."""
        plan = await self.plan(number, *items)
        await self.writer.carry(plan)
        return plan

    async def evidence(self, first: int = 900) -> None:
        """Two orders are accepted and seen posted, one after the other: what came before them has come."""
        for number in (first, first + 1):
            self.clock.tick()
            await self.book(number)
            self.clock.tick()
            self.erp.post()
            await self.writer.confirm_posted()

    # -- what the engine does ------------------------------------------------------------------------------

    async def read_back(self, *, wait: float = 120) -> dict[str, Verdict]:
        """Run every read-back that is due after ``wait`` seconds; how each ended, by reference."""
        self.clock.tick(wait)
        jobs = await self.store.write(lambda tx: queue.claim(tx, flow=DOUBTS, connector=ERP, many=50, now=self.clock()))
        ended: dict[str, Verdict] = {}

        async def settle(job: Job, verdict: Verdict) -> None:
            ended[job.ref] = verdict
            await self.store.write(lambda tx: self._settle(tx, job, verdict))

        try:
            await self.writer.handle(jobs, settle)
        finally:
            for job in [job for job in jobs if job.ref not in ended]:
                await self._back(job)
        return ended

    def _settle(self, tx: sqlite3.Connection, job: Job, verdict: Verdict) -> None:
        if isinstance(verdict, Done):
            queue.done(tx, job, now=self.clock(), reason=verdict.reason)
        else:
            queue.put_back(tx, job.id, due=self.clock() + verdict.after, reason=verdict.reason, burn=verdict.burn)

    async def _back(self, job: Job) -> None:
        await self.store.write(lambda tx: queue.put_back(tx, job.id, due=self.clock(), reason="failed"))

    # -- what the disk says --------------------------------------------------------------------------------

    async def rows(self, number: int) -> dict[str, sqlite3.Row]:
        """The documents of an order, by reference."""
        found = await self.store.read.rows(
            "SELECT outbox.* FROM outbox JOIN orders ON orders.id = order_id WHERE orders.ref = ?", (ref_of(number),)
        )
        return {row["reference"]: row for row in found}

    async def state(self, number: int, part: int = 1, generation: int = 1) -> str:
        return str((await self.rows(number))[reference_of(number, part, generation)]["state"])

    async def shown(self, number: int) -> str:
        row = await self.order_row(number)
        return str(row["state"])

    async def order_row(self, number: int) -> sqlite3.Row:
        row = await self.store.read.row("SELECT * FROM orders WHERE ref = ?", (ref_of(number),))
        assert row is not None
        return row

    async def standing(self, number: int) -> Standing:
        return (await orders.standings(self.store, CHANNEL, [ref_of(number)]))[ref_of(number)]

    async def events(self, number: int) -> list[str]:
        found = await self.store.read.rows(
            "SELECT kind FROM events JOIN orders ON orders.id = order_id WHERE ref = ? ORDER BY seq", (ref_of(number),)
        )
        return [str(row["kind"]) for row in found]

    async def incidents(self, *, closed: bool = False) -> list[str]:
        found = await self.store.read.rows(
            "SELECT code FROM incidents WHERE (closed_at IS NOT NULL) = ? ORDER BY id", (closed,)
        )
        return [str(row["code"]) for row in found]

    async def jobs(self, flow: str) -> list[str]:
        found = await self.store.read.rows(
            "SELECT ref FROM jobs WHERE flow = ? AND state = 'waiting' ORDER BY id", (flow,)
        )
        return [str(row["ref"]) for row in found]

    # -- deaths --------------------------------------------------------------------------------------------

    async def death(self) -> Killed:
        """Raise this where the process dies."""
        self.deaths += 1
        return await asyncio.to_thread(self._copy)

    def _copy(self) -> Killed:
        base = self.store.path.with_name(f"after{self.deaths}.db")
        for ending in ("", "-wal"):
            source = self.store.path.with_name(self.store.path.name + ending)
            if source.exists():
                shutil.copy(source, base.with_name(base.name + ending))
        return Killed(base)

    async def rise(self, killed: Killed) -> None:
        """Start again on what the dead process left on disk."""
        await self.store.close()
        self.store = Store(killed.path)
        await self.store.open()
        await self.start()

    async def restart(self) -> None:
        """Killed between two steps, and started again."""
        await self.rise(await self.death())

    async def start(self) -> None:
        """What app does at a start: recover, then list the ERP's recent orders."""
        self.circuit = Circuit(self.connector, self.store, now=self.clock)
        self.writer = replace(self.writer, store=self.store, circuit=self.circuit, _listed=False, _stopped="")

        def recover(tx: sqlite3.Connection) -> None:
            outbox.recover(tx, now=self.clock())
            queue.recover(tx, now=self.clock())
            rows = outbox.in_doubt(tx, SINK)
            wishes = [self.writer.doubt_job(row.reference, row.channel, row.order_ref) for row in rows]
            queue.enqueue(tx, wishes, now=self.clock())

        await self.store.write(recover)
        await self.writer.open()


@asynccontextmanager
async def bench(
    folder: Path, *, erp: MemoryErp | None = None, evidence: Evidence = outbox.evidence, opened: bool = True
) -> AsyncIterator[Bench]:
    clock, sink, connector = Clock(), erp or MemoryErp(), QuietConnector()
    store = Store(empty_store(folder / "bcbridge.db"))
    await store.open()
    circuit = Circuit(connector, store, now=clock)
    writer = DocumentWriter(
        sink=sink,
        erp=ERP,
        store=store,
        now=clock,
        ours=lambda reference: reference.startswith("SU"),
        circuit=circuit,
        permitted=lambda: "",
        evidence=evidence,
    )
    made = Bench(store, sink, clock, writer, circuit, connector)
    try:
        if opened:
            await writer.open()
            clock.tick()
        yield made
    finally:
        await made.store.close()


async def locked(path: Path) -> sqlite3.Connection:
    """Another process writes to the file, until this is closed."""

    def lock() -> sqlite3.Connection:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        return other

    return await asyncio.to_thread(lock)


async def until(true: Callable[[], bool | Awaitable[bool]], *, within: float = 10) -> None:
    """Come back when it is so."""
    with anyio.fail_after(within):
        while not (said if isinstance(said := true(), bool) else await said):
            await anyio.sleep(0.005)


def not_sent(after: timedelta | None = None) -> NotSent:
    return NotSent("asked to wait", after)
