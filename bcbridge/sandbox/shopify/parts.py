"""Pieces of the shop's documents as GraphQL sees them.

A document's keys are the schema's field names, so most fields need no code: a leaf is the value, an object is
wrapped with the order it belongs to, a connection is a slice of a list. What is only mentioned by id (the
line of a sale, the location of a fulfilment order) is looked up where it lives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLResolveInfo

from bcbridge.sandbox.shopify import orders
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.connections import Page, slice_of
from bcbridge.sandbox.shopify.gid import kind_of, number_of
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopping.stock import Move

VISIBLE_DAYS = 60
VERSION = "2026-10"


@dataclass
class Call:
    """What one request's resolvers work with; ``connection`` may write only in a mutation.

    ``changed`` are orders a mutation has changed, ``paid`` the ids of those that the answer shows as paid and standing,
    ``beyond`` is where a page of orders that has a next one ended, ``moves`` are numbers that a mutation has changed.
    ``topics`` are rung of each changed order; a job is done ``job_seconds`` after it was asked for.
    ``stock_as_of``: numbers are shown as they were then. ``stocks_by_itself``: setting a number where an item is not
    stocked begins to count it there. ``declines``: the gateway captures nothing.
    """

    connection: sqlite3.Connection
    settings: ShopifySettings
    now: datetime
    scopes: frozenset[str]
    access_nulls: bool = False
    warnings: list[JSON] = field(default_factory=list)
    changed: list[JSON] = field(default_factory=list)
    topics: tuple[str, ...] = ("ORDERS_UPDATED",)
    job_seconds: float = 0.0
    paid: set[int] = field(default_factory=set)
    beyond: tuple[Any, int] | None = None
    moves: list[Move] = field(default_factory=list)
    stock_as_of: datetime | None = None
    stocks_by_itself: bool = True
    declines: bool = False

    @property
    def oldest(self) -> str:
        """Orders created before this cannot be seen (NOTES 1.2)."""
        if "read_all_orders" in self.scopes:
            return ""
        return (self.now - timedelta(days=VISIBLE_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Part:
    """A piece of a document and the order it belongs to (itself, for what is no order's)."""

    order: JSON
    data: JSON


Info = GraphQLResolveInfo[Call]
Resolver = Callable[..., Any]


# --- by default


def leaf(source: Part, info: Info, **_: Any) -> Any:
    return source.data.get(info.field_name)


def composite(source: Part, info: Info, **given: Any) -> Any:
    value = source.data.get(info.field_name)
    if isinstance(value, list):
        return [Part(source.order, one) for one in value[: given.get("first")]]
    return None if value is None else Part(source.order, value)


def connection_of(source: Part, info: Info, **given: Any) -> Page:
    return slice_of(source.data[info.field_name], lambda one: Part(source.order, one), given)


def mentioned(look_up: Callable[[Call, JSON, JSON], JSON]) -> Resolver:
    """A resolver for what a document only names by id."""

    def resolve(source: Part, info: Info, **given: Any) -> Any:
        value = source.data.get(info.field_name)
        call = info.context
        if isinstance(value, list):
            return [Part(source.order, look_up(call, source.order, one)) for one in value[: given.get("first")]]
        return None if value is None else Part(source.order, look_up(call, source.order, value))

    return resolve


def own_order(source: Part, _: Info) -> Part:
    """The order a piece belongs to; no piece has to name it."""
    return Part(source.order, source.order)


def in_order(*keys: str) -> Callable[[Call, JSON, JSON], JSON]:
    """Looks in the order's lists: ``in_order("lineItems", "duties")`` is a duty of one of its lines."""

    def look_up(_: Call, order: JSON, named: JSON) -> JSON:
        level = [order]
        for key in keys:
            level = [one for parent in level for one in parent.get(key, [])]
        return next((one for one in level if one["id"] == named["id"]), named)

    return look_up


def in_table(table: str) -> Callable[[Call, JSON, JSON], JSON]:
    """Looks in a table of documents; what the mention says itself goes first (a line's barcode of order time)."""

    def look_up(call: Call, _: JSON, named: JSON) -> JSON:
        return {**(document(call.connection, table, named["id"]) or {}), **named}

    return look_up


def document(connection: sqlite3.Connection, table: str, identifier: str) -> JSON | None:
    row = connection.execute(
        f"SELECT document FROM {table} WHERE id = ?",  # noqa: S608
        (number_of(identifier),),
    ).fetchone()
    return None if row is None else orjson.loads(row[0])


MENTIONS: dict[str, Callable[[Call, JSON, JSON], JSON]] = {
    "LineItem": in_order("lineItems"),
    "ShippingLine": in_order("shippingLines"),
    "Duty": in_order("lineItems", "duties"),
    "OrderTransaction": in_order("transactions"),
    "Refund": in_order("refunds"),
    "Location": in_table("locations"),
    "ProductVariant": in_table("variants"),
    "Product": in_table("products"),
    "InventoryItem": in_table("inventory_items"),
}


# --- anything by its GID


def node_of(call: Call, identifier: str, *kinds: str) -> Part | None:
    """Whatever has this GID, if it is one of ``kinds`` (any, if none are given)."""
    kind = kind_of(identifier)
    if kinds and kind not in kinds:
        return None
    if kind in TABLES:
        found = document(call.connection, TABLES[kind], identifier)
        return None if found is None else Part(found, typed(found, kind))
    order = orders.load(call.connection, identifier)
    if order is None or order["createdAt"] < call.oldest:
        return None
    if kind == "Order":
        return Part(order, typed(order, kind)) if order["id"] == identifier else None
    path = IN_ORDERS.get(kind, ())
    named = in_order(*path)(call, order, {"id": identifier}) if path else {}
    return Part(order, typed(named, kind)) if len(named) > 1 else None


def typed(found: JSON, kind: str) -> JSON:
    return {**found, "__typename": kind}


TABLES = {
    "InventoryItem": "inventory_items",
    "Location": "locations",
    "ProductVariant": "variants",
    "Product": "products",
    "WebhookSubscription": "webhook_subscriptions",
}
IN_ORDERS = {
    "LineItem": ("lineItems",),
    "Fulfillment": ("fulfillments",),
    "FulfillmentOrder": ("fulfillmentOrders",),
    "OrderTransaction": ("transactions",),
    "Refund": ("refunds",),
}


def need(call: Call, field_name: str, scope: str) -> None:
    if scope not in call.scopes:
        raise GraphQLError(
            f"Access denied for {field_name} field. Required access: `{scope}` access scope.",
            extensions={"code": "ACCESS_DENIED", "requiredAccess": f"`{scope}` access scope."},
        )


def warn(call: Call, info: Info, page: Page) -> None:
    """What the search ignored, as Shopify tells it."""
    if page.ignored:
        message = "Invalid search field for this query."
        warnings = [{"field": one, "message": message, "code": "invalid_field"} for one in page.ignored]
        call.warnings.append({"path": info.path.as_list(), "warnings": warnings})
