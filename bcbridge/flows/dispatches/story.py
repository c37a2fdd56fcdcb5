"""What left a warehouse, told to the channel that sold it: once, however often it is looked at.

1. wait     until a call without an answer can no longer take effect
2. look     at what the channel shows of the order now
3. balance  what left by the ERP against what is shown, or was taken from us: the difference is owed
4. compose  one call per shipment and location; what is incomplete or fits nowhere is a person's
5. tell     each: on disk before the call, its answer after it
6. finish   what the channel still needs of what it shows: a number, a note, the order marked as complete; numbers that
            the ERP wrote otherwise since
7. capture  money that is only authorised, where a person said so: when all is shown, and nothing is left to be told
8. note     how the order stands: told, blocked with every reason, or owed

Pieces that the channel took from us are never told again, whatever it shows: who takes a fulfilment back in the shop's
admin has a reason that no machine knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import anyio

from bcbridge.connectors.base import Captures, Dispatches
from bcbridge.errors import OpenCircuit, plain
from bcbridge.flows.dispatches.captures import due, has_left, refused
from bcbridge.flows.dispatches.compose import Composed, compose, dispatch_of, lines_of
from bcbridge.flows.dispatches.owed import NOTHING, Balance, balance
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.mappings import Mappings
from bcbridge.model.answers import Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import (
    CAPTURE,
    Authorisation,
    DispatchReport,
    DispatchStanding,
    DispatchView,
    body_digest,
)
from bcbridge.model.ids import ConnectorName, Ref
from bcbridge.model.outcome import Problem
from bcbridge.model.work import Again, Done, Job, Settle, Verdict

DISPATCHES = "dispatches"
"""This flow's name in the queue."""
CLOSED = timedelta(minutes=1)
"""Until it is asked again whether anything may be told."""
ORDER = "order"
"""What a call or a problem is about that is of no one shipment."""
LOOK_AT_FORBIDDEN = timedelta(hours=1)
"""How often an order is looked at while nothing may be told."""
REFUSED_FOR = timedelta(hours=1)
"""Until the very same is tried again that a channel refused."""
LOOK_AGAIN = timedelta(seconds=5)
"""After something was told: whether it is shown."""


class Memory(Protocol):
    """What this flow remembers (store/dispatching.py)."""

    async def standing(self, ref: Ref) -> DispatchStanding | None:
        """What is known of one order. Nobody else is at work on it: a call that still stands as under way has ended,
        and its answer was not kept. It is in doubt from now on."""
        ...

    async def looked(self, order_id: int) -> None:
        """Calls in doubt: what the channel shows now is what came of them."""
        ...

    async def begin(
        self, order_id: int, shipment: str, body: bytes, lines: Mapping[Ref, int], tracks: Sequence[str]
    ) -> int: ...
    async def settle(self, dispatch: int, answer: PutAnswer) -> None: ...
    async def report(self, order_id: int, report: DispatchReport) -> None: ...


def always() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class _Call:
    """``subject``: the shipment it tells, or that it finishes the order. ``lines``: pieces by line of the order."""

    subject: str
    body: bytes
    lines: Mapping[Ref, int]
    put: Callable[[bytes], Awaitable[PutAnswer]]
    tracks: tuple[str, ...] = ()


@dataclass(slots=True)
class _Round:
    """One look at one order. ``taken``: pieces by line that the channel took just now."""

    standing: DispatchStanding
    view: DispatchView
    found: Balance
    composed: Composed
    refused: list[Problem] = field(default_factory=list)
    taken: Counter[Ref] = field(default_factory=Counter)

    @property
    def is_well(self) -> bool:
        return not (self.composed.problems or self.refused)


