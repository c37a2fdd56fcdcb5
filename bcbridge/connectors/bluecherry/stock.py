"""The ERP's figures, where each row tells those of one style or size: by what changed, and all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bcbridge.connectors.bluecherry.census import Census
from bcbridge.connectors.bluecherry.client import ODD_ROWS, Client, Leaf
from bcbridge.connectors.bluecherry.echo import Echo
from bcbridge.connectors.bluecherry.inventory import Inventory, Reading
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.bluecherry.sizes import Sizes
from bcbridge.connectors.bluecherry.walk import FUTURE, MAX_PAGES, PASSES, Mark, Row, Rows
from bcbridge.connectors.budget import Share
from bcbridge.errors import OpenCircuit
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import ConnectorName
from bcbridge.model.stock import StockPage


async def one_pass(client: Client, inventory: Inventory) -> AsyncIterator[tuple[Leaf, bool]]:
    """Every page of the inventory once, and whether it is the last."""
    before: list[object] = []
    for number in range(1, MAX_PAGES + 1):
        leaf = await client.inventory(None, number, share=Share.BULK)
        keys = [inventory.key(row) if isinstance(row, dict) else row for row in leaf.rows]
        if keys and keys == before:
            raise OpenCircuit(f"page {number} of the figures repeats the one before it", by_content=True)
        before, ends = keys, client.ends_inventory(leaf)
        yield leaf, ends
        if ends:
            return
    raise OpenCircuit(f"the figures did not end within {MAX_PAGES} pages", by_content=True)


class Stock:
    """Implements ``StockFeed`` (connectors/base.py)."""

    def __init__(self, name: ConnectorName, client: Client, settings: BlueCherrySettings) -> None:
        self.rules = settings.profile.evidence
        self.counts = f"{name}.counts"
        """The write an operator confirms before the echo is set in production."""
        self._client = client
        self._settings = settings
        self._clock = settings.stock_clock
        self._inventory = Inventory(settings.profile, settings.clock)
        self._sizes = Sizes(client, settings) if settings.profile.stock_rows == "buckets" else None
        self._echo = Echo(client, settings)

    # -- reading -----------------------------------------------------------------------------------------------

    async def changed(self, since: Cursor) -> AsyncIterator[StockPage]:
        """By the rows' own stamps. Where there is no stamp to go by, everything is what changed."""
        await self._name_sizes()
        mark = Mark.of(since)
        pages = self._delta(mark.high) if mark.high else self.everything()
        async for page in pages:
            yield page

    async def everything(self) -> AsyncIterator[StockPage]:
        """Pass after pass, until one of the proofs of census.py holds; at most PASSES, and then it is not ``whole``."""
        await self._name_sizes()
        census, pull = Census(), _Pull(self._client.now())
        for left in reversed(range(PASSES)):
            async for leaf, ends in one_pass(self._client, self._inventory):
                reading = self._read(leaf.rows, leaf.beside)
                names = [(row.upc, row.spot) for row in reading.rows]
                publications = {row.export for row in reading.rows} or self._inventory.publications((), leaf.beside)
                census.note(names, publications, empty=not leaf.rows, lost=reading.lost)
                last = ends and (census.settled() or not left)
                yield self._page(leaf.asked, reading, pull, last=last, whole=last and census.whole())
                if last:
                    return
            await census.again()

    async def _name_sizes(self) -> None:
        if self._sizes is not None:
            self._inventory.upcs = await self._sizes.upcs()

    async def _delta(self, high: str) -> AsyncIterator[StockPage]:
        pull, lost = _Pull(self._client.now(), high), False
        beside: Mapping[str, Any] = {}

        async def ask(after: datetime | None, number: int) -> Rows:
            nonlocal beside
            leaf = await self._client.inventory(after, number, share=Share.STOCK)
            beside = leaf.beside
            return Rows([self._row(one) for one in leaf.rows], leaf.asked)

        async for stretch in self._client.walk_inventory(ask, self._clock).pages(Mark(high)):
            reading = self._read([row.fields for row in stretch.rows], beside)
            lost = lost or reading.lost
            last = stretch.mark.place is None
            yield self._page(stretch.asked, reading, pull, last=last, whole=stretch.whole and not lost)

    def _row(self, raw: object) -> Row:
        if not isinstance(raw, dict):
            return Row({}, None, None)
        stamp = self._inventory.stamp(raw)
        return Row(raw, self._inventory.key(raw), self._clock.local(stamp) if stamp else None)

    def _read(self, rows: Sequence[object], beside: Mapping[str, Any]) -> Reading:
        reading = self._inventory.read(rows, beside, latest=self._client.now() + FUTURE)
        odd = len(reading.odd)
        if odd >= ODD_ROWS and odd > len(reading.rows):
            raise OpenCircuit(f"{odd} of {len(rows)} figures cannot be read: {reading.odd[0]}", by_content=True)
        return reading

    def _page(self, asked: datetime, reading: Reading, pull: _Pull, *, last: bool, whole: bool) -> StockPage:
        answered = self._client.now()
        present = answered + self.rules.skew  # what is stamped later would hide what changes until then
        newest = max((row.stamp for row in reading.rows if row.stamp and row.stamp <= present), default=None)
        if newest is not None:
            pull.newest = max(pull.newest, self._clock.local(newest).isoformat())
        return StockPage(
            rows=tuple(reading.rows),
            asked=asked,
            answered=answered,
            mark=pull.mark(answered).cursor(),
            last=last,
            whole=whole,
            odd=tuple(reading.odd),
        )

    async def set_echo(self, count: int) -> None:
        await self._echo.set(count)


@dataclass(slots=True)
class _Pull:
    """How far one pull has come: when it began, the mark it began at, and the newest stamp it has met (local)."""

    began: datetime
    high: str = ""
    newest: str = ""

    def mark(self, answered: datetime) -> Mark:
        """What was changed behind our back while we read is stamped later than the newest we met, less the time that
        the reading took: from there on it is read again."""
        if not self.newest:
            return Mark(self.high)
        safe = datetime.fromisoformat(self.newest) - (answered - self.began)
        return Mark(max(self.high, safe.isoformat()))
