"""What does not leave, what is not told, and money that is not taken: each told once, as a number that grows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from bcbridge.errors import OpenCircuit
from bcbridge.flows.dispatches.story import DISPATCHES
from bcbridge.model.calendar import Calendar
from bcbridge.model.dispatch import DispatchReport
from bcbridge.model.ids import Ref, Reference
from bcbridge.model.outcome import Never, Outcome, Problem, Ready
from bcbridge.model.standing import Facts
from bcbridge.store import dispatching, orders, queue
from bcbridge.store.dispatching import DispatchMemory
from bcbridge.store.queue import Wish
from bcbridge.store.stamps import stamp
from tests.flows.dispatches.test_owed import TEE, shipment
from tests.watches.rounds import ERP, OTHER, SHOP, SINK, Rounds

OUTBOX = """
INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at)
VALUES (?, ?, 1, 1, 1, ?, x'7b7d', '', 'accepted', ?)
"""
ROW = """
INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces, warehouse) VALUES (?, ?, ?, 'l', ?, ?, ?)
"""
POST = "UPDATE outbox SET state = 'posted', posted_at = ? WHERE reference = ?"
NO_TRACKING = Problem(code="no_tracking", subject="I1", text="the ERP names no tracking number")


def reference(name: str) -> Reference:
    return Reference(f"US{name.removeprefix('#')}P1G1")


async def booked(
    rounds: Rounds, name: str, *rows: tuple[int, str], channel: str = SHOP, outcome: Outcome | None = None
) -> int:
    """An order that the ERP has posted now, of these pieces by warehouse."""
    order = await rounds.order(name, outcome, channel=channel)
    at, ours = stamp(rounds.now()), reference(name)

    def unit(tx: sqlite3.Connection) -> None:
        tx.execute(OUTBOX, (SINK, order, ours, at))
        for seq, (pieces, warehouse) in enumerate(rows or [(4, "NJ1")]):
            tx.execute(ROW, (ours, seq, order, TEE, pieces, warehouse))
        tx.execute(POST, (at, ours))

    await rounds.house.store.write(unit)
    return order


async def left(rounds: Rounds, name: str, number: str, pieces: int, *, void: bool = False) -> None:
    one = shipment(number, (TEE, pieces), void=void, reference=reference(name))
    await rounds.house.store.write(partial(dispatching.keep, erp=ERP, shipments=[one], now=rounds.now()))


async def told(rounds: Rounds, order: int, *, owed: int = 0, problems: Sequence[Problem] = ()) -> None:
    report = DispatchReport(left=4, told=4 - owed, owed=owed, problems=tuple(problems))
    await DispatchMemory(rounds.house.store, SHOP, rounds.now).report(order, report)


# -- what does not leave -----------------------------------------------------------------------------------------


async def test_what_is_not_gone_after_three_working_days_is_one_incident_per_warehouse(rounds: Rounds) -> None:
    for name in ("#1", "#2", "#3", "#4"):
        await booked(rounds, name)
        rounds.later(minutes=1)
    await booked(rounds, "#5", (1, "NJ1"), (2, "CA1"))
    rounds.later(days=3, hours=11)
    assert await rounds.go("not_dispatched") == {}
    rounds.later(hours=1)
    standing = await rounds.go("not_dispatched")
    assert sorted(standing) == ["not_dispatched/shopify_us/CA1", "not_dispatched/shopify_us/NJ1"]
    at_nj1 = standing["not_dispatched/shopify_us/NJ1"]
    assert (at_nj1["count"], at_nj1["text"]) == (
        4,
        "4 orders of shopify_us, the oldest #1, #2, #3, booked 3 d 12 h ago: not all left NJ1 in 3 working days. "
        "Which: bcbridge exceptions --csv - --channel shopify_us",
    )
    assert standing["not_dispatched/shopify_us/CA1"]["count"] == 1, "most of it was to leave from there"


async def test_it_ends_when_the_last_piece_has_left_and_stands_again_when_it_had_not(rounds: Rounds) -> None:
    await booked(rounds, "#1")
    await left(rounds, "#1", "I1", 3)
    rounds.later(days=5)
    assert len(await rounds.go("not_dispatched")) == 1, "one piece of four is still there"
    await left(rounds, "#1", "I2", 1)
    assert await rounds.go("not_dispatched") == {}
    await left(rounds, "#1", "I2", 1, void=True)
    assert len(await rounds.go("not_dispatched")) == 1, "a void shipment never left"


async def test_what_left_before_its_document_was_read_back_has_left(rounds: Rounds) -> None:
    order, at = await rounds.order("#1"), stamp(rounds.now())

    def sent(tx: sqlite3.Connection) -> None:
        tx.execute(OUTBOX, (SINK, order, reference("#1"), at))
        tx.execute(ROW, (reference("#1"), 1, order, TEE, 4, "NJ1"))

    await rounds.house.store.write(sent)
    await left(rounds, "#1", "I1", 4)
    await rounds.house.store.write(lambda tx: tx.execute(POST, (at, reference("#1"))))
    rounds.later(days=9)
    assert await rounds.go("not_dispatched") == {}


async def test_the_warehouses_calendar_counts_its_working_days(rounds: Rounds) -> None:
    nj1 = Calendar.model_validate({"days": "mon-fri", "cut_off": "14:00", "closed": ["2026-11-26"]})
    rounds.house.settings = replace(rounds.house.settings, calendars={"NJ1": nj1})
    rounds.now.at = datetime(2026, 11, 20, 15, tzinfo=UTC)  # Friday, after the cut-off; Thursday is Thanksgiving
    await booked(rounds, "#1")
    rounds.now.at = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)
    assert await rounds.go("not_dispatched") == {}
    rounds.now.at = datetime(2026, 11, 28, 0, 0, tzinfo=UTC)
    assert len(await rounds.go("not_dispatched")) == 1


async def test_pieces_that_the_erp_cancelled_are_not_waited_for(rounds: Rounds) -> None:
    await booked(rounds, "#1")
    await left(rounds, "#1", "I1", 3)
    rounds.later(days=5)
    await rounds.house.store.write(lambda tx: tx.execute("UPDATE leaving SET cancelled = 1"))
    assert await rounds.go("not_dispatched") == {}


async def test_while_shipments_cannot_be_read_nothing_new_is_said(rounds: Rounds) -> None:
    await booked(rounds, "#1")
    rounds.later(days=5)
    await rounds.house.erps[ERP].circuit.open(OpenCircuit("the key was refused"))
    assert await rounds.go("not_dispatched") == {}
    await rounds.house.erps[ERP].circuit.close()
    assert await rounds.go("not_dispatched") == {}, "what left meanwhile is being read"
    rounds.later(minutes=11)
    assert len(await rounds.go("not_dispatched")) == 1


async def test_where_no_channel_is_told_of_dispatches_nobody_reads_what_left(rounds: Rounds) -> None:
    await booked(rounds, "#1")
    await booked(rounds, "#2", channel=OTHER)
    rounds.later(days=5)
    assert len(await rounds.go("not_dispatched")) == 2, "read for one, known of both"
    rounds.house.channels[SHOP].dispatches = None
    assert await rounds.go("not_dispatched") == {}


# -- what is not told --------------------------------------------------------------------------------------------


async def test_what_left_and_is_not_told_after_half_an_hour_is_said(rounds: Rounds) -> None:
    order = await booked(rounds, "#1")
    await told(rounds, order, owed=2)
    rounds.later(minutes=29)
    assert await rounds.go("dispatch_not_told") == {}
    rounds.later(minutes=2)
    (text,) = await rounds.texts("dispatch_not_told")
    assert text == (
        "1 order, the oldest #1 for 31 m 00 s, left, and shopify_us was not told: bcbridge show 'shopify_us:#1'"
    )
    await rounds.house.channels[SHOP].circuit.open(OpenCircuit("the token was refused"))
    await told(rounds, order, owed=0)
    assert len(await rounds.go("dispatch_not_told")) == 1, "while it is paused nobody knows"
    await rounds.house.channels[SHOP].circuit.close()
    assert await rounds.go("dispatch_not_told") == {}


async def test_what_is_a_persons_already_is_not_said_twice(rounds: Rounds) -> None:
    await told(rounds, await booked(rounds, "#1"), owed=4, problems=[NO_TRACKING])
    rounds.later(hours=2)
    assert await rounds.go("dispatch_not_told") == {}


async def test_what_nobody_got_to_look_at_is_not_told_either(rounds: Rounds) -> None:
    wish = Wish(DISPATCHES, SHOP, Ref("gid://1"), due=rounds.now())
    await rounds.house.store.write(lambda tx: queue.enqueue(tx, [wish], now=rounds.now()))
    rounds.later(minutes=31)
    (text,) = await rounds.texts("dispatch_not_told")
    assert text == "what left has waited for 31 m 00 s to be looked at in shopify_us: bcbridge jobs"


async def test_numbers_that_are_missing_for_hours_are_one_number_that_grows(rounds: Rounds) -> None:
    await told(rounds, await booked(rounds, "#1"), owed=4, problems=[NO_TRACKING])
    rounds.later(hours=1)
    second = await booked(rounds, "#2")
    await told(rounds, second, owed=4, problems=[NO_TRACKING])
    await told(rounds, await booked(rounds, "#3"), owed=4, problems=[Problem(code="order_gone", subject="", text="")])
    rounds.later(hours=3, minutes=30)
    (incident,) = (await rounds.go("tracking_missing")).values()
    assert (incident["count"], incident["text"]) == (
        1,
        "1 order, the oldest #1 for 4 h 30 m, left without a tracking number, and shopify_us is not told. "
        "Write it into bluecherry",
    )
    rounds.later(hours=1)
    (incident,) = (await rounds.go("tracking_missing")).values()
    assert (incident["count"], incident["text"][:8]) == (2, "2 orders")
    await told(rounds, second)
    assert [row["count"] for row in (await rounds.go("tracking_missing")).values()] == [1]


# -- what is not paid --------------------------------------------------------------------------------------------


@pytest.fixture
def books_authorised(rounds: Rounds) -> Rounds:
    shop = rounds.house.settings.channels[SHOP]
    books = shop.orders.model_copy(update={"authorised_gateways": frozenset({"card"})})
    channels = {**rounds.house.settings.channels, SHOP: replace(shop, orders=books)}
    rounds.house.settings = replace(rounds.house.settings, channels=channels)
    rounds.limits()
    return rounds


async def paid(
    rounds: Rounds, name: str, payment: str, *, days: int = 7, outcome: Outcome | None = None, channel: str = SHOP
) -> int:
    until = rounds.now() + timedelta(days=days) if payment == "authorised" else None
    ref = Ref(f"gid://{channel}/{name}")
    facts = Facts(ref, name=name, currency="USD", payment=payment, authorised_until=until)
    judged = outcome or Ready(parts=())
    return await rounds.house.store.write(lambda tx: orders.record(tx, channel, facts, judged, now=rounds.now()))


async def test_two_days_before_authorised_money_is_let_go_it_is_said(books_authorised: Rounds) -> None:
    rounds = books_authorised
    await paid(rounds, "#1", "authorised")
    await paid(rounds, "#2", "authorised", days=28)
    await paid(rounds, "#3", "paid")
    await paid(rounds, "#4", "authorised", outcome=Never(code="cancelled", text=""))
    rounds.later(days=4, hours=23)
    assert await rounds.go("authorisation_lapses") == {}
    rounds.later(hours=2)
    (incident,) = (await rounds.go("authorisation_lapses")).values()
    assert (incident["count"], incident["text"]) == (
        1,
        "the money of 1 order is authorised and not captured; of #1 it ends in 1 d 23 h: bcbridge show 'shopify_us:#1'",
    )
    rounds.later(days=3)
    assert "ended 1 d 1 h ago" in (await rounds.texts("authorisation_lapses"))[0]
    await paid(rounds, "#1", "paid")
    assert await rounds.go("authorisation_lapses") == {}


async def test_what_left_in_full_and_was_told_a_day_ago_is_to_be_paid(books_authorised: Rounds) -> None:
    rounds = books_authorised
    for name, number, pieces in (("#1", "I1", 4), ("#2", "I2", 3)):
        await paid(rounds, name, "authorised", days=28)
        order = await booked(rounds, name)
        await left(rounds, name, number, pieces)
        await told(rounds, order)
    rounds.later(hours=23)
    assert await rounds.go("dispatched_not_captured") == {}
    rounds.later(hours=2)
    (incident,) = (await rounds.go("dispatched_not_captured")).values()
    assert (incident["count"], incident["text"]) == (
        1,
        "the money of 1 order is authorised only, and all of it left: the oldest #1, told as dispatched 1 d 1 h ago. "
        "bcbridge show 'shopify_us:#1'",
    )
    await paid(rounds, "#1", "paid")
    assert await rounds.go("dispatched_not_captured") == {}


async def test_a_shop_that_books_paid_orders_alone_is_not_asked(rounds: Rounds) -> None:
    await paid(rounds, "#1", "authorised", days=1)
    rounds.later(days=9)
    assert await rounds.go("authorisation_lapses", "dispatched_not_captured") == {}
