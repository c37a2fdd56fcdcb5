"""The ERP's masters as last read: SKUs by UPC, warehouse codes, ship vias."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import orjson

from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.store.db import Store

_OF_STYLE = """
SELECT connector, ref, style, upc, ean, division, style_code, color_code, lbl_code, dimension,
       size_desc, season, active, price, destinations
FROM skus WHERE connector = ? AND style = ?
"""
_DROP_STYLE = "DELETE FROM skus WHERE connector = ? AND style = ?"
_ADD_SKU = """
INSERT OR REPLACE INTO skus (connector, ref, style, upc, ean, division, style_code, color_code, lbl_code, dimension,
                  size_desc, season, active, price, destinations)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPC = 3
"""Where a row's UPC stands."""


def replace_style(tx: sqlite3.Connection, connector: str, style: str, skus: Sequence[CatalogSku]) -> set[str]:
    """A style is replaced as a whole; returns every UPC whose answer may differ now.

    Lists are read again with an overlap, so most styles come as they were: then nothing is written or freed.
    """
    held = {tuple(row) for row in tx.execute(_OF_STYLE, (connector, style)).fetchall()}
    wanted = {_row(connector, sku) for sku in skus}
    if held == wanted:
        return set()
    tx.execute(_DROP_STYLE, (connector, style))
    tx.executemany(_ADD_SKU, wanted)
    return {str(row[_UPC]) for row in held ^ wanted}


def _row(connector: str, sku: CatalogSku) -> tuple[object, ...]:
    parts = sku.parts
    return (
        connector,
        sku.ref,
        sku.style,
        sku.upc,
        sku.ean,
        parts.division,
        parts.style,
        parts.color_code,
        parts.lbl_code,
        parts.dimension,
        parts.size_desc,
        sku.season,
        int(sku.active),
        None if sku.price is None else str(sku.price),
        orjson.dumps(sku.destinations).decode(),
    )


_IDLE_OF_STYLE = "SELECT upc FROM skus WHERE connector = ? AND style = ? GROUP BY upc HAVING max(active) = 0"


def idle(tx: sqlite3.Connection, connector: str, style: str) -> set[str]:
    """UPCs of a style that the ERP no longer sells."""
    return {str(row[0]) for row in tx.execute(_IDLE_OF_STYLE, (connector, style))}


_BY_UPC = "SELECT * FROM skus WHERE connector = ? AND upc IN (SELECT value FROM json_each(?))"


async def skus(store: Store, connector: str, upcs: Iterable[str]) -> Mapping[str, tuple[CatalogSku, ...]]:
    """Every SKU under each UPC asked for; more than one is an exception for a person, none is unknown."""
    rows = await store.read.rows(_BY_UPC, (connector, orjson.dumps(sorted(set(upcs))).decode()))
    found: dict[str, tuple[CatalogSku, ...]] = {}
    for row in rows:
        found[row["upc"]] = (*found.get(row["upc"], ()), _sku(row))
    return found


def _sku(row: sqlite3.Row) -> CatalogSku:
    return CatalogSku(
        ref=Ref(row["ref"]),
        style=Ref(row["style"]),
        parts=SkuParts(
            division=row["division"],
            style=row["style_code"],
            color_code=row["color_code"],
            lbl_code=row["lbl_code"],
            dimension=row["dimension"],
            size_desc=row["size_desc"],
        ),
        upc=Upc(row["upc"]),
        ean=row["ean"],
        season=row["season"],
        active=bool(row["active"]),
        price=None if row["price"] is None else Decimal(row["price"]),
        destinations=tuple(orjson.loads(row["destinations"])),
    )


_KEEP_CODE = """
INSERT INTO codes (connector, noun, code, name) VALUES (?, ?, ?, ?)
ON CONFLICT (connector, noun, code) DO UPDATE SET name = excluded.name
"""
_HAS_CODE = "SELECT 1 FROM codes WHERE connector = ? AND noun = ? AND code = ?"
_CODES = "SELECT code FROM codes WHERE connector = ? AND noun = ?"


def keep_codes(tx: sqlite3.Connection, connector: str, noun: str, codes: Mapping[str, str]) -> set[str]:
    """A page of a master (code -> name); returns the codes that are new."""
    fresh = {code for code in codes if tx.execute(_HAS_CODE, (connector, noun, code)).fetchone() is None}
    tx.executemany(_KEEP_CODE, [(connector, noun, code, name) for code, name in codes.items()])
    return fresh


async def codes(store: Store, connector: str, noun: str) -> frozenset[str]:
    rows = await store.read.rows(_CODES, (connector, noun))
    return frozenset(str(row["code"]) for row in rows)


_AFTER = "SELECT DISTINCT upc FROM skus WHERE connector = ? AND upc > ? ORDER BY upc LIMIT ?"


async def upcs_after(store: Store, connector: str, upc: str, *, many: int) -> list[str]:
    """The next UPCs, in order; "" begins."""
    return [str(row["upc"]) for row in await store.read.rows(_AFTER, (connector, upc, many))]


_COUNT = "SELECT count(*) AS n FROM skus WHERE connector = ?"


async def size(store: Store, connector: str) -> int:
    row = await store.read.row(_COUNT, (connector,))
    return 0 if row is None else int(row["n"])
