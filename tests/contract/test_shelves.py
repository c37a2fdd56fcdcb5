"""The contract, for the numbers that a shop shows: what holds for every shelf, whatever system it speaks to.

A number is read with a look, written through a batch, and is in force as soon as the shop says (a claim waits for it).
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import Ref
from bcbridge.model.stock import RowAnswer, RowResult, ShelfItem, StockChange, StockWrite, WriteKind, Written
from tests.contract.heard import PATIENCE_SECONDS, Heard
from tests.contract.kit import Asked, Kit, Outside, Place, ShelfKit
from tests.contract.outside import Handler, black_hole, dripping, exploding, flooding, saying, serving
from tests.contract.rooms import IMPATIENT, KITS, NOBODY, drained, every, every_shelf, outside, room, still

AGAIN = (RowResult.UNTRIED, RowResult.STALE)
ANYWHERE = ShelfItem(Ref("1"), Ref("11"), Ref("1"), Ref("11"), "1", None, "", 0)
"""For calls that reach no shop that knows its items."""


@asynccontextmanager
async def a_shelf(kit: Kit, shelf: ShelfKit, folder: Path) -> AsyncIterator[tuple[Outside, Any]]:
    """The sandbox, and the room's shelf over it, as it is before its first write."""
    async with outside(kit, folder) as there, room(kit, there.url) as connector:
        reader = getattr(connector, shelf.noun)
        await reader.ready()
        yield there, reader


async def listed(reader: Any) -> list[ShelfItem]:
    return [item for page in await drained(reader.items()) for item in page.items]


async def together(reader: Any, count: int = 3) -> list[ShelfItem]:
    """Some items that one call may carry."""
    items = [item for item in await listed(reader) if item.managed]
    by_place = {(item.location, item.item): item for item in items}
    batch = next(one for one in reader.batches([change(item, 0) for item in items]) if len(one) >= count)
    return [by_place[(one.location, one.item)] for one in batch[:count]]


def change(item: ShelfItem, number: int, was: int | None = None) -> StockChange:
    return StockChange(item.location, item.item, item.group, number, was)


def a_write(*changes: StockChange, kind: WriteKind = WriteKind.SET, key: str = "") -> StockWrite:
    return StockWrite(key or str(uuid.uuid4()), kind, changes, run="1")


async def written(reader: Any, write: StockWrite) -> tuple[RowAnswer, ...]:
    answer = await reader.write(write)
    assert isinstance(answer, Written), answer
    assert len(answer.rows) == len(write.changes)
    return answer.rows


async def shown(reader: Any, changes: Sequence[StockChange]) -> list[int | None]:
    return [item.shown if item else None for item in await reader.look(changes)]


async def in_force(reader: Any, changes: Sequence[StockChange]) -> None:
    """Waits until the shop shows what these rows say."""
    wanted = [one.number for one in changes]
    with anyio.fail_after(PATIENCE_SECONDS):
        while await shown(reader, changes) != wanted:
            await anyio.sleep(0.05)


async def set_to(reader: Any, items: Sequence[ShelfItem], number: int) -> list[StockChange]:
    changes = [change(item, number) for item in items]
    assert {row.result for row in await written(reader, a_write(*changes))} == {RowResult.TAKEN}
    await in_force(reader, changes)
    return changes


# -- the suite itself -------------------------------------------------------------------------------------------


@every_shelf
def test_a_kit_names_the_shelf_that_its_room_offers(kit: Kit, shelf: ShelfKit) -> None:
    offered = {name: value for name, value in vars(still(kit)).items() if not name.startswith("_")}
    shelves = {name for name, one in offered.items() if all(hasattr(one, verb) for verb in ("items", "look", "write"))}
    assert shelves == {shelf.noun}


# -- reading ----------------------------------------------------------------------------------------------------


