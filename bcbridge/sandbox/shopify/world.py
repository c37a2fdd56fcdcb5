"""What the shop knows before anybody buys: products and variants of the season, and its two locations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import orjson

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.catalogue import Sku, Style
from bcbridge.sandbox.shopify import inventory
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.gid import gid, number_of

OPENED = "2025-01-06T09:00:00Z"
FIRST_PRODUCT = 8_400_000_000_000
FIRST_VARIANT = 45_300_000_000_000
FIRST_ITEM = 47_400_000_000_000
FIRST_LOCATION = 72_100_000_001
EXTRA = 10_000
"""Where the ids of goods besides the season's begin."""

RATES = {"EUR": Decimal("1.08"), "GBP": Decimal("1.27"), "CAD": Decimal("0.73")}
"""What one unit of a customer's currency is worth in US dollars."""

SCHEMA = """
CREATE TABLE locations (id INTEGER PRIMARY KEY, name TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, handle TEXT NOT NULL, title TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE variants (id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, sku TEXT, barcode TEXT, title TEXT NOT NULL,
    document TEXT NOT NULL);
CREATE INDEX variants_by_sku ON variants (sku);
"""


def locations() -> list[JSON]:
    """The places the shop ships from, as ``Location`` documents."""
    names = [one.location for one in catalogue.WAREHOUSES if one.location]
    return [location(FIRST_LOCATION + at, name) for at, name in enumerate(names)]


def location(identifier: int, name: str) -> JSON:
    return {
        "id": gid("Location", identifier),
        "legacyResourceId": str(identifier),
        "name": name,
        "isActive": True,
        "isFulfillmentService": False,
        "fulfillsOnlineOrders": True,
        "hasActiveInventory": True,
        "createdAt": OPENED,
        "updatedAt": OPENED,
    }


class Cell(NamedTuple):
    """One SKU of the season with the ids the shop gave it."""

    sku: Sku
    product_id: str
    variant_id: str
    inventory_item_id: str

    @property
    def title(self) -> str:
        return f"{self.sku.colour.name} / {self.sku.size}"


def extra_cells(count: int) -> Iterator[Cell]:
    """Goods besides the season's, a hundred a product."""
    for at, sku in enumerate(catalogue.extra_skus(count)):
        product_id = gid("Product", FIRST_PRODUCT + EXTRA + at // catalogue.EXTRA_PER_STYLE)
        ids = (gid("ProductVariant", FIRST_VARIANT + EXTRA + at), gid("InventoryItem", FIRST_ITEM + EXTRA + at))
        yield Cell(sku, product_id, *ids)


def cells() -> tuple[Cell, ...]:
    """What the shop lists: all its web styles, archived ones included."""
    styles = {style.number: at for at, style in enumerate(catalogue.STYLES)}
    return tuple(
        Cell(
            sku,
            gid("Product", FIRST_PRODUCT + styles[sku.style.number]),
            gid("ProductVariant", FIRST_VARIANT + at),
            gid("InventoryItem", FIRST_ITEM + at),
        )
        for at, sku in enumerate(catalogue.SKUS)
        if sku.style.web
    )


CELLS = cells()
UPC_OF_VARIANT = {cell.variant_id: cell.sku.upc for cell in CELLS}


def found(connection: sqlite3.Connection, _seed: int, *, extra: int = 0) -> None:
    """The season, in one transaction."""
    everything, there = [*CELLS, *extra_cells(extra)], locations()
    for place in there:
        row = (number_of(place["id"]), place["name"], text(place))
        connection.execute("INSERT INTO locations VALUES (?, ?, ?)", row)
    for one in products(everything):
        values = (number_of(one["id"]), one["handle"], one["title"], text(one))
        connection.execute("INSERT INTO products VALUES (?, ?, ?, ?)", values)
    for cell in everything:
        connection.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?)", variant_row(cell))
        inventory.stocked(connection, item(cell), there, OPENED)


def text(document: JSON) -> str:
    return orjson.dumps(document).decode()


