"""One order, put together from as few answers as it needs; every request fits BigCommerce's OpenAPI."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from bcbridge.connectors.bigcommerce.dates import moment
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model.ids import Ref
from bcbridge.model.order import Order, PaymentStatus
from tests.connectors.bigcommerce.answers import (
    MODIFIED,
    NOON,
    consignments,
    coupon,
    discount,
    line,
    order,
    parcel,
    refund,
    size,
    tax_row,
)
from tests.connectors.bigcommerce.stores import NOT_THERE, Store, a_room, a_store
from tests.contract.kit import Asked, Reply
from tests.contract.outside import serving

pytestmark = pytest.mark.contract

ONE = Ref("218")


def said(body: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


async def whole(store: Store, room: Any, *refs: str) -> list[Order]:
    documents = await room.orders.fetch([Ref(ref) for ref in refs or ("218",)])
    return [room.orders.read(document) for document in documents]


async def test_a_plain_order_takes_one_call_and_its_batch_one_for_the_skus() -> None:
    async with a_store() as (store, room):
        store.put(order(), order(line(66), id=219))
        store.variants = [{"id": 135, "product_id": 7, "sku": "A", "upc": "A"}]
        first, second = await whole(store, room, "218", "219")
        assert (first.id, second.id) == ("218", "219")
        assert first.modified == moment(MODIFIED)
        assert store.calls == {"v2/orders": 2, "v3/catalog/variants": 1}
        assert store.asked[0].query["include"] == "consignments.line_items,fees"


async def test_18_every_line_of_a_large_order_is_read_not_only_the_first_page() -> None:
    """The answer holds 50 of 312 lines: the rest is paged, as many a page as there may be."""
    lines = [line(1000 + number, "1.00", variant_id=0) for number in range(312)]
    async with a_store() as (store, room):
        store.put(order(ex_tax="317.00", items_total=312, consignments=consignments(parcel(*lines[:50]))))
        store.products[218] = lines
        (read,) = await whole(store, room)
        assert [one.ref for one in read.lines] == [str(one["id"]) for one in lines]
        assert store.calls["v2/orders/products"] == 2


async def test_lines_that_are_links_alone_are_read_from_their_list() -> None:
    link = {
        "url": "https://api.bigcommerce.com/stores/abc123/v2/orders/218/products",
        "resource": "/orders/218/products",
    }
    async with a_store() as (store, room):
        told = parcel()
        told["line_items"] = [link]
        store.put(order(consignments=consignments(told)))
        store.products[218] = [line()]
        (read,) = await whole(store, room)
        assert [one.ref for one in read.lines] == ["65"]


@pytest.mark.parametrize("counted", [3, 1])
async def test_a_bundle_is_whole_whether_its_parts_are_counted_or_not(counted: int) -> None:
    bundle = [line(65), line(66, "0.00", parent_order_product_id=65), line(67, "0.00", parent_order_product_id=65)]
    async with a_store() as (store, room):
        store.put(order(*bundle, items_total=counted))
        await whole(store, room)
        assert store.calls["v2/orders/products"] == 0


async def test_18_parts_of_a_bundle_beyond_the_50th_line_are_read_though_nobody_counts_them() -> None:
    singles = [line(1000 + number, "1.00", variant_id=0) for number in range(44)]
    parts = [line(2001 + number, "0.00", variant_id=0, parent_order_product_id=2000) for number in range(9)]
    lines = [*singles, line(2000, "9.00", variant_id=0), *parts]
    async with a_store() as (store, room):
        store.put(order(ex_tax="58.00", items_total=45, consignments=consignments(parcel(*lines[:50]))))
        store.products[218] = lines
        (read,) = await whole(store, room)
        assert len(read.lines) == len(singles) + len(parts)


async def test_taxes_are_asked_for_where_there_are_any_and_coupons_where_lines_do_not_tell_them() -> None:
    async with a_store() as (store, room):
        discounted = line(66, "20.00", applied_discounts=[discount("5.00")])
        store.put(
            order(line(tax="6.63"), tax="6.63", inc_tax="111.63"),
            order(discounted, id=219, ex_tax="20.00", coupon_discount="5.0000"),
            order(line(67), id=220, ex_tax="100.00", coupon_discount="5.0000"),
        )
        store.taxes[218] = [tax_row("6.63")]
        store.coupons[220] = [coupon("SHIPFREE", 5.0, 4)]
        taxed, spread, shipped = await whole(store, room, "218", "219", "220")
        assert [tax.title for tax in taxed.lines[0].taxes] == ["NJ State Tax"]
        assert [one.name for one in spread.lines[0].allowances] == ["WELCOME10"]
        assert [one.name for one in shipped.shipping[0].allowances] == ["SHIPFREE"]
        assert (store.calls["v2/orders/taxes"], store.calls["v2/orders/coupons"]) == (1, 1)


async def test_19_a_204_is_an_empty_list_and_never_parsed() -> None:
    """Taxes, coupons and the order list itself: v2 says nothing where there is nothing."""
    async with a_store() as (store, room):
        store.put(order(tax="6.63", inc_tax="111.63", coupon_discount="5.0000"))
        (read,) = await whole(store, room)
        assert read.lines[0].taxes == ()
        store.rows.clear()
        assert [page async for page in room.orders.lists[0].pages("")] == []


async def test_21_what_was_refunded_comes_from_the_refunds_not_from_the_orders_zero() -> None:
    async with a_store() as (store, room):
        for number in (218, 219):
            store.put(order(line(quantity_refunded=0), id=number, status_id=14, payment_status="partially refunded"))
        store.refunds = [refund(1, 19.99), refund(2, 5, order_id=219)]
        assert store.rows[218]["refunded_amount"] == "0.0000"
        first, second = await whole(store, room, "218", "219")
        assert [str(one.refunded) for one in (first, second)] == ["19.99", "5.00"]
        assert store.calls["v3/orders/payment_actions/refunds"] == 1


async def test_25_the_variants_own_sku_is_taken_not_the_base_sku_that_was_copied() -> None:
    async with a_store() as (store, room):
        store.put(order(line(sku="DRESS", variant_id=300, product_options=[size()])))
        store.variants = [
            {"id": 300, "product_id": 7, "sku": "012345678905", "upc": "012345678905"},
            {"id": 301, "product_id": 7, "sku": "012345678912", "upc": ""},
        ]
        (read,) = await whole(store, room)
        found = read.lines[0]
        told = found.sku, found.barcode, found.variant, found.sku_is_live, found.sku_sold
        assert told == ("012345678905", "012345678905", "300", True, "DRESS")


async def test_25_without_its_variant_a_line_with_options_names_no_sku() -> None:
    async with a_store() as (store, room):
        store.put(order(line(sku="DRESS", variant_id=300, product_options=[size()]), line(66, sku="BELT")))
        with_options, without = (await whole(store, room))[0].lines
        assert (with_options.sku, with_options.variant) == ("", "300")
        store.put(order(line(sku="DRESS", variant_id=0, product_options=[size()]), line(66, variant_id=0)))
        assert [one.variant for one in (await whole(store, room))[0].lines] == [None, "7"]
        assert without.sku == "BELT"


async def test_products_that_are_not_there_any_more_have_no_variants() -> None:
    async with a_store() as (store, room):
        store.put(order(line(sku="DRESS", product_options=[size()])))
        gone = said({"status": 404, "title": "not found", "type": "", "errors": {}}, 404)
        store.instead = lambda asked: gone if asked.path.endswith("/variants") else None
        assert (await whole(store, room))[0].lines[0].sku == ""


async def test_skus_of_many_variants_are_paged() -> None:
    async with a_store() as (store, room):
        store.put(order(line(variant_id=599)))
        store.variants = [{"id": n, "product_id": 7, "sku": f"S{n}", "upc": ""} for n in range(1, 601)]
        assert (await whole(store, room))[0].lines[0].sku == "S599"
        assert store.calls["v3/catalog/variants"] == 3


@pytest.mark.parametrize("changes", [{"is_deleted": True}, {"status_id": 0, "status": "Awaiting Fulfillment"}])
async def test_17_incomplete_and_archived_orders_are_none_whatever_their_label(changes: Any) -> None:
    """As of their stamp, so that nobody asks again whether that was stale; and nothing of what is in them."""
    async with a_store() as (store, room):
        store.put(order(**changes))
        (none,) = await room.orders.fetch([ONE])
        assert (none.gone, none.modified, none.body) == (True, moment(MODIFIED), b"")
        assert set(store.calls) == {"v2/orders"}


async def test_absence_counts_only_where_the_store_itself_answers() -> None:
    """A wrong store answers 404 to everything: nothing is gone then."""
    async with a_store() as (store, room):
        assert await room.orders.fetch([ONE]) == []
        store.instead = lambda asked: said(NOT_THERE, 404)
        with pytest.raises(OpenCircuit):
            await room.orders.fetch([ONE])


async def test_a_404_in_other_words_than_theirs_is_no_absence() -> None:
    async with a_store() as (store, room):
        store.put(order(id=219))
        store.instead = lambda asked: Reply(404, b"<html>") if asked.path.endswith("/218") else None
        with pytest.raises(OpenCircuit):
            await room.orders.fetch([ONE, Ref("219")])


async def test_orders_of_other_channels_are_not_ours() -> None:
    async with a_store(channel_ids=[2]) as (store, room):
        store.put(order(), order(id=219, channel_id=2))
        assert [(one.ref, one.gone) for one in await room.orders.fetch([ONE, Ref("219")])] == [
            ("218", True),
            ("219", False),
        ]


async def test_an_order_built_oddly_is_kept_and_its_neighbours_go_on() -> None:
    async with a_store() as (store, room):
        store.put(order(id=219))
        store.instead = lambda asked: (
            said({"id": 218, "date_modified": MODIFIED}) if asked.path.endswith("/218") else None
        )
        odd, well = await room.orders.fetch([ONE, Ref("219")])
        assert odd.modified == moment(MODIFIED)
        with pytest.raises(Malformed):
            room.orders.read(odd)
        assert room.orders.read(well).id == "219"


@pytest.mark.parametrize("answer", [{"taxes": []}, [{"name": "no amount", "line_amount": None}], ["text"]])
async def test_an_order_whose_rest_is_built_oddly_is_never_read_without_it(answer: object) -> None:
    """The order itself is well: without its taxes it must not be booked all the same."""
    async with a_store() as (store, room):
        store.put(order(line(tax="6.63"), tax="6.63", inc_tax="111.63"))
        store.instead = lambda asked: said(answer) if asked.path.endswith("/taxes") else None
        (odd,) = await room.orders.fetch([ONE])
        with pytest.raises(Malformed):
            room.orders.read(odd)


async def test_an_order_that_changes_while_it_is_read_keeps_the_older_stamp() -> None:
    """So that the list, which shows the newer one, has it read again."""
    async with a_store() as (store, room):
        store.put(order(tax="1.00", inc_tax="106.00"))

        def change(asked: Asked) -> None:
            if asked.path.endswith("/taxes"):
                store.touch(218, NOON.replace(hour=13))

        store.meanwhile = change
        (document,) = await room.orders.fetch([ONE])
        assert document.modified == NOON


async def test_an_order_archived_while_it_is_read_is_absent() -> None:
    async with a_store() as (store, room):
        store.put(order(tax="1.00", inc_tax="106.00"), order(id=219))

        def archive(asked: Asked) -> Reply | None:
            if not asked.path.endswith("/taxes"):
                return None
            store.rows.pop(218)
            return said(NOT_THERE, 404)

        store.instead = archive
        assert [one.ref for one in await room.orders.fetch([ONE, Ref("219")])] == ["219"]


async def test_a_part_that_is_not_there_yet_of_an_order_that_is_takes_no_order_away() -> None:
    """404 to its taxes alone: what is paid is not gone by that, it is read again."""
    async with a_store() as (store, room):
        store.put(order(tax="1.00", inc_tax="106.00"))
        store.instead = lambda asked: said(NOT_THERE, 404) if asked.path.endswith("/taxes") else None
        with pytest.raises(Retry):
            await room.orders.fetch([ONE])


async def test_a_few_calls_are_under_way_at_once_and_a_failure_ends_them_all() -> None:
    under_way, most = 0, 0

    async def slow(request: Any, asked: Asked) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.sleep(0.02)
        under_way -= 1
        return Reply(500, b"<html>").response()

    async with serving(slow) as server:
        room = a_room(server.url)
        with pytest.raises(Retry):
            await room.orders.fetch([Ref(str(number)) for number in range(1, 30)])
        await room.aclose()
    assert 1 < most <= 4
    assert len(server.asked) < 29


async def test_one_call_of_many_that_fails_is_made_again_and_the_others_are_not() -> None:
    refs = [Ref(str(number)) for number in range(218, 228)]
    async with a_store() as (store, room):
        store.put(*(order(id=int(ref)) for ref in refs))
        fails = [Reply(500, b"<html>")]
        store.instead = lambda asked: fails.pop() if fails and asked.path.endswith("/220") else None
        assert [one.ref for one in await room.orders.fetch(refs)] == refs
        assert store.calls["v2/orders"] == len(refs) + 1


async def test_a_paid_order_is_read_from_what_was_fetched() -> None:
    async with a_store() as (store, room):
        store.put(order())
        (read,) = await whole(store, room)
        assert (read.payment, str(read.total)) == (PaymentStatus.PAID, "105.00")
