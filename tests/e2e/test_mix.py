"""The shop sells its usual mix, with everything at once: webhooks and polls, currencies, holds, edits, what is wrong.

At the end the sandbox's two books are laid beside each other (``books.py``), and every order the shop ever sold has a
place and a reason in the bridge's store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from bcbridge.model.incidents import BLOCKED
from tests.e2e.books import FITTING, Record, judge, spoilt
from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(300)

SEED = 20261121
ORDERS = 150


@pytest.fixture(scope="module")
def sold_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything is sold, and has settled."""
    with world(tmp_path_factory.mktemp("mix"), public=True) as one:
        before = one.order(lines=[{"sku": "040123000013"}])
        one.change(before["name"], "cancel")
        one.run_bridge()
        one.sell_all(ORDERS, seed=SEED, rate=25, mixed=0.15, unbookable=0.1)
        one.comes(lambda: settled(one), "every order sold has come to rest")
        yield one


def settled(one: World) -> bool:
    """Known, not on its way, and not waiting for what the shopper is still going to do."""
    orders, states = one.sold(), one.states()
    if len(states) < len(orders):
        return False
    moving = {name for name, (state, _) in states.items() if state in ("ready", "sending", "accepted", "in_doubt")}
    waiting = {name for name, (state, _) in states.items() if state == "not_yet"}
    return not moving and waiting == {order["name"] for order in orders if never_paid(order)}


def never_paid(order: Record) -> bool:
    return order["displayFinancialStatus"] in ("PENDING", "AUTHORIZED") and not order["cancelledAt"]


def by_name(one: World) -> dict[str, Record]:
    return {order["name"]: order for order in one.sold()}


def test_every_paid_order_is_booked_once_and_to_the_cent(sold_out: World) -> None:
    judgement = judge(sold_out.sold(), sold_out.booked())
    assert judgement.wrong == ()
    assert sold_out.doubles() == {}
    assert len(judgement.booked) > ORDERS * 0.7


def test_the_mix_had_what_it_is_meant_to_have(sold_out: World) -> None:
    """A proof over plain orders alone would prove little."""
    orders = sold_out.sold()
    assert len(orders) == ORDERS + 1
    assert {order["presentmentCurrencyCode"] for order in orders} >= {"USD", "EUR", "GBP"}
    later = Counter(what for order in orders for what in order["_sandbox"].get("later") or [])
    assert {"release", "pay", "edit", "cancel"} <= set(later)
    assert len({wrong for order in orders for wrong in spoilt(order)}) >= 6
    parts = Counter(str(document["altpo"]) for document in sold_out.booked())
    assert any(count == 2 for count in parts.values()), "no order of two divisions"
    assert any(document.get("orderdiscount", {}).get("rows") for document in sold_out.booked())
    assert any(document.get("ordercharge", {}).get("rows") for document in sold_out.booked())


def test_what_was_made_unbookable_is_blocked_with_every_fitting_code_and_nothing_else_is(sold_out: World) -> None:
    states, wrong = sold_out.states(), []
    for name, order in by_name(sold_out).items():
        state, code = states[name]
        faults = spoilt(order)
        if order["test"] or order["cancelledAt"]:
            fits = (state == "never" and code in ("test", "cancelled")) or (state == "booked" and not faults)
        elif "never_paid" in faults:
            fits = (state, code) == ("not_yet", "payment_pending")
        elif faults:
            fits = state == "blocked" and sold_out.codes(name) == sorted(FITTING[fault] for fault in faults)
        else:
            fits = state == "booked"
        if not fits:
            wrong.append((name, faults, state, code))
    assert wrong == []


def test_test_orders_and_those_cancelled_before_they_were_seen_are_never_booked(sold_out: World) -> None:
    states = sold_out.states()
    assert states["#1001"] == ("never", "cancelled")
    tests = {name for name, order in by_name(sold_out).items() if order["test"]}
    assert tests
    assert {states[name] for name in tests} == {("never", "test")}
    assert not tests & sold_out.booked_names()


def test_held_orders_were_not_yet_and_were_booked_once_released(sold_out: World) -> None:
    """A released hold does not move the order: only the list of fulfilment orders, or their webhook, tells of it."""
    held = [
        name
        for name, order in by_name(sold_out).items()
        if "release" in (order["_sandbox"].get("later") or []) and not spoilt(order)
    ]
    assert held
    assert set(held) <= sold_out.booked_names()
    waited = [name for name in held if "not_yet" in sold_out.events_of(name)]
    assert waited, "a slow machine sees some only after their release, not all"


def test_nothing_is_silently_missing(sold_out: World) -> None:
    states = sold_out.states()
    assert set(states) == set(by_name(sold_out))
    assert {state for state, _ in states.values()} <= {"booked", "blocked", "never", "not_yet"}
    unexplained = [name for name, (state, code) in states.items() if state != "booked" and not code]
    assert unexplained == []
    assert set(sold_out.incidents()) <= set(BLOCKED), "nothing stands but what blocks orders"


def test_webhooks_and_polls_both_worked(sold_out: World) -> None:
    assert sold_out.hooks("taken") > ORDERS
    lists = [mark for one in sold_out.ready()["connectors"] if one["name"] == "shopify_us" for mark in one["lists"]]
    assert lists
    assert sold_out.ready()["ready"] is True
