"""What the sandbox's WooCommerce shop sells: the same for the same seed, and what is spoilt says how."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bcbridge.sandbox.base import World
from bcbridge.sandbox.catalogue import SKU_BY_UPC
from bcbridge.sandbox.shopping.canary import DIGITS, MARK
from bcbridge.sandbox.shopping.mix import FAULTS as COMMON
from bcbridge.sandbox.shopping.mix import OF_THE_CODE, Wishes, draw
from bcbridge.sandbox.shopping.shopper import Shopper
from bcbridge.sandbox.woocommerce import NEW_YORK, WooCommerceSettings, api, season
from bcbridge.sandbox.woocommerce.serving import SCHEMA, own_values
from bcbridge.sandbox.woocommerce.shop import Shop
from bcbridge.sandbox.woocommerce.trade import faults, trade
from tests.sandbox.woocommerce_client import JSON, QUICK, WooClient, shop, until

UPC = "040123000013"


def essence(order: JSON) -> object:
    """What a plan's seed determines: neither ids nor stamps."""
    lines = [(line["name"], line["quantity"], line["total"]) for line in order["line_items"]]
    return lines, order["total"], order["status"], order["shipping"], order["_sandbox"]["unbookable"]


async def test_the_same_seed_sells_the_same_orders(tmp_path: Path) -> None:
    async with shop(tmp_path / "one") as one, shop(tmp_path / "two") as two:
        first = [essence(order) for order in await one.sell(orders=40, seed=9)]
        assert first == [essence(order) for order in await two.sell(orders=40, seed=9)]


@pytest.mark.parametrize("settings", [WooCommerceSettings(), NEW_YORK], ids=["Paris", "New York"])
def test_a_mix_has_everything_and_spoils_in_all_ways(settings: WooCommerceSettings) -> None:
    draws = [draw(Wishes(seed=3, unbookable=0.1), index, trade(settings)) for index in range(1500)]
    spoilt = Counter(name for drawn in draws for name in drawn.unbookable)
    assert set(spoilt) == set(faults(settings)) >= set(COMMON)
    assert 0.07 < sum(bool(drawn.unbookable) for drawn in draws) / len(draws) < 0.13
    spoilt_all = [draw(Wishes(seed=5, unbookable=1), index, trade(settings)).unbookable for index in range(1500)]
    assert not any(len({*names} & {*OF_THE_CODE}) > 1 for names in spoilt_all), "one hides the other"
    later = {tuple(what for _, what, _ in drawn.later) for drawn in draws}
    assert later >= {(), ("pay",), ("edit", "pay"), ("refund", "pay"), ("cancel",)}


def test_a_mix_without_spoiling_spoils_nothing() -> None:
    assert not any(draw(Wishes(seed=3, unbookable=0), at, trade(QUICK)).unbookable for at in range(300))


