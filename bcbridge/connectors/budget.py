"""How often and how many at once we may call one connection: a token bucket, shared by weight.

Part of the rate is kept for read-backs and stock alone, so that no backlog of orders can hold back the answer to
"is it there already?" or let a shop sell what is gone. What they leave unused goes to everybody.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from enum import StrEnum

import anyio

from bcbridge.errors import Retry

BURST_SECONDS = 10.0
"""What an idle connection may save up."""
SLOWEST = 1 / 8
"""A connection that keeps answering 429 is called at this part of its rate, never less."""
MEND_SECONDS = 60.0
"""So long without a 429 doubles a lowered rate, up to the configured one."""
_ALMOST_ONE = 1 - 1e-9


class Share(StrEnum):
    """What a call is for."""

    READ_BACK = "read_back"
    STOCK = "stock"
    NORMAL = "normal"
    BULK = "bulk"


WEIGHTS = {Share.READ_BACK: 4, Share.STOCK: 4, Share.NORMAL: 4, Share.BULK: 1}
"""Turns each share gets while all of them wait."""
FAVOURED = frozenset({Share.READ_BACK, Share.STOCK})
"""Who may use the reserved part."""


_UNHURRIED: ContextVar[bool] = ContextVar("unhurried", default=False)


@contextmanager
def unhurried() -> Iterator[None]:
    """Whatever is called from within here gives way to everybody else, whatever it would be by itself."""
    before = _UNHURRIED.set(True)
    try:
        yield
    finally:
        _UNHURRIED.reset(before)


def in_force(share: Share) -> Share:
    """What a call counts as, here and now."""
    return Share.BULK if _UNHURRIED.get() else share


class Tokens:
    """The arithmetic of the bucket, pure: every moment comes in as ``at``, in seconds of any steady clock."""

    def __init__(self, per_minute: float, *, reserved: float, slows: bool = True) -> None:
        self._rate = per_minute / 60
        self._slows = slows
        self._reserved = reserved
        self._kept_cap = max(1.0, self._rate * reserved * BURST_SECONDS) if reserved else 0.0
        self._open_cap = max(1.0, self._rate * (1 - reserved) * BURST_SECONDS)
        self._kept, self._open = self._kept_cap, self._open_cap
        self._filled: float | None = None
        self._closed_until = -math.inf
        self._pace = 1.0
        self._mend_at = math.inf

    def take(self, share: Share, *, at: float) -> bool:
        """Take one call's worth, if there is one for this share now."""
        self._fill(at)
        if at < self._closed_until:
            return False
        if share in FAVOURED and self._kept >= _ALMOST_ONE:
            self._kept -= 1
            return True
        if self._open >= _ALMOST_ONE:
            self._open -= 1
            return True
        return False

    def ready_in(self, share: Share, *, at: float) -> float:
        """Seconds until a call of this share can be taken, if nobody else takes it first."""
        self._fill(at)
        rate = self._rate * self._pace
        waits = [(1 - self._open) / (rate * (1 - self._reserved))]
        if share in FAVOURED and self._reserved:
            waits.append((1 - self._kept) / (rate * self._reserved))
        return max(0.0, min(waits), self._closed_until - at)

    def slow_down(self, seconds: float, *, at: float) -> None:
        """The other side said "too many": nothing for so long, then at half the pace until it mends."""
        self._fill(at)
        if self._slows and at >= self._closed_until:  # a second 429 of the same moment says nothing new
            self._pace = max(SLOWEST, self._pace / 2)
        self._closed_until = max(self._closed_until, at + seconds)
        self._mend_at = self._closed_until + MEND_SECONDS

    def _fill(self, at: float) -> None:
        """Bring both parts up to ``at``; what the kept part cannot hold spills into the open one."""
        self._mend(at)
        gained = self._rate * self._pace * max(0.0, at - (at if self._filled is None else self._filled))
        self._filled = at
        kept = self._kept + gained * self._reserved
        spilled = max(0.0, kept - self._kept_cap)
        self._kept = kept - spilled
        self._open = min(self._open_cap, self._open + gained * (1 - self._reserved) + spilled)

    def _mend(self, at: float) -> None:
        if at >= self._mend_at:
            self._pace = min(1.0, self._pace * 2)
            self._mend_at = at + MEND_SECONDS if self._pace < 1 else math.inf


