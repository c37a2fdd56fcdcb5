"""What was taken off, once.

A discount of the whole order is spread by BigCommerce over its lines (``target: order``) beside those of a line
itself, and the order's totals (``discount_amount``, ``coupon_discount``) tell their sum again. So the lines' own are
the allowances, and of the order's totals only what no line accounts for is anything more: a coupon for shipping, or
a discount that was never spread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.money import Side, total
from bcbridge.model.money import spread, to_cents
from bcbridge.model.order import Allowance

SHIPPING_COUPONS = (3, 4)
"""A shipping discount, and free shipping."""
MANUAL = "Manual Discount"
"""What BigCommerce calls a discount a person gave."""

Given = Mapping[int, tuple[Allowance, ...]]
"""Allowances by line id."""


@dataclass(frozen=True, slots=True)
class Discounts:
    """One reading of an order's discounts."""

    lines: Given
    shipping: tuple[Allowance, ...] = ()


def readings(whole: wire.Whole, side: Side) -> list[Discounts]:
    """Every way the discounts may be meant, the documented one first."""
    every = _of_lines(whole, side, lambda one: True)
    plain = Discounts(every)
    left = _left(whole, side, every)
    found = [_with_rest(whole, side, every, left), plain] if left > 0 else [plain]
    if any(one.target == "product" and one.amount for line in whole.lines for one in line.applied_discounts):
        found.append(Discounts(_of_lines(whole, side, lambda one: one.target != "product")))
    return found


def name_of(code: str, name: str, fallback: str = MANUAL) -> str:
    """The code the customer gave, else what the promotion is called."""
    return code.strip() or name.strip() or fallback


def _of_lines(whole: wire.Whole, side: Side, counts: Callable[[wire.AppliedDiscount], bool]) -> Given:
    """Each discount to the cent over all the lines it was spread on."""
    shares = [(line.id, one) for line in whole.lines for one in line.applied_discounts if counts(one) and one.amount]
    settled: list[tuple[int, Allowance]] = []
    for key in dict.fromkeys(_key(one) for _, one in shares):
        same = [(line, one) for line, one in shares if _key(one) == key]
        amounts = side.settled([one.amount for _, one in same])
        settled += [
            (line, Allowance(name=name_of(one.code, one.name, one.id or MANUAL), amount=amount))
            for (line, one), amount in zip(same, amounts, strict=True)
            if amount
        ]
    return {line: tuple(one for of, one in settled if of == line) for line in dict.fromkeys(of for of, _ in settled)}


def _key(one: wire.AppliedDiscount) -> tuple[str, str, str]:
    return one.id, one.code, one.name


def _left(whole: wire.Whole, side: Side, given: Given) -> Decimal:
    """What the order's totals took off beyond its lines' discounts."""
    off = to_cents(whole.order.discount_amount + whole.order.coupon_discount, side.currency)
    return off - total([one.amount for allowed in given.values() for one in allowed])


def _with_rest(whole: wire.Whole, side: Side, given: Given, left: Decimal) -> Discounts:
    """Off shipping, as far as there are coupons for it; the rest off the lines, by what they cost."""
    off_shipping: list[Allowance] = []
    for coupon in (one for one in whole.coupons if one.type in SHIPPING_COUPONS):
        amount = min(left, side.plain(coupon.discount))
        left -= amount
        off_shipping += [Allowance(name=name_of(coupon.code, ""), amount=amount)] if amount else []
    return Discounts(_spread(whole, side, given, left), tuple(off_shipping))


def _spread(whole: wire.Whole, side: Side, given: Given, left: Decimal) -> Given:
    if not left:
        return given
    name = _name_of_rest(whole)
    shares = spread(left, [side.amount(line.total_ex_tax, line.total_inc_tax) for line in whole.lines], side.currency)
    more = {line.id: share for line, share in zip(whole.lines, shares, strict=True) if share}
    off = {line: (Allowance(name=name, amount=share),) for line, share in more.items()}
    return {line: (*given.get(line, ()), *off.get(line, ())) for line in dict.fromkeys((*given, *off))}


def _name_of_rest(whole: wire.Whole) -> str:
    """The coupons that are named nowhere else, or what a person gave."""
    spread_codes = {one.code for line in whole.lines for one in line.applied_discounts}
    codes = [one.code for one in whole.coupons if one.type not in SHIPPING_COUPONS and one.code not in spread_codes]
    return " + ".join(dict.fromkeys(filter(None, codes))) or MANUAL
