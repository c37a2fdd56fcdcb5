"""How much is measured: the whole bench, the quick look, and the size that only shows that the program works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts, seconds and repetitions of every measurement."""

    rounds: int
    concurrencies: tuple[int, ...]
    webhooks: int
    steady_seconds: float
    traced: int
    jobs: int
    finished_rows: int
    event_rows: int
    pairs: int
    waiting: int
    memory_orders: int
    flow_seconds: float
    isolation_seconds: float
    peers: bool


WHOLE = Scale(
    rounds=3,
    concurrencies=(1, 16, 64, 256),
    webhooks=10_000,
    steady_seconds=10,
    traced=300,
    jobs=10_000,
    finished_rows=5_000_000,
    event_rows=5_000_000,
    pairs=3_000,
    waiting=100_000,
    memory_orders=100_000,
    flow_seconds=30,
    isolation_seconds=20,
    peers=True,
)
QUICK = Scale(
    rounds=1,
    concurrencies=(1, 64),
    webhooks=5_000,
    steady_seconds=3,
    traced=100,
    jobs=3_000,
    finished_rows=300_000,
    event_rows=300_000,
    pairs=500,
    waiting=10_000,
    memory_orders=3_000,
    flow_seconds=8,
    isolation_seconds=6,
    peers=True,
)
TINY = Scale(
    rounds=1,
    concurrencies=(2,),
    webhooks=40,
    steady_seconds=0.2,
    traced=10,
    jobs=50,
    finished_rows=1_000,
    event_rows=1_000,
    pairs=10,
    waiting=50,
    memory_orders=20,
    flow_seconds=1,
    isolation_seconds=1,
    peers=False,
)
