"""Fulfilling in the simulated WooCommerce: what the recorded shop did (recorded/fulfillments, notes, orders), and the
extension Shipment Tracking as its vendor describes it (contract 1.6)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bcbridge.sandbox.woocommerce import NEW_YORK
from tests.conftest import contract_path
from tests.sandbox.woocommerce_client import JSON, KEYS, QUICK, SECURE, WooClient, shop
from tests.wordpress import check_answer, check_request

SHOP = replace(
    NEW_YORK, webhook_seconds=0.0, write_seconds=QUICK.write_seconds, fulfillments=True, shipment_tracking=True
)
TRACKINGS = "/wp-json/wc-shipment-tracking/v3/orders/{}/shipment-trackings"

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
async def one_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WooClient]:
    async with shop(tmp_path_factory.mktemp("shop"), SHOP) as found:
        yield found


@pytest.fixture
async def client(one_shop: WooClient) -> WooClient:
    """The same shop for all, as new."""
    await one_shop.order_faults(clear=True)
    await one_shop.post_door("reset")
    await one_shop.post_door("admin/options", {"fulfillments": True, "shipment_tracking": True, "key_may_manage": True})
    return one_shop


def recorded(*parts: str) -> JSON:
    return dict(json.loads(contract_path("woocommerce", "recorded", *parts).read_bytes()))


def told(order: JSON, pieces: int = 1, **more: Any) -> JSON:
    items = [{"item_id": order["line_items"][0]["id"], "qty": pieces}]
    meta = [{"id": 0, "key": "_items", "value": items}, {"id": 0, "key": "_tracking_number", "value": "RIG1"}]
    return {"status": "fulfilled", "is_fulfilled": True, "meta_data": meta, **more}


async def placed(client: WooClient, pieces: int = 3) -> JSON:
    return await client.place(lines=[{"sku": "040123000013", "quantity": pieces}])


async def fulfilled(client: WooClient, order: JSON, body: JSON) -> JSON:
    path = f"/orders/{order['id']}/fulfillments"
    check_request("POST", path, {}, body)
    answer = await client.call("POST", path, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def mails(client: WooClient, order: JSON) -> list[JSON]:
    books = (await client.http.get(f"/_sandbox/orders/{order['id']}")).json()
    return [{key: value for key, value in one.items() if key != "at"} for one in books["_sandbox"].get("mails", [])]


def shape(body: Any) -> Any:
    """Keys and types, without values."""
    if isinstance(body, dict):
        return {key: shape(value) for key, value in body.items() if key != "value"}
    return [shape(body[0])] if isinstance(body, list) and body else type(body).__name__


def keys(body: JSON) -> list[str]:
    return [one["key"] for one in body["meta_data"]]


async def test_a_fulfilment_is_answered_and_listed_as_recorded(client: WooClient) -> None:
    order = await placed(client)
    made = await fulfilled(client, order, recorded("fulfillments", "create.json")["request"]["body"] | told(order))
    (listed,) = await client.get(f"/orders/{order['id']}/fulfillments")
    alone = await client.get(f"/orders/{order['id']}/fulfillments/{made['id']}")
    theirs = recorded("fulfillments", "create.json")["response"]["body"]
    assert shape(made) == shape(theirs)
    assert (listed, alone) == (made, made)
    assert (made["entity_id"], keys(made)) == (str(order["id"]), ["_items", "_tracking_number", "_date_fulfilled"])
    after = await client.get(f"/orders/{order['id']}")
    assert made["date_updated"] == after["date_modified"].replace("T", " "), "in the shop's own time"


async def test_it_changes_neither_the_status_nor_anything_that_is_booked_and_moves_the_date(client: WooClient) -> None:
    order = await placed(client, 2)
    await client.advance(60)
    await fulfilled(client, order, told(order, 1))
    part = await client.get(f"/orders/{order['id']}")
    await fulfilled(client, order, told(order, 1))
    whole = await client.get(f"/orders/{order['id']}")
    check_answer("order", whole)
    assert [(one["key"], one["value"]) for one in part["meta_data"]][-1] == (
        "_fulfillment_status",
        "partially_fulfilled",
    )
    theirs = recorded("orders", "get_with_fulfillment.json")["response"]["body"]["meta_data"][-1]
    assert (whole["meta_data"][-1]["key"], whole["meta_data"][-1]["value"]) == (theirs["key"], theirs["value"])
    moved = ("date_modified", "date_modified_gmt", "meta_data")
    assert {k: v for k, v in whole.items() if k not in moved} == {k: v for k, v in order.items() if k not in moved}
    assert part["date_modified_gmt"] > order["date_modified_gmt"]


async def test_there_is_no_guard_against_doubles_nor_against_too_many(client: WooClient) -> None:
    order = await placed(client, 3)
    for pieces in (1, 1, 3):
        await fulfilled(client, order, told(order, pieces))
    assert len(await client.get(f"/orders/{order['id']}/fulfillments")) == 3


async def test_what_is_sent_is_all_that_it_has_and_what_is_deleted_is_gone(client: WooClient) -> None:
    order = await placed(client)
    made = await fulfilled(client, order, told(order))
    path = f"/orders/{order['id']}/fulfillments/{made['id']}"
    body = told(order) | {"meta_data": told(order)["meta_data"][:1]}
    assert keys(await client.put(path, body)) == ["_items", "_date_fulfilled"]
    assert [one["key"] for one in await client.get(f"{path}/metadata")] == ["_items", "_date_fulfilled"]
    gone = await client.call("DELETE", path)
    assert gone.json() == recorded("fulfillments", "delete.json")["response"]["body"]
    assert await client.get(f"/orders/{order['id']}/fulfillments") == []


async def test_the_shopper_is_told_where_that_is_asked_for(client: WooClient) -> None:
    order = await placed(client)
    await fulfilled(client, order, told(order, notify_customer=False))
    second = await fulfilled(client, order, told(order, notify_customer=True))
    note = (await client.call("POST", f"/orders/{order['id']}/notes", {"note": "A", "customer_note": True})).json()
    await client.call("POST", f"/orders/{order['id']}/notes", {"note": "B"})
    for _ in range(2):
        await client.put(f"/orders/{order['id']}", {"status": "completed"})
    assert await mails(client, order) == [{"fulfillment": second["id"]}, {"note": note["id"]}, {"status": "completed"}]


async def test_a_note_moves_no_date(client: WooClient) -> None:
    order = await placed(client)
    await client.advance(60)
    await client.call("POST", f"/orders/{order['id']}/notes", {"note": "A", "customer_note": True})
    assert await client.get(f"/orders/{order['id']}") == order


async def test_completing_stamps_cash_on_delivery_as_paid(client: WooClient) -> None:
    order = await client.place(lines=[{"sku": "040123000013"}], tenders=[{"gateway": "cod"}])
    assert (order["status"], order["date_paid_gmt"]) == ("processing", None)
    done = await client.put(f"/orders/{order['id']}", {"status": "completed"})
    assert done["date_paid_gmt"] == done["date_completed_gmt"] is not None


# --- refusals


async def test_with_the_feature_off_there_is_no_such_route(client: WooClient) -> None:
    order = await placed(client)
    path = f"/orders/{order['id']}/fulfillments"
    assert [route for route in await routes(client) if "fulfillments" in route]
    await client.post_door("admin/options", {"fulfillments": False})
    theirs = recorded("fulfillments", "feature_off.json")["response"]
    for method in ("GET", "POST"):
        assert await client.refused(method, path) == (theirs["status"], theirs["body"])
    assert set(await routes(client)) <= set(recorded("namespace_index_wc_v3.json")["response"]["body"]["routes"])


async def routes(client: WooClient) -> list[str]:
    return list((await client.get("", _fields="routes"))["routes"])


async def test_without_meta_data_it_is_refused_as_recorded(client: WooClient) -> None:
    order = await placed(client)
    theirs = recorded("fulfillments", "create_no_meta.json")
    said = await client.refused("POST", f"/orders/{order['id']}/fulfillments", theirs["request"]["body"])
    assert said == (theirs["response"]["status"], theirs["response"]["body"])


@pytest.mark.parametrize(
    "meta",
    [
        [],
        [{"key": "_items", "value": []}],
        [{"key": "_items", "value": "5"}],
        [{"key": "_items", "value": [{"item_id": "5", "qty": 1}]}],
        [{"key": "_items", "value": [{"item_id": 5, "qty": 0}]}],
        [{"key": "_items", "value": [{"item_id": 5}]}],
        [{"key": "_items", "value": [5]}],
    ],
)
async def test_items_are_named_by_whole_numbers(client: WooClient, meta: list[JSON]) -> None:
    order = await placed(client)
    body = {"status": "fulfilled", "is_fulfilled": True, "meta_data": meta}
    status, said = await client.refused("POST", f"/orders/{order['id']}/fulfillments", body)
    assert (status, said["data"]) == (400, {"status": 400})
    assert await client.get(f"/orders/{order['id']}/fulfillments") == []


async def test_whoever_may_not_manage_may_not_tell_fulfilments(client: WooClient) -> None:
    order = await placed(client)
    await client.post_door("admin/options", {"key_may_manage": False})
    for method in ("GET", "POST"):
        status, said = await client.refused(method, f"/orders/{order['id']}/fulfillments", told(order))
        check_answer("error", said)
        assert (status, said["data"]) == (403, {"status": 403})
    assert (await client.put(f"/orders/{order['id']}", {"status": "completed"}))["status"] == "completed"


async def test_of_an_unknown_order_nothing_is_told(client: WooClient) -> None:
    status, said = await client.refused("POST", "/orders/1/fulfillments", {"meta_data": []})
    assert (status, said["code"]) == (404, "woocommerce_rest_order_invalid_id")


# --- the extension


async def tracked(client: WooClient, order: JSON, **body: str) -> httpx.Response:
    return await client.http.post(TRACKINGS.format(order["id"]), json=body, headers=SECURE, auth=KEYS)


async def test_trackings_are_of_the_order_and_make_the_links_of_known_carriers(client: WooClient) -> None:
    order = await placed(client)
    own = {"custom_tracking_provider": "Courier", "custom_tracking_link": "https://c.test/9", "tracking_number": "9"}
    known = {"tracking_provider": "UPS", "tracking_link": "https://other.test", "tracking_number": "1Z"}
    for body in (own, known, known):
        assert (await tracked(client, order, **body)).status_code == 201
    found = (await client.http.get(TRACKINGS.format(order["id"]), headers=SECURE, auth=KEYS)).json()
    assert [(one["tracking_provider"], one["tracking_number"]) for one in found] == [
        ("Courier", "9"),
        ("UPS", "1Z"),
        ("UPS", "1Z"),
    ]
    assert found[0]["tracking_link"] == "https://c.test/9"
    assert "ups.com" in found[1]["tracking_link"]
    assert len({one["tracking_id"] for one in found}) == 3
    assert (await client.get(f"/orders/{order['id']}"))["status"] == "processing"


async def test_a_tracking_without_a_number_or_without_the_extension_is_refused(client: WooClient) -> None:
    order = await placed(client)
    assert (await tracked(client, order, tracking_provider="UPS")).status_code == 400
    index = await client.http.get("/wp-json/")
    assert "wc-shipment-tracking/v3" in index.json()["namespaces"]
    await client.post_door("admin/options", {"shipment_tracking": False})
    refused = await tracked(client, order, tracking_number="1")
    assert (refused.status_code, refused.json()["code"]) == (404, "rest_no_route")
    assert "wc-shipment-tracking/v3" not in (await client.http.get("/wp-json/")).json()["namespaces"]


# --- what goes wrong on the way


@pytest.mark.parametrize(("fault", "landed"), [("fulfil_call_lost", 0), ("fulfil_answer_lost", 1)])
async def test_a_call_or_its_answer_may_be_lost(client: WooClient, fault: str, landed: int) -> None:
    order = await placed(client)
    await client.order_faults(once={fault: 1})
    assert (await client.get(f"/orders/{order['id']}"))["status"] == "processing", "reading is not what is lost"
    with pytest.raises(httpx.RemoteProtocolError):
        await client.call("POST", f"/orders/{order['id']}/fulfillments", told(order))
    assert len(await client.get(f"/orders/{order['id']}/fulfillments")) == landed
