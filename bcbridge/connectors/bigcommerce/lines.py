"""Lines of an order: their kind, their SKU, what they cost, and what is left of them after refunds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.consignments import Destinations
from bcbridge.connectors.bigcommerce.counting import taken
from bcbridge.connectors.bigcommerce.discounts import Given
from bcbridge.connectors.bigcommerce.money import NOTHING, Side
from bcbridge.connectors.bigcommerce.taxes import Place
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.money import cent, spread
from bcbridge.model.order import Allowance, LineKind, OrderLine, Tax

T = TypeVar("T", Allowance, Tax)

GIFT_CERTIFICATE = "giftcertificate"


@dataclass(frozen=True, slots=True)
class Lines:
    """Reads the lines of one order, in one reading of its discounts."""

    whole: wire.Whole
    side: Side
    destinations: Destinations
    allowances: Given
    taxes: Mapping[Place, tuple[Tax, ...]]

    def as_sold(self) -> tuple[OrderLine, ...]:
        """Every line at the quantity ever ordered."""
        lines = self.whole.lines
        amounts = self.side.settled([self.side.amount(line.total_ex_tax, line.total_inc_tax) for line in lines])
        return tuple(self._line(line, amount) for line, amount in zip(lines, amounts, strict=True))

    def _line(self, line: wire.Line, amount: Decimal) -> OrderLine:
        sku, live = self._sku(line)
        return OrderLine(
            ref=Ref(str(line.id)),
            kind=LineKind.GIFT_CARD if line.type == GIFT_CERTIFICATE else LineKind.GOODS,
            sku=sku,
            barcode=self._barcode(line),
            title=line.name,
            variant=_variant(line),
            ordered=line.quantity,
            quantity=line.quantity,
            unit_price=self._unit_price(line, amount),
            amount=amount,
            allowances=self.allowances.get(line.id, ()),
            taxes=self.taxes.get(("line", line.id), ()),
            requires_shipping=self.destinations.ships(line),
            assignments=self.destinations.assignments(line, line.quantity),
            attributes=_attributes(line),
            sku_is_live=live,
            sku_sold=line.sku.strip(),
            ship_to=self.destinations.of_line(line),
            taken=taken(self.whole, line),
        )

    def _sku(self, line: wire.Line) -> tuple[str, bool]:
        """The variant's own, and whether it is another than the one that was copied when it was sold.

        Of a line with options whose variant is not there any more, the copy may be the SKU of the product as a
        whole: it names nothing then.
        """
        copied = line.sku.strip()
        variant = self._catalogue(line)
        if variant is not None and variant.sku.strip():
            return variant.sku.strip(), variant.sku.strip() != copied
        return ("" if line.product_options else copied), False

    def _barcode(self, line: wire.Line) -> str | None:
        variant = self._catalogue(line)
        return (variant.upc if variant is not None else line.upc).strip() or None

    def _catalogue(self, line: wire.Line) -> wire.Variant | None:
        return self.whole.variants.get(str(line.variant_id)) if line.variant_id else None

    def _unit_price(self, line: wire.Line, amount: Decimal) -> Decimal:
        """As told, where it makes the line's amount but for odd cents; the amount is what counts."""
        told = self.side.amount(line.price_ex_tax, line.price_inc_tax)
        if not line.quantity or abs(told * line.quantity - amount) < line.quantity * cent(self.side.currency):
            return told
        return amount / line.quantity


def now(line: OrderLine, refunded: int, currency: str) -> OrderLine:
    """The line without the pieces that were refunded; discounts and taxes stay with their pieces."""
    if not refunded:
        return line
    if refunded > line.ordered:
        raise Malformed("more pieces were refunded than ordered", where=f"line {line.ref}")
    pieces = [Decimal(line.ordered - refunded), Decimal(refunded)]
    return line.model_copy(
        update={
            "quantity": line.ordered - refunded,
            "amount": spread(line.amount, pieces, currency)[0],
            "allowances": _left(line.allowances, pieces, currency),
            "taxes": _left(line.taxes, pieces, currency),
            "assignments": tuple(
                one.model_copy(update={"quantity": line.ordered - refunded}) for one in line.assignments
            ),
        }
    )


def _left(ones: Sequence[T], pieces: Sequence[Decimal], currency: str) -> tuple[T, ...]:
    shares = ((one, spread(one.amount, pieces, currency)[0]) for one in ones)
    return tuple(one.model_copy(update={"amount": share}) for one, share in shares if share != NOTHING)


def _variant(line: wire.Line) -> Ref | None:
    """The product where it has no options; of one with options, its own id tells no size."""
    number = line.variant_id or (0 if line.product_options else line.product_id)
    return Ref(str(number)) if number else None


def _attributes(line: wire.Line) -> tuple[tuple[str, str], ...]:
    """The options as the merchant calls them."""
    return tuple(
        (one.display_name_merchant or one.display_name, one.display_value_merchant or one.display_value)
        for one in line.product_options
    )
