"""Where an order goes, when it goes to several addresses: each of them is a document of its own, or several.

The addresses are numbered by the first of their lines, by its ref: an address that is corrected keeps its number, and
in whatever order a channel lists its lines, part 2 stays part 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from bcbridge.model.order import Address, LineKind, Order


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses that the goods of one order go to, by number; never none, and one for nearly every order."""

    order: Order
    addresses: tuple[Address | None, ...]
    """``None``: the order's own."""

    def number(self, named: Address | None) -> int:
        """Of the address that a line or a shipping names; what goes where no goods go, goes with the first."""
        address = None if named == self.order.ship_to else named
        return self.addresses.index(address) if address in self.addresses else 0

    def orders(self) -> tuple[Order, ...]:
        """What goes to each, as an order of its own; what belongs to no address goes with the first."""
        return (self.order,) if self.addresses == (None,) else tuple(map(self._going_to, range(len(self.addresses))))

    def _going_to(self, number: int) -> Order:
        order, first = self.order, number == 0
        return order.model_copy(
            update={
                "ship_to": self.addresses[number] or order.ship_to,
                "lines": tuple(line for line in order.lines if self.number(line.ship_to) == number),
                "shipping": tuple(one for one in order.shipping if self.number(one.ship_to) == number),
                "charges": order.charges if first else (),
                "reductions": order.reductions if first else (),
            }
        )


def places_of(order: Order) -> Places:
    goods = [line for line in order.lines if line.kind is LineKind.GOODS and line.quantity]
    in_turn = sorted(goods, key=lambda line: (len(line.ref), line.ref))
    named = (None if line.ship_to == order.ship_to else line.ship_to for line in in_turn)
    return Places(order, tuple(dict.fromkeys(named)) or (None,))
