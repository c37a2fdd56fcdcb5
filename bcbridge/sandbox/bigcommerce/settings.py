"""How the simulated shop is set up."""

from __future__ import annotations

from dataclasses import dataclass

from bcbridge.sandbox.shopping.cart import JSON


@dataclass(frozen=True)
class BigCommerceSettings:
    """Defaults are a Standard-plan shop in New York that sells in US dollars.

    ``quota`` calls a window of ``window_seconds``, shared with another app that makes ``other_app_calls_per_second``
    (2.1). ``default_hooks`` are (scope, destination, headers) that a new shop starts with; ``webhook_secret`` is no
    setting of the shop's but what the bridge is told to put in its hook's header. ``retry_scale`` shortens the waits
    of 60 s to a day between two tries of a webhook, and the watch over bad destinations with them (2.9).
    ``settle_seconds`` are how long an adjustment of stock is not in force after its answer, from and to;
    ``update_stock_behavior`` and ``refund_order_stock_adjustment`` what the store says of when orders move stock;
    ``aggregated_stock`` lets the storefront see all locations and not the default one alone (2.5). ``more_skus`` are
    listed beside the season, plain ones, for whoever needs many. ``held_seconds`` and the like are how long the shopper
    leaves an order to be verified, unpaid (or abandoned), uncancelled.
    """

    store_hash: str = "sandbox1"
    store_id: str = "1025646"
    name: str = "Sandbox Apparel"
    currency: str = "USD"
    time_zone: str = "America/New_York"
    access_token: str = "sandbox-bigcommerce-token"  # noqa: S105 (well known, opens nothing)
    client_id: str = "sandbox-bigcommerce-client"
    client_secret: str = "sandbox-bigcommerce-secret"  # noqa: S105
    webhook_secret: str = "sandbox-bigcommerce-webhook"  # noqa: S105
    quota: float = 150.0
    window_seconds: float = 30.0
    other_app_calls_per_second: float = 0.0
    ambient_orders_per_minute: float = 0.0
    ambient_after_seconds: float = 0.0
    default_hooks: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = ()
    webhook_timeout_seconds: float = 5.0
    retry_scale: float = 1.0
    settle_seconds: tuple[float, float] = (1.0, 6.0)
    update_stock_behavior: str = "order_placed"
    refund_order_stock_adjustment: bool = False
    aggregated_stock: bool = False
    more_skus: int = 0
    held_seconds: tuple[float, float] = (4.0, 12.0)
    unpaid_seconds: tuple[float, float] = (3.0, 10.0)
    cancel_seconds: tuple[float, float] = (2.0, 8.0)
    seed: int = 1

    @property
    def about(self) -> JSON:
        """What ``GET /_sandbox/`` tells besides the common things."""
        return {"storeHash": self.store_hash, "storeId": self.store_id, "currency": self.currency}
