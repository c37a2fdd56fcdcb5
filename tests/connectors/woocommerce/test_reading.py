"""From a WooCommerce order to our record: every shape of line, coupons, fees, taxes, refunds; money to the cent.

What the recordings of a real shop read to stands in ``test_recordings``.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcbridge.connectors.woocommerce.coupons import allowances
from bcbridge.connectors.woocommerce.money import settled
from bcbridge.connectors.woocommerce.wire import CouponLine
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.money import to_cents
from bcbridge.model.order import (
    Address,
    Allowance,
    AsSold,
    Hold,
    Order,
    PaymentStatus,
    Reduction,
    Tax,
    TenderKind,
)
from tests.connectors.woocommerce.answers import (
    ADDRESS,
    Json,
    coupon,
    fee,
    given_back,
    line,
    meta,
    order,
    rate,
    read,
    refund,
    shipping,
    tax,
)

Parts = Order | AsSold


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def adds_up(parts: Parts) -> Decimal:
    """Lines less their allowances, shipping, fees, less what comes off the whole, and every tax."""
    lines = [(one.amount, one.taxes) for one in parts.lines]
    taxed = [*lines, *((one.amount, one.taxes) for one in parts.shipping)]
    taxed += [(one.amount, one.taxes) for one in parts.charges]
    off = total(allowance.amount for one in parts.lines for allowance in one.allowances)
    reduced = total(one.amount + total(tax.amount for tax in one.taxes) for one in parts.reductions)
    return total(amount + total(tax.amount for tax in taxes) for amount, taxes in taxed) - off - reduced


def usd(*amounts: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


def paid(order: Order) -> Decimal:
    """What came in, less what went back."""
    came = total(one.amount for one in order.tenders if one.kind is TenderKind.CAPTURED)
    return came - total(one.amount for one in order.tenders if one.kind is TenderKind.REFUNDED)


def one_line(order: Order) -> Any:
    (line,) = order.lines
    return line


# -- what a status means ----------------------------------------------------------------------------------------

UNPAID: Json = {"date_paid_gmt": None}


@pytest.mark.parametrize(
    ("changes", "payment", "holds"),
    [
        ({}, PaymentStatus.PAID, ()),
        ({"status": "completed"}, PaymentStatus.PAID, ("status completed",)),
        ({"status": "packing"}, PaymentStatus.PAID, ("status packing",)),
        ({"status": "on-hold"}, PaymentStatus.PAID, ("status on-hold",)),
        ({"status": "failed"}, PaymentStatus.PAID, ("status failed",)),
        ({"status": "pending", **UNPAID}, PaymentStatus.PENDING, ()),
        ({"status": "on-hold", **UNPAID}, PaymentStatus.PENDING, ()),
        ({"status": "failed", **UNPAID}, PaymentStatus.PENDING, ()),
        ({"status": "packing", **UNPAID}, PaymentStatus.PENDING, ()),
        ({"status": "processing", **UNPAID}, PaymentStatus.AUTHORISED, ()),
        ({"status": "refunded"}, PaymentStatus.REFUNDED, ()),
    ],
)
def test_what_a_status_and_a_payment_date_say(changes: Json, payment: PaymentStatus, holds: tuple[str, ...]) -> None:
    found = read(order(**changes))
    assert (found.payment, found.holds) == (
        payment,
        tuple(Hold(reason=reason, done=reason == "status completed") for reason in holds),
    )


def test_a_status_that_is_to_be_imported_is_not_held() -> None:
    assert read(order(status="packing"), import_statuses=["processing", "packing"]).holds == ()


def test_cash_on_delivery_is_promised_not_paid() -> None:
    found = read(order(payment_method="cod", date_paid_gmt=None, transaction_id=""))
    (tender,) = found.tenders
    assert (tender.kind, tender.gateway, tender.amount) == (TenderKind.AUTHORISED, "cod", Decimal("105.00"))
    assert (found.payment, found.outstanding) == (PaymentStatus.AUTHORISED, Decimal("105.00"))


def test_amounts_are_said_in_the_decimals_of_their_currency() -> None:
    """Asked for six, the shop writes 105.000000; an operator reads that in a text."""
    given = refund(44, "5.000000")
    found = read(order(total="105.000000"), [given])
    assert [str(one.amount) for one in found.tenders] == ["105.00", "5.00"]
    assert (str(found.refunded), str(found.total)) == ("5.00", "100.00")
    assert str(read(order(status="pending", date_paid_gmt=None, total="105.000000")).outstanding) == "105.00"


def test_an_unpaid_order_has_no_money_and_all_of_it_outstanding() -> None:
    found = read(order(status="pending", date_paid_gmt=None))
    assert (found.tenders, found.outstanding) == ((), Decimal("105.00"))


def test_a_cancelled_order_is_cancelled() -> None:
    assert read(order(status="cancelled")).cancelled is not None
    assert read(order()).cancelled is None


def test_an_order_that_costs_nothing_is_paid() -> None:
    free = line(total="0.00", subtotal="100.00")
    bought = {"total": "0.00", "shipping_lines": [], "coupon_lines": [coupon("all", "100")], "date_paid_gmt": None}
    found = read(order(free, **bought))
    assert (found.payment, found.tenders, found.outstanding) == (PaymentStatus.PAID, (), Decimal(0))
    assert one_line(found).allowances == (Allowance(name="all", amount=Decimal("100.00")),)


# -- lines ------------------------------------------------------------------------------------------------------


def shapes() -> Json:
    """Simple, variation, custom, deleted product, zero price, free gift, and a fee; with tax, coupon and shipping."""
    twenty = [rate()]
    lines = [
        line(1, variation_id=0, product_id=70, total="20.00", total_tax="4.00", taxes=[tax("4.00")]),
        line(2, quantity=3, subtotal="90.00", total="81.00", total_tax="16.20", taxes=[tax("16.20")]),
        line(
            3,
            product_id=0,
            variation_id=0,
            sku="",
            total="12.50",
            name="Monogram",
            total_tax="2.50",
            taxes=[tax("2.50")],
        ),
        line(4, product_id=0, variation_id=0, sku=None, global_unique_id=None, parent_name=None, total="8.00"),
        line(5, total="0.00"),
        line(6, subtotal="15.00", total="0.00", name="Free scarf"),
    ]
    return order(
        *lines,
        tax_lines=twenty,
        coupon_lines=[coupon("nine", "9"), coupon("gift", "15.00", 99)],
        fee_lines=[fee(95, total="2.00", total_tax="0.40", taxes=[tax("0.40")])],
        shipping_lines=[shipping(total="5.00", total_tax="1.00", taxes=[tax("1.00")])],
        total="152.60",
    )


def test_a_variation_that_is_gone_is_not_taken_for_its_product() -> None:
    """Only the product is left of it, and one size would be booked as what another was."""
    size = [meta("pa_size", "m"), meta("_reduced_stock", "1", 2)]
    gone = line(variation_id=0, product_id=70, sku="WRAP", parent_name=None, meta_data=size)
    simple = line(2, variation_id=0, product_id=71, parent_name=None, meta_data=[meta("Gift note", "For Ana")])
    there = line(3, meta_data=size)
    found = read(order(gone, simple, there, total="300.00"))
    assert [one.variant for one in found.lines] == [None, "71", "7"]


def test_lines_of_every_shape_tie_to_the_cent() -> None:
    """20.00 + 81.00 + 12.50 + 8.00, fee 2.00, shipping 5.00: 128.50; tax 4.00 + 16.20 + 2.50 + 0.40 + 1.00: 24.10."""
    found = read(shapes())
    assert adds_up(found) == found.total == Decimal("152.60") == paid(found)
    simple, varied, custom, deleted, nothing, gift = found.lines
    assert (simple.variant, varied.variant, custom.variant, deleted.variant) == ("70", "7", None, None)
    assert (custom.sku, deleted.sku, deleted.barcode) == ("", "", None)
    assert (varied.quantity, varied.unit_price, varied.amount) == (3, Decimal("30.00"), Decimal("90.00"))
    assert (nothing.amount, nothing.allowances) == (Decimal(0), ())
    assert (gift.amount, total(one.amount for one in gift.allowances)) == usd(15, 15)
    by_code: dict[str, Decimal] = {}
    for allowance in (one for each in found.lines for one in each.allowances):
        by_code[allowance.name] = by_code.get(allowance.name, Decimal(0)) + allowance.amount
    assert by_code == {"nine": 9, "gift": 15}


def test_what_does_not_tie_is_not_forced() -> None:
    found = read({**shapes(), "total": "152.70"})
    assert (found.total, adds_up(found)) == (Decimal("152.70"), Decimal("152.60"))


def test_trap_14_the_number_people_see_names_nothing() -> None:
    found = read(order(number="2026-00001"))
    assert (found.ref, found.id, found.name) == (Ref("1001"), "1001", "#2026-00001")


def test_trap_15_meta_of_any_type_is_kept_as_text() -> None:
    plugins = [
        meta("Engraving", "for Grace"),
        meta("measures", {"b": 2, "a": [1, None]}),
        meta("count", 3),
        meta("nothing", None),
        meta("_hidden", {"secret": True}),
        meta("_reduced_stock", 2),
    ]
    assert one_line(read(order(line(meta_data=plugins)))).attributes == (
        ("Engraving", "for Grace"),
        ("measures", '{"a": [1, null], "b": 2}'),
        ("count", "3"),
        ("nothing", "null"),
        ("_reduced_stock", "2"),
    )


def test_the_unrounded_price_is_never_used() -> None:
    found = one_line(read(order(line(total="100.00", price=1e9))))
    assert (found.unit_price, found.amount) == (Decimal("100.00"), Decimal("100.00"))


def test_a_line_whose_price_was_raised_by_hand_costs_what_it_costs() -> None:
    found = one_line(read(order(line(subtotal="90.00", total="100.00"))))
    assert (found.unit_price, found.amount, found.allowances) == (Decimal("100.00"), Decimal("100.00"), ())


def test_a_price_reduced_without_a_coupon_has_a_name_of_its_own() -> None:
    found = one_line(read(order(line(subtotal="110.00", total="100.00"))))
    assert found.allowances == (Allowance(name="(price reduced)", amount=Decimal("10.00")),)


def test_a_price_reduced_beyond_its_coupon_says_both() -> None:
    found = one_line(read(order(line(subtotal="130.00", total="100.00"), coupon_lines=[coupon("ten", "10.00")])))
    assert {one.name: one.amount for one in found.allowances} == {"ten": 10, "(price reduced)": 20}


def test_a_coupon_for_free_shipping_takes_nothing_off_a_line() -> None:
    free = coupon("shipfree", "0", free_shipping=True)
    found = read(order(coupon_lines=[free], shipping_lines=[shipping(total="0.00")], total="100.00"))
    assert one_line(found).allowances == ()
    assert adds_up(found) == found.total


def test_two_coupons_over_two_lines_hold_by_line_and_by_coupon() -> None:
    """10.01 and 5.01 off the lines, 12.02 and 3.00 by the coupons."""
    lines = [line(1, subtotal="60.01", total="50.00"), line(2, subtotal="50.01", total="45.00")]
    found = read(order(*lines, coupon_lines=[coupon("a", "12.02"), coupon("b", "3", 99)], total="100.00"))
    first, second = found.lines
    assert total(one.amount for one in first.allowances) == Decimal("10.01")
    assert total(one.amount for one in second.allowances) == Decimal("5.01")
    by_code = {
        code: total(o.amount for each in found.lines for o in each.allowances if o.name == code) for code in "ab"
    }
    assert by_code == {"a": Decimal("12.02"), "b": Decimal("3.00")}


CENTS = st.integers(0, 100_000).map(lambda cents: Decimal(cents) / 100)


@settings(max_examples=300, deadline=None)
@given(off=st.lists(CENTS, min_size=1, max_size=8), data=st.data())
def test_each_lines_and_each_coupons_sum_holds_whatever_they_are(off: list[Decimal], data: st.DataObject) -> None:
    whole = sum(off, Decimal(0))
    first = data.draw(st.integers(0, int(whole * 100)).map(lambda cents: Decimal(cents) / 100))
    given_ = [CouponLine(code="a", discount=first), CouponLine(code="b", discount=whole - first)]
    found = allowances(off, given_, "USD")
    assert [total(one.amount for one in each) for each in found] == off
    by_code = {code: total(one.amount for each in found for one in each if one.name == code) for code in "ab"}
    assert by_code == {"a": first, "b": whole - first}
    assert all(one.amount > 0 for each in found for one in each)


def test_a_tax_takes_title_and_rate_from_its_line_of_the_order() -> None:
    both = [tax("6.63"), tax("1.25", 2), tax("", 3)]
    bought = line(total="92.12", total_tax="7.88", taxes=both)
    found = one_line(read(order(bought, tax_lines=[rate(1, "NJ State Tax", 6.625), rate(2, "", 1.25)])))
    assert found.taxes == (
        Tax(title="NJ State Tax", rate=Decimal("0.06625"), amount=Decimal("6.63")),
        Tax(title="GB--2", rate=Decimal("0.0125"), amount=Decimal("1.25")),
        Tax(title="", rate=None, amount=Decimal(0)),
    )


def test_a_tax_that_no_rate_explains_is_told_all_the_same() -> None:
    found = read(order(line(total="94.00", total_tax="6.00", taxes=[])))
    assert one_line(found).taxes == (Tax(title="", rate=None, amount=Decimal("6.00")),)
    assert adds_up(found) == found.total


def test_a_whole_that_was_rounded_leaves_nothing_unsaid_of_its_parts() -> None:
    """6.625 % of 148.00 is 9.805: kept so by the rate, and as 9.81 by the line."""
    bought = line(total="148.000000", total_tax="9.810000", taxes=[tax("9.805000")])
    lines = {"tax_lines": [rate(1, "NJ State Tax", 6.625)], "shipping_lines": [], "total": "157.810000"}
    found = read(order(bought, **lines))
    assert one_line(found).taxes == (Tax(title="NJ State Tax", rate=Decimal("0.06625"), amount=Decimal("9.81")),)
    assert adds_up(found) == found.total
    assert str(found.total) == "157.81", "in as many decimals as its currency has"


def test_an_edited_order_reads_as_it_stands() -> None:
    """A line taken out by hand is gone over there; one that is left at 0 stands without pieces."""
    found = read(order(line(1), line(2, quantity=0, total="0.00", subtotal="0.00")))
    assert [(one.quantity, one.amount) for one in found.lines] == [(1, Decimal(100)), (0, Decimal(0))]
    assert adds_up(found) == found.total


# -- parts of a cent --------------------------------------------------------------------------------------------


def test_parts_of_a_cent_are_rounded_so_that_the_order_ties() -> None:
    """12.15 with 20 % in it is 10.125 + 2.025: each rounded up would make 12.16."""
    bought = line(total="10.125000", total_tax="2.025000", taxes=[tax("2.025000")])
    found = read(order(bought, tax_lines=[rate()], shipping_lines=[], total="12.150000"))
    assert adds_up(found) == found.total == Decimal("12.15")
    assert {one_line(found).amount, one_line(found).taxes[0].amount} <= {
        Decimal("10.12"),
        Decimal("10.13"),
        Decimal("2.02"),
        Decimal("2.03"),
    }


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(st.integers(-10_000_000, 10_000_000), max_size=12), data=st.data())
def test_what_rounding_explains_ties_and_no_amount_moves_by_a_cent(parts: list[int], data: st.DataObject) -> None:
    amounts = [Decimal(part) / 10_000 for part in parts]
    up_or_down = [data.draw(st.sampled_from(["ROUND_FLOOR", "ROUND_CEILING"])) for _ in amounts]
    due = total(one.quantize(Decimal("0.01"), way) for one, way in zip(amounts, up_or_down, strict=True))
    found = settled(amounts, due, "USD")
    assert total(found) == due
    assert all(abs(cents - one) < Decimal("0.01") for cents, one in zip(found, amounts, strict=True))


def test_whole_cents_are_never_touched() -> None:
    amounts = [Decimal("10.00"), Decimal("5.50")]
    assert settled(amounts, Decimal("15.51"), "USD") == tuple(amounts)
    assert settled([Decimal("10.004")], Decimal("11.00"), "USD") == (to_cents(Decimal("10.004"), "USD"),)


def test_a_currency_without_cents_is_rounded_to_its_own_smallest() -> None:
    bought = line(total="909.090909", total_tax="90.909091", taxes=[tax("90.909091")])
    found = read(order(bought, currency="JPY", shipping_lines=[], tax_lines=[rate()], total="1000"))
    assert (one_line(found).amount, one_line(found).taxes[0].amount) == (909, 91)


# -- fees -------------------------------------------------------------------------------------------------------


def test_a_negative_fee_is_money_off_the_whole_order() -> None:
    off = fee(95, "Loyalty", "-10.00", total_tax="-2.00", taxes=[tax("-2.00")])
    found = read(
        order(line(total_tax="20.00", taxes=[tax("20.00")]), fee_lines=[off], tax_lines=[rate()], total="113.00")
    )
    taken = Tax(title="VAT", rate=Decimal("0.2"), amount=Decimal("2.00"))
    assert found.reductions == (Reduction(name="Loyalty", amount=Decimal("10.00"), taxes=(taken,)),)
    assert adds_up(found) == found.total == Decimal("113.00") == paid(found)


def test_a_negative_fee_that_is_a_payment_is_a_tender_and_the_total_is_raised_by_it() -> None:
    card = fee(95, "Gift card GC-42", "-30.00")
    found = read(order(fee_lines=[card], total="75.00"), payment_fees=["gift card*"])
    assert found.total == found.original_total == Decimal("105.00") == adds_up(found) == paid(found)
    assert [(one.gateway, one.amount) for one in found.tenders] == [
        ("Gift card GC-42", Decimal(30)),
        ("stripe", Decimal(75)),
    ]
    assert (found.reductions, found.gateways) == ((), ("stripe", "Gift card GC-42"))


def test_what_goes_back_on_a_gift_card_is_given_back_too() -> None:
    """The shop's refund says 20.00: 50.00 of goods less 30.00 on the card. Two of two, it was 100.00."""
    card = fee(95, "Gift card", "-60.00")
    on_it = fee(501, "Gift card", "30.00", meta_data=[meta("_refunded_item_id", "95")])
    bought = order(line(1, quantity=2, total="100.00"), fee_lines=[card], shipping_lines=[], total="40.00")
    made = refund(44, "20.00", given_back(1, 1, "50.00"), fee_lines=[on_it])
    found = read(bought, [made], payment_fees=["gift card"])
    assert (found.payment, found.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, Decimal("50.00"))
    assert found.total == adds_up(found) == paid(found) == Decimal("50.00")


