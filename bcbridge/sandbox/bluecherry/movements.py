"""``POST /_sandbox/stock``: the warehouse, the buyers and the returns desk at work, a list of movements at a time.

All of one list happen in one transaction, at one moment, or none does. ``do`` says what; most name ``upc``,
``location``, ``lot`` ("" unless said) and ``qty``:

- ``adjust`` (SA, may be negative), ``receive`` (R1), ``receive_irregular`` (R2), ``return`` (RT; the location says
  whether it is resaleable), ``reserve`` (RS, may be negative), ``consume`` (CM), ``work_order`` (WP and ST),
  ``work_done`` (those pieces of a work order come in: WP and ST to R1);
- ``post``: any ``types`` at once, as ``{"op": -1, "pk": 1}``: for histories that nobody foresaw;
- ``set``: adjusts so that open to sell there is ``pieces``; with ``"only": true`` it is none everywhere else;
- ``order``: an order of the ERP's own trade, booked at once: ``lines`` of ``upc``, ``qty`` and perhaps ``location``;
  ``customer`` and ``ord_status`` may be said;
- ``pick``, ``unpick``, ``ship``, ``cancel`` (by the house), ``customer_cancel`` of the order ``ord_num`` (or
  ``po_num``): ``line_seq`` and ``qty``, or without them all that there is; ``hold`` and ``release`` of a whole order;
- ``amend``: line ``line_seq`` of an order has ``ord_qty`` from now on; ``add_line``: ``upc``, ``qty``, ``price`` and
  perhaps ``location``; ``readdress``: ``addr_type`` ("ST" unless said) and the fields that are others now;
  ``cancel_order``: all that is open of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bluecherry import amending, invoices, ledger, picks
from bcbridge.sandbox.bluecherry.accepting import decimal_of
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.ledger import Place
from bcbridge.sandbox.bluecherry.orders import OPEN, STEPS, Booked, book
from bcbridge.sandbox.bluecherry.pen import Pen

MOVEMENTS_CEILING = 10_000
"""Movements of one request."""

TYPES_OF: Mapping[str, Mapping[str, int]] = {
    "adjust": {"sa": 1},
    "receive": {"r1": 1},
    "receive_irregular": {"r2": 1},
    "return": {"rt": 1},
    "reserve": {"rs": 1},
    "consume": {"cm": 1},
    "work_order": {"wp": 1, "st": 1},
    "work_done": {"wp": -1, "st": -1, "r1": 1},
}
"""What one piece of each plain movement adds to the sums."""

MAY_BE_NEGATIVE = frozenset({"adjust", "reserve"})


def happen(connection: sqlite3.Connection, asked: object, pen: Pen) -> Row:
    """Makes the movements; says how many and what ``ord_num`` the orders among them got. ValueError for nonsense."""
    if not isinstance(asked, list) or not 0 < len(asked) <= MOVEMENTS_CEILING:
        raise ValueError(f"movements: a list of 1 to {MOVEMENTS_CEILING}")
    made = [_happen_one(connection, movement, pen) for movement in asked]
    return {"moved": len(made), "stamp": pen.stamp, "ord_nums": [number for number in made if number]}


def _happen_one(connection: sqlite3.Connection, movement: Row, pen: Pen) -> str:
    if not isinstance(movement, dict) or movement.get("do") not in DOINGS:
        raise ValueError(f"do: {', '.join(sorted(DOINGS))}")
    return DOINGS[movement["do"]](connection, movement, pen) or ""


def _whole(movement: Row, name: str, *, negative: bool = False) -> int:
    value = movement.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or (value < 1 and not negative):
        raise ValueError(f"{movement['do']}: {name} is {value!r}, not a number of pieces")
    return value


def _place(connection: sqlite3.Connection, movement: Row) -> Place:
    place = Place(str(movement.get("upc")), str(movement.get("location")), str(movement.get("lot", "")))
    if connection.execute("SELECT 1 FROM skus WHERE upc = ?", (place.upc,)).fetchone() is None:
        raise ValueError(f"{place.upc} is not on file")
    if "location" not in movement:
        raise ValueError(f"{movement['do']}: location is missing")
    return place


# --- plain movements -------------------------------------------------------------------------------------------


def _plain(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    name = movement["do"]
    pieces = _whole(movement, "qty", negative=name in MAY_BE_NEGATIVE)
    changes = {type_: sign * pieces for type_, sign in TYPES_OF[name].items()}
    ledger.move(connection, _place(connection, movement), changes, stamp=pen.stamp)


def _post(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    types = movement.get("types")
    if not isinstance(types, dict) or not types or not set(types) <= set(ledger.TYPES):
        raise ValueError(f"post: types of {', '.join(ledger.TYPES)}")
    changes = {name: int(pieces) for name, pieces in types.items()}
    ledger.move(connection, _place(connection, movement), changes, stamp=pen.stamp)


def _set(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    place = _place(connection, movement)
    wanted = _whole(movement, "pieces", negative=True)
    if movement.get("only"):
        for found in connection.execute("SELECT location, lot FROM inventory WHERE upc = ?", place[:1]).fetchall():
            _adjust_to(connection, Place(place.upc, *found), 0, pen)
    _adjust_to(connection, place, wanted, pen)


def _adjust_to(connection: sqlite3.Connection, place: Place, wanted: int, pen: Pen) -> None:
    missing = wanted - ledger.number(ledger.OTS, ledger.sums_at(connection, place))
    ledger.move(connection, place, {"sa": missing}, stamp=pen.stamp)


# --- orders ----------------------------------------------------------------------------------------------------


def _order(connection: sqlite3.Connection, movement: Row, pen: Pen) -> str:
    lines = movement.get("lines")
    if not isinstance(lines, list) or not lines:
        raise ValueError("order: lines are missing")
    document = trade_order(
        connection,
        [(str(line.get("upc")), _whole({"do": "order", **line}, "qty"), line.get("location", "")) for line in lines],
        customer=str(movement.get("customer", catalogue.WHOLESALE_CUSTOMERS[0].code)),
        location=str(movement.get("location", "NJ1")),
        status=str(movement.get("ord_status", OPEN)),
    )
    return str(book(connection, document, pen)["ord_num"])


def trade_order(
    connection: sqlite3.Connection, lines: list[tuple[str, int, str]], *, customer: str, location: str, status: str
) -> Row:
    """An order of the ERP's own trade: ``lines`` of UPC, pieces, and location ("": the order's)."""
    (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    for upc, _, _ in lines:
        if connection.execute("SELECT 1 FROM skus WHERE upc = ?", (upc,)).fetchone() is None:
            raise ValueError(f"{upc} is not on file")
    return {
        "customer": customer,
        "po_num": f"{customer}-{70_000 + count}",
        "location": location,
        "ord_type": "W",
        "ord_status": status,
        "shipper": "UPG",
        "terms": "N30",
        "orderdetail": {"rows": [_trade_line(*line) for line in lines]},
    }


def _trade_line(upc: str, pieces: int, location: str) -> Row:
    line: Row = {"upc": upc, "ord_qty": pieces, "price": Decimal("10.00")}
    return {**line, "location": location} if location else line


def _step(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    order = Booked.found(connection, _ord_num(connection, movement))
    pieces = list(_pieces(order, movement))
    if movement["do"] == "ship" and not pieces:
        raise ValueError(f"order {order.header['ord_num']} has nothing to ship")
    step_lines(connection, order, pieces, movement["do"], pen, tracks=_tracks(movement))


def _tracks(movement: Row) -> list[str] | None:
    """Tracking numbers, one a carton; None: the carrier's own."""
    said = movement.get("track_nos")
    if said is not None and not (isinstance(said, list) and all(isinstance(one, str) for one in said)):
        raise ValueError("track_nos: a list of texts")
    return said


