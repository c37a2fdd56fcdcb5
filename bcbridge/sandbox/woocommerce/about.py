"""What the shop tells of itself: the index, the routes, the state of the system, its settings."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings, symbol

NAMESPACES = (
    *("oembed/1.0", "wc/v3", "wc/v1", "wc/pos/v1/catalog", "jetpack/v4", "wc-admin", "wc-analytics", "wc/store"),
    *("wc/store/v1", "wc/private", "wc/v2", "wc-admin-email", "wc-telemetry", "wccom-site/v3", "wp-abilities/v1"),
    *("wp/v2", "wp-site-health/v1", "wp-block-editor/v1"),
)
ROUTES = {
    "": ("GET",),
    "/orders": ("GET", "POST"),
    "/orders/(?P<id>[\\d]+)": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "/orders/(?P<order_id>[\\d]+)/notes": ("GET", "POST"),
    "/orders/(?P<order_id>[\\d]+)/refunds": ("GET", "POST"),
    "/orders/(?P<order_id>[\\d]+)/refunds/(?P<id>[\\d]+)": ("GET",),
    "/orders/statuses": ("GET",),
    "/refunds": ("GET",),
    "/products": ("GET", "POST"),
    "/products/batch": ("POST", "PUT", "PATCH"),
    "/products/(?P<id>[\\d]+)": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "/products/(?P<product_id>[\\d]+)/variations": ("GET", "POST"),
    "/products/(?P<product_id>[\\d]+)/variations/batch": ("POST", "PUT", "PATCH"),
    "/products/(?P<product_id>[\\d]+)/variations/(?P<id>[\\d]+)": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "/webhooks": ("GET", "POST"),
    "/webhooks/(?P<id>[\\d]+)": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "/system_status": ("GET",),
    "/settings/(?P<group_id>[\\w-]+)": ("GET",),
    "/settings/(?P<group_id>[\\w-]+)/(?P<id>[\\w-]+)": ("GET",),
    "/data/currencies/current": ("GET",),
}
"""What this sandbox has of a shop's some hundred routes. Orders and products are not made through the API here, though
the ``Allow`` header says, as the real one, that they may be."""
FULFILMENTS = {
    "/orders/(?P<order_id>[\\d]+)/fulfillments": ("GET", "POST"),
    "/orders/(?P<order_id>[\\d]+)/fulfillments/(?P<fulfillment_id>[\\d]+)": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "/orders/(?P<order_id>[\\d]+)/fulfillments/(?P<fulfillment_id>[\\d]+)/metadata": ("GET",),
}
"""Where the feature is on."""
TRACKING = "wc-shipment-tracking/v3"
"""The namespace of the extension Shipment Tracking, and of others that speak like it."""
CURRENCIES = {"EUR": "Euro", "GBP": "Pound sterling", "USD": "United States (US) dollar", "CAD": "Canadian dollar"}


def index(settings: WooCommerceSettings, home: str, now: datetime) -> JSON:
    """``GET /wp-json/``: how a client learns what is there, and in which time zone."""
    offset = now.astimezone(ZoneInfo(settings.time_zone)).utcoffset()
    hours = offset.total_seconds() / 3600 if offset is not None else 0.0
    return {
        "name": settings.name,
        "description": "",
        "url": home,
        "home": home,
        "gmt_offset": int(hours) if hours.is_integer() else hours,
        "timezone_string": settings.time_zone,
        "namespaces": [*NAMESPACES, *([TRACKING] if settings.shipment_tracking else [])],
        "authentication": {},
        "routes": routes(settings),
    }


def namespace(settings: WooCommerceSettings) -> JSON:
    return {"namespace": "wc/v3", "routes": routes(settings)}


def routes(settings: WooCommerceSettings) -> JSON:
    there = {**ROUTES, **(FULFILMENTS if settings.fulfillments else {})}
    return {
        f"/wc/v3{path}": {
            "namespace": "wc/v3",
            "methods": list(methods),
            "endpoints": [{"methods": list(methods), "args": {}}],
        }
        for path, methods in there.items()
    }


def allowed(path: str) -> str:
    """The ``Allow`` header of a route below ``/wp-json/wc/v3``."""
    fits = (methods for pattern, methods in {**ROUTES, **FULFILMENTS}.items() if re.fullmatch(pattern, path))
    return ", ".join(next(fits, ("GET",)))


def system_status(settings: WooCommerceSettings, home: str) -> JSON:
    return {
        "environment": {
            "home_url": home,
            "site_url": home,
            "version": settings.version,
            "wp_version": settings.wordpress,
            "wp_multisite": False,
            "wp_memory_limit": 536_870_912,
            "wp_debug_mode": False,
            "wp_cron": True,
            "wp_environment_type": "production",
            "language": "en_US",
            "external_object_cache": None,
            "php_version": "8.2.35",
            "default_timezone": "UTC",
        },
        "settings": {
            "api_enabled": False,
            "force_ssl": False,
            "currency": settings.currency,
            "currency_symbol": symbol(settings.currency),
            "currency_position": "left",
            "thousand_separator": ",",
            "decimal_separator": ".",
            "number_of_decimals": 2,
            "order_datastore": "Automattic\\WooCommerce\\Internal\\DataStores\\Orders\\OrdersTableDataStore",
            "HPOS_enabled": True,
            "HPOS_sync_enabled": False,
            "enabled_features": ["analytics", "marketplace", "order_attribution", "custom_order_tables"],
        },
        "active_plugins": [
            {"plugin": "woocommerce/woocommerce.php", "name": "WooCommerce", "version": settings.version}
        ],
        "database": {"wc_database_version": settings.version, "database_prefix": "wp_"},
        "security": {"secure_connection": home.startswith("https:"), "hide_errors": True},
    }


def shop_settings(settings: WooCommerceSettings) -> dict[str, dict[str, tuple[str, str]]]:
    """By group and id: label and value; the ones a client looks at before it trusts a shop."""
    return {
        "general": {
            "woocommerce_default_country": ("Country / State", settings.country),
            "woocommerce_calc_taxes": ("Enable taxes", "yes"),
            "woocommerce_currency": ("Currency", settings.currency),
            "woocommerce_price_num_decimals": ("Number of decimals", "2"),
        },
        "products": {
            "woocommerce_manage_stock": ("Manage stock", yes(settings.manage_stock)),
            "woocommerce_hold_stock_minutes": ("Hold stock (minutes)", settings.hold_stock_minutes),
        },
        "tax": {
            "woocommerce_prices_include_tax": ("Prices entered with tax", yes(settings.prices_include_tax)),
            "woocommerce_tax_round_at_subtotal": ("Rounding", yes(settings.round_at_subtotal)),
        },
    }


def setting(group: str, identifier: str, label: str, value: str, home: str) -> JSON:
    own = f"{home}/wp-json/wc/v3/settings/{group}"
    return {
        "id": identifier,
        "label": label,
        "description": "",
        "type": "text",
        "default": value,
        "value": value,
        "group_id": group,
        "_links": {"self": [{"href": f"{own}/{identifier}"}], "collection": [{"href": own}]},
    }


def yes(on: bool) -> str:
    return "yes" if on else "no"


def currency(settings: WooCommerceSettings, home: str) -> JSON:
    own = f"{home}/wp-json/wc/v3/data/currencies"
    return {
        "code": settings.currency,
        "name": CURRENCIES.get(settings.currency, settings.currency),
        "symbol": symbol(settings.currency),
        "_links": {"self": [{"href": f"{own}/{settings.currency}"}], "collection": [{"href": own}]},
    }


def statuses(settings: WooCommerceSettings) -> list[JSON]:
    known = (*settings.statuses, "trash")
    return [{"slug": one, "name": one.replace("-", " ").capitalize()} for one in known]
