"""The ERP's own life: what goes on in it without us. How much, is the value ``life``: 0 nothing, 1 modest.

Other channels order, warehouses pick and ship what is open (ours too), goods come in, customers send back, counters
find a difference, the house cancels a line, production is ordered. Where it is told to, its people change orders too.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial

import anyio

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.base import World
from bcbridge.sandbox.bluecherry import amending, ledger
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.ledger import Place
from bcbridge.sandbox.bluecherry.movements import TYPES_OF, step_lines, trade_order
from bcbridge.sandbox.bluecherry.orders import HOUSE_ACCOUNTS, OPEN, STEPS, Booked, book
from bcbridge.sandbox.bluecherry.pen import Pen, Pens

TICK_SECONDS = 1.0

SHOPS_FIRST = 0.8
"""Share of the warehouses' work that is for shops, where one of their orders waits: parcels go before pallets."""
IN_PARTS = 0.2
"""Share of the steps that are of one line alone."""
AMONG = 50
"""Open orders of which one is changed: the oldest."""
MOST_AT_ONCE = 100
"""Happenings of one kind in one tick, however busy it is."""

PER_MINUTE = {
    "wholesale_per_minute": (1.0, "orders of other channels, at life 1"),
    "picks_per_minute": (40.0, "orders picked whole, at life 1"),
    "ships_per_minute": (40.0, "picked orders shipped and invoiced, at life 1"),
    "receipts_per_minute": (2.0, "receipts of one SKU, at life 1"),
    "returns_per_minute": (1.0, "pieces that come back, a third of them into quarantine, at life 1"),
    "adjustments_per_minute": (1.0, "counting differences, at life 1"),
    "cancels_per_minute": (0.5, "lines that the house cancels, at life 1"),
    "work_orders_per_minute": (0.5, "production orders, and as many that come in, at life 1"),
    "amends_per_minute": (0.0, "lines of open orders that get a piece more or fewer, at life 1"),
    "readdresses_per_minute": (0.0, "open orders that go to another street, at life 1"),
    "order_cancels_per_minute": (0.0, "orders of which the house cancels all that is open, at life 1"),
}
"""Values of the world: usual number and description."""

QUARANTINE = "QRN"

_HOUSES = tuple(house.code for house in catalogue.WAREHOUSES if house.kind == "W")


class Life:
    """The job that makes things happen."""

    def __init__(self, world: World, pens: Pens) -> None:
        self._world = world
        self._pens = pens
        self._dice = random.Random("life")
        self._due = dict.fromkeys(PER_MINUTE, 0.0)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._world.faults.value("life") == 0:
                await self._world.faults.altered()
                continue
            await anyio.sleep(TICK_SECONDS)
            await self.tick(TICK_SECONDS)

    async def tick(self, seconds: float) -> None:
        """Everything that is due after so many more seconds, each in its own transaction."""
        for name, happening in HAPPENINGS.items():
            rate = self._world.faults.value(name) * self._world.faults.value("life")
            self._due[name] = min(self._due[name] + rate * seconds / 60, MOST_AT_ONCE)
            while self._due[name] >= 1:
                self._due[name] -= 1
                pen = self._pens()
                await self._world.books.write(partial(_happen, happening, self._dice, pen))


Happening = Callable[[sqlite3.Connection, random.Random, Pen], None]


def _happen(happening: Happening, dice: random.Random, pen: Pen, connection: sqlite3.Connection) -> None:
    happening(connection, dice, pen)


