"""A sales order as the ERP holds it: how a posted document becomes a header and its children, and how its pieces go on.

Every piece of a line is open, picked, invoiced or cancelled. While its order commits stock, the ledger knows the
same: booking raises OP, picking moves it to PK, invoicing to IN (only then does QOH fall), a cancel takes it off, the
customer's (CC) as the house's (CH).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bluecherry import ledger
from bcbridge.sandbox.bluecherry.accepting import AMOUNTS, COLLECTIONS, rows_of
from bcbridge.sandbox.bluecherry.books import Row, next_pkey, put
from bcbridge.sandbox.bluecherry.ledger import Place
from bcbridge.sandbox.bluecherry.pen import Pen

FIRST_PKEY = 200_001
FIRST_NUMBER = 100_001
"""``ord_num`` and ``pkey`` are counted apart, so that taking one for the other shows."""

OPEN = "O"
CLOSED = "C"
"""An order that comes into the books closed is history: its pieces left long ago."""

HOUSE_ACCOUNTS = frozenset(account.code for account in catalogue.HOUSE_ACCOUNTS)

_PARTS = ("division", "style", "color_code", "lbl_code", "dimension", "size_desc", "upc")

_USUAL = {
    "division": "",
    "department": "",
    "season": "",
    "store": "",
    "location": "",
    "altpo": "",
    "ord_type": "",
    "shipper": "",
    "terms": "",
    "start_date": "",
    "end_date": "",
    "curr_code": "USD",
    **dict.fromkeys(AMOUNTS, Decimal("0.00")),
}


def sku_of(connection: sqlite3.Connection, line: Row) -> Row | None:
    """The SKU a line means: by its UPC, or else by its parts. With ``active_ok`` of its style and colour."""
    if line.get("upc"):
        found = connection.execute(f"{_SKU} WHERE k.upc = ?", (line["upc"],)).fetchall()
    else:
        parts = [str(line.get(name) or "") for name in ("style", "color_code", "size_desc", "lbl_code", "dimension")]
        found = connection.execute(f"{_SKU} WHERE {_BY_PARTS}", parts).fetchall()
    return dict(zip((*_PARTS, "active_ok"), found[0], strict=True)) if len(found) == 1 else None


_SKU = """
SELECT k.division, k.style, k.color_code, k.lbl_code, k.dimension, k.size_desc, k.upc,
       min(json_extract(s.header, '$.active_ok'), k.active_ok)
FROM skus AS k JOIN styles AS s ON s.pkey = k.style_pkey"""
_BY_PARTS = "k.style = ? AND k.color_code = ? AND k.size_desc = ? AND k.lbl_code = ? AND k.dimension = ?"


# --- booking ---------------------------------------------------------------------------------------------------


def book(connection: sqlite3.Connection, document: Row, pen: Pen, *, entered: str = "") -> Row:
    """Makes the sales order and returns its header: what was sent, keys, status, and the ERP's own stamps.

    Its pieces are taken from stock in the same transaction, unless its status is a held one. ``entered`` is
    ``orgentdate``, ERP-local; the pen's stamp every ``last_mod``.
    """
    pkey = next_pkey(connection, "orders", FIRST_PKEY)
    sent = {name: value for name, value in document.items() if name not in COLLECTIONS}
    header: Row = {
        **_USUAL,
        **sent,
        "pkey": pkey,
        "ord_num": f"{pkey - FIRST_PKEY + FIRST_NUMBER:07d}",
        "ord_status": document.get("ord_status") or OPEN,
        "orgentdate": entered or pen.stamp,
        "last_mod": pen.stamp,
    }
    lines = [line_of(connection, header, row, place) for place, row in enumerate(rows_of(document, "orderdetail"), 1)]
    header["total_qty"] = sum(line["ord_qty"] for line in lines)
    order = Booked(header, _children(document, header, lines))
    order.commit_open(connection, pen)
    order.keep(connection)
    return header


def line_of(connection: sqlite3.Connection, header: Row, row: Row, place: int) -> Row:
    """A line as it comes into the books, without keys and stamp."""
    sku = sku_of(connection, row) or {}
    quantity = row["ord_qty"]
    gone = header["ord_status"] == CLOSED
    return {
        "line_seq": place,
        **row,
        "location": row.get("location") or header["location"],
        **{name: value for name, value in sku.items() if name in _PARTS},
        "ord_num": header["ord_num"],
        "open_qty": 0 if gone else quantity,
        "pick_qty": 0,
        "inv_qty": quantity if gone else 0,
        "cxl_qty": 0,
        "total_qty": quantity,
    }


def _children(document: Row, header: Row, lines: list[Row]) -> dict[str, Any]:
    """Every collection under ``rows``; each row with a key of its own and the header's as ``fkey``."""
    collections = {name: rows_of(document, name) for name in COLLECTIONS} | {"orderdetail": lines}
    children: dict[str, Any] = {}
    key = header["pkey"] * 1_000
    for name, rows in collections.items():
        keyed = [{**row, "pkey": key + place, "fkey": header["pkey"]} for place, row in enumerate(rows, 1)]
        stamped = [{**row, "last_mod": header["last_mod"]} for row in keyed] if name == "orderdetail" else keyed
        children[name] = {"rows": stamped}
        key += len(rows)
    return children


