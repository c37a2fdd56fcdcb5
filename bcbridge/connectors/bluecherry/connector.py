"""One configured BlueCherry: styles, warehouses, ship vias, figures of stock, the sink of sales orders
and, where its profile names a write for them, corrections of these."""

from __future__ import annotations

from datetime import datetime

from bcbridge.connectors.base import Corrections, Erp, Finding, ShipmentFeed, Sink, Source, StockFeed, Tools
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.corrections import OrderChanges
from bcbridge.connectors.bluecherry.doctor import examine
from bcbridge.connectors.bluecherry.masters import Styles, ship_vias, warehouses
from bcbridge.connectors.bluecherry.orders import SalesOrders
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.bluecherry.shipments import Shipments
from bcbridge.connectors.bluecherry.stock import Stock
from bcbridge.connectors.bluecherry.wide import WideStock
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.ids import ConnectorName
from bcbridge.model.sales_order import SalesOrder


class BlueCherry:
    """Implements ``Erp`` (connectors/base.py)."""

    def __init__(self, name: ConnectorName, settings: BlueCherrySettings, client: Client, tools: Tools) -> None:
        self.name = name
        self.kind = "bluecherry"
        self.settings = settings
        self._client = client
        self._tools = tools
        self.styles: Source[tuple[CatalogSku, ...]] = Styles(client, settings)
        self.warehouses: Source[Warehouse] = warehouses(client, settings)
        self.ship_vias: Source[ShipVia] = ship_vias(client, settings)
        self._orders = SalesOrders(f"{name}.orders", client, settings)
        self.sales_orders: Sink[SalesOrder] = self._orders
        self.shipments: ShipmentFeed = Shipments(client, settings)
        self.corrections: Corrections | None = corrections(name, client, settings)
        self.stock: StockFeed = figures(name, client, settings)
        self.widths = settings.profile.widths

    def quiet_until(self, now: datetime) -> datetime | None:
        """When the ERP may be called again, if ``now`` is in its quiet hours."""
        return self.settings.quiet_until(now)

    async def ping(self) -> None:
        await self._client.version()

    async def doctor(self) -> list[Finding]:
        return await examine(self._client, self._orders, self.settings, now=self._tools.now())

    async def aclose(self) -> None:
        await self._client.aclose()


def figures(name: ConnectorName, client: Client, settings: BlueCherrySettings) -> StockFeed:
    return (WideStock if settings.profile.by_type else Stock)(name, client, settings)


def corrections(name: ConnectorName, client: Client, settings: BlueCherrySettings) -> Corrections | None:
    return OrderChanges(f"{name}.changes", client, settings) if settings.profile.order_changes else None


def build(name: ConnectorName, settings: BlueCherrySettings, tools: Tools) -> Erp:
    """Raises Misconfigured where the key's reference cannot be resolved."""
    key = tools.secret(settings.subscription_key)
    return BlueCherry(name, settings, Client(name, settings, key=key, now=tools.now), tools)
