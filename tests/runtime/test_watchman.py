"""The watchman's round: what he sees stands, what he no longer sees is over, and no watch can stop another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from bcbridge.runtime.watchman import Watch, one_round
from bcbridge.store.db import Store
from bcbridge.store.incidents import Cause
from tests.runtime.kit import Clock
from tests.stores import empty_store

SHORT = timedelta(milliseconds=200)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as one:
        yield one


class Sees:
    """A watch that says what it is told to."""

    def __init__(self, code: str = "erp_slow", *causes: str, connector: str = "erp") -> None:
        self.causes: Sequence[str] | None = causes
        self.code = code
        self.watch = Watch(code, frozenset({code}), self.look, connector)

    async def look(self) -> Sequence[Cause] | None:
        if self.causes is None:
            return None
        return [Cause(self.code, str(self.watch.connector), cause, f"{cause}!") for cause in self.causes]


async def standing(store: Store) -> list[str]:
    rows = await store.read.rows("SELECT fingerprint FROM incidents WHERE closed_at IS NULL ORDER BY fingerprint")
    return [row["fingerprint"] for row in rows]


async def go(store: Store, *watches: Watch) -> list[str]:
    with capture_logs():
        await one_round(watches, store, now=Clock(), deadline=SHORT)
    return await standing(store)


async def test_what_is_seen_stands_and_what_is_no_longer_seen_is_over(store: Store) -> None:
    sees = Sees("erp_slow", "a", "b")
    assert await go(store, sees.watch) == ["erp_slow/erp/a", "erp_slow/erp/b"]
    sees.causes = ["b"]
    assert await go(store, sees.watch) == ["erp_slow/erp/b"]


async def test_one_who_cannot_tell_leaves_what_stands(store: Store) -> None:
    sees = Sees("erp_slow", "a")
    await go(store, sees.watch)
    sees.causes = None
    assert await go(store, sees.watch) == ["erp_slow/erp/a"]


async def test_a_watch_speaks_for_its_own_codes_on_its_own_connection(store: Store) -> None:
    await go(store, Sees("erp_slow", "a", connector="one").watch, Sees("erp_slow", "a", connector="two").watch)
    assert await go(store, Sees("erp_slow", connector="one").watch) == ["erp_slow/two/a"]


async def hangs() -> Sequence[Cause]:
    await anyio.sleep_forever()
    raise AssertionError


async def fails() -> Sequence[Cause]:
    raise ZeroDivisionError("of a customer called Vogelsang")


async def test_one_that_hangs_and_one_that_fails_are_incidents_and_stop_no_other(store: Store) -> None:
    broken = [Watch(look.__name__, frozenset({look.__name__}), look) for look in (hangs, fails)]
    found = await go(store, *broken, Sees("erp_slow", "a").watch)
    assert found == ["erp_slow/erp/a", "watch_failed//fails", "watch_failed//hangs"]
    rows = await store.read.rows("SELECT text FROM incidents WHERE code = 'watch_failed' ORDER BY text")
    assert [row["text"] for row in rows] == ["fails: ZeroDivisionError", "hangs: TimeoutError"]


async def test_it_is_over_once_it_can_look_again(store: Store) -> None:
    await go(store, Watch("disk", frozenset({"disk_space"}), fails))
    assert await go(store, Watch("disk", frozenset({"disk_space"}), Sees("disk_space").look)) == []


async def test_what_stood_before_a_watch_failed_goes_on_standing(store: Store) -> None:
    sees = Sees("erp_slow", "a")
    await go(store, sees.watch)
    assert "erp_slow/erp/a" in await go(store, Watch("erp_slow", frozenset({"erp_slow"}), hangs, "erp"))
