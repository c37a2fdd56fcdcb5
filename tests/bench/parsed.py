"""A child: the ERP's pages of figures, from bytes to rows, by the product's own room. ``ROWS``.

Each page is what stalls the event loop at once; a pass over all of them ends with a look at what it met.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from bcbridge.connectors.bluecherry.census import Census
from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.connectors.bluecherry.inventory import Inventory
from bcbridge.connectors.bluecherry.settings import STOCK_PAGE, Profile
from tests.bench.assortment import upc
from tests.bench.children import tell
from tests.connectors.bluecherry.season import stock_row
from tests.connectors.bluecherry.test_ledger import EXAMPLE

LATEST = datetime(2026, 12, 31, tzinfo=UTC)
PAGES_KEPT = 40
"""Read again and again: what a page costs is asked for, not what it costs to keep them."""
DAY = 86_400


def main(rows: int) -> None:
    inventory = Inventory(Profile(), ErpClock(ZoneInfo("America/New_York"), overlap=timedelta(minutes=5)))
    census, pages = Census(), [_page(at) for at in range(PAGES_KEPT)]
    gc.collect()
    gc.freeze()
    stalls: list[float] = []
    met = 0
    while met < rows:
        began = perf_counter()
        reply = orjson.loads(pages[len(stalls) % PAGES_KEPT])
        reading = inventory.read(reply["data"], reply, latest=LATEST)
        census.note([(row.upc, row.spot, met) for row in reading.rows], {None}, empty=False)
        stalls.append(perf_counter() - began)
        met += len(reading.rows)
        assert not reading.odd, reading.odd
    ended = asyncio.run(_longest(census.again()))
    tell(
        {
            "per_second": met / sum(stalls),
            "page_ms": sorted(stalls)[len(stalls) // 2] * 1000,
            "longest_ms": max(stalls) * 1000,
            "end_ms": ended * 1000,
            "page_kb": len(pages[0]) / 1024,
        }
    )


async def _longest(work: Coroutine[Any, Any, None]) -> float:
    """The longest time for which somebody else on the loop had to wait, in seconds."""
    task, longest = asyncio.ensure_future(work), 0.0
    while not task.done():
        began = perf_counter()
        await asyncio.sleep(0)
        longest = max(longest, perf_counter() - began)
    await task
    return longest


def _page(number: int) -> bytes:
    """Rows with all components of the ledger, each stamped at another second."""
    first = number * STOCK_PAGE
    rows = [
        stock_row(
            upc(at), pkey=at, **EXAMPLE, last_mod=f"2026-03-{1 + at % 28:02}T{at % 24:02}:{at % 60:02}:{at % 59:02}"
        )
        for at in range(first, first + STOCK_PAGE)
    ]
    return orjson.dumps({"success": True, "data": rows})


if __name__ == "__main__":
    main(int(sys.argv[1]))
