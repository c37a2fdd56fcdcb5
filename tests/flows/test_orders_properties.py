"""Money, for any order that ties: its parts tie to the cent, whatever the mix and however its lines are ordered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bcbridge.model.ids import Ref
from bcbridge.model.money import cent, spread
from bcbridge.model.order import Allowance, Assignment, Charge, LineKind, Order, OrderLine, Reduction, Shipping, Tax
from bcbridge.model.outcome import Blocked, Ready
from bcbridge.model.sales_order import SalesOrder
from tests.flows.at_hand import DRESS, HOME, HOUSE, LONDON, SHIRT, SKIRT, line, order, tender

CURRENCIES = ("USD", "GBP", "JPY", "KWD")
PLACES = ("New Jersey DC", "California DC")
Draw = st.DrawFn


def amounts(draw: Draw, currency: str, top: int = 50_000) -> Decimal:
    return draw(st.integers(0, top)) * cent(currency)


@st.composite
def goods(draw: Draw, currency: str, at: int) -> OrderLine:
    """A line with allowances up to all of it, tax, perhaps a duty, leaving from one place or two."""
    quantity = draw(st.integers(1, 9))
    amount = amounts(draw, currency)
    allowances, tax = _reduced(draw, amount, currency)
    here = draw(st.integers(0, quantity))
    shares = (Assignment(location=Ref(place), location_name=place, quantity=count) for place, count in
              zip(PLACES, (here, quantity - here), strict=True))  # fmt: skip
    duties = (Charge(kind="duty", name="", amount=amounts(draw, currency, 900)),) if draw(st.booleans()) else ()
    return OrderLine(
        ref=Ref(f"line-{at}"),
        kind=LineKind.GOODS,
        sku=draw(st.sampled_from((DRESS, SKIRT, SHIRT))),
        barcode=None,
        title="Garment",
        variant=None,
        ordered=quantity + draw(st.integers(0, 2)),
        quantity=quantity,
        unit_price=amount / quantity,
        amount=amount,
        allowances=allowances,
        taxes=tax,
        charges=duties,
        assignments=tuple(share for share in shares if share.quantity),
        ship_to=draw(st.sampled_from((None, None, HOME, LONDON))),
    )


def _reduced(draw: Draw, amount: Decimal, currency: str) -> tuple[tuple[Allowance, ...], tuple[Tax, ...]]:
    off = draw(st.integers(0, int(amount / cent(currency)))) * cent(currency)
    names = draw(st.sampled_from((("WELCOME10",), ("WELCOME10", "SUMMER15"), ("TRADE-1", "TRADE-2", "FREESHIP"))))
    cut = spread(off, [Decimal(draw(st.integers(1, 9))) for _ in names], currency)
    allowances = tuple(Allowance(name=name, amount=share) for name, share in zip(names, cut, strict=True))
    tax = ((amount - off) / draw(st.integers(5, 40))).quantize(cent(currency))
    return allowances, (Tax(title="VAT", rate=Decimal("0.2"), amount=tax),)


@st.composite
def freight(draw: Draw, currency: str) -> Shipping:
    amount = amounts(draw, currency, 3_000)
    allowances, tax = _reduced(draw, amount, currency)
    to = draw(st.sampled_from((None, LONDON)))
    return Shipping(
        ref=Ref("ship"), title="Standard", code="", amount=amount, allowances=allowances, taxes=tax, ship_to=to
    )


@st.composite
def reductions(draw: Draw, currency: str, net: Decimal, taxed: Decimal) -> Reduction:
    """Money off the whole order: up to nearly half of what it costs, and up to half of its tax."""
    spare = max(net / 2 - cent(currency), Decimal(0))
    amount = amounts(draw, currency, int(spare / cent(currency)))
    tax = amounts(draw, currency, int(taxed / 2 / cent(currency)))
    return Reduction(name="SUMMER15", amount=amount, taxes=(Tax(title="VAT", rate=None, amount=tax),))


@st.composite
def orders(draw: Draw) -> Order:
    """An order as a channel would tell it; its total is the plain sum of what the customer is charged."""
    currency, included = draw(st.sampled_from(CURRENCIES)), draw(st.booleans())
    lines = tuple(draw(goods(currency, at)) for at in range(draw(st.integers(1, 5))))
    ship = draw(st.lists(freight(currency), max_size=2))
    fee = Charge(kind="fee", name="Import", amount=amounts(draw, currency, 900))
    tip = amounts(draw, currency, 900)
    rounding = draw(st.integers(-2, 2)) * cent(currency)
    of_all: list[OrderLine | Shipping] = [*lines, *ship]
    charged = sum((_charged(one, included) for one in of_all), fee.amount + tip)
    taxed = sum((tax.amount for one in of_all for tax in one.taxes), Decimal(0))
    less = draw(st.lists(reductions(currency, charged - taxed, taxed), max_size=2))
    said: dict[str, Any] = {"currency": currency, "prices_include_tax": included, "charges": (fee,), "tip": tip}
    said["reductions"] = tuple(less)
    total = charged + rounding - sum(one.amount + one.taxes[0].amount for one in less)
    return order(
        *lines,
        ship=ship,
        total=str(max(total, Decimal(0))),
        rounding=rounding if total >= 0 else rounding - total,
        **said,
    )


def _charged(one: OrderLine | Shipping, included: bool) -> Decimal:
    charged = one.amount - sum(allowance.amount for allowance in one.allowances)
    charged += Decimal(0) if included else sum((tax.amount for tax in one.taxes), Decimal(0))
    duties = one.charges if isinstance(one, OrderLine) else ()
    return sum((duty.amount for duty in duties), charged)


def added_up(part: SalesOrder) -> Decimal:
    rows = sum((row.quantity * row.price for row in part.lines), Decimal(0))
    charges = sum((charge.amount for charge in part.charges), part.tax + part.freight)
    return rows + charges - sum(allowance.amount for allowance in part.allowances)


@settings(max_examples=200, deadline=None)
@given(orders(), st.booleans())
def test_the_parts_of_any_order_tie_to_the_cent(whole: Order, by_warehouse: bool) -> None:
    parts = HOUSE.setting(parts_by_warehouse=by_warehouse).parts(whole)
    assert sum(part.total for part in parts) == whole.total
    for part in parts:
        assert added_up(part) == part.total
        assert all(row.price >= 0 and row.quantity > 0 for row in part.lines)
        assert all(allowance.amount > 0 for allowance in part.allowances)
        assert part.tax >= 0


@settings(max_examples=100, deadline=None)
@given(orders(), st.booleans())
def test_every_piece_is_booked_once_and_leaves_from_where_it_is(whole: Order, by_warehouse: bool) -> None:
    parts = HOUSE.setting(parts_by_warehouse=by_warehouse).parts(whole)
    booked: dict[tuple[str, str], int] = {}
    for row in (row for part in parts for row in part.lines):
        booked[row.upc, row.warehouse] = booked.get((row.upc, row.warehouse), 0) + row.quantity
    sold: dict[tuple[str, str], int] = {}
    codes = dict(zip(PLACES, ("NJ1", "CA1"), strict=True))
    for sku, share in ((one.sku, share) for one in whole.lines for share in one.assignments):
        key = sku, codes[share.location_name]
        sold[key] = sold.get(key, 0) + share.quantity
    assert booked == sold


@settings(max_examples=100, deadline=None)
@given(orders())
def test_every_piece_goes_to_its_own_address(whole: Order) -> None:
    booked, sold = dict[str, int](), dict[str, int]()
    for part in HOUSE.parts(whole):
        assert part.ship_to in (HOME, LONDON)
        booked[part.ship_to.city] = booked.get(part.ship_to.city, 0) + sum(row.quantity for row in part.lines)
    for one in whole.lines:
        city = (one.ship_to or HOME).city
        sold[city] = sold.get(city, 0) + one.quantity
    assert booked == sold


@settings(max_examples=100, deadline=None)
@given(orders(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_no_total(whole: Order, by_warehouse: bool, chance: Any) -> None:
    house = HOUSE.setting(parts_by_warehouse=by_warehouse)
    shuffled = whole.model_copy(update={"lines": tuple(chance.sample(whole.lines, len(whole.lines)))})
    assert [_figures(part) for part in house.parts(shuffled)] == [_figures(part) for part in house.parts(whole)]


def _figures(part: SalesOrder) -> tuple[Any, ...]:
    rows = sorted((row.upc, row.warehouse, row.price, row.quantity) for row in part.lines)
    return part.reference, part.division, part.total, part.tax, part.freight, part.allowances, part.charges, rows


@settings(max_examples=100, deadline=None)
@given(orders(), st.integers(-3, 3).filter(bool))
def test_an_order_that_misses_by_a_cent_is_never_booked(whole: Order, cents: int) -> None:
    total = whole.total + cents * cent(whole.currency)
    off = whole.model_copy(update={"total": total, "tenders": (tender("card", str(total)),)})
    outcome = HOUSE.judge(off)
    assert isinstance(outcome, Blocked)
    assert "money_does_not_tie" in {problem.code for problem in outcome.problems}


@given(st.integers(0, 10**6), st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.sampled_from(CURRENCIES))
def test_what_is_spread_adds_up_and_strays_less_than_a_cent(units: int, weights: list[int], currency: str) -> None:
    amount = units * cent(currency)
    shares = spread(amount, [Decimal(weight) for weight in weights], currency)
    assert sum(shares) == amount
    if any(weights):
        exact = [amount * weight / sum(weights) for weight in weights]
        assert all(abs(share - ideal) < cent(currency) for share, ideal in zip(shares, exact, strict=True))


def test_judging_twice_says_the_same() -> None:
    once = order(line(DRESS, "50.00"), total="50.00")
    first, second = HOUSE.judge(once), HOUSE.judge(once)
    assert isinstance(first, Ready)
    assert first == second
