"""Every number of every order ties, on the shop's side and on the customer's, as Shopify's do (NOTES 1.6).

The sums are worked out here from the smallest parts, with nothing of the sandbox's own arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.shopify_client import JSON, ShopClient, shop, until

SIDES = ("shopMoney", "presentmentMoney")
UPC = "040123000013"
ZERO = Decimal(0)


def amount(bag: JSON | None, side: str) -> Decimal:
    return ZERO if bag is None else Decimal(bag[side]["amount"])


def summed(bags: Iterable[JSON | None], side: str) -> Decimal:
    return sum((amount(bag, side) for bag in bags), ZERO)


def all_sales(order: JSON) -> list[JSON]:
    return [sale for agreement in order["agreements"] for sale in agreement["sales"]]


def is_tip(line: JSON) -> bool:
    return bool(line["title"] == "Tip" and line["variant"] is None)


def line_net(line: JSON, side: str) -> Decimal:
    gross = amount(line["originalUnitPriceSet"], side) * int(line["quantity"])
    return gross - summed((one["allocatedAmountSet"] for one in line["discountAllocations"]), side)


def line_taxes(line: JSON, side: str) -> Decimal:
    return summed((tax["priceSet"] for tax in line["taxLines"]), side)


def shipping_net(line: JSON, side: str) -> Decimal:
    taken = summed((one["allocatedAmountSet"] for one in line["discountAllocations"]), side)
    return amount(line["originalPriceSet"], side) - taken


def original_total(order: JSON, side: str) -> Decimal:
    """Goods, shipping, tax on top, duties, fees, tip, rounding: as ordered."""
    goods = [line for line in order["lineItems"] if not is_tip(line)]
    net: Decimal = sum((line_net(line, side) for line in goods), ZERO)
    net += sum((shipping_net(line, side) for line in order["shippingLines"]), ZERO)
    taxed = [*goods, *order["shippingLines"]]
    tax: Decimal = ZERO if order["taxesIncluded"] else sum((line_taxes(one, side) for one in taxed), ZERO)
    duties = summed((duty["price"] for line in goods for duty in line["duties"]), side)
    fees = summed((fee["price"] for fee in order["additionalFees"]), side)
    tip = amount(order["totalTipReceivedSet"], side)
    rounding = amount(order["totalCashRoundingAdjustment"]["paymentSet"], side)
    return net + tax + duties + fees + tip + rounding


def received(order: JSON, side: str) -> Decimal:
    done = [one for one in order["transactions"] if one["status"] == "SUCCESS"]
    return summed((one["amountSet"] for one in done if one["kind"] in ("SALE", "CAPTURE")), side)


def refunded(order: JSON, side: str) -> Decimal:
    done = [one for one in order["transactions"] if one["status"] == "SUCCESS"]
    return summed((one["amountSet"] for one in done if one["kind"] == "REFUND"), side)


def check(order: JSON, side: str) -> None:
    """All that must hold of one order on one side."""

    def says(name: str) -> Decimal:
        return amount(order[name], side)

    name = order["name"]
    assert says("totalPriceSet") == original_total(order, side), name
    assert says("originalTotalPriceSet") == original_total(order, side), name
    assert says("currentTotalPriceSet") == summed((one["totalAmount"] for one in all_sales(order)), side), name
    assert says("totalReceivedSet") == received(order, side), name
    assert says("totalRefundedSet") == refunded(order, side), name
    assert says("netPaymentSet") == received(order, side) - refunded(order, side), name
    assert says("totalOutstandingSet") == says("currentTotalPriceSet") - says("netPaymentSet"), name
    assert says("currentTotalTaxSet") == summed((one["totalTaxAmount"] for one in all_sales(order)), side), name
    taxed = [*order["lineItems"], *order["shippingLines"]]
    assert says("totalTaxSet") == sum((line_taxes(one, side) for one in taxed), ZERO), name
    assert says("totalTaxSet") == summed((one["priceSet"] for one in order["taxLines"]), side), name
    assert says("currentTotalTaxSet") == summed((one["priceSet"] for one in order["currentTaxLines"]), side), name
    check_lines(order, side)
    check_sales(order, side)


def check_lines(order: JSON, side: str) -> None:
    for line in order["lineItems"]:
        assert amount(line["originalTotalSet"], side) == amount(line["originalUnitPriceSet"], side) * line["quantity"]
        assert line_net(line, side) >= 0
        sales = [one for one in all_sales(order) if one.get("lineItem", {}).get("id") == line["id"]]
        assert sum(one["quantity"] for one in sales) == line["currentQuantity"]
        left = summed((one["totalAmount"] for one in sales), side) - summed(
            (one["totalTaxAmount"] for one in sales), side
        )
        assert amount(line["priceAfterAllDiscountsBeforeTaxesSet"], side) == left, order["name"]
    for application in order["discountApplications"]:
        given = applied(order, application, side)
        fixed = application["value"].get("amount")
        if fixed is not None and side == "presentmentMoney":
            assert given <= Decimal(fixed), order["name"]


def applied(order: JSON, application: JSON, side: str) -> Decimal:
    targets = [*order["lineItems"], *order["shippingLines"]]
    allocations = [one for target in targets for one in target["discountAllocations"]]
    mine = [one for one in allocations if one["discountApplication"]["index"] == application["index"]]
    return summed((one["allocatedAmountSet"] for one in mine), side)


def check_sales(order: JSON, side: str) -> None:
    for sale in all_sales(order):
        assert amount(sale["totalTaxAmount"], side) == summed((tax["amount"] for tax in sale["taxes"]), side)
        line = next((one for one in order["lineItems"] if one["id"] == sale.get("lineItem", {}).get("id")), None)
        if line is not None and sale["quantity"] == line["quantity"]:
            which = "AfterTaxes" if order["taxesIncluded"] else "BeforeTaxes"
            allocated = summed((one["allocatedAmountSet"] for one in line["discountAllocations"]), side)
            assert amount(sale[f"totalDiscountAmount{which}"], side) == allocated


async def settled(client: ShopClient, **wishes: Any) -> list[JSON]:
    """The orders of a plan once everything that was to happen to them has happened."""
    plan = await client.post("/_sandbox/sell", wishes)
    await client.sold(plan["plan"])
    await client.post("/_sandbox/clock", {"advance_seconds": 3600})
    return list(await until(client.orders, lambda orders: all(over(order) for order in orders)))


def over(order: JSON) -> bool:
    """Whether what its draw foresaw has come about."""
    later = order["_sandbox"]["later"]
    unpaid = order["displayFinancialStatus"] in ("PENDING", "AUTHORIZED")
    held = any(one["status"] == "ON_HOLD" for one in order["fulfillmentOrders"])
    done = {"pay": not unpaid, "release": not held, "edit": order["edited"], "cancel": bool(order["cancelledAt"])}
    return all(done[one] for one in later)


@pytest.mark.slow
async def test_three_hundred_orders_of_the_usual_mix_tie_to_the_cent_on_both_sides(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        orders = await settled(client, orders=300, seed=11)
        assert len(orders) == 300
        for order in orders:
            for side in SIDES:
                check(order, side)
        shapes(orders)


def shapes(orders: list[JSON]) -> None:
    """The mix has what makes such orders hard."""
    assert {order["presentmentCurrencyCode"] for order in orders} >= {"USD", "EUR", "GBP"}
    assert {order["taxesIncluded"] for order in orders} == {True, False}
    assert any(line["isGiftCard"] for order in orders for line in order["lineItems"])
    assert any(one["gateway"] == "gift_card" for order in orders for one in order["transactions"])
    assert any(one["gateway"] == "shopify_store_credit" for order in orders for one in order["transactions"])
    assert any(is_tip(line) for order in orders for line in order["lineItems"])
    assert any(line["duties"] for order in orders for line in order["lineItems"])
    assert any(order["additionalFees"] for order in orders)
    assert any(order["cancelledAt"] for order in orders)
    assert any(line["currentQuantity"] < line["quantity"] for order in orders for line in order["lineItems"])
    spoiled = [order for order in orders if order["_sandbox"]["unbookable"]]
    assert 0 < len(spoiled) <= 30
    paid = [order for order in orders if order["displayFinancialStatus"] == "PAID"]
    assert len(paid) > 250
    for order in paid:
        assert Decimal(order["totalOutstandingSet"]["shopMoney"]["amount"]) == 0


async def test_simple_orders_are_plain_and_paid(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for order in await settled(client, orders=25, seed=2, simple=True):
            assert order["displayFinancialStatus"] == "PAID"
            assert order["presentmentCurrencyCode"] == order["currencyCode"] == "USD"
            assert not order["discountApplications"]
            assert not order["additionalFees"]
            assert not order["_sandbox"]["unbookable"]
            assert len(order["transactions"]) == 1
            for side in SIDES:
                check(order, side)


async def test_a_worked_order_has_the_totals_a_person_gets(tmp_path: Path) -> None:
    """3 x 28.00 - 10 % = 75.60; 6.625 % of it 5.01 and of 7.95 shipping 0.53; 2.00 tip."""
    async with shop(tmp_path) as client:
        placed = await client.place(
            lines=[{"sku": UPC, "quantity": 3}],
            discounts=[{"code": "WELCOME10", "percent": "10"}],
            shipping={"title": "Standard", "price": "7.95"},
            tax=[{"title": "NJ State Tax", "rate": "0.06625"}],
            tip="2.00",
        )
        order = await client.order(placed["name"])
        said = {name: order[name]["shopMoney"]["amount"] for name in order if name.endswith("Set")}
        assert said["subtotalPriceSet"] == "75.60"
        assert said["totalDiscountsSet"] == "8.40"
        assert said["totalTaxSet"] == "5.54"
        assert said["totalTipReceivedSet"] == "2.00"
        assert said["currentTotalPriceSet"] == "91.09"
        assert said["totalReceivedSet"] == "91.09"
        assert order["displayFinancialStatus"] == "PAID"


async def test_a_discount_that_does_not_divide_gives_its_odd_cents_to_the_first_lines(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        lines = [{"sku": UPC, "price": "20.00"}] * 3
        placed = await client.place(lines=lines, discounts=[{"code": "TENOFF", "amount": "10.00"}])
        order = await client.order(placed["name"])
        given = [line["discountAllocations"][0]["allocatedAmountSet"] for line in order["lineItems"]]
        assert [one["shopMoney"]["amount"] for one in given] == ["3.34", "3.33", "3.33"]


async def test_vat_is_inside_the_price_where_prices_include_it(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(
            lines=[{"sku": UPC, "price": "30.00", "quantity": 2}],
            currency="EUR",
            taxesIncluded=True,
            tax=[{"title": "VAT", "rate": "0.19"}],
            shipping={"title": "Express", "price": "10.00"},
        )
        order = await client.order(placed["name"])
        assert order["currentTotalPriceSet"]["presentmentMoney"] == {"amount": "70.00", "currencyCode": "EUR"}
        assert order["currentTotalPriceSet"]["shopMoney"] == {"amount": "75.60", "currencyCode": "USD"}
        assert order["totalTaxSet"]["presentmentMoney"]["amount"] == "11.18"
        for side in SIDES:
            check(order, side)


@pytest.mark.parametrize("units", [1, 2])
async def test_what_an_edit_takes_away_leaves_the_rest_tied(tmp_path: Path, units: int) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(
            lines=[{"sku": UPC, "quantity": 3, "price": "33.33", "duty": "1.00"}],
            discounts=[{"code": "TAKE5", "amount": "5.00"}],
            tax=[{"title": "CA State Tax", "rate": "0.0725"}],
            payment="pending",
        )
        name = placed["legacyResourceId"]
        await client.post(f"/_sandbox/orders/{name}/edit", {"0": units})
        order = await client.post(f"/_sandbox/orders/{name}/pay")
        assert order["lineItems"][0]["quantity"] == 3
        assert order["lineItems"][0]["currentQuantity"] == 3 - units
        assert order["displayFinancialStatus"] == "PAID"
        assert [one["reason"] for one in order["agreements"]] == ["ORDER", "ORDER_EDIT"]
        for side in SIDES:
            check(order, side)


async def test_a_cancelled_order_has_given_everything_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(
            lines=[{"sku": UPC, "quantity": 2}],
            shipping={"title": "Standard", "price": "7.95"},
            tip="3.00",
            fees=[{"name": "Retail delivery fee", "amount": "0.28"}],
            tenders=[{"gateway": "gift_card", "amount": "25"}, {"gateway": "paypal"}],
        )
        order = await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/cancel")
        assert order["displayFinancialStatus"] == "REFUNDED"
        assert order["currentTotalPriceSet"]["shopMoney"]["amount"] == "0.00"
        assert order["totalOutstandingSet"]["shopMoney"]["amount"] == "0.00"
        assert {one["status"] for one in order["fulfillmentOrders"]} == {"CANCELLED"}
        for side in SIDES:
            check(order, side)


async def test_an_authorised_order_that_is_cancelled_is_voided(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC}], payment="authorized")
        assert placed["displayFinancialStatus"] == "AUTHORIZED"
        order = await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/cancel")
        assert order["displayFinancialStatus"] == "VOIDED"
        assert order["totalRefundedSet"]["shopMoney"]["amount"] == "0.00"


async def test_a_goodwill_refund_is_an_adjustment_of_no_line(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        placed = await client.place(lines=[{"sku": UPC, "price": "40.00"}])
        order = await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/refund", {"amount": "7.50"})
        assert order["displayFinancialStatus"] == "PARTIALLY_REFUNDED"
        assert order["currentTotalPriceSet"]["shopMoney"]["amount"] == "32.50"
        assert order["refunds"][0]["refundLineItems"] == []
        assert order["refunds"][0]["orderAdjustments"][0]["amountSet"]["shopMoney"]["amount"] == "-7.50"
