"""Who is not read, who no longer rings, what lapses, who is slow: told with a clock moved by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from bcbridge.connectors.base import Finding, Severity
from bcbridge.errors import OpenCircuit
from bcbridge.model.documents import Cursor, Notification
from bcbridge.model.ids import Noun, Ref
from bcbridge.store import inbox, mends
from bcbridge.store.inbox import Arrival
from tests.watches.rounds import ERP, OTHER, SHOP, Rounds

# -- not read ----------------------------------------------------------------------------------------------------


def read_all(rounds: Rounds, *connections: str) -> None:
    """Every list of these went through just now."""
    house = rounds.house
    for name in connections:
        lists = house.erps[name].masters if name in house.erps else house.channels[name].lists
        for one in lists:
            one.figures.last_success, one.figures.failing_since = rounds.now(), None
        if name in house.erps:
            house.erps[name].confirmed = rounds.now()


async def test_a_list_that_was_not_read_for_too_long_is_named_with_what_failed(rounds: Rounds) -> None:
    read_all(rounds, SHOP, OTHER, ERP)
    rounds.later(minutes=29)
    assert await rounds.go("source_not_polled") == {}
    read_all(rounds, OTHER, ERP)
    first, *_ = rounds.house.channels[SHOP].lists
    first.figures.last_failure, first.figures.failing_since = "no answer in time", rounds.now()
    rounds.later(minutes=2)
    standing = await rounds.go("source_not_polled")
    assert {one["connector"] for one in standing.values()} == {SHOP}
    assert len(standing) == len(rounds.house.channels[SHOP].lists)
    assert any("31 m 00 s: no answer in time" in one["text"] for one in standing.values())
    read_all(rounds, SHOP)
    assert await rounds.go("source_not_polled") == {}


async def test_one_never_read_since_the_start_is_late_too(rounds: Rounds) -> None:
    rounds.later(minutes=46)
    assert {one["connector"] for one in (await rounds.go("source_not_polled")).values()} == {SHOP, OTHER, ERP}


async def test_what_the_erp_posted_must_be_read_too(rounds: Rounds) -> None:
    rounds.later(minutes=25)
    read_all(rounds, SHOP, OTHER, ERP)
    rounds.house.erps[ERP].confirmed = None
    rounds.later(minutes=6)
    (text,) = await rounds.texts("source_not_polled")
    assert text == "what bluecherry posted was not read for 31 m 00 s: nothing can be confirmed"


async def test_a_first_pass_that_takes_long_moves_all_the_same(rounds: Rounds) -> None:
    read_all(rounds, OTHER, ERP)
    for _ in range(4):
        rounds.later(minutes=20)
        read_all(rounds, OTHER, ERP)
        for one in rounds.house.channels[SHOP].lists:
            await moved(rounds, one.noun, one.heads.name)
        assert await rounds.go("source_not_polled") == {}


async def moved(rounds: Rounds, noun: str, name: str) -> None:
    await rounds.house.store.write(lambda tx: inbox.move_cursor(tx, SHOP, noun, name, Cursor("page"), now=rounds.now()))


async def test_a_paused_connection_has_its_own_incident_and_time_again_once_it_is_back(rounds: Rounds) -> None:
    circuit = rounds.house.channels[SHOP].circuit
    read_all(rounds, SHOP)
    await circuit.open(OpenCircuit("the token was refused"))
    rounds.later(hours=5)
    read_all(rounds, OTHER, ERP)
    assert await rounds.go("source_not_polled") == {}
    await circuit.close()
    assert await rounds.go("source_not_polled") == {}
    rounds.later(minutes=31)
    read_all(rounds, OTHER, ERP)
    assert await rounds.go("source_not_polled") != {}


# -- no longer rings ---------------------------------------------------------------------------------------------


async def test_subscriptions_that_had_to_be_made_again_stand_until_the_next_look_finds_them_in_order(
    rounds: Rounds,
) -> None:
    channel = rounds.house.channels[SHOP]
    assert await rounds.go("webhooks_gone") == {}
    channel.kept = [Finding(Severity.WARNING, "webhooks", f"{topic}: created") for topic in ("A", "B")]
    ((_, incident),) = (await rounds.go("webhooks_gone")).items()
    assert (incident["count"], incident["text"]) == (2, "A: created; B: created")
    channel.kept = [Finding(Severity.INFO, "webhooks", "all 2 subscriptions stand")]
    assert await rounds.go("webhooks_gone") == {}


async def test_subscriptions_that_go_three_times_within_a_day_are_somebodys_business(rounds: Rounds) -> None:
    async def mended() -> dict[str, Any]:
        await rounds.house.store.write(lambda tx: mends.note(tx, SHOP, now=rounds.now()))
        rounds.later(minutes=60)
        return await rounds.go("webhooks_gone_often")

    assert [await mended(), await mended()] == [{}, {}]
    ((_, incident),) = (await mended()).items()
    assert incident["count"] == 3
    assert incident["text"].startswith("the subscriptions of shopify_us were mended 3 times within a day, last 1 h")
    rounds.later(minutes=22 * 60)
    assert await rounds.go("webhooks_gone_often") == {}


async def rings(rounds: Rounds, connector: str) -> None:
    said = Notification(noun=Noun("orders"), ref=Ref("1"), topic="t", delivery=rounds.now().isoformat(), modified=None)
    await rounds.house.store.write(lambda tx: inbox.delivered(tx, [Arrival(connector, said, "", rounds.now())]))


async def sells(rounds: Rounds, orders: int, *, created: datetime | None = None) -> None:
    for number in range(orders):
        await rounds.order(f"#{rounds.now():%H%M}-{number}", created=created)


async def test_a_shop_that_sells_and_does_not_ring_is_noticed_until_it_rings(rounds: Rounds) -> None:
    await rings(rounds, SHOP)
    rounds.later(minutes=30)
    await sells(rounds, 12)
    assert await rounds.go("webhooks_silent") == {}
    rounds.later(minutes=31)
    await rings(rounds, OTHER)
    (text,) = await rounds.texts("webhooks_silent")
    assert text.startswith("12 new orders of shopify_us")
    await rings(rounds, SHOP)
    assert await rounds.go("webhooks_silent") == {}


async def test_a_quiet_shop_and_old_orders_found_late_are_no_silence(rounds: Rounds) -> None:
    placed = rounds.now()
    rounds.later(hours=5)
    await sells(rounds, 9)
    await sells(rounds, 40, created=placed)
    assert await rounds.go("webhooks_silent") == {}


# -- lapses ------------------------------------------------------------------------------------------------------


async def test_a_credential_is_told_of_before_it_lapses_and_after(rounds: Rounds) -> None:
    """``credential_lapses_on = 2026-12-31`` stands in the second shop's table."""
    rounds.now.at = datetime.fromisoformat("2026-11-30T23:00:00+00:00")
    assert await rounds.go("credential_lapses") == {}
    rounds.later(days=1)
    (text,) = await rounds.texts("credential_lapses")
    assert text == "the credential of shopify_eu lapses in 30 day(s), on 2026-12-31"
    rounds.later(days=40)
    assert await rounds.texts("credential_lapses") == ["the credential of shopify_eu has lapsed on 2026-12-31"]


# -- slow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "slow"), [(4.9, False), (5.2, True)])
async def test_an_erp_is_slow_when_the_middle_call_of_the_last_minutes_is(
    rounds: Rounds, seconds: float, slow: bool
) -> None:
    from time import monotonic

    pace = rounds.house.erps[ERP].writer.pace
    for taken in (0.1, 0.1, seconds, 60.0, 60.0):
        pace.calls.append(taken)
        pace.called_at.append(monotonic())
    assert (await rounds.texts("erp_slow") == ["bluecherry takes 5.2 s for an order (the last 5 calls)"]) is slow


async def test_of_few_calls_or_old_ones_nothing_is_said(rounds: Rounds) -> None:
    from time import monotonic

    pace = rounds.house.erps[ERP].writer.pace
    for ago in (*[3_600.0] * 20, *[1.0] * 4):
        pace.calls.append(60.0)
        pace.called_at.append(monotonic() - ago)
    assert await rounds.go("erp_slow") == {}
