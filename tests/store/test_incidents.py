"""An incident is one row for good: opened, counted, resolved, opened again; each change is told once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.store import incidents
from bcbridge.store.db import connect, migrate
from bcbridge.store.incidents import Cause

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "store.db"
    migrate(path)
    connection = connect(path)
    yield connection
    connection.close()


def fail(tx: sqlite3.Connection, *, text: str = "no answer", now: datetime = NOW) -> None:
    incidents.open_one(tx, code="circuit_open", connector="erp", cause="circuit", text=text, now=now)


def cure(tx: sqlite3.Connection) -> bool:
    return incidents.close(tx, code="circuit_open", connector="erp", cause="circuit", now=NOW)


def changes(tx: sqlite3.Connection) -> list[str]:
    return [row["change"] for row in tx.execute("SELECT change FROM incident_changes ORDER BY id")]


def standing(tx: sqlite3.Connection) -> dict[str, int]:
    rows = tx.execute("SELECT fingerprint, count FROM incidents WHERE closed_at IS NULL")
    return {row["fingerprint"]: row["count"] for row in rows}


def test_ten_thousand_equal_failures_are_one_incident_and_one_change(tx: sqlite3.Connection) -> None:
    for _ in range(10_000):
        fail(tx)
    assert standing(tx) == {"circuit_open/erp/circuit": 10_000}
    assert changes(tx) == ["opened"]


def test_what_comes_back_is_the_same_incident_opened_again(tx: sqlite3.Connection) -> None:
    fail(tx)
    assert cure(tx)
    fail(tx, text="again", now=NOW + timedelta(hours=1))
    (row,) = tx.execute("SELECT * FROM incidents").fetchall()
    assert (row["text"], row["count"], row["times_opened"], row["closed_at"]) == ("again", 1, 2, None)
    assert changes(tx) == ["opened", "resolved", "reopened"]


def test_a_cure_without_an_incident_says_nothing(tx: sqlite3.Connection) -> None:
    assert not cure(tx)
    fail(tx)
    cure(tx)
    assert not cure(tx)
    assert changes(tx) == ["opened", "resolved"]


def late(ref: str, *, connector: str = "shop", count: int = 1) -> Cause:
    return Cause("not_yet_too_long", connector, ref, f"{ref} waits", count=count)


def test_of_a_watch_exactly_what_it_sees_stands(tx: sqlite3.Connection) -> None:
    fail(tx)
    incidents.stand(tx, ["not_yet_too_long"], [late("a"), late("b")], now=NOW)
    incidents.stand(tx, ["not_yet_too_long"], [late("b", count=7), late("c")], now=NOW)
    assert standing(tx) == {
        "circuit_open/erp/circuit": 1,
        "not_yet_too_long/shop/b": 7,
        "not_yet_too_long/shop/c": 1,
    }
    assert changes(tx) == ["opened", "opened", "opened", "opened", "resolved"]


def test_a_watch_of_one_connector_leaves_the_others_alone(tx: sqlite3.Connection) -> None:
    incidents.stand(tx, ["not_yet_too_long"], [late("a", connector="other")], now=NOW, connector="other")
    incidents.stand(tx, ["not_yet_too_long"], [late("b")], now=NOW, connector="shop")
    incidents.stand(tx, ["not_yet_too_long"], [], now=NOW, connector="shop")
    assert standing(tx) == {"not_yet_too_long/other/a": 1}


def test_old_rows_of_one_fingerprint_become_one(tmp_path: Path) -> None:
    """A store of an earlier version had a row for each opening."""
    path = tmp_path / "old.db"
    migrate(path)
    folder = Path(incidents.__file__).parent / "migrations"
    connection = sqlite3.connect(tmp_path / "older.db")
    for step in sorted(folder.glob("*.sql"))[:2]:
        connection.executescript(step.read_text())
    for closed in ("2026-01-02T00:00:00.000000Z", None):
        connection.execute(
            "INSERT INTO incidents (fingerprint, code, connector, text, opened_at, last_at, closed_at)"
            " VALUES ('job_dead//deaths', 'job_dead', '', 't', 'x', 'x', ?)",
            [closed],
        )
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    migrate(tmp_path / "older.db")
    rows = connect(tmp_path / "older.db").execute("SELECT cause, closed_at FROM incidents").fetchall()
    assert [(row["cause"], row["closed_at"]) for row in rows] == [("deaths", None)]
