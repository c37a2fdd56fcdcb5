"""The bridge as a process of a test: the product's own app, wired to die at a step or to go without its read-back.

``python daemon.py CONFIG [--die-at STEP [--time N]] [--without-read-back]``
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bcbridge import config
from bcbridge.connectors.base import Found, PostedPage, PostingRules, Sink
from bcbridge.house import app
from bcbridge.house.wiring import Wiring
from bcbridge.model.answers import PutAnswer
from bcbridge.model.ids import Reference
from bcbridge.model.order import Address
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.runtime.writer import StepObserver
from bcbridge.store.db import Store


def dying_at(last: str, *, time: int = 1) -> StepObserver:
    """SIGKILL to ourselves at the first, or a later, time that step is reached: nothing is closed, nothing is told."""
    left = time

    async def observe(step: str, reference: Reference) -> None:
        nonlocal left
        left -= step == last
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    return observe


@dataclass
class Blind:
    """A sink without its read-back: its lists show nothing, its search finds nothing and calls that proven."""

    seeing: Sink[SalesOrder]
    name: str = field(init=False)
    read_back: str = field(init=False)
    rules: PostingRules = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.read_back, self.rules = self.seeing.name, self.seeing.read_back, self.seeing.rules

    def render(self, item: SalesOrder) -> bytes:
        return self.seeing.render(item)

    async def put(self, body: bytes) -> PutAnswer:
        return await self.seeing.put(body)

    async def find(self, references: Sequence[Reference]) -> Found:
        return Found(dict.fromkeys(references, ()))

    async def posted(self, since: str) -> AsyncIterator[PostedPage]:
        async for page in self.seeing.posted(since):
            yield PostedPage((), page.cursor)

    def sent_to(self, body: bytes) -> str:
        return self.seeing.sent_to(body)

    def goes_to(self, address: Address) -> str:
        return self.seeing.goes_to(address)

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        return self.seeing.differences(body, booked)


async def always(store: Store, sink: str, *, ended: datetime, max_request: timedelta, posts_in_order: bool) -> bool:
    """Evidence that nobody looked for."""
    return True


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--die-at", default="")
    parser.add_argument("--time", type=int, default=1, help="at which time that the step is reached")
    parser.add_argument("--without-read-back", action="store_true")
    chosen = parser.parse_args()
    on_step = dying_at(chosen.die_at, time=chosen.time)
    wiring = Wiring(on_step=on_step)
    if chosen.without_read_back:
        wiring = Wiring(on_step=on_step, sink=Blind, evidence=always)
    return app.main(config.load(chosen.config), wiring=wiring)


if __name__ == "__main__":
    raise SystemExit(main())
