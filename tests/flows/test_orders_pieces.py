"""What an order asks of each SKU: what the ERP is to deliver, and what its channel has taken off its own number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bcbridge.flows.orders.desk import NO_LINKS, Desk
from bcbridge.flows.orders.pieces import look_of
from bcbridge.model.ids import Ref
from bcbridge.model.order import AsSold, Order, OrderLine, PaymentStatus
from bcbridge.model.stock import OrderLook
from tests.flows.at_hand import (
    CREATED,
    DRESS,
    HOUSE,
    MASTERS,
    NOW,
    SKIRT,
    WIDTHS,
    House,
    from_,
    gift_card,
    line,
    order,
    tip,
)

NJ, CA = Ref("place-New Jersey DC"), Ref("place-California DC")


def desk(house: House = HOUSE) -> Desk:
    return Desk("shop", house.settings, house.mappings, house.skus, WIDTHS, MASTERS, NOW, house.links or NO_LINKS)


def look(sold: Order, house: House = HOUSE, *, skipped: bool = False) -> OrderLook:
    return look_of(sold, NOW, desk(house), skipped=skipped)


def asked(sold: Order, house: House = HOUSE, *, skipped: bool = False) -> dict[str, tuple[int, int]]:
    """By SKU: wanted and taken."""
    return {str(one.sku): (one.wanted, one.taken) for one in look(sold, house, skipped=skipped).lines}


def sold(*lines: OrderLine, **said: Any) -> Order:
    return order(*(lines or (line(DRESS, "80.00", 2),)), total=said.pop("total", "160.00"), **said)


def test_a_paid_order_asks_for_its_pieces_and_has_taken_them() -> None:
    made = look(sold())
    (one,) = made.lines
    assert (one.sku, one.location, one.warehouse, one.wanted, one.taken) == (DRESS, NJ, "NJ1", 2, 2)
    assert (made.ref, made.placed, made.asked, made.closed) == (Ref("gid://shop/Order/5001"), CREATED, NOW, False)


def test_two_lines_of_one_sku_ask_for_their_sum() -> None:
    assert asked(sold(line(DRESS, "80.00", 2), line(DRESS, "80.00", ref=Ref("other")))) == {DRESS: (3, 3)}


def test_each_location_asks_for_its_own_and_what_no_assignment_covers_leaves_with_the_first() -> None:
    made = line(DRESS, "80.00", 4, assignments=(from_("New Jersey DC", 1), from_("California DC", 2)))
    found = {(one.location, one.warehouse): (one.wanted, one.taken) for one in look(sold(made)).lines}
    assert found == {(NJ, "NJ1"): (2, 2), (CA, "CA1"): (2, 2)}


def test_where_a_location_is_not_mapped_nobody_knows_from_which_warehouse() -> None:
    (one,) = look(sold(line(DRESS, "80.00", at="Shop floor"))).lines
    assert (one.location, one.warehouse, one.wanted) == (Ref("place-Shop floor"), "", 1)


def test_without_a_location_it_is_the_channels_only_one() -> None:
    (one,) = look(sold(line(DRESS, "80.00", at=None))).lines
    assert (one.location, one.warehouse) == ("", "NJ1")


def test_gift_cards_and_tips_are_no_pieces() -> None:
    assert asked(sold(line(DRESS, "80.00"), gift_card("50.00"), tip("5.00"))) == {DRESS: (1, 1)}


@pytest.mark.parametrize(
    "said",
    [
        {"test": True},
        {"payment": PaymentStatus.VOIDED},
        {"payment": PaymentStatus.REFUNDED},
        {"payment": PaymentStatus.EXPIRED},
    ],
)
def test_what_will_never_be_booked_asks_for_nothing_and_keeps_what_it_took(said: dict[str, Any]) -> None:
    assert asked(sold(**said)) == {DRESS: (0, 2)}


def test_before_go_live_it_asks_for_nothing() -> None:
    assert asked(sold(), HOUSE.setting(orders_created_from=NOW)) == {DRESS: (0, 2)}


def test_skipped_by_a_person_it_asks_for_nothing() -> None:
    assert asked(sold(), skipped=True) == {DRESS: (0, 2)}


def test_cancelled_it_asks_for_nothing_and_is_believed_to_have_put_back_what_it_took() -> None:
    made = look(sold(cancelled=NOW))
    assert [(one.wanted, one.taken, made.closed) for one in made.lines] == [(0, 0, True)]


def test_a_cancelled_order_whose_channel_says_that_it_kept_the_pieces_keeps_them() -> None:
    assert asked(sold(line(DRESS, "80.00", 2, taken=2), cancelled=NOW)) == {DRESS: (0, 2)}


@pytest.mark.parametrize(("taken", "wanted"), [(None, 2), (0, 0), (1, 1), (2, 2), (5, 2), (-1, 0)])
def test_an_unpaid_order_asks_for_what_the_channel_set_aside(taken: int | None, wanted: int) -> None:
    assert asked(sold(line(DRESS, "80.00", 2, taken=taken), payment=PaymentStatus.PENDING))[DRESS][0] == wanted


@pytest.mark.parametrize("payment", [PaymentStatus.PAID, PaymentStatus.AUTHORISED, PaymentStatus.PARTIALLY_PAID])
def test_any_other_asks_for_all_whatever_the_channel_took(payment: PaymentStatus) -> None:
    assert asked(sold(line(DRESS, "80.00", 2, taken=0), payment=payment)) == {DRESS: (2, 0)}


def test_a_blocked_order_asks_all_the_same() -> None:
    assert asked(sold(), HOUSE.without("customers", "USD")) == {DRESS: (2, 2)}


def test_a_sku_the_erp_does_not_know_counts_under_its_own_upc() -> None:
    assert asked(sold(), replace(HOUSE, skus={})) == {DRESS: (2, 2)}


def test_a_line_that_names_no_upc_counts_under_none_until_it_is_mapped() -> None:
    nameless = line("", "80.00", 2, barcode=None, variant=Ref("v1"))
    assert asked(sold(nameless)) == {"": (2, 2)}
    assert asked(sold(nameless), HOUSE.told("variant/v1", SKIRT)) == {SKIRT: (2, 2)}


def test_partly_refunded_before_it_was_booked_it_asks_for_what_is_left() -> None:
    left = line(DRESS, "80.00", 1, ordered=2)
    assert asked(sold(left, payment=PaymentStatus.PARTIALLY_REFUNDED)) == {DRESS: (1, 1)}


def test_where_such_an_order_is_booked_as_it_was_sold_it_asks_for_all_of_it() -> None:
    left, whole = line(DRESS, "80.00", 1, ordered=2), line(DRESS, "80.00", 2)
    as_sold = AsSold(lines=(whole,), shipping=())
    made = sold(left, payment=PaymentStatus.PARTIALLY_REFUNDED, as_sold=as_sold)
    assert asked(made, HOUSE.setting(partly_refunded="book_original")) == {DRESS: (2, 1)}


def test_a_line_that_says_more_came_back_than_was_sold_asks_for_nothing() -> None:
    assert asked(sold(line(DRESS, "80.00", -1, ordered=2, taken=0))) == {DRESS: (0, 0)}
