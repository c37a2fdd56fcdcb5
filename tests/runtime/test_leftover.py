"""What a process left standing ends once it is over, whoever is there to see it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from bcbridge.errors import OpenCircuit
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.leftover import end_left_circuit, end_unused
from bcbridge.store import incidents
from bcbridge.store.db import Store
from tests.runtime.kit import Clock, QuietConnector, until


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """As a process left it that was killed with an open circuit."""
    path = tmp_path / "bcbridge.db"
    async with Store(path).opened() as before:
        await Circuit(QuietConnector(), before, now=Clock()).open(OpenCircuit("answered 401"))
    async with Store(path).opened() as opened:
        yield opened


async def standing(store: Store) -> int:
    row = await store.read.row("SELECT count(*) AS n FROM incidents WHERE closed_at IS NULL")
    assert row is not None
    return int(row["n"])


@asynccontextmanager
async def ending(connector: QuietConnector, store: Store) -> AsyncIterator[Circuit]:
    circuit = Circuit(connector, store, now=Clock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: end_left_circuit(circuit, store, now=Clock(), settle_seconds=0.01))
        yield circuit
        tasks.cancel_scope.cancel()


async def test_the_incident_of_a_circuit_that_was_open_ends_when_the_connection_answers(store: Store) -> None:
    async with ending(QuietConnector(), store):
        await until(lambda: ended(store))


async def test_it_stands_as_long_as_the_connection_does_not(store: Store) -> None:
    connector = QuietConnector(trouble=OpenCircuit("answered 401"))
    async with ending(connector, store):
        await until(lambda: connector.pings >= 1)
        assert await standing(store) == 1
        connector.trouble = None
        await until(lambda: ended(store))


async def test_where_the_circuit_opens_meanwhile_it_is_left_to_that(store: Store) -> None:
    connector = QuietConnector(trouble=OpenCircuit("answered 401"))
    async with ending(connector, store) as circuit:
        await until(lambda: connector.pings >= 1)
        await circuit.open(OpenCircuit("odd pages", by_content=True), again=connector.ping)
        connector.trouble = None
        pings = connector.pings
        await anyio.sleep(0.1)
        assert (connector.pings, await standing(store)) == (pings, 1)


async def test_where_nothing_stands_nobody_is_asked(store: Store) -> None:
    await store.write(
        lambda tx: incidents.close(tx, code="circuit_open", connector="erp", cause="circuit", now=Clock()())
    )
    connector = QuietConnector()
    await end_left_circuit(Circuit(connector, store, now=Clock()), store, now=Clock(), settle_seconds=0.01)
    assert connector.pings == 0


async def test_what_stands_of_a_connection_that_is_not_configured_any_more_ends_with_the_reason(store: Store) -> None:
    await also_stand(store)
    assert await end(store, known=["erp"], used=["erp"]) == 0
    assert await end(store, known=["another"], used=["another"]) == 3
    assert await codes(store) == {"double_in_erp", "release_stopped"}, "a person's, and of no connection"
    row = await store.read.row("SELECT DISTINCT why FROM incident_changes WHERE change = 'resolved'")
    assert row is not None
    assert row["why"] == "the connection is not in config.toml any more"


async def test_of_one_that_is_switched_off_ends_what_a_watch_would_have_ended(store: Store) -> None:
    await also_stand(store)
    assert await end(store, known=["erp"], used=[]) == 2
    assert await codes(store) == {"accepted_not_posted", "double_in_erp", "release_stopped"}


async def also_stand(store: Store) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        for code in ("accepted_not_posted", "source_not_polled", "double_in_erp", "release_stopped"):
            connector = "" if code == "release_stopped" else "erp"
            incidents.open_one(tx, code=code, connector=connector, cause="it", text="...", now=Clock()())

    await store.write(unit)


async def end(store: Store, *, known: list[str], used: list[str]) -> int:
    watched = {"source_not_polled"}
    return await store.write(lambda tx: end_unused(tx, known=known, used=used, watched=watched, now=Clock()()))


async def codes(store: Store) -> set[str]:
    return {row["code"] for row in await store.read.rows("SELECT code FROM incidents WHERE closed_at IS NULL")}


async def ended(store: Store) -> bool:
    return await standing(store) == 0
