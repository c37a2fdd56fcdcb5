"""``bcbridge incidents``: looking at what stands, and acting on it through the bridge or, where none runs, without."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from anyio import to_thread

from bcbridge.cli import main
from bcbridge.house.incident_acts import IncidentActs
from bcbridge.store import incidents
from bcbridge.store.db import Store, connect
from bcbridge.web.app import Front, Parts
from bcbridge.web.server import serving_owner
from tests.stores import empty_store

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Said]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "var/bcbridge.db"
    path.parent.mkdir()
    empty_store(path)
    connection = connect(path)
    for code, connector in (("double_in_erp", "erp"), ("circuit_open", "shop"), ("booked_differs", "erp")):
        incidents.open_one(connection, code=code, connector=connector, cause="it", text=f"{code} text", now=NOW)
    connection.close()
    return path


@pytest.fixture
def cli(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    (tmp_path / "config.toml").touch()
    monkeypatch.setenv("SUDO_USER", "anna")

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = 0
        try:
            main(["incidents", *arguments, "--config", str(tmp_path / "config.toml")])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def rows(store: Path, sql: str) -> list[sqlite3.Row]:
    connection = connect(store)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


# -- looking -----------------------------------------------------------------------------------------------------


def test_list_says_whose_each_is_and_how_bad(cli: Cli) -> None:
    found = {one["code"]: one for one in cli("list", "--json").json}
    assert (found["double_in_erp"]["severity"], found["double_in_erp"]["team"]) == ("critical", "operations")
    assert (found["booked_differs"]["severity"], found["booked_differs"]["team"]) == ("normal", "finance")
    assert [one["code"] for one in cli("list", "--code", "circuit_open", "--json").json] == ["circuit_open"]
    assert "operations" in cli("list").out


def test_show_tells_what_happened_and_what_to_do(cli: Cli) -> None:
    cli("ack", "1", "--why", "looking")
    said = cli("show", "1").out
    assert "opened" in said
    assert "acked by anna: looking" in said
    assert "docs/runbook/double_in_erp.md" in said
    assert [one["change"] for one in cli("show", "1", "--json").json["changes"]] == ["opened", "acked"]


def test_an_incident_that_is_not_there_is_not_found(cli: Cli) -> None:
    assert cli("show", "77").code == 3
    assert cli("ack", "77").code == 3


# -- acting, with no bridge running ------------------------------------------------------------------------------


def test_ack_is_kept_and_written_down(cli: Cli, store: Path) -> None:
    assert cli("ack", "1").code == 0
    assert "acknowledged by anna" in cli("list").out
    (act,) = rows(store, "SELECT * FROM acts")
    assert (act["who"], act["act"]) == ("anna", "ack")
    facts = json.loads(act["data"])
    assert (facts["before"], facts["after"]) == ({"1": "open"}, {"1": "acknowledged by anna"})


def test_what_is_acknowledged_already_is_left_out(cli: Cli) -> None:
    cli("ack", "1")
    said = cli("ack", "1", "2", "--json").json
    assert (said["matched"], said["done"]) == (2, 1)
    assert said["left_out"] == [{"order": "1 double_in_erp erp", "reason": "acknowledged by anna"}]


def test_snooze_takes_a_span_or_a_moment(cli: Cli, store: Path) -> None:
    assert cli("snooze", "1", "--for", "4h").code == 0
    assert cli("snooze", "2", "--until", "2099-01-01T08:00:00+01:00").code == 0
    until = {row["id"]: row["snoozed_until"] for row in rows(store, "SELECT * FROM incidents")}
    assert until[2] == "2099-01-01T07:00:00.000000Z"
    assert until[1] is not None
    assert until[3] is None


@pytest.mark.parametrize(
    "said", [("--for", "4"), ("--until", "soon"), (), ("--for", "4h", "--until", "2099-01-01T00:00Z")]
)
def test_a_snooze_that_says_no_time_is_refused(cli: Cli, said: tuple[str, ...]) -> None:
    assert cli("snooze", "1", *said).code == 2


def test_a_snooze_until_yesterday_is_refused(cli: Cli) -> None:
    assert cli("snooze", "1", "--until", "2020-01-01T00:00:00Z").code == 1


def test_resolve_closes_what_has_no_cure_of_its_own(cli: Cli, store: Path) -> None:
    said = cli("resolve", "1", "2", "--why", "cancelled one of them", "--json").json
    assert (said["done"], said["orders"]) == (1, ["1 double_in_erp erp"])
    assert said["left_out"][0]["order"] == "2 circuit_open shop"
    closed = {row["id"]: row["closed_by"] for row in rows(store, "SELECT * FROM incidents WHERE closed_at IS NOT NULL")}
    assert closed == {1: "anna"}
    assert cli("resolve", "2", "--anyway", "--why", "the connection is gone").code == 0
    assert [one["id"] for one in cli("list", "--ended", "--json").json] == [2, 1]


def test_many_at_once_are_counted_and_asked_for(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = cli("ack", "--all", "--dry-run", "--json").json
    assert (counted["matched"], counted["done"]) == (3, 0)
    assert cli("ack").code == 2
    assert cli("ack", "--all", "--yes").code == 0
    assert all(one["acked_by"] == "anna" for one in cli("list", "--json").json)


# -- acting, with a bridge running -------------------------------------------------------------------------------


@dataclass
class OnlyIncidents:
    incidents: IncidentActs


@asynccontextmanager
async def bridge(path: Path) -> AsyncIterator[None]:
    async with Store(path).opened() as store:
        here = cast(Any, OnlyIncidents(IncidentActs(store, lambda: NOW)))
        front = Front(Parts(store, {}, here, here, here, here, lambda: NOW, NOW))
        async with serving_owner(front.owner(), path.parent / "bcbridge.sock"):
            yield


async def test_the_running_bridge_does_it_too(cli: Cli, store: Path) -> None:
    async with bridge(store):
        for command in (
            ("ack", "1"),
            ("snooze", "2", "--for", "1h"),
            ("resolve", "3", "--why", "corrected"),
        ):
            assert (await to_thread.run_sync(lambda command=command: cli(*command))).code == 0  # type: ignore[misc]
    assert [row["change"] for row in rows(store, "SELECT * FROM incident_changes ORDER BY id")][3:] == [
        "acked",
        "snoozed",
        "resolved",
    ]
