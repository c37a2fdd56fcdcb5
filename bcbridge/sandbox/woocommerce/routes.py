"""What each route answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce import about, arguments, changes, counting, orders, queries, season, webhooks
from bcbridge.sandbox.woocommerce.answers import Answer, list_headers
from bcbridge.sandbox.woocommerce.arguments import body_of
from bcbridge.sandbox.woocommerce.changes import Refusal
from bcbridge.sandbox.woocommerce.checkout import PAID
from bcbridge.sandbox.woocommerce.numbering import Numbering
from bcbridge.sandbox.woocommerce.orders import Query
from bcbridge.sandbox.woocommerce.refusals import Refused, invalid_id, missing, not_refunded
from bcbridge.sandbox.woocommerce.shop import Shop
from bcbridge.sandbox.woocommerce.showing import View, trimmed
from bcbridge.sandbox.woocommerce.signing import home
from bcbridge.sandbox.woocommerce.writing import amount_of, apply, check_order, check_status, piece_of


@dataclass(frozen=True)
class Page:
    """Which part of a list."""

    number: int
    size: int
    skipped: int


class Routes:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    # --- orders

    async def orders(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.orders(self.shop.settings.statuses))
        query, page = queries.orders(given, self.zone), page_of(given)
        total, found = await self.shop.books.read(lambda c: rows(c, "orders", query, page))
        view = self.view(request, given)
        shown = [shaped(view.order(one), request, given) for one in found]
        status = {} if "status" in given else {"status[0]": "any"}
        headers = self.paged(request, page, total, status or {"context": "view"})
        by_date, more = given.get("orderby") == "modified", page.skipped + len(found) < total
        touched = [one["id"] for one in found[: min(2, page.size // 3)]] if by_date and more else []
        return Answer(shown, headers=headers, paid=paid(found), read_on=touched)

    async def order(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.ONE_ORDER)
        order = await self.shop.books.read(lambda c: seen(c, number(request)))
        view = self.view(request, given)
        return Answer(shaped(view.order(order), request, given), paid=paid([order]))

    async def change_order(self, request: web.Request) -> Answer:
        """Each PUT is a save, and every save moves the date: an empty one too."""
        given, asked = await body_of(request), arguments.read(request.query, arguments.ONE_ORDER)
        check_order(given, self.shop.settings.statuses)
        moment = await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> JSON:
            order, ids = seen(connection, number(request)), Numbering(connection)
            refunds = apply(order, given, moment, ids, connection)
            self.shop.keep(connection, order, moment, refunds=refunds)
            return order

        order = await self.shop.books.write(unit)
        self.shop.rung()
        return Answer(self.view(request, asked).order(order), paid=paid([order]))

    async def delete_order(self, request: web.Request) -> Answer:
        """To the trash, or with ``force`` for ever; the answer shows it as it was."""
        given, moment = arguments.read(request.query, arguments.ONE_ORDER), await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> JSON:
            order = seen(connection, number(request))
            before: JSON = orjson.loads(orjson.dumps(order))
            if given.get("force"):
                orders.remove(connection, order["id"])
                self.shop.ring(connection, order["id"], moment, ("order.deleted",))
                return before
            if order["status"] == "trash":
                raise Refused(410, "woocommerce_rest_already_trashed", "The order has already been deleted.")
            order["_sandbox"]["before_trash"], order["status"] = order["status"], "trash"
            self.shop.keep(connection, order, moment, topics=("order.deleted",))
            return before

        before = await self.shop.books.write(unit)
        self.shop.rung()
        return Answer(self.view(request, given).order(before))

    async def statuses(self, _: web.Request) -> Answer:
        return Answer(about.statuses(self.shop.settings))

    # --- refunds

    async def refunds_of(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.REFUNDS)
        order = await self.shop.books.read(lambda c: seen(c, number(request)))
        return await self.refund_list(request, given, order_id=order["id"])

    async def refunds(self, request: web.Request) -> Answer:
        return await self.refund_list(request, arguments.read(request.query, arguments.REFUNDS))

    async def refund_list(self, request: web.Request, given: JSON, *, order_id: int | None = None) -> Answer:
        """Of one order, or of all, where each says whose it is."""
        query, page = queries.refunds(given, self.zone, order_id=order_id), page_of(given)

        def unit(connection: sqlite3.Connection) -> tuple[int, list[tuple[JSON, JSON]]]:
            total, found = rows(connection, "refunds", query, page)
            return total, [(refund, parent(connection, refund)) for refund in found]

        total, found = await self.shop.books.read(unit)
        view = self.view(request, given)
        shown = [shaped(view.refund(one, of, with_parent=order_id is None), request, given) for one, of in found]
        return Answer(shown, headers=self.paged(request, page, total, {"context": "view"}))

    async def one_refund(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.ONE_ORDER)

        def unit(connection: sqlite3.Connection) -> tuple[JSON, JSON]:
            statement = "SELECT document FROM refunds WHERE id = ? AND order_id = ?"
            refund = orders.one(connection, statement, number(request, "refund"), number(request))
            if refund is None:
                raise invalid_id("shop_order_refund")
            return refund, parent(connection, refund)

        refund, order = await self.shop.books.read(unit)
        return Answer(shaped(self.view(request, given).refund(refund, order), request, given))

    async def refund(self, request: web.Request) -> Answer:
        """Money and pieces back. ``api_refund`` and ``api_restock`` are true unless they are the boolean false."""
        given = await body_of(request)
        moment = await self.shop.moment()

        def unit(connection: sqlite3.Connection) -> tuple[JSON, JSON]:
            order = seen(connection, number(request))
            if given.get("api_refund", True) is not False and order["payment_method"] in ("bacs", "cod", ""):
                raise not_refunded("The payment gateway for this order does not support automatic refunds.")
            pieces = [piece_of(line) for line in given.get("line_items", [])]
            try:
                made = changes.take_back(
                    order,
                    moment.stamp,
                    Numbering(connection),
                    amount_of(given, pieces),
                    reason=str(given.get("reason", "")),
                    pieces=pieces,
                    restock=given.get("api_restock", True) is not False,
                )
            except Refusal as refusal:
                raise not_refunded(str(refusal)) from None
            made["refunded_payment"] = given.get("api_refund", True) is not False
            self.shop.keep(connection, order, moment, refunds=[made])
            return made, order

        made, order = await self.shop.books.write(unit)
        self.shop.rung()
        return Answer(self.view(request, {}).refund(made, order), 201)

    # --- notes

    async def notes(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.NOTES)
        kind = given.get("type", "any")

        def unit(connection: sqlite3.Connection) -> list[JSON]:
            order = seen(connection, number(request))
            return orders.listed(connection, "notes", Query(["order_id = ?"], [order["id"]], "at"), limit=100, offset=0)

        found = await self.shop.books.read(unit)
        wanted = [one for one in found if kind == "any" or one["customer_note"] == (kind == "customer")]
        view = self.view(request, given)
        return Answer([shaped(view.note(one, number(request)), request, given) for one in wanted])

    async def note(self, request: web.Request) -> Answer:
        """A note is no save: the order's date stays where it was."""
        given, moment = await body_of(request), await self.shop.moment()
        if not given.get("note"):
            raise missing("note")

        def unit(connection: sqlite3.Connection) -> JSON:
            order = seen(connection, number(request))
            note = {
                "id": Numbering(connection).next("note"),
                "author": "WooCommerce",
                "date_created_gmt": moment.stamp,
                "note": str(given["note"]),
                "customer_note": bool(given.get("customer_note", False)),
            }
            orders.add_note(connection, order["id"], note)
            if note["customer_note"]:
                changes.mail(order, moment.stamp, note=note["id"])
                self.shop.keep(connection, order, moment, topics=(), touch=False)
            return note

        note = await self.shop.books.write(unit)
        own = f"{home(request)}{request.path}/{note['id']}"
        return Answer(self.view(request, {}).note(note, number(request)), 201, {"Location": own})

    # --- webhooks

    async def webhooks(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.WEBHOOKS)
        query, page = queries.webhooks(given), page_of(given)
        total, found = await self.shop.books.read(lambda c: rows(c, "webhooks", query, page))
        view = self.view(request, given)
        shown = [shaped(view.webhook(one), request, given) for one in found]
        return Answer(shown, headers=self.paged(request, page, total, {"context": "view"}))

    async def webhook(self, request: web.Request) -> Answer:
        hook = await self.shop.books.read(lambda c: a_webhook(c, request))
        return Answer(shaped(self.view(request, {}).webhook(hook), request, {}))

    async def subscribe(self, request: web.Request) -> Answer:
        given, moment = await body_of(request), await self.shop.moment()
        check_status(given, webhooks.STATUSES)
        hook = await self.shop.books.write(lambda c: webhooks.create(c, given, moment))
        self.shop.rung()
        own = f"{home(request)}{request.path}/{hook['id']}"
        return Answer(self.view(request, {}).webhook(hook), 201, {"Location": own})

    async def change_webhook(self, request: web.Request) -> Answer:
        given, moment = await body_of(request), await self.shop.moment()
        check_status(given, webhooks.STATUSES)
        hook = await self.shop.books.write(lambda c: webhooks.update(c, a_webhook(c, request), given, moment))
        self.shop.rung()
        return Answer(self.view(request, {}).webhook(hook))

    async def unsubscribe(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.FORCE)

        def unit(connection: sqlite3.Connection) -> JSON:
            hook = a_webhook(connection, request)
            if not given.get("force"):
                raise Refused(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
            webhooks.delete(connection, hook["id"])
            return hook

        return Answer(self.view(request, {}).webhook(await self.shop.books.write(unit)))

    # --- products

    async def products(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.PRODUCTS)
        query, page = queries.products(given), page_of(given)
        total, found = await self.shop.books.read(lambda c: goods(c, query, page))
        view = self.view(request, given)
        shown = [shaped(view.product(one), request, given) for one in found]
        return Answer(shown, headers=self.paged(request, page, total, {"context": "view"}))

    async def product(self, request: web.Request) -> Answer:
        found = await self.shop.books.read(lambda c: one_of_goods(c, number(request)))
        if found is None:
            raise invalid_id("product")
        return Answer(shaped(self.view(request, {}).product(found), request, {}))

    async def variations(self, request: web.Request) -> Answer:
        given = arguments.read(request.query, arguments.PRODUCTS)
        query, page = queries.variations(given, number(request)), page_of(given)
        total, found = await self.shop.books.read(lambda c: goods(c, query, page))
        view = self.view(request, given)
        shown = [shaped(view.variation(one), request, given) for one in found]
        return Answer(shown, headers=self.paged(request, page, total, {"context": "view"}))

    async def variation(self, request: web.Request) -> Answer:
        found = await self.shop.books.read(lambda c: one_of_goods(c, number(request, "variation")))
        if found is None or found["parent_id"] != number(request):
            raise invalid_id("product_variation")
        return Answer(shaped(self.view(request, {}).variation(found), request, {}))

    # --- the shop itself

    async def index(self, request: web.Request) -> Answer:
        whole = about.index(self.shop.settings, home(request), self.shop.now())
        return Answer(shaped(whole, request, {}))

    async def namespace(self, request: web.Request) -> Answer:
        return Answer(shaped(about.namespace(self.shop.settings), request, {}))

    async def system_status(self, request: web.Request) -> Answer:
        return Answer(shaped(about.system_status(self.shop.settings, home(request)), request, {}))

    async def settings_group(self, request: web.Request) -> Answer:
        group = request.match_info["group"]
        known = about.shop_settings(self.shop.settings).get(group)
        if known is None:
            raise Refused(404, "rest_setting_setting_group_invalid", "Invalid setting group.")
        at = home(request)
        return Answer([about.setting(group, name, label, value, at) for name, (label, value) in known.items()])

    async def setting(self, request: web.Request) -> Answer:
        group, name = request.match_info["group"], request.match_info["id"]
        found = about.shop_settings(self.shop.settings).get(group, {}).get(name)
        if found is None:
            raise Refused(404, "rest_setting_setting_invalid", "Invalid setting.")
        return Answer(about.setting(group, name, *found, home(request)))

    async def currency(self, request: web.Request) -> Answer:
        return Answer(about.currency(self.shop.settings, home(request)))

    # --- common to all

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.shop.settings.time_zone)

    def view(self, request: web.Request, given: Mapping[str, Any]) -> View:
        return self.shop.view(home(request), decimals=min(max(given.get("dp", 2), 0), 8))

    def paged(self, request: web.Request, page: Page, total: int, defaults: Mapping[str, str]) -> dict[str, str]:
        address, query = home(request) + request.path, list(request.query.items())
        return list_headers(address, query, defaults, page=page.number, per_page=page.size, total=total)


