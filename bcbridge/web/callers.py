"""Who is connected: how many, and how long each may take to ask, to idle, and to take its answer.

A connection is *quiet* until its request's headers are whole, and again after the answer. When there is no room, the
one that has been quiet for longest makes room: somebody who only holds connections open holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.web_request import BaseRequest

from bcbridge.web.seldom import Seldom

log = structlog.get_logger()

LINE_BYTES = 4096
"""Of the request line; our longest address has some hundred."""
HEADER_BYTES = 8190
HEADERS = 64
LINGER_SECONDS = 2.0
"""How long a body that nobody wants is still taken, so that the answer is read."""
NAME = "bcbridge"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one door grants."""

    connections: int = 512
    headers_within_seconds: float = 10.0
    """From the first byte (or the connection) to the end of the headers, however they trickle."""
    idle_seconds: float = 75.0
    """Between two requests; longer than what proxies keep a connection open for (60 s)."""
    answer_taken_within_seconds: float = 20.0


@dataclass(slots=True)
class Callers:
    """The connections of one door."""

    limits: Limits = field(default_factory=Limits)
    cut: Counter[str] = field(default_factory=Counter)
    """Connections ended by us, by why: crowded, slow_headers, idle, slow_reader."""
    _open: set[Caller] = field(default_factory=set)
    _quiet: dict[Caller, None] = field(default_factory=dict)
    """In the order in which they fell quiet."""
    _seldom: Seldom = field(default_factory=Seldom)

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, caller: Caller) -> bool:
        """Whether there is room for it; the one that was quiet for longest makes room."""
        if len(self._open) >= self.limits.connections:
            if not self._quiet:
                self.note("crowded")
                return False
            next(iter(self._quiet)).end("crowded")
        self._open.add(caller)
        self._quiet[caller] = None
        return True

    def falls_quiet(self, caller: Caller) -> None:
        if caller in self._open:
            self._quiet[caller] = None

    def speaks(self, caller: Caller) -> None:
        self._quiet.pop(caller, None)

    def leaves(self, caller: Caller) -> None:
        self._open.discard(caller)
        self._quiet.pop(caller, None)

    def note(self, why: str) -> None:
        self.cut[why] += 1
        self._say("connection_cut", why=why)

    def refused(self, status: int, fault: BaseException | None) -> None:
        """What cannot be answered: nonsense instead of HTTP, or a fault of ours."""
        what = type(fault).__name__
        if status == 500:
            log.error("web_fault", fault=what, exc_info=fault)
        else:
            self._say("not_http", fault=what, status=status)

    def _say(self, event: str, **facts: object) -> None:
        times = self._seldom.due((event, *facts.values()))
        if times:
            log.info(event, times=times, **facts)

    def protocols(self, server: web.Server) -> Callable[[], Caller]:
        """What makes the protocol of a new connection."""
        loop = asyncio.get_running_loop()
        return lambda: Caller(self, server, loop)


class Caller(web.RequestHandler):
    """One connection: aiohttp's own protocol, with our deadlines around it."""

    __slots__ = ("_callers", "_deadline", "_hearing", "_speaking", "_stalled")

    def __init__(self, callers: Callers, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        ours: dict[str, Any] = {
            "keepalive_timeout": callers.limits.idle_seconds,
            "max_line_size": LINE_BYTES,
            "max_field_size": HEADER_BYTES,
            "max_headers": HEADERS,
            "lingering_time": LINGER_SECONDS,
            "access_log": None,
            "auto_decompress": False,
        }
        super().__init__(server, loop=loop, **ours)
        self._callers = callers
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._speaking = False
        self._hearing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._callers.admit(self):
            cast(asyncio.Transport, transport).abort()
            return
        super().connection_made(transport)
        self._hear()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._callers.leaves(self)
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not (self._speaking or self._hearing):
            self._hear()
        super().data_received(data)

    def pause_writing(self) -> None:
        """The other side does not take its answer."""
        super().pause_writing()
        self._stalled = self._at(self._callers.limits.answer_taken_within_seconds, "slow_reader")

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def _hear(self) -> None:
        self._hearing = True
        self._by(self._callers.limits.headers_within_seconds, "slow_headers")

    def asks(self) -> None:
        """Its headers are whole: from here on the handler sees to the time."""
        self._speaking, self._hearing = True, False
        self._callers.speaks(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def answered(self) -> None:
        self._speaking = False
        if self.transport is None:
            return
        self._callers.falls_quiet(self)
        self._by(self._callers.limits.idle_seconds, "idle")

    def _by(self, seconds: float, why: str) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._at(seconds, why)

    def _at(self, seconds: float, why: str) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self.end, why)

    def end(self, why: str) -> None:
        """At once: what is still to be sent is not waited for."""
        self._callers.leaves(self)
        self._callers.note(why)
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Plain words without an echo of what was sent; nothing of it goes into the log."""
        self._callers.refused(status, exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        text = "this is not HTTP as it should be\n" if status < 500 else "a fault of ours; it is in the log\n"
        response = web.Response(status=status, text=text, headers={"Server": NAME})
        response.force_close()
        return response


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def attended(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the connection that its request has begun, and that it has ended."""
    caller = request.protocol
    if not isinstance(caller, Caller):
        return await handler(request)
    caller.asks()
    try:
        return await handler(request)
    finally:
        caller.answered()


async def without_our_makers(_: web.Request, response: web.StreamResponse) -> None:
    """Which software answers, and in which version, is nobody's business."""
    response.headers.popall("Server", None)
