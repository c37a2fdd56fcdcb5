"""Stock: figures too old or not believed, pieces nobody releases, numbers that drift, more sold than is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from bcbridge.house.feeds import FeedHouse
from bcbridge.house.shelves import OutletHouse
from bcbridge.house.wiring import House
from bcbridge.phrases import age
from bcbridge.runtime.watchman import Look, Watch
from bcbridge.store.incidents import Cause
from bcbridge.store.stock import compares, views
from bcbridge.store.stock.compares import Row
from bcbridge.store.stock.unreleased import booked_and_in_no_figure, unreleased

NAMES = 5
ROWS = 200
SOLD_WITHIN = timedelta(hours=24)
FAILING_FOR = timedelta(minutes=5)


def watches(house: House) -> Iterator[Watch]:
    started = house.now()
    for name, feed in house.stock.feeds.items():
        yield _of("stock_pull_held", name, partial(_held, house, feed))
    for name, outlet in house.stock.outlets.items():
        yield _of("stock_old", name, partial(_old, house, outlet, started))
        yield _of("stock_not_told", name, partial(_not_told, house, outlet))
        yield _of("stock_not_released", name, partial(_not_released, house, outlet))
        yield _of("stock_buffer_eaten", name, partial(_eaten, house, outlet))
        yield _of("stock_drift", name, partial(_drift, house, outlet))
        yield _of("stock_rows_refused", name, partial(_refused, house, outlet))
        yield _of("stock_sku_twice", name, partial(_twice, house, outlet))
    if house.stock.outlets:
        yield _of("stock_oversold", "", partial(_oversold, house))


def _of(code: str, connector: str, look: Look) -> Watch:
    return Watch(f"{code} of {connector}" if connector else code, frozenset({code}), look, connector)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


# -- figures -----------------------------------------------------------------------------------------------------


async def _old(house: House, outlet: OutletHouse, started: datetime) -> list[Cause]:
    """Numbers only fall while figures stand still: nothing is oversold by it, and nothing new is put on sale. They may
    be read every minute and stand still all the same: what is booked is in none of them then."""
    erp, now = outlet.channel.erp, house.now()
    limit = timedelta(minutes=outlet.settings.older_than_minutes)
    facts = (await views.feeds(house.store.read)).get(erp)
    since = (facts.read_at if facts else None) or started
    booked = await booked_and_in_no_figure(house.store.read, erp, before=now - limit)
    if now - since > limit:
        text = f"the figures of {erp} are {age(since, now)} old"
    elif booked is not None:
        text = f"the figures of {erp} do not show what was booked {age(booked, now)} ago"
    else:
        return []
    return [Cause("stock_old", outlet.name, erp, f"{text}; {outlet.name} takes at most {age(now - limit, now)}")]


async def _held(house: House, feed: FeedHouse) -> list[Cause]:
    facts = (await views.feeds(house.store.read)).get(feed.erp)
    return [Cause("stock_pull_held", feed.erp, "pull", facts.held)] if facts and facts.held else []


async def _not_released(house: House, outlet: OutletHouse) -> list[Cause]:
    now = house.now()
    limit = timedelta(hours=outlet.settings.release_after_hours)
    found = [one for one in await unreleased(house.store.read, before=now - limit) if one.channel == outlet.name]
    if not found:
        return []
    orders = list(dict.fromkeys(one.name for one in found))
    pieces = sum(one.pieces for one in found)
    text = (
        f"{pieces} pieces of {len(orders)} orders count for more than {age(now - limit, now)}, and no figure of "
        f"{outlet.channel.erp} is known to contain them: {_some(orders)}"
    )
    return [Cause("stock_not_released", outlet.name, "demand", text, count=len(orders))]


# -- what is sold ------------------------------------------------------------------------------------------------


async def _oversold(house: House) -> list[Cause]:
    found = await views.oversold(house.store.read, since=house.now() - SOLD_WITHIN)
    if not found:
        return []
    said = [f"{one.sku} by {one.pieces} ({', '.join(one.orders)})" for one in found]
    text = f"{len(found)} SKUs are oversold: {_some(said)}"
    return [Cause("stock_oversold", "", "stock", text, count=sum(one.pieces for one in found))]


async def _eaten(house: House, outlet: OutletHouse) -> list[Cause]:
    found = await views.buffers_eaten(house.store.read, outlet.name, since=house.now() - SOLD_WITHIN)
    if not found:
        return []
    text = f"{len(found)} SKUs of {outlet.name} have sold into their buffer: {_some(found)}"
    return [Cause("stock_buffer_eaten", outlet.name, "buffer", text, count=len(found))]


# -- what the channel shows --------------------------------------------------------------------------------------


async def _not_told(house: House, outlet: OutletHouse) -> list[Cause]:
    """While the whole connection is paused that is told instead."""
    now, waits = house.now(), await views.waits(house.store.read, outlet.name)
    failing = [one for one in outlet.failing(waits=waits) if now - one.since >= FAILING_FOR]
    if not failing or outlet.circuit.is_open:
        return []
    text = f"{outlet.name} keeps old numbers for {age(failing[0].since, now)}: {failing[0].why}"
    return [Cause("stock_not_told", outlet.name, "numbers", text)]


async def _drift(house: House, outlet: OutletHouse) -> list[Cause]:
    last = [one for one in await compares.trend(house.store.read, outlet.name, many=2) if one.ended_at is not None]
    if not last or last[0].drifted < outlet.settings.drift_limit:
        return []
    rows = await compares.last_drifts(house.store.read, outlet.name, many=ROWS)
    healed = "set right" if last[0].healed else "left as they are (heal = false)"
    text = f"{last[0].drifted} of {last[0].items} numbers of {outlet.name} had drifted, {healed}: {_why(rows)}"
    return [Cause("stock_drift", outlet.name, "comparison", text, count=last[0].drifted)]


async def _refused(house: House, outlet: OutletHouse) -> list[Cause]:
    rows = await compares.refused(house.store.read, outlet.name, many=ROWS)
    text = f"{len(rows)} numbers of {outlet.name} are refused: {_why(rows)}"
    return [Cause("stock_rows_refused", outlet.name, "rows", text, count=len(rows))] if rows else []


async def _twice(house: House, outlet: OutletHouse) -> list[Cause]:
    rows = await compares.twice(house.store.read, outlet.name, many=ROWS)
    text = f"{len(rows)} SKUs stand on two items of {outlet.name} each: {_some([row.sku for row in rows])}"
    return [Cause("stock_sku_twice", outlet.name, "skus", text, count=len(rows))] if rows else []


def _why(rows: Sequence[Row]) -> str:
    """``edited in the admin (30), lost write (4)``."""
    counts: dict[str, int] = {}
    for row in rows:
        why = row.why.partition(":")[0].replace("_", " ") or "no reason given"
        counts[why] = counts.get(why, 0) + 1
    return ", ".join(f"{why} ({count})" for why, count in sorted(counts.items(), key=lambda one: -one[1]))
