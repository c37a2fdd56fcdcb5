"""The API's fields that need code of their own; all others follow from the documents (parts.py)."""

from __future__ import annotations

from typing import Any

from bcbridge.sandbox.shopify import amending, lists, totals
from bcbridge.sandbox.shopify.bag import currency_of
from bcbridge.sandbox.shopify.connections import Page, slice_of
from bcbridge.sandbox.shopify.gid import gid, kind_of, number_of
from bcbridge.sandbox.shopify.parts import VERSION, Info, Part, Resolver, composite, leaf, need, node_of
from bcbridge.sandbox.shopify.settings import ShopifySettings


def one_order(_: Any, info: Info, id: str) -> Part | None:
    need(info.context, "order", "read_orders")
    return node_of(info.context, id, "Order")


def one_node(_: Any, info: Info, id: str) -> Part | None:
    if kind_of(id) == "CalculatedOrder":
        return amending.node(info.context, id)
    return node_of(info.context, id)


def many_nodes(_: Any, info: Info, ids: list[str]) -> list[Part | None]:
    return [node_of(info.context, one) for one in ids]


def one_of(kind: str) -> Resolver:
    def resolve(_: Any, info: Info, id: str | None = None) -> Part | None:
        return node_of(info.context, id or "", kind)

    return resolve


def the_shop(_: Any, info: Info) -> Part:
    settings: ShopifySettings = info.context.settings
    shop = {
        "id": gid("Shop", 548_380_009),
        "name": settings.name,
        "email": "shop@example.com",
        "myshopifyDomain": settings.shop,
        "url": f"https://{settings.shop}",
        "currencyCode": settings.currency,
        "enabledPresentmentCurrencies": [settings.currency, "EUR", "GBP", "CAD"],
        "ianaTimezone": settings.time_zone,
        "taxesIncluded": False,
        "plan": {"publicDisplayName": "Basic", "shopifyPlus": False, "partnerDevelopment": False},
    }
    return Part({}, shop)


def the_installation(_: Any, info: Info) -> Part:
    app = {
        "id": gid("App", 7_700_001),
        "handle": "bcbridge",
        "title": "bcbridge",
        "apiKey": info.context.settings.client_id,
        "webhookApiVersion": VERSION,
    }
    scopes = [{"handle": one, "description": one.replace("_", " ")} for one in sorted(info.context.scopes)]
    return Part({}, {"id": gid("AppInstallation", 9_900_001), "app": app, "accessScopes": scopes})


def personal(source: Part, info: Info, **_: Any) -> Part | None:
    """Addresses and customers are null without level-2 access (NOTES 1.2)."""
    return None if info.context.access_nulls else composite(source, info)


def private(source: Part, info: Info, **_: Any) -> Any:
    return None if info.context.access_nulls else leaf(source, info)


def financial_status(source: Part, info: Info, **_: Any) -> Any:
    """Whoever asks for it is told that the order is paid: the books remember that it was served so."""
    if source.data["displayFinancialStatus"] == "PAID" and not source.data["cancelledAt"]:
        info.context.paid.add(number_of(source.data["id"]))
    return leaf(source, info)


def shipping_lines(source: Part, info: Info, **given: Any) -> Page:
    lines = source.data["shippingLines"]
    shown = lines if given.get("includeRemovals") else [one for one in lines if not one["isRemoved"]]
    return slice_of(shown, lambda one: Part(source.order, one), given)


def first_shipping_line(source: Part, _: Info) -> Part | None:
    lines = totals.kept(source.data)
    return Part(source.order, lines[0]) if lines else None


def discounted_total(source: Part, info: Info, **given: Any) -> Part:
    if not given.get("withCodeDiscounts"):
        return Part(source.order, source.data["discountedTotalSet"])
    net = totals.net(source.data, source.data["quantity"])
    return Part(source.order, currency_of(source.order).money(net))


def metafield(source: Part, _: Info, key: str, namespace: str | None = None) -> Part | None:
    """A product's metafields lie in its document by ``namespace.key``; people set them at ``/_sandbox/products``."""
    name = f"{namespace or 'app'}.{key}"
    value = source.data.get("metafields", {}).get(name)
    if value is None:
        return None
    number = number_of(source.data["id"]) * 100 + sum(name.encode()) % 100
    about = {"id": gid("Metafield", number), "legacyResourceId": str(number), "type": "single_line_text_field"}
    return Part(source.order, {**about, "namespace": namespace or "app", "key": key, "value": value})


FIELDS: dict[tuple[str, str], Resolver] = {
    ("QueryRoot", "shop"): the_shop,
    ("QueryRoot", "currentAppInstallation"): the_installation,
    ("QueryRoot", "orders"): lists.list_orders,
    ("QueryRoot", "ordersCount"): lists.orders_count,
    ("QueryRoot", "order"): one_order,
    ("QueryRoot", "node"): one_node,
    ("QueryRoot", "nodes"): many_nodes,
    ("QueryRoot", "refund"): one_of("Refund"),
    ("QueryRoot", "return"): one_of("Return"),
    ("QueryRoot", "location"): one_of("Location"),
    ("QueryRoot", "fulfillmentOrder"): one_of("FulfillmentOrder"),
    ("QueryRoot", "fulfillmentOrders"): lists.list_fulfillment_orders,
    ("QueryRoot", "productVariants"): lists.list_documents(lists.VARIANTS, "read_products"),
    ("QueryRoot", "products"): lists.list_documents(lists.PRODUCTS, "read_products"),
    ("QueryRoot", "locations"): lists.list_documents(lists.LOCATIONS, "read_locations"),
    ("Order", "billingAddress"): personal,
    ("Order", "shippingAddress"): personal,
    ("Order", "customer"): personal,
    ("Order", "displayFinancialStatus"): financial_status,
    ("Order", "email"): private,
    ("Order", "phone"): private,
    ("Order", "shippingLine"): first_shipping_line,
    ("Order", "shippingLines"): shipping_lines,
    ("LineItem", "discountedTotalSet"): discounted_total,
    ("Product", "metafield"): metafield,
    ("Product", "variants"): lists.variants_of,
}
