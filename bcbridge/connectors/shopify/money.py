"""The currency side: one of the two amounts in every MoneyBag, for a whole order alike."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bcbridge.connectors.shopify.settings import MoneySide
from bcbridge.connectors.shopify.wire import MoneyBag, Order
from bcbridge.errors import Malformed


@dataclass(frozen=True, slots=True)
class Side:
    """Shop or presentment money of one order, and the currency every amount on it must be in."""

    side: MoneySide
    currency: str

    @classmethod
    def of(cls, order: Order, side: MoneySide) -> Side:
        on_shop = side is MoneySide.SHOP
        return cls(side, order.currency_code if on_shop else order.presentment_currency_code)

    def amount(self, bag: MoneyBag) -> Decimal:
        """The amount on this side. Raises Malformed where it is in another currency: sides must never mix."""
        money = bag.shop_money if self.side is MoneySide.SHOP else bag.presentment_money
        if money.currency_code != self.currency:
            raise Malformed(f"an amount in {money.currency_code} on the {self.side} side", where=self.currency)
        return money.amount
