"""The shop: everything that happens to its orders goes through here, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from bcbridge.sandbox.base import World
from bcbridge.sandbox.catalogue import INACTIVE_SKUS
from bcbridge.sandbox.shopify import checkout, deliveries, inventory, orders, subscriptions, totals, world
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.events import EVENTS
from bcbridge.sandbox.shopify.gid import gid, number_of, order_id
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopify.trade import listed, trade
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import Cart, CartLine, Compact
from bcbridge.sandbox.shopping.doors import merge
from bcbridge.sandbox.shopping.shop import Premises, Timed
from bcbridge.sandbox.shopping.stock import Choice, Move, Place

SCHEMA = """
CREATE TABLE tokens (token TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
"""
ARCHIVED = frozenset(sku.upc for sku in INACTIVE_SKUS)
BRIEFLY = ("id", "legacyResourceId", "name", "displayFinancialStatus", "currentTotalPriceSet")


class Shop(Premises[ShopifySettings]):
    def __init__(self, opened: World, settings: ShopifySettings) -> None:
        super().__init__(opened, settings)
        self.locations = world.locations()
        self.trade = trade(settings)
        self.compact = Compact(listed(), settings.currency, gateway=self.trade.gateway, rates=world.RATES)
        self.events = tuple(EVENTS)

    async def moment(self) -> Moment:
        """Now, with the index's lag of this change and the grain of its stamp."""
        faults = self.world.faults
        lag = self.settings.index_lag_seconds
        if await faults.strikes("index_lag"):
            lag = faults.value("index_lag_seconds")
        floor = int(faults.value("equal_updated_at_seconds")) if await faults.strikes("equal_updated_at") else 1
        return Moment(self.now(), lag, max(floor, 1))

    # --- selling

    def placed(self, connection: sqlite3.Connection, cart: Cart, moment: Moment, note: JSON) -> int:
        number = orders.next_number(connection)
        order = checkout.place(cart, number=number, at=moment.stamp, locations=self.locations, note=note)
        return self.opened(connection, order, moment)

    def adopted(self, connection: sqlite3.Connection, document: JSON, moment: Moment, note: JSON) -> int:
        """Takes a document as it is (Shopify's own example, say): only number, id and stamps are the shop's."""
        order = {**blank(moment.stamp), **document, **identity(orders.next_number(connection))}
        order["_sandbox"] = {"ids": 5_000, "rate": "1", "document": True, **note}
        return self.opened(connection, order, moment)

    def opened(self, connection: sqlite3.Connection, order: JSON, moment: Moment) -> int:
        orders.add(connection, order, moment)
        self.took(connection, order, moment)
        self.ring(connection, order, moment, opening_topics(order))
        return number_of(order["id"])

    def happened(self, connection: sqlite3.Connection, order_id: int, what: str, details: JSON, moment: Moment) -> None:
        event, order = EVENTS[what], self.document(connection, order_id)
        touch = bool(details.pop("touch", event.touch))
        event.act(details)(order, moment.stamp)
        self.keep(connection, order, moment, topics=event.topics, touch=touch)

    def patched(self, connection: sqlite3.Connection, order_id: int, fields: JSON, moment: Moment) -> None:
        order = self.document(connection, order_id)
        touch, topics = bool(fields.pop("touch", True)), tuple(fields.pop("topics", ("ORDERS_UPDATED",)))
        merge(order, fields)
        if not order["_sandbox"].get("document"):
            totals.settle(order)
        self.keep(connection, order, moment, topics=topics, touch=touch)

    def found(self, connection: sqlite3.Connection, name: str) -> int | None:
        order = orders.by_name(connection, name)
        return None if order is None else number_of(order["id"])

    def document(self, connection: sqlite3.Connection, order_id: int) -> JSON:
        order = orders.load(connection, order_id)
        assert order is not None
        return order

    def brief(self, document: JSON) -> JSON:
        return {name: document[name] for name in BRIEFLY}

    # --- stock

    def choices(self, connection: sqlite3.Connection, line: CartLine, cart: Cart) -> list[Choice]:
        """Where the cart would have it from, then anywhere else; an order that nobody routes takes nothing off."""
        wanted = line.location if line.location is not None else cart.location
        if wanted is None or line.inventory_item_id is None:
            return []
        names = [str(one["name"]) for one in self.locations]
        first = [wanted] if wanted else names[:1]
        return inventory.choices(connection, line.inventory_item_id, [*first, *(n for n in names if n not in first)])

    def places(self, connection: sqlite3.Connection, sku: str) -> list[Choice]:
        return inventory.places(connection, sku)

    def counted(self, connection: sqlite3.Connection, place: Place, number: int, moment: Timed) -> Move | None:
        move = super().counted(connection, place, number, moment)
        self.moved(connection, [move] if move else [], Moment(moment.now))
        return move

    def took(self, connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
        identifier = number_of(order["id"])
        self.moved(connection, stock.held(connection, identifier, inventory.taken(order), moment.now), moment)

    def moved(self, connection: sqlite3.Connection, moves: Sequence[Move], moment: Moment) -> None:
        """Numbers have moved: their levels were touched, and whoever wants to hears of it."""
        inventory.touched(connection, moves, moment.stamp)
        deliveries.ring_levels(connection, moves, moment)

    async def sell_meanwhile(self, wanted: Iterable[Place]) -> None:
        """Somebody buys one of each of these, where there is one and it is not archived: the order is one to book."""
        moment = await self.moment()
        named = {one["id"]: str(one["name"]) for one in self.locations}

        def unit(connection: sqlite3.Connection) -> None:
            for place in wanted:
                sku = inventory.sku_of(connection, place.item)
                if sku in self.compact.listed.keys() - ARCHIVED and (stock.shown(connection, place) or 0) > 0:
                    cart = self.compact.cart({"lines": [{"sku": sku}], "location": named[place.location]})
                    self.placed(connection, cart, moment, {"unbookable": []})

        await self.books.write(unit)
        self.rung()

    # --- what is kept, and who is told

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
        self.took(connection, order, moment)
        self.ring(connection, order, moment, topics)

    def ring(self, connection: sqlite3.Connection, order: JSON, moment: Moment, topics: Sequence[str]) -> None:
        """Queues the webhooks of a change, in its own transaction."""
        deliveries.ring(connection, order, moment, topics)

    async def served_paid(self, identifiers: Iterable[int], moment: Moment) -> None:
        """Notes when the API first showed these orders as paid: what is cancelled before that, nobody may book."""
        await self.books.write(lambda c: orders.served_paid(c, identifiers, moment.stamp))

    async def subscribe_defaults(self) -> None:
        """Subscriptions a new shop starts with, where they are not there already."""

        def unit(connection: sqlite3.Connection) -> None:
            for topic, uri in self.settings.default_subscriptions:
                if subscriptions.refused(connection, topic, uri) is None:
                    subscriptions.subscribe(connection, topic, {"uri": uri}, Moment(self.now()).stamp)

        await self.books.write(unit)

    async def touch_beyond(self, beyond: tuple[Any, int]) -> None:
        """Touches the next two orders of a list that is being paged, so that they move to its end."""
        moment = await self.moment()
        await self.books.write(lambda c: self.touch_next(c, beyond, moment))

    def touch_next(self, connection: sqlite3.Connection, beyond: tuple[Any, int], moment: Moment) -> None:
        statement = "SELECT id FROM orders WHERE (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT 2"
        for (identifier,) in connection.execute(statement, beyond).fetchall():
            self.keep(connection, self.document(connection, identifier), moment, topics=("ORDERS_UPDATED",))


def opening_topics(order: JSON) -> tuple[str, ...]:
    paid = ("ORDERS_PAID",) if order["displayFinancialStatus"] == "PAID" else ()
    return ("ORDERS_CREATE", *paid, "ORDERS_UPDATED")


def identity(number_: int) -> JSON:
    identifier = order_id(number_)
    names = {"name": f"#{number_}", "number": number_}
    return {"id": gid("Order", identifier), "legacyResourceId": str(identifier), **names}


def blank(at: str) -> JSON:
    """What a given document may leave out."""
    empty = ("lineItems", "shippingLines", "fulfillmentOrders", "fulfillments", "transactions", "refunds")
    lists = ("returns", "agreements", "additionalFees", "taxLines", "tags", "discountCodes", "customAttributes")
    nothing = ("cancelledAt", "cancelReason", "closedAt", "customer", "shippingAddress", "billingAddress", "note")
    return {
        **{name: [] for name in (*empty, *lists, "discountApplications", "paymentGatewayNames")},
        **dict.fromkeys((*nothing, "email", "phone", "poNumber", "sourceIdentifier", "app", "publication")),
        **dict.fromkeys(("createdAt", "processedAt", "updatedAt"), at),
        **dict.fromkeys(("closed", "test", "edited", "taxExempt", "dutiesIncluded", "taxesIncluded"), False),
        "confirmed": True,
        "sourceName": "web",
        "returnStatus": "NO_RETURN",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
    }
