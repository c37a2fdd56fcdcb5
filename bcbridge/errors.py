"""What to do next, when something did not go well.

Errors are named by the decision they ask for, not by what broke: whoever catches one knows what to do without
reading the message. They are raised once, at the border where a vendor's answer is translated (class by
decision, message by fact). A normal ending is a value, never an exception.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class BridgeError(Exception):
    """Any of ours. Its text never carries a secret or a customer's data."""


def plain(fault: BaseException) -> str:
    """What may be shown of any fault, in one line: our own words, the system's and SQLite's.

    Of anything else its class alone: a library's message may quote what it could not read, a customer or a key.
    """
    ours = isinstance(fault, BridgeError | OSError | sqlite3.Error)
    return (" ".join(str(fault).split()) if ours else "") or type(fault).__name__


class Retry(BridgeError):
    """Nothing was changed over there (or it was a read): the same call may be made again.

    ``after`` is how long the other side asked us to wait; ``None`` leaves it to the caller's back-off.
    """

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class Reject(BridgeError):
    """A definite no with every reason given; repeating the same call cannot help."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons) or "rejected without a reason")
        self.reasons = tuple(reasons)


class OpenCircuit(BridgeError):
    """The connection itself is at fault (key, quota, contract break): pause it and say why.

    ``after`` is when it may be tried again; ``by_content`` marks a circuit that a ping cannot close: only the same
    read going through does; ``planned`` one that is nobody's fault (quiet hours) and no incident.
    """

    def __init__(
        self, message: str, *, after: timedelta | None = None, by_content: bool = False, planned: bool = False
    ) -> None:
        super().__init__(message)
        self.after = after
        self.by_content = by_content
        self.planned = planned


class InDoubt(BridgeError):
    """A write left us and no definite answer came back: it may or may not have happened over there."""


class Malformed(BridgeError):
    """One document that cannot be read. It is blocked with its raw bytes kept; its neighbours go on."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in what a person wrote: where (a key path), what, and what to write instead."""

    where: str
    what: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.instead})" if self.instead else "")


class Misconfigured(BridgeError):
    """config.toml or a mapping cannot be used; carries every mistake at once."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class StoreBusy(BridgeError):
    """The store cannot take a write now (disk full, locked): nothing was kept, ask again later."""


class PostingClosed(BridgeError):
    """Nothing may be posted now (circuit open, write not confirmed, start not finished): the order stays ready."""


class CutChanged(BridgeError):
    """Part of the order is on its way and the rest can no longer be cut the same way: a person decides."""
