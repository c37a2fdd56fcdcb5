"""The side an order's money stands on, and cents.

BigCommerce tells every amount with and without tax, to four decimals. Only one of the two is what was charged, the
other is worked out: with ``is_tax_inclusive_pricing`` the one with tax, else the one without. Shares of a discount or
a tax may be finer than a cent; what they belong to is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.model.money import cent, is_exact, spread, to_cents

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Side:
    """Which of the two amounts of one order is booked, and in what currency."""

    with_tax: bool
    currency: str

    def amount(self, ex_tax: Decimal, inc_tax: Decimal) -> Decimal:
        return self.plain(inc_tax if self.with_tax else ex_tax)

    def plain(self, amount: Decimal) -> Decimal:
        """``28.0000`` as 28.00; what is finer than a cent stays as it is."""
        return to_cents(amount, self.currency) if is_exact(amount, self.currency) else amount

    def settled(self, amounts: Sequence[Decimal]) -> list[Decimal]:
        """The same amounts to the cent, adding up to their sum to the cent: thirds of 10.00 are 3.33, 3.33, 3.34.

        Amounts that are cents already stay as they are, and so do all where one is below nothing.
        """
        if all(is_exact(amount, self.currency) for amount in amounts) or any(amount < 0 for amount in amounts):
            return [self.plain(amount) for amount in amounts]
        return list(spread(to_cents(total(amounts), self.currency), amounts, self.currency))

    def same(self, one: Decimal, other: Decimal) -> bool:
        """Whether two amounts are apart by less than a cent."""
        return abs(one - other) < cent(self.currency)


def total(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, NOTHING)
