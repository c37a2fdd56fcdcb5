"""What the shop lists: the season as variable products with variations, goods of one size as simple products.

A product's ``sku`` and ``global_unique_id`` are its UPC (a variable product's sku its style number). An order keeps
ids alone: SKU, GTIN and the parent's name are read from the product whenever the order is shown, so they change with
it and are gone with it. `Shelf` is that reading, from memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

import orjson

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.catalogue import Sku, Style
from bcbridge.sandbox.shopping import stock
from bcbridge.sandbox.shopping.cart import JSON, CartLine
from bcbridge.sandbox.shopping.stock import Place

SCHEMA = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    sku TEXT COLLATE NOCASE NOT NULL,
    gtin TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX products_by_sku ON products (sku);
CREATE INDEX products_by_parent ON products (parent_id, id);
"""
OPENED = "2025-01-06T08:00:00"
FIRST_PRODUCT = 11
REDUCED = frozenset({"Canvas Tote"})
"""Goods of the tax class ``reduced-rate``."""
REDUCED_RATES = {"FR": Decimal("0.055"), "DE": Decimal("0.07"), "IE": Decimal("0.135"), "GB": Decimal("0.05")}
COLOUR, SIZE = (1, "Colour", "pa_colour"), (2, "Size", "pa_size")
INSERT = "INSERT INTO products VALUES (?, ?, ?, ?, ?, ?)"
KEEP = "UPDATE products SET type = ?, sku = ?, gtin = ?, document = ? WHERE id = ?"
MORE_FROM, MORE_SIZES = 1_000_000, ("XXS", "XS", "S", "M", "L", "XL", "XXL", "3XL")
"""Ids and sizes of styles beside the season's."""


class Cell(NamedTuple):
    """One SKU of the season with the ids the shop gave it; ``variation_id`` is 0 for a simple product."""

    sku: Sku
    product_id: int
    variation_id: int

    @property
    def id(self) -> int:
        return self.variation_id or self.product_id

    @property
    def name(self) -> str:
        """As an order's line has it."""
        return f"{self.sku.style.name} - {self.options}"

    @property
    def options(self) -> str:
        return f"{self.sku.colour.name}, {self.sku.size}" if self.variation_id else self.sku.colour.name


def slug(text: str) -> str:
    return text.lower().replace(" & ", "-").replace(" ", "-").replace(".", "-")


def is_simple(style: Style) -> bool:
    return style.sizes == catalogue.ONE_SIZE


def _cells() -> Iterator[Cell]:
    """Ids in the order of the catalogue, one sequence for products and variations as WordPress has it."""
    next_id = FIRST_PRODUCT
    for style in catalogue.STYLES:
        group = [sku for sku in catalogue.SKUS if sku.style is style]
        parent = 0 if is_simple(style) else next_id
        next_id += 1 if parent else 0
        for sku in group:
            yield Cell(sku, parent, next_id) if parent else Cell(sku, next_id, 0)
            next_id += 1


CELLS = tuple(cell for cell in _cells() if cell.sku.style.web)
CELL_BY_UPC = {cell.sku.upc: cell for cell in CELLS}
CELL_BY_ID = {cell.id: cell for cell in CELLS}


def line(sku: Sku) -> CartLine:
    """One of it at list price; the catalogue's dollars are read as whatever the shop sells in."""
    cell = CELL_BY_UPC[sku.upc]
    return CartLine(
        title=cell.name,
        price=sku.style.price,
        sku=sku.upc,
        barcode=sku.upc,
        variant_title=cell.options,
        variant_id=str(cell.variation_id) if cell.variation_id else None,
        product_id=str(cell.product_id),
    )


def listed() -> dict[str, CartLine]:
    """What a compact order may name by its SKU alone."""
    return {cell.sku.upc: line(cell.sku) for cell in CELLS}


# --- what a line shows of its product


class Live(NamedTuple):
    sku: str
    gtin: str
    parent_name: str | None


class Shelf:
    """What is listed now, for lines to be shown with; ``restocked`` reads it anew."""

    def __init__(self) -> None:
        self.products: dict[int, Live] = {}

    def restocked(self, connection: sqlite3.Connection) -> None:
        named = "SELECT id, json_extract(document, '$.name') FROM products WHERE type = 'variable'"
        names = dict(connection.execute(named).fetchall())
        rows = connection.execute("SELECT id, parent_id, sku, gtin FROM products").fetchall()
        self.products = {
            identifier: Live(sku, gtin, names.get(parent) if parent else None) for identifier, parent, sku, gtin in rows
        }

    def live(self, product_id: int, variation_id: int) -> Live | None:
        return self.products.get(variation_id or product_id)


# --- the season


def found(connection: sqlite3.Connection, _seed: int, *, more_styles: int = 0) -> None:
    """The season, in one transaction."""
    for document in chain(documents(), more(more_styles)):
        row = (document["id"], document["parent_id"], document["type"], document["sku"], document["global_unique_id"])
        connection.execute(INSERT, (*row, orjson.dumps(document).decode()))
        if document["manage_stock"]:
            stock.found(connection, Place(str(document["id"])), document["sku"], document["stock_quantity"])


def documents() -> Iterator[JSON]:
    parents: dict[int, list[Cell]] = {}
    for cell in CELLS:
        if cell.variation_id:
            parents.setdefault(cell.product_id, []).append(cell)
        else:
            yield simple(cell)
    for identifier, group in parents.items():
        yield variable(identifier, group)
        yield from (variation(cell) for cell in group)


