"""What a simulated shop offers to whoever sells in it: the shopper, and the doors by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from bcbridge.sandbox.base import Books, World
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON, Cart, CartLine, Compact
from bcbridge.sandbox.shopping.mix import Trade
from bcbridge.sandbox.shopping.stock import Cause, Choice, Move, Place


class NoSuchOrder(LookupError):
    """There is no order with this id, number or name."""


class Timed(Protocol):
    """When something happens, by the shop's clock; a vendor's moment may know more (the lag of its index, say)."""

    @property
    def now(self) -> datetime: ...


M = TypeVar("M", bound=Timed)


class Setting(Protocol):
    """What every shop's settings say; a vendor's say more."""

    @property
    def seed(self) -> int: ...

    @property
    def ambient_orders_per_minute(self) -> float: ...

    @property
    def ambient_after_seconds(self) -> float: ...


S = TypeVar("S", bound=Setting)


class Premises(Generic[S]):
    """What a shop has before it sells anything: its world, its settings, and a bell for whoever delivers webhooks."""

    def __init__(self, opened: World, settings: S) -> None:
        self.world = opened
        self.settings = settings
        self.bell: Callable[[], None] = lambda: None

    @property
    def books(self) -> Books:
        return self.world.books

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def ambient_orders_per_minute(self) -> float:
        return self.settings.ambient_orders_per_minute

    @property
    def ambient_after_seconds(self) -> float:
        return self.settings.ambient_after_seconds

    def now(self) -> datetime:
        return self.world.clock.now()

    @property
    def sells_from_stock(self) -> bool:
        return self.world.faults.value("sells_from_stock") > 0

    def rung(self) -> None:
        self.bell()

    # --- a shop that counts nothing sells whatever is wanted

    def choices(self, connection: sqlite3.Connection, line: CartLine, cart: Cart) -> Sequence[Choice]:
        return ()

    def places(self, connection: sqlite3.Connection, sku: str) -> Sequence[Choice]:
        return ()

    def counted(self, connection: sqlite3.Connection, place: Place, number: int, moment: Timed) -> Move | None:
        return stock.put(connection, place, number, Cause(moment.now, "admin"))


class Shop(Protocol[M]):
    """A shop by its own memory. What takes a connection runs inside one transaction of the books, and queues the
    webhooks of what it does there; `rung` comes after the commit. What cannot be done is a `BadCart`, in words."""

    @property
    def books(self) -> Books: ...

    @property
    def trade(self) -> Trade: ...

    @property
    def compact(self) -> Compact: ...

    @property
    def seed(self) -> int: ...

    @property
    def ambient_orders_per_minute(self) -> float: ...

    @property
    def ambient_after_seconds(self) -> float:
        """How long after its start the shop sells nothing by itself: time to be told its numbers."""
        ...

    @property
    def events(self) -> Collection[str]:
        """What may happen to an order, by name: pay, cancel, ..."""
        ...

    @property
    def sells_from_stock(self) -> bool:
        """Whether a shopper gets no more than is shown."""
        ...

    def now(self) -> datetime: ...

    async def moment(self) -> M:
        """Of a change that is about to be made: with the faults that befall it."""
        ...

    def placed(self, connection: sqlite3.Connection, cart: Cart, moment: M, note: JSON) -> int:
        """Makes the order of a cart and returns its id. ``note`` is the sandbox's own and is kept with the order
        (plan, seed, index, ``unbookable``: what was made unbookable on purpose, ``later``)."""
        ...

    def adopted(self, connection: sqlite3.Connection, document: JSON, moment: M, note: JSON) -> int:
        """Takes a vendor's document as it is; only number, id and stamps are the shop's."""
        ...

    def happened(self, connection: sqlite3.Connection, order_id: int, what: str, details: JSON, moment: M) -> None: ...

    def patched(self, connection: sqlite3.Connection, order_id: int, fields: JSON, moment: M) -> None:
        """Merges fields into the order's document, as a plugin or a merchant's script might."""
        ...

    def found(self, connection: sqlite3.Connection, name: str) -> int | None:
        """The id of the order called so by people, by its id or its number."""
        ...

    def document(self, connection: sqlite3.Connection, order_id: int) -> JSON:
        """The order with all that the sandbox knows of it."""
        ...

    def brief(self, document: JSON) -> JSON:
        """What ``POST /_sandbox/orders`` answers of a new order."""
        ...

    def choices(self, connection: sqlite3.Connection, line: CartLine, cart: Cart) -> Sequence[Choice]:
        """Which numbers a line of this cart may be sold from, the one it would be first; empty: it is not counted."""
        ...

    def places(self, connection: sqlite3.Connection, sku: str) -> Sequence[Choice]:
        """Every number of what has this SKU."""
        ...

    def counted(self, connection: sqlite3.Connection, place: Place, number: int, moment: M) -> Move | None:
        """A hand in the admin sets a number."""
        ...

    def rung(self) -> None:
        """Wakes whoever delivers webhooks; called after the transaction that made them."""
        ...
