"""What a shop has for telling what left (contract 1.6): fulfilments, the extension Shipment Tracking, or neither.

Asked of the shop, for merchants switch features on and plugins off; kept for an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio.to_thread

from bcbridge.connectors.budget import Share
from bcbridge.connectors.woocommerce.answers import Data, as_object
from bcbridge.connectors.woocommerce.client import INDEX, Client, as_agreed
from bcbridge.connectors.woocommerce.settings import Tracking

TRACKINGS = "wc-shipment-tracking/v3"
"""Namespace of the extension, and of others that speak like it (Zorem AST)."""
FRESH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Means:
    """``way``: how the shop is told, never ``auto``. ``trackings``: whether the extension is there. ``zone``: in which
    the shop dates its fulfilments."""

    way: Tracking
    trackings: bool
    zone: tzinfo


class Inquiry:
    """Asks what the shop has. ``wanted``: as the settings say."""

    def __init__(self, client: Client, wanted: Tracking, now: Callable[[], datetime]) -> None:
        self._client = client
        self._wanted = wanted
        self._now = now
        self._found: Means | None = None
        self._asked = datetime.min.replace(tzinfo=UTC)

    async def means(self) -> Means:
        if self._found is None or self._now() - self._asked >= FRESH:
            self._found, self._asked = await ask(self._client, self._wanted), self._now()
        return self._found

    def forget(self) -> None:
        """After a route that was there is not."""
        self._found = None


async def ask(client: Client, wanted: Tracking) -> Means:
    """What this shop has now. What is ``wanted`` by name is not looked for: it may be missing."""
    fields = {"_fields": "namespaces,timezone_string,gmt_offset"}
    reply = await client.ask(INDEX, fields, base="", share=Share.READ_BACK)
    with as_agreed(INDEX):
        shop = as_object(reply.content)
        trackings = TRACKINGS in shop["namespaces"]
        zone = await anyio.to_thread.run_sync(zone_of, shop)  # it may be read from the disk
    if wanted is not Tracking.AUTO:
        return Means(wanted, trackings, zone)
    instead = Tracking.SHIPMENT_TRACKING if trackings else Tracking.NOTE
    return Means(Tracking.FULFILLMENTS if await has_fulfilments(client) else instead, trackings, zone)


async def has_fulfilments(client: Client) -> bool:
    """Whether the feature is on: only then are there its routes."""
    reply = await client.ask("", {"_fields": "routes"}, share=Share.READ_BACK)
    with as_agreed("the list of routes"):
        routes = as_object(as_object(reply.content)["routes"])
        return any(one.startswith("/wc/v3/orders/(") and one.endswith(")/fulfillments") for one in routes)


def zone_of(shop: Data) -> tzinfo:
    """By name; else by its distance from UTC, in hours."""
    try:
        return ZoneInfo(shop.get("timezone_string") or "")
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return timezone(timedelta(hours=float(shop.get("gmt_offset") or 0)))
