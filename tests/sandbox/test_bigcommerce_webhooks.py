"""Webhooks of the simulated BigCommerce: ids only, our headers back, signed, tried again, given up, blocked."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bigcommerce import BigCommerceSettings
from bcbridge.sandbox.bigcommerce.deliveries import RETRIES
from tests.conftest import contract_path
from tests.sandbox.bigcommerce_client import LAVISH, ShopClient, shop
from tests.sandbox.shopify_client import until
from tests.sandbox.test_shopify_webhooks import Ear, ear

JSON = dict[str, Any]
LINES = [{"sku": catalogue.WEB_SKUS[0].upc}]
IMPATIENT = replace(LAVISH, retry_scale=0)
OURS = {"X-Bridge-Secret": "told by us"}


@asynccontextmanager
async def listening(
    folder: Path, *scopes: str, settings: BigCommerceSettings = IMPATIENT
) -> AsyncIterator[tuple[ShopClient, Ear]]:
    async with ear() as heard, shop(folder, settings) as sold:
        for scope in scopes:
            await subscribe(sold, heard.url, scope)
        yield sold, heard


async def subscribe(sold: ShopClient, url: str, scope: str) -> httpx.Response:
    hook = {"scope": scope, "destination": url, "is_active": True, "headers": OURS}
    return await sold.call("POST", "v3/hooks", hook)


def bodies(heard: Ear) -> list[JSON]:
    return [orjson.loads(body) for _, body in heard.heard]


def signed(headers: dict[str, str], body: bytes) -> str:
    """What Standard Webhooks says the signature is."""
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(LAVISH.client_secret.encode(), text, hashlib.sha256).digest()).decode()


def shape(value: Any) -> Any:
    """The keys of an object and the types of its values."""
    return {key: shape(one) for key, one in value.items()} if isinstance(value, dict) else type(value).__name__


@pytest.mark.parametrize(
    ("scope", "sample"),
    [
        ("created", "store_order_created"),
        ("updated", "store_order_updated"),
        ("statusUpdated", "store_order_statusUpdated"),
        ("archived", "store_order_archived"),
        ("refund/created", "store_order_refund_created"),
        ("transaction/created", "store_order_transaction_created"),
    ],
)
async def test_bodies_are_as_in_the_samples(tmp_path: Path, scope: str, sample: str) -> None:
    theirs = orjson.loads(contract_path("bigcommerce", "webhook-callbacks", f"{sample}.json").read_bytes())
    async with listening(tmp_path, f"store/order/{scope}") as (sold, heard):
        order = await sold.place(lines=LINES)
        await sold.happen(order, "refund", lines={"0": 1})
        await sold.happen(order, "archive")
        await heard.has(1)
        assert shape(bodies(heard)[0]) == shape(theirs)
        assert bodies(heard)[0]["producer"] == "stores/sandbox1"


async def test_our_headers_come_back_and_the_signature_is_right(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/created") as (sold, heard):
        await sold.place(lines=LINES)
        await heard.has(1)
        headers, body = heard.heard[0]
        assert headers["x-bridge-secret"] == "told by us"
        assert headers["webhook-signature"] == signed(headers, body)


async def test_an_abandoned_checkout_rings_like_an_order(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/*") as (sold, heard):
        order = await sold.place(lines=LINES, abandoned=True)
        await heard.has(1)
        await sold.happen(order, "complete")
        await heard.has(4)
        assert bodies(heard)[0]["scope"] == "store/order/created"
        assert {one["scope"] for one in bodies(heard)[1:]} == {
            "store/order/updated",
            "store/order/statusUpdated",
            "store/order/transaction/created",
        }


async def test_two_updates_in_one_second_share_a_hash(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/updated") as (sold, heard):
        order = await sold.place(lines=LINES)
        for _ in range(6):
            await sold.happen(order, "touch")
        await heard.has(6)
        told = [(one["hash"], one["created_at"]) for one in bodies(heard)]
        assert len({at for _, at in told}) == len(set(told)) < 6


async def test_fates_befall_webhooks_as_ordered(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/created") as (sold, heard):
        await sold.faults(once={"webhook_bad_header": 1})
        await sold.place(lines=LINES)
        await heard.has(1)
        assert heard.heard[0][0]["x-bridge-secret"] != "told by us"
        await sold.faults(once={"webhook_bad_hmac": 1})
        await sold.place(lines=LINES)
        await heard.has(2)
        headers, body = heard.heard[1]
        assert headers["webhook-signature"] != signed(headers, body)
        await sold.faults(rates={"webhook_unsigned": 1})
        await sold.place(lines=LINES)
        await heard.has(3)
        assert "webhook-signature" not in heard.heard[2][0]
        await sold.faults(clear=True, once={"webhook_twice": 1})
        await sold.place(lines=LINES)
        await heard.has(5)
        assert bodies(heard)[3] == bodies(heard)[4]
        await sold.faults(once={"webhook_drop": 1})
        await sold.place(lines=LINES)
        await until(lambda: outcomes(sold), lambda found: found.get("dropped") == 1)


async def outcomes(sold: ShopClient) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in await sold.noun("deliveryCounts"):
        found[row["outcome"]] = found.get(row["outcome"], 0) + row["count"]
    return found


async def test_a_failure_is_tried_again_and_any_2xx_is_taken(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/created") as (sold, heard):
        heard.answers = [500, 404, 204]
        await sold.place(lines=LINES)
        await until(lambda: outcomes(sold), lambda found: found.get("delivered") == 1)
        assert len({body for _, body in heard.heard}) == 1
        assert len({headers["webhook-id"] for headers, _ in heard.heard}) == 1


async def test_after_the_last_try_the_hook_is_off_until_it_is_put_on_again(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/created") as (sold, heard):
        heard.usual = 500
        await sold.place(lines=LINES)
        hooks = await until(lambda: sold.get("v3/hooks"), lambda found: not found["data"][0]["is_active"])
        assert len(heard.heard) == len(RETRIES) + 1
        (listed,) = (await sold.get("v3/hooks/admin"))["data"]["hooks_list"]
        assert listed["status"] == "deactivated"
        heard.usual = 200
        await sold.call("PUT", f"v3/hooks/{hooks['data'][0]['id']}", {"is_active": True})
        await sold.place(lines=LINES)
        await heard.has(len(RETRIES) + 2)


async def test_a_destination_that_takes_too_little_is_blocked_and_shown(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/created", settings=replace(LAVISH, retry_scale=1)) as (sold, heard):
        heard.usual = 500
        await sold.sell(130, simple=True)

        async def blocked() -> list[JSON]:
            return list((await sold.get("v3/hooks/admin"))["data"]["blocked_domains"])

        (there,) = await until(blocked, bool)
        assert there["destination"] in heard.url
        assert 0 < there["time_left"] <= 181
        before = len(heard.heard)
        heard.usual = 200
        await sold.place(lines=LINES)
        await sold.door("POST", "clock", {"advance_seconds": 400})
        await until(lambda: outcomes(sold), lambda found: found.get("delivered", 0) >= 131)
        assert len(heard.heard) > before


async def test_hooks_are_made_once_for_a_destination_and_only_here(tmp_path: Path) -> None:
    async with listening(tmp_path, "store/order/created") as (sold, heard):
        assert (await subscribe(sold, heard.url, "store/order/created")).status_code == 422
        assert (await subscribe(sold, "https://example.com/hooks", "store/order/created")).status_code == 422
        assert (await subscribe(sold, heard.url, "store/nothing")).status_code == 422
        (hook,) = (await sold.get("v3/hooks", scope="store/order/created"))["data"]
        assert hook["headers"] == OURS
        assert (await sold.call("DELETE", f"v3/hooks/{hook['id']}")).status_code == 200
        assert await sold.status(f"v3/hooks/{hook['id']}") == 404
        assert (await sold.call("PUT", "v3/hooks/admin", {"emails": ["ops@example.com"]})).status_code == 204
        assert (await sold.get("v3/hooks/admin"))["data"]["emails"] == ["ops@example.com"]


async def test_a_new_shop_has_the_hooks_it_is_told_to_have(tmp_path: Path) -> None:
    async with ear() as heard:
        told = ("store/order/created", heard.url, (("X-Bridge-Secret", "told by us"),))
        async with shop(tmp_path, replace(IMPATIENT, default_hooks=(told,))) as sold:
            await sold.door("POST", "reset")
            assert len((await sold.get("v3/hooks"))["data"]) == 1
            await sold.place(lines=LINES)
            await heard.has(1)
            assert heard.heard[0][0]["x-bridge-secret"] == "told by us"
