"""Until when authorised money is held, and how an order's payment is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcbridge.flows.orders import OrderSettings
from bcbridge.flows.orders.gate import authorised_until
from bcbridge.model.order import Order, PaymentStatus, TenderKind
from bcbridge.store.stamps import stamp
from tests.flows.at_hand import CREATED, DRESS, line, order, tender
from tests.flows.scene import Scene, scene

AUTHORISED = PaymentStatus.AUTHORISED
KLARNA = {"klarna": 28, "*": 7}


def promised(*gateways: str, days: int = 0, **said: Any) -> Order:
    """Authorised so many days after it was placed."""
    at = CREATED + timedelta(days=days)
    paid = [tender(one, "25.00", TenderKind.AUTHORISED).model_copy(update={"at": at}) for one in gateways]
    return order(line(DRESS, "50.00"), total="50.00", payment=AUTHORISED, paid=paid, **said)


@pytest.mark.parametrize(
    ("ordered", "days"),
    [
        (promised("klarna"), 28),
        (promised("klarna", days=2), 30),
        (promised("stripe"), 7),
        (promised("klarna", "stripe"), 7),
        (promised(), 7),  # no tender is told: by the order's gateways, from when it was placed
    ],
)
def test_authorised_money_is_held_until_the_first_gateway_lets_go(ordered: Order, days: int) -> None:
    settings = OrderSettings.model_validate({"code": "SU", "authorisation_days": KLARNA})
    assert authorised_until(ordered, settings) == CREATED + timedelta(days=days)


def test_a_gateway_that_is_not_named_has_seven_days_unless_said_otherwise() -> None:
    for said, days in (({"klarna": 28}, 7), ({"*": 30}, 30), ({}, 7)):
        settings = OrderSettings.model_validate({"code": "SU", "authorisation_days": said})
        assert authorised_until(promised("stripe"), settings) == CREATED + timedelta(days=days)


def test_money_that_was_taken_is_not_let_go() -> None:
    assert authorised_until(order(line(DRESS, "50.00"), total="50.00"), OrderSettings(code="SU")) is None


# -- what is remembered ----------------------------------------------------------------------------------------------


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as made:
        yield made


def until(moment: datetime) -> str:
    return stamp(moment + timedelta(days=7))


async def kept(s: Scene) -> tuple[str, str | None]:
    row = await s.row()
    return row["payment"], row["authorised_until"]


async def test_a_payment_that_is_made_after_booking_is_remembered(s: Scene) -> None:
    s.flow.settings = s.flow.settings.model_copy(update={"authorised_gateways": frozenset({"card"})})
    held = tender("card", "80.00", TenderKind.AUTHORISED).model_copy(update={"at": s.b.clock()})
    made = await s.book(payment=AUTHORISED, outstanding=Decimal("80.00"), paid=[held])
    assert await kept(s) == ("authorised", until(held.at))
    await s.look(s.change(made, payment=PaymentStatus.PAID, outstanding=Decimal(0)))
    assert await kept(s) == ("paid", None)


async def test_an_order_that_waits_for_its_payment_is_remembered_with_it(s: Scene) -> None:
    made = s.sold(said={"payment": PaymentStatus.PENDING})
    await s.look(s.shop.put(made))
    assert await kept(s) == ("pending", None)
    await s.look(s.change(made, payment=AUTHORISED))
    assert await kept(s) == ("authorised", until(made.created))


async def test_what_cannot_be_read_any_more_leaves_what_was_known_and_what_is_gone_does_not(s: Scene) -> None:
    made = s.sold(said={"payment": PaymentStatus.PENDING})
    await s.look(s.shop.put(made))
    s.b.clock.tick(120)
    await s.look(s.shop.put_nonsense(5001, s.b.clock() - timedelta(seconds=10)))
    assert await kept(s) == ("pending", None)

    booked = await s.book(5002)
    del s.shop.held[booked.ref]
    s.b.clock.tick(120)
    await s.look(booked.ref, attempts=4)
    assert (await s.row(5002))["payment"] == "", "deleted in the channel: nothing is known any more"
