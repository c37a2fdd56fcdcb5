"""What the bridge does for itself besides its work: forget what has done its duty, make backups, mistrust a clock.

Everything here is put off without harm: what fails is logged and tried again at the next turn.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import anyio
import structlog
from anyio import to_thread

from bcbridge.config import BackupSection, RetentionSection
from bcbridge.errors import BridgeError, StoreBusy
from bcbridge.house.wiring import House
from bcbridge.store import alerts, backup, dispatching, inbox, meta, outbox, queue, retention
from bcbridge.store.clock import clock_jumped
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment
from bcbridge.store.stock import compares, keeping, writes

log = structlog.get_logger()

EVERY = timedelta(hours=1)
LOOK_AT_STRANGERS_SECONDS = 5.0
PAUSE_SECONDS = 0.02
"""Between two steps: whoever else writes goes first."""
STEPS_A_TURN = 2000
LOOK_AT_CLOCK_SECONDS = 2.0
SETTLED_AFTER = timedelta(days=2)
"""What figures have contained for so long no older figure brings back."""
JUMP = timedelta(seconds=20)
"""A clock that moved this much more, or less, than the time that passed was set."""

Step = Callable[[sqlite3.Connection], int]


async def upkeep(house: House) -> None:
    """For ever."""
    async with anyio.create_task_group() as loops:
        loops.start_soon(_hourly, house)
        loops.start_soon(_end_what_is_known, house)
        loops.start_soon(watch_clock, house.store, house.now, house.ring)


async def _hourly(house: House) -> None:
    while True:
        await _tried("pruning", partial(prune, house.store, house.settings.retention, now=house.now()))
        await _tried("backup", partial(back_up, house.store, house.settings.backup, now=house.now()))
        await anyio.sleep(EVERY.total_seconds())


async def _end_what_is_known(house: House) -> None:
    """After a restore: every reference that was unknown has become a document of this store again."""
    while True:
        for name, erp in house.erps.items():
            known = partial(outbox.end_known, sink=erp.writer.sink.name, erp=name, now=house.now())
            await _tried("unknown references", partial(house.store.write, known))
        await anyio.sleep(LOOK_AT_STRANGERS_SECONDS)


async def _tried(what: str, work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except (BridgeError, TimeoutError, OSError, sqlite3.Error) as fault:
        log.warning("put off", what=what, why=str(fault) or type(fault).__name__)


# -- forgetting --------------------------------------------------------------------------------------------------


async def prune(store: Store, kept: RetentionSection, *, now: datetime) -> dict[str, int]:
    """One turn over every class, in small steps; returns how many rows went of each. Raises StoreBusy."""
    if held := await store.write(lambda tx: retention.held(tx, now=now)):
        log.warning("nothing is forgotten yet: the clock moved", until=held.until)
        return {}
    went = {name: await _in_steps(store, step) for name, step in _classes(kept, now).items()}
    went["events"] = await _around(store, before=now - timedelta(days=kept.events_days))
    log.info("pruned", **went)
    return went


async def _in_steps(store: Store, step: Step) -> int:
    total = 0
    for _ in range(STEPS_A_TURN):
        went = await store.write(step)
        if not went:
            break
        total += went
        await anyio.sleep(PAUSE_SECONDS)
    return total


async def _around(store: Store, *, before: datetime) -> int:
    """One round over all orders, or as far as a turn goes: the next one goes on from there."""
    total = 0
    for _ in range(STEPS_A_TURN):
        walked = await store.write(partial(retention.prune_events, before=before))
        total += walked.went
        if not walked.orders:
            break
        await anyio.sleep(PAUSE_SECONDS)
    return total


def _classes(kept: RetentionSection, now: datetime) -> dict[str, Step]:
    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    return {
        "deliveries": partial(inbox.prune_deliveries, received_before=before(kept.deliveries_days)),
        "jobs": partial(queue.prune, ended_before=before(kept.jobs_days)),
        "documents": partial(retention.prune_documents, before=before(kept.documents_days)),
        "bodies": partial(retention.prune_bodies, before=before(kept.outbox_bodies_days)),
        "parcels": partial(dispatching.prune, before=before(kept.documents_days)),
        "acts": partial(retention.prune_acts, before=before(kept.acts_days)),
        "alerts": partial(alerts.prune, ended_before=before(kept.alerts_days)),
        "incidents": partial(retention.prune_incidents, before=before(kept.incidents_days)),
        "settled": partial(keeping.settle, before=now - SETTLED_AFTER),
        "demand": partial(keeping.prune, before=before(kept.documents_days)),
        "numbers": partial(writes.prune, before=before(kept.numbers_days)),
        "comparisons": partial(compares.prune, before=before(kept.incidents_days)),
    }


# -- backups by itself -------------------------------------------------------------------------------------------


async def back_up(store: Store, wanted: BackupSection, *, now: datetime) -> Path | None:
    """Make a backup where one is due; the oldest beyond those to keep go. Raises BackupFailed, OSError, StoreBusy."""
    last = await meta.read(store, backup.BACKUP_AT)
    if wanted.folder is None or (last is not None and _young(moment(last), wanted, now)):
        return None
    file = backup.named(wanted.folder, now)
    made = await _made(store.path, file)
    await store.write(lambda tx: backup.note(tx, now=now))
    dropped = await asyncio.to_thread(backup.drop_oldest, wanted.folder, keep=wanted.keep)
    log.info("backed up", file=file.name, bytes=made.bytes, seconds=round(made.seconds, 1), dropped=dropped)
    return file


def _young(last: datetime, wanted: BackupSection, now: datetime) -> bool:
    return timedelta(0) <= now - last < timedelta(hours=wanted.every_hours) - EVERY / 2


async def _made(store: Path, file: Path) -> backup.Made:
    """In a thread of its own; ended with the bridge, it ends there at once."""
    stop = Event()

    def work() -> backup.Made:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return backup.make(store, file, replace=True, stopped=stop.is_set)

    try:
        return await to_thread.run_sync(work, abandon_on_cancel=True)
    finally:
        stop.set()


# -- a clock that is set -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Clocks:
    """The wall's clock against the one that only goes on."""

    wall: datetime
    steady: float

    def moved(self, wall: datetime, steady: float) -> timedelta:
        """By how much the wall's clock was set since the last look; ahead is positive."""
        passed = timedelta(seconds=steady - self.steady)
        jump = wall - self.wall - passed
        self.wall, self.steady = wall, steady
        return jump


async def watch_clock(store: Store, now: Callable[[], datetime], ring: Callable[[], None]) -> None:
    """For ever: what waits for a moment is put right when the clock is set."""
    clocks = Clocks(now(), time.monotonic())
    jumped = False
    while True:
        await anyio.sleep(LOOK_AT_CLOCK_SECONDS)
        jump = clocks.moved(now(), time.monotonic())
        if abs(jump) > JUMP:
            log.warning("the clock was set", seconds=round(jump.total_seconds()))
            jumped = True
        if not jumped:
            continue
        with suppress(StoreBusy):  # then at the next look
            jumped = await store.write(lambda tx: clock_jumped(tx, now=now()))
            ring()
