"""The simulated BigCommerce's REST API: what it lists, shows, refuses; all of it held against the OpenAPI files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bigcommerce import BigCommerceSettings
from tests.sandbox.bigcommerce_client import LAVISH, ShopClient, shop

DRESS = next(sku for sku in catalogue.WEB_SKUS if sku.style.name == "Wrap Dress")
TANK = next(sku for sku in catalogue.WEB_SKUS if sku.style.name == "Ribbed Tank")
LINES = [{"sku": DRESS.upc, "quantity": 2}]
TAX = [{"title": "NJ State Tax", "rate": "0.06625"}]
EVERYTHING = {"include": "consignments.line_items,fees", "consignment_structure": "object"}


@pytest.fixture
async def sold(tmp_path: Path) -> AsyncIterator[ShopClient]:
    async with shop(tmp_path) as client:
        yield client


async def test_every_kind_of_order_the_mix_draws_is_as_the_vendor_describes(sold: ShopClient) -> None:
    await sold.sell(250, seed=5, mixed=0.3, unbookable=0.1)
    await sold.settled()
    drawn = {shape for order in await sold.noun("orders") for shape in order["_sandbox"]["shapes"]}
    assert {"several_addresses", "bundle", "wrapping", "handling", "store_credit", "tax_inclusive"} <= drawn
    listed = await sold.get("v2/orders", limit=250, sort="date_modified:asc", **EVERYTHING)
    assert len(listed) == 250
    for order in listed[::10]:
        for part in ("products", "coupons", "taxes", "shipping_addresses", "shipments", "fees"):
            await sold.get(f"v2/orders/{order['id']}/{part}")
        await sold.get(f"v2/orders/{order['id']}/taxes", details="true")
        await sold.get(f"v3/orders/{order['id']}/transactions")


async def test_whatever_happens_to_an_order_it_stays_as_the_vendor_describes(sold: ShopClient) -> None:
    happenings = {
        "hold": 12,
        "dispute": 13,
        "decline": 6,
        "cancel": 5,
        "refund_all": 4,
        "ship": 2,
        "archive": 11,
        "touch": 11,
    }
    for what, status in happenings.items():
        order = await sold.place(lines=LINES, tax=TAX, fees=[{"name": "Package protection", "amount": "1.50"}])
        await sold.happen(order, what)
        assert (await sold.get(f"v2/orders/{order}", **EVERYTHING))["status_id"] == status
        await sold.get(f"v2/orders/{order}/shipments")
        await sold.get(f"v2/orders/{order}/consignments")
        await sold.get(f"v3/orders/{order}/transactions")
    assert len(await sold.get("v2/orders", **EVERYTHING)) == len(happenings) - 1


async def test_refunds_are_told_by_v3_alone_and_across_orders(sold: ShopClient) -> None:
    partly, wholly = [await sold.place(lines=LINES, tax=TAX) for _ in range(2)]
    await sold.happen(partly, "refund", lines={"0": 1}, amount="2.50")
    await sold.door("POST", "clock", {"advance_seconds": 3600})
    await sold.happen(wholly, "refund_all")
    (refund,) = (await sold.get(f"v3/orders/{partly}/payment_actions/refunds"))["data"]
    assert [(one["item_type"], one["quantity"]) for one in refund["items"]] == [("PRODUCT", 1), ("ORDER", 0)]
    assert refund["total_amount"] == 160.31  # 148.00 and its tax, and 2.50
    across = "v3/orders/payment_actions/refunds"
    assert [one["order_id"] for one in (await sold.get(across))["data"]] == [partly, wholly]
    later = {"created__min": (await sold.get(across))["data"][1]["created"].replace("+00:00", "Z")}
    assert [one["order_id"] for one in (await sold.get(across, **later))["data"]] == [wholly]
    assert [one["order_id"] for one in (await sold.get(across, order_id__in=partly))["data"]] == [partly]
    order = await sold.get(f"v2/orders/{partly}")
    assert (order["status_id"], order["refunded_amount"]) == (14, "0.0000")
    assert (await sold.get(f"{across}/{refund['id']}"))["data"]["id"] == refund["id"]


async def test_lines_are_fifty_a_page_unless_more_are_asked_for(sold: ShopClient) -> None:
    order = await sold.place(lines=[{"sku": sku.upc} for sku in catalogue.WEB_SKUS[:60]])
    lines = f"v2/orders/{order}/products"
    assert [len(await sold.get(lines, page=page)) for page in (1, 2)] == [50, 10]
    assert await sold.status(lines, page=3) == 204
    assert len(await sold.get(lines, limit=250)) == 60


async def test_the_list_includes_lines_and_addresses_when_asked(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES)
    plain, full = (await sold.get("v2/orders"))[0], (await sold.get("v2/orders", **EVERYTHING))[0]
    assert plain["consignments"]["resource"] == f"/orders/{order}/consignments"
    (there,) = full["consignments"]["shipping"]
    assert [line["sku"] for line in there["line_items"]] == [DRESS.upc]
    assert there["zip"] == "07030"
    assert full["fees"] == []


async def test_an_empty_list_is_204_and_a_limit_over_the_maximum_413(sold: ShopClient) -> None:
    assert await sold.status("v2/orders") == 204
    assert await sold.status("v2/orders", limit=251) == 413
    order = await sold.place(lines=LINES, tax=[])
    for part in ("shipments", "coupons", "fees", "taxes"):
        assert await sold.status(f"v2/orders/{order}/{part}") == 204


async def test_a_list_by_change_begins_where_it_is_told(sold: ShopClient) -> None:
    first, second = [await sold.place(lines=LINES) for _ in range(2)]
    await sold.door("POST", "clock", {"advance_seconds": 3600})
    await sold.happen(first, "touch")
    listed = await sold.get("v2/orders", sort="date_modified:asc")
    assert [one["id"] for one in listed] == [second, first]
    since = parsedate_to_datetime(listed[1]["date_modified"]).isoformat()
    assert [one["id"] for one in await sold.get("v2/orders", min_date_modified=since)] == [first]
    assert [one["id"] for one in await sold.get("v2/orders", min_date_modified=listed[1]["date_modified"])] == [first]


async def test_lists_are_filtered_by_status_and_channel(sold: ShopClient) -> None:
    paid = await sold.place(lines=LINES)
    awaited = await sold.place(lines=LINES, payment="pending", tenders=[{"gateway": "bank_deposit"}], channel=3)
    assert [one["id"] for one in await sold.get("v2/orders", status_id=11)] == [paid]
    assert [one["id"] for one in await sold.get("v2/orders", channel_id=3)] == [awaited]
    counts = await sold.get("v2/orders/count")
    assert counts["count"] == 2
    assert {one["id"]: one["count"] for one in counts["statuses"]}[7] == 1


async def test_an_abandoned_checkout_is_listed_and_becomes_an_order_under_the_same_id(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES, abandoned=True)
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 0
    await sold.happen(order, "complete")
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 11


async def test_an_archived_order_leaves_the_list(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES)
    assert (await sold.call("DELETE", f"v2/orders/{order}")).status_code == 204
    assert await sold.status("v2/orders") == 204
    assert (await sold.get(f"v2/orders/{order}"))["is_deleted"]


async def test_any_write_moves_the_stamp(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES)
    await sold.door("POST", "clock", {"advance_seconds": 60})
    before = await sold.get(f"v2/orders/{order}")
    changed = (await sold.call("PUT", f"v2/orders/{order}", {})).json()
    assert parsedate_to_datetime(changed["date_modified"]) > parsedate_to_datetime(before["date_modified"])


async def test_a_shipment_moves_the_status_by_itself(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES)
    (line,) = await sold.get(f"v2/orders/{order}/products")
    items = [{"order_product_id": line["id"], "quantity": 1}]
    wanted = {"order_address_id": line["order_address_id"], "tracking_number": "1Z", "items": items}
    answer = await sold.call("POST", f"v2/orders/{order}/shipments", wanted)
    assert answer.status_code == 201
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 3
    assert (await sold.get(f"v2/orders/{order}/shipments"))[0]["tracking_number"] == "1Z"


async def test_a_variant_is_found_by_id_and_by_sku_without_regard_to_case(sold: ShopClient) -> None:
    order = await sold.place(lines=[{"sku": TANK.upc, "baseSku": TANK.style.number}])
    (line,) = await sold.get(f"v2/orders/{order}/products")
    assert (line["sku"], line["upc"]) == ("00417", "")
    (variant,) = (await sold.get("v3/catalog/variants", id=line["variant_id"]))["data"]
    assert (variant["sku"], variant["upc"]) == (TANK.upc, TANK.upc)
    by_sku = await sold.get("v3/catalog/variants", sku="lookbook-pdf")
    assert [one["sku"] for one in by_sku["data"]] == ["LOOKBOOK-PDF"]
    assert (await sold.get("v3/catalog/variants", id=99_001))["data"] == []


async def test_what_a_doctor_asks_is_answered(sold: ShopClient) -> None:
    assert (await sold.get("v3/settings/inventory"))["data"]["update_stock_behavior"] == "order_placed"
    assert (await sold.get("v2/store"))["timezone"]["name"] == "America/New_York"
    assert (await sold.get("v2/time"))["time"] > 0
    assert [one["label"] for one in (await sold.get("v3/inventory/locations"))["data"]] == [
        "New Jersey DC",
        "California DC",
    ]
    (default,) = (await sold.get("v3/inventory/locations", is_default="true"))["data"]
    assert default["label"] == "New Jersey DC"
    (item,) = (await sold.get("v3/inventory/items", sku__in=TANK.upc))["data"]
    assert item["locations"][0]["available_to_sell"] == 10_000
    assert (await sold.get("v3/catalog/products", limit=1))["meta"]["pagination"]["total"] > 20
    assert len((await sold.get("v3/channels"))["data"]) == 1
    assert len(await sold.get("v2/order_statuses")) == 15


async def test_a_wrong_token_is_refused_and_an_unknown_address_not_found(sold: ShopClient) -> None:
    answer = await sold.http.get("/stores/sandbox1/v2/orders", headers={"X-Auth-Token": "other"})
    assert answer.status_code == 401
    assert await sold.status("v2/orders/4711") == 404
    assert (await sold.http.get("/stores/sandbox1/v2/nothing")).status_code == 404


async def test_v2_is_xml_for_those_who_do_not_ask_for_json(sold: ShopClient) -> None:
    await sold.place(lines=LINES)
    answer = await sold.http.get("/stores/sandbox1/v2/orders", headers={"Accept": "*/*"})
    assert answer.headers["content-type"].startswith("application/xml")
    assert answer.text.startswith("<?xml")


# --- bad days


async def test_the_quota_is_told_on_each_answer_and_kept(tmp_path: Path) -> None:
    async with shop(tmp_path, BigCommerceSettings(quota=5, window_seconds=600)) as sold:
        left = []
        for _ in range(5):
            answer = await sold.call("GET", "v2/time")
            left.append(answer.headers["X-Rate-Limit-Requests-Left"])
        assert left == ["4", "3", "2", "1", "0"]
        refused = await sold.call("GET", "v2/time")
        assert refused.status_code == 429
        assert refused.headers["X-Rate-Limit-Requests-Quota"] == "5"
        assert 0 < int(refused.headers["X-Rate-Limit-Time-Reset-Ms"]) <= 600_000


async def test_another_app_eats_of_the_same_quota(sold: ShopClient) -> None:
    await sold.faults(values={"quota": 1_000, "window_seconds": 600, "other_app_calls_per_second": 1e9})
    await sold.call("GET", "v2/time")
    assert (await sold.call("GET", "v2/time")).status_code == 429
    await sold.faults(values={"other_app_calls_per_second": 0, "quota": 1_000}, once={"quota_eaten": 1})
    assert [await sold.status("v2/time") for _ in range(2)] == [429, 429]


async def test_an_overloaded_platform_refuses_without_the_quotas_headers(sold: ShopClient) -> None:
    await sold.faults(once={"http_429_bare": 1})
    answer = await sold.http.get("/stores/sandbox1/v2/time")
    assert answer.status_code == 429
    assert not [name for name in answer.headers if name.startswith("x-rate-limit")]


async def test_bad_days_come_as_they_were_ordered(sold: ShopClient) -> None:
    await sold.faults(once={"http_500": 1, "http_503": 1})
    assert [await sold.status("v2/time") for _ in range(3)] == [500, 503, 200]
    await sold.faults(once={"http_502_html": 1})
    answer = await sold.http.get("/stores/sandbox1/v2/time")
    assert answer.status_code == 502
    assert answer.text.startswith("<html>")


async def test_a_stale_read_shows_the_order_as_it_was_or_not_at_all(sold: ShopClient) -> None:
    await sold.faults(once={"stale_read": 1}, values={"stale_read_seconds": 100})
    order = await sold.place(lines=LINES)
    assert await sold.status(f"v2/orders/{order}") == 404
    assert await sold.status("v2/orders") == 204
    await sold.door("POST", "clock", {"advance_seconds": 200})
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 11
    await sold.faults(once={"stale_read": 1})
    await sold.happen(order, "cancel")
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 11
    await sold.door("POST", "clock", {"advance_seconds": 400})
    assert (await sold.get("v2/orders", status_id=5))[0]["id"] == order


async def test_rows_move_away_while_a_list_is_paged(sold: ShopClient) -> None:
    for _ in range(6):
        await sold.place(lines=LINES)
    await sold.door("POST", "clock", {"advance_seconds": 60})
    await sold.faults(rates={"moving_list": 1})
    first = await sold.get("v2/orders", sort="date_modified:asc", limit=2, page=1)
    second = await sold.get("v2/orders", sort="date_modified:asc", limit=2, page=2)
    assert [one["id"] for one in first + second] == [1001, 1002, 1005, 1006]


async def test_many_changes_share_one_stamp(sold: ShopClient) -> None:
    await sold.faults(rates={"equal_date_modified": 1}, values={"equal_date_modified_seconds": 86_400})
    for _ in range(3):
        await sold.place(lines=LINES)
    assert len({one["date_modified"] for one in await sold.get("v2/orders")}) == 1


async def test_a_lost_answer_was_done_all_the_same(sold: ShopClient) -> None:
    order = await sold.place(lines=LINES)
    await sold.faults(once={"answer_lost": 1})
    with pytest.raises(Exception, match="disconnected"):
        await sold.call("PUT", f"v2/orders/{order}", {"status_id": 9})
    assert (await sold.get(f"v2/orders/{order}"))["status_id"] == 9


async def test_who_was_shown_a_paid_order_is_in_the_books(sold: ShopClient) -> None:
    paid = await sold.place(lines=LINES)
    await sold.place(lines=LINES, payment="pending", tenders=[{"gateway": "bank_deposit"}])
    assert await sold.noun("servedPaid") == []
    await sold.get("v2/orders")
    assert [one["orderId"] for one in await sold.noun("servedPaid")] == [paid]


async def test_a_shop_that_was_killed_goes_on_where_it_stood(tmp_path: Path) -> None:
    async with shop(tmp_path, LAVISH) as first:
        await first.faults(once={"stale_read": 1}, values={"stale_read_seconds": 100})
        order = await first.place(lines=LINES)
    async with shop(tmp_path, LAVISH) as again:
        assert await again.status(f"v2/orders/{order}") == 404
        await again.door("POST", "clock", {"advance_seconds": 200})
        assert (await again.get(f"v2/orders/{order}"))["id"] == order
