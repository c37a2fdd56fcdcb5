"""Which tax is on what: the rows of ``/taxes?details=true`` with their names and rates, each to its line.

Where those do not fit the order (a row that belongs to nothing here, or another sum than ``total_tax``), the taxes that
lines and charges tell themselves are taken, under the one name there is, or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.money import Side, total
from bcbridge.model.order import Tax

Place = tuple[str, int]
"""What a tax is on: ``("line", 65)``, ``("shipping", 51)``, ``("fee", 1)``, or one of the two below."""
HANDLING, WRAPPING = ("handling", 0), ("wrapping", 0)


@dataclass(frozen=True, slots=True)
class _One:
    place: Place
    title: str
    rate: Decimal | None
    amount: Decimal

    def settled(self, amount: Decimal) -> Tax:
        return Tax(title=self.title, rate=self.rate, amount=amount)


def taxes(whole: wire.Whole, side: Side, shipping: Mapping[int, Decimal]) -> Mapping[Place, tuple[Tax, ...]]:
    """By what they are on. ``shipping``: the tax of each shipping consignment by its id, as it tells itself."""
    rows = [_row(row, whole) for row in whole.taxes]
    placed = [row for row in rows if row is not None and _stands(row.place, whole, shipping)]
    fees = _of_fees(whole)
    detailed = [*placed, *fees] if len(placed) == len(rows) else []
    told = [*_told(whole, shipping), *fees]
    due = whole.order.total_tax
    usual = detailed if placed and detailed else told
    chosen = next((some for some in (detailed, told) if side.same(_sum(some), due)), usual)
    return _settled(chosen, side)


def _settled(ones: Sequence[_One], side: Side) -> dict[Place, tuple[Tax, ...]]:
    """To the cent over all of them: shops that round once per order tell each tax finer than a cent."""
    amounts = side.settled([one.amount for one in ones])
    exact = [(one.place, one.settled(amount)) for one, amount in zip(ones, amounts, strict=True)]
    return {place: tuple(tax for of, tax in exact if of == place) for place in dict.fromkeys(of for of, _ in exact)}


def _row(row: wire.Tax, whole: wire.Whole) -> _One | None:
    place = _place(row, whole)
    return _One(place, row.name, _fraction(row.rate), row.line_amount) if place else None


def _place(row: wire.Tax, whole: wire.Whole) -> Place | None:
    match row.line_item_type:
        case "item":
            return ("line", _number(row.order_product_id))
        case "shipping":
            return ("shipping", row.order_address_id or _only_address(whole))
        case "handling":
            return HANDLING
        case "gift-wrapping":
            return WRAPPING
    return None


def _stands(place: Place, whole: wire.Whole, shipping: Mapping[int, Decimal]) -> bool:
    """Whether the order has what the tax is on."""
    kind, number = place
    if kind == "line":
        return any(line.id == number for line in whole.lines)
    return kind != "shipping" or number in shipping


def _only_address(whole: wire.Whole) -> int:
    addresses = whole.order.consignments.shipping
    return addresses[0].id if len(addresses) == 1 else 0


def _number(text: str | int | None) -> int:
    told = str(text or "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 20 else 0


def _fraction(rate: Decimal | None) -> Decimal | None:
    """``8.0000`` per cent as 0.08."""
    return None if rate is None else (rate / 100).normalize()


def _told(whole: wire.Whole, shipping: Mapping[int, Decimal]) -> list[_One]:
    """The taxes that lines and charges tell beside their amounts."""
    order = whole.order
    amounts: list[tuple[Place, Decimal]] = [(("line", line.id), line.total_tax) for line in whole.lines]
    amounts += [(("shipping", number), tax) for number, tax in shipping.items()]
    amounts += [(HANDLING, order.handling_cost_tax), (WRAPPING, order.wrapping_cost_tax)]
    title, rate = _only_name(whole)
    return [_One(place, title, rate, amount) for place, amount in amounts if amount]


def _of_fees(whole: wire.Whole) -> list[_One]:
    """Fees have no rows of their own: their tax bears the one name there is."""
    title, rate = _only_name(whole)
    costs = enumerate(whole.order.fees)
    return [_One(("fee", number), title, rate, fee.cost_tax) for number, fee in costs if fee.cost_tax]


def _only_name(whole: wire.Whole) -> tuple[str, Decimal | None]:
    named = {(row.name, _fraction(row.rate)) for row in whole.taxes}
    return named.pop() if len(named) == 1 else ("", None)


def _sum(ones: Iterable[_One]) -> Decimal:
    return total([one.amount for one in ones])
