"""How deep a pass over a list goes, and how a walk goes on where their cursor ends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web

from bcbridge.connectors.shopify.changes import DEEPEST_ROWS
from bcbridge.errors import OpenCircuit
from tests.connectors.shopify.shops import Clock, a_script, listed, refs

START = datetime(2026, 11, 20, tzinfo=UTC)
FLOOR = re.compile(r"updated_at:>='(.+)'")


class Endless:
    """A shop with an order a second from START on, ``count`` of them; ``stamp`` may make stamps alike."""

    def __init__(self, count: int, *, seconds: int = 1) -> None:
        self.count = count
        self.seconds = seconds
        self.floors: list[datetime] = []
        self.touched: set[int] = set()
        """Orders changed a moment ago: their index still has them where they were, their row shows the new stamp."""

    def stamp(self, number: int) -> datetime:
        return START + timedelta(seconds=number * self.seconds)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        variables = (await request.json())["variables"]
        floor = self._floor(variables["q"])
        begin = int(variables["after"]) + 1 if variables["after"] else self._first(floor)
        if not variables["after"]:
            self.floors.append(floor)
        numbers = range(begin, min(begin + variables["first"], self.count))
        nodes = [self._node(number) for number in numbers]
        info = {
            "hasNextPage": bool(numbers) and numbers[-1] + 1 < self.count,
            "endCursor": str(numbers[-1:][0]) if numbers else None,
        }
        body = orjson.dumps({"data": {"orders": {"nodes": nodes, "pageInfo": info}}})
        return web.Response(body=body, content_type="application/json")

    def _floor(self, query: str) -> datetime:
        found = FLOOR.fullmatch(query)
        assert found
        return datetime.fromisoformat(found[1])

    def _first(self, floor: datetime) -> int:
        return next((number for number in range(self.count) if self.stamp(number) >= floor), self.count)

    def _node(self, number: int) -> dict[str, Any]:
        stamp = self.stamp(self.count if number in self.touched else number).isoformat()
        return {"id": f"gid://shopify/Order/{number}", "updatedAt": stamp, "createdAt": stamp}


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_list_deeper_than_their_cursor_reaches_is_read_whole() -> None:
    shop = Endless(DEEPEST_ROWS + 1500)
    async with a_script(*[shop] * 200) as (_, room):
        found = refs(await listed(room.orders.lists[0]))
    assert set(found) == {f"gid://shopify/Order/{number}" for number in range(shop.count)}
    assert len(shop.floors) == 2
    assert len(found) <= shop.count + 1250, "an overlap and a page twice"


async def test_an_order_changed_while_a_deep_list_is_read_hides_none_behind_it() -> None:
    shop = Endless(DEEPEST_ROWS + 1500)
    shop.touched = {DEEPEST_ROWS // 2}
    async with a_script(*[shop] * 200) as (_, room):
        found = refs(await listed(room.orders.lists[0]))
    assert set(found) == {f"gid://shopify/Order/{number}" for number in range(shop.count)}


async def test_an_order_changed_while_it_is_listed_hides_none_behind_it_from_a_pass_that_broke_off() -> None:
    """Rows lie where the index had them and show the stamp of now: only the end of a list reaches to the newest."""
    shop = Endless(5000)
    shop.touched = {5}
    async with a_script(*[shop] * 10) as (_, room):
        pages = room.orders.lists[0].pages("")
        first = await anext(pages)
        await pages.aclose()  # type: ignore[attr-defined]
    async with a_script(*[shop] * 40) as (_, room):
        rest = await listed(room.orders.lists[0], first.cursor)
    assert {f"gid://shopify/Order/{number}" for number in range(5000)} <= {*refs([first]), *refs(rest)}


async def test_more_rows_of_one_stamp_than_can_be_listed_open_the_circuit() -> None:
    shop = Endless(DEEPEST_ROWS + 1500, seconds=0)
    cursor = orjson.dumps({"updated": START, "settled": START}).decode()
    async with a_script(*[shop] * 100, overlap_seconds=0) as (_, room):
        with pytest.raises(OpenCircuit) as caught:
            await listed(room.orders.lists[0], cursor)
    assert caught.value.by_content


async def test_the_first_pass_is_deep_and_begins_an_overlap_before_the_cursor() -> None:
    shop = Endless(3000)
    async with a_script(*[shop] * 40) as (_, room):
        (updated, _) = room.orders.lists
        cursor = (await listed(updated))[-1].cursor
    async with a_script(*[shop] * 40) as (_, room):
        pages = await listed(room.orders.lists[0], cursor)
    newest = shop.stamp(2999)
    assert shop.floors[-1] == newest - timedelta(seconds=900)
    assert len(refs(pages)) == 901


async def test_a_pass_right_after_a_long_deep_one_is_near(clock: Clock) -> None:
    shop = Endless(3000)

    async def slowly(request: web.Request) -> web.StreamResponse:
        clock.ahead += timedelta(seconds=5)
        return await shop(request)

    async with a_script(*[slowly] * 40, clock=clock) as (_, room):
        updated = room.orders.lists[0]
        cursor = (await listed(updated))[-1].cursor
        near = await listed(updated, cursor)
        clock.ahead += timedelta(seconds=300)
        deep = await listed(updated, near[-1].cursor)
    assert (len(refs(near)), len(refs(deep))) == (31, 901)


async def test_what_a_near_pass_saw_is_still_gone_over_by_the_next_deep_one(clock: Clock) -> None:
    """A row stamped before a near pass, and indexed after it, must not fall between the two marks."""
    shop = Endless(3000)

    async def slowly(request: web.Request) -> web.StreamResponse:
        clock.ahead += timedelta(seconds=5)
        return await shop(request)

    async with a_script(*[slowly] * 60, clock=clock) as (_, room):
        updated = room.orders.lists[0]
        cursor = (await listed(updated))[-1].cursor
        settled = shop.stamp(2999)
        shop.count = 5000
        cursor = (await listed(updated, cursor))[-1].cursor
        clock.ahead += timedelta(seconds=300)
        await listed(updated, cursor)
    assert shop.floors[-2:] == [settled - timedelta(seconds=30), settled - timedelta(seconds=900)]


async def test_a_quiet_shop_is_not_listed_over_and_over(clock: Clock) -> None:
    shop = Endless(100)
    async with a_script(*[shop] * 20, clock=clock) as (_, room):
        updated = room.orders.lists[0]
        cursor = (await listed(updated))[-1].cursor
        clock.ahead += timedelta(seconds=3590)
        early = await listed(updated, cursor)
        clock.ahead += timedelta(seconds=20)
        last = await listed(updated, cursor)
        clock.ahead += timedelta(seconds=60)
        quiet = await listed(updated, cursor)
        shop.count += 1
        clock.ahead += timedelta(seconds=60)
        woken = await listed(updated, cursor)
        older = await listed(updated, orjson.dumps({"updated": shop.stamp(50), "settled": shop.stamp(50)}).decode())
    assert [len(refs(pages)) for pages in (early, last, quiet, woken)] == [100, 100, 0, 1]
    assert {f"gid://shopify/Order/{number}" for number in range(51, 101)} <= set(refs(older)), "read as it asks"


async def test_a_pass_that_broke_off_is_followed_by_a_deep_one(clock: Clock) -> None:
    shop = Endless(3000)

    async def slowly(request: web.Request) -> web.StreamResponse:
        clock.ahead += timedelta(seconds=5)
        return await shop(request)

    async with a_script(*[slowly] * 60, clock=clock) as (_, room):
        updated = room.orders.lists[0]
        cursor = (await listed(updated))[-1].cursor
        await first_page(updated.pages(cursor))
        again = await listed(updated, cursor)
    assert len(refs(again)) == 901


async def first_page(pages: AsyncIterator[Any]) -> None:
    await anext(pages)
    await pages.aclose()  # type: ignore[attr-defined]


async def test_a_row_that_does_not_read_opens_the_circuit_by_content() -> None:
    odd = {"data": {"orders": {"nodes": [{"id": 5}], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
    async with a_script(odd) as (_, room):
        with pytest.raises(OpenCircuit) as caught:
            await listed(room.orders.lists[0])
    assert caught.value.by_content
