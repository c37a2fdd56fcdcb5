"""Money: how small a currency goes, rounding to it, and sharing an amount so that the shares add up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Minor-unit digits (ISO 4217) of the currencies that do not have two."""


def cent(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01, for JPY 1, for KWD 0.001."""
    return Decimal(1).scaleb(-_EXPONENTS.get(currency, 2))


def to_cents(amount: Decimal, currency: str) -> Decimal:
    """Rounded to the currency's smallest amount, half away from zero."""
    return amount.quantize(cent(currency), ROUND_HALF_UP)


def is_exact(amount: Decimal, currency: str) -> bool:
    """Whether an amount can be paid in the currency at all."""
    return amount % cent(currency) == 0


def spread(amount: Decimal, weights: Sequence[Decimal], currency: str) -> tuple[Decimal, ...]:
    """``amount`` shared by ``weights`` (none negative), to the cent, summing to it exactly.

    Odd cents go to the largest remainders, the earlier first. Without any weight the first takes all.
    """
    if not any(weights):
        return (amount, *(Decimal(0) for _ in weights[1:])) if weights else ()
    exact = [amount * weight / sum(weights) for weight in weights]
    shares = [share.quantize(cent(currency), ROUND_DOWN) for share in exact]
    left = amount - sum(shares)
    odd = cent(currency).copy_sign(left)
    by_remainder = sorted(range(len(shares)), key=lambda at: (-abs(exact[at] - shares[at]), at))
    for at in by_remainder[: int(left / odd)]:
        shares[at] += odd
    return tuple(shares)
