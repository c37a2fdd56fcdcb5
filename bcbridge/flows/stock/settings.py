"""What a person decides per channel about the numbers it shows. Buffers of single SKUs stand in mappings/stock.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from bcbridge.model.stock import Basis

Warehouses = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class StockSettings(BaseModel):
    """Publishing stock to one channel. Without it (``enabled = false``) the channel's numbers are left alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    pools: dict[str, Warehouses] = {}
    """Which warehouses of the ERP feed which location of the channel, by its name or id; ``"*"`` is its only one."""
    basis: Basis = Basis.OTS
    scarce: Literal["share", "split"] = "share"
    """``share``: every channel shows all there is; ``split``: each has its allotment, and nothing is oversold."""
    weight: PositiveInt = 1
    """Its share, beside the other channels', of what is split."""
    buffer: NonNegativeInt = 0
    """Pieces of every SKU that are never shown."""
    buffer_percent: Annotated[int, Field(ge=0, le=100)] = 0
    buffer_by_speed: bool = False
    """Hold back what the other channels sell in the time that a number takes to get here."""
    cap: PositiveInt | None = None
    """No number above this is shown."""
    inactive_shows_none: bool = True
    """SKUs that are not active in the ERP are shown as none."""
    compare_at: TimeOfDay = "03:30"
    """When, in the channel's time zone, every number is read back and compared."""
    look_for_new_every_minutes: PositiveFloat = 60.0
    """How often the channel is asked for items it has not shown before."""
    heal: bool = True
    """Whether a number that drifted is set right; otherwise it is only told."""
    drift_limit: PositiveInt = 20
    """So many drifted numbers in one comparison are somebody's business."""
    older_than_minutes: PositiveFloat = 60.0
    """Figures older than this are somebody's business."""
    release_after_hours: PositiveFloat = 24.0
    """A booked piece that no figure has contained for so long goes to a person."""

    @model_validator(mode="after")
    def _fed(self) -> StockSettings:
        if self.enabled and not self.pools:
            raise ValueError('needs pools: which warehouses feed it, as pools = { "*" = ["NJ1"] }')
        return self
