"""What happens to an order after its checkout: paid, edited, refunded, cancelled, completed, thrown away.

Each takes the document and the moment and changes the document in place; sums follow. What WooCommerce refuses is a
`Refusal` with its own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bcbridge.sandbox.shopping.cart import JSON, BadCart
from bcbridge.sandbox.woocommerce import counting, totals
from bcbridge.sandbox.woocommerce.amounts import NOTHING, cents, kept
from bcbridge.sandbox.woocommerce.checkout import PAID, REDUCING, random_like
from bcbridge.sandbox.woocommerce.counting import REDUCED
from bcbridge.sandbox.woocommerce.numbering import Numbering

DEAD = ("cancelled", "refunded", "trash", "checkout-draft")
RESTOCKED = "_restock_refunded_items"
REFUND_PARTS = ("line_items", "shipping_lines", "fee_lines")


class Refusal(Exception):
    """WooCommerce's message."""


@dataclass(frozen=True)
class Piece:
    """What a refund takes back of one line: pieces (0: money alone), money without tax, and taxes by rate."""

    line_id: int
    quantity: int = 0
    total: Decimal = NOTHING
    taxes: dict[int, Decimal] = field(default_factory=dict)

    @property
    def amount(self) -> Decimal:
        return self.total + sum(self.taxes.values(), NOTHING)


# --- status


def pay(order: JSON, at: str, ids: Numbering) -> None:
    if order["date_paid_gmt"] or order["status"] in DEAD:
        raise BadCart(f"order {order['id']} is {order['status']} and cannot be paid")
    order.update(date_paid_gmt=at, transaction_id=f"pi_{random_like(order['id'], 'paid')}")
    set_status(order, "processing", at, ids)


def set_status(order: JSON, status: str, at: str, ids: Numbering) -> list[JSON]:
    """Any status from any other, as the API lets it. Returns the refund that "refunded" makes of what is left."""
    before, order["status"] = order["status"], status
    if status in PAID and order["date_paid_gmt"] is None and order["payment_method"] != "cod":
        order["date_paid_gmt"] = at
    if status == "completed":
        order["date_completed_gmt"] = at
        if before != status:
            mail(order, at, status=status)
        order["date_paid_gmt"] = order["date_paid_gmt"] or at
    if status in REDUCING:
        reduce_stock(order, ids)
    if status in ("cancelled", "pending"):
        restore_stock(order)
    if status == "refunded" and before != "refunded" and totals.left(order) > 0:
        return [take_back(order, at, ids, totals.left(order), reason="Order fully refunded.")]
    return []


def mail(order: JSON, at: str, **about: Any) -> None:
    """What the shopper was told of what left: in the books alone."""
    order["_sandbox"].setdefault("mails", []).append({**about, "at": at})


def reduce_stock(order: JSON, ids: Numbering) -> None:
    """Takes what was not taken yet, of what is counted."""
    for line in order["line_items"]:
        if meta_of(line, REDUCED) is None and counting.of_line(ids.connection, line) is not None:
            line["meta_data"].append({"id": ids.next("meta"), "key": REDUCED, "value": str(line["quantity"])})


def restore_stock(order: JSON) -> None:
    for line in order["line_items"]:
        line["meta_data"] = [one for one in line["meta_data"] if one["key"] != REDUCED]


def meta_of(line: JSON, key: str) -> JSON | None:
    return next((one for one in line["meta_data"] if one["key"] == key), None)


def cancel(order: JSON, at: str, ids: Numbering) -> None:
    if order["status"] in DEAD:
        raise BadCart(f"order {order['id']} is {order['status']} already")
    set_status(order, "cancelled", at, ids)


# --- editing


def edit(order: JSON, removals: dict[int, int]) -> None:
    """The merchant takes pieces off: ``{position of the line: pieces}``. A line of none is gone."""
    for position, pieces in sorted(removals.items(), reverse=True):
        line = line_at(order, position)
        if not 0 < pieces <= line["quantity"]:
            raise BadCart(f"lines[{position}]: has {line['quantity']} pieces, cannot take away {pieces}")
        rescale(line, line["quantity"] - pieces)
    order["line_items"] = [line for line in order["line_items"] if line["quantity"]]
    totals.settle(order)


def line_at(order: JSON, position: int) -> JSON:
    try:
        found: JSON = order["line_items"][position]
    except IndexError:
        raise BadCart(f"lines[{position}]: the order has {len(order['line_items'])} lines") from None
    return found


def rescale(line: JSON, quantity: int) -> None:
    """Another quantity at the same price."""
    share = Decimal(quantity) / line["quantity"]
    line["quantity"] = quantity
    for holder in (line, *line["taxes"]):
        for key in ("subtotal", "total"):
            holder[key] = kept(Decimal(holder[key]) * share)
    taken_from_stock(line)


