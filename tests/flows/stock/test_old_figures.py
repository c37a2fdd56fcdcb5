"""An old figure, read late, releases nothing; a late export hides pieces and sells none. Through pull, store and rule.

One piece was in stock at ten. A shop sells it at 10:01; the ERP books it at 10:02 by its own stamp, and we have read
that back. What the feed then shows is as of ten until something newer is certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bcbridge.model.figures import Echo
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Evidence, EvidenceRules, StockRow
from bcbridge.store.stock import compute, feeds
from tests.flows.stock.feed_kit import Scene, at, row, scene

A, B, ECHO = "A", "B", "ECHO"
BOOKED = 2.0
Maker = Callable[[str, int, float], StockRow]
"""(UPC, pieces, when the figure was taken) -> how the ERP shows it."""

SHOWN: dict[Evidence, Maker] = {
    Evidence.LIVE: lambda upc, ots, taken: row(upc, ots),
    Evidence.ROW_LEDGER: lambda upc, ots, taken: row(upc, ots, stamped=taken - 0.5),
    Evidence.EXPORT_START: lambda upc, ots, taken: row(upc, ots, export=taken),
    Evidence.EXPORT_WRITTEN: lambda upc, ots, taken: row(upc, ots, stamped=taken + 3),
    Evidence.UNCHANGED: lambda upc, ots, taken: row(upc, ots),
    Evidence.ECHO: lambda upc, ots, taken: row(upc, ots),
    Evidence.MAX_AGE: lambda upc, ots, taken: row(upc, ots),
}
PUBLISHED = [kind for kind in Evidence if kind is not Evidence.LIVE]


def allowed(kind: Evidence) -> EvidenceRules:
    return EvidenceRules(
        (kind,),
        build=timedelta(minutes=5),
        max_age=timedelta(minutes=40),
        skew=timedelta(seconds=5),
        echo=(Upc(ECHO), "NJ1"),
    )


async def pulled(here: Scene, minutes: float, *rows: StockRow) -> None:
    """Everything as it is shown then, a row a page; B is a neighbour that nobody buys."""
    here.clock.minutes = minutes
    here.erp.pages = [[one] for one in rows]
    await here.pulls.everything()


async def counted(here: Scene) -> int:
    """N of A."""
    return await here.store.write(lambda tx: compute.reckon(tx, [A], now=here.clock.now())[0].n)


async def sold_and_booked(here: Scene, kind: Evidence, pieces: int = 1) -> None:
    shown = SHOWN[kind]
    await pulled(here, -20, shown(B, 9, -25), shown(A, pieces + 1, -25))
    await pulled(here, 0.5, shown(B, 8, 0), shown(A, pieces, 0))
    here.clock.minutes = 3
    await here.sold(A, posted_by=BOOKED)


@pytest.mark.parametrize("kind", PUBLISHED)
async def test_an_old_figure_read_after_confirmation_releases_nothing(tmp_path: Path, kind: Evidence) -> None:
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B) as here:
        await sold_and_booked(here, kind)
        for minutes in (3.5, 5):  # confirmed before the pull began
            await pulled(here, minutes, shown(B, 8, 0), shown(A, 1, 0))
            assert await here.target(A) == 0, minutes
        # wholesale took a neighbour: a figure moved, ours did not, and both were taken before the booking
        for minutes in (5.5, 6, 14, 20):
            await pulled(here, minutes, shown(B, 7, 1), shown(A, 1, 1))
            assert await here.target(A) == 0, minutes


@pytest.mark.parametrize("kind", PUBLISHED)
async def test_an_old_figure_that_is_first_seen_late_releases_nothing(tmp_path: Path, kind: Evidence) -> None:
    """It moved since we last read it; that says when it was published at the earliest, and no more."""
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B) as here:
        await sold_and_booked(here, kind, pieces=3)
        for minutes in (20, 25):
            await pulled(here, minutes, shown(B, 7, 1), shown(A, 2, 1))
            assert await here.target(A) == 1, minutes


@pytest.mark.parametrize("kind", PUBLISHED)
async def test_a_figure_that_fell_by_somebody_else_releases_nothing(tmp_path: Path, kind: Evidence) -> None:
    """Three in stock; wholesale took one before the figure was taken, and it is published after our booking."""
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B) as here:
        await sold_and_booked(here, kind, pieces=3)
        assert await here.target(A) == 2
        await pulled(here, 5, shown(B, 8, 1.5), shown(A, 2, 1.5))
        assert await here.target(A) == 1
        await pulled(here, 6, shown(B, 8, 1.5), shown(A, 2, 1.5))
        assert await here.target(A) == 1


@pytest.mark.parametrize("kind", [Evidence.ROW_LEDGER, Evidence.EXPORT_START, Evidence.EXPORT_WRITTEN])
async def test_a_page_from_before_the_switch_releases_nothing(tmp_path: Path, kind: Evidence) -> None:
    """The publication changes in mid-pull: the row of ours was on a page of the old one."""
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B) as here:
        await sold_and_booked(here, kind)
        await pulled(here, 19, shown(A, 1, 0), shown(B, 7, 15))
        assert await here.target(A) == 0
        await pulled(here, 20, shown(A, 0, 15), shown(B, 7, 15))
        assert (await here.target(A), await counted(here)) == (0, 0)


@pytest.mark.parametrize("kind", [Evidence.ROW_LEDGER, Evidence.EXPORT_START, Evidence.EXPORT_WRITTEN])
async def test_a_replica_that_lags_gives_no_piece_back(tmp_path: Path, kind: Evidence) -> None:
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B) as here:
        await sold_and_booked(here, kind)
        await pulled(here, 19, shown(A, 0, 15), shown(B, 7, 15))
        assert (await here.target(A), await counted(here)) == (0, 0)
        for minutes in (20, 21):
            await pulled(here, minutes, shown(A, 1, 0), shown(B, 8, 0))
            assert await here.target(A) == 0


@pytest.mark.parametrize("pass_by", ["everything", "changed"])
async def test_a_replica_shows_no_figure_from_before_the_floor(tmp_path: Path, pass_by: str) -> None:
    """Five, six and five again: the five that contains our booking looked like the first, and was not kept anew."""
    shown = SHOWN[Evidence.EXPORT_START]
    rules = replace(allowed(Evidence.EXPORT_START), behind=None)
    async with scene(tmp_path, rules, A, B) as here:
        await pulled(here, -20, shown(B, 9, -25), shown(A, 5, -25))
        await pulled(here, 6, shown(B, 9, 5), shown(A, 5, 5))
        await here.sold(A, posted_by=BOOKED)
        assert (await here.target(A), await counted(here)) == (5, 0)
        here.clock.minutes = 8
        here.erp.pages = here.erp.delta = [[shown(B, 9, -10)], [shown(A, 6, -10)]]
        await (here.pulls.everything() if pass_by == "everything" else here.pulls.changed())
        assert await here.target(A) == 5
        await pulled(here, 8.5, shown(B, 9, -10))  # A was none then: no reason to be none now
        assert await here.target(A) == 5
        await pulled(here, 9, shown(B, 9, 8), shown(A, 6, 8))
        assert await here.target(A) == 6


@pytest.mark.parametrize("kind", [Evidence.ROW_LEDGER, Evidence.EXPORT_START])
async def test_a_stamp_of_the_second_of_the_booking_proves_nothing(tmp_path: Path, kind: Evidence) -> None:
    async with scene(tmp_path, allowed(kind), A, B) as here:
        await sold_and_booked(here, kind)
        same = row(A, 1, stamped=BOOKED, export=BOOKED)
        await pulled(here, 3.5, SHOWN[kind](B, 8, 0), same)
        assert (await here.target(A), await counted(here)) == (0, 1)


async def test_live_figures_release_what_they_were_asked_for_after_the_skew(tmp_path: Path) -> None:
    async with scene(tmp_path, allowed(Evidence.LIVE), A) as here:
        await pulled(here, 0, row(A, 1))
        await here.sold(A, posted_by=BOOKED)
        await pulled(here, BOOKED + 5 / 60, row(A, 1))  # its clock may be five seconds ahead of ours
        assert (await here.target(A), await counted(here)) == (0, 1)
        await pulled(here, BOOKED + 6 / 60, row(A, 0))
        assert (await here.target(A), await counted(here)) == (0, 0)


async def test_in_the_repeated_hour_the_earlier_reading_dates_a_figure(tmp_path: Path) -> None:
    """1:30 is written twice that night. Booked at the second 1:30 (the later reading); a figure stamped 1:45 may be
    from the first hour, and the room says so: an hour earlier."""
    async with scene(tmp_path, allowed(Evidence.EXPORT_START), A) as here:
        await pulled(here, 0, row(A, 1, export=-60))
        await here.sold(A, posted_by=30)
        await pulled(here, 46, row(A, 0, export=45 - 60))
        assert (await here.target(A), await counted(here)) == (0, 1)
        await pulled(here, 106, row(A, 0, export=105))
        assert await counted(here) == 0


# -- the first figure that is surely newer releases ----------------------------------------------------------------

ENOUGH = {
    Evidence.ROW_LEDGER: (18,),
    Evidence.EXPORT_START: (18,),
    Evidence.EXPORT_WRITTEN: (18,),
    Evidence.UNCHANGED: (18,),
    Evidence.ECHO: (18,),
    Evidence.MAX_AGE: (18, 44),
}


@pytest.mark.parametrize("kind", PUBLISHED)
async def test_a_booked_piece_stops_counting_with_the_first_figure_that_surely_contains_it(
    tmp_path: Path, kind: Evidence
) -> None:
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B, ECHO) as here:
        await sold_and_booked(here, kind)
        echoed = Echo(1, at(12))
        await here.store.write(lambda tx: feeds.echo_sent(tx, "bc", echoed))
        await pulled(here, 14, shown(ECHO, 0, 0), shown(B, 8, 0), shown(A, 1, 0))
        for minutes in ENOUGH[kind]:
            assert await counted(here) == 1
            taken = minutes - minutes % 15
            await pulled(here, minutes, shown(ECHO, 1, taken), shown(B, 8 - minutes // 15, taken), shown(A, 0, taken))
            assert await here.target(A) == 0
        assert await counted(here) == 0


@pytest.mark.parametrize("kind", PUBLISHED)
async def test_a_late_export_hides_pieces_and_sells_none(tmp_path: Path, kind: Evidence) -> None:
    """Two in stock, one sold and booked. Two exports do not come; the one that comes releases within its cycle."""
    shown = SHOWN[kind]
    async with scene(tmp_path, allowed(kind), A, B, ECHO) as here:
        await sold_and_booked(here, kind, pieces=2)
        for minutes in (5, 15, 16, 25, 31, 39):
            await pulled(here, minutes, shown(ECHO, 0, 0), shown(B, 8, 0), shown(A, 2, 0))
            assert (await here.target(A), await counted(here)) == (1, 1), minutes
        here.clock.minutes = 42
        await here.store.write(lambda tx: feeds.echo_sent(tx, "bc", Echo(1, at(42))))
        for minutes, taken in ((46, 45), (47, 45), (61, 60), (62, 60), (95, 90)):
            await pulled(here, minutes, shown(ECHO, 1, taken), shown(B, 8 - taken // 15, taken), shown(A, 1, taken))
            assert await here.target(A) in (0, 1)
        assert (await here.target(A), await counted(here)) == (1, 0)
