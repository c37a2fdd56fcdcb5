"""Up to which moment a channel's orders are known, and whether all that were open were read once."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bcbridge.store import meta
from bcbridge.store.db import Store
from bcbridge.store.stamps import moment, stamp

READ = "stock_orders_read/"
"""In ``meta``, before a channel's name: when every order that had been open was known."""
ADOPTED = "stock_adopted"
"""In ``meta``: the rows of what was booked before this was counted were made."""

_KNOW = """
UPDATE stock_outlets SET known_upto = :upto
WHERE channel = :channel AND coalesce(known_upto, '') < :upto
"""
_KNOWN = "SELECT min(coalesce(known_upto, '')) AS upto FROM stock_outlets WHERE channel = ?"


def know(tx: sqlite3.Connection, channel: str, upto: datetime) -> None:
    """Every order as it stood at ``upto`` was looked at since. Never goes back."""
    tx.execute(_KNOW, {"channel": channel, "upto": stamp(upto)})
    if meta.get(tx, READ + channel) is None:
        meta.put(tx, READ + channel, stamp(upto))


def known_upto(tx: sqlite3.Connection, channel: str) -> datetime | None:
    """None where that cannot be said, or where the channel is told no numbers."""
    row = tx.execute(_KNOWN, (channel,)).fetchone()
    return moment(row["upto"]) if row["upto"] else None


def orders_read(tx: sqlite3.Connection, channel: str) -> bool:
    """Whether all open orders of this channel were read once: before that no number is written to any."""
    return meta.get(tx, READ + channel) is not None


def forget_read(tx: sqlite3.Connection, channel: str) -> None:
    """No channel is told numbers: orders are not looked at for the count alone, so that some wait unseen."""
    meta.drop(tx, READ + channel)


async def is_read(store: Store, channel: str) -> bool:
    """The same, asked from outside a unit."""
    return await meta.read(store, READ + channel) is not None
