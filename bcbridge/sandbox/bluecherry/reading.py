"""GET: resources, pages, and the two envelopes (NOTES 1.1, 1.2)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from bcbridge.sandbox.bluecherry import filters
from bcbridge.sandbox.bluecherry.books import text, whole

VERSION = "sandbox-1.0"

_HEADER_FIELDS = frozenset(
    {
        *("ord_num", "po_num", "altpo", "ord_type", "ord_status", "orgentdate", "start_date", "end_date"),
        *("customer", "division", "department", "season", "store", "location", "shipper", "terms", "curr_code"),
    }
)


@dataclass(frozen=True)
class Resource:
    """One thing that can be read under ``/api/<path>``, spelt as the notes spell it.

    ``fields`` may be filtered by besides the ``columns``. ``document``: ``data.header`` and children; else
    ``data`` is a plain list.
    """

    path: str
    table: str
    columns: frozenset[str]
    fields: frozenset[str]
    document: bool
    ceiling: int
    """Largest page; a larger ``_pgsize`` is cut to it without a word."""
    usual: int = 25


RESOURCES = (
    Resource(
        "order",
        "orders",
        frozenset({"pkey", "last_mod", "po_num", "ord_num", "altpo", "customer"}),
        _HEADER_FIELDS,
        document=True,
        ceiling=200,
    ),
    Resource(
        "pick",
        "picks",
        frozenset({"pkey", "last_mod"}),
        _HEADER_FIELDS | {"pick_num", "pick_date", "inv_num"},
        document=True,
        ceiling=200,
    ),
    Resource(
        "invoice",
        "invoices",
        frozenset({"pkey", "last_mod", "inv_num", "ord_num", "po_num"}),
        frozenset(
            {"pick_num", "altpo", "customer", "division", "location", "ship_date", "inv_date", "shipper", "void"}
        ),
        document=True,
        ceiling=200,
    ),
    Resource(
        "style",
        "styles",
        frozenset({"pkey", "last_mod"}),
        frozenset({"style", "style_name", "active_ok", *(f"group_code{n}" for n in range(1, 9))}),
        document=True,
        ceiling=200,
    ),
    Resource(
        "Location",
        "locations",
        frozenset({"pkey", "last_mod"}),
        frozenset({"location", "loc_name", "loc_type", "resv_wh"}),
        document=False,
        ceiling=500,
    ),
    Resource(
        "Shipper",
        "shippers",
        frozenset({"pkey", "last_mod"}),
        frozenset({"shipper", "ship_name"}),
        document=False,
        ceiling=500,
    ),
)


Show = Callable[[list[tuple[str, str]]], list[str]]
"""How the rows of a page, header and children as JSON texts, become the records that are answered."""


def headers(rows: list[tuple[str, str]]) -> list[str]:
    return [header for header, _ in rows]


def with_children(rows: list[tuple[str, str]]) -> list[str]:
    return [whole(header, children) for header, children in rows]


def with_empty_children(rows: list[tuple[str, str]]) -> list[str]:
    empty = [text({name: {"rows": []} for name in orjson.loads(children)}) for _, children in rows]
    return [whole(header, children) for (header, _), children in zip(rows, empty, strict=True)]


def with_one_upc_twice(rows: list[tuple[str, str]]) -> list[str]:
    """The style page, the first UPC of it also on the last SKU of it."""
    records = [json.loads(record, parse_float=Decimal) for record in with_children(rows)]
    sizes = [size for r in records for d in r["styledetail"]["rows"] for size in d["stylecolorsizes"]["rows-i"]]
    if sizes:
        sizes[-1]["upc"] = sizes[0]["upc"]
    return [text(record) for record in records]


@dataclass(frozen=True)
class Reading:
    """One page that was asked for."""

    statement: str
    values: tuple[str | int, ...]
    show: Show

    def run(self, connection: sqlite3.Connection) -> list[orjson.Fragment]:
        rows = connection.execute(self.statement, self.values).fetchall()
        return [orjson.Fragment(record) for record in self.show(rows)]


def understand(resource: Resource, query: Mapping[str, str], *, filtered: bool = True) -> Reading:
    """What a request asks for; `filters.BadFilter` in the ERP's words where it makes no sense.

    Rows come by ``pkey``. ``filtered=False`` reads as if no condition had been given.
    """
    page, size = page_of(query, usual=resource.usual, ceiling=resource.ceiling)
    conditions = [
        filters.condition(clause, columns=resource.columns, fields=resource.fields) for clause in filters.asked(query)
    ]
    if not filtered:
        conditions = []
    where = f"WHERE {' AND '.join(sql for sql, _ in conditions)}" if conditions else ""
    # The page's keys first, its bodies after; "+pkey" keeps SQLite on the index of the condition.
    keys = f"SELECT pkey FROM {resource.table} {where} ORDER BY {'+pkey' if conditions else 'pkey'} LIMIT ? OFFSET ?"  # noqa: S608
    return Reading(
        f"SELECT header, children FROM {resource.table} WHERE pkey IN ({keys}) ORDER BY pkey",  # noqa: S608
        (*(value for _, value in conditions), size, (page - 1) * size),
        with_children if query.get("_include") == "all" else headers,
    )


def page_of(query: Mapping[str, str], *, usual: int, ceiling: int) -> tuple[int, int]:
    """Which page is asked for, from 1, and how many rows it has at most."""
    return _number(query, "_pgno", 1), min(_number(query, "_pgsize", usual), ceiling)


def _number(query: Mapping[str, str], name: str, usual: int) -> int:
    given = query.get(name, str(usual))
    if not given.isascii() or not given.isdigit() or int(given) < 1 or len(given) > 9:
        raise filters.BadFilter(f"The value '{given}' is not valid for {name}.")
    return int(given)


def envelope(resource: Resource, rows: list[Any], *, as_list: bool = False) -> dict[str, Any]:
    """``{"data": {"header": rows}}`` for documents, ``{"data": rows}`` for simple masters."""
    shown: dict[str, Any] = {"data": {"header": rows} if resource.document and not as_list else rows}
    return {"version": VERSION, **shown} if resource.path == "pick" else shown
