"""The list of rooms: what ``kind = "..."`` in config.toml stands for. A new connector is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from bcbridge.connectors.base import Connector, Tools
from bcbridge.connectors.bigcommerce import connector as bigcommerce
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings
from bcbridge.connectors.bluecherry import connector as bluecherry
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.shopify import connector as shopify
from bcbridge.connectors.shopify.settings import ShopifySettings
from bcbridge.connectors.woocommerce import connector as woocommerce
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.model.ids import ConnectorName


@dataclass(frozen=True, slots=True)
class Kind:
    """One system: its settings, how to build a connector from them, and what the house must know of them."""

    role: Literal["channel", "erp"]
    settings: type[BaseModel]
    build: Callable[[ConnectorName, Any, Tools], Connector]
    address: Callable[[Any], str]
    """The URL its calls go to; a connection on another host than this machine is production."""
    secrets: tuple[str, ...]
    """Settings that hold references to secrets (``env:``, ``file:``, ``credential:``), never secrets."""
    writes: Callable[[str, Any], Mapping[str, str]]
    """Connection name, settings -> the documents it makes that an operator must confirm for production, each with its
    read-back in words: ``bluecherry.orders`` -> ``sales orders by po_num``."""


def _sales_orders(name: str, room: BlueCherrySettings) -> Mapping[str, str]:
    """Orders, and corrections of them where the profile names a write for these."""
    changes = {f"{name}.changes": room.changes_read_back} if room.profile.order_changes else {}
    return {f"{name}.orders": room.read_back, **changes}


KINDS: Mapping[str, Kind] = {
    "bigcommerce": Kind(
        role="channel",
        settings=BigCommerceSettings,
        build=bigcommerce.build,
        address=lambda room: str(room.address),
        secrets=("access_token", "client_id", "client_secret", "webhook_secret"),
        writes=lambda name, room: {},
    ),
    "bluecherry": Kind(
        role="erp",
        settings=BlueCherrySettings,
        build=bluecherry.build,
        address=lambda room: str(room.base_url),
        secrets=("subscription_key",),
        writes=_sales_orders,
    ),
    "shopify": Kind(
        role="channel",
        settings=ShopifySettings,
        build=shopify.build,
        address=lambda room: str(room.address),
        secrets=("token", "client_id", "client_secret", "webhook_secrets"),
        writes=lambda name, room: {},
    ),
    "woocommerce": Kind(
        role="channel",
        settings=WooCommerceSettings,
        build=woocommerce.build,
        address=lambda room: str(room.address),
        secrets=("consumer_key", "consumer_secret", "webhook_secret"),
        writes=lambda name, room: {},
    ),
}