def products(everything: Iterable[Cell]) -> Iterator[JSON]:
    seen: dict[str, list[Cell]] = {}
    for cell in everything:
        seen.setdefault(cell.product_id, []).append(cell)
    for identifier, group in seen.items():
        yield product(identifier, group[0].sku.style)


def product(identifier: str, style: Style) -> JSON:
    sizes, colours = list(style.sizes), [colour.name for colour in style.colours]
    return {
        "id": identifier,
        "legacyResourceId": str(number_of(identifier)),
        "handle": f"{style.name.lower().replace(' ', '-')}-{style.number}",
        "title": style.name,
        "status": "ACTIVE" if style.active else "ARCHIVED",
        "vendor": "Sandbox Apparel",
        "productType": style.group,
        "tags": [style.season],
        "isGiftCard": False,
        "metafields": {},
        "options": [option(identifier, 1, "Colour", colours), option(identifier, 2, "Size", sizes)],
        "createdAt": OPENED,
        "updatedAt": OPENED,
    }


def option(product_id: str, position: int, name: str, values: list[str]) -> JSON:
    identifier = gid("ProductOption", number_of(product_id) * 10 + position)
    return {"id": identifier, "name": name, "position": position, "values": values}


def variant_row(cell: Cell) -> tuple[int, int, str, str, str, str]:
    identifier = number_of(cell.variant_id)
    document = text(variant(cell))
    return identifier, number_of(cell.product_id), cell.sku.upc, cell.sku.upc, cell.title, document


def variant(cell: Cell) -> JSON:
    upc, style = cell.sku.upc, cell.sku.style
    return {
        "id": cell.variant_id,
        "legacyResourceId": str(number_of(cell.variant_id)),
        "sku": upc,
        "barcode": upc,
        "title": cell.title,
        "displayName": f"{style.name} - {cell.title}",
        "position": 1,
        "price": f"{style.price:.2f}",
        "taxable": True,
        "inventoryPolicy": "DENY",
        "requiresComponents": False,
        "product": {"id": cell.product_id},
        "selectedOptions": [
            {"name": "Colour", "value": cell.sku.colour.name},
            {"name": "Size", "value": cell.sku.size},
        ],
        "inventoryItem": {"id": cell.inventory_item_id},
        "createdAt": OPENED,
        "updatedAt": OPENED,
    }


def item(cell: Cell) -> JSON:
    return {
        "id": cell.inventory_item_id,
        "legacyResourceId": str(number_of(cell.inventory_item_id)),
        "sku": cell.sku.upc,
        "tracked": True,
        "requiresShipping": True,
        "unitCost": {"amount": f"{cell.sku.style.cost:.2f}", "currencyCode": "USD"},
        "variant": {"id": cell.variant_id},
        "createdAt": OPENED,
        "updatedAt": OPENED,
    }


def change_product(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    """The merchant's hand on a product: fields are replaced, metafields merged (``{"supercycle.methods": "..."}``)."""
    found = stored(connection, "products", identifier)
    if found is None:
        return None
    metafields = {**found.get("metafields", {}), **fields.get("metafields", {})}
    changed = {**found, **fields, "metafields": metafields}
    values = (changed["handle"], changed["title"], text(changed), identifier)
    connection.execute("UPDATE products SET handle = ?, title = ?, document = ? WHERE id = ?", values)
    return changed


def change_variant(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    """The merchant's hand on a variant: another SKU, another barcode, another price; sold on when there is none
    (``inventoryPolicy``), a bundle of others (``requiresComponents``)."""
    found = stored(connection, "variants", identifier)
    if found is None:
        return None
    changed = {**found, **fields}
    inventory.change_item(connection, number_of(found["inventoryItem"]["id"]), {"sku": changed["sku"]})
    values = (changed["sku"], changed["barcode"], text(changed), identifier)
    connection.execute("UPDATE variants SET sku = ?, barcode = ?, document = ? WHERE id = ?", values)
    return changed


def stored(connection: sqlite3.Connection, table: str, identifier: int) -> JSON | None:
    row = connection.execute(f"SELECT document FROM {table} WHERE id = ?", (identifier,)).fetchone()  # noqa: S608
    return None if row is None else orjson.loads(row[0])
