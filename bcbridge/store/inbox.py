"""What came in: notifications, what lists showed, and each record as its system last said it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from bcbridge.model.documents import Cursor, Document, Head, Notification
from bcbridge.model.ids import Noun, Ref
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp


@dataclass(frozen=True, slots=True)
class Arrival:
    """A notification that was let in: from whom, what it says, the hash of its body, when it came."""

    connector: str
    notification: Notification
    body_hash: str
    at: datetime


_KNOWN = """
SELECT json_group_array(one.key) FROM json_each(?) AS one
WHERE EXISTS (SELECT 1 FROM deliveries WHERE connector = json_extract(one.value, '$[0]')
              AND topic = json_extract(one.value, '$[1]') AND delivery = json_extract(one.value, '$[2]'))
"""
_DELIVERIES = """
INSERT INTO deliveries (connector, topic, delivery, ref, modified, body_hash, received_at)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
       json_extract(value, '$[6]')
FROM json_each(?) WHERE true ON CONFLICT DO NOTHING
"""


def delivered(tx: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[bool]:
    """Keep the ids, stamps and hash of each; False for a delivery that was kept before."""
    rows = [_row(arrival) for arrival in arrivals]
    told = orjson.dumps(rows).decode()
    known = set(orjson.loads(tx.execute(_KNOWN, (told,)).fetchone()[0]))
    tx.execute(_DELIVERIES, (told,))
    seen: set[object] = set()
    fresh = []
    for place, row in enumerate(rows):
        fresh.append(place not in known and row[:3] not in seen)
        seen.add(row[:3])
    return fresh


def _row(arrival: Arrival) -> tuple[str | None, ...]:
    said = arrival.notification
    modified = stamp(said.modified) if said.modified else None
    delivery = (arrival.connector, said.topic, said.delivery)
    return (*delivery, said.ref, modified, arrival.body_hash, stamp(arrival.at))


_LISTED = """
INSERT INTO listed (connector, noun, list, ref, modified) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (connector, noun, list, ref) DO UPDATE SET modified = excluded.modified
WHERE excluded.modified > listed.modified
"""
_CURSOR = """
INSERT INTO cursors (connector, noun, list, value, moved_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (connector, noun, list) DO UPDATE SET value = excluded.value, moved_at = excluded.moved_at
"""
_GET_CURSOR = "SELECT value FROM cursors WHERE connector = ? AND noun = ? AND list = ?"


def newly_listed(
    tx: sqlite3.Connection, connector: str, noun: str, list_name: str, heads: Iterable[Head]
) -> list[Head]:
    """Those heads that this list had not shown under so new a stamp."""
    fresh = []
    for head in heads:
        row = (connector, noun, list_name, head.ref, stamp(head.modified))
        if tx.execute(_LISTED, row).rowcount == 1:
            fresh.append(head)
    return fresh


def move_cursor(
    tx: sqlite3.Connection, connector: str, noun: str, list_name: str, value: Cursor, *, now: datetime
) -> None:
    """In the same unit as what the page brought, never alone."""
    tx.execute(_CURSOR, (connector, noun, list_name, value, stamp(now)))


async def cursor(store: Store, connector: str, noun: str, list_name: str) -> Cursor:
    row = await store.read.row(_GET_CURSOR, (connector, noun, list_name))
    return "" if row is None else str(row["value"])


_KEEP = """
INSERT INTO documents (connector, noun, ref, modified, asked, body)
SELECT :connector, :noun, :ref, :modified, :asked, :body
WHERE NOT EXISTS (SELECT 1 FROM orders WHERE connector = :connector AND ref = :ref AND :noun = 'orders'
                  AND erased_at IS NOT NULL)
ON CONFLICT (connector, noun, ref) DO UPDATE SET
    modified = excluded.modified, asked = excluded.asked, body = excluded.body
WHERE (excluded.modified, excluded.asked) >= (documents.modified, documents.asked)
"""
_DOCUMENTS = """
SELECT * FROM documents WHERE connector = ? AND noun = ? AND ref IN (SELECT value FROM json_each(?))
"""


def keep(tx: sqlite3.Connection, connector: str, documents: Iterable[Document]) -> int:
    """Keep each document unless what we hold is newer by (their stamp, our asking). Returns how many were kept.

    None is kept of an order whose person was erased.
    """
    return sum(tx.execute(_KEEP, _kept(connector, document)).rowcount for document in documents)


_UNSEEN = """
SELECT json_group_array(one.key) FROM json_each(?) AS one
WHERE NOT EXISTS (SELECT 1 FROM documents WHERE connector = json_extract(one.value, '$[0]')
                  AND noun = json_extract(one.value, '$[1]') AND ref = json_extract(one.value, '$[2]'))
  AND NOT EXISTS (SELECT 1 FROM orders WHERE connector = json_extract(one.value, '$[0]')
                  AND ref = json_extract(one.value, '$[2]'))
"""


def unseen(tx: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Those about a record of which this store holds nothing, and never did."""
    asked = [(one.connector, one.notification.noun, one.notification.ref) for one in arrivals]
    if not asked:
        return []
    return [arrivals[place] for place in orjson.loads(tx.execute(_UNSEEN, (orjson.dumps(asked),)).fetchone()[0])]


def _kept(connector: str, document: Document) -> dict[str, object]:
    return {
        "connector": connector,
        "noun": document.noun,
        "ref": document.ref,
        "modified": stamp(document.modified),
        "asked": stamp(document.asked),
        "body": document.body,
    }


async def documents(store: Store, connector: str, noun: str, refs: Sequence[str]) -> dict[Ref, Document]:
    """What we hold under these refs."""
    rows = await store.read.rows(_DOCUMENTS, (connector, noun, orjson.dumps(list(refs)).decode()))
    return {Ref(row["ref"]): _document(row) for row in rows}


def _document(row: sqlite3.Row) -> Document:
    return Document(
        noun=Noun(row["noun"]),
        ref=Ref(row["ref"]),
        modified=moment(row["modified"]),
        asked=moment(row["asked"]),
        body=bytes(row["body"]),
    )


_PRUNE_DELIVERIES = """
DELETE FROM deliveries WHERE (connector, topic, delivery) IN
    (SELECT connector, topic, delivery FROM deliveries WHERE received_at < ? LIMIT ?)
"""


def prune_deliveries(tx: sqlite3.Connection, *, received_before: datetime, step: int = 500) -> int:
    return tx.execute(_PRUNE_DELIVERIES, (stamp(received_before), step)).rowcount
