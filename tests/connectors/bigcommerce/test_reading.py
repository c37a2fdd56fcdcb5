"""BigCommerce's order to our record. Every figure was worked out by hand; what ties, ties to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml

from bcbridge.connectors.bigcommerce.mapper import read as mapped
from bcbridge.connectors.bigcommerce.settings import Bundles
from bcbridge.errors import Malformed
from bcbridge.flows.orders.content import content_hash
from bcbridge.flows.orders.desk import Findings
from bcbridge.flows.orders.prices import priced
from bcbridge.flows.orders.tie import check_money
from bcbridge.model.order import LineKind, Order, PaymentStatus, TenderKind
from tests.conftest import contract_path
from tests.connectors.bigcommerce.answers import (
    Json,
    billing,
    consignments,
    coupon,
    discount,
    document,
    line,
    order,
    parcel,
    payment,
    refund,
    size,
    tax_row,
)

D = Decimal


def read(given: Json, *, bundled: Bundles = "children", statuses: tuple[int, ...] = (11,), **more: Any) -> Order:
    return mapped(document(given, **more), import_statuses=statuses, bundled=bundled)


def misfits(read: Order) -> list[str]:
    """What the judge of money says against it, in words; nothing where it ties to the cent."""
    findings = Findings()
    check_money(read, priced(read), read.total, findings)
    return [f"{one.subject}: {one.text}" for one in findings.problems]


def charged(read: Order) -> Decimal:
    """What everything on it comes to."""
    return sum((price.charged for price in priced(read).everything), D(0))


# -- money ------------------------------------------------------------------------------------------------------


def shapes(**changes: Any) -> tuple[Json, list[Json]]:
    """An order and its rows of taxes: a dress with options and a coupon, three socks, a custom line, a deleted product,
    a free gift, a download, a gift certificate, gift wrapping, handling and a fee; 6.625 % on goods: 6.63 + 1.93 +
    0.66."""
    lines = [
        line(65, "100.00", tax="5.96", applied_discounts=[discount("10.00")], product_options=[size()]),
        line(66, "9.70", total="29.10", quantity=3, tax="1.93"),
        line(67, "10.00", product_id=0, variant_id=0, sku="", name="Hemming", tax="0.66"),
        line(68, "20.00", variant_id=999, sku="GONE", product_options=[size()]),
        line(69, "0.00", name="Free gift"),
    ]
    download = line(70, "8.00", type="digital", order_address_id=0)
    certificate = line(71, "50.00", type="giftcertificate", product_id=0, variant_id=0, sku="")
    told = consignments(
        parcel(*lines),
        downloads=[{"recipient_email": "ada@example.com", "line_items": [download]}],
        email={"gift_certificates": [{"recipient_email": "grace@example.com", "line_items": [certificate]}]},
    )
    fee = {"id": 1, "type": "custom_fee", "display_name_merchant": "Package protection", "source": "v2"}
    whole = order(
        *lines,
        tax="8.97",
        inc_tax="235.57",  # 217.10 of lines - 10.00 + 5.00 + 2.50 + 4.00 + 8.00 + 8.97
        coupon_discount="10.0000",
        consignments=told,
        items_total=9,
        handling_cost_ex_tax="2.5000",
        handling_cost_inc_tax="2.5000",
        wrapping_cost_ex_tax="4.0000",
        wrapping_cost_inc_tax="4.2700",
        wrapping_cost_tax="0.2700",
        fees=[{**fee, "base_cost": "8.00", "cost_exc_tax": "8.0000", "cost_inc_tax": "8.1500", "cost_tax": "0.15"}],
        **changes,
    )
    rows = [tax_row("5.96"), tax_row("1.93", 66), tax_row("0.66", 67), tax_row("0.27", None, "gift-wrapping")]
    return whole, rows


def test_an_order_with_lines_in_several_shapes_ties_to_the_cent() -> None:
    whole, rows = shapes()
    read_ = read(whole, taxes=rows)
    assert misfits(read_) == []
    assert charged(read_) == read_.total == D("235.57")
    assert [(one.ref, one.kind, one.sku, one.requires_shipping) for one in read_.lines] == [
        ("65", LineKind.GOODS, "", True),
        ("66", LineKind.GOODS, "012345678905", True),
        ("67", LineKind.GOODS, "", True),
        ("68", LineKind.GOODS, "", True),
        ("69", LineKind.GOODS, "012345678905", True),
        ("70", LineKind.GOODS, "012345678905", False),
        ("71", LineKind.GIFT_CARD, "", False),
    ]
    assert [(one.kind, one.name, one.amount) for one in read_.charges] == [
        ("fee", "Handling", D("2.50")),
        ("fee", "Gift wrapping", D("4.00")),
        ("fee", "Package protection", D("8.00")),
    ]
    assert [tax.title for one in read_.charges for tax in one.taxes] == ["NJ State Tax"] * 2


def test_prices_with_tax_in_them_are_taken_with_it() -> None:
    """2 x 60.00 with 20 % in it, 12.00 off, shipping for 6.00: 18.00 + 1.00 of tax in 114.00."""
    goods = line(
        price="50.00",
        total="100.00",
        with_tax="120.00",
        tax="18.00",
        quantity=2,
        price_inc_tax="60.0000",
        applied_discounts=[discount("12.00")],
    )
    read_ = read(
        order(
            goods,
            ex_tax="95.00",
            inc_tax="114.00",
            tax="19.00",
            is_tax_inclusive_pricing=True,
            shipping_cost_inc_tax="6.0000",
            shipping_cost_tax="1.0000",
            coupon_discount="12.0000",
            default_currency_code="GBP",
        ),
        taxes=[
            tax_row("18.00", name="VAT", rate="20.0000"),
            tax_row("1.00", None, "shipping", name="VAT", rate="20.0000"),
        ],
    )
    assert read_.prices_include_tax
    assert (read_.currency, read_.lines[0].unit_price, read_.lines[0].amount) == ("GBP", D("60.00"), D("120.00"))
    assert [(tax.title, tax.rate, tax.amount) for tax in read_.shipping[0].taxes] == [("VAT", D("0.2"), D("1.00"))]
    assert misfits(read_) == []
    assert dict(read_.attributes)["shown_in"] == "USD"


def test_amounts_finer_than_a_cent_settle_to_what_they_add_up_to() -> None:
    """10.00 off is spread in thirds, and tax is told finer than it is charged: 5.9625 is 5.96."""
    lines = [
        line(number, "33.33", tax="1.9875", applied_discounts=[discount("3.3333", None, id="manual-discount")])
        for number in (65, 66, 67)
    ]
    read_ = read(
        order(*lines, ex_tax="94.99", tax="5.96", inc_tax="100.95", discount_amount="10.0000"),
        taxes=[tax_row("1.9875", number) for number in (65, 66, 67)],
    )
    assert [one.allowances[0].amount for one in read_.lines] == [D("3.34"), D("3.33"), D("3.33")]
    assert sum(tax.amount for one in read_.lines for tax in one.taxes) == D("5.96")
    assert misfits(read_) == []


def test_an_amount_that_does_not_add_up_is_left_and_told_with_its_difference() -> None:
    assert misfits(read(order(inc_tax="104.99"))) == [
        "order total: lines 100.00 + shipping 5.00 = 105.00, the order says 104.99 USD: 0.01 too much"
    ]


def test_a_currency_without_cents_is_whole() -> None:
    yen = order(
        line(price="9900.00"),
        ex_tax="10400.00",
        default_currency_code="JPY",
        shipping_cost_ex_tax="500.0000",
        shipping_cost_inc_tax="500.0000",
    )
    read_ = read(yen)
    assert (str(read_.total), str(read_.lines[0].amount), misfits(read_)) == ("10400", "9900", [])


@pytest.mark.parametrize("inc_tax", ["105.00", "75.00"])
def test_store_credit_and_gift_certificates_are_payment_however_the_total_is_meant(inc_tax: str) -> None:
    """105.00, of which 20.00 and 10.00 are paid by credit: whether the total lacks them is not stated."""
    credits = {"store_credit_amount": "20.0000", "gift_certificate_amount": "10.0000"}
    read_ = read(order(inc_tax=inc_tax, **credits))
    assert read_.total == D("105.00")
    assert [(one.gateway, one.kind, one.amount) for one in read_.tenders] == [
        ("store_credit", TenderKind.CAPTURED, D("20.00")),
        ("gift_certificate", TenderKind.CAPTURED, D("10.00")),
        ("Credit Card", TenderKind.CAPTURED, D("75.00")),
    ]
    assert misfits(read_) == []


@pytest.mark.parametrize("said", ["", "pending"])
def test_an_order_paid_by_credit_alone_is_paid(said: str) -> None:
    read_ = read(order(payment_status=said, payment_method="", store_credit_amount="105.0000"))
    assert (read_.payment, read_.gateways, misfits(read_)) == (PaymentStatus.PAID, ("store_credit",), [])


def test_a_free_order_is_paid_by_nothing() -> None:
    free = {"shipping_cost_ex_tax": "0.0000", "shipping_cost_inc_tax": "0.0000", "payment_status": ""}
    read_ = read(order(line(price="0.00"), ex_tax="0.00", **free))
    assert (read_.payment, read_.tenders, misfits(read_)) == (PaymentStatus.PAID, (), [])


# -- discounts --------------------------------------------------------------------------------------------------


def allowed(read: Order) -> list[tuple[str, str]]:
    of_lines = [one.allowances for one in read.lines]
    of_shipping = [one.allowances for one in read.shipping]
    return [(one.name, str(one.amount)) for given in (*of_lines, *of_shipping) for one in given]


def test_discounts_of_both_levels_are_counted_once() -> None:
    """5.00 off the line by a promotion, 10.00 off the order by a coupon, spread: the order's totals tell both again."""
    goods = line(applied_discounts=[discount("5.00", None, target="product", id="p", name="SALE"), discount("10.00")])
    read_ = read(order(goods, ex_tax="90.00", discount_amount="5.0000", coupon_discount="10.0000"))
    assert allowed(read_) == [("SALE", "5.00"), ("WELCOME10", "10.00")]
    assert misfits(read_) == []


