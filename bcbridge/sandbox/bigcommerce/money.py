"""Amounts as BigCommerce writes them: strings with four decimals, ex and inc tax (2.3).

What is charged is rounded to the cent where it is born (a price, a discount's share, a tax) and only added after
that; what is merely the net side of a gross price keeps its four decimals, as the vendor's examples do.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
FINE = Decimal("0.0001")
NOTHING = Decimal(0)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def four(amount: Decimal) -> str:
    """As the API writes it."""
    return str(amount.quantize(FINE, ROUND_HALF_UP))


def total(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, NOTHING)


def spread(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """``amount`` cut by ``weights`` to the cent; the odd cents go one each to the first that have weight."""
    whole = total(weights)
    if not whole:
        return [NOTHING] * len(weights)
    parts = [(amount * weight / whole).quantize(CENT, ROUND_DOWN) for weight in weights]
    left = int((amount - total(parts)) / CENT)
    for place in [place for place, weight in enumerate(weights) if weight][:left]:
        parts[place] += CENT
    return parts
