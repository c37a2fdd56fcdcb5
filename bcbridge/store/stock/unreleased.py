"""Pieces that are counted and that no figure releases: after a day they are somebody's business."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bcbridge.store.stamps import moment, stamp
from bcbridge.store.views import Reads

MOST = 200

_UNRELEASED = """
SELECT d.channel, d.order_ref, coalesce(nullif(o.name, ''), d.order_ref) AS name, o.id AS order_id, d.sku, d.warehouse,
       sum(d.qty) AS pieces, d.state, d.reference, min(d.seen_at) AS since
FROM stock_demand AS d LEFT JOIN orders AS o ON o.connector = d.channel AND o.ref = d.order_ref
WHERE d.settled = 0 AND d.state <> 'void' AND d.seen_at < :before
  AND CASE d.state
      WHEN 'posted' THEN d.posted_by < :before AND EXISTS (
          SELECT 1 FROM stock_feeds AS feed LEFT JOIN stock_figures AS figure
            ON figure.sku = d.sku AND figure.erp = feed.erp AND (d.warehouse = '' OR figure.warehouse = d.warehouse)
          WHERE max(coalesce(figure.as_of, ''), feed.floor) <= d.posted_by)
      WHEN 'sent' THEN EXISTS (SELECT 1 FROM outbox WHERE outbox.reference = d.reference AND outbox.state = 'posted')
      ELSE o.state = 'booked' END
GROUP BY d.channel, d.order_ref, d.sku, d.warehouse, d.state, d.reference
ORDER BY since LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Unreleased:
    """Pieces of one order and SKU that count on. ``order_id`` None: no order of that ref is kept.

    ``state``: ``posted``, and no figure is provably younger; ``sent``, and the ERP's order holds fewer, or takes no
    stock; ``known``, asked for after the order had been booked.
    """

    channel: str
    order_ref: str
    name: str
    order_id: int | None
    sku: str
    warehouse: str
    pieces: int
    state: str
    reference: str
    since: datetime


_WAITING = """
SELECT min(d.posted_by) AS since FROM stock_demand AS d
WHERE d.settled = 0 AND d.state = 'posted' AND d.posted_by < :before AND EXISTS (
    SELECT 1 FROM stock_feeds AS feed LEFT JOIN stock_figures AS figure
      ON figure.sku = d.sku AND figure.erp = feed.erp AND (d.warehouse = '' OR figure.warehouse = d.warehouse)
    WHERE feed.erp = :erp AND max(coalesce(figure.as_of, ''), feed.floor) <= d.posted_by)
"""


async def booked_and_in_no_figure(reads: Reads, erp: str, *, before: datetime) -> datetime | None:
    """Since when the oldest piece waits that this ERP had booked before a moment and no figure of it contains."""
    row = await reads.row(_WAITING, {"erp": erp, "before": stamp(before)})
    return moment(row["since"]) if row is not None and row["since"] else None


async def unreleased(reads: Reads, *, before: datetime) -> list[Unreleased]:
    """What has counted since before a moment and is waited for by nobody, the oldest first; at most MOST."""
    return [
        Unreleased(
            channel=row["channel"],
            order_ref=row["order_ref"],
            name=row["name"],
            order_id=row["order_id"],
            sku=row["sku"],
            warehouse=row["warehouse"],
            pieces=row["pieces"],
            state=row["state"],
            reference=row["reference"],
            since=moment(row["since"]),
        )
        for row in await reads.rows(_UNRELEASED, {"before": stamp(before), "most": MOST})
    ]