def test_a_discount_that_the_price_lacks_already_is_not_taken_off_again() -> None:
    goods = line(price="95.00", applied_discounts=[discount("5.00", target="product", id="p")])
    read_ = read(order(goods, ex_tax="100.00"))
    assert (allowed(read_), misfits(read_)) == ([], [])


def test_a_discount_nobody_spread_is_shared_by_what_lines_cost() -> None:
    goods = (line(65, "60.00"), line(66, "30.00"))
    read_ = read(order(*goods, ex_tax="86.00", discount_amount="9.0000"))
    assert allowed(read_) == [("Manual Discount", "6.00"), ("Manual Discount", "3.00")]
    assert misfits(read_) == []


def test_a_coupon_for_shipping_comes_off_shipping() -> None:
    read_ = read(order(ex_tax="100.00", coupon_discount="5.0000"), coupons=[coupon("FREESHIP", 5, 4)])
    assert (allowed(read_), misfits(read_)) == ([("FREESHIP", "5.00")], [])


def test_a_coupon_for_shipping_that_its_cost_lacks_already_is_not_taken_off_again() -> None:
    read_ = read(order(coupon_discount="5.0000"), coupons=[coupon("FREESHIP", 5, 4)])
    assert (allowed(read_), misfits(read_)) == ([], [])


