"""Rows of figures: whole UPCs, the three numbers, moments on the safe side; what is no stock, and what is odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.connectors.bluecherry.inventory import Inventory, Reading
from bcbridge.connectors.bluecherry.settings import Profile
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Spot, StockRow
from tests.connectors.bluecherry.season import stock_row
from tests.connectors.bluecherry.test_ledger import EXAMPLE

CLOCK = ErpClock(ZoneInfo("America/New_York"), overlap=timedelta(seconds=300))
LATEST = datetime(2026, 12, 31, tzinfo=UTC)
SEVEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def read(*rows: object, beside: dict[str, Any] | None = None, **profile: Any) -> Reading:
    sent = orjson.loads(orjson.dumps(rows))
    return Inventory(Profile.model_validate(profile), CLOCK).read(sent, beside or {}, latest=LATEST)


def only(*rows: object, **profile: Any) -> StockRow:
    found = read(*rows, **profile)
    assert found.odd == []
    (row,) = found.rows
    return row


def test_a_row_without_components_reads_to_the_erps_own_numbers() -> None:
    assert only(stock_row(lot="A7")) == StockRow(
        upc=Upc("040123000020"), spot=Spot("NJ1", "A7"), numbers=(92, 111, 113), stamp=SEVEN
    )


def test_a_row_with_components_reads_to_the_formulas_and_keeps_those_that_are_not_zero() -> None:
    row = only(stock_row(**EXAMPLE, wp=40, ots=999, qoh=999))
    assert (row.ots, row.qoh_minus_pick, row.ots_wip) == (92, 111, 113)
    assert row.parts == {name: pieces for name, pieces in (EXAMPLE | {"wp": 40}).items() if pieces}


def test_one_component_that_is_missing_makes_the_formulas_worthless() -> None:
    """Without OP every open order would be on sale again."""
    some = {name: pieces for name, pieces in EXAMPLE.items() if name != "op"}
    assert (only(stock_row(**some)).ots, only(stock_row(**some)).parts) == (92, {})
    assert read(stock_row(**some, ots=None)).odd
    assert only(stock_row(**dict.fromkeys(EXAMPLE), ots=7)).ots == 7


def test_a_component_that_is_null_is_none() -> None:
    assert only(stock_row(**EXAMPLE | {"pk": None, "cm": ""})).ots == 102


def test_numbers_the_erp_leaves_out_are_never_more_than_ots() -> None:
    row = only(stock_row(ots=4, qoh=None, ots_wip=None))
    assert (row.qoh_minus_pick, row.ots_wip) == (4, 4)


@pytest.mark.parametrize(("said", "pieces"), [(-3, -3), ("12", 12), (12.0, 12), ("12.00", 12)])
def test_a_quantity_is_a_whole_number_however_it_is_written(said: object, pieces: int) -> None:
    assert only(stock_row(ots=said)).ots == pieces


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ots": 1.5}, "no whole number"),
        ({"ots": "many"}, "no whole number"),
        ({"ots": True}, "no whole number"),
        ({"ots": [1]}, "no whole number"),
        ({"ots": "nan"}, "no whole number"),
        ({"ots": 10**12}, "more pieces than there can be"),
        ({"ots": ""}, "neither all components nor ots"),
        ({"ots": None}, "neither all components nor ots"),
        ({"upc": 40123000020}, "leading zeros"),
        ({"location": 7}, "a number where a code stands"),
    ],
)
def test_a_row_that_cannot_be_read_is_odd_and_its_neighbours_go_on(changes: dict[str, object], said: str) -> None:
    found = read(stock_row("1"), stock_row("2", 77) | changes, stock_row("3"))
    assert [row.upc for row in found.rows] == ["1", "3"]
    assert len(found.odd) == 1
    assert said in found.odd[0]
    assert "77" in found.odd[0]
    assert found.lost


def test_what_is_no_row_or_has_no_location_at_all_is_odd() -> None:
    without = {name: value for name, value in stock_row().items() if name != "location"}
    assert len(read(without, None, 7, [stock_row()]).odd) == 4


def test_a_row_without_a_upc_is_odd_but_nobody_can_miss_it() -> None:
    for nothing in (None, "", "   "):
        found = read(stock_row(nothing))
        assert found.odd
        assert not found.lost


def test_a_upc_keeps_its_leading_zeros_and_loses_its_padding() -> None:
    assert only(stock_row("000123000020  ", location="NJ1   ")).upc == "000123000020"
    assert only(stock_row("000123000020  ", location="NJ1   ")).warehouse == "NJ1"


# -- what is no stock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"location": "POE"}, {"location": "FOB"}, {"location": ""}, {"location": None}])
def test_pseudo_locations_are_left_out_without_a_word(changes: dict[str, object]) -> None:
    found = read(stock_row(**changes), stock_row(location="POE", upc=None, ots="?"))
    assert (found.rows, found.odd) == ([], [])


def test_places_and_lots_that_are_not_for_sale_are_left_out() -> None:
    rows = [stock_row(location="RET"), stock_row(lot="DAMAGED"), stock_row(lot="B"), stock_row(location="CA1")]
    left: dict[str, Any] = {"locations_not_for_sale": ["RET"], "lots_ignored": ["DAMAGED"]}
    assert [(row.warehouse, row.lot) for row in read(*rows, **left).rows] == [("NJ1", "B"), ("CA1", "")]
    assert [row.warehouse for row in read(*rows, stock_locations=["CA1"]).rows] == ["CA1"]


# -- moments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-11-01 01:30:00", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # twice: the earlier one
        ("2026-11-01 03:30:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2027-01-15 00:00:00", None),  # later than can be
        ("9999-12-31 00:00:00", None),
        ("", None),
        ("03/01/2026", None),
        (20260301, None),
        (None, None),
    ],
)
def test_a_stamp_is_read_on_the_early_side_or_not_at_all(stamp: object, moment: datetime | None) -> None:
    assert only(stock_row(last_mod=stamp)).stamp == moment


def test_the_exports_stamp_is_the_rows_own_or_the_pages() -> None:
    field: dict[str, Any] = {"stock_export_field": "built"}
    beside = {"built": "2026-11-01 01:10:00"}
    early = datetime(2026, 11, 1, 5, 10, tzinfo=UTC)
    assert [row.export for row in read(stock_row(), beside=beside, **field).rows] == [early]
    assert [row.export for row in read(stock_row(built="2026-03-01 07:00:00"), beside=beside, **field).rows] == [SEVEN]
    assert [row.export for row in read(stock_row(), beside=beside).rows] == [None]
    assert [row.export for row in read(stock_row(), **field).rows] == [None]


# -- other names, other shapes ---------------------------------------------------------------------------------


def test_columns_may_be_called_otherwise() -> None:
    names = {"upc": "upc_num", "location": "whse", "ots": "avail", "last_mod": "changed", "sa": "adj"}
    row = {names.get(name, name): value for name, value in stock_row(**EXAMPLE).items()}
    renamed = only(row, aliases={"inventory": names})
    assert renamed == only(stock_row(**EXAMPLE))


def buckets(**changes: object) -> dict[str, Any]:
    row = {name: value for name, value in stock_row().items() if name not in ("upc", "ots", "qoh", "ots_wip")}
    for number in range(1, 25):
        row |= {f"size{number:02}_qty": 0, f"call{number:02}": "N", f"upc{number:02}": f"0401230{number:05}"}
    return row | changes


def test_a_row_of_buckets_is_a_row_for_each_size_that_is_live() -> None:
    row = buckets(call01="Y", size01_qty=5, call02="y ", size02_qty=None, call03="N", size03_qty=9, call24="Y")
    found = read(row | {"size24_qty": -2}, stock_rows="buckets")
    assert [(one.upc[-2:], one.ots) for one in found.rows] == [("01", 5), ("02", 0), ("24", -2)]
    assert {one.warehouse for one in found.rows} == {"NJ1"}
    assert found.odd == []


def test_what_a_bucket_carries_is_the_profiles_and_the_rest_is_none() -> None:
    row = buckets(call07="Y", size07_qty=5)
    plain = only(row, stock_rows="buckets")
    assert (plain.ots, plain.qoh_minus_pick, plain.ots_wip) == (5, 5, 5)
    on_hand = only(row, stock_rows="buckets", stock_bucket_number="qoh_minus_pick")
    assert (on_hand.ots, on_hand.qoh_minus_pick, on_hand.ots_wip) == (0, 5, 0)


def test_a_live_bucket_that_cannot_be_read_leaves_the_other_sizes_alone() -> None:
    row = buckets(call01="Y", call02="Y", call03="Y", size02_qty="?", upc03=40123)
    found = read(row, stock_rows="buckets")
    assert [one.upc[-2:] for one in found.rows] == ["01"]
    assert (len(found.odd), found.lost) == (2, True)
