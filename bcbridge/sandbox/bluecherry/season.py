"""The ERP as the season begins: masters, stock, and the wholesale orders of other channels."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bluecherry import ledger, picks
from bcbridge.sandbox.bluecherry.books import Row, put
from bcbridge.sandbox.bluecherry.ledger import Place
from bcbridge.sandbox.bluecherry.orders import CLOSED, OPEN, book, sku_of
from bcbridge.sandbox.bluecherry.pen import Pen
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings

WORKED_EXAMPLE = {
    "sa": 100, "rt": 5, "r1": 40, "r2": 2, "in": 30, "cm": 0, "pk": 10, "rs": 3,
    "op": 12, "dm": 0, "st": 20, "rv": 8, "ri": 4, "rp": 1, "ro": 2, "wp": 20,
}  # fmt: skip
"""NOTES 3: on hand 121, open to sell 92, with ship-to WIP 113. The first SKU in the first warehouse."""

_EXAMPLE = catalogue.SKUS[0]

ECHO_PKEY = 19_990

STYLES_OF_ONE_LOAD = 10
"""Styles that share one ``last_mod``, as after a mass update."""

_PICKS = 20
"""Wholesale orders that have a pick ticket."""


@dataclass(frozen=True)
class _Writing:
    """The season's own ink: where it is written, its chance, and its stamps."""

    connection: sqlite3.Connection
    dice: random.Random
    pen: Pen

    def stamp(self, **ago: int) -> str:
        return self.pen.earlier(timedelta(**ago)).stamp


def season_of(settings: BlueCherrySettings) -> Callable[[sqlite3.Connection, int], None]:
    """The function that writes the season, for these settings."""

    def season(connection: sqlite3.Connection, seed: int) -> None:
        writing = _Writing(connection, random.Random(seed), Pen(datetime.now(UTC), settings))
        _masters(writing)
        for place, style in enumerate(catalogue.STYLES):
            stamp = writing.stamp(days=40 - place // STYLES_OF_ONE_LOAD)
            grid = [sku for sku in catalogue.SKUS if sku.style is style]
            write_style(connection, style, grid, pkey=10_001 + place, stamp=stamp)
        echo = catalogue.ECHO
        write_style(connection, echo.style, [echo], pkey=ECHO_PKEY, stamp=writing.stamp(days=40))
        _stock(writing)
        booked = _wholesale(writing, settings.wholesale_orders)
        connection.execute("DELETE FROM oversold")  # the season's own trade is nobody's promise
        _picks(writing, booked[:_PICKS])

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


def write_style(
    connection: sqlite3.Connection, style: catalogue.Style, grid: list[catalogue.Sku], *, pkey: int, stamp: str
) -> None:
    """One style of the catalogue, with its grid, as the API shows it (NOTES 2.3)."""
    details = [_detail(style, colour, grid, pkey, place) for place, colour in enumerate(style.colours, 1)]
    put(connection, "styles", _style_header(style, pkey, stamp), {"styledetail": {"rows": details}})
    connection.executemany(
        "INSERT OR REPLACE INTO skus VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'Y')", [_sku_row(sku, pkey) for sku in grid]
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


def _stock(writing: _Writing) -> None:
    """A ledger line per SKU and warehouse, and what lies where there is no stock."""
    rows = [(Place(sku.upc, house), _ledger(writing)) for sku in catalogue.SKUS for house in ("NJ1", "CA1")]
    rows[0] = (rows[0][0], WORKED_EXAMPLE)
    stamp = writing.stamp(days=62)
    for place, sums in (*rows, *_odd_places()):
        ledger.move(writing.connection, place, sums, stamp=stamp)


def _odd_places() -> Iterator[tuple[Place, dict[str, int]]]:
    """At sea, at the vendor, nowhere, in quarantine; a second lot, which is stock; and the echo."""
    skus = catalogue.SKUS
    yield from ((Place(sku.upc, "POE"), {"r1": 12}) for sku in skus[::25])
    yield from ((Place(sku.upc, "FOB"), {"r1": 30}) for sku in skus[7::50])
    yield from ((Place(sku.upc, ""), {"sa": 4}) for sku in skus[9::60])
    yield from ((Place(sku.upc, "QRN"), {"rt": 2}) for sku in skus[5::30])
    yield from ((Place(sku.upc, "NJ1", "L2"), {"r1": 6}) for sku in skus[3::40])
    yield Place(catalogue.ECHO.upc, "NJ1"), {"sa": 0}


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
        pen = writing.pen.earlier(timedelta(hours=24 + 24 * 60 * (cycles - cycle) // cycles))
        document = _wholesale_order(writing, place)
        _receive_for(writing.connection, document, pen)
        booked.append((document, book(writing.connection, document, pen)))
    return booked


def _receive_for(connection: sqlite3.Connection, document: Row, pen: Pen) -> None:
    """What an open order of the season asks for came in for it: it takes nothing from what a shop may sell."""
    if document["ord_status"] == CLOSED:
        return
    for line in document["orderdetail"]["rows"]:
        ledger.move(connection, Place(line["upc"], document["location"]), {"r1": line["ord_qty"]}, stamp=pen.stamp)


def _wholesale_order(writing: _Writing, place: int) -> Row:
    customer = writing.dice.choice(catalogue.WHOLESALE_CUSTOMERS)
    style = writing.dice.choice([style for style in catalogue.STYLES if style.active])
    colour = writing.dice.choice(style.colours)
    grid = [sku for sku in catalogue.SKUS if sku.style is style and sku.colour is colour and sku is not _EXAMPLE]
    return {
        "customer": customer.code,
        "po_num": f"{customer.code}-{45_000 + place}",
        "division": style.division,
        "season": style.season,
        "location": "NJ1",
        "ord_type": "W",
        "ord_status": OPEN if place % 4 else CLOSED,
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
        _pick(writing.connection, document, header, picks.FIRST_PKEY + place - 1)


def _pick(connection: sqlite3.Connection, document: Row, order: Row, pkey: int) -> None:
    header = picks.header_of(order, pkey)
    wanted = document["orderdetail"]["rows"]
    split = [*wanted, {**wanted[0], "ord_qty": 2}]
    rows = [_pick_row(connection, header, line, place) for place, line in enumerate(split, 1)]
    picks.keep(connection, header, rows, document["orderaddress"]["rows"])


def _pick_row(connection: sqlite3.Connection, header: Row, line: Row, place: int) -> Row:
    pieces = 0 if place % 4 == 0 else line["ord_qty"]
    return picks.row_of(header, sku_of(connection, line) or {}, line, place, pieces)
