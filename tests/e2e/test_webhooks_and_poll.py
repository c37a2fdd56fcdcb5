"""Webhooks make it faster, polling alone makes it complete: whatever becomes of the ringing, the end is the same.

And what knocks without being one of theirs is refused, counted, and leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.shops import SHOPIFY
from tests.e2e.world import World, call, world

pytestmark = pytest.mark.timeout(300)

SHIRT = "040123000013"
UNSIGNED = "not signed with a key of this shop"
PATIENCE_SECONDS = 90.0
SMALL_PAGES = replace(SHOPIFY, settings=f"{SHOPIFY.settings}page_size = 60\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bridge that is rung and polls; in the end both books must agree."""
    with world(tmp_path_factory.mktemp("ringing"), public=True) as one:
        one.run_bridge()
        one.comes(lambda: len(one.books(one.shop, "webhookSubscriptions")) > 10, "the subscriptions stand")
        yield one
        one.all_booked(within=PATIENCE_SECONDS)
        assert one.judged().wrong == ()


@pytest.fixture(autouse=True)
def good_manners_again(shop: World) -> Iterator[None]:
    yield
    shop.faults(shop.shop, clear=True)


def fates(one: World) -> str:
    return " ".join(str(delivery["fate"]) for delivery in one.books(one.shop, "deliveries"))


def test_without_a_single_webhook_polling_is_complete(shop: World) -> None:
    shop.faults(shop.shop, rates={"webhook_drop": 1})
    rung = shop.hooks("taken")
    shop.sell_all(10, seed=31, simple=True)
    shop.all_booked(within=PATIENCE_SECONDS)
    assert shop.happened(shop.shop, "webhook_drop") >= 10
    assert shop.hooks("taken") == rung


def test_webhooks_twice_stale_late_and_out_of_order_come_to_the_same_end(shop: World) -> None:
    rates = {"webhook_twice": 0.5, "webhook_stale": 0.4, "webhook_late": 0.3, "webhook_reorder": 0.4}
    shop.faults(shop.shop, rates=rates, values={"webhook_late_ms": 3000, "webhook_reorder_ms": 800})
    shop.sell_all(30, seed=32, rate=15, mixed=0.2, unbookable=0)
    shop.comes(lambda: not shop.unpaid(), "all are paid", within=PATIENCE_SECONDS)
    shop.all_booked(within=PATIENCE_SECONDS)
    shop.comes(lambda: not ringing(shop), "every webhook has been delivered")
    assert all(word in fates(shop) for word in ("webhook_twice", "webhook_stale", "webhook_late"))
    shop.all_booked(within=PATIENCE_SECONDS)
    assert shop.judged().wrong == ()


def ringing(one: World) -> list[Any]:
    return [delivery for delivery in one.books(one.shop, "deliveries") if delivery["state"] == "waiting"]


def test_what_is_not_theirs_is_refused_and_counted_and_leaves_nothing(shop: World) -> None:
    shop.comes(lambda: not ringing(shop), "nobody rings")
    before, stored = shop.metrics(), traces(shop)
    good = json.dumps({"id": 4711, "admin_graphql_api_id": "gid://shopify/Order/4711"}).encode()
    statuses = [
        shop.ring(good, X_Shopify_Hmac_Sha256=""),
        shop.ring(good, X_Shopify_Hmac_Sha256="bm90IGEgc2lnbmF0dXJl"),
        shop.ring(good, secret="another secret"),
        shop.ring(good, X_Shopify_Shop_Domain="another.myshopify.com"),
        shop.ring(b"{not json"),
        shop.ring(b"[1, 2]"),
        shop.ring(b'{"id": 4711.5}'),
        shop.ring(b"{}" + b" " * 2_000_001),
    ]
    assert statuses == [401, 401, 401, 401, 400, 400, 400, 413]
    refused = {name for name, count in shop.metrics().items() if count > before.get(name, 0.0) and "webhooks" in name}
    assert any('outcome="too_large"' in name for name in refused)
    assert any("not signed" in name for name in refused)
    assert not any('outcome="taken"' in name for name in refused)
    assert traces(shop) == stored
    assert shop.ring(good) == 200, "the same body, well signed: let in, and looked at"
    shop.comes(lambda: not shop.rows("SELECT 1 FROM jobs WHERE ref LIKE '%/4711' AND state <> 'done'"), "looked at")
    assert not shop.rows("SELECT 1 FROM orders WHERE ref LIKE '%/4711'"), "there is no such order"


