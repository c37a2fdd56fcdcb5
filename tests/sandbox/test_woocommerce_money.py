"""Orders of the sandbox's WooCommerce shop: shaped as recorded, and their sums as WooCommerce works them out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcbridge.sandbox.woocommerce import NEW_YORK, WooCommerceSettings
from tests.conftest import contract_path
from tests.sandbox.woocommerce_client import JSON, QUICK, WooClient, shop, until
from tests.wordpress import check_answer

UPC = "040123000013"
POUNDS = replace(QUICK, country="GB")
VAT = [{"title": "VAT", "rate": "0.20"}]
STANDARD = {"title": "Standard delivery", "price": "3.95"}
TAX = ("label", "tax_total", "shipping_tax_total", "rate_percent", "compound")
PARTS = ("line_items", "fee_lines", "shipping_lines")


def recorded(*parts: str) -> JSON:
    return dict(json.loads(contract_path("woocommerce", "recorded", *parts).read_bytes())["response"]["body"])


def total(lines: Iterable[JSON], *keys: str) -> Decimal:
    return sum((Decimal(line[key]) for line in lines for key in keys), Decimal(0))


def sums(order: JSON) -> JSON:
    """Everything that is worked out, without ids."""
    heads = ("discount_total", "discount_tax", "shipping_total", "shipping_tax", "cart_tax", "total", "total_tax")
    line = ("quantity", "subtotal", "subtotal_tax", "total", "total_tax", "price")
    return {
        **{key: order[key] for key in (*heads, "prices_include_tax")},
        "lines": [{key: one[key] for key in line} for one in order["line_items"]],
        "taxes": [[(tax["total"], tax["subtotal"]) for tax in one["taxes"]] for p in PARTS for one in order[p]],
        "fees": [(one["name"], one["total"], one["total_tax"]) for one in order["fee_lines"]],
        "coupons": [
            {key: one[key] for key in ("code", "discount", "discount_tax", "discount_type", "nominal_amount")}
            for one in order["coupon_lines"]
        ],
        "tax": [
            (one["label"], one["tax_total"], one["shipping_tax_total"], one["rate_percent"])
            for one in order["tax_lines"]
        ],
    }


def assert_ties(order: JSON) -> None:
    """What is shown adds up to the cent, line by line and as a whole."""
    lines = [line for part in PARTS for line in order[part]]
    assert total(lines, "total", "total_tax") == Decimal(order["total"]), order["id"]
    assert total(lines, "total_tax") == Decimal(order["total_tax"])
    assert total(order["tax_lines"], "tax_total", "shipping_tax_total") == Decimal(order["total_tax"])
    off = total(order["line_items"], "subtotal") - total(order["line_items"], "total")
    assert off == Decimal(order["discount_total"])


@pytest.mark.contract
async def test_what_a_real_checkout_worked_out_is_worked_out_here(tmp_path: Path) -> None:
    async with shop(tmp_path, POUNDS) as client:
        hoodies = {"title": "Quayside Hoodie", "price": "58.00", "quantity": 2, "sku": "BC-1002-NVY-L"}
        ours = await client.place(
            lines=[hoodies],
            shipping=STANDARD,
            tax=VAT,
            taxesIncluded=True,
            payment="pending",
            tenders=[{"gateway": "bacs"}],
            address={"countryCodeV2": "GB"},
        )
    theirs = recorded("orders", "get_from_checkout.json")
    assert sums(ours) == sums(theirs)
    assert ours["status"] == theirs["status"] == "on-hold"
    assert ours["line_items"][0]["price"] == 48.3333335
    assert list(ours) == list(theirs)
    for part in (*PARTS, "tax_lines"):
        assert list(ours[part][0]) == list(theirs[part][0]) if theirs[part] else True


@pytest.mark.contract
async def test_a_coupon_and_a_fee_are_worked_out_as_recorded(tmp_path: Path) -> None:
    async with shop(tmp_path, POUNDS) as client:
        ours = await client.place(
            lines=[{"title": "Harbour Tee", "price": "24.00", "quantity": 3, "sku": "BC-1001-WHT-L"}],
            discounts=[{"code": "TEN", "percent": "10"}],
            fees=[{"name": "Gift wrap", "amount": "2.00"}],
            shipping=STANDARD,
            tax=VAT,
            taxesIncluded=True,
        )
    theirs = recorded("orders", "create_with_coupon_and_fee.json")
    assert sums(ours) == sums(theirs)
    assert list(ours["coupon_lines"][0]) == list(theirs["coupon_lines"][0])
    assert list(ours["fee_lines"][0]) == list(theirs["fee_lines"][0])


async def kinds(client: WooClient) -> list[JSON]:
    """A plan with everything the mix draws, everything that happens to it, and what is done by hand alone."""
    await client.sell(orders=250, seed=11, mixed=0.1, unbookable=0.1)
    await client.advance(60)

    async def to_come() -> list[JSON]:
        return await client.books("happenings")

    await until(to_come, lambda left: not left)
    by_hand = {"shipping": STANDARD, "tax": VAT, "taxesIncluded": True}
    for what, details in (
        ("refund", {"lines": {"0": 1}}),
        ("refund", {"amount": "1.00"}),
        ("refund", {"lines": {"0": 1}, "restock": False}),
        ("refund", {"shipping": True}),
        ("complete", {}),
        ("status", {"status": "refunded"}),
        ("cancel", {}),
        ("fail", {}),
        ("trash", {}),
    ):
        placed = await client.place(lines=[{"sku": UPC, "quantity": 2}], **by_hand)
        await client.happens(placed, what, **details)
    every = "any,trash,checkout-draft,pending,processing,on-hold,completed,cancelled,refunded,failed,packing"
    pages = [await client.get("/orders", status=every, per_page=100, page=page) for page in (1, 2, 3)]
    return [order for page in pages for order in page]


@pytest.mark.contract
async def test_every_kind_of_order_fits_the_recorded_schema_and_ties(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        found = await kinds(client)
        refunds = await client.get("/refunds", per_page=100)
    for order in found:
        check_answer("order", order, statuses=QUICK.plugin_statuses)
        assert_ties(order)
    for refund in refunds:
        check_answer("refund", refund)
    statuses = {order["status"] for order in found}
    assert statuses == {
        *("processing", "on-hold", "completed", "cancelled", "refunded", "failed", "trash", "checkout-draft", "packing")
    }
    lines = [line for order in found for line in order["line_items"]]
    assert any(order["coupon_lines"] for order in found)
    assert any(Decimal(fee["total"]) < 0 for order in found for fee in order["fee_lines"])
    assert any(Decimal(fee["total"]) > 0 for order in found for fee in order["fee_lines"])
    assert any(len(order["tax_lines"]) > 1 for order in found)
    assert {type(meta["value"]) for line in lines for meta in line["meta_data"]} == {str, float, dict}
    assert any(line["product_id"] == 0 and line["sku"] is None for line in lines)
    assert any(line["product_id"] and not line["variation_id"] for line in lines)
    assert any(line["total"] == "0.00" and line["sku"] for line in lines)
    assert any(order["payment_method"] == "cod" and order["date_paid"] is None for order in found)
    assert any(refund["line_items"] == [] for refund in refunds)


@pytest.mark.parametrize("settings", [QUICK, replace(NEW_YORK, webhook_seconds=0.0)], ids=["Paris", "New York"])
async def test_whatever_is_sold_adds_up_to_the_cent(tmp_path: Path, settings: WooCommerceSettings) -> None:
    async with shop(tmp_path, settings) as client:
        await client.sell(orders=300, seed=5)
        for page in (1, 2, 3):
            for order in await client.get("/orders", per_page=100, page=page, status="any"):
                assert_ties(order)


async def test_a_shop_that_rounds_at_the_subtotal_has_lines_that_do_not_add_up(tmp_path: Path) -> None:
    """Three of 9.99 with 20 % inside: 8.325 and 1.665 each, and the order rounds once."""
    loose = replace(QUICK, round_at_subtotal=True)
    async with shop(tmp_path, loose) as client:
        lines = [{"title": f"Sock {at}", "price": "9.99"} for at in range(3)]
        order = await client.place(lines=lines, tax=VAT, taxesIncluded=True)
        exact = await client.get(f"/orders/{order['id']}", dp=6)
    assert order["total"] == "29.97"
    assert [line["total"] for line in order["line_items"]] == ["8.33"] * 3
    assert total(order["line_items"], "total", "total_tax") != Decimal("29.97")
    assert total(exact["line_items"], "total", "total_tax") == Decimal("29.97")


async def test_decimals_are_as_many_as_are_asked_for(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"title": "Hoodie", "price": "58.00"}], tax=VAT, taxesIncluded=True)
        exact = await client.get(f"/orders/{placed['id']}", dp=6)
        check_answer("order", exact, decimals=6)
    assert exact["line_items"][0]["total"] == "48.333333"
    assert exact["total"] == "58.000000"


async def test_a_gift_card_is_a_fee_below_zero_and_never_more_than_is_to_pay(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        card: Any = [{"gateway": "gift_card", "amount": "50.00"}, {"gateway": "stripe"}]
        part = await client.place(lines=[{"title": "Coat", "price": "120.00"}], tenders=card)
        whole = await client.place(lines=[{"title": "Sock", "price": "12.00"}], tenders=card)
    assert [(fee["name"], fee["total"], fee["tax_status"]) for fee in part["fee_lines"]] == [
        ("Gift card", "-50.00", "none")
    ]
    assert (part["total"], part["payment_method"]) == ("70.00", "stripe")
    assert (whole["total"], whole["payment_method"], whole["status"]) == ("0.00", "", "processing")


async def test_what_a_plugin_takes_off_is_a_fee_that_takes_its_tax_along(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        bundle: Any = [{"title": "Bundle & Save", "percent": "10"}]
        order = await client.place(
            lines=[{"title": "Coat", "price": "120.00"}], discounts=bundle, tax=VAT, taxesIncluded=True
        )
    (fee,) = order["fee_lines"]
    assert (fee["name"], fee["total"], fee["total_tax"]) == ("Bundle & Save", "-10.00", "-2.00")
    assert (order["total"], order["cart_tax"], order["discount_total"]) == ("108.00", "18.00", "0.00")


async def test_what_woocommerce_has_no_word_for_is_refused(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for order in (
            {"lines": [{"sku": UPC}], "tip": "5.00"},
            {"lines": [{"sku": UPC}], "payment": "partially_paid"},
            {"lines": [{"title": "Card", "price": "50.00", "giftCard": True}]},
            {"lines": [{"sku": UPC}], "discounts": [{"code": "X", "amount": "1", "on": "shipping"}]},
        ):
            answer = await client.http.post("/_sandbox/orders", json=order)
            assert answer.status_code == 400, order
            assert answer.json()["error"]


@pytest.mark.contract
async def test_a_recorded_order_can_be_put_in_as_it_is(tmp_path: Path) -> None:
    document = recorded("orders", "get_from_checkout.json")
    async with shop(tmp_path) as client:
        order = await client.place(document=document)
    own = ("id", "number", "date_created", "date_modified", "date_created_gmt", "date_modified_gmt")
    addresses = ("_links", "payment_url")
    kept = {key: value for key, value in document.items() if key not in (*own, *addresses)}
    assert {key: order[key] for key in kept} == kept
