"""Lines of an order as they stand now: what a reduction left of price, discount and tax, and what kind each is.

Discount allocations and tax lines speak of the quantity ever ordered (contracts/shopify/NOTES.md 1.6). Where pieces
were taken back, both come from the ledger instead; where none were, they are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bcbridge.connectors.shopify import wire
from bcbridge.connectors.shopify.ledger import Entry, Ledger
from bcbridge.connectors.shopify.money import Side
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.money import spread
from bcbridge.model.order import Allowance, Assignment, Charge, LineKind, OrderLine, Tax

TIP_TITLE = "tip"


@dataclass(frozen=True, slots=True)
class Lines:
    """Reads the lines of one order. ``tips``: the order says that it took any."""

    side: Side
    ledger: Ledger | None
    taxes_included: bool
    tips: bool
    circular_products: frozenset[str]

    def now(self, line: wire.LineItem, assignments: Mapping[str, Sequence[Assignment]]) -> OrderLine:
        """The line at its current quantity."""
        allowances, taxes = self._left(line)
        return self._line(
            line,
            quantity=line.current_quantity,
            allowances=allowances,
            taxes=taxes,
            charges=self._duties_left(line),
            assignments=tuple(assignments.get(line.id, ())),
        )

    def as_sold(self, line: wire.LineItem) -> OrderLine:
        """The line at the quantity ever ordered, with the discounts and taxes of that quantity."""
        return self._line(
            line,
            quantity=line.quantity,
            allowances=allowances(line.discount_allocations, self.side),
            taxes=taxes(line.tax_lines, self.side),
            charges=tuple(duty(one, self.side) for one in line.duties),
            assignments=(),
        )

    def _line(
        self,
        line: wire.LineItem,
        *,
        quantity: int,
        allowances: tuple[Allowance, ...],
        taxes: tuple[Tax, ...],
        charges: tuple[Charge, ...],
        assignments: tuple[Assignment, ...],
    ) -> OrderLine:
        price = self.side.amount(line.original_unit_price_set)
        return OrderLine(
            ref=Ref(line.id),
            kind=self._kind(line),
            sku=(line.sku or "").strip(),
            barcode=line.variant.barcode if line.variant else None,
            title=line.name,
            variant=Ref(line.variant.id) if line.variant else None,
            ordered=line.quantity,
            quantity=quantity,
            unit_price=price,
            amount=price * quantity,
            allowances=allowances,
            taxes=taxes,
            charges=charges,
            requires_shipping=line.requires_shipping,
            assignments=assignments,
            marks=self._marks(line),
            attributes=attributes(line.custom_attributes),
        )

    def _left(self, line: wire.LineItem) -> tuple[tuple[Allowance, ...], tuple[Tax, ...]]:
        given, taxed = allowances(line.discount_allocations, self.side), taxes(line.tax_lines, self.side)
        if line.current_quantity == line.quantity:
            return given, taxed
        if line.current_quantity == 0:
            return (), ()
        entry = self._entry(line)
        return self._discount_left(line, entry, given), entry.taxes()

    def _discount_left(self, line: wire.LineItem, entry: Entry, given: Sequence[Allowance]) -> tuple[Allowance, ...]:
        """What is missing from quantity x price, shared among the line's discounts as they were given."""
        price = self.side.amount(line.original_unit_price_set) * line.current_quantity
        left = price - entry.net(taxes_included=self.taxes_included)
        if not 0 <= left <= sum(one.amount for one in given):
            raise Malformed(f"its sales leave a discount of {left}", where=line.id)
        shares = spread(left, [one.amount for one in given], self.side.currency)
        named = zip(given, shares, strict=True)
        return tuple(Allowance(name=one.name, amount=share) for one, share in named if share)

    def _entry(self, line: wire.LineItem) -> Entry:
        entry = self.ledger[line.id] if self.ledger else None
        if entry is None:
            raise Malformed("pieces were taken back and no sales agreement tells of the rest", where=line.id)
        if entry.quantity != line.current_quantity:
            told = f"{line.current_quantity} pieces are left, its sales say {entry.quantity}"
            raise Malformed(told, where=line.id)
        return entry

    def _duties_left(self, line: wire.LineItem) -> tuple[Charge, ...]:
        left = (charge_left(duty(one, self.side), one.id, self.ledger, self.taxes_included) for one in line.duties)
        return tuple(charge for charge in left if charge.amount or charge.taxes)

    def _kind(self, line: wire.LineItem) -> LineKind:
        if line.is_gift_card:
            return LineKind.GIFT_CARD
        return LineKind.TIP if self._is_tip(line) else LineKind.GOODS

    def _is_tip(self, line: wire.LineItem) -> bool:
        """Named by a TipSale; else, on an order that took tips, the line called "Tip" that is no article."""
        entry = self.ledger[line.id] if self.ledger else None
        if entry is not None and entry.tip:
            return True
        an_article = line.variant is not None or bool(line.sku) or line.requires_shipping
        return self.tips and not an_article and line.title.strip().casefold() == TIP_TITLE

    def _marks(self, line: wire.LineItem) -> tuple[str, ...]:
        """Signs of circular commerce (NOTES.md 2.2), by trust."""
        keys = {attribute.key for attribute in line.custom_attributes}
        found: list[str] = [key for key in ("_cycle", "_rental_intent_token") if key in keys]
        if line.product is not None and self._is_circular(line.product):
            found.append("product")
        if line.selling_plan is not None:
            found.append("selling_plan")
        return tuple(found)

    def _is_circular(self, product: wire.Product) -> bool:
        enabled = product.metafield is not None and product.metafield.value == "true"
        return enabled or product.id.rpartition("/")[2] in self.circular_products


def allowances(allocations: Sequence[wire.DiscountAllocation], side: Side) -> tuple[Allowance, ...]:
    """Named by the code the customer gave, else by the campaign's title; those of nothing are left out."""
    named = ((_name(one.discount_application), side.amount(one.allocated_amount_set)) for one in allocations)
    return tuple(Allowance(name=name, amount=amount) for name, amount in named if amount)


def _name(application: wire.DiscountApplication) -> str:
    return application.code or application.title or application.typename


def taxes(tax_lines: Sequence[wire.TaxLine], side: Side) -> tuple[Tax, ...]:
    return tuple(Tax(title=one.title, rate=one.rate, amount=side.amount(one.price_set)) for one in tax_lines)


def duty(one: wire.Duty, side: Side) -> Charge:
    return Charge(kind="duty", name="Duty", amount=side.amount(one.price), taxes=taxes(one.tax_lines, side))


def fee(one: wire.AdditionalFee, side: Side) -> Charge:
    return Charge(kind="fee", name=one.name, amount=side.amount(one.price), taxes=taxes(one.tax_lines, side))


def charge_left(charge: Charge, gid: str, ledger: Ledger | None, taxes_included: bool) -> Charge:
    """A duty or fee after refunds: with one sale it is untouched since the order, with more the ledger says."""
    entry = ledger[gid] if ledger else None
    if entry is None or entry.sales < 2:
        return charge
    return Charge(
        kind=charge.kind,
        name=charge.name,
        amount=entry.net(taxes_included=taxes_included),
        taxes=entry.taxes(),
    )


def attributes(given: Sequence[wire.Attribute]) -> tuple[tuple[str, str], ...]:
    return tuple((one.key, one.value or "") for one in given)
