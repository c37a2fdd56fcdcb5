"""Hooks at the sandbox's store: made, switched on again, mended, removed; and what doctor says about all of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.connectors.bigcommerce.webhook import SCOPES
from bcbridge.sandbox import bigcommerce as sandbox
from tests.connectors.bigcommerce.answers import HASH
from tests.connectors.bigcommerce.stores import SECRETS, a_room
from tests.contract.kit import Asked, Reply
from tests.contract.outside import saying, serving
from tests.openapi import check_request

PUBLIC = "http://127.0.0.1:9/"
OURS = "http://127.0.0.1:9/hooks/bc"
KEYS: dict[str, Any] = {"webhook_secret": "env:WORD", "client_secret": "env:KEY"}


@dataclass
class World:
    room: BigCommerce
    http: httpx.AsyncClient

    async def hooks(self) -> list[dict[str, Any]]:
        answer = await self.http.get("/v3/hooks", params={"limit": 250})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found

    async def standing(self) -> dict[str, list[str]]:
        """Destinations of the active hooks, by scope."""
        found: dict[str, list[str]] = {}
        for one in await self.hooks():
            if one["is_active"]:
                found.setdefault(one["scope"], []).append(one["destination"])
        return found

    async def make(self, scope: str, destination: str, **headers: str) -> None:
        told = {"scope": scope, "destination": destination, "is_active": True, "headers": headers or None}
        (await self.http.post("/v3/hooks", json=told)).raise_for_status()

    async def change(self, scope: str, **fields: Any) -> None:
        (one,) = [hook for hook in await self.hooks() if hook["scope"] == scope]
        (await self.http.put(f"/v3/hooks/{one['id']}", json=fields)).raise_for_status()


@asynccontextmanager
async def a_world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    settings = sandbox.BigCommerceSettings(store_hash=HASH, access_token=SECRETS["env:TOKEN"], quota=1e6)
    async with sandbox.serving(folder, settings=settings) as server:
        room = a_room(server.url, **{**KEYS, **changes})
        base = f"{server.url}/stores/{HASH}"
        try:
            token = {"X-Auth-Token": SECRETS["env:TOKEN"], "Accept": "application/json"}
            async with httpx.AsyncClient(base_url=base, headers=token) as http:
                yield World(room, http)
        finally:
            await room.aclose()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


WANTED = {scope: [OURS] for scope in SCOPES}


async def test_what_is_missing_is_made_and_a_second_look_changes_nothing(store: World) -> None:
    made = await store.room.keeper.keep(PUBLIC)
    assert [one.severity for one in made] == [Severity.WARNING] * len(SCOPES)
    assert await store.standing() == WANTED
    assert {one["headers"]["X-Bcbridge-Secret"] for one in await store.hooks()} == {"our-word"}
    (again,) = await store.room.keeper.keep(PUBLIC)
    assert "stand" in again.text


async def test_a_hook_that_was_switched_off_is_switched_on_again(store: World) -> None:
    await store.room.keeper.keep(PUBLIC)
    await store.change(SCOPES[0], is_active=False)
    (said,) = await store.room.keeper.keep(PUBLIC)
    assert "switched it off" in said.text
    assert await store.standing() == WANTED


async def test_a_moved_address_and_a_changed_word_are_mended_in_place(store: World) -> None:
    await store.room.keeper.keep("http://127.0.0.1:10")
    before = {one["id"] for one in await store.hooks()}
    await store.change(SCOPES[1], headers={"X-Bcbridge-Secret": "old", "X-Bcbridge-Connection": "bc"})
    await store.room.keeper.keep(PUBLIC)
    assert await store.standing() == WANTED
    assert {one["id"] for one in await store.hooks()} == before
    assert {one["headers"]["X-Bcbridge-Secret"] for one in await store.hooks()} == {"our-word"}


async def test_doubles_and_strays_of_ours_are_removed_and_others_are_left(store: World) -> None:
    await store.room.keeper.keep(PUBLIC)
    await store.make("store/order/created", "http://127.0.0.1:10/hooks/bc", **{"X-Bcbridge-Connection": "bc"})
    await store.make("store/product/updated", OURS, **{"X-Bcbridge-Connection": "bc"})
    theirs = "http://127.0.0.1:11/loyalty"
    await store.make("store/product/updated", theirs)
    await store.make("store/order/created", theirs, **{"X-Bcbridge-Connection": "another-of-ours"})
    said = await store.room.keeper.keep(PUBLIC)
    assert sorted(one.text.rpartition(", ")[2] for one in said) == ["a double", "no longer wanted"]
    assert await store.standing() == {
        **WANTED,
        "store/order/created": [OURS, theirs],
        "store/product/updated": [theirs],
    }


async def test_without_an_address_or_a_word_nothing_is_made_and_it_is_said(tmp_path: Path) -> None:
    async with a_world(tmp_path, webhook_secret=None) as store:
        (no_word,) = await store.room.keeper.keep(PUBLIC)
        (no_address,) = await store.room.keeper.keep("")
        assert ("webhook_secret" in no_word.text, "public address" in no_address.text) == (True, True)
        assert await store.hooks() == []


@pytest.mark.parametrize("address", ["http://shop.example.com", "https://shop.example.com:8443"])
async def test_an_address_bigcommerce_does_not_ring_at_is_an_error(store: World, address: str) -> None:
    (said,) = await store.room.keeper.keep(address)
    assert (said.severity, "443" in said.text) == (Severity.ERROR, True)
    assert await store.hooks() == []


def hook(number: int, scope: str) -> dict[str, Any]:
    headers = {"X-Bcbridge-Secret": "our-word", "X-Bcbridge-Connection": "bc"}
    return {
        "id": number,
        "client_id": "app",
        "store_hash": HASH,
        "scope": scope,
        "destination": OURS,
        "headers": headers,
        "is_active": True,
        "created_at": 1,
        "updated_at": 1,
    }


def a_script(asked: Asked) -> Reply:
    """All hooks stand, and one domain is blocked; nothing new is taken."""
    check_request(asked.method, asked.path, asked.query, json.loads(asked.body) if asked.body else None)
    if asked.path.endswith("/admin"):
        blocked = [{"destination": "https://shop.example.com/hooks/bc", "time_left": 170, "reasons": []}]
        return Reply(200, json.dumps({"data": {"blocked_domains": blocked}}).encode())
    if asked.method != "GET":
        return Reply(422, b'{"status": 422, "title": "no", "errors": {}}')
    data = [hook(number, scope) for number, scope in enumerate(SCOPES[1:], start=1)]
    return Reply(200, json.dumps({"data": data, "meta": {}}).encode())


@pytest.mark.contract
async def test_a_blocked_domain_and_a_hook_that_is_not_taken_are_told_in_words() -> None:
    async with serving(saying(a_script)) as server:
        room = a_room(server.url, **KEYS)
        refused, blocked = await room.keeper.keep(PUBLIC)
        await room.aclose()
    assert (refused.severity, refused.text) == (
        Severity.ERROR,
        f"{SCOPES[0]}: no hook stands, BigCommerce does not take the call: 422",
    )
    assert (blocked.severity, "shop.example.com for another 170 s" in blocked.text) == (Severity.WARNING, True)


@pytest.mark.contract
@pytest.mark.parametrize("denied", ["GET", "POST"])
async def test_an_account_that_may_not_keep_hooks_is_told_of_and_stops_no_orders(denied: str) -> None:
    """A token that reads alone: raised, it would pause the whole connection, at every look anew."""
    refused = Reply(403, b'{"status": 403, "title": "Your token lacks a scope", "errors": {}}')
    empty = Reply(200, b'{"data": [], "meta": {}}')

    def answer(asked: Asked) -> Reply:
        return refused if asked.method == denied and "/hooks" in asked.path else empty

    async with serving(saying(answer)) as server:
        room = a_room(server.url, **KEYS)
        (said,) = await room.keeper.keep(PUBLIC)
        await room.aclose()
    assert (said.severity, "403" in said.text, "store_v2_information" in said.fix) == (Severity.ERROR, True, True)


# -- doctor -----------------------------------------------------------------------------------------------------


def about(findings: list[Finding], topic: str) -> list[str]:
    return [f"{one.severity}: {one.text}" for one in findings if one.topic == topic]


async def test_doctor_tells_what_it_sees(store: World) -> None:
    findings = await store.room.doctor()
    assert [one for one in findings if one.severity is Severity.ERROR] == []
    assert "abc123" in about(findings, "store")[0]
    assert "USD" in about(findings, "currency")[0]
    assert about(findings, "time") == ["info: BigCommerce's clock and ours agree"]
    assert "order is placed" in about(findings, "stock")[0]
    assert "default" in about(findings, "locations")[0]
    assert "10 % are left" in about(findings, "quota")[0]
    assert about(findings, "webhooks")[0].startswith(f"info: {len(SCOPES)} of {len(SCOPES)} hooks are not there")
    await store.room.keeper.keep(PUBLIC)
    assert f"info: all {len(SCOPES)} hooks stand" in about(await store.room.doctor(), "webhooks")


async def test_23_doctor_names_the_location_the_storefront_shows_and_says_that_it_shows_no_other(store: World) -> None:
    """Pieces kept at the others are not sold: which location is the default is to be seen before stock is written."""
    places = (await store.http.get("/v3/inventory/locations")).raise_for_status().json()["data"]
    default, *others = (f"{one['label']} (id {one['id']}" for one in sorted(places, key=lambda one: one["id"]))
    named, warned = about(await store.room.doctor(), "locations")
    assert named == f"info: {default}, default); " + "; ".join(f"{one})" for one in others)
    assert "the storefront shows the default location's stock alone" in warned


async def test_doctor_names_a_second_buffer_and_who_is_warned_of_low_numbers(store: World) -> None:
    assert about(await store.room.doctor(), "numbers")[0].endswith("without safety stock")
    item = {"identity": {"variant_id": 4001}, "safety_stock": 2, "warning_level": 5}
    (await store.http.put("/v3/inventory/locations/1/items", json={"settings": [item]})).raise_for_status()
    _, held, warned = about(await store.room.doctor(), "numbers")
    assert held.startswith("warning: 1 have a safety stock at BigCommerce, as 040123000013")
    assert warned.startswith("info: 1 warn of a low number")


async def test_doctor_tells_a_channel_that_lowers_stock_only_at_shipment(tmp_path: Path) -> None:
    behaviour = {"update_stock_behavior": "order_completed_or_shipped"}
    async with a_world(tmp_path, channel_ids=[1, 2]) as store:
        (await store.http.put("/v3/settings/inventory?channel_id=2", json=behaviour)).raise_for_status()
        _, channel = about(await store.room.doctor(), "stock")
        assert channel.startswith("warning: channel 2: stock is lowered only when")


async def test_doctor_names_the_scope_that_a_refusal_points_at() -> None:
    """Orders can be read, and nothing else."""
    denied = Reply(403, b'{"status": 403, "title": "no scope"}')

    def only_orders(asked: Asked) -> Reply:
        return Reply(204, b"") if asked.path.endswith("/v2/orders") else denied

    async with serving(saying(only_orders)) as server:
        room = a_room(server.url, **KEYS)
        findings = await room.doctor()
        await room.aclose()
    errors = {one.topic: one.fix for one in findings if one.severity is Severity.ERROR}
    assert errors["skus"] == "scope store_v2_products_read_only"
    assert errors["refunds"] == "scope store_v2_transactions_read_only"
    assert "orders" not in errors


async def test_doctor_tells_another_api_account_from_the_one_in_the_settings(tmp_path: Path) -> None:
    async with a_world(tmp_path, client_id="env:APP") as store:
        await store.room.keeper.keep(PUBLIC)
        told = [one for one in await store.room.doctor() if one.severity is Severity.ERROR]
        assert ["another API account" in one.text for one in told] == [True]
