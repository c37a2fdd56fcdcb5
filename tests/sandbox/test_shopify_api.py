"""The Admin API of the sandbox's shop: tokens, costs, throttling, lists that move, and bad days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from bcbridge.sandbox.shopify import ShopifySettings
from tests.sandbox.shopify_client import JSON, ShopClient, shop, until

UPC = "040123000013"
SHOP = "{ shop { name } }"
LIST = """
query ($q: String, $after: String, $first: Int = 10) {
  orders(first: $first, after: $after, query: $q, sortKey: UPDATED_AT) {
    nodes { id name updatedAt } pageInfo { hasNextPage endCursor } } }
"""
HELD = """
query ($q: String, $first: Int = 10, $after: String) {
  fulfillmentOrders(first: $first, after: $after, query: $q, sortKey: UPDATED_AT, includeClosed: true) {
    nodes { id status updatedAt order { id updatedAt } fulfillmentHolds { reason } supportedActions { action } }
    pageInfo { hasNextPage endCursor } } }
"""
LONG_AGO = "updated_at:>='2020-01-01T00:00:00Z'"


async def names(client: ShopClient, query: str, first: int = 50) -> list[str]:
    data = await client.ask(LIST, q=query, first=first)
    return [one["name"] for one in data["orders"]["nodes"]]


async def token(client: ShopClient, **form: str) -> httpx.Response:
    asked = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    return await client.http.post("/admin/oauth/access_token", data={**asked, **form})


# --- who may ask


async def test_client_credentials_give_a_token_for_a_day(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        given = (await token(client)).json()
        assert given["expires_in"] == 86_399
        assert "read_all_orders" in given["scope"].split(",")
        client.http.headers["X-Shopify-Access-Token"] = given["access_token"]
        assert (await client.ask(SHOP))["shop"]["name"] == "Sandbox Apparel"


async def test_wrong_credentials_give_none(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        assert (await token(client, client_secret="guess")).status_code == 400
        assert (await token(client, grant_type="password")).status_code == 400


async def test_an_expired_or_unknown_token_is_refused_in_shopifys_words(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        given = (await token(client)).json()["access_token"]
        await client.post("/_sandbox/clock", {"advance_seconds": 86_400})
        for stale in (given, "guess", ""):
            client.http.headers["X-Shopify-Access-Token"] = stale
            refused = await client.raw(SHOP)
            assert refused.status_code == 401
            assert "Invalid API key or access token" in refused.json()["errors"]


async def test_a_missing_scope_is_an_access_error_in_a_200(tmp_path: Path) -> None:
    settings = ShopifySettings(scopes=("read_products",))
    async with shop(tmp_path, settings) as client:
        said = await client.said(LIST)
        assert said["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
        scopes = await client.ask("{ currentAppInstallation { accessScopes { handle } } }")
        assert scopes["currentAppInstallation"]["accessScopes"] == [{"handle": "read_products"}]


# --- how it answers


@pytest.mark.parametrize(
    ("asked", "served"),
    [("2026-10", "2026-10"), ("2026-07", "2026-07"), ("2021-01", "2026-01"), ("2031-01", "2026-10")],
)
async def test_an_unknown_version_is_answered_by_the_nearest(tmp_path: Path, asked: str, served: str) -> None:
    async with shop(tmp_path) as client:
        answer = await client.http.post(f"/admin/api/{asked}/graphql.json", json={"query": SHOP})
        assert answer.headers["X-Shopify-API-Version"] == served
        assert answer.json()["data"]["shop"]["name"]


async def test_what_does_not_validate_is_told_in_errors(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        said = await client.said("{ shop { nonsense } }")
        assert "data" not in said
        assert said["errors"][0]["extensions"]["code"] == "undefinedField"
        assert (await client.said("{ shop "))["errors"]
        assert (await client.http.post("/admin/api/2026-10/graphql.json", content=b"not json")).status_code == 400


async def test_every_answer_tells_its_cost(tmp_path: Path) -> None:
    settings = ShopifySettings(index_lag_seconds=0, bucket=1_000, restore_rate=0.001)
    async with shop(tmp_path, settings) as client:
        await client.place(lines=[{"sku": UPC}])
        cost = (await client.said(LIST, q=LONG_AGO, first=100))["extensions"]["cost"]
        assert cost["requestedQueryCost"] == 100
        assert cost["actualQueryCost"] == 1
        assert cost["throttleStatus"]["maximumAvailable"] == 1_000
        assert cost["throttleStatus"]["currentlyAvailable"] == 999


async def test_an_empty_bucket_throttles_inside_a_200(tmp_path: Path) -> None:
    settings = ShopifySettings(bucket=100, restore_rate=0.001)
    async with shop(tmp_path, settings) as client:
        throttled = await client.said(LIST, first=101)
        assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert "data" not in throttled
        assert throttled["extensions"]["cost"]["actualQueryCost"] is None
        assert (await client.said(SHOP))["data"]


async def test_a_query_above_the_ceiling_is_never_run(tmp_path: Path) -> None:
    wide = "{ orders(first: 100) { nodes { lineItems(first: 50) { nodes { id } } } } }"
    async with shop(tmp_path) as client:
        said = await client.said(wide)
        assert said["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
        assert said["errors"][0]["extensions"]["cost"] == 5_100


async def test_pages_have_a_size_and_a_limit(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for first in ("", "(first: 251)"):
            said = await client.said(f"{{ locations{first} {{ nodes {{ id }} }} }}")
            assert said["errors"]


# --- lists


async def test_a_list_is_paged_to_its_end_in_order_of_update(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        plan = await client.post("/_sandbox/sell", {"orders": 23, "seed": 1, "simple": True})
        await client.sold(plan["plan"])
        found = await paged(client, first=5)
        assert [one["name"] for one in found] == [f"#{1001 + at}" for at in range(23)]


async def paged(client: ShopClient, first: int) -> list[JSON]:
    found: list[JSON] = []
    after = None
    while True:
        page = (await client.ask(LIST, q=LONG_AGO, first=first, after=after))["orders"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
        assert len(found) < 500


async def test_a_list_that_moves_while_it_is_paged_loses_no_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for _ in range(12):
            await client.place(lines=[{"sku": UPC}])
        await client.post("/_sandbox/clock", {"advance_seconds": 60})
        await client.post("/_sandbox/faults", {"once": {"moving_list": 2}})
        found = [one["name"] for one in await paged(client, first=4)]
        assert set(found) == {f"#{1001 + at}" for at in range(12)}
        assert found[-4:] != [f"#{1009 + at}" for at in range(4)]


async def test_searches_take_what_order_lists_need(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        first = await client.place(lines=[{"sku": UPC}], payment="pending")
        await client.post("/_sandbox/clock", {"advance_seconds": 120})
        second = await client.place(lines=[{"sku": "040123000020"}], tags=["vip"])
        stamp = (await client.order(second["name"]))["createdAt"]
        one, two = [first["name"]], [second["name"]]
        assert await names(client, f"created_at:<'{stamp}'") == one
        assert await names(client, f"created_at:>='{stamp}' AND status:any") == two
        assert await names(client, f"updated_at:>{stamp}") == []
        assert await names(client, "financial_status:pending") == one
        assert await names(client, "sku:040123000020 tag:vip") == two
        assert await names(client, f"name:{first['name']} OR name:{second['name']}") == one + two
        assert await names(client, f"id:{second['legacyResourceId']}") == two
        assert await names(client, "-financial_status:pending") == two


async def test_a_field_the_search_does_not_know_is_ignored_and_said_so(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.place(lines=[{"sku": UPC}])
        said = await client.said(LIST, q="colour:green")
        assert len(said["data"]["orders"]["nodes"]) == 1
        assert said["extensions"]["search"][0]["warnings"][0]["field"] == "colour"


async def test_the_search_index_lags_and_the_order_itself_does_not(tmp_path: Path) -> None:
    settings = ShopifySettings(index_lag_seconds=30)
    async with shop(tmp_path, settings) as client:
        placed = await client.place(lines=[{"sku": UPC}])
        assert await names(client, LONG_AGO) == []
        assert (await client.ask("query ($id: ID!) { order(id: $id) { name } }", id=placed["id"]))["order"]
        await client.post("/_sandbox/clock", {"advance_seconds": 60})
        assert await names(client, LONG_AGO) == [placed["name"]]
        stamp = (await client.order(placed["name"]))["updatedAt"]
        await client.http.patch(f"/_sandbox/orders/{placed['legacyResourceId']}", json={"note": "x"})
        assert await names(client, f"updated_at:>'{stamp}'") == []
        await client.post("/_sandbox/clock", {"advance_seconds": 60})
        assert await names(client, f"updated_at:>'{stamp}'") == [placed["name"]]


async def test_orders_of_two_months_ago_are_invisible_without_the_scope(tmp_path: Path) -> None:
    narrow = tuple(one for one in ShopifySettings().scopes if one != "read_all_orders")
    settings = ShopifySettings(index_lag_seconds=0, scopes=narrow)
    async with shop(tmp_path, settings) as client:
        placed = await client.place(lines=[{"sku": UPC}])
        await client.post("/_sandbox/clock", {"advance_seconds": 61 * 86_400})
        assert await names(client, "status:any") == []
        assert (await client.ask("query ($id: ID!) { order(id: $id) { id } }", id=placed["id"]))["order"] is None
    async with shop(tmp_path) as client:
        assert await names(client, "status:any") == [placed["name"]]


async def test_a_released_hold_moves_its_fulfilment_order_and_not_the_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}], hold="HIGH_RISK_OF_FRAUD")
        before = (await client.order(placed["name"]))["updatedAt"]
        held = (await client.ask(HELD, q="status:on_hold"))["fulfillmentOrders"]["nodes"]
        assert [one["fulfillmentHolds"] for one in held] == [[{"reason": "HIGH_RISK_OF_FRAUD"}]]
        await client.post("/_sandbox/clock", {"advance_seconds": 90})
        await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/release")
        (moved,) = (await client.ask(HELD, q=f"updated_at:>'{before}'"))["fulfillmentOrders"]["nodes"]
        assert moved["status"] == "OPEN"
        assert {"action": "CREATE_FULFILLMENT"} in moved["supportedActions"]
        assert moved["order"] == {"id": placed["id"], "updatedAt": before}
        assert await names(client, f"updated_at:>'{before}'") == []


async def test_nodes_finds_anything_by_its_id(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}])
        order = await client.order(placed["name"])
        ids = [
            order["id"],
            order["fulfillmentOrders"][0]["id"],
            order["lineItems"][0]["variant"]["id"],
            "gid://shopify/Order/1",
        ]
        query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
        found = (await client.ask(query, ids=ids))["nodes"]
        assert [one and one["__typename"] for one in found] == ["Order", "FulfillmentOrder", "ProductVariant", None]


async def test_tags_are_added_not_replaced(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}], tags=["vip"])
        query = 'mutation ($id: ID!) { tagsAdd(id: $id, tags: ["seen"]) { node { id } userErrors { message } } }'
        assert (await client.ask(query, id=placed["id"]))["tagsAdd"]["userErrors"] == []
        assert (await client.order(placed["name"]))["tags"] == ["seen", "vip"]


async def test_a_merchant_may_mark_a_product_and_change_a_variant(tmp_path: Path) -> None:
    mark = 'metafield(namespace: "supercycle", key: "supercycle_enabled") { value }'
    line = f"lineItems(first: 1) {{ nodes {{ sku variant {{ id barcode }} product {{ id {mark} }} }} }}"
    query = f"query ($id: ID!) {{ order(id: $id) {{ {line} }} }}"
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}])
        (before,) = (await client.ask(query, id=placed["id"]))["order"]["lineItems"]["nodes"]
        assert before["variant"]["barcode"] == UPC
        assert before["product"]["metafield"] is None
        variant, product = (before[one]["id"].rsplit("/", 1)[-1] for one in ("variant", "product"))
        marks = {"metafields": {"supercycle.supercycle_enabled": "true"}}
        assert (await client.http.patch(f"/_sandbox/products/{product}", json=marks)).status_code == 200
        assert (await client.http.patch(f"/_sandbox/variants/{variant}", json={"barcode": "1"})).status_code == 200
        assert (await client.http.patch("/_sandbox/variants/1", json={"barcode": "1"})).status_code == 404
        (after,) = (await client.ask(query, id=placed["id"]))["order"]["lineItems"]["nodes"]
        assert (after["sku"], after["variant"]["barcode"]) == (UPC, "1")
        assert after["product"]["metafield"] == {"value": "true"}


async def test_each_of_many_ids_is_paid_for(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        ids = [f"gid://shopify/Order/{at}" for at in range(7)]
        said = await client.said("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
        assert said["extensions"]["cost"]["requestedQueryCost"] == 7


# --- bad days


async def order_fault(client: ShopClient, fault: str, **values: Any) -> None:
    await client.post("/_sandbox/faults", {"once": {fault: 1}, "values": values})


@pytest.mark.parametrize(
    ("fault", "status"), [("http_500", 500), ("http_502_html", 502), ("http_429", 429), ("token_401", 401)]
)
async def test_a_bad_answer_comes_once_and_is_counted(tmp_path: Path, fault: str, status: int) -> None:
    async with shop(tmp_path) as client:
        await order_fault(client, fault)
        assert (await client.raw(SHOP)).status_code == status
        assert (await client.raw(SHOP)).status_code == 200
        assert (await client.get("/_sandbox/faults"))["faults"][fault]["happened"] == 1


@pytest.mark.parametrize(("fault", "code"), [("throttled", "THROTTLED"), ("internal_error", "INTERNAL_SERVER_ERROR")])
async def test_a_refusal_may_hide_in_a_200(tmp_path: Path, fault: str, code: str) -> None:
    async with shop(tmp_path) as client:
        await order_fault(client, fault)
        assert (await client.said(SHOP))["errors"][0]["extensions"]["code"] == code


async def test_the_ceiling_can_be_lowered(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await order_fault(client, "max_cost", max_cost_points=50)
        assert (await client.said(LIST, first=60))["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
        assert (await client.said(LIST, first=60))["data"]


@pytest.mark.parametrize("fault", ["answer_lost", "timeout"])
async def test_an_answer_may_never_come(tmp_path: Path, fault: str) -> None:
    async with shop(tmp_path) as client:
        await order_fault(client, fault, timeout_ms=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.raw(SHOP)


async def test_without_level_two_access_people_are_null(tmp_path: Path) -> None:
    query = "query ($id: ID!) { order(id: $id) { name email customer { id } shippingAddress { zip } } }"
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}])
        await order_fault(client, "access_nulls")
        hidden = (await client.ask(query, id=placed["id"]))["order"]
        assert hidden == {"name": placed["name"], "email": None, "customer": None, "shippingAddress": None}
        assert (await client.ask(query, id=placed["id"]))["order"]["shippingAddress"]["zip"] == "07030"


async def test_many_orders_can_share_one_stamp(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        values = {"equal_updated_at_seconds": 86_400}
        await client.post("/_sandbox/faults", {"rates": {"equal_updated_at": 1}, "values": values})
        for _ in range(7):
            await client.place(lines=[{"sku": UPC}])
        found = await paged(client, first=3)
        assert len({one["updatedAt"] for one in found}) == 1
        assert len({one["name"] for one in found}) == 7


async def test_the_bucket_fills_again_and_can_be_made_larger(tmp_path: Path) -> None:
    settings = ShopifySettings(bucket=60, restore_rate=500)
    async with shop(tmp_path, settings) as client:
        for _ in range(2):
            await until(lambda: client.said(LIST, first=60), lambda said: "data" in said)
        assert "errors" in await client.said(LIST, first=100)
        await client.post("/_sandbox/faults", {"values": {"bucket": 20_000, "restore_rate": 1_000}})
        said = await until(lambda: client.said(LIST, first=100), lambda said: "data" in said)
        assert said["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 20_000
