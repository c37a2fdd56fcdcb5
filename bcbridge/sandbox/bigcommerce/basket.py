"""What a BigCommerce cart holds beyond a common one: bundles, downloads, gift wrap, several addresses, a handling
charge; and the compact form of ``POST /_sandbox/orders`` that names them (docs/sandbox.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from bcbridge.sandbox.shopping.cart import DEFAULT_ADDRESS, JSON, BadCart, Cart, CartLine, Compact, amount

NOTHING = Decimal(0)
WORDLESS = ("tip", "rounding", "test")
"""Keys of the compact order that mean nothing to BigCommerce."""


@dataclass(frozen=True)
class Goods(CartLine):
    """``parts`` are a bundle's children; ``to`` says which of the order's addresses the line goes to; ``wrapping`` is
    the price of wrapping one piece. ``base_sku``: the order copies the product's SKU and not the variant's (2.3)."""

    base_sku: str | None = None
    digital: bool = False
    wrapping: Decimal = NOTHING
    to: int = 0
    parts: tuple[CartLine, ...] = ()


@dataclass(frozen=True)
class Basket(Cart):
    """``more_addresses`` come after the shipping address. ``display`` is the currency the shopper saw, where it is
    not the one that is paid. ``abandoned``: the payment page was reached and no more; ``gone``: for good.
    ``credit_deducted``: the order's total lacks what store credit and gift certificates paid."""

    handling: Decimal = NOTHING
    more_addresses: tuple[JSON, ...] = ()
    display: str | None = None
    abandoned: bool = False
    gone: bool = False
    channel: int = 1
    credit_deducted: bool = False

    @property
    def addresses(self) -> tuple[JSON, ...]:
        return (*((self.shipping_address,) if self.shipping_address else ()), *self.more_addresses)


def as_goods(line: CartLine) -> Goods:
    return line if isinstance(line, Goods) else Goods(**{one.name: getattr(line, one.name) for one in fields(CartLine)})


def as_basket(cart: Cart) -> Basket:
    """The same cart, with its lines, in this shop's words."""
    if not isinstance(cart, Basket):
        cart = Basket(**{one.name: getattr(cart, one.name) for one in fields(Cart)})
    return replace(cart, lines=tuple(as_goods(line) for line in cart.lines))


def lived_in(basket: Basket) -> Basket:
    """Without the addresses that nothing goes to any more, because it was sold out."""
    if not basket.more_addresses:
        return basket
    goods = [one for one in basket.lines if isinstance(one, Goods)]
    used = sorted({one.to for one in goods if one.ships}) or [0]
    places = [basket.addresses[at] for at in used]
    moved = tuple(replace(one, to=used.index(one.to) if one.ships else 0) for one in goods)
    return replace(basket, lines=moved, shipping_address=places[0], more_addresses=tuple(places[1:]))


class Ordered(Compact):
    """The compact order with BigCommerce's own keys: ``handling``, ``addresses``, ``display``, ``abandoned``,
    ``channel``, ``creditDeducted``; on a line ``digital``, ``baseSku``, ``wrapping``, ``to``, ``parts``."""

    def __init__(
        self, listed: Mapping[str, CartLine], currency: str, gateway: str, rates: Mapping[str, Decimal]
    ) -> None:
        super().__init__(listed, currency, gateway=gateway, rates=rates, wordless=WORDLESS)

    def cart(self, body: JSON) -> Basket:
        if body.get("payment") == "partially_paid":
            raise BadCart("payment: an order is paid or it is not")
        return replace(
            as_basket(super().cart(body)),
            handling=amount(body.get("handling", "0"), "handling"),
            more_addresses=tuple({**DEFAULT_ADDRESS, **one} for one in body.get("addresses", [])),
            display=body.get("display"),
            abandoned=bool(body.get("abandoned", False)),
            channel=int(body.get("channel", 1)),
            credit_deducted=bool(body.get("creditDeducted", False)),
        )

    def line(self, line: JSON, at: int) -> Goods:
        goods = as_goods(super().line(line, at))
        return replace(
            goods,
            digital=bool(line.get("digital", False)),
            base_sku=line.get("baseSku"),
            wrapping=amount(line.get("wrapping", "0"), f"lines[{at}].wrapping"),
            to=int(line.get("to", 0)),
            parts=tuple(self.line(one, at) for one in line.get("parts", [])),
        )
