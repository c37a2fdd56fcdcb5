"""A line of the channel as rows of the ERP: one SKU, one price, one warehouse each."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal

from bcbridge.flows.orders.goods import Goods
from bcbridge.model.money import cent
from bcbridge.model.sales_order import SalesOrderLine


def rows_of(goods: Goods, currency: str) -> tuple[SalesOrderLine, ...]:
    """Rows whose sum is the line's value to the cent, not numbered yet.

    3 pieces for 100.00 are 2 at 33.33 and 1 at 33.34.
    """
    left = _at_prices(goods.priced.price.value, goods.priced.line.quantity, currency)
    rows: list[SalesOrderLine] = []
    for warehouse, count in goods.pieces:
        rows.extend(_row(goods, taken, price, warehouse) for price, taken in _take(left, count))
    return tuple(rows)


def _at_prices(value: Decimal, quantity: int, currency: str) -> list[tuple[Decimal, int]]:
    """So many pieces at one price, and the rest, which carries the odd cents, at one cent more."""
    low = (value / quantity).quantize(cent(currency), ROUND_DOWN)
    dearer = int((value - low * quantity) / cent(currency))
    return [(low, quantity - dearer), (low + cent(currency), dearer)]


def _take(left: list[tuple[Decimal, int]], count: int) -> Iterator[tuple[Decimal, int]]:
    """The next ``count`` pieces, taken out of ``left``."""
    while count and left:
        price, there = left.pop(0)
        taken = min(there, count)
        count -= taken
        if there > taken:
            left.insert(0, (price, there - taken))
        if taken:
            yield price, taken


def _row(goods: Goods, quantity: int, price: Decimal, warehouse: str) -> SalesOrderLine:
    return SalesOrderLine(
        line_seq=0,
        sku=goods.sku.parts,
        upc=goods.sku.upc,
        quantity=quantity,
        price=price,
        warehouse=warehouse,
        line=goods.priced.line.ref,
    )


def value_of(row: SalesOrderLine) -> Decimal:
    return row.price * row.quantity
