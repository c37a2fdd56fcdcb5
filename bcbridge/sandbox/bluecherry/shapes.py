"""How stock rows look: exploded, one a SKU, location and lot; or bucket-wide, 24 sizes a row (NOTES 2.1, 7.7).

A bucket-wide row is one of a style and colour, location and lot; it carries one number, or there is one for each
transaction type. It has the quantities, what the sizes are called and their UPCs, and which buckets are live.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from bcbridge.sandbox.bluecherry import ledger
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.exports import Publication
from bcbridge.sandbox.bluecherry.figures import PARTS, Cell, Source
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings
from bcbridge.sandbox.bluecherry.sizes import BUCKETS, Scale, scale_of

GHOST_PIECES = 7
"""What stands in a bucket that is not live: a size that was dropped long ago, and never cleaned up."""

FIELDS = frozenset({"pkey", "location", "lot", *PARTS})
"""What any row may be filtered by."""


class Shape(Protocol):
    """One way in which rows look."""

    fields: frozenset[str]

    def keys(
        self, connection: sqlite3.Connection, source: Source, where: str, values: tuple[str, ...], first: int, size: int
    ) -> Sequence[Any]:
        """Keys of the rows that meet the conditions, in order: ``size`` of them (-1: all) from ``first``."""
        ...

    def rows(self, connection: sqlite3.Connection, source: Source, keys: Sequence[Any]) -> list[Row]:
        """The rows that those keys stand for."""
        ...


def shape_of(settings: BlueCherrySettings) -> Shape:
    return SHAPES[settings.stock_rows](settings)


class Stamps:
    """What rows say about their time."""

    def __init__(self, settings: BlueCherrySettings) -> None:
        self._kind = settings.stock_stamp
        self._export_field = settings.stock_export_field

    def fields(self, publication: Publication | None) -> dict[str, str]:
        """What may be filtered by: the API's name, and the column or value it stands for."""
        named = {}
        if column := self._column(publication):
            named["last_mod"] = column
        if publication is not None and self._kind == "export_start":
            named[self._export_field] = f"'{publication.stamp}'"
        return named

    def _column(self, publication: Publication | None) -> str:
        """What is shown as ``last_mod``; "" where nothing is."""
        if self._kind == "none":
            return ""
        return "last_mod" if publication is None or self._kind == "row_ledger" else "written"

    def of(self, cells: Sequence[Cell], publication: Publication | None) -> Row:
        stamps: Row = {}
        if column := self._column(publication):
            stamps["last_mod"] = max(getattr(cell, column) for cell in cells)
        if publication is not None and self._kind == "export_start":
            stamps[self._export_field] = publication.stamp
        return stamps


class Exploded:
    """A row a SKU, location and lot; a key is that of its ledger row."""

    fields = FIELDS | {"upc", "size_desc"}

    def __init__(self, settings: BlueCherrySettings) -> None:
        self._components = settings.stock_components
        self._stamps = Stamps(settings)

    def keys(
        self, connection: sqlite3.Connection, source: Source, where: str, values: tuple[str, ...], first: int, size: int
    ) -> Sequence[int]:
        order = "+pkey" if where else "pkey"  # with "+" SQLite stays on the index of the condition
        statement = f"SELECT pkey FROM {source.table} {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        return array("q", (pkey for (pkey,) in connection.execute(statement, (*values, size, first))))

    def rows(self, connection: sqlite3.Connection, source: Source, keys: Sequence[int]) -> list[Row]:
        cells = source.cells(connection, keys)
        return [self._row(cells[key], source.publication) for key in keys]

    def _row(self, cell: Cell, publication: Publication | None) -> Row:
        sums = cell.sums
        return {
            "pkey": cell.pkey,
            **_sku(cell),
            "size_desc": cell.size_desc,
            "upc": cell.upc,
            "location": cell.location,
            "lot": cell.lot,
            **(sums if self._components else {}),
            "qoh": ledger.number(ledger.QOH, sums),
            "pick_qty": sums["pk"],
            "open_qty": sums["op"],
            "reserved_qty": sums["rs"],
            "wip_qty": sums["wp"],
            "ots": ledger.number(ledger.OTS, sums),
            "ots_wip": ledger.number(ledger.OTS_WIP, sums),
            **self._stamps.of([cell], publication),
        }


WideKey = tuple[tuple[int, ...], str]
"""Keys of the ledger rows of one style and colour in one place, and a transaction type."""


