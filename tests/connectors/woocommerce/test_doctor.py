"""What doctor says of the sandbox's shop, and of shops set up badly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.looks import NOT_ASKED
from bcbridge.connectors.woocommerce import WooCommerceSettings
from bcbridge.connectors.woocommerce.doctor import Doctor
from bcbridge.connectors.woocommerce.keeper import Keeper
from bcbridge.connectors.woocommerce.signing import Way
from bcbridge.model.ids import ConnectorName
from bcbridge.sandbox.woocommerce import WooCommerceSettings as Plan
from tests.connectors.woocommerce.answers import SETTINGS, recorded
from tests.connectors.woocommerce.shops import (
    QUIET,
    READ_ONLY,
    World,
    a_client,
    a_script,
    a_shop,
    another_room,
    said,
    settings,
)
from tests.contract.kit import Asked, Reply
from tests.contract.outside import Handler, saying, serving

pytestmark = pytest.mark.contract


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path) as world:
        yield world


def of(findings: list[Finding], topic: str) -> list[Finding]:
    return [one for one in findings if one.topic == topic]


async def test_a_shop_that_is_well_has_nothing_to_mend(shop: World) -> None:
    await shop.room.keeper.keep("http://127.0.0.1:9")
    findings = await shop.room.doctor()
    assert [one for one in findings if one.severity is not Severity.INFO] == []
    text = " | ".join(one.text for one in findings)
    for told in (
        "signature on each call",
        "may write",
        "Europe/Paris",
        "WooCommerce 10.5.2",
        "HPOS",
        "EUR",
        "processing",
    ):
        assert told in text
    for told in ("manages stock", "no SKU stands on two", "all 4 webhooks stand"):
        assert told in text


async def test_keys_that_may_only_read_are_told_without_writing(tmp_path: Path) -> None:
    async with a_shop(tmp_path, **READ_ONLY) as shop:
        findings = of(await shop.room.doctor(), "keys")
        assert [one.severity for one in findings] == [Severity.INFO, Severity.WARNING]
        assert "may only read" in findings[1].text
        assert await shop.call("GET", "/webhooks") == []


async def test_a_status_the_shop_does_not_know_is_an_error(tmp_path: Path) -> None:
    async with a_shop(tmp_path, well_formed=False, import_statuses=["processing", "shipped-ish"]) as shop:
        (finding,) = of(await shop.room.doctor(), "statuses")
        assert (finding.severity, "shipped-ish" in finding.text) == (Severity.ERROR, True)


async def test_a_plugins_status_may_be_imported(tmp_path: Path) -> None:
    async with a_shop(tmp_path, import_statuses=["processing", "packing"]) as shop:
        (finding,) = of(await shop.room.doctor(), "statuses")
        assert finding.severity is Severity.INFO


async def test_webhooks_that_are_off_or_missing_are_named(shop: World) -> None:
    await shop.room.keeper.keep("http://127.0.0.1:9")
    first = (await shop.call("GET", "/webhooks"))[0]
    await shop.call("PUT", f"/webhooks/{first['id']}", {"status": "disabled"})
    (finding,) = of(await shop.room.doctor(), "webhooks")
    assert "1 of 4" in finding.text
    assert first["topic"] in finding.text


# -- what left ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (QUIET, "a note for each parcel"),
        (settings(shipment_tracking=True), "a tracking for each number"),
        (settings(fulfillments=True, shipment_tracking=True), "as fulfilments"),
    ],
)
async def test_how_a_shop_is_told_what_left_is_said(tmp_path: Path, plan: Plan, text: str) -> None:
    async with a_shop(tmp_path, plan=plan) as shop:
        await shop.place()
        (finding,) = of(await shop.room.doctor(), "dispatches")
        assert (finding.severity, text in finding.text) == (Severity.INFO, True)


@pytest.mark.parametrize("way", ["fulfillments", "shipment_tracking"])
async def test_a_way_that_the_shop_lacks_is_an_error(shop: World, way: str) -> None:
    async with another_room(shop, tracking=way) as room:
        (finding,) = of(await room.doctor(), "dispatches")
    assert (finding.severity, way in finding.text) == (Severity.ERROR, True)


async def test_a_right_that_is_missing_for_telling_is_said(tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=settings(fulfillments=True, key_may_manage=False)) as shop:
        await shop.place()
        (finding,) = of(await shop.room.doctor(), "dispatches")
        assert (finding.severity, "shop manager" in finding.fix) == (Severity.WARNING, True)


@pytest.mark.parametrize(("status", "severities"), [("packing", ["info"]), ("partial-ish", ["info", "error"])])
async def test_a_status_for_parts_that_the_shop_does_not_know_is_an_error(
    tmp_path: Path, status: str, severities: list[str]
) -> None:
    async with a_shop(tmp_path, well_formed=False, partial_status=status) as shop:
        found = of(await shop.room.doctor(), "dispatches")
    assert [one.severity for one in found] == severities


# -- shops set up badly, by hand --------------------------------------------------------------------------------


def a_bad_shop(changed: Mapping[str, Any]) -> Handler:
    """Answers by path; ``changed`` by the last step of it."""
    answers: dict[str, Any] = {
        "orders": [],
        "0": Reply(404, json.dumps({"code": "woocommerce_rest_shop_webhook_invalid_id", "data": 404}).encode()),
        "wp-json": recorded("wp_json_index.json"),
        "v3": recorded("namespace_index_wc_v3.json"),
        "system_status": recorded("system_status.json"),
        "woocommerce_manage_stock": {"id": "woocommerce_manage_stock", "value": "yes"},
        "woocommerce_hold_stock_minutes": {"id": "woocommerce_hold_stock_minutes", "value": "60"},
        "products": [],
        "variations": [],
        "webhooks": [],
        **changed,
    }

    def answer(asked: Asked) -> Reply:
        given = answers[asked.path.rstrip("/").rpartition("/")[2]]
        return given if isinstance(given, Reply) else said(given)

    return saying(answer)


async def findings_of(
    url: str = "https://shop.example.com", way: Way = Way.BASIC, changed: Mapping[str, Any] | None = None
) -> list[Finding]:
    """Of a shop that is called ``url`` and answers by hand."""
    async with serving(a_bad_shop(changed or {})) as server, a_client(server.url, way) as client:
        keeper = Keeper(client, ConnectorName("shop"), address=url, secret="s")
        hooked = {**SETTINGS, "url": url, "webhook_secret": "env:HOOK"}
        return await Doctor(client, keeper, WooCommerceSettings.model_validate(hooked)).findings()


def worse(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.text) for one in findings if one.severity is not Severity.INFO]


async def test_the_recorded_shop_is_well() -> None:
    findings = await findings_of()
    assert worse(findings) == []
    assert any("America/New_York" in one.text for one in findings)
    assert any("GBP with 2 decimals" in one.text for one in findings)


async def test_plain_http_and_keys_in_the_query_are_warned_of() -> None:
    ((_, clear),) = worse(await findings_of("http://shop.example.com", Way.OAUTH1))
    assert "readable for anybody" in clear
    assert "secret" not in clear
    ((_, basic),) = worse(await findings_of("http://shop.example.com", Way.BASIC))
    assert "the secret of the keys too" in basic
    ((_, query),) = worse(await findings_of(way=Way.QUERY))
    assert "logs of the host" in query


PARENT = {"id": 11, "type": "variable", "sku": "00417", "manage_stock": False}


def a_variation(id_: int, sku: str, **counted: Any) -> dict[str, Any]:
    return {"id": id_, "sku": sku, "manage_stock": True, "stock_quantity": 5, "backorders": "no", **counted}


async def test_trap_13_one_sku_on_two_variations_is_named() -> None:
    variations = [a_variation(id_, sku) for id_, sku in ((12, "A"), (13, "B"), (14, "A"))]
    simple = a_variation(15, "B", type="simple")
    ((severity, text),) = worse(await findings_of(changed={"products": [PARENT, simple], "variations": variations}))
    assert (severity, text) == ("warning", "2 SKUs stand on several products or variations: A, B")


async def test_a_variation_that_bears_its_parents_sku_alone_is_no_double() -> None:
    alone = [a_variation(12, "00417")]
    assert worse(await findings_of(changed={"products": [PARENT], "variations": alone})) == []


async def test_variations_that_share_their_parents_stock_are_told() -> None:
    shared = [a_variation(12, "A", manage_stock="parent"), a_variation(13, "B", manage_stock="parent")]
    ((_, text),) = worse(await findings_of(changed={"products": [PARENT], "variations": shared}))
    assert text.startswith("2 variations share the stock of their parent")


async def test_what_is_sold_without_end_or_by_the_metre_or_is_not_counted_is_told() -> None:
    odd = [
        a_variation(12, "A", backorders="notify"),
        a_variation(13, "B", stock_quantity=2.5),
        a_variation(14, "C", manage_stock=False, stock_quantity=None),
    ]
    findings = of(await findings_of(changed={"products": [PARENT], "variations": odd}), "stock")
    assert [text.partition(":")[0] for _, text in worse(findings)] == [
        "1 products and variations allow backorders",
        "1 numbers are no whole pieces",
    ]
    assert any("counted from the first number on" in one.text for one in findings)


async def test_pieces_of_unpaid_orders_that_are_kept_for_nobody_are_told() -> None:
    assert any("kept for 60 minutes" in one.text for one in await findings_of())
    for minutes in ("", "0", None):
        ((_, text),) = worse(await findings_of(changed={"woocommerce_hold_stock_minutes": {"value": minutes}}))
        assert "may both buy the last one" in text


async def test_a_shop_without_stock_or_with_a_cache_or_without_the_api_is_told() -> None:
    index, system = recorded("wp_json_index.json"), recorded("system_status.json")
    system["settings"]["enabled_features"] = ["rest_api_caching"]
    index["namespaces"] = ["wp/v2"]
    changed = {"woocommerce_manage_stock": {"value": "no"}, "system_status": system, "wp-json": index}
    found = await findings_of(changed=changed)
    assert [text.partition(":")[0] for _, text in worse(found)] == [
        "the shop does not offer wc/v3",
        "the experimental cache of the REST API is on",
        "the shop does not manage stock",
    ]


async def test_webhooks_that_ring_nowhere_are_an_error() -> None:
    hook = {"id": 1, "name": "bcbridge shop order.updated x", "topic": "order.updated", "status": "active"}
    hook["delivery_url"] = "https://10.0.0.5/hooks/shop"
    ((severity, text),) = worse(await findings_of(changed={"webhooks": [hook]}))
    assert (severity, "private" in text) == ("error", True)


async def test_what_cannot_be_looked_at_is_said_and_the_rest_goes_on() -> None:
    refused = Reply(403, b'{"code":"woocommerce_rest_cannot_view","message":"Sorry","data":{"status":403}}')
    findings = await findings_of(changed={"system_status": refused})
    assert [(one.topic, one.severity) for one in findings if one.severity is Severity.ERROR] == [("system", "error")]


async def test_a_shop_that_is_down_is_said_once() -> None:
    async with a_script(said(b"", 503)) as (_, room):
        *looked, rest = await room.doctor()
        assert [(one.topic, one.severity) for one in looked] == [("keys", Severity.ERROR), ("shop", Severity.ERROR)]
        assert rest == NOT_ASKED
