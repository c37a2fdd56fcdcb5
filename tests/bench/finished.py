"""Costs with millions of finished rows beside an empty store: claiming, completing, pruning, looking one order up."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import anyio

from bcbridge.store import queue, views
from bcbridge.store.db import Store
from bcbridge.store.queue import Wish
from tests.bench import years
from tests.bench.engine import CONNECTOR, FLOW, utc_now
from tests.bench.report import Row
from tests.bench.scale import Scale

FLAT = 1.15
"""Dearer than this is not flat: what repeated runs on one store differ by."""
LOOKUP_MS = 50
HOLD_MS = 50
LOOKUPS = 300
STEPS = 20
SEED = 20_261_120


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    path = folder / "years.db"
    orders = years.fill(path, jobs=scale.finished_rows, events=scale.event_rows)
    gib = os.path.getsize(path) / 2**30  # noqa: PTH202
    yield Row(
        "finished", f"a store of {scale.finished_rows:,} finished jobs, {scale.event_rows:,} events", f"{gib:.2f} GiB"
    )
    yield from anyio.run(_measured, scale, folder / "empty.db", path, orders, backend_options={"use_uvloop": True})


async def _measured(scale: Scale, empty: Path, full: Path, orders: int) -> list[Row]:
    async with AsyncExitStack() as stack:
        young = await stack.enter_async_context(Store(empty).opened())
        old = await stack.enter_async_context(Store(full).opened())
        return [
            await _claims(young, old, scale.pairs),
            await _enqueues(young, old, scale.pairs),
            await _lookups(old, orders),
            await _pruning(old),
        ]


async def _claims(young: Store, old: Store, pairs: int) -> Row:
    """One job at a time, a commit to claim it and a commit to complete it; both stores in turns."""
    for store in (young, old):
        await _fill(store, "claim", pairs)
    times = await _in_turns(young, old, pairs, lambda store, _: _claim_and_complete(store))
    return _flat("claim and complete one job, each committed", *times)


async def _enqueues(young: Store, old: Store, pairs: int) -> Row:
    times = await _in_turns(young, old, pairs, lambda store, number: _enqueue(store, f"enqueue/{number:010d}"))
    return _flat("enqueue one job, committed", *times)


async def _in_turns(
    young: Store, old: Store, pairs: int, act: Callable[[Store, int], Awaitable[None]]
) -> tuple[list[float], list[float]]:
    times: dict[Store, list[float]] = {young: [], old: []}
    for number in range(pairs):
        for store in (young, old) if number % 2 else (old, young):
            began = perf_counter()
            await act(store, number)
            times[store].append(perf_counter() - began)
    return times[young], times[old]


def _flat(what: str, young: list[float], old: list[float]) -> Row:
    ratio = median(old) / median(young)
    told = f"{median(old) * 1000:.2f} ms, empty store {median(young) * 1000:.2f} ms"
    return Row("", what, told, f"{ratio:.2f} of an empty store", f"flat (up to {FLAT})", ratio <= FLAT)


async def _fill(store: Store, what: str, count: int) -> None:
    now = utc_now()
    wishes = [Wish(FLOW, CONNECTOR, f"{what}/{number:010d}", now) for number in range(count)]
    await store.write(partial(queue.enqueue, wishes=wishes, now=now))


async def _enqueue(store: Store, ref: str) -> None:
    now = utc_now()
    await store.write(partial(queue.enqueue, wishes=[Wish(FLOW, CONNECTOR, ref, now + timedelta(days=1))], now=now))


async def _claim_and_complete(store: Store) -> None:
    now = utc_now()
    (job,) = await store.write(lambda tx: queue.claim(tx, flow=FLOW, connector=CONNECTOR, many=1, now=now))
    await store.write(lambda tx: queue.done(tx, job, now=now, reason="nothing to do"))


async def _lookups(store: Store, orders: int) -> Row:
    """What ``show`` reads, for orders all over the years."""
    chance, times = random.Random(SEED), []
    for _ in range(LOOKUPS):
        name = f"#{1000 + chance.randint(1, orders)}"
        began = perf_counter()
        (found,) = await views.find_order(store.read, name)
        story = await views.story(store.read, found.id)
        times.append((perf_counter() - began) * 1000)
        assert story is not None
        assert len(story.events) == years.EVENTS_EACH
    told = f"median {median(times):.1f} ms, slowest of {LOOKUPS} {max(times):.1f} ms"
    return Row(
        "", "look up one order by its name, its whole story", told, "", f"under {LOOKUP_MS} ms", max(times) < LOOKUP_MS
    )


async def _pruning(store: Store) -> Row:
    """Steps of the oldest finished jobs; each holds the store's writer for as long as it takes."""
    now, times = utc_now(), []
    for _ in range(STEPS):
        began = perf_counter()
        went = await store.write(lambda tx: queue.prune(tx, ended_before=now))
        times.append((perf_counter() - began) * 1000)
        if not went:
            break
    told = f"median {median(times):.1f} ms, longest of {len(times)} {max(times):.1f} ms"
    return Row("", "one pruning step of finished jobs", told, "", f"under {HOLD_MS} ms", max(times) < HOLD_MS)
