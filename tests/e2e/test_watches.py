"""The watches in the running bridge: what stands still is an incident by itself, and over by itself once it moves."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import World, call, world

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 90.0
SHIRT = "040123000013"
OFTEN = "[watches]\nevery_seconds = 0.5\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("watches"), public=True, channel=OFTEN) as one:
        one.run_bridge()
        yield one


def graphql(one: World, query: str, **variables: object) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json", "X-Shopify-Access-Token": "sandbox-token"}
    request = urllib.request.Request(f"{one.shop}/admin/api/2026-10/graphql.json", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["data"]


def test_what_blocks_an_order_is_an_incident_with_its_cure_until_it_is_cured(shop: World) -> None:
    placed = shop.order(lines=[{"sku": SHIRT}], shipping={"title": "Drone", "price": "9.00"})
    shop.comes(lambda: "no_ship_via" in shop.incidents(), "its owner is told", within=PATIENCE_SECONDS)
    (incident,) = shop.rows("SELECT * FROM incidents WHERE code = 'no_ship_via'")
    cure = "bcbridge mappings set ship_via Drone CODE --channel shopify_us"
    assert incident["text"].endswith(cure)
    assert placed["name"] in incident["text"]
    shop.did(*cure.replace("CODE", "UPG").split()[1:], "--yes")
    shop.comes(lambda: placed["name"] in shop.in_state("booked"), "it is booked", within=PATIENCE_SECONDS)
    shop.comes(lambda: "no_ship_via" not in shop.incidents(), "it is over by itself", within=PATIENCE_SECONDS)


def test_subscriptions_that_somebody_took_away_are_made_again_and_told_of(shop: World) -> None:
    shop.comes(lambda: len(subscriptions(shop)) > 0, "it is subscribed", within=PATIENCE_SECONDS)
    shop.comes(lambda: bool(shop.rows("SELECT 1 FROM meta WHERE name = 'subscribed/shopify_us'")), "and knows it")
    assert "webhooks_gone" not in shop.incidents(standing=False), "the first time nothing can be missing"
    shop.stop_bridge()
    standing = subscriptions(shop)
    for one in standing:
        delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }"
        graphql(shop, delete, id=one)
    shop.run_bridge()
    shop.comes(lambda: "webhooks_gone" in shop.incidents(), "somebody is told", within=PATIENCE_SECONDS)
    assert len(subscriptions(shop)) == len(standing)


def subscriptions(one: World) -> list[str]:
    found = graphql(one, "{ webhookSubscriptions(first: 50) { nodes { id } } }")
    return [node["id"] for node in found["webhookSubscriptions"]["nodes"]]


def test_nothing_else_stands_and_no_watch_failed(shop: World) -> None:
    assert set(shop.incidents()) <= {"webhooks_gone"}
    assert "watch_failed" not in shop.incidents(standing=False)
    assert call(f"{shop.web}/health")
