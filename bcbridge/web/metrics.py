"""``/metrics``: one snapshot per scrape, in Prometheus' text format. References and counts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bcbridge.store import alerts, views
from bcbridge.store.alerts import BoxState
from bcbridge.store.db import Store, WriterFigures
from bcbridge.store.views import FlowMark, Pulse
from bcbridge.web.callers import Callers
from bcbridge.web.hooks import HookCounts
from bcbridge.web.protocols import Figure

PREFIX = "bcbridge_"
ALL_REASONS = 1_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one scrape shows, as of one moment."""

    figures: tuple[Figure, ...]

    def text(self) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(self.figures))
        return generate_latest(registry)


class _Families(Collector):
    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for figure in self._figures:
            family = families.setdefault(figure.name, _family(figure))
            family.add_metric(list(figure.labels.values()), figure.value)
        yield from families.values()


def _family(figure: Figure) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
    return kind(PREFIX + figure.name, figure.help, labels=list(figure.labels))


async def snapshot(
    store: Store,
    *,
    hooks: HookCounts,
    callers: Callers,
    pulses: Iterable[Pulse],
    figures: Iterable[Figure],
    now: datetime,
) -> Snapshot:
    """Read the store once and put beside it what the process counted."""
    seen = await views.overview(store.read, now=now, top=ALL_REASONS, bookings=0)
    marks = await views.readiness(store.read, now=now)
    orders = [_orders(connector, state, n) for (connector, state), n in (await views.counts(store.read)).items()]
    wal_bytes = await to_thread.run_sync(_wal_bytes, store)
    return Snapshot(
        (
            *orders,
            *_overview(seen, now),
            *(figure for mark in marks.flows for figure in _flow(mark, now)),
            *(_hook(connector, outcome, n) for (connector, outcome), n in sorted(hooks.by_outcome.items())),
            *_callers(callers),
            *(figure for pulse in pulses for figure in _pulse(pulse, now)),
            *(figure for box in await alerts.boxes(store.read) for figure in _box(box)),
            *_writer(store.figures),
            _gauge("store_wal_bytes", "Size of the write-ahead log", wal_bytes),
            *figures,
        )
    )


def _gauge(name: str, help_: str, value: float, **labels: str) -> Figure:
    return Figure(name, "gauge", help_, value, labels)


def _counter(name: str, help_: str, value: float, **labels: str) -> Figure:
    return Figure(name, "counter", help_, value, labels)


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _orders(connector: str, state: str, orders: int) -> Figure:
    return _gauge("orders", "Channel orders by business state", orders, connector=connector, state=state)


def _overview(seen: views.Overview, now: datetime) -> Iterator[Figure]:
    oldest = seen.oldest_waiting.since if seen.oldest_waiting else None
    yield _gauge("oldest_waiting_order_seconds", "Age of the order that waits longest for us", _age(oldest, now))
    yield _gauge("jobs_dead", "Jobs given up: our fault, a person must look", seen.jobs_dead)
    yield _gauge("incidents_open", "Incidents that stand", seen.incidents)
    for code, orders in _by_code(seen.blocked).items():
        yield _gauge("orders_blocked", "Blocked orders by problem (one order may have several)", orders, code=code)


def _by_code(reasons: Iterable[views.Reason]) -> dict[str, int]:
    return dict(sum((Counter({one.code: one.orders}) for one in reasons), Counter[str]()))


def _flow(mark: FlowMark, now: datetime) -> Iterator[Figure]:
    labels = {"flow": mark.flow, "connector": mark.connector}
    yield _gauge("queue_depth", "Jobs waiting", mark.waiting, **labels)
    yield _gauge("queue_oldest_seconds", "Age of the job that is due longest", _age(mark.oldest_due, now), **labels)


def _hook(connector: str, outcome: str, count: int) -> Figure:
    return _counter("webhooks_total", "Webhooks by outcome", count, connector=connector, outcome=outcome)


def _callers(callers: Callers) -> Iterator[Figure]:
    yield _gauge("web_connections", "Connections open at the public door", len(callers))
    for why, count in sorted(callers.cut.items()):
        yield _counter("web_connections_cut_total", "Connections ended by us", count, why=why)


def _pulse(pulse: Pulse, now: datetime) -> Iterator[Figure]:
    name = {"connector": pulse.name}
    yield _gauge("circuit_open", "1 while a connection is paused", pulse.circuit == "open", **name)
    if pulse.calls_per_minute is not None:
        yield _gauge("calls_per_minute", "Calls to the other system in the last minute", pulse.calls_per_minute, **name)
    if pulse.latency_p50_seconds is not None:
        yield _gauge("call_p50_seconds", "Median time of the last minute's calls", pulse.latency_p50_seconds, **name)
    if pulse.posting_lag_seconds is not None:
        yield _gauge("posting_lag_seconds", "From accepted to seen posted", pulse.posting_lag_seconds, **name)
    if pulse.last_success is not None:
        yield _gauge("last_success_seconds", "Since the last read went through", _age(pulse.last_success, now), **name)


def _box(state: BoxState) -> Iterator[Figure]:
    name = {"team": state.box.team, "channel": state.box.channel}
    yield _gauge("alerts_waiting", "Alerts that are not told yet (some are due later)", state.waiting, **name)
    yield _gauge("alerts_down", "1 while this channel cannot be reached", state.down_since is not None, **name)
    yield _counter("alerts_sent_total", "Alerts told since this store began", state.sent, **name)
    yield _counter("alerts_given_up_total", "Alerts that were never told", state.given_up, **name)


def _writer(figures: WriterFigures) -> Iterator[Figure]:
    yield _counter("store_commits_total", "Transactions of the store's writer", figures.commits)
    yield _counter("store_units_total", "Units kept in those transactions", figures.units)
    yield _counter("store_failed_groups_total", "Transactions that could not be kept", figures.failed_groups)
    yield _gauge("store_longest_commit_seconds", "The longest transaction since the start", figures.longest_seconds)


def _wal_bytes(store: Store) -> int:
    try:
        return store.path.with_name(store.path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0
