"""What a flow made of one order: one of four endings, each a value."""

from __future__ import annotations

from bcbridge.model.ids import Ref, Upc
from bcbridge.model.record import Moment, Record
from bcbridge.model.sales_order import SalesOrder


class Problem(Record):
    """One reason why an order is blocked (or one thing worth a note on an order that is not).

    ``code`` is stable and lower-case (``unknown_sku``); ``subject`` says where (a line, a field); ``text`` is for a
    person, without customer data; ``cause`` groups and cures: ``sku/012345678905``, ``ship_via/Overnight``,
    ``customers/EUR``; empty where no single cure exists. ``also``: further causes whose cure frees the order too.
    """

    code: str
    subject: str
    text: str
    cause: str = ""
    also: tuple[str, ...] = ()


class NotYet(Record):
    """Not ready for the ERP: why, since when it is so in the channel, and when to look again without being told."""

    code: str
    text: str
    look_again: Moment | None = None


class Never(Record):
    """Will not be booked: a test order, cancelled before import, before the go-live boundary, skipped."""

    code: str
    text: str


class Blocked(Record):
    """Cannot be booked as it is: every problem, not the first."""

    problems: tuple[Problem, ...]


class Link(Record):
    """A variant of the channel was sold as this UPC. ``live``: its line told the SKU of today, not of the sale."""

    variant: Ref
    upc: Upc
    live: bool


class Ready(Record):
    """To be booked as these parts; ``notes`` are recorded beside it (a truncation, a price that differs).

    ``links``: what is remembered of its variants.
    """

    parts: tuple[SalesOrder, ...]
    notes: tuple[Problem, ...] = ()
    links: tuple[Link, ...] = ()


Outcome = NotYet | Never | Blocked | Ready
