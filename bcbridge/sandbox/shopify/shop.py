"""The shop: everything that happens to its orders goes through here, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from bcbridge.sandbox.base import Books, World
from bcbridge.sandbox.shopify import checkout, deliveries, orders, world
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.cart import Cart
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.settings import ShopifySettings

SCHEMA = """
CREATE TABLE tokens (token TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
"""

Change = Callable[[JSON, str], None]
"""Changes an order's document in place; gets the stamp of the moment."""


class NoSuchOrder(LookupError):
    """There is no order with this id, number or name."""


class Shop:
    def __init__(self, opened: World, settings: ShopifySettings) -> None:
        self.world = opened
        self.settings = settings
        self.locations = world.locations()
        self.bell: Callable[[], None] = lambda: None

    @property
    def books(self) -> Books:
        return self.world.books

    def now(self) -> datetime:
        return self.world.clock.now()

    async def moment(self) -> Moment:
        """Now, with the index's lag of this change and the grain of its stamp."""
        faults = self.world.faults
        lag = self.settings.index_lag_seconds
        if await faults.strikes("index_lag"):
            lag = faults.value("index_lag_seconds")
        floor = int(faults.value("equal_updated_at_seconds")) if await faults.strikes("equal_updated_at") else 1
        return Moment(self.now(), lag, max(floor, 1))

    async def place(self, cart: Cart, *, note: JSON | None = None) -> JSON:
        """Sells the cart; the order is on disk when this returns."""
        moment = await self.moment()
        order = await self.books.write(lambda c: self.placed(c, cart, moment, note or {}))
        self.rung()
        return order

    def placed(self, connection: sqlite3.Connection, cart: Cart, moment: Moment, note: JSON) -> JSON:
        number = orders.next_number(connection)
        order = checkout.place(cart, number=number, at=moment.stamp, locations=self.locations, note=note)
        orders.add(connection, order, moment)
        self.ring(connection, order, moment, opening_topics(order))
        return order

    async def change(self, name: str, act: Change, *, topics: Sequence[str] = (), touch: bool = True) -> JSON:
        """Changes one order. ``touch`` moves its ``updatedAt`` (a released hold need not)."""
        moment = await self.moment()
        order = await self.books.write(lambda c: self.changed(c, name, act, moment, topics, touch))
        self.rung()
        return order

    def changed(
        self, connection: sqlite3.Connection, name: str, act: Change, moment: Moment, topics: Sequence[str], touch: bool
    ) -> JSON:
        order = orders.by_name(connection, name)
        if order is None:
            raise NoSuchOrder(f"no order {name!r}")
        act(order, moment.stamp)
        self.keep(connection, order, moment, topics=topics, touch=touch)
        return order

    def keep(
        self,
        connection: sqlite3.Connection,
        order: JSON,
        moment: Moment,
        *,
        topics: Sequence[str] = (),
        touch: bool = True,
    ) -> None:
        if touch:
            order["updatedAt"] = max(moment.stamp, order["updatedAt"])
        orders.save(connection, order, moment)
        self.ring(connection, order, moment, topics)

    def ring(self, connection: sqlite3.Connection, order: JSON, moment: Moment, topics: Sequence[str]) -> None:
        """Queues the webhooks of a change, in its own transaction."""
        deliveries.ring(connection, order, moment, topics)

    async def served_paid(self, identifiers: Iterable[int], moment: Moment) -> None:
        """Notes when the API first showed these orders as paid: what is cancelled before that, nobody may book."""
        await self.books.write(lambda c: orders.served_paid(c, identifiers, moment.stamp))

    def rung(self) -> None:
        """Wakes whoever delivers webhooks; called after the transaction that made them."""
        self.bell()

    async def touch_beyond(self, beyond: tuple[Any, int]) -> None:
        """Touches the next two orders of a list that is being paged, so that they move to its end."""
        moment = await self.moment()
        await self.books.write(lambda c: self.touch_next(c, beyond, moment))

    def touch_next(self, connection: sqlite3.Connection, beyond: tuple[Any, int], moment: Moment) -> None:
        statement = "SELECT id FROM orders WHERE (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT 2"
        for (identifier,) in connection.execute(statement, beyond).fetchall():
            order = orders.load(connection, identifier)
            assert order is not None
            self.keep(connection, order, moment, topics=("ORDERS_UPDATED",))


def opening_topics(order: JSON) -> tuple[str, ...]:
    paid = ("ORDERS_PAID",) if order["displayFinancialStatus"] == "PAID" else ()
    return ("ORDERS_CREATE", *paid, "ORDERS_UPDATED")
