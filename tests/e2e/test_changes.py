"""Changes after booking from end to end, on real processes: both sides end up the same, or a person is told in words.

The ERP's profile names a write for corrections here, which BlueCherry does not document; what is left to a person
without it is in tests/flows/changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import World, call, world

pytestmark = pytest.mark.timeout(240)

DRESS, SKIRT = "040123000013", "040123000020"
PROFILE = '[connections.bluecherry.profile]\norder_changes = "orderchange"\n'


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("changes")
    simulated = {"change_path": "orderchange"}
    tables = "doubt_seconds = 1\n[channels.shopify_us.changes]"  # of dispatches, and of changes behind it
    with world(folder, dispatches=tables, erp_settings=PROFILE, simulated_erp=simulated) as selling:
        selling.run_bridge()
        yield selling


def sold(one: World, *lines: dict[str, Any]) -> str:
    return str(one.order(lines=list(lines), location="New Jersey DC")["name"])


def booked(one: World, *lines: dict[str, Any]) -> str:
    """Sold and booked: its name."""
    name = sold(one, *lines)
    one.comes(lambda: name in one.in_state("booked"), f"{name} is booked")
    return name


def document(one: World, name: str) -> dict[str, Any]:
    return next(row for row in one.booked() if row["altpo"] == name)


def does(one: World, name: str, *movements: dict[str, Any]) -> None:
    """The ERP's people at work on the order of this name."""
    number = document(one, name)["po_num"]
    call(f"{one.erp}/_sandbox/stock", {"movements": [{"po_num": number, **movement} for movement in movements]})


def held(one: World, name: str) -> dict[str, tuple[int, int]]:
    """What the ERP holds of each SKU: still wanted, cancelled."""
    rows = document(one, name)["orderdetail"]["rows"]
    return {row["upc"]: (row["ord_qty"] - row["cxl_qty"], row["cxl_qty"]) for row in rows}


def shop_order(one: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = call(f"{one.shop}/_sandbox/orders/{name.lstrip('#')}")
    return found


def told(one: World, name: str) -> list[str]:
    """Codes of incidents that stand about it."""
    rows = one.rows(
        "SELECT code FROM incidents WHERE closed_at IS NULL AND order_id = (SELECT id FROM orders WHERE name = ?)", name
    )
    return sorted(row["code"] for row in rows)


def test_an_order_cancelled_in_the_shop_is_cancelled_in_the_erp(one: World) -> None:
    name = booked(one, {"sku": DRESS, "quantity": 2}, {"sku": SKIRT})
    one.change(name, "cancel")
    one.comes(lambda: held(one, name) == {DRESS: (0, 2), SKIRT: (0, 1)}, "the ERP has cancelled it")
    one.comes(lambda: "change_accepted" in one.events_of(name), "the ERP was asked")
    assert told(one, name) == []


def test_a_cancellation_that_meets_a_document_on_its_way_waits_and_acts_on_the_posted_one(one: World) -> None:
    one.faults(one.erp, rates={"posting_stopped": 1})
    name = sold(one, {"sku": DRESS})
    one.comes(lambda: name in one.in_state("accepted"), f"{name} is on its way")
    one.change(name, "cancel")
    one.comes(lambda: "changed_after_booking" in one.events_of(name), "the cancellation was seen")
    one.faults(one.erp, rates={"posting_stopped": 0})
    one.comes(lambda: name in one.booked_names() and held(one, name) == {DRESS: (0, 1)}, "it is booked and cancelled")


def test_the_race_with_the_pick_is_decided_by_the_erp_and_told(one: World) -> None:
    name = booked(one, {"sku": DRESS, "quantity": 2}, {"sku": SKIRT})
    does(one, name, {"do": "pick", "line_seq": 1, "qty": 2})
    one.change(name, "cancel")
    one.comes(lambda: told(one, name) == ["cancelled_not_stopped"], "somebody is told")
    one.comes(lambda: held(one, name) == {DRESS: (2, 0), SKIRT: (0, 1)}, "what is not picked is cancelled")
    does(one, name, {"do": "unpick"}, {"do": "cancel"})
    one.comes(lambda: told(one, name) == [], "it is over when the ERP has stopped it")


def test_an_order_cancelled_in_the_erp_is_cancelled_in_the_shop_and_its_money_is_due(one: World) -> None:
    name = booked(one, {"sku": DRESS}, {"sku": SKIRT})
    does(one, name, {"do": "cancel"})
    one.comes(lambda: shop_order(one, name)["cancelledAt"] is not None, "the shop has cancelled it")
    one.comes(lambda: told(one, name) == ["refund_due"], "the money is somebody's")
    refunded = [row for row in shop_order(one, name)["transactions"] if row["kind"] == "REFUND"]
    assert refunded == []


def test_a_line_cancelled_in_the_erp_is_taken_off_in_the_shop(one: World) -> None:
    name = booked(one, {"sku": DRESS, "quantity": 2}, {"sku": SKIRT})
    does(one, name, {"do": "cancel", "line_seq": 1, "qty": 1})

    def pieces() -> dict[str, int]:
        return {line["sku"]: line["currentQuantity"] for line in shop_order(one, name)["lineItems"]}

    one.comes(lambda: pieces() == {DRESS: 1, SKIRT: 1}, "the shop has one dress less")
    one.comes(lambda: told(one, name) == ["refund_due"], "its money is somebody's")
    assert held(one, name) == {DRESS: (1, 1), SKIRT: (1, 0)}


def test_more_pieces_in_the_erp_are_a_persons_who_may_agree(one: World) -> None:
    name = booked(one, {"sku": DRESS})
    does(one, name, {"do": "amend", "line_seq": 1, "ord_qty": 2})
    one.comes(lambda: told(one, name) == ["order_differs"], "somebody is told")
    one.did("agree", name, "--why", "one as a gift", "--yes")
    assert told(one, name) == []


def test_what_we_asked_for_ourselves_is_no_news(one: World) -> None:
    """Whatever came back of all that: nothing is asked for any more."""
    again = booked(one, {"sku": DRESS})
    one.comes(lambda: again in one.in_state("booked"), "the lists were read")
    one.comes(
        lambda: not one.rows("SELECT 1 FROM jobs WHERE flow = 'changes' AND state IN ('waiting', 'running')"),
        "nothing waits",
    )
    before = one.rows("SELECT count(*) AS many FROM asked_changes")
    last = booked(one, {"sku": SKIRT})
    assert last in one.in_state("booked")
    assert one.rows("SELECT count(*) AS many FROM asked_changes") == before
