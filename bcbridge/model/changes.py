"""Changes after an order was booked, in our words: what the ERP is asked to make of a sales order, and a channel of an
order.

Both are levels, not steps: asked for twice, it is as asked for once. So what had no answer is looked at again and asked
for again where it is still wanting; nothing is ever undone by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bcbridge.model import documents
from bcbridge.model.dispatch import LinePieces
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.order import Address
from bcbridge.model.outcome import Problem
from bcbridge.model.record import Record
from bcbridge.model.sales_order import BookedOrder
from bcbridge.model.shipment import BookedRow


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


class Stage(StrEnum):
    """How far the ERP has gone with an order: the furthest of its pieces."""

    OPEN = "open"
    PICKED = "picked"
    PART_SHIPPED = "part_shipped"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    """No piece is held any more, and none left."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a side was asked for, and how often, while both stood as ``against`` says. ``refused``: its words, where
    the last answer was no."""

    what: str
    against: str
    times: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One of an order's documents: the body that was sent, how what the ERP held differed from it at the booking, and
    what the ERP holds of it now, as last seen (None: not seen since something was asked of it)."""

    reference: Reference
    body: bytes = field(repr=False)
    differed: tuple[str, ...]
    held: BookedOrder | None
    number: str = ""
    """The ERP's, of the document that was linked; another under the same reference is not it."""


@dataclass(frozen=True, slots=True)
class ChangeStanding:
    """One order as it is remembered. ``settled``: all its documents are booked; ``under_way``: one is on its way.
    ``created``: when the channel made the order that was booked. ``known``: the channel's document as it was last kept.
    ``marked``: the channel said yes or no to its mark. ``amended``: it took an amendment from us. ``doubt``: when the
    last request without an answer had ended. ``agreed``: the differences a person said are all right; ``open``: some
    are a person's now."""

    order_id: int
    name: str
    settled: bool
    under_way: bool
    created: datetime | None
    known: documents.Document | None
    booked: tuple[BookedRow, ...]
    documents: tuple[Document, ...]
    marked: bool = False
    amended: bool = False
    doubt: datetime | None = None
    asked: tuple[Asked, ...] = ()
    agreed: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """How the two sides of an order stand: what a person is to judge, and a digest of it all that ``agreed`` repeats.
    Nothing to judge: they agree."""

    stage: Stage
    problems: tuple[Problem, ...] = ()
    digest: str = ""
