"""What is gathered is kept together, answered one by one, and never left waiting."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest

from bcbridge.errors import StoreBusy
from bcbridge.store.db import Store
from bcbridge.store.gathering import MOST, Gathering
from tests.runtime.kit import locked
from tests.stores import empty_store


class Notes:
    """Keeps words; a word that is there already, or an odd one, cannot be kept."""

    def __init__(self, store: Store) -> None:
        self.gatherings: list[int] = []
        self.words = Gathering(store, self._keep)

    def _keep(self, tx: sqlite3.Connection, words: Sequence[str]) -> list[str]:
        self.gatherings.append(len(words))
        tx.executemany("INSERT INTO notes VALUES (?)", [(word,) for word in words])
        return [word.upper() for word in words]

    async def say(self, *words: str) -> list[str | BaseException]:
        """All at once; how each ended."""
        ended: list[str | BaseException] = [""] * len(words)

        async def one(place: int, word: str) -> None:
            try:
                ended[place] = await self.words.do(word)
            except Exception as fault:  # noqa: BLE001  (how each ended is what is looked at)
                ended[place] = fault

        async with anyio.create_task_group() as tasks:
            for place, word in enumerate(words):
                tasks.start_soon(one, place, word)
        return ended


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        await opened.write(lambda tx: tx.execute("CREATE TABLE notes (note TEXT UNIQUE)"))
        yield opened


@pytest.fixture
def notes(store: Store) -> Notes:
    return Notes(store)


async def kept(store: Store) -> set[str]:
    return {row["note"] for row in await store.read.rows("SELECT note FROM notes")}


async def test_each_gets_its_own_answer(store: Store, notes: Notes) -> None:
    words = [f"w{number}" for number in range(3 * MOST + 7)]
    assert await notes.say(*words) == [word.upper() for word in words]
    assert await kept(store) == set(words)
    assert max(notes.gatherings) <= MOST
    assert sum(notes.gatherings) == len(words)


async def test_one_that_cannot_be_kept_takes_no_other_with_it(store: Store, notes: Notes) -> None:
    await notes.say("twice")
    ended = await notes.say("a", "twice", "b")
    assert [ended[0], ended[2]] == ["A", "B"]
    assert isinstance(ended[1], sqlite3.IntegrityError)
    assert await kept(store) == {"a", "b", "twice"}


async def test_a_store_that_cannot_take_them_says_so_to_each_and_takes_them_later(store: Store, notes: Notes) -> None:
    other = await locked(store.path)
    refused = await notes.say("a", "b")
    other.close()
    assert [type(one) for one in refused] == [StoreBusy, StoreBusy]
    assert refused[0] is not refused[1]
    assert await notes.say("a", "b") == ["A", "B"]


async def test_a_closed_store_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        notes = Notes(store)
    assert [type(one) for one in await notes.say("a", "b")] == [StoreBusy, StoreBusy]
