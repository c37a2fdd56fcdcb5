"""aiohttp inside our loop: no signal handlers of its own, drained on the way out."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import web
from anyio import to_thread

from bcbridge.errors import Misconfigured, Mistake

DRAIN_SECONDS = 5.0
SOCKET_PATH_LIMIT = 100
"""Bytes; the operating system takes 107 or fewer."""


@asynccontextmanager
async def serving(app: web.Application, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve on TCP while inside; yields the address. Port 0 takes a free one. Raises Misconfigured if it is taken."""
    async with _running(app) as runner:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as fault:
            mistake = Mistake("web.port", f"cannot listen on {host}:{port}: {fault.strerror}", "set another port")
            raise Misconfigured([mistake]) from None
        yield f"http://{host}:{runner.addresses[0][1]}"


@asynccontextmanager
async def serving_owner(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve on a unix socket that only its owner may open. Whoever holds the store may replace a stale one."""
    async with _running(app) as runner:
        bound = await to_thread.run_sync(_bound, path)
        try:
            await web.SockSite(runner, bound).start()
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
async def _running(app: web.Application) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(
        app, handle_signals=False, access_log=None, shutdown_timeout=DRAIN_SECONDS, auto_decompress=False
    )
    await runner.setup()
    try:
        yield runner
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
