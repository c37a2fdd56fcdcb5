"""What the shop knows before anybody buys: products and variants of the season, and its two locations.

A variant's ``sku`` and ``upc`` are the UPC; a product's own ``sku`` is the style's number, which some order lines
copy instead (2.3). Beside the season there is one set, made of others, and one thing to download.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import orjson

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bigcommerce.basket import Goods
from bcbridge.sandbox.catalogue import Sku, Style
from bcbridge.sandbox.shopping.cart import JSON

OPENED = "2025-01-06T14:00:00Z"
FIRST_PRODUCT = 111
FIRST_VARIANT = 4_001
FIRST_LOCATION = 1
SET_PRODUCT, SET_VARIANT, SET_SKU = 901, 9_001, "SET-LAYERS"
BOOK_PRODUCT, BOOK_VARIANT, BOOK_SKU = 902, 9_002, "LOOKBOOK-PDF"
MISLABELLED_PRODUCT, MISLABELLED_VARIANT = 903, 9_003
MISLABELLED = next(sku for sku in catalogue.SKUS if not sku.style.web)
"""Goods whose variant has this SKU, and the UPC of others."""
COLOUR_OPTION, SIZE_OPTION = 31, 32
MORE_PRODUCT, MORE_VARIANT, MORE_A_PRODUCT = 10_001, 100_001, 10
MORE_COMPANY = "860099"
"""Begins the UPCs of what is listed beside the season."""

RATES = {"EUR": Decimal("1.08"), "GBP": Decimal("1.27"), "CAD": Decimal("0.73")}
"""What one unit of a customer's currency is worth in US dollars."""

CURRENCIES = {"USD": 1, "EUR": 2, "GBP": 3, "CAD": 4}

SCHEMA = """
CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, tracking TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE variants (id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, sku TEXT NOT NULL, upc TEXT NOT NULL,
    document TEXT NOT NULL);
CREATE INDEX variants_by_sku ON variants (sku COLLATE NOCASE);
CREATE INDEX variants_by_product ON variants (product_id);
CREATE TABLE locations (id INTEGER PRIMARY KEY, document TEXT NOT NULL);
"""


class Cell(NamedTuple):
    """One SKU of the season with the ids the shop gave it."""

    sku: Sku
    product_id: int
    variant_id: int

    @property
    def title(self) -> str:
        return f"{self.sku.colour.name} / {self.sku.size}"


def cells() -> tuple[Cell, ...]:
    """What the shop lists: all its web styles, archived ones included."""
    styles = {style.number: at for at, style in enumerate(catalogue.STYLES)}
    return tuple(
        Cell(sku, FIRST_PRODUCT + styles[sku.style.number], FIRST_VARIANT + at)
        for at, sku in enumerate(catalogue.SKUS)
        if sku.style.web
    )


CELLS = cells()
CELL_BY_UPC = {cell.sku.upc: cell for cell in CELLS}
CELL_BY_VARIANT = {cell.variant_id: cell for cell in CELLS}


def line(sku: Sku) -> Goods:
    """One of it at list price."""
    cell = CELL_BY_UPC[sku.upc]
    return Goods(
        title=sku.style.name,
        price=sku.style.price,
        sku=sku.upc,
        barcode=sku.upc,
        variant_title=cell.title,
        variant_id=str(cell.variant_id),
        product_id=str(cell.product_id),
        vendor="Sandbox Apparel",
    )


def layers(parts: tuple[Goods, ...]) -> Goods:
    """The set: a line of its own that costs nothing, with its parts as lines at their own prices."""
    return Goods(
        "Layering set",
        Decimal(0),
        sku=SET_SKU,
        variant_id=str(SET_VARIANT),
        product_id=str(SET_PRODUCT),
        vendor="Sandbox Apparel",
        parts=parts,
    )


def lookbook() -> Goods:
    """Something to download: nobody ships it, and no ERP knows it."""
    return Goods(
        "Lookbook (PDF)",
        Decimal("9.00"),
        sku=BOOK_SKU,
        variant_id=str(BOOK_VARIANT),
        product_id=str(BOOK_PRODUCT),
        ships=False,
        digital=True,
    )


def mislabelled() -> Goods:
    """Two numbers on one variant: nobody can tell which of them is on the label."""
    return Goods(
        MISLABELLED.style.name,
        MISLABELLED.style.price,
        sku=MISLABELLED.upc,
        barcode=CELLS[0].sku.upc,
        variant_id=str(MISLABELLED_VARIANT),
        product_id=str(MISLABELLED_PRODUCT),
    )


def listed() -> dict[str, Goods]:
    """What a compact order may name by its SKU alone."""
    return {cell.sku.upc: line(cell.sku) for cell in CELLS} | {SET_SKU: layers(()), BOOK_SKU: lookbook()}


# --- the season, in one transaction


def found(connection: sqlite3.Connection, more: int) -> None:
    """``more`` plain SKUs stand beside the season's."""
    for at, name in enumerate(one.location for one in catalogue.WAREHOUSES if one.location):
        place = location(FIRST_LOCATION + at, name)
        connection.execute("INSERT INTO locations VALUES (?, ?)", (place["id"], text(place)))
    for one in (*products(), *more_products(more)):
        row = (one["id"], one["sku"], one["inventory_tracking"], text(one))
        connection.execute("INSERT INTO products VALUES (?, ?, ?, ?)", row)
    for one in (*variants(), *more_variants(more)):
        values = (one["id"], one["product_id"], one["sku"], one["upc"], text(one))
        connection.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?)", values)


