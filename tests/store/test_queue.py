"""At most one waits, never two of one key at once, nothing is lost on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bcbridge.model.work import Job
from bcbridge.store import queue
from bcbridge.store.db import Store, connect
from bcbridge.store.queue import BULK, NOW, Wish
from bcbridge.store.stamps import stamp
from tests.stores import empty_store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    empty_store(tmp_path / "bcbridge.db")
    connection = connect(tmp_path / "bcbridge.db")
    yield connection
    connection.close()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def wish(
    ref: str,
    *,
    flow: str = "orders",
    connector: str = "shop",
    key: str = "",
    due: float = 0,
    wanted: float | None = None,
    priority: int = NOW,
) -> Wish:
    return Wish(
        flow=flow,
        connector=connector,
        ref=ref,
        ordering_key=key,
        due=at(due),
        wanted=None if wanted is None else at(wanted),
        priority=priority,
    )


def put(tx: sqlite3.Connection, *wishes: Wish, now: float = 0) -> None:
    queue.enqueue(tx, wishes, now=at(now))


def claim(
    tx: sqlite3.Connection,
    *,
    flow: str = "orders",
    connector: str = "shop",
    many: int = 20,
    now: float = 0,
    alone: bool = False,
) -> list[Job]:
    return queue.claim(tx, flow=flow, connector=connector, many=many, now=at(now), alone=alone)


def refs(jobs: list[Job]) -> list[str]:
    return [job.ref for job in jobs]


def states(tx: sqlite3.Connection) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute("SELECT state, count(*) FROM jobs GROUP BY state")}


# -- waiting once ----------------------------------------------------------------------------------------------


def test_at_most_one_waits_per_flow_connector_and_ref(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"), wish("1"), wish("1", connector="other"), wish("1", flow="stock"))
    put(tx, wish("1"))
    assert states(tx) == {"waiting": 3}


def test_a_second_wish_only_makes_it_more_urgent(tx: sqlite3.Connection) -> None:
    put(tx, wish("1", due=50, priority=BULK, wanted=10))
    put(tx, wish("1", due=90, priority=NOW, wanted=5))
    row = tx.execute("SELECT * FROM jobs").fetchone()
    assert (row["due_at"], row["priority"], row["wanted"]) == (stamp(at(50)), NOW, stamp(at(10)))
    put(tx, wish("1", due=0, priority=BULK, wanted=20))
    row = tx.execute("SELECT * FROM jobs").fetchone()
    assert (row["due_at"], row["priority"], row["wanted"]) == (stamp(at(0)), NOW, stamp(at(20)))


def test_a_wish_without_a_stamp_asks_for_a_fresh_look_whatever_it_meets(tx: sqlite3.Connection) -> None:
    put(tx, wish("1", wanted=5), now=1)
    put(tx, wish("1"), now=2)
    put(tx, wish("1", wanted=9), now=3)
    (job,) = claim(tx)
    assert (job.wanted, job.enqueued) == (None, at(3))


def test_a_retry_meets_its_twin(tx: sqlite3.Connection) -> None:
    put(tx, wish("1", wanted=5))
    (job,) = claim(tx)
    put(tx, wish("1", wanted=9))
    queue.put_back(tx, job.id, due=at(60), reason="asked to wait")
    row = tx.execute("SELECT * FROM jobs").fetchone()
    assert states(tx) == {"waiting": 1}
    assert (row["attempts"], row["due_at"], row["wanted"]) == (1, stamp(at(0)), stamp(at(9)))


def test_recovery_meets_a_twin(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    claim(tx)
    put(tx, wish("1"))
    assert queue.recover(tx, now=at(1)) == (1, 0)
    assert states(tx) == {"waiting": 1}
    assert tx.execute("SELECT deaths FROM jobs").fetchone()["deaths"] == 1


# -- one key at a time -----------------------------------------------------------------------------------------


def test_two_jobs_of_one_key_never_run_at_once_across_flows(tx: sqlite3.Connection) -> None:
    put(tx, wish("1", key="shop/1"), wish("SU1P1G1", flow="doubts", connector="erp", key="shop/1"))
    (job,) = claim(tx)
    assert claim(tx, flow="doubts", connector="erp") == []
    queue.done(tx, job, now=at(1))
    assert refs(claim(tx, flow="doubts", connector="erp")) == ["SU1P1G1"]


def test_a_batch_never_holds_one_key_twice(tx: sqlite3.Connection) -> None:
    put(tx, wish("P1", key="shop/1"), wish("P2", key="shop/1"), wish("3"))
    assert sorted(refs(claim(tx))) == ["3", "P1"]


def test_a_job_in_back_off_holds_no_key(tx: sqlite3.Connection) -> None:
    put(tx, wish("1", key="shop/1"), wish("SU1P1G1", flow="doubts", connector="erp", key="shop/1"))
    (job,) = claim(tx)
    queue.put_back(tx, job.id, due=at(600), reason="later")
    assert refs(claim(tx, flow="doubts", connector="erp")) == ["SU1P1G1"]


# -- claiming --------------------------------------------------------------------------------------------------


def test_only_what_is_due_is_claimed_the_urgent_first(tx: sqlite3.Connection) -> None:
    put(tx, wish("bulk", priority=BULK), wish("later", due=60), wish("now", due=5), wish("first", due=1))
    assert refs(claim(tx, now=10)) == ["first", "now", "bulk"]
    assert refs(claim(tx, now=59)) == []
    assert refs(claim(tx, now=60)) == ["later"]


def test_no_more_than_asked_are_claimed_and_bulk_fills_what_is_left(tx: sqlite3.Connection) -> None:
    put(tx, *(wish(f"n{number}") for number in range(3)), *(wish(f"b{n}", priority=BULK) for n in range(5)))
    assert refs(claim(tx, many=2)) == ["n0", "n1"]
    assert refs(claim(tx, many=2)) == ["n2", "b0"]


def test_attempts_are_counted_when_a_job_is_claimed(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    for attempt in range(1, 4):
        (job,) = claim(tx)
        assert job.attempts == attempt
        queue.put_back(tx, job.id, due=at(0), reason="no")


def test_an_attempt_that_does_not_count_is_given_back(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    for _ in range(3):
        (job,) = claim(tx)
        assert job.attempts == 1
        queue.put_back(tx, job.id, due=at(0), reason="the circuit is open", burn=False)


def test_what_ended_is_not_put_back(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    (job,) = claim(tx)
    queue.done(tx, job, now=at(1))
    queue.put_back(tx, job.id, due=at(0), reason="too late")
    queue.dead(tx, job, now=at(1), reason="too late")
    assert states(tx) == {"done": 1}


# -- deaths ----------------------------------------------------------------------------------------------------


def die(tx: sqlite3.Connection, times: int, *, alone_from: int = 3) -> None:
    for death in range(times):
        assert claim(tx, alone=death >= alone_from)
        queue.recover(tx, now=at(0))


def test_after_three_deaths_it_is_only_claimed_alone(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    die(tx, 3)
    put(tx, wish("2"))
    assert refs(claim(tx)) == ["2"]
    assert refs(claim(tx, alone=True)) == ["1"]
    assert claim(tx, alone=True) == []


def test_after_ten_deaths_it_is_dead(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    die(tx, 10)
    assert states(tx) == {"dead": 1}
    assert "10 times" in tx.execute("SELECT reason FROM jobs").fetchone()["reason"]


# -- cost and upkeep -------------------------------------------------------------------------------------------


def test_a_claim_walks_through_nothing(tx: sqlite3.Connection) -> None:
    parameters = {"flow": "f", "connector": "c", "now": "n", "many": 1, "priority": 0}
    plan = [row["detail"] for row in tx.execute(f"EXPLAIN QUERY PLAN {queue._CLAIM}", parameters)]
    assert any("jobs_due (flow=? AND connector=? AND priority=? AND due_at<?)" in line for line in plan), plan
    assert any("jobs_running (ordering_key=?)" in line for line in plan), plan
    assert not [line for line in plan if line.startswith("SCAN jobs") or line == "SCAN waiting"]


def test_so_does_a_claim_of_one_that_must_run_alone(tx: sqlite3.Connection) -> None:
    parameters = {"flow": "f", "connector": "c", "now": "n"}
    plan = [row["detail"] for row in tx.execute(f"EXPLAIN QUERY PLAN {queue._CLAIM_ALONE}", parameters)]
    assert any("jobs_alone" in line for line in plan), plan
    assert str(queue.ALONE_AFTER_DEATHS) in queue._CLAIM_ALONE


def test_jobs_that_wait_for_later_cost_a_claim_nothing(tx: sqlite3.Connection) -> None:
    """5,000 orders that are not_yet until tomorrow stand before the bulk that is due."""
    put(tx, *(wish(f"t{number}", due=86400) for number in range(5_000)), wish("due", priority=BULK))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    tx.set_progress_handler(count, 100)
    assert refs(claim(tx)) == ["due"]
    assert steps < 50


def test_finished_jobs_are_forgotten_in_small_steps_and_no_others(tx: sqlite3.Connection) -> None:
    put(tx, *(wish(f"{number}") for number in range(10)))
    for job in claim(tx, many=7):
        queue.done(tx, job, now=at(10))
    assert queue.prune(tx, ended_before=at(5)) == 0
    assert queue.prune(tx, ended_before=at(20), step=5) == 5
    assert queue.prune(tx, ended_before=at(20), step=5) == 2
    assert states(tx) == {"waiting": 3}


def test_hurried_are_those_of_the_flow_and_only_so_many(tx: sqlite3.Connection) -> None:
    put(tx, *(wish(f"{number}", due=60 + number) for number in range(4)), wish("other", flow="stock", due=60))
    queue.hurry(tx, flow="orders", connector="shop", many=2, now=at(1))
    assert refs(claim(tx, now=1)) == ["0", "1"]
    assert claim(tx, flow="stock", now=1) == []


# -- whatever happens in whatever order ------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Enqueue, claim, finish, put back, die: the rules hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.tx = sqlite3.connect(":memory:", isolation_level=None)
        self.tx.row_factory = sqlite3.Row
        for step in sorted((Path(queue.__file__).parent / "migrations").glob("*.sql")):
            self.tx.executescript(step.read_text())
        self.now = 0.0
        self.running: list[Job] = []
        self.asked: set[tuple[str, str]] = set()
        """What was asked for and not handled since."""

    places = st.sampled_from([("orders", "shop"), ("doubts", "erp")])
    numbers = st.sampled_from("1234")

    @rule(place=places, ref=numbers, key=numbers, due=st.integers(0, 5), priority=st.sampled_from([NOW, BULK]))
    def enqueue(self, place: tuple[str, str], ref: str, key: str, due: int, priority: int) -> None:
        put(
            self.tx,
            wish(ref, flow=place[0], connector=place[1], key=key, due=self.now + due, priority=priority),
            now=self.now,
        )
        self.asked.add((place[0], ref))

    @rule(place=places, many=st.integers(1, 3), alone=st.booleans())
    def claim(self, place: tuple[str, str], many: int, alone: bool) -> None:
        self.running += claim(self.tx, flow=place[0], connector=place[1], many=many, now=self.now, alone=alone)

    @precondition(lambda self: self.running)
    @rule(place=st.integers(0, 5))
    def finish(self, place: int) -> None:
        job = self.running.pop(place % len(self.running))
        queue.done(self.tx, job, now=at(self.now))
        waits = self.tx.execute(
            "SELECT 1 FROM jobs WHERE flow = ? AND ref = ? AND state = 'waiting'", (job.flow, job.ref)
        )
        if waits.fetchone() is None:
            self.asked.discard((job.flow, job.ref))

    @precondition(lambda self: self.running)
    @rule(place=st.integers(0, 5), after=st.integers(0, 5), burn=st.booleans())
    def put_back(self, place: int, after: int, burn: bool) -> None:
        job = self.running.pop(place % len(self.running))
        queue.put_back(self.tx, job.id, due=at(self.now + after), reason="again", burn=burn)

    @rule()
    def die(self) -> None:
        queue.recover(self.tx, now=at(self.now))
        self.running = []
        dead = self.tx.execute("DELETE FROM jobs WHERE state = 'dead' RETURNING flow, ref").fetchall()
        self.asked -= {(row["flow"], row["ref"]) for row in dead}

    @rule(seconds=st.integers(1, 10))
    def tick(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def no_key_runs_twice(self) -> None:
        keys = [row[0] for row in self.tx.execute("SELECT ordering_key FROM jobs WHERE state = 'running'")]
        assert len(keys) == len(set(keys))

    @invariant()
    def at_most_one_waits(self) -> None:
        waiting = [tuple(row) for row in self.tx.execute("SELECT flow, ref FROM jobs WHERE state = 'waiting'")]
        assert len(waiting) == len(set(waiting))

    @invariant()
    def nothing_is_lost(self) -> None:
        kept = {tuple(row) for row in self.tx.execute("SELECT flow, ref FROM jobs WHERE state <> 'done'")}
        assert self.asked <= kept

    def teardown(self) -> None:
        self.tx.close()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# -- given up ----------------------------------------------------------------------------------------------------


def standing(tx: sqlite3.Connection) -> list[str]:
    return [row["fingerprint"] for row in tx.execute("SELECT fingerprint FROM incidents WHERE closed_at IS NULL")]


def test_what_is_given_up_is_an_incident_until_it_is_done_after_all(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"), wish("2"))
    for job in claim(tx):
        queue.dead(tx, job, now=at(1), reason="our fault")
    assert standing(tx) == ["job_dead/shop/orders/1", "job_dead/shop/orders/2"]
    put(tx, wish("1"))
    queue.done(tx, *claim(tx), now=at(2))
    assert standing(tx) == ["job_dead/shop/orders/2"]
    assert states(tx) == {"dead": 1, "done": 1}


def test_what_ends_the_process_each_time_is_an_incident_of_its_own(tx: sqlite3.Connection) -> None:
    put(tx, wish("1"))
    die(tx, 10)
    assert standing(tx) == ["job_dead/shop/orders/1"]
    put(tx, wish("1"))
    queue.done(tx, *claim(tx), now=at(2))
    assert standing(tx) == []


# -- what is still open ------------------------------------------------------------------------------------------


async def fail(store: Store, times: int, *refs: str) -> None:
    """Looks at these come to nothing so often."""
    for _ in range(times):
        for job in await store.write(lambda tx: [one for one in claim(tx) if one.ref in refs]):
            await store.write(partial(queue.put_back, job_id=job.id, due=at(0), reason="no answer"))


@pytest.mark.parametrize(("failing", "left"), [(1, 9), (3, 7), (4, 10)])
async def test_a_few_that_fail_again_and_again_are_not_waited_for_and_many_are(
    tmp_path: Path, failing: int, left: int
) -> None:
    async with Store(empty_store(tmp_path / "jobs.db")).opened() as store:
        refs = [str(number) for number in range(10)]
        await store.write(lambda tx: put(tx, *(wish(ref) for ref in refs[:failing])))
        await fail(store, 8, *refs[:failing])
        await store.write(lambda tx: put(tx, *(wish(ref) for ref in refs[failing:])))
        found = await queue.open_refs(store, flow="orders", connector="shop", tries=8, few=3)
        assert len(found) == left
