"""What has done its duty goes, in small steps, counted from when work ended; what proves a booking stays for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bcbridge.config import BackupSection, RetentionSection
from bcbridge.house.upkeep import Clocks, back_up, prune
from bcbridge.model.answers import Doubtful
from bcbridge.model.documents import Document
from bcbridge.model.ids import Noun
from bcbridge.model.outcome import Never, NotYet
from bcbridge.model.standing import Facts
from bcbridge.store import acts, clock, inbox, incidents, meta, orders, queue, retention, views
from bcbridge.store.stamps import moment
from tests.runtime.kit import CHANNEL, START, Bench, answers, bench, ref_of

DAYS = RetentionSection()
WHO = "ops@example.com"


@pytest.fixture
async def b(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        yield made


async def keep(b: Bench, number: int, body: bytes = b"jane@example.com") -> None:
    document = Document(Noun("orders"), ref_of(number), b.clock(), b.clock(), body)
    await b.store.write(lambda tx: inbox.keep(tx, CHANNEL, [document]))


async def booked(b: Bench, *numbers: int) -> None:
    for number in numbers:
        await keep(b, number)
        await b.book(number)
    b.clock.tick()
    b.erp.post()
    await b.writer.confirm_posted()


async def pruned(b: Bench, *, days: int, kept: RetentionSection = DAYS) -> dict[str, int]:
    """One turn, ``days`` later, of a bridge that ran all the time; what went, by class."""
    b.clock.at += timedelta(days=days)
    await b.store.write(lambda tx: meta.drop(tx, retention.LOOKED_AT))
    went = await prune(b.store, kept, now=b.clock())
    return {name: rows for name, rows in went.items() if rows}


async def held(b: Bench) -> list[str]:
    return [row["ref"] for row in await b.store.read.rows("SELECT ref FROM documents ORDER BY id")]


async def bodies(b: Bench) -> int:
    row = await b.store.read.row("SELECT count(*) FROM outbox WHERE length(body) > 0")
    assert row is not None
    return int(row[0])


# -- documents and bytes -----------------------------------------------------------------------------------------


async def test_documents_and_bytes_go_when_their_order_has_long_been_booked(b: Bench) -> None:
    await booked(b, 1, 2)
    assert await pruned(b, days=89) == {}
    assert await pruned(b, days=2) == {"documents": 2, "bodies": 2}
    assert (await held(b), await bodies(b)) == ([], 0)
    assert await pruned(b, days=0) == {}, "a second turn has nothing left to do"
    (row,) = (await b.rows(1)).values()
    assert row["body_hash"]
    assert "@" not in row["cut"], "not even a digest of the address stays"
    assert (row["reference"], row["number"]) == ("SU1P1G1", "SO1")
    story = await views.story(b.store.read, b.ids[1])
    assert story is not None
    assert (story.document_asked, story.links[0].other_ref, story.parts[0].number) == (None, "SO1", "SO1")


async def test_an_open_order_keeps_everything(b: Bench) -> None:
    await keep(b, 1)
    await b.book(1)  # accepted, and never posted
    await keep(b, 2)
    facts = Facts(ref_of(2), channel_id="2", name="#2")
    waits = NotYet(code="payment_pending", text="not paid", look_again=None)
    await b.store.write(lambda tx: orders.record(tx, CHANNEL, facts, waits, now=b.clock()))
    assert await pruned(b, days=4000) == {}
    assert (await held(b), await bodies(b)) == ([ref_of(1), ref_of(2)], 1)


async def test_what_was_asked_for_again_is_counted_from_then(b: Bench) -> None:
    await booked(b, 1)
    b.clock.at += timedelta(days=60)
    await keep(b, 1, b"changed in the shop")
    assert await pruned(b, days=60) == {"bodies": 1}
    assert await pruned(b, days=31) == {"documents": 1}


async def test_an_order_that_will_never_be_booked_ends_too(b: Bench) -> None:
    await keep(b, 1)
    facts = Facts(ref_of(1), channel_id="1", name="#1")
    await b.store.write(lambda tx: orders.record(tx, CHANNEL, facts, Never(code="test", text="a test"), now=b.clock()))
    assert await pruned(b, days=91) == {"documents": 1}


async def test_an_order_of_which_nothing_is_kept_is_confirmed_and_left_alone_as_ever(b: Bench) -> None:
    """The ERP's list shows it again long after: there is nothing to compare, and nothing is said."""
    await booked(b, 1)
    await pruned(b, days=91)
    await b.restart()
    assert await b.shown(1) == "booked"
    assert await b.incidents() == []
    assert (await b.standing(1)).is_booked


