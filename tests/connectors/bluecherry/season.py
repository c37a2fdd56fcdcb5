"""Handwritten rows in BlueCherry's shapes, and an order of ours, for the tests of this room."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from bcbridge.model.ids import Reference, SkuParts, Upc
from bcbridge.model.order import Address
from bcbridge.model.sales_order import CodedAmount, SalesOrder, SalesOrderLine

SKU = SkuParts(division="WOM", style="00417", color_code="BLK", lbl_code="MAIN", size_desc="S")
UPC = Upc("040123000020")

ANN = Address(
    name="Ann Shopper",
    address1="1 High Street",
    address2="Flat 3",
    city="Newark",
    state="NJ",
    postcode="07101",
    country="US",
    phone="+1 201 555 0100",
    email="ann@example.com",
)


def line(seq: int = 1, *, price: str = "28.10", quantity: int = 2, upc: Upc = UPC) -> SalesOrderLine:
    return SalesOrderLine(line_seq=seq, sku=SKU, upc=upc, quantity=quantity, price=Decimal(price), warehouse="NJ1")


def order(reference: str = "SU1001P1G1", **changes: Any) -> SalesOrder:
    said: dict[str, Any] = {
        "reference": Reference(reference),
        "name": "#1001",
        "customer": "SHOPUSD",
        "division": "WOM",
        "warehouse": "NJ1",
        "ship_via": "UPG",
        "terms": "PP",
        "currency": "USD",
        "tax_code": "NJ",
        "start_date": date(2026, 3, 1),
        "end_date": date(2026, 3, 15),
        "lines": (line(),),
        "allowances": (CodedAmount(code="WELCOME", amount=Decimal("5.62")),),
        "charges": (),
        "tax": Decimal("3.35"),
        "freight": Decimal("5.00"),
        "total": Decimal("58.93"),
        "ship_to": ANN,
        "bill_to": Address(),
    }
    return SalesOrder(**(said | changes))


def style_row(pkey: object = 10001, *, last_mod: str = "2026-02-01 08:00:00", **changes: Any) -> dict[str, Any]:
    return {
        "pkey": pkey,
        "style": "00417",
        "style_name": "Ribbed Tank",
        "active_ok": "Y",
        "last_mod": last_mod,
        "styledetail": {"rows": [detail_row()]},
    } | changes


def detail_row(style: int = 10001, **changes: Any) -> dict[str, Any]:
    sizes = [size_row("XS", "040123000013"), size_row("S", "040123000020")]
    return {
        "pkey": style * 100 + 1,
        "fkey": style,
        "division": "WOM",
        "season": "SS26",
        "catg_dest1": "WEB",
        "catg_dest2": "",
        "retail_price": 28.00,
        "stylecolorsizes": {"rows-i": sizes},
    } | changes


def size_row(size: str, upc: object, **changes: Any) -> dict[str, Any]:
    return {
        "fkey": 1000101,
        "upc": upc,
        "ean": f"0{upc}",
        "color_code": "BLK",
        "lbl_code": "MAIN",
        "dimension": "",
        "size_desc": size,
    } | changes


def stock_row(upc: object = "040123000020", pkey: object = 1, **changes: Any) -> dict[str, Any]:
    """As the ERP would list its figures of one SKU, place and lot, without the ledger's components."""
    return {
        "pkey": pkey,
        "division": "WOM",
        "style": "00417",
        "color_code": "BLK",
        "lbl_code": "MAIN",
        "dimension": "",
        "size_desc": "S",
        "upc": upc,
        "location": "NJ1",
        "lot": "",
        "qoh": 121,
        "pick_qty": 10,
        "open_qty": 12,
        "reserved_qty": 3,
        "wip_qty": 20,
        "ots": 92,
        "ots_wip": 113,
        "last_mod": "2026-03-01 07:00:00",
    } | changes


def order_row(reference: str = "SU1001P1G1", pkey: int = 200201, **changes: Any) -> dict[str, Any]:
    """As the ERP would list the order above."""
    return {
        "pkey": pkey,
        "ord_num": "0100201",
        "po_num": reference,
        "altpo": "#1001",
        "customer": "SHOPUSD",
        "division": "WOM",
        "location": "NJ1",
        "ord_status": "O",
        "curr_code": "USD",
        "tax_amt": 3.35,
        "frgt_amt": 5.00,
        "disc_amt": 5.62,
        "misc_amt": 0.00,
        "last_mod": "2026-03-01 07:00:00",
        "orderdetail": {"rows": [order_line()]},
    } | changes


def order_line(**changes: Any) -> dict[str, Any]:
    return {"line_seq": 1, "upc": "040123000020", "ord_qty": 2, "price": 28.10, "location": "NJ1"} | changes


def invoice_row(reference: str = "SU1001P1G1", pkey: int = 400201, **changes: Any) -> dict[str, Any]:
    """As the ERP would list a shipment of the order above."""
    return {
        "pkey": pkey,
        "inv_num": f"I{pkey}",
        "ord_num": "0100201",
        "po_num": reference,
        "location": "NJ1",
        "shipper": "UPG",
        "ship_date": "2026-03-01",
        "void": "N",
        "last_mod": "2026-03-01 09:00:00",
        "invoicedetail": {"rows": [invoice_line()]},
        "invoicecarton": {"rows": [{"carton_num": "00008400000040020101", "track_no": "1Z9"}]},
    } | changes


def invoice_line(**changes: Any) -> dict[str, Any]:
    return {"line_seq": 1, "upc": "040123000020", "inv_qty": 2, "location": "NJ1"} | changes
