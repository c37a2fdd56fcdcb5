"""An open circuit says why, tries by itself, and lets go what waited when it closes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from bcbridge.errors import OpenCircuit, Retry, StoreBusy
from bcbridge.runtime import circuit as circuits
from bcbridge.runtime.circuit import Circuit
from bcbridge.store.db import Store
from tests.runtime.kit import Clock, QuietConnector, locked, until
from tests.stores import empty_store


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


@pytest.fixture
def circuit(store: Store) -> Circuit:
    return Circuit(QuietConnector(), store, now=Clock())


def connector(circuit: Circuit) -> QuietConnector:
    assert isinstance(circuit.connector, QuietConnector)
    return circuit.connector


async def incidents(store: Store, *, closed: bool = False) -> int:
    row = await store.read.row("SELECT count(*) AS n FROM incidents WHERE (closed_at IS NOT NULL) = ?", (closed,))
    assert row is not None
    return int(row["n"])


async def test_it_says_why_and_an_incident_stands_until_it_closes(circuit: Circuit, store: Store) -> None:
    await circuit.open(OpenCircuit("key revoked", after=timedelta(seconds=60)))
    view = circuit.view()
    assert (view.is_open, view.why) == (True, "key revoked")
    assert view.retry_at is not None
    assert await incidents(store) == 1
    await circuit.close()
    assert circuit.view().why == ""
    assert (await incidents(store), await incidents(store, closed=True)) == (0, 1)


async def test_a_planned_pause_is_nobodys_incident(circuit: Circuit, store: Store) -> None:
    await circuit.open(OpenCircuit("quiet hours", after=timedelta(hours=1), planned=True))
    assert circuit.is_open
    assert await incidents(store) == 0


async def test_opened_by_content_it_closes_by_the_same_read_and_not_by_a_ping(circuit: Circuit) -> None:
    pages = ["odd", "odd", "clean"]

    async def read_again() -> None:
        if pages.pop(0) == "odd":
            raise OpenCircuit("still odd", by_content=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(circuit.mend)
        await circuit.open(OpenCircuit("odd", by_content=True), again=read_again)
        assert circuit.by_content
        with anyio.fail_after(15):
            await circuit.closed()
        tasks.cancel_scope.cancel()
    assert (pages, connector(circuit).pings, circuit.by_content) == ([], 0, False)


async def test_opened_twice_is_one_incident(circuit: Circuit, store: Store) -> None:
    await circuit.open(OpenCircuit("down"))
    await circuit.open(OpenCircuit("still down"))
    assert await incidents(store) == 1


async def test_it_closes_by_itself_when_a_ping_goes_through(circuit: Circuit) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(circuit.mend)
        await circuit.open(OpenCircuit("down"))
        with anyio.fail_after(10):
            await circuit.closed()
        assert connector(circuit).pings == 1
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("trouble", [OpenCircuit("still"), Retry("busy"), TimeoutError(), KeyError("odd")])
async def test_a_ping_that_fails_leaves_it_open_whatever_it_raises(circuit: Circuit, trouble: Exception) -> None:
    await circuit.open(OpenCircuit("down"))
    connector(circuit).trouble = trouble
    await circuit._try()
    assert circuit.is_open


async def test_what_waited_is_let_go_when_it_closes(circuit: Circuit) -> None:
    let_go: list[bool] = []

    async def resume() -> None:
        let_go.append(circuit.is_open)

    circuit.on_close = resume
    await circuit.open(OpenCircuit("down"))
    await circuit._try()
    assert let_go == [False]


async def test_what_could_not_be_let_go_is_let_go_later(circuit: Circuit) -> None:
    tries: list[str] = []

    async def resume() -> None:
        tries.append("try")
        if len(tries) == 1:
            raise StoreBusy("full")

    circuit.on_close = resume
    await circuit.open(OpenCircuit("down"))
    await circuit._try()
    assert circuit.is_open
    await circuit._try()
    assert not circuit.is_open
    assert len(tries) == 2


async def test_it_opens_although_the_store_cannot_write_it_down(circuit: Circuit, store: Store) -> None:
    other = await locked(store.path)
    await circuit.open(OpenCircuit("down"))
    other.close()
    assert circuit.is_open
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(circuit.mend)
        await until(lambda: not circuit.is_open)
        tasks.cancel_scope.cancel()


async def test_whoever_waits_for_it_waits_for_the_circuit_as_it_is_now(circuit: Circuit) -> None:
    passed: list[int] = []

    async def wait() -> None:
        await circuit.closed()
        passed.append(1)

    await circuit.open(OpenCircuit("down"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.01)
        assert passed == []
        await circuit.close()
    assert passed == [1]


async def test_a_read_that_takes_longer_than_a_ping_may_still_closes_it(
    circuit: Circuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a list of many pages that once could not be read would pause its connection for ever."""
    monkeypatch.setattr(circuits, "PROBE_DEADLINE_SECONDS", 0.0)
    await circuit.open(OpenCircuit("no page", by_content=True), again=anyio.lowlevel.checkpoint)
    await circuit._try()
    assert not circuit.is_open


async def test_what_only_some_calls_are_refused_for_pauses_nothing(circuit: Circuit, store: Store) -> None:
    assert not await circuit.suspect(OpenCircuit("it needs write_inventory", by_content=True))
    assert (circuit.is_open, await incidents(store)) == (False, 0)


async def test_what_a_ping_is_refused_for_too_pauses_the_connection(circuit: Circuit, store: Store) -> None:
    connector(circuit).trouble = OpenCircuit("key revoked")
    assert await circuit.suspect(OpenCircuit("a call was refused"))
    assert (circuit.view().why, await incidents(store)) == ("key revoked", 1)


async def test_a_ping_without_an_answer_proves_nothing(circuit: Circuit) -> None:
    connector(circuit).trouble = Retry("no answer")
    assert not await circuit.suspect(OpenCircuit("a call was refused"))
