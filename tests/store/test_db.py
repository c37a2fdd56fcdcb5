"""What was acknowledged is on disk, what was not is not, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bcbridge.errors import StoreBusy
from bcbridge.store.db import GROUP_LIMIT, LONG_WAITS_GROUPS, Store, StoreLocked, StoreTooNew
from tests.runtime.kit import locked

Unit = Callable[[sqlite3.Connection], int]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "bcbridge.db").opened() as opened:
        await opened.write(lambda tx: tx.execute("CREATE TABLE notes (note TEXT UNIQUE)"))
        yield opened


def note(text: str, seen: list[str] | None = None) -> Unit:
    def unit(tx: sqlite3.Connection) -> int:
        if seen is not None:
            seen.append(text)
        return tx.execute("INSERT INTO notes VALUES (?)", (text,)).rowcount

    return unit


async def notes(store: Store) -> set[str]:
    return {row["note"] for row in await store.read.rows("SELECT note FROM notes")}


async def together(store: Store, *units: Unit, intake: int = 0, long: int = 0) -> list[int | BaseException]:
    """Let all units wait at once, the last ``intake`` of them as intake, the first ``long`` as long; how each ended."""
    ended: list[int | BaseException] = [-1] * len(units)

    async def one(place: int, unit: Unit) -> None:
        try:
            ended[place] = await store.write(unit, intake=place >= len(units) - intake, long=place < long)
        except Exception as fault:  # noqa: BLE001  (how each ended is what is looked at)
            ended[place] = fault

    async with Held(store), anyio.create_task_group() as tasks:
        for place, unit in enumerate(units):
            tasks.start_soon(one, place, unit)
    return ended


class Held:
    """While inside, the writer is busy with another unit; what is asked for waits together until it is let go.

    Let go as soon as the body of the ``async with`` has let its tasks start.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.busy, self.go_on = asyncio.Event(), threading.Event()

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()

        def unit(tx: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(self.busy.set)
            self.go_on.wait(5)

        self.task = asyncio.ensure_future(self.store.write(unit))
        await self.busy.wait()
        loop.call_later(0.05, self.go_on.set)

    async def __aexit__(self, *_: object) -> None:
        await self.task


async def test_units_that_wait_together_are_one_transaction(store: Store) -> None:
    before = store.figures.commits
    await together(store, *(note(f"n{number}") for number in range(50)))
    assert store.figures.commits - before == 2  # the one that kept it busy, and all the others
    assert len(await notes(store)) == 50


async def test_intake_goes_first(store: Store) -> None:
    seen: list[str] = []
    await together(store, note("work", seen), note("more work", seen), note("intake", seen), intake=1)
    assert seen == ["intake", "work", "more work"]


async def test_what_is_long_has_a_transaction_to_itself_and_others_go_first(store: Store) -> None:
    """Whoever waited beside it would wait for it, and for its commit as well."""
    seen, before = list[str](), store.figures.commits
    units = [note("long", seen), note("longer", seen), note("work", seen), note("intake", seen)]
    assert await together(store, *units, intake=1, long=2) == [1, 1, 1, 1]
    assert seen == ["intake", "work", "long", "longer"]
    assert store.figures.commits - before == 4  # the one that kept it busy, both that were short, each that is long


async def test_what_is_long_is_not_put_off_for_ever(store: Store) -> None:
    seen: list[str] = []
    many = (LONG_WAITS_GROUPS + 3) * GROUP_LIMIT
    await together(store, note("long", seen), *(note(f"n{number}", seen) for number in range(many)), long=1)
    assert seen.index("long") <= LONG_WAITS_GROUPS * GROUP_LIMIT


async def test_what_is_long_is_kept_though_the_group_beside_it_could_not_be(store: Store) -> None:
    ended = await together(store, note("long"), fills, note("b"), long=1)
    assert ended[0] == 1  # its own group, before or after
    assert isinstance(ended[1], StoreBusy)
    await make_room(store)


async def test_a_failing_unit_rolls_back_alone_and_only_its_caller_hears(store: Store) -> None:
    def fails(tx: sqlite3.Connection) -> int:
        note("half")(tx)
        raise KeyError("odd")

    first, second, third = await together(store, note("a"), fails, note("b"))
    assert (first, third) == (1, 1)
    assert isinstance(second, KeyError)
    assert await notes(store) == {"a", "b"}


async def test_a_broken_rule_is_not_a_busy_store(store: Store) -> None:
    await store.write(note("a"))
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(note("a"))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.write(lambda tx: tx.execute("SELECT * FROM nowhere"))


def fills(tx: sqlite3.Connection) -> int:
    pages = tx.execute("PRAGMA page_count").fetchone()[0]
    tx.execute(f"PRAGMA max_page_count = {pages + 5}").fetchone()
    return tx.execute("INSERT INTO notes VALUES (hex(randomblob(500000)))").rowcount


async def make_room(store: Store) -> None:
    await store.write(lambda tx: tx.execute("PRAGMA max_page_count = 1000000").fetchone())


async def test_a_full_disk_acknowledges_nobody_of_the_group(store: Store) -> None:
    ended = await together(store, note("a"), fills, note("b"))
    after = await notes(store)
    acknowledged = {text for text, end in zip(("a", "-", "b"), ended, strict=True) if end == 1}
    assert acknowledged == after
    assert isinstance(ended[0], StoreBusy)
    assert isinstance(ended[1], StoreBusy)


async def test_work_goes_on_when_there_is_room_again(store: Store) -> None:
    with pytest.raises(StoreBusy):
        await store.write(fills)
    assert store.figures.failed_groups == 1
    await make_room(store)
    assert await store.write(note("after")) == 1
    assert await notes(store) == {"after"}


async def test_a_locked_file_is_busy_and_then_goes_on(store: Store) -> None:
    other = await locked(store.path)
    with pytest.raises(StoreBusy):
        await store.write(note("locked"))
    other.close()
    assert await store.write(note("free")) == 1
    assert await notes(store) == {"free"}


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "bcbridge.db"
    store = Store(path)
    await store.open()
    await store.write(lambda tx: tx.execute("CREATE TABLE notes (note TEXT UNIQUE)"))
    waiting = [asyncio.ensure_future(store.write(note(f"n{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*waiting) == [1] * 20
    async with Store(path).opened() as again:
        assert len(await notes(again)) == 20


async def test_nothing_is_taken_after_closing(tmp_path: Path) -> None:
    store = Store(tmp_path / "bcbridge.db")
    async with store.opened():
        pass
    with pytest.raises(StoreBusy):
        await store.write(lambda tx: None)


async def test_a_second_opener_is_told_who_holds_it(store: Store) -> None:
    with pytest.raises(StoreLocked, match=str(os.getpid())):
        await Store(store.path).open()
    assert await store.write(note("still mine")) == 1


async def test_a_closed_store_may_be_opened_by_another(tmp_path: Path) -> None:
    for _ in range(2):
        async with Store(tmp_path / "bcbridge.db").opened() as store:
            await store.write(lambda tx: None)


async def test_a_newer_schema_is_refused_and_not_kept_locked(tmp_path: Path) -> None:
    path = tmp_path / "bcbridge.db"
    async with Store(path).opened() as store:
        await store.write(lambda tx: None)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    for _ in range(2):
        with pytest.raises(StoreTooNew):
            await Store(path).open()


async def test_the_file_is_the_owners_alone(store: Store) -> None:
    for ending in ("", "-wal", "-shm", ".lock"):
        assert store.path.with_name(store.path.name + ending).stat().st_mode & 0o077 == 0


async def test_a_path_with_odd_signs_is_a_path(tmp_path: Path) -> None:
    async with Store(tmp_path / "50% off? #1" / "bcbridge.db").opened() as store:
        await store.write(lambda tx: tx.execute("CREATE TABLE notes (note TEXT)"))
        await store.write(note("here"))
        assert await notes(store) == {"here"}


@pytest.mark.parametrize("turns", range(8))
async def test_a_caller_that_is_cancelled_anywhere_leaves_the_store_usable(store: Store, turns: int) -> None:
    async def work() -> None:
        for number in range(5):
            await store.write(note(f"n{number}"))
            await store.read.rows("SELECT count(*) FROM notes")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert await store.write(note("after")) == 1
    assert "after" in await notes(store)


async def test_whoever_wrote_knows_whether_it_was_kept(store: Store) -> None:
    """A cancel during a write comes through after the COMMIT, not instead of its answer."""
    told: list[int] = []

    async def work() -> None:
        told.append(await store.write(note("kept")))

    async with Held(store), anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert told == [1]
    assert await notes(store) == {"kept"}


async def test_a_reader_that_gives_up_does_not_keep_its_connection(store: Store) -> None:
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) SELECT count(*) FROM n"
    for _ in range(4):
        with anyio.move_on_after(0.02):
            await store.read.rows(slow)
    with anyio.fail_after(5):
        assert await notes(store) == set()


async def test_a_reader_does_not_see_what_is_not_committed(store: Store) -> None:
    async with Held(store):
        assert await notes(store) == set()


async def test_the_event_loop_never_waits_for_the_disk(store: Store) -> None:
    """tests/conftest.py fails any test in which it does."""
    await together(store, *(note(f"n{number}") for number in range(20)))
    assert len(await notes(store)) == 20


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_that_breaks_leaves_nobody_waiting(store: Store) -> None:
    class Broken(BaseException):
        pass

    def breaks(tx: sqlite3.Connection) -> int:
        raise Broken

    with anyio.fail_after(5):
        ended = await together(store, breaks, note("behind"))
    assert isinstance(ended[0], StoreBusy)
    assert isinstance(ended[1], StoreBusy)
    with pytest.raises(StoreBusy):
        await store.write(note("later"))
