"""The life of a channel's orders, from "look at this one" to a document handed to the writer.

1. look      at each order as it is now, many in one call
2. count     what each asks of stock, at once: the numbers of every channel wait for it, and for nothing that follows
3. leave     alone what has a write under way or is booked; note what the channel changed since
4. judge     never, not yet, blocked with every reason, or ready as parts
5. write     down the ending, its reasons and what would cure them
6. hand      the parts to the writer; what the ERP cannot take now stays ready

What lists and notifications show as changed is looked at for the count alone, too (looks.py): those looks end after
step 2, and never queue behind what waits for the ERP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio

from bcbridge.connectors.base import Source
from bcbridge.errors import CutChanged, Malformed, PostingClosed
from bcbridge.flows.orders.content import changes, content_hash
from bcbridge.flows.orders.desk import NO_LINKS, Desk, Masters
from bcbridge.flows.orders.gate import authorised_until
from bcbridge.flows.orders.judge import judge
from bcbridge.flows.orders.pieces import look_of
from bcbridge.flows.orders.reference import reference
from bcbridge.flows.orders.settings import OrderSettings
from bcbridge.flows.orders.upcs import Links, asked
from bcbridge.mappings import Mappings
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.documents import Document
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.order import Order
from bcbridge.model.outcome import Blocked, Never, NotYet, Outcome, Problem, Ready
from bcbridge.model.plan import Plan, Write
from bcbridge.model.sales_order import SalesOrder
from bcbridge.model.standing import Facts, Standing
from bcbridge.model.stock import OrderLook
from bcbridge.model.widths import Widths
from bcbridge.model.work import SETTLED, Again, Done, Job, Settle, Verdict

ORDERS = "orders"
"""This flow's name in the queue."""
STALE_READ_STEPS = (5, 30, 120)
"""Seconds after which a record older than its notification is read again."""


class Memory(Protocol):
    """What this flow remembers (store/memory.py)."""

    async def documents(self, refs: Sequence[Ref]) -> dict[Ref, Document]: ...
    async def keep(self, documents: Sequence[Document]) -> None: ...
    async def standings(self, refs: Sequence[Ref]) -> dict[Ref, Standing]: ...
    async def record(self, facts: Facts, outcome: Outcome) -> int: ...
    async def count(self, looks: Sequence[OrderLook], gone: Mapping[Ref, datetime]) -> None: ...
    async def note(self, order_id: int, notes: Sequence[Problem]) -> None: ...
    async def note_change(self, order_id: int, facts: Facts, words: Sequence[str]) -> None: ...
    async def note_reuse(self, order_id: int, ref: Ref, created: datetime, text: str) -> None: ...
    async def skus(self, upcs: Iterable[str]) -> Mapping[str, tuple[CatalogSku, ...]]: ...
    async def links(self, variants: Iterable[Ref]) -> Mapping[Ref, str]: ...
    async def codes(self, noun: str) -> frozenset[str]: ...