def text(document: JSON) -> str:
    return orjson.dumps(document).decode()


def location(identifier: int, name: str) -> JSON:
    return {
        "id": identifier,
        "code": f"BC-LOCATION-{identifier}",
        "label": name,
        "description": "",
        "managed_by_external_source": False,
        "type_id": "PHYSICAL",
        "enabled": True,
        "time_zone": "America/New_York",
        "created_at": OPENED,
        "updated_at": OPENED,
        "storefront_visibility": True,
    }


def products() -> Iterator[JSON]:
    seen: dict[int, Style] = {cell.product_id: cell.sku.style for cell in CELLS}
    for identifier, style in seen.items():
        yield product(identifier, style.number, style.name, style.price, visible=style.active)
    yield product(SET_PRODUCT, SET_SKU, "Layering set", Decimal(0), tracking="none")
    yield product(BOOK_PRODUCT, BOOK_SKU, "Lookbook (PDF)", Decimal("9.00"), kind="digital", tracking="none")
    style = MISLABELLED.style
    yield product(MISLABELLED_PRODUCT, style.number, style.name, style.price)


def more_products(more: int) -> Iterator[JSON]:
    for at in range(0, more, MORE_A_PRODUCT):
        number = MORE_PRODUCT + at // MORE_A_PRODUCT
        yield product(number, f"MORE-{number}", f"Plain goods {number}", Decimal("10.00"))


def more_variants(more: int) -> Iterator[JSON]:
    for at in range(more):
        digits = f"{MORE_COMPANY}{at:05d}"
        upc = digits + catalogue.check_digit(digits)
        yield variant(MORE_VARIANT + at, MORE_PRODUCT + at // MORE_A_PRODUCT, upc, upc, Decimal("10.00"))


def product(
    identifier: int,
    sku: str,
    name: str,
    price: Decimal,
    *,
    visible: bool = True,
    kind: str = "physical",
    tracking: str = "variant",
) -> JSON:
    return {
        "id": identifier,
        "name": name,
        "type": kind,
        "sku": sku,
        "description": "",
        "weight": 1.0,
        "price": float(price),
        "categories": [],
        "inventory_level": 0,
        "inventory_warning_level": 0,
        "inventory_tracking": tracking,
        "is_visible": visible,
        "availability": "available",
        "upc": "",
        "date_created": OPENED,
        "date_modified": OPENED,
    }


def variants() -> Iterator[JSON]:
    for cell in CELLS:
        yield variant(cell.variant_id, cell.product_id, cell.sku.upc, cell.sku.upc, cell.sku.style.price, cell)
    yield variant(SET_VARIANT, SET_PRODUCT, SET_SKU, "", Decimal(0))
    yield variant(BOOK_VARIANT, BOOK_PRODUCT, BOOK_SKU, "", Decimal("9.00"))
    two_numbers = (MISLABELLED.upc, CELLS[0].sku.upc)
    yield variant(MISLABELLED_VARIANT, MISLABELLED_PRODUCT, *two_numbers, MISLABELLED.style.price)


def variant(identifier: int, product_id: int, sku: str, upc: str, price: Decimal, cell: Cell | None = None) -> JSON:
    return {
        "id": identifier,
        "product_id": product_id,
        "sku": sku,
        "sku_id": identifier + 10_000,
        "upc": upc,
        "price": float(price),
        "calculated_price": float(price),
        "cost_price": 0.0,
        "purchasing_disabled": False,
        "purchasing_disabled_message": "",
        "inventory_level": 0,
        "inventory_warning_level": 0,
        "option_values": option_values(cell) if cell else [],
    }


def option_values(cell: Cell) -> list[JSON]:
    colour, size = option_ids(cell)
    return [
        {"id": colour, "label": cell.sku.colour.name, "option_id": COLOUR_OPTION, "option_display_name": "Colour"},
        {"id": size, "label": cell.sku.size, "option_id": SIZE_OPTION, "option_display_name": "Size"},
    ]


def option_ids(cell: Cell) -> tuple[int, int]:
    style = cell.sku.style
    first = cell.product_id * 100
    return first + style.colours.index(cell.sku.colour), first + 50 + style.sizes.index(cell.sku.size)


# --- the merchant's hand


def change_product(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    found_ = stored(connection, "products", identifier)
    if found_ is None:
        return None
    changed = {**found_, **fields}
    values = (changed["sku"], changed["inventory_tracking"], text(changed), identifier)
    connection.execute("UPDATE products SET sku = ?, tracking = ?, document = ? WHERE id = ?", values)
    return changed


def change_location(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    found_ = stored(connection, "locations", identifier)
    if found_ is None:
        return None
    changed = {**found_, **fields}
    connection.execute("UPDATE locations SET document = ? WHERE id = ?", (text(changed), identifier))
    return changed


def change_variant(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    """Another SKU, another code, another price."""
    found_ = stored(connection, "variants", identifier)
    if found_ is None:
        return None
    changed = {**found_, **fields}
    values = (changed["sku"], changed["upc"], text(changed), identifier)
    connection.execute("UPDATE variants SET sku = ?, upc = ?, document = ? WHERE id = ?", values)
    return changed


def stored(connection: sqlite3.Connection, table: str, identifier: int) -> JSON | None:
    row = connection.execute(f"SELECT document FROM {table} WHERE id = ?", (identifier,)).fetchone()  # noqa: S608
    return None if row is None else orjson.loads(row[0])