def test_a_coupon_told_by_the_order_alone_keeps_its_code() -> None:
    read_ = read(order(ex_tax="95.00", coupon_discount="10.0000"), coupons=[coupon("TEN", 10, 2)])
    assert (allowed(read_), misfits(read_)) == ([("TEN", "10.00")], [])


# -- taxes ------------------------------------------------------------------------------------------------------


def test_taxes_that_do_not_fit_the_order_give_way_to_what_lines_tell() -> None:
    """A row for a line that is not there: its name is the only one, so it stays."""
    read_ = read(order(line(tax="6.63"), tax="6.63", inc_tax="111.63"), taxes=[tax_row("6.63", 999)])
    (tax,) = read_.lines[0].taxes
    assert (tax.title, tax.amount, misfits(read_)) == ("NJ State Tax", D("6.63"), [])


def test_without_details_there_is_one_unnamed_tax() -> None:
    read_ = read(order(line(tax="6.63"), tax="6.63", inc_tax="111.63"))
    (tax,) = read_.lines[0].taxes
    assert (tax.title, tax.rate, tax.amount, misfits(read_)) == ("", None, D("6.63"), [])


def test_several_taxes_of_a_line_keep_their_names_and_rates() -> None:
    rows = [tax_row("4.00", name="State", rate="4.0000"), tax_row("2.00", name="City", rate="2.0000")]
    read_ = read(order(tax="6.00", inc_tax="111.00"), taxes=rows)
    assert [(tax.title, tax.rate) for tax in read_.lines[0].taxes] == [("State", D("0.04")), ("City", D("0.02"))]
    assert misfits(read_) == []