def step_lines(
    connection: sqlite3.Connection,
    order: Booked,
    pieces: list[tuple[Row, int]],
    name: str,
    pen: Pen,
    *,
    tracks: list[str] | None = None,
) -> None:
    """One step of some lines of an order, and its papers: picking makes a ticket, shipping an invoice."""
    for line, count in pieces:
        order.step(connection, line, name, count, pen)
    order.keep(connection)
    if name == "pick":
        picks.write(connection, order, pieces, pen)
    elif name == "ship":
        numbers = tracks if tracks is not None else [invoices.track_of(connection, order.header["shipper"])]
        picks.invoice(connection, order, invoices.write(connection, order, pieces, numbers, pen), pen)


def _pieces(order: Booked, movement: Row) -> Iterator[tuple[Row, int]]:
    """Which pieces a step is for: those of the line it names, else all there are."""
    there = STEPS[movement["do"]].come_from
    if "line_seq" not in movement:
        yield from ((line, line[there]) for line in order.lines if line[there])
        return
    line = order.line(movement["line_seq"])
    yield line, _whole(movement, "qty") if "qty" in movement else line[there]


def _void(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    """What was invoiced by mistake is picked again."""
    number = str(movement.get("inv_num"))
    header, _ = invoices.found(connection, number)
    order = Booked.found(connection, header["ord_num"])
    by_seq = {line["line_seq"]: line for line in order.lines}
    for seq, pieces in invoices.void(connection, number, pen):
        order.step(connection, by_seq[seq], "unship", pieces, pen)
    order.keep(connection)


def _track(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    invoices.change_tracks(connection, str(movement.get("inv_num")), _tracks(movement) or [], pen)


def _ord_num(connection: sqlite3.Connection, movement: Row) -> str:
    if "po_num" not in movement:
        return str(movement.get("ord_num"))
    found = connection.execute("SELECT ord_num FROM orders WHERE po_num = ?", (movement["po_num"],)).fetchall()
    if len(found) != 1:
        raise ValueError(f"{len(found)} orders have the po_num {movement['po_num']}")
    return str(found[0][0])


def _turn(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    order = Booked.found(connection, _ord_num(connection, movement))
    order.turn(connection, OPEN if movement["do"] == "release" else pen.settings.held_status, pen)
    order.keep(connection)


# --- orders that are changed -----------------------------------------------------------------------------------


def _amend(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    order = Booked.found(connection, _ord_num(connection, movement))
    line = order.line(movement.get("line_seq"))
    amending.amend(connection, order, line, _whole(movement, "ord_qty", negative=True), pen)
    order.keep(connection)


def _add_line(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    order = Booked.found(connection, _ord_num(connection, movement))
    price = decimal_of(str(movement.get("price")))
    if price is None:
        raise ValueError(f"add_line: price is {movement.get('price')!r}, not an amount")
    said = {"upc": str(movement.get("upc")), "ord_qty": _whole(movement, "qty"), "price": price}
    row = {**said, "location": str(movement["location"])} if movement.get("location") else said
    amending.add_line(connection, order, row, pen)
    order.keep(connection)


def _readdress(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    order = Booked.found(connection, _ord_num(connection, movement))
    addr_type = movement.get("addr_type", "ST")
    fields = {name: str(movement[name]) for name in amending.ADDRESS_FIELDS if name in movement}
    if addr_type not in amending.ADDRESS_TYPES or not fields:
        raise ValueError(f"readdress: an addr_type of {', '.join(amending.ADDRESS_TYPES)}, and fields of an address")
    amending.readdress(order, addr_type, fields, pen)
    order.keep(connection)


def _cancel_order(connection: sqlite3.Connection, movement: Row, pen: Pen) -> None:
    order = Booked.found(connection, _ord_num(connection, movement))
    amending.cancel_order(connection, order, pen)
    order.keep(connection)


Doing = Callable[[sqlite3.Connection, Row, Pen], Any]

DOINGS: Mapping[str, Doing] = {
    **dict.fromkeys(TYPES_OF, _plain),
    **dict.fromkeys([name for name in STEPS if name != "unship"], _step),
    "post": _post,
    "set": _set,
    "order": _order,
    "hold": _turn,
    "release": _turn,
    "void": _void,
    "track": _track,
    "amend": _amend,
    "add_line": _add_line,
    "readdress": _readdress,
    "cancel_order": _cancel_order,
}
