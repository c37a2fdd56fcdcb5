"""A copy of the store in one file, made while the bridge runs.

1. copy     from one read transaction (``VACUUM INTO``): the writer goes on, and sees nothing of it
2. look     whether the copy is whole
3. put      it on disk for good, under its name

The copy is written beside its name and renamed at the end: what has the name is whole. It holds what the store holds,
personal data too, and is readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bcbridge.errors import BridgeError
from bcbridge.store.schema import steps
from bcbridge.store.stamps import stamp

BACKUP_AT = "backup_at"
"""In ``meta``: when the last backup was made."""
STEPS_BETWEEN_LOOKS = 20_000
TABLES = frozenset({"meta", "orders", "outbox", "links", "events"})


class BackupFailed(BridgeError):
    """No backup was made; what was there before is as it was."""


class NotABackup(BridgeError):
    """The file is not a whole store of ours."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is on disk."""

    file: Path
    bytes: int
    seconds: float


def make(store: Path, file: Path, *, replace: bool = False, stopped: Callable[[], bool] = lambda: False) -> Made:
    """Copy the store into ``file``; blocks as long as that takes. ``stopped`` is asked now and then.

    Raises BackupFailed; an existing file is replaced only where ``replace`` says so, and only by a whole one.
    """
    if file.exists() and not replace:
        raise BackupFailed(f"{file} is there already; write --force to replace it")
    began = time.monotonic()
    try:
        with _part(file) as part:
            _copy(store, part, stopped)
            look(part)
            _keep(part, file)
    except (OSError, sqlite3.Error, NotABackup) as fault:
        why = "it was told to stop" if stopped() else str(fault)
        raise BackupFailed(f"no backup was made: {why}") from fault
    return Made(file, file.stat().st_size, time.monotonic() - began)


@contextmanager
def _part(file: Path) -> Iterator[Path]:
    """Where the copy grows: for its owner alone, for one backup at a time; what a killed one left is written over."""
    part = file.with_name(file.name + ".part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise BackupFailed(f"another backup is writing {part.name} now") from None
    try:
        os.fchmod(handle, 0o600)
        os.ftruncate(handle, 0)
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _copy(store: Path, part: Path, stopped: Callable[[], bool]) -> None:
    with closing(reading(store)) as connection:
        connection.set_progress_handler(stopped, STEPS_BETWEEN_LOOKS)
        connection.execute("VACUUM INTO ?", (str(part),))


def reading(path: Path) -> sqlite3.Connection:
    """A connection of its own that only reads; another process may be writing. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
    connection.row_factory = sqlite3.Row
    return connection


def _keep(part: Path, file: Path) -> None:
    sync(part)
    part.replace(file)
    sync(file.parent)


def sync(path: Path) -> None:
    """What this file (or folder) holds is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def look(file: Path, *, thoroughly: bool = False) -> None:
    """Whether the file is a whole store of ours, of this version or an older one. Raises NotABackup, in words."""
    try:
        with closing(reading(file)) as connection:
            check = "integrity_check" if thoroughly else "quick_check"
            said = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(5)")]
            tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as fault:
        raise NotABackup(f"{file.name} cannot be read as a store: {fault}") from fault
    if said != ["ok"]:
        raise NotABackup(f"{file.name} is damaged: {'; '.join(said)}")
    if not tables >= TABLES:
        raise NotABackup(f"{file.name} is not a store of bcbridge")
    if version > len(steps()):
        raise NotABackup(f"{file.name} was written by a newer bcbridge (schema {version}, here {len(steps())})")


# -- that it was made --------------------------------------------------------------------------------------------

_NOTE = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def note(tx: sqlite3.Connection, *, now: datetime) -> None:
    """Write down in the store that a backup was made now: a watch looks at its age."""
    tx.execute(_NOTE, (BACKUP_AT, stamp(now)))


# -- backups that the bridge makes by itself ---------------------------------------------------------------------

PREFIX = "bcbridge-"


def named(folder: Path, now: datetime) -> Path:
    """What a backup of this moment is called; names in order are moments in order."""
    return folder / f"{PREFIX}{now:%Y%m%dT%H%M%SZ}.db"


def drop_oldest(folder: Path, *, keep: int) -> int:
    """Remove the oldest backups of that naming beyond ``keep``; returns how many went."""
    surplus = sorted(folder.glob(f"{PREFIX}*T*Z.db"))[: -keep or None]
    for file in surplus:
        file.unlink()
    return len(surplus)