# -- where it goes ----------------------------------------------------------------------------------------------


def test_an_order_with_several_addresses_says_where_each_line_goes() -> None:
    """Shipping for 2.00 and 3.00."""
    one, two = line(65, "40.00"), line(66, "60.00", order_address_id=52)
    grace = parcel(two, number=52, cost=3, first_name="Grace", last_name="Hopper", city="Arlington", zip="22201")
    told = consignments(parcel(one, cost=2, shipping_method="Express"), grace)
    read_ = read(order(one, two, consignments=told, shipping_address_count=2))
    first, second = read_.lines
    assert read_.ship_to is not None
    assert first.ship_to == read_.ship_to
    assert second.ship_to is not None
    assert (read_.ship_to.name, second.ship_to.name, second.ship_to.city) == (
        "Ada Lovelace",
        "Grace Hopper",
        "Arlington",
    )
    assert [(way.title, way.amount, way.ship_to) for way in read_.shipping] == [
        ("Express", D("2.00"), first.ship_to),
        ("Standard", D("3.00"), second.ship_to),
    ]
    assert misfits(read_) == []


def test_one_price_for_shipping_to_several_addresses_is_counted_with_its_tax_once() -> None:
    """5.00 and 0.33 stand on the order alone; the parcels tell nothing, and no rate is named."""
    one, two = line(65, "40.00"), line(66, "60.00", order_address_id=52)
    told = consignments(parcel(one, cost=0), parcel(two, number=52, cost=0, city="Arlington"))
    costs = {"shipping_cost_inc_tax": "5.3300", "shipping_cost_tax": "0.3300"}
    read_ = read(order(one, two, tax="0.33", inc_tax="105.33", consignments=told, **costs))
    assert [(way.amount, [tax.amount for tax in way.taxes]) for way in read_.shipping] == [
        (D("5.00"), [D("0.33")]),
        (D("0.00"), []),
    ]
    assert misfits(read_) == []


def test_two_parcels_to_one_address_are_one_destination() -> None:
    one, two = line(65, "40.00"), line(66, "60.00", order_address_id=52)
    read_ = read(order(one, two, consignments=consignments(parcel(one, cost=2), parcel(two, number=52, cost=3))))
    assert [line.ship_to for line in read_.lines] + [way.ship_to for way in read_.shipping] == [None] * 4


def test_what_is_fetched_leaves_from_where_it_is_fetched_and_no_parcel_goes() -> None:
    place = {"id": 1, "name": "Austin", "code": "AUS"}
    fetched = {"id": 99, "pickup_method_id": 1, "location": place, "line_items": [line(quantity=2, total="200.00")]}
    free = {"shipping_cost_ex_tax": "0.0000", "shipping_cost_inc_tax": "0.0000", "ex_tax": "200.00"}
    read_ = read(order(line(quantity=2), consignments=consignments(pickups=[fetched]), **free))
    (goods,) = read_.lines
    (assigned,) = goods.assignments
    assert (goods.requires_shipping, assigned.location_name, assigned.quantity) == (False, "Austin", 2)
    assert (read_.shipping, read_.ship_to, misfits(read_)) == ((), None, [])


