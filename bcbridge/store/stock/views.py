"""Read models of stock: why a SKU shows what it shows, and how the whole stands. SELECTs only, no personal data."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from bcbridge.store.stamps import moment, stamp
from bcbridge.store.views import Reads

WRITES_SHOWN = 5
DEMAND_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Figure:
    """What one ERP said of one warehouse. ``as_of``: taken at or after; ``lots``: components by lot."""

    erp: str
    warehouse: str
    ots: int
    qoh_minus_pick: int
    ots_wip: int
    as_of: datetime
    evidence: str
    read_at: datetime
    lots: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Demanded:
    """Pieces an order asks for that may not be in a figure yet. ``counts``: they are taken off now."""

    channel: str
    order: str
    warehouse: str
    pieces: int
    state: str
    seen_at: datetime
    posted_by: datetime | None
    counts: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One number a channel was told: when, what it was reckoned from, and what became of it."""

    at: datetime
    kind: str
    number: int
    was: int | None
    figure: int
    figure_as_of: datetime
    n: int
    buffer: int
    result: str
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """One number of one channel. ``explained``: what it must be showing; ``target``: what it is to show."""

    channel: str
    location: str
    item: str
    state: str
    why: str
    explained: int | None
    target: int | None
    dirty: str
    due: bool
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class SkuStory:
    sku: str
    names: tuple[str, ...]
    """As the ERP names it: style, colour, size."""
    figures: tuple[Figure, ...]
    demand: tuple[Demanded, ...]
    places: tuple[Place, ...]


_NAMES = "SELECT DISTINCT style_code || ' ' || color_code || ' ' || size_desc AS name FROM skus WHERE upc = ?"
_FIGURES = """
SELECT f.*, max(f.as_of, coalesce(feed.floor, f.as_of)) AS taken_after FROM stock_figures f
LEFT JOIN stock_feeds feed USING (erp) WHERE f.sku = ? ORDER BY f.erp, f.warehouse
"""
_DEMAND = """
SELECT d.channel, d.order_ref, coalesce(nullif(o.name, ''), d.order_ref) AS name, d.warehouse, d.qty, d.state,
    d.seen_at, d.posted_by,
    d.settled = 0 AND d.state <> 'void' AND (d.state <> 'posted' OR d.posted_by >= coalesce((
        SELECT max(f.as_of, coalesce(feed.floor, f.as_of)) FROM stock_figures f LEFT JOIN stock_feeds feed USING (erp)
        WHERE f.sku = d.sku AND f.warehouse = d.warehouse), '')) AS counts
FROM stock_demand d LEFT JOIN orders o ON o.connector = d.channel AND o.ref = d.order_ref
WHERE d.sku = ? ORDER BY counts DESC, d.id DESC LIMIT ?
"""
_PLACES = "SELECT * FROM stock_shown WHERE sku = ? ORDER BY channel, location"
_TOLD = """
SELECT w.made_at, w.kind, r.* FROM stock_write_rows r JOIN stock_writes w ON w.id = r.write_id
WHERE r.sku = ? AND w.channel = ? AND r.location = ? ORDER BY r.write_id DESC LIMIT ?
"""


async def sku_story(reads: Reads, sku: str) -> SkuStory | None:
    """Everything known of one SKU's numbers; None where nothing is."""
    story = SkuStory(
        sku=sku,
        names=tuple(row["name"] for row in await reads.rows(_NAMES, (sku,))),
        figures=tuple(_figure(row) for row in await reads.rows(_FIGURES, (sku,))),
        demand=tuple(_demanded(row) for row in await reads.rows(_DEMAND, (sku, DEMAND_SHOWN))),
        places=tuple([await _place(reads, row) for row in await reads.rows(_PLACES, (sku,))]),
    )
    return story if story.names or story.figures or story.demand or story.places else None


