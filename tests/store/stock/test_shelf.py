"""Units of one call: as large as stay short."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcbridge.model.shelf import Intent, Place
from bcbridge.store.db import Store
from bcbridge.store.stock import compute, shelf, writes
from tests.stores import empty_store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLACES = [(f"S{number:05}", "L1") for number in range(2_000)]


async def sizes(folder: Path, monkeypatch: pytest.MonkeyPatch, *row_seconds: float) -> list[int]:
    """Of the units that write 2,000 rows down, where a row of each takes so long; behind the last of them as long."""
    seen: list[int] = []
    clock = 0.0

    def begin(_tx: sqlite3.Connection, _channel: str, places: Sequence[Place], **_: object) -> list[Intent]:
        nonlocal clock
        clock += len(places) * row_seconds[min(len(seen), len(row_seconds) - 1)]
        seen.append(len(places))
        return []

    monkeypatch.setattr(writes, "begin", begin)
    monkeypatch.setattr(shelf, "perf_counter", lambda: clock)
    async with Store(empty_store(folder / "bcbridge.db")).opened() as store:
        memory = shelf.ShelfMemory(store, "big", lambda: START, lambda: "k")
        await memory.begin(PLACES, known=True)
    assert sum(seen) == len(PLACES)
    return seen


async def test_rows_that_cost_little_are_written_down_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await sizes(tmp_path, monkeypatch, 0.00001) == [100, *[250] * 7, 150]


async def test_rows_that_cost_much_are_written_down_few_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await sizes(tmp_path, monkeypatch, 0.0002) == [compute.SLICE] * 20


async def test_units_grow_and_shrink_with_what_their_rows_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = (2**-14, 2**-15, 2**-13, 2**-15)
    assert (await sizes(tmp_path, monkeypatch, *costs))[:5] == [100, 131, 250, 100, 250]
