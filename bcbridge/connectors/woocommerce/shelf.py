"""The numbers a shop shows: every product and variation, read by id upwards, written in one batch a parent.

A number is written absolutely, whatever is there, and always with ``manage_stock``: without it the shop drops it and
says 200. A batch answers 200 whatever became of its items; each says for itself (contract 1.5).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.connectors.budget import Share
from bcbridge.connectors.http import together
from bcbridge.connectors.woocommerce import counting
from bcbridge.connectors.woocommerce.answers import Data, Gone, NotTaken, as_object
from bcbridge.connectors.woocommerce.client import LIST_PAGE, Client, OddAnswer, as_agreed
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.errors import Retry
from bcbridge.model.stock import (
    RowAnswer,
    RowResult,
    ShelfItem,
    ShelfLocation,
    ShelfPage,
    ShelfRules,
    StockChange,
    StockWrite,
    WriteKind,
    Written,
)

PRODUCTS = "/products"
OPTION = "/settings/products/woocommerce_manage_stock"
OF_PRODUCTS = "id,type,name,sku,global_unique_id,manage_stock,stock_quantity"
OF_VARIATIONS = "id,name,sku,global_unique_id,manage_stock,stock_quantity"
MOST_PAGES = 20_000
"""Of one list; a shop with more is not one that PHP would list."""
AHEAD = 4
"""Parents whose variations are read together, for each call that may be made at once."""


class Shelf:
    """``woocommerce.stock``. Its only location has no name."""

    def __init__(self, client: Client, settings: WooCommerceSettings) -> None:
        self._client = client
        self._settings = settings
        self._counts: bool | None = None
        self.rules = ShelfRules(
            compares=False,
            rows_per_call=settings.stock_rows_per_call,
            calls_at_once=settings.max_parallel,
            late=timedelta(minutes=settings.stock_late_minutes),
        )

    async def ready(self) -> ShelfRules:
        """Looks whether the shop counts at all; a shop that does not shows no number that may be written."""
        answer = await self._client.ask(OPTION, share=Share.STOCK)
        with as_agreed(OPTION):
            self._counts = as_object(answer.content)["value"] == "yes"
        return self.rules

    async def locations(self) -> Sequence[ShelfLocation]:
        return (ShelfLocation(counting.ANYWHERE, "the shop"),)

    # -- reading

    async def items(self) -> AsyncIterator[ShelfPage]:
        """Products as they are listed, and after each page of them their variations, parent by parent. What is bought
        elsewhere or only groups others is no item, nor is a product that is sold by its variations."""
        await self.ready()
        async for rows, asked in self._walk(PRODUCTS, OF_PRODUCTS):
            with as_agreed(PRODUCTS):
                sold = tuple(self._product(row) for row in rows if counting.is_sold(row))
                parents = [(row["id"], str(row["name"])) for row in rows if counting.has_variations(row)]
            if sold:
                yield ShelfPage(sold, asked)
            async for page in self._variations_of(parents):
                yield page

    async def _variations_of(self, parents: Sequence[tuple[int, str]]) -> AsyncIterator[ShelfPage]:
        """A few parents at a time, as many calls at once as the shop may be asked."""
        several = self._settings.max_parallel * AHEAD
        for start in range(0, len(parents), several):
            calls = [partial(self._read_variations, *parent) for parent in parents[start : start + several]]
            for pages in await together(calls, at_once=self._settings.max_parallel):
                for page in pages:
                    yield page

    async def _read_variations(self, parent: int, name: str) -> list[ShelfPage]:
        """A parent that went meanwhile has none."""
        path, found = variations(parent), []
        try:
            async for rows, asked in self._walk(path, OF_VARIATIONS):
                with as_agreed(path):
                    found.append(ShelfPage(tuple(self._variation(row, parent, name) for row in rows), asked))
        except Gone:
            return []
        return found

    async def _walk(self, path: str, fields: str) -> AsyncIterator[tuple[list[Data], datetime]]:
        """Every row once, by id upwards. Each page begins with the last row of the one before it: where it does not,
        something before it was deleted meanwhile, and it is read from further back. Raises Retry for a list that
        never comes to its end."""
        seen, offset = 0, 0
        for _ in range(MOST_PAGES):
            which = {"orderby": "id", "order": "asc", "per_page": str(LIST_PAGE), "offset": str(offset)}
            rows, reply = await self._client.rows(path, {**which, "_fields": fields}, share=Share.BULK)
            with as_agreed(path):
                ids = [whole_id(row) for row in rows]
            if offset and (not ids or ids[0] > seen):
                offset = max(0, offset - LIST_PAGE)
                continue
            new = [row for id_, row in zip(ids, rows, strict=True) if id_ > seen]
            if new:
                yield new, reply.asked
            seen = max([seen, *ids])
            if _ended(offset + len(ids), len(ids), reply.total):
                return
            if len(ids) < 2:
                raise Retry(f"{path} shows {len(ids)} of {reply.total}: does the site cap its pages?")
            offset += len(ids) - 1
        raise Retry(f"{path} did not come to its end in {MOST_PAGES} pages")

    def _product(self, row: Data) -> ShelfItem:
        return counting.product(row, self._knows(), self._settings)

    def _variation(self, row: Data, parent: int, name: str = "") -> ShelfItem:
        return counting.variation(row, parent, name, self._knows(), self._settings)

    def _knows(self) -> bool:
        """Whether the shop counts, as far as it was asked."""
        return self._counts is not False

    async def look(self, changes: Sequence[StockChange]) -> Sequence[ShelfItem | None]:
        """By id, a parent at a time."""
        if self._counts is None:
            await self.ready()
        calls = [partial(self._look_at, batch) for batch in counting.by_parent(changes, LIST_PAGE)]
        seen = await together(calls, at_once=self._settings.max_parallel)
        found = {(item.group, item.item): item for items in seen for item in items}
        return [found.get((one.group, one.item)) for one in changes]

    async def _look_at(self, batch: Sequence[StockChange]) -> list[ShelfItem]:
        """Those of one parent that are there."""
        group = batch[0].group
        read = partial(self._variation, parent=int(group)) if group else self._product
        path, fields = (variations(int(group)), OF_VARIATIONS) if group else (PRODUCTS, OF_PRODUCTS)
        include = ",".join(dict.fromkeys(one.item for one in batch))
        which = {"include": include, "per_page": str(LIST_PAGE), "_fields": fields}
        try:
            rows, reply = await self._client.rows(path, which, share=Share.STOCK)
        except Gone:
            return []
        if reply.total is not None and reply.total > len(rows):
            raise Retry(f"{path} shows {len(rows)} of {reply.total} that were asked for: does the site cap its pages?")
        with as_agreed(path):
            return [read(row) for row in rows if group or counting.is_sold(row)]

    # -- writing

    def batches(self, changes: Sequence[StockChange]) -> Sequence[Sequence[StockChange]]:
        """One a parent, in the order of the first of each; goods without variations go together."""
        return counting.by_parent(changes, self.rules.rows_per_call)

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        """Raises ValueError for what this shop has no call for: a difference, a compare, rows of several parents."""
        path = _path(write)
        body = {"update": [counting.told(one) for one in write.changes]}
        try:
            answer = await self._client.write(path, body)
        except Gone:
            return Written(tuple(RowAnswer(RowResult.GONE, reason=counting.NOT_THERE) for _ in write.changes))
        except NotTaken as refused:
            return Written(tuple(RowAnswer(RowResult.REFUSED, reason=str(refused)) for _ in write.changes))
        if isinstance(answer, Doubtful | NotSent):
            return answer
        return _written(answer.content, write.changes)


def variations(parent: int) -> str:
    return f"{PRODUCTS}/{parent}/variations"


def whole_id(row: Data) -> int:
    id_ = row["id"]
    if isinstance(id_, bool) or not isinstance(id_, int) or id_ <= 0:
        raise ValueError("no id")
    return id_


def _ended(read: int, rows: int, total: int | None) -> bool:
    """A site may cap its pages below what was asked for: the total it tells is believed before the length."""
    return read >= total if total is not None else rows < LIST_PAGE


def _path(write: StockWrite) -> str:
    if write.kind is not WriteKind.SET:
        raise ValueError(f"a shop of WooCommerce takes numbers as they are to be: it knows no {write.kind}")
    groups = {one.group for one in write.changes}
    if len(groups) != 1:
        raise ValueError("a batch is of one parent: rows go through batches() first")
    (group,) = groups
    return f"{variations(int(group)) if group else PRODUCTS}/batch"


def _written(content: object, changes: Sequence[StockChange]) -> Written | Doubtful:
    """By id; an answer that lacks one of them leaves open what became of it."""
    try:
        with as_agreed("a batch of stock"):
            answered: Mapping[str, Data] = {str(whole_id(one)): one for one in as_object(content)["update"]}
            return Written(tuple(counting.answer(answered[one.item], one) for one in changes))
    except OddAnswer as odd:
        return Doubtful(str(odd))
