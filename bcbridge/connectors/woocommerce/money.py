"""An order's amounts in whole cents, so that they are together what the shop charged.

WooCommerce keeps parts of a cent (a line of 58.00 with 20 % tax in it is 48.333333 + 9.666667) and rounds late, per
line or per order as the shop is set. The room asks for six decimals; each amount is rounded by itself, and where the
sum then misses the order's total, amounts that had parts of a cent are rounded the other way, the closest first, none
by a cent or more. What misses by more is left as it is: the judge blocks it with the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.connectors.woocommerce import wire
from bcbridge.model.money import cent, to_cents
from bcbridge.model.order import Tax

DECIMALS = "6"
"""``dp`` of every question about orders and refunds: what the shop itself keeps."""


@dataclass(frozen=True, slots=True)
class Net:
    """What one line, shipping line or fee costs, in cents: net, and its taxes beside it by the id of their rate."""

    amount: Decimal
    taxes: Mapping[str, Decimal]

    @property
    def gross(self) -> Decimal:
        return self.amount + sum(self.taxes.values(), Decimal(0))

    def plus(self, other: Net) -> Net:
        taxes = dict(self.taxes)
        for rate, tax in other.taxes.items():
            taxes[rate] = taxes.get(rate, Decimal(0)) + tax
        return Net(self.amount + other.amount, taxes)

    def less(self, other: Net) -> Net:
        """What is left of it; a tax it does not have is not taken off."""
        taxes = {rate: tax - other.taxes.get(rate, Decimal(0)) for rate, tax in self.taxes.items()}
        return Net(self.amount - other.amount, taxes)


def nets(items: Sequence[wire.Item], total: Decimal, currency: str, *, sign: int = 1) -> dict[int, Net]:
    """Each part by its id, settled against what they cost together; ``sign`` -1 turns those of a refund round."""
    parts = [(item.id, item.total, _taxes(item, currency)) for item in items]
    flat = [sign * amount for _, net, taxes in parts for amount in (net, *taxes.values())]
    cents = iter(settled(flat, total, currency))
    return {id_: Net(next(cents), {rate: next(cents) for rate in taxes}) for id_, _, taxes in parts}


def settled(amounts: Sequence[Decimal], total: Decimal, currency: str) -> tuple[Decimal, ...]:
    """Each in cents, together ``total`` where rounding can make them so; else each rounded by itself."""
    smallest = cent(currency)
    rounded = [to_cents(amount, currency) for amount in amounts]
    odd = (total - sum(rounded, Decimal(0))) / smallest
    step = smallest.copy_sign(odd)
    movable = [at for at, amount in enumerate(amounts) if (amount - rounded[at]) * step > 0]
    if odd % 1 or len(movable) < abs(odd):
        return tuple(rounded)
    movable.sort(key=lambda at: (-abs(amounts[at] - rounded[at]), at))
    for at in movable[: int(abs(odd))]:
        rounded[at] += step
    return tuple(rounded)


UNSAID = ""
"""The rate of a tax that the part states as a whole and no rate of it."""


def _taxes(item: wire.Item, currency: str) -> dict[str, Decimal]:
    """By rate; what the rates leave unsaid of the whole comes last. Where the shop has rounded the whole and not the
    parts, half a cent for each of them is nothing unsaid."""
    said: dict[str, Decimal] = {}
    for one in item.taxes:
        said[one.id] = said.get(one.id, Decimal(0)) + one.total
    rest = item.total_tax - sum(said.values(), Decimal(0))
    rounded_off = len(said) * cent(currency) / 2
    if rest * item.total_tax > 0 and abs(rest) > rounded_off and to_cents(rest, currency):
        said[UNSAID] = said.get(UNSAID, Decimal(0)) + rest
    return said


class Rates:
    """The taxes of one order by the id of their rate."""

    def __init__(self, lines: Sequence[wire.TaxLine]) -> None:
        self._lines = {line.rate_id: line for line in lines}

    def taxes(self, net: Net, *, sign: int = 1) -> tuple[Tax, ...]:
        return tuple(self._tax(rate, amount * sign) for rate, amount in net.taxes.items())

    def _tax(self, rate: str, amount: Decimal) -> Tax:
        """``rate_percent`` as a fraction; shops older than 3.7 do not tell it."""
        line = self._lines.get(rate)
        if line is None:
            return Tax(title="", rate=None, amount=amount)
        part = None if line.rate_percent is None else line.rate_percent / 100
        return Tax(title=line.label or line.rate_code, rate=part, amount=amount)
