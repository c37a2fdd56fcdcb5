"""Shipments in the simulated BigCommerce: what the published operations do (woo_bigcommerce_magento.md 2.6), each call
and each answer held against the vendor's OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bcbridge.sandbox import catalogue
from tests.conftest import contract_path
from tests.sandbox.bigcommerce_client import ShopClient, shop
from tests.sandbox.shopify_client import until
from tests.sandbox.test_bigcommerce_webhooks import bodies, listening, shape

JSON = dict[str, Any]
ONE, TWO = ({"sku": sku.upc} for sku in catalogue.WEB_SKUS[:2])
ALBANY = {"city": "Albany", "address1": "9 State St", "zip": "12207", "provinceCode": "NY"}
SEVERAL = {"lines": [ONE | {"quantity": 2}, TWO | {"to": 1}], "addresses": [ALBANY]}

pytestmark = pytest.mark.contract


@pytest.fixture
async def sold(tmp_path: Path) -> AsyncIterator[ShopClient]:
    async with shop(tmp_path) as client:
        yield client


async def three_and_one(sold: ShopClient) -> int:
    return await sold.place(lines=[ONE | {"quantity": 3}, TWO])


async def lines_of(sold: ShopClient, order: int) -> list[JSON]:
    return list(await sold.get(f"v2/orders/{order}/products"))


async def post(sold: ShopClient, order: int, *pieces: int, **more: Any) -> httpx.Response:
    """So many of each line, in their order, to the first one's address unless ``more`` says otherwise."""
    lines = await lines_of(sold, order)
    items = [{"order_product_id": line["id"], "quantity": n} for line, n in zip(lines, pieces, strict=False) if n]
    asked = {"order_address_id": lines[0]["order_address_id"], "items": items, **more}
    return await sold.call("POST", f"v2/orders/{order}/shipments", asked)


