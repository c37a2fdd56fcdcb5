"""What a channel may promise of a SKU now, and why: asked before a checkout takes the money.

Read on a connection that only reads, from one snapshot, by index; nothing is kept for the next question, so that the
answer is never older than the store.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from bcbridge.model.stock import Buffer
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock.reckoning import Books, Place, Rule, percentage

ROWS = 50
"""Demand rows told at most."""

_FIGURES = """
SELECT f.warehouse, f.ots, f.qoh_minus_pick, f.ots_wip, f.as_of, f.evidence, f.read_at, coalesce(d.floor, '') AS floor
FROM stock_figures f LEFT JOIN stock_feeds d ON d.erp = f.erp WHERE f.sku = ? AND f.erp = ? ORDER BY f.warehouse
"""
_DEMAND = """
SELECT channel, order_ref, sku, warehouse, qty, state, posted_by, picked_by FROM stock_demand
WHERE sku = ? AND settled = 0 AND state <> 'void' ORDER BY id DESC
"""
_PACKS_OF = "SELECT sku, per FROM stock_packs WHERE part = ?"
_SHOWN = "SELECT state, why, explained, target FROM stock_shown WHERE sku = ? AND channel = ? AND location = ?"


@dataclass(frozen=True, slots=True)
class PromisedFigure:
    """What the ERP says of one warehouse. ``as_of``: taken at or after, by whatever evidence is latest."""

    warehouse: str
    pieces: int
    as_of: datetime
    evidence: str
    read_at: datetime
    age_seconds: float


@dataclass(frozen=True, slots=True)
class PromisedDemand:
    """Pieces of one order that are taken off. ``sku``: the pack they are asked for in, where it is one."""

    channel: str
    order_ref: str
    sku: str
    warehouse: str
    pieces: int
    state: str
    posted_by: datetime | None


@dataclass(frozen=True, slots=True)
class Promise:
    """One number of one channel, with all it follows from. Of a pack, figures and demand are its scarcest part's.

    ``pieces``: what may be promised now; None where the ERP's figures were not read yet. ``shown``, ``target``: what
    the channel must be showing, and what it is to show.
    """

    sku: str
    channel: str
    location: str
    pieces: int | None
    part: str
    per: int
    figures: tuple[PromisedFigure, ...]
    n: int
    demand: tuple[PromisedDemand, ...]
    """The latest ROWS of them."""
    buffer: Buffer
    cap: int | None
    stop: bool
    inactive: bool
    split: bool
    rule: str
    state: str
    shown: int | None
    target: int | None


def number(conn: sqlite3.Connection, channel: str, sku: str, *, now: datetime) -> tuple[Promise, ...]:
    """What this channel may promise of this SKU, at each of its locations; empty where nothing feeds the channel."""
    began = not conn.in_transaction
    if began:
        conn.execute("BEGIN")
    try:
        books = Books(conn, [sku], now=now)
        split = sku in books.split()
        places = [place for place in books.places.values() if place.channel == channel]
        return tuple(_promise(conn, books, sku, place, split=split, now=now) for place in places)
    finally:
        if began:
            conn.execute("ROLLBACK")


def _promise(conn: sqlite3.Connection, books: Books, sku: str, place: Place, *, split: bool, now: datetime) -> Promise:
    pooled, rule = books.pooled(sku, place), books.rule(sku, place)
    shown = conn.execute(_SHOWN, (sku, place.channel, place.location)).fetchone()
    pieces = books.number(sku, place)
    if pieces is not None:
        pieces -= books.reserved(sku, place)
        if split:  # its own pieces, and no more
            pieces = min(pieces, max(0, (shown["explained"] or 0) if shown else 0))
    figures = _figures(conn, pooled.part, place, now)
    dated = {figure.warehouse: figure.as_of for figure in figures}
    return Promise(
        sku=sku,
        channel=place.channel,
        location=place.location,
        pieces=pieces,
        part=pooled.part,
        per=pooled.per,
        figures=figures,
        n=pooled.n,
        demand=_demand(conn, pooled.part, place, dated),
        buffer=_buffer(books, sku, place, rule, pooled.free or 0),
        cap=rule.cap,
        stop=bool(rule.stop),
        inactive=books.inactive(sku, place),
        split=split,
        rule=rule.why,
        state=shown["state"] if shown else "",
        shown=shown["explained"] if shown else None,
        target=shown["target"] if shown else None,
    )


def _figures(conn: sqlite3.Connection, part: str, place: Place, now: datetime) -> tuple[PromisedFigure, ...]:
    rows = conn.execute(_FIGURES, (part, place.erp)).fetchall()
    return tuple(_figure(row, place, now) for row in rows if row["warehouse"] in place.pool)


def _figure(row: sqlite3.Row, place: Place, now: datetime) -> PromisedFigure:
    as_of = moment(max(row["as_of"], row["floor"]))
    pieces = (row["ots"], row["qoh_minus_pick"], row["ots_wip"])[place.basis]
    age = (now - as_of).total_seconds()
    return PromisedFigure(row["warehouse"], pieces, as_of, row["evidence"], moment(row["read_at"]), age)


def _demand(
    conn: sqlite3.Connection, part: str, place: Place, dated: dict[str, datetime]
) -> tuple[PromisedDemand, ...]:
    """Rows that are taken off the part in this pool, those of packs with the pieces that they take of it."""
    asked = [(part, 1), *((row["sku"], row["per"]) for row in conn.execute(_PACKS_OF, (part,)).fetchall())]
    oldest = stamp(min(dated.values())) if dated else ""
    found: list[PromisedDemand] = []
    for sku, per in asked:
        for row in conn.execute(_DEMAND, (sku,)):
            as_of = stamp(dated[row["warehouse"]]) if row["warehouse"] in dated else oldest
            if row["warehouse"] in ("", *place.pool) and _counts(row, place, as_of):
                found.append(_demanded(row, per))
            if len(found) == ROWS:
                return tuple(found)
    return tuple(found)


def _counts(row: sqlite3.Row, place: Place, as_of: str) -> bool:
    by = row["picked_by"] if place.picked else row["posted_by"]
    return row["state"] != "posted" or by is None or bool(by >= as_of)


def _demanded(row: sqlite3.Row, per: int) -> PromisedDemand:
    return PromisedDemand(
        channel=row["channel"],
        order_ref=row["order_ref"],
        sku=row["sku"],
        warehouse=row["warehouse"],
        pieces=row["qty"] * per,
        state=row["state"],
        posted_by=moment(row["posted_by"]) if row["posted_by"] else None,
    )


def _buffer(books: Books, sku: str, place: Place, rule: Rule, free: int) -> Buffer:
    share = percentage(free, rule.percent)
    speed = books.speed(sku, place) if rule.speed else 0
    words = [
        f"{rule.fixed} fixed" if rule.fixed else "",
        f"{share} for {rule.percent} per cent" if share else "",
        f"{speed} for what other channels sell in {place.lag_seconds:g} s" if speed else "",
    ]
    return Buffer(rule.fixed + share + speed, ", ".join(word for word in words if word))
