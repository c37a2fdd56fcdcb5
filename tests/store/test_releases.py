"""A cure frees three first; the rest follow when each of them has ended, and not at all after a refusal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Blocked, NotYet, Outcome, Problem, Ready
from bcbridge.model.standing import Facts
from bcbridge.store import acts, orders, releases
from bcbridge.store.db import connect
from tests.stores import empty_store

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CAUSE = "ship_via/Overnight"


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    empty_store(tmp_path / "bcbridge.db")
    connection = connect(tmp_path / "bcbridge.db")
    yield connection
    connection.close()


def blocked(*causes: str) -> Blocked:
    return Blocked(problems=tuple(Problem(code="ship_via", subject="shipping", text=c, cause=c) for c in causes))


def put(tx: sqlite3.Connection, number: int, outcome: Outcome | None = None) -> int:
    facts = Facts(Ref(f"order/{number}"), channel_id=str(number), name=f"#{number}")
    return orders.record(tx, "shop", facts, outcome or blocked(CAUSE), now=NOW)


def put_many(tx: sqlite3.Connection, many: int, outcome: Outcome | None = None) -> list[int]:
    return [put(tx, number, outcome) for number in range(1, many + 1)]


def become(tx: sqlite3.Connection, ids: Sequence[int], state: str, code: str = "") -> None:
    for order_id in ids:
        tx.execute("UPDATE orders SET state = ?, code = ? WHERE id = ?", (state, code, order_id))


def free(tx: sqlite3.Connection, *causes: str) -> int:
    return releases.free(tx, causes or (CAUSE,), flow="orders", now=NOW)


def advance(tx: sqlite3.Connection) -> int:
    return releases.advance(tx, flow="orders", now=NOW + timedelta(seconds=1))


def waiting(tx: sqlite3.Connection) -> list[tuple[str, int]]:
    return [tuple(row) for row in tx.execute("SELECT ref, priority FROM jobs WHERE state = 'waiting' ORDER BY id")]


def held(tx: sqlite3.Connection) -> int:
    return int(tx.execute("SELECT count(*) FROM release_orders WHERE stage = 'held'").fetchone()[0])


def state(tx: sqlite3.Connection) -> list[str]:
    return [row["state"] for row in tx.execute("SELECT state FROM releases ORDER BY id")]


def test_three_go_first(tx: sqlite3.Connection) -> None:
    put_many(tx, 10)
    assert free(tx) == 10
    assert waiting(tx) == [("order/1", 0), ("order/2", 0), ("order/3", 0)]
    assert held(tx) == 7


def test_up_to_three_go_at_once(tx: sqlite3.Connection) -> None:
    put_many(tx, 3)
    free(tx)
    assert (state(tx), held(tx), len(waiting(tx))) == (["done"], 0, 3)


def test_the_rest_waits_until_each_of_the_first_has_ended(tx: sqlite3.Connection) -> None:
    ids = put_many(tx, 10)
    free(tx)
    for ending in ("booked", "blocked", "sending"):
        become(tx, [ids[("booked", "blocked", "sending").index(ending)]], ending)
    assert advance(tx) == 0
    for on_its_way in ("accepted", "in_doubt", "ready"):
        become(tx, ids[2:3], on_its_way)
        assert advance(tx) == 0
    become(tx, ids[2:3], "never")
    assert advance(tx) == 7
    assert [priority for _, priority in waiting(tx)[3:]] == [1] * 7
    assert state(tx) == ["done"]


def test_a_refusal_among_the_first_stops_the_rest(tx: sqlite3.Connection) -> None:
    ids = put_many(tx, 10)
    free(tx)
    become(tx, ids[:2], "booked")
    become(tx, ids[2:3], "blocked", "erp_refused")
    assert advance(tx) == 0
    assert (state(tx), held(tx)) == (["stopped"], 7), "whoever looks at them, they are not sent"
    assert standing_incidents(tx) == ["release_stopped"]
    states = {row["state"] for row in tx.execute("SELECT state FROM orders WHERE id > 3")}
    assert states == {"blocked"}


def standing_incidents(tx: sqlite3.Connection) -> list[str]:
    return [row["code"] for row in tx.execute("SELECT code FROM incidents WHERE closed_at IS NULL")]


def stopped(tx: sqlite3.Connection) -> list[int]:
    """A release of ten, stopped at its first; returns the orders that are held."""
    ids = put_many(tx, 10)
    free(tx)
    become(tx, ids[:2], "booked")
    become(tx, ids[2:3], "blocked", "erp_refused")
    advance(tx)
    return ids[3:]


def test_a_stopped_release_is_ended_by_a_retry_and_so_is_its_incident(tx: sqlite3.Connection) -> None:
    left = stopped(tx)
    rows = acts.meant(tx, acts.Wanted(ids=tuple(left), cause=None, code=None, channel=None))
    acts.retry(tx, rows, who="ops", cause="retry by ops", flow="orders", now=NOW)
    assert (state(tx), held(tx)) == (["stopped", "first"], 4), "three first again"
    assert standing_incidents(tx) == []


def test_a_stopped_release_is_ended_by_another_cure_of_its_cause(tx: sqlite3.Connection) -> None:
    stopped(tx)
    assert free(tx) >= 7
    assert standing_incidents(tx) == []


def test_a_stopped_release_of_which_everybody_was_skipped_is_over(tx: sqlite3.Connection) -> None:
    for order_id in stopped(tx):
        acts.skip(tx, order_id, who="ops", why="too late", now=NOW)
    assert (held(tx), standing_incidents(tx)) == (0, [])


def test_a_refusal_among_the_rest_stops_what_is_left(tx: sqlite3.Connection) -> None:
    ids = put_many(tx, 300)
    free(tx)
    become(tx, ids[:3], "booked")
    assert advance(tx) == 200
    become(tx, ids[50:51], "blocked", "erp_refused")
    assert advance(tx) == 0
    assert (state(tx), held(tx)) == (["stopped"], 97)


def test_it_goes_on_in_bounded_steps(tx: sqlite3.Connection) -> None:
    ids = put_many(tx, 503)
    free(tx)
    become(tx, ids[:3], "booked")
    assert [advance(tx) for _ in range(4)] == [200, 200, 100, 0]


def test_a_confirmed_write_frees_the_orders_it_books_and_no_others(tx: sqlite3.Connection) -> None:
    for channel in ("shop", "elsewhere"):
        facts = Facts(Ref(f"{channel}/1"), name="#1")
        orders.record(tx, channel, facts, Ready(parts=()), now=NOW)
    assert acts.confirm(tx, "erp.orders", channels=["shop"], who="ops", why="tried", flow="orders", now=NOW) == 1
    assert [ref for ref, _ in waiting(tx)] == ["shop/1"]


def test_another_cause_keeps_an_order_blocked_until_the_last(tx: sqlite3.Connection) -> None:
    put(tx, 1, blocked(CAUSE, "sku/1"))
    assert free(tx, "sku/1") == 1
    put(tx, 1, blocked(CAUSE))
    assert free(tx, "sku/1") == 0
    assert free(tx) == 1


def test_what_is_held_is_not_freed_twice(tx: sqlite3.Connection) -> None:
    put_many(tx, 10)
    free(tx)
    put(tx, 11)
    assert free(tx) == 1


def test_no_cause_frees_nobody(tx: sqlite3.Connection) -> None:
    put_many(tx, 2)
    assert releases.free(tx, [], flow="orders", now=NOW) == 0
    assert free(tx, "sku/unknown") == 0
    assert state(tx) == []


def test_one_that_is_not_yet_is_looked_at_before_it_counts_as_ended(tx: sqlite3.Connection) -> None:
    ids = put_many(tx, 5, NotYet(code="hold", text="held"))
    rows = acts.meant(tx, acts.Wanted(ids=tuple(ids), cause=None, code=None, channel=None))
    releases.free_orders(tx, rows, cause="retry", flow="orders", now=NOW)
    assert advance(tx) == 0
    put_many(tx, 3, NotYet(code="hold", text="held"))
    assert advance(tx) == 2


# -- after a write is confirmed --------------------------------------------------------------------------------


def confirm(tx: sqlite3.Connection) -> int:
    return acts.confirm(tx, "erp.orders", channels=["shop"], who="ops", why="tried", flow="orders", now=NOW)


def test_the_first_release_after_a_write_is_confirmed_goes_the_same_way(tx: sqlite3.Connection) -> None:
    put_many(tx, 10, Ready(parts=()))
    assert confirm(tx) == 10
    assert (len(waiting(tx)), held(tx)) == (3, 7)


def test_a_refusal_then_blocks_what_waited(tx: sqlite3.Connection) -> None:
    """Ready, they would all go at the next start: they wait for a person's retry, three first again."""
    ids = put_many(tx, 10, Ready(parts=()))
    confirm(tx)
    become(tx, ids[:1], "blocked", "erp_refused")
    become(tx, ids[1:3], "booked")
    advance(tx)
    left = tx.execute("SELECT state, code FROM orders WHERE id > 3").fetchall()
    assert {tuple(row) for row in left} == {("blocked", "release_stopped")}
    rows = acts.meant(tx, acts.Wanted(ids=None, cause=None, code="release_stopped", channel=None))
    assert len(rows) == 7


def test_confirmed_twice_frees_nobody_twice(tx: sqlite3.Connection) -> None:
    put_many(tx, 10, Ready(parts=()))
    confirm(tx)
    assert confirm(tx) <= 3
    assert held(tx) == 7
