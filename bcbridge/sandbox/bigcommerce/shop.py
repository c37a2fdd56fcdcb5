"""The shop: everything that happens to its orders goes through here, one transaction each."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bigcommerce import adjustments, checkout, counting, deliveries, hooks, orders, world
from bcbridge.sandbox.bigcommerce.basket import Ordered, as_basket, lived_in
from bcbridge.sandbox.bigcommerce.events import EVENTS
from bcbridge.sandbox.bigcommerce.orders import Moment
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.bigcommerce.statuses import INCOMPLETE
from bcbridge.sandbox.bigcommerce.trade import trade
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON, Cart, CartLine
from bcbridge.sandbox.shopping.doors import merge
from bcbridge.sandbox.shopping.shop import Premises, Timed
from bcbridge.sandbox.shopping.stock import Cause, Choice, Move, Place

BRIEFLY = ("id", "status_id", "status", "payment_status", "total_inc_tax")


class Shop(Premises[BigCommerceSettings]):
    def __init__(self, opened: World, settings: BigCommerceSettings) -> None:
        super().__init__(opened, settings)
        self.trade = trade(settings)
        self.compact = Ordered(world.listed(), settings.currency, self.trade.gateway, world.RATES)
        self.events = tuple(EVENTS)
        self.stale = False
        """Whether the API may still have to catch up with a change."""
        self.next_due: float | None = None
        """When an adjustment of stock may next come into force."""
        self.dice = random.Random(f"{settings.seed}:settling")

    async def moment(self) -> Moment:
        """Now, with how long the API does not show this change, and the grain of its stamp."""
        faults = self.world.faults
        stale = faults.value("stale_read_seconds") if await faults.strikes("stale_read") else 0.0
        grain = 1
        if await faults.strikes("equal_date_modified"):
            grain = max(int(faults.value("equal_date_modified_seconds")), 1)
        self.stale = self.stale or stale > 0
        return Moment(self.now(), stale, grain)

    # --- selling

    def placed(self, connection: sqlite3.Connection, cart: Cart, moment: Moment, note: JSON) -> int:
        basket = lived_in(as_basket(cart))
        if self.world.faults.is_on("total_lacks_credit"):
            basket = replace(basket, credit_deducted=True)
        order = checkout.place(basket, number=orders.next_number(connection), at=moment.at, note=note)
        return self.opened(connection, order, moment)

    def adopted(self, connection: sqlite3.Connection, document: JSON, moment: Moment, note: JSON) -> int:
        """Takes a document as it is: only id and stamps are the shop's. Lists may be left out."""
        number = orders.next_number(connection)
        stamped = dict.fromkeys(("date_created", "date_modified"), checkout.stamp(moment.at))
        order = {**blank(), **document, **stamped, "id": number}
        order["_sandbox"] = {"document": True, "creditDeducted": False, "unbookable": [], **note}
        return self.opened(connection, order, moment)

    def opened(self, connection: sqlite3.Connection, order: JSON, moment: Moment) -> int:
        self.settle(connection)
        counting.moved_by(connection, order, moment)
        orders.keep(connection, order, moment)
        self.ring(connection, order, moment, [event(order, "created"), *status_moved(INCOMPLETE, order)])
        return int(order["id"])

    def changed(
        self, connection: sqlite3.Connection, order_id: int, act: Callable[[JSON], object], moment: Moment
    ) -> JSON:
        """Any change of one order: ``date_modified`` moves, webhooks follow."""
        order = self.document(connection, order_id)
        before = signs(order)
        act(order)
        orders.touched(order, moment)
        self.keep(connection, order, moment, before)
        return order

    def happened(self, connection: sqlite3.Connection, order_id: int, what: str, details: JSON, moment: Moment) -> None:
        act = EVENTS[what](details)
        if what == "complete" and self.sells_from_stock:
            self.settle(connection)
            counting.check_left(connection, self.document(connection, order_id))
        self.changed(connection, order_id, lambda order: act(order, moment.at), moment)

    def patched(self, connection: sqlite3.Connection, order_id: int, fields: JSON, moment: Moment) -> None:
        """``touch: false`` leaves ``date_modified`` alone and rings nobody: a change that no reader can see coming."""
        if fields.pop("touch", True):
            self.changed(connection, order_id, lambda order: merge(order, fields), moment)
            return
        order = self.document(connection, order_id)
        merge(order, fields)
        orders.keep(connection, order, moment)

    def found(self, connection: sqlite3.Connection, name: str) -> int | None:
        plain = name.lstrip("#")
        order = orders.load(connection, int(plain)) if plain.isdigit() else None
        return None if order is None else int(order["id"])

    def document(self, connection: sqlite3.Connection, order_id: int) -> JSON:
        order = orders.load(connection, order_id)
        assert order is not None
        return order

    def brief(self, document: JSON) -> JSON:
        return {name: document[name] for name in BRIEFLY} | {"name": f"#{document['id']}"}

    # --- stock

    def settle(self, connection: sqlite3.Connection) -> datetime:
        """Brings into force what is due, before numbers are read or moved; the moment that it is."""
        now = self.now()
        adjustments.catch_up(connection, now)
        return now

    def settling(self) -> float:
        """How many seconds the next adjustment takes."""
        value = self.world.faults.value
        least, most = value("settle_least_seconds"), value("settle_most_seconds")
        return self.dice.uniform(least, max(least, most))

    def under_way(self, seconds: float) -> None:
        due = self.now().timestamp() + seconds
        self.next_due = due if self.next_due is None else min(due, self.next_due)

    def choices(self, connection: sqlite3.Connection, line: CartLine, cart: Cart) -> Sequence[Choice]:
        self.settle(connection)
        there = counting.selling(connection, aggregated=self.world.faults.value("aggregated_stock") > 0)
        return counting.choices(connection, line, there)

    def places(self, connection: sqlite3.Connection, sku: str) -> Sequence[Choice]:
        return counting.places(connection, sku)

    def counted(self, connection: sqlite3.Connection, place: Place, number: int, moment: Timed) -> Move | None:
        self.settle(connection)
        return stock.put(connection, place, number, Cause(moment.now, "admin"))

    # --- what is kept, and who is told

    def keep(self, connection: sqlite3.Connection, order: JSON, moment: Moment, before: JSON) -> None:
        self.settle(connection)
        counting.moved_by(connection, order, moment)
        orders.keep(connection, order, moment)
        self.ring(connection, order, moment, what_moved(before, order))

    def ring(self, connection: sqlite3.Connection, order: JSON, moment: Moment, told: list[JSON]) -> None:
        """Queues the webhooks of a change, in its own transaction."""
        deliveries.ring(connection, self.settings, order["id"], moment, told)

    async def catch_up(self) -> None:
        """Shows what has been stale for long enough, and brings adjustments into force; before anything is read."""
        now = self.now()
        due = self.next_due is not None and self.next_due <= now.timestamp()
        if not (self.stale or due):
            return

        def unit(connection: sqlite3.Connection) -> tuple[bool, float | None]:
            orders.catch_up(connection, now)
            adjustments.catch_up(connection, now)
            return orders.is_stale(connection), adjustments.next_due(connection)

        self.stale, self.next_due = await self.books.write(unit)

    async def remember(self) -> None:
        """At a start, and after a reset: what was stale or under way then, and the hooks a new shop has."""
        self.stale = await self.books.read(orders.is_stale)
        self.next_due = await self.books.read(adjustments.next_due)

        def unit(connection: sqlite3.Connection) -> None:
            for scope, destination, headers in self.settings.default_hooks:
                wanted = {"scope": scope, "destination": destination, "headers": dict(headers) or None}
                if not hooks.refused(connection, wanted):
                    hooks.create(connection, wanted, self.now())

        await self.books.write(unit)

    async def served_paid(self, order_ids: Iterable[int]) -> None:
        """Notes when the API first showed these orders as paid: what is cancelled before that, nobody may book."""
        at = self.now().isoformat()
        await self.books.write(lambda c: orders.served_paid(c, order_ids, at))

    async def touch_after(self, last: JSON) -> None:
        """Touches the two orders behind a page that is being read, so that they move to the list's end."""
        moment = await self.moment()

        def unit(connection: sqlite3.Connection) -> None:
            for order_id in orders.after(connection, orders.seconds(last["date_modified"]), last["id"]):
                self.happened(connection, order_id, "touch", {}, moment)

        await self.books.write(unit)
        self.rung()


