"""Costs stay flat with millions of finished rows: no statement of the store walks through a table that only grows.

Asked of SQLite itself, for every statement the store's modules hold. A partial index is used only where its condition
is repeated word by word, which is easily forgotten and shows only after a year in production.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import bcbridge.store
from bcbridge.store import views, watch
from bcbridge.store.db import connect, migrate

GROWING = frozenset(
    {
        "orders",
        "outbox",
        "events",
        "incidents",
        "incident_changes",
        "alerts",
        "deliveries",
        "documents",
        "links",
        "sku_links",
        "acts",
        "listed",
        "leaving",
        "dispatched",
    }
)
"""``jobs`` are pruned, the ERP's masters are bounded."""

WHOLE_ON_PURPOSE = frozenset(
    {
        "outbox._ROW_COLUMNS",  # the head of other statements, never run by itself
        "retention._ACTS",  # its first rows only, the oldest
        "watch._LEAVING_FROM",  # of its partial index, which holds what has not left
        "dispatching._UNREAD",  # of its partial index, which holds what was not read
    }
)
"""``module.CONSTANT`` of statements that may walk a whole table, each with its reason beside it."""

NARROWS_NOTHING = re.compile(r"SEARCH (\w+) USING .*\((sink|connector)=\?\)")
"""Found by an index, but by a column that most rows share."""

BESIDE_THE_BRIDGE = ("verify.",)
"""Modules whose statements a person asks for, on a connection of their own: they walk over everything."""

STATEMENT = re.compile(r"^\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b", re.IGNORECASE)


def statements() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(bcbridge.store.__path__):
        for name, value in vars(importlib.import_module(f"bcbridge.store.{module.name}")).items():
            if isinstance(value, str) and STATEMENT.match(value):
                yield f"{module.name}.{name}", value


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = tmp_path_factory.mktemp("store") / "bcbridge.db"
    migrate(path)
    connection = connect(path)
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, sql: str) -> list[str]:
    named = dict.fromkeys(re.findall(r":(\w+)", sql))
    parameters: object = named or [None] * sql.count("?")
    try:
        return [str(row["detail"]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]  # type: ignore[arg-type]
    except sqlite3.OperationalError:
        return []  # the beginning of a statement that another constant completes


def walked(sql: str, details: list[str]) -> set[str]:
    """The growing tables that are read from end to end, an alias resolved to its table."""
    bare = {match.group(1) for detail in details if (match := re.fullmatch(r"SCAN (\w+)", detail))}
    names = bare | {match.group(1) for detail in details if (match := NARROWS_NOTHING.fullmatch(detail))}
    return {table for name in names if (table := table_of(sql, name)) in GROWING}


def table_of(sql: str, name: str) -> str:
    aliased = re.search(rf"\b(\w+)\s+(?:AS\s+)?{name}\b", sql)
    return aliased.group(1) if aliased and aliased.group(1) in GROWING else name


@pytest.mark.parametrize(("name", "sql"), [pytest.param(*one, id=one[0]) for one in statements()])
def test_no_statement_walks_through_what_is_finished(empty: sqlite3.Connection, name: str, sql: str) -> None:
    if name not in WHOLE_ON_PURPOSE and not name.startswith(BESIDE_THE_BRIDGE):
        assert walked(sql, plan(empty, sql)) == set()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("_LEAVING_FROM", "leaving_open"),
        ("_NOT_LEFT", "leaving_open"),
        ("_NOT_TOLD", "dispatched_open"),
        ("_BLOCKED_BY", "dispatched_open"),
        ("_LAPSING", "orders_authorised"),
        ("_NOT_CAPTURED", "orders_authorised"),
    ],
)
def test_what_stands_still_is_found_among_what_is_open(empty: sqlite3.Connection, name: str, index: str) -> None:
    first = next(one for one in plan(empty, getattr(watch, name)) if one.startswith(("SEARCH", "SCAN")))
    assert re.match(rf"SEARCH \w+ USING (COVERING )?INDEX {index} ", first)


def test_the_morning_report_costs_what_is_open(empty: sqlite3.Connection) -> None:
    indexes = {"_DUE_DISPATCHES": "dispatched_open", "_DUE_TO_LEAVE": "leaving_open", "_DUE_BLOCKED": "orders_by_state"}
    for name, index in indexes.items():
        assert index in plan(empty, getattr(views, name))[0]
