"""Lists that move while they are read: no row is ever missed, and nothing turns in a circle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcbridge.connectors.base import Head
from bcbridge.connectors.keyset import MOST_PAGES_OF_ONE_STAMP, KeysetList, created, modified, walk
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import Ref

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAGE = 4


def second(number: int) -> datetime:
    return START + timedelta(seconds=number)


@dataclass
class Moving:
    """A database over there: rows by id with their stamps, and what happens to them before each answer."""

    stamps: dict[int, datetime]
    happens: Callable[[Moving], None] = lambda moving: None
    asked: int = 0
    later: int = 1000
    floors: list[tuple[datetime, int]] = field(default_factory=list)

    async def ask(self, floor: datetime, page: int) -> Sequence[Head]:
        self.happens(self)
        self.asked += 1
        self.floors.append((floor, page))
        rows = sorted((stamp, id_) for id_, stamp in self.stamps.items() if stamp >= floor)
        return [Head(Ref(str(id_)), stamp, stamp) for stamp, id_ in rows[(page - 1) * PAGE : page * PAGE]]

    def touch(self, id_: int) -> None:
        """It is changed now: later than anything else."""
        self.later += 1
        self.stamps[id_] = second(self.later)


async def seen(moving: Moving, floor: datetime = START) -> list[str]:
    stretches = [stretch async for stretch in walk(moving.ask, floor, page_size=PAGE, stamp=modified)]
    return [head.ref for stretch in stretches for head in stretch.heads]


def refs(moving: Moving) -> set[str]:
    return set(map(str, moving.stamps))


async def test_trap_1b_a_row_that_changes_while_paging_hides_no_other() -> None:
    """Page 2 asked for as page 2 would have begun one row too late."""

    def touch_the_first(moving: Moving) -> None:
        if moving.asked == 1:
            moving.touch(0)

    moving = Moving({id_: second(id_) for id_ in range(12)}, touch_the_first)
    assert set(await seen(moving)) == refs(moving)
    assert {page for _, page in moving.floors} == {1}


async def test_rows_are_shown_once_where_nothing_moves() -> None:
    moving = Moving({id_: second(id_ // 3) for id_ in range(30)})
    shown = await seen(moving)
    assert sorted(shown) == sorted(refs(moving))


async def test_whole_pages_of_one_stamp_are_read_to_their_end() -> None:
    moving = Moving({id_: second(5 if id_ < 23 else id_) for id_ in range(30)})
    assert sorted(await seen(moving)) == sorted(refs(moving))


async def test_a_row_that_leaves_a_full_stamp_hides_no_other() -> None:
    """Each time a page within one stamp is turned, its first row is changed and the rest move up."""

    def touch_the_oldest(moving: Moving) -> None:
        if moving.floors and moving.floors[-1][1] >= 1 and moving.asked < 12:
            moving.touch(min(moving.stamps, key=lambda id_: (moving.stamps[id_], id_)))

    moving = Moving(dict.fromkeys(range(30), second(5)), touch_the_oldest)
    assert set(await seen(moving)) == refs(moving)


async def test_a_stuck_server_ends_in_words() -> None:
    """It answers the same full page whatever it is asked."""
    asked = 0

    async def stuck(floor: datetime, page: int) -> Sequence[Head]:
        nonlocal asked
        asked += 1
        return [Head(Ref(str(id_)), second(id_)) for id_ in range(PAGE)]

    with pytest.raises(OpenCircuit):
        [_ async for _ in walk(stuck, START, page_size=PAGE, stamp=modified)]
    assert asked < 2 * MOST_PAGES_OF_ONE_STAMP + 5


async def test_a_stamp_that_never_comes_to_rest_ends_in_words() -> None:
    """New rows of one second, for ever."""

    def another(moving: Moving) -> None:
        moving.stamps[len(moving.stamps)] = second(5)

    moving = Moving(dict.fromkeys(range(9), second(5)), another)
    with pytest.raises(OpenCircuit):
        await seen(moving)


async def test_a_sweep_walks_by_creation() -> None:
    moving = Moving({id_: second(id_) for id_ in range(9)})
    stretches = [stretch async for stretch in walk(moving.ask, second(3), page_size=PAGE, stamp=created)]
    assert [head.ref for stretch in stretches for head in stretch.heads] == ["3", "4", "5", "6", "7", "8"]


async def test_a_cursor_is_the_newest_stamp_and_a_pass_begins_the_overlap_before_it() -> None:
    moving = Moving({id_: second(id_) for id_ in range(9)})
    one = KeysetList(
        "updated", moving.ask, page_size=PAGE, overlap=timedelta(seconds=3), now=lambda: START, since=START
    )
    pages = [page async for page in one.pages("")]
    again = [page async for page in one.pages(pages[-1].cursor)]
    assert moving.floors[0] == (START, 1)
    assert {head.ref for page in again for head in page.heads} == {"5", "6", "7", "8"}
    assert again[-1].cursor == pages[-1].cursor


MOVES = st.lists(st.lists(st.integers(0, 29), max_size=3), max_size=40)
SHAPES = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@settings(max_examples=400, deadline=None)
@given(shape=SHAPES, moves=MOVES)
async def test_no_row_of_a_moving_list_is_ever_missed(shape: list[int], moves: list[list[int]]) -> None:
    """Rows in any stamps, and before each answer any of them may be changed: to the end of the list they go."""
    left = list(moves)

    def happens(moving: Moving) -> None:
        for id_ in left.pop(0) if left else ():
            if id_ in moving.stamps:
                moving.touch(id_)

    moving = Moving({id_: second(at) for id_, at in enumerate(shape)}, happens)
    assert set(await seen(moving)) == refs(moving)


@settings(max_examples=400, deadline=None)
@given(many=st.integers(PAGE, 30), moves=st.lists(st.booleans(), max_size=60))
async def test_no_row_of_one_crowded_second_is_ever_missed(many: int, moves: list[bool]) -> None:
    """The worst case of it: each row that is about to be shown may be hidden by one that leaves before it."""
    left = list(moves)

    def happens(moving: Moving) -> None:
        crowd = sorted(id_ for id_, stamp in moving.stamps.items() if stamp == START)
        if left and left.pop(0) and crowd:
            moving.touch(crowd[0])

    moving = Moving(dict.fromkeys(range(many), START), happens)
    assert set(await seen(moving)) == refs(moving)
