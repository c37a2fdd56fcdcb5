"""Records as another system sent them, and its calls to us, before anyone reads what is inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bcbridge.model.ids import Noun, Ref

Cursor = str
"""A room's own mark of how far a list was read, taken from their data; opaque to the house, JSON by custom.
The empty string means: from the beginning (or from the ``since`` given when the source was made)."""


@dataclass(frozen=True, slots=True)
class Head:
    """A record was seen in a list: its ref, their stamp of last change (UTC, aware) and of creation, if told."""

    ref: Ref
    modified: datetime
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A record as they sent it. ``asked`` is when our request for it left: with ``modified`` it orders versions.

    ``gone``: it was shown, as of ``modified``, and is none of ours (not placed yet, archived, another channel's). Such
    a one has no body; it is neither kept nor read.
    """

    noun: Noun
    ref: Ref
    modified: datetime
    asked: datetime
    body: bytes = field(repr=False)
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, oldest first: heads, or whole documents where the system lists them whole.

    ``cursor`` is to be stored in the transaction that stores this page; reading again from it repeats at most.
    """

    heads: tuple[Head, ...]
    documents: tuple[Document, ...]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Trouble:
    """A delivery that says that ringing itself is in trouble; ``code`` is one of model/incidents.py."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Notification:
    """ "Look at this record": nothing of the body is kept but ids, stamps and a hash.

    ``delivery`` dedupes per (connector, topic). ``modified`` is their stamp, or None.
    ``gone`` marks a deletion: to be put before a person, never deleted in the ERP. ``trouble``, where there is one,
    stands as an incident until the connection rings without.
    """

    topic: str
    delivery: str
    noun: Noun | None
    ref: Ref | None
    modified: datetime | None
    gone: bool = False
    trouble: Trouble | None = None
