"""Dispatches in our words: what a channel shows of them, and what it is told.

A channel knows pieces of order lines that have left (*fulfilled*), in fulfilments with tracking numbers, and pieces
that it would take as leaving now (*fulfillable*), each from one location. A dispatch moves some from the one to the
other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold
from bcbridge.model.outcome import Problem
from bcbridge.model.record import Moment, Record
from bcbridge.model.shipment import BookedRow, Shipment

CAPTURE = "capture/"
"""Begins what a call is about that asks for money; the authorisation's ref ends it."""


class LinePieces(Record):
    """So many pieces of one line of an order."""

    line: Ref
    pieces: int


class Fulfilment(Record):
    """What the channel shows as one shipment; those it shows as cancelled are left out."""

    ref: Ref
    location: Ref | None
    lines: tuple[LinePieces, ...]
    company: str
    tracks: tuple[str, ...]
    at: Moment


class Fulfillable(Record):
    """Pieces of one line that may leave from one location now. ``group`` and ``item`` name them to the channel
    (Shopify: the fulfilment order and its line); they may be others at the next look."""

    group: Ref
    item: Ref
    line: Ref
    location: Ref | None
    pieces: int
    place: str = ""
    """The location, as people call it."""


class DispatchView(Record):
    """One order's dispatches as its channel shows them. ``holds``: what keeps pieces from leaving."""

    ref: Ref
    cancelled: bool
    fulfilments: tuple[Fulfilment, ...]
    fulfillable: tuple[Fulfillable, ...]
    holds: tuple[Hold, ...] = ()
    unfinished: tuple[bytes, ...] = ()
    """Bodies of calls that are still due although the pieces of them are shown: a number or a note for the shopper
    that is missing, an order of which everything left and that is not marked as complete. The look after each says
    whether it was made."""
    again: bool = False
    """What is told may leave something unfinished: look again after it."""
    whole: bool = True
    """False where the channel has more fulfilments than can be read: then nothing follows from what is not shown."""

    def told(self, line: Ref) -> int:
        """Pieces of a line that the channel shows as left."""
        return sum(one.pieces for shown in self.fulfilments for one in shown.lines if one.line == line)


class Dispatch(Record):
    """One shipment to be told: of one order, from one location. ``links`` by tracking number, where there are any; with
    none a channel that knows the company makes its own."""

    order: Ref
    pieces: tuple[Fulfillable, ...]
    """``pieces`` of each: those that have left."""
    company: str
    tracks: tuple[str, ...]
    links: tuple[str, ...] = ()
    notify: bool = True


class Authorisation(Record):
    """Money of one order that a gateway holds for us, and that was not captured. ``ref``: as the channel names it.
    ``amount``: what may be captured of it, never more than is authorised, nor than the order still costs."""

    order: Ref
    ref: Ref
    gateway: str
    amount: Decimal
    currency: str


class AuthorisedMoney(Record):
    """All of one order's. Empty also while a capture is under way over there."""

    order: Ref
    authorisations: tuple[Authorisation, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A shipment that a channel took from us, by the numbers it was last told with."""

    shipment: str
    tracks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """When, and in which words."""

    at: datetime
    reason: str


def body_digest(body: bytes) -> str:
    """How a call is known again when its bytes are long gone."""
    return hashlib.sha256(body).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class DispatchStanding:
    """One order as it is remembered. ``confirmed``: pieces by line that the channel took from us, ``told_at`` when it
    last did. ``doubt``: when the last call without an answer had ended."""

    order_id: int
    booked: tuple[BookedRow, ...]
    shipments: tuple[Shipment, ...]
    confirmed: Mapping[Ref, int]
    doubt: datetime | None
    told_at: datetime | None = None
    told: Mapping[str, Told] = field(default_factory=dict)
    """By the channel's receipt: its fulfilment."""
    finished: frozenset[str] = frozenset()
    """Digests of bodies that finished it, and that the channel took."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """What the channel said no to last, by the digest of its body."""
    checked: datetime | None = None
    """When it was last looked at."""
    all_left: bool = False
    """Every piece that the ERP was asked for has left, or will not be shipped any more."""
    authorised: bool = False
    """Its money was authorised, and not captured, when its channel was last looked at."""
    captures: Mapping[Ref, bool] = field(default_factory=dict)
    """What was captured by us, or was to be, by the authorisation's ref: whether the channel took it."""


@dataclass(frozen=True, slots=True)
class DispatchReport:
    """How an order's dispatches stand: pieces that left, of these those that the channel shows, those that it is still
    to be told, and what a person is to judge."""

    left: int
    told: int
    owed: int
    problems: tuple[Problem, ...] = ()
