"""A sales order as we ask the ERP to book it: one part of one channel order, cut and priced, net of tax."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from bcbridge.model.ids import Ref, Reference, SkuParts, Upc
from bcbridge.model.order import Address
from bcbridge.model.record import Moment, Record


class SalesOrderLine(Record):
    """One row of one SKU at one price; ``price`` net of tax, before allowances, per piece, to the cent."""

    line_seq: int
    sku: SkuParts
    upc: Upc
    quantity: int
    price: Decimal
    warehouse: str
    line: Ref = Ref("")
    """The channel's line whose pieces these are; not told to the ERP."""


class CodedAmount(Record):
    """An amount under one of the ERP's codes: an allowance or a charge; positive unless it is rounding."""

    code: str
    amount: Decimal


class SalesOrder(Record):
    """One ERP document. ``total`` = lines + tax + freight + charges - allowances, to the cent."""

    reference: Reference
    """Ours, made once; the ERP's ``po_num``."""
    name: str
    """The shop's display name; the ERP's ``altpo``."""
    customer: str
    division: str
    warehouse: str
    ship_via: str
    terms: str
    currency: str
    tax_code: str
    order_type: str = ""
    department: str = ""
    season: str = ""
    customer_group: str = ""
    start_date: date
    end_date: date
    lines: tuple[SalesOrderLine, ...]
    allowances: tuple[CodedAmount, ...]
    charges: tuple[CodedAmount, ...]
    tax: Decimal
    freight: Decimal
    total: Decimal
    ship_to: Address
    bill_to: Address
    notes: str = ""


class BookedLine(Record):
    """What the ERP holds of one row, in pieces: ``quantity`` as ordered, and of these how many have gone further."""

    upc: Upc
    quantity: int
    price: Decimal
    warehouse: str
    picked: int = 0
    """On a pick ticket, or invoiced already."""
    cancelled: int = 0
    shipped: int = 0
    """Of the picked ones: invoiced, gone."""
    line_seq: int = 0
    """The row, as the ERP numbers it; 0 where it does not say."""


class BookedOrder(Record):
    """A sales order as the ERP holds it now, read back by reference or from the delta list.

    Amounts are ``None`` where the ERP's answer leaves them out; they are then not compared.
    """

    number: str
    """The ERP's own order number."""
    key: str
    """The ERP's row key (``pkey``)."""
    reference: Reference
    name: str
    customer: str
    division: str
    warehouse: str
    status: str
    currency: str
    lines: tuple[BookedLine, ...]
    tax: Decimal | None
    freight: Decimal | None
    allowances: Decimal | None
    charges: Decimal | None
    stamp: str
    """The ERP's ``last_mod``, as it wrote it; tells posting cycles apart."""
    posted_by: Moment | None = None
    """The same as a moment: the ERP had booked what stands here by then (the later reading of a repeated hour). None
    where it cannot be read; then only our own clock can say."""
    ship_to: str = ""
    """A fingerprint of the address it goes to, without the address; empty where the answer leaves it out."""
    commits: bool = True
    """Whether an order of this status takes stock, by the profile."""
