"""A backup takes the store's place. Only with the store's lock in hand.

1. look     whether the backup is a whole store of ours
2. copy     it beside the store, and mark the copy: its epoch is renewed before the next post, so that what was booked
            since is found by read-back and not booked again; no number that a channel shows is believed before it was
            read anew, nor any told before the orders placed since are known
3. decide   by one rename to ``bcbridge.db.restored``
4. finish   the old files step aside, under a dated name; the copy takes their place

Killed before 3, the old store is untouched. Killed after it, whoever opens the store next finishes (``finish``).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bcbridge.errors import BridgeError
from bcbridge.store.backup import NotABackup, look, reading, sync
from bcbridge.store.damage import mark_of
from bcbridge.store.stamps import stamp

RESTORED_AT = "restored_at"
"""In ``meta``: when this store took the place of another."""


class RestoreRefused(BridgeError):
    """Nothing was restored; the store is as it was."""


@dataclass(frozen=True, slots=True)
class Restored:
    """``aside``: where the store that was there stands now, if there was one."""

    store: Path
    aside: Path | None


def restore(store: Path, file: Path, *, replace: bool, who: str, now: datetime) -> Restored:
    """Put the backup in the store's place. Raises RestoreRefused. The caller holds the store's lock."""
    finish(store)  # one that was killed half-way
    there = store.exists()
    if there and not replace:
        raise RestoreRefused(f"{store} is there; write --replace to put it aside and restore over it")
    draft = store.with_name(store.name + ".restoring")
    try:
        look(file, thoroughly=True)
        _copy(file, draft)
        _mark(draft, file, who=who, now=now)
        sync(draft)
    except (OSError, sqlite3.Error, NotABackup) as fault:
        draft.unlink(missing_ok=True)
        raise RestoreRefused(f"nothing was restored: {fault}") from fault
    draft.replace(_decided(store))
    sync(store.parent)
    return Restored(store, finish(store))


def finish(store: Path) -> Path | None:
    """Carry out a restore that was decided; returns where the old store stands now. Again and again: the same."""
    decided = _decided(store)
    if not decided.exists():
        return None
    moment = datetime.fromtimestamp(decided.stat().st_mtime, UTC)
    aside = store.with_name(f"{store.name}.before-restore-{moment:%Y%m%dT%H%M%SZ}")
    for suffix in ("-wal", "-shm", ""):  # the log goes with its own file: beside another it would be its ruin
        old = store.with_name(store.name + suffix)
        if old.exists():
            old.rename(aside.with_name(aside.name + suffix))
    mark_of(store).unlink(missing_ok=True)
    sync(store.parent)
    decided.rename(store)
    sync(store.parent)
    return aside if aside.exists() else None


def _decided(store: Path) -> Path:
    return store.with_name(store.name + ".restored")


def _copy(file: Path, draft: Path) -> None:
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(reading(file)) as connection:
        connection.execute("VACUUM INTO ?", (str(draft),))


_RENEW = """
INSERT INTO meta (name, value) SELECT 'renew_epoch/' || substr(name, 7), '1' FROM meta WHERE name GLOB 'epoch/*'
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
"""``outbox.RENEW`` for every sink that this store has an epoch for."""
_RESTORED = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_ACT = "INSERT INTO acts (at, who, act, target, why, data) VALUES (?, ?, 'restore', ?, '', ?)"


_KEEPS_STOCK = "SELECT 1 FROM sqlite_master WHERE name = 'stock_shown'"
_KNOW_NO_NUMBER = (
    "UPDATE stock_shown SET explained = NULL, due = NULL, stale = NULL",
    "UPDATE stock_outlets SET known_upto = NULL",
    "DELETE FROM meta WHERE name GLOB 'stock_orders_read/*'",
)
"""The last one is ``known.READ`` for every channel. A backup of a release that told no numbers has none of these."""


def _mark(draft: Path, file: Path, *, who: str, now: datetime) -> None:
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_RENEW)
        connection.execute(_RESTORED, (RESTORED_AT, stamp(now)))
        if connection.execute(_KEEPS_STOCK).fetchone() is not None:
            for forget in _KNOW_NO_NUMBER:
                connection.execute(forget)
        data = orjson.dumps({"before": None, "after": None, "bytes": file.stat().st_size}).decode()
        connection.execute(_ACT, (stamp(now), who, file.name, data))
        connection.execute("COMMIT")