def _wholesale(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    first = dice.choice(catalogue.WEB_SKUS)
    grid = [sku for sku in catalogue.WEB_SKUS if (sku.style, sku.colour) == (first.style, first.colour)]
    lines = [(sku.upc, dice.randint(1, 3), "") for sku in grid]
    customer, location = dice.choice(catalogue.WHOLESALE_CUSTOMERS).code, dice.choice(_HOUSES)
    book(connection, trade_order(connection, lines, customer=customer, location=location, status=OPEN), pen)


def _step_oldest(name: str, connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    """The next step of the order that has waited longest for it, mostly a shop's; of all its pieces, or now and then of
    one line alone."""
    column = STEPS[name].come_from
    order = _oldest(connection, column, pen, shops=True) if dice.random() < SHOPS_FIRST else None
    order = order or _oldest(connection, column, pen)
    if order is not None:
        there = _there(order, name)
        step_lines(connection, order, there[:1] if dice.random() < IN_PARTS else there, name, pen)


def _cancel_line(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    order = _oldest(connection, "open_qty", pen)
    if order is not None:
        line, _ = dice.choice(_there(order, "cancel"))
        step_lines(connection, order, [(line, 1)], "cancel", pen)


def _amend(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    order = _some_open(connection, dice, pen)
    if order is not None:
        line, _ = dice.choice(_there(order, "cancel"))
        more = dice.choice((-1, 1)) if line["ord_qty"] > 1 else 1
        amending.amend(connection, order, line, line["ord_qty"] + more, pen)
        order.keep(connection)


def _readdress(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    order = _some_open(connection, dice, pen)
    if order is not None:
        amending.readdress(order, "ST", {"addr1": f"{dice.randint(1, 999)} Chestnut Street", "addr2": ""}, pen)
        order.keep(connection)


def _cancel_order(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    order = _some_open(connection, dice, pen)
    if order is not None:
        amending.cancel_order(connection, order, pen)
        order.keep(connection)


def _there(order: Booked, name: str) -> list[tuple[Row, int]]:
    column = STEPS[name].come_from
    return [(line, line[column]) for line in order.lines if line[column]]


def _some_open(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> Booked | None:
    """One of the open orders, mostly a shop's."""
    shops = dice.random() < SHOPS_FIRST
    found = _with(connection, "open_qty", pen, shops=shops, most=AMONG) or _with(
        connection, "open_qty", pen, most=AMONG
    )
    return Booked.found(connection, dice.choice(found)) if found else None


def _oldest(connection: sqlite3.Connection, column: str, pen: Pen, *, shops: bool = False) -> Booked | None:
    found = _with(connection, column, pen, shops=shops, most=1)
    return Booked.found(connection, found[0]) if found else None


def _with(connection: sqlite3.Connection, column: str, pen: Pen, *, shops: bool = False, most: int) -> list[str]:
    """Orders with pieces there, the oldest first. ``shops``: of a house account."""
    accounts = sorted(HOUSE_ACCOUNTS) if shops else []
    among = f"AND o.customer IN ({', '.join('?' * len(accounts))})" if accounts else ""
    statement = f"""
SELECT o.ord_num FROM progress AS p JOIN orders AS o ON o.pkey = p.pkey
WHERE p.{column} > 0 AND p.ord_status <> ? {among} ORDER BY p.pkey LIMIT ?"""  # noqa: S608 - one of our two columns
    return [number for (number,) in connection.execute(statement, (pen.settings.held_status, *accounts, most))]


def _receive(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    _move(connection, Place(dice.choice(catalogue.SKUS).upc, dice.choice(_HOUSES)), "receive", dice.randint(6, 48), pen)


def _return(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    location = dice.choice((*_HOUSES, QUARANTINE))
    _move(connection, Place(dice.choice(catalogue.WEB_SKUS).upc, location), "return", 1, pen)


def _adjust(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    pieces = dice.choice((-2, -1, -1, 1))
    _move(connection, Place(dice.choice(catalogue.SKUS).upc, dice.choice(_HOUSES)), "adjust", pieces, pen)


def _produce(connection: sqlite3.Connection, dice: random.Random, pen: Pen) -> None:
    """A production order begins, and one that is under way comes in."""
    _move(connection, Place(dice.choice(catalogue.SKUS).upc, dice.choice(_HOUSES)), "work_order", 60, pen)
    found = connection.execute(_UNDER_WAY).fetchall()
    if found:
        upc, location, lot, pieces = dice.choice(found)
        _move(connection, Place(upc, location, lot), "work_done", pieces, pen)


_UNDER_WAY = "SELECT upc, location, lot, min(wp, st) FROM inventory WHERE wp > 0 AND st > 0 ORDER BY pkey LIMIT 50"


def _move(connection: sqlite3.Connection, place: Place, name: str, pieces: int, pen: Pen) -> None:
    changes = {type_: sign * pieces for type_, sign in TYPES_OF[name].items()}
    ledger.move(connection, place, changes, stamp=pen.stamp)


HAPPENINGS: Mapping[str, Happening] = {
    "wholesale_per_minute": _wholesale,
    "picks_per_minute": partial(_step_oldest, "pick"),
    "ships_per_minute": partial(_step_oldest, "ship"),
    "receipts_per_minute": _receive,
    "returns_per_minute": _return,
    "adjustments_per_minute": _adjust,
    "cancels_per_minute": _cancel_line,
    "work_orders_per_minute": _produce,
    "amends_per_minute": _amend,
    "readdresses_per_minute": _readdress,
    "order_cancels_per_minute": _cancel_order,
}
