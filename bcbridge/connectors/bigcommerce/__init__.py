"""BigCommerce's room: v2 orders, v3 the rest; a store's orders in, its numbers and its dispatches out."""

from bcbridge.connectors.bigcommerce.connector import BigCommerce, build
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings

__all__ = ["BigCommerce", "BigCommerceSettings", "build"]
