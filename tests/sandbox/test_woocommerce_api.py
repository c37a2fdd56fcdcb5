"""The REST API of the sandbox's WooCommerce shop answers as the recorded one did."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from bcbridge.sandbox.woocommerce import NEW_YORK, WooCommerceSettings
from tests.conftest import contract_path
from tests.sandbox.woocommerce_client import API, JSON, KEYS, QUICK, SECURE, WooClient, shop
from tests.wordpress import check_answer

UPC = "040123000013"
OTHER = "040123000020"


@pytest.fixture(scope="module")
async def one_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WooClient]:
    async with shop(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture
async def client(one_shop: WooClient) -> WooClient:
    """The same shop for all, as new."""
    await one_shop.post_door("reset")
    return one_shop


def recorded(*parts: str) -> JSON:
    return dict(json.loads(contract_path("woocommerce", "recorded", *parts).read_bytes()))


def answered(*parts: str) -> JSON:
    return dict(recorded(*parts)["response"])


async def placed(client: WooClient, count: int = 1) -> list[JSON]:
    return [await client.place(lines=[{"sku": UPC, "quantity": 2}]) for _ in range(count)]


# --- signing in


async def asked(client: WooClient, headers: Any = None, auth: Any = None, method: str = "GET", **query: str) -> JSON:
    answer = await client.http.request(method, f"{API}/orders/1", params=query, headers=headers, auth=auth)
    return {"status": answer.status_code, **dict(answer.json())}


UNSEEN = {
    "status": 401,
    "code": "woocommerce_rest_cannot_view",
    "message": "Sorry, you cannot view this resource.",
    "data": {"status": 401},
}
NOT_FOUND = "woocommerce_rest_shop_order_invalid_id"


async def test_basic_over_plain_http_is_refused_as_if_there_were_no_credentials(client: WooClient) -> None:
    assert await asked(client) == UNSEEN
    assert await asked(client, auth=KEYS) == UNSEEN
    assert await asked(client, consumer_key=KEYS[0], consumer_secret=KEYS[1]) == UNSEEN


async def test_basic_and_query_keys_work_where_a_proxy_says_https(client: WooClient) -> None:
    assert (await asked(client, SECURE, KEYS))["code"] == NOT_FOUND
    assert (await asked(client, SECURE, consumer_key=KEYS[0], consumer_secret=KEYS[1]))["code"] == NOT_FOUND


@pytest.mark.contract
async def test_a_wrong_key_is_not_seen_and_a_wrong_secret_is_named(client: WooClient) -> None:
    assert await asked(client, SECURE, ("ck_other", "cs_sandbox")) == UNSEEN
    wrong = await asked(client, SECURE, ("ck_sandbox", "cs_other"))
    assert wrong == {"status": 401, **answered("auth", "wrong_secret.json")["body"]}


@pytest.mark.contract
async def test_a_key_that_reads_may_not_write(client: WooClient) -> None:
    reading = ("ck_sandbox_read", "cs_sandbox_read")
    assert (await asked(client, SECURE, reading))["code"] == NOT_FOUND
    refused = await asked(client, SECURE, reading, "PUT")
    assert refused == {"status": 401, **answered("auth", "read_only_key_writes.json")["body"]}


@pytest.mark.parametrize("by_setting", [True, False])
async def test_a_host_that_strips_the_header_leaves_query_keys(tmp_path: Path, by_setting: bool) -> None:
    async with shop(tmp_path, replace(QUICK, strips_authorization=by_setting)) as client:
        if not by_setting:
            await client.order_faults(rates={"auth_stripped": 1})
        assert await asked(client, SECURE, KEYS) == UNSEEN
        assert (await asked(client, SECURE, consumer_key=KEYS[0], consumer_secret=KEYS[1]))["code"] == NOT_FOUND


def oauth(url: str, now: int, nonce: str = "n1", secret: str = "cs_sandbox", **query: str) -> dict[str, str]:
    """One-legged OAuth 1.0a, written from RFC 5849."""
    signed = {
        **query,
        "oauth_consumer_key": "ck_sandbox",
        "oauth_timestamp": str(now),
        "oauth_nonce": nonce,
        "oauth_signature_method": "HMAC-SHA256",
    }
    pairs = "&".join(f"{quote(k, '')}={quote(v, '')}" for k, v in sorted(signed.items()))
    text = f"GET&{quote(url, '')}&{quote(pairs, '')}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha256).digest()
    return {**signed, "oauth_signature": base64.b64encode(digest).decode()}


@pytest.mark.contract
async def test_oauth_over_plain_http_is_let_in_once_a_nonce_and_within_a_quarter_of_an_hour(client: WooClient) -> None:
    url = f"{client.http.base_url}".rstrip("/") + f"{API}/orders"
    now = int(datetime.fromisoformat((await client.http.get("/_sandbox/clock")).json()["now"]).timestamp())

    async def call(**signed: str) -> tuple[int, Any]:
        answer = await client.http.get(url, params=signed)
        return answer.status_code, answer.json()

    plain = {"per_page": "5", "status": "any", "after": "2026-01-01T00:00:00"}
    assert await call(**oauth(url, now, **plain)) == (200, [])
    assert await call(**oauth(url, now, **plain)) == (401, answered("auth", "oauth1_nonce_again.json")["body"])
    late = await call(**oauth(url, now - 3600, nonce="n2"))
    assert late == (401, answered("auth", "oauth1_old_timestamp.json")["body"])
    forged = await call(**oauth(url, now, nonce="n3", secret="other"))
    assert forged == (401, answered("auth", "oauth1_bad_signature.json")["body"])


# --- lists


@pytest.mark.contract
async def test_a_list_has_totals_and_links_as_recorded(client: WooClient) -> None:
    orders = await placed(client, 11)
    answer = await client.call("GET", "/orders", per_page=3, page=1, orderby="date", order="asc")
    theirs = answered("orders", "list_page1.json")["headers"]
    assert [one["id"] for one in answer.json()] == [one["id"] for one in orders[:3]]
    for name in ("X-WP-Total", "X-WP-TotalPages", "Allow", "Content-Type", "Cache-Control"):
        assert answer.headers[name] == theirs[name], name
    ours = answer.headers["Link"].replace(str(client.http.base_url.netloc, "ascii"), "127.0.0.1:8843")
    assert ours == theirs["Link"]
    second = await client.call("GET", "/orders", per_page=3, page=2, orderby="date", order="asc", _fields="id,status")
    assert 'rel="prev"' in second.headers["Link"]
    assert 'rel="next"' in second.headers["Link"]
    assert set(second.json()[0]) == {"id", "status"}


async def test_a_page_past_the_end_is_empty_and_counts_nothing(client: WooClient) -> None:
    await placed(client)
    answer = await client.call("GET", "/orders", page=99)
    assert (answer.status_code, answer.json(), answer.headers["X-WP-Total"]) == (200, [], "0")


@pytest.mark.contract
async def test_a_wrong_parameter_is_refused_in_wordpresss_words(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(QUICK, plugin_statuses=())) as client:
        for name, query in (
            ("list_per_page_101.json", {"per_page": "101"}),
            ("list_status_unknown.json", {"status": "shipped-ish"}),
        ):
            assert await client.refused("GET", "/orders", **query) == (400, answered("orders", name)["body"])
        theirs = recorded("orders", "modified_after_variants.json")["rows"][-1]
        date = await client.refused("GET", "/orders", modified_after="yesterday", dates_are_gmt="true")
        assert date == (400, theirs["body"])
        assert (await client.call("GET", "/orders", colour="red")).status_code == 200


async def test_any_status_leaves_out_the_trash_and_drafts(client: WooClient) -> None:
    kept, gone = await placed(client, 2)
    await client.happens(gone, "trash")
    draft = await client.place(lines=[{"sku": UPC}])
    await client.happens(draft, "status", status="checkout-draft")
    assert [one["id"] for one in await client.get("/orders")] == [kept["id"]]
    assert [one["id"] for one in await client.get("/orders", status="trash")] == [gone["id"]]
    assert (await client.get(f"/orders/{gone['id']}"))["status"] == "trash"
    several = await client.get("/orders", **{"status[0]": "trash", "status[1]": "processing"})
    assert len(several) == 2


@pytest.mark.contract
@pytest.mark.parametrize(
    ("file", "settings"),
    [("modified_after_variants.json", NEW_YORK), ("modified_after_variants_east.json", QUICK)],
    ids=["New York", "Paris"],
)
async def test_dates_are_misread_exactly_as_recorded(tmp_path: Path, file: str, settings: WooCommerceSettings) -> None:
    """An order at the recorded second, one four hours and one forty minutes before it."""
    async with shop(tmp_path, settings) as client:
        stamps = ("2026-11-21T00:18:44", "2026-11-21T00:18:42", "2026-11-20T23:40:00")
        newest, *older = [await set_stamp(client, stamp) for stamp in stamps]
        for row in recorded("orders", file)["rows"][:9]:
            answer = await client.http.get(f"{API}/orders?per_page=100&{row['query']}", headers=SECURE, auth=KEYS)
            found = {one["id"] for one in answer.json()}
            everything = {newest, *older} if len(row["order_ids"]) > 1 else {newest} if row["order_ids"] else set()
            assert found == everything, row["query"]


async def set_stamp(client: WooClient, stamp: str) -> int:
    order = await client.place(lines=[{"sku": UPC}])
    answer = await client.http.patch(
        f"/_sandbox/orders/{order['id']}", json={"date_modified_gmt": stamp, "touch": False}
    )
    assert answer.is_success, answer.text
    return int(order["id"])


async def test_bounds_are_never_inside(client: WooClient) -> None:
    identifier = await set_stamp(client, "2026-03-01T10:00:00")
    for name, stamp, found in (
        ("modified_after", "2026-03-01T09:59:59", True),
        ("modified_after", "2026-03-01T10:00:00", False),
        ("modified_before", "2026-03-01T10:00:00", False),
        ("modified_before", "2026-03-01T10:00:01", True),
    ):
        listed = await client.get("/orders", **{name: stamp, "dates_are_gmt": "true"})
        assert ([one["id"] for one in listed] == [identifier]) is found, (name, stamp)


@pytest.mark.parametrize(("settings", "hours"), [(QUICK, 2), (NEW_YORK, -4)], ids=["Paris", "New York"])
async def test_a_date_is_shown_in_the_shops_time_and_in_utc(
    tmp_path: Path, settings: WooCommerceSettings, hours: int
) -> None:
    async with shop(tmp_path, settings) as client:
        identifier = await set_stamp(client, "2026-07-01T10:00:00")
        order = await client.get(f"/orders/{identifier}")
    assert order["date_modified_gmt"] == "2026-07-01T10:00:00"
    assert order["date_modified"] == f"2026-07-01T{10 + hours:02}:00:00"


async def test_a_list_is_sorted_by_what_is_asked_with_the_id_in_second_place(client: WooClient) -> None:
    orders = [await set_stamp(client, stamp) for stamp in ("2026-03-02T00:00:00", *["2026-03-01T00:00:00"] * 2)]
    listed = await client.get("/orders", orderby="modified", order="asc")
    assert [one["id"] for one in listed] == [orders[1], orders[2], orders[0]]
    assert [one["id"] for one in await client.get("/orders")] == orders[::-1]
    assert [one["id"] for one in await client.get("/orders", include=f"{orders[0]},{orders[2]}")] == [
        orders[2],
        orders[0],
    ]


# --- one order


@pytest.mark.contract
async def test_what_is_not_there_is_said_as_recorded(client: WooClient) -> None:
    assert await client.refused("GET", "/orders/999999") == (404, answered("orders", "get_not_found.json")["body"])
    assert await client.refused("GET", "/orders/1/fulfillments") == (
        404,
        answered("fulfillments", "feature_off.json")["body"],
    )
    elsewhere = await client.http.get("/wp-json/wc/v4/orders", headers=SECURE, auth=KEYS)
    assert elsewhere.json() == answered("wc_v4_absent.json")["body"]


@pytest.mark.contract
async def test_what_moves_an_orders_date_is_what_was_recorded(client: WooClient) -> None:
    (order,) = await placed(client)
    path = f"/orders/{order['id']}"
    line = {"amount": "1.00", "api_refund": False}
    acts = {
        "POST a note": ("POST", f"{path}/notes", {"note": "Released."}),
        "PUT meta_data": ("PUT", path, {"meta_data": [{"key": "wh_ref", "value": "A-1"}]}),
        "PUT the same meta_data again": ("PUT", path, {"meta_data": [{"key": "wh_ref", "value": "A-1"}]}),
        "PUT the status it has": ("PUT", path, {"status": "processing"}),
        "PUT nothing ({})": ("PUT", path, {}),
        "a partial refund": ("POST", f"{path}/refunds", line),
    }
    for row in recorded("orders", "what_moves_date_modified.json")["rows"]:
        if row["action"] not in acts:
            continue
        before = (await client.get(path))["date_modified_gmt"]
        await client.advance(2)
        assert (await client.call(*acts[row["action"]])).is_success
        after = (await client.get(path))["date_modified_gmt"]
        assert (after > before) is row["date_modified_moves"], row["action"]


async def test_a_line_is_changed_added_and_removed_as_recorded(client: WooClient) -> None:
    """Another quantity leaves the money as it was; a new line comes at list price; quantity 0 takes one away."""
    order = await client.place(lines=[{"sku": UPC, "quantity": 3, "price": "24.00"}], shipping=None)
    path, line = f"/orders/{order['id']}", order["line_items"][0]["id"]
    fewer = await client.put(path, {"line_items": [{"id": line, "quantity": 2}]})
    (kept,) = fewer["line_items"]
    assert (kept["id"], kept["quantity"], kept["total"], kept["price"]) == (line, 2, "72.00", 36)
    assert {"key": "_reduced_stock", "value": "2"}.items() <= kept["meta_data"][-1].items()
    more = await client.put(path, {"line_items": [{"sku": OTHER, "quantity": 1}]})
    assert [one["sku"] for one in more["line_items"]] == [UPC, OTHER]
    fewer = await client.put(path, {"line_items": [{"id": line, "quantity": 0}]})
    assert [one["sku"] for one in fewer["line_items"]] == [OTHER]
    check_answer("order", fewer)


async def test_a_cancelled_order_has_no_reduced_stock_any_more(client: WooClient) -> None:
    (order,) = await placed(client)
    assert "_reduced_stock" in {meta["key"] for meta in order["line_items"][0]["meta_data"]}
    gone = await client.put(f"/orders/{order['id']}", {"status": "cancelled"})
    assert gone["status"] == "cancelled"
    assert "_reduced_stock" not in {meta["key"] for meta in gone["line_items"][0]["meta_data"]}


async def test_an_order_set_refunded_by_hand_refunds_the_rest_without_lines(client: WooClient) -> None:
    (order,) = await placed(client)
    done = await client.put(f"/orders/{order['id']}", {"status": "refunded"})
    (short,) = done["refunds"]
    assert (short["reason"], short["total"]) == ("Order fully refunded.", f"-{order['total']}")
    (refund,) = await client.get(f"/orders/{order['id']}/refunds")
    assert refund["line_items"] == []


@pytest.mark.contract
async def test_bad_writes_are_refused_as_recorded(tmp_path: Path) -> None:
    async with shop(tmp_path, replace(QUICK, plugin_statuses=())) as client:
        (order,) = await placed(client)
        path = f"/orders/{order['id']}"
        bad = await client.refused("PUT", path, {"status": "shipped-ish"})
        assert bad == (400, answered("orders", "put_bad_status.json")["body"])
        broken = await client.http.put(API + path, content=b'{"status": ', headers=SECURE, auth=KEYS)
        assert broken.json() == answered("orders", "create_not_json.json")["body"]
        empty = await client.refused("POST", f"{path}/notes", {})
        assert empty == (400, answered("notes", "create_empty.json")["body"])


async def test_what_is_thrown_away_is_read_by_its_id_alone(client: WooClient) -> None:
    (order,) = await placed(client)
    path = f"/orders/{order['id']}"
    assert (await client.call("DELETE", path)).json()["status"] == "processing"
    assert (await client.get(path))["status"] == "trash"
    assert await client.get("/orders") == []
    assert (await client.call("DELETE", path, force="true")).status_code == 200
    assert (await client.refused("GET", path))[0] == 404


# --- refunds


@pytest.mark.contract
async def test_a_refund_answers_as_recorded_and_restocks_what_was_taken(client: WooClient) -> None:
    vat = [{"title": "VAT", "rate": "0.20"}]
    order = await client.place(lines=[{"sku": UPC, "quantity": 2, "price": "24.00"}], tax=vat, taxesIncluded=True)
    line = order["line_items"][0]
    body = {
        **recorded("refunds", "create_restock.json")["request"]["body"],
        "line_items": [
            {
                "id": line["id"],
                "quantity": 1,
                "refund_total": 20.0,
                "refund_tax": [{"id": line["taxes"][0]["id"], "refund_total": 4.0}],
            }
        ],
    }
    answer = await client.call("POST", f"/orders/{order['id']}/refunds", body)
    ours, theirs = answer.json(), answered("refunds", "create_restock.json")["body"]
    assert answer.status_code == 201
    check_answer("refund", ours)
    for key in ("amount", "reason", "refunded_by", "refunded_payment", "fee_lines", "shipping_lines"):
        assert ours[key] == theirs[key], key
    for key in ("quantity", "subtotal", "subtotal_tax", "total", "total_tax", "price"):
        assert ours["line_items"][0][key] == theirs["line_items"][0][key], key
    assert ours["line_items"][0]["meta_data"][0]["value"] == str(line["id"])
    after = await client.get(f"/orders/{order['id']}")
    assert after["refunds"] == [{"id": ours["id"], "reason": "Too small", "total": "-24.00"}]
    assert after["status"] == "processing"
    meta = {one["key"]: one["value"] for one in after["line_items"][0]["meta_data"]}
    assert (meta["_reduced_stock"], meta["_restock_refunded_items"]) == ("1", "1")


@pytest.mark.contract
async def test_a_refund_is_limited_by_money_alone_and_every_failure_is_a_500(client: WooClient) -> None:
    order = await client.place(
        lines=[{"sku": UPC, "quantity": 2, "price": "24.00"}, {"sku": OTHER}], tenders=[{"gateway": "bacs"}]
    )
    path, line = f"/orders/{order['id']}/refunds", order["line_items"][0]["id"]
    one = {"api_refund": False, "line_items": [{"id": line, "quantity": 1, "refund_total": 24.0}]}
    for _ in range(3):
        assert (await client.call("POST", path, one)).status_code == 201
    too_much = await client.refused("POST", path, {"amount": "9999.00", "api_refund": False})
    assert too_much == (500, answered("refunds", "create_too_much.json")["body"])
    by_gateway = await client.refused("POST", path, {"amount": "1.00"})
    assert by_gateway == (500, answered("refunds", "create_default_gateway.json")["body"])
    listed = await client.get(path)
    assert len(listed) == 3
    everywhere = await client.get("/refunds")
    assert [one["parent_id"] for one in everywhere] == [order["id"]] * 3
    for refund in everywhere:
        check_answer("refund", refund)


async def test_an_order_given_back_whole_is_refunded(client: WooClient) -> None:
    (order,) = await placed(client)
    await client.call("POST", f"/orders/{order['id']}/refunds", {"amount": order["total"], "api_refund": False})
    assert (await client.get(f"/orders/{order['id']}"))["status"] == "refunded"


async def test_notes_are_kept_newest_first(client: WooClient) -> None:
    (order,) = await placed(client)
    for text in ("Released.", "On its way."):
        answer = await client.call("POST", f"/orders/{order['id']}/notes", {"note": text, "customer_note": True})
        check_answer("note", answer.json())
        await client.advance(2)
    notes = await client.get(f"/orders/{order['id']}/notes", type="customer")
    assert [one["note"] for one in notes] == ["On its way.", "Released."]
    assert await client.get(f"/orders/{order['id']}/notes", type="internal") == []


# --- products


async def test_products_are_found_by_sku_variations_too_whatever_the_case(client: WooClient) -> None:
    found = await client.get("/products", sku=f"{UPC},{OTHER},NO-SUCH", per_page=100)
    assert {(one["sku"], one["type"], one["global_unique_id"]) for one in found} == {
        (UPC, "variation", UPC),
        (OTHER, "variation", OTHER),
    }
    for one in found:
        check_answer("product", one)
    assert await client.get("/products", sku=UPC[:-1]) == []
    (style,) = await client.get("/products", sku="00417")
    assert (style["type"], style["id"]) == ("variable", found[0]["parent_id"])


async def test_the_season_is_variable_products_and_goods_of_one_size_are_simple(client: WooClient) -> None:
    styles = await client.get("/products", per_page=100)
    assert {one["type"] for one in styles} == {"variable", "simple"}
    for one in styles:
        check_answer("product", one)
    style = next(one for one in styles if one["type"] == "variable")
    variations = await client.get(f"/products/{style['id']}/variations", per_page=100)
    assert {one["id"] for one in variations} == set(style["variations"])
    for one in variations:
        check_answer("variation", one)
    assert await client.get(f"/products/{style['id']}/variations/{variations[0]['id']}") == variations[0]
    assert (await client.refused("GET", f"/products/{style['id']}/variations/1"))[0] == 404


async def test_an_order_shows_the_sku_its_product_has_now(client: WooClient) -> None:
    (order,) = await placed(client)
    variation = order["line_items"][0]["variation_id"]
    changed = await client.http.patch(f"/_sandbox/products/{variation}", json={"sku": "NEW-1"})
    assert changed.is_success
    assert (await client.get(f"/orders/{order['id']}"))["line_items"][0]["sku"] == "NEW-1"
    assert (await client.http.delete(f"/_sandbox/products/{order['line_items'][0]['product_id']}")).is_success
    (line,) = (await client.get(f"/orders/{order['id']}"))["line_items"]
    assert (line["product_id"], line["variation_id"], line["sku"], line["parent_name"]) == (0, 0, None, None)
    assert line["name"] == order["line_items"][0]["name"]


# --- the shop itself


async def test_the_index_is_open_to_all_and_tells_the_time_zone(client: WooClient) -> None:
    index = (await client.http.get("/wp-json/")).json()
    assert (index["timezone_string"], "wc/v3" in index["namespaces"]) == ("Europe/Paris", True)
    routes = (await client.http.get("/wp-json/wc/v3")).json()["routes"]
    assert "/wc/v3/orders" in routes
    assert "/wc/v3/orders/(?P<order_id>[\\d]+)/fulfillments" not in routes


@pytest.mark.contract
async def test_the_state_of_the_system_has_recorded_keys_and_settings_can_be_read(client: WooClient) -> None:
    ours, theirs = await client.get("/system_status"), answered("system_status.json")["body"]
    for part in ("environment", "settings", "database", "security"):
        assert set(ours[part]) <= set(theirs[part]), part
    assert (ours["environment"]["version"], ours["settings"]["HPOS_enabled"]) == ("10.5.2", True)
    assert (await client.get("/settings/products/woocommerce_manage_stock"))["value"] == "yes"
    assert {one["id"] for one in await client.get("/settings/tax")} >= {"woocommerce_prices_include_tax"}
    assert (await client.get("/data/currencies/current"))["code"] == "EUR"
    assert "packing" in {one["slug"] for one in await client.get("/orders/statuses")}


# --- bad manners


@pytest.mark.parametrize(("fault", "status"), [("html_200", 200), ("html_403", 403), ("html_503", 503)])
async def test_a_page_of_html_is_no_answer(client: WooClient, fault: str, status: int) -> None:
    await client.order_faults(once={fault: 1})
    answer = await client.call("GET", "/orders")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert (await client.call("GET", "/orders")).json() == []


async def test_a_warning_of_phps_stands_before_the_json(client: WooClient) -> None:
    await client.order_faults(once={"php_warning": 1})
    answer = await client.call("GET", "/orders")
    assert answer.status_code == 200
    assert answer.text.startswith("<br />")
    assert answer.text.endswith("[]")


@pytest.mark.parametrize(
    ("fault", "status", "code", "data"),
    [
        ("http_500", 500, "internal_server_error", {"status": 500}),
        ("bare_data", 500, "internal_server_error", 500),
        ("key_401", 401, "woocommerce_rest_cannot_view", {"status": 401}),
        ("api_gone", 404, "rest_no_route", {"status": 404}),
    ],
)
async def test_each_refusal_can_be_ordered(client: WooClient, fault: str, status: int, code: str, data: object) -> None:
    await client.order_faults(once={fault: 1})
    said = await client.refused("GET", "/orders")
    assert (said[0], said[1]["code"], said[1]["data"]) == (status, code, data)
    check_answer("error", said[1])


async def test_the_host_may_ask_for_patience_and_a_write_may_fail_as_a_500(client: WooClient) -> None:
    (order,) = await placed(client)
    await client.order_faults(once={"http_429": 1, "validation_500": 1}, values={"retry_after_seconds": 7})
    busy = await client.call("GET", "/orders")
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    said = await client.refused("PUT", f"/orders/{order['id']}", {"status": "completed"})
    assert (said[0], said[1]["data"]) == (500, 500)
    assert (await client.get(f"/orders/{order['id']}"))["status"] == "processing"


async def test_an_answer_can_be_lost_after_the_deed_and_a_call_before_it(client: WooClient) -> None:
    (order,) = await placed(client)
    path = f"/orders/{order['id']}"
    await client.order_faults(once={"answer_lost": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        await client.call("PUT", path, {"status": "completed"})
    assert (await client.get(path))["status"] == "completed"
    await client.order_faults(once={"timeout": 1, "slow": 1}, values={"timeout_ms": 5, "slow_ms": 5})
    with pytest.raises(httpx.RemoteProtocolError):
        await client.call("PUT", path, {"status": "failed"})
    assert (await client.get(path))["status"] == "completed"


async def test_rows_move_between_pages(client: WooClient) -> None:
    """Paged by number, the first rows of page 2 are never seen; read as page 1 again, none is missed."""
    orders = [one["id"] for one in await placed(client, 12)]
    await client.order_faults(rates={"moving_list": 1})
    await client.advance(60)
    asked = {"orderby": "modified", "order": "asc", "per_page": 6}
    first, second = [await client.get("/orders", page=page, **asked) for page in (1, 2)]
    missed = set(orders) - {one["id"] for one in (*first, *second)}
    assert missed == set(orders[6:8])


async def test_many_orders_can_share_one_stamp(client: WooClient) -> None:
    await client.order_faults(rates={"equal_updated_at": 1}, values={"equal_updated_at_seconds": 3600})
    stamps = {one["date_modified_gmt"] for one in await placed(client, 3)}
    assert len(stamps) == 1
    assert stamps.pop().endswith(":00:00")


async def test_a_change_can_commit_after_its_stamp(client: WooClient) -> None:
    early = (await placed(client))[0]
    await client.order_faults(once={"late_commit": 1}, values={"late_commit_seconds": 30})
    late = await client.post_door("orders", {"lines": [{"sku": UPC}]})
    assert (await client.refused("GET", f"/orders/{late['id']}"))[0] == 404
    await client.advance(10)
    newest = (await placed(client))[0]
    assert {one["id"] for one in await client.get("/orders")} == {early["id"], newest["id"]}
    assert {one["id"] for one in await client.books("orders")} == {early["id"], late["id"], newest["id"]}
    await client.advance(25)
    shown = await client.get(f"/orders/{late['id']}")
    assert shown["date_modified_gmt"] < newest["date_modified_gmt"]


async def test_what_was_shown_as_paid_is_in_the_books(client: WooClient) -> None:
    seen = (await placed(client))[0]
    unseen = await client.post_door("orders", {"lines": [{"sku": UPC}]})
    unpaid = await client.place(lines=[{"sku": UPC}], payment="pending", tenders=[{"gateway": "bacs"}])
    served = {row["orderId"] for row in await client.books("servedPaid")}
    assert served == {seen["id"]}
    await client.happens(unpaid, "pay")
    await client.get("/orders")
    assert {row["orderId"] for row in await client.books("servedPaid")} == {seen["id"], unseen["id"], unpaid["id"]}


# --- webhooks as a resource


@pytest.mark.contract
async def test_webhooks_are_made_listed_changed_and_deleted_as_recorded(client: WooClient) -> None:
    request = recorded("webhooks", "create_order.updated.json")["request"]["body"]
    address = f"{client.http.base_url}/_sandbox/"  # answers 405 to a ping
    answer = await client.call("POST", "/webhooks", {**request, "delivery_url": address})
    made, theirs = answer.json(), answered("webhooks", "create_order.updated.json")["body"]
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/webhooks/{made['id']}")
    check_answer("webhook", made)
    for key in ("name", "status", "topic", "resource", "event", "hooks", "date_modified"):
        assert made[key] == theirs[key], key
    assert "secret" not in json.dumps(await client.get("/webhooks"))
    path = f"/webhooks/{made['id']}"
    paused = await client.put(path, {"status": "paused"})
    assert paused["status"] == "paused"
    assert [one["id"] for one in await client.get("/webhooks", status="paused")] == [made["id"]]
    whole = await client.refused("DELETE", path)
    assert whole == (501, answered("webhooks", "delete_without_force.json")["body"])
    assert (await client.call("DELETE", path, force="true")).json()["id"] == made["id"]
    assert (await client.refused("GET", path))[0] == 404
    bad = await client.refused("POST", "/webhooks", {"topic": "order.shipped", "delivery_url": address})
    assert bad == (400, answered("webhooks", "create_bad_topic.json")["body"])


async def test_a_shop_remembers_over_a_restart_and_forgets_at_a_reset(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        (order,) = await placed(client)
    async with shop(tmp_path) as client:
        assert (await client.get("/orders"))[0]["id"] == order["id"]
        assert (await placed(client))[0]["id"] == order["id"] + 1
        await client.post_door("reset")
        assert await client.get("/orders") == []
        assert len(await client.books("products")) > 300
        assert (await placed(client))[0]["line_items"][0]["sku"] == UPC


async def test_number_is_not_the_id_unless_no_plugin_numbers(tmp_path: Path) -> None:
    async with shop(tmp_path / "plugin") as client:
        (order,) = await placed(client)
        assert order["number"] != str(order["id"])
        by_number = (await client.http.get(f"/_sandbox/orders/{order['number']}")).json()
        assert by_number["id"] == order["id"]
    async with shop(tmp_path / "plain", replace(QUICK, own_numbers=False)) as client:
        (order,) = await placed(client)
        assert order["number"] == str(order["id"])
