"""What a store from an earlier release brings along: what its orders ask of stock is counted before any number is told.

1. adopt     what is on its way, or was booked lately: a figure may not hold it yet; from the outbox, once
2. look      at every order that is open, once: the moment up to which orders are known comes after them (Known)

The same goes for what was switched off for a while: nothing that was believed then is believed when it is on again.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from functools import partial

import structlog

from bcbridge.flows.orders.looks import LOOKS
from bcbridge.flows.orders.story import ORDERS
from bcbridge.house.wiring import House
from bcbridge.store import meta, queue
from bcbridge.store.orders import open_refs
from bcbridge.store.queue import Wish
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import adopted, known

log = structlog.get_logger()

BOOKED_LATELY = timedelta(days=7)
"""Figures are never so old that an order booked before this is not in them."""
SLICE = 200


async def count_from_before(house: House) -> None:
    """At every start, before anything runs; after the first time there is nothing to do. A slice at a time."""
    await _adopt(house)
    await house.stock.book.only(house.stock.outlets.keys())
    for channel in house.channels:
        if not house.looks:
            await house.store.write(partial(known.forget_read, channel=channel))
        elif not await known.is_read(house.store, channel):
            await _look_at_open(house, channel)


async def _adopt(house: House) -> None:
    if await meta.read(house.store, known.ADOPTED) is not None:
        return
    after: int | None = 0
    now = house.now()
    while after is not None:
        adopt = partial(adopted.adopt_recent, after=after, posted_since=now - BOOKED_LATELY, now=now)
        after = await house.store.write(adopt)
    await house.store.write(lambda tx: meta.put(tx, known.ADOPTED, stamp(now)))


async def _look_at_open(house: House, channel: str) -> None:
    """Orders that are known to be open, by their refs, and those that wait to be: those that a list still shows come
    besides."""
    refs = await house.store.write(partial(_open_or_waiting, channel=channel))
    for begin in range(0, len(refs), SLICE):
        await house.store.write(partial(_enqueue, house=house, channel=channel, refs=refs[begin : begin + SLICE]))
    log.info("open orders are looked at before any number is told", connector=channel, orders=len(refs))


def _open_or_waiting(tx: sqlite3.Connection, *, channel: str) -> list[str]:
    return sorted({*open_refs(tx, channel), *queue.waiting_refs(tx, flow=ORDERS, connector=channel)})


def _enqueue(tx: sqlite3.Connection, *, house: House, channel: str, refs: list[str]) -> None:
    now = house.now()
    wishes = [
        Wish(
            flow=LOOKS,
            connector=channel,
            ref=ref,
            due=now,
            ordering_key=queue.key_beside(channel, ref, flow=LOOKS),
            priority=queue.BULK,
        )
        for ref in refs
    ]
    queue.enqueue(tx, wishes, now=now)
