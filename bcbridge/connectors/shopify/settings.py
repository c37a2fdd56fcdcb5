"""What an operator says about one shop: nouns with units, secrets by reference."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SecretReference = Annotated[str, Field(pattern=r"^(env|file|credential):.+")]
"""Where a secret is kept: ``env:NAME``, ``file:PATH`` or ``credential:NAME``; never the secret itself."""

Topic = Annotated[str, Field(pattern=r"^[a-z_]+/[a-z_]+$")]
"""A webhook topic as the header spells it: ``orders/create``."""

ORDER_TOPICS: tuple[str, ...] = (
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/edited",
    "orders/delete",
    "refunds/create",
    "order_transactions/create",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/moved",
    "fulfillment_orders/split",
    "fulfillment_orders/merged",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/hold_released",
    "fulfillment_orders/rescheduled",
    "fulfillment_orders/scheduled_fulfillment_order_ready",
)
"""Everything after which an order may read differently (contracts/shopify/NOTES.md 1.3)."""


class MoneySide(StrEnum):
    """Which of the two amounts of every MoneyBag is booked; one side for all (NOTES.md 1.6)."""

    SHOP = "shop"
    PRESENTMENT = "presentment"


class ShopifySettings(BaseModel):
    """One shop. Either ``token``, or ``client_id`` with ``client_secret`` (client-credentials grant, NOTES.md 1.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$")
    base_url: str = ""
    """Where the Admin API answers; ``https://{shop}`` unless it is said."""
    api_version: str = Field(default="2026-10", pattern=r"^\d{4}-\d{2}$")
    code: str = Field(pattern=r"^[A-Z0-9]{2,4}$")
    """Starts every reference made for this shop's orders."""
    token: SecretReference | None = None
    client_id: SecretReference | None = None
    client_secret: SecretReference | None = None
    webhook_secrets: tuple[SecretReference, ...] = Field(default=(), max_length=2)
    """Keys of the webhooks' signatures, two during a rotation; ``client_secret`` unless said."""
    money_side: MoneySide = MoneySide.SHOP
    page_size: int = Field(default=250, ge=1, le=250)
    overlap_seconds: int = Field(default=900, ge=0)
    """How far behind the newest seen stamp the lists are read again: their index may lag (NOTES.md 1.6)."""
    request_timeout_seconds: float = Field(default=20, gt=0, le=120)
    supercycle: bool = False
    """The shop runs Supercycle: its marks on lines, orders and products are looked for everywhere."""
    supercycle_product_ids: tuple[str, ...] = ()
    """Deposit, card-vault and membership products, by their numeric id."""
    topics: tuple[Topic, ...] = ORDER_TOPICS

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        whole_pair = self.client_id is not None and self.client_secret is not None
        if (self.token is None) == (not whole_pair):
            raise ValueError("give either token, or client_id with client_secret")
        return self

    @property
    def address(self) -> str:
        """The base of every call, without a trailing slash."""
        return (self.base_url or f"https://{self.shop}").rstrip("/")

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """References of the keys a webhook may be signed with; empty where none was given."""
        if self.webhook_secrets:
            return self.webhook_secrets
        return (self.client_secret,) if self.client_secret else ()