async def ship(sold: ShopClient, order: int, *pieces: int, **more: Any) -> JSON:
    answer = await post(sold, order, *pieces, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def refused(sold: ShopClient, order: int, *pieces: int, **more: Any) -> str:
    answer = await post(sold, order, *pieces, **more)
    assert answer.status_code == 400
    assert await shipments(sold, order) == []
    return str(answer.json()[0]["message"])


async def shipments(sold: ShopClient, order: int) -> list[JSON]:
    return list(await sold.get(f"v2/orders/{order}/shipments"))


async def status(sold: ShopClient, order: int) -> int:
    return int((await sold.get(f"v2/orders/{order}"))["status_id"])


async def mails(sold: ShopClient, order: int) -> list[int]:
    return [one["shipment"] for one in (await sold.door("GET", f"orders/{order}"))["_sandbox"].get("mails", [])]


async def test_pieces_leave_in_parts_until_none_is_left(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    assert (await sold.call("GET", f"v2/orders/{order}/shipments")).status_code == 204
    first = await ship(sold, order, 2, tracking_number="1ZA", shipping_provider="ups")
    part = await status(sold, order), [line["quantity_shipped"] for line in await lines_of(sold, order)]
    second = await ship(sold, order, 1, 1, tracking_number="1ZA", shipping_provider="ups")
    whole = await sold.get(f"v2/orders/{order}")
    assert part == (3, [2, 0])
    assert (whole["status_id"], whole["items_shipped"], bool(whole["date_shipped"])) == (2, 4, True)
    assert await shipments(sold, order) == [first, second]
    assert (await sold.get(f"v2/orders/{order}/shipments/count"))["count"] == 2
    assert await sold.get(f"v2/orders/{order}/shipments/{second['id']}") == second
    assert await mails(sold, order) == [first["id"], second["id"]]


async def test_the_list_has_pages(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    made = [await ship(sold, order, 1) for _ in range(3)]
    pages = [await sold.get(f"v2/orders/{order}/shipments", limit=2, page=page) for page in (1, 2, 3)]
    assert [[one["id"] for one in page] for page in pages] == [[made[0]["id"], made[1]["id"]], [made[2]["id"]], []]


async def test_the_same_call_again_ships_again(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    for _ in range(2):
        await ship(sold, order, 1, tracking_number="1ZA")
    assert len(await shipments(sold, order)) == 2


async def test_a_shipment_moves_the_stamp_of_its_order(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    before = await sold.get(f"v2/orders/{order}")
    await sold.door("POST", "clock", {"advance_seconds": 60})
    await ship(sold, order, 1)
    after = await sold.get(f"v2/orders/{order}")
    assert parsedate_to_datetime(after["date_modified"]) > parsedate_to_datetime(before["date_modified"])
    kept = {"total_inc_tax", "payment_status", "discount_amount", "items_total"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


LINKED: list[tuple[JSON, str]] = [
    ({"shipping_provider": "ups"}, "https://www.ups.com/WebTracking?trackNums=N1"),
    ({"shipping_provider": "royalmail"}, "https://www.aftership.com/track/royalmail/N1"),
    ({"shipping_provider": "", "tracking_carrier": "dpd"}, "https://www.aftership.com/track/dpd/N1"),
    ({"shipping_provider": "ups", "tracking_link": "https://x.test/1"}, ""),
    ({"shipping_provider": "carrier_77"}, "https://www.aftership.com/track/carrier_77/N1"),
    ({}, ""),
]


async def test_a_link_is_made_where_none_is_given_and_somebody_is_named(sold: ShopClient) -> None:
    order = await sold.place(lines=[ONE | {"quantity": len(LINKED)}])
    made = [await ship(sold, order, 1, tracking_number="N1", **asked) for asked, _ in LINKED]
    assert [one["generated_tracking_link"] for one in made] == [link for _, link in LINKED]
    assert [one["tracking_link"] for one in made] == [asked.get("tracking_link", "") for asked, _ in LINKED]


async def test_no_more_than_is_left(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    for pieces in ((4,), (0, 2)):
        assert await refused(sold, order, *pieces) == "The field 'quantity' is invalid."


async def test_what_was_refunded_does_not_leave(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    await sold.happen(order, "refund", lines={"0": 1})
    assert "quantity" in await refused(sold, order, 3, 1)
    await ship(sold, order, 2, 1)
    assert await status(sold, order) == 2


async def test_one_shipment_is_to_one_address(sold: ShopClient) -> None:
    order = await sold.place(**SEVERAL)
    first, second = await lines_of(sold, order)
    assert first["order_address_id"] != second["order_address_id"]
    assert "order_product_id" in await refused(sold, order, 2, 1)
    await ship(sold, order, 0, 1, order_address_id=second["order_address_id"])
    assert await status(sold, order) == 3
    await ship(sold, order, 2)
    assert await status(sold, order) == 2


REFUSED: list[tuple[JSON, str]] = [
    ({"order_address_id": 7}, "The field 'order_address_id' is invalid."),
    ({"items": []}, "The required field 'items' was not supplied."),
    ({"items": [{"order_product_id": 7, "quantity": 1}]}, "The field 'order_product_id' is invalid."),
    ({"tracking_number": "9" * 50, "shipping_provider": "pigeon"}, "The field 'shipping_provider' is invalid."),
]


async def test_what_is_none_of_theirs_is_refused_and_does_nothing(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    for asked, message in REFUSED:
        assert await refused(sold, order, 1, **asked) == message
    assert (await status(sold, order), await mails(sold, order)) == (11, [])


FORBIDDEN: list[JSON] = [
    {"tracking_number": "9" * 51},
    {"date_created": "now"},
    {"items": [{"order_product_id": 1, "product_id": 1}]},
]


async def test_what_the_openapi_forbids_is_refused_too(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    (line, _) = await lines_of(sold, order)
    items = [{"order_product_id": line["id"], "quantity": 1}]
    for asked in FORBIDDEN:
        body = {"order_address_id": line["order_address_id"], "items": items, **asked}
        answer = await sold.http.post(f"/stores/sandbox1/v2/orders/{order}/shipments", json=body)
        assert answer.status_code == 400


async def test_of_an_order_that_is_over_nothing_is_shipped(sold: ShopClient) -> None:
    for happened in ("cancel", "decline"):
        order = await three_and_one(sold)
        await sold.happen(order, happened)
        await refused(sold, order, 1)


async def test_of_no_order_there_is_no_shipment(sold: ShopClient) -> None:
    body = {"order_address_id": 1, "items": [{"order_product_id": 1, "quantity": 1}]}
    assert (await sold.call("POST", "v2/orders/999/shipments", body)).status_code == 404


async def test_a_number_is_corrected_and_items_are_not(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    made = await ship(sold, order, 1, tracking_number="WRONG", shipping_provider="ups")
    path = f"v2/orders/{order}/shipments/{made['id']}"
    answer = await sold.call("PUT", path, {"tracking_number": "RIGHT"})
    assert (answer.status_code, answer.json()["tracking_number"]) == (200, "RIGHT")
    assert "RIGHT" in answer.json()["generated_tracking_link"]
    said = await sold.http.put(f"/stores/sandbox1/{path}", json={"items": made["items"]})
    assert said.json()[0]["message"].startswith("The field 'items' cannot be written to.")


async def test_a_shipment_that_is_taken_back_leaves_the_status(sold: ShopClient) -> None:
    order = await three_and_one(sold)
    made = await ship(sold, order, 3, 1)
    assert (await sold.call("DELETE", f"v2/orders/{order}/shipments/{made['id']}")).status_code == 204
    assert (await status(sold, order), await shipments(sold, order)) == (2, [])
    await ship(sold, order, 1)
    await ship(sold, order, 2, 1)
    assert (await sold.call("DELETE", f"v2/orders/{order}/shipments")).status_code == 204
    assert await shipments(sold, order) == []


@pytest.mark.parametrize(("fault", "there"), [("fulfil_answer_lost", 1), ("fulfil_call_lost", 0)])
async def test_a_call_whose_answer_is_lost_may_have_been_done(sold: ShopClient, fault: str, there: int) -> None:
    order = await three_and_one(sold)
    await sold.faults(once={fault: 1})
    assert (await sold.get(f"v2/orders/{order}"))["id"] == order
    with pytest.raises(httpx.TransportError):
        await post(sold, order, 1)
    assert len(await shipments(sold, order)) == there


async def test_what_was_shipped_rings_as_published(tmp_path: Path) -> None:
    scopes = [f"store/shipment/{one}" for one in ("created", "updated", "deleted")]
    async with listening(tmp_path, *scopes, "store/order/statusUpdated") as (sold, heard):
        order = await three_and_one(sold)
        made = await ship(sold, order, 1)
        await sold.call("PUT", f"v2/orders/{order}/shipments/{made['id']}", {"tracking_number": "N"})
        await sold.call("DELETE", f"v2/orders/{order}/shipments/{made['id']}")

        async def rung() -> list[JSON]:
            return bodies(heard)

        await until(rung, lambda found: len(found) == 5)  # two statuses: 11 as it was placed, 3 as it was shipped
    told = {one["scope"].rsplit("/", 1)[1]: one for one in bodies(heard) if one["scope"] in scopes}
    moved = {one["data"]["status"]["new_status_id"] for one in bodies(heard) if one["scope"] not in scopes}
    assert (moved, {one["data"]["orderId"] for one in told.values()}) == ({11, 3}, {order})
    for name, body in told.items():
        sample = contract_path("bigcommerce", "webhook-callbacks", f"store_shipment_{name}.json")
        assert shape(body) == shape(httpx.Response(200, content=sample.read_bytes()).json())
