"""What a flow may remember, behind one narrow door: a second engine need not touch a flow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.model.catalog import CatalogSku
from bcbridge.model.documents import Document
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Outcome, Problem
from bcbridge.model.standing import Facts, Standing
from bcbridge.model.stock import OrderLook
from bcbridge.store import catalog, events, inbox, links, orders
from bcbridge.store.db import Store
from bcbridge.store.stock import demand


@dataclass(frozen=True, slots=True)
class OrderMemory:
    """One channel's orders and the masters of the ERP they are booked in."""

    store: Store
    channel: str
    erp: str
    now: Callable[[], datetime]
    on_due: Callable[[frozenset[str]], None] = lambda channels: None
    """Told in which channels a number has to be written because of what was looked at."""
    on_change: Callable[[sqlite3.Connection, Ref], None] = lambda tx, ref: None
    """Told, within the unit, which order on its way or booked the channel changed."""
    ring: Callable[[], None] = lambda: None
    """Called when that is on disk."""

    async def documents(self, refs: Sequence[Ref]) -> dict[Ref, Document]:
        return await inbox.documents(self.store, self.channel, "orders", refs)

    async def keep(self, documents: Sequence[Document]) -> None:
        if documents:
            await self.store.write(lambda tx: inbox.keep(tx, self.channel, documents))

    async def standings(self, refs: Sequence[Ref]) -> dict[Ref, Standing]:
        return await orders.standings(self.store, self.channel, refs)

    async def record(self, facts: Facts, outcome: Outcome) -> int:
        """Returns the order's id in this store."""
        return await self.store.write(lambda tx: orders.record(tx, self.channel, facts, outcome, now=self.now()))

    async def note(self, order_id: int, notes: Sequence[Problem]) -> None:
        """Things worth knowing about an order that is booked all the same."""

        def unit(tx: sqlite3.Connection) -> None:
            for note in notes:
                events.add(tx, order_id, "noted", now=self.now(), code=note.code, subject=note.subject, text=note.text)

        if notes:
            await self.store.write(unit)

    async def note_change(self, order_id: int, facts: Facts, words: Sequence[str]) -> None:
        def unit(tx: sqlite3.Connection) -> bool:
            modified = facts.modified or self.now()
            changed, now = facts.content_hash, self.now()
            orders.note_payment(tx, order_id, facts)
            news = orders.note_change(tx, order_id, content_hash=changed, modified=modified, words=words, now=now)
            if news:
                self.on_change(tx, facts.ref)
            return news

        if await self.store.write(unit):
            self.ring()

    async def note_reuse(self, order_id: int, ref: Ref, created: datetime, text: str) -> None:
        """An order created then came under this ref, and what we know of the ref is about another."""
        note, now = orders.note_reuse, self.now()
        await self.store.write(
            lambda tx: note(tx, self.channel, order_id, ref=ref, created=created, text=text, now=now)
        )

    async def count(self, looks: Sequence[OrderLook], gone: Mapping[Ref, datetime]) -> None:
        """What orders ask of stock, from one batch of looks; ``gone``: those that are not there any more, and when that
        was asked."""

        def unit(tx: sqlite3.Connection) -> frozenset[str]:
            now = self.now()
            for ref, asked in gone.items():
                demand.gone(tx, self.channel, ref, asked=asked, now=now)
            return demand.looked_many(tx, self.channel, looks, now=now).due

        if looks or gone:
            self.on_due(await self.store.write(unit))

    async def skus(self, upcs: Iterable[str]) -> Mapping[str, tuple[CatalogSku, ...]]:
        return await catalog.skus(self.store, self.erp, upcs)

    async def links(self, variants: Iterable[Ref]) -> Mapping[Ref, str]:
        """The UPC that each of these variants was sold as before; one that never was is absent."""
        return await links.links(self.store, self.channel, variants)

    async def codes(self, noun: str) -> frozenset[str]:
        return await catalog.codes(self.store, self.erp, noun)
