"""Shopify's search syntax, as far as order lists need it: ``field:>='value'`` terms joined by AND, OR or a
space.

A field the search does not know is not an error: Shopify ignores it and says so in ``extensions.search`` (so
does this).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

TERM = re.compile(
    r"""(?P<not>-|\bNOT\s+)?(?P<field>[a-z_]+):(?P<op>>=|<=|>|<|)(?P<value>'[^']*'|"[^"]*"|[^\s()]+)|(?P<or>\bOR\b)""",
    re.VERBOSE,
)

Condition = tuple[str, list[Any]]
Reading = Callable[[str, str], Condition]
"""(operator, value) to SQL and its values."""


@dataclass(frozen=True)
class Found:
    """SQL for a query with its values (``:q0``, ``:q1`` ...), and the fields that were ignored."""

    sql: str
    values: dict[str, Any] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def where(query: str | None, fields: Mapping[str, Reading]) -> Found:
    """The WHERE clause of ``query``; ``1`` where there is nothing to filter by."""
    either: list[list[Condition]] = [[]]
    ignored: list[str] = []
    for term in TERM.finditer(query or ""):
        if term["or"]:
            either.append([])
        elif term["field"] in fields:
            either[-1].append(condition(term, fields[term["field"]]))
        else:
            ignored.append(term["field"])
    groups = [group for group in either if group]
    sql = " OR ".join("(" + " AND ".join(one for one, _ in group) + ")" for group in groups)
    values = [value for group in groups for _, some in group for value in some]
    return Found(numbered(sql) or "1", {f"q{at}": value for at, value in enumerate(values)}, ignored)


def numbered(sql: str) -> str:
    first, *rest = sql.split("?")
    return first + "".join(f":q{at}{piece}" for at, piece in enumerate(rest))


def condition(term: re.Match[str], reading: Reading) -> Condition:
    sql, values = reading(term["op"] or "=", term["value"].strip("'\""))
    return (f"NOT ({sql})" if term["not"] else sql), values


def moment(column: str) -> Reading:
    """A time; Shopify's index knows seconds."""

    def read(operator: str, value: str) -> Condition:
        return f"{column} {operator} ?", [stamp(value)]

    return read


def stamp(value: str) -> str:
    """RFC 3339 of any zone (or a date) as ``2026-11-20T12:00:00Z``; what cannot be read is left as it is."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return value
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(column: str, *, add: int = 0) -> Reading:
    def read(operator: str, value: str) -> Condition:
        tail = value.rsplit("/", 1)[-1]
        return f"{column} {operator} ?", [int(tail) + add if tail.isdigit() else -1]

    return read


def text(column: str) -> Reading:
    """Any of a comma-separated list, whatever the case."""

    def read(_: str, value: str) -> Condition:
        wanted = [one.strip().lower() for one in value.split(",")]
        return f"lower({column}) IN ({', '.join('?' * len(wanted))})", wanted

    return read


def order_name(column: str) -> Reading:
    """``name:#1001`` and ``name:1001`` are the same."""

    def read(_: str, value: str) -> Condition:
        return f"{column} = ?", ["#" + value.lstrip("#")]

    return read


def inside(path: str) -> Reading:
    """A value somewhere in a list inside the document (``$.lineItems[*].sku``)."""
    array, _, key = path.partition("[*]")
    member = "value" if not key else f"json_extract(value, '${key}')"

    def read(_: str, value: str) -> Condition:
        return f"EXISTS (SELECT 1 FROM json_each(document, '{array}') WHERE {member} = ?)", [value]  # noqa: S608

    return read


def order_status(operator: str, value: str) -> Condition:
    """``status:`` open, closed, cancelled, not_closed or any."""
    known = {
        "open": "NOT cancelled AND NOT closed",
        "closed": "closed",
        "cancelled": "cancelled",
        "not_closed": "NOT closed",
    }
    return known.get(value.lower(), "1"), []
