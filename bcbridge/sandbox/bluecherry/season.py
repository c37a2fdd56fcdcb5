"""The ERP as the season begins: masters, stock, and the wholesale orders of other channels."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bluecherry.accepting import AMOUNTS
from bcbridge.sandbox.bluecherry.books import Row, erp_stamp, put
from bcbridge.sandbox.bluecherry.orders import OPEN, book, sku_of
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings

WORKED_EXAMPLE = {
    "sa": 100, "rt": 5, "r1": 40, "r2": 2, "in": 30, "cm": 0, "pk": 10, "rs": 3,
    "op": 12, "dm": 0, "st": 20, "rv": 8, "ri": 4, "rp": 1, "ro": 2, "wp": 20,
}  # fmt: skip
"""NOTES 3: on hand 121, open to sell 92, with ship-to WIP 113. The first SKU in the first warehouse."""

STYLES_OF_ONE_LOAD = 10
"""Styles that share one ``last_mod``, as after a mass update."""

_PICKS = 20
"""Wholesale orders that have a pick ticket."""


@dataclass(frozen=True)
class _Writing:
    """The season's own ink: where it is written, its chance, and its stamps."""

    connection: sqlite3.Connection
    dice: random.Random
    now: datetime
    zone: str

    def stamp(self, **ago: int) -> str:
        return erp_stamp(self.now - timedelta(**ago), self.zone)


def season_of(settings: BlueCherrySettings) -> Callable[[sqlite3.Connection, int], None]:
    """The function that writes the season, for these settings."""

    def season(connection: sqlite3.Connection, seed: int) -> None:
        writing = _Writing(connection, random.Random(seed), datetime.now(UTC), settings.erp_timezone)
        _masters(writing)
        for place, style in enumerate(catalogue.STYLES):
            stamp = writing.stamp(days=40 - place // STYLES_OF_ONE_LOAD)
            write_style(connection, style, pkey=10_001 + place, stamp=stamp)
        _stock(writing)
        _picks(writing, _wholesale(writing, settings.wholesale_orders)[:_PICKS])

    return season


def _masters(writing: _Writing) -> None:
    stamp = writing.stamp(days=90)
    for place, house in enumerate(catalogue.WAREHOUSES, 1):
        put(
            writing.connection,
            "locations",
            {
                "pkey": 1_000 + place,
                "location": house.code,
                "loc_name": house.name,
                "loc_type": house.kind,
                "resv_wh": "N",
                "last_mod": stamp,
            },
        )
    for place, shipper in enumerate(catalogue.SHIPPERS, 1):
        put(
            writing.connection,
            "shippers",
            {"pkey": 2_000 + place, "shipper": shipper.code, "ship_name": shipper.name, "last_mod": stamp},
        )
    writing.connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?)", [(c.code, c.name, c.currency) for c in catalogue.CUSTOMERS]
    )


# --- styles ----------------------------------------------------------------------------------------------------


def write_style(connection: sqlite3.Connection, style: catalogue.Style, *, pkey: int, stamp: str) -> None:
    """One style of the catalogue, with its grid, as the API shows it (NOTES 2.3)."""
    grid = [sku for sku in catalogue.SKUS if sku.style is style]
    details = [_detail(style, colour, grid, pkey, place) for place, colour in enumerate(style.colours, 1)]
    put(connection, "styles", _style_header(style, pkey, stamp), {"styledetail": {"rows": details}})
    connection.executemany(
        "INSERT OR REPLACE INTO skus VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [_sku_row(sku, pkey) for sku in grid]
    )


def _style_header(style: catalogue.Style, pkey: int, stamp: str) -> Row:
    groups = ["MERCH", style.group, "BRAND", "", style.group, "", style.division, "STYLE"]
    return {
        "pkey": pkey,
        "style": style.number,
        "style_name": style.name,
        "style_desc": f"{style.name}, {style.group.lower()}",
        **{f"group_code{place}": group[:9] for place, group in enumerate(groups, 1)},
        "active_ok": "Y" if style.active else "N",
        "last_mod": stamp,
    }


