"""A system that is down: it is noticed after a while, nothing burns, and a day later everything is booked once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bcbridge.errors import OpenCircuit, PostingClosed, Retry
from bcbridge.model.answers import Doubtful
from bcbridge.runtime import circuit as circuits
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.writer import DOUBTS
from tests.runtime.kit import Bench, QuietConnector, answers, bench

DOWN = Retry("could not connect")


@pytest.fixture
async def b(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        yield made


async def test_one_day_without_an_erp_costs_no_attempt_and_everything_is_booked_once(b: Bench) -> None:
    b.erp.manners = [answers(Doubtful("the line broke"), kept=True), answers(Doubtful("the line broke"))]
    await b.book(1)  # kept over there
    await b.book(2)  # lost on the way
    await b.circuit.open(OpenCircuit("could not connect"))
    waiting = [await b.plan(number) for number in range(3, 9)]
    for _ in range(24):
        b.clock.at += timedelta(hours=1)
        for plan in waiting:
            with pytest.raises(PostingClosed, match="could not connect"):
                await b.writer.carry(plan)
    assert len(b.erp.calls) == 2, "while it is down nothing is tried with real orders"
    attempts = await b.store.read.rows("SELECT max(attempts) AS n FROM jobs WHERE flow = ?", (DOUBTS,))
    assert attempts[0]["n"] == 0
    await b.circuit.close()
    b.erp.post()
    await b.writer.confirm_posted()
    for plan in waiting:
        await b.writer.carry(plan)
    b.erp.post()
    await b.writer.confirm_posted()
    await b.evidence()
    await b.read_back()
    b.erp.post()
    await b.writer.confirm_posted()
    assert [b.erp.copies(f"SU{number}P1G1") for number in range(1, 9)] == [1] * 8
    assert [await b.shown(number) for number in range(1, 9)] == ["booked"] * 8
    assert await b.incidents() == []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "SILENT_SECONDS", 0.0)


async def silent(circuit: Circuit, reads: int) -> None:
    for _ in range(reads):
        await circuit.unheard(DOWN)


def deaf() -> QuietConnector:
    connector = QuietConnector()
    connector.trouble = DOWN
    return connector


@pytest.mark.usefixtures("at_once")
async def test_reads_that_fail_in_a_row_pause_a_connection_that_answers_no_ping_either(b: Bench) -> None:
    connector = deaf()
    circuit = Circuit(connector, b.store, now=b.clock)
    await silent(circuit, circuits.SILENT_READS - 1)
    circuit.heard()
    await silent(circuit, circuits.SILENT_READS - 1)
    assert not circuit.is_open, "one that went through begins the count anew"
    await silent(circuit, 1)
    assert "5 reads in a row did not go through, nor does a ping: could not connect" in circuit.view().why
    assert await b.incidents() == ["circuit_open"]
    await circuit._try()
    assert circuit.is_open
    connector.trouble = None
    await circuit._try()
    assert not circuit.is_open
    assert await b.incidents() == []


@pytest.mark.usefixtures("at_once")
async def test_one_list_that_is_broken_for_good_pauses_nothing_else(b: Bench) -> None:
    """It is tried again within seconds, its neighbours once in a poll: five in a row may all be its own."""
    circuit = Circuit(QuietConnector(), b.store, now=b.clock)
    await silent(circuit, 50)
    assert not circuit.is_open
    assert await b.incidents() == []


@pytest.mark.usefixtures("at_once")
async def test_a_ping_says_itself_why_the_connection_is_at_fault_or_that_it_is_there(b: Bench) -> None:
    refusing, busy, broken = QuietConnector(), QuietConnector(), QuietConnector()
    refusing.trouble = OpenCircuit("key revoked")
    busy.trouble = Retry("too many", after=timedelta(seconds=2))
    broken.trouble = KeyError("ours")
    seen = []
    for connector in (refusing, busy, broken):
        circuit = Circuit(connector, b.store, now=b.clock)
        with capture_logs():
            await silent(circuit, circuits.SILENT_READS)
        seen.append(circuit.view().why)
    assert seen == ["key revoked", "", ""]


async def test_a_bad_moment_is_not_an_outage(b: Bench) -> None:
    """Many reads may fail within one second: what counts is for how long."""
    circuit = Circuit(deaf(), b.store, now=b.clock)
    await silent(circuit, 50)
    assert not circuit.is_open


@pytest.mark.usefixtures("at_once")
async def test_who_asks_us_to_wait_is_there(b: Bench) -> None:
    circuit = Circuit(deaf(), b.store, now=b.clock)
    for _ in range(50):
        await circuit.unheard(Retry("too many", after=timedelta(seconds=2)))
    assert not circuit.is_open


async def test_a_clock_that_goes_back_makes_no_pause_longer_than_it_was_asked_for(b: Bench) -> None:
    circuit = Circuit(QuietConnector(), b.store, now=b.clock)
    await circuit.open(OpenCircuit("quota", after=timedelta(seconds=30)))
    b.clock.at -= timedelta(days=300)
    assert circuit._wait(1) <= timedelta(seconds=30)
