"""How the simulated shop is set up."""

from __future__ import annotations

from dataclasses import dataclass

from bcbridge.sandbox.shopping.cart import JSON

CORE_STATUSES = ("auto-draft", "pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed")
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "CAD": "$"}


def symbol(currency: str) -> str:
    return SYMBOLS.get(currency, currency)


@dataclass(frozen=True)
class WooCommerceSettings:
    """Defaults are a shop in Paris that sells in euros, prices with VAT inside; `NEW_YORK` is another.

    ``own_numbers``: a plugin numbers the orders, so that an order's ``number`` is not its id. ``plugin_statuses``:
    what another plugin adds. ``strips_authorization``: the host drops the header of that name. ``round_at_subtotal``
    is WooCommerce's own option: line taxes stay unrounded. ``webhook_seconds`` is how long after a change its
    webhooks go out (WP-Cron); ``unpaid_seconds`` and ``cancel_seconds`` how long the shopper leaves an order alone.
    """

    name: str = "Maison Sandbox"
    currency: str = "EUR"
    time_zone: str = "Europe/Paris"
    country: str = "FR"
    prices_include_tax: bool = True
    round_at_subtotal: bool = False
    own_numbers: bool = True
    plugin_statuses: tuple[str, ...] = ("packing",)
    version: str = "10.5.2"
    wordpress: str = "6.9.1"
    consumer_key: str = "ck_sandbox"
    consumer_secret: str = "cs_sandbox"  # noqa: S105 (well known, opens nothing)
    read_only_key: str = "ck_sandbox_read"
    read_only_secret: str = "cs_sandbox_read"  # noqa: S105
    webhook_secret: str = "sandboxwebhooksecret"  # noqa: S105
    strips_authorization: bool = False
    ambient_orders_per_minute: float = 0.0
    ambient_after_seconds: float = 0.0
    default_webhooks: tuple[tuple[str, str], ...] = ()
    """Pairs of topic and address that are there from the start, signed with ``webhook_secret``."""
    webhook_timeout_seconds: float = 5.0
    webhook_seconds: float = 0.5
    unpaid_seconds: tuple[float, float] = (3.0, 10.0)
    cancel_seconds: tuple[float, float] = (2.0, 8.0)
    manage_stock: bool = True
    """WooCommerce's own switch; off, nothing is counted and the shop sells without end."""
    hold_stock_minutes: str = "60"
    write_seconds: tuple[float, float] = (0.4, 1.0)
    """What writing the stock of a product with eight variations takes, at least and at most."""
    write_at_once: int = 2
    """How many such calls PHP works on at a time."""
    more_styles: int = 0
    """Styles of eight sizes beside the season's, that the ERP knows nothing of: for whoever wants a large shop."""
    fulfillments: bool = False
    """WooCommerce's feature of that name, off in a new shop: without it the routes are not there."""
    shipment_tracking: bool = False
    """Whether the extension is installed."""
    key_may_manage: bool = True
    """Whether the user of the keys may manage WooCommerce, not only edit orders."""
    seed: int = 1

    @property
    def statuses(self) -> tuple[str, ...]:
        """Every status an order may be given, in the order WordPress lists them."""
        return (*CORE_STATUSES, "checkout-draft", *self.plugin_statuses)

    @property
    def about(self) -> JSON:
        """What ``GET /_sandbox/`` tells besides the common things."""
        return {"shop": self.name, "currency": self.currency, "timeZone": self.time_zone, "version": self.version}


NEW_YORK = WooCommerceSettings(
    name="Sandbox Apparel Co.",
    currency="USD",
    time_zone="America/New_York",
    country="US",
    prices_include_tax=False,
)
"""A shop at the other side of UTC, with tax on top of its prices."""
