"""A clean day, and what may go wrong with it: each fault is put where no list and no webhook tells of it.

Books and store are edited on disk, stamps left alone, as a hand in the database or a lost record would.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from tests.e2e.world import World, call

DRESS, SKIRT = "040123000013", "040123000020"
CHANNEL = "shopify_us"
SETTINGS = f"doubt_seconds = 1\n[channels.{CHANNEL}.changes]\n[channels.{CHANNEL}.reconcile]\nyoung_minutes = 0"
OPEN = ("ready", "sending", "accepted", "in_doubt")
OF_AN_ORDER = (
    *("act_orders", "order_causes", "release_orders", "events", "booked_rows", "held_orders", "compared_sides"),
    *("asked_changes", "dispatched", "dispatches", "shipments", "leaving", "outbox"),
)
"""Tables of the store whose rows are an order's, by ``order_id``."""


# -- a day -------------------------------------------------------------------------------------------------------


def sold(one: World, *lines: Mapping[str, Any]) -> str:
    """An order by hand: its name."""
    return str(one.order(lines=list(lines or [{"sku": DRESS, "quantity": 2}]), location="New Jersey DC")["name"])


def does(one: World, name: str, *movements: Mapping[str, Any]) -> None:
    """The ERP's people at work on the order of this name."""
    reference = next(row["po_num"] for row in one.booked() if row["altpo"] == name)
    call(f"{one.erp}/_sandbox/stock", {"movements": [{"po_num": reference, **movement} for movement in movements]})


SOON = "strftime('%Y-%m-%dT%H:%M:%f', 'now', '+6 minutes')"


def quiet(one: World) -> bool:
    """Every order stands somewhere, and no work is under way or soon to come."""
    jobs = one.rows(f"SELECT 1 FROM jobs WHERE state = 'running' OR (state = 'waiting' AND due_at < {SOON})")
    return not jobs and not one.in_state(*OPEN)


def a_clean_day(one: World, orders: int) -> list[str]:
    """Some dozens of orders: sold, left unpaid, unbookable, dispatched in parts, cancelled in the shop and in the ERP.
    Returns those by hand that are booked and whole: the material of faults."""
    names = [sold(one) for _ in range(16)]
    both = [sold(one, {"sku": DRESS, "quantity": 3}, {"sku": SKIRT}) for _ in range(4)]
    one.sell_all(orders, seed=11, simple=True)
    one.order(lines=[{"sku": DRESS}], location="New Jersey DC", discounts=[{"code": "NOBODYKNOWS", "percent": "10"}])
    one.order(lines=[{"sku": DRESS}], location="New Jersey DC", tenders=[])
    one.comes(lambda: {*names, *both} <= one.in_state("booked"), "all by hand are booked")
    does(one, both[0], {"do": "pick"}, {"do": "ship", "line_seq": 1, "qty": 2, "track_nos": ["1ZA"]})
    does(one, both[1], {"do": "pick"}, {"do": "ship", "track_nos": ["1ZB", "1ZC"]})
    one.change(both[2], "cancel")
    does(one, both[2], {"do": "cancel_order"})
    does(one, both[3], {"do": "cancel_order"})
    one.comes(lambda: bool(shop_order(one, both[3])["cancelledAt"]), "what the ERP cancelled is cancelled in the shop")
    one.comes(lambda: len(shown(one, both[1])) == 1 and len(shown(one, both[0])) == 1, "what left is told")
    one.comes(lambda: len(one.states()) == len(one.sold()), "every order is seen")
    one.comes(lambda: quiet(one), "all is quiet")
    one.comes(lambda: one.incidents().count("cancelled_not_stopped") == 0, "the cancelled one is stopped")
    for name in names:
        age(one, name)
    return names


