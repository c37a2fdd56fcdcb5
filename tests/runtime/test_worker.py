"""The engine runs each job, one of a key at a time, and forgets none."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.work import Again, Done, Job, Settle
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.worker import DEAD_AFTER_ATTEMPTS, Bell, Worker
from bcbridge.store import queue
from bcbridge.store.db import Store
from bcbridge.store.queue import Wish
from bcbridge.store.stamps import stamp
from tests.runtime.kit import Clock, QuietConnector, locked, until
from tests.stores import empty_store

Work = Callable[[Sequence[Job], Settle], Awaitable[None]]


async def settles(jobs: Sequence[Job], settle: Settle) -> None:
    for job in jobs:
        await settle(job, Done("fine"))


@dataclass
class Flow:
    """A flow of ten lines: does what ``work`` does, remembers what it was given."""

    work: Work = settles
    given: list[list[str]] = field(default_factory=list)

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None:
        self.given.append([job.ref for job in jobs])
        await self.work(jobs, settle)


def fails(fault: Exception, *refs: str) -> Work:
    """Settles up to the first of these refs (all, where none is named), then raises."""

    async def work(jobs: Sequence[Job], settle: Settle) -> None:
        for job in jobs:
            if not refs or job.ref in refs:
                raise fault
            await settle(job, Done())

    return work


@dataclass
class Shop:
    """One worker on a real store."""

    store: Store
    clock: Clock
    flow: Flow
    worker: Worker
    circuit: Circuit

    async def ask(self, *refs: str, flow: str = "orders", deaths: int = 0) -> None:
        def unit(tx: sqlite3.Connection) -> None:
            wishes = [Wish(flow, "shop", ref, self.clock()) for ref in refs]
            queue.enqueue(tx, wishes, now=self.clock())
            tx.execute("UPDATE jobs SET deaths = max(deaths, ?)", (deaths,))

        await self.store.write(unit)
        self.worker.bell.ring()

    async def jobs(self, column: str = "state") -> dict[str, object]:
        rows = await self.store.read.rows(f"SELECT ref, {column} AS said FROM jobs ORDER BY id")
        return {row["ref"]: row["said"] for row in rows}

    async def quiet(self) -> bool:
        return not set((await self.jobs()).values()) & {"waiting", "running"}

    async def once(self, *, alone: bool = False) -> bool:
        return await self.worker._once(alone=alone)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as lines:
        yield lines


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    clock, flow = Clock(), Flow()
    async with Store(empty_store(folder / "bcbridge.db")).opened() as store:
        circuit = Circuit(QuietConnector(), store, now=clock)
        worker = Worker("orders", "shop", flow, store, circuit, anyio.Lock(), clock)
        yield Shop(store, clock, flow, worker, circuit)


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path) as made:
        yield made


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for worker in workers:
            tasks.start_soon(worker.run)
        yield
        for worker in workers:
            worker.stop()


# -- settling --------------------------------------------------------------------------------------------------


async def test_each_job_is_settled(s: Shop) -> None:
    async with running(s.worker):
        await s.ask("1", "2", "3")
        await until(s.quiet)
    assert await s.jobs() == {"1": "done", "2": "done", "3": "done"}
    assert await s.jobs("reason") == {"1": "fine", "2": "fine", "3": "fine"}
    assert s.worker.figures.done == 3


async def test_again_waits_and_burns_no_attempt(s: Shop) -> None:
    async def again(jobs: Sequence[Job], settle: Settle) -> None:
        await settle(jobs[0], Again(timedelta(seconds=60), "not yet"))

    s.flow.work = again
    await s.ask("1")
    assert await s.once()
    assert not await s.once()
    s.clock.tick(60)
    assert await s.once()
    assert await s.jobs("attempts") == {"1": 0}


async def test_what_a_flow_leaves_unsettled_comes_back(s: Shop) -> None:
    async def forgets(jobs: Sequence[Job], settle: Settle) -> None:
        await settle(jobs[0], Done())

    s.flow.work = forgets
    await s.ask("1", "2")
    await s.once()
    assert await s.jobs() == {"1": "done", "2": "waiting"}
    assert await s.jobs("attempts") == {"1": 1, "2": 1}


async def test_many_are_settled_in_few_commits(s: Shop) -> None:
    s.worker.batch = 100
    await s.ask(*map(str, range(100)))
    before = s.store.figures.commits
    await s.once()
    assert set((await s.jobs()).values()) == {"done"}
    assert s.store.figures.commits - before < 20


async def test_one_that_cannot_be_settled_keeps_no_other_from_it(s: Shop) -> None:
    async def oddly(jobs: Sequence[Job], settle: Settle) -> None:
        for job in jobs:
            await settle(job, Done("\udc80 is no text" if job.ref == "2" else "fine"))

    s.flow.work = oddly
    await s.ask("1", "2", "3")
    await s.once()
    assert await s.jobs() == {"1": "done", "3": "done", "2": "waiting"}


# -- failing ---------------------------------------------------------------------------------------------------


async def test_an_open_circuit_puts_back_without_burning(s: Shop) -> None:
    s.flow.work = fails(OpenCircuit("key revoked"))
    await s.ask("1", "2")
    await s.once()
    assert s.circuit.is_open
    assert await s.jobs() == {"1": "waiting", "2": "waiting"}
    assert await s.jobs("attempts") == {"1": 0, "2": 0}
    assert not await s.once()


async def test_jobs_go_on_when_the_circuit_closes(s: Shop) -> None:
    s.flow.work = fails(OpenCircuit("down"))
    async with running(s.worker):
        await s.ask("1")
        await until(lambda: bool(s.circuit.is_open))
        s.flow.work = settles
        await s.circuit.close()
        await until(s.quiet)
    assert await s.jobs() == {"1": "done"}


async def test_an_exception_backs_off_and_its_neighbours_go_on(s: Shop) -> None:
    """One odd order in a batch never stands in the way of the others."""
    s.flow.work = fails(KeyError("odd"), "2")
    await s.ask("1", "2", "3", "4")
    await s.once()
    assert await s.jobs() == {"1": "done", "3": "done", "4": "done", "2": "waiting"}
    assert not await s.once()
    s.clock.tick(1)
    assert await s.once()


async def test_the_wait_grows(s: Shop) -> None:
    s.flow.work = fails(KeyError("odd"))
    await s.ask("1")
    waits: list[float] = []
    for _ in range(6):
        await s.once()
        due = await s.store.read.row("SELECT due_at FROM jobs")
        assert due is not None
        before = s.clock()
        while not await s.store.read.row("SELECT 1 FROM jobs WHERE due_at <= ?", (stamp(s.clock()),)):
            s.clock.tick(0.25)
        waits.append((s.clock() - before).total_seconds())
    assert waits[0] <= 1.25
    assert waits[0] < waits[2] < waits[5]


async def test_asked_to_wait_waits_so_long(s: Shop) -> None:
    s.flow.work = fails(Retry("429", after=timedelta(seconds=77)))
    await s.ask("1")
    await s.once()
    assert (await s.jobs("due_at"))["1"] == stamp(s.clock() + timedelta(seconds=77))


async def test_after_many_attempts_it_is_dead_and_an_incident(s: Shop) -> None:
    s.flow.work = fails(KeyError("odd"))
    await s.ask("1", "2")
    await s.once()
    assert await s.jobs() == {"1": "waiting", "2": "waiting"}
    await s.store.write(lambda tx: tx.execute("UPDATE jobs SET attempts = ?", (DEAD_AFTER_ATTEMPTS - 1,)))
    s.clock.tick(301)
    await s.once()
    assert await s.jobs() == {"1": "dead", "2": "dead"}
    codes = [row["code"] for row in await s.store.read.rows("SELECT code FROM incidents")]
    assert codes == ["job_dead", "job_dead"]


async def test_being_asked_to_come_again_never_kills_a_job(s: Shop) -> None:
    s.flow.work = fails(Retry("busy"))
    await s.ask("1")
    for _ in range(DEAD_AFTER_ATTEMPTS + 5):
        s.clock.tick(301)
        await s.once()
    assert await s.jobs() == {"1": "waiting"}


async def test_what_fails_in_a_crowd_goes_on_in_smaller_ones(s: Shop) -> None:
    s.flow.work = fails(Retry("one call of many"))
    await s.ask(*"abcdefgh")
    for size in (8, 4, 2, 1):
        assert await s.once()
        assert len(s.flow.given[-1]) == size
        s.clock.tick(600)
    s.flow.work = settles
    for size in (1, 2, 4):
        assert await s.once()
        assert len(s.flow.given[-1]) == size


async def test_who_asks_to_wait_is_asked_by_as_many_as_before(s: Shop) -> None:
    s.flow.work = fails(Retry("429", after=timedelta(seconds=1)))
    await s.ask(*"abcd")
    for _ in range(2):
        assert await s.once()
        assert len(s.flow.given[-1]) == 4
        s.clock.tick(600)


async def test_a_store_that_is_busy_burns_nothing_and_loses_nothing(s: Shop) -> None:
    others: list[sqlite3.Connection] = []

    async def then_locked(jobs: Sequence[Job], settle: Settle) -> None:
        others.append(await locked(s.store.path))
        s.flow.work = settles
        await settles(jobs, settle)

    s.flow.work = then_locked
    await s.ask("1", "2")
    async with running(s.worker):
        await until(lambda: s.store.figures.failed_groups >= 2)  # neither settled nor put back: it stays in hand
        others[0].close()

        async def in_time() -> bool:
            s.clock.tick(1)
            s.worker.bell.ring()
            return await s.quiet()

        await until(in_time)
    assert await s.jobs() == {"1": "done", "2": "done"}
    assert await s.jobs("attempts") == {"1": 1, "2": 1}


# -- stopping --------------------------------------------------------------------------------------------------


async def test_stop_finishes_what_runs_and_claims_nothing_more(s: Shop) -> None:
    go_on = anyio.Event()

    async def slow(jobs: Sequence[Job], settle: Settle) -> None:
        await go_on.wait()
        await settles(jobs, settle)

    s.flow.work = slow
    s.worker.batch = 1
    await s.ask("1", "2", "3", "4")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(s.worker.run)
        await until(lambda: len(s.flow.given) == s.worker.batches_at_once)
        s.worker.stop()
        go_on.set()
        with anyio.fail_after(5):
            await s.worker.ended.wait()
    assert sorted(str(state) for state in (await s.jobs()).values()) == ["done", "done", "waiting", "waiting"]


async def test_an_idle_worker_stops_at_once(s: Shop) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(s.worker.run)
        await anyio.sleep(0.1)
        s.worker.stop()
        with anyio.fail_after(2):
            await s.worker.ended.wait()


async def test_cancelled_work_waits_again_and_burns_nothing(s: Shop) -> None:
    async def hangs(jobs: Sequence[Job], settle: Settle) -> None:
        await anyio.sleep_forever()

    s.flow.work = hangs
    await s.ask("1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(s.worker.run)
        await until(lambda: bool(s.flow.given))
        tasks.cancel_scope.cancel()
    assert await s.jobs() == {"1": "waiting"}
    assert await s.jobs("attempts") == {"1": 0}


# -- beside each other -----------------------------------------------------------------------------------------


async def test_suspects_run_each_alone_and_not_beside_each_other(s: Shop) -> None:
    inside: set[str] = set()
    together: set[frozenset[str]] = set()

    async def counts(jobs: Sequence[Job], settle: Settle) -> None:
        inside.update(job.ref for job in jobs)
        together.add(frozenset(inside))
        await anyio.sleep(0.01)
        inside.difference_update(job.ref for job in jobs)
        await settles(jobs, settle)

    other_flow = Flow(counts)
    other = Worker("looks", "shop", other_flow, s.store, s.circuit, s.worker.suspects, s.clock)
    s.flow.work = counts
    await s.ask("1", "2", deaths=3)
    await s.ask("3", "4", flow="looks", deaths=3)
    async with running(s.worker, other):
        await until(s.quiet)
    assert together == {frozenset({one}) for one in "1234"}


async def test_while_a_suspect_hangs_all_else_goes_on(s: Shop) -> None:
    async def hangs(jobs: Sequence[Job], settle: Settle) -> None:
        if jobs[0].ref == "suspect":
            await anyio.sleep_forever()
        await settles(jobs, settle)

    s.flow.work = hangs
    await s.ask("suspect", deaths=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(s.worker.run)
        await until(lambda: s.flow.given == [["suspect"]])
        await s.ask("1", "2")
        await until(lambda: s.worker.figures.done == 2)
        tasks.cancel_scope.cancel()


async def test_a_suspect_that_waited_for_another_is_not_begun_after_the_stop(s: Shop) -> None:
    await s.ask("1", deaths=3)
    async with anyio.create_task_group() as tasks, s.worker.suspects:
        tasks.start_soon(s.worker.run)
        await until(lambda: s.worker.suspects.statistics().tasks_waiting == 1)
        s.worker.stop()
    assert s.flow.given == []
    assert await s.jobs() == {"1": "waiting"}


async def test_whatever_kills_the_process_each_time_is_given_up_and_nothing_beside_it(s: Shop) -> None:
    """Each life claims as the lanes do, two batches and one suspect; one that holds the killer ends."""
    others = [str(number) for number in range(9)]  # each life takes them all, until they are suspects
    await s.ask("killer", *others)

    def life(tx: sqlite3.Connection) -> None:
        claim = partial(queue.claim, tx, flow="orders", connector="shop", many=5, now=s.clock())
        claimed = [*claim(), *claim(), *claim(alone=True)]
        if any(job.ref == "killer" for job in claimed):
            queue.recover(tx, now=s.clock())
        else:
            queue.done(tx, *claimed, now=s.clock())

    for _ in range(100):
        await s.store.write(life)
        s.clock.tick(1)
    assert await s.jobs() == {"killer": "dead", **dict.fromkeys(others, "done")}


async def test_a_slow_flow_does_not_hold_another(s: Shop) -> None:
    async def hangs(jobs: Sequence[Job], settle: Settle) -> None:
        await anyio.sleep_forever()

    stock = Flow(hangs)
    other = Worker("stock", "shop", stock, s.store, s.circuit, s.worker.suspects, s.clock)
    await s.ask("1", flow="stock")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other.run)
        tasks.start_soon(s.worker.run)
        await until(lambda: bool(stock.given))
        await s.ask("2")

        async def handled() -> bool:
            return (await s.jobs())["2"] == "done"

        await until(handled)
        tasks.cancel_scope.cancel()


async def test_a_channel_that_never_answers_slows_no_other(tmp_path: Path) -> None:
    """By a clock that only the good channel's work moves: ten seconds a batch, so any waiting would show."""
    assert await seconds_of_work(tmp_path / "beside", silent=True) <= 1.1 * await seconds_of_work(tmp_path / "alone")


