"""Rows read to exactly the expected records, orders written to exactly the expected bytes, nonsense is Malformed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bcbridge.connectors.bluecherry import mapper, wire
from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.connectors.bluecherry.settings import Profile
from bcbridge.errors import Malformed
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.model.order import Address
from bcbridge.model.sales_order import BookedLine, BookedOrder, CodedAmount, SalesOrder
from tests.connectors.bluecherry import season

PROFILE = Profile()
CLOCK = ErpClock(ZoneInfo("America/New_York"), overlap=timedelta(seconds=300))


def on_the_wire(row: dict[str, Any]) -> wire.Fields:
    """The row as it reads after a trip over the wire."""
    return wire.parse(json.dumps(row).encode())


# -- styles ----------------------------------------------------------------------------------------------------


def skus(row: dict[str, Any], profile: Profile = PROFILE) -> tuple[CatalogSku, ...]:
    return mapper.skus(on_the_wire(row), profile)


def test_a_style_reads_to_its_skus_with_parts_apart_and_leading_zeros_kept() -> None:
    small, second = skus(season.style_row())
    assert second == CatalogSku(
        ref=Ref("10001/1000101/BLK/MAIN//S/040123000020"),
        style=Ref("10001"),
        parts=SkuParts(division="WOM", style="00417", color_code="BLK", lbl_code="MAIN", size_desc="S"),
        upc=Upc("040123000020"),
        ean="0040123000020",
        season="SS26",
        active=True,
        price=Decimal(28),
        destinations=("WEB",),
    )
    assert small.upc == "040123000013"


def test_blanks_that_pad_a_char_column_are_no_part_of_a_code() -> None:
    row = season.style_row(style="00417       ")
    assert skus(row)[0].parts.style == "00417"


def test_a_size_without_upc_cannot_be_sold_and_is_left_out() -> None:
    sizes = {"rows-i": [season.size_row("S", ""), season.size_row("M", None)]}
    row = season.style_row(styledetail={"rows": [season.detail_row(stylecolorsizes=sizes)]})
    assert skus(row) == ()


@pytest.mark.parametrize("flag", ["N", "n", "0", 0, False, "X"])
@pytest.mark.parametrize("place", ["style", "detail", "size"])
def test_a_flag_on_style_colour_or_size_makes_a_sku_inactive(place: str, flag: object) -> None:
    at: dict[str, dict[str, Any]] = {
        name: {"active_ok": flag} if name == place else {} for name in ("style", "detail", "size")
    }
    sizes = {"rows-i": [season.size_row("S", "040123000020", **at["size"])]}
    detail = season.detail_row(stylecolorsizes=sizes, **at["detail"])
    (sku,) = skus(season.style_row(styledetail={"rows": [detail]}, **at["style"]))
    assert not sku.active


def test_a_flag_that_is_not_there_does_not_speak_against() -> None:
    row = season.style_row()
    del row["active_ok"]
    assert all(sku.active for sku in skus(row))


def test_every_destination_counts_as_assortment() -> None:
    detail = season.detail_row(catg_dest2="WHS ", catg_dest6="EU", catg_dest3=None)
    assert skus(season.style_row(styledetail={"rows": [detail]}))[0].destinations == ("WEB", "WHS", "EU")


def test_the_price_is_exact_and_of_the_nearest_row() -> None:
    sizes = {"rows-i": [season.size_row("S", "040123000020", retail_price="29.95000")]}
    row = season.style_row(styledetail={"rows": [season.detail_row(stylecolorsizes=sizes)]})
    assert skus(row)[0].price == Decimal("29.95")
    assert skus(season.style_row(), Profile(price_field=""))[0].price is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"pkey": 1},
        season.style_row(style=417),
        season.style_row(style=""),
        season.style_row(pkey=None),
        season.style_row(styledetail=[]),
        season.style_row(styledetail={"rows": []}),
        season.style_row(styledetail={"rows": [{"pkey": 2}]}),
        season.style_row(styledetail={"rows": [season.detail_row(stylecolorsizes={"rows": []})]}),
        season.style_row(styledetail={"rows": [season.detail_row(retail_price="cheap")]}),
        season.style_row(
            styledetail={"rows": [season.detail_row(stylecolorsizes={"rows-i": [season.size_row("S", 40123000020)]})]}
        ),
    ],
)
def test_a_nonsense_style_is_malformed(row: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        skus(row)


# -- small masters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"location": "NJ1 ", "loc_name": "New Jersey", "loc_type": "W"}, Warehouse(code="NJ1", name="New Jersey")),
        ({"location": "NJ1"}, Warehouse(code="NJ1", name="")),
        ({"location": "POE", "loc_type": "W"}, None),
        ({"location": "FOB", "loc_type": "W"}, None),
        ({"location": " ", "loc_type": "W"}, None),
        ({"location": "ST5", "loc_type": "S"}, None),
    ],
)
def test_only_places_that_hold_stock_are_warehouses(row: dict[str, Any], expected: Warehouse | None) -> None:
    assert mapper.warehouse(row, PROFILE) == expected


def test_ignored_locations_are_ignored_whatever_types_count() -> None:
    everywhere = Profile(warehouse_type="")
    assert mapper.warehouse({"location": "ST5", "loc_type": "S"}, everywhere) == Warehouse(code="ST5", name="")
    assert mapper.warehouse({"location": "POE", "loc_type": "P"}, everywhere) is None


def test_a_shipper_is_a_ship_via() -> None:
    assert mapper.ship_via({"shipper": "UPG", "ship_name": "UPS Ground"}) == ShipVia(code="UPG", name="UPS Ground")
    for nonsense in ({}, {"shipper": ""}, {"shipper": 7}):
        with pytest.raises(Malformed):
            mapper.ship_via(nonsense)


# -- orders, read ----------------------------------------------------------------------------------------------


def booked(row: dict[str, Any], profile: Profile = PROFILE) -> BookedOrder:
    return mapper.booked(row, profile, CLOCK)


def test_an_order_reads_back_with_exact_amounts() -> None:
    held = booked(on_the_wire(season.order_row()))
    assert (held.number, held.key, held.reference, held.name) == ("0100201", "200201", "SU1001P1G1", "#1001")
    assert (held.tax, held.freight, held.allowances, held.charges) == (
        Decimal("3.35"),
        Decimal("5.0"),
        Decimal("5.62"),
        Decimal("0.0"),
    )
    assert held.lines == (BookedLine(upc=season.UPC, quantity=2, price=Decimal("28.1"), warehouse="NJ1", line_seq=1),)


def test_no_amount_passes_through_a_float() -> None:
    text = json.dumps(season.order_row()).replace("3.35", "90071992547409.93")
    assert booked(wire.parse(text.encode())).tax == Decimal("90071992547409.93")


def test_rows_of_no_pieces_are_dropped_and_two_rows_of_one_upc_are_kept() -> None:
    rows = [season.order_line(), season.order_line(line_seq=2, price="27.99"), season.order_line(ord_qty=0)]
    held = booked(on_the_wire(season.order_row(orderdetail={"rows": rows})))
    assert [(line.quantity, line.price) for line in held.lines] == [(2, Decimal("28.1")), (2, Decimal("27.99"))]


@pytest.mark.parametrize(
    ("changes", "picked", "cancelled"),
    [
        ({}, 0, 0),
        ({"ord_qty": 5, "open_qty": 2, "pick_qty": 1, "inv_qty": 1, "cxl_qty": 1}, 2, 1),
        ({"ord_qty": 2, "open_qty": 0, "pick_qty": 2, "inv_qty": 2}, 2, 0),  # invoiced pieces still called picked
        ({"ord_qty": 3, "open_qty": 1, "pick_qty": 2, "inv_qty": 2}, 2, 0),
    ],
)
def test_a_line_says_how_far_its_pieces_have_gone(changes: dict[str, int], picked: int, cancelled: int) -> None:
    rows = [season.order_line(**changes)]
    (line,) = booked(on_the_wire(season.order_row(orderdetail={"rows": rows}))).lines
    assert (line.quantity, line.picked, line.cancelled) == (changes.get("ord_qty", 2), picked, cancelled)


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-03-01 07:00:00", datetime(2026, 3, 1, 12, 0, tzinfo=UTC)),
        ("2026-11-01 01:30:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),  # twice: the later one
        ("2026-03-08 02:30:00", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # never: skipped by the clocks
        ("03/01/2026", None),
    ],
)
def test_when_an_order_stood_there_is_the_latest_reading_of_its_last_mod(stamp: str, moment: datetime | None) -> None:
    row = season.order_row(last_mod=stamp, orgentdate="2026-02-28 23:00:00")
    assert booked(on_the_wire(row)).posted_by == moment


def test_which_statuses_take_stock_is_the_profiles() -> None:
    order = on_the_wire(season.order_row(ord_status="H"))
    assert booked(order).commits
    assert not booked(order, Profile(statuses_not_committing=("H",))).commits
    assert not booked(order, Profile(statuses_commit=("O", "P"))).commits
    assert booked(order, Profile(statuses_commit=("O", "H"))).commits


def test_amounts_the_erp_leaves_out_are_none_unless_their_rows_say_them() -> None:
    row = season.order_row(tax_amt=None, disc_amt=None, misc_amt="")
    row |= {"orderdiscount": {"rows": [{"allow_code": "A", "amount": 1.5}, {"amount": "2.25"}]}}
    held = booked(on_the_wire(row))
    assert (held.tax, held.allowances, held.charges) == (None, Decimal("3.75"), None)


@pytest.mark.parametrize(
    "changes",
    [
        {"pkey": None},
        {"ord_num": ""},
        {"po_num": 1001},
        {"last_mod": None},
        {"orderdetail": None},
        {"orderdetail": {}},
        {"orderdetail": {"rows": [{}]}},
        {"orderdetail": {"rows": [season.order_line(ord_qty="1.5")]}},
        {"orderdetail": {"rows": [season.order_line(ord_qty=True)]}},
        {"orderdetail": {"rows": [season.order_line(price=None)]}},
        {"orderdetail": {"rows": [season.order_line(upc=40123000020)]}},
        {"orderdetail": {"rows": []}, "total_qty": 3},
        {"tax_amt": "NaN"},
        {"tax_amt": True},
        {"tax_amt": []},
    ],
)
def test_a_nonsense_order_is_malformed_and_no_value_of_it_is_told(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as told:
        booked(on_the_wire(season.order_row(**changes)))
    assert "SU1001P1G1" not in str(told.value)


# -- orders, written -------------------------------------------------------------------------------------------


def test_an_order_is_written_to_exactly_these_bytes() -> None:
    body = mapper.body(season.order(), PROFILE)
    assert body == (
        b'[{"customer":"SHOPUSD","po_num":"SU1001P1G1","altpo":"#1001","division":"WOM","location":"NJ1",'
        b'"start_date":"03/01/2026","end_date":"03/15/2026","shipper":"UPG","terms":"PP","tax_code":"NJ",'
        b'"curr_code":"USD","tax_amt":3.35,"frgt_amt":5.00,"disc_amt":5.62,"misc_amt":0,'
        b'"orderdetail":{"rows":[{"line_seq":1,"division":"WOM","style":"00417","color_code":"BLK",'
        b'"lbl_code":"MAIN","dimension":"","size_desc":"S","upc":"040123000020","ord_qty":2,"price":28.10,'
        b'"location":"NJ1"}]},'
        b'"orderaddress":{"rows":[{"addr_type":"ST","name":"Ann Shopper","addr1":"1 High Street",'
        b'"addr2":"Flat 3","city":"Newark","state":"NJ","zipcode":"07101","country":"US",'
        b'"email":"ann@example.com","phone":"+1 201 555 0100"}]},'
        b'"orderdiscount":{"rows":[{"allow_code":"WELCOME","amount":5.62}]}}]'
    )


def test_the_same_order_is_always_the_same_bytes() -> None:
    assert mapper.body(season.order(), PROFILE) == mapper.body(season.order(), PROFILE)


@pytest.mark.parametrize("amount", ["0.10", "19.99", "1E+2", "90071992547409.93", "-0.01", "-0", "0.125"])
def test_an_amount_is_spelled_with_its_own_digits(amount: str) -> None:
    order = season.order(charges=(CodedAmount(code="ROUND", amount=Decimal(amount)),))
    (sent,) = json.loads(mapper.body(order, PROFILE), parse_float=Decimal, parse_int=Decimal)
    assert sent["ordercharge"]["rows"] == [{"charge_code": "ROUND", "amount": Decimal(amount)}]
    (text,) = json.loads(mapper.body(order, Profile(amounts_as="text")))
    assert Decimal(text["misc_amt"]) == Decimal(amount)


def test_a_company_takes_the_names_place_and_the_person_is_its_contact() -> None:
    address = Address(name="Ann Shopper", company="Shopper Ltd", city="Newark")
    (sent,) = json.loads(mapper.body(season.order(bill_to=address), PROFILE))
    assert sent["orderaddress"]["rows"][0] == {
        "addr_type": "BT",
        "name": "Shopper Ltd",
        "contact": "Ann Shopper",
        "city": "Newark",
    }


def test_a_customers_own_names_are_written_and_read() -> None:
    names = {"ord_qty": "qty_ordered", "orderdetail": "salesorderdetail", "po_num": "cust_po", "last_mod": "chg"}
    profile = Profile(aliases={"order": names}, write_date_format="%Y-%m-%d", order_status="N", order_type="E")
    (sent,) = json.loads(mapper.body(season.order(), profile))
    assert sent["cust_po"] == "SU1001P1G1"
    assert sent["salesorderdetail"]["rows"][0]["qty_ordered"] == 2
    assert (sent["start_date"], sent["ord_status"], sent["ord_type"]) == ("2026-03-01", "N", "E")
    held = booked(on_the_wire(season.order_row()))
    assert mapper.differences(mapper.body(season.order(), profile), held, profile) == ()


def test_an_order_without_goods_still_has_its_empty_rows() -> None:
    (sent,) = json.loads(mapper.body(season.order(lines=()), PROFILE))
    assert sent["orderdetail"] == {"rows": []}


# -- what was sent against what is held ------------------------------------------------------------------------


def differences(order: SalesOrder, **changes: Any) -> tuple[str, ...]:
    held = booked(on_the_wire(season.order_row(**changes)))
    return mapper.differences(mapper.body(order, PROFILE), held, PROFILE)


def test_an_order_held_as_sent_differs_in_nothing() -> None:
    assert differences(season.order()) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"customer": "SHOPEUR"}, "customer: sent SHOPUSD, held SHOPEUR"),
        ({"division": "MEN"}, "division: sent WOM, held MEN"),
        ({"location": "CA1"}, "warehouse: sent NJ1, held CA1"),
        ({"curr_code": "EUR"}, "currency: sent USD, held EUR"),
        ({"tax_amt": 3.36}, "tax: sent 3.35, held 3.36"),
        ({"frgt_amt": 0}, "freight: sent 5.00, held 0"),
        ({"disc_amt": 0}, "allowances: sent 5.62, held 0"),
        ({"misc_amt": "0.01"}, "charges: sent 0, held 0.01"),
    ],
)
def test_each_difference_of_the_header_is_named(changes: dict[str, Any], said: str) -> None:
    assert differences(season.order(), **changes) == (said,)


@pytest.mark.parametrize(
    "line",
    [{"ord_qty": 1}, {"ord_qty": 0}, {"price": 28.09}, {"upc": "040123000037"}, {"location": "CA1"}],
)
def test_each_difference_of_a_line_is_named(line: dict[str, Any]) -> None:
    said = differences(season.order(), orderdetail={"rows": [season.order_line(**line)]})
    assert said
    assert all(one.startswith("UPC 0401230000") for one in said)


def test_how_pieces_are_spread_over_rows_does_not_matter() -> None:
    rows = [season.order_line(ord_qty=1), season.order_line(ord_qty=1, price="28.1000")]
    assert differences(season.order(), orderdetail={"rows": rows}) == ()


def test_an_extra_line_is_a_difference() -> None:
    rows = [season.order_line(), season.order_line(upc="040123000037")]
    assert len(differences(season.order(), orderdetail={"rows": rows})) == 1


def test_what_the_erp_leaves_out_is_not_compared() -> None:
    left_out = dict.fromkeys(("customer", "division", "location", "curr_code", "tax_amt", "disc_amt", "misc_amt"))
    assert differences(season.order(), **left_out, orderdetail={"rows": [season.order_line(location="")]}) == ()


def test_the_customers_words_are_known_so_that_they_can_be_kept_out_of_messages() -> None:
    words = mapper.private_words(mapper.body(season.order(), PROFILE), PROFILE)
    assert set(words) == {"Ann Shopper", "1 High Street", "Flat 3", "ann@example.com", "+1 201 555 0100"}


# -- envelopes and errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"errors": [{"errorMessage": "a"}, {"errorMessage": "b"}]}, ["a", "b"]),
        ({"errors": [{"message": "a"}, {"message": "b"}]}, ["a", "b"]),
        ({"message": [{"message": "a"}, {"message": "b"}]}, ["a", "b"]),
        ({"message": "a"}, ["a"]),
        ({"statusCode": 401, "message": "Access denied"}, ["Access denied"]),
        ({"errors": [{"errorMessage": "a"}], "message": [{"message": "b"}]}, ["a", "b"]),
        ({"errors": ["a", {"code": 7}, None]}, ["a", "an error without a text"]),
        ({"errors": []}, []),
        ({"errors": None, "message": ""}, []),
        ({"pkey": 1}, []),
    ],
)
def test_every_message_of_every_error_shape_is_kept(reply: dict[str, Any], said: list[str]) -> None:
    assert wire.messages(reply) == said


@pytest.mark.parametrize(
    ("reply", "key"),
    [({"pkey": 900001}, "900001"), ({"pkey": "7"}, "7"), ({}, None), *(({"pkey": odd}, None) for odd in (0, "", None))],
)
def test_a_receipt_is_a_pkey_that_says_something(reply: dict[str, Any], key: str | None) -> None:
    assert wire.receipt(reply) == key


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"a":NaN}', b"\xff", b"[" * 100_000, b'"\\ud800"'])
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(wire.Unreadable):
        wire.parse(body)


# -- where it goes ---------------------------------------------------------------------------------------------


def _read_back(sent: bytes, **changes: Any) -> str:
    """What the ERP lists after it was sent, its ship-to address changed so."""
    (row,) = json.loads(sent)
    for address in row["orderaddress"]["rows"]:
        if address["addr_type"] == "ST":
            address |= changes
    row |= {"pkey": 1, "ord_num": "0001", "last_mod": "2026-03-01 12:00:00"}
    return booked(dict(on_the_wire(row))).ship_to


def test_an_address_reads_back_as_it_was_sent_however_it_is_spaced() -> None:
    order = season.order()
    sent = mapper.body(order, PROFILE)
    assert mapper.sent_to(sent, PROFILE) == mapper.goes_to(order.ship_to) == _read_back(sent) != ""
    assert _read_back(sent, city=f"{order.ship_to.city.upper()}  ", phone="other") == mapper.sent_to(sent, PROFILE)
    assert _read_back(sent, zipcode=90210) != mapper.sent_to(sent, PROFILE)
    assert order.ship_to.city not in mapper.sent_to(sent, PROFILE)
