"""Did anything change that the ERP would care about? By hash first, then in words.

What counts: pieces, money, addresses, shipping, where it leaves from, holds, cancellation, signs of circular commerce.
What does not: tags, attributes, stamps, refs and names, how a total was tendered; the SKU of a line where the channel
tells the product's of today. Words carry no customer data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from bcbridge.model.order import Address, Allowance, Charge, Order, OrderLine, Reduction, Shipping, Tax

VERSION = "1"
"""Raised when what counts changes: hashes of another version say nothing about each other. What came in later counts
where it is there, so that an order without it keeps the hash it had."""


def content_hash(order: Order) -> str:
    """``1:<sha256>`` of what counts; the same for amounts written 10 and 10.00."""
    canonical = json.dumps(_canonical(order), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{VERSION}:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _canonical(order: Order) -> dict[str, Any]:
    return {
        "lines": {line.ref: _line(line) for line in order.lines},
        "shipping": [_shipping(one) for one in order.shipping],
        "charges": _charges(order.charges),
        "money": {name: _plain(amount) for name, amount in _money(order)},
        "currency": order.currency,
        "prices_include_tax": order.prices_include_tax,
        "payment": order.payment,
        "cancelled": order.cancelled is not None,
        "holds": sorted(_held(order)),
        "marks": sorted(order.marks),
        "ship_to": _address(order.ship_to),
        "bill_to": _address(order.bill_to),
        "note": order.note,
        **({"reductions": _reductions(order.reductions)} if order.reductions else {}),
    }


def _money(order: Order) -> list[tuple[str, Decimal]]:
    return [
        ("total", order.total),
        ("outstanding", order.outstanding),
        ("refunded", order.refunded),
        ("tip", order.tip),
        ("rounding", order.rounding),
    ]


def _line(line: OrderLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "sku": _sku(line),
        "quantity": line.quantity,
        "amount": _plain(line.amount),
        "unit_price": _plain(line.unit_price),
        "allowances": _allowances(line.allowances),
        "taxes": _taxes(line.taxes),
        "charges": _charges(line.charges),
        "from": _places(line),
        "marks": sorted(line.marks),
        **({"ship_to": _address(line.ship_to)} if line.ship_to else {}),
    }


def _sku(line: OrderLine) -> str:
    """What tells the article, and stays as it is when the product changes."""
    if line.sku_sold is not None:
        return line.sku_sold
    return line.variant if line.sku_is_live and line.variant else line.sku


def _places(line: OrderLine) -> dict[str, int]:
    """Pieces per location, however many shares the channel cut them into."""
    pieces: dict[str, int] = {}
    for share in line.assignments:
        place = share.location or share.location_name
        pieces[place] = pieces.get(place, 0) + share.quantity
    return {place: count for place, count in pieces.items() if count}


def _shipping(one: Shipping) -> list[Any]:
    said = [one.title, one.code, _plain(one.amount), _allowances(one.allowances), _taxes(one.taxes)]
    return [*said, _address(one.ship_to)] if one.ship_to else said


def _charges(charges: Iterable[Charge]) -> list[list[Any]]:
    return sorted([charge.kind, charge.name, _plain(charge.amount), _taxes(charge.taxes)] for charge in charges)


def _reductions(reductions: Iterable[Reduction]) -> list[list[Any]]:
    return sorted([one.name, _plain(one.amount), _taxes(one.taxes)] for one in reductions)


def _allowances(allowances: Iterable[Allowance]) -> list[list[str]]:
    return sorted([allowance.name, _plain(allowance.amount)] for allowance in allowances)


def _taxes(taxes: Iterable[Tax]) -> list[list[str]]:
    return sorted([tax.title, _plain(tax.amount)] for tax in taxes)


def _address(address: Address | None) -> dict[str, str] | None:
    return address.model_dump() if address else None


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize() + 0:f}"


# --- in words ------------------------------------------------------------------------------------------------------


def changes(old: Order, new: Order) -> tuple[str, ...]:
    """What counts and differs, in words for the event log and without customer data; empty when hashes agree."""
    return tuple(_changes(old, new)) if content_hash(old) != content_hash(new) else ()


def _changes(old: Order, new: Order) -> Iterator[str]:
    if bool(old.cancelled) != bool(new.cancelled):
        yield "cancelled" if new.cancelled else "no longer cancelled"
    if old.payment != new.payment:
        yield f"payment {old.payment} -> {new.payment}"
    yield from _holds(old, new)
    yield from _line_changes(old, new)
    for (name, before), (_, after) in zip(_money(old), _money(new), strict=True):
        if before != after:
            yield f"{name} {before} -> {after} {new.currency}"
    yield from _sections(old, new)


def _held(order: Order) -> set[str]:
    return {hold.reason for hold in order.holds if not hold.done}


def _holds(old: Order, new: Order) -> Iterator[str]:
    before, after = _held(old), _held(new)
    yield from (f"hold {reason} set" for reason in sorted(after - before))
    yield from (f"hold {reason} released" for reason in sorted(before - after))


def _line_changes(old: Order, new: Order) -> Iterator[str]:
    before, after = ({line.ref: line for line in order.lines} for order in (old, new))
    for ref, line in after.items():
        if ref not in before:
            yield f"line {line.sku or line.title} added: {line.quantity}"
        elif _line(before[ref]) != _line(line):
            yield from _one_line(before[ref], line)
    yield from (f"line {line.sku or line.title} gone" for ref, line in before.items() if ref not in after)


_LINE_WORDS = {
    "kind": "kind",
    "sku": "SKU",
    "amount": "amount",
    "unit_price": "price",
    "allowances": "allowances",
    "taxes": "tax",
    "charges": "duties",
    "from": "location",
    "marks": "marks",
    "ship_to": "ship-to address",
}


def _one_line(old: OrderLine, new: OrderLine) -> Iterator[str]:
    of = f"line {new.sku or new.title}"
    if old.quantity != new.quantity:
        yield f"{of}: {old.quantity} -> {new.quantity}"
        return
    before, after = _line(old), _line(new)
    yield from (f"{of}: {word} changed" for name, word in _LINE_WORDS.items() if before.get(name) != after.get(name))


_SECTION_WORDS = {
    "shipping": "shipping changed",
    "charges": "fees changed",
    "reductions": "money off the whole order changed",
    "currency": "currency changed",
    "prices_include_tax": "tax included or not changed",
    "marks": "marks of circular commerce changed",
    "ship_to": "ship-to address changed",
    "bill_to": "bill-to address changed",
    "note": "note changed",
}


def _sections(old: Order, new: Order) -> Iterator[str]:
    before, after = _canonical(old), _canonical(new)
    yield from (words for name, words in _SECTION_WORDS.items() if before.get(name) != after.get(name))
