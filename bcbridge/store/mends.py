"""When a channel's webhook subscriptions had to be mended, within the last day: a restart forgets none."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from bcbridge.store import meta
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

WITHIN = timedelta(days=1)


def note(tx: sqlite3.Connection, connector: str, *, now: datetime) -> None:
    known = _recent(meta.get(tx, _key(connector)), now)
    meta.put(tx, _key(connector), orjson.dumps([*map(stamp, known), stamp(now)]).decode())


async def recent(store: Store, connector: str, *, now: datetime) -> Sequence[datetime]:
    """Those of the last day, the oldest first."""
    return _recent(await meta.read(store, _key(connector)), now)


def _key(connector: str) -> str:
    return f"mended/{connector}"


def _recent(kept: str | None, now: datetime) -> list[datetime]:
    return [at for at in map(moment, orjson.loads(kept or "[]")) if at > now - WITHIN]
