"""Where notifications are put away: on disk before the answer, then the poller is woken.

A notification says "look at order 1001". The poll that it wakes usually lists the order within a moment; what the
list does not satisfy is fetched by its ref a few seconds later, and again after that (flows/orders/story.py). About an
order that nobody has seen here it is looked at by its ref at once, for the count of its pieces alone: the numbers of
every channel wait for that. One that says that ringing itself is in trouble is an incident until the connection rings
without.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from bcbridge.model.documents import Notification
from bcbridge.store import inbox, incidents, queue
from bcbridge.store.db import Store
from bcbridge.store.gathering import Gathering
from bcbridge.store.inbox import Arrival
from bcbridge.store.queue import Wish

LIST_FIRST = timedelta(seconds=5)
"""How long the poll that a notification wakes has, before the record is fetched by its ref."""
BURST = timedelta(milliseconds=200)
"""A shop rings several times about one new order, and about many at once: they are one look."""
NO_LOOKS: Mapping[str, str] = MappingProxyType({})


class Intake:
    """Takes what a webhook let in; what comes while the store is busy is put away together.

    ``flows``: noun -> the flow that handles it; ``looks``: noun -> the flow that looks at once at what is new.
    ``wake``: connector -> wakes its lists, and who looks.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        flows: Mapping[str, str],
        wake: Mapping[str, Callable[[], None]],
        looks: Mapping[str, str] = NO_LOOKS,
    ) -> None:
        self._now = now
        self._flows = flows
        self._looks = looks
        self._wake = wake
        self._arrivals = Gathering(store, self.keep, intake=True)

    async def take(self, connector: str, notification: Notification, body_hash: str) -> None:
        """Returns when it is on disk; raises StoreBusy, then nothing was kept."""
        fresh = await self._arrivals.do(Arrival(connector, notification, body_hash, self._now()))
        if (fresh and notification.noun is not None) or notification.trouble is not None:
            self._wake[connector]()

    def keep(self, tx: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[bool]:
        """The unit: each delivery, and the job to look at its record. False for what was kept before."""
        fresh = inbox.delivered(tx, arrivals)
        new = [arrival for arrival, is_fresh in zip(arrivals, fresh, strict=True) if is_fresh]
        wishes = [self._wish(one) for one in new if one.notification.ref and one.notification.noun in self._flows]
        told = [one for one in new if one.notification.ref and one.notification.noun in self._looks]
        wishes += [self._look(one) for one in inbox.unseen(tx, told)]
        queue.enqueue(tx, wishes, now=self._now())
        self._hear(tx, arrivals)
        return fresh

    def _hear(self, tx: sqlite3.Connection, arrivals: Sequence[Arrival]) -> None:
        """Each connection's last word. A ring about nothing (a ping, which anybody can send) is none."""
        last = {one.connector: one.notification for one in arrivals if _is_a_word(one.notification)}
        for connector, said in last.items():
            if said.trouble is None:
                incidents.rings_well(tx, connector, now=self._now())
                continue
            code, text, cause = said.trouble.code, said.trouble.text, incidents.RINGING
            incidents.open_one(tx, code=code, connector=connector, cause=cause, text=text, now=self._now())

    def _wish(self, arrival: Arrival) -> Wish:
        said, connector = arrival.notification, arrival.connector
        assert said.ref is not None
        return Wish(
            flow=self._flows[str(said.noun)],
            connector=connector,
            ref=said.ref,
            due=arrival.at if said.gone else arrival.at + LIST_FIRST,
            wanted=said.modified,
        )

    def _look(self, arrival: Arrival) -> Wish:
        said, connector = arrival.notification, arrival.connector
        assert said.ref is not None
        flow = self._looks[str(said.noun)]
        return Wish(
            flow=flow,
            connector=connector,
            ref=said.ref,
            due=arrival.at + BURST,
            ordering_key=queue.key_beside(connector, said.ref, flow=flow),
            wanted=said.modified,
        )


def _is_a_word(said: Notification) -> bool:
    return said.trouble is not None or said.noun is not None
