"""What a person asks for and what came of it: the words between the command line and the running bridge."""

from __future__ import annotations

from enum import StrEnum

from bcbridge.errors import BridgeError
from bcbridge.model.record import Record


class Selection(Record):
    """Which orders are meant. Everything given narrows; nothing given means nothing, unless ``all``.

    ``orders`` are words a person has in hand: a name, an id, a ref, a reference, an ERP number. ``cause`` and
    ``code`` are those of a problem (``ship_via/Overnight``, ``unknown_sku``); ``channel`` is a connection's name.
    """

    orders: tuple[str, ...] = ()
    cause: str | None = None
    code: str | None = None
    channel: str | None = None
    all: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.orders or self.cause or self.code or self.channel or self.all)


class Incidents(Record):
    """Which incidents are meant, of those that stand. Everything given narrows; nothing given means nothing, unless
    ``all``. ``numbers`` are those that every list and letter shows."""

    numbers: tuple[int, ...] = ()
    code: str | None = None
    connector: str | None = None
    all: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.numbers or self.code or self.connector or self.all)


class Word(StrEnum):
    """A person's word on a write in doubt, after looking in the ERP."""

    BOOKED = "booked"
    """It is there, under this number."""
    ABSENT = "absent"
    """It is not there and will not come: the same document may be sent again."""
    REBOOK = "rebook"
    """Make it anew under a new reference, whatever became of the old one."""


class Resolution(Record):
    """``number`` is the ERP's, given with BOOKED only."""

    word: Word
    number: str = ""


class LeftOut(Record):
    """An order that was meant but not touched, and why."""

    order: str
    reason: str


class ActResult(Record):
    """``matched`` orders (or rows) were meant, ``done`` were acted on; a dry run does none.

    ``orders`` names them, at most fifty.
    """

    matched: int
    done: int
    orders: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    note: str = ""


class NotFound(BridgeError):
    """What a person named is not there."""


class Refusal(BridgeError):
    """The act cannot be done as things stand; the message says why and what would help."""
