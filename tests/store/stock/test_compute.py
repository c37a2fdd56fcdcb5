"""The rule, term by term: what each channel is to show, and what is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bcbridge.model.stock import Basis, NumberRule
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute
from tests.store.stock.books import BIG, NOON, SHOPIFY, WOO, Book, at, outlet

SKU = "040123000013"
OTHER = "040123000020"


@pytest.fixture
def shops(book: Book) -> Book:
    """Two shops that show 5 of the 5 pieces the ERP has, dated noon."""
    book.outlets(outlet(SHOPIFY, compares=True), outlet(WOO))
    book.feed()
    book.figure(SKU, 5)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 5)
    return book


def targets(book: Book, sku: str = SKU) -> list[int | None]:
    compute.mark(book.tx, [sku], now=at(1))
    return [book.target(channel, sku) for channel in (SHOPIFY, WOO)]


def test_what_the_erp_has_is_shown_everywhere_and_nothing_is_due(shops: Book) -> None:
    assert targets(shops) == [5, 5]
    assert [shops.row(channel, SKU)["due"] for channel in (SHOPIFY, WOO)] == [None, None]


@pytest.mark.parametrize("state", ["known", "sent"])
def test_a_piece_asked_for_in_one_shop_is_taken_off_in_all(shops: Book, state: str) -> None:
    shops.demand(WOO, SKU, 2, state=state)
    assert targets(shops) == [3, 3]


def test_a_void_piece_is_not_taken_off(shops: Book) -> None:
    shops.demand(WOO, SKU, 2, state="void")
    assert targets(shops) == [5, 5]


@pytest.mark.parametrize(("posted_by", "left"), [(-1, 5), (0, 4), (1, 4)])
def test_a_booked_piece_counts_until_the_figure_is_certainly_later(shops: Book, posted_by: float, left: int) -> None:
    """Equal moments prove nothing."""
    shops.demand(WOO, SKU, 1, state="posted", posted_by=posted_by)
    assert targets(shops) == [left, left]


def test_the_feeds_floor_dates_rows_that_are_older(shops: Book) -> None:
    shops.demand(WOO, SKU, 1, state="posted", posted_by=5)
    shops.feed(floor=6)
    assert targets(shops) == [5, 5]


def test_a_figure_that_is_absent_is_as_old_as_the_feeds_floor(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, "NJ1", "CA1"), outlet(WOO, "NJ1"))
    book.feed(floor=0)
    book.figure(SKU, 5, as_of=-5)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    book.demand(WOO, SKU, 1, state="posted", posted_by=1, warehouse="CA1")
    book.demand(WOO, SKU, 1, state="posted", posted_by=-1, warehouse="CA1")
    assert targets(book) == [4, 5]
    assert {one.as_of for one in compute.reckon(book.tx, [SKU], now=NOON)} == {stamp(at(0))}


def test_each_warehouse_is_dated_by_its_own_figure(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, "NJ1", "CA1"), outlet(WOO, "CA1"))
    book.feed()
    book.figure(SKU, 5, as_of=0)
    book.figure(SKU, 7, as_of=10, warehouse="CA1")
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    book.demand(WOO, SKU, 1, state="posted", posted_by=5, warehouse="NJ1")
    book.demand(WOO, SKU, 2, state="posted", posted_by=5, warehouse="CA1")
    assert targets(book) == [11, 7]


def test_a_piece_of_no_known_warehouse_counts_everywhere(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, "NJ1"), outlet(WOO, "CA1"))
    book.feed()
    book.figure(SKU, 5)
    book.figure(SKU, 7, warehouse="CA1", as_of=10)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    book.demand(WOO, SKU, 1, warehouse="")
    book.demand(WOO, SKU, 1, warehouse="", state="posted", posted_by=5)
    assert targets(book) == [3, 5]  # the oldest figure of all decides
    book.feed(floor=6)
    assert targets(book) == [4, 6]


def test_the_sign_stays_inside_the_pool_and_no_number_is_below_none(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, "NJ1", "CA1"), outlet(WOO, "CA1"))
    book.feed()
    book.figure(SKU, 5)
    book.figure(SKU, -2, warehouse="CA1")
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    assert targets(book) == [3, 0]


def test_on_hand_less_picked_counts_until_it_was_picked(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, basis=Basis.QOH_MINUS_PICK), outlet(WOO))
    book.feed()
    book.figure(SKU, 5, qoh_minus_pick=9, ots_wip=50)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    book.demand(WOO, SKU, 1, state="posted", posted_by=-5)
    assert targets(book) == [8, 5]
    book.tx.execute("UPDATE stock_demand SET picked_by = ?", (stamp(at(-1)),))
    assert targets(book) == [9, 5]


def test_with_what_is_in_production_for_pre_order(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, basis=Basis.OTS_WIP, rule=NumberRule(cap=30)), outlet(WOO))
    book.feed()
    book.figure(SKU, 5, ots_wip=50)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    assert targets(book) == [30, 5]


def test_a_sku_the_erp_has_no_figure_of_is_none_only_after_a_whole_pull(shops: Book) -> None:
    for channel in (SHOPIFY, WOO):
        shops.shown(channel, OTHER, 4)
    shops.feed(whole_pull=False)
    assert targets(shops, OTHER) == [None, None]
    assert shops.row(SHOPIFY, OTHER)["due"] is None
    shops.feed()
    assert targets(shops, OTHER) == [0, 0]
    assert shops.row(SHOPIFY, OTHER)["due"] == 0


# -- what a person decided -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        (NumberRule(buffer=2), 3),
        (NumberRule(buffer=9), 0),
        (NumberRule(percent=10), 4),  # a tenth of 5, rounded up
        (NumberRule(percent=40), 3),
        (NumberRule(buffer=1, percent=40), 2),
        (NumberRule(cap=3), 3),
        (NumberRule(cap=30), 5),
        (NumberRule(stop=True), 0),
    ],
)
def test_a_rule_for_one_sku_in_one_shop(shops: Book, rule: NumberRule, number: int) -> None:
    shops.rule(SKU, WOO, rule)
    assert targets(shops) == [5, number]


def test_a_rule_of_a_sku_stands_instead_of_the_outlets_own(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, rule=NumberRule(buffer=1)), outlet(WOO, rule=NumberRule(buffer=1)))
    book.feed()
    book.figure(SKU, 5)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
    book.rule(SKU, WOO, NumberRule(cap=2))
    assert targets(book) == [4, 2]


def test_the_speed_of_the_others_is_held_back(shops: Book) -> None:
    """Three pieces in twenty seconds elsewhere, and a number takes five to arrive: one piece, rounded up."""
    shops.rule(SKU, WOO, NumberRule(speed=True))
    shops.lag(WOO, 5)
    shops.figure(SKU, 50)
    shops.demand(SHOPIFY, SKU, 3, seen=1 - 10 / 60)
    shops.demand(WOO, SKU, 8, seen=1 - 10 / 60)
    shops.demand(SHOPIFY, SKU, 8, seen=1 - 21 / 60)
    assert targets(shops) == [31, 30]


def test_what_the_erp_no_longer_sells_is_shown_as_none_where_that_is_wanted(book: Book) -> None:
    book.outlets(outlet(SHOPIFY), outlet(WOO, hides_inactive=False))
    book.feed()
    book.figure(SKU, 5)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 5)
    book.inactive(SKU)
    assert targets(book) == [0, 5]
    book.inactive(SKU, active=1, ref="another row of this UPC")
    assert targets(book) == [5, 5]


def test_a_channel_that_reserves_is_told_what_it_reserves_as_well(book: Book) -> None:
    book.outlets(outlet(SHOPIFY, reserves=True), outlet(WOO))
    book.feed()
    book.figure(SKU, 1)
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 0)
        book.asked(channel, SKU, 3)
    book.asked(SHOPIFY, SKU, 8, ref="1002", closed=True)
    book.demand(SHOPIFY, SKU, 3)
    assert targets(book) == [3, 0]  # the target is floored before the reserved pieces are added


# -- packs ---------------------------------------------------------------------------------------------------------


def test_a_pack_is_the_least_of_its_parts(shops: Book) -> None:
    shops.figure(OTHER, 9)
    shops.pack("PACK", {SKU: 2, OTHER: 3})
    for channel in (SHOPIFY, WOO):
        shops.shown(channel, "PACK", 0)
    assert targets(shops, "PACK") == [2, 2]
    shops.demand(WOO, OTHER, 4)
    compute.mark(shops.tx, [OTHER], now=at(1))
    assert shops.target(WOO, "PACK") == 1


def test_a_pack_that_is_sold_takes_its_parts(shops: Book) -> None:
    shops.figure(OTHER, 9)
    shops.pack("PACK", {SKU: 2, OTHER: 3})
    for channel in (SHOPIFY, WOO):
        shops.shown(channel, "PACK", 2)
        shops.shown(channel, OTHER, 9)
    shops.demand(WOO, "PACK", 1)
    assert targets(shops, "PACK") == [1, 1]
    assert [shops.target(WOO, sku) for sku in (SKU, OTHER)] == [3, 6]


# -- what is due, and how soon -------------------------------------------------------------------------------------


def due(book: Book, explained: int | None, ots: int, **shown: str) -> tuple[object, object]:
    book.figure(SKU, ots)
    book.shown(WOO, SKU, explained, **shown)  # type: ignore[arg-type]
    compute.mark(book.tx, [SKU], now=NOON)
    row = book.row(WOO, SKU)
    return row["due"], row["due_at"] and (row["due_at"] != stamp(NOON))


def test_what_must_fall_to_little_goes_first_then_other_falls_then_raises(shops: Book) -> None:
    assert due(shops, 5, 0) == (0, False)
    assert due(shops, 20, 12) == (0, False)
    assert due(shops, 40, 20) == (1, False)
    assert due(shops, 5, 20) == (2, False)


def test_a_fall_that_leaves_plenty_waits_a_little(shops: Book) -> None:
    assert due(shops, 40, 39) == (1, True)
    assert due(shops, 40, 30) == (1, False)
    assert due(shops, 13, 12) == (0, False)


def test_a_doubtful_number_is_due_though_it_is_right(shops: Book) -> None:
    assert due(shops, 5, 5, dirty="a lost answer") == (0, False)
    assert due(shops, 50, 50, dirty="a lost answer") == (1, False)
    assert due(shops, 4, 5, dirty="a lost answer") == (0, False)


@pytest.mark.parametrize("state", ["left_alone", "gone", "twice"])
def test_what_is_not_ours_to_write_is_never_due(shops: Book, state: str) -> None:
    assert due(shops, 5, 0, state=state) == (None, None)


def test_a_number_that_was_never_anchored_is_not_due(shops: Book) -> None:
    assert due(shops, None, 3) == (None, None)
    assert shops.target(WOO, SKU) == 3


def test_a_row_whose_write_is_under_way_is_left_as_it_is(shops: Book) -> None:
    shops.shown(WOO, SKU, 5, writing=shops.write(WOO, SKU, 3, explained=5))
    shops.demand(SHOPIFY, SKU, 4)
    assert targets(shops) == [1, None]


def test_waiting_is_not_prolonged_by_another_change(shops: Book) -> None:
    assert due(shops, 40, 39) == (1, True)
    first = shops.row(WOO, SKU)["due_at"]
    shops.demand(SHOPIFY, SKU, 1)
    compute.mark(shops.tx, [SKU], now=NOON + timedelta(seconds=2))
    assert shops.row(WOO, SKU)["due_at"] == first
    shops.demand(SHOPIFY, SKU, 30)
    compute.mark(shops.tx, [SKU], now=NOON + timedelta(seconds=2))
    assert shops.row(WOO, SKU)["due_at"] == stamp(NOON + timedelta(seconds=2))


def test_what_is_no_longer_called_for_is_not_due(shops: Book) -> None:
    assert due(shops, 40, 20) == (1, False)
    shops.figure(SKU, 40)
    compute.mark(shops.tx, [SKU], now=NOON)
    assert shops.row(WOO, SKU)["due"] is None


def test_mark_says_which_channels_have_something_to_write(shops: Book) -> None:
    shops.shown(SHOPIFY, SKU, 5)
    shops.shown(WOO, SKU, 4)
    assert compute.mark(shops.tx, [SKU], now=NOON) == {WOO}
    assert compute.mark(shops.tx, [SKU], now=NOON) == frozenset()
    assert compute.mark(shops.tx, [], now=NOON) == frozenset()


def test_a_third_shop_without_the_sku_is_left_out(shops: Book) -> None:
    shops.outlets(outlet(SHOPIFY, compares=True), outlet(WOO), outlet(BIG))
    assert targets(shops) == [5, 5]
    assert shops.row(BIG, SKU) is None
