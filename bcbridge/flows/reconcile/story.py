"""A channel compared with the ERP: every order created since a moment, on all sides.

1. list      the ERP's documents and shipments, the channel's orders
2. look      at each order: as the channel shows it, as the ERP holds it, as we remember it
3. compare   what differs is only suspected yet: lists lag, and work goes on
4. settle    until everything that reads has read once more; then each suspect is looked at again, by itself
5. heal      what is safe: missed work is put before the flow whose work it is, none of it is done here
6. look      once more at what was healed

So a difference is one only if it was there twice, with a whole reading of every list between. Nothing is written to
either side, and every call goes at the pace of what is read in bulk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import anyio

from bcbridge.connectors.base import Dispatches, Found, ShipmentFeed, Sink, Source
from bcbridge.errors import Malformed, Retry
from bcbridge.flows.changes.decide import Place, words_beyond
from bcbridge.flows.changes.story import CHANGES
from bcbridge.flows.dispatches.story import DISPATCHES
from bcbridge.flows.orders.addresses import find_addresses
from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.judge import judge
from bcbridge.flows.orders.story import ORDERS
from bcbridge.flows.reconcile.compare import Facts, compare, news, unread
from bcbridge.model.dispatch import DispatchView
from bcbridge.model.ids import ConnectorName, Ref, Reference
from bcbridge.model.order import Order
from bcbridge.model.outcome import Outcome
from bcbridge.model.reconcile import Difference, Ending, Held, Kind, KnownOrder, Tally
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.model.shipment import Shipment

T = TypeVar("T")

AT_ONCE = 20
"""Orders of one step: what is in memory at a time."""
MOST_SUSPECTS = 2_000
"""Orders that are looked at twice; more are no matter of single orders."""
MOST_KEPT = 1_000
TRIES = 5
PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=2)
WORKED_WITHIN = timedelta(minutes=3)
"""How long a healed order is waited for; then the next run looks at it."""
WORKING = timedelta(seconds=0.2)

FLOWS = {
    Kind.NOT_SEEN: ORDERS,
    Kind.NOT_BOOKED: ORDERS,
    **dict.fromkeys((Kind.PIECES_DIFFER, Kind.NOT_STOPPED, Kind.STATUS_DIFFERS), CHANGES),
    **dict.fromkeys((Kind.ADDRESS_DIFFERS, Kind.GONE_FROM_CHANNEL), CHANGES),
    **dict.fromkeys((Kind.SHIPMENT_NOT_READ, Kind.DISPATCH_NOT_TOLD), DISPATCHES),
}
"""Whose work it is to heal what; the rest is a person's."""


@dataclass(frozen=True, slots=True)
class Healing:
    """Missed work: jobs as (flow, order), shipments that were not read, and by order documents as the ERP holds
    them."""

    jobs: tuple[tuple[str, Ref], ...]
    shipments: tuple[Shipment, ...]
    held: Mapping[int, tuple[BookedOrder, ...]]


