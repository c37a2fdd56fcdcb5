"""How the simulated shop is set up."""

from __future__ import annotations

from dataclasses import dataclass

from bcbridge.sandbox.shopify.bag import JSON

SCOPES = (
    "read_orders",
    "read_all_orders",
    "read_order_edits",
    "read_returns",
    "read_customers",
    "read_products",
    "read_inventory",
    "read_locations",
    "read_merchant_managed_fulfillment_orders",
    "read_assigned_fulfillment_orders",
    "read_third_party_fulfillment_orders",
    "read_gift_cards",
    "read_store_credit_accounts",
    "read_store_credit_account_transactions",
    "read_shopify_payments",
    "write_orders",
    "write_order_edits",
    "write_products",
    "write_inventory",
    "write_merchant_managed_fulfillment_orders",
)


@dataclass(frozen=True)
class ShopifySettings:
    """Defaults are a Standard-plan shop in New York.

    ``restore_rate`` is in points a second, ``bucket`` in points. ``retry_seconds`` is the wait before a webhook's
    first repeat; it doubles each time (Shopify's eight come to four hours). ``held_seconds`` and the like are how
    long the shopper leaves an order on hold, unpaid or uncancelled. ``extra_skus`` are goods besides the season's.
    """

    shop: str = "bcbridge-sandbox.myshopify.com"
    name: str = "Sandbox Apparel"
    currency: str = "USD"
    time_zone: str = "America/New_York"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105 (well known, opens nothing)
    token: str = "sandbox-token"  # noqa: S105
    token_seconds: int = 86_399
    scopes: tuple[str, ...] = SCOPES
    restore_rate: float = 100.0
    bucket: float = 2_000.0
    index_lag_seconds: float = 0.5
    ambient_orders_per_minute: float = 0.0
    ambient_after_seconds: float = 0.0
    default_subscriptions: tuple[tuple[str, str], ...] = ()
    webhook_timeout_seconds: float = 5.0
    retry_seconds: float = 56.0
    held_seconds: tuple[float, float] = (4.0, 12.0)
    unpaid_seconds: tuple[float, float] = (3.0, 10.0)
    cancel_seconds: tuple[float, float] = (2.0, 8.0)
    extra_skus: int = 0
    seed: int = 1

    @property
    def about(self) -> JSON:
        """What ``GET /_sandbox/`` tells besides the common things."""
        return {"shop": self.shop, "currency": self.currency, "apiVersion": "2026-10", "scopes": list(self.scopes)}
