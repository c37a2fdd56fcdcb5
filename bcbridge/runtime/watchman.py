"""Watches: what fails by not happening. Each says what is the case now; what it no longer says is over.

One round a minute, all watches beside each other, each with a deadline: one that fails or hangs stops no other, and is
an incident itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import anyio
import structlog

from bcbridge.errors import StoreBusy, plain
from bcbridge.store import incidents
from bcbridge.store.db import Store
from bcbridge.store.incidents import Cause

log = structlog.get_logger()

DEADLINE = timedelta(seconds=20)

Look = Callable[[], Awaitable[Sequence[Cause] | None]]
"""All that is the case now. None: it cannot be told now, and what stood goes on standing."""


@dataclass(frozen=True, slots=True)
class Watch:
    """``codes``: what it speaks for, and nobody else does; on one connector alone where one is named."""

    name: str
    codes: frozenset[str]
    look: Look
    connector: str | None = None


async def keep_watch(watches: Sequence[Watch], store: Store, *, now: Callable[[], datetime], every: timedelta) -> None:
    """For ever, the first round at once."""
    while True:
        await one_round(watches, store, now=now)
        await anyio.sleep(every.total_seconds())


async def one_round(
    watches: Sequence[Watch], store: Store, *, now: Callable[[], datetime], deadline: timedelta = DEADLINE
) -> None:
    """Every watch looks once; returns when the slowest has, or its time is over."""
    failed: list[Cause] = []
    async with anyio.create_task_group() as tasks:
        for watch in watches:
            tasks.start_soon(_look, watch, store, now, deadline, failed)
    try:
        await store.write(partial(incidents.stand, codes={"watch_failed"}, standing=failed, now=now()))
    except StoreBusy as busy:
        log.warning("watches not kept", why=str(busy))


async def _look(
    watch: Watch, store: Store, now: Callable[[], datetime], deadline: timedelta, failed: list[Cause]
) -> None:
    try:
        with anyio.fail_after(deadline.total_seconds()):
            seen = await watch.look()
        if seen is not None:
            await store.write(
                partial(incidents.stand, codes=watch.codes, standing=seen, now=now(), connector=watch.connector)
            )
    except StoreBusy as busy:  # nothing can be kept now, no incident either: the next round looks again
        log.warning("watch put off", watch=watch.name, why=str(busy))
    except Exception as fault:
        log.exception("watch failed", watch=watch.name)
        why = plain(fault)
        failed.append(Cause(code="watch_failed", connector="", cause=watch.name, text=f"{watch.name}: {why}"))
