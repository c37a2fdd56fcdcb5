"""Where notifications are put away: on disk before the answer, then the poller is woken.

A notification says "look at order 1001". The poll that it wakes usually lists the order within a moment; what the
list does not satisfy is fetched by its ref a few seconds later, and again after that (flows/orders/story.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bcbridge.model.documents import Notification
from bcbridge.store import inbox, queue
from bcbridge.store.db import Store
from bcbridge.store.queue import Wish

LIST_FIRST = timedelta(seconds=5)
"""How long the poll that a notification wakes has, before the record is fetched by its ref."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes what a webhook let in."""

    store: Store
    now: Callable[[], datetime]
    flows: Mapping[str, str]
    """noun -> the flow that handles it."""
    wake: Mapping[str, Callable[[], None]]
    """connector -> wakes its lists."""

    async def take(self, connector: str, notification: Notification, body_hash: str) -> None:
        """Returns when it is on disk; raises StoreBusy, then nothing was kept."""
        fresh = await self.store.write(lambda tx: self.keep(tx, connector, notification, body_hash), intake=True)
        if fresh and notification.noun is not None:
            self.wake[connector]()

    def keep(self, tx: sqlite3.Connection, connector: str, notification: Notification, body_hash: str) -> bool:
        """The unit: the delivery, and the job to look at its record. False when this delivery was kept before."""
        now = self.now()
        fresh = inbox.delivered(tx, connector, notification, body_hash=body_hash, now=now)
        if fresh and notification.ref is not None and notification.noun in self.flows:
            queue.enqueue(tx, [self._wish(connector, notification, now)], now=now)
        return fresh

    def _wish(self, connector: str, notification: Notification, now: datetime) -> Wish:
        ref = notification.ref
        assert ref is not None
        return Wish(
            flow=self.flows[str(notification.noun)],
            connector=connector,
            ref=ref,
            due=now if notification.gone else now + LIST_FIRST,
            wanted=notification.modified,
        )
