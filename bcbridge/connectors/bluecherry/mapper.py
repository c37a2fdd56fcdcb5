"""Their words and ours, and back: pure. The only file that sees both wire.py and the model."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from bcbridge.connectors.bluecherry import wire
from bcbridge.connectors.bluecherry.clock import ErpClock, parse_stamp
from bcbridge.connectors.bluecherry.settings import ORDER, Profile
from bcbridge.errors import Malformed
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.changes import Correction
from bcbridge.model.ids import Ref, Reference, SkuParts, Upc
from bcbridge.model.order import Address
from bcbridge.model.sales_order import BookedLine, BookedOrder, CodedAmount, SalesOrder, SalesOrderLine
from bcbridge.model.shipment import Shipment, ShippedLine

AnyModel = TypeVar("AnyModel", bound=BaseModel)
Row = Mapping[str, Any]


def _read(model: type[AnyModel], fields: Row, where: str) -> AnyModel:
    try:
        return model.model_validate(fields)
    except ValidationError as fault:
        said = wire.wrong_fields(fault.errors(include_url=False, include_input=False, include_context=False))
        raise Malformed(said, where=where) from None


# -- masters ---------------------------------------------------------------------------------------------------


def warehouse(fields: Row, profile: Profile) -> Warehouse | None:
    """None for a place that is not stock. Raises Malformed."""
    row = _read(wire.LocationRow, fields, "location")
    other_kind = profile.warehouse_type and row.loc_type not in ("", profile.warehouse_type)
    ignored = other_kind or row.location in profile.locations_ignored
    return None if ignored else Warehouse(code=row.location, name=row.loc_name)


def ship_via(fields: Row) -> ShipVia:
    """Raises Malformed."""
    row = _read(wire.ShipperRow, fields, "shipper")
    if not row.shipper:
        raise Malformed("without a code", where="shipper")
    return ShipVia(code=row.shipper, name=row.ship_name)


# -- styles ----------------------------------------------------------------------------------------------------


def skus(fields: Row, profile: Profile) -> tuple[CatalogSku, ...]:
    """Every SKU of one style that a channel can name, that is, every one with a UPC. Raises Malformed."""
    style = _read(wire.StyleRow, fields, f"style {fields.get('pkey')}")
    if not style.style:
        raise Malformed("without a style number", where=f"style {style.pkey}")
    if not style.styledetail.rows:
        raise Malformed("without any colour", where=f"style {style.pkey}")
    return tuple(
        _sku(style, detail, size, profile)
        for detail in style.styledetail.rows
        for size in detail.stylecolorsizes.rows
        if size.upc
    )


def _sku(style: wire.StyleRow, detail: wire.StyleDetailRow, size: wire.SizeRow, profile: Profile) -> CatalogSku:
    rows = (size, detail, style)
    return CatalogSku(
        ref=_sku_ref(style, detail, size),
        style=Ref(style.pkey),
        parts=SkuParts(
            division=detail.division,
            style=style.style,
            color_code=size.color_code,
            lbl_code=size.lbl_code,
            dimension=size.dimension,
            size_desc=size.size_desc,
        ),
        upc=Upc(size.upc),
        ean=size.ean,
        season=detail.season,
        active=all(_is_set(row.said(flag)) for row in rows for flag in profile.active_flags),
        price=_list_price(rows, profile.price_field, f"style {style.pkey}"),
        destinations=detail.destinations,
    )


def _sku_ref(style: wire.StyleRow, detail: wire.StyleDetailRow, size: wire.SizeRow) -> Ref:
    """Size rows carry no key of their own; their parts below the row they hang on tell them apart."""
    parts = (style.pkey, detail.pkey, size.color_code, size.lbl_code, size.dimension, size.size_desc, size.upc)
    return Ref("/".join(parts))


def _is_set(flag: object) -> bool:
    """Y, true or 1; a flag that is not there does not speak against."""
    return flag is None or (isinstance(flag, str) and flag.strip().upper() in ("", "Y", "TRUE", "1")) or flag == 1


def _list_price(rows: Sequence[wire.FlaggedRow], name: str, where: str) -> Decimal | None:
    for row in rows:
        said = row.said(name) if name else None
        if said not in (None, ""):
            return _read(wire.AmountRow, {"amount": said}, f"{where}: {name}").amount
    return None


# -- a sales order, read ---------------------------------------------------------------------------------------


def booked(fields: Row, profile: Profile, clock: ErpClock) -> BookedOrder:
    """A sales order as the ERP lists it, in our documented names. Raises Malformed."""
    row = _read(wire.OrderRow, fields, f"order {fields.get('pkey')}")
    return BookedOrder(
        number=row.ord_num,
        key=row.pkey,
        reference=Reference(row.po_num),
        name=row.altpo,
        customer=row.customer,
        division=row.division,
        warehouse=row.location,
        status=row.ord_status,
        currency=row.curr_code,
        lines=tuple(_booked_line(line, row) for line in row.orderdetail.rows if line.ord_qty),
        tax=row.tax_amt,
        freight=row.frgt_amt,
        allowances=row.allowances,
        charges=row.charges,
        stamp=row.last_mod,
        posted_by=_posted_by(row.last_mod, clock),
        ship_to=_fingerprint(row.orderaddress.rows if row.orderaddress else ()),
        commits=profile.commits(row.ord_status),
    )


def _posted_by(stamp: str, clock: ErpClock) -> datetime | None:
    """Never from the entry date: what an API took in may be booked a cycle later."""
    try:
        return clock.latest(parse_stamp(stamp))
    except ValueError:
        return None


def _booked_line(line: wire.OrderDetailRow, of: wire.OrderRow) -> BookedLine:
    """Rows with no pieces occur and mean "nothing of this size" (NOTES.md 2.5); they never come here."""
    if line.price is None:
        raise Malformed("a row without its price", where=f"order {of.pkey}")
    return BookedLine(
        upc=Upc(line.upc),
        quantity=line.ord_qty,
        price=line.price,
        warehouse=line.location or of.location,
        picked=_picked(line),
        cancelled=line.cxl_qty,
        shipped=line.inv_qty,
        line_seq=line.line_seq,
    )


def _picked(line: wire.OrderDetailRow) -> int:
    """Picked or invoiced: whether what is invoiced still counts as picked is not documented, so never more than what
    is neither open nor cancelled."""
    gone_on = line.ord_qty - line.cxl_qty - line.open_qty
    return max(0, min(line.pick_qty + line.inv_qty, gone_on))


# -- a shipment, read -------------------------------------------------------------------------------------------


def shipment(fields: Row) -> Shipment:
    """An invoice as the ERP lists it, in our documented names. Raises Malformed."""
    row = _read(wire.InvoiceRow, fields, f"invoice {fields.get('pkey')}")
    return Shipment(
        number=row.inv_num,
        key=row.pkey,
        reference=Reference(row.po_num),
        order_number=row.ord_num,
        ship_via=row.shipper,
        shipped=_day(row.ship_date),
        lines=tuple(
            ShippedLine(
                upc=Upc(line.upc), pieces=line.inv_qty, line_seq=line.line_seq, warehouse=line.location or row.location
            )
            for line in row.invoicedetail.rows
            if line.inv_qty
        ),
        tracks=row.tracks,
        void=row.void.upper() in ("Y", "TRUE", "1"),
        stamp=row.last_mod,
    )


DAYS = ("%Y-%m-%d", "%m/%d/%Y")
"""Both are written by this ERP, by resource (NOTES.md 2.7, 7.9)."""


def _day(text: str) -> date | None:
    """The day alone, whatever time stands behind it; None where it is none."""
    for form in DAYS:
        try:
            return datetime.strptime(text[:10], form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


# -- a sales order, written ------------------------------------------------------------------------------------


def body(order: SalesOrder, profile: Profile) -> bytes:
    """The call that makes this order: an array of one, even for one document (NOTES.md 1, 7.4).

    Amounts are JSON numbers spelled with exactly our digits: that is what a numeric column reads and writes, no
    server refuses it, and no binary float comes near it on our side. ``amounts_as = "text"`` puts them in quotes.
    """
    ours = _filled(_header(order, profile)) | _children(order, profile)
    return orjson.dumps([wire.renamed(ours, profile.aliases.get(ORDER, {}))])


def correction_body(correction: Correction, profile: Profile) -> bytes:
    """The call that corrects one booked order: an array of one, in the names that orders have. Assumed as a whole."""
    rows = [{"line_seq": row.line_seq, "upc": row.upc, "cxl_qty": row.cancelled} for row in correction.rows]
    children = {"orderdetail": rows, "orderaddress": _whole_address("ST", correction.ship_to or Address())}
    ours = {
        "po_num": correction.reference,
        "ord_num": correction.number,
        **{name: {"rows": said} for name, said in children.items() if said},
    }
    return orjson.dumps([wire.renamed(ours, profile.aliases.get(ORDER, {}))])


def _header(order: SalesOrder, profile: Profile) -> dict[str, Any]:
    return {
        "customer": order.customer,
        "po_num": order.reference,
        "altpo": order.name,
        "ord_type": order.order_type or profile.order_type,
        "ord_status": profile.order_status,
        "division": order.division,
        "department": order.department,
        "season": order.season,
        "cust_group": order.customer_group,
        "location": order.warehouse,
        "start_date": _date(order.start_date, profile),
        "end_date": _date(order.end_date, profile),
        "shipper": order.ship_via,
        "terms": order.terms,
        "tax_code": order.tax_code,
        "curr_code": order.currency,
        "tax_amt": _amount(order.tax, profile),
        "frgt_amt": _amount(order.freight, profile),
        "disc_amt": _amount(_sum(order.allowances), profile),
        "misc_amt": _amount(_sum(order.charges), profile),
        "notes": order.notes,
    }


def _children(order: SalesOrder, profile: Profile) -> dict[str, Any]:
    children = {
        "orderdetail": [_detail(line, order, profile) for line in order.lines],
        "orderaddress": [*_address("BT", order.bill_to), *_address("ST", order.ship_to)],
        "orderdiscount": [_coded("allow_code", one, profile) for one in order.allowances],
        "ordercharge": [_coded("charge_code", one, profile) for one in order.charges],
    }
    return {name: {"rows": rows} for name, rows in children.items() if rows or name == "orderdetail"}


def _detail(line: SalesOrderLine, order: SalesOrder, profile: Profile) -> dict[str, Any]:
    """The parts of the SKU stand even where they are empty: they are its key."""
    return {
        "line_seq": line.line_seq,
        "division": line.sku.division,
        "style": line.sku.style,
        "color_code": line.sku.color_code,
        "lbl_code": line.sku.lbl_code,
        "dimension": line.sku.dimension,
        "size_desc": line.sku.size_desc,
        "upc": line.upc,
        "ord_qty": line.quantity,
        "price": _amount(line.price, profile),
        "location": line.warehouse or order.warehouse,
    }


def _address(kind: str, address: Address) -> list[dict[str, Any]]:
    """One row, or none for an empty address."""
    fields = _filled(_address_fields(address))
    return [{"addr_type": kind, **fields}] if fields else []


def _whole_address(kind: str, address: Address) -> list[dict[str, Any]]:
    """As ``_address``, and what has nothing to say says so: an old second line must not stay under a new first one."""
    fields = _address_fields(address)
    return [{"addr_type": kind, **fields}] if _filled(fields) else []


def _address_fields(address: Address) -> dict[str, Any]:
    """A company takes the name's place, the person is its contact."""
    return {
        "name": address.company or address.name,
        "contact": address.name if address.company else "",
        "addr1": address.address1,
        "addr2": address.address2,
        "city": address.city,
        "state": address.state,
        "zipcode": address.postcode,
        "country": address.country,
        "email": address.email,
        "phone": address.phone,
    }


