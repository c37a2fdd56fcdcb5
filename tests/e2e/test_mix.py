"""The shops sell their usual mix into one ERP, with everything at once: webhooks and polls, currencies, holds, edits,
what is wrong.

At the end the sandbox's books are laid beside each other (``books.py``), and every order any shop ever sold has a place
and a reason in the bridge's store.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from bcbridge.model.incidents import BLOCKED
from tests.e2e.books import FITTING
from tests.e2e.shops import SHOPIFY, SHOPS, Shop
from tests.e2e.sold import Sold
from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(300)

SEED = 20261121
ORDERS = 60
"""Of each shop."""


@pytest.fixture(scope="module")
def sold_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything is sold, and has settled."""
    with world(tmp_path_factory.mktemp("mix"), shops=SHOPS, public=True) as one:
        before = one.order(lines=[{"sku": "040123000013"}])
        one.change(before["name"], "cancel")
        one.run_bridge()
        plans = [(shop, one.sell(ORDERS, shop=shop, seed=SEED, rate=10, **WISHES)["plan"]) for shop in SHOPS]
        one.comes(lambda: all(one.is_sold(shop, plan) for shop, plan in plans), "all is sold")
        one.comes(lambda: settled(one), "every order sold has come to rest")
        yield one


WISHES = {"mixed": 0.15, "unbookable": 0.1}


def settled(one: World) -> bool:
    """Known, not on its way, and not waiting for what the shopper is still going to do."""
    sales, states = one.sales(), one.all_states()
    if not {key for key, sold in sales.items() if not sold.no_order} <= states.keys():
        return False
    moving = {key for key, (state, _) in states.items() if state in ("ready", "sending", "accepted", "in_doubt")}
    waiting = {key for key, (state, _) in states.items() if state == "not_yet"}
    return not moving and waiting == {key for key, sold in sales.items() if sold.waits}


def of(one: World, shop: Shop) -> list[Sold]:
    return list(one.sales_of(shop).values())


def test_every_paid_order_is_booked_once_and_to_the_cent(sold_out: World) -> None:
    judgement = sold_out.judged()
    assert judgement.wrong == ()
    assert sold_out.doubles() == {}
    for shop in SHOPS:
        assert len([key for key in judgement.booked if key.startswith(shop.code)]) > ORDERS * 0.6


def test_the_mix_had_what_it_is_meant_to_have(sold_out: World) -> None:
    """A proof over plain orders alone would prove little."""
    sales = sold_out.sales().values()
    assert len(sales) == ORDERS * len(SHOPS) + 1
    assert {sold.currency for sold in sales} >= {"USD", "EUR", "GBP"}
    assert {"release", "pay", "edit", "cancel"} <= {what for sold in sales for what in sold.later}
    assert len({wrong for sold in sales for wrong in sold.spoilt}) >= 6
    parts = Counter(str(document["po_num"]).rpartition("P")[0] for document in sold_out.booked())
    assert any(count == 2 for count in parts.values()), "no order of two divisions"
    assert any(document.get("orderdiscount", {}).get("rows") for document in sold_out.booked())
    assert any(document.get("ordercharge", {}).get("rows") for document in sold_out.booked())


def test_what_was_made_unbookable_is_blocked_with_every_fitting_code_and_nothing_else_is(sold_out: World) -> None:
    states, wrong = sold_out.all_states(), []
    for key, sold in sold_out.sales().items():
        state, code = states.get(key, ("", ""))
        if not fits(sold_out, key, sold, state, code):
            wrong.append((key, sold.spoilt, state, code))
    assert wrong == []


def fits(one: World, key: str, sold: Sold, state: str, code: str) -> bool:
    if sold.no_order:
        return state in ("", "never")
    if sold.test or sold.cancelled:
        return (state == "never" and code in NEVER) or (state == "booked" and not sold.spoilt)
    if sold.waits:
        return state == "not_yet"
    if sold.spoilt:
        return state == "blocked" and one.problems(key) == sorted({FITTING[fault] for fault in sold.spoilt})
    return state == "booked"


NEVER = ("test", "cancelled", "voided")


def test_test_orders_and_those_cancelled_before_they_were_seen_are_never_booked(sold_out: World) -> None:
    states = sold_out.states()
    assert states["#1001"] == ("never", "cancelled")
    tests = {sold.name for sold in of(sold_out, SHOPIFY) if sold.test}
    assert {states[name] for name in tests} <= {("never", "test")}


def test_held_orders_were_not_yet_and_were_booked_once_released(sold_out: World) -> None:
    """A hold that is released need not move the order: of Shopify's tells its list of fulfilment orders alone."""
    held = {key for key, sold in sold_out.sales().items() if "release" in sold.later and not sold.spoilt}
    assert held
    assert held <= sold_out.booked_keys()
    assert any("not_yet" in sold_out.events_by_key(key) for key in held), "a slow machine sees some only released"


def test_nothing_is_silently_missing(sold_out: World) -> None:
    states = sold_out.all_states()
    assert states.keys() >= {key for key, sold in sold_out.sales().items() if not sold.no_order}
    assert {state for state, _ in states.values()} <= {"booked", "blocked", "never", "not_yet"}
    assert [key for key, (state, code) in states.items() if state != "booked" and not code] == []
    stands = set(BLOCKED) | {"cancelled_not_stopped"}
    assert set(sold_out.incidents()) <= stands, "nothing stands but what blocks orders, and what was cancelled too late"


def test_webhooks_and_polls_both_worked_for_each_shop(sold_out: World) -> None:
    ready = sold_out.ready()
    assert ready["ready"] is True, json.dumps(ready, default=str)
    for shop in SHOPS:
        assert sold_out.hooks("taken", shop) > ORDERS / 2
        assert [mark for one in ready["connectors"] if one["name"] == shop.connection for mark in one["lists"]]
