"""The contract, for figures of stock: what holds for every ERP's feed, whatever system it speaks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import Ref
from bcbridge.model.stock import StockPage
from tests.contract.heard import Heard
from tests.contract.kit import FeedKit, Held, Kit, Row, Shelf
from tests.contract.outside import saying, serving
from tests.contract.rooms import drained, every_feed, outside, room

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MANY = 700
"""Some pages, whatever their size."""
FEW_REQUESTS = 100
"""More than any honest pull of so many needs."""
every_spread = pytest.mark.parametrize(
    "seconds", [pytest.param(0, id="of one second"), pytest.param(7, id="spread over time")]
)


@asynccontextmanager
async def shelf_of(feed: FeedKit, records: int = MANY, *, seconds: int = 7, **changes: Any) -> AsyncIterator[Any]:
    rows = [Row(feed.row(number), START + timedelta(seconds=number * seconds)) for number in range(1, records + 1)]
    shelf = Shelf(rows, **changes)
    async with serving(saying(lambda asked: feed.serve(shelf, asked))) as server:
        yield shelf, server


async def pulled(kit: Kit, feed: FeedKit, url: str, since: str | None = None) -> list[StockPage]:
    """Everything (or what changed since a mark), by a room that was just built."""
    async with room(kit, url) as connector:
        reader = getattr(connector, feed.noun)
        return await drained(reader.everything() if since is None else reader.changed(since))


def shown(pages: Sequence[StockPage]) -> set[Ref]:
    return {Ref(row.upc) for page in pages for row in page.rows}


def figures(pages: Sequence[StockPage]) -> set[Held]:
    """The latest of each SKU, warehouse and lot."""
    latest = {(row.upc, row.warehouse, row.lot): row.ots for page in pages for row in page.rows}
    return {(*place, ots) for place, ots in latest.items()}


def check_shape(pages: Sequence[StockPage]) -> None:
    """Exactly one page is the last, and it alone may say that all were shown."""
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert not any(page.whole for page in pages[:-1])
    for page in pages:
        assert page.asked.utcoffset() == timedelta()
        assert page.asked <= page.answered
        stamps = [stamp for row in page.rows for stamp in (row.stamp, row.export) if stamp]
        assert all(stamp.utcoffset() == timedelta() for stamp in stamps)


@every_feed
async def test_its_rules_name_some_evidence(kit: Kit, feed: FeedKit, tmp_path: Path) -> None:
    async with room(kit, "http://127.0.0.1:9") as connector:
        rules = getattr(connector, feed.noun).rules
    assert rules.kinds
    assert min(rules.build, rules.max_age, rules.skew) >= timedelta()


@every_feed
@every_spread
@pytest.mark.parametrize("records", [0, 1, MANY])
async def test_a_pull_shows_every_figure_and_says_so_at_its_end(
    kit: Kit, feed: FeedKit, seconds: int, records: int
) -> None:
    async with shelf_of(feed, records, seconds=seconds) as (shelf, server):
        pages = await pulled(kit, feed, server.url)
        assert shown(pages) == {row.ref for row in shelf.rows}
        check_shape(pages)
        assert pages[-1].whole
        assert len(server.asked) < FEW_REQUESTS


@every_feed
async def test_no_row_that_leaves_hides_another(kit: Kit, feed: FeedKit) -> None:
    """Each leaves after its page was read, and everything behind it moves up."""
    async with shelf_of(feed) as (shelf, server):
        here: Shelf = shelf
        there = {row.ref for row in here.rows}
        left: set[Ref] = set()

        def leave(answered: int) -> None:
            if 1 <= answered <= 2:
                left.add(here.rows.pop(0).ref)

        here.meanwhile = leave
        pages = await pulled(kit, feed, server.url)
        check_shape(pages)
        assert not pages[-1].whole or shown(pages) >= there - left


@every_feed
async def test_a_list_that_never_stands_still_ends_all_the_same(kit: Kit, feed: FeedKit, heard: Heard) -> None:
    async with shelf_of(feed) as (shelf, server):
        here: Shelf = shelf

        def churn(answered: int) -> None:
            here.rows.pop(0)
            here.rows.append(Row(feed.row(2_000 + answered), START + timedelta(hours=9, seconds=answered)))

        here.meanwhile = churn
        check_shape(await pulled(kit, feed, server.url))
        assert len(server.asked) < FEW_REQUESTS


@every_feed
async def test_a_full_page_that_adds_nothing_new_never_loops(kit: Kit, feed: FeedKit, heard: Heard) -> None:
    async with shelf_of(feed, stuck=True) as (_, server):
        assert isinstance(await heard.ending(lambda: pulled(kit, feed, server.url)), OpenCircuit)
        assert len(server.asked) < FEW_REQUESTS


@every_feed
@every_spread
@pytest.mark.parametrize("inclusive", [True, False])
async def test_from_the_mark_of_a_pull_nothing_is_lost(kit: Kit, feed: FeedKit, seconds: int, inclusive: bool) -> None:
    """Also what came with the newest stamp, after we had looked."""
    async with shelf_of(feed, seconds=seconds, inclusive=inclusive) as (shelf, server):
        pages = await pulled(kit, feed, server.url)
        late = Row(feed.row(999), max(row.modified for row in shelf.rows))
        shelf.rows.append(late)
        again = await pulled(kit, feed, server.url, pages[-1].mark)
        check_shape(again)
        assert late.ref in shown(again)


@every_feed
async def test_what_moves_behind_the_pull_is_met_by_the_next(kit: Kit, feed: FeedKit) -> None:
    async with shelf_of(feed) as (shelf, server):
        here: Shelf = shelf
        moved = Row(here.rows[0].ref, here.rows[-1].modified - timedelta(seconds=1))

        def move(answered: int) -> None:
            if answered == 1:
                here.rows[0] = moved

        here.meanwhile = move
        pages = await pulled(kit, feed, server.url)
        here.meanwhile = lambda answered: None
        stamps = {row.stamp for page in pages for row in page.rows if Ref(row.upc) == moved.ref}
        again = await pulled(kit, feed, server.url, pages[-1].mark)
        stamps |= {row.stamp for page in again for row in page.rows if Ref(row.upc) == moved.ref}
        assert moved.modified in stamps


# -- against the sandbox ----------------------------------------------------------------------------------------


@every_feed
async def test_a_pull_shows_what_the_books_hold_and_no_more(kit: Kit, feed: FeedKit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there:
        held = await feed.held(there)
        pages = await pulled(kit, feed, there.url)
        assert held
        assert figures(pages) == held
        check_shape(pages)
        assert pages[-1].whole
        assert [text for page in pages for text in page.odd] == []
        assert figures(await pulled(kit, feed, there.url, "")) == held


@every_feed
async def test_what_moved_over_there_comes_with_the_next_delta(kit: Kit, feed: FeedKit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there:
        mark = (await pulled(kit, feed, there.url))[-1].mark
        moved = await feed.move(there)
        pages = await pulled(kit, feed, there.url, mark)
        assert moved in figures(pages)
        check_shape(pages)
