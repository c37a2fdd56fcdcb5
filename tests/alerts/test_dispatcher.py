"""Who hears of what, and when: incidents in, letters out, with a clock moved by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from bcbridge.alerts.channel import Channel
from bcbridge.alerts.dispatcher import Dispatcher
from bcbridge.alerts.letter import Letter, Pen
from bcbridge.errors import OpenCircuit, Reject, Retry, StoreBusy
from bcbridge.store import incidents
from bcbridge.store.alerts import Box, due, last_told
from bcbridge.store.db import Store
from tests.alerts.kit import ENGINEERS, GATHER, OPS, START, ZONES, Desk, Memory, desk, settings
from tests.stores import empty_store

DOUBLE = "double_in_erp"  # critical, of operations, ends by a person's word
LATE = "accepted_not_posted"  # normal, of operations, ends by itself


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


@pytest.fixture
async def here(store: Store) -> Desk:
    return await desk(store)


# -- one cause, one message ----------------------------------------------------------------------------------------


async def test_ten_thousand_failures_of_one_cause_are_one_message_and_a_line_of_the_digest(here: Desk) -> None:
    def unit_of_many(tx: object) -> None:
        for _ in range(10_000):
            incidents.open_one(tx, code=LATE, connector="erp", cause="it", text="t", now=here.clock.at)  # type: ignore[arg-type]

    await here.store.write(unit_of_many)
    await here.later(hours=1)
    assert here.boxes[OPS].subjects == ["[normal] Accepted, but not posted by BlueCherry: erp it"]
    await here.later(hours=23)
    (digest,) = here.boxes[OPS].letters[1:]
    assert digest.subject == "[digest] 1 incident standing, 0 ended"
    assert "count 10,000" in digest.groups[0].entries[0].heading


async def test_ten_thousand_causes_at_once_are_a_handful_of_letters(here: Desk) -> None:
    await here.store.write(
        lambda tx: incidents.stand(
            tx, [LATE], [incidents.Cause(LATE, "erp", f"US{n}", "not posted") for n in range(10_000)], now=START
        )
    )
    await here.later(minutes=5)
    letters = here.boxes[OPS].letters
    assert 1 < len(letters) <= 6
    assert letters[0].heading == "2,000 incidents"
    assert [len(letters[0].groups[0].entries), letters[0].groups[0].more] == [10, 1_990]
    assert await here.states() == {"sent": 10_000}


async def test_incidents_of_one_code_that_come_one_after_the_other_are_a_letter_an_hour(here: Desk) -> None:
    """The ERP posts nothing: each order is late by itself, one a minute; then it posts again."""
    for minute in range(120):
        await here.open(LATE, cause=f"US{minute}")
        await here.later(minutes=1)
    assert len(here.boxes[OPS].letters) <= 10 + 2
    await here.later(hours=1)
    assert await here.states() == {"sent": 120}, "all were told"
    for minute in range(120):
        await here.cure(LATE, cause=f"US{minute}")
        await here.later(minutes=1)
    await here.later(hours=1)
    assert len(here.boxes[OPS].letters) <= 2 * (10 + 3)


async def test_a_crowd_of_one_code_holds_up_no_other(here: Desk) -> None:
    for n in range(20):
        await here.open(LATE, cause=f"US{n}")
    await here.later(minutes=2)
    await here.open(DOUBLE)
    await here.open(LATE, cause="one more")
    await here.later(minutes=2)
    assert [letter.heading for letter in here.boxes[OPS].letters[1:]] == ["BlueCherry holds an order twice"]


async def test_what_is_critical_is_told_at_once_and_the_rest_gathered(here: Desk) -> None:
    await here.open(LATE)
    await here.turn()
    assert here.boxes[OPS].letters == []
    await here.open(DOUBLE)
    await here.turn()
    (letter,) = here.boxes[OPS].letters
    assert letter.heading == "2 incidents"  # what was gathered goes with it
    assert letter.subject.startswith("[critical]")
    assert letter.groups[0].entries[0].heading.startswith("2 [critical]")


async def test_a_box_gets_one_letter_in_the_gathering_time(here: Desk) -> None:
    await here.open(DOUBLE, cause="a")
    await here.turn()
    await here.open(DOUBLE, cause="b")
    await here.turn()
    assert len(here.boxes[OPS].letters) == 1
    here.clock.tick(seconds=GATHER)
    await here.turn()
    assert len(here.boxes[OPS].letters) == 2


# -- the end of an incident ------------------------------------------------------------------------------------------


async def test_what_ended_before_it_was_told_is_told_to_nobody(here: Desk) -> None:
    await here.open(LATE)
    await here.turn()
    await here.cure(LATE)
    await here.later(minutes=5)
    assert here.boxes[OPS].letters == []
    assert await here.states() == {"dropped": 2}


async def test_the_end_is_told_to_those_who_were_told_of_the_beginning(here: Desk) -> None:
    await here.open(LATE)
    await here.later(minutes=1)
    await here.cure(LATE)
    await here.later(minutes=2)
    assert here.boxes[OPS].subjects[1] == "[over] Accepted, but not posted by BlueCherry: erp it"
    assert dict(here.boxes[OPS].letters[1].facts)["Over"].endswith("by itself: its cause is cured")
    assert here.boxes[ENGINEERS].letters == []


async def test_who_resolved_it_is_told(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.turn()
    one = await here.number(DOUBLE)
    await here.store.write(lambda tx: incidents.resolve(tx, one, who="anna", why="cancelled", now=here.clock.at))
    await here.later(minutes=2)
    assert dict(here.boxes[OPS].letters[1].facts)["Over"].endswith("resolved by anna")


async def test_what_comes_and_goes_is_told_a_few_times_and_its_end_once(here: Desk) -> None:
    for _ in range(40):
        await here.open(LATE)
        await here.later(minutes=1)
        await here.cure(LATE)
        await here.later(minutes=1)
    told = here.boxes[OPS].subjects
    assert len(told) <= 6
    assert any("times within the hour" in dict(one.facts).get("Came back", "") for one in here.boxes[OPS].letters)
    await here.later(hours=1)
    assert [subject for subject in here.boxes[OPS].subjects[len(told) :] if "[over]" in subject] == [
        "[over] Accepted, but not posted by BlueCherry: erp it"
    ]


async def test_what_came_and_went_and_then_stays_is_believed_to_stand(here: Desk) -> None:
    """However it flaps: while it stands for good, the last word was never that it is over."""
    for _ in range(6):
        await here.open(DOUBLE)
        await here.later(minutes=2)
        await here.cure(DOUBLE)
        await here.later(minutes=2)
    await here.open(DOUBLE)
    await here.later(minutes=5)
    assert not here.boxes[OPS].subjects[-1].startswith("[over]")


# -- quiet hours, digests --------------------------------------------------------------------------------------------

QUIET = {"quiet": "22:00-07:00", "time_zone": "Europe/Berlin"}  # START is 13:00 there


def quiet(**more: object) -> dict[str, dict[str, object]]:
    return {"operations": {"slack": "ops", **QUIET, **more}, "engineers": {"email": "duty@example.com"}}


async def test_news_wait_for_the_end_of_the_quiet_hours(store: Store) -> None:
    here = await desk(store, settings(teams=quiet(digest_at="12:00")))
    here.clock.tick(hours=10)  # 23:00 in Berlin
    await here.open(LATE)
    await here.later(hours=7)
    assert here.boxes[OPS].letters == []
    await here.later(hours=1, minutes=5)
    assert len(here.boxes[OPS].letters) == 1


async def test_what_cannot_wait_is_told_at_night_too(store: Store) -> None:
    here = await desk(store, settings(teams=quiet(bypass_codes=["accepted_*"])))
    here.clock.tick(hours=10)
    await here.open(DOUBLE)
    await here.turn()
    await here.open(LATE)
    await here.later(minutes=1)
    assert len(here.boxes[OPS].letters) == 2


async def test_at_night_nobody_is_woken_for_what_is_over_in_a_minute(store: Store) -> None:
    here = await desk(store, settings(teams=asleep()))
    await here.open("circuit_open", cause="blip")
    await here.open(DOUBLE)
    await here.turn()
    assert [letter.heading for letter in here.boxes[OPS].letters] == ["BlueCherry holds an order twice"]
    await here.later(minutes=2)
    await here.cure("circuit_open", cause="blip")
    await here.open("circuit_open", cause="stays")
    await here.later(minutes=4)
    assert here.boxes[ENGINEERS].letters == []
    await here.later(minutes=2)
    assert here.boxes[ENGINEERS].subjects == ["[critical] A connection is paused: erp stays"]


async def test_with_a_bypass_it_is_told_at_night_at_once(store: Store) -> None:
    here = await desk(store, settings(teams=asleep(bypass_codes="circuit_*")))
    await here.open("circuit_open")
    await here.turn()
    assert len(here.boxes[ENGINEERS].letters) == 1


def asleep(**more: object) -> dict[str, object]:
    at_noon = {"quiet": "11:00-19:00", **more}
    return {"operations": {"slack": "ops", **at_noon}, "engineers": {"email": "duty@example.com", **at_noon}}


async def test_what_is_low_is_told_once_a_day(store: Store) -> None:
    here = await desk(store, settings(routes=[{"codes": "accepted_*", "severity": "low"}]))
    here.clock.tick(minutes=1)
    await here.open(LATE, cause="a")
    await here.open(LATE, cause="b")
    await here.cure(LATE, cause="b")
    await here.later(hours=19)
    assert here.boxes[OPS].letters == []
    await here.later(hours=2)
    (digest,) = here.boxes[OPS].letters
    assert digest.subject == "[digest] 1 incident standing, 1 ended"
    assert [group.heading for group in digest.groups] == ["New", "Ended"]
    await here.later(hours=24)
    assert [group.heading for group in here.boxes[OPS].letters[1].groups] == ["Standing longer"]


async def test_where_nothing_stands_and_nothing_ended_there_is_no_digest(here: Desk) -> None:
    await here.later(hours=49)
    assert here.boxes[OPS].letters == []


async def test_a_digest_that_fell_into_a_stop_is_told_after_it(store: Store) -> None:
    here = await desk(store)
    await here.open(LATE)
    await here.later(minutes=1)
    here.clock.tick(hours=30)
    again = await desk(store, clock=here.clock)
    await again.turn()
    assert again.boxes[OPS].subjects == ["[digest] 1 incident standing, 0 ended"]


# -- acknowledged, snoozed, escalated --------------------------------------------------------------------------------


async def test_nobody_acknowledged_so_others_are_told_once(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.later(minutes=29)
    assert here.boxes[ENGINEERS].letters == []
    await here.later(minutes=2)
    (letter,) = here.boxes[ENGINEERS].letters
    assert letter.subject.startswith("[escalated] BlueCherry holds an order twice")
    assert dict(letter.facts)["Escalated"].startswith("nobody has acknowledged it for 3")
    await here.later(hours=3)
    assert len(here.boxes[ENGINEERS].letters) == 1
    assert await here.changes() == ["opened", "escalated"]


async def test_whoever_was_told_by_escalation_is_told_of_the_end(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.later(minutes=31)
    await here.cure(DOUBLE)
    await here.later(minutes=2)
    assert here.boxes[ENGINEERS].subjects[1].startswith("[over]")


async def test_what_was_acknowledged_is_not_escalated(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.turn()
    await here.ack(DOUBLE)
    await here.later(hours=2)
    assert here.boxes[ENGINEERS].letters == []


async def test_who_acknowledged_it_once_does_not_silence_it_when_it_comes_back(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.ack(DOUBLE)
    await here.cure(DOUBLE)
    await here.open(DOUBLE)
    await here.later(minutes=40)
    assert [one.heading for one in here.boxes[ENGINEERS].letters][-1] == (
        "Not acknowledged: BlueCherry holds an order twice"
    )


async def test_what_is_normal_is_escalated_only_where_that_is_set(store: Store) -> None:
    teams = {
        "operations": {"slack": "ops", "escalate_to": "engineers", "escalate_normal_after_minutes": 120},
        "engineers": {"email": "duty@example.com"},
    }
    here = await desk(store, settings(teams=teams))
    await here.open(LATE)
    await here.later(minutes=110)
    assert here.boxes[ENGINEERS].letters == []
    await here.later(minutes=20)
    assert len(here.boxes[ENGINEERS].letters) == 1


async def test_a_snooze_is_silence_and_then_a_reminder(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.turn()
    await here.snooze(DOUBLE, START + timedelta(hours=4))
    await here.later(hours=3, minutes=50)
    assert len(here.boxes[OPS].letters) == 1
    assert here.boxes[ENGINEERS].letters == []
    await here.later(minutes=15)
    assert here.boxes[OPS].letters[1].heading == "Still standing: BlueCherry holds an order twice"
    await here.later(minutes=30)
    assert len(here.boxes[ENGINEERS].letters) == 1  # nobody acknowledged it after that either


async def test_what_ended_during_its_snooze_is_told_as_over_alone(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.turn()
    await here.snooze(DOUBLE, START + timedelta(hours=4))
    await here.cure(DOUBLE)
    await here.later(hours=5)
    assert [subject.split(" ")[0] for subject in here.boxes[OPS].subjects] == ["[critical]", "[over]"]


async def test_what_was_snoozed_before_it_was_told_waits_for_the_end_of_the_snooze(here: Desk) -> None:
    await here.open(LATE)
    await here.snooze(LATE, START + timedelta(hours=1))
    await here.later(minutes=50)
    assert here.boxes[OPS].letters == []
    await here.later(minutes=15)
    assert len(here.boxes[OPS].letters) == 1


async def test_a_reminder_is_of_the_time_it_was_asked_for(here: Desk) -> None:
    await here.open(DOUBLE)
    await here.turn()
    await here.snooze(DOUBLE, START + timedelta(hours=4))
    await here.cure(DOUBLE)
    await here.later(minutes=10)
    await here.open(DOUBLE)
    await here.later(hours=5)
    assert [subject.split(" ")[0] for subject in here.boxes[OPS].subjects] == ["[critical]", "[over]", "[critical]"]


async def test_what_comes_and_goes_and_was_snoozed_is_escalated_after_the_snooze(here: Desk) -> None:
    for _ in range(4):
        await here.open(DOUBLE)
        await here.turn()
        await here.cure(DOUBLE)
    await here.open(DOUBLE)
    await here.turn()
    await here.snooze(DOUBLE, START + timedelta(hours=2))
    await here.later(hours=2, minutes=45)
    assert [letter.heading for letter in here.boxes[ENGINEERS].letters] == [
        "Not acknowledged: BlueCherry holds an order twice"
    ]


# -- owners ------------------------------------------------------------------------------------------------------------


async def test_a_team_without_a_channel_is_stood_in_for(here: Desk) -> None:
    await here.open("money_does_not_tie")  # finance has no channel here
    await here.later(minutes=1)
    assert len(here.boxes[ENGINEERS].letters) == 1


async def test_who_stands_in_for_a_team_says_who_is_told_when_nobody_acknowledges(store: Store) -> None:
    teams = {
        "operations": {"quiet": "22:00-07:00"},
        "engineers": {"email": "duty@example.com", "escalate_to": "heads"},
        "heads": {"email": "head@example.com"},
    }
    here = await desk(store, settings(teams=teams))
    await here.open(DOUBLE)
    await here.later(minutes=40)
    assert len(here.boxes[Box("heads", "email")].letters) == 1


async def test_the_first_route_that_fits_decides(store: Store) -> None:
    routes = [
        {"codes": ["accepted_*"], "connectors": ["erp_us"], "team": "engineers", "severity": "critical"},
        {"codes": ["accepted_*"], "team": "engineers"},
    ]
    here = await desk(store, settings(routes=routes))
    await here.open(LATE, connector="erp_us")
    await here.turn()
    assert here.boxes[ENGINEERS].subjects[0].startswith("[critical]")
    await here.open(LATE, connector="erp_eu")
    await here.later(minutes=2)
    assert here.boxes[ENGINEERS].subjects[1].startswith("[normal]")


async def test_a_code_of_another_version_is_told_all_the_same(here: Desk) -> None:
    await here.open("something_new")
    await here.later(minutes=1)
    assert here.boxes[ENGINEERS].subjects == ["[normal] something new: erp it"]


# -- what cannot be delivered ------------------------------------------------------------------------------------------


async def test_a_box_that_is_down_loses_nothing_and_holds_up_no_other(here: Desk) -> None:
    here.boxes[OPS].fault = Retry("answered 503")
    await here.open(DOUBLE)
    await here.open("circuit_open")
    await here.turn()
    assert len(here.boxes[ENGINEERS].letters) == 1
    state = await here.state(OPS)
    assert (state.waiting, state.attempts, state.why) == (1, 1, "answered 503")
    here.boxes[OPS].fault = None
    await here.later(minutes=1)
    assert len(here.boxes[OPS].letters) == 1
    state = await here.state(OPS)
    assert (state.waiting, state.attempts, state.down_since, state.sent) == (0, 0, None, 1)


async def test_it_waits_as_long_as_the_other_side_asks(here: Desk) -> None:
    here.boxes[OPS].fault = Retry("answered 429", after=timedelta(minutes=10))
    await here.open(DOUBLE)
    await here.turn()
    assert (await here.state(OPS)).next_try_at == START + timedelta(minutes=10)


async def test_the_wait_outlives_the_process(here: Desk) -> None:
    here.boxes[OPS].fault = Retry("answered 429", after=timedelta(minutes=10))
    await here.open(DOUBLE)
    await here.turn()
    again = await desk(here.store, clock=here.clock)
    await again.later(minutes=9)
    assert again.boxes[OPS].letters == []
    await again.later(minutes=2)
    assert len(again.boxes[OPS].letters) == 1


async def test_a_box_that_refuses_is_an_incident_told_by_another(here: Desk) -> None:
    here.boxes[OPS].fault = OpenCircuit("Slack answered 404 no_service")
    await here.open(DOUBLE)
    await here.turn()
    await here.turn()
    assert (await here.standing())["alerts_not_delivered"] == "operations/slack/ops"
    assert here.boxes[ENGINEERS].subjects == ["[critical] Alerts cannot be delivered: operations/slack/ops"]
    assert here.dispatcher.down() == [
        "slack/ops of operations cannot be reached since 2026-11-20 12:00 UTC: Slack answered 404 no_service"
    ]
    here.boxes[OPS].fault = None
    await here.later(hours=1)
    assert "alerts_not_delivered" not in await here.standing()
    assert "[over] Alerts cannot be delivered: operations/slack/ops" in here.boxes[ENGINEERS].subjects
    assert here.dispatcher.down() == []


async def test_a_box_that_cannot_be_reached_is_an_incident_after_a_while(here: Desk) -> None:
    here.boxes[OPS].fault = Retry("no answer in time")
    await here.open(DOUBLE)
    await here.later(minutes=10)
    assert "alerts_not_delivered" not in await here.standing()
    await here.later(minutes=20)
    assert "alerts_not_delivered" in await here.standing()


async def test_a_box_never_tells_of_its_own_failure_even_where_it_is_the_owners(store: Store) -> None:
    teams = {"operations": {"slack": "ops"}, "engineers": {"email": "duty@example.com"}}
    here = await desk(store, settings(teams=teams))
    here.boxes[ENGINEERS].fault = OpenCircuit("refused")
    await here.open("circuit_open")
    await here.turn()
    await here.turn()
    assert here.boxes[OPS].subjects == ["[critical] Alerts cannot be delivered: engineers/email"]


async def test_what_waited_for_days_is_given_up_and_said_so(here: Desk) -> None:
    here.boxes[OPS].fault = OpenCircuit("gone")
    await here.open(DOUBLE)
    await here.later(days=3, hours=4)
    await here.later(hours=1)
    assert (await here.standing())["alerts_given_up"] == "operations/slack/ops"
    assert (await here.state(OPS)).given_up == 1
    assert any(subject.startswith("[normal] Alerts were never") for subject in here.boxes[ENGINEERS].subjects)


async def test_a_letter_that_is_refused_again_and_again_is_given_up_and_the_next_goes(here: Desk) -> None:
    here.boxes[OPS].fault = Reject(["Slack answered 400 invalid_blocks"])
    await here.open(DOUBLE, cause="odd")
    await here.later(minutes=5)
    assert (await here.state(OPS)).given_up == 1
    here.boxes[OPS].fault = None
    await here.open(DOUBLE, cause="fine")
    await here.later(minutes=5)
    assert here.boxes[OPS].subjects == ["[critical] BlueCherry holds an order twice: erp fine"]


async def test_an_address_that_is_refused_does_not_repeat_the_letter_to_the_others(here: Desk) -> None:
    here.boxes[OPS].missed = "the mail server refused 1 of 2 addresses (550)"
    await here.open(DOUBLE)
    await here.later(minutes=10)
    assert len(here.boxes[OPS].letters) == 1
    assert "alerts_not_delivered" in await here.standing()


async def test_what_was_sent_and_cannot_be_written_down_is_not_sent_again(here: Desk, tmp_path: Path) -> None:
    await here.open(DOUBLE)
    await here.dispatcher.route()
    full = FullDisk(here.store)
    here.dispatcher.store = full  # type: ignore[assignment]
    for _ in range(3):
        with pytest.raises(StoreBusy):
            await here.dispatcher.deliver(OPS)
    assert len(here.boxes[OPS].letters) == 1
    full.is_full = False
    await here.later(minutes=2)
    assert len(here.boxes[OPS].letters) == 1
    assert await here.states() == {"sent": 1, "waiting": 1}  # and the escalation


async def test_a_letter_whose_sending_nobody_wrote_down_is_told_again_as_the_same(here: Desk) -> None:
    """The process dies between sending and committing."""
    await here.open(DOUBLE)
    await here.dispatcher.route()
    here.dispatcher.store = FullDisk(here.store)  # type: ignore[assignment]
    with pytest.raises(StoreBusy):
        await here.dispatcher.deliver(OPS)
    again = await desk(here.store, clock=here.clock)
    await again.turn()
    assert [one.key for one in again.boxes[OPS].letters] == [one.key for one in here.boxes[OPS].letters]


async def test_a_box_that_hangs_holds_up_itself_alone(store: Store) -> None:
    """The loops as they run, on the real clock."""
    chosen = settings(gather_seconds=0.05)
    black_hole, mail = Hanging(), Memory()
    channels: dict[Box, Channel] = {OPS: black_hole, ENGINEERS: mail}
    voice = Dispatcher(store, chosen, channels, lambda: datetime.now(UTC))
    async with anyio.create_task_group() as loops:
        loops.start_soon(voice.run)
        await store.write(lambda tx: open_both(tx, datetime.now(UTC)))
        with anyio.fail_after(10):
            await black_hole.asked.wait()
            while not mail.letters:
                await anyio.sleep(0.01)
        loops.cancel_scope.cancel()
    assert mail.subjects == ["[critical] A connection is paused: erp it"]


def open_both(tx: sqlite3.Connection, now: datetime) -> None:
    for code in (DOUBLE, "circuit_open"):
        incidents.open_one(tx, code=code, connector="erp", cause="it", text="t", now=now)


class Hanging(Memory):
    """It connects, and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = anyio.Event()

    async def send(self, letter: Letter) -> str:
        self.asked.set()
        await anyio.sleep_forever()
        raise AssertionError


