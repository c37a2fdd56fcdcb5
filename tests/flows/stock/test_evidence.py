"""When a figure was taken: never later than it was, for every kind of evidence, whatever the ERP does in between.

The ERP here books orders, publishes its ledger now and then (whole or row by row, at once or late), stamps rows in one
of the ways the contract knows, answers from a publication before, and has a clock that is off. A figure dated later
than the first booking that it does not contain would sell that piece again.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcbridge.flows.stock.evidence import COUNTS, Dated, Dating, next_count
from bcbridge.model.figures import BEGINNING, Echo, Known
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Evidence, EvidenceRules, Spot, StockPage, StockRow

TEN = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
NJ1 = Spot("NJ1", "")
SKUS = ("A", "B", "C", "ECHO")
BUILD = 240.0
MAX_AGE = 3000.0
BEHIND = 1300.0


def at(seconds: float) -> datetime:
    return TEN + timedelta(seconds=seconds)


# -- an ERP, by its own clock in seconds ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Publication:
    """``taken``: when each SKU's figure was captured; ``served``: from when on it is answered."""

    begun: float
    served: float
    taken: dict[str, float]


@dataclass(frozen=True)
class Read:
    """One row as it was answered, and when its figure was really taken, by the ERP's clock."""

    row: StockRow
    taken: float


