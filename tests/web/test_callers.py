"""Slow, silent, greedy and nonsensical callers, on real sockets: each is let go, and nobody else waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
import structlog
from aiohttp import web
from anyio.abc import SocketStream

from bcbridge.web.callers import HEADER_BYTES, HEADERS, LINE_BYTES, Callers, Limits
from bcbridge.web.seldom import EVERY_SECONDS, KEYS, Seldom
from bcbridge.web.server import serving

PATIENCE_SECONDS = 20.0
LARGE = b"x" * 50_000_000
TRICKLE_SECONDS = 0.02
ROOMY = Limits(connections=8, headers_within_seconds=15, idle_seconds=15, answer_taken_within_seconds=15)
HASTY = Limits(connections=8, headers_within_seconds=1.0, idle_seconds=15, answer_taken_within_seconds=15)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Door:
    port: int
    callers: Callers
    held: anyio.Event = field(default_factory=anyio.Event)

    async def knock(self) -> SocketStream:
        return await anyio.connect_tcp("127.0.0.1", self.port)

    async def answers(self, request: bytes = GET) -> bytes:
        """One request on a connection of its own; what came back until the end, or the headers."""
        async with await self.knock() as stream:
            await stream.send(request)
            return await head(stream)


@asynccontextmanager
async def door(limits: Limits) -> AsyncIterator[Door]:
    callers = Callers(limits)
    opened = Door(0, callers)

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def hold(_: web.Request) -> web.Response:
        await opened.held.wait()
        return web.Response(text="held")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def fault(_: web.Request) -> web.Response:
        raise ValueError("Ann Smith, 5 Elm Street")

    async def body(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application()
    routes = (("/", hello), ("/hold", hold), ("/large", large), ("/fault", fault), ("/body", body))
    app.add_routes([web.route("*", path, handler) for path, handler in routes])
    async with serving(app, host="127.0.0.1", port=0, callers=callers) as address:
        opened.port = int(address.rpartition(":")[2])
        yield opened
        opened.held.set()


async def head(stream: SocketStream) -> bytes:
    """Up to the end of the headers and what came with it."""
    seen = b""
    with anyio.fail_after(PATIENCE_SECONDS):
        while b"\r\n\r\n" not in seen:
            seen += await stream.receive()
    return seen


async def is_ended(stream: SocketStream) -> None:
    """Returns when the other side has ended the connection."""
    with anyio.fail_after(PATIENCE_SECONDS):
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return


async def trickles(stream: SocketStream, text: bytes) -> None:
    """A byte at a time, for ever, until the other side has had enough."""
    with anyio.fail_after(PATIENCE_SECONDS):
        try:
            while True:
                for byte in text:
                    await stream.send(bytes([byte]))
                    await anyio.sleep(TRICKLE_SECONDS)
        except anyio.BrokenResourceError:
            return


async def comes(door: Door, why: str) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while door.callers.cut[why] < 1:
            await anyio.sleep(0.01)


# -- slow ----------------------------------------------------------------------------------------------------------


async def test_headers_that_trickle_are_cut_off() -> None:
    async with door(HASTY) as opened, await opened.knock() as stream:
        await stream.send(b"GET / HTTP/1.1\r\n")
        await trickles(stream, b"X-Slow: yes\r\n")
        assert opened.callers.cut == {"slow_headers": 1}
        assert b"200 OK" in await opened.answers()


async def test_who_says_nothing_is_let_go() -> None:
    async with door(HASTY) as opened, await opened.knock() as stream:
        await is_ended(stream)
        assert opened.callers.cut == {"slow_headers": 1}


async def test_headers_that_trickle_after_an_answer_are_cut_off_too() -> None:
    async with door(HASTY) as opened, await opened.knock() as stream:
        await stream.send(GET)
        assert b"200 OK" in await head(stream)
        await stream.send(b"GET / HTTP/1.1\r\n")
        await trickles(stream, b"X-Slow: yes\r\n")
        assert opened.callers.cut == {"slow_headers": 1}


async def test_who_idles_after_an_answer_is_let_go() -> None:
    async with door(Limits(idle_seconds=0.2)) as opened, await opened.knock() as stream:
        await stream.send(GET)
        assert b"200 OK" in await head(stream)
        await is_ended(stream)
        assert sum(opened.callers.cut.values()) <= 1, "cut by us, or closed by aiohttp's own timer a moment before"


async def test_a_body_has_its_own_time() -> None:
    """The deadline of the headers is not one of the body: the handler that reads it has one."""
    async with door(HASTY) as opened, await opened.knock() as stream:
        await stream.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 80\r\n\r\n")
        for _ in range(80):
            await stream.send(b"x")
            await anyio.sleep(TRICKLE_SECONDS)
        assert b"200 OK" in await head(stream)
        assert opened.callers.cut == {}


async def test_who_does_not_take_its_answer_is_let_go() -> None:
    async with door(Limits(answer_taken_within_seconds=0.2)) as opened, await opened.knock() as stream:
        await stream.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await comes(opened, "slow_reader")
        await is_ended(stream)
        assert len(opened.callers) == 0


async def test_a_large_answer_that_is_taken_arrives_whole() -> None:
    async with door(ROOMY) as opened, await opened.knock() as stream:
        await stream.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        taken = len((await head(stream)).partition(b"\r\n\r\n")[2])
        with anyio.fail_after(PATIENCE_SECONDS):
            while taken < len(LARGE):
                taken += len(await stream.receive())
        assert opened.callers.cut == {}


# -- many ----------------------------------------------------------------------------------------------------------


async def test_who_only_holds_connections_open_makes_room() -> None:
    async with door(ROOMY) as opened:
        silent = [await opened.knock() for _ in range(ROOMY.connections)]
        assert b"200 OK" in await opened.answers()
        await is_ended(silent[0])
        assert opened.callers.cut["crowded"] == 1
        for stream in silent:
            await stream.aclose()


async def test_who_is_being_served_is_not_sent_away_for_a_newcomer() -> None:
    async with door(ROOMY) as opened:
        busy = [await opened.knock() for _ in range(ROOMY.connections)]
        for stream in busy:
            await stream.send(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        with anyio.fail_after(PATIENCE_SECONDS):
            while opened.callers._quiet:
                await anyio.sleep(0.01)
        newcomer = await opened.knock()
        await is_ended(newcomer)
        opened.held.set()
        for stream in busy:
            assert b"200 OK" in await head(stream)
            await stream.aclose()
        await newcomer.aclose()


async def test_who_left_is_not_counted() -> None:
    async with door(ROOMY) as opened:
        for _ in range(3 * ROOMY.connections):
            assert b"200 OK" in await opened.answers()
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(opened.callers):
                await anyio.sleep(0.01)
        assert opened.callers.cut == {}


# -- nonsense ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /" + b"a" * (LINE_BYTES + 100) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"b" * (HEADER_BYTES + 100) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(HEADERS + 10)) + b"\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\nHost: canary\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: canary\r\n\r\n",
        b"canary canary canary\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_without_an_echo(request_: bytes) -> None:
    with structlog.testing.capture_logs() as lines:
        async with door(ROOMY) as opened:
            answer = await opened.answers(request_)
    assert answer.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert b"this is not HTTP" in answer
    for word in (b"canary", b"aaaa", b"bbbb", b"aiohttp", b"Python"):
        assert word not in answer
        assert word.decode() not in str(lines)
    assert [line["event"] for line in lines] == ["not_http"]


async def test_a_fault_of_ours_says_nothing_of_it() -> None:
    with structlog.testing.capture_logs() as lines:
        async with door(ROOMY) as opened:
            answer = await opened.answers(b"GET /fault HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [(line["event"], line["fault"]) for line in lines] == [("web_fault", "ValueError")]
    assert b" 500 " in answer
    assert b"Ann Smith" not in answer
    assert b"aiohttp" not in answer


@pytest.mark.parametrize("path", ["/", "/nowhere"])
async def test_nobody_is_told_which_software_answers(path: str) -> None:
    async with door(ROOMY) as opened:
        answer = await opened.answers(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b"\r\nServer:" not in answer
    assert b"aiohttp" not in answer


# -- the log -------------------------------------------------------------------------------------------------------


def test_the_same_line_is_said_once_a_minute_with_how_often() -> None:
    clock = [0.0]
    seldom = Seldom(lambda: clock[0])
    assert [seldom.due("a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert seldom.due("b") == 1
    clock[0] = EVERY_SECONDS
    assert [seldom.due("a"), seldom.due("a")] == [5, 0]


def test_it_remembers_no_more_than_so_many_lines() -> None:
    seldom = Seldom(lambda: 0.0)
    for number in range(KEYS + 10):
        seldom.due(number)
    assert seldom.due(0) == 1
    assert seldom.due(KEYS) == 0