def test_an_order_whose_card_still_pays_for_it_is_not_refunded_in_full() -> None:
    card = fee(95, "Gift card", "-60.00")
    bought = order(fee_lines=[card], shipping_lines=[], total="40.00")
    found = read(bought, [refund(44, "40.00")], payment_fees=["gift card"])
    assert found.payment is PaymentStatus.PARTIALLY_REFUNDED


def test_a_fee_of_nothing_is_none() -> None:
    assert read(order(fee_lines=[fee(total="0.00")])).charges == ()


# -- refunds ----------------------------------------------------------------------------------------------------


def test_a_refunded_piece_is_no_longer_on_the_order_and_still_as_it_was_sold() -> None:
    bought = line(1, quantity=2, total="80.00", total_tax="16.00", taxes=[tax("16.00")])
    back = given_back(1, 1, "40.00", total_tax="-8.00", taxes=[tax("-8.00")])
    found = read(order(bought, tax_lines=[rate()], total="101.00"), [refund(44, "48.00", back)])
    now = one_line(found)
    assert (now.ordered, now.quantity, now.amount, now.taxes[0].amount) == (2, 1, Decimal("40.00"), Decimal("8.00"))
    assert (found.total, found.original_total, adds_up(found), paid(found)) == usd(53, 101, 53, 53)
    assert found.as_sold is not None
    assert (found.as_sold.lines[0].amount, adds_up(found.as_sold)) == usd(80, 101)


