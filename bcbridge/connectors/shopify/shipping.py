"""Shipping lines of an order, as sold and after refunds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bcbridge.connectors.shopify import wire
from bcbridge.connectors.shopify.ledger import Ledger
from bcbridge.connectors.shopify.lines import allowances, taxes
from bcbridge.connectors.shopify.money import Side
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.money import spread, to_cents
from bcbridge.model.order import Allowance, Shipping, Tax


def is_reduced(line: wire.ShippingLine, side: Side) -> bool:
    """Part of its price was given back."""
    return side.amount(line.current_discounted_price_set) != side.amount(line.discounted_price_set)


def as_sold(line: wire.ShippingLine, side: Side) -> Shipping:
    return _shipping(
        line,
        amount=side.amount(line.original_price_set),
        given=allowances(line.discount_allocations, side),
        taxed=taxes(line.tax_lines, side),
    )


def now(line: wire.ShippingLine, side: Side, ledger: Ledger | None) -> Shipping:
    """What is left of a line that was not removed.

    Of a reduced one the discounts shrink with the price, the taxes come from the ledger.
    """
    if not is_reduced(line, side):
        return as_sold(line, side)
    price = side.amount(line.current_discounted_price_set)
    given = _scaled(allowances(line.discount_allocations, side), _part_left(line, price, side), side)
    taxed = _taxes_left(line, ledger) if price else ()
    return _shipping(line, amount=price + sum((one.amount for one in given), Decimal(0)), given=given, taxed=taxed)


def _part_left(line: wire.ShippingLine, price: Decimal, side: Side) -> Decimal:
    sold = side.amount(line.discounted_price_set)
    return price / sold if sold else Decimal(0)


def _scaled(given: Sequence[Allowance], part: Decimal, side: Side) -> tuple[Allowance, ...]:
    amounts = [one.amount for one in given]
    left = to_cents(sum(amounts, Decimal(0)) * part, side.currency)
    named = zip(given, spread(left, amounts, side.currency), strict=True)
    return tuple(Allowance(name=one.name, amount=share) for one, share in named if share)


def _taxes_left(line: wire.ShippingLine, ledger: Ledger | None) -> tuple[Tax, ...]:
    entry = ledger[line.id] if ledger and line.id else None
    if entry is not None:
        return entry.taxes()
    if line.tax_lines:
        raise Malformed("shipping was refunded and no sales agreement tells of its tax", where=line.id or line.title)
    return ()


def _shipping(
    line: wire.ShippingLine, *, amount: Decimal, given: tuple[Allowance, ...], taxed: tuple[Tax, ...]
) -> Shipping:
    return Shipping(
        ref=Ref(line.id or ""),
        title=line.title,
        code=line.code or "",
        amount=amount,
        allowances=given,
        taxes=taxed,
    )
