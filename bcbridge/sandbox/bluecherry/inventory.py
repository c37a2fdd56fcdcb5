"""GET /api/inventory: the ledger as it is, or the publication that is served (NOTES 2.1, 3, 7.3, 7.7).

Rows come exploded, one a SKU, location and lot, or bucket-wide: one a style and colour, location, lot and
transaction type, with 24 quantities, the names of the sizes, and a flag that says which buckets are live.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bluecherry import filters, ledger
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.exports import Exports, Publication, served
from bcbridge.sandbox.bluecherry.filters import BadFilter
from bcbridge.sandbox.bluecherry.reading import page_of
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings
from bcbridge.sandbox.bluecherry.sizes import BUCKETS, Scale, scale_of

CEILING = 500
"""Largest page; a larger ``_pgsize`` is cut to it without a word."""

WALKS_KEPT = 8
"""Conditions whose keys are remembered, so that the next page of a long walk does not begin at the first row."""

GHOST_PIECES = 7
"""What stands in a bucket that is not live: a size that was dropped long ago, and never cleaned up."""

_PARTS = ("division", "style", "color_code", "lbl_code", "dimension")

_FIELDS = frozenset({"pkey", "location", "lot", *_PARTS})
_SIZED = frozenset({"upc", "size_desc"})

Key = tuple[tuple[int, ...], str]
"""What one row of an answer is made of: keys of ledger rows, and a transaction type ("" where it has all)."""


class Cell(NamedTuple):
    """One ledger row, live or as it was published, with its SKU."""

    sums: dict[str, int]
    pkey: int
    upc: str
    location: str
    lot: str
    last_mod: str
    written: str
    division: str
    style: str
    color_code: str
    lbl_code: str
    dimension: str
    size_desc: str


class Inventory:
    """The resource, as this world's settings shape it."""

    def __init__(self, world: World, exports: Exports, settings: BlueCherrySettings) -> None:
        self._world = world
        self._exports = exports
        self._shape = Shape(settings)
        self._walks: OrderedDict[tuple[object, ...], list[Key]] = OrderedDict()

    def forget(self) -> None:
        """After a reset: publications are counted from one again."""
        self._walks.clear()

    async def read(self, query: Mapping[str, str], *, filtered: bool) -> list[Row]:
        """One page. Raises `BadFilter` where the request makes no sense."""
        number, size = page_of(query, usual=25, ceiling=CEILING)
        asked = filters.asked(query) if filtered else []
        strikes = self._world.faults.strikes
        live = self._exports.live
        if not live and number > 1 and await strikes("publish_between_pages"):
            await self._exports.publish()
        state = "before" if not live and await strikes("stock_replica_behind") else "served"
        first = (number - 1) * size

        def read(connection: sqlite3.Connection) -> list[Row]:
            publication = None if live else served(connection, state=state) or served(connection)
            source = Source(publication, self._shape.fields(publication))
            return self._shape.rows(connection, source, self._keys(connection, source, asked, first, size))

        return await self._world.books.read(read)

    def _keys(
        self, connection: sqlite3.Connection, source: Source, asked: list[filters.Clause], first: int, size: int
    ) -> list[Key]:
        """The keys of the page. Those of a publication never change: they are found once a walk."""
        where, values = source.conditions(asked)
        if source.publication is None:
            return self._shape.keys(connection, source, where, values, first, size)
        name = (source.publication.pkey, where, *values)
        if name not in self._walks:
            self._walks[name] = self._shape.keys(connection, source, where, values, 0, -1)
        self._walks.move_to_end(name)
        while len(self._walks) > WALKS_KEPT:
            self._walks.popitem(last=False)
        return self._walks[name][first : first + size]