def number(request: web.Request, name: str = "id") -> int:
    return int(request.match_info[name])


def seen(connection: sqlite3.Connection, identifier: int) -> JSON:
    order = orders.seen(connection, identifier)
    if order is None:
        raise invalid_id("shop_order")
    return order


def parent(connection: sqlite3.Connection, refund: JSON) -> JSON:
    order = orders.load(connection, refund["order_id"])
    assert order is not None
    return order


def a_webhook(connection: sqlite3.Connection, request: web.Request) -> JSON:
    hook = webhooks.load(connection, number(request))
    if hook is None:
        raise invalid_id("shop_webhook")
    return hook


def paid(found: list[JSON]) -> list[int]:
    return [order["id"] for order in found if order["status"] in PAID]


def rows(connection: sqlite3.Connection, table: str, query: Query, page: Page) -> tuple[int, list[JSON]]:
    total = orders.counted(connection, table, query)
    return total, orders.listed(connection, table, query, limit=page.size, offset=page.skipped)


def goods(connection: sqlite3.Connection, query: Query, page: Page) -> tuple[int, list[JSON]]:
    """Products and variations, with what a variation has of its parent."""
    total, found = rows(connection, "products", query, page)
    return total, counting.as_shown(connection, found)


def one_of_goods(connection: sqlite3.Connection, identifier: int) -> JSON | None:
    kept = season.stored(connection, identifier)
    return None if kept is None else counting.as_shown(connection, [kept])[0]


def page_of(given: Mapping[str, Any]) -> Page:
    number, size = given.get("page", 1), given.get("per_page", 10)
    return Page(number, size, given.get("offset", (number - 1) * size))


def shaped(document: JSON, request: web.Request, given: Mapping[str, Any]) -> JSON:
    """What of it was asked for: ``_fields``, ``include_meta``, ``exclude_meta``."""
    if given.get("include_meta"):
        document["meta_data"] = [one for one in document["meta_data"] if one["key"] in given["include_meta"]]
    elif given.get("exclude_meta"):
        document["meta_data"] = [one for one in document["meta_data"] if one["key"] not in given["exclude_meta"]]
    fields = [part for part in request.query.get("_fields", "").split(",") if part.strip()]
    return trimmed(document, fields) if fields else document
