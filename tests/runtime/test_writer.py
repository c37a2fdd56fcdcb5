"""Each document is made once: four steps, each on disk before the next."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import orjson
import pytest
from structlog.testing import capture_logs

from bcbridge.connectors.base import Found, PostingRules, Unproven
from bcbridge.errors import CutChanged, OpenCircuit, PostingClosed, Retry, StoreBusy
from bcbridge.model.acts import Resolution, Word
from bcbridge.model.answers import Accepted, Doubtful, PutAnswer, Rejected
from bcbridge.model.ids import Reference
from bcbridge.model.sales_order import BookedOrder
from bcbridge.model.work import Again, Done
from bcbridge.runtime.writer import STEPS
from bcbridge.store import acts
from tests.runtime.kit import (
    SINK,
    Bench,
    Killed,
    Manner,
    MemoryErp,
    accepts,
    answers,
    bench,
    booked,
    locked,
    not_sent,
    raises,
    reference_of,
)

ONE, TWO = (("111111111111", 1),), (("222222222222", 2),)
LOST = Doubtful("no answer")


@pytest.fixture
async def b(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        yield made


# -- the plain way ---------------------------------------------------------------------------------------------


async def test_an_order_is_accepted_then_seen_posted_then_booked(b: Bench) -> None:
    await b.book(1)
    assert await b.shown(1) == "accepted"
    b.erp.post()
    assert await b.writer.confirm_posted() == 1
    assert await b.shown(1) == "booked"
    assert await b.events(1) == ["came_in", "sending", "accepted", "booked"]


async def test_booked_is_linked_to_the_erps_number(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    await b.writer.confirm_posted()
    link = await b.store.read.row("SELECT * FROM links")
    assert link is not None
    assert (link["connector"], link["ref"], link["other_connector"], link["other_ref"]) == (
        "shop",
        "order/1",
        "erp",
        "SO1",
    )


async def test_running_twice_writes_once(b: Bench) -> None:
    plan = await b.book(1)
    await b.writer.carry(plan)
    await b.writer.send_queued(plan.order_id)
    assert b.erp.sent() == ["SU1P1G1"]


async def test_seeing_it_posted_twice_is_no_news(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    await b.writer.confirm_posted()
    await b.writer.open()
    assert (await b.events(1)).count("booked") == 1
    assert await b.incidents() == []


async def test_the_row_is_on_disk_before_the_call(b: Bench) -> None:
    seen: list[tuple[str, bytes]] = []

    async def look(erp: MemoryErp, body: bytes) -> PutAnswer:
        row = (await b.rows(1))["SU1P1G1"]
        seen.append((row["state"], bytes(row["body"])))
        return await accepts(erp, body)

    b.erp.manners = [look]
    await b.book(1)
    assert seen == [("sending", b.erp.calls[0])]


async def test_a_retry_sends_the_same_bytes(b: Bench) -> None:
    b.erp.manners = [answers(not_sent())]
    plan = await b.plan(1)
    with pytest.raises(Retry):
        await b.writer.carry(plan)
    later = await b.plan(1, notes="edited meanwhile")
    await b.writer.carry(later)
    assert b.erp.calls[0] == b.erp.calls[1]


# -- what comes of a call --------------------------------------------------------------------------------------


async def test_not_sent_returns_to_queued_and_says_when_to_come_back(b: Bench) -> None:
    b.erp.manners = [answers(not_sent(after=timedelta(seconds=7)))]
    with pytest.raises(Retry) as raised:
        await b.book(1)
    assert raised.value.after == timedelta(seconds=7)
    row = (await b.rows(1))["SU1P1G1"]
    assert (row["state"], row["posts"]) == ("queued", 0)


async def test_a_refusal_blocks_with_every_reason(b: Bench) -> None:
    b.erp.manners = [answers(Rejected(("no such customer", "no such season")))]
    await b.book(1)
    order = await b.order_row(1)
    assert (order["state"], order["code"]) == ("blocked", "erp_refused")
    assert [one["text"] for one in orjson.loads(order["problems"])] == ["no such customer", "no such season"]


async def test_a_refused_order_takes_a_changed_body_under_the_same_reference(b: Bench) -> None:
    b.erp.manners = [answers(Rejected(("no",)))]
    await b.book(1)
    await b.writer.carry(await b.plan(1, notes="cured"))
    assert b.erp.sent() == ["SU1P1G1", "SU1P1G1"]
    assert orjson.loads(b.erp.calls[1])["notes"] == "cured"
    assert await b.shown(1) == "accepted"


async def test_an_open_circuit_leaves_nothing_in_doubt_and_opens_the_circuit(b: Bench) -> None:
    b.erp.manners = [raises(OpenCircuit("key revoked"))]
    with pytest.raises(PostingClosed):
        await b.book(1)
    assert await b.state(1) == "queued"
    assert b.circuit.is_open
    assert "circuit_open" in await b.incidents()
    with pytest.raises(PostingClosed):
        await b.book(2)
    assert b.erp.sent() == ["SU1P1G1"]


async def test_whatever_else_a_call_raises_is_in_doubt(b: Bench) -> None:
    b.erp.manners = [raises(KeyError("odd"), kept=True)]
    with pytest.raises(KeyError):
        await b.book(1)
    assert await b.state(1) == "in_doubt"
    assert await b.jobs("doubts") == ["SU1P1G1"]


async def test_a_call_that_is_cancelled_is_in_doubt(b: Bench) -> None:
    async def hang(erp: MemoryErp, body: bytes) -> PutAnswer:
        erp.take(body)
        await anyio.sleep_forever()
        raise AssertionError

    b.erp.manners = [hang]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(b.book, 1)
        with anyio.fail_after(5):
            while not b.erp.calls:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert await b.state(1) == "in_doubt"


async def test_seen_posted_while_the_call_is_under_way_stays_booked(b: Bench) -> None:
    def meanwhile(answer: PutAnswer) -> None:
        async def manner(erp: MemoryErp, body: bytes) -> PutAnswer:
            erp.book(body)
            await b.writer.confirm_posted()
            return answer

        b.erp.manners = [manner]

    said: list[PutAnswer] = [LOST, Rejected(("duplicate",)), not_sent()]
    for number, answer in enumerate(said, start=1):
        meanwhile(answer)
        try:
            await b.book(number)
        except Retry:
            assert number == 3
        order = await b.order_row(number)
        assert (order["state"], order["code"], order["problems"]) == ("booked", "", "[]")


async def test_a_locked_store_after_the_call_forgets_nothing(b: Bench) -> None:
    """The answer is kept in mind until the store takes it; it is not lost until the next start."""
    others: list[sqlite3.Connection] = []

    async def then_locked(erp: MemoryErp, body: bytes) -> PutAnswer:
        others.append(await locked(b.store.path))
        return Rejected(("no such customer",))

    b.erp.manners = [then_locked]
    with pytest.raises(StoreBusy):
        await b.book(1)
    assert b.writer.closed_because
    others[0].close()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "blocked"
    assert not b.writer.closed_because


# -- read-back -------------------------------------------------------------------------------------------------


async def test_an_answer_lost_after_acceptance_is_found_by_the_list(b: Bench) -> None:
    b.erp.manners = [answers(LOST, kept=True)]
    await b.book(1)
    assert await b.shown(1) == "in_doubt"
    b.erp.post()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "booked"
    assert (await b.events(1))[-2:] == ["found_by_read_back", "booked"]
    assert b.erp.sent() == ["SU1P1G1"]


async def test_an_answer_lost_after_acceptance_is_found_by_reference(b: Bench) -> None:
    b.erp.manners = [answers(LOST, kept=True)]
    await b.book(1)
    b.erp.post()
    ended = await b.read_back()
    assert ended == {"SU1P1G1": Done("found")}
    assert (await b.events(1))[-2:] == ["found_by_read_back", "booked"]
    assert await b.jobs("doubts") == []


async def test_absent_without_evidence_is_never_posted_again(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    for _ in range(50):
        await b.read_back(wait=3600)
    assert b.erp.sent() == ["SU1P1G1"]
    assert await b.shown(1) == "in_doubt"


async def test_absent_on_evidence_is_posted_again_with_the_same_bytes(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.evidence()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 2
    assert b.erp.calls[0] == b.erp.calls[-1]
    assert (await b.events(1))[-2:] == ["sending_again", "accepted"]


async def test_what_was_accepted_before_the_call_had_surely_ended_is_no_evidence(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(290)
    await b.evidence()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 1


async def test_a_call_made_before_and_accepted_after_is_no_evidence(b: Bench) -> None:
    """What reached the ERP first says nothing about what a gateway let go of after it."""

    async def slow(erp: MemoryErp, body: bytes) -> PutAnswer:
        erp.take(body)
        b.clock.tick(60)
        erp.post()
        return await answers(Accepted("pkey-2"))(erp, body)

    b.erp.manners = [answers(LOST)]
    b.erp.rules = PostingRules(posts_in_order=True)
    await b.book(1)
    b.clock.tick(290)
    b.erp.manners = [slow]
    await b.book(2)
    await b.writer.confirm_posted()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 1


async def test_one_posting_cycle_is_no_evidence(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.book(2)
    await b.book(3)
    b.clock.tick()
    b.erp.post()
    await b.writer.confirm_posted()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 1


async def test_one_is_enough_where_the_erp_is_known_to_post_in_order(b: Bench) -> None:
    b.erp.rules = PostingRules(posts_in_order=True)
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.book(2)
    b.clock.tick()
    b.erp.post()
    await b.writer.confirm_posted()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 2


async def test_evidence_is_looked_at_before_the_search(b: Bench) -> None:
    """Evidence that comes up while the search is under way does not count for that search."""
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    asked: list[str] = []

    async def evidence(*_: object, **__: object) -> bool:
        asked.append("evidence")
        return False

    b.writer.evidence = evidence
    b.erp.on_find = lambda: asked.append("search")
    await b.read_back()
    assert asked == ["evidence", "search"]


async def test_an_unproven_absence_never_posts(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.evidence()
    b.erp.unproven = "the filter is ignored"
    ended = await b.read_back()
    assert isinstance(ended["SU1P1G1"], Again)
    assert b.erp.sent().count("SU1P1G1") == 1


async def test_an_unproven_search_that_hits_is_believed(b: Bench) -> None:
    b.erp.manners = [answers(LOST, kept=True)]
    await b.book(1)
    b.erp.post()
    b.erp.unproven = "no control"
    await b.read_back()
    assert await b.shown(1) == "booked"


async def test_what_is_in_doubt_is_asked_for_less_and_less_often(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    waits: list[timedelta] = []
    for _ in range(12):
        ended = await b.read_back(wait=300 if waits else 60)
        verdict = ended["SU1P1G1"]
        assert isinstance(verdict, Again)
        waits.append(verdict.after)
    assert waits == sorted(waits)
    assert waits[0] < timedelta(seconds=30) <= waits[-1] <= timedelta(minutes=5)


async def test_doubtful_twice_needs_evidence_anew(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.evidence()
    b.erp.manners = [answers(LOST, kept=True)]
    await b.read_back()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 2
    b.erp.post()
    await b.writer.confirm_posted()
    assert b.erp.copies("SU1P1G1") == 1
    assert await b.shown(1) == "booked"


async def test_posting_that_is_closed_puts_the_second_post_off(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.evidence()
    b.writer.permitted = lambda: "not confirmed"
    ended = await b.read_back()
    assert isinstance(ended["SU1P1G1"], Again)
    assert await b.state(1) == "in_doubt"


async def test_not_sent_the_second_time_is_in_doubt_as_before(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    before = (await b.rows(1))["SU1P1G1"]
    b.clock.tick(301)
    await b.evidence()
    b.erp.manners = [answers(not_sent())]
    with pytest.raises(Retry):
        await b.read_back()
    after = (await b.rows(1))["SU1P1G1"]
    assert (after["state"], after["ended_at"], after["proof"]) == ("in_doubt", before["ended_at"], before["proof"])


# -- accepted --------------------------------------------------------------------------------------------------


async def test_accepted_is_never_posted_again_by_itself(b: Bench) -> None:
    await b.book(1)
    b.erp.waiting.clear()
    b.clock.tick(301)
    await b.evidence()
    for _ in range(20):
        b.clock.tick(3600)
        await b.writer.confirm_posted()
        await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 1
    assert await b.shown(1) == "accepted"


async def test_accepted_beyond_the_posting_window_is_an_incident(b: Bench) -> None:
    await b.book(1)
    b.clock.tick(3 * 3600)
    await b.writer.confirm_posted()
    assert await b.incidents() == []
    b.clock.tick(3601)
    await b.writer.confirm_posted()
    assert await b.incidents() == ["accepted_not_posted"]


async def test_that_incident_closes_when_it_is_seen_posted_after_all(b: Bench) -> None:
    await b.book(1)
    b.clock.tick(5 * 3600)
    await b.writer.confirm_posted()
    b.erp.post()
    await b.writer.confirm_posted()
    assert await b.incidents() == []
    assert await b.incidents(closed=True) == ["accepted_not_posted"]


async def test_a_person_who_speaks_while_it_is_looked_for_is_not_told_again(b: Bench) -> None:
    await b.book(1)
    b.clock.tick(5 * 3600)
    looked_for = b.erp.find

    async def meanwhile(references: Sequence[Reference]) -> Found | Unproven:
        await word(b, 1, Resolution(word=Word.REBOOK))
        return await looked_for(references)

    b.erp.find = meanwhile  # type: ignore[method-assign]
    await b.writer.confirm_posted()
    assert (await b.state(1), await b.incidents()) == ("closed", [])


async def test_what_the_list_missed_is_asked_for_by_reference(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    made, b.erp.books = b.erp.books, []
    await b.writer.confirm_posted()
    b.clock.tick(601)

    async def nothing(since: str) -> AsyncIterator[object]:
        return
        yield

    b.erp.books, b.erp.posted = made, nothing  # type: ignore[method-assign, assignment]
    await b.writer.confirm_posted()
    assert b.erp.found == [["SU1P1G1"]]
    assert await b.shown(1) == "booked"


async def test_those_that_stand_still_do_not_hide_those_the_list_missed(b: Bench) -> None:
    for number in range(1, 31):
        await b.book(number)
    b.clock.tick(601)
    for _ in range(3):
        await b.writer.confirm_posted()
    asked = {reference for call in b.erp.found for reference in call}
    assert len(asked) == 30


# -- in the ERP: twice, or otherwise than sent -----------------------------------------------------------------


async def test_twice_in_the_erp_is_an_incident(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    b.erp.book(b.erp.calls[0])
    await b.writer.confirm_posted()
    assert await b.incidents() == ["double_in_erp"]
    assert await b.shown(1) == "booked"


async def test_the_second_may_be_listed_later(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    await b.writer.confirm_posted()
    b.erp.book(b.erp.calls[0])
    await b.writer.confirm_posted()
    assert await b.incidents() == ["double_in_erp"]


async def test_what_differs_is_booked_and_an_incident_and_never_posted_again(b: Bench) -> None:
    await b.book(1)
    b.erp.books.append(booked("SU1P1G1", "SO9", [("999999999999", 5, "1.00")]))
    b.erp.waiting.clear()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "booked"
    assert await b.incidents() == ["booked_differs"]
    assert "differs_in_erp" in await b.events(1)
    b.clock.tick(301)
    await b.evidence()
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 1


async def test_one_that_cannot_be_compared_is_booked_with_an_incident_and_holds_up_nobody(b: Bench) -> None:
    def odd(body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        if booked.reference == "SU1P1G1":
            raise KeyError("price")
        return ()

    b.erp.differences = odd  # type: ignore[method-assign]
    await b.book(1)
    await b.book(2)
    b.erp.post()
    with capture_logs():
        assert await b.writer.confirm_posted() == 2
    assert await b.shown(1) == await b.shown(2) == "booked"
    assert await b.incidents() == ["booked_differs"]


# -- parts -----------------------------------------------------------------------------------------------------


async def test_all_rows_are_on_disk_before_the_first_call(b: Bench) -> None:
    seen: list[list[str]] = []

    async def look(erp: MemoryErp, body: bytes) -> PutAnswer:
        seen.append([row["state"] for row in (await b.rows(1)).values()])
        return await accepts(erp, body)

    b.erp.manners = [look, look]
    await b.book(1, ONE, TWO)
    assert seen == [["sending", "queued"], ["accepted", "sending"]]


async def test_the_order_shows_its_least_advanced_part(b: Bench) -> None:
    await b.book(1, ONE, TWO)
    b.erp.post(1)
    await b.writer.confirm_posted()
    assert await b.shown(1) == "accepted"
    b.erp.post()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "booked"


async def test_a_part_in_doubt_holds_up_the_next(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1, ONE, TWO)
    assert b.erp.sent() == ["SU1P1G1"]
    assert await b.shown(1) == "in_doubt"


@pytest.mark.parametrize("way", ["list", "search", "posted again"])
async def test_the_next_part_goes_when_the_doubt_is_over(b: Bench, way: str) -> None:
    b.erp.manners = [answers(LOST, kept=way != "posted again")]
    await b.book(1, ONE, TWO)
    if way == "list":
        b.erp.post()
        await b.writer.confirm_posted()
    elif way == "search":
        b.erp.post()
    else:
        b.clock.tick(301)
        await b.evidence()
    await b.read_back()
    assert b.erp.sent()[-1] == "SU1P2G1"
    assert await b.state(1, part=2) == "accepted"


async def test_the_cut_is_fixed_by_the_first_rows(b: Bench) -> None:
    b.erp.manners = [accepts, answers(not_sent())]
    with pytest.raises(Retry):
        await b.book(1, ONE, TWO)
    with pytest.raises(CutChanged):
        await b.writer.carry(await b.plan(1, (*ONE, *TWO)))
    with pytest.raises(CutChanged):
        await b.writer.carry(await b.plan(1, TWO, ONE))
    assert [row["state"] for row in (await b.rows(1)).values()] == ["accepted", "queued"]


async def test_a_refused_part_may_be_cured_while_the_other_is_booked(b: Bench) -> None:
    b.erp.manners = [accepts, answers(Rejected(("no",)))]
    await b.book(1, ONE, TWO)
    assert await b.shown(1) == "blocked"
    await b.writer.carry(await b.plan(1, ONE, TWO, notes="cured"))
    assert b.erp.sent() == ["SU1P1G1", "SU1P2G1", "SU1P2G1"]


async def test_a_refused_order_may_be_cut_anew(b: Bench) -> None:
    b.erp.manners = [answers(Rejected(("no",)))]
    await b.book(1, ONE, TWO)
    assert not (await b.standing(1)).has_open_write
    await b.writer.carry(await b.plan(1, (*ONE, *TWO)))
    b.erp.post()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "booked"
    assert (await b.standing(1)).is_booked


# -- deaths ----------------------------------------------------------------------------------------------------


async def test_a_death_during_the_call_is_in_doubt_after_the_start(b: Bench) -> None:
    async def die(erp: MemoryErp, body: bytes) -> PutAnswer:
        erp.take(body)
        raise await b.death()

    b.erp.manners = [die]
    with pytest.raises(Killed) as killed:
        await b.book(1)
    await b.rise(killed.value)
    assert await b.shown(1) == "in_doubt"
    assert await b.jobs("doubts") == ["SU1P1G1"]
    b.erp.post()
    await b.read_back()
    assert "found_by_read_back" in await b.events(1)
    assert b.erp.sent() == ["SU1P1G1"]


@pytest.mark.parametrize("deadly", STEPS)
async def test_a_death_at_any_step_neither_loses_nor_doubles(b: Bench, deadly: str) -> None:
    async def die(step: str, reference: Reference) -> None:
        if step == deadly:
            b.writer.on_step = outlive
            raise await b.death()

    async def outlive(step: str, reference: Reference) -> None:
        return None

    b.writer.on_step = die
    try:
        plan = await b.book(1)
        b.erp.post()
        await b.writer.confirm_posted()
    except Killed as killed:
        await b.rise(killed)
        b.writer.on_step = outlive
    plan = await b.plan(1)
    if not (await b.standing(1)).has_open_write and not (await b.standing(1)).is_booked:
        await b.writer.carry(plan)
    await b.writer.send_queued(plan.order_id)
    b.clock.tick(301)
    b.erp.post()
    await b.evidence()
    await b.read_back()
    b.erp.post()
    await b.writer.confirm_posted()
    assert b.erp.copies("SU1P1G1") == 1
    assert await b.shown(1) == "booked"


# -- the epoch -------------------------------------------------------------------------------------------------


async def test_an_order_from_before_a_first_start_is_looked_for_once_then_posted(b: Bench) -> None:
    plan = await b.plan(1, created=b.clock() - timedelta(days=1))
    await b.writer.carry(plan)
    assert b.erp.calls == []
    assert await b.shown(1) == "in_doubt"
    await b.read_back()
    assert b.erp.found == [["SU1P1G1"]]
    assert b.erp.sent() == ["SU1P1G1"]
    assert await b.shown(1) == "accepted"


async def test_after_its_own_first_call_such_an_order_needs_evidence_like_any_other(b: Bench) -> None:
    b.erp.manners = [answers(LOST, kept=True)]
    await b.writer.carry(await b.plan(1, created=b.clock() - timedelta(days=1)))
    for _ in range(5):
        await b.read_back()
    b.erp.post()
    await b.writer.confirm_posted()
    assert b.erp.sent() == ["SU1P1G1"]
    assert b.erp.copies("SU1P1G1") == 1


async def test_so_does_one_whose_call_the_process_did_not_outlive(b: Bench) -> None:
    async def die(erp: MemoryErp, body: bytes) -> PutAnswer:
        erp.take(body)
        raise await b.death()

    b.erp.manners = [die]
    await b.writer.carry(await b.plan(1, created=b.clock() - timedelta(days=1)))
    with pytest.raises(Killed) as killed:
        await b.read_back()
    await b.rise(killed.value)
    for _ in range(5):
        await b.read_back()
    b.erp.post()
    assert b.erp.copies("SU1P1G1") == 1


async def test_an_order_from_after_the_start_goes_at_once(b: Bench) -> None:
    await b.book(1)
    assert b.erp.sent() == ["SU1P1G1"]


async def test_ours_in_the_erp_and_unknown_here_renews_the_epoch(tmp_path: Path) -> None:
    erp = MemoryErp(books=[booked("SU7P1G1", "SO1"), booked("OTHER", "SO2")])
    async with bench(tmp_path, erp=erp) as b:
        assert await b.incidents() == ["unknown_reference"]
        await b.writer.carry(await b.plan(1, created=b.clock() - timedelta(hours=1)))
        await b.read_back()
        assert b.erp.calls == []
        b.clock.tick(301)
        await b.evidence()
        await b.read_back()
        assert b.erp.sent().count("SU1P1G1") == 1


async def test_one_stranger_renews_the_epoch_once(tmp_path: Path) -> None:
    erp = MemoryErp(books=[booked("SU7P1G1", "SO1")])
    async with bench(tmp_path, erp=erp) as b:
        epoch = await b.store.read.row("SELECT value FROM meta WHERE name = ?", (f"epoch/{SINK}",))
        b.clock.tick(60)
        await b.restart()
        again = await b.store.read.row("SELECT value FROM meta WHERE name = ?", (f"epoch/{SINK}",))
        assert epoch is not None
        assert again is not None
        assert epoch["value"] == again["value"]


async def test_what_was_found_at_the_start_does_not_stop_posting_later(tmp_path: Path) -> None:
    erp = MemoryErp(books=[booked("SU7P1G1", "SO1")])
    async with bench(tmp_path, erp=erp) as b:
        await b.writer.confirm_posted()
        assert b.writer.closed_because == ""


async def test_a_restored_store_doubts_what_was_only_queued(b: Bench) -> None:
    """Its other life may have sent it."""
    b.erp.manners = [answers(not_sent())]
    with pytest.raises(Retry):
        await b.book(1)
    restored = await b.death()
    await b.writer.send_queued(b.ids[1])
    await b.book(2)
    b.erp.post(1)
    b.erp.book(b.erp.calls[-1])  # order 2 is listed, order 1 is not posted yet
    b.erp.books.pop(0)
    late = b.erp.calls[1]
    await b.rise(restored)
    assert await b.incidents() == ["unknown_reference"]
    await b.writer.send_queued(b.ids[1])
    assert b.erp.sent() == ["SU1P1G1", "SU1P1G1", "SU2P1G1"]
    b.erp.book(late)
    await b.writer.confirm_posted()
    assert b.erp.copies("SU1P1G1") == 1
    assert await b.shown(1) == "booked"


async def test_a_restored_store_doubts_anew_what_was_in_doubt(b: Bench) -> None:
    """Its other life may have posted it again, on evidence that lies before the epoch."""
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    b.clock.tick(301)
    await b.evidence()
    restored = await b.death()
    b.erp.books.append(booked("SU7P1G1", "SO7"))
    b.clock.tick(60)
    await b.rise(restored)
    await b.read_back()
    assert b.erp.sent().count("SU1P1G1") == 1


async def test_what_its_other_life_booked_anew_under_a_higher_generation_is_not_booked_under_the_first(
    tmp_path: Path,
) -> None:
    """A person had said --rebook after the backup was made: the first reference is absent, and must stay so."""
    erp = MemoryErp(books=[booked("SU1P1G2", "SO1"), booked("SU21P1G2", "SO2")])
    async with bench(tmp_path, erp=erp) as b:
        for number in (1, 2):
            await b.writer.carry(await b.plan(number, created=b.clock() - timedelta(hours=1)))
        b.clock.tick(301)
        await b.evidence()
        await b.read_back()
        assert (b.erp.sent().count("SU1P1G1"), b.erp.sent().count("SU2P1G1")) == (0, 1)
        assert await b.shown(1) == "in_doubt"
        assert await b.incidents() == ["unknown_reference"]
        await word(b, 1, Resolution(word=Word.BOOKED, number="SO1"))
        assert await b.shown(1) == "booked"


@pytest.mark.parametrize(
    ("manner", "rings"),
    [(accepts, 1), (answers(Doubtful("lost"), kept=True), 1), (answers(Rejected(("no",))), 0)],
)
async def test_what_may_be_posted_is_announced_so_that_it_is_looked_for(b: Bench, manner: Manner, rings: int) -> None:
    rung: list[str] = []
    b.writer.on_sent = lambda: rung.append("sent")
    b.erp.manners = [manner]
    await b.book(1)
    assert len(rung) == rings


async def test_another_writer_stops_posting_until_a_person_confirms(b: Bench) -> None:
    b.erp.books.append(booked("SU7P1G1", "SO1"))
    await b.writer.confirm_posted()
    assert "another bcbridge" in b.writer.closed_because
    with pytest.raises(PostingClosed):
        await b.book(1)
    assert await b.incidents() == ["unknown_reference"]
    await confirm(b)
    assert await b.incidents() == []
    await b.writer.confirm_posted()
    b.clock.tick(301)
    await b.book(2)
    assert b.erp.sent() == ["SU2P1G1"]


async def test_a_channels_clock_may_be_some_minutes_ahead_of_a_renewed_epoch(b: Bench) -> None:
    b.erp.books.append(booked("SU7P1G1", "SO1"))
    await b.writer.confirm_posted()
    await confirm(b)
    await b.writer.confirm_posted()
    b.clock.tick(240)
    await b.book(2)
    assert b.erp.sent() == []
    assert await b.shown(2) == "in_doubt"


async def test_after_another_writer_what_it_may_have_accepted_is_in_doubt(b: Bench) -> None:
    plan = await b.plan(1)
    b.clock.tick()
    b.erp.books.append(booked("SU7P1G1", "SO1"))
    await b.writer.confirm_posted()
    b.clock.tick()
    await confirm(b)
    await b.writer.confirm_posted()
    await b.writer.carry(plan)
    await b.read_back()
    assert b.erp.calls == []
    assert await b.shown(1) == "in_doubt"


async def test_the_stop_outlives_a_restart(b: Bench) -> None:
    b.erp.books.append(booked("SU7P1G1", "SO1"))
    await b.writer.confirm_posted()
    await b.restart()
    assert b.writer.closed_because
    await confirm(b)
    await b.writer.confirm_posted()
    assert b.writer.closed_because == ""
    await b.restart()
    assert b.writer.closed_because == ""


async def test_a_confirmed_stranger_does_not_stop_posting_again(b: Bench) -> None:
    b.erp.books.append(booked("SU7P1G1", "SO1"))
    await b.writer.confirm_posted()
    await confirm(b)
    await b.store.write(lambda tx: tx.execute("UPDATE cursors SET value = '0'"))
    await b.writer.confirm_posted()
    assert b.writer.closed_because == ""


async def confirm(b: Bench) -> None:
    """What PersonActs and the house do at ``bcbridge confirm``."""
    await b.store.write(
        lambda tx: acts.confirm(
            tx, SINK, channels=["shop"], who="ops", why="it is the old one", flow="orders", now=b.clock()
        )
    )
    b.writer.resume_posting()


async def test_nothing_is_posted_before_the_erp_was_listed(tmp_path: Path) -> None:
    async with bench(tmp_path, opened=False) as b:
        with pytest.raises(PostingClosed):
            await b.book(1)
        assert await b.shown(1) == "ready"
        await b.writer.open()
        await b.read_back()
        assert b.erp.calls == []


# -- a person's word -------------------------------------------------------------------------------------------


async def test_said_absent_is_sent_again_under_the_same_reference(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    plan = await b.book(1)
    await word(b, 1, Resolution(word=Word.ABSENT))
    await b.writer.send_queued(plan.order_id)
    assert b.erp.sent() == ["SU1P1G1", "SU1P1G1"]


async def test_said_booked_is_booked_and_linked(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    await word(b, 1, Resolution(word=Word.BOOKED, number="SO77"))
    assert await b.shown(1) == "booked"
    assert await b.store.read.row("SELECT 1 FROM links WHERE other_ref = 'SO77'") is not None


async def test_a_generation_rises_by_a_persons_word_only(b: Bench) -> None:
    b.erp.manners = [answers(LOST)]
    await b.book(1)
    assert (await b.standing(1)).generation_of(1) == 1
    await word(b, 1, Resolution(word=Word.REBOOK))
    assert (await b.standing(1)).generation_of(1) == 2
    assert await b.shown(1) == "ready"
    await b.writer.carry(await b.plan(1, generations=[2]))
    assert b.erp.sent() == ["SU1P1G1", "SU1P1G2"]


async def test_a_closed_generation_that_turns_up_is_an_incident(b: Bench) -> None:
    b.erp.manners = [answers(LOST, kept=True)]
    await b.book(1)
    await word(b, 1, Resolution(word=Word.REBOOK))
    b.erp.post()
    await b.writer.confirm_posted()
    assert "double_in_erp" in await b.incidents()
    assert await b.shown(1) == "ready"


async def test_one_part_booked_anew_while_the_other_stands(b: Bench) -> None:
    await b.book(1, ONE, TWO)
    b.erp.waiting.pop(0)
    b.erp.post()
    await b.writer.confirm_posted()
    await word(b, 1, Resolution(word=Word.REBOOK), part=1)
    standing = await b.standing(1)
    assert not standing.is_booked
    assert standing.misses_a_part
    assert await b.shown(1) == "ready"
    await b.writer.carry(await b.plan(1, ONE, TWO, generations=[2, 1]))
    assert b.erp.sent() == ["SU1P1G1", "SU1P2G1", "SU1P1G2"]
    b.erp.post()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "booked"


async def test_a_part_seen_posted_does_not_hide_the_one_that_is_missing(b: Bench) -> None:
    await b.book(1, ONE, TWO)
    await word(b, 1, Resolution(word=Word.REBOOK), part=1)
    b.erp.waiting.pop(0)
    b.erp.post()
    await b.writer.confirm_posted()
    assert await b.shown(1) == "ready"


async def word(b: Bench, number: int, resolution: Resolution, *, part: int = 1) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        (row,) = acts.open_parts(tx, b.ids[number], reference_of(number, part))
        match resolution.word:
            case Word.BOOKED:
                acts.say_booked(tx, row, resolution.number, erp="erp", who="ops", now=b.clock())
            case Word.ABSENT:
                acts.say_absent(tx, row, who="ops", now=b.clock())
            case Word.REBOOK:
                acts.close_generation(tx, row, who="ops", now=b.clock())

    await b.store.write(unit)
