"""What a person decided about numbers, as the computing reads it: outlets, their pools, rules by SKU, packs.

Written at the start and when a file, the catalogue or a date changes it. Each function replaces the whole of what it
writes, changes nothing that is as it was, and returns the SKUs whose target may differ now: they are to be marked
(compute.mark), in slices.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

import orjson

from bcbridge.model.stock import NumberRule, Outlet
from bcbridge.store.db import Readers

OF_OUTLET = ""
"""The SKU under which an outlet's own rule stands."""

_OUTLETS = """
SELECT channel, location, erp, basis, reserves, takes_off, compares, weight, hides_inactive FROM stock_outlets
WHERE channel = ?
"""
_POOLS = "SELECT channel, location, erp, warehouse FROM stock_pools WHERE channel = ?"
_PLACES = "SELECT channel, location FROM stock_outlets"
_CHANNELS = "SELECT DISTINCT channel FROM stock_outlets"
_KEEP_OUTLET = """
INSERT INTO stock_outlets (channel, location, erp, basis, reserves, takes_off, compares, weight, hides_inactive)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (channel, location) DO UPDATE SET erp = excluded.erp, basis = excluded.basis,
    reserves = excluded.reserves, takes_off = excluded.takes_off, compares = excluded.compares,
    weight = excluded.weight, hides_inactive = excluded.hides_inactive
"""
_DROP_OUTLET = "DELETE FROM stock_outlets WHERE channel = ? AND location = ?"
_KEEP_POOL = "INSERT INTO stock_pools (channel, location, erp, warehouse) VALUES (?, ?, ?, ?)"
_DROP_POOL = "DELETE FROM stock_pools WHERE channel = ? AND location = ? AND erp = ? AND warehouse = ?"
_NEXT_SKUS = "SELECT DISTINCT sku FROM stock_shown WHERE sku > ? ORDER BY sku LIMIT ?"


def keep_outlets(tx: sqlite3.Connection, outlets: Sequence[Outlet]) -> bool:
    """These are the outlets of all channels. True where anything differs: then every SKU is to be marked."""
    channels = {outlet.channel for outlet in outlets}
    changed = [
        keep_outlets_of(tx, channel, [outlet for outlet in outlets if outlet.channel == channel])
        for channel in sorted(channels)
    ]
    return drop_outlets(tx, but=channels) or any(changed)


def keep_outlets_of(tx: sqlite3.Connection, channel: str, outlets: Sequence[Outlet]) -> bool:
    """These are the outlets of a channel; what was measured of one that stays is kept. True where anything differs:
    then every SKU is to be marked (``skus_after``)."""
    held = {tuple(row) for row in tx.execute(_OUTLETS, (channel,))}
    wanted = {_outlet_row(outlet) for outlet in outlets}
    pools = {tuple(row) for row in tx.execute(_POOLS, (channel,))}
    pooled = {(one.channel, one.location, one.erp, warehouse) for one in outlets for warehouse in one.warehouses}
    places = {row[:2] for row in wanted}
    tx.executemany(_DROP_OUTLET, sorted({row[:2] for row in held} - places))
    tx.executemany(_KEEP_OUTLET, sorted(wanted - held))
    tx.executemany(_DROP_POOL, sorted(pools - pooled))
    tx.executemany(_KEEP_POOL, sorted(pooled - pools))
    own: dict[Place, NumberRule] = {(one.channel, one.location, OF_OUTLET): one.rule for one in outlets}
    changed = _replace_rules(tx, _rules_held(tx, _OWN_RULES, channel), own)
    return held != wanted or pools != pooled or bool(changed)


async def places(reads: Readers) -> set[tuple[str, str]]:
    """Channel and location of every outlet that is kept."""
    return {(str(row["channel"]), str(row["location"])) for row in await reads.rows(_PLACES)}


def drop_outlets(tx: sqlite3.Connection, *, but: Collection[str]) -> bool:
    """Of every channel but these nothing is told any more: neither their outlets nor their own rules count."""
    gone = {str(row["channel"]) for row in tx.execute(_CHANNELS)} - set(but)
    for channel in gone:
        keep_outlets_of(tx, channel, ())
    return bool(gone)


def _outlet_row(outlet: Outlet) -> tuple[object, ...]:
    return (
        outlet.channel,
        outlet.location,
        outlet.erp,
        outlet.basis.value,
        int(outlet.shelf.reserves),
        outlet.shelf.takes_off.value,
        int(outlet.shelf.compares),
        outlet.weight,
        int(outlet.hides_inactive),
    )


async def skus_after(reads: Readers, sku: str, *, many: int) -> list[str]:
    """The next SKUs, in order, that any channel shows; "" begins."""
    return [str(row[0]) for row in await reads.rows(_NEXT_SKUS, (sku, many))]


# -- rules by SKU --------------------------------------------------------------------------------------------------

