"""Money as Shopify keeps it: each amount twice, in the shop's currency and in the customer's.

Both sides are rounded where an amount is born (a price, an allocation, a tax line) and only added after that,
so each side ties by itself, to the cent (contracts/shopify/NOTES.md 1.6).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from bcbridge.sandbox.shopping import cart

CENT = Decimal("0.01")
JSON = dict[str, Any]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def spread(amount: Decimal, weights: list[Decimal]) -> list[Decimal]:
    """``amount`` cut by ``weights``; the odd cents go one at a time to the first ones, so the parts sum exactly."""
    whole = sum(weights, Decimal(0))
    if not weights or not whole:
        return [amount, *[Decimal("0.00")] * (len(weights) - 1)] if weights else []
    sign = -1 if amount < 0 else 1
    parts = [(abs(amount) * weight / whole).quantize(CENT, "ROUND_DOWN") for weight in weights]
    left = int((abs(amount) - sum(parts)) / CENT)
    for turn in range(left):
        parts[turn % len(parts)] += CENT
    return [part * sign for part in parts]


class Bag(NamedTuple):
    """One amount on both sides."""

    shop: Decimal = Decimal("0.00")
    presentment: Decimal = Decimal("0.00")

    def plus(self, *others: Bag) -> Bag:
        return total([self, *others])

    def minus(self, other: Bag) -> Bag:
        return Bag(self.shop - other.shop, self.presentment - other.presentment)

    def times(self, count: int) -> Bag:
        return Bag(self.shop * count, self.presentment * count)

    def part(self, fraction: Decimal) -> Bag:
        return Bag(cents(self.shop * fraction), cents(self.presentment * fraction))

    def spread(self, weights: list[Bag]) -> list[Bag]:
        shop = spread(self.shop, [weight.shop for weight in weights])
        presentment = spread(self.presentment, [weight.presentment for weight in weights])
        return [Bag(*both) for both in zip(shop, presentment, strict=True)]

    def first(self, units: int, of: int) -> Bag:
        """The share of the first ``units`` of ``of`` equal units; the odd cents are theirs."""
        if units == of:
            return self
        return total(self.spread([Bag(Decimal(1), Decimal(1))] * of)[:units])

    @property
    def empty(self) -> bool:
        return not self.shop and not self.presentment


NOTHING = Bag()


def total(bags: Iterable[Bag]) -> Bag:
    shop = presentment = Decimal("0.00")
    for bag in bags:
        shop += bag.shop
        presentment += bag.presentment
    return Bag(shop, presentment)


class Currency(cart.Currency):
    """Makes bags of amounts."""

    def bag(self, presentment: Decimal) -> Bag:
        """An amount the customer sees, with the shop's side converted and rounded."""
        amount = cents(presentment)
        return Bag(amount if self.shop == self.presentment else cents(amount * self.rate), amount)

    def money(self, bag: Bag) -> JSON:
        """As a ``MoneyBag``."""
        return {
            "shopMoney": {"amount": f"{bag.shop:.2f}", "currencyCode": self.shop},
            "presentmentMoney": {"amount": f"{bag.presentment:.2f}", "currencyCode": self.presentment},
        }


def read(money: JSON | None) -> Bag:
    """A ``MoneyBag`` back into amounts; absent is nothing."""
    if money is None:
        return NOTHING
    return Bag(Decimal(money["shopMoney"]["amount"]), Decimal(money["presentmentMoney"]["amount"]))


def currency_of(order: JSON) -> Currency:
    """The order's two currencies; the rate is the one its checkout used."""
    rate = Decimal(order.get("_sandbox", {}).get("rate", "1"))
    return Currency(order["currencyCode"], order["presentmentCurrencyCode"], rate)
