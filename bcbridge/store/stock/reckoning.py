"""How the number of one SKU in one outlet comes about: the rule of ADR 0031, over the SKUs that something touched.

1. which SKUs: those touched, the parts of packs among them, and every pack that shares a part;
2. figures, warehouse by warehouse, with the latest ``as_of`` that row and feed allow;
3. N: what orders ask for and no figure provably contains, over all channels; a pack's demand counts in its parts;
4. the pool of the outlet: figures less N; a pack is the least of its parts;
5. what a person decided: buffer, percent, speed of the others, cap, stop; R for outlets that reserve.

Each table is read once for all SKUs together, by its index; the sums over demand are SQLite's. What is left per number
is a handful of additions, and those stand here in plain sight.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

import orjson

from bcbridge.store.stamps import stamp

SPEED_WINDOW = timedelta(seconds=20)
"""The speed of sales is taken from the last so many seconds."""
NO_CAP = 1_000_000_000
Key = tuple[str, str]
"""(channel, location)."""
BASES = {"ots": 0, "qoh_minus_pick": 1, "ots_wip": 2}
"""Where the basis stands in a figure."""
PICKED = BASES["qoh_minus_pick"]


class Rule(NamedTuple):
    """What a person decided about one number."""

    fixed: int = 0
    percent: int = 0
    speed: int = 0
    cap: int | None = None
    stop: int = 0
    split: int = 0
    why: str = ""


class Place(NamedTuple):
    """An outlet, its pool, and its own rule. ``basis``: where it stands in a figure."""

    channel: str
    location: str
    erp: str
    basis: int
    reserves: int
    compares: int
    weight: int
    known_upto: str
    lag_seconds: float
    hides_inactive: int
    pool: tuple[str, ...]
    rule: Rule

    @property
    def picked(self) -> bool:
        """Whether it is fed from what is on hand less what is picked."""
        return self.basis == PICKED


class Figure(NamedTuple):
    """``pieces``: by basis."""

    pieces: tuple[int, int, int]
    as_of: str


class Pooled(NamedTuple):
    """What a pool has of a SKU: of a pack's scarcest part, of which one pack takes ``per``. ``free`` is in packs; None
    where a figure is not known."""

    free: int | None
    part: str
    per: int
    x: int
    n: int
    as_of: str


class Shown(NamedTuple):
    """A row of ``stock_shown`` as the computing sees it."""

    sku: str
    channel: str
    location: str
    state: str
    explained: int | None
    dirty: str
    writing: int | None
    answered_at: str | None
    target: int | None
    due: int | None
    due_at: str | None


class InFlight(NamedTuple):
    """N by what it is compared with: rows not booked in the figure, rows not picked in it."""

    unposted: int = 0
    unpicked: int = 0


@dataclass(slots=True)
class Feed:
    """``read``: a whole pull was stored, so that what is absent is none."""

    floor: str
    read: bool


_OUTLETS = """
SELECT o.channel, o.location, o.erp, o.basis, o.reserves, o.compares, o.weight, coalesce(o.known_upto, ''),
    o.lag_seconds, o.hides_inactive, coalesce(r.buffer, 0), coalesce(r.percent, 0), coalesce(r.velocity, 0), r.cap,
    coalesce(r.stop, 0), coalesce(r.split, 0), coalesce(r.why, '')
FROM stock_outlets o LEFT JOIN stock_rules r ON r.sku = '' AND r.channel = o.channel AND r.location = o.location
"""
_POOLS = "SELECT channel, location, warehouse FROM stock_pools ORDER BY warehouse"
_FEEDS = "SELECT erp, floor, pull_ended IS NOT NULL FROM stock_feeds"
_PACKED = "SELECT EXISTS (SELECT 1 FROM stock_packs)"
_PARTS_OF = "SELECT k.sku, k.part, k.per FROM json_each(?) t CROSS JOIN stock_packs k ON k.sku = t.value"
_PACKS_WITH = "SELECT DISTINCT k.sku FROM json_each(?) t CROSS JOIN stock_packs k ON k.part = t.value"
_FIGURES = """
SELECT f.sku, f.warehouse, f.ots, f.qoh_minus_pick, f.ots_wip, max(f.as_of, :floor)
FROM json_each(:skus) t CROSS JOIN stock_figures f ON f.sku = t.value AND f.erp = :erp
"""
_AS_OF = """
CASE WHEN d.warehouse <> '' THEN max(coalesce(f.as_of, ''), :floor)
    ELSE (SELECT CASE WHEN count(*) < :places THEN :floor ELSE min(max(g.as_of, :floor)) END FROM stock_figures g
          WHERE g.sku = {part} AND g.erp = :erp
            AND g.warehouse IN (SELECT p.warehouse FROM stock_pools p WHERE p.erp = :erp)) END