class FullDisk:
    """A store that can be read and, as long as it is full, not written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read = store.read
        self.is_full = True

    async def write(self, unit: object) -> object:
        if self.is_full:
            raise StoreBusy("the disk is full")
        return await self._store.write(unit)  # type: ignore[arg-type]


# -- what is configured ------------------------------------------------------------------------------------------------


async def test_what_waited_for_a_box_that_is_no_more_goes_to_the_one_that_took_its_place(store: Store) -> None:
    here = await desk(store)
    await here.open(LATE)
    await here.dispatcher.route()
    moved = settings(
        teams={"operations": {"slack": "new"}}, slack={"new": {"webhook": "file:x"}}, default_team="operations"
    )
    again = await desk(store, moved, clock=here.clock)
    await again.later(minutes=2)
    assert len(again.boxes[Box("operations", "slack/new")].letters) == 1


async def test_a_new_box_hears_of_what_stands_and_nobody_else_hears_it_again(store: Store) -> None:
    here = await desk(store)
    await here.open(LATE)
    await here.open(DOUBLE, cause="over")
    await here.later(minutes=2)
    await here.cure(DOUBLE, cause="over")
    await here.later(minutes=2)
    more = settings(teams={"operations": {"slack": "ops", "email": "ops@example.com"}}, default_team="operations")
    again = await desk(store, more, clock=here.clock)
    await again.later(minutes=2)
    assert again.boxes[OPS].letters == []
    assert again.boxes[Box("operations", "email")].subjects == [
        "[normal] Accepted, but not posted by BlueCherry: erp it"
    ]


async def test_a_box_that_is_no_more_is_not_down_either(store: Store) -> None:
    here = await desk(store)
    here.boxes[OPS].fault = OpenCircuit("Slack answered 404 no_service")
    await here.open(DOUBLE)
    await here.turn()
    assert "alerts_not_delivered" in await here.standing()
    moved = settings(teams={"operations": {"slack": "new"}}, slack={"new": {"webhook": "file:x"}})
    await desk(store, moved.model_copy(update={"default_team": "operations"}), clock=here.clock)
    assert await here.standing() == {DOUBLE: "it"}


async def test_a_clock_put_back_holds_up_no_letter(here: Desk) -> None:
    here.clock.tick(days=3)
    await here.open(DOUBLE, cause="a")
    await here.turn()
    here.clock.tick(days=-3)
    await here.open(DOUBLE, cause="b")
    await here.later(minutes=2)
    assert len(here.boxes[OPS].letters) == 2


async def test_a_letter_that_cannot_be_written_is_given_up_and_the_next_goes(here: Desk) -> None:
    here.boxes[OPS].fault = ValueError("nobody thought of this")
    await here.open(DOUBLE, cause="odd")
    await here.later(minutes=2)
    here.boxes[OPS].fault = None
    await here.later(minutes=20)
    await here.open(DOUBLE, cause="fine")
    await here.later(minutes=2)
    assert here.boxes[OPS].subjects[-1].endswith("erp fine")
    assert "alerts_given_up" in await here.standing()


async def test_what_happened_while_alerts_were_off_is_told_where_it_still_stands(store: Store) -> None:
    quiet_house = await desk(store)
    await quiet_house.open(LATE, cause="a")
    await quiet_house.open(LATE, cause="b")
    await quiet_house.cure(LATE, cause="b")
    here = await desk(store, clock=quiet_house.clock)
    await here.later(minutes=2)
    assert here.boxes[OPS].subjects == ["[normal] Accepted, but not posted by BlueCherry: erp a"]


async def test_the_live_view_says_whom_the_last_letter_went_to(here: Desk) -> None:
    assert await last_told(here.store.read) is None
    for cause in ("a", "b"):
        await here.open(LATE, cause=cause)
    await here.later(minutes=5)
    told = await last_told(here.store.read)
    assert told is not None
    assert (told.box, told.code, told.incidents) == (OPS, LATE, 2)


async def test_every_letter_says_which_bridge_speaks_where_it_has_a_name(store: Store) -> None:
    here = await desk(store, settings(name="production EU"))
    await here.open(DOUBLE)
    await here.turn()
    for cause in ("a", "b"):
        await here.open(LATE, cause=cause)
    await here.later(hours=23)
    one, several, digest = here.boxes[OPS].letters
    assert one.subject == "production EU: [critical] BlueCherry holds an order twice: erp it"
    assert one.heading == "production EU: BlueCherry holds an order twice"
    assert several.subject == "production EU: [normal] 2 incidents: Accepted, but not posted by BlueCherry and others"
    assert digest.subject.startswith("production EU: [digest] 3 incidents")
    assert all(letter.heading.startswith("production EU: ") for letter in (several, digest))


async def test_a_name_with_a_quote_in_it_ends_no_command(here: Desk) -> None:
    pen = Pen(settings(), ZONES[0].zone)
    await here.open(DOUBLE)
    await here.dispatcher.route()
    (waiting,) = await due(here.store.read, OPS, now=START, soon=START, limit=9)
    odd = replace(waiting, incident=replace(waiting.incident, order="#1'; ls", channel="shop"))
    assert pen.news([odd], OPS, now=START).commands[0][1] == """bcbridge show 'shop:#1'"'"'; ls'"""
