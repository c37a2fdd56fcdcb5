"""What may be promised now, and why; numbers that change though nobody touched them."""

from __future__ import annotations

import pytest

from bcbridge.model.stock import Buffer, NumberRule
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute
from tests.store.stock.books import BIG, NOON, SHOPIFY, WOO, Book, at, outlet

SKU = "040123000013"


@pytest.fixture
def shops(book: Book) -> Book:
    book.outlets(outlet(SHOPIFY, "NJ1", "CA1", compares=True), outlet(WOO))
    book.feed(floor=-30)
    book.figure(SKU, 5, as_of=-40)
    book.figure(SKU, 4, as_of=-10, warehouse="CA1")
    for channel in (SHOPIFY, WOO):
        book.shown(channel, SKU, 5)
    return book


def test_a_promise_says_what_it_follows_from(shops: Book) -> None:
    shops.rule(SKU, SHOPIFY, NumberRule(buffer=1, percent=10, cap=20, why="mappings/stock.toml: sku/040123000013"))
    shops.demand(WOO, SKU, 2, state="posted", posted_by=-20)
    shops.demand(WOO, SKU, 1, state="posted", posted_by=-35)
    shops.demand(SHOPIFY, SKU, 1, warehouse="CA1")
    compute.mark(shops.tx, [SKU], now=NOON)
    (one,) = compute.number(shops.tx, SHOPIFY, SKU, now=NOON)
    assert (one.pieces, one.n, one.target, one.shown) == (4, 3, 4, 5)
    assert [(of.warehouse, of.pieces, of.as_of, of.age_seconds) for of in one.figures] == [
        ("CA1", 4, at(-10), 600.0),
        ("NJ1", 5, at(-30), 1800.0),
    ]
    assert sorted((of.channel, of.pieces, of.state) for of in one.demand) == [(SHOPIFY, 1, "known"), (WOO, 2, "posted")]
    assert one.buffer == Buffer(2, "1 fixed, 1 for 10 per cent")
    assert one.rule == "mappings/stock.toml: sku/040123000013"


def test_a_promise_is_of_its_own_channel_and_nothing_is_promised_before_figures_were_read(shops: Book) -> None:
    shops.feed(whole_pull=False)
    assert [one.pieces for one in compute.number(shops.tx, WOO, SKU, now=NOON)] == [5]
    assert [one.pieces for one in compute.number(shops.tx, WOO, "another", now=NOON)] == [None]
    assert compute.number(shops.tx, BIG, SKU, now=NOON) == ()


def test_of_what_is_split_no_more_than_its_own_pieces_are_promised(shops: Book) -> None:
    shops.rule(SKU, WOO, NumberRule(split=True))
    shops.shown(SHOPIFY, SKU, 3)
    assert [one.pieces for one in compute.number(shops.tx, SHOPIFY, SKU, now=NOON)] == [3]


def test_a_pack_is_told_of_its_scarcest_part_and_demand_in_packs_is_told(shops: Book) -> None:
    shops.pack("PACK", {SKU: 2, "OTHER": 1})
    shops.figure("OTHER", 50)
    shops.demand(WOO, "PACK", 1)
    (one,) = compute.number(shops.tx, WOO, "PACK", now=NOON)
    assert (one.pieces, one.part, one.per, one.n) == (1, SKU, 2, 2)
    assert [(of.sku, of.pieces) for of in one.demand] == [("PACK", 2)]


def test_asking_leaves_no_transaction_open(shops: Book) -> None:
    compute.number(shops.tx, WOO, SKU, now=NOON)
    assert not shops.tx.in_transaction


def test_a_buffer_by_speed_falls_when_nobody_buys(shops: Book) -> None:
    shops.rule(SKU, WOO, NumberRule(speed=True))
    shops.lag(WOO, 10)
    shops.demand(SHOPIFY, SKU, 2, seen=0)
    compute.mark(shops.tx, [SKU], now=NOON)
    assert shops.target(WOO, SKU) == 2
    assert compute.cooled(shops.tx, since=NOON, now=at(0.1)) == []
    assert compute.cooled(shops.tx, since=at(0.1), now=at(0.5)) == [SKU]
    assert compute.mark(shops.tx, [SKU], now=at(0.5)) == {WOO}
    assert shops.target(WOO, SKU) == 3


def test_pieces_taken_back_are_given_when_the_orders_are_known(shops: Book) -> None:
    shops.outlets(outlet(SHOPIFY, compares=True), outlet(WOO))
    shops.rule(SKU, WOO, NumberRule(split=True))
    shops.shown(SHOPIFY, SKU, 0)
    shops.shown(WOO, SKU, 0, answered=2)
    shops.write(WOO, SKU, 0, explained=5, state="answered", made=1, ended=2)
    for channel in (SHOPIFY, WOO):
        shops.known_upto(channel, 1)
    compute.mark(shops.tx, [SKU], now=at(2))
    assert shops.target(SHOPIFY, SKU) == 0
    shops.known_upto(WOO, 3)
    assert compute.freed(shops.tx, SHOPIFY, after=at(1), upto=at(3)) == []
    assert compute.freed(shops.tx, WOO, after=at(1), upto=at(3)) == [SKU]
    assert compute.mark(shops.tx, [SKU], now=at(3)) == {SHOPIFY, WOO}
    assert shops.target(SHOPIFY, SKU) == 3
    assert shops.row(SHOPIFY, SKU)["due_at"] == stamp(at(3))