# --- where rows come from --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """The live ledger, or a publication; what may be asked of its rows, as the API's name and ours."""

    publication: Publication | None
    fields: Mapping[str, str]

    @property
    def table(self) -> str:
        """Rows and their SKU. The join costs nothing where no column of the SKU is asked for."""
        live = self.publication is None
        written = "last_mod" if live else "written"
        rows = "inventory" if live else "published"
        only = "" if self.publication is None else f"WHERE r.publication = {self.publication.pkey}"
        return f"""(
SELECT r.pkey, r.upc, r.location, r.lot, r.last_mod, r.{written} AS written, {", ".join(f"k.{p}" for p in _PARTS)},
    k.size_desc, {ledger.COLUMNS}
FROM {rows} AS r LEFT JOIN skus AS k ON k.upc = r.upc {only})"""  # noqa: S608 - our own names

    def conditions(self, asked: Iterable[filters.Clause]) -> tuple[str, tuple[str, ...]]:
        """A WHERE and its values."""
        named = [self._condition(clause) for clause in asked]
        where = " AND ".join(sql for sql, _ in named)
        return f"WHERE {where}" if named else "", tuple(value for _, value in named)

    def _condition(self, clause: filters.Clause) -> tuple[str, str]:
        if clause.field not in self.fields:
            raise BadFilter(f"Invalid column name '{clause.field}'.")
        return f"{self.fields[clause.field]} {filters.OPERATORS[clause.operator]} ?", clause.value

    def cells(self, connection: sqlite3.Connection, pkeys: Sequence[int]) -> dict[int, Cell]:
        inside = ", ".join(str(pkey) for pkey in pkeys)
        found = connection.execute(f"SELECT * FROM {self.table} WHERE pkey IN ({inside})")  # noqa: S608
        return {row[0]: Cell(dict(zip(ledger.TYPES, row[12:], strict=True)), *row[:12]) for row in found}


# --- how they are shown ----------------------------------------------------------------------------------------


class Shape:
    """Exploded or bucket-wide rows, with the sums or without, stamped in this ERP's way."""

    def __init__(self, settings: BlueCherrySettings) -> None:
        self._settings = settings
        self._wide = settings.stock_rows == "buckets"
        self._types = tuple(ledger.TYPES) if settings.stock_components else tuple(NUMBERS)

    def fields(self, publication: Publication | None) -> dict[str, str]:
        """What may be filtered by."""
        named = {name: name for name in (_FIELDS if self._wide else _FIELDS | _SIZED)}
        stamp = self._stamp_column(publication)
        if stamp:
            named["last_mod"] = stamp
        if publication is not None and self._settings.stock_stamp == "export_start":
            named[self._settings.stock_export_field] = f"'{publication.stamp}'"
        return named

    def _stamp_column(self, publication: Publication | None) -> str:
        """The column that is shown as ``last_mod``; "" where none is."""
        kind = self._settings.stock_stamp
        if kind == "none":
            return ""
        return "last_mod" if publication is None or kind == "row_ledger" else "written"

    def keys(
        self, connection: sqlite3.Connection, source: Source, where: str, values: tuple[str, ...], first: int, size: int
    ) -> list[Key]:
        """Keys of the rows that meet the conditions, in order: ``size`` of them (-1: all) from ``first``."""
        if self._wide:
            keys = self._wide_keys(connection, source, where, values)
            return keys[first:] if size < 0 else keys[first : first + size]
        order = "+pkey" if where else "pkey"  # with "+" SQLite stays on the index of the condition
        statement = f"SELECT pkey FROM {source.table} {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        return [(row, "") for row in connection.execute(statement, (*values, size, first))]

    def _wide_keys(
        self, connection: sqlite3.Connection, source: Source, where: str, values: tuple[str, ...]
    ) -> list[Key]:
        columns = ", ".join((*_PARTS, "location", "lot"))
        statement = f"SELECT pkey, {columns} FROM {source.table} {where} ORDER BY pkey"  # noqa: S608
        grids: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for pkey, *grid in connection.execute(statement, values):
            grids[tuple(grid)].append(pkey)
        return [(tuple(pkeys), type_) for pkeys in grids.values() for type_ in self._types]

    def rows(self, connection: sqlite3.Connection, source: Source, keys: Sequence[Key]) -> list[Row]:
        cells = source.cells(connection, [pkey for pkeys, _ in keys for pkey in pkeys])
        if not self._wide:
            return [self._exploded(cells[pkey], source.publication) for (pkey,), _ in keys]
        sizes = {pkeys: _live_sizes(connection, cells[pkeys[0]]) for pkeys, _ in keys}
        return [
            self._bucket_wide([cells[p] for p in pkeys], type_, sizes[pkeys], source.publication)
            for pkeys, type_ in keys
        ]

    def _exploded(self, cell: Cell, publication: Publication | None) -> Row:
        sums = cell.sums
        return {
            "pkey": cell.pkey,
            **_sku(cell),
            "size_desc": cell.size_desc,
            "upc": cell.upc,
            "location": cell.location,
            "lot": cell.lot,
            **(sums if self._settings.stock_components else {}),
            "qoh": ledger.number(ledger.QOH, sums),
            "pick_qty": sums["pk"],
            "open_qty": sums["op"],
            "reserved_qty": sums["rs"],
            "wip_qty": sums["wp"],
            "ots": ledger.number(ledger.OTS, sums),
            "ots_wip": ledger.number(ledger.OTS_WIP, sums),
            **self._stamps([cell], publication),
        }

    def _bucket_wide(self, cells: list[Cell], type_: str, live: frozenset[str], publication: Publication | None) -> Row:
        first = cells[0]
        scale = scale_of({*live, *(cell.size_desc for cell in cells)})
        quantities = {scale.bucket(cell.size_desc): _quantity(cell.sums, type_) for cell in cells}
        return {
            "pkey": first.pkey * 100 + self._types.index(type_),
            "rec_type": type_.upper(),
            **_sku(first),
            "location": first.location,
            "lot": first.lot,
            "size_code": scale.code,
            **_buckets(scale, live, quantities, ghost=type_ in ("sa", "qoh", "ots")),
            **self._stamps(cells, publication),
        }

    def _stamps(self, cells: list[Cell], publication: Publication | None) -> Row:
        stamps: Row = {}
        column = self._stamp_column(publication)
        if column:
            stamps["last_mod"] = max(getattr(cell, column) for cell in cells)
        if publication is not None and self._settings.stock_stamp == "export_start":
            stamps[self._settings.stock_export_field] = publication.stamp
        return stamps


