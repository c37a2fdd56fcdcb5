"""The judge of a chaos run: the sandbox's own books and what ``bcbridge exceptions --json --all`` says, nothing else.

1. put away   what the ERP holds under references of ours, whom the shop told that an order is paid, what the bridge
              says is blocked: page by page, into a file; memory stays small however many orders there are
2. go over    every order the shop sold, once
3. sort       what is wrong into lost, doubled, wrong

An order is fine where it is booked once, to the cent, in the pieces and the currency it was sold in; or where it may
not be booked (unpaid, a test, cancelled before the shop first served it as paid); or where it is blocked for the very
reason that the shopper made it unbookable.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.books import FITTING, REFERENCE, Record, compare, is_paid, spoilt

OURS = "SUS"
"""How every reference of this world's config begins."""
SCHEMA = """
CREATE TABLE documents (order_id INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE served (order_id INTEGER PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE blocked (name TEXT NOT NULL, code TEXT NOT NULL);
CREATE TABLE sold (order_id INTEGER PRIMARY KEY) WITHOUT ROWID;
"""
INDICES = """
CREATE INDEX documents_by_order ON documents (order_id);
CREATE INDEX blocked_by_name ON blocked (name);
"""
SAID_OF_EACH = 50
"""Findings of a kind that are kept in words; all are counted."""


@dataclass
class Verdict:
    """What became of every order, counted; the findings in words as far as there is room."""

    counts: Counter[str] = field(default_factory=Counter)
    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def find(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        if len(self.said[kind]) < SAID_OF_EACH:
            self.said[kind].append(text)

    def __getitem__(self, kind: str) -> int:
        return self.counts[kind]

    @property
    def clean(self) -> bool:
        return not (self["lost"] or self["doubled"] or self["wrong"])

    @property
    def share_booked(self) -> float:
        """Of all that was sold, cancelled and unbookable orders included."""
        return self["booked"] / self["sold"] if self["sold"] else 0.0


@dataclass
class Files:
    """What was put away, by order."""

    at: sqlite3.Connection
    strangers: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, path: Path) -> Files:
        path.unlink(missing_ok=True)
        at = sqlite3.connect(path, isolation_level=None)
        at.execute("PRAGMA synchronous = OFF")
        at.executescript(SCHEMA)
        return cls(at)

    def put_documents(self, held: Iterable[Record]) -> None:
        """What the ERP holds under a reference that begins as ours do."""
        for document in held:
            reference = str(document["po_num"])
            found = REFERENCE.fullmatch(reference)
            if found is not None:
                row = (int(found[1]), json.dumps(document, default=str))  # amounts digit by digit
                self.at.execute("INSERT INTO documents VALUES (?, ?)", row)
            elif reference.startswith(OURS):
                self.strangers.append(reference)

    def put_served(self, served: Iterable[Record]) -> None:
        self.at.executemany("INSERT INTO served VALUES (?)", [(one["orderId"],) for one in served])

    def put_blocked(self, exceptions: Mapping[str, Any]) -> None:
        """The answer of ``exceptions --json --all``: every name of every group."""
        for group in exceptions["groups"]:
            assert len(group["names"]) == group["orders"], f"{group['code']}: not every order is named"
            self.at.executemany("INSERT INTO blocked VALUES (?, ?)", [(name, group["code"]) for name in group["names"]])

    def index(self) -> None:
        self.at.executescript(INDICES)

    def documents(self, order_id: int) -> list[Record]:
        found = self.at.execute("SELECT body FROM documents WHERE order_id = ?", (order_id,))
        return [json.loads(body) for (body,) in found]

    def codes(self, name: str) -> set[str]:
        return {code for (code,) in self.at.execute("SELECT code FROM blocked WHERE name = ?", (name,))}

    def was_served(self, order_id: int) -> bool:
        return self.at.execute("SELECT 1 FROM served WHERE order_id = ?", (order_id,)).fetchone() is not None

    def note_sold(self, order_id: int) -> None:
        self.at.execute("INSERT INTO sold VALUES (?)", (order_id,))

    def never_sold(self) -> Iterator[int]:
        left = "SELECT DISTINCT order_id FROM documents WHERE order_id NOT IN (SELECT order_id FROM sold)"
        return (order_id for (order_id,) in self.at.execute(left))


def judge(files: Files, sold: Iterable[Record]) -> Verdict:
    """Go over every order sold; ``files`` were filled and indexed before."""
    verdict = Verdict()
    for order in sold:
        order_id = int(order["legacyResourceId"])
        files.note_sold(order_id)
        _judge_one(verdict, order, files.documents(order_id), files.codes(order["name"]), files.was_served(order_id))
    for order_id in files.never_sold():
        verdict.find("wrong", f"{order_id} was booked and never sold")
    for reference in files.strangers:
        verdict.find("wrong", f"{reference} is no reference of ours")
    return verdict


def _judge_one(verdict: Verdict, order: Record, documents: list[Record], codes: set[str], served: bool) -> None:
    verdict.counts["sold"] += 1
    verdict.counts["booked"] += bool(documents)
    verdict.counts["blocked"] += bool(codes)
    verdict.counts["cancelled"] += bool(order["cancelledAt"])
    verdict.counts["unpaid or test"] += not documents and not order["cancelledAt"] and not is_paid(order)
    if twice := _copies(documents):
        verdict.find("doubled", f"{order['name']} is in the ERP more than once: {', '.join(twice)}")
        return
    if order["cancelledAt"] and not served and documents:
        verdict.find("wrong", f"{order['name']} was cancelled before the shop served it as paid, and was booked")
    for finding in compare(order, documents):
        verdict.find("wrong" if documents else "lost", finding)
    _blocked(verdict, order, documents, codes)


def _copies(documents: Sequence[Record]) -> list[str]:
    """Parts that the ERP holds more than once, under whatever generation."""
    parts: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        reference = str(document["po_num"])
        parts[reference.rpartition("G")[0]].append(reference)
    return [reference for found in parts.values() if len(found) > 1 for reference in found]


def _blocked(verdict: Verdict, order: Record, documents: list[Record], codes: set[str]) -> None:
    """Blocked for the reason it was spoilt by, or not at all; and what was spoilt is not silently missing."""
    fitting = {FITTING[fault] for fault in spoilt(order) if fault in FITTING}
    name = order["name"]
    if codes and documents:
        verdict.find("wrong", f"{name} is booked, and said to be blocked: {', '.join(sorted(codes))}")
    elif codes and codes != fitting:
        verdict.find("wrong", f"{name} is blocked by {sorted(codes)}; what is wrong with it is {sorted(fitting)}")
    elif fitting and is_paid(order) and not codes and not documents:
        verdict.find("lost", f"{name} is paid, unbookable ({', '.join(sorted(fitting))}) and nobody says so")