def blank() -> JSON:
    """What a given document may leave out."""
    lists = ("products", "shipping_addresses", "coupons", "taxes", "fees", "shipments", "refunds", "transactions")
    return {
        **{name: [] for name in lists},
        **dict.fromkeys(("payment_method", "external_order_id", "cart_id"), ""),
        "customer_id": 0,
        "channel_id": 1,
        "is_deleted": False,
        "billing_address": {"email": ""},
        **dict.fromkeys(("store_credit_amount", "gift_certificate_amount"), "0.0000"),
    }


# --- what a change tells


def event(order: JSON, name: str, **more: JSON) -> JSON:
    return {"scope": f"store/order/{name}", "data": {"type": "order", "id": order["id"], **more}}


def signs(order: JSON) -> JSON:
    """What of an order has webhooks of its own, to compare."""
    return {
        "status": order["status_id"],
        "archived": order["is_deleted"],
        "refunds": len(order["refunds"]),
        "transactions": len(order["transactions"]),
        "shipments": {one["id"]: dict(one) for one in order["shipments"]},
    }


def status_moved(before: int, order: JSON) -> list[JSON]:
    moved = {"previous_status_id": before, "new_status_id": order["status_id"]}
    return [event(order, "statusUpdated", status=moved)] if before != order["status_id"] else []


def what_moved(before: JSON, order: JSON) -> list[JSON]:
    told = [event(order, "updated"), *status_moved(before["status"], order)]
    if order["is_deleted"] and not before["archived"]:
        told.append(event(order, "archived"))
    told += [given_back(order, one) for one in order["refunds"][before["refunds"] :]]
    told += [bought(order, one) for one in order["transactions"][before["transactions"] :]]
    return told + list(parcels_moved(before["shipments"], order))


def given_back(order: JSON, refund: JSON) -> JSON:
    return event(order, "refund/created", refund={"refund_id": refund["id"]})


def bought(order: JSON, transaction: JSON) -> JSON:
    data = {
        "type": "transaction",
        "order_id": str(order["id"]),
        "transaction_id": str(transaction["id"]),
        "transaction_status": "complete",
        "transaction_type": transaction["event"],
        "result": {"code": "captured", "message": "Captured", "type": "success"},
        "platform_transaction_id": str(transaction["id"]),
        "provider_transaction_id": transaction["gateway_transaction_id"],
    }
    return {"scope": "store/order/transaction/created", "data": data}


def parcels_moved(before: Mapping[int, JSON], order: JSON) -> Iterator[JSON]:
    after = {one["id"]: one for one in order["shipments"]}
    for number in {**before, **after}:
        if before.get(number) != after.get(number):
            what = "created" if number not in before else "updated" if number in after else "deleted"
            data = {"type": "shipment", "id": number, "orderId": order["id"]}
            yield {"scope": f"store/shipment/{what}", "data": data}
