"""Orders over real HTTP against the sandbox's shop: lists that move, documents made whole, records that tie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.order import LineKind, Order, PaymentStatus, TenderKind
from tests.connectors.shopify.shops import World, a_shop, listed, refs, until

DRESS = {"sku": "812345000017", "title": "Wrap Dress", "price": "89.00", "variantId": "gid://shopify/ProductVariant/9"}
TAX = [{"title": "NJ State Tax", "rate": "0.06625"}]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path) as world:
        yield world


async def simple(shop: World, count: int = 1) -> list[Ref]:
    return [await shop.place(lines=[DRESS], shipping={"title": "Standard", "price": "5.00"}) for _ in range(count)]


async def test_a_sold_order_is_listed_fetched_and_read(shop: World) -> None:
    (ref,) = await simple(shop)
    assert refs(await listed(shop.room.orders.lists[0])) == [ref]
    assert set(refs(await listed(shop.room.orders.lists[1]))) == {ref}
    found = await shop.read(ref)
    assert (found.total, found.payment, found.lines[0].amount) == (Decimal(94), PaymentStatus.PAID, Decimal(89))
    assert tie(found) == 0


async def test_an_order_with_more_of_everything_is_paged_to_the_end(shop: World) -> None:
    lines = [
        {**DRESS, "sku": f"{number:012}", "quantity": 1 + number % 3, "location": city(number)} for number in range(130)
    ]
    titles = [{"title": title, "price": "5.00"} for title in ("Standard", "Express", "Overnight")]
    tenders = [{"gateway": "gift_card", "amount": "1.00"} for _ in range(7)]
    ref = await shop.place(lines=lines, shipping=titles, tax=TAX, tenders=[*tenders, {"gateway": "shopify_payments"}])
    found = await shop.read(ref)
    assert [line.sku for line in found.lines] == [f"{number:012}" for number in range(130)]
    assert [line.title for line in found.shipping] == ["Standard", "Express", "Overnight"]
    assert len(found.tenders) == 8
    assert all(sum(one.quantity for one in line.assignments) == line.quantity for line in found.lines)
    assert {one.location_name for line in found.lines for one in line.assignments} == {"New Jersey DC", "California DC"}
    assert found.routed
    assert tie(found) == 0


def city(number: int) -> str:
    return "California DC" if number % 2 else "New Jersey DC"


async def test_many_orders_are_fetched_in_the_order_asked_and_the_unknown_is_absent(shop: World) -> None:
    sold = await simple(shop, 30)
    wanted = [*reversed(sold), Ref("gid://shopify/Order/1"), Ref("nonsense"), Ref("gid://shopify/Product/1"), sold[0]]
    documents = await shop.room.orders.fetch(wanted)
    assert [document.ref for document in documents] == list(reversed(sold))


async def test_fetching_nothing_asks_nothing(shop: World) -> None:
    assert await shop.room.orders.fetch([]) == []


async def test_three_hundred_orders_of_one_second_are_all_listed(tmp_path: Path) -> None:
    async with a_shop(tmp_path, page_size=40) as shop:
        await shop.fault(rates={"equal_updated_at": 1.0}, values={"equal_updated_at_seconds": 3600.0})
        sold = set(await simple(shop, 300))
        assert set(refs(await listed(shop.room.orders.lists[0]))) == sold
        assert set(refs(await listed(shop.room.orders.lists[1]))) == sold


async def test_a_list_whose_rows_move_while_it_is_paged_loses_none(tmp_path: Path) -> None:
    async with a_shop(tmp_path, page_size=5) as shop:
        sold = set(await simple(shop, 40))
        await shop.fault(once={"moving_list": 6})
        assert set(refs(await listed(shop.room.orders.lists[0]))) == sold


async def test_an_order_the_index_shows_late_is_found_by_the_overlap(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.fault(once={"index_lag": 1}, values={"index_lag_seconds": 1.0})
        (late,) = await simple(shop)
        (early,) = await simple(shop)
        first = await listed(shop.room.orders.lists[0])
        assert refs(first) == [early]
        await until(lambda: listed(shop.room.orders.lists[0], first[-1].cursor), lambda pages: late in refs(pages))


async def test_resuming_from_any_cursor_repeats_at_most(tmp_path: Path) -> None:
    async with a_shop(tmp_path, page_size=7, overlap_seconds=0) as shop:
        sold = await simple(shop, 30)
        pages = await listed(shop.room.orders.lists[0])
        for at, page in enumerate(pages):
            seen = set(refs(pages[: at + 1])) | set(refs(await listed(shop.room.orders.lists[0], page.cursor)))
            assert seen == set(sold)


async def test_a_list_without_a_cursor_begins_at_the_boundary(tmp_path: Path) -> None:
    async with a_shop(tmp_path, since=datetime.now(UTC) + timedelta(hours=2)) as shop:
        await simple(shop)
        assert await listed(shop.room.orders.lists[0]) == []


async def test_an_empty_shop_lists_nothing_and_moves_no_cursor(shop: World) -> None:
    assert await listed(shop.room.orders.lists[0]) == []
    assert await listed(shop.room.orders.lists[1]) == []


async def test_a_released_hold_shows_in_the_list_of_fulfilment_orders_alone(shop: World) -> None:
    ref = await shop.place(lines=[DRESS], hold="HIGH_RISK_OF_FRAUD")
    held = await shop.read(ref)
    assert [hold.reason for hold in held.holds] == ["high_risk_of_fraud"]
    cursors = [(await listed(one))[-1].cursor for one in shop.room.orders.lists]
    await anyio.sleep(1.1)  # their stamps are whole seconds
    await shop.happens(ref, "release")
    orders, fulfilment_orders = [
        await listed(one, since) for one, since in zip(shop.room.orders.lists, cursors, strict=True)
    ]
    assert {head.modified for page in orders for head in page.heads} <= {held.modified}
    assert max(head.modified for page in fulfilment_orders for head in page.heads) > held.modified
    released = await shop.read(ref)
    assert released.holds == ()
    assert released.modified > held.modified


async def test_a_sweep_lists_everything_created_since(tmp_path: Path) -> None:
    async with a_shop(tmp_path, page_size=5) as shop:
        sold = await simple(shop, 12)
        swept = [page async for page in shop.room.orders.sweep(datetime.now(UTC) - timedelta(hours=1))]
        assert sorted(refs(swept)) == sorted(sold)
        assert [page async for page in shop.room.orders.sweep(datetime.now(UTC) + timedelta(hours=1))] == []


async def test_too_costly_a_batch_is_halved_and_goes_on(shop: World) -> None:
    sold = await simple(shop, 9)
    await shop.fault(rates={"max_cost": 1.0}, values={"max_cost_points": 300.0})
    assert len(await shop.room.orders.fetch(sold)) == 9


async def test_withheld_customer_data_reads_to_an_order_without_it(shop: World) -> None:
    (ref,) = await simple(shop)
    await shop.fault(rates={"access_nulls": 1.0})
    found = await shop.read(ref)
    assert (found.ship_to, found.bill_to, found.customer) == (None, None, None)


async def test_a_partly_refunded_order_ties_on_what_is_left_and_on_what_was_sold(shop: World) -> None:
    ref = await shop.place(
        lines=[{**DRESS, "quantity": 3, "price": "33.33"}, {**DRESS, "sku": "2"}],
        shipping={"title": "Standard", "price": "7.00"},
        discounts=[{"code": "WELCOME10", "percent": "10"}, {"title": "Bundle & Save", "amount": "5.00"}],
        tax=TAX,
    )
    before = await shop.read(ref)
    await shop.happens(ref, "refund", lines={"0": 1})
    after = await shop.read(ref)
    assert (before.lines[0].quantity, after.lines[0].quantity, after.lines[0].ordered) == (3, 2, 3)
    assert after.payment is PaymentStatus.PARTIALLY_REFUNDED
    assert after.total < before.total
    assert tie(before) == 0
    assert tie(after) == 0
    assert tenders(after) + after.outstanding == after.total
    assert after.as_sold is not None
    assert after.as_sold.lines[0].amount == before.lines[0].amount
    assert after.as_sold.lines[0].allowances == before.lines[0].allowances
    assert after.as_sold.lines[0].taxes == before.lines[0].taxes


async def test_an_edit_that_takes_pieces_off_leaves_an_order_that_ties(shop: World) -> None:
    ref = await shop.place(
        lines=[{**DRESS, "quantity": 3, "price": "20.01"}], discounts=[{"code": "TAKE5", "amount": "5.00"}], tax=TAX
    )
    await shop.happens(ref, "edit", **{"0": 1})
    found = await shop.read(ref)
    assert found.edited
    assert (found.lines[0].ordered, found.lines[0].quantity) == (3, 2)
    assert found.as_sold is None
    assert tie(found) == 0


async def test_prices_with_tax_inside_tie_too(shop: World) -> None:
    vat = [{"title": "VAT", "rate": "0.2"}]
    ref = await shop.place(
        lines=[{**DRESS, "quantity": 3}],
        shipping={"title": "Express", "price": "9.99"},
        discounts=[{"code": "WELCOME10", "percent": "10"}],
        tax=vat,
        taxesIncluded=True,
    )
    whole = await shop.read(ref)
    await shop.happens(ref, "refund", lines={"0": 1})
    left = await shop.read(ref)
    assert whole.prices_include_tax
    assert tie(whole) == 0
    assert tie(left) == 0


async def test_duties_fees_tips_gift_cards_and_rounding_all_tie(shop: World) -> None:
    ref = await shop.place(
        lines=[
            {**DRESS, "duty": "4.50"},
            {"title": "Gift card", "price": "50.00", "giftCard": True, "sku": "GIFT"},
        ],
        fees=[{"name": "Retail delivery fee", "amount": "0.28"}],
        tip="6.00",
        rounding="0.02",
        tax=TAX,
        tenders=[{"gateway": "gift_card", "amount": "20.00"}, {"gateway": "manual"}],
    )
    found = await shop.read(ref)
    kinds = {line.kind for line in found.lines}
    assert kinds == {LineKind.GOODS, LineKind.GIFT_CARD, LineKind.TIP}
    assert (found.tip, found.rounding) == (Decimal(6), Decimal("0.02"))
    assert found.lines[0].charges[0].amount == Decimal("4.5")
    assert [charge.name for charge in found.charges] == ["Retail delivery fee"]
    assert tie(found) == 0
    assert tenders(found) == found.total


async def test_either_currency_side_ties(tmp_path: Path) -> None:
    for side in ("shop", "presentment"):
        async with a_shop(tmp_path / side, money_side=side) as shop:
            ref = await shop.place(
                lines=[{**DRESS, "quantity": 2}],
                currency="EUR",
                rate="0.9173",
                discounts=[{"code": "WELCOME10", "percent": "10"}],
                tax=TAX,
            )
            found = await shop.read(ref)
            assert found.currency == {"shop": "USD", "presentment": "EUR"}[side]
            assert tie(found) == 0


async def test_a_cancelled_order_says_so(shop: World) -> None:
    (ref,) = await simple(shop)
    await shop.happens(ref, "cancel")
    found = await shop.read(ref)
    assert found.cancelled is not None
    assert all(line.quantity == 0 for line in found.lines)


async def test_a_document_is_as_new_as_the_newest_stamp_in_it(shop: World) -> None:
    (ref,) = await simple(shop)
    (document,) = await shop.room.orders.fetch([ref])
    heads = [head for one in shop.room.orders.lists for page in await listed(one) for head in page.heads]
    assert document.modified == max(head.modified for head in heads)


async def test_a_seeded_crowd_of_orders_all_reads_and_all_ties(shop: World) -> None:
    await shop.sell(orders=120, seed=11, rate=500, unbookable=0)
    sold = set(refs(await listed(shop.room.orders.lists[0])))
    documents = await shop.room.orders.fetch(sorted(sold))
    assert len(documents) == 120
    assert {order.name: tie(order) for order in map(shop.room.orders.read, documents) if tie(order)} == {}


def tie(order: Order) -> Decimal:
    """What is left between the parts and the order's current total."""
    parts = [
        *((one.amount, one.allowances, one.taxes) for one in order.lines),
        *((one.amount, one.allowances, one.taxes) for one in order.shipping),
        *((one.amount, (), one.taxes) for line in order.lines for one in line.charges),
        *((one.amount, (), one.taxes) for one in order.charges),
    ]
    whole = order.rounding
    for amount, allowances, taxes in parts:
        whole += amount - sum(one.amount for one in allowances)
        whole += 0 if order.prices_include_tax else sum(one.amount for one in taxes)
    return whole - order.total


def tenders(order: Order) -> Decimal:
    signs = {TenderKind.CAPTURED: 1, TenderKind.REFUNDED: -1, TenderKind.CHANGE: -1, TenderKind.AUTHORISED: 0}
    return sum((signs[one.kind] * one.amount for one in order.tenders), Decimal(0))
