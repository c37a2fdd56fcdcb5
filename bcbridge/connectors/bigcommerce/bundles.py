"""Bundles: a line, and lines that are part of it.

``children``: the parts are booked, and the bundle's money is theirs: shared by what each costs, or by pieces where
none costs anything. ``parent``: the bundle is booked as one article; a part that costs something of its own then leaves
the order short by it, which blocks. ``both``: every line as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.money import NOTHING
from bcbridge.connectors.bigcommerce.settings import Bundles
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.money import spread
from bcbridge.model.order import Allowance, OrderLine, Tax


def unbundled(
    lines: Sequence[OrderLine], told: Sequence[wire.Line], bundles: Bundles, currency: str
) -> tuple[OrderLine, ...]:
    """The lines that are booked, in their order. A part whose bundle is not on the order stands for itself."""
    parents = _parents(told)
    if bundles == "both" or not parents:
        return tuple(lines)
    if bundles == "parent":
        return tuple(line for line in lines if line.ref not in parents)
    return tuple(_with_shares(lines, parents, currency))


def refunds(told: Sequence[wire.Line]) -> Mapping[Ref, int]:
    """Refunded pieces by line. A bundle's are its parts', as many of each as belong to a bundle."""
    by_id = {_ref(line.id): line for line in told}
    parents = _parents(told)
    counts = {ref: line.quantity_refunded for ref, line in by_id.items()}
    for ref, parent in parents.items():
        bundle, part = by_id[parent], by_id[ref]
        if bundle.quantity_refunded and bundle.quantity and not part.quantity_refunded:
            counts[ref], odd = divmod(part.quantity * bundle.quantity_refunded, bundle.quantity)
            if odd:
                raise Malformed("a bundle was refunded in part, and its parts cannot be", where=f"line {ref}")
    return counts


def stood_for(told: Sequence[wire.Line], bundles: Bundles) -> Mapping[Ref, tuple[Ref, ...]]:
    """Lines that are not booked themselves, each with those that are in its place: of a bundle its parts, of a part its
    bundle."""
    parents = {} if bundles == "both" else _parents(told)
    if bundles == "parent":
        return {part: (parent,) for part, parent in parents.items()}
    return {bundle: tuple(part for part, of in parents.items() if of == bundle) for bundle in parents.values()}


def _parents(told: Sequence[wire.Line]) -> dict[Ref, Ref]:
    """The bundle of each part."""
    known = {line.id for line in told}
    above = {line.id: line.parent_order_product_id for line in told if line.parent_order_product_id in known}
    if above.keys() & {parent for part, parent in above.items()}:
        raise Malformed("a bundle within a bundle", where="lines")
    return {_ref(part): _ref(parent or 0) for part, parent in above.items()}


def _ref(number: int) -> Ref:
    return Ref(str(number))


def _with_shares(lines: Sequence[OrderLine], parents: Mapping[Ref, Ref], currency: str) -> list[OrderLine]:
    bundles = {line.ref: line for line in lines if line.ref in parents.values()}
    parts = {ref: [line for line in lines if parents.get(line.ref) == ref] for ref in bundles}
    shared = {one.ref: one for ref, bundle in bundles.items() for one in _shared(bundle, parts[ref], currency)}
    return [shared.get(line.ref, line) for line in lines if line.ref not in bundles]


def _shared(bundle: OrderLine, parts: Sequence[OrderLine], currency: str) -> list[OrderLine]:
    """The parts, each with its share of the bundle's price, discounts and taxes, exactly."""
    weights = [part.amount for part in parts]
    if not any(weights):
        weights = [Decimal(part.ordered) for part in parts]
    amounts = spread(bundle.amount, weights, currency)
    off = [(one, spread(one.amount, weights, currency)) for one in bundle.allowances]
    taxed = [(one, spread(one.amount, weights, currency)) for one in bundle.taxes]
    return [
        _part(
            part,
            amounts[at],
            [Allowance(name=one.name, amount=shares[at]) for one, shares in off if shares[at]],
            [one.model_copy(update={"amount": shares[at]}) for one, shares in taxed if shares[at]],
        )
        for at, part in enumerate(parts)
    ]


def _part(part: OrderLine, amount: Decimal, off: Sequence[Allowance], taxed: Sequence[Tax]) -> OrderLine:
    whole = part.amount + amount
    return part.model_copy(
        update={
            "amount": whole,
            "unit_price": whole / part.ordered if part.ordered else NOTHING,
            "allowances": (*part.allowances, *off),
            "taxes": (*part.taxes, *taxed),
        }
    )
