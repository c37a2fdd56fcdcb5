"""v3 inventory: numbers per item and location, adjustments, item settings, and the store's own settings (2.5).

Items are what is counted: variants of products tracked by variant, and products tracked as a whole (with their first
variant's id). What is tracked ``none`` is no item, unless a switch says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from bcbridge.sandbox.bigcommerce import adjustments, counting
from bcbridge.sandbox.bigcommerce.adjustments import MOST_ITEMS, Wrong
from bcbridge.sandbox.bigcommerce.counting import AT_ORDER, AT_SHIPMENT, GLOBAL, ITEM_SETTINGS, Stock
from bcbridge.sandbox.bigcommerce.front import (
    Answer,
    Front,
    Problem,
    Refused,
    ids_in,
    json_of,
    known,
    listed,
    page_of,
    words_in,
)
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.shopping.stock import Place

MOST_STOCK = 1_000
BY_ID = {"variant_id:in", "product_id:in", "location_id:in"}
SETTABLE = {"update_stock_behavior": (AT_ORDER, AT_SHIPMENT), "refund_order_stock_adjustment": (True, False)}
ITEMS = """
SELECT v.id, v.sku, p.id, p.sku, p.tracking FROM variants v JOIN products p ON p.id = v.product_id
WHERE (p.tracking = 'variant' OR :all
    OR (p.tracking = 'product' AND v.id = (SELECT min(id) FROM variants WHERE product_id = p.id)))
"""


class Row(NamedTuple):
    """One item."""

    variant_id: int
    sku: str
    product_id: int
    product_sku: str
    tracking: str

    @property
    def item(self) -> str:
        return counting.of_product(self.product_id) if self.tracking == "product" else str(self.variant_id)

    @property
    def identity(self) -> JSON:
        sku = self.product_sku if self.tracking == "product" else self.sku
        return {"sku": sku, "variant_id": self.variant_id, "product_id": self.product_id}

    def at(self, location: int) -> Place:
        return Place(self.item, str(location))


class Asked(NamedTuple):
    """Which items, which page of them."""

    where: str
    values: dict[str, Any]
    page: int
    limit: int

    def rows(self, connection: sqlite3.Connection) -> tuple[list[Row], int]:
        """The page, and how many there are in all."""
        total = connection.execute(f"SELECT count(*) FROM ({ITEMS}{self.where})", self.values).fetchone()[0]  # noqa: S608
        paging = {"most": self.limit, "skipped": (self.page - 1) * self.limit}
        statement = f"{ITEMS}{self.where} ORDER BY v.id LIMIT :most OFFSET :skipped"
        return [Row(*row) for row in connection.execute(statement, {**self.values, **paging})], total


class InventoryApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def routes(self, front: Front) -> list[web.RouteDef]:
        there = "/v3/inventory/locations/{location_id}/items"
        return [
            front.route("GET", "/v3/inventory/items", self.items),
            front.route("GET", there, self.items_there),
            front.route("PUT", there, self.set_items),
            front.route("PUT", "/v3/inventory/adjustments/absolute", self.absolute),
            front.route("POST", "/v3/inventory/adjustments/relative", self.relative),
            front.route("GET", "/v3/settings/inventory", self.settings),
            front.route("PUT", "/v3/settings/inventory", self.set_settings),
        ]

    # --- reading

    async def items(self, request: web.Request) -> Answer:
        known(request, {*BY_ID, "sku:in", "location_code:in", "page", "limit"})
        asked, as_of = self.asked(request), await self.as_of()
        among, codes = ids_in(request, "location_id:in"), words_in(request, "location_code:in")

        def unit(connection: sqlite3.Connection) -> tuple[list[JSON], int]:
            found = [one for one in counting.locations(connection) if among is None or one["id"] in among]
            places = [one for one in found if codes is None or one["code"] in codes]
            rows, total = asked.rows(connection)
            shown = counting.shown_of(connection, [row.item for row in rows], as_of)
            return [everywhere(row, places, shown) for row in rows], total

        shown, total = await self.shop.books.read(unit)
        return Answer(listed(shown, total, asked.page, asked.limit))

    async def items_there(self, request: web.Request) -> Answer:
        known(request, {"sku:in", "variant_id:in", "product_id:in", "page", "limit"})
        asked, as_of, location = self.asked(request), await self.as_of(), number_of(request)

        def unit(connection: sqlite3.Connection) -> tuple[list[JSON], int]:
            if all(one["id"] != location for one in counting.locations(connection)):
                raise Problem(404, "No location was found.")
            rows, total = asked.rows(connection)
            shown = counting.shown_of(connection, [row.item for row in rows], as_of)
            return [{"identity": row.identity, **shown(row.at(location)).stock} for row in rows], total

        shown, total = await self.shop.books.read(unit)
        return Answer(listed(shown, total, asked.page, asked.limit))

    def asked(self, request: web.Request) -> Asked:
        page, limit = page_of(request, most=MOST_STOCK)
        where = ""
        values: dict[str, Any] = {"all": self.shop.world.faults.is_on("untracked_listed")}
        for name, column in (("variant_id:in", "v.id"), ("product_id:in", "p.id")):
            ids = ids_in(request, name)
            where += "" if ids is None else f" AND {column} IN ({','.join(map(str, ids)) or 'NULL'})"
        skus = words_in(request, "sku:in")
        if skus is not None:
            where += " AND v.sku COLLATE NOCASE IN (SELECT value FROM json_each(:skus))"
            values["skus"] = orjson.dumps(skus).decode()
        return Asked(where, values, page, limit)

    async def as_of(self) -> str:
        """ "" for now; else the moment that a read shows which lags."""
        if not await self.shop.world.faults.strikes("stale_stock"):
            return ""
        lag = timedelta(seconds=self.shop.world.faults.value("stale_stock_seconds"))
        return (self.shop.now() - lag).isoformat()

    # --- adjusting

    async def absolute(self, request: web.Request) -> Answer:
        return await self.adjust(request, absolute=True)

    async def relative(self, request: web.Request) -> Answer:
        return await self.adjust(request, absolute=False)

    async def adjust(self, request: web.Request, *, absolute: bool) -> Answer:
        """Answers at once; a bad item refuses the call, and perhaps the others are applied all the same."""
        body = await json_of(request)
        items = body.get("items")
        if not isinstance(items, list) or not items:
            raise Problem(422, "Payload contains invalid fields", {"items": "at least one item is needed"})
        if len(items) > MOST_ITEMS:
            raise Problem(422, f"The limit of {MOST_ITEMS} items is exceeded")
        torn, seconds = await self.shop.world.faults.strikes("adjustment_torn"), self.shop.settling()
        partly = self.shop.world.faults.is_on("adjustment_partly")

        def unit(connection: sqlite3.Connection) -> tuple[str, list[str]]:
            now = self.shop.settle(connection)
            good, wrong = adjustments.checked(connection, items, absolute=absolute)
            call = adjustments.accepted(good, now, seconds, body, absolute=absolute, torn=torn)
            taken = not wrong or partly
            return adjustments.accept(connection, call) if taken else "", wrong

        named, wrong = await self.shop.books.write(unit)
        self.shop.under_way(seconds)
        if wrong:
            raise Problem(422, f"[{'; '.join(wrong[:3])}]")
        return Answer({"transaction_id": named})

    # --- what is set of items

    async def set_items(self, request: web.Request) -> Answer:
        body, location, moment = await json_of(request), number_of(request), await self.shop.moment()
        wanted = body.get("settings")
        if not isinstance(wanted, list) or not 0 < len(wanted) <= MOST_ITEMS:
            raise Problem(422, "Payload contains invalid fields", {"settings": f"1 to {MOST_ITEMS} are needed"})

        def unit(connection: sqlite3.Connection) -> None:
            self.shop.settle(connection)
            for at, one in enumerate(wanted):
                place, sku = setting(connection, one, location, at)
                counting.set_item(connection, place, sku, one, moment)

        await self.shop.books.write(unit)
        return Answer({"transaction_id": f"settings-{moment.now.timestamp():.6f}"})

    # --- what is set of the store

    async def settings(self, request: web.Request) -> Answer:
        channel = channel_of(request)
        document = await self.shop.books.read(lambda c: counting.settings_of(c, channel))
        return Answer({"data": document, "meta": {}})

    async def set_settings(self, request: web.Request) -> Answer:
        """Two of them may be written here; null takes a channel's own word away."""
        channel, body = channel_of(request), await json_of(request)
        for name, value in body.items():
            if value not in SETTABLE.get(name, ()) and not (channel != GLOBAL and value is None and name in SETTABLE):
                raise Refused(422, f"The field '{name}' is invalid or not writable in this sandbox.", {name: "invalid"})

        def unit(connection: sqlite3.Connection) -> JSON:
            changed = {**counting.settings_of(connection, channel), **body}
            counting.keep_settings(connection, channel, changed)
            return changed

        return Answer({"data": await self.shop.books.write(unit), "meta": {}})


