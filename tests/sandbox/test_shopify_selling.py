"""The shopper's plans, orders by hand, and a shop that remembers."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import httpx
import pytest

from bcbridge.sandbox.shopify import ShopifySettings
from bcbridge.sandbox.shopify.trade import trade
from bcbridge.sandbox.shopping.canary import DIGITS, MARK
from bcbridge.sandbox.shopping.mix import Wishes, draw
from tests.sandbox.shopify_client import JSON, ShopClient, shop, until

UPC = "040123000013"
MENS = "850044"


async def sell(client: ShopClient, **wishes: object) -> list[JSON]:
    plan = await client.post("/_sandbox/sell", wishes)
    await client.sold(plan["plan"])
    return await client.orders()


def essence(order: JSON) -> object:
    """What a plan's seed determines: neither ids nor stamps."""
    lines = [(line["sku"], line["quantity"], line["originalUnitPriceSet"]) for line in order["lineItems"]]
    return lines, order["currentTotalPriceSet"], order["shippingAddress"], order["_sandbox"]["unbookable"]


def is_paid(order: JSON) -> bool:
    return bool(order["displayFinancialStatus"] == "PAID")


async def test_a_plan_answers_at_once_and_makes_what_it_says(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        plan = await client.post("/_sandbox/sell", {"orders": 60, "seed": 4})
        assert plan["orders"] == 60
        done = await client.sold(plan["plan"])
        assert (done["made"], done["left"], done["state"]) == (60, 0, "done")
        assert [order["name"] for order in await client.orders()] == [f"#{1001 + at}" for at in range(60)]


async def test_the_same_seed_sells_the_same_orders(tmp_path: Path) -> None:
    async with shop(tmp_path / "one") as one, shop(tmp_path / "two") as two:
        first = [essence(order) for order in await sell(one, orders=30, seed=9)]
        assert first == [essence(order) for order in await sell(two, orders=30, seed=9)]


async def test_names_go_up_over_plans_and_never_repeat(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await sell(client, orders=3, seed=1)
        await client.place(lines=[{"sku": UPC}])
        orders = await sell(client, orders=3, seed=1)
        assert [order["name"] for order in orders] == [f"#{1001 + at}" for at in range(7)]


async def test_a_plan_goes_on_after_a_restart_and_makes_no_order_twice(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        plan = (await client.post("/_sandbox/sell", {"orders": 40, "seed": 5, "rate": 40, "simple": True}))["plan"]
        await until(lambda: client.plan(plan), lambda one: bool(one["made"] >= 5))
    async with shop(tmp_path) as client:
        assert (await client.sold(plan))["state"] == "done"
        orders = await client.orders()
        assert sorted(order["_sandbox"]["index"] for order in orders) == list(range(40))
        assert {order["_sandbox"]["plan"] for order in orders} == {plan}


ALONE = """
import sys
from pathlib import Path
import anyio
from bcbridge.sandbox.shopify import serving

async def main():
    async with serving(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def test_a_shop_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    async with await anyio.open_process([sys.executable, "-c", ALONE, str(tmp_path)]) as process:
        assert process.stdout is not None
        url = (await process.stdout.receive()).decode().strip()
        async with httpx.AsyncClient(base_url=url) as http:
            client = ShopClient(http)
            plan = (await client.post("/_sandbox/sell", {"orders": 300, "seed": 8, "rate": 300}))["plan"]
            await until(lambda: client.plan(plan), lambda one: bool(one["made"] >= 40))
        process.kill()
        await process.wait()
    async with shop(tmp_path) as client:
        assert (await client.plan(plan))["left"] > 0
        await client.sold(plan)
        orders = await client.orders()
        assert [order["_sandbox"]["index"] for order in orders] == list(range(300))
        assert [order["number"] for order in orders] == list(range(1001, 1301))


async def test_what_was_to_happen_happens_after_a_restart(tmp_path: Path) -> None:
    settings = ShopifySettings(index_lag_seconds=0, unpaid_seconds=(600, 600))
    async with shop(tmp_path, settings) as client:
        orders = await sell(client, orders=60, seed=6, unbookable=0)
        unpaid = {order["name"] for order in orders if "pay" in order["_sandbox"]["later"]}
        assert unpaid
    async with shop(tmp_path, settings) as client:
        await client.post("/_sandbox/clock", {"advance_seconds": 3_600})
        await until(client.orders, lambda orders: unpaid <= {one["name"] for one in orders if is_paid(one)})


async def test_one_division_per_order_unless_mixed_is_asked_for(tmp_path: Path) -> None:
    sold = trade(ShopifySettings())
    plain = [draw(Wishes(seed=1, unbookable=0), index, sold) for index in range(80)]
    mixed = [draw(Wishes(seed=1, mixed=1.0, unbookable=0), index, sold) for index in range(20)]

    def divisions(drawn: object) -> set[str]:
        return {line.sku[:6] for line in drawn.cart.lines if line.sku}  # type: ignore[attr-defined]

    assert all(len(divisions(one)) <= 1 for one in plain)
    assert all(len(divisions(one)) == 2 for one in mixed)


async def test_no_more_than_a_tenth_is_unbookable_and_all_of_it_says_why() -> None:
    sold = trade(ShopifySettings())
    drawn = [draw(Wishes(seed=3, unbookable=0.1), index, sold) for index in range(2_000)]
    spoiled = [one for one in drawn if one.unbookable]
    assert 100 < len(spoiled) < 260
    seen = {name for one in spoiled for name in one.unbookable}
    assert seen >= {
        "unknown_sku",
        "barcode_differs",
        "unmapped_discount",
        "missing_address",
        "never_paid",
        "test_order",
    }
    assert not [one for one in (draw(Wishes(seed=3, unbookable=0), at, sold) for at in range(200)) if one.unbookable]


@pytest.mark.parametrize(
    "wishes",
    [{}, {"orders": 0}, {"orders": "3"}, {"orders": 3, "unbookable": 0.2}, {"orders": 1, "colour": "red"}],
)
async def test_a_plan_that_makes_no_sense_is_refused_in_words(tmp_path: Path, wishes: JSON) -> None:
    async with shop(tmp_path) as client:
        refused = await client.http.post("/_sandbox/sell", json=wishes)
        assert refused.status_code == 400
        assert refused.json()["error"]


# --- the ambient trickle


async def test_canaries_stand_in_every_field_of_a_customer_and_change_nothing_else(tmp_path: Path) -> None:
    sold = trade(ShopifySettings())
    plain, marked = (draw(Wishes(seed=3, canary=canary), 7, sold).cart for canary in (False, True))
    assert [line.price for line in marked.lines] == [line.price for line in plain.lines]
    address = marked.shipping_address or {}
    private = [address[name] for name in ("firstName", "lastName", "company", "address1", "address2", "city", "zip")]
    said = [*private, *(marked.customer or {}).values(), *marked.attributes.values(), marked.email, marked.note]
    assert all(MARK in str(one) for one in said)
    assert DIGITS in address["phone"]
    assert len(address["zip"]) <= 12

    async with shop(tmp_path) as client:
        orders = await sell(client, orders=40, seed=4, canary=True)
        mails = {order["email"] for order in orders}
        assert len(mails) == 40
        assert all(MARK in mail for mail in mails)
        spoilt = [one for one in orders if "missing_address" in one["_sandbox"]["unbookable"]]
        assert all(None in (one["shippingAddress"]["city"], one["shippingAddress"]["zip"]) for one in spoilt)


async def test_the_books_say_which_orders_the_api_has_shown_as_paid(tmp_path: Path) -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id displayFinancialStatus } } }"
    async with shop(tmp_path) as client:
        paid, unpaid, unseen, gone = [
            await client.place(lines=[{"sku": UPC}], payment=payment) for payment in ("paid", "pending", "paid", "paid")
        ]
        await client.post(f"/_sandbox/orders/{gone['name'].lstrip('#')}/cancel")
        await client.ask(query, ids=[paid["id"], unpaid["id"], gone["id"]])
        await client.ask("{ orders(first: 10) { nodes { id updatedAt } } }")  # a list that does not say it
        books = await client.get("/_sandbox/books/servedPaid")
        assert [one["orderId"] for one in books["servedPaid"]] == [int(paid["legacyResourceId"])]
        await client.ask(query, ids=[unseen["id"]])
        assert len((await client.get("/_sandbox/books/servedPaid"))["servedPaid"]) == 2


async def test_the_ambient_plan_ends_when_somebody_sells(tmp_path: Path) -> None:
    settings = ShopifySettings(ambient_orders_per_minute=3_000)
    async with shop(tmp_path, settings) as client:
        await until(client.orders, lambda orders: len(orders) > 3)
        await client.post("/_sandbox/sell", {"orders": 2, "seed": 1})
        plans = (await client.get("/_sandbox/sell"))["plans"]
        assert (plans[0]["ambient"], plans[0]["state"]) == (True, "ended")
    async with shop(tmp_path, settings) as client:
        plans = (await client.get("/_sandbox/sell"))["plans"]
        assert not [one for one in plans if one["ambient"] and one["state"] == "running"]


async def test_after_a_reset_the_shop_is_new_and_quiet(tmp_path: Path) -> None:
    settings = ShopifySettings(ambient_orders_per_minute=3_000)
    async with shop(tmp_path, settings) as client:
        await until(client.orders, lambda orders: len(orders) > 3)
        await client.post("/_sandbox/reset", {})
        assert await client.orders() == []
        assert (await client.get("/_sandbox/sell"))["plans"] == []
        assert (await client.place(lines=[{"sku": UPC}]))["name"] == "#1001"


# --- orders by hand


async def test_a_shop_remembers_its_orders(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}], note="keep")
    async with shop(tmp_path) as client:
        assert (await client.order(placed["name"]))["note"] == "keep"


async def test_a_compact_order_may_say_everything(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(
            lines=[
                {
                    "sku": UPC,
                    "quantity": 2,
                    "price": "10.00",
                    "properties": {"_cycle": "{}"},
                    "location": "California DC",
                },
                {"sku": None, "title": "Alteration", "price": "12.00", "requiresShipping": False},
            ],
            address={"city": None},
            tags=["vip"],
            test=True,
            customer=None,
            attributes={"gift": "yes"},
            unbookable=["missing_address"],
        )
        order = await client.order(placed["name"])
        assert order["lineItems"][0]["customAttributes"] == [{"key": "_cycle", "value": "{}"}]
        assert order["lineItems"][1]["variant"] is None
        assert order["shippingAddress"]["city"] is None
        assert order["customer"] is None
        assert order["test"] is True
        assert order["transactions"][0]["test"] is True
        assert [one["assignedLocation"]["name"] for one in order["fulfillmentOrders"]] == ["California DC"]
        assert order["_sandbox"]["unbookable"] == ["missing_address"]


async def test_an_order_not_yet_routed_has_no_location(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}], location=None)
        (routed,) = (await client.order(placed["name"]))["fulfillmentOrders"]
        assert routed["assignedLocation"]["location"] is None


async def test_lines_of_two_locations_are_two_fulfilment_orders(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        lines = [{"sku": UPC, "location": name} for name in ("New Jersey DC", "California DC")]
        placed = await client.place(lines=lines)
        assert len((await client.order(placed["name"]))["fulfillmentOrders"]) == 2


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"lines": [{"sku": "nobody's"}]},
        {"lines": [{"sku": UPC, "quantity": 0}]},
        {"lines": [{"sku": UPC}], "payment": "perhaps"},
        {"lines": [{"sku": UPC}], "currency": "XAU"},
        {"lines": [{"sku": UPC}], "discounts": [{"code": "X"}]},
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_in_words(tmp_path: Path, order: JSON) -> None:
    async with shop(tmp_path) as client:
        refused = await client.http.post("/_sandbox/orders", json=order)
        assert refused.status_code == 400
        assert refused.json()["error"]


async def test_a_whole_document_is_taken_as_it_is(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        bag = {"shopMoney": {"amount": "1.00", "currencyCode": "USD"}}
        document = {"currentTotalPriceSet": {**bag, "presentmentMoney": bag["shopMoney"]}, "note": "as it is"}
        placed = await client.place(document=document)
        assert (await client.order(placed["name"]))["note"] == "as it is"
        assert placed["currentTotalPriceSet"]["shopMoney"]["amount"] == "1.00"


async def test_a_patch_merges_and_moves_the_stamp_unless_told_not_to(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}])
        before = await client.order(placed["name"])
        path = f"/_sandbox/orders/{placed['legacyResourceId']}"
        await client.post("/_sandbox/clock", {"advance_seconds": 5})
        await client.http.patch(path, json={"shippingAddress": {"city": "Newark"}, "touch": False})
        quiet = await client.order(placed["name"])
        assert quiet["shippingAddress"] == {**before["shippingAddress"], "city": "Newark"}
        assert quiet["updatedAt"] == before["updatedAt"]
        await client.http.patch(path, json={"note": "hello"})
        assert (await client.order(placed["name"]))["updatedAt"] > before["updatedAt"]


async def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        assert (await client.http.get("/_sandbox/orders/4711")).status_code == 404
        assert (await client.http.post("/_sandbox/orders/4711/pay", json={})).status_code == 404


async def test_the_books_show_the_vendors_nouns(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.place(lines=[{"sku": UPC}])
        books = await client.get("/_sandbox/books")
        assert {"orders", "plans", "webhookSubscriptions", "deliveries", "locations", "variants"} <= set(books)
        assert [one["name"] for one in books["locations"]] == ["New Jersey DC", "California DC"]
        assert books["orders"][0]["displayFinancialStatus"] == "PAID"
        assert len(books["variants"]) > 200
        about = await client.get("/_sandbox/")
        assert about["sandbox"] == "shopify"
