"""BlueCherry's words: envelopes, error shapes and the rows we need (NOTES.md 1.2, 1.3, 2.3, 2.4, 7.4).

JSON numbers become Decimal, never float. Codes are strings and stay as they are, with their leading zeros; one that
comes as a number has lost them and is refused. What a char column pads with blanks at the end is cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Fields = dict[str, Any]


class Unreadable(ValueError):
    """The body is not the JSON we expect; the text says how, without quoting it."""


# -- envelopes -------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Fields:
    """A reply as an object, numbers exact. Raises Unreadable."""
    try:
        reply = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unreadable("the answer is not JSON") from None
    if not isinstance(reply, dict):
        raise Unreadable("the answer is JSON, but not an object")
    return reply


def _no_constant(text: str) -> NoReturn:
    raise ValueError("not a number")


def dump(fields: Mapping[str, Any]) -> bytes:
    """A row as bytes again; exact numbers as text, which reads back to the same number."""
    return json.dumps(fields, default=str).encode()


def documents(reply: Mapping[str, Any]) -> list[Any]:
    """``data.header`` of a document resource. Raises Unreadable where the envelope is another one."""
    data = reply.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("header"), list):
        raise Unreadable("data.header is not a list of documents")
    return list(data["header"])


def with_children(rows: Sequence[Any], child: str) -> None:
    """Raises Unreadable where not one of the documents has its child collection: they were not included."""
    if rows and not any(isinstance(row, dict) and isinstance(row.get(child), dict) for row in rows):
        raise Unreadable(f"documents without {child}")


def masters(reply: Mapping[str, Any]) -> list[Any]:
    """``data`` of a simple master. Raises Unreadable where the envelope is another one."""
    data = reply.get("data")
    if not isinstance(data, list):
        raise Unreadable("data is not a list of rows")
    return data


def messages(reply: Mapping[str, Any]) -> list[str]:
    """Every message of all four error shapes, in their order; empty where the reply is no error."""
    found = [*_texts(reply.get("errors")), *_texts(reply.get("message")), *_texts(reply.get("error"))]
    return list(dict.fromkeys(found))


def _texts(said: object) -> list[str]:
    if said is None or said == "" or said == [] or said == {}:
        return []
    if isinstance(said, str):
        return [said.strip()]
    if isinstance(said, list):
        return [text for one in said for text in _texts(one)]
    if isinstance(said, dict):
        return _texts(said.get("errorMessage")) + _texts(said.get("message")) or ["an error without a text"]
    return [str(said)]


def receipt(reply: Mapping[str, Any]) -> str | None:
    """The ``pkey`` of what a write made, or None."""
    key = reply.get("pkey")
    return str(key).strip() or None if isinstance(key, int | str) and not isinstance(key, bool) and key else None


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same value with keys renamed at every depth."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    return value


# -- values ----------------------------------------------------------------------------------------------------


def _code(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("a number where a code stands: its leading zeros would be lost")
    return value.rstrip()


def _key(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError("not a key")
    return str(value).strip()


def _amount(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("not an amount")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not amount.is_finite():
        raise ValueError("not an amount")
    return amount


def _quantity(value: object) -> int:
    amount = _amount(value) or Decimal(0)
    if amount != amount.to_integral_value():
        raise ValueError("not a whole number of pieces")
    return int(amount)


def _text(value: object) -> str:
    """What is only compared, never sent on: a postcode written as a number keeps no order from being read."""
    return "" if value is None else str(value).strip()


Code = Annotated[str, BeforeValidator(_code)]
Text = Annotated[str, BeforeValidator(_text)]
Key = Annotated[str, BeforeValidator(_key)]
Amount = Annotated[Decimal | None, BeforeValidator(_amount)]
Quantity = Annotated[int, BeforeValidator(_quantity)]


class Wire(BaseModel):
    """A row of theirs: what we do not read is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# -- masters ---------------------------------------------------------------------------------------------------


class LocationRow(Wire):
    location: Code = ""
    loc_name: Code = ""
    loc_type: Code = ""


class ShipperRow(Wire):
    shipper: Code
    ship_name: Code = ""


# -- styles ----------------------------------------------------------------------------------------------------


