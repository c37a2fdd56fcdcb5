"""What was booked and does not leave, and what left and is not told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from bcbridge.config import Settings
from bcbridge.flows.dispatches.story import DISPATCHES
from bcbridge.house.wiring import ChannelHouse, House
from bcbridge.model.calendar import ALWAYS
from bcbridge.model.ids import order_argument
from bcbridge.phrases import age
from bcbridge.runtime.watchman import Look, Watch
from bcbridge.store import watch as facts
from bcbridge.store.incidents import Cause
from bcbridge.store.watch import NotLeft, Standstill
from bcbridge.watches.orders import SETTLING, just_back

NO_TRACKING = "no_tracking"
NOT_KNOWN = "not known"


def watches(house: House) -> Iterator[Watch]:
    """Of a channel that is told of none, each sees nothing, so that what stood when it was is over."""
    started = house.now()
    for name, channel in house.channels.items():
        yield _of("not_dispatched", name, partial(_not_dispatched, house, channel, started))
        yield _of("dispatch_not_told", name, partial(_not_told, house, channel, started))
        yield _of("tracking_missing", name, partial(_tracking_missing, house, channel))


def _of(code: str, connector: str, look: Look) -> Watch:
    return Watch(f"{code} of {connector}", frozenset({code}), look, connector)


def overdue_before(settings: Settings, warehouse: str, *, now: datetime) -> datetime:
    """Pieces that were booked before this moment should have left this warehouse by now."""
    return settings.calendars.get(warehouse, ALWAYS).overdue_before(now, settings.watches.not_dispatched_after_days)


async def _not_dispatched(house: House, channel: ChannelHouse, started: datetime) -> Sequence[Cause] | None:
    """One for each warehouse. What leaves is known where the ERP's shipments are read, and while they can be."""
    erp, name, now = house.erps[channel.erp], channel.connection.name, house.now()
    if house.shipments(channel.erp) is None:
        return []
    if just_back(erp.circuit, started, now=now, limit=SETTLING) or erp.circuit.is_open:
        return None
    causes = []
    for warehouse in await facts.leaving_from(house.store.read, name):
        before = overdue_before(house.settings, warehouse, now=now)
        found = await facts.not_left(house.store.read, name, warehouse, before=before)
        if found is not None:
            text = _text(found, name, warehouse, house.settings.watches.not_dispatched_after_days, now)
            causes.append(Cause("not_dispatched", name, warehouse or NOT_KNOWN, text, found.orders, found.order_id))
    return causes


def _text(found: NotLeft, channel: str, warehouse: str, days: int, now: datetime) -> str:
    many = _many(found.orders)
    place = warehouse or "a warehouse that is not known"
    working = "1 working day" if days == 1 else f"{days} working days"
    oldest = f"the oldest {', '.join(found.oldest)}, booked {age(found.since, now)} ago"
    which = f"bcbridge exceptions --csv - --channel {channel}"
    return f"{many} of {channel}, {oldest}: not all left {place} in {working}. Which: {which}"


async def _not_told(house: House, channel: ChannelHouse, started: datetime) -> Sequence[Cause] | None:
    """While the connection is paused that is told instead; what nobody got to look at yet counts, too."""
    name, now = channel.connection.name, house.now()
    if channel.dispatches is None:
        return []
    if channel.circuit.is_open or now - started < SETTLING:
        return None
    before = now - timedelta(minutes=house.settings.watches.dispatch_not_told_after_minutes)
    known = await facts.not_told(house.store.read, name, before=before)
    due = await facts.longest_due(house.store.read, DISPATCHES, name, now=before)
    if known is not None:
        text = f"{_orders(known, now)} left, and {name} was not told: bcbridge show {_named(known, name)}"
        return [Cause("dispatch_not_told", name, "dispatches", text, known.orders, known.order_id)]
    if due is not None:
        text = f"what left has waited for {age(due, now)} to be looked at in {name}: bcbridge jobs"
        return [Cause("dispatch_not_told", name, "dispatches", text)]
    return []


async def _tracking_missing(house: House, channel: ChannelHouse) -> Sequence[Cause]:
    """``dispatch_blocked`` tells each by itself; this is the number of them that grows."""
    name, now = channel.connection.name, house.now()
    if channel.dispatches is None:
        return []
    before = now - timedelta(hours=house.settings.watches.tracking_missing_after_hours)
    found = await facts.dispatches_blocked_by(house.store.read, name, NO_TRACKING, before=before)
    if found is None:
        return []
    text = f"{_orders(found, now)} left without a tracking number, and {name} is not told. Write it into {channel.erp}"
    return [Cause("tracking_missing", name, "tracking", text, found.orders, found.order_id)]


def _many(orders: int) -> str:
    return "1 order" if orders == 1 else f"{orders:,} orders"


def _orders(found: Standstill, now: datetime) -> str:
    return f"{_many(found.orders)}, the oldest {found.oldest} for {age(found.since, now)},"


def _named(found: Standstill, channel: str) -> str:
    return order_argument(channel, found.oldest)
