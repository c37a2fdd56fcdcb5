"""The ERP's figures: by what changed, and all of them; and the count of the echo SKU."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bcbridge.connectors.bluecherry import wire
from bcbridge.connectors.bluecherry.census import Census
from bcbridge.connectors.bluecherry.client import ODD_ROWS, Client, Leaf
from bcbridge.connectors.bluecherry.inventory import Inventory, Reading
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings, EchoSku
from bcbridge.connectors.bluecherry.walk import FUTURE, MAX_PAGES, PASSES, Mark, Row, Rows
from bcbridge.connectors.budget import Share
from bcbridge.connectors.http import Answer
from bcbridge.errors import Misconfigured, Mistake, OpenCircuit, Reject, Retry
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import ConnectorName
from bcbridge.model.stock import StockPage


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
        self._echo = settings.profile.echo_sku

    # -- reading -----------------------------------------------------------------------------------------------

    async def changed(self, since: Cursor) -> AsyncIterator[StockPage]:
        """By the rows' own stamps. Where there is no stamp to go by, everything is what changed."""
        mark = Mark.of(since)
        pages = self._delta(mark.high) if mark.high else self.everything()
        async for page in pages:
            yield page

    async def everything(self) -> AsyncIterator[StockPage]:
        """Pass after pass, until one of the proofs of census.py holds; at most PASSES, and then it is not ``whole``."""
        census, pull = Census(), _Pull(self._client.now())
        for left in reversed(range(PASSES)):
            async for leaf, ends in self._pass():
                reading = self._read(leaf.rows, leaf.beside)
                beside = self._inventory.publication(leaf.beside)
                census.note(reading.rows, empty=not leaf.rows, publication=beside, lost=reading.lost)
                last = ends and (census.settled() or not left)
                yield self._page(leaf.asked, reading, pull, last=last, whole=last and census.whole())
                if last:
                    return
            census.again()

    async def _pass(self) -> AsyncIterator[tuple[Leaf, bool]]:
        """Every page once, and whether it is the last."""
        before: list[object] = []
        for number in range(1, MAX_PAGES + 1):
            leaf = await self._client.inventory(None, number, share=Share.BULK)
            keys = [self._inventory.key(row) if isinstance(row, dict) else row for row in leaf.rows]
            if keys and keys == before:
                raise OpenCircuit(f"page {number} of the figures repeats the one before it", by_content=True)
            before, ends = keys, self._client.ends_inventory(leaf)
            yield leaf, ends
            if ends:
                return
        raise OpenCircuit(f"the figures did not end within {MAX_PAGES} pages", by_content=True)

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
        newest = max((row.stamp for row in reading.rows if row.stamp), default=None)
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

    # -- the echo ----------------------------------------------------------------------------------------------

    async def set_echo(self, count: int) -> None:
        """Post the count. Raises Retry where it is not known whether it was taken: then another count is set."""
        if self._echo is None:
            raise Misconfigured([Mistake("profile.echo_sku", "no echo SKU is named", "a SKU that nobody sells")])
        answer = await self._client.post_count(self._count(self._echo, count))
        if not isinstance(answer, Answer):
            raise Retry(f"the count of the echo SKU was not taken for sure: {answer.reason}")
        self._mind_refusal(answer)

    def _count(self, echo: EchoSku, count: int) -> bytes:
        """A count as a warehouse sends it (NOTES.md 2.8), numbered by the second in which it is made."""
        now = self._client.now()
        number = f"{int(now.timestamp()) % 10**9:09d}"
        row = {
            "adj_num": f"E{number}",
            "isa_num": number,
            "location": echo.warehouse,
            **echo.model_dump(exclude={"upc", "warehouse"}),
            "upc_num": echo.upc,
            "size_qty": count,
            "size_adj": "A",
            "pix_type": "605",
            "pix_code": "00",
            "receipt_date": f"{self._clock.local(now):%Y-%m-%d}",
        }
        return orjson.dumps([{name: value for name, value in row.items() if value != ""}])

    def _mind_refusal(self, answer: Answer) -> None:
        try:
            reply = wire.parse(answer.body)
        except wire.Unreadable as fault:
            raise Retry(f"the count of the echo SKU: answered {answer.status}: {fault}") from None
        said = [self._client.without_key(text) for text in wire.messages(reply)]
        if said:
            raise Reject(said)
        if wire.receipt(reply) is None:
            raise Retry("the count of the echo SKU was answered with neither a receipt nor an error")


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
