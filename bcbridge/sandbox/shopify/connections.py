"""Pages of connections: keyset cursors over tables, slices of the lists inside an order."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import GraphQLError

from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.search import Reading, where

MOST = 250


@dataclass(frozen=True)
class Page:
    """One page of a connection: nodes with their cursors."""

    nodes: list[Any]
    cursors: list[str]
    has_next: bool
    has_previous: bool
    ignored: list[str] = field(default_factory=list)

    @property
    def info(self) -> JSON:
        return {
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.has_previous,
            "startCursor": self.cursors[0] if self.cursors else None,
            "endCursor": self.cursors[-1] if self.cursors else None,
        }


@dataclass(frozen=True)
class Listing:
    """A table that the API lists: where from, what it can be searched and sorted by, the row's identity."""

    source: str
    searches: Mapping[str, Reading]
    sorts: Mapping[str, str]


def size(first: int | None) -> int:
    if first is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_REQUEST"})
    if not 0 <= first <= MOST:
        message = f"Value {first} for argument 'first' is not accepted: it must be from 0 to {MOST}"
        raise GraphQLError(message, extensions={"code": "BAD_REQUEST"})
    return first


def cursor(value: Any, identifier: int) -> str:
    return base64.b64encode(orjson.dumps({"last_id": identifier, "last_value": value})).decode()


def opened(after: str) -> tuple[Any, int]:
    try:
        inside = orjson.loads(base64.b64decode(after, validate=True))
        return inside["last_value"], int(inside["last_id"])
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise GraphQLError(f"Invalid cursor for current pagination sort: {after!r}") from None


def rows(
    connection: sqlite3.Connection,
    listing: Listing,
    given: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    also: str = "1",
) -> tuple[list[tuple[int, Any]], Page]:
    """(id, sort value) of the page asked for by ``first/after/query/sortKey/reverse``, and the page without its nodes.

    The cursor holds the sort value and the id, so a row that moves away while a list is paged makes no other vanish.
    """
    wanted = size(given.get("first"))
    found = where(given.get("query"), listing.searches)
    key = listing.sorts[given.get("sortKey") or "ID"]
    direction, beyond = ("DESC", "<") if given.get("reverse") else ("ASC", ">")
    start, bound = "1", {}
    if given.get("after"):
        value, identifier = opened(given["after"])
        start, bound = f"({key}, id) {beyond} (:last_value, :last_id)", {"last_value": value, "last_id": identifier}
    statement = (
        f"SELECT id, {key} FROM {listing.source} WHERE ({also}) AND ({found.sql}) AND ({start})"  # noqa: S608
        f" ORDER BY {key} {direction}, id {direction} LIMIT :wanted"
    )
    named = {**values, **found.values, **bound, "wanted": wanted + 1}
    listed = connection.execute(statement, named).fetchall()
    kept = listed[:wanted]
    cursors = [cursor(value, identifier) for identifier, value in kept]
    return kept, Page([], cursors, len(listed) > wanted, bool(given.get("after")), found.ignored)


def slice_of(nodes: list[JSON], wrap: Callable[[JSON], Any], given: Mapping[str, Any]) -> Page:
    """A page of a list that lies inside a document."""
    wanted = size(given.get("first"))
    ordered = nodes[::-1] if given.get("reverse") else nodes
    start = int(opened(given["after"])[0]) if given.get("after") else 0
    kept = ordered[start : start + wanted]
    cursors = [cursor(start + at + 1, start + at + 1) for at in range(len(kept))]
    return Page([wrap(one) for one in kept], cursors, start + wanted < len(ordered), start > 0)