NUMBERS: Mapping[str, Mapping[str, int]] = {
    "qoh": ledger.QOH,
    "pk": {"pk": 1},
    "ots": ledger.OTS,
    "ots_wip": ledger.OTS_WIP,
}
"""What bucket-wide rows have for ``rec_type`` where the sums are not shown."""


def _quantity(sums: Mapping[str, int], type_: str) -> int:
    return ledger.number(NUMBERS[type_], sums) if type_ in NUMBERS else sums[type_]


def _sku(cell: Cell) -> Row:
    return {name: getattr(cell, name) for name in _PARTS}


def _live_sizes(connection: sqlite3.Connection, cell: Cell) -> frozenset[str]:
    """The sizes its style and colour come in."""
    statement = "SELECT size_desc FROM skus WHERE style = ? AND color_code = ? AND lbl_code = ? AND dimension = ?"
    values = (cell.style, cell.color_code, cell.lbl_code, cell.dimension)
    return frozenset(size for (size,) in connection.execute(statement, values))


def _buckets(scale: Scale, live: frozenset[str], quantities: Mapping[int, int], *, ghost: bool) -> dict[str, Any]:
    """``sz01`` what the bucket is called, ``call01`` whether it is live, ``size01_qty`` its pieces; 24 of each."""
    found: dict[str, Any] = {}
    for place in range(BUCKETS):
        size = scale.sizes[place] if place < len(scale.sizes) else ""
        number = f"{place + 1:02d}"
        is_live = size in live
        stray = GHOST_PIECES if ghost and size and not is_live else 0
        found[f"sz{number}"] = size
        found[f"call{number}"] = "Y" if is_live else "N"
        found[f"size{number}_qty"] = quantities.get(place, stray)
    return found
