"""Lines, shipping lines and fees of an order: as sold, and as the refunds left them.

WooCommerce never lowers the order itself: quantity and totals stand as sold, and what was given back stands in the
refunds, each part of which names the line it is of (contract 1.4). More pieces may have been given back than were
sold; nothing prevents it over there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from bcbridge.connectors.woocommerce import coupons, wire
from bcbridge.connectors.woocommerce.money import Net, Rates, nets
from bcbridge.model.ids import Ref
from bcbridge.model.money import cent, spread, to_cents
from bcbridge.model.order import Allowance, Charge, LineKind, OrderLine, Reduction, Shipping

REFUNDED = "(refunded)"
"""Money given back of the order or of a line, without pieces."""
FEE = "(fee)"
ATTRIBUTE = "pa_"
"""Begins the keys of what a variation is told by, as ``pa_size``."""
TAKEN_KEY = "_reduced_stock"
STOCK_KEYS = (TAKEN_KEY, "_restock_refunded_items")
"""Hidden attributes of a line that are kept: what the order took out of stock, and what refunds put back."""
PIECES = re.compile(r"-?[0-9]{1,9}")
LONGEST_VALUE = 2000
"""Characters of an attribute's value; plugins keep whole forms in one."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given back of one part, over all refunds."""

    pieces: int
    net: Net

    def and_also(self, other: Given) -> Given:
        return Given(self.pieces + other.pieces, self.net.plus(other.net))


class Parts:
    """The parts of one order; ``refunds`` are all it has, ``payment_fees`` as the settings say."""

    def __init__(self, order: wire.Order, refunds: Sequence[wire.Refund], payment_fees: Sequence[str]) -> None:
        self._order = order
        self._payment_fees = tuple(name.casefold() for name in payment_fees)
        self._rates = Rates(order.tax_lines)
        self._nets = nets(order.items, order.total, order.currency)
        self._off = dict(zip([line.id for line in order.line_items], self._allowances(), strict=True))
        self._given = _given(order, refunds)
        self._without_a_part = _without_a_part(self._given, refunds)

    # -- lines

    def lines_as_sold(self) -> tuple[OrderLine, ...]:
        return tuple(self._line_as_sold(line) for line in self._order.line_items)

    def lines_now(self) -> tuple[OrderLine, ...]:
        return tuple(self._line_now(line, sold) for line, sold in self._with_lines_as_sold())

    def _with_lines_as_sold(self) -> Iterator[tuple[wire.LineItem, OrderLine]]:
        return zip(self._order.line_items, self.lines_as_sold(), strict=True)

    def _line_as_sold(self, line: wire.LineItem) -> OrderLine:
        net, off = self._nets[line.id], self._off[line.id]
        amount = net.amount + sum((one.amount for one in off), Decimal(0))
        return OrderLine(
            ref=Ref(str(line.id)),
            kind=LineKind.GOODS,
            sku=line.sku.strip(),
            barcode=line.global_unique_id.strip() or None,
            title=line.name,
            variant=_variant(line),
            ordered=line.quantity,
            quantity=line.quantity,
            unit_price=to_cents(amount / line.quantity, self._order.currency) if line.quantity else Decimal(0),
            amount=amount,
            allowances=off,
            taxes=self._rates.taxes(net),
            attributes=attributes(line.meta_data, hidden=STOCK_KEYS),
            sku_is_live=True,
            taken=_taken(line),
        )

    def _allowances(self) -> tuple[tuple[Allowance, ...], ...]:
        return coupons.allowances(
            [self._taken_off(line) for line in self._order.line_items], self._order.coupon_lines, self._order.currency
        )

    def _taken_off(self, line: wire.LineItem) -> Decimal:
        """``subtotal - total``; a price that was raised above it took nothing off."""
        if line.subtotal <= line.total:
            return Decimal(0)
        return max(to_cents(line.subtotal, self._order.currency) - self._nets[line.id].amount, Decimal(0))

    def _line_now(self, line: wire.LineItem, sold: OrderLine) -> OrderLine:
        given = self._given.get(line.id)
        if given is None:
            return sold
        left = self._nets[line.id].less(given.net)
        quantity = line.quantity - given.pieces
        amount = to_cents(sold.amount * quantity / (line.quantity or 1), self._order.currency)
        off = self._off_now(amount - left.amount, sold.allowances)
        return sold.model_copy(
            update={
                "quantity": quantity,
                "amount": left.amount + sum((one.amount for one in off), Decimal(0)),
                "allowances": off,
                "taxes": self._rates.taxes(left),
            }
        )

    def _off_now(self, missing: Decimal, sold: Sequence[Allowance]) -> tuple[Allowance, ...]:
        """What is missing from the pieces' price: the discounts they were sold with, else money given back alone."""
        if missing <= (Decimal(0) if sold else cent(self._order.currency)):
            return ()
        if not sold:
            return (Allowance(name=REFUNDED, amount=missing),)
        shares = spread(missing, [one.amount for one in sold], self._order.currency)
        return tuple(Allowance(name=one.name, amount=share) for one, share in zip(sold, shares, strict=True) if share)

    # -- shipping

    def shipping_as_sold(self) -> tuple[Shipping, ...]:
        return tuple(self._shipping(one, self._nets[one.id]) for one in self._order.shipping_lines)

    def shipping_now(self) -> tuple[Shipping, ...]:
        return tuple(self._shipping(one, self._now(one)) for one in self._order.shipping_lines)

    def _shipping(self, line: wire.ShippingLine, net: Net) -> Shipping:
        return Shipping(
            ref=Ref(str(line.id)),
            title=line.method_title,
            code=line.method_id,
            amount=net.amount,
            taxes=self._rates.taxes(net),
        )

    def _now(self, item: wire.Item) -> Net:
        given = self._given.get(item.id)
        return self._nets[item.id].less(given.net) if given else self._nets[item.id]

    # -- fees

    def charges_as_sold(self) -> tuple[Charge, ...]:
        return tuple(self._charge(fee, self._nets[fee.id]) for fee in self._fees() if _is_charge(fee))

    def charges_now(self) -> tuple[Charge, ...]:
        left = ((fee, self._now(fee)) for fee in self._fees() if _is_charge(fee))
        return tuple(self._charge(fee, net) for fee, net in left if net.gross or net.amount)

    def reductions_as_sold(self) -> tuple[Reduction, ...]:
        return tuple(self._reduction(fee, self._nets[fee.id]) for fee in self._fees() if fee.total < 0)

    def reductions_now(self) -> tuple[Reduction, ...]:
        """With what was given back of the order as a whole."""
        standing = tuple(self._reduction(fee, self._now(fee)) for fee in self._fees() if fee.total < 0)
        if self._without_a_part <= 0:
            return standing
        return (*standing, Reduction(name=REFUNDED, amount=self._without_a_part))

    def payments(self) -> tuple[tuple[wire.FeeLine, Decimal], ...]:
        """Negative fees that are money (gift cards, store credit), tax and all, above zero."""
        return tuple((fee, -self._nets[fee.id].gross) for fee in self._order.fee_lines if self._is_payment(fee))

    def payments_given_back(self) -> tuple[tuple[wire.FeeLine, Decimal], ...]:
        """What refunds put back on gift cards and store credit, above zero; their own amounts lack it."""
        given = ((fee, self._given.get(fee.id)) for fee in self._order.fee_lines if self._is_payment(fee))
        return tuple((fee, -back.net.gross) for fee, back in given if back and back.net.gross < 0)

    def _fees(self) -> Iterable[wire.FeeLine]:
        return (fee for fee in self._order.fee_lines if not self._is_payment(fee))

    def _is_payment(self, fee: wire.FeeLine) -> bool:
        return fee.total < 0 and any(fnmatchcase(fee.name.casefold(), name) for name in self._payment_fees)

    def _charge(self, fee: wire.FeeLine, net: Net) -> Charge:
        return Charge(kind="fee", name=fee.name or FEE, amount=net.amount, taxes=self._rates.taxes(net))

    def _reduction(self, fee: wire.FeeLine, net: Net) -> Reduction:
        return Reduction(name=fee.name or FEE, amount=-net.amount, taxes=self._rates.taxes(net, sign=-1))


