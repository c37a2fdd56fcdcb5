"""Telling one channel its numbers: one drain loop over what is due.

1. finish   calls that had no answer, and those that settle
2. lower    what can be lowered whatever was sold meanwhile: by difference, or to nothing
3. look     at the channel's orders, right before anything else is composed; and at numbers that are doubtful
4. tell     the rest: what must fall and is nearest to zero first, raises behind it
5. keep     each row's answer; one that fails, or that the channel does not know, stops no other

An intent is on disk before each call, and nobody else writes its rows until its answer is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import anyio
import structlog

from bcbridge.connectors.base import Shelf
from bcbridge.errors import BridgeError, OpenCircuit, Retry, StoreBusy, plain
from bcbridge.model.answers import Doubtful, NotSent
from bcbridge.model.ids import ConnectorName
from bcbridge.model.shelf import Anchored, DueRow, Intent, Place, Reading
from bcbridge.model.stock import RowAnswer, RowResult, ShelfItem, StockChange, WriteKind, Written

log = structlog.get_logger()

IDLE = timedelta(seconds=1)
"""What is due is asked for at least this often, whether or not anybody rang."""
ROWS_A_ROUND = 2000
URGENT_CALLS = 2
"""Calls of each lane in a round where something must fall: what becomes due meanwhile waits no longer than these."""
CALLS = 8
TRIES_AT_ONCE = 4
"""How often a call is composed anew at once of what was not tried for the sake of other rows."""
LOOKED_AT_ONCE = 250
READ_BACK_EVERY = timedelta(seconds=1)
READ_BACK_ROWS = 100
"""A larger call is waited for: reading so much back would cost more of the channel's limit than it wins."""
READ_BACK_CALLS = 4
STORE_PAUSE_SECONDS = 1.0
STORE_TRIES = 120
"""How often an answer is offered to a store that cannot take it; after that the start of the next life finds it."""


class Memory(Protocol):
    """What this flow remembers (store/stock/shelf.py)."""

    async def due(self, limit: int) -> list[DueRow]: ...
    async def due_of(self, groups: Collection[str]) -> list[DueRow]: ...
    async def next_due(self) -> datetime | None: ...
    async def begin(self, places: Sequence[Place], *, known: bool) -> list[Intent]: ...
    async def answered(self, intent: Intent, answers: Sequence[RowAnswer], *, settles: bool) -> None: ...
    async def settled(self, intent: Intent) -> None: ...
    async def not_sent(self, intent: Intent, reason: str) -> None: ...
    async def lost(self, intent: Intent, reason: str) -> None: ...
    async def again(self) -> list[Intent]: ...
    async def late(self, after: timedelta) -> None: ...
    async def settling(self, longest: timedelta, *, small: int) -> list[Intent]: ...
    async def recover(self) -> int: ...
    async def anchor(self, readings: Sequence[Reading], *, heal: bool) -> list[Anchored]: ...
    async def missing(self, places: Sequence[Place], why: str) -> None: ...


class Circuit(Protocol):
    """Whether the channel may be called now (runtime/circuit.py)."""

    async def closed(self) -> None: ...
    async def suspect(self, fault: OpenCircuit) -> bool: ...
    def heard(self) -> None: ...
    async def unheard(self, fault: Retry | TimeoutError) -> None: ...


class Bell(Protocol):
    """Rung when something became due (runtime/worker.py)."""

    rings: int

    async def heard(self, *, since: int, within: timedelta) -> bool: ...


@dataclass(slots=True)
class PublishFigures:
    """Counted since the start, for /metrics."""

    calls: int = 0
    rows: int = 0
    stale: int = 0
    doubtful: int = 0
    not_sent: int = 0
    last_success: datetime | None = None
    last_failure: str = ""
    failing_since: datetime | None = None
    """Since when what is due was not told, for ``last_failure``."""


