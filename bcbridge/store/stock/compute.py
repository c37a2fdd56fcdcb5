"""What each channel is to show: the rule of ADR 0031, set-based, over the SKUs that something touched.

``mark`` runs inside the unit that changed something (a look, a page of figures, an answer, a rule): it computes the
targets of the touched SKUs and says which rows are due to be written. ``reckon`` says of the same numbers how they came
about. Both read one and the same statement, ``NUMBERS``:

1. which SKUs: those touched, the parts of packs among them, and every pack that shares a part;
2. figures, place by place, with the latest ``as_of`` that row and feed allow;
3. N: what orders ask for and no figure provably contains, over all channels; a pack's demand counts in its parts;
4. the free pieces of each outlet's pool, less what the others sell while a number is on its way;
5. a pack is the least of its parts; then buffer, cap, floor; R for outlets that reserve.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from bcbridge.store.stamps import stamp

SLICE = 250
"""SKUs computed in one unit at most, where a caller has many."""
SPEED_WINDOW = timedelta(seconds=20)
"""The speed of sales is taken from the last so many seconds; written out in the statement."""
WAITS = timedelta(seconds=3)
"""How long a fall that leaves plenty waits for others; the nearest to zero goes first."""

NUMBERS = """
WITH asked_for AS MATERIALIZED (SELECT value AS sku FROM json_each(:skus)),
moved AS MATERIALIZED (
    SELECT sku FROM asked_for
    UNION SELECT k.part FROM asked_for t CROSS JOIN stock_packs k ON k.sku = t.sku),
touched AS MATERIALIZED (
    SELECT sku FROM moved
    UNION SELECT k.sku FROM moved t CROSS JOIN stock_packs k ON k.part = t.sku),
made AS MATERIALIZED (
    SELECT t.sku, coalesce(k.part, t.sku) AS part, coalesce(k.per, 1) AS per
    FROM touched t LEFT JOIN stock_packs k ON k.sku = t.sku),
parts AS MATERIALIZED (SELECT DISTINCT part AS sku FROM made),
outlets AS MATERIALIZED (
    SELECT o.channel, o.location, o.erp, o.basis, o.reserves, o.hides_inactive, o.lag_seconds, o.erp || ' ' || o.basis
        || (SELECT group_concat(' ' || p.warehouse, '') FROM stock_pools p
            WHERE p.channel = o.channel AND p.location = o.location AND p.erp = o.erp) AS pool,
        coalesce(b.buffer, 0) AS buffer, coalesce(b.percent, 0) AS percent, coalesce(b.velocity, 0) AS velocity, b.cap,
        coalesce(b.stop, 0) AS stop, coalesce(b.split, 0) AS split, coalesce(b.why, '') AS why
    FROM stock_outlets o
    LEFT JOIN stock_rules b ON b.sku = '' AND b.channel = o.channel AND b.location = o.location),
pools AS MATERIALIZED (
    SELECT DISTINCT o.pool, o.erp, o.basis, p.warehouse FROM outlets o
    CROSS JOIN stock_pools p ON p.channel = o.channel AND p.location = o.location AND p.erp = o.erp),
places AS MATERIALIZED (
    SELECT w.erp, w.warehouse, coalesce(d.floor, '') AS floor, d.pull_ended IS NULL AS unread
    FROM (SELECT DISTINCT erp, warehouse FROM pools) w LEFT JOIN stock_feeds d ON d.erp = w.erp),
spots AS MATERIALIZED (
    SELECT p.sku, w.erp, w.warehouse, f.sku IS NULL AND w.unread AS unknown,
        coalesce(f.ots, 0) AS ots, coalesce(f.qoh_minus_pick, 0) AS qoh_minus_pick,
        coalesce(f.ots_wip, 0) AS ots_wip, max(coalesce(f.as_of, ''), w.floor) AS as_of
    FROM parts p CROSS JOIN places w
    LEFT JOIN stock_figures f ON f.sku = p.sku AND f.erp = w.erp AND f.warehouse = w.warehouse),
