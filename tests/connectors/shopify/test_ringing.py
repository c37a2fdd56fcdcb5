"""The sandbox's shop rings, signed by its own reading of the contract, and the room's door lets it in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from bcbridge.connectors.base import Connector, Keeper, Notification, RawRequest, Refused, Source, Webhook
from bcbridge.model.order import Order
from tests.connectors.shopify.shops import World, a_shop, until
from tests.connectors.shopify.test_orders import DRESS


class Receiver:
    """Keeps every request as the house hands it to a room."""

    def __init__(self) -> None:
        self.rung: list[RawRequest] = []
        self.url = ""

    async def ring(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.rung.append(RawRequest(request.method, request.path, dict(request.query), headers, body))
        return web.Response()


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.add_routes([web.post("/hooks/shop", receiver.ring)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield receiver
    finally:
        await runner.cleanup()


async def topics(world: World, receiver: Receiver) -> dict[str, Notification]:
    """The last notification of each topic so far; anything refused fails the test."""
    opened = [world.room.webhook.open(request) for request in receiver.rung]
    assert not [one for one in opened if isinstance(one, Refused)]
    return {one.topic: one for one in opened if isinstance(one, Notification)}


async def test_what_happens_in_the_shop_rings_at_the_door(tmp_path: Path) -> None:
    async with (
        a_receiver() as receiver,
        a_shop(tmp_path, client_id="env:CLIENT_ID", client_secret="env:CLIENT_SECRET") as shop,
    ):
        await shop.room.keeper.keep(receiver.url)
        ref = await shop.place(lines=[{**DRESS, "quantity": 3}], hold="OTHER")
        await shop.happens(ref, "release")
        await shop.happens(ref, "edit", **{"0": 1})
        await shop.happens(ref, "refund", lines={"0": 1})
        await shop.happens(ref, "cancel")
        expected = {
            "orders/create",
            "orders/updated",
            "orders/paid",
            "orders/edited",
            "orders/cancelled",
            "refunds/create",
            "order_transactions/create",
            "fulfillment_orders/hold_released",
        }
        found = await until(lambda: topics(shop, receiver), lambda found: expected <= set(found))
    for topic, notification in found.items():
        named = None if topic.startswith("fulfillment_orders/") else ref
        assert (notification.noun, notification.ref) == ("orders", named)
        assert (notification.modified is not None) == (topic.startswith("orders/") and topic != "orders/edited")


async def test_with_another_key_nothing_of_it_is_let_in(tmp_path: Path) -> None:
    async with a_receiver() as receiver, a_shop(tmp_path, webhook_secrets=["env:WRONG"]) as shop:
        await shop.room.keeper.keep(receiver.url)
        await shop.place(lines=[DRESS])
        await until(lambda: listed(receiver), bool)
        assert {type(shop.room.webhook.open(request)) for request in receiver.rung} == {Refused}


async def listed(receiver: Receiver) -> list[RawRequest]:
    return receiver.rung


async def test_the_room_offers_what_the_house_knows(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        connector: Connector = shop.room
        source: Source[Order] = shop.room.orders
        webhook: Webhook = shop.room.webhook
        keeper: Keeper = shop.room.keeper
    assert (connector.kind, source.noun, [one.name for one in source.lists]) == (
        "shopify",
        "orders",
        ["updated", "fulfilment_orders"],
    )
    assert webhook
    assert keeper
