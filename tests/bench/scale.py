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
    erp_answers_in_ms: tuple[int, ...]
    flow_seconds: float
    isolation_seconds: float
    skus: int
    open_demand: int
    shelf: int
    push_seconds: float
    lowered: int
    peers: bool


WHOLE = Scale(
    rounds=3,
    concurrencies=(1, 16, 64, 256),
    webhooks=10_000,
    steady_seconds=10,
    traced=300,
    jobs=20_000,
    finished_rows=5_000_000,
    event_rows=5_000_000,
    pairs=3_000,
    waiting=100_000,
    memory_orders=100_000,
    erp_answers_in_ms=(0, 50, 200),
    flow_seconds=30,
    isolation_seconds=20,
    skus=500_000,
    open_demand=200_000,
    shelf=50_000,
    push_seconds=40,
    lowered=60,
    peers=True,
)
QUICK = Scale(
    rounds=1,
    concurrencies=(1, 64),
    webhooks=3_000,
    steady_seconds=2,
    traced=50,
    jobs=4_000,
    finished_rows=200_000,
    event_rows=200_000,
    pairs=300,
    waiting=30_000,
    memory_orders=1_000,
    erp_answers_in_ms=(50,),
    flow_seconds=6,
    isolation_seconds=5,
    skus=100_000,
    open_demand=40_000,
    shelf=5_000,
    push_seconds=8,
    lowered=15,
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
    erp_answers_in_ms=(200,),
    flow_seconds=1,
    isolation_seconds=1,
    skus=1_000,
    open_demand=400,
    shelf=160,
    push_seconds=2,
    lowered=2,
    peers=False,
)