async def seconds_of_work(folder: Path, *, silent: bool = False) -> float:
    """What two hundred jobs take, with or without two thousand waiting at a channel that is silent."""
    folder.mkdir()
    async with shop(folder) as s:

        async def works(jobs: Sequence[Job], settle: Settle) -> None:
            s.clock.tick(10)
            await settles(jobs, settle)

        async def hangs(jobs: Sequence[Job], settle: Settle) -> None:
            await anyio.sleep_forever()

        s.flow.work = works
        hole = Worker("orders", "hole", Flow(hangs), s.store, s.circuit, s.worker.suspects, s.clock)
        wishes = [Wish("orders", "hole", str(number), s.clock()) for number in range(2_000)]
        await s.store.write(lambda tx: queue.enqueue(tx, wishes, now=s.clock()))
        await s.ask(*map(str, range(200)))
        began = s.clock()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.worker.run)
            if silent:
                tasks.start_soon(hole.run)
            await until(lambda: s.worker.figures.done == 200)
            tasks.cancel_scope.cancel()
        return (s.clock() - began).total_seconds()


# -- the bell --------------------------------------------------------------------------------------------------


async def test_a_ring_before_listening_is_heard() -> None:
    bell = Bell()
    since = bell.rings
    bell.ring()
    with anyio.fail_after(1):
        assert await bell.heard(since=since, within=timedelta(hours=1))


async def test_a_ring_wakes_everyone_also_after_somebody_gave_up_listening() -> None:
    bell = Bell()
    heard: list[bool] = []

    async def listen(within: float) -> None:
        heard.append(await bell.heard(since=0, within=timedelta(seconds=within)))

    async with anyio.create_task_group() as tasks:
        for within in (0.01, 60, 60):
            tasks.start_soon(listen, within)
        await anyio.sleep(0.05)
        bell.ring()
    assert heard == [False, True, True]
