"""What came in: notifications, what lists showed, and each record as its system last said it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson

from bcbridge.model.documents import Cursor, Document, Head, Notification
from bcbridge.model.ids import Noun, Ref
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

_DELIVERY = """
INSERT INTO deliveries (connector, topic, delivery, ref, modified, body_hash, received_at)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""


def delivered(
    tx: sqlite3.Connection, connector: str, notification: Notification, *, body_hash: str, now: datetime
) -> bool:
    """Keep a notification's ids, stamps and hash; False when this delivery was kept before."""
    modified = stamp(notification.modified) if notification.modified else None
    row = (connector, notification.topic, notification.delivery, notification.ref, modified, body_hash, stamp(now))
    return tx.execute(_DELIVERY, row).rowcount == 1


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
INSERT INTO documents (connector, noun, ref, modified, asked, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (connector, noun, ref) DO UPDATE SET
    modified = excluded.modified, asked = excluded.asked, body = excluded.body
WHERE (excluded.modified, excluded.asked) >= (documents.modified, documents.asked)
"""
_DOCUMENTS = """
SELECT * FROM documents WHERE connector = ? AND noun = ? AND ref IN (SELECT value FROM json_each(?))
"""


def keep(tx: sqlite3.Connection, connector: str, documents: Iterable[Document]) -> int:
    """Keep each document unless what we hold is newer by (their stamp, our asking). Returns how many were kept."""
    return sum(
        tx.execute(
            _KEEP,
            (connector, document.noun, document.ref, stamp(document.modified), stamp(document.asked), document.body),
        ).rowcount
        for document in documents
    )


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
