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
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.books import FITTING, REFERENCE, compare
from tests.e2e.shops import SHOPS, Shop
from tests.e2e.sold import Record, Sold

CODES = tuple(shop.code for shop in SHOPS)
"""How every reference of this world's config begins."""
SCHEMA = """
CREATE TABLE documents (key TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE served (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE blocked (shop TEXT NOT NULL, name TEXT NOT NULL, code TEXT NOT NULL);
CREATE TABLE sold (key TEXT PRIMARY KEY) WITHOUT ROWID;
"""
INDICES = """
CREATE INDEX documents_by_order ON documents (key);
CREATE INDEX blocked_by_name ON blocked (shop, name);
"""
SAID_OF_EACH = 50
"""Findings of a kind that are kept in words; all are counted."""


@dataclass
class Verdict:
    """What became of every order, counted; the findings in words as far as there is room."""

    counts: Counter[str] = field(default_factory=Counter)
    of_shop: Counter[str] = field(default_factory=Counter)
    """Orders sold, by connection."""
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
                row = (found[1], json.dumps(document, default=str))  # amounts digit by digit
                self.at.execute("INSERT INTO documents VALUES (?, ?)", row)
            elif reference.startswith(CODES):
                self.strangers.append(reference)

    def put_served(self, shop: Shop, served: Iterable[Record]) -> None:
        self.at.executemany("INSERT INTO served VALUES (?)", [(f"{shop.code}{one['orderId']}",) for one in served])

    def put_blocked(self, shop: Shop, exceptions: Mapping[str, Any]) -> None:
        """The answer of ``exceptions --json --all --channel``: every name of every group."""
        for group in exceptions["groups"]:
            assert len(group["names"]) == group["orders"], f"{group['code']}: not every order is named"
            rows = [(shop.code, name, group["code"]) for name in group["names"]]
            self.at.executemany("INSERT INTO blocked VALUES (?, ?, ?)", rows)

    def index(self) -> None:
        self.at.executescript(INDICES)

    def documents(self, key: str) -> list[Record]:
        found = self.at.execute("SELECT body FROM documents WHERE key = ?", (key,))
        return [json.loads(body) for (body,) in found]

    def codes(self, shop: Shop, name: str) -> set[str]:
        values = (shop.code, name)
        return {code for (code,) in self.at.execute("SELECT code FROM blocked WHERE shop = ? AND name = ?", values)}

    def was_served(self, key: str) -> bool:
        return self.at.execute("SELECT 1 FROM served WHERE key = ?", (key,)).fetchone() is not None

    def note_sold(self, key: str) -> None:
        self.at.execute("INSERT INTO sold VALUES (?)", (key,))

    def never_sold(self) -> Iterator[str]:
        left = "SELECT DISTINCT key FROM documents WHERE key NOT IN (SELECT key FROM sold)"
        return (key for (key,) in self.at.execute(left))


Named = Container[tuple[str, str]]
"""Orders, by connection and name, that a person was told of after they were booked."""


def judge(files: Files, sold: Iterable[tuple[Shop, Sold]], named: Named | None = None) -> Verdict:
    """Go over every order sold; ``files`` were filled and indexed before. Without ``named`` what came of them after
    they were booked is not judged."""
    verdict = Verdict()
    for shop, order in sold:
        key = shop.key(order)
        files.note_sold(key)
        verdict.of_shop[shop.connection] += 1
        documents = files.documents(key)
        _judge_one(verdict, order, documents, files.codes(shop, order.name), files.was_served(key))
        if named is not None:
            _judge_after(verdict, order, documents, named=(shop.connection, order.name) in named)
    for key in files.never_sold():
        verdict.find("wrong", f"{key} was booked and never sold")
    for reference in files.strangers:
        verdict.find("wrong", f"{reference} is no reference of ours")
    return verdict


def _judge_one(verdict: Verdict, order: Sold, documents: list[Record], codes: set[str], served: bool) -> None:
    verdict.counts["sold"] += 1
    verdict.counts["booked"] += bool(documents)
    verdict.counts["blocked"] += bool(codes)
    verdict.counts["cancelled"] += order.cancelled
    verdict.counts["unpaid or test"] += not documents and not order.cancelled and not order.paid
    if twice := _copies(documents):
        verdict.find("doubled", f"{order.name} is in the ERP more than once: {', '.join(twice)}")
        return
    if order.cancelled and not served and documents:
        verdict.find("wrong", f"{order.name} was cancelled before the shop served it as paid, and was booked")
    for finding in compare(order, documents):
        verdict.find("wrong" if documents else "lost", finding)
    _blocked(verdict, order, documents, codes)


def _judge_after(verdict: Verdict, order: Sold, documents: list[Record], *, named: bool) -> None:
    """Every piece that left is shown as sent, once; nothing that was cancelled is shipped unnoticed."""
    left, to_go = _went(documents)
    verdict.counts["left"] += sum(left.values())
    verdict.counts["shown as sent"] += sum(order.left.values())
    verdict.counts["named afterwards"] += named
    for upc in sorted({*left, *order.left}):
        there, shown = left[upc], order.left.get(upc, 0)
        if shown > there:
            verdict.find("doubled", f"{order.name}: {shown} of {upc} are shown as sent, {there} left")
        elif shown < there and not named:
            verdict.find("lost", f"{order.name}: {there} of {upc} left, {shown} are shown as sent, and nobody says so")
    if order.cancelled and documents:
        verdict.counts["cancelled after booking"] += 1
        if (to_go or +left) and not named:
            verdict.find("wrong", f"{order.name} is cancelled, {to_go + sum(left.values())} of it are sent unnoticed")


def _went(documents: Iterable[Record]) -> tuple[Counter[str], int]:
    """Pieces that left, by UPC, and how many are still to go."""
    left: Counter[str] = Counter()
    to_go = 0
    for document in documents:
        for row in document["orderdetail"]["rows"]:
            gone = int(row.get("inv_qty", 0))
            left[row["upc"]] += gone
            to_go += int(row["ord_qty"]) - int(row.get("cxl_qty", 0)) - gone
    return left, to_go


def _copies(documents: Sequence[Record]) -> list[str]:
    """Parts that the ERP holds more than once, under whatever generation."""
    parts: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        reference = str(document["po_num"])
        parts[reference.rpartition("G")[0]].append(reference)
    return [reference for found in parts.values() if len(found) > 1 for reference in found]


def _blocked(verdict: Verdict, order: Sold, documents: list[Record], codes: set[str]) -> None:
    """Blocked for the reason it was spoilt by, or not at all; and what was spoilt is not silently missing."""
    fitting = {FITTING[fault] for fault in order.spoilt if fault in FITTING}
    name = order.name
    if codes and documents:
        verdict.find("wrong", f"{name} is booked, and said to be blocked: {', '.join(sorted(codes))}")
    elif codes and codes != fitting:
        verdict.find("wrong", f"{name} is blocked by {sorted(codes)}; what is wrong with it is {sorted(fitting)}")
    elif fitting and order.paid and not codes and not documents:
        verdict.find("lost", f"{name} is paid, unbookable ({', '.join(sorted(fitting))}) and nobody says so")