def taken_from_stock(line: JSON) -> None:
    """Another quantity is taken, less what refunds have put back."""
    reduced, restocked = meta_of(line, REDUCED), meta_of(line, RESTOCKED)
    if reduced is not None:
        reduced["value"] = str(max(line["quantity"] - int(restocked["value"] if restocked else 0), 0))


# --- refunds


def refund_pieces(order: JSON, positions: dict[int, int]) -> list[Piece]:
    """So many pieces of these lines, at what they cost."""
    return [whole_pieces(line_at(order, position), pieces) for position, pieces in positions.items()]


def whole_pieces(line: JSON, pieces: int) -> Piece:
    share = Decimal(pieces) / line["quantity"]
    taxes = {tax["id"]: cents(Decimal(tax["total"]) * share) for tax in line["taxes"]}
    return Piece(line["id"], pieces, cents(Decimal(line["total"]) * share), taxes)


def refund(
    order: JSON, at: str, ids: Numbering, pieces: list[Piece], *, amount: Decimal = NOTHING, restock: bool = True
) -> JSON:
    """By the merchant's hand, without the gateway: pieces, shipping or fees, and an amount that belongs to nothing."""
    whole = sum((piece.amount for piece in pieces), NOTHING) + amount
    return take_back(order, at, ids, whole, pieces=pieces, restock=restock)


def take_back(
    order: JSON,
    at: str,
    ids: Numbering,
    amount: Decimal,
    *,
    reason: str = "",
    pieces: list[Piece] | None = None,
    restock: bool = False,
) -> JSON:
    """Makes the refund and returns it. Quantities are nobody's business here; only the amount is limited.

    Raises `Refusal` as WooCommerce does. An order given back whole is ``refunded``.
    """
    if not 0 < amount <= totals.left(order):
        raise Refusal("Invalid refund amount.")
    whole = amount == totals.left(order)
    identifier = ids.next("post")
    parts = {
        part: [back(order, ids, line, piece) for line, piece in of_part(order, part, pieces)] for part in REFUND_PARTS
    }
    made = {
        "id": identifier,
        "order_id": order["id"],
        "date_created_gmt": at,
        "amount": kept(amount),
        "reason": reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [{"id": ids.next("meta"), "key": "_refund_type", "value": "full" if whole else "partial"}],
        **parts,
        "tax_lines": [back_tax(ids, tax, pieces or []) for tax in order["tax_lines"] if pieces],
    }
    order["refunds"].append({"id": identifier, "reason": reason, "total": kept(-amount), "at": at})
    if restock:
        put_back(order, ids, pieces or [])
    if whole and order["status"] != "refunded":
        order["status"] = "refunded"
    return made


def of_part(order: JSON, part: str, pieces: list[Piece] | None) -> Iterator[tuple[JSON, Piece]]:
    by_id = {piece.line_id: piece for piece in pieces or []}
    for line in order[part]:
        if line["id"] in by_id:
            yield line, by_id[line["id"]]


def back(order: JSON, ids: Numbering, line: JSON, piece: Piece) -> JSON:
    """A line of the refund: the order's line with everything below zero."""
    made: dict[str, Any] = {**line, "id": ids.next("item"), "total": kept(-piece.total)}
    if "quantity" in line:
        made |= {"quantity": -piece.quantity, "subtotal": kept(-piece.total)}
        pinned = order["_sandbox"].get("pinned", {})
        if str(line["id"]) in pinned:
            pinned[str(made["id"])] = pinned[str(line["id"])]
    taxes = {tax["id"]: kept(-piece.taxes.get(tax["id"], NOTHING)) for tax in line["taxes"]}
    made["taxes"] = [{"id": i, "total": tax, "subtotal": tax} for i, tax in taxes.items()]
    made["meta_data"] = [{"id": ids.next("meta"), "key": "_refunded_item_id", "value": str(line["id"])}]
    totals.settle_taxes(order, made)
    return made


def back_tax(ids: Numbering, tax: JSON, pieces: list[Piece]) -> JSON:
    amount = sum((piece.taxes.get(tax["rate_id"], NOTHING) for piece in pieces), NOTHING)
    return {**tax, "id": ids.next("item"), "tax_total": kept(-amount), "shipping_tax_total": "0"}


def put_back(order: JSON, ids: Numbering, pieces: list[Piece]) -> None:
    """Into the stock: only pieces, and only of what had been taken from it."""
    for line, piece in of_part(order, "line_items", pieces):
        reduced = meta_of(line, REDUCED)
        if reduced is None or not piece.quantity:
            continue
        reduced["value"] = str(int(reduced["value"]) - piece.quantity)
        known = meta_of(line, RESTOCKED)
        if known is None:
            line["meta_data"].append({"id": ids.next("meta"), "key": RESTOCKED, "value": "0"})
            known = line["meta_data"][-1]
        known["value"] = str(int(known["value"]) + piece.quantity)
