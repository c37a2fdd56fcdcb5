"""Whatever shop, ERP and people do, in whatever order we hear of it: what is counted and what the figure holds is never
less than what is asked; and when all has come to rest, nothing is counted twice.

The ERP is honest and slow: it books in whole or in part, refuses, holds, cancels for the house, and its list is read
late or twice. The shop edits and cancels at any moment, and looks come late and out of order. A figure is taken at a
moment, and known to be no older than an earlier one. The rows are the store's own.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bcbridge.model.ids import Ref, Upc
from bcbridge.model.sales_order import BookedLine
from bcbridge.model.stock import Asked, OrderLook
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import demand
from tests.store.stock.books import NOON
from tests.store.stock.test_demand import held
from tests.stores import empty_store

CHANNEL, ORDER = "shop", Ref("order/1")
SKUS = ("012345678905", "036000291452")
WAREHOUSES = ("NJ1", "CA1")
RUNS = int(os.environ.get("BCBRIDGE_RUNS", "40"))
"""Histories: thousands before a release."""

pieces = st.sampled_from((0, 1, 1, 2, 2, 3, 4))
places = st.sampled_from(WAREHOUSES)
seldom = st.sampled_from((False, False, False, True))


@cache
def empty() -> sqlite3.Connection:
    """A migrated store, made once; each history begins with a copy."""
    kept = sqlite3.connect(":memory:")
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(empty_store(Path(folder) / "a.db"))) as file:
        file.backup(kept)
    return kept


def fresh() -> sqlite3.Connection:
    tx = sqlite3.connect(":memory:", isolation_level=None)
    tx.row_factory = sqlite3.Row
    empty().backup(tx)
    return tx


@dataclass
class Document:
    """One document of ours over there. ``booked``: each piece with when, where and of which SKU."""

    asks: dict[tuple[str, str], int]
    closed: bool = False
    booked: list[tuple[datetime, str, str]] = field(default_factory=list)
    cancelled: dict[str, int] = field(default_factory=dict)
    modified: datetime = NOON

    def left(self) -> list[tuple[str, str]]:
        """Pieces that are not booked, as SKU and warehouse."""
        there = [(sku, place) for _, sku, place in self.booked]
        missing = []
        for key, count in self.asks.items():
            missing += [key] * max(0, count - there.count(key))
        return missing

    def lines(self) -> list[BookedLine]:
        lines, off = [], dict(self.cancelled)
        for key in self.asks:
            count = sum((sku, place) == key for _, sku, place in self.booked)
            here = min(off.get(key[0], 0), count)
            off[key[0]] = off.get(key[0], 0) - here
            if count:
                lines.append(
                    BookedLine(upc=Upc(key[0]), quantity=count, price=Decimal(1), warehouse=key[1], cancelled=here)
                )
        return lines


@dataclass
class Sold:
    """One order of the shop: what it wants now, and what we were last shown."""

    wants: dict[str, int] = field(default_factory=dict)
    place: str = WAREHOUSES[0]
    history: list[tuple[datetime, dict[str, int], str]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    seen_place: str = WAREHOUSES[0]
    looked_at: datetime | None = None
    skipped: bool = False


class Demand(RuleBasedStateMachine):
    """One order of two SKUs, and all that may befall it."""

    @initialize(first=pieces, second=pieces, place=places, sent=st.booleans())
    def begin(self, first: int, second: int, place: str, sent: bool) -> None:
        self.tx = fresh()
        self.now = NOON
        self.order = Sold()
        self.documents: dict[str, Document] = {}
        self.as_of = self.taken_at = NOON - timedelta(hours=1)
        self.the_shop_changes_it(first, second, place)
        self.it_is_looked_at()
        if sent and any(self.order.seen.values()):
            self.it_is_handed_over(True)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    @property
    def open(self) -> dict[str, Document]:
        """Documents that the ERP has, or will have."""
        return {reference: one for reference, one in self.documents.items() if not one.closed}

    # -- the shop ------------------------------------------------------------------------------------------

    @rule(first=pieces, second=pieces, place=places)
    def the_shop_changes_it(self, first: int, second: int, place: str) -> None:
        self.tick()
        self.order.wants, self.order.place = dict(zip(SKUS, (first, second), strict=True)), place
        self.order.history.append((self.now, self.order.wants, place))

    @rule()
    def it_is_looked_at(self) -> None:
        at, one = self.tick(), self.order
        self.give(at, one.wants, one.place)
        one.seen = {} if one.skipped else dict(one.wants)
        one.seen_place, one.looked_at = one.place, at

    @precondition(lambda self: len(self.order.history) > 1 and self.order.looked_at is not None)
    @rule(age=st.integers(1, 3))
    def an_older_look_comes_late(self, age: int) -> None:
        """It was asked for when the order stood so, and is handed in now."""
        self.tick()
        at, wants, place = self.order.history[-min(age, len(self.order.history))]
        if self.order.looked_at is not None and at < self.order.looked_at:
            self.give(at, wants, place)

    def give(self, asked: datetime, wants: dict[str, int], place: str) -> None:
        counts = {sku: 0 if self.order.skipped else count for sku, count in wants.items()}
        lines = tuple(Asked(Upc(sku), Ref(""), place, counts[sku], count) for sku, count in wants.items() if count)
        demand.looked(self.tx, CHANNEL, OrderLook(ORDER, NOON, asked, lines), now=self.now)

    @precondition(lambda self: any(self.order.seen.values()))
    @rule(for_once=seldom)
    def it_is_gone(self, for_once: bool) -> None:
        if not for_once:
            return
        at = self.tick()
        self.order.wants, self.order.seen, self.order.looked_at = {}, {}, at
        demand.gone(self.tx, CHANNEL, ORDER, asked=at, now=at)

    # -- the bridge and its people ---------------------------------------------------------------------------

    @precondition(lambda self: any(self.order.seen.values()) and not self.open)
    @rule(accepted=st.sampled_from((True, True, False)))
    def it_is_handed_over(self, accepted: bool) -> None:
        """As it was last seen. Refused at once, or taken: an answer that is lost looks the same from here."""
        self.tick()
        asks = {(sku, self.order.seen_place): count for sku, count in self.order.seen.items() if count}
        reference = f"S1P1G{len(self.documents) + 1}"
        demand.sent(self.tx, CHANNEL, ORDER, asks, reference, now=self.now)
        self.documents[reference] = Document(asks, modified=self.now)
        if not accepted:
            self.end(reference)

    @precondition(lambda self: any(not one.booked for one in self.open.values()))
    @rule()
    def the_erp_refuses_it_later_and_a_person_gives_it_up(self) -> None:
        self.tick()
        for reference in [reference for reference, one in self.open.items() if not one.booked]:
            self.end(reference)

    def end(self, reference: str) -> None:
        self.documents[reference].closed = True
        demand.unsent(self.tx, reference, now=self.now)

    @precondition(lambda self: not self.open and not self.order.skipped and self.order.looked_at is not None)
    @rule(for_once=seldom)
    def a_person_skips_it(self, for_once: bool) -> None:
        if not for_once:
            return
        self.tick()
        self.order.skipped, self.order.seen = True, {}
        demand.skipped(self.tx, CHANNEL, ORDER, now=self.now)

    @precondition(lambda self: self.order.skipped)
    @rule()
    def a_person_opens_it_again(self) -> None:
        self.order.skipped = False

    # -- the ERP -------------------------------------------------------------------------------------------

    @precondition(lambda self: any(one.left() for one in self.open.values()))
    @rule(most=st.integers(1, 8))
    def the_erp_books(self, most: int) -> None:
        """All that waits, or only some pieces of it."""
        self.tick()
        for document in self.open.values():
            for sku, place in document.left()[:most]:
                document.booked.append((self.now, sku, place))
                document.modified = self.now

    @precondition(lambda self: any(one.booked for one in self.open.values()))
    @rule(sku=st.sampled_from(SKUS))
    def the_house_cancels_a_piece(self, sku: str) -> None:
        self.tick()
        for document in self.open.values():
            if sum(one == sku for _, one, _ in document.booked) > document.cancelled.get(sku, 0):
                document.cancelled[sku] = document.cancelled.get(sku, 0) + 1
                document.modified = self.now

    @precondition(lambda self: any(one.booked for one in self.open.values()))
    @rule()
    def the_erp_shows_it(self) -> None:
        at = self.tick()
        for reference, document in self.open.items():
            if document.booked:
                booked = held(reference, *document.lines(), posted_by=document.modified)
                demand.posted(self.tx, reference, booked, arrived=at, now=at)

    @rule(age=st.integers(0, 12))
    def a_figure_is_read(self, age: int) -> None:
        """Taken now, and known to be no older than some moment before."""
        self.taken_at = self.tick()
        self.as_of = max(self.as_of, self.now - timedelta(seconds=age))

    # -- what must be so ------------------------------------------------------------------------------------

    def rows(self, sku: str) -> list[sqlite3.Row]:
        return self.tx.execute(
            "SELECT state, qty, posted_by FROM stock_demand WHERE sku = ? AND state <> 'void'", (sku,)
        ).fetchall()

    def counted(self, sku: str) -> int:
        counts = (row for row in self.rows(sku) if row["state"] != "posted" or row["posted_by"] >= stamp(self.as_of))
        return sum(row["qty"] for row in counts)

    def contained(self, sku: str) -> int:
        """Pieces of this order that the figure held was taken with, cancelled ones included."""
        return sum(
            one == sku and at <= self.taken_at for document in self.open.values() for at, one, _ in document.booked
        )

    def off(self, sku: str) -> tuple[int, int]:
        row = self.tx.execute(
            "SELECT coalesce(sum(reduced), 0) AS reduced, coalesce(sum(untold), 0) AS untold FROM stock_reduced"
            " WHERE sku = ?",
            (sku,),
        ).fetchone()
        return row["reduced"], row["untold"]

    @invariant()
    def what_is_counted_and_what_is_contained_is_never_less_than_what_is_asked(self) -> None:
        for sku in SKUS:
            reduced, untold = self.off(sku)
            asked = self.order.seen.get(sku, 0) - untold
            assert self.counted(sku) + self.contained(sku) - reduced >= asked

    @invariant()
    def nor_less_than_what_the_erp_has_taken_or_may_come_to_take(self) -> None:
        for sku in SKUS:
            on_its_way = sum(
                count for document in self.open.values() for (of, _), count in document.asks.items() if of == sku
            )
            assert self.counted(sku) + self.contained(sku) >= on_its_way

    @invariant()
    def nothing_is_released_that_the_figure_does_not_hold(self) -> None:
        for sku in SKUS:
            assert sum(row["qty"] for row in self.rows(sku)) - self.counted(sku) <= self.contained(sku)

    def teardown(self) -> None:
        """At last all comes to rest: booked, shown, looked at, a figure read. What is counted then was never sent."""
        if not hasattr(self, "tx"):
            return
        with closing(self.tx):
            self.the_erp_books(100)
            self.it_is_looked_at()
            self.the_erp_shows_it()
            self.tick()
            self.a_figure_is_read(0)
            for sku in SKUS:
                reduced, untold = self.off(sku)
                asked = self.order.seen.get(sku, 0) - untold
                assert self.counted(sku) == max(0, asked - self.contained(sku) + reduced)


TestDemand = Demand.TestCase
TestDemand.settings = settings(
    max_examples=RUNS, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_store_it_begins_with_is_whole() -> None:
    with closing(fresh()) as tx:
        assert tx.execute("SELECT count(*) FROM stock_demand").fetchone()[0] == 0