asks AS MATERIALIZED (
    SELECT p.sku, d.warehouse, d.channel, d.qty, d.seen_at,
        CASE WHEN d.state = 'posted' THEN d.posted_by ELSE '9' END AS posted_by,
        CASE WHEN d.state = 'posted' THEN coalesce(d.picked_by, '9') ELSE '9' END AS picked_by
    FROM parts p CROSS JOIN stock_demand d ON d.sku = p.sku
    WHERE d.settled = 0 AND d.state <> 'void'
    UNION ALL
    SELECT p.sku, d.warehouse, d.channel, d.qty * k.per, d.seen_at,
        CASE WHEN d.state = 'posted' THEN d.posted_by ELSE '9' END,
        CASE WHEN d.state = 'posted' THEN coalesce(d.picked_by, '9') ELSE '9' END
    FROM parts p CROSS JOIN stock_packs k ON k.part = p.sku CROSS JOIN stock_demand d ON d.sku = k.sku
    WHERE d.settled = 0 AND d.state <> 'void'),
in_flight AS MATERIALIZED (
    SELECT s.sku, s.erp, s.warehouse,
        sum(CASE WHEN a.posted_by >= s.as_of THEN a.qty ELSE 0 END) AS unposted,
        sum(CASE WHEN a.picked_by >= s.as_of THEN a.qty ELSE 0 END) AS unpicked
    FROM asks a CROSS JOIN spots s ON s.sku = a.sku AND s.warehouse = a.warehouse
    WHERE a.warehouse <> ''
    GROUP BY s.sku, s.erp, s.warehouse),
pooled AS MATERIALIZED (
    SELECT s.sku, p.pool, p.basis, max(s.unknown) AS unknown, min(s.as_of) AS as_of,
        sum(CASE p.basis WHEN 'ots' THEN s.ots WHEN 'qoh_minus_pick' THEN s.qoh_minus_pick ELSE s.ots_wip END) AS x,
        sum(coalesce(CASE p.basis WHEN 'qoh_minus_pick' THEN n.unpicked ELSE n.unposted END, 0)) AS n
    FROM pools p
    CROSS JOIN spots s ON s.erp = p.erp AND s.warehouse = p.warehouse
    LEFT JOIN in_flight n ON n.sku = s.sku AND n.erp = s.erp AND n.warehouse = s.warehouse
    GROUP BY s.sku, p.pool),
anywhere AS MATERIALIZED (
    SELECT g.sku, g.pool, sum(a.qty) AS n
    FROM asks a CROSS JOIN pooled g ON g.sku = a.sku
    WHERE a.warehouse = ''
      AND CASE g.basis WHEN 'qoh_minus_pick' THEN a.picked_by ELSE a.posted_by END >= g.as_of
    GROUP BY g.sku, g.pool),
least AS MATERIALIZED (
    SELECT m.sku, g.pool, m.part, m.per, g.as_of, g.x, g.n + coalesce(w.n, 0) AS n,
        min(CASE WHEN g.unknown THEN -1000000000000 ELSE (g.x - g.n - coalesce(w.n, 0)) / m.per END) AS pieces
    FROM made m CROSS JOIN pooled g ON g.sku = m.part
    LEFT JOIN anywhere w ON w.sku = g.sku AND w.pool = g.pool
    GROUP BY m.sku, g.pool),
sold_parts AS MATERIALIZED (
    SELECT a.sku, o.channel, o.location, sum(a.qty) * o.lag_seconds / 20.0 AS pieces
    FROM asks a CROSS JOIN outlets o ON o.channel <> a.channel
    WHERE a.seen_at >= :since GROUP BY a.sku, o.channel, o.location),
sold AS MATERIALIZED (
    SELECT m.sku, v.channel, v.location, max(v.pieces / m.per) AS pieces
    FROM sold_parts v CROSS JOIN made m ON m.part = v.sku GROUP BY m.sku, v.channel, v.location),
