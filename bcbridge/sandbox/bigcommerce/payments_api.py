"""v3 refunds and transactions of orders (2.4): the only place where a refund's money is told."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from bcbridge.sandbox.bigcommerce import orders
from bcbridge.sandbox.bigcommerce.front import Answer, Front, Refused, collection, ids_in, known, page_of
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.bigcommerce.shown import figure, plain
from bcbridge.sandbox.shopping.cart import JSON

ACROSS = {"order_id:in", "id:in", "created:min", "created:max", "transaction_id", "page", "limit"}


class PaymentsApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("GET", "/v3/orders/payment_actions/refunds", self.across),
            front.route("GET", "/v3/orders/payment_actions/refunds/{refund_id}", self.refund),
            front.route("GET", "/v3/orders/{order_id}/payment_actions/refunds", self.of_order),
            front.route("GET", "/v3/orders/{order_id}/transactions", self.transactions),
        ]

    async def of_order(self, request: web.Request) -> Answer:
        return Answer({"data": [refund(one) for one in (await self.order(request))["refunds"]], "meta": {}})

    async def across(self, request: web.Request) -> Answer:
        """Refunds of all orders, oldest first: also those made in the control panel."""
        known(request, ACROSS)
        page, limit = page_of(request)
        bounds = [bound(request, "created:min", float("-inf")), bound(request, "created:max", float("inf"))]
        among, of_orders = ids_in(request, "id:in"), ids_in(request, "order_id:in")

        def unit(connection: sqlite3.Connection) -> list[JSON]:
            rows = connection.execute(
                "SELECT id, order_id FROM refunds WHERE created >= ? AND created <= ? ORDER BY id", bounds
            ).fetchall()
            wanted = [row for row in rows if among is None or row[0] in among]
            wanted = [row for row in wanted if of_orders is None or row[1] in of_orders]
            return [one for identifier, order_id in wanted for one in shown_refund(connection, order_id, identifier)]

        found = await self.shop.books.read(unit)
        named = request.query.get("transaction_id")
        if named is not None:
            found = [one for one in found if any(p["transaction_id"] == named for p in one["payments"])]
        return Answer(collection(found, page, limit))

    async def refund(self, request: web.Request) -> Answer:
        text = request.match_info["refund_id"]
        number = int(text) if text.isdigit() else 0

        def unit(connection: sqlite3.Connection) -> list[JSON]:
            row = connection.execute("SELECT order_id FROM refunds WHERE id = ?", (number,)).fetchone()
            return shown_refund(connection, row[0], number) if row else []

        found = await self.shop.books.read(unit)
        if not found:
            raise Refused(404, "The refund was not found.")
        return Answer({"data": by_itself(found[0]), "meta": {}})

    async def transactions(self, request: web.Request) -> Answer:
        known(request, {"page", "limit"})
        page, limit = page_of(request)
        order = await self.order(request)
        return Answer(collection([transaction(one) for one in order["transactions"]], page, limit))

    async def order(self, request: web.Request) -> JSON:
        text = request.match_info["order_id"]
        found = await self.shop.books.read(lambda c: orders.shown(c, int(text) if text.isdigit() else 0))
        if found is None:
            raise Refused(404, "Order not found.")
        return found


def bound(request: web.Request, name: str, usual: float) -> float:
    if name not in request.query:
        return usual
    try:
        return orders.seconds(request.query[name])
    except ValueError:
        raise Refused(422, f"The filter '{name}' is invalid.", {name: "must be a date"}) from None


def shown_refund(connection: sqlite3.Connection, order_id: int, identifier: int) -> list[JSON]:
    """The refund, if its order is shown with it already."""
    order = orders.shown(connection, order_id)
    return [refund(one) for one in (order["refunds"] if order else []) if one["id"] == identifier]


def refund(one: JSON) -> JSON:
    items = [{**plain(item), "requested_amount": figure(item["requested_amount"])} for item in one["items"]]
    payments = [{**payment, "amount": figure(payment["amount"])} for payment in one["payments"]]
    sums = {name: figure(one[name]) for name in ("total_amount", "total_tax")}
    return {**one, **sums, "items": items, "payments": payments}


def by_itself(shown: JSON) -> JSON:
    """A refund asked for by its own id: here an item's amount is a text, and a little less is told."""
    items = [
        {key: str(value) if key == "requested_amount" else value for key, value in one.items() if key != "adjustments"}
        for one in shown["items"]
    ]
    payments = [{key: value for key, value in one.items() if key != "transaction_id"} for one in shown["payments"]]
    return {**shown, "items": items, "payments": payments}


def transaction(one: JSON) -> JSON:
    return {**one, "amount": figure(one["amount"])}