async def test_a_pruned_document_is_kept_anew_when_the_shop_changes_the_order(b: Bench) -> None:
    await booked(b, 1)
    await pruned(b, days=91)
    await keep(b, 1, b"changed in the shop")
    assert await held(b) == [ref_of(1)]


# -- the other classes -------------------------------------------------------------------------------------------


async def test_events_go_after_years_and_not_of_an_open_order(b: Bench) -> None:
    await booked(b, *range(1, 6))
    await b.book(6)
    before = await b.events(6)
    assert "events" not in await pruned(b, days=2554)
    await pruned(b, days=2)
    assert [await b.events(number) for number in range(1, 6)] == [[]] * 5
    assert await b.events(6) == before
    await b.store.write(lambda tx: inbox_event(tx, b.ids[1], b.clock()))
    assert await b.events(1) == ["changed_after_booking"], "what happens later begins anew"
    await pruned(b, days=0)
    assert await b.events(1) == ["changed_after_booking"]


def inbox_event(tx: sqlite3.Connection, order_id: int, now: datetime) -> None:
    orders.note_change(tx, order_id, content_hash="1:y", modified=now, words=["address"], now=now)


async def test_the_walk_over_orders_goes_on_where_it_stopped(b: Bench) -> None:
    await booked(b, *range(1, 8))
    b.clock.at += timedelta(days=3000)
    before, step = b.clock() - timedelta(days=2555), retention.EVENTS_STEP
    retention.EVENTS_STEP = 3
    try:
        passed = []
        while (walked := await b.store.write(lambda tx: retention.prune_events(tx, before=before))).orders:
            passed.append(walked)
    finally:
        retention.EVENTS_STEP = step
    assert max(walked.went for walked in passed) == 3, "no step is larger than it may be"
    assert [await b.events(number) for number in range(1, 8)] == [[]] * 7


async def test_acts_and_incidents_that_ended_go_with_what_was_told_of_them(b: Bench) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        now = b.clock()
        acts.write_down(tx, who=WHO, act="skip", target="1 orders", now=now)
        for cause in ("ended", "stands"):
            incidents.open_one(tx, code="job_dead", connector="", cause=cause, text="", now=now)
        incidents.close(tx, code="job_dead", connector="", cause="ended", now=now)

    await b.store.write(unit)
    assert await pruned(b, days=399) == {}
    assert await pruned(b, days=2) == {"incidents": 1}
    assert await b.incidents() == ["job_dead"]
    assert await b.incidents(closed=True) == []
    assert await pruned(b, days=2555) == {"acts": 1}
    assert await b.incidents() == ["job_dead"], "what stands, stands for ever"


async def test_deliveries_and_finished_jobs_go_within_days(b: Bench) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        now = b.clock()
        tx.execute("INSERT INTO deliveries VALUES ('shop', 't', 'd', NULL, NULL, 'h', ?)", (START.isoformat(),))
        wishes = [queue.Wish(flow="orders", connector="shop", ref=f"{n}", due=now) for n in range(3)]
        queue.enqueue(tx, wishes, now=now)
        for job in queue.claim(tx, flow="orders", connector="shop", many=2, now=now):
            queue.done(tx, job, now=now)

    await b.store.write(unit)
    assert await pruned(b, days=15) == {"deliveries": 1, "jobs": 2}
    assert await b.jobs("orders") == ["2"]


# -- a clock that is wrong ---------------------------------------------------------------------------------------


