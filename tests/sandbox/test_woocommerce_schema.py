"""The shop's schemas: what was recorded passes, what is broken does not."""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.conftest import contract_path
from tests.wordpress import ANSWERS, check_answer, check_request, recorded

pytestmark = pytest.mark.contract
JSON = dict[str, Any]


def exchanges() -> list[tuple[str, JSON]]:
    found = []
    for path in sorted(contract_path("woocommerce", "recorded").rglob("*.json")):
        exchange = json.loads(path.read_bytes())
        if path.parent.name not in ("schema", "fulfillments", "stock") and "response" in exchange:
            found.append((f"{path.parent.name}/{path.name}", exchange))
    return found


def an_order() -> JSON:
    return copy.deepcopy(next(one for one in recorded("order") if one["coupon_lines"] and one["fee_lines"]))


@pytest.mark.parametrize("resource", sorted(ANSWERS))
def test_what_the_real_shop_answered_passes(resource: str) -> None:
    assert recorded(resource)
    for body in recorded(resource):
        check_answer(resource, body)


def test_what_the_real_shop_delivered_passes() -> None:
    for path in sorted(contract_path("woocommerce", "recorded", "webhooks").glob("delivery_*order*.json")):
        check_answer("order", json.loads(json.loads(path.read_bytes())["delivery"]["body_raw"]))


def test_what_the_real_shop_refused_passes_as_an_error() -> None:
    refused = [exchange["response"]["body"] for _, exchange in exchanges() if exchange["response"]["status"] >= 400]
    assert len(refused) > 15
    for body in refused:
        check_answer("error", body)


def test_what_the_real_shop_was_asked_and_gave_passes() -> None:
    asked = 0
    for _, exchange in exchanges():
        request, url = exchange["request"], urlsplit(exchange["request"]["url"])
        if exchange["response"]["status"] >= 400 or request["method"] == "OPTIONS" or url.path.endswith("batch"):
            continue
        if url.path.startswith("/wp-json/wc/v3") and "line_items" not in (request["body"] or {}):
            check_request(request["method"], url.path, dict(parse_qsl(url.query)), request["body"])
            asked += 1
    assert asked > 30


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        (("number",), None),
        (("total",), 12.5),
        (("total",), "12.5"),
        (("status",), "packed"),
        (("date_paid_gmt",), "2026-11-21T00:18:40Z"),
        (("line_items", 0, "sku"), 7),
        (("line_items", 0, "quantity"), "3"),
        (("line_items", 0, "colour"), "white"),
        (("fee_lines", 0, "total_tax"), "0.4"),
    ],
)
def test_a_broken_order_fails(place: tuple[str | int, ...], broken: object) -> None:
    order: Any = an_order()
    holder = order
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = broken
    with pytest.raises(AssertionError, match=str(place[-1])):
        check_answer("order", order)


@pytest.mark.parametrize("place", [("order_key",), ("line_items", 0, "parent_name"), ("tax_lines", 0, "rate_percent")])
def test_an_order_that_leaves_something_out_fails(place: tuple[str | int, ...]) -> None:
    order: Any = an_order()
    holder = order
    for step in place[:-1]:
        holder = holder[step]
    del holder[place[-1]]
    with pytest.raises(AssertionError, match=f"lacks {place[-1]}"):
        check_answer("order", order)
    check_answer("order", order, trimmed=True)


def test_a_plugins_status_is_one_when_it_is_named() -> None:
    order = {**an_order(), "status": "packed"}
    check_answer("order", order, statuses=["packed"])
    check_request("GET", "/orders", {"status": "processing,packed"}, statuses=["packed"])


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "said"),
    [
        ("GET", "/orders", {"modified_since": "2026-11-21T00:18:40"}, None, "modified_since is no parameter"),
        ("GET", "/orders", {"modified_after": "21.11.2026"}, None, "not a date"),
        ("GET", "/orders", {"per_page": "101"}, None, "outside 1..100"),
        ("GET", "/orders", {"page": "one"}, None, "not a whole number"),
        ("GET", "/orders", {"orderby": "updated"}, None, "none of date"),
        ("GET", "/orders", {"status": "any,packed"}, None, "packed"),
        ("GET", "/orders", {"include": "1,x"}, None, "include=x"),
        ("GET", "/orders/7", {"page": "1"}, None, "page is no parameter"),
        ("DELETE", "/orders", {}, None, "no such method"),
        ("GET", "/order", {}, None, "no route"),
        ("GET", "/system_status", {"page": "1"}, None, "takes no page"),
        ("POST", "/webhooks", {}, {"topic": "order.updated"}, "delivery_url is missing"),
        ("POST", "/webhooks", {}, {"topic": 1, "delivery_url": "http://x"}, "topic"),
        ("PUT", "/webhooks/7", {}, {"state": "active"}, "state"),
        ("PUT", "/orders/7", {}, {"total": "1.00"}, "total"),
        ("PUT", "/orders/7", {}, {"line_items": [{"id": 1, "subtotal_tax": "1.00", "reduced": 1}]}, "reduced"),
        ("POST", "/orders/7/refunds", {}, {"api_refund": "false"}, "api_refund"),
    ],
)
def test_a_request_the_shop_would_misread_fails(
    method: str, path: str, query: dict[str, str], body: object, said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        check_request(method, path, query, body)


def test_requests_as_the_documents_have_them_pass() -> None:
    changed = {"modified_after": "2026-11-21T00:18:40", "dates_are_gmt": "true", "orderby": "modified", "order": "asc"}
    check_request("GET", "/wp-json/wc/v3/orders", {**changed, "per_page": "100", "dp": "4", "_fields": "id,total"})
    check_request("GET", "/wp-json/wc/v3/orders", {"status[0]": "any", "oauth_nonce": "x", "include": "1,2"})
    check_request("GET", "/wp-json/", {})
    check_request("GET", "/wp-json/wc/v3/webhooks/7", {})
    check_request("DELETE", "/wp-json/wc/v3/webhooks/7", {"force": "true"})
    line = {"id": 1, "quantity": 1, "refund_total": 20.0, "refund_tax": [{"id": 1, "refund_total": 4.0}]}
    check_request("POST", "/orders/7/refunds", {}, {"amount": "24.00", "api_refund": False, "line_items": [line]})
