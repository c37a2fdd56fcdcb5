"""Changes after an order was booked, in our words: what the ERP is asked to make of a sales order, and a channel of an
order.

Both are levels, not steps: asked for twice, it is as asked for once. So what had no answer is looked at again and asked
for again where it is still wanting; nothing is ever undone by it.
"""

from __future__ import annotations

from enum import StrEnum

from bcbridge.model.dispatch import LinePieces
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.order import Address
from bcbridge.model.record import Record


class CancelledRow(Record):
    """Of one row of a sales order: pieces that are cancelled, all in all."""

    line_seq: int
    upc: Upc
    cancelled: int


class Correction(Record):
    """What the ERP is asked to make of one sales order that is not picked: pieces that are not wanted any more, another
    ship-to address (None: as it is)."""

    reference: Reference
    number: str
    """The ERP's own order number."""
    rows: tuple[CancelledRow, ...] = ()
    ship_to: Address | None = None


class AmendmentKind(StrEnum):
    CANCEL = "cancel"
    """The whole order; no money moves, and the shopper is written to as the channel does it."""
    REDUCE = "reduce"
    """Lines have fewer pieces from now on; no money moves: what was paid too much is a person's to give back."""
    MARK = "mark"
    """A sign for the shop's people that the order is in the ERP's hands."""


class Amendment(Record):
    """What a channel is asked to make of one order. ``lines``, to reduce: pieces that each is to have from now on.
    ``mark``: the sign. ``words``: the reason, for the shop's people; of no customer."""

    order: Ref
    kind: AmendmentKind
    lines: tuple[LinePieces, ...] = ()
    mark: str = ""
    words: str = ""