idle_parts AS MATERIALIZED (
    SELECT c.upc AS sku, c.connector AS erp
    FROM (SELECT sku FROM touched UNION SELECT sku FROM parts) t
    CROSS JOIN (SELECT DISTINCT erp FROM outlets WHERE hides_inactive) e
    CROSS JOIN skus c ON c.connector = e.erp AND c.upc = t.sku
    GROUP BY c.upc, c.connector HAVING max(c.active) = 0),
idle AS MATERIALIZED (
    SELECT sku, erp FROM idle_parts UNION
    SELECT m.sku, i.erp FROM idle_parts i CROSS JOIN made m ON m.part = i.sku),
kept AS MATERIALIZED (
    SELECT a.sku, a.channel, o.location, sum(a.taken) AS pieces
    FROM outlets o CROSS JOIN touched t
    CROSS JOIN stock_asked a ON a.sku = t.sku AND a.channel = o.channel
    WHERE o.reserves AND a.closed = 0 AND (a.location = o.location OR a.location = ''
        AND (SELECT count(*) FROM outlets twin WHERE twin.channel = o.channel) = 1)
    GROUP BY a.sku, a.channel, o.location),
ruled AS (
    SELECT l.sku, o.channel, o.location, l.part, l.per, l.as_of, l.x, l.n, l.pieces, o.basis,
        coalesce(r.buffer, o.buffer) AS fixed,
        (max(0, l.pieces) * coalesce(r.percent, o.percent) + 99) / 100 AS share,
        CASE WHEN coalesce(r.velocity, o.velocity) THEN coalesce(v.pieces, 0.0) ELSE 0.0 END AS sold,
        CASE WHEN r.sku IS NULL THEN o.cap ELSE r.cap END AS cap,
        coalesce(r.stop, o.stop) AS stop, i.sku IS NOT NULL AND o.hides_inactive AS inactive,
        coalesce(r.split, o.split) AS split, coalesce(r.why, o.why) AS why, coalesce(k.pieces, 0) AS reserved
    FROM least l CROSS JOIN outlets o ON o.pool = l.pool
    LEFT JOIN stock_rules r ON r.sku = l.sku AND r.channel = o.channel AND r.location = o.location
    LEFT JOIN sold v ON v.sku = l.sku AND v.channel = o.channel AND v.location = o.location
    LEFT JOIN idle i ON i.sku = l.sku AND i.erp = o.erp
    LEFT JOIN kept k ON k.sku = l.sku AND k.channel = o.channel AND k.location = o.location),
hurried AS (SELECT *, cast(sold AS INTEGER) + (sold > cast(sold AS INTEGER)) AS speed FROM ruled),
reckoned AS (
    SELECT *, CASE WHEN pieces = -1000000000000 THEN NULL
        WHEN stop OR inactive THEN reserved
        ELSE max(0, min(coalesce(cap, 1000000000), pieces - fixed - share - speed)) + reserved END AS number
    FROM hurried)
"""
"""``reckoned``: one row per (sku, channel, location). ``number`` is never named like a stored column: in a WHERE the
column would win, and be compared with itself."""

_MARK_THEM = """,
called AS MATERIALIZED (
    SELECT r.sku, r.channel, r.location, r.number, s.due AS was_due, s.due_at AS was_due_at,
        CASE WHEN r.number IS NULL OR s.state <> 'kept' OR s.explained IS NULL THEN NULL
            WHEN s.dirty = '' AND r.number = s.explained THEN CASE WHEN s.due = 9 THEN 9 END
            WHEN s.dirty = '' AND r.number > s.explained THEN 2
            WHEN r.number <= 12 THEN 0
            ELSE 1 END AS urgency,
        CASE WHEN s.dirty = '' AND r.number > 12 AND r.number < s.explained
                AND (s.explained - r.number) * 4 < s.explained THEN :later ELSE :now END AS fresh
    FROM reckoned r
    CROSS JOIN stock_shown s ON s.sku = r.sku AND s.channel = r.channel AND s.location = r.location
    WHERE s.writing IS NULL)
