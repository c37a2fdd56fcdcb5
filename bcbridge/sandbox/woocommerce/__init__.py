"""A simulated WooCommerce shop: the REST API wc/v3 as a real one answered it, orders that change, webhooks.

Written from contracts/woo_bigcommerce_magento.md (section 1) and the recordings beside it, which win where they
differ. Seen from outside it is a slow PHP site behind a cheap host, with all that goes wrong there; docs/sandbox.md
says what can be ordered.
"""

from bcbridge.sandbox.woocommerce.serving import serving
from bcbridge.sandbox.woocommerce.settings import NEW_YORK, WooCommerceSettings

__all__ = ["NEW_YORK", "WooCommerceSettings", "serving"]
