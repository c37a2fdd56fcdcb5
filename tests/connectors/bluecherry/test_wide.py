"""The ledger as rows of a transaction type with 24 buckets: put together, or left alone where they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from bcbridge.errors import OpenCircuit
from bcbridge.model.stock import StockPage
from tests.connectors.bluecherry.gateway import Call, calling, headers, ok
from tests.connectors.bluecherry.season import detail_row, size_row, style_row
from tests.connectors.bluecherry.test_ledger import EXAMPLE

SIZES = {"XS": "040123000013", "S": "040123000020", "M": "040123000037"}
BUCKET = {"XS": 2, "S": 3, "M": 4}
SEVEN = "2026-03-01 07:00:00"
PROFILE = {"stock_rows": "buckets", "stock_bucket_number": "rec_type"}


def typed(
    kind: str, pkey: int, at: str = "NJ1", stamp: str = "2026-03-01 07:00:00", **pieces: object
) -> dict[str, Any]:
    """A row of one type: pieces by size; M is a size that was dropped."""
    row: dict[str, Any] = {"pkey": pkey, "rec_type": kind, "division": "WOM", "style": "00417", "color_code": "BLK"}
    row |= {"lbl_code": "MAIN", "dimension": "", "location": at, "lot": "", "size_code": "ALP", "last_mod": stamp}
    for number in range(1, 25):
        row |= {f"sz{number:02}": "", f"call{number:02}": "N", f"size{number:02}_qty": 0}
    for size, number in BUCKET.items():
        row |= {f"sz{number:02}": size, f"call{number:02}": "N" if size == "M" else "Y"}
        row[f"size{number:02}_qty"] = pieces.get(size, 9 if size == "M" else 0)
    return row


def ledger(at: str = "NJ1", first: int = 1) -> list[dict[str, Any]]:
    """The worked example for S; one piece adjusted in for XS."""
    rows = [typed(kind.upper(), first + n, at, S=pieces) for n, (kind, pieces) in enumerate(EXAMPLE.items())]
    rows[0]["size02_qty"] = 1
    return rows


def styles(call: Call) -> web.Response:
    detail = detail_row(stylecolorsizes={"rows-i": [size_row(size, upc) for size, upc in SIZES.items()]})
    return headers(style_row(styledetail={"rows": [detail]})) if call.query["_pgno"] == "1" else headers()


async def pulled(
    rows: list[dict[str, Any]], *, size: int = 100, between: Callable[[int], None] = lambda asked: None, **profile: Any
) -> list[StockPage]:
    asked = 0

    def answer(call: Call) -> web.Response:
        nonlocal asked
        if call.path.endswith("/style"):
            return styles(call)
        page = int(call.query["_pgno"])
        said = ok({"data": rows[(page - 1) * size : page * size]})
        asked += 1
        between(asked)
        return said

    async with calling(answer, page_size=size, page_size_max=size, profile=PROFILE | profile) as (connector, _):
        return [page async for page in connector.stock.everything()]


def told(pages: list[StockPage]) -> dict[tuple[str, str], tuple[int, int, int]]:
    rows = [row for page in pages for row in page.rows]
    return {(row.upc, row.warehouse): (row.ots, row.qoh_minus_pick, row.ots_wip) for row in rows}


async def test_types_of_one_grid_become_the_three_numbers_of_each_live_size() -> None:
    pages = await pulled([*ledger(), *ledger("CA1", 100), typed("CC", 90, S=5)])
    example, one = (92, 111, 113), (1, 1, 1)
    assert told(pages) == {
        (SIZES["S"], "NJ1"): example,
        (SIZES["XS"], "NJ1"): one,
        (SIZES["S"], "CA1"): example,
        (SIZES["XS"], "CA1"): one,
    }
    assert (pages[-1].last, pages[-1].whole, pages[-1].odd) == (True, True, ())
    (row,) = (row for row in pages[-1].rows if row.upc == SIZES["S"] and row.warehouse == "NJ1")
    assert row.parts == {name: pieces for name, pieces in EXAMPLE.items() if pieces}


async def test_a_type_without_a_row_is_none_and_numbers_are_taken_as_they_are() -> None:
    assert told(await pulled([typed("SA", 1, S=7), typed("OP", 2, S=2)]))[SIZES["S"], "NJ1"] == (5, 7, 5)
    rows = [typed("OTS", 1, S=92), typed("QOH", 2, S=121), typed("PK", 3, S=10), typed("OTS_WIP", 4, S=113)]
    pages = await pulled(rows)
    assert told(pages)[SIZES["S"], "NJ1"] == (92, 111, 113)
    assert {len(row.parts) for page in pages for row in page.rows} == {0}


async def test_a_figure_is_stamped_by_what_a_booking_moves() -> None:
    late, early = "2026-03-01 08:00:00", "2026-03-01 06:00:00"
    rows = [typed("SA", 1, stamp=late, S=7), typed("OP", 2, stamp=early, S=2), typed("SA", 3, "CA1", late, S=1)]
    stamps = {row.warehouse: row.stamp for page in await pulled(rows) for row in page.rows if row.stamp}
    assert {place: stamp.hour for place, stamp in stamps.items()} == {"NJ1": 11, "CA1": 13}


async def test_pieces_picked_between_two_pages_are_not_on_sale_twice() -> None:
    """OP is read after the pick and PK was read before it: the grid is left out, and what is absent means nothing."""
    rows = [typed("PK", 1), typed("SA", 2, S=5), typed("OP", 3, S=5), typed("SA", 9, "CA1", S=1)]

    def pick(asked: int) -> None:
        if asked % 3 == 1:  # after the first page of every pass
            rows[0] = typed("PK", 1, S=int(rows[0]["size03_qty"]) + 1)
            rows[2] = typed("OP", 3, S=int(rows[2]["size03_qty"]) - 1)

    pages = await pulled(rows, size=2, between=pick)
    assert (SIZES["S"], "NJ1") not in told(pages)
    assert told(pages)[SIZES["S"], "CA1"] == (1, 1, 1)
    assert any("moved while it was read" in text for page in pages for text in page.odd)
    assert not pages[-1].whole


async def test_a_grid_of_two_pages_that_stood_still_is_taken() -> None:
    pages = await pulled(ledger(), size=4)
    assert told(pages)[SIZES["S"], "NJ1"] == (92, 111, 113)
    assert pages[-1].whole


async def test_what_is_no_stock_is_left_out_and_a_size_without_a_upc_is_said() -> None:
    unknown = [typed("SA", 50, S=1) | {"style": "99999"}, typed("OP", 51) | {"style": "99999"}]
    pages = await pulled([*ledger(), *ledger("POE", 100), *unknown])
    assert {place for _, place in told(pages)} == {"NJ1"}
    assert [text for page in pages for text in page.odd] == ["inventory row 50: without a UPC"] * 2
    assert pages[-1].whole


async def test_without_open_orders_nothing_is_believed() -> None:
    with pytest.raises(OpenCircuit, match="what is open"):
        await pulled([typed("SA", 1, S=7)])
    with pytest.raises(OpenCircuit, match="what is open"):
        await pulled([typed("", 1, S=7)])
    with pytest.raises(OpenCircuit, match="no figure can be read"):
        await pulled([{"rec_type": "SA"}])


async def test_a_quantity_that_is_none_is_odd_for_its_size_alone() -> None:
    rows = ledger()
    rows[0]["size03_qty"] = "many"
    pages = await pulled(rows)
    assert told(pages) == {(SIZES["XS"], "NJ1"): (1, 1, 1)}
    assert not pages[-1].whole


async def test_plain_buckets_find_their_upc_among_the_styles() -> None:
    pages = await pulled([typed("", 1, S=7, XS=2)], stock_bucket_number="ots")
    assert {upc: ots for (upc, _), (ots, _, _) in told(pages).items()} == {SIZES["S"]: 7, SIZES["XS"]: 2}
