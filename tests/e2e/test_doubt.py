"""Whatever the ERP does to a call or to what it accepted: no order twice, and in the end none missing.

The ERP takes duplicates without a word, so only the bridge's care stands between a lost answer and a double.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(300)

SHIRT = "040123000013"
PATIENCE_SECONDS = 90.0
IMPATIENT = "posting_window_hours = 0.0005\nconfirm_by_reference_minutes = 0.01"
"""Accepted and not posted for two seconds is an incident here."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bridge for all faults, one after the other; in the end both books must agree."""
    with world(tmp_path_factory.mktemp("doubt"), erp_settings=IMPATIENT) as one:
        one.run_bridge()
        yield one
        settle(one, seed=9_000)


@pytest.fixture(autouse=True)
def good_manners_again(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "shop" in request.fixturenames:
        one: World = request.getfixturevalue("shop")
        one.faults(one.erp, clear=True)


def settle(one: World, *, seed: int) -> None:
    one.sell_until_all_booked(seed=seed, within=PATIENCE_SECONDS)
    assert one.doubles() == {}
    assert one.judged().wrong == ()


def calls_for(one: World, order: dict[str, object]) -> list[dict[str, object]]:
    """What the ERP accepted for an order, posted or not."""
    return [row for row in one.books(one.erp, "inbound") if str(order["legacyResourceId"]) in row["po_num"]]


ONE_CALL = ["answer_lost", "answer_lost_before", "late_acceptance", "error_500_after", "timeout_after"]


@pytest.mark.parametrize("fault", ONE_CALL)
def test_an_answer_that_never_came_neither_doubles_nor_loses(shop: World, fault: str) -> None:
    shop.faults(shop.erp, once={fault: 2}, values={"late_ms": 300, "timeout_seconds": 1})
    struck = shop.happened(shop.erp, fault)
    doubts = shop.events("in_doubt")
    shop.sell_all(4, seed=20 + ONE_CALL.index(fault), simple=True)
    shop.comes(lambda: shop.happened(shop.erp, fault) == struck + 2, "the fault struck", within=PATIENCE_SECONDS)
    settle(shop, seed=1_000 + 100 * ONE_CALL.index(fault))
    assert shop.events("in_doubt") >= doubts + 2


def test_answers_that_break_the_contract_pause_the_connection_and_cost_no_order(shop: World) -> None:
    shop.faults(shop.erp, rates={"contract_break": 0.1})
    shop.sell_all(15, seed=41, rate=10, simple=True)
    shop.comes(lambda: shop.happened(shop.erp, "contract_break") >= 3, "it broke some", within=PATIENCE_SECONDS)
    assert "circuit_open" in shop.incidents(standing=False), "the connection was paused"
    shop.faults(shop.erp, clear=True)
    settle(shop, seed=1_600)


def test_while_posting_stands_still_orders_stay_accepted_and_are_posted_once_afterwards(shop: World) -> None:
    shop.faults(shop.erp, rates={"posting_stopped": 1})
    placed = [shop.order(lines=[{"sku": SHIRT}]) for _ in range(4)]
    names = {order["name"] for order in placed}
    shop.comes(lambda: names <= shop.in_state("accepted"), "they are accepted", within=PATIENCE_SECONDS)
    shop.comes(lambda: "accepted_not_posted" in shop.incidents(), "somebody is told", within=PATIENCE_SECONDS)
    assert not names & shop.booked_names()
    assert all(len(calls_for(shop, order)) == 1 for order in placed)
    shop.faults(shop.erp, clear=True)
    settle(shop, seed=1_700)
    assert "accepted_not_posted" not in shop.incidents()


def test_refused_after_acceptance_stays_accepted_until_a_person_has_it_booked_anew(shop: World) -> None:
    shop.faults(shop.erp, once={"posting_refuses": 1})
    order = shop.order(lines=[{"sku": SHIRT}])
    shop.comes(lambda: "accepted_not_posted" in shop.incidents(), "somebody is told", within=PATIENCE_SECONDS)
    shop.sell_all(3, seed=42, simple=True)
    shop.comes(lambda: shop.missing() == {order["name"]}, "others are booked", within=PATIENCE_SECONDS)
    assert shop.states()[order["name"]] == ("accepted", "")
    assert len(calls_for(shop, order)) == 1, "accepted is never posted again by itself"
    shop.did("resolve", order["name"], "--rebook", "--why", "looked: the posting job refused it", "--yes")
    settle(shop, seed=1_800)
    assert [one["po_num"][-2:] for one in shop.booked() if one["altpo"] == order["name"]] == ["G2"]
    assert "accepted_not_posted" not in shop.incidents()


def test_an_absence_that_is_not_proven_is_none(shop: World) -> None:
    """A gateway that ignores the filter shows neither that an order is there nor that it is not."""
    shop.faults(shop.erp, rates={"filter_ignored": 1}, once={"answer_lost_before": 1})
    order = shop.order(lines=[{"sku": SHIRT}])
    shop.comes(lambda: order["name"] in shop.in_state("in_doubt"), "it is in doubt", within=PATIENCE_SECONDS)
    for turn in range(3):
        shop.sell_all(1, seed=43 + turn, simple=True)
        shop.comes(lambda: shop.missing() == {order["name"]}, "others are booked", within=PATIENCE_SECONDS)
    shop.comes(lambda: "not proven" in doubt_reason(shop), "it was read back", within=PATIENCE_SECONDS)
    assert calls_for(shop, order) == []
    shop.faults(shop.erp, clear=True)
    settle(shop, seed=1_900)
    assert len(calls_for(shop, order)) == 1


def doubt_reason(one: World) -> str:
    return " ".join(row["reason"] for row in one.rows("SELECT reason FROM jobs WHERE flow = 'doubts' AND reason <> ''"))


def test_throttled_calls_are_made_later(shop: World) -> None:
    doubts = shop.events("in_doubt")
    shop.faults(shop.erp, rates={"throttle_429": 0.3}, values={"retry_after_seconds": 1})
    shop.sell_all(8, seed=44, simple=True)
    shop.comes(lambda: shop.happened(shop.erp, "throttle_429") >= 3, "it throttled", within=PATIENCE_SECONDS)
    shop.faults(shop.erp, clear=True)
    settle(shop, seed=2_000)
    assert shop.events("in_doubt") == doubts, "a call that was not taken leaves no doubt"


def test_a_refused_key_pauses_the_erp_and_orders_wait_ready_without_burning_attempts(shop: World) -> None:
    shop.faults(shop.erp, rates={"key_401": 1})
    shop.comes(lambda: "circuit_open" in shop.incidents(), "the circuit is open", within=PATIENCE_SECONDS)
    names = {shop.order(lines=[{"sku": SHIRT}])["name"] for _ in range(4)}
    shop.comes(lambda: names <= shop.in_state("ready"), "they wait", within=PATIENCE_SECONDS)
    said = shop.ready()
    assert said["ready"] is False
    assert any("bluecherry" in why and "401" in why for why in said["why"])
    assert not shop.rows("SELECT 1 FROM jobs WHERE flow = 'orders' AND state <> 'done' AND attempts > 2")
    assert not names & shop.booked_names()
    shop.faults(shop.erp, clear=True)
    settle(shop, seed=2_100)
    assert "circuit_open" not in shop.incidents()
    shop.comes(lambda: shop.ready()["ready"], "ready again", within=PATIENCE_SECONDS)


def test_while_both_systems_are_down_nothing_is_lost(shop: World) -> None:
    shop.sell(40, seed=45, rate=20, simple=True)
    shop.comes(lambda: len(shop.in_state("booked")) > 0, "it began")
    shop.kill_sandbox()
    shop.comes(lambda: failing(shop), "the bridge feels it", within=PATIENCE_SECONDS)
    shop.start_sandbox()
    shop.comes(lambda: all(plan["state"] == "done" for plan in shop.books(shop.shop, "plans")), "the plan goes on")
    settle(shop, seed=2_200)


def failing(one: World) -> bool:
    return "could not connect" in one.log_tail(200) or not one.ready()["ready"]


# -- books that somebody else touched -------------------------------------------------------------------------


def test_what_the_erp_changed_on_posting_is_booked_told_and_never_sent_again(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        one.faults(one.erp, once={"changed_on_posting": 1})
        changed = one.order(lines=[{"sku": SHIRT}])
        one.all_booked(within=PATIENCE_SECONDS)
        one.comes(lambda: one.incidents() == ["booked_differs"], "the difference is told", within=PATIENCE_SECONDS)
        (incident,) = one.did("exceptions")["incidents"]
        assert "sent 1" in incident["text"]
        one.sell_all(3, seed=46, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        assert len(calls_for(one, changed)) == 1
        assert one.doubles() == {}

        # somebody posts our bytes once more, past the bridge
        (row,) = calls_for(one, changed)
        key = (one.folder / "var/sandbox/credentials/bluecherry_subscription_key").read_text().strip()
        request = urllib.request.Request(
            f"{one.erp}/SNDBX/api/order",
            data=json.dumps([row["body"]], default=str).encode(),
            headers={"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert b"pkey" in answer.read()
        one.comes(lambda: "double_in_erp" in one.incidents(), "the double is seen and told", within=PATIENCE_SECONDS)