Place = tuple[str, str, str]
"""(channel, location, sku)."""

_RULE_COLUMNS = "SELECT channel, location, sku, buffer, percent, velocity, cap, stop, split, why FROM stock_rules"
_OWN_RULES = _RULE_COLUMNS + " WHERE sku = '' AND channel = ?"
_RULED = "SELECT DISTINCT sku FROM stock_rules WHERE sku > ? ORDER BY sku LIMIT ?"
_RULES_OF = _RULE_COLUMNS + " WHERE sku IN (SELECT value FROM json_each(?)) AND sku > ''"  # noqa: S608
_KEEP_RULE = """
INSERT OR REPLACE INTO stock_rules (channel, location, sku, buffer, percent, velocity, cap, stop, split, why)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DROP_RULE = "DELETE FROM stock_rules WHERE channel = ? AND location = ? AND sku = ?"


async def ruled_after(reads: Readers, sku: str, *, many: int) -> list[str]:
    """The next SKUs, in order, that have a rule of their own; "" begins."""
    return [str(row[0]) for row in await reads.rows(_RULED, (sku, many))]


def keep_rules(
    tx: sqlite3.Connection, skus: Collection[str], rules: Mapping[Place, NumberRule], *, channels: Collection[str]
) -> set[str]:
    """Of these SKUs (a slice: 500 at most), these are the rules in these channels and there are no others.

    Returns those whose rule is another one now, or none.
    """
    held = _rules_held(tx, _RULES_OF, orjson.dumps(list(skus)).decode())
    return _replace_rules(tx, {place: row for place, row in held.items() if place[0] in channels}, rules)


def _replace_rules(
    tx: sqlite3.Connection, held: Mapping[Place, tuple[object, ...]], rules: Mapping[Place, NumberRule]
) -> set[str]:
    wanted = {place: _rule_row(rule) for place, rule in rules.items()}
    gone = held.keys() - wanted.keys()
    fresh = {place for place, row in wanted.items() if held.get(place) != row}
    tx.executemany(_DROP_RULE, sorted(gone))
    tx.executemany(_KEEP_RULE, [(*place, *wanted[place]) for place in sorted(fresh)])
    return {sku for _, _, sku in (*gone, *fresh)}


def _rules_held(tx: sqlite3.Connection, sql: str, *given: str) -> dict[Place, tuple[object, ...]]:
    return {(row[0], row[1], row[2]): tuple(row)[3:] for row in tx.execute(sql, given)}


def _rule_row(rule: NumberRule) -> tuple[object, ...]:
    return (rule.buffer, rule.percent, int(rule.speed), rule.cap, int(rule.stop), int(rule.split), rule.why)


# -- packs ---------------------------------------------------------------------------------------------------------

_PACKS = "SELECT sku, part, per FROM stock_packs"
_KEEP_PART = "INSERT OR REPLACE INTO stock_packs (sku, part, per) VALUES (?, ?, ?)"
_DROP_PART = "DELETE FROM stock_packs WHERE sku = ? AND part = ?"


def keep_packs(tx: sqlite3.Connection, packs: Mapping[str, Mapping[str, int]]) -> set[str]:
    """These are the packs: sku -> {part: pieces of it}. No pack is part of another; returns packs and parts that
    changed."""
    held = {(row[0], row[1]): int(row[2]) for row in tx.execute(_PACKS)}
    wanted = {(sku, part): per for sku, parts in packs.items() for part, per in parts.items()}
    gone, fresh = held.keys() - wanted.keys(), {key for key, per in wanted.items() if held.get(key) != per}
    tx.executemany(_DROP_PART, sorted(gone))
    tx.executemany(_KEEP_PART, [(sku, part, wanted[sku, part]) for sku, part in sorted(fresh)])
    return {sku for key in (*gone, *fresh) for sku in key}


_AMONG = "SELECT DISTINCT sku FROM stock_packs WHERE sku IN (SELECT value FROM json_each(?))"


async def packs_among(reads: Readers, skus: Collection[str]) -> frozenset[str]:
    return frozenset(str(row[0]) for row in await reads.rows(_AMONG, (orjson.dumps(list(skus)).decode(),)))


_READ_WHOLE = "SELECT 1 FROM stock_feeds WHERE erp = ? AND pull_ended IS NOT NULL"


async def figures_read(reads: Readers, erp: str) -> bool:
    """Whether every figure of this ERP was read at least once."""
    return await reads.row(_READ_WHOLE, (erp,)) is not None


# -- what is measured of an outlet ---------------------------------------------------------------------------------

_LAG = "UPDATE stock_outlets SET lag_seconds = ? WHERE channel = ?"


def keep_lag(tx: sqlite3.Connection, channel: str, seconds: float) -> None:
    """How long a number takes to get to this channel: from a sale elsewhere to the answer of the write."""
    tx.execute(_LAG, (seconds, channel))
