"""What everything costs net of tax: the one arithmetic that lines, shipping, duties, fees, tips, gift cards and money
off the whole order share.

Each amount keeps its own tie: value - allowances + tax is to the cent what the channel charged for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.model.money import to_cents
from bcbridge.model.order import Allowance, Charge, LineKind, Order, OrderLine, Reduction, Tax

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Price:
    """One amount net of tax: its value before allowances, the allowances, and the tax beside it."""

    value: Decimal
    allowances: tuple[Allowance, ...] = ()
    tax: Decimal = NOTHING

    @property
    def allowed(self) -> Decimal:
        return total(allowance.amount for allowance in self.allowances)

    @property
    def charged(self) -> Decimal:
        """What the customer pays for it, tax and all."""
        return self.value - self.allowed + self.tax


@dataclass(frozen=True, slots=True)
class PricedCharge:
    """Money beside the goods, under its key in mappings/charges.toml: ``gift_card``, ``fee/Gift wrap``."""

    key: str
    price: Price


@dataclass(frozen=True, slots=True)
class PricedLine:
    line: OrderLine
    price: Price
    charges: tuple[PricedCharge, ...]
    """Its own duties; they stay with the line's part."""


@dataclass(frozen=True, slots=True)
class Prices:
    """A whole order: goods, freight, the charges that belong to no goods line, and what is off the whole of it."""

    goods: tuple[PricedLine, ...]
    freight: tuple[Price, ...]
    charges: tuple[PricedCharge, ...]
    reductions: tuple[Price, ...] = ()
    """Of no value of their own: an allowance each, and the tax it takes away below zero."""

    @property
    def all_charges(self) -> tuple[PricedCharge, ...]:
        return (*self.charges, *(charge for line in self.goods for charge in line.charges))

    @property
    def everything(self) -> tuple[Price, ...]:
        goods = (line.price for line in self.goods)
        return (*goods, *self.freight, *(charge.price for charge in self.all_charges), *self.reductions)

    @property
    def allowances(self) -> tuple[Allowance, ...]:
        return tuple(allowance for price in self.everything for allowance in price.allowances)


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, NOTHING)


def priced(order: Order) -> Prices:
    """Every component of the order's current quantities; removed lines (quantity 0) are gone with all they carried."""
    standing = [line for line in order.lines if line.quantity]
    goods = tuple(_priced_line(line, order) for line in standing if line.kind is LineKind.GOODS)
    freight = tuple(_price(one.amount, one.allowances, one.taxes, order) for one in order.shipping)
    beside = (*_beside(standing, order), *_tip(standing, order), *_rounding(order))
    off = tuple(price for price in map(_reduction, order.reductions) if price.charged)
    return Prices(goods, freight, beside, off)


def _priced_line(line: OrderLine, order: Order) -> PricedLine:
    price = _price(line.amount, line.allowances, line.taxes, order)
    return PricedLine(line, price, tuple(_priced_charge(charge, order) for charge in line.charges))


def _priced_charge(charge: Charge, order: Order) -> PricedCharge:
    """A duty called Duty has no name of its own."""
    named = charge.name and charge.name.casefold() != charge.kind
    key = f"{charge.kind}/{charge.name}" if named else charge.kind
    return PricedCharge(key, _price(charge.amount, (), charge.taxes, order))


_CHARGED_LINES = {LineKind.GIFT_CARD: "gift_card", LineKind.TIP: "tip"}


def _beside(standing: Sequence[OrderLine], order: Order) -> list[PricedCharge]:
    """Lines that are no goods, what they carry, and the fees of the order as a whole."""
    lines = [line for line in standing if line.kind in _CHARGED_LINES]
    carried = [charge for line in lines for charge in line.charges]
    return [
        *(PricedCharge(_CHARGED_LINES[ln.kind], _price(ln.amount, ln.allowances, ln.taxes, order)) for ln in lines),
        *(_priced_charge(charge, order) for charge in (*carried, *order.charges)),
    ]


def _tip(standing: Sequence[OrderLine], order: Order) -> list[PricedCharge]:
    """A tip is a line and a figure of the order; it is counted once, as its line where there is one."""
    has_line = any(line.kind is LineKind.TIP for line in standing)
    return [PricedCharge("tip", Price(order.tip))] if order.tip and not has_line else []


def _rounding(order: Order) -> list[PricedCharge]:
    return [PricedCharge("rounding", Price(order.rounding))] if order.rounding else []


def _reduction(one: Reduction) -> Price:
    """Net already, whatever the order's other amounts contain."""
    return Price(NOTHING, (Allowance(name=one.name, amount=one.amount),), -total(tax.amount for tax in one.taxes))


def _price(amount: Decimal, allowances: Sequence[Allowance], taxes: Sequence[Tax], order: Order) -> Price:
    tax = total(one.amount for one in taxes)
    named = [allowance for allowance in allowances if allowance.amount]
    if not order.prices_include_tax:
        return Price(amount, tuple(named), tax)
    charged = amount - total(one.amount for one in named)
    share = _net_share(charged, tax, taxes)
    net = tuple(Allowance(name=one.name, amount=to_cents(one.amount * share, order.currency)) for one in named)
    return Price(charged - tax + total(one.amount for one in net), net, tax)


def _net_share(charged: Decimal, tax: Decimal, taxes: Sequence[Tax]) -> Decimal:
    """How much of an amount with tax in it is not tax; by the rates where nothing was charged at all."""
    if charged:
        return (charged - tax) / charged
    return 1 / (1 + total(max(one.rate or NOTHING, NOTHING) for one in taxes))
