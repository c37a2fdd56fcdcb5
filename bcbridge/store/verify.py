"""Whether the store is whole and its tables agree with one another; each finding in words, with what to do.

1. the file     as SQLite sees it, and rows that point to rows that are not there
2. the links    every booked document has its link, and every link its document
3. the orders   each stands where its documents say; their counts are those of the rows
4. the bytes    what is sent again is what was written down
5. the queue    work about one order runs once
6. the demand   what is counted as sent is on its way; what is booked is counted as it was sent

All of it in one read transaction of its own, so that a running bridge is seen at one moment. Walks whole tables: it is
asked by a person, not by the bridge.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bcbridge.errors import BridgeError
from bcbridge.store.backup import reading
from bcbridge.store.outbox import RANK, SHOWN
from bcbridge.store.schema import steps

SHOWN_PER_CHECK = 20
RESTORE = "restore the last good backup: bcbridge restore FILE --replace (docs/running.md)"
ASK = "keep a copy of the store, and tell whoever looks after bcbridge: it should never happen"
LOOK = "look the order up in BlueCherry by its reference; bcbridge show tells what was done"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``subject`` is an order's name, a reference, a table: what to look at."""

    check: str
    subject: str
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``checks``: what was looked at. ``more``: findings beyond those shown, by check."""

    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    more: dict[str, int]

    @property
    def ok(self) -> bool:
        return not self.findings


Look = Callable[[sqlite3.Connection], Iterator[Finding]]


def verify(path: Path) -> Verdict:
    """Look at a store or a backup; blocks while it does. Raises BridgeError where it is of another version."""
    try:
        with closing(reading(path)) as connection:
            connection.execute("BEGIN")
            return _verify(connection, path)
    except sqlite3.Error as fault:
        return _unreadable(path, fault)


def _unreadable(path: Path, fault: sqlite3.Error) -> Verdict:
    text = f"SQLite cannot read it: {fault}"
    return Verdict(("file",), (Finding("file", path.name, text, RESTORE),), {})


def _verify(connection: sqlite3.Connection, path: Path) -> Verdict:
    damaged = list(_file(connection))
    if damaged:  # what the tables say means nothing then
        return _verdict(["file"], {"file": damaged})
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version != len(steps()):
        raise BridgeError(
            f"{path.name} is of another version (schema {version}, here {len(steps())}); its file is whole"
        )
    return _verdict(list(CHECKS), {name: list(look(connection)) for name, look in CHECKS.items()})


def _verdict(checks: list[str], found: dict[str, list[Finding]]) -> Verdict:
    shown = [finding for findings in found.values() for finding in findings[:SHOWN_PER_CHECK]]
    more = {name: len(all_) - SHOWN_PER_CHECK for name, all_ in found.items() if len(all_) > SHOWN_PER_CHECK}
    return Verdict(tuple(checks), tuple(shown), more)


# -- 1. the file -------------------------------------------------------------------------------------------------


def _file(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute("PRAGMA integrity_check(20)"):
        if row[0] != "ok":
            yield Finding("file", "file", str(row[0]), RESTORE)


def _rows_that_point_nowhere(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute("PRAGMA foreign_key_check"):
        yield Finding("rows", str(row[0]), f"row {row[1]} belongs to a row of {row[2]} that is not there", RESTORE)


_EVENTS_OF_NOBODY = """
SELECT order_id, count(*) AS events FROM events WHERE order_id NOT IN (SELECT id FROM orders) GROUP BY order_id
"""


def _events(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_EVENTS_OF_NOBODY):
        yield Finding(
            "rows", "events", f"{row['events']} event(s) of an order {row['order_id']} that is not there", ASK
        )


# -- 2. links and documents --------------------------------------------------------------------------------------

_BOOKED_WITHOUT_LINK = """
SELECT outbox.reference, outbox.number, orders.name FROM outbox JOIN orders ON orders.id = outbox.order_id
WHERE outbox.state = 'posted' AND NOT EXISTS (
    SELECT 1 FROM links WHERE links.connector = orders.connector AND links.noun = 'orders' AND links.ref = orders.ref
                          AND other_ref = outbox.number)
