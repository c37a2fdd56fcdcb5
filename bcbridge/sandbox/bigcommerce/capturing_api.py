"""What was authorised is captured: ``POST /v3/orders/{id}/payment_actions/capture`` (orders.v3.yml).

It names no amount: all that is authorised. A yes (201) only schedules it: the order is ``capture pending``, and
``capture_seconds`` later ``captured``. Not established, and chosen here: the 201 says nothing (its schema is any
object), a payment that is not authorised is a 422, one that the gateway declines then is ``authorized`` again beside a
transaction that failed, and only an order that awaits its payment is moved on by its money.
"""

from __future__ import annotations

import sqlite3

import orjson
from aiohttp import web

from bcbridge.sandbox.bigcommerce import payment
from bcbridge.sandbox.bigcommerce.front import Answer, Front, Refused
from bcbridge.sandbox.bigcommerce.orders_api import OrdersApi
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON, BadCart

DUE = "INSERT INTO happenings (due, order_id, what, details) VALUES (?, ?, 'capture_ended', ?)"


class CapturingApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.orders = OrdersApi(shop)

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [front.route("POST", "/v3/orders/{order_id}/payment_actions/capture", self.capture)]

    async def capture(self, request: web.Request) -> Answer:
        number, moment = (await self.orders.order(request))["id"], await self.shop.moment()
        faults = self.shop.world.faults
        details = orjson.dumps({"declined": await faults.strikes("capture_declined")}).decode()
        due = self.shop.now().timestamp() + faults.value("capture_seconds")

        def unit(connection: sqlite3.Connection) -> None:
            self.shop.changed(connection, number, begun, moment)
            connection.execute(DUE, (due, number, details))

        await self.shop.books.write(unit)
        self.shop.rung()
        return Answer({}, 201)


def begun(order: JSON) -> None:
    try:
        payment.begin_capture(order)
    except BadCart as no:
        raise Refused(422, str(no)) from None
