"""aiohttp inside our loop: our deadlines for every connection, no signal handlers of its own, drained at the end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import web
from anyio import to_thread

from bcbridge.errors import Misconfigured, Mistake
from bcbridge.web.callers import Caller, Callers, attended, without_our_makers

Make = Callable[[], Caller]
DRAIN_SECONDS = 5.0
BACKLOG = 256
SOCKET_PATH_LIMIT = 100
"""Bytes; the operating system takes 107 or fewer."""


@asynccontextmanager
async def serving(
    app: web.Application, *, host: str, port: int, callers: Callers | None = None, setting: str = "web.port"
) -> AsyncIterator[str]:
    """Serve on TCP while inside; yields the address. Port 0 takes a free one. Raises Misconfigured if it is taken.

    ``callers`` are its connections, ``setting`` where a person said which port.
    """

    async def listen(make: Make) -> asyncio.Server:
        try:
            return await asyncio.get_running_loop().create_server(make, host, port, backlog=BACKLOG)
        except OSError as fault:
            mistake = Mistake(setting, f"cannot listen on {host}:{port}: {fault.strerror}", "set another port")
            raise Misconfigured([mistake]) from None

    async with _running(app, Callers() if callers is None else callers, listen) as server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def serving_owner(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve on a unix socket that only its owner may open. Whoever holds the store may replace a stale one."""

    async def listen(make: Make) -> asyncio.Server:
        bound = await to_thread.run_sync(_bound, path)
        return await asyncio.get_running_loop().create_server(make, sock=bound)

    try:
        async with _running(app, Callers(), listen):
            yield
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_remove, path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise Misconfigured([Mistake("web.socket", f"the path is too long for a socket: {path}", "a shorter one")])
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.setblocking(False)
    bound.bind(str(path))
    path.chmod(0o600)  # before anyone can connect: nobody listens yet
    return bound


@asynccontextmanager
async def _running(
    app: web.Application, callers: Callers, listen: Callable[[Make], Awaitable[asyncio.Server]]
) -> AsyncIterator[asyncio.Server]:
    app.middlewares.insert(0, attended)
    app.on_response_prepare.append(without_our_makers)
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        assert runner.server is not None
        server = await listen(callers.protocols(runner.server))
        try:
            yield server
        finally:
            server.close()
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