def test_trap_7_a_refund_without_lines_is_money_off_the_whole() -> None:
    found = read(order(), [refund(44, "7.00")])
    assert found.reductions == (Reduction(name="(refunded)", amount=Decimal("7.00")),)
    assert (found.payment, found.total, adds_up(found)) == (PaymentStatus.PARTIALLY_REFUNDED, *usd(98, 98))
    assert one_line(found).quantity == 1


def test_trap_7_a_refunded_line_of_no_pieces_is_money_off_that_line() -> None:
    found = read(order(), [refund(44, "7.00", given_back(1, 0, "7.00"))])
    now = one_line(found)
    assert (now.quantity, now.amount) == (1, Decimal("100.00"))
    assert now.allowances == (Allowance(name="(refunded)", amount=Decimal("7.00")),)
    assert (found.total, adds_up(found), found.reductions) == (*usd(98, 98), ())


def test_a_refund_of_a_discounted_line_takes_its_discount_along() -> None:
    bought = line(1, quantity=2, subtotal="100.00", total="90.00")
    taken = {"coupon_lines": [coupon("ten", "10")], "total": "95.00"}
    found = read(order(bought, **taken), [refund(44, "45.00", given_back(1, 1, "45.00"))])
    now = one_line(found)
    assert (now.amount, now.allowances) == (50, (Allowance(name="ten", amount=Decimal("5.00")),))
    assert adds_up(found) == found.total == 50