def _coded(name: str, one: CodedAmount, profile: Profile) -> dict[str, Any]:
    return {name: one.code, "amount": _amount(one.amount, profile)}


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What has nothing to say is left out: an assumed field the ERP does not know must not refuse an order."""
    return {name: value for name, value in fields.items() if value != ""}


def _sum(amounts: Sequence[CodedAmount]) -> Decimal:
    return sum((one.amount for one in amounts), Decimal(0))


def _amount(amount: Decimal, profile: Profile) -> orjson.Fragment | str:
    digits = f"{amount + 0:f}"  # a negative zero becomes a plain one
    return digits if profile.amounts_as == "text" else orjson.Fragment(digits)


def _date(day: date, profile: Profile) -> str:
    return day.strftime(profile.write_date_format)


# -- where it goes ---------------------------------------------------------------------------------------------


def sent_to(body: bytes, profile: Profile) -> str:
    """The fingerprint of the ship-to address of a body; empty where it has none."""
    order = _read(wire.OrderContent, _sent(body, profile), "the body sent")
    return _fingerprint(order.orderaddress.rows if order.orderaddress else ())


def goes_to(address: Address) -> str:
    """The fingerprint that this address has once it is written."""
    return _fingerprint([wire.AddressRow.model_validate(row) for row in _address("ST", address)])


def _fingerprint(rows: Iterable[wire.AddressRow]) -> str:
    """Of the ship-to row, however it is spaced and in whatever case. A telephone number moves no parcel."""
    for row in rows:
        if row.addr_type == "ST":
            said = "\n".join(" ".join(text.split()).casefold() for text in row.model_dump().values())
            return hashlib.sha256(said.encode()).hexdigest()[:16]
    return ""


# -- what was sent against what is held ------------------------------------------------------------------------

PRIVATE = ("name", "contact", "addr1", "addr2", "email", "phone")


def _sent(sent: bytes, profile: Profile) -> dict[str, Any]:
    (order,) = json.loads(sent, parse_float=Decimal)
    ours = {theirs: name for name, theirs in profile.aliases.get(ORDER, {}).items()}
    fields = wire.renamed(order, ours)
    assert isinstance(fields, dict)
    return fields


def private_words(sent: bytes, profile: Profile) -> list[str]:
    """The customer's words in a body, longest first: an ERP's refusal may quote them, our log must not."""
    rows = _sent(sent, profile).get("orderaddress", {}).get("rows", [])
    words = {str(row[name]).strip() for row in rows for name in PRIVATE if name in row}
    return sorted((word for word in words if len(word) > 2), key=len, reverse=True)


def differences(sent: bytes, held: BookedOrder, profile: Profile) -> tuple[str, ...]:
    """What the ERP holds against what was sent, each in words. What its answer leaves out is not compared."""
    order = _read(wire.OrderContent, _sent(sent, profile), "the body sent")
    found = [
        *_texts("customer", order.customer, held.customer),
        *_texts("division", order.division, held.division),
        *_texts("warehouse", order.location, held.warehouse),
        *_texts("currency", order.curr_code, held.currency),
        *_amounts("tax", order.tax_amt, held.tax),
        *_amounts("freight", order.frgt_amt, held.freight),
        *_amounts("allowances", order.allowances, held.allowances),
        *_amounts("charges", order.charges, held.charges),
        *_lines(order, held),
    ]
    return tuple(found)


def _texts(what: str, sent: str, held: str) -> list[str]:
    return [f"{what}: sent {sent}, held {held}"] if held and held != sent else []


def _amounts(what: str, sent: Decimal | None, held: Decimal | None) -> list[str]:
    return [f"{what}: sent {sent or 0}, held {held}"] if held is not None and held != (sent or 0) else []


def _lines(order: wire.OrderContent, held: BookedOrder) -> list[str]:
    """Pieces per UPC, price and warehouse; how they are spread over rows does not matter."""
    there: Counter[tuple[str, Decimal, str]] = Counter()
    for line in held.lines:
        there[line.upc, line.price, line.warehouse] += line.quantity
    here: Counter[tuple[str, Decimal, str]] = Counter()
    for row in order.orderdetail.rows:
        here[row.upc, row.price or Decimal(0), row.location or order.location] += row.ord_qty
    if not any(warehouse for _, _, warehouse in there):
        here = _without_warehouse(here)
    return [
        f"UPC {upc} at {price} in {warehouse or '-'}: sent {here[upc, price, warehouse]}, "
        f"held {there[upc, price, warehouse]}"
        for upc, price, warehouse in sorted({*here, *there})
        if here[upc, price, warehouse] != there[upc, price, warehouse]
    ]


def _without_warehouse(pieces: Counter[tuple[str, Decimal, str]]) -> Counter[tuple[str, Decimal, str]]:
    merged: Counter[tuple[str, Decimal, str]] = Counter()
    for (upc, price, _), quantity in pieces.items():
        merged[upc, price, ""] += quantity
    return merged
