"""What the running process knows of itself and the store does not: circuits, pace, why nothing is booked."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.flows.stock.publish import PublishFigures
from bcbridge.house.feeds import FeedFigures
from bcbridge.house.wiring import ChannelHouse, ErpHouse, House
from bcbridge.runtime.poller import ListPoller
from bcbridge.runtime.writer import Pace
from bcbridge.store.views import FlowPulse, Pulse, counts
from bcbridge.web.protocols import Figure, Unconfirmed

SLOW_SECONDS = 2.0
MINUTE = 60.0
READ_BACK = "each number, as the channel shows it"
ALERTS_OFF = "alerts are off: nobody is told of incidents ([alerts] in config.toml)"


@dataclass(frozen=True, slots=True)
class HouseVitals:
    """Implements the front door's Vitals and Figures on a house."""

    house: House

    def pulses(self) -> Sequence[Pulse]:
        known = {
            **{name: self._erp(one) for name, one in self.house.erps.items()},
            **{name: self._channel(one) for name, one in self.house.channels.items()},
        }
        return [
            known.get(name) or Pulse(name, one.kind, circuit="disabled")
            for name, one in self.house.settings.connections.items()
        ]

    def _channel(self, one: ChannelHouse) -> Pulse:
        view = one.circuit.view()
        return Pulse(
            one.connection.name,
            one.connection.kind,
            circuit="open" if view.is_open else "closed",
            why=view.why or _why(one.lists),
            last_success=_last(one.lists),
            poll_every_seconds=one.connection.poll_every_seconds,
        )

    def _erp(self, one: ErpHouse) -> Pulse:
        view, latencies = one.circuit.view(), _last_minute(one.writer.pace)
        middle = statistics.median(latencies) if latencies else None
        return Pulse(
            one.connection.name,
            one.connection.kind,
            circuit="open" if view.is_open else "closed",
            why=view.why or _why(one.masters),
            last_success=_last(one.masters[:1]),
            poll_every_seconds=one.connection.poll_every_seconds,
            calls_per_minute=float(len(latencies)),
            latency_p50_seconds=middle,
            slow=middle is not None and middle > SLOW_SECONDS,
            posting_lag_seconds=one.writer.pace.posting_lag,
        )

    def flows(self) -> Sequence[FlowPulse]:
        return [FlowPulse(one.flow, one.connector, one.figures.last_success) for one in self.house.workers()]

    def unconfirmed(self) -> Sequence[Unconfirmed]:
        documents = [
            Unconfirmed(one.writer.sink.name, one.writer.sink.read_back)
            for name, one in self.house.erps.items()
            if self.house.not_permitted(name, one.writer.sink.name)
        ]
        writes = self.house.stock_writes()
        numbers = [
            Unconfirmed(write, READ_BACK, books=False)
            for write, connection in writes.items()
            if self.house.not_permitted(connection, write)
        ]
        return [*documents, *numbers]

    def stopped(self) -> Sequence[str]:
        damaged = [self.house.store.damage.why] if self.house.store.damage.why else []
        return damaged + [
            why
            for one in self.house.erps.values()
            if (why := one.writer.closed_because) and not one.circuit.is_open and not one.writer.permitted()
        ]

    def notes(self) -> Sequence[str]:
        voice = self.house.voice
        alerts = [f"alerts: {one}" for one in voice.down()] if voice is not None else [ALERTS_OFF]
        numbers = [
            f"{one.write} is not confirmed for production, no number is told: bcbridge confirm"
            for one in self.unconfirmed()
            if not one.books
        ]
        wrong = [f"{name}: {why}" for name, one in self.house.stock.outlets.items() for why in one.wrong]
        return [*alerts, *numbers, *wrong]

    async def status(self) -> str:
        """How things stand in one line: ``1,204 booked, 3 blocked, 2 waiting; bluecherry is paused: answered 401``."""
        states: Counter[str] = Counter()
        for (_, state), orders in (await counts(self.house.store.read)).items():
            states[state] += orders
        known = ("booked", "blocked", "not_yet", "in_doubt")
        figures = [f"{states[state]:,} {state.replace('_', ' ')}" for state in known]
        waiting = states["ready"] + states["sending"] + states["accepted"]
        paused = [f"{one.name} is paused: {one.why}" for one in self.pulses() if one.circuit == "open"]
        return "; ".join([", ".join([*figures, f"{waiting:,} waiting"]), *self.stopped(), *paused])

    def figures(self) -> Iterator[Figure]:
        for erp_name, erp in self.house.erps.items():
            yield from _writer_figures(erp_name, erp.writer.pace)
        for worker in self.house.workers():
            labels = {"flow": worker.flow, "connector": worker.connector}
            yield Figure("jobs_done_total", "counter", "Jobs finished", worker.figures.done, labels)
            yield Figure("jobs_failed_total", "counter", "Attempts that failed", worker.figures.failed, labels)
        for name, outlet in self.house.stock.outlets.items():
            yield from _outlet_figures(name, outlet.publisher.figures)
        for name, feed in self.house.stock.feeds.items():
            yield from _feed_figures(name, feed.figures)


def _last(lists: Sequence[ListPoller]) -> datetime | None:
    found = [one.figures.last_success for one in lists if one.figures.last_success]
    return min(found) if len(found) == len(lists) and found else None


def _why(lists: Sequence[ListPoller]) -> str:
    """What the list said that has been failing for longest; empty where none fails."""
    failing = [(one.figures.failing_since, one.figures.last_failure) for one in lists if one.figures.failing_since]
    return min(failing)[1] if failing else ""


def _last_minute(pace: Pace) -> list[float]:
    since = time.monotonic() - MINUTE
    return [seconds for seconds, at in zip(pace.calls, pace.called_at, strict=True) if at >= since]


def _writer_figures(erp: str, pace: Pace) -> Iterator[Figure]:
    counted = {
        "accepted": pace.accepted,
        "refused": pace.refused,
        "doubtful": pace.doubtful,
        "posted": pace.posted,
    }
    for outcome, value in counted.items():
        labels = {"connector": erp, "outcome": outcome}
        yield Figure("documents_total", "counter", "Documents by what came of them", value, labels)


def _outlet_figures(channel: str, told: PublishFigures) -> Iterator[Figure]:
    labels = {"connector": channel}
    yield Figure("stock_calls_total", "counter", "Calls that told numbers", told.calls, labels)
    yield Figure("stock_numbers_total", "counter", "Numbers told", told.rows, labels)
    yield Figure("stock_stale_total", "counter", "Numbers that something else stood in place of", told.stale, labels)
    yield Figure("stock_doubtful_total", "counter", "Calls without a definite answer", told.doubtful, labels)


def _feed_figures(erp: str, seen: FeedFigures) -> Iterator[Figure]:
    labels = {"connector": erp}
    yield Figure("stock_pulls_total", "counter", "Pulls of figures", seen.pulls, labels)
    yield Figure("stock_figures_read_total", "counter", "Rows of figures read", seen.rows, labels)
    yield Figure("stock_figures_moved_total", "counter", "Figures that showed another number", seen.moved, labels)
    if seen.last_success is not None:
        at = seen.last_success.timestamp()
        yield Figure("stock_pull_timestamp_seconds", "gauge", "When figures were last pulled", at, labels)
