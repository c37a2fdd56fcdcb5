"""How this shop counts: which number a line is sold from, what an order takes off it, what a product shows of it.

A product or variation that manages its stock has a number of its own; a variation that does not shares its parent's,
where the parent manages one ("parent"). The numbers are the shop's stock (sandbox/shopping/stock.py); a product's
document keeps the one it shows. What an order has taken stands on its lines, as ``_reduced_stock``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bcbridge.sandbox.base import fact, set_fact
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON, CartLine
from bcbridge.sandbox.shopping.stock import Cause, Choice, Move, Place, Taken
from bcbridge.sandbox.woocommerce import dates, season

OPTION = "woocommerce_manage_stock"
REDUCED = "_reduced_stock"
STOCK_FIELDS = ("manage_stock", "stock_quantity", "stock_status", "backorders")
OWN = """
SELECT parent_id, json_extract(document, '$.manage_stock'), json_extract(document, '$.backorders')
FROM products WHERE id = ?
"""
BY_SKU = "SELECT id FROM products WHERE sku = ? AND type <> 'variable' ORDER BY id"


class Counted(NamedTuple):
    """The number that something is sold from; ``endless``: backorders are allowed, so it may fall below zero."""

    place: Place
    endless: bool


def option(connection: sqlite3.Connection, *, on: bool) -> None:
    """WooCommerce's own switch: off, nothing is counted."""
    set_fact(connection, OPTION, "yes" if on else "no")


def is_on(connection: sqlite3.Connection) -> bool:
    return fact(connection, OPTION) != "no"


# --- which number


def of(connection: sqlite3.Connection, identifier: int) -> Counted | None:
    """None: it is not counted, or it is not there."""
    if not identifier or not is_on(connection):
        return None
    row = connection.execute(OWN, (identifier,)).fetchone()
    if row is None:
        return None
    parent, managed, backorders = row
    if managed:
        return Counted(Place(str(identifier)), backorders != "no")
    return of(connection, parent)


def of_line(connection: sqlite3.Connection, line: JSON) -> Counted | None:
    """Of an order's line. A variation that is gone is not its parent."""
    return of(connection, int(line["variation_id"] or line["product_id"]))


def choices(connection: sqlite3.Connection, line: CartLine) -> Sequence[Choice]:
    """None where it is sold without end: not counted, or on backorder."""
    found = of(connection, int(line.variant_id or line.product_id or 0))
    return () if found is None or found.endless else (Choice(found.place),)


def places(connection: sqlite3.Connection, sku: str) -> list[Choice]:
    found = (of(connection, identifier) for (identifier,) in connection.execute(BY_SKU, (sku,)).fetchall())
    return [Choice(one.place) for one in found if one is not None]


# --- what orders take


def taken(connection: sqlite3.Connection, order: JSON) -> Mapping[Place, Taken]:
    """By its lines' own word. A document that was taken as it is sells none of the season's goods."""
    found: dict[Place, int] = {}
    for line in () if order["_sandbox"].get("document") else order["line_items"]:
        reduced = next((int(one["value"]) for one in line["meta_data"] if one["key"] == REDUCED), 0)
        counted = of_line(connection, line) if reduced else None
        if counted is not None:
            found[counted.place] = found.get(counted.place, 0) + reduced
    return {place: Taken(pieces) for place, pieces in found.items()}


def lacking(connection: sqlite3.Connection, order: JSON) -> str | None:
    """The name of a line whose pieces are not there any more, of those that were not taken yet."""
    left: dict[Place, int] = {}
    for line in order["line_items"]:
        counted = None if any(one["key"] == REDUCED for one in line["meta_data"]) else of_line(connection, line)
        if counted is None or counted.endless:
            continue
        left.setdefault(counted.place, stock.shown(connection, counted.place) or 0)
        left[counted.place] -= line["quantity"]
        if left[counted.place] < 0:
            return str(line["name"])
    return None


# --- what a product shows


def show(connection: sqlite3.Connection, moves: Iterable[Move], stamp: str) -> list[int]:
    """Writes moved numbers into the documents of their products; their ids."""
    changed = []
    for move in moves:
        kept = season.stored(connection, int(move.place.item))
        if kept is not None:
            season.keep(connection, {**kept, **numbered(kept, move.after), "date_modified_gmt": stamp})
            changed.append(int(kept["id"]))
    return changed


def numbered(kept: JSON, number: int) -> JSON:
    return {
        "stock_quantity": number,
        "stock_status": status(number, kept["backorders"]),
        "backordered": number < 0 and kept["backorders"] != "no",
    }


def status(number: int, backorders: str) -> str:
    if number > 0:
        return "instock"
    return "outofstock" if backorders == "no" else "onbackorder"


def as_shown(connection: sqlite3.Connection, documents: Sequence[JSON]) -> list[JSON]:
    """With what a variation has of its parent; without any number where the shop does not count."""
    if not is_on(connection):
        return [{**one, "manage_stock": False} for one in documents]
    parents: dict[int, JSON | None] = {}
    for one in documents:
        if one["parent_id"] and not one["manage_stock"] and one["parent_id"] not in parents:
            parents[one["parent_id"]] = season.stored(connection, one["parent_id"])
    return [with_parent(one, None if one["manage_stock"] else parents.get(one["parent_id"])) for one in documents]


def with_parent(one: JSON, parent: JSON | None) -> JSON:
    if parent is None or not parent["manage_stock"]:
        return one
    shared = {key: parent[key] for key in ("stock_quantity", "stock_status", "backorders", "backorders_allowed")}
    return {**one, **shared, "manage_stock": "parent"}


# --- what is written


def write(connection: sqlite3.Connection, kept: JSON, given: JSON, cause: Cause) -> JSON:
    """Changes what is named of how a product is counted, and its number; every write is a save."""
    stamp = {"date_modified_gmt": dates.stamp(cause.at)}
    if not is_on(connection):
        named = {"stock_status": given["stock_status"]} if "stock_status" in given else {}
        return season.keep(connection, {**kept, **named, **stamp})
    managed = given.get("manage_stock", kept["manage_stock"]) is True
    backorders = given.get("backorders", kept["backorders"]) if managed else "no"
    changed = {
        **kept,
        **stamp,
        "manage_stock": managed,
        "backorders": backorders,
        "backorders_allowed": backorders != "no",
    }
    if not managed:
        uncounted = {"stock_quantity": None, "stock_status": given.get("stock_status", kept["stock_status"])}
        return season.keep(connection, {**changed, **uncounted, "backordered": False})
    number = counted_anew(connection, kept, given.get("stock_quantity"), cause)
    return season.keep(connection, {**changed, **numbered(changed, number)})


def counted_anew(connection: sqlite3.Connection, kept: JSON, number: int | None, cause: Cause) -> int:
    """The number from now on; one that begins to be counted without a number begins with none."""
    place = Place(str(kept["id"]))
    stock.found(connection, place, kept["sku"], 0)
    if number is None:
        number = (stock.shown(connection, place) or 0) if kept["manage_stock"] else 0
    stock.put(connection, place, number, cause)
    return number


def by_hand(connection: sqlite3.Connection, identifier: int, fields: JSON, at: datetime) -> JSON | None:
    """The merchant changes a product in the admin; None where there is none."""
    plain = {key: value for key, value in fields.items() if key not in STOCK_FIELDS}
    kept = season.change(connection, identifier, plain)
    if kept is None or len(plain) == len(fields):
        return kept
    return write(connection, kept, fields, Cause(at, "admin"))