def _detail(style: catalogue.Style, colour: catalogue.Colour, grid: list[catalogue.Sku], pkey: int, place: int) -> Row:
    key = pkey * 100 + place
    return {
        "pkey": key,
        "fkey": pkey,
        "division": style.division,
        "season": style.season,
        "color_code": colour.code,
        "color_name": colour.name,
        "third_party_item": "",
        "std_cost": style.cost,
        "retail_price": style.price,
        "gar_wgt": Decimal("0.450"),
        "catg_dest1": catalogue.WEB if style.web else "",
        "catg_dest2": catalogue.WHOLESALE,
        "active_ok": "Y" if style.active else "N",
        "stylecolorsizes": {"rows-i": [_size(sku, key) for sku in grid if sku.colour is colour]},
    }


def _size(sku: catalogue.Sku, fkey: int) -> Row:
    return {
        "fkey": fkey,
        "upc": sku.upc,
        "ean": sku.ean,
        "color_code": sku.colour.code,
        "lbl_code": sku.style.label,
        "dimension": sku.style.dimension,
        "size_desc": sku.size,
    }


def _sku_row(sku: catalogue.Sku, style_pkey: int) -> tuple[object, ...]:
    style = sku.style
    return (
        sku.upc, style_pkey, style.division, style.number, sku.colour.code, style.label, style.dimension, sku.size
    )  # fmt: skip


# --- stock -----------------------------------------------------------------------------------------------------

_COMPONENTS = ("sa", "rt", "r1", "r2", "in", "cm", "pk", "rs", "op", "dm", "st", "rv", "ri", "rp", "ro", "wp")


def _stock(writing: _Writing) -> None:
    """A ledger line per SKU and warehouse; some also at sea (POE), which is no stock."""
    stamp = writing.stamp(hours=9)
    rows = [(sku.upc, house, stamp, _ledger(writing)) for sku in catalogue.SKUS for house in ("NJ1", "CA1")]
    rows += [(sku.upc, "POE", stamp, {"r1": 12}) for sku in catalogue.SKUS[::25]]
    rows[0] = (*rows[0][:3], WORKED_EXAMPLE)
    columns = ", ".join(f'"{name}"' for name in _COMPONENTS)
    writing.connection.executemany(
        f"INSERT INTO inventory (upc, location, last_mod, {columns}) VALUES ({', '.join('?' * 19)})",  # noqa: S608
        [(upc, house, at, *(ledger.get(name, 0) for name in _COMPONENTS)) for upc, house, at, ledger in rows],
    )