def _figure(row: sqlite3.Row) -> Figure:
    return Figure(
        erp=row["erp"],
        warehouse=row["warehouse"],
        ots=row["ots"],
        qoh_minus_pick=row["qoh_minus_pick"],
        ots_wip=row["ots_wip"],
        as_of=moment(row["taken_after"]),
        evidence=row["evidence"],
        read_at=moment(row["read_at"]),
        lots=orjson.loads(row["lots"] or "{}"),
    )


def _demanded(row: sqlite3.Row) -> Demanded:
    return Demanded(
        channel=row["channel"],
        order=row["name"],
        warehouse=row["warehouse"],
        pieces=row["qty"],
        state=row["state"],
        seen_at=moment(row["seen_at"]),
        posted_by=moment(row["posted_by"]) if row["posted_by"] else None,
        counts=bool(row["counts"]),
    )


async def _place(reads: Reads, row: sqlite3.Row) -> Place:
    told = await reads.rows(_TOLD, (row["sku"], row["channel"], row["location"], WRITES_SHOWN))
    return Place(
        channel=row["channel"],
        location=row["location"],
        item=row["item"],
        state=row["state"],
        why=row["why"],
        explained=row["explained"],
        target=row["target"],
        dirty=row["dirty"],
        due=row["due"] is not None,
        told=tuple(_told(one) for one in told),
    )


def _told(row: sqlite3.Row) -> Told:
    return Told(
        at=moment(row["made_at"]),
        kind=row["kind"],
        number=row["number"],
        was=row["was"],
        figure=row["figure"],
        figure_as_of=moment(row["figure_as_of"]),
        n=row["n"],
        buffer=row["buffer"],
        result=row["result"],
        reason=row["reason"],
    )


# -- how the whole stands ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChannelStock:
    """One channel: numbers that wait to be told, since when the first of them, and how many were told lately."""

    waiting: int = 0
    oldest: datetime | None = None
    told: int = 0


@dataclass(frozen=True, slots=True)
class Oversold:
    """A SKU whose orders exceed what the ERP says there is; ``pieces`` of them over, in the warehouses where they are
    booked.

    ``raced``: pieces of it that were sold in one channel while a sale in another was still on its way there (R1), or
    under a blind write (R2): no more than these come from the race; the rest was taken inside the ERP.
    """

    sku: str
    pieces: int
    raced: int
    orders: tuple[str, ...]
    """The latest, as ``shopify_us:#1041``; at most five."""


_WAITING = """
SELECT channel, count(*) AS waiting, min(due_at) AS oldest FROM stock_shown
WHERE due IS NOT NULL AND writing IS NULL GROUP BY channel
"""
_WAITS = """
SELECT EXISTS (SELECT 1 FROM stock_shown WHERE channel = :channel AND due IS NOT NULL AND writing IS NULL)
    OR EXISTS (SELECT 1 FROM stock_writes WHERE channel = :channel AND state IN ('under_way', 'settling', 'in_doubt'))
    AS waits
"""
_TOLD_SINCE = """
SELECT w.channel, count(*) AS told FROM stock_writes w CROSS JOIN stock_write_rows r ON r.write_id = w.id
WHERE w.made_at >= ? GROUP BY w.channel
"""


async def waits(reads: Reads, channel: str) -> bool:
    """Whether any number of this channel waits to be told, or for the answer to a call that told it."""
    row = await reads.row(_WAITS, {"channel": channel})
    return row is not None and bool(row["waits"])


async def channels(reads: Reads, *, since: datetime) -> dict[str, ChannelStock]:
    """By channel; one that has nothing to say is absent. Costs what is open, and what was told since."""
    told = {row["channel"]: int(row["told"]) for row in await reads.rows(_TOLD_SINCE, (stamp(since),))}
    waiting = {row["channel"]: row for row in await reads.rows(_WAITING)}
    return {
        name: ChannelStock(
            waiting=waiting[name]["waiting"] if name in waiting else 0,
            oldest=moment(waiting[name]["oldest"]) if name in waiting else None,
            told=told.get(name, 0),
        )
        for name in told.keys() | waiting.keys()
    }