@dataclass
class Erp:
    """``ahead``: its clock before ours. ``changes``: by SKU, when its ledger row moved and by how much."""

    kind: Evidence
    ahead: float
    publications: list[Publication]
    changes: dict[str, list[tuple[float, int]]]
    whole_seconds: bool
    rewrites_all: bool

    def stamp(self, moment: float) -> datetime:
        return at(moment // 1 if self.whole_seconds else moment)

    def answer(self, sku: str, asked: float, *, lagging: bool) -> Read:
        """``asked`` by our clock. A replica that lags answers with what was served before."""
        now = asked + self.ahead
        if self.kind is Evidence.LIVE:
            return Read(self._row(sku, now), now)
        index = bisect.bisect_right([one.served for one in self.publications], now) - 1
        oldest = min(self.publications[index].taken.values()) - BEHIND
        while lagging and index and min(self.publications[index - 1].taken.values()) >= oldest:
            index -= 1
        one = self.publications[index]
        return Read(self._row(sku, one.taken[sku], index), one.taken[sku])

    def _row(self, sku: str, taken: float, index: int = 0) -> StockRow:
        ots = self.ots(sku, taken)
        stamp = export = None
        if self.kind is Evidence.ROW_LEDGER:
            stamp = self.stamp(max([-9000.0, *(when for when, _ in self.changes[sku] if when <= taken)]))
        elif self.kind is Evidence.EXPORT_START:
            export = self.stamp(self.publications[index].begun)
        elif self.kind is Evidence.EXPORT_WRITTEN:
            stamp = self.stamp(self._written(sku, index))
        return StockRow(Upc(sku), NJ1, (ots, ots, ots), stamp, export)

    def ots(self, sku: str, taken: float) -> int:
        moved = [by for when, by in self.changes[sku] if when <= taken]
        return moved[-1] if sku == "ECHO" and moved else sum(moved)

    def _written(self, sku: str, index: int) -> float:
        """Rows that are as they were keep the stamp with which they were written, unless all are written anew."""
        moved = [when for when, _ in self.changes[sku]]
        while index and not self.rewrites_all:
            before, now = (bisect.bisect_right(moved, self.publications[n].taken[sku]) for n in (index - 1, index))
            if before != now:
                break
            index -= 1
        return self.publications[index].served

    def first_not_contained(self, sku: str, taken: float) -> datetime | None:
        """The stamp of the first booking that a figure taken then does not hold."""
        later = [when for when, _ in self.changes[sku] if when > taken]
        return self.stamp(min(later)) if later else None


@dataclass
class Held:
    ots: int
    as_of: datetime
    stamp: datetime | None
    taken: float


@dataclass
class Reader:
    """What memory does with dated rows (store/stock/figures.py), in a few lines."""

    erp: Erp
    rules: EvidenceRules
    known: Known = field(default_factory=Known)
    held: dict[str, Held] = field(default_factory=dict)

    def pull(self, began: float, gap: float, lagging: list[bool], *, ends: bool) -> None:
        dating, asked = Dating(self.rules, self.known, at(began)), began
        for sku, lags in zip(SKUS, lagging, strict=True):
            read = self.erp.answer(sku, asked, lagging=lags)
            page = StockPage((read.row,), at(asked), at(asked + 1), "")
            before = self.held.get(sku)
            moved = before is None or before.ots != read.row.ots
            dated = dating.date(read.row, page, moved=moved)
            dating.pass_page(page, moved=moved)
            self._keep(sku, read, dated.as_of)
            self.check()
            asked += gap
        if ends:
            self.known = dating.after(everything=True)
            self.check()

    def _keep(self, sku: str, read: Read, as_of: datetime) -> None:
        held, stamp = self.held.get(sku), read.row.export or read.row.stamp
        if held and stamp and held.stamp and stamp < held.stamp:
            return
        same = held is not None and held.ots == read.row.ots
        if held and (same or (stamp and held.stamp)):
            as_of = max(as_of, held.as_of)
        taken = max(read.taken, held.taken) if held and same else read.taken
        self.held[sku] = Held(read.row.ots, as_of, stamp, taken)

    def check(self) -> None:
        for sku, held in self.held.items():
            missing = self.erp.first_not_contained(sku, held.taken)
            effective = max(held.as_of, self.known.floor)
            assert missing is None or missing >= effective, (sku, missing, effective)


@st.composite
def erps(draw: st.DrawFn) -> Erp:
    kind = draw(st.sampled_from(list(Evidence)))
    moment, publications = 0.0, []
    by_row = draw(st.booleans())
    for _ in range(draw(st.integers(1, 6))):
        took = draw(st.sampled_from([0.0, 0.5, 30.0, BUILD]))
        parts = {sku: took * number / len(SKUS) if by_row else 0.0 for number, sku in enumerate(SKUS)}
        taken = {sku: moment + part for sku, part in parts.items()}
        publications.append(Publication(moment, moment + took, taken))
        moment += took + draw(st.sampled_from([0.5, 60.0, 300.0, 900.0]))
    near = [one.begun for one in publications] + [one.served for one in publications]
    moments = st.builds(
        lambda base, off: base + off,
        st.sampled_from(near),
        st.sampled_from([-60.0, -1.0, -0.7, -0.2, 0.2, 0.3, 1.0, 45.0]),
    )
    changes = {
        sku: sorted(draw(st.lists(st.tuples(moments, st.sampled_from([-1, -1, 1])), max_size=4))) for sku in SKUS[:3]
    }
    return Erp(
        kind,
        ahead=draw(st.sampled_from([-5.0, -0.4, 0.0, 5.0])),
        publications=publications,
        changes=changes | {"ECHO": []},
        whole_seconds=draw(st.booleans()),
        rewrites_all=draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_figure_is_dated_later_than_it_was_taken(data: st.DataObject) -> None:
    erp = data.draw(erps())
    replicas = data.draw(st.booleans()) and erp.kind is not Evidence.LIVE
    rules = EvidenceRules(
        kinds=(erp.kind,),
        build=timedelta(seconds=BUILD),
        max_age=timedelta(seconds=MAX_AGE),
        skew=timedelta(seconds=5),
        echo=(Upc("ECHO"), "NJ1"),
        behind=timedelta(seconds=BEHIND) if replicas else timedelta(0),
    )
    reader = Reader(erp, rules)
    moment, echoes = erp.publications[0].served + 10.0, []
    for count in range(1, data.draw(st.integers(2, 8))):
        if erp.kind is Evidence.ECHO and data.draw(st.booleans()):
            echoes.append(Echo(count, at(moment)))
            erp.changes["ECHO"].append((moment + erp.ahead + 0.1, count))
            reader.known = replace(reader.known, echoes=tuple(echoes))
        lagging = [replicas and data.draw(st.booleans()) for _ in SKUS]
        gap = data.draw(st.sampled_from([1.0, 60.0, 400.0]))
        oldest = erp.publications[-1].begun - BEHIND * replicas
        if erp.kind is Evidence.MAX_AGE and moment + 4 * gap > oldest + MAX_AGE:
            return  # from here on the profile would not have told the truth
        reader.pull(moment, gap, lagging, ends=data.draw(st.sampled_from([True, True, False])))
        moment += 4 * gap + data.draw(st.sampled_from([0.3, 30.0, 300.0]))


# -- by hand -------------------------------------------------------------------------------------------------------


def test_the_latest_of_all_that_the_profile_allows_counts_and_is_named() -> None:
    rules = EvidenceRules(
        (Evidence.EXPORT_WRITTEN, Evidence.EXPORT_START, Evidence.MAX_AGE), build=timedelta(minutes=5)
    )
    row = StockRow(Upc("A"), NJ1, (1, 1, 1), export=at(0))
    page = StockPage((row,), at(60), at(61), "")
    dating = Dating(rules, Known(), at(60))
    assert dating.date(row, page, moved=True) == Dated(at(0), Evidence.EXPORT_START)


def test_what_no_evidence_dates_has_no_moment() -> None:
    rules = EvidenceRules((Evidence.ROW_LEDGER, Evidence.UNCHANGED, Evidence.MAX_AGE))
    row = StockRow(Upc("A"), NJ1, (1, 1, 1))
    page = StockPage((row,), at(60), at(61), "")
    dating = Dating(rules, Known(), at(60))
    assert dating.date(row, page, moved=True) == Dated(BEGINNING, None)
    dating.pass_page(page, moved=True)
    assert dating.after(everything=True).floor == BEGINNING


def test_a_stamp_from_after_the_answer_dates_nothing() -> None:
    rules = EvidenceRules((Evidence.ROW_LEDGER,), skew=timedelta(seconds=5))
    page = StockPage((), at(60), at(61), "")
    rows = [StockRow(Upc("A"), NJ1, (1, 1, 1), stamp=at(seconds)) for seconds in (66, 67)]
    dating = Dating(rules, Known(), at(60))
    assert [dating.date(row, page, moved=True).as_of for row in rows] == [at(66), BEGINNING]


def test_a_row_that_books_itself_is_dated_by_its_own_stamp_and_its_neighbours_by_the_newest_read_before() -> None:
    rules = EvidenceRules((Evidence.ROW_LEDGER,), build=timedelta(seconds=100))
    first = StockPage((StockRow(Upc("A"), NJ1, (1, 1, 1), stamp=at(500)),), at(600), at(601), "")
    second = StockPage((StockRow(Upc("B"), NJ1, (1, 1, 1), stamp=at(-500)),), at(602), at(603), "")
    dating = Dating(rules, Known(newest=at(300)), at(600))
    assert dating.date(first.rows[0], first, moved=True).as_of == at(500)
    dating.pass_page(first, moved=True)
    assert dating.date(second.rows[0], second, moved=True).as_of == at(400)
    dating.pass_page(second, moved=True)
    assert dating.after(everything=True).floor == at(200)  # what was known when the pull began
    assert dating.after(everything=False).floor == BEGINNING
    assert dating.after(everything=False).newest == at(500)


def test_the_first_sight_of_figures_is_no_movement() -> None:
    rules = EvidenceRules((Evidence.MAX_AGE,), max_age=timedelta(seconds=100), skew=timedelta(0))
    row = StockRow(Upc("A"), NJ1, (1, 1, 1))
    page = StockPage((row,), at(0), at(1), "")
    first = Dating(rules, Known(), at(0))
    first.pass_page(page, moved=True)
    known = first.after(everything=True)
    assert known.moved is None
    second = Dating(rules, known, at(300))
    second.pass_page(page, moved=True)
    known = second.after(everything=True)
    assert known.moved == at(300)
    third = Dating(rules, known, at(350))
    assert third.date(row, StockPage((row,), at(350), at(351), ""), moved=False).as_of == at(250)
    assert third.date(row, StockPage((row,), at(900), at(901), ""), moved=False).as_of == at(300)


def test_an_echo_dates_what_is_read_after_it_was_seen() -> None:
    rules = EvidenceRules(
        (Evidence.ECHO,), build=timedelta(seconds=10), skew=timedelta(seconds=5), echo=(Upc("ECHO"), "NJ1")
    )
    echo = StockRow(Upc("ECHO"), NJ1, (7, 7, 7))
    dating = Dating(rules, Known(echoes=(Echo(6, at(0)), Echo(7, at(100)), Echo(8, at(200)))), at(300))
    page = StockPage((echo,), at(300), at(301), "")
    assert dating.date(echo, page, moved=True).as_of == BEGINNING
    dating.pass_page(page, moved=True)
    assert dating.date(echo, page, moved=True).as_of == at(85)
    known = dating.after(everything=True)
    assert (known.echo_seen, [one.count for one in known.echoes]) == (at(100), [7, 8])
    assert known.floor == BEGINNING


def test_a_count_is_none_of_those_that_may_still_stand_there_whatever_this_store_remembers() -> None:
    first = next_count((), now=at(0))
    assert next_count((Echo(first, at(0)),), now=at(0)) == first % COUNTS + 1
    lives = [next_count((), now=at(300 * turn)) for turn in range(500)]  # forgotten each time
    assert len(set(lives)) == len(lives)
    assert set(lives) <= set(range(1, COUNTS + 1))


@pytest.mark.parametrize("kind", [Evidence.EXPORT_START, Evidence.EXPORT_WRITTEN])
def test_a_row_that_names_no_publication_leaves_all_figures_without_a_floor(kind: Evidence) -> None:
    dating = Dating(EvidenceRules((kind,)), Known(), at(60))
    for export in (at(30), None):
        row = StockRow(Upc("A"), NJ1, (1, 1, 1), export=export)
        dating.pass_page(StockPage((row,), at(60), at(61), ""), moved=True)
    known = dating.after(everything=True)
    assert (known.floor, known.oldest) == (BEGINNING, None)


def test_a_stamp_within_a_second_is_that_second() -> None:
    """An order is stamped in whole seconds: 10:00:00 may be later than 10:00:00.5."""
    rules = EvidenceRules((Evidence.EXPORT_START,))
    row = StockRow(Upc("A"), NJ1, (1, 1, 1), export=at(60.5))
    page = StockPage((row,), at(100), at(101), "")
    dating = Dating(rules, Known(), at(100))
    assert dating.date(row, page, moved=True).as_of == at(60)
    dating.pass_page(page, moved=True)
    assert dating.after(everything=True).floor == at(60)
