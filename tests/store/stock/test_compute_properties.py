"""The computing against the rule spelled out row by row in Python, on many random books."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcbridge.model.stock import Basis, NumberRule, Outlet
from bcbridge.store.db import migrate
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute
from tests.store.stock.books import BIG, NOON, SHOPIFY, WOO, Book, at, outlet

SKUS = ("A", "B", "C", "PACK", "SET")
WAREHOUSES = ("NJ1", "CA1")
CHANNELS = (SHOPIFY, WOO, BIG)
MINUTES = st.integers(-5, 5)


@dataclass(frozen=True)
class Demand:
    channel: str
    sku: str
    qty: int
    state: str
    posted_by: int | None
    picked_by: int | None
    warehouse: str
    seen: float
    settled: bool


@dataclass(frozen=True)
class Figure:
    ots: int
    qoh_minus_pick: int
    ots_wip: int
    as_of: int


@dataclass
class Case:
    outlets: list[Outlet]
    floor: int
    whole_pull: bool
    figures: dict[tuple[str, str], Figure]
    demand: list[Demand]
    rules: dict[tuple[str, str], NumberRule]
    packs: dict[str, dict[str, int]]
    inactive: set[str]
    asked: list[tuple[str, str, int, bool]]
    lags: dict[str, int] = field(default_factory=dict)


rules = st.builds(
    NumberRule,
    buffer=st.integers(0, 3),
    percent=st.sampled_from([0, 10, 33, 100]),
    speed=st.booleans(),
    cap=st.sampled_from([None, 1, 4]),
    stop=st.sampled_from([False, False, False, True]),
)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    state = draw(st.sampled_from(["known", "sent", "posted", "posted", "void"]))
    posted = state == "posted"
    return Demand(
        channel=draw(st.sampled_from(CHANNELS)),
        sku=draw(st.sampled_from(SKUS)),
        qty=draw(st.integers(1, 4)),
        state=state,
        posted_by=draw(MINUTES) if posted else None,
        picked_by=draw(st.none() | MINUTES) if posted else None,
        warehouse=draw(st.sampled_from([*WAREHOUSES, *WAREHOUSES, "", "OTHER"])),
        seen=draw(st.sampled_from([-600.0, -0.1])),
        settled=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    pools = st.lists(st.sampled_from(WAREHOUSES), min_size=1, max_size=2, unique=True)
    return Case(
        outlets=[
            outlet(
                channel,
                *sorted(draw(pools)),
                basis=draw(st.sampled_from([Basis.OTS, Basis.OTS, Basis.QOH_MINUS_PICK, Basis.OTS_WIP])),
                rule=draw(st.just(NumberRule()) | rules),
                reserves=draw(st.booleans()),
                hides_inactive=draw(st.booleans()),
            )
            for channel in CHANNELS
        ],
        floor=draw(MINUTES),
        whole_pull=draw(st.booleans()),
        figures=draw(
            st.dictionaries(
                st.tuples(st.sampled_from(SKUS[:3]), st.sampled_from(WAREHOUSES)),
                st.builds(Figure, st.integers(-3, 20), st.integers(-3, 20), st.integers(-3, 20), MINUTES),
            )
        ),
        demand=draw(st.lists(demands(), max_size=12)),
        rules=draw(st.dictionaries(st.tuples(st.sampled_from(CHANNELS), st.sampled_from(SKUS)), rules, max_size=4)),
        packs=draw(
            st.sampled_from([{}, {"PACK": {"A": 2}}, {"PACK": {"A": 2, "B": 1}, "SET": {"B": 1, "C": 3}}]),
        ),
        inactive=draw(st.sets(st.sampled_from(SKUS), max_size=1)),
        asked=draw(
            st.lists(
                st.tuples(st.sampled_from(CHANNELS), st.sampled_from(SKUS), st.integers(0, 3), st.booleans()),
                max_size=5,
                unique_by=lambda one: one[:2],
            )
        ),
        lags={channel: draw(st.integers(0, 30)) for channel in CHANNELS},
    )


def written(book: Book, case: Case) -> None:
    book.outlets(*case.outlets)
    book.feed(floor=case.floor, whole_pull=case.whole_pull)
    for (sku, warehouse), one in case.figures.items():
        book.figure(
            sku,
            one.ots,
            qoh_minus_pick=one.qoh_minus_pick,
            ots_wip=one.ots_wip,
            as_of=one.as_of,
            warehouse=warehouse,
        )
    for asked in case.demand:
        book.demand(
            asked.channel,
            asked.sku,
            asked.qty,
            state=asked.state,
            posted_by=asked.posted_by,
            picked_by=asked.picked_by,
            warehouse=asked.warehouse,
            seen=asked.seen,
            settled=asked.settled,
        )
    for sku in SKUS:
        for channel in CHANNELS:
            book.shown(channel, sku, 2)
            if (channel, sku) in case.rules:
                book.tx.execute(
                    "INSERT INTO stock_rules (channel, location, sku, buffer, percent, velocity, cap, stop)"
                    " VALUES (?, 'L1', ?, ?, ?, ?, ?, ?)",
                    (channel, sku, *_columns(case.rules[channel, sku])),
                )
    for sku, parts in case.packs.items():
        book.pack(sku, parts)
    for sku in case.inactive:
        book.inactive(sku)
    for channel, sku, taken, closed in case.asked:
        book.asked(channel, sku, taken, closed=closed)
    for channel, seconds in case.lags.items():
        book.lag(channel, seconds)


def _columns(rule: NumberRule) -> tuple[object, ...]:
    return rule.buffer, rule.percent, int(rule.speed), rule.cap, int(rule.stop)


# -- the rule, spelled out -----------------------------------------------------------------------------------------


def expected(case: Case, one: Outlet, sku: str) -> int | None:
    rule = case.rules.get((one.channel, sku), one.rule)
    parts = case.packs.get(sku, {sku: 1})
    reserved = sum(
        taken for channel, of, taken, closed in case.asked if (channel, of) == (one.channel, sku) and not closed
    )
    kept = reserved if one.shelf.reserves else 0
    if not case.whole_pull and any((part, w) not in case.figures for part in parts for w in one.warehouses):
        return None
    free = min(math.floor(free_of(case, one, part) / per) for part, per in parts.items())
    if rule.stop or (one.hides_inactive and case.inactive & {sku, *parts}):
        return kept
    left = free - rule.buffer - math.ceil(max(0, free) * rule.percent / 100)
    if rule.speed:
        left -= max(math.ceil(sold(case, one, part) / per) for part, per in parts.items())
    return max(0, left if rule.cap is None else min(left, rule.cap)) + kept


def free_of(case: Case, one: Outlet, part: str) -> int:
    x: int = sum(getattr(case.figures[part, w], one.basis.value) for w in one.warehouses if (part, w) in case.figures)
    n = sum(
        row.qty * case.packs.get(row.sku, {row.sku: 1}).get(part, 0)
        for row in case.demand
        if row.warehouse in ("", *one.warehouses) and counts(case, one, part, row)
    )
    return x - n


def counts(case: Case, one: Outlet, part: str, row: Demand) -> bool:
    if row.settled or row.state == "void":
        return False
    if row.state != "posted":
        return True
    by = row.picked_by if one.basis is Basis.QOH_MINUS_PICK else row.posted_by
    return by is None or by >= as_of(case, part, row.warehouse)


def as_of(case: Case, part: str, warehouse: str) -> int:
    fed = {w for one in case.outlets for w in one.warehouses}
    asked_of = [warehouse] if warehouse else sorted(fed)
    held = [case.figures.get((part, w)) for w in asked_of]
    return min(case.floor if figure is None else max(figure.as_of, case.floor) for figure in held)


def sold(case: Case, one: Outlet, part: str) -> float:
    pieces = sum(
        row.qty * case.packs.get(row.sku, {row.sku: 1}).get(part, 0)
        for row in case.demand
        if row.channel != one.channel and not row.settled and row.state != "void" and row.seen > -1
    )
    return pieces * case.lags[one.channel] / 20.0


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("stock") / "bcbridge.db"
    migrate(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.sets(st.sampled_from(SKUS), min_size=1))
def test_the_computing_is_the_rule(empty: sqlite3.Connection, case: Case, touched: set[str]) -> None:
    empty.execute("BEGIN")
    book = Book(empty)
    written(book, case)
    compute.mark(empty, touched, now=NOON)
    reckoned = {(one.channel, one.sku): one for one in compute.reckon(empty, SKUS, now=NOON)}
    for one in case.outlets:
        for sku in SKUS:
            number = expected(case, one, sku)
            why = reckoned[one.channel, sku]
            assert why.number == number
            assert why.as_of == stamp(at(min(as_of(case, why.part, w) for w in one.warehouses)))
            row = book.row(one.channel, sku)
            if sku in moved(case, touched):
                assert row["target"] == number
                assert (row["due"] is not None) == (number not in (None, 2))
            else:
                assert row["target"] is None
    empty.execute("ROLLBACK")


def moved(case: Case, touched: set[str]) -> set[str]:
    """What a change of these SKUs moves: they, the parts of packs among them, packs that have such a part."""
    with_parts = touched | {part for sku in touched for part in case.packs.get(sku, ())}
    return with_parts | {sku for sku, parts in case.packs.items() if with_parts & parts.keys()}
