"""What counts as a change after booking, and how it is told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bcbridge.flows.orders import changes, content_hash
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold, Order, PaymentStatus
from tests.flows.at_hand import CREATED, DRESS, HOME, LONDON, SHIRT, from_, line, off, order, shipping, tender

BOOKED = order(line(DRESS, "50.00", 2), line(SHIRT, "20.00"), ship=[shipping("Standard", "5.00")], total="125.00")


def now(**said: Any) -> Order:
    return BOOKED.model_copy(update=said)


def with_line(**said: Any) -> Order:
    return now(lines=(BOOKED.lines[0].model_copy(update=said), BOOKED.lines[1]))


@pytest.mark.parametrize(
    "same",
    [
        now(modified=CREATED + timedelta(days=1), tags=("bcbridge", "vip"), attributes=(("gift", "yes"),)),
        now(total=Decimal("125.0"), lines=(BOOKED.lines[1], BOOKED.lines[0])),
        now(tenders=(tender("other", "125.00"),)),
        now(holds=(Hold(reason="status completed", done=True),)),
        with_line(title="New title", attributes=(("size", "M"),)),
        with_line(assignments=(from_("New Jersey DC", 1), from_("New Jersey DC", 1))),
        with_line(amount=Decimal("1E+2")),
    ],
)
def test_what_the_erp_does_not_care_about_is_no_change(same: Order) -> None:
    assert content_hash(same) == content_hash(BOOKED)
    assert changes(BOOKED, same) == ()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (now(cancelled=CREATED), ("cancelled",)),
        (now(payment=PaymentStatus.REFUNDED), ("payment paid -> refunded",)),
        (now(holds=(Hold(reason="OTHER", note="n"),)), ("hold OTHER set",)),
        (now(total=Decimal("115.00")), ("total 125.00 -> 115.00 USD",)),
        (now(ship_to=HOME.model_copy(update={"city": "Newark"})), ("ship-to address changed",)),
        (with_line(ship_to=LONDON), (f"line {DRESS}: ship-to address changed",)),
        (now(shipping=(shipping("Standard", "5.00", to=LONDON),)), ("shipping changed",)),
        (now(bill_to=None), ("bill-to address changed",)),
        (now(shipping=(shipping("Express", "5.00"),)), ("shipping changed",)),
        (now(marks=("tag:Has rental products",)), ("marks of circular commerce changed",)),
        (now(note="Ring twice"), ("note changed",)),
        (now(reductions=(off("Store credit", "5.00"),)), ("money off the whole order changed",)),
        (with_line(quantity=1, amount=Decimal("50.00")), (f"line {DRESS}: 2 -> 1",)),
        (with_line(assignments=(from_("California DC", 2),)), (f"line {DRESS}: location changed",)),
        (with_line(unit_price=Decimal(45), amount=Decimal(90)), (f"line {DRESS}: amount", f"line {DRESS}: price")),
        (now(lines=BOOKED.lines[:1]), (f"line {SHIRT} gone",)),
        (now(lines=(*BOOKED.lines, line("9", "1.00", ref=Ref("new")))), ("line 9 added: 1",)),
    ],
)
def test_what_it_does_care_about_is_told_in_words(changed: Order, told: tuple[str, ...]) -> None:
    assert content_hash(changed) != content_hash(BOOKED)
    words = changes(BOOKED, changed)
    assert len(words) == len(told)
    assert all(word.startswith(start) for word, start in zip(words, told, strict=True))


def test_words_carry_no_customer_data() -> None:
    moved = now(ship_to=HOME.model_copy(update={"name": "Jo Field", "city": "Newark"}), note="Ring at Jo's")
    assert not any(word in " ".join(changes(BOOKED, moved)) for word in ("Jo", "Newark", "Ring"))


def test_a_released_hold_is_told() -> None:
    assert changes(now(holds=(Hold(reason="OTHER"),)), BOOKED) == ("hold OTHER released",)


def test_what_came_in_later_changes_no_hash_where_it_is_not() -> None:
    """As it was written when orders had neither reductions nor several addresses: no booked order seems changed."""
    assert content_hash(BOOKED) == "1:6d0a6283f1c8842ddfb8894155a96610744c41b07571b646705739405edbda6b"


def test_a_reductions_tax_counts_too() -> None:
    with_tax = now(reductions=(off("Store credit", "5.00", {"NJ Tax": "0.33"}),))
    assert content_hash(with_tax) != content_hash(now(reductions=(off("Store credit", "5.00"),)))
