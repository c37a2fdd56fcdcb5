"""What an operator says about one shop: nouns with units, secrets by reference."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

SecretReference = Annotated[str, Field(pattern=r"^(env|file|credential):.+")]
"""Where a secret is kept: ``env:NAME``, ``file:PATH`` or ``credential:NAME``; never the secret itself."""

Status = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""An order status as the API spells it: ``processing``, a plugin's ``partial-shipped``."""


NO_PART = ("cancelled", "refunded", "failed", "trash", "completed", "pending", "on-hold")
"""Statuses that say something else than that a part has left."""


class Auth(StrEnum):
    """How the keys are shown (contract 1.1). ``auto``: Basic over TLS, in the query where a host strips the header,
    OAuth 1.0a over plain HTTP."""

    AUTO = "auto"
    BASIC = "basic"
    QUERY = "query"
    OAUTH1 = "oauth1"


class Tracking(StrEnum):
    """How the shop is told what left (contract 1.6). ``auto``: the first of the others that the shop has."""

    AUTO = "auto"
    FULFILLMENTS = "fulfillments"
    SHIPMENT_TRACKING = "shipment_tracking"
    NOTE = "note"


class WooCommerceSettings(BaseModel):
    """One shop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    """The shop's own address, as WordPress calls it (Settings, General); the API is below it."""
    code: str = Field(pattern=r"^[A-Z0-9]{2,4}$")
    """Starts every reference made for this shop's orders."""
    consumer_key: SecretReference
    consumer_secret: SecretReference
    webhook_secret: SecretReference | None = None
    """Key of the webhooks' signatures, made up by us. Without it the shop cannot ring here."""
    auth: Auth = Auth.AUTO
    import_statuses: tuple[Status, ...] = Field(default=("processing",), min_length=1)
    """Orders of these statuses are booked; what is paid and of another is held, and said."""
    payment_fees: tuple[str, ...] = ()
    """Names of negative fees that are money and no discount, with ``*``: ``Gift card*``, ``Store credit``."""
    tracking: Tracking = Tracking.AUTO
    partial_status: Status | None = None
    """Given to an order of which a part has left: a plugin's, as ``partial-shipped``. None: it stays as it is."""
    dispatch_note: str = Field(default="Your parcel is on its way.", min_length=1, max_length=500)
    """Begins the note to the shopper, in the shop's language, where the shop is told by notes."""
    page_size: int = Field(default=100, ge=1, le=100)
    overlap_seconds: int = Field(default=120, ge=0)
    """How far behind the newest seen stamp the list is read again."""
    max_parallel: int = Field(default=2, ge=1, le=16)
    turn_on_stock_management: bool = True
    """Whether a number may be written where none is kept: each write switches the counting on, for this article."""
    stock_rows_per_call: int = Field(default=100, ge=1, le=100)
    """So many rows a site takes in one batch; WooCommerce's own limit is 100."""
    stock_late_minutes: float = Field(default=5, gt=0, le=60)
    """For so long a write whose answer was lost may still be done: what a PHP process lives."""
    request_timeout_seconds: float = Field(default=60, gt=0, le=300)

    @field_validator("url")
    @classmethod
    def _the_shop_itself(cls, url: str) -> str:
        if "/wp-json" in url:
            raise ValueError("give the shop's own address, without /wp-json")
        return url

    @field_validator("partial_status")
    @classmethod
    def _also_as_the_api_spells_it(cls, status: str | None) -> str | None:
        if status in NO_PART:
            raise ValueError(f"an order that is {status} is not one of which a part has left")
        _check_spelling(status or "")
        return status

    @field_validator("import_statuses")
    @classmethod
    def _as_the_api_spells_them(cls, statuses: tuple[str, ...]) -> tuple[str, ...]:
        for status in statuses:
            _check_spelling(status)
        return statuses

    @property
    def address(self) -> str:
        """The base of every call, without a trailing slash."""
        return self.url.rstrip("/")


def _check_spelling(status: str) -> None:
    if status.startswith("wc-"):
        raise ValueError(f"the API spells a status without wc-: {status.removeprefix('wc-')}")
