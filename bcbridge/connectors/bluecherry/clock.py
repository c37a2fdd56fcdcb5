"""The ERP's clock: stamps are local text without a zone (bluecherry/NOTES.md 1.1, 7.2), and some hours are quiet.

Inside the room a stamp stays what it is, a naive local datetime: filters and overlaps are reckoned in it. It becomes
UTC only where it leaves the room.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

CHANGE_OVERLAP = timedelta(hours=2)
"""Around a clock change an hour of stamps is repeated or missing: this much is read again."""
YEARS = range(1900, 9000)
"""A stamp of another year is a filler, as 9999-12-31; it cannot be reckoned with."""


def parse_stamp(text: str) -> datetime:
    """``2026-03-01 07:30:00``, also with ``T`` or fractions; naive. Raises ValueError.

    A stamp that names its zone (no source shows one) would be taken for local time, so it is refused.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is not None:
        raise ValueError("a stamp with a zone, where the ERP's local time is expected")
    if moment.year not in YEARS:
        raise ValueError("a stamp of no time in which an ERP was used")
    return moment


@dataclass(frozen=True, slots=True)
class QuietWindow:
    """A part of the ERP's day; one that ends before it begins crosses midnight."""

    begins: time
    ends: time

    @classmethod
    def parse(cls, text: str) -> QuietWindow:
        """``00:00-01:30``. Raises ValueError."""
        begins, _, ends = text.partition("-")
        window = cls(time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip()))
        if window.begins == window.ends:
            raise ValueError("a quiet window that ends when it begins")
        return window

    def ends_after(self, local: datetime) -> datetime | None:
        """When the window that contains this local time ends, or None outside of it."""
        at, day = local.time(), local.date()
        if self.begins < self.ends:
            inside, over_midnight = self.begins <= at < self.ends, False
        else:
            inside, over_midnight = at >= self.begins or at < self.ends, at >= self.begins
        if not inside:
            return None
        return datetime.combine(day + timedelta(days=over_midnight), self.ends)


@dataclass(frozen=True, slots=True)
class ErpClock:
    """Between the ERP's local stamps and UTC."""

    zone: ZoneInfo
    overlap: timedelta
    quiet: tuple[QuietWindow, ...] = ()

    def utc(self, stamp: datetime) -> datetime:
        """An hour that the clocks repeat is taken as its first pass."""
        return stamp.replace(tzinfo=self.zone).astimezone(UTC)

    def earliest(self, stamp: datetime) -> datetime:
        """The first moment at which the ERP may have written this stamp: what dates a figure."""
        return min(self._readings(stamp))

    def latest(self, stamp: datetime) -> datetime:
        """The last such moment: by when something stood in the ERP."""
        return max(self._readings(stamp))

    def _readings(self, stamp: datetime) -> tuple[datetime, datetime]:
        """In UTC: two in an hour that the clocks repeat, and in one that they skip (a stamp that cannot be)."""
        first, second = (stamp.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        return first, second

    def local(self, moment: datetime) -> datetime:
        """Naive, as the ERP would write it."""
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def reread_from(self, stamp: datetime) -> datetime:
        """Where a delta that has come as far as ``stamp`` starts again."""
        near_change = self._offset(stamp - CHANGE_OVERLAP) != self._offset(stamp + CHANGE_OVERLAP)
        return stamp - (max(self.overlap, CHANGE_OVERLAP) if near_change else self.overlap)

    def quiet_until(self, moment: datetime) -> datetime | None:
        """When the ERP may be called again, UTC; None when it may be called now. Windows that touch are one."""
        local = self.local(moment)
        end = local
        for _ in range(len(self.quiet) + 1):
            later = max((ending for one in self.quiet if (ending := one.ends_after(end))), default=None)
            if later is None:
                break
            end = later
        return None if end == local else max(self.utc(end), moment + timedelta(seconds=1))

    def _offset(self, stamp: datetime) -> timedelta | None:
        return stamp.replace(tzinfo=self.zone).utcoffset()
