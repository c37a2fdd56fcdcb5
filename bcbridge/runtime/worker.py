"""The engine of one flow at one connection: claim due jobs in batches, hand them to the flow, settle each.

Knows jobs, not commerce. A batch runs under its own task; a few batches run at once. A job that was running at
three deaths of the process is a suspect: it runs in a batch of its own, and no other suspect beside it. So whatever
kills the process each time is found and given up, and nothing that only ran beside it is; and nobody else waits.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import structlog

from bcbridge.errors import BridgeError, OpenCircuit, Retry, StoreBusy, plain
from bcbridge.model.work import Again, Done, Handler, Job, Verdict
from bcbridge.runtime.backoff import backoff
from bcbridge.store import queue
from bcbridge.store.db import Store

if TYPE_CHECKING:
    from bcbridge.runtime.circuit import Circuit

log = structlog.get_logger()

IDLE_LOOK = timedelta(seconds=30)
SHORTEST_IDLE = timedelta(milliseconds=250)
"""Due jobs whose order is being worked on are asked for again no faster than this."""
DEAD_AFTER_ATTEMPTS = 30
STORE_PAUSE_SECONDS = 1.0


class Bell:
    """Rings those awake who look for work, however many they are.

    Whoever listens says which ring was the last before it looked: none falls between the look and the wait.
    """

    def __init__(self) -> None:
        self.rings = 0
        self._next = anyio.Event()

    def ring(self) -> None:
        self.rings += 1
        rung, self._next = self._next, anyio.Event()
        rung.set()

    async def heard(self, *, since: int, within: timedelta) -> bool:
        """True as soon as it rang after the ring ``since``; False when the time is over."""
        if self.rings == since:
            with anyio.move_on_after(within.total_seconds()):
                await self._next.wait()
        return self.rings != since


@dataclass(slots=True)
class WorkerFigures:
    done: int = 0
    again: int = 0
    failed: int = 0
    last_success: datetime | None = None
    last_failure: str = ""


Settled = tuple[Job, Verdict]


class Hand:
    """The jobs of one batch. What is settled is written down with whatever else is, while the flow goes on.

    A job that was settled and is not yet written down is still running for everybody else: were the process to end
    now, it would be looked at once more.
    """

    def __init__(
        self, jobs: Sequence[Job], store: Store, unit: Callable[[sqlite3.Connection, Sequence[Settled]], None]
    ) -> None:
        self._open = {job.id: job for job in jobs}
        self._store = store
        self._unit = unit
        self._noted: deque[Settled] = deque()
        self._writing: asyncio.Future[list[Settled]] | None = None
        self.fault: BaseException | None = None
        """Why something that was settled could not be written down."""

    async def settle(self, job: Job, verdict: Verdict) -> None:
        self._noted.append((job, verdict))
        self._write()

    async def left(self) -> list[Job]:
        """What is not settled on disk, once everything that was settled has been tried."""
        while self._writing is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._writing])
        return list(self._open.values())

    def _write(self) -> None:
        """One unit at a time; it takes along what was settled by the time its turn has come."""
        if self._writing is None and self._noted:
            try:
                self._writing = self._store.submit(self._all_noted)
            except StoreBusy as fault:
                self._noted.clear()
                self.fault = fault
            else:
                self._writing.add_done_callback(self._written)

    def _all_noted(self, tx: sqlite3.Connection) -> list[Settled]:
        settled = [self._noted.popleft() for _ in range(len(self._noted))]
        self._unit(tx, settled)
        return settled

    def _written(self, ended: asyncio.Future[list[Settled]]) -> None:
        self._writing = None
        if fault := ended.exception():
            self._noted.clear()
            self.fault = fault
            return
        for job, _ in ended.result():
            self._open.pop(job.id, None)
        self._write()


@dataclass(slots=True)
class Worker:
    """One flow at one connection."""

    flow: str
    connector: str
    handler: Handler
    store: Store
    circuit: Circuit
    suspects: anyio.Lock
    """Held while a job runs that was running at three deaths of the process: one for all workers."""
    now: Callable[[], datetime]
    batch: int = 20
    batches_at_once: int = 2
    deadline: timedelta = timedelta(minutes=10)
    bell: Bell = field(default_factory=Bell)
    figures: WorkerFigures = field(default_factory=WorkerFigures)
    stopping: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    _stranded: list[tuple[Job, BaseException, bool]] = field(default_factory=list)
    _most: int = 1_000_000
    """No more in a batch than this: where a call fails now and then, a large batch fails again and again, and all of it
    waits. Half as many after one that failed, twice as many after one that went through."""

    async def run(self) -> None:
        """Until told to stop; what runs then is finished."""
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(self.batches_at_once):
                    tasks.start_soon(self._lane, False)
                tasks.start_soon(self._lane, True)
        finally:
            self.ended.set()

    def stop(self) -> None:
        """Claim nothing more."""
        self.stopping.set()
        self.bell.ring()

    async def _lane(self, alone: bool) -> None:
        while not self.stopping.is_set():
            rings = self.bell.rings
            try:
                if not await self._once(alone=alone) and not self.stopping.is_set():
                    await self._idle(rings)
            except (StoreBusy, TimeoutError, sqlite3.Error) as fault:
                why = plain(fault)
                log.warning("store busy", flow=self.flow, connector=self.connector, why=why)
                with anyio.move_on_after(STORE_PAUSE_SECONDS):
                    await self.stopping.wait()

    async def _idle(self, rings: int) -> None:
        if self.circuit.is_open:
            with anyio.move_on_after(1.0):
                await self.circuit.closed()
            return
        wait = await queue.next_due(
            self.store, flow=self.flow, connector=self.connector, longest=IDLE_LOOK, now=self.now()
        )
        await self.bell.heard(since=rings, within=max(wait, SHORTEST_IDLE))

    async def _once(self, *, alone: bool) -> bool:
        """Claim a batch and run it; False when nothing was due. ``alone``: one suspect, and no other beside it."""
        await self._unstrand()
        if self.circuit.is_open:
            return False
        if not alone:
            return await self._claim_and_run(alone=False)
        if not await self._one_must_run_alone():
            return False
        async with self.suspects:
            if self.stopping.is_set() or self.circuit.is_open:  # since it began to wait
                return False
            return await self._claim_and_run(alone=True)

    async def _claim_and_run(self, *, alone: bool) -> bool:
        jobs = await self.store.write(self._claim(alone))
        if jobs:
            await self._run(jobs)
        return bool(jobs)

    async def _probe(self) -> None:
        """One due job, although the circuit is open: what a circuit opened by content closes on. Raises what it did."""
        jobs = await self.store.write(
            lambda tx: queue.claim(tx, flow=self.flow, connector=self.connector, many=1, now=self.now())
        )
        if not jobs:
            return
        fault: BaseException = RuntimeError("tried while the circuit was open")
        hand = Hand(jobs, self.store, self._settle)
        try:
            await self.handler.handle(jobs, hand.settle)
        except Exception as raised:
            fault = raised
            raise
        finally:
            await self._put_back(await hand.left(), fault, burn=False)

    async def _one_must_run_alone(self) -> bool:
        return await queue.alone_due(self.store, flow=self.flow, connector=self.connector, now=self.now())

    def _claim(self, alone: bool) -> Callable[[sqlite3.Connection], list[Job]]:
        return lambda tx: queue.claim(
            tx, flow=self.flow, connector=self.connector, many=min(self.batch, self._most), now=self.now(), alone=alone
        )

    async def _run(self, jobs: Sequence[Job]) -> None:
        hand = Hand(jobs, self.store, self._settle)
        try:
            with anyio.fail_after(self.deadline.total_seconds()):
                await self.handler.handle(jobs, hand.settle)
        except OpenCircuit as fault:
            await self.circuit.open(fault, again=self._probe)
            await self._put_back(await hand.left(), fault, burn=False)
        except StoreBusy as fault:
            await self._put_back(await hand.left(), fault, burn=False)
        except (Retry, TimeoutError) as fault:
            if not (isinstance(fault, Retry) and fault.after):  # asked to wait: that is no matter of one call of many
                self._most = max(1, len(jobs) // 2)
            await self._put_back(await hand.left(), fault, burn=True)
        except Exception as fault:
            if len(jobs) > 1:  # one of them; its neighbours go on
                await self._each_alone(await hand.left())
                return
            log.exception("job failed", flow=self.flow, connector=self.connector, ref=jobs[0].ref)
            await self._put_back(await hand.left(), fault, burn=True)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._put_back(await hand.left(), BridgeError("stopped"), burn=False)
            raise
        else:
            self._most = max(self._most, 2 * len(jobs))
            await self._unsettled(await hand.left(), hand.fault, alone=len(jobs) == 1)

    async def _unsettled(self, left: Sequence[Job], fault: BaseException | None, *, alone: bool) -> None:
        """What came back from its flow and is not settled: forgotten by it, or it could not be written down."""
        if fault is None or isinstance(fault, StoreBusy) or alone:
            why = fault or BridgeError("left unsettled by its flow")
            await self._put_back(left, why, burn=not isinstance(why, StoreBusy))
        else:
            await self._each_alone(left)

    async def _each_alone(self, jobs: Sequence[Job]) -> None:
        """A batch of one each: what failed together shows which of them it was."""
        for place, job in enumerate(jobs, start=1):
            try:
                await self._run([job])
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._put_back(jobs[place:], BridgeError("stopped"), burn=False)
                raise

    def _settle(self, tx: sqlite3.Connection, settled: Sequence[Settled]) -> None:
        now = self.now()
        ended: dict[str, list[Job]] = {}
        for job, verdict in settled:
            if isinstance(verdict, Done):
                ended.setdefault(verdict.reason, []).append(job)
            else:
                self._again(tx, job, verdict, now)
        for reason, jobs in ended.items():
            queue.done(tx, *jobs, now=now, reason=reason)
            self.figures.done += len(jobs)
            self.figures.last_success = now

    def _again(self, tx: sqlite3.Connection, job: Job, verdict: Again, now: datetime) -> None:
        due, anew = now + verdict.after, now if verdict.anew else None
        queue.put_back(tx, job.id, due=due, reason=verdict.reason, burn=verdict.burn, anew=anew)
        self.figures.again += 1

    async def _put_back(self, jobs: Iterable[Job], fault: BaseException, *, burn: bool) -> None:
        left = list(jobs)
        if not left:
            return
        self._stranded += [(job, fault, burn) for job in left]
        await self._unstrand()

    async def _unstrand(self) -> None:
        """Put back what is held in hand; what the store cannot take stays in hand, never forgotten as running."""
        held, self._stranded = self._stranded, []
        try:
            while held:
                _, fault, burn = held[0]
                await self._let_go([job for job, cause, _ in held if cause is fault], fault, burn=burn)
                held = [one for one in held if one[1] is not fault]
        finally:
            self._stranded += held

    async def _let_go(self, left: Sequence[Job], fault: BaseException, *, burn: bool) -> None:
        reason = plain(fault)
        if burn:
            self.figures.failed += len(left)
            self.figures.last_failure = reason
        await self.store.write(lambda tx: self._again_or_dead(tx, left, fault, reason, burn=burn))

    def _again_or_dead(
        self, tx: sqlite3.Connection, jobs: Sequence[Job], fault: BaseException, reason: str, *, burn: bool
    ) -> None:
        now = self.now()
        asked = fault.after if isinstance(fault, Retry) else None
        for job in jobs:
            if burn and job.attempts >= DEAD_AFTER_ATTEMPTS and not isinstance(fault, Retry):
                queue.dead(tx, job, now=now, reason=reason)
                continue
            wait = asked or backoff(job.attempts, chance=random.random)
            if isinstance(fault, OpenCircuit):
                wait = timedelta(0)  # it waits for the circuit, not for a time
            queue.put_back(tx, job.id, due=now + wait, reason=reason, burn=burn)
