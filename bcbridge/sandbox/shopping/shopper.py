"""The shopper: sells what its plans say, and lets things happen to what was sold.

A plan is a row; each order is drawn from (seed, index) and committed together with the plan's progress, so a
restart goes on exactly where the last one died. What happens to an order later is a row too, due at a moment
of the shop's clock.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic

import orjson

from bcbridge.sandbox.base import fact, set_fact
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import BadCart, Cart
from bcbridge.sandbox.shopping.mix import OF_WHAT_IS_COUNTED, Draw, Wishes, draw
from bcbridge.sandbox.shopping.shop import M, Shop

SCHEMA = """
CREATE TABLE plans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    orders INTEGER NOT NULL,
    made INTEGER NOT NULL DEFAULT 0,
    seed INTEGER NOT NULL,
    rate REAL NOT NULL,
    mixed REAL NOT NULL,
    unbookable REAL NOT NULL,
    simple INTEGER NOT NULL,
    canary INTEGER NOT NULL DEFAULT 0,
    skus INTEGER NOT NULL DEFAULT 0,
    hot TEXT NOT NULL DEFAULT '[]',
    refused INTEGER NOT NULL DEFAULT 0,
    ambient INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'ended'))
);
CREATE TABLE happenings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due REAL NOT NULL,
    order_id INTEGER NOT NULL,
    what TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX happenings_by_due ON happenings (due);
"""
BATCH = 20
IDLE_SECONDS = 0.5
ENDLESS = 1_000_000_000

PLANS = """
SELECT id, json_object('id', id, 'orders', orders, 'made', made, 'left', orders - made, 'refused', refused,
    'seed', seed, 'rate', rate, 'skus', skus, 'hot', json(hot),
    'mixed', mixed, 'unbookable', unbookable, 'simple', json(iif(simple, 'true', 'false')),
    'canary', json(iif(canary, 'true', 'false')),
    'ambient', json(iif(ambient, 'true', 'false')), 'state', state)