def channel_of(request: web.Request) -> int:
    known(request, {"channel_id"})
    text = request.query.get("channel_id", str(GLOBAL))
    if not text.isdigit():
        raise Refused(422, "The field 'channel_id' is invalid.", {"channel_id": "must be a whole number"})
    return int(text)


def number_of(request: web.Request) -> int:
    text = request.match_info["location_id"]
    return int(text) if text.isdigit() else 0


def everywhere(row: Row, places: Sequence[JSON], shown: Stock) -> JSON:
    def at(place: JSON) -> JSON:
        named = {"location_id": place["id"], "location_code": place["code"], "location_name": place["label"]}
        return {**named, "location_enabled": place["enabled"], **shown(row.at(place["id"])).stock}

    return {"identity": {**row.identity, "sku_id": row.variant_id + 10_000}, "locations": [at(one) for one in places]}


def setting(connection: sqlite3.Connection, one: Any, location: int, at: int) -> tuple[Place, str]:
    """Where one of the settings belongs. Raises Problem for what cannot be set."""
    if not isinstance(one, dict) or not {"safety_stock", *ITEM_SETTINGS} & set(one):
        told = "At least one setting must be specified: warning_level, is_in_stock or safety_stock"
        raise Problem(422, "Payload contains invalid fields", {f"setting.{at}.settings": told})
    try:
        return adjustments.identified(connection, one.get("identity") or {}, location)
    except Wrong as fault:
        raise Problem(422, f"[{fault}]") from None
