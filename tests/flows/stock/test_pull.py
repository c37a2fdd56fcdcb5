"""A pull keeps what moved and nothing else; what cannot be believed is left to a person; a crash costs a repetition."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bcbridge.model.stock import Evidence, EvidenceRules
from tests.flows.stock.feed_kit import at, row, scene
from tests.store.stock.books import WOO

RULES = EvidenceRules((Evidence.ROW_LEDGER,))
A, B, C = "A", "B", "C"


async def test_figures_become_numbers_and_what_the_erp_does_not_know_is_none(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B, C) as here:
        here.erp.pages = [[row(A, 5, stamped=0)], [row(B, 3, stamped=0)]]
        pulled = await here.pulls.everything()
        assert (pulled.everything, pulled.rows, pulled.moved, pulled.held) == (True, 2, 2, "")
        assert [await here.target(upc) for upc in (A, B, C)] == [5, 3, 0]
        assert here.rung == {WOO}


async def test_before_a_whole_pull_nothing_is_none_by_absence(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, C) as here:
        here.erp.pages, here.erp.whole = [[row(A, 5, stamped=0)]], False
        pulled = await here.pulls.everything()
        assert not pulled.everything
        assert [await here.target(upc) for upc in (A, C)] == [5, None]
        assert (await here.feed())["pull_ended"] is None


async def test_what_did_not_move_is_not_written(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B) as here:
        here.erp.pages = [[row(A, 5, stamped=0), row(B, 3, stamped=0)]]
        await here.pulls.everything()
        units = here.store.figures.units
        here.erp.pages = [[row(A, 5, stamped=8), row(B, 3, stamped=9)]]
        assert (await here.pulls.everything()).moved == 0
        assert here.store.figures.units == units + 3  # what was released, the end, what it released
        assert (await here.restarted().everything()).moved == 0


async def test_a_delta_begins_where_the_last_pull_ended_and_the_first_is_of_everything(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B) as here:
        here.erp.pages, here.erp.mark = [[row(A, 5, stamped=0), row(B, 3, stamped=0)]], "one"
        assert (await here.pulls.changed()).everything
        here.erp.delta, here.erp.mark = [[row(A, 4, stamped=1)]], "two"
        assert not (await here.pulls.changed()).everything
        assert [await here.target(upc) for upc in (A, B)] == [4, 3]
        assert here.erp.since == ["one"]
        assert (await here.feed())["mark"] == "two"


async def test_absent_from_a_whole_pull_is_none_and_from_any_other_it_is_not(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B) as here:
        here.erp.pages = [[row(A, 5, stamped=0), row(B, 3, stamped=0)]]
        await here.pulls.everything()
        here.erp.pages, here.erp.whole = [[row(A, 5, stamped=0)]], False
        await here.pulls.everything()
        assert await here.target(B) == 3
        here.erp.whole = True
        await here.restarted().everything()
        assert [await here.target(upc) for upc in (A, B)] == [5, 0]
        here.erp.pages = [[row(A, 5, stamped=0), row(B, 1, stamped=9)]]
        await here.pulls.everything()
        assert await here.target(B) == 1


async def test_lots_of_one_warehouse_add_up_and_warehouses_stand_apart(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A) as here:
        lots = [row(A, 5, stamped=0), row(A, 2, stamped=0, lot="B1"), row(A, 9, stamped=0, warehouse="CA1")]
        here.erp.pages = [lots[:1], lots[1:]]
        await here.pulls.everything()
        assert await here.target(A) == 7
        here.erp.delta = [[row(A, 1, stamped=2, lot="B1")]]
        await here.restarted().changed()
        assert await here.target(A) == 6
        here.erp.pages = [[lots[0], lots[2]]]
        await here.pulls.everything()
        assert await here.target(A) == 5


async def test_an_older_row_never_takes_the_place_of_a_newer_one(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A) as here:
        here.erp.pages = [[row(A, 5, stamped=0)]]
        await here.pulls.everything()
        here.erp.delta = [[row(A, 4, stamped=5)]]
        await here.pulls.changed()
        here.erp.delta = [[row(A, 5, stamped=0)]]
        await here.pulls.changed()
        assert await here.target(A) == 4
        here.erp.delta = [[row(A, 4, stamped=5)]]
        await here.pulls.changed()
        assert await here.target(A) == 4


# -- what cannot be believed ---------------------------------------------------------------------------------------

MANY = [f"{number:03d}" for number in range(100)]


@pytest.mark.parametrize("way", ["absent", "none"])
async def test_a_pull_that_loses_too_much_is_left_to_a_person(tmp_path: Path, way: str) -> None:
    async with scene(tmp_path, RULES, *MANY) as here:
        here.erp.pages = [[row(upc, 5, stamped=0) for upc in MANY]]
        await here.pulls.everything()
        await here.sold("099", posted_by=1)
        lost = [] if way == "absent" else [row(upc, 0, stamped=20) for upc in MANY[:21]]
        here.clock.minutes = 20
        here.erp.pages = [[*lost, *(row(upc, 6, stamped=20) for upc in MANY[21:])]]
        floor = (await here.feed())["floor"]
        pulled = await here.pulls.everything()
        assert pulled.held == "all figures: 21 of 100 figures with stock would be none"
        assert not pulled.everything
        feed = await here.feed()
        assert (feed["held"], feed["floor"]) == (pulled.held, floor)
        assert [await here.target(upc) for upc in ("000", "020", "021")] == [5, 5, 6]
        assert (await here.restarted().everything()).held == pulled.held

        await here.act(lambda tx: tx.execute("UPDATE stock_feeds SET accepted = 1"))
        assert (await here.pulls.everything()).held == ""
        feed = await here.feed()
        assert (feed["held"], feed["accepted"]) == ("", 0)
        assert [await here.target(upc) for upc in ("000", "020", "021")] == [0, 0, 6]


async def test_a_fifth_of_all_may_sell_out_at_once_and_a_handful_of_a_small_shop(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, *MANY) as here:
        here.erp.pages = [[row(upc, 5, stamped=0) for upc in MANY]]
        await here.pulls.everything()
        here.erp.delta = [[row(upc, 0, stamped=1) for upc in MANY[:20]]]
        assert (await here.pulls.changed()).held == ""
        assert await here.target("000") == 0
        here.erp.delta = [[row(upc, 0, stamped=2) for upc in MANY[20:39]]]  # 19 of 80
        assert (await here.pulls.changed()).held == ""
        here.erp.delta = [[row(upc, 0, stamped=3) for upc in MANY[39:60]]]  # 21 of 61
        here.erp.mark = "not moved"
        assert (await here.pulls.changed()).held == "changed figures: 21 of 61 figures with stock would be none"
        assert (await here.feed())["mark"] == "mark"


async def test_a_pull_of_all_is_not_forgotten_because_a_delta_went_well(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, *MANY) as here:
        here.erp.pages = [[row(upc, 5, stamped=0) for upc in MANY]]
        await here.pulls.everything()
        here.erp.pages = [[]]
        held = (await here.pulls.everything()).held
        here.erp.delta = [[row("000", 4, stamped=1)]]
        await here.pulls.changed()
        assert (await here.feed())["held"] == held
        here.erp.pages = [[row("000", 4, stamped=1), *(row(upc, 5, stamped=0) for upc in MANY[1:])]]
        await here.pulls.everything()
        assert (await here.feed())["held"] == ""


async def test_a_figure_that_fell_and_stood_again_in_the_next_pass_has_not_fallen(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B) as here:
        here.erp.pages = [[row(A, 5, stamped=0), row(B, 5, stamped=0)]]
        await here.pulls.everything()
        here.erp.pages = [[row(A, 0, stamped=1), row(B, 5, stamped=0)], [row(A, 5, stamped=2), row(B, 5, stamped=0)]]
        await here.pulls.everything()
        assert await here.target(A) == 5


async def test_an_older_figure_that_was_refused_hides_no_later_one(tmp_path: Path) -> None:
    """A replica shows five as of before; the figure after that is five indeed, and must not pass for known."""
    async with scene(tmp_path, RULES, A, B) as here:
        here.erp.pages = [[row(A, 6, stamped=10), row(B, 5, stamped=10)]]
        await here.pulls.everything()
        here.erp.delta = [[row(A, 5, stamped=5)]]
        await here.pulls.changed()
        assert await here.target(A) == 6
        here.erp.delta = [[row(A, 5, stamped=15)]]
        await here.pulls.changed()
        assert await here.target(A) == 5


async def test_a_persons_word_counts_for_the_pull_it_was_said_of_and_no_later_one(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, *MANY) as here:
        here.erp.pages = everything = [[row(upc, 5, stamped=0) for upc in MANY]]
        await here.pulls.everything()
        here.erp.pages = [[]]
        assert (await here.pulls.everything()).held
        await here.act(lambda tx: tx.execute("UPDATE stock_feeds SET accepted = 1"))
        here.erp.delta = [[row("000", 4, stamped=1)]]
        await here.pulls.changed()
        assert (await here.feed())["accepted"] == 1
        here.erp.pages = everything  # the export is well again by itself
        assert (await here.pulls.everything()).held == ""
        here.erp.pages = [[]]
        assert (await here.pulls.everything()).held
        assert await here.target("001") == 5


async def test_a_sku_that_has_a_name_now_is_no_figure_that_moved(tmp_path: Path) -> None:
    """Its row stood in the same late export all along; our booking is not in it."""
    rules = EvidenceRules((Evidence.UNCHANGED,), build=timedelta(minutes=10), skew=timedelta(0))
    async with scene(tmp_path, rules, A, B) as here:
        here.erp.pages = [[row(A, 5)]]
        await here.pulls.everything()
        await here.sold(A, posted_by=30)
        here.clock.minutes = 55
        await here.pulls.everything()
        here.clock.minutes, here.erp.pages = 58, [[row(B, 3)], [row(A, 5)]]
        await here.pulls.everything()
        assert await here.target(A) == 4
        here.clock.minutes, here.erp.pages = 60, [[row(B, 2)], [row(A, 4)]]
        await here.pulls.everything()
        assert await here.target(A) == 4


# -- pages together --------------------------------------------------------------------------------------------------


async def test_rows_of_several_pages_are_kept_at_once_and_none_waits_for_long(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B, C) as here:
        here.erp.pages = [[row(A, 5, stamped=0), row(B, 3, stamped=0), row(C, 2, stamped=0)]]
        await here.pulls.everything()
        here.erp.delta = [[row(A, 4, stamped=1)], [row(B, 2, stamped=1)], [row(C, 1, stamped=1)]]
        units = here.store.figures.units
        await here.pulls.changed()
        at_once = here.store.figures.units - units
        here.erp.delta = [[row(A, 9, stamped=2)], [row(B, 9, stamped=2)], [row(C, 9, stamped=2)]]
        here.erp.before_page = lambda number: setattr(here.clock, "minutes", 3 + number / 60)
        await here.pulls.changed()
        assert here.store.figures.units - units - at_once == at_once + 1  # the first two, then the third
        assert [await here.target(upc) for upc in (A, B, C)] == [9, 9, 9]


async def test_a_row_that_comes_again_before_it_is_kept_counts_as_what_it_says(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B) as here:
        here.erp.pages = [[row(A, 5, stamped=0), row(B, 5, stamped=0)]]
        await here.pulls.everything()
        here.erp.delta = [[row(A, 4, stamped=2), row(B, 4, stamped=2)], [row(A, 5, stamped=3), row(B, 5, stamped=1)]]
        await here.pulls.changed()
        assert [await here.target(upc) for upc in (A, B)] == [5, 4]


# -- crashes -------------------------------------------------------------------------------------------------------


async def test_a_pull_that_breaks_off_keeps_its_pages_and_is_read_again(tmp_path: Path) -> None:
    async with scene(tmp_path, RULES, A, B, C) as here:
        here.erp.pages = [[row(A, 5, stamped=0)], [row(B, 3, stamped=0)], [row(C, 2, stamped=0)]]
        await here.pulls.everything()
        here.clock.minutes = 30
        here.erp.delta = [[row(A, 4, stamped=20)], [row(B, 0, stamped=20)], [row(C, 1, stamped=20)]]
        here.erp.mark, here.erp.breaks_after = "two", 2
        with pytest.raises(ConnectionError):
            await here.pulls.changed()
        assert [await here.target(upc) for upc in (A, B, C)] == [4, 3, 2]
        assert (await here.feed())["mark"] == "mark"
        here.erp.breaks_after = None
        await here.restarted().changed()
        assert [await here.target(upc) for upc in (A, B, C)] == [4, 0, 1]
        assert (await here.feed())["mark"] == "two"


async def test_what_a_floor_released_is_computed_though_the_process_ended_in_between(tmp_path: Path) -> None:
    async with scene(tmp_path, EvidenceRules((Evidence.LIVE,)), A) as here:
        here.erp.pages = [[row(A, 5)]]
        await here.pulls.everything()
        await here.sold(A, posted_by=1)
        assert await here.target(A) == 4
        # the floor moved, and nothing was computed: as if it had ended right after that unit
        here.erp.pages = [[row(A, 4)]]
        await here.store.write(lambda tx: tx.execute("UPDATE stock_feeds SET floor = ?", ("2026-11-27T10:05:00Z",)))
        assert await here.target(A) == 4
        here.clock.minutes = 6
        here.erp.delta, here.erp.breaks_after = [[]], 0
        with pytest.raises(ConnectionError):
            await here.restarted().changed()
        assert await here.target(A) == 5
        assert (await here.feed())["released_upto"] == "2026-11-27T10:05:00Z"


async def test_the_echo_is_written_down_before_it_is_set(tmp_path: Path) -> None:
    async with scene(tmp_path, EvidenceRules((Evidence.ECHO,)), A) as here:
        await here.pulls.echo()
        here.clock.minutes = 5
        await here.pulls.echo()
        first, second = here.erp.counts
        echoes = (await here.pulls.book.feed()).known.echoes
        assert [(echo.count, echo.sent) for echo in echoes] == [(first, at(0)), (second, at(5))]
        assert first != second
