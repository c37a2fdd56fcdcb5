"""What left a warehouse, as the ERP says it: one shipment of pieces of one sales order."""

from __future__ import annotations

from datetime import date

from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.record import Record


class ShippedLine(Record):
    """Pieces of one SKU. ``line_seq``: the row of the sales order they belong to, as the ERP says; 0 where it does not.
    Negative pieces take back what an earlier shipment said."""

    upc: Upc
    pieces: int
    line_seq: int
    warehouse: str


class Shipment(Record):
    """``tracks``: a tracking number for each parcel, as written down; empty texts are left out, equal ones are one.
    ``void``: it was made by mistake, nothing of it left."""

    number: str
    """The ERP's own: its invoice."""
    key: str
    """The ERP's row key (``pkey``)."""
    reference: Reference
    """The sales order's, ours where we made it."""
    order_number: str
    ship_via: str
    shipped: date | None
    lines: tuple[ShippedLine, ...]
    tracks: tuple[str, ...]
    void: bool
    stamp: str
    """The ERP's ``last_mod``, as it wrote it."""


class BookedRow(Record):
    """Which line of the channel's order a row of our document stands for: fixed when the document is first written."""

    reference: Reference
    line_seq: int
    line: Ref
    upc: Upc
    pieces: int
    wanted: int | None = None
    """Of these, as many as the channel wanted when it was booked; None: all."""
