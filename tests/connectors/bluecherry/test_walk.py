"""A list is read whole however it is sorted, while it moves, with stamps that many rows share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.connectors.bluecherry.walk import MAX_PAGES, Longest, Mark, Place, Row, Rows, Stretch, Walk
from bcbridge.errors import OpenCircuit, Retry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START = datetime(2026, 3, 1, 6, 0)  # noqa: DTZ001 (ERP-local)
CLOCK = ErpClock(ZoneInfo("America/New_York"), overlap=timedelta(seconds=300))

SORTS: dict[str, Callable[[tuple[str, datetime]], tuple[object, ...]]] = {
    "key": lambda row: (int(row[0]),),
    "stamp": lambda row: (row[1], int(row[0])),
    "newest first": lambda row: (-row[1].timestamp(), -int(row[0])),
    "no order at all": lambda row: (hash(("salt", row[0])),),
}


@dataclass
class Erp:
    """A list in memory: strict ``gt``, page numbers, a ceiling; ``between`` changes it after each page."""

    rows: dict[str, datetime]
    sort: str = "key"
    size: int = 100
    ceiling: int = 200
    between: Callable[[int], None] = lambda page: None
    asked: list[tuple[datetime | None, int]] = field(default_factory=list)

    async def __call__(self, after: datetime | None, page: int) -> Rows:
        self.asked.append((after, page))
        fitting = [row for row in self.rows.items() if after is None or row[1] > after]
        size = min(self.size, self.ceiling)
        chosen = sorted(fitting, key=SORTS[self.sort])[(page - 1) * size : page * size]
        self.between(len(self.asked))
        return Rows([Row({"pkey": key}, key, stamp) for key, stamp in chosen], NOW)


def erp(many: int, *, every: float = 60, **settings: object) -> Erp:
    rows = {str(number): START + timedelta(seconds=every * number) for number in range(1, many + 1)}
    return Erp(rows, **settings)  # type: ignore[arg-type]


def walk(ask: Erp, since: Mark | None = None, longest: Longest | None = None) -> AsyncIterator[Stretch]:
    return Walk(ask, CLOCK, longest or Longest(), NOW).pages(since or Mark())


async def everything(ask: Erp, since: Mark | None = None) -> tuple[list[tuple[str | None, datetime | None]], Mark]:
    seen: list[tuple[str | None, datetime | None]] = []
    mark = since or Mark()
    async for stretch in walk(ask, since):
        seen += [(row.key, row.stamp) for row in stretch.rows]
        mark = stretch.mark
    return seen, mark


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("many", [0, 1, 99, 100, 101, 250, 300])
async def test_every_row_is_seen_once_whatever_the_order_and_the_length(sort: str, many: int) -> None:
    source = erp(many, sort=sort)
    seen, mark = await everything(source)
    assert sorted(seen) == sorted(source.rows.items())
    assert mark.place is None


@pytest.mark.parametrize("sort", SORTS)
async def test_three_hundred_rows_of_one_second_are_all_seen(sort: str) -> None:
    source = erp(300, every=0, sort=sort)
    seen, mark = await everything(source)
    assert len(seen) == 300
    assert (await everything(source, mark))[0] == seen  # the overlap shows them again, and it ends


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("seed", range(15))
async def test_a_list_that_moves_while_it_is_read_loses_nothing(sort: str, seed: int) -> None:
    chance = Random(seed)
    source = erp(450, sort=sort)
    before = dict(source.rows)
    moving = START + timedelta(hours=8)

    def change(page: int) -> None:
        nonlocal moving
        if page > 8:
            return
        for key in chance.sample(sorted(source.rows), 3):
            moving += timedelta(seconds=1)
            source.rows[key] = moving
        source.rows[str(1000 + page)] = moving

    source.between = change
    seen, mark = await everything(source)
    source.between = lambda page: None
    again, _ = await everything(source, mark)
    assert {key for key, _ in seen} >= set(before)  # none slipped through
    assert {*seen, *again} >= set(source.rows.items())  # each as it is now, at the latest with the next poll


async def test_a_row_that_slips_to_a_page_already_read_is_found_by_another_pass() -> None:
    source = erp(150, sort="stamp")

    def touch_the_first(page: int) -> None:
        if page == 1:
            source.rows["1"] = START + timedelta(hours=8)

    source.between = touch_the_first
    seen, _ = await everything(source)
    assert [page for _, page in source.asked] == [1, 2, 1, 2, 1, 2]  # the third pass shows that the second was whole
    assert "101" in {key for key, _ in seen}


async def test_rising_keys_need_no_second_pass() -> None:
    source = erp(450)
    await everything(source)
    assert [page for _, page in source.asked] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("sort", SORTS)
async def test_resuming_from_any_cursor_repeats_at_most(sort: str) -> None:
    source = erp(450, sort=sort)
    cursors = [stretch.mark.cursor() async for stretch in walk(source)]
    before: set[tuple[str | None, datetime | None]] = set()
    async for stretch in walk(source):
        before |= {(row.key, row.stamp) for row in stretch.rows}
        rest, _ = await everything(source, Mark.of(stretch.mark.cursor()))
        assert before | set(rest) == set(source.rows.items())
    assert len(cursors) >= 5


async def test_a_first_load_goes_on_at_its_page_when_nothing_moved() -> None:
    source = erp(450)
    marks = [stretch.mark async for stretch in walk(source)]
    source.asked.clear()
    await everything(source, marks[2])
    assert [page for _, page in source.asked] == [3, 4, 5]


async def test_a_first_load_starts_again_when_what_it_had_read_has_moved() -> None:
    source = erp(450, sort="stamp")
    marks = [stretch.mark async for stretch in walk(source)]
    source.rows["7"] = START + timedelta(hours=8)
    source.asked.clear()
    seen, _ = await everything(source, marks[2])
    assert [page for _, page in source.asked][:2] == [3, 1]
    assert {key for key, _ in seen} == set(source.rows)


async def test_a_delta_asks_from_the_overlap_before_the_newest_stamp() -> None:
    source = erp(20)
    _, mark = await everything(source)
    source.asked.clear()
    seen, _ = await everything(source, mark)
    assert source.asked[0] == (max(source.rows.values()) - timedelta(seconds=300), 1)
    assert [key for key, _ in seen] == ["16", "17", "18", "19", "20"]


async def test_a_ceiling_below_the_page_asked_for_is_not_taken_for_the_end() -> None:
    source = erp(120, ceiling=50)
    seen, _ = await everything(source)
    assert len(seen) == 120


async def test_a_short_page_costs_no_second_call_once_a_longer_one_was_seen() -> None:
    source, longest = erp(30), Longest()
    first = [stretch async for stretch in walk(source, None, longest)]
    source.asked.clear()
    async for _ in walk(source, first[-1].mark, longest):
        pass
    assert len(source.asked) == 1


async def test_ignored_page_numbers_end_in_an_open_circuit_not_in_a_loop() -> None:
    source = erp(100)

    async def first_page(after: datetime | None, page: int) -> Rows:
        return await source(after, 1)

    with pytest.raises(OpenCircuit) as told:
        async for _ in Walk(first_page, CLOCK, Longest(), NOW).pages(Mark()):
            pass
    assert told.value.by_content
    assert len(source.asked) == 2


async def test_an_endless_list_is_given_up() -> None:
    async def endless(after: datetime | None, page: int) -> Rows:
        return Rows([Row({}, str(page), START)], NOW)

    with pytest.raises(OpenCircuit):
        async for _ in Walk(endless, CLOCK, Longest(), NOW).pages(Mark(place=Place("", MAX_PAGES - 3))):
            pass


async def test_an_ignored_filter_is_noticed() -> None:
    source = erp(20)
    source.rows["1"] = START - timedelta(days=30)

    async def unfiltered(after: datetime | None, page: int) -> Rows:
        return await source(None, page)

    with pytest.raises(Retry, match="filter"):
        async for _ in Walk(unfiltered, CLOCK, Longest(), NOW).pages(Mark(high=START.isoformat())):
            pass


async def test_a_stamp_far_in_the_future_does_not_move_the_cursor_past_what_comes_until_then() -> None:
    source = erp(20)
    source.rows["21"] = START + timedelta(days=4000)
    seen, mark = await everything(source)
    assert len(seen) == 21
    assert mark.high == source.rows["20"].isoformat()


async def test_a_row_without_key_or_stamp_is_handed_on_and_moves_nothing() -> None:
    odd = [Row({"unreadable": 1}, None, None), Row({"pkey": "9"}, "9", None), Row({"pkey": "8"}, "8", START)]

    async def three(after: datetime | None, page: int) -> Rows:
        return Rows(odd if page == 1 else [], NOW)

    stretches = [stretch async for stretch in Walk(three, CLOCK, Longest(), NOW).pages(Mark())]
    assert [row for stretch in stretches for row in stretch.rows] == odd
    assert stretches[-1].mark == Mark(START.isoformat())


@pytest.mark.parametrize("cursor", ["", "nonsense", "[]", "{}", '{"place": {"unknown": 1}}', "7", "null"])
def test_a_cursor_that_is_not_ours_starts_from_the_beginning(cursor: str) -> None:
    assert Mark.of(cursor) == Mark()


def marks() -> Sequence[Mark]:
    return (Mark(), Mark("2026-03-01T06:00:00"), Mark("2026-03-01T06:00:00", Place("", 7, "1234", None)))


@pytest.mark.parametrize("mark", marks())
def test_a_cursor_reads_back_to_its_mark(mark: Mark) -> None:
    assert Mark.of(mark.cursor()) == mark
