"""What the ERP sells and how it names the parts of a document: its masters, in our words."""

from __future__ import annotations

from decimal import Decimal

from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.model.record import Record


class CatalogSku(Record):
    """One sellable SKU of the ERP's style master, reached by its UPC."""

    ref: Ref
    """How the ERP names this SKU row."""
    style: Ref
    """The style it belongs to (BlueCherry: the style's pkey); a style is read and replaced as a whole."""
    parts: SkuParts
    upc: Upc
    ean: str = ""
    season: str = ""
    active: bool = True
    price: Decimal | None = None
    """The ERP's list price, where it gives one."""
    destinations: tuple[str, ...] = ()
    """Channel assortment: catalogue destinations (bluecherry/NOTES.md 2.3)."""


class Warehouse(Record):
    code: str
    name: str


class ShipVia(Record):
    code: str
    name: str
