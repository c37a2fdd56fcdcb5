"""The ERP's figures, where its rows are the ledger's own: one for each transaction type (grids.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from bcbridge.connectors.bluecherry.census import Census
from bcbridge.connectors.bluecherry.client import Client, Leaf
from bcbridge.connectors.bluecherry.echo import Echo
from bcbridge.connectors.bluecherry.grids import Grids
from bcbridge.connectors.bluecherry.inventory import Inventory, Reading
from bcbridge.connectors.bluecherry.settings import STOCK_PAGE, BlueCherrySettings
from bcbridge.connectors.bluecherry.sizes import Sizes
from bcbridge.connectors.bluecherry.stock import one_pass
from bcbridge.connectors.bluecherry.walk import FUTURE, PASSES
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import ConnectorName
from bcbridge.model.stock import StockPage

OPEN = frozenset({"op", "ots"})
"""One of these types must be among the rows: without it what is sold would be on sale."""


class WideStock:
    """Implements ``StockFeed`` (connectors/base.py). What changed is everything: a figure stands in many rows."""

    def __init__(self, name: ConnectorName, client: Client, settings: BlueCherrySettings) -> None:
        self.rules = settings.profile.evidence
        self.counts = f"{name}.counts"
        self._client = client
        self._profile = settings.profile
        self._inventory = Inventory(settings.profile, settings.clock)
        self._sizes = Sizes(client, settings)
        self._echo = Echo(client, settings)

    async def changed(self, since: Cursor) -> AsyncIterator[StockPage]:
        async for page in self.everything():
            yield page

    async def everything(self) -> AsyncIterator[StockPage]:
        """Nothing before the last row was read. Raises Retry where the list does not stand still long enough."""
        upcs = await self._sizes.upcs()
        census, grids, odd = Census(), Grids(self._profile), list[str]()
        asked = await self._passes(census, grids, odd)
        torn = grids.torn(steady=census.steady())
        rows = grids.sizes(upcs, steady=census.steady())
        odd, lost, slice_ = [*odd, *torn], bool(torn or odd), list(islice(rows, STOCK_PAGE))
        while True:
            reading = self._inventory.read_sizes(slice_, {}, latest=self._client.now() + FUTURE)
            lost, slice_ = lost or reading.lost, list(islice(rows, STOCK_PAGE))
            last = not slice_
            yield self._page(reading, asked, odd if last else [], last=last, whole=last and not lost)
            if last:
                return

    async def set_echo(self, count: int) -> None:
        await self._echo.set(count)

    async def _passes(self, census: Census, grids: Grids, odd: list[str]) -> datetime:
        """Read until one of the proofs of census.py holds; when the last pass began."""
        for left in reversed(range(PASSES)):
            began, page = self._client.now(), 0
            odd.clear()
            async for leaf, _ in one_pass(self._client, self._inventory):
                page += 1
                self._note(leaf, page, census, grids, odd)
            if census.settled():
                _check(grids, odd)
                return began
            if left:
                await census.again()
                grids.again()
        raise Retry("the figures did not stand still while they were read, and none tells one by itself")

    def _note(self, leaf: Leaf, page: int, census: Census, grids: Grids, odd: list[str]) -> None:
        rows: list[Mapping[str, Any]] = []
        for row in leaf.rows:
            try:
                if not self._inventory.left_out(row):
                    rows.append(row)
            except Malformed as fault:
                odd.append(str(fault))
        census.note(grids.note(rows, page), self._inventory.publications(rows, leaf.beside), empty=not leaf.rows)

    def _page(self, reading: Reading, asked: datetime, odd: Sequence[str], *, last: bool, whole: bool) -> StockPage:
        return StockPage(
            rows=tuple(reading.rows),
            asked=asked,
            answered=self._client.now(),
            mark="",
            last=last,
            whole=whole,
            odd=(*reading.odd, *odd),
        )


def _check(grids: Grids, odd: Sequence[str]) -> None:
    if odd and not grids.types:
        raise OpenCircuit(f"no figure can be read: {odd[0]}", by_content=True)
    if grids.met and not grids.types & OPEN:
        text = "no row of the figures says what is open: are rec_type and its values right?"
        raise OpenCircuit(text, by_content=True)
