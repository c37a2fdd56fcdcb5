"""Who takes money that is only authorised is said with the orders of which nobody took it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.store import dispatching
from tests.flows.dispatches.test_owed import TEE, shipment
from tests.watches.rounds import ERP, SHOP, Rounds
from tests.watches.test_dispatches import booked, paid, reference, told


async def test_the_policy_is_said_where_there_is_one(rounds: Rounds) -> None:
    rounds.limits()
    channel = rounds.house.settings.channels[SHOP]
    orders = channel.orders.model_copy(update={"authorised_gateways": frozenset({"card"})})
    policy = DispatchSettings(captures={"card": "bridge", "paypal": "person", "*": "shop"})
    channels = {**rounds.house.settings.channels, SHOP: replace(channel, orders=orders, dispatches=policy)}
    rounds.house.settings = replace(rounds.house.settings, channels=channels)
    rounds.limits()
    await paid(rounds, "#1", "authorised", days=28)
    order = await booked(rounds, "#1")
    one = shipment("I1", (TEE, 4), reference=reference("#1"))
    await rounds.house.store.write(partial(dispatching.keep, erp=ERP, shipments=[one], now=rounds.now()))
    await told(rounds, order)
    rounds.later(hours=25)
    (text,) = await rounds.texts("dispatched_not_captured")
    assert "Who takes it: card: bcbridge asks the shop; paypal: a person; any other: the shop. bcbridge show" in text
