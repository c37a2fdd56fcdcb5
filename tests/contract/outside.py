"""Servers a claim holds in its hand: one that answers by a function, and one that stands between room and sandbox."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import anyio
import httpx
from aiohttp import web

from tests.contract.kit import Asked, Reply

Handler = Callable[[web.BaseRequest, Asked], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """One on a free port of loopback. ``asked`` is everything it was asked."""

    handler: Handler
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    runner: web.ServerRunner | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path, dict(request.query), headers, await request.read())
        self.asked.append(asked)
        return await self.handler(request, asked)

    @property
    def connections(self) -> int:
        assert self.runner is not None
        assert self.runner.server is not None
        return len(self.runner.server.connections)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Server]:
    server = Server(handler)
    server.runner = web.ServerRunner(web.Server(server), shutdown_timeout=0.1)
    await server.runner.setup()
    try:
        site = web.TCPSite(server.runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{server.runner.addresses[0][1]}"
        yield server
    finally:
        await server.runner.cleanup()


def saying(answer: Callable[[Asked], Reply]) -> Handler:
    """Answers what the function says."""

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        return answer(asked).response()

    return handler


async def black_hole(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    """Takes the request and never answers."""
    await anyio.sleep_forever()
    raise AssertionError("unreachable")


async def dripping(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    """Answers a blank at a time, for ever: never silent for long, never done."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await anyio.sleep(0.05)


async def flooding(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    """Answers as fast as it is read, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 262_144)


async def exploding(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    """Answers few bytes that unpack to a hundred million."""
    return web.Response(body=_packed(), headers={"Content-Encoding": "gzip"})


@cache
def _packed() -> bytes:
    return gzip.compress(b" " * 100_000_000, compresslevel=9)


Meddle = Callable[[Asked, Reply], Reply]


def between(url: str, http: httpx.AsyncClient, meddle: Meddle) -> Handler:
    """Hands every call on to ``url`` under the name it was asked by (a call may be signed over it), and what came
    back to ``meddle``."""

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        kept = {name: asked.headers[name] for name in asked.headers if name != "content-length"}
        answer = await http.request(asked.method, url + request.raw_path, content=asked.body, headers=kept)
        return meddle(asked, Reply(answer.status_code, answer.content)).response()

    return handler