FROM plans WHERE id > :after ORDER BY id LIMIT :limit
"""
HAPPENINGS = """
SELECT id, json_object('orderId', order_id, 'what', what) FROM happenings WHERE id > :after ORDER BY id LIMIT :limit
"""
NOUNS = {"plans": PLANS, "happenings": HAPPENINGS}


@dataclass(frozen=True)
class Plan:
    id: int
    orders: int
    made: int
    rate: float
    wishes: Wishes


class Shopper(Generic[M]):
    """Works through the plans until it is cancelled. ``woken`` cuts its waits short."""

    def __init__(self, shop: Shop[M]) -> None:
        self.shop = shop
        self.woken = asyncio.Event()
        self.began: dict[int, tuple[float, int]] = {}

    # --- orders to it

    async def sell(self, *, orders: int, rate: float, wishes: Wishes) -> int:
        """Writes a plan; the ambient one ends with it. Returns its id."""

        def unit(connection: sqlite3.Connection) -> int:
            end_ambient(connection)
            return add_plan(connection, orders, rate, wishes)

        made = await self.shop.books.write(unit)
        self.woken.set()
        return made

    async def start_ambient(self) -> None:
        """A steady trickle, unless somebody has taken the shop in hand before."""
        rate = self.shop.ambient_orders_per_minute / 60
        if rate <= 0:
            return

        def unit(connection: sqlite3.Connection) -> None:
            if fact(connection, "ambient_over") is None and not ambient_runs(connection):
                add_plan(connection, ENDLESS, rate, Wishes(self.shop.seed), ambient=True)
            connection.execute("UPDATE plans SET rate = ? WHERE ambient AND state = 'running'", (rate,))

        await self.shop.books.write(unit)

    async def forget(self) -> None:
        """After a reset: the world is new, and stays quiet."""
        self.began.clear()
        await self.shop.books.write(end_ambient)

    # --- its work

    async def run(self) -> None:
        opens: float | None = time.monotonic() + self.shop.ambient_after_seconds
        while True:
            if opens is not None and time.monotonic() >= opens:
                opens = None
                await self.start_ambient()
            self.woken.clear()
            busy = await self.happen()
            for plan in await self.shop.books.read(running_plans):
                busy = await self.advance(plan) or busy
            if not busy:
                await self.rest()

    async def rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self.woken.wait()

    async def advance(self, plan: Plan) -> bool:
        """Makes the next few orders of a plan that are due; whether there were any."""
        due = min(self.due(plan), plan.orders) - plan.made
        if due <= 0:
            return False
        moment = await self.shop.moment()
        await self.shop.books.write(lambda c: self.make(c, plan, min(due, BATCH), moment))
        self.shop.rung()
        return True

    def due(self, plan: Plan) -> int:
        """How many orders should be there by now; every other score comes in clumps of five."""
        if plan.rate <= 0:
            return plan.orders
        since, base = self.began.setdefault(plan.id, (time.monotonic(), plan.made))
        smooth = base + int((time.monotonic() - since) * plan.rate)
        return smooth - smooth % 5 if smooth // 20 % 2 and smooth < plan.orders else smooth

    def make(self, connection: sqlite3.Connection, plan: Plan, count: int, moment: M) -> None:
        statement = "UPDATE plans SET made = made + ? WHERE id = ? AND state = 'running' AND made = ?"
        if not connection.execute(statement, (count, plan.id, plan.made)).rowcount:
            return
        for index in range(plan.made, plan.made + count):
            self.make_one(connection, plan, index, moment)
        connection.execute("UPDATE plans SET state = 'done' WHERE id = ? AND made >= orders", (plan.id,))

    def make_one(self, connection: sqlite3.Connection, plan: Plan, index: int, moment: M) -> None:
        drawn = draw(plan.wishes, index, self.shop.trade)
        cart = self.fitted(connection, plan, drawn.cart, moment)
        if cart is None:
            connection.execute("UPDATE plans SET refused = refused + 1 WHERE id = ?", (plan.id,))
            return
        note = {
            "plan": plan.id,
            "seed": plan.wishes.seed,
            "index": index,
            "unbookable": still_there(drawn, cart),
            "later": [what for _, what, _ in drawn.later],
        }
        order_id = self.shop.placed(connection, cart, moment, note)
        for wait, what, details in drawn.later:
            connection.execute(
                "INSERT INTO happenings (due, order_id, what, details) VALUES (?, ?, ?, ?)",
                (moment.now.timestamp() + wait, order_id, what, orjson.dumps(details).decode()),
            )

    def fitted(self, connection: sqlite3.Connection, plan: Plan, cart: Cart, moment: M) -> Cart | None:
        """The cart with no more than the shop shows; None: it was left standing."""
        if not self.shop.sells_from_stock:
            return cart
        fitting, missed = stock.fitted(connection, cart, lambda line: self.shop.choices(connection, line, cart))
        stock.refused(connection, missed, moment.now, plan.id)
        return fitting

    async def happen(self) -> bool:
        """Lets what is due happen, a few at a time; whether anything did. A moment is asked for only where there is
        something to do in it: it may be one that a fault strikes."""
        now = self.shop.now().timestamp()
        if not await self.shop.books.read(lambda c: something_due(c, now)):
            return False
        moment = await self.shop.moment()
        done = await self.shop.books.write(lambda c: self.happen_now(c, moment))
        if done:
            self.shop.rung()
        return done

    def happen_now(self, connection: sqlite3.Connection, moment: M) -> bool:
        statement = "SELECT id, order_id, what, details FROM happenings WHERE due <= ? ORDER BY due, id LIMIT ?"
        found = connection.execute(statement, (moment.now.timestamp(), BATCH)).fetchall()
        for identifier, order_id, what, details in found:
            connection.execute("DELETE FROM happenings WHERE id = ?", (identifier,))
            with suppress(BadCart):  # somebody else has cancelled or paid it meanwhile
                self.shop.happened(connection, order_id, what, orjson.loads(details), moment)
        return bool(found)


def still_there(drawn: Draw, sold: Cart) -> list[str]:
    """What makes the order unbookable, as it was sold: not what was wrong with a line that the shop had none of."""
    if drawn.cart.lines and sold.lines and drawn.cart.lines[0].sku == sold.lines[0].sku:
        return drawn.unbookable
    return [fault for fault in drawn.unbookable if fault not in OF_WHAT_IS_COUNTED]


# --- rows


def something_due(connection: sqlite3.Connection, now: float) -> bool:
    return connection.execute("SELECT 1 FROM happenings WHERE due <= ? LIMIT 1", (now,)).fetchone() is not None


def add_plan(connection: sqlite3.Connection, orders: int, rate: float, wishes: Wishes, *, ambient: bool = False) -> int:
    row: Any = connection.execute(
        "INSERT INTO plans (orders, rate, ambient, seed, mixed, unbookable, simple, canary, skus, hot)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (orders, rate, ambient, *of_wishes(wishes)),
    ).fetchone()
    return int(row[0])


def running_plans(connection: sqlite3.Connection) -> list[Plan]:
    rows = connection.execute(
        "SELECT id, orders, made, rate, seed, mixed, unbookable, simple, canary, skus, hot FROM plans"
        " WHERE state = 'running' ORDER BY id"
    )
    return [Plan(at, orders, made, rate, wishes_of(*wanted)) for at, orders, made, rate, *wanted in rows]


def of_wishes(wishes: Wishes) -> tuple[Any, ...]:
    plain = (wishes.seed, wishes.mixed, wishes.unbookable, wishes.simple, wishes.canary, wishes.skus)
    return (*plain, orjson.dumps(wishes.hot).decode())


def wishes_of(seed: int, mixed: float, unbookable: float, simple: int, canary: int, skus: int, hot: str) -> Wishes:
    wanted = tuple((upc, weight) for upc, weight in orjson.loads(hot))
    return Wishes(seed, mixed, unbookable, bool(simple), bool(canary), skus, wanted)


def ambient_runs(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM plans WHERE ambient AND state = 'running'").fetchone() is not None


def end_ambient(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE plans SET state = 'ended' WHERE ambient AND state = 'running'")
    set_fact(connection, "ambient_over", "1")
