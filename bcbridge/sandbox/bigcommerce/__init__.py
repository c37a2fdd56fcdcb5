"""A simulated BigCommerce shop: REST v2 and v3, a shared quota, webhooks, a shopper, and bad manners on request.

``async with serving(folder, port=0) as server`` runs one; ``server.url`` is where. Documented in
docs/sandbox.md. Facts: contracts/woo_bigcommerce_magento.md section 2, and the OpenAPI files beside it.
"""

from bcbridge.sandbox.bigcommerce.serving import serving
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings

__all__ = ["BigCommerceSettings", "serving"]
