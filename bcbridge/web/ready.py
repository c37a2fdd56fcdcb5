"""``/ready``: is everything that should move moving, and if not, what stands and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.errors import StoreBusy
from bcbridge.store import views
from bcbridge.store.views import FlowMark, FlowPulse, ListMark, Pulse, Reads
from bcbridge.web.protocols import Unconfirmed, Vitals

LATE_AFTER_POLLS = 3
LATE_GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ConnectorReady:
    """``lag_seconds`` since the last success; None before the first."""

    name: str
    kind: str
    circuit: str
    why: str
    last_success: datetime | None
    lag_seconds: float | None
    lists: tuple[ListMark, ...]


@dataclass(frozen=True, slots=True)
class FlowReady:
    flow: str
    connector: str
    last_success: datetime | None
    lag_seconds: float | None
    waiting: int
    oldest_waiting_seconds: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """``ready`` is false as long as ``why`` holds a reason."""

    ready: bool
    why: tuple[str, ...]
    notes: tuple[str, ...]
    """Worth knowing; no order waits for it."""
    connectors: tuple[ConnectorReady, ...]
    flows: tuple[FlowReady, ...]
    unconfirmed_writes: tuple[Unconfirmed, ...]


async def report(reads: Reads, vitals: Vitals, *, now: Callable[[], datetime]) -> Report:
    """Look at everything once. A store that cannot be read is a reason, not an error."""
    at = now()
    why = list(vitals.stopped())
    marks = views.Marks((), ())
    try:
        marks = await views.readiness(reads, now=at)
    except (StoreBusy, sqlite3.Error, TimeoutError) as fault:
        why.append(f"the store cannot be read: {fault}")
    why += [reason for pulse in vitals.pulses() if (reason := _fault(pulse, at))]
    why += [f"{one.write} is not confirmed for production" for one in vitals.unconfirmed()]
    return Report(
        ready=not why,
        why=tuple(why),
        notes=tuple(vitals.notes()),
        connectors=tuple(_connector(pulse, marks, at) for pulse in vitals.pulses()),
        flows=_flows(vitals.flows(), marks.flows, at),
        unconfirmed_writes=tuple(vitals.unconfirmed()),
    )


def _fault(pulse: Pulse, now: datetime) -> str:
    if pulse.circuit == "disabled":
        return ""
    if pulse.circuit == "open":
        return f"{pulse.name} is paused: {pulse.why}"
    because = f": {pulse.why}" if pulse.why else ""
    if pulse.last_success is None:
        return f"{pulse.name} has not answered yet{because}"
    lag = (now - pulse.last_success).total_seconds()
    late = LATE_AFTER_POLLS * pulse.poll_every_seconds + LATE_GRACE_SECONDS
    return f"{pulse.name} was last read {lag:.0f} s ago{because}" if lag > late else ""


def _connector(pulse: Pulse, marks: views.Marks, now: datetime) -> ConnectorReady:
    lag = _seconds_since(pulse.last_success, now)
    lists = tuple(mark for mark in marks.lists if mark.connector == pulse.name)
    return ConnectorReady(pulse.name, pulse.kind, pulse.circuit, pulse.why, pulse.last_success, lag, lists)


def _flows(pulses: Sequence[FlowPulse], marks: Sequence[FlowMark], now: datetime) -> tuple[FlowReady, ...]:
    """What runs, with what waits for it; and what waits although nothing runs for it."""
    waiting = {(mark.flow, mark.connector): mark for mark in marks}
    beating = {(pulse.flow, pulse.connector): pulse for pulse in pulses}
    return tuple(_flow(key, beating.get(key), waiting.get(key), now) for key in sorted(beating | waiting))


def _flow(key: tuple[str, str], pulse: FlowPulse | None, mark: FlowMark | None, now: datetime) -> FlowReady:
    last = pulse.last_success if pulse else None
    oldest = mark.oldest_due if mark else None
    return FlowReady(
        flow=key[0],
        connector=key[1],
        last_success=last,
        lag_seconds=_seconds_since(last, now),
        waiting=mark.waiting if mark else 0,
        oldest_waiting_seconds=_seconds_since(oldest, now),
    )


def _seconds_since(moment: datetime | None, now: datetime) -> float | None:
    return (now - moment).total_seconds() if moment else None
