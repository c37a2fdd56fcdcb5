"""Orders that stand still: blocked, kept back by the channel, waiting for the ERP, in doubt; a channel left behind."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial, reduce
from itertools import groupby

from bcbridge.flows.orders.story import ORDERS
from bcbridge.house.wiring import ChannelHouse, ErpHouse, House
from bcbridge.mappings import TABLES
from bcbridge.model.ids import order_argument
from bcbridge.model.incidents import BLOCKED
from bcbridge.phrases import age, money
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.watchman import Look, Watch
from bcbridge.store import watch as facts
from bcbridge.store.incidents import Cause
from bcbridge.store.watch import BlockedBy, Standstill

BLOCKED_CODES = frozenset(BLOCKED) - {"release_stopped"}
"""Of a stopped release the release itself speaks."""
IN_FOREIGN_WORDS = frozenset({"erp_refused"})
"""Their cause is what somebody else's program said: no two need be the same, and it may name a customer."""
CAUSES_AT_MOST = 20
"""Of one code and channel; the rest are one more, so that a thousand discount codes are no thousand incidents."""
OTHERS = "others"
PLANNED = frozenset({"waits_for_release"})
"""Reasons not to book yet that end at a set moment: their age counts from it."""
SETTLING = timedelta(minutes=10)
"""After a start: what waited while nobody ran is not late yet."""


def watches(house: House) -> Iterator[Watch]:
    started = house.now()
    for name, channel in house.channels.items():
        yield Watch(f"blocked of {name}", BLOCKED_CODES, partial(_blocked, house, name), name)
        yield _of("blocked_too_long", name, partial(_blocked_too_long, house, name))
        yield _of("not_yet_too_long", name, partial(_not_yet_too_long, house, name))
        yield _of("order_waiting_too_long", name, partial(_waiting_too_long, house, channel, started))
        yield _of("starved", name, partial(_starved, house, channel, started))
    for name, erp in house.erps.items():
        yield _of("in_doubt_too_long", name, partial(_in_doubt_too_long, house, erp, started))


def _of(code: str, connector: str, look: Look) -> Watch:
    return Watch(f"{code} of {connector}", frozenset({code}), look, connector)


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


# -- blocked -----------------------------------------------------------------------------------------------------


async def _blocked(house: House, channel: str) -> list[Cause]:
    """One incident per problem and cause, as long as an order is blocked by it."""
    found = await facts.blocked_by(house.store.read, channel, as_one=IN_FOREIGN_WORDS)
    known = [one for one in found if one.code in BLOCKED_CODES]
    return [_blocked_cause(one, channel, now=house.now()) for one in bounded(known)]


def bounded(found: Iterable[BlockedBy]) -> Iterator[BlockedBy]:
    """At most twenty causes of a code, the longest standing; the rest of it together."""
    for _, group in groupby(sorted(found, key=lambda one: (one.code, one.since)), key=lambda one: one.code):
        of_code = list(group)
        yield from of_code[:CAUSES_AT_MOST]
        if rest := of_code[CAUSES_AT_MOST:]:
            yield reduce(lambda one, other: one.and_(other, cause=OTHERS), rest[1:], replace(rest[0], cause=OTHERS))


def _blocked_cause(one: BlockedBy, channel: str, *, now: datetime) -> Cause:
    many, oldest = _many(one.orders, "order"), f"{one.oldest} for {age(one.since, now)}"
    text = f"{many}, {money(one.value)}, the oldest {oldest}. {_cure(one, channel)}"
    order_id = one.order_id if one.orders == 1 else None
    return Cause(one.code, channel, one.cause, text, count=one.orders, order_id=order_id)


def _cure(one: BlockedBy, channel: str) -> str:
    table, _, key = one.cause.partition("/")
    if table in TABLES and key:
        return f"Map it: bcbridge mappings set {table} {shlex.quote(key)} CODE --channel {channel}"
    if one.orders == 1:
        return f"Why and what to do: bcbridge show {order_argument(channel, one.oldest)}"
    return f"Which and why: bcbridge exceptions --channel {channel}"


# -- too long ----------------------------------------------------------------------------------------------------


