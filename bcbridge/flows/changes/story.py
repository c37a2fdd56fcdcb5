"""A booked order of which one side changed: carried to the other side, or given to a person in words.

1. wait     until no document of it is on its way, and until a request without an answer can no longer take effect
2. look     at the order as its channel shows it now, and at its documents as the ERP holds them
3. lay      both beside what was booked
4. decide   what each side is asked for, and what is a person's
5. ask      each: on disk before the call, its answer after it. What is asked for is a level: twice is as once
6. note     how the sides stand: they agree, or every difference in words
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import anyio

from bcbridge.connectors.base import Amendments, Corrections, Sink, Source
from bcbridge.errors import Malformed, OpenCircuit, plain
from bcbridge.flows.changes.decide import (
    DIFFERS,
    NOT_STOPPED,
    Decision,
    Place,
    Table,
    decide,
    paid_too_much,
    words_beyond,
)
from bcbridge.flows.changes.settings import ChangeSettings
from bcbridge.flows.changes.sides import Sides, sides
from bcbridge.flows.orders.addresses import find_addresses
from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.model.answers import Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import (
    Amendment,
    AmendmentKind,
    Asked,
    ChangeReport,
    ChangeStanding,
    Correction,
    Document,
    Stage,
)
from bcbridge.model.documents import Document as SourceDocument
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.order import Address, Order
from bcbridge.model.outcome import Problem
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.model.work import Again, Done, Job, Settle, Verdict

CHANGES = "changes"
"""This flow's name in the queue."""
UNDER_WAY = timedelta(seconds=30)
"""Until it is looked again whether every document of an order is booked."""
LOOK_AGAIN = timedelta(seconds=5)
"""After something was asked for: whether it is so."""
CLOSED = timedelta(minutes=1)
"""Until a side is asked again that takes no calls."""
OFTEN = 3
"""Times that the same is asked for, said yes to and not done, before it is a person's."""
ERP, CHANNEL = "erp", "channel"


class Memory(Protocol):
    """What this flow remembers (store/changing.py)."""

    async def standing(self, ref: Ref) -> ChangeStanding | None:
        """What is known of one order. Nobody else is at work on it: a request that still stands as under way has ended,
        and its answer was not kept. It is in doubt from now on."""
        ...

    async def looked(self, order_id: int) -> None:
        """Requests in doubt: how the sides stand now is what came of them."""
        ...

    async def seen(self, order_id: int, held: Sequence[BookedOrder]) -> None:
        """Documents as the ERP holds them now."""
        ...

    async def begin(self, order_id: int, side: str, kind: str, what: str, against: str) -> int: ...
    async def settle(self, request: int, answer: PutAnswer) -> None: ...
    async def report(self, order_id: int, report: ChangeReport) -> None: ...


def always() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class _Request:
    """``what``: in words, of no customer."""

    side: str
    kind: str
    what: str
    body: bytes
    put: Callable[[bytes], Awaitable[PutAnswer]]
    subject: str
    failing: str
    """The code of the problem that it is when the side says no."""