def _ledger(writing: _Writing) -> dict[str, int]:
    received = writing.dice.randint(0, 240)
    invoiced = writing.dice.randint(0, received // 3)
    return {
        "r1": received,
        "in": invoiced,
        "rt": writing.dice.randint(0, 3),
        "op": writing.dice.randint(0, 12),
        "pk": writing.dice.randint(0, 4),
        "wp": writing.dice.choice((0, 0, 0, 60)),
    }


# --- wholesale -------------------------------------------------------------------------------------------------


def _wholesale(writing: _Writing, count: int) -> list[tuple[Row, Row]]:
    """Orders of other channels, five to a posting cycle; each has a ``po_num``, none of them ours.

    What was asked for and the header it became, for each.
    """
    booked = []
    for place in range(count):
        cycle, cycles = place // 5, (count + 4) // 5
        stamp = writing.stamp(hours=24 + 24 * 60 * (cycles - cycle) // cycles)
        document = _wholesale_order(writing, place)
        booked.append((document, book(writing.connection, document, entered=stamp, stamp=stamp)))
    return booked


def _wholesale_order(writing: _Writing, place: int) -> Row:
    customer = writing.dice.choice(catalogue.WHOLESALE_CUSTOMERS)
    style = writing.dice.choice([style for style in catalogue.STYLES if style.active])
    colour = writing.dice.choice(style.colours)
    grid = [sku for sku in catalogue.SKUS if sku.style is style and sku.colour is colour]
    return {
        "customer": customer.code,
        "po_num": f"{customer.code}-{45_000 + place}",
        "division": style.division,
        "season": style.season,
        "location": "NJ1",
        "ord_type": "W",
        "ord_status": OPEN if place % 4 else "C",
        "shipper": "UPG",
        "terms": "N30",
        "curr_code": customer.currency,
        "frgt_amt": Decimal("35.00"),
        "orderaddress": {"rows": [_wholesale_address(customer, kind) for kind in ("BT", "ST")]},
        "orderdetail": {"rows": [_wholesale_line(writing, sku) for sku in grid]},
    }


def _wholesale_line(writing: _Writing, sku: catalogue.Sku) -> Row:
    half = (sku.style.price / 2).quantize(Decimal("0.01"))
    return {"upc": sku.upc, "ord_qty": 6 * writing.dice.randint(1, 8), "price": half}


def _wholesale_address(customer: catalogue.Customer, kind: str) -> Row:
    return {
        "addr_type": kind,
        "name": customer.name,
        "addr1": "1 Market Square",
        "addr2": "",
        "city": "Portland",
        "state": "OR",
        "zipcode": "97201",
        "country": "US",
        "email": f"orders@{customer.code.lower()}.example",
        "contact": "Receiving",
    }


# --- picks -----------------------------------------------------------------------------------------------------


def _picks(writing: _Writing, booked: list[tuple[Row, Row]]) -> None:
    """Pick tickets: with zero rows, and with one UPC on two lines (NOTES 2.1, 2.5)."""
    for place, (document, header) in enumerate(booked, 1):
        _pick(writing.connection, document, header, 300_000 + place)


def _pick(connection: sqlite3.Connection, document: Row, order: Row, pkey: int) -> None:
    header = {
        **{name: order.get(name, "") for name in _ECHOED},
        "pkey": pkey,
        "pick_num": f"{pkey - 300_000 + 50_000:07d}",
        "pick_date": order["last_mod"][:10],
        "inv_num": "",
        "notes": "",
    }
    wanted = document["orderdetail"]["rows"]
    split = [*wanted, {**wanted[0], "ord_qty": 2}]
    rows = [_pick_row(connection, header, line, place) for place, line in enumerate(split, 1)]
    addresses = [
        {**row, "pkey": pkey * 1_000 + 500 + n, "fkey": pkey} for n, row in enumerate(document["orderaddress"]["rows"])
    ]
    put(connection, "picks", header, {"pickdetail": {"rows": rows}, "pickaddress": {"rows": addresses}})


_ECHOED = (
    *("ord_num", "po_num", "altpo", "customer", "division", "department", "location", "end_date", "ord_type"),
    *("ord_status", "shipper", "curr_code", *AMOUNTS, "last_mod"),
)


def _pick_row(connection: sqlite3.Connection, header: Row, line: Row, place: int) -> Row:
    sku = sku_of(connection, line) or {}
    quantity = 0 if place % 4 == 0 else line["ord_qty"]
    return {
        **{name: sku.get(name, "") for name in ("style", "color_code", "lbl_code", "dimension", "size_desc")},
        "pkey": header["pkey"] * 1_000 + place,
        "fkey": header["pkey"],
        "line_seq": place,
        "pick_num": header["pick_num"],
        "org_color": sku.get("color_code", ""),
        "upc": line["upc"],
        "price": line["price"],
        "bk_qty": quantity,
        "total_qty": line["ord_qty"],
        "location": header["location"],
        "lot": "",
        "division": header["division"],
        "vas_serial_no": "",
        "notes": "",
    }