UPDATE stock_shown AS s SET target = c.number, due = c.urgency,
    due_at = CASE WHEN c.urgency IS NULL THEN NULL WHEN c.was_due IS NULL THEN c.fresh
        ELSE min(coalesce(c.was_due_at, c.fresh), c.fresh) END
FROM called c
WHERE s.sku = c.sku AND s.channel = c.channel AND s.location = c.location
  AND (s.target IS NOT c.number OR s.due IS NOT c.urgency
    OR c.urgency IS NOT NULL AND (c.was_due_at IS NULL OR c.was_due_at > c.fresh))
RETURNING channel, due
"""
_MARK = NUMBERS + _MARK_THEM
"""Urgency: 0 must fall to 12 or less, or is doubtful and low; 1 falls; 2 rises; 9 is told again, though nothing
differs."""


def mark(tx: sqlite3.Connection, skus: Collection[str], *, now: datetime) -> frozenset[str]:
    """Compute the targets of these SKUs, and of packs that share a part with them, in every outlet.

    Rows whose write is under way are left as they are: they are marked when its answer comes. Rows that are not ours
    to write, or not anchored yet, get their target and are never due. Returns the channels in which something became
    due, or due sooner. The work grows with the number of SKUs: SLICE at most in one unit.
    """
    if not skus:
        return frozenset()
    rows = tx.execute(_MARK, _given(skus, now) | {"now": stamp(now), "later": stamp(now + WAITS)}).fetchall()
    return frozenset(str(channel) for channel, due in rows if due is not None)


def slices(skus: Sequence[str], size: int = SLICE) -> Iterator[Sequence[str]]:
    """Many SKUs, cut for units that stay short."""
    return (skus[at : at + size] for at in range(0, len(skus), size))


def _given(skus: Collection[str], now: datetime) -> dict[str, object]:
    return {"skus": orjson.dumps(list(skus)).decode(), "since": stamp(now - SPEED_WINDOW)}


# -- the same numbers, with their reasons --------------------------------------------------------------------------

_RECKON = NUMBERS + "SELECT * FROM reckoned WHERE :channel IN ('', channel) ORDER BY sku, channel, location"  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How the number of one SKU in one outlet comes about. For a pack all but ``number`` and ``buffer`` is said of
    its scarcest part, of which one pack takes ``per``."""

    sku: str
    channel: str
    location: str
    number: int | None
    """None: the ERP's figures were not read yet."""
    part: str
    per: int
    figure: int
    as_of: str
    """Of the oldest figure of the pool; a stamp."""
    n: int
    fixed: int
    share: int
    speed: int
    cap: int | None
    stop: bool
    inactive: bool
    split: bool
    reserved: int
    why: str

    @property
    def buffer(self) -> int:
        return self.fixed + self.share + self.speed


def reckon(tx: sqlite3.Connection, skus: Collection[str], *, now: datetime, channel: str = "") -> tuple[Reckoning, ...]:
    """The numbers of these SKUs with their terms, of one channel or of all."""
    return tuple(_reckoning(row) for row in tx.execute(_RECKON, _given(skus, now) | {"channel": channel}))


def _reckoning(row: sqlite3.Row) -> Reckoning:
    return Reckoning(
        sku=row["sku"],
        channel=row["channel"],
        location=row["location"],
        number=row["number"],
        part=row["part"],
        per=row["per"],
        figure=row["x"],
        as_of=row["as_of"],
        n=row["n"],
        fixed=row["fixed"],
        share=row["share"],
        speed=row["speed"],
        cap=row["cap"],
        stop=bool(row["stop"]),
        inactive=bool(row["inactive"]),
        split=bool(row["split"]),
        reserved=row["reserved"],
        why=row["why"],
    )
