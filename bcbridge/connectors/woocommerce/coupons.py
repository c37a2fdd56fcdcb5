"""Which coupon took what off which line: the shop tells the sum of each coupon and of each line, not their crossing.

Each line's reduction is shared among the coupons by what is left of them, so that in the end every line's and every
coupon's sum holds to the cent. What no coupon explains (a price changed by hand) has a name of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bcbridge.connectors.woocommerce import wire
from bcbridge.model.money import cent, spread, to_cents
from bcbridge.model.order import Allowance

REDUCED = "(price reduced)"


def allowances(
    taken_off: Sequence[Decimal], coupons: Sequence[wire.CouponLine], currency: str
) -> tuple[tuple[Allowance, ...], ...]:
    """For each of ``taken_off`` (cents, none below zero) its allowances. Coupons with one code are one."""
    left = _budgets(taken_off, coupons, currency)
    return tuple(_share(amount, left, currency) for amount in taken_off)


def _budgets(taken_off: Sequence[Decimal], coupons: Sequence[wire.CouponLine], currency: str) -> dict[str, Decimal]:
    """What each name has to give, together exactly what was taken off."""
    total = sum(taken_off, Decimal(0))
    given: dict[str, Decimal] = {}
    for coupon in coupons:
        if coupon.discount > 0:
            given[coupon.code] = given.get(coupon.code, Decimal(0)) + coupon.discount
    explained = sum(given.values(), Decimal(0))
    rounding = cent(currency) * (sum(map(bool, taken_off)) + len(given))
    if not given:
        return {REDUCED: total}
    if total - explained < rounding:
        return dict(zip(given, spread(total, list(given.values()), currency), strict=True))
    whole = {code: to_cents(amount, currency) for code, amount in given.items()}
    rest = total - sum(whole.values(), Decimal(0))
    return {**whole, REDUCED: whole.get(REDUCED, Decimal(0)) + rest}


def _share(amount: Decimal, left: dict[str, Decimal], currency: str) -> tuple[Allowance, ...]:
    """One line's, taken out of what is left."""
    if not amount:
        return ()
    shares = dict(zip(left, spread(amount, list(left.values()), currency), strict=True))
    for name, share in shares.items():
        left[name] -= share
    return tuple(Allowance(name=name, amount=share) for name, share in shares.items() if share)
