"""What the shop counts: inventory items, their levels at locations, and the quantities of each (NOTES 1.5).

A level's ``available`` is the shop's number (shopping/stock.py); what orders took off it and have not shipped is
``committed``, and both together are ``on_hand``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.connections import Listing, Page, slice_of
from bcbridge.sandbox.shopify.gid import gid, number_of
from bcbridge.sandbox.shopify.lists import list_documents
from bcbridge.sandbox.shopify.parts import Info, Part, Resolver, need, node_of
from bcbridge.sandbox.shopify.search import moment, number, text
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.stock import Choice, Move, Place, Taken

SCHEMA = """
CREATE TABLE inventory_items (
    id INTEGER PRIMARY KEY,
    variant_id INTEGER NOT NULL,
    sku TEXT,
    tracked INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX inventory_items_by_sku ON inventory_items (lower(sku));
CREATE INDEX inventory_items_by_variant ON inventory_items (variant_id);
CREATE TABLE inventory_levels (
    item_id INTEGER NOT NULL,
    location_id INTEGER NOT NULL,
    active INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (item_id, location_id)
) WITHOUT ROWID;
"""
ITEMS_NOUN = "SELECT id, document FROM inventory_items WHERE id > :after ORDER BY id LIMIT :limit"
ITEMS = Listing(
    "inventory_items",
    {"id": number("id"), "sku": text("sku"), "updated_at": moment("updated_at"), "created_at": moment("created_at")},
    {"ID": "id"},
)
NAMES = ("available", "committed", "on_hand", "incoming", "reserved", "damaged", "safety_stock", "quality_control")


# --- the season, and the merchant's hand


def stocked(connection: sqlite3.Connection, item: JSON, locations: Iterable[JSON], at: str) -> None:
    """A new item, counted at these locations."""
    identifier, variant_id = number_of(item["id"]), number_of(item["variant"]["id"])
    values = (identifier, variant_id, item["sku"], item["tracked"], at, at, orjson.dumps(item).decode())
    connection.execute("INSERT INTO inventory_items VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    for location in locations:
        open_level(connection, item, number_of(location["id"]), at, stock.SEASON)


def open_level(connection: sqlite3.Connection, item: JSON, location_id: int, at: str, available: int) -> None:
    """Counts the item there from now on; what was counted there before is kept."""
    connection.execute(
        "INSERT INTO inventory_levels VALUES (?, ?, 1, ?, ?)"
        " ON CONFLICT DO UPDATE SET active = 1, updated_at = excluded.updated_at",
        (number_of(item["id"]), location_id, at, at),
    )
    stock.found(connection, Place(item["id"], gid("Location", location_id)), item["sku"] or "", available)


def change_item(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    """``tracked``; ``sku``; ``stocked``: ``{location name: false}`` closes its level there."""
    row = connection.execute("SELECT document FROM inventory_items WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        return None
    found: JSON = orjson.loads(row[0])
    for name, open_ in fields.pop("stocked", {}).items():
        connection.execute(
            "UPDATE inventory_levels SET active = ? WHERE item_id = ?"
            " AND location_id = (SELECT id FROM locations WHERE name = ?)",
            (bool(open_), identifier, name),
        )
    changed = {**found, **fields}
    connection.execute(
        "UPDATE inventory_items SET sku = ?, tracked = ?, document = ? WHERE id = ?",
        (changed["sku"], bool(changed["tracked"]), orjson.dumps(changed).decode(), identifier),
    )
    connection.execute("UPDATE stock SET sku = ? WHERE item = ?", (changed["sku"] or "", changed["id"]))
    return changed


# --- what orders and shoppers have to do with it


def taken(order: JSON) -> Mapping[Place, Taken]:
    """What the order takes off each level: all it ever asked for but what was put back; of these, what was shipped or
    was taken off the order without being put back is no longer in the house."""
    lost = not_put_back(order)
    found: dict[Place, Taken] = {}
    for fulfilment in order["fulfillmentOrders"]:
        location = (fulfilment["assignedLocation"] or {}).get("location") or {"id": ""}
        for one in fulfilment["lineItems"]:
            place = Place(one["inventoryItemId"] or "", location["id"])
            before, lost_here = found.get(place, Taken(0)), lost.get(one["lineItem"]["id"], 0)
            shipped = one["totalQuantity"] - one["remainingQuantity"]
            pieces, gone = one["totalQuantity"] + lost_here, shipped + lost_here
            found[place] = Taken(before.pieces + pieces, before.gone + gone)
    return {place: one for place, one in found.items() if place.item and place.location}


def not_put_back(order: JSON) -> dict[str, int]:
    """Units taken off each line and not restocked."""
    lost: dict[str, int] = dict(order["_sandbox"].get("notPutBack", {}))
    for refund in order["refunds"]:
        for one in refund["refundLineItems"]:
            if not one["restocked"]:
                lost[one["lineItem"]["id"]] = lost.get(one["lineItem"]["id"], 0) + one["quantity"]
    return lost


def choices(connection: sqlite3.Connection, item: str | None, names: Sequence[str]) -> list[Choice]:
    """The levels that an item may be sold from, in the order of these locations' names; none where it is not tracked,
    or is sold on when there is none."""
    rows = connection.execute(
        "SELECT l.location_id, p.name FROM inventory_items i JOIN inventory_levels l ON l.item_id = i.id"
        " JOIN locations p ON p.id = l.location_id JOIN variants v ON v.id = i.variant_id"
        " WHERE i.id = ? AND i.tracked AND l.active AND json_extract(v.document, '$.inventoryPolicy') = 'DENY'",
        (number_of(item or ""),),
    ).fetchall()
    there = {name: Place(item or "", gid("Location", location)) for location, name in rows}
    return [Choice(there[name], name) for name in names if name in there]


def places(connection: sqlite3.Connection, sku: str) -> list[Choice]:
    """Every level of what has this SKU."""
    rows = connection.execute(
        "SELECT i.id, l.location_id, p.name FROM inventory_items i JOIN inventory_levels l ON l.item_id = i.id"
        " JOIN locations p ON p.id = l.location_id WHERE lower(i.sku) = lower(?) AND i.sku = ? ORDER BY i.id, p.id",
        (sku, sku),
    ).fetchall()
    return [Choice(Place(gid("InventoryItem", item), gid("Location", at)), name) for item, at, name in rows]


def sku_of(connection: sqlite3.Connection, item: str) -> str | None:
    row = connection.execute("SELECT sku FROM inventory_items WHERE id = ?", (number_of(item),)).fetchone()
    return None if row is None else row[0]


def touched(connection: sqlite3.Connection, moves: Iterable[Move], at: str) -> None:
    rows = [(at, number_of(move.place.item), number_of(move.place.location)) for move in moves]
    connection.executemany("UPDATE inventory_levels SET updated_at = ? WHERE item_id = ? AND location_id = ?", rows)


# --- reading


def level(connection: sqlite3.Connection, item_id: int, location_id: int) -> JSON | None:
    statement = "SELECT * FROM inventory_levels WHERE item_id = ? AND location_id = ?"
    row = connection.execute(statement, (item_id, location_id)).fetchone()
    return None if row is None else level_document(*row)


def level_document(item_id: int, location_id: int, active: int, created_at: str, updated_at: str) -> JSON:
    return {
        "id": gid("InventoryLevel", location_id) + f"?inventory_item_id={item_id}",
        "isActive": bool(active),
        "canDeactivate": True,
        "createdAt": created_at,
        "updatedAt": updated_at,
        "item": {"id": gid("InventoryItem", item_id)},
        "location": {"id": gid("Location", location_id)},
    }


def levels_of(source: Part, info: Info, **given: Any) -> Page:
    statement = "SELECT * FROM inventory_levels WHERE item_id = ? AND (active OR ?) ORDER BY location_id"
    values = (number_of(source.data["id"]), bool(given.get("includeInactive")))
    rows = info.context.connection.execute(statement, values).fetchall()
    return slice_of([level_document(*row) for row in rows], lambda one: Part(one, one), given)


def level_at(source: Part, info: Info, **given: Any) -> Part | None:
    location = given["locationId"]
    found = level(info.context.connection, number_of(source.data["id"]), number_of(location))
    return Part(found, found) if found and (found["isActive"] or given.get("includeInactive")) else None


def one_item(_: Any, info: Info, **given: Any) -> Part | None:
    need(info.context, "inventoryItem", "read_inventory")
    return node_of(info.context, given["id"], "InventoryItem")


def one_level(_: Any, info: Info, **given: Any) -> Part | None:
    need(info.context, "inventoryLevel", "read_inventory")
    location, _, item = given["id"].partition("?inventory_item_id=")
    found = level(info.context.connection, number_of(item), number_of(location))
    return None if found is None else Part(found, found)


def quantities(source: Part, info: Info, names: Sequence[str]) -> list[Part]:
    held = held_at(info, Place(source.data["item"]["id"], source.data["location"]["id"]))
    location, _, item = source.data["id"].rpartition("/")[2].partition("?")
    return [
        Part(
            source.order,
            {
                "id": gid("InventoryQuantity", number_of(location)) + f"?{item}&name={name}",
                "name": name,
                "quantity": held.get(name, 0),
                "updatedAt": source.data["updatedAt"],
            },
        )
        for name in names
        if name in NAMES
    ]


def held_at(info: Info, place: Place) -> dict[str, int]:
    connection, call = info.context.connection, info.context
    available = stock.shown(connection, place) or 0
    if call.stock_as_of is not None:
        available = earlier(connection, place, call.stock_as_of, available)
    committed = stock.taken(connection, place)
    return {"available": available, "committed": committed, "on_hand": available + committed}


def earlier(connection: sqlite3.Connection, place: Place, as_of: datetime, now: int) -> int:
    """What was available then."""
    row = connection.execute(
        "SELECT m.before FROM stock_moves m JOIN stock s ON s.id = m.stock_id"
        " WHERE s.item = ? AND s.location = ? AND m.at > ? ORDER BY m.id LIMIT 1",
        (*place, as_of.isoformat()),
    ).fetchone()
    return now if row is None else int(row[0])


def duplicates(source: Part, info: Info) -> int:
    """Other items of the same SKU."""
    statement = "SELECT count(*) FROM inventory_items WHERE lower(sku) = lower(?) AND sku = ? AND id <> ?"
    sku = source.data["sku"]
    values = (sku, sku, number_of(source.data["id"]))
    return int(info.context.connection.execute(statement, values).fetchone()[0]) if sku else 0


def sellable(source: Part, info: Info) -> int:
    """A variant's ``inventoryQuantity``: what all locations together have for sale."""
    statement = (
        "SELECT coalesce(sum(s.number), 0) FROM stock s JOIN inventory_levels l ON l.item_id = ? AND l.active"
        " AND s.location = 'gid://shopify/Location/' || l.location_id WHERE s.item = ?"
    )
    item = source.data["inventoryItem"]["id"]
    return int(info.context.connection.execute(statement, (number_of(item), item)).fetchone()[0])


FIELDS: dict[tuple[str, str], Resolver] = {
    ("QueryRoot", "inventoryItems"): list_documents(ITEMS, "read_inventory"),
    ("QueryRoot", "inventoryItem"): one_item,
    ("QueryRoot", "inventoryLevel"): one_level,
    ("InventoryItem", "inventoryLevels"): levels_of,
    ("InventoryItem", "inventoryLevel"): level_at,
    ("InventoryItem", "duplicateSkuCount"): duplicates,
    ("InventoryLevel", "quantities"): quantities,
    ("ProductVariant", "inventoryQuantity"): sellable,
}
