"""What a room brings to the contract suite: how to reach its sandbox, what its words look like, how it can fail.

A kit says what differs between systems; the claims (test_rooms.py) say what holds for all of them. A kit offers a part
for every noun its connector offers, and none for what it does not: claims are generated from the parts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from bcbridge.connectors.base import Document, Notification, RawRequest
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.sales_order import SalesOrder
from bcbridge.model.stock import ShelfItem, StockChange

Json = dict[str, Any]
Place = tuple[Ref, Ref]
"""Of a number that a shop shows: location and item."""


@dataclass(frozen=True)
class Asked:
    """A request as a server under test's control got it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What such a server answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@dataclass(frozen=True)
class Row:
    """One record on a shelf: what a list tells of it."""

    ref: Ref
    modified: datetime


@dataclass
class Shelf:
    """Records that a list is made of; a kit's ``serve`` lays them out as its vendor's API would.

    ``inclusive``: whether the filter by stamp includes the stamp itself. ``stuck``: every page is the first one, and
    says that more comes. ``meanwhile`` happens before each page, with the number of pages answered so far.
    """

    rows: list[Row]
    inclusive: bool = True
    stuck: bool = False
    meanwhile: Callable[[int], None] = lambda answered: None
    answered: int = 0

    def page(self, after: datetime | None, *, skip: Callable[[Row], bool], start: int, size: int) -> list[Row]:
        """Rows later than ``after``, oldest first, without those to skip, from ``start`` on."""
        self.meanwhile(self.answered)
        self.answered += 1
        if self.stuck:
            return self.rows[:size]
        found = sorted(self.rows, key=lambda row: (row.modified, len(row.ref), row.ref))
        fitting = [row for row in found if self._fits(row, after) and not skip(row)]
        return fitting[start : start + size]

    def _fits(self, row: Row, after: datetime | None) -> bool:
        return after is None or row.modified > after or (self.inclusive and row.modified == after)


