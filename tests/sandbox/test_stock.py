"""What a simulated shop's numbers mean to those who buy there; the vendors' own rules are in their tests."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopify.trade import trade
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import Cart, CartLine, Currency, Discount
from bcbridge.sandbox.shopping.mix import Draw, Wishes, draw
from bcbridge.sandbox.shopping.shopper import still_there
from bcbridge.sandbox.shopping.stock import Cause, Choice, Place, Taken

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE, THERE, OTHER = Place("tee", "NJ"), Place("tee", "CA"), Place("sock", "NJ")
SOLD_FROM = {
    "1": [Choice(HERE, "New Jersey"), Choice(THERE, "California")],
    "2": [Choice(OTHER, "New Jersey")],
}


@pytest.fixture
def books() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(stock.SCHEMA)
    for place, sku in ((HERE, "1"), (THERE, "1"), (OTHER, "2")):
        stock.found(connection, place, sku, 5)
    yield connection
    connection.close()


def line(sku: str, quantity: int = 1) -> CartLine:
    return CartLine(sku, Decimal(10), quantity, sku=sku)


def fitted(books: sqlite3.Connection, *lines: CartLine) -> tuple[Cart | None, list[stock.Short]]:
    cart = Cart(lines, Currency("USD", "USD"), discounts=(Discount("code", "TEN", Decimal(10), lines=(0,)),))
    return stock.fitted(books, cart, lambda one: SOLD_FROM.get(one.sku or "", []))


def test_what_was_wrong_with_a_line_that_the_shop_had_none_of_is_not_wrong_any_more() -> None:
    cart = Cart((line("1"), line("2")), Currency("USD", "USD"))
    drawn = Draw(cart, unbookable=["inactive_sku", "unmapped_shipping"])
    assert still_there(drawn, cart) == ["inactive_sku", "unmapped_shipping"]
    assert still_there(drawn, replace(cart, lines=cart.lines[1:])) == ["unmapped_shipping"]


def put(books: sqlite3.Connection, place: Place, number: int) -> None:
    stock.put(books, place, number, Cause(NOON, "api"))


def test_a_shopper_gets_no_more_than_is_shown(books: sqlite3.Connection) -> None:
    put(books, OTHER, 2)
    cart, missed = fitted(books, line("1", 3), line("2", 3))
    assert cart is not None
    assert [one.quantity for one in cart.lines] == [3, 2]
    assert missed == [stock.Short("2", 3, 2)]


def test_a_line_goes_to_where_there_is_enough(books: sqlite3.Connection) -> None:
    put(books, HERE, 2)
    cart, missed = fitted(books, line("1", 3))
    assert cart is not None
    assert not missed
    assert cart.lines[0].location == "California"


def test_two_lines_of_one_item_share_its_pieces(books: sqlite3.Connection) -> None:
    cart, missed = fitted(books, line("2", 4), line("2", 4))
    assert cart is not None
    assert [one.quantity for one in cart.lines] == [4, 1]
    assert [one.wanted for one in missed] == [4]


def test_a_cart_with_nothing_left_is_no_order(books: sqlite3.Connection) -> None:
    put(books, OTHER, -1)
    assert fitted(books, line("2"))[0] is None


def test_what_is_dropped_takes_the_positions_of_its_discounts_with_it(books: sqlite3.Connection) -> None:
    put(books, OTHER, 0)
    cart, _ = fitted(books, line("2"), line("1"))
    assert cart is not None
    assert [one.sku for one in cart.lines] == ["1"]
    assert cart.discounts[0].lines is None


def test_what_nobody_counts_is_sold_as_it_is(books: sqlite3.Connection) -> None:
    cart, missed = fitted(books, line("gift card", 500))
    assert cart is not None
    assert not missed


def test_what_an_order_takes_off_follows_the_order(books: sqlite3.Connection) -> None:
    stock.held(books, 7, {HERE: Taken(3), OTHER: Taken(1)}, NOON)
    assert [stock.shown(books, one) for one in (HERE, OTHER)] == [2, 4]
    stock.held(books, 7, {HERE: Taken(3, gone=1)}, NOON)
    assert [stock.shown(books, one) for one in (HERE, OTHER)] == [2, 5]
    assert stock.taken(books, HERE) == 2
    moves = books.execute("SELECT cause, before, after FROM stock_moves ORDER BY id").fetchall()
    assert moves == [("order", 5, 2), ("order", 5, 4), ("restock", 4, 5)]


def test_a_hot_list_is_bought_as_often_as_it_says() -> None:
    """The flash sale: of 200 goods the best is a sixth of the lines."""
    wishes, sells = Wishes(seed=5, simple=True, skus=200), trade(ShopifySettings())
    lines = Counter(one.sku for at in range(2_000) for one in draw(wishes, at, sells).cart.lines)
    assert len(lines) <= 200
    assert 0.15 < lines[catalogue.WEB_SKUS[0].upc] / sum(lines.values()) < 0.22


def test_named_goods_alone_are_bought() -> None:
    upcs = [one.upc for one in catalogue.WEB_SKUS[:2]]
    wishes = Wishes(seed=5, unbookable=0, hot=((upcs[0], 3.0), (upcs[1], 1.0)))
    drawn = [draw(wishes, at, trade(ShopifySettings())).cart for at in range(50)]
    assert {one.sku for cart in drawn for one in cart.lines if one.ships} == set(upcs)
