"""v2 orders: the list, one order, its parts (2.2, 2.3, 2.6). Empty lists are 204."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from bcbridge.sandbox.bigcommerce import changes, orders, shown, statuses, totals
from bcbridge.sandbox.bigcommerce.front import (
    NOTHING,
    Answer,
    Front,
    Refused,
    cut,
    json_of,
    known,
    page_of,
)
from bcbridge.sandbox.bigcommerce.orders import FILTERS, SORTS, Wanted
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON, BadCart

DATES = ("min_date_created", "max_date_created", "min_date_modified", "max_date_modified")
WHOLE = ("min_id", "max_id", "customer_id", "status_id", "channel_id")
FIGURES = ("min_total", "max_total")
PAGING = {"page", "limit"}
INCLUDED = {"include", "consignment_structure"}
INCLUDES = ("consignments", "consignments.line_items", "fees")
WRITABLE = ("status_id", "staff_notes", "customer_message", "external_order_id", "is_deleted", "channel_id", "fees")
LONGEST_NOTES = 65_535
Part = Callable[[JSON], list[JSON]]


class OrdersApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.store = shop.settings.store_hash

    def routes(self, front: Front) -> list[web.RouteDef]:
        order = "/v2/orders/{order_id}"
        return [
            front.route("GET", "/v2/orders", self.listed),
            front.route("GET", "/v2/orders/count", self.counted),
            front.route("GET", order, self.one),
            front.route("PUT", order, self.put),
            front.route("DELETE", order, self.archive),
            front.route("GET", f"{order}/products", self.part(lambda o: [shown.plain(one) for one in o["products"]])),
            front.route("GET", f"{order}/products/{{id}}", self.product),
            front.route("GET", f"{order}/coupons", self.part(lambda o: [shown.coupon(one) for one in o["coupons"]])),
            front.route("GET", f"{order}/taxes", self.taxes),
            front.route("GET", f"{order}/shipping_addresses", self.part(self.places)),
            front.route("GET", f"{order}/shipping_addresses/{{id}}", self.place),
            front.route("GET", f"{order}/fees", self.fees),
            front.route("GET", f"{order}/consignments", self.consignments),
            front.route("GET", "/v2/order_statuses", self.statuses),
            front.route("GET", "/v2/order_statuses/{status_id}", self.status),
        ]

    # --- the list

    async def listed(self, request: web.Request) -> Answer:
        known(request, {*FILTERS, *PAGING, *INCLUDED, "sort"})
        page, limit = page_of(request)
        sort, _, direction = request.query.get("sort", "id").partition(":")
        if sort not in SORTS or direction not in ("", "asc", "desc"):
            raise Refused(400, "The field 'sort' is invalid.")
        include = included(request)
        wanted = Wanted(conditions(request), sort, direction == "desc", page, limit)

        def unit(connection: sqlite3.Connection) -> tuple[list[JSON], list[JSON]]:
            rows = orders.page(connection, wanted)
            return rows, [shown.head(one, self.store, include) for one in rows]

        found, heads = await self.shop.books.read(unit)
        if not found:
            return NOTHING
        moving = sort == "date_modified" and direction != "desc" and len(found) == limit
        if moving and await self.shop.world.faults.strikes("moving_list"):
            await self.shop.touch_after(found[-1])
        return Answer(heads, paid=paid(found))

    async def counted(self, request: web.Request) -> Answer:
        known(request, set(FILTERS))
        wanted = Wanted(conditions(request))
        counts = await self.shop.books.read(lambda c: orders.counts(c, wanted))
        rows = [counted(one, counts.get(one.id, 0)) for one in statuses.STATUSES]
        return Answer({"statuses": rows, "count": sum(counts.values())})

    # --- one order

    async def order(self, request: web.Request) -> JSON:
        """The order of the address as it is shown; 404 where it is not (or not yet)."""
        identifier = request.match_info["order_id"]
        number = int(identifier) if identifier.isdigit() else 0
        found = await self.shop.books.read(lambda c: orders.shown(c, number))
        if found is None:
            raise Refused(404, "The requested resource was not found.")
        return found

    async def one(self, request: web.Request) -> Answer:
        known(request, INCLUDED)
        include = included(request)
        order = await self.order(request)
        return Answer(shown.head(order, self.store, include), paid=paid([order]))

    async def put(self, request: web.Request) -> Answer:
        """Writes a few fields. Whatever is written, and nothing too, moves ``date_modified`` (trap 16)."""
        fields = await json_of(request)
        unknown = sorted(set(fields) - set(WRITABLE))
        if unknown:
            raise Refused(400, f"The field '{unknown[0]}' is not writable in this sandbox.")
        if self.shop.world.faults.is_on("put_drops_fees"):
            fields = {"fees": [], **fields}
        return await self.change(request, lambda order: write(order, fields))

    async def archive(self, request: web.Request) -> Answer:
        await self.change(request, lambda order: order.update(is_deleted=True))
        return NOTHING

    async def change(self, request: web.Request, act: Callable[[JSON], Any]) -> Answer:
        number, moment = (await self.order(request))["id"], await self.shop.moment()
        changed = await self.shop.books.write(lambda c: self.shop.changed(c, number, act, moment))
        self.shop.rung()
        return Answer(shown.head(changed, self.store))

    # --- its parts

    def part(self, rows: Part) -> Callable[[web.Request], Any]:
        async def listed(request: web.Request) -> Answer:
            known(request, PAGING)
            page, limit = page_of(request)
            found = cut(rows(await self.order(request)), page, limit)
            return Answer(found) if found else NOTHING

        return listed

    def places(self, order: JSON) -> list[JSON]:
        return [shown.place(one, self.store) for one in order["shipping_addresses"]]

    async def place(self, request: web.Request) -> Answer:
        return Answer(one_of(self.places(await self.order(request)), request))

    async def product(self, request: web.Request) -> Answer:
        return Answer(one_of([shown.plain(one) for one in (await self.order(request))["products"]], request))

    async def taxes(self, request: web.Request) -> Answer:
        known(request, {*PAGING, "details"})
        page, limit = page_of(request)
        details = request.query.get("details") == "true"
        found = cut(shown.taxes(await self.order(request), details=details), page, limit)
        return Answer(found) if found else NOTHING

    async def fees(self, request: web.Request) -> Answer:
        """In an object under ``fees``, as the vendor's example has it and its schema does not."""
        found = (await self.order(request))["fees"]
        return Answer({"fees": found}) if found else NOTHING

    async def consignments(self, request: web.Request) -> Answer:
        known(request, {"include"})
        lines = "consignments.line_items" in request.query.get("include", "")
        return Answer(shown.consignments(await self.order(request), self.store, lines=lines))

    # --- statuses

    async def statuses(self, _: web.Request) -> Answer:
        return Answer([statuses.described(one) for one in statuses.STATUSES])

    async def status(self, request: web.Request) -> Answer:
        identifier = request.match_info["status_id"]
        found = [one for one in statuses.STATUSES if str(one.id) == identifier]
        if not found:
            raise Refused(404, "The requested resource was not found.")
        return Answer(statuses.described(found[0]))