def traces(one: World) -> list[int]:
    tables = ("orders", "deliveries", "jobs", "documents")
    return [one.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables]


def test_a_wrongly_signed_webhook_of_the_shop_itself_costs_time_and_nothing_else(shop: World) -> None:
    refused = shop.hooks(UNSIGNED)
    shop.faults(shop.shop, rates={"webhook_bad_hmac": 1})
    placed = shop.order(lines=[{"sku": SHIRT}])
    shop.comes(lambda: placed["name"] in shop.in_state("booked"), "the poll found it", within=PATIENCE_SECONDS)
    shop.comes(lambda: shop.hooks(UNSIGNED) > refused, "its webhook was refused", within=PATIENCE_SECONDS)


def test_one_nonsense_document_is_blocked_and_the_others_go_on(shop: World) -> None:
    sane = shop.order(lines=[{"sku": SHIRT}])
    document = call(f"{shop.shop}/_sandbox/orders/{sane['legacyResourceId']}")
    document["lineItems"][0]["originalUnitPriceSet"]["presentmentMoney"]["currencyCode"] = "JPY"
    broken = call(f"{shop.shop}/_sandbox/orders", {"document": plain(document)})
    after = [shop.order(lines=[{"sku": SHIRT}])["name"] for _ in range(3)]
    ref = broken["id"]

    def state() -> list[dict[str, Any]]:
        return shop.rows("SELECT state, code, reason FROM orders WHERE ref = ?", ref)

    shop.comes(lambda: bool(state()) and state()[0]["state"] == "blocked", "it is blocked", within=PATIENCE_SECONDS)
    assert state()[0]["code"] == "malformed"
    assert shop.rows("SELECT length(body) AS n FROM documents WHERE ref = ?", ref)[0]["n"] > 100, "its bytes are kept"
    shop.comes(lambda: {sane["name"], *after} <= shop.in_state("booked"), "the others go on", within=PATIENCE_SECONDS)
    assert not [one for one in shop.booked() if str(broken["legacyResourceId"]) in one["po_num"]]
    shop.change(broken["legacyResourceId"], "cancel")  # the books need not wait for it


def plain(document: Any) -> Any:
    """Amounts as text again: JSON of the standard library has no Decimal."""
    return json.loads(json.dumps(document, default=str))


def test_customer_data_withheld_blocks_and_a_retry_after_the_cure_books(shop: World) -> None:
    shop.faults(shop.shop, rates={"access_nulls": 1})
    names = [shop.order(lines=[{"sku": SHIRT}])["name"] for _ in range(2)]
    shop.comes(lambda: set(names) <= shop.in_state("blocked"), "blocked without address", within=PATIENCE_SECONDS)
    assert {code for name in names for code in shop.codes(name)} == {"address_incomplete"}
    shop.faults(shop.shop, clear=True)
    shop.did("retry", *names, "--yes")
    shop.comes(lambda: set(names) <= shop.in_state("booked"), "booked with it", within=PATIENCE_SECONDS)


def test_an_index_that_lags_hides_nothing_for_good(shop: World) -> None:
    shop.faults(shop.shop, rates={"index_lag": 0.6, "webhook_drop": 1}, values={"index_lag_seconds": 3})
    shop.sell_all(20, seed=33, rate=10, simple=True)
    shop.all_booked(within=PATIENCE_SECONDS)
    assert shop.happened(shop.shop, "index_lag") > 0


def test_more_orders_than_a_page_of_one_second_on_a_list_that_moves(tmp_path: Any) -> None:
    """More than a page under one stamp, and what was shown is touched while the next page is asked for."""
    with world(tmp_path, shops=(SMALL_PAGES,)) as one:
        one.faults(one.shop, rates={"equal_updated_at": 1}, values={"equal_updated_at_seconds": 3600})
        one.sell_all(100, seed=34, simple=True)
        stamps = {order["updatedAt"] for order in one.sold()}
        assert len(stamps) <= 2
        one.faults(one.shop, rates={"moving_list": 1})
        one.run_bridge()
        one.all_booked()
        assert one.happened(one.shop, "moving_list") > 0
        assert one.judged().wrong == ()
        assert one.doubles() == {}
