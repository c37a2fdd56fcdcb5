"""Amounts as WooCommerce keeps and shows them.

Kept are texts of up to six decimals (what a line costs without tax is rarely a whole cent), shown are texts of ``dp``
decimals, two unless asked otherwise. Taxes are rounded half down where prices contain them, half up where they do
not, so that net and tax of a rounded line always make its price again.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
KEPT = Decimal("0.000001")
NOTHING = Decimal(0)
GRAINS = tuple(Decimal(1).scaleb(-decimals) for decimals in range(9))
"""By how many decimals are shown."""


def kept(amount: Decimal) -> str:
    """As it stands in the database: six decimals at most, none that say nothing."""
    rounded = amount.quantize(KEPT, ROUND_HALF_UP).normalize()
    return format(rounded if rounded else NOTHING, "f")


def shown(text: str, decimals: int) -> str:
    """As the API shows it; ``decimals`` up to 8."""
    return format(Decimal(text).quantize(GRAINS[decimals], ROUND_HALF_UP), "f")


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def tax_cents(amount: Decimal, *, included: bool) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_DOWN if included else ROUND_HALF_UP)


def plain(amount: Decimal) -> int | float:
    """A JSON number as PHP writes a float."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def each(total: str, quantity: int) -> int | float:
    """A line's ``price``: what is left after discounts, by the piece, unrounded."""
    if not quantity:
        return 0
    one = float(total) / quantity
    return int(one) if one.is_integer() else one


def spread(amount: Decimal, weights: list[Decimal]) -> list[Decimal]:
    """``amount`` cut by ``weights`` in cents; odd cents go one each to the first, so that the parts sum exactly."""
    whole = sum(weights, NOTHING)
    if not whole:
        return [NOTHING for _ in weights]
    parts = [(amount * weight / whole).quantize(CENT, ROUND_DOWN) for weight in weights]
    for turn in range(int((amount - sum(parts, NOTHING)) / CENT)):
        parts[turn % len(parts)] += CENT
    return parts
