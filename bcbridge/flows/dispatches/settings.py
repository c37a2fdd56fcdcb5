"""What a person sets for the dispatches of one channel."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CapturedBy = Literal["shop", "bridge", "person"]


class DispatchSettings(BaseModel):
    """``[connections.shopify_us.dispatches]``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    enabled: bool = True
    notify_customer: bool = True
    """Whether the channel writes to the shopper of each."""
    mandatory: Annotated[tuple[Literal["tracking", "carrier"], ...], Field(strict=False)] = ("tracking",)
    """Without these a shipment is not told: it is blocked, for a person."""
    doubt_seconds: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """How long a call without an answer may still take effect; before that nothing is repeated."""
    captures: dict[str, CapturedBy] = {}
    """Who captures what is only authorised, by gateway, once everything left; ``"*"``: any other. Unsaid: the shop or
    its gateway, by itself."""

    @property
    def asks_for_money(self) -> bool:
        return "bridge" in self.captures.values()

    def captured_by(self, gateway: str) -> CapturedBy:
        return self.captures.get(gateway, self.captures.get("*", "shop"))

    @property
    def doubt(self) -> timedelta:
        return timedelta(seconds=self.doubt_seconds)