@dataclass(slots=True)
class Changes:
    """The booked orders of one channel, and their documents in one ERP. ``may_amend``, ``may_correct``: why not, or the
    empty string."""

    channel: ConnectorName
    source: Source[Order]
    sink: Sink[SalesOrder]
    memory: Memory
    settings: ChangeSettings
    desk: Callable[[Order], Awaitable[Desk]]
    now: Callable[[], datetime]
    amendments: Amendments | None = None
    corrections: Corrections | None = None
    may_amend: Callable[[], str] = field(default=always)
    may_correct: Callable[[], str] = field(default=always)

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        for job in jobs:
            await settle(job, await self._one(job))

    async def _one(self, job: Job) -> Verdict:
        ref = Ref(job.ref)
        standing = await self.memory.standing(ref)
        if standing is None or not standing.documents:
            return Done("nothing is booked")
        if standing.under_way:
            return Again(UNDER_WAY, "a document of it is on its way")
        if not standing.settled:
            return Done("not booked: whoever books it takes the order as it is then")
        if wait := self._doubt(standing):
            return Again(wait, "a request without an answer may still take effect")
        try:
            order = await self._order(ref, standing.known)
        except Malformed as fault:
            return await self._persons(standing, "order", f"it changed in the channel, and cannot be read: {fault}")
        if order is not None and standing.created is not None and order.created != standing.created:
            return Done("another order stands under its id")
        if not standing.booked:
            return await self._without_goods(order, standing)
        try:
            standing = await self._with_documents(standing)
        except OpenCircuit as fault:  # the ERP's: its own readers pause it, and this channel goes on
            return Again(CLOSED, str(fault))
        if any(document.held is None for document in standing.documents):
            if job.attempts <= OFTEN:
                return Again(UNDER_WAY, "the ERP does not show a document of it", burn=True)
            return await self._persons(standing, "document", "the ERP does not show it, or shows it twice")
        if standing.doubt is not None:
            await self.memory.looked(standing.order_id)
        return await self._compared(job, order, standing)

    async def _persons(self, standing: ChangeStanding, subject: str, text: str) -> Verdict:
        """Nothing can be compared: that is somebody's to know."""
        left = [Problem(code=DIFFERS, subject=subject, text=text)]
        await self.memory.report(standing.order_id, _report(Stage.OPEN, left, standing))
        return Done("a person's")

    async def _without_goods(self, order: Order | None, standing: ChangeStanding) -> Verdict:
        """Nothing of it is shipped (a gift card sold alone), or which rows were booked is not known."""
        if order is not None and order.cancelled is None:
            await self.memory.report(standing.order_id, _report(Stage.OPEN, [], standing))
            return Done("nothing to compare")
        numbers = ", ".join(document.number for document in standing.documents)
        return await self._persons(
            standing, "order", f"it is cancelled in the channel; the ERP's order {numbers} stands"
        )

    def _doubt(self, standing: ChangeStanding) -> timedelta | None:
        if standing.doubt is None:
            return None
        left = standing.doubt + self._patience - self.now()
        return left if left > timedelta(0) else None

    @property
    def _patience(self) -> timedelta:
        """How long a request may still take effect: an ERP's gateway may hold one longer than a person thought."""
        return max(self.settings.doubt, self.sink.rules.max_request)

    # -- look ----------------------------------------------------------------------------------------------

    async def _order(self, ref: Ref, known: SourceDocument | None) -> Order | None:
        """None where it is gone. What was kept counts where a cache of the shop's shows an older one. Raises
        Malformed."""
        found = [document for document in await self.source.fetch([ref]) if not document.gone]
        if not found:
            return None
        newer = known is not None and known.modified > found[0].modified
        return self.source.read(known if newer and known is not None else found[0])

    async def _with_documents(self, standing: ChangeStanding) -> ChangeStanding:
        unseen = [document.reference for document in standing.documents if document.held is None]
        if not unseen:
            return standing
        found = await self.sink.find(unseen)
        numbers = {one.reference: one.number for one in standing.documents}
        ours = {ref: [hit for hit in hits if hit.number == numbers.get(ref)] for ref, hits in found.hits.items()}
        held = {reference: hits[0] for reference, hits in ours.items() if len(hits) == 1}
        await self.memory.seen(standing.order_id, list(held.values()))
        documents = tuple(
            replace(one, held=held.get(one.reference, one.held)) if one.held is None else one
            for one in standing.documents
        )
        return replace(standing, documents=documents)

    # -- decide --------------------------------------------------------------------------------------------

    async def _compared(self, job: Job, order: Order | None, standing: ChangeStanding) -> Verdict:
        ref, late = Ref(job.ref), standing.open or job.attempts > OFTEN
        two = sides(standing.booked, standing.documents, order)
        places = await self._places(order, standing)
        against = _against(two, places)
        table = self._table(ref, order, standing, two, places)
        decision = decide(table)
        requests = [
            *self._requests(decision, NOT_STOPPED if two.cancelled else DIFFERS),
            *self._mark(ref, order, standing),
        ]
        left = list(decision.problems)
        asked = await self._asked(requests, standing, against, left, late=late)
        await self.memory.report(standing.order_id, _report(two.stage, left, standing))
        return asked or Done("a person's" if left else "both sides agree")

    def _table(
        self, ref: Ref, order: Order | None, standing: ChangeStanding, two: Sides, places: Sequence[Place]
    ) -> Table:
        words = [word for document in standing.documents for word in self._words(document)]
        return Table(
            ref=ref,
            sides=two,
            places=places,
            numbers={one.reference: one.held.number for one in standing.documents if one.held},
            settings=self.settings,
            can_correct=self.corrections is not None,
            can_amend=self.amendments.can if self.amendments else frozenset(),
            words=words,
            money_due=paid_too_much(order) if standing.amended else Decimal(0),
            currency=order.currency if order else "",
        )

    def _words(self, document: Document) -> tuple[str, ...]:
        assert document.held is not None
        if not document.body:  # long ended, or erased: what was sent is no longer kept
            return ()
        return words_beyond(self.sink.differences(document.body, document.held), document.differed)

    async def _places(self, order: Order | None, standing: ChangeStanding) -> tuple[Place, ...]:
        """Where each document goes. An order with several addresses: each document keeps the one it has, if the order
        still names it; which other one it would get is a person's to say."""
        if order is None:
            return ()
        findings = Findings()
        found = find_addresses(order, await self.desk(order), findings).ship_to
        takes = not findings.problems  # one that the ERP's fields cannot hold is a person's
        wanted = {self.sink.goes_to(address): address if takes else None for address in found}
        return tuple(self._place(document, wanted) for document in standing.documents)

    def _place(self, document: Document, wanted: Mapping[str, Address | None]) -> Place:
        sent = self.sink.sent_to(document.body) if document.body else ""
        held = document.held.ship_to if document.held else ""
        only = next(iter(wanted)) if len(wanted) == 1 else ""
        goes = sent if sent in wanted else only or "elsewhere"
        return Place(document.reference, sent, held, goes if sent else "", wanted.get(goes))

    # -- ask -----------------------------------------------------------------------------------------------

    def _requests(self, decision: Decision, failing: str) -> Iterator[_Request]:
        for correction in decision.corrections:
            assert self.corrections is not None
            body, put = self.corrections.render(correction), self.corrections.put
            yield _Request(ERP, "correct", _corrected(correction), body, put, correction.number, failing)
        for amendment in decision.amendments:
            yield self._amending(amendment, _amended(amendment))

    def _amending(self, amendment: Amendment, what: str) -> _Request:
        assert self.amendments is not None
        body = self.amendments.render(amendment)
        return _Request(CHANNEL, amendment.kind.value, what, body, self.amendments.put, "order", DIFFERS)

    def _mark(self, ref: Ref, order: Order | None, standing: ChangeStanding) -> Iterator[_Request]:
        mark, can = self.settings.mark, self.amendments.can if self.amendments else frozenset()
        if not mark or AmendmentKind.MARK not in can or standing.marked or order is None or order.cancelled:
            return
        yield self._amending(Amendment(order=ref, kind=AmendmentKind.MARK, mark=mark), f"mark it {mark}")

    async def _asked(
        self, requests: Sequence[_Request], standing: ChangeStanding, against: str, left: list[Problem], *, late: bool
    ) -> Verdict | None:
        """What is to be done after it; what cannot be asked for is left to a person. ``late``: so is what was asked for
        and not done, for a person knows of it already, or should by now."""
        before = {(one.what, one.against): one for one in standing.asked}
        asking: list[_Request] = []
        for request in requests:
            if why := _in_vain(before.get((request.what, against))) or self._closed(request):
                _leave(request, why, left)
            else:
                asking.append(request)
        verdict: Verdict | None = None
        for request in asking:
            answer = await self._ask(request, standing.order_id, against)
            if isinstance(answer, Rejected):
                _leave(request, "; ".join(answer.reasons), left)
                continue
            if isinstance(answer, NotSent | Doubtful) and (late or _takes_no_calls(answer)):
                _leave(request, answer.reason, left)
            if request.kind != AmendmentKind.MARK or isinstance(answer, Doubtful):
                verdict = self._after(answer)
        return verdict

    def _after(self, answer: PutAnswer) -> Verdict:
        match answer:
            case Doubtful(reason):
                return Again(self._patience, reason, burn=True)
            case NotSent(reason, after):
                return Again(after or LOOK_AGAIN, reason, burn=True)
            case _:
                return Again(LOOK_AGAIN, "asked for; whether it is so")

    def _closed(self, request: _Request) -> str:
        return self.may_correct() if request.side == ERP else self.may_amend()

    async def _ask(self, request: _Request, order_id: int, against: str) -> PutAnswer:
        made = await self.memory.begin(order_id, request.side, request.kind, request.what, against)
        try:
            answer = await request.put(request.body)
        except BaseException as fault:
            with anyio.CancelScope(shield=True):
                ended = NotSent if isinstance(fault, OpenCircuit) else Doubtful
                await self.memory.settle(made, ended(plain(fault)))
            if isinstance(fault, OpenCircuit):  # a right that is missing, mostly: nobody else waits for it
                return NotSent(plain(fault), CLOSED)
            raise
        await self.memory.settle(made, answer)
        return answer


