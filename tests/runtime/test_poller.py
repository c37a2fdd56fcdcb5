"""Every page is kept with its cursor, a failed pass comes again, one odd document stands alone."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from bcbridge.connectors.base import HeadList
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model.documents import Cursor, Document, Head, Page
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.work import SETTLED
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.poller import (
    LOOK_FIRST,
    ListPoller,
    Receive,
    documents_to,
    heads_to_jobs,
    look,
    sweep_to_jobs,
)
from bcbridge.store import inbox
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.runtime.kit import Clock, QuietConnector, locked, until
from tests.stores import empty_store

ORDERS = Noun("orders")


@dataclass
class MemoryList:
    """A list of ten lines: pages from the cursor on; ``troubles`` are raised, one a pass, after the first page."""

    name: str = "updated"
    pages_held: list[Page] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def pages(self, since: Cursor) -> AsyncIterator[Page]:
        self.asked.append(since)
        trouble = self.troubles.pop(0) if self.troubles else None
        for number, page in enumerate(self.pages_held[int(since or 0) :]):
            if trouble is not None and number == 1:
                raise trouble
            yield page
        if trouble is not None:
            raise trouble


@dataclass
class MemorySource:
    """Documents that read to their own bytes, unless they say ``odd``."""

    noun: Noun = ORDERS
    lists: Sequence[HeadList] = ()

    def sweep(self, created_from: object) -> AsyncIterator[Page]:
        raise NotImplementedError

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        raise NotImplementedError

    def read(self, document: Document) -> str:
        if b"odd" in document.body:
            raise Malformed("no price", where="line 1")
        return document.body.decode()


@dataclass
class Poll:
    store: Store
    clock: Clock
    circuit: Circuit
    connector: QuietConnector
    listing: MemoryList
    poller: ListPoller
    rung: list[str] = field(default_factory=list)

    async def jobs(self) -> list[tuple[str, int]]:
        rows = await self.store.read.rows("SELECT ref, priority FROM jobs WHERE state = 'waiting' ORDER BY id")
        return [(row["ref"], row["priority"]) for row in rows]

    async def cursor(self) -> str:
        return await inbox.cursor(self.store, "shop", "orders", self.listing.name)

    async def incidents(self) -> list[str]:
        rows = await self.store.read.rows("SELECT fingerprint FROM incidents WHERE closed_at IS NULL ORDER BY id")
        return [row["fingerprint"] for row in rows]


@asynccontextmanager
async def poll(folder: Path, receive: Receive | None = None) -> AsyncIterator[Poll]:
    clock, listing, connector = Clock(), MemoryList(), QuietConnector()
    async with Store(empty_store(folder / "bcbridge.db")).opened() as store:
        circuit = Circuit(connector, store, now=clock)
        rung: list[str] = []
        poller = ListPoller(
            connector="shop",
            noun=ORDERS,
            heads=listing,
            receive=receive or heads_to_jobs("shop", ORDERS, "updated", flow="orders", now=clock),
            on_news=lambda: rung.append("news"),
            store=store,
            circuit=circuit,
            now=clock,
            every=timedelta(hours=1),
        )
        yield Poll(store, clock, circuit, connector, listing, poller, rung)


@pytest.fixture
async def p(tmp_path: Path) -> AsyncIterator[Poll]:
    with capture_logs():
        async with poll(tmp_path) as made:
            yield made


def heads(clock: Clock, *refs: str, cursor: str, seconds: float = 0) -> Page:
    stamp = clock() + timedelta(seconds=seconds)
    return Page(tuple(Head(Ref(ref), stamp) for ref in refs), (), cursor)


def documents(clock: Clock, *bodies: str, cursor: str = "1") -> Page:
    found = tuple(Document(ORDERS, Ref(body), clock(), clock(), body.encode()) for body in bodies)
    return Page((), found, cursor)


# -- pages and cursors -----------------------------------------------------------------------------------------


async def test_every_page_becomes_jobs_and_the_cursor_follows(p: Poll) -> None:
    p.listing.pages_held = [heads(p.clock, "1", "2", cursor="1"), heads(p.clock, "3", cursor="2")]
    assert await p.poller.once() == 3
    assert [ref for ref, _ in await p.jobs()] == ["1", "2", "3"]
    assert await p.cursor() == "2"
    assert p.rung
    await p.poller.once()
    assert p.listing.asked == ["", "2"]


async def test_what_a_list_repeats_is_no_news(p: Poll) -> None:
    p.listing.pages_held = [heads(p.clock, "1", cursor="0")]
    assert await p.poller.once() == 1
    assert await p.poller.once() == 0
    p.listing.pages_held = [heads(p.clock, "1", cursor="0", seconds=1)]
    assert await p.poller.once() == 1


async def test_a_pass_that_breaks_off_keeps_what_it_has(p: Poll) -> None:
    p.listing.pages_held = [heads(p.clock, "1", cursor="1"), heads(p.clock, "2", cursor="2")]
    p.listing.troubles = [Retry("gateway")]
    assert not await p.poller._pass()
    assert await p.cursor() == "1"
    assert p.poller.figures.failing_since is not None
    assert await p.poller._pass()
    assert p.listing.asked == ["", "1"]
    assert await p.cursor() == "2"
    assert p.poller.figures.failing_since is None


async def test_a_page_the_store_cannot_take_is_asked_for_again(p: Poll) -> None:
    p.listing.pages_held = [heads(p.clock, "1", cursor="1")]
    other = await locked(p.store.path)
    assert not await p.poller._pass()
    other.close()
    assert await p.poller._pass()
    assert [ref for ref, _ in await p.jobs()] == ["1"]


async def test_a_fault_of_ours_fails_the_pass_not_the_process(p: Poll) -> None:
    p.listing.troubles = [KeyError("odd")]
    assert not await p.poller._pass()
    assert await p.poller._pass()


async def test_a_sweep_is_low_priority_and_news_of_its_own(p: Poll) -> None:
    p.listing.pages_held = [heads(p.clock, "1", cursor="1")]
    await p.poller.once()
    await p.store.write(lambda tx: tx.execute("UPDATE jobs SET state = 'done'"))
    receive = sweep_to_jobs("shop", ORDERS, flow="orders", now=p.clock)
    assert await p.store.write(receive(heads(p.clock, "1", "lost", cursor=""))) == 2
    assert await p.jobs() == [("1", 1), ("lost", 1)]
    assert await p.store.write(receive(heads(p.clock, "1", "lost", cursor=""))) == 0


@pytest.mark.parametrize(
    ("stamped", "waits"),
    [(-60, 0), (-2, 0), (-1, 1), (0, 2), (3600, 2)],
)
async def test_a_record_is_fetched_once_its_stamp_has_settled(stamped: int, waits: int) -> None:
    """Stamps are whole seconds; a clock of theirs that is an hour ahead costs no more than the moment."""
    now = Clock()()
    head = Head(Ref("1"), now + timedelta(seconds=stamped))
    wish = look("shop", head, flow="orders", at=now)
    assert (wish.due, wish.wanted) == (now + timedelta(seconds=waits), head.modified)


# -- running ---------------------------------------------------------------------------------------------------


async def test_a_ring_starts_the_next_pass_at_once(p: Poll) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(p.poller.run)
        await until(lambda: len(p.listing.asked) == 1)
        await p.poller.first_pass.wait()
        p.listing.pages_held = [heads(p.clock, "1", cursor="1")]
        p.poller.bell.ring()
        await until(lambda: len(p.listing.asked) == 2)
        tasks.cancel_scope.cancel()


async def test_a_failed_pass_is_tried_again_soon(p: Poll) -> None:
    p.listing.troubles = [Retry("gateway")]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(p.poller.run)
        await until(lambda: len(p.listing.asked) == 2)
        tasks.cancel_scope.cancel()


async def test_an_open_circuit_is_not_polled(p: Poll) -> None:
    p.listing.troubles = [OpenCircuit("key revoked")]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(p.poller.run)
        await until(lambda: p.circuit.is_open)
        p.poller.bell.ring()
        await anyio.sleep(0.05)
        assert len(p.listing.asked) == 1
        await p.circuit.close()
        await until(lambda: len(p.listing.asked) == 2)
        tasks.cancel_scope.cancel()


# -- documents -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def documents_poll(folder: Path) -> AsyncIterator[tuple[Poll, list[str]]]:
    kept: list[str] = []

    def keep(tx: object, read: Sequence[tuple[Document, str]]) -> int:
        kept.extend(text for _, text in read)
        return len(read)

    with capture_logs():
        async with poll(folder, documents_to(MemorySource(), "shop", keep=keep, now=Clock())) as made:
            yield made, kept


async def test_one_odd_document_is_an_incident_and_its_neighbours_go_on(tmp_path: Path) -> None:
    async with documents_poll(tmp_path) as (p, kept):
        p.listing.pages_held = [documents(p.clock, "a", "odd", "b")]
        assert await p.poller.once() == 2
        assert kept == ["a", "b"]
        assert await p.incidents() == ["malformed/shop/orders/odd"]
        assert await p.cursor() == "1"


async def test_that_incident_ends_when_the_document_reads_well_again(tmp_path: Path) -> None:
    async with documents_poll(tmp_path) as (p, _):
        p.listing.pages_held = [documents(p.clock, "a", "odd")]
        await p.poller.once()
        mended = Document(ORDERS, Ref("odd"), p.clock(), p.clock(), b"well")
        p.listing.pages_held.append(Page((), (mended,), "2"))
        await p.poller.once()
        assert await p.incidents() == []


async def test_a_page_that_is_mostly_odd_opens_the_circuit(tmp_path: Path) -> None:
    async with documents_poll(tmp_path) as (p, kept):
        p.listing.pages_held = [documents(p.clock, "odd1", "odd2", "odd3", "a", "b")]
        assert not await p.poller._pass()
        assert p.circuit.is_open
        assert kept == []
        assert await p.cursor() == ""


async def test_that_circuit_closes_when_the_page_reads_cleanly_not_by_a_ping(tmp_path: Path) -> None:
    async with documents_poll(tmp_path) as (p, kept):
        p.listing.pages_held = [documents(p.clock, "odd1", "odd2", "odd3", "a", "b")]
        await p.poller._pass()
        await p.circuit._try()
        assert p.circuit.is_open
        assert p.connector.pings == 0
        p.listing.pages_held = [documents(p.clock, "one", "two", "three", "a", "b")]
        await p.circuit._try()
        assert not p.circuit.is_open
        assert len(kept) == 5


# -- looks at once ---------------------------------------------------------------------------------------------


async def test_what_a_list_shows_is_looked_at_at_once_and_worked_on_a_moment_later(tmp_path: Path) -> None:
    clock = Clock()
    receive = heads_to_jobs("shop", ORDERS, "updated", flow="orders", looks="looks", now=clock)
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        await store.write(receive(heads(clock, "1", cursor="1")))
        rows = await store.read.rows("SELECT flow, due_at, ordering_key FROM jobs ORDER BY flow")
        assert [(row["flow"], row["due_at"]) for row in rows] == [
            ("looks", stamp(clock())),
            ("orders", stamp(clock() + SETTLED)),
        ]
        assert len({row["ordering_key"] for row in rows}) == 2, "a look never waits for work on the same order"


async def test_what_settled_long_ago_is_worked_on_when_the_look_has_had_its_moment(tmp_path: Path) -> None:
    clock = Clock()
    receive = heads_to_jobs("shop", ORDERS, "updated", flow="orders", looks="looks", now=clock)
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        await store.write(receive(heads(clock, "1", cursor="1", seconds=-60)))
        rows = await store.read.rows("SELECT due_at FROM jobs ORDER BY flow")
        assert [row["due_at"] for row in rows] == [stamp(clock()), stamp(clock() + LOOK_FIRST)]


async def test_each_whole_pass_says_when_it_began(tmp_path: Path) -> None:
    async with poll(tmp_path) as p:
        began: list[datetime] = []

        async def on_read(moment: datetime) -> None:
            began.append(moment)

        receive = p.poller.receive

        def slowly(page: Page) -> Callable[[sqlite3.Connection], int]:
            p.clock.tick()
            return receive(page)

        p.poller.on_read, p.poller.receive = on_read, slowly
        p.listing.pages_held = [heads(p.clock, "1", cursor="1"), heads(p.clock, "2", cursor="2")]
        at = p.clock()
        await p.poller.once()
        p.listing.pages_held = [heads(p.clock, "3", cursor="3")]
        p.listing.troubles = [Retry("gateway")]
        await p.poller._pass()
        assert began == [at], "half a pass says nothing"


async def test_who_is_in_a_hurry_waits_for_nobody_else_to_ring(tmp_path: Path) -> None:
    async with poll(tmp_path) as p, anyio.create_task_group() as tasks:
        p.poller.coalesce = timedelta(hours=1)
        tasks.start_soon(p.poller.run)
        await until(lambda: p.poller.figures.passes == 1)
        p.poller.hurry()
        await until(lambda: p.poller.figures.passes == 2)
        tasks.cancel_scope.cancel()
