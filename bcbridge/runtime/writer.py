"""Exactly once, from outside: carries out documents in four steps, each on disk before the next.

1. outbox row: reference, exact body, hash, generation, committed before the call;
2. post: accepted, refused, or in doubt;
3. read-back of everything not yet seen: by the delta list of posted documents, and by reference for what is in doubt;
4. confirm: compare with what was sent, link, booked.

*Accepted* is never posted again by itself. *In doubt and absent* is posted again only on evidence (store/outbox.py),
looked at before the read-back that shows absence. Orders created before this store's epoch start in doubt.
Nothing is posted before the ERP's recent orders were listed once since the start, nor before the write is permitted.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import anyio
import structlog

from bcbridge.connectors.base import Found, PostedPage, Sink, Unproven
from bcbridge.errors import OpenCircuit, PostingClosed, Retry, StoreBusy, plain
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer
from bcbridge.model.ids import Reference
from bcbridge.model.plan import Plan
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.model.work import Again, Done, Job, Settle, Verdict
from bcbridge.runtime.circuit import Circuit
from bcbridge.store import inbox, incidents, meta, outbox, queue
from bcbridge.store.db import Store
from bcbridge.store.outbox import Doubt, Row
from bcbridge.store.queue import Wish
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import compute, demand

log = structlog.get_logger()

CLOCK_MARGIN = timedelta(minutes=5)
"""A channel's clock may be ahead of ours: after a restore, orders of its first minutes are doubted too."""

ANOTHER_WRITER = "another bcbridge seems to book into this ERP under our references; confirm the write to go on"
DOUBTS = "doubts"
"""The flow whose jobs read back what is in doubt; its refs are references."""
STEPS = ("before_row", "after_cut", "after_row", "after_acceptance", "after_settle", "before_link", "after_link")
"""Where a death of the process tells most: nothing written; all parts cut, none sent; ``sending`` on disk; the ERP has
answered; its answer is on disk; seen posted; linked."""
SHORTEST_READ_BACK = timedelta(seconds=2)
LONGEST_READ_BACK = timedelta(minutes=5)
HURRIED = 50
"""Read-backs made due at once when something new was seen posted."""
LONG_ACCEPTED_BATCH = 20
LATENCIES_KEPT = 200


class Evidence(Protocol):
    """Whether the ERP has since posted what would have come after a call that ended at ``ended``."""

    async def __call__(
        self, store: Store, sink: str, *, ended: datetime, max_request: timedelta, posts_in_order: bool
    ) -> bool: ...


class StepObserver(Protocol):
    """Told of each named step as it is reached; the product's own does nothing."""

    async def __call__(self, step: str, reference: Reference) -> None: ...


async def unobserved(step: str, reference: Reference) -> None:
    """Nobody looks."""


@dataclass(slots=True)
class Pace:
    """How the ERP answers: seconds of the last calls, and seconds from accepted to seen posted."""

    calls: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    called_at: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    accepted: int = 0
    refused: int = 0
    doubtful: int = 0
    posted: int = 0
    last_posted: datetime | None = None
    posting_lag: float | None = None
    """Seconds from accepted to seen posted, of what was posted last."""