async def test_a_clock_that_leaps_ahead_forgets_nothing_for_a_day(b: Bench) -> None:
    await booked(b, 1)
    assert await prune(b.store, DAYS, now=b.clock()) != {}
    leapt = b.clock() + timedelta(days=4000)
    assert await prune(b.store, DAYS, now=leapt) == {}
    assert await prune(b.store, DAYS, now=leapt + timedelta(hours=12)) == {}
    assert await held(b) == [ref_of(1)]
    assert await prune(b.store, DAYS, now=b.clock() + timedelta(hours=1)) == {}, "it went back: that is a leap too"
    for hours in (24, 26):
        await prune(b.store, DAYS, now=b.clock() + timedelta(hours=hours))
    assert await held(b) == [ref_of(1)]
    assert (await prune(b.store, DAYS, now=b.clock() + timedelta(hours=27)))["documents"] == 0


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=-300)])
def test_a_clock_that_is_set_is_noticed_by_the_one_that_only_goes_on(jump: timedelta) -> None:
    clocks = Clocks(START, 100.0)
    assert clocks.moved(START + timedelta(seconds=2), 102.0) == timedelta(0)
    assert clocks.moved(START + timedelta(seconds=4) + jump, 104.0) == jump
    assert clocks.moved(START + timedelta(seconds=6) + jump, 106.0) == timedelta(0)


async def test_when_the_clock_goes_back_no_job_waits_for_the_old_time(b: Bench) -> None:
    wish = queue.Wish(flow="orders", connector="shop", ref="1", due=b.clock())
    await b.store.write(lambda tx: queue.enqueue(tx, [wish], now=b.clock()))
    b.clock.at -= timedelta(hours=1)
    claim = partial(queue.claim, flow="orders", connector="shop", many=9, now=b.clock())
    assert await b.store.write(claim) == []
    assert not await b.store.write(lambda tx: clock.clock_jumped(tx, now=b.clock()))
    assert [job.ref for job in await b.store.write(claim)] == ["1"]


async def test_when_the_clock_leaps_ahead_a_doubt_does_not_end_early(b: Bench) -> None:
    """An hour on the clock, a second in truth: the gateway may still hold the call."""
    b.erp.manners = [answers(Doubtful("no answer"))]
    await b.book(1)
    b.clock.at += timedelta(hours=1)
    await b.store.write(lambda tx: clock.clock_jumped(tx, now=b.clock()))
    await b.evidence()
    await b.read_back(wait=5)
    assert await b.state(1) == "in_doubt"
    assert b.erp.sent().count("SU1P1G1") == 1
    b.clock.tick(400)
    await b.evidence(950)
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 2, "it is posted again when it certainly will not come"


async def test_a_sweep_made_in_the_future_is_made_again(b: Bench) -> None:
    ahead = "2031-01-01T00:00:00.000000Z"
    await b.store.write(lambda tx: meta.put(tx, "sweep_48h/shop", ahead))
    await b.store.write(lambda tx: clock.clock_jumped(tx, now=b.clock()))
    assert moment(await meta.read(b.store, "sweep_48h/shop") or "") < b.clock() - timedelta(days=7)


# -- backups by itself -------------------------------------------------------------------------------------------


async def test_the_bridge_makes_backups_by_itself_and_keeps_so_many(b: Bench, tmp_path: Path) -> None:
    wanted = BackupSection(folder=tmp_path / "backups", every_hours=24, keep=2)
    made: list[Path] = []
    for hour in range(0, 24 * 4, 6):
        file = await back_up(b.store, wanted, now=START + timedelta(hours=hour))
        made += [file] if file else []
    assert len(made) == 4
    assert sorted((tmp_path / "backups").iterdir()) == made[-2:]


async def test_without_a_folder_it_makes_none(b: Bench) -> None:
    assert await back_up(b.store, BackupSection(), now=START) is None


# -- what it costs -----------------------------------------------------------------------------------------------


async def test_a_step_over_large_documents_holds_the_writer_briefly(b: Bench) -> None:
    """Not a clock's reading but a count: no step touches more rows than it may (measured: docs/running.md)."""
    await booked(b, *range(1, retention.BODIES_STEP + 10))
    before = b.clock() + timedelta(days=1)
    first = await b.store.write(lambda tx: retention.prune_documents(tx, before=before))
    second = await b.store.write(lambda tx: retention.prune_bodies(tx, before=before))
    assert (first, second) == (retention.BODIES_STEP, retention.BODIES_STEP)


def test_outbox_bytes_may_not_outlive_the_documents_by_which_a_person_is_found() -> None:
    with pytest.raises(ValueError, match="outbox_bodies_days"):
        RetentionSection(documents_days=30)
    assert RetentionSection(documents_days=30, outbox_bodies_days=30).events_days == 2555
