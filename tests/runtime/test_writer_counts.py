"""Killed at any await, what is counted is the same: around the outbox row, the post, the read-back, the link."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.errors import PostingClosed, Retry
from bcbridge.model.answers import Doubtful, Rejected
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.plan import Plan
from bcbridge.model.stock import Asked, OrderLook
from bcbridge.runtime.writer import STEPS, StepObserver
from bcbridge.store import acts
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import demand
from tests.runtime.kit import CHANNEL, Bench, Killed, accepts, answers, bench, not_sent, ref_of

DRESS, SKIRT = "012345678905", "036000291452"
PARTS = (((DRESS, 2),), ((SKIRT, 1),))


@pytest.fixture
async def b(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        yield made


async def looked_at(b: Bench, number: int = 1, dresses: int = 2, skirts: int = 1) -> None:
    counts = ((DRESS, dresses), (SKIRT, skirts))
    lines = tuple(Asked(Upc(sku), Ref(""), "NJ1", count, count) for sku, count in counts)
    look = OrderLook(ref_of(number), b.clock(), b.clock(), lines)
    await b.store.write(lambda tx: demand.looked(tx, CHANNEL, look, now=b.clock()))


async def counted(b: Bench, as_of: datetime | None = None) -> dict[str, int]:
    """N by SKU beside a figure that was taken then; without a moment, beside one that contains nothing."""
    rows = await b.store.read.rows(
        "SELECT sku, sum(qty) AS qty FROM stock_demand"
        " WHERE state <> 'void' AND (state <> 'posted' OR posted_by >= ?) GROUP BY sku",
        (stamp(as_of) if as_of else "",),
    )
    return {row["sku"]: row["qty"] for row in rows}


async def states(b: Bench) -> dict[str, str]:
    rows = await b.store.read.rows("SELECT DISTINCT sku, state FROM stock_demand WHERE state <> 'void' ORDER BY sku")
    return {row["sku"]: row["state"] for row in rows}


def death_at(b: Bench, deadly: str, of: str = "") -> StepObserver:
    async def on_step(step: str, reference: Reference) -> None:
        if step == deadly and reference.startswith(of):
            raise await b.death()

    return on_step


async def unobserved(step: str, reference: Reference) -> None:
    """Nobody dies."""


async def survive(b: Bench, work: Callable[[], Awaitable[object]]) -> bool:
    """Whether the process died of it; then it has begun anew on what was on disk."""
    try:
        await work()
    except Killed as killed:
        b.writer.on_step = unobserved
        await b.rise(killed)
        return True
    except (PostingClosed, Retry):
        pass
    return False


ASKED = {DRESS: 2, SKIRT: 1}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("part", ["SU1P1G1", "SU1P2G1"])
async def test_killed_at_any_await_the_number_is_the_same(b: Bench, step: str, part: str) -> None:
    """From the look to the figure; whatever comes of the order, its pieces count once, and then no more."""
    await looked_at(b)
    assert await counted(b) == ASKED
    plan = await b.plan(1, *PARTS)
    b.writer.on_step = death_at(b, step, "SU1" if step in ("before_row", "after_cut") else part)
    await survive(b, lambda: b.writer.carry(plan))
    assert await counted(b) == ASKED
    for _ in range(8):
        b.clock.tick(400)
        await survive(b, lambda: b.writer.carry(plan))
        assert await counted(b) == ASKED
        b.erp.post()
        await survive(b, b.writer.confirm_posted)
        assert await counted(b) == ASKED
        await survive(b, lambda: b.read_back(wait=1))
        assert await counted(b) == ASKED
        await b.evidence(first=900 + 10 * _)
        await b.store.write(_forget_others)
    assert await states(b) == {DRESS: "posted", SKIRT: "posted"}
    assert await counted(b, b.clock() + timedelta(days=1)) == {}


def _forget_others(tx: sqlite3.Connection) -> None:
    """What was only booked to be evidence."""
    tx.execute("DELETE FROM stock_demand WHERE order_ref <> ?", (ref_of(1),))


async def test_a_process_that_died_during_the_call_has_sent_it(b: Bench) -> None:
    await looked_at(b)
    plan = await b.plan(1, *PARTS)
    b.writer.on_step = death_at(b, "after_row")
    assert await survive(b, lambda: b.writer.carry(plan))
    assert await states(b) == {DRESS: "sent", SKIRT: "sent"}


async def test_not_sent_it_stays_written_down_and_counts(b: Bench) -> None:
    await looked_at(b)
    b.erp.manners = [answers(not_sent())]
    plan = await b.plan(1, *PARTS)
    await survive(b, lambda: b.writer.carry(plan))
    assert (await states(b), await counted(b)) == ({DRESS: "sent", SKIRT: "sent"}, ASKED)


async def test_lowered_and_then_refused_what_is_wanted_no_more_is_gone(b: Bench) -> None:
    await looked_at(b)
    b.erp.manners = [answers(Rejected(("no",)))]
    plan = await b.plan(1, *PARTS)
    await looked_at(b, dresses=1)
    await survive(b, lambda: b.writer.carry(plan))
    assert await counted(b) == {DRESS: 1, SKIRT: 1}


async def test_a_document_that_was_lost_and_found_counts_once(b: Bench) -> None:
    await looked_at(b)
    b.erp.manners = [answers(Doubtful("no answer"), kept=True), accepts]
    await survive(b, lambda: _carry(b))
    b.erp.post()
    await b.read_back()
    await b.writer.confirm_posted()
    b.erp.post()
    await b.writer.confirm_posted()
    assert (await states(b), await counted(b)) == ({DRESS: "posted", SKIRT: "posted"}, ASKED)


async def _carry(b: Bench) -> Plan:
    plan = await b.plan(1, *PARTS)
    await b.writer.carry(plan)
    return plan


async def test_a_later_sight_of_a_booked_order_tells_what_was_picked_and_taken_off(b: Bench) -> None:
    await looked_at(b)
    await survive(b, lambda: _carry(b))
    b.erp.post()
    await b.writer.confirm_posted()
    first = b.erp.books[0]
    (line,) = first.lines
    waiting = []
    for moved in ({"picked": 1}, {"picked": 1, "cancelled": 1}):
        b.erp.books.append(first.model_copy(update={"lines": (line.model_copy(update=moved),)}))
        await b.writer.confirm_posted()
        rows = await b.store.read.rows("SELECT qty FROM stock_demand WHERE sku = ? AND picked_by IS NULL", (DRESS,))
        waiting.append([row["qty"] for row in rows])
    assert waiting == [[1], []], "what was taken off waits for no picking"
    off = await b.store.read.row("SELECT reduced, untold FROM stock_reduced")
    assert off is not None
    assert tuple(off) == (1, 1)


async def test_where_the_erp_stamps_no_order_our_clock_stands_in_less_favourably(b: Bench) -> None:
    """Its clock may be ahead of ours: a figure stamped by it must be younger by that much, too."""
    await looked_at(b)
    b.writer.skew = timedelta(seconds=5)
    await b.writer.carry(await b.plan(1, *PARTS))
    b.clock.tick(400)
    b.erp.post()
    await b.writer.confirm_posted()
    assert await states(b) == {DRESS: "posted", SKIRT: "posted"}
    assert await counted(b, b.clock() + timedelta(seconds=4)) == ASKED
    assert await counted(b, b.clock() + timedelta(seconds=6)) == {}


async def test_a_generation_that_was_given_up_and_is_booked_after_all_counts_beside_the_next_one(b: Bench) -> None:
    """The ERP has taken stock for both: until a figure holds them, both count."""
    await looked_at(b, skirts=0)
    plan = await b.plan(1, PARTS[0])
    await b.writer.carry(plan)

    def give_up(tx: sqlite3.Connection) -> None:
        (part,) = acts.open_parts(tx, plan.order_id, None)
        acts.close_generation(tx, part, who="ops", now=b.clock())

    await b.store.write(give_up)
    assert await counted(b) == {DRESS: 2}
    await b.writer.carry(await b.plan(1, PARTS[0], generations=[2]))
    assert await counted(b) == {DRESS: 2}
    b.erp.post()
    await b.writer.confirm_posted()
    assert await counted(b) == {DRESS: 4}
    assert await counted(b, b.clock() + timedelta(days=1)) == {}
