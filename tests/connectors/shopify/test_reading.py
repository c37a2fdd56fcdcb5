"""From their document to our record: each rule of the mapper on one worked case."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcbridge.connectors.shopify import mapper
from bcbridge.connectors.shopify.settings import MoneySide
from bcbridge.errors import Malformed
from bcbridge.model.order import Allowance, Assignment, Hold, LineKind, PaymentStatus, Tax, TenderKind
from tests.connectors.shopify.answers import (
    CALIFORNIA,
    NEW_JERSEY,
    Json,
    agreements,
    automatic,
    bag,
    code,
    document,
    fulfilment_order,
    line,
    of_line,
    order,
    read,
    sale,
    shipping_line,
    tax,
    transaction,
)
from tests.connectors.shopify.documented_order import documented_order

NJ = Decimal("0.06625")


def test_a_plain_order_reads_to_exactly_this_record() -> None:
    found = read(order())
    assert (found.ref, found.id, found.name) == ("gid://shopify/Order/1001", "1001", "#1001")
    assert (found.currency, found.prices_include_tax, found.payment) == ("USD", False, PaymentStatus.PAID)
    assert (found.total, found.original_total, found.outstanding) == (Decimal(105), Decimal(105), Decimal(0))
    (one,) = found.lines
    assert (one.sku, one.barcode, one.quantity, one.unit_price, one.amount) == (
        "012345678905",
        "012345678905",
        1,
        Decimal(100),
        Decimal(100),
    )
    assert one.assignments == (Assignment(location=ref("Location/1"), location_name="New Jersey DC", quantity=1),)
    (shipping,) = found.shipping
    assert (shipping.title, shipping.code, shipping.amount) == ("Standard", "standard", Decimal(5))
    (tender,) = found.tenders
    assert (tender.kind, tender.gateway, tender.amount) == (TenderKind.CAPTURED, "shopify_payments", Decimal(105))
    assert found.ship_to is not None
    assert (found.ship_to.state, found.ship_to.postcode, found.ship_to.phone) == ("NJ", "07030", "+15550100")
    assert found.routed
    assert found.as_sold is None


def test_discounts_are_named_by_code_or_by_campaign() -> None:
    found = read(order(line(discountAllocations=[code("10.0"), automatic("5.5"), code("0.0", "NOTHING")])))
    assert found.lines[0].allowances == (
        Allowance(name="WELCOME10", amount=Decimal(10)),
        Allowance(name="Bundle & Save", amount=Decimal("5.5")),
    )


def test_tax_rates_and_amounts_keep_every_digit() -> None:
    found = read(order(line(taxLines=[tax("6.63"), tax("0.3", "County", "0.0030000000000000001")])))
    assert found.lines[0].taxes == (
        Tax(title="NJ State Tax", rate=NJ, amount=Decimal("6.63")),
        Tax(title="County", rate=Decimal("0.0030000000000000001"), amount=Decimal("0.3")),
    )


def reduced(**changes: Any) -> Json:
    """Three pieces at 30.00 with 10.00 and 5.00 off; the refund of one took back 24.99 + 1.66 tax."""
    return line(
        quantity=3,
        currentQuantity=2,
        originalUnitPriceSet=bag("30.0"),
        discountAllocations=[code("10.0"), automatic("5.0")],
        taxLines=[tax("4.97")],
        **changes,
    )


def test_a_reduced_line_takes_discount_and_tax_from_its_own_sales() -> None:
    told = agreements(
        [sale("ProductSale", of_line(1), "79.97", "4.97", 3)],
        [sale("ProductSale", of_line(1), "-26.65", "-1.66", -1)],
    )
    found = read(order(reduced(), agreements=told)).lines[0]
    # left: 79.97 - 26.65 = 53.32 with 3.31 tax, so 50.01 net; 2 x 30.00 - 50.01 = 9.99 of discount, split 10 to 5
    assert (found.ordered, found.quantity, found.amount) == (3, 2, Decimal(60))
    assert found.allowances == (
        Allowance(name="WELCOME10", amount=Decimal("6.66")),
        Allowance(name="Bundle & Save", amount=Decimal("3.33")),
    )
    assert found.taxes == (Tax(title="NJ State Tax", rate=NJ, amount=Decimal("3.31")),)


@given(
    price=st.integers(1, 50_000),
    ordered=st.integers(2, 20),
    back=st.integers(1, 19),
    parts=st.lists(st.integers(0, 100), min_size=1, max_size=4),
    tax_cents=st.integers(0, 10_000),
)
def test_whatever_is_left_of_a_line_adds_up_to_its_sales(
    price: int, ordered: int, back: int, parts: list[int], tax_cents: int
) -> None:
    """Discounts of up to a hundredth of the price each; some pieces go back with their share, to the cent."""
    back = min(back, ordered - 1)
    given_off = [price * ordered * part // 10_000 for part in parts]
    off_back, tax_back = sum(given_off) * back // ordered, tax_cents * back // ordered
    sold = price * ordered - sum(given_off) + tax_cents
    returned = price * back - off_back + tax_back
    told = agreements(
        [sale("ProductSale", of_line(1), money(sold), money(tax_cents), ordered)],
        [sale("ProductSale", of_line(1), money(-returned), money(-tax_back), -back)],
    )
    content = line(
        quantity=ordered,
        currentQuantity=ordered - back,
        originalUnitPriceSet=bag(money(price)),
        discountAllocations=[code(money(cents), f"CODE{at}") for at, cents in enumerate(given_off)],
    )
    found = read(order(content, agreements=told)).lines[0]
    off, taxed = sum(one.amount for one in found.allowances), sum(one.amount for one in found.taxes)
    assert found.amount - off + taxed == Decimal(sold - returned) / 100
    assert off == Decimal(sum(given_off) - off_back) / 100
    assert all(one.amount > 0 for one in found.allowances)


def money(cents: int) -> str:
    return str(Decimal(cents) / 100)


def test_pieces_taken_back_may_be_written_with_either_sign() -> None:
    told = agreements(
        [sale("ProductSale", of_line(1), "79.97", "4.97", 3)],
        [sale("ProductSale", of_line(1), "-26.65", "-1.66", 1, actionType="RETURN")],
    )
    assert read(order(reduced(), agreements=told)).lines[0].quantity == 2


def test_a_reduced_line_of_prices_with_tax_keeps_the_tax_inside() -> None:
    told = agreements(
        [sale("ProductSale", of_line(1), "75.0", "4.97", 3)],
        [sale("ProductSale", of_line(1), "-24.99", "-1.66", -1)],
    )
    found = read(order(reduced(), agreements=told, taxesIncluded=True)).lines[0]
    # left: 75.00 - 24.99 = 50.01 with the tax; 60.00 - 50.01 = 9.99
    assert sum(one.amount for one in found.allowances) == Decimal("9.99")
    assert found.taxes == (Tax(title="NJ State Tax", rate=NJ, amount=Decimal("3.31")),)


def test_what_was_sold_is_told_beside_what_is_left() -> None:
    told = agreements(
        [sale("ProductSale", of_line(1), "79.97", "4.97", 3)],
        [sale("ProductSale", of_line(1), "-26.65", "-1.66", -1)],
    )
    found = read(order(reduced(), agreements=told)).as_sold
    assert found is not None
    (one,) = found.lines
    assert (one.quantity, one.amount, sum(given.amount for given in one.allowances)) == (3, Decimal(90), Decimal(15))
    assert one.taxes[0].amount == Decimal("4.97")


def test_an_edited_order_does_not_claim_to_know_what_was_sold() -> None:
    told = agreements(
        [sale("ProductSale", of_line(1), "79.97", "4.97", 3)],
        [sale("ProductSale", of_line(1), "-26.65", "-1.66", -1)],
    )
    assert read(order(reduced(), agreements=told, edited=True)).as_sold is None


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, "no sales agreement"),
        (agreements([sale("ProductSale", of_line(2), "10.0")]), "no sales agreement"),
        (agreements([sale("ProductSale", of_line(1), "79.97", "4.97", 3)]), "its sales say 3"),
        (agreements([sale("ProductSale", of_line(1), "70.0", "4.97", 2)]), "a discount of -5.03"),
    ],
)
def test_a_reduced_line_whose_sales_do_not_fit_is_malformed(told: Json | None, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(order(reduced(), agreements=told))


def test_a_removed_line_is_worth_nothing_and_needs_no_ledger() -> None:
    gone = line(2, currentQuantity=0, discountAllocations=[code("10.0")], taxLines=[tax("6.63")])
    found = read(order(line(), gone)).lines[1]
    assert (found.ordered, found.quantity, found.amount, found.allowances, found.taxes) == (1, 0, Decimal(0), (), ())


def test_removed_shipping_is_left_out_and_refunded_shipping_shrinks() -> None:
    half = shipping_line(
        "10.0",
        discountedPriceSet=bag("8.0"),
        currentDiscountedPriceSet=bag("4.0"),
        discountAllocations=[code("2.0")],
        taxLines=[tax("0.53")],
    )
    told = agreements(
        [sale("ShippingLineSale", {"shippingLine": {"id": "gid://shopify/ShippingLine/1"}}, "8.53", "0.53")],
        [sale("ShippingLineSale", {"shippingLine": {"id": "gid://shopify/ShippingLine/1"}}, "-4.27", "-0.27")],
    )
    removed = shipping_line(id="gid://shopify/ShippingLine/2", isRemoved=True)
    (found,) = read(order(shippingLines={"nodes": [half, removed]}, agreements=told)).shipping
    assert (found.amount, found.allowances) == (Decimal(5), (Allowance(name="WELCOME10", amount=Decimal("1.00")),))
    assert found.taxes == (Tax(title="NJ State Tax", rate=NJ, amount=Decimal("0.26")),)


def test_gift_cards_and_tips_are_not_goods() -> None:
    card = line(2, isGiftCard=True, requiresShipping=False)
    tip = line(3, title="Tip", name="Tip", variant=None, product=None, sku=None, requiresShipping=False)
    found = read(order(line(), card, tip, totalTipReceivedSet=bag("100.0")))
    assert [one.kind for one in found.lines] == [LineKind.GOODS, LineKind.GIFT_CARD, LineKind.TIP]
    assert found.tip == Decimal(100)
    assert found.routed


def test_a_line_called_tip_is_goods_on_an_order_that_took_none() -> None:
    custom = line(title="Tip", variant=None, product=None, sku=None, requiresShipping=False)
    assert read(order(custom)).lines[0].kind is LineKind.GOODS


def test_a_tip_sale_tells_a_tip_in_any_language() -> None:
    tip = line(title="Trinkgeld", variant=None, product=None, sku=None, requiresShipping=False)
    told = agreements([sale("TipSale", of_line(1), "100.0")])
    assert read(order(tip, totalTipReceivedSet=bag("100.0"), agreements=told)).lines[0].kind is LineKind.TIP


def test_duties_fees_and_rounding_are_charges_of_their_own() -> None:
    duty = {"id": "gid://shopify/Duty/1", "price": bag("12.5"), "taxLines": [tax("0.83")]}
    fee = {"id": "gid://shopify/AdditionalFee/1", "name": "Eco fee", "price": bag("1.5"), "taxLines": []}
    rounded = {"paymentSet": bag("0.02"), "refundSet": bag("0.0")}
    found = read(order(line(duties=[duty]), additionalFees=[fee], totalCashRoundingAdjustment=rounded))
    (charge,) = found.lines[0].charges
    assert (charge.kind, charge.amount, charge.taxes[0].amount) == ("duty", Decimal("12.5"), Decimal("0.83"))
    assert [(one.kind, one.name, one.amount) for one in found.charges] == [("fee", "Eco fee", Decimal("1.5"))]
    assert found.rounding == Decimal("0.02")


def test_only_money_that_moved_or_was_promised_is_a_tender() -> None:
    moved = [
        transaction("80.0", 1),
        transaction("25.0", 2, gateway="gift_card", kind="CAPTURE"),
        transaction("5.0", 3, kind="REFUND"),
        transaction("2.0", 4, kind="CHANGE"),
        transaction("99.0", 5, kind="AUTHORIZATION"),
        transaction("98.0", 6, status="FAILURE"),
        transaction("97.0", 7, status="PENDING"),
        transaction("96.0", 8, test=True),
        transaction("95.0", 9, kind="VOID"),
    ]
    found = [(one.kind, one.gateway, one.amount) for one in read(order(transactions=moved)).tenders]
    assert found == [
        (TenderKind.CAPTURED, "shopify_payments", Decimal(80)),
        (TenderKind.CAPTURED, "gift_card", Decimal(25)),
        (TenderKind.REFUNDED, "shopify_payments", Decimal(5)),
        (TenderKind.CHANGE, "shopify_payments", Decimal(2)),
        (TenderKind.AUTHORISED, "shopify_payments", Decimal(99)),
    ]


def test_one_currency_side_is_read_throughout() -> None:
    both = bag("100.0", "92.5", other="EUR")
    nothing = bag("0.0", other="EUR")
    content = order(
        line(originalUnitPriceSet=both),
        presentmentCurrencyCode="EUR",
        shippingLines={"nodes": []},
        transactions=[transaction("100.0", amountSet=both)],
        originalTotalPriceSet=both,
        currentTotalPriceSet=both,
        totalOutstandingSet=nothing,
        totalRefundedSet=nothing,
        totalTipReceivedSet=nothing,
        totalCashRoundingAdjustment={"paymentSet": nothing, "refundSet": nothing},
    )
    shop, presentment = read(content), read(content, side=MoneySide.PRESENTMENT)
    assert (shop.currency, shop.total, shop.tenders[0].amount) == ("USD", Decimal(100), Decimal(100))
    assert (presentment.currency, presentment.total, presentment.lines[0].amount) == (
        "EUR",
        Decimal("92.5"),
        Decimal("92.5"),
    )


def test_an_amount_in_another_currency_is_malformed() -> None:
    with pytest.raises(Malformed, match="CAD"):
        read(order(line(originalUnitPriceSet=bag("100.0", currency="CAD"))))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"status": "ON_HOLD", "fulfillmentHolds": [{"reason": "HIGH_RISK_OF_FRAUD", "reasonNotes": "look"}]},
            (Hold(reason="high_risk_of_fraud", note="look"),),
        ),
        ({"status": "ON_HOLD"}, (Hold(reason="on_hold"),)),
        (
            {"status": "SCHEDULED", "fulfillAt": "2026-12-01T00:00:00Z"},
            (Hold(reason="scheduled", note="2026-12-01T00:00:00+00:00"),),
        ),
        ({"status": "OPEN"}, ()),
        ({"status": "IN_PROGRESS"}, ()),
    ],
)
def test_a_waiting_fulfilment_order_is_a_hold(changes: Json, expected: tuple[Hold, ...]) -> None:
    found = read(order(fulfillmentOrders={"nodes": [fulfilment_order({1: 1}, **changes)]}))
    assert found.holds == expected


def test_pieces_leave_from_where_live_fulfilment_orders_say() -> None:
    nodes = [
        fulfilment_order({1: 3}, status="CLOSED"),
        fulfilment_order({1: 2}, assignedLocation=CALIFORNIA),
        fulfilment_order({1: 1}, assignedLocation=NEW_JERSEY, status="IN_PROGRESS"),
        fulfilment_order({1: 3}, status="CANCELLED"),
    ]
    found = read(order(line(quantity=3, currentQuantity=3), fulfillmentOrders={"nodes": nodes})).lines[0]
    assert [(one.location_name, one.quantity) for one in found.assignments] == [
        ("California DC", 2),
        ("New Jersey DC", 1),
    ]


def test_shipped_pieces_are_counted_where_no_live_order_has_them() -> None:
    nodes = [fulfilment_order({1: 2}, status="CLOSED"), fulfilment_order({1: 1}, assignedLocation=CALIFORNIA)]
    found = read(order(line(quantity=3, currentQuantity=3), fulfillmentOrders={"nodes": nodes}))
    assert [(one.location_name, one.quantity) for one in found.lines[0].assignments] == [
        ("California DC", 1),
        ("New Jersey DC", 2),
    ]
    assert found.routed


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [fulfilment_order({1: 1}, assignedLocation={"name": "Gone", "location": None})],
    ],
)
def test_an_order_without_a_location_for_each_piece_is_not_routed(nodes: list[Json]) -> None:
    assert not read(order(fulfillmentOrders={"nodes": nodes})).routed


def test_an_order_of_the_till_leaves_from_its_shop() -> None:
    shop = {"id": "gid://shopify/Location/9", "name": "Hoboken Store"}
    found = read(order(retailLocation=shop, fulfillmentOrders={"nodes": []}))
    assert [(one.location_name, one.quantity) for one in found.lines[0].assignments] == [("Hoboken Store", 1)]
    assert found.routed


def test_every_mark_of_circular_commerce_is_found() -> None:
    attributes = [{"key": "_cycle", "value": "{}"}, {"key": "_rental_intent_token", "value": None}]
    marked = line(customAttributes=attributes, sellingPlan={"name": "Monthly", "sellingPlanId": None})
    enabled = line(2, product={"id": "gid://shopify/Product/70", "metafield": {"value": "true"}})
    tags = ["vip", "Has rental products", "Has membership", "Recurring order #3"]
    found = read(order(marked, enabled, tags=tags, app={"name": "Supercycle"}))
    assert [one.marks for one in found.lines] == [("_cycle", "_rental_intent_token", "selling_plan"), ("product",)]
    assert found.marks == ("tag:Has rental products", "tag:Has membership", "tag:Recurring order #3", "app")


def test_a_configured_product_is_a_mark() -> None:
    found = mapper.read(document(order()), side=MoneySide.SHOP, circular_products=frozenset({"70"}))
    assert found.lines[0].marks == ("product",)


def test_withheld_customer_data_reads_to_empty_parts() -> None:
    nothing = dict.fromkeys(("name", "firstName", "lastName", "address1", "zip", "phone"), None)
    content = order(customer=None, email=None, phone=None, billingAddress=None)
    content["shippingAddress"] = content["shippingAddress"] | nothing
    found = read(content)
    assert (found.customer, found.bill_to) == (None, None)
    assert found.ship_to is not None
    assert (found.ship_to.name, found.ship_to.postcode, found.ship_to.city) == ("", "", "Hoboken")


def test_a_custom_line_has_no_variant_and_no_sku() -> None:
    found = read(order(line(variant=None, product=None, sku=None))).lines[0]
    assert (found.sku, found.barcode, found.variant) == ("", None, None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(None, PaymentStatus.PENDING), ("PARTIALLY_REFUNDED", PaymentStatus.PARTIALLY_REFUNDED)],
)
def test_payment_is_what_the_shop_says_and_unsaid_is_unpaid(status: str | None, expected: PaymentStatus) -> None:
    assert read(order(displayFinancialStatus=status)).payment is expected


ODD: list[tuple[bytes | Json, str]] = [
    (b"", "document"),
    (b"<html>", "document"),
    (b"[]", "document"),
    (b'{"id": "\\ud800"}', "document"),
    (order(id="1001"), "id"),
    (order(id="gid://shopify/Order/5"), "id"),
    (order(currentTotalPriceSet=None), "currentTotalPriceSet"),
    (order(line(originalUnitPriceSet=bag("a lot"))), "lineItems.nodes.0.originalUnitPriceSet"),
    (order(line(originalUnitPriceSet={**bag("1.0"), "shopMoney": {"amount": 1.1, "currencyCode": "USD"}})), "amount"),
    (order(line(originalUnitPriceSet=bag("NaN"))), "originalUnitPriceSet"),
    (order(line(quantity=-1)), "quantity"),
    (order(createdAt="2026-11-20T12:00:00"), "createdAt"),
    (order(displayFinancialStatus="MAYBE"), "displayFinancialStatus"),
    ({"unreadable": "KeyError", "order": order()}, "id"),
]


@pytest.mark.parametrize(("content", "where"), ODD)
def test_nonsense_is_malformed_and_names_the_place(content: bytes | Json, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        mapper.read(document(content), side=MoneySide.SHOP)
    assert where in str(caught.value)
    assert "Lovelace" not in str(caught.value)


def test_a_malformed_document_is_never_quoted() -> None:
    content = order(shippingAddress="Ada Lovelace, 12 St James's Square")
    with pytest.raises(Malformed) as caught:
        mapper.read(document(content), side=MoneySide.SHOP)
    assert "Ada" not in str(caught.value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_VALUES)
def test_anything_else_is_malformed_and_nothing_worse(value: object) -> None:
    content = {**order(), "lineItems": value}
    with pytest.raises(Malformed):
        mapper.read(document(content), side=MoneySide.SHOP)


@pytest.mark.contract
def test_the_documented_order_reads_to_a_record_though_its_money_does_not_add_up() -> None:
    found = mapper.read(documented_order(), side=MoneySide.SHOP)
    assert (found.name, found.payment) == ("#1001", PaymentStatus.PARTIALLY_REFUNDED)
    assert [(one.sku, one.ordered, one.quantity) for one in found.lines] == [
        ("IPOD2008GREEN", 1, 0),
        ("IPOD2008RED", 1, 1),
        ("IPOD2008BLACK", 1, 0),
    ]
    green, red, _ = found.lines
    assert green.attributes[0] == ("Custom Engraving Front", "Happy Birthday")
    assert red.allowances == (Allowance(name="TENOFF", amount=Decimal("3.33")),)
    assert red.taxes == (Tax(title="State Tax", rate=Decimal("0.06"), amount=Decimal("3.98")),)
    assert (found.total, found.original_total) == (Decimal("199.65"), Decimal("598.94"))
    assert [(one.kind, one.amount) for one in found.tenders] == [
        (TenderKind.CAPTURED, Decimal("598.94")),
        (TenderKind.REFUNDED, Decimal(209)),
    ]
    left = red.amount - red.allowances[0].amount + red.taxes[0].amount
    assert left == found.total
    assert found.as_sold is not None
    sold = sum(
        one.amount - sum(given.amount for given in one.allowances) + sum(taxed.amount for taxed in one.taxes)
        for one in found.as_sold.lines
    )
    assert sold == found.original_total


def ref(tail: str) -> Any:
    return f"gid://shopify/{tail}"