class BucketWide:
    """A row a style and colour, location and lot for each of these types; with more than one a ``rec_type`` says which.

    Types are those of the ledger, or `NUMBERS` made of them.
    """

    fields = FIELDS

    def __init__(self, types: Sequence[str], settings: BlueCherrySettings) -> None:
        self._types = tuple(types)
        self._stamps = Stamps(settings)

    def keys(
        self, connection: sqlite3.Connection, source: Source, where: str, values: tuple[str, ...], first: int, size: int
    ) -> Sequence[WideKey]:
        columns = ", ".join((*PARTS, "location", "lot"))
        statement = f"SELECT pkey, {columns} FROM {source.table} {where} ORDER BY pkey"  # noqa: S608
        grids: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for pkey, *grid in connection.execute(statement, values):
            grids[tuple(grid)].append(pkey)
        keys = [(tuple(pkeys), type_) for pkeys in grids.values() for type_ in self._types]
        return keys[first:] if size < 0 else keys[first : first + size]

    def rows(self, connection: sqlite3.Connection, source: Source, keys: Sequence[WideKey]) -> list[Row]:
        cells = source.cells(connection, [pkey for pkeys, _ in keys for pkey in pkeys])
        live = {pkeys: _live_upcs(connection, cells[pkeys[0]]) for pkeys in dict(keys)}
        return [
            self._row([cells[pkey] for pkey in pkeys], type_, live[pkeys], source.publication) for pkeys, type_ in keys
        ]

    def _row(self, cells: list[Cell], type_: str, live: Mapping[str, str], publication: Publication | None) -> Row:
        first = cells[0]
        scale = scale_of({*live, *(cell.size_desc for cell in cells)})
        quantities = {scale.bucket(cell.size_desc): _quantity(cell.sums, type_) for cell in cells}
        return {
            "pkey": first.pkey * 100 + self._types.index(type_),
            **({"rec_type": type_.upper()} if len(self._types) > 1 else {}),
            **_sku(first),
            "location": first.location,
            "lot": first.lot,
            "size_code": scale.code,
            **_buckets(scale, live, quantities, ghost=type_ == "sa" or type_ in NUMBERS),
            **self._stamps.of(cells, publication),
        }


NUMBERS: Mapping[str, Mapping[str, int]] = {
    "qoh": ledger.QOH,
    "qoh_minus_pick": {**ledger.QOH, "pk": -1},
    "ots": ledger.OTS,
    "ots_wip": ledger.OTS_WIP,
}
"""What bucket-wide rows may carry besides the sums."""


def _quantity(sums: Mapping[str, int], type_: str) -> int:
    return ledger.number(NUMBERS[type_], sums) if type_ in NUMBERS else sums[type_]


def _sku(cell: Cell) -> Row:
    return {name: getattr(cell, name) for name in PARTS}


def _live_upcs(connection: sqlite3.Connection, cell: Cell) -> dict[str, str]:
    """The sizes its style and colour come in, and the UPC of each."""
    statement = "SELECT size_desc, upc FROM skus WHERE style = ? AND color_code = ? AND lbl_code = ? AND dimension = ?"
    values = (cell.style, cell.color_code, cell.lbl_code, cell.dimension)
    return dict(connection.execute(statement, values).fetchall())


def _buckets(scale: Scale, live: Mapping[str, str], quantities: Mapping[int, int], *, ghost: bool) -> dict[str, Any]:
    """``sz01`` what the bucket is called, ``upc01``, ``call01`` whether it is live, ``size01_qty``; 24 of each."""
    found: dict[str, Any] = {}
    for place in range(BUCKETS):
        size = scale.sizes[place] if place < len(scale.sizes) else ""
        number = f"{place + 1:02d}"
        is_live = size in live
        stray = GHOST_PIECES if ghost and size and not is_live else 0
        found[f"sz{number}"] = size
        found[f"upc{number}"] = live.get(size, "")
        found[f"call{number}"] = "Y" if is_live else "N"
        found[f"size{number}_qty"] = quantities.get(place, stray)
    return found


def _one_number(settings: BlueCherrySettings) -> Shape:
    return BucketWide((settings.stock_bucket_number,), settings)


def _every_type(settings: BlueCherrySettings) -> Shape:
    return BucketWide(ledger.TYPES if settings.stock_components else tuple(NUMBERS), settings)


SHAPES: Mapping[str, Callable[[BlueCherrySettings], Shape]] = {
    "exploded": Exploded,
    "buckets": _one_number,
    "ledger": _every_type,
}
