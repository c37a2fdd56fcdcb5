"""Where stock rows come from: the live ledger, or a publication of it, each row with its SKU (NOTES 2.1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bcbridge.sandbox.bluecherry import filters, ledger
from bcbridge.sandbox.bluecherry.exports import Publication
from bcbridge.sandbox.bluecherry.filters import BadFilter

PARTS = ("division", "style", "color_code", "lbl_code", "dimension")
"""What a SKU is called by besides its size."""


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
SELECT r.pkey, r.upc, r.location, r.lot, r.last_mod, r.{written} AS written, {", ".join(f"k.{p}" for p in PARTS)},
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
