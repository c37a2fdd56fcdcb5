"""The shop: everything that happens to its orders goes through here, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from bcbridge.sandbox.base import World
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON, BadCart, Cart, CartLine, Compact
from bcbridge.sandbox.shopping.courier import Delivery, Letter
from bcbridge.sandbox.shopping.doors import merge
from bcbridge.sandbox.shopping.shop import Premises, Timed
from bcbridge.sandbox.shopping.stock import Choice, Move, Place
from bcbridge.sandbox.woocommerce import counting, dates, orders, season, totals, webhooks
from bcbridge.sandbox.woocommerce.checkout import Checkout
from bcbridge.sandbox.woocommerce.events import EVENTS, Turn
from bcbridge.sandbox.woocommerce.numbering import Numbering
from bcbridge.sandbox.woocommerce.orders import Moment
from bcbridge.sandbox.woocommerce.refusals import invalid_id, not_allowed
from bcbridge.sandbox.woocommerce.season import Shelf
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings
from bcbridge.sandbox.woocommerce.showing import View
from bcbridge.sandbox.woocommerce.trade import WORDLESS, trade
from bcbridge.sandbox.woocommerce.workers import Workers

BRIEFLY = ("id", "number", "status", "currency", "total")
OF_PRODUCTS = ("sku", "global_unique_id", "price", "image", "parent_name")
"""What a line is shown with and does not keep."""
CREATED = ("order.created", "order.updated")


class Shop(Premises[WooCommerceSettings]):
    def __init__(self, opened: World, settings: WooCommerceSettings) -> None:
        super().__init__(opened, settings)
        self.trade = trade(settings)
        self.compact = Compact(
            season.listed(),
            settings.currency,
            gateway=self.trade.gateway,
            rates=self.trade.rates,
            wordless=WORDLESS,
        )
        self.events = tuple(EVENTS)
        self.shelf = Shelf()
        self.workers = Workers(settings.write_at_once)
        self.home = ""
        self.lates = True

    async def moment(self) -> Moment:
        """Now, with the grain of this change's stamp and how late the database shows it."""
        faults = self.world.faults
        late = faults.value("late_commit_seconds") if await faults.strikes("late_commit") else 0.0
        floor = int(faults.value("equal_updated_at_seconds")) if await faults.strikes("equal_updated_at") else 1
        self.lates = self.lates or late > 0
        return Moment(self.now(), late, max(floor, 1))

    async def restock(self) -> None:
        """Reads what is listed, after a start, a reset or a change of a product."""
        await self.books.read(self.shelf.restocked)

    async def set_options(self) -> None:
        """What the merchant has set, at a start and after a reset."""
        await self.books.write(lambda c: counting.option(c, on=self.settings.manage_stock))

    async def show_late(self) -> None:
        """Lets show what has committed meanwhile."""
        if self.lates:
            self.lates = await self.books.write(lambda c: orders.show_late(c, self.now())) > 0

    def view(self, home: str, decimals: int = 2) -> View:
        return View(self.settings, self.shelf, home, decimals)

    # --- selling

    def placed(self, connection: sqlite3.Connection, cart: Cart, moment: Moment, note: JSON) -> int:
        order = Checkout(cart, self.settings, Numbering(connection), moment.stamp).order(note)
        return self.opened(connection, order, moment)

    def adopted(self, connection: sqlite3.Connection, document: JSON, moment: Moment, note: JSON) -> int:
        """Takes a document as it is (a recorded one, say): only number, id and stamps are the shop's. What its lines
        say of their products stays with them."""
        ids = Numbering(connection)
        order = {**document, "id": ids.next("post"), "refunds": []}
        order["number"] = str(ids.next("number")) if self.settings.own_numbers else str(order["id"])
        order |= {"date_created_gmt": moment.stamp, "date_modified_gmt": moment.stamp}
        pinned = {
            str(line["id"]): {key: line[key] for key in OF_PRODUCTS if key in line} for line in order["line_items"]
        }
        order["_sandbox"] = {"document": True, "pinned": pinned, **note}
        return self.opened(connection, order, moment)

    def opened(self, connection: sqlite3.Connection, order: JSON, moment: Moment) -> int:
        orders.add(connection, order, moment)
        self.count(connection, order, moment)
        self.ring(connection, order["id"], moment, CREATED)
        return int(order["id"])

    def happened(self, connection: sqlite3.Connection, order_id: int, what: str, details: JSON, moment: Moment) -> None:
        event, order = EVENTS[what], self.document(connection, order_id)
        lacking = counting.lacking(connection, order) if what == "pay" and self.sells_from_stock else None
        if lacking is not None:
            raise BadCart(f"order {order_id} cannot be paid: there is not enough of {lacking} any more")
        refunds = event.act(order, Turn(details, moment.stamp, Numbering(connection)))
        if order["status"] not in (*self.settings.statuses, "trash"):
            raise BadCart(f"status: one of {', '.join(self.settings.statuses)}")
        self.keep(connection, order, moment, topics=event.topics, refunds=refunds)

    def patched(self, connection: sqlite3.Connection, order_id: int, fields: JSON, moment: Moment) -> None:
        order = self.document(connection, order_id)
        touch, topics = bool(fields.pop("touch", True)), tuple(fields.pop("topics", ("order.updated",)))
        merge(order, fields)
        if not order["_sandbox"].get("document"):
            totals.settle(order)
        self.keep(connection, order, moment, topics=topics, touch=touch)

    def found(self, connection: sqlite3.Connection, name: str) -> int | None:
        return orders.named(connection, name)

    def document(self, connection: sqlite3.Connection, order_id: int) -> JSON:
        order = orders.load(connection, order_id)
        assert order is not None
        return order

    def brief(self, document: JSON) -> JSON:
        return {name: document[name] for name in BRIEFLY}

    # --- stock

    def choices(self, connection: sqlite3.Connection, line: CartLine, cart: Cart) -> Sequence[Choice]:
        return counting.choices(connection, line)

    def places(self, connection: sqlite3.Connection, sku: str) -> Sequence[Choice]:
        return counting.places(connection, sku)

    def counted(self, connection: sqlite3.Connection, place: Place, number: int, moment: Timed) -> Move | None:
        move = super().counted(connection, place, number, moment)
        self.moved(connection, [] if move is None else [move], Moment(moment.now))
        return move

    def count(self, connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
        """Off the stock, or back, what the order's lines say. It is off at once, also where the order shows late."""
        moves = stock.held(connection, order["id"], counting.taken(connection, order), moment.now)
        self.moved(connection, moves, moment)

    def moved(self, connection: sqlite3.Connection, moves: Sequence[Move], moment: Moment) -> None:
        for identifier in counting.show(connection, moves, moment.stamp):
            self.ring(connection, identifier, moment, ("product.updated",))

    # --- what is kept, and who is told

    def keep(
        self,
        connection: sqlite3.Connection,
        order: JSON,
        moment: Moment,
        *,
        topics: Sequence[str] = ("order.updated",),
        refunds: Sequence[JSON] = (),
        touch: bool = True,
    ) -> None:
        if touch:
            order["date_modified_gmt"] = max(moment.stamp, order["date_modified_gmt"])
        for refund in refunds:
            orders.add_refund(connection, refund)
        orders.save(connection, order, moment)
        self.count(connection, order, moment)
        self.ring(connection, order["id"], moment, topics)

    def ring(self, connection: sqlite3.Connection, order_id: int, moment: Moment, topics: Sequence[str]) -> None:
        """Queues the webhooks of a change, in its own transaction."""
        value = self.world.faults.value
        after, once = value("webhook_seconds"), value("webhook_once_seconds")
        webhooks.ring(connection, order_id, topics, moment, after_seconds=after, once_seconds=once)

    async def served_paid(self, identifiers: Iterable[int]) -> None:
        """Notes when the API first showed these orders as paid: what is cancelled before that, nobody may book."""
        await self.books.write(lambda c: orders.served_paid(c, identifiers, dates.stamp(self.now())))

    async def subscribe_defaults(self) -> None:
        """Webhooks a new shop starts with, where they are not there already."""

        def unit(connection: sqlite3.Connection) -> None:
            for topic, address in self.settings.default_webhooks:
                known = "SELECT 1 FROM webhooks WHERE topic = ? AND json_extract(document, '$.delivery_url') = ?"
                if connection.execute(known, (topic, address)).fetchone() is None:
                    wanted = {"topic": topic, "delivery_url": address, "secret": self.settings.webhook_secret}
                    webhooks.create(connection, wanted, Moment(self.now()))

        await self.books.write(unit)

    async def touch(self, identifiers: Sequence[int]) -> None:
        """Somebody saves these orders, and changes nothing: they move to the end of a list by date."""
        moment = await self.moment()

        def unit(connection: sqlite3.Connection) -> None:
            for identifier in identifiers:
                self.keep(connection, self.document(connection, identifier), moment)

        await self.books.write(unit)
        self.rung()


class Hook:
    """What WooCommerce's webhooks say, for the courier."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    @property
    def webhook_timeout_seconds(self) -> float:
        return self.shop.settings.webhook_timeout_seconds

    @property
    def agent(self) -> str:
        return f"WooCommerce/{self.shop.settings.version} Hookshot (WordPress/{self.shop.settings.wordpress})"

    def letter(self, connection: sqlite3.Connection, delivery: Delivery, *, stale: bool, forged: bool) -> Letter | None:
        hook = webhooks.load(connection, delivery.subscription_id)
        if hook is None:
            return None
        if delivery.topic == webhooks.PING:
            form = {"User-Agent": self.agent, "Accept": "*/*", "Content-Type": "application/x-www-form-urlencoded"}
            return Letter(hook["delivery_url"], f"webhook_id={hook['id']}".encode(), form)
        if hook["status"] != "active":
            return None
        body = webhooks.written(self.body(connection, delivery, stale=stale))
        second = int(self.shop.now().timestamp())
        headers = webhooks.headers(hook, body, home=self.shop.home, agent=self.agent, second=second, forged=forged)
        return Letter(hook["delivery_url"], body, headers)

    def body(self, connection: sqlite3.Connection, delivery: Delivery, *, stale: bool) -> JSON:
        """The order as it now is, read as the webhook's owner; an error where that owner may not, or it is gone."""
        if self.shop.world.faults.is_on("webhook_owner_gone"):
            return not_allowed("GET", one=True).body
        if delivery.topic.endswith(".deleted"):
            return {"id": delivery.order_id}
        if delivery.topic.startswith("product."):
            return self.product(connection, delivery.order_id)
        order = orders.seen(connection, delivery.order_id, self.shop.now())
        if order is None:
            return invalid_id("shop_order").body
        return self.shop.view(self.shop.home).order(earlier(order) if stale else order)

    def product(self, connection: sqlite3.Connection, identifier: int) -> JSON:
        """A variation is told as a product."""
        kept = season.stored(connection, identifier)
        if kept is None:
            return invalid_id("product").body
        (shown,) = counting.as_shown(connection, [kept])
        return self.shop.view(self.shop.home).product(shown)

    def taken(self, connection: sqlite3.Connection, delivery: Delivery, status: int) -> bool:
        if delivery.topic == webhooks.PING:
            if status == 200:
                webhooks.pinged(connection, delivery.subscription_id)
            return status == 200
        if not 200 <= status < 303:
            return False
        webhooks.heard(connection, delivery.subscription_id)
        return True

    def refused(self, connection: sqlite3.Connection, delivery: Delivery) -> None:
        """Nothing is tried again."""
        if delivery.topic != webhooks.PING:
            webhooks.failed(connection, delivery.subscription_id, dates.stamp(self.shop.now()))


def earlier(order: JSON) -> JSON:
    """As it was when it was made, unpaid."""
    return {**order, "status": "pending", "date_paid_gmt": None, "date_modified_gmt": order["date_created_gmt"]}
