"""Calls on disk: long ones grow in short units, each answer moves what it is about, what is old is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import orjson
import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.shelf import Intent
from bcbridge.model.stock import Outlet, RowAnswer, RowResult, ShelfRules, WriteKind
from bcbridge.store.db import connect
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute, rules, writes
from tests.stores import empty_store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FIGURE = """
INSERT OR REPLACE INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of, evidence, read_at)
VALUES (:sku, 'bluecherry', 'NJ1', :qty, :qty, :qty, '{}', :at, 'live', :at)
"""
SHOWN = """
INSERT INTO stock_shown (sku, channel, location, item, explained, answered_at)
VALUES (:sku, :channel, 'L1', :sku, :shown, :at)
"""
KEYS = count(1)
TAKEN = RowAnswer(RowResult.TAKEN)


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    empty_store(tmp_path / "bcbridge.db")
    connection = connect(tmp_path / "bcbridge.db")
    fed = [
        Outlet(name, Ref("L1"), "bluecherry", ("NJ1",), shelf=ShelfRules(compares=name == "shopify"))
        for name in ("shopify", "big")
    ]
    rules.keep_outlets(connection, fed)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def fill(tx: sqlite3.Connection, many: int, *, figure: int, shown: int) -> list[tuple[str, str]]:
    """So many SKUs, all due in both channels; their places."""
    skus = [f"S{number:05}" for number in range(many)]
    at = stamp(START)
    for sku in skus:
        tx.execute(FIGURE, {"sku": sku, "qty": figure, "at": at})
        for channel in ("shopify", "big"):
            tx.execute(SHOWN, {"sku": sku, "channel": channel, "shown": shown, "at": at})
    for ours in compute.slices(skus):
        compute.mark(tx, ours, now=START)
    return [(sku, "L1") for sku in skus]


def begin(tx: sqlite3.Connection, channel: str, places: list[tuple[str, str]]) -> list[Intent]:
    """In units of SLICE places, as they are taken."""
    intents: list[Intent] = []
    for at in range(0, len(places), writes.SLICE):
        ours = places[at : at + writes.SLICE]
        intents = writes.begin(tx, channel, ours, new_key=lambda: f"{channel}-{next(KEYS)}", now=START, joined=intents)
    return intents


def counted(tx: sqlite3.Connection, condition: str) -> int:
    return int(tx.execute(f"SELECT count(*) FROM stock_shown WHERE {condition}").fetchone()[0])


def test_a_call_of_many_rows_grows_unit_by_unit_and_is_answered_slice_by_slice(tx: sqlite3.Connection) -> None:
    places = fill(tx, 600, figure=9, shown=5)
    (intent,) = begin(tx, "big", places)
    assert (len(intent.skus), len(intent.write.changes)) == (600, 600)
    assert counted(tx, f"channel = 'big' AND writing = {intent.id}") == 600
    first: int | None = 0
    slices = 0
    while first is not None:
        first = writes.answered(tx, intent, [TAKEN] * 600, settles=False, now=START, first=first)
        slices += 1
    assert slices == 600 / writes.SLICE
    assert counted(tx, "channel = 'big' AND explained = 9 AND writing IS NULL AND due IS NULL") == 600
    assert writes.open_writes(tx, "big", "under_way") == []


def test_a_call_reads_back_from_disk_as_it_was_written_down(tx: sqlite3.Connection) -> None:
    (intent,) = begin(tx, "big", fill(tx, 300, figure=9, shown=5))
    (again,) = writes.open_writes(tx, "big", "under_way")
    assert (again.write, again.skus, again.made) == (intent.write, intent.skus, intent.made)


def test_nobody_else_writes_a_row_whose_call_is_open(tx: sqlite3.Connection) -> None:
    places = fill(tx, 3, figure=9, shown=5)
    begin(tx, "big", places[:2])
    (second,) = begin(tx, "big", places)
    assert second.skus == ("S00002",)


def test_where_the_orders_were_not_looked_at_no_blind_number_but_zero_is_written(tx: sqlite3.Connection) -> None:
    places = fill(tx, 2, figure=9, shown=5)
    tx.execute("UPDATE stock_figures SET ots = 0 WHERE sku = 'S00001'")
    (intent,) = writes.begin(tx, "big", places, new_key=lambda: "k", now=START, known=False)
    assert [(change.item, change.number) for change in intent.write.changes] == [("S00001", 0)]


def test_numbers_are_those_of_the_moment_of_the_intent(tx: sqlite3.Connection) -> None:
    places = fill(tx, 1, figure=9, shown=5)
    tx.execute("UPDATE stock_figures SET ots = 4")
    (intent,) = begin(tx, "shopify", places)
    assert (intent.write.kind, intent.write.changes[0].number) == (WriteKind.ADJUST, 4)


DEMAND = """
INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, posted_by, settled)
VALUES ('shopify', :ref, :sku, 'NJ1', 1, :state, :at, :posted, :settled)
"""


def ask(tx: sqlite3.Connection, sku: str, ref: str, state: str = "known", **more: object) -> None:
    usual = {"sku": sku, "ref": ref, "state": state, "at": stamp(START), "posted": None, "settled": 0}
    tx.execute(DEMAND, {**usual, **more})


def demand_of(tx: sqlite3.Connection, sku: str) -> list[list[object]]:
    (kept,) = tx.execute("SELECT demand FROM stock_write_rows WHERE sku = ?", (sku,)).fetchone()
    told: list[list[object]] = orjson.loads(kept)
    return told


def test_each_number_keeps_the_newest_orders_that_count_against_it(tx: sqlite3.Connection) -> None:
    places = fill(tx, 3, figure=90, shown=5)
    for number in range(60):
        ask(tx, "S00000", f"#{number}")
    earlier = stamp(START - timedelta(minutes=1))
    ask(tx, "S00001", 'counted \u00e9 "', "posted", posted=stamp(START))
    ask(tx, "S00001", "in the figure", "posted", posted=earlier)
    ask(tx, "S00001", "void", "void")
    ask(tx, "S00001", "settled", settled=1)
    begin(tx, "big", places)
    assert demand_of(tx, "S00000") == [["shopify", f"#{number}", 1, "known"] for number in range(59, 9, -1)]
    assert demand_of(tx, "S00001") == [["shopify", 'counted \u00e9 "', 1, "posted"]]
    assert demand_of(tx, "S00002") == []


def test_rows_of_a_call_stand_as_they_were_asked_for_whatever_their_location(tx: sqlite3.Connection) -> None:
    second = Outlet("big", Ref("L2"), "bluecherry", ("NJ1",), shelf=ShelfRules(compares=False))
    first = Outlet("big", Ref("L1"), "bluecherry", ("NJ1",), shelf=ShelfRules(compares=False))
    rules.keep_outlets_of(tx, "big", [first, second])
    fill(tx, 3, figure=9, shown=5)
    for sku in ("S00000", "S00002"):
        tx.execute(SHOWN.replace("'L1'", "'L2'"), {"sku": sku, "channel": "big", "shown": 5, "at": stamp(START)})
    compute.mark(tx, ["S00000", "S00001", "S00002"], now=START)
    asked = [("S00002", "L1"), ("S00000", "L2"), ("S00001", "L1"), ("S00002", "L2"), ("nothing", "L1")]
    (intent,) = begin(tx, "big", asked)
    rows = zip(intent.skus, intent.write.changes, strict=True)
    assert [(sku, change.location) for sku, change in rows] == asked[:4]
    assert counted(tx, "channel = 'big' AND writing IS NULL") == 1  # the one that was not asked for


def test_what_is_no_longer_due_is_left_out(tx: sqlite3.Connection) -> None:
    places = fill(tx, 1, figure=9, shown=5)
    tx.execute("UPDATE stock_figures SET ots = 5")
    assert begin(tx, "shopify", places) == []


def test_an_answer_that_settles_is_noted_in_large_slices_up_to_the_first_row_that_was_not_taken(
    tx: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "NOTED", 200)
    (intent,) = begin(tx, "big", fill(tx, 500, figure=9, shown=5))
    answers = [TAKEN] * 500
    answers[250] = RowAnswer(RowResult.REFUSED, reason="no such number")
    slices: list[int] = []
    first: int | None = 0
    while first is not None:
        slices.append(first)
        first = writes.answered(tx, intent, answers, settles=True, now=START, first=first)
    assert slices == [0, 200, 300]
    assert counted(tx, f"channel = 'big' AND writing = {intent.id}") == 499
    assert counted(tx, "channel = 'big' AND state = 'refused' AND writing IS NULL") == 1
    told = tx.execute("SELECT seq, result, reason FROM stock_write_rows WHERE write_id = ?", (intent.id,)).fetchall()
    assert [tuple(row) for row in told] == [(at, one.result.value, one.reason) for at, one in enumerate(answers)]
    assert [one.id for one in writes.open_writes(tx, "big", "settling")] == [intent.id]


def test_an_item_that_became_another_meanwhile_takes_no_answer(tx: sqlite3.Connection) -> None:
    (intent,) = begin(tx, "big", fill(tx, 1, figure=9, shown=5))
    tx.execute("UPDATE stock_shown SET item = 'other', explained = NULL, writing = NULL WHERE channel = 'big'")
    writes.answered(tx, intent, [TAKEN], settles=False, now=START)
    assert counted(tx, "channel = 'big' AND explained IS NULL") == 1


def test_a_call_that_was_not_sent_leaves_the_doubt_that_was_there(tx: sqlite3.Connection) -> None:
    places = fill(tx, 1, figure=5, shown=5)
    tx.execute("UPDATE stock_shown SET dirty = 'an order was looked at' WHERE channel = 'big'")
    compute.mark(tx, ["S00000"], now=START)
    (intent,) = begin(tx, "big", places)
    assert counted(tx, "channel = 'big' AND dirty = ''") == 1
    writes.not_sent(tx, intent, "too many requests", now=START)
    assert counted(tx, "channel = 'big' AND dirty = 'an order was looked at' AND due = 0") == 1


def test_a_whole_channel_is_marked_behind_what_is_urgent(
    tx: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "ALL_STEP", 100)
    fill(tx, 250, figure=5, shown=5)
    tx.execute("UPDATE stock_shown SET due = 0, due_at = ? WHERE sku = 'S00007'", (stamp(START),))
    after: str | None = ""
    slices = 0
    while after is not None:
        after = writes.mark_all(tx, "big", after=after, now=START)
        slices += 1
    assert slices == 3
    assert counted(tx, f"channel = 'big' AND due = {writes.FULL_PUSH}") == 249
    assert counted(tx, "channel = 'shopify' AND due = 9") == 0


def test_calls_are_forgotten_when_they_are_old_and_over(tx: sqlite3.Connection) -> None:
    places = fill(tx, 2, figure=9, shown=5)
    (over,) = begin(tx, "big", places)
    writes.answered(tx, over, [TAKEN] * 2, settles=False, now=START)
    begin(tx, "shopify", places)  # still open
    assert writes.prune(tx, before=START) == 0
    assert writes.prune(tx, before=START + timedelta(days=1)) == 1
    assert [row["channel"] for row in tx.execute("SELECT channel FROM stock_writes")] == ["shopify"]
    assert tx.execute("SELECT count(*) FROM stock_write_rows").fetchone()[0] == 2


@pytest.mark.parametrize(
    "sql",
    [
        writes._DUE.replace(":channel", "'big'").replace(":now", "'9'").replace(":limit", "9"),
        writes._LATE.replace(":sku", "'S'").replace(":channel", "'big'").replace(":location", "'L1'"),
        writes._OPEN.replace(":channel", "'big'")
        .replace(":state", "'settling'")
        .replace(":many", "9")
        .replace(":blind", "1")
        .replace(":ended", "'9'")
        .replace(":small", "9"),
        writes._DUE_OF.replace(":channel", "'big'").replace(":groups", "'[]'").replace(":limit", "9"),
        writes._STILL_DUE.replace(":channel", "'big'").replace(":skus", "'[]'"),
        writes._IN_DOUBT.replace(":sku", "'S'")
        .replace(":channel", "'big'")
        .replace(":location", "'L1'")
        .replace(":write", "7"),
        "DELETE FROM stock_writes WHERE id = 7",
    ],
)
def test_no_statement_of_the_drain_walks_over_the_whole_shelf(tx: sqlite3.Connection, sql: str) -> None:
    plan = [str(row["detail"]) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql.replace(':reason', chr(39) * 2)}")]
    assert not [detail for detail in plan if detail.startswith("SCAN s") or "TEMP B-TREE" in detail], plan


def test_a_blind_call_in_doubt_is_read_only_when_it_can_no_longer_land(tx: sqlite3.Connection) -> None:
    """Its rows are many, and whoever drains the channel asks every second."""
    places = fill(tx, 3, figure=9, shown=5)
    for channel in ("big", "shopify"):
        (intent,) = begin(tx, channel, places)
        writes.lost(tx, intent, "no answer in time", now=START)
    later = START + timedelta(minutes=5)
    assert writes.open_writes(tx, "big", "in_doubt", blind=True, ended=START - timedelta(minutes=1)) == []
    (blind,) = writes.open_writes(tx, "big", "in_doubt", blind=True, ended=later)
    assert len(blind.skus) == 3
    assert writes.open_writes(tx, "big", "in_doubt", blind=False, ended=later) == []
    assert writes.again(tx, "shopify", now=START) == []
    (again,) = writes.again(tx, "shopify", now=START + timedelta(seconds=1))
    assert again.write.kind is WriteKind.COMPARE