_OVERSOLD = """
WITH sold AS MATERIALIZED (
    SELECT sku, warehouse, sum(qty) AS pieces FROM stock_demand
    WHERE seen_at >= :since AND state <> 'void' AND warehouse <> '' GROUP BY sku, warehouse),
free AS MATERIALIZED (
    SELECT s.sku, s.pieces, f.ots - coalesce((
        SELECT sum(d.qty) FROM stock_demand d
        WHERE d.sku = s.sku AND d.warehouse = s.warehouse AND d.settled = 0 AND d.state <> 'void'
          AND (d.state <> 'posted' OR d.posted_by >= max(f.as_of, coalesce(feed.floor, '')))), 0) AS free
    FROM sold s CROSS JOIN stock_figures f ON f.sku = s.sku AND f.warehouse = s.warehouse
    LEFT JOIN stock_feeds feed ON feed.erp = f.erp)
SELECT sku, sum(min(-free, pieces)) AS pieces FROM free WHERE free < 0 GROUP BY sku ORDER BY 2 DESC, 1 LIMIT :most
"""
_SALES = """
SELECT d.channel, d.qty, d.seen_at, coalesce(nullif(o.name, ''), d.order_ref) AS name,
    coalesce((SELECT min(a.placed_at) FROM stock_asked a
              WHERE a.channel = d.channel AND a.order_ref = d.order_ref), d.seen_at) AS placed_at,
    coalesce((SELECT max(lag_seconds) FROM stock_outlets t WHERE t.channel = d.channel), 0) AS lag
FROM stock_demand d LEFT JOIN orders o ON o.connector = d.channel AND o.ref = d.order_ref
WHERE d.sku = ? AND d.seen_at >= ? AND d.state <> 'void' ORDER BY d.id DESC LIMIT ?
"""
_BLIND = """
SELECT w.channel, w.made_at, w.ended_at
FROM stock_write_rows r JOIN stock_writes w ON w.id = r.write_id
WHERE r.sku = ? AND w.made_at >= ? AND w.kind = 'set' AND r.number > 0 LIMIT ?
"""
OVERSOLD_SHOWN = 20
SALES_LOOKED_AT = 150
"""Of one SKU: each sale is held against every other."""
ORDERS_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Sale:
    channel: str
    order: str
    pieces: int
    placed: datetime
    seen: datetime
    lag: timedelta


@dataclass(frozen=True, slots=True)
class _Write:
    channel: str
    made: datetime
    ended: datetime | None


async def oversold(reads: Reads, *, since: datetime) -> list[Oversold]:
    """SKUs sold since a moment of which more is promised than there is, the worst first; at most twenty."""
    rows = await reads.rows(_OVERSOLD, {"since": stamp(since), "most": OVERSOLD_SHOWN})
    return [await _oversold(reads, row["sku"], row["pieces"], since) for row in rows]


async def _oversold(reads: Reads, sku: str, pieces: int, since: datetime) -> Oversold:
    sales = [_sale(row) for row in await reads.rows(_SALES, (sku, stamp(since), SALES_LOOKED_AT))]
    blind = [_write(row) for row in await reads.rows(_BLIND, (sku, stamp(since), SALES_LOOKED_AT))]
    return Oversold(
        sku=sku,
        pieces=pieces,
        raced=sum(sale.pieces for sale in sales if _raced(sale, sales) or _overwritten(sale, blind)),
        orders=tuple(dict.fromkeys(f"{sale.channel}:{sale.order}" for sale in sales))[:ORDERS_NAMED],
    )


def _sale(row: sqlite3.Row) -> _Sale:
    lag = timedelta(seconds=row["lag"])
    return _Sale(row["channel"], row["name"], row["qty"], moment(row["placed_at"]), moment(row["seen_at"]), lag)