@dataclass(slots=True)
class Dispatching:
    """The dispatches of one channel. ``permitted``: why nothing may be told, or the empty string; ``may_capture``: why
    no money may be asked for."""

    channel: ConnectorName
    sink: Dispatches
    memory: Memory
    settings: DispatchSettings
    mappings: Callable[[], Mappings]
    now: Callable[[], datetime]
    permitted: Callable[[], str] = field(default=always)
    captures: Captures | None = None
    may_capture: Callable[[], str] = field(default=always)

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        for job in jobs:
            await settle(job, await self._one(Ref(job.ref)))

    async def _one(self, ref: Ref) -> Verdict:
        standing = await self.memory.standing(ref)
        if standing is None or not standing.shipments:
            return Done("nothing has left")
        if wait := self._doubt(standing):
            return Again(wait, "a call without an answer may still take effect")
        if (why := self.permitted()) and standing.checked and self.now() - standing.checked < LOOK_AT_FORBIDDEN:
            return Done(why)
        view = await self.sink.look(ref)
        if view is None:
            return await self._blocked(standing, _problem("order_gone", "the channel has no such order any more"))
        if not view.whole:
            return await self._blocked(standing, _problem("too_many_fulfilments", "more than can be read at once"))
        if standing.doubt is not None:
            await self.memory.looked(standing.order_id)
        return await self._told(standing, view)

    def _doubt(self, standing: DispatchStanding) -> timedelta | None:
        if standing.doubt is None:
            return None
        left = standing.doubt + self.settings.doubt - self.now()
        return left if left > timedelta(0) else None

    def _may_be_stale(self, standing: DispatchStanding) -> bool:
        """Some channels answer and show it only later: what is missing so soon was taken back by nobody."""
        return standing.told_at is not None and self.now() - standing.told_at < self.settings.doubt

    async def _told(self, standing: DispatchStanding, view: DispatchView) -> Verdict:
        found = balance(standing.shipments, standing.booked, view, standing.confirmed)
        if found.taken_back and self._may_be_stale(standing):
            return Again(LOOK_AGAIN, "told; not shown yet")
        composed = compose(found, view, channel=self.channel, settings=self.settings, mappings=self.mappings())
        calls = [*self._tellings(composed), *self._finishing(standing, view), *self._retracking(standing, view)]
        now = _Round(standing, view, found, composed)
        if calls and (why := self.permitted()):
            await self._report(now)
            return Done(why)
        now.refused += self._undone(standing, view)
        later = await self._make(calls, now) if calls else await self._capture(now)
        await self._report(now)
        if later is None and calls and self._looks_again(now):
            return Again(LOOK_AGAIN, "told; whether it is shown")
        return later or Done("told" if now.is_well else "blocked")

    async def _make(self, calls: Sequence[_Call], now: _Round) -> Verdict | None:
        """One after the other, until one has no answer."""
        for call in calls:
            if said := self._was_refused(call, now.standing):
                now.refused.append(_problem("dispatch_refused", said, call.subject))
                continue
            answer = await self._call(now.standing.order_id, call)
            if isinstance(answer, Doubtful | NotSent):
                return _later(answer, self.settings)
            if isinstance(answer, Rejected):
                now.refused += [_problem("dispatch_refused", reason, call.subject) for reason in answer.reasons]
            else:
                now.taken.update(call.lines)
        return None

    def _was_refused(self, call: _Call, standing: DispatchStanding) -> str:
        """Why the very same is not asked for again yet. What finishes an order may have mailed the shopper before it
        was refused: it is never asked for twice."""
        before = standing.refused.get(body_digest(call.body))
        if before is None or (call.subject != ORDER and self.now() - before.at >= REFUSED_FOR):
            return ""
        return before.reason

    def _looks_again(self, now: _Round) -> bool:
        if any(one.code == "dispatch_refused" for one in now.refused):
            return False
        return now.view.again or self._is_to_capture(now.standing)

    # -- money -------------------------------------------------------------------------------------------------

    def _is_to_capture(self, standing: DispatchStanding) -> bool:
        """Whether it is worth a look: of no other order is anything asked."""
        if self.captures is None or not self.settings.asks_for_money:
            return False
        return standing.authorised and standing.all_left

    async def _capture(self, now: _Round) -> Verdict | None:
        """Only where all is well, and the channel shows everything as left before anything is asked for."""
        standing, sink = now.standing, self.captures
        if sink is None or not self._is_to_capture(standing):
            return None
        if not now.is_well or not has_left(standing, now.view):
            return None
        if why := self.may_capture():
            return Done(why)
        money = await sink.look(now.view.ref)
        asked = due(money, self.settings, standing.captures, may_be_late=self._may_be_stale(standing))
        now.refused += asked.problems
        for one in asked.ask:
            answer = await self._call(standing.order_id, _capture_of(one, sink))
            if isinstance(answer, Doubtful | NotSent):
                return _later(answer, self.settings)
            if isinstance(answer, Rejected):
                now.refused.append(refused(one))
        return None

    # -- calls -------------------------------------------------------------------------------------------------

    def _tellings(self, composed: Composed) -> Iterator[_Call]:
        for one in composed.tellings:
            dispatch = one.dispatch
            body = self.sink.render(dispatch)
            yield _Call(one.shipment, body, lines_of(dispatch), self.sink.put, dispatch.tracks)

    def _finishing(self, standing: DispatchStanding, view: DispatchView) -> Iterator[_Call]:
        for body in view.unfinished:
            if body_digest(body) not in standing.finished:
                yield _Call(ORDER, body, NOTHING, self.sink.put)

    def _undone(self, standing: DispatchStanding, view: DispatchView) -> Iterator[Problem]:
        """What finished an order was taken, and is wanting again: somebody undid it, and is asked, not overruled."""
        undone = standing.finished.intersection(map(body_digest, view.unfinished))
        if undone and not self._may_be_stale(standing):
            yield _problem("finish_undone", "it was finished in the channel, and is not any more")

    def _retracking(self, standing: DispatchStanding, view: DispatchView) -> Iterator[_Call]:
        """Numbers that the ERP wrote otherwise since, where the channel still shows them as they were told: whoever
        changed them in the channel knew more."""
        retracks = self.sink.retracks
        if retracks is None:
            return
        shipments = {one.number: one for one in standing.shipments if one.tracks and not one.void}
        for shown in view.fulfilments:
            told = standing.told.get(shown.ref)
            shipment = shipments.get(told.shipment) if told else None
            if told and shipment and shown.tracks == told.tracks != shipment.tracks:
                carrier = self.mappings().carrier(self.channel, shipment.ship_via)
                dispatch = dispatch_of(view.ref, shipment, (), carrier, notify=self.settings.notify_customer)
                body = retracks.render(shown.ref, dispatch)
                yield _Call(shipment.number, body, NOTHING, retracks.put, shipment.tracks)

    async def _call(self, order_id: int, call: _Call) -> PutAnswer:
        made = await self.memory.begin(order_id, call.subject, call.body, call.lines, call.tracks)
        try:
            answer = await call.put(call.body)
        except BaseException as fault:
            with anyio.CancelScope(shield=True):  # whatever it was, it may still land; but where nothing was taken
                ended = NotSent if isinstance(fault, OpenCircuit) else Doubtful
                await self.memory.settle(made, ended(plain(fault)))
            raise
        await self.memory.settle(made, answer)
        return answer

    async def _report(self, now: _Round) -> None:
        found = now.found
        left = sum(found.left.values())
        told = sum(min(now.view.told(line) + now.taken[line], pieces) for line, pieces in found.left.items())
        owed = sum(pieces for one in found.owed for pieces in one.pieces.values()) - sum(now.taken.values())
        problems = (*now.composed.problems, *now.refused)
        report = DispatchReport(left=left, told=told, owed=owed, problems=problems)
        await self.memory.report(now.standing.order_id, report)

    async def _blocked(self, standing: DispatchStanding, problem: Problem) -> Verdict:
        left = sum(line.pieces for one in standing.shipments if not one.void for line in one.lines)
        await self.memory.report(standing.order_id, DispatchReport(left=left, told=0, owed=left, problems=(problem,)))
        return Done("blocked")


def _later(answer: Doubtful | NotSent, settings: DispatchSettings) -> Verdict:
    """A refusal that had no effect goes again soon; one without an answer when it can no longer take effect."""
    if isinstance(answer, NotSent):
        return Again(answer.after or LOOK_AGAIN, answer.reason)
    return Again(settings.doubt, answer.reason)


def _capture_of(one: Authorisation, sink: Captures) -> _Call:
    return _Call(f"{CAPTURE}{one.ref}", sink.render(one), NOTHING, sink.put)


def _problem(code: str, text: str, subject: str = ORDER) -> Problem:
    return Problem(code=code, subject=subject, text=text)
