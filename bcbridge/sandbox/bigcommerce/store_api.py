"""What the shop says of itself: profile, clock, channels."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from bcbridge.sandbox.bigcommerce.front import Answer, Front, collection, known, page_of
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.bigcommerce.world import OPENED
from bcbridge.sandbox.shopping.cart import JSON


class StoreApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("GET", "/v2/store", self.store),
            front.route("GET", "/v2/time", self.time),
            front.route("GET", "/v3/channels", self.channels),
        ]

    async def time(self, _: web.Request) -> Answer:
        return Answer({"time": int(self.shop.now().timestamp())})

    async def store(self, _: web.Request) -> Answer:
        settings = self.shop.settings
        return Answer(
            {
                "id": settings.store_hash,
                "store_id": int(settings.store_id),
                "domain": "sandbox-apparel.example.com",
                "secure_url": "https://sandbox-apparel.example.com",
                "status": "live",
                "name": settings.name,
                "country": "United States",
                "country_code": "US",
                "timezone": zone(settings.time_zone, self.shop.now()),
                "language": "en",
                "currency": settings.currency,
                "currency_symbol": "$",
                "decimal_separator": ".",
                "thousands_separator": ",",
                "decimal_places": 2,
                "currency_symbol_location": "left",
                "plan_name": "Standard",
                "plan_level": "Standard",
                "plan_is_trial": False,
                "is_price_entered_with_tax": False,
                "default_channel_id": 1,
                "default_site_id": 1000,
            }
        )

    async def channels(self, request: web.Request) -> Answer:
        known(request, {"page", "limit", "available", "status", "type:in", "platform:in", "include"})
        page, limit = page_of(request)
        stamps = dict.fromkeys(("date_created", "date_modified"), OPENED)
        only = {"id": 1, "name": self.shop.settings.name, "type": "storefront", "platform": "bigcommerce"}
        state = {"status": "active", "is_visible": True, "is_listable_from_ui": True, "is_enabled": True}
        return Answer(collection([{**only, **state, "external_id": "", "icon_url": "", **stamps}], page, limit))


def zone(name: str, now: datetime) -> JSON:
    """The shop's clock on the wall; what it writes into answers is UTC all the same."""
    here = now.astimezone(ZoneInfo(name))
    moved, summer = here.utcoffset(), here.dst()
    assert moved is not None
    assert summer is not None
    raw = int((moved - summer).total_seconds())
    formats = {"display": "M jS Y", "export": "M jS Y", "extended_display": "M jS Y @ g:i A"}
    offsets = {"raw_offset": raw, "dst_offset": raw + 3_600, "dst_correction": bool(summer)}
    return {"name": name, **offsets, "date_format": formats}