async def test_plain_orders_are_plain(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for order in await client.sell(orders=20, seed=2, simple=True):
            assert (order["status"], order["currency"], order["fee_lines"]) == ("processing", "EUR", [])
            assert [line["method_title"] for line in order["shipping_lines"]] == ["Standard"]
            assert order["_sandbox"]["unbookable"] == []


async def shown(client: WooClient, order: JSON) -> JSON:
    return dict(await client.get(f"/orders/{order['id']}"))


async def test_what_is_spoilt_shows_it(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        found: dict[str, JSON] = {}
        for order in await client.sell(orders=200, seed=28, unbookable=0.1):
            if len(order["_sandbox"]["unbookable"]) == 1:
                found.setdefault(order["_sandbox"]["unbookable"][0], await shown(client, order))
    first = {name: order["line_items"][0] for name, order in found.items()}
    assert first["unknown_sku"]["sku"] not in SKU_BY_UPC
    assert first["unknown_sku"]["product_id"] > 5_000, "no variation that was ever linked"
    assert not SKU_BY_UPC[first["inactive_sku"]["sku"]].style.active
    assert first["barcode_differs"]["sku"] != first["barcode_differs"]["global_unique_id"]
    assert (first["deleted_product"]["product_id"], first["deleted_product"]["sku"]) == (0, None)
    assert found["custom_line"]["line_items"][-1]["name"] == "Alteration"
    assert found["unmapped_currency"]["currency"] == "CAD"
    assert found["unmapped_discount"]["coupon_lines"][0]["code"].startswith("friend-")
    assert found["unmapped_shipping"]["shipping_lines"][0]["method_title"] == "Drone to the balcony"
    assert "" in (found["missing_address"]["shipping"]["city"], found["missing_address"]["shipping"]["postcode"])
    assert (found["never_paid"]["status"], found["never_paid"]["date_paid"]) == ("on-hold", None)
    assert (found["plugin_status"]["status"], found["shipped_elsewhere"]["status"]) == ("packing", "completed")
    assert found["abandoned"]["status"] == "checkout-draft"


async def test_what_is_to_happen_happens_and_what_was_paid_then_is_paid(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.sell(orders=200, seed=6, unbookable=0)
        await client.advance(60)

        async def to_come() -> list[JSON]:
            return await client.books("happenings")

        await until(to_come, lambda left: not left)
        orders = await client.books("orders")
    later = {order["id"]: order["_sandbox"]["later"] for order in orders}
    assert {order["status"] for order in orders if later[order["id"]][-1:] == ["pay"]} == {"processing"}
    assert {order["status"] for order in orders if later[order["id"]] == ["cancel"]} == {"cancelled"}
    assert all(order["refunds"] for order in orders if "refund" in later[order["id"]])
    unpaid = [order for order in orders if order["date_paid_gmt"] is None]
    assert {order["payment_method"] for order in unpaid if order["status"] == "processing"} == {"cod"}


async def test_customers_made_of_canaries_are_found_by_their_mark(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        (order, *_) = await client.sell(orders=3, seed=1, canary=True, unbookable=0)
        document = await shown(client, order)
    for value in (*document["billing"].values(), *document["shipping"].values()):
        known = not value or MARK in value or DIGITS in value or len(value) <= 2
        assert known, value
    assert MARK in document["customer_note"]
    assert MARK in json.dumps(document["line_items"])


async def test_a_shop_sells_by_itself_until_it_is_taken_in_hand(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(QUICK, ambient_orders_per_minute=6_000)) as client:

        async def sold() -> int:
            return len(await client.books("orders"))

        await until(sold, lambda count: bool(count > 5))
        await client.post_door("reset")
        assert await client.books("plans") == []


async def test_a_fault_ordered_for_the_next_change_waits_for_one(tmp_path: Path) -> None:
    async with World.opened(
        "woocommerce",
        tmp_path,
        schema=SCHEMA,
        season=season.found,
        nouns={},
        faults=api.FAULTS,
        values={**api.VALUES, **own_values(QUICK)},
    ) as world:
        shopper = Shopper(Shop(world, QUICK))
        await world.faults.order(once={"late_commit": 1})
        assert not await shopper.happen()
        assert world.faults.show()["faults"]["late_commit"]["left"] == 1


async def test_each_event_by_hand_does_what_it_says(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await client.place(lines=[{"sku": UPC, "quantity": 3, "price": "28.00"}], payment="pending")
        assert order["status"] == "pending"
        edited = await client.happens(order, "edit", **{"0": 1})
        assert (edited["line_items"][0]["quantity"], edited["total"]) == (2, "56.00")
        assert (await client.happens(order, "fail"))["status"] == "failed"
        paid = await client.happens(order, "pay")
        assert (paid["status"], paid["date_paid"] is not None) == ("processing", True)
        again = await client.http.post(f"/_sandbox/orders/{order['id']}/pay", json={})
        assert again.status_code == 400
        assert (await client.happens(order, "status", status="packing"))["status"] == "packing"
        wrong = await client.http.post(f"/_sandbox/orders/{order['id']}/status", json={"status": "lost"})
        assert wrong.status_code == 400
        refunded = await client.happens(order, "refund", lines={"0": 1}, restock=False)
        assert refunded["refunds"][0]["total"] == "-28.00"
        assert (await client.happens(order, "trash"))["status"] == "trash"
        assert (await client.happens(order, "restore"))["status"] == "packing"
        done = await client.happens(order, "complete")
        assert (done["status"], done["date_completed"] is not None) == ("completed", True)
        before = done["date_modified_gmt"]
        await client.advance(3)
        assert (await client.happens(order, "touch"))["date_modified_gmt"] > before