class FlaggedRow(Wire):
    """Keeps all fields: active flags, price and destinations are looked up by configured or numbered names."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def said(self, name: str) -> object:
        return (self.model_extra or {}).get(name)


class SizeRow(FlaggedRow):
    """One SKU: a colour, label, dimension and size of a style (``stylecolorsizes``, under ``rows-i``)."""

    upc: Code = ""
    ean: Code = ""
    color_code: Code = ""
    lbl_code: Code = ""
    dimension: Code = ""
    size_desc: Code = ""


class SizeRows(Wire):
    rows: tuple[SizeRow, ...] = Field(alias="rows-i")
    """Here, and only here, the list is called ``rows-i``."""


class StyleDetailRow(FlaggedRow):
    pkey: Key
    division: Code = ""
    season: Code = ""
    stylecolorsizes: SizeRows

    @property
    def destinations(self) -> tuple[str, ...]:
        """``catg_dest1``, ``catg_dest2`` ... as far as they are filled (six at most, NOTES.md 2.3)."""
        said = [self.said(f"catg_dest{number}") for number in range(1, 7)]
        return tuple(text.strip() for text in said if isinstance(text, str) and text.strip())


class StyleDetailRows(Wire):
    rows: tuple[StyleDetailRow, ...]


class StyleRow(FlaggedRow):
    pkey: Key
    style: Code
    styledetail: StyleDetailRows


# -- sales orders ----------------------------------------------------------------------------------------------


class OrderDetailRow(Wire):
    upc: Code = ""
    line_seq: Quantity = 0
    ord_qty: Quantity
    price: Amount = None
    location: Code = ""
    open_qty: Quantity = 0
    pick_qty: Quantity = 0
    inv_qty: Quantity = 0
    cxl_qty: Quantity = 0


class OrderDetailRows(Wire):
    rows: tuple[OrderDetailRow, ...]


class AmountRow(Wire):
    amount: Amount = None


class AmountRows(Wire):
    rows: tuple[AmountRow, ...] = ()

    def sum(self) -> Decimal:
        return sum((row.amount or Decimal(0) for row in self.rows), Decimal(0))


class AddressRow(Wire):
    addr_type: Text = ""
    name: Text = ""
    contact: Text = ""
    addr1: Text = ""
    addr2: Text = ""
    city: Text = ""
    state: Text = ""
    zipcode: Text = ""
    country: Text = ""


class AddressRows(Wire):
    rows: tuple[AddressRow, ...] = ()


class OrderContent(Wire):
    """What a sales order says, sent or listed. Amounts are None where it leaves them out."""

    po_num: Code = ""
    altpo: Code = ""
    customer: Code = ""
    division: Code = ""
    location: Code = ""
    curr_code: Code = ""
    tax_amt: Amount = None
    frgt_amt: Amount = None
    disc_amt: Amount = None
    misc_amt: Amount = None
    orderdetail: OrderDetailRows
    orderaddress: AddressRows | None = None
    orderdiscount: AmountRows | None = None
    ordercharge: AmountRows | None = None

    @property
    def allowances(self) -> Decimal | None:
        """The header's sum, or that of the rows where the header has none."""
        return _first(self.disc_amt, self.orderdiscount)

    @property
    def charges(self) -> Decimal | None:
        return _first(self.misc_amt, self.ordercharge)


class OrderRow(OrderContent):
    """A sales order as the ERP lists it."""

    pkey: Key
    ord_num: Key
    ord_status: Code = ""
    last_mod: Code = Field(min_length=1)
    total_qty: Quantity = 0

    @model_validator(mode="after")
    def _has_its_rows(self) -> OrderRow:
        """An order of charges alone has no rows; one with pieces has, and an answer without them is not whole."""
        if self.total_qty and not self.orderdetail.rows:
            raise ValueError("pieces, but no rows")
        return self


# -- invoices --------------------------------------------------------------------------------------------------


class InvoiceDetailRow(Wire):
    upc: Code = ""
    inv_qty: Quantity
    line_seq: Quantity = 0
    location: Code = ""


class InvoiceDetailRows(Wire):
    rows: tuple[InvoiceDetailRow, ...]


class CartonRow(Wire):
    track_no: Code = ""


class CartonRows(Wire):
    rows: tuple[CartonRow, ...] = ()


class InvoiceRow(Wire):
    """An invoice: what left with one shipment of one sales order."""

    pkey: Key
    inv_num: Key
    ord_num: Code = ""
    po_num: Code = ""
    location: Code = ""
    shipper: Code = ""
    ship_date: Code = ""
    track_no: Code = ""
    void: Code = ""
    last_mod: Code = Field(min_length=1)
    invoicedetail: InvoiceDetailRows
    invoicecarton: CartonRows = CartonRows()

    @property
    def tracks(self) -> tuple[str, ...]:
        """Of the cartons, or of the invoice itself where they have none; each once."""
        said = [row.track_no.strip() for row in self.invoicecarton.rows] or [self.track_no.strip()]
        return tuple(dict.fromkeys(track for track in said if track))


def _first(amount: Decimal | None, rows: AmountRows | None) -> Decimal | None:
    return amount if amount is not None or rows is None else rows.sum()


def wrong_fields(errors: Sequence[Mapping[str, Any]]) -> str:
    """A validation error as field names and reasons, without any value of the row."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in errors)