"""
"""Where nobody knows in which warehouse a row was booked, the oldest figure of all decides."""
_IN_FLIGHT = """
SELECT {part}, d.warehouse,
    sum(CASE WHEN d.state <> 'posted' OR d.posted_by >= {as_of} THEN d.qty * {per} ELSE 0 END),
    sum(CASE WHEN d.state <> 'posted' OR d.picked_by IS NULL OR d.picked_by >= {as_of} THEN d.qty * {per} ELSE 0 END)
FROM {demanded} CROSS JOIN stock_demand d ON d.sku = {sku}
LEFT JOIN stock_figures f ON f.sku = {part} AND f.erp = :erp AND f.warehouse = d.warehouse
WHERE d.settled = 0 AND d.state <> 'void'
GROUP BY {part}, d.warehouse
"""
_PLAIN = {"part": "d.sku", "per": "1", "sku": "t.value", "demanded": "json_each(:skus) t"}
_PACK = {
    "part": "k.part",
    "per": "k.per",
    "sku": "k.sku",
    "demanded": "json_each(:skus) t CROSS JOIN stock_packs k ON k.part = t.value",
}
IN_FLIGHT = _IN_FLIGHT.format(**_PLAIN, as_of=_AS_OF.format(**_PLAIN))
IN_FLIGHT_IN_PACKS = _IN_FLIGHT.format(**_PACK, as_of=_AS_OF.format(**_PACK))
_SOLD = """
SELECT {part}, d.channel, sum(d.qty * {per}) FROM {demanded} CROSS JOIN stock_demand d ON d.sku = {sku}
WHERE d.settled = 0 AND d.state <> 'void' AND d.seen_at >= :since GROUP BY {part}, d.channel
"""
SOLD = _SOLD.format(**_PLAIN)
SOLD_IN_PACKS = _SOLD.format(**_PACK)
_RULES = """
SELECT r.sku, r.channel, r.location, r.buffer, r.percent, r.velocity, r.cap, r.stop, r.split, r.why
FROM json_each(?) t CROSS JOIN stock_rules r ON r.sku = t.value
"""
_IDLE = """
SELECT c.upc FROM json_each(:skus) t CROSS JOIN skus c ON c.connector = :erp AND c.upc = t.value
WHERE c.active = 0
  AND NOT EXISTS (SELECT 1 FROM skus twin WHERE twin.connector = :erp AND twin.upc = t.value AND twin.active = 1)