@dataclass(slots=True)
class DocumentWriter:
    """Carries out the documents of one sink. The only code that calls ``Sink.put``."""

    sink: Sink[SalesOrder]
    erp: str
    store: Store
    now: Callable[[], datetime]
    ours: Callable[[str], bool]
    """Whether a reference found in the ERP is one that this configuration would make."""
    circuit: Circuit
    permitted: Callable[[], str]
    """Why posting is not permitted (an unconfirmed production write), or the empty string."""
    on_step: StepObserver = unobserved
    evidence: Evidence = outbox.evidence
    skew: timedelta = timedelta(0)
    """The greatest difference between the ERP's clock and ours: where it stamps no order, ours stands in."""
    on_doubt: Callable[[], None] = lambda: None
    on_sent: Callable[[], None] = lambda: None
    on_open: Callable[[], Awaitable[None]] | None = None
    on_sight: Callable[[sqlite3.Connection, Row, BookedOrder], bool] = lambda tx, row, booked: False
    """Told of every sight of a document, within the unit; whether somebody is to be rung."""
    on_change: Callable[[], None] = lambda: None
    """What the ERP changed is somebody's to look at."""
    pace: Pace = field(default_factory=Pace)
    _listed: bool = False
    _stopped: str = ""
    _unwritten: dict[int, tuple[Row, PutAnswer]] = field(default_factory=dict)
    """What the ERP answered and the store could not take: written down before anything else is posted."""
    _asked_up_to: int = 0
    _changed: bool = False

    # -- may we post? --------------------------------------------------------------------------------------

    @property
    def closed_because(self) -> str:
        """Why nothing may be posted now, or the empty string."""
        if self._stopped:
            return self._stopped
        if self._unwritten:
            return "the store could not take what the ERP answered"
        if self.circuit.is_open:
            return f"the ERP is not used now: {self.circuit.view().why}"
        if not self._listed:
            return "the ERP's recent orders were not yet listed since the start"
        return self.permitted()

    async def open(self) -> None:
        """List the ERP's recent orders once before the first post; a reference of ours that this store does not
        know renews the epoch and opens an incident: what was created before is in doubt from then on."""
        seen, strangers = 0, []
        async for page in self.sink.posted(""):
            ours = [order for order in page.orders if self.ours(order.reference)]
            seen += len(ours)
            strangers += await self._take_page(page, ours, at_start=True)
        self._stopped = await self.store.write(lambda tx: self._found_epoch(tx, seen=seen, strangers=strangers))
        self._listed = True
        await self._resume()

    async def _resume(self) -> None:
        """What found nothing to be done while it was closed is looked at again now."""
        await self.store.write(
            lambda tx: queue.hurry(tx, flow=DOUBTS, connector=self.erp, many=HURRIED, now=self.now())
        )
        self.on_doubt()
        if self.on_open is not None:
            await self.on_open()

    def _found_epoch(self, tx: sqlite3.Connection, *, seen: int, strangers: Sequence[str]) -> str:
        """Renew the epoch where it must be; returns why posting stays stopped since an earlier life, if it does."""
        strangers = outbox.strangers(tx, self.sink.name, strangers)
        told = meta.drop(tx, outbox.RENEW + self.sink.name)
        if meta.get(tx, f"epoch/{self.sink.name}") is None:
            self._renew_epoch(tx, first=seen == 0)
        elif strangers or told:
            self._renew_epoch(tx, first=False)
        if strangers:
            self._meet(
                tx, strangers, f"the ERP holds {len(strangers)} order(s) under references of ours, not known here"
            )
        return meta.get(tx, outbox.STOPPED + self.sink.name) or ""

    def _renew_epoch(self, tx: sqlite3.Connection, *, first: bool) -> None:
        meta.put(tx, f"epoch/{self.sink.name}", stamp(self.now()))
        meta.put(tx, f"epoch_proof/{self.sink.name}", "absence" if first else "evidence")
        outbox.doubt_anew(tx, self.sink.name, now=self.now())
        rows = outbox.in_doubt(tx, self.sink.name)
        wishes = [self.doubt_job(row.reference, row.channel, row.order_ref) for row in rows]
        queue.enqueue(tx, wishes, now=self.now())

    def _meet(self, tx: sqlite3.Connection, strangers: Sequence[str], text: str) -> None:
        outbox.note_strangers(tx, self.sink.name, strangers, now=self.now())
        incidents.open_one(
            tx, code=outbox.STRANGERS, connector=self.erp, cause=self.sink.name, text=text, now=self.now()
        )

    def resume_posting(self) -> None:
        """A person confirmed the write: what a stop asked for is done by listing the ERP's orders once more."""
        if self._stopped:
            self._stopped, self._listed = "", False

    # -- steps 1 and 2 -------------------------------------------------------------------------------------

    async def carry(self, plan: Plan) -> None:
        """Commit the rows of all parts, then send those that certainly were not sent, one after the other.

        Raises PostingClosed (the order stays ready), CutChanged, or Retry (nothing of the last part was kept).
        """
        if why := self.closed_because:
            raise PostingClosed(why)
        bodies = {write.reference: self.sink.render(write.item) for write in plan.writes}
        doubt = await self._doubt_from_epoch(plan)
        await self.on_step("before_row", plan.writes[0].reference)
        await self.store.write(lambda tx: self._cut(tx, plan, bodies, doubt))
        await self.on_step("after_cut", plan.writes[0].reference)
        if doubt is not None:
            self.on_doubt()
            return
        await self.send_queued(plan.order_id)

    async def send_queued(self, order_id: int) -> None:
        """Send what certainly was not sent of this order; stops at the first part that is not accepted."""
        while not (why := self.closed_because):
            row = await self.store.write(lambda tx: self._start_next(tx, order_id))
            if row is None:
                return
            if not isinstance(await self._post(row), Accepted):
                return
        raise PostingClosed(why)

    async def _doubt_from_epoch(self, plan: Plan) -> Doubt | None:
        epoch = await meta.read(self.store, f"epoch/{self.sink.name}")
        if epoch is None:
            return None
        proof = await meta.read(self.store, f"epoch_proof/{self.sink.name}") or "evidence"
        margin = CLOCK_MARGIN if proof == "evidence" else timedelta(0)
        return Doubt(since=moment(epoch), proof=proof) if plan.created < moment(epoch) + margin else None

    def _cut(self, tx: sqlite3.Connection, plan: Plan, bodies: Mapping[Reference, bytes], doubt: Doubt | None) -> None:
        outbox.cut(tx, plan, bodies, sink=self.sink.name, doubt=doubt, now=self.now())
        if doubt is not None:
            wishes = [self.doubt_job(write.reference, plan.channel, plan.ref) for write in plan.writes]
            queue.enqueue(tx, wishes, now=self.now())

    def _start_next(self, tx: sqlite3.Connection, order_id: int) -> Row | None:
        for row in outbox.queued(tx, order_id):
            if outbox.start(tx, row, now=self.now()):
                return row
        return None

    async def _post(self, row: Row) -> PutAnswer:
        """The call, and what came of it on disk. A row is never left in ``sending`` by us."""
        began = time.monotonic()
        try:
            await self.on_step("after_row", row.reference)
            answer = await self.sink.put(row.body)
        except OpenCircuit as fault:
            await self._settle(row, NotSent(str(fault)))
            await self.circuit.open(fault)
            raise PostingClosed(str(fault)) from fault
        except BaseException as fault:
            with anyio.CancelScope(shield=True):
                await self._settle(row, Doubtful(plain(fault)))
            raise
        self._measure(answer, time.monotonic() - began)
        await self.on_step("after_acceptance", row.reference)
        await self._settle(row, answer)
        await self.on_step("after_settle", row.reference)
        if isinstance(answer, Accepted | Doubtful):
            self.on_sent()  # there is something to be seen posted
        if isinstance(answer, NotSent):
            raise Retry(answer.reason, after=answer.after)
        return answer

    async def _settle(self, row: Row, answer: PutAnswer) -> None:
        try:
            await self._write_down(row, answer)
        except StoreBusy:
            self._unwritten[row.id] = (row, answer)
            raise

    async def _settle_late(self) -> None:
        """Write down what the store could not take before. Raises StoreBusy while it still cannot."""
        late = bool(self._unwritten)
        for row, answer in list(self._unwritten.values()):
            await self._write_down(row, answer)
            del self._unwritten[row.id]
        if late:
            await self._resume()

    async def _write_down(self, row: Row, answer: PutAnswer) -> None:
        def unit(tx: sqlite3.Connection) -> None:
            outbox.settle(tx, row, answer, now=self.now())
            if isinstance(answer, Doubtful):
                queue.enqueue(tx, [self.doubt_job(row.reference, row.channel, row.order_ref)], now=self.now())

        await self.store.write(unit)
        if isinstance(answer, Doubtful):
            self.on_doubt()

    def doubt_job(self, reference: Reference, channel: str, order_ref: str) -> Wish:
        """Read this reference back; shares the ordering key of its order."""
        key = queue.ordering_key(channel, order_ref)
        return Wish(flow=DOUBTS, connector=self.erp, ref=reference, ordering_key=key, due=self.now())

    def _measure(self, answer: PutAnswer, seconds: float) -> None:
        self.pace.calls.append(seconds)
        self.pace.called_at.append(time.monotonic())
        if isinstance(answer, Accepted):
            self.pace.accepted += 1
        elif isinstance(answer, Doubtful):
            self.pace.doubtful += 1
        elif not isinstance(answer, NotSent):
            self.pace.refused += 1

    # -- steps 3 and 4: the delta list ---------------------------------------------------------------------

    async def confirm_posted(self) -> int:
        """One pass over the delta list of posted documents; returns how many were news."""
        await self._settle_late()
        if not self._listed:
            await self.open()
        since = await inbox.cursor(self.store, self.erp, "sales_orders", "posted")
        before = self.pace.posted
        async for page in self.sink.posted(since):
            ours = [order for order in page.orders if self.ours(order.reference)]
            await self._take_page(page, ours)
        await self._confirm_long_accepted()
        return self.pace.posted - before

    async def _take_page(self, page: PostedPage, ours: Sequence[BookedOrder], *, at_start: bool = False) -> list[str]:
        """Confirm what a page shows and move the cursor with it. Returns the references that are not known here."""
        if ours:
            await self.on_step("before_link", ours[0].reference)
        by_reference: dict[Reference, list[BookedOrder]] = {}
        for order in ours:
            by_reference.setdefault(order.reference, []).append(order)

        def unit(tx: sqlite3.Connection) -> tuple[int, list[str]]:
            news = self._confirm(tx, by_reference)
            strangers = outbox.strangers(tx, self.sink.name, list(by_reference))
            if not at_start:
                inbox.move_cursor(tx, self.erp, "sales_orders", "posted", page.cursor, now=self.now())
                self._look_at(tx, strangers)
            return news, strangers

        news, strangers = await self.store.write(unit)
        self._ring_if_changed()
        if strangers and not at_start:
            self._stopped = ANOTHER_WRITER
        if news:
            self._count_posted(news)
            await self.on_step("after_link", ours[0].reference)
        return strangers

    def _count_posted(self, news: int) -> None:
        self.pace.posted += news
        self.pace.last_posted = self.now()
        self.on_doubt()  # what was posted now may be evidence for what is in doubt

    def _confirm(self, tx: sqlite3.Connection, hits: Mapping[Reference, Sequence[BookedOrder]]) -> int:
        """Within a unit: confirm each row that is not yet posted; what is new may be evidence for what is in doubt.

        Every sight of one tells what orders still ask for, the later ones too: what was picked or taken off it since.
        """
        news, moved = 0, set[str]()
        for row in outbox.rows_within(tx, self.sink.name, list(hits)):
            booked = hits[row.reference]
            if row.state != "closed" or booked[0].commits:
                moved |= demand.posted(tx, row.reference, booked[0], arrived=self.now() + self.skew, now=self.now())
            differences = self._differences(row, booked[0]) if row.state != "posted" else ()
            if outbox.confirm(tx, row, booked, erp=self.erp, differences=differences, now=self.now()):
                news += 1
                if row.accepted is not None:
                    self.pace.posting_lag = (self.now() - row.accepted).total_seconds()
            if row.state != "closed":
                for one in booked:
                    self._changed |= self.on_sight(tx, row, one)
        for skus in compute.slices(sorted(moved)):
            compute.mark(tx, skus, now=self.now())
        if news:
            queue.hurry(tx, flow=DOUBTS, connector=self.erp, many=HURRIED, now=self.now())
        return news

    def _ring_if_changed(self) -> None:
        if self._changed:
            self._changed = False
            self.on_change()

    def _differences(self, row: Row, booked: BookedOrder) -> tuple[str, ...]:
        """One that cannot be compared is a difference of its own: it holds up none of its page."""
        try:
            return self.sink.differences(row.body, booked)
        except Exception as fault:
            log.exception("not compared", reference=row.reference)
            return (f"what the ERP holds cannot be compared with what was sent ({type(fault).__name__})",)

    def _look_at(self, tx: sqlite3.Connection, strangers: Sequence[str]) -> None:
        """Another one writes under our references: nothing more is posted until a person confirms the write anew."""
        if strangers:
            self._meet(tx, strangers, f"{len(strangers)} order(s), {strangers[0]} first: {ANOTHER_WRITER}")
            meta.put(tx, outbox.STOPPED + self.sink.name, ANOTHER_WRITER)

    async def _confirm_long_accepted(self) -> None:
        """What the delta list did not show is asked for by reference; beyond the posting window it is an incident."""
        rows = await outbox.long_accepted(
            self.store,
            self.sink.name,
            after=self._asked_up_to,
            accepted_before=self.now() - self.sink.rules.confirm_by_reference_after,
            many=LONG_ACCEPTED_BATCH,
        )
        self._asked_up_to = rows[-1].id if len(rows) == LONG_ACCEPTED_BATCH else 0
        if not rows:
            return
        found = await self.sink.find([row.reference for row in rows])
        await self._confirm_hits(found)
        late = self.now() - self.sink.rules.posting_window
        for row in rows:
            if not found.hits.get(row.reference) and row.accepted is not None and row.accepted < late:
                await self.store.write(partial(outbox.overdue, row=row, erp=self.erp, now=self.now()))

    async def _confirm_hits(self, found: Found | Unproven) -> None:
        hits = {reference: booked for reference, booked in found.hits.items() if booked}
        if not hits:
            return
        await self.on_step("before_link", next(iter(hits)))
        news = await self.store.write(lambda tx: self._confirm(tx, hits))
        self._ring_if_changed()
        if news:
            self._count_posted(news)
            await self.on_step("after_link", next(iter(hits)))

    # -- step 3: what is in doubt --------------------------------------------------------------------------

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        """The doubts flow: read back a batch of references; found is booked, absent on evidence is posted again."""
        await self._settle_late()
        rows = {row.reference: row for row in await outbox.rows(self.store, self.sink.name, [j.ref for j in jobs])}
        doubtful = {ref: row for ref, row in rows.items() if row.state == "in_doubt"}
        proven = {row.id: await self._may_be_absent(row) for row in doubtful.values()}
        found = await self.sink.find(list(doubtful)) if doubtful else Found({})
        await self._confirm_hits(found)
        for job in jobs:
            row = rows.get(Reference(job.ref))
            await settle(job, await self._verdict(row, found, proven) if row else Done("not known"))

    async def _may_be_absent(self, row: Row) -> bool:
        """Whether a read-back that starts now and finds nothing may be believed."""
        if row.proof == "absence":
            return True
        assert row.ended is not None
        return await self.evidence(
            self.store,
            self.sink.name,
            ended=row.ended,
            max_request=self.sink.rules.max_request,
            posts_in_order=self.sink.rules.posts_in_order,
        )

    async def _verdict(self, row: Row, found: Found | Unproven, proven: Mapping[int, bool]) -> Verdict:
        if row.state != "in_doubt":
            return await self._send_rest(row, "no longer in doubt")
        if found.hits.get(row.reference):
            return await self._send_rest(row, "found")
        if isinstance(found, Unproven):
            return Again(self._later(row), f"absence is not proven: {found.reason}")
        if not proven[row.id]:
            return Again(self._later(row), "absent; no evidence yet that it will not come")
        return await self._post_again(row)

    async def _post_again(self, row: Row) -> Verdict:
        """Absent on evidence: the same bytes under the same reference, once more.

        Not where this store's later life, before a restore, was told to book it under a higher generation.
        """
        if anew := await outbox.other_generations(self.store, row):
            return Again(self._later(row), f"absent, but the ERP holds {', '.join(anew)}: a person resolves it")
        if why := self.closed_because:
            return Again(timedelta(seconds=30), why)
        if not await self.store.write(lambda tx: outbox.start(tx, row, now=self.now())):
            return Done("no longer in doubt")
        try:
            answer = await self._post(row)
        except PostingClosed as fault:
            return Again(timedelta(seconds=30), str(fault))
        if isinstance(answer, Doubtful):
            return Again(SHORTEST_READ_BACK, answer.reason)
        return await self._send_rest(row, type(answer).__name__.lower())

    async def _send_rest(self, row: Row, ending: str) -> Verdict:
        """The doubt about this part is over: the parts it held up go on."""
        try:
            await self.send_queued(row.order_id)
        except PostingClosed:
            return Done(f"{ending}; the rest waits for the ERP")
        return Done(ending)

    def _later(self, row: Row) -> timedelta:
        """The longer it is in doubt, the more seldom it is asked for; what is posted meanwhile hurries it."""
        age = self.now() - (row.ended or self.now())
        return min(max(age / 4, SHORTEST_READ_BACK), LONGEST_READ_BACK)
