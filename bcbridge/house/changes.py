"""Changes after booking, wired: whatever shows that a side of an order changed makes a job of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bcbridge.flows.changes.story import CHANGES
from bcbridge.model.ids import Ref
from bcbridge.model.sales_order import BookedOrder
from bcbridge.runtime.worker import Bell
from bcbridge.store import changing, queue
from bcbridge.store.db import Store
from bcbridge.store.outbox import Row


@dataclass(slots=True)
class ChangeDesk:
    """Where changes of booked orders come in. ``bells``: of the channels whose orders are compared; ``greeted``: those
    whose orders are looked at when they are booked, to be marked."""

    store: Store
    now: Callable[[], datetime]
    bells: dict[str, Bell] = field(default_factory=dict)
    greeted: set[str] = field(default_factory=set)

    def of_channel(self, channel: str) -> Callable[[sqlite3.Connection, Ref], None]:
        """The channel changed an order, within a unit."""

        def unit(tx: sqlite3.Connection, ref: Ref) -> None:
            self._enqueue(tx, [(channel, ref)], priority=queue.NOW)

        return unit

    def of_erp(self, erp: str) -> Callable[[sqlite3.Connection, Row, BookedOrder], bool]:
        """The ERP shows a document, within a unit; returns whether somebody is to be rung."""

        def unit(tx: sqlite3.Connection, row: Row, held: BookedOrder) -> bool:
            news = changing.see(tx, erp, row.order_id, held, now=self.now())
            first = row.state != "posted"
            if not news and not (first and (row.channel in self.greeted or self._waits(tx, row))):
                return False
            return self._enqueue(tx, [(row.channel, Ref(row.order_ref))], priority=queue.NOW)

        return unit

    def _waits(self, tx: sqlite3.Connection, row: Row) -> bool:
        """Whether a change of its order waits for it to be booked."""
        return queue.is_waiting(tx, CHANGES, row.channel, row.order_ref)

    async def look_again(self) -> None:
        """Every order whose sides differ: what was a person's may be done by now."""

        def unit(tx: sqlite3.Connection) -> None:
            self._enqueue(tx, changing.differing(tx, self.bells.keys()), priority=queue.BULK)

        await self.store.write(unit)
        self.ring()

    def ring(self) -> None:
        for bell in self.bells.values():
            bell.ring()

    def _enqueue(self, tx: sqlite3.Connection, orders: Iterable[tuple[str, Ref]], *, priority: int) -> bool:
        now = self.now()
        wishes = [
            queue.Wish(CHANGES, channel, ref, due=now, priority=priority)
            for channel, ref in orders
            if channel in self.bells
        ]
        queue.enqueue(tx, wishes, now=now)
        return bool(wishes)
