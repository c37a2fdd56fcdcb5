"""v3 products, variants and locations as far as an order, stock or a doctor needs them (2.5, 2.7). Reading only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from bcbridge.sandbox.bigcommerce import counting, world
from bcbridge.sandbox.bigcommerce.front import (
    Answer,
    Front,
    Refused,
    collection,
    ids_in,
    known,
    listed,
    number,
    page_of,
    words_in,
)
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON

FIELDS = {"page", "limit", "include_fields", "exclude_fields"}
Seen = Callable[[JSON], bool]
Condition = tuple[str, list[Any]]
"""What is asked of a table's columns, and with which values."""


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
        ]

    async def page(self, request: web.Request, table: str, wanted: list[Condition]) -> Answer:
        """A page of what fits, each with the number that the storefront shows of it now."""
        page, limit = page_of(request)
        where = " AND ".join(condition for condition, _ in wanted) or "TRUE"
        values = [value for _, given in wanted for value in given]

        def unit(connection: sqlite3.Connection) -> tuple[list[JSON], int]:
            total = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0]  # noqa: S608
            statement = f"SELECT document FROM {table} WHERE {where} ORDER BY id LIMIT ? OFFSET ?"  # noqa: S608
            rows = connection.execute(statement, [*values, limit, (page - 1) * limit]).fetchall()
            return [counting.with_level(connection, orjson.loads(document)) for (document,) in rows], total

        rows, total = await self.shop.books.read(unit)
        return Answer(listed([only(row, request) for row in rows], total, page, limit))

    # --- catalogue

    async def variants(self, request: web.Request) -> Answer:
        """SKUs are looked up without regard to case (2.7)."""
        known(request, {"id", "sku", "upc", "product_id:in", *FIELDS})
        wanted = [*whole(request, "id"), *word(request, "sku"), *word(request, "upc"), *among(request, "product_id")]
        return await self.page(request, "variants", wanted)

    async def products(self, request: web.Request) -> Answer:
        """By id, upwards; another order is not known here."""
        known(request, {"id", "id:in", "id:greater", "sku", "sku:in", "name", "sort", "direction", *FIELDS})
        if request.query.get("sort", "id") != "id" or request.query.get("direction", "asc") != "asc":
            raise Refused(400, "The field 'sort' is not supported by this sandbox.")
        wanted = [*whole(request, "id"), *word(request, "sku"), *among(request, "id"), *among(request, "sku")]
        if "id:greater" in request.query:
            wanted.append(("id > ?", [number(request, "id:greater", 0, least=0)]))
        if "name" in request.query:
            wanted.append(("json_extract(document, '$.name') = ?", [request.query["name"]]))
        return await self.page(request, "products", wanted)

    async def product(self, request: web.Request) -> Answer:
        found = await self.stored("products", request.match_info["product_id"])
        return Answer({"data": only(found, request), "meta": {}})

    async def variants_of(self, request: web.Request) -> Answer:
        known(request, FIELDS)
        product = (await self.stored("products", request.match_info["product_id"]))["id"]
        return await self.page(request, "variants", [("product_id = ?", [product])])

    async def variant(self, request: web.Request) -> Answer:
        found = await self.stored("variants", request.match_info["variant_id"])
        if str(found["product_id"]) != request.match_info["product_id"]:
            raise Refused(404, "The variant was not found.")
        return Answer({"data": only(found, request), "meta": {}})

    async def stored(self, table: str, text: str) -> JSON:
        number = int(text) if text.isdigit() else 0

        def unit(connection: sqlite3.Connection) -> JSON | None:
            found = world.stored(connection, table, number)
            return None if found is None else counting.with_level(connection, found)

        found = await self.shop.books.read(unit)
        if found is None:
            raise Refused(404, f"No {table.removesuffix('s')} was found.")
        return found

    # --- locations

    async def locations(self, request: web.Request) -> Answer:
        known(request, {"page", "limit", "location_id:in", "location_code:in", "is_active", "is_default"})
        page, limit = page_of(request)
        ids = ids_in(request, "location_id:in")
        wanted = [
            *said(request, "is_default", is_default),
            *said(request, "is_active", lambda row: bool(row["enabled"])),
        ]
        wanted += [] if ids is None else [lambda row: row["id"] in ids]
        rows = await self.shop.books.read(counting.locations)
        return Answer(collection([row for row in rows if all(seen(row) for seen in wanted)], page, limit))


def whole(request: web.Request, name: str) -> list[Condition]:
    if name not in request.query:
        return []
    if not request.query[name].isdigit():
        raise Refused(422, f"The filter '{name}' is invalid.", {name: "must be a whole number"})
    return [(f"{name} = ?", [int(request.query[name])])]


def word(request: web.Request, name: str) -> list[Condition]:
    """Without regard to case."""
    return [(f"{name} = ? COLLATE NOCASE", [request.query[name]])] if name in request.query else []


def among(request: web.Request, name: str) -> list[Condition]:
    """``name:in``: a comma list of ids, or of words."""
    if f"{name}:in" not in request.query:
        return []
    words = name == "sku"
    wanted: Any = words_in(request, f"{name}:in") if words else ids_in(request, f"{name}:in")
    column = f"{name} COLLATE NOCASE" if words else name
    condition = f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 (ours)
    return [(condition, [orjson.dumps(wanted).decode()])]


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


def is_default(place: JSON) -> bool:
    return bool(place["id"] == world.FIRST_LOCATION)
