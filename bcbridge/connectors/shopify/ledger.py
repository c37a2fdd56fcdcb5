"""Shopify's sales agreements, summed: what is left of each thing that was sold, to the cent.

Every order, edit, refund and return writes signed sales; odd cents are handed out line by line and never moved again,
so the share of a reduced line is the sum of *its* sales and nothing that could be computed
(contracts/shopify/NOTES.md 1.6). ``totalAmount`` is after taxes and discounts; the discount is what is missing from
quantity x price, which leaves no question of the sign or the tax basis of their two discount fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from bcbridge.connectors.shopify.money import Side
from bcbridge.connectors.shopify.wire import Agreement, Sale
from bcbridge.model.order import Tax

TaxKey = tuple[str, Decimal | None]


@dataclass(slots=True)
class Entry:
    """The sum of all sales about one thing."""

    sales: int = 0
    quantity: int = 0
    total: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    by_tax: dict[TaxKey, Decimal] = field(default_factory=dict)
    tip: bool = False

    def add(self, sale: Sale, side: Side) -> None:
        self.sales += 1
        total = side.amount(sale.total_amount)
        self.quantity += _pieces(sale, total)
        self.total += total
        self.tax += side.amount(sale.total_tax_amount)
        self.tip = self.tip or sale.typename == "TipSale"
        for tax in sale.taxes:
            key = (tax.tax_line.title, tax.tax_line.rate)
            self.by_tax[key] = self.by_tax.get(key, Decimal(0)) + side.amount(tax.amount)

    def net(self, *, taxes_included: bool) -> Decimal:
        """What is left on the basis the shop's prices stand on: with the tax where they contain it."""
        return self.total if taxes_included else self.total - self.tax

    def taxes(self) -> tuple[Tax, ...]:
        """What is left of each tax; those wholly given back are gone."""
        left = ((key, amount) for key, amount in self.by_tax.items() if amount)
        return tuple(Tax(title=title, rate=rate, amount=amount) for (title, rate), amount in left)


def _pieces(sale: Sale, total: Decimal) -> int:
    """Signed: what is taken back counts below zero, whichever sign its quantity is written with."""
    quantity = sale.quantity or 0
    return -abs(quantity) if total < 0 or sale.action_type == "RETURN" else quantity


class Ledger:
    """All entries of one order by the id of what was sold: line, shipping line, duty or fee."""

    def __init__(self, agreements: Iterable[Agreement], side: Side) -> None:
        self._entries: dict[str, Entry] = {}
        for agreement in agreements:
            for sale in agreement.sales.nodes:
                self._add(sale, side)

    def __getitem__(self, gid: str) -> Entry | None:
        return self._entries.get(gid)

    def _add(self, sale: Sale, side: Side) -> None:
        thing = sale.line_item or sale.shipping_line or sale.duty or sale.additional_fee
        if thing is not None:  # an adjustment or a fee of no line: part of the order's total only
            self._entries.setdefault(thing.id, Entry()).add(sale, side)
