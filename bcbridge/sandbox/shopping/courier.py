"""Webhooks: a queue on disk and the courier that works it off.

A delivery is written in the transaction of the change it tells of. What it says, how it is signed and what follows
when nobody takes it is the vendor's (`Vendor`); what goes wrong on the way is the same for all of them. Only
addresses on this machine are ever called.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import anyio

from bcbridge.sandbox.base import World

SCHEMA = """
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    topic TEXT NOT NULL,
    uri TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    triggered_at TEXT NOT NULL,
    body TEXT,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    fate TEXT,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed', 'dropped')),
    status TEXT
);
CREATE INDEX deliveries_waiting ON deliveries (due) WHERE state = 'waiting';
CREATE INDEX deliveries_pending ON deliveries (subscription_id, order_id) WHERE state = 'waiting';
CREATE TABLE delivery_counts (
    topic TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (topic, outcome)
);
"""
FAULTS = {
    "webhook_drop": "this webhook is never sent",
    "webhook_late": "this webhook is sent webhook_late_ms later",
    "webhook_reorder": "this webhook waits webhook_reorder_ms, so that later ones overtake it",
    "webhook_twice": "this webhook is sent twice, with the same ids",
    "webhook_stale": "this webhook has the body of an older moment",
    "webhook_bad_hmac": "this webhook is signed with another secret",
}
VALUES = {"webhook_late_ms": (20_000.0, "milliseconds"), "webhook_reorder_ms": (1_500.0, "milliseconds")}
NOUNS = {
    "deliveries": """
        SELECT id, json_object('id', id, 'topic', topic, 'uri', uri, 'webhookId', webhook_id, 'eventId', event_id,
            'orderId', order_id, 'triggeredAt', triggered_at, 'attempts', attempts, 'fate', fate, 'state', state,
            'status', status)
        FROM deliveries WHERE id > :after ORDER BY id LIMIT :limit
    """,
    "deliveryCounts": """
        SELECT place, json_object('topic', topic, 'outcome', outcome, 'count', count)
        FROM (SELECT *, row_number() OVER (ORDER BY topic, outcome) AS place FROM delivery_counts)
        WHERE place > :after ORDER BY place LIMIT :limit
    """,
}
QUEUE = """
INSERT INTO deliveries (subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at, body, due, fate)
VALUES (:subscription_id, :order_id, :topic, :uri, :webhook_id, :event_id, :triggered_at, :body, :due, :fate)
"""
DUE = """
SELECT id, subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at, body, attempts, fate
FROM deliveries WHERE state = 'waiting' AND due <= ? ORDER BY due, id LIMIT ?
"""
AT_ONCE = 8
KEPT = 2_000
IDLE_SECONDS = 0.5
CONNECT_SECONDS = 1.0
MARKS = ("webhook_stale", "webhook_bad_hmac")
NOBODY = "nobody is subscribed"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Delivery:
    """One thing to tell one subscriber. ``id`` is 0 before it is queued; ``body`` is None where it is written when
    it is sent, ``fate`` where none was drawn yet (empty: it goes out as it should)."""

    id: int
    subscription_id: int
    order_id: int
    topic: str
    uri: str
    webhook_id: str
    event_id: str
    triggered_at: str
    body: str | None = None
    attempts: int = 0
    fate: str | None = None


@dataclass(frozen=True)
class Letter:
    """What is posted, and where to."""

    uri: str
    body: bytes
    headers: Mapping[str, str]


class Vendor(Protocol):
    """What a vendor's webhooks say, and what it does when nobody takes them. Each runs inside the books."""

    @property
    def webhook_timeout_seconds(self) -> float: ...

    def letter(self, connection: sqlite3.Connection, delivery: Delivery, *, stale: bool, forged: bool) -> Letter | None:
        """Reads what is to be sent now; None: there is nobody left to tell. ``stale`` is the body of an older moment,
        ``forged`` a signature by another secret."""
        ...

    def taken(self, connection: sqlite3.Connection, delivery: Delivery, status: int) -> bool:
        """Whether this answer counts as delivered; notes the success with the subscription."""
        ...

    def refused(self, connection: sqlite3.Connection, delivery: Delivery) -> float | None:
        """Seconds until the next try; None: there is none, and the subscription has what follows from that."""
        ...


def queue(connection: sqlite3.Connection, delivery: Delivery, due: float) -> None:
    """Queues a delivery; to be called in the transaction of what it tells of. ``due`` is a moment of the shop's
    clock."""
    connection.execute(QUEUE, {**asdict(delivery), "due": due})


def pending(connection: sqlite3.Connection, subscription_id: int, order_id: int) -> bool:
    """Whether this subscriber is about to be told of this order anyway."""
    statement = "SELECT 1 FROM deliveries WHERE subscription_id = ? AND order_id = ? AND state = 'waiting'"
    return connection.execute(statement, (subscription_id, order_id)).fetchone() is not None