@dataclass(slots=True)
class Publisher:
    """One channel's drain.

    ``catch_up`` looks at the channel's orders up to the present, within a deadline of its own: True when all that was
    ordered before the call is known. ``may_write``: whether all open orders were read once and a whole pull of the
    ERP's figures is stored; asked until it says yes. ``on_missing``: the channel did not know an item.
    """

    channel: ConnectorName
    shelf: Shelf
    memory: Memory
    catch_up: Callable[[], Awaitable[bool]]
    may_write: Callable[[], Awaitable[bool]]
    now: Callable[[], datetime]
    on_missing: Callable[[], None] = lambda: None
    figures: PublishFigures = field(default_factory=PublishFigures)
    _recovered: bool = False
    _may_write: bool = False
    _waits_for_orders: bool = False
    _read_back_at: datetime | None = None
    _fault: Exception | None = None
    _busy: int = 0
    """Lanes that are at a call."""
    _rolls: int = 0

    async def run(self, circuit: Circuit, bell: Bell, pause: Callable[[int], timedelta]) -> None:
        """For ever; a failed round is tried again after ``pause(failures in a row)``, or when the channel says."""
        failures = 0
        while True:
            await circuit.closed()
            rings, answered = bell.rings, self.figures.rows
            try:
                worked = await self.once()
            except OpenCircuit as fault:  # of numbers alone, unless a ping says the same: no order waits for it
                failures += 1
                self._failed(plain(fault))
                if not await circuit.suspect(fault):
                    await anyio.sleep(max(fault.after or timedelta(0), pause(failures)).total_seconds())
            except (Retry, TimeoutError, StoreBusy) as fault:
                failures += 1
                self._failed(plain(fault))
                if isinstance(fault, StoreBusy):
                    self._recovered = False
                else:
                    await circuit.unheard(fault)
                asked = fault.after if isinstance(fault, Retry) else None
                await anyio.sleep((asked or pause(failures)).total_seconds())
            except Exception as fault:
                failures += 1
                log.exception("numbers not told", channel=self.channel)
                self._recovered = False  # a call may be left whose answer was not kept: none is under way now
                self._failed(plain(fault))
                await anyio.sleep(pause(failures).total_seconds())
            else:
                failures = 0
                if self.figures.rows > answered:
                    circuit.heard()
                    self.figures.failing_since = None
                if not worked:
                    await bell.heard(since=rings, within=await self._idle())

    async def _idle(self) -> timedelta:
        waits = self._waits_for_orders or not self._may_write
        due = None if waits else await self.memory.next_due()
        return IDLE if due is None else min(IDLE, max(due - self.now(), timedelta(milliseconds=10)))

    def _failed(self, why: str) -> None:
        self.figures.last_failure = why
        self.figures.failing_since = self.figures.failing_since or self.now()

    async def once(self) -> bool:
        """One round; False when there was nothing to do, or nothing that could be done now.

        Raises OpenCircuit and Retry as the channel said, after every answer that came was kept.
        """
        if not await self._begun():
            return False
        finished = await self._finish()
        rows = await self.memory.due(ROWS_A_ROUND)
        at_once = [row for row in rows if not _needs_orders(row)]
        crowded = len(_groups(at_once)) > self.shelf.rules.calls_at_once * URGENT_CALLS
        told = False if crowded else await self._tell(at_once, known=False)
        self._waits_for_orders = False
        if len(at_once) < len(rows) or crowded:
            told = await self._after_orders(rows, at_once if crowded else ()) or told
        return told or finished

    async def _begun(self) -> bool:
        if not self._recovered:
            await self.memory.recover()
            self._recovered = True
        self._may_write = self._may_write or await self.may_write()
        return self._may_write

    # -- what is left of earlier calls -------------------------------------------------------------------------

    async def _finish(self) -> bool:
        rules = self.shelf.rules
        await self.memory.late(rules.late + (rules.settles or timedelta(0)))
        over = await self._settled(rules.settles or timedelta(0))
        for intent in over:
            await self.memory.settled(intent)
        calls = await self.memory.again()
        for intent in calls:
            await self._call(intent)
        self._raise()
        return bool(over or calls)

    async def _settled(self, longest: timedelta) -> list[Intent]:
        """Calls whose numbers are in force: read back, or the longest time is over."""
        settling = await self.memory.settling(longest, small=READ_BACK_ROWS)
        over = [one for one in settling if one.ended is None or one.ended + longest <= self.now()]
        if self._read_back_at is not None and self.now() < self._read_back_at + READ_BACK_EVERY:
            return over
        small = [one for one in settling if one not in over]
        if small:
            self._read_back_at = self.now()
        return [*over, *[one for one in small[:READ_BACK_CALLS] if await self._in_force(one)]]

    async def _in_force(self, intent: Intent) -> bool:
        """Every number stands there, and another stood there before: one that was not changed cannot be told, nor one
        of which something was sold meanwhile."""
        changes = intent.write.changes
        if any(change.was == change.number for change in changes):
            return False
        items = await self.shelf.look(changes)
        return all(
            item is not None and item.shown == change.number for item, change in zip(items, changes, strict=True)
        )

    # -- what needs the orders to be known ---------------------------------------------------------------------

    async def _after_orders(self, rows: Sequence[DueRow], put_off: Sequence[DueRow]) -> bool:
        """Numbers that would write over an order that nobody has seen, and those that are to be read first.

        ``put_off``: what could have gone at once, but is more than one round takes. Then the look costs them nothing,
        and a call carries all that is due of its group.
        """
        readings = await self._read([row for row in rows if row.kind is None])
        if not await self.catch_up():
            self._waits_for_orders = True
            return await self._tell(put_off, known=False)
        if readings:
            await self.memory.anchor(readings, heal=True)
        now_due = await self.memory.due(ROWS_A_ROUND)  # as the orders have left it, in the order of now
        told = await self._tell([row for row in now_due if row.kind is not None], known=True)
        return told or bool(readings)

    async def _read(self, rows: Sequence[DueRow]) -> list[Reading]:
        readings = []
        for ours in _slices(rows[: LOOKED_AT_ONCE * 4], LOOKED_AT_ONCE):
            asked = self.now()
            items = await self.shelf.look([row.change for row in ours])
            answered = self.now()
            found = list(zip(ours, items, strict=True))
            await self._gone([row.place for row, item in found if item is None or not _has_number(item)])
            readings += [
                Reading(row.sku, row.change.location, row.change.item, item.shown, asked, answered)
                for row, item in found
                if item is not None and item.managed and item.shown is not None
            ]
        return readings

    async def _gone(self, places: Sequence[Place]) -> None:
        if places:
            await self.memory.missing(places, "looked for and not found with a number")
            self.on_missing()

    # -- calls -------------------------------------------------------------------------------------------------

    async def _tell(self, rows: Sequence[DueRow], *, known: bool) -> bool:
        """As many calls as one round may make; True when any was made."""
        lanes = self.shelf.rules.calls_at_once
        urgent = any(row.urgency <= 1 for row in rows)
        most = lanes * (URGENT_CALLS if urgent else CALLS)
        calls = deque(await self._whole(batches(self.shelf, rows)[:most], known=known))
        made, self._rolls = self.figures.calls, lanes * CALLS
        async with anyio.create_task_group() as tasks:
            for _ in range(min(lanes, len(calls))):
                tasks.start_soon(self._lane, calls, known)
        self._raise()
        return self.figures.calls > made

    async def _whole(self, calls: list[list[DueRow]], *, known: bool) -> list[list[DueRow]]:
        """A call of one group takes along whatever else is due there: it costs as much with one row as with many."""
        groups = _groups(row for call in calls for row in call)
        if not groups:
            return calls
        rows = {row.place: row for call in calls for row in call}
        for row in await self.memory.due_of(groups):
            if row.kind is not None and (known or not _needs_orders(row)):
                rows.setdefault(row.place, row)
        return batches(self.shelf, list(rows.values()))

    async def _lane(self, calls: deque[list[DueRow]], known: bool) -> None:
        while self._fault is None and (calls or (known and await self._more(calls))):
            places = [row.place for row in calls.popleft()]
            self._busy += 1
            try:
                for _ in range(TRIES_AT_ONCE):
                    if places and self._fault is None:
                        places = await self._call_all(places, known=known)
            except BridgeError as fault:
                self._fault = self._fault or fault
            finally:
                self._busy -= 1

    async def _call_all(self, places: Sequence[Place], *, known: bool) -> list[Place]:
        """All that is due there. Returns what was not tried for the sake of another row: hot rows are stale again and
        again, and nobody else waits for them until the next round."""
        untried = []
        for intent in await self.memory.begin(places, known=known):
            untried += await self._call(intent)
        return untried

    async def _more(self, calls: deque[list[DueRow]]) -> bool:
        """While another lane is still at its call, this one need not wait: what is most urgent now, the orders looked
        at anew. So many times and no more, so that a round ends."""
        if not self._busy or not self._rolls:
            return False
        self._rolls -= 1
        if not await self.catch_up():
            return False
        rows = [row for row in await self.memory.due(self.shelf.rules.rows_per_call) if row.kind is not None]
        calls.extend(await self._whole(batches(self.shelf, rows)[:1], known=True))
        return bool(calls)

    async def _call(self, intent: Intent) -> list[Place]:
        """Make one call and keep what came of it; a fault waits until the other lanes have ended theirs. Returns what
        was not tried because another row was refused."""
        self.figures.calls += 1
        try:
            answer = await self.shelf.write(intent.write)
        except (OpenCircuit, Retry) as fault:  # nothing was changed
            self._fault = self._fault or fault
            answer = NotSent(plain(fault))
        except Exception as fault:
            log.exception("a call that tells numbers failed", channel=self.channel)
            self._fault = self._fault or fault
            answer = Doubtful(plain(fault))
        with anyio.CancelScope(shield=True):
            await self._keep(intent, answer)
        return _untried(intent, answer)

    async def _keep(self, intent: Intent, answer: Written | Doubtful | NotSent) -> None:
        match answer:
            case Written(rows) if len(rows) == len(intent.skus):
                settles = self.shelf.rules.settles is not None
                await self._kept(lambda: self.memory.answered(intent, rows, settles=settles))
                self._count(rows)
                if all(row.result is RowResult.UNTRIED for row in rows):
                    self._fault = self._fault or Retry(rows[0].reason or "no row of a call was tried")
            case NotSent(reason, after):
                self.figures.not_sent += 1
                again = intent.ended is not None  # an attempt before this one may have had its effect
                ended = self.memory.lost if again else self.memory.not_sent
                await self._kept(lambda: ended(intent, reason))
                self._fault = self._fault or Retry(reason, after=after)
            case Doubtful(reason):
                self.figures.doubtful += 1
                self._failed(reason)
                await self._kept(lambda: self.memory.lost(intent, reason))
            case Written(rows):
                self.figures.doubtful += 1
                why = f"{len(rows)} answers to {len(intent.skus)} rows"
                await self._kept(lambda: self.memory.lost(intent, why))

    async def _kept(self, keep: Callable[[], Awaitable[None]]) -> None:
        """An answer is offered until the store takes it: without it nobody may write these rows."""
        for _ in range(STORE_TRIES):
            try:
                return await keep()
            except StoreBusy as fault:
                log.warning("answer not kept", channel=self.channel, why=str(fault))
                await anyio.sleep(STORE_PAUSE_SECONDS)
        return await keep()

    def _count(self, rows: Sequence[RowAnswer]) -> None:
        self.figures.rows += len(rows)
        self.figures.stale += sum(row.result is RowResult.STALE for row in rows)
        self.figures.last_success = self.now()
        if any(row.result is RowResult.GONE for row in rows):
            self.on_missing()

    def _raise(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault


def _untried(intent: Intent, answer: Written | Doubtful | NotSent) -> list[Place]:
    """Of a channel that compares: a blind call that was refused may have set what it did not name."""
    if not isinstance(answer, Written) or intent.write.kind is WriteKind.SET:
        return []
    rows = zip(intent.skus, intent.write.changes, answer.rows, strict=False)
    return [(sku, change.location) for sku, change, row in rows if row.result is RowResult.UNTRIED]


def batches(shelf: Shelf, rows: Sequence[DueRow]) -> list[list[DueRow]]:
    """What each call carries, the most urgent call first; what a call may carry together stands together."""
    first = {_spot(row.change): at for at, row in reversed(list(enumerate(rows)))}
    calls = [
        batch
        for kind in WriteKind
        for batch in shelf.batches(_by_group([row.change for row in rows if row.kind is kind]))
    ]
    calls.sort(key=lambda batch: min(first[_spot(change)] for change in batch))
    return [[rows[first[_spot(change)]] for change in batch] for batch in calls]


def _groups(rows: Iterable[DueRow]) -> set[str]:
    return {row.change.group for row in rows if row.change.group}


def _needs_orders(row: DueRow) -> bool:
    """Whether an order that nobody has seen could be written over. A difference is taken off whatever stands there,
    and nothing can be sold from nothing."""
    return row.kind is not WriteKind.ADJUST and not (row.kind is WriteKind.SET and row.change.number == 0)


def _has_number(item: ShelfItem) -> bool:
    return item.managed and item.shown is not None


def _spot(change: StockChange) -> tuple[str, str]:
    return change.location, change.item


def _by_group(changes: Sequence[StockChange]) -> list[StockChange]:
    """Groups in the order of their most urgent row, each whole."""
    groups: dict[tuple[str, str], list[StockChange]] = {}
    for change in changes:
        groups.setdefault((change.location if not change.group else "", change.group), []).append(change)
    return [change for group in groups.values() for change in group]


def _slices(rows: Sequence[DueRow], size: int) -> Iterable[Sequence[DueRow]]:
    return (rows[at : at + size] for at in range(0, len(rows), size))
