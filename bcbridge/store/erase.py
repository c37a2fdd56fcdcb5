"""A person's data leaves the store: the documents and the bytes of finished orders; the proof of booking stays.

What stays of such an order: its reference, number, hash, amounts, links and events. It is marked, so that a later read
of it in its channel brings nothing back. What an open order needs is left until it has ended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import orjson

from bcbridge.model.documents import Document
from bcbridge.model.ids import Noun, Ref
from bcbridge.store import dispatching, events
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

SLICE = 200

_NEXT = """
SELECT id, connector, noun, ref, modified, asked, body FROM documents
WHERE id > ? AND noun = 'orders' ORDER BY id LIMIT ?
"""


async def documents_after(store: Store, after: int) -> list[tuple[int, str, Document]]:
    """The next kept documents of orders: id, connector, document. Empty at the end."""
    rows = await store.read.rows(_NEXT, (after, SLICE))
    return [(row["id"], row["connector"], _document(row)) for row in rows]


def _document(row: sqlite3.Row) -> Document:
    return Document(
        noun=Noun(row["noun"]),
        ref=Ref(row["ref"]),
        modified=moment(row["modified"]),
        asked=moment(row["asked"]),
        body=bytes(row["body"]),
    )


_ORDERS = """
SELECT orders.id, orders.connector, orders.ref, orders.name, orders.state, orders.erased_at,
       EXISTS (SELECT 1 FROM outbox WHERE outbox.order_id = orders.id
               AND outbox.state IN ('queued', 'sending', 'accepted', 'in_doubt')) AS has_open_write
FROM orders JOIN json_each(:meant) AS meant
  ON orders.connector = json_extract(meant.value, '$[0]') AND orders.ref = json_extract(meant.value, '$[1]')
ORDER BY orders.id
"""


def orders(tx: sqlite3.Connection, meant: Sequence[tuple[str, str]]) -> list[sqlite3.Row]:
    """The orders of these (connector, ref): id, connector, ref, name, state, has_open_write, erased_at."""
    return tx.execute(_ORDERS, {"meant": orjson.dumps(meant).decode()}).fetchall()


_DOCUMENT_GONE = "DELETE FROM documents WHERE connector = ? AND noun = 'orders' AND ref = ?"
_BODIES_GONE = """
UPDATE outbox SET body = x'', cut = substr(cut, 1, instr(cut || '@', '@') - 1)
WHERE order_id = ? AND state IN ('posted', 'rejected', 'closed')
"""
_ERASED = "UPDATE orders SET erased_at = ? WHERE id = ?"


def erase(tx: sqlite3.Connection, order: sqlite3.Row, *, who: str, now: datetime) -> None:
    """Remove what a finished order holds of a person, and see to it that it does not come back."""
    tx.execute(_DOCUMENT_GONE, (order["connector"], order["ref"]))
    tx.execute(_BODIES_GONE, (order["id"],))
    dispatching.erase(tx, order["id"])
    tx.execute(_ERASED, (stamp(now), order["id"]))
    events.add(tx, order["id"], "erased", now=now, who=who)