def test_the_customers_message_is_the_note_and_the_staffs_is_not() -> None:
    read_ = read(order(customer_message="leave at the door"))
    assert read_.note == "leave at the door"
    assert "difficult" not in read_.model_dump_json()


def test_an_address_without_an_email_has_the_billings() -> None:
    told = consignments(parcel(line(), email="", first_name="Grace"))
    read_ = read(order(consignments=told, billing_address=billing(email="bill@example.com")))
    assert read_.ship_to is not None
    assert (read_.ship_to.name, read_.ship_to.email) == ("Grace Lovelace", "bill@example.com")


# -- bundles ----------------------------------------------------------------------------------------------------


def a_bundle(of: str = "0.00") -> Json:
    """A set for 100.00 with 10.00 off and 5.96 of tax: three socks and one box."""
    parts = [
        line(66, of, sku="SOCK", quantity=3, total=of, parent_order_product_id=65),
        line(67, of, sku="BOX", parent_order_product_id=65),
    ]
    bundle = line(sku="SET", tax="5.96", applied_discounts=[discount("10.00")])
    return order(bundle, *parts, ex_tax="95.00", tax="5.96", inc_tax="100.96", coupon_discount="10.0000")


def test_a_bundles_money_goes_to_its_parts_exactly() -> None:
    """By pieces, where no part costs anything: 75.00 and 25.00, 7.50 and 2.50 off, 4.47 and 1.49 of tax."""
    read_ = read(a_bundle(), taxes=[tax_row("5.96")])
    assert [(one.sku, one.amount, one.allowances[0].amount, one.taxes[0].amount) for one in read_.lines] == [
        ("SOCK", D("75.00"), D("7.50"), D("4.47")),
        ("BOX", D("25.00"), D("2.50"), D("1.49")),
    ]
    assert misfits(read_) == []


def test_a_bundle_booked_as_one_article_drops_its_parts() -> None:
    read_ = read(a_bundle(), bundled="parent", taxes=[tax_row("5.96")])
    assert [one.sku for one in read_.lines] == ["SET"]
    assert misfits(read_) == []


def test_a_part_that_costs_something_is_never_dropped_silently() -> None:
    read_ = read(order(line(), line(66, "20.00", parent_order_product_id=65), ex_tax="125.00"), bundled="parent")
    assert [one.rpartition(": ")[2] for one in misfits(read_)] == ["20.00 too little"]


def test_every_line_may_stand_as_it_is() -> None:
    assert [one.sku for one in read(a_bundle(), bundled="both", taxes=[tax_row("5.96")]).lines] == [
        "SET",
        "SOCK",
        "BOX",
    ]


def test_a_bundle_that_was_given_back_takes_its_parts_along() -> None:
    lines = [
        line(65, "50.00", quantity=2, total="100.00", quantity_refunded=1),
        line(66, "0.00", quantity=4, parent_order_product_id=65),
    ]
    given_back = order(*lines, status_id=14, payment_status="partially refunded")
    (part,) = read(given_back, refunds=[refund(1, 50)]).lines
    assert (part.ordered, part.quantity, part.amount) == (4, 2, D("50.00"))
    lines[1]["quantity"] = 3
    with pytest.raises(Malformed, match="line 66"):
        read(given_back)


# -- refunds ----------------------------------------------------------------------------------------------------


