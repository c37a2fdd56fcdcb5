"""Days on which a warehouse works, and its wall clock: what people write of it in config.toml, and what follows.

>>> Calendar(days="mon-fri", cut_off="14:00").deadline(datetime(2026, 10, 30, 15, tzinfo=UTC), 1)
datetime.datetime(2026, 11, 4, 0, 0, tzinfo=datetime.timezone.utc)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
ONE_DAY = timedelta(days=1)


@cache
def zone_of(name: str) -> ZoneInfo:
    """Read from its file once, when the settings are; the event loop never waits for it."""
    return ZoneInfo(name)


def _zone(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone, say one like America/New_York") from error
    return name


def _clock(said: object) -> time:
    """``14:00``, or TOML's own ``14:00:00``; never with a zone, that is said beside it."""
    try:
        found = said if isinstance(said, time) else time.fromisoformat(str(said) if ":" in str(said) else "")
    except ValueError:
        raise ValueError("must be a time of day, as 14:00") from None
    if found.tzinfo is not None:
        raise ValueError("must be a time of day without a zone, as 14:00; the zone is time_zone")
    return found


def _day(said: object) -> date:
    try:
        return said if isinstance(said, date) and not isinstance(said, datetime) else date.fromisoformat(str(said))
    except ValueError:
        raise ValueError("must be a day, as 2026-12-25") from None


def _weekdays(said: object) -> frozenset[int]:
    """``mon-fri``, ``mon,wed,sat``, ``fri-mon``; 0 is Monday."""
    if isinstance(said, frozenset):
        return said
    if not isinstance(said, str) or not said.strip():
        raise ValueError("must be days of the week, as mon-fri or mon,wed,sat")
    return frozenset[int]().union(*(_span(one) for one in said.lower().split(",")))


def _span(said: str) -> set[int]:
    first, dash, last = said.partition("-")
    begins, ends = _weekday(first), _weekday(last if dash else first)
    return {(begins + step) % 7 for step in range((ends - begins) % 7 + 1)}


def _weekday(said: str) -> int:
    if said.strip() not in NAMES:
        raise ValueError(f"{said.strip()!r} is no day of the week: {', '.join(NAMES)}")
    return NAMES.index(said.strip())


Zone = Annotated[str, AfterValidator(_zone)]
"""An IANA zone."""
ClockTime = Annotated[time, BeforeValidator(_clock)]
Weekdays = Annotated[frozenset[int], BeforeValidator(_weekdays)]
ClosedDays = frozenset[Annotated[date, BeforeValidator(_day)]]


def moment_at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """In UTC. A time that the day has twice is the first of the two; one that it skips is when it would have been, had
    the clocks not been changed."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def open_days(
    first: date, days: frozenset[int], closed: frozenset[date], *, step: timedelta = ONE_DAY
) -> Iterator[date]:
    """From ``first`` on, without end; backwards with a step below zero."""
    day = first
    while True:
        if day.weekday() in days and day not in closed:
            yield day
        day += step


class Calendar(BaseModel):
    """``[calendars.NJ1]``: when a warehouse of the ERP works. By default always, in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: Zone = "UTC"
    days: Weekdays = EVERY_DAY
    cut_off: ClockTime | None = None
    """What comes then or later on a working day is taken up on the next one."""
    closed: ClosedDays = frozenset()

    def taken_up(self, start: datetime) -> date:
        """The working day on which what comes at ``start`` is taken up."""
        zone = zone_of(self.time_zone)
        local = start.astimezone(zone)
        today = local.date()
        late = self.cut_off is not None and start >= moment_at(today, self.cut_off, zone)
        return next(open_days(today + late * ONE_DAY, self.days, self.closed))

    def deadline(self, start: datetime, working_days: int) -> datetime:
        """The end, in UTC, of the last of so many working days after the one on which it is taken up."""
        after = open_days(self.taken_up(start), self.days, self.closed)
        last = next(islice(after, working_days, None))
        return moment_at(last + ONE_DAY, time(), zone_of(self.time_zone))

    def overdue_before(self, now: datetime, working_days: int) -> datetime:
        """What came before this moment, in UTC, is past the deadline of so many working days."""
        zone = zone_of(self.time_zone)
        yesterday = now.astimezone(zone).date() - ONE_DAY
        ended = open_days(yesterday, self.days, self.closed, step=-ONE_DAY)
        taken_up = next(islice(ended, working_days, None))
        if self.cut_off is not None:
            return moment_at(taken_up, self.cut_off, zone)
        return moment_at(taken_up + ONE_DAY, time(), zone)


ALWAYS = Calendar(time_zone="UTC")  # said, so that the zone is loaded here
