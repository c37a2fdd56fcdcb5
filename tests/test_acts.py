"""What a person asks for is counted first, done to what may be touched, and written down with who, when and why."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bcbridge.errors import Misconfigured
from bcbridge.house.acts import PersonActs
from bcbridge.house.erasure import Erasure
from bcbridge.house.reconcile import ReconcileActs
from bcbridge.house.stock_acts import StockActs
from bcbridge.mappings import Mappings
from bcbridge.model.acts import ActResult, NotFound, Refusal, Resolution, Selection, Word
from bcbridge.model.answers import Doubtful, Rejected
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Blocked, Never, NotYet, Outcome, Problem
from bcbridge.model.standing import Facts
from bcbridge.store import orders, views
from tests.runtime.kit import CHANNEL, ERP, SINK, Bench, answers, bench

WHO = "ops@example.com"
TWO_PARTS = ((("111111111111", 1),), (("222222222222", 2),))


@dataclass
class Desk:
    b: Bench
    acts: PersonActs
    rung: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    mapped: list[tuple[str, ...]] = field(default_factory=list)
    started: list[tuple[str, str]] = field(default_factory=list)
    """What a person's word on stock set going: pull, compare or push, and of whom."""

    async def put(self, number: int, outcome: Outcome) -> None:
        facts = Facts(Ref(f"order/{number}"), channel_id=str(number), name=f"#{number}", content_hash="1:x")
        await self.b.store.write(lambda tx: orders.record(tx, CHANNEL, facts, outcome, now=self.b.clock()))

    async def block(self, *numbers: int, cause: str = "ship_via/Overnight", code: str = "ship_via") -> None:
        for number in numbers:
            problem = Problem(code=code, subject="shipping", text="no such", cause=cause)
            await self.put(number, Blocked(problems=(problem,)))

    async def state(self, number: int) -> tuple[str, str]:
        row = await self.b.order_row(number)
        return row["state"], row["code"]

    async def retry(self, *names: str, dry_run: bool = False, **said: Any) -> ActResult:
        return await self.acts.retry(Selection(orders=names, **said), who=WHO, dry_run=dry_run)

    async def skip(self, *names: str, dry_run: bool = False, **said: Any) -> ActResult:
        return await self.acts.skip(Selection(orders=names, **said), why="a test", who=WHO, dry_run=dry_run)

    async def resolve(self, name: str, word: Word, number: str = "", *, dry_run: bool = False) -> ActResult:
        resolution = Resolution(word=word, number=number)
        return await self.acts.resolve(name, resolution, why="looked in BlueCherry", who=WHO, dry_run=dry_run)

    async def story(self, number: int) -> views.Story:
        found = await views.story(self.b.store.read, (await self.b.order_row(number))["id"])
        assert found is not None
        return found

    async def written_down(self) -> list[sqlite3.Row]:
        return await self.b.store.read.rows("SELECT * FROM acts ORDER BY id")


@pytest.fixture
async def d(tmp_path: Path) -> AsyncIterator[Desk]:
    rung: list[str] = []
    confirmed: list[str] = []
    mapped: list[tuple[str, ...]] = []
    started: list[tuple[str, str]] = []

    def starts(what: str) -> Callable[[str], None]:
        return lambda of: started.append((what, of))

    async def on_confirm(write: str) -> None:
        confirmed.append(write)

    async def save(*said: str) -> int:
        mapped.append(said)
        return 4

    async with bench(tmp_path) as b:
        acts = PersonActs(
            store=b.store,
            now=b.clock,
            ring=lambda: rung.append("ring"),
            erp_of={CHANNEL: ERP},
            writes=lambda: [SINK],
            on_confirm=on_confirm,
            save_mapping=save,
            check_mapping=Mappings().with_value,
            erasure=Erasure(b.store, b.clock, {}),
            stock=StockActs(b.store, b.clock, [ERP], [CHANNEL], starts("pull"), starts("compare"), starts("push")),
            reconciling=ReconcileActs(b.store, b.clock, {}),
            mapping_now=Mappings({"ship_via": {"shop": {"overnight": "UPG"}}}).row,
        )
        yield Desk(b, acts, rung, confirmed, mapped, started)


# -- which orders ----------------------------------------------------------------------------------------------


async def test_nothing_said_is_nothing_meant(d: Desk) -> None:
    with pytest.raises(Refusal):
        await d.retry()


@pytest.mark.parametrize("said", ["#1", "1", "order/1"])
async def test_an_order_is_known_by_what_a_person_has_in_hand(d: Desk, said: str) -> None:
    await d.block(1, 2)
    assert (await d.retry(said)).orders == ("#1",)


