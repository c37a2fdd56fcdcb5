"""Webhooks at the sandbox's shop: made, remade, removed; and what cannot ring here, said in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from bcbridge.connectors.base import Severity
from bcbridge.connectors.woocommerce.keeper import unreachable
from bcbridge.connectors.woocommerce.webhook import ORDER_TOPICS
from bcbridge.errors import OpenCircuit
from tests.connectors.woocommerce.shops import READ_ONLY, World, a_script, a_shop, another_room, said, settings

pytestmark = pytest.mark.contract

PUBLIC = "http://127.0.0.1:9/"
OURS = "http://127.0.0.1:9/hooks/shop"
Json = dict[str, Any]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path) as world:
        yield world


async def webhooks(shop: World) -> list[Json]:
    found: list[Json] = await shop.call("GET", "/webhooks", per_page="100")
    return found


async def standing(shop: World) -> dict[str, list[str]]:
    """Addresses of those that are active, by topic."""
    found: dict[str, list[str]] = {}
    for one in await webhooks(shop):
        if one["status"] == "active":
            found.setdefault(one["topic"], []).append(one["delivery_url"])
    return found


async def make(shop: World, **hook: str) -> int:
    whole = {"topic": "order.updated", "delivery_url": "http://127.0.0.1:11/", "secret": "s", "name": "loyalty", **hook}
    return int((await shop.call("POST", "/webhooks", whole))["id"])


WANTED = {topic: [OURS] for topic in ORDER_TOPICS}


async def test_what_is_missing_is_made_and_a_second_look_changes_nothing(shop: World) -> None:
    made = await shop.room.keeper.keep(PUBLIC)
    assert [one.severity for one in made] == [Severity.WARNING] * len(ORDER_TOPICS)
    assert await standing(shop) == WANTED
    before = await webhooks(shop)
    (again,) = await shop.room.keeper.keep(PUBLIC)
    assert (again.severity, "stand" in again.text) == (Severity.INFO, True)
    assert await webhooks(shop) == before


@pytest.mark.parametrize("status", ["disabled", "paused"])
async def test_trap_10_a_webhook_switched_off_is_made_anew_not_switched_on(shop: World, status: str) -> None:
    """Switched on again it would keep its count of failures, and go off at the next one."""
    await shop.room.keeper.keep(PUBLIC)
    (off,) = [one["id"] for one in await webhooks(shop) if one["topic"] == "order.updated"]
    await shop.call("PUT", f"/webhooks/{off}", {"status": status})
    (finding,) = await shop.room.keeper.keep(PUBLIC)
    assert (finding.severity, finding.text) == (
        Severity.WARNING,
        f"order.updated: the shop had set it to {status}, made anew",
    )
    assert await standing(shop) == WANTED
    assert off not in {one["id"] for one in await webhooks(shop)}


async def test_trap_10_the_seventh_failure_in_a_row_is_found_and_mended(tmp_path: Path) -> None:
    """Nobody answers at the address: the shop itself switches the webhook off."""
    async with a_shop(tmp_path, plan=settings(webhook_seconds=0.0, webhook_timeout_seconds=0.5)) as shop:
        await shop.fault(values={"webhook_once_seconds": 0})
        await shop.room.keeper.keep(PUBLIC)
        ref = await shop.place()
        with anyio.fail_after(60):
            while "order.updated" in await standing(shop):
                await shop.happens(ref, "touch")
                await anyio.sleep(0.05)
        said = await shop.room.keeper.keep(PUBLIC)
        assert any(one.text.startswith("order.updated: the shop had set it to disabled") for one in said)
        assert OURS in (await standing(shop))["order.updated"]


async def test_an_address_that_moved_is_followed(shop: World) -> None:
    await shop.room.keeper.keep("http://127.0.0.1:10")
    said = await shop.room.keeper.keep(PUBLIC)
    assert {one.text.partition(": ")[2] for one in said} == {"it pointed elsewhere, made anew"}
    assert await standing(shop) == WANTED


async def test_a_secret_that_changed_makes_them_anew(tmp_path: Path) -> None:
    """The shop never shows a secret: their names bear a mark of it."""
    async with a_shop(tmp_path) as shop:
        await shop.room.keeper.keep(PUBLIC)
        before = {one["id"] for one in await webhooks(shop)}
        async with another_room(shop, webhook_secret="env:NEW_HOOK") as other:
            await other.keeper.keep(PUBLIC)
        assert await standing(shop) == WANTED
        assert before.isdisjoint(one["id"] for one in await webhooks(shop))
        assert not any("hooksecret" in str(one) for one in await webhooks(shop))


async def test_doubles_and_strays_of_ours_are_removed_and_others_are_left(shop: World) -> None:
    await shop.room.keeper.keep(PUBLIC)
    named = next(one["name"] for one in await webhooks(shop) if one["topic"] == "order.updated")
    await make(shop, name=named, delivery_url="http://127.0.0.1:10/hooks/shop")
    await make(shop, name=named, topic="product.updated", delivery_url=OURS)
    foreign: tuple[Json, ...] = ({}, {"name": "bcbridge shop2 order.updated"}, {"topic": "product.updated"})
    others = [await make(shop, **hook) for hook in foreign]
    assert len(await shop.room.keeper.keep(PUBLIC)) == 2
    kept = {one["id"]: one["delivery_url"] for one in await webhooks(shop)}
    assert {id_ for id_, url in kept.items() if url != OURS} == set(others)
    assert list(kept.values()).count(OURS) == len(ORDER_TOPICS)


async def test_without_a_public_address_or_a_secret_none_can_exist_and_nothing_is_written(tmp_path: Path) -> None:
    async with a_shop(tmp_path, webhook_secret=None) as shop:
        for url, missing in (("", "public address"), (PUBLIC, "webhook_secret")):
            (said,) = await shop.room.keeper.keep(url)
            assert (said.severity, missing in said.text) == (Severity.INFO, True)
        assert await webhooks(shop) == []


async def test_a_secret_that_wordpress_would_change_is_an_error(tmp_path: Path) -> None:
    async with a_shop(tmp_path, webhook_secret="env:ODD_HOOK") as shop:
        (said,) = await shop.room.keeper.keep(PUBLIC)
        assert (said.severity, "odd" in said.text) == (Severity.ERROR, False)
        assert await webhooks(shop) == []


async def test_keys_that_may_only_read_are_said_in_words_and_stop_no_orders(tmp_path: Path) -> None:
    async with a_shop(tmp_path, **READ_ONLY) as shop:
        (said,) = await shop.room.keeper.keep(PUBLIC)
        assert (said.severity, "may only read" in said.text) == (Severity.ERROR, True)


async def test_keys_that_are_refused_altogether_pause_the_shop(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.http.post("/_sandbox/faults", json={"rates": {"key_401": 1}})
        with pytest.raises(OpenCircuit):
            await shop.room.keeper.keep(PUBLIC)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://bridge.example.com", ""),
        ("https://bridge.example.com:8080/x", ""),
        ("https://bridge.example.com:8443", "ports 80, 443 and 8080"),
        ("http://bridge.example.com", "not https"),
        ("https://10.0.0.5", "private"),
        ("https://127.0.0.1", "private"),
        ("https://localhost", "private"),
        ("https://[fd00::1]", "private"),
        ("https://8.8.8.8", ""),
    ],
)
def test_where_the_shop_would_not_deliver_is_known_before(url: str, why: str) -> None:
    said = unreachable(url, "https://shop.example.com")
    assert bool(said) == bool(why)
    assert why in said


def test_a_sandbox_on_loopback_may_ring_anywhere_on_loopback() -> None:
    assert unreachable("http://127.0.0.1:8099", "http://127.0.0.1:9103") == ""


async def test_an_unreachable_address_is_an_error_and_nothing_is_asked() -> None:
    async with a_script(said([])) as (script, room):
        (finding,) = await room.keeper.keep("http://bridge.example.com")
    assert finding.severity is Severity.ERROR
    assert script.asked == []
