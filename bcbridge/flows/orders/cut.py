"""One order, cut into the documents the ERP needs: by address, by division, and by warehouse where that is set.

Rows, allowances, tax and duties stay with the part of their line. Freight goes to the first part of its address, what
belongs to no line to the first of all; of what is off the whole order no part takes more than it costs. Parts stand in
the order of their address, division and warehouse, so that they are the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bcbridge.flows.orders.codes import Codes
from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.goods import NOWHERE, Goods, division_of, warehouse_of
from bcbridge.flows.orders.places import Places, places_of
from bcbridge.flows.orders.prices import NOTHING, Price, PricedCharge, Prices, total
from bcbridge.flows.orders.rows import rows_of, value_of
from bcbridge.mappings import NONE, Division
from bcbridge.model.money import spread, to_cents
from bcbridge.model.order import Allowance, Order
from bcbridge.model.sales_order import CodedAmount, SalesOrderLine


@dataclass(frozen=True, slots=True)
class PartKey:
    """What makes two pieces of an order go into two documents."""

    division: Division
    warehouse: str = ""
    place: int = 0
    """The number of the address it goes to (places.py)."""

    @property
    def rank(self) -> tuple[int | str, ...]:
        said = self.division
        return self.place, said.division, said.department, said.order_type, said.season, self.warehouse


@dataclass(slots=True)
class Part:
    """One document in the making; money by the ERP's codes."""

    key: PartKey
    rows: list[SalesOrderLine] = field(default_factory=list)
    allowances: dict[str, Decimal] = field(default_factory=dict)
    charges: dict[str, Decimal] = field(default_factory=dict)
    tax: Decimal = NOTHING
    freight: Decimal = NOTHING

    @property
    def warehouse(self) -> str:
        """Where most of its pieces leave; the first by name among equals."""
        pieces: dict[str, int] = {}
        for row in self.rows:
            pieces[row.warehouse] = pieces.get(row.warehouse, 0) + row.quantity
        return min(pieces, key=lambda code: (-pieces[code], code), default=self.key.warehouse)

    @property
    def total(self) -> Decimal:
        added = total(map(value_of, self.rows)) + self.tax + self.freight + total(self.charges.values())
        return added - total(self.allowances.values())

    @property
    def net(self) -> Decimal:
        return self.total - self.tax


def cut(order: Order, goods: Sequence[Goods], prices: Prices, codes: Codes, desk: Desk) -> list[Part]:
    """The parts, first to last. ``goods`` and ``codes`` are complete: nothing was blocked."""
    parts: dict[PartKey, Part] = {}
    places = places_of(order)
    for one in goods:
        _lay(one, parts, places, codes, desk)
    if not parts:
        key = _key_without_goods(desk)
        parts[key] = Part(key)
    ordered = [parts[key] for key in sorted(parts, key=lambda key: key.rank)]
    _lay_freight(places, prices, ordered, codes)
    _add_charges(ordered[0], prices.charges, codes)
    for reduction in prices.reductions:
        _lay_reduction(reduction, ordered, codes.allowances)
    return ordered


def check_goods(prices: Prices, desk: Desk, findings: Findings) -> None:
    """An order without goods (gift cards alone) needs a division and a warehouse of its own."""
    if prices.goods:
        return
    if not desk.settings.default_division:
        text = "no goods, and default_division names no division for such an order"
        findings.block("no_goods", "order", text)
        return
    warehouse_of(NOWHERE, "order", desk, findings)
    division_of(desk.settings.default_division, "order", desk, findings)


def _key_without_goods(desk: Desk) -> PartKey:
    division = desk.mappings.division(desk.channel, desk.settings.default_division)
    return PartKey(division or Division(division="?"), warehouse_of(NOWHERE, "order", desk, Findings()))


def _lay(goods: Goods, parts: dict[PartKey, Part], places: Places, codes: Codes, desk: Desk) -> None:
    """A line into its part; its allowances and tax follow its rows where it is cut itself."""
    rows = _by_part(goods, places, desk)
    keys = sorted(rows, key=lambda key: key.rank)
    shares = _shares(goods.priced.price, [_weight(rows[key]) for key in keys], places.order.currency)
    for key, share in zip(keys, shares, strict=True):
        part = parts.setdefault(key, Part(key))
        part.rows.extend(rows[key])
        _add_price(part, share, codes.allowances)
    _add_charges(parts[keys[0]], goods.priced.charges, codes)


def _by_part(goods: Goods, places: Places, desk: Desk) -> dict[PartKey, list[SalesOrderLine]]:
    rows: dict[PartKey, list[SalesOrderLine]] = {}
    place = places.number(goods.priced.line.ship_to)
    for row in rows_of(goods, places.order.currency):
        warehouse = row.warehouse if desk.settings.parts_by_warehouse else ""
        rows.setdefault(PartKey(goods.division, warehouse, place), []).append(row)
    return rows


def _weight(rows: Iterable[SalesOrderLine]) -> Decimal:
    return total(map(value_of, rows))


def _shares(price: Price, weights: Sequence[Decimal], currency: str) -> list[Price]:
    """Allowances and tax by the value of the rows, to the cent; the values themselves are in the rows."""
    taxes = spread(price.tax, weights, currency)
    allowed = [spread(allowance.amount, weights, currency) for allowance in price.allowances]
    return [
        Price(NOTHING, tuple(_share(price.allowances, [cents[at] for cents in allowed])), taxes[at])
        for at in range(len(weights))
    ]


def _share(allowances: Sequence[Allowance], amounts: Sequence[Decimal]) -> Iterable[Allowance]:
    return (Allowance(name=one.name, amount=amount) for one, amount in zip(allowances, amounts, strict=True))


def _lay_freight(places: Places, prices: Prices, parts: Sequence[Part], codes: Codes) -> None:
    """Each shipping to the first part that goes where it goes."""
    for shipping, freight in zip(places.order.shipping, prices.freight, strict=True):
        place = places.number(shipping.ship_to)
        part = next((one for one in parts if one.key.place == place), parts[0])
        part.freight += freight.value
        _add_price(part, freight, codes.allowances)


def _lay_reduction(reduction: Price, parts: Sequence[Part], codes: Mapping[str, str]) -> None:
    """Onto the first part, and on to the next what would take it below nothing; its tax likewise."""
    (allowance,), tax = reduction.allowances, -reduction.tax
    left = allowance.amount
    for part in parts:
        here, taxed = min(left, max(part.net, NOTHING)), min(tax, part.tax)
        left, tax = left - here, tax - taxed
        _add_price(part, Price(NOTHING, (allowance.model_copy(update={"amount": here}),), -taxed), codes)


def _add_charges(part: Part, charges: Iterable[PricedCharge], codes: Codes) -> None:
    for charge in charges:
        _add(part.charges, codes.charges[charge.key], charge.price.value)
        _add_price(part, charge.price, codes.allowances)


def _add_price(part: Part, price: Price, codes: Mapping[str, str]) -> None:
    """What comes with a value: its tax and its allowances."""
    part.tax += price.tax
    for allowance in price.allowances:
        _add(part.allowances, codes[allowance.name or NONE], allowance.amount)


def _add(amounts: dict[str, Decimal], code: str, amount: Decimal) -> None:
    amounts[code] = amounts.get(code, NOTHING) + amount


def coded(amounts: Mapping[str, Decimal], currency: str) -> tuple[CodedAmount, ...]:
    """Sorted by code, written to the cent, nothings left out."""
    return tuple(
        CodedAmount(code=code, amount=to_cents(amounts[code], currency)) for code in sorted(amounts) if amounts[code]
    )
