"""Subscriptions at the sandbox's shop: made, mended, removed; and what doctor says about all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.shopify.queries import query
from bcbridge.connectors.shopify.settings import ORDER_TOPICS
from tests.connectors.shopify.shops import SECRETS, SHOP, World, a_script, a_shop

OURS = "http://127.0.0.1:9/hooks/shop"
TOKEN = {"X-Shopify-Access-Token": SECRETS["env:TOKEN"]}
PUBLIC = "http://127.0.0.1:9/"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path) as world:
        yield world


async def standing(shop: World) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in await shop.room.keeper.standing():
        found.setdefault(one.topic, []).append(one.uri)
    return found


WANTED = {topic.replace("/", "_").upper(): [OURS] for topic in ORDER_TOPICS}


async def test_what_is_missing_is_made_and_a_second_look_changes_nothing(shop: World) -> None:
    made = await shop.room.keeper.keep(PUBLIC)
    assert len(made) == len(ORDER_TOPICS)
    assert await standing(shop) == WANTED
    (again,) = await shop.room.keeper.keep(PUBLIC)
    assert "stand" in again.text


async def test_a_moved_address_is_repaired_in_place(shop: World) -> None:
    await shop.room.keeper.keep("http://127.0.0.1:10")
    before = {one.id for one in await shop.room.keeper.standing()}
    await shop.room.keeper.keep(PUBLIC)
    assert await standing(shop) == WANTED
    assert {one.id for one in await shop.room.keeper.standing()} == before


async def test_doubles_strays_and_filters_of_ours_are_cleared_and_others_are_left(shop: World) -> None:
    await shop.room.keeper.keep(PUBLIC)
    await subscribe(shop, "ORDERS_CREATE", uri="http://127.0.0.1:10/hooks/shop", name="bcbridge-shop")
    await subscribe(shop, "PRODUCTS_UPDATE", uri=OURS, name="bcbridge-shop")
    await subscribe(shop, "PRODUCTS_UPDATE", uri="http://127.0.0.1:11", name="loyalty")
    await subscribe(shop, "ORDERS_CREATE", uri="http://127.0.0.1:11", name="loyalty")
    said = await shop.room.keeper.keep(PUBLIC)
    assert len(said) == 2
    found = await standing(shop)
    others = {"PRODUCTS_UPDATE": ["http://127.0.0.1:11"], "ORDERS_CREATE": ["http://127.0.0.1:11", OURS]}
    assert {topic: sorted(uris) for topic, uris in found.items()} == WANTED | others


async def test_a_subscription_that_rings_for_some_changes_only_is_made_anew(shop: World) -> None:
    await subscribe(shop, "ORDERS_UPDATED", uri=OURS, name="bcbridge-shop", includeFields=["id"])
    await shop.room.keeper.keep(PUBLIC)
    assert await standing(shop) == WANTED
    assert all(one.whole for one in await shop.room.keeper.standing())


async def test_without_a_public_address_none_can_exist_and_nothing_is_written(shop: World) -> None:
    (said,) = await shop.room.keeper.keep("")
    assert "polling alone is complete" in said.text
    assert await standing(shop) == {}


async def test_an_address_shopify_cannot_ring_is_an_error(shop: World) -> None:
    (said,) = await shop.room.keeper.keep("http://bridge.example.com")
    assert said.severity is Severity.ERROR
    assert await standing(shop) == {}


async def subscribe(shop: World, topic: str, **wanted: Any) -> None:
    """As somebody else would, past the keeper."""
    variables = {"topic": topic, "subscription": {"format": "JSON", **wanted}}
    body = {"query": query("subscribe"), "variables": variables}
    answer = await shop.http.post("/admin/api/2026-10/graphql.json", json=body, headers=TOKEN)
    assert answer.json()["data"]["webhookSubscriptionCreate"]["userErrors"] == []


async def test_doctor_finds_a_healthy_shop_healthy(shop: World) -> None:
    await shop.room.keeper.keep(PUBLIC)
    findings = await shop.room.doctor()
    assert {one.severity for one in findings} == {Severity.INFO}
    assert texts(findings, "shop", "time zone America/New_York")
    assert texts(findings, "locations", "New Jersey DC")
    assert texts(findings, "version", "2026-10")


async def test_doctor_names_each_missing_scope_and_what_is_lost(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan={"scopes": ("read_orders", "write_products")}) as shop:
        findings = [one for one in await shop.room.doctor() if one.topic == "scopes"]
    errors = {one.text.split()[0] for one in findings if one.severity is Severity.ERROR}
    warnings = {one.text.split()[0] for one in findings if one.severity is Severity.WARNING}
    assert errors == {"read_locations", "read_merchant_managed_fulfillment_orders"}
    assert {"read_all_orders", "read_customers", "write_orders", "write_order_edits"} <= warnings


async def test_doctor_says_where_the_credentials_belong_to_another_shop(tmp_path: Path) -> None:
    async with a_shop(tmp_path, shop="another.myshopify.com") as shop:
        findings = await shop.room.doctor()
    assert texts(findings, "shop", f"belong to {SHOP}")


async def test_the_shops_locations_are_offered_for_the_mapping(shop: World) -> None:
    assert {name for _, name in await shop.room.locations()} >= {"New Jersey DC", "California DC"}


async def test_doctor_finds_a_sku_on_two_variants_and_goes_on_where_one_look_fails() -> None:
    done = {"hasNextPage": False, "endCursor": None}
    skus = [
        {"id": f"gid://shopify/ProductVariant/{at}", "sku": sku} for at, sku in enumerate(["1", "2", "1", "", None])
    ]
    answers = [
        (500, ""),
        {"data": {"locations": {"nodes": [], "pageInfo": done}}},
        {"data": {"webhookSubscriptions": {"nodes": [], "pageInfo": done}}},
        {"data": {"productVariants": {"nodes": skus, "pageInfo": done}}},
    ]
    async with a_script(*answers) as (_, room):
        findings = await room.doctor()
    assert texts(findings, "shop", "could not be looked at")
    assert texts(findings, "locations", "no location can be read")
    assert texts(findings, "skus", "1 SKUs stand on several variants: 1")


def texts(findings: list[Finding], topic: str, part: str) -> bool:
    return any(one.topic == topic and part in one.text for one in findings)
