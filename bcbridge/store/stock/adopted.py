"""Documents of ours from before what orders ask was counted: their rows are made from what the outbox says.

So it is once for all that was booked lately, when a store of an earlier release is opened (``adopt_recent``), and
whenever an order is looked at, or seen in the ERP, whose rows this store does not have, or has forgotten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime

from bcbridge.model.stock import OrderLook
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import rows

_DOCUMENTS = """
SELECT outbox.reference, outbox.state, outbox.cut, outbox.sent_at, outbox.written_at, outbox.posted_at,
       orders.connector, orders.ref
FROM outbox JOIN orders ON orders.id = outbox.order_id
"""
_WITHOUT_ROWS = """
outbox.state NOT IN ('rejected', 'closed')
  AND NOT EXISTS (SELECT 1 FROM stock_demand WHERE stock_demand.reference = outbox.reference AND reference <> '')
"""
_KNOWN = "SELECT id FROM orders WHERE connector = ? AND ref = ?"
_OF_ORDER = f"{_DOCUMENTS} WHERE outbox.order_id = ? AND {_WITHOUT_ROWS} ORDER BY outbox.id"
_OF_REFERENCE = f"{_DOCUMENTS} WHERE outbox.reference = ? AND {_WITHOUT_ROWS} ORDER BY outbox.id"
_RECENT = f"""
{_DOCUMENTS} WHERE outbox.id > ? AND coalesce(outbox.posted_at, '9') >= ? AND {_WITHOUT_ROWS}
ORDER BY outbox.id LIMIT ?
"""
_LAST = "SELECT max(id) AS id FROM (SELECT id FROM outbox WHERE id > ? ORDER BY id LIMIT ?)"
STEP = 200


def adopt_order(tx: sqlite3.Connection, channel: str, look: OrderLook, *, now: datetime) -> bool:
    """Rows for the documents of an order that is looked at for the first time. False where the order is news itself."""
    known = tx.execute(_KNOWN, (channel, look.ref)).fetchone()
    if known is None:
        return False
    warehouses = {str(one.sku): one.warehouse for one in look.lines if one.warehouse}
    for document in tx.execute(_OF_ORDER, (known["id"],)).fetchall():
        for sku, pieces in _pieces(document["cut"]):
            _lay(tx, document, sku, warehouses.get(sku, ""), pieces, now=now)
    return True


def adopt_document(tx: sqlite3.Connection, reference: str, *, now: datetime) -> list[rows.Row]:
    """Rows for one document; the rows it has then. Posted ones are posted by the moment at which we had seen it."""
    for document in tx.execute(_OF_REFERENCE, (reference,)).fetchall():
        for sku, pieces in _pieces(document["cut"]):
            _lay(tx, document, sku, "", pieces, now=now)
    return rows.of_document(tx, reference)


_REFUSED = f"{_DOCUMENTS} WHERE outbox.reference = ? AND outbox.state IN ('rejected', 'closed')"


def refused(tx: sqlite3.Connection, reference: str) -> tuple[str, str] | None:
    """Channel and ref of the order of a document that the ERP had refused, or a person given up, and that the ERP shows
    all the same."""
    document = tx.execute(_REFUSED, (reference,)).fetchone()
    return None if document is None else (document["connector"], document["ref"])


def adopt_recent(tx: sqlite3.Connection, *, after: int, posted_since: datetime, now: datetime) -> int | None:
    """Rows for every document that is on its way, or was seen posted since a moment: a figure may not hold it yet.

    One slice of the outbox, from above the id ``after``; returns where the next begins, None at the end.
    """
    last = tx.execute(_LAST, (after, STEP)).fetchone()["id"]
    if last is None:
        return None
    for document in tx.execute(_RECENT, (after, stamp(posted_since), STEP)).fetchall():
        for sku, pieces in _pieces(document["cut"]):
            _lay(tx, document, sku, "", pieces, now=now)
    return int(last)


def _lay(
    tx: sqlite3.Connection, document: sqlite3.Row, sku: str, warehouse: str, pieces: int, *, now: datetime
) -> None:
    is_posted = document["state"] == "posted"
    rows.lay(
        tx,
        document["connector"],
        document["ref"],
        sku,
        warehouse,
        pieces,
        state="posted" if is_posted else "sent",
        reference=document["reference"],
        sent_at=document["sent_at"] or document["written_at"],
        posted_by=document["posted_at"] if is_posted else None,
        now=now,
    )


def _pieces(cut: str) -> Iterator[tuple[str, int]]:
    """As the outbox keeps them beside each document: ``upc:pieces,upc:pieces@where``."""
    for said in filter(None, cut.partition("@")[0].split(",")):
        sku, _, pieces = said.rpartition(":")
        if pieces.isascii() and pieces.isdigit() and int(pieces):
            yield sku, int(pieces)
