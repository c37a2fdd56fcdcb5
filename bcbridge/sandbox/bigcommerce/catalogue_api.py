"""v3 products, variants, locations and stock as far as an order or a doctor needs them (2.5, 2.7). Reading only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from bcbridge.sandbox.bigcommerce import world
from bcbridge.sandbox.bigcommerce.front import Answer, Front, Refused, collection, ids_in, known, page_of
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON

FIELDS = {"page", "limit", "include_fields", "exclude_fields"}
MOST_STOCK = 1_000
Seen = Callable[[JSON], bool]


class CatalogueApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("GET", "/v3/catalog/variants", self.variants),
            front.route("GET", "/v3/catalog/products", self.products),
            front.route("GET", "/v3/catalog/products/{product_id}", self.product),
            front.route("GET", "/v3/catalog/products/{product_id}/variants", self.variants_of),
            front.route("GET", "/v3/catalog/products/{product_id}/variants/{variant_id}", self.variant),
            front.route("GET", "/v3/inventory/locations", self.locations),
            front.route("GET", "/v3/inventory/items", self.items),
            front.route("GET", "/v3/inventory/locations/{location_id}/items", self.items_there),
        ]

    async def rows(self, table: str) -> list[JSON]:
        def unit(connection: sqlite3.Connection) -> list[JSON]:
            found = connection.execute(f"SELECT document FROM {table} ORDER BY id")  # noqa: S608 (ours)
            return [orjson.loads(document) for (document,) in found]

        return await self.shop.books.read(unit)

    async def found(self, request: web.Request, table: str, wanted: list[Seen], *, most: int = 250) -> Answer:
        page, limit = page_of(request, most=most)
        rows = [row for row in await self.rows(table) if all(seen(row) for seen in wanted)]
        listed = collection(rows, page, limit)
        listed["data"] = [only(row, request) for row in listed["data"]]
        return Answer(listed)

    # --- catalogue

    async def variants(self, request: web.Request) -> Answer:
        """SKUs are looked up without regard to case (2.7)."""
        known(request, {"id", "sku", "upc", "product_id:in", *FIELDS})
        wanted = [*equal(request, "id", int), *equal(request, "sku", str.lower), *equal(request, "upc", str)]
        among = ids_in(request, "product_id:in")
        wanted += [] if among is None else [lambda row: row["product_id"] in among]
        return await self.found(request, "variants", wanted)

    async def products(self, request: web.Request) -> Answer:
        known(request, {"id", "id:in", "sku", "sku:in", "name", "upc", "is_visible", *FIELDS})
        wanted = [*equal(request, "id", int), *equal(request, "sku", str.lower), *equal(request, "name", str)]
        among = ids_in(request, "id:in")
        wanted += [] if among is None else [lambda row: row["id"] in among]
        skus = request.query.get("sku:in", "").lower().split(",")
        wanted += [lambda row: row["sku"].lower() in skus] if "sku:in" in request.query else []
        return await self.found(request, "products", wanted)

    async def product(self, request: web.Request) -> Answer:
        found = await self.stored("products", request.match_info["product_id"])
        return Answer({"data": only(found, request), "meta": {}})

    async def variants_of(self, request: web.Request) -> Answer:
        known(request, FIELDS)
        product = (await self.stored("products", request.match_info["product_id"]))["id"]
        return await self.found(request, "variants", [lambda row: bool(row["product_id"] == product)])

    async def variant(self, request: web.Request) -> Answer:
        found = await self.stored("variants", request.match_info["variant_id"])
        if str(found["product_id"]) != request.match_info["product_id"]:
            raise Refused(404, "The variant was not found.")
        return Answer({"data": only(found, request), "meta": {}})

    async def stored(self, table: str, text: str) -> JSON:
        number = int(text) if text.isdigit() else 0
        found = await self.shop.books.read(lambda c: world.stored(c, table, number))
        if found is None:
            raise Refused(404, f"No {table.removesuffix('s')} was found.")
        return found

    # --- stock

    async def locations(self, request: web.Request) -> Answer:
        known(request, {"page", "limit", "location_id:in", "location_code:in", "is_active", "is_default"})
        among = ids_in(request, "location_id:in")
        wanted = [
            *said(request, "is_default", is_default),
            *said(request, "is_active", lambda row: bool(row["enabled"])),
        ]
        wanted += [] if among is None else [lambda row: row["id"] in among]
        return await self.found(request, "locations", wanted)

    async def items(self, request: web.Request) -> Answer:
        known(request, {"sku:in", "variant_id:in", "product_id:in", "location_id:in", "page", "limit"})
        page, limit = page_of(request, most=MOST_STOCK)
        skus = request.query.get("sku:in", "").lower().split(",")
        among, of_products = ids_in(request, "variant_id:in"), ids_in(request, "product_id:in")
        there = ids_in(request, "location_id:in")
        rows = [
            row
            for row in await self.rows("variants")
            if ("sku:in" not in request.query or row["sku"].lower() in skus)
            and (among is None or row["id"] in among)
            and (of_products is None or row["product_id"] in of_products)
        ]
        places = [one for one in await self.rows("locations") if there is None or one["id"] in there]
        return Answer(collection([item(row, places) for row in rows], page, limit))

    async def items_there(self, request: web.Request) -> Answer:
        known(request, {"sku:in", "variant_id:in", "product_id:in", "page", "limit"})
        page, limit = page_of(request, most=MOST_STOCK)
        place = await self.stored("locations", request.match_info["location_id"])
        rows = [there(row, place) for row in await self.rows("variants")]
        return Answer(collection(rows, page, limit))


def equal(request: web.Request, name: str, read: Callable[[Any], Any]) -> list[Seen]:
    if name not in request.query:
        return []
    try:
        wanted = read(request.query[name])
    except ValueError:
        raise Refused(422, f"The filter '{name}' is invalid.", {name: "must be a whole number"}) from None
    return [lambda row: bool(read(row[name]) == wanted)]


def said(request: web.Request, name: str, holds: Seen) -> list[Seen]:
    """A filter by yes or no."""
    if name not in request.query:
        return []
    asked = request.query[name].lower()
    if asked not in ("true", "false"):
        raise Refused(422, f"The filter '{name}' is invalid.", {name: "must be true or false"})
    return [lambda row: holds(row) is (asked == "true")]


def only(row: JSON, request: web.Request) -> JSON:
    """``include_fields`` names what is wanted beside the id, ``exclude_fields`` what is not."""
    wanted = request.query.get("include_fields")
    unwanted = request.query.get("exclude_fields", "").split(",")
    kept = {"id", *wanted.split(",")} if wanted else set(row)
    return {key: value for key, value in row.items() if key in kept and key not in unwanted}


def identity(row: JSON) -> JSON:
    return {"sku": row["sku"], "variant_id": row["id"], "product_id": row["product_id"], "sku_id": row["sku_id"]}


def is_default(place: JSON) -> bool:
    return bool(place["id"] == world.FIRST_LOCATION)


def stock(row: JSON, place: JSON) -> JSON:
    """All of it lies at the default location: the only one the storefront sees (2.5)."""
    count = row["inventory_level"] if is_default(place) else 0
    settings = {"safety_stock": 0, "is_in_stock": count > 0, "warning_level": 0, "bin_picking_number": ""}
    return {"available_to_sell": count, "total_inventory_onhand": count, "settings": settings}


def item(row: JSON, places: list[JSON]) -> JSON:
    def at(place: JSON) -> JSON:
        named = {"location_id": place["id"], "location_code": place["code"], "location_name": place["label"]}
        return {**named, "location_enabled": place["enabled"], **stock(row, place)}

    return {"identity": identity(row), "locations": [at(place) for place in places]}


def there(row: JSON, place: JSON) -> JSON:
    return {"identity": identity(row), **stock(row, place)}