class Courier:
    """Delivers what waits, at most eight at a time, until it is cancelled. ``marks`` are faults that only this
    vendor's letters can have; `Vendor.letter` finds those that struck in the delivery's fate."""

    def __init__(self, world: World, vendor: Vendor, marks: Collection[str] = ()) -> None:
        self.world = world
        self.vendor = vendor
        self.marks = (*MARKS, *marks)
        self.woken = asyncio.Event()
        self.under_way: set[int] = set()
        self.places = anyio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self.vendor.webhook_timeout_seconds, connect=CONNECT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, anyio.create_task_group() as tasks:
            while True:
                self.woken.clear()
                found = await self.due(frozenset(self.under_way))
                for delivery in found:
                    await self.places.acquire()
                    self.under_way.add(delivery.id)
                    tasks.start_soon(self.deliver, session, delivery)
                if not found:
                    await self.rest()

    async def rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self.woken.wait()

    async def due(self, busy: frozenset[int]) -> list[Delivery]:
        """What is to be sent now. ``busy`` is from before the look: what ends during it is not sent again."""
        values = (self.world.clock.now().timestamp(), AT_ONCE * 4)
        rows = await self.world.books.read(lambda c: c.execute(DUE, values).fetchall())
        return [Delivery(*row) for row in rows if row[0] not in busy]

    async def deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        """One try, with whatever fate it drew."""
        try:
            fate = delivery.fate if delivery.fate is not None else await self.draw_fate(delivery)
            if fate is None:
                return
            letter = await self.world.books.read(lambda c: self.letter(c, delivery, fate))
            status = await post(session, letter) if letter is not None else NOBODY
            await self.world.books.write(lambda c: self.keep_outcome(c, delivery, status))
        finally:
            self.under_way.discard(delivery.id)
            self.places.release()
            self.woken.set()

    # --- fate

    async def draw_fate(self, delivery: Delivery) -> str | None:
        """What bad manners befall this webhook; None if it is not to be sent now."""
        faults = self.world.faults
        strikes = faults.strikes
        if await strikes("webhook_drop"):
            await self.world.books.write(lambda c: self.end(c, delivery, "dropped", "never sent"))
            return None
        delay = 0.0
        for fault in ("webhook_late", "webhook_reorder"):
            if await strikes(fault):
                delay += faults.value(f"{fault}_ms") / 1000
        twice = await strikes("webhook_twice")
        marks = [name for name in self.marks if name in faults and await strikes(name)]
        fate = " ".join([*marks, *(["webhook_late"] if delay else []), *(["webhook_twice"] if twice else [])])
        if fate:
            await self.world.books.write(lambda c: self.keep_fate(c, delivery, fate, delay, twice))
        return None if delay else fate

    def keep_fate(
        self, connection: sqlite3.Connection, delivery: Delivery, fate: str, delay: float, twice: bool
    ) -> None:
        connection.execute("UPDATE deliveries SET fate = ?, due = due + ? WHERE id = ?", (fate, delay, delivery.id))
        if twice:
            connection.execute(
                "INSERT INTO deliveries (subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at,"
                " body, due, fate) SELECT subscription_id, order_id, topic, uri, webhook_id, event_id, triggered_at,"
                " body, due, fate FROM deliveries WHERE id = ?",
                (delivery.id,),
            )

    def letter(self, connection: sqlite3.Connection, delivery: Delivery, fate: str) -> Letter | None:
        stale, forged = (mark in fate for mark in MARKS)
        return self.vendor.letter(connection, replace(delivery, fate=fate), stale=stale, forged=forged)

    # --- outcomes

    def keep_outcome(self, connection: sqlite3.Connection, delivery: Delivery, status: str) -> None:
        if status == NOBODY:
            self.end(connection, delivery, "dropped", status)
        elif status.isdigit() and self.vendor.taken(connection, delivery, int(status)):
            self.end(connection, delivery, "delivered", status)
        else:
            self.keep_failure(connection, delivery, status)

    def keep_failure(self, connection: sqlite3.Connection, delivery: Delivery, status: str) -> None:
        count(connection, delivery.topic, "attempt failed")
        wait = self.vendor.refused(connection, delivery)
        if wait is None:
            self.end(connection, delivery, "failed", status)
            return
        connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1, due = ?, status = ?, fate = coalesce(fate, '')"
            " WHERE id = ?",
            (self.world.clock.now().timestamp() + wait, status, delivery.id),
        )

    def end(self, connection: sqlite3.Connection, delivery: Delivery, outcome: str, status: str) -> None:
        connection.execute(
            "UPDATE deliveries SET state = ?, status = ?, attempts = attempts + ?, body = NULL WHERE id = ?",
            (outcome, status, 0 if outcome == "dropped" else 1, delivery.id),
        )
        count(connection, delivery.topic, outcome)
        old = "DELETE FROM deliveries WHERE id = ? AND state <> 'waiting'"
        connection.execute(old, (delivery.id - KEPT,))


async def post(session: aiohttp.ClientSession, letter: Letter) -> str:
    """``200`` or what else came back; a word where nothing did."""
    if urlsplit(letter.uri).hostname not in LOOPBACK:
        return "not on this machine"
    try:
        async with session.post(
            letter.uri, data=letter.body, headers=letter.headers, allow_redirects=False
        ) as response:
            return str(response.status)
    except TimeoutError:
        return "timeout"
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__


def count(connection: sqlite3.Connection, topic: str, outcome: str) -> None:
    connection.execute(
        "INSERT INTO delivery_counts VALUES (?, ?, 1) ON CONFLICT (topic, outcome) DO UPDATE SET count = count + 1",
        (topic, outcome),
    )