async def test_one_that_nobody_knows_is_said(d: Desk) -> None:
    with pytest.raises(NotFound, match="#9"):
        await d.retry("#9")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"cause": "sku/1"}, {"#2"}),
        ({"code": "unknown_sku"}, {"#2"}),
        ({"channel": "shop"}, {"#1", "#2", "#3"}),
        ({"channel": "other"}, set()),
        ({"all": True}, {"#1", "#2", "#3"}),
        ({"channel": "shop", "code": "ship_via"}, {"#1"}),
    ],
)
async def test_what_is_given_narrows(d: Desk, said: dict[str, Any], meant: set[str]) -> None:
    await d.block(1)
    await d.block(2, cause="sku/1", code="unknown_sku")
    await d.put(3, NotYet(code="hold", text="held"))
    await d.put(4, Never(code="test", text="a test order"))
    assert set((await d.retry(dry_run=True, **said)).orders) == meant


# -- retry -----------------------------------------------------------------------------------------------------


async def test_the_count_is_shown_first_and_nothing_done(d: Desk) -> None:
    await d.block(1, 2)
    result = await d.retry(all=True, dry_run=True)
    assert (result.matched, result.done) == (2, 0)
    assert await d.b.jobs("orders") == []
    assert await d.written_down() == []
    assert await d.state(1) == ("blocked", "ship_via")


async def test_a_retry_looks_again_three_first(d: Desk) -> None:
    await d.block(1, 2, 3, 4, 5)
    result = await d.retry(all=True)
    assert (result.matched, result.done) == (5, 5)
    assert await d.b.jobs("orders") == ["order/1", "order/2", "order/3"]
    assert d.rung


async def test_who_when_and_what_it_was_is_written_down(d: Desk) -> None:
    await d.block(1, 2)
    await d.retry(all=True)
    (act,) = await d.written_down()
    assert (act["who"], act["act"], act["target"]) == (WHO, "retry", "2 orders")
    assert act["at"] >= "2026-11-20T12:00:01"
    assert orjson.loads(act["data"]) == {
        "before": {"order/1": "blocked", "order/2": "blocked"},
        "after": {"order/1": "ready", "order/2": "ready"},
        "count": 2,
    }
    assert "retried" in await d.b.events(1)


async def test_every_order_of_a_large_act_knows_what_it_was_before_and_after(d: Desk) -> None:
    await d.block(*range(1, 71))
    await d.retry(all=True)
    (act,) = await views.acts(d.b.store.read)
    assert (act.data["count"], len(act.before), len(act.after)) == (70, 50, 50)
    assert [(one.before, one.after) for one in (await d.story(1)).acts] == [("blocked", "ready")]
    assert [(one.before, one.after) for one in (await d.story(70)).acts] == [("blocked", "blocked")], "its turn comes"


async def test_each_act_on_an_order_stands_in_its_story(d: Desk) -> None:
    await d.block(1)
    await d.skip("#1")
    await d.retry("#1")
    assert [(one.act, one.before, one.after, one.why) for one in (await d.story(1)).acts] == [
        ("skip", "blocked", "never", "a test"),
        ("retry", "never", "ready", ""),
    ]


async def test_the_newest_act_is_told_first(d: Desk) -> None:
    await d.block(1, 2)
    await d.skip("#1")
    await d.skip("#2")
    assert [one.id for one in await views.acts(d.b.store.read, limit=1)] == [2]
    assert [one.id for one in await views.acts(d.b.store.read)] == [2, 1]


async def test_what_is_on_its_way_or_booked_is_left_out_and_said_so(d: Desk) -> None:
    await d.block(1)
    await d.b.book(2)
    await d.b.book(3)
    d.b.erp.post(1)
    await d.b.writer.confirm_posted()
    result = await d.retry("#1", "#2", "#3")
    assert result.orders == ("#1",)
    assert {(one.order, one.reason) for one in result.left_out} == {
        ("#2", "it is booked"),
        ("#3", "a document is on its way (accepted)"),
    }


async def test_a_refused_one_may_be_retried(d: Desk) -> None:
    d.b.erp.manners = [answers(Rejected(("no",)))]
    await d.b.book(1, *TWO_PARTS)
    assert (await d.retry("#1")).done == 1
    assert await d.b.jobs("orders") == ["order/1"]


# -- skip ------------------------------------------------------------------------------------------------------


async def test_skipped_is_never_with_its_reason_and_retry_opens_it_again(d: Desk) -> None:
    await d.block(1)
    assert (await d.skip("#1")).done == 1
    row = await d.b.order_row(1)
    assert (row["state"], row["code"], row["reason"], row["skipped_by"]) == ("never", "skipped", "a test", WHO)
    await d.retry("#1")
    assert await d.state(1) == ("ready", "released")


