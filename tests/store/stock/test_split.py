"""Allotments: shares to the piece, first taken, then given, and never more on show than there is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcbridge.model.stock import NumberRule
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute
from bcbridge.store.stock.split import Contender, Room, allot, share_out
from tests.store.stock.books import BIG, NOON, SHOPIFY, WOO, Book, at, outlet

SKU = "040123000013"
SHOPS = (SHOPIFY, WOO, BIG)


def contender(
    shown: int | None,
    *,
    weight: int = 1,
    held: int | None = None,
    expected: int | None = None,
    limit: int = 1000,
    blind: bool = False,
    is_open: bool = True,
    takes: Mapping[Room, int] | None = None,
) -> Contender:
    most = max(0, shown or 0)
    return Contender(
        takes=takes or {"pool": 1},
        weight=weight,
        explained=shown,
        expected=most if expected is None else expected,
        held=most if held is None else held,
        limit=limit,
        blind=blind,
        open=is_open,
    )


@pytest.mark.parametrize(
    ("free", "weights", "shares"),
    [
        (10, (5, 3, 2), [5, 3, 2]),
        (7, (1, 1, 1), [3, 2, 2]),
        (1, (3, 5, 2), [0, 1, 0]),
        (0, (1, 1, 1), [0, 0, 0]),
        (-4, (1, 1, 1), [0, 0, 0]),
    ],
)
def test_shares_are_to_the_piece(free: int, weights: tuple[int, ...], shares: list[int]) -> None:
    assert share_out([contender(0, weight=weight) for weight in weights], {"pool": free}) == shares


def test_what_is_above_a_limit_goes_to_the_others() -> None:
    assert share_out([contender(0, limit=1), contender(0), contender(0)], {"pool": 9}) == [1, 4, 4]
    assert share_out([contender(0, limit=1), contender(0, limit=2)], {"pool": 9}) == [1, 2]


def test_all_start_with_their_share() -> None:
    assert allot([contender(0), contender(0, blind=True), contender(0)], {"pool": 9}) == [3, 3, 3]


def test_nothing_is_granted_beside_one_whose_number_nobody_knows() -> None:
    assert allot([contender(0), contender(None)], {"pool": 9}) == [0, 0]


def test_when_there_is_less_all_fall_to_their_share_and_a_blind_one_to_none() -> None:
    assert allot([contender(5), contender(5, blind=True)], {"pool": 6}) == [3, 0]


def test_a_blind_number_rises_from_none_only() -> None:
    assert allot([contender(2, blind=True), contender(2)], {"pool": 6}) == [2, 3]
    assert allot([contender(0, blind=True), contender(2)], {"pool": 6}) == [3, 3]


def test_pieces_are_taken_before_they_are_given() -> None:
    """The first has almost none of its half; the second gives, and only what is held by nobody is granted."""
    assert allot([contender(0), contender(10)], {"pool": 10}) == [0, 5]
    assert allot([contender(0), contender(5, held=10)], {"pool": 10}) == [0, 5]
    assert allot([contender(0), contender(5)], {"pool": 10}) == [5, 5]


def test_nobody_gives_back_a_piece_for_one_whom_the_rest_of_the_pool_feeds() -> None:
    sold_and_not_seen = contender(16, blind=True)
    assert allot([contender(14), contender(0, blind=True), sold_and_not_seen], {"pool": 44}) == [15, 13, 16]


def test_a_number_that_may_still_sell_what_it_had_is_granted_nothing() -> None:
    assert allot([contender(0, held=3, blind=True), contender(0)], {"pool": 9}) == [0, 4]


def test_one_piece_is_not_moved_from_shop_to_shop() -> None:
    assert allot([contender(0, weight=9), contender(1)], {"pool": 1}) == [0, 1]


def test_what_is_stopped_is_taken_back_and_a_doubtful_blind_number_too() -> None:
    assert allot([contender(3, limit=0), contender(3)], {"pool": 6}) == [0, 3]
    assert allot([contender(3, blind=True, is_open=False), contender(3)], {"pool": 6}) == [0, 3]


def test_a_pack_takes_its_parts_pieces() -> None:
    pack, part = contender(0, takes={"A": 2, "B": 1}), contender(0, takes={"A": 1})
    assert allot([pack, part], {"A": 8, "B": 9}) == [2, 4]
    assert allot([pack, part], {"A": 8, "B": 0}) == [0, 8]


numbers = st.integers(0, 12)
contenders = st.lists(
    st.builds(
        lambda shown, more, weight, limit, blind, is_open, takes, unknown: contender(
            None if unknown else shown,
            held=shown + more,
            weight=weight,
            limit=limit,
            blind=blind,
            is_open=is_open,
            takes=takes,
        ),
        numbers,
        st.sampled_from([0, 0, 0, 1, 5]),
        st.integers(1, 5),
        st.sampled_from([0, 2, 100]),
        st.booleans(),
        st.booleans(),
        st.sampled_from([{"A": 1}, {"B": 1}, {"A": 2, "B": 1}, {"A": 1, "B": 1}]),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(contenders, st.integers(-5, 30), st.integers(-5, 30))
def test_whatever_is_written_first_no_room_is_overdrawn_by_a_grant(some: list[Contender], a: int, b: int) -> None:
    """Every subset of the writes may have happened: all grants stand, no fall has freed anything yet."""
    free: dict[Room, int] = {"A": a, "B": b}
    targets = allot(some, free)
    for room, pieces in free.items():
        most = sum(one.takes.get(room, 0) * max(one.held, target) for one, target in zip(some, targets, strict=True))
        held = sum(one.takes.get(room, 0) * one.held for one in some)
        assert most <= max(pieces, held)
    for one, target in zip(some, targets, strict=True):
        assert target >= 0
        if one.blind:
            assert target in (0, max(0, one.explained or 0)) or not one.explained
        if target > max(0, one.explained or 0):
            assert one.explained is not None
            assert target <= one.limit


# -- asked of the store --------------------------------------------------------------------------------------------


@pytest.fixture
def shops(book: Book) -> Book:
    """Three shops, nine pieces, split; Shopify compares, the others are blind. All orders are known past noon."""
    book.outlets(
        outlet(SHOPIFY, compares=True, rule=NumberRule(split=True)),
        outlet(WOO),
        outlet(BIG),
    )
    book.feed()
    book.figure(SKU, 9)
    for channel in SHOPS:
        book.shown(channel, SKU, 0)
        book.known_upto(channel, 0)
    return book


def targets(book: Book) -> list[int | None]:
    compute.mark(book.tx, [SKU], now=at(1))
    return [book.target(channel, SKU) for channel in SHOPS]


def test_one_channel_that_asks_for_it_splits_for_all(shops: Book) -> None:
    assert targets(shops) == [3, 3, 3]
    shops.demand(WOO, SKU, 3)
    assert targets(shops) == [2, 2, 2]


def test_a_blind_fall_frees_its_pieces_when_the_orders_are_known_past_its_answer(shops: Book) -> None:
    shops.figure(SKU, 6)
    shops.shown(SHOPIFY, SKU, 0)
    shops.shown(WOO, SKU, 6)
    shops.shown(BIG, SKU, 0)
    assert targets(shops) == [0, 0, 0]
    write = shops.write(WOO, SKU, 0, explained=6, made=1)
    shops.shown(WOO, SKU, 6, writing=write)
    assert [target or 0 for target in targets(shops)] == [0, 0, 0]
    shops.tx.execute("UPDATE stock_writes SET state = 'answered', ended_at = ?", (stamp(at(2)),))
    shops.shown(WOO, SKU, 0, answered=2)
    assert targets(shops) == [0, 0, 0]
    shops.known_upto(WOO, 3)
    assert targets(shops) == [2, 2, 2]


def test_a_compare_that_succeeded_frees_its_pieces_at_once(shops: Book) -> None:
    shops.shown(SHOPIFY, SKU, 3, answered=2)
    shops.write(SHOPIFY, SKU, 3, explained=9, kind="compare", state="answered", made=1, ended=2)
    assert targets(shops) == [3, 3, 3]
    shops.tx.execute("UPDATE stock_writes SET kind = 'adjust'")
    assert targets(shops) == [3, 0, 0]


def test_a_raise_under_way_counts_as_if_it_had_come(shops: Book) -> None:
    shops.figure(SKU, 3)
    shops.shown(WOO, SKU, 0, writing=shops.write(WOO, SKU, 2, explained=0))
    assert sum(target or 0 for target in targets(shops)) == 1


def test_a_write_whose_answer_is_lost_counts_until_the_number_is_sure_again(shops: Book) -> None:
    shops.shown(WOO, SKU, 0, dirty="no answer", answered=0)
    shops.write(WOO, SKU, 9, explained=0, state="lost", made=1, ended=2)
    shops.known_upto(WOO, 60)
    assert targets(shops) == [0, 0, 0]
    shops.shown(WOO, SKU, 0, answered=5)
    assert targets(shops) == [3, 3, 3]


@pytest.mark.parametrize("state", ["refused", "twice"])
def test_beside_a_number_that_a_shop_shows_and_would_not_have_changed_nothing_is_granted(
    shops: Book, state: str
) -> None:
    """Nine are on show there: whatever was to be told, it still sells them."""
    shops.shown(WOO, SKU, None if state == "refused" else 9, state=state)
    targets(shops)
    assert [shops.target(channel, SKU) for channel in (SHOPIFY, BIG)] == [0, 0]
    shops.shown(WOO, SKU, 0)
    assert targets(shops) == [3, 3, 3]


def test_packs_and_their_parts_share_the_allotment(shops: Book) -> None:
    shops.pack("PACK", {SKU: 2})
    for channel in SHOPS:
        shops.shown(channel, "PACK", 0)
    targets(shops)
    rows = shops.tx.execute("SELECT sku, target FROM stock_shown").fetchall()
    assert sum(row["target"] * (2 if row["sku"] == "PACK" else 1) for row in rows) == 9
    assert {row["target"] for row in rows} == {1}


def test_reckon_says_what_is_split(shops: Book) -> None:
    assert {one.split for one in compute.reckon(shops.tx, [SKU], now=NOON, channel=SHOPIFY)} == {True}
