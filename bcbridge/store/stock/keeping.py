"""Demand rows that have done their duty: settled once no figure can leave them out again, forgotten much later.

A row that is *settled* is not looked at when numbers are computed. It is one long after a figure contained it: figures
never go back, so nothing is lost by it; it only keeps the work of computing as small as what is open.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bcbridge.store.stamps import stamp

STEP = 200

_SETTLE = """
UPDATE stock_demand SET settled = 1 WHERE id IN (
    SELECT d.id FROM stock_demand AS d
    WHERE d.settled = 0 AND d.state = 'posted' AND d.posted_by < :before
      AND EXISTS (SELECT 1 FROM stock_feeds)
      AND (d.picked_by < :before OR NOT EXISTS (SELECT 1 FROM stock_outlets WHERE basis = 'qoh_minus_pick'))
      AND NOT EXISTS (
          SELECT 1 FROM stock_feeds AS feed LEFT JOIN stock_figures AS figure
            ON figure.sku = d.sku AND figure.erp = feed.erp AND (d.warehouse = '' OR figure.warehouse = d.warehouse)
          WHERE max(coalesce(figure.as_of, ''), feed.floor)
                <= max(d.posted_by, CASE WHEN EXISTS (SELECT 1 FROM stock_outlets WHERE basis = 'qoh_minus_pick')
                                         THEN coalesce(d.picked_by, '') ELSE '' END))
    ORDER BY d.posted_by LIMIT :step)
"""
_OPEN_AGAIN = """
UPDATE stock_demand SET settled = 0 WHERE id IN (
    SELECT id FROM stock_demand WHERE settled = 1 AND state = 'posted' AND picked_by IS NULL AND seen_at >= :since
    LIMIT :step)
"""
_FORGOTTEN = """
SELECT DISTINCT old.channel, old.order_ref FROM stock_demand AS old
WHERE old.seen_at < :before AND (old.settled = 1 OR old.state = 'void')
  AND EXISTS (SELECT 1 FROM orders WHERE connector = old.channel AND ref = old.order_ref
              AND orders.state IN ('booked', 'never') AND since < :before)
  AND NOT EXISTS (SELECT 1 FROM stock_demand AS other
                  WHERE other.channel = old.channel AND other.order_ref = old.order_ref
                    AND (other.seen_at >= :before OR (other.settled = 0 AND other.state <> 'void')))
LIMIT :step
"""
_FORGET = (
    "DELETE FROM stock_demand WHERE channel = ? AND order_ref = ?",
    "DELETE FROM stock_asked WHERE channel = ? AND order_ref = ?",
    "DELETE FROM stock_reduced WHERE channel = ? AND order_ref = ?",
)


def settle(tx: sqlite3.Connection, *, before: datetime) -> int:
    """One step: rows posted before a moment, and contained in every figure they could be missing from."""
    return tx.execute(_SETTLE, {"before": stamp(before), "step": STEP}).rowcount


def open_again(tx: sqlite3.Connection, *, since: datetime) -> int:
    """One step, after an outlet came to be fed by what is on hand and not picked: what nobody has seen picked counts
    there until somebody does."""
    return tx.execute(_OPEN_AGAIN, {"since": stamp(since), "step": STEP}).rowcount


def prune(tx: sqlite3.Connection, *, before: datetime) -> int:
    """One step: all that orders asked which ended before a moment, and of which nothing counts. Returns how many.

    An order that is looked at again all the same gets its rows from its documents (adopted.py). One that never asked
    for anything keeps the row that says so, beside its own.
    """
    orders = tx.execute(_FORGOTTEN, {"before": stamp(before), "step": STEP}).fetchall()
    for forget in _FORGET:
        tx.executemany(forget, [(row["channel"], row["order_ref"]) for row in orders])
    return len(orders)
