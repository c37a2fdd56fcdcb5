"""Orders made whole from several answers: what is paged, what is asked again, what is kept although it is odd."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model.ids import Ref
from tests.connectors.shopify.answers import Json, line, order
from tests.connectors.shopify.shops import SECRETS, World, a_script, a_shop
from tests.connectors.shopify.test_orders import DRESS, TAX, tie

DONE = {"hasNextPage": False, "endCursor": None}
MORE = {"hasNextPage": True, "endCursor": "here"}
REF = Ref("gid://shopify/Order/1001")
LATER = "2026-11-20T12:00:01Z"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    async with a_shop(tmp_path) as world:
        yield world


def slim(content: Json | None = None, *, lines: Json = DONE, **changes: Any) -> Json:
    """An order as the slim answer holds it: each connection with its page info."""
    whole = order(**changes) if content is None else content
    whole["lineItems"] = {**whole["lineItems"], "pageInfo": lines}
    whole["shippingLines"] = {**whole["shippingLines"], "pageInfo": DONE}
    for one in whole["fulfillmentOrders"]["nodes"]:
        one["lineItems"]["pageInfo"] = DONE
    whole["fulfillmentOrders"] = {**whole["fulfillmentOrders"], "pageInfo": DONE}
    return whole


def orders(*nodes: Json | None) -> Json:
    return {"data": {"nodes": list(nodes)}}


def more_lines(stamp: str, *lines: Json) -> Json:
    page = {"nodes": list(lines), "pageInfo": DONE}
    return {"data": {"order": {"updatedAt": stamp, "lineItems": page}}}


async def test_an_order_that_changes_between_two_answers_is_begun_anew() -> None:
    first, again = slim(lines=MORE), slim(lines=MORE, updatedAt=LATER)
    answers = [orders(first), more_lines(LATER, line(2)), orders(again), more_lines(LATER, line(2), line(3))]
    async with a_script(*answers) as (_, room):
        (document,) = await room.orders.fetch([REF])
        found = room.orders.read(document)
    assert [one.ref.rpartition("/")[2] for one in found.lines] == ["1", "2", "3"]
    assert found.modified.isoformat() == "2026-11-20T12:00:01+00:00"


async def test_an_order_that_never_stands_still_is_left_for_later() -> None:
    moving = [orders(slim(lines=MORE)), more_lines(LATER, line(2))] * 4
    async with a_script(*moving) as (_, room):
        with pytest.raises(Retry):
            await room.orders.fetch([REF])


async def test_an_order_deleted_while_it_is_read_is_absent() -> None:
    gone = {"data": {"order": None}}
    async with a_script(orders(slim(lines=MORE)), gone, orders(None)) as (_, room):
        found = await room.orders.fetch([REF])
    assert found == []


async def test_an_oddly_built_order_is_kept_for_a_person_and_its_neighbours_go_on() -> None:
    odd = slim()
    del odd["lineItems"]["pageInfo"]
    half = slim(id="gid://shopify/Order/2", note="\ud800")
    fine = slim(id="gid://shopify/Order/3", legacyResourceId="3")
    refs = [REF, Ref("gid://shopify/Order/2"), Ref("gid://shopify/Order/3")]
    body = (200, '{"data": {"nodes": [%s]}}' % ", ".join(map(json.dumps, (odd, half, fine))))  # noqa: UP031
    async with a_script(body) as (_, room):
        documents = await room.orders.fetch(refs)
        assert [document.ref for document in documents] == refs
        for document in documents[:2]:
            with pytest.raises(Malformed):
                room.orders.read(document)
        assert b"012345678905" in documents[0].body
        assert room.orders.read(documents[2]).id == "3"


async def test_an_oddly_built_order_keeps_its_stamp_so_that_a_whole_one_takes_its_place() -> None:
    odd = slim(updatedAt=LATER)
    del odd["lineItems"]["pageInfo"]
    async with a_script(orders(odd)) as (_, room):
        (document,) = await room.orders.fetch([REF])
    assert document.modified.isoformat() == "2026-11-20T12:00:01+00:00"
    assert document.modified < document.asked


@pytest.mark.parametrize("none", [None, {"shopMoney": {"amount": "0.00"}}])
async def test_an_order_without_duties_and_fees_is_not_asked_for_them(none: Json | None) -> None:
    """Both are seen for "none"; each question costs a shop as many points as several orders."""
    content = slim(originalTotalDutiesSet=none, originalTotalAdditionalFeesSet=none)
    async with a_script(orders(content)) as (script, room):
        await room.orders.fetch([REF])
    assert len(script.asked) == 1


BROKEN = {
    "data": None,
    "errors": [{"message": "String cannot represent '9 Elm Street'", "path": ["nodes", 1, "shippingAddress", "zip"]}],
}
OTHER = Ref("gid://shopify/Order/1002")


async def test_an_order_that_shopify_cannot_answer_is_kept_for_a_person_and_its_neighbours_go_on() -> None:
    async with a_script(BROKEN, orders(slim()), BROKEN) as (_, room):
        whole, broken = await room.orders.fetch([REF, OTHER])
    assert room.orders.read(whole).name == "#1001"
    assert (broken.ref, b"shippingAddress.zip" in broken.body, b"Elm" in broken.body) == (OTHER, True, False)
    with pytest.raises(Malformed):
        room.orders.read(broken)


async def test_where_shopify_can_answer_none_of_several_orders_the_circuit_opens_without_quoting_anybody() -> None:
    async with a_script(BROKEN, BROKEN, BROKEN) as (_, room):
        with pytest.raises(OpenCircuit) as told:
            await room.orders.fetch([REF, OTHER])
    assert told.value.by_content
    assert "Elm" not in str(told.value)


async def test_an_answer_of_other_orders_than_asked_opens_the_circuit() -> None:
    async with a_script(orders()) as (_, room):
        with pytest.raises(OpenCircuit) as caught:
            await room.orders.fetch([REF])
    assert caught.value.by_content


async def test_rates_and_amounts_are_kept_as_the_text_they_were_sent_as() -> None:
    taxed = {"title": "VAT", "rate": 0.1, "priceSet": order()["totalRefundedSet"]}
    text = orjson.dumps(orders(slim(order(line(taxLines=[taxed]))))).decode()
    exact = text.replace('"rate":0.1', '"rate":0.10000000000000000000000001')
    async with a_script((200, exact)) as (_, room):
        (document,) = await room.orders.fetch([REF])
        found = room.orders.read(document)
    assert str(found.lines[0].taxes[0].rate) == "0.10000000000000000000000001"


async def test_withheld_customer_data_is_tolerated_and_anything_else_withheld_is_not() -> None:
    def denied(field: str) -> Json:
        error = {"message": "Access denied", "path": ["nodes", 0, field], "extensions": {"code": "ACCESS_DENIED"}}
        return {**orders({**slim(), field: None}), "errors": [error]}

    async with a_script(denied("customer"), denied("fulfillmentOrders")) as (_, room):
        (document,) = await room.orders.fetch([REF])
        assert room.orders.read(document).customer is None
        with pytest.raises(OpenCircuit, match="fulfillmentOrders"):
            await room.orders.fetch([REF])


async def test_a_ledger_longer_than_a_page_in_both_directions_is_read_whole(shop: World) -> None:
    lines = [{**DRESS, "sku": str(number), "quantity": 9, "price": "10.01"} for number in range(60)]
    ref = await shop.place(lines=lines, discounts=[{"code": "WELCOME10", "percent": "10"}], tax=TAX)
    for _ in range(6):
        await shop.happens(ref, "refund", lines={str(number): 1 for number in range(60)})
    found = await shop.read(ref)
    assert {one.quantity for one in found.lines} == {3}
    assert tie(found) == 0


async def test_the_batch_grows_with_what_a_query_really_costs(shop: World) -> None:
    sold = [await shop.place(lines=[DRESS]) for _ in range(30)]
    with capture_logs() as first:
        await shop.room.orders.fetch(sold)
    with capture_logs() as second:
        await shop.room.orders.fetch(sold)
    assert len(second) <= len(first) < 30


async def test_products_of_a_circular_shop_are_asked_about(tmp_path: Path) -> None:
    async with a_shop(tmp_path, supercycle=True) as shop:
        variants = (await shop.http.get("/_sandbox/books/variants?limit=2")).json()["variants"]
        plain = await shop.read(await shop.place(lines=[{"sku": variants[0]["sku"]}]))
        product = (await shop.http.get("/_sandbox/books/products?limit=1")).json()["products"][0]
        marked = {"metafields": {"supercycle.supercycle_enabled": "true"}}
        number = product["id"].rpartition("/")[2]
        assert (await shop.http.patch(f"/_sandbox/products/{number}", json=marked)).is_success
        circular = await shop.read(
            await shop.place(lines=[{"sku": variants[0]["sku"]}, {"title": "Custom", "price": "1"}])
        )
    assert [one.marks for one in plain.lines] == [()]
    assert [one.marks for one in circular.lines] == [("product",), ()]


async def test_no_secret_and_no_customer_is_in_any_log_line(tmp_path: Path) -> None:
    address = {"firstName": "Zebedee", "lastName": "Quux", "address1": "9 Unlikely Row"}
    async with a_shop(tmp_path, client_id="env:CLIENT_ID", client_secret="env:CLIENT_SECRET") as shop:
        ref = await shop.place(lines=[DRESS], address=address, email="zebedee@example.com")
        with capture_logs() as lines:
            found = await shop.read(ref)
            await shop.fault(once={"http_502_html": 1})
            with pytest.raises(Retry) as caught:
                await shop.read(ref)
    assert found.ship_to is not None
    assert found.ship_to.name == "Zebedee Quux"
    said = str(lines) + str(caught.value) + repr(caught.value)
    assert lines
    for private in ("Zebedee", "Unlikely", "zebedee@", *SECRETS.values()):
        assert private not in said
