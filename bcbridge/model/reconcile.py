"""What a reconciliation of a channel with the ERP knows, finds and tells.

Three sides of each order are laid beside each other: the channel, the ERP, and what this store remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from bcbridge.model.changes import Document
from bcbridge.model.ids import Ref, Reference
from bcbridge.model.outcome import Problem
from bcbridge.model.record import Moment, Record
from bcbridge.model.sales_order import BookedOrder
from bcbridge.model.shipment import BookedRow, Shipment


class Kind(StrEnum):
    """What may differ; docs/reconcile.md says what is done about each."""

    NOT_SEEN = "not_seen"
    NOT_BOOKED = "not_booked"
    MISSING_IN_ERP = "missing_in_erp"
    TWICE_IN_ERP = "twice_in_erp"
    UNKNOWN_IN_ERP = "unknown_in_erp"
    AMOUNTS_DIFFER = "amounts_differ"
    PIECES_DIFFER = "pieces_differ"
    NOT_STOPPED = "not_stopped"
    STATUS_DIFFERS = "status_differs"
    ADDRESS_DIFFERS = "address_differs"
    SHIPMENT_NOT_READ = "shipment_not_read"
    DISPATCH_NOT_TOLD = "dispatch_not_told"
    DISPATCH_NOT_IN_ERP = "dispatch_not_in_erp"
    GONE_FROM_CHANNEL = "gone_from_channel"


class Ending(StrEnum):
    """What became of a difference by the end of the run."""

    LEFT = "left"
    """To a person."""
    HEALED = "healed"
    HEALING = "healing"
    """Work about it is under way; the next run looks again."""


class Difference(Record):
    """One thing that is not alike on both sides. ``order``: as people call it; ``subject``: a document, a shipment or a
    line of it. ``text`` says what is so, ``action`` what is to be done; of no customer."""

    kind: Kind
    ref: Ref
    order: str
    subject: str
    text: str
    action: str
    ending: Ending = Ending.LEFT


class Pair(Record):
    """The same thing on both sides."""

    channel: Decimal = Decimal(0)
    erp: Decimal = Decimal(0)

    def plus(self, other: Pair) -> Pair:
        return Pair(channel=self.channel + other.channel, erp=self.erp + other.erp)


class Tally(Record):
    """What was compared, counted. ``amounts`` by currency, of booked orders that nobody refunded or edited since;
    ``ordered`` and ``dispatched`` in pieces of booked orders. ``under_way``: work about it is going on, or it is too
    young: not compared. ``notes``: what could not be looked at, in words."""

    orders: int = 0
    under_way: int = 0
    booked: int = 0
    not_yet: int = 0
    blocked: int = 0
    never: int = 0
    amounts: dict[str, Pair] = Field(default_factory=dict)
    ordered: Pair = Pair()
    dispatched: Pair | None = None
    notes: tuple[str, ...] = ()

    def plus(self, other: Tally) -> Tally:
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        amounts = {
            currency: self.amounts.get(currency, Pair()).plus(other.amounts.get(currency, Pair()))
            for currency in sorted({*self.amounts, *other.amounts})
        }
        both = [one for one in (self.dispatched, other.dispatched) if one is not None]
        dispatched = both[0].plus(both[1]) if len(both) == 2 else both[0] if both else None
        notes = tuple(dict.fromkeys((*self.notes, *other.notes)))
        ordered = self.ordered.plus(other.ordered)
        return Tally(**counts, amounts=amounts, ordered=ordered, dispatched=dispatched, notes=notes)


COUNTS = ("orders", "under_way", "booked", "not_yet", "blocked", "never")


class Report(Record):
    """One run over one channel. ``state``: waiting, running, done or failed, then for this ``reason``. ``stage``: how
    far it is, in words. ``asked_by``: a person; empty: it was the night's."""

    run: int
    channel: str
    since: Moment
    heal: bool
    asked_by: str
    state: str
    asked: Moment
    began: Moment | None = None
    ended: Moment | None = None
    stage: str = ""
    reason: str = ""
    tally: Tally = Tally()
    differences: tuple[Difference, ...] = ()
    more: int = 0
    """Differences that were found beside those kept."""

    @property
    def left(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.ending is not Ending.HEALED)


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """One order as this store remembers it.

    ``under_way``: a job of it waits or runs, a call without an answer may still take effect. ``waits``: why it is not
    looked at again before a person says so; empty: nothing keeps it. ``documents``: those that count, of these
    ``by_word`` those that a person said are booked; ``closed``: references that a person gave up. ``confirmed``: pieces
    by line that the channel took from us as left. ``blocked_dispatch`` and ``sides``: what a person has been told of it
    already. ``agreed``: a person said that the two sides may differ as they do.
    """

    id: int
    ref: Ref
    name: str
    state: str
    code: str
    content_hash: str
    created: datetime | None
    under_way: bool
    waits: str
    documents: tuple[Document, ...]
    on_its_way: bool
    numbers: Mapping[Reference, str]
    by_word: frozenset[Reference] = frozenset()
    closed: tuple[Reference, ...] = ()
    booked: tuple[BookedRow, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    confirmed: Mapping[Ref, int] = field(default_factory=dict)
    blocked_dispatch: tuple[Problem, ...] = ()
    sides: tuple[Problem, ...] = ()
    agreed: bool = False


Held = Mapping[Reference, tuple[BookedOrder, ...]]
"""Every document that the ERP shows under each reference."""