class Carrier(Protocol):
    """Who makes documents, each once (runtime/writer.py)."""

    async def carry(self, plan: Plan) -> None: ...
    async def send_queued(self, order_id: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Looked:
    """One order as it is now (None: gone over there) and as we knew it before; ``asked``: when our request left."""

    now: Document | None
    before: Document | None
    asked: datetime

    @property
    def is_gone(self) -> bool:
        return self.now is None or self.now.gone


Read = Mapping[Ref, Order | Malformed | None]
"""Each order as it could be read; None where it is gone."""


@dataclass(slots=True)
class Orders:
    """The orders of one channel, booked in one ERP."""

    channel: ConnectorName
    source: Source[Order]
    memory: Memory
    carrier: Carrier
    settings: OrderSettings
    mappings: Callable[[], Mappings]
    widths: Widths
    now: Callable[[], datetime]
    stale_after: timedelta
    """A document older than one poll interval is fetched again before anything is booked from it."""
    handing_over: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(2))
    """Batches whose orders are handed over at once. The others look meanwhile: the ERP never waits for a shop."""

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        looked = await self._look(jobs, settled=True)
        await self._count(jobs, looked)
        async with self.handing_over:
            fresh = await self._freshened(looked)
            if fresh is not looked:
                await self._count(jobs, fresh)
            await self._judged(jobs, settle, fresh)

    async def looked_at(self, jobs: Sequence[Job]) -> list[tuple[Job, Verdict]]:
        """Steps 1 and 2 alone. What changed of an order that is booked or on its way is noted here, too: whoever looks
        next finds the document that this look has kept."""
        looked = await self._look(jobs, settled=False)
        read, standings = await self._count(jobs, looked)
        for ref, order in read.items():
            await self._note_if_changed(order, looked[ref], standings.get(ref))
        return [(job, _stale(job, looked[Ref(job.ref)]) or Done("counted")) for job in jobs]

    async def _judged(self, jobs: Sequence[Job], settle: Settle, looked: Mapping[Ref, Looked]) -> None:
        read = {ref: self._read(look) for ref, look in looked.items()}
        standings = await self.memory.standings(list(looked))
        desk = await self.desk([order for order in read.values() if isinstance(order, Order)])
        for job in jobs:
            ref = Ref(job.ref)
            verdict = _stale(job, looked[ref]) or await self._one(ref, read[ref], looked[ref], standings.get(ref), desk)
            await settle(job, self._once_more(verdict, looked[ref].now))

    # -- look ----------------------------------------------------------------------------------------------

    async def _look(self, jobs: Sequence[Job], *, settled: bool) -> dict[Ref, Looked]:
        refs = [Ref(job.ref) for job in jobs]
        held = await self.memory.documents(refs)
        stale = [Ref(job.ref) for job in jobs if not self._is_fresh(held.get(Ref(job.ref)), job, settled)]
        asked = self.now()
        fetched = await self._fetched(stale) if stale else {}
        return {
            ref: Looked(fetched.get(ref), held.get(ref), asked)
            if ref in stale
            else Looked(held[ref], held[ref], held[ref].asked)
            for ref in refs
        }

    async def _freshened(self, looked: Mapping[Ref, Looked]) -> Mapping[Ref, Looked]:
        """What grew old while others were handed over is fetched again."""
        asked = self.now()
        limit = asked - self.stale_after
        old = [ref for ref, look in looked.items() if look.now is not None and look.now.asked < limit]
        if not old:
            return looked
        fetched = await self._fetched(old)
        return {**looked, **{ref: Looked(fetched.get(ref), looked[ref].before, asked) for ref in old}}

    async def _fetched(self, refs: Sequence[Ref]) -> dict[Ref, Document]:
        fetched = {document.ref: document for document in await self.source.fetch(refs)}
        await self.memory.keep([document for document in fetched.values() if not document.gone])
        return fetched

    def _is_fresh(self, document: Document | None, job: Job, settled: bool) -> bool:
        """Whether what we hold will do. Nothing is booked from what was fetched within its own second; it is counted,
        and whoever books looks again."""
        now = self.now()
        if document is None or not now - self.stale_after <= document.asked <= now:  # a clock that was set back, too
            return False
        if job.wanted is None:
            return document.asked >= job.enqueued
        return document.modified >= job.wanted and (_is_settled(document) or not settled)

    def _once_more(self, verdict: Verdict, document: Document | None) -> Verdict:
        """Stamps are whole seconds: what was fetched within its own second may have changed in it once more."""
        if not isinstance(verdict, Done) or document is None or _is_settled(document):
            return verdict
        after = max(document.modified + SETTLED - self.now(), timedelta(seconds=1))
        return Again(after, f"{verdict.reason}; looked at within its own second", anew=True)

    def _read(self, look: Looked) -> Order | Malformed | None:
        if look.now is None or look.now.gone:
            return None
        try:
            return self.source.read(look.now)
        except Malformed as fault:
            return fault

    async def desk(self, orders: Sequence[Order]) -> Desk:
        """What lies on the desk while these are judged."""
        mappings, links = self.mappings(), await self._links(orders)
        return Desk(
            channel=self.channel,
            settings=self.settings,
            mappings=mappings,
            skus=await self.memory.skus(self._upcs(orders, mappings, links)),
            links=links,
            widths=self.widths,
            masters=Masters(
                warehouses=await self.memory.codes("warehouses") or None,
                ship_vias=await self.memory.codes("ship_vias") or None,
            ),
            now=self.now(),
        )

    async def _links(self, orders: Iterable[Order]) -> Links:
        lines = (line for order in orders for line in order.lines if line.sku_is_live)
        variants = {line.variant for line in lines if line.variant}
        return await self.memory.links(variants) if variants else NO_LINKS

    def _upcs(self, orders: Iterable[Order], mappings: Mappings, links: Links) -> set[str]:
        """Every UPC that a line of theirs may turn out to be."""
        unit, lines = self.settings.unit, [line for order in orders for line in order.lines]
        found = (asked(line, channel=self.channel, unit=unit, mappings=mappings, links=links) for line in lines)
        return set().union(*found)

    # -- count ---------------------------------------------------------------------------------------------

    async def _count(self, jobs: Sequence[Job], looked: Mapping[Ref, Looked]) -> tuple[Read, dict[Ref, Standing]]:
        """One unit for the batch. A read that is older than what is known, one that cannot be read, and another order
        under a known one's id, count nothing: what was known stands."""
        read = {ref: self._read(look) for ref, look in looked.items()}
        standings = await self.memory.standings(list(looked))
        desk = await self.desk([order for order in read.values() if isinstance(order, Order)])
        current = [Ref(job.ref) for job in jobs if _stale(job, looked[Ref(job.ref)]) is None]
        looks = (_counted(read[ref], looked[ref], standings.get(ref), desk) for ref in current)
        gone = {ref: looked[ref].asked for ref in current if looked[ref].is_gone}
        await self.memory.count([look for look in looks if look is not None], gone)
        return read, standings

    async def _note_if_changed(self, order: Order | Malformed | None, look: Looked, standing: Standing | None) -> None:
        if isinstance(order, Order) and standing and standing.stands_in_erp and not _another(order, standing):
            await self._note_change(order, _facts(order, self.settings), look, standing)

    # -- one order -----------------------------------------------------------------------------------------

    async def _one(
        self, ref: Ref, order: Order | Malformed | None, look: Looked, standing: Standing | None, desk: Desk
    ) -> Verdict:
        if order is None:
            return await self._gone(ref, standing)
        if isinstance(order, Malformed):
            return await self._malformed(ref, order, standing)
        facts = _facts(order, self.settings)
        if standing and (before := _another(order, standing)):
            await self.memory.note_reuse(standing.id, ref, order.created, _two_under_one_id(order, before))
            return await self._not_booked(order, facts, look, standing)
        if standing and (standing.has_open_write or standing.is_booked) and not standing.misses_a_part:
            return await self._leave_alone(order, facts, look, standing)
        if standing and (why := _waits_for_a_person(facts, standing)):
            return Done(why)
        return await self._judge(order, facts, standing, desk)

    async def _judge(self, order: Order, facts: Facts, standing: Standing | None, desk: Desk) -> Verdict:
        outcome = judge(
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
        if isinstance(outcome, Never) and standing and standing.stands_in_erp:
            outcome = Blocked(problems=(_partly_booked(outcome),))
        order_id = await self.memory.record(facts, outcome)
        match outcome:
            case Ready():
                return await self._hand_over(order, facts, order_id, outcome, standing)
            case NotYet(look_again=moment) if moment is not None:
                return Again(max(moment - self.now(), timedelta(seconds=1)), outcome.code)
            case Blocked() if await self._cured_meanwhile(order, desk):
                return Again(timedelta(0), "what it was judged by has changed")
            case _:
                return Done(type(outcome).__name__.lower())

    async def _cured_meanwhile(self, order: Order, desk: Desk) -> bool:
        """Whether a cure came between looking it up and writing down that it was wanting: its release saw nothing."""
        if self.mappings() is not desk.mappings:
            return True
        upcs = self._upcs([order], desk.mappings, desk.links)
        return await self.memory.skus(upcs) != {upc: desk.skus[upc] for upc in upcs if upc in desk.skus}

    async def _hand_over(
        self, order: Order, facts: Facts, order_id: int, ready: Ready, standing: Standing | None
    ) -> Verdict:
        try:
            await self.carrier.carry(self._plan(order, facts, order_id, ready, standing))
        except PostingClosed as why:
            return Done(f"ready, and waits for the ERP: {why}")
        except CutChanged as why:
            await self.memory.record(facts, Blocked(problems=(_cut_changed(why),)))
            return Done("blocked")
        await self.memory.note(order_id, ready.notes)
        return Done("handed over")

    def _plan(self, order: Order, facts: Facts, order_id: int, ready: Ready, standing: Standing | None) -> Plan:
        return Plan(
            order_id=order_id,
            channel=self.channel,
            ref=order.ref,
            created=order.created,
            content_hash=facts.content_hash,
            writes=tuple(
                self._write(
                    order, item, number, len(ready.parts), standing.generation_of(number) if standing else 1
                ).model_copy(update={"wanted": wanted})
                for number, (item, wanted) in enumerate(zip(ready.parts, _wanted(order, ready.parts), strict=True), 1)
            ),
        )

    def _write(self, order: Order, item: SalesOrder, part: int, parts: int, generation: int) -> Write:
        """The judge speaks of generation 1; a later one is a person's word (``resolve --rebook``)."""
        ours = reference(self.settings.code, order.id, part, generation)
        again = item if generation == 1 else item.model_copy(update={"reference": ours})
        return Write(part=part, parts=parts, generation=generation, reference=ours, item=again)

    # -- orders that are on their way, booked, or gone -----------------------------------------------------

    async def _leave_alone(self, order: Order, facts: Facts, look: Looked, standing: Standing) -> Verdict:
        await self._note_change(order, facts, look, standing)
        if any(part.state == "queued" for part in standing.parts) and not _held_up(standing):
            try:
                await self.carrier.send_queued(standing.id)
            except PostingClosed as why:
                return Done(f"cut, and waits for the ERP: {why}")
        return Done("left alone")

    async def _not_booked(self, order: Order, facts: Facts, look: Looked, standing: Standing) -> Verdict:
        """Nothing is guessed: it may be the same order after all, whose moment was edited and whose changes count."""
        if standing.stands_in_erp:
            await self._note_change(order, facts, look, standing)
        return Done("not booked: another order stands under its id")

    async def _note_change(self, order: Order, facts: Facts, look: Looked, standing: Standing) -> None:
        if facts.content_hash != standing.content_hash:
            await self.memory.note_change(standing.id, facts, self._words(order, look, standing))

    def _words(self, order: Order, look: Looked, standing: Standing) -> tuple[str, ...]:
        """What changed, in words; nothing where only the version of the hash did."""
        if _version(standing.content_hash) != _version(content_hash(order)):
            return ()
        before = self._read(Looked(look.before, None, look.asked))
        told = changes(before, order) if isinstance(before, Order) else ()
        return told or ("changed since it was handed over",)

    async def _gone(self, ref: Ref, standing: Standing | None) -> Verdict:
        if standing is None:
            return Done("gone before it was seen")
        if standing.stands_in_erp:
            if standing.content_hash != "gone":
                await self.memory.note_change(
                    standing.id, Facts(ref, content_hash="gone"), ("deleted in the channel; the ERP's order stands",)
                )
            return Done("gone")
        await self.memory.record(Facts(ref), Never(code="gone", text="Deleted in the channel before it was booked."))
        return Done("never")

    async def _malformed(self, ref: Ref, fault: Malformed, standing: Standing | None) -> Verdict:
        if standing and standing.stands_in_erp:
            return Done("cannot be read; left alone")
        if standing and _skipped(standing):
            return Done("skipped by a person")
        problem = Problem(code="malformed", subject=fault.where or "document", text=str(fault), cause="malformed")
        await self.memory.record(Facts(ref), Blocked(problems=(problem,)))
        return Done("blocked")


def _wanted(order: Order, parts: Sequence[SalesOrder]) -> Iterator[tuple[int, ...]]:
    """How many pieces of each row of each part the channel wants now."""
    rest = {line.ref: line.quantity for line in order.lines}
    for part in parts:
        taken = []
        for row in part.lines:
            here = min(row.quantity, rest.get(row.line, row.quantity))
            rest[row.line] = rest.get(row.line, row.quantity) - here
            taken.append(here)
        yield tuple(taken)


def _stale(job: Job, look: Looked) -> Verdict | None:
    """A read that is older than what was announced, or than what we hold, is read again, a few times."""
    known = max((at for at in (job.wanted, look.before and look.before.modified) if at), default=None)
    if known is None or (look.now is not None and _is_news(look.now, known)):
        return None
    if job.attempts > len(STALE_READ_STEPS):
        return None
    return Again(timedelta(seconds=STALE_READ_STEPS[job.attempts - 1]), "older than announced", burn=True)


def _is_news(document: Document, known: datetime) -> bool:
    """As new as what is known. Within one second an order may be none yet and then one: what is gone must be newer."""
    return document.modified > known if document.gone else document.modified >= known


def _is_settled(document: Document) -> bool:
    """Stamps are whole seconds: within its own one it may have changed once more under the same stamp."""
    return document.asked - document.modified >= SETTLED


def _counted(order: Order | Malformed | None, look: Looked, standing: Standing | None, desk: Desk) -> OrderLook | None:
    if look.now is None or not isinstance(order, Order) or (standing and _another(order, standing)):
        return None
    fetched = look.now is not look.before  # what was not, somebody else may have fetched, and not counted yet
    again = fetched and look.before is not None and look.before.modified == look.now.modified
    return look_of(order, look.now.asked, desk, skipped=bool(standing and _skipped(standing)), again=again)


def _waits_for_a_person(facts: Facts, standing: Standing) -> str:
    if _skipped(standing):
        return "skipped by a person"
    if standing.held:
        return "waits for the first of its release"
    if standing.state == "blocked" and standing.was_refused and standing.content_hash == facts.content_hash:
        return "refused by the ERP as it is"
    return ""


def _skipped(standing: Standing) -> bool:
    return standing.state == "never" and standing.code == "skipped"


def _another(order: Order, standing: Standing) -> datetime | None:
    """When the order was created that is booked, on its way or skipped under this id, if it is not this one.

    A shop that is restored from a backup gives its ids out again.
    """
    spoken_for = standing.stands_in_erp or _skipped(standing)
    return standing.created if spoken_for and standing.created != order.created else None


def _two_under_one_id(order: Order, before: datetime) -> str:
    return (
        f"{order.name}, created {_told(order.created)}, was not booked: its id is that of one created {_told(before)}"
    )


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _held_up(standing: Standing) -> bool:
    return any(part.state in ("in_doubt", "rejected") for part in standing.parts)


def _facts(order: Order, settings: OrderSettings) -> Facts:
    return Facts(
        ref=order.ref,
        channel_id=order.id,
        name=order.name,
        created=order.created,
        modified=order.modified,
        currency=order.currency,
        total=order.total,
        content_hash=content_hash(order),
        payment=order.payment.value,
        authorised_until=authorised_until(order, settings),
    )


def _version(hashed: str) -> str:
    return hashed.partition(":")[0]


def _partly_booked(why: Never) -> Problem:
    text = f"{why.text} A part of it is in the ERP: cancel that there, then skip this order."
    return Problem(code="partly_booked", subject="parts", text=text)


def _cut_changed(fault: CutChanged) -> Problem:
    text = f"{fault}; a part is on its way already, so the rest cannot be cut anew: resolve it with --rebook"
    return Problem(code="cut_changed", subject="parts", text=text)
