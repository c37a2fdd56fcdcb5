"""What a person sets for the nightly comparison of one channel with the ERP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ReconcileSettings(BaseModel):
    """``[channels.shopify_us.reconcile]``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    enabled: bool = True
    """Whether it runs by night; by hand it may be run all the same."""
    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "03:30"
    """When, in the channel's time zone."""
    days: Annotated[int, Field(ge=1, le=366)] = 7
    """Orders created within so many days."""
    heal: bool = True
    """Whether what is safe is healed; otherwise it is only told."""
    young_minutes: Annotated[float, Field(ge=0, le=1440)] = 10.0
    """What is younger, or changed since, is not compared: lists may be behind."""

    @property
    def young(self) -> timedelta:
        return timedelta(minutes=self.young_minutes)
