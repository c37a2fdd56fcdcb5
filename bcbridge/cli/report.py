"""The morning report: one line for each thing of an order that a person is to do, as CSV. No customer's data."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from bcbridge.config import Settings
from bcbridge.errors import BridgeError
from bcbridge.mappings import TABLES
from bcbridge.model.ids import order_argument
from bcbridge.model.incidents import FAILURES
from bcbridge.phrases import cure
from bcbridge.store import views
from bcbridge.store import watch as facts
from bcbridge.store.views import Due, Reads, Trouble
from bcbridge.watches.dispatches import overdue_before
from bcbridge.watches.orders import IN_FOREIGN_WORDS

COLUMNS = ("since", "team", "channel", "order", "erp_number", "code", "what", "next_action", "amount", "currency")
OUT = Path("-")
FOREIGN = IN_FOREIGN_WORDS | {"dispatch_refused"}
"""What another program said may name a customer: it stands in the order's own story."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet reckons with what begins so; names and texts come from a shop."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``owner``: the code whose team it is."""

    due: Due
    owner: str
    what: str
    action: str


async def due(reads: Reads, *, settings: Settings, channel: str | None, now: datetime) -> list[Line]:
    """Blocked orders, dispatches that cannot be told, orders whose two sides differ, and what should have left; the
    oldest first."""
    blocked = [_blocked(one) for one in await views.due_blocked(reads, channel=channel)]
    dispatches = [_untold(one) for one in await views.due_dispatches(reads, channel=channel)]
    late = [_late(one) for name in settings.channels if channel in (None, name)
            for one in await _overdue(reads, settings, name, now)]  # fmt: skip
    changes = [_differs(one) for one in await views.due_changes(reads, channel=channel)]
    return sorted([*blocked, *dispatches, *changes, *late], key=lambda line: line.due.since)


async def _overdue(reads: Reads, settings: Settings, channel: str, now: datetime) -> list[Due]:
    """Nobody reads what left an ERP where no channel is told of it."""
    erp = settings.channels[channel].erp
    if not any(one.dispatches for one in settings.channels.values() if one.erp == erp):
        return []
    found = []
    for warehouse in await facts.leaving_from(reads, channel):
        before = overdue_before(settings, warehouse, now=now)
        found += await views.due_to_leave(reads, channel=channel, warehouse=warehouse, before=before)
    return found


def _blocked(one: Due) -> Line:
    if one.code in FOREIGN:
        return Line(one, one.code, FAILURES[one.code].title, f"Its words: bcbridge show {_named(one)}")
    return Line(one, one.code, _what(one), cure(Trouble(one.code, one.subject, one.text, one.cause), one.channel))


def _untold(one: Due) -> Line:
    table, _, key = one.cause.partition("/")
    if table in TABLES and key:
        action = cure(Trouble(one.code, one.subject, one.text, one.cause), one.channel)
    else:
        action = f"docs/dispatches.md says what to do of {one.code}; bcbridge show {_named(one)}"
    return Line(one, "dispatch_blocked", one.subject if one.code in FOREIGN else _what(one), action)


def _differs(one: Due) -> Line:
    action = f"Do it on the other side, or bcbridge agree {_named(one)} --why '...'"
    return Line(one, one.code, _what(one), action)


def _late(one: Due) -> Line:
    place = one.subject or "its warehouse"
    what = f"{one.text} have not left {place}"
    return Line(one, one.code, what, f"Look in {place} and at the ERP's order; bcbridge show {_named(one)}")


def _what(one: Due) -> str:
    return f"{one.subject}: {one.text}" if one.subject else one.text


def _named(one: Due) -> str:
    return order_argument(one.channel, one.order)


# -- written -----------------------------------------------------------------------------------------------------


def write(file: Path, lines: Iterable[Line]) -> None:
    """To a file, or to the terminal for ``-``. Raises BridgeError where it cannot be written."""
    write_rows(file, COLUMNS, map(_cells, lines))


def write_rows(file: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """As ``write``, whatever the columns are."""
    with _opened(file) as target:
        sheet = csv.writer(target, lineterminator="\n")
        sheet.writerow(columns)
        sheet.writerows([_tame(cell) for cell in row] for row in rows)


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    if file == OUT:
        yield sys.stdout
        return
    try:
        with file.open("w", newline="", encoding="utf-8") as target:
            yield target
    except OSError as fault:
        raise BridgeError(f"{file} cannot be written: {fault.strerror}") from None


def _cells(line: Line) -> Sequence[str]:
    one, team = line.due, FAILURES[line.owner].team if line.owner in FAILURES else ""
    said = (one.channel, one.order, one.numbers, one.code, line.what, line.action, str(one.amount), one.currency)
    return one.since.isoformat(timespec="seconds"), team, *said


def _tame(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
