"""Shopify's room: the Admin GraphQL API, pinned to one version; their orders in, nothing out yet."""

from bcbridge.connectors.shopify.connector import Shopify, build
from bcbridge.connectors.shopify.settings import ShopifySettings

__all__ = ["Shopify", "ShopifySettings", "build"]