"""
_LINK_WITHOUT_DOCUMENT = """
SELECT links.connector, links.ref, links.other_ref FROM links
WHERE links.noun = 'orders' AND links.other_noun = 'orders' AND NOT EXISTS (
    SELECT 1 FROM outbox JOIN orders ON orders.id = outbox.order_id
    WHERE outbox.number = links.other_ref AND outbox.number <> '' AND outbox.state = 'posted'
      AND orders.connector = links.connector AND orders.ref = links.ref)
"""
_NUMBER_TWICE = """
SELECT sink, number, group_concat(reference, ', ') AS names FROM outbox
WHERE state = 'posted' AND number <> '' GROUP BY sink, number HAVING count(*) > 1
"""


def _links(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_BOOKED_WITHOUT_LINK):
        text = f"{row['reference']} is booked as {row['number'] or '(no number)'} and has no link"
        yield Finding("links", row["name"], text, LOOK)
    for row in tx.execute(_LINK_WITHOUT_DOCUMENT):
        text = f"{row['connector']} {row['ref']} is linked to {row['other_ref']}, which no booked document of ours is"
        yield Finding("links", row["ref"], text, LOOK)


def _numbers(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_NUMBER_TWICE):
        text = f"{row['sink']} number {row['number']} stands for several documents: {row['names']}"
        yield Finding("links", row["number"], text, LOOK)


# -- 3. orders, their documents, their counts --------------------------------------------------------------------

_ORDERS_AND_PARTS = """
SELECT orders.id, orders.name, orders.ref, orders.state, orders.booked_at, outbox.part, outbox.parts,
       outbox.state AS part_state
FROM orders LEFT JOIN outbox ON outbox.order_id = orders.id AND outbox.state <> 'closed'
ORDER BY orders.id
"""
BY_DOCUMENTS = frozenset({"sending", "accepted", "in_doubt", "booked"})
"""States that only an order's documents can give it."""


def _orders(tx: sqlite3.Connection) -> Iterator[Finding]:
    for order, parts in _by_order(tx.execute(_ORDERS_AND_PARTS)):
        name = order["name"] or order["ref"]
        if why := _contradiction(order, parts):
            yield Finding("orders", name, why, LOOK)
        if order["state"] == "booked" and order["booked_at"] is None:
            yield Finding("orders", name, "it is booked, and nobody knows since when", ASK)


def _by_order(rows: Iterator[sqlite3.Row]) -> Iterator[tuple[sqlite3.Row, list[sqlite3.Row]]]:
    held: list[sqlite3.Row] = []
    for row in rows:
        if held and held[0]["id"] != row["id"]:
            yield held[0], [one for one in held if one["part"] is not None]
            held = []
        held.append(row)
    if held:
        yield held[0], [one for one in held if one["part"] is not None]


def _contradiction(order: sqlite3.Row, parts: list[sqlite3.Row]) -> str:
    """Why an order cannot stand where it does, by its documents; empty where it can."""
    state, shown = order["state"], _shown(parts)
    if state in BY_DOCUMENTS and shown != state:
        return f"it is {state}, and its documents say {shown or 'that there are none, or not all'}"
    if shown in BY_DOCUMENTS and shown != state:
        return f"its documents say {shown}, and it is {state}"
    return ""


def _shown(parts: list[sqlite3.Row]) -> str:
    """What the least advanced of all parts shows; empty where a part has no document."""
    if not parts or len({part["part"] for part in parts}) < max(part["parts"] for part in parts):
        return ""
    return SHOWN[min((str(part["part_state"]) for part in parts), key=RANK.index)]


_COUNTS_OFF = """
SELECT connector, state, sum(kept) AS kept, sum(there) AS there FROM (
    SELECT connector, state, orders AS kept, 0 AS there FROM order_counts
    UNION ALL SELECT connector, state, 0, count(*) FROM orders GROUP BY connector, state
) GROUP BY connector, state HAVING sum(kept) <> sum(there)
"""


