"""``$filter`` and plain equality parameters, turned into SQL (NOTES 1.1).

The grammar is what public clients use and no more: ``field eq 'x'`` and ``field gt 'x'`` joined with
``and``. ``gt`` is strict. Anything else is an error, said in one of the ERP's shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CLAUSE = re.compile(r"\s*(?P<field>\w+)\s+(?P<operator>\w+)\s+'(?P<value>(?:[^']|'')*)'\s*")
_AND = re.compile(r"and\s", re.IGNORECASE)
OPERATORS = {"eq": "=", "gt": ">"}


class BadFilter(Exception):
    """What the ERP says about a filter it does not understand."""


@dataclass(frozen=True)
class Clause:
    field: str
    operator: str
    value: str


def parse(expression: str) -> list[Clause]:
    """The clauses of ``last_mod gt '2026-01-05 10:00:00' and customer eq 'SHOPUSD'``; `BadFilter` otherwise."""
    clauses = []
    at = 0
    while True:
        found = _CLAUSE.match(expression, at)
        if found is None:
            raise BadFilter(f"The filter expression is not valid at position {at}.")
        clauses.append(_clause(found))
        at = found.end()
        if at == len(expression):
            return clauses
        joined = _AND.match(expression, at)
        if joined is None:
            raise BadFilter(f"The filter expression is not valid at position {at}.")
        at = joined.end()


def _clause(found: re.Match[str]) -> Clause:
    operator = found["operator"].lower()
    if operator not in OPERATORS:
        raise BadFilter(f"The operator '{found['operator']}' is not supported.")
    return Clause(found["field"], operator, found["value"].replace("''", "'"))


def asked(query: Mapping[str, str]) -> list[Clause]:
    """All conditions of a request: its ``$filter`` and its plain parameters (``pkey=5``)."""
    clauses = parse(query["$filter"]) if query.get("$filter", "").strip() else []
    plain = [Clause(name, "eq", value) for name, value in query.items() if name[:1] not in ("_", "$")]
    return clauses + plain


def condition(clause: Clause, *, columns: frozenset[str], fields: frozenset[str]) -> tuple[str, str]:
    """SQL text with one ``?``, and its value. ``columns`` are the table's own, ``fields`` live in its JSON."""
    if clause.field in columns:
        return f"{clause.field} {OPERATORS[clause.operator]} ?", clause.value
    if clause.field in fields:
        return f"CAST(json_extract(header, '$.{clause.field}') AS TEXT) {OPERATORS[clause.operator]} ?", clause.value
    raise BadFilter(f"Invalid column name '{clause.field}'.")
