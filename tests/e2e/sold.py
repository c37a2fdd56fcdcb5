"""What a shop sold, in nobody's words: each system's books read into one form, by one small reader each.

The readers are the judges' own: they share nothing with the rooms that they judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Record = Mapping[str, Any]
Goods = Mapping[str, int]
"""Pieces by UPC; none of zero pieces."""


@dataclass(frozen=True)
class Sold:
    """One order. Amounts are what its customer pays, in the currency it is paid in.

    ``at_first`` and ``goods_at_first`` are before it was cancelled: what was booked by then stands as it was sold.
    """

    id: str
    """The channel's own, never the name."""
    name: str
    currency: str
    total: Decimal
    at_first: Decimal
    goods: Goods
    goods_at_first: Goods
    paid: bool
    """It has been paid, is no test and stands."""
    cancelled: bool
    test: bool
    no_order: bool
    """The shop has it in its books, and nobody is to see an order in it (an abandoned checkout)."""
    status: str
    """In the shop's words."""
    spoilt: tuple[str, ...]
    """What the shopper made wrong on purpose."""
    later: tuple[str, ...]
    """What the shopper was going to do with it."""

    @property
    def never_paid(self) -> bool:
        """Nobody has paid it, and it stands."""
        return not (self.paid or self.cancelled or self.test)


def pieces(lines: Iterable[tuple[str | None, int]]) -> Goods:
    """Lines of one UPC are one entry; what has none is nobody's goods."""
    counted: Counter[str] = Counter()
    for upc, count in lines:
        if upc and count:
            counted[upc] += count
    return dict(counted)


def spoilt(order: Record) -> tuple[str, ...]:
    return tuple(order["_sandbox"].get("unbookable") or ())


def later(order: Record) -> tuple[str, ...]:
    return tuple(order["_sandbox"].get("later") or ())


def of_shopify(order: Record) -> Sold:
    lines, standing = order["lineItems"], not order["cancelledAt"]
    return Sold(
        id=str(order["legacyResourceId"]),
        name=order["name"],
        currency=order["presentmentCurrencyCode"],
        total=_presented(order["currentTotalPriceSet"]),
        at_first=_presented(order["totalPriceSet"]),
        goods=pieces((line["sku"], line["currentQuantity"]) for line in lines),
        goods_at_first=pieces((line["sku"], line["quantity"]) for line in lines),
        paid=order["displayFinancialStatus"] == "PAID" and not order["test"] and standing,
        cancelled=not standing,
        test=order["test"],
        no_order=False,
        status=order["displayFinancialStatus"],
        spoilt=spoilt(order),
        later=later(order),
    )


def _presented(money: Record) -> Decimal:
    return Decimal(money["presentmentMoney"]["amount"])