def _counts(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_COUNTS_OFF):
        text = f"{row['kept']} are counted as {row['state']}, {row['there']} are there"
        yield Finding("counts", row["connector"], text, ASK)


# -- 4. what was written down is what is sent --------------------------------------------------------------------

_BODIES = "SELECT reference, body, body_hash FROM outbox WHERE length(body) > 0"
_BODY_MISSING = """
SELECT reference, state FROM outbox
WHERE length(body) = 0 AND state IN ('queued', 'sending', 'accepted', 'in_doubt')
"""


def _bodies(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_BODIES):
        if hashlib.sha256(row["body"]).hexdigest() != row["body_hash"]:
            yield Finding("bodies", row["reference"], "its bytes are not those that were written down", RESTORE)
    for row in tx.execute(_BODY_MISSING):
        text = f"it is {row['state']}, and its bytes are gone"
        yield Finding("bodies", row["reference"], text, ASK)


# -- 5. the queue ------------------------------------------------------------------------------------------------

_RUNNING_TWICE = """
SELECT ordering_key, count(*) AS jobs FROM jobs WHERE state = 'running' GROUP BY ordering_key HAVING count(*) > 1
"""
_WAITING_TWICE = """
SELECT flow, connector, ref, count(*) AS jobs FROM jobs WHERE state = 'waiting'
GROUP BY flow, connector, ref HAVING count(*) > 1
"""


def _jobs(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_RUNNING_TWICE):
        yield Finding("jobs", row["ordering_key"], f"{row['jobs']} jobs run on one order at once", ASK)
    for row in tx.execute(_WAITING_TWICE):
        text = f"{row['jobs']} jobs of {row['flow']} wait for one record of {row['connector']}"
        yield Finding("jobs", row["ref"], text, ASK)


# -- 6. what orders ask for --------------------------------------------------------------------------------------

_SENT_NOWHERE = """
SELECT demand.reference, demand.sku, sum(demand.qty) AS pieces FROM stock_demand AS demand
LEFT JOIN outbox ON outbox.reference = demand.reference
WHERE demand.state = 'sent' AND (outbox.id IS NULL OR outbox.state IN ('rejected', 'closed'))
GROUP BY demand.reference, demand.sku
"""
_ASKS_TOO_MUCH = """
SELECT asked.channel, asked.order_ref, asked.sku, sum(asked.wanted) AS wanted,
       coalesce((SELECT sum(untold - reduced) FROM stock_reduced AS off WHERE off.channel = asked.channel
                 AND off.order_ref = asked.order_ref AND off.sku = asked.sku), 0) AS off,
       coalesce((SELECT sum(qty) FROM stock_demand AS demand WHERE demand.channel = asked.channel
                 AND demand.order_ref = asked.order_ref AND demand.sku = asked.sku AND demand.state <> 'void'), 0)
           AS counted
FROM stock_asked AS asked WHERE asked.sku <> '' GROUP BY asked.channel, asked.order_ref, asked.sku
HAVING counted < wanted - off
"""


def _demand(tx: sqlite3.Connection) -> Iterator[Finding]:
    for row in tx.execute(_SENT_NOWHERE):
        text = f"{row['pieces']} of {row['sku']} count as sent, and no document of that reference is on its way"
        yield Finding("demand", row["reference"], text, ASK)
    for row in tx.execute(_ASKS_TOO_MUCH):
        text = f"{row['wanted']} of {row['sku']} are asked for, {row['counted']} are counted"
        yield Finding("demand", f"{row['channel']} {row['order_ref']}", text, ASK)


CHECKS: dict[str, Look] = {
    "rows that point nowhere": _rows_that_point_nowhere,
    "events of nobody": _events,
    "links against the outbox": _links,
    "numbers of the ERP": _numbers,
    "orders against their documents": _orders,
    "counts of orders": _counts,
    "bytes of documents": _bodies,
    "jobs": _jobs,
    "pieces that orders ask for": _demand,
}