async def _blocked_too_long(house: House, channel: str) -> list[Cause]:
    limit = timedelta(hours=house.settings.watches.blocked_limit_hours)
    found = await facts.by_code(house.store.read, channel, "blocked")
    now = house.now()
    return [
        Cause("blocked_too_long", channel, one.code, _stands(one, channel, now), one.orders, one.order_id)
        for one in found
        if one.since < now - limit
    ]


async def _not_yet_too_long(house: House, channel: str) -> list[Cause]:
    """Each reason has an age at which it becomes somebody's business."""
    limit = house.settings.channels[channel].orders.not_yet_limit
    found = await facts.by_code(house.store.read, channel, "not_yet", planned=PLANNED)
    now = house.now()
    return [
        Cause("not_yet_too_long", channel, one.code, _stands(one, channel, now), one.orders, one.order_id)
        for one in found
        if one.since < now - limit(one.code)
    ]


def _stands(one: Standstill, channel: str, now: datetime) -> str:
    others = f"; {_many(one.orders, 'order')} with this reason" if one.orders > 1 else ""
    stands = f"{one.oldest} has stood at {one.code} for {age(one.since, now)}{others}"
    return f"{stands}. bcbridge show {order_argument(channel, one.oldest)}"


def just_back(circuit: Circuit, started: datetime, *, now: datetime, limit: timedelta) -> bool:
    """The ERP is left alone for the night, or could not be used until lately: what waited for that is on its way."""
    view = circuit.view()
    lately = started < view.since and not view.is_open and now - view.since < limit
    return view.planned or lately or now - started < min(limit, SETTLING)


async def _waiting_too_long(house: House, channel: ChannelHouse, started: datetime) -> Sequence[Cause] | None:
    """Not where nothing may be written yet, or the ERP is left alone for the night: that is meant."""
    name, writer = channel.connection.name, house.erps[channel.erp].writer
    if house.not_permitted(channel.erp, writer.sink.name):
        return []
    now = house.now()
    limit = timedelta(minutes=house.settings.watches.waiting_limit_minutes)
    if just_back(writer.circuit, started, now=now, limit=limit):
        return None
    one = await facts.waiting(house.store.read, name, before=now - limit)
    if one is None:
        return []
    why = f" ({writer.closed_because})" if writer.closed_because else ""
    text = (
        f"{_many(one.orders, 'order')} of {name}, the oldest {one.oldest} for {age(one.since, now)}: "
        f"ready to be booked and not handed over{why}"
    )
    return [Cause("order_waiting_too_long", name, channel.erp, text, one.orders, one.order_id)]


async def _in_doubt_too_long(house: House, erp: ErpHouse, started: datetime) -> Sequence[Cause] | None:
    now, name = house.now(), erp.connection.name
    limit = timedelta(minutes=house.settings.watches.in_doubt_limit_minutes)
    if just_back(erp.circuit, started, now=now, limit=limit):
        return None
    one = await facts.doubts(house.store.read, erp.writer.sink.name, before=now - limit)
    if one is None:
        return []
    many, oldest = _many(one.documents, "document"), f"{one.reference} for {age(one.since, now)}"
    text = f"{many} in doubt, the oldest {oldest}: look for it in {name}, then bcbridge resolve {one.reference}"
    return [Cause("in_doubt_too_long", name, "doubts", text, one.documents, one.order_id)]


# -- one channel behind another ----------------------------------------------------------------------------------


async def _starved(house: House, channel: ChannelHouse, started: datetime) -> list[Cause]:
    """Its work is due and none of it gets done, while that of another channel of the same ERP does."""
    name, now = channel.connection.name, house.now()
    since = now - timedelta(minutes=house.settings.watches.starved_minutes)
    due = await facts.longest_due(house.store.read, ORDERS, name, now=now)
    others = [
        one for one in house.channels.values() if one is not channel and one.erp == channel.erp and _works(one, since)
    ]
    if due is None or max(due, started) > since or channel.circuit.is_open or _works(channel, since) or not others:
        return []
    names = ", ".join(one.connection.name for one in others)
    text = f"work of {name} has been due for {age(due, now)} and none is done, while {names} goes on: bcbridge jobs"
    return [Cause("starved", name, channel.erp, text)]


def _works(channel: ChannelHouse, since: datetime) -> bool:
    last = channel.worker.figures.last_success
    return last is not None and last >= since