def _write(row: sqlite3.Row) -> _Write:
    return _Write(row["channel"], moment(row["made_at"]), moment(row["ended_at"]) if row["ended_at"] else None)


def _raced(sale: _Sale, sales: list[_Sale]) -> bool:
    """Sold while a sale in another channel had not reached this one: R1 of the rule."""
    return any(other.channel != sale.channel and other.placed <= sale.placed < other.seen + sale.lag for other in sales)


def _overwritten(sale: _Sale, blind: list[_Write]) -> bool:
    """Sold under a number that was composed without it and written over it: R2 of the rule."""
    return any(
        write.channel == sale.channel and write.made < sale.seen and (write.ended is None or sale.placed <= write.ended)
        for write in blind
    )


# -- for watches -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """How the figures of one ERP stand. ``read_at``: when a pull last ended; ``held``: why one was not stored."""

    erp: str
    read_at: datetime | None
    moved_at: datetime | None
    published_at: datetime | None
    whole: bool
    held: str
    cycles: str = ""
    """What is known of its batch cycle, as flows/stock/cycle.py dumps it."""


_FEEDS = """
SELECT erp, max(coalesce(delta_ended, ''), coalesce(pull_ended, '')) AS read_at, moved_at, published_at,
    pull_ended IS NOT NULL AS whole, held, cycles FROM stock_feeds
"""


async def feeds(reads: Reads) -> dict[str, FeedFacts]:
    return {
        row["erp"]: FeedFacts(
            erp=row["erp"],
            read_at=_moment(row["read_at"]),
            moved_at=_moment(row["moved_at"]),
            published_at=_moment(row["published_at"]),
            whole=bool(row["whole"]),
            held=row["held"],
            cycles=row["cycles"],
        )
        for row in await reads.rows(_FEEDS)
    }


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None


_EATEN = """
WITH sold AS MATERIALIZED (SELECT DISTINCT sku FROM stock_demand WHERE seen_at >= :since AND state <> 'void'),
flying AS MATERIALIZED (
    SELECT d.sku, d.warehouse, sum(d.qty) AS n
    FROM sold CROSS JOIN stock_demand d ON d.sku = sold.sku
    LEFT JOIN stock_figures f ON f.sku = d.sku AND f.warehouse = d.warehouse
    LEFT JOIN stock_feeds feed ON feed.erp = f.erp
    WHERE d.settled = 0 AND d.state <> 'void'
      AND (d.state <> 'posted' OR d.posted_by >= max(coalesce(f.as_of, ''), coalesce(feed.floor, '')))
    GROUP BY d.sku, d.warehouse),
free AS (
    SELECT f.sku, p.location, sum(f.ots - coalesce(a.n, 0)) AS free
    FROM sold CROSS JOIN stock_figures f ON f.sku = sold.sku
    JOIN stock_pools p ON p.channel = :channel AND p.erp = f.erp AND p.warehouse = f.warehouse
    LEFT JOIN flying a ON a.sku = f.sku AND a.warehouse = f.warehouse
    GROUP BY f.sku, p.location)
SELECT free.sku FROM free
LEFT JOIN stock_rules r ON r.sku = free.sku AND r.channel = :channel AND r.location = free.location
LEFT JOIN stock_rules own ON own.sku = '' AND own.channel = :channel AND own.location = free.location
WHERE free.free >= 0 AND free.free < coalesce(r.buffer, own.buffer, 0) ORDER BY free.sku LIMIT :most
"""
EATEN_AT_MOST = 200


async def buffers_eaten(reads: Reads, channel: str, *, since: datetime) -> list[str]:
    """SKUs sold since a moment of which fewer are left than the channel's buffer; at most two hundred."""
    given = {"channel": channel, "since": stamp(since), "most": EATEN_AT_MOST}
    return [row["sku"] for row in await reads.rows(_EATEN, given)]
