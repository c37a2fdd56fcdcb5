"""What an order of the simulated BigCommerce costs: every sum ties to the cent, whatever was drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bigcommerce import BigCommerceSettings, changes, checkout, payment, world
from bcbridge.sandbox.bigcommerce.basket import Ordered
from bcbridge.sandbox.bigcommerce.trade import trade
from bcbridge.sandbox.shopping.cart import BadCart
from bcbridge.sandbox.shopping.mix import Wishes, draw

JSON = dict[str, Any]
AT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
TRADE = trade(BigCommerceSettings())
COMPACT = Ordered(world.listed(), "USD", "stripe", world.RATES)
TEE = next(sku for sku in catalogue.WEB_SKUS if sku.style.name == "Boxy Tee")  # 34.00
DRESS = next(sku for sku in catalogue.WEB_SKUS if sku.style.name == "Wrap Dress")  # 148.00
TWO = [{"sku": TEE.upc, "quantity": 2}, {"sku": DRESS.upc}]
TAX = [{"title": "NJ State Tax", "rate": "0.06625"}]
VAT = {"tax": [{"title": "VAT", "rate": "0.20"}], "taxesIncluded": True}


def placed(**compact: Any) -> JSON:
    body = {"lines": TWO, "shipping": {"title": "Standard", "price": "7.95"}, **compact}
    return checkout.place(COMPACT.cart(body), number=1001, at=AT)


def money(part: JSON, *names: str) -> Decimal:
    return sum((Decimal(part[name]) for name in names), Decimal(0))


def added(parts: list[JSON], name: str) -> Decimal:
    return sum((Decimal(part[name]) for part in parts), Decimal(0))


def off(line: JSON) -> Decimal:
    return added(line["applied_discounts"], "amount")


def misfits(order: JSON) -> list[str]:
    """Which of the sums that `totals` promises do not hold."""
    lines, places = order["products"], order["shipping_addresses"]
    goods = ("subtotal_inc_tax", "shipping_cost_inc_tax", "handling_cost_inc_tax", "wrapping_cost_inc_tax")
    less = money(order, "discount_amount", "coupon_discount")
    lacks = money(order, "store_credit_amount", "gift_certificate_amount")
    lacks = lacks if order["_sandbox"]["creditDeducted"] else Decimal(0)
    on_shipping = sum((Decimal(one["discount"]) for one in order["coupons"] if one["type"] in (3, 4)), Decimal(0))
    due = money(order, *goods) + added(order["fees"], "cost_inc_tax") - less - lacks
    paid = sum((Decimal(one["amount"]) for one in order["transactions"] if one["event"] != "authorization"), Decimal(0))
    owed = Decimal(order["total_inc_tax"]) + lacks
    held = {
        "total": Decimal(order["total_inc_tax"]) == due,
        "tax of total": money(order, "total_ex_tax", "total_tax") == Decimal(order["total_inc_tax"]),
        "tax rows": added(order["taxes"], "line_amount") == Decimal(order["total_tax"]),
        "discounts": sum((off(line) for line in lines), on_shipping) == less,
        "lines": added(lines, "total_inc_tax") == Decimal(order["subtotal_inc_tax"]),
        "shipping": added(places, "cost_inc_tax") == Decimal(order["shipping_cost_inc_tax"]),
        "discounted lines": all(
            Decimal(line["discounted_total_inc_tax"]) == Decimal(line["total_inc_tax"]) - off(line) for line in lines
        ),
        "paid": paid in (owed, 0) or order["status_id"] == 7,
        "nothing below zero": all(Decimal(line["discounted_total_inc_tax"]) >= 0 for line in lines),
        "whole cents": owed == owed.quantize(Decimal("0.01")),
    }
    return [name for name, holds in held.items() if not holds]


def test_every_order_that_is_drawn_ties_to_the_cent() -> None:
    for index in range(1500):
        drawn = draw(Wishes(9, mixed=0.2, unbookable=0.1), index, TRADE)
        order = checkout.place(drawn.cart, number=1001 + index, at=AT)
        assert not misfits(order), f"{index}: {misfits(order)} {order['_sandbox']['shapes']}"


def test_the_same_seed_sells_the_same() -> None:
    first, again = (draw(Wishes(4, unbookable=0.1), 17, TRADE) for _ in range(2))
    assert first == again


def test_prices_without_tax_are_taxed_after_the_discount() -> None:
    order = placed(tax=TAX, discounts=[{"code": "WELCOME10", "percent": 10}])
    tee, dress = order["products"]
    assert (tee["base_price"], tee["total_ex_tax"], tee["total_tax"]) == ("34.0000", "68.0000", "4.0500")
    assert tee["applied_discounts"] == [
        {"id": "total-coupon", "amount": "6.8000", "name": "WELCOME10", "code": "WELCOME10", "target": "order"}
    ]
    assert dress["total_inc_tax"] == "156.8200"
    assert order["coupon_discount"] == "21.6000"
    assert order["total_inc_tax"] == "215.7500"  # 216.00 - 21.60 + 4.05 + 8.82 + 7.95 + 0.53


def test_prices_with_tax_keep_the_net_side_in_four_decimals() -> None:
    order = placed(currency="GBP", **VAT)
    assert order["is_tax_inclusive_pricing"]
    assert (order["subtotal_inc_tax"], order["subtotal_ex_tax"]) == ("216.0000", "180.0000")
    assert (order["total_inc_tax"], order["total_tax"]) == ("223.9500", "37.3300")
    assert (order["default_currency_code"], order["store_default_currency_code"]) == ("GBP", "USD")


def test_the_currency_that_was_seen_is_not_the_one_that_is_paid() -> None:
    order = placed(display="EUR")
    assert (order["currency_code"], order["default_currency_code"]) == ("EUR", "USD")
    assert order["subtotal_ex_tax"] == "216.0000"


@pytest.mark.parametrize(
    ("discount", "kind", "worth"),
    [
        ({"code": "TAKE5", "amount": "5.00", "lines": [1]}, 0, "5.0000"),
        ({"code": "WELCOME10", "percent": 10}, 1, "21.6000"),
        ({"code": "TAKE5", "amount": "5.00"}, 2, "5.0000"),
        ({"code": "TAKE5", "amount": "5.00", "on": "shipping"}, 3, "5.0000"),
        ({"code": "SHIPFREE", "percent": 100, "on": "shipping"}, 4, "7.9500"),
        ({"code": "VIP20", "percent": 20}, 5, "43.2000"),
    ],
)
def test_a_coupon_of_each_type(discount: JSON, kind: int, worth: str) -> None:
    order = placed(tax=TAX, discounts=[discount])
    (coupon,) = order["coupons"]
    assert (coupon["type"], coupon["discount"], order["coupon_discount"]) == (kind, worth, worth)
    assert not misfits(order)


def test_promotions_and_manual_discounts_are_no_coupons() -> None:
    bundle = {"title": "Bundle & Save", "percent": 10, "lines": [0, 1]}
    order = placed(tax=TAX, discounts=[bundle, {"kind": "manual", "title": "x", "amount": "3.00"}])
    assert (order["coupons"], order["discount_amount"]) == ([], "24.6000")
    first = order["products"][0]["applied_discounts"]
    assert [(one["id"], one["target"]) for one in first] == [("promotion", "product"), ("manual-discount", "order")]


@pytest.mark.parametrize("deducted", [False, True])
def test_credits_pay_and_the_total_may_lack_them(deducted: bool) -> None:
    tenders = [{"gateway": "gift_certificate", "amount": "25"}, {"gateway": "store_credit", "amount": "15"}]
    order = placed(tenders=[*tenders, {"gateway": "stripe"}], creditDeducted=deducted)
    assert (order["gift_certificate_amount"], order["store_credit_amount"]) == ("25.0000", "15.0000")
    assert order["total_inc_tax"] == ("183.9500" if deducted else "223.9500")
    assert [one["amount"] for one in order["transactions"]] == ["25", "15", "183.9500"]
    assert not misfits(order)


def test_several_addresses_each_cost_their_shipping() -> None:
    lines = [{"sku": TEE.upc}, {"sku": DRESS.upc, "to": 1}]
    order = placed(lines=lines, tax=TAX, addresses=[{"city": "Albany", "zip": "12207"}])
    first, second = order["shipping_addresses"]
    assert [line["order_address_id"] for line in order["products"]] == [first["id"], second["id"]]
    assert (second["city"], order["shipping_cost_ex_tax"]) == ("Albany", "15.9000")
    assert not misfits(order)


def test_a_bundle_is_a_line_and_its_parts() -> None:
    order = placed(lines=[{"sku": "SET-LAYERS", "price": "0", "parts": TWO}], tax=TAX)
    parent, *parts = order["products"]
    assert [one["parent_order_product_id"] for one in parts] == [parent["id"], parent["id"]]
    assert (parent["total_ex_tax"], order["subtotal_ex_tax"]) == ("0.0000", "216.0000")


def test_gift_wrap_handling_and_fees_are_charged() -> None:
    lines = [{"sku": TEE.upc, "quantity": 2, "wrapping": "4.00"}]
    order = placed(lines=lines, tax=TAX, handling="2.50", fees=[{"name": "Retail delivery fee", "amount": "0.28"}])
    assert (order["wrapping_cost_ex_tax"], order["handling_cost_ex_tax"]) == ("8.0000", "2.5000")
    assert not misfits(order)


def test_what_nobody_ships_has_no_address() -> None:
    book, card = {"sku": "LOOKBOOK-PDF", "digital": True, "requiresShipping": False}, {"price": "25", "giftCard": True}
    order = placed(lines=[book, card], address=None, shipping=[])
    assert [(one["type"], one["order_address_id"]) for one in order["products"]] == [
        ("digital", 0),
        ("giftcertificate", 0),
    ]
    assert order["order_is_digital"]


# --- what happens later


def test_a_refund_shows_in_pieces_and_status_alone() -> None:
    order = placed(tax=TAX)
    changes.refund(order, AT, {0: 1})
    (refund,) = order["refunds"]
    assert (order["status_id"], order["payment_status"]) == (14, "partially refunded")
    assert order["products"][0]["quantity_refunded"] == 1
    assert (order["refunded_amount"], order["products"][0]["refund_amount"]) == ("0.0000", "0.0000")
    assert (refund["total_amount"], refund["total_tax"]) == ("36.26", "2.26")


@pytest.mark.parametrize("index", range(40))
def test_refunding_everything_gives_back_exactly_what_was_paid(index: int) -> None:
    drawn = draw(Wishes(21, unbookable=0), index, TRADE)
    order = checkout.place(drawn.cart, number=1001, at=AT)
    if order["status_id"] != 11:
        return
    owed = Decimal(order["total_inc_tax"])
    changes.refund_all(order, AT)
    assert order["status_id"] == 4
    assert added(order["refunds"], "total_amount") == owed


def test_an_edit_before_payment_leaves_no_trace_of_what_was() -> None:
    order = placed(payment="pending", tenders=[{"gateway": "bank_deposit"}], tax=TAX)
    changes.edit(order, AT, {0: 1})
    payment.pay(order, AT)
    assert (order["products"][0]["quantity"], order["subtotal_ex_tax"]) == (1, "182.0000")
    assert (order["status_id"], order["payment_status"]) == (11, "paid")
    assert not misfits(order)


def test_a_capture_follows_an_authorisation() -> None:
    order = placed(payment="authorized")
    assert (order["status_id"], order["payment_status"]) == (7, "authorized")
    payment.pay(order, AT)
    assert [one["event"] for one in order["transactions"]] == ["authorization", "capture"]
    assert order["payment_status"] == "captured"


def test_a_status_moves_no_money() -> None:
    order = placed()
    changes.cancel(order, AT)
    assert (order["status_id"], order["payment_status"], order["refunds"]) == (5, "captured", [])
    with pytest.raises(BadCart, match="Cancelled"):
        changes.refund(order, AT, {0: 1})


def test_held_for_verification_until_somebody_lets_it_go() -> None:
    order = placed(hold="manual verification")
    assert (order["status_id"], order["payment_status"]) == (12, "held for review")
    changes.release(order, AT)
    assert (order["status_id"], order["payment_status"]) == (11, "captured")


def test_what_the_shop_has_no_word_for_is_refused() -> None:
    for words in ({"tip": "3"}, {"payment": "partially_paid"}, {"tenders": [{"gateway": "shopify_payments"}]}):
        with pytest.raises(BadCart):
            placed(**words)
