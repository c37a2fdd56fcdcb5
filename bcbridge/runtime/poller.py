"""The poll is the truth: one loop per list, from its stored cursor to the present, page by page.

A page's cursor is stored in the unit that stores what the page brought. A notification rings the bell and the next
pass starts at once; those within a moment are one pass.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
import structlog

from bcbridge.connectors.base import HeadList, Source
from bcbridge.errors import Malformed, OpenCircuit, Retry, StoreBusy, plain
from bcbridge.model.documents import Cursor, Document, Head, Page
from bcbridge.model.work import SETTLED
from bcbridge.runtime.backoff import backoff
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.worker import Bell
from bcbridge.store import inbox, incidents, queue
from bcbridge.store.db import Store
from bcbridge.store.queue import BULK, NOW, Wish

log = structlog.get_logger()
T = TypeVar("T")

COALESCE = timedelta(seconds=2)
"""A shop rings several times about one order within a moment, and its stamps are whole seconds."""
PASS_DEADLINE = timedelta(minutes=30)
MALFORMED_SHARE = 0.5
SMALL_PAGE = 5

Receive = Callable[[Page], Callable[[sqlite3.Connection], int]]
"""Reads a page outside the store, gives the unit that keeps it; the unit returns how much was news."""


async def nobody_asks(began: datetime) -> None:
    """Nobody needs to know."""


@dataclass(slots=True)
class PollFigures:
    passes: int = 0
    news: int = 0
    last_success: datetime | None = None
    last_failure: str = ""
    failing_since: datetime | None = None


@dataclass(slots=True)
class ListPoller:
    """One list of one source."""

    connector: str
    noun: str
    heads: HeadList
    receive: Receive
    on_news: Callable[[], None]
    store: Store
    circuit: Circuit
    now: Callable[[], datetime]
    every: timedelta
    coalesce: timedelta = COALESCE
    bell: Bell = field(default_factory=Bell)
    haste: Bell = field(default_factory=Bell)
    """Rings for who cannot wait for others to ring as well."""
    figures: PollFigures = field(default_factory=PollFigures)
    first_pass: anyio.Event = field(default_factory=anyio.Event)
    after_pass: Callable[[], None] = lambda: None
    on_read: Callable[[datetime], Awaitable[None]] = nobody_asks
    """Told after each whole pass when it began."""

    async def run(self) -> None:
        """For ever; a failed pass is tried again with back-off."""
        failures = 0
        while True:
            await self.circuit.closed()
            rings, hasty = self.bell.rings, self.haste.rings
            failures = 0 if await self._pass() else failures + 1
            wait = backoff(failures, chance=random.random) if failures else self.every
            if await self.bell.heard(since=rings, within=min(wait, self.every)):
                await self.haste.heard(since=hasty, within=self.coalesce)

    def hurry(self) -> None:
        """The next pass begins as soon as the one under way is over."""
        self.haste.ring()
        self.bell.ring()

    async def _pass(self) -> bool:
        try:
            with anyio.fail_after(PASS_DEADLINE.total_seconds()):
                await self.once()
        except OpenCircuit as fault:
            self._failed(fault)
            await self.circuit.open(fault, again=self.once)
        except (Retry, TimeoutError) as fault:
            self._failed(fault)
            await self.circuit.unheard(fault)
        except StoreBusy as fault:
            self._failed(fault)
        except Exception as fault:
            log.exception("poll failed", connector=self.connector, noun=self.noun, list=self.heads.name)
            self._failed(fault)
        else:
            self.circuit.heard()
            return True
        return False

    def _failed(self, fault: BaseException) -> None:
        self.figures.last_failure = plain(fault)
        self.figures.failing_since = self.figures.failing_since or self.now()

    async def once(self) -> int:
        """One pass to the present; returns how much was news."""
        began, news = self.now(), 0
        since = await inbox.cursor(self.store, self.connector, self.noun, self.heads.name)
        async for page in self.heads.pages(since):
            news += await self.store.write(self._keep(page))
            if news:
                self.on_news()
        self.figures.passes += 1
        self.figures.news += news
        self.figures.last_success, self.figures.failing_since = self.now(), None
        self.first_pass.set()
        self.after_pass()
        await self.on_read(began)
        return news

    def _keep(self, page: Page) -> Callable[[sqlite3.Connection], int]:
        keep = self.receive(page)

        def unit(tx: sqlite3.Connection) -> int:
            news = keep(tx)
            self._move(tx, page.cursor)
            return news

        return unit

    def _move(self, tx: sqlite3.Connection, cursor: Cursor) -> None:
        inbox.move_cursor(tx, self.connector, self.noun, self.heads.name, cursor, now=self.now())


LOOK_FIRST = timedelta(milliseconds=500)
"""How long the look at a record has, before what it found is worked on by the flow that waits for others."""


def heads_to_jobs(
    connector: str,
    noun: str,
    list_name: str,
    *,
    flow: str,
    now: Callable[[], datetime],
    priority: int = NOW,
    looks: str = "",
) -> Receive:
    """Receive heads: each that the list had not shown under so new a stamp becomes a job of ``flow``; before it, due at
    once, one of the flow ``looks``, where there is one."""

    def receive(page: Page) -> Callable[[sqlite3.Connection], int]:
        def unit(tx: sqlite3.Connection) -> int:
            fresh = inbox.newly_listed(tx, connector, noun, list_name, page.heads)
            at = now()
            later = at + LOOK_FIRST if looks else at
            wishes = [look(connector, head, flow=flow, at=later, priority=priority) for head in fresh]
            wishes += [at_once(connector, head, flow=looks, at=at, priority=priority) for head in fresh if looks]
            queue.enqueue(tx, wishes, now=at)
            return len(fresh)

        return unit

    return receive


def look(connector: str, head: Head, *, flow: str, at: datetime, priority: int = NOW) -> Wish:
    """Look at this record, as new as its list showed it; not before its stamp has settled, or it would be fetched
    twice. A clock of theirs that is ahead of ours costs no more than that moment."""
    unsettled = min(max(head.modified + SETTLED - at, timedelta(0)), SETTLED)
    return Wish(
        flow=flow,
        connector=connector,
        ref=head.ref,
        due=at + unsettled,
        wanted=head.modified,
        priority=priority,
    )


def at_once(connector: str, head: Head, *, flow: str, at: datetime, priority: int = NOW) -> Wish:
    """A look that cannot wait: whoever acts on the record looks again when its stamp has settled."""
    return Wish(
        flow=flow,
        connector=connector,
        ref=head.ref,
        due=at,
        ordering_key=queue.key_beside(connector, head.ref, flow=flow),
        wanted=head.modified,
        priority=priority,
    )


def sweep_to_jobs(connector: str, noun: str, *, flow: str, now: Callable[[], datetime], looks: str = "") -> Receive:
    """Receive a sweep: what no list ever showed becomes a job at low priority."""
    return heads_to_jobs(connector, noun, "sweep", flow=flow, now=now, priority=BULK, looks=looks)


def documents_to(
    source: Source[T],
    connector: str,
    *,
    keep: Callable[[sqlite3.Connection, Sequence[tuple[Document, T]]], int],
    now: Callable[[], datetime],
) -> Receive:
    """Receive whole documents: read each, keep what reads; an odd one is an incident, its neighbours go on.

    Raises OpenCircuit where so much of a page cannot be read that the other side must have changed.
    """

    def receive(page: Page) -> Callable[[sqlite3.Connection], int]:
        read: list[tuple[Document, T]] = []
        odd: list[tuple[Document, str]] = []
        for document in page.documents:
            try:
                read.append((document, source.read(document)))
            except Malformed as fault:
                odd.append((document, str(fault)))
        if len(page.documents) >= SMALL_PAGE and len(odd) > MALFORMED_SHARE * len(page.documents):
            why = f"{len(odd)} of {len(page.documents)} {source.noun} cannot be read: {odd[0][1]}"
            raise OpenCircuit(why, by_content=True)

        def unit(tx: sqlite3.Connection) -> int:
            for document, why in odd:
                cause = f"{source.noun}/{document.ref}"
                incidents.open_one(tx, code="malformed", connector=connector, cause=cause, text=why, now=now())
            _read_after_all(tx, connector, [document for document, _ in read], now=now())
            return keep(tx, read)

        return unit

    return receive


def _read_after_all(tx: sqlite3.Connection, connector: str, documents: Sequence[Document], *, now: datetime) -> None:
    """What could not be read before, and can now, is no incident any more."""
    asked = {f"{document.noun}/{document.ref}" for document in documents}
    for cause in incidents.causes(tx, code="malformed", connector=connector, among=asked):
        incidents.close(tx, code="malformed", connector=connector, cause=cause, now=now)
