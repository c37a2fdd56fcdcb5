"""Dispatches from end to end, on real processes: what the ERP ships is told to the shop once, piece by piece.

Judged from the books: the ERP's ``orders`` (pieces invoiced of each line) against the shop's ``fulfillments``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import World, call, world

pytestmark = pytest.mark.timeout(240)

DRESS, SKIRT = "040123000013", "040123000020"
NOT_TOLD = "SELECT count(*) AS many FROM dispatched WHERE owed > 0 OR problems <> '[]'"

BLOCKED = "SELECT name FROM dispatched JOIN orders ON orders.id = order_id WHERE dispatched.problems <> '[]'"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("dispatches"), dispatches="doubt_seconds = 1", public=True) as selling:
        selling.run_bridge()
        yield selling


def booked(one: World, *lines: dict[str, Any]) -> str:
    """Sold and booked: its name."""
    name = str(one.order(lines=list(lines), location="New Jersey DC")["name"])
    one.comes(lambda: name in one.in_state("booked"), f"{name} is booked")
    return name


def does(one: World, name: str, *movements: dict[str, Any]) -> None:
    """The ERP's people at work on the order of this name."""
    number = next(row["po_num"] for row in one.booked() if row["altpo"] == name)
    call(f"{one.erp}/_sandbox/stock", {"movements": [{"po_num": number, **movement} for movement in movements]})


def shown(one: World, name: str) -> list[dict[str, Any]]:
    """Fulfilments that the shop shows."""
    order = call(f"{one.shop}/_sandbox/orders/{name.lstrip('#')}")
    return [made for made in order["fulfillments"] if made["status"] == "SUCCESS"]


def pieces(fulfilments: list[dict[str, Any]]) -> list[int]:
    return [sum(line["quantity"] for line in made["fulfillmentLineItems"]) for made in fulfilments]


def tracks(fulfilments: list[dict[str, Any]]) -> list[list[str]]:
    return [[info["number"] for info in made["trackingInfo"]] for made in fulfilments]


def problems(one: World, name: str) -> list[str]:
    rows = one.rows(
        "SELECT json_extract(value, '$.code') AS code FROM dispatched, json_each(problems)"
        " WHERE order_id = (SELECT id FROM orders WHERE name = ?)",
        name,
    )
    return [row["code"] for row in rows]


def judged(one: World) -> None:
    """Every piece that left is shown once, in every shop order that nobody is to judge."""
    blocked = {row["name"] for row in one.rows(BLOCKED)}
    left: Counter[tuple[str, str]] = Counter()
    for document in [document for document in one.booked() if document["altpo"] not in blocked]:
        for line in document["orderdetail"]["rows"]:
            left[document["altpo"], line["upc"]] += line["inv_qty"]
    told: Counter[tuple[str, str]] = Counter()
    for order in one.books(one.shop, "orders"):
        skus = {line["id"]: line["sku"] for line in order["lineItems"]}
        for made in order["fulfillments"]:
            for line in made["fulfillmentLineItems"]:
                told[order["name"], skus[line["lineItem"]["id"]]] += line["quantity"]
    assert +left == +told


def test_pieces_that_leave_in_parts_are_told_in_parts(one: World) -> None:
    name = booked(one, {"sku": DRESS, "quantity": 3}, {"sku": SKIRT, "quantity": 1})
    does(one, name, {"do": "pick"}, {"do": "ship", "line_seq": 1, "qty": 2, "track_nos": ["1ZA", "1ZB"]})
    one.comes(lambda: pieces(shown(one, name)) == [2], "the first part is told")
    does(one, name, {"do": "ship", "track_nos": ["1ZC"]})
    one.comes(lambda: pieces(shown(one, name)) == [2, 2], "the rest is told")
    found = shown(one, name)
    assert tracks(found) == [["1ZA", "1ZB"], ["1ZC"]]
    assert {info["company"] for made in found for info in made["trackingInfo"]} == {"UPS"}
    order = call(f"{one.shop}/_sandbox/orders/{name.lstrip('#')}")
    assert order["displayFulfillmentStatus"] == "FULFILLED"
    assert len(order["_sandbox"]["mails"]) == 2
    one.comes(lambda: one.rows(NOT_TOLD)[0]["many"] == 0, "nothing is owed")
    judged(one)


def test_our_own_fulfilment_is_no_change_of_the_order(one: World) -> None:
    name = booked(one, {"sku": DRESS})
    does(one, name, {"do": "pick"}, {"do": "ship"})
    one.comes(lambda: pieces(shown(one, name)) == [1], "it is told")
    again = booked(one, {"sku": DRESS})  # whatever the shop lists after it has been looked at
    one.comes(lambda: again in one.in_state("booked"), "the next one is booked")
    assert "changed_after_booking" not in one.codes(name)
    assert not [kind for kind in one.events_of(name) if "changed" in kind]


@pytest.mark.parametrize("fault", ["fulfil_answer_lost", "fulfil_call_lost"])
def test_a_call_without_an_answer_is_told_once(one: World, fault: str) -> None:
    name = booked(one, {"sku": DRESS, "quantity": 2})
    one.faults(one.shop, once={fault: 1})
    does(one, name, {"do": "pick"}, {"do": "ship", "qty": 1, "line_seq": 1, "track_nos": ["X"]})
    one.comes(lambda: pieces(shown(one, name)) == [1], "it is told")
    does(one, name, {"do": "ship", "track_nos": ["X"]})
    one.comes(lambda: pieces(shown(one, name)) == [1, 1], "the other piece is told, under the same number")
    one.comes(lambda: one.rows(NOT_TOLD)[0]["many"] == 0, "nothing is owed")
    judged(one)


def test_a_shipment_without_a_number_waits_for_it(one: World) -> None:
    name = booked(one, {"sku": DRESS})
    does(one, name, {"do": "pick"}, {"do": "ship", "track_nos": []})
    one.comes(lambda: problems(one, name) == ["no_tracking"], "it is blocked")
    assert shown(one, name) == []
    number = next(row["inv_num"] for row in one.books(one.erp, "invoices") if row["altpo"] == name)
    call(f"{one.erp}/_sandbox/stock", {"movements": [{"do": "track", "inv_num": number, "track_nos": ["LATE"]}]})
    one.comes(lambda: tracks(shown(one, name)) == [["LATE"]], "it is told with its number")
    one.comes(lambda: problems(one, name) == [], "and no longer blocked")


def test_what_is_held_in_the_shop_is_a_persons_and_goes_when_it_is_released(one: World) -> None:
    name = booked(one, {"sku": DRESS})
    one.change(name, "hold", reason="HIGH_RISK_OF_FRAUD")
    does(one, name, {"do": "pick"}, {"do": "ship"})
    one.comes(lambda: problems(one, name) == ["dispatched_though_held"], "it is blocked")
    assert shown(one, name) == []


def test_a_killed_bridge_tells_it_once(one: World) -> None:
    names = [booked(one, {"sku": DRESS, "quantity": 2}) for _ in range(4)]
    for name in names:
        does(one, name, {"do": "pick"}, {"do": "ship", "line_seq": 1, "qty": 1})
    one.comes(lambda: any(shown(one, name) for name in names), "one is told")
    one.kill_bridge()
    for name in names:
        does(one, name, {"do": "ship"})
    one.run_bridge()
    one.comes(lambda: all(pieces(shown(one, name)) == [1, 1] for name in names), "all are told, each part once")
    judged(one)
