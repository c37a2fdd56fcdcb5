"""The three mutations that change what is counted (NOTES 1.5; schema 2026-10).

Each needs ``@idempotent(key:)``: a key seen before gets its first answer again, or is refused with other content. A
call is taken whole or not at all; every row that is wrong is named by the path of its field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from graphql import GraphQLError, get_directive_values

from bcbridge.sandbox.shopify import inventory
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import gid, number_of
from bcbridge.sandbox.shopify.orders import Moment
from bcbridge.sandbox.shopify.parts import Call, Info, Part, Resolver, document, need
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.stock import Cause, Move, Place

SCHEMA = """
CREATE TABLE inventory_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    field TEXT NOT NULL,
    content TEXT NOT NULL,
    answer TEXT NOT NULL
);
CREATE INDEX inventory_keys_by_age ON inventory_keys (id);
"""
WRITES = ("inventorySetQuantities", "inventoryAdjustQuantities", "inventoryActivate")
KEYS_KEPT = 100_000
MOST_ROWS = 250
REASONS = (
    *("correction", "cycle_count_available", "damaged", "other", "promotion", "quality_control", "received", "restock"),
    *("movement_canceled", "movement_created", "movement_received", "movement_updated", "safety_stock", "shrinkage"),
    *("reservation_created", "reservation_deleted", "reservation_updated"),
)
URI = re.compile(r"(?!gid:)[a-z][a-z0-9+.-]*:\S+|gid://[^/\s]+/[^/\s]+/[^\s]+")
SET_LIMIT, ADJUST_LIMIT = 1_000_000_000, 2_000_000_000
MESSAGES = {
    "CHANGE_FROM_QUANTITY_STALE": "The changeFromQuantity argument no longer matches the persisted quantity.",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH": (
        "The same idempotency key cannot be used with different operation parameters."
    ),
    "INTERNAL_LEDGER_DOCUMENT": "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API.",
    "INVALID_AVAILABLE_DOCUMENT": "A ledger document URI is not allowed when adjusting available.",
    "INVALID_INVENTORY_ITEM": "The specified inventory item could not be found.",
    "INVALID_LOCATION": "The specified location could not be found.",
    "INVALID_NAME": "The quantity name must be either 'available' or 'on_hand'.",
    "INVALID_QUANTITY_NAME": "The specified quantity name is invalid.",
    "INVALID_QUANTITY_NEGATIVE": "The quantity can't be negative.",
    "INVALID_QUANTITY_TOO_HIGH": "The quantity can't be that high.",
    "INVALID_QUANTITY_TOO_LOW": "The quantity can't be that low.",
    "INVALID_REASON": "The specified reason is invalid.",
    "INVALID_REFERENCE_DOCUMENT": "The specified reference document is invalid.",
    "NON_MUTABLE_INVENTORY_ITEM": "The specified inventory item is not allowed to be adjusted via API.",
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR": "The combination of inventoryItemId and locationId must be unique.",
}


@dataclass(frozen=True)
class Wanted:
    """One row as it is to become: ``available``, or why not."""

    place: Place
    available: int = 0
    trouble: str = ""
    field: str = ""


Rows = Callable[[Call, JSON], Iterator[Wanted]]


# --- the key


def key_of(info: Info) -> str:
    directive = info.schema.get_directive("idempotent")
    assert directive is not None
    given = get_directive_values(directive, info.field_nodes[0], info.variable_values)
    if given is None:
        message = f"The @idempotent directive is required for the '{info.field_name}' mutation."
        raise GraphQLError(message, extensions={"code": "BAD_REQUEST"})
    if not str(given["key"]).strip():
        raise GraphQLError("The idempotency key cannot be empty.", extensions={"code": "BAD_REQUEST"})
    return str(given["key"])


def once(act: Callable[[Call, JSON], JSON]) -> Resolver:
    """The mutation's answer, the first time and ever after."""

    def resolve(_: Any, info: Info, **given: Any) -> Part:
        call, key = info.context, key_of(info)
        need(call, info.field_name, "write_inventory")
        asked = orjson.dumps([info.field_name, given], option=orjson.OPT_SORT_KEYS)
        content = hashlib.sha256(asked).hexdigest()
        statement = "SELECT content, answer FROM inventory_keys WHERE key = ?"
        seen = call.connection.execute(statement, (key,)).fetchone()
        if seen is not None:
            same = seen[0] == content
            return Part({}, orjson.loads(seen[1]) if same else failed([(None, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")]))
        answer = act(call, given)
        keep_key(call, key, info.field_name, content, answer)
        return Part({}, answer)

    return resolve


def keep_key(call: Call, key: str, field: str, content: str, answer: JSON) -> None:
    values = (key, field, content, orjson.dumps(answer).decode())
    statement = "INSERT INTO inventory_keys (key, field, content, answer) VALUES (?, ?, ?, ?) RETURNING id"
    (identifier,) = call.connection.execute(statement, values).fetchone()
    call.connection.execute("DELETE FROM inventory_keys WHERE id <= ?", (identifier - KEYS_KEPT,))


def failed(errors: Sequence[tuple[list[str] | None, str]]) -> JSON:
    told = [{"code": code, "field": field, "message": MESSAGES[code]} for field, code in errors]
    return {"inventoryAdjustmentGroup": None, "inventoryLevel": None, "userErrors": told}


# --- setting and adjusting


def set_quantities(call: Call, given: JSON) -> JSON:
    return changed(call, given["input"], "quantities", set_rows)


def adjust_quantities(call: Call, given: JSON) -> JSON:
    return changed(call, given["input"], "changes", adjusted_rows)


def changed(call: Call, asked: JSON, rows_field: str, rows: Rows) -> JSON:
    """All of it, or nothing."""
    for one in asked[rows_field]:
        if "changeFromQuantity" not in one:
            message = f"The {rows_field} argument changeFromQuantity is required; pass null to skip the check."
            raise GraphQLError(message, extensions={"code": "INVALID_FIELD_ARGUMENTS"})
    if len(asked[rows_field]) > MOST_ROWS:
        size = len(asked[rows_field])
        message = f"The input array size of {size} is greater than the maximum allowed of {MOST_ROWS}."
        raise GraphQLError(message, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
    wanted = list(rows(call, asked))
    errors = list(header_errors(asked, rows_field))
    errors += [(path(rows_field, at, one), one.trouble) for at, one in enumerate(wanted) if one.trouble]
    return failed(errors) if errors else done(call, asked, wanted)


def path(rows_field: str, at: int, row: Wanted) -> list[str]:
    return ["input", rows_field, str(at), *([row.field] if row.field else [])]


def header_errors(asked: JSON, rows_field: str) -> Iterator[tuple[list[str], str]]:
    setting = rows_field == "quantities"
    if asked["name"] not in (("available", "on_hand") if setting else ("available",)):
        yield ["input", "name"], "INVALID_NAME" if setting else "INVALID_QUANTITY_NAME"
    if asked["reason"] not in REASONS:
        yield ["input", "reason"], "INVALID_REASON"
    if asked.get("referenceDocumentUri") is not None and not URI.fullmatch(asked["referenceDocumentUri"]):
        yield ["input", "referenceDocumentUri"], "INVALID_REFERENCE_DOCUMENT"


def set_rows(call: Call, asked: JSON) -> Iterator[Wanted]:
    seen: set[Place] = set()
    for one in asked["quantities"]:
        place = Place(one["inventoryItemId"], one["locationId"])
        if place in seen:
            yield Wanted(place, trouble="NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", field="inventoryItemId")
            continue
        seen.add(place)
        yield refused(call, place) or set_row(call, place, one, asked["name"])


def set_row(call: Call, place: Place, one: JSON, name: str) -> Wanted:
    committed = stock.taken(call.connection, place) if name == "on_hand" else 0
    there = (stock.shown(call.connection, place) or 0) + committed
    if one["quantity"] < 0:
        return Wanted(place, trouble="INVALID_QUANTITY_NEGATIVE", field="quantity")
    if one["quantity"] > SET_LIMIT:
        return Wanted(place, trouble="INVALID_QUANTITY_TOO_HIGH", field="quantity")
    if one["changeFromQuantity"] is not None and one["changeFromQuantity"] != there:
        return Wanted(place, trouble="CHANGE_FROM_QUANTITY_STALE", field="changeFromQuantity")
    return Wanted(place, one["quantity"] - committed)


def adjusted_rows(call: Call, asked: JSON) -> Iterator[Wanted]:
    """Two changes of one number add up: duplicates are no error here."""
    running: dict[Place, int] = {}
    for one in asked["changes"]:
        place = Place(one["inventoryItemId"], one["locationId"])
        there = running.get(place, stock.shown(call.connection, place) or 0)
        row = refused(call, place) or adjusted_row(place, one, there)
        running[place] = row.available
        yield row


def adjusted_row(place: Place, one: JSON, there: int) -> Wanted:
    after, document_ = there + one["delta"], one.get("ledgerDocumentUri")
    if document_ is not None:
        internal = str(document_).startswith("gid://shopify/")
        trouble = "INTERNAL_LEDGER_DOCUMENT" if internal else "INVALID_AVAILABLE_DOCUMENT"
        return Wanted(place, there, trouble, "ledgerDocumentUri")
    if one["changeFromQuantity"] is not None and one["changeFromQuantity"] != there:
        return Wanted(place, there, "CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity")
    if abs(after) > ADJUST_LIMIT:
        return Wanted(place, there, "INVALID_QUANTITY_TOO_HIGH" if after > 0 else "INVALID_QUANTITY_TOO_LOW", "delta")
    return Wanted(place, after)


def refused(call: Call, place: Place) -> Wanted | None:
    """Why nothing may be written there, whatever the number. What is not stocked there is, from now on, unless the
    world says otherwise (2026-10 has lost its error for it)."""
    item = document(call.connection, "inventory_items", place.item)
    if item is None or not item["tracked"]:
        return Wanted(place, trouble="INVALID_INVENTORY_ITEM", field="inventoryItemId")
    if (document(call.connection, "variants", item["variant"]["id"]) or {}).get("requiresComponents"):
        return Wanted(place, trouble="NON_MUTABLE_INVENTORY_ITEM", field="inventoryItemId")
    if document(call.connection, "locations", place.location) is None:
        return Wanted(place, trouble="INVALID_LOCATION", field="locationId")
    level = inventory.level(call.connection, number_of(place.item), number_of(place.location))
    if level is not None and level["isActive"]:
        return None
    if not call.stocks_by_itself:
        return Wanted(place, trouble="INVALID_LOCATION", field="locationId")
    inventory.open_level(call.connection, item, number_of(place.location), Moment(call.now).stamp, 0)
    return None


def done(call: Call, asked: JSON, wanted: list[Wanted]) -> JSON:
    """The group of changes; none where every number was that already."""
    cause = Cause(call.now, "api", why=asked.get("referenceDocumentUri") or asked["reason"])
    made = [stock.put(call.connection, one.place, one.available, cause) for one in wanted]
    moves = [move for move in made if move is not None]
    if not moves:
        return {"inventoryAdjustmentGroup": None, "userErrors": []}
    call.moves += moves
    return {"inventoryAdjustmentGroup": group(call.now, asked, moves, next_group(call)), "userErrors": []}


def next_group(call: Call) -> int:
    """The number of the last move is new with every group."""
    return int(call.connection.execute("SELECT max(id) FROM stock_moves").fetchone()[0])


def group(now: datetime, asked: JSON, moves: list[Move], identifier: int) -> JSON:
    return {
        "id": gid("InventoryAdjustmentGroup", identifier),
        "createdAt": Moment(now).stamp,
        "reason": asked["reason"],
        "referenceDocumentUri": asked.get("referenceDocumentUri"),
        "app": None,
        "changes": [change(move, name) for move in moves for name in ("available", "on_hand")],
    }


def change(move: Move, name: str) -> JSON:
    return {
        "name": name,
        "delta": move.after - move.before,
        "quantityAfterChange": move.after if name == "available" else None,
        "ledgerDocumentUri": None,
        "item": {"id": move.place.item},
        "location": {"id": move.place.location},
    }


def changes(source: Part, info: Info, **wanted: Any) -> list[Part]:
    """Filtered by names, items and locations, where these are given."""
    kept = {
        "name": wanted.get("quantityNames"),
        "item": wanted.get("inventoryItemIds"),
        "location": wanted.get("locationIds"),
    }
    shown = [one for one in source.data["changes"] if all(fits(one[key], among) for key, among in kept.items())]
    return [Part(source.order, one) for one in shown]


def fits(value: str | Mapping[str, str], among: list[str] | None) -> bool:
    return among is None or (value if isinstance(value, str) else value["id"]) in among


# --- activating


def activate(call: Call, given: JSON) -> JSON:
    """Counts an item at a location; one that is counted there already keeps its number."""
    place = Place(given["inventoryItemId"], given["locationId"])
    item = document(call.connection, "inventory_items", place.item)
    if item is None:
        return failed([(["inventoryItemId"], "INVALID_INVENTORY_ITEM")])
    if document(call.connection, "locations", place.location) is None:
        return failed([(["locationId"], "INVALID_LOCATION")])
    first = given.get("available", given.get("onHand")) or 0
    inventory.open_level(call.connection, item, number_of(place.location), Moment(call.now).stamp, first)
    level = inventory.level(call.connection, number_of(place.item), number_of(place.location))
    return {"inventoryLevel": level, "userErrors": []}


FIELDS: dict[tuple[str, str], Resolver] = {
    ("Mutation", "inventorySetQuantities"): once(set_quantities),
    ("Mutation", "inventoryAdjustQuantities"): once(adjust_quantities),
    ("Mutation", "inventoryActivate"): once(activate),
    ("InventoryAdjustmentGroup", "changes"): changes,
}
