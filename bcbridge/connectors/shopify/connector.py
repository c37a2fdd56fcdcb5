"""One shop, put together: what the house is handed for ``kind = "shopify"``."""

from __future__ import annotations

from datetime import datetime

from bcbridge.connectors.base import Finding, Tools
from bcbridge.connectors.budget import Budget
from bcbridge.connectors.http import Http
from bcbridge.connectors.shopify.amendments import Amendments
from bcbridge.connectors.shopify.captures import Captures
from bcbridge.connectors.shopify.client import Client, as_agreed
from bcbridge.connectors.shopify.dispatches import Dispatches
from bcbridge.connectors.shopify.doctor import Doctor
from bcbridge.connectors.shopify.keeper import Keeper
from bcbridge.connectors.shopify.orders import Orders
from bcbridge.connectors.shopify.settings import ShopifySettings
from bcbridge.connectors.shopify.stock import Stock
from bcbridge.connectors.shopify.token import AccessToken, ClientCredentials, StaticToken
from bcbridge.connectors.shopify.webhook import Webhook
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import ConnectorName, Ref

CALLS_PER_MINUTE = 6000
"""A ceiling of our own, out of the way: what limits are Shopify's points (throttle.py)."""
CALLS_AT_ONCE = 10


class Shopify:
    """A Connector. Offers ``orders`` (a Source), ``stock`` (a Shelf), ``dispatches``, ``captures``, ``amendments``,
    ``webhook`` and ``keeper``."""

    kind = "shopify"

    def __init__(self, name: ConnectorName, settings: ShopifySettings, tools: Tools, *, since: datetime | None) -> None:
        self.name = name
        self._settings = settings
        self._http = Http(
            name,
            settings.address,
            budget=Budget(per_minute=CALLS_PER_MINUTE, concurrency=CALLS_AT_ONCE),
            now=tools.now,
            call_seconds=settings.request_timeout_seconds,
            connections=CALLS_AT_ONCE,
        )
        token = _token(settings, self._http, tools)
        self._client = Client(self._http, token, api_version=settings.api_version, now=tools.now)
        self.orders = Orders(self._client, settings, now=tools.now, since=since)
        self.stock = Stock(self._client, settings)
        self.dispatches = Dispatches(f"{name}.dispatches", self._client)
        self.captures = Captures(f"{name}.captures", self._client)
        self.amendments = Amendments(f"{name}.amendments", self._client)
        self.webhook = Webhook(settings.shop, [tools.secret(reference) for reference in settings.signing_secrets])
        self.keeper = Keeper(self._client, name, settings.topics)
        self._doctor = Doctor(self._client, self.keeper, settings)

    async def ping(self) -> None:
        """Proves the credentials and that they are this shop's."""
        reply = await self._client.ask("shop")
        with as_agreed("shop"):
            shop = reply.data["shop"]["myshopifyDomain"]
        if shop != self._settings.shop:
            raise OpenCircuit(f"the credentials belong to {shop}, the settings say {self._settings.shop}")

    async def doctor(self) -> list[Finding]:
        return await self._doctor.findings()

    async def locations(self) -> list[tuple[Ref, str]]:
        """Every location orders may be assigned to, for the house to compare with its warehouse mapping."""
        nodes = await self._doctor.locations()
        with as_agreed("locations"):
            return [(Ref(node["id"]), node["name"]) for node in nodes]

    async def aclose(self) -> None:
        await self._http.aclose()


def build(name: ConnectorName, settings: ShopifySettings, tools: Tools) -> Shopify:
    """The connector of one shop. Raises Misconfigured where a secret cannot be resolved."""
    return Shopify(name, settings, tools, since=tools.since)


def _token(settings: ShopifySettings, http: Http, tools: Tools) -> AccessToken:
    if settings.token is not None:
        return StaticToken(tools.secret(settings.token))
    assert settings.client_id is not None  # ShopifySettings holds that one of the two ways is whole
    assert settings.client_secret is not None
    return ClientCredentials(
        http,
        client_id=tools.secret(settings.client_id),
        client_secret=tools.secret(settings.client_secret),
        now=tools.now,
    )