class Memory(Protocol):
    """What this flow remembers and reads (store/reconciling.py)."""

    async def stage(self, run: int, words: str) -> None: ...

    async def keep_held(self, run: int, orders: Sequence[BookedOrder]) -> None:
        """Documents as the ERP lists them, for as long as the run lasts."""
        ...

    async def held(self, run: int, references: Collection[Reference]) -> Held: ...

    async def strangers(self, run: int) -> list[BookedOrder]:
        """Those listed under references that this store does not know."""
        ...

    async def unseen(self, refs: Sequence[Ref]) -> list[Ref]:
        """Those that this store never saw, and of which no job waits."""
        ...

    async def created(self, since: datetime, after: str, many: int) -> list[tuple[str, Ref]]:
        """The next orders created since then, each with the place to go on after; "" begins."""
        ...

    async def known(self, refs: Sequence[Ref]) -> list[KnownOrder]: ...

    async def unread(self, shipments: Sequence[Shipment]) -> list[Ref]:
        """Orders of these shipments that are not kept, or not as they are now."""
        ...

    async def heal(self, healing: Healing) -> None: ...

    async def at_work(self, refs: Collection[Ref]) -> frozenset[Ref]:
        """Those of which a job waits to be done now or runs, or a document is on its way."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    since: datetime
    heal: bool


@dataclass(frozen=True, slots=True)
class Outcomes:
    tally: Tally
    differences: tuple[Difference, ...]
    more: int = 0


@dataclass(slots=True)
class _Suspects:
    """Orders that differ at the first look, bounded."""

    refs: dict[Ref, None] = field(default_factory=dict)
    more: int = 0

    def add(self, refs: Iterable[Ref]) -> None:
        for ref in refs:
            if ref not in self.refs and len(self.refs) >= MOST_SUSPECTS:
                self.more += 1
            else:
                self.refs[ref] = None


@dataclass(slots=True)
class Reconciler:
    """One channel, and the ERP its orders are booked in.

    ``ours``: whether a reference was made for this channel. ``settled``: everything that reads has read once more;
    False where it did not in time. ``closed``: why nothing may be posted now. ``flows``: those that somebody works
    for. ``young``: what is younger is not compared.
    """

    channel: ConnectorName
    source: Source[Order]
    sink: Sink[SalesOrder]
    shipments: ShipmentFeed
    dispatches: Dispatches | None
    memory: Memory
    desk: Callable[[Order], Awaitable[Desk]]
    ours: Callable[[Reference], bool]
    settled: Callable[[], Awaitable[bool]]
    closed: Callable[[], str]
    flows: Collection[str]
    young: timedelta
    now: Callable[[], datetime]

    async def once(self, run: Run) -> Outcomes:
        """Raises OpenCircuit, Retry; nothing was healed then, and it may be run again."""
        suspects, tally = _Suspects(), Tally()
        await self._list_documents(run)
        await self._list_shipments(run, suspects)
        await self._list_orders(run, suspects)
        async for looked in self._look_at_all(run, suspects):
            tally = tally.plus(looked)
        found, there = await self._look_twice(run, suspects)
        tally = tally.plus(Tally(orders=sum(one.kind is Kind.NOT_SEEN for one in found)))
        if run.heal and found:
            await self.memory.stage(run.id, f"healing what is safe of {len(found)} differences")
            found = await self._healed(found, there)
        found = sorted([*found, *await self._strangers(run)], key=_in_words)
        return Outcomes(tally, tuple(found[:MOST_KEPT]), suspects.more + len(found[MOST_KEPT:]))

    # -- list ----------------------------------------------------------------------------------------------

    async def _list_documents(self, run: Run) -> None:
        seen = 0
        async for page in self.sink.posted(""):
            ours = [order for order in page.orders if self.ours(order.reference)]
            seen += len(ours)
            await self.memory.keep_held(run.id, ours)
            await self.memory.stage(run.id, f"listing the ERP's documents: {seen}")

    async def _list_shipments(self, run: Run, suspects: _Suspects) -> None:
        await self.memory.stage(run.id, "listing the ERP's shipments")
        async for page in self.shipments.changed(""):
            ours = [one for one in page.shipments if self.ours(one.reference)]
            suspects.add(await self.memory.unread(ours))

    async def _list_orders(self, run: Run, suspects: _Suspects) -> None:
        """What the channel lists and does not show as an order (a basket, another storefront's) is none."""
        listed, limit = 0, self.now() - self.young
        async for page in self.source.sweep(run.since):
            refs = [head.ref for head in page.heads if (head.created or head.modified) <= limit]
            missed = await self.memory.unseen(refs)
            suspects.add([_ref(order) for order in await self._orders(missed)] if missed else ())
            listed += len(refs)
            await self.memory.stage(run.id, f"listing the channel's orders: {listed}")

    async def _strangers(self, run: Run) -> list[Difference]:
        return [
            Difference(
                kind=Kind.UNKNOWN_IN_ERP,
                ref=Ref(""),
                order=held.name,
                subject=held.reference,
                text=f"the ERP holds {held.number} under a reference of ours that is not known here",
                action="who made it? What is to be done: docs/runbook/unknown_reference.md",
            )
            for held in await self.memory.strangers(run.id)
        ]

    # -- look ----------------------------------------------------------------------------------------------

    async def _look_at_all(self, run: Run, suspects: _Suspects) -> AsyncIterator[Tally]:
        after, done = "", 0
        while step := await self.memory.created(run.since, after, AT_ONCE):
            refs, after = [ref for _, ref in step], step[-1][0]
            facts, notes = await self._facts(refs, run=run.id)
            for one in facts:
                compared = compare(one)
                if compared.differences or (not one.known.under_way and unread(one.known, one.held)):
                    suspects.add([one.known.ref])
                yield compared.tally
            yield Tally(notes=notes)
            done += len(refs)
            await self.memory.stage(run.id, f"comparing: {done} orders, {len(suspects.refs)} to be looked at again")

    async def _look_twice(self, run: Run, suspects: _Suspects) -> tuple[list[Difference], dict[Ref, Facts]]:
        """Nothing is believed before everything that reads has read on."""
        if not suspects.refs:
            return [], {}
        await self.memory.stage(run.id, f"waiting until all lists were read; then {len(suspects.refs)} orders again")
        if not await self.settled():
            raise Retry("the lists of the channel or of the ERP were not read to their end in time")
        return await self._look_closely(list(suspects.refs))

    async def _look_closely(
        self, refs: Sequence[Ref], *, healed: bool = False
    ) -> tuple[list[Difference], dict[Ref, Facts]]:
        """What differs of these orders now, each asked for by itself, and what heals it."""
        found: list[Difference] = []
        kept: dict[Ref, Facts] = {}
        for begin in range(0, len(refs), AT_ONCE):
            step = refs[begin : begin + AT_ONCE]
            found += await self._not_seen(step)
            for one in (await self._facts(step, young=not healed))[0]:
                compared = compare(one)
                found += compared.differences
                if compared.differences or one.known.under_way or one.known.on_its_way:
                    kept[one.known.ref] = one
        return found, kept

    async def _not_seen(self, refs: Sequence[Ref]) -> list[Difference]:
        unseen = await self.memory.unseen(refs)
        return [_unseen(order) for order in await self._orders(unseen)] if unseen else []

    async def _orders(self, refs: Sequence[Ref]) -> list[Order | Ref]:
        """As the channel shows them; by their refs alone where they cannot be read."""
        found: list[Order | Ref] = []
        for document in await patiently(lambda: self.source.fetch(refs)):
            if not document.gone:
                try:
                    found.append(self.source.read(document))
                except Malformed:
                    found.append(document.ref)
        return found

    async def _facts(
        self, refs: Sequence[Ref], *, run: int | None = None, young: bool = True
    ) -> tuple[list[Facts], tuple[str, ...]]:
        """These orders from all sides, and what could not be looked at. ``run``: the documents that it listed will do;
        without it each is asked for by its reference, shipments too."""
        known = {one.ref: one for one in await self.memory.known(refs)}
        shown = {document.ref: document for document in await patiently(lambda: self.source.fetch(list(known)))}
        held, proven = await self._held([one for one in known.values() if not one.under_way], run)
        facts, notes = list[Facts](), list[str]()
        for ref, one in known.items():
            document = shown.get(ref)
            try:
                order = None if document is None or document.gone else self.source.read(document)
            except Malformed:
                notes.append(f"{one.name} cannot be read, and was not compared")
                order, one = None, replace(one, under_way=True)
            if young and self._is_young(order, one, held):
                one = replace(one, under_way=True)
            if one.documents and order is not None and one.created not in (None, order.created):
                notes.append(f"{one.name} came under the id of an order of before, and was not compared")
                one = replace(one, under_way=True)
            facts.append(await self._from_all_sides(Facts(self.channel, one, order, held, proven), closely=run is None))
        if not proven:
            notes.append("the ERP's search could not be trusted: what it does not show may be there")
        return facts, tuple(notes)

    def _is_young(self, order: Order | None, known: KnownOrder, held: Held) -> bool:
        limit = self.now() - self.young
        hits = [hit for one in known.documents for hit in held.get(one.reference, ())]
        moments = [*([order.modified, order.created] if order else []), *(hit.posted_by for hit in hits)]
        return any(moment is not None and moment > limit for moment in moments)

    async def _held(self, known: Sequence[KnownOrder], run: int | None) -> tuple[Held, bool]:
        """What the ERP shows of their documents; what was not listed is asked for."""
        asked = [one.reference for order in known for one in order.documents]
        given_up = [] if run is None else [reference for order in known for reference in order.closed]
        listed = await self.memory.held(run, [*asked, *given_up]) if run is not None else {}
        missing = [reference for reference in asked if not listed.get(reference)]
        if run is None:
            missing += [reference for order in known for reference in order.closed]
        if not missing:
            return listed, True
        found = await patiently(lambda: self.sink.find(missing))
        return {**listed, **found.hits}, isinstance(found, Found)

    async def _from_all_sides(self, facts: Facts, *, closely: bool) -> Facts:
        known, order = facts.known, facts.order
        if known.under_way or known.on_its_way:
            return facts
        if not known.documents:
            return replace(facts, outcome=await self._judged(known, order))
        if any(not facts.held.get(one.reference) for one in known.documents):
            return facts
        view = await patiently(lambda: self._looked(known.ref))
        there = await self._there(known) if closely else ()
        places = await self._places(facts, order) if order else ()
        return replace(facts, view=view, there=there, places=places, differences=self._differences(facts))

    async def _judged(self, known: KnownOrder, order: Order | None) -> Outcome | None:
        if order is None or known.waits or (known.state == "ready" and self.closed()):
            return None
        desk = await self.desk(order)
        return judge(
            order,
            channel=desk.channel,
            settings=desk.settings,
            mappings=desk.mappings,
            skus=desk.skus,
            widths=desk.widths,
            masters=desk.masters,
            now=desk.now,
            links=desk.links,
        )

    async def _looked(self, ref: Ref) -> DispatchView | None:
        return await self.dispatches.look(ref) if self.dispatches is not None else None

    async def _there(self, known: KnownOrder) -> tuple[Shipment, ...]:
        found: list[Shipment] = []
        for document in known.documents:
            try:
                found += await patiently(partial(self.shipments.of, document.reference))
            except Malformed:  # an incident of its own, told by whoever reads them
                continue
        return tuple(found)

    async def _places(self, facts: Facts, order: Order) -> tuple[Place, ...]:
        """Where each document goes, as flows/changes looks at it."""
        found = find_addresses(order, await self.desk(order), Findings()).ship_to
        wanted = {self.sink.goes_to(address) for address in found}
        return tuple(
            self._place(one.reference, one.body, facts.held[one.reference][0], wanted)
            for one in facts.known.documents
            if one.body
        )

    def _place(self, reference: Reference, body: bytes, held: BookedOrder, wanted: Collection[str]) -> Place:
        sent = self.sink.sent_to(body)
        only = next(iter(wanted)) if len(wanted) == 1 else ""
        goes = sent if sent in wanted else only or "elsewhere"
        return Place(reference, sent, held.ship_to, goes if sent else "")

    def _differences(self, facts: Facts) -> Mapping[Reference, tuple[str, ...]]:
        """In words; of a document whose bytes are gone nothing can be said."""
        return {
            one.reference: words_beyond(self.sink.differences(one.body, facts.held[one.reference][0]), one.differed)
            for one in facts.known.documents
            if one.body
        }

    # -- heal ----------------------------------------------------------------------------------------------

    async def _healed(self, found: Sequence[Difference], there: Mapping[Ref, Facts]) -> list[Difference]:
        """Missed work is put before its flow; what is still so when that is done, is a person's."""
        healing = self._healing(found, there)
        touched = {ref for _, ref in healing.jobs} | {one.known.ref for one in there.values() if news(one)}
        if not touched:
            return list(found)
        await self.memory.heal(healing)
        busy = await self._worked(touched)
        again, kept = await self._look_closely(sorted(touched), healed=True)
        busy |= {ref for ref, facts in kept.items() if facts.known.under_way or facts.known.on_its_way}
        still = {(one.ref, one.kind, one.subject) for one in again}
        gone = [one for one in found if one.ref in touched and (one.ref, one.kind, one.subject) not in still]
        ended = [
            one.model_copy(update={"ending": Ending.HEALING if one.ref in busy else Ending.HEALED}) for one in gone
        ]
        return [*(one for one in found if one.ref not in touched), *ended, *again]

    def _healing(self, found: Sequence[Difference], there: Mapping[Ref, Facts]) -> Healing:
        jobs = {(flow, one.ref): None for one in found if (flow := FLOWS.get(one.kind)) in self.flows and flow}
        changed = {ref for flow, ref in jobs if flow == CHANGES}
        held = {
            facts.known.id: tuple(hits[0] for one in facts.known.documents if (hits := facts.held.get(one.reference)))
            for ref, facts in there.items()
            if ref in changed
        }
        return Healing(tuple(jobs), tuple(one for facts in there.values() for one in news(facts)), held)

    async def _worked(self, refs: Collection[Ref]) -> set[Ref]:
        """Those that are still worked on when the time is over."""
        with anyio.move_on_after(WORKED_WITHIN.total_seconds()):
            while await self.memory.at_work(refs):  # noqa: ASYNC110 - the store rings nobody
                await anyio.sleep(WORKING.total_seconds())
        return set(await self.memory.at_work(refs))


def _in_words(one: Difference) -> tuple[int, int, str, str]:
    """What is left comes first, kind by kind."""
    return list(Ending).index(one.ending), list(Kind).index(one.kind), one.order, one.subject


def _ref(order: Order | Ref) -> Ref:
    return order.ref if isinstance(order, Order) else order


def _unseen(order: Order | Ref) -> Difference:
    ref, name = _ref(order), order.name if isinstance(order, Order) else order
    worth = (
        f" ({order.total} {order.currency}, of {order.created:%Y-%m-%d %H:%M} UTC)" if isinstance(order, Order) else ""
    )
    return Difference(
        kind=Kind.NOT_SEEN,
        ref=ref,
        order=name,
        subject="order",
        text=f"the channel has it{worth}, and the bridge never saw it",
        action="it is looked at by itself; if it comes back, the channel's lists leave it out: tell the engineers",
    )


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """A read that may be busy is asked for again a few times. Raises Retry when it stays so."""
    pause = PAUSE
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except Retry as fault:
            wait = pause if fault.after is None else fault.after
            await anyio.sleep(min(wait, LONGEST_PAUSE).total_seconds())
            pause *= 2
    return await ask()
