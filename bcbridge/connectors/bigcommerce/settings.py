"""What an operator says about one store: nouns with units, secrets by reference."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SecretReference = Annotated[str, Field(pattern=r"^(env|file|credential):.+")]
"""Where a secret is kept: ``env:NAME``, ``file:PATH`` or ``credential:NAME``; never the secret itself."""

StatusId = Annotated[int, Field(ge=1, le=14)]
"""A status by its fixed id; 0 (incomplete) is no order and can never be asked for."""

Bundles = Literal["children", "parent", "both"]


class BigCommerceSettings(BaseModel):
    """One store, reached with the token of a store-level API account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store_hash: str = Field(pattern=r"^[a-z0-9]+$")
    """The store's permanent id: what stands in the API path after ``/stores/``."""
    base_url: str = Field(default="https://api.bigcommerce.com", pattern=r"^https?://")
    code: str = Field(pattern=r"^[A-Z0-9]{2,4}$")
    """Starts every reference made for this store's orders."""
    access_token: SecretReference
    webhook_secret: SecretReference | None = None
    """Our own word, sent back with every delivery; without it nobody is let in and polling is all there is."""
    client_id: str | None = Field(default=None, pattern=r"^(env|file|credential):.+")
    """The API account that token and client secret belong to; doctor compares it with the account of the hooks."""
    client_secret: SecretReference | None = None
    """Verifies a delivery's signature, where it bears one."""
    import_status_ids: tuple[StatusId, ...] = (11,)
    """Orders of these statuses are booked when they are paid; 11 is Awaiting Fulfillment."""
    channel_ids: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Sales channels whose orders are read; none: all of them."""
    page_size: int = Field(default=250, ge=1, le=250)
    overlap_seconds: int = Field(default=120, ge=0)
    """How far behind the newest seen stamp the list is read again."""
    quota_kept_for_others: float = Field(default=0.1, ge=0, lt=1)
    """The part of the store's quota that is left to its other apps."""
    bundles: Bundles = "children"
    """Of a bundle, what is booked: its parts with the bundle's money spread over them, the bundle, or every line."""
    stock_settles_seconds: float = Field(default=60, ge=0, le=3600)
    """The longest that an adjustment of stock was not in force after its answer: as long it is under way."""
    aggregated_stock: bool = False
    """Whether BigCommerce switched on that the storefront sees all locations' stock; else the default one's alone."""
    request_timeout_seconds: float = Field(default=30, gt=0, le=120)

    @property
    def address(self) -> str:
        """The base of every call, without a trailing slash."""
        return f"{self.base_url.rstrip('/')}/stores/{self.store_hash}"