@dataclass
class Outside:
    """A running sandbox, as anybody may use it over HTTP."""

    url: str
    http: httpx.AsyncClient

    async def post(self, path: str, body: object) -> Any:
        answer = await self.http.post(self.url + path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def faults(self, ordered: Mapping[str, Any]) -> None:
        await self.post("/_sandbox/faults", ordered)

    async def books(self) -> Json:
        books: Json = (await self.http.get(f"{self.url}/_sandbox/books")).json()
        return books


@dataclass(frozen=True)
class Sample:
    """A payload and the record it must read to, to the last field."""

    name: str
    document: Document
    record: object


@dataclass(frozen=True, kw_only=True)
class SourceKit:
    """One noun that is read. ``noun`` is the connector's attribute."""

    noun: str
    samples: Sequence[Sample]
    nonsense: Mapping[str, bytes]
    """Payloads that must be Malformed, by what is wrong with them."""
    serve: Callable[[Shelf, Asked], Reply]
    """The vendor's lists of this noun, made of a shelf."""
    row: Callable[[int], Ref]
    """The ref of the n-th record on a shelf."""
    stock: Callable[[Outside], Awaitable[None]]
    """See to it that the sandbox holds some records."""
    held: Callable[[Outside], Awaitable[set[Ref]]]
    """The refs of all records that the sandbox holds and this noun shows."""
    gone: Sequence[Ref]
    """Refs that name no record, well formed or not."""


Held = tuple[Upc, str, str, int]
"""What stands in the books of one SKU, warehouse and lot: the pieces that are open to sell."""


@dataclass(frozen=True, kw_only=True)
class FeedKit:
    """An ERP's figures. A shelf's record is a SKU here, its ref the UPC; all lie in one warehouse."""

    noun: str
    serve: Callable[[Shelf, Asked], Reply]
    """The vendor's list of figures, made of a shelf; stamped by ``modified``."""
    row: Callable[[int], Ref]
    """The UPC of the n-th SKU on a shelf."""
    held: Callable[[Outside], Awaitable[set[Held]]]
    """Every figure of real stock in the sandbox's books."""
    move: Callable[[Outside], Awaitable[Held]]
    """Something happens to one of them over there; what it is now."""


@dataclass(frozen=True, kw_only=True)
class ShelfKit:
    """The numbers that a shop shows. Faults are bodies of ``POST /_sandbox/faults``."""

    noun: str
    held: Callable[[Outside], Awaitable[dict[Place, int]]]
    """Every number in the sandbox's books, by location and item."""
    unknown: Callable[[ShelfItem], StockChange]
    """A row of an item that is not there, such as may stand beside this one's in a call."""
    leave_alone: Callable[[Outside, ShelfItem], Awaitable[None]]
    """Somebody over there sees to it that this item's number may not be written."""
    done_without_a_word: Json
    """The next write is done, and its answer is lost."""
    lost_on_the_way: Json
    """The next write never arrives."""
    answers: Mapping[str, tuple[Reply, type]]
    """What each answer to a write means: ``NotSent``, ``Doubtful``, ``OpenCircuit``."""
    reads: Callable[[Asked], Reply] | None = None
    """What the shop answers where the room looks at an item before it writes it."""


@dataclass(frozen=True, kw_only=True)
class SinkKit:
    """One kind of document that is made. Faults are bodies of ``POST /_sandbox/faults``."""

    noun: str
    item: Callable[[Reference], SalesOrder]
    """A document the sandbox takes and posts."""
    kept_without_a_word: Mapping[str, Json]
    """Kept over there, and no definite answer comes."""
    lost_on_the_way: Mapping[str, Json]
    """Nothing is kept, and no definite answer comes."""
    refused: Mapping[str, Json]
    """A definite no, however it is wrapped."""
    search_broken: Json
    """Under this, absence cannot be shown."""
    post: Callable[[Outside], Awaitable[None]]
    """What was accepted is posted now."""
    held: Callable[[Outside, Reference], Awaitable[int]]
    """How many documents the books hold under a reference, accepted or posted."""
    answers: Mapping[str, tuple[Reply, type]]
    """What each answer to the call means: ``Accepted``, ``Rejected``, ``NotSent``, ``Doubtful``, ``OpenCircuit``."""


@dataclass(frozen=True, kw_only=True)
class WebhookKit:
    """The door. ``ring`` makes a delivery of a body as the vendor would, signed with the key of that reference."""

    ring: Callable[[bytes, str], RawRequest]
    keys: Sequence[str]
    """References of every key that opens the door now (two during a rotation)."""
    wrong_key: str
    signatures: Sequence[str]
    """Headers that hold the signature."""
    deliveries: Sequence[tuple[bytes, Notification]]


@dataclass(frozen=True, kw_only=True)
class Kit:
    """One room."""

    kind: str
    settings: Callable[[str], Json]
    """The table of config.toml that reaches this address, with short deadlines and small pages."""
    secrets: Mapping[str, str]
    """What its references stand for. None of these values is ever said aloud."""
    wrong_secrets: Mapping[str, str]
    private: Sequence[str]
    """A customer's words in the payloads. None of them is ever said aloud."""
    sandbox: Callable[[Path], AbstractAsyncContextManager[str]]
    """Starts it; its address."""
    busy: Sequence[str]
    """Nouns of its books that move by being looked at."""
    answers: Mapping[str, tuple[Reply, type]]
    """What each answer to a reading call means: ``Retry`` or ``OpenCircuit``."""
    complaints: Callable[[str], Sequence[Reply]]
    """Every way in which it wraps a text of its own into an error."""
    sources: Sequence[SourceKit] = ()
    sinks: Sequence[SinkKit] = ()
    feeds: Sequence[FeedKit] = ()
    shelf: ShelfKit | None = None
    webhook: WebhookKit | None = None
    keeper: bool = False
    """Whether it has subscriptions to look after."""
