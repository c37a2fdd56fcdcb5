"""What the store stands on: room on its disk, the size of its write-ahead log, the age of its last backup."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from anyio import to_thread

from bcbridge.house.wiring import House
from bcbridge.phrases import age
from bcbridge.runtime.watchman import Watch
from bcbridge.store import meta
from bcbridge.store import watch as facts
from bcbridge.store.backup import BACKUP_AT
from bcbridge.store.incidents import Cause
from bcbridge.store.stamps import moment

MB = 1024 * 1024
LOOK_BACK, LOOK_BACK_AT_LEAST = timedelta(hours=3), timedelta(hours=1)
ROOMY = 20
"""With this many times the limit free, a large file that somebody writes is not looked at."""
PRODUCTION_BACKUP_HOURS = 26.0


def watches(house: House) -> Iterator[Watch]:
    path = house.settings.store.path
    disk = DiskSpace(house, lambda: shutil.disk_usage(path.parent).free)
    yield Watch("disk space", frozenset({"disk_space"}), disk.look)
    yield Watch("write-ahead log", frozenset({"wal_grows"}), partial(_log_size, house, path))
    yield Watch("backup", frozenset({"backup_old"}), partial(_backup_age, house))


@dataclass(slots=True)
class DiskSpace:
    """``free``: bytes left on the store's disk; asked in a thread, it may hang as the disk does."""

    house: House
    free: Callable[[], int]
    _seen: deque[tuple[datetime, int]] = field(default_factory=lambda: deque(maxlen=2_000))

    async def look(self) -> list[Cause]:
        """Too little is left, or what is left goes within hours."""
        now, free = self.house.now(), await to_thread.run_sync(self.free, abandon_on_cancel=True)
        self._seen.append((now, free))
        left, limits = self._left(now, free), self.house.settings.watches
        little = free < limits.disk_free_mb * MB
        soon = left is not None and left < timedelta(hours=limits.disk_hours_left)
        if not little and not (soon and free < ROOMY * limits.disk_free_mb * MB):
            return []
        until = f", gone in {age(now, now + left)} at the pace of now" if left is not None and soon else ""
        text = f"{free // MB:,} MB are left on the disk of {self.house.settings.store.path.name}{until}"
        return [Cause("disk_space", "", "disk", text)]

    def _left(self, now: datetime, free: int) -> timedelta | None:
        """How long it lasts at the pace of the last hours; None where that is not known, or it does not shrink.

        It shrinks where it did so in both halves of that time: one large file (a backup of ours) is no trend.
        """
        while now - self._seen[0][0] > LOOK_BACK:
            self._seen.popleft()
        then, before = self._seen[0]
        if now - then < LOOK_BACK_AT_LEAST:
            return None
        middle, between = next(one for one in self._seen if one[0] >= then + (now - then) / 2)
        halves = (_lasts(middle - then, before - between, free), _lasts(now - middle, between - free, free))
        return None if None in halves else max(one for one in halves if one is not None)


def _lasts(span: timedelta, gone: int, free: int) -> timedelta | None:
    return span * (free / gone) if gone > 0 else None


async def _log_size(house: House, path: Path) -> list[Cause]:
    size = await to_thread.run_sync(_size, path.with_name(path.name + "-wal"))
    if size < house.settings.watches.wal_limit_mb * MB:
        return []
    text = f"{path.name}-wal has {size // MB:,} MB: somebody keeps reading the store without an end"
    return [Cause("wal_grows", "", "wal", text)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


async def _backup_age(house: House) -> Sequence[Cause]:
    """Since the last backup, or since there was anything to lose."""
    hours = house.settings.watches.backup_max_age_hours
    if hours is None and not any(house.production.values()):
        return []
    limit, now = timedelta(hours=hours or PRODUCTION_BACKUP_HOURS), house.now()
    last = await meta.read(house.store, BACKUP_AT)
    since = moment(last) if last else await facts.first_order(house.store.read)
    if since is None or since > now - limit:
        return []
    said = f"the last backup is {age(since, now)} old" if last else "there never was a backup"
    return [Cause("backup_old", "", "backup", f"{said}: bcbridge backup FILE")]
