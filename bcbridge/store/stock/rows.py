"""The demand rows of one order and SKU: how pieces are laid, taken away, moved and split. Statements, no rule.

A row is one increase of what an order asks, less what was taken off it since; it is split where only some of its pieces
go on. Rows are handed about oldest first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.store.stamps import stamp


@dataclass(slots=True)
class Row:
    """One demand row in hand; ``qty`` and ``warehouse`` are kept as they are on disk."""

    id: int
    channel: str
    order_ref: str
    sku: str
    warehouse: str
    qty: int
    state: str
    seen_at: str
    reference: str
    picked: bool


_OF_SKU = """
SELECT * FROM stock_demand
WHERE channel = ? AND order_ref = ? AND sku = ? AND state <> 'void' ORDER BY id
"""
_OF_DOCUMENT = """
SELECT * FROM stock_demand WHERE reference = ? AND reference <> '' AND state <> 'void' ORDER BY id
"""
_LAY = """
INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, reference, sent_at, posted_by,
                          picked_by)
VALUES (:channel, :order_ref, :sku, :warehouse, :qty, :state, :seen_at, :reference, :sent_at, :posted_by, :picked_by)
"""
_COPY = """
INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, reference, sent_at, posted_by,
                          picked_by)
SELECT channel, order_ref, sku, warehouse, ?, state, seen_at, reference, sent_at, posted_by, picked_by
FROM stock_demand WHERE id = ? RETURNING *
"""
_QTY = "UPDATE stock_demand SET qty = ? WHERE id = ?"
_VOID = "UPDATE stock_demand SET state = 'void', reference = '' WHERE id = ?"
_MOVE = "UPDATE stock_demand SET warehouse = ? WHERE id = ?"


def of_sku(tx: sqlite3.Connection, channel: str, order_ref: str, sku: str) -> list[Row]:
    """What stands of one order and SKU."""
    return [_row(row) for row in tx.execute(_OF_SKU, (channel, order_ref, sku)).fetchall()]


def of_document(tx: sqlite3.Connection, reference: str) -> list[Row]:
    """What one document of ours asks for."""
    return [_row(row) for row in tx.execute(_OF_DOCUMENT, (reference,)).fetchall()]


def _row(row: sqlite3.Row) -> Row:
    return Row(
        id=row["id"],
        channel=row["channel"],
        order_ref=row["order_ref"],
        sku=row["sku"],
        warehouse=row["warehouse"],
        qty=row["qty"],
        state=row["state"],
        seen_at=row["seen_at"],
        reference=row["reference"],
        picked=row["picked_by"] is not None,
    )


def lay(
    tx: sqlite3.Connection,
    channel: str,
    order_ref: str,
    sku: str,
    warehouse: str,
    qty: int,
    *,
    state: str = "known",
    reference: str = "",
    sent_at: str | None = None,
    posted_by: str | None = None,
    now: datetime,
) -> None:
    """A new row."""
    tx.execute(
        _LAY,
        {
            "channel": channel,
            "order_ref": order_ref,
            "sku": sku,
            "warehouse": warehouse,
            "qty": qty,
            "state": state,
            "seen_at": stamp(now),
            "reference": reference,
            "sent_at": sent_at,
            "posted_by": posted_by,
            "picked_by": None,
        },
    )


def part(tx: sqlite3.Connection, row: Row, pieces: int) -> Row:
    """So many pieces of a row as a row: itself where it is all of them, else a new one that is split off."""
    if pieces == row.qty:
        return row
    row.qty -= pieces
    tx.execute(_QTY, (row.qty, row.id))
    return _row(tx.execute(_COPY, (pieces, row.id)).fetchone())


def void(tx: sqlite3.Connection, row: Row, pieces: int) -> None:
    """So many pieces of a row are asked for no more."""
    gone = part(tx, row, pieces)
    gone.state = "void"
    tx.execute(_VOID, (gone.id,))


def taken(tx: sqlite3.Connection, rows: Iterable[Row], pieces: int) -> Iterator[Row]:
    """Rows that are exactly so many pieces together, the first of ``rows`` first; fewer where there are no more."""
    for row in rows:
        if pieces <= 0:
            return
        one = part(tx, row, min(row.qty, pieces))
        pieces -= one.qty
        yield one


def here_first(rows: Sequence[Row], warehouse: str) -> list[Row]:
    """Those of this warehouse, then those of none, then the others; the oldest of each first."""
    rank = {warehouse: 0, "": 1}
    return sorted(rows, key=lambda row: (rank.get(row.warehouse, 2), row.id))


def arrange(
    tx: sqlite3.Connection, rows: Sequence[Row], wanted: Mapping[str, int], lay_new: Mapping[str, str], *, now: datetime
) -> bool:
    """Make rows that may still be changed hold exactly ``wanted`` pieces by warehouse; returns whether any changed.

    What is too much goes off the newest; what stands in another warehouse moves. ``lay_new``: channel, order_ref and
    sku of a row that must be made.
    """
    left, homeless = dict(wanted), list[tuple[Row, int]]()
    for row in rows:
        here = min(row.qty, left.get(row.warehouse, 0))
        left[row.warehouse] = left.get(row.warehouse, 0) - here
        homeless += [(row, row.qty - here)] if here < row.qty else []
    missing = {warehouse: pieces for warehouse, pieces in left.items() if pieces > 0}
    changed = bool(missing) or bool(homeless)
    for warehouse, pieces in missing.items():
        moved = _move(tx, homeless, warehouse, pieces)
        if pieces > moved:
            lay(tx, warehouse=warehouse, qty=pieces - moved, now=now, **lay_new)
    for row, pieces in homeless:
        void(tx, row, pieces)
    return changed


def _move(tx: sqlite3.Connection, homeless: list[tuple[Row, int]], warehouse: str, pieces: int) -> int:
    """Take up to so many of the homeless pieces, oldest first, to this warehouse; returns how many."""
    moved = 0
    while homeless and moved < pieces:
        row, free = homeless.pop(0)
        going = min(free, pieces - moved)
        put(tx, part(tx, row, going), warehouse)
        moved += going
        if going < free:
            homeless.insert(0, (row, free - going))
    return moved


def put(tx: sqlite3.Connection, row: Row, warehouse: str) -> bool:
    """It stands in this warehouse; returns whether that is news."""
    if row.warehouse == warehouse:
        return False
    row.warehouse = warehouse
    tx.execute(_MOVE, (warehouse, row.id))
    return True