def test_21_22_refunds_are_counted_by_themselves_once() -> None:
    """One of three pieces, 33.33 - 3.34 + 1.98, was given back; a declined payment of another try was not."""
    goods = line(price="33.33", total="99.99", tax="5.96", quantity=3, applied_discounts=[discount("10.00")])
    given_back = {**goods, "quantity_refunded": 1, "is_refunded": False}
    sold = {"ex_tax": "94.99", "tax": "5.96", "inc_tax": "100.95", "coupon_discount": "10.0000"}
    refunds = [refund(1, 31.97), refund(2, 9.99, payment(9.99, is_declined=True))]
    told = order(given_back, status_id=14, payment_status="partially refunded", refunded_amount="0.0000", **sold)
    read_ = read(told, taxes=[tax_row("5.96")], refunds=refunds)
    assert (read_.payment, read_.refunded, read_.original_total) == (
        PaymentStatus.PARTIALLY_REFUNDED,
        D("31.97"),
        D("100.95"),
    )
    (left,) = read_.lines
    assert (left.ordered, left.quantity, left.amount) == (3, 2, D("66.66"))
    assert (left.allowances[0].amount, left.taxes[0].amount) == (D("6.67"), D("3.97"))
    assert [(one.kind, one.amount) for one in read_.tenders] == [
        (TenderKind.CAPTURED, D("100.95")),
        (TenderKind.REFUNDED, D("31.97")),
    ]
    sold_as = read(order(goods, **sold), taxes=[tax_row("5.96")])
    assert read_.as_sold is not None
    assert read_.as_sold.lines == sold_as.lines
    assert misfits(sold_as) == []


def test_refunded_money_without_pieces_leaves_the_lines_and_is_partly_refunded() -> None:
    """The merchant has set the status back to awaiting fulfilment."""
    read_ = read(order(payment_status="captured"), refunds=[refund(1, 5, items=[])])
    assert (read_.payment, read_.refunded, read_.total) == (PaymentStatus.PARTIALLY_REFUNDED, D(5), D("100.00"))
    assert read_.lines[0].quantity == 1
    assert read_.as_sold is not None


def test_credit_given_back_is_named_as_credit_is_taken() -> None:
    read_ = read(order(status_id=14), refunds=[refund(1, 5, payment(5, "storecredit"))])
    assert read_.tenders[-1].gateway == "store_credit"


def test_more_pieces_refunded_than_ordered_are_malformed() -> None:
    with pytest.raises(Malformed, match="line 65"):
        read(order(line(quantity_refunded=2)))


# -- states -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "payment", "expected", "held"),
    [
        (11, "captured", PaymentStatus.PAID, ""),
        (11, "paid", PaymentStatus.PAID, ""),
        (11, "authorized", PaymentStatus.AUTHORISED, ""),
        (11, "held for review", PaymentStatus.AUTHORISED, "payment held for review"),
        (11, "", PaymentStatus.AUTHORISED, ""),
        (11, "pending", PaymentStatus.PENDING, ""),
        (11, "declined", PaymentStatus.PENDING, ""),
        (11, "partially refunded", PaymentStatus.PARTIALLY_REFUNDED, ""),
        (11, "refunded", PaymentStatus.REFUNDED, ""),
        (9, "captured", PaymentStatus.PAID, "status awaiting shipment"),
        (2, "captured", PaymentStatus.PAID, "status shipped"),
        (10, "captured", PaymentStatus.PAID, "status completed"),
        (12, "captured", PaymentStatus.PAID, "status manual verification required"),
        (7, "captured", PaymentStatus.PAID, "status awaiting payment"),
        (7, "", PaymentStatus.PENDING, ""),
        (1, "", PaymentStatus.PENDING, ""),
        (10, "", PaymentStatus.AUTHORISED, "status completed"),
        (4, "captured", PaymentStatus.REFUNDED, ""),
        (6, "declined", PaymentStatus.VOIDED, ""),
        (14, "captured", PaymentStatus.PARTIALLY_REFUNDED, ""),
    ],
)
def test_20_states_are_told_by_ids_never_by_labels(
    status: int, payment: str, expected: PaymentStatus, held: str
) -> None:
    """The label says something else, as a shop may have it."""
    read_ = read(order(status_id=status, payment_status=payment, status="Completed", custom_status="Refunded"))
    assert (read_.payment, [hold.reason for hold in read_.holds]) == (expected, [held] if held else [])


