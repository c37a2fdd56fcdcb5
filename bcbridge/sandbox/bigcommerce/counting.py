"""What the store counts, where, and when an order moves it (2.5).

A number of the books (shopping/stock.py) is what may be sold: ``available_to_sell``. On hand is that and the item's
safety stock. A variant is counted by itself, a product that is tracked as a whole once for all its variants, and what
is tracked ``none`` not at all. An order moves numbers when it is placed or when all of it has left, as the settings of
its channel say; cancelled, declined or refunded as a whole it gives back only where they say so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import orjson

from bcbridge.sandbox.bigcommerce import world
from bcbridge.sandbox.bigcommerce.basket import Goods
from bcbridge.sandbox.bigcommerce.orders import Moment
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.bigcommerce.statuses import COMPLETED, INCOMPLETE, OVER, SHIPPED
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON, BadCart, CartLine
from bcbridge.sandbox.shopping.stock import Cause, Choice, Place, Taken

SCHEMA = """
CREATE TABLE inventory_settings (channel_id INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE item_settings (item TEXT NOT NULL, location TEXT NOT NULL, safety_stock INTEGER NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (item, location)) WITHOUT ROWID;
"""
COUNTED = """
SELECT v.id, v.sku FROM variants v JOIN products p ON p.id = v.product_id WHERE p.tracking = 'variant' ORDER BY v.id
"""
NUMBERS = "SELECT id, item, location, number FROM stock WHERE item IN (SELECT value FROM json_each(?))"
SET = "SELECT item, location, safety_stock, document FROM item_settings WHERE item IN (SELECT value FROM json_each(?))"
BEFORE = "SELECT before FROM stock_moves WHERE stock_id = ? AND at > ? ORDER BY id LIMIT 1"
GLOBAL = 0
"""Whose settings hold where a channel has none of its own."""
AT_ORDER, AT_SHIPMENT = "order_placed", "order_completed_or_shipped"
ITEM_SETTINGS: JSON = {"is_in_stock": True, "warning_level": 0, "bin_picking_number": ""}
SOLD_OUT = Place("sold out")
"""A place that shows nothing: what cannot be sold whole is sold from it."""


class Counted(NamedTuple):
    """How a product is counted: by ``variant``, as a whole (``product``), or not (``none``)."""

    product_id: int
    tracking: str


def begin(connection: sqlite3.Connection, settings: BigCommerceSettings) -> None:
    """The season's numbers, all at the default location, and the settings the store was opened with."""
    keep_settings(connection, GLOBAL, opened(settings))
    for variant_id, sku in connection.execute(COUNTED).fetchall():
        stock.found(connection, Place(str(variant_id), str(world.FIRST_LOCATION)), sku)


# --- settings


def opened(settings: BigCommerceSettings) -> JSON:
    return {
        "product_out_of_stock_behavior": "do_nothing",
        "option_out_of_stock_behavior": "do_nothing",
        "update_stock_behavior": settings.update_stock_behavior,
        "edit_order_stock_adjustment": True,
        "refund_order_stock_adjustment": settings.refund_order_stock_adjustment,
        "stock_level_display": "dont_show",
        "default_out_of_stock_message": "Currently out of stock",
        "hide_in_product_filtering": False,
        "show_pre_order_stock_levels": False,
        "show_out_of_stock_message": False,
    }


def counted_anew(connection: sqlite3.Connection, product: JSON) -> None:
    """After a hand in the catalogue: what is tracked now begins with nothing, where it was not before."""
    if product["inventory_tracking"] == "product":
        stock.found(connection, Place(of_product(product["id"]), str(world.FIRST_LOCATION)), product["sku"], 0)
    if product["inventory_tracking"] == "variant":
        statement = "SELECT id, sku FROM variants WHERE product_id = ?"
        for variant_id, sku in connection.execute(statement, (product["id"],)).fetchall():
            stock.found(connection, Place(str(variant_id), str(world.FIRST_LOCATION)), sku, 0)


def renamed(connection: sqlite3.Connection, variant: JSON) -> None:
    connection.execute("UPDATE stock SET sku = ? WHERE item = ?", (variant["sku"], str(variant["id"])))


def settings_of(connection: sqlite3.Connection, channel_id: int) -> JSON:
    """As they were set there; what a channel does not say is None."""
    row = connection.execute("SELECT document FROM inventory_settings WHERE channel_id = ?", (channel_id,)).fetchone()
    if row is not None:
        found: JSON = orjson.loads(row[0])
        return found
    return dict.fromkeys(settings_of(connection, GLOBAL))


def keep_settings(connection: sqlite3.Connection, channel_id: int, document: JSON) -> None:
    values = (channel_id, world.text(document))
    connection.execute("INSERT OR REPLACE INTO inventory_settings VALUES (?, ?)", values)


def in_force(connection: sqlite3.Connection, channel_id: int, name: str) -> object:
    """A channel's own word, else the store's."""
    own = settings_of(connection, channel_id)[name]
    return settings_of(connection, GLOBAL)[name] if own is None else own


# --- where


def place_of(connection: sqlite3.Connection, variant_id: int, product_id: int, location: int) -> Place | None:
    """Where something sold is counted; None: nowhere."""
    counted = counted_as(connection, variant_id, product_id)
    if counted is None or counted.tracking == "none":
        return None
    by_variant = counted.tracking == "variant"
    if by_variant and not variant_id:
        return None
    return Place(str(variant_id) if by_variant else of_product(counted.product_id), str(location))


def counted_as(connection: sqlite3.Connection, variant_id: int, product_id: int) -> Counted | None:
    """By its variant where it has one; None for what is in the catalogue no more."""
    if variant_id:
        statement = "SELECT p.id, p.tracking FROM variants v JOIN products p ON p.id = v.product_id WHERE v.id = ?"
        row = connection.execute(statement, (variant_id,)).fetchone()
    else:
        row = connection.execute("SELECT id, tracking FROM products WHERE id = ?", (product_id,)).fetchone()
    return None if row is None else Counted(*row)


def of_product(product_id: int) -> str:
    return f"product/{product_id}"


def locations(connection: sqlite3.Connection) -> list[JSON]:
    rows = connection.execute("SELECT document FROM locations ORDER BY id")
    return [orjson.loads(document) for (document,) in rows]


def selling(connection: sqlite3.Connection, *, aggregated: bool) -> list[JSON]:
    """The locations the storefront sees, the default one first: it alone, unless stock is aggregated (B7)."""
    seen = [one for one in locations(connection) if one["enabled"] and one["storefront_visibility"]]
    return [one for one in seen if aggregated or one["id"] == world.FIRST_LOCATION]


def choices(connection: sqlite3.Connection, line: CartLine, locations: Sequence[JSON]) -> list[Choice]:
    """Where a line may be sold from; a bundle is sold whole or not at all."""
    if isinstance(line, Goods) and line.parts:
        return [] if all(enough(connection, part, locations) for part in line.parts) else [Choice(SOLD_OUT)]
    found = [(placed_at(connection, line, one["id"]), one["label"]) for one in locations]
    return [Choice(place, label) for place, label in found if place is not None]


def enough(connection: sqlite3.Connection, part: CartLine, locations: Sequence[JSON]) -> bool:
    there = choices(connection, part, locations)
    return not there or any((stock.shown(connection, one.place) or 0) >= part.quantity for one in there)


def placed_at(connection: sqlite3.Connection, line: CartLine, location: int) -> Place | None:
    return place_of(connection, int(line.variant_id or 0), int(line.product_id or 0), location)


def places(connection: sqlite3.Connection, sku: str) -> list[Choice]:
    """Every number of what has this SKU."""
    statement = (
        "SELECT s.item, s.location, json_extract(l.document, '$.label') FROM stock s"
        " JOIN locations l ON l.id = CAST(s.location AS INTEGER) WHERE s.sku = ? ORDER BY s.id"
    )
    rows = connection.execute(statement, (sku,))
    return [Choice(Place(item, location), label) for item, location, label in rows]


# --- what orders take


def moved_by(connection: sqlite3.Connection, order: JSON, moment: Moment) -> None:
    """Brings the numbers to what this order takes off them now."""
    channel = int(order["channel_id"])
    behaviour = in_force(connection, channel, "update_stock_behavior")
    if takes(order, str(behaviour)):
        order["_sandbox"]["tookStock"] = True
    over = order["status_id"] in OVER and bool(in_force(connection, channel, "refund_order_stock_adjustment"))
    took = order["_sandbox"].get("tookStock", False) and not over
    wanted = pieces_of(connection, order["products"]) if took else {}
    stock.held(connection, order["id"], wanted, moment.now)


def check_left(connection: sqlite3.Connection, order: JSON) -> None:
    """A checkout that was left open is paid only while its goods are there. Raises BadCart."""
    for place, taken in pieces_of(connection, order["products"]).items():
        there = stock.shown(connection, place)
        if there is not None and there < taken.pieces:
            raise BadCart(f"{place.item} is sold out: {there} are left")


def takes(order: JSON, behaviour: str) -> bool:
    """Whether its status lowers numbers: any but an abandoned checkout's, or only one of goods that have left."""
    status = order["status_id"]
    if behaviour == AT_SHIPMENT:
        return status in (SHIPPED, COMPLETED)
    return status != INCOMPLETE and status not in OVER


def pieces_of(connection: sqlite3.Connection, lines: Iterable[JSON]) -> dict[Place, Taken]:
    """By place; a line sold from another location than the default one says from which."""
    labels = {one["label"]: one["id"] for one in locations(connection)}
    found: dict[Place, Taken] = {}
    for line in lines:
        location = labels.get(line.get("_location"), world.FIRST_LOCATION)
        variant_id, product_id = int(line.get("variant_id") or 0), int(line.get("product_id") or 0)
        place = place_of(connection, variant_id, product_id, location)
        if place is not None:
            before = found.get(place, Taken(0))
            found[place] = Taken(before.pieces + line["quantity"], before.gone + line["quantity_shipped"])
    return found


# --- one item at one location


class Shown(NamedTuple):
    """What the API shows of it: ``sells`` is on hand less the safety stock; None: nobody has counted it there."""

    sells: int | None
    safety: int
    settings: JSON

    @property
    def stock(self) -> JSON:
        on_hand = 0 if self.sells is None else self.sells + self.safety
        told = {**ITEM_SETTINGS, **self.settings, "safety_stock": self.safety}
        return {"available_to_sell": on_hand - self.safety, "total_inventory_onhand": on_hand, "settings": told}


Stock = Callable[[Place], Shown]


def shown_of(connection: sqlite3.Connection, items: Sequence[str], as_of: str = "") -> Stock:
    """What is shown of some items, at any location. ``as_of``: numbers as they were then, for a read that lags; safety
    stock never lags."""
    among = orjson.dumps(items).decode()
    numbers = {
        Place(item, location): (key, number) for key, item, location, number in connection.execute(NUMBERS, (among,))
    }
    settings = {
        Place(item, location): (safety, text) for item, location, safety, text in connection.execute(SET, (among,))
    }

    def shown(place: Place) -> Shown:
        safety, text = settings.get(place, (0, ""))
        key, number = numbers.get(place, (0, None))
        if as_of and number is not None:
            moved = connection.execute(BEFORE, (key, as_of)).fetchone()
            number = number if moved is None else moved[0]
        return Shown(number, safety, orjson.loads(text) if text else {})

    return shown


def with_level(connection: sqlite3.Connection, row: JSON) -> JSON:
    """A product or variant of the catalogue with its ``inventory_level``: what the default location shows."""
    variant_id, product_id = (row["id"], row["product_id"]) if "product_id" in row else (0, row["id"])
    place = place_of(connection, variant_id, product_id, world.FIRST_LOCATION)
    return {**row, "inventory_level": 0 if place is None else stock.shown(connection, place) or 0}


def item_settings(connection: sqlite3.Connection, place: Place) -> tuple[int, JSON]:
    statement = "SELECT safety_stock, document FROM item_settings WHERE item = ? AND location = ?"
    row = connection.execute(statement, place).fetchone()
    return (0, {}) if row is None else (row[0], orjson.loads(row[1]))


def set_item(connection: sqlite3.Connection, place: Place, sku: str, changed: JSON, moment: Moment) -> None:
    """Another safety stock leaves what is on hand alone: what may be sold moves."""
    safety, document = item_settings(connection, place)
    wanted = int(changed.get("safety_stock", safety))
    kept = {**document, **{key: value for key, value in changed.items() if key in ITEM_SETTINGS}}
    connection.execute("INSERT OR REPLACE INTO item_settings VALUES (?, ?, ?, ?)", (*place, wanted, world.text(kept)))
    if wanted != safety and stock.shown(connection, place) is not None:
        stock.add(connection, place, safety - wanted, Cause(moment.now, "admin", why="safety stock"))
