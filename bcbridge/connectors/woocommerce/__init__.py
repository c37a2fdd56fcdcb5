"""WooCommerce's room: the REST API wc/v3; their orders in; stock, and what left, out."""

from bcbridge.connectors.woocommerce.connector import WooCommerce, build
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings

__all__ = ["WooCommerce", "WooCommerceSettings", "build"]
