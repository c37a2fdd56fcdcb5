"""Connections: lists that are no longer read, shops that no longer ring, keys that lapse, an ERP that is slow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from bcbridge.config import Connection
from bcbridge.connectors.base import Severity
from bcbridge.house.wiring import ChannelHouse, ErpHouse, House
from bcbridge.phrases import age, latency
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.poller import ListPoller
from bcbridge.runtime.watchman import Look, Watch
from bcbridge.store import mends
from bcbridge.store import watch as facts
from bcbridge.store.incidents import Cause

LATE_AFTER_POLLS = 3
POLLS_WHEN_IDLE = 5
"""While nothing waits to be confirmed, what the ERP posted is asked for this much more seldom."""
FOUND_AT_LEAST = 10
"""So many new orders without one ring are no accident."""
OFTEN = 3
"""So many mends within a day are somebody's business."""
SLOW_WITHIN_SECONDS = 600.0
CALLS_AT_LEAST = 5


def watches(house: House) -> Iterator[Watch]:
    started = house.now()
    for name, channel in house.channels.items():
        polled = partial(_not_polled, house, channel.lists, channel.circuit, started)
        yield _of("source_not_polled", name, polled)
        yield _of("webhooks_gone", name, partial(_gone, channel))
        yield _of("webhooks_gone_often", name, partial(_gone_often, house, name))
        yield _of("webhooks_silent", name, partial(_silent, house, channel, started))
    for name, erp in house.erps.items():
        yield _of("source_not_polled", name, partial(_erp_not_polled, house, erp, started))
        yield _of("erp_slow", name, partial(_slow, house, erp))
    for connection in house.settings.enabled:
        yield _of("credential_lapses", connection.name, partial(_lapses, house, connection))


def _of(code: str, connector: str, look: Look) -> Watch:
    return Watch(f"{code} of {connector}", frozenset({code}), look, connector)


# -- not read ----------------------------------------------------------------------------------------------------


async def _not_polled(
    house: House, lists: Sequence[ListPoller], circuit: Circuit, started: datetime
) -> Sequence[Cause] | None:
    """A list whose last pass, or last page, is too long ago. A paused connection has its own incident."""
    if circuit.is_open:
        return None
    now, moved = house.now(), await facts.lists_moved(house.store.read, circuit.connector.name)
    floor = max(started, circuit.view().since)
    return [
        _silent_list(one, since, now)
        for one in lists
        if (since := _last_sign(one, moved, floor)) < now - max(_patience(house), LATE_AFTER_POLLS * one.every)
    ]


async def _erp_not_polled(house: House, erp: ErpHouse, started: datetime) -> Sequence[Cause] | None:
    """Its masters, and the list of what it posted, without which nothing is confirmed."""
    masters = await _not_polled(house, erp.masters, erp.circuit, started)
    if masters is None:
        return None
    now, name = house.now(), erp.connection.name
    since = max(started, erp.circuit.view().since, erp.confirmed or started)
    polls = timedelta(seconds=LATE_AFTER_POLLS * POLLS_WHEN_IDLE * erp.connection.poll_every_seconds)
    if since >= now - max(_patience(house), polls):
        return masters
    text = f"what {name} posted was not read for {age(since, now)}: nothing can be confirmed"
    return [*masters, Cause("source_not_polled", name, "sales_orders/posted", text)]


def _last_sign(one: ListPoller, moved: dict[tuple[str, str], datetime], floor: datetime) -> datetime:
    last = [one.figures.last_success, moved.get((one.noun, one.heads.name))]
    return max([floor, *(at for at in last if at is not None)])


def _patience(house: House) -> timedelta:
    return timedelta(minutes=house.settings.watches.source_silent_minutes)


def _silent_list(one: ListPoller, since: datetime, now: datetime) -> Cause:
    why = f": {one.figures.last_failure}" if one.figures.failing_since and one.figures.last_failure else ""
    text = f"{one.noun} ({one.heads.name}) of {one.connector} was not read for {age(since, now)}{why}"
    return Cause("source_not_polled", one.connector, f"{one.noun}/{one.heads.name}", text)


# -- no longer rings ---------------------------------------------------------------------------------------------


async def _gone(channel: ChannelHouse) -> Sequence[Cause] | None:
    """What the keeper of subscriptions found when it last looked, where it should have found all in order."""
    if channel.kept is None:
        return None
    wrong = [one for one in channel.kept if one.severity is not Severity.INFO]
    if not wrong:
        return []
    text = "; ".join(one.text for one in wrong)
    return [Cause("webhooks_gone", channel.connection.name, "subscriptions", text, count=len(wrong))]


async def _gone_often(house: House, name: str) -> list[Cause]:
    """Mended once is an accident; a shop that takes them away again and again has a reason."""
    now = house.now()
    times = await mends.recent(house.store, name, now=now)
    if len(times) < OFTEN:
        return []
    text = f"the subscriptions of {name} were mended {len(times)} times within a day, last {age(times[-1], now)} ago"
    return [Cause("webhooks_gone_often", name, "subscriptions", text, count=len(times))]


async def _silent(house: House, channel: ChannelHouse, started: datetime) -> Sequence[Cause] | None:
    """New orders are found by polling, and not one ring was heard. Without a public address none is expected."""
    name, now, reads = channel.connection.name, house.now(), house.store.read
    window = timedelta(minutes=house.settings.watches.webhooks_silent_minutes)
    if not house.settings.web.public_url:
        return []
    if now - started < window:
        return None
    if await facts.rang(reads, name, since=now - window):
        return []
    found = await facts.new_orders(reads, name, since=now - window)
    if found < FOUND_AT_LEAST:
        return None
    text = (
        f"{found} new orders of {name} were found by polling within {age(now - window, now)}, and it rang for none; "
        "orders come later, none is lost"
    )
    return [Cause("webhooks_silent", name, "deliveries", text, count=found)]


# -- lapses, slow ------------------------------------------------------------------------------------------------


async def _lapses(house: House, connection: Connection) -> list[Cause]:
    day = connection.credential_lapses_on
    if day is None:
        return []
    left = (day - house.now().astimezone(UTC).date()).days
    if left > house.settings.watches.credential_warning_days:
        return []
    when = f"lapses in {left} day(s), on {day}" if left >= 0 else f"has lapsed on {day}"
    return [Cause("credential_lapses", connection.name, str(day), f"the credential of {connection.name} {when}")]


async def _slow(house: House, erp: ErpHouse, clock: Callable[[], float] = time.monotonic) -> list[Cause]:
    """The middle one of the last ten minutes' calls took too long; of few calls nothing is said."""
    pace, since, name = erp.writer.pace, clock() - SLOW_WITHIN_SECONDS, erp.connection.name
    calls = [seconds for seconds, at in zip(pace.calls, pace.called_at, strict=True) if at >= since]
    if len(calls) < CALLS_AT_LEAST or statistics.median(calls) <= house.settings.watches.erp_slow_seconds:
        return []
    middle = latency(statistics.median(calls))
    return [Cause("erp_slow", name, "calls", f"{name} takes {middle} for an order (the last {len(calls)} calls)")]