def _takes_no_calls(answer: NotSent | Doubtful) -> bool:
    return isinstance(answer, NotSent) and answer.after == CLOSED


def _in_vain(asked: Asked | None) -> str:
    if asked is None:
        return ""
    if asked.refused:
        return asked.refused
    return f"said yes to {asked.times} times, and still not so" if asked.times >= OFTEN else ""


def _leave(request: _Request, why: str, left: list[Problem]) -> None:
    if request.kind != AmendmentKind.MARK:
        where = "the ERP" if request.side == ERP else "the channel"
        left.append(
            Problem(code=request.failing, subject=request.subject, text=f"{request.what}: {where} does not: {why}")
        )


def _corrected(correction: Correction) -> str:
    rows = [f"{row.cancelled} of {row.upc} (row {row.line_seq})" for row in correction.rows]
    said = [f"cancel in all {', '.join(rows)}"] if rows else []
    return (
        "; ".join([*said, *(["send it to another address"] if correction.ship_to else [])]) + f" in {correction.number}"
    )


def _amended(amendment: Amendment) -> str:
    if amendment.kind is AmendmentKind.CANCEL:
        return "cancel the order"
    return f"have fewer pieces: {', '.join(f'{one.line}: {one.pieces}' for one in amendment.lines)}"


def _against(two: Sides, places: Sequence[Place]) -> str:
    """A digest of how both sides stand: what was refused is asked for again when it is another."""
    rows = [(line.line, line.wanted, row) for line in two.lines for row in line.rows]
    said = repr((rows, two.cancelled, [(place.held, place.wanted) for place in places]))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _report(stage: Stage, problems: Sequence[Problem], standing: ChangeStanding) -> ChangeReport:
    said = sorted((one.code, one.subject, one.text) for one in problems)
    digest = hashlib.sha256(repr(said).encode()).hexdigest()[:16] if said else ""
    agreed = bool(digest) and digest == standing.agreed
    return ChangeReport(stage=stage, problems=() if agreed else tuple(problems), digest=digest)
