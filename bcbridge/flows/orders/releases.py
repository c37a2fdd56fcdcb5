"""Posting tied to pick cycles: an order that is ready waits for the next release of its warehouse.

It is that release whose cut-off the order's creation meets, worked out anew at each look: nothing is remembered, and a
release that has been is never waited for again. Until then the order is ``not_yet``, and takes in what its channel
changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from bcbridge.flows.orders.desk import Desk
from bcbridge.flows.orders.settings import OrderSettings, Release
from bcbridge.model.calendar import ONE_DAY, moment_at, open_days, zone_of
from bcbridge.model.order import Order
from bcbridge.model.outcome import NotYet, Ready

ENOUGH_DAYS = 5
"""Open days on which the release is sought: a cut-off is less than a day before it, and clocks that are changed move a
moment by a day at most (where a whole day is left out)."""


def wait_for_release(order: Order, ready: Ready, desk: Desk) -> NotYet | None:
    """None where it may go at once: there is no release to wait for, or it has been."""
    due = [(moment, warehouse) for warehouse, moment in _releases(order, ready, desk.settings)]
    if not due or max(due)[0] <= desk.now:
        return None
    moment, warehouse = max(due)
    zone = zone_of(_zone_of(desk.settings.releases[warehouse], desk.settings))
    text = f"Waits for the release of {warehouse} at {moment.astimezone(zone):%Y-%m-%d %H:%M %Z}."
    return NotYet(code="waits_for_release", text=text, look_again=moment)


def _releases(order: Order, ready: Ready, settings: OrderSettings) -> Iterator[tuple[str, datetime]]:
    """Each warehouse that pieces of the order leave from, where it has releases for its customer group."""
    groups = {part.customer_group for part in ready.parts}
    warehouses = {row.warehouse for part in ready.parts for row in part.lines} | {one.warehouse for one in ready.parts}
    for warehouse in warehouses & settings.releases.keys():
        release = settings.releases[warehouse]
        if not groups <= release.groups:
            yield warehouse, release_after(order.created, release, _zone_of(release, settings))


def _zone_of(release: Release, settings: OrderSettings) -> str:
    return release.time_zone or settings.time_zone


def release_after(created: datetime, release: Release, time_zone: str) -> datetime:
    """The first moment of release whose cut-off is not before ``created``."""
    zone = zone_of(time_zone)
    first = created.astimezone(zone).date() - ONE_DAY  # its evening may fall on today, where midnight is left out
    days = islice(open_days(first, release.days, release.closed), ENOUGH_DAYS)
    moments = (moment_at(day, clock, zone) for day in days for clock in release.at)
    return min(moment for moment in moments if moment - release.cut_off >= created)
