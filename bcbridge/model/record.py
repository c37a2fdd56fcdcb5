"""The common shape of our records: frozen, strict, nothing extra. What is parsed at the door is trusted inside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Record(BaseModel):
    """A fact in our words."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment beyond the calendar") from None


Moment = Annotated[datetime, AfterValidator(_utc)]
"""An aware moment, kept in UTC."""
