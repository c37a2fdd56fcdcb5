"""One store, put together: what the house is handed for ``kind = "bigcommerce"``."""

from __future__ import annotations

from datetime import datetime

from bcbridge.connectors.base import Finding, Tools
from bcbridge.connectors.bigcommerce.amendments import Amendments
from bcbridge.connectors.bigcommerce.captures import Captures
from bcbridge.connectors.bigcommerce.client import Client, as_agreed
from bcbridge.connectors.bigcommerce.counting import Behaviours
from bcbridge.connectors.bigcommerce.dispatches import Dispatches
from bcbridge.connectors.bigcommerce.doctor import Doctor
from bcbridge.connectors.bigcommerce.keeper import Keeper
from bcbridge.connectors.bigcommerce.orders import Orders
from bcbridge.connectors.bigcommerce.quota import Quota
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings
from bcbridge.connectors.bigcommerce.stock import Stock
from bcbridge.connectors.bigcommerce.webhook import Webhook
from bcbridge.connectors.budget import Budget
from bcbridge.connectors.http import Http
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import ConnectorName

CALLS_PER_MINUTE = 6000
"""A ceiling of our own, out of the way: what limits is the store's quota (quota.py)."""
CALLS_AT_ONCE = 4


class BigCommerce:
    """A Connector. Offers ``orders`` (a Source), ``stock`` (a Shelf), ``dispatches``, ``captures``, ``amendments``,
    ``webhook`` and ``keeper``."""

    kind = "bigcommerce"

    def __init__(
        self, name: ConnectorName, settings: BigCommerceSettings, tools: Tools, *, since: datetime | None
    ) -> None:
        self.name = name
        self._settings = settings
        self._http = Http(
            name,
            settings.address,
            budget=Budget(per_minute=CALLS_PER_MINUTE, concurrency=CALLS_AT_ONCE, slows=False),
            now=tools.now,
            call_seconds=settings.request_timeout_seconds,
            connections=CALLS_AT_ONCE,
        )
        quota = Quota(tools.now, kept=settings.quota_kept_for_others)
        self._client = Client(self._http, token=tools.secret(settings.access_token), quota=quota, at_once=CALLS_AT_ONCE)
        secret = tools.secret(settings.webhook_secret) if settings.webhook_secret else None
        client_secret = tools.secret(settings.client_secret) if settings.client_secret else None
        client_id = tools.secret(settings.client_id) if settings.client_id else None
        behaviours = Behaviours(self._client, tools.now)
        self.orders = Orders(self._client, settings, now=tools.now, behaviours=behaviours, since=since)
        self.stock = Stock(self._client, settings, behaviours)
        self.dispatches = Dispatches(f"{name}.dispatches", self._client, settings)
        self.captures = Captures(f"{name}.captures", self._client)
        self.amendments = Amendments(f"{name}.amendments", self._client)
        self.webhook = Webhook(settings.store_hash, secret=secret, client_secret=client_secret, now=tools.now)
        self.keeper = Keeper(self._client, name, secret)
        self._doctor = Doctor(self._client, self.keeper, settings, client_id=client_id)

    async def ping(self) -> None:
        """Proves the token and that it is this store's."""
        reply = await self._client.get("/v2/store")
        with as_agreed("store"):
            store = reply.content["id"]
        if store != self._settings.store_hash:
            raise OpenCircuit("the token belongs to another store than store_hash says")

    async def doctor(self) -> list[Finding]:
        return await self._doctor.findings()

    async def aclose(self) -> None:
        await self._http.aclose()


def build(name: ConnectorName, settings: BigCommerceSettings, tools: Tools) -> BigCommerce:
    """The connector of one store. Raises Misconfigured where a secret cannot be resolved."""
    return BigCommerce(name, settings, tools, since=tools.since)
