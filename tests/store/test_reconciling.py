"""Reconciliations on disk: runs in their turn, reports, their incident, and what a run lists only for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.reconcile import Difference, Ending, Kind, Pair, Tally
from bcbridge.store import queue, reconciling
from bcbridge.store.db import Store
from bcbridge.store.reconciling import KEPT_RUNS, ReconcileMemory
from bcbridge.store.stamps import stamp
from tests.flows.changes.two import PART
from tests.flows.reconcile.day import held
from tests.flows.reconcile.test_story import REF, book

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SINCE = AT - timedelta(days=7)
MISSING = Difference(
    kind=Kind.MISSING_IN_ERP, ref=REF, order="#1001", subject=PART, text="it is not there", action="look for it"
)
TALLY = Tally(orders=3, booked=2, never=1, amounts={"USD": Pair(channel=Decimal("9.50"), erp=Decimal("9.50"))})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "store.db").opened() as opened:
        await opened.write(book)
        yield opened


def memory(store: Store) -> ReconcileMemory:
    return ReconcileMemory(store, "shop", "erp", lambda: AT)


async def ask(store: Store, who: str = "ann", channel: str = "shop") -> int:
    return await store.write(partial(reconciling.ask, channel=channel, since=SINCE, heal=True, who=who, now=AT))


async def begin(store: Store, channel: str = "shop") -> int | None:
    asked = await store.write(partial(reconciling.begin, channel=channel, now=AT))
    return asked.id if asked else None


async def end(store: Store, run: int, *found: Difference, whole: bool = True, more: int = 0) -> None:
    given = {"tally": TALLY, "differences": found, "more": more, "whole": whole, "now": AT}
    await store.write(lambda tx: reconciling.end(tx, "shop", run, **given))  # type: ignore[arg-type]


async def incident(store: Store) -> str | None:
    row = await store.read.row("SELECT text FROM incidents WHERE code = 'reconcile_found' AND closed_at IS NULL")
    return row["text"] if row else None


async def test_runs_go_one_after_the_other_each_channel_for_itself(store: Store) -> None:
    first, other, second = await ask(store), await ask(store, channel="other"), await ask(store)
    assert await begin(store) == first
    await end(store, first)
    assert [await begin(store), await begin(store), await begin(store, "other")] == [second, None, other]
    report = await reconciling.report(store.read, second)
    assert report is not None
    assert (report.state, report.reason) == ("failed", "what it came to could not be kept")


async def test_a_report_is_read_as_it_ended(store: Store) -> None:
    run = await ask(store)
    await begin(store)
    await memory(store).stage(run, "comparing: 3 orders")
    under_way = await reconciling.last(store.read, "shop", ended=False)
    assert under_way is not None
    assert (under_way.state, under_way.stage, await reconciling.last(store.read, "shop")) == (
        "running",
        "comparing: 3 orders",
        None,
    )
    await end(store, run, MISSING, more=2)
    report = await reconciling.last(store.read, "shop")
    assert report is not None
    assert (report.run, report.state, report.tally, report.differences, report.more) == (
        run,
        "done",
        TALLY,
        (MISSING,),
        2,
    )
    assert (report.since, report.asked_by, report.left) == (SINCE, "ann", (MISSING,))


async def test_a_run_that_was_cut_short_has_failed(store: Store) -> None:
    run = await ask(store)
    await begin(store)
    assert await store.write(partial(reconciling.recover, now=AT)) == 1
    report = await reconciling.report(store.read, run)
    assert report is not None
    assert (report.state, report.reason) == ("failed", "the process ended while it ran")


async def test_the_incident_ends_with_a_whole_run_that_finds_nothing(store: Store) -> None:
    await end(store, await ask(store), MISSING, more=3)
    assert await incident(store) == ("1 missing_in_erp. #1001: it is not there; and 1 more (bcbridge reconcile show)")
    await end(store, await ask(store), whole=False)
    assert await incident(store) is not None
    await end(store, await ask(store), MISSING.model_copy(update={"ending": Ending.HEALED}))
    assert await incident(store) is None


async def test_the_last_runs_are_kept(store: Store) -> None:
    for _ in range(KEPT_RUNS + 3):
        await end(store, await ask(store), MISSING)
    (row,) = await store.read.rows("SELECT count(*) AS runs, min(id) AS first FROM reconcile_runs")
    assert (row["runs"], row["first"]) == (KEPT_RUNS, 4)
    (kept,) = await store.read.rows("SELECT count(*) AS many FROM reconcile_findings")
    assert kept["many"] == KEPT_RUNS


async def test_what_a_run_listed_goes_when_it_is_over(store: Store) -> None:
    run = await ask(store)
    await begin(store)
    await memory(store).keep_held(run, [held(), held("0100002")])
    assert [one.number for one in (await memory(store).held(run, [PART]))[PART]] == ["0100001", "0100002"]
    assert await store.write(reconciling.tidy) == 0
    await end(store, run)
    assert [await store.write(reconciling.tidy), await store.write(reconciling.tidy)] == [2, 0]
    assert await memory(store).held(run, [PART]) == {}


async def test_references_of_nobody_here(store: Store) -> None:
    run = await ask(store)
    await memory(store).keep_held(run, [held(), held("0100002", reference="SU9P1G1")])
    assert [one.number for one in await memory(store).strangers(run)] == ["0100002"]


async def test_orders_are_paged_by_their_creation(store: Store) -> None:
    insert = "INSERT INTO orders (connector, ref, state, since, first_seen, created_at) VALUES (?, ?, 'never', ?, ?, ?)"
    for number, hours in ((2, 3), (3, 1), (4, 3), (5, 24 * 30)):
        at = stamp(AT - timedelta(hours=hours))
        row = ("shop" if number != 4 else "other", f"o{number}", at, at, at)
        await store.write(lambda tx, row=row: tx.execute(insert, row))  # type: ignore[misc]
    after, seen = "", []
    while step := await memory(store).created(SINCE, after, 1):
        after = step[-1][0]
        seen += [ref for _, ref in step]
    assert seen == [REF, "o2", "o3"]


async def test_what_is_known_of_an_order(store: Store) -> None:
    (one,) = await memory(store).known([REF, Ref("another")])
    assert (one.name, one.state, one.under_way, one.on_its_way, one.waits) == ("#1001", "booked", False, False, "")
    assert [(document.reference, document.body) for document in one.documents] == [(PART, b"{}")]
    assert sum(row.pieces for row in one.booked) == 3


@pytest.mark.parametrize(("minutes", "under_way"), [(1, True), (60, False)])
async def test_a_job_that_is_due_soon_is_work_under_way(store: Store, minutes: int, under_way: bool) -> None:
    wish = queue.Wish("changes", "shop", REF, due=AT + timedelta(minutes=minutes))
    await store.write(lambda tx: queue.enqueue(tx, [wish], now=AT))
    (one,) = await memory(store).known([REF])
    assert (one.under_way, bool(one.waits)) == (under_way, True)
    assert (REF in await memory(store).at_work([REF])) == under_way


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE orders SET state = 'never', code = 'skipped'",
        "UPDATE outbox SET state = 'rejected'",
        "INSERT INTO releases (id, cause, state, opened_at) VALUES (1, 'x', 'first', '')",
    ],
)
async def test_what_waits_for_a_person_is_left_to_one(store: Store, edit: str) -> None:
    await store.write(lambda tx: tx.execute(edit))
    if "releases" in edit:
        held_ = "INSERT INTO release_orders (release_id, order_id, stage) VALUES (1, 1, 'held')"
        await store.write(lambda tx: tx.execute(held_))
    (one,) = await memory(store).known([REF])
    assert one.waits


@pytest.mark.parametrize("state", ["queued", "sending", "accepted", "in_doubt"])
async def test_a_document_on_its_way_is_work_under_way(store: Store, state: str) -> None:
    await store.write(lambda tx: tx.execute("UPDATE outbox SET state = ?", (state,)))
    (one,) = await memory(store).known([REF])
    assert one.on_its_way
    assert await memory(store).at_work([REF]) == {REF}


async def test_what_was_given_up_is_told_apart(store: Store) -> None:
    await store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'closed'"))
    (one,) = await memory(store).known([REF])
    assert (one.documents, one.closed, one.booked) == ((), (PART,), ())


async def test_differences_that_a_person_agreed_to(store: Store) -> None:
    columns = "order_id, stage, digest, agreed, since, checked_at"
    insert = f"INSERT INTO compared_sides ({columns}) VALUES (1, 'open', 'd1', 'd1', '', '')"
    await store.write(lambda tx: tx.execute(insert))
    assert (await memory(store).known([REF]))[0].agreed
    await store.write(lambda tx: tx.execute("UPDATE compared_sides SET digest = 'd2'"))
    assert not (await memory(store).known([REF]))[0].agreed


async def test_orders_that_were_never_seen(store: Store) -> None:
    wish = queue.Wish("orders", "shop", "o2", due=AT)
    await store.write(lambda tx: queue.enqueue(tx, [wish], now=AT))
    assert await memory(store).unseen([REF, Ref("o2"), Ref("o3")]) == ["o3"]
