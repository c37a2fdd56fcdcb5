"""A line of the channel as rows of the ERP: one SKU, one price, one warehouse each."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal

from bcbridge.flows.orders.goods import Goods
from bcbridge.model.ids import Upc
from bcbridge.model.money import cent
from bcbridge.model.sales_order import SalesOrderLine


def rows_of(goods: Goods, currency: str) -> tuple[SalesOrderLine, ...]:
    """Rows whose sum is the line's value to the cent, not numbered yet.

    3 pieces for 100.00 are 2 at 33.33 and 1 at 33.34.
    """
    prices = _piece_prices(goods.priced.price.value, goods.priced.line.quantity, currency)
    rows: list[SalesOrderLine] = []
    for warehouse, count in goods.pieces:
        taken = [next(prices) for _ in range(count)]
        rows.extend(_row(goods, taken.count(price), price, warehouse) for price in dict.fromkeys(taken))
    return tuple(rows)


def _piece_prices(value: Decimal, quantity: int, currency: str) -> Iterator[Decimal]:
    """A price per piece; the last pieces cost the odd cents more."""
    low = (value / quantity).quantize(cent(currency), ROUND_DOWN)
    dearer = int((value - low * quantity) / cent(currency))
    yield from (low for _ in range(quantity - dearer))
    yield from (low + cent(currency) for _ in range(dearer))


def _row(goods: Goods, quantity: int, price: Decimal, warehouse: str) -> SalesOrderLine:
    return SalesOrderLine(
        line_seq=0,
        sku=goods.sku.parts,
        upc=Upc(goods.priced.line.sku),
        quantity=quantity,
        price=price,
        warehouse=warehouse,
    )


def value_of(row: SalesOrderLine) -> Decimal:
    return row.price * row.quantity