@pytest.mark.parametrize(("status", "done"), [(2, True), (3, True), (8, True), (9, True), (10, True), (12, False)])
def test_what_is_packed_or_has_left_is_done_and_what_a_person_is_to_look_at_is_not(status: int, done: bool) -> None:
    """An order that goes its usual way after it was booked is no change."""
    (held,) = read(order(status_id=status)).holds
    assert held.done is done
    assert (content_hash(read(order(status_id=status))) == content_hash(read(order()))) is done


def test_what_had_left_before_a_part_of_it_was_refunded_is_not_sent_once_more() -> None:
    """Status 14 no longer tells that it was shipped; the pieces do. Of one that was booked before that is no change."""
    told: Json = {"status_id": 14, "payment_status": "partially refunded"}
    (held,) = read(order(items_shipped=1, **told), refunds=[refund(1, 5)]).holds
    assert (held.reason, held.done) == ("status partially refunded, shipped", True)
    assert read(order(**told), refunds=[refund(1, 5)]).holds == ()


def test_cancelled_is_cancelled_whatever_was_paid() -> None:
    read_ = read(order(status_id=5))
    assert (read_.cancelled, read_.payment) == (read_.modified, PaymentStatus.PAID)


def test_another_status_may_be_imported() -> None:
    assert read(order(status_id=9), statuses=(9, 11)).holds == ()


def test_what_is_paid_on_delivery_is_promised_by_its_gateway() -> None:
    read_ = read(order(payment_status="", payment_method="Cash on Delivery"))
    assert [(one.gateway, one.kind, one.amount) for one in read_.tenders] == [
        ("Cash on Delivery", TenderKind.AUTHORISED, D("105.00"))
    ]
    assert (read_.outstanding, misfits(read_)) == (D("105.00"), [])


def test_an_unpaid_order_owes_its_whole_price() -> None:
    read_ = read(order(status_id=7, payment_status=""))
    assert (read_.outstanding, read_.tenders, misfits(read_)) == (D("105.00"), (), [])


def test_a_guest_is_no_customer() -> None:
    assert read(order(customer_id=0)).customer is None


# -- what BigCommerce's own examples show ------------------------------------------------------------------------


@pytest.mark.contract
def test_the_lines_of_the_published_example_read() -> None:
    """A towel for 55.99 with 1.59 off by hand and a brewing system that was picked with it; 9.24 of tax."""
    file = contract_path("bigcommerce", "reference", "orders.v2.oas2.yml")
    published = yaml.safe_load(file.read_text())["components"]["responses"]["orderProductsCollection_Resp"]
    lines = published["content"]["application/json"]["examples"]["response"]["value"]
    given = order(*lines, ex_tax="59.40", tax="9.24", inc_tax="68.64", discount_amount="1.5900")
    read_ = read(given, bundled="both", products=lines)
    towel, system = read_.lines
    assert (towel.amount, towel.barcode, towel.sku) == (D("55.99"), "1234567891112", "")
    assert [(one.name, one.amount) for one in towel.allowances] == [("Manual Discount", D("1.59"))]
    assert dict(towel.attributes)["PickList"] == "Able Brewing System"
    assert (system.sku, system.amount) == ("ABS", D("0.00"))
    assert misfits(read_) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"default_currency_code": "dollars"}, "order.default_currency_code"),
        ({"total_inc_tax": "ADA"}, "order.total_inc_tax"),
        ({"status_id": 15}, "order.status_id"),
        ({"payment_status": "ada"}, "order.payment_status"),
        ({"date_modified": "yesterday"}, "order.date_modified"),
        ({"id": 219}, "order.id"),
    ],
)
def test_nonsense_is_malformed_where_it_stands(change: Json, where: str) -> None:
    with pytest.raises(Malformed) as ended:
        read(order(**change))
    assert ended.value.where == where
    assert "ada" not in str(ended.value).casefold()
