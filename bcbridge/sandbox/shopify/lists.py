"""The API's lists: what each can be searched and sorted by, and what a lagging index shows."""

from __future__ import annotations

import sqlite3
from typing import Any

from bcbridge.sandbox.shopify import orders
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.connections import Listing, Page, rows
from bcbridge.sandbox.shopify.gid import gid, number_of
from bcbridge.sandbox.shopify.parts import Call, Info, Part, Resolver, document, need, warn
from bcbridge.sandbox.shopify.search import inside, moment, number, order_name, order_status, text, where


def seen(table: str) -> str:
    """A table as the search index shows it: changes not yet indexed at their old stamp, new rows not at all."""
    return (
        f"(SELECT *, updated_at AS seen_at FROM {table} WHERE visible_from <= :seen_now UNION ALL"  # noqa: S608
        f" SELECT *, index_updated_at AS seen_at FROM {table}"
        " WHERE visible_from > :seen_now AND index_updated_at IS NOT NULL)"
    )


ORDERS = Listing(
    source=seen("orders"),
    searches={
        "updated_at": moment("seen_at"),
        "created_at": moment("created_at"),
        "processed_at": moment("processed_at"),
        "id": number("id"),
        "name": order_name("name"),
        "status": order_status,
        "financial_status": text("financial_status"),
        "fulfillment_status": text("fulfillment_status"),
        "sku": inside("$.lineItems[*].sku"),
        "tag": inside("$.tags"),
    },
    sorts={"ID": "id", "UPDATED_AT": "seen_at", "CREATED_AT": "created_at", "PROCESSED_AT": "processed_at"},
)
FULFILLMENT_ORDERS = Listing(
    source=seen("fulfillment_orders"),
    searches={
        "updated_at": moment("seen_at"),
        "id": number("id"),
        "status": text("status"),
        "assigned_location_id": number("location_id"),
    },
    sorts={"ID": "id", "UPDATED_AT": "seen_at"},
)
VARIANTS = Listing(
    source="variants",
    searches={
        "id": number("id"),
        "sku": text("sku"),
        "barcode": text("barcode"),
        "product_id": number("product_id"),
        "title": text("title"),
    },
    sorts={"ID": "id"},
)
PRODUCTS = Listing("products", {"id": number("id"), "handle": text("handle"), "title": text("title")}, {"ID": "id"})
LOCATIONS = Listing("locations", {"id": number("id"), "name": text("name")}, {"ID": "id", "NAME": "name"})


def list_orders(_: Any, info: Info, **given: Any) -> Page:
    call = info.context
    need(call, "orders", "read_orders")
    kept, page = rows(call.connection, ORDERS, given, {"seen_now": call.now.timestamp(), "oldest": call.oldest},
                      also="created_at >= :oldest")  # fmt: skip
    warn(call, info, page)
    documents = orders.load_all(call.connection, [identifier for identifier, _ in kept])
    found = [documents[identifier] for identifier, _ in kept]
    if page.has_next and given.get("sortKey") == "UPDATED_AT":
        call.beyond = (kept[-1][1], kept[-1][0])
    return filled(page, [Part(one, one) for one in found])


def list_fulfillment_orders(_: Any, info: Info, **given: Any) -> Page:
    call = info.context
    need(call, "fulfillmentOrders", "read_merchant_managed_fulfillment_orders")
    finished = "1" if given.get("includeClosed") else "status NOT IN ('CLOSED', 'CANCELLED')"
    kept, page = rows(call.connection, FULFILLMENT_ORDERS, given, {"seen_now": call.now.timestamp()}, also=finished)
    warn(call, info, page)
    parents = parents_of(call.connection, [identifier for identifier, _ in kept])
    return filled(page, [fulfilment_part(parents[identifier], identifier) for identifier, _ in kept])


def parents_of(connection: sqlite3.Connection, identifiers: list[int]) -> dict[int, JSON]:
    marks = ", ".join("?" * len(identifiers))
    statement = f"SELECT id, order_id FROM fulfillment_orders WHERE id IN ({marks})"  # noqa: S608
    pairs = dict(connection.execute(statement, identifiers).fetchall())
    documents = orders.load_all(connection, set(pairs.values()))
    return {identifier: documents[order_id] for identifier, order_id in pairs.items()}


def fulfilment_part(order: JSON, identifier: int) -> Part:
    wanted = gid("FulfillmentOrder", identifier)
    return Part(order, next(one for one in order["fulfillmentOrders"] if one["id"] == wanted))


def list_documents(listing: Listing, scope: str) -> Resolver:
    def resolve(_: Any, info: Info, **given: Any) -> Page:
        call = info.context
        need(call, info.field_name, scope)
        kept, page = rows(call.connection, listing, given, {})
        warn(call, info, page)
        return filled(page, [table_part(call, listing.source, identifier) for identifier, _ in kept])

    return resolve


def table_part(call: Call, table: str, identifier: int) -> Part:
    found = document(call.connection, table, str(identifier)) or {}
    return Part(found, found)


def filled(page: Page, nodes: list[Any]) -> Page:
    return Page(nodes, page.cursors, page.has_next, page.has_previous)


def orders_count(_: Any, info: Info, query: str | None = None) -> Part:
    call = info.context
    found = where(query, ORDERS.searches)
    statement = f"SELECT count(*) FROM {ORDERS.source} WHERE created_at >= :oldest AND ({found.sql})"  # noqa: S608
    named = {"seen_now": call.now.timestamp(), "oldest": call.oldest, **found.values}
    (count,) = call.connection.execute(statement, named).fetchone()
    exact = count <= 10_000
    return Part({}, {"count": min(count, 10_000), "precision": "EXACT" if exact else "AT_LEAST"})


def variants_of(source: Part, info: Info, **given: Any) -> Page:
    call = info.context
    values = {"product": number_of(source.data["id"])}
    kept, page = rows(call.connection, VARIANTS, {**given, "sortKey": "ID"}, values, also="product_id = :product")
    return filled(page, [table_part(call, "variants", identifier) for identifier, _ in kept])
