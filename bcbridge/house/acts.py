"""What a person may do to the running bridge: retry, skip, resolve, confirm, set a mapping. Wired by ``app``.

Each act shows its count first (``dry_run``), leaves out what has a document on its way and says so, and is written
down with who, when and why.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bcbridge.errors import BridgeError
from bcbridge.flows.orders.story import ORDERS
from bcbridge.house.erasure import Erasure
from bcbridge.house.incident_acts import IncidentActs
from bcbridge.house.reconcile import ReconcileActs
from bcbridge.house.stock_acts import StockActs
from bcbridge.model.acts import ActResult, LeftOut, NotFound, Refusal, Resolution, Selection, Word
from bcbridge.model.person import Whose
from bcbridge.store import acts as kept
from bcbridge.store import backup, changing, dispatching, queue, views
from bcbridge.store.acts import Wanted
from bcbridge.store.db import Store
from bcbridge.store.queue import Wish

SHOWN = 50


async def nothing_more(channel: str | None) -> None:
    """A retry of orders is all there is to do."""


@dataclass(frozen=True, slots=True)
class PersonActs:
    """The acts of people on one store. ``ring`` wakes the workers after an act freed something."""

    store: Store
    now: Callable[[], datetime]
    ring: Callable[[], None]
    erp_of: Mapping[str, str]
    """channel connection -> the ERP connection its orders are booked in."""
    writes: Callable[[], Sequence[str]]
    """Every write that can be confirmed, as ``bluecherry.orders``."""
    on_confirm: Callable[[str], Awaitable[None]]
    save_mapping: Callable[[str, str, str, str], Awaitable[int]]
    """table, channel, key, value -> how many blocked orders that frees. Raises Misconfigured."""
    check_mapping: Callable[[str, str, str, str], object]
    """The same without doing it."""
    mapping_now: Callable[[str, str, str], object]
    """table, channel, key -> what that very row says now; None where there is none."""
    erasure: Erasure
    stock: StockActs
    reconciling: ReconcileActs
    after_retry: Callable[[str | None], Awaitable[None]] = nothing_more
    """A person wants this channel (or all) tried again: circuits that were opened by content are closed."""

    @property
    def incidents(self) -> IncidentActs:
        return IncidentActs(self.store, self.now)

    async def retry(self, selection: Selection, *, who: str, dry_run: bool) -> ActResult:
        wanted = await self._wanted(selection)

        def unit(tx: sqlite3.Connection) -> ActResult:
            rows, left_out = _free_to_act(kept.meant(tx, wanted))
            if not dry_run and rows:
                kept.retry(tx, rows, who=who, cause=f"retry by {who}", flow=ORDERS, now=self.now())
                self._write_down(tx, "retry", rows, who=who)
            return _result(rows, left_out, dry_run=dry_run)

        result = await self.store.write(unit)
        if not dry_run:
            await self.after_retry(selection.channel)
        self.ring()
        return result

    async def skip(self, selection: Selection, *, why: str, who: str, dry_run: bool) -> ActResult:
        wanted = await self._wanted(selection)

        def unit(tx: sqlite3.Connection) -> ActResult:
            rows, left_out = _free_to_skip(kept.meant(tx, wanted))
            if not dry_run and rows:
                for row in rows:
                    kept.skip(tx, row["id"], who=who, why=why, now=self.now())
                self._write_down(tx, "skip", rows, who=who, why=why)
            return _result(rows, left_out, dry_run=dry_run)

        return await self.store.write(unit)

    def _write_down(
        self, tx: sqlite3.Connection, act: str, rows: Sequence[sqlite3.Row], *, who: str, why: str = ""
    ) -> None:
        """After the act: what the orders are now is looked up. The first fifty stand in the act, all beside it."""
        shown = rows[:SHOWN]
        number = kept.write_down(
            tx,
            who=who,
            act=act,
            target=f"{len(rows)} orders",
            why=why,
            before={row["ref"]: row["state"] for row in shown},
            after={row["ref"]: row["state"] for row in kept.standing(tx, [row["id"] for row in shown])},
            now=self.now(),
            count=len(rows),
        )
        kept.touched(tx, number, rows)

    async def resolve(self, order: str, resolution: Resolution, *, why: str, who: str, dry_run: bool) -> ActResult:
        order_id, reference = await self._one(order)

        def unit(tx: sqlite3.Connection) -> ActResult:
            parts = kept.open_parts(tx, order_id, reference)
            acted = [part for part in parts if part["state"] in _MAY[resolution.word]]
            if not acted:
                raise Refusal(_why_not(resolution.word, parts))
            if resolution.word is Word.BOOKED and len(acted) > 1:
                names = ", ".join(part["reference"] for part in acted)
                raise Refusal(f"several parts are open; name one by its reference: {names}")
            if not dry_run:
                self._resolve(tx, acted, resolution, who=who, why=why)
            references = tuple(str(part["reference"]) for part in acted)
            return ActResult(matched=len(parts), done=0 if dry_run else len(acted), orders=references)

        result = await self.store.write(unit)
        self.ring()
        return result

    async def agree(self, order: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        """The differences between the two sides of an order are all right as they stand."""
        order_id, _ = await self._one(order)

        def unit(tx: sqlite3.Connection) -> ActResult:
            rows = kept.meant(tx, Wanted(ids=(order_id,), cause=None, code=None, channel=None))
            if not (changing.differs(tx, order_id) or dispatching.stand(tx, order_id)):
                raise Refusal(f"the two sides of {order} do not differ, and what left of it is told")
            if not dry_run:
                changing.agree(tx, order_id, who=who, why=why, now=self.now())
                dispatching.agree(tx, order_id, now=self.now())
                self._write_down(tx, "agree", rows, who=who, why=why)
            return _result(rows, (), dry_run=dry_run)

        return await self.store.write(unit)

    def _resolve(
        self, tx: sqlite3.Connection, parts: Sequence[sqlite3.Row], resolution: Resolution, *, who: str, why: str
    ) -> None:
        for part in parts:
            order, before = kept.standing(tx, [part["order_id"]]), kept.part_now(tx, part["id"])
            self._say(tx, part, resolution, who=who)
            number = kept.write_down(
                tx,
                who=who,
                act="resolve",
                target=part["reference"],
                why=why,
                before=before,
                after=kept.part_now(tx, part["id"]),
                now=self.now(),
                word=resolution.word,
            )
            kept.touched(tx, number, order)
        first = parts[0]
        wish = Wish(flow=ORDERS, connector=first["channel"], ref=first["order_ref"], due=self.now())
        queue.enqueue(tx, [wish], now=self.now())

    def _say(self, tx: sqlite3.Connection, part: sqlite3.Row, resolution: Resolution, *, who: str) -> None:
        now = self.now()
        match resolution.word:
            case Word.BOOKED:
                erp = self.erp_of[part["channel"]]
                kept.say_booked(tx, part, resolution.number, erp=erp, who=who, now=now)
            case Word.ABSENT:
                kept.say_absent(tx, part, who=who, now=now)
            case Word.REBOOK:
                kept.close_generation(tx, part, who=who, now=now)

    async def confirm(self, write: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        known = self.writes()
        if write not in known:
            raise NotFound(f"there is no write {write}; there are: {', '.join(known)}")

        def unit(tx: sqlite3.Connection) -> int:
            if dry_run:
                return 0
            before, now = kept.confirmation(tx, write), self.now()
            channels = [channel for channel, erp in self.erp_of.items() if write.startswith(f"{erp}.")]
            waited = kept.confirm(tx, write, channels=channels, who=who, why=why, flow=ORDERS, now=now)
            after = kept.confirmation(tx, write)
            kept.write_down(tx, who=who, act="confirm", target=write, why=why, before=before, after=after, now=now)
            return waited

        waited = await self.store.write(unit)
        if not dry_run:
            await self.on_confirm(write)
        self.ring()
        note = "" if dry_run else f"{waited} order(s) waited for it: three first, then the rest"
        return ActResult(matched=1, done=0 if dry_run else 1, orders=(), note=note)

    async def set_mapping(
        self, table: str, channel: str, key: str, value: str, *, who: str, dry_run: bool
    ) -> ActResult:
        before = self.mapping_now(table, channel, key)
        self.check_mapping(table, channel, key, value)
        if dry_run:
            return ActResult(matched=1, done=0, note=f"it is {before} now" if before else "it is not mapped yet")
        target = f"{table}.{channel or 'default'}.{key}"
        note = partial(kept.write_down, who=who, target=target, now=self.now())
        await self.store.write(lambda tx: note(tx, act="mapping", before=before, after=value))
        try:
            freed = await self.save_mapping(table, channel, key, value)
        except (BridgeError, OSError) as fault:
            why = f"it could not be saved: {type(fault).__name__}"
            await self.store.write(lambda tx: note(tx, act="mapping_failed", why=why, before=value, after=before))
            raise
        self.ring()
        return ActResult(matched=1, done=1, note=f"{freed} blocked order(s) may be freed by it")

    async def erase(self, whose: Whose, *, why: str, who: str, dry_run: bool) -> ActResult:
        return await self.erasure.erase(whose, why=why, who=who, dry_run=dry_run)

    async def note_backup(self, file: str, *, who: str, dry_run: bool) -> ActResult:
        def unit(tx: sqlite3.Connection) -> None:
            backup.note(tx, now=self.now())
            kept.write_down(tx, who=who, act="backup", target=file, now=self.now())

        if not dry_run:
            await self.store.write(unit)
        return ActResult(matched=1, done=0 if dry_run else 1)

    # -- which orders --------------------------------------------------------------------------------------

    async def _wanted(self, selection: Selection) -> Wanted:
        if selection.is_empty:
            raise Refusal("say which orders: name them, or a cause, a code, a channel, or all")
        ids = None
        if selection.orders:
            ids = tuple([(await self._one(text))[0] for text in selection.orders])
        return Wanted(ids=ids, cause=selection.cause, code=selection.code, channel=selection.channel)

    async def _one(self, text: str) -> tuple[int, str | None]:
        """The order meant by a text, and the reference if the text is one."""
        found = await views.find_order(self.store.read, text)
        if not found:
            raise NotFound(f"no order is known as {text}")
        if len(found) > 1:
            names = ", ".join(f"{one.connector}:{one.name}" for one in found)
            raise Refusal(f"{text} may mean several orders: {names}")
        return found[0].id, text.strip().upper() if "reference" in found[0].by else None


_MAY = {
    Word.BOOKED: ("in_doubt", "accepted"),
    Word.ABSENT: ("in_doubt", "accepted"),
    Word.REBOOK: ("in_doubt", "accepted", "rejected", "queued"),
}


def _why_not(word: Word, parts: Sequence[sqlite3.Row]) -> str:
    if not parts:
        return "nothing of this order is open: it is booked, or was never sent; a booked one is cancelled in the ERP"
    states = ", ".join(f"{part['reference']} is {part['state']}" for part in parts)
    return f"{word.value} does not fit: {states}"


def _free_to_act(rows: Sequence[sqlite3.Row]) -> tuple[list[sqlite3.Row], tuple[LeftOut, ...]]:
    """Orders with a document on its way are left out, and booked ones."""
    free, left = [], []
    for row in rows:
        if row["has_open_write"]:
            left.append(LeftOut(order=row["name"] or row["ref"], reason=f"a document is on its way ({row['state']})"))
        elif row["state"] == "booked":
            left.append(LeftOut(order=row["name"] or row["ref"], reason="it is booked"))
        else:
            free.append(row)
    return free, tuple(left)


def _free_to_skip(rows: Sequence[sqlite3.Row]) -> tuple[list[sqlite3.Row], tuple[LeftOut, ...]]:
    """Besides those, what will not be booked anyway."""
    free, left = _free_to_act(rows)
    never = [row for row in free if row["state"] == "never"]
    why = tuple(
        LeftOut(order=row["name"] or row["ref"], reason=f"it is never booked as it is ({row['code']})") for row in never
    )
    return [row for row in free if row["state"] != "never"], (*left, *why)


def _result(rows: Sequence[sqlite3.Row], left_out: tuple[LeftOut, ...], *, dry_run: bool) -> ActResult:
    return ActResult(
        matched=len(rows) + len(left_out),
        done=0 if dry_run else len(rows),
        orders=tuple(str(row["name"] or row["ref"]) for row in rows[:SHOWN]),
        left_out=left_out[:SHOWN],
    )
