"""One shop, put together: what the house is handed for ``kind = "woocommerce"``."""

from __future__ import annotations

from datetime import datetime

from bcbridge.connectors.base import Finding, Tools
from bcbridge.connectors.budget import Budget
from bcbridge.connectors.http import Http
from bcbridge.connectors.woocommerce.amendments import Amendments
from bcbridge.connectors.woocommerce.client import Client
from bcbridge.connectors.woocommerce.dispatches import Dispatches
from bcbridge.connectors.woocommerce.doctor import Doctor
from bcbridge.connectors.woocommerce.keeper import Keeper
from bcbridge.connectors.woocommerce.means import Inquiry
from bcbridge.connectors.woocommerce.orders import Orders
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.connectors.woocommerce.shelf import Shelf
from bcbridge.connectors.woocommerce.signing import Signer, ways
from bcbridge.connectors.woocommerce.webhook import Webhook
from bcbridge.model.ids import ConnectorName

CALLS_PER_MINUTE = 6000
"""A ceiling of our own, out of the way: WooCommerce has no limit, ``max_parallel`` is what spares a slow host."""


class WooCommerce:
    """A Channel: ``orders`` (a Source), ``stock`` (a Shelf), ``dispatches``, ``amendments``, ``webhook`` and
    ``keeper``."""

    kind = "woocommerce"

    def __init__(
        self, name: ConnectorName, settings: WooCommerceSettings, tools: Tools, *, since: datetime | None
    ) -> None:
        self.name = name
        self._http = Http(
            name,
            settings.address,
            budget=Budget(per_minute=CALLS_PER_MINUTE, concurrency=settings.max_parallel),
            now=tools.now,
            call_seconds=settings.request_timeout_seconds,
            connections=settings.max_parallel,
        )
        signer = Signer(
            settings.address,
            key=tools.secret(settings.consumer_key),
            secret=tools.secret(settings.consumer_secret),
            now=tools.now,
        )
        client = Client(self._http, signer, ways(settings.auth, settings.address))
        secret = tools.secret(settings.webhook_secret) if settings.webhook_secret else ""
        self._client = client
        self.stock = Shelf(client, settings)
        self.orders = Orders(client, settings, now=tools.now, since=since)
        inquiry = Inquiry(client, settings.tracking, tools.now)
        self.dispatches = Dispatches(f"{name}.dispatches", client, settings, inquiry, tools.now)
        self.captures = None
        self.amendments = Amendments(f"{name}.amendments", client, settings)
        self.webhook = Webhook(secret)
        self.keeper = Keeper(client, name, address=settings.address, secret=secret)
        self._doctor = Doctor(client, self.keeper, settings)

    async def ping(self) -> None:
        """Proves that the keys may read orders."""
        await self._client.rows("/orders", {"per_page": "1", "_fields": "id"})

    async def doctor(self) -> list[Finding]:
        return await self._doctor.findings()

    async def aclose(self) -> None:
        await self._http.aclose()


def build(name: ConnectorName, settings: WooCommerceSettings, tools: Tools) -> WooCommerce:
    """The connector of one shop. Raises Misconfigured where a secret cannot be resolved."""
    return WooCommerce(name, settings, tools, since=tools.since)
