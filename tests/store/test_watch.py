"""An order may wait in its channel, but not for ever unseen: each reason has an age limit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Never, NotYet
from bcbridge.model.standing import Facts
from bcbridge.store import orders
from bcbridge.store.db import connect, migrate

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHOP = "shopify_us"


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "bcbridge.db"
    path.touch()
    migrate(path)
    connection = connect(path)
    yield connection
    connection.close()


def limit(code: str) -> timedelta:
    return timedelta(hours={"payment_pending": 48, "unrouted": 4}[code])


def waits(tx: sqlite3.Connection, name: str, code: str, *, since: datetime) -> None:
    facts = Facts(Ref(f"gid://{name}"), name=name)
    orders.record(tx, SHOP, facts, NotYet(code=code, text="It waits."), now=since)


def watched(tx: sqlite3.Connection, *, now: datetime) -> list[tuple[str, str]]:
    orders.watch_not_yet(tx, SHOP, limit=limit, now=now)
    found = tx.execute("SELECT fingerprint, text FROM incidents WHERE closed_at IS NULL ORDER BY fingerprint")
    return [(row["fingerprint"], row["text"]) for row in found]


def test_within_its_limit_it_is_nobodys_business(tx: sqlite3.Connection) -> None:
    waits(tx, "#1001", "payment_pending", since=NOON)
    waits(tx, "#1002", "unrouted", since=NOON)
    assert watched(tx, now=NOON + timedelta(hours=3)) == []


def test_beyond_it_the_oldest_is_named_once_for_all_of_its_reason(tx: sqlite3.Connection) -> None:
    waits(tx, "#1001", "unrouted", since=NOON)
    waits(tx, "#1002", "unrouted", since=NOON + timedelta(minutes=5))
    ((fingerprint, text),) = watched(tx, now=NOON + timedelta(hours=5))
    assert fingerprint == "not_yet_too_long/shopify_us/unrouted"
    assert text.startswith("#1001 has waited since 2026-11-21T12:00")
    assert watched(tx, now=NOON + timedelta(hours=6)) == [(fingerprint, text)]
    assert tx.execute("SELECT count FROM incidents").fetchone()["count"] == 1


def test_it_closes_when_none_waits_too_long_any_more(tx: sqlite3.Connection) -> None:
    waits(tx, "#1001", "unrouted", since=NOON)
    assert watched(tx, now=NOON + timedelta(hours=5))
    orders.record(tx, SHOP, Facts(Ref("gid://#1001")), Never(code="cancelled", text="Cancelled."), now=NOON)
    assert watched(tx, now=NOON + timedelta(hours=5)) == []
