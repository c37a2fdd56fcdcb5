"""What a person sets for changes of one channel's booked orders."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bcbridge.model.changes import AmendmentKind

Winner = Literal["channel_until_picked", "channel", "erp", "person"]
"""Whose word counts where both sides changed the same thing, and not to the same."""


class ChangeSettings(BaseModel):
    """``[channels.shopify_us.changes]``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    enabled: bool = True
    pieces: Winner = "channel_until_picked"
    address: Winner = "channel_until_picked"
    to_erp: bool = True
    """Cancellations and addresses are carried to the ERP, where its profile names a write for them."""
    to_channel: Annotated[frozenset[AmendmentKind], Field(strict=False)] = frozenset(
        {AmendmentKind.CANCEL, AmendmentKind.REDUCE}
    )
    """What of the ERP's changes is carried to the channel, where it has a safe way; the rest is a person's."""
    mark: Annotated[str, Field(max_length=40)] = ""
    """The sign that a booked order gets in the channel, where it can; empty: none."""
    doubt_seconds: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """How long a request without an answer may still take effect; before that nothing is asked for again."""

    @property
    def doubt(self) -> timedelta:
        return timedelta(seconds=self.doubt_seconds)
