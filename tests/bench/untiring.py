"""A child: the whole daemon, with an outside that takes no time and no memory: for what only many orders show.

``python -m tests.bench.untiring CONFIG DOCUMENT REF``: the shop's orders come from thin air, each DOCUMENT (a file, as
the shop once answered about REF) under the ref that is asked for; the ERP takes every document at once and lists it as
posted. All else is the product: its room reads the orders, its flow judges them, its writer books them.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import anyio
import orjson

from bcbridge import config, logs
from bcbridge.connectors.base import Found, PostedPage, PostingRules, Sink, Source
from bcbridge.flows.orders.story import Orders
from bcbridge.house import app
from bcbridge.house.wiring import House, Wiring
from bcbridge.model.answers import Accepted, PutAnswer
from bcbridge.model.documents import Cursor, Document
from bcbridge.model.ids import Ref, Reference
from bcbridge.model.order import Address, Order
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from tests.bench.engine import utc_now
from tests.e2e.world import CHANNEL
from tests.runtime.kit import booked

PAGE = 200
AT_ONCE = 16
"""The most that a real one may be asked for at once."""
OLD = timedelta(hours=1)
"""Nothing is looked at within the second it was changed in."""


@dataclass
class ThinAir:
    """The shop's source, its answers made here."""

    room: Source[Order]
    body: bytes
    ref: str

    def __post_init__(self) -> None:
        self.noun, self.lists, self.sweep, self.read = (
            self.room.noun,
            self.room.lists,
            self.room.sweep,
            self.room.read,
        )

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        now = utc_now()
        return [Document(self.noun, ref, now - OLD, now, self._body(ref)) for ref in refs]

    def _body(self, ref: Ref) -> bytes:
        """The number of the order is in its ref, and beside it."""
        return self.body.replace(_number(self.ref).encode(), _number(ref).encode())


def _number(ref: str) -> str:
    return ref.rpartition("/")[2]


@dataclass
class Bottomless:
    """The ERP's sink: takes everything at once, posts it at once, forgets it when it was listed."""

    room: Sink[SalesOrder]
    name: str = field(init=False)
    read_back: str = field(init=False)
    rules: PostingRules = field(init=False)
    taken: deque[str] = field(default_factory=deque)
    listed: int = 0

    def __post_init__(self) -> None:
        self.name, self.read_back = self.room.name, self.room.read_back
        self.rules = replace(self.room.rules, at_once=AT_ONCE)

    def render(self, item: SalesOrder) -> bytes:
        return self.room.render(item)

    async def put(self, body: bytes) -> PutAnswer:
        reference = orjson.loads(body)[0]["po_num"]
        self.taken.append(reference)
        return Accepted(f"key-{reference}")

    async def find(self, references: Sequence[Reference]) -> Found:
        return Found(dict.fromkeys(references, ()))

    async def posted(self, since: Cursor) -> AsyncIterator[PostedPage]:
        while self.taken:
            page = [self.taken.popleft() for _ in range(min(PAGE, len(self.taken)))]
            self.listed += len(page)
            yield PostedPage(tuple(booked(reference, f"SO{reference}") for reference in page), str(self.listed))

    def sent_to(self, body: bytes) -> str:
        return ""

    def goes_to(self, address: Address) -> str:
        return ""

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        return ()


def untiring(body: bytes, ref: str, house: House) -> None:
    """The shop's answers are made here from now on."""
    worker = house.channels[CHANNEL].worker
    flow = cast(Orders, worker.handler)
    worker.handler = replace(flow, source=ThinAir(flow.source, body, ref))


async def main(path: Path, document: Path, ref: str) -> None:
    settings = config.load(path)
    logs.configure(settings.log, to_file=False)
    body = await anyio.Path(document).read_bytes()
    await app.run(settings, wiring=Wiring(sink=Bottomless), started=lambda house: untiring(body, ref, house))


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], backend_options={"use_uvloop": True})
