"""A child: callers who ring the front door, from a process of their own.

``python -m tests.bench.load PORT FIRST COUNT CONCURRENCY [RATE]``: so many deliveries, the ids from FIRST on, all
signed before the clock starts. Without RATE each caller rings again as soon as it was answered; with RATE deliveries
begin at their moment whether earlier ones were answered or not, and their time counts from that moment.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import cast

import uvloop

from tests.bench.children import tell
from tests.bench.webhooks import requests

ENDS_WITHIN_SECONDS = 240.0


class Caller(asyncio.Protocol):
    """One connection, one request under way at a time."""

    def __init__(self, answered: Callable[[Caller, bool], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ring(self, request: bytes, *, at: float) -> None:
        assert self._transport is not None
        self.began = at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, blank, body = self._heard.partition(b"\r\n\r\n")
        if blank and len(body) >= _length(head):
            self._heard = b""
            self._answered(self, head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, fault: Exception | None) -> None:
        self._lost()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


class Load:
    """Rings until all were answered; times in seconds, refusals counted."""

    def __init__(self, requests: Iterable[bytes]) -> None:
        self.requests = deque(requests)
        self.left = len(self.requests)
        self.times: list[float] = []
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()

    def note(self, caller: Caller, fine: bool) -> None:
        self.times.append(perf_counter() - caller.began)
        self.refused += not fine
        self.left -= 1
        if self.left == 0:
            self.done.set_result(None)

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the front door hung up"))

    def again(self, caller: Caller, fine: bool) -> None:
        """Closed loop: the next at once."""
        self.note(caller, fine)
        if self.requests:
            caller.ring(self.requests.popleft(), at=perf_counter())


async def callers(
    port: int, count: int, answered: Callable[[Caller, bool], None], lost: Callable[[], None]
) -> list[Caller]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Caller(answered, lost), "127.0.0.1", port) for _ in range(count)]
    return [caller for _, caller in made]


async def closed(load: Load, port: int, concurrency: int) -> float:
    lines = await callers(port, concurrency, load.again, load.lost)
    began = perf_counter()
    for caller in lines:
        if load.requests:
            caller.ring(load.requests.popleft(), at=perf_counter())
    await asyncio.wait_for(load.done, ENDS_WITHIN_SECONDS)
    return perf_counter() - began


async def steady(load: Load, port: int, concurrency: int, rate: float) -> float:
    """Deliveries at their moments; one that finds no free line waits for the next, and its time runs."""
    free: deque[Caller] = deque()
    due: deque[tuple[bytes, float]] = deque()

    def answered(caller: Caller, fine: bool) -> None:
        load.note(caller, fine)
        free.append(caller)
        dispatch()

    def dispatch() -> None:
        while free and due:
            request, at = due.popleft()
            free.popleft().ring(request, at=at)

    free.extend(await callers(port, concurrency, answered, load.lost))
    began = perf_counter()
    for number in range(len(load.requests)):
        moment = began + number / rate
        await asyncio.sleep(max(0.0, moment - perf_counter()))
        due.append((load.requests.popleft(), moment))
        dispatch()
    await asyncio.wait_for(load.done, ENDS_WITHIN_SECONDS)
    return perf_counter() - began


async def main(port: int, first: int, count: int, concurrency: int, rate: float = 0.0) -> None:
    await put(Load(itertools.islice(requests(first), count)), port, concurrency, rate)


async def put(load: Load, port: int, concurrency: int, rate: float) -> None:
    """Let it ring, and say how that was."""
    count = load.left
    seconds = await (steady(load, port, concurrency, rate) if rate else closed(load, port, concurrency))
    times = sorted(load.times)
    tell(
        {
            "per_second": count / seconds,
            "p50_ms": _quantile(times, 0.50),
            "p99_ms": _quantile(times, 0.99),
            "refused": load.refused,
        }
    )


def _quantile(times: list[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))] * 1000


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:5]), *map(float, sys.argv[5:])))