def test_shipping_and_fees_are_given_back_too() -> None:
    freight = shipping(501, "-5.00", meta_data=[meta("_refunded_item_id", "91")])
    wrap = fee(502, total="-2.00", meta_data=[meta("_refunded_item_id", 95)])
    back = refund(44, "7.00", shipping_lines=[freight], fee_lines=[wrap])
    found = read(order(fee_lines=[fee()], total="107.00"), [back])
    assert (found.shipping[0].amount, found.charges) == (Decimal(0), ())
    assert adds_up(found) == found.total == 100
    assert found.as_sold is not None
    assert adds_up(found.as_sold) == found.original_total == 107


def test_a_refund_of_a_line_that_is_gone_counts_as_money() -> None:
    found = read(order(), [refund(44, "20.00", given_back(777, 1, "20.00"))])
    assert (found.reductions[0].amount, adds_up(found)) == (Decimal(20), found.total)
    assert one_line(found).quantity == 1


def test_an_order_given_back_whole_is_refunded_whatever_its_status() -> None:
    found = read(order(), [refund(44, "105.00", given_back(1, 1, "100.00"))])
    assert found.payment is PaymentStatus.REFUNDED


# -- people and places ------------------------------------------------------------------------------------------


def test_mail_and_telephone_are_those_of_the_bill() -> None:
    found = read(order())
    assert found.ship_to == Address(
        name="Ada Lovelace",
        address1="12 St James's Square",
        city="Hoboken",
        state="NJ",
        postcode="07030",
        country="US",
        phone="+15550100",
        email="ada@example.com",
    )
    assert found.bill_to == found.ship_to


