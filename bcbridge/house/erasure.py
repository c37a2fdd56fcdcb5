"""A person's data is found through the documents that name them, and removed where its order has ended.

1. find     the orders meant: by name, or by looking into every document that is kept
2. leave    what is open: it is needed until it has ended; named with the reason
3. erase    documents and bytes, order by order; what proves the booking stays (store/erase.py)
4. empty    the write-ahead log, so that no byte of it is left in the files

Used by the running bridge, and by the command line with the store's lock while it is down.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bcbridge.connectors.base import Document
from bcbridge.model import person
from bcbridge.model.acts import ActResult, LeftOut, NotFound, Refusal
from bcbridge.model.person import Whose
from bcbridge.store import acts, erase, views
from bcbridge.store.db import Store

SHOWN = 50
ORDERS_A_UNIT = 20
AGAIN = "the log could not be emptied while somebody reads the store; erase once more to be sure of every byte"
ELSEWHERE = "what was kept elsewhere goes its own way: backups made before, the systems themselves"

About = Callable[[Document], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Erasure:
    """``about``: for each channel, whom a document of it is about."""

    store: Store
    now: Callable[[], datetime]
    about: Mapping[str, About]

    async def erase(self, whose: Whose, *, why: str, who: str, dry_run: bool) -> ActResult:
        """Raises NotFound, Refusal, StoreBusy. Never writes down what the person is known by."""
        meant = await self._meant(whose)
        rows = await self.store.write(lambda tx: erase.orders(tx, meant))
        ended, left_out = _ended(rows)
        if not dry_run and ended:
            await self._erase(ended, whose, why=why, who=who)
        return ActResult(
            matched=len(rows),
            done=0 if dry_run else len(ended),
            orders=tuple(str(row["name"] or row["ref"]) for row in ended[:SHOWN]),
            left_out=left_out[:SHOWN],
            note=await self._note(erased=bool(ended) and not dry_run),
        )

    async def _note(self, *, erased: bool) -> str:
        if not erased:
            return ""
        return ELSEWHERE if await self.store.checkpoint() else f"{AGAIN}; {ELSEWHERE}"

    # -- find ----------------------------------------------------------------------------------------------

    async def _meant(self, whose: Whose) -> list[tuple[str, str]]:
        if not whose.is_one:
            raise Refusal("say one of an order, an e-mail address, a telephone number, a customer")
        if whose.customer.strip():
            return await self._of_customer(whose.customer.strip())
        return await self._all_of(whose.trait) if whose.trait else [await self._one(whose.order)]

    async def _of_customer(self, said: str) -> list[tuple[str, str]]:
        """An id is one shop's: in another it is somebody else. ``woocommerce_eu:42`` says which is meant."""
        shop, _, rest = said.partition(":")
        if shop not in self.about and len(self.about) > 1:
            which = " or ".join(f"{one}:ID" for one in sorted(self.about))
            raise Refusal(f"a customer's id is one shop's, and somebody else's in another: write {which}")
        meant = await self._all_of(person.customer(rest if shop in self.about else said))
        return [(channel, ref) for channel, ref in meant if shop == channel or shop not in self.about]

    async def _one(self, text: str) -> tuple[str, str]:
        found = await views.find_order(self.store.read, text)
        if not found:
            raise NotFound(f"no order is known as {text}")
        if len(found) > 1:
            names = ", ".join(f"{one.connector}:{one.name}" for one in found)
            raise Refusal(f"{text} may mean several orders: {names}")
        return found[0].connector, found[0].ref

    async def _all_of(self, trait: str) -> list[tuple[str, str]]:
        """Every order whose kept document names this person; a slice at a time, read beside the event loop."""
        meant: list[tuple[str, str]] = []
        after = 0
        while kept := await erase.documents_after(self.store, after):
            after = kept[-1][0]
            meant += await asyncio.to_thread(self._naming, trait, [(name, document) for _, name, document in kept])
        return meant

    def _naming(self, trait: str, kept: Sequence[tuple[str, Document]]) -> list[tuple[str, str]]:
        return [
            (channel, document.ref)
            for channel, document in kept
            if channel in self.about and trait in self.about[channel](document)
        ]

    # -- erase ---------------------------------------------------------------------------------------------

    async def _erase(self, rows: Sequence[sqlite3.Row], whose: Whose, *, why: str, who: str) -> None:
        """The act is on disk before the first of it: who asked is known whatever happens then."""
        now = self.now()

        def note(tx: sqlite3.Connection) -> None:
            target, refs = f"{len(rows)} orders", [row["ref"] for row in rows[:SHOWN]]
            number = acts.write_down(
                tx, who=who, act="erase", target=target, why=why, now=now, by=whose.said[0], orders=refs
            )
            acts.touched(tx, number, rows)

        await self.store.write(note)
        for begin in range(0, len(rows), ORDERS_A_UNIT):
            some = rows[begin : begin + ORDERS_A_UNIT]
            await self.store.write(partial(_erase_some, rows=some, who=who, now=now))


def _erase_some(tx: sqlite3.Connection, *, rows: Sequence[sqlite3.Row], who: str, now: datetime) -> None:
    """As they are now: one that was opened again since it was looked at keeps what it needs."""
    ended, _ = _ended(erase.orders(tx, [(row["connector"], row["ref"]) for row in rows]))
    for row in ended:
        erase.erase(tx, row, who=who, now=now)


def _ended(rows: Sequence[sqlite3.Row]) -> tuple[list[sqlite3.Row], tuple[LeftOut, ...]]:
    """Orders that are booked, or never will be; and the others, each with why it is left."""
    ended = [row for row in rows if row["state"] in ("booked", "never") and not row["has_open_write"]]
    left = [row for row in rows if row not in ended]
    return ended, tuple(LeftOut(order=str(row["name"] or row["ref"]), reason=_why_left(row)) for row in left)


def _why_left(row: sqlite3.Row) -> str:
    if row["has_open_write"]:
        return f"a document is on its way ({row['state']}); erase again when it is booked"
    return f"it is {row['state'].replace('_', ' ')}; erase again when it is booked or skipped"