async def test_a_skip_waits_for_no_release(d: Desk) -> None:
    await d.block(1, 2, 3, 4, 5)
    await d.retry(all=True)
    await d.skip("#5")
    held = await d.b.store.read.rows("SELECT order_id FROM release_orders WHERE stage = 'held'")
    assert len(held) == 1


async def test_what_is_on_its_way_cannot_be_skipped(d: Desk) -> None:
    await d.b.book(1)
    result = await d.skip("#1")
    assert (result.done, len(result.left_out)) == (0, 1)
    assert (await d.state(1))[0] == "accepted"


async def test_what_is_never_already_is_left_out_of_a_skip(d: Desk) -> None:
    await d.put(1, Never(code="test", text="a test order"))
    result = await d.skip("#1")
    assert (result.done, result.left_out[0].reason) == (0, "it is never booked as it is (test)")
    assert await d.state(1) == ("never", "test")


async def test_a_skip_that_touches_nobody_is_not_written_down(d: Desk) -> None:
    await d.b.book(1)
    await d.skip("#1")
    assert await d.written_down() == []


# -- resolve ---------------------------------------------------------------------------------------------------


async def doubt(d: Desk, number: int = 1, *parts: Any) -> None:
    d.b.erp.manners = [answers(Doubtful("no answer"))]
    await d.b.book(number, *parts)


async def test_said_booked_is_booked_under_its_number(d: Desk) -> None:
    await doubt(d)
    assert (await d.resolve("#1", Word.BOOKED, "SO77")).done == 1
    assert (await d.state(1))[0] == "booked"
    (act,) = await d.written_down()
    assert (act["act"], act["target"], act["why"]) == ("resolve", "SU1P1G1", "looked in BlueCherry")
    assert orjson.loads(act["data"]) == {
        "before": {"state": "in_doubt", "number": ""},
        "after": {"state": "posted", "number": "SO77"},
        "word": "booked",
    }
    (story,) = (await d.story(1)).acts
    assert (story.who, story.act, story.target, story.before, story.after) == (
        *(WHO, "resolve", "SU1P1G1"),
        *("in_doubt", "booked"),
    )


async def test_said_absent_goes_out_again(d: Desk) -> None:
    await doubt(d)
    await d.resolve("#1", Word.ABSENT)
    assert await d.b.state(1) == "queued"
    assert await d.b.jobs("orders") == ["order/1"]


async def test_to_be_booked_anew_has_a_new_generation(d: Desk) -> None:
    await d.b.book(1)
    await d.resolve("#1", Word.REBOOK)
    assert await d.b.state(1) == "closed"
    assert (await d.b.standing(1)).generation_of(1) == 2
    assert (await d.state(1))[0] == "ready"


async def test_a_dry_run_touches_nothing(d: Desk) -> None:
    await doubt(d)
    result = await d.resolve("#1", Word.REBOOK, dry_run=True)
    assert (result.matched, result.done, result.orders) == (1, 0, ("SU1P1G1",))
    assert await d.b.state(1) == "in_doubt"
    assert await d.written_down() == []


async def test_one_number_is_not_given_to_two_parts(d: Desk) -> None:
    await d.b.book(1, *TWO_PARTS)
    with pytest.raises(Refusal, match="SU1P1G1, SU1P2G1"):
        await d.resolve("#1", Word.BOOKED, "SO77")
    await d.resolve("SU1P2G1", Word.BOOKED, "SO77")
    assert await d.b.state(1, part=2) == "posted"
    assert await d.b.state(1, part=1) == "accepted"


async def test_a_booked_order_is_not_resolved(d: Desk) -> None:
    await d.b.book(1)
    d.b.erp.post()
    await d.b.writer.confirm_posted()
    with pytest.raises(Refusal, match="booked"):
        await d.resolve("#1", Word.REBOOK)


async def test_a_word_that_does_not_fit_is_refused_with_what_is(d: Desk) -> None:
    d.b.erp.manners = [answers(Rejected(("no",)))]
    await d.b.book(1)
    with pytest.raises(Refusal, match="SU1P1G1 is rejected"):
        await d.resolve("#1", Word.ABSENT)


async def test_a_word_ends_the_incident_about_it(d: Desk) -> None:
    await d.b.book(1)
    d.b.clock.tick(5 * 3600)
    await d.b.writer.confirm_posted()
    assert await d.b.incidents() == ["accepted_not_posted"]
    await d.resolve("#1", Word.REBOOK)
    assert await d.b.incidents() == []


# -- confirm ---------------------------------------------------------------------------------------------------