def more(styles: int) -> Iterator[JSON]:
    """So many styles of eight sizes that the ERP's season knows nothing of, like one of its own."""
    cell = next(cell for cell in CELLS if cell.variation_id)
    for number in range(styles):
        parent = MORE_FROM + number * (len(MORE_SIZES) + 1)
        ids = range(parent + 1, parent + 1 + len(MORE_SIZES))
        whole = variable(parent, [cell])
        sizes = attribute(SIZE, list(MORE_SIZES), variation=True)
        yield {**whole, "sku": f"MORE-{number}", "variations": list(ids), "attributes": [whole["attributes"][0], sizes]}
        for identifier, size in zip(ids, MORE_SIZES, strict=True):
            one = variation(cell) | {"id": identifier, "parent_id": parent}
            colour, kept = one["attributes"]
            yield one | more_code(identifier) | {"attributes": [colour, {**kept, "option": size}]}


def more_code(identifier: int) -> JSON:
    code = f"{700_000_000_000 + identifier}"
    return {"sku": code, "global_unique_id": code}


def simple(cell: Cell) -> JSON:
    colour = attribute(COLOUR, [cell.sku.colour.name], variation=False)
    return product(cell.id, cell.name, "simple", cell.sku) | {"attributes": [colour]}


def variable(identifier: int, group: list[Cell]) -> JSON:
    style = group[0].sku.style
    colours = attribute(COLOUR, [colour.name for colour in style.colours], variation=True)
    sizes = attribute(SIZE, list(style.sizes), variation=True)
    return product(identifier, style.name, "variable", group[0].sku) | {
        "sku": style.number,
        "global_unique_id": "",
        "regular_price": "",
        "manage_stock": False,
        "stock_quantity": None,
        "attributes": [colours, sizes],
        "variations": [cell.variation_id for cell in group],
        "has_options": True,
    }


def variation(cell: Cell) -> JSON:
    chosen = ((COLOUR, cell.sku.colour.name), (SIZE, cell.sku.size))
    attributes = [{"id": i, "name": name, "slug": key, "option": option} for (i, name, key), option in chosen]
    return product(cell.id, cell.name, "variation", cell.sku) | {
        "parent_id": cell.product_id,
        "total_sales": "0",
        "reviews_allowed": False,
        "categories": [],
        "attributes": attributes,
    }


def attribute(which: tuple[int, str, str], options: list[str], *, variation: bool) -> JSON:
    identifier, name, key = which
    kinds = {"position": 0, "visible": True, "variation": variation, "options": options}
    return {"id": identifier, "name": name, "slug": key, **kinds}


def product(identifier: int, name: str, kind: str, sku: Sku) -> JSON:
    """The whole document, in the order the shop gives it, less what depends on its address."""
    price = f"{sku.style.price:.2f}"
    return {
        "id": identifier,
        "name": name,
        "slug": slug(name),
        "date_created_gmt": OPENED,
        "date_modified_gmt": OPENED,
        "type": kind,
        "status": "publish",
        "featured": False,
        "catalog_visibility": "visible",
        "description": "",
        "short_description": "",
        "sku": sku.upc,
        "price": price,
        "regular_price": price,
        "sale_price": "",
        **dict.fromkeys(("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt")),
        "on_sale": False,
        "purchasable": True,
        "total_sales": 0,
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": tax_class(sku.style),
        "manage_stock": True,
        "stock_quantity": stock.SEASON,
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "sold_individually": False,
        "weight": "0.2",
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_required": True,
        "shipping_taxable": True,
        "shipping_class": "",
        "shipping_class_id": 0,
        "reviews_allowed": True,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": 0,
        "purchase_note": "",
        "categories": [{"id": 15, "name": sku.style.group, "slug": slug(sku.style.group)}],
        "brands": [],
        "tags": [],
        "images": [],
        "attributes": [],
        "default_attributes": [],
        "variations": [],
        "grouped_products": [],
        "menu_order": 0,
        "price_html": f'<span class="woocommerce-Price-amount amount"><bdi>{price}</bdi></span>',
        "related_ids": [],
        "meta_data": [],
        "stock_status": "instock",
        "has_options": False,
        "post_password": "",
        "global_unique_id": sku.upc,
    }


def tax_class(style: Style) -> str:
    return "reduced-rate" if style.name in REDUCED else ""


# --- the merchant's hand


def change(connection: sqlite3.Connection, identifier: int, fields: JSON) -> JSON | None:
    """Another SKU, another GTIN, another name: of this product or variation, and of every order that shows it."""
    document = stored(connection, identifier)
    if document is None:
        return None
    return keep(connection, {**document, **fields})


def keep(connection: sqlite3.Connection, document: JSON) -> JSON:
    codes = (document["type"], document["sku"], document["global_unique_id"])
    connection.execute(KEEP, (*codes, orjson.dumps(document).decode(), document["id"]))
    return document


def remove(connection: sqlite3.Connection, identifier: int) -> bool:
    """Deletes a product with its variations, or one variation; orders that sold it lose their link."""
    gone = connection.execute("DELETE FROM products WHERE id = ? OR parent_id = ?", (identifier, identifier)).rowcount
    return gone > 0


def stored(connection: sqlite3.Connection, identifier: int) -> JSON | None:
    row = connection.execute("SELECT document FROM products WHERE id = ?", (identifier,)).fetchone()
    return None if row is None else orjson.loads(row[0])
