"""Orders that stand still are somebody's business after a while, and nobody's when they move again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bcbridge.config import Settings
from bcbridge.errors import OpenCircuit
from bcbridge.model.outcome import Never, NotYet
from bcbridge.store import queue
from bcbridge.store.queue import Wish
from tests.watches.rounds import ERP, OTHER, SHOP, SINK, Rounds, blocked, not_yet

OVERNIGHT = ("no_ship_via", "ship_via/Overnight")


# -- blocked -----------------------------------------------------------------------------------------------------


async def test_orders_blocked_by_one_cause_are_one_incident_with_value_age_and_the_command(rounds: Rounds) -> None:
    await rounds.order("#1", blocked(OVERNIGHT), total="1000.50")
    rounds.later(hours=2)
    await rounds.order("#2", blocked(OVERNIGHT, OVERNIGHT), total="204.00")
    await rounds.order("#3", blocked(OVERNIGHT), total="12.00", currency="EUR")
    ((fingerprint, incident),) = (await rounds.go("no_ship_via")).items()
    assert fingerprint == "no_ship_via/shopify_us/ship_via/Overnight"
    assert incident["count"] == 3
    assert incident["text"] == (
        "3 orders, EUR 12.00 + USD 1,204.50, the oldest #1 for 2 h 00 m. "
        "Map it: bcbridge mappings set ship_via Overnight CODE --channel shopify_us"
    )


async def test_an_order_with_two_problems_stands_under_both_and_ends_one_by_one(rounds: Rounds) -> None:
    await rounds.order("#1", blocked(OVERNIGHT, ("address_incomplete", "")))
    codes = ("no_ship_via", "address_incomplete")
    assert sorted(await rounds.go(*codes)) == [
        "address_incomplete/shopify_us/",
        "no_ship_via/shopify_us/ship_via/Overnight",
    ]
    await rounds.order("#1", blocked(("address_incomplete", "")))
    assert list(await rounds.go(*codes)) == ["address_incomplete/shopify_us/"]
    await rounds.order("#1")
    assert await rounds.go(*codes) == {}


async def test_the_same_cause_in_two_channels_is_two_incidents(rounds: Rounds) -> None:
    await rounds.order("#1", blocked(OVERNIGHT))
    await rounds.order("#1", blocked(OVERNIGHT), channel=OTHER)
    assert len(await rounds.go("no_ship_via")) == 2


async def test_a_thousand_different_causes_are_twenty_one_incidents(rounds: Rounds) -> None:
    for number in range(100):
        rounds.later(seconds=1)
        await rounds.order(f"#{number}", blocked(("no_allowance", f"allowances/FRIEND-{number}")))
    standing = await rounds.go("no_allowance")
    assert len(standing) == 21
    rest = standing["no_allowance/shopify_us/others"]
    assert (rest["count"], rest["text"].split(".")[0]) == (80, "80 orders, USD 800")


async def test_what_the_erp_says_is_neither_a_cause_of_its_own_nor_in_the_text(rounds: Rounds) -> None:
    """Its words may differ from order to order, and may name a customer."""
    for number, who in enumerate(("Wilhelmina", "Vogelsang")):
        await rounds.order(f"#{number}", blocked(("erp_refused", f"erp/unknown customer {who}")))
    ((fingerprint, incident),) = (await rounds.go("erp_refused")).items()
    assert (fingerprint, incident["count"]) == ("erp_refused/shopify_us/", 2)
    assert "Vogelsang" not in incident["text"]


async def test_blocked_for_longer_than_a_day_is_said_once_more(rounds: Rounds) -> None:
    await rounds.order("#1", blocked(OVERNIGHT))
    rounds.later(hours=23)
    assert await rounds.go("blocked_too_long") == {}
    rounds.later(hours=2)
    assert list(await rounds.go("blocked_too_long")) == ["blocked_too_long/shopify_us/no_ship_via"]
    await rounds.order("#1")
    assert await rounds.go("blocked_too_long") == {}


# -- kept back by the channel ------------------------------------------------------------------------------------


async def test_within_its_limit_an_order_that_waits_in_its_channel_is_nobodys_business(rounds: Rounds) -> None:
    await rounds.order("#1", not_yet("payment_pending"))
    await rounds.order("#2", not_yet("unrouted"))
    rounds.later(hours=3)
    assert await rounds.go("not_yet_too_long") == {}


async def test_beyond_it_the_oldest_is_named_once_for_all_of_its_reason(rounds: Rounds) -> None:
    await rounds.order("#1", not_yet("unrouted"))
    rounds.later(minutes=5)
    await rounds.order("#2", not_yet("unrouted"))
    rounds.later(hours=5)
    ((fingerprint, incident),) = (await rounds.go("not_yet_too_long")).items()
    assert fingerprint == "not_yet_too_long/shopify_us/unrouted"
    assert incident["text"].startswith("#1 has stood at unrouted for 5 h 05 m; 2 orders")
    await rounds.order("#1", Never(code="cancelled", text="Cancelled."))
    await rounds.order("#2", Never(code="cancelled", text="Cancelled."))
    assert await rounds.go("not_yet_too_long") == {}


async def test_what_waits_for_its_release_is_as_old_as_that_release(rounds: Rounds) -> None:
    monday = rounds.now() + timedelta(days=3)
    await rounds.order("#1", NotYet(code="waits_for_release", text="It waits.", look_again=monday))
    rounds.later(days=3, minutes=59)
    assert await rounds.go("not_yet_too_long") == {}
    rounds.later(minutes=2)
    (text,) = await rounds.texts("not_yet_too_long")
    assert text.startswith("#1 has stood at waits_for_release for 1 h 01 m")


# -- waiting for the ERP -----------------------------------------------------------------------------------------


async def test_an_order_ready_for_too_long_is_said_with_the_reason(rounds: Rounds) -> None:
    await rounds.order("#1")
    rounds.later(minutes=29)
    assert await rounds.go("order_waiting_too_long") == {}
    rounds.later(minutes=2)
    (text,) = await rounds.texts("order_waiting_too_long")
    assert text.startswith("1 order of shopify_us, the oldest #1 for 31 m 00 s")
    assert "were not yet listed" in text
    await rounds.order("#1", not_yet("unrouted"))
    assert await rounds.go("order_waiting_too_long") == {}


async def test_where_nothing_may_be_written_yet_waiting_is_meant(rounds: Rounds) -> None:
    rounds.house.production[ERP] = True
    await rounds.order("#1")
    rounds.later(days=3)
    assert await rounds.go("order_waiting_too_long") == {}


async def test_in_the_quiet_hours_of_the_erp_nothing_new_is_said_and_its_time_begins_anew_after_them(
    rounds: Rounds,
) -> None:
    await rounds.order("#1")
    rounds.later(minutes=20)
    await rounds.house.erps[ERP].circuit.open(OpenCircuit("quiet hours", planned=True))
    rounds.later(hours=3)
    assert await rounds.go("order_waiting_too_long") == {}
    await rounds.house.erps[ERP].circuit.close()
    rounds.later(minutes=29)
    assert await rounds.go("order_waiting_too_long") == {}
    rounds.later(minutes=2)
    assert len(await rounds.go("order_waiting_too_long")) == 1
    await rounds.house.erps[ERP].circuit.open(OpenCircuit("quiet hours", planned=True))
    assert len(await rounds.go("order_waiting_too_long")) == 1, "what stood goes on standing"


async def test_what_waited_while_nobody_ran_is_not_late_at_the_start(rounds: Rounds) -> None:
    await rounds.order("#1")
    rounds.later(hours=9)
    rounds.limits()  # made anew, as a start does
    assert await rounds.go("order_waiting_too_long") == {}
    rounds.later(minutes=9)
    assert await rounds.go("order_waiting_too_long") == {}
    rounds.later(minutes=2)
    assert len(await rounds.go("order_waiting_too_long")) == 1


IN_DOUBT = """
INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at, ended_at)
VALUES (?, ?, 1, 1, 1, ?, x'7b7d', '', 'in_doubt', ?, ?)
"""


async def test_documents_in_doubt_for_too_long_are_one_incident_that_names_the_oldest(rounds: Rounds) -> None:
    for name in ("#1", "#2"):
        order, at = await rounds.order(name), rounds.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        row = (SINK, order, f"US{name[1:]}P1", at, at)
        await rounds.house.store.write(lambda tx, row=row: tx.execute(IN_DOUBT, row))  # type: ignore[misc]
        rounds.later(minutes=10)
    rounds.later(minutes=45)
    (text,) = await rounds.texts("in_doubt_too_long")
    assert text.startswith("1 document in doubt, the oldest US1P1 for 1 h 05 m")
    rounds.later(minutes=45)
    assert (await rounds.texts("in_doubt_too_long"))[0].startswith("2 documents")
    await rounds.house.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'posted'"))
    assert await rounds.go("in_doubt_too_long") == {}


async def test_a_doubt_of_the_evening_is_not_late_while_the_erp_is_left_alone(rounds: Rounds) -> None:
    order, at = await rounds.order("#1"), rounds.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    await rounds.house.store.write(lambda tx: tx.execute(IN_DOUBT, (SINK, order, "US1P1", at, at)))
    await rounds.house.erps[ERP].circuit.open(OpenCircuit("quiet hours", planned=True))
    rounds.later(hours=3)
    assert await rounds.go("in_doubt_too_long") == {}
    await rounds.house.erps[ERP].circuit.close()
    rounds.later(minutes=59)
    assert await rounds.go("in_doubt_too_long") == {}
    rounds.later(minutes=2)
    assert len(await rounds.go("in_doubt_too_long")) == 1


# -- one behind another ------------------------------------------------------------------------------------------


async def due(rounds: Rounds, channel: str) -> None:
    wish = Wish(flow="orders", connector=channel, ref=f"gid://{channel}/1", due=rounds.now())
    await rounds.house.store.write(lambda tx: queue.enqueue(tx, [wish], now=rounds.now()))


async def test_a_channel_that_stands_still_while_another_goes_on_is_starved(rounds: Rounds) -> None:
    shop, other = (rounds.house.channels[name].worker.figures for name in (SHOP, OTHER))
    await due(rounds, SHOP)
    rounds.later(minutes=16)
    assert await rounds.go("starved") == {}, "nobody works: that is no starving"
    other.last_success = rounds.now()
    assert list(await rounds.go("starved")) == ["starved/shopify_us/bluecherry"]
    shop.last_success = rounds.now() - timedelta(minutes=5)
    assert await rounds.go("starved") == {}, "it works, slowly"


async def test_a_paused_shop_is_not_starved(rounds: Rounds) -> None:
    await due(rounds, SHOP)
    rounds.later(minutes=16)
    rounds.house.channels[OTHER].worker.figures.last_success = rounds.now()
    await rounds.house.channels[SHOP].circuit.open(OpenCircuit("the token was refused"))
    assert await rounds.go("starved") == {}


@pytest.mark.parametrize("code", ["no_ship_via", "blocked_too_long"])
async def test_with_nothing_in_the_store_nothing_stands(rounds: Rounds, code: str) -> None:
    assert await rounds.go(code, "watch_failed") == {}


def test_the_limits_are_settings(settings: Settings) -> None:
    assert settings.watches.blocked_limit_hours == 24