def attributes(meta: Iterable[wire.Meta], *, hidden: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """What people see of it, and those hidden ones; a value that is no text as its JSON."""
    shown = (one for one in meta if not one.key.startswith("_") or one.key in hidden)
    return tuple((one.key, _said(one.value)) for one in shown)


def _variant(line: wire.LineItem) -> Ref | None:
    """What was sold; none where that was a variation, told by its attributes, of which only the product is left."""
    if line.variation_id:
        return Ref(str(line.variation_id))
    varied = any(one.key.startswith(ATTRIBUTE) for one in line.meta_data)
    return Ref(str(line.product_id)) if line.product_id and not varied else None


def _taken(line: wire.LineItem) -> int | None:
    """Refunds that put pieces back have lowered it already, below zero where more came back than was taken; without
    it nothing was taken. Half a piece is a plugin's, and not read."""
    said = next((str(one.value) for one in line.meta_data if one.key == TAKEN_KEY), "0")
    return int(said) if PIECES.fullmatch(said) else None


def _said(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text[:LONGEST_VALUE]


def _is_charge(fee: wire.FeeLine) -> bool:
    return fee.total > 0 or (not fee.total and bool(fee.total_tax))


def _given(order: wire.Order, refunds: Iterable[wire.Refund]) -> dict[int, Given]:
    """By the id of the order's part. A part that is not on the order any more is left to the refund's amount."""
    known = {item.id for item in order.items}
    given: dict[int, Given] = {}
    for of, one in (pair for refund in refunds for pair in _given_by(refund, order.currency)):
        if of in known:
            given[of] = given[of].and_also(one) if of in given else one
    return given


def _given_by(refund: wire.Refund, currency: str) -> Iterator[tuple[int, Given]]:
    back = nets(refund.items, refund.amount, currency, sign=-1)
    for item in refund.items:
        pieces = -item.quantity if isinstance(item, wire.LineItem) else 0
        yield part_of(item), Given(pieces, back[item.id])


def part_of(item: wire.Item | wire.SoldLine) -> int:
    """``_refunded_item_id``; 0 where it says none."""
    said = next((str(one.value) for one in item.meta_data if one.key == "_refunded_item_id"), "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


def _without_a_part(given: dict[int, Given], refunds: Iterable[wire.Refund]) -> Decimal:
    """What the refunds gave back beyond all parts: an amount alone, with no lines."""
    parts = sum((one.net.gross for one in given.values()), Decimal(0))
    return sum((refund.amount for refund in refunds), Decimal(0)) - parts
