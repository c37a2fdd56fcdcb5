"""One order with lines in every shape a shop sells, from the shop's own document to the ERP's: to the cent, or blocked.

The shapes themselves stand with each room's reader; here they are judged. What names no UPC of the ERP (a line made by
hand, a product that was deleted) is told by a person or by what it was sold as before.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bcbridge.connectors.bigcommerce.mapper import read as read_bigcommerce
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order
from bcbridge.model.outcome import Blocked
from tests.connectors.bigcommerce import answers as bigcommerce
from tests.connectors.bigcommerce import test_reading as of_bigcommerce
from tests.connectors.woocommerce import answers as woocommerce
from tests.connectors.woocommerce import test_reading as of_woocommerce
from tests.flows.at_hand import DRESS, HOUSE, MAPPINGS, SKIRT, House, coded, money, rows


def told(*said: tuple[str, str, str]) -> House:
    """The house at hand with more rows in its tables for this shop."""
    mappings = MAPPINGS
    for table, key, code in said:
        mappings = mappings.with_value(table, "shop", key, code)
    return replace(HOUSE, mappings=mappings)


# -- WooCommerce: 121.50 of goods, 24.10 of tax, 5.00 of delivery, 2.00 of wrapping -----------------------------

OF_WOOCOMMERCE = replace(
    told(("allowances", "nine", "NINE"), ("allowances", "gift", "GIFT"), ("terms", "stripe", "PREPAID")),
    links={Ref("8"): SKIRT},
).told("MONOGRAM", SKIRT)


def woocommerce_order(total: str = "152.60") -> Order:
    """Line 3 was made by hand and bears a word for its SKU; the product of line 4 is deleted, its variation known."""
    sold = {**of_woocommerce.shapes(), "total": total}
    sold["line_items"][2]["sku"] = "MONOGRAM"
    sold["line_items"][3]["variation_id"] = 8
    return woocommerce.read(sold)


def test_a_woocommerce_order_of_every_shape_is_ready_to_the_cent() -> None:
    part = OF_WOOCOMMERCE.part(woocommerce_order())
    assert rows(part) == [
        (DRESS, 1, "20.00", "NJ1"),
        (DRESS, 3, "30.00", "NJ1"),
        (SKIRT, 1, "12.50", "NJ1"),
        (SKIRT, 1, "8.00", "NJ1"),
        (DRESS, 1, "0.00", "NJ1"),
        (DRESS, 1, "15.00", "NJ1"),
    ]
    assert money(part) == ("24.10", "5.00", "152.60")
    assert (coded(part.allowances), coded(part.charges)) == ({"NINE": "9.00", "GIFT": "15.00"}, {"FEE": "2.00"})


# -- BigCommerce: 217.10 - 10.00 of goods, 8.97 of tax, 5.00 of delivery, 14.50 of charges ----------------------

OF_BIGCOMMERCE = (
    told(("tax_codes", "NJ State Tax", "NJ"), ("terms", "Credit Card", "PREPAID"))
    .told("variant/135", SKIRT)
    .told("HEMMING", SKIRT)
    .told("variant/999", SKIRT)
)


def bigcommerce_order(total: str = "235.57") -> Order:
    """Line 67 was made by hand and bears a word for its SKU; the product of line 68 is deleted."""
    sold, taxes = of_bigcommerce.shapes(total_inc_tax=total)
    lines = sold["consignments"]["shipping"][0]["line_items"]
    next(one for one in lines if one["id"] == 67)["sku"] = "HEMMING"
    return read_bigcommerce(bigcommerce.document(sold, taxes=taxes), import_statuses=(11,), bundled="children")


def test_a_bigcommerce_order_of_every_shape_is_ready_to_the_cent() -> None:
    part = OF_BIGCOMMERCE.part(bigcommerce_order())
    assert rows(part) == [
        (SKIRT, 1, "100.00", "NJ1"),
        (DRESS, 3, "9.70", "NJ1"),
        (SKIRT, 1, "10.00", "NJ1"),
        (SKIRT, 1, "20.00", "NJ1"),
        (DRESS, 1, "0.00", "NJ1"),
        (DRESS, 1, "8.00", "NJ1"),
    ]
    assert money(part) == ("8.97", "5.00", "235.57")
    assert (coded(part.allowances), coded(part.charges)) == ({"WELC10": "10.00"}, {"GC": "50.00", "FEE": "14.50"})


# -- a cent missing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("house", "order", "in_words"),
    [
        (
            OF_WOOCOMMERCE,
            woocommerce_order("152.59"),
            "lines 145.50 + shipping 5.00 + tax 24.10 + fees 2.00 - allowances 24.00 = 152.60,"
            " the order says 152.59 USD: 0.01 too much",
        ),
        (
            OF_BIGCOMMERCE,
            bigcommerce_order("235.58"),
            "lines 167.10 + shipping 5.00 + tax 8.97 + gift cards 50.00 + fees 14.50 - allowances 10.00 = 235.57,"
            " the order says 235.58 USD: 0.01 too little",
        ),
    ],
    ids=["woocommerce", "bigcommerce"],
)
def test_with_a_cent_missing_it_is_blocked_and_the_difference_told_in_words(
    house: House, order: Order, in_words: str
) -> None:
    outcome = house.judge(order)
    assert isinstance(outcome, Blocked)
    assert [(one.code, one.subject, one.text) for one in outcome.problems] == [
        ("money_does_not_tie", "order total", in_words)
    ]