class _Ticket:
    """One caller waiting for its turn."""

    __slots__ = ("granted",)

    def __init__(self) -> None:
        self.granted = False


class Budget:
    """One connection's budget. ``async with budget.turn(Share.READ_BACK): ...`` is one call.

    ``concurrency`` calls are in flight at most; ``reserved`` (0 to 1) is the part of the rate kept for FAVOURED;
    ``slows``: whether a 429 says that we are too quick. A system that tells what is left of its quota with each answer
    says that somebody has used it up: then one waits for the next window, and no longer.
    """

    def __init__(
        self,
        *,
        per_minute: float,
        concurrency: int = 1,
        reserved: float = 0.2,
        slows: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if per_minute <= 0 or concurrency < 1 or not 0 <= reserved < 1:
            raise ValueError("a budget needs a positive rate, at least one call at once, and a reserve below 1")
        self._tokens = Tokens(per_minute, reserved=reserved, slows=slows)
        self._concurrency = concurrency
        self._clock = clock
        self._in_flight = 0
        self._queues: dict[Share, deque[_Ticket]] = {share: deque() for share in Share}
        self._spent = dict.fromkeys(Share, 0.0)
        self._changed = anyio.Event()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @asynccontextmanager
    async def turn(self, share: Share = Share.NORMAL, *, within: float = 60.0) -> AsyncIterator[None]:
        """Wait for one call's turn, at most ``within`` seconds. Raises Retry when it does not come in time."""
        await self._admit(in_force(share), within)
        try:
            yield
        finally:
            self._leave()

    def slow_down(self, seconds: float) -> None:
        """After a 429: no call for so long, then slower for a while."""
        self._tokens.slow_down(seconds, at=self._clock())

    async def _admit(self, share: Share, within: float) -> None:
        ticket = _Ticket()
        self._join(share, ticket)
        try:
            with anyio.fail_after(within):
                await self._wait(share, ticket)
        except TimeoutError:
            self._withdraw(share, ticket)
            raise Retry(
                f"no turn within {within:g} s: the connection's rate is used up",
                after=timedelta(seconds=self._tokens.ready_in(share, at=self._clock())),
            ) from None
        except BaseException:
            self._withdraw(share, ticket)
            raise

    def _join(self, share: Share, ticket: _Ticket) -> None:
        """Queue up. A share that was idle starts level with the others: it has no turns to catch up on."""
        if not self._queues[share]:
            busy = [self._spent[other] for other in Share if self._queues[other]]
            self._spent[share] = max(self._spent[share], min(busy, default=0.0))
        self._queues[share].append(ticket)

    async def _wait(self, share: Share, ticket: _Ticket) -> None:
        while True:
            self._grant()
            if ticket.granted:
                return
            changed = self._changed
            with anyio.move_on_after(self._patience(share)):
                await changed.wait()

    def _patience(self, share: Share) -> float:
        """How long to wait before looking again by oneself; a full house is told when somebody leaves."""
        full = self._in_flight >= self._concurrency
        return math.inf if full else self._tokens.ready_in(share, at=self._clock())

    def _grant(self) -> None:
        while self._in_flight < self._concurrency and (ticket := self._next()):
            self._in_flight += 1
            ticket.granted = True
            self._tell()

    def _next(self) -> _Ticket | None:
        """The longest-waiting ticket of the share that is furthest behind and may call now."""
        at = self._clock()
        for share in sorted((share for share in Share if self._queues[share]), key=self._spent.__getitem__):
            if self._tokens.take(share, at=at):
                self._spent[share] += 1 / WEIGHTS[share]
                return self._queues[share].popleft()
        return None

    def _withdraw(self, share: Share, ticket: _Ticket) -> None:
        if ticket.granted:  # granted and cancelled in the same moment
            self._leave()
        else:
            self._queues[share].remove(ticket)

    def _leave(self) -> None:
        self._in_flight -= 1
        self._grant()
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