async def test_a_confirmed_write_frees_what_waited_three_first(d: Desk) -> None:
    for number in range(1, 6):
        await d.b.plan(number)
    result = await d.acts.confirm(SINK, why="tried on the test company", who=WHO, dry_run=False)
    assert result.done == 1
    assert "5" in result.note
    assert await d.b.jobs("orders") == ["order/1", "order/2", "order/3"]
    assert d.confirmed == [SINK]
    (act,) = await d.written_down()
    assert (act["who"], act["act"], act["target"], act["why"]) == (WHO, "confirm", SINK, "tried on the test company")
    facts = orjson.loads(act["data"])
    assert (facts["before"], facts["after"]["who"]) == (None, WHO)


async def test_a_dry_confirm_confirms_nothing(d: Desk) -> None:
    assert (await d.acts.confirm(SINK, why="", who=WHO, dry_run=True)).done == 0
    assert d.confirmed == []
    assert await d.b.store.read.rows("SELECT * FROM confirmations") == []


async def test_a_write_that_does_not_exist_is_named_with_those_that_do(d: Desk) -> None:
    with pytest.raises(NotFound, match=SINK):
        await d.acts.confirm("erp.stock", why="", who=WHO, dry_run=False)


# -- mappings --------------------------------------------------------------------------------------------------


async def test_a_mapping_is_set_and_written_down(d: Desk) -> None:
    result = await d.acts.set_mapping("ship_via", "shop", "Overnight", "UP1", who=WHO, dry_run=False)
    assert d.mapped == [("ship_via", "shop", "Overnight", "UP1")]
    assert "4" in result.note
    (act,) = await d.written_down()
    assert (act["act"], act["target"], orjson.loads(act["data"])) == (
        "mapping",
        "ship_via.shop.Overnight",
        {"before": "UPG", "after": "UP1"},
    )


async def test_a_mapping_that_could_not_be_saved_is_written_down_as_that(d: Desk) -> None:
    async def full(*said: str) -> int:
        raise OSError(28, "no space left on device")

    acts = replace(d.acts, save_mapping=full)
    with pytest.raises(OSError, match="no space"):
        await acts.set_mapping("ship_via", "shop", "Air", "UP1", who=WHO, dry_run=False)
    meant, failed = await d.written_down()
    assert (meant["act"], orjson.loads(meant["data"])) == ("mapping", {"before": None, "after": "UP1"})
    assert (failed["act"], orjson.loads(failed["data"])) == ("mapping_failed", {"before": "UP1", "after": None})


async def test_a_dry_mapping_that_could_not_be_set_says_so(d: Desk) -> None:
    with pytest.raises(Misconfigured):
        await d.acts.set_mapping("no_such_table", "shop", "Overnight", "UP1", who=WHO, dry_run=True)


async def test_a_dry_mapping_is_not_set(d: Desk) -> None:
    await d.acts.set_mapping("ship_via", "shop", "Overnight", "UP1", who=WHO, dry_run=True)
    assert d.mapped == []


# -- stock -----------------------------------------------------------------------------------------------------


async def test_a_pull_that_was_held_is_believed_by_a_persons_word(d: Desk) -> None:
    why = "4,120 of 18,300 SKUs would have nothing"
    await d.b.store.write(lambda tx: tx.execute("INSERT INTO stock_feeds (erp, held) VALUES (?, ?)", (ERP, why)))
    counted = await d.acts.stock.accept(ERP, why="a season was cleared", who=WHO, dry_run=True)
    assert (counted.matched, counted.done, counted.note, d.started) == (1, 0, why, [])
    done = await d.acts.stock.accept(ERP, why="a season was cleared", who=WHO, dry_run=False)
    row = await d.b.store.read.row("SELECT accepted, held FROM stock_feeds")
    assert row is not None
    assert (done.done, tuple(row), d.started) == (1, (1, why), [("pull", ERP)])
    (act,) = await d.written_down()
    assert (act["act"], act["target"], act["why"], act["who"]) == ("stock_accept", ERP, "a season was cleared", WHO)


async def test_a_comparison_and_a_push_are_started_and_written_down(d: Desk) -> None:
    await d.acts.stock.start_compare(CHANNEL, who=WHO, dry_run=False)
    await d.acts.stock.start_push(CHANNEL, why="a restore over there", who=WHO, dry_run=False)
    assert d.started == [("compare", CHANNEL), ("push", CHANNEL)]
    assert [row["act"] for row in await d.written_down()] == ["stock_compare", "stock_push"]


async def test_a_connection_whose_stock_nobody_keeps_is_named(d: Desk) -> None:
    with pytest.raises(NotFound, match="no connection elsewhere whose stock is kept"):
        await d.acts.stock.start_compare("elsewhere", who=WHO, dry_run=False)
    with pytest.raises(NotFound, match="whose figures are read"):
        await d.acts.stock.accept(CHANNEL, why="?", who=WHO, dry_run=False)
    assert (d.started, await d.written_down()) == ([], [])