# --- the life of its pieces ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Pieces of a line go from one of its quantities to another; what the ledger makes of each."""

    come_from: str
    go_to: str
    types: Mapping[str, int]
    history: str = ""
    """The transaction type under which the order's history keeps it, where no sum of the ledger does."""


STEPS: Mapping[str, Step] = {
    "pick": Step("open_qty", "pick_qty", {"op": -1, "pk": 1}),
    "unpick": Step("pick_qty", "open_qty", {"pk": -1, "op": 1}),
    "ship": Step("pick_qty", "inv_qty", {"pk": -1, "in": 1}),
    "unship": Step("inv_qty", "pick_qty", {"in": -1, "pk": 1}),
    "cancel": Step("open_qty", "cxl_qty", {"op": -1}, ledger.HOUSE_CANCEL),
    "customer_cancel": Step("open_qty", "cxl_qty", {"op": -1}, ledger.CUSTOMER_CANCEL),
}


@dataclass
class Booked:
    """A sales order taken out of the books; `keep` puts it back."""

    header: Row
    children: dict[str, Any]

    @classmethod
    def found(cls, connection: sqlite3.Connection, ord_num: str) -> Booked:
        """Raises ValueError where there is none."""
        found = connection.execute("SELECT header, children FROM orders WHERE ord_num = ?", (ord_num,)).fetchone()
        if found is None:
            raise ValueError(f"there is no order {ord_num}")
        return cls(json.loads(found[0], parse_float=Decimal), json.loads(found[1], parse_float=Decimal))

    @property
    def lines(self) -> list[Row]:
        rows: list[Row] = self.children["orderdetail"]["rows"]
        return rows

    def line(self, line_seq: object) -> Row:
        """Raises ValueError where it has no such line."""
        for line in self.lines:
            if line["line_seq"] == line_seq:
                return line
        raise ValueError(f"order {self.header['ord_num']} has no line {line_seq}")

    def commits(self, pen: Pen) -> bool:
        """Whether its open pieces are taken from stock: a held order's are not."""
        return bool(self.header["ord_status"] != pen.settings.held_status)

    def commit_open(self, connection: sqlite3.Connection, pen: Pen) -> None:
        for line in self.lines:
            self.take(connection, line, line["open_qty"], pen)

    def take(self, connection: sqlite3.Connection, line: Row, pieces: int, pen: Pen) -> None:
        """So many pieces of a line more are open, or fewer: the ledger knows, where the order commits stock."""
        if not pieces or not self.commits(pen):
            return
        house = self.header["customer"] in HOUSE_ACCOUNTS
        if pieces > 0:
            ledger.commit_open(connection, _place(line), pieces, stamp=pen.stamp, at=pen.at, house=house)
        else:
            ledger.move(connection, _place(line), {"op": pieces}, stamp=pen.stamp)

    def step(self, connection: sqlite3.Connection, line: Row, name: str, pieces: int, pen: Pen) -> None:
        """Moves pieces of one of its lines; ValueError where it has not so many, or is held."""
        step = STEPS[name]
        if not 0 < pieces <= line[step.come_from]:
            raise ValueError(f"order {self.header['ord_num']} line {line['line_seq']} cannot {name} {pieces} pieces")
        committed = self.commits(pen)
        if not committed and not step.history:
            raise ValueError(f"order {self.header['ord_num']} is held")
        line[step.come_from] -= pieces
        line[step.go_to] += pieces
        line["last_mod"] = self.header["last_mod"] = pen.stamp
        if committed:
            moved = {type_: sign * pieces for type_, sign in step.types.items()}
            ledger.move(connection, _place(line), moved, stamp=pen.stamp)
        if step.history:
            values = (pen.at, self.header["ord_num"], line["line_seq"], line.get("upc") or "", line["location"])
            connection.execute(_CANCELLED, (*values, step.history, pieces))

    def turn(self, connection: sqlite3.Connection, status: str, pen: Pen) -> None:
        """Gives it another status: what is held frees its open pieces, what is released takes them."""
        before = self.commits(pen)
        self.header["ord_status"] = status
        self.header["last_mod"] = pen.stamp
        if before and not self.commits(pen):
            if any(line["pick_qty"] for line in self.lines):
                raise ValueError(f"order {self.header['ord_num']} is being picked")
            for line in self.lines:
                ledger.move(connection, _place(line), {"op": -line["open_qty"]}, stamp=pen.stamp)
        elif not before:
            self.commit_open(connection, pen)

    def keep(self, connection: sqlite3.Connection) -> None:
        put(connection, "orders", self.header, self.children)
        values = (self.header["pkey"], self._sum("open_qty"), self._sum("pick_qty"), self.header["ord_status"])
        connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?)", values)

    def _sum(self, name: str) -> int:
        return sum(line[name] for line in self.lines)


_CANCELLED = """
INSERT INTO cancels (at, ord_num, line_seq, upc, location, rec_type, pieces) VALUES (?, ?, ?, ?, ?, ?, ?)"""


def _place(line: Row) -> Place:
    return Place(line.get("upc") or "", line["location"])