@every_shelf
async def test_items_and_look_show_what_the_books_hold(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        pages = await drained(reader.items())
        items = [item for page in pages for item in page.items if item.managed]
        assert all(page.asked.utcoffset() is not None for page in pages)
        assert Counter((item.location, item.item) for item in items).most_common(1)[0][1] == 1
        numbers = {(item.location, item.item): item.shown for item in items}
        books = await shelf.held(there)
        assert numbers == {place: books.get(place) for place in numbers}
        assert books.keys() <= numbers.keys()
        some = random.Random(1).sample(items, 7)
        assert await shown(reader, [change(item, 0) for item in some]) == [item.shown for item in some]
        assert {item.location for item in items} <= {one.ref for one in await reader.locations()}


@every_shelf
async def test_an_item_says_what_an_order_calls_it(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (_, reader):
        items = [item for item in await listed(reader) if item.managed]
        assert all(item.variant and item.sku for item in items)
        assert len({item.variant for item in items}) == len({item.item for item in items})


@every_shelf
async def test_a_look_keeps_the_order_and_knows_what_is_not_there(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (_, reader):
        items = await together(reader)
        for number, item in enumerate(items, 1):
            await set_to(reader, [item], number)
        asked = [change(items[2], 0), shelf.unknown(items[0]), change(items[0], 0), change(items[1], 0)]
        assert await shown(reader, asked) == [3, None, 1, 2]
        assert list(await reader.look([])) == []


@every_shelf
async def test_what_is_not_ours_to_write_says_why_and_keeps_its_number(
    kit: Kit, shelf: ShelfKit, tmp_path: Path
) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        item, *_ = await together(reader)
        await shelf.leave_alone(there, item)
        left = next(one for one in await listed(reader) if (one.location, one.item) == (item.location, item.item))
        assert not left.managed
        assert left.why


# -- writing ----------------------------------------------------------------------------------------------------


@every_shelf
async def test_what_is_written_is_what_is_shown(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        items = await together(reader)
        before = await shelf.held(there)
        changes = [change(item, number) for item, number in zip(items, (0, 7, 12), strict=True)]
        assert [row.result for row in await written(reader, a_write(*changes))] == [RowResult.TAKEN] * 3
        await in_force(reader, changes)
        after = await shelf.held(there)
        expected: dict[Place, int] = {(one.location, one.item): one.number for one in changes}
        assert {place: number for place, number in after.items() if before[place] != number} == expected


@every_shelf
async def test_an_unknown_item_never_stops_the_others(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    """Written at once, or with their next call."""
    async with a_shelf(kit, shelf, tmp_path) as (_, reader):
        first, second, _ = await together(reader)
        rows = [change(first, 4), shelf.unknown(first), change(second, 5)]
        one, unknown, other = await written(reader, a_write(*rows))
        assert unknown.result is RowResult.GONE
        assert {one.result, other.result} <= {RowResult.TAKEN, RowResult.UNTRIED}
        answered = zip((rows[0], rows[2]), (one, other), strict=True)
        rest = [row for row, answer in answered if answer.result is RowResult.UNTRIED]
        if rest:
            assert {row.result for row in await written(reader, a_write(*rest))} == {RowResult.TAKEN}
        await in_force(reader, [rows[0], rows[2]])


@every_shelf
async def test_a_row_that_is_not_ours_is_never_said_to_be_taken(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        left, other, _ = await together(reader)
        await shelf.leave_alone(there, left)
        first, _ = await written(reader, a_write(change(left, 4), change(other, 5)))
        assert first.result in (RowResult.GONE, RowResult.UNMANAGED, RowResult.REFUSED)
        assert first.reason


@every_shelf
async def test_a_write_whose_answer_was_lost_may_be_made_again(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        items = await together(reader)
        write = a_write(*[change(item, 6) for item in items])
        await there.faults(shelf.done_without_a_word)
        assert isinstance(await reader.write(write), Doubtful)
        await in_force(reader, write.changes)
        assert {row.result for row in await written(reader, write)} == {RowResult.TAKEN}
        await in_force(reader, write.changes)


@every_shelf
async def test_a_write_lost_on_the_way_changes_nothing_and_is_never_said_to_be_done(
    kit: Kit, shelf: ShelfKit, tmp_path: Path
) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        items = await together(reader)
        changes = await set_to(reader, items, 9)
        await there.faults(shelf.lost_on_the_way)
        assert isinstance(await reader.write(a_write(*[change(item, 1) for item in items])), Doubtful | NotSent)
        assert await shown(reader, changes) == [9, 9, 9]


# -- comparing --------------------------------------------------------------------------------------------------


def compares(kit: Kit, shelf: ShelfKit) -> bool:
    return bool(getattr(still(kit), shelf.noun).rules.compares)


every_comparing = every("shelf", [(label, kit, kit.shelf) for label, kit in KITS.items()
                                  if kit.shelf and compares(kit, kit.shelf)])  # fmt: skip


@every_comparing
async def test_a_stale_row_is_named_and_keeps_its_number(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (_, reader):
        items = await together(reader)
        await set_to(reader, items, 5)
        rows = [change(items[0], 8, 5), change(items[1], 8, 4), change(items[2], 8, 5)]
        answers = await written(reader, a_write(*rows, kind=WriteKind.COMPARE))
        assert [row.result is RowResult.STALE for row in answers] == [False, True, False]
        rest = [row for row, answer in zip(rows, answers, strict=True) if answer.result is RowResult.UNTRIED]
        if rest:
            await written(reader, a_write(*rest, kind=WriteKind.COMPARE))
        assert await shown(reader, rows) == [8, 5, 8]


@every_comparing
async def test_a_difference_is_made_once_however_often_it_is_tried(kit: Kit, shelf: ShelfKit, tmp_path: Path) -> None:
    async with a_shelf(kit, shelf, tmp_path) as (there, reader):
        item, *_ = await together(reader)
        await set_to(reader, [item], 5)
        write = a_write(change(item, 3, 5), kind=WriteKind.ADJUST)
        await there.faults(shelf.done_without_a_word)
        assert isinstance(await reader.write(write), Doubtful)
        for _ in range(2):
            assert [row.result for row in await written(reader, write)] == [RowResult.TAKEN]
        assert await shown(reader, write.changes) == [3]


# -- batches ----------------------------------------------------------------------------------------------------


@every_shelf
@pytest.mark.parametrize("seed", range(5))
def test_batches_hold_every_row_once_in_order_and_keep_the_limit(kit: Kit, shelf: ShelfKit, seed: int) -> None:
    chance, reader = random.Random(seed), getattr(still(kit), shelf.noun)
    rows = [replace(change(ANYWHERE, at), item=Ref(str(1000 + at)), group=Ref(str(at % 7))) for at in range(1_500)]
    rows = [replace(row, location=Ref(chance.choice(("1", "2")))) for row in rows]
    chance.shuffle(rows)
    batches = reader.batches(rows)
    assert Counter(id(row) for batch in batches for row in batch) == Counter(map(id, rows))
    assert all(0 < len(batch) <= reader.rules.rows_per_call for batch in batches)
    place = {id(row): at for at, row in enumerate(rows)}
    assert all([place[id(row)] for row in batch] == sorted(place[id(row)] for row in batch) for batch in batches)
    firsts = [place[id(batch[0])] for batch in batches]
    assert firsts == sorted(firsts)


# -- answers, and what they mean --------------------------------------------------------------------------------

ANSWERS = [
    (f"{kit.kind}.{kit.shelf.noun}: {name}", kit, name)
    for kit in KITS.values()
    if kit.shelf is not None
    for name in kit.shelf.answers
]


def at_writes(shelf: ShelfKit, manner: Handler) -> Handler:
    """The manner for writes alone; what the room looks at before is answered well."""

    async def handler(request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        if shelf.reads is not None and asked.method == "GET":
            return shelf.reads(asked).response()
        return await manner(request, asked)

    return handler


def anything(reader: Any) -> Callable[[], Any]:
    return lambda: reader.write(a_write(change(ANYWHERE, 1)))


@every("name", ANSWERS)
async def test_an_answer_to_a_write_becomes_the_right_ending(kit: Kit, name: str, heard: Heard) -> None:
    assert kit.shelf is not None
    answer, wanted = kit.shelf.answers[name]
    handler = at_writes(kit.shelf, saying(lambda asked: answer))
    async with serving(handler) as server, room(kit, server.url) as connector:
        with anyio.fail_after(PATIENCE_SECONDS):
            ended = await heard.ending(anything(getattr(connector, kit.shelf.noun)))
        assert isinstance(ended, wanted)
        assert sum(asked.method != "GET" for asked in server.asked) == 1


@every_shelf
async def test_a_refused_connection_sends_nothing(kit: Kit, shelf: ShelfKit, heard: Heard) -> None:
    async with room(kit, NOBODY) as connector:
        assert isinstance(await heard.ending(anything(getattr(connector, shelf.noun))), NotSent)


@every_shelf
@pytest.mark.parametrize(
    "manner",
    [
        pytest.param(black_hole, id="never answers"),
        pytest.param(dripping, id="never ends its answer"),
        pytest.param(flooding, id="answers without end"),
        pytest.param(exploding, id="packed small"),
    ],
)
async def test_a_write_ends_in_doubt_within_its_deadline(kit: Kit, shelf: ShelfKit, manner: Any, heard: Heard) -> None:
    changes = IMPATIENT if manner in (black_hole, dripping) else {}
    async with serving(at_writes(shelf, manner)) as server, room(kit, server.url, **changes) as connector:
        with anyio.fail_after(PATIENCE_SECONDS):
            ended = await heard.ending(anything(getattr(connector, shelf.noun)))
        assert isinstance(ended, Doubtful)


@every_shelf
async def test_wrong_credentials_open_the_circuit_and_change_nothing(
    kit: Kit, shelf: ShelfKit, tmp_path: Path, heard: Heard
) -> None:
    async with outside(kit, tmp_path) as there:
        before = await shelf.held(there)
        async with room(replace(kit, secrets=kit.wrong_secrets), there.url) as connector:
            ended = await heard.ending(anything(getattr(connector, shelf.noun)))
        assert isinstance(ended, OpenCircuit)
        assert await shelf.held(there) == before