def shop_order(one: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = call(f"{one.shop}/_sandbox/orders/{name.lstrip('#')}")
    return found


def shown(one: World, name: str) -> list[dict[str, Any]]:
    """Fulfilments that the shop shows."""
    return [made for made in shop_order(one, name)["fulfillments"] if made["status"] == "SUCCESS"]


# -- the books, by hand ------------------------------------------------------------------------------------------


def edit(one: World, system: str, *statements: tuple[str, Sequence[object]]) -> None:
    """Of ``store``, or of a system of the sandbox, while it runs."""
    path = one.store if system == "store" else one.folder / f"var/sandbox/{system}.db"
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        for statement, parameters in statements:
            assert connection.execute(statement, parameters).rowcount != 0 or system == "store", statement


def document(one: World, name: str) -> dict[str, Any]:
    return next(row for row in one.booked() if row["altpo"] == name)


def rewrite(one: World, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """The rows of the ERP's document, changed under its old stamp."""
    key = document(one, name)["pkey"]
    with closing(sqlite3.connect(one.folder / "var/sandbox/bluecherry.db", timeout=20)) as connection, connection:
        (text,) = connection.execute("SELECT children FROM orders WHERE pkey = ?", (key,)).fetchone()
        children = json.loads(text)
        change(children)
        connection.execute("UPDATE orders SET children = ? WHERE pkey = ?", (json.dumps(children), key))


def age(one: World, name: str) -> None:
    """The ERP's document was last changed an hour ago: no list of what changed reaches back so far."""
    held = document(one, name)
    change = "UPDATE orders SET header = json_set(header, '$.last_mod', ?) WHERE pkey = ?"
    edit(one, "bluecherry", (change, (before(held["last_mod"]), held["pkey"])))


def before(stamp: str) -> str:
    """An hour earlier, as the ERP writes it."""
    moment = datetime.fromisoformat(stamp) - timedelta(hours=1)
    return moment.isoformat(sep=stamp[10], timespec="seconds")


def copy(one: World, name: str, **other: str) -> None:
    """The ERP's document once more, with some fields of its own."""
    key = document(one, name)["pkey"]
    paths = [part for field, value in other.items() for part in (f"$.{field}", value)]
    header = f"json_set(header, '$.pkey', pkey + 900000, {', '.join('?' * len(paths))})"
    columns = f"pkey + 900000, {header}, children"
    statement = f"INSERT INTO orders (pkey, header, children) SELECT {columns} FROM orders WHERE pkey = ?"
    edit(one, "bluecherry", (statement, (*paths, key)))


def vanish(one: World, name: str) -> None:
    """The ERP's document is gone."""
    edit(one, "bluecherry", ("DELETE FROM orders WHERE pkey = ?", (document(one, name)["pkey"],)))


def forget(one: World, name: str, *, whole: bool) -> None:
    """What the store knows of an order; ``whole``: the order itself, too."""
    of = "(SELECT id FROM orders WHERE name = ?)"
    there = {row["name"] for row in one.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    statements = [(f"DELETE FROM {table} WHERE order_id = {of}", (name,)) for table in OF_AN_ORDER if table in there]
    if whole:
        refs = "(SELECT ref FROM orders WHERE name = ?)"
        statements += [(f"DELETE FROM {table} WHERE ref = {refs}", (name,)) for table in ("documents", "jobs")]
        statements.append(("DELETE FROM orders WHERE name = ?", (name,)))
    edit(one, "store", *statements)


# -- faults ------------------------------------------------------------------------------------------------------


def not_seen(one: World, name: str) -> None:
    vanish(one, name)
    forget(one, name, whole=True)


def not_booked(one: World, name: str) -> None:
    vanish(one, name)
    forget(one, name, whole=False)
    edit(one, "store", ("UPDATE orders SET state = 'never', code = 'test', booked_at = NULL WHERE name = ?", (name,)))


def twice(one: World, name: str) -> None:
    copy(one, name, ord_num="0999001")


def unknown(one: World, name: str) -> None:
    copy(one, name, ord_num="0999002", po_num="SUS99999999999P1G1")


def dearer(one: World, name: str) -> None:
    rewrite(one, name, lambda children: children["orderdetail"]["rows"][0].update(price=999.5))


def fewer(one: World, name: str) -> None:
    rewrite(one, name, lambda children: children["orderdetail"]["rows"][0].update(ord_qty=1, total_qty=1, open_qty=1))


def elsewhere(one: World, name: str) -> None:
    def move(children: dict[str, Any]) -> None:
        next(row for row in children["orderaddress"]["rows"] if row["addr_type"] == "ST")["addr1"] = "2 Other Street"

    rewrite(one, name, move)


def not_stopped(one: World, name: str) -> None:
    one.change(name, "cancel")
    one.comes(lambda: "cancelled_not_stopped" in one.incidents(), "the cancellation is noticed")


def on_hold(one: World, name: str) -> None:
    one.change(name, "hold", reason="HIGH_RISK_OF_FRAUD")
    one.comes(lambda: "order_differs" in one.incidents(), "the hold is noticed")


def shipment_lost(one: World, name: str) -> None:
    ship(one, name)
    an_hour_ago = "UPDATE invoices SET header = json_set(header, '$.last_mod', ?) WHERE ord_num = ?"
    held = document(one, name)
    edit(one, "bluecherry", (an_hour_ago, (before(held["last_mod"]), held["ord_num"])))
    edit(one, "store", ("DELETE FROM shipments WHERE order_id = (SELECT id FROM orders WHERE name = ?)", (name,)))


def ship(one: World, name: str) -> None:
    does(one, name, {"do": "pick"}, {"do": "ship", "track_nos": [f"1Z{name.lstrip('#')}"]})
    one.comes(lambda: len(shown(one, name)) == 1, "it is told")
    one.comes(lambda: quiet(one), "and that is known")


def not_told(one: World, name: str) -> None:
    """Left while the shop held it; released where nobody who tells dispatches hears of it."""
    one.change(name, "hold", reason="OTHER")
    does(one, name, {"do": "pick"}, {"do": "ship", "track_nos": ["1ZHELD"]})
    one.comes(lambda: "dispatch_blocked" in one.incidents(), "it is not told while it is held")
    one.change(name, "release")
    one.comes(lambda: quiet(one), "the release is noticed")


def taken_back(one: World, name: str) -> None:
    ship(one, name)
    made = [{**shown_, "status": "CANCELLED"} for shown_ in shop_order(one, name)["fulfillments"]]
    patch(one, name, fulfillments=made)


def by_hand(one: World, name: str) -> None:
    """Somebody fulfils it in the shop's admin; the ERP shipped nothing."""
    order = shop_order(one, name)
    lines = [{"id": f"{line['id']}/f", "lineItem": {"id": line["id"]}, "quantity": 2} for line in order["lineItems"]]
    made = {
        "id": "gid://shopify/Fulfillment/999000001",
        "legacyResourceId": "999000001",
        "name": f"{name}-F1",
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        "createdAt": order["updatedAt"],
        "updatedAt": order["updatedAt"],
        "location": None,
        "trackingInfo": [],
        "totalQuantity": 2,
        "fulfillmentLineItems": lines,
    }
    patch(one, name, fulfillments=[made])


def gone(one: World, name: str) -> None:
    edit(one, "shopify", ("DELETE FROM orders WHERE name = ?", (name,)))


def patch(one: World, name: str, **fields: object) -> None:
    """The shop's order, changed where no stamp moves and nothing rings."""
    url = f"{one.shop}/_sandbox/orders/{name.lstrip('#')}"
    call(url, {**fields, "touch": False, "topics": []}, method="PATCH")


FAULTS: tuple[tuple[str, Callable[[World, str], None]], ...] = (
    ("not_seen", not_seen),
    ("not_booked", not_booked),
    ("missing_in_erp", vanish),
    ("twice_in_erp", twice),
    ("unknown_in_erp", unknown),
    ("amounts_differ", dearer),
    ("pieces_differ", fewer),
    ("address_differs", elsewhere),
    ("not_stopped", not_stopped),
    ("status_differs", on_hold),
    ("shipment_not_read", shipment_lost),
    ("dispatch_not_told", not_told),
    ("dispatch_not_told", taken_back),
    ("dispatch_not_in_erp", by_hand),
    ("gone_from_channel", gone),
)
"""What each is found as, and how it is put there."""


def seed(one: World, names: Sequence[str]) -> set[tuple[str, str]]:
    """Every fault, each with an order of its own; returns what is to be found: kind, order."""
    for (_, fault), name in zip(FAULTS, names, strict=False):
        fault(one, name)
    one.comes(lambda: quiet(one), "what noticed a fault has told of it")
    return {(kind, name) for (kind, _), name in zip(FAULTS, names, strict=False)}
