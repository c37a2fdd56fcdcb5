"""What can come of sending a document: four endings, each a value, none of them guessed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Accepted:
    """A definite yes to the call; the document may still be posted, refused or stand still. ``key``: their receipt."""

    key: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A definite no: nothing was kept over there, every reason given."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotSent:
    """The call certainly had no effect and may be made again (429, refused connection); ``after`` is how long we are
    to wait, if told."""

    reason: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """No definite answer: it may have been kept. ``reason`` without customer data."""

    reason: str


PutAnswer = Accepted | Rejected | NotSent | Doubtful