def test_an_address_of_nothing_is_none() -> None:
    nowhere = dict.fromkeys(ADDRESS, "")
    assert read(order(shipping=nowhere)).ship_to is None


def test_a_guest_is_no_customer() -> None:
    assert read(order(customer_id=0)).customer is None
    assert read(order(customer_id=5)).customer == Ref("5")


def test_what_was_sold_over_the_counter_says_so() -> None:
    assert read(order(created_via="pos-rest-api")).source == "pos"


# -- what cannot be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"total": "Ada"}, "order.total"),
        ({"total": "NaN"}, "order.total"),
        ({"total": "1e999"}, "order.total"),
        ({"line_items": [line(quantity="Lovelace")]}, "order.line_items.0.quantity"),
        ({"line_items": [line(quantity=1.5)]}, "order.line_items.0.quantity"),
        ({"line_items": [line(1), line(1)]}, "order.line_items"),
        ({"currency": "pounds"}, "order.currency"),
        ({"date_created_gmt": "yesterday"}, "order.date_created_gmt"),
        ({"date_created_gmt": "0001-01-01T00:00:00+23:59"}, "order.date_created_gmt"),
        ({"billing": None}, "order.billing"),
    ],
)
def test_what_cannot_be_read_is_malformed_and_says_where_and_never_what(changes: Json, where: str) -> None:
    with pytest.raises(Malformed) as fault:
        read(order(**changes))
    assert fault.value.where == where
    assert not any(word in str(fault.value) for word in ("Ada", "Lovelace", "yesterday", "pounds"))