"""
_RESERVED = """
SELECT a.sku, a.location, sum(a.taken) FROM json_each(:skus) t
CROSS JOIN stock_asked a ON a.sku = t.value AND a.channel = :channel AND a.closed = 0
GROUP BY a.sku, a.location
"""


class Books:
    """What the store holds of some SKUs, and the numbers that follow from it."""

    def __init__(self, tx: sqlite3.Connection, skus: Collection[str], *, now: datetime) -> None:
        self._tx = tx
        self.places = _places(tx)
        self._feeds = {erp: Feed(floor, bool(read)) for erp, floor, read in tx.execute(_FEEDS)}
        self.skus, self.made = _family(tx, frozenset(skus))
        self._parts = {part for sku in self.skus for part in self.made.get(sku, {sku: 1})}
        self._as_json = _json(self._parts)
        self._pools: dict[tuple[str, str, int, tuple[str, ...]], Pooled] = {}
        self._figures: dict[tuple[str, str, str], Figure] = {}
        self._in_flight: dict[tuple[str, str, str], InFlight] = {}
        self._idle: set[tuple[str, str]] = set()
        for erp in {place.erp for place in self.places.values()}:
            self._read_erp(erp)
        self._rules = self._read_rules()
        self._reserved = self._read_reserved()
        self._sold = self._read_sold(now)

    # -- reading -------------------------------------------------------------------------------------------

    def _read_erp(self, erp: str) -> None:
        given = {
            "skus": self._as_json,
            "erp": erp,
            "floor": self._feed(erp).floor,
            "places": len({w for place in self.places.values() if place.erp == erp for w in place.pool}),
        }
        for sku, warehouse, ots, qoh_minus_pick, ots_wip, as_of in self._tx.execute(_FIGURES, given):
            self._figures[sku, erp, warehouse] = Figure((ots, qoh_minus_pick, ots_wip), as_of)
        for sku, warehouse, unposted, unpicked in self._demanded(IN_FLIGHT, IN_FLIGHT_IN_PACKS, given):
            held = self._in_flight.get((sku, erp, warehouse), InFlight())
            self._in_flight[sku, erp, warehouse] = InFlight(held.unposted + unposted, held.unpicked + unpicked)
        if any(place.hides_inactive for place in self.places.values() if place.erp == erp):
            every = {"skus": _json(self.skus | self._parts), "erp": erp}
            self._idle.update((sku, erp) for (sku,) in self._tx.execute(_IDLE, every))

    def _demanded(self, plain: str, in_packs: str, given: Mapping[str, object]) -> Iterator[sqlite3.Row]:
        """Rows of what is asked for itself, then of what is asked for in packs, where there are any."""
        yield from self._tx.execute(plain, given)
        if self.made:
            yield from self._tx.execute(in_packs, given)

    def _read_rules(self) -> dict[tuple[str, str, str], Rule]:
        rows = self._tx.execute(_RULES, (_json(self.skus),))
        return {(sku, channel, location): Rule(*rule) for sku, channel, location, *rule in rows}

    def _read_reserved(self) -> dict[tuple[str, str, str], int]:
        channels = {place.channel for place in self.places.values() if place.reserves}
        return {
            (sku, channel, location): pieces
            for channel in channels
            for sku, location, pieces in self._tx.execute(_RESERVED, {"skus": _json(self.skus), "channel": channel})
        }

    def _read_sold(self, now: datetime) -> dict[str, dict[str, int]]:
        """Pieces sold lately, by part and channel; only where somebody asked for a buffer by speed."""
        sold: dict[str, dict[str, int]] = {}
        rules = (*self._rules.values(), *(place.rule for place in self.places.values()))
        if any(rule.speed for rule in rules):
            given = {"skus": self._as_json, "since": stamp(now - SPEED_WINDOW)}
            for sku, channel, pieces in self._demanded(SOLD, SOLD_IN_PACKS, given):
                by_channel = sold.setdefault(sku, {})
                by_channel[channel] = by_channel.get(channel, 0) + pieces
        return sold

    def _feed(self, erp: str) -> Feed:
        return self._feeds.get(erp) or Feed("", read=False)

    # -- what is split ------------------------------------------------------------------------------------

    def split(self) -> frozenset[str]:
        """SKUs of which every channel has its own pieces. One channel that asks for it is enough: pieces that another
        shows to everybody would be nobody's own. What shares a part with such a SKU is split as well."""
        everywhere = any(place.rule.split for place in self.places.values())
        if not everywhere and not any(rule.split for rule in self._rules.values()):
            return frozenset()
        asked = {sku for sku in self.skus if any(self.rule(sku, place).split for place in self.places.values())}
        parts = {part for sku in asked for part in self.parts(sku)}
        return frozenset(sku for sku in self.skus if sku in asked or not parts.isdisjoint(self.parts(sku)))

    def parts(self, sku: str) -> Mapping[str, int]:
        """What one of it takes: itself, or the parts of a pack."""
        return self.made.get(sku) or {sku: 1}

    # -- reckoning -----------------------------------------------------------------------------------------

    def rule(self, sku: str, place: Place) -> Rule:
        return self._rules.get((sku, place.channel, place.location), place.rule)

    def number(self, sku: str, place: Place) -> int | None:
        """What this outlet is to show; None where the ERP's figures were not read yet."""
        free, rule = self.pooled(sku, place).free, self.rule(sku, place)
        if free is None:
            return None
        if rule.stop or self.inactive(sku, place):
            return self.reserved(sku, place)
        left = free - rule.fixed
        if rule.percent:
            left -= percentage(free, rule.percent)
        if rule.speed:
            left -= self.speed(sku, place)
        return max(0, left if rule.cap is None else min(rule.cap, left)) + self.reserved(sku, place)

    def pooled(self, sku: str, place: Place) -> Pooled:
        """Figures less N over the pool; outlets of one pool share it."""
        key = (sku, place.erp, place.basis, place.pool)
        found = self._pools.get(key)
        if found is None:
            parts = (self.part(part, per, place) for part, per in self.parts(sku).items())
            found = self._pools[key] = min(parts, key=_scarcity)
        return found

    def part(self, part: str, per: int, place: Place) -> Pooled:
        """What the pool has of one part."""
        erp, basis, feed = place.erp, place.basis, self._feed(place.erp)
        x, n, as_of, known = 0, self._flying(part, erp, "", basis), "", bool(place.pool)
        for warehouse in place.pool:
            figure = self._figures.get((part, erp, warehouse))
            n += self._flying(part, erp, warehouse, basis)
            taken = feed.floor if figure is None else figure.as_of
            as_of = min(as_of or taken, taken)
            x += 0 if figure is None else figure.pieces[basis]
            known = known and (figure is not None or feed.read)
        return Pooled((x - n) // per if known else None, part, per, x, n, as_of)

    def _flying(self, part: str, erp: str, warehouse: str, basis: int) -> int:
        found = self._in_flight.get((part, erp, warehouse))
        return 0 if found is None else found.unpicked if basis == PICKED else found.unposted

    def speed(self, sku: str, place: Place) -> int:
        """What the other channels sell while a number is on its way to this one, rounded up."""
        parts = self.parts(sku).items()
        return max(ceil(self._others(part, place) * place.lag_seconds / 20.0 / per) for part, per in parts)

    def _others(self, part: str, place: Place) -> int:
        sold = self._sold.get(part, {})
        return sum(pieces for channel, pieces in sold.items() if channel != place.channel)

    def inactive(self, sku: str, place: Place) -> bool:
        if not self._idle or not place.hides_inactive:
            return False
        return any((one, place.erp) in self._idle for one in (sku, *self.made.get(sku, ())))

    def reserved(self, sku: str, place: Place) -> int:
        """R. Pieces of no known location belong to a channel's only one."""
        if not place.reserves:
            return 0
        here = self._reserved.get((sku, place.channel, place.location), 0)
        alone = place.location and sum(one.channel == place.channel for one in self.places.values()) == 1
        return here + (self._reserved.get((sku, place.channel, ""), 0) if alone else 0)


def percentage(free: int, percent: int) -> int:
    """So many per cent of what there is, rounded up."""
    return (max(0, free) * percent + 99) // 100


def _scarcity(pooled: Pooled) -> tuple[bool, int]:
    return pooled.free is not None, pooled.free or 0


def _places(tx: sqlite3.Connection) -> dict[Key, Place]:
    pools: dict[Key, list[str]] = {}
    for channel, location, warehouse in tx.execute(_POOLS):
        pools.setdefault((channel, location), []).append(warehouse)
    places = {}
    for channel, location, erp, basis, reserves, compares, weight, known, lag, hides, *rule in tx.execute(_OUTLETS):
        key, numbered = (channel, location), BASES[basis]
        pool, own = tuple(pools.get(key, ())), Rule(*rule)
        places[key] = Place(*key, erp, numbered, reserves, compares, weight, known, lag, hides, pool, own)
    return places


def _family(tx: sqlite3.Connection, skus: frozenset[str]) -> tuple[frozenset[str], dict[str, dict[str, int]]]:
    """These SKUs with the parts of the packs among them and every pack that shares a part; and what packs are made
    of."""
    if not tx.execute(_PACKED).fetchone()[0]:
        return skus, {}
    moved = skus.union(row[1] for row in tx.execute(_PARTS_OF, (_json(skus),)))
    family = moved.union(row[0] for row in tx.execute(_PACKS_WITH, (_json(moved),)))
    made: dict[str, dict[str, int]] = {}
    for sku, part, per in tx.execute(_PARTS_OF, (_json(family),)):
        made.setdefault(sku, {})[part] = per
    return family, made


def related(tx: sqlite3.Connection, skus: frozenset[str]) -> frozenset[str]:
    """These SKUs and all that is bound to them by packs, however far."""
    while (wider := _family(tx, skus)[0]) > skus:
        skus = wider
    return skus


def _json(values: Collection[str]) -> str:
    return orjson.dumps(list(values)).decode()
