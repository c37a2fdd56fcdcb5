"""A simulated Shopify shop: Admin GraphQL API, webhooks, a shopper, and bad manners on request.

``async with serving(folder, port=0) as server`` runs one; ``server.url`` is where. Documented in
docs/sandbox.md.
"""

from bcbridge.sandbox.shopify.serving import serving
from bcbridge.sandbox.shopify.settings import ShopifySettings

__all__ = ["ShopifySettings", "serving"]
