"""The shop's two clocks: UTC, and its own time zone; and how WordPress misreads the one for the other.

Stamps are kept in UTC, to the second, without a zone; each is shown twice, in the shop's time and (``_gmt``) as kept.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

SHAPE = "%Y-%m-%dT%H:%M:%S"
ASKED = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d(:?\d\d)?)?$")


class NoDate(ValueError):
    """WordPress cannot read this as a date."""


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(SHAPE)


def local(gmt: str | None, zone: ZoneInfo) -> str | None:
    """A kept stamp in the shop's own time."""
    if gmt is None:
        return None
    return datetime.fromisoformat(gmt).replace(tzinfo=UTC).astimezone(zone).strftime(SHAPE)


def bound(asked: str, zone: ZoneInfo, *, dates_are_gmt: bool) -> str:
    """The kept stamp that an asked-for date is compared with (orders/modified_after_variants*.json).

    A date without a zone is taken as it stands: as UTC with ``dates_are_gmt``, else as the shop's time. One with a
    zone is first written in the shop's time, which is right without ``dates_are_gmt`` and with it wrong by the shop's
    distance from UTC. Raises `NoDate`.
    """
    if not ASKED.match(asked):
        raise NoDate(asked)
    try:
        moment = datetime.fromisoformat(asked.upper().replace(" ", "T"))
    except ValueError:
        raise NoDate(asked) from None
    written = moment.astimezone(zone) if moment.tzinfo else moment
    naive = written.replace(tzinfo=None)
    return naive.strftime(SHAPE) if dates_are_gmt else stamp(naive.replace(tzinfo=zone))