def paid(found: list[JSON]) -> set[int]:
    return {one["id"] for one in found if orders.shows_paid(one)}


def one_of(rows: list[JSON], request: web.Request) -> JSON:
    found = [one for one in rows if str(one["id"]) == request.match_info["id"]]
    if not found:
        raise Refused(404, "The requested resource was not found.")
    return found[0]


def counted(status: statuses.Status, count: int) -> JSON:
    described = {key: value for key, value in statuses.described(status).items() if key != "order"}
    return {**described, "count": count, "sort_order": status.place}


def conditions(request: web.Request) -> Mapping[str, Any]:
    """The filters of the query as what they are compared with; 400 for what is none."""
    try:
        return {name: read(name, text) for name, text in request.query.items() if name in FILTERS}
    except ValueError:
        wrong = next(name for name, text in request.query.items() if name in FILTERS and not readable(name, text))
        raise Refused(400, f"The field '{wrong}' is invalid.") from None


def read(name: str, text: str) -> Any:
    if name in DATES:
        return orders.seconds(text)
    if name in WHOLE:
        return int(text)
    return float(text) if name in FIGURES else text


def readable(name: str, text: str) -> bool:
    try:
        read(name, text)
    except ValueError:
        return False
    return True


def included(request: web.Request) -> set[str]:
    asked = {one for one in request.query.get("include", "").split(",") if one}
    unknown = sorted(asked - set(INCLUDES))
    if unknown:
        raise Refused(400, f"The field 'include' is invalid: {unknown[0]}.")
    with_consignments = any(one.startswith("consignments") for one in asked)
    if with_consignments and request.query.get("consignment_structure") != "object":
        asked = {one for one in asked if not one.startswith("consignments")}
    return asked


def write(order: JSON, fields: JSON) -> None:
    """Fees that are named replace those that stand (orders.v2.oas2.yml, `PUT /orders/{order_id}`)."""
    if len(str(fields.get("staff_notes", ""))) > LONGEST_NOTES:
        raise Refused(400, "The field 'staff_notes' is invalid.")
    if "fees" in fields:
        charge(order, fields["fees"])
    order.update({name: value for name, value in fields.items() if name != "fees"})
    try:
        changes.relabel(order, order["status_id"])
    except BadCart:
        raise Refused(400, "The field 'status_id' is invalid.") from None


def charge(order: JSON, asked: list[JSON]) -> None:
    """Known by their ids; what is said of one is changed, the rest of it stays."""
    standing = {one["id"]: one for one in order["fees"]}
    if any(one.get("id") not in standing for one in asked):
        raise Refused(400, "The field 'fees' is invalid.")
    fees = [{**standing[one["id"]], **one} for one in asked]
    if fees != order["fees"]:
        order["fees"] = fees
        totals.add_up(order)
