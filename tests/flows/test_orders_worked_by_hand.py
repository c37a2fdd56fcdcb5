"""Orders worked out on paper. Every number below was written before the program was asked; the sums say how."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from bcbridge.mappings import Division, Mappings
from bcbridge.model.ids import Ref
from bcbridge.model.order import AsSold, LineKind, Order, PaymentStatus, TenderKind
from bcbridge.model.outcome import Blocked, Ready
from tests.flows.at_hand import (
    DRESS,
    HOME,
    HOUSE,
    LONDON,
    SHIRT,
    SKIRT,
    TABLES,
    charge,
    coded,
    from_,
    gift_card,
    line,
    money,
    off,
    order,
    rows,
    shipping,
    tender,
    tip,
)


def test_tax_on_top() -> None:
    # 2 x 59.50 = 119.00, tax 6.625 % = 7.88 (7.88375); shipping 6.95, tax 0.46 (0.4604)
    # 119.00 + 6.95 + 8.34 = 134.29
    part = HOUSE.part(
        order(
            line(DRESS, "59.50", 2, tax={"NJ Tax": "7.88"}),
            ship=[shipping("Standard", "6.95", tax={"NJ Tax": "0.46"})],
            total="134.29",
        )
    )
    assert rows(part) == [(DRESS, 2, "59.50", "NJ1")]
    assert money(part) == ("8.34", "6.95", "134.29")
    assert (part.allowances, part.charges) == ((), ())


def test_the_head_of_a_plain_order() -> None:
    part = HOUSE.part(order(line(DRESS, "50.00"), total="50.00", note="Please wrap"))
    assert part.reference == "SU5001P1G1"
    assert part.name == "#1001"
    assert (part.customer, part.division, part.warehouse) == ("SHOPUSD", "WOM", "NJ1")
    assert (part.ship_via, part.terms, part.tax_code, part.currency) == ("UPG", "PREPAID", "NOTAX", "USD")
    assert (part.start_date, part.end_date) == (date(2026, 11, 20), date(2026, 12, 4))  # fourteen days
    assert (part.ship_to, part.bill_to, part.notes) == (HOME, HOME, "Please wrap")
    row = part.lines[0]
    assert (row.line_seq, row.sku.style, row.sku.color_code, row.sku.size_desc) == (1, "00417", "BLK", "M")


def test_tax_included_with_a_discount_in_pounds() -> None:
    # 60.00 - 15 % (9.00) = 51.00 charged, of which VAT 51.00 / 6 = 8.50, net 42.50
    # the discount net: 9.00 x 42.50 / 51.00 = 7.50; the dress net: 42.50 + 7.50 = 50.00
    # shipping 4.95 charged, VAT 0.83 (4.95 / 6 = 0.825), net 4.12
    # 50.00 - 7.50 + 4.12 + 9.33 = 55.95 = 51.00 + 4.95
    part = HOUSE.part(
        order(
            line(DRESS, "60.00", off={"SUMMER15": "9.00"}, tax={"VAT": "8.50"}),
            ship=[shipping("Standard", "4.95", tax={"VAT": "0.83"})],
            total="55.95",
            currency="GBP",
            prices_include_tax=True,
            ship_to=LONDON,
        )
    )
    assert rows(part) == [(DRESS, 1, "50.00", "NJ1")]
    assert coded(part.allowances) == {"SUMM15": "7.50"}
    assert money(part) == ("9.33", "4.12", "55.95")
    assert (part.customer, part.tax_code, part.currency) == ("SHOPGBP", "VAT", "GBP")


def test_everything_given_away_with_tax_included() -> None:
    # 48.00 - 48.00 = 0.00, VAT 0.00 at 20 %: by the rate, both net are 48.00 / 1.2 = 40.00
    part = HOUSE.part(
        order(
            line(DRESS, "48.00", off={"WELCOME10": "48.00"}, tax={"VAT": "0.00"}),
            total="0",
            currency="GBP",
            prices_include_tax=True,
            ship_to=LONDON,
        )
    )
    assert rows(part) == [(DRESS, 1, "40.00", "NJ1")]
    assert coded(part.allowances) == {"WELC10": "40.00"}
    assert part.total == 0
    assert part.terms == "FREE"


def test_three_for_a_hundred_become_two_rows_of_one_sku() -> None:
    # 100.00 / 3 = 33.33 and a cent over: 2 x 33.33 + 1 x 33.34 = 66.66 + 33.34 = 100.00
    part = HOUSE.part(order(line(DRESS, "33.33", 3, amount="100.00"), total="100.00"))
    assert rows(part) == [(DRESS, 2, "33.33", "NJ1"), (DRESS, 1, "33.34", "NJ1")]
    assert [row.line_seq for row in part.lines] == [1, 2]
    assert part.total == Decimal("100.00")


def test_tax_included_in_three_pieces_leaves_cents_over() -> None:
    # 3 x 19.99 = 59.97 charged, VAT 10.00 (59.97 / 6 = 9.995), net 49.97
    # 49.97 / 3 = 16.65 and two cents over: 1 x 16.65 + 2 x 16.66 = 16.65 + 33.32 = 49.97
    part = HOUSE.part(
        order(
            line(DRESS, "19.99", 3, tax={"VAT": "10.00"}),
            total="59.97",
            currency="GBP",
            prices_include_tax=True,
            ship_to=LONDON,
        )
    )
    assert rows(part) == [(DRESS, 1, "16.65", "NJ1"), (DRESS, 2, "16.66", "NJ1")]
    assert money(part) == ("10.00", "0.00", "59.97")


def test_a_gift_card_sold_beside_goods_paid_with_a_gift_card() -> None:
    # sold: dress 80.00 + tax 5.30 (80.00 x 0.06625) + gift card 50.00 (no tax) = 135.30
    # paid: gift card 35.30 + card 100.00 = 135.30; the one used is a tender and shows nowhere
    part = HOUSE.part(
        order(
            line(DRESS, "80.00", tax={"NJ Tax": "5.30"}),
            gift_card("50.00"),
            total="135.30",
            paid=[tender("gift_card", "35.30"), tender("card", "100.00")],
        )
    )
    assert rows(part) == [(DRESS, 1, "80.00", "NJ1")]
    assert coded(part.charges) == {"GC": "50.00"}
    assert money(part) == ("5.30", "0.00", "135.30")
    assert part.terms == "PREPAID"


def test_a_tip_is_a_line_and_a_figure_and_counts_once() -> None:
    # dress 40.00 + tax 2.65 + tip 5.00 = 47.65, though the 5.00 is told twice
    part = HOUSE.part(
        order(line(DRESS, "40.00", tax={"NJ Tax": "2.65"}), tip("5.00"), tip=Decimal("5.00"), total="47.65")
    )
    assert coded(part.charges) == {"TIP": "5.00"}
    assert money(part) == ("2.65", "0.00", "47.65")


def test_a_tip_that_is_a_figure_alone() -> None:
    # dress 40.00 + tip 5.00 = 45.00
    part = HOUSE.part(order(line(DRESS, "40.00"), tip=Decimal("5.00"), total="45.00"))
    assert coded(part.charges) == {"TIP": "5.00"}


def test_duties_with_their_own_tax() -> None:
    # dress 120.00; duty on it 14.40 (12 %), tax on the duty 2.88 (20 %); shipping 25.00
    # 120.00 + 25.00 + 14.40 + 2.88 = 162.28
    part = HOUSE.part(
        order(
            line(DRESS, "120.00", charges=(charge("duty", "", "14.40", {"VAT": "2.88"}),)),
            ship=[shipping("Express", "25.00")],
            total="162.28",
        )
    )
    assert coded(part.charges) == {"DUTY": "14.40"}
    assert money(part) == ("2.88", "25.00", "162.28")
    assert (part.ship_via, part.tax_code) == ("UP2", "VAT")


def test_a_fee_by_its_name_and_one_by_default() -> None:
    # dress 30.00 + gift wrap 4.00 (tax 0.27) + import fee 6.50 = 40.77
    mapped = replace(HOUSE, mappings=HOUSE.mappings.with_value("charges", "shop", "fee/Gift wrap", "WRAP"))
    part = mapped.part(
        order(
            line(DRESS, "30.00"),
            charges=(charge("fee", "Gift wrap", "4.00", {"NJ Tax": "0.27"}), charge("fee", "Import fee", "6.50")),
            total="40.77",
        )
    )
    assert coded(part.charges) == {"FEE": "6.50", "WRAP": "4.00"}
    assert money(part) == ("0.27", "0.00", "40.77")


def test_a_fee_with_the_tax_in_it() -> None:
    # coat 36.00 (VAT 6.00, net 30.00) + gift wrap 3.00 (VAT 0.50, net 2.50) = 39.00
    part = HOUSE.part(
        order(
            line(DRESS, "36.00", tax={"VAT": "6.00"}),
            charges=(charge("fee", "Gift wrap", "3.00", {"VAT": "0.50"}),),
            total="39.00",
            currency="GBP",
            prices_include_tax=True,
            ship_to=LONDON,
        )
    )
    assert rows(part) == [(DRESS, 1, "30.00", "NJ1")]
    assert coded(part.charges) == {"FEE": "2.50"}
    assert money(part) == ("6.50", "0.00", "39.00")


def test_cash_rounded_down_and_change_given() -> None:
    # Swiss cash goes to 0.05: 24.97 - 0.02 = 24.95
    # paid 30.00 in cash, 5.05 change: 30.00 - 5.05 = 24.95
    part = HOUSE.part(
        order(
            line(DRESS, "24.97", at=None),
            rounding=Decimal("-0.02"),
            total="24.95",
            currency="CHF",
            source="pos",
            ship_to=None,
            bill_to=None,
            paid=[tender("card", "30.00"), tender("card", "5.05", TenderKind.CHANGE)],
        )
    )
    assert coded(part.charges) == {"ROUND": "-0.02"}
    assert money(part) == ("0.00", "0.00", "24.95")
    assert part.warehouse == "NJ1"


def test_cash_rounded_up() -> None:
    # 24.98 + 0.02 = 25.00
    part = HOUSE.part(order(line(DRESS, "24.98"), rounding=Decimal("0.02"), total="25.00", currency="CHF"))
    assert coded(part.charges) == {"ROUND": "0.02"}
    assert part.total == Decimal("25.00")


def test_three_tenders_with_store_credit() -> None:
    # 2 x 45.00 + 5.96 tax (90.00 x 0.06625 = 5.9625) = 95.96; 20.00 store credit + 15.96 gift card + 60.00 card
    part = HOUSE.part(
        order(
            line(DRESS, "45.00", 2, tax={"NJ Tax": "5.96"}),
            total="95.96",
            paid=[tender("store_credit", "20.00"), tender("gift_card", "15.96"), tender("card", "60.00")],
        )
    )
    assert money(part) == ("5.96", "0.00", "95.96")
    assert (part.terms, part.charges) == ("PREPAID", ())


def test_yen_have_no_cents() -> None:
    # 2 x 5500 = 11000 charged, tax 10 % inside 1000, net 10000; 3 for 1000: see the second row of cents
    # socks 3 for 1000, tax inside 91 (1000 / 11 = 90.9), net 909 = 3 x 303; shipping 550, tax 50, net 500
    # 10000 + 909 + 500 + 1141 = 12550 = 11000 + 1000 + 550
    part = HOUSE.part(
        order(
            line(DRESS, "5500", 2, tax={"VAT": "1000"}),
            line(SKIRT, "333.33", 3, amount="1000", tax={"VAT": "91"}),
            ship=[shipping("Standard", "550", tax={"VAT": "50"})],
            total="12550",
            currency="JPY",
            prices_include_tax=True,
        )
    )
    assert rows(part) == [(DRESS, 2, "5000", "NJ1"), (SKIRT, 3, "303", "NJ1")]
    assert money(part) == ("1141", "500", "12550")


def test_yen_that_do_not_divide() -> None:
    # 3 for 1000 without tax: 2 x 333 + 1 x 334 = 1000
    part = HOUSE.part(order(line(DRESS, "333.33", 3, amount="1000"), total="1000", currency="JPY"))
    assert rows(part) == [(DRESS, 2, "333", "NJ1"), (DRESS, 1, "334", "NJ1")]


def test_dinars_have_three_decimals() -> None:
    # 2 for 10.001: 1 x 5.000 + 1 x 5.001
    part = HOUSE.part(order(line(DRESS, "5.0005", 2, amount="10.001"), total="10.001", currency="KWD"))
    assert rows(part) == [(DRESS, 1, "5.000", "NJ1"), (DRESS, 1, "5.001", "NJ1")]


def test_two_divisions_become_two_parts() -> None:
    # MEN: shirt 35.00 - 3.50 + 2.09 tax (31.50 x 0.06625) + freight 8.00 + 0.53 its tax + tip 2.00 = 44.12
    # WOM: dress 90.00 - 9.00 + 5.37 tax (81.00 x 0.06625) = 86.37; together 130.49
    # by name MEN stands first, so freight and tip are its
    whole = order(
        line(DRESS, "90.00", off={"WELCOME10": "9.00"}, tax={"NJ Tax": "5.37"}),
        line(SHIRT, "35.00", off={"WELCOME10": "3.50"}, tax={"NJ Tax": "2.09"}),
        tip("2.00"),
        tip=Decimal("2.00"),
        ship=[shipping("Standard", "8.00", tax={"NJ Tax": "0.53"})],
        total="130.49",
    )
    men, women = HOUSE.parts(whole)
    assert (men.reference, men.division, women.reference, women.division) == ("SU5001P1G1", "MEN", "SU5001P2G1", "WOM")
    assert rows(men) == [(SHIRT, 1, "35.00", "NJ1")]
    assert (coded(men.allowances), coded(men.charges)) == ({"WELC10": "3.50"}, {"TIP": "2.00"})
    assert money(men) == ("2.62", "8.00", "44.12")
    assert rows(women) == [(DRESS, 1, "90.00", "NJ1")]
    assert (coded(women.allowances), women.charges) == ({"WELC10": "9.00"}, ())
    assert money(women) == ("5.37", "0.00", "86.37")


def test_a_line_cut_by_warehouse_takes_its_discount_and_tax_along() -> None:
    # 3 x 20.00 = 60.00 - 10.00 + 3.31 tax (50.00 x 0.06625 = 3.3125) = 53.31; 1 leaves from CA1, 2 from NJ1
    # allowance 10.00 by value 20 : 40 = 3.33 (3.3333) and 6.67 (6.6667, the larger remainder takes the odd cent)
    # tax 3.31 by value = 1.10 (1.1033) and 2.21 (2.2067)
    # CA1: 20.00 - 3.33 + 1.10 = 17.77; NJ1: 40.00 - 6.67 + 2.21 = 35.54; together 53.31
    split = (from_("New Jersey DC", 2), from_("California DC", 1))
    ordered = order(
        line(DRESS, "20.00", 3, off={"WELCOME10": "10.00"}, tax={"NJ Tax": "3.31"}, assignments=split), total="53.31"
    )
    west, east = HOUSE.setting(parts_by_warehouse=True).parts(ordered)
    assert (rows(west), coded(west.allowances)) == ([(DRESS, 1, "20.00", "CA1")], {"WELC10": "3.33"})
    assert (rows(east), coded(east.allowances)) == ([(DRESS, 2, "20.00", "NJ1")], {"WELC10": "6.67"})
    assert money(west) == ("1.10", "0.00", "17.77")
    assert money(east) == ("2.21", "0.00", "35.54")
    together = HOUSE.part(ordered)
    assert rows(together) == [(DRESS, 2, "20.00", "NJ1"), (DRESS, 1, "20.00", "CA1")]
    assert together.warehouse == "NJ1"  # where most of it leaves


def test_a_reduced_line_takes_its_own_share_of_the_discount() -> None:
    # ordered 3 x 25.00 - 15 % (11.25); one was taken out: now 2 x 25.00 - 7.50 + 2.82 tax (42.50 x 0.06625) = 45.32
    # paid 68.30, given back 22.98: 45.32 is left; a line taken out whole is no row
    part = HOUSE.part(
        order(
            line(DRESS, "25.00", 2, ordered=3, off={"SUMMER15": "7.50"}, tax={"NJ Tax": "2.82"}),
            line(SKIRT, "40.00", 0, ordered=1),
            total="45.32",
            refunded=Decimal("22.98"),
            paid=[tender("card", "68.30"), tender("card", "22.98", TenderKind.REFUNDED)],
        )
    )
    assert rows(part) == [(DRESS, 2, "25.00", "NJ1")]
    assert coded(part.allowances) == {"SUMM15": "7.50"}
    assert money(part) == ("2.82", "0.00", "45.32")


def test_free_shipping_is_freight_and_an_allowance() -> None:
    # dress 70.00 + shipping 9.95 - 9.95 = 70.00: the freight stands in full, the allowance beside it
    part = HOUSE.part(
        order(line(DRESS, "70.00"), ship=[shipping("Standard", "9.95", off={"FREESHIP": "9.95"})], total="70.00")
    )
    assert coded(part.allowances) == {"FSHIP": "9.95"}
    assert money(part) == ("0.00", "9.95", "70.00")


def test_a_shipping_discount_with_tax_included() -> None:
    # shipping 12.00 - 6.00 = 6.00 charged, VAT 1.00, net 5.00
    # the discount net 6.00 x 5.00 / 6.00 = 5.00, so the freight 10.00
    # dress 24.00 charged, VAT 4.00, net 20.00; 20.00 + 10.00 - 5.00 + 5.00 = 30.00
    part = HOUSE.part(
        order(
            line(DRESS, "24.00", tax={"VAT": "4.00"}),
            ship=[shipping("Standard", "12.00", off={"FREESHIP": "6.00"}, tax={"VAT": "1.00"})],
            total="30.00",
            currency="GBP",
            prices_include_tax=True,
            ship_to=LONDON,
        )
    )
    assert coded(part.allowances) == {"FSHIP": "5.00"}
    assert money(part) == ("5.00", "10.00", "30.00")


def test_two_discounts_on_one_line_and_a_free_gift() -> None:
    # skirt 50.00 - 5.00 - 12.35 = 32.65; the gift costs 0.00 and stays a row of its own
    part = HOUSE.part(
        order(
            line(SKIRT, "50.00", off={"WELCOME10": "5.00", "TRADE-0815": "12.35"}),
            line(DRESS, "0.00"),
            total="32.65",
        )
    )
    assert rows(part) == [(SKIRT, 1, "50.00", "NJ1"), (DRESS, 1, "0.00", "NJ1")]
    assert coded(part.allowances) == {"TRADE": "12.35", "WELC10": "5.00"}
    assert part.total == Decimal("32.65")


def test_gift_cards_alone_go_to_the_default_division() -> None:
    # 25.00 + 100.00 = 125.00, no row at all
    sold = order(gift_card("25.00"), gift_card("100.00"), total="125.00", ship_to=None)
    part = HOUSE.setting(default_division="WOM").part(sold)
    assert (part.lines, coded(part.charges)) == ((), {"GC": "125.00"})
    assert (part.division, part.warehouse, part.ship_via) == ("WOM", "NJ1", "UPG")
    assert HOUSE.problems(sold) == ["no_goods"]


def test_partly_refunded_is_booked_as_it_was_sold() -> None:
    # sold 2 x 30.00 + 3.98 tax (60.00 x 0.06625 = 3.975) = 63.98; one piece came back for 31.99: 31.99 is left
    as_sold = AsSold(lines=(line(DRESS, "30.00", 2, tax={"NJ Tax": "3.98"}),), shipping=())
    refunded = order(
        line(DRESS, "30.00", 1, ordered=2, tax={"NJ Tax": "1.99"}),
        total="31.99",
        original_total=Decimal("63.98"),
        refunded=Decimal("31.99"),
        payment=PaymentStatus.PARTIALLY_REFUNDED,
        paid=[tender("card", "63.98"), tender("card", "31.99", TenderKind.REFUNDED)],
        as_sold=as_sold,
    )
    outcome = HOUSE.setting(partly_refunded="book_original").judge(refunded)
    assert isinstance(outcome, Ready)
    (part,) = outcome.parts
    assert rows(part) == [(DRESS, 2, "30.00", "NJ1")]
    assert money(part) == ("3.98", "0.00", "63.98")
    assert [note.code for note in outcome.notes] == ["partly_refunded"]
    assert "31.99 USD of 63.98" in outcome.notes[0].text
    assert HOUSE.problems(refunded) == ["partly_refunded"]


def test_what_was_given_back_is_no_allowance_that_anybody_should_map() -> None:
    """10.00 of 60.00 was given back on the line: blocked for that alone, not for a discount without a code."""
    refunded = order(
        line(DRESS, "30.00", 2, off={"(refunded)": "10.00"}),
        total="50.00",
        original_total=Decimal("60.00"),
        refunded=Decimal("10.00"),
        payment=PaymentStatus.PARTIALLY_REFUNDED,
        paid=[tender("card", "60.00"), tender("card", "10.00", TenderKind.REFUNDED)],
        as_sold=AsSold(lines=(line(DRESS, "30.00", 2),), shipping=()),
    )
    assert HOUSE.problems(refunded) == ["partly_refunded"]


def test_money_given_back_without_a_piece_is_booked_as_sold_too() -> None:
    # sold 80.00, 10.00 given back for a stain: 80.00 is booked, 10.00 noted
    refunded = order(
        line(DRESS, "80.00"),
        total="70.00",
        original_total=Decimal("80.00"),
        refunded=Decimal("10.00"),
        payment=PaymentStatus.PARTIALLY_REFUNDED,
        paid=[tender("card", "80.00"), tender("card", "10.00", TenderKind.REFUNDED)],
    )
    assert money(HOUSE.setting(partly_refunded="book_original").part(refunded)) == ("0.00", "0.00", "80.00")


def test_authorised_money_is_a_promise() -> None:
    # 55.00 authorised, nothing captured, 55.00 outstanding
    authorised = order(
        line(DRESS, "55.00"),
        total="55.00",
        outstanding=Decimal("55.00"),
        payment=PaymentStatus.AUTHORISED,
        paid=[tender("card", "55.00", TenderKind.AUTHORISED)],
    )
    assert HOUSE.setting(authorised_gateways={"card"}).part(authorised).total == Decimal("55.00")


def test_a_division_says_what_its_document_says() -> None:
    said = Division(division="ECM", department="200", order_type="EC", season="FW26")
    tables = {**TABLES, "divisions": {"default": {"WOM": said}}}
    part = replace(HOUSE, mappings=Mappings(tables)).part(order(line(DRESS, "10.00"), total="10.00"))
    assert (part.division, part.department, part.order_type, part.season) == ("ECM", "200", "EC", "FW26")


def test_a_tip_of_nothing_and_a_removed_tip_cost_nothing() -> None:
    # the tip was given back: its line is at 0, so the order is 40.00 and no charge stands
    gone = tip("5.00").model_copy(update={"quantity": 0, "amount": Decimal(0)})
    ordered = order(line(DRESS, "40.00"), gone, total="40.00")
    assert gone.kind is LineKind.TIP
    assert HOUSE.part(ordered).charges == ()


def test_money_off_the_whole_order_is_an_allowance_of_the_document() -> None:
    # 2 x 50.00 = 100.00, tax 6.63 (6.625 %); 10.00 off with 0.66 of its tax; shipping 5.00
    # 100.00 + 5.00 - 10.00 + 6.63 - 0.66 = 100.97
    part = HOUSE.part(
        order(
            line(DRESS, "50.00", 2, tax={"NJ Tax": "6.63"}),
            ship=[shipping("Standard", "5.00")],
            reductions=(off("SUMMER15", "10.00", {"NJ Tax": "0.66"}),),
            total="100.97",
        )
    )
    assert (rows(part), coded(part.allowances)) == ([(DRESS, 2, "50.00", "NJ1")], {"SUMM15": "10.00"})
    assert money(part) == ("5.97", "5.00", "100.97")


def test_money_off_is_net_also_where_prices_contain_tax() -> None:
    # 60.00 with 10.00 VAT in it; 5.00 off and 1.00 of VAT with it: 50.00 - 5.00 + 9.00 = 54.00
    part = HOUSE.part(
        order(
            line(DRESS, "60.00", tax={"VAT": "10.00"}),
            prices_include_tax=True,
            reductions=(off("WELCOME10", "5.00", {"VAT": "1.00"}),),
            total="54.00",
        )
    )
    assert (rows(part), coded(part.allowances)) == ([(DRESS, 1, "50.00", "NJ1")], {"WELC10": "5.00"})
    assert money(part) == ("9.00", "0.00", "54.00")


def test_money_off_takes_no_part_below_nothing() -> None:
    # menswear first by its division's name: 10.00 + 0.50 tax; womenswear 80.00 + 4.00 tax; 30.00 off with 1.50 tax
    # MEN 10.00 - 10.00 + 0.50 - 0.50 = 0.00; WOM 80.00 - 20.00 + 4.00 - 1.00 = 63.00
    men, women = HOUSE.parts(
        order(
            line(SHIRT, "10.00", tax={"NJ Tax": "0.50"}),
            line(DRESS, "80.00", tax={"NJ Tax": "4.00"}),
            reductions=(off("SUMMER15", "30.00", {"NJ Tax": "1.50"}),),
            total="63.00",
        )
    )
    assert (coded(men.allowances), money(men)) == ({"SUMM15": "10.00"}, ("0.00", "0.00", "0.00"))
    assert (coded(women.allowances), money(women)) == ({"SUMM15": "20.00"}, ("3.00", "0.00", "63.00"))


def test_what_was_off_the_order_as_it_was_sold_is_off_what_is_booked() -> None:
    # sold: 2 x 50.00 - 20.00 = 80.00; one piece and half of the reduction came back: 40.00 left of it
    sold = AsSold(lines=(line(DRESS, "50.00", 2),), shipping=(), reductions=(off("SUMMER15", "20.00"),))
    part = HOUSE.setting(partly_refunded="book_original").part(
        order(
            line(DRESS, "50.00", 1, ordered=2),
            total="40.00",
            original_total=Decimal("80.00"),
            refunded=Decimal("40.00"),
            payment=PaymentStatus.PARTIALLY_REFUNDED,
            paid=[tender("card", "80.00"), tender("card", "40.00", TenderKind.REFUNDED)],
            reductions=(off("SUMMER15", "10.00"),),
            as_sold=sold,
        )
    )
    assert (rows(part), coded(part.allowances)) == ([(DRESS, 2, "50.00", "NJ1")], {"SUMM15": "20.00"})
    assert money(part) == ("0.00", "0.00", "80.00")


# --- several addresses ---------------------------------------------------------------------------------------------

AUNT = HOME.model_copy(update={"name": "Ana Rivera", "address1": "4 Elm Street", "city": "Albany", "state": "NY"})


def to_two() -> Order:
    """Home: 50.00 + 3.31 tax + 5.00 shipping. Aunt: 2 x 20.00 - 4.00, shipping 9.00: 45.00. Together 103.31."""
    return order(
        line(DRESS, "50.00", tax={"NJ Tax": "3.31"}, ref=Ref("1")),
        line(SKIRT, "20.00", 2, off={"WELCOME10": "4.00"}, ship_to=AUNT, ref=Ref("2")),
        ship=[shipping("Standard", "5.00"), shipping("Express", "9.00", to=AUNT)],
        total="103.31",
    )


def test_each_address_is_a_document_with_its_freight_and_codes() -> None:
    home, aunt = HOUSE.parts(to_two())
    assert (home.reference, aunt.reference) == ("SU5001P1G1", "SU5001P2G1")
    assert (home.ship_to, aunt.ship_to, aunt.bill_to) == (HOME, AUNT, HOME)
    assert (home.ship_via, home.tax_code, money(home)) == ("UPG", "NJ", ("3.31", "5.00", "58.31"))
    assert (aunt.ship_via, aunt.tax_code, money(aunt)) == ("UP2", "NOTAX", ("0.00", "9.00", "45.00"))
    assert (rows(aunt), coded(aunt.allowances)) == ([(SKIRT, 2, "20.00", "NJ1")], {"WELC10": "4.00"})


def test_part_two_stays_part_two_however_the_lines_are_listed_and_corrected() -> None:
    whole = to_two()
    corrected = AUNT.model_copy(update={"address1": "14 Elm Street"})
    moved = (whole.lines[1].model_copy(update={"ship_to": corrected}), whole.lines[0])
    ways = (whole.shipping[1].model_copy(update={"ship_to": corrected}), whole.shipping[0])
    home, aunt = HOUSE.parts(whole.model_copy(update={"lines": moved, "shipping": ways}))
    assert (home.ship_to, aunt.ship_to) == (HOME, corrected)
    assert (rows(aunt), money(aunt)) == ([(SKIRT, 2, "20.00", "NJ1")], ("0.00", "9.00", "45.00"))


def test_one_address_said_by_every_line_is_one_document() -> None:
    lines = (line(DRESS, "50.00", ship_to=HOME), line(SKIRT, "20.00", ship_to=HOME))
    said = HOUSE.part(order(*lines, ship=[shipping("Standard", "5.00", to=HOME)], total="75.00"))
    plain = HOUSE.part(
        order(line(DRESS, "50.00"), line(SKIRT, "20.00"), ship=[shipping("Standard", "5.00")], total="75.00")
    )
    assert said == plain


def test_an_address_without_a_shipping_of_its_own_goes_as_the_order_goes() -> None:
    lines = (line(DRESS, "50.00", ref=Ref("1")), line(SKIRT, "20.00", ref=Ref("2"), ship_to=AUNT))
    home, aunt = HOUSE.parts(order(*lines, gift_card("10.00"), ship=[shipping("Express", "5.00")], total="85.00"))
    assert (home.ship_via, aunt.ship_via) == ("UP2", "UP2")
    assert (money(home), coded(home.charges)) == (("0.00", "5.00", "65.00"), {"GC": "10.00"})
    assert (money(aunt), aunt.charges) == (("0.00", "0.00", "20.00"), ())


def test_each_address_is_checked_and_named_by_a_line_that_goes_there() -> None:
    nowhere = AUNT.model_copy(update={"postcode": ""})
    lines = (line(DRESS, "50.00", ref=Ref("1")), line(SKIRT, "20.00", ref=Ref("2"), ship_to=nowhere))
    outcome = HOUSE.judge(order(*lines, total="70.00"))
    assert isinstance(outcome, Blocked)
    (problem,) = outcome.problems
    assert (problem.code, problem.subject) == ("address_incomplete", f"ship-to of line {SKIRT}")
    assert problem.text == "without postcode"
