"""Which orders changed, and each of them whole: against the sandbox's shop, its bad manners included."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.woocommerce.orders import before
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order, PaymentStatus
from bcbridge.sandbox.woocommerce import NEW_YORK, WooCommerceSettings
from tests.connectors.woocommerce.answers import NOON, order, refund
from tests.connectors.woocommerce.shops import (
    QUIET,
    World,
    a_room,
    a_script,
    a_shop,
    error,
    listed,
    refs,
    said,
    settings,
)
from tests.connectors.woocommerce.test_reading import adds_up, paid
from tests.contract.kit import Asked, Reply
from tests.contract.outside import saying, serving

pytestmark = pytest.mark.contract

NAIVE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path, page_size=3) as world:
        yield world


# -- lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [QUIET, NEW_YORK], ids=["Paris", "New York"])
async def test_trap_3_stamps_go_over_as_naive_utc_and_no_zone_loses_an_hour(
    plan: WooCommerceSettings, tmp_path: Path
) -> None:
    async with a_shop(tmp_path, plan=plan, overlap_seconds=0) as shop:
        old = await shop.place()
        (page,) = await listed(shop.room.orders.lists[0])
        assert refs([page]) == [old]
        await shop.http.post("/_sandbox/clock", json={"advance_seconds": 2})
        new = await shop.place()
        assert refs(await listed(shop.room.orders.lists[0], page.cursor)) == [old, new]
        asked = [one.query for one in shop.asked("/orders")]
    assert all(NAIVE.fullmatch(query["modified_after"]) for query in asked)
    assert {query["dates_are_gmt"] for query in asked} == {"true"}


async def test_trap_1b_orders_that_move_between_pages_are_all_seen(shop: World) -> None:
    """Whenever a page has a next one, two orders of it are saved before that is asked for."""
    placed = set()
    for second in range(11):
        await shop.http.post("/_sandbox/clock", json={"advance_seconds": 1}) if second else None
        placed.add(await shop.place())
    await shop.fault(once={"moving_list": 6})
    assert set(refs(await listed(shop.room.orders.lists[0]))) == placed


async def test_orders_of_one_second_are_all_seen_even_where_they_move(shop: World) -> None:
    await shop.fault(rates={"equal_updated_at": 1.0}, values={"equal_updated_at_seconds": 3600})
    placed = {await shop.place() for _ in range(11)}
    await shop.fault(rates={"equal_updated_at": 0.0}, once={"moving_list": 4})
    assert set(refs(await listed(shop.room.orders.lists[0]))) == placed


async def test_an_order_whose_change_is_seen_late_is_met_within_the_overlap(shop: World) -> None:
    first = await shop.place()
    (page,) = await listed(shop.room.orders.lists[0])
    await shop.fault(once={"late_commit": 1})
    late = await shop.place()
    await shop.place()
    mark = (await listed(shop.room.orders.lists[0], page.cursor))[-1].cursor
    await shop.http.post("/_sandbox/clock", json={"advance_seconds": 30})
    assert {first, late} <= set(refs(await listed(shop.room.orders.lists[0], mark)))


async def test_an_order_saved_while_the_shops_clock_was_wrong_hides_none_that_come_after_it(shop: World) -> None:
    odd, first = await shop.place(), await shop.place()
    await shop.patch(odd, touch=False, date_modified_gmt="2031-01-01T00:00:00")
    *_, page = await listed(shop.room.orders.lists[0])
    later = await shop.place()
    assert {odd, first, later} <= set(refs(await listed(shop.room.orders.lists[0], page.cursor)))


async def test_drafts_and_trash_are_no_orders(shop: World) -> None:
    kept, thrown = await shop.place(), await shop.place()
    await shop.call("DELETE", f"/orders/{thrown}")
    draft = await shop.place()
    await shop.patch(draft, status="checkout-draft")
    assert set(refs(await listed(shop.room.orders.lists[0]))) == {kept}
    assert [document.ref for document in await shop.room.orders.fetch([thrown, draft, kept])] == [kept]


async def test_the_sweep_goes_by_creation_whatever_changed_since(shop: World) -> None:
    placed = [await shop.place() for _ in range(7)]
    await shop.happens(placed[0], "complete")
    pages = [page async for page in shop.room.orders.sweep(LONG_AGO)]
    assert sorted(refs(pages)) == sorted(placed)
    assert {one.query["orderby"] for one in shop.asked("/orders")} == {"date"}


async def test_heads_are_asked_for_trimmed(shop: World) -> None:
    await shop.place()
    await listed(shop.room.orders.lists[0])
    (asked,) = shop.asked("/orders")
    assert asked.query["_fields"] == "id,status,date_created_gmt,date_modified_gmt"


async def test_a_page_cut_short_is_not_taken_for_the_last() -> None:
    """A site may lower the size of a page; what is missing would never be asked for."""
    async with a_script(said([], X_WP_Total="7")) as (_, room):
        with pytest.raises(Retry):
            await listed(room.orders.lists[0])


async def test_a_list_that_was_not_asked_for_ends_in_words_and_turns_in_no_circle() -> None:
    """A cache, or a shop that does not know ``modified_after``, answers from the beginning whatever it is asked."""
    old = {"status": "processing", "date_created_gmt": "2026-11-20T12:00:00"}
    rows = [{"id": number, "date_modified_gmt": f"2026-11-20T12:00:{number:02}", **old} for number in range(1, 60)]

    def answered(asked: Asked) -> Reply:
        start = (int(asked.query["page"]) - 1) * 3
        return said(rows[start : start + 3])

    async with serving(saying(answered)) as server, aclosing(a_room(server.url, page_size=3)) as room:
        with pytest.raises(OpenCircuit, match="before what was asked"):
            await listed(room.orders.lists[0])
        later = '{"modified":"2026-11-21T12:00:00+00:00"}'
        with pytest.raises(OpenCircuit, match="before what was asked"):
            await listed(room.orders.lists[0], later)
        with pytest.raises(OpenCircuit, match="before what was asked"):
            [page async for page in room.orders.sweep(NOON + timedelta(days=1))]
    assert len(server.asked) < 6


def test_the_bound_is_exclusive_so_a_second_less_is_asked_for() -> None:
    assert before(datetime(2026, 11, 21, 0, 18, 44, tzinfo=UTC)) == "2026-11-21T00:18:43"
    paris = datetime(2026, 11, 21, 1, 18, 44).astimezone().replace(tzinfo=UTC) - timedelta(hours=1)
    assert before(paris) == "2026-11-21T00:18:43"


# -- documents --------------------------------------------------------------------------------------------------


async def test_a_batch_is_one_call_and_refunds_one_more_each(shop: World) -> None:
    placed = [await shop.place() for _ in range(3)]
    await shop.happens(placed[1], "refund", lines={"0": 1})
    found = await shop.room.orders.fetch(placed)
    assert len(found) == 3
    assert len(shop.watched.asked) == 2
    read = {document.ref: shop.room.orders.read(document) for document in found}
    assert [line.quantity for line in read[placed[1]].lines] == [1]
    assert read[placed[1]].payment is PaymentStatus.PARTIALLY_REFUNDED


async def test_refs_that_name_no_order_are_not_asked_for(shop: World) -> None:
    assert await shop.room.orders.fetch([Ref(""), Ref("N-1"), Ref("007"), Ref("٣"), Ref("9" * 19), Ref("1.5")]) == []
    assert shop.watched.asked == []


async def test_a_refund_made_meanwhile_makes_the_order_read_again() -> None:
    """The order said none of the second; then it is read once more, and both are there."""
    both = said([refund(45, "2.00"), refund(44, "1.00")])
    earlier, after = order(refunds=[{"id": 44}]), order(refunds=[{"id": 45}, {"id": 44}])
    async with a_script(said([earlier]), both, said([after]), both) as (script, room):
        (document,) = await room.orders.fetch([Ref("1001")])
        assert room.orders.read(document).refunded == 3
    assert [asked.path.rpartition("/")[2] for asked in script.asked] == ["orders", "refunds", "orders", "refunds"]


async def test_refunds_that_never_agree_cannot_be_read_and_their_neighbours_go_on() -> None:
    """A plugin hides one, say: nobody knows what was given back, and the other orders of the call do not wait."""
    made, odd = said([refund(45, "2.00")]), order(refunds=[{"id": 44}])
    both = said([odd, order(id=1002)])
    async with a_script(both, *[made, said([odd])] * 3) as (script, room):
        blocked, well = await room.orders.fetch([Ref("1001"), Ref("1002")])
        assert room.orders.read(well).payment is PaymentStatus.PAID
        with pytest.raises(Malformed) as fault:
            room.orders.read(blocked)
    assert fault.value.where == "refunds"
    assert len(script.asked) < 10


async def test_an_order_missing_from_a_batch_is_asked_for_by_itself_before_it_counts_as_gone() -> None:
    """A site that caps its pages, or a plugin that hides what it likes, leaves orders out of a list; a paid order that
    was taken for deleted would never be booked."""
    first, second = said([order()]), said([order(id=1002)])
    for answers in ((said([order()], X_WP_Total="2"), second), (first, second), (said([]), first, second)):
        async with a_script(*answers) as (_, room):
            found = await room.orders.fetch([Ref("1001"), Ref("1002")])
        assert [document.ref for document in found] == ["1001", "1002"]


async def test_only_what_the_shop_itself_calls_gone_is_gone() -> None:
    gone = error("woocommerce_rest_shop_order_invalid_id", 404, data={"status": 404})
    trashed, hidden = said(order(id=1002, status="trash")), said(order(id=1003, status="packing"))
    none = said([])
    async with a_script(none, none, gone, none, trashed, none, hidden) as (script, room):
        (found,) = await room.orders.fetch([Ref("1001"), Ref("1002"), Ref("1003")])
    assert found.ref == "1003"
    assert [asked.path.rpartition("/")[2] for asked in script.asked if asked.path[-1] != "s"] == [
        "1001",
        "1002",
        "1003",
    ]


async def test_an_order_deleted_while_its_refunds_are_read_is_absent() -> None:
    gone = error("woocommerce_rest_shop_order_invalid_id", 404)
    async with a_script(said([order(refunds=[{"id": 44}])]), gone, said([]), gone) as (_, room):
        assert await room.orders.fetch([Ref("1001")]) == []


async def test_numbers_with_a_fraction_are_kept_as_the_text_they_were_sent_as() -> None:
    sent = b'[{"id": 1001, "status": "processing", "refunds": [], "date_created_gmt": "2026-11-20T12:00:00",'
    sent += b' "date_modified_gmt": "2026-11-20T12:00:00", "rate_percent": 6.6250000000000001}]'
    async with a_script(said(sent)) as (_, room):
        (document,) = await room.orders.fetch([Ref("1001")])
    assert b'"6.6250000000000001"' in document.body


# -- what a host does to answers --------------------------------------------------------------------------------


async def test_json_behind_a_warning_of_php_is_found(shop: World) -> None:
    ref = await shop.place()
    await shop.fault(rates={"php_warning": 1.0})
    assert (await shop.read(ref)).id == ref


@pytest.mark.parametrize(
    ("fault", "decision"),
    [
        ("html_200", Retry),
        ("html_403", Retry),
        ("html_503", Retry),
        ("http_500", Retry),
        ("http_429", Retry),
        ("bare_data", Retry),
        ("key_401", OpenCircuit),
        ("api_gone", OpenCircuit),
    ],
)
async def test_what_a_bad_host_answers_becomes_the_right_decision(shop: World, fault: str, decision: type) -> None:
    await shop.fault(rates={fault: 1.0})
    with pytest.raises(decision):
        await shop.room.ping()


async def test_a_429_tells_how_long_to_wait(shop: World) -> None:
    await shop.fault(once={"http_429": 1}, values={"retry_after_seconds": 7})
    with pytest.raises(Retry) as ended:
        await shop.room.ping()
    assert ended.value.after == timedelta(seconds=7)


# -- orders as the sandbox sells them ---------------------------------------------------------------------------

SHOPS = {
    "Paris": QUIET,
    "New York": settings(**{**vars(NEW_YORK), "webhook_seconds": 3600.0}),
    "rounding late": settings(round_at_subtotal=True),
}


@pytest.mark.parametrize("name", SHOPS)
async def test_every_order_that_was_sold_ties_to_the_cent(name: str, tmp_path: Path) -> None:
    async with a_shop(tmp_path, plan=SHOPS[name]) as shop:
        placed = await shop.sell(60, unbookable=0, seed=5)
        read = [shop.room.orders.read(document) for document in await shop.room.orders.fetch(placed)]
    assert len(read) == len(placed) >= 60
    assert [(one.name, adds_up(one)) for one in read] == [(one.name, one.total) for one in read]
    assert [one.name for one in read if _kept(one) != one.total] == []


def _kept(order: Order) -> Any:
    return paid(order) + order.outstanding


async def test_a_refund_of_each_kind_ties_to_the_cent(shop: World) -> None:
    ref = await shop.place(lines=[{"sku": "040123000020", "quantity": 3, "price": "33.33"}])
    for details in ({"lines": {"0": 1}}, {"amount": "1.00"}, {"lines": {"0": 1}, "shipping": True}):
        await shop.happens(ref, "refund", **details)
        found = await shop.read(ref)
        assert adds_up(found) == found.total == paid(found)
        assert found.as_sold is not None
        assert adds_up(found.as_sold) == found.original_total


async def test_trap_16_our_own_writes_echo_as_a_new_stamp_and_the_same_order(shop: World) -> None:
    ref = await shop.place()
    first = await shop.read(ref)
    await shop.http.post("/_sandbox/clock", json={"advance_seconds": 5})
    await shop.call("PUT", f"/orders/{ref}", {})
    again = await shop.read(ref)
    assert again.modified > first.modified
    assert again == first.model_copy(update={"modified": again.modified})


async def test_a_sku_read_live_from_the_product_says_so(shop: World) -> None:
    (line,) = (await shop.read(await shop.place())).lines
    assert line.sku_is_live
    assert line.variant
